"""Who gets the bytes of a body, and what is made of frames that are no events.

Decided here: whether bytes are for the framer, for the body of a response that is no stream, for
the search of the dialect, for nobody, or misuse; how much may wait; what stray lines are. Not
decided here: what frames mean (the dialect), and what the end of the body means (`ending`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from tokenwire.dialects import Dialect, get_dialect
from tokenwire.dialects.kit.payloads import is_json
from tokenwire.errors import LocalProtocolError
from tokenwire.events import Error, Event, Heartbeat
from tokenwire.frame import Frame
from tokenwire.limits import Limits
from tokenwire.response import ResponseBody, find_stray_error, judge_response

if TYPE_CHECKING:
    from tokenwire.dialects.detect import Detector

_FRAME_SIZE: Final = 100  # bytes of a frame object and its place in the queue, about


class Phase(Enum):
    """Who gets the bytes. Each goes on only to one that stands below it."""

    NEW = "new"
    """Nothing came: neither a head nor a byte. Either may come."""
    JUDGING = "judging"
    """The body of an odd response, or the detector. It may turn out that it is a stream."""
    STREAMING = "streaming"
    """The framer, all of them."""
    IGNORING = "ignoring"
    """Nobody: the last event is known."""
    ENDED = "ended"
    """There are no more; to give some is misuse."""


# A look into an Enum is slow.
NEW: Final = Phase.NEW
JUDGING: Final = Phase.JUDGING
STREAMING: Final = Phase.STREAMING
IGNORING: Final = Phase.IGNORING
ENDED: Final = Phase.ENDED


class Intake:
    """Takes the bytes of one body to where they belong.

    Attributes:
        dialect: The dialect; with ``"auto"`` a stand-in of that name until it is found.
        detected: What told the dialect, where it was found.
        limits: How much may wait.
        framer: The dialect's.
        found: The frames that the framer has just found.
        phase: Who gets the bytes.
        receive: Takes a chunk to the framer, if the phase is ``STREAMING``; None in all others. It
            is asked for with each chunk, and a look at the phase would cost as much again.
        body: Of a response that is no stream, as far as is known.
        failure: The `Error` in which the stream ends, after what was framed before it.
    """

    __slots__ = (
        "_detector",
        "body",
        "detected",
        "dialect",
        "failure",
        "found",
        "framer",
        "limits",
        "phase",
        "receive",
    )

    def __init__(self, dialect: Dialect | str, limits: Limits) -> None:
        self.limits = limits
        self.detected = ""
        self._go(NEW)
        self.body: ResponseBody | None = None
        self.failure: Error | None = None
        self._detector: Detector | None = None
        if dialect == "auto":
            from tokenwire.dialects.detect import AUTO, Detector  # it loads every dialect

            self._detector, dialect = Detector(limits), AUTO
        self._frame_with(get_dialect(dialect) if isinstance(dialect, str) else dialect)

    def _frame_with(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.framer = framer = dialect.framer(self.limits)
        self.found = framer.frames

    def _go(self, phase: Phase) -> None:
        self.phase = phase
        self.receive = self.framer.receive_data if phase is STREAMING else None

    @property
    def buffered(self) -> int:
        """Bytes held before they are frames."""
        held = 0 if self._detector is None else self._detector.buffered
        return self.framer.buffered + held

    def receive_response(self, status: int, headers: Mapping[str, str]) -> None:
        """The response's head, before any data."""
        if self.phase is not NEW:
            raise LocalProtocolError("receive_response comes once, before the first data")
        self.body = judge_response(status, headers, self.dialect, self.limits)
        if self._detector is not None:
            self._detector.receive_response(headers)
        self._go(STREAMING if self.body is None and self._detector is None else JUDGING)

    def admit(self, data: bytes) -> bytes:
        """The bytes that are for the framer, where not all of them are."""
        if self.phase is ENDED:
            raise LocalProtocolError("receive_data after receive_eof; make a new StreamParser")
        if not data or self.phase is IGNORING:
            return b""
        self._go(JUDGING)
        if self.body is not None:
            data = self.body.receive_data(data) or b""
            if not data:
                return b""
            self.body = None
        if self._detector is not None:
            return self._detect(self._detector, self._detector.receive_data(data))
        self._go(STREAMING)
        return data

    def _detect(self, detector: Detector, data: bytes) -> bytes:
        """What is for the framer of the dialect that was found, if one was."""
        if detector.dialect is not None:
            self._frame_with(detector.dialect)
            self.detected = detector.why
            self._go(STREAMING)
        elif detector.undecidable:
            self.fail(detector.error())
        else:
            return b""
        self._detector = None
        return data

    def check_undrained(self, size: int, taken: int) -> None:
        """Refuse more, if too much waits: so many bytes, and frames taken from `found`."""
        # A frame takes memory of its own, however few bytes it came from.
        frames = taken + len(self.found)
        held = max(size, frames * _FRAME_SIZE)
        if held >= self.limits.max_undrained:
            raise LocalProtocolError(
                f"{held} bytes are held since events were last taken, the limit is"
                f" max_undrained = {self.limits.max_undrained}: call next_event() until it"
                " gives Signal.NEED_DATA before feeding more"
            )

    def fail(self, error: Error) -> None:
        """The stream ends in this error, after what was framed before it."""
        self.failure = error
        self._go(IGNORING)

    def close(self) -> None:
        """The last event is out: nothing is held after it."""
        if self.phase is STREAMING:
            self.framer.receive_eof()
        if self.phase is not ENDED:
            self._go(IGNORING)
        self.found.clear()

    def settle(self) -> bytes:
        """The body ends, and so does the search: the bytes, if what came shows their dialect."""
        if self._detector is None or self.body is not None:
            return b""
        return self._detect(self._detector, self._detector.receive_eof())

    def receive_eof(self) -> Frame | None:
        """The body ended; gives the frame that it left open."""
        rest = None
        if self.phase in (NEW, STREAMING):
            self.framer.receive_eof()
            if self.found and self.found[-1].unterminated:
                rest = self.found.pop()
        self._go(ENDED)
        return rest


def read_without_data(
    frame: Frame, dialect: Dialect, decode: Callable[[Frame], Sequence[Event]]
) -> Sequence[Event] | None:
    """The events of a frame without data: liveness, or lines in which an error may hide.

    Returns:
        None for stray lines that say nothing.
    """
    if not frame.other:
        if frame.event in dialect.bare_events:
            return decode(frame)
        text = frame.comment.decode("utf-8", "replace") if frame.comment else frame.event
        return (Heartbeat(text, frame=frame),)
    if not dialect.strict:
        error = find_stray_error(frame.other)
        if error is not None:
            return (error.event(frame),)
        if is_object(frame.other):
            # Gateways send a whole answer, of models that do not stream, without `data:`.
            return decode(replace(frame, data=frame.other))
    return None


def is_object(lines: bytes) -> bool:
    """Are lines that are no field one JSON object?"""
    return lines.startswith(b"{") and is_json(lines)


def bytes_of(data: bytes | bytearray | memoryview) -> bytes:
    """A chunk as bytes.

    Raises:
        TypeError: It is none; what to give instead.
    """
    try:
        return memoryview(data).tobytes()  # a str or an int is no bytes
    except TypeError:
        raise TypeError(
            f"a chunk must be bytes, not {type(data).__name__}: give the bytes of the body as they"
            " came, not its text or lines"
        ) from None
