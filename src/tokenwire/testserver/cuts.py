"""Cuts a body into chunks at the places that hurt."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Final

from tokenwire.testserver.settings import Cut

LONGEST_RANDOM: Final = 64
"""Bytes of the longest piece of ``random``: shorter than most events, longer than some."""


class Cutter:
    """Takes the body as it is made and gives it back in other pieces; joined, they are the same.

    Args:
        cut: How to cut.
        seed: Chooses the cuts of ``random``.
    """

    def __init__(self, cut: Cut, seed: int = 0) -> None:
        cuts: dict[Cut, Callable[[bytes], Iterator[bytes]]] = {
            "token": _whole,
            "line": _lines,
            "byte": _bytes,
            "random": self._random,
        }
        self.cut: Final = cuts[cut]
        self._held = b""
        # Seeded on purpose: a failure that was seen once must be seen again.
        self._draw = random.Random(seed).randint
        self._wanted = self._draw(1, LONGEST_RANDOM)

    def _random(self, data: bytes) -> Iterator[bytes]:
        held = self._held + data
        start = 0
        while len(held) - start >= self._wanted:
            yield held[start : start + self._wanted]
            start += self._wanted
            self._wanted = self._draw(1, LONGEST_RANDOM)
        self._held = held[start:]

    def rest(self) -> Iterator[bytes]:
        """What was held back, at the end."""
        if self._held:
            yield self._held
            self._held = b""


def _whole(data: bytes) -> Iterator[bytes]:
    if data:
        yield data


def _lines(data: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(data):
        end = data.find(b"\n", start) + 1 or len(data)
        yield data[start:end]
        start = end


def _bytes(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1] for at in range(len(data)))
