"""An answer as a content of the model, for Gemini's API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokenwire.dialects.google.gemini_wire import DATA_IN_PART
from tokenwire.dialects.kit.message import arguments_of
from tokenwire.events import Data, Event, Reasoning, Token, ToolCall

_KINDS = frozenset(DATA_IN_PART.values())


def gemini_message(blocks: Sequence[Event]) -> dict[str, Any]:
    """The content: its parts in their order, each with its signature, as the API wants it."""
    parts: list[dict[str, Any]] = []
    for block in blocks:
        match block:
            case Token(text=text):
                parts.append({"text": text})
            case Reasoning(text="", signature=signature):
                if parts and "functionCall" in parts[-1]:
                    parts[-1]["thoughtSignature"] = signature
                else:
                    parts.append({"text": "", "thoughtSignature": signature})
            case Reasoning(text=text, signature=signature):
                signed = {"thoughtSignature": signature} if signature else {}
                parts.append({"text": text, "thought": True, **signed})
            case ToolCall(id=id, name=name):
                call = {"id": id} if id else {}
                parts.append({"functionCall": {**call, "name": name, "args": arguments_of(block)}})
            case Data(kind=kind, value=value) if kind in _KINDS:
                parts.append({kind: value})
            case _:
                pass
    return {"role": "model", "parts": parts}
