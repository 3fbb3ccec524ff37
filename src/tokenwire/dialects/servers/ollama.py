"""``ollama-chat`` and ``ollama-generate``: Ollama's own API, one JSON object a line.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md, and recordings.

An answer is complete at ``"done": true``. An error in mid-stream is a line ``{"error": "text"}``
with status 200; nothing follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.kit.encoding import cannot_say, json_frame, word_for
from tokenwire.dialects.kit.errors import read_error
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.json_balance import is_whole
from tokenwire.dialects.kit.message import MessageMaker
from tokenwire.dialects.kit.one_choice import OneChoice, read_frame
from tokenwire.dialects.kit.payloads import UNREADABLE, json_text
from tokenwire.dialects.servers.ollama_message import ollama_message
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
from tokenwire.framing.jsonlines import JSONLinesFramer


class FunctionWire(Struct, forbid_unknown_fields=True):
    name: str | None = None
    arguments: str | dict[str, Any] | list[Any] | None = None  # an object, whole
    index: Any = None  # often 0 for all
    description: Any = None


class ToolCallWire(Struct, forbid_unknown_fields=True):
    id: str | None = None
    function: FunctionWire | None = None
    type: Any = None


class MessageWire(Struct, forbid_unknown_fields=True):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[ToolCallWire] | None = None
    images: Any = None
    role: Any = None


class LineWire(Struct, forbid_unknown_fields=True):
    model: str | None = None
    message: MessageWire | None = None  # /api/chat
    response: str | None = None  # /api/generate
    thinking: str | None = None  # /api/generate
    tool_calls: list[ToolCallWire] | None = None  # /api/generate
    done: bool | None = None
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    error: Any = None
    logprobs: Any = None
    image: Any = None  # /api/generate, of models that draw
    images: Any = None
    completed: Any = None  # steps of a picture, of so many in all
    total: Any = None
    created_at: Any = None
    total_duration: Any = None
    load_duration: Any = None
    prompt_eval_duration: Any = None
    eval_duration: Any = None
    context: Any = None
    remote_model: Any = None
    remote_host: Any = None


SILENT: Final[Mapping[type[Struct], Mapping[str, str]]] = {
    FunctionWire: {
        "index": "calls come whole, so that none need be told from another",
        "description": "of the tool, as it was asked for",
    },
    ToolCallWire: {"type": "there is one"},
    MessageWire: {"role": "an answer is always the assistant's"},
    LineWire: {
        "created_at": "when the line was written",
        "context": "the conversation in tokens, to be sent with the next request: in the frame",
        "remote_model": "the model in the cloud that stands behind this name",
        "remote_host": "where it runs",
        **dict.fromkeys(
            ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration"),
            "how long it took",
        ),
    },
}
"""Fields that give no event, and why."""

DONE_REASONS: Final[Mapping[str, Reason]] = {"stop": "stop", "length": "length"}
"""Anything else is ``other``: ``load`` and ``unload`` answer an empty prompt."""

_decode_json = JSONDecoder(LineWire).decode


class Decoder:
    """Lines to events, of both endpoints: they differ in where the text stands."""

    def __init__(self) -> None:
        self._answer = OneChoice(DONE_REASONS)
        self._calls = 0
        self._told: tuple[str | None, str | None, str] | None = None  # of the last call
        self._extras = Extras()

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one line."""
        return read_frame(frame, LineWire, _decode_json, self._receive, self._extras)

    def receive_eof(self) -> Sequence[Event]:
        """Only ``"done": true`` completes an answer."""
        return ()

    def _receive(self, line: LineWire, frame: Frame) -> Sequence[Event]:
        if line.error:
            return (read_error(line.error).event(frame),)
        events = self._answer.start(frame, model=line.model)
        message = line.message or MessageWire(line.response, line.thinking, line.tool_calls)
        if message.thinking:
            events.append(Reasoning(message.thinking, frame=frame))
        if message.content:
            events.append(Token(message.content, frame=frame))
        for call in message.tool_calls or ():
            events += self._tool_call(call, frame)
        if (
            line.logprobs
            or line.image
            or line.total
            or line.completed
            or (message.images or line.images)
        ):
            events += _data(line, message, frame)
        if line.done:
            if line.prompt_eval_count is not None or line.eval_count is not None:
                counts = (line.prompt_eval_count, line.eval_count)
                events.append(Usage(*counts, final=True, frame=frame))
            events += self._answer.finish(line.done_reason, frame)
            events += self._answer.done(frame)
        if not events and line.done is None and line.message is None and line.response is None:
            events.append(Unknown(frame=frame))
        return events

    def _tool_call(self, call: ToolCallWire, frame: Frame) -> Sequence[ToolCall]:
        """Calls come whole; their ``index`` is not needed, and often 0 for all.

        One that comes right after another with its id, name and arguments is that once more.
        """
        function = call.function or FunctionWire()
        arguments = function.arguments
        text = arguments if isinstance(arguments, str) else json_text(arguments or {})
        said = (call.id or None, function.name or None, text)
        if call.id and said == self._told:
            return ()
        self._told = said
        key = str(self._calls)
        self._calls += 1
        return (ToolCall(key, 0, *said, complete=is_whole(text), frame=frame),)


