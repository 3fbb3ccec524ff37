"""The wire of the Responses API as Structs, and its words."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import Any, Final

from msgspec import Struct

from tokenwire.dialects.vendor_errors import read_error
from tokenwire.dialects.wire import MAX_INDEX, MalformedError
from tokenwire.events import Error, Reason, Usage
from tokenwire.frame import Frame


class DetailsWire(Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class UsageWire(Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input_tokens_details: DetailsWire | None = None
    output_tokens_details: DetailsWire | None = None


class IncompleteWire(Struct, gc=False):
    reason: str | None = None


class ResponseWire(Struct, gc=False):
    id: str | None = None
    model: str | None = None
    status: str | None = None
    output: Any = None
    usage: UsageWire | None = None
    error: Any = None
    incomplete_details: IncompleteWire | None = None


class EventWire(Struct, gc=False):
    type: str | None = None
    output_index: int | None = 0
    content_index: int | None = 0
    summary_index: int | None = 0
    delta: Any = None
    item: Any = None  # many shapes; handed on whole where it is data
    part: Any = None
    text: Any = None
    refusal: Any = None
    arguments: Any = None
    input: Any = None
    annotation: Any = None
    partial_image_b64: Any = None
    response: ResponseWire | None = None
    error: Any = None
    message: Any = None
    code: Any = None


class SequenceWire(Struct, gc=False):
    sequence_number: int | None = None


INCOMPLETE_REASONS: Final[Mapping[str, Reason]] = {
    "max_output_tokens": "length",
    "max_messages": "length",
    "content_filter": "content_filter",
    "steered": "cancelled",
}
"""Anything else is ``other``."""

# Items that are calls, and whether the service runs them itself.
CALLS: Final = {"function_call": False, "custom_tool_call": False, "mcp_call": True}

# Deltas of what is not text, told on by name; their `.done` and the item repeat them.
DATA_DELTAS: Final = frozenset(
    {
        "response.apply_patch_call_operation_diff.delta",
        "response.audio.delta",
        "response.audio.transcript.delta",
        "response.code_interpreter_call_code.delta",
        "response.shell_call_command.delta",
        "response.shell_call_output_content.delta",
    }
)

# What opens, closes or repeats something that other events say.
SILENT: Final = frozenset(
    {
        *(f"{name.removesuffix('delta')}done" for name in DATA_DELTAS),
        "response.content_part.added",
        "response.reasoning_part.added",
        "response.reasoning_part.done",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_part.done",
        "response.shell_call_command.added",
    }
)

# Work of the service on a tool call of its own: ``response.web_search_call.searching``.
WORKING: Final = (
    "_call.in_progress",
    "_call.searching",
    "_call.interpreting",
    "_call.generating",
    "_call.completed",
    "_call.failed",
    "mcp_list_tools.in_progress",
    "mcp_list_tools.completed",
    "mcp_list_tools.failed",
    "compaction.compacting",
)

PREFIX: Final = "response."


def item_type_in(item: Mapping[str, Any]) -> str:
    """What an item says it is."""
    said = item.get("type")
    return said if isinstance(said, str) and said else "item"


def item_type_of(kind: str) -> str:
    """The item that an event about arguments is about."""
    return next(item_type for item_type in CALLS if kind.startswith(f"{PREFIX}{item_type}_"))


def vendor_error(wire: EventWire, frame: Frame) -> Error:
    """The error of an event: nested, as the wire has it, or flat, as the specification does."""
    flat = {"message": wire.message, "code": wire.code}
    said = wire.error or (flat if wire.message or wire.code else None)
    return read_error(said).event(frame)


def usage_of(wire: UsageWire, frame: Frame) -> Usage:
    """The counts of a terminal event."""
    read = wire.input_tokens_details or DetailsWire()
    written = wire.output_tokens_details or DetailsWire()
    return Usage(
        wire.input_tokens,
        wire.output_tokens,
        wire.total_tokens,
        written.reasoning_tokens,
        read.cached_tokens,
        read.cache_write_tokens,
        final=True,
        frame=frame,
    )


def check_room(held: Sized, what: str) -> None:
    """Bound what a hostile server could make a decoder hold by naming ever new indices.

    Raises:
        MalformedError: There is no room for one more.
    """
    if len(held) >= MAX_INDEX:
        raise MalformedError(f"there are more than {MAX_INDEX} {what}")
