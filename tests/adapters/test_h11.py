"""h11 on a byte stream: the head that is read first, the connection that may go on."""

from __future__ import annotations

import threading
import tracemalloc
import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import anyio.to_thread
import h11
import pytest
from anyio.abc import ByteStream
from tests.adapters.clients import CLIENTS, H11Client, Impatient, Reading
from tests.adapters.live import PATIENCE, LiveServer, Peer, answer, chunk, encode, head, wait_for

from tokenwire import (
    Done,
    Error,
    Event,
    Limits,
    LocalProtocolError,
    Recovery,
    StreamError,
    Token,
    UnknownDialectError,
)
from tokenwire.adapters import _h11_exchange as exchange
from tokenwire.adapters import h11 as adapter
from tokenwire.adapters.h11 import aiter_events
from tokenwire.drive import AsyncEventStream

HELLO = b"data: Hello\n\n"
DONE = b"data: [DONE]\n\n"
STREAM = "Content-Type: text/event-stream"
CHUNKED = head(STREAM, "Transfer-Encoding: chunked")
WHOLE = [Token("Hello"), Done("stop")]
MEBIBYTE = 2**20

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"]),
]


@asynccontextmanager
async def asked(url: str) -> AsyncGenerator[tuple[h11.Connection, ByteStream]]:
    """A request was sent; what its response comes with."""
    client = H11Client()
    sent = await client.send(url)
    try:
        yield client.connection, sent
    finally:
        await client.aclose()


@asynccontextmanager
async def events_of(
    url: str, dialect: str = "sse", **options: Any
) -> AsyncGenerator[AsyncEventStream]:
    """The events of the response to a GET."""
    async with (
        asked(url) as (connection, sent),
        aiter_events(connection, sent, dialect, **options) as events,
    ):
        yield events


async def read_in_band(url: str, **options: Any) -> list[Event]:
    async with events_of(url, errors="yield", **options) as events:
        return [event async for event in events]


async def read_error(url: str) -> Error:
    """The failure of a response that has no events."""
    (error,) = await read_in_band(url)
    assert isinstance(error, Error)
    return error


async def until_left(server: LiveServer) -> None:
    await anyio.to_thread.run_sync(server.wait_until_left)


# --- the head ---


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(head(status="100 Continue"), id="continue"),
        pytest.param(head("Link: </a>; rel=preload", status="103 Early Hints") * 3, id="hints"),
    ],
)
async def test_informational_responses_are_not_the_response(
    server: LiveServer, before: bytes
) -> None:
    url = server.send(before, *answer([HELLO + DONE]))
    async with asked(url) as (connection, sent), aiter_events(connection, sent, "sse") as events:
        assert [event async for event in events] == WHOLE


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-", id="half a head"),
        pytest.param(head(status="103 Early Hints"), id="an informational response"),
        pytest.param(b"SSH-2.0-OpenSSH_9.9\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", id="a broken field"),
        pytest.param(head(status="101 Switching Protocols"), id="an upgrade not asked for"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"Cookie: a\r\n" * 20_000, id="an endless head"),
    ],
)
async def test_no_response_is_an_error_that_may_be_retried(
    server: LiveServer, begun: bytes
) -> None:
    error = await read_error(server.send(begun, end=True))
    assert (error.kind, error.recovery) == ("transport", Recovery.RETRY)
    await until_left(server)


async def test_a_reset_before_the_response(server: LiveServer) -> None:
    error = await read_error(server.play(Peer.reset))
    assert (error.kind, error.recovery) == ("transport", Recovery.RETRY)


async def test_a_field_that_is_no_ascii(server: LiveServer) -> None:
    begun = "HTTP/1.1 302 Fünd\r\nLocation: /ü\r\n\r\n".encode("latin-1")
    error = await read_error(server.send(begun, end=True))
    assert (error.kind, error.status) == ("http", 302)
    assert "'/ü'" in error.message


