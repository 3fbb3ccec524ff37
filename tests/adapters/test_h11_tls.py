"""h11 over TLS, with a certificate made for the occasion."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import h11
import pytest
from anyio.abc import SocketAttribute, SocketStream
from tests.adapters.live import BodyKind, LiveServer, Peer, answer, chunk, head

from tokenwire import Done, Error, Event, Recovery, Token
from tokenwire.adapters.h11 import Client, aiter_events, stream
from tokenwire.resume import RetryPolicy

HELLO = b"data: Hello\n\n"
DONE = b"data: [DONE]\n\n"
CHUNKED = head("Content-Type: text/event-stream", "Transfer-Encoding: chunked")
OPENSSL = shutil.which("openssl")

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"]),
    pytest.mark.skipif(OPENSSL is None, reason="openssl is there to make a certificate with"),
]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file: a key, and a certificate of this machine that it signs itself."""
    folder = tmp_path_factory.mktemp("tls")
    key, own = folder / "key.pem", folder / "own.pem"
    subprocess.run(
        [
            *(OPENSSL or "", "req", "-x509", "-newkey", "ec", "-pkeyopt"),
            *("ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
            *("-keyout", key, "-out", own),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    both = folder / "both.pem"
    both.write_bytes(key.read_bytes() + own.read_bytes())
    return both


@pytest.fixture
def tls_server(certificate: Path, server: LiveServer) -> Iterator[LiveServer]:
    """A server that speaks TLS; the other one looks for what is leaked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = LiveServer(tls=context)
    yield server
    server.close()


@pytest.fixture
def trust(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate)


async def read(url: str, trust: ssl.SSLContext | None, dialect: str = "sse") -> list[Event]:
    """What comes of one try."""
    retry = RetryPolicy(max_attempts=0)
    client = Client(ssl_context=trust)
    async with stream(client, "GET", url, dialect=dialect, retry=retry, errors="yield") as events:
        return [event async for event in events]


async def until_left(server: LiveServer) -> None:
    await anyio.to_thread.run_sync(server.wait_until_left)


@pytest.mark.parametrize("end", [True, False])
async def test_a_whole_answer(tls_server: LiveServer, trust: ssl.SSLContext, end: bool) -> None:
    body: BodyKind = "close" if end else "chunked"
    url = tls_server.send(*answer([HELLO, DONE], body), end=end)
    assert url.startswith("https://")
    assert await read(url, trust) == [Token("Hello"), Done("stop")]
    await until_left(tls_server)


@pytest.mark.parametrize("tolerant", [True, False])
async def test_an_end_without_a_goodbye(
    tls_server: LiveServer, trust: ssl.SSLContext, tolerant: bool
) -> None:
    """It may be the end of the body, or somebody cut it; a context says what to take it for."""
    if tolerant:
        trust.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
    url = tls_server.send(*answer([HELLO], "close"), end=True)
    token, error = await read(url, trust)
    assert token == Token("Hello")
    assert isinstance(error, Error)
    assert error.kind == ("truncated" if tolerant else "transport")


async def test_what_is_complete_needs_no_goodbye(
    tls_server: LiveServer, trust: ssl.SSLContext
) -> None:
    url = tls_server.send(*answer([HELLO + DONE], "close"), end=True)
    assert await read(url, trust) == [Token("Hello"), Done("stop")]
    said = answer([b"slow down"], "close", status="429 Too Many", media_type="text/plain")
    (error,) = await read(tls_server.send(*said, end=True), trust)
    assert isinstance(error, Error)
    assert (error.kind, error.status) == ("http", 429)


async def test_a_body_that_says_goodbye_is_whole(
    tls_server: LiveServer, trust: ssl.SSLContext
) -> None:
    def script(peer: Peer) -> None:
        peer.send(*answer([b"Hello"], "close", media_type="text/plain"))
        assert isinstance(peer._connection, ssl.SSLSocket)
        peer._connection.unwrap()
        peer.left.set()

    assert await read(tls_server.play(script), trust, "text") == [Token("Hello"), Done()]


@pytest.mark.parametrize("finish", [Peer.end, Peer.reset])
async def test_a_connection_that_breaks(
    tls_server: LiveServer, trust: ssl.SSLContext, finish: object
) -> None:
    def script(peer: Peer) -> None:
        peer.send(CHUNKED + chunk(HELLO))
        assert callable(finish)
        finish(peer)

    *_, error = await read(tls_server.play(script), trust)
    assert isinstance(error, Error)
    assert error.kind == "transport"


async def test_bytes_that_are_no_tls(tls_server: LiveServer, trust: ssl.SSLContext) -> None:
    def script(peer: Peer) -> None:
        peer.send(CHUNKED + chunk(HELLO))
        socket.socket.sendall(peer._connection, chunk(HELLO))  # past the encryption

    token, error = await read(tls_server.play(script), trust)
    assert token == Token("Hello")
    assert isinstance(error, Error)
    assert error.kind == "transport"
    assert "SSLError" in error.message


@pytest.mark.parametrize("flaw", ["unknown", "of another host"])
async def test_a_certificate_that_is_not_trusted(
    tls_server: LiveServer, trust: ssl.SSLContext, flaw: str
) -> None:
    url = tls_server.send(*answer([HELLO, DONE]))
    if flaw == "unknown":
        (error,) = await read(url, None)
    else:
        (error,) = await read(url.replace("127.0.0.1", "localhost"), trust)
    assert isinstance(error, Error)
    assert (error.kind, error.recovery) == ("transport", Recovery.RETRY)
    assert "SSLCertVerificationError" in error.message
    await until_left(tls_server)
    assert tls_server.requests == []


async def test_a_handshake_that_breaks(trust: ssl.SSLContext) -> None:
    """The peer has no TLS, and hangs up."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")

    async def hang_up(client: SocketStream) -> None:
        async with client:
            await client.receive()

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, hang_up)
        url = f"https://127.0.0.1:{listener.extra(SocketAttribute.local_port)}/"
        for given in (trust, None):
            (error,) = await read(url, given)
            assert isinstance(error, Error)
            assert (error.kind, error.recovery) == ("transport", Recovery.RETRY)
            assert "handshake" in error.message
        tasks.cancel_scope.cancel()


async def test_cancelled_in_mid_stream(tls_server: LiveServer, trust: ssl.SSLContext) -> None:
    url = tls_server.play(lambda peer: peer.send(CHUNKED + chunk(HELLO)))
    client = Client(ssl_context=trust)
    with anyio.CancelScope() as scope:
        async with stream(client, "GET", url, dialect="sse") as events:
            async for event in events:
                assert event == Token("Hello")
                scope.cancel()
    assert scope.cancelled_caught
    await until_left(tls_server)


async def test_a_goodbye_that_nobody_answers(tls_server: LiveServer, trust: ssl.SSLContext) -> None:
    """A stream that ends TLS as its standard demands would wait for it for ever."""
    tls_server.play(lambda peer: peer.send(CHUNKED + chunk(HELLO) + chunk(b": more\n\n")))
    host, port = tls_server.url.split("/")[2].split(":")
    connection = h11.Connection(h11.CLIENT)
    polite = await anyio.connect_tcp(host, int(port), tls=True, ssl_context=trust)
    request = h11.Request(method="GET", target="/", headers=[("Host", host)])
    await polite.send(connection.send(request) or b"")
    connection.send(h11.EndOfMessage())
    with anyio.fail_after(20):
        async with aiter_events(connection, polite, "sse") as events:
            assert await anext(events) == Token("Hello")
    await until_left(tls_server)
