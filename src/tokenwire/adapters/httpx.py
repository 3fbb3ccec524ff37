"""httpx and httpx2, in both colours: the events of an open response, or of a whole answer."""

from __future__ import annotations

import sys
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Unpack

from tokenwire.adapters._extra import Extra

with Extra("httpx", "httpx2"):
    import anyio  # both clients stand on it

from tokenwire import drive
from tokenwire.adapters._decode import (
    AsyncPieces,
    Pieces,
    UndecodableError,
    codings_of,
    is_ours,
)
from tokenwire.adapters._interrupt import Interrupt, asker
from tokenwire.adapters._request import Way, as_bytes, as_text, check_content, for_source, plain
from tokenwire.adapters._wait import Wait
from tokenwire.answer import Answer, AsyncAnswer, Options
from tokenwire.dialects import Dialect
from tokenwire.drive import AsyncEventStream, Errors, EventStream, Failures, Head
from tokenwire.limits import DEFAULT_LIMITS, Limits
from tokenwire.request import Request
from tokenwire.resume.kinds import kind_of
from tokenwire.resume.plan import is_live
from tokenwire.state import State

if TYPE_CHECKING:
    import httpx
    import httpx2

# What HTTP/2 stands on, and what that raises for a peer's frames.
_OF_HTTP2: Final = (
    ("h2.exceptions", "H2Error"),
    ("hpack.exceptions", "HPACKError"),
    ("hyperframe.exceptions", "HyperframeError"),
)

# Seconds to wait for the body's end behind a complete answer, without which a connection is not
# reused. It mostly comes in the same packet, but it need not come.
_GRACE: Final = 0.1


def iter_events(
    response: httpx.Response | httpx2.Response,
    dialect: Dialect | str,
    *,
    limits: Limits = DEFAULT_LIMITS,
    errors: Errors = "raise",
) -> EventStream:
    """The events of a response. Arguments and errors are those of `tokenwire.iter_events`."""
    head, failures = Head(response.status_code, response.headers), _failures(response)
    raw, chunks = _bodies(response)

    def close() -> None:
        try:
            if parser.state is State.DONE:
                _run_out(response, raw, failures)
        finally:
            response.close()

    stream = drive.iter_events(
        chunks,
        dialect,
        head=head,
        limits=limits,
        errors=errors,
        failures=failures,
        close=close,
    )
    parser = stream.parser  # `close` must not hold the stream: that would keep it alive
    return stream


def aiter_events(
    response: httpx.Response | httpx2.Response,
    dialect: Dialect | str,
    *,
    limits: Limits = DEFAULT_LIMITS,
    errors: Errors = "raise",
) -> AsyncEventStream:
    """`iter_events` for a response of an ``AsyncClient``, on asyncio and on trio."""
    head, failures = Head(response.status_code, response.headers), _failures(response)
    raw, chunks = _abodies(response)

    async def close() -> None:
        await _aclose(response, raw, failures, complete=parser.state is State.DONE)

    stream = drive.aiter_events(
        chunks,
        dialect,
        head=head,
        limits=limits,
        errors=errors,
        failures=failures,
        close=close,
    )
    parser = stream.parser  # `close` must not hold the stream: that would keep it alive
    return stream


def _decodes(response: httpx.Response | httpx2.Response) -> bool:
    """Is the client to decode this body, or did it already?"""
    if response.is_stream_consumed or response.is_closed:  # its content was read
        return True
    package = type(response).__module__.partition(".")[0]
    known = getattr(sys.modules.get(f"{package}._decoders"), "SUPPORTED_DECODERS", ())
    return not is_ours(response.headers.get("content-encoding", ""), known)


def _bodies(response: httpx.Response | httpx2.Response) -> tuple[Iterator[bytes], Iterator[bytes]]:
    """The body as it comes, for who looks for its end; and the same, decoded."""
    if _decodes(response):
        chunks = response.iter_bytes()
        return chunks, chunks
    raw, coding = response.iter_raw(), response.headers.get("content-encoding", "")
    return raw, Pieces(raw, coding) if codings_of(coding) else raw


def _abodies(
    response: httpx.Response | httpx2.Response,
) -> tuple[AsyncIterator[bytes], AsyncIterator[bytes]]:
    """`_bodies` of an ``AsyncClient``."""
    if _decodes(response):
        chunks = response.aiter_bytes()
        return chunks, chunks
    raw, coding = response.aiter_raw(), response.headers.get("content-encoding", "")
    return raw, AsyncPieces(raw, coding) if codings_of(coding) else raw


def _run_out(
    response: httpx.Response | httpx2.Response,
    raw: Iterator[bytes],
    failures: Failures,
) -> None:
    """Look for the body's end behind a complete answer: its connection is reused then."""
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


