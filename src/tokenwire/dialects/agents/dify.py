"""``dify``: Dify's chat, agent, completion, chatflow and workflow applications.

Source: https://docs.dify.ai/api-reference, and the source of Dify (``task_entities.py`` and the
task pipelines).

An answer is complete at ``message_end``, a workflow's at ``workflow_finished``, either of them at
``workflow_paused``. A chatflow sends both, in either order, and may replace the whole text between
them: what belongs to a message is complete at ``message_end`` alone, and why it ended the workflow
knows. Speech may follow either, so `Done` comes at the end of the body.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.json import Decoder as JSONDecoder
from msgspec.structs import replace

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.agents.dify_encode import METADATA, DifyEncoder
from tokenwire.dialects.kit.errors import VendorError, find_error, read_error
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.lenient import convert
from tokenwire.dialects.kit.one_choice import OneChoice, read_frame
from tokenwire.dialects.kit.payloads import is_mapping, json_or_text, json_text, plain_text
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


class EventWire(Struct):
    event: str | None = None
    id: str | None = None
    message_id: str | None = None
    conversation_id: str | None = None
    workflow_run_id: str | None = None
    task_id: str | None = None
    answer: str | None = None
    data: Any = None
    metadata: Any = None
    files: Any = None
    tool: str | None = None
    tool_input: Any = None
    observation: Any = None


class UsageWire(Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


REASONS: Final[Mapping[str, Reason]] = {
    "message_end": "stop",
    "succeeded": "stop",
    "partial-succeeded": "stop",
    "stopped": "cancelled",
    "failed": "error",
    "paused": "pause",
    "workflow_paused": "pause",
}
"""Statuses of a workflow, and the events that end an answer without one; else ``other``."""

DATA: Final = frozenset(
    {"agent_log", "message_file", "tts_message", "tts_message_end", "workflow_started"}
)
"""What is handed on whole, by its event; all that begins with one of `DATA_PREFIXES` too."""

DATA_PREFIXES: Final = ("node_", "iteration_", "loop_", "parallel_branch_", "human_input_")

# What can only come while the answer runs, or goes on after a pause.
_RUNS: Final = frozenset(
    {
        "agent_message",
        "message",
        "node_started",
        "reasoning_chunk",
        "text_chunk",
        "workflow_started",
    }
)

# What only a workflow sends.
_WORKS: Final = frozenset({"node_started", "workflow_started"})

_decode_json = JSONDecoder(EventWire).decode


class Decoder:
    """Events of the wire to events."""

    def __init__(self) -> None:
        self._choice = OneChoice(REASONS)
        self._over = False
        self._is_message = False  # and not a workflow's run alone
        self._works = False  # a workflow began and has not said how it ended
        self._ended: Frame | None = None  # a message_end that waits for that
        self._failure: VendorError | None = None
        self._thought: str | None = None  # the id of the one whose tool was told
        self._calls = 0

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        return read_frame(frame, EventWire, _decode_json, self._receive)

    def receive_eof(self) -> Sequence[Event]:
        """Nothing more can come: the answer is as complete as its last event said."""
        if self._failure is not None:
            return (self._failure.event(),)
        if not self._over:
            return ()
        ended, self._ended = self._ended, None
        finished = self._choice.finish("message_end", ended) if ended is not None else []
        return [*finished, *self._choice.done()]

    def _receive(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        kind = wire.event or frame.event
        if wire.message_id or wire.conversation_id:
            self._is_message = True
        if kind in _RUNS:
            self._over, self._failure, self._ended = False, None, None
            self._works = self._works or kind in _WORKS
        id = wire.message_id or wire.workflow_run_id or wire.task_id
        started = self._choice.start(frame, id) if kind not in ("error", "ping") else []
        return [*started, *self._events(kind, wire, frame)]

    def _events(self, kind: str, wire: EventWire, frame: Frame) -> Sequence[Event]:
        match kind:
            case "message" | "agent_message" if wire.answer is not None:
                return (Token(wire.answer, frame=frame),) if wire.answer else ()
            case "text_chunk":
                if not (text := _text_in(wire.data, "text")):
                    return _odd(kind, wire.data, frame)
                return (Token(text, frame=frame),)
            case "reasoning_chunk":
                # Unverified: the field's name; ``text`` is what the other chunk has.
                if not (text := _text_in(wire.data, "reasoning", "text")):
                    return _odd(kind, wire.data, frame)
                return (Reasoning(text, frame=frame),)
            case "message_replace":
                return (Reset(text=wire.answer or "", frame=frame),)
            case "text_replace":
                return (Reset(text=_text_in(wire.data, "text"), frame=frame),)
            case "agent_thought":
                return self._receive_thought(wire, frame)
            case "message_end":
                return self._receive_message_end(wire, frame)
            case "workflow_finished":
                return self._receive_workflow_end(wire, frame)
            case "workflow_paused":
                self._over = True
                return [_data(kind, frame), *self._choice.finish(kind, frame)]
            case "error":
                return (read_error(json_or_text(frame.data or b"")).event(frame),)
            case "ping":
                return (Heartbeat(kind, frame=frame),)
            case _ if kind in DATA or kind.startswith(DATA_PREFIXES):
                return (_data(kind, frame),)
            case _:
                error = None if kind else find_error(json_or_text(frame.data or b""))
                return (error.event(frame) if error else Unknown(frame=frame),)

    def _receive_thought(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        """A step of an agent, told again as it grows: the call once, what came of it as data.

        The text in it was sent before, as ``agent_message``.
        """
        events: list[Event] = []
        if wire.tool and (wire.id is None or wire.id != self._thought):
            self._thought = wire.id
            key = str(self._calls)
            self._calls += 1
            given = wire.tool_input
            arguments = given if isinstance(given, str) else json_text(given or {})
            events.append(ToolCall(key, 0, wire.id, wire.tool, arguments, True, True, frame=frame))
        if wire.observation or not events:
            events.append(_data("agent_thought", frame))
        return events

    def _receive_message_end(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        self._over = True
        metadata: Mapping[str, Any] = wire.metadata if is_mapping(wire.metadata) else {}
        if wire.metadata and not metadata:
            return [Data("extra", {"metadata": wire.metadata}, frame=frame), *self._end(frame)]
        events = _usage(metadata.get("usage"), frame)
        found = {**{name: metadata.get(name) for name in METADATA}, "files": wire.files}
        events += [Data(name, value, frame=frame) for name, value in found.items() if value]
        return [*events, *self._end(frame)]

    def _end(self, frame: Frame) -> list[Event]:
        if self._works:
            self._ended = frame
        elif self._choice.reason in (None, "pause"):  # else the workflow said why
            return self._choice.finish("message_end", frame)
        return []

    def _receive_workflow_end(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        data: Mapping[str, Any] = wire.data if is_mapping(wire.data) else {}
        status = _text_in(data, "status")
        if REASONS.get(status) == "error":
            # In a chatflow an error event follows, which knows more.
            self._failure = VendorError(
                _text_in(data, "error") or "the workflow failed without a message", status
            )
        self._over = not self._is_message or self._ended is not None
        self._works, self._ended = False, None
        return [
            _data("workflow_finished", frame),
            *_usage({"total_tokens": data.get("total_tokens")}, frame),
            *self._choice.finish(status or None, frame),
        ]


def _data(kind: str, frame: Frame) -> Data:
    return Data(kind, json_or_text(frame.data or b""), frame=frame)


def _odd(kind: str, data: Any, frame: Frame) -> Sequence[Event]:
    """A chunk without a text: told where it holds something else."""
    said = [one for one in (data.values() if is_mapping(data) else [data]) if one or one is False]
    return (_data(kind, frame),) if said else ()


def _text_in(value: Any, *names: str) -> str:
    found = (plain_text(value.get(name)) for name in names) if is_mapping(value) else ()
    return next((one for one in found if one), "")


def _usage(counts: Any, frame: Frame) -> list[Event]:
    if not counts:
        return []
    if not is_mapping(counts):
        return [Data("extra", {"usage": counts}, frame=frame)]
    reading = convert(counts, UsageWire)
    wire = reading.value
    usage = Usage(wire.prompt_tokens, wire.completion_tokens, wire.total_tokens, final=True)
    events: list[Event] = []
    if usage != Usage(final=True):
        events.append(replace(usage, frame=frame))
    Extras().tell(reading.unread, frame, events)
    return events


DIFY = Dialect(
    name="dify",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=DifyEncoder,
    terminator="message_end, or workflow_finished of a workflow",
    effects=(("@path=*/workflows/*run",), ("conversation_id",)),
    marks=(
        ("event=message", "answer"),
        ("event=agent_message", "answer"),
        ("event=message_*",),
        ("event=agent_thought", "task_id"),
        ("event=agent_log", "data"),
        ("event=text_chunk", "data.text"),
        ("event=text_replace", "data.text"),
        ("event=reasoning_chunk", "data"),
        ("event=workflow_*", "workflow_run_id"),
        ("event=node_*", "workflow_run_id"),
        ("event=tts_message*", "audio"),
        ("event=error", "code", "message"),
    ),
    notes=Notes(
        vendor="Dify, in its cloud and self-hosted",
        sources=(
            "https://docs.dify.ai/api-reference",
            "the source of Dify: core/app/entities/task_entities.py and the task pipelines",
        ),
        request='POST /chat-messages, /completion-messages or /workflows/run with "response_mode":'
        ' "streaming"',
        text="answer of message and agent_message, data.text of text_chunk",
        errors='{"event": "error", "status", "code", "message"}; a workflow that failed says so in'
        " workflow_finished",
        heartbeats="event: ping without data, about every 10 seconds",
        resume="none that is exact: GET /workflow/{workflow_run_id}/events goes on with what comes"
        " next, or with a snapshot, and has no cursor: text would be missing or come twice",
        quirks=(
            "event: ping has no data.",
            "the type stands in the JSON, under event.",
            "A chatflow sends workflow_finished and message_end, in either order, and"
            " message_replace may come between them: only message_end completes a message, and the"
            " workflow says why it ended. A workflow alone has no message_end.",
            "Speech (tts_message) may follow message_end, so Done comes at the end of the body.",
            "message_replace and text_replace replace all text so far: a Reset with the new text.",
            "agent_thought is told several times with one id: its tool is a call that Dify runs"
            " itself, the rest is data. Its text repeats agent_message.",
            "message_end has no reason of its own: it is a stop unless the workflow said another.",
            "outputs of workflow_finished repeats the text: it is data.",
            "workflow_paused ends the body with the reason pause; a person has to go on.",
        ),
        doubtful=("The field of reasoning_chunk: reasoning or text.",),
    ),
)
