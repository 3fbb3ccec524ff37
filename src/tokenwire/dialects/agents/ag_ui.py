"""``ag-ui``: the Agent User Interaction protocol, from agents to their user interfaces.

Source: https://docs.ag-ui.com/spec/1.0, its Python SDK.

A stream holds runs one after the other: the one that was asked for, and before it those of the
past, if they are replayed. So an answer is complete where the body ends after a ``RUN_FINISHED``
and no other run has begun. ``RUN_ERROR`` ends it with an error.

Messages, thoughts and tool calls are opened, filled and closed by their ids, or come as chunks, of
which only the first has an id. All else, as states and steps, is data: the event as it came.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.agents.ag_ui_encode import AGUIEncoder
from tokenwire.dialects.agents.ag_ui_wire import DATA_EVENTS, OUTCOMES, EventWire, usage_of
from tokenwire.dialects.kit.call_arguments import CallArguments
from tokenwire.dialects.kit.errors import VendorError
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.lenient import EMPTY
from tokenwire.dialects.kit.numbered_calls import NumberedCalls
from tokenwire.dialects.kit.one_choice import read_frame
from tokenwire.dialects.kit.payloads import (
    MAX_INDEX,
    is_list,
    is_mapping,
    json_or_text,
    odd_texts,
    plain_text,
    reason_for,
)
from tokenwire.dialects.openai.chat_wire import arguments_of
from tokenwire.events import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Reason,
    Reasoning,
    Started,
    Token,
    ToolCall,
    Unknown,
)
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer

_SILENT: Final = frozenset(
    {
        "REASONING_MESSAGE_END",
        "REASONING_END",
        "THINKING_START",
        "THINKING_TEXT_MESSAGE_END",
        "THINKING_END",
    }
)

# What may stand between the chunks of one tool call.
_BESIDE: Final = frozenset(
    {
        "ACTIVITY_DELTA",
        "ACTIVITY_SNAPSHOT",
        "RAW",
        "REASONING_ENCRYPTED_VALUE",
        "SUBAGENT_STARTED",
        "TOOL_CALL_CHUNK",
    }
)

_decode_json = JSONDecoder(EventWire).decode


class _Numbers:
    """Parts by message ids, in the order of arrival. What has no id is the last one's."""

    def __init__(self) -> None:
        self._ids = NumberedCalls()
        self._last = ""

    def find(self, id: str | None) -> int | None:
        """The part of a message that is known."""
        number = self._ids.get(id) if id else None
        return None if number is None else int(number)

    def get(self, id: str | None) -> int:
        """The part of this message."""
        if id:
            self._last = id
        if (number := self._ids.get(self._last)) is None:
            if self._ids.full:
                self._ids.close_all()
            number = self._ids.open(self._last)
        return int(number)


