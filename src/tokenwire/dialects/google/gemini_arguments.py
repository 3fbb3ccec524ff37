"""Vertex streams the arguments of a call as patches: a JSONPath and what stands there.

A text comes in several patches of one path, one after the other; anything else in one.
"""

from __future__ import annotations

import re
from io import StringIO
from itertools import pairwise
from typing import Any, Final

from tokenwire.dialects.kit.payloads import MAX_INDEX, is_list, is_mapping, json_text

# Steps of a path. Deeper than any tool's schema, and so shallow that no JSON encoder gives up.
MAX_STEPS: Final = 64

# What one value costs beside its characters, in about the bytes that Python takes for it.
_VALUE_COST: Final = 64

_PATH = re.compile(
    r"""\.([^.\[\]"']+)|\[([0-9]{1,9})\]|\['([^'\\]*)'\]|\["([^"\\]*)"\]""",
)


class PatchedArguments:
    """The arguments of one call as far as they are known."""

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: dict[str, Any] = {}

    def put(self, path: str, value: Any) -> int:
        """Apply one patch; a text goes after the text that stands there.

        Returns:
            What it cost: about the bytes it made the arguments grow by.

        Raises:
            ValueError: The path cannot be read, or does not fit the patches before it.
        """
        steps = _steps(path)
        cost = 0
        node: Any = self._root
        for step, following in pairwise(steps):
            child = _get(node, step)
            if child is None:
                child = _empty(following)
                cost += _set(node, step, child)
            node = child
        last = steps[-1]
        there = _get(node, last)
        if isinstance(value, str):
            if not isinstance(there, StringIO):
                there = StringIO()
                cost += _set(node, last, there)
            there.write(value)
            return cost + len(value)
        return cost + _set(node, last, value)

    def __str__(self) -> str:
        """The arguments as JSON text."""
        return json_text(_plain(self._root))


def _plain(node: Any) -> Any:
    """The same with the texts as they came together."""
    if isinstance(node, StringIO):
        return node.getvalue()
    if is_mapping(node):
        return {name: _plain(child) for name, child in node.items()}
    return [_plain(child) for child in node] if is_list(node) else node


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    at = 1
    while match := _PATH.match(path, at):
        number = match[2]
        steps.append(int(number) if number else match[match.lastindex or 0])
        at = match.end()
    if not path.startswith("$") or at < len(path) or not 0 < len(steps) <= MAX_STEPS:
        raise ValueError(f"{path[:80]!r} is no path of at most {MAX_STEPS} steps")
    return steps


def _empty(step: str | int) -> Any:
    """What this step leads into."""
    return [] if isinstance(step, int) else {}


def _get(node: Any, step: str | int) -> Any:
    if is_mapping(node) and isinstance(step, str):
        return node.get(step)
    if is_list(node) and isinstance(step, int):
        return node[step] if step < len(node) else None
    raise ValueError(f"{step!r} does not fit into what came before")


def _set(node: Any, step: Any, value: Any) -> int:
    added = 1
    if is_list(node) and step >= len(node):
        added = step + 1 - len(node)
        if step >= MAX_INDEX:
            raise ValueError(f"an array has more than {MAX_INDEX} elements")
        node.extend([None] * added)
    node[step] = value
    return added * _VALUE_COST
