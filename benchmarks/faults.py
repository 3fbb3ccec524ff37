"""Answers over real connections that break, by each HTTP client: gone on with, and not.

    python benchmarks/faults.py [--answers 200] [--seed 5] [--client NAME]

Each answer has a text of its own, and is asked for where a client can go on: by SSE ids,
``starting_after``, ``resume_from`` or a count of bytes. In one run 15 % of all requests fail, in
the other every answer does, mostly several times. What came is compared with what was generated,
to the letter. Each row has new servers; the seed decides what they do, alike for all clients.

netem.sh runs it over a bad network.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, nullcontext
from functools import partial
from random import Random
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlencode

import aiohttp
import anyio
import httpx
import httpx2
import requests
from msgspec import Struct

from tokenwire.adapters import aiohttp as aiohttp_adapter
from tokenwire.adapters import h11 as h11_adapter
from tokenwire.adapters import httpx as httpx_adapter
from tokenwire.adapters import requests as requests_adapter
from tokenwire.answer import Options
from tokenwire.events import Done, Event, Reconnecting, Token
from tokenwire.resume import Deadlines, RetryPolicy
from tokenwire.testserver import running_server

# --- what is asked for ---

PATHS: Final = {
    "sse": "/sse",
    "openai-responses": "/v1/responses",
    "positioned": "/positioned",
    "llamacpp": "/completion",
}
"""Dialects whose answers the test server keeps; each is gone on with in another way."""

WORDS: Final = ("Paris", "naïve", "東京", "👩‍🚀", "“yes”", "\\", "{", "\u2028", "\n", "", "42")

Fault: TypeAlias = dict[str, str | float]
"""Settings of the test server; see docs/server.md."""


class Trial(Struct, frozen=True):
    """One answer.

    Attributes:
        number: Of the answer.
        text: What it says.
        dialect: How it is written, and where it is asked for.
        fault: What befalls it.
    """

    number: int
    text: str
    dialect: str
    fault: Fault

    def request(self, server: str) -> dict[str, Any]:
        """Arguments for any adapter. The server lets be what a dialect has no use for."""
        query = urlencode({"text": self.text, "ids": 1, **self.fault}, quote_via=quote)
        return {
            "method": "POST",
            "url": f"{server}{PATHS[self.dialect]}?{query}",
            "content": b'{"stream": true, "background": true}',
            "headers": {
                "Content-Type": "application/json",
                "X-Conversation-Id": f"answer {self.number}",
            },
            "dialect": self.dialect,
        }

    def equals(self, events: list[Event]) -> bool:
        """Did it come whole, and once?"""
        return _text(events) == self.text and isinstance(events[-1], Done)


def _text(events: Iterable[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Token))


def _share(random: Random) -> Fault:
    """15 % of all requests fail; the server chooses which, and mostly how."""
    fail = random.choice(("none", "none", "none", "reset", "stall-with-heartbeats"))
    return {"fail_rate": 0.15, "fail": fail, "after": random.randrange(1, 9), "delay": 0.01}


def _all(random: Random) -> Fault:
    """Every answer fails, each of its connections some tokens further on."""
    fault: Fault = {"after": random.randrange(1, 12), "delay": 0.01}
    match random.randrange(6):
        case 0:  # so slow that it is given up, or only a byte at a time
            fault |= {"fail": "slow-drip", "fail_times": 2, "delay": random.choice((0, 0.1))}
        case 1:
            fault |= {"fail": "stall-with-heartbeats", "fail_times": 2}
        case 2:
            fault |= {"fail": "none", "fail_rate": 0.7}
        case _:
            fault["fail"] = random.choice(("reset", "half-close", "truncated-chunk"))
    return fault


def _network(random: Random) -> Fault:
    """The network fails; the answer takes the time for it to do so."""
    return {"rate": 50}


FAULTS: Final[dict[str, Callable[[Random], Fault]]] = {
    "15 %": _share,
    "all": _all,
    "network": _network,
}


def plan(faults: str, answers: int, seed: int) -> list[Trial]:
    """The answers of a run; the same seed gives the same ones."""
    random = Random(f"{faults} {seed}")
    dialects = list(PATHS)
    trials: list[Trial] = []
    for number in range(answers):
        dialect = dialects[number % len(dialects)]
        fault: Fault = {"seed": number, "retry_after": 0, **FAULTS[faults](random)}
        fault["cut"] = random.choice(("token", "line", "random"))
        if dialect != "llamacpp":  # without ids nobody can know bytes that come again
            fault["replay"] = random.choice(("exact", "exact", "inclusive", "restart"))
        text = " ".join(random.choices(WORDS, k=random.randrange(8, 30)))
        trials.append(Trial(number, text, dialect, fault))
    return trials


# --- who asks ---

AT_ONCE: Final = 20
"""Answers under way at the same time."""

Came: TypeAlias = dict[int, list[Event]]
"""By the number of the answer, the events of it."""

Read: TypeAlias = Callable[[str, list[Trial], Options], Came]
"""Asks a server for answers, all in one way."""


def _in_threads(opener: Any) -> Read:
    """With a sync client for each of several threads."""

    def read(server: str, trials: list[Trial], options: Options) -> Came:
        def work(trials: list[Trial]) -> Came:
            came: Came = {}
            with opener() as ask:
                for trial in trials:
                    with ask(**trial.request(server), **options) as answer:
                        came[trial.number] = list(answer)
            return came

        parts = [trials[at::AT_ONCE] for at in range(AT_ONCE)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return {number: came for part in pool.map(work, parts) for number, came in part.items()}

    return read


def _in_tasks(opener: Any, backend: str = "asyncio") -> Read:
    """With an async client for each of several tasks."""

    async def read(server: str, trials: list[Trial], options: Options) -> Came:
        came: Came = {}

        async def work(trials: list[Trial]) -> None:
            async with opener() as ask:
                for trial in trials:
                    async with ask(**trial.request(server), **options) as answer:
                        came[trial.number] = [event async for event in answer]

        async with anyio.create_task_group() as tasks:
            for at in range(AT_ONCE):
                tasks.start_soon(work, trials[at::AT_ONCE])
        return came

    return lambda server, trials, options: anyio.run(read, server, trials, options, backend=backend)


@contextmanager
def _httpx(module: Any) -> Generator[Any]:
    with module.Client(trust_env=False, verify=False) as client:
        yield partial(httpx_adapter.stream, client)


@asynccontextmanager
async def _async_httpx(module: Any) -> AsyncGenerator[Any]:
    async with module.AsyncClient(trust_env=False, verify=False) as client:
        yield partial(httpx_adapter.astream, client)


@contextmanager
def _requests() -> Generator[Any]:
    with requests.Session() as session:
        session.trust_env = False
        yield partial(requests_adapter.stream, session)


@asynccontextmanager
async def _aiohttp() -> AsyncGenerator[Any]:
    async with aiohttp.ClientSession() as session:
        yield partial(aiohttp_adapter.astream, session)


@asynccontextmanager
async def _h11() -> AsyncGenerator[Any]:
    yield partial(h11_adapter.astream, h11_adapter.Client())


CLIENTS: Final[dict[str, Read]] = {
    "httpx": _in_threads(partial(_httpx, httpx)),
    "httpx-asyncio": _in_tasks(partial(_async_httpx, httpx)),
    "httpx-trio": _in_tasks(partial(_async_httpx, httpx), "trio"),
    "httpx2": _in_threads(partial(_httpx, httpx2)),
    "httpx2-asyncio": _in_tasks(partial(_async_httpx, httpx2)),
    "httpx2-trio": _in_tasks(partial(_async_httpx, httpx2), "trio"),
    "requests": _in_threads(_requests),
    "aiohttp": _in_tasks(_aiohttp),
    "h11-asyncio": _in_tasks(_h11),
    "h11-trio": _in_tasks(_h11, "trio"),
}


# --- what came of it ---

# Half a second is long on one machine, and each stall costs as much.
_DEADLINES: Final = Deadlines(connect=5, progress=0.5)
RESUMING: Final[Options] = {
    # A reset may take away all that a connection brought: patience, but not over time.
    "retry": RetryPolicy(initial_delay=0.001, max_delay=0.05, max_attempts=1000),
    "deadlines": _DEADLINES,
    "errors": "yield",
}
PLAIN: Final[Options] = {
    "retry": RetryPolicy(max_attempts=0),
    "strategies": (),
    "deadlines": _DEADLINES,
    "errors": "yield",
}


class Row(Struct, frozen=True):
    """What a client made of a run.

    Attributes:
        answers: How many were asked for.
        unequal: Those that did not come as they were generated, with what came.
        reconnects: Of all answers.
        failed: How many are not equal where nobody goes on.
    """

    answers: int
    unequal: list[tuple[Trial, list[Event]]]
    reconnects: int
    failed: int


def measure(client: str, trials: list[Trial], server: str | None = None) -> Row:
    """Ask for all answers twice: going on with them, and not."""

    def read(options: Options) -> Came:
        with running_server() if server is None else nullcontext(server) as url:
            return CLIENTS[client](url, trials, options)

    came, plain = read(RESUMING), read(PLAIN)
    return Row(
        len(trials),
        [(trial, came[trial.number]) for trial in trials if not trial.equals(came[trial.number])],
        sum(isinstance(event, Reconnecting) for events in came.values() for event in events),
        sum(not trial.equals(plain[trial.number]) for trial in trials),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Read answers over connections that break.")
    parser.add_argument("--answers", type=int, default=200, help="by each client, in each run")
    parser.add_argument("--seed", type=int, default=5, help="chooses the answers and the faults")
    parser.add_argument("--client", action="append", choices=CLIENTS, help="all, unless given")
    parser.add_argument("--faults", action="append", choices=FAULTS, help="15 %% and all")
    parser.add_argument("--server", metavar="URL", help="instead of new ones on this machine")
    asked = parser.parse_args()
    line = "{:<15} {:<8} {:>7} {:>6} {:>11} {:>22}"
    print(line.format("client", "fails", "answers", "equal", "reconnects", "failed without resume"))
    started, unequal = time.monotonic(), 0
    for faults in asked.faults or ("15 %", "all"):
        trials = plan(faults, asked.answers, asked.seed)
        for client in asked.client or CLIENTS:
            row = measure(client, trials, asked.server)
            failed = f"{row.failed} ({row.failed / row.answers:.1%})"
            equal = row.answers - len(row.unequal)
            print(line.format(client, faults, row.answers, equal, row.reconnects, failed))
            sys.stdout.flush()
            unequal += len(row.unequal)
            for trial, events in row.unequal:
                print(f"{trial}\ngave {_text(events)!r}\nand ended with {events[-1]}")
    print(f"\nNot equal with resume: {unequal}. Took {time.monotonic() - started:.0f} s.")
    return 1 if unequal else 0


if __name__ == "__main__":
    sys.exit(main())
