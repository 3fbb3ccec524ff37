"""What one client was found to do wrong is asked of every client, over real connections."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
import zlib
from typing import Any

import pytest
import requests
from tests.adapters.clients import Client as Reader
from tests.adapters.clients import Reading
from tests.adapters.live import LiveServer, Peer, answer, chunk, head
from tests.adapters.test_stream import EVERY, Client

from tokenwire import Deadlines, Done, Error, Reconnecting, RetryPolicy, StreamError, Token
from tokenwire.adapters import requests as requests_adapter
from tokenwire.resume import NEVER

STREAM = "Content-Type: text/event-stream"
CHUNKED = head(STREAM, "Transfer-Encoding: chunked")
WHOLE = b"data: Hello\n\ndata: , world\n\ndata: [DONE]\n\n"
EVENTS = [Token("Hello"), Token(", world"), Done("stop")]
AT_ONCE = RetryPolicy(initial_delay=0, max_attempts=3)


@pytest.fixture(params=EVERY, ids=lambda every: every.name)
def every(request: pytest.FixtureRequest) -> Client:
    given: Client = request.param
    return given


def read(every: Client, url: str, **options: Any) -> list[Any]:
    events, _ = every.read(
        "POST", url, content=b"{}", **{"dialect": "sse", "errors": "yield", **options}
    )
    return events


def end_of(events: list[Any]) -> Error:
    error = events[-1]
    assert isinstance(error, Error), events
    return error


# --- content codings ---


def raw_deflate(data: bytes) -> bytes:
    packed = zlib.compressobj(wbits=-15)
    return packed.compress(data) + packed.flush()


CODED: dict[str, tuple[str, bytes]] = {
    "gzip": ("gzip", gzip.compress(WHOLE)),
    "members": ("gzip", b"".join(gzip.compress(WHOLE[at : at + 9]) for at in range(0, 60, 9))),
    "members and padding": (
        "gzip",
        gzip.compress(WHOLE[:20]) + b"\0" * 99 + gzip.compress(WHOLE[20:]),
    ),
    "an empty member": ("x-gzip", gzip.compress(b"") + gzip.compress(WHOLE)),
    "what stands after": ("gzip", gzip.compress(WHOLE) + b"garbage"),
    "deflate": ("deflate", zlib.compress(WHOLE)),
    "raw deflate": ("deflate", raw_deflate(WHOLE)),
    "one in another": ("deflate, gzip", gzip.compress(zlib.compress(WHOLE))),
}


@pytest.mark.parametrize("coded", CODED.values(), ids=CODED)
def test_every_form_of_a_coding(
    every: Client, server: LiveServer, coded: tuple[str, bytes]
) -> None:
    coding, body = coded
    fields = (STREAM, f"Content-Encoding: {coding}", "Connection: close")
    for pieces in ([body], [body[at : at + 1] for at in range(len(body))]):
        url = server.send(head(*fields), *pieces, end=True)
        assert read(every, url) == EVENTS


@pytest.mark.parametrize("coding", ["br", "gzip", "deflate, gzip", "gzip, gzip, gzip, gzip"])
def test_what_is_not_coded_as_it_says_is_asked_for_once(
    every: Client, server: LiveServer, coding: str
) -> None:
    url = server.send(*answer([WHOLE], "length", "identity", f"Content-Encoding: {coding}"))
    error = end_of(read(every, url, retry=AT_ONCE))
    assert error.kind == "malformed"
    assert len(server.requests) == 1


def test_a_bomb_comes_in_small_pieces(
    every: Client, server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kilobytes that are gigabytes when decoded: nothing of that size is ever in memory."""
    from tokenwire.adapters import _decode
    from tokenwire.parser import StreamParser

    taken: list[int] = []
    receive = StreamParser.receive_data

    def counted(parser: StreamParser, data: bytes) -> None:
        taken.append(len(data))
        receive(parser, data)

    monkeypatch.setattr(StreamParser, "receive_data", counted)
    zeros = zlib.compressobj(9, wbits=31)
    packed = b"".join(zeros.compress(b"\0" * 2**20) for _ in range(64)) + zeros.flush()
    body = gzip.compress(b"".join([packed] * 20), 9)
    assert len(body) < 10_000
    url = server.send(*answer([body], "length", "identity", "Content-Encoding: gzip, gzip"))
    error = end_of(read(every, url))
    assert error.kind == "limit"  # 16 MiB without the end of a line
    assert max(taken) <= _decode.SIZE


