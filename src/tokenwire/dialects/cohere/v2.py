"""``cohere-v2``: Cohere's chat API, version 2.

Source: https://docs.cohere.com/v2/docs/streaming, the types of Cohere's SDK, and recordings.

``message-end`` completes an answer, or says that it failed; the ``[DONE]`` after it proves
nothing. Content blocks and tool calls are numbered apart from each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.cohere.encode import CohereV2Encoder
from tokenwire.dialects.cohere.message import cohere_message
from tokenwire.dialects.cohere.wire import (
    FINISH_REASONS,
    UsageWire,
    failure,
    is_failure,
    read_usage,
)
from tokenwire.dialects.kit.call_fragments import Fragment
from tokenwire.dialects.kit.errors import read_error
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.lenient import convert
from tokenwire.dialects.kit.one_choice import OneChoice, read_frame
from tokenwire.dialects.kit.payloads import is_done_sentinel, is_list, is_mapping
from tokenwire.dialects.kit.toolcalls import CUTTING, ToolCallSlots
from tokenwire.dialects.openai.chat_wire import arguments_of
from tokenwire.events import Data, Event, Reasoning, Token, Unknown
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer


class FunctionWire(Struct, gc=False, forbid_unknown_fields=True):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None  # a text


class ToolCallWire(Struct, gc=False, forbid_unknown_fields=True):
    id: str | None = None
    function: FunctionWire | None = None
    type: Any = None


class ContentWire(Struct, gc=False, forbid_unknown_fields=True):
    type: Any = None
    text: str | None = None
    thinking: str | None = None


class MessageWire(Struct, gc=False, forbid_unknown_fields=True):
    """Deltas have objects where the message of the start has empty lists."""

    content: ContentWire | list[Any] | str | None = None
    tool_plan: str | None = None
    tool_calls: ToolCallWire | list[Any] | None = None
    citations: Any = None
    role: Any = None


class DeltaWire(Struct, gc=False, forbid_unknown_fields=True):
    message: MessageWire | None = None
    finish_reason: str | None = None
    usage: UsageWire | None = None
    error: str | None = None
    error_type: str | None = None


class EventWire(Struct, gc=False, forbid_unknown_fields=True):
    type: str | None = None
    id: str | None = None
    index: int | None = None
    delta: DeltaWire | None = None
    logprobs: Any = None
    error: Any = None
    message: Any = None


SILENT: Final[Mapping[type[Struct], Mapping[str, str]]] = {
    ToolCallWire: {"type": "there is one"},
    ContentWire: {"type": "the field beside it says so"},
    MessageWire: {"role": "an answer is always the assistant's"},
}
"""Fields that give no event, and why."""

_NO_DELTA: Final = DeltaWire()
_NO_MESSAGE: Final = MessageWire()

_decode_json = JSONDecoder(EventWire).decode


class Decoder:
    """Events of the wire to events."""

    def __init__(self) -> None:
        self._choice = OneChoice(FINISH_REASONS)
        self._slots = ToolCallSlots(0, prefix="")
        self._extras = Extras()

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        if is_done_sentinel(frame.data or b""):
            return self._choice.done_at_sentinel(frame, "message-end")
        return read_frame(frame, EventWire, _decode_json, self._receive, self._extras)

    def receive_eof(self) -> Sequence[Event]:
        """Only ``message-end`` completes an answer."""
        return ()

    def _receive(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        delta = wire.delta or _NO_DELTA
        message = delta.message or _NO_MESSAGE
        index = wire.index or 0
        match wire.type or frame.event:
            case "content-delta" | "content-start":
                said = _content(message.content, index, frame)
                if not wire.logprobs:
                    return said
                return [*said, Data("logprobs", wire.logprobs, part=index, frame=frame)]
            case "tool-plan-delta":
                plan = message.tool_plan
                return (Data("tool_plan", plan, frame=frame),) if plan else ()
            case "tool-call-start" | "tool-call-delta":
                return self._receive_call(message.tool_calls, index, frame)
            case "tool-call-end":
                return self._slots.close_at(index, frame)
            case "citation-start":
                citations = message.citations
                found = citations if is_list(citations) else [citations]
                return [Data("citation", one, frame=frame) for one in found if one]
            case "content-end" | "citation-end":
                return ()
            case "message-start":
                told = _content(message.content, index, frame) if message.content else ()
                return [*self._choice.start(frame, wire.id), *told]
            case "message-end":
                return self._receive_end(delta, frame)
            case kind:
                wrong = wire.error or (None if kind else wire.message)  # unverified
                if wrong:
                    return (read_error(wrong).event(frame),)
                return (Unknown(frame=frame),)

    def _receive_call(
        self, call: ToolCallWire | list[Any] | None, index: int, frame: Frame
    ) -> Sequence[Event]:
        if not isinstance(call, ToolCallWire):
            return (Unknown(frame=frame),)
        function = call.function or FunctionWire()
        piece = Fragment(index, call.id, function.name, arguments_of(function.arguments))
        return self._slots.receive([piece], frame)

    def _receive_end(self, delta: DeltaWire, frame: Frame) -> Sequence[Event]:
        word = delta.finish_reason
        ended = self._choice.finish(word, frame)
        calls = [] if self._choice.reason in CUTTING else self._slots.close(frame)
        events = [*calls, *read_usage(delta.usage, frame), *ended]
        if delta.error or is_failure(word):
            return [*events, failure(word, frame, delta.error, delta.error_type or None)]
        return [*events, *self._choice.done(frame)]


def _content(
    content: ContentWire | list[Any] | str | None, index: int, frame: Frame
) -> Sequence[Event]:
    """One object; gateways that know the message of a whole answer send a list, or a text."""
    if type(content) is not ContentWire:  # an `isinstance` that fails costs more than twice this
        if isinstance(content, str):
            return _content(ContentWire(text=content), index, frame)
        if is_list(content) and content and all(map(is_mapping, content)):
            pieces = [convert(one, ContentWire).value for one in content]
            return [event for piece in pieces for event in _content(piece, index, frame)]
        return (Unknown(frame=frame),)
    events: list[Event] = []
    if content.thinking:
        events.append(Reasoning(content.thinking, part=index, frame=frame))
    if content.text:
        events.append(Token(content.text, part=index, frame=frame))
    return events


COHERE_V2 = Dialect(
    name="cohere-v2",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=CohereV2Encoder,
    message=cohere_message,
    terminator="message-end",
    marks=(("type=message-start",), ("type=content-*", "index"), ("type=tool-plan-delta",)),
    notes=Notes(
        vendor="Cohere",
        sources=("https://docs.cohere.com/v2/docs/streaming", "cohere 7.3.1 (its SDK)"),
        request='POST https://api.cohere.com/v2/chat with "stream": true',
        text="content-delta: .delta.message.content.text",
        errors='message-end with .delta.finish_reason "ERROR" or "TIMEOUT", and .delta.error',
        quirks=(
            "the type stands in event: and in the JSON; either alone is read.",
            "[DONE] follows message-end, after an error too; it proves nothing.",
            "Content blocks and tool calls have indexes of their own, both from 0.",
            "The plan before tool calls, tool-plan-delta, is Data, of the kind tool_plan.",
            "A tool call without arguments has none at all, not even {}.",
            "A delta holds one object under content and tool_calls, not a list.",
            "Usage counts all tokens; the billed ones are taken where the others are missing.",
        ),
        doubtful=(
            "Whether an ERROR may be retried: only one without .delta.error_type is.",
            "An error document in place of an event.",
        ),
    ),
)
