"""Amazon's event streams (``application/vnd.amazon.eventstream``): binary messages with checksums.

Source: https://smithy.io/2.0/aws/amazon-eventstream.html, botocore's reader, and recordings.

::

    total length, headers length, CRC-32 of those eight bytes   uint32 each: the prelude
    headers: name length, name, type, value                     uint8, UTF-8, uint8, by type
    payload
    CRC-32 of all before it                                     uint32

All integers are big-endian. No message says that the stream is over: that is for the dialect.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import ClassVar, Final, TypeAlias
from zlib import crc32

from tokenwire.errors import FramingError, LocalProtocolError
from tokenwire.frame import Frame
from tokenwire.limits import Limits

HeaderValue: TypeAlias = bool | int | bytes | str
Headers: TypeAlias = tuple[tuple[str, HeaderValue], ...]

# The specification's bound, which botocore keeps too.
MAX_HEADERS_LENGTH: Final = 128 * 1024

_UINT16: Final = struct.Struct("!H")
_UINT32: Final = struct.Struct("!I")
_PRELUDE: Final = struct.Struct("!III")
_PRELUDE_SIZE: Final = _PRELUDE.size
_MIN_LENGTH: Final = _PRELUDE_SIZE + _UINT32.size

_TRUE, _FALSE, _INT8, _INT16, _INT32, _INT64, _BYTES, _STRING, _TIMESTAMP, _UUID = range(10)
_INTEGERS: Final = {
    _INT8: struct.Struct("!b"),
    _INT16: struct.Struct("!h"),
    _INT32: struct.Struct("!i"),
    _INT64: struct.Struct("!q"),
    _TIMESTAMP: struct.Struct("!q"),
}
_UUID_SIZE: Final = 16


class AWSEventsFramer:
    """Frames of an Amazon event stream. Feed it with ``receive_data``, then ``receive_eof``.

    A message's payload is `Frame.data`, its ``:event-type`` or ``:exception-type`` is
    `Frame.event`, and all its headers are `Frame.headers`. A message with neither headers nor
    payload keeps the connection alive and is a frame without data.

    A message that breaks off at the end of the body is a frame without data, marked
    ``unterminated``: it proves a cut and says nothing. The prelude is believed only with
    its checksum, before the message is waited for: garbage is not mistaken for a large message.

    Args:
        limits: Bounds on a message.
    """

    format: ClassVar[str] = "Amazon event stream"
    __slots__ = ("_last", "_limit", "_needed", "_offset", "_peak", "_waiting", "frames")

    def __init__(self, limits: Limits) -> None:
        self.frames: list[Frame] = []
        self._limit = limits.max_event_size
        self._waiting = bytearray()  # a message without its end
        self._needed = _PRELUDE_SIZE  # bytes it takes to go on: of the prelude, then of the message
        self._offset = 0  # where the message that is waited for begins in the stream
        self._peak = 0
        # The headers of the message before: as bytes, their event, and as values.
        self._last: tuple[bytes, str, Headers] = (b"", "", ())

    @property
    def receive_data(self) -> Callable[[bytes], None]:
        """Takes one non-empty chunk. Raises `FramingError` where a message is broken."""
        return self._receive_data

    def _receive_data(self, data: bytes) -> None:
        waiting = self._waiting
        if waiting:
            if len(waiting) > self._peak:
                self._peak = len(waiting)
            waiting += data
            if len(waiting) < self._needed:
                return
            data = bytes(waiting)  # at most twice for a message: with its prelude and with its end
            waiting.clear()
        at, size, needed = 0, len(data), self._needed
        while size - at >= needed:
            if needed == _PRELUDE_SIZE:
                needed = self._read_prelude(data, at)
            else:
                self.frames.append(self._read_message(data, at, at + needed))
                self._offset += needed
                at += needed
                needed = _PRELUDE_SIZE
        self._needed = needed
        if at < size:
            waiting += data[at:]

    def receive_eof(self) -> None:
        """The body ended: hand out the bytes of a message that broke off, marked; no data."""
        self._peak = self.peak_buffered
        if self._waiting:
            self.frames.append(Frame(other=bytes(self._waiting), unterminated=True))
        self._waiting.clear()

    @staticmethod
    def begins(head: bytes) -> bool:
        """A prelude with its checksum: it proves the format."""
        if len(head) < _PRELUDE_SIZE or head[0] > 1:  # no message has 32 MiB
            return False
        (expected,) = _UINT32.unpack_from(head, 8)
        return crc32(head[:8]) == int(expected)

    @property
    def retry(self) -> int | None:
        """The format has no reconnection time."""
        return None

    @property
    def buffered(self) -> int:
        """Bytes of the message that has no end yet."""
        return len(self._waiting)

    @property
    def peak_buffered(self) -> int:
        """The most that `buffered` ever was."""
        return max(self._peak, self.buffered)

    def _read_prelude(self, data: bytes, at: int) -> int:
        """The length of the message that begins here."""
        length, headers_length, said = _PRELUDE.unpack_from(data, at)
        found = crc32(data[at : at + 8])
        if found != said:
            # Most often the body is no event stream at all.
            raise self._malformed(
                f"the CRC-32 of the prelude is {found:#010x}, but it says {said:#010x};"
                f" it begins with {data[at : at + _PRELUDE_SIZE]!r}"
            )
        if length < _MIN_LENGTH:
            raise self._malformed(f"its length is {length}, the least is {_MIN_LENGTH}")
        if length > self._limit:
            raise FramingError(
                "limit",
                f"the message at offset {self._offset} has {length} bytes, more than"
                f" max_event_size = {self._limit};"
                " raise Limits.max_event_size if the service really sends such events",
            )
        if headers_length > MAX_HEADERS_LENGTH:
            raise self._malformed(
                f"its headers have {headers_length} bytes, the most is {MAX_HEADERS_LENGTH}"
            )
        if headers_length > length - _MIN_LENGTH:
            raise self._malformed(
                f"its headers have {headers_length} bytes, but its length of {length}"
                f" leaves {length - _MIN_LENGTH}"
            )
        return int(length)

    def _read_message(self, data: bytes, at: int, end: int) -> Frame:
        (said,) = _UINT32.unpack_from(data, end - 4)
        found = crc32(data[at : end - 4])
        if found != said:
            raise self._malformed(f"its CRC-32 is {found:#010x}, but it says {said:#010x}")
        if end - at == _MIN_LENGTH:
            return _KEEP_ALIVE
        (headers_length,) = _UINT32.unpack_from(data, at + 4)
        payload_at = at + _PRELUDE_SIZE + headers_length
        raw = data[at + _PRELUDE_SIZE : payload_at]
        if raw != self._last[0]:  # mostly they are those of the message before
            values = self._read_headers(raw)
            word = values.get(":event-type", values.get(":exception-type"))
            self._last = raw, word if isinstance(word, str) else "", tuple(values.items())
        _, event, headers = self._last
        return Frame(data[payload_at : end - 4], event, headers=headers)

    def _read_headers(self, data: bytes) -> dict[str, HeaderValue]:
        headers: dict[str, HeaderValue] = {}
        at = 0
        try:
            while at < len(data):
                name, value, end = _read_header(data, at)
                if name in headers:
                    raise ValueError(
                        f"the name {name!r} stands there twice, with the values"
                        f" {headers[name]!r:.80} and {value!r:.80}"
                    )
                headers[name] = value
                at = end
        except ValueError as error:
            place = self._offset + _PRELUDE_SIZE + at
            raise self._malformed(f"its header at offset {place} is broken: {error}") from None
        return headers

    def _malformed(self, reason: str) -> FramingError:
        where = f"the message at offset {self._offset} of the event stream is broken"
        return FramingError("malformed", f"{where}: {reason}")

    @staticmethod
    def encode(frame: Frame) -> bytes:
        """One frame as a message, with the frame's own headers where it has some.

        Otherwise it is an event of JSON, named by `Frame.event`; a frame without data, event and
        headers keeps the connection alive. Integers are written with 64 bits, and texts as
        strings: the values that are read back are the same.

        Raises:
            LocalProtocolError: The headers cannot be written: a name is empty, too long or there
                twice, a value is too large, or there are more than 128 KiB.
        """
        said = frame.headers or _headers_of_event(frame.event)
        headers = b"".join(_write_header(name, value) for name, value in said)
        if len(headers) > MAX_HEADERS_LENGTH:
            raise LocalProtocolError(
                f"the headers of a message have {len(headers)} bytes,"
                f" the most is {MAX_HEADERS_LENGTH}"
            )
        if len({name for name, _ in said}) < len(said):
            raise LocalProtocolError(f"a name stands twice in the headers {said!r:.200}")
        payload = frame.data or b""
        lengths = struct.pack("!II", _MIN_LENGTH + len(headers) + len(payload), len(headers))
        message = b"".join((lengths, _UINT32.pack(crc32(lengths)), headers, payload))
        return message + _UINT32.pack(crc32(message))


_KEEP_ALIVE: Final = Frame()


def _read_header(data: bytes, at: int) -> tuple[str, HeaderValue, int]:
    """Name, value, and where the next header begins. Raises ValueError for what is no header."""
    name_at = at + 1
    kind_at = name_at + data[at]
    if kind_at == name_at:
        raise ValueError("its name is empty")
    if kind_at >= len(data):
        raise ValueError(f"its name of {data[at]} bytes goes beyond the headers")
    name = data[name_at:kind_at].decode()
    kind, value_at = data[kind_at], kind_at + 1
    if kind in (_TRUE, _FALSE):
        return name, kind == _TRUE, value_at
    size = _UUID_SIZE
    if kind in _INTEGERS:
        size = _INTEGERS[kind].size
    elif kind in (_BYTES, _STRING):
        _check_room(data, name, value_at, _UINT16.size)
        (size,) = _UINT16.unpack_from(data, value_at)
        value_at += _UINT16.size
    elif kind != _UUID:
        raise ValueError(f"{name!r} is of type {kind}, the last one is {_UUID}")
    _check_room(data, name, value_at, size)
    end = value_at + size
    if kind in _INTEGERS:
        (number,) = _INTEGERS[kind].unpack_from(data, value_at)
        return name, int(number), end
    raw = data[value_at:end]
    if kind == _BYTES:
        return name, raw, end
    return name, raw.decode() if kind == _STRING else _uuid(raw), end


def _check_room(data: bytes, name: str, at: int, size: int) -> None:
    if size > len(data) - at:
        raise ValueError(f"the value of {name!r} takes {size} bytes, {len(data) - at} are left")


def _uuid(raw: bytes) -> str:
    digits = raw.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _headers_of_event(event: str) -> Headers:
    """As Amazon's services write them, in this order; none for a frame that has no name."""
    if not event:
        return ()
    return (
        (":event-type", event),
        (":content-type", "application/json"),
        (":message-type", "event"),
    )


def _write_header(name: str, value: HeaderValue) -> bytes:
    try:
        raw_name = name.encode()
        if not raw_name:
            raise ValueError("the name is empty")
        return struct.pack("!B", len(raw_name)) + raw_name + _write_value(value)
    except (ValueError, struct.error) as error:
        reason = f"the header {name!r:.80} cannot be written: {error}"
        raise LocalProtocolError(reason) from None


def _write_value(value: HeaderValue) -> bytes:
    match value:
        case bool():
            return bytes((_TRUE if value else _FALSE,))
        case int():
            return bytes((_INT64,)) + _INTEGERS[_INT64].pack(value)
        case bytes():
            return bytes((_BYTES,)) + _UINT16.pack(len(value)) + value
        case _:
            raw = value.encode()
            return bytes((_STRING,)) + _UINT16.pack(len(raw)) + raw
