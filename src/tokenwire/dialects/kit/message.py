"""An answer as a message of the assistant, for the next request: what the APIs have in common.

A dialect's `Dialect.message` is given `Choice.blocks`: one event for each block, in their order,
a `ToolCall` with all of its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from tokenwire.errors import LocalProtocolError
from tokenwire.events import Event, Refusal, Token, ToolCall

MessageMaker: TypeAlias = Callable[[Sequence[Event]], dict[str, Any]]


def text_of(blocks: Sequence[Event]) -> str:
    """The text of all blocks of text."""
    return "".join(block.text for block in blocks if isinstance(block, Token))


def refusal_of(blocks: Sequence[Event]) -> str:
    """The text with which the model declined."""
    return "".join(block.text for block in blocks if isinstance(block, Refusal))


def own_calls(blocks: Sequence[Event]) -> list[ToolCall]:
    """The calls that the client is to run; what the vendor ran itself is told by its other blocks.

    Raises:
        LocalProtocolError: There is one that the vendor ran, and no block for it in the message.
    """
    calls = [block for block in blocks if isinstance(block, ToolCall)]
    for call in calls:
        if call.provider_executed:
            raise LocalProtocolError(
                f"the service ran the tool {call.name!r} itself, and takes no message that says so"
            )
    return calls


def arguments_of(call: ToolCall) -> dict[str, Any]:
    """The arguments of a call as an object; none are an empty one.

    Raises:
        LocalProtocolError: They are something else.
    """
    try:
        return msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
    except ValueError as error:
        raise LocalProtocolError(
            f"the arguments of call {call.key!r} are no JSON object: {error}"
        ) from None


def function_call(call: ToolCall) -> dict[str, Any]:
    """A call as OpenAI has it, and many after them: its arguments are a text."""
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    return {"id": call.id or call.key, "type": "function", "function": function}


def kept_there(instead: str) -> MessageMaker:
    """For an API that keeps its answers and is told to go on with one: it has no such message.

    Args:
        instead: What to send, for people.
    """

    def refuse(blocks: Sequence[Event]) -> dict[str, Any]:
        raise LocalProtocolError(
            f"an answer of this API is no one message that could be sent back: {instead}"
        )

    return refuse