async def test_the_head_alone_may_say_it_all(server: LiveServer) -> None:
    """An EventSource does not wait for the body of another type, which may never end."""

    def script(peer: Peer) -> None:
        peer.send(head("Content-Type: text/html"))
        peer.wait_for_leaving()

    with pytest.raises(StreamError) as caught:
        async with events_of(server.play(script), "event-stream") as events:
            await anext(events)
    assert (caught.value.event.kind, caught.value.event.status) == ("http", 200)


async def test_the_wrong_moment_is_told_at_once(server: LiveServer) -> None:
    url = server.send(*answer([HELLO + DONE]))
    async with asked(url) as (connection, sent):
        with pytest.raises(LocalProtocolError, match="send the request"):
            aiter_events(h11.Connection(h11.CLIENT), sent, "sse")
        with pytest.raises(LocalProtocolError, match="send the request"):
            aiter_events(h11.Connection(h11.SERVER), sent, "sse")
        with pytest.raises(UnknownDialectError, match="openai-chat"):
            aiter_events(connection, sent, "openai")
        with pytest.raises(ValueError, match="errors must be"):
            aiter_events(connection, sent, "sse", errors=cast(Any, "ignore"))
        connection.receive_data(CHUNKED)
        assert isinstance(connection.next_event(), h11.Response)
        with pytest.raises(LocalProtocolError, match="nothing of its response"):
            aiter_events(connection, sent, "sse")


# --- the connection after it ---


async def test_the_next_request_may_begin_before_the_stream_is_left(server: LiveServer) -> None:
    url = server.send(*answer([HELLO + DONE], "length"))
    client = H11Client()
    sent = await client.send(url)
    async with aiter_events(client.connection, sent, "sse") as first:
        assert [event async for event in first] == WHOLE
        assert await client.send(url) is sent
    async with aiter_events(client.connection, sent, "sse") as second:
        assert [event async for event in second] == WHOLE
    await client.aclose()
    assert len(server.peers) == 1


