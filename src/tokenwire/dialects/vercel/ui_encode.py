"""Events to the AI SDK's UI message stream: the mirror of `tokenwire.dialects.vercel.ui`.

The wire wraps text and reasoning in blocks with a name; the events do not. Each part is one block,
opened with its first piece and closed before the answer ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokenwire.dialects.kit.encoding import cannot_say, heartbeat, json_frame, word_for
from tokenwire.dialects.kit.payloads import is_mapping
from tokenwire.dialects.vercel.encode import CallsEncoder, usage_fields
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
    Reset,
    Started,
    Token,
    ToolCall,
    Usage,
)
from tokenwire.frame import Frame


class VercelUIEncoder:
    """Writes one message."""

    def __init__(self) -> None:
        self._blocks: set[tuple[str, int]] = set()
        self._calls = CallsEncoder("vercel-ui", _begin, _add, _end)
        self._finished = False

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The frames of one event.

        `Data` holds the whole object, its type as kind, as it is read; ``message-metadata`` holds
        the metadata. A `Reset` is one of everything, without a text.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        match event:
            case Token(text=text, index=0, part=part):
                return (*self._open("text", part), *_say("text-delta", _id("text", part), text))
            case Reasoning(text=text, index=0, part=part, signature=signature):
                # As Anthropic's provider writes it; no other one signs in pieces.
                proof = {"providerMetadata": {"anthropic": {"signature": signature}}}
                more = proof if signature else {}
                said = _say("reasoning-delta", _id("reasoning", part), text, **more)
                return (*self._open("reasoning", part), *said)
            case ToolCall(index=0):
                return self._calls.send(event)
            case Started(id=id):
                return _frame("start", **({"messageId": id} if id else {}))
            case Data(kind="message-metadata", value=value, index=0) if value is not None:
                return _frame("message-metadata", messageMetadata=value)
            case Data(kind=kind, value=value, index=0) if is_mapping(value):
                if value.get("type") != kind:
                    raise cannot_say("vercel-ui", event)
                return json_frame(value)
            case Usage():
                return _frame("message-metadata", messageMetadata={"usage": usage_fields(event)})
            case Reset(index=0, part=None, text=""):
                self._blocks.clear()
                self._calls.clear()
                return _frame("reset-step")
            case Finished(index=0):
                self._finished = True
                word = word_for(event, FINISH_REASONS)
                if word == "abort":
                    return (*self._close(), *_frame("abort"))
                return (*self._close(), *_frame("finish", finishReason=word))
            case Heartbeat():
                return heartbeat(event)
            case Error(fatal=True, message=message):
                return _frame("error", errorText=message)
            case Done():
                if not self._finished:
                    raise LocalProtocolError("vercel-ui: Done comes after a Finished")
                return (Frame(b"[DONE]"),)
            case _:
                raise cannot_say("vercel-ui", event)

    def _open(self, kind: str, part: int) -> Sequence[Frame]:
        if (kind, part) in self._blocks:
            return ()
        self._blocks.add((kind, part))
        return _frame(f"{kind}-start", id=_id(kind, part))

    def _close(self) -> Sequence[Frame]:
        frames = [
            _frame(f"{kind}-end", id=_id(kind, part))[0] for kind, part in sorted(self._blocks)
        ]
        self._blocks.clear()
        return frames


def _begin(id: str, name: str, executed: bool) -> Sequence[Frame]:
    return _frame("tool-input-start", toolCallId=id, toolName=name, **_executed(executed))


def _add(id: str, piece: str) -> Sequence[Frame]:
    return _frame("tool-input-delta", toolCallId=id, inputTextDelta=piece)


def _end(id: str, name: str, value: Any, executed: bool) -> Sequence[Frame]:
    named: dict[str, Any] = {"toolCallId": id, "toolName": name, **_executed(executed)}
    return _frame("tool-input-available", **named, input=value)


def _executed(executed: bool) -> dict[str, bool]:
    return {"providerExecuted": True} if executed else {}


def _id(kind: str, part: int) -> str:
    return f"{kind}-{part}"


def _say(kind: str, id: str, text: str, **more: Any) -> tuple[Frame]:
    return _frame(kind, id=id, delta=text, **more)


def _frame(kind: str, **fields: Any) -> tuple[Frame]:
    return json_frame({"type": kind, **fields})
