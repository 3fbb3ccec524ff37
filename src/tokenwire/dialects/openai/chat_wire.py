"""What OpenAI chunks look like, with the accents of the services that send them.

There are two readings. The first has the fields of nearly all chunks, in the order of the wire, in
which they are found soonest, and refuses whatever it does not know. The second has the fields of
single services beside them, in `tokenwire.dialects.openai.accents`; what that refuses is read
leniently and reported.

`SILENT` lists the fields that are read and say nothing to the reader of an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from msgspec import Struct

from tokenwire.dialects.kit.lenient import EMPTY
from tokenwire.dialects.kit.payloads import is_list, is_mapping, json_text
from tokenwire.events import Data, Event, Reason, Reasoning, Token, Usage
from tokenwire.frame import Frame

Content: TypeAlias = str | list[Any] | dict[str, Any] | None
"""A text, or blocks of several kinds (Mistral, Databricks)."""


class FunctionWire(Struct, gc=False, frozen=True, forbid_unknown_fields=True):
    name: str | None = None
    arguments: Content = None  # a text; an object from servers that do not stream it


class ToolCallWire(Struct, gc=False, frozen=True, forbid_unknown_fields=True):
    index: int | None = None
    id: str | None = None
    type: Any = None
    function: FunctionWire | None = None


class DeltaWire(Struct, gc=False, frozen=True, forbid_unknown_fields=True):
    role: Any = None
    content: Content = None
    reasoning_content: Content = None  # DeepSeek, Z.ai, xAI, Qwen, ...
    reasoning: Content = None  # Groq, OpenRouter, vLLM, Ollama
    reasoning_details: Any = None  # OpenRouter: the same text again, or encrypted
    refusal: str | None = None
    tool_calls: tuple[ToolCallWire, ...] | None = None
    function_call: FunctionWire | None = None  # OpenAI's first form; one a choice
    token_id: Any = None


class DetailsWire(Struct, gc=False, frozen=True, forbid_unknown_fields=True):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    # Parts of counts that are reported, by modality or by prediction.
    audio_tokens: Any = None
    accepted_prediction_tokens: Any = None
    rejected_prediction_tokens: Any = None
    text_tokens: Any = None
    image_tokens: Any = None
    video_tokens: Any = None
    cache_write_tokens: int | None = None
    cache_creation_tokens: int | None = None  # LiteLLM
    cache_creation_input_tokens: int | None = None  # Qwen


class UsageWire(Struct, gc=False, frozen=True, forbid_unknown_fields=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: DetailsWire | None = None
    completion_tokens_details: DetailsWire | None = None
    input_tokens: int | None = None  # gateways that speak the Responses API behind them
    output_tokens: int | None = None
    input_tokens_details: DetailsWire | None = None
    output_tokens_details: DetailsWire | None = None
    reasoning_tokens: int | None = None  # SGLang
    cached_tokens: int | None = None  # Together
    prompt_cache_hit_tokens: int | None = None  # DeepSeek
    cache_read_input_tokens: int | None = None  # Anthropic's models behind a gateway
    cache_creation_input_tokens: int | None = None
    # What it cost and how long it took, and counts that follow from the others.
    cost: Any = None
    cost_details: Any = None
    cost_in_usd_ticks: Any = None
    market_cost: Any = None
    estimated_cost: Any = None
    is_byok: Any = None
    queue_time: Any = None
    prompt_time: Any = None
    completion_time: Any = None
    total_time: Any = None
    num_sources_used: Any = None
    search_context_size: Any = None
    prompt_cache_miss_tokens: Any = None
    service_tier: Any = None
    server_tool_use_details: Any = None


class ChoiceWire(Struct, gc=False, frozen=True, forbid_unknown_fields=True):
    index: int | None = None
    delta: DeltaWire | None = None
    logprobs: Any = None
    finish_reason: str | None = None
    text: str | None = None  # completions; Together sends the content a second time here
    stop_reason: Any = None
    native_finish_reason: Any = None
    token_ids: Any = None
    content_filter_results: Any = None  # Azure
    seed: Any = None


class GroqWire(Struct, gc=False, frozen=True, forbid_unknown_fields=True):
    usage: UsageWire | None = None
    error: Any = None  # why the stream was stopped early (unverified)
    id: Any = None
    seed: Any = None


class ChunkWire(Struct, gc=False, frozen=True, forbid_unknown_fields=True):
    id: str | None = None
    object: Any = None
    created: Any = None
    model: str | None = None
    service_tier: Any = None
    system_fingerprint: Any = None
    choices: tuple[ChoiceWire, ...] | None = None
    usage: UsageWire | None = None
    obfuscation: Any = None
    provider: Any = None
    p: Any = None
    stream_options: Any = None
    x_groq: GroqWire | None = None


SILENT: Final[Mapping[type[Struct], Mapping[str, str]]] = {
    ToolCallWire: {"type": "function or custom: so says the field beside it"},
    DeltaWire: {
        "role": "an answer is always the assistant's",
        "token_id": "the text once more",
    },
    DetailsWire: dict.fromkeys(
        (
            *("audio_tokens", "text_tokens", "image_tokens", "video_tokens"),
            *("accepted_prediction_tokens", "rejected_prediction_tokens"),
        ),
        "a part of a count that is reported",
    ),
    UsageWire: {
        **dict.fromkeys(
            (
                *("cost", "cost_details", "cost_in_usd_ticks", "market_cost", "estimated_cost"),
                *("is_byok", "service_tier"),
            ),
            "what it cost, or who pays",
        ),
        **dict.fromkeys(
            ("queue_time", "prompt_time", "completion_time", "total_time"), "how long it took"
        ),
        "prompt_cache_miss_tokens": "follows from the hits",
        "num_sources_used": "counts no tokens",
        "search_context_size": "counts no tokens",
        "server_tool_use_details": "counts no tokens",
    },
    ChoiceWire: {
        "native_finish_reason": "finish_reason in the words of the provider behind OpenRouter",
        "token_ids": "the text once more",
        "seed": "of the request",
        "stop_reason": "the stop sequence that vLLM met; finish_reason says that one was",
    },
    GroqWire: {"id": "of the request", "seed": "of the request"},
    ChunkWire: {
        "object": "the same in every chunk",
        "created": "when the answer began",
        "system_fingerprint": "the build that answers",
        "service_tier": "what was asked for",
        "obfuscation": "padding",
        "provider": "who stands behind the gateway",
        "p": "padding",
        "stream_options": "of the request",
    },
}
"""Fields that give no event, and why: by the Struct that declares them."""


FINISH_REASONS: Final[Mapping[str, Reason]] = {
    "stop": "stop",
    "eos": "stop",  # Together
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",  # Mistral, unverified
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "sensitive": "content_filter",  # Z.ai
    "refusal": "refusal",
    "error": "error",  # OpenRouter, Mistral, vLLM
    "abort": "error",  # vLLM, SGLang
    "insufficient_system_resource": "error",  # DeepSeek
    "network_error": "error",  # Z.ai
    "cancelled": "cancelled",
}
"""Anything else is ``other``."""


def only_text_of(chunk: ChunkWire, frame: Frame | None = None) -> Token | None:
    """The token of the one choice, where a text is all that this chunk holds.

    A test holds it against the fields of the Structs.
    """
    choices = chunk.choices
    if choices is None or len(choices) != 1:
        return None
    (choice,) = choices
    delta = choice.delta
    if delta is None:
        return None
    text = delta.content
    if not text or not isinstance(text, str):
        return None
    if (
        choice.finish_reason
        or choice.logprobs
        or choice.content_filter_results
        or chunk.usage
        or chunk.x_groq
        or delta.tool_calls
        or delta.reasoning_content
        or delta.reasoning
        or delta.reasoning_details
        or delta.refusal
        or delta.function_call
    ):
        return None
    return Token(text, choice.index or 0, frame=frame)


def usage_of(wire: UsageWire, frame: Frame, *, final: bool) -> Usage | None:
    """The counts, from wherever the service puts them; None where there are none."""
    read = wire.prompt_tokens_details or wire.input_tokens_details or _NO_DETAILS
    written = wire.completion_tokens_details or wire.output_tokens_details or _NO_DETAILS
    asked = wire.prompt_tokens
    said = wire.completion_tokens
    thought = written.reasoning_tokens
    cached = read.cached_tokens
    kept = read.cache_write_tokens
    counts = (
        asked if asked is not None else wire.input_tokens,
        said if said is not None else wire.output_tokens,
        wire.total_tokens,
        thought if thought is not None else wire.reasoning_tokens,
        cached if cached is not None else _cached(wire),
        kept if kept is not None else _kept(wire, read),
    )
    return None if counts == _NO_COUNTS else Usage(*counts, final, frame=frame)


_NO_DETAILS: Final = DetailsWire()
_NO_COUNTS: Final = (None,) * 6


def _cached(wire: UsageWire) -> int | None:
    names = (wire.cached_tokens, wire.prompt_cache_hit_tokens, wire.cache_read_input_tokens)
    return next((count for count in names if count is not None), None)


def _kept(wire: UsageWire, read: DetailsWire) -> int | None:
    names = (read.cache_creation_tokens, read.cache_creation_input_tokens)
    found = (*names, wire.cache_creation_input_tokens)
    return next((count for count in found if count is not None), None)


def says_something(value: Any) -> bool:
    """Is there anything in it? Services send objects all of whose fields are null."""
    if is_mapping(value):
        return any(one not in EMPTY for one in value.values())
    return value == value and value not in EMPTY  # NaN is not equal to itself


def read_blocks(content: Any, index: int, frame: Frame, *, part: int = 0) -> list[Event]:
    """Content in blocks: Mistral's ``thinking``, Databricks' ``reasoning``, text, references."""
    events: list[Event] = []
    for block in content if is_list(content) else [content]:
        text, unread = _read_text(block)
        kind = block.get("type") if is_mapping(block) else "text"
        kind = kind or ("text" if text else "content")
        if kind in ("thinking", "reasoning"):
            signature = _signature_of(block)
            if text or signature:
                events.append(Reasoning(text, index, part, signature, frame=frame))
        elif kind in ("text", "output_text"):
            events += [Token(text, index, part, frame=frame)] if text else []
        else:
            events.append(Data(str(kind), block, index, part, frame=frame))
            continue
        if unread:
            events.append(Data("extra", {"content": block}, index, part, frame=frame))
    return events


def text_of(value: Any) -> str:
    """A text, or the texts of blocks nested in any way."""
    return value if isinstance(value, str) else _read_text(value)[0]


def is_unread(value: Any) -> bool:
    """Is there anything in it that says something, and of which `text_of` makes nothing?"""
    return _read_text(value)[1]


_TEXTS: Final = ("text", "thinking", "summary", "content")


def _read_text(value: Any) -> tuple[str, bool]:
    """What `text_of` and `is_unread` say."""
    pieces: list[str] = []
    unread = False
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            pieces.append(one)
        elif is_mapping(one):
            signature = one.get("signature")
            if not (signature is None or isinstance(signature, str) or signature in EMPTY):
                unread = True
            for name in _TEXTS:
                text = one.get(name)
                if text or text not in EMPTY:
                    left.append(text)
                    break
            else:
                others = (said for name, said in one.items() if name not in ("type", "signature"))
                unread |= any(said not in EMPTY and said is not True for said in others)
        elif is_list(one):
            left += reversed(one)
        elif isinstance(one, int | float):  # a boolean is one too
            pieces.append(json_text(one))
    return "".join(pieces), unread


def _signature_of(value: Any) -> str | None:
    """Mistral signs the block, Databricks its last summary."""
    left = [value]
    while left:
        one = left.pop()
        if is_list(one):
            left += one
        elif is_mapping(one):
            signature = one.get("signature")
            if isinstance(signature, str) and signature:
                return signature
            if "summary" in one:
                left.append(one["summary"])
    return None


def arguments_of(value: Any) -> str:
    """A fragment of JSON text; an object is written out once."""
    if value is None or isinstance(value, str):
        return value or ""
    return json_text(value)
