"""LangGraph's thread protocol: events that carry their method, with messages in content blocks.

Source: langgraphjs (libs/sdk/src/client/stream, libs/langgraph-api/src/protocol), and a recording.

A message starts, its blocks start, grow and finish, and it finishes. What finishes is told whole
once more, and compared with its pieces. The stream is that of a thread and stays open after a run:
the ``lifecycle`` of the graph itself tells its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tokenwire.dialects.agents.langgraph_wire import FINISH_REASONS, UsageWire, read_counts
from tokenwire.dialects.kit.call_arguments import CallArguments
from tokenwire.dialects.kit.lenient import convert
from tokenwire.dialects.kit.payloads import (
    MAX_INDEX,
    is_list,
    is_mapping,
    json_text,
    malformed,
    plain_text,
    reason_for,
)
from tokenwire.dialects.kit.said import Said
from tokenwire.events import (
    Data,
    Event,
    Finished,
    Reason,
    Reasoning,
    Reset,
    Started,
    Token,
    ToolCall,
    Usage,
)
from tokenwire.frame import Frame

_CALLS = ("tool_call", "tool_call_chunk")


class _Block:
    """A block of a message that is open."""

    __slots__ = ("named", "number", "said")

    def __init__(self, number: int) -> None:
        self.number = number  # its part, or that of its call's key
        self.said = Said()
        self.named = False


class _Message:
    __slots__ = ("blocks", "called", "role")

    def __init__(self, role: str) -> None:
        self.role = role
        self.blocks: dict[str, _Block] = {}
        self.called = False


class ProtocolMessages:
    """The messages of one stream.

    Attributes:
        rests: The last message is one that a model of the graph itself finished, without a call.
        reason: Why it ended.
    """

    def __init__(self) -> None:
        self._open: dict[str, _Message] = {}  # by the place in the graph
        self._arguments = CallArguments()
        self._parts = 0
        self.rests = False
        self.reason: Reason = "other"

    def receive(
        self, data: Mapping[str, Any], place: str, frame: Frame, *, nested: bool
    ) -> list[Event]:
        """The events of one event of a message.

        Args:
            data: It.
            place: Where in the graph it is said: one message at a time.
            frame: Where it came from.
            nested: That is in a subgraph.
        """
        self.rests = False
        kind = plain_text(data.get("event"))
        if len(self._open) == MAX_INDEX and place not in self._open:
            return [malformed(frame, f"more than {MAX_INDEX} messages are open")]
        if kind == "message-start":
            role = plain_text(data.get("role")) or "ai"
            self._open[place] = _Message(role)
            id = plain_text(data.get("id"))
            return [Started(id, frame=frame)] if id and role in ("ai", "assistant") else []
        message = self._open.get(place)
        if message is None:  # who joins late has missed its start
            message = self._open[place] = _Message("ai")
        match kind:
            case "content-block-start" | "content-block-delta" | "content-block-finish":
                return self._receive_block(kind, data, message, frame)
            case "message-finish":
                del self._open[place]
                return self._finish(data, message, frame, nested=nested)
            case _:
                return [Data(kind or "messages", data, frame=frame)]

    def _receive_block(
        self, kind: str, data: Mapping[str, Any], message: _Message, frame: Frame
    ) -> list[Event]:
        whole = kind == "content-block-finish"
        content = _content(data)
        if content is None:
            return [Data(kind, data, frame=frame)]
        if message.role not in ("ai", "assistant"):
            return [Data(message.role, content, frame=frame)] if whole else []
        type = plain_text(content.get("type"))
        name = f"{plain_text(data.get('index'))}:{'call' if type in _CALLS else type}"
        block = message.blocks.get(name)
        if block is None:
            if len(message.blocks) == MAX_INDEX:
                return [malformed(frame, f"there are more than {MAX_INDEX} blocks")]
            block = message.blocks[name] = _Block(self._parts)
            self._parts += 1
        if type in _CALLS:
            message.called = True
            return self._receive_call(content, block, frame, whole=whole)
        if type not in ("text", "reasoning"):
            # Pieces of others are told as they come; what finishes is all of them.
            said = whole or kind == "content-block-delta"
            return [Data(type or "content", content, 0, block.number, frame=frame)] if said else []
        text = plain_text(content.get(type))
        if whole:
            rest = block.said.rest_of(text) if text else ""
            if rest is None and type == "text":
                return [Reset(0, block.number, text, frame=frame)]
            text = rest or ""
        if not text:
            return []
        block.said.add(text)
        made = Token if type == "text" else Reasoning
        return [made(text, 0, block.number, frame=frame)]

    def _receive_call(
        self, content: Mapping[str, Any], block: _Block, frame: Frame, *, whole: bool
    ) -> list[Event]:
        """A call: each piece has all arguments so far, or it is one; the last is an object."""
        key, value = f"call:{block.number}", content.get("args")
        text = value if isinstance(value, str) else json_text(value) if value is not None else ""
        if whole:
            rest = self._arguments.complete(key, text or "{}")
        else:
            known = block.said.rest_of(text)
            rest = text if known is None else known
            block.said.add(rest)
            self._arguments.add(key, rest)
        id = name = None
        if not block.named:
            id, name = (
                plain_text(content.get("id")) or None,
                plain_text(content.get("name")) or None,
            )
            block.named = id is not None or name is not None
        complete = whole and self._arguments.close(key)
        if not (id or name or rest or complete):
            return []
        return [ToolCall(key, 0, id, name, rest, complete, frame=frame)]

    def _finish(
        self, data: Mapping[str, Any], message: _Message, frame: Frame, *, nested: bool
    ) -> list[Event]:
        if message.role not in ("ai", "assistant"):
            return []
        raw = plain_text(data.get("reason")) or None
        self.reason = reason_for(raw, FINISH_REASONS) if raw else "stop"
        self.rests = not (nested or message.called or self.reason == "tool_calls")
        events: list[Event] = []
        if is_mapping(counts := data.get("usage")):
            usage = Usage(**read_counts(_usage(counts)), final=True, frame=frame)
            events += [usage] if usage != Usage(final=True) else []
        return [*events, Finished(0, self.reason, raw, frame=frame)]


def _content(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The block, or what is new in it: a block too, in one of the ways to write a delta."""
    content = data.get("content")
    if is_mapping(content):
        return content
    delta = data.get("delta")
    if not is_mapping(delta):
        return None
    fields = delta.get("fields")
    if is_mapping(fields):
        return fields
    type = plain_text(delta.get("type")).removesuffix("-delta")
    return {**delta, "type": type}


def _usage(counts: Mapping[str, Any]) -> UsageWire:
    try:
        return msgspec.convert(counts, UsageWire)
    except ValueError:
        return convert(counts, UsageWire).value


def place_of(params: Mapping[str, Any]) -> tuple[str, bool]:
    """Where in the graph an event is said, and whether that is in a subgraph."""
    found = params.get("namespace")
    names = [plain_text(one) for one in found] if is_list(found) else []
    return "|".join((*names, plain_text(params.get("node")))), len(names) > 1
