"""Counts the steps that a backtracking matcher takes over a regular expression.

`re` tells nobody how much work it does. This walks the same parsed pattern in the same order, one
step at a time, so that a test can compare the work for a text with that for one twice as long. It
is an upper bound: `re` also looks ahead for literals.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Literal, TypeAlias

Way: TypeAlias = Literal["match", "fullmatch", "search"]

WORD = frozenset(map(ord, "_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
DIGITS = frozenset(map(ord, "0123456789"))
SPACE = frozenset(map(ord, " \t\n\r\f\v"))
CATEGORIES = {
    codes.CATEGORY_DIGIT: DIGITS,
    codes.CATEGORY_WORD: WORD,
    codes.CATEGORY_SPACE: SPACE,
}
NEGATED = {
    codes.CATEGORY_NOT_DIGIT: DIGITS,
    codes.CATEGORY_NOT_WORD: WORD,
    codes.CATEGORY_NOT_SPACE: SPACE,
}
ONE = (codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN)


class Matcher:
    """One pattern over one text.

    Attributes:
        steps: Taken so far.
    """

    def __init__(self, pattern: re.Pattern[Any], text: str) -> None:
        self.steps = 0
        self._ignores_case = bool(pattern.flags & re.IGNORECASE)
        self._all = bool(pattern.flags & re.DOTALL)
        self._lines = bool(pattern.flags & re.MULTILINE)
        tree = parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
        self._tree: Sequence[Any] = tree.data
        self._text = [ord(letter) for letter in self._folded(text)]

    def run(self, way: Way) -> None:
        """Search as ``finditer`` does, or look at the beginning alone."""
        end = len(self._text)
        at = 0
        while at <= end:
            found = next(self._sequence(self._tree, at), None)
            if way == "fullmatch":
                for found in self._sequence(self._tree, at):
                    if found == end:
                        break
            if way != "search":
                return
            at = max(at + 1, found or 0)

    def _folded(self, text: str) -> str:
        return text.lower() if self._ignores_case else text

    def _sequence(self, nodes: Sequence[Any], at: int) -> Iterator[int]:
        if not nodes:
            yield at
            return
        for after in self._node(nodes[0], at):
            yield from self._sequence(nodes[1:], after)

    def _node(self, node: Any, at: int) -> Iterator[int]:
        self.steps += 1
        kind, what = node
        if kind in ONE:
            if at < len(self._text) and self._is_one(node, self._text[at]):
                yield at + 1
        elif kind is codes.BRANCH:
            for branch in what[1]:
                yield from self._sequence(branch.data, at)
        elif kind is codes.SUBPATTERN:
            yield from self._sequence(what[3].data, at)
        elif kind is codes.ATOMIC_GROUP:
            yield from self._first(self._sequence(what.data, at))
        elif kind is codes.MAX_REPEAT:
            yield from self._greedy(*what, at)
        elif kind is codes.MIN_REPEAT:
            yield from self._lazy(*what, at)
        elif kind is codes.POSSESSIVE_REPEAT:
            yield from self._first(self._greedy(*what, at))
        elif kind in (codes.ASSERT, codes.ASSERT_NOT):
            yield from self._look(what, at, wanted=kind is codes.ASSERT)
        elif kind is codes.AT:
            if self._is_at(what, at):
                yield at
        else:
            raise NotImplementedError(kind)

    def _first(self, found: Iterator[int]) -> Iterator[int]:
        for after in found:
            yield after
            return

    def _greedy(self, least: int, most: int, what: Any, at: int) -> Iterator[int]:
        places = [at]
        further = [self._sequence(what.data, at)]
        while places:
            after = next(further[-1], None) if len(places) <= most else None
            if after is not None and after > places[-1]:
                places.append(after)
                further.append(self._sequence(what.data, after))
                continue
            further.pop()
            place = places.pop()
            if len(places) >= least:
                self.steps += 1
                yield place

    def _lazy(self, least: int, most: int, what: Any, at: int) -> Iterator[int]:
        for count in range(min(int(most), len(self._text)) + 1):
            if count >= least:
                yield at
            after = next(self._sequence(what.data, at), None)
            if after is None:
                return
            at = after

    def _look(self, what: Any, at: int, *, wanted: bool) -> Iterator[int]:
        direction, inner = what
        if direction < 0:
            at -= inner.getwidth()[0]
        found = at >= 0 and next(self._sequence(inner.data, at), None) is not None
        if found is wanted:
            yield at + (inner.getwidth()[0] if direction < 0 else 0)

    def _is_at(self, what: Any, at: int) -> bool:
        text = self._text
        if what in (codes.AT_BEGINNING, codes.AT_BEGINNING_STRING):
            return at == 0 or (self._lines and text[at - 1] == 10)
        if what in (codes.AT_END, codes.AT_END_STRING):
            last = at == len(text) - 1 and text[at] == 10 and what is codes.AT_END
            return at == len(text) or last or (self._lines and text[at] == 10)
        before = at > 0 and text[at - 1] in WORD
        after = at < len(text) and text[at] in WORD
        return (before != after) is (what is codes.AT_BOUNDARY)

    def _is_one(self, node: Any, letter: int) -> bool:
        kind, what = node
        if kind is codes.LITERAL:
            return self._fold(what) == letter
        if kind is codes.NOT_LITERAL:
            return self._fold(what) != letter
        if kind is codes.ANY:
            return self._all or letter != 10
        negated = what[0][0] is codes.NEGATE
        return any(self._is_in(one, letter) for one in what[negated:]) is not negated

    def _is_in(self, one: Any, letter: int) -> bool:
        kind, what = one
        if kind is codes.LITERAL:
            return self._fold(what) == letter
        if kind is codes.RANGE:
            return what[0] <= letter <= what[1]
        if what in NEGATED:
            return letter not in NEGATED[what]
        return letter in CATEGORIES[what]

    def _fold(self, letter: int) -> int:
        return ord(chr(letter).lower()) if self._ignores_case else letter


def texts_of(pattern: re.Pattern[Any]) -> list[str]:
    """Short texts that this pattern is made of: its literals in a row, and letters of its sets."""
    found: dict[str, None] = {}

    def walk(nodes: Sequence[Any]) -> None:
        row = ""
        for kind, what in nodes:
            if kind is codes.LITERAL:
                row += chr(what)
                continue
            if row:
                found[row] = None
            row = ""
            if kind is codes.IN:
                for inner, value in what[:2]:
                    if inner is codes.LITERAL:
                        found[chr(value)] = None
                    elif inner is codes.RANGE:
                        found[chr(value[0])] = None
            elif kind is codes.BRANCH:
                for branch in what[1]:
                    walk(branch.data)
            elif kind is codes.SUBPATTERN:
                walk(what[3].data)
            elif kind is codes.ATOMIC_GROUP:
                walk(what.data)
            elif kind in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
                walk(what[2].data)
            elif kind in (codes.ASSERT, codes.ASSERT_NOT):
                walk(what[1].data)
        if row:
            found[row] = None

    walk(parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG).data)
    return [*found]


def steps(pattern: re.Pattern[Any], text: str, way: Way) -> int:
    """Steps over this text."""
    matcher = Matcher(pattern, text)
    matcher.run(way)
    return matcher.steps
