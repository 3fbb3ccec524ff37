"""The built-in server over real sockets: every dialect, every cut, every failure."""

from __future__ import annotations

import httpx
import pytest
from tests.cli.conftest import Served
from tests.effort import spread
from tests.reading import joined

from tokenwire import (
    Completion,
    Data,
    Done,
    Error,
    Event,
    Started,
    Usage,
    get_dialect,
    iter_events,
)
from tokenwire.adapters.httpx import iter_events as events_of
from tokenwire.testserver import script
from tokenwire.testserver.passage import PASSAGE, split_text
from tokenwire.testserver.routes import WELL_KNOWN, routes, writable_dialects
from tokenwire.testserver.script import CRLF_FORMATS, PROMPT_TOKENS
from tokenwire.testserver.settings import CUTS, FAILS

# Short, for it is sent many times; with characters of every width, blank lines and a joined emoji.
TEXT = "A naïve 👩\u200d🚀 says: 次の文字,\n\n``` x\n - “∎”\n"
TOKENS = len(split_text(TEXT))
FIRST_FIVE = "A stream is a letter"


def read(client: httpx.Client, url: str, path: str, **query: str | int) -> list[Event]:
    with client.stream("POST", url + path, params=query) as response:
        return list(events_of(response, routes()[path], errors="yield"))


def text_of(events: list[Event]) -> str:
    """The text of an answer; an event source says it as data."""
    said = [event.value for event in events if isinstance(event, Data)]
    return "".join(said) or Completion.from_events(events).text


# -- answers


@pytest.mark.parametrize("crlf", [0, 1])
@pytest.mark.parametrize("name", writable_dialects())
def test_every_dialect(client: httpx.Client, url: str, name: str, crlf: int) -> None:
    """In another cut each, for `test_every_cut_gives_the_same_events`."""
    cut = CUTS[writable_dialects().index(name) % len(CUTS)]
    events = read(client, url, f"/{name}", cut=cut, crlf=crlf, text=TEXT)
    assert text_of(events) == TEXT
    if name == "event-stream":  # which has no end to come to
        assert isinstance(events[-1], Error)
        assert events[-1].kind == "truncated"
        return
    completion = Completion.from_events(events)
    assert completion.error is None
    assert completion.done is not None
    if completion.usage is not None:
        expected = Usage(PROMPT_TOKENS, TOKENS, final=True)
        assert completion.usage.input_tokens == expected.input_tokens
        assert completion.usage.output_tokens == expected.output_tokens


@pytest.mark.parametrize("name", writable_dialects())
def test_every_cut_gives_the_same_events(client: httpx.Client, url: str, name: str) -> None:
    """Once the server is asked for the same name, that is: it counts its answers."""

    def without_id(events: list[Event]) -> list[str]:
        return [repr(event) for event in joined(events) if not isinstance(event, Started)]

    first, *others = (without_id(read(client, url, f"/{name}", cut=cut, text=TEXT)) for cut in CUTS)
    assert all(other == first for other in others)


