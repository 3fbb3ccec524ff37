"""The wire of Gemini's Interactions API as Structs, and its words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from tokenwire.events import Reason, Usage
from tokenwire.frame import Frame


class UsageWire(Struct, gc=False):
    total_input_tokens: int | None = None
    total_output_tokens: int | None = None
    total_tokens: int | None = None
    total_thought_tokens: int | None = None
    total_cached_tokens: int | None = None


class MetadataWire(Struct, gc=False):
    total_usage: UsageWire | None = None  # as the SDK has it
    usage: UsageWire | None = None  # as it is sent


class InteractionWire(Struct, gc=False):
    id: str | None = None
    model: str | None = None
    agent: str | None = None
    status: str | None = None
    usage: UsageWire | None = None
    continuation_token: str | None = None
    error: Any = None


class EventWire(Struct, gc=False):
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
