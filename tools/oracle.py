"""Compare a `Completion` with what another reader of the same bytes made of them.

Two kinds of witness: a vendor's own SDK (`against_sdk`), and a server that was asked to send
something (`against_request`).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any, Final

from tokenwire.completion import Choice, Completion
from tokenwire.dialects.kit.payloads import is_mapping
from tokenwire.events import Usage

# What SDKs call the counts of `Usage`; the first that an oracle has is compared.
COUNTS: Final = {
    "input_tokens": (
        *("prompt_tokens", "tokens.input_tokens", "input_tokens", "prompt_eval_count"),
        *("inputTokens", "promptTokenCount", "prompt_token_count", "total_input_tokens"),
    ),
    "output_tokens": (
        *("completion_tokens", "tokens.output_tokens", "output_tokens", "eval_count"),
        *("outputTokens", "candidatesTokenCount", "candidates_token_count", "total_output_tokens"),
    ),
    "total_tokens": ("total_tokens", "totalTokens", "totalTokenCount", "total_token_count"),
    "reasoning_tokens": (
        *("completion_tokens_details.reasoning_tokens", "output_tokens_details.reasoning_tokens"),
        *("output_tokens_details.thinking_tokens", "tokens.reasoning_tokens"),
        *("thoughtsTokenCount", "thoughts_token_count", "total_thought_tokens"),
    ),
    "cache_read_tokens": (
        *("prompt_tokens_details.cached_tokens", "input_tokens_details.cached_tokens"),
        *("prompt_token_details.cached_tokens",),
        *("cache_read_input_tokens", "cacheReadInputTokens", "cacheReadInputTokenCount"),
        *("total_cached_tokens", "cached_tokens"),
    ),
    "cache_write_tokens": (
        *("prompt_tokens_details.cache_write_tokens", "input_tokens_details.cache_write_tokens"),
        *("cache_creation_input_tokens", "cacheWriteInputTokens", "cacheWriteInputTokenCount"),
    ),
}


def against_sdk(completion: Completion, oracle: dict[str, Any]) -> Iterator[str]:
    """Where a completion differs from what the vendor's SDK says; the first word says in what."""
    for name in ("text", "reasoning", "refusal"):
        got = {str(one.index): text for one in completion.choices if (text := getattr(one, name))}
        yield from _differ(name, got, _by_choice(oracle[name]))
    finish = {str(one.index): one.raw_reason for one in completion.choices if one.raw_reason}
    yield from _differ("finish", finish, _by_choice(oracle["finish"]))
    calls = {
        str(one.index): [
            {"id": call.id, "name": call.name, "arguments": call.arguments}
            for call in one.tool_calls
        ]
        for one in completion.choices
        if one.tool_calls
    }
    yield from _differ_in_calls(calls, _by_choice(oracle["tool_calls"]))
    yield from _differ_in_usage(completion.usage, oracle["usage"] or {})
    yield from _differ_in_end(completion, oracle["exception"])


def _differ_in_end(completion: Completion, exception: dict[str, Any] | None) -> Iterator[str]:
    """An SDK that read all of it without an exception was given a whole answer."""
    error = completion.error
    if exception is None:
        if completion.done is None:
            yield f"end: got {error!r}, and the SDK came to the end without an exception"
    elif error is None or error.message not in exception["message"]:
        yield f"exception: got {error!r}, expected {exception!r}"


def _by_choice(said: dict[str, Any]) -> dict[str, Any]:
    """What an oracle says by choice: without what is empty; ``0.0`` is the first choice too."""
    return {str(int(float(index))): value for index, value in said.items() if value}


def _differ(name: str, got: object, expected: object) -> Iterator[str]:
    if got != expected:
        yield f"{name}: got {got!r:.300}, expected {expected!r:.300}"


def _differ_in_calls(
    got: dict[str, list[dict[str, Any]]], expected: dict[str, list[dict[str, Any]]]
) -> Iterator[str]:
    nothing: dict[str, Any] = {}
    pairs = [
        pair
        for index in expected
        for pair in itertools.zip_longest(got.get(index, []), expected[index], fillvalue=nothing)
    ]
    if got.keys() != expected.keys():
        yield f"tool_calls: got {got!r:.300}, expected {expected!r:.300}"
        return
    for ours, theirs in pairs:
        same = ours.get("id") == theirs.get("id") and ours.get("name") == theirs.get("name")
        if "arguments_json" in theirs:  # the wire has objects: their text is nobody's
            same = same and _json(ours.get("arguments")) == theirs["arguments_json"]
        else:
            same = same and ours.get("arguments") == theirs.get("arguments")
        if not same:
            yield f"tool_calls: got {ours!r:.300}, expected {theirs!r:.300}"


def _json(text: object) -> object:
    try:
        return json.loads(text or "") if isinstance(text, str | None) else text
    except ValueError:
        return text


def _differ_in_usage(usage: Usage | None, counts: dict[str, Any]) -> Iterator[str]:
    for ours, theirs in COUNTS.items():
        expected = next((n for name in theirs if (n := _count(counts, name)) is not None), None)
        got = getattr(usage, ours, None)
        if expected is not None and got != expected:
            yield f"usage: {ours} is {got}, expected {expected}"


def _count(counts: Any, path: str) -> int | None:
    for name in path.split("."):
        counts = counts.get(name) if is_mapping(counts) else None
    return int(counts) if isinstance(counts, int | float) and counts == int(counts) else None


def against_request(completion: Completion, asked: dict[str, Any]) -> Iterator[str]:
    """Where a completion differs from what the server was asked to send.

    Args:
        completion: What was read.
        asked: ``text``, ``reasoning``, ``refusal``, ``tools`` (pairs of a name and the arguments),
            ``tools_complete`` and ``finish`` of the first choice, where they were asked for;
            ``done``, the reason, or None where the answer must not pass for whole; ``error``, true
            or what it says. An answer with neither is a whole one, but for an empty ``asked``.
    """
    choice = next((one for one in completion.choices if one.index == 0), Choice())
    for name in ("text", "reasoning", "refusal"):
        if name in asked:
            yield from _differ(name, getattr(choice, name), asked[name])
    if "tools" in asked:
        got = [[call.name, _json(call.arguments)] for call in choice.tool_calls]
        yield from _differ("tools", got, [[name, _json(value)] for name, value in asked["tools"]])
    if asked.get("tools_complete"):
        cut = [call for call in choice.tool_calls if not call.complete]
        yield from _differ("tools_complete", cut, [])
    if "finish" in asked:
        yield from _differ("finish", choice.finish_reason, asked["finish"])
    kinds = [one.kind for one in choice.data]
    for kind in asked.get("data", ()):
        if kind not in kinds:
            yield f"data: there is no {kind} in {kinds}"
    done, error = completion.done, completion.error
    if wanted := asked.get("error"):
        if error is None or (isinstance(wanted, str) and wanted not in (error.message, error.kind)):
            yield f"error: got {error or done!r}, expected {wanted}"
    elif asked.get("done") is not None:
        if done is None or done.reason != asked["done"]:
            yield f"done: got {done or error!r}, expected {asked['done']}"
    elif asked and (done is None) == ("done" not in asked):
        yield f"done: got {done or error!r}, and asked was {'no ' * ('done' in asked)}end"
