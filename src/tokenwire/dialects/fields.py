"""Fields of objects that no Struct describes, because they have many shapes: items, blocks, steps.

What a decoder makes nothing of is told by it, so that nothing of the wire is lost without a trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tokenwire.dialects.lenient import text_from

_NOTHING: Final[tuple[Any, ...]] = (None, "", [], {})


class Fields:
    """What a decoder reads in one kind of object.

    Args:
        words: Fields that hold a word of the vendor's.
        texts: Fields that hold a text, for which a number may stand.
        lists: Fields that hold a list.
        others: Fields that may hold anything, or that say nothing of the answer.
    """

    __slots__ = ("_types",)

    def __init__(
        self,
        *,
        words: Iterable[str] = (),
        texts: Iterable[str] = (),
        lists: Iterable[str] = (),
        others: Iterable[str] = (),
    ) -> None:
        self._types: dict[str, tuple[type, ...]] = {
            **dict.fromkeys(words, (str,)),
            **dict.fromkeys(texts, (str, int, float)),
            **dict.fromkeys(lists, (list,)),
            **dict.fromkeys(others, (object,)),
        }

    def unread(self, said: Mapping[str, Any], path: str) -> dict[str, Any]:
        """What of an object is not read, by its path."""
        types = self._types
        found: dict[str, Any] = {}
        for name, value in said.items():
            if not isinstance(value, types.get(name, ())) and value not in _NOTHING:
                found[f"{path}.{name}"] = value
        return found


def text_in(said: Mapping[str, Any], name: str) -> str | None:
    """The text of a field that says something; a number in its place is one."""
    return text_from(said.get(name)) or None
