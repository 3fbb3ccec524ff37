"""Which tool call does this fragment belong to? One ladder for all OpenAI-like wires.

Services leave the index out, send 0 for every call, repeat ids and names or send them late. In
order:

1. With an index: the slot of that index, unless it already holds another id, or, where ids are
   missing, another name: then a new call begins in it.
2. Without an index: an id that is known continues its call; a new id or a name begins one; bare
   arguments continue the last call. Fragments that stand side by side in one delta are told apart
   by their place.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from tokenwire.dialects.wire import MAX_INDEX
from tokenwire.events import Reason

CUTTING: Final[frozenset[Reason]] = frozenset({"length", "content_filter", "error", "cancelled"})
"""Reasons after which the arguments of a call may be cut anywhere: it is not complete."""

_LONGEST = 256  # characters of a name; services' ids have up to 64


class Slot(Struct):
    """One call as far as it is known."""

    key: str
    id: str | None = None
    name: str | None = None


class ToolCallSlots:
    """The calls of one choice.

    Args:
        choice: Its index, part of the keys.
    """

    __slots__ = ("_by_index", "_choice", "_in_order")

    def __init__(self, choice: int) -> None:
        self._choice = choice
        self._by_index: dict[int, Slot] = {}
        self._in_order: list[Slot] = []

    @property
    def keys(self) -> list[str]:
        """The keys of all calls, in the order in which they began."""
        return [slot.key for slot in self._in_order]

    def place(
        self, *, index: int | None, id: str | None, name: str | None, position: int, siblings: int
    ) -> Slot:
        """The slot of a fragment; it learns the fragment's id and name.

        Args:
            index: As sent, if it was.
            id: As sent; empty is none.
            name: As sent; empty is none.
            position: The fragment's place in its delta.
            siblings: Fragments in that delta.
        """
        slot = (
            self._by_position(id, name, position, siblings)
            if index is None
            else self._by_index.get(index)
        )
        if slot is None or _begins_another(slot, id, name):
            slot = Slot(f"{self._choice}:{len(self._in_order)}")
            self._in_order.append(slot)
        if index is not None:
            self._by_index[index] = slot
        slot.id = slot.id or id
        slot.name = slot.name or name
        return slot

    def _by_position(
        self, id: str | None, name: str | None, position: int, siblings: int
    ) -> Slot | None:
        if id:
            return next((slot for slot in self._in_order if slot.id == id), None)
        if name:
            return None
        if siblings > 1 and position < len(self._in_order):
            return self._in_order[position - siblings]
        return self._in_order[-1] if self._in_order else None


def _begins_another(slot: Slot, id: str | None, name: str | None) -> bool:
    if id and slot.id:
        return id != slot.id
    return bool(name and slot.name and not id and not slot.id and name != slot.name)


class NumberedCalls:
    """Keys for the calls of wires that name each by a block, an id or an index: "0", "1", ...

    At most `MAX_INDEX` calls are open at a time.
    """

    __slots__ = ("_begun", "_open")

    def __init__(self) -> None:
        self._open: dict[str | int, str] = {}
        self._begun = 0

    @property
    def full(self) -> bool:
        """No further call can be opened."""
        return len(self._open) >= MAX_INDEX

    def open(self, name: str | int) -> str:
        """A key for the call that the wire calls so; a call that had this name is forgotten."""
        key = self._open[_short(name)] = str(self._begun)
        self._begun += 1
        return key

    def get(self, name: str | int) -> str | None:
        """The key of an open call, or None."""
        return self._open.get(_short(name))

    def close(self, name: str | int) -> str | None:
        """The key of an open call, which is open no longer, or None."""
        return self._open.pop(_short(name), None)

    def close_all(self) -> list[str]:
        """The keys of all open calls, none of which is open any longer."""
        keys = list(self._open.values())
        self._open.clear()
        return keys


def _short(name: str | int) -> str | int:
    """The name, or what stands for one that is too long to be kept."""
    if isinstance(name, int) or len(name) <= _LONGEST:
        return name
    return f"{len(name)} characters, {hash(name)}"
