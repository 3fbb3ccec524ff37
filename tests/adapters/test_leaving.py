"""A stream that is left or cancelled holds no connection; one that is complete gives it back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from functools import partial
from typing import Any, TypeAlias

import aiohttp
import anyio
import anyio.to_thread
import httpx
import httpx2
import pytest
import requests
from tests.adapters.clients import Client, H11Client, Reading
from tests.adapters.live import (
    PATIENCE,
    BodyKind,
    LiveServer,
    Peer,
    answer,
    chunk,
    head,
)

from tokenwire import Done, Error, Event, Token
from tokenwire.adapters import _httpx_response as httpx_response
from tokenwire.adapters import aiohttp as aiohttp_adapter
from tokenwire.adapters import h11 as h11_adapter
from tokenwire.adapters import httpx as httpx_adapter
from tokenwire.adapters import requests as requests_adapter
from tokenwire.drive import AsyncEventStream, EventStream

HELLO = b"data: Hello\n\n"
DONE = b"data: [DONE]\n\n"
CHUNKED = head("Content-Type: text/event-stream", "Transfer-Encoding: chunked")


def unfinished(peer: Peer) -> None:
    """One token, and then nothing for as long as the client stays."""
    peer.send(CHUNKED + chunk(HELLO))
    peer.wait_for_leaving()


# Each opens a response and gives what makes its stream. Closing it is left to the adapter: the
# client is not closed before the test ends.

Opened: TypeAlias = AbstractContextManager[Callable[[], EventStream]]
AsyncOpened: TypeAlias = AbstractAsyncContextManager[Callable[[], AsyncEventStream]]


@contextmanager
def open_requests(url: str) -> Generator[Callable[[], EventStream]]:
    with requests.Session() as session:
        response = session.get(url, stream=True, timeout=PATIENCE)
        yield partial(requests_adapter.iter_events, response, "sse")


@contextmanager
def open_httpx(module: Any, url: str) -> Generator[Callable[[], EventStream]]:
    with module.Client(trust_env=False, verify=False, timeout=PATIENCE) as client:
        response = client.send(client.build_request("GET", url), stream=True)
        yield partial(httpx_adapter.iter_events, response, "sse")
        assert response.is_closed


@asynccontextmanager
async def aopen_httpx(module: Any, url: str) -> AsyncGenerator[Callable[[], AsyncEventStream]]:
    async with module.AsyncClient(trust_env=False, verify=False, timeout=PATIENCE) as client:
        response = await client.send(client.build_request("GET", url), stream=True)
        yield partial(httpx_adapter.aiter_events, response, "sse")
        assert response.is_closed


@asynccontextmanager
async def aopen_aiohttp(url: str) -> AsyncGenerator[Callable[[], AsyncEventStream]]:
    async with aiohttp.ClientSession() as session:
        response = await session.get(url)
        yield partial(aiohttp_adapter.aiter_events, response, "sse")
        assert response.closed


@asynccontextmanager
async def aopen_h11(url: str) -> AsyncGenerator[Callable[[], AsyncEventStream]]:
    client = H11Client()
    stream = await client.send(url)
    yield partial(h11_adapter.aiter_events, client.connection, stream, "sse")
    with pytest.raises(anyio.ClosedResourceError):
        await stream.receive()


SYNC = {
    "requests": open_requests,
    "httpx": partial(open_httpx, httpx),
    "httpx2": partial(open_httpx, httpx2),
}
ON_ASYNCIO = {
    "aiohttp": aopen_aiohttp,
    "httpx": partial(aopen_httpx, httpx),
    "httpx2": partial(aopen_httpx, httpx2),
    "h11": aopen_h11,
}


def with_backend(*backends: str) -> pytest.MarkDecorator:
    """Pairs of an async client and a backend that it runs on."""
    return pytest.mark.parametrize(
        ("opener", "anyio_backend"),
        [
            pytest.param(opener, backend, id=f"{name}-{backend}")
            for backend in backends
            for name, opener in ON_ASYNCIO.items()
            if name != "aiohttp" or backend == "asyncio"
        ],
    )


every_sync = pytest.mark.parametrize("opener", SYNC.values(), ids=SYNC)
every_async = with_backend("asyncio", "trio")
every_asyncio = with_backend("asyncio")
Opener: TypeAlias = Callable[[str], Opened]
AsyncOpener: TypeAlias = Callable[[str], AsyncOpened]


@every_sync
def test_a_break_closes(server: LiveServer, opener: Opener) -> None:
    with opener(server.play(unfinished)) as stream:
        for event in stream():
            assert event == Token("Hello")
            break
        server.wait_until_left()


@every_sync
def test_an_exception_in_the_loop_closes(server: LiveServer, opener: Opener) -> None:
    with opener(server.play(unfinished)) as stream:
        with pytest.raises(ZeroDivisionError), stream() as events:
            for _ in events:
                raise ZeroDivisionError
        server.wait_until_left()


@every_sync
def test_a_stream_that_is_not_read_closes(server: LiveServer, opener: Opener) -> None:
    with opener(server.play(unfinished)) as stream:
        with stream():
            pass
        server.wait_until_left()


@every_sync
def test_closing_twice(server: LiveServer, opener: Opener) -> None:
    with opener(server.play(unfinished)) as stream:
        events = stream()
        assert next(events) == Token("Hello")
        events.close()
        events.close()
        assert list(events) == []


async def until_left(server: LiveServer) -> None:
    await anyio.to_thread.run_sync(server.wait_until_left)


@pytest.mark.anyio
@every_async
async def test_a_break_in_async_with_closes(server: LiveServer, opener: AsyncOpener) -> None:
    async with opener(server.play(unfinished)) as stream:
        async with stream() as events:
            async for event in events:
                assert event == Token("Hello")
                break
        await until_left(server)


@pytest.mark.anyio
@every_asyncio
async def test_on_asyncio_a_plain_break_closes_soon(
    server: LiveServer, opener: AsyncOpener
) -> None:
    async with opener(server.play(unfinished)) as stream:
        async for event in stream():
            assert event == Token("Hello")
            break
        await until_left(server)


@pytest.mark.anyio
@every_async
async def test_an_exception_in_the_async_loop_closes(
    server: LiveServer, opener: AsyncOpener
) -> None:
    async with opener(server.play(unfinished)) as stream:
        with pytest.raises(ZeroDivisionError):
            async with stream() as events:
                async for _ in events:
                    raise ZeroDivisionError
        await until_left(server)


@pytest.mark.anyio
@every_async
async def test_an_async_stream_that_is_not_read_closes(
    server: LiveServer, opener: AsyncOpener
) -> None:
    async with opener(server.play(unfinished)) as stream:
        async with stream():
            pass
        await until_left(server)


@pytest.mark.anyio
@every_async
async def test_closing_an_async_stream_twice(server: LiveServer, opener: AsyncOpener) -> None:
    async with opener(server.play(unfinished)) as stream:
        events = stream()
        assert await anext(events) == Token("Hello")
        await events.aclose()
        await events.aclose()
        assert [event async for event in events] == []


@pytest.mark.anyio
@every_async
async def test_cancelled_while_it_waits_for_a_token(
    server: LiveServer, opener: AsyncOpener
) -> None:
    came: list[Event] = []
    async with opener(server.play(unfinished)) as stream:
        with anyio.CancelScope() as scope:
            async with stream() as events:
                async for event in events:
                    came.append(event)
                    scope.cancel()
        assert scope.cancelled_caught
        await until_left(server)
    assert came == [Token("Hello")]


@pytest.mark.anyio
@every_async
async def test_cancelled_without_async_with(server: LiveServer, opener: AsyncOpener) -> None:
    async with opener(server.play(unfinished)) as stream:
        with anyio.CancelScope() as scope:
            async for _ in stream():
                scope.cancel()  # ends the wait for the next token, and with it the stream
        assert scope.cancelled_caught
        await until_left(server)


@pytest.mark.anyio
@every_async
async def test_cancelled_while_the_caller_waits_for_something_else(
    server: LiveServer, opener: AsyncOpener
) -> None:
    async with opener(server.play(unfinished)) as stream:
        with anyio.CancelScope() as scope:
            async with stream() as events:
                async for _ in events:
                    scope.cancel()
                    await anyio.sleep_forever()
        assert scope.cancelled_caught
        await until_left(server)


@pytest.mark.anyio
@every_async
async def test_cancelled_after_the_answer(
    server: LiveServer, opener: AsyncOpener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the adapter waits for the end of the body."""
    monkeypatch.setattr(httpx_response, "_GRACE", PATIENCE)
    monkeypatch.setattr(aiohttp_adapter, "_GRACE", PATIENCE)
    monkeypatch.setattr(h11_adapter, "_GRACE", PATIENCE)

    def without_end(peer: Peer) -> None:
        peer.send(CHUNKED + chunk(DONE))
        peer.wait_for_leaving()

    async with opener(server.play(without_end)) as stream:
        with anyio.CancelScope() as scope:
            async with stream() as events:
                async for event in events:
                    assert event == Done("stop")
                    scope.cancel()
        assert scope.cancelled_caught
        await until_left(server)


