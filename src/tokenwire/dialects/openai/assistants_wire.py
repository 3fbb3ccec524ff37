"""The wire of the Assistants API as Structs, and its words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from tokenwire.events import Reason


class TextWire(Struct, gc=False):
    value: str | None = None
    annotations: list[Any] | None = None


class ContentWire(Struct, gc=False):
    index: int | None = None
    type: str | None = None
    text: TextWire | None = None
    refusal: str | None = None
    image_file: Any = None
    image_url: Any = None


class FunctionWire(Struct, gc=False):
    name: str | None = None
    arguments: str | None = None
    output: Any = None


class InterpreterWire(Struct, gc=False):
    input: str | None = None
    outputs: Any = None


class CallWire(Struct, gc=False):
    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: FunctionWire | None = None
    code_interpreter: InterpreterWire | None = None
    file_search: Any = None


class StepDetailsWire(Struct, gc=False):
    tool_calls: list[CallWire] | None = None


class DeltaWire(Struct, gc=False):
    content: list[ContentWire] | None = None
    step_details: StepDetailsWire | None = None


class PromptDetailsWire(Struct, gc=False):
    cached_tokens: int | None = None


class CompletionDetailsWire(Struct, gc=False):
    reasoning_tokens: int | None = None


class UsageWire(Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_token_details: PromptDetailsWire | None = None  # one "s" less than elsewhere
    completion_tokens_details: CompletionDetailsWire | None = None


class EventWire(Struct, gc=False):
    """A run, a step, a message, or a delta of one of them."""

    id: str | None = None
    object: str | None = None
    model: str | None = None
    status: str | None = None
    delta: DeltaWire | None = None
    usage: UsageWire | None = None
    content: list[ContentWire] | None = None
    required_action: Any = None
    incomplete_details: Any = None
    last_error: Any = None
    error: Any = None


STATUSES: Final[Mapping[str, Reason]] = {
    "completed": "stop",
    "requires_action": "tool_calls",
    "incomplete": "length",
    "cancelled": "cancelled",
    "expired": "cancelled",
    "failed": "error",
}
"""Anything else is ``other``."""

DETAILS: Final[Mapping[str, Reason]] = {
    "content_filter": "content_filter",
    "refusal": "refusal",
    "pause": "pause",
    "other": "other",
}
"""Of ``incomplete_details``: the first as in OpenAI's other wires, the others as they are written
here, for no status says them. Anything else is a limit that was met."""