class Decoder:
    """Events of the wire to events."""

    def __init__(self) -> None:
        self._reason: Reason | None = None  # while no run is open and one was
        self._texts = _Numbers()
        self._thoughts = _Numbers()
        self._roles: dict[str, str] = {}  # of open messages that are not the assistant's
        self._last_text = ""
        self._calls = NumberedCalls()
        self._arguments = CallArguments()
        self._chunked: str | None = None  # the call that comes in chunks, which has no end event
        self._extras = Extras()

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        return read_frame(frame, EventWire, _decode_json, self._receive, self._extras)

    def receive_eof(self) -> Sequence[Event]:
        """The body ended; no run can begin any more."""
        return () if self._reason is None else (Done(self._reason),)

    def _receive(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        called = wire.type in ("TOOL_CALL_ARGS", "TOOL_CALL_CHUNK")
        delta = _arguments_in(wire.delta) if called else plain_text(wire.delta)
        events = self._receive_event(wire, delta, frame)
        if wire.delta and not delta and wire.type not in DATA_EVENTS:
            self._extras.tell({"delta": wire.delta}, frame, events)
        return events

    def _receive_event(self, wire: EventWire, delta: str, frame: Frame) -> list[Event]:
        events: list[Event]
        match wire.type:
            case "TEXT_MESSAGE_CONTENT":
                events = self._receive_text(wire, delta, frame)
            case "TOOL_CALL_ARGS":
                events = self._fill_call(wire.tool_call_id or "", delta, frame)
            case "REASONING_MESSAGE_CONTENT" | "REASONING_MESSAGE_CHUNK":
                events = self._receive_thought(wire, delta, frame)
            case "TEXT_MESSAGE_START" | "TEXT_MESSAGE_CHUNK" | "TEXT_MESSAGE_END":
                events = self._receive_message(wire, delta, frame)
            case "TOOL_CALL_CHUNK":
                return self._receive_chunk(wire, delta, frame)
            case "TOOL_CALL_START":
                events = self._open_call(wire.tool_call_id or "", wire.tool_call_name, frame)
            case "TOOL_CALL_END":
                events = self._close_call(wire.tool_call_id or "", frame)
            case "RUN_STARTED":
                self._reason = None
                events = [Started(wire.run_id or None, frame=frame)]
            case "RUN_FINISHED":
                events = self._finish(wire, frame)
            case "RUN_ERROR":
                return [*usage_of(wire, frame), _error(wire).event(frame)]
            case "SUBAGENT_ERROR":
                error = _error(wire)
                events = [Error("vendor", error.message, error.code, fatal=False, frame=frame)]
            case _:
                events = self._receive_other(wire, delta, frame)
        if self._chunked is not None and wire.type not in _BESIDE:
            return [*self._end_chunks(frame), *events]
        return events

    def _receive_other(self, wire: EventWire, delta: str, frame: Frame) -> list[Event]:
        kind = wire.type or ""
        if kind in DATA_EVENTS:
            return [Data(kind, json_or_text(frame.data or b""), frame=frame)]
        if kind == "REASONING_ENCRYPTED_VALUE":
            return self._receive_encrypted(wire, frame)
        if kind in ("REASONING_START", "REASONING_MESSAGE_START", "THINKING_TEXT_MESSAGE_START"):
            self._thoughts.get(wire.message_id)
            return []
        if kind == "THINKING_TEXT_MESSAGE_CONTENT":  # before 1.0, unverified
            return self._receive_thought(wire, delta, frame)
        return [] if kind in _SILENT else [Unknown(frame=frame)]

    # --- messages and thoughts ---

    def _receive_message(self, wire: EventWire, delta: str, frame: Frame) -> list[Event]:
        id = wire.message_id or self._last_text
        if wire.type == "TEXT_MESSAGE_END":
            self._roles.pop(id, None)
            return []
        if wire.role not in (None, "", "assistant"):
            # A replayed conversation has the user's messages too: they are no answer.
            if len(self._roles) == MAX_INDEX:
                self._roles.clear()
            self._roles[id] = str(wire.role)
        return self._receive_text(wire, delta, frame)

    def _receive_text(self, wire: EventWire, delta: str, frame: Frame) -> list[Event]:
        self._last_text = wire.message_id or self._last_text
        role = self._roles.get(self._last_text)
        if role is not None:
            return [Data(role, delta, frame=frame)] if delta else []
        part = self._texts.get(wire.message_id)
        return [Token(delta, 0, part, frame=frame)] if delta else []

    def _receive_thought(self, wire: EventWire, delta: str, frame: Frame) -> list[Event]:
        part = self._thoughts.get(wire.message_id)
        return [Reasoning(delta, 0, part, frame=frame)] if delta else []

    def _receive_encrypted(self, wire: EventWire, frame: Frame) -> list[Event]:
        """What the client keeps and sends back with a message or a call; a thought's signature.

        Servers attach such a value to any message, as to a tool's result. Only that of a thought
        is one of the answer's.
        """
        part = self._thoughts.find(wire.entity_id)
        if part is None or wire.subtype == "tool-call" or not wire.encrypted_value:
            return [Data("REASONING_ENCRYPTED_VALUE", json_or_text(frame.data or b""), frame=frame)]
        return [Reasoning("", 0, part, wire.encrypted_value, frame=frame)]

    # --- tool calls ---

    def _open_call(self, id: str, name: str | None, frame: Frame) -> list[Event]:
        if self._calls.full:
            self._calls.close_all()
            self._arguments = CallArguments()
        return [ToolCall(self._calls.open(id), id=id or None, name=name or None, frame=frame)]

    def _fill_call(self, id: str, delta: str, frame: Frame) -> list[Event]:
        key = self._calls.get(id)
        if key is None:
            return [Unknown(frame=frame)]
        self._arguments.add(key, delta)
        return [ToolCall(key, arguments=delta, frame=frame)] if delta else []

    def _close_call(self, id: str, frame: Frame) -> list[Event]:
        key = self._calls.close(id)
        whole = key is not None and self._arguments.close(key)
        return [ToolCall(key, complete=True, frame=frame)] if key is not None and whole else []

    def _receive_chunk(self, wire: EventWire, delta: str, frame: Frame) -> list[Event]:
        id = wire.tool_call_id or self._chunked
        events: list[Event] = []
        if id != self._chunked or id is None:
            events += self._end_chunks(frame)
            self._chunked = id = id or ""
            events += self._open_call(id, wire.tool_call_name, frame)
        return [*events, *self._fill_call(id, delta, frame)]

    def _end_chunks(self, frame: Frame) -> list[Event]:
        if self._chunked is None:
            return []
        id, self._chunked = self._chunked, None
        return self._close_call(id, frame)

    # --- the end of a run ---

    def _finish(self, wire: EventWire, frame: Frame) -> list[Event]:
        events: list[Event] = []
        if wire.result is not None:
            events.append(Data("result", wire.result, frame=frame))
        outcome = wire.outcome if is_mapping(wire.outcome) else {"type": wire.outcome}  # or a word
        interrupts = outcome.get("interrupts")
        if is_list(interrupts):
            events += [Data("interrupt", one, frame=frame) for one in interrupts]
        events += odd_texts(outcome, frame, "type")
        raw = plain_text(outcome.get("type")) or None
        self._reason = "stop" if raw is None else reason_for(raw, OUTCOMES)
        if self._reason == "stop" and outcome.get("pendingToolCallIds"):
            self._reason = "tool_calls"
        return [*events, *usage_of(wire, frame), Finished(0, self._reason, raw, frame=frame)]


def _arguments_in(delta: Any) -> str:
    """A piece of JSON text; some send the object."""
    return "" if delta in EMPTY else arguments_of(delta)


def _error(wire: EventWire) -> VendorError:
    return VendorError(wire.message or "the agent failed without a message", wire.code or None)


AG_UI = Dialect(
    name="ag-ui",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=lambda: AGUIEncoder(OUTCOMES, DATA_EVENTS),
    terminator="RUN_FINISHED",
    effects=(("runId",),),
    marks=(
        ("type=RUN_STARTED",),
        ("type=RUN_ERROR",),
        ("type=RUN_FINISHED",),
        ("type=TEXT_MESSAGE_*",),
        ("type=TOOL_CALL_*",),
        ("type=REASONING_*",),
        ("type=THINKING_*",),
        *((f"type={kind}",) for kind in sorted(DATA_EVENTS) if not kind.startswith("TOOL_")),
    ),
    notes=Notes(
        vendor="AG-UI",
        sources=(
            "https://docs.ag-ui.com/spec/1.0",
            "https://github.com/ag-ui-protocol/ag-ui",
        ),
        request="POST of a RunAgentInput, Accept: text/event-stream",
        text="delta of TEXT_MESSAGE_CONTENT and TEXT_MESSAGE_CHUNK",
        errors="RUN_ERROR; SUBAGENT_ERROR, which ends no run, is an Error that is not fatal",
        quirks=(
            "a body may hold several runs, as a replayed past: Done comes at its end, not at"
            " RUN_FINISHED",
            "chunks open a message or call by themselves, and only the first has an id; a call is"
            " complete when something else comes",
            "messages of other roles than assistant are Data of that role",
            "MESSAGES_SNAPSHOT holds the conversation, most of it from before this run: it is Data,"
            " and never takes text back",
            "token counts of several models are added up",
            "REASONING_ENCRYPTED_VALUE is the signature of a thought that came before it; that of a"
            " call, a tool's result or another message is Data",
            "pendingToolCallIds in the outcome make the reason tool_calls",
        ),
        doubtful=(
            "THINKING_* events of versions before 1.0 are read as their REASONING_* successors",
            "a run that follows a RUN_ERROR in the same body is not read",
            "the binary form, application/vnd.ag-ui.event+proto, is not read",
        ),
    ),
)
