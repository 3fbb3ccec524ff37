"""What the built-in server does to connections and requests when it is asked to fail."""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

import anyio
import httpx
import pytest
from tests.cli.conftest import SECONDS, Served

from tokenwire import Completion, Done, Error, Heartbeat, iter_events
from tokenwire.dialects import get_dialect
from tokenwire.testserver import answer, connection, script
from tokenwire.testserver.answer import Answer
from tokenwire.testserver.routes import writable_dialects
from tokenwire.testserver.script import can_say
from tokenwire.testserver.server import Settings, running_server, serve
from tokenwire.testserver.settings import Fail
from tokenwire.testserver.site import Site

Ask = Callable[..., socket.socket]

BEFORE = b"b\r\ndata: one\n\n\r\nc\r\ndata:  two\n\n\r\n"
"""Two tokens, in chunks."""


@pytest.fixture
def ask(served: Served) -> Iterator[Ask]:
    """Ask for an answer and give the socket."""
    opened: list[socket.socket] = []

    def ask(query: str, version: str = "1.1") -> socket.socket:
        url = httpx.URL(served.url)
        asked = socket.create_connection((url.host, url.port or 0), timeout=SECONDS)
        opened.append(asked)
        asked.sendall(f"GET /sse?after=2&{query} HTTP/{version}\r\nHost: x\r\n\r\n".encode())
        return asked

    yield ask
    for one in opened:
        one.close()


WITHOUT_HEARTBEATS = ["gemini-array"]
"""It lets white space pass between the elements of its array."""


def body_of(asked: socket.socket) -> bytes:
    """What comes after the head until the server closes, chunks and all."""
    return b"".join(iter(partial(asked.recv, 65536), b"")).partition(b"\r\n\r\n")[2]


# -- below HTTP


def test_drop_closes_between_two_chunks(ask: Ask) -> None:
    assert body_of(ask("fail=drop")) == BEFORE


def test_reset_is_one_of_tcp(ask: Ask, served: Served) -> None:
    asked = ask("fail=reset")
    with pytest.raises(ConnectionResetError):
        body_of(asked)
    assert served.next_line() == "GET /sse?after=2&fail=reset: 200, 2 tokens, reset"


def test_half_close_ends_one_side_only(ask: Ask, served: Served) -> None:
    """The server reads on: what is sent is not answered by a reset."""
    asked = ask("fail=half-close")
    assert body_of(asked) == BEFORE
    for _ in range(3):
        asked.sendall(b"x")
    assert asked.recv(1) == b""
    asked.close()
    assert served.next_line().endswith(": 200, 2 tokens, closed on one side")


def test_half_close_closes_the_other_side_in_the_end(
    monkeypatch: pytest.MonkeyPatch, ask: Ask, served: Served
) -> None:
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.05)
    ask("fail=half-close")
    assert served.next_line().endswith(": 200, 2 tokens, closed on one side")


def test_a_truncated_chunk_is_shorter_than_announced(ask: Ask, served: Served) -> None:
    assert body_of(ask("fail=truncated-chunk")) == BEFORE + b"e\r\ndata:  "
    assert served.next_line().endswith(": 200, 2 tokens, a chunk torn")


def test_a_truncated_chunk_where_nothing_follows(ask: Ask) -> None:
    """An event source has no end: a chunk is announced all the same."""
    asked = ask("fail=truncated-chunk&after=9")
    assert body_of(asked).endswith(b"\r\ne\r\ndata: [")
    with (
        running_server(Settings(text="Hi")) as url,
        httpx.Client(trust_env=False) as client,
        client.stream("GET", f"{url}/event-stream?fail=truncated-chunk") as response,
    ):
        chunks = response.iter_raw()
        assert next(chunks) == b"data: Hi\n\n"
        with pytest.raises(httpx.RemoteProtocolError):
            next(chunks)


def test_http_1_0_has_no_chunks(ask: Ask) -> None:
    body = body_of(ask("fail=truncated-chunk", "1.0"))
    assert body == b"data: one\n\ndata:  two\n\ndata:  "


# -- slow ones


def test_heartbeats_without_end(client: httpx.Client, served: Served) -> None:
    query = "fail=stall-with-heartbeats&after=1&delay=0.001"
    with client.stream("GET", f"{served.url}/sse?{query}") as response:
        chunks = response.iter_raw()
        assert [next(chunks) for _ in range(4)] == [b"data: one\n\n", *[b": \n\n"] * 3]
    assert served.next_line() == f"GET /sse?{query}: 200, 1 tokens, the client left"


