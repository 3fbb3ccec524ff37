"""Over HTTP on this machine: what a token costs the client, from the socket to the event.

The server is a process of its own. Every token is a write and a chunk of HTTP, as services send
them: as fast as the socket takes it, or one in each half millisecond, so that no client finds two
at once. Only the client's CPU time counts, the system's share in it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import bodies
import msgspec
from table import OURS, Demand, Row
from timing import Contender, InPython, Scale, measure
from tokens import OPENAI_SDK, QUESTION, texts_of_openai

from tokenwire import Event, Token

FAMILY = "Over loopback HTTP, a token a write"
DIALECT = "openai-chat"
DEMANDS = {"httpx": 8.0, "aiohttp": 15.0, "requests": 8.0, "h11": 8.0}
PACES = {"as fast as it goes": 0.0, "one each 0.5 ms": 0.0005}  # seconds a token
SERVER = Path(__file__).with_name("token_server.py")
HEADERS = {"content-type": "application/json"}
ASKED = msgspec.json.encode({"stream": True, **QUESTION})

Read = Callable[[], list[str]]


def rows(scale: Scale) -> Iterator[Row]:
    """A row for each adapter and pace; of a pace, all were measured in the same rounds."""
    for pace, seconds in PACES.items():
        tokens = scale.tokens // 4 if seconds else scale.tokens
        texts = bodies.openai_chat(tokens).texts
        with token_server(tokens, seconds) as port, ExitStack() as stack:
            url = f"http://127.0.0.1:{port}/v1/chat/completions"
            everyone: list[Contender] = [
                InPython(name, open_(url, stack), texts)
                for name, open_ in CLIENTS.items()
                if is_there(name.partition(" ")[0])
            ]
            results = measure(everyone, tokens, scale)
        for name, bound in DEMANDS.items():
            if name in results:
                pair = {OURS: results[name]}
                if OPENAI_SDK in results:
                    pair[OPENAI_SDK] = results[OPENAI_SDK]
                # Where each token wakes the client, no parser decides what it costs.
                demands = [] if seconds else [Demand(bound, (OPENAI_SDK,), faster=True)]
                yield Row(FAMILY, f"{name}, {pace}", "µs a token", pair, demands)


def is_there(module: str) -> bool:
    """Is it installed, and not another in its place?"""
    if module == "requests" and find_spec("urllib3") is not None:
        import urllib3

        # urllib3-future can put itself there, and is not what users of requests mostly have.
        if getattr(urllib3, "__version__", "") != version("urllib3"):
            return False
    return find_spec(module) is not None


@contextmanager
def token_server(tokens: int, seconds: float) -> Iterator[int]:
    """A server for as long as the block runs; its port."""
    command = [sys.executable, str(SERVER), str(tokens), str(seconds)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


def texts_of(events: Iterable[Event]) -> list[str]:
    texts: list[str] = []
    for event in events:
        match event:
            case Token(text=text):
                texts.append(text)
    return texts


async def atexts_of(events: AsyncIterable[Event]) -> list[str]:
    texts: list[str] = []
    async for event in events:
        match event:
            case Token(text=text):
                texts.append(text)
    return texts


# --- the clients: each is made once, and asks once in each pass ---


def open_httpx(url: str, stack: ExitStack) -> Read:
    import httpx

    from tokenwire.adapters.httpx import iter_events

    client = stack.enter_context(httpx.Client(trust_env=False))

    def read() -> list[str]:
        with client.stream("POST", url, content=ASKED, headers=HEADERS) as response:
            return texts_of(iter_events(response, DIALECT))

    return read


def open_requests(url: str, stack: ExitStack) -> Read:
    import requests

    from tokenwire.adapters.requests import iter_events

    session = stack.enter_context(requests.Session())
    session.trust_env = False

    def read() -> list[str]:
        with session.post(url, data=ASKED, headers=HEADERS, stream=True) as response:
            return texts_of(iter_events(response, DIALECT))

    return read


def open_aiohttp(url: str, stack: ExitStack) -> Read:
    import aiohttp

    from tokenwire.adapters.aiohttp import aiter_events

    async def make() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    runner = stack.enter_context(asyncio.Runner())
    session = runner.run(make())
    stack.callback(lambda: runner.run(session.close()))

    async def aread() -> list[str]:
        async with session.post(url, data=ASKED, headers=HEADERS) as response:
            return await atexts_of(aiter_events(response, DIALECT))

    return lambda: runner.run(aread())


def open_h11(url: str, stack: ExitStack) -> Read:
    import anyio
    import h11

    from tokenwire.adapters.h11 import aiter_events

    runner = stack.enter_context(asyncio.Runner())
    parts = urlsplit(url)
    length = str(len(ASKED))
    headers = {**HEADERS, "host": parts.netloc, "content-length": length}
    request = h11.Request(method="POST", target=parts.path, headers=list(headers.items()))

    async def aread() -> list[str]:
        connection = h11.Connection(h11.CLIENT)
        message = (request, h11.Data(data=ASKED), h11.EndOfMessage())
        sent = b"".join(connection.send(part) or b"" for part in message)
        async with await anyio.connect_tcp(parts.hostname or "", parts.port or 80) as stream:
            await stream.send(sent)
            return await atexts_of(aiter_events(connection, stream, DIALECT))

    return lambda: runner.run(aread())


def open_sdk(url: str, stack: ExitStack) -> Read:
    from openai import OpenAI

    base_url = url.removesuffix("/chat/completions")
    client = stack.enter_context(OpenAI(api_key="none", base_url=base_url, max_retries=0))
    return lambda: texts_of_openai(client.chat.completions.create(stream=True, **QUESTION))


CLIENTS: dict[str, Callable[[str, ExitStack], Read]] = {
    "httpx": open_httpx,
    "aiohttp": open_aiohttp,
    "requests": open_requests,
    "h11": open_h11,
    OPENAI_SDK: open_sdk,
}
