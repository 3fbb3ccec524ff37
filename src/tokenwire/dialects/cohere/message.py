"""An answer as a message of the assistant, for Cohere's second API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokenwire.dialects.kit.message import function_call, own_calls, text_of
from tokenwire.events import Data, Event, Reasoning


def cohere_message(blocks: Sequence[Event]) -> dict[str, Any]:
    """The message: text and thinking, the plan and the calls. Citations are left out."""
    message: dict[str, Any] = {"role": "assistant"}
    thought = "".join(one.text for one in blocks if isinstance(one, Reasoning))
    text = text_of(blocks)
    if thought:
        message["content"] = [{"type": "thinking", "thinking": thought}]
        message["content"] += [{"type": "text", "text": text}] if text else []
    elif text:
        message["content"] = text
    plan = "".join(
        one.value
        for one in blocks
        if isinstance(one, Data) and one.kind == "tool_plan" and isinstance(one.value, str)
    )
    if plan:
        message["tool_plan"] = plan
    if calls := [function_call(call) for call in own_calls(blocks)]:
        message["tool_calls"] = calls
    return message
