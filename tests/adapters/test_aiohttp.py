"""How the adapter keeps aiohttp from hanging, and from losing what it has."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp.http_exceptions import TransferEncodingError
from aiohttp.http_parser import HttpResponseParser, HttpResponseParserPy
from tests.adapters.live import Coding, LiveServer, Peer, answer, chunk, head, wait_for

from tokenwire import Done, Recovery, StreamError, Token
from tokenwire.adapters.aiohttp import aiter_events

HELLO = b"data: Hello\n\n"
DONE = b"data: [DONE]\n\n"
STREAM = "Content-Type: text/event-stream"

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
]


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[aiohttp.ClientResponse]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        yield response


def closing(response: aiohttp.ClientResponse) -> asyncio.Future[None]:
    """Done once aiohttp knows that the connection has ended."""
    assert response.connection is not None
    assert response.connection.protocol is not None
    closed = response.connection.protocol.closed
    assert closed is not None
    return closed


@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_a_connection_that_ends_before_the_body_was_read(
    server: LiveServer, coding: Coding
) -> None:
    came = threading.Event()
    first, rest = answer([HELLO, HELLO + DONE], "close", coding)

    def script(peer: Peer) -> None:
        peer.send(first)
        wait_for(came)
        peer.send(rest)
        peer.end()

    async with opened(server.play(script)) as response, aiter_events(response, "sse") as events:
        closed = closing(response)
        assert await anext(events) == Token("Hello")
        came.set()
        await asyncio.wait([closed])
        assert [event async for event in events] == [Token("Hello"), Done("stop")]


async def test_framing_that_cannot_be_read_after_data_that_was_not(server: LiveServer) -> None:
    came = threading.Event()

    def script(peer: Peer) -> None:
        peer.send(head(STREAM, "Transfer-Encoding: chunked") + chunk(HELLO))
        wait_for(came)
        peer.send(chunk(HELLO) + b"garbage\r\n")

    async with opened(server.play(script)) as response, aiter_events(response, "sse") as events:
        closed = closing(response)
        assert await anext(events) == Token("Hello")
        came.set()
        await asyncio.wait([closed])
        if HttpResponseParser is not HttpResponseParserPy:  # that one drops what was not read
            assert await anext(events) == Token("Hello")
        with pytest.raises(StreamError) as caught:
            await anext(events)
    assert caught.value.event.kind == "transport"
    assert caught.value.event.recovery is Recovery.RESUME


async def test_what_its_parser_in_python_raises(server: LiveServer) -> None:
    def script(peer: Peer) -> None:
        peer.send(head(STREAM, "Transfer-Encoding: chunked") + chunk(HELLO))
        peer.wait_for_leaving()

    async with opened(server.play(script)) as response, aiter_events(response, "sse") as events:
        assert await anext(events) == Token("Hello")
        response.content.set_exception(TransferEncodingError("zz"))
        with pytest.raises(StreamError) as caught:
            await anext(events)
    assert caught.value.event.kind == "transport"


class Conversation:
    """Answers that end only once their first token came out, so that they are read while open."""

    def __init__(self, server: LiveServer) -> None:
        self.url = server.play(self._script)
        self._came = threading.Semaphore(0)
        self.idle: threading.Event | None = None
        """Set it to break the connection after the answer."""

    def _script(self, peer: Peer) -> None:
        peer.send(head(STREAM, "Transfer-Encoding: chunked") + chunk(HELLO))
        wait_for(self._came)
        peer.send(chunk(DONE) + b"0\r\n\r\n")
        if self.idle is not None:
            wait_for(self.idle)
            peer.reset()

    async def ask(self, session: aiohttp.ClientSession) -> asyncio.Future[None]:
        """Read one answer; what tells when its connection has ended."""
        async with session.get(self.url) as response, aiter_events(response, "sse") as events:
            closed = closing(response)
            assert await anext(events) == Token("Hello")
            self._came.release()
            assert [event async for event in events] == [Done("stop")]
        return closed


async def test_a_connection_that_is_reused_remembers_nothing(server: LiveServer) -> None:
    conversation = Conversation(server)
    async with aiohttp.ClientSession() as session:
        for _ in range(5):
            await conversation.ask(session)
        gc.collect()
        alive = [found for found in gc.get_objects() if isinstance(found, aiohttp.StreamReader)]
        assert len(server.peers) == 1
        assert len(alive) <= 1


async def test_an_idle_connection_that_breaks_is_nobodys_error(
    server: LiveServer, caplog: pytest.LogCaptureFixture
) -> None:
    conversation = Conversation(server)
    conversation.idle = threading.Event()
    async with aiohttp.ClientSession() as session:
        closed = await conversation.ask(session)
        conversation.idle.set()
        await asyncio.wait([closed])
        del closed
        await conversation.ask(session)  # finds that the connection is gone, and forgets it
        gc.collect()
        assert caplog.messages == []
