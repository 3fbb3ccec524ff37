"""Every client in every colour, listening to an event source in a thread of its own."""

from __future__ import annotations

import queue
import threading
from base64 import b64encode
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
import anyio
import httpx
import httpx2
import requests
from msgspec import Struct
from tests.event_source.source import PATIENCE

from tokenwire import Data, Event, Heartbeat, Opened, Reconnecting
from tokenwire.adapters import aiohttp as aiohttp_adapter
from tokenwire.adapters import h11 as h11_adapter
from tokenwire.adapters import httpx as httpx_adapter
from tokenwire.adapters import requests as requests_adapter


class Listening:
    """What comes from an event source.

    Attributes:
        answer: The `Answer` or `AsyncAnswer`; only its methods for other threads may be called.
    """

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.came: queue.Queue[Event | BaseException | None] = queue.Queue()

    def next(self) -> Event:
        """The next event but for `Opened`; waits for it."""
        item = self.came.get(timeout=PATIENCE)
        if isinstance(item, Opened):
            item = self.came.get(timeout=PATIENCE)
        if isinstance(item, BaseException):
            raise item
        assert item is not None, "it has ended"
        return item

    def data(self, count: int) -> list[tuple[str, str, str]]:
        """Type, data and id of the next so many events, which must be nothing else."""
        told: list[tuple[str, str, str]] = []
        for _ in range(count):
            event = self.next()
            assert isinstance(event, Data), event
            assert event.frame is not None
            told.append((event.kind, event.value, event.frame.id or ""))
        return told

    def comment(self) -> str:
        event = self.next()
        assert isinstance(event, Heartbeat)
        assert event.frame is not None
        assert event.frame.comment is not None
        return event.text

    def reconnecting(self) -> Reconnecting:
        event = self.next()
        assert isinstance(event, Reconnecting), event
        return event

    def all(self) -> list[Event]:
        """What comes until it ends by itself; an exception is raised."""
        events: list[Event] = []
        while (item := self.came.get(timeout=PATIENCE)) is not None:
            if isinstance(item, BaseException):
                raise item
            events.append(item)
        return events


Run = Callable[[Callable[[Listening], None], str, str, dict[str, Any]], None]


def _sync(opener: Callable[..., Any], stream: Any) -> Run:
    def run(begin: Callable[[Listening], None], method: str, url: str, options: Any) -> None:
        with (
            opener(**options.pop("settings", {})) as client,
            stream(client, method, url, **options) as answer,
        ):
            listening = Listening(answer)
            begin(listening)
            for event in answer:
                listening.came.put(event)

    return run


def _async(backend: str, opener: Callable[..., Any], stream: Any) -> Run:
    def run(begin: Callable[[Listening], None], method: str, url: str, options: Any) -> None:
        async def main() -> None:
            async with (
                opener(**options.pop("settings", {})) as client,
                stream(client, method, url, **options) as answer,
            ):
                listening = Listening(answer)
                begin(listening)
                async for event in answer:
                    listening.came.put(event)

        anyio.run(main, backend=backend)

    return run


class Client(Struct, frozen=True):
    """A client in one colour."""

    name: str
    run: Run

    @contextmanager
    def listen(self, url: str, method: str = "GET", **options: Any) -> Iterator[Listening]:
        """Ask, and listen until the block is left."""
        begun: queue.Queue[Listening | BaseException] = queue.Queue()
        mine: list[Listening] = []

        def begin(listening: Listening) -> None:
            mine.append(listening)
            begun.put(listening)

        def run() -> None:
            end: BaseException | None = None
            try:
                self.run(begin, method, url, {"dialect": "event-stream", **options})
            except BaseException as error:
                end = error
            if mine:
                if end is not None:
                    mine[0].came.put(end)
                mine[0].came.put(None)
            else:
                begun.put(end or RuntimeError("it did not begin"))

        thread = threading.Thread(target=run)
        thread.start()
        listening = begun.get(timeout=PATIENCE)
        if isinstance(listening, BaseException):
            raise listening
        try:
            yield listening
        finally:
            listening.answer.cancel()
            thread.join(PATIENCE)
            assert not thread.is_alive(), "it cannot be cancelled"


@contextmanager
def _session(**settings: Any) -> Generator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        for name, value in settings.items():
            if name == "headers":
                session.headers.update(value)
            else:
                setattr(session, name, value)
        yield session


def _httpx(name: str) -> Callable[..., Any]:
    def opener(**settings: Any) -> Any:
        # Nothing here speaks TLS, and loading the certificates takes longer than the test.
        kind: Any = getattr(httpx2 if name.startswith("httpx2") else httpx, name.split(".")[1])
        return kind(trust_env=False, verify=False, **settings)

    return opener


@asynccontextmanager
async def _h11(**settings: Any) -> AsyncGenerator[h11_adapter.Client]:
    headers = dict(settings.get("headers", {}))
    if "auth" in settings:
        said = b64encode(":".join(settings["auth"]).encode()).decode()
        headers["Authorization"] = f"Basic {said}"
    yield h11_adapter.Client(headers=headers)


CLIENTS = [
    Client("httpx", _sync(_httpx("httpx.Client"), httpx_adapter.stream)),
    Client("httpx2", _sync(_httpx("httpx2.Client"), httpx_adapter.stream)),
    Client("requests", _sync(_session, requests_adapter.stream)),
    *(
        Client(
            f"{name}-{backend}",
            _async(backend, _httpx(f"{name}.AsyncClient"), httpx_adapter.astream),
        )
        for name in ("httpx", "httpx2")
        for backend in ("asyncio", "trio")
    ),
    Client("aiohttp", _async("asyncio", aiohttp.ClientSession, aiohttp_adapter.astream)),
    *(
        Client(f"h11-{backend}", _async(backend, _h11, h11_adapter.astream))
        for backend in ("asyncio", "trio")
    ),
]
