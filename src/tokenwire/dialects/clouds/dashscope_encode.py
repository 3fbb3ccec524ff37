"""Events to DashScope's chunks: the mirror of `tokenwire.dialects.clouds.dashscope`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

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
    Started,
    Token,
    ToolCall,
    Usage,
)
from tokenwire.frame import Frame


class DashScopeEncoder:
    """Writes chunks, numbered from 1.

    Args:
        words: The vendor's finish words in tokenwire's.
        kinds: The `Data` that has a field of its own.
        incremental: Send deltas; else each text is the whole one so far.
    """

    def __init__(
        self, words: Mapping[str, Reason], kinds: Collection[str], *, incremental: bool
    ) -> None:
        self._words = words
        self._kinds = kinds
        self._incremental = incremental
        self._request_id: str | None = None
        self._id = 0
        self._open: dict[int, bool] = {}  # choices, and whether they still run
        self._calls: dict[tuple[int, str], int] = {}
        self._whole: dict[object, str] = {}
        self._told = not incremental  # a reader can tell that these are deltas

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The frames of one event.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        match event:
            case Token(text=text, index=index):
                return self._message(index, {"content": self._text((index, "text"), text)})
            case Reasoning(text=text, index=index, signature=None):
                thought = self._text((index, "reasoning"), text)
                return self._message(index, {"content": "", "reasoning_content": thought})
            case ToolCall(provider_executed=False):
                return self._tool_call(event)
            case Started(id=id, model=None):
                self._request_id = id
                return self._chunk({"choices": []})
            case Data(kind=kind, value=value, index=0) if kind in self._kinds:
                return self._chunk({"choices": [], kind: value})
            case Usage():
                return self._chunk({"choices": []}, usage=_usage(event))
            case Finished(index=index):
                self._open[index] = False
                return self._choice(index, {"content": ""}, word_for(event, self._words))
            case Heartbeat():
                return heartbeat(event)
            case Error(fatal=True, message=message, code=code, status=status):
                # Its own place is a comment, but that would be read as a heartbeat beside it.
                said = {"code": code, "message": message, "status_code": status}
                return self._frame({**said, "request_id": self._request_id}, "error")
            case Done():
                return self._done()
            case _:
                raise cannot_say("dashscope", event)

    def _text(self, of: object, text: str) -> str:
        if self._incremental:
            return text
        self._whole[of] = self._whole.get(of, "") + text
        return self._whole[of]

    def _tool_call(self, event: ToolCall) -> Sequence[Frame]:
        if event.complete and not (event.id or event.name or event.arguments):
            return ()  # the finish reason closes all calls
        place = self._calls.setdefault((event.index, event.key), len(self._calls))
        arguments = self._text((event.index, event.key), event.arguments)
        function: dict[str, Any] = {"arguments": arguments}
        if event.name:
            function["name"] = event.name
        call = {"index": place, "id": event.id or "", "type": "function", "function": function}
        return self._message(event.index, {"content": "", "tool_calls": [call]})

    def _message(self, index: int, message: dict[str, Any]) -> Sequence[Frame]:
        self._open.setdefault(index, True)
        frames = self._choice(index, message, "null")
        if self._told:
            return frames
        # A second piece might begin with the first by chance, as a whole text does. An empty one
        # between them tells that they are deltas.
        self._told = True
        return (*frames, *self._choice(index, {"content": ""}, "null"))

    def _choice(self, index: int, message: dict[str, Any], word: str) -> Sequence[Frame]:
        said = {"role": "assistant", **message}
        return self._chunk({"choices": [{"index": index, "message": said, "finish_reason": word}]})

    def _chunk(self, output: dict[str, Any], **beside: Any) -> Sequence[Frame]:
        return self._frame({"output": output, **beside, "request_id": self._request_id}, "result")

    def _frame(self, said: dict[str, Any], kind: str) -> Sequence[Frame]:
        self._id += 1
        (frame,) = json_frame(said, kind)
        return (Frame(frame.data, kind, str(self._id)),)

    def _done(self) -> Sequence[Frame]:
        running = [index for index, runs in self._open.items() if runs]
        if running or not self._open:
            raise LocalProtocolError(
                f"dashscope: Done comes after a Finished of each choice; open: {running or [0]}"
            )
        return ()


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_creation_input_tokens": usage.cache_write_tokens,
        },
    }
