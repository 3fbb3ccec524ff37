"""``anthropic-messages``: Anthropic's Messages API, also on Vertex, Azure and gateways.

Source: https://docs.anthropic.com/en/docs/build-with-claude/streaming, and recordings.

An answer is complete at ``message_stop``, and only there. Errors come as ``event: error`` with
status 200, often as the first event. The type is read from the JSON, from ``event:`` where the JSON
has none: gateways drop one or the other.

Text completions, which came before messages, are read too: they end with a ``stop_reason``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from msgspec import Struct, field
from msgspec.json import Decoder as JSONDecoder
from msgspec.structs import replace

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.anthropic.messages_encode import AnthropicEncoder
from tokenwire.dialects.kit.block_calls import BlockCalls
from tokenwire.dialects.kit.envelope import Envelope
from tokenwire.dialects.kit.errors import find_error, read_error
from tokenwire.dialects.kit.fields import Fields, text_in
from tokenwire.dialects.kit.lenient import JSON, Extras, convert
from tokenwire.dialects.kit.one_choice import read_frame
from tokenwire.dialects.kit.payloads import (
    UNREADABLE,
    MalformedError,
    is_done_sentinel,
    is_mapping,
    json_text,
    list_of,
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


class UsageWire(Struct, gc=False, forbid_unknown_fields=True):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: DetailsWire | None = None
    # The same counts in parts, and what is no count of tokens: not told.
    cache_creation: Any = None
    inference_geo: Any = None
    iterations: Any = None
    server_tool_use: Any = None
    service_tier: Any = None
    speed: Any = None


class MessageWire(Struct, gc=False, forbid_unknown_fields=True):
    id: str | None = None
    model: str | None = None
    usage: UsageWire | None = None
    content: list[Any] | str | None = None  # of calls that a program made, and at some gateways
    stop_reason: str | None = None
    stop_details: Any = None
    container: Any = None
    context_management: Any = None
    # What every message says of itself: not told.
    type: Any = None
    role: Any = None
    stop_sequence: Any = None


class DeltaWire(Struct, gc=False, forbid_unknown_fields=True):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | list[Any] | dict[str, Any] | None = None  # some send it as an object
    citation: Any = None
    content: Any = None  # of a compaction
    encrypted_content: Any = None
    stop_reason: str | None = None
    stop_details: Any = None
    container: Any = None
    stop_sequence: Any = None  # not told: the text ends before it


class EventWire(Struct, gc=False, forbid_unknown_fields=True):
    type: str | None = None
    index: int = 0
    delta: DeltaWire | None = None
    content_block: Any = None  # many shapes; handed on whole where it is data
    message: MessageWire | None = None
    usage: UsageWire | None = None
    context_management: Any = None
    error: Any = None
    completion: str | None = None  # this and the rest: of a text completion
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    # Not told: ids for support, and what `bedrock-invoke` reads itself.
    log_id: Any = None
    request_id: Any = None
    stop: Any = None
    guardrail: Any = field(default=None, name="amazon-bedrock-guardrailAction")
    metrics: Any = field(default=None, name="amazon-bedrock-invocationMetrics")
    trace: Any = field(default=None, name="amazon-bedrock-trace")


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

# Fields of the blocks that are told piece by piece; those of others are told whole.
_IN_BLOCK: Final = Fields(
    words={"type"},
    texts={"text", "thinking", "signature", "id", "name"},
    lists={"citations"},
    others={"input", "caller", "cache_control"},
)

# Nearly every block that is told piece by piece begins so.
_BEGINNINGS: Final = (
    {"type": "text", "text": ""},
    {"type": "thinking", "thinking": "", "signature": ""},
)

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


class _Retold:
    """A text that was told with the start of the message, and how much of it was said again.

    Only where its block is opened once more; else what comes goes on after it.
    """

    __slots__ = ("again", "at", "kind", "text")

    def __init__(self, text: str, kind: str) -> None:
        self.text = text
        self.kind = kind
        self.again = False
        self.at = 0


class Decoder:
    """Events of the wire to events.

    Args:
        learns: The frames stand on the wire as they are, so that the envelope may be asked for
            those that hold a text and nothing else.
    """

    __slots__ = (
        "_calls",
        "_extras",
        "_id",
        "_reason",
        "_retold",
        "_said",
        "_started",
        "envelope",
    )

    def __init__(self, *, learns: bool = True) -> None:
        self._id: str | None = None
        self._started = False
        self._said: str | None = None  # the stop reason that the start of the message has
        self._reason: Reason | None = None
        self._calls = BlockCalls()
        # Blocks that were told with the start of the message; None where a part of it is no text.
        self._retold: dict[int, _Retold | None] = {}
        self._extras = Extras()
        self.envelope = Envelope(_read_only_text) if learns else None

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
                return self._receive_delta(wire.delta, wire.index, frame)
            case "content_block_start" if is_mapping(wire.content_block):
                return self._receive_block(wire.content_block, wire.index, frame)
            case "content_block_stop":
                if self._retold:
                    self._retold.pop(wire.index, None)
                return self._calls.close(wire.index, frame)
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
            self._calls.forget()
            self._retold.clear()
            self._reason = None
        self._started, self._id, self._said = True, message.id, message.stop_reason
        events.append(Started(message.id, message.model, frame=frame))
        if message.content:
            said = message.content
            blocks = [{"type": "text", "text": said}] if isinstance(said, str) else said
            for index, block in enumerate(blocks):
                if is_mapping(block):
                    events += self._receive_block(block, index, frame)
                    events += self._calls.close(index, frame)
                    if not again and len(block) > 1:
                        self._remember(block, index)
        if message.stop_details:
            events.append(Data("stop_details", message.stop_details, frame=frame))
        if message.container:
            events.append(Data("container", message.container, frame=frame))
        if message.context_management:
            events.append(Data("context_management", message.context_management, frame=frame))
        if message.usage is not None:
            counts = _counts(message.usage)
            if counts not in (_NO_COUNTS, _ZERO_COUNTS):
                events.append(Usage(*counts, frame=frame))
        return events

    def _receive_whole(self, frame: Frame) -> Sequence[Event]:
        """An answer that was not streamed; nothing if it is none."""
        if self._started or b'"stop_reason"' not in (frame.data or b""):
            return ()
        try:
            said = JSON.decode(frame.text)
            message = convert(said, MessageWire).value
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

    # --- blocks ---

    def _receive_block(self, block: Mapping[str, Any], index: int, frame: Frame) -> Sequence[Event]:
        if index in self._retold:
            return self._receive_again(block, index, frame)
        if block in _BEGINNINGS:
            return self._calls.begin(frame)
        kind = text_in(block, "type")
        if kind in _TOOL_BLOCKS:
            return self._open(block, kind, index, frame)
        events = self._calls.begin(frame)
        if kind == "text":
            text = text_in(block, "text")
            if text:
                events.append(Token(text, part=index, frame=frame))
            for note in list_of(block.get("citations")):
                events.append(Data("citation", note, 0, index, frame=frame))
        elif kind == "thinking":
            text = text_in(block, "thinking")
            signature = text_in(block, "signature")
            if text or signature:
                events.append(Reasoning(text or "", 0, index, signature, frame=frame))
        elif kind == "compaction" and not (block.get("content") or block.get("encrypted_content")):
            return events  # it comes in a delta
        else:
            # redacted_thinking, results of server tools, fallback and compaction blocks: whole.
            return [*events, Data(str(kind), block, part=index, frame=frame)]
        self._tell_unread(block, frame, events)
        return events

    def _open(
        self, block: Mapping[str, Any], kind: str | None, index: int, frame: Frame
    ) -> Sequence[Event]:
        id = text_in(block, "id")
        if self._calls.reopen(index, id):
            return ()
        events = self._calls.begin(frame, index)
        given = block.get("input") or ""
        held = given if isinstance(given, str) else json_text(given)
        try:
            key = self._calls.open(index, id, held)
        except MalformedError as reason:
            return [*events, malformed(frame, reason)]
        name, served = text_in(block, "name"), kind != "tool_use"
        events.append(ToolCall(key, 0, id, name, provider_executed=served, frame=frame))
        caller = block.get("caller")
        if is_mapping(caller) and caller.get("type") != "direct":  # a program of the model's
            events.append(Data("caller", caller, 0, index, frame=frame))
        self._tell_unread(block, frame, events)
        return events

    def _tell_unread(self, block: Mapping[str, Any], frame: Frame, events: list[Event]) -> None:
        """What nobody knew of, and what is of another type."""
        unread = _IN_BLOCK.unread(block, "content_block")
        if unread:
            self._extras.tell(unread, frame, events)

    # --- what stood in the start of the message already ---

    def _remember(self, block: Mapping[str, Any], index: int) -> None:
        kind = block.get("type")
        if kind in ("text", "thinking"):
            text = text_in(block, kind)
            if text:
                self._retold[index] = _Retold(text, kind)
        elif block.get("input") or kind not in _TOOL_BLOCKS:
            self._retold[index] = None

    def _receive_again(self, block: Mapping[str, Any], index: int, frame: Frame) -> list[Event]:
        said = self._retold[index]
        if said is None:
            return []
        said.again = True
        text = text_in(block, said.kind)
        return self._retell(text, index, frame) if text else []

    def _retell(self, piece: str, index: int, frame: Frame) -> list[Event]:
        """A piece of a text that was told, or of one that goes on after it."""
        said = self._retold[index]
        if said is None:
            return []
        if said.again and said.text.startswith(piece, said.at):
            said.at += len(piece)
            return []
        del self._retold[index]
        before, left = said.text[: said.at], said.text[said.at :] if said.again else ""
        if said.kind == "thinking":
            return [Reasoning(piece.removeprefix(left), 0, index, frame=frame)]
        if before and not piece.startswith(left):
            return [Reset(0, index, before + piece, frame=frame)]
        return [Token(piece.removeprefix(left), 0, index, frame=frame)]

    def _receive_delta(self, delta: DeltaWire, index: int, frame: Frame) -> Sequence[Event]:
        match delta.type or _kind_of(delta):
            case "input_json_delta":
                piece = delta.partial_json
                if not piece or index in self._retold:
                    return ()
                if not isinstance(piece, str):
                    piece = json_text(piece)
                try:
                    return self._calls.receive_piece(index, piece, frame)
                except MalformedError as reason:
                    return (malformed(frame, reason),)
            case "text_delta" | "thinking_delta" as kind:
                text = delta.text if kind == "text_delta" else delta.thinking
                if not text:
                    return ()
                if index in self._retold:
                    return self._retell(text, index, frame)
                speaks = Token if kind == "text_delta" else Reasoning
                event = speaks(text, 0, index, frame=frame)
                if self.envelope is not None and not self._retold:
                    self.envelope.learn(frame, event)
                return (event,)
            case "signature_delta":
                return (Reasoning("", 0, index, delta.signature, frame=frame),)
            case "citations_delta":
                return (Data("citation", delta.citation, 0, index, frame=frame),)
            case "compaction_delta":
                said = {"content": delta.content, "encrypted_content": delta.encrypted_content}
                known = {name: value for name, value in said.items() if value is not None}
                return (Data("compaction", {"type": "compaction", **known}, 0, index, frame=frame),)
            case _:
                return (Unknown(frame=frame),)

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
            counts = _counts(wire.usage)
            if counts != _NO_COUNTS:
                events.append(Usage(*counts, final=True, frame=frame))
        return events

    def _finish(self, raw: str, frame: Frame) -> list[Event]:
        self._reason = reason_for(raw, STOP_REASONS)
        events = self._calls.finish(self._reason, frame)
        events.append(Finished(0, self._reason, raw, frame=frame))
        return events

    def _receive_stop(self, frame: Frame) -> Sequence[Event]:
        events = self._finish(self._said, frame) if self._reason is None and self._said else []
        events += self._calls.finish(self._reason, frame)
        events.append(Done(self._reason or "other", frame=frame))
        return events


_Counts: TypeAlias = tuple[int | None, int | None, None, int | None, int | None, int | None]
_NO_COUNTS: Final[_Counts] = (None, None, None, None, None, None)
_ZERO_COUNTS: Final[_Counts] = (0, 0, None, None, None, None)
"""A request has at least one token: a start that counts none does not know."""


def _counts(wire: UsageWire) -> _Counts:
    """As they stand in `Usage`."""
    details = wire.output_tokens_details
    return (
        wire.input_tokens,
        wire.output_tokens,
        None,
        None if details is None else details.thinking_tokens,
        wire.cache_read_input_tokens,
        wire.cache_creation_input_tokens,
    )


def _kind_of(delta: DeltaWire) -> str | None:
    """What a delta without a type is, by what it holds."""
    fields = {"text": "text_delta", "thinking": "thinking_delta", "signature": "signature_delta"}
    fields["partial_json"] = "input_json_delta"
    return next((kind for name, kind in fields.items() if getattr(delta, name)), None)


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
            "the type is read from the JSON, else from event:, which may stand after the data.",
            "objects are padded with spaces to hide their length.",
            "an overloaded service answers with status 200 and an error as the first event.",
            "the counts of message_delta replace those of message_start; null says nothing.",
            "a gateway may send message_start twice: with the same id it says nothing, with"
            " another one the message before is void, told as Reset.",
            "unknown events, as vertex_event, are Unknown.",
            "A thought's signature is to be sent back as it came. Blocks that come whole are Data:"
            " redacted_thinking, results of server tools, fallback, compaction; so are stop_details"
            " of a refusal.",
            "A call is complete when its block is closed or replaced or the message ends in it, and"
            " its JSON is whole. Without a fragment of arguments it has none, unless max_tokens cut"
            " it right there.",
            "message_start may have content: a call that a program made, or at some gateways all of"
            " it; where its blocks come once more, they are not told again.",
            "container and context_management are Data.",
        ),
        doubtful=("Text completions (event: completion) come from no recording.",),
    ),
)
