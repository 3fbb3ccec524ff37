"""Every count that a service sent: is it in `Usage`, or on the list of those that are not?

A wire's own names are looked for in the raw payloads, so that a count that no struct names cannot
be overlooked by the judge as it was by the decoder.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from tokenwire.dialects.kit.payloads import is_list, is_mapping
from tokenwire.events import Data, Event, Usage
from tokenwire.frame import Frame

ROOTS: Final = frozenset(
    {
        *(
            "usage",
            "totalUsage",
            "usageMetadata",
            "usage_metadata",
            "amazon-bedrock-invocationMetrics",
        ),
        *("prompt_eval_count", "eval_count"),
    }
)
"""Under these names services send counts."""

COUNTED: Final = {
    "input_tokens": (
        *("prompt_tokens", "input_tokens", "inputTokens", "promptTokens", "prompt_eval_count"),
        *("promptTokenCount", "inputTokenCount", "total_input_tokens", "tokens.input_tokens"),
        *("prompt_token_count", "input_count"),
    ),
    "output_tokens": (
        *("completion_tokens", "output_tokens", "outputTokens", "completionTokens", "eval_count"),
        *("candidatesTokenCount", "outputTokenCount", "total_output_tokens"),
        *("tokens.output_tokens", "candidates_token_count", "output_count"),
    ),
    "total_tokens": (
        *("total_tokens", "totalTokens", "totalTokenCount", "total_token_count", "token_count"),
    ),
    "reasoning_tokens": (
        *("completion_tokens_details.reasoning_tokens", "output_tokens_details.reasoning_tokens"),
        *("output_tokens_details.thinking_tokens", "tokens.reasoning_tokens", "reasoningTokens"),
        *("thoughtsTokenCount", "thoughts_token_count", "total_thought_tokens"),
        *("outputTokenDetails.reasoningTokens", "output_token_details.reasoning"),
    ),
    "cache_read_tokens": (
        *("prompt_tokens_details.cached_tokens", "input_tokens_details.cached_tokens"),
        *("prompt_token_details.cached_tokens", "cache_read_input_tokens", "cachedInputTokens"),
        *("cacheReadInputTokens", "cacheReadInputTokenCount", "cachedContentTokenCount"),
        *("total_cached_tokens", "cached_tokens", "prompt_cache_hit_tokens"),
        *("inputTokenDetails.cacheReadTokens", "input_token_details.cache_read"),
    ),
    "cache_write_tokens": (
        *("prompt_tokens_details.cache_write_tokens", "input_tokens_details.cache_write_tokens"),
        *("cache_creation_input_tokens", "cacheWriteInputTokens", "cacheWriteInputTokenCount"),
        *("inputTokenDetails.cacheWriteTokens",),
    ),
}
"""Paths below a root that `Usage` has a field for."""

NOT_COUNTED: Final = {
    "parts of a count that is in Usage, by kind of token": (
        *("audio_tokens", "image_tokens", "text_tokens", "video_tokens", "textTokens"),
        *("accepted_prediction_tokens", "rejected_prediction_tokens", "noCacheTokens"),
        *("prompt_cache_miss_tokens", "ephemeral_1h_input_tokens", "ephemeral_5m_input_tokens"),
        *("[].tokenCount", "[].tokens", "toolUsePromptTokenCount", "total_tool_use_tokens"),
        *("audio", "draft_tokens"),
    ),
    "the same counts once more: of each pass, or what the vendor bills": (
        *("iterations.[].input_tokens", "iterations.[].output_tokens"),
        *("iterations.[].cache_creation_input_tokens", "iterations.[].cache_read_input_tokens"),
        *("context_details.input_tokens", "context_details.output_tokens"),
        *("billed_units.input_tokens", "billed_units.output_tokens"),
    ),
    "a name that is written as a number": ("[].modality",),
    "money": (
        *("cost", "estimated_cost", "market_cost", "cost_in_usd_ticks", "cost_in_nano_usd"),
        *("input_tokens_cost", "output_tokens_cost", "request_cost", "total_cost"),
        *("upstream_inference_cost", "upstream_inference_prompt_cost"),
        *("upstream_inference_completions_cost", "upstream_inference_input_cost"),
        *("upstream_inference_output_cost",),
    ),
    "time": (
        *("completion_time", "prompt_time", "queue_time", "total_time", "latencyMs", "latency"),
        *("firstByteLatency", "invocationLatency", "tokens_per_second"),
        *("prompt_tokens_per_second", "time_per_output_token_ms", "time_to_first_token_ms"),
        *("prompt_price", "draft_tokens_acceptance"),
    ),
    "uses of tools and of guardrails": (
        *("web_fetch_requests", "web_search_requests", "num_sources_used"),
        *("num_server_side_tools_used", "tool_calls_executed", "tool_calls_requested"),
        *("contentPolicyUnits", "contextualGroundingPolicyUnits", "topicPolicyUnits"),
        *("sensitiveInformationPolicyFreeUnits", "sensitiveInformationPolicyUnits"),
        *("wordPolicyUnits", "contentPolicyImageUnits", "automatedReasoningPolicyUnits"),
        *("automatedReasoningPolicies", "search_units", "classifications"),
    ),
}
"""Ends of paths below a root that are not in `Usage`, by the reason."""

_OTHERS: Final = frozenset({"providerMetadata", "provider_metadata"})
"""What stands under these is another service's, after the one that answers."""