async def test_the_end_of_a_body_is_not_waited_for_in_vain(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that will close offers no other request."""
    monkeypatch.setattr(adapter, "_GRACE", 2 * PATIENCE)
    begun = head(STREAM, "Transfer-Encoding: chunked", "Connection: close")

    def script(peer: Peer) -> None:
        peer.send(begun + chunk(HELLO + DONE))
        peer.wait_for_leaving()

    async with asked(server.play(script)) as (connection, sent):
        async with aiter_events(connection, sent, "sse") as events:
            assert [event async for event in events] == WHOLE
        with pytest.raises(anyio.ClosedResourceError):
            await sent.receive()


async def test_a_connection_that_breaks_after_the_answer(server: LiveServer) -> None:
    """Nothing of the answer is missing."""
    url = server.send(CHUNKED + chunk(HELLO + DONE), end=True)
    async with asked(url) as (connection, sent):
        async with aiter_events(connection, sent, "sse") as events:
            assert [event async for event in events] == WHOLE
        with pytest.raises(anyio.ClosedResourceError):
            await sent.receive()


async def test_a_stream_that_is_closed_meanwhile(server: LiveServer) -> None:
    url = server.play(lambda peer: peer.send(CHUNKED + chunk(HELLO)))
    async with (
        asked(url) as (connection, sent),
        aiter_events(connection, sent, "sse", errors="yield") as events,
    ):
        assert await anext(events) == Token("Hello")
        await sent.aclose()
        error = await anext(events)
    assert isinstance(error, Error)
    assert (error.kind, error.recovery) == ("transport", Recovery.RESUME)


async def test_a_stream_whose_closing_hangs(server: LiveServer) -> None:
    """As that of TLS does, which says goodbye and waits for an answer."""

    class Polite(Impatient):
        async def aclose(self) -> None:
            try:
                await anyio.sleep_forever()
            finally:
                await super().aclose()

    url = server.play(lambda peer: peer.send(CHUNKED + chunk(HELLO)))
    async with asked(url) as (connection, sent):
        polite = Polite(sent, PATIENCE)
        with anyio.CancelScope() as scope:
            async with aiter_events(connection, polite, "sse") as events:
                assert await anext(events) == Token("Hello")
                scope.cancel()
                await anext(events)
        await until_left(server)


async def test_a_stream_that_needs_time_to_close_gets_some(server: LiveServer) -> None:
    """Also where it is cancelled."""
    said: list[str] = []

    class Polite(Impatient):
        async def aclose(self) -> None:
            await anyio.sleep(0.001)
            said.append("goodbye")
            await super().aclose()

    url = server.play(lambda peer: peer.send(CHUNKED + chunk(HELLO)))
    async with asked(url) as (connection, sent):
        with anyio.CancelScope() as scope:
            async with aiter_events(connection, Polite(sent, PATIENCE), "sse") as events:
                async for _ in events:
                    scope.cancel()
    assert said == ["goodbye"]


async def test_time_outs_are_the_callers_scopes(server: LiveServer) -> None:
    url = server.play(lambda peer: peer.send(CHUNKED + chunk(HELLO)))
    came: list[Event] = []
    with pytest.raises(TimeoutError):
        async with events_of(url) as events:
            while True:
                with anyio.fail_after(0.3 if came else PATIENCE):
                    came.append(await anext(events))
    assert came == [Token("Hello")]
    await until_left(server)


async def test_a_time_out_before_the_response(server: LiveServer) -> None:
    with pytest.raises(TimeoutError):
        with anyio.fail_after(0.3):
            async with events_of(server.play(Peer.wait_for_leaving)) as events:
                await anext(events)
    await until_left(server)


# --- content codings ---


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br"])
async def test_a_coding_that_cannot_be_decoded(server: LiveServer, coding: str) -> None:
    url = server.send(*answer([HELLO + DONE], "length", "identity", f"Content-Encoding: {coding}"))
    error = await read_error(url)
    assert (error.kind, error.recovery) == ("malformed", Recovery.FATAL)
    assert repr(coding) in error.message
    assert "Accept-Encoding: identity" in error.message


async def test_a_status_is_told_whatever_the_coding(server: LiveServer) -> None:
    pieces = answer(
        [b"\xff"], "length", "identity", "Content-Encoding: br", status="503 Service Unavailable"
    )
    error = await read_error(server.send(*pieces))
    assert (error.kind, error.status) == ("http", 503)


async def test_an_empty_body_that_is_coded(server: LiveServer) -> None:
    url = server.send(head(STREAM, "Content-Length: 0", "Content-Encoding: gzip"))
    assert (await read_error(url)).kind == "truncated"


@pytest.mark.parametrize("coding", ["identity", "Identity", "x-gzip", "GZIP"])
async def test_names_of_codings(server: LiveServer, coding: str) -> None:
    body = HELLO + DONE
    if "gzip" in coding.lower():
        body = zlib.compress(body, wbits=31)
    url = server.send(*answer([body], "length", "identity", f"Content-Encoding: {coding}"))
    assert await read_in_band(url) == WHOLE


# --- memory ---


async def peak_of_reading(url: str) -> int:
    """The most memory that reading took, the events not kept."""
    tracemalloc.start()
    try:
        async with events_of(url, errors="yield") as events:
            async for _ in events:
                pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


LINE = b"data: " + b"a" * (MEBIBYTE // 8) + b"\n\n"


async def test_a_long_body_is_not_held(server: LiveServer) -> None:
    body = HELLO + LINE * 256 + DONE
    url = server.send(head(STREAM, f"Content-Length: {len(body)}") + body)
    assert await peak_of_reading(url) < 4 * MEBIBYTE


async def test_a_small_body_that_decodes_to_a_long_one_is_not_held(server: LiveServer) -> None:
    # One packet or two, decoded to 32 MiB.
    url = server.send(b"".join(answer([HELLO + LINE * 256 + DONE], "length", "gzip")))
    assert await peak_of_reading(url) < 4 * MEBIBYTE


async def test_what_follows_the_end_of_a_coding_is_not_held(server: LiveServer) -> None:
    coded = zlib.compress(HELLO, wbits=31) + b"\0" * (16 * MEBIBYTE)
    length = f"Content-Length: {len(coded)}"
    url = server.send(head(STREAM, length, "Content-Encoding: gzip") + coded)
    assert await peak_of_reading(url) < 4 * MEBIBYTE


async def test_all_that_can_be_decoded_comes_at_once(server: LiveServer) -> None:
    """Also what zlib holds when it has filled a piece and taken the last byte that is there."""
    frames = b"data: a\n\n" * 20_000
    (coded,) = encode([frames + DONE], "gzip")
    sizes = [len(zlib.decompressobj(31).decompress(coded[:end])) for end in range(len(coded))]
    end = next(end for end, size in enumerate(sizes) if size > exchange.SIZE)
    ready = sizes[end] // 9
    assert ready > exchange.SIZE // 9
    came = threading.Event()

    def script(peer: Peer) -> None:
        peer.send(head(STREAM, f"Content-Length: {len(coded)}", "Content-Encoding: gzip"))
        peer.send(coded[:end])
        wait_for(came)
        peer.send(coded[end:])

    with anyio.fail_after(PATIENCE / 2):
        async with events_of(server.play(script)) as events:
            for _ in range(ready):
                assert await anext(events) == Token("a")
            came.set()
            assert [event async for event in events][-1] == Done("stop")


# --- leaving it ---


async def test_it_is_left_in_mid_stream(server: LiveServer) -> None:
    async with events_of(server.play(lambda peer: peer.send(CHUNKED + chunk(HELLO)))) as events:
        async for event in events:
            assert event == Token("Hello")
            break
    await until_left(server)


async def test_it_is_left_unread(server: LiveServer) -> None:
    async with events_of(server.play(Peer.wait_for_leaving)):
        pass
    await until_left(server)


async def test_it_is_cancelled(server: LiveServer) -> None:
    url = server.play(lambda peer: peer.send(CHUNKED + chunk(HELLO)))
    with anyio.CancelScope() as scope:
        async with events_of(url) as events:
            async for _ in events:
                scope.cancel()
    assert scope.cancelled_caught
    await until_left(server)


async def test_limits_are_passed_on(server: LiveServer) -> None:
    url = server.send(*answer([HELLO + DONE]))
    (error,) = await read_in_band(url, limits=Limits(max_event_size=10))
    assert isinstance(error, Error)
    assert error.kind == "limit"


# --- law 8 ---


def answers() -> dict[str, list[bytes]]:
    page = b"<html><title>Bad Gateway</title></html>"
    said = b'{"error": {"message": "Slow down", "code": "rate_limit_exceeded"}}'
    chat = [
        b'data: {"choices": [{"index": 0, "delta": {"content": "%s"}}]}\n\n' % text.encode()
        for text in ("Grüße", " 日本 🙂", "\u2028")
    ]
    end = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n' + DONE
    return {
        "whole": answer([*chat, end]),
        "cut": answer(chat, "length"),
        "cut and closed": answer(chat, "close"),
        "in gzip": answer([*chat, end], "close", "gzip"),
        "an error in mid-stream": answer([*chat, b"data: %s\n\n" % said]),
        "an error": answer(
            [said],
            "length",
            "identity",
            "Retry-After: 3",
            status="429 Slow",
            media_type="text/json",
        ),
        "a page": answer([page], "close", status="502 Bad Gateway", media_type="text/html"),
        "a page of success": answer([page], media_type="text/html"),
        "no content": [head(status="204 No Content")],
        "a redirect": [head("Location: /there", "Content-Length: 0", status="307 Elsewhere")],
        "old": [b"HTTP/1.0 200 OK\r\n\r\n", *chat, end],
        "of an odd type": answer([*chat, end], media_type="text/plain"),
    }


@pytest.mark.parametrize("name", answers())
async def test_its_events_are_those_of_httpx(server: LiveServer, name: str) -> None:
    url = server.send(*answers()[name], end=True)
    reading = Reading(url, dialect="openai-chat", errors="yield")
    httpx = next(client for client in CLIENTS if client.name == "httpx")
    expected = await anyio.to_thread.run_sync(httpx.read, reading)
    async with events_of(url, "openai-chat", errors="yield") as events:
        assert [event async for event in events] == expected
    assert expected