async def _aclose(
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


def _failures(response: object) -> Failures:
    return _failures_of(_module(response, "Response", "response must be of httpx or httpx2"))


def _failures_of(client: Any) -> Failures:
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


def _module(given: object, kind: str, otherwise: str) -> Any:
    """The client whose object it is, that one is imported already."""
    for name in ("httpx", "httpx2"):
        client = sys.modules.get(name)
        if client is not None and isinstance(given, getattr(client, kind)):
            return client
    raise TypeError(f"{otherwise}, not {type(given).__name__}")


# --- a whole answer ---


def stream(
    client: httpx.Client | httpx2.Client,
    method: str,
    url: str,
    *,
    dialect: Dialect | str,
    json: Any = None,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    **options: Unpack[Options],
) -> Answer:
    """Ask, read the answer, and go on with it where a connection breaks.

    Credentials, cookies and proxies are the client's business. Redirects are followed where the
    client's ``follow_redirects`` says so, and by an event source; what is meant for the first
    origin is not sent to another. Its time-outs are not used: ``deadlines`` are. Unless a header
    says otherwise, no compression is asked for.

    Args:
        client: Whom to ask by.
        method: ``"POST"``, mostly.
        url: Where; the client may have a ``base_url``.
        dialect: A `Dialect`, or the name of one.
        json: The body, to be sent as JSON.
        content: The body as bytes, instead.
        headers: Besides those of the client.
        options: See `Options` and `Session`.

    Raises:
        TypeError: The client is none of httpx or httpx2, or an ``AsyncClient``.
        ValueError: The request is not one that can be sent; or as in `Answer`, with its others.
    """
    module = _module(client, "Client", "client must be a Client of httpx or httpx2")
    asked = _Asked(client, method, url, json, content, headers, dialect)
    idle = (options.get("deadlines") or kind_of(dialect).deadlines).idle
    return Answer(_Transport(client, module, asked, idle), asked.request, dialect, **options)


def astream(
    client: httpx.AsyncClient | httpx2.AsyncClient,
    method: str,
    url: str,
    *,
    dialect: Dialect | str,
    json: Any = None,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    **options: Unpack[Options],
) -> AsyncAnswer:
    """`stream` for an ``AsyncClient``, on asyncio and on trio; the same arguments and errors."""
    module = _module(client, "AsyncClient", "client must be an AsyncClient of httpx or httpx2")
    asked = _Asked(client, method, url, json, content, headers, dialect)
    return AsyncAnswer(_AsyncTransport(client, module, asked), asked.request, dialect, **options)


class _Asked:
    """The first request of an answer, and how those after it are built.

    Attributes:
        request: As the client would send it, with its own headers, but for the cookies of its jar.
        follows: The client wants redirects to be followed. Of an event source the session does.
    """

    def __init__(
        self,
        client: Any,
        method: str,
        url: str,
        json: Any,
        content: bytes | None,
        headers: Mapping[str, str] | None,
        dialect: Dialect | str,
    ) -> None:
        check_content(json, content)
        given = {name: as_bytes(value) for name, value in plain(headers).items()}
        built = client.build_request(method, url, json=json, content=content, headers=given)
        self._client = client
        self._kind: Any = type(built)
        fields = tuple((name.decode("ascii"), as_text(value)) for name, value in built.headers.raw)
        self.request = Request(built.method, str(built.url), fields, built.read() or None)
        # Cookies of the jar are those of the moment, and of the place: each request has its own.
        if not any(name.lower() == "cookie" for name in (*given, *client.headers)):
            self.request = self.request.with_header("Cookie", None)
        if is_live(dialect):
            self.request = for_source(self.request, headers)
        self.follows: bool = client.follow_redirects and not is_live(dialect)

    def build(self, request: Request, timeouts: Mapping[str, float | None]) -> Any:
        """For ``client.send``. The client's own headers are in it, but for another origin's."""
        built = self._kind(
            request.method,
            request.url,
            headers=[(name.encode(), as_bytes(value)) for name, value in request.headers],
            content=request.body,
            extensions={"timeout": timeouts},
        )
        self._client.cookies.set_cookie_header(built)  # unless it has one
        return built

    def way(self, request: Request) -> Way:
        """Where this request is led."""
        return Way(request, self.request, self._client.max_redirects if self.follows else 0)


def _settings(way: Way) -> dict[str, Any]:
    """What to tell ``client.send``: the client's credentials are for the first origin only."""
    return {"follow_redirects": False, **({"auth": None} if way.elsewhere else {})}


_UNLIMITED: Final[Mapping[str, float | None]] = dict.fromkeys(("connect", "read", "write", "pool"))


class _Timeouts(dict[str, "float | None"]):
    """Time-outs as the clients have them, all of which may end at one time.

    Attributes:
        until: That time; ``None``: they are what they are.
        interrupt: What is to hold the connection on which a head is waited for. Of one that was
            open already, a client tells nobody.
    """

    until: float | None = None
    interrupt: Interrupt | None = None

    def get(self, name: str, default: Any = None) -> Any:
        if name == "read" and self.interrupt is not None:
            asking: Any = asker().get("self")
            if hasattr(asking, "_h11_state"):  # or its connection serves others, too
                self.interrupt.hold(asking._network_stream.get_extra_info("socket"))
        if self.until is None:
            return super().get(name, default)
        return max(0.001, self.until - monotonic())  # 0 would be: do not wait at all


class _Transport:
    """A sync client."""

    def __init__(self, client: Any, module: Any, asked: _Asked, idle: float | None) -> None:
        self.failures = _failures_of(module)
        self._client = client
        self._asked = asked
        # Over HTTP/1.1 all reads of a body have one time-out. What must end sooner is interrupted.
        self._idle = idle
        self._timeouts = _Timeouts()
        self._interrupt = Interrupt()
        self._shared = False
        self._response: httpx.Response | None = None
        self._raw: Iterator[bytes] = iter(())
        self._chunks: Iterator[bytes] = iter(())
        self.sleep = self._interrupt.sleep
        self.wake = self._interrupt.wake
        self.rearm = self._interrupt.rearm
        self.now = monotonic

    def open(self, request: Request, timeout: float | None) -> Head:
        way = self._asked.way(request)
        try:
            with self._interrupt.within(timeout) as left:
                while True:
                    head = self._ask(way, left())
                    if not way.leads_on(head):
                        return head
                    self._leave()
        except BaseException:
            self.close(complete=False)
            raise

    def _ask(self, way: Way, timeout: float | None) -> Head:
        self._shared = False
        self._timeouts = timeouts = _Timeouts(_UNLIMITED)
        timeouts.until = None if timeout is None else monotonic() + timeout
        timeouts.interrupt = self._interrupt
        built = self._asked.build(way.request, timeouts)
        built.extensions["trace"] = self._trace
        response: httpx.Response = self._client.send(built, stream=True, **_settings(way))
        timeouts.until = timeouts.interrupt = None
        timeouts["read"] = self._idle  # it is looked at when the reading begins
        self._response = response
        self._raw, self._chunks = _bodies(response)
        # A connection of HTTP/2 is not ours alone. Its time-out is looked at for each read.
        self._shared = not response.http_version.startswith("HTTP/1")
        network = response.extensions.get("network_stream")
        if network is not None and not self._shared:
            self._interrupt.hold(network.get_extra_info("socket"))
        return Head(response.status_code, response.headers)

    def _trace(self, name: str, info: Mapping[str, Any]) -> None:
        if name.startswith("http2."):
            self._interrupt.spare()
        if name.endswith("response_closed.started"):
            self._interrupt.let_go()  # next it may serve another request
        elif name.endswith((".connect_tcp.complete", ".start_tls.complete")):
            network = info["return_value"]  # ours alone, until a response is read to its end
            tls = network.get_extra_info("ssl_object")
            if tls is None or tls.selected_alpn_protocol() != "h2":
                self._interrupt.hold(network.get_extra_info("socket"))
            else:
                self._interrupt.let_go()

    def read(self, timeout: float | None) -> bytes | None:
        if self._shared:
            self._timeouts["read"] = timeout
            return next(self._chunks, None)
        with self._interrupt.within(timeout):
            return next(self._chunks, None)

    def close(self, complete: bool) -> None:
        self._interrupt.close()
        try:
            if complete and self._response is not None:
                _run_out(self._response, self._raw, self.failures)
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._response is not None:
            response, self._response = self._response, None
            self._raw, self._chunks = iter(()), iter(())
            self._interrupt.let_go()
            response.close()


class _AsyncTransport:
    """An async client."""

    def __init__(self, client: Any, module: Any, asked: _Asked) -> None:
        self.failures = _failures_of(module)
        self._client = client
        self._asked = asked
        self._response: httpx.Response | None = None
        self._raw: AsyncIterator[bytes]  # of the response
        self._chunks: AsyncIterator[bytes]  # the same, decoded
        self._wait = Wait()
        self.sleep = self._wait.sleep
        self.wake = self._wait.wake
        self.rearm = self._wait.rearm
        self.now = monotonic

    async def open(self, request: Request, timeout: float | None) -> Head:
        return await self._wait.within(timeout, lambda: self._follow(request))

    async def _follow(self, request: Request) -> Head:
        way = self._asked.way(request)
        while True:
            head = await self._ask(way)
            if not way.leads_on(head):
                return head
            await self.close(complete=False)

    async def _ask(self, way: Way) -> Head:
        built = self._asked.build(way.request, _UNLIMITED)
        response = await self._client.send(built, stream=True, **_settings(way))
        self._response = response
        self._raw, self._chunks = _abodies(response)
        return Head(response.status_code, response.headers)

    async def read(self, timeout: float | None) -> bytes | None:
        return await self._wait.within(timeout, lambda: anext(self._chunks, None))

    async def close(self, complete: bool) -> None:
        if self._response is not None:
            response, self._response = self._response, None
            await _aclose(response, self._raw, self.failures, complete=complete)
