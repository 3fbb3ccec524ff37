"""A server of event streams whose every connection is in the hands of a test."""

from __future__ import annotations

import queue
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

from msgspec import Struct

PATIENCE = 20  # seconds; a test that waits so long has failed

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def response(status: int, *fields: str, body: bytes = b"") -> bytes:
    """A whole response."""
    lines = [f"HTTP/1.1 {status} Because", *fields, f"Content-Length: {len(body)}"]
    if status == 204:
        lines.pop()
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Asked(Struct):
    """A request, and the connection on which it came."""

    method: str
    target: str
    fields: dict[str, bytes]
    body: bytes
    socket: socket.socket
    left: threading.Event

    @property
    def last_id(self) -> bytes | None:
        return self.fields.get("last-event-id")

    def send(self, *pieces: bytes) -> None:
        """Chunks of the body, each in a packet of its own."""
        for piece in pieces:
            self.socket.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))

    def end(self) -> None:
        """The body ends as it should; the connection may serve another request."""
        self.socket.sendall(b"0\r\n\r\n")

    def close(self) -> None:
        """The connection ends, and the body with it, wherever it is. It is not to be used again."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """The connection breaks."""
        # Linux sends a RST for `close` only once nobody reads; this one does so at once.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.shutdown(socket.SHUT_RD)
        self.socket.close()

    def wait_until_left(self) -> None:
        assert self.left.wait(PATIENCE), "the client did not leave"


class Endpoint:
    """One address of the server.

    Args:
        reply: What is sent as soon as a request came: by itself the head of an event stream.
    """

    def __init__(self, url: str, reply: Callable[[Asked], bytes] | bytes) -> None:
        self.url = url
        self.reply = reply
        self.all: list[Asked] = []
        self._new: queue.Queue[Asked] = queue.Queue()

    def came(self, asked: Asked) -> None:
        self.all.append(asked)
        reply = self.reply(asked) if callable(self.reply) else self.reply
        if reply:
            with suppress(OSError):  # who restarts may be gone
                asked.socket.sendall(reply)
        self._new.put(asked)

    def take(self) -> Asked:
        """The next request; waits for it."""
        return self._new.get(timeout=PATIENCE)

    @property
    def is_quiet(self) -> bool:
        """Nobody has asked since the last `take`."""
        return self._new.empty()


class Source:
    """Listens on a port of its own."""

    def __init__(self, *, host: str = "127.0.0.1") -> None:
        self._listener = socket.create_server((host, 0), backlog=128)
        self._origin = f"http://{host}:{self._listener.getsockname()[1]}"
        self._endpoints: dict[str, Endpoint] = {}
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def endpoint(self, reply: Callable[[Asked], bytes] | bytes = HEAD) -> Endpoint:
        path = f"/{len(self._endpoints)}"
        self._endpoints[path] = Endpoint(self._origin + path, reply)
        return self._endpoints[path]

    def close(self) -> None:
        """Fails if a client still holds a connection."""
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
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(connection,))
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        left = threading.Event()
        with connection, suppress(OSError):
            file = connection.makefile("rb")
            while line := file.readline():
                method, target, _ = line.decode("ascii").split()
                fields: dict[str, bytes] = {}
                while field := file.readline().rstrip(b"\r\n"):
                    name, _, value = field.partition(b":")
                    assert name.lower().decode() not in fields, f"{name!r} was sent twice"
                    fields[name.lower().decode()] = value.strip()
                body = file.read(int(fields.get("content-length", 0)))
                asked = Asked(method, target, fields, body, connection, left)
                self._endpoints[target.partition("?")[0]].came(asked)
        left.set()
