"""What OpenAI chat chunks look like, with the accents of the services that speak it.

Fields that some service sends in another type than OpenAI are `Any`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from tokenwire.events import Reason


class FunctionWire(Struct):
    name: str | None = None
    arguments: Any = None  # a text; an object from servers that do not stream it


class ToolCallWire(Struct):
    index: int | None = None
    id: str | None = None
    function: FunctionWire | None = None


class DeltaWire(Struct):
    content: Any = None  # a text, or blocks (Mistral, Databricks)
    reasoning_content: Any = None  # DeepSeek, Z.ai, xAI, Qwen, ...
    reasoning: Any = None  # Groq, OpenRouter, vLLM, Ollama
    reasoning_details: Any = None  # OpenRouter: the same text again, or encrypted
    refusal: str | None = None
    tool_calls: list[ToolCallWire] | None = None
    function_call: FunctionWire | None = None  # OpenAI's first form; one a choice
    audio: Any = None
    annotations: Any = None


class DetailsWire(Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class UsageWire(Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    reasoning_tokens: int | None = None  # SGLang
    prompt_cache_hit_tokens: int | None = None  # DeepSeek
    cache_read_input_tokens: int | None = None  # Anthropic's models behind a gateway
    cache_creation_input_tokens: int | None = None
    prompt_tokens_details: DetailsWire | None = None
    completion_tokens_details: DetailsWire | None = None


class ChoiceWire(Struct):
    index: int | None = None
    delta: DeltaWire | None = None
    finish_reason: str | None = None
    text: str | None = None  # Together sends the content a second time here
    message: DeltaWire | None = None  # MiniMax, Perplexity: the whole answer once more
    usage: UsageWire | None = None  # Moonshot's older form
    content_filter_results: Any = None  # Azure


class GroqWire(Struct):
    usage: UsageWire | None = None


class ChunkWire(Struct):
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
    return (
        choice.finish_reason is None
        and chunk.usage is None
        and chunk.error is None
        and delta.tool_calls is None
        and delta.reasoning_content is None
        and delta.reasoning is None
        and delta.reasoning_details is None
        and delta.refusal is None
        and delta.function_call is None
        and delta.audio is None
        and delta.annotations is None
        and choice.usage is None
        and choice.content_filter_results is None
        and chunk.x_groq is None
        and chunk.base_resp is None
        and chunk.citations is None
        and chunk.search_results is None
        and chunk.prompt_filter_results is None
        and chunk.moderation is None
    )
