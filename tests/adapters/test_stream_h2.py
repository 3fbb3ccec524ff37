"""Answers over HTTP/2, which httpx speaks where h2 is there."""

from __future__ import annotations

import random
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from tests.adapters import test_h11_tls as tls
from tests.adapters.live import PATIENCE
from tests.effort import spread

from tokenwire import Data, Deadlines, Error, Event, Opened, Reconnecting, RetryPolicy
from tokenwire.adapters import httpx as adapter
from tokenwire.resume import NEVER

pytest.importorskip("h2", reason="h2 speaks HTTP/2")

import h2.config
import h2.connection
import h2.events
import hpack

certificate, trust = tls.certificate, tls.trust

pytestmark = pytest.mark.skipif(
    tls.OPENSSL is None, reason="openssl is there to make a certificate with"
)

TOTAL = 9  # events, of which each response brings so many:
PIECE = 2
HEAD = [(":status", "200"), ("content-type", "text/event-stream")]
AT_ONCE = RetryPolicy(initial_delay=0)


class Server:
    """Counts on from the last id, and breaks in the way that the path says."""

    def __init__(self, certificate: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._context.set_alpn_protocols(["h2"])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self.requests: list[dict[str, str]] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a client leaked its connection"
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,))
            thread.start()
            self._threads.append(thread)

    def _serve(self, plain: socket.socket) -> None:
        with suppress(OSError), self._context.wrap_socket(plain, server_side=True) as connection:
            state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
            state.initiate_connection()
            connection.sendall(state.data_to_send())
            while received := connection.recv(65536):
                for event in state.receive_data(received):
                    if isinstance(event, h2.events.RequestReceived):
                        fields = {n.decode(): v.decode() for n, v in event.headers or ()}
                        self.requests.append(fields)
                        if not self._answer(state, event.stream_id or 0, fields):
                            connection.sendall(state.data_to_send())
                            # Closed at once, with something unread, it would take back what it sent.
                            socket.socket.shutdown(connection, socket.SHUT_WR)
                            while connection.recv(65536):
                                pass
                            return
                connection.sendall(state.data_to_send())

    def _answer(self, state: Any, stream: int, fields: dict[str, str]) -> bool:
        """Is the connection still good?"""
        begin = int(fields.get("last-event-id", 0)) + 1
        if begin > TOTAL:
            state.send_headers(stream, [(":status", "204")], end_stream=True)
            return True
        state.send_headers(stream, HEAD)
        for number in range(begin, begin + PIECE):
            state.send_data(stream, b"id: %d\ndata: %d\n\n" % (number, number))
        match fields[":path"]:
            case "/end":
                state.end_stream(stream)
            case "/reset":
                state.reset_stream(stream)
            case "/drop":
                return False
            case _:  # "/silent"
                pass
        return True


@pytest.fixture
def server(certificate: Path) -> Iterator[Server]:
    server = Server(certificate)
    yield server
    server.close()


Read = Callable[..., list[Event]]


def data(event: Event) -> str:
    assert isinstance(event, Data)
    value: str = event.value
    return value


def read_sync(module: Any, trust: ssl.SSLContext, url: str, **options: Any) -> list[Event]:
    with (
        module.Client(trust_env=False, verify=trust, http2=True) as client,
        adapter.stream(client, "POST", url, content=b"{}", **options) as answer,
    ):
        return list(answer)


def read_async(
    module: Any, backend: str, trust: ssl.SSLContext, url: str, **options: Any
) -> list[Event]:
    async def main() -> list[Event]:
        async with (
            module.AsyncClient(trust_env=False, verify=trust, http2=True) as client,
            adapter.astream(client, "POST", url, content=b"{}", **options) as answer,
        ):
            return [event async for event in answer]

    return anyio.run(main, backend=backend)


READERS = {
    f"{module.__name__}{'-' if backend else ''}{backend}": (
        partial(read_async, module, backend) if backend else partial(read_sync, module)
    )
    for module in (httpx, httpx2)
    for backend in ("", "asyncio", "trio")
}


@pytest.fixture(params=list(READERS.values()), ids=list(READERS))
def read(request: pytest.FixtureRequest) -> Read:
    given: Read = request.param
    return given


@pytest.mark.parametrize("ends", ["end", "reset", "drop", "silent"])
def test_an_answer_in_pieces(read: Read, server: Server, trust: ssl.SSLContext, ends: str) -> None:
    events = read(
        trust,
        f"{server.url}/{ends}",
        dialect="event-stream",
        retry=AT_ONCE,
        errors="yield",
        deadlines=Deadlines(idle=0.1 if ends == "silent" else None),
    )
    numbers = [event.value for event in events if isinstance(event, Data)]
    assert numbers == [str(number) for number in range(1, TOTAL + 2)]
    assert sum(isinstance(event, Reconnecting) for event in events) == 5
    assert isinstance(events[-1], Error)
    assert events[-1].status == 204
    assert {fields[":method"] for fields in server.requests} == {"POST"}
    if ends in ("end", "reset"):
        assert server.connections == 1


