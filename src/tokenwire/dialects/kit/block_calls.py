"""Tool calls that stand in blocks: which one a piece belongs to, and when it is complete.

A block that was closed proves nothing: where the answer was cut at its limit, the block that was
being written is closed all the same. So a call is complete when its block is closed, or another one
took its place, or the answer ended in it, and its JSON is whole. One without any arguments may have
been cut before them: whether it was is known once another block begins, or by the stop reason.
"""

from __future__ import annotations

from collections.abc import Iterator

from tokenwire.dialects.kit.json_balance import is_whole
from tokenwire.dialects.kit.payloads import MAX_INDEX, MalformedError
from tokenwire.dialects.kit.pieces import Pieces, Room
from tokenwire.dialects.kit.toolcalls import CUTTING
from tokenwire.events import Event, Reason, ToolCall
from tokenwire.frame import Frame

# Reasons after which a call that has no arguments may have lost them.
_MAY_CUT = CUTTING | {"refusal", "other"}


class Call:
    """A call that is not complete yet."""

    __slots__ = ("closed", "held", "id", "key", "said")

    def __init__(self, key: str, id: str | None, held: str, room: Room) -> None:
        self.key = key
        self.id = id
        self.held = held  # the input that stood in the beginning of the block
        self.closed = False  # the end of its block came
        self.said = Pieces(room)


class BlockCalls:
    """The calls of an answer by their blocks. At most `MAX_INDEX` are open at a time."""

    __slots__ = ("_begun", "_open", "_room")

    def __init__(self) -> None:
        self._open: dict[int, Call] = {}
        self._begun = 0
        self._room: Room | None = None

    def has(self, index: int) -> bool:
        """Is a call open in this block?"""
        return index in self._open

    def forget(self) -> None:
        """The message is void; keys go on."""
        self._open.clear()

    def reopen(self, index: int, id: str | None) -> bool:
        """Go on with the call of this id, if it stands in this block; else False."""
        call = self._open.get(index)
        if call is None or call.id is None or call.id != id:
            return False
        call.closed = False
        return True

    def begin(self, frame: Frame, index: int | None = None) -> list[Event]:
        """A block begins: those that were closed before it were whole, with or without arguments.

        Args:
            frame: Where.
            index: The block, if it is a call's: one that is open there ends.
        """
        events: list[Event] = []
        if self._open:
            for place, call in list(self._open.items()):
                if call.closed or place == index:
                    events += self._end(place, frame)
        return events

    def open(self, index: int, id: str | None, held: str) -> str:
        """A call begins; its key.

        Raises:
            MalformedError: It is one too many.
        """
        if len(self._open) >= MAX_INDEX:
            raise MalformedError(f"more than {MAX_INDEX} tool calls are open")
        self._room = self._room or Room()
        call = self._open[index] = Call(str(self._begun), id, held, self._room)
        self._begun += 1
        return call.key

    def receive_piece(self, index: int, piece: str, frame: Frame) -> list[Event]:
        """A piece of arguments; where no block was opened at this index, of the last that was.

        Raises:
            MalformedError: It is of one call too many.
        """
        call = self._open.get(index)
        if call is None:
            elsewhere = next(reversed(self._open), None)
            if elsewhere is not None and not self._open[elsewhere].closed:
                call = self._open[index] = self._open.pop(elsewhere)
            else:
                self.open(index, None, "")
                call = self._open[index]
        if piece[:1] in "{[" and call.said.is_just(piece) and is_whole(piece):
            return []  # all of the arguments once more
        call.held = ""  # said in pieces
        call.said.add(piece)
        return [ToolCall(call.key, arguments=piece, frame=frame)]

    def close(self, index: int, frame: Frame) -> list[Event]:
        """The end of a block."""
        call = self._open.get(index)
        if call is None:
            return []
        call.closed = True
        return self._end(index, frame) if call.held or call.said.length else []

    def finish(self, reason: Reason | None, frame: Frame) -> list[Event]:
        """The end of the answer, which closes what is open; None: no reason was said."""
        events: list[Event] = []
        if not self._open:
            return events
        for index, call in list(self._open.items()):
            proven = call.closed if reason is None else reason not in _MAY_CUT
            if call.held or call.said.length or proven:
                events += self._end(index, frame)
        return events

    def rest(self) -> Iterator[Event]:
        """The body ended too early: the inputs that were held back."""
        for call in self._open.values():
            if call.held:
                yield ToolCall(call.key, arguments=call.held)

    def _end(self, index: int, frame: Frame) -> list[Event]:
        """Nothing more of this call can come. It is complete, if its JSON is whole."""
        call = self._open.pop(index)
        events: list[Event] = []
        if call.held:
            call.said.add(call.held)
            events.append(ToolCall(call.key, arguments=call.held, frame=frame))
        if call.said.kept and is_whole(call.said.text()):
            events.append(ToolCall(call.key, complete=True, frame=frame))
        return events
