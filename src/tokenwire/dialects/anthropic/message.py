"""An answer as a message of the assistant, for Anthropic's API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokenwire.dialects.kit.message import arguments_of
from tokenwire.dialects.kit.payloads import is_mapping
from tokenwire.errors import LocalProtocolError
from tokenwire.events import Data, Event, Reasoning, Token, ToolCall


def anthropic_message(blocks: Sequence[Event]) -> dict[str, Any]:
    """The message: its blocks in their order, thoughts with their signatures.

    A thought without one is left out, for it would be refused; so are citations.
    """
    content: list[dict[str, Any]] = []
    texts: dict[int, dict[str, Any]] = {}
    for block in blocks:
        match block:
            case Token(text=text, part=part) if part in texts:
                texts[part]["text"] += text  # a citation stood between them
            case Token(text=text, part=part) if text.strip():  # else it would be refused
                texts[part] = {"type": "text", "text": text}
                content.append(texts[part])
            case Reasoning(text=text, signature=str(signature)):
                content.append({"type": "thinking", "thinking": text, "signature": signature})
            case ToolCall():
                content.append(_tool_use(block, blocks))
            case Data(kind="caller", value=value) if content:
                content[-1]["caller"] = value
            case Data(kind="extra"):
                pass  # what nobody knows
            case Data(value=value) if is_mapping(value) and value.get("type"):
                # Of those that came whole; what stands beside the blocks has no such type.
                if block.kind == value["type"]:
                    content.append(dict(value))
            case _:
                pass
    return {"role": "assistant", "content": content}


def _tool_use(call: ToolCall, blocks: Sequence[Event]) -> dict[str, Any]:
    for block in blocks:
        if isinstance(block, Data) and block.kind == "mcp_tool_result":
            value = block.value
            if is_mapping(value) and value.get("tool_use_id") == call.id:
                raise LocalProtocolError(
                    f"the call {call.id!r} went to an MCP server, whose name no event tells"
                )
    kind = "server_tool_use" if call.provider_executed else "tool_use"
    return {"type": kind, "id": call.id, "name": call.name, "input": arguments_of(call)}
