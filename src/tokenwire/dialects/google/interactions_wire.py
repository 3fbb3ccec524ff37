"""The wire of Gemini's Interactions API as Structs, and its words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from tokenwire.dialects.kit.fields import Fields
from tokenwire.events import Reason, Usage
from tokenwire.frame import Frame


class UsageWire(Struct, gc=False, forbid_unknown_fields=True):
    total_input_tokens: int | None = None
    total_output_tokens: int | None = None
    total_tokens: int | None = None
    total_thought_tokens: int | None = None
    total_cached_tokens: int | None = None
    # The same counts in parts, and what is no count of tokens: not told.
    cached_tokens_by_modality: Any = None
    grounding_tool_count: Any = None
    input_tokens_by_modality: Any = None
    output_tokens_by_modality: Any = None
    tool_use_tokens_by_modality: Any = None
    total_tool_use_tokens: Any = None


class MetadataWire(Struct, gc=False, forbid_unknown_fields=True):
    total_usage: UsageWire | None = None  # as the SDK has it
    usage: UsageWire | None = None  # as it is sent


class InteractionWire(Struct, gc=False, forbid_unknown_fields=True):
    id: str | None = None
    model: str | None = None
    agent: str | None = None
    status: str | None = None
    usage: UsageWire | None = None
    continuation_token: str | None = None
    error: Any = None
    steps: list[Any] | None = None
    outputs: list[Any] | None = None  # what they were called before
    # What the request asked for, and what says nothing of the answer: not told.
    created: Any = None
    environment_id: Any = None
    object: Any = None
    previous_interaction_id: Any = None
    role: Any = None
    service_tier: Any = None
    updated: Any = None


class EventWire(Struct, gc=False, forbid_unknown_fields=True):
    event_type: str | None = None
    index: int | None = 0
    step: Any = None  # many shapes; handed on whole where it is data
    content: Any = None  # the same before there were steps
    delta: Any = None
    interaction: InteractionWire | None = None
    interaction_id: str | None = None
    status: str | None = None
    usage: UsageWire | None = None
    metadata: MetadataWire | None = None
    continuation_token: str | None = None
    error: Any = None
    event_id: str | None = None  # read by itself, see below


class EventIdWire(Struct, gc=False):
    event_id: str | None = None


STATUSES: Final[Mapping[str, Reason]] = {
    "completed": "stop",
    "requires_action": "tool_calls",
    "incomplete": "length",
    "budget_exceeded": "length",
    "requires_continuation": "pause",
    "cancelled": "cancelled",
    "failed": "error",
}
"""Anything else is ``other``."""

ENDS: Final = {
    "interaction.completed": None,
    "interaction.incomplete": "incomplete",
    "interaction.cancelled": "cancelled",
    "interaction.failed": "failed",
}
"""Events that end an answer, and the status where they say none."""

IN_STEP: Final = Fields(
    words={"type"},
    texts={"id", "name", "text", "signature"},
    lists={"content", "summary", "annotations"},
    others={"arguments", "partial_arguments", "error", "server_name"},
)
"""Fields of steps and deltas that are told piece by piece."""

# What events were called before there were steps.
FORMER_NAMES: Final = {
    "interaction.start": "interaction.created",
    "interaction.complete": "interaction.completed",
    "content.start": "step.start",
    "content.delta": "step.delta",
    "content.stop": "step.stop",
}

MEDIA: Final = frozenset({"audio", "document", "image", "video"})


def usage_of(wire: UsageWire, frame: Frame, *, final: bool = False) -> Usage:
    """The counts of an event."""
    return Usage(
        wire.total_input_tokens,
        wire.total_output_tokens,
        wire.total_tokens,
        wire.total_thought_tokens,
        wire.total_cached_tokens,
        final=final,
        frame=frame,
    )
