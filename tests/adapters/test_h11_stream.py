"""`stream` of h11: what its client does that others have a client for, from connect to redirect."""

from __future__ import annotations

import json
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Any, cast

import anyio
import anyio.to_thread
import h11
import pytest
from anyio.abc import ByteStream, SocketAttribute, SocketStream
from tests.adapters.live import LiveServer, Peer, answer, chunk, head

from tokenwire import Data, Done, Error, Event, Opened, Reconnecting, Token, UnknownDialectError
from tokenwire.adapters._h11_exchange import Exchange
from tokenwire.adapters.h11 import Client, connect_tcp, stream
from tokenwire.resume import Deadlines, RetryPolicy

HELLO = b"data: Hello\n\n"
DONE = b"data: [DONE]\n\n"
CHUNKED = head("Content-Type: text/event-stream", "Transfer-Encoding: chunked")
WHOLE = [Token("Hello"), Done("stop")]
ANSWER = b"".join(answer([HELLO + DONE]))
ONCE = RetryPolicy(max_attempts=0)
MEBIBYTE = 2**20

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"]),
]


async def read(
    method: str, url: str, client: Client | None = None, dialect: str = "sse", **options: Any
) -> list[Event]:
    """What comes of one try."""
    options = {"retry": ONCE, "errors": "yield", **options}
    async with stream(client or Client(), method, url, dialect=dialect, **options) as events:
        return [event async for event in events]


async def read_error(method: str, url: str, client: Client | None = None, **options: Any) -> Error:
    """The failure of an answer that has no events."""
    (error,) = await read(method, url, client, **options)
    assert isinstance(error, Error)
    return error


async def until_left(server: LiveServer) -> None:
    await anyio.to_thread.run_sync(server.wait_until_left)


def fields_of(request: bytes) -> dict[str, str]:
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    assert len(fields) == len(lines)
    return fields


# --- what is sent ---


async def test_what_is_sent(server: LiveServer) -> None:
    url = server.send(ANSWER) + "/é?beta=1&x=ü%20#part"
    body = {"stream": True, "prompt": "naïve"}
    assert await read("post", url, json=body) == WHOLE
    (request,) = server.requests
    assert request.startswith(
        b"POST /v1/chat/completions/%C3%A9?beta=1&x=%C3%BC%20 HTTP/1.1\r\nHost: 127.0.0.1:"
    )
    content = request.partition(b"\r\n\r\n")[2]
    assert json.loads(content) == body
    assert fields_of(request) == {
        "host": url.split("/")[2],
        "accept": "*/*",
        "user-agent": "tokenwire",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "content-length": str(len(content)),
        "connection": "close",
    }


@pytest.mark.parametrize(("method", "length"), [("GET", None), ("POST", "0")])
async def test_a_request_without_a_body(
    server: LiveServer, method: str, length: str | None
) -> None:
    url = server.send(ANSWER).removesuffix("/v1/chat/completions")
    assert await read(method, url) == WHOLE
    (request,) = server.requests
    assert request.startswith(f"{method} / HTTP/1.1\r\n".encode())
    assert fields_of(request).get("content-length") == length


