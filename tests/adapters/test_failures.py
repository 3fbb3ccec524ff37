"""What goes wrong between client and server becomes one `Error`, whatever the client calls it."""

from __future__ import annotations

import threading

import pytest
from tests.adapters.clients import Client, Reading
from tests.adapters.live import (
    BODY_KINDS,
    PATIENCE,
    BodyKind,
    Coding,
    LiveServer,
    Peer,
    Script,
    answer,
    chunk,
    encode,
    head,
    wait_for,
)

from tokenwire import Error, Event, Recovery, StreamError, Token

HELLO = b"data: Hello\n\n"
JSON = b'{"error": {"message": "Slow down", "type": "tokens", "code": "rate_limit_exceeded"}}'
STREAM = "Content-Type: text/event-stream"
CHUNKED = head(STREAM, "Transfer-Encoding: chunked")
PAGE = b"<html>502 Bad Gateway</html>\r\n"  # some proxies write it wherever they happen to be
CODED = ("gzip", "deflate")


def coded_head(coding: str) -> bytes:
    return head(STREAM, "Transfer-Encoding: chunked", f"Content-Encoding: {coding}")


def read_failing(
    client: Client, server: LiveServer, begun: bytes, finish: Script, *, timeout: float = PATIENCE
) -> tuple[list[Event], StreamError]:
    """Send ``begun``, let its first event come out, ``finish``; the events and the failure."""
    events: list[Event] = []
    came = threading.Event()

    def script(peer: Peer) -> None:
        peer.send(begun)
        wait_for(came)  # a RST, for one, would overtake what was sent before it
        finish(peer)

    def seen(event: Event) -> None:
        events.append(event)
        came.set()

    with pytest.raises(StreamError) as caught:
        client.read(Reading(server.play(script), seen=seen, timeout=timeout))
    return events, caught.value


def read_error(client: Client, url: str) -> Error:
    """The failure of a response that has no events."""
    events: list[Event] = []
    with pytest.raises(StreamError) as caught:
        client.read(Reading(url, seen=events.append))
    assert events == []
    return caught.value.event


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(CHUNKED + chunk(HELLO), id="at the start of a chunk"),
        pytest.param(CHUNKED + b"ffff\r\n" + HELLO, id="in a chunk"),
        pytest.param(CHUNKED + chunk(HELLO) + b"f", id="in a chunk's size"),
        pytest.param(CHUNKED + chunk(HELLO)[:-1], id="after a chunk"),
        pytest.param(head(STREAM, "Content-Length: 1000") + HELLO, id="in a known length"),
    ],
)
@pytest.mark.parametrize("finish", [Peer.end, Peer.reset])
def test_a_connection_that_breaks(
    client: Client, server: LiveServer, begun: bytes, finish: Script
) -> None:
    events, failure = read_failing(client, server, begun, finish)
    assert events == [Token("Hello")]
    assert failure.event.kind == "transport"
    assert failure.event.recovery is Recovery.RESUME
    assert isinstance(failure.__cause__, client.lost)


def test_framing_that_cannot_be_read(client: Client, server: LiveServer) -> None:
    events, failure = read_failing(
        client, server, CHUNKED + chunk(HELLO), lambda peer: peer.send(PAGE)
    )
    assert events == [Token("Hello")]
    assert failure.event.kind == "transport"
    assert failure.event.recovery is Recovery.RESUME
    assert isinstance(failure.__cause__, client.lost)


@pytest.mark.parametrize("garbage", [b"", PAGE], ids=["closed", "garbage"])
def test_a_failure_that_comes_with_data(client: Client, server: LiveServer, garbage: bytes) -> None:
    def finish(peer: Peer) -> None:
        peer.send(chunk(b"data: , world\n\n") + garbage)
        if not garbage:
            peer.end()

    events, failure = read_failing(client, server, CHUNKED + chunk(HELLO), finish)
    # aiohttp may drop what it has not handed out when the connection fails.
    least = 1 if client.name == "aiohttp" else 2
    assert events in [[Token("Hello"), Token(", world")][:count] for count in range(least, 3)]
    assert failure.event.kind == "transport"
    assert failure.event.recovery is Recovery.RESUME


def test_a_reset_where_the_body_ends_by_closing(client: Client, server: LiveServer) -> None:
    events, failure = read_failing(client, server, head(STREAM) + HELLO, Peer.reset)
    assert events == [Token("Hello")]
    # aiohttp takes a reset for the end of such a body. That nothing was complete shows all the same.
    assert failure.event.kind == ("truncated" if client.name == "aiohttp" else "transport")
    assert failure.event.recovery is Recovery.RESUME


