"""`stream` and `astream`: whole answers over real connections that break."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from functools import partial
from typing import Any, cast

import aiohttp
import anyio
import httpx
import httpx2
import pytest
import requests
from msgspec import Struct
from tests.adapters.live import PATIENCE, LiveServer, Peer, answer, chunk, head, wait_for

from tokenwire import Completion, Done, Error, Event, Reconnecting, StreamError, Token
from tokenwire.adapters import aiohttp as aiohttp_adapter
from tokenwire.adapters import h11 as h11_adapter
from tokenwire.adapters import httpx as httpx_adapter
from tokenwire.adapters import requests as requests_adapter
from tokenwire.answer import Answer, AsyncAnswer
from tokenwire.resume import Deadlines, RetryPolicy
from tokenwire.resume.checkpoint import Checkpoint
from tokenwire.testserver import Settings, running_server

TEXT = "Every word of it, and each of them once: naïve, 東京, 🙂."
AT_ONCE = RetryPolicy(initial_delay=0, max_attempts=50)
CHUNKED = head("Content-Type: text/event-stream", "Transfer-Encoding: chunked")
HELLO = b'data: {"token": "Hello", "position": 0}\n\n'


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with running_server(Settings(text=TEXT)) as url:
        yield url


# Each opens a client, and gives what asks with it.


@contextmanager
def with_httpx(module: Any, **settings: Any) -> Generator[Callable[..., Answer]]:
    with module.Client(trust_env=False, verify=False, **settings) as client:
        yield partial(httpx_adapter.stream, client)


@contextmanager
def with_requests(**settings: Any) -> Generator[Callable[..., Answer]]:
    with requests.Session() as session:
        session.trust_env = False
        session.headers.update(settings.get("headers", {}))
        session.auth = settings.get("auth")
        yield partial(requests_adapter.stream, session)


SYNC: dict[str, Callable[..., AbstractContextManager[Callable[..., Answer]]]] = {
    "httpx": partial(with_httpx, httpx),
    "httpx2": partial(with_httpx, httpx2),
    "requests": with_requests,
}


class Client(Struct, frozen=True):
    """A client in one colour.

    Attributes:
        read: Ask with these arguments; what came, and the answer after it.
    """

    name: str
    read: Callable[..., tuple[list[Event], Any]]


def read_sync(
    opener: Any, *request: Any, settings: dict[str, Any] | None = None, **options: Any
) -> tuple[list[Event], Answer]:
    with opener(**(settings or {})) as ask, ask(*request, **options) as answer:
        return list(answer), answer


def read_async(
    backend: str,
    opener: Any,
    ask: Any,
    *request: Any,
    settings: dict[str, Any] | None = None,
    **options: Any,
) -> tuple[list[Event], AsyncAnswer]:
    async def read() -> tuple[list[Event], AsyncAnswer]:
        async with opener(**(settings or {})) as client, ask(client, *request, **options) as answer:
            return [event async for event in answer], answer

    return anyio.run(read, backend=backend)


def open_async(module: Any, **settings: Any) -> AbstractAsyncContextManager[Any]:
    client: AbstractAsyncContextManager[Any] = module.AsyncClient(
        trust_env=False, verify=False, **settings
    )
    return client


@asynccontextmanager
async def open_h11(**settings: Any) -> AsyncGenerator[h11_adapter.Client]:
    headers = dict(settings.get("headers", {}))
    if "auth" in settings:
        said = b64encode(":".join(settings["auth"]).encode()).decode()
        headers["Authorization"] = f"Basic {said}"
    yield h11_adapter.Client(headers=headers)


ASYNC: dict[str, tuple[str, Any, Any]] = {
    "httpx-asyncio": ("asyncio", partial(open_async, httpx), httpx_adapter.astream),
    "httpx-trio": ("trio", partial(open_async, httpx), httpx_adapter.astream),
    "httpx2-asyncio": ("asyncio", partial(open_async, httpx2), httpx_adapter.astream),
    "httpx2-trio": ("trio", partial(open_async, httpx2), httpx_adapter.astream),
    "aiohttp": ("asyncio", aiohttp.ClientSession, aiohttp_adapter.astream),
    "h11-asyncio": ("asyncio", open_h11, h11_adapter.astream),
    "h11-trio": ("trio", open_h11, h11_adapter.astream),
}

REUSING = {*SYNC, *(name for name in ASYNC if not name.startswith("h11"))}

EVERY = [
    *(Client(name, partial(read_sync, opener)) for name, opener in SYNC.items()),
    *(Client(name, partial(read_async, *how)) for name, how in ASYNC.items()),
]


@pytest.fixture(params=EVERY, ids=lambda client: client.name)
def every(request: pytest.FixtureRequest) -> Client:
    given: Client = request.param
    return given


@pytest.fixture(params=list(SYNC.values()), ids=list(SYNC))
def opener(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=list(ASYNC.values()), ids=list(ASYNC))
def asking(request: pytest.FixtureRequest) -> Any:
    return request.param


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Token))


def reconnects(events: list[Event]) -> int:
    return sum(isinstance(event, Reconnecting) for event in events)


# --- an answer that breaks ---

QUERIES = [
    "fail=none",
    "fail=drop&after=3",
    "fail=reset&after=3",
    "fail=truncated-chunk&after=3&cut=byte",
    "fail=half-close&after=3",
    "fail=502&fail_times=2",
]


@pytest.mark.parametrize("query", QUERIES)
def test_an_answer_over_several_drops_is_equal(every: Client, service: str, query: str) -> None:
    url = f"{service}/positioned?{query}&case={every.name}"
    events, answer = every.read(
        "POST", url, json={"prompt": "Hi"}, dialect="positioned", retry=AT_ONCE
    )
    assert text_of(events) == answer.completion.text == TEXT
    assert events[-1] == Done("stop")
    if "after" in query:
        assert reconnects(events) > 2
    else:
        assert reconnects(events) == (2 if "502" in query else 0)


def test_after_the_last_event_id(every: Client, service: str) -> None:
    url = f"{service}/sse?ids=1&fail=drop&after=3&case={every.name}"
    events, _ = every.read("POST", url, json={}, dialect="sse", retry=AT_ONCE)
    assert text_of(events) == TEXT
    assert reconnects(events) > 2


def test_what_cannot_be_gone_on_with_is_an_error(every: Client, service: str) -> None:
    url = f"{service}/v1/chat/completions?fail=drop&after=3"
    with pytest.raises(StreamError, match="no way to resume") as caught:
        every.read("POST", url, json={}, dialect="openai-chat", retry=AT_ONCE)
    assert caught.value.event.kind in ("truncated", "transport")
    events, answer = every.read(
        "POST", url, json={}, dialect="openai-chat", retry=AT_ONCE, errors="yield"
    )
    assert isinstance(events[-1], Error)
    assert text_of(events) == answer.completion.text
    assert TEXT.startswith(answer.completion.text)


def test_a_refused_connection_is_tried_again(every: Client) -> None:
    server = LiveServer()
    server.close()
    events, _ = every.read(
        "POST",
        server.url,
        json={},
        dialect="positioned",
        retry=RetryPolicy(initial_delay=0, max_attempts=2),
        errors="yield",
    )
    assert reconnects(events) == 2
    assert isinstance(events[-1], Error)
    assert events[-1].kind == "transport"


# --- what is sent ---


def twice(peer: Peer, *, first: bytes, second: bytes, counter: list[int]) -> None:
    counter.append(1)
    if len(counter) == 1:
        peer.send(CHUNKED + chunk(first))
        peer.end()
        peer.wait_for_leaving()
    else:
        peer.send(*answer([second]))


def test_the_request_is_sent_as_it_should_be(every: Client, server: LiveServer) -> None:
    first = 'data: {"choices": []}\n\nid: é🙂\ndata: Hello\n\n'.encode()
    second = b"data: , world\n\ndata: [DONE]\n\n"
    url = server.play(partial(twice, first=first, second=second, counter=[]))
    events, _ = every.read(
        "post",
        url,
        json={"prompt": "naïve"},
        dialect="sse",
        headers={"X-Own": "1", "Authorization": "Bearer é"},
        settings={"headers": {"X-Client": "2"}},
        retry=AT_ONCE,
    )
    assert text_of(events).endswith("Hello, world")
    assert len(server.requests) == 2
    for request in server.requests:
        fields, _, body = request.partition(b"\r\n\r\n")
        lines = fields.split(b"\r\n")
        names = [line.partition(b":")[0].lower() for line in lines[1:]]
        assert lines[0].startswith(b"POST /v1/chat/completions ")
        assert json.loads(body) == {"prompt": "naïve"}
        assert len(names) == len(set(names))
        said = dict(
            zip(names, (line.partition(b":")[2].strip() for line in lines[1:]), strict=True)
        )
        assert said[b"x-own"] == b"1"
        assert said[b"x-client"] == b"2"
        assert said[b"accept-encoding"] == b"identity"
        assert said[b"content-type"] == b"application/json"
        assert int(said[b"content-length"]) == len(body)
        assert said[b"authorization"] == "Bearer é".encode()
        assert said.get(b"last-event-id") == (
            None if request is server.requests[0] else "é🙂".encode()
        )


def test_a_body_of_bytes_and_another_coding(every: Client, server: LiveServer) -> None:
    url = server.send(*answer([HELLO + b"data: [DONE]\n\n"], "length", "gzip"))
    events, _ = every.read(
        "PUT", url, content=b"\xff", dialect="positioned", headers={"accept-encoding": "gzip"}
    )
    assert events == [Token("Hello"), Done("stop")]
    (request,) = server.requests
    assert request.startswith(b"PUT ")
    assert request.endswith(b"\r\n\r\n\xff")
    assert request.lower().count(b"accept-encoding: gzip\r\n") == 1


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning")
def test_credentials_are_for_one_origin(every: Client, server: LiveServer) -> None:
    """Where the service sends the client elsewhere, nobody there learns its keys."""

    def begin(peer: Peer) -> None:
        fields = ("Content-Type: text/event-stream", "Transfer-Encoding: chunked")
        place = f"Location: {elsewhere.url}"
        frame = b'id: 1\nevent: metadata\ndata: {"run_id": "r"}\n\n'
        peer.send(head(*fields, place) + chunk(frame + MESSAGES))
        peer.end()
        peer.wait_for_leaving()

    auth: Any = aiohttp.BasicAuth("me", "hidden") if every.name == "aiohttp" else ("me", "hidden")
    settings = {"headers": {"X-Api-Key": "hidden", "X-Client": "2"}, "auth": auth}
    elsewhere = LiveServer()
    try:
        elsewhere.send(*answer([b"id: 9\nevent: end\ndata: null\n\n"]))
        every.read(
            "POST",
            server.play(begin),
            json={},
            dialect="langgraph",
            retry=AT_ONCE,
            settings=settings,
        )
    finally:
        elsewhere.close()
    assert b"hidden" in server.requests[0]
    assert b"authorization: Basic bWU6aGlkZGVu" in server.requests[0].replace(b"Auth", b"auth")
    for request in elsewhere.requests:
        assert b"hidden" not in request
        assert b"bWU6aGlkZGVu" not in request
        assert b"x-client: 2" in request.lower()
    assert elsewhere.requests


MESSAGES = (
    b"id: 2\nevent: messages\n"
    b'data: [{"type": "AIMessageChunk", "content": "Hello", "id": "m"}, {}]\n\n'
)


# --- time ---


def silent(peer: Peer) -> None:
    peer.send(CHUNKED + chunk(HELLO))
    peer.wait_for_leaving()


def alive(peer: Peer) -> None:
    """No progress, but signs of life for as long as anybody listens."""
    peer.send(CHUNKED + chunk(HELLO))
    gone = threading.Event()

    def watch() -> None:
        peer.wait_for_leaving()
        gone.set()

    threading.Thread(target=watch).start()
    try:
        while not gone.wait(0.02):
            peer.send(chunk(b": alive\n\n"))
    except OSError:
        wait_for(gone)


def silent_to_the_end(peer: Peer) -> None:
    """The same, where the end of the connection is that of the body."""
    peer.send(head("Content-Type: text/event-stream", "Connection: close") + HELLO)
    peer.wait_for_leaving()


@pytest.mark.parametrize(
    ("script", "deadlines", "says"),
    [
        (silent, Deadlines(idle=0.05), "Deadlines.idle"),
        (silent, Deadlines(progress=0.05), "Deadlines.progress"),
        (silent, Deadlines(idle=None, total=0.1), "Deadlines.total"),
        (silent_to_the_end, Deadlines(idle=0.05), "Deadlines.idle"),
        (silent_to_the_end, Deadlines(progress=0.05), "Deadlines.progress"),
        (alive, Deadlines(progress=0.1), "Deadlines.progress"),
        (alive, Deadlines(total=0.1), "Deadlines.total"),
        (Peer.wait_for_leaving, Deadlines(connect=0.05), "Deadlines.connect"),
        (Peer.wait_for_leaving, Deadlines(first_token=0.05), "Deadlines.first_token"),
    ],
)
def test_a_deadline(
    every: Client, server: LiveServer, script: Any, deadlines: Deadlines, says: str
) -> None:
    with pytest.raises(StreamError) as caught:
        every.read(
            "POST",
            server.play(script),
            json={},
            dialect="positioned",
            deadlines=deadlines,
            retry=RetryPolicy(max_attempts=0),
        )
    assert caught.value.event.kind == "timeout"
    assert says in caught.value.event.message
    server.wait_until_left()


# --- cancelling ---


@pytest.mark.parametrize("script", [silent, alive])
def test_cancelled_from_another_thread_while_it_reads(
    opener: Any, server: LiveServer, script: Any
) -> None:
    with opener() as ask, ask("POST", server.play(script), json={}, dialect="positioned") as answer:
        assert next(answer) == Token("Hello")
        threading.Timer(0.05, answer.cancel).start()
        assert all(type(event).__name__ == "Heartbeat" for event in answer)
        server.wait_until_left()
    assert answer.completion.text == "Hello"
    assert answer.completion.done is answer.completion.error is None


def test_cancelled_from_another_thread_while_it_sleeps(opener: Any, server: LiveServer) -> None:
    url = server.send(*answer([b"slow down"], status="429 Too Many", media_type="text/plain"))
    with opener() as ask:
        retry = RetryPolicy(initial_delay=PATIENCE, jitter="none")
        with ask("POST", url, json={}, dialect="positioned", retry=retry) as answered:
            assert isinstance(next(answered), Reconnecting)
            threading.Timer(0.05, answered.cancel).start()
            assert list(answered) == []
    assert len(server.requests) == 1


@pytest.mark.parametrize("module", [httpx, httpx2])
def test_cancelled_from_another_thread_while_it_opens(module: Any, server: LiveServer) -> None:
    """On a connection that is new, as nearly all are that the sync clients open."""
    asked = threading.Event()

    def play(peer: Peer) -> None:
        asked.set()
        peer.wait_for_leaving()

    with with_httpx(module) as ask:
        with ask("POST", server.play(play), json={}, dialect="positioned") as answered:

            def cancel() -> None:
                wait_for(asked)
                answered.cancel()

            thread = threading.Thread(target=cancel)
            thread.start()
            assert list(answered) == []
            thread.join()
        server.wait_until_left()


def test_cancelled_before_it_began(opener: Any, server: LiveServer) -> None:
    with opener() as ask, ask("POST", server.url, json={}, dialect="positioned") as answered:
        answered.cancel()
        assert list(answered) == []
    assert server.requests == []


def test_cancelled_at_any_moment(opener: Any, service: str) -> None:
    """Over the whole of an answer that breaks and is gone on with; nothing fails, nothing hangs."""
    url = f"{service}/positioned?fail=drop&after=5&rate=2000&case=any-moment"
    with opener() as ask:
        for number in range(25):
            with ask("POST", url, json={}, dialect="positioned", retry=AT_ONCE) as answered:
                timer = threading.Timer(number / 1000, answered.cancel)
                timer.start()
                events = list(answered)
                timer.join()
            assert TEXT.startswith(text_of(events))
            assert answered.completion.error is None
        events = list(ask("POST", url, json={}, dialect="positioned", retry=AT_ONCE))
    assert text_of(events) == TEXT


def test_cancelling_what_is_over_breaks_no_other_answer(opener: Any, server: LiveServer) -> None:
    """A connection that went back to the client's pool is not touched any more."""
    url = server.send(*answer([HELLO + b"data: [DONE]\n\n"], "length"))
    with opener() as ask:
        first = ask("POST", url, json={}, dialect="positioned")
        assert list(first) == [Token("Hello"), Done("stop")]
        second = ask("POST", url, json={}, dialect="positioned")
        assert next(second) == Token("Hello")
        first.cancel()
        first.close()
        assert list(second) == [Done("stop")]


