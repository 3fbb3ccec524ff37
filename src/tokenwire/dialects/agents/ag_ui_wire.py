"""What stands on AG-UI's wire: schemas, outcomes, events that are data, and counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from tokenwire.events import Event, Reason, Usage
from tokenwire.frame import Frame


class UsageWire(Struct, rename="camel", gc=False):
    """Of one model; those of several add up."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None


class EventWire(Struct, rename="camel"):
    """All events in one, as far as they are no data."""

    type: str | None = None
    run_id: str | None = None
    message_id: str | None = None
    role: str | None = None
    tool_call_id: str | None = None
    tool_call_name: str | None = None
    delta: Any = None  # text; a JSON Patch in STATE_DELTA
    subtype: str | None = None
    entity_id: str | None = None
    encrypted_value: str | None = None
    result: Any = None
    outcome: Any = None
    usage: list[UsageWire] | None = None
    message: str | None = None
    code: str | None = None


OUTCOMES: Final[Mapping[str, Reason]] = {
    "success": "stop",
    "interrupt": "pause",
    "cancelled": "cancelled",
}
"""Anything else is ``other``; no outcome means success."""

DATA_EVENTS: Final = frozenset(
    {
        "ACTIVITY_DELTA",
        "ACTIVITY_SNAPSHOT",
        "CUSTOM",
        "MESSAGES_SNAPSHOT",
        "RAW",
        "STATE_DELTA",
        "STATE_SNAPSHOT",
        "STEP_FINISHED",
        "STEP_STARTED",
        "SUBAGENT_FINISHED",
        "SUBAGENT_STARTED",
        "TOOL_CALL_RESULT",
    }
)
"""Passed on whole."""


def usage_of(wire: EventWire, frame: Frame) -> list[Event]:
    """The counts of all models together; none where none are counted."""
    counts = wire.usage or []
    if not counts:
        return []
    return [
        Usage(
            _sum(one.input_tokens for one in counts),
            _sum(one.output_tokens for one in counts),
            _sum(one.total_tokens for one in counts),
            _sum(one.reasoning_tokens for one in counts),
            _sum(one.cached_input_tokens for one in counts),
            _sum(one.cache_write_input_tokens for one in counts),
            final=True,
            frame=frame,
        )
    ]


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [n for n in counts if n is not None]
    return sum(known) if known else None