async def test_headers_of_the_request_come_before_those_of_the_client(server: LiveServer) -> None:
    client = Client(headers={"host": "b.example", "X-Api-Key": "k", "content-type": "text/plain"})
    headers = {"HOST": "a.example", "accept": " text/event-stream ", "User-Agent": "mine"}
    assert await read("POST", server.send(ANSWER), client, headers=headers, json={}) == WHOLE
    fields = fields_of(server.requests[0])
    assert fields["host"] == "a.example"
    assert fields["accept"] == "text/event-stream"
    assert fields["user-agent"] == "mine"
    assert fields["x-api-key"] == "k"
    assert fields["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        ("GET", "ftp://127.0.0.1/", {}),
        ("GET", "127.0.0.1:80/", {}),
        ("GET", "http:///path", {}),
        ("GET", "http://127.0.0.1:99999/", {}),
        ("GET", "http://user:secret@127.0.0.1/", {}),
        ("GET", "http://bücher.example/", {}),
        ("GET", "http://127.0.0.1/a b", {}),
        ("GE T", "http://127.0.0.1/", {}),
        ("GET", "http://127.0.0.1/", {"a": "b\r\nc: secret"}),
        ("GET", "http://127.0.0.1/", {"a": "b\fc"}),
        ("GET", "http://127.0.0.1/", {"Transfer-Encoding": "chunked"}),
        ("GET", "http://127.0.0.1/", {"Content-Length": "3"}),
        ("GET", "http://127.0.0.1/", {"CONNECTION": "keep-alive"}),
    ],
)
async def test_what_cannot_be_sent(method: str, url: str, headers: dict[str, str]) -> None:
    with pytest.raises(ValueError) as caught:  # at once: nothing is connected
        stream(Client(), method, url, dialect="sse", headers=headers)
    assert "secret" not in str(caught.value)


async def test_misuse_is_told_at_once() -> None:
    url = "http://127.0.0.1/"
    with pytest.raises(UnknownDialectError):
        stream(Client(), "POST", url, dialect="openai", content=b"{}")
    with pytest.raises(ValueError, match="either json or content"):
        stream(Client(), "POST", url, dialect="sse", json={}, content=b"{}")
    with pytest.raises(TypeError, match="must be a Client of this module, not str"):
        stream(cast(Any, "POST"), url, "", dialect="sse")  # as it was called once


async def test_a_place_that_the_service_names_and_nobody_can_ask(server: LiveServer) -> None:
    """It is an error of the answer, not of the caller."""
    begun = (
        b'id: 1\nevent: metadata\ndata: {"run_id": "r"}\n\nid: 2\nevent: messages\n'
        b'data: [{"type": "AIMessageChunk", "content": "Hello", "id": "m"}, {}]\n\n'
    )
    place = "Location: http://me:hidden@127.0.0.1/"
    url = server.send(*answer([begun], "length", "identity", place))
    retry = RetryPolicy(initial_delay=0, max_attempts=1)
    *events, error = await read("POST", url, dialect="langgraph", json={}, retry=retry)
    assert Token("Hello") in events
    assert isinstance(error, Error)
    assert "no user" in error.message
    assert len(server.requests) == 1


# --- connecting ---


@pytest.mark.parametrize(
    ("url", "host", "port", "named"),
    [
        ("http://a.example/x", "a.example", 80, "a.example"),
        ("http://A.example:80/x", "a.example", 80, "a.example"),
        ("https://a.example/x", "a.example", 443, "a.example"),
        ("https://a.example:80/x", "a.example", 80, "a.example:80"),
        ("http://[2001:DB8::1]:8000", "2001:db8::1", 8000, "[2001:db8::1]:8000"),
    ],
)
async def test_who_is_connected_to(
    server: LiveServer, url: str, host: str, port: int, named: str
) -> None:
    """By any byte stream that somebody gives, as one through a proxy."""
    place = server.send(ANSWER).split("/")[2].split(":")
    asked: list[tuple[str, int, ssl.SSLContext | None]] = []

    async def connect(host: str, port: int, tls: ssl.SSLContext | None) -> ByteStream:
        asked.append((host, port, tls))
        return await connect_tcp(place[0], int(place[1]), None)

    trust = ssl.create_default_context()
    client = Client(connect=connect, ssl_context=trust)
    assert await read("GET", url, client) == WHOLE
    assert asked == [(host, port, trust if url.startswith("https") else None)]
    assert fields_of(server.requests[0])["host"] == named


