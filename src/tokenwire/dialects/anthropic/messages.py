"""``anthropic-messages``: Anthropic's Messages API, also on Vertex, Azure and gateways.

Source: https://docs.anthropic.com/en/docs/build-with-claude/streaming, and recordings.

An answer is complete at ``message_stop``, and only there. Errors come as ``event: error`` with
status 200, often as the first event. The type is read from the JSON, from ``event:`` where the JSON
has none: gateways drop one or the other.

Text completions, which came before messages, are read too: they end with a ``stop_reason``.

Here is decided what a message is and how it ends; what its blocks come to, in `messages_blocks`.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.json import Decoder as JSONDecoder
from msgspec.structs import replace

from tokenwire.dialects import Dialect
from tokenwire.dialects.anthropic.message import anthropic_message
from tokenwire.dialects.anthropic.messages_blocks import Blocks
from tokenwire.dialects.anthropic.messages_encode import AnthropicEncoder
from tokenwire.dialects.anthropic.messages_notes import NOTES
from tokenwire.dialects.anthropic.messages_wire import (
    NO_COUNTS,
    STOP_REASONS,
    ZERO_COUNTS,
    DeltaWire,
    EventWire,
    MessageWire,
    counts_of,
)
from tokenwire.dialects.kit.block_calls import BlockCalls
from tokenwire.dialects.kit.envelope import Envelope
from tokenwire.dialects.kit.errors import find_error, read_error
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.lenient import JSON, convert
from tokenwire.dialects.kit.one_choice import read_frame
from tokenwire.dialects.kit.payloads import (
    UNREADABLE,
    is_done_sentinel,
    is_mapping,
    reason_for,
)
from tokenwire.events import (
    Data,
    Done,
    Event,
    Finished,
    Heartbeat,
    Reason,
    Reasoning,
    Reset,
    Started,
    Token,
    Unknown,
    Usage,
)
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer

_decode_json = JSONDecoder(EventWire).decode


def _read_only_text(payload: bytes) -> Token | Reasoning | None:
    """The event of a delta that holds a text or a thought: nearly every one does."""
    wire = _decode_json(payload)
    delta = wire.delta
    if wire.type == "content_block_delta" and delta is not None:
        if delta.type == "text_delta" and delta.text:
            return Token(delta.text, 0, wire.index)
        if delta.type == "thinking_delta" and delta.thinking:
            return Reasoning(delta.thinking, 0, wire.index)
    return None


class Decoder:
    """Events of the wire to events.

    Args:
        learns: The frames stand on the wire as they are, so that the envelope may be asked for
            those that hold a text and nothing else.
    """

    __slots__ = (
        "_blocks",
        "_calls",
        "_extras",
        "_id",
        "_reason",
        "_reported_reason",
        "_started",
        "envelope",
    )

    def __init__(self, *, learns: bool = True) -> None:
        self._id: str | None = None
        self._started = False
        self._reported_reason: str | None = None  # the one in the start of the message
        self._reason: Reason | None = None
        self._calls = BlockCalls()
        self._extras = Extras()
        self.envelope = Envelope(_read_only_text) if learns else None
        self._blocks = Blocks(self._calls, self._extras, self.envelope)

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        try:
            wire = _decode_json(frame.data or b"")
        except UNREADABLE:
            if is_done_sentinel(frame.data or b""):  # of gateways: it proves nothing
                return (Unknown(frame=frame),)
            whole = self._receive_whole(frame)
            return whole or read_frame(frame, EventWire, _decode_json, self._receive, self._extras)
        return self._receive(wire, frame)

    def receive_eof(self) -> Sequence[Event]:
        """Only ``message_stop`` completes an answer."""
        return list(self._calls.rest())

    def _receive(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        match wire.type or frame.event:
            case "content_block_delta" if wire.delta is not None:
                return self._blocks.receive_delta(wire.delta, wire.index, frame)
            case "content_block_start" if is_mapping(wire.content_block):
                return self._blocks.open(wire.content_block, wire.index, frame)
            case "content_block_stop":
                return self._blocks.close(wire.index, frame)
            case "message_start":
                return self._receive_start(wire.message or MessageWire(), frame)
            case "message_delta":
                return self._receive_message_delta(wire, frame)
            case "message_stop":
                return self._receive_stop(frame)
            case "ping":
                return (Heartbeat("ping", frame=frame),)
            case "completion":
                return self._receive_completion(wire, frame)
            case _ if wire.error or frame.event == "error":
                found = find_error({"error": wire.error}) or read_error(None)
                return (found.event(frame),)
            case _:
                return (Unknown(frame=frame),)

    def _receive_start(self, message: MessageWire, frame: Frame) -> Sequence[Event]:
        events: list[Event] = []
        if self._started and message.id == self._id:
            return ()  # some gateways send it twice
        again = self._started
        if again:
            # A gateway that asked again splices a second message in: the first one is void.
            events.append(Reset(frame=frame))
            self._blocks.forget()
            self._reason = None
        self._started, self._id = True, message.id
        self._reported_reason = message.stop_reason
        events.append(Started(message.id, message.model, frame=frame))
        if message.content:
            events += self._blocks.receive_content(message.content, frame, may_repeat=not again)
        if message.stop_details:
            events.append(Data("stop_details", message.stop_details, frame=frame))
        if message.container:
            events.append(Data("container", message.container, frame=frame))
        if message.context_management:
            events.append(Data("context_management", message.context_management, frame=frame))
        if message.usage is not None:
            counts = counts_of(message.usage)
            if counts not in (NO_COUNTS, ZERO_COUNTS):
                events.append(Usage(*counts, frame=frame))
        return events

    def _receive_whole(self, frame: Frame) -> Sequence[Event]:
        """An answer that was not streamed; nothing if it is none."""
        if self._started or b'"stop_reason"' not in (frame.data or b""):
            return ()
        try:
            message = convert(JSON.decode(frame.text), MessageWire).value
        except UNREADABLE:
            return ()
        if message.type != "message" or not message.stop_reason:
            return ()
        events = [
            replace(event, final=True) if isinstance(event, Usage) else event
            for event in self._receive_start(message, frame)
        ]
        return [*events, *self._receive_stop(frame)]

    def _receive_completion(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        """A piece of a text completion, the last of which has a reason."""
        events: list[Event] = []
        if not self._started and (wire.id or wire.model):
            self._started = True
            events.append(Started(wire.id, wire.model, frame=frame))
        if wire.completion:
            events.append(Token(wire.completion, frame=frame))
        if wire.stop_reason:
            reason = reason_for(wire.stop_reason, STOP_REASONS)
            events.append(Finished(0, reason, wire.stop_reason, frame=frame))
            events.append(Done(reason, frame=frame))
        return events

    # --- the end ---

    def _receive_message_delta(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        events: list[Event] = []
        delta = wire.delta or DeltaWire()
        raw = delta.stop_reason or wire.stop_reason  # some put it beside the delta
        if delta.stop_details:
            events.append(Data("stop_details", delta.stop_details, frame=frame))
        if delta.container:
            events.append(Data("container", delta.container, frame=frame))
        if wire.context_management:
            events.append(Data("context_management", wire.context_management, frame=frame))
        if raw:
            events += self._finish(raw, frame)
        if wire.usage is not None:
            counts = counts_of(wire.usage)
            if counts != NO_COUNTS:
                events.append(Usage(*counts, final=True, frame=frame))
        return events

    def _finish(self, raw: str, frame: Frame) -> list[Event]:
        self._reason = reason_for(raw, STOP_REASONS)
        events = self._calls.finish(self._reason, frame)
        events.append(Finished(0, self._reason, raw, frame=frame))
        return events

    def _receive_stop(self, frame: Frame) -> Sequence[Event]:
        events: list[Event] = []
        if self._reason is None and self._reported_reason:
            events += self._finish(self._reported_reason, frame)
        events += self._calls.finish(self._reason, frame)
        events.append(Done(self._reason or "other", frame=frame))
        return events


ANTHROPIC_MESSAGES = Dialect(
    name="anthropic-messages",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=lambda: AnthropicEncoder(STOP_REASONS),
    message=anthropic_message,
    terminator="message_stop",
    effects=(("mcp_servers",),),
    marks=(
        ("type=message_start",),
        ("@event=message_start",),
        ("type=content_block_*",),
        ("type=ping",),
        ("type=vertex_event",),
        ("@event=vertex_event",),
        ("type=error", "error.type=*_error"),
    ),
    notes=NOTES,
)
