"""Events to Gemini's chunks: the mirror of `tokenwire.dialects.google.gemini`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects.google.gemini_wire import DATA_IN_CANDIDATE, DATA_IN_PART, FINISH_REASONS
from tokenwire.dialects.kit.encoding import cannot_say, heartbeat, json_frame
from tokenwire.dialects.kit.payloads import UNREADABLE, reason_for
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
from tokenwire.framing.jsonarray import ARRAY_END

_PART_KINDS: Final = frozenset(DATA_IN_PART.values())
_CANDIDATE_KINDS: Final = frozenset(DATA_IN_CANDIDATE.values())

# For a reason that comes without a word of the vendor's, or with another vendor's.
_WORDS: Final[Mapping[Reason, str]] = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
    "error": "MALFORMED_RESPONSE",
}


class GeminiEncoder:
    """Writes chunks. The wire has calls only whole: their pieces are kept until they are complete.

    Args:
        dialect: The dialect's name.
        in_array: The chunks are elements of an array, which is closed after the last one.
    """

    def __init__(self, dialect: str, *, in_array: bool = False) -> None:
        self._dialect = dialect
        self._last: tuple[Frame, ...] = (Frame(ARRAY_END),) if in_array else ()
        self._head: dict[str, Any] = {}
        self._calls: dict[str, list[ToolCall]] = {}  # those that are not complete
        self._open: dict[int, bool] = {}  # candidates, and whether they still run
        self._usage: Usage | None = None  # the final counts come last

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The frames of one event.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        match event:
            case Started(id=id, model=model):
                self._head |= {"responseId": id} if id else {}
                self._head |= {"modelVersion": model} if model else {}
                return self._chunk({}) if self._head else ()
            case Token(text=text, index=index):
                return self._part(index, {"text": text})
            case Reasoning(text="", index=index, signature=signature) if signature:
                return self._part(index, {"text": "", "thoughtSignature": signature})
            case Reasoning(text=text, index=index, signature=signature):
                signed = {"thoughtSignature": signature} if signature else {}
                return self._part(index, {"text": text, "thought": True, **signed})
            case ToolCall(provider_executed=False):
                return self._tool_call(event)
            case Data(kind=kind, value=value, index=index) if kind in _PART_KINDS:
                return self._part(index, {kind: value})
            case Data(kind=kind, value=value, index=index) if kind in _CANDIDATE_KINDS:
                return self._candidate(index, {kind: value})
            case Data(kind="promptFeedback", value=value):
                return self._chunk({"promptFeedback": value})
            case Usage(final=True):
                self._usage = event
                return ()
            case Usage():
                return self._chunk({"usageMetadata": _usage(event)})
            case Finished(index=index):
                sent = self._candidate(index, {"finishReason": self._word(event)})
                self._open[index] = False
                return sent
            case Heartbeat():
                return heartbeat(event)
            case Error(fatal=True):
                return (*json_frame({"error": _error(event)}), *self._last)
            case Done():
                return self._done()
            case _:
                raise cannot_say(self._dialect, event)

    def _chunk(self, said: dict[str, Any]) -> Sequence[Frame]:
        return json_frame({**said, **self._head})

    def _candidate(self, index: int, said: dict[str, Any]) -> Sequence[Frame]:
        self._open.setdefault(index, True)
        return self._chunk({"candidates": [{**said, "index": index}]})

    def _part(self, index: int, part: dict[str, Any]) -> Sequence[Frame]:
        return self._candidate(index, {"content": {"parts": [part], "role": "model"}})

    def _tool_call(self, event: ToolCall) -> Sequence[Frame]:
        if not event.complete:
            self._calls.setdefault(event.key, []).append(event)
            return ()
        pieces = [*self._calls.get(event.key, ()), event]
        id = next((one.id for one in pieces if one.id), None)
        name = next((one.name for one in pieces if one.name), None)
        text = "".join(one.arguments for one in pieces)
        try:
            arguments = JSONDecoder(dict[str, Any]).decode(text or "{}")
        except UNREADABLE as error:
            raise LocalProtocolError(
                f"the arguments of call {event.key!r} are no JSON object: {error}"
            ) from None
        self._calls.pop(event.key, None)
        call = {"id": id} if id else {}
        return self._part(event.index, {"functionCall": {**call, "name": name, "args": arguments}})

    def _word(self, event: Finished) -> str:
        raw, reason = event.raw_reason, event.reason
        read_as = reason_for(raw, FINISH_REASONS)
        if raw and (read_as == reason or (read_as == "stop" and reason == "tool_calls")):
            return raw
        return _WORDS.get(reason, "OTHER")

    def _done(self) -> Sequence[Frame]:
        running = [index for index, runs in self._open.items() if runs]
        if running or not self._open:
            raise LocalProtocolError(
                f"{self._dialect}: Done comes after a Finished of each candidate;"
                f" open: {running or [0]}"
            )
        counts = {} if self._usage is None else {"usageMetadata": _usage(self._usage)}
        return (*(self._chunk(counts) if counts else ()), *self._last)


def _usage(usage: Usage) -> dict[str, Any]:
    said = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens,
        "totalTokenCount": usage.total_tokens,
        "thoughtsTokenCount": usage.reasoning_tokens,
        "cachedContentTokenCount": usage.cache_read_tokens,
    }
    return {name: count for name, count in said.items() if count is not None}


def _error(error: Error) -> dict[str, Any]:
    said = {"code": error.status, "message": error.message, "status": error.code}
    return {name: value for name, value in said.items() if value is not None}
