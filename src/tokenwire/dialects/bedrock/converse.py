"""``bedrock-converse``: ConverseStream of Amazon Bedrock, one wire for all its models.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html,
botocore's model of it, and recordings.

``messageStop`` ends the answer, but not the stream: usage follows, and an exception still may. So
an answer is complete where the body ends after a ``messageStop``. Errors with status 200 are
messages of another type: exceptions, which the model of the API knows, and errors, which it does
not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.bedrock.converse_encode import DATA_BLOCKS, BedrockEncoder
from tokenwire.dialects.bedrock.errors import find_exception
from tokenwire.dialects.bedrock.message import converse_message
from tokenwire.dialects.kit.block_calls import BlockCalls
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.payloads import (
    UNREADABLE,
    MalformedError,
    json_text,
    malformed,
    read_leniently,
    reason_for,
)
from tokenwire.events import (
    Data,
    Done,
    Event,
    Finished,
    Reason,
    Reasoning,
    Started,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.frame import Frame
from tokenwire.framing.awsevents import AWSEventsFramer


class ToolUseWire(Struct, rename="camel", gc=False, forbid_unknown_fields=True):
    tool_use_id: str | None = None
    name: str | None = None
    type: str | None = None
    input: Any = None  # a piece of JSON text; whole objects come from gateways


class ReasoningWire(Struct, rename="camel", gc=False, forbid_unknown_fields=True):
    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None
    data: str | None = None  # what some gateways call the redacted content


class ContentWire(Struct, rename="camel", gc=False, forbid_unknown_fields=True):
    text: str | None = None
    tool_use: ToolUseWire | None = None
    reasoning_content: ReasoningWire | None = None
    citation: Any = None
    image: Any = None
    tool_result: Any = None


class UsageWire(Struct, rename="camel", gc=False, forbid_unknown_fields=True):
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    cache_read_input_token_count: int | None = None  # so in Nova's own wire, see bedrock-invoke
    cache_write_input_token_count: int | None = None
    # The same counts in parts, and what is no count of tokens: not told.
    cache_details: Any = None
    server_tool_usage: Any = None


class EventWire(Struct, rename="camel", gc=False, forbid_unknown_fields=True):
    """All events in one."""

    content_block_index: int = 0
    start: ContentWire | None = None
    delta: ContentWire | None = None
    stop_reason: str | None = None
    usage: UsageWire | None = None
    trace: Any = None
    additional_model_response_fields: Any = None
    # Not told: padding that hides the length, times, how the request was served.
    p: str | None = None
    role: str | None = None
    metrics: Any = None
    performance_config: Any = None
    service_tier: Any = None


STOP_REASONS: Final[Mapping[str, Reason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}
"""Anything else is ``other``."""

EVENTS: Final = frozenset(
    {
        "messageStart",
        "contentBlockStart",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    }
)

_decode_json = JSONDecoder(EventWire).decode


class Decoder:
    """Events of the wire to events."""

    def __init__(self) -> None:
        self._reason: Reason | None = None
        self._calls = BlockCalls()
        self._extras = Extras()

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one message."""
        error = find_exception(frame)
        if error is not None:
            return (error.event(frame),)
        if frame.event not in EVENTS:
            return (Unknown(frame=frame),)
        data = frame.data or b""
        try:
            return self._receive(_decode_json(data), frame)
        except UNREADABLE:
            pass
        try:
            wires = read_leniently(data, EventWire)
        except MalformedError as reason:
            return (malformed(frame, reason),)
        if not wires:
            return (Unknown(frame=frame),)
        events: list[Event] = []
        for reading in wires:
            events += self._receive(reading.value, frame)
            self._extras.tell(reading.unread, frame, events)
        return events

    def receive_eof(self) -> Sequence[Event]:
        """The body ended; no exception can come any more."""
        if self._reason is not None:
            return (Done(self._reason),)
        return list(self._calls.rest())

    def _receive(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        index = wire.content_block_index
        match frame.event:
            case "contentBlockDelta" if wire.delta is not None:
                return self._receive_delta(wire.delta, index, frame)
            case "contentBlockStart" if wire.start is not None:
                return self._receive_start(wire.start, index, frame)
            case "contentBlockStop":
                return self._calls.close(index, frame)
            case "messageStart":
                return (Started(frame=frame),)
            case "messageStop":
                self._reason = reason_for(wire.stop_reason, STOP_REASONS)
                more = wire.additional_model_response_fields
                return [
                    *([Data("additionalModelResponseFields", more, frame=frame)] if more else ()),
                    *self._calls.finish(self._reason, frame),
                    Finished(0, self._reason, wire.stop_reason, frame=frame),
                ]
            case "metadata":
                return _metadata(wire, frame)
            case _:
                return (Unknown(frame=frame),)

    def _receive_start(self, start: ContentWire, index: int, frame: Frame) -> Sequence[Event]:
        """Only tool calls and what is data are opened; text and reasoning start with a delta."""
        tool = start.tool_use
        if tool is None:
            events = self._calls.begin(frame)
            return [*events, *_data(start, index, frame)]
        if self._calls.reopen(index, tool.tool_use_id):
            return ()
        events = self._calls.begin(frame, index)
        try:
            key = self._calls.open(index, tool.tool_use_id, _arguments(tool.input))
        except MalformedError as reason:
            return [*events, malformed(frame, reason)]
        return [
            *events,
            ToolCall(
                key,
                id=tool.tool_use_id or None,
                name=tool.name or None,
                provider_executed=tool.type == "server_tool_use",
                frame=frame,
            ),
        ]

    def _receive_delta(self, delta: ContentWire, index: int, frame: Frame) -> Sequence[Event]:
        if delta.text is not None:
            return (Token(delta.text, 0, index, frame=frame),) if delta.text else ()
        if delta.tool_use is not None:
            return self._receive_arguments(delta.tool_use.input, index, frame)
        if delta.reasoning_content is not None:
            return _reasoning(delta.reasoning_content, index, frame)
        return _data(delta, index, frame) or (Unknown(frame=frame),)

    def _receive_arguments(self, piece: Any, index: int, frame: Frame) -> Sequence[Event]:
        text = _arguments(piece)
        if not text:
            return ()
        try:
            return self._calls.receive_piece(index, text, frame)
        except MalformedError as reason:
            return (malformed(frame, reason),)


def _arguments(said: Any) -> str:
    """A piece of JSON text; whole objects come from gateways."""
    if isinstance(said, str):
        return said
    return json_text(said) if said else ""


def _reasoning(wire: ReasoningWire, index: int, frame: Frame) -> Sequence[Event]:
    redacted = wire.redacted_content or wire.data
    if redacted:
        return (Data("redactedContent", redacted, 0, index, frame=frame),)
    if not (wire.text or wire.signature):
        return ()
    return (Reasoning(wire.text or "", 0, index, wire.signature or None, frame=frame),)


def _data(wire: ContentWire, index: int, frame: Frame) -> Sequence[Event]:
    values = (wire.citation, wire.image, wire.tool_result)
    return [
        Data(kind, value, 0, index, frame=frame)
        for kind, value in zip(DATA_BLOCKS, values, strict=True)
        if value is not None
    ]


def _first(*counts: int | None) -> int | None:
    return next((count for count in counts if count is not None), None)


_NO_USAGE: Final = UsageWire()


def _metadata(wire: EventWire, frame: Frame) -> Sequence[Event]:
    """It may come more than once, not always with usage."""
    events: list[Event] = []
    usage = wire.usage
    if usage is not None and usage != _NO_USAGE:
        events.append(
            Usage(
                usage.input_tokens,
                usage.output_tokens,
                usage.total_tokens,
                cache_read_tokens=_first(
                    usage.cache_read_input_tokens, usage.cache_read_input_token_count
                ),
                cache_write_tokens=_first(
                    usage.cache_write_input_tokens, usage.cache_write_input_token_count
                ),
                final=True,
                frame=frame,
            )
        )
    if wire.trace:  # what a guardrail or a prompt router did
        events.append(Data("trace", wire.trace, frame=frame))
    return events or (Unknown(frame=frame),)


BEDROCK_CONVERSE = Dialect(
    name="bedrock-converse",
    framer=AWSEventsFramer,
    decoder=Decoder,
    encoder=lambda: BedrockEncoder(STOP_REASONS),
    message=converse_message,
    media_types=("application/vnd.amazon.eventstream",),
    terminator="messageStop",
    marks=(
        ("@event=messageStart",),
        ("@event=contentBlock*",),
        ("@event=messageStop",),
        ("@event=metadata", "usage"),
        ("@event=*Exception",),  # all of Bedrock's dialects read them alike
    ),
    notes=Notes(
        vendor="Amazon Bedrock",
        sources=(
            "https://docs.aws.amazon.com/bedrock/latest/APIReference/"
            "API_runtime_ConverseStream.html",
            "botocore 1.44.5 (its model of bedrock-runtime)",
        ),
        request="POST /model/{modelId}/converse-stream",
        text="contentBlockDelta: .delta.text",
        errors="messages whose :message-type is exception or error, also after messageStop",
        heartbeats="messages with neither headers nor payload",
        quirks=(
            "a random p hides the length of every payload.",
            "usage follows messageStop, and an exception may: Done comes at EOF.",
            "Only blocks of tool calls and of data are opened; those of text just begin.",
            "A tool call without arguments has none at all, not even {}; it is complete unless"
            " max_tokens may have cut it right there. Others are when their JSON is whole.",
            "metadata may come more than once, and without usage; the last counts count.",
        ),
        doubtful=(
            "Exceptions in the form of an event, and reasoningContent.data: of some gateways.",
        ),
    ),
)
