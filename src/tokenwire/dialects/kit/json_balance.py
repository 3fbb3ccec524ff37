"""Is JSON that comes in pieces whole? Arguments that were cut must never be run."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Raw
from msgspec.json import Decoder

from tokenwire.dialects.kit.lenient import JSON
from tokenwire.dialects.kit.payloads import UNREADABLE

# JSON decoders give up at about a thousand; no tool takes arguments nested half as deep.
_MAX_DEPTH: Final = 500

# Pieces of a few characters each are read together, up to so many.
_MOST_UNREAD: Final = 512

# A number or a word where the arguments should be an object: what is longer is neither.
_MAX_WORD: Final = 64

_INSIDE: Final = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_OUTSIDE: Final = re.compile(r'[^"{}\[\]]*+')
_CLOSERS: Final = {"{": "}", "[": "]"}
_LAST: Final = frozenset('}]"')
_skip: Final = Decoder(Raw).decode


class JSONBalance:
    """Is a JSON text that comes in pieces whole, or was it cut?

    It looks at strings and brackets alone and keeps only those that are open, so that a piece costs
    what it is long. Text that is odd inside its brackets is the model's mistake and not a cut::

        balance.add('{"city":"Par')
        balance.whole  # False
        balance.add('is"}')
        balance.whole  # True
    """

    __slots__ = (
        *("_broken", "_closers", "_ended", "_escaped", "_in_text", "_last", "_unread", "_word"),
    )

    def __init__(self) -> None:
        self._closers = ""  # that are awaited, the next one last
        self._in_text = False
        self._escaped = False  # the last character is a backslash in a string
        self._ended = False  # the object, list or string is closed
        self._word = ""
        self._broken = False  # it is no JSON, or too much of it
        self._last = ""  # the last character that is no space
        self._unread = ""  # pieces that wait to be read together

    @property
    def whole(self) -> bool:
        """It is one JSON value, or nothing at all: tools without parameters get no arguments."""
        if not self._last and _is_object(self._unread):
            return True
        self._read()
        if self._broken or self._in_text or self._closers:
            return False
        return not self._word or _is_value(self._word)

    @property
    def closed(self) -> bool:
        """An object, a list or a string came, and was closed: nothing can follow."""
        if (self._unread.rstrip()[-1:] or "}") not in _LAST:
            return False  # and nothing need be read
        self._read()
        return self._ended and not self._broken

    @property
    def opened(self) -> bool:
        """An object or a list came, if not all of it."""
        self._read()
        return bool(self._closers) or self.closed

    @property
    def in_text(self) -> bool:
        """The next character belongs to a string."""
        self._read()
        return self._in_text

    @property
    def may_open(self) -> bool:
        """An object or a list may begin here, as far as the character before tells."""
        self._read()
        return self._last in ":,[" and not self._in_text

    def add(self, text: str) -> None:
        """Take the next piece."""
        self._unread += text
        if len(self._unread) > _MOST_UNREAD:
            self._read()

    def _read(self) -> None:
        """Read what came since something was asked, as one piece."""
        text, self._unread = self._unread, ""
        at, end = 0, len(text)
        while at < end and not self._broken:
            at = self._pass_text(text, at) if self._in_text else self._pass_rest(text, at)
        self._last = text.rstrip()[-1:] or self._last

    def _pass_text(self, text: str, at: int) -> int:
        if self._escaped:
            self._escaped = False
            at += 1
        found = _INSIDE.match(text, at)
        at = found.end() if found else at  # it always matches
        if at < len(text):
            self._escaped = text[at] == "\\"
            self._in_text = self._escaped
            self._ended = not self._in_text and not self._closers
        return at + 1

    def _pass_rest(self, text: str, at: int) -> int:
        found = _OUTSIDE.match(text, at)
        end = found.end() if found else at
        if not self._closers and (word := text[at:end].strip()):
            self._take_word(word)
        if end < len(text):
            self._take_structure(text[end])
        return end + 1

    def _take_word(self, word: str) -> None:
        self._broken = self._ended or len(self._word) + len(word) > _MAX_WORD
        self._word += word[:_MAX_WORD]

    def _take_structure(self, sign: str) -> None:
        if sign == self._closers[-1:]:
            self._closers = self._closers[:-1]
            self._ended = not self._closers
        elif sign in "}]":
            self._broken = True
        else:
            beside = not self._closers and (self._ended or self._word)
            self._broken = bool(beside) or len(self._closers) == _MAX_DEPTH
            self._in_text = sign == '"'
            self._closers += _CLOSERS.get(sign, "")


def _is_value(text: str) -> bool:
    try:
        JSON.decode(text)
    except ValueError:
        return False
    return True


def is_whole(text: str) -> bool:
    """Is this text one JSON value and no more, as far as brackets and texts tell?"""
    if _is_object(text):
        return True
    balance = JSONBalance()
    balance.add(text)
    return balance.whole


def _is_object(text: str) -> bool:
    """Is it an object without any fault? So nearly all arguments are, and this is soon seen."""
    if text[:1] != "{":
        return False
    if len(text) > _MAX_DEPTH and text.count("{") + text.count("[") > _MAX_DEPTH:
        return False
    try:
        _skip(text)
    except UNREADABLE:
        return False
    return True
