"""A loopback server that a test controls byte by byte, and the wire forms of a body.

It runs in threads of its own, so that it serves clients of every colour. Nothing here sleeps: a
script waits for what the test signals or for what the client does, and fails after `PATIENCE`.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

PATIENCE = 20.0
"""Seconds after which a wait fails. No test that passes ever waits that long."""

BodyKind: TypeAlias = Literal["chunked", "length", "close"]
Coding: TypeAlias = Literal["identity", "gzip", "deflate"]
BODY_KINDS: tuple[BodyKind, ...] = ("chunked", "length", "close")
_WBITS = {"gzip": 31, "deflate": 15}


def head(*fields: str, status: str = "200 OK") -> bytes:
    """A response's head. Fields are whole lines, without their ends."""
    return "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *fields, "")).encode()


def encode(pieces: Sequence[bytes], coding: Coding) -> list[bytes]:
    """Each piece in its content coding, flushed, so that it can be decoded as soon as it is there."""
    if coding == "identity":
        return list(pieces)
    compressor = zlib.compressobj(wbits=_WBITS[coding])
    coded = [compressor.compress(p) + compressor.flush(zlib.Z_SYNC_FLUSH) for p in pieces]
    return [*coded[:-1], coded[-1] + compressor.flush()]


def chunk(piece: bytes) -> bytes:
    """One chunk of the chunked transfer coding."""
    return b"%x\r\n%s\r\n" % (len(piece), piece)


def answer(
    pieces: Sequence[bytes],
    body: BodyKind = "chunked",
    coding: Coding = "identity",
    *fields: str,
    status: str = "200 OK",
    media_type: str = "text/event-stream",
) -> list[bytes]:
    """A whole response, one element a piece; the head comes with the first, the end with the last."""
    sent = encode(pieces, coding)
    lines = [f"Content-Type: {media_type}", *fields]
    if coding != "identity":
        lines.append(f"Content-Encoding: {coding}")
    match body:
        case "chunked":
            lines.append("Transfer-Encoding: chunked")
            sent = [chunk(piece) for piece in sent]
            sent[-1] += b"0\r\n\r\n"
        case "length":
            lines.append(f"Content-Length: {sum(map(len, sent))}")
        case "close":
            lines.append("Connection: close")
    return [head(*lines, status=status) + sent[0], *sent[1:]]


class Peer:
    """The server's end of one connection, in the hands of a script."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection
        self.left = threading.Event()
        """The client closed its end."""

    def read_request(self) -> bytes | None:
        """The next request's head and body, or None once the client has left."""
        request = b""
        while b"\r\n\r\n" not in request:
            if not (received := self._receive()):
                return None
            request += received
        fields, _, body = request.partition(b"\r\n\r\n")
        length = next(
            (
                int(f[15:])
                for f in fields.lower().split(b"\r\n")
                if f.startswith(b"content-length:")
            ),
            0,
        )
        while len(body) < length:
            if not (received := self._receive()):
                return None
            body += received
        return fields + b"\r\n\r\n" + body

    def send(self, *pieces: bytes) -> None:
        """Send each piece with a call of its own."""
        for piece in pieces:
            self._connection.sendall(piece)

    def end(self) -> None:
        """Say that nothing follows, as a server does after a close-delimited body."""
        try:
            self._connection.shutdown(socket.SHUT_WR)
        except OSError:  # the client has left
            self.left.set()

    def reset(self) -> None:
        """Break the connection: the client gets a RST."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close()
        self.left.set()

    def wait_for_leaving(self) -> None:
        """Until the client closes its end."""
        while self._receive():
            pass

    def _receive(self) -> bytes:
        if self.left.is_set():
            return b""
        try:
            received = self._connection.recv(65536)
        except (ConnectionError, ssl.SSLError):  # the latter: it does not trust our certificate
            received = b""
        if not received:
            self.left.set()
        return received


Script: TypeAlias = Callable[[Peer], None]


def wait_for(event: threading.Event | threading.Semaphore) -> None:
    """Wait in a server's thread, or in a test that has no event loop to block."""
    done = (
        event.wait(PATIENCE)
        if isinstance(event, threading.Event)
        else event.acquire(timeout=PATIENCE)
    )
    assert done, "waited in vain"


class LiveServer:
    """Answers each request by running the script of the moment; see `play`.

    Leaving it fails if a script failed, or if a client did not close a connection.

    Args:
        port: Where to listen; 0 takes a free one.
        tls: Speak TLS, with this certificate.
    """

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self._tls = tls
        place = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"{'https' if tls else 'http'}://{place}/v1/chat/completions"
        self.peers: list[Peer] = []
        self.requests: list[bytes] = []
        self._script: Script = Peer.wait_for_leaving
        self._failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def play(self, script: Script) -> str:
        """Answer requests with this script from now on. Returns the URL to ask."""
        self._script = script
        return self.url

    def send(self, *pieces: bytes, end: bool = False) -> str:
        """`play` these pieces, then wait for the next request, or end the body by closing."""

        def script(peer: Peer) -> None:
            try:
                peer.send(*pieces)
            except ConnectionError:  # a client that knows enough may leave earlier
                peer.wait_for_leaving()
            if end and not peer.left.is_set():
                peer.end()

        return self.play(script)

    def wait_until_left(self) -> None:
        """Until every client has closed its end of every connection."""
        for peer in self.peers:
            wait_for(peer.left)

    def close(self) -> None:
        """Stop. Raises what scripts raised."""
        # Closing alone does not wake a thread in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a client leaked its connection, or a script hangs"
        self._listener.close()
        if self._failures:
            raise self._failures[0]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self._tls is not None:  # the handshake comes with the first read, in its own thread
                connection = self._tls.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
            peer = Peer(connection)
            self.peers.append(peer)
            thread = threading.Thread(target=self._serve, args=(connection, peer))
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: socket.socket, peer: Peer) -> None:
        with connection:
            try:
                while (request := peer.read_request()) is not None:
                    self.requests.append(request)
                    self._script(peer)
            except BaseException as failure:
                self._failures.append(failure)
            finally:
                peer.left.set()
