"""How an answer is parted, and how far a client has it: `Block` and `Place`."""

from __future__ import annotations

from typing import Final

from msgspec import Struct


class Block(Struct, frozen=True):
    """A part of an answer that comes whole or not at all: of SSE, one event.

    Attributes:
        number: Its place among the blocks, from 0.
        start: Its first byte's place in the body.
        data: Its bytes.
    """

    number: int
    start: int
    data: bytes

    @property
    def end(self) -> int:
        """The place of the byte after it."""
        return self.start + len(self.data)


class Place(Struct, frozen=True):
    """How far a client has an answer, in blocks or in bytes of the body.

    Attributes:
        number: The last block that it has.
        offset: How many bytes it has.
    """

    number: int = -1
    offset: int = 0

    def is_after(self, block: Block) -> bool:
        """The client has all of this block."""
        return block.number <= self.number or block.end <= self.offset

    def is_at(self, block: Block) -> bool:
        """This is the last block that the client has, or has a part of."""
        return block.number == self.number or block.start < self.offset <= block.end

    def rest_of(self, block: Block) -> bytes:
        """What the client lacks of a block."""
        return b"" if self.is_after(block) else block.data[max(0, self.offset - block.start) :]


START: Final = Place()
"""The place of a client that has nothing."""