@pytest.mark.parametrize("script", [silent, Peer.wait_for_leaving], ids=["reads", "opens"])
def test_cancelled_from_another_task(asking: Any, server: LiveServer, script: Any) -> None:
    backend, opener, ask = asking
    asked = threading.Event()

    def play(peer: Peer) -> None:
        asked.set()
        script(peer)

    url = server.play(play)

    async def main() -> list[Event]:
        events: list[Event] = []
        async with (
            opener() as client,
            ask(client, "POST", url, json={}, dialect="positioned") as answered,
            anyio.create_task_group() as tasks,
        ):

            async def cancel() -> None:
                await anyio.to_thread.run_sync(wait_for, asked)
                await anyio.sleep(0.05)
                answered.cancel()
                answered.cancel()

            tasks.start_soon(cancel)
            events += [event async for event in answered]
            await anyio.to_thread.run_sync(server.wait_until_left)
        return events

    assert anyio.run(main, backend=backend) == ([Token("Hello")] if script is silent else [])


def test_cancelled_from_another_task_while_it_sleeps(asking: Any, server: LiveServer) -> None:
    backend, opener, ask = asking
    url = server.send(*answer([b"slow down"], status="429 Too Many", media_type="text/plain"))
    retry = RetryPolicy(initial_delay=PATIENCE, jitter="none")

    async def main() -> None:
        async with (
            opener() as client,
            ask(client, "POST", url, json={}, dialect="positioned", retry=retry) as answered,
        ):
            assert isinstance(await anext(answered), Reconnecting)
            async with anyio.create_task_group() as tasks:

                async def cancel() -> None:
                    await anyio.sleep(0.02)
                    answered.cancel()

                tasks.start_soon(cancel)
                assert [event async for event in answered] == []

    anyio.run(main, backend=backend)
    assert len(server.requests) == 1


