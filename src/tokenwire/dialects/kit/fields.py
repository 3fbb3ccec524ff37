"""Fields of objects that no Struct describes, because they have many shapes: items, blocks, steps.

What a decoder makes nothing of is told by it, so that nothing of the wire is lost without a trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tokenwire.dialects.kit.lenient import EMPTY, text_from


class Fields:
    """What a decoder reads in one kind of object.

    Args:
        words: Fields that hold a word of the vendor's.
        texts: Fields that hold a text, for which a number may stand.
        lists: Fields that hold a list.
        others: Fields that may hold anything, or that say nothing of the answer.
    """

    __slots__ = ("_known",)

    def __init__(
        self,
        *,
        words: Iterable[str] = (),
        texts: Iterable[str] = (),
        lists: Iterable[str] = (),
        others: Iterable[str] = (),
    ) -> None:
        types: dict[str, tuple[type, ...]] = {
            **dict.fromkeys(words, (str,)),
            **dict.fromkeys(texts, (str, int, float, bool)),
            **dict.fromkeys(lists, (list,)),
            **dict.fromkeys(others, (str, int, float, bool, list, dict)),
        }
        # As pairs, which are looked up in half the time of a call of `isinstance`.
        self._known = {
            (name, kind) for name, kinds in types.items() for kind in (*kinds, type(None))
        }

    def has_read(self, said: Mapping[str, Any]) -> bool:
        """Is there nothing in an object that is not read? So it is nearly always."""
        known = self._known
        for name, value in said.items():
            if (name, type(value)) not in known and value not in EMPTY:
                return False
        return True

    def unread(self, said: Mapping[str, Any], path: str) -> dict[str, Any]:
        """What of an object is not read, by its path."""
        unread: dict[str, Any] = {}
        for name, value in said.items():  # nearly always all is read
            if (name, type(value)) not in self._known and value not in EMPTY:
                unread[f"{path}.{name}"] = value
        return unread


def text_in(said: Mapping[str, Any], name: str) -> str | None:
    """The text of a field that says something; a number in its place is one."""
    value = said.get(name)
    return (value if isinstance(value, str) else text_from(value)) or None
