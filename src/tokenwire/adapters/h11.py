"""h11 over anyio: the events of a response, on asyncio and on trio, without an HTTP client."""

from __future__ import annotations

import ssl
import zlib
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeAlias
from urllib.parse import SplitResult, urlsplit

import anyio
import h11
from anyio.abc import ByteReceiveStream, ByteStream

from tokenwire import drive
from tokenwire.dialects import Dialect
from tokenwire.drive import AsyncEventStream, Errors, Failures
from tokenwire.errors import LocalProtocolError
from tokenwire.limits import DEFAULT_LIMITS, Limits
from tokenwire.state import State

_Decode: TypeAlias = Callable[[bytes], Iterable[bytes]]

# OSError: what TLS raises for a broken record. A TimeoutError comes from streams that have one.
_FAILURES: Final = Failures(
    (
        h11.RemoteProtocolError,
        anyio.BrokenResourceError,
        anyio.ClosedResourceError,
        zlib.error,
        OSError,
    )
)
_SIZE: Final = 64 * 1024  # bytes that are read, or decompressed, at most at once
_MAX_HEAD: Final = 100 * 1024  # of a response, in bytes; as much as httpcore takes
_GRACE: Final = 0.1  # seconds to wait for the body's end behind a complete answer; see httpx.py
_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
_OURS: Final = frozenset({"connection", "content-length", "transfer-encoding"})


def aiter_events(
    connection: h11.Connection,
    stream: ByteReceiveStream,
    dialect: Dialect | str,
    *,
    limits: Limits = DEFAULT_LIMITS,
    errors: Errors = "raise",
) -> AsyncEventStream:
    """The events of the response to the request that was sent on this connection.

    Nothing of the response may have been read. Its head is read with the first event: a connection
    that fails before it is an `Error`, too. A body in gzip or deflate is decompressed.

    At the end the stream is closed, unless both sides have come to their end and may go on: then
    it is open, and ``connection.start_next_cycle()`` begins the next request.

    Args:
        connection: The client's side, its request sent.
        stream: Where the response's bytes come from.
        dialect: A `Dialect`, or the name of one.
        limits: As in `tokenwire.aiter_events`.
        errors: As in `tokenwire.aiter_events`.

    Raises:
        LocalProtocolError: At once, if the connection does not wait for a response.
        UnknownDialectError: At once, if no dialect has this name.
        StreamError: While iterating, with ``errors="raise"``.
    """
    if connection.their_state is not h11.SEND_RESPONSE:
        raise LocalProtocolError(
            "h11 must wait for a response: send the request, and read nothing of its response;"
            f" the states are {connection.states}"
        )
    left = False

    async def read() -> AsyncGenerator[bytes, None]:
        decode: _Decode = _as_it_is
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                try:
                    data = await stream.receive(_SIZE)
                except anyio.EndOfStream:
                    data = b""
                connection.receive_data(data)
            elif isinstance(event, h11.Response):
                headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
                parser.receive_response(event.status_code, headers)
                yield b""  # the head may say it all: nobody need wait for the body then
                decode = _decoder(headers.get("content-encoding", ""))
            elif isinstance(event, h11.Data):
                for piece in decode(event.data):
                    yield piece
            elif not isinstance(event, h11.InformationalResponse):
                return

    async def close() -> None:
        nonlocal left
        if left:  # the connection may serve the next request by now
            return
        left = True
        try:
            # h11 is not DONE but MUST_CLOSE where either side has said that it will close.
            if parser.state is State.DONE and connection.our_state is h11.DONE:
                with anyio.move_on_after(_GRACE), suppress(TimeoutError, *_FAILURES.lost):
                    async for _ in chunks:
                        pass
        finally:
            if not connection.our_state is connection.their_state is h11.DONE:
                # TLS says goodbye, but a peer that does not answer holds nobody.
                with anyio.move_on_after(_GRACE, shield=True), suppress(*_FAILURES.lost):
                    await stream.aclose()

    chunks = read()
    events = drive.aiter_events(
        chunks, dialect, limits=limits, errors=errors, failures=_FAILURES, close=close
    )
    parser = events.parser  # `read` and `close` must not hold the events; see httpx.py
    return events


