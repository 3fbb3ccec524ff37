"""Messages of an Amazon event stream, written by the letter and independent of the framer."""

from __future__ import annotations

import struct
from zlib import crc32


def message(headers: bytes = b"", payload: bytes = b"") -> bytes:
    """A sound message around these bytes."""
    return sealed(16 + len(headers) + len(payload), len(headers), headers + payload)


def sealed(length: int, headers_length: int, rest: bytes) -> bytes:
    """A message whose checksums are right, whatever its lengths say."""
    lengths = struct.pack("!II", length, headers_length)
    head = lengths + struct.pack("!I", crc32(lengths)) + rest
    return head + struct.pack("!I", crc32(head))


def header(name: bytes, kind: int, value: bytes = b"") -> bytes:
    return bytes((len(name),)) + name + bytes((kind,)) + value


def string(name: str, value: str) -> bytes:
    raw = value.encode()
    return header(name.encode(), 7, struct.pack("!H", len(raw)) + raw)


def event(kind: str, payload: str | bytes) -> bytes:
    """An event as Amazon's services write it."""
    headers = (
        string(":event-type", kind),
        string(":content-type", "application/json"),
        string(":message-type", "event"),
    )
    return message(b"".join(headers), payload.encode() if isinstance(payload, str) else payload)


def failure(headers: dict[str, str], payload: str | bytes = b"") -> bytes:
    """A message with these headers."""
    raw = b"".join(string(*one) for one in headers.items())
    return message(raw, payload.encode() if isinstance(payload, str) else payload)