@pytest.mark.parametrize(("path", "name"), WELL_KNOWN.items())
def test_paths_of_the_services(client: httpx.Client, url: str, path: str, name: str) -> None:
    for method in ("GET", "POST"):
        response = client.request(method, url + path, json={"model": "mine"})
        assert response.status_code == 200
        assert response.headers["content-type"] == get_dialect(name).media_types[0]
        assert response.headers["cache-control"] == "no-cache"
        assert response.headers["x-accel-buffering"] == "no"
        assert response.headers["transfer-encoding"] == "chunked"
        events = list(iter_events([response.content], name))
        assert Completion.from_events(events).text == PASSAGE
        assert Completion.from_events(events).model == "mine"


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[]", b'{"model": 3}', b"[" * 100_000])
def test_any_body_will_do(client: httpx.Client, url: str, body: bytes) -> None:
    response = client.post(f"{url}/openai-chat", content=body)
    assert '"model":"tokenwire-test"' in response.text


def test_an_installed_dialect_is_no_reason_to_fail() -> None:
    assert "/sse" in routes()


# -- cuts


def chunks_of(client: httpx.Client, url: str, **query: str | int) -> list[bytes]:
    with client.stream("GET", f"{url}/sse", params=query) as response:
        return list(response.iter_raw())


def test_token_is_a_chunk_for_each_event(client: httpx.Client, url: str) -> None:
    chunks = chunks_of(client, url, cut="token", text="Hi you")
    assert chunks == [b"data: Hi\n\n", b"data:  you\n\n", b"data: [DONE]\n\n"]


def test_line_is_a_chunk_for_each_line(client: httpx.Client, url: str) -> None:
    chunks = chunks_of(client, url, cut="line", crlf=1, text="Hi")
    assert chunks == [b"data: Hi\r\n", b"\r\n", b"data: [DONE]\r\n", b"\r\n"]


def test_byte_parts_cr_from_lf(client: httpx.Client, url: str) -> None:
    chunks = chunks_of(client, url, cut="byte", crlf=1, text="é")
    assert b"".join(chunks) == "data: é\r\n\r\ndata: [DONE]\r\n\r\n".encode()
    assert all(len(chunk) == 1 for chunk in chunks)


def test_random_is_the_same_for_the_same_seed(client: httpx.Client, url: str) -> None:
    first, same, other = (chunks_of(client, url, cut="random", seed=seed) for seed in (1, 1, 2))
    assert first == same
    assert first != other
    assert b"".join(first) == b"".join(other)
    assert len({len(chunk) for chunk in first}) > 5


def test_crlf_only_where_the_format_has_lines(client: httpx.Client, url: str) -> None:
    for name in writable_dialects():
        body = client.get(f"{url}/{name}", params={"crlf": 1}).content
        if get_dialect(name).format in CRLF_FORMATS:
            assert body.count(b"\n") == body.count(b"\r\n") > 0
        elif get_dialect(name).format != "JSON array":  # which has one between its elements
            assert b"\r\n" not in body


def test_a_rate_keeps_the_text(client: httpx.Client, url: str) -> None:
    events = read(client, url, "/sse", rate=2000, text="one two three")
    assert text_of(events) == "one two three"


# -- failures

CAN_FAIL = [name for name in writable_dialects() if name != "event-stream"]
# Only the end of the body ends these: one that ends too early looks like a whole one.
WITHOUT_END = ["bedrock-agent", "text"]
FAIL_HALFWAY = [name for name in CAN_FAIL if name != "mcp"]  # its answer is one message


@pytest.mark.parametrize(
    ("name", "fail", "kind"),
    [
        *((name, "truncate", "truncated") for name in FAIL_HALFWAY if name not in WITHOUT_END),
        *((name, "drop", "transport") for name in FAIL_HALFWAY),
        *((name, "error", "vendor") for name in FAIL_HALFWAY if name != "text"),
    ],
)
def test_failing_after_five_tokens(
    client: httpx.Client, url: str, name: str, fail: str, kind: str
) -> None:
    for cut in spread(CUTS, 1):
        *before, last = read(client, url, f"/{name}", fail=fail, cut=cut)
        assert text_of(before) == FIRST_FIVE, cut
        assert isinstance(last, Error), cut
        assert last.kind == kind, cut


@pytest.mark.parametrize("name", WITHOUT_END)
def test_a_clean_end_too_early_cannot_be_known(client: httpx.Client, url: str, name: str) -> None:
    *before, last = read(client, url, f"/{name}", fail="truncate")
    assert text_of(before) == FIRST_FIVE
    assert isinstance(last, Done)


@pytest.mark.parametrize(
    ("fail", "kind"), [("truncate", "truncated"), ("drop", "transport"), ("error", "truncated")]
)
def test_an_answer_in_one_message_comes_whole_or_not_at_all(
    client: httpx.Client, url: str, fail: str, kind: str
) -> None:
    *before, error = read(client, url, "/mcp", fail=fail)
    assert text_of(before) == ""
    assert isinstance(error, Error)
    assert error.kind == kind


@pytest.mark.parametrize("name", CAN_FAIL)
def test_too_many_requests(client: httpx.Client, url: str, name: str) -> None:
    [error] = read(client, url, f"/{name}", fail="429")
    assert isinstance(error, Error)
    assert (error.kind, error.status, error.retry_after) == ("http", 429, 2.0)
    assert error.recovery == "retry"
    assert error.message.startswith("rate limit reached")


@pytest.mark.parametrize("name", CAN_FAIL)
def test_bad_gateway(client: httpx.Client, url: str, name: str) -> None:
    [error] = read(client, url, f"/{name}", fail="502")
    assert isinstance(error, Error)
    assert (error.kind, error.status, error.recovery) == ("http", 502, "retry")
    assert "502 Bad Gateway" in error.message


def test_stall_sends_what_comes_before_and_then_nothing(
    client: httpx.Client, served: Served
) -> None:
    with client.stream("GET", f"{served.url}/sse?fail=stall&after=2") as response:
        chunks = response.iter_raw()
        assert [next(chunks), next(chunks)] == [b"data: one\n\n", b"data:  two\n\n"]
    assert served.next_line() == "GET /sse?fail=stall&after=2: 200, 2 tokens, the client left"


def test_failing_at_once_and_failing_late(client: httpx.Client, served: Served) -> None:
    """``after=0`` fails before the first token, a large one after the last."""
    early = read(client, served.url, "/sse", fail="truncate", after=0)
    late = read(client, served.url, "/sse", fail="truncate", after=1000)
    assert [type(event) for event in early] == [Error]
    assert text_of(late) == "one two three four five six seven"
    assert isinstance(late[-1], Error)


def test_an_error_that_the_dialect_cannot_say(client: httpx.Client, url: str) -> None:
    response = client.get(f"{url}/event-stream?fail=error")
    assert (response.status_code, "no way to say" in response.text) == (400, True)


def test_a_text_that_the_dialect_cannot_say(
    monkeypatch: pytest.MonkeyPatch, client: httpx.Client, served: Served
) -> None:
    """``[DONE]`` as a token would end the stream; it breaks off instead, and the log says why."""
    monkeypatch.setattr(script, "split_text", lambda text: [text])
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(f"{served.url}/sse?text=%5BDONE%5D")
    assert "broken off: sse cannot send" in served.next_line()


# -- what is asked wrongly


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("cut=fine", "cut must be one of token, line, byte, random, not 'fine'"),
        ("fail=often", f"fail must be one of {', '.join(FAILS)}, not 'often'"),
        ("fail_rate=1.1", "fail_rate must be a share, from 0 to 1, not 1.1"),
        ("fail_rate=nan", "fail_rate must be a share"),
        ("fail_rate=15%25", "fail_rate must be a number, not '15%'"),
        ("fail_times=-1", "fail_times must be 0 or more"),
        ("delay=-1", "delay must be 0 or more seconds"),
        ("retry_after=-1", "retry_after must be 0 or more seconds"),
        ("replay=twice", "replay must be one of exact, inclusive, restart, not 'twice'"),
        ("ids=maybe", "ids must be 1 or 0"),
        ("rate=fast", "rate must be a number, not 'fast'"),
        ("rate=-1", "rate must be 0 or more tokens a second"),
        ("rate=inf", "rate must be 0 or more tokens a second"),
        ("after=1.5", "after must be a whole number"),
        ("after=-1", "after must be 0 or more tokens"),
        ("seed=", "seed must be a whole number"),
        ("crlf=maybe", "crlf must be 1 or 0"),
        ("fial=drop", "there is no setting 'fial'; did you mean 'fail'?"),
        ("sead=1", "did you mean 'seed'?"),
    ],
)
def test_wrong_settings(client: httpx.Client, url: str, query: str, said: str) -> None:
    response = client.get(f"{url}/sse?{query}")
    assert response.status_code == 400
    assert said in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "query", ["api-version=2024-10-21", "beta=true", "key=k", "alt=sse", "id=3"]
)
def test_parameters_of_real_clients_are_let_pass(
    client: httpx.Client, url: str, query: str
) -> None:
    assert client.get(f"{url}/sse?{query}").status_code == 200


