"""What stands on the wire of Anthropic's Messages API: schemas, words and counts.

How they are read into events is decided in `messages` and `messages_blocks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from msgspec import Struct, field

from tokenwire.events import Reason


class DetailsWire(Struct, gc=False):
    thinking_tokens: int | None = None


class UsageWire(Struct, gc=False, forbid_unknown_fields=True):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: DetailsWire | None = None
    # The same counts in parts, and what is no count of tokens: not reported.
    cache_creation: Any = None
    inference_geo: Any = None
    iterations: Any = None
    server_tool_use: Any = None
    service_tier: Any = None
    speed: Any = None


class MessageWire(Struct, gc=False, forbid_unknown_fields=True):
    id: str | None = None
    model: str | None = None
    usage: UsageWire | None = None
    content: list[Any] | str | None = None  # of calls that a program made, and at some gateways
    stop_reason: str | None = None
    stop_details: Any = None
    container: Any = None
    context_management: Any = None
    # The same in every message: not reported.
    type: Any = None
    role: Any = None
    stop_sequence: Any = None


class DeltaWire(Struct, gc=False, forbid_unknown_fields=True):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | list[Any] | dict[str, Any] | None = None  # some send it as an object
    citation: Any = None
    content: Any = None  # of a compaction
    encrypted_content: Any = None
    stop_reason: str | None = None
    stop_details: Any = None
    container: Any = None
    stop_sequence: Any = None  # not reported: the text ends before it


class EventWire(Struct, gc=False, forbid_unknown_fields=True):
    type: str | None = None
    index: int = 0
    delta: DeltaWire | None = None
    content_block: Any = None  # many shapes; passed on whole where it is data
    message: MessageWire | None = None
    usage: UsageWire | None = None
    context_management: Any = None
    error: Any = None
    completion: str | None = None  # this and the rest: of a text completion
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    # Not reported: ids for support, and what `bedrock-invoke` reads itself.
    log_id: Any = None
    request_id: Any = None
    stop: Any = None
    guardrail: Any = field(default=None, name="amazon-bedrock-guardrailAction")
    metrics: Any = field(default=None, name="amazon-bedrock-invocationMetrics")
    trace: Any = field(default=None, name="amazon-bedrock-trace")


STOP_REASONS: Final[Mapping[str, Reason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "compaction": "pause",
    "refusal": "refusal",
}
"""Anything else is ``other``."""

TOOL_BLOCKS: Final = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
"""Types of blocks that are calls of tools."""

Counts: TypeAlias = tuple[int | None, int | None, None, int | None, int | None, int | None]
NO_COUNTS: Final[Counts] = (None, None, None, None, None, None)
ZERO_COUNTS: Final[Counts] = (0, 0, None, None, None, None)
"""A request has at least one token: a start that counts none does not know yet."""


def counts_of(wire: UsageWire) -> Counts:
    """The counts in the order of `Usage`."""
    details = wire.output_tokens_details
    return (
        wire.input_tokens,
        wire.output_tokens,
        None,
        None if details is None else details.thinking_tokens,
        wire.cache_read_input_tokens,
        wire.cache_creation_input_tokens,
    )


def kind_of(delta: DeltaWire) -> str | None:
    """The type of a delta that does not name it, by the field that it has."""
    fields = {"text": "text_delta", "thinking": "thinking_delta", "signature": "signature_delta"}
    fields["partial_json"] = "input_json_delta"
    return next((kind for name, kind in fields.items() if getattr(delta, name)), None)
