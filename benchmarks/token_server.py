"""Serves one answer to every request: a write and a chunk of HTTP for each token.

    python benchmarks/token_server.py TOKENS SECONDS

It prints its port, waits SECONDS between two tokens (0: none), and ends when its standard input
does, so that it never outlives who started it.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
import time
from contextlib import suppress

import bodies

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


def main() -> None:
    tokens, seconds = int(sys.argv[1]), float(sys.argv[2])
    frames = bodies.openai_chat(tokens).frames
    writes = [HEAD, *(b"%x\r\n%b\r\n" % (len(frame), frame) for frame in frames), b"0\r\n\r\n"]
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=accept, args=(listener, writes, seconds), daemon=True).start()
    sys.stdin.read()
    os._exit(0)


def accept(listener: socket.socket, writes: list[bytes], seconds: float) -> None:
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, writes, seconds), daemon=True).start()


def serve(client: socket.socket, writes: list[bytes], seconds: float) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with client, suppress(OSError):  # the client has gone
        while read_request(client):
            due = time.monotonic()
            for write in writes:
                if seconds:
                    due += seconds
                    time.sleep(max(0.0, due - time.monotonic()))
                client.sendall(write)


def read_request(client: socket.socket) -> bool:
    """Read one; say whether one came."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = client.recv(65536)
        if not data:
            return False
        received += data
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length: *(\d+)", head)
    missing = int(length[1]) - len(body) if length else 0
    while missing > 0:
        missing -= len(client.recv(65536))
    return True


if __name__ == "__main__":
    main()