_NOT_COUNTED: Final = tuple(end for ends in NOT_COUNTED.values() for end in ends)


def uncounted(frames: Iterable[Frame], events: Iterable[Event]) -> Iterator[str]:
    """The counts in these frames that no `Usage` among the events has."""
    told: list[Usage] = []
    shown: set[tuple[str, int | float]] = set()  # whole, in the vendor's own words
    for event in events:
        if isinstance(event, Usage):
            told.append(event)
        elif isinstance(event, Data):
            shown |= {(path.rpartition(".")[2], number) for path, number in _all(event.value)}
    sent: dict[str, int | float] = {}
    for frame in frames:
        sent.update(_counts_in(_payload(frame.data or b""), ""))
    for path, number in sent.items():
        if (path.rpartition(".")[2], number) in shown:
            continue
        field = next((name for name, paths in COUNTED.items() if path in paths), None)
        if field is not None:
            if not any(getattr(usage, field) == number for usage in told):
                yield f"counts: {path} is {number}, and no Usage has it as its {field}"
        elif not any(path == end or path.endswith(f".{end}") for end in _NOT_COUNTED):
            yield f"counts: {path} is {number}: neither in Usage nor on the list of what is not"


def _payload(data: bytes) -> Any:
    """The JSON value of a frame; Amazon wraps some models' own in base64."""
    try:
        value = json.loads(data)
        if is_mapping(value) and isinstance(value.get("bytes"), str):
            return json.loads(base64.b64decode(value["bytes"]))
    except (ValueError, RecursionError, binascii.Error):
        return None
    return value


def _all(value: Any) -> Iterator[tuple[str, Any]]:
    """All numbers in a value, and their paths."""
    return _counts_in(value, "", inside=True)


def _counts_in(value: Any, path: str, *, inside: bool = False) -> Iterator[tuple[str, Any]]:
    if is_mapping(value):
        for name, one in value.items():
            if name in _OTHERS:
                continue
            root = not inside and name in ROOTS
            below = "" if root and not _is_number(one) else f"{path}.{name}".lstrip(".")
            yield from _counts_in(one, below if inside or root else "", inside=inside or root)
    elif is_list(value):
        for one in value:
            yield from _counts_in(one, f"{path}.[]" if inside else "", inside=inside)
    elif inside and _is_number(value):
        yield path, value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
