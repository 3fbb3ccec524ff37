"""Reads many streams at once in one process, and prints what that took; started by growth.py.

python benchmarks/growth_client.py CLIENT PORT STREAMS WARM SECONDS
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterable, Callable, Coroutine
from pathlib import Path
from typing import Any

from growth_server import ADDRESSES

from tokenwire import Event, Token

DIALECT = "openai-chat"


class Tally:
    """What was received while it counts.

    Attributes:
        delays: Of each token, nanoseconds from its write to its event.
        begun: How many streams have given their first token.
    """

    def __init__(self) -> None:
        self.delays: list[int] = []
        self.begun = 0

    async def read(self, events: AsyncIterable[Event]) -> None:
        now, first = time.monotonic_ns, True
        async for event in events:
            match event:
                case Token(text=written):
                    self.delays.append(now() - int(written))
                    if first:
                        self.begun, first = self.begun + 1, False


Connect = Callable[[str, int, Tally], Coroutine[Any, Any, asyncio.Task[None]]]


async def aiohttp_client() -> tuple[Connect, Callable[[], Coroutine[Any, Any, None]]]:
    import aiohttp

    from tokenwire.adapters.aiohttp import aiter_events

    connector = aiohttp.TCPConnector(limit=0)
    session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout())

    async def connect(host: str, port: int, tally: Tally) -> asyncio.Task[None]:
        response = await session.get(f"http://{host}:{port}/")
        return asyncio.create_task(tally.read(aiter_events(response, DIALECT)))

    return connect, session.close


async def h11_client() -> tuple[Connect, Callable[[], Coroutine[Any, Any, None]]]:
    import anyio
    import h11

    from tokenwire.adapters.h11 import aiter_events

    async def connect(host: str, port: int, tally: Tally) -> asyncio.Task[None]:
        connection = h11.Connection(h11.CLIENT)
        request = h11.Request(method="GET", target="/", headers=[("host", host)])
        stream = await anyio.connect_tcp(host, port)
        sent = connection.send(request), connection.send(h11.EndOfMessage())
        await stream.send(b"".join(part or b"" for part in sent))
        return asyncio.create_task(tally.read(aiter_events(connection, stream, DIALECT)))

    async def close() -> None:
        pass

    return connect, close


CLIENTS = {"aiohttp": aiohttp_client, "h11": h11_client}


async def run(client: str, port: int, streams: int, warm: float, seconds: float) -> dict[str, Any]:
    connect, close = await CLIENTS[client]()
    tally = Tally()
    gc.collect()
    before = resident()
    tasks = [
        await connect(ADDRESSES[number % len(ADDRESSES)], port, tally) for number in range(streams)
    ]
    gc.collect()
    gc.freeze()  # or each full collection walks through all streams; see docs/performance.md
    await asyncio.sleep(warm)
    memory = resident() - before
    tally.delays.clear()
    begun, used = time.monotonic(), time.process_time()
    await asyncio.sleep(seconds)
    used, taken = time.process_time() - used, time.monotonic() - begun
    delays = [delay / 1e6 for delay in tally.delays]
    failed = [task.exception() for task in tasks if task.done()]
    if failed:
        raise RuntimeError(f"{len(failed)} streams ended, the first with {failed[0]!r}")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await close()
    percentiles = statistics.quantiles(delays, n=100)
    return {
        "tokens_a_second": len(delays) / taken,
        "silent": streams - tally.begun,
        "cpu_us": used / len(delays) * 1e6,
        "core": used / taken,
        "memory_kib": memory / streams / 1024,
        "delay_p50_ms": percentiles[49],
        "delay_p99_ms": percentiles[98],
    }


def resident() -> int:
    """Bytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    client, port, streams = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    warm, seconds = float(sys.argv[4]), float(sys.argv[5])
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(json.dumps(asyncio.run(run(client, port, streams, warm, seconds))))


if __name__ == "__main__":
    main()
