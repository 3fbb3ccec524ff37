"""What DashScope's chunks look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from tokenwire.dialects._openai_wire import ToolCallWire
from tokenwire.dialects.wire import is_list, is_mapping, plain_text
from tokenwire.events import Reason


class MessageWire(Struct):
    content: Any = None  # a text; of multimodal models a list of {"text"} and {"image"}
    reasoning_content: str | None = None
    tool_calls: list[ToolCallWire] | None = None


class ChoiceWire(Struct):
    index: int | None = None
    message: MessageWire | None = None
    finish_reason: str | None = None  # the word "null" while it runs


class OutputWire(Struct):
    choices: list[ChoiceWire] | None = None  # result_format: message
    text: str | None = None  # result_format: text, and applications
    finish_reason: str | None = None
    audio: Any = None
    search_info: Any = None
    thoughts: Any = None  # applications
    doc_references: Any = None
    workflow_message: Any = None


class DetailsWire(Struct, gc=False):
    cached_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    reasoning_tokens: int | None = None


class UsageWire(Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: DetailsWire | None = None
    output_tokens_details: DetailsWire | None = None


class ChunkWire(Struct):
    output: OutputWire | None = None
    usage: UsageWire | None = None
    request_id: str | None = None
    code: Any = None


FINISH_REASONS: Final[Mapping[str, Reason]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",  # [M]
}
"""Anything else is ``other``."""

OUTPUT_DATA: Final = ("audio", "search_info", "thoughts", "doc_references", "workflow_message")
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