# --- the head ---


def test_a_head_that_is_cut_anywhere(
    every: Client, server: LiveServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "urllib3")  # it complains of some, and takes them
    whole = head(STREAM, "X-Request-Id: 5", "Connection: close")
    places = iter([*range(9, len(whole) - 1, 3), len(whole)])

    def script(peer: Peer) -> None:
        place = next(places)
        peer.send(whole[:place] + (WHOLE if place == len(whole) else b""))
        peer.end()
        peer.wait_for_leaving()

    many = RetryPolicy(initial_delay=0, max_attempts=200)
    events = read(every, server.play(script), retry=many)
    assert events[-3:] == EVENTS
    causes = [event.cause for event in events if isinstance(event, Reconnecting)]
    assert len(causes) == len(events) - 3 > 20
    assert {cause.kind for cause in causes} <= {"transport", "truncated"}


PLACES = [
    "http://[::1",
    "http://h:99999/",
    "http://\xff/",
    "//",
    "http://",
    "\xff\xfe",
    "http:///x",
    "",
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("status", [301, 307])
def test_a_redirect_to_nowhere(every: Client, server: LiveServer, place: str, status: int) -> None:
    line = f"Location: {place}".encode("latin-1")
    url = server.send(b"HTTP/1.1 %d Elsewhere\r\n%s\r\nContent-Length: 0\r\n\r\n" % (status, line))
    settings = {"follow_redirects": True} if every.name.startswith("httpx") else {}
    error = end_of(read(every, url, settings=settings, retry=NEVER))
    assert error.kind in ("http", "transport")


SECRETS = {
    "X-Api-Key": "hidden-1",
    "api-key": "hidden-2",
    "Authorization": "Bearer hidden-3",
    "Cookie": "session=hidden-4",
    "X-Goog-Api-Key": "hidden-5",
}


@pytest.mark.parametrize("status", [302, 307])
def test_no_redirect_takes_credentials_along(
    every: Client, server: LiveServer, status: int
) -> None:
    """Nor does one back to where they came from, if it led elsewhere in between."""
    elsewhere = LiveServer()
    try:

        def first(peer: Peer) -> None:
            if len(server.requests) > 1:
                peer.send(*answer([WHOLE], "length"))
                return
            place = f"Location: {elsewhere.url}"
            peer.send(head(place, "Content-Length: 0", status=f"{status} Elsewhere"))

        back = head(f"Location: {server.url}/back", "Content-Length: 0", status="307 Back")
        elsewhere.send(back)
        settings: dict[str, Any] = {"headers": {"X-Client-Token": "hidden-6", "X-Client": "2"}}
        if every.name.startswith("httpx"):
            settings["follow_redirects"] = True
        events = read(every, server.play(first), headers=SECRETS, settings=settings)
    finally:
        elsewhere.close()
    assert events == EVENTS
    there, again = elsewhere.requests[0], server.requests[1]
    assert server.requests[0].count(b"hidden") == 6
    for request in (there, again):
        assert b"hidden" not in request
        assert b"x-client: 2" in request.lower()
        assert request.startswith(b"GET " if status == 302 else b"POST ")


def test_parameters_of_a_session_are_not_added_to_where_it_is_led(server: LiveServer) -> None:
    def script(peer: Peer) -> None:
        if len(server.requests) > 1:
            peer.send(*answer([WHOLE], "length"))
        else:
            peer.send(head("Location: /b?c=d", "Content-Length: 0", status="307 Elsewhere"))

    with requests.Session() as session:
        session.trust_env = False
        session.params = {"key": "hidden"}
        with requests_adapter.stream(session, "POST", server.play(script), dialect="sse") as given:
            assert list(given) == EVENTS
    assert b"?key=hidden " in server.requests[0]
    assert server.requests[1].startswith(b"POST /b?c=d HTTP")


def test_cookies_that_responses_set(every: Client, server: LiveServer) -> None:
    if every.name.startswith("h11"):
        pytest.skip("h11 has no jar")
    if every.name == "aiohttp":
        pytest.skip("its jar takes no cookies of addresses, unless it is told to")

    def script(peer: Peer) -> None:
        count = len(server.requests)
        if count == 1:
            peer.send(
                head(
                    "Location: /b",
                    "Set-Cookie: a=1; Path=/",
                    "Content-Length: 0",
                    status="307 Elsewhere",
                )
            )
            return
        body = chunk(b"id: %d\ndata: %d\n\n" % (count, count)) + b"0\r\n\r\n"
        peer.send(
            head(STREAM, "Transfer-Encoding: chunked", f"Set-Cookie: a={count}; Path=/") + body
        )

    settings = {"follow_redirects": True} if every.name.startswith("httpx") else {}
    retry = RetryPolicy(initial_delay=0, max_attempts=None, max_total_attempts=2)
    url = server.play(script)
    read(every, url, dialect="event-stream", retry=retry, settings=settings)
    said = [
        line.partition(b":")[2].strip()
        for request in server.requests
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"cookie:")
    ]
    assert said[:3] == [b"a=1", b"a=2", b"a=3"]


