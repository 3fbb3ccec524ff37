"""WHATWG event streams: https://html.spec.whatwg.org/multipage/server-sent-events.html.

By the standard in every point, with what it lets fall made visible: comments and blocks without
data come out as frames without data, lines that are no field are kept in ``Frame.other``, and an
event left open at EOF comes out marked ``unterminated``.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import ClassVar

from tokenwire.errors import LocalProtocolError
from tokenwire.frame import Frame
from tokenwire.framing.lines import LineSplitter
from tokenwire.limits import Limits

# A larger reconnection time is as good as never; thirty years in milliseconds.
MAX_RETRY = 10**12
_PACK_FROM = 64  # lines
_DIGITS = re.compile(rb"[0-9]+")
_LINE_ENDS = re.compile(rb"\r\n|\r|\n")


class _Lines:
    """Lines of one block, joined by LF in the end.

    A list of short lines takes up to fifty times their bytes, so a long one is packed.
    """

    __slots__ = ("_packed", "recent")

    def __init__(self) -> None:
        self.recent: list[bytes] = []
        self._packed: bytearray | None = None

    def __bool__(self) -> bool:
        return bool(self.recent) or self._packed is not None

    def pack(self) -> bool:
        """Pack the recent lines, if there are many."""
        if len(self.recent) < _PACK_FROM:
            return False
        recent = b"\n".join(self.recent)
        if self._packed is None:
            self._packed = bytearray(recent)
        else:
            self._packed += b"\n" + recent
        self.recent.clear()
        return True

    def join(self) -> bytes:
        """All lines."""
        if self._packed is None:
            return b"\n".join(self.recent)
        return b"\n".join((self._packed, *self.recent))


class SSEFramer:
    """Frames of an event stream. Feed it with ``receive_data``, then ``receive_eof``.

    Args:
        limits: ``max_event_size`` bounds the lines of one event together.

    Attributes:
        retry: The reconnection time that the stream asked for, in milliseconds.
    """

    format: ClassVar[str] = "SSE"
    __slots__ = (
        "_comment",
        "_data",
        "_event",
        "_id",
        "_last_id",
        "_limit",
        "_lines",
        "_named",
        "_odd",
        "_other",
        "_peak",
        "_retry",
        "_size",
        "frames",
        "retry",
    )

    def __init__(self, limits: Limits) -> None:
        self.frames: deque[Frame] = deque()
        self.retry: int | None = None
        self._limit = limits.max_event_size
        self._lines = LineSplitter(self._receive_lines, limit=self._limit)
        self._last_id: str | None = None
        self._peak = 0
        self._clear_block()

    def _clear_block(self) -> None:
        self._data = _Lines()
        self._size = 0  # bytes of the lines that the open block keeps
        self._odd = False  # the open block has lines other than data...
        self._named = False  # ... and not only comments, which came out already
        self._event = ""
        self._id = self._last_id
        self._retry: int | None = None
        self._comment: bytes | None = None
        self._other = _Lines()

    def _receive_lines(self, lines: Sequence[bytes]) -> None:
        frames, data, size = self.frames, self._data.recent, self._size
        for line in lines:
            if line:
                if line[:6] == b"data: ":
                    data.append(line[6:])
                    size += len(line)
                elif line[:7] == b"event: ":
                    self._event = line[7:].decode("utf-8", "replace")
                    size += len(line)
                else:
                    size += self._receive_field(line)
            elif len(data) == 1 and not self._odd:  # what nearly every service sends
                frames.append(Frame(data.pop(), self._event, self._last_id))
                self._event, size = "", 0
            elif data or self._odd or self._event:  # and not a blank line after a blank line
                self._end_block()
                data, size = self._data.recent, 0
        self._size = size
        self._lines.room = self._limit - size
        if size:  # a block is left open
            self._peak = max(self._peak, size)
            if self._other.pack() or self._data.pack():
                self._odd = True  # `data` no longer tells how many lines there are

    def _receive_field(self, line: bytes) -> int:
        """Take any other line; say how many more bytes the block keeps."""
        name, _, value = line.partition(b":")
        if not name:
            self._odd = True
            # It comes out at once; the block keeps the last one alone.
            comment = value.removeprefix(b" ")
            more = len(comment) - len(self._comment or b"")
            self._comment = comment
            self.frames.append(Frame(comment=comment))
            return more
        field = value.removeprefix(b" ")
        if name == b"data":
            self._data.recent.append(field)
            return len(line)
        self._odd = self._named = True
        if name == b"event":
            self._event = field.decode("utf-8", "replace")
        elif name == b"id":
            if b"\0" not in field:
                self._id = field.decode("utf-8", "replace")
        elif name == b"retry":
            if _DIGITS.fullmatch(field):
                digits = field.lstrip(b"0") or b"0"
                self._retry = self.retry = int(digits) if len(digits) < 13 else MAX_RETRY
        else:
            self._other.recent.append(line)
        return len(line)

    def _end_block(self) -> None:
        self._last_id = self._id
        if self._data or self._named or self._event:
            self.frames.append(self._block(unterminated=False))
        self._clear_block()

    def _block(self, *, unterminated: bool) -> Frame:
        return Frame(
            self._data.join() if self._data else None,
            self._event,
            self._last_id,
            self._retry,
            self._comment,
            self._other.join(),
            unterminated,
        )

    @property
    def receive_data(self) -> Callable[[bytes], None]:
        """Takes one non-empty chunk; chunks without a line end never reach this class."""
        return self._lines.receive_data

    def receive_eof(self) -> None:
        """The body ended: hand out a block left open, marked; its ``id`` never counts."""
        rest = self._lines.take_rest()
        if rest and rest.partition(b":")[0] not in (b"", b"event", b"id", b"retry"):
            self._receive_field(rest)
        if self._data or self._other:
            self.frames.append(self._block(unterminated=True))
        self._clear_block()

    @property
    def buffered(self) -> int:
        """Bytes held of an event that is not complete."""
        return self._size + self._lines.buffered

    @property
    def peak_buffered(self) -> int:
        """The most that `buffered` ever was."""
        return max(self._peak, self._lines.peak_buffered)

    @staticmethod
    def encode(frame: Frame) -> bytes:
        """One frame as an SSE block.

        Raises:
            LocalProtocolError: CR, LF or NUL in ``event``, ``id`` or a comment. They would end the
                line and let the text after them pose as fields; they are refused, never stripped.
                Or a negative ``retry``.
        """
        lines: list[bytes] = []
        if frame.comment is not None:
            lines.append(b": " + _one_line("comment", frame.comment))
        if frame.event:
            lines.append(b"event: " + _one_line("event", frame.event.encode()))
        if frame.id is not None:
            lines.append(b"id: " + _one_line("id", frame.id.encode()))
        if frame.retry is not None:
            if frame.retry < 0:
                raise LocalProtocolError(f"an SSE retry must not be negative: {frame.retry}")
            lines.append(b"retry: %d" % frame.retry)
        if frame.data is not None:
            lines.extend(b"data: " + line for line in _LINE_ENDS.split(frame.data))
        return b"\n".join(lines) + b"\n\n"


def _one_line(field: str, value: bytes) -> bytes:
    if b"\n" in value or b"\r" in value or b"\0" in value:
        raise LocalProtocolError(
            f"an SSE {field} must not hold CR, LF or NUL, and this one does: {value[:80]!r}"
        )
    return value
