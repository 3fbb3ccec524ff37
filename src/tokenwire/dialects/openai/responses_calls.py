"""The calls of a Responses stream: each reported once, whichever of its events bring what.

Arguments that come whole are compared with the pieces: what was missing is reported, and what says
something else is reported as a call of its own, with the same id, while the first one stays
incomplete.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tokenwire.dialects.kit.lenient import text_from
from tokenwire.dialects.kit.payloads import UNREADABLE, json_text
from tokenwire.dialects.kit.pieces import Room
from tokenwire.dialects.openai.responses_items import Call, Item
from tokenwire.dialects.openai.responses_wire import is_served
from tokenwire.events import Data, Event, ToolCall
from tokenwire.frame import Frame


class Calls:
    """What is reported of calls. Their number is bounded by that of the items.

    Args:
        room: What all texts of the stream may take.
    """

    __slots__ = ("_all", "_room")

    def __init__(self, room: Room) -> None:
        self._room = room
        self._all: list[tuple[Item, Call]] = []

    @property
    def ask_the_client(self) -> bool:
        """Is there a call that the service does not run itself?"""
        return any(not call.served for _, call in self._all)

    @property
    def are_of_tools(self) -> bool:
        """Is there a call that the wire calls one of the caller's tools, whoever runs it?"""
        return any(item.type != "mcp_call" for item, _ in self._all)

    def receive_piece(
        self, item: Item, piece: str, said: Mapping[str, Any], frame: Frame
    ) -> list[Event]:
        """A fragment of arguments, and what else is said beside it."""
        call, events = self._call(item, said, frame)
        events = self._name(item, call, said.get("call_id"), said, frame, events)
        over = _is_over(item, call)
        if over and call.said.agreement(piece) == 2:
            return events  # all of it once more
        if item.closed and not over and _opens_again(call, piece):
            piece = call.said.rest_of(piece) or ""
        if call.complete:
            return [*events, Data(f"{item.type}_arguments.delta", piece, frame=frame)]
        if not call.said.length and not call.held and _is_empty(piece):
            call.held = piece
            return events
        if call.held and not piece.lstrip().startswith("{"):
            piece = call.held + piece
        call.held = ""
        return self._say(call, piece, frame, events)

    def receive_item(self, item: Item, said: Mapping[str, Any], frame: Frame) -> list[Event]:
        """What is news in an item that is opened. Its arguments wait for those that follow."""
        call, events = self._call(item, said, frame)
        if not call.said.length:
            call.held = arguments_of(said) or call.held
        own_id = "id" if item.type == "mcp_call" else "call_id"
        id = said.get("call_id") or said.get(own_id)
        return self._name(item, call, id, said, frame, events)

    def receive_whole(self, item: Item, said: Mapping[str, Any], frame: Frame) -> list[Event]:
        """What is news in whole arguments, or in an item that is whole."""
        return self._receive_whole(item, said, frame)[1]

    def _receive_whole(
        self, item: Item, said: Mapping[str, Any], frame: Frame
    ) -> tuple[Call, list[Event]]:
        call, events = self._call(item, said, frame)
        id = said.get("call_id") or said.get("id")
        events = self._name(item, call, id, said, frame, events)
        whole = arguments_of(said)
        if not whole or (_is_empty(whole) and not call.said.length):
            call.held = call.held or whole
            return call, events
        call.held = ""
        rest = call.said.rest_of(whole)
        if rest is None and not _is_rewritten(call, whole):
            if call.complete:
                return call, [*events, Data(item.type, said, frame=frame)]
            item.call, call.cut = None, True  # this one never was whole: another one begins
            call, begun = self._call(item, said, frame)
            begun = self._name(item, call, item.call_id or id, said, frame, begun)
            return call, [*events, *self._say(call, whole, frame, begun)]
        if rest and not call.complete:
            events = self._say(call, rest, frame, events)
        return call, events

    def close(self, item: Item, said: Mapping[str, Any], frame: Frame) -> list[Event]:
        """The whole item, with its result where the service ran it. One that was cut says so."""
        was_closed, item.closed = item.closed, True
        call, events = self._receive_whole(item, said, frame)
        events = self._say_held(call, frame, events)
        if not was_closed and (said.get("output") or said.get("error")):
            events.append(Data(item.type, said, frame=frame))
        status = said.get("status")
        call.cut |= status == "incomplete"
        # What is closed without arguments may have been cut before them: the end will tell.
        if status == "completed" or call.said.length:
            events += self._complete(item, call, frame)
        return events

    def close_all(self, frame: Frame, *, cut: bool) -> list[Event]:
        """The answer ended, and with it the calls that are open; cut somewhere, or complete."""
        events: list[Event] = []
        for item, call in self._all:
            if not cut or ((call.said.length or call.held) and item.type != "custom_tool_call"):
                events += self._complete(item, call, frame)
        return events

    def _complete(self, item: Item, call: Call, frame: Frame) -> list[Event]:
        """It is complete, if its JSON is."""
        events: list[Event] = []
        if call.complete or call.cut:
            return events
        self._say_held(call, frame, events)
        if item.type == "custom_tool_call" or call.balance.whole:
            call.complete = True
            events.append(ToolCall(call.key, complete=True, frame=frame))
        return events

    def _say_held(self, call: Call, frame: Frame, events: list[Event]) -> list[Event]:
        held, call.held = call.held, ""
        return self._say(call, held, frame, events) if held else events

    def _say(self, call: Call, piece: str, frame: Frame, events: list[Event]) -> list[Event]:
        """A piece of arguments, in one event with what stands right before it."""
        call.said.add(piece)
        call.balance.add(piece)
        if events:
            events[-1] = msgspec.structs.replace(events[-1], arguments=piece)
        else:
            events.append(ToolCall(call.key, arguments=piece, frame=frame))
        return events

    def _name(
        self,
        item: Item,
        call: Call,
        id: Any,
        said: Mapping[str, Any],
        frame: Frame,
        events: list[Event],
    ) -> list[Event]:
        """The id and the name, if they are news, and that the service runs it."""
        new_id = None if call.id else text_or_none(id)
        name = None if call.name else text_or_none(said.get("name"))
        served = bool(events)
        if not call.served and is_served(item.type, said):
            served = call.served = True
        if not (new_id or name or served):
            return events
        call.id, call.name = call.id or new_id, call.name or name
        return [ToolCall(call.key, 0, new_id, name, provider_executed=served, frame=frame)]

    def _call(self, item: Item, said: Mapping[str, Any], frame: Frame) -> tuple[Call, list[Event]]:
        """The item's call; where it begins and the service runs it, an event says so."""
        if item.call is not None:
            return item.call, []
        served = is_served(item.type, said)
        call = item.call = Call(str(len(self._all)), self._room, served=served)
        self._all.append((item, call))
        return call, [ToolCall(call.key, provider_executed=True, frame=frame)] if served else []


