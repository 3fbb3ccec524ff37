"""What both streams of Vercel's AI SDK say alike: finish reasons, usage and tool calls.

Source: the ai package, versions 4 to 7 (``FinishReason``, ``LanguageModelUsage``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from tokenwire.dialects.kit.call_arguments import CallArguments
from tokenwire.dialects.kit.numbered_calls import NumberedCalls
from tokenwire.dialects.kit.one_choice import OneChoice
from tokenwire.dialects.kit.payloads import MAX_INDEX, json_text, malformed
from tokenwire.events import Data, Event, Finished, Reason, ToolCall, Usage
from tokenwire.frame import Frame

FINISH_REASONS: Final[Mapping[str, Reason]] = {
    "stop": "stop",
    "length": "length",
    "content-filter": "content_filter",
    "tool-calls": "tool_calls",
    "error": "error",
    "interrupted": "error",  # the model's own stream broke off, so the answer is cut
    "abort": "cancelled",  # the type of an event, where the stream says it
}
"""Anything else is ``other``, as ``other`` and ``unknown`` are."""


UNTOLD: Final = frozenset({None, "other", "unknown"})
"""What a finish says that does not know why the answer ended."""


class InputDetails(Struct, rename="camel"):
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None


class OutputDetails(Struct, rename="camel"):
    reasoning_tokens: int | None = None


class UsageWire(Struct, rename="camel"):
    """Counts in all the names that the versions gave them."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_input_tokens: int | None = None
    input_token_details: InputDetails | None = None
    output_token_details: OutputDetails | None = None
    prompt_tokens: int | None = None  # until version 4
    completion_tokens: int | None = None


_NO_INPUT: Final = InputDetails()
_NO_OUTPUT: Final = OutputDetails()


def read_usage(value: Any, frame: Frame, *, final: bool) -> list[Usage]:
    """The counts in this value, if it is an object that has some."""
    try:
        wire = msgspec.convert(value, UsageWire, strict=False)
    except (ValueError, RecursionError):
        return []
    came = wire.input_token_details or _NO_INPUT
    went = wire.output_token_details or _NO_OUTPUT
    usage = Usage(
        _first(wire.input_tokens, wire.prompt_tokens),
        _first(wire.output_tokens, wire.completion_tokens),
        wire.total_tokens,
        _first(went.reasoning_tokens, wire.reasoning_tokens),
        _first(came.cache_read_tokens, wire.cached_input_tokens),
        came.cache_write_tokens,
        final=final,
        frame=frame,
    )
    return [] if usage == Usage(final=final) else [usage]


def _first(one: int | None, other: int | None) -> int | None:
    return other if one is None else one


class Calls:
    """Tool calls that begin, come in pieces, and end with the whole input, which is not doubled.

    A call may also come whole, without a beginning. One that is not ended is never complete, nor is
    one whose pieces are no beginning of the whole.
    """

    __slots__ = ("_arguments", "_asked", "_numbered")

    def __init__(self) -> None:
        self._numbered = NumberedCalls()
        self._arguments = CallArguments()
        self._asked: dict[str, None] = {}  # ids of complete calls that nobody answered yet

    @property
    def wait(self) -> bool:
        """There are calls that the client is to run."""
        return bool(self._asked)

    def begin(
        self, id: str, name: str | None, frame: Frame, *, executed: bool = False
    ) -> Sequence[Event]:
        """A call begins; one that was open under this id is void."""
        self.void(id)
        if self._numbered.full:
            return (malformed(frame, f"more than {MAX_INDEX} tool calls are open"),)
        key = self._numbered.open(id)
        return (
            ToolCall(key, 0, id or None, name or None, provider_executed=executed, frame=frame),
        )

    def add(self, id: str, piece: str, frame: Frame) -> Sequence[Event]:
        """A piece of an open call's input."""
        key = self._numbered.get(id)
        if key is None or not piece:
            return ()
        self._arguments.add(key, piece)
        return (ToolCall(key, arguments=piece, frame=frame),)

    def end(
        self, id: str, name: str | None, value: Any, frame: Frame, *, executed: bool = False
    ) -> Sequence[Event]:
        """A call is complete with this input."""
        if not executed and len(self._asked) < MAX_INDEX:
            self._asked[id] = None
        arguments = json_text({} if value is None else value)
        key = self._numbered.get(id)
        if key is None:
            key = self._numbered.open(id)
            self.void(id)
            named = (id or None, name or None)
            return (ToolCall(key, 0, *named, arguments, True, executed, frame=frame),)
        rest = self._arguments.complete(key, arguments)
        whole = self._arguments.close(key)
        self.void(id)
        said: list[Event] = [ToolCall(key, 0, None, None, rest, whole, executed, frame=frame)]
        if not whole:
            said.append(Data("tool-input", value, frame=frame))  # the only whole one there is
        return said

    def answer(self, id: str, frame: Frame) -> Sequence[Event]:
        """A result came: if the call is open, it was complete, and the service ran it."""
        key = self._numbered.get(id)
        whole = key is not None and self._arguments.close(key)
        self.void(id)
        self._asked.pop(id, None)
        if key is None or not whole:
            return ()
        return (ToolCall(key, complete=True, provider_executed=True, frame=frame),)

    def void(self, id: str) -> None:
        """Forget an open call."""
        self._arguments.close(self._numbered.close(id) or "")

    def void_all(self) -> None:
        """Forget all calls."""
        self._numbered.close_all()
        self._arguments = CallArguments()
        self._asked.clear()

    def finish(self, raw: str | None, choice: OneChoice, frame: Frame) -> list[Event]:
        """`Finished`, where the stream says that the answer is over.

        Versions before 5.1 and other servers give no reason, for an error or an abort has an event
        of its own: it is a stop then, or the calls wait to be run.
        """
        finished: list[Event] = choice.finish(raw, frame)
        if raw is None and finished:
            choice.reason = "tool_calls" if self.wait else "stop"
            finished = [Finished(0, choice.reason, None, frame=frame)]
        return finished
