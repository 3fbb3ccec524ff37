"""JSON Lines (NDJSON): one JSON value a line, https://jsonlines.org.

Only LF ends a line; a CR before it is dropped. A blank line keeps the connection alive and is a
frame without data. A last line without LF comes out marked ``unterminated``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from tokenwire.errors import LocalProtocolError
from tokenwire.frame import Frame
from tokenwire.framing.lines import LineSplitter
from tokenwire.limits import Limits

_BLANK = Frame(comment=b"")


class JSONLinesFramer:
    """Frames of JSON Lines. Feed it with ``receive_data``, then ``receive_eof``."""

    format: ClassVar[str] = "JSON Lines"
    frame_end: ClassVar[bytes] = b"\n"
    __slots__ = ("_lines", "frames")

    def __init__(self, limits: Limits) -> None:
        self.frames: list[Frame] = []
        self._lines = LineSplitter(self._receive_lines, limit=limits.max_event_size, lf_only=True)

    def _receive_lines(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            value = line.strip(b" \t\r")
            self.frames.append(Frame(value) if value else _BLANK)

    @property
    def receive_data(self) -> Callable[[bytes], None]:
        """Takes one non-empty chunk; chunks without a line end never reach this class."""
        return self._lines.receive_data

    def receive_eof(self) -> None:
        """The body ended: hand out a last line without LF, marked."""
        rest = self._lines.take_rest().strip(b" \t\r")
        if rest:
            self.frames.append(Frame(rest, unterminated=True))

    @property
    def retry(self) -> int | None:
        """The format has no reconnection time."""
        return None

    @property
    def buffered(self) -> int:
        """Bytes of the line that has no end yet."""
        return self._lines.buffered

    @property
    def peak_buffered(self) -> int:
        """The most that `buffered` ever was."""
        return self._lines.peak_buffered

    @staticmethod
    def begins(head: bytes) -> bool:
        """An object: a stream of other values is not told from a text."""
        return head.startswith(b"{")

    @staticmethod
    def frame_start(event: str) -> bytes:
        """Nothing: a frame is its payload and a line end."""
        return b""

    @staticmethod
    def encode(frame: Frame) -> bytes:
        """One frame as a line; a frame without data is a blank one.

        Raises:
            LocalProtocolError: The data holds a line end.
        """
        data = frame.data or b""
        if b"\n" in data or b"\r" in data:
            raise LocalProtocolError(f"a JSON line must not hold a line end: {data[:80]!r}")
        return data + b"\n"
