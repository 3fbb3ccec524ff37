"""The calls of a Responses stream: each told once, whichever of its events bring what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenwire.dialects._responses_wire import CALLS
from tokenwire.dialects.wire import json_text
from tokenwire.events import Data, Event, ToolCall
from tokenwire.frame import Frame


class _Call:
    """What was told of one call."""

    __slots__ = ("closed", "id", "key", "name", "provider_executed", "spoke")

    def __init__(self, key: str, provider_executed: bool) -> None:
        self.key = key
        self.provider_executed = provider_executed
        self.id: str | None = None
        self.name: str | None = None
        self.spoke = False
        self.closed = False


class Calls:
    """The calls by output_index. Their number is bounded by who gives the indices."""

    def __init__(self) -> None:
        self._by_output: dict[int, _Call] = {}

    @property
    def ask_the_client(self) -> bool:
        """Is there a call that the service does not run itself?"""
        return any(not call.provider_executed for call in self._by_output.values())

    def receive_piece(self, piece: str, item_type: str, output: int, frame: Frame) -> ToolCall:
        """A fragment of arguments."""
        call, served = self._call(item_type, output)
        call.spoke = True
        return ToolCall(call.key, arguments=piece, provider_executed=served, frame=frame)

    def receive_item(
        self,
        item: Mapping[str, Any],
        item_type: str,
        output: int,
        frame: Frame,
        *,
        whole: bool = True,
    ) -> list[Event]:
        """What is news in an item. Its arguments count only once it is whole."""
        call, served = self._call(item_type, output)
        own_id = "id" if whole or call.provider_executed else "call_id"
        id = None if call.id else text_or_none(item.get("call_id") or item.get(own_id))
        name = None if call.name else text_or_none(item.get("name"))
        arguments = _arguments(item) if whole and not call.spoke else ""
        call.id, call.name = call.id or id, call.name or name
        call.spoke = call.spoke or bool(arguments)
        if not (id or name or arguments or served):
            return []
        return [ToolCall(call.key, 0, id, name, arguments, provider_executed=served, frame=frame)]

    def close(
        self, item: Mapping[str, Any], item_type: str, output: int, frame: Frame
    ) -> list[Event]:
        """The whole item, with its result where the service ran it. One that was cut says so."""
        events = self.receive_item(item, item_type, output, frame)
        call = self._by_output[output]
        if not call.closed:
            call.closed = True
            if item.get("output") or item.get("error"):
                events.append(Data(item_type, item, frame=frame))
            if item.get("status") != "incomplete":
                events.append(ToolCall(call.key, complete=True, frame=frame))
        return events

    def close_all(self, frame: Frame) -> list[Event]:
        """The answer is complete, and so are the calls that are open."""
        running = [call for call in self._by_output.values() if not call.closed]
        return [ToolCall(call.key, complete=True, frame=frame) for call in running]

    def _call(self, item_type: str, output: int) -> tuple[_Call, bool]:
        """The call, and whether to say with this first event that the service runs it."""
        call = self._by_output.get(output)
        if call is not None:
            return call, False
        call = _Call(str(len(self._by_output)), CALLS[item_type])
        self._by_output[output] = call
        return call, call.provider_executed


def text_or_none(value: Any) -> str | None:
    """A text that says something."""
    return value if isinstance(value, str) and value else None


def _arguments(item: Mapping[str, Any]) -> str:
    whole = item.get("arguments") or item.get("input") or ""
    return whole if isinstance(whole, str) else json_text(whole)
