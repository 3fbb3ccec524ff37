"""httpx and httpx2 as the transport of an answer, in both colours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from tokenwire.adapters._httpx_response import abodies, aclose, bodies, failures_of, run_out
from tokenwire.adapters._interrupt import Interrupt, asker
from tokenwire.adapters._request import (
    Form,
    Params,
    Way,
    as_bytes,
    as_text,
    body_of,
    for_source,
    plain,
)
from tokenwire.adapters._wait import Wait
from tokenwire.dialects import Dialect
from tokenwire.request import Request
from tokenwire.resume.plan import is_live
from tokenwire.transport import Head

if TYPE_CHECKING:
    import httpx


class Asked:
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
        dialect: Dialect | str,
        params: Params | None,
        headers: Mapping[str, str] | None,
        json: Any,
        content: bytes | None,
        data: Form | None,
    ) -> None:
        body, kind = body_of(json, content, data)
        given = {name: as_bytes(value) for name, value in plain(headers, kind).items()}
        built = client.build_request(
            method, url, params=params, json=json, content=body, headers=given
        )
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


class Transport:
    """A sync client."""

    def __init__(self, client: Any, module: Any, asked: Asked, idle: float | None) -> None:
        self.failures = failures_of(module)
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
        self._raw, self._chunks = bodies(response)
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
                run_out(self._response, self._raw, self.failures)
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._response is not None:
            response, self._response = self._response, None
            self._raw, self._chunks = iter(()), iter(())
            self._interrupt.let_go()
            response.close()


class AsyncTransport:
    """An async client."""

    def __init__(self, client: Any, module: Any, asked: Asked) -> None:
        self.failures = failures_of(module)
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
        self._raw, self._chunks = abodies(response)
        return Head(response.status_code, response.headers)

    async def read(self, timeout: float | None) -> bytes | None:
        return await self._wait.within(timeout, lambda: anext(self._chunks, None))

    async def close(self, complete: bool) -> None:
        if self._response is not None:
            response, self._response = self._response, None
            await aclose(response, self._raw, self.failures, complete=complete)
