"""Calls that the wire names, by a block, an id or an index: to each its key.

Where a wire does not name them, `tokenwire.dialects.kit.toolcalls` finds out which call is meant.
"""

from __future__ import annotations

from typing import Final

from tokenwire.dialects.kit.payloads import MAX_INDEX

_LONGEST: Final = 256  # characters of an id or a name that are kept; services' ids have up to 64


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

    @property
    def keys(self) -> list[str]:
        """The keys of all open calls."""
        return list(self._open.values())

    def open(self, name: str | int) -> str:
        """A key for the call that the wire calls so; a call that had this name is forgotten."""
        key = self._open[short_name(name)] = str(self._begun)
        self._begun += 1
        return key

    def get(self, name: str | int) -> str | None:
        """The key of an open call, or None."""
        return self._open.get(short_name(name))

    def close(self, name: str | int) -> str | None:
        """The key of an open call, which is open no longer, or None."""
        return self._open.pop(short_name(name), None)

    def close_all(self) -> list[str]:
        """The keys of all open calls, none of which is open any longer."""
        keys = list(self._open.values())
        self._open.clear()
        return keys


def short_name(name: str | int) -> str | int:
    """The name, or what stands for one that is too long to be kept."""
    if isinstance(name, int) or len(name) <= _LONGEST:
        return name
    return hash(name)
