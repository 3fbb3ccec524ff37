"""h11 over anyio, on asyncio and on trio: the events of a response, or of a whole answer."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, Final, TypeAlias, Unpack
from urllib.parse import urlsplit

import msgspec

from tokenwire.adapters._extra import Extra

with Extra("h11"):
    import anyio
    import h11
    from anyio.abc import ByteReceiveStream, ByteStream

from tokenwire import drive
from tokenwire.adapters._h11_exchange import FAILURES, Exchange, UnreachableError, write
from tokenwire.adapters._request import (
    Form,
    Params,
    Way,
    body_of,
    check_kind,
    plain,
    refuse_others,
    with_params,
)
from tokenwire.adapters._wait import Wait
from tokenwire.answer import AsyncAnswer, Options
from tokenwire.dialects import Dialect
from tokenwire.drive import AsyncEventStream
from tokenwire.errors import LocalProtocolError
from tokenwire.limits import DEFAULT_LIMITS, Limits
from tokenwire.request import Request, words_of
from tokenwire.resume.plan import is_live
from tokenwire.stream import Errors
from tokenwire.transport import Head

_A_CONNECTION: Final = (
    "connection must be a Connection of h11",
    "connection = h11.Connection(h11.CLIENT)",
)
_A_CLIENT: Final = (
    "client must be a Client of this module",
    "client = tokenwire.adapters.h11.Client()",
)
_IN_A_HEADER: Final = "say it in a header, as in headers={{'Authorization': 'Bearer ...'}}"
_CONNECTS: Final = "give the client a connect that does it"
_HINTS: Final = {
    "auth": _IN_A_HEADER,
    "cookies": _IN_A_HEADER,
    **dict.fromkeys(("proxy", "proxies", "cert"), _CONNECTS),
    **dict.fromkeys(("ssl", "verify"), "give the client an ssl_context"),
}
_GRACE: Final = 0.1  # seconds to wait for the body's end after a complete answer; see httpx.py


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
    check_kind(connection, h11.Connection, *_A_CONNECTION)
    if connection.their_state is not h11.SEND_RESPONSE:
        raise LocalProtocolError(
            "h11 must wait for a response: send the request, and read nothing of its response;"
            f" the states are {connection.states}"
        )
    exchange = Exchange(connection, stream)

    async def read() -> AsyncGenerator[bytes, None]:
        head = await exchange.head()
        parser.receive_response(head.status, head.headers)
        yield b""  # the head may say it all: nobody need wait for the body then
        while (piece := await exchange.read()) is not None:
            yield piece

    async def close(complete: bool) -> None:
        await exchange.close(_GRACE if complete else 0)

    events = drive.aiter_events(
        read(), dialect, limits=limits, errors=errors, failures=FAILURES, close=close
    )
    parser = events.parser  # `read` must not hold the events: that would keep them alive
    return events


# --- a whole answer ---

Connect: TypeAlias = Callable[[str, int, ssl.SSLContext | None], Awaitable[ByteStream]]


async def connect_tcp(host: str, port: int, tls: ssl.SSLContext | None) -> ByteStream:
    """A connection to a host, the first of its addresses that answers.

    Args:
        host: A name, or an address of IPv4 or IPv6.
        port: The port.
        tls: Speak TLS as this says, to that host; ``None``: no TLS.
    """
    if tls is None:
        return await anyio.connect_tcp(host, port)
    return await anyio.connect_tcp(host, port, ssl_context=tls)


class Client:
    """How to reach a service, and what to tell it with every request.

    It holds no connections: there is nothing to close, and any number of answers may share it.

    Args:
        headers: Sent with every request, as the ``Authorization`` of a service. Another origin
            is not told what may be a secret; see `Request.with_url`.
        ssl_context: Whom to trust; as `ssl.create_default_context` says unless given.
        connect: Gives a byte stream to a host and port, TLS done if there is a context for it; by
            default `connect_tcp`. This is the place for a proxy, a tunnel, or a Unix socket.

    Attributes:
        headers: As given.
    """

    def __init__(
        self,
        *,
        headers: Mapping[str, str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        connect: Connect = connect_tcp,
    ) -> None:
        self.headers = headers or {}
        self._ssl_context = ssl_context
        self._connect = connect

    async def open(self, url: str) -> ByteStream:
        """A connection to the host of this URL.

        Raises:
            OSError: There is none.
        """
        parts = urlsplit(url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        try:
            if secure:
                return await self._connect(host, parts.port or 443, self._trust())
            return await self._connect(host, parts.port or 80, None)
        except (anyio.EndOfStream, anyio.BrokenResourceError) as error:
            raise ConnectionError("the connection was closed in the TLS handshake") from error

    def _trust(self) -> ssl.SSLContext:
        if self._ssl_context is None:
            self._ssl_context = ssl.create_default_context()
        return self._ssl_context


def astream(
    client: Client,
    method: str,
    url: str,
    *,
    dialect: Dialect | str,
    params: Params | None = None,
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    content: bytes | None = None,
    data: Form | None = None,
    **options: Unpack[Options],
) -> AsyncAnswer:
    """Ask, read the answer, and go on with it where a connection breaks.

    Each request has a connection of its own. Redirects are followed, at most 20. Unless a header
    says otherwise, no compression is asked for.

    Args:
        client: Whom to ask by.
        method: ``"POST"``, mostly.
        url: An http or https URL, its host in ASCII, without a user's name in it.
        dialect: A `Dialect`, or the name of one.
        params: Parameters of the URL, after those that it has.
        headers: Besides or instead of those of the client, ``Host``, ``Accept`` and ``User-Agent``.
            ``Content-Length`` and ``Connection: close`` are sent as they must be.
        json: The body, to be sent as JSON.
        content: The body as bytes, instead.
        data: The fields of a form, instead.
        options: See `Options` and `Session`.

    Raises:
        TypeError: There is an argument that this does not take, or no client of this module.
        ValueError: The request is not one that can be sent; or as in `AsyncAnswer`, with its
            others.
    """
    refuse_others("astream", "client", options, _HINTS)
    check_kind(client, Client, *_A_CLIENT)
    body, kind = body_of(json, content, data)
    if json is not None:
        body, kind = msgspec.json.encode(json), "application/json"
    own = {} if kind is None else {"Content-Type": kind}
    pairs = [*client.headers.items(), *own.items(), *(headers or {}).items()]
    said = dict({name.lower(): (name, value) for name, value in pairs}.values())
    place = with_params(url, params)
    request = Request(method.upper(), place, tuple(plain(said).items()), body)
    write(request)  # what cannot be sent is told before anything is
    transport = _Transport(client, follows=not is_live(dialect))
    return AsyncAnswer(transport, request, dialect, **options)


stream = astream  # as it was called before


class _Transport:
    """A client, and the connection of the moment."""

    def __init__(self, client: Client, *, follows: bool) -> None:
        self.failures = FAILURES
        self._client = client
        self._follows = follows  # or the session does, of an event source
        self._exchange: Exchange | None = None
        self._wait = Wait()
        self.sleep = self._wait.sleep
        self.wake = self._wait.wake
        self.rearm = self._wait.rearm
        self.now = monotonic

    async def open(self, request: Request, timeout: float | None) -> Head:
        return await self._wait.within(timeout, lambda: self._follow(request))

    async def _follow(self, request: Request) -> Head:
        way = Way(request, request)
        while True:
            head = await self._ask(way.request)
            if not self._follows or not way.leads_on(head):
                return head
            await self.close(complete=False)

    async def _ask(self, request: Request) -> Head:
        try:
            connection, message = write(request)
        except ValueError as error:  # the service named the place, or what is in a header
            raise h11.LocalProtocolError(str(error)) from error
        try:
            opened = await self._client.open(request.url)
        except TimeoutError:
            raise
        except (OSError, ValueError) as error:  # the latter of a name that none can be
            raise UnreachableError(words_of(error)) from error
        self._exchange = exchange = Exchange(connection, opened)
        try:
            with suppress(*FAILURES.lost):  # the answer may be there all the same, or tells as much
                await opened.send(message)
            return await exchange.head()
        except BaseException:
            await self.close(complete=False)
            raise

    async def read(self, timeout: float | None) -> bytes | None:
        exchange = self._exchange
        return await self._wait.within(timeout, exchange.read) if exchange is not None else None

    async def close(self, complete: bool) -> None:
        if self._exchange is not None:
            exchange, self._exchange = self._exchange, None
            await exchange.close()  # no other request follows: the body's end is of no use
