"""An answer as a message of the assistant, for OpenAI's chat API and those who speak it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokenwire.dialects.kit.message import function_call, own_calls, refusal_of, text_of
from tokenwire.dialects.kit.payloads import is_mapping
from tokenwire.events import Data, Event, Reasoning, ToolCall


def chat_message(
    blocks: Sequence[Event], *, reasoning: str = "", empty: str | None = None
) -> dict[str, Any]:
    """The message; what only comments an answer, as annotations, is not sent back.

    Args:
        blocks: The answer.
        reasoning: The field for its thinking, at services that want it back in a loop of tool
            calls; others refuse it.
        empty: What the content is where there is no text.
    """
    message: dict[str, Any] = {"role": "assistant", "content": text_of(blocks) or empty}
    if refusal := refusal_of(blocks):
        message["refusal"] = refusal
    calls = [function_call(call) for call in own_calls(blocks)]
    if calls:
        message["tool_calls"] = calls
        thought = "".join(one.text for one in blocks if isinstance(one, Reasoning))
        if reasoning and thought:
            message[reasoning] = thought
    for before, block in zip((None, *blocks), blocks, strict=False):
        if not isinstance(block, Data) or not is_mapping(block.value):
            continue
        if block.kind == "audio" and block.value.get("id"):
            message["audio"] = {"id": block.value["id"]}
        elif block.kind == "extra_content" and isinstance(before, ToolCall):
            # Gemini's signature of a call, without which it takes none back.
            of_call = next(one for one in calls if one["id"] == (before.id or before.key))
            of_call["extra_content"] = block.value
    return message
