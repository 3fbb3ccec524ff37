"""One shape of API: the same names, arguments and hints in every adapter and colour."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

import aiohttp
import anyio
import httpx
import httpx2
import pytest
import requests
from tests.adapters.clients import Client as Reader
from tests.adapters.clients import Reading
from tests.adapters.live import LiveServer, answer
from tests.adapters.test_stream import ASYNC, EVERY, SYNC, Client

from tokenwire import AsyncEventStream, Done, EventStream, StreamError, Token
from tokenwire import aiter_events as chunks_aiter_events
from tokenwire import iter_events as chunks_iter_events
from tokenwire.adapters import aiohttp as aiohttp_adapter
from tokenwire.adapters import h11 as h11_adapter
from tokenwire.adapters import httpx as httpx_adapter
from tokenwire.adapters import requests as requests_adapter
from tokenwire.answer import Answer, AsyncAnswer

BODY = b"data: Hello\n\ndata: , world\n\ndata: [DONE]\n\n"
WHOLE = answer([BODY], "length")
CUT = answer([b"data: Hello\n\n"], "length")
TEXTS = ["Hello", ", world"]

SYNC_ASKS: dict[str, Callable[..., Answer]] = {
    "httpx": httpx_adapter.stream,
    "requests": requests_adapter.stream,
}
ASYNC_ASKS: dict[str, Callable[..., AsyncAnswer]] = {
    "httpx": httpx_adapter.astream,
    "aiohttp": aiohttp_adapter.astream,
    "h11": h11_adapter.astream,
}


@pytest.fixture(params=EVERY, ids=lambda every: every.name)
def every(request: pytest.FixtureRequest) -> Client:
    given: Client = request.param
    return given


# --- names and arguments ---


def test_names_and_arguments_are_the_same_everywhere() -> None:
    asks = [*SYNC_ASKS.values(), *ASYNC_ASKS.values()]
    shapes = {tuple(list(inspect.signature(ask).parameters)[1:]) for ask in asks}
    assert len(shapes) == 1
    reads = [
        httpx_adapter.iter_events,
        httpx_adapter.aiter_events,
        requests_adapter.iter_events,
        aiohttp_adapter.aiter_events,
    ]
    assert {tuple(inspect.signature(read).parameters) for read in reads} == {
        ("response", "dialect", "limits", "errors")
    }
    for adapter in (aiohttp_adapter, h11_adapter):  # as they were called before
        assert adapter.stream is adapter.astream


def test_all_streams_are_alike() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    def shape(kind: type) -> set[str]:
        return {name for base in kind.__mro__ for name in public(base)}

    own = {"parser"}, {"cancel", "checkpoint", "restart"}
    shared = {"completion", "state", "text_stream", "close"}
    with Answer(cast(Any, _Nowhere()), _request(), "sse") as asked:
        given = {*shape(Answer), *(name for name in vars(asked) if not name.startswith("_"))}
    assert given - own[1] == shared
    read = chunks_iter_events(b"", "sse")
    assert {*shape(EventStream), *(n for n in vars(read) if n[0] != "_")} - own[0] == shared
    for one, other in ((EventStream, AsyncEventStream), (Answer, AsyncAnswer)):
        assert {name.replace("aclose", "close") for name in shape(other)} == shape(one)
    assert list(inspect.signature(chunks_iter_events).parameters) == list(
        inspect.signature(chunks_aiter_events).parameters
    )


class _Nowhere:
    """A transport that nothing is asked of."""

    def __getattr__(self, name: str) -> Any:
        return _Failures() if name == "failures" else lambda *_: None


class _Failures:
    all = ()


def _request() -> Any:
    from tokenwire import Request

    return Request("GET", "http://a/")


# --- what an answer has, through each client ---


@pytest.mark.parametrize("name", SYNC)
def test_the_text_of_an_answer(server: LiveServer, name: str) -> None:
    url = server.send(*WHOLE)
    with SYNC[name]() as ask, ask("POST", url, content=b"{}", dialect="sse") as stream:
        assert list(stream.text_stream()) == TEXTS
        assert stream.state == "DONE"
        assert stream.completion.text == "".join(TEXTS)
        assert stream.completion.dialect == "sse"
        stream.close(False)
    server.send(*CUT)
    with (
        SYNC[name]() as ask,
        ask("POST", url, content=b"{}", dialect="sse", errors="yield") as stream,
        pytest.raises(StreamError, match="cut off"),
    ):
        list(stream.text_stream())
    assert stream.state == "FAILED"


@pytest.mark.parametrize("name", ASYNC)
def test_the_text_of_an_async_answer(server: LiveServer, name: str) -> None:
    backend, opener, ask = ASYNC[name]

    async def main() -> None:
        url = server.send(*WHOLE)
        async with opener() as client:
            async with ask(client, "POST", url, content=b"{}", dialect="sse") as stream:
                assert [text async for text in stream.text_stream()] == TEXTS
                assert stream.state == "DONE"
                assert stream.completion.text == "".join(TEXTS)
                await stream.aclose(False)
            server.send(*CUT)
            request = ask(client, "POST", url, content=b"{}", dialect="sse", errors="yield")
            async with request as stream:
                with pytest.raises(StreamError, match="cut off"):
                    [text async for text in stream.text_stream()]
        assert stream.state == "FAILED"

    anyio.run(main, backend=backend)


# --- what an open response has, through each client ---


def test_what_a_stream_of_events_has(
    client: Reader, server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever client the response is of: the stream is seen where its adapter makes it."""
    made: list[Any] = []
    for kind in (EventStream, AsyncEventStream):
        init = kind.__init__

        def seen(self: Any, *given: Any, init: Any = init) -> None:
            init(self, *given)
            made.append(self)
            _ = self.completion  # who asks before the loop loses nothing

        monkeypatch.setattr(kind, "__init__", seen)
    events = client.read(Reading(server.send(*WHOLE)))
    assert events == [*map(Token, TEXTS), Done("stop")]
    (stream,) = made
    assert stream.completion.text == "".join(TEXTS)
    assert stream.completion.done == Done("stop")
    assert stream.state == stream.parser.state == "DONE"
    made.clear()  # the last one that holds it


