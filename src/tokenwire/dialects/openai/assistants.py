"""``openai-assistants``: runs of OpenAI's Assistants API, version 2, also at Azure.

Source: https://platform.openai.com/docs/api-reference/assistants-streaming, the openai SDK 3.52,
and recordings.

What an event is stands in ``event:`` alone. An answer is complete when its run ends, or waits for
the outputs of tools: the stream is over then, and goes on with the request that submits them.
``event: done`` after that proves nothing.

``part`` numbers the contents of all messages of the run, in the order in which they begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.kit.call_arguments import CallArguments
from tokenwire.dialects.kit.errors import read_error
from tokenwire.dialects.kit.numbered_calls import NumberedCalls
from tokenwire.dialects.kit.one_choice import OneChoice, read_frame
from tokenwire.dialects.kit.payloads import (
    MAX_INDEX,
    is_done_sentinel,
    is_mapping,
    list_of,
    malformed,
    odd_texts,
    plain_text,
)
from tokenwire.dialects.kit.said import Said
from tokenwire.dialects.openai.assistants_encode import AssistantsEncoder
from tokenwire.dialects.openai.assistants_wire import (
    DETAILS,
    STATUSES,
    CallWire,
    ContentWire,
    EventWire,
    FunctionWire,
    InterpreterWire,
    StepDetailsWire,
    UsageWire,
)
from tokenwire.events import (
    Data,
    Event,
    Finished,
    Refusal,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer

_RUN: Final = "thread.run."
_STEP: Final = "thread.run.step."
_SERVED: Final = frozenset({"code_interpreter", "file_search"})  # by OpenAI itself
_IMAGES: Final = ("image_file", "image_url")

_decode_json = JSONDecoder(EventWire).decode


class _Content:
    """What was said of one content of a message."""

    __slots__ = ("others", "part", "refusal", "text")

    def __init__(self) -> None:
        self.part: int | None = None  # which a refusal has not
        self.text = Said()
        self.refusal = Said()
        self.others = False  # annotations and images


class Decoder:
    """Events of the wire to events."""

    def __init__(self) -> None:
        self._answer = OneChoice(STATUSES)
        self._contents: dict[tuple[str, int], _Content] = {}  # by message and index
        self._parts = 0
        self._calls = NumberedCalls()
        self._arguments = CallArguments()  # of functions; others' are no JSON
        self._steps: dict[str, list[str]] = {}  # the names of open calls by step
        self._ids: dict[str, str] = {}  # of all calls: their keys

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        if is_done_sentinel(frame.data or b""):
            return self._answer.done_at_sentinel(frame, "the end of the run")
        return read_frame(frame, EventWire, _decode_json, self._receive)

    def receive_eof(self) -> Sequence[Event]:
        """Only the end of the run completes an answer."""
        return ()

    def _receive(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        kind = frame.event or _kind_of(wire)
        status = wire.status or kind.removeprefix(_RUN)
        match kind:
            case "thread.message.delta" if wire.delta is not None:
                return self._receive_content(wire.delta.content, wire.id or "", frame)
            case "thread.message.completed" | "thread.message.incomplete":
                return self._receive_content(wire.content, wire.id or "", frame, whole=True)
            case "thread.run.step.delta" if wire.delta is not None:
                return self._receive_calls(wire.delta.step_details, wire.id or "", frame)
            case _ if kind.startswith(_STEP):
                return self._receive_step(wire.id or "", status, frame)
            case _ if kind.startswith(_RUN):
                return self._receive_run(wire, status, frame)
            case _ if wire.error:
                return (read_error(wire.error).event(frame),)
            case _ if kind.startswith("thread."):
                return ()
            case _:
                return (Unknown(frame=frame),)

    # --- messages ---

    def _receive_content(
        self,
        contents: list[ContentWire] | None,
        message: str,
        frame: Frame,
        *,
        whole: bool = False,
    ) -> list[Event]:
        """Pieces of a message; or all of it, of which only what the pieces lack is news."""
        events: list[Event] = []
        for place, wire in enumerate(contents or ()):
            index = place if wire.index is None else wire.index
            content = self._contents.get((message, index))
            if content is None:
                if len(self._contents) == MAX_INDEX:
                    events.append(malformed(frame, f"there are more than {MAX_INDEX} contents"))
                    continue
                content = self._contents[message, index] = _Content()
            text = wire.text.value if wire.text is not None else None
            if news := _news(content.refusal, wire.refusal, whole=whole):
                events.append(Refusal(news, frame=frame))
            values = [(name, getattr(wire, name)) for name in _IMAGES]
            others: list[tuple[str, Any]] = [one for one in values if one[1] is not None]
            if wire.text is not None:
                others += [("annotation", note) for note in wire.text.annotations or ()]
            if whole and content.others:
                others = []
            news = _news(content.text, text, whole=whole)
            if not news and not others:
                continue
            if content.part is None:
                content.part = self._parts
                self._parts += 1
            content.others = content.others or bool(others)
            events += [Token(news, 0, content.part, frame=frame)] if news else []
            events += [Data(*one, 0, content.part, frame=frame) for one in others]
        return events

    # --- tool calls ---

    def _receive_calls(
        self, details: StepDetailsWire | None, step: str, frame: Frame
    ) -> list[Event]:
        events: list[Event] = []
        for place, call in enumerate((details.tool_calls if details else None) or ()):
            index = place if call.index is None else call.index
            name = f"{step}:{index}"
            key = self._calls.get(name)
            if key is None:
                if self._calls.full or len(self._ids) > MAX_INDEX:
                    events.append(malformed(frame, f"there are more than {MAX_INDEX} tool calls"))
                    continue
                key = self._calls.open(name)
                self._steps.setdefault(step, []).append(name)
            if call.id and len(self._ids) <= MAX_INDEX:
                self._ids[call.id] = key
            if call.function is not None:
                self._arguments.add(key, call.function.arguments or "")
            events += _receive_call(call, key, frame)
        return events

    def _complete(self, keys: list[str], frame: Frame) -> list[Event]:
        """The calls that are closed now, as far as their arguments are whole."""
        return [
            ToolCall(key, complete=True, frame=frame) for key in keys if self._arguments.close(key)
        ]

    def _receive_step(self, step: str, status: str, frame: Frame) -> list[Event]:
        """A step that is over closes its calls; only a completed one completes them."""
        status = status.removeprefix("step.")
        if status not in ("completed", "failed", "cancelled", "expired"):
            return []
        keys = [self._calls.close(name) for name in self._steps.pop(step, ())]
        closed = self._complete([key for key in keys if key is not None], frame)
        return closed if status == "completed" else []

    # --- the run ---

    def _receive_run(self, wire: EventWire, status: str, frame: Frame) -> list[Event]:
        events = self._answer.start(frame, wire.id, wire.model)
        if status not in STATUSES:
            return [*events, *_usage(wire.usage, frame, final=False)]
        if status in ("completed", "requires_action"):
            events += self._receive_required(wire.required_action, frame)
            events += self._complete(self._calls.close_all(), frame)
        elif status == "failed" and wire.last_error:
            return [*events, read_error(wire.last_error).event(frame)]
        finished = self._answer.finish(status, frame)
        if status in ("completed", "incomplete") and wire.incomplete_details:
            # Also a completed one ran into a limit then, or whatever it says.
            details = wire.incomplete_details
            if is_mapping(details):
                word = details.get("reason")
                events += odd_texts(details, frame, "reason")
            else:
                word = None
                events.append(Data("extra", {"incomplete_details": details}, frame=frame))
            reason = DETAILS.get(plain_text(word), "length")
            self._answer.reason = reason
            finished = [Finished(0, reason, status, frame=frame)] if finished else []
        events += finished
        events += _usage(wire.usage, frame, final=True)
        return [*events, *self._answer.done(frame)]

    def _receive_required(self, action: Any, frame: Frame) -> list[Event]:
        """The calls to run, whole: news only as far as no step brought them."""
        asked = action.get("submit_tool_outputs") if is_mapping(action) else None
        calls = asked.get("tool_calls") if is_mapping(asked) else None
        events: list[Event] = []
        for call in list_of(calls)[:MAX_INDEX]:
            function = call.get("function") if is_mapping(call) else None
            if not is_mapping(function):
                continue
            events += odd_texts(call, frame, "id")
            id = plain_text(call.get("id"))
            name, whole = plain_text(function.get("name")), plain_text(function.get("arguments"))
            key = self._ids.get(id)
            if key is None:
                key = self._calls.open(f"required:{len(events)}")
                self._arguments.add(key, whole)
                said = CallWire(0, id, None, FunctionWire(name, whole))
                events += _receive_call(said, key, frame)
            elif key in self._calls.keys and (rest := self._arguments.complete(key, whole)):
                events.append(ToolCall(key, arguments=rest, frame=frame))
        return events


def _kind_of(wire: EventWire) -> str:
    """What an event is whose name a gateway left out."""
    kind = wire.object or ""
    return kind if kind.endswith(".delta") else f"{kind}.{wire.status}"


def _news(said: Said, text: str | None, *, whole: bool) -> str:
    """What a piece adds, or a whole text that begins with the pieces."""
    news = (said.rest_of(text or "") or "") if whole else (text or "")
    said.add(news)
    return news


def _receive_call(call: CallWire, key: str, frame: Frame) -> list[Event]:
    function = call.function or FunctionWire()
    served = call.type in _SERVED
    name = call.type if served and call.id else function.name
    interpreter = call.code_interpreter or InterpreterWire()
    arguments = function.arguments or interpreter.input or ""
    events: list[Event] = []
    if call.id or name or arguments:
        id = call.id or None
        begun = served and bool(id)
        events.append(
            ToolCall(key, 0, id, name or None, arguments, provider_executed=begun, frame=frame)
        )
    results = {
        "function_output": function.output,
        "code_interpreter": interpreter.outputs,
        "file_search": call.file_search,
    }
    events += [Data(kind, value, frame=frame) for kind, value in results.items() if value]
    return events


def _usage(wire: UsageWire | None, frame: Frame, *, final: bool) -> list[Event]:
    if wire is None:
        return []
    came, went = wire.prompt_token_details, wire.completion_tokens_details
    usage = Usage(
        wire.prompt_tokens,
        wire.completion_tokens,
        wire.total_tokens,
        went.reasoning_tokens if went is not None else None,
        came.cached_tokens if came is not None else None,
        final=final,
        frame=frame,
    )
    return [] if usage == Usage(final=final) else [usage]


OPENAI_ASSISTANTS = Dialect(
    name="openai-assistants",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=AssistantsEncoder,
    terminator="the end of the run, as in thread.run.completed",
    effects=(("@path=*/runs",), ("@path=*/runs/*",)),
    marks=(("@event=thread.*",), ("object=thread.*",)),
    notes=Notes(
        vendor="OpenAI Assistants, version 2 (deprecated); also Azure OpenAI",
        sources=(
            "https://platform.openai.com/docs/api-reference/assistants-streaming",
            "the openai SDK 3.52",
        ),
        request='POST /v1/threads/{id}/runs with "stream": true, and the request that submits the'
        " outputs of tools",
        text="thread.message.delta: delta.content[].text.value",
        errors="event: error, or thread.run.failed with last_error",
        resume="none: ask for the run until it is over, then for its messages",
        quirks=(
            "what an event is stands in event: alone. Where a gateway drops that, it is read"
            " from object and status.",
            "thread.message.completed repeats the message; it is not said again.",
            "thread.run.requires_action ends the stream: told as tool_calls. What follows comes"
            " with the request that submits the outputs.",
            "thread.run.completed has the status incomplete where a token limit was met, or the"
            " status completed with incomplete_details: told as length, unless these say"
            " content_filter.",
            "The counts of a single step are not told: those of the run replace them.",
            "What the code interpreter runs stands in a call's arguments, as code.",
        ),
        doubtful=("Whether data of an event: error is flat or under error; both are read.",),
    ),
)
