"""``mistral``: Mistral's chat completions, and its conversations with agents.

Source: https://docs.mistral.ai/api/, the models of mistralai 3.7, and recordings of chat.

Chat is a member of the openai-chat family: complete when every choice has a finish reason. The
events of a conversation have a type each; it is complete at ``conversation.response.done``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.kit.errors import read_error
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.json_balance import JSONBalance
from tokenwire.dialects.kit.numbered_calls import NumberedCalls
from tokenwire.dialects.kit.one_choice import OneChoice, read_frame
from tokenwire.dialects.kit.payloads import MAX_INDEX, UNREADABLE, json_or_text, malformed
from tokenwire.dialects.openai.chat import Decoder as ChatDecoder
from tokenwire.dialects.openai.chat_wire import (
    Content,
    UsageWire,
    arguments_of,
    read_blocks,
    usage_of,
)
from tokenwire.dialects.openai.message import chat_message
from tokenwire.dialects.openai.profiles import PROFILES, openai_dialect
from tokenwire.events import Data, Done, Event, Finished, Reason, ToolCall, Unknown
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer


class KindWire(Struct, gc=False):
    type: str | None = None


class ConversationWire(Struct, gc=False, forbid_unknown_fields=True):
    """All events of a conversation in one."""

    type: str | None = None
    conversation_id: str | None = None
    id: str | None = None
    model: str | None = None
    content: Content = None  # a text, or a block
    output_index: int | None = None
    content_index: int | None = None
    name: str | None = None
    tool_call_id: str | None = None
    arguments: Content = None
    usage: UsageWire | None = None
    confirmation_status: Any = None
    created_at: Any = None
    role: Any = None
    object: Any = None
    agent_id: Any = None
    info: Any = None
    previous_agent_id: Any = None
    previous_agent_name: Any = None
    next_agent_id: Any = None
    next_agent_name: Any = None
    message: Any = None
    code: Any = None


_WHOLE: Final = "the event that has it is Data as a whole, or an error"

SILENT: Final[Mapping[str, str]] = {
    "created_at": "when the event was written",
    "role": "an answer is always the assistant's",
    "object": "the same in every event",
    "agent_id": "whoever answers, the answer is one",
    **dict.fromkeys(("info", "message", "code"), _WHOLE),
    **dict.fromkeys(("previous_agent_id", "previous_agent_name"), _WHOLE),
    **dict.fromkeys(("next_agent_id", "next_agent_name"), _WHOLE),
}
"""Fields of a conversation's events that give no event of their own, and why."""

_KINDS: Final = ("conversation.", "message.output.", "function.call.", "tool.exec", "agent.handoff")

_decode_kind = JSONDecoder(KindWire).decode
_decode_json = JSONDecoder(ConversationWire).decode
_chat = openai_dialect(PROFILES["mistral"])


