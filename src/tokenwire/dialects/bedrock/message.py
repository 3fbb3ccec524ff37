"""An answer as a message of the assistant, for Amazon Bedrock's Converse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokenwire.dialects.kit.message import arguments_of, own_calls
from tokenwire.events import Data, Event, Reasoning, Token, ToolCall


def converse_message(blocks: Sequence[Event]) -> dict[str, Any]:
    """The message: its blocks in their order, thoughts with their signatures.

    A thought without one is left out: models refuse it. Redacted ones are Base64, as in HTTP.
    """
    own_calls(blocks)  # there is no block for others
    content: list[dict[str, Any]] = []
    texts: dict[int, dict[str, Any]] = {}
    for block in blocks:
        match block:
            case Token(text=text, part=part) if part in texts:
                texts[part]["text"] += text  # a citation stood between them
            case Token(text=text, part=part) if text.strip():
                texts[part] = {"text": text}
                content.append(texts[part])
            case Reasoning(text=text, signature=str(signature)):
                thought = {"reasoningText": {"text": text, "signature": signature}}
                content.append({"reasoningContent": thought})
            case Data(kind="redactedContent", value=value):
                content.append({"reasoningContent": {"redactedContent": value}})
            case ToolCall(id=id, name=name):
                use = {"toolUseId": id, "name": name, "input": arguments_of(block)}
                content.append({"toolUse": use})
            case _:
                pass
    return {"role": "assistant", "content": content}
