"""A body that is nothing but text, in UTF-8: no frames, no end but the end of the body.

What is not framed can only be shown as it comes, so there is one frame a chunk: its whole
characters. Where the frames are cut therefore depends on the chunks, for this format alone
(`RawTextFramer.cuts_show`). What they say joined does not: it is always the text of the whole body,
a character that two chunks share goes with the second one, and bytes that are not UTF-8 become
U+FFFD just as if they had come at once. Nothing is dropped or changed, a BOM neither.
"""

from __future__ import annotations

import codecs
from typing import ClassVar, Final

from tokenwire.frame import Frame
from tokenwire.limits import Limits

_utf_8: Final = codecs.getincrementaldecoder("utf-8")


class RawTextFramer:
    """Frames of raw text. Feed it with ``receive_data``, then ``receive_eof``.

    Attributes:
        cuts_show: Frames follow the chunks: only their joined data is independent of the cuts.
    """

    format: ClassVar[str] = "text"
    cuts_show: ClassVar[bool] = True
    __slots__ = ("_decoder", "_peak", "_waiting", "frames")

    def __init__(self, limits: Limits) -> None:
        """No limit applies: a chunk is handed on at once, and at most three bytes are kept."""
        self.frames: list[Frame] = []
        self._decoder = _utf_8("replace")
        self._waiting = b""  # a character without its last bytes
        self._peak = 0

    def receive_data(self, data: bytes) -> None:
        """Take a non-empty chunk."""
        self._decoder.decode(data)
        waiting, _ = self._decoder.getstate()
        whole = self._waiting + data
        if waiting:
            whole = whole[: -len(waiting)]
            self._peak = max(self._peak, len(waiting))
        self._waiting = waiting
        if whole:
            self.frames.append(Frame(whole))

    def receive_eof(self) -> None:
        """The body ended. A character that broke off comes out marked: more of it was to come."""
        if self._waiting:
            self.frames.append(Frame(self._waiting, unterminated=True))
            self._waiting = b""

    @property
    def retry(self) -> int | None:
        """The format has no reconnection time."""
        return None

    @property
    def buffered(self) -> int:
        """Bytes of the character that has no end yet."""
        return len(self._waiting)

    @property
    def peak_buffered(self) -> int:
        """The most that `buffered` ever was."""
        return self._peak

    @staticmethod
    def encode(frame: Frame) -> bytes:
        """The frame's data as it is."""
        return frame.data or b""