def test_a_cancelled_scope_closes(asking: Any, server: LiveServer) -> None:
    backend, opener, ask = asking
    url = server.play(silent)

    async def main() -> None:
        async with opener() as client:
            with anyio.CancelScope() as scope:
                async with ask(client, "POST", url, json={}, dialect="positioned") as answered:
                    async for _ in answered:
                        scope.cancel()
            assert scope.cancelled_caught
            await anyio.to_thread.run_sync(server.wait_until_left)

    anyio.run(main, backend=backend)


# --- leaving, and going on ---


def test_leaving_the_block_closes(opener: Any, server: LiveServer) -> None:
    with opener() as ask:
        with ask("POST", server.play(silent), json={}, dialect="positioned") as answered:
            for event in answered:
                assert event == Token("Hello")
                break
        server.wait_until_left()
        assert list(answered) == []


def test_a_second_answer_goes_on_from_a_checkpoint(every: Client, service: str) -> None:
    url = f"{service}/positioned?case=checkpoint-{every.name}"
    with httpx.Client(trust_env=False) as client:
        request = {"json": {"prompt": "Hi"}, "dialect": "positioned"}
        place, first = None, Completion()
        with httpx_adapter.stream(client, "POST", url, **cast(Any, request)) as answered:
            for event in answered:
                first.add(event)
                if len(first.text) > 20:
                    place = answered.checkpoint().to_json()
                    break
    assert place is not None
    # The body must be the same to the letter, and clients write JSON in different ways.
    events, _ = every.read(
        "POST",
        url,
        content=b'{"prompt":"Hi"}',
        headers={"Content-Type": "application/json"},
        dialect="positioned",
        checkpoint=Checkpoint.from_json(place),
    )
    assert 20 < len(first.text) < len(TEXT)
    assert first.text + text_of(events) == TEXT