@pytest.mark.anyio
@every_asyncio
async def test_a_task_that_is_cancelled(server: LiveServer, opener: AsyncOpener) -> None:
    running = asyncio.all_tasks()
    came = asyncio.Event()
    async with opener(server.play(unfinished)) as stream:

        async def read() -> None:
            async with stream() as events:
                async for _ in events:
                    came.set()

        task = asyncio.create_task(read())
        await came.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until_left(server)
    assert asyncio.all_tasks() == running


@pytest.mark.parametrize("body", ["chunked", "length"])
def test_a_complete_answer_gives_its_connection_back(
    client: Client, server: LiveServer, body: BodyKind
) -> None:
    url = server.send(b"".join(answer([HELLO + DONE], body)))
    assert client.read(Reading(url, times=3)) == [Token("Hello"), Done("stop")] * 3
    assert len(server.peers) == 1


@pytest.mark.parametrize("count", [-1, 2], ids=["read on", "left at Done"])
def test_the_end_of_the_body_may_come_later(
    client: Client, server: LiveServer, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    for module in (httpx_response, aiohttp_adapter, requests_adapter, h11_adapter):
        monkeypatch.setattr(module, "_GRACE", PATIENCE)
    url = server.send(CHUNKED + chunk(HELLO), chunk(DONE), b"0\r\n", b"\r\n")
    events = client.read(Reading(url, times=1 if count == 2 else 3, count=count))
    assert events[-2:] == [Token("Hello"), Done("stop")]
    assert len(server.peers) == 1


def test_a_body_without_an_end_is_not_waited_for(client: Client, server: LiveServer) -> None:
    def script(peer: Peer) -> None:
        peer.send(CHUNKED + chunk(HELLO + DONE))
        peer.wait_for_leaving()

    assert client.read(Reading(server.play(script))) == [Token("Hello"), Done("stop")]


def test_heartbeats_after_the_answer_do_not_hold_it(client: Client, server: LiveServer) -> None:
    def script(peer: Peer) -> None:
        peer.send(CHUNKED + chunk(HELLO + DONE))
        try:
            while True:
                peer.send(chunk(b": ping\n\n"))
        except ConnectionError:
            peer.wait_for_leaving()

    assert client.read(Reading(server.play(script))) == [Token("Hello"), Done("stop")]


def test_an_error_gives_its_connection_back(client: Client, server: LiveServer) -> None:
    pieces = answer([b'{"error": "no"}'], status="400 Bad Request", media_type="application/json")
    events = client.read(Reading(server.send(*pieces), times=3, errors="yield"))
    assert [event.message for event in events if isinstance(event, Error)] == ["no"] * 3
    assert len(server.peers) == 1
