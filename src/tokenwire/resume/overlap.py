"""How much of a new text repeats the end of an old one, and whether that is an accident.

The longest overlap comes out of one Knuth-Morris-Pratt search for the new text in the end of the
old one. The pattern grows as the text comes in, and where the search runs out of text, what it has
matched is the overlap: at most two comparisons for each code point of either, and no need to know
the new text in full.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Final, Literal, TypeAlias
from unicodedata import category

from msgspec import Struct

Method: TypeAlias = Literal["prefill", "instruction"]
"""How the model was asked to go on: from its own words, or by an instruction in a new turn."""

# Letters that a repetition must have to be no accident, wherever it begins. A model that continues
# its own words has no reason to repeat any; one that was asked in a new turn was told to.
LONG: Final[dict[Method, int]] = {"prefill": 12, "instruction": 8}

# Letters of a phrase that people hardly write twice in a row.
_PHRASE: Final = 8

# An ideograph says about as much as three letters, a Korean syllable as two.
_DENSE: Final = 3
_SYLLABLE: Final = 2

# Scripts without spaces between words: Thai to Tibetan, Burmese, Khmer, then kana and ideographs.
_DENSE_RANGES: Final = (
    ("\u0e00", "\u0fff"),
    ("\u1000", "\u109f"),
    ("\u1780", "\u17ff"),
    ("\u2e80", "\ua4cf"),
    ("\uf900", "\ufaff"),
    ("\U00020000", "\U0003ffff"),
)


class Overlap(Struct, frozen=True):
    """What a new text repeats.

    Attributes:
        length: Code points at its front that the old text ends in; 0 where none, or by accident.
        confidence: From 0 to 1, that this is what the model meant.
    """

    length: int
    confidence: float


class Search:
    """The search for a text in another one, as its code points come in.

    Attributes:
        pattern: The code points taken so far; no more are kept once it is over.
        matched: How many of the first of them the other text ends in, once it is over.
    """

    __slots__ = ("_at", "_failure", "_text", "matched", "pattern")

    def __init__(self, text: str) -> None:
        self.pattern: list[str] = []
        self.matched = 0
        self._text = text
        self._at = 0
        self._failure: list[int] = []  # the longest proper prefix that each prefix ends in

    @property
    def is_over(self) -> bool:
        """More code points change nothing any more."""
        return self._at == len(self._text)

    def take(self, here: str) -> None:
        """Take the next code point."""
        if self.is_over:
            return
        length = self._failure[-1] if self._failure else 0
        while length and self.pattern[length] != here:
            length = self._failure[length - 1]
        if self.pattern and self.pattern[length] == here:
            length += 1
        self.pattern.append(here)
        self._failure.append(length)
        self._search()

    def finish(self) -> None:
        """No more come. Where the text holds them all before its end, the search goes on."""
        while self.pattern and not self.is_over:
            self.matched = self._failure[self.matched - 1]
            self._search()

    def overlaps(self) -> Iterator[int]:
        """The lengths of all overlaps, from the longest."""
        length = self.matched
        while length:
            yield length
            length = self._failure[length - 1]

    def _search(self) -> None:
        # Until all of the pattern is found; a longer one can stand no earlier.
        while self._at < len(self._text) and self.matched < len(self.pattern):
            if self._text[self._at] == self.pattern[self.matched]:
                self._at += 1
                self.matched += 1
            elif self.matched:
                self.matched = self._failure[self.matched - 1]
            else:
                self._at += 1


class OldEnd:
    """The end of an old text, and the rules by which a repetition of it is one: see `Seam`.

    Attributes:
        text: What is searched: the last code points before the white space at the end.
        space: The white space at the end.
    """

    def __init__(
        self, before: str, *, method: Method, stripped: str, quoted: str, window: int
    ) -> None:
        core = before.removesuffix(stripped).rstrip()
        self.text = core[-window:]
        self.space = before[len(core) :]
        self._method: Method = method
        quote = quoted.removesuffix(stripped).rstrip()[-window:]
        self._quoted = len(quote) if self.text.endswith(quote) else 0
        self._is_whole = len(core) <= window
        self._begins_word = self._is_whole or not glued(core[-window - 1], core[-window])

    def overlap(self, search: Search, new: str, *, apart: bool = False) -> Overlap:
        """The longest overlap that is no accident.

        Args:
            search: Of the new text, finished.
            new: The new text, as far as known.
            apart: White space stood before it.
        """
        weights = _weights(new[: search.matched])
        none = 0.9
        for length in search.overlaps():
            weight = weights[length]
            start = len(self.text) - length
            if 0 < self._quoted <= length:
                return Overlap(length, 0.99)
            if weight >= LONG[self._method] and length == search.matched:
                # A shorter one stands twice at least: within this one as well.
                if self.text.find(new[:length]) == start:
                    return Overlap(length, weight / (weight + 1))
                none = 0.4
            if start == 0 and self._is_whole and weight >= _PHRASE:
                return Overlap(length, 0.8)
            if self._begins_word if start == 0 else not glued(*self.text[start - 1 : start + 1]):
                is_one, confidence = self._begun_again(new, length, weight, apart=apart)
                if is_one:
                    return Overlap(length, confidence)
                none = min(none, confidence)
        return Overlap(0, none)

    def without_overlap(self, new: str, doubt: float) -> float:
        """The confidence in a new text that repeats nothing.

        Args:
            new: The new text, as far as known.
            doubt: What `overlap` said.
        """
        sticks = bool(new) and not self.space and glued(self.text[-1:] or " ", new[0])
        if self._method == "instruction":
            return 0.1 if sticks else 0.3
        if sticks and self.text[-1].islower() and new[0].isupper():
            return 0.4
        return doubt

    def _begun_again(
        self, new: str, length: int, weight: int, *, apart: bool
    ) -> tuple[bool, float]:
        """Does an overlap of whole words begin the cut word again? And how sure is that?"""
        last, first = self.text[-1], new[0]
        repeats = False, 0.7 if weight < _PHRASE else 0.4
        if self.space or not is_letter(last):
            return repeats
        if apart or not is_letter(first):
            goes_on = length < len(new) and glued(last, new[length])
            is_cut = goes_on and weight > 2 and not self._knows_last_word
            return (True, 0.6) if is_cut else repeats
        if is_dense(last) or is_dense(first):
            return weight >= 2 * _DENSE, 0.6
        if last.isdecimal() and first.isdecimal():
            return False, 0.4
        return weight > 1, 0.8 if weight > 2 else 0.6

    @cached_property
    def _knows_last_word(self) -> bool:
        """Does the last word, which may be cut, stand before as a whole one?"""
        start = len(self.text)
        while start and is_letter(self.text[start - 1]):
            start -= 1
        word = re.escape(self.text[start:])
        return re.search(rf"(?<!\w){word}(?!\w)", self.text[:start]) is not None


def weight_of(text: str) -> int:
    """How much a text says: its letters and digits, those of some scripts counted for more."""
    return _weights(text)[-1]


def _weights(text: str) -> list[int]:
    """The weight of each prefix."""
    weights = [0]
    for here in text:
        letters = _DENSE if is_dense(here) else _SYLLABLE if "\uac00" <= here <= "\ud7a3" else 1
        weights.append(weights[-1] + here.isalnum() * letters)
    return weights


def is_letter(here: str) -> bool:
    """Is this part of a word: a letter, a sign on one, a digit, an underscore?"""
    return here == "_" or category(here)[0] in "LMN"


def is_dense(here: str) -> bool:
    """Is this of a script that writes no spaces between words?"""
    return any(first <= here <= last for first, last in _DENSE_RANGES)


def glued(left: str, right: str) -> bool:
    """Do these two stand in one word, side by side? In a dense script that cannot be told."""
    return is_letter(left) and is_letter(right) and not (is_dense(left) or is_dense(right))