def test_another_path(client: httpx.Client, url: str) -> None:
    response = client.post(f"{url}/v1/nothing?x=y")
    assert (response.status_code, response.headers["content-type"]) == (404, "application/json")
    assert response.json()["error"] == {
        "message": "nothing is served at /v1/nothing",
        "routes": routes(),
    }


@pytest.mark.parametrize("path", ["/sse/", "/%73se", "/sse?"])
def test_other_ways_to_write_a_path(client: httpx.Client, url: str, path: str) -> None:
    assert client.get(url + path).status_code == 200


def test_another_method(client: httpx.Client, url: str) -> None:
    response = client.delete(f"{url}/sse")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")


def test_head(client: httpx.Client, url: str) -> None:
    response = client.head(f"{url}/sse")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == "text/event-stream"
    response = client.head(f"{url}/nothing")
    assert (response.status_code, response.content) == (404, b"")


def test_options(client: httpx.Client, url: str) -> None:
    response = client.options(f"{url}/sse")
    assert (response.status_code, response.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    assert "access-control-allow-origin" not in response.headers


def test_a_page_of_another_origin_may_read(client: httpx.Client, url: str) -> None:
    origin = {"origin": "http://example.test"}
    asked = {**origin, "access-control-request-headers": "authorization"}
    assert client.get(f"{url}/sse", headers=origin).headers["access-control-allow-origin"] == "*"
    answered = client.options(f"{url}/sse", headers=asked).headers
    assert answered["access-control-allow-headers"] == "authorization"


def test_answers_have_names_of_their_own(client: httpx.Client, served: Served) -> None:
    for number in (1, 2, 3):
        assert f'"id":"answer-{number}"' in client.get(f"{served.url}/openai-chat").text
