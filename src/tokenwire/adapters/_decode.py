"""Undoing the content coding of a body, by pieces of bounded size.

The clients' own decoders differ: some give all that one read became at once, be that 2 GiB, some
read the first member of several only, and what they cannot decode some hand out as it is. So bodies
are read as they come, where a client allows it, and decoded here.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Final

SIZE: Final = 64 * 1024
"""Bytes that are decoded, or read, at most at once."""

# One is what servers send, and two what proxies make of it. Each may multiply the work by a
# thousand.
_MAX_CODINGS: Final = 3

_GZIP: Final = b"\x1f\x8b"
_CODINGS: Final = frozenset({"gzip", "x-gzip", "deflate"})
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


class UndecodableError(ValueError):
    """A body is not coded as its head says, or in a way that nobody here knows."""


def codings_of(value: str) -> list[str]:
    """The codings that a ``Content-Encoding`` names, in the order in which they were applied."""
    named = (name.strip().lower() for name in value.split(","))
    return [name for name in named if name not in ("", "identity")]


def is_ours(value: str, known: Iterable[str]) -> bool:
    """Is a body with this ``Content-Encoding`` for us to decode, or to say that nobody can?

    Args:
        value: The header's value.
        known: What the client can decode: br, for one, where its package is installed.
    """
    codings = codings_of(value)
    return (
        _CODINGS.issuperset(codings)
        or len(codings) > _MAX_CODINGS
        or not {*known}.issuperset(codings)
    )


class Decoder:
    """Undoes a ``Content-Encoding``.

    Args:
        value: The header's value; empty if there is none.
    """

    def __init__(self, value: str) -> None:
        self._value = value
        self._stages: list[_Inflater] | None = None  # made with the first bytes

    def decode(self, data: bytes) -> Iterator[bytes]:
        """The pieces that these bytes become. Take all of them before the next are given.

        Raises:
            UndecodableError: This is not coded so, or nobody here can undo it.
            zlib.error: It is damaged.
        """
        if self._stages is None:
            self._stages = self._made()
        return self._through(data, 0, self._stages)

    def _made(self) -> list[_Inflater]:
        codings = codings_of(self._value)
        if len(codings) > _MAX_CODINGS or not _CODINGS.issuperset(codings):
            raise UndecodableError(
                f"cannot decode the content coding {self._value[:100]!r}:"
                " send Accept-Encoding: identity"
            )
        return [_Inflater(name) for name in reversed(codings)]

    def _through(self, data: bytes, stage: int, stages: list[_Inflater]) -> Iterator[bytes]:
        if stage == len(stages):
            yield data
        else:
            for piece in stages[stage].inflate(data):
                yield from self._through(piece, stage + 1, stages)


class _Inflater:
    """Undoes gzip, of any number of members, or deflate, with zlib's header or without."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._member: Any = None  # a decompressor of zlib, while it has work
        self._held = b""  # less than tells what begins
        self._sound = False  # something was decoded
        self._ended = False  # one member did
        self._over = False  # the last one did

    def inflate(self, data: bytes) -> Iterator[bytes]:
        """The pieces that these bytes become."""
        if self._over:
            return
        data = self._held + data
        self._held = b""
        if self._member is None and self._ended:
            data = data.lstrip(b"\0")
        while (member := self._member or self._begun(data)) is not None:
            try:
                piece = member.decompress(data, SIZE)
            except zlib.error as error:
                if self._sound:
                    raise
                raise UndecodableError(f"the body is not in {self._coding}: {error}") from error
            if piece:
                self._sound = True
                yield piece
            if member.eof:
                data = member.unused_data.lstrip(b"\0")  # padding, which some write
                self._member = None
                self._sound = self._ended = True
            else:
                data = member.unconsumed_tail
                if not data and len(piece) < SIZE:
                    return

    def _begun(self, data: bytes) -> Any:
        """The next member; None if there is too little yet, or what follows is none."""
        if len(data) < 2:
            self._held = data
            return None
        if data.startswith(_GZIP):
            window = _GZIP_WINDOW
        elif self._ended:  # nobody minds what stands after the last one
            self._over = True
            return None
        elif data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2], "big") % 31 == 0:
            window = zlib.MAX_WBITS
        elif self._coding == "deflate":
            window = -zlib.MAX_WBITS  # without the header that the standard asks for
        else:
            raise UndecodableError(
                f"the body is not in {self._coding}: it begins with {data[:20]!r}"
            )
        self._member = zlib.decompressobj(window)
        return self._member


class Pieces:
    """The chunks of a body, decoded.

    No generator: one that is left half-way would have to be closed.

    Args:
        chunks: As they came.
        value: The body's ``Content-Encoding``.
    """

    def __init__(self, chunks: Iterator[bytes], value: str) -> None:
        self._chunks = chunks
        self._decoder = Decoder(value)
        self._pieces: Iterator[bytes] = iter(())

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while True:
            for piece in self._pieces:
                return piece
            self._pieces = self._decoder.decode(next(self._chunks))


class AsyncPieces:
    """`Pieces` of chunks that come asynchronously."""

    def __init__(self, chunks: AsyncIterator[bytes], value: str) -> None:
        self._chunks = chunks
        self._decoder = Decoder(value)
        self._pieces: Iterator[bytes] = iter(())

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while True:
            for piece in self._pieces:
                return piece
            self._pieces = self._decoder.decode(await anext(self._chunks))
