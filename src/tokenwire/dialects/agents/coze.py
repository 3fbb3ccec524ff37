"""``coze``: chats with Coze's bots, and runs of its workflows.

Source: https://www.coze.com/docs/developer_guides/chat_v3, the source of cozepy, and recordings.

A chat is complete at ``done`` after ``conversation.chat.completed``, or at the end of the body
after that; a workflow at ``Done``, or where it was interrupted. Each message of a bot, and each
node of a workflow, is a part. A message comes in pieces and then once more whole: what the pieces
lack is said, and nothing twice.

Only what the bot answers is text. What its plugins were called with and gave back, what it proposes
next, and cards are data of that type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.kit.errors import VendorError, read_error
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.json_balance import is_whole
from tokenwire.dialects.kit.one_choice import OneChoice, read_frame
from tokenwire.dialects.kit.payloads import (
    MAX_INDEX,
    is_broken,
    is_mapping,
    json_or_text,
    list_of,
    malformed,
    plain_text,
)
from tokenwire.dialects.kit.said import Said
from tokenwire.events import (
    Data,
    Event,
    Heartbeat,
    Reason,
    Reasoning,
    Reset,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer


class UsageWire(Struct, gc=False):
    input_count: int | None = None
    output_count: int | None = None
    token_count: int | None = None


class EventWire(Struct):
    """A chat, a message, or what a workflow's node says."""

    id: str | None = None
    type: str | None = None
    content: str | None = None
    content_type: str | None = None
    reasoning_content: str | None = None
    usage: UsageWire | None = None
    last_error: Any = None
    required_action: Any = None
    node_title: str | None = None
    node_is_finish: bool | None = None
    error_code: Any = None
    error_message: str | None = None


REASONS: Final[Mapping[str, Reason]] = {
    "completed": "stop",
    "requires_action": "tool_calls",
    "canceled": "cancelled",
    "Done": "stop",
    "Interrupt": "pause",
}
"""How a chat ends, after ``conversation.chat.``, and a workflow; anything else is ``other``."""

_CHAT: Final = "conversation.chat."
_MESSAGE: Final = "conversation.message."
_RUNNING: Final = frozenset({"created", "in_progress"})

_decode_json = JSONDecoder(EventWire).decode


class _Part:
    """What was said of one message."""

    __slots__ = ("number", "reasoning", "text")

    def __init__(self, number: int) -> None:
        self.number = number
        self.text = Said()
        self.reasoning = Said()