@pytest.mark.parametrize("module", [httpx, httpx2])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("does", ["cancel", "restart"])
def test_woken_while_it_reads(
    module: Any, backend: str, does: str, server: Server, trust: ssl.SSLContext
) -> None:
    async def main() -> None:
        async with (
            module.AsyncClient(trust_env=False, verify=trust, http2=True) as client,
            adapter.astream(
                client, "GET", f"{server.url}/silent", dialect="event-stream"
            ) as answer,
        ):
            assert await anext(answer) == Opened()
            assert [data(await anext(answer)) for _ in range(PIECE)] == ["1", "2"]
            threading.Timer(0.05, getattr(answer, does)).start()
            if does == "cancel":
                assert [event async for event in answer] == []
            else:
                assert isinstance(await anext(answer), Reconnecting)
                assert isinstance(await anext(answer), Opened)
                assert data(await anext(answer)) == "3"  # and leave

    anyio.run(main, backend=backend)


# --- frames at random ---


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return (
        len(payload).to_bytes(3, "big")
        + bytes([kind, flags])
        + struct.pack(">I", stream & 0xFFFFFFFF)
        + payload
    )


def begun() -> bytes:
    """Settings, the head of a response, and an event."""
    fields = hpack.Encoder().encode(HEAD)
    return frame(4, 0, 0, b"") + frame(1, 4, 1, fields) + frame(0, 0, 1, b"id: 1\ndata: 1\n\n")


def strange(source: random.Random) -> bytes:
    """A few frames as nobody should send them."""
    encoder = hpack.Encoder()
    words = ["200", "100", "abc", "", "999", "\xff"]
    names = ["X", "a", "\xff", ":path", "te", "connection"]
    sent = b""
    for _ in range(source.randint(1, 6)):
        fields = [(":status", source.choice(words)), (source.choice(names), "v")]
        number = source.randrange(2**32)
        payload = source.choice(
            [
                b"",
                source.randbytes(source.randint(1, 40)),
                encoder.encode(fields),
                struct.pack(">I", number),
                struct.pack(">II", number, source.randrange(14)),
                struct.pack(">HI", source.randrange(8), number),
                b"id: 2\ndata: 2\n\n",
            ]
        )
        kind = source.choice([0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 200])
        flags = source.choice([0, 1, 4, 5, 8, 0x20, 0x2D, 255])
        sent += frame(kind, flags, source.choice([0, 1, 1, 1, 2, 3, 5, 2**31 - 1]), payload)
    return sent[: source.randrange(len(sent))] if source.random() < 0.2 else sent


class Stranger:
    """Speaks HTTP/2 without TLS; to the first request as it should, for a while."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.seed = 0
        self.seen = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with suppress(OSError), connection:
                connection.settimeout(PATIENCE)
                connection.recv(65536)
                if self.seed % 4:  # in mid-body, where nothing in the client expects it
                    connection.sendall(begun())
                    self.seen.wait(PATIENCE)
                connection.sendall(strange(random.Random(self.seed)))
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        self._listener.close()


OPTIONS: Any = {"dialect": "event-stream", "retry": NEVER, "errors": "yield"}
SEEDS = spread(range(60), 6)


def ask_stranger(module: Any, backend: str, server: Stranger) -> list[Event]:
    if not backend:
        with (
            module.Client(trust_env=False, http1=False, http2=True) as client,
            adapter.stream(client, "POST", server.url, content=b"{}", **OPTIONS) as answer,
        ):
            events = []
            for event in answer:
                events.append(event)
                server.seen.set()
            return events

    async def main() -> list[Event]:
        events = []
        async with (
            module.AsyncClient(trust_env=False, http1=False, http2=True) as client,
            adapter.astream(client, "POST", server.url, content=b"{}", **OPTIONS) as answer,
        ):
            async for event in answer:
                events.append(event)
                server.seen.set()
        return events

    return anyio.run(main, backend=backend)


@pytest.mark.parametrize("module", [httpx, httpx2])
@pytest.mark.parametrize("backend", ["", "asyncio", "trio"])
def test_frames_at_random_end_in_an_error(module: Any, backend: str) -> None:
    server = Stranger()
    try:
        for seed in SEEDS:
            server.seed = seed
            server.seen.clear()
            *_, last = ask_stranger(module, backend, server)
            assert isinstance(last, Error), seed
            assert last.kind in ("transport", "truncated", "http"), (seed, last)
    finally:
        server.close()
