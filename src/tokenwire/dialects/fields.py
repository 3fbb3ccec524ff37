"""Fields of objects that no Struct describes, because they have many shapes: items, blocks, steps.

What a decoder makes nothing of is told by it, so that nothing of the wire is lost without a trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from tokenwire.dialects.lenient import text_from
from tokenwire.dialects.wire import is_list

_NOTHING: Final[tuple[Any, ...]] = (None, "", [], {})


class Fields(Struct, frozen=True):
    """What a decoder reads in one kind of object.

    Attributes:
        words: Fields that hold a word of the vendor's.
        texts: Fields that hold a text, for which a number may stand.
        lists: Fields that hold a list.
        others: Fields that may hold anything, or that say nothing of the answer.
    """

    words: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()

    def unread(self, said: Mapping[str, Any], path: str) -> dict[str, Any]:
        """What of an object is not read, by its path."""
        found: dict[str, Any] = {}
        for name, value in said.items():
            if not self._reads(name, value) and value not in _NOTHING:
                found[f"{path}.{name}"] = value
        return found

    def _reads(self, name: str, value: Any) -> bool:
        if name in self.others:
            return True
        if name in self.words:
            return isinstance(value, str)
        if name in self.texts:
            return text_from(value) is not None
        return name in self.lists and is_list(value)


def text_in(said: Mapping[str, Any], name: str) -> str | None:
    """The text of a field that says something; a number in its place is one."""
    return text_from(said.get(name)) or None
