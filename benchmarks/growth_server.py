"""Serves an endless answer to each of many clients, so many tokens a second, on time.

    python benchmarks/growth_server.py STREAMS RATE

One thread, no event loop: the streams take turns, each token at a due time of its own, spread
evenly, in a write and a chunk of HTTP of its own. The text of a token is the time of its write.
It prints its port, begins when all streams are there, and says how it did when the first client
leaves. It ends when its standard input does, at the latest.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import statistics
import sys
import threading
import time
from contextlib import suppress
from itertools import cycle

ADDRESSES = [f"127.0.0.{last}" for last in range(1, 9)]  # each has ports of its own
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
# As OpenAI's chunks are, about 290 bytes.
BEFORE = (
    b'data: {"id":"chatcmpl-Bx7Qm2LkZp0aVtYsWnUeRd5CgHjKf","object":"chat.completion.chunk",'
    b'"created":1784592268,"model":"gpt-5.1-2025-11-13","service_tier":"default",'
    b'"system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"'
)
BEHIND = b'"},"finish_reason":null}],"usage":null,"obfuscation":"Xv7bQ"}\n\n'
DIGITS = 20
CHUNK = b"%x\r\n%b%%020d%b\r\n" % (len(BEFORE) + DIGITS + len(BEHIND), BEFORE, BEHIND)


def main() -> None:
    streams, rate = int(sys.argv[1]), float(sys.argv[2])
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    listeners, port = listen()
    print(port, flush=True)
    threading.Thread(target=end_with_input, daemon=True).start()
    clients: list[socket.socket] = []
    for number in range(streams):  # the clients come in this order
        client, _ = listeners[number % len(listeners)].accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while b"\r\n\r\n" not in client.recv(65536, socket.MSG_PEEK):
            time.sleep(0.001)
        client.recv(65536)
        client.sendall(HEAD)
        clients.append(client)
    late, cpu = write_tokens(clients, rate)
    late = late[len(late) // 4 :]  # while the clients began
    percentiles = statistics.quantiles(late, n=100)
    told = {"server_core": cpu, "late_p50_ms": percentiles[49], "late_p99_ms": percentiles[98]}
    print(json.dumps(told), flush=True)


def listen() -> tuple[list[socket.socket], int]:
    """One socket for each address, all at one port."""
    listeners = [socket.create_server((ADDRESSES[0], 0), backlog=4096)]
    port = listeners[0].getsockname()[1]
    listeners += [socket.create_server((one, port), backlog=4096) for one in ADDRESSES[1:]]
    return listeners, port


def write_tokens(clients: list[socket.socket], rate: float) -> tuple[list[float], float]:
    """Write until a client leaves; how many ms late each token was, and which part of a core it
    took."""
    step = 1 / rate / len(clients)
    now = time.monotonic
    late: list[float] = []
    begun, used = now(), time.process_time()
    due = begun
    with suppress(OSError):
        for client in cycle(clients):
            wait = due - now()
            if wait > 0:
                time.sleep(wait)
            written = time.monotonic_ns()
            client.sendall(CHUNK % written)
            late.append(written / 1e6 - due * 1e3)
            due += step
    return late, (time.process_time() - used) / (now() - begun)


def end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