class Decoder:
    """Chunks of chat, or events of a conversation, to events."""

    def __init__(self) -> None:
        retry_codes = PROFILES["mistral"].retry_codes
        self._chat = ChatDecoder(finish_optional=False, retry_codes=retry_codes)
        self._answer = OneChoice({})
        self._calls = NumberedCalls()
        self._balances: dict[str, JSONBalance] = {}  # of the calls that are open
        self._extras = Extras()
        self._running: set[str] = set()  # keys of calls that Mistral runs itself
        self._asks = False  # a function is for the client to call
        self._parts: dict[tuple[int, int], int] = {}

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        if _kind_of(frame).startswith(_KINDS):
            return read_frame(frame, ConversationWire, _decode_json, self._receive, self._extras)
        return self._chat.receive_frame(frame)

    def receive_eof(self) -> Sequence[Event]:
        """Chat is complete if all choices are finished; a conversation says when it is."""
        return self._chat.receive_eof()

    def _receive(self, wire: ConversationWire, frame: Frame) -> Sequence[Event]:
        kind = wire.type or frame.event
        match kind:
            case "message.output.delta":
                return self._receive_message(wire, frame)
            case "function.call.delta":
                self._asks = True
                return self._receive_call(wire, wire.tool_call_id or wire.id, frame)
            case "tool.execution.started" | "tool.execution.delta":
                return self._receive_call(wire, wire.id, frame, provider_executed=True)
            case "tool.execution.done":
                return [*self._close(wire.id, frame), _data(kind, frame)]
            case "agent.handoff.started" | "agent.handoff.done":
                return (_data(kind, frame),)
            case "conversation.response.started":
                return self._answer.start(frame, wire.conversation_id, wire.model)
            case "conversation.response.done":
                return self._receive_end(wire, frame)
            case "conversation.response.error":
                return (read_error(json_or_text(frame.data or b"")).event(frame),)
            case _:
                return (Unknown(frame=frame),)

    def _receive_message(self, wire: ConversationWire, frame: Frame) -> Sequence[Event]:
        place = (wire.output_index or 0, wire.content_index or 0)
        if place not in self._parts and len(self._parts) == MAX_INDEX:
            return (malformed(frame, f"there are more than {MAX_INDEX} blocks"),)
        part = self._parts.setdefault(place, len(self._parts))
        return read_blocks(wire.content, 0, frame, part=part) if wire.content else ()

    def _receive_call(
        self,
        wire: ConversationWire,
        name: str | None,
        frame: Frame,
        *,
        provider_executed: bool = False,
    ) -> Sequence[Event]:
        key = self._calls.get(name or "")
        said: tuple[str | None, str | None] = (None, None)
        if key is None:
            if self._calls.full:
                return (malformed(frame, f"there are more than {MAX_INDEX} tool calls"),)
            key = self._calls.open(name or "")
            said = (name or None, wire.name or None)
            if provider_executed:
                self._running.add(key)
        arguments = arguments_of(wire.arguments)
        status = wire.confirmation_status
        asked = [Data("confirmation_status", status, frame=frame)] if status else []
        if not arguments and not any(said):
            return asked
        self._balances.setdefault(key, JSONBalance()).add(arguments)
        call = ToolCall(key, 0, *said, arguments, provider_executed=provider_executed, frame=frame)
        return [call, *asked]

    def _close(self, name: str | None, frame: Frame) -> list[Event]:
        key = self._calls.close(name or "")
        return [] if key is None else self._closed(key, frame)

    def _closed(self, key: str, frame: Frame) -> list[Event]:
        ours = key in self._running
        self._running.discard(key)
        if not self._balances.pop(key).whole:
            return []
        return [ToolCall(key, complete=True, provider_executed=ours, frame=frame)]

    def _receive_end(self, wire: ConversationWire, frame: Frame) -> Sequence[Event]:
        open_calls = self._calls.close_all()
        events = [event for key in open_calls for event in self._closed(key, frame)]
        usage = usage_of(wire.usage, frame, final=True) if wire.usage is not None else None
        if usage is not None:
            events.append(usage)
        reason: Reason = "tool_calls" if self._asks else "stop"
        return [*events, Finished(0, reason, frame=frame), Done(reason, frame=frame)]


def _kind_of(frame: Frame) -> str:
    """The type of an event of a conversation; chunks of chat have none."""
    data = frame.data or b""
    if frame.event.startswith(_KINDS) or b'"choices"' in data:
        return frame.event
    try:
        return _decode_kind(data).type or ""
    except UNREADABLE:
        return ""


def _data(kind: str, frame: Frame) -> Data:
    return Data(kind, json_or_text(frame.data or b""), frame=frame)


MISTRAL = Dialect(
    name="mistral",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=_chat.encoder,
    message=chat_message,
    terminator=f"{_chat.terminator}, or conversation.response.done",
    marks=tuple((f"type={kind}*",) for kind in _KINDS),
    notes=Notes(
        vendor=PROFILES["mistral"].vendor,
        sources=("https://docs.mistral.ai/api/", "mistralai 3.7"),
        request="POST /v1/chat/completions or /v1/conversations with stream: true",
        text="choices[].delta.content; content of message.output.delta",
        errors=f"{PROFILES['mistral'].errors}; conversation.response.error",
        resume="none",
        quirks=(
            *PROFILES["mistral"].quirks,
            "tools that Mistral runs itself are calls with provider_executed, their results Data",
            "a conversation names no finish reason: tool_calls where a function was called, else"
            " stop",
            "conversations are read, not written",
        ),
        doubtful=PROFILES["mistral"].doubtful,
    ),
)