# --- what a request says ---


def test_parameters_forms_and_bodies(every: Client, server: LiveServer) -> None:
    url = (
        f"{server.send(*WHOLE)}?a=1" if not every.name.startswith("httpx") else server.send(*WHOLE)
    )

    def asked(**given: Any) -> tuple[bytes, bytes, bytes]:
        events, _ = every.read("POST", url, dialect="sse", **given)
        assert events[-1] == Done("stop")
        fields, _, body = server.requests[-1].partition(b"\r\n\r\n")
        line, _, fields = fields.partition(b"\r\n")
        return line, fields.lower(), body

    line, _, _ = asked(params={"b": "x y", "c": "2"}, content=b"{}")
    place = line.split(b" ")[1].replace(b"%20", b"+")
    assert place.endswith(b"b=x+y&c=2")
    assert b"a=1&" in place or every.name.startswith("httpx")
    line, _, _ = asked(params=[("b", "1"), ("b", "2")], content=b"{}")
    assert b"b=1&b=2 " in line
    _, fields, body = asked(data={"model": "any", "stop": ["a", "b c"]})
    assert b"content-type: application/x-www-form-urlencoded" in fields
    assert body == b"model=any&stop=a&stop=b+c"
    assert asked(data=b"raw")[2] == b"raw"
    assert asked(data="ra\u00efw")[2] == "ra\u00efw".encode()
    _, fields, body = asked(json={"a": "\u00ef"}, headers={"content-type": "application/x"})
    assert b"content-type: application/x\r\n" in fields
    assert fields.count(b"content-type") == 1


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({"json": {}, "data": {}}, ValueError, "a request has one body"),
        ({"content": b"", "data": b""}, ValueError, "a request has one body"),
        ({"data": iter([b""])}, TypeError, "must not be used up by the first time"),
        ({"content": "text"}, TypeError, "the body must be bytes, not str"),
    ],
)
def test_what_is_no_body(
    every: Client, given: dict[str, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        every.read("POST", "http://127.0.0.1:1/", dialect="sse", **given)


# --- what it does not take, and what to do instead ---


HINTS = {
    "timeout": "use deadlines, as in deadlines=Deadlines",
    "cookies": "(set it on the|in a header)",
    "auth": "(set it on the (client|session)|in a header)",
    "proxy": "(set it on the|give the client a connect)",
    "verify": "(set it on the|give the client an ssl_context)",
    "files": "encode the form",
    "stream": "every answer is streamed",
    "follow_redirects": "(is followed|set it on the client)",
    "retries": "use retry",
    "dead_lines": "did you mean deadlines",
    "xyzzy": "neither it nor the session knows it",
}


def test_what_is_not_taken_is_refused_with_a_hint(every: Client) -> None:
    name = "stream" if every.name in SYNC else "astream"
    for given, hint in HINTS.items():
        with pytest.raises(TypeError, match=rf"^{name}\(\) takes no {given}: .*{hint}"):
            every.read("POST", "http://127.0.0.1:1/", dialect="sse", **{given: "x"})


def test_a_dialect_that_is_nearly_right(every: Client) -> None:
    for dialect, said in (("openai-caht", "did you mean 'openai-chat'"), ("auto", "name it")):
        with pytest.raises(LookupError, match=said):
            every.read("POST", "http://127.0.0.1:1/", dialect=dialect, content=b"{}")


# --- what is given in the wrong place ---


def test_what_is_no_response_of_this_client() -> None:
    wrong: dict[Any, tuple[Any, str]] = {
        httpx_adapter.iter_events: (requests.Response(), "client.stream"),
        httpx_adapter.aiter_events: (object(), "client.stream"),
        requests_adapter.iter_events: (httpx.Response(200), r"session.post\(..., stream=True\)"),
        aiohttp_adapter.aiter_events: (httpx.Response(200), r"async with session.post\("),
    }
    for read, (response, hint) in wrong.items():
        kind = type(response).__name__
        with pytest.raises(TypeError, match=f"response must be .*, not {kind}.*{hint}"):
            read(response, "sse")
    with pytest.raises(TypeError, match="connection must be a Connection of h11, not Response"):
        h11_adapter.aiter_events(cast(Any, httpx.Response(200)), cast(Any, None), "sse")


@pytest.mark.parametrize("module", [httpx, httpx2])
def test_a_response_that_waits_to_be_entered_is_none(module: Any) -> None:
    with module.Client(trust_env=False, verify=False) as client:
        waits = client.stream("GET", "http://127.0.0.1:1/")
        with pytest.raises(TypeError, match="not _GeneratorContextManager: give the response"):
            httpx_adapter.iter_events(waits, "sse")


@pytest.mark.parametrize(
    ("ask", "other"),
    [
        (httpx_adapter.stream, "an AsyncClient has astream"),
        (httpx_adapter.astream, "a Client has stream"),
        (requests_adapter.stream, "with requests.Session"),
        (aiohttp_adapter.astream, "async with aiohttp.ClientSession"),
        (h11_adapter.astream, "Client of this module"),
    ],
)
def test_what_is_no_client(ask: Any, other: str) -> None:
    with pytest.raises(TypeError, match=f"must be a.* not module.*{other}|{other}, not module"):
        ask(aiohttp, "POST", "http://127.0.0.1:1/", dialect="sse")