# --- time ---


DRIPS: dict[str, tuple[bytes, bytes]] = {
    "a head of many fields": (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
    "a head byte by byte": (b"HTTP/1.1 200 OK\r\nX-A: ", b"a"),
    "interim responses": (b"", b"HTTP/1.1 100 Continue\r\nX-A: b\r\n\r\n"),
    "a chunk's head": (CHUNKED + b"5;", b"a"),
}


@pytest.mark.parametrize("drip", DRIPS.values(), ids=DRIPS)
@pytest.mark.parametrize("again", [False, True], ids=["new", "used"])
def test_no_head_is_waited_for_longer_than_it_may(
    every: Client, server: LiveServer, drip: tuple[bytes, bytes], again: bool
) -> None:
    """Neither on a new connection nor on one that was used before. It would drip for ever."""
    begin, then = drip
    over = threading.Event()

    def script(peer: Peer) -> None:
        if again and len(server.requests) == 1:
            peer.send(head("Location: /b", "Content-Length: 0", status="307 Elsewhere"))
            return
        try:
            peer.send(begin)
            while not over.wait(0.01):
                peer.send(then)
        except OSError:
            peer.left.set()

    settings = {"follow_redirects": True} if every.name.startswith("httpx") else {}
    limits = Deadlines(total=0.15) if again else Deadlines(connect=0.15, idle=0.15)
    try:
        events = read(every, server.play(script), retry=NEVER, deadlines=limits, settings=settings)
    finally:
        over.set()
    error = end_of(events)
    assert error.kind == "timeout", error


# --- secrets ---


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"",
    ],
)
def test_no_message_tells_what_a_client_knows(
    every: Client, server: LiveServer, reply: bytes
) -> None:
    def script(peer: Peer) -> None:
        peer.send(reply)
        peer.end()
        peer.wait_for_leaving()

    url = f"{server.play(script)}?key=hidden-7"
    settings = {"headers": {"X-Client-Token": "hidden-6"}}
    with pytest.raises(StreamError) as caught:
        read(every, url, headers=SECRETS, settings=settings, retry=NEVER, errors="raise")
    import traceback

    told = "".join(traceback.format_exception(caught.value))
    assert "hidden" not in "".join(line for line in told.splitlines() if "read(every" not in line)
    assert "hidden" not in repr(caught.value.event)


def test_a_refused_connection_is_known_not_to_have_sent_anything(every: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/mcp"
    events = read(every, url, dialect="mcp", retry=AT_ONCE)
    assert sum(isinstance(event, Reconnecting) for event in events) == 3
    assert end_of(events).kind == "transport"


# --- responses that are open already ---


@pytest.mark.parametrize("coded", CODED.values(), ids=CODED)
def test_every_form_of_a_coding_in_an_open_response(
    client: Reader, server: LiveServer, coded: tuple[str, bytes]
) -> None:
    coding, body = coded
    if client.name == "aiohttp":
        pytest.skip("aiohttp has decoded it, in its own way")
    fields = (STREAM, f"Content-Encoding: {coding}", "Connection: close")
    url = server.send(head(*fields), body, end=True)
    assert client.read(Reading(url)) == EVENTS


def test_a_status_is_told_whatever_the_coding(client: Reader, server: LiveServer) -> None:
    pieces = answer(
        [b"\xff"], "length", "identity", "Content-Encoding: gzip", status="503 Service Unavailable"
    )
    events = client.read(Reading(server.send(*pieces), errors="yield"))
    error = end_of(events)
    assert (error.kind, error.status) == ("http", 503)
