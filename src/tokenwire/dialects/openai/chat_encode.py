"""Events to OpenAI chunks: the mirror of `tokenwire.dialects.openai.chat`, for its whole family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tokenwire.dialects.kit.encoding import cannot_say, heartbeat, json_frame, word_for
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
    Refusal,
    Started,
    Token,
    ToolCall,
    Usage,
)
from tokenwire.frame import Frame

_DATA_IN_DELTA: Final = frozenset({"audio", "annotations", "images"})
_DATA_IN_CHUNK: Final = frozenset({"citations", "search_results", "moderation"})


class OpenAIChatEncoder:
    """Writes chunks as OpenAI does, ``[DONE]`` last.

    Args:
        words: The vendor's finish words in tokenwire's, as the decoder reads them.
        dialect: The dialect's name.
        reasoning: The field of a delta where thinking stands; ``content``: in Mistral's blocks.
        legacy: Write the first API's chunks, ``/v1/completions``: texts and nothing else.
    """

    def __init__(
        self,
        words: Mapping[str, Reason],
        *,
        dialect: str = "openai-chat",
        reasoning: str = "reasoning_content",
        legacy: bool = False,
    ) -> None:
        self._words = words
        self._dialect = dialect
        self._reasoning = reasoning
        self._legacy = legacy
        kind = "text_completion" if legacy else "chat.completion.chunk"
        self._head: dict[str, Any] = {"object": kind, "created": 0}
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
            case Data(kind="logprobs", value=value, index=index):
                return self._delta(index, {}, logprobs=value)
            case Usage():
                return self._chunk([], usage=usage_document(event))
            case Finished(index=index):
                self._open[index] = False
                return self._chunk([self._choice(index, {}, word_for(event, self._words))])
            case Heartbeat():
                return heartbeat(event)
            case Error(fatal=True):
                return json_frame({"error": error_document(event)})
            case Done():
                return self._done()
            case _ if self._legacy:
                raise cannot_say(self._dialect, event)
            case Reasoning():
                return self._delta(event.index, self._thought(event))
            case Refusal(text=text, index=index):
                return self._delta(index, {"refusal": text})
            case ToolCall(provider_executed=False):
                call = call_document(event, self._calls)
                return self._delta(event.index, {"tool_calls": [call]}) if call else ()
            case Data(kind=kind, value=value, index=index) if kind in _DATA_IN_DELTA:
                return self._delta(index, {kind: value})
            case Data(kind=kind, value=value) if kind in _DATA_IN_CHUNK:
                return self._chunk([], **{kind: value})
            case _:
                raise cannot_say(self._dialect, event)

    def _chunk(self, choices: list[dict[str, Any]], **extra: Any) -> Sequence[Frame]:
        return json_frame({**self._head, "choices": choices, **extra})

    def _delta(self, index: int, delta: dict[str, Any], **beside: Any) -> Sequence[Frame]:
        self._open.setdefault(index, True)
        return self._chunk([{**self._choice(index, delta, None), **beside}])

    def _choice(self, index: int, delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
        if self._legacy:
            text = delta.get("content", "")
            return {"index": index, "text": text, "logprobs": None, "finish_reason": finish}
        return {"index": index, "delta": delta, "finish_reason": finish}

    def _thought(self, event: Reasoning) -> dict[str, Any]:
        text, signature = event.text, event.signature
        if self._reasoning == "content":
            block = {"type": "thinking", "thinking": [{"type": "text", "text": text}]}
            return {"content": [{**block, "signature": signature} if signature else block]}
        if signature is None:
            return {self._reasoning: text}
        detail = {"type": "reasoning.text", "text": text, "signature": signature}
        return {"reasoning_details": [detail]}

    def _done(self) -> Sequence[Frame]:
        running = [index for index, runs in self._open.items() if runs]
        if running or not self._open:
            raise LocalProtocolError(
                f"{self._dialect}: Done comes after a Finished of each choice;"
                f" open: {running or [0]}"
            )
        return (Frame(b"[DONE]"),)


def call_document(event: ToolCall, places: dict[str, int]) -> dict[str, Any] | None:
    """A fragment of a call; None where it only closes one, which the finish reason does for all.

    Args:
        event: The fragment.
        places: The indices of the calls by their keys; a new call takes the next one.
    """
    if event.complete and not (event.id or event.name or event.arguments):
        return None
    function: dict[str, Any] = {"arguments": event.arguments}
    if event.name:
        function["name"] = event.name
    place = places.setdefault(event.key, len(places))
    call: dict[str, Any] = {"index": place, "function": function}
    return {**call, "id": event.id, "type": "function"} if event.id else call


def usage_document(usage: Usage) -> dict[str, Any]:
    """The counts as OpenAI writes them."""
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


def error_document(error: Error) -> dict[str, Any]:
    """What stands in the field ``error``."""
    said = {"message": error.message, "code": error.code, "status_code": error.status}
    return {name: value for name, value in said.items() if value is not None}
