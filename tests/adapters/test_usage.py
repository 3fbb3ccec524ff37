"""The shortest use of each adapter, and what it says to a wrong one."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, cast

import aiohttp
import anyio
import httpx
import httpx2
import pytest
import requests
from tests.adapters.live import LiveServer, answer

from tokenwire import Limits, StreamError, Token, UnknownDialectError
from tokenwire.adapters.aiohttp import aiter_events as aiter_aiohttp
from tokenwire.adapters.httpx import aiter_events, iter_events
from tokenwire.adapters.requests import iter_events as iter_requests

REQUEST: dict[str, Any] = {"model": "any", "messages": [], "stream": True}
HEADERS = {"Accept-Encoding": "identity"}
MODULES = [pytest.param(module, id=module.__name__) for module in (httpx, httpx2)]


@pytest.fixture
def url(server: LiveServer) -> str:
    """A service that answers ``Hello, world`` as openai-chat does."""
    payloads: list[dict[str, Any]] = [
        {"id": "c1", "choices": [{"index": 0, "delta": {"content": "Hello, "}}]},
        {"id": "c1", "choices": [{"index": 0, "delta": {"content": "world"}}]},
        {"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ]
    frames = [f"data: {json.dumps(payload)}\n\n".encode() for payload in payloads]
    return server.send(*answer([*frames, b"data: [DONE]\n\n"]))


def test_requests(url: str) -> None:
    text = ""
    with requests.post(url, json=REQUEST, headers=HEADERS, stream=True, timeout=60) as response:
        for event in iter_requests(response, "openai-chat"):
            if isinstance(event, Token):
                text += event.text
    assert text == "Hello, world"


@pytest.mark.parametrize("module", MODULES)
def test_httpx(module: Any, url: str) -> None:
    text = ""
    with module.stream("POST", url, json=REQUEST, headers=HEADERS, trust_env=False) as response:
        for event in iter_events(response, "openai-chat"):
            if isinstance(event, Token):
                text += event.text
    assert text == "Hello, world"


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
@pytest.mark.parametrize("module", MODULES)
async def test_httpx_async(module: Any, url: str) -> None:
    text = ""
    async with (
        module.AsyncClient(trust_env=False) as client,
        client.stream("POST", url, json=REQUEST, headers=HEADERS) as response,
        aiter_events(response, "openai-chat") as events,
    ):
        async for event in events:
            if isinstance(event, Token):
                text += event.text
    assert text == "Hello, world"


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_aiohttp(url: str) -> None:
    text = ""
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json=REQUEST, headers=HEADERS) as response,
        aiter_aiohttp(response, "openai-chat") as events,
    ):
        async for event in events:
            if isinstance(event, Token):
                text += event.text
    assert text == "Hello, world"


def join(events: Any) -> str:
    return "".join(event.text for event in events if isinstance(event, Token))


def test_a_body_that_was_read_before(url: str) -> None:
    assert join(iter_requests(requests.post(url, json=REQUEST, timeout=60), "openai-chat")) == (
        "Hello, world"
    )
    for module in (httpx, httpx2):
        response = module.post(url, json=REQUEST, trust_env=False)
        assert join(iter_events(response, "openai-chat")) == "Hello, world"


def test_a_body_that_was_read_before_async(url: str) -> None:
    async def read_httpx(module: Any) -> str:
        async with module.AsyncClient(trust_env=False) as client:
            response = await client.post(url, json=REQUEST)
            async with aiter_events(response, "openai-chat") as events:
                return join([event async for event in events])

    async def read_aiohttp() -> str:
        async with aiohttp.ClientSession() as session, session.post(url, json=REQUEST) as response:
            await response.read()
            async with aiter_aiohttp(response, "openai-chat") as events:
                return join([event async for event in events])

    for module in (httpx, httpx2):
        for backend in ("asyncio", "trio"):
            assert anyio.run(read_httpx, module, backend=backend) == "Hello, world"
    assert anyio.run(read_aiohttp) == "Hello, world"


def test_limits_are_passed_on(url: str) -> None:
    with (
        requests.post(url, json=REQUEST, stream=True, timeout=60) as response,
        pytest.raises(StreamError, match="max_event_size"),
    ):
        list(iter_requests(response, "openai-chat", limits=Limits(max_event_size=10)))


@pytest.mark.parametrize("module", MODULES)
def test_what_is_wrong_is_said_at_once(module: Any) -> None:
    response = module.Response(200)
    with pytest.raises(UnknownDialectError, match="openai-chat"):
        iter_events(response, "openai")
    with pytest.raises(ValueError, match="errors must be"):
        iter_events(response, "sse", errors=cast(Any, "ignore"))
    with pytest.raises(TypeError, match="not Response"):
        iter_events(cast(Any, requests.Response()), "sse")


@pytest.mark.parametrize("module", MODULES)
def test_a_response_of_the_other_colour_is_refused_by_the_client(module: Any) -> None:
    async def body() -> Any:
        yield b"data: [DONE]\n\n"

    response = module.Response(200, content=body(), headers={"Content-Type": "text/event-stream"})
    with pytest.raises(TypeError, match="of an AsyncClient: read it with aiter_events"):
        iter_events(response, "sse")
    response = module.Response(200, content=iter([b"data: [DONE]\n\n"]))
    with pytest.raises(TypeError, match="of a Client: read it with iter_events"):
        aiter_events(response, "sse")


@pytest.mark.parametrize("module", MODULES)
def test_a_subclass_is_a_response_too(module: Any) -> None:
    subclass: Any = type("Cached", (module.Response,), {})
    response = subclass(200, headers={"Content-Type": "text/event-stream"}, content=b"data: a\n\n")
    assert next(iter_events(response, "sse")) == Token("a")


def test_the_httpx_adapter_imports_no_client() -> None:
    code = (
        "import sys, tokenwire.adapters, tokenwire.adapters.httpx\n"
        "print(sorted({'httpx', 'httpx2', 'aiohttp', 'requests'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"