async def test_over_ipv6() -> None:
    requests: list[bytes] = []

    async def serve(client: SocketStream) -> None:
        async with client:
            requests.append(await client.receive())
            await client.send(ANSWER)

    try:
        listener = await anyio.create_tcp_listener(local_host="::1")
    except OSError:
        pytest.skip("there is no IPv6 here")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        place = f"[::1]:{listener.extra(SocketAttribute.local_port)}"
        assert await read("GET", f"http://{place}/") == WHOLE
        tasks.cancel_scope.cancel()
    assert fields_of(requests[0])["host"] == place


async def test_connecting_takes_too_long() -> None:
    async def connect(host: str, port: int, tls: ssl.SSLContext | None) -> ByteStream:
        await anyio.sleep_forever()
        raise AssertionError

    client, deadlines = Client(connect=connect), Deadlines(connect=0.02)
    error = await read_error("GET", "http://a.example", client, deadlines=deadlines)
    assert error.kind == "timeout"
    assert "Deadlines.connect" in error.message


async def test_a_server_that_breaks_while_the_request_is_sent() -> None:
    async def reset(client: SocketStream) -> None:
        linger = struct.pack("ii", 1, 0)
        client.extra(SocketAttribute.raw_socket).setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, linger
        )
        await client.aclose()

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, reset)
        url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}/"
        error = await read_error("POST", url, content=b"a" * (32 * MEBIBYTE))
        tasks.cancel_scope.cancel()
    assert error.kind == "transport"


# --- the response ---


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
    assert await read("POST", server.send(before, ANSWER), json={}) == WHOLE


async def test_a_head_of_many_fields_is_read(server: LiveServer) -> None:
    fields = [f"Set-Cookie: {name}={'x' * 3000}" for name in range(30)]
    url = server.send(*answer([HELLO + DONE], "length", "identity", *fields))
    assert await read("GET", url) == WHOLE


async def test_what_came_before_a_break_is_delivered_first(server: LiveServer) -> None:
    """All of it, also where the break comes in the same packet."""
    url = server.send(CHUNKED + chunk(HELLO) + chunk(HELLO) + b"no chunk\r\n")
    token, again, error = await read("GET", url)
    assert token == again == Token("Hello")
    assert isinstance(error, Error)
    assert error.kind == "transport"
    assert "RemoteProtocolError" in error.message
    await until_left(server)


async def test_a_read_that_was_cancelled_may_be_called_again(server: LiveServer) -> None:
    asked = server.play(lambda peer: peer.send(CHUNKED + chunk(HELLO)))
    host, port = asked.split("/")[2].split(":")
    sent = await anyio.connect_tcp(host, int(port))
    connection = h11.Connection(h11.CLIENT)
    for part in (
        h11.Request(method="GET", target="/", headers=[("Host", host)]),
        h11.EndOfMessage(),
    ):
        await sent.send(connection.send(part) or b"")
    response = Exchange(connection, sent)
    await response.head()
    assert await response.read() == HELLO
    with anyio.CancelScope() as scope:
        scope.cancel()
        await response.read()
    assert scope.cancelled_caught
    await anyio.to_thread.run_sync(server.peers[0].send, chunk(DONE))
    assert await response.read() == DONE
    await response.close()


# --- redirects ---


def redirecting(status: int, place: str, *fields: str) -> Callable[[Peer], None]:
    """The first request is led elsewhere, where the answer is."""
    first = [
        head(f"Location: {place}", "Content-Length: 5", *fields, status=f"{status} Go") + b"there"
    ]

    def script(peer: Peer) -> None:
        peer.send(first.pop() if first else ANSWER)

    return script


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_a_redirect_is_followed(server: LiveServer, status: int, method: str) -> None:
    url = server.play(redirecting(status, "../there?a=1#part"))
    headers = {"Authorization": "Bearer k", "X-Own": "1"}
    body = None if method == "GET" else {"prompt": "Hi"}
    assert await read(method, url, headers=headers, json=body) == WHOLE
    await until_left(server)
    _, request = server.requests
    becomes_get = status == 303 or (status in (301, 302) and method == "POST")
    line, _, rest = request.partition(b"\r\n")
    assert line.decode() == f"{'GET' if becomes_get else method} /v1/there?a=1 HTTP/1.1"
    fields = fields_of(request)
    assert fields["host"] == url.split("/")[2]
    assert fields["authorization"] == "Bearer k"
    assert fields["x-own"] == "1"
    if becomes_get or method == "GET":
        assert rest.endswith(b"\r\n\r\n")
        assert not {"content-type", "content-length"} & fields.keys()
    else:
        assert json.loads(rest.partition(b"\r\n\r\n")[2]) == body
        assert fields["content-type"] == "application/json"


