"""httpx and httpx2, in both colours: the events of an open response, or of a whole answer."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Unpack

from tokenwire.adapters._extra import Extra

with Extra("httpx", "httpx2"):
    import anyio  # both clients stand on it

from tokenwire import drive
from tokenwire.adapters._interrupt import Interrupt
from tokenwire.adapters._request import as_bytes, as_text, check_content, for_source, plain
from tokenwire.adapters._wait import Wait
from tokenwire.answer import Answer, AsyncAnswer, Options
from tokenwire.dialects import Dialect
from tokenwire.drive import AsyncEventStream, Errors, EventStream, Failures, Head
from tokenwire.limits import DEFAULT_LIMITS, Limits
from tokenwire.request import Request, origin_of
from tokenwire.resume.defaults import default_deadlines
from tokenwire.resume.plan import is_live
from tokenwire.state import State

if TYPE_CHECKING:
    import httpx
    import httpx2

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
    chunks, close = response.iter_bytes(), response.close
    return drive.iter_events(
        chunks, dialect, head=head, limits=limits, errors=errors, failures=failures, close=close
    )


def aiter_events(
    response: httpx.Response | httpx2.Response,
    dialect: Dialect | str,
    *,
    limits: Limits = DEFAULT_LIMITS,
    errors: Errors = "raise",
) -> AsyncEventStream:
    """`iter_events` for a response of an ``AsyncClient``, on asyncio and on trio."""
    head, failures = Head(response.status_code, response.headers), _failures(response)
    chunks = response.aiter_bytes()

    async def close() -> None:
        await _aclose(response, chunks, failures, complete=parser.state is State.DONE)

    stream = drive.aiter_events(
        chunks, dialect, head=head, limits=limits, errors=errors, failures=failures, close=close
    )
    parser = stream.parser  # `close` must not hold the stream: that would keep it alive
    return stream


async def _aclose(
    response: httpx.Response | httpx2.Response,
    chunks: AsyncIterator[bytes],
    failures: Failures,
    *,
    complete: bool,
) -> None:
    async def run_out() -> None:
        with suppress(*failures.timed_out, *failures.lost):
            async for _ in chunks:
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
    client = _module(response, "Response", "response must be of httpx or httpx2")
    return Failures((client.RequestError, OSError), (client.TimeoutException,))


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

    Credentials, cookies and proxies are the client's business, and so are redirects but for an
    event source, which follows them. Its time-outs are not used: ``deadlines`` are. Unless a header
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
    idle = (options.get("deadlines") or default_deadlines(dialect)).idle
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
        request: As the client would send it, with its own headers.
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
        self._kind: Any = type(built)
        self._redirects: dict[str, bool] = {}
        self.request = Request(
            built.method,
            str(built.url),
            tuple((name.decode("ascii"), as_text(value)) for name, value in built.headers.raw),
            built.read() or None,
        )
        if is_live(dialect):
            self.request = for_source(self.request, headers)
            self._redirects["follow_redirects"] = False  # the session does

    def build(self, request: Request, timeouts: Mapping[str, float | None]) -> Any:
        """For ``client.send``. The client's own headers are in it, but for another origin's."""
        return self._kind(
            request.method,
            request.url,
            headers=[(name.encode(), as_bytes(value)) for name, value in request.headers],
            content=request.body,
            extensions={"timeout": timeouts},
        )

    def settings(self, request: Request) -> dict[str, Any]:
        """What to tell ``client.send``: the client's credentials are for the first origin only."""
        elsewhere = origin_of(request.url) != origin_of(self.request.url)
        return {**self._redirects, **({"auth": None} if elsewhere else {})}


class _Transport:
    """A sync client."""

    def __init__(self, client: Any, module: Any, asked: _Asked, idle: float | None) -> None:
        self.failures = Failures(
            (module.RequestError, OSError), (module.TimeoutException, TimeoutError)
        )
        self._client = client
        self._asked = asked
        # Over HTTP/1.1 all reads of a body have one time-out. What must end sooner is interrupted.
        self._idle = idle
        self._timeouts: dict[str, float | None] = {}
        self._interrupt = Interrupt()
        self._shared = False
        self._response: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())
        self.sleep = self._interrupt.sleep
        self.wake = self._interrupt.wake
        self.rearm = self._interrupt.rearm
        self.now = monotonic

    def open(self, request: Request, timeout: float | None) -> Head:
        self._timeouts = dict.fromkeys(("connect", "read", "write", "pool"), timeout)
        built = self._asked.build(request, self._timeouts)
        built.extensions["trace"] = self._trace
        response: httpx.Response = self._client.send(
            built, stream=True, **self._asked.settings(request)
        )
        self._timeouts["read"] = self._idle  # it is looked at when the reading begins
        self._response, self._chunks = response, response.iter_bytes()
        # A connection of HTTP/2 is not ours alone. Its time-out is looked at for each read.
        self._shared = not response.http_version.startswith("HTTP/1")
        network = response.extensions.get("network_stream")
        if network is not None and not self._shared:
            self._interrupt.hold(network.get_extra_info("socket"))
        return Head(response.status_code, response.headers)

    def _trace(self, name: str, info: Mapping[str, Any]) -> None:
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
        elif timeout is not None and (self._idle is None or timeout < self._idle):
            self._interrupt.at(monotonic() + timeout)
        try:
            chunk = next(self._chunks, None)
        except self.failures.lost as error:
            if self._interrupt.rang:
                raise TimeoutError("the read was ended by the clock") from error
            raise
        finally:
            self._interrupt.at(None)
        if chunk is None and self._interrupt.rang:
            raise TimeoutError("the read was ended by the clock")
        return chunk

    def close(self, complete: bool) -> None:
        self._interrupt.close()
        if self._response is not None:
            response, self._response, self._chunks = self._response, None, iter(())
            response.close()


class _AsyncTransport:
    """An async client."""

    def __init__(self, client: Any, module: Any, asked: _Asked) -> None:
        self.failures = Failures(
            (module.RequestError, OSError), (module.TimeoutException, TimeoutError)
        )
        self._client = client
        self._asked = asked
        self._response: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes]  # of the response
        self._wait = Wait()
        self.sleep = self._wait.sleep
        self.wake = self._wait.wake
        self.rearm = self._wait.rearm
        self.now = monotonic

    async def open(self, request: Request, timeout: float | None) -> Head:
        built = self._asked.build(request, dict.fromkeys(("connect", "read", "write", "pool")))
        settings = self._asked.settings(request)
        self._response = response = await self._wait.within(
            timeout, lambda: self._client.send(built, stream=True, **settings)
        )
        self._chunks = response.aiter_bytes()
        return Head(response.status_code, response.headers)

    async def read(self, timeout: float | None) -> bytes | None:
        return await self._wait.within(timeout, lambda: anext(self._chunks, None))

    async def close(self, complete: bool) -> None:
        if self._response is not None:
            response, self._response = self._response, None
            await _aclose(response, self._chunks, self.failures, complete=complete)