@asynccontextmanager
async def stream(
    method: str,
    url: str,
    *,
    dialect: Dialect | str,
    headers: Mapping[str, str] | None = None,
    content: bytes = b"",
    ssl_context: ssl.SSLContext | None = None,
    limits: Limits = DEFAULT_LIMITS,
    errors: Errors = "raise",
) -> AsyncGenerator[AsyncEventStream, None]:
    """Connect, send one request, and give the events of its response; the bare minimum.

    There are no redirects, proxies or retries, and there is no pool: each request has a connection
    of its own, closed at the end. Time-outs are cancel scopes around it.

    Args:
        method: ``"POST"``, mostly.
        url: An http or https URL in ASCII, without a user's name in it.
        dialect: A `Dialect`, or the name of one.
        headers: Besides or instead of ``Host``, ``Accept: */*`` and ``Accept-Encoding: identity``.
            ``Content-Length`` and ``Connection: close`` are sent as they must be.
        content: The request's body.
        ssl_context: Whom to trust; as `ssl.create_default_context` says unless given.
        limits: As in `tokenwire.aiter_events`.
        errors: As in `tokenwire.aiter_events`.

    Raises:
        ValueError: The URL or a header is not one that can be sent.
        h11.LocalProtocolError: Likewise: HTTP has no such method, target or header.
        OSError: No connection could be made. All that fails later is an `Error`.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("url must begin with http:// or https:// and a host, without a user")
    given = {name.lower(): value for name, value in (headers or {}).items()}
    if refused := _OURS & given.keys():
        raise ValueError(f"these headers are sent as they must be: {', '.join(sorted(refused))}")
    fields = {"host": parts.netloc, "accept": "*/*", "accept-encoding": "identity", **given}
    if content or method not in ("GET", "HEAD"):
        fields["content-length"] = str(len(content))
    fields["connection"] = "close"
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"

    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
    request = h11.Request(method=method, target=target, headers=list(fields.items()))
    message = (request, h11.Data(data=content), h11.EndOfMessage())
    sent = b"".join(connection.send(part) or b"" for part in message)
    transport = await _connect(parts, ssl_context)
    async with (
        transport,
        aiter_events(connection, transport, dialect, limits=limits, errors=errors) as events,
    ):
        with suppress(*_FAILURES.lost):  # the answer may be there all the same, or tells as much
            await transport.send(sent)
        yield events


async def _connect(url: SplitResult, ssl_context: ssl.SSLContext | None) -> ByteStream:
    host = url.hostname or ""
    if url.scheme == "http":
        return await anyio.connect_tcp(host, url.port or 80)
    # In HTTP few servers end TLS as its standard demands; the dialect knows whether all has come.
    return await anyio.connect_tcp(
        host, url.port or 443, tls=True, ssl_context=ssl_context, tls_standard_compatible=False
    )


def _as_it_is(data: bytes) -> Iterable[bytes]:
    return (data,)


def _decoder(coding: str) -> _Decode:
    """What decodes a body with this ``Content-Encoding``."""
    match coding.strip().lower():
        case "" | "identity":
            return _as_it_is
        case "gzip" | "x-gzip" | "deflate":
            return _inflater()
        case _:
            raise h11.RemoteProtocolError(
                f"cannot decode the content coding {coding!r}: send Accept-Encoding: identity"
            )


def _inflater() -> _Decode:
    inflated = zlib.decompressobj(_GZIP_OR_ZLIB)

    def inflate(data: bytes) -> Iterator[bytes]:
        while not inflated.eof:  # behind it zlib would hoard what comes
            piece = inflated.decompress(data, _SIZE)
            yield piece
            data = inflated.unconsumed_tail
            if not data and len(piece) < _SIZE:
                return

    return inflate
