"""WHATWG event streams: https://html.spec.whatwg.org/multipage/server-sent-events.html.

By the standard in every point, with what it lets fall made visible: comments and blocks without
data come out as frames without data, lines that are no field are kept in ``Frame.other``, and an
event left open at EOF comes out marked ``unterminated``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import ClassVar

from tokenwire.errors import LocalProtocolError
from tokenwire.frame import Frame
from tokenwire.framing.lines import CR, LF, LineSplitter, PackedLines
from tokenwire.limits import Limits

# A larger reconnection time is as good as never; thirty years in milliseconds.
MAX_RETRY = 10**12
FIELD_NAMES = (b"data", b"event", b"id", b"retry")
"""The fields that mean something."""
# A line that begins a stream; some services write the other two instead. A name without a colon is
# a field only if it is the standard's: any text may have one word in a line.
_BEGINNING = re.compile(
    rb"(%(names)b|message|error)?:|(%(names)b)[\r\n]" % {b"names": b"|".join(FIELD_NAMES)}
)
_LONGEST_NAME = len(b"event")  # of a field that means something
_LONGEST_HEAD = 64  # bytes before the data that are looked through; types have up to 40
_WORTH_A_LOOK = (b"eve", b"id:")
_COLON = 0x3A
_NUL = 0x00
_DIGITS = re.compile(rb"[0-9]+")
_LINE_ENDS = re.compile(rb"\r\n|\r|\n")


@lru_cache(maxsize=256)  # services send the same few types again and again
def _decode_name(name: bytes) -> str:
    return name.decode("utf-8", "replace")


class SSEFramer:
    """Frames of an event stream. Feed it with ``receive_data``, then ``receive_eof``.

    Args:
        limits: ``max_event_size`` bounds the lines of one event together.

    Attributes:
        retry: The reconnection time that the stream asked for, in milliseconds.
    """

    format: ClassVar[str] = "SSE"
    frame_end: ClassVar[bytes] = b"\n\n"
    __slots__ = (
        "_comment",
        "_event",
        "_first",
        "_head",
        "_id",
        "_idle",
        "_kept",
        "_last_id",
        "_limit",
        "_lines",
        "_more",
        "_named",
        "_odd",
        "_other",
        "_peak",
        "_plain",
        "_retry",
        "_size",
        "_type",
        "frames",
        "retry",
    )

    def __init__(self, limits: Limits) -> None:
        self.frames: list[Frame] = []
        self.retry: int | None = None
        self._limit = limits.max_event_size
        self._lines = LineSplitter(self._receive_lines, self._receive_whole, limit=self._limit)
        self._more: PackedLines | None = None  # of data, after the first one
        self._other: PackedLines | None = None  # that are no field
        self._last_id: str | None = None
        # How the event before began, and its type; None for a comment. The next is mostly alike.
        self._head = b"data: "
        self._type: str | None = ""
        self._idle = True  # no block is open
        self._kept = 0  # bytes of the open block when `_receive_lines` was left
        self._peak = 0
        self._clear_block()

    def _clear_block(self) -> None:
        self._first: bytes | None = None  # line of data
        self._size = 0  # bytes of the lines that the open block keeps, its comment apart
        self._plain = True  # the open block has nothing but one line of data
        self._named = False  # it has fields other than data...
        self._odd = False  # ... and other than a type and an id
        self._event = ""
        self._id = self._last_id
        self._retry: int | None = None
        self._comment: bytes | None = None

    def _receive_whole(self, data: bytes) -> bool:
        """Take a chunk that is one event, without anything unusual: nearly each is."""
        if not self._idle or len(data) > self._limit:
            return False
        block = data.removeprefix(self._head)
        if block is data:
            return self._receive_another(data)
        value = block.removesuffix(b"\n\n")
        if value is block:
            value = block.removesuffix(b"\r\n\r\n")
        if value is block or LF in value or CR in value:
            return False
        if self._type is None:
            self.frames.append(Frame(None, "", None, None, value))
        else:
            self.frames.append(Frame(value, self._type, self._last_id))
        return True

    def _receive_another(self, data: bytes) -> bool:
        """Take a chunk that is one comment, or one line of data after a type, an id or nothing."""
        block = data.removesuffix(b"\n\n")
        if block is data:
            return False
        value = block.removeprefix(b": ")
        if value is not block:
            if LF in value or CR in value:
                return False
            self._head, self._type = b": ", None
            self.frames.append(Frame(None, "", None, None, value))
            return True
        value, line = block.removeprefix(b"data: "), b""
        if value is block:
            at = block.find(b"\ndata: ", 0, _LONGEST_HEAD) if block[:3] in _WORTH_A_LOOK else -1
            line, value = block[:at], block[at + 7 :]
            if at < 0 or LF in line or CR in line:
                return False
        if LF in value or CR in value:
            return False
        id = line.removeprefix(b"id: ")
        event = line.removeprefix(b"event: ")
        if id is not line and _NUL not in id:
            self._last_id = self._id = id.decode("utf-8", "replace")
            self.frames.append(Frame(value, "", self._last_id))
        elif event is not line or not line:
            name = _decode_name(event)
            self._head, self._type = data[: len(block) - len(value)], name
            self.frames.append(Frame(value, name, self._last_id))
        else:
            return False
        return True

    def _receive_regular(self, lines: Sequence[bytes]) -> Sequence[bytes]:
        """Take blocks that are all alike, if this chunk begins with such; gives the lines left.

        Nearly all chunks with several blocks have one line of data each, or a type and a line of
        data, or one comment. A comprehension costs half of what the loop over any lines does.
        """
        id = self._last_id
        if not any(lines[1::2]):
            per_block, blocks = 2, lines[: len(lines) & ~1 : 2]
            frames = [
                Frame(value, "", id)
                for line in blocks
                if (value := line.removeprefix(b"data: ")) is not line
            ]
            if not frames:
                frames = [
                    Frame(None, "", None, None, value)
                    for line in blocks
                    if (value := line.removeprefix(b": ")) is not line
                ]
        elif not any(lines[2::3]):
            per_block, blocks = 3, lines[: len(lines) // 3 * 3 : 3]
            frames = [
                Frame(value, _decode_name(name), id)
                for line, more in zip(blocks, lines[1::3], strict=False)
                if (name := line.removeprefix(b"event: ")) is not line
                and (value := more.removeprefix(b"data: ")) is not more
            ]
        else:
            return lines
        if len(frames) != len(blocks):
            return lines
        self.frames.extend(frames)
        return lines[per_block * len(blocks) :]

    def _receive_lines(self, lines: Sequence[bytes]) -> None:
        if self._idle and len(lines) > 3:
            lines = self._receive_regular(lines)
            if not lines:
                return
        frames, first, size = self.frames, self._first, self._size
        for line in lines:
            if line:
                value = line.removeprefix(b"data: ")
                if value is not line:
                    size += len(line)
                    if first is None:
                        first = value
                    else:
                        self._add_data(value)
                elif (name := line.removeprefix(b"event: ")) is not line:
                    size += len(line)
                    self._event, self._named, self._plain = _decode_name(name), True, False
                elif line[0] == _COLON:
                    # It comes out at once; the block keeps the last one alone.
                    comment = line.removeprefix(b": ")
                    if comment is line:
                        comment = line[1:]
                    frames.append(Frame(None, "", None, None, comment))
                    self._comment = comment
                    self._plain = False
                else:
                    size += len(line)
                    self._first = first
                    self._receive_field(line)
                    first = self._first
            elif self._plain:
                if first is not None:  # what nearly every service sends
                    frames.append(Frame(first, "", self._last_id))
                    first = None
                    size = 0
            elif self._odd or (first is None and self._named):
                self._first = first
                self._end_block()
                first = None
                size = 0
            else:  # a type, an id, more lines of data, comments
                if first is not None:
                    if self._more:
                        first = b"\n".join((first, self._more.take()))
                    frames.append(Frame(first, self._event, self._id, None, self._comment))
                    first = None
                    if self._named:
                        self._last_id, self._event, self._named = self._id, "", False
                self._comment = None
                self._plain = True
                size = 0
        self._idle = not lines[-1]
        self._first = first
        if size or self._kept or self._comment is not None:
            self._keep(size)

    def _keep(self, size: int) -> None:
        """Account for the lines of a block that is left open, or was."""
        self._size = size
        self._kept = kept = size + len(self._comment or b"")
        self._lines.room = self._limit - kept
        if kept > self._peak:
            self._peak = kept
        for lines in (self._more, self._other):
            if lines is not None:
                lines.pack()

    def _add_data(self, value: bytes) -> None:
        """Take a line of data after the first one."""
        if self._more is None:
            self._more = PackedLines()
        self._more.recent.append(value)
        self._plain = False

    def _receive_field(self, line: bytes) -> None:
        """Take a line that is neither ``data: `` nor a comment."""
        id = line.removeprefix(b"id: ")
        if id is not line and _NUL not in id:  # where there are ids, each event has one
            self._id = id.decode("utf-8", "replace")
            self._named, self._plain = True, False
            return
        at = line.find(b":", 0, _LONGEST_NAME + 1)
        name, value = (line[:at], line[at + 1 :]) if at >= 0 else (line, b"")
        field = value.removeprefix(b" ")
        self._plain = False
        if name == b"data":
            if self._first is None:
                self._first = field
            else:
                self._add_data(field)
            return
        self._named = True
        if name == b"event":
            self._event = _decode_name(field)
        elif name == b"id":
            if _NUL not in field:
                self._id = field.decode("utf-8", "replace")
        elif name == b"retry":
            self._odd = True
            if _DIGITS.fullmatch(field):
                digits = field.lstrip(b"0") or b"0"
                self._retry = self.retry = int(digits) if len(digits) < 13 else MAX_RETRY
        else:
            self._odd = True
            if self._other is None:
                self._other = PackedLines()
            self._other.recent.append(line)

    def _end_block(self, *, unterminated: bool = False) -> None:
        data = self._first
        if data is not None and self._more:
            data = b"\n".join((data, self._more.take()))
        id = self._last_id if unterminated else self._id
        other = self._other.take() if self._other else b""
        retry = self._retry
        comment = self._comment if data is not None else None  # it came out by itself already
        self.frames.append(Frame(data, self._event, id, retry, comment, other, unterminated))
        self._last_id = id
        self._clear_block()

    @property
    def receive_data(self) -> Callable[[bytes], None]:
        """Takes one non-empty chunk; chunks without a line end never reach this class."""
        return self._lines.receive_data

    def receive_eof(self) -> None:
        """The body ended: hand out a block left open, marked; its ``id`` never counts.

        Comments leave no block open: half of one is no piece of anything.
        """
        rest = self._lines.take_rest()
        name = rest.partition(b":")[0]
        if name in (b"event", b"id", b"retry"):
            self._named = True  # a field is open, and half a value is none
        elif name:
            self._receive_field(rest)
        if self._first is not None or self._named:
            self._end_block(unterminated=True)
        self._clear_block()
        self._keep(0)

    @property
    def buffered(self) -> int:
        """Bytes held of an event that is not complete."""
        return self._kept + self._lines.buffered

    @property
    def peak_buffered(self) -> int:
        """The most that `buffered` ever was."""
        return max(self._peak, self._lines.peak_buffered)

    @staticmethod
    def begins(head: bytes) -> bool:
        """A field, or a comment."""
        return _BEGINNING.match(head) is not None

    @staticmethod
    def frame_start(event: str) -> bytes:
        """What stands before a payload of one line in a frame of this type."""
        return b"event: " + event.encode() + b"\ndata: " if event else b"data: "

    @staticmethod
    def encode(frame: Frame) -> bytes:
        """One frame as an SSE block.

        Raises:
            LocalProtocolError: CR, LF or NUL in ``event``, ``id`` or a comment. They would end the
                line and let the text after them pose as fields; they are refused, never stripped.
                Or a negative ``retry``.
        """
        data = frame.data
        if data is None:
            block = b"\n"
        elif LF in data or CR in data:
            block = b"".join(b"data: " + line + b"\n" for line in _LINE_ENDS.split(data)) + b"\n"
        else:
            block = b"data: " + data + b"\n\n"
        if frame.retry is not None:
            if frame.retry < 0:
                raise LocalProtocolError(f"an SSE retry must not be negative: {frame.retry}")
            block = b"retry: %d\n" % frame.retry + block
        if frame.id is not None:
            block = b"id: " + _one_line("id", frame.id) + b"\n" + block
        if frame.event:
            block = b"event: " + _one_line("event", frame.event) + b"\n" + block
        if frame.comment is not None:
            block = b": " + _no_line_end("comment", frame.comment) + b"\n" + block
        return block


def _one_line(field: str, value: str) -> bytes:
    # Line ends and NUL are not printable, and hardly any value has other such characters.
    return value.encode() if value.isprintable() else _no_line_end(field, value.encode())


def _no_line_end(field: str, value: bytes) -> bytes:
    if LF in value or CR in value or _NUL in value:
        raise LocalProtocolError(
            f"an SSE {field} must not hold CR, LF or NUL, and this one does: {value[:80]!r}"
        )
    return value
