"""``anthropic-messages``: Anthropic's Messages API, also on Vertex, Azure and gateways.

Source: https://docs.anthropic.com/en/docs/build-with-claude/streaming, and recordings.

An answer is complete at ``message_stop``, and only there. Errors come as ``event: error`` with
status 200, often as the first event. The type is read from the JSON, from ``event:`` where the JSON
has none: gateways drop one or the other.

Text completions, which came before messages, are read too: they end with a ``stop_reason``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects._anthropic_encode import AnthropicEncoder
from tokenwire.dialects.envelope import Envelope
from tokenwire.dialects.one_choice import read_frame
from tokenwire.dialects.vendor_errors import find_error, read_error
from tokenwire.dialects.wire import (
    MAX_INDEX,
    UNREADABLE,
    is_mapping,
    json_text,
    malformed,
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
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer


class DetailsWire(Struct, gc=False):
    thinking_tokens: int | None = None


class UsageWire(Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: DetailsWire | None = None


class MessageWire(Struct, gc=False):
    id: str | None = None
    model: str | None = None
    usage: UsageWire | None = None


class DeltaWire(Struct, gc=False):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    citation: Any = None
    content: Any = None  # of a compaction
    encrypted_content: Any = None
    stop_reason: str | None = None
    stop_details: Any = None


class EventWire(Struct, gc=False):
    type: str | None = None
    index: int = 0
    delta: DeltaWire | None = None
    content_block: Any = None  # many shapes; handed on whole where it is data
    message: MessageWire | None = None
    usage: UsageWire | None = None
    error: Any = None
    completion: str | None = None  # this and the rest: of a text completion
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None


STOP_REASONS: Final[Mapping[str, Reason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "compaction": "pause",
    "refusal": "refusal",
}
"""Anything else is ``other``."""

_TOOL_BLOCKS: Final = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})

_decode_json = JSONDecoder(EventWire).decode


def _only_text_of(wire: EventWire, frame: Frame | None = None) -> Token | Reasoning | None:
    """The event of a delta that holds a text or a thought: nearly every one does."""
    delta = wire.delta
    if wire.type == "content_block_delta" and delta is not None:
        if delta.type == "text_delta" and delta.text:
            return Token(delta.text, 0, wire.index, frame=frame)
        if delta.type == "thinking_delta" and delta.thinking:
            return Reasoning(delta.thinking, 0, wire.index, frame=frame)
    return None


def _read_only_text(payload: bytes) -> Token | Reasoning | None:
    return _only_text_of(_decode_json(payload))


class Decoder:
    """Events of the wire to events."""

    __slots__ = ("_calls", "_id", "_reason", "_started", "_tools", "envelope")

    def __init__(self) -> None:
        self._id: str | None = None
        self._started = False
        self._reason: Reason | None = None
        self._tools: dict[int, str] = {}  # keys of the tool blocks that are open
        self._calls = 0
        self.envelope = Envelope(_read_only_text)

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        try:
            wire = _decode_json(frame.data or b"")
        except UNREADABLE:
            return read_frame(frame, EventWire, _decode_json, self._receive)
        event = _only_text_of(wire, frame)
        if event is not None:
            self.envelope.learn(frame, event)
            return (event,)
        return self._receive(wire, frame)

    def receive_eof(self) -> Sequence[Event]:
        """Only ``message_stop`` completes an answer."""
        return ()

    def _receive(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        match wire.type or frame.event:
            case "content_block_delta" if wire.delta is not None:
                return self._receive_delta(wire.delta, wire.index, frame)
            case "ping":
                return (Heartbeat("ping", frame=frame),)
            case "content_block_start" if is_mapping(wire.content_block):
                return self._receive_block(wire.content_block, wire.index, frame)
            case "content_block_stop":
                key = self._tools.pop(wire.index, None)
                return (ToolCall(key, complete=True, frame=frame),) if key else ()
            case "message_start":
                return self._receive_start(wire.message or MessageWire(), frame)
            case "message_delta":
                return self._receive_message_delta(wire, frame)
            case "message_stop":
                return (Done(self._reason or "other", frame=frame),)
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
        if self._started:
            # A gateway that asked again splices a second message in: the first one is void.
            events.append(Reset(frame=frame))
            self._tools.clear()
            self._reason = None
        self._started, self._id = True, message.id
        events.append(Started(message.id, message.model, frame=frame))
        if message.usage not in (None, _NO_USAGE, _ZERO_USAGE):
            events.append(_usage(message.usage, final=False, frame=frame))
        return events

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

    def _receive_block(self, block: Mapping[str, Any], index: int, frame: Frame) -> Sequence[Event]:
        kind = _text_or_none(block.get("type"))
        if kind == "text":
            text = _text_or_none(block.get("text"))
            return (Token(text, part=index, frame=frame),) if text else ()
        if kind == "thinking":
            text = _text_or_none(block.get("thinking"))
            signature = _text_or_none(block.get("signature"))
            if not (text or signature):
                return ()
            return (Reasoning(text or "", part=index, signature=signature, frame=frame),)
        if kind in _TOOL_BLOCKS:
            if len(self._tools) == MAX_INDEX:
                return (malformed(frame, f"more than {MAX_INDEX} tool calls are open"),)
            key = self._tools[index] = str(self._calls)
            self._calls += 1
            return (
                ToolCall(
                    key,
                    id=_text_or_none(block.get("id")),
                    name=_text_or_none(block.get("name")),
                    arguments=json_text(block["input"]) if block.get("input") else "",
                    provider_executed=kind != "tool_use",
                    frame=frame,
                ),
            )
        if kind == "compaction" and not (block.get("content") or block.get("encrypted_content")):
            return ()  # it comes in a delta
        # redacted_thinking, results of server tools, fallback and compaction blocks: whole.
        return (Data(str(kind), block, part=index, frame=frame),)

    def _receive_delta(self, delta: DeltaWire, index: int, frame: Frame) -> Sequence[Event]:
        match delta.type:
            case "text_delta":
                text = delta.text
                return (Token(text, 0, index, frame=frame),) if text else ()
            case "thinking_delta":
                return (Reasoning(delta.thinking, 0, index, frame=frame),) if delta.thinking else ()
            case "signature_delta":
                return (Reasoning("", 0, index, delta.signature, frame=frame),)
            case "input_json_delta":
                key = self._tools.get(index)
                if key is None or not delta.partial_json:
                    return ()
                return (ToolCall(key, arguments=delta.partial_json, frame=frame),)
            case "citations_delta":
                return (Data("citation", delta.citation, 0, index, frame=frame),)
            case "compaction_delta":
                said = {"content": delta.content, "encrypted_content": delta.encrypted_content}
                known = {name: value for name, value in said.items() if value is not None}
                return (Data("compaction", {"type": "compaction", **known}, 0, index, frame=frame),)
            case _:
                return (Unknown(frame=frame),)

    def _receive_message_delta(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        events: list[Event] = []
        delta = wire.delta or DeltaWire()
        raw = delta.stop_reason
        if delta.stop_details:
            events.append(Data("stop_details", delta.stop_details, frame=frame))
        if raw:
            self._reason = reason_for(raw, STOP_REASONS)
            events.append(Finished(0, self._reason, raw, frame=frame))
        if wire.usage not in (None, _NO_USAGE):
            events.append(_usage(wire.usage, final=True, frame=frame))
        return events


_NO_DETAILS: Final = DetailsWire()
_NO_USAGE: Final = UsageWire()
_ZERO_USAGE: Final = UsageWire(0, 0)
"""A request has at least one token: a start that counts none does not know."""


def _usage(wire: UsageWire, *, final: bool, frame: Frame) -> Usage:
    return Usage(
        wire.input_tokens,
        wire.output_tokens,
        reasoning_tokens=(wire.output_tokens_details or _NO_DETAILS).thinking_tokens,
        cache_read_tokens=wire.cache_read_input_tokens,
        cache_write_tokens=wire.cache_creation_input_tokens,
        final=final,
        frame=frame,
    )


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


ANTHROPIC_MESSAGES = Dialect(
    name="anthropic-messages",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=lambda: AnthropicEncoder(STOP_REASONS),
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
        ("type=completion", "completion"),
    ),
    notes=Notes(
        vendor="Anthropic; also Vertex AI, Azure AI Foundry, gateways, and in the frames of"
        " Amazon Bedrock",
        sources=(
            "https://docs.anthropic.com/en/docs/build-with-claude/streaming",
            "the anthropic SDK 2.11",
        ),
        request='POST /v1/messages with "stream": true; on Vertex AI :streamRawPredict',
        text='content_block_delta: delta.text, where delta.type is "text_delta"',
        errors='event: error, {"type": "error", "error": {"type", "message"}}, with status 200',
        heartbeats="event: ping",
        resume="none; a new request may go on from the text so far, on models that take a last"
        " message of the assistant",
        quirks=(
            "Q9, Q10: the type is read from the JSON, else from event:, which may stand behind the"
            " data.",
            "Q11: objects are padded with spaces to hide their length.",
            "Q22: an overloaded service answers with status 200 and an error as the first event.",
            "Q26: the counts of message_delta replace those of message_start; null says nothing.",
            "Q30: a gateway may send message_start twice: with the same id it says nothing, with"
            " another one the message before is void, told as Reset.",
            "Q31: unknown events, as vertex_event, are Unknown.",
            "A thought's signature is to be sent back as it came. Blocks that come whole are Data:"
            " redacted_thinking, results of server tools, fallback, compaction; so are stop_details"
            " of a refusal.",
            "A call without a fragment of arguments has none.",
        ),
        doubtful=("Text completions (event: completion) come from no recording.",),
    ),
)
