"""What was told of a text in pieces, and what of the whole that comes later is still news.

Unlike `tokenwire.dialects.kit.said` it keeps the pieces themselves: adding one costs next to
nothing, so that every token of an answer can be, and a whole that is shorter, trimmed or written in
another way can be told from one that says something else.
"""

from __future__ import annotations

from typing import Final

# What the texts of one stream may take together: far beyond the 128 thousand tokens that a model
# writes, and a bound for a hostile server.
MAX_KEPT: Final = 4 * 1024 * 1024

# Pieces that are kept one by one: a few characters each, for which Python takes fifty bytes more.
_LOOSE: Final = 64
_LONG: Final = 512


class Room:
    """What the texts of one stream may still take, in characters."""

    __slots__ = ("left",)

    def __init__(self, left: int = MAX_KEPT) -> None:
        self.left = left


class Pieces:
    """One text as far as it was told.

    Args:
        room: What the texts of the stream share. A text for which there is none left is kept no
            longer, and what comes whole after it counts as told.
    """

    __slots__ = ("_joined", "_kept", "_loose", "_room")

    def __init__(self, room: Room) -> None:
        self._room = room
        self._kept: list[str] | None = []  # pieces that were joined; None: they found no room
        self._joined = 0  # characters of those
        self._loose: list[str] = []

    @property
    def length(self) -> int:
        """Characters that were told."""
        return self._joined + sum(map(len, self._loose))

    @property
    def several(self) -> bool:
        """Was more than one piece told, or a long one, which nobody says twice?"""
        return len(self._loose) + (2 if self._joined else 0) > 1

    @property
    def kept(self) -> bool:
        """Was there room for all of it?"""
        return self._kept is not None

    def add(self, piece: str) -> None:
        """A further piece was told."""
        loose = self._loose
        loose.append(piece)
        if len(loose) == _LOOSE or len(piece) > _LONG:
            self._keep()

    def rest_of(self, whole: str) -> str | None:
        """What of the whole was not told; None where it says something else than the pieces.

        A whole that ends before the pieces do, or differs in the white space around it, says
        nothing new. The work is linear in the length of the whole.
        """
        if self._kept is None or not whole:
            return ""
        if len(whole) >= self.length:  # nearly always it is the same, several times over
            text = self.text()
            if not self.kept:
                return ""
            if whole.startswith(text):
                return whole[len(text) :]
        pieces = filter(None, (*self._kept, *self._loose))
        at, piece = 0, next(pieces, "")
        while piece and whole.startswith(piece, at):
            at += len(piece)
            piece = next(pieces, "")
        return "" if piece.startswith(whole[at:]) or self._is_trimmed(whole) else None

    def agreement(self, whole: str) -> int:
        """2 where it said just this, 1 where it said the beginning or more, 0 else."""
        length = self.length
        if not length:
            return 0
        if len(whole) == length and self.text() == whole:  # nearly always
            return 2
        rest = self.rest_of(whole)
        if rest is None:
            return 0
        return 2 if not rest and len(whole) == length else 1

    def is_just(self, whole: str) -> bool:
        """Was just this told? Asked of nearly every piece, and nearly none is."""
        return len(whole) == self.length and self.agreement(whole) == 2

    def doubles(self, whole: str) -> bool:
        """Was just this told twice? So do services that sum up, as one more piece."""
        return self.length == 2 * len(whole) and self.text() == whole + whole

    def text(self) -> str:
        """All that was told; empty where it was not kept."""
        if self._loose:
            self._keep()
        if self._kept is None:
            return ""
        if len(self._kept) != 1:
            self._kept[:] = ["".join(self._kept)]
        return self._kept[0]

    def _is_trimmed(self, whole: str) -> bool:
        close = len(whole) >= self.length // 2
        return close and self.text().strip() == whole.strip()

    def _keep(self) -> None:
        joined = "".join(self._loose)
        self._joined += len(joined)
        self._loose.clear()
        if self._kept is not None:
            self._room.left -= len(joined)
            self._kept.append(joined)
            if self._room.left < 0:
                self._kept = None
