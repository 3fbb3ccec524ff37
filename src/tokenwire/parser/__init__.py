"""`StreamParser`: bytes in, typed events out, with the face of h11.

It holds a framer, a dialect's decoder and the state table together. Framing is eager and bounded by
the chunk; a frame is decoded when its events are asked for. Decided here: in which order events are
handed out, and what moves with them: the state, the cursor, the reconnection time. The rest has
rooms of its own, and few states each:

- `intake`: who gets the bytes.
- `ahead`: what is read before its turn.
- `ending`: what the end of the body means.
- `resuming`: the parser of a connection that goes on with an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from enum import Enum
from operator import length_hint
from typing import Final

from tokenwire.cursor import Cursor
from tokenwire.dialects import Decoder, Dialect
from tokenwire.errors import FramingError, LocalProtocolError
from tokenwire.events import Done, ErrorKind, Event, Unknown
from tokenwire.frame import Frame
from tokenwire.limits import DEFAULT_LIMITS, Limits
from tokenwire.parser.ahead import NOTHING_AHEAD, arm
from tokenwire.parser.ending import (
    NOTHING_NOTED,
    Ending,
    failure_of,
    is_unreadable,
    piece_lost,
    receiver,
    says_nothing,
    too_deep,
)
from tokenwire.parser.intake import ENDED, Intake, bytes_of, read_without_data
from tokenwire.state import STAYING, TRANSITIONS, Input, State, next_state


class Signal(Enum):
    """What `StreamParser.next_event` gives when there is no event to give."""

    NEED_DATA = "need data"
    """Feed more: `receive_data`, or `receive_eof` when the body ended."""
    CLOSED = "closed"
    """The last event was handed out; nothing follows, whatever is fed."""


NEED_DATA: Final = Signal.NEED_DATA
CLOSED: Final = Signal.CLOSED
SKIPPED: Final[list[Event]] = []
"""No events, of a frame that has no place here: it was passed on a connection before."""
# Never written to: ten thousand idle parsers share them.
_NO_EVENTS: Final[list[Event]] = []
_NO_FRAMES: Final[list[Frame]] = []
_IDLE, _OPEN = State.IDLE, State.OPEN  # a look into an Enum is slow
_STAYING_IDLE: Final = STAYING[_IDLE]


class StreamParser:
    """Reads one response body. It does no I/O: feed it bytes, take events.

    Args:
        dialect: A `Dialect`, the name of one, or ``"auto"``: it is then found from the response's
            head and the first bytes and events, as `tokenwire.dialects.detect` says. What cannot
            be told apart is an `Error` that names the candidates.
        limits: Bounds on what the stream may make it hold.

    Attributes:
        dialect: The dialect; with ``"auto"`` a stand-in of that name until it is found.

    Raises:
        UnknownDialectError: No dialect has this name.

    The parser never raises for what the peer did: that is an `Error` event. After the last event,
    `Done` or a fatal `Error`, `next_event` gives ``Signal.CLOSED`` and more bytes are ignored.
    """

    __slots__ = (
        "_ahead",
        "_cursor",
        "_decode",
        "_decoder",
        "_ending",
        "_frames",
        "_intake",
        "_last",
        "_queue",
        "_read_cursor",
        "_retry",
        "_state",
        "_staying",
        "_undrained",
        "dialect",
    )

    def __init__(self, dialect: Dialect | str, *, limits: Limits = DEFAULT_LIMITS) -> None:
        self._intake = intake = Intake(dialect, limits)
        self._adopt(intake.dialect)
        self._frames = _NO_FRAMES  # not yet decoded, the next one at the end
        self._queue = _NO_EVENTS  # of the frame decoded last, the next one at the end
        self._last: Frame | None = None  # that frame, until its last event is handed out
        self._ahead = NOTHING_AHEAD  # events of the frames in front of these
        self._undrained = 0  # bytes that came since the events were last taken
        self._ending = NOTHING_NOTED
        self._cursor: str | int | None = None  # the place after what is handed out
        self._retry: int | None = None  # what the stream asked for, as far as it is handed out
        self._state, self._staying = _IDLE, _STAYING_IDLE  # with the events that leave it so

    def _adopt(self, dialect: Dialect) -> None:
        """Read with this dialect."""
        self.dialect = dialect
        self._decoder: Decoder = dialect.decoder()
        self._decode: Callable[[Frame], Sequence[Event]] = self._decode_first
        resumption = dialect.resumption
        self._read_cursor = None if resumption is None else resumption.read

    def _go_on(self, decoder: Decoder, cursor: str | int | None) -> None:
        """Read with this decoder, from this place on: for `resuming`, before anything came."""
        self._decoder = decoder
        self._cursor = cursor

    @property
    def detected(self) -> str:
        """What told the dialect, where it was found; for people."""
        return self._intake.detected

    @property
    def state(self) -> State:
        """Where the stream stands; see `tokenwire.state`."""
        return self._state

    @property
    def closed(self) -> bool:
        """The last event is out: `next_event` gives ``Signal.CLOSED``."""
        return not self._staying  # nothing may follow

    @property
    def cursor(self) -> Cursor:
        """The place after the last event handed out, to resume from."""
        resumption = self.dialect.resumption
        return Cursor(resumption.kind if resumption else "id", self._cursor)

    @property
    def inside_frame(self) -> bool:
        """More events are to be handed out of the frame from which the last one came."""
        return self._last is not None

    @property
    def retry(self) -> int | None:
        """The reconnection time that the stream asked for, in milliseconds.

        Like the cursor it moves with what is handed out: what stands after the last event that
        was taken was not asked for yet.
        """
        intake = self._intake
        if intake.receive is not None and not (self._frames or intake.found or self._queue):
            return intake.framer.retry  # a field counts as soon as its line is there
        return self._retry

    @property
    def buffered(self) -> int:
        """Bytes held: of the unit that is not complete, and of frames not yet handed out."""
        ahead = [event.frame for event in copy(self._ahead.events) if event.frame is not None]
        if self._ending.rest is not None:
            ahead.append(self._ending.rest)
        queued = sum(frame.size for frame in (*ahead, *self._frames, *self._intake.found))
        return self._intake.buffered + queued

    @property
    def peak_buffered(self) -> int:
        """The most bytes that a unit took while it was not complete."""
        return self._intake.framer.peak_buffered

    # --- what comes in ---

    def receive_response(self, status: int, headers: Mapping[str, str]) -> None:
        """Optional, before any data: judge the response's head.

        A status other than success, a body of another content type or an empty 204 becomes one
        `Error`, with the vendor's own words where the body has some and ``Retry-After`` read.

        Args:
            status: The HTTP status.
            headers: The response's headers, names in any case.

        Raises:
            LocalProtocolError: Data came before, or it was called twice.
        """
        self._intake.receive_response(status, headers)

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take one chunk of the body, decoded (no gzip, no chunked coding) and cut anywhere.

        Next: take events with `next_event` until it gives ``Signal.NEED_DATA``. An empty chunk
        is nothing; in particular it is not EOF.

        Raises:
            LocalProtocolError: EOF was received before, or more than ``max_undrained`` bytes
                came since the events were last taken.
        """
        if type(data) is not bytes:
            data = bytes_of(data)
        ahead = self._ahead
        envelope = ahead.of_chunks
        if envelope is not None and not self._undrained and not length_hint(ahead.events):
            event = envelope.take_chunk(data)
            if event is not None:
                self._undrained = len(data)
                ahead.events = iter((event,))
                return
        intake = self._intake
        receive = intake.receive
        if receive is None:
            data = intake.admit(data)
            if intake.dialect is not self.dialect:
                self._adopt(intake.dialect)
            receive = intake.receive
        if not data or receive is None:
            return
        if self._undrained:
            intake.check_undrained(self._undrained, len(self._frames))
        self._undrained += len(data)
        try:
            receive(data)
        except FramingError as error:
            intake.fail(failure_of(error))
        envelope = ahead.envelope
        if envelope is not None:
            follows = envelope.may_follow(data) and intake.receive is not None
            ahead.of_chunks = envelope if follows else None

    def receive_eof(self) -> None:
        """The body ended, cleanly as far as the transport can tell. May be called again.

        Next: take the last events. Whether the answer is complete, its dialect decides.
        """
        intake = self._intake
        if intake.phase is ENDED:
            return
        held = intake.settle()
        if intake.dialect is not self.dialect:
            self._adopt(intake.dialect)
        if held:
            self.receive_data(held)
        self._ahead.of_chunks = None
        rest = intake.receive_eof()
        if rest is not None:
            self._noting().rest = rest
        if self.closed:
            self._enter(TRANSITIONS[self._state][Input.EOF])

    def connection_lost(self, reason: str, *, kind: ErrorKind = "transport") -> None:
        """The body broke off: the transport failed before it ended.

        Next: take the last events. An answer that was complete by then still ends in `Done`.

        Args:
            reason: What the transport said, for the message.
            kind: ``"transport"``; ``"timeout"`` where it was silent for too long; ``"malformed"``
                where what came cannot be read, nor would it the next time.
        """
        ending = self._noting()
        ending.broken = ending.broken or (kind, reason)
        self.receive_eof()

    # --- what goes out ---

    def next_event(self) -> Event | Signal:
        """The next event, or a `Signal` that there is none.

        Returns:
            An `Event`; ``Signal.NEED_DATA``; or ``Signal.CLOSED`` once the last event is out.
        """
        for event in self._ahead.events:
            return event
        if self._queue:
            event = self._take_queued()
        else:
            while self._frames or self._refill():
                ahead = self._ahead
                if ahead.envelope is not None and ahead.read(ahead.envelope, self._frames):
                    return next(ahead.events)
                frame = self._frames.pop()
                try:
                    found = self._decode(frame) if frame.data is not None else self._odd(frame)
                except RecursionError:
                    found = (too_deep(frame),)
                if len(found) == 1:  # as nearly every frame has
                    event = found[0]
                    if (
                        frame.id is not None
                        or self._read_cursor is not None
                        or frame.retry is not None
                    ):
                        self._pass(frame, event)
                    break
                if found:
                    self._queue = [*reversed(found)]
                    self._last = frame
                    event = self._take_queued()
                    break
                if found is not SKIPPED:
                    self._pass(frame)
                elif frame.retry is not None:
                    self._retry = frame.retry
            else:
                self._undrained = 0
                self._frames = _NO_FRAMES
                if self._intake.receive is not None:
                    return NEED_DATA
                if self._staying:
                    self._receive_end()
                if not self._queue:
                    return NEED_DATA if self._staying else CLOSED
                event = self._take_queued()
        if type(event) not in self._staying:
            return self._move(event)
        return event

    def events(self) -> Iterator[Event]:
        """The events that are ready: `next_event` until it gives a `Signal`."""
        intake = self._intake
        if intake.receive is not None and not self._queue:
            ahead, found = self._ahead, intake.found
            if self._frames or found:
                several = (self._frames or self._refill()) and len(self._frames) > 1
                if several and ahead.envelope is not None and not length_hint(ahead.events):
                    ahead.read(ahead.envelope, self._frames)
                if self._frames or found:
                    return self._take_events()
            self._undrained = 0
            return ahead.events
        return self._take_events()

    def _take_events(self) -> Iterator[Event]:
        while (event := self.next_event()) is not NEED_DATA and event is not CLOSED:
            yield event
            yield from self._ahead.events

    def _refill(self) -> bool:
        """Take the frames that the framer found, for there are no others; are there any?"""
        found = self._intake.found
        if not found:
            return False
        self._frames = found[::-1]
        found.clear()
        return True

    def _take_queued(self) -> Event:
        event = self._queue.pop()
        if not self._queue and self._last is not None:
            self._pass(self._last, event)
        return event

    def _decode_first(self, frame: Frame) -> Sequence[Event]:
        """Decode the first frame; one that says nothing may show what came instead."""
        self._decode = receiver(self._decoder)
        found = self._decode(frame)
        if says_nothing(found):
            self._note_strange(frame)
        return found

    def _odd(self, frame: Frame) -> Sequence[Event]:
        """The events of a frame without data."""
        found = read_without_data(frame, self.dialect, self._decode)
        if found is None:
            self._note_strange(frame)
            return (Unknown(frame=frame),)
        return found

    def _pass(self, frame: Frame, event: Event | None = None) -> None:
        """The last event of this frame is out: the cursor may move past it.

        It stays before a frame that may have held a piece of the answer and could not be read:
        who goes on from there asks for that piece again.
        """
        self._last = None
        if frame.retry is not None:
            self._retry = frame.retry
        value: str | int | None = frame.id
        if self._read_cursor is not None:
            value = self._read_cursor(frame) if frame.data is not None else None
        if value is not None:
            if self._ending.unreadable is None and not is_unreadable(event):
                self._cursor = value
            self._ahead = NOTHING_AHEAD  # each event has a place from here on

    # --- state and end ---

    def _move(self, event: Event) -> Event:
        """Put an event to the state table; gives it, or the `Error` that stands in its place."""
        unreadable = self._ending.unreadable
        if unreadable is not None:
            if isinstance(event, Done):
                event = piece_lost(unreadable, self.dialect)
        elif is_unreadable(event):
            self._noting().unreadable = event
        state = next_state(self._state, event)
        if state is None:
            raise LocalProtocolError(
                f"the decoder of {self.dialect.name} gave {event!r:.200}, which no stream in state"
                f" {self._state} may hold"
            )
        if state is not self._state:
            self._enter(state)
        if not self._staying:
            self._intake.close()
            self._frames = _NO_FRAMES
            self._queue = _NO_EVENTS
            if self._intake.phase is ENDED:
                self._enter(TRANSITIONS[self._state][Input.EOF])
        return event

    def _enter(self, state: State) -> None:
        self._state = state
        self._staying = STAYING[state]  # no event does where nothing may follow
        self._ahead = NOTHING_AHEAD
        if state is _OPEN:
            # A place may have passed before, or been held back after what could not be read.
            placed = self._cursor is not None or self._ending.unreadable is not None
            if self._read_cursor is None and not placed:
                intake = self._intake
                self._ahead = arm(self._decoder, intake.framer, intake.limits)

    def _noting(self) -> Ending:
        """What is noted of the end, to be written to."""
        if self._ending is NOTHING_NOTED:
            self._ending = Ending()
        return self._ending

    def _note_strange(self, frame: Frame) -> None:
        ending = self._noting()
        ending.strange = ending.strange or frame

    def _receive_end(self) -> None:
        """All frames are out: queue what comes last, if the stream has come to its end."""
        ending, intake = self._ending, self._intake
        frame = ending.rest
        if frame is not None:
            first = self._decode == self._decode_first
            found = ending.read_rest(frame, self.dialect, self._decoder)
            if ending.cut or (first and says_nothing(found)):
                self._note_strange(frame)
            if found:
                self._queue = [*reversed(found)]
                self._last = frame
                return
        self._retry = intake.framer.retry
        self._queue = [*reversed(ending.last_events(intake, self._decoder, self._state))]