class Decoder:
    """Events of the wire to events."""

    def __init__(self) -> None:
        self._choice = OneChoice(REASONS)
        self._parts: dict[str, _Part] = {}
        self._nodes = 0
        self._extras = Extras()

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        match frame.event:
            case "done" | "Done" if is_broken(frame.data or b""):
                return (malformed(frame, "an end came with half of another event"),)
            case "done":
                return self._choice.done_at_sentinel(frame, "conversation.chat.completed")
            case "Done":
                finished = [] if self._choice.reason else self._choice.finish("Done", frame)
                return [*finished, *self._choice.done(frame)]
            case "ping" | "PING":
                return (Heartbeat(frame.event, frame=frame),)
            case _:
                return read_frame(frame, EventWire, _decode_json, self._receive, self._extras)

    def receive_eof(self) -> Sequence[Event]:
        """Complete if it was said how the chat ended, or that the workflow waits."""
        return self._choice.done()

    def _receive(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        kind = frame.event
        if kind.startswith(_CHAT):
            return self._receive_chat(kind.removeprefix(_CHAT), wire, frame)
        if kind.startswith(_MESSAGE):
            whole = kind.endswith(".completed")
            return self._receive_message(wire, frame, whole=whole)
        match kind:
            case "conversation.audio.delta":
                return (Data("audio", wire.content, frame=frame),)
            case "Message":
                return self._receive_node(wire, frame)
            case "Interrupt":
                return [_whole(kind, frame), *self._choice.finish(kind, frame)]
            case "Error":
                message = wire.error_message or "the workflow failed without a message"
                return (VendorError(message, plain_text(wire.error_code) or None).event(frame),)
            case _:
                return (Unknown(frame=frame),)

    # --- chats ---

    def _receive_chat(self, status: str, wire: EventWire, frame: Frame) -> Sequence[Event]:
        events = self._choice.start(frame, wire.id)
        if status in _RUNNING:
            return events
        if status == "failed":
            return [*events, read_error(wire.last_error).event(frame)]
        if wire.usage is not None:
            counts = (wire.usage.input_count, wire.usage.output_count, wire.usage.token_count)
            events.append(Usage(*counts, final=True, frame=frame))
        events += _asked(wire.required_action, frame)
        return [*events, *self._choice.finish(status, frame)]

    def _receive_message(self, wire: EventWire, frame: Frame, *, whole: bool) -> list[Event]:
        if wire.type not in (None, "", "answer") or wire.content_type not in (None, "", "text"):
            return [_whole(wire.type or "message", frame)]
        id = wire.id or ""
        part = self._parts.get(id)
        if part is None:
            if len(self._parts) == MAX_INDEX:
                return [malformed(frame, f"there are more than {MAX_INDEX} messages")]
            part = self._parts[id] = _Part(len(self._parts))
        events: list[Event] = []
        thought, text = wire.reasoning_content or "", wire.content or ""
        if whole:
            thought = part.reasoning.rest_of(thought) or ""
            rest = part.text.rest_of(text) if text else ""
            if rest is None:  # another text stands there now
                part.text = Said()
                part.text.add(text)
                return [Reset(0, part.number, text, frame=frame)]
            text = rest
        part.reasoning.add(thought)
        part.text.add(text)
        events += [Reasoning(thought, 0, part.number, frame=frame)] if thought else []
        events += [Token(text, 0, part.number, frame=frame)] if text else []
        return events

    # --- workflows ---

    def _receive_node(self, wire: EventWire, frame: Frame) -> list[Event]:
        """A node's messages follow each other until one is its last."""
        part = self._nodes
        if wire.node_is_finish and part < MAX_INDEX:
            self._nodes += 1
        if wire.content_type not in (None, "", "text"):
            return [_whole("message", frame)]
        return [Token(wire.content, 0, part, frame=frame)] if wire.content else []


def _whole(kind: str, frame: Frame) -> Data:
    return Data(kind, json_or_text(frame.data or b""), frame=frame)


def _asked(action: Any, frame: Frame) -> list[Event]:
    """The calls that the client is to run, whole."""
    asked = action.get("submit_tool_outputs") if is_mapping(action) else None
    calls = asked.get("tool_calls") if is_mapping(asked) else None
    events: list[Event] = []
    for number, call in enumerate(list_of(calls)[:MAX_INDEX]):
        function = call.get("function") if is_mapping(call) else None
        if is_mapping(function):
            id, name = plain_text(call.get("id")), plain_text(function.get("name"))
            text = plain_text(function.get("arguments"))
            said = (id or None, name or None, text, is_whole(text))
            events.append(ToolCall(str(number), 0, *said, frame=frame))
    return events


COZE = Dialect(
    name="coze",
    framer=SSEFramer,
    decoder=Decoder,
    terminator="done after conversation.chat.completed; of a workflow Done, or an Interrupt",
    bare_events=("done", "Done"),
    marks=(
        # Mistral's conversations have events of the same first word.
        *((f"@event=conversation.{what}.*",) for what in ("audio", "chat", "message")),
        ("@event=Message", "node_is_finish"),
        ("@event=Interrupt", "interrupt_data"),
    ),
    notes=Notes(
        vendor="Coze",
        sources=(
            "https://www.coze.com/docs/developer_guides/chat_v3",
            "https://github.com/coze-dev/coze-py",
        ),
        request='POST /v3/chat or /v1/workflow/stream_run, with "stream": true',
        text="content of conversation.message.delta of the type answer; a workflow's Message",
        errors='event: error, {"code", "msg"}; conversation.chat.failed; a workflow\'s Error',
        heartbeats="event: ping, without a meaning",
        quirks=(
            "no space after the colons",
            'done has the data "[DONE]" in quotes, or a link for debugging',
            "conversation.message.completed has the message whole: what its pieces lacked is said,"
            " and where it is no continuation of them it is a Reset of its part",
            "messages of other types (function_call, tool_response, follow_up, verbose) and other"
            " contents than text are Data of that type: plugins are run by Coze itself",
            "conversation.chat.requires_action asks for outputs of tools: tool_calls",
            "read only",
        ),
        doubtful=("whether a body may end without done; it is read as whole then",),
    ),
)
