"""aiohttp: the events of an open response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from tokenwire import drive
from tokenwire.dialects import Dialect
from tokenwire.drive import AsyncEventStream, Errors, Failures, Head
from tokenwire.limits import DEFAULT_LIMITS, Limits
from tokenwire.state import State

# A RuntimeError is a read that begins when the connection is gone.
_FAILURES: Final = Failures((aiohttp.ClientError, HttpProcessingError, OSError, RuntimeError))
_GRACE: Final = 0.1  # seconds to wait for the body's end behind a complete answer; see httpx.py


def aiter_events(
    response: aiohttp.ClientResponse,
    dialect: Dialect | str,
    *,
    limits: Limits = DEFAULT_LIMITS,
    errors: Errors = "raise",
) -> AsyncEventStream:
    """The events of a response. Arguments and errors are those of `tokenwire.aiter_events`."""
    head, chunks = Head(response.status, response.headers), _chunks(response)

    async def close() -> None:
        try:
            if parser.state is State.DONE:  # a connection is reused if the body's end was seen
                with suppress(TimeoutError, *_FAILURES.lost):
                    async with asyncio.timeout(_GRACE):
                        async for _ in chunks:
                            pass
        finally:
            await chunks.aclose()
            response.release()

    stream = drive.aiter_events(
        chunks, dialect, head=head, limits=limits, errors=errors, failures=_FAILURES, close=close
    )
    parser = stream.parser  # `close` must not hold the stream: that would keep it alive
    return stream


async def _chunks(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    # Where aiohttp's compiled parser (3.10 to 3.14) cannot read the framing, it drops the body and
    # its time-outs, and the reader waits for ever. From 3.12 on, the connection's end wakes it.
    content, taken = response.content, 0

    def wake(closed: asyncio.Future[None]) -> None:
        lost = not content.is_eof() and content.exception() is None
        if lost and content.total_bytes == taken:  # what is buffered comes first
            content.set_exception(aiohttp.ClientPayloadError("the connection was closed"))

    protocol = response.connection and response.connection.protocol
    closed: asyncio.Future[None] = getattr(protocol, "closed", None) or asyncio.Future()
    closed.remove_done_callback(_retrieve)  # one is enough for all requests of a connection
    closed.add_done_callback(_retrieve)
    closed.add_done_callback(wake)
    try:
        if content.at_eof():  # the caller has read it, or there is none
            yield await response.read()
        while chunk := await content.readany():
            taken += len(chunk)
            yield chunk
    finally:
        closed.remove_done_callback(wake)


def _retrieve(closed: asyncio.Future[None]) -> None:
    if not closed.cancelled():
        closed.exception()  # or asyncio complains that nobody did
