"""Events to OpenAI chat chunks: the mirror of `tokenwire.dialects.openai_chat`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tokenwire.dialects.encoding import cannot_say, heartbeat, json_frame
from tokenwire.errors import LocalProtocolError
from tokenwire.events import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Reasoning,
    Refusal,
    Started,
    Token,
    ToolCall,
    Usage,
)
from tokenwire.frame import Frame

_DATA_IN_DELTA: Final = frozenset({"audio", "annotations"})
_DATA_IN_CHUNK: Final = frozenset({"citations", "search_results", "moderation"})


class OpenAIChatEncoder:
    """Writes chunks as OpenAI does, ``[DONE]`` last.

    Args:
        words: The vendor's words by ``Finished.raw_reason``, as the decoder reads them.
    """

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = words
        self._head: dict[str, Any] = {"object": "chat.completion.chunk", "created": 0}
        self._calls: dict[str, int] = {}
        self._open: dict[int, bool] = {}  # choices, and whether they still run

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The frames of one event.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        match event:
            case Token(text=text, index=index):
                return self._delta(index, {"content": text})
            case Started():
                self._head |= {"id": event.id} if event.id else {}
                self._head |= {"model": event.model} if event.model else {}
                return self._chunk([])
            case Reasoning(text=text, index=index, signature=None):
                return self._delta(index, {"reasoning_content": text})
            case Reasoning(text=text, index=index, signature=signature):
                detail = {"type": "reasoning.text", "text": text, "signature": signature}
                return self._delta(index, {"reasoning_details": [detail]})
            case Refusal(text=text, index=index):
                return self._delta(index, {"refusal": text})
            case ToolCall(provider_executed=False):
                return self._tool_call(event)
            case Data(kind=kind, value=value, index=index) if kind in _DATA_IN_DELTA:
                return self._delta(index, {kind: value})
            case Data(kind=kind, value=value) if kind in _DATA_IN_CHUNK:
                return self._chunk([], **{kind: value})
            case Usage():
                return self._chunk([], usage=_usage(event))
            case Finished(index=index):
                self._open[index] = False
                return self._chunk(
                    [{"index": index, "delta": {}, "finish_reason": self._word(event)}]
                )
            case Heartbeat():
                return heartbeat(event)
            case Error(fatal=True):
                return json_frame({"error": _error(event)})
            case Done():
                return self._done()
            case _:
                raise cannot_say("openai-chat", event)

    def _chunk(self, choices: list[dict[str, Any]], **extra: Any) -> Sequence[Frame]:
        return json_frame({**self._head, "choices": choices, **extra})

    def _delta(self, index: int, delta: dict[str, Any]) -> Sequence[Frame]:
        self._open.setdefault(index, True)
        return self._chunk([{"index": index, "delta": delta, "finish_reason": None}])

    def _tool_call(self, event: ToolCall) -> Sequence[Frame]:
        if event.complete and not (event.id or event.name or event.arguments):
            return ()  # the finish reason closes all calls
        function: dict[str, Any] = {"arguments": event.arguments}
        if event.name:
            function["name"] = event.name
        call: dict[str, Any] = {"index": self._place(event.key), "function": function}
        if event.id:
            call |= {"id": event.id, "type": "function"}
        return self._delta(event.index, {"tool_calls": [call]})

    def _place(self, key: str) -> int:
        return self._calls.setdefault(key, len(self._calls))

    def _word(self, event: Finished) -> str:
        if event.raw_reason and self._words.get(event.raw_reason, "other") == event.reason:
            return event.raw_reason
        return event.reason

    def _done(self) -> Sequence[Frame]:
        running = [index for index, runs in self._open.items() if runs]
        if running or not self._open:
            raise LocalProtocolError(
                f"openai-chat: Done comes after a Finished of each choice; open: {running or [0]}"
            )
        return (Frame(b"[DONE]"),)


def _usage(usage: Usage) -> dict[str, Any]:
    said: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
    return said


def _error(error: Error) -> dict[str, Any]:
    said = {"message": error.message, "code": error.code, "status_code": error.status}
    return {name: value for name, value in said.items() if value is not None}
