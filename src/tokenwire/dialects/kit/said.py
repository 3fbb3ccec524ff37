"""What was said so far, in few bytes: to see what a whole text that comes later adds to it.

Services tell a text in pieces and then once more: whole at the end, or with each piece. Keep one
for each text that may be told so. It knows a whole that begins with the pieces, and no other: where
one may be trimmed or written in another way, `tokenwire.dialects.kit.pieces` keeps the pieces, and
where each text is the whole one so far, there is `tokenwire.dialects.kit.cumulative`::

    self._said = Said()
    self._said.add(piece)
    self._said.rest_of(whole)  # what is new in it; None where it does not begin with the pieces
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

# Most texts that are compared are arguments of a call, which are this short; of a longer one the
# digest is kept, which takes as much memory as this.
_MOST_KEPT: Final = 512  # bytes, two to a character


class Said:
    """The length and the digest of a text that comes in pieces; a short one as it is."""

    __slots__ = ("_digest", "_kept", "_length")

    def __init__(self) -> None:
        self._kept = b""
        self._length = 0
        self._digest: blake2b | None = None

    def __len__(self) -> int:
        """In UTF-16 units, which are characters but for the rarest."""
        return self._length // 2

    @property
    def text(self) -> str | None:
        """All that was said, where it is short."""
        return None if self._digest is not None else _text(self._kept)

    def add(self, text: str) -> None:
        """Take the next piece."""
        data = _bytes(text)
        self._length += len(data)
        if self._length <= _MOST_KEPT:
            self._kept += data
            return
        if self._digest is None:
            self._digest = blake2b(self._kept, digest_size=16)
            self._kept = b""
        self._digest.update(data)

    def rest_of(self, text: str) -> str | None:
        """What stands in this text after all that was said; None: it does not begin with it."""
        if 4 * len(text) < self._length:
            return None
        data = _bytes(text)
        begin = data[: self._length]
        if self._digest is None:
            same = begin == self._kept
        else:
            found = blake2b(begin, digest_size=16).digest()
            same = len(begin) == self._length and found == self._digest.digest()
        return _text(data[self._length :]) if same else None


# In this coding two halves of a character, which services send in two pieces, are the character.
def _bytes(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-16-le", "surrogatepass")
