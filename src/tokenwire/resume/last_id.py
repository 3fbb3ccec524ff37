"""`LastId`: how far an event source was delivered: its last id, and no more.

Decided here: when that id changes. An event source goes on with what comes next and delivers what
it gets; its ids need not be those of events, so nothing is compared and nothing can be in doubt.
Not here: what is left out where the caller wants no repeated events
(`tokenwire.resume.recent_events`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tokenwire.cursor import Cursor
from tokenwire.dialects import Resumption
from tokenwire.events import Error, Event
from tokenwire.frame import Frame
from tokenwire.resume.cursor import checked
from tokenwire.resume.evidence import SILENT, Evidence, Kept, short
from tokenwire.resume.recent_events import RecentEvents
from tokenwire.resume.tail import Tail


class LastId:
    """The place after the last event that was delivered, as a source names it.

    Args:
        resumption: How the dialect's API reconnects.
        cursor: The place to begin at, of a checkpoint.
        kept: The ids before it.
        drop_repeated: Leave out what comes again at the beginning of a connection.

    Raises:
        CheckpointError: The cursor is none of this dialect.

    Attributes:
        cursor: The place itself.
        tail: Of what was delivered after it nothing is remembered.
        evidence: The ids before it.
        begins: There is no beginning to be remembered.
        doubt: Nothing is in doubt.
        admits: Only what comes over a later connection need be shown to `was_delivered`.
        is_ambiguous: No id is: the source goes on as it likes.
        is_blank: A source is never asked for all of it again.
        will_repeat: Nor does it repeat what its decoder would have to forget.
        awaited: It may end anywhere.
    """

    __slots__ = (
        "_ignored",
        "_is_frozen",
        "_recent",
        "_replayed",
        "_resumption",
        "cursor",
        "evidence",
        "tail",
    )

    begins: Final = False
    doubt: Final[Error | None] = None
    admits: Final = False
    is_ambiguous: Final = False
    is_blank: Final = False
    will_repeat: Final = False
    awaited: Final = False

    def __init__(
        self,
        resumption: Resumption,
        cursor: Cursor | None = None,
        kept: Kept | None = None,
        *,
        drop_repeated: bool = False,
    ) -> None:
        self.cursor = checked(cursor, resumption)
        self.tail = Tail()
        self.evidence = Evidence(kept)
        self._resumption = resumption
        self._recent = RecentEvents(self.evidence.names) if drop_repeated else None
        # Of a replay, as in `tokenwire.resume.place.Place`.
        self._replayed: str | int | None = None
        self._ignored: str | int | None = None
        self._is_frozen = False

    def anew(self) -> LastId:
        """For another answer, which may repeat events of this one all the same."""
        made = LastId(self._resumption)
        made._recent = self._recent
        return made

    # --- what was delivered ---

    def delivered(self, cursor: Cursor) -> bool:
        """Events were delivered, and the parser's cursor stands after them: is that elsewhere?"""
        value = cursor.value
        if value is None or value == self.cursor.value or self._is_frozen:
            return False
        if value == self._ignored:
            return False
        self.evidence.named(short(str(value)), SILENT)
        self.cursor = cursor
        return True

    def replayed(self, cursor: Cursor, *, through: bool) -> None:
        """An event of another answer came, and was said before; the parser's cursor is after it."""
        if through and cursor.value == self._replayed:
            self._ignored = cursor.value
        self._replayed = cursor.value

    def freeze(self) -> None:
        """A frame could not be read: until the next connection the place stays before it."""
        self._is_frozen = True

    def event_delivered(self, event: Event, *, moved: bool, within_frame: bool) -> None:
        """An event was delivered."""
        if self._recent is not None and event.frame is not None:
            self._recent.add(event.frame)

    # --- as of places that are compared ---

    def begin_with(self, event: Event, cursor: Cursor) -> None:
        """Never needed, for `begins` is false."""

    def cut(self, data: bytes) -> Sequence[tuple[bytes, Cursor | None]]:
        """The pieces in which bytes are read: see `tokenwire.resume.counted.CountedPlace`."""
        return ((data, None),) if data else ()

    def feed(self, cursor: Cursor | None) -> None:
        """The parser gets a piece."""

    def counted(self, cursor: Cursor) -> bool:
        """All of a piece is delivered: the source names its places itself."""
        return False

    # --- over the next connection ---

    @property
    def asks(self) -> Cursor:
        """After which id the source is asked to go on."""
        return self.cursor

    def reconnected(self, *, asked_for_all: bool = False) -> None:
        """The next frames come over a new connection, which resumes."""
        self._is_frozen = False
        if self._recent is not None:
            self._recent.reconnected()

    def was_delivered(self, frame: Frame) -> bool:
        """Is this frame to be left out? An id stays in force over connections all the same."""
        return self._recent is not None and self._recent.is_repeated(frame)

    def why_nothing_came(self) -> str:
        """Whatever came was all that there was."""
        return ""