def test_a_complete_answer_gives_its_connection_back(every: Client, server: LiveServer) -> None:
    url = server.send(*answer([HELLO, b"data: [DONE]\n\n"]))

    def ask_twice() -> None:
        if every.name in SYNC:
            with SYNC[every.name]() as ask:
                for _ in range(2):
                    with ask("POST", url, json={}, dialect="positioned") as answered:
                        assert list(answered)[-1] == Done("stop")
            return
        backend, opener, ask = ASYNC[every.name]

        async def main() -> None:
            async with opener() as client:
                for _ in range(2):
                    async with ask(client, "POST", url, json={}, dialect="positioned") as answered:
                        assert [event async for event in answered][-1] == Done("stop")

        anyio.run(main, backend=backend)

    ask_twice()
    assert len(server.peers) == (1 if every.name in REUSING else 2)


# --- misuse ---


def test_a_client_of_the_other_colour_is_refused() -> None:
    client, other = httpx.Client(trust_env=False), httpx.AsyncClient(trust_env=False)
    with client, pytest.raises(TypeError, match="must be an AsyncClient of httpx"):
        httpx_adapter.astream(cast(Any, client), "GET", "http://a", dialect="sse")
    with pytest.raises(TypeError, match="must be a Client of httpx or httpx2, not AsyncClient"):
        httpx_adapter.stream(cast(Any, other), "GET", "http://a", dialect="sse")
    anyio.run(other.aclose)


def test_a_base_url_and_a_get(service: str) -> None:
    with (
        httpx.Client(trust_env=False, base_url=service) as client,
        httpx_adapter.stream(client, "GET", "/sse", dialect="sse") as answered,
    ):
        assert text_of(list(answered)) == TEXT


def test_a_transport_that_is_no_network() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        fields = {"Content-Type": "text/event-stream"}
        return httpx.Response(200, headers=fields, content=HELLO + b"data: [DONE]\n\n")

    with (
        httpx.Client(transport=httpx.MockTransport(respond)) as client,
        httpx_adapter.stream(client, "GET", "http://a/", dialect="positioned") as answered,
    ):
        assert list(answered) == [Token("Hello"), Done("stop")]
        answered.cancel()


def test_one_body_at_a_time() -> None:
    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(ValueError, match="either json or content"):
                aiohttp_adapter.astream(
                    session, "POST", "http://a/", dialect="sse", json={}, content=b""
                )

    anyio.run(main)
