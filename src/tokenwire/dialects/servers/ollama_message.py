"""An answer as a message of the assistant, for Ollama's chat API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokenwire.dialects.kit.message import arguments_of, own_calls, text_of
from tokenwire.events import Event, Reasoning


def ollama_message(blocks: Sequence[Event]) -> dict[str, Any]:
    """The message, with its thinking: the arguments of its calls are objects, no texts."""
    message: dict[str, Any] = {"role": "assistant", "content": text_of(blocks)}
    if thought := "".join(one.text for one in blocks if isinstance(one, Reasoning)):
        message["thinking"] = thought
    calls = [
        {"function": {"name": call.name, "arguments": arguments_of(call)}}
        for call in own_calls(blocks)
    ]
    if calls:
        message["tool_calls"] = calls
    return message
