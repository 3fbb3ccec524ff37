"""Every client in every colour as one function: open a response, read its events to the end."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import anyio
import h11
import httpx
import httpx2
import requests
import urllib3
from aiohttp.http_exceptions import HttpProcessingError
from anyio.abc import ByteReceiveStream, ByteStream
from msgspec import Struct
from tests.adapters.live import PATIENCE

from tokenwire import Event
from tokenwire.adapters.aiohttp import aiter_events as aiter_aiohttp
from tokenwire.adapters.h11 import aiter_events as aiter_h11
from tokenwire.adapters.httpx import aiter_events, iter_events
from tokenwire.adapters.requests import iter_events as iter_requests
from tokenwire.stream import Errors


class Reading(Struct):
    """How a response is to be read.

    Attributes:
        timeout: Seconds that a read may wait.
        seen: Called with each event as it comes.
        count: Leave the loop after so many events.
        times: Ask so many times, with one client.
    """

    url: str
    dialect: str = "sse"
    errors: Errors = "raise"
    timeout: float = PATIENCE
    seen: Callable[[Event], object] = lambda event: None
    count: int = -1
    times: int = 1


def read_requests(reading: Reading) -> list[Event]:
    events: list[Event] = []
    with requests.Session() as session:
        session.trust_env = False
        for _ in range(reading.times):
            with session.get(reading.url, stream=True, timeout=reading.timeout) as response:
                for event in iter_requests(response, reading.dialect, errors=reading.errors):
                    events.append(event)
                    reading.seen(event)
                    if len(events) == reading.count:
                        break
    return events


def read_httpx(module: Any, reading: Reading) -> list[Event]:
    events: list[Event] = []
    # Nothing here speaks TLS, and loading the certificates takes longer than the test.
    with module.Client(trust_env=False, verify=False, timeout=reading.timeout) as client:
        for _ in range(reading.times):
            with client.stream("GET", reading.url) as response:
                for event in iter_events(response, reading.dialect, errors=reading.errors):
                    events.append(event)
                    reading.seen(event)
                    if len(events) == reading.count:
                        break
    return events


async def aread_httpx(module: Any, reading: Reading) -> list[Event]:
    events: list[Event] = []
    async with module.AsyncClient(trust_env=False, verify=False, timeout=reading.timeout) as client:
        for _ in range(reading.times):
            async with (
                client.stream("GET", reading.url) as response,
                aiter_events(response, reading.dialect, errors=reading.errors) as stream,
            ):
                async for event in stream:
                    events.append(event)
                    reading.seen(event)
                    if len(events) == reading.count:
                        break
    return events


async def aread_aiohttp(reading: Reading) -> list[Event]:
    events: list[Event] = []
    timeout = aiohttp.ClientTimeout(total=None, sock_read=reading.timeout)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for _ in range(reading.times):
            async with (
                session.get(reading.url) as response,
                aiter_aiohttp(response, reading.dialect, errors=reading.errors) as stream,
            ):
                async for event in stream:
                    events.append(event)
                    reading.seen(event)
                    if len(events) == reading.count:
                        break
    return events


class H11Client:
    """One connection at a time, used again where h11 says that it can be."""

    def __init__(self) -> None:
        self.connection = h11.Connection(h11.CLIENT)
        self.stream: ByteStream | None = None

    async def send(self, url: str) -> ByteStream:
        """Ask; where the response's bytes come from."""
        parts = urlsplit(url)
        if self.stream is None or self.connection.their_state is not h11.DONE:
            await self.aclose()
            self.connection = h11.Connection(h11.CLIENT)
            self.stream = await anyio.connect_tcp(parts.hostname or "", parts.port or 80)
        else:
            self.connection.start_next_cycle()
        request = h11.Request(method="GET", target=parts.path, headers=[("Host", parts.netloc)])
        for part in (request, h11.EndOfMessage()):
            await self.stream.send(self.connection.send(part) or b"")
        return self.stream

    async def aclose(self) -> None:
        if self.stream is not None:
            await self.stream.aclose()


class Impatient(ByteReceiveStream):
    """A stream whose reads may take so many seconds."""

    def __init__(self, stream: ByteReceiveStream, timeout: float) -> None:
        self._stream = stream
        self._timeout = timeout

    async def receive(self, max_bytes: int = 65536) -> bytes:
        with anyio.fail_after(self._timeout):
            return await self._stream.receive(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()


async def aread_h11(reading: Reading) -> list[Event]:
    events: list[Event] = []
    client = H11Client()
    try:
        for _ in range(reading.times):
            stream = Impatient(await client.send(reading.url), reading.timeout)
            async with aiter_h11(
                client.connection, stream, reading.dialect, errors=reading.errors
            ) as given:
                async for event in given:
                    events.append(event)
                    reading.seen(event)
                    if len(events) == reading.count:
                        break
    finally:
        await client.aclose()
    return events


class Client(Struct, frozen=True):
    """One client in one colour.

    Attributes:
        read: Reads a response's events to their end.
        lost: The base of what it raises for a connection that broke.
        timed_out: What it raises for a read that took too long.
    """

    name: str
    read: Callable[[Reading], list[Event]]
    lost: type[Exception] | tuple[type[Exception], ...]
    timed_out: type[Exception]


def _on(backend: str, read: Callable[..., Any], *of: Any) -> Callable[[Reading], list[Event]]:
    return lambda reading: anyio.run(read, *of, reading, backend=backend)


def _all_colours(module: Any) -> list[Client]:
    name, lost, timed_out = module.__name__, module.RequestError, module.ReadTimeout

    return [
        Client(name, lambda r: read_httpx(module, r), lost, timed_out),
        Client(f"{name}-asyncio", _on("asyncio", aread_httpx, module), lost, timed_out),
        Client(f"{name}-trio", _on("trio", aread_httpx, module), lost, timed_out),
    ]


CLIENTS = [
    Client(
        "requests",
        read_requests,
        urllib3.exceptions.HTTPError,
        urllib3.exceptions.ReadTimeoutError,
    ),
    *_all_colours(httpx),
    *_all_colours(httpx2),
    Client(
        "aiohttp",
        lambda r: anyio.run(aread_aiohttp, r),
        (aiohttp.ClientError, HttpProcessingError),
        aiohttp.SocketTimeoutError,
    ),
    *(
        Client(
            f"h11-{backend}",
            _on(backend, aread_h11),
            (h11.RemoteProtocolError, anyio.BrokenResourceError, zlib.error),
            TimeoutError,
        )
        for backend in ("asyncio", "trio")
    ),
]
