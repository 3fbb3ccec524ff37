"""Events to the AI SDK's data stream: the mirror of `tokenwire.dialects.vercel.data`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tokenwire.dialects.kit.encoding import cannot_say, json_frame, word_for
from tokenwire.dialects.vercel.encode import CallsEncoder
from tokenwire.dialects.vercel.parts import FINISH_REASONS
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

DATA: Final[Mapping[str, str]] = {
    "2": "data",
    "8": "message_annotations",
    "a": "tool_result",
    "aui-state": "state",
    "e": "finish_step",
    "h": "source",
    "i": "redacted_reasoning",
    "k": "file",
}
"""What is handed on whole: code and kind."""

_CODES: Final = {kind: code for code, kind in DATA.items()}


class VercelDataEncoder:
    """Writes one message; the finish waits for its usage, for both stand on one line."""

    def __init__(self) -> None:
        self._calls = CallsEncoder("vercel-data", _begin, _add, _end)
        self._held: dict[str, Any] | None = None
        self._finished = False

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The lines of one event. `Usage` comes after `Finished`.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        held = self._held
        if held is not None and isinstance(event, Usage):
            self._held = None
            return json_frame({**held, "usage": _usage(event)}, "d")
        frames = self._encode(event)
        if held is None:
            return frames
        if not isinstance(event, Finished):
            self._held = None
        return (*json_frame(held, "d"), *frames)

    def _encode(self, event: Event) -> Sequence[Frame]:
        match event:
            case Token(text=text, index=0):
                return json_frame(text, "0")
            case Reasoning(text=text, index=0, signature=None):
                return json_frame(text, "g")
            case Reasoning(text="", index=0, signature=signature):
                return json_frame({"signature": signature}, "j")
            case ToolCall(index=0, provider_executed=False):
                return self._calls.send(event)
            case Started(id=str(id)):
                return json_frame({"messageId": id}, "f")
            case Data(kind=kind, value=value, index=0) if kind in _CODES:
                return json_frame(value, _CODES[kind])
            case Finished(index=0):
                self._finished = True
                self._held = {"finishReason": word_for(event, FINISH_REASONS)}
                return ()
            case Heartbeat(text=""):
                return (Frame(),)
            case Error(fatal=True, message=message):
                return json_frame(message, "3")
            case Done():
                if not self._finished:
                    raise LocalProtocolError("vercel-data: Done comes after a Finished")
                return ()
            case _:
                raise cannot_say("vercel-data", event)


def _begin(id: str, name: str, _executed: bool) -> Sequence[Frame]:
    return json_frame({"toolCallId": id, "toolName": name}, "b")


def _add(id: str, piece: str) -> Sequence[Frame]:
    return json_frame({"toolCallId": id, "argsTextDelta": piece}, "c")


def _end(id: str, name: str, value: Any, _executed: bool) -> Sequence[Frame]:
    return json_frame({"toolCallId": id, "toolName": name, "args": value}, "9")


def _usage(usage: Usage) -> dict[str, int | None]:
    return {"promptTokens": usage.input_tokens, "completionTokens": usage.output_tokens}
