"""Ways to cut the same bytes into chunks, and what framers and parsers make of them; see
`tests.reading.read` for a parser without a response.

A chunking is a list of non-empty chunks. `whole` and `bytewise` give one, the others many.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple, TypeVar

from tokenwire import Dialect, Event, Frame, FramingError, Limits, StreamParser
from tokenwire.framing import Framer

T = TypeVar("T")


def whole(data: bytes) -> list[bytes]:
    """All in one chunk."""
    return [data] if data else []


def bytewise(data: bytes) -> list[bytes]:
    """Every byte alone."""
    return in_pieces(data, 1)


def in_pieces(data: bytes, size: int) -> list[bytes]:
    """Chunks of one size; the last may be shorter."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def every_cut(data: bytes) -> Iterator[list[bytes]]:
    """Two chunks, cut at every single position."""
    for at in range(1, len(data)):
        yield [data[:at], data[at:]]


def random_cuts(data: bytes, seed: int, n: int) -> Iterator[list[bytes]]:
    """``n`` chunkings, from a few large chunks to many small ones; the same ones for one seed."""
    rng = random.Random(seed)
    inside = range(1, len(data))
    for _ in range(n):
        cuts = rng.sample(inside, rng.randint(0, min(len(inside), rng.choice((3, 12, 10**6)))))
        yield [data[start:end] for start, end in pairwise((0, *sorted(cuts), len(data)))]


def all_cuts(data: bytes) -> Iterator[list[bytes]]:
    """Whole, byte by byte, cut everywhere, and at random."""
    yield whole(data)
    yield bytewise(data)
    yield from every_cut(data)
    yield from random_cuts(data, seed=len(data), n=40)


def in_every_cut(
    read: Callable[[list[bytes]], T],
    data: bytes,
    cuts: Callable[[bytes], Iterable[list[bytes]]] = all_cuts,
) -> T:
    """What ``read`` makes of ``data``; fails unless it is the same for all ``cuts``."""
    expected = read(whole(data))
    for chunks in cuts(data):
        found = read(chunks)
        assert found == expected, (
            f"cut as {chunks!r:.400}\nit reads {found!r:.1000}\nand in one chunk {expected!r:.1000}"
        )
    return expected


class Frames(NamedTuple):
    """What a framer made of a body."""

    frames: list[Frame]
    retry: int | None
    error: str | None  # the kind of the FramingError that ended it


def read_frames(
    framer: Callable[[Limits], Framer], chunks: Iterable[bytes], limits: Limits = Limits()
) -> Frames:
    """Feed a framer to its end, or to its error."""
    reader = framer(limits)
    error = None
    try:
        for chunk in chunks:
            reader.receive_data(chunk)
        reader.receive_eof()
    except FramingError as raised:
        error = raised.kind
    return Frames(list(reader.frames), reader.retry, error)


def read_response(
    chunks: Iterable[bytes],
    dialect: Dialect | str,
    *,
    status: int = 200,
    headers: dict[str, str],
    limits: Limits = Limits(),
) -> list[Event]:
    """Feed a parser that is told of the response's head, taking the events after each chunk."""
    parser = StreamParser(dialect, limits=limits)
    parser.receive_response(status, headers)
    events = list(parser.events())
    for chunk in chunks:
        parser.receive_data(chunk)
        events += parser.events()
    parser.receive_eof()
    return [*events, *parser.events()]


def breaks_off(part: bytes, *, end: bytes = b"\n\n") -> bool:
    """Does this part of a body end inside an event that is not whole?

    An event without its end is whole if its data is JSON, or the sentinel. ``end`` is LF alone for
    lines of JSON.
    """
    fields = [line for line in part.rpartition(end)[2].split(b"\n") if line[:1] not in b":"]
    value = fields[-1].partition(b":")[2].strip() if fields else b"[DONE]"
    return value != b"[DONE]" and not _is_json(value)


def _is_json(value: bytes) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True
