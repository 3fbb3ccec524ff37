"""`Place`: how far an answer was delivered, where the stream itself names its places.

Decided here: whether a frame names a place that was delivered before, and when the cursor moves.
By its place such a frame is known, and it is left out where it says what was said there before; if
it says something else, the service sends another answer, and nothing of it is joined to the first:
`tokenwire.resume.duplicates` compares. What names no place of its own is known by its `Tail`.

Which of two names is the later one is never guessed: a dialect says so, or they have no order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from tokenwire.cursor import Cursor, CursorKind
from tokenwire.dialects import Resumption
from tokenwire.events import Error, Event, Recovery
from tokenwire.frame import Frame
from tokenwire.resume.cursor import checked, differs, is_too_long
from tokenwire.resume.duplicates import Duplicates
from tokenwire.resume.evidence import (
    SILENT,
    UNKNOWN,
    Evidence,
    Kept,
    digest_of,
    short,
)
from tokenwire.resume.replay import NOTHING, Said
from tokenwire.resume.tail import Tail, says_something

# A frame that was read and not delivered yet: its place if it names one, that as it is remembered,
# and what the frame says.
_Pending = tuple[str | int | None, str, bytes]
_NONE_PENDING: Final[list[_Pending]] = []  # never written to: idle sessions share it


class Place:
    """The place after the last event that was delivered.

    Args:
        resumption: How the dialect's API reconnects; None: it cannot.
        cursor: The place to begin at, of a checkpoint.
        kept: What had been said at the places before it.
        tail: What was delivered after it.
        head: What came before the stream named any place.

    Raises:
        CheckpointError: The cursor is none of this dialect.

    Attributes:
        cursor: The place itself.
        tail: What was delivered after it.
        evidence: What was said at the places before it.
        begins: The stream has not named a place yet; call `begin_with`.
        doubt: Why nothing of this connection can be trusted any more; all of it is left out.
    """

    __slots__ = (
        "_current",
        "_duplicates",
        "_ignored",
        "_is_frozen",
        "_name",
        "_named",
        "_pending",
        "_replayed",
        "_resumption",
        "_unnamed",
        "begins",
        "cursor",
        "doubt",
        "evidence",
        "tail",
    )

    def __init__(
        self,
        resumption: Resumption | None,
        cursor: Cursor | None = None,
        kept: Kept | None = None,
        tail: Said = NOTHING,
        head: Said = NOTHING,
    ) -> None:
        self.cursor = checked(cursor, resumption)
        self.tail = Tail(tail, head)
        self.evidence = Evidence(kept)
        self.begins = cursor is None and resumption is not None
        self.doubt: Error | None = None
        self._resumption = resumption
        self._named: str | int | None = None  # the value found last, and how it is remembered
        self._name = ""
        # Of another answer: the place named last while it was held, and what is no place of it.
        self._replayed: str | int | None = None
        self._ignored: str | int | None = None
        self._pending = _NONE_PENDING
        self._current: str | None = None  # the place at which the frames of the connection are
        self._unnamed = 0  # frames since the last name that is not old
        self._is_frozen = False
        self._duplicates: Duplicates | None = None  # of a connection that resumes

    @property
    def admits(self) -> bool:
        """Each frame has to be shown to `was_delivered`, also over the first connection."""
        return self._resumption is not None

    @property
    def is_blank(self) -> bool:
        """Nothing of the answer came, neither before it named a place nor after that."""
        return not (self.tail.head.length or self.tail.said.length)

    def anew(self) -> Place:
        """For another answer."""
        return Place(self._resumption)

    # --- what was delivered ---

    def begin_with(self, event: Event, cursor: Cursor) -> None:
        """An event of the answer came, and the parser's cursor stands after it."""
        self.begins = cursor.value is None
        if self.begins:
            self.tail.begin(event)

    def delivered(self, cursor: Cursor) -> bool:
        """Events were delivered, and the parser's cursor stands after them: is that elsewhere?"""
        value = cursor.value
        if value is None or value == self.cursor.value or self._is_frozen:
            return False
        if value == self._ignored or self.tail.pending or is_too_long(value):
            return False
        # An id may come without data, among events that were delivered before.
        name = self._name_of(value)
        is_pending = any(one == value for one, _, _ in self._pending)
        if self._duplicates is not None and not is_pending and self.evidence.at(name) is not None:
            return False
        self._commit(value, name)
        self.tail.cursor_moved()
        self.cursor = cursor
        return True

    def _commit(self, value: str | int, name: str) -> None:
        """Take all as evidence that was read up to this place."""
        pending, self._pending = self._pending, _NONE_PENDING
        for at, (one, named, said) in enumerate(pending):
            if one is None:
                self.evidence.followed(said)
                continue
            self.evidence.named(named, said)
            if one == value:
                self._pending = pending[at + 1 :]
                return
        self.evidence.named(name, SILENT)

    def replayed(self, cursor: Cursor, *, through: bool) -> None:
        """An event of another answer came, and was said before; the parser's cursor is after it.

        Args:
            cursor: The parser's.
            through: It has said all that was said before. The place named last may lie before some
                of that, so only the next one counts.
        """
        if through and cursor.value == self._replayed:
            self._ignored = cursor.value
        self._replayed = cursor.value

    def freeze(self) -> None:
        """A frame could not be read: until the next connection the place stays before it."""
        self._is_frozen = True

    def event_delivered(self, event: Event, *, moved: bool, within_frame: bool) -> None:
        """An event was delivered, after `delivered` or `counted` was asked.

        Args:
            event: The event.
            moved: The cursor has moved: by its frame, or by one before it that said nothing.
            within_frame: More events of its frame are to come.
        """
        if self.cursor.value is None or not says_something(event):
            return  # nothing is after a place, or says anything
        if within_frame or not (moved and self._names_cursor(event.frame)):
            self.tail.add(event)

    def _names_cursor(self, frame: Frame | None) -> bool:
        return frame is None or self._read is None or self._read(frame) == self.cursor.value

    @property
    def _read(self) -> Callable[[Frame], str | int | None] | None:
        return self._resumption.read if self._resumption is not None else None

    def _name_of(self, value: str | int) -> str:
        """How a place is remembered. A frame without an id of its own has the very one before."""
        if value is not self._named:
            self._named, self._name = value, short(str(value))
        return self._name

    # --- as of services that count ---

    def cut(self, data: bytes) -> Sequence[tuple[bytes, Cursor | None]]:
        """The pieces in which bytes are read: see `CountedPlace`."""
        return ((data, None),) if data else ()

    def feed(self, cursor: Cursor | None) -> None:
        """The parser gets a piece."""

    def counted(self, cursor: Cursor) -> bool:
        """All of a piece is delivered: it names its places itself."""
        return False

    # --- over the next connection ---

    @property
    def will_repeat(self) -> bool:
        """Frames will come once more that do not say that they were delivered, or perhaps will."""
        if self.tail.said.length:
            return True
        if self._resumption is None or self._resumption.beginning is None:
            return False
        # A decoder that remembers has seen these too, whether or not they said anything.
        return self.tail.head.length > 0 or self.evidence.has_prelude or self._unnamed > 0

    @property
    def asks(self) -> Cursor:
        """After which place the service is asked to go on."""
        return Cursor(self.cursor.kind) if self.is_ambiguous else self.cursor

    @property
    def is_ambiguous(self) -> bool:
        """The service gave this name to several places: asked for it, it may go on at any."""
        if self.cursor.value is None:
            return False
        known = self.evidence.at(self._name_of(self.cursor.value))
        return known is not None and known.said == UNKNOWN

    def reconnected(self, *, asked_for_all: bool = False) -> None:
        """The next frames come over a new connection, which resumes.

        Args:
            asked_for_all: Not only what is after the cursor.
        """
        self._pending = _NONE_PENDING
        self._current = None
        self._unnamed = 0
        self._is_frozen = False
        self.doubt = None
        resumption = self._resumption
        beginning = resumption.beginning if resumption is not None else None
        is_within = self.cursor.value not in (None, beginning)
        all_comes = asked_for_all and is_within and beginning is not None
        self._duplicates = Duplicates(
            resumption, self.evidence, self.tail, is_before=all_comes, from_beginning=all_comes
        )

    @property
    def awaited(self) -> bool:
        """The answer comes from before the place, and has not come as far: it cannot end there."""
        return self._duplicates is not None and self._duplicates.is_before

    def was_delivered(self, frame: Frame) -> bool:
        """Does this frame lie before the place? Ask for each that comes, in their order."""
        if self.doubt is not None:
            return True
        duplicates = self._duplicates
        value = frame.id if self._read is None else self._read(frame)
        name = "" if value is None else self._name_of(value)
        is_alone = value is not None and not frame.data
        if duplicates is not None and is_alone and self.evidence.has_spoken(name):
            return True  # a place is named once more, and nothing is said
        said = digest_of(frame, self._resumption.ignored if self._resumption is not None else ())
        if value is None or not name or name == self._current:  # an empty id names no place
            return self._follows(said)
        if duplicates is None:
            return self._is_beyond(value, name, said)
        self.doubt = duplicates.leave(self.cursor)
        if self.doubt is not None:
            return True
        if not self._is_known(name, value, duplicates):
            return self._is_beyond(value, name, said)
        is_last = value == self.cursor.value
        was_alone = is_last and self.evidence.is_silent(name)  # this one only stands after it
        if was_alone:
            self.doubt = duplicates.arrive(self.cursor)
        else:
            self.doubt = duplicates.revisit(name, said, self.cursor, is_last=is_last)
        if self.doubt is not None:
            return True
        self._current = name
        if is_last:
            self._unnamed = 0
        return self._follows(said) if was_alone else True

    def _follows(self, said: bytes) -> bool:
        """A frame that names no place of its own, after the one before it."""
        duplicates = self._duplicates
        if duplicates is not None:
            if duplicates.is_before:
                duplicates.follow(said)
                return True
            duplicates.went_on = True
        self._unnamed += 1
        if self._pending:
            self._pending.append((None, "", said))
        else:
            self.evidence.followed(said)
        return False

    def _is_known(self, name: str, value: str | int, duplicates: Duplicates) -> bool:
        """Was this place named before, as far as can be known?"""
        last = self.cursor.value
        has_order = self._resumption is not None and self._resumption.order is not None
        if has_order and isinstance(value, int) and isinstance(last, int):
            return value <= last
        return value == last or duplicates.from_beginning or self.evidence.at(name) is not None

    def _is_beyond(self, value: str | int, name: str, said: bytes) -> bool:
        """A place that was not named before. Gives whether to leave it out: it proves a fault."""
        duplicates = self._duplicates
        if duplicates is not None and duplicates.misses(names_first=self._current is None):
            self.doubt = differs(self.cursor)
        elif self._resumption is not None and self._resumption.order == "dense":
            named = [one for one, _, _ in self._pending if one is not None]
            last = named[-1] if named else self.cursor.value
            self.doubt = _gap(self.cursor.kind, last, value, self._unnamed)
        if self.doubt is not None:
            return True
        self._current, self._unnamed = name, 0
        if duplicates is not None:
            duplicates.go_on()
        if not self._pending:
            self._pending = []
        self._pending.append((value, name, said))
        return False

    def why_nothing_came(self) -> str:
        """Where all was asked for again, and what came did not reach the place; else empty."""
        if self._duplicates is None or self.doubt is not None:
            return ""
        return self._duplicates.why_nothing_came(self.cursor)


def _gap(kind: CursorKind, last: object, value: object, unnamed: int) -> Error | None:
    """Where positions are dense, one that is left out is a piece that is lost.

    Args:
        kind: Of the positions.
        last: The one before.
        value: The one that came.
        unnamed: Frames between them without a number, which have one all the same.
    """
    if not isinstance(value, int) or not isinstance(last, int) or value <= last + 1 + unnamed:
        return None
    return Error(
        "truncated",
        f"the service left out what lies between {kind} {last} and {kind} {value}",
        recovery=Recovery.RESUME,
    )
