"""What DashScope's chunks look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from tokenwire.dialects.kit.payloads import is_list, is_mapping, plain_text
from tokenwire.dialects.openai.accents import AccentToolCallWire
from tokenwire.dialects.openai.chat_wire import Content
from tokenwire.events import Reason


class MessageWire(Struct, gc=False, forbid_unknown_fields=True):
    content: Content = None  # a text; of multimodal models a list of {"text"} and {"image"}
    reasoning_content: str | None = None
    tool_calls: tuple[AccentToolCallWire, ...] | None = None
    annotations: Any = None  # words heard in audio, and the like
    partial: Any = None
    role: Any = None
    name: Any = None


class ChoiceWire(Struct, gc=False, forbid_unknown_fields=True):
    index: int | None = None
    message: MessageWire | None = None
    finish_reason: str | None = None  # the word "null" while it runs
    logprobs: Any = None


class OutputWire(Struct, gc=False, forbid_unknown_fields=True):
    choices: list[ChoiceWire] | None = None  # result_format: message
    text: str | None = None  # result_format: text, and applications
    finish_reason: str | None = None
    audio: Any = None
    search_info: Any = None
    thoughts: Any = None  # applications
    doc_references: Any = None
    workflow_message: Any = None
    session_id: Any = None
    reject_status: Any = None
    model_name: Any = None


class DetailsWire(Struct, gc=False, forbid_unknown_fields=True):
    cached_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    text_tokens: Any = None
    image_tokens: Any = None
    audio_tokens: Any = None
    video_tokens: Any = None
    cache_type: Any = None
    cache_creation: Any = None


class UsageWire(Struct, gc=False, forbid_unknown_fields=True):
    total_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens: int | None = None
    prompt_tokens_details: DetailsWire | None = None
    input_tokens_details: DetailsWire | None = None
    output_tokens_details: DetailsWire | None = None
    image_tokens: Any = None
    audio_tokens: Any = None
    video_tokens: Any = None
    characters: Any = None
    plugins: Any = None
    models: Any = None  # applications: the counts of each model
    prompt_tokens: Any = None
    completion_tokens: Any = None
    x_details: Any = None


class ChunkWire(Struct, gc=False, forbid_unknown_fields=True):
    output: OutputWire | None = None
    usage: UsageWire | None = None
    request_id: str | None = None
    code: Any = None
    message: Any = None
    status_code: Any = None


_PART: Final = "a part of a count that is told"

SILENT: Final[Mapping[type[Struct], Mapping[str, str]]] = {
    MessageWire: {
        "role": "an answer is always the assistant's",
        "name": "of the speaker",
        "partial": "of the request",
    },
    OutputWire: {"session_id": "of the request", "model_name": "of the request"},
    DetailsWire: {
        **dict.fromkeys(("text_tokens", "image_tokens", "audio_tokens", "video_tokens"), _PART),
        **dict.fromkeys(("cache_type", "cache_creation"), "how what is counted was cached"),
    },
    UsageWire: {
        **dict.fromkeys(("image_tokens", "audio_tokens", "video_tokens", "models"), _PART),
        **dict.fromkeys(("prompt_tokens", "completion_tokens", "x_details"), "counted once more"),
        **dict.fromkeys(("characters", "plugins"), "counts no tokens"),
    },
    ChunkWire: dict.fromkeys(("message", "status_code"), "of an error, read out of the document"),
}
"""Fields that give no event, and why."""

FINISH_REASONS: Final[Mapping[str, Reason]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",  # unverified
}
"""Anything else is ``other``."""

OUTPUT_DATA: Final = (
    *("audio", "search_info", "thoughts", "doc_references", "workflow_message", "reject_status"),
)
"""Fields of ``output`` that are `Data`, said again only when they change, but for audio."""


def read_content(content: Any) -> tuple[str, list[tuple[str, Any]]]:
    """The text of a content, and what else there is in it by its kind."""
    if isinstance(content, str):
        return content, []
    text = ""
    items: list[tuple[str, Any]] = []
    for item in content if is_list(content) else [content]:
        text += plain_text(item)
        for kind, value in item.items() if is_mapping(item) else ():
            said = plain_text(value) if kind == "text" else ""
            text += said
            if not said and not (kind == "text" and value == ""):
                items.append((kind, value))
    return text, items
