"""What OpenAI chunks look like, with the accents of the services that send them.

Fields that some service sends in another type than OpenAI are `Any`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from tokenwire.dialects.wire import is_list, is_mapping, json_text
from tokenwire.events import Data, Event, Reason, Reasoning, Token, Usage
from tokenwire.frame import Frame


class FunctionWire(Struct, gc=False):
    name: str | None = None
    arguments: Any = None  # a text; an object from servers that do not stream it


class ToolCallWire(Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: FunctionWire | None = None
    extra_content: Any = None  # Gemini: the signature that proves the call


class DeltaWire(Struct, gc=False):
    content: Any = None  # a text, or blocks (Mistral, Databricks)
    reasoning_content: Any = None  # DeepSeek, Z.ai, xAI, Qwen, ...
    reasoning: Any = None  # Groq, OpenRouter, vLLM, Ollama
    reasoning_details: Any = None  # OpenRouter: the same text again, or encrypted
    refusal: str | None = None
    tool_calls: list[ToolCallWire] | None = None
    function_call: FunctionWire | None = None  # OpenAI's first form; one a choice
    audio: Any = None
    annotations: Any = None
    images: Any = None  # OpenRouter


class DetailsWire(Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class UsageWire(Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    reasoning_tokens: int | None = None  # SGLang
    cached_tokens: int | None = None  # Together
    prompt_cache_hit_tokens: int | None = None  # DeepSeek
    cache_read_input_tokens: int | None = None  # Anthropic's models behind a gateway
    cache_creation_input_tokens: int | None = None
    prompt_tokens_details: DetailsWire | None = None
    completion_tokens_details: DetailsWire | None = None


class ChoiceWire(Struct, gc=False):
    index: int | None = None
    delta: DeltaWire | None = None
    logprobs: Any = None
    finish_reason: str | None = None
    text: str | None = None  # Together sends the content a second time here
    message: DeltaWire | None = None  # MiniMax, Perplexity: the whole answer once more
    usage: UsageWire | None = None  # Moonshot's older form [M]
    content_filter_results: Any = None  # Azure
    content_filter_offsets: Any = None  # Azure, asynchronous: the text that they judge [M]


class GroqWire(Struct, gc=False):
    usage: UsageWire | None = None
    error: Any = None  # why the stream was stopped early [M]


class ChunkWire(Struct, gc=False):
    id: str | None = None
    model: str | None = None
    choices: list[ChoiceWire] | None = None
    usage: UsageWire | None = None
    error: Any = None
    x_groq: GroqWire | None = None
    base_resp: Any = None  # MiniMax: an error, if its status_code is not 0
    citations: Any = None  # Perplexity and xAI, repeated in every chunk
    search_results: Any = None
    images: Any = None  # Perplexity
    prompt_filter_results: Any = None  # Azure
    moderation: Any = None


FINISH_REASONS: Final[Mapping[str, Reason]] = {
    "stop": "stop",
    "eos": "stop",  # Together
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",  # Mistral [M]
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
    """The token of the one choice, where a text is all that this chunk holds."""
    choices = chunk.choices
    if not choices or len(choices) > 1:
        return None
    choice = choices[0]
    delta = choice.delta
    if delta is None:
        return None
    text = delta.content
    if not text or not isinstance(text, str):
        return None
    if (
        choice.finish_reason
        or chunk.usage
        or chunk.error
        or delta.tool_calls
        or delta.reasoning_content
        or delta.reasoning
        or delta.reasoning_details
        or delta.refusal
        or delta.function_call
        or delta.audio
        or delta.annotations
        or delta.images
        or choice.logprobs
        or choice.usage
        or choice.content_filter_results
        or chunk.x_groq
        or chunk.base_resp
        or chunk.citations
        or chunk.search_results
        or chunk.images
        or chunk.prompt_filter_results
        or chunk.moderation
    ):
        return None
    return Token(text, choice.index or 0, frame=frame)


def usage_of(wire: UsageWire, frame: Frame, *, final: bool) -> Usage:
    """The counts, from wherever the service puts them."""
    read = wire.prompt_tokens_details or DetailsWire()
    written = wire.completion_tokens_details or DetailsWire()
    return Usage(
        wire.prompt_tokens,
        wire.completion_tokens,
        wire.total_tokens,
        _first(written.reasoning_tokens, wire.reasoning_tokens),
        _first(
            read.cached_tokens,
            wire.cached_tokens,
            wire.prompt_cache_hit_tokens,
            wire.cache_read_input_tokens,
        ),
        _first(read.cache_write_tokens, wire.cache_creation_input_tokens),
        final,
        frame=frame,
    )


def _first(*counts: int | None) -> int | None:
    return next((count for count in counts if count is not None), None)


def read_blocks(content: Any, index: int, frame: Frame, *, part: int = 0) -> list[Event]:
    """Content in blocks: Mistral's ``thinking``, Databricks' ``reasoning``, text, references."""
    events: list[Event] = []
    for block in content if is_list(content) else [content]:
        kind = block.get("type") if is_mapping(block) else "text"
        text = text_of(block)
        if kind in ("thinking", "reasoning"):
            signature = _signature_of(block)
            if text or signature:
                events.append(Reasoning(text, index, part, signature, frame=frame))
        elif kind in ("text", "output_text"):
            events += [Token(text, index, part, frame=frame)] if text else []
        else:
            events.append(Data(str(kind), block, index, part, frame=frame))
    return events


def text_of(value: Any) -> str:
    """A text, or the texts of blocks nested in any way."""
    if isinstance(value, str):
        return value
    if is_mapping(value):
        return text_of(value.get("text") or value.get("thinking") or value.get("summary") or "")
    if is_list(value):
        return "".join(map(text_of, value))
    return ""


def _signature_of(value: Any) -> str | None:
    """Mistral signs the block, Databricks its last summary."""
    if is_list(value):
        return next((found for one in reversed(value) if (found := _signature_of(one))), None)
    if not is_mapping(value):
        return None
    signature = value.get("signature")
    if isinstance(signature, str) and signature:
        return signature
    return _signature_of(value.get("summary"))


def arguments_of(value: Any) -> str:
    """A fragment of JSON text; an object is written out once."""
    if value is None or isinstance(value, str):
        return value or ""
    return json_text(value)
