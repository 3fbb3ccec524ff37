"""Damage to real wire: bytes and frames dropped, doubled, swapped and corrupted, odd JSON values.

All of it draws from a `random.Random`, which Hypothesis can stand in for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any, Final

import msgspec

from tokenwire.dialects import Dialect
from tokenwire.dialects.kit.payloads import UNREADABLE, is_list, is_mapping
from tokenwire.errors import FramingError, LocalProtocolError
from tokenwire.limits import DEFAULT_LIMITS

# What parsers look for, and what breaks them.
PIECES: Final = (
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\0",
    b"data: ",
    b"data:",
    b"event: error\n",
    b"id: 7\n",
    b"id: a\0b\n",
    b"retry: 10\n",
    b": hi\n",
    b"data: [DONE]\n\n",
    b"[DONE]",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b'"',
    b"\\",
    b"null",
    b'{"error":',
    b'"\\ud83d"',
)

# One of each JSON type, and the values at the edges of them.
ODD_VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    0,
    -1,
    2**70,
    1.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "[DONE]",
    "\ud83d",
    "12",
    [],
    {},
    [None],
    [[]],
    {"x": None},
)

# Payloads that fell many a decoder: depth, huge numbers, half surrogates, bad UTF-8, two values.
HARD_PAYLOADS: Final = (
    b"",
    b" ",
    b"null",
    b"0",
    b'""',
    b"[]",
    b"{}",
    b"[{}]",
    b"[" * 20_000,
    b'{"a":' * 20_000,
    b"1" * 5_000,
    b'{"index":' + b"9" * 5_000 + b"}",
    b'{"text":"\\ud83d"}',
    b'"\\ud83d"',
    b"NaN",
    b'{"a":Infinity}',
    b"\xff\xfe\x00",
    b'{"a":1}{"a":2}',
    b'{"error":null}',
    b'{"error":{"message":["no"]}}',
    b"[DONE]",
    b"{",
)


def frames_of(dialect: Dialect | None, wire: bytes) -> list[bytes]:
    """The wire in the pieces in which its frames end; joined they are the wire.

    Args:
        dialect: Its framer says where a frame ends; without one a frame is a line.
        wire: A body.
    """
    if dialect is None:
        return wire.splitlines(keepends=True)
    framer = dialect.framer(DEFAULT_LIMITS)
    pieces: list[bytes] = []
    start = 0
    try:
        for at in range(len(wire)):
            framer.receive_data(wire[at : at + 1])
            if framer.frames:
                framer.frames.clear()
                pieces.append(wire[start : at + 1])
                start = at + 1
    except FramingError:
        pass  # what follows is no frame
    return [*pieces, wire[start:]] if start < len(wire) else pieces


def mutate(frames: Sequence[bytes], random: Random, dialect: Dialect | None = None) -> bytes:
    """A wire with one to eight things done to its frames or bytes.

    Args:
        frames: The wire, as `frames_of` gives it.
        random: Chooses what is done, and where.
        dialect: Reads and writes frames whose values are to be changed.
    """
    pieces = list(frames)
    for _ in range(random.randint(1, 3)):
        _change_frames(pieces, random, dialect)
    wire = bytearray(b"".join(pieces))
    for _ in range(random.randint(0, 5)):
        _change_bytes(wire, random)
    return bytes(wire)


def _change_frames(pieces: list[bytes], random: Random, dialect: Dialect | None) -> None:
    if not pieces:
        return
    at = random.randrange(len(pieces))
    match random.randrange(5):
        case 0:
            del pieces[at]
        case 1:
            pieces.insert(random.randint(0, len(pieces)), pieces[at])
        case 2:
            other = random.randrange(len(pieces))
            pieces[at], pieces[other] = pieces[other], pieces[at]
        case 3:
            pieces[at] = _change_value(pieces[at], random, dialect)
        case _:
            pass


def _change_bytes(wire: bytearray, random: Random) -> None:
    at = random.randint(0, len(wire))
    size = random.randint(1, 12)
    match random.randrange(5):
        case 0:
            wire[at:at] = random.choice(PIECES)
        case 1:
            del wire[at : at + size]
        case 2:
            wire[at:at] = wire[at : at + size]
        case 3:
            wire[at : at + 2 * size] = wire[at + size : at + 2 * size] + wire[at : at + size]
        case _:
            wire[at : at + 1] = bytes([random.randrange(256)])


def _change_value(piece: bytes, random: Random, dialect: Dialect | None) -> bytes:
    """A frame whose payload holds a value of another type somewhere, in a sound frame if it can."""
    if dialect is None:
        return piece
    framer = dialect.framer(DEFAULT_LIMITS)
    try:
        framer.receive_data(piece)
        framer.receive_eof()
    except FramingError:
        return piece
    frame = framer.frames[-1] if framer.frames else None
    if frame is None or not frame.data:
        return piece
    try:
        data = json.dumps(twist(json.loads(frame.data), random)).encode()
    except UNREADABLE:
        return piece
    try:
        return framer.encode(msgspec.structs.replace(frame, data=data))
    except LocalProtocolError:  # a format that is only read
        return piece.replace(frame.data, data)


def twist(value: Any, random: Random) -> Any:
    """A JSON value with one value inside of it, or all of it, replaced by an odd one."""
    if random.randrange(5) == 0:
        return random.choice(ODD_VALUES)
    if is_mapping(value) and value:
        key = random.choice(sorted(value))
        if random.randrange(6) == 0:
            return {name: one for name, one in value.items() if name != key}
        return {**value, key: twist(value[key], random)}
    if is_list(value) and value:
        at = random.randrange(len(value))
        return [*value[:at], twist(value[at], random), *value[at + 1 :]]
    return random.choice(ODD_VALUES)
