"""Events to Amazon's Converse wire: the mirror of `tokenwire.dialects.bedrock.converse`.

Blocks of text and reasoning are only closed; those of tool calls are opened too, and several of
them may be open at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tokenwire.dialects.bedrock.errors import exception
from tokenwire.dialects.kit.encoding import cannot_say, json_frame, word_for
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

DATA_BLOCKS: Final = {"citation": "text", "image": "image", "toolResult": "toolResult"}
"""Content that is neither text, reasoning nor a tool call, and the kind of block it comes in."""


class BedrockEncoder:
    """Writes a message: its start, blocks, its stop, metadata.

    Args:
        words: The vendor's words by ``Finished.raw_reason``, as the decoder reads them.
    """

    def __init__(self, words: Mapping[str, Reason]) -> None:
        self._words = words
        self._block: tuple[str, int] | None = None  # kind and part of the open block, if no tool's
        self._tools: dict[str, int] = {}  # the open blocks of tool calls, by key
        self._index = -1
        self._finished = False
        self._usage: dict[str, int] = {}
        self._usage_waits = False  # it comes after the stop, and the last one must say all

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The messages of one event. The body must end right after `Done`: no message says it.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        match event:
            case Token(text=text, index=0, part=part):
                return self._in_block("text", part, {"text": text})
            case Reasoning(text=text, index=0, part=part, signature=signature):
                return self._reasoning(text, part, signature)
            case Data(kind="redactedContent", value=str() as redacted, index=0, part=part):
                delta = {"reasoningContent": {"redactedContent": redacted}}
                return self._in_block("reasoning", part, delta)
            case Data(kind="trace", value=value, index=0) if value:
                return json_frame({"trace": value}, "metadata")
            case Data(kind=kind, value=value, index=0, part=part) if kind in DATA_BLOCKS:
                if value is None:
                    raise cannot_say("bedrock-converse", event)
                return self._in_block(DATA_BLOCKS[kind], part, {kind: value})
            case ToolCall(index=0):
                return self._tool_call(event)
            case Started():
                return json_frame({"role": "assistant"}, "messageStart")
            case Usage():
                self._usage |= _usage(event)
                self._usage_waits = not self._finished
                return self._metadata() if self._finished else ()
            case Finished(index=0):
                closed = self._close()
                self._finished = True
                word = word_for(event, self._words)
                return (*closed, *json_frame({"stopReason": word}, "messageStop"))
            case Heartbeat(text=""):
                return (Frame(),)
            case Error(fatal=True):
                return exception(event)
            case Done():
                if not self._finished:
                    raise LocalProtocolError("bedrock-converse: Done comes after a Finished")
                return self._metadata() if self._usage_waits else ()
            case _:
                raise cannot_say("bedrock-converse", event)

    def _close(self) -> tuple[Frame, ...]:
        """A tool call is closed only where it is complete: an open one was cut."""
        if self._block is None:
            return ()
        self._block = None
        return _block_stop(self._index)

    def _in_block(self, kind: str, part: int, *deltas: dict[str, Any]) -> Sequence[Frame]:
        closed: tuple[Frame, ...] = ()
        if self._block != (kind, part):
            closed = self._close()
            self._block = (kind, part)
            self._index = max(self._index + 1, part)
        return (*closed, *(frame for one in deltas for frame in _block_delta(self._index, one)))

    def _reasoning(self, text: str, part: int, signature: str | None) -> Sequence[Frame]:
        said = [{"text": text}] if text or signature is None else []
        if signature is not None:
            said.append({"signature": signature})
        return self._in_block("reasoning", part, *({"reasoningContent": one} for one in said))

    def _tool_call(self, event: ToolCall) -> Sequence[Frame]:
        frames: list[Frame] = []
        if event.key not in self._tools:
            if event.name is None:
                raise cannot_say("bedrock-converse", event)
            frames += self._close()
            self._index += 1
            self._tools[event.key] = self._index
            tool = {"toolUseId": event.id or event.key, "name": event.name}
            if event.provider_executed:
                tool["type"] = "server_tool_use"
            start = {"start": {"toolUse": tool}, "contentBlockIndex": self._index}
            frames += json_frame(start, "contentBlockStart")
        index = self._tools[event.key]
        if event.arguments:
            frames += _block_delta(index, {"toolUse": {"input": event.arguments}})
        if event.complete:
            del self._tools[event.key]
            frames += _block_stop(index)
        return frames

    def _metadata(self) -> tuple[Frame, ...]:
        return json_frame({"usage": self._usage}, "metadata")


def _block_delta(index: int, delta: dict[str, Any]) -> tuple[Frame]:
    return json_frame({"delta": delta, "contentBlockIndex": index}, "contentBlockDelta")


def _block_stop(index: int) -> tuple[Frame]:
    return json_frame({"contentBlockIndex": index}, "contentBlockStop")


def _usage(usage: Usage) -> dict[str, int]:
    said = {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.total_tokens,
        "cacheReadInputTokens": usage.cache_read_tokens,
        "cacheWriteInputTokens": usage.cache_write_tokens,
    }
    return {name: n for name, n in said.items() if n is not None}