def text_or_none(value: Any) -> str | None:
    """A text that says something; a number in its place is one."""
    if value is None:  # as most are that are asked for
        return None
    return (value if isinstance(value, str) else text_from(value)) or None


def arguments_of(item: Mapping[str, Any]) -> str:
    """The arguments of a call that is whole."""
    whole = item.get("arguments") or item.get("input") or ""
    return whole if isinstance(whole, str) else json_text(whole)


def agreement(item: Item, whole: str) -> int:
    """Did the call of this item say this?"""
    call = item.call
    return 0 if call is None else call.said.agreement(whole) or 2 * _is_rewritten(call, whole)


def _is_over(item: Item, call: Call) -> bool:
    """Are its arguments whole, as far as one can tell?"""
    return call.complete or (item.type != "custom_tool_call" and call.balance.closed)


def _opens_again(call: Call, piece: str) -> bool:
    """Does a call that was closed go on with all of its arguments, and more?

    So do those who make an item of each piece, and close it.
    """
    return (
        len(piece) >= call.said.length > 0
        and piece.lstrip().startswith("{")
        and call.said.agreement(piece) > 0
    )


def _is_empty(arguments: str) -> bool:
    """No arguments, as an object: some send it in place of those that follow."""
    return arguments.strip() == "{}"


def _is_rewritten(call: Call, whole: str) -> bool:
    """Is this the value that the pieces are, written in another way?"""
    if not call.balance.whole or len(whole) < call.said.length // 4:
        return False
    try:
        return bool(msgspec.json.decode(call.said.text()) == msgspec.json.decode(whole))
    except UNREADABLE:
        return False
