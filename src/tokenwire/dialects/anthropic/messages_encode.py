"""Events to Anthropic's wire: the mirror of `tokenwire.dialects.anthropic.messages`.

The wire wraps every piece of content in a block that is opened and closed; the events do not. A
block is opened when content of another kind or part begins, and closed when it ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tokenwire.dialects.kit.encoding import cannot_say, heartbeat, json_frame, word_for
from tokenwire.dialects.kit.payloads import is_mapping
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


class AnthropicEncoder:
    """Writes a message: start, blocks, delta, stop.

    Args:
        words: The vendor's words by ``Finished.raw_reason``, as the decoder reads them.
    """

    def __init__(self, words: Mapping[str, Reason]) -> None:
        self._words = words
        self._block: tuple[str, int | str] | None = None  # kind and part or key of the open block
        self._index = -1
        self._begun: set[str] = set()  # keys of the calls that have their block
        self._finished = False
        self._word_held: str | None = None  # a finish that waits for its usage

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The frames of one event. A `Finished` is sent with the `Usage` after it, as one frame.

        Anthropic's SDKs rely on usage beside the stop reason: send one.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        word, self._word_held = self._word_held, None
        if word is not None and isinstance(event, Usage):
            return _message_delta(word, _usage(event))
        try:
            frames = self._encode(event)
        except LocalProtocolError:
            self._word_held = word
            raise
        return frames if word is None else (*_message_delta(word, _UNKNOWN), *frames)

    def _encode(self, event: Event) -> Sequence[Frame]:
        match event:
            case Token(text=text, index=0, part=part):
                return self._in_block(
                    "text", part, {"text": ""}, {"type": "text_delta", "text": text}
                )
            case Reasoning(text=text, index=0, part=part, signature=signature):
                return self._reasoning(text, part, signature)
            case ToolCall(index=0):
                return self._tool_call(event)
            case Started(id=id, model=model):
                message = {"id": id, "type": "message", "role": "assistant", "model": model}
                unknown = {"input_tokens": 0, "output_tokens": 0}  # clients count from these
                start: dict[str, Any] = {**message, "content": [], "usage": unknown}
                return _frame("message_start", message=start)
            case Usage():
                return _message_delta(None, _usage(event))
            case Finished(index=0):
                self._finished = True
                self._word_held = word_for(event, self._words)
                return self._close()
            case Heartbeat(text="ping"):
                return _frame("ping")
            case Heartbeat():
                return heartbeat(event)
            case Data(kind="stop_details", value=value, index=0):
                return _frame("message_delta", delta={"stop_details": value})
            case Data(value=value, index=0) if is_mapping(value) and value.get("type"):
                self._index += 1
                opened = _frame("content_block_start", index=self._index, content_block=value)
                return (*self._close(), *opened, *_frame("content_block_stop", index=self._index))
            case Error(fatal=True, message=message, code=code):
                error = {"type": code or "api_error", "message": message}
                return _frame("error", error=error)
            case Done():
                if not self._finished:
                    raise LocalProtocolError("anthropic-messages: Done comes after a Finished")
                return (*self._close(), *_frame("message_stop"))
            case _:
                raise cannot_say("anthropic-messages", event)

    def _close(self) -> tuple[Frame, ...]:
        if self._block is None:
            return ()
        self._block = None
        return _frame("content_block_stop", index=self._index)

    def _open(self, kind: str, part: int | str, block: dict[str, Any]) -> tuple[Frame, ...]:
        if self._block == (kind, part):
            return ()
        closed = self._close()
        self._block = (kind, part)
        self._index = max(self._index + 1, part if isinstance(part, int) else 0)
        block = {"type": kind, **block}
        return (*closed, *_frame("content_block_start", index=self._index, content_block=block))

    def _in_block(
        self, kind: str, part: int, block: dict[str, Any], delta: dict[str, Any]
    ) -> Sequence[Frame]:
        opened = self._open(kind, part, block)
        return (*opened, *_frame("content_block_delta", index=self._index, delta=delta))

    def _reasoning(self, text: str, part: int, signature: str | None) -> Sequence[Frame]:
        frames: list[Frame] = []
        if text or signature is None:
            delta = {"type": "thinking_delta", "thinking": text}
            frames += self._in_block("thinking", part, {"thinking": ""}, delta)
        if signature is not None:
            delta = {"type": "signature_delta", "signature": signature}
            frames += self._in_block("thinking", part, {"thinking": ""}, delta)
        return frames

    def _tool_call(self, event: ToolCall) -> Sequence[Frame]:
        kind = "server_tool_use" if event.provider_executed else "tool_use"
        frames: list[Frame] = []
        if self._block != ("tool", event.key):
            if event.key in self._begun and not event.arguments:
                return ()  # its block is closed
            if event.key in self._begun:
                raise cannot_say("anthropic-messages, where calls follow one another,", event)
            self._begun.add(event.key)
            block: dict[str, Any] = {
                "type": kind,
                "id": event.id or event.key,
                "name": event.name,
                "input": {},
            }
            frames += self._close()
            self._index += 1
            self._block = ("tool", event.key)
            frames += _frame("content_block_start", index=self._index, content_block=block)
        if event.arguments:
            delta = {"type": "input_json_delta", "partial_json": event.arguments}
            frames += _frame("content_block_delta", index=self._index, delta=delta)
        if event.complete:
            frames += self._close()
        return frames


_UNKNOWN: Final[dict[str, Any]] = {"output_tokens": None}


def _message_delta(word: str | None, usage: dict[str, Any]) -> tuple[Frame]:
    delta = {"stop_reason": word, "stop_sequence": None}
    return _frame("message_delta", delta=delta, usage=usage)


def _frame(kind: str, **fields: Any) -> tuple[Frame]:
    return json_frame({"type": kind, **fields}, kind)


def _usage(usage: Usage) -> dict[str, Any]:
    said: dict[str, Any] = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
    }
    if usage.reasoning_tokens is not None:
        said["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return _UNKNOWN | {name: value for name, value in said.items() if value is not None}
