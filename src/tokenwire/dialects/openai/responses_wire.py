"""The wire of the Responses API as Structs, and its words."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import Any, Final

from msgspec import Raw, Struct

from tokenwire.dialects.kit.errors import read_error
from tokenwire.dialects.kit.fields import Fields
from tokenwire.dialects.kit.payloads import MAX_INDEX, MalformedError, is_mapping
from tokenwire.events import Data, Error, Event, Heartbeat, Reason, Reasoning, Usage
from tokenwire.frame import Frame

_NOTHING: Final = Raw()


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


class ResponseWire(Struct, gc=False, forbid_unknown_fields=True):
    # In the order of the wire, in which they are found soonest. What the request asked for, and
    # what says nothing of the answer, is not reported; what may be large there is not even decoded.
    id: str | None = None
    object: Any = None
    created_at: Any = None
    status: str | None = None
    background: Any = None
    completed_at: Any = None
    content_filters: Any = None  # Azure
    error: Any = None
    frequency_penalty: Any = None
    incomplete_details: IncompleteWire | None = None
    instructions: Raw = _NOTHING
    max_output_tokens: Any = None
    max_tool_calls: Any = None
    model: str | None = None
    moderation: Any = None
    output: list[Any] | dict[str, Any] | None = None
    parallel_tool_calls: Any = None
    presence_penalty: Any = None
    previous_response_id: Any = None
    prompt_cache_key: Any = None
    prompt_cache_retention: Any = None
    reasoning: Raw = _NOTHING
    safety_identifier: Any = None
    service_tier: Any = None
    store: Any = None
    temperature: Any = None
    text: Raw = _NOTHING
    tool_choice: Raw = _NOTHING
    tool_usage: Raw = _NOTHING  # in `usage` too
    tools: Raw = _NOTHING
    top_logprobs: Any = None
    top_p: Any = None
    truncation: Any = None
    usage: UsageWire | None = None
    user: Any = None
    metadata: Raw = _NOTHING
    # Of single services.
    access_programs: Raw = _NOTHING
    billing: Raw = _NOTHING
    conversation: Raw = _NOTHING
    cost: Raw = _NOTHING
    debug_output: Raw = _NOTHING
    image: Raw = _NOTHING
    input_transformations: Raw = _NOTHING
    output_text: Raw = _NOTHING  # the texts of the output once more
    prompt: Raw = _NOTHING
    prompt_cache_diagnostics: Raw = _NOTHING
    prompt_cache_options: Raw = _NOTHING


class EventWire(Struct, gc=False, forbid_unknown_fields=True):
    # Those of nearly all events come first, where they are found soonest.
    type: str | None = None
    sequence_number: int | None = None
    response: ResponseWire | None = None
    item_id: str | None = None
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    item: Any = None
    part: Any = None
    delta: str | list[Any] | dict[str, Any] | None = None
    text: str | list[Any] | dict[str, Any] | None = None
    arguments: str | list[Any] | dict[str, Any] | None = None
    logprobs: list[Any] | None = None
    obfuscation: str | None = None
    call_id: str | None = None
    name: str | None = None
    refusal: str | None = None
    input: str | list[Any] | dict[str, Any] | None = None
    annotation: Any = None
    partial_image_b64: Any = None
    error: Any = None
    message: Any = None
    code: Any = None
    # A response that stands in the place of its event: some gateways send it so.
    id: str | None = None
    model: str | None = None
    status: str | None = None
    output: list[Any] | dict[str, Any] | None = None
    usage: UsageWire | None = None
    incomplete_details: IncompleteWire | None = None
    # Perplexity's steps of thinking.
    thought: str | None = None
    queries: Any = None
    results: Any = None
    urls: Any = None
    contents: Any = None
    # Numbers, padding, and what other events repeat: not reported.
    annotation_index: Any = None
    background: Any = None
    command: Any = None
    command_index: Any = None
    created_at: Any = None
    event_id: Any = None
    object: Any = None
    output_format: Any = None
    param: Any = None
    partial_image_index: Any = None
    quality: Any = None
    size: Any = None


INCOMPLETE_REASONS: Final[Mapping[str, Reason]] = {
    "max_output_tokens": "length",
    "max_messages": "length",
    "content_filter": "content_filter",
    "steered": "cancelled",
}
"""Anything else is ``other``."""

CALLS: Final = ("function_call", "custom_tool_call", "mcp_call")
"""Items that are calls."""

# Tools of xAI that it runs itself, though their calls look like calls of the client's own tools.
_XAI_TOOLS: Final = frozenset(
    {
        "view_image",
        "view_x_video",
        "x_keyword_search",
        "x_semantic_search",
        "x_thread_fetch",
        "x_user_search",
    }
)

# Items that ask the client to do something, besides calls.
_ASKING: Final = frozenset(
    {"apply_patch_call", "computer_call", "local_shell_call", "mcp_approval_request"}
)

IN_ITEM: Final = Fields(
    words={"type", "status"},
    texts={"id", "call_id", "name"},
    lists={"content", "summary"},
    others={
        *("role", "phase", "encrypted_content", "arguments", "input", "output", "error"),
        *("server_label", "approval_request_id", "created_by", "format", "async"),
    },
)
"""Fields of messages, thoughts and calls."""

IN_PART: Final = Fields(
    words={"type"},
    texts={"text", "refusal"},
    lists={"annotations"},
    others={"logprobs"},
)
"""Fields of the parts of a message."""

# Deltas of what is not text, passed on by name; their `.done` and the item repeat them.
DATA_DELTAS: Final = frozenset(
    {
        "response.apply_patch_call_operation_diff.delta",
        "response.mcp_call_output.delta",  # xAI
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
        "response.reasoning_part.added",
        "response.reasoning_part.done",
        "response.reasoning_summary_part.added",
        "response.shell_call_command.added",
    }
)

# Work of the service on a tool call of its own: ``response.web_search_call.searching``.
WORKING: Final = (
    "_call.in_progress",
    "_call.searching",
    "_call.interpreting",
    "_call.generating",
    "_call.executing",  # xAI
    "_call.completed",
    "_call.failed",
    "mcp_list_tools.in_progress",
    "mcp_list_tools.completed",
    "mcp_list_tools.failed",
    "compaction.compacting",
)

WHOLE: Final = frozenset({"completed", "incomplete", "failed", "cancelled"})
"""How a response ends, where it comes as one document."""

DATA_IN_RESPONSE: Final = ("content_filters", "moderation")
"""Fields of a response that are no echo of its request."""

STEP_FIELDS: Final = ("queries", "results", "urls", "contents")
"""What Perplexity's steps of thinking bring, beside a thought."""

