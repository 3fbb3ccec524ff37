"""``lmstudio``: LM Studio's own chat API, ``POST /api/v1/chat``.

Source: https://lmstudio.ai/docs/developer/rest/streaming-events.

An answer is complete at ``chat.end``, which repeats it whole. It comes after an ``error`` too: that
is reported at the end then, as the stream's last event. LM Studio runs the tools itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.kit.encoding import cannot_say, heartbeat, json_frame, word_for
from tokenwire.dialects.kit.errors import VendorError, read_error
from tokenwire.dialects.kit.one_choice import OneChoice, read_frame
from tokenwire.dialects.kit.payloads import (
    UNREADABLE,
    is_mapping,
    json_or_text,
    json_text,
    list_of,
    plain_text,
)
from tokenwire.dialects.kit.pieces import Pieces, Room
from tokenwire.errors import LocalProtocolError
from tokenwire.events import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Reason,
    Reasoning,
    Started,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer


class StatsWire(Struct, gc=False):
    input_tokens: int | None = None
    total_output_tokens: int | None = None
    reasoning_output_tokens: int | None = None
    stop_reason: str | None = None  # unverified: as the older /api/v0 has it


class ResultWire(Struct):
    model_instance_id: str | None = None
    stats: StatsWire | None = None
    response_id: str | None = None
    output: Any = None  # all of the answer once more


class EventWire(Struct):
    type: str | None = None
    content: str | None = None
    model_instance_id: str | None = None
    tool: str | None = None
    arguments: Any = None  # an object, whole
    result: ResultWire | None = None
    error: Any = None


STOP_REASONS: Final[Mapping[str, Reason]] = {
    "eosFound": "stop",
    "stopStringFound": "stop",
    "maxPredictedTokensReached": "length",
    "contextLengthReached": "length",
    "toolCalls": "tool_calls",
    "userStopped": "cancelled",
    "modelUnloaded": "error",
    "failed": "error",
}
"""Anything else is ``other``."""

RETRYABLE: Final = frozenset({"internal_error", "mcp_connection_error", "plugin_connection_error"})

_PROGRESS: Final = frozenset(
    {
        *("model_load.start", "model_load.progress", "model_load.end"),
        *("prompt_processing.start", "prompt_processing.progress", "prompt_processing.end"),
    }
)
_BOUNDS: Final = frozenset({"reasoning.start", "reasoning.end", "message.start", "message.end"})
_RESULTS: Final = frozenset({"tool_call.success", "tool_call.failure"})

_decode_json = JSONDecoder(EventWire).decode


class Decoder:
    """Events of the wire to events."""

    def __init__(self) -> None:
        self._calls = 0
        self._call: str | None = None  # the key of the call that has no arguments yet
        self._error: Error | None = None  # waits for chat.end
        self._said = Pieces(Room())

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        if frame.event == "error":
            return self._receive_error(frame)
        return read_frame(frame, EventWire, _decode_json, self._receive)

    def receive_eof(self) -> Sequence[Event]:
        """Only ``chat.end`` completes an answer; an error says why it did not come."""
        return () if self._error is None else (self._error,)

    def _receive(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        kind = wire.type or frame.event
        match kind:
            case "message.delta":
                if not wire.content:
                    return ()
                self._said.add(wire.content)
                return (Token(wire.content, frame=frame),)
            case "reasoning.delta":
                return (Reasoning(wire.content, frame=frame),) if wire.content else ()
            case "chat.start":
                return (Started(None, wire.model_instance_id, frame=frame),)
            case "tool_call.start":
                return (self._begin_call(wire, frame),)
            case "tool_call.arguments":
                return self._receive_arguments(wire, frame)
            case "chat.end":
                return self._receive_end(wire.result or ResultWire(), frame)
            case "error":
                return self._receive_error(frame)
            case _ if kind in _PROGRESS:
                return (Heartbeat(kind, frame=frame),)
            case _ if kind in _BOUNDS:
                return ()
            case _ if kind in _RESULTS:
                return self._receive_tool_result(kind, wire, frame)
            case _:
                return (Unknown(frame=frame),)

    def _begin_call(self, wire: EventWire, frame: Frame) -> ToolCall:
        self._call = str(self._calls)
        self._calls += 1
        return ToolCall(self._call, name=wire.tool, provider_executed=True, frame=frame)

    def _receive_arguments(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        begun = [] if self._call is not None else [self._begin_call(wire, frame)]
        text = json_text(wire.arguments if wire.arguments is not None else {})
        key = self._call or ""
        self._call = None
        whole = ToolCall(key, arguments=text, complete=True, provider_executed=True, frame=frame)
        return (*begun, whole)

    def _receive_tool_result(self, kind: str, wire: EventWire, frame: Frame) -> Sequence[Event]:
        events: list[Event] = []
        if kind == "tool_call.success" and self._call is not None:
            events += self._receive_arguments(wire, frame)  # they are repeated here
        self._call = None
        return [*events, Data(kind, json_or_text(frame.data or b""), frame=frame)]

    def _receive_error(self, frame: Frame) -> Sequence[Event]:
        document = json_or_text(frame.data or b"")
        said = document.get("error") if is_mapping(document) else None
        found = read_error(said or document)
        word = said.get("type") if is_mapping(said) else None
        # The type tells whether it may pass; a more detailed code stands beside it.
        retryable = True if isinstance(word, str) and word in RETRYABLE else None
        self._error = VendorError(found.message, found.code, found.status, retryable).event(frame)
        return ()

    def _receive_end(self, result: ResultWire, frame: Frame) -> Sequence[Event]:
        events: list[Event] = []
        if result.response_id:
            events.append(Started(result.response_id, result.model_instance_id, frame=frame))
        rest = self._said.rest_of("".join(_texts_in(result.output)))
        if rest:
            events.append(Token(rest, frame=frame))
        stats = result.stats or StatsWire()
        read, written = stats.input_tokens, stats.total_output_tokens
        usage = Usage(read, written, None, stats.reasoning_output_tokens, final=True, frame=frame)
        if usage != Usage(final=True):
            events.append(usage)
        if self._error is not None:
            return [*events, self._error]
        choice = OneChoice(STOP_REASONS)
        return [*events, *choice.finish(stats.stop_reason or None, frame), *choice.done(frame)]


def _texts_in(output: Any) -> Iterator[str]:
    for item in list_of(output):
        if is_mapping(item) and item.get("type") == "message":
            yield plain_text(item.get("content"))


class Encoder:
    """Writes the events of one answer; what only ``chat.end`` can say waits for it."""

    def __init__(self) -> None:
        self._tools: dict[str, str | None] = {}  # names of the calls that have no arguments yet
        self._result: dict[str, Any] = {}
        self._stats: dict[str, Any] = {}
        self._finished = False

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The frames of one event.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        match event:
            case Token(text=text, index=0):
                return _frame("message.delta", content=text)
            case Reasoning(text=text, index=0, signature=None):
                return _frame("reasoning.delta", content=text)
            case Started(id=None, model=model):
                return _frame("chat.start", model_instance_id=model)
            case Started(id=id, model=model):
                self._result |= {"response_id": id, "model_instance_id": model}
                return ()
            case ToolCall(index=0, id=None, provider_executed=True):
                return self._tool_call(event)
            case Data(kind=kind, value=value, index=0) if kind in _RESULTS and is_mapping(value):
                return json_frame(value, kind)
            case Usage():
                self._stats |= {
                    "input_tokens": event.input_tokens,
                    "total_output_tokens": event.output_tokens,
                    "reasoning_output_tokens": event.reasoning_tokens,
                }
                return ()
            case Finished(index=0, reason=reason, raw_reason=raw):
                if raw is not None or reason != "other":
                    self._stats["stop_reason"] = word_for(event, STOP_REASONS)
                self._finished = True
                return ()
            case Heartbeat():
                return heartbeat(event)
            case Error(fatal=True, message=message, code=code):
                return (*_frame("error", error={"type": code, "message": message}), *self._end())
            case Done():
                if not self._finished:
                    raise LocalProtocolError("lmstudio: Done comes after a Finished")
                return self._end()
            case _:
                raise cannot_say("lmstudio", event)

    def _tool_call(self, call: ToolCall) -> Sequence[Frame]:
        frames: tuple[Frame, ...] = ()
        if call.key not in self._tools:
            self._tools[call.key] = call.name
            frames = _frame("tool_call.start", tool=call.name)
        if not (call.arguments or call.complete):
            return frames
        try:
            arguments = JSONDecoder().decode(call.arguments)
        except UNREADABLE:
            raise cannot_say("lmstudio", call) from None  # they are sent whole
        said = _frame("tool_call.arguments", tool=self._tools[call.key], arguments=arguments)
        return (*frames, *said)

    def _end(self) -> tuple[Frame]:
        return _frame("chat.end", result={**self._result, "output": [], "stats": self._stats})


def _frame(kind: str, **said: Any) -> tuple[Frame]:
    return json_frame({"type": kind, **said}, kind)


LMSTUDIO = Dialect(
    name="lmstudio",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=Encoder,
    terminator="chat.end",
    effects=(("integrations",),),
    marks=tuple(
        (f"type={kind}",)
        for kind in (
            *("chat.start", "chat.end", "model_load.*", "prompt_processing.*"),
            *("reasoning.start", "reasoning.delta", "message.start", "message.delta"),
            *("tool_call.start", "tool_call.arguments"),
        )
    ),
    notes=Notes(
        vendor="LM Studio",
        sources=(
            "https://lmstudio.ai/docs/developer/rest/streaming-events",
            "https://lmstudio.ai/docs/developer/rest/chat",
        ),
        request='POST /api/v1/chat with "stream": true',
        text="content of message.delta",
        errors="event: error; chat.end follows it and is reported as that error",
        heartbeats="model_load.* and prompt_processing.*, while the answer has not begun",
        quirks=(
            "chat.end repeats the whole answer; of its text, what no piece brought is said",
            "arguments of a tool call are an object, sent whole, and no call has an id",
            "LM Studio runs the tools; their results are Data of kind tool_call.success or"
            " tool_call.failure",
            "the id of the response is known at the end only: Started comes a second time then",
            "why an answer ended is not said: the reason is other",
        ),
        doubtful=("stats.stop_reason, which the older /api/v0 has, is read if it comes",),
    ),
)
