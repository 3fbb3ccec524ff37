"""`CountedPlace`: how far an answer was delivered, where the service counts its events or bytes.

Decided here: where an event ends and which number that has, how far back the service is asked to
go on so that what it sends again proves that it counts as it did, and which bytes were delivered
before. Not here: what two events are compared by (`tokenwire.resume.duplicates`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Final

from tokenwire.cursor import Cursor, CursorKind
from tokenwire.dialects import Resumption
from tokenwire.events import Error, Event
from tokenwire.frame import Frame
from tokenwire.resume.cursor import checked, differs
from tokenwire.resume.duplicates import Duplicates
from tokenwire.resume.evidence import UNKNOWN, Evidence, Kept
from tokenwire.resume.replay import NOTHING, Said
from tokenwire.resume.tail import Tail, says_something

_SIZE: Final = 6  # bytes of the digest of an event

# So many events before the place are asked for once more: only they show that the service counts
# as it did.
_OVERLAP: Final = 16

# A blank line after one that is not; further blank lines end no more events. It ends at its first
# byte: a LF after its CR ends nothing, wherever the chunk does.
_ENDS_EVENT: Final = re.compile(rb"[^\r\n](?:\r\n|\r(?!\n)|\n)[\r\n]")
_LOOK_BACK: Final = 3  # bytes of it that may stand in the chunk before


class _Counter:
    """Counts the events, or the bytes up to the end of each, of one connection.

    Args:
        start: The cursor at which the connection begins.

    Attributes:
        digests: Of the events that are not delivered yet, by their numbers.
    """

    __slots__ = ("_event", "_is_blank", "_kind", "_reached", "_window", "digests")

    def __init__(self, start: Cursor) -> None:
        self.digests: dict[int, bytes] = {}
        self._kind: CursorKind = start.kind
        self._reached = _number(start)
        self._window = b""
        self._event: blake2b | None = None  # the bytes of an event that is not whole yet
        self._is_blank = True  # none but line ends

    def cut(self, data: bytes) -> Iterator[tuple[bytes, Cursor | None]]:
        begin = 0
        before = len(self._window)
        window = self._window + data
        for match in _ENDS_EVENT.finditer(window):
            end = match.end() - before
            if end > 0:  # else it was found in the chunk before
                self._add(data[begin:end])
                yield data[begin:end], self._count(end - begin)
                begin = end
        self._window = window[-_LOOK_BACK:]
        self._reached += 0 if self._kind == "events" else len(data) - begin
        self._add(data[begin:])
        if begin < len(data):
            yield data[begin:], None

    def _add(self, data: bytes) -> None:
        """Bytes of an event; the line end after the one before is of none."""
        if self._is_blank:
            data = data.lstrip(b"\r\n")
            self._is_blank = not data
        self._event = self._event or blake2b(digest_size=_SIZE)
        self._event.update(data)

    def _count(self, size: int) -> Cursor:
        self._reached += 1 if self._kind == "events" else size
        event = self._event or blake2b(digest_size=_SIZE)
        self.digests[self._reached] = event.digest()
        self._event, self._is_blank = None, True
        return Cursor(self._kind, self._reached)


class CountedPlace:
    """The place after the last event that was delivered.

    Args:
        resumption: How the dialect's API reconnects.
        cursor: The place to begin at, of a checkpoint.
        kept: What had been said at the places before it.
        tail: What was delivered after it.
        head: Nothing comes before the first place.

    Raises:
        CheckpointError: The cursor is none of this dialect.

    Attributes:
        cursor: The place itself.
        tail: What was delivered after it.
        evidence: What was said at the places before it.
        begins: The first place is known before anything comes.
        doubt: As of a `tokenwire.resume.place.Place`.
        admits: Only what comes again need be shown to `was_delivered`.
        is_ambiguous: Two places never have the same number.
    """

    __slots__ = (
        "_counter",
        "_duplicates",
        "_fed",
        "_fruitless",
        "_is_frozen",
        "_is_proven",
        "_resumption",
        "cursor",
        "doubt",
        "evidence",
        "tail",
    )

    begins: Final = False
    admits: Final = False
    is_ambiguous: Final = False

    def __init__(
        self,
        resumption: Resumption,
        cursor: Cursor | None = None,
        kept: Kept | None = None,
        tail: Said = NOTHING,
        head: Said = NOTHING,
    ) -> None:
        self.cursor = checked(cursor, resumption)
        self.tail = Tail(tail, head)
        self.evidence = Evidence(kept)
        self.doubt: Error | None = None
        self._resumption = resumption
        self._counter = _Counter(self.cursor)
        self._fed: int | None = None  # the place after what the parser has
        self._fruitless = 0  # connections in a row that brought nothing new
        self._is_proven = False  # the one before showed how the service counts, and no more
        self._is_frozen = False
        self._duplicates: Duplicates | None = None  # of a connection that resumes

    @property
    def is_blank(self) -> bool:
        """Nothing of the answer came, not even a part of its first event."""
        return not (self.tail.head.length or self.tail.said.length)

    def anew(self) -> CountedPlace:
        """For another answer."""
        return CountedPlace(self._resumption)

    # --- what was delivered ---

    def cut(self, data: bytes) -> Sequence[tuple[bytes, Cursor | None]]:
        """Cut these bytes after each event.

        With each piece comes the place after it, if an event ends there. Call `feed` with it when
        the piece is read, and `counted` once all that it brought is delivered.
        """
        return tuple(self._counter.cut(data))

    def feed(self, cursor: Cursor | None) -> None:
        """The parser gets the bytes up to here."""
        self._fed = fed = None if cursor is None else _number(cursor)
        duplicates = self._duplicates
        if fed is None or duplicates is None or self.doubt is not None:
            return
        last = _number(self.cursor)
        if fed <= last:
            self._revisit(fed, duplicates, is_last=fed == last)
        elif duplicates.is_before and last:
            self.doubt = differs(self.cursor)

    def _revisit(self, number: int, duplicates: Duplicates, *, is_last: bool) -> None:
        name, said = str(number), self._counter.digests.pop(number)
        # From the beginning, that an event comes again as it was shows nothing of the counting.
        is_first = self.evidence.is_first(name) and not is_last
        is_only = len(self.evidence.latest(2)) == 1
        is_proof = is_only or not (duplicates.from_beginning or is_first)
        self.doubt = duplicates.leave(self.cursor) or duplicates.revisit(
            name, said, self.cursor, is_last=is_last
        )
        self._is_proven = is_proof and self.doubt is None

    def counted(self, cursor: Cursor) -> bool:
        """All that came before this place is delivered; gives whether it lies further on."""
        value = _number(cursor)
        if value <= _number(self.cursor) or self.doubt is not None or self._is_frozen:
            return False
        digests = self._counter.digests
        for one in [one for one in digests if one <= value]:
            self.evidence.named(str(one), digests.pop(one))
        self.tail.cursor_moved()
        self.cursor = cursor
        self._fruitless, self._is_proven = 0, False
        return True

    def event_delivered(self, event: Event, *, moved: bool, within_frame: bool) -> None:
        """An event was delivered: see `tokenwire.resume.place.Place`."""
        if self.cursor.value is not None and says_something(event) and (within_frame or not moved):
            self.tail.add(event)

    def freeze(self) -> None:
        """A frame could not be read: until the next connection the place stays before it."""
        self._is_frozen = True

    # --- as of services that name their places ---

    def begin_with(self, event: Event, cursor: Cursor) -> None:
        """Never needed, for `begins` is false."""

    def delivered(self, cursor: Cursor) -> bool:
        """The parser's cursor says nothing here."""
        return False

    def replayed(self, cursor: Cursor, *, through: bool) -> None:
        """Nor does it while another answer says what was said before."""

    # --- over the next connection ---

    @property
    def will_repeat(self) -> bool:
        """Some of what was delivered will come once more."""
        return self.tail.said.length > 0

    @property
    def asks(self) -> Cursor:
        """From where the service is asked to go on: a little before the place.

        Only what is sent once more shows that it counts as it did. Where the last events are so
        much alike that they would be the same elsewhere, all is asked for. Where connections break
        before they bring more than that, less is asked for, and once the one before has shown how
        the service counts, nothing.
        """
        if self.cursor.value is None or self._is_proven:
            return self.cursor
        overlap = max(1, _OVERLAP >> 2 * self._fruitless)
        places = self.evidence.latest(overlap + 1)
        said = [one.said for one in places[1:]]
        is_short = len(said) < (1 if self._fruitless else overlap)
        if is_short or UNKNOWN in said or _repeats(said):
            return Cursor(self.cursor.kind, 0)
        return Cursor(self.cursor.kind, int(places[0].name))

    def reconnected(self, *, asked_for_all: bool = False) -> None:
        """The next frames come over a new connection, which resumes.

        Args:
            asked_for_all: Not only what is after the cursor.
        """
        asked = Cursor(self.cursor.kind, 0) if asked_for_all else self.asks
        self._counter = _Counter(asked)
        self._fed = None
        self._is_frozen = False
        self._fruitless, self._is_proven = self._fruitless + 1, False
        self.doubt = None
        is_before = _number(asked) < _number(self.cursor)
        self._duplicates = Duplicates(
            self._resumption,
            self.evidence,
            self.tail,
            is_before=is_before,
            from_beginning=is_before and not asked.value,
        )

    @property
    def awaited(self) -> bool:
        """The answer comes from before the place, and has not come as far: it cannot end there."""
        return self._duplicates is not None and self._duplicates.is_before

    def was_delivered(self, frame: Frame) -> bool:
        """Does this frame lie before the place? Ask for each that comes, in their order."""
        if self.doubt is not None:
            return True
        if self._fed is None:
            return self.awaited
        was = self._duplicates is not None and self._fed <= _number(self.cursor)
        if was:
            self.tail.rewind()
        return was

    def why_nothing_came(self) -> str:
        """Where all was asked for again, and what came did not reach the place; else empty."""
        if self._duplicates is None or self.doubt is not None:
            return ""
        return self._duplicates.why_nothing_came(self.cursor)


def _number(cursor: Cursor) -> int:
    return cursor.value if isinstance(cursor.value, int) else 0


def _repeats(said: list[bytes]) -> bool:
    """Would it be the same a few events further on?"""
    return any(said[by:] == said[:-by] for by in range(1, len(said) // 2 + 1))
