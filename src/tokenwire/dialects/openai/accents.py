"""Fields that single services have beside those of OpenAI's chunks.

A field that is no part of the text, the thinking or a call is `Data` of its own name; the functions
at the end tell which those are. `SILENT` lists the others, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from tokenwire.dialects.openai.chat_wire import (
    ChoiceWire,
    ChunkWire,
    Content,
    DeltaWire,
    ToolCallWire,
    UsageWire,
    says_something,
)


class CustomWire(Struct, gc=False, frozen=True, forbid_unknown_fields=True):
    """A call whose arguments are any text."""

    name: str | None = None
    input: str | None = None


class AccentToolCallWire(ToolCallWire, gc=False, frozen=True, forbid_unknown_fields=True):
    custom: CustomWire | None = None
    extra_content: Any = None  # Gemini: the signature that proves the call


class AccentDeltaWire(DeltaWire, gc=False, frozen=True, forbid_unknown_fields=True):
    tool_calls: tuple[AccentToolCallWire, ...] | None = None
    reasoning_text: Content = None  # Copilot
    reasoning_opaque: str | None = None  # Copilot: to be sent back
    thinking_blocks: Any = None  # LiteLLM: the same text again, with its signature
    extra_content: Any = None  # Gemini: a signature
    audio: Any = None
    annotations: Any = None
    images: Any = None  # OpenRouter
    executed_tools: Any = None  # Groq
    context: Any = None  # Azure: what was found in one's own data
    graph_data: Any = None  # Writer, as the next four
    llm_data: Any = None
    image_data: Any = None
    translation_data: Any = None
    web_search_data: Any = None
    provider_metadata: Any = None  # Vercel's gateway
    provider_specific_fields: Any = None  # LiteLLM
    channel: Any = None
    name: Any = None
    tool_call_id: Any = None


class AccentChoiceWire(ChoiceWire, gc=False, frozen=True, forbid_unknown_fields=True):
    delta: AccentDeltaWire | None = None
    message: AccentDeltaWire | None = None  # MiniMax, Perplexity: the whole answer once more
    usage: UsageWire | None = None  # Moonshot's older form (unverified)
    error: Any = None  # OpenRouter
    content_filter_offsets: Any = None  # Azure, asynchronous: the text that they judge (unverified)
    content_filter_raw: Any = None
    content_filter_result: Any = None
    trace_details: Any = None  # Writer
    matched_stop: Any = None


class AccentChunkWire(ChunkWire, gc=False, frozen=True, forbid_unknown_fields=True):
    choices: tuple[AccentChoiceWire, ...] | None = None
    error: Any = None
    base_resp: Any = None  # MiniMax: an error, if its status_code is not 0
    citations: Any = None  # Perplexity and xAI, repeated in every chunk
    search_results: Any = None
    images: Any = None  # Perplexity, as the next three
    videos: Any = None
    related_questions: Any = None
    reasoning_steps: Any = None
    web_search: Any = None  # Z.ai
    references: Any = None  # Volcengine
    prompt_filter_results: Any = None  # Azure
    moderation: Any = None
    timings: Any = None  # llama.cpp, as the next one
    prompt_progress: Any = None
    cost: Any = None
    code: Any = None  # of an error in the shape of another vendor, as the next ones
    msg: Any = None
    detail: Any = None
    errors: Any = None
    success: Any = None
    time_info: Any = None
    latency_checkpoint: Any = None
    generationId: Any = None  # noqa: N815
    seed: Any = None


SILENT: Final[Mapping[type[Struct], Mapping[str, str]]] = {
    AccentDeltaWire: {
        "channel": "says whether it is reasoning, as the field of the text does",
        "name": "of the speaker",
        "tool_call_id": "of a tool's answer, which a model does not give",
    },
    AccentChoiceWire: {
        "matched_stop": "the stop sequence that was met; finish_reason says that one was",
    },
    AccentChunkWire: {
        "success": "an error says so itself",
        "msg": "of an error, read out of the document",
        "detail": "of an error, read out of the document",
        "errors": "of an error, read out of the document",
        "code": "of an error, read out of the document",
        "time_info": "how long it took",
        "latency_checkpoint": "how long it took",
        "cost": "what it cost",
        "generationId": "another name of the answer",
        "seed": "of the request",
    },
}
"""Fields that give no event, and why: by the Struct that declares them."""

DELTA_DATA: Final = ("audio", "annotations", "images", "executed_tools")
"""Pieces: each is reported, though it be equal to the one before."""

DELTA_STATES: Final = (
    *("context", "graph_data", "llm_data", "image_data", "translation_data", "web_search_data"),
    *("provider_metadata", "provider_specific_fields"),
)
"""What may be repeated in every chunk, and is reported when it changes; so are the next two."""

CHOICE_STATES: Final = (
    *("content_filter_offsets", "content_filter_raw", "content_filter_result", "trace_details"),
)

CHUNK_STATES: Final = (
    *("citations", "search_results", "images", "videos", "related_questions", "reasoning_steps"),
    *("web_search", "references", "moderation", "timings", "prompt_progress"),
)


def said_in(wire: Struct, names: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """The fields of these names that hold anything."""
    for name in names:
        value = getattr(wire, name)
        if says_something(value):
            yield name, value