PREFIX: Final = "response."


def item_type_in(item: Mapping[str, Any]) -> str:
    """What an item says it is."""
    said = item.get("type")
    return said if isinstance(said, str) and said else "item"


def is_served(item_type: str, item: Mapping[str, Any]) -> bool:
    """Does the service run this call itself?"""
    if item_type != "custom_tool_call":
        return item_type == "mcp_call"
    call_id = item.get("call_id")
    made_by_xai = isinstance(call_id, str) and call_id.startswith("xs_")
    return made_by_xai or item.get("name") in _XAI_TOOLS


def asks_the_client(item_type: str, item: Mapping[str, Any]) -> bool:
    """Is this an item, and no call, after which the client must act?"""
    match item_type:
        case "shell_call":
            place = item.get("environment")
            kind = place.get("type") if is_mapping(place) else None
            return not (isinstance(kind, str) and kind.startswith("container"))
        case "tool_search_call":
            return item.get("execution") == "client"
        case _:
            return item_type in _ASKING


def item_type_of(kind: str) -> str:
    """The item that an event about arguments is about."""
    return next(item_type for item_type in CALLS if kind.startswith(f"{PREFIX}{item_type}_"))


def vendor_error(wire: EventWire, frame: Frame) -> Error:
    """The error of an event: nested, as the wire has it, or flat, as the specification does."""
    flat = {"message": wire.message, "code": wire.code}
    said = wire.error or (flat if wire.message or wire.code else None)
    return read_error(said).event(frame)


def response_in(wire: EventWire) -> ResponseWire:
    """The response of an event; some gateways send it in the event's place."""
    return wire.response or ResponseWire(
        id=wire.id,
        model=wire.model,
        status=wire.status,
        output=wire.output,
        usage=wire.usage,
        error=wire.error,
        incomplete_details=wire.incomplete_details,
    )


def step_events(wire: EventWire, name: str, frame: Frame) -> list[Event]:
    """A step of Perplexity's thinking: what it thought, what it searched and found."""
    events: list[Event] = []
    if wire.thought:
        events.append(Reasoning(wire.thought, frame=frame))
    said = {what: value for what in STEP_FIELDS if (value := getattr(wire, what))}
    if said:
        events.append(Data(name, said, frame=frame))
    return events or [Heartbeat(f"{PREFIX}{name}", frame=frame)]


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
