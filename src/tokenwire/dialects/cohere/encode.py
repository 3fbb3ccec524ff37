"""Events to both of Cohere's wires: the mirrors of `cohere_v2` and `cohere_v1`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects.cohere.wire import FINISH_REASONS, is_failure, write_usage
from tokenwire.dialects.kit.encoding import cannot_say, heartbeat, json_frame, word_for
from tokenwire.dialects.kit.payloads import UNREADABLE, is_mapping
from tokenwire.errors import LocalProtocolError
from tokenwire.events import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Reasoning,
    Started,
    Token,
    ToolCall,
    Usage,
)
from tokenwire.frame import Frame

_EMPTY: Final[dict[str, Any]] = {
    "role": "assistant",
    "content": [],
    "tool_plan": "",
    "tool_calls": [],
    "citations": [],
}


class CohereV2Encoder:
    """Writes a message: content in blocks, tool calls beside them, then all the rest at its end."""

    def __init__(self) -> None:
        self._block: tuple[str, int] | None = None  # kind and part of the open block
        self._index = -1
        self._calls: dict[str, int] = {}  # the indexes of open calls, by key
        self._begun = 0
        self._usage: dict[str, object] = {}
        self._word: str | None = None

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The frames of one event. The finish and the usage wait for the end.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        match event:
            case Token(text=text, index=0, part=part):
                return self._in_block("text", part, text)
            case Reasoning(text=text, index=0, part=part, signature=None):
                return self._in_block("thinking", part, text)
            case ToolCall(index=0, provider_executed=False):
                return self._tool_call(event)
            case Started(id=id):
                return _frame("message-start", id=id, delta={"message": _EMPTY})
            case Data(kind="tool_plan", value=str(plan), index=0) if plan:
                return _frame("tool-plan-delta", delta={"message": {"tool_plan": plan}})
            case Data(kind="citation", value=value, index=0) if value:
                start = _frame("citation-start", index=0, delta={"message": {"citations": value}})
                return (*start, *_frame("citation-end", index=0))
            case Usage():
                self._usage = {**self._usage, **write_usage(event)}
                return ()
            case Finished(index=0):
                self._word = word_for(event, FINISH_REASONS)
                return self._close()
            case Heartbeat():
                return heartbeat(event)
            case Error(fatal=True, message=message, code=code):
                word = self._word if is_failure(self._word) else "ERROR"
                said = (
                    {"error": message, "error_type": code} if code != word else {"error": message}
                )
                return (*self._close(), *self._end(finish_reason=word, **said))
            case Done() if not is_failure(self._word):
                if self._word is None:
                    raise LocalProtocolError("cohere-v2: Done comes after a Finished")
                return self._end(finish_reason=self._word)
            case _:
                raise cannot_say("cohere-v2", event)

    def _end(self, **delta: Any) -> Sequence[Frame]:
        end = _frame("message-end", delta={**delta, "usage": self._usage})
        return (*end, Frame(b"[DONE]"))

    def _close(self) -> tuple[Frame, ...]:
        if self._block is None:
            return ()
        self._block = None
        return _frame("content-end", index=self._index)

    def _in_block(self, kind: str, part: int, text: str) -> Sequence[Frame]:
        frames: tuple[Frame, ...] = ()
        if self._block != (kind, part):
            frames = self._close()
            self._block = (kind, part)
            self._index = max(self._index + 1, part)
            frames += self._content("content-start", {"type": kind, kind: ""})
        return (*frames, *self._content("content-delta", {kind: text}))

    def _content(self, kind: str, content: dict[str, str]) -> tuple[Frame]:
        return _frame(kind, index=self._index, delta={"message": {"content": content}})

    def _tool_call(self, event: ToolCall) -> Sequence[Frame]:
        frames: tuple[Frame, ...] = ()
        arguments = event.arguments
        if event.key not in self._calls:
            if event.name is None:
                raise cannot_say("cohere-v2", event)
            self._calls[event.key] = self._begun
            self._begun += 1
            call = {
                "id": event.id or event.key,
                "type": "function",
                "function": {"name": event.name, "arguments": arguments},
            }
            frames = (*self._close(), *self._call("tool-call-start", event.key, call))
        elif arguments:
            call = {"function": {"arguments": arguments}}
            frames = self._call("tool-call-delta", event.key, call)
        if event.complete:
            frames += _frame("tool-call-end", index=self._calls.pop(event.key))
        return frames

    def _call(self, kind: str, key: str, call: dict[str, Any]) -> tuple[Frame]:
        return _frame(kind, index=self._calls[key], delta={"message": {"tool_calls": call}})


def _frame(kind: str, **fields: Any) -> tuple[Frame]:
    return json_frame({"type": kind, **fields}, kind)


_DATA: Final = {
    "citation": ("citation-generation", "citations"),
    "search_queries": ("search-queries-generation", "search_queries"),
    "search_results": ("search-results", "search_results"),
    "documents": ("search-results", "documents"),
}


class CohereV1Encoder:
    """Writes lines of the chat API. The last one repeats the answer, so its text is kept."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._text: list[str] = []
        self._calls: dict[str, ToolCall] = {}  # as far as they were said, by key
        self._meta: dict[str, object] = {}
        self._word: str | None = None

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The lines of one event. Ends of calls, the finish and the usage wait for the last ones.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        match event:
            case Token(text=text, index=0):
                self._text.append(text)
                return _line("text-generation", text=text)
            case Data(kind="tool_plan", value=str(plan), index=0) if plan:
                return _line("tool-calls-chunk", text=plan)
            case ToolCall(index=0, provider_executed=False):
                return self._tool_call(event)
            case Started(id=id):
                self._id = id
                return _line("stream-start", generation_id=id)
            case Data(kind=kind, value=value, index=0) if kind in _DATA and value:
                name, field = _DATA[kind]
                return _line(name, **{field: [value] if kind == "citation" else value})
            case Usage():
                self._meta = {**self._meta, **write_usage(event)}
                return ()
            case Finished(index=0, reason=reason, raw_reason=raw):
                self._word = word_for(event, FINISH_REASONS)
                if reason == "tool_calls":
                    self._word = raw or "COMPLETE"  # of an answer with calls it means just that
                return self._whole_calls()
            case Heartbeat(text=""):
                return (Frame(),)
            case Error(fatal=True, message=message):
                if is_failure(self._word):
                    return self._end(self._word)
                return json_frame({"error": message})
            case Done() if not is_failure(self._word):
                if self._word is None:
                    raise LocalProtocolError("cohere-v1: Done comes after a Finished")
                return self._end(self._word)
            case _:
                raise cannot_say("cohere-v1", event)

    def _end(self, word: str | None) -> Sequence[Frame]:
        response = {"generation_id": self._id, "text": "".join(self._text), "meta": self._meta}
        said = {"is_finished": True, "event_type": "stream-end", "finish_reason": word}
        return json_frame({**said, "response": response})

    def _tool_call(self, event: ToolCall) -> Sequence[Frame]:
        begun = self._calls.get(event.key)
        if begun is None and event.name is None:
            raise cannot_say("cohere-v1", event)
        name = event.name if begun is None else begun.name
        arguments = event.arguments if begun is None else begun.arguments + event.arguments
        call = ToolCall(event.key, 0, None, name, arguments, complete=event.complete)
        if event.complete:
            _parameters(call)  # it must be JSON by then
        self._calls[event.key] = call
        delta: dict[str, Any] = {"index": list(self._calls).index(event.key)}
        if begun is None:
            delta["name"] = name
        if event.arguments:
            delta["parameters"] = event.arguments
        return _line("tool-calls-chunk", tool_call_delta=delta) if len(delta) > 1 else ()

    def _whole_calls(self) -> Sequence[Frame]:
        if not self._calls or not all(call.complete for call in self._calls.values()):
            return ()
        calls = [
            {"name": call.name, "parameters": _parameters(call)} for call in self._calls.values()
        ]
        return _line("tool-calls-generation", tool_calls=calls)


def _parameters(call: ToolCall) -> Any:
    try:
        parameters = JSONDecoder().decode(call.arguments or "{}")
    except UNREADABLE as error:
        raise LocalProtocolError(f"the arguments of {call!r} are not JSON: {error}") from None
    if not is_mapping(parameters):
        raise LocalProtocolError(f"the arguments of {call!r} are no JSON object")
    return parameters


def _line(kind: str, **fields: Any) -> tuple[Frame]:
    return json_frame({"is_finished": False, "event_type": kind, **fields})