def test_heartbeats_and_silence_end_by_themselves(
    monkeypatch: pytest.MonkeyPatch, client: httpx.Client, served: Served
) -> None:
    monkeypatch.setattr(answer, "MOST_HEARTBEATS", 3)
    monkeypatch.setattr(connection, "STALL_SECONDS", 0.01)
    for fail in ("stall-with-heartbeats", "stall"):
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(f"{served.url}/sse?fail={fail}&delay=0")
        assert served.next_line().endswith(": 200, 5 tokens, stalled")


@pytest.mark.parametrize("name", writable_dialects())
def test_heartbeats_of_each_dialect(name: str) -> None:
    dialect = get_dialect(name)
    settings = Settings(text="one two three", fail="stall-with-heartbeats", after=2)
    if not can_say(dialect, Heartbeat()):
        with pytest.raises(ValueError, match="has no heartbeats"):
            Answer(dialect, settings, id="a", model="m")
        return
    steps = Answer(dialect, settings, id="a", model="m").steps()
    sent = [step for step in islice(steps, 50) if isinstance(step, bytes)]
    events = list(iter_events([b"".join(sent)], name, errors="yield"))
    assert len(set(sent[-15:])) == 1
    if name not in WITHOUT_HEARTBEATS:
        assert sum(isinstance(event, Heartbeat) for event in events) > 15
    assert isinstance(events[-1], Error | Done)  # the text of `text` is whole wherever it ends


def test_a_slow_drip_comes_to_its_end(client: httpx.Client, served: Served) -> None:
    with client.stream("GET", f"{served.url}/sse?fail=slow-drip&after=6&delay=0.001") as response:
        chunks = list(response.iter_raw())
    assert len(chunks[5]) > 1
    assert [len(chunk) for chunk in chunks[6:]] == [1] * 28
    assert b"".join(chunks).endswith(b"data:  six\n\ndata:  seven\n\ndata: [DONE]\n\n")
    assert served.next_line().endswith(": 200, 7 tokens, complete")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_on_both_event_loops(backend: str) -> None:
    async def fail(client: httpx.AsyncClient, url: str) -> type[Exception]:
        try:
            await client.get(url)
        except httpx.TransportError as error:
            return type(error)
        raise AssertionError

    async def all_fail() -> list[type[Exception]]:
        async with anyio.create_task_group() as tasks:
            url = await tasks.start(serve, Settings(delay=0.01))
            async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as client:
                fails = ("reset", "half-close", "truncated-chunk")
                failed = [await fail(client, f"{url}/sse?fail={how}") for how in fails]
                for how in ("stall-with-heartbeats", "slow-drip"):
                    with anyio.move_on_after(0.1):
                        await client.get(f"{url}/sse?fail={how}")
            tasks.cancel_scope.cancel()
        return failed

    failed = anyio.run(all_fail, backend=backend)
    assert failed == [httpx.ReadError, httpx.RemoteProtocolError, httpx.RemoteProtocolError]


@pytest.mark.parametrize("fail", ["half-close", "stall-with-heartbeats", "slow-drip"])
def test_stopping_does_not_wait_for_them(fail: Fail) -> None:
    with (
        running_server(Settings(fail=fail, after=1, delay=0.01)) as url,
        httpx.Client(trust_env=False) as client,
        client.stream("GET", f"{url}/sse") as response,
    ):
        chunks = response.iter_raw()
        assert next(chunks) == b"data: A\n\n"


# -- how often


def status(client: httpx.Client, url: str, **query: str | int) -> int:
    return client.get(f"{url}/openai-chat", params=query).status_code


def test_the_same_request_fails_a_few_times(client: httpx.Client, served: Served) -> None:
    asked = {"fail": "429", "fail_times": 2}
    statuses = [status(client, served.url, **asked) for _ in range(5)]
    assert statuses == [429, 429, 200, 429, 429]


def test_another_request_counts_by_itself(client: httpx.Client, served: Served) -> None:
    url = f"{served.url}/openai-chat?fail=502&fail_times=1"
    for case in ("", "&case=1"):
        for body in ({"a": 1}, {"a": 2}, None):
            assert client.post(url + case, json=body).status_code == 502
    assert client.post(url, content=b'{ "a":1 }').status_code == 200  # the same, otherwise written
    assert client.head(url).status_code == 502  # it looks, and does not count
    assert client.get(url).status_code == 502
    assert client.head(url).status_code == 200


