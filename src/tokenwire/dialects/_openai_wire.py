"""What OpenAI chat chunks look like, with the accents of the services that speak it.

Fields that some service sends in another type than OpenAI are `Any`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from tokenwire.events import Reason


class FunctionWire(Struct, gc=False):
    name: str | None = None
    arguments: Any = None  # a text; an object from servers that do not stream it


class ToolCallWire(Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: FunctionWire | None = None


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


class DetailsWire(Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class UsageWire(Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    reasoning_tokens: int | None = None  # SGLang
    prompt_cache_hit_tokens: int | None = None  # DeepSeek
    cache_read_input_tokens: int | None = None  # Anthropic's models behind a gateway
    cache_creation_input_tokens: int | None = None
    prompt_tokens_details: DetailsWire | None = None
    completion_tokens_details: DetailsWire | None = None


class ChoiceWire(Struct, gc=False):
    index: int | None = None
    delta: DeltaWire | None = None
    finish_reason: str | None = None
    text: str | None = None  # Together sends the content a second time here
    message: DeltaWire | None = None  # MiniMax, Perplexity: the whole answer once more
    usage: UsageWire | None = None  # Moonshot's older form
    content_filter_results: Any = None  # Azure


class GroqWire(Struct, gc=False):
    usage: UsageWire | None = None


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


def says_only_text(chunk: ChunkWire, choice: ChoiceWire, delta: DeltaWire) -> bool:
    """Is one choice's text all that this chunk holds?"""
    return not (
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
        or choice.usage
        or choice.content_filter_results
        or chunk.x_groq
        or chunk.base_resp
        or chunk.citations
        or chunk.search_results
        or chunk.prompt_filter_results
        or chunk.moderation
    )
