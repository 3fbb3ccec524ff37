"""Chat messages as LangChain writes them, in chunks or whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from tokenwire.dialects.anthropic.messages_wire import STOP_REASONS as ANTHROPIC_REASONS
from tokenwire.dialects.google.gemini_wire import FINISH_REASONS as GEMINI_REASONS
from tokenwire.dialects.kit.payloads import is_list, is_mapping, plain_text
from tokenwire.dialects.openai.chat_wire import FINISH_REASONS as OPENAI_REASONS
from tokenwire.events import Reason


class CallChunkWire(Struct):
    index: Any = None  # a number; a word in newer versions
    id: str | None = None
    name: str | None = None
    args: str | None = None


class CallWire(Struct):
    id: str | None = None
    name: str | None = None
    args: Any = None  # an object, whole


class InputDetailsWire(Struct, gc=False):
    cache_read: int | None = None
    cache_creation: int | None = None


class OutputDetailsWire(Struct, gc=False):
    reasoning: int | None = None


class UsageWire(Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input_token_details: InputDetailsWire | None = None
    output_token_details: OutputDetailsWire | None = None


class MessageWire(Struct):
    type: str | None = None
    id: str | None = None
    content: Any = None  # a text, or a list of texts and blocks
    tool_call_chunks: list[CallChunkWire] | None = None
    tool_calls: list[CallWire] | None = None
    usage_metadata: UsageWire | None = None
    response_metadata: Any = None  # as the model's vendor has it
    additional_kwargs: Any = None
    chunk_position: str | None = None  # "last"


FINISH_REASONS: Final[Mapping[str, Reason]] = {
    **GEMINI_REASONS,
    **ANTHROPIC_REASONS,
    **OPENAI_REASONS,
}
"""The words of the vendors whose models LangChain drives. Anything else is ``other``."""

ANSWERS: Final = frozenset({"ai", "AIMessage", "AIMessageChunk"})
"""Types of the messages that a model wrote."""

CHUNK: Final = "AIMessageChunk"

# What stands in `tool_calls` and `tool_call_chunks` too.
_CALLS: Final = frozenset(
    {"tool_use", "tool_call", "tool_call_chunk", "input_json_delta", "function_call"}
)


_REASONS: Final = ("finish_reason", "stop_reason", "done_reason")


def is_answer(value: Any) -> bool:
    """Is this a message that a model wrote?"""
    return is_mapping(value) and isinstance(value.get("type"), str) and value["type"] in ANSWERS


def finish_word(said: Any) -> str | None:
    """The vendor's word for why a message ended, in its ``response_metadata``, if it did."""
    if not is_mapping(said):
        return None
    words = (plain_text(said.get(name)) for name in _REASONS)
    return next((word for word in words if word), None)


def read_counts(wire: UsageWire) -> dict[str, int]:
    """The counts that are told, by their names in `Usage`."""
    read = wire.input_token_details or InputDetailsWire()
    written = wire.output_token_details or OutputDetailsWire()
    counts = {
        "input_tokens": wire.input_tokens,
        "output_tokens": wire.output_tokens,
        "total_tokens": wire.total_tokens,
        "reasoning_tokens": written.reasoning,
        "cache_read_tokens": read.cache_read,
        "cache_write_tokens": read.cache_creation,
    }
    return {name: count for name, count in counts.items() if count is not None}


class Content(Struct):
    """What a message holds."""

    text: str = ""
    reasoning: str = ""
    signature: str | None = None
    data: list[tuple[str, Any]] = []
    unread: dict[str, Any] = {}


def read_content(message: MessageWire) -> Content:
    """Sort a message's content into text, reasoning and the rest, by kinds of blocks."""
    content = Content()
    extra = message.additional_kwargs
    if is_mapping(extra):
        content.reasoning += plain_text(extra.get("reasoning_content"))  # DeepSeek, Qwen
    content.unread = _unread_in(message)
    value = message.content
    for block in value if is_list(value) else [value]:
        if not is_mapping(block):
            content.text += plain_text(block)
            if block and not plain_text(block):
                content.unread["content"] = block
            continue
        odd = [name for name in ("text", "thinking", "signature") if not _is_text(block.get(name))]
        content.unread |= {f"content.{name}": block[name] for name in odd}
        kind = block.get("type")
        if kind in ("text", "text_delta"):
            content.text += plain_text(block.get("text"))
        elif kind in ("thinking", "reasoning", "reasoning_content"):
            content.reasoning += _reasoning_of(block)
            content.signature = plain_text(block.get("signature")) or content.signature
        elif not (isinstance(kind, str) and kind in _CALLS):
            content.data.append((str(kind), block))
    return content


def _reasoning_of(block: Mapping[str, Any]) -> str:
    said = block.get("thinking") or block.get("reasoning") or block.get("text")
    if said is None and is_list(block.get("summary")):  # OpenAI
        return "".join(plain_text(one.get("text")) for one in block["summary"] if is_mapping(one))
    return plain_text(said)


def _is_text(value: Any) -> bool:
    """Can it be read as a text, or does it say nothing?"""
    return not value or bool(plain_text(value))


def _unread_in(message: MessageWire) -> dict[str, Any]:
    """What stands where something else should, beside the content."""
    unread: dict[str, Any] = {}
    about = message.response_metadata
    if is_mapping(about):
        odd = {name: about[name] for name in _REASONS if not _is_text(about.get(name))}
        unread |= {f"response_metadata.{name}": one for name, one in odd.items()}
    elif about:
        unread["response_metadata"] = about
    for at, call in enumerate(message.tool_call_chunks or ()):
        if isinstance(call.index, bool) or not isinstance(call.index, int | str | None):
            unread[f"tool_call_chunks[{at}].index"] = call.index
    return unread
