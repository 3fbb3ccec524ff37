"""`StreamParser`: bytes in, typed events out, behind h11's face.

It holds a framer, a dialect's decoder and the state table together and does nothing else. Framing
is eager and bounded by the chunk; a frame is decoded when its events are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy, deepcopy
from enum import Enum
from operator import length_hint
from typing import TYPE_CHECKING, Final, TypeGuard

from msgspec.structs import replace

from tokenwire.cursor import Cursor
from tokenwire.dialects import Decoder, Dialect, get_dialect
from tokenwire.dialects.kit.payloads import is_done_sentinel, is_json, malformed
from tokenwire.errors import FramingError, LocalProtocolError, Recovery
from tokenwire.events import Done, Error, ErrorKind, Event, Heartbeat, Unknown
from tokenwire.frame import Frame
from tokenwire.limits import DEFAULT_LIMITS, Limits
from tokenwire.response import ResponseBody, find_stray_error, judge_response
from tokenwire.state import STAYING, TRANSITIONS, Input, State, next_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokenwire.dialects.detect import Detector
    from tokenwire.dialects.kit.envelope import Envelope


class Signal(Enum):
    """What `StreamParser.next_event` gives when there is no event to give."""

    NEED_DATA = "need data"
    """Feed more: `receive_data`, or `receive_eof` when the body ended."""
    CLOSED = "closed"
    """The last event was handed out; nothing follows, whatever is fed."""


NEED_DATA: Final = Signal.NEED_DATA
CLOSED: Final = Signal.CLOSED
_FRAME_SIZE: Final = 100  # bytes of a frame object and its place in the queue, about
_SAYING_NOTHING: Final = frozenset({Unknown, Error})
_TOO_DEEP: Final = "it is nested too deeply"
_NO_EVENTS: Final[list[Event]] = []  # never written to: ten thousand idle parsers share it
_NO_FRAMES: Final[list[Frame]] = []  # likewise
_NOTHING: Final = iter(_NO_EVENTS)
_IDLE, _OPEN = State.IDLE, State.OPEN  # a look into an Enum is slow
_STAYING_IDLE: Final = STAYING[_IDLE]


class StreamParser:
    """Reads one response body. It does no I/O: feed it bytes, take events.

    Args:
        dialect: A `Dialect`, the name of one, or ``"auto"``: it is then found from the response's
            head and the first bytes and events, as `tokenwire.dialects.detect` says. What cannot
            be told apart is an `Error` that names the candidates.
        limits: Bounds on what the stream may make it hold.
        behind: The parser of the connection before, where this one goes on with the same answer:
            what its decoder knows of it is kept.
        cursor: The place to begin at, where it is not the beginning.
        skip: Says of a frame whether it was delivered on a connection before: it gives no events
            then, and is only decoded for a decoder that does not know it yet.

    Attributes:
        dialect: The dialect; with ``"auto"`` a stand-in of that name until it is found.
        detected: What told the dialect, where it was found; for people.

    Raises:
        UnknownDialectError: No dialect has this name.

    The parser never raises for what the peer did: that is an `Error` event. After the last event,
    `Done` or a fatal `Error`, `next_event` gives ``Signal.CLOSED`` and more bytes are ignored.
    """

    __slots__ = (
        "_ahead",
        "_body",
        "_broken",
        "_cursor",
        "_cut",
        "_decode",
        "_decoder",
        "_detector",
        "_ended",
        "_envelope",
        "_express",
        "_failure",
        "_found",
        "_framer",
        "_frames",
        "_heir",
        "_last",
        "_limits",
        "_queue",
        "_read_cursor",
        "_receive",
        "_received",
        "_relives",
        "_rest",
        "_retry",
        "_skip",
        "_skipped",
        "_state",
        "_staying",
        "_strange",
        "_streams",
        "_undrained",
        "_unreadable",
        "detected",
        "dialect",
    )

    def __init__(
        self,
        dialect: Dialect | str,
        *,
        limits: Limits = DEFAULT_LIMITS,
        behind: StreamParser | None = None,
        cursor: str | int | None = None,
        skip: Callable[[Frame], bool] | None = None,
    ) -> None:
        self._limits = limits
        self.detected = ""
        self._detector: Detector | None = None
        if dialect == "auto":
            from tokenwire.dialects.detect import AUTO, Detector  # it loads every dialect

            self._detector, dialect = Detector(limits), AUTO
        self._heir: Decoder  # with which the next parser goes on behind this one
        self._adopt(dialect)
        self._frames = _NO_FRAMES  # not yet decoded, the next one at the end
        self._queue = _NO_EVENTS  # of the frame decoded last, the next one at the end
        # Events of the frames in front that the decoder knows, and which change nothing in it.
        self._ahead = _NOTHING
        # Of the decoder, while frames may be read ahead.
        self._envelope: Envelope | None = None
        # The same, where the next chunk begins with a frame.
        self._express: Envelope | None = None
        self._last: Frame | None = None  # that frame, until its last event is handed out
        self._cursor = cursor
        self._skip = skip
        self._relives = behind is None
        self._skipped: Frame | None = None
        self._rest: Frame | None = None  # what the end of the body left open
        self._cut = False  # that proves that more was to come
        self._retry: int | None = None  # what the stream asked for, as far as it is handed out
        self._unreadable: Error | None = None  # the first frame that may have held a piece
        if behind is not None:
            self._heir = behind._heir
            self._decoder = self._heir
        self._body: ResponseBody | None = None
        self._failure: Error | None = None  # comes after the frames that were before it
        self._strange: Frame | None = None  # the first that said nothing here: what came instead
        self._received = False
        # All bytes go to the framer: no odd response, end or failure, and it is known which.
        self._streams = self._detector is None
        self._undrained = 0
        self._ended = False
        self._broken: tuple[ErrorKind, str] | None = None
        self._state, self._staying = _IDLE, _STAYING_IDLE

    def _adopt(self, dialect: Dialect | str) -> None:
        """Read with this dialect."""
        self.dialect = found = get_dialect(dialect) if isinstance(dialect, str) else dialect
        self._framer = framer = found.framer(self._limits)
        self._found = framer.frames  # what it has just found
        self._receive = framer.receive_data
        self._heir = self._decoder = found.decoder()
        self._decode: Callable[[Frame], Sequence[Event]] = self._decode_first
        resumption = found.resumption
        self._read_cursor = resumption.read if resumption is not None else None

    @property
    def _decode_next(self) -> Callable[[Frame], Sequence[Event]]:
        return self._decoder if callable(self._decoder) else self._decoder.receive_frame

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
        """The place behind the last event handed out, to resume from."""
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
        if self._streams and not (self._frames or self._found or self._queue):
            return self._framer.retry  # a field counts as soon as its line is there
        return self._retry

    @property
    def buffered(self) -> int:
        """Bytes held: of the unit that is not complete, and of frames not yet handed out."""
        ahead = [event.frame for event in copy(self._ahead) if event.frame is not None]
        if self._rest is not None:
            ahead.append(self._rest)
        queued = sum(frame.size for frame in (*ahead, *self._frames, *self._found))
        held = 0 if self._detector is None else self._detector.buffered
        return self._framer.buffered + queued + held

    @property
    def peak_buffered(self) -> int:
        """The most bytes that a unit took while it was not complete."""
        return self._framer.peak_buffered

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
        if self._received or self._body is not None:
            raise LocalProtocolError("receive_response comes once, before the first data")
        self._body = judge_response(status, headers, self.dialect, self._limits)
        if self._detector is not None:
            self._detector.receive_response(headers)
        self._streams = self._body is None and self._detector is None

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take one chunk of the body, decoded (no gzip, no chunked coding) and cut anywhere.

        Next: take events with `next_event` until it gives ``Signal.NEED_DATA``. An empty chunk
        is nothing; in particular it is not EOF.

        Raises:
            LocalProtocolError: EOF was received before, or more than ``max_undrained`` bytes
                came since the events were last taken.
        """
        if type(data) is not bytes:
            data = memoryview(data).tobytes()  # a str or an int is no bytes
        express = self._express  # the framer, the queue and the iterator handed out are empty
        if express is not None and not self._undrained and not length_hint(self._ahead):
            event = express.take_chunk(data)
            if event is not None:
                self._undrained = len(data)
                self._ahead = iter((event,))
                return
        if not self._streams:
            data = self._admit(data)
        if not data:
            return
        if self._undrained:
            self._check_undrained()
        self._received = True
        self._undrained += len(data)
        receive = self._receive  # called off a slot it costs twice as much
        try:
            receive(data)
        except FramingError as error:
            kind: ErrorKind = "limit" if error.kind == "limit" else "malformed"
            self._fail(Error(kind, str(error)))
        if self._envelope is not None and self._streams:
            self._express = self._envelope if self._envelope.may_follow(data) else None

    def _admit(self, data: bytes) -> bytes:
        """The bytes that are for the framer, while not all of them are."""
        if self._ended:
            raise LocalProtocolError("receive_data after receive_eof; make a new StreamParser")
        if not data or (self._body is None and self._detector is None):
            return b""  # nothing follows the last event
        self._received = True
        if self._body is not None:
            data = self._body.receive_data(data) or b""
            if not data:
                return b""
            self._body = None
        if self._detector is not None:
            return self._detected(self._detector, self._detector.receive_data(data))
        self._streams = True
        return data

    def _detected(self, detector: Detector, data: bytes) -> bytes:
        """What is for the framer of the dialect that was found, if one was."""
        if detector.dialect is not None:
            self._adopt(detector.dialect)
            self.detected = detector.why
        elif detector.undecidable:
            self._fail(detector.error())
        else:
            return b""
        self._detector = None
        self._streams = self._failure is None
        return data

    def _check_undrained(self) -> None:
        # A frame takes memory of its own, however few bytes it came from.
        frames = len(self._frames) + len(self._found)
        held = max(self._undrained, frames * _FRAME_SIZE)
        if held >= self._limits.max_undrained:
            raise LocalProtocolError(
                f"{held} bytes are held since events were last taken, the limit is"
                f" max_undrained = {self._limits.max_undrained}: call next_event() until it"
                " gives Signal.NEED_DATA before feeding more"
            )

    def _fail(self, error: Error) -> None:
        """The stream ends in this error, behind what was framed before it."""
        self._failure = error
        self._streams = False
        self._express = None

    def receive_eof(self) -> None:
        """The body ended, cleanly as far as the transport can tell. May be called again.

        Next: take the last events. Whether the answer is complete, its dialect decides.
        """
        if self._ended:
            return
        if self._detector is not None and self._body is None:
            self.receive_data(self._detected(self._detector, self._detector.receive_eof()))
        self._ended = True
        if self._streams:
            self._framer.receive_eof()
            if self._found and self._found[-1].unterminated:
                self._rest = self._found.pop()
        elif self.closed:
            self._enter(TRANSITIONS[self._state][Input.EOF])
        self._streams = False
        self._express = None

    def connection_lost(self, reason: str, *, kind: ErrorKind = "transport") -> None:
        """The body broke off: the transport failed before it ended.

        Next: take the last events. An answer that was complete by then still ends in `Done`.

        Args:
            reason: What the transport said, for the message.
            kind: ``"transport"``; ``"timeout"`` where it was silent for too long; ``"malformed"``
                where what came cannot be read, nor would it the next time.
        """
        self._broken = self._broken or (kind, reason)
        self.receive_eof()

    def next_event(self) -> Event | Signal:
        """The next event, or a `Signal` that there is none.

        Returns:
            An `Event`; ``Signal.NEED_DATA``; or ``Signal.CLOSED`` once the last event is out.
        """
        for event in self._ahead:
            return event
        if self._queue:
            event = self._take_queued()
        else:
            while self._frames or self._refill():
                if self._envelope is not None and self._look_ahead(self._envelope):
                    return next(self._ahead)
                frame = self._frames.pop()
                try:
                    found = self._decode(frame) if frame.data is not None else self._odd(frame)
                except RecursionError:  # it could just be read, and not be looked at
                    found = (malformed(frame, _TOO_DEEP),)
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
                self._pass(frame)
            else:
                self._undrained = 0
                self._frames = _NO_FRAMES
                if self._streams:
                    return NEED_DATA
                if self._staying:
                    self._receive_end()
                if not self._queue:
                    return NEED_DATA if self._staying else CLOSED
                event = self._take_queued()
        if type(event) not in self._staying:
            return self._move(event)
        return event

    def _refill(self) -> bool:
        """Take the frames that the framer found, for there are no others; are there any?"""
        found = self._found
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

    def _look_ahead(self, envelope: Envelope) -> bool:
        """Take events of the frames in front that the decoder knows to hold text and nothing else.

        Nobody can see that they are read before their turn: they have no place in the stream that
        the cursor could name, they leave it open, and they change nothing in the decoder.
        """
        events = envelope.take_from(self._frames)
        if not events:
            return False
        self._ahead = iter(events)
        return True

    def events(self) -> Iterator[Event]:
        """The events that are ready: `next_event` until it gives a `Signal`."""
        if self._streams and not self._queue:
            if self._frames or self._found:
                several = (self._frames or self._refill()) and len(self._frames) > 1
                if several and self._envelope is not None and not length_hint(self._ahead):
                    self._look_ahead(self._envelope)
            if not self._frames and not self._found:
                self._undrained = 0
                return self._ahead
        return self._take_events()

    def _take_events(self) -> Iterator[Event]:
        while (event := self.next_event()) is not NEED_DATA and event is not CLOSED:
            yield event
            yield from self._ahead

    def _pass(self, frame: Frame, event: Event | None = None) -> None:
        """The last event of this frame is out: the cursor may move past it.

        It stays before a frame that may have held a piece of the answer and could not be read:
        who goes on from there asks for that piece again.
        """
        self._last = None
        if frame.retry is not None:
            self._retry = frame.retry
        if frame is self._skipped:
            return
        value: str | int | None = frame.id
        if self._read_cursor is not None:
            value = self._read_cursor(frame) if frame.data is not None else None
        if value is not None:
            if self._unreadable is None and not _is_unreadable(event):
                self._cursor = value
            self._envelope = self._express = None  # each event has a place from here on

    def _move(self, event: Event) -> Event:
        """Put an event to the state table; gives it, or the `Error` that stands in its place."""
        if self._unreadable is not None:
            if isinstance(event, Done):
                event = self._piece_lost(self._unreadable)
        elif _is_unreadable(event):
            self._unreadable = event
        state = next_state(self._state, event)
        if state is None:
            raise LocalProtocolError(
                f"the decoder of {self.dialect.name} gave {event!r:.200}, which no stream in state"
                f" {self._state} may hold"
            )
        if state is not self._state:
            self._enter(state)
        if not self._staying:
            if self._streams:  # nothing is held behind the end
                self._streams = False
                self._framer.receive_eof()
            self._frames = _NO_FRAMES
            self._found.clear()
            self._queue = _NO_EVENTS
            if self._ended:
                self._enter(TRANSITIONS[self._state][Input.EOF])
        return event

    def _piece_lost(self, unreadable: Error) -> Error:
        """Stands in the place of `Done` where a frame, which may have held a piece, was lost."""
        resumable = self.dialect.resumption is not None
        return Error(
            "malformed",
            f"the answer ended, but a piece of it may be missing: {unreadable.message}",
            recovery=Recovery.RESUME if resumable else Recovery.RETRY,
            frame=unreadable.frame,
        )

    def _enter(self, state: State) -> None:
        self._state = state
        self._staying = STAYING[state]  # no event does where nothing may follow
        self._envelope = self._express = None
        if state is _OPEN and not self._ended and self._skip is None:
            # Nothing is read ahead where events have places, or may have had one that is held back.
            placed = self._cursor is not None or self._unreadable is not None
            if not placed and self._read_cursor is None:
                self._envelope = getattr(self._decoder, "envelope", None)

    def _decode_first(self, frame: Frame) -> Sequence[Event]:
        """Decode the first frame; one that says nothing may show what came instead."""
        envelope: Envelope | None = getattr(self._decoder, "envelope", None)
        if envelope is not None:  # show it the wire on which the frames come
            envelope.attach(self._framer, self._limits)
        # On a connection that goes on, any later frame may be an old one too.
        self._decode = self._decode_next if self._skip is None else self._decode_behind
        found = self._decode(frame)
        if all(type(event) in _SAYING_NOTHING for event in found):
            self._strange = self._strange or frame
        return found

    def _decode_behind(self, frame: Frame) -> Sequence[Event]:
        if self._skip is not None and self._skip(frame):
            self._skipped = frame
            if self._relives:
                self._decode_next(frame)
            return ()
        if frame.id is None and self._read_cursor is None and isinstance(self._cursor, str):
            frame = replace(frame, id=self._cursor)  # it stays in force over connections
        return self._decode_next(frame)

    def _odd(self, frame: Frame) -> Sequence[Event]:
        """A frame without data: liveness, or lines in which an error may hide."""
        if not frame.other:
            if frame.event in self.dialect.bare_events:
                return self._decode(frame)
            text = frame.comment.decode("utf-8", "replace") if frame.comment else frame.event
            return (Heartbeat(text, frame=frame),)
        if not self.dialect.strict:
            error = find_stray_error(frame.other)
            if error is not None:
                return (error.event(frame),)
            if _is_object(frame.other):
                # Gateways send a whole answer, of models that do not stream, without `data:`.
                return self._decode(replace(frame, data=frame.other))
        self._strange = self._strange or frame
        return (Unknown(frame=frame),)

    def _counts(self, frame: Frame) -> bool:
        """Does the unit that the end left open count? If whole: JSON, the sentinel, or an error."""
        if frame.data is not None:
            return is_done_sentinel(frame.data) or is_json(frame.data)
        return not self.dialect.strict and (
            _is_object(frame.other) or find_stray_error(frame.other) is not None
        )

    def _decode_rest(self, frame: Frame) -> Sequence[Event] | None:
        """Decode the open unit, or give None where it proves that the answer was cut.

        It may come again whole, to whoever goes on with the answer: a copy of the decoder reads it.
        """
        if not self._counts(frame):
            self._strange = self._strange or frame
            return None
        if self.dialect.resumption is not None:
            plain = self._decode == self._decode_next
            try:
                self._decoder = deepcopy(self._decoder)
            except RecursionError:  # of what the peer has nested
                return None
            if plain:
                self._decode = self._decode_next
        try:
            return self._decode(frame) if frame.data is not None else self._odd(frame)
        except RecursionError:
            return (malformed(frame, _TOO_DEEP),)

    def _receive_end(self) -> None:
        """All frames are out: queue what comes last, if the stream has come to its end."""
        frame, self._rest = self._rest, None
        if frame is not None:
            found = self._decode_rest(frame)
            self._cut = found is None
            if found:
                self._queue = [*reversed(found)]
                self._last = frame
                return
        self._retry = self._framer.retry
        if self._failure is None:
            if self._body is not None:
                if self._ended or self._body.complete:
                    unseen = self._broken is not None and self._body.undecided
                    self._fail(self._cut_off() if unseen else self._body.error())
            elif self._detector is None:
                said = self._judge_end()
                if self._cut:  # whatever the decoder believed before
                    said = [event for event in said if not isinstance(event, Done)]
                self._queue = [*reversed(said)]
                if not any(isinstance(event, Done | Error) for event in self._queue):
                    self._fail(self._cut_off())
        if self._failure is not None:
            self._queue = [self._failure, *self._queue]

    def _judge_end(self) -> Sequence[Event]:
        """What the decoder says at the end of the body, or where it broke off."""
        decoder = self._decoder
        if callable(decoder):
            return ()
        # It may know better than to believe the end of a body that broke off.
        judge = decoder.receive_eof
        return judge() if self._broken is None else getattr(decoder, "receive_loss", judge)()

    def _cut_off(self) -> Error:
        kind: ErrorKind = "truncated"
        what = "the body ended"
        if self._broken is not None:
            kind, reason = self._broken
            if kind == "malformed":  # as the body of another response would be
                return Error(kind, f"the body cannot be read: {reason}")
            what = f"the connection failed with {reason}"
        if self._cut:
            what += " inside an event,"
        if self._state is _IDLE:
            message = f"{what} before any event of {self.dialect.name} came{self._seen_instead()}"
            return Error(kind, message, recovery=Recovery.RETRY)
        message = f"the answer was cut off: {what} before {self.dialect.terminator}"
        return Error(kind, message, recovery=Recovery.RESUME)

    def _seen_instead(self) -> str:
        if self._strange is None:
            return ""
        from tokenwire.dialects.detect import seen_instead  # it loads every dialect

        return seen_instead(self._strange, self.dialect)


def _is_object(lines: bytes) -> bool:
    """Are lines that are no field one JSON object?"""
    return lines.startswith(b"{") and is_json(lines)


def _is_unreadable(event: Event | None) -> TypeGuard[Error]:
    """Does it tell of a frame that may have held a piece of the answer?"""
    # An `isinstance` that fails costs four times as much.
    return type(event) is Error and event.kind == "malformed" and not event.fatal
