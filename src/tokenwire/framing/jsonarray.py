"""One streamed JSON array, RFC 8259: each element is a frame as soon as it is complete.

Elements may be cut anywhere and laid out in any way; between them any white space and any commas
will do. A lone object in place of the array, an error document mostly, is one frame. Whether an
element is sound JSON is for the dialect to find out: only its end is looked for here.

After the last element comes a frame with `ARRAY_END` as its data: an array that was never closed
was cut. It stands after a lone object too.

Every byte is scanned once, and those of a string that a chunk leaves open twice.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import ClassVar, Final

from tokenwire.errors import FramingError, LocalProtocolError
from tokenwire.frame import Frame
from tokenwire.framing.lines import BOM
from tokenwire.limits import Limits

ARRAY_END: Final = b"]"
"""The data of the last frame: the array is closed. No element reads so."""

# Brackets open at once inside one element. Services nest a dozen deep, protocol buffers allow 100,
# and JSON decoders give up at about 1000: what lies between can only be an attack.
MAX_DEPTH: Final = 256

_QUOTE: Final = 0x22
_BACKSLASH: Final = 0x5C
_ARRAY_END: Final = 0x5D
_OPENING: Final = frozenset(b"[{")

_BLANKS = re.compile(rb"[ \t\r\n]*+")
_BETWEEN = re.compile(rb"[ \t\r\n,]*+")
_SCALAR = re.compile(rb"[-+.0-9A-Za-z]*+")
# What a string holds before its end; a backslash takes the next byte with it.
_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
# What can be no bracket: whole strings, and all that is neither quote nor bracket.
_FLAT = re.compile(rb'(?:[^"\[\]{}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)


def _run(pattern: re.Pattern[bytes], data: bytes, at: int, stop: int) -> int:
    """The end of what the pattern takes from here on, which may be nothing."""
    match = pattern.match(data, at, stop)
    return at if match is None else match.end()


class _Place(Enum):
    """Where the next byte stands. The value is what is expected there, for people."""

    START = "[ or {"
    BETWEEN = "a value, a comma or ]"
    ELEMENT = "more of an object, an array or a string"
    SCALAR = "more of a number or a word"
    END = "the end of the body"


class JSONArrayFramer:
    """Frames of a streamed JSON array. Feed it with ``receive_data``, then ``receive_eof``."""

    format: ClassVar[str] = "JSON array"
    __slots__ = (
        "_alone",
        "_depth",
        "_escaped",
        "_in_string",
        "_limit",
        "_mark",
        "_passed",
        "_peak",
        "_place",
        "_written",
        "_waiting",
        "frames",
    )

    def __init__(self, limits: Limits) -> None:
        self.frames: list[Frame] = []
        self._limit = limits.max_event_size
        self._place = _Place.START
        self._alone = False  # an object stands in place of the array
        self._mark = 0  # bytes of a BOM seen
        self._passed = 0  # bytes of the chunks before this one
        self._waiting = bytearray()  # an element without its end
        self._peak = 0
        self._depth = 0  # brackets open in the element
        self._in_string = False
        self._escaped = False  # the last byte was a backslash in a string
        self._written = 0  # elements, of an array that is written

    def receive_data(self, data: bytes) -> None:
        """Take a non-empty chunk.

        Raises:
            FramingError: Something else stands where a value or a bracket should, an element is
                larger than ``max_event_size``, or it is nested deeper than `MAX_DEPTH`.
        """
        at = 0
        while at < len(data):
            if self._place is _Place.ELEMENT or self._place is _Place.SCALAR:
                at = self._take_element(data, at)
            else:
                at = self._step(data, at)
        self._passed += len(data)

    def _step(self, data: bytes, at: int) -> int:
        """Go on to the next element or bracket; gives the position to go on from."""
        if self._place is _Place.START and self._skip_mark(data, at):
            return at + 1
        blanks = _BETWEEN if self._place is _Place.BETWEEN else _BLANKS
        at = _run(blanks, data, at, len(data))
        if at == len(data):
            return at
        byte = data[at]
        match self._place:
            case _Place.START if byte in _OPENING:
                self._alone = data[at : at + 1] == b"{"
                self._place = _Place.ELEMENT if self._alone else _Place.BETWEEN
                return at if self._alone else at + 1
            case _Place.BETWEEN if byte == _ARRAY_END:
                self._end()
                return at + 1
            case _Place.BETWEEN if byte in _OPENING or byte == _QUOTE:
                self._place = _Place.ELEMENT
                return at
            case _Place.BETWEEN if _run(_SCALAR, data, at, at + 1) > at:
                self._place = _Place.SCALAR
                return at
            case _:
                raise self._malformed(data, at)

    def _skip_mark(self, data: bytes, at: int) -> bool:
        """Is this the next byte of a BOM that opens the body?"""
        expected = BOM[self._mark : self._mark + 1]
        if self._passed + at == self._mark and data[at : at + 1] == expected:
            self._mark += 1
            return True
        if 0 < self._mark < len(BOM):
            raise self._malformed(data, at)
        return False

    def _take_element(self, data: bytes, start: int) -> int:
        """Take what is here of the open element; gives the position after it."""
        # Not a byte beyond the limit is looked at, so that no cut decides which error is found.
        stop = min(len(data), start + self._limit - len(self._waiting))
        end = self._find_end(data, start, stop)
        if end is None:
            if stop < len(data):
                raise self._too_large()
            self._waiting += data[start:]
            self._peak = max(self._peak, len(self._waiting))
            return stop
        found = data[start:end]
        if self._waiting:
            self._waiting += found
            found = bytes(self._waiting)
            self._waiting.clear()
        self.frames.append(Frame(found))
        self._place = _Place.BETWEEN
        if self._alone:
            self._end()
        return end

    def _end(self) -> None:
        self._place = _Place.END
        self.frames.append(Frame(ARRAY_END))

    def _find_end(self, data: bytes, at: int, stop: int) -> int | None:
        """The position after the open element, if it ends in this part of the chunk."""
        if self._place is _Place.SCALAR:
            # The byte after it ends it, and does not count against the limit.
            end = _run(_SCALAR, data, at, stop + 1)
            return end if end < len(data) and end <= stop else None
        while at < stop:
            if self._in_string:
                at = self._leave_string(data, at, stop)
            else:
                if self._depth:  # else it is the first byte
                    at = _run(_FLAT, data, at, stop)
                if at == stop:
                    return None
                self._take_structure(data, at)
                at += 1
            if not self._depth and not self._in_string:
                return at
        return None

    def _leave_string(self, data: bytes, at: int, stop: int) -> int:
        """Go after the end of the open string, or to the end of what is here."""
        if self._escaped:
            self._escaped = False
            return at + 1
        at = _run(_STRING, data, at, stop)
        if at == stop:
            return at
        if data[at] == _BACKSLASH:  # the last byte here
            self._escaped = True
        else:
            self._in_string = False
        return at + 1

    def _take_structure(self, data: bytes, at: int) -> None:
        byte = data[at]
        if byte == _QUOTE:
            self._in_string = True
        elif byte in _OPENING:
            self._depth += 1
            if self._depth > MAX_DEPTH:
                self._waiting.clear()
                raise FramingError(
                    "limit",
                    f"an element of the array is nested deeper than {MAX_DEPTH} brackets"
                    f" at offset {self._passed + at}",
                )
        else:
            self._depth -= 1

    def receive_eof(self) -> None:
        """The body ended. An element left open proves nothing and is let go."""
        self._waiting.clear()

    @staticmethod
    def begins(head: bytes) -> bool:
        """An array."""
        return head.startswith(b"[")

    @property
    def retry(self) -> int | None:
        """The format has no reconnection time."""
        return None

    @property
    def buffered(self) -> int:
        """Bytes of the element that has no end yet."""
        return len(self._waiting)

    @property
    def peak_buffered(self) -> int:
        """The most that `buffered` ever was."""
        return self._peak

    def encode(self, frame: Frame) -> bytes:
        """The mirror: one frame as bytes, which depend on what was written before.

        `ARRAY_END` closes the array. A frame without data is a blank line: the format has no
        other way to show that it is alive, and nothing comes of it when it is read.

        Raises:
            LocalProtocolError: The data is not one object, array or string.
        """
        data = frame.data
        if data is None:
            return b"\n"
        if data == ARRAY_END:
            return b"\n]" if self._written else b"[]"
        if not _is_element(data):
            raise LocalProtocolError(f"this is no element of a JSON array: {data[:80]!r}")
        self._written += 1
        return (b"[" if self._written == 1 else b",\r\n") + data

    def _malformed(self, data: bytes, at: int) -> FramingError:
        return FramingError(
            "malformed",
            f"expected {self._place.value} at offset {self._passed + at} of the body,"
            f" found {data[at : at + 1]!r}",
        )

    def _too_large(self) -> FramingError:
        self._waiting.clear()  # what broke the limit is not kept
        return FramingError(
            "limit",
            f"one element is larger than max_event_size = {self._limit} bytes;"
            " raise Limits.max_event_size if the service really sends such elements",
        )


def _is_element(data: bytes) -> bool:
    """Would this come out as it is? A number has no end of its own, so that it may not."""
    framer = JSONArrayFramer(Limits(max_event_size=len(data) + 1))
    try:
        framer.receive_data(b"[" + data)
    except FramingError:
        return False
    return [frame.data for frame in framer.frames] == [data]