@pytest.mark.parametrize("body", BODY_KINDS)
@pytest.mark.parametrize("coding", ["identity", *CODED])
def test_a_body_that_ends_before_the_terminator(
    client: Client, server: LiveServer, body: BodyKind, coding: Coding
) -> None:
    url = server.send(*answer([HELLO], body, coding), end=body == "close")
    events = client.read(Reading(url, errors="yield"))
    assert events[:-1] == [Token("Hello")]
    assert isinstance(events[-1], Error)
    assert events[-1].kind == "truncated"


@pytest.mark.parametrize("coding", CODED)
def test_a_coding_that_ends_in_mid_stream(
    client: Client, server: LiveServer, coding: Coding
) -> None:
    first, _ = encode([HELLO, HELLO], coding)
    events, failure = read_failing(
        client, server, coded_head(coding) + chunk(first), lambda peer: peer.send(b"0\r\n\r\n")
    )
    assert events == [Token("Hello")]
    # aiohttp asks whether a deflate stream was complete; the others, and it with gzip, do not.
    asks = client.name == "aiohttp" and coding == "deflate"
    assert failure.event.kind == ("transport" if asks else "truncated")


@pytest.mark.parametrize("coding", CODED)
def test_a_corrupt_body(client: Client, server: LiveServer, coding: Coding) -> None:
    first, _ = encode([HELLO, HELLO], coding)
    corrupt = chunk(b"\xff" * 100) + b"0\r\n\r\n"
    events, failure = read_failing(
        client, server, coded_head(coding) + chunk(first), lambda peer: peer.send(corrupt)
    )
    assert events == [Token("Hello")]
    assert failure.event.kind == "transport"
    assert failure.event.recovery is Recovery.RESUME


@pytest.mark.parametrize("coding", ["gzip", "br", "gzip, gzip", "deflate, br", "sdch", "gzip," * 9])
def test_a_body_that_is_not_coded_as_it_says(
    client: Client, server: LiveServer, coding: str
) -> None:
    url = server.send(coded_head(coding) + chunk(HELLO) + b"0\r\n\r\n")
    if client.name == "aiohttp" and coding != "gzip":
        pytest.skip("aiohttp says before there is a response that it cannot, or never")
    error = read_error(client, url)
    assert (error.kind, error.recovery) == ("malformed", Recovery.FATAL)


def test_a_read_that_takes_too_long(client: Client, server: LiveServer) -> None:
    events, failure = read_failing(
        client, server, CHUNKED + chunk(HELLO), Peer.wait_for_leaving, timeout=0.3
    )
    assert events == [Token("Hello")]
    assert failure.event.kind == "timeout"
    assert isinstance(failure.__cause__, client.timed_out)


def test_errors_in_band(client: Client, server: LiveServer) -> None:
    def script(peer: Peer) -> None:
        peer.send(CHUNKED + chunk(HELLO))
        peer.end()

    events = client.read(Reading(server.play(script), errors="yield"))
    assert events[:-1] == [Token("Hello")]
    assert isinstance(events[-1], Error)
    assert events[-1].kind == "transport"


@pytest.mark.parametrize("body", BODY_KINDS)
def test_too_many_requests(client: Client, server: LiveServer, body: BodyKind) -> None:
    pieces = answer(
        [JSON[:10], JSON[10:]],
        body,
        "identity",
        "Retry-After: 7",
        status="429 Too Many Requests",
        media_type="application/json",
    )
    expected = Error(
        kind="http",
        message="Slow down",
        code="rate_limit_exceeded",
        status=429,
        recovery=Recovery.RETRY,
        retry_after=7.0,
    )
    assert read_error(client, server.send(*pieces, end=body == "close")) == expected


@pytest.mark.parametrize("coding", ["identity", *CODED])
def test_a_proxys_page(client: Client, server: LiveServer, coding: Coding) -> None:
    page = b"<html><head><title>502 Bad Gateway</title></head></html>"
    pieces = answer([page], "close", coding, status="502 Bad Gateway", media_type="text/html")
    error = read_error(client, server.send(*pieces, end=True))
    assert (error.kind, error.status, error.recovery) == ("http", 502, Recovery.RETRY)
    assert "502 Bad Gateway" in error.message


def test_no_content(client: Client, server: LiveServer) -> None:
    error = read_error(client, server.send(head(status="204 No Content")))
    assert (error.kind, error.status) == ("http", 204)


def test_an_error_document_with_status_200(client: Client, server: LiveServer) -> None:
    url = server.send(*answer([JSON], "length", media_type="application/json"))
    error = read_error(client, url)
    assert (error.kind, error.message) == ("vendor", "Slow down")


def test_an_empty_body(client: Client, server: LiveServer) -> None:
    error = read_error(client, server.send(head(STREAM, "Content-Length: 0")))
    assert (error.kind, error.recovery) == ("truncated", Recovery.RETRY)