async def test_a_place_in_other_letters(server: LiveServer) -> None:
    assert await read("GET", server.play(redirecting(307, "/thère and back"))) == WHOLE
    assert server.requests[1].startswith(b"GET /th%C3%A8re%20and%20back HTTP/1.1\r\n")


@pytest.mark.parametrize("dialect", ["sse", "event-stream"])
async def test_another_origin_is_told_no_secret(server: LiveServer, dialect: str) -> None:
    elsewhere = LiveServer()
    try:
        url = server.play(redirecting(307, elsewhere.send(ANSWER)))
        headers = {
            "Authorization": "Bearer hidden",
            "Proxy-Authorization": "Basic hidden",
            "Host": "hidden.example",
            "X-Own": "1",
        }
        client = Client(headers={"Cookie": "a=hidden", "X-Api-Key": "hidden"})
        events = await read("GET", url, client, dialect, headers=headers)
        said = Token("Hello") if dialect == "sse" else Data("message", "Hello")
        assert next(event for event in events if event != Opened()) == said
    finally:
        await anyio.to_thread.run_sync(elsewhere.close)
    assert server.requests[0].count(b"hidden") == 5
    assert b"hidden" not in elsewhere.requests[0]
    fields = fields_of(elsewhere.requests[0])
    assert fields["x-own"] == "1"
    assert fields["host"] == elsewhere.url.split("/")[2]


@pytest.mark.parametrize(
    "location",
    [
        pytest.param((), id="none"),
        pytest.param(("Location:",), id="empty"),
        pytest.param(("Location: ftp://127.0.0.1/",), id="ftp"),
        pytest.param(("Location: http://[::1/",), id="no URL"),
        pytest.param(("Location: /v1/chat/completions",), id="in a circle"),
    ],
)
@pytest.mark.parametrize("dialect", ["sse", "event-stream"])
async def test_a_redirect_to_nowhere(
    server: LiveServer, location: tuple[str, ...], dialect: str
) -> None:
    url = server.send(head(*location, "Content-Length: 0", status="302 Found"))
    error = await read_error("GET", url, dialect=dialect, retry=RetryPolicy(initial_delay=0))
    assert (error.kind, error.status) == ("http", 302)
    await until_left(server)
    assert len(server.requests) == (21 if "/v1" in "".join(location) else 1)


async def test_each_attempt_begins_at_the_first_place(server: LiveServer) -> None:
    def script(peer: Peer) -> None:
        if len(server.requests) % 2:
            peer.send(head("Location: /there", "Content-Length: 0", status="307 Go"))
        elif len(server.requests) == 2:
            peer.send(CHUNKED + chunk(b"id: 1\n" + HELLO))
            peer.end()
            peer.wait_for_leaving()
        else:
            peer.send(*answer([DONE]))

    events = await read("GET", server.play(script), retry=RetryPolicy(initial_delay=0))
    assert [type(event) for event in events] == [Token, Reconnecting, Done]
    assert [request.split()[1][-11:] for request in server.requests] == [
        b"completions",
        b"/there",
        b"completions",
        b"/there",
    ]
    assert fields_of(server.requests[3])["last-event-id"] == "1"
