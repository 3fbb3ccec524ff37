"""The built-in test server: it answers like an AI service, and fails on demand.

Use `running_server` in tests of any kind and `serve` inside of your own event loop; the command is
``tokenwire serve``. It needs h11 and anyio, as ``tokenwire[h11]`` or ``tokenwire[cli]`` bring them.
"""

from __future__ import annotations

import traceback
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Final

import anyio
from anyio.abc import SocketAttribute, SocketStream, TaskStatus
from anyio.from_thread import start_blocking_portal

from tokenwire.testserver.connection import Connection
from tokenwire.testserver.settings import Settings
from tokenwire.testserver.site import Log, Site
from tokenwire.testserver.turns import Turns

__all__ = ["Settings", "running_server", "serve"]

DEFAULTS: Final = Settings()


async def serve(
    settings: Settings = DEFAULTS,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    stop: anyio.Event | None = None,
    grace: float = 2.0,
    log: Log | None = None,
    task_status: TaskStatus[str] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until ``stop`` is set, or until cancelled. Runs on asyncio and on trio.

    Start it with ``url = await task_group.start(serve, settings)``: it is ready then.

    Args:
        settings: How to answer where a request's query does not say.
        host: Where to listen. Anybody who can reach it can use it; leave it on loopback.
        port: 0 takes a free one.
        stop: Ends it: no new requests, running answers get ``grace`` seconds.
        grace: Seconds.
        log: Takes a line for each request.
        task_status: Told the base URL.

    Raises:
        OSError: The address cannot be listened on.
    """
    site, turns = Site(settings, log), Turns()

    async def converse(stream: SocketStream) -> None:
        try:
            await Connection(stream, site, turns).converse()
        except Exception:  # a bug here must not end the other connections
            site.log(traceback.format_exc())

    async with await anyio.create_tcp_listener(local_host=host, local_port=port) as listener:
        name = f"[{host}]" if ":" in host else host
        async with anyio.create_task_group() as connections:
            async with anyio.create_task_group() as accepting:
                accepting.start_soon(listener.serve, converse, connections)
                task_status.started(f"http://{name}:{listener.extra(SocketAttribute.local_port)}")
                await (stop or anyio.Event()).wait()
                accepting.cancel_scope.cancel()
            await listener.aclose()
            await turns.stop(grace)
            connections.cancel_scope.cancel()


@contextmanager
def running_server(
    settings: Settings = DEFAULTS,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    log: Log | None = None,
) -> Generator[str, None, None]:
    """Run the server in a thread of its own and give its base URL; leaving stops it at once.

    Args:
        settings: How to answer where a request's query does not say.
        host: Where to listen.
        port: 0 takes a free one.
        log: Takes a line for each request, in the server's thread.

    Raises:
        OSError: The address cannot be listened on.
    """
    with start_blocking_portal("asyncio") as portal:
        stop = portal.call(anyio.Event)
        started = partial(serve, settings, host=host, port=port, stop=stop, grace=0.0, log=log)
        running, url = portal.start_task(started)
        try:
            yield url
        finally:
            portal.call(stop.set)
            running.result()
