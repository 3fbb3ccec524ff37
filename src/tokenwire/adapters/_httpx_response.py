"""A response of httpx or httpx2: its body, its end, and what reading it may raise."""

from __future__ import annotations

import sys
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import anyio

from tokenwire.adapters._decode import (
    AsyncPieces,
    Pieces,
    UndecodableError,
    codings_of,
    is_ours,
)
from tokenwire.adapters._interrupt import Interrupt
from tokenwire.transport import Failures

if TYPE_CHECKING:
    import httpx
    import httpx2

# What HTTP/2 stands on, and what that raises for a peer's frames.
_OF_HTTP2: Final = (
    ("h2.exceptions", "H2Error"),
    ("hpack.exceptions", "HPACKError"),
    ("hyperframe.exceptions", "HyperframeError"),
)

_NAMES: Final = ("httpx", "httpx2")

# Seconds to wait for the body's end after a complete answer, without which a connection is not
# reused. It mostly comes in the same packet, but it need not come.
_GRACE: Final = 0.1


def _decodes(response: httpx.Response | httpx2.Response) -> bool:
    """Is the client to decode this body, or did it already?"""
    if response.is_stream_consumed or response.is_closed:  # its content was read
        return True
    package = type(response).__module__.partition(".")[0]
    known = getattr(sys.modules.get(f"{package}._decoders"), "SUPPORTED_DECODERS", ())
    return not is_ours(response.headers.get("content-encoding", ""), known)


def bodies(response: httpx.Response | httpx2.Response) -> tuple[Iterator[bytes], Iterator[bytes]]:
    """The body as it comes, for who looks for its end; and the same, decoded."""
    if _decodes(response):
        chunks = response.iter_bytes()
        return chunks, chunks
    raw, coding = response.iter_raw(), response.headers.get("content-encoding", "")
    return raw, Pieces(raw, coding) if codings_of(coding) else raw


def abodies(
    response: httpx.Response | httpx2.Response,
) -> tuple[AsyncIterator[bytes], AsyncIterator[bytes]]:
    """`bodies` of an ``AsyncClient``."""
    if _decodes(response):
        chunks = response.aiter_bytes()
        return chunks, chunks
    raw, coding = response.aiter_raw(), response.headers.get("content-encoding", "")
    return raw, AsyncPieces(raw, coding) if codings_of(coding) else raw


def run_out(
    response: httpx.Response | httpx2.Response,
    raw: Iterator[bytes],
    failures: Failures,
) -> None:
    """Look for the body's end after a complete answer: its connection is reused then."""
    network = response.extensions.get("network_stream")
    connected = network.get_extra_info("socket") if network is not None else None
    if connected is None or not response.http_version.startswith("HTTP/1"):
        return
    interrupt = Interrupt()
    interrupt.hold(connected)
    try:
        with suppress(*failures.all), interrupt.within(_GRACE):
            for _ in range(4):  # heartbeats may go on for ever
                if next(raw, None) is None:
                    break
    finally:
        interrupt.close()


async def aclose(
    response: httpx.Response | httpx2.Response,
    raw: AsyncIterator[bytes],
    failures: Failures,
    *,
    complete: bool,
) -> None:
    async def run_out() -> None:
        with suppress(*failures.all):
            async for _ in raw:
                pass

    try:
        if complete:
            with anyio.move_on_after(_GRACE):
                await run_out()
    finally:
        await response.aclose()
        if response.is_stream_consumed:  # the reading has begun
            with anyio.CancelScope() as scope:  # for trio: generators dropped half-way are leaks
                if response.http_version == "HTTP/2":  # whose connection is open, and may be silent
                    scope.cancel()
                await run_out()


def failures_of(client: Any) -> Failures:
    """What a client raises for what a peer did. Not all of it is an exception of its own."""
    found = [client.RequestError, client.InvalidURL, client.CookieConflict, zlib.error]
    for name, kind in _OF_HTTP2:
        if module := sys.modules.get(name):
            found.append(getattr(module, kind))
    return Failures(
        (*found, OSError, LookupError, ValueError),
        (client.TimeoutException, TimeoutError),
        (UndecodableError, client.DecodingError),
        (
            client.ConnectError,
            client.ConnectTimeout,
            client.PoolTimeout,
            client.UnsupportedProtocol,
            client.ProxyError,
        ),
    )


def client_of(given: object, kind: str, wanted: str, hint: str) -> Any:
    """The module of the client whose object this is; that one is imported already.

    Args:
        given: A client or a response, of httpx or httpx2.
        kind: The class that it must be of.
        wanted: What to say of another one.
        hint: And what to do instead.

    Raises:
        TypeError: It is of another class.
    """
    for name in _NAMES:
        client = sys.modules.get(name)
        if client is not None and isinstance(given, getattr(client, kind)):
            return client
    raise TypeError(f"{wanted} of httpx or httpx2, not {type(given).__name__}: {hint}")


def check_colour(
    response: httpx.Response | httpx2.Response, module: Any, *, is_async: bool
) -> None:
    """See that the body of a response can be read in this colour.

    Raises:
        TypeError: It is of a client of the other one.
    """
    if response.is_stream_consumed or response.is_closed:  # its content was read
        return
    wanted = module.AsyncByteStream if is_async else module.SyncByteStream
    if not isinstance(response.stream, wanted):
        raise TypeError(
            "this response is of a Client: read it with iter_events"
            if is_async
            else "this response is of an AsyncClient: read it with aiter_events"
        )
