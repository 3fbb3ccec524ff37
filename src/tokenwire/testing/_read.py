"""What a parser makes of chunks: all that must not depend on how the bytes were cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from msgspec import Struct

from tokenwire.cursor import Cursor
from tokenwire.dialects import Dialect
from tokenwire.events import Done, Error, Event
from tokenwire.frame import Frame
from tokenwire.limits import DEFAULT_LIMITS, Limits
from tokenwire.parser import StreamParser
from tokenwire.state import State
from tokenwire.testing._said import what_was_said


class Reading(Struct, frozen=True):
    """What one way of cutting gives.

    Attributes:
        events: All events, in order.
        frames: The frames they came from.
        before_eof: How many of them came before the end of the body was told.
        state: Where the stream stood in the end.
        cursor: Where it could be taken up again.
        retry: The reconnection time it asked for, if it did not come to its end.
        raised: What the parser raised, which it never may; ``""``: nothing.
    """

    events: list[Event]
    frames: list[Frame | None]
    before_eof: int
    state: State
    cursor: Cursor
    retry: int | None
    raised: str = ""

    @property
    def complete(self) -> bool:
        """It ended in `Done`."""
        return bool(self.events) and isinstance(self.events[-1], Done)

    @property
    def ended(self) -> bool:
        """It ended in one of the two events that may be last."""
        last = self.events[-1] if self.events else None
        return isinstance(last, Done) or (isinstance(last, Error) and last.fatal)


def read(
    dialect: Dialect, chunks: Iterable[bytes], *, limits: Limits = DEFAULT_LIMITS, eof: bool = True
) -> Reading:
    """Feed the chunks to a new parser, taking events after each of them."""
    parser = StreamParser(dialect, limits=limits)
    events: list[Event] = []
    before_eof = 0
    over = False
    raised = ""
    try:
        for chunk in chunks:
            parser.receive_data(chunk)
            events.extend(parser.events())
        before_eof = len(events)
        over = parser.closed
        if eof:
            parser.receive_eof()
            events.extend(parser.events())
    except Exception as error:  # whatever a decoder does wrong is to be shown
        raised = f"{type(error).__name__}: {error}"
    frames = [getattr(event, "frame", None) for event in events]
    # What stands after the last event in the same chunk is framed, though it means nothing.
    retry = None if over else parser.retry
    return Reading(events, frames, before_eof, parser.state, parser.cursor, retry, raised)


def cut(wire: bytes, cuts: Sequence[int]) -> list[bytes]:
    """The bytes in chunks, cut at these places; none of them empty."""
    ends = sorted({0, len(wire), *(at for at in cuts if 0 < at < len(wire))})
    return [wire[start:end] for start, end in pairwise(ends)]


def tells_cuts(dialect: Dialect) -> bool:
    """The wire is bare text: its tokens are the chunks, and only what they add up to counts."""
    return bool(getattr(dialect.framer(DEFAULT_LIMITS), "cuts_show", False))


def lines_of(reading: Reading, dialect: Dialect) -> list[str]:
    """A reading as lines to compare and to show."""
    if tells_cuts(dialect):
        last = reading.events[-1:]
        shown = [f"{what}: {value!r}" for what, value in what_was_said(reading.events)]
        return [*shown, *map(repr, last), f"state: {reading.state}"]
    return [
        *map(repr, reading.events),
        f"state: {reading.state}",
        f"cursor: {reading.cursor.value!r}",
        f"retry: {reading.retry!r}",
        *([f"raised: {reading.raised}"] if reading.raised else []),
    ]


def lines_with_frames(reading: Reading) -> list[str]:
    """The same with the frame of each event, for readings that differ in nothing else."""
    pairs = zip(reading.events, reading.frames, strict=True)
    return [f"{event!r} from {frame!r}" for event, frame in pairs]