def _data(line: LineWire, message: MessageWire, frame: Frame) -> list[Event]:
    """What is no text: pictures, how far they are, and how likely each token was."""
    steps = {"completed": line.completed, "total": line.total}
    found = {
        "images": message.images or line.images,
        "image": line.image,
        "progress": steps if any(steps.values()) else None,
        "logprobs": line.logprobs,
    }
    return [Data(kind, value, frame=frame) for kind, value in found.items() if value]


class Encoder:
    """Writes lines of one endpoint; usage and the finish reason wait for the last one.

    Args:
        dialect: The dialect's name.
        line: Puts text, thinking or tool calls where the endpoint has them.
    """

    def __init__(self, dialect: str, line: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self._dialect = dialect
        self._line = line
        self._head: dict[str, Any] = {}
        self._last: dict[str, Any] = {}

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The lines of one event.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        match event:
            case Started(model=model):
                self._head = {"model": model, "created_at": "1970-01-01T00:00:00Z"}
                return self._send({"content": ""})
            case Token(text=text, index=0):
                return self._send({"content": text})
            case Reasoning(text=text, index=0, signature=None):
                return self._send({"content": "", "thinking": text})
            case ToolCall(index=0, complete=True, provider_executed=False):
                return self._send({"content": "", "tool_calls": [_call(event)]})
            case Usage(input_tokens=input_tokens, output_tokens=output_tokens):
                counts = {"prompt_eval_count": input_tokens, "eval_count": output_tokens}
                self._last |= {name: n for name, n in counts.items() if n is not None}
                return ()
            case Finished(index=0):
                self._last["done_reason"] = word_for(event, DONE_REASONS)
                return ()
            case Done():
                if "done_reason" not in self._last:
                    raise LocalProtocolError(f"{self._dialect}: Done comes after a Finished")
                return json_frame(
                    {**self._head, **self._line({"content": ""}), "done": True, **self._last}
                )
            case Heartbeat(text=""):
                return (Frame(),)
            case Error(fatal=True, message=message):
                return json_frame({"error": message})
            case _:
                raise cannot_say(self._dialect, event)

    def _send(self, message: dict[str, Any]) -> Sequence[Frame]:
        return json_frame({**self._head, **self._line(message), "done": False})


def _call(call: ToolCall) -> dict[str, Any]:
    try:
        arguments = JSONDecoder().decode(call.arguments or "{}")
    except UNREADABLE as error:
        raise LocalProtocolError(f"the arguments of {call!r} are not JSON: {error}") from None
    said: dict[str, Any] = {"function": {"name": call.name, "arguments": arguments}}
    return {"id": call.id, **said} if call.id else said


def _chat_line(message: dict[str, Any]) -> dict[str, Any]:
    return {"message": {"role": "assistant", **message}}


def _generate_line(message: dict[str, Any]) -> dict[str, Any]:
    said = dict(message)
    return {"response": said.pop("content"), **said}


def _dialect(
    name: str,
    line: Callable[[dict[str, Any]], dict[str, Any]],
    message: MessageMaker | None,
    *,
    field: str,
    text: str,
) -> Dialect:
    return Dialect(
        name=name,
        framer=JSONLinesFramer,
        decoder=Decoder,
        encoder=lambda: Encoder(name, line),
        message=message,
        media_types=("application/x-ndjson", "application/json"),
        terminator='"done": true',
        marks=((field, "done"),),
        notes=Notes(
            vendor="Ollama",
            sources=("https://github.com/ollama/ollama/blob/main/docs/api.md", "recordings"),
            request=f"POST /api/{name.removeprefix('ollama-')}; it streams unless told not to",
            text=text,
            errors='a line {"error": "text"} with status 200, and the end of the body',
            quirks=(
                "nothing follows an error, not even a line with done.",
                "every tool call of an answer may have index 0; calls come whole.",
                "the arguments of a tool call are an object, no text.",
                "lines may hold images and have no limit; Ollama's own client takes 8 MB.",
                "done_reason load or unload answers an empty prompt: other, not stop.",
            ),
            doubtful=("Token counts may be missing where the prompt was in the cache.",),
        ),
    )


OLLAMA_CHAT = _dialect(
    "ollama-chat", _chat_line, ollama_message, field="message", text=".message.content"
)
OLLAMA_GENERATE = _dialect(
    "ollama-generate", _generate_line, None, field="response", text=".response"
)