def test_an_answer_that_is_left_counts(client: httpx.Client, served: Served) -> None:
    url = f"{served.url}/sse?fail=stall&after=1&fail_times=2"
    for _ in range(2):
        with client.stream("GET", url) as response:
            assert next(response.iter_raw()) == b"data: one\n\n"
        assert served.next_line().endswith(": 200, 1 tokens, the client left")
    assert client.get(url).text.endswith("data: [DONE]\n\n")


def fates(site: Site, target: str, count: int) -> list[str]:
    """How so many requests end: with a status, or with the last step of their answers."""
    found: list[str] = []
    for _ in range(count):
        reply = site.reply_to("GET", target, {}, b"")
        if isinstance(reply.body, Answer):
            list(reply.body.steps())
            found.append(reply.body.ending)
        else:
            found.append(str(reply.status))
    return found


def test_a_share_of_requests_fails() -> None:
    """By each way, as its seed decides; an event in-band only where nobody can go on."""
    for name in ("openai-chat", "positioned"):
        target = f"/{name}?fail_rate=0.15&seed=3"
        found = fates(Site(Settings(text="one two three")), target, 2000)
        failed = Counter(found)
        assert 0.13 < 1 - failed.pop("complete") / 2000 < 0.17
        ways = {"dropped", "reset", "closed on one side", "a chunk torn", "cut short", "429", "502"}
        assert set(failed) == ways | ({"ended by an error"} if name == "openai-chat" else set())
        assert min(failed.values()) > 20
        assert fates(Site(Settings(text="one two three")), target, 2000) == found


def test_each_request_draws_for_itself() -> None:
    """Who else asks, and when, changes nothing; so a run of many clients at once is repeatable."""
    targets = [f"/sse?fail_rate=0.5&case={case}" for case in range(3)]
    alone = [fates(Site(Settings(text="one two three")), target, 20) for target in targets]
    site = Site(Settings(text="one two three"))
    among = [[fate for target in targets for fate in fates(site, target, 1)] for _ in range(20)]
    assert [list(fates) for fates in zip(*among, strict=True)] == alone
    assert alone[0] != alone[1] != alone[2]


def test_every_request_or_none_and_in_a_way_that_was_named() -> None:
    site = Site(Settings(text="one two three"))
    assert set(fates(site, "/sse?fail_rate=0&fail=drop", 50)) == {"complete"}
    assert "complete" not in fates(site, "/sse?fail_rate=1", 50)
    assert Counter(fates(site, "/sse?fail_rate=0.5&fail=502", 50)).keys() == {"502", "complete"}
    assert fates(site, "/sse?fail_rate=1&fail=reset&fail_times=2", 4) == [
        *["reset"] * 2,
        "complete",
        "reset",
    ]


def test_after_any_token() -> None:
    site = Site(Settings(text="one two three", fail_rate=1))
    said: set[int] = set()
    for _ in range(200):
        reply = site.reply_to("GET", "/sse", {}, b"")
        if isinstance(reply.body, Answer):
            body = b"".join(step for step in reply.body.steps() if isinstance(step, bytes))
            said.add(body.count(b"data"))
    assert said == {0, 1, 2, 3}


def test_what_cannot_be_said_is_told_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a request fails by chance, the tokens of its answer are counted first."""
    monkeypatch.setattr(script, "split_text", lambda text: [text])
    reply = Site(Settings(text="[DONE]")).reply_to("GET", "/sse?fail_rate=1", {}, b"")
    assert (reply.status, b"sse cannot send" in bytes(reply.body)) == (400, True)


def test_a_client_that_goes_on_gets_all_of_it() -> None:
    """Every other connection fails at any place, until 30 answers came whole."""
    settings = Settings(fail_rate=0.5, seed=1, ids=True, retry_after=0)
    with running_server(settings) as url, httpx.Client(trust_env=False) as client:
        failed = 0
        for case in range(30):
            body, last_id = b"", ""
            while b"[DONE]" not in body:
                headers = {"Last-Event-ID": last_id} if last_id else {}
                try:
                    with client.stream(
                        "GET", f"{url}/sse?case={case}", headers=headers
                    ) as response:
                        for chunk in response.iter_raw() if response.status_code == 200 else ():
                            body += chunk
                except httpx.TransportError:
                    pass
                failed += b"[DONE]" not in body
                body = body[: body.rfind(b"\n\n") + 2] if b"\n\n" in body else b""
                last_id = (re.findall(rb"^id: (.*)$", body, re.MULTILINE) or [b""])[-1].decode()
            assert Completion.from_events(iter_events([body], "sse")).text == Settings().text
        assert failed > 5
