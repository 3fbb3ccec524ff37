"""The built-in server below HTTP clients: connections, odd requests, the end."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import anyio
import httpx
import pytest
from tests.cli.conftest import SECONDS, Served

from tokenwire.testserver import connection, site
from tokenwire.testserver.server import Settings, running_server, serve

Connect = Callable[[], socket.socket]


@pytest.fixture
def connect(served: Served) -> Iterator[Connect]:
    opened: list[socket.socket] = []

    def connect() -> socket.socket:
        url = httpx.URL(served.url)
        opened.append(socket.create_connection((url.host, url.port or 0), timeout=SECONDS))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


def read_all(connected: socket.socket) -> bytes:
    """What comes until the server closes."""
    return b"".join(iter(partial(connected.recv, 65536), b""))


def read_until(connected: socket.socket, end: bytes) -> bytes:
    seen = b""
    while not seen.endswith(end):
        part = connected.recv(1)
        assert part, seen
        seen += part
    return seen


LAST = b"Connection: close\r\n\r\n"
GET = b"GET /sse HTTP/1.1\r\nHost: x\r\n"
NOTHING = b"GET /nothing HTTP/1.1\r\nHost: x\r\n"


def test_one_connection_serves_many_requests(client: httpx.Client, served: Served) -> None:
    ports = set()
    for path in (
        "/sse",
        "/openai-chat?cut=byte",
        "/nothing",
        "/sse?fail=429",
        "/sse?fail=truncate",
    ):
        with client.stream("POST", served.url + path, json={"a": 1}) as response:
            response.read()
            stream = response.extensions["network_stream"]
            ports.add(stream.get_extra_info("client_addr")[1])
    assert len(ports) == 1


def test_requests_sent_ahead_are_answered_in_order(connect: Connect) -> None:
    connected = connect()
    connected.sendall(GET + b"\r\n" + NOTHING + b"\r\n" + GET + LAST)
    answered = read_all(connected)
    assert re.findall(rb"HTTP/1.1 (\d+)", answered) == [b"200", b"404", b"200"]
    assert answered.count(b"data: [DONE]") == 2


def test_http_1_0_ends_with_the_connection(connect: Connect) -> None:
    connected = connect()
    connected.sendall(b"GET /sse HTTP/1.0\r\n\r\n")
    head, _, body = read_all(connected).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert body.startswith(b"data: one\n\n")
    assert body.endswith(b"data: [DONE]\n\n")


def test_a_client_that_waits_to_be_asked(connect: Connect) -> None:
    connected = connect()
    connected.sendall(
        b"POST /openai-chat HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n"
        b"Expect: 100-continue\r\n" + LAST
    )
    assert read_until(connected, b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
    connected.sendall(b'{"model":"m"}')
    assert b'"model":"m"' in read_all(connected)


def test_a_chunked_request(connect: Connect) -> None:
    connected = connect()
    connected.sendall(
        b"POST /openai-chat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + LAST
    )
    connected.sendall(b'6\r\n{"mode\r\n7\r\nl":"m"}\r\n0\r\n\r\n')
    assert b'"model":"m"' in read_all(connected)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"hello\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * (65 * 1024), b"431"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
    ],
)
def test_what_is_no_http(connect: Connect, served: Served, sent: bytes, status: bytes) -> None:
    connected = connect()
    connected.sendall(sent)
    connected.shutdown(socket.SHUT_WR)
    answered = read_all(connected)
    assert answered.startswith(b"HTTP/1.1 " + status)
    assert b"\r\nconnection: close\r\n" in answered
    assert served.next_line().startswith("not HTTP: ")


def test_a_body_beyond_the_limit(
    monkeypatch: pytest.MonkeyPatch, client: httpx.Client, served: Served
) -> None:
    monkeypatch.setattr(connection, "MAX_BODY", 1000)
    response = client.post(f"{served.url}/sse", content=b"x" * 1000)
    assert response.status_code == 200
    response = client.post(f"{served.url}/sse", content=b"x" * 1001)
    assert (response.status_code, response.headers["connection"]) == (413, "close")
    assert "larger than 1000 bytes" in response.text


def test_a_request_that_does_not_end(
    monkeypatch: pytest.MonkeyPatch, connect: Connect, served: Served
) -> None:
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.05)
    connected = connect()
    connected.sendall(b"POST /sse HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx")
    assert read_all(connected) == b""
    assert served.next_line() == "closed: a request did not come to its end"


def test_a_client_that_asks_nothing(monkeypatch: pytest.MonkeyPatch, connect: Connect) -> None:
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.05)
    assert read_all(connect()) == b""


@pytest.mark.parametrize("fail", ["stall", "none"])
def test_a_client_that_leaves_ends_the_answer(connect: Connect, served: Served, fail: str) -> None:
    """Also one that is not being written to; and the server goes on."""
    connected = connect()
    connected.sendall(f"GET /sse?fail={fail}&after=2&rate=5 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    read_until(connected, b"data:  two\n\n")
    connected.close()
    line = served.next_line()
    assert line.startswith(f"GET /sse?fail={fail}&after=2&rate=5: 200, ")
    assert line.endswith(" tokens, the client left")
    assert httpx.get(f"{served.url}/sse", trust_env=False).status_code == 200


def test_a_client_that_does_not_read_is_waited_for(connect: Connect, served: Served) -> None:
    """The socket is the back-pressure; leaving it ends the answer."""
    connected = connect()
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    # At a rate, for the buffers of some machines would take all of it before the client leaves.
    query = b"rate=2000&text=" + b"x" * 50_000
    connected.sendall(b"GET /openai-chat?" + query + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    read_until(connected, b"data: ")
    connected.close()
    assert served.next_line().endswith("tokens, the client left")


def test_a_bug_ends_one_connection_only(
    monkeypatch: pytest.MonkeyPatch, connect: Connect, served: Served
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(site.Site, "reply_to", broken)
        connected = connect()
        connected.sendall(GET + b"\r\n")
        assert read_all(connected) == b""
        assert "RuntimeError: a bug" in served.next_line()
    assert httpx.get(f"{served.url}/sse", trust_env=False).status_code == 200


# -- starting and stopping


def test_leaving_stops_it() -> None:
    with running_server() as url:
        assert httpx.get(f"{url}/sse", trust_env=False).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/sse", trust_env=False)


def test_leaving_stops_it_also_in_mid_answer_and_by_an_error() -> None:
    with (
        pytest.raises(ZeroDivisionError),
        running_server(Settings(fail="stall")) as url,
        httpx.Client(trust_env=False) as client,
        client.stream("GET", f"{url}/sse") as response,
    ):
        chunks = response.iter_bytes()
        next(chunks)
        raise ZeroDivisionError


def test_a_port_that_is_taken() -> None:
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as taken,
        pytest.raises(OSError),
        running_server(port=taken.getsockname()[1]),
    ):
        pass


@pytest.mark.parametrize("host", ["localhost", "::1"])
def test_other_names_of_loopback(host: str) -> None:
    if host == "::1":
        try:
            socket.create_server((host, 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("no IPv6 here")
    with running_server(host=host) as url:
        assert httpx.get(f"{url}/sse", trust_env=False).status_code == 200


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_inside_of_an_event_loop(backend: str) -> None:
    """It stops when it is told to, without cutting the answer that runs, and when cancelled."""

    async def use() -> bytes:
        stop = anyio.Event()
        async with anyio.create_task_group() as tasks:
            url = await tasks.start(
                partial(serve, Settings(text="one two"), stop=stop, grace=SECONDS)
            )
            async with (
                httpx.AsyncClient(trust_env=False) as client,
                client.stream("GET", f"{url}/sse?rate=100") as response,
            ):
                chunks = [chunk async for chunk in _stopping(response, stop)]
        async with anyio.create_task_group() as tasks:
            url = await tasks.start(serve)
            async with httpx.AsyncClient(trust_env=False) as client:
                assert (await client.get(f"{url}/sse")).status_code == 200
            tasks.cancel_scope.cancel()
        return b"".join(chunks)

    assert anyio.run(use, backend=backend) == b"data: one\n\ndata:  two\n\ndata: [DONE]\n\n"


async def _stopping(response: httpx.Response, stop: anyio.Event):
    async for chunk in response.aiter_bytes():
        stop.set()
        yield chunk
