"""Is JSON that comes in pieces whole? Arguments that were cut must never be run."""

from __future__ import annotations

import re
from typing import Final

_OUTSIDE: Final = re.compile(r'["{}\[\]]')  # what counts outside of a text
_INSIDE: Final = re.compile(r'["\\]')  # and inside of one


class JSONBalance:
    """Counts brackets and knows texts: enough to tell what was cut.

    Its work is linear in the pieces, and it keeps none of them. A bare number or word counts as
    whole wherever it ends.
    """

    __slots__ = ("_bare", "_braces", "_brackets", "_escaped", "_in_text", "_values")

    def __init__(self) -> None:
        self._values = 0  # that began outside of all brackets
        self._bare = False  # something else stands there: a number, a word
        self._braces = 0
        self._brackets = 0
        self._in_text = False
        self._escaped = False  # the last piece ended behind a backslash

    @property
    def whole(self) -> bool:
        """Is it one value and no more? Nothing at all is whole: a call may have no arguments."""
        is_open = self._in_text or self._braces or self._brackets
        return not is_open and self._values + self._bare <= 1

    def add(self, piece: str) -> None:
        """Take the next piece."""
        at, end = 0, len(piece)
        if self._escaped and piece:
            at, self._escaped = 1, False
        while at < end:
            match = (_INSIDE if self._in_text else _OUTSIDE).search(piece, at)
            top = not (self._in_text or self._braces or self._brackets)
            if top and not self._bare:
                self._bare = bool(piece[at : match.start() if match else end].strip())
            if match is None:
                return
            at = match.end()
            match match[0]:
                case "\\":
                    self._escaped = at == end
                    at += 1
                    continue
                case '"':
                    self._in_text = not self._in_text
                case "{":
                    self._braces += 1
                case "[":
                    self._brackets += 1
                case "}":
                    self._braces -= 1
                case _:
                    self._brackets -= 1
            if self._braces < 0 or self._brackets < 0:
                top = True
                self._values = 1  # and one more: nothing can make this whole
            self._values += top


def is_whole(text: str) -> bool:
    """Is this text one JSON value and no more, as far as brackets and texts tell?"""
    balance = JSONBalance()
    balance.add(text)
    return balance.whole
