"""In which format is this body written? What framers say of its first bytes, then its media type.

Nothing is listed here: how bytes begin is each framer's to say, and under which media types they
come each dialect's. Which dialect of the format it is, is decided in `tokenwire.dialects.detect`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from tokenwire.dialects import Dialect
from tokenwire.limits import Limits

BOM: Final = b"\xef\xbb\xbf"
SHORT: Final = 40
"""Bytes after which a body must have shown its format."""

_BINARY: Final = (b"\0", b"\1")  # the lengths of binary messages begin so, and no text does


class Formats:
    """The formats of some dialects, by the names that their framers have for them.

    Args:
        groups: The dialects. Where those of one group come under a media type, the ones of later
            groups do not change what it means.
    """

    __slots__ = ("_begins", "_by_media_type")

    def __init__(self, *groups: Iterable[Dialect]) -> None:
        self._begins: dict[str, Callable[[bytes], bool] | None] = {}
        self._by_media_type: dict[str, str] = {}
        for dialects in groups:
            self._add(dialects)

    def with_others(self, dialects: Iterable[Dialect]) -> Formats:
        """The same and the formats of more dialects."""
        formats = Formats()
        formats._begins |= self._begins
        formats._by_media_type |= self._by_media_type
        formats._add(dialects)
        return formats

    def _add(self, dialects: Iterable[Dialect]) -> None:
        found: dict[str, dict[str, None]] = {}  # formats by media type
        for dialect in dialects:
            framer = dialect.framer(Limits())
            if self._begins.get(framer.format) is None:
                self._begins[framer.format] = getattr(framer, "begins", None)
            for media_type in dialect.media_types:
                found.setdefault(media_type, {})[framer.format] = None
        for media_type, formats in found.items():
            self._by_media_type.setdefault(media_type, self._only(list(formats)))

    def _only(self, formats: list[str]) -> str:
        """The one that a media type means where the bytes show none, "" if there are several.

        One that could have shown in the bytes is not meant where another could not.
        """
        unseen = [one for one in formats if self._begins[one] is None]
        formats = unseen or formats
        return formats[0] if len(formats) == 1 else ""

    def find(self, head: bytes, media_type: str, *, eof: bool = False) -> str | None:
        """The format of a body; "" if none, None if more must be seen first.

        Args:
            head: The first bytes, some 40.
            media_type: The response's content type without parameters, or "".
            eof: No more come.
        """
        if BOM.startswith(head[:3]) and not eof:
            return None
        reported = self._by_media_type.get(media_type, "")
        text = head.removeprefix(BOM).lstrip()
        if not text:
            return reported if eof else None
        for name, begins in self._begins.items():
            if begins is not None and begins(text):
                return name
        if len(head) < SHORT and not eof:
            return None
        return "" if text[:1] in _BINARY else reported
