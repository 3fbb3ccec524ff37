"""Content that stood in the start of a message already, and comes again in its blocks.

Gateways that build a stream out of a whole answer put its content into ``message_start`` and then
stream it too. A block that is opened once more repeats what was reported, and only what goes
beyond that is new. One that is not opened again goes on: its pieces are new.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenwire.dialects.anthropic.messages_wire import TOOL_BLOCKS
from tokenwire.dialects.kit.fields import text_in
from tokenwire.events import Event, Reasoning, Reset, Token
from tokenwire.frame import Frame


class _Reported:
    """A text from the start of the message, and how much of it was repeated."""

    __slots__ = ("at", "kind", "reopened", "text")

    def __init__(self, text: str, kind: str) -> None:
        self.text = text
        self.kind = kind
        self.reopened = False
        self.at = 0


class Repeats:
    """The blocks that the start of a message reported, as far as they may come again."""

    __slots__ = ("_blocks",)

    def __init__(self) -> None:
        # None: no text. What comes of such a block is dropped until it ends.
        self._blocks: dict[int, _Reported | None] = {}

    def __len__(self) -> int:
        return len(self._blocks)

    def __contains__(self, index: int) -> bool:
        return index in self._blocks

    def add(self, block: Mapping[str, Any], index: int) -> None:
        """Keep what was reported of a block in the start of the message."""
        kind = block.get("type")
        if kind in ("text", "thinking"):
            text = text_in(block, kind)
            if text:
                self._blocks[index] = _Reported(text, kind)
        elif block.get("input") or kind not in TOOL_BLOCKS:
            self._blocks[index] = None

    def close(self, index: int) -> None:
        """The block ended: what comes under its index after it is another one."""
        self._blocks.pop(index, None)

    def reopen(self, block: Mapping[str, Any], index: int, frame: Frame) -> list[Event]:
        """The block begins once more: the events of what it has beyond what was reported."""
        reported = self._blocks[index]
        if reported is None:
            return []
        reported.reopened = True
        text = text_in(block, reported.kind)
        return self.receive_piece(text, index, frame) if text else []

    def receive_piece(self, piece: str, index: int, frame: Frame) -> list[Event]:
        """The events of a piece: none where it repeats a text, else what goes on after it."""
        reported = self._blocks[index]
        if reported is None:
            return []
        if reported.reopened and reported.text.startswith(piece, reported.at):
            reported.at += len(piece)
            return []
        del self._blocks[index]
        repeated = reported.text[: reported.at]
        rest = reported.text[reported.at :] if reported.reopened else ""
        if reported.kind == "thinking":
            return [Reasoning(piece.removeprefix(rest), 0, index, frame=frame)]
        if repeated and not piece.startswith(rest):
            return [Reset(0, index, repeated + piece, frame=frame)]
        return [Token(piece.removeprefix(rest), 0, index, frame=frame)]
