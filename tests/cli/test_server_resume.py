"""Going on with an answer of the built-in server: after any place, by each way there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from msgspec import Struct
from tests.cli.conftest import SECONDS, Served

from tokenwire import Completion, Data, Done, Error, Event, iter_events
from tokenwire.adapters.httpx import iter_events as events_of
from tokenwire.testserver import Settings, kept, running_server
from tokenwire.testserver.kept import Shelf

TEXT = "one two three four five six seven"
BROKEN = ["drop", "reset", "half-close", "truncated-chunk", "truncate"]
BY_ID = ["sse", "event-stream", "replicate", "openai-chat"]
BY_NUMBER = [*BY_ID, "positioned", "openai-responses"]


class Asker(Struct):
    """A client that goes on where it was left, by what its dialect knows."""

    client: httpx.Client
    url: str
    dialect: str
    events: list[Event] = []
    connections: int = 0
    cursor: str | int | None = None
    place: str = ""

    def request(self, query: str) -> httpx.Request:
        build = self.client.build_request
        if self.dialect == "positioned":
            fields = {"prompt": "?"} | ({} if self.cursor is None else {"resume_from": self.cursor})
            return build("POST", f"{self.url}/positioned?{query}", json=fields)
        if self.dialect == "openai-responses":
            if self.cursor is None:
                url = f"{self.url}/v1/responses?{query}"
                return build("POST", url, json={"background": True, "stream": True})
            url = f"{self.url}/v1/responses/{self.place}?stream=true&starting_after={self.cursor}"
            return build("GET", url)
        headers = {} if self.cursor is None else {"last-event-id": str(self.cursor)}
        return build("GET", f"{self.url}/{self.dialect}?ids=1&{query}", headers=headers)

    def read(self, query: str) -> bool:
        """Read one connection. True: there is more to come."""
        self.connections += 1
        response = self.client.send(self.request(query), stream=True)
        with closing(response):
            if response.status_code == 204:
                return False
            assert response.status_code == 200, response.read()
            events = events_of(response, self.dialect, errors="yield")
            for event in events:
                self.events.append(event)
                if self.dialect in BY_ID and event.frame is not None:
                    self.cursor = event.frame.id or self.cursor
                elif events.parser.cursor.value is not None:
                    self.cursor = events.parser.cursor.value
                if match := re.search(
                    rb'"id":"(answer-\d+)"', (event.frame and event.frame.data) or b""
                ):
                    self.place = match[1].decode()
        return not isinstance(self.events[-1], Done)

    def read_all(self, query: str) -> str:
        while self.read(query):
            assert self.connections < 50
        said = [event.value for event in self.events if isinstance(event, Data)]
        return (
            "".join(said)
            or Completion.from_events(
                event for event in self.events if not isinstance(event, Error)
            ).text
        )


@pytest.mark.parametrize("fail", BROKEN)
@pytest.mark.parametrize("dialect", BY_NUMBER)
def test_every_token_comes_once(
    client: httpx.Client, served: Served, dialect: str, fail: str
) -> None:
    asker = Asker(client, served.url, dialect)
    assert asker.read_all(f"fail={fail}&after=2") == TEXT
    # Two tokens each, one for the fourth; an event source comes again to be told that it may stop.
    assert asker.connections == 4 + (dialect == "event-stream")


@pytest.mark.parametrize("cut", ["byte", "random"])
@pytest.mark.parametrize("dialect", BY_NUMBER)
def test_also_in_other_cuts_and_line_ends(
    client: httpx.Client, served: Served, dialect: str, cut: str
) -> None:
    asker = Asker(client, served.url, dialect)
    assert asker.read_all(f"fail=truncated-chunk&after=3&cut={cut}&crlf=1") == TEXT


@pytest.mark.parametrize("dialect", BY_NUMBER)
def test_only_the_first_connections_fail(
    client: httpx.Client, served: Served, dialect: str
) -> None:
    asker = Asker(client, served.url, dialect)
    assert asker.read_all("fail=drop&after=0&fail_times=3") == TEXT
    assert asker.connections == 4 + (dialect == "event-stream")


# -- llama.cpp, by bytes


def pieces_by_bytes(client: httpx.Client, url: str, query: str, enough: int) -> Iterator[bytes]:
    """What comes of a conversation; a connection is left after so many chunks."""
    had = 0
    request = client.build_request(
        "POST", f"{url}/completion?{query}", headers={"X-Conversation-Id": "mine"}
    )
    while True:
        response = client.send(request, stream=True)
        try:
            for count, piece in enumerate(response.iter_raw(), 1):
                had += len(piece)
                yield piece
                if count == enough:
                    break
            else:
                return
        except httpx.TransportError:
            pass
        finally:
            response.close()
        request = client.build_request("GET", f"{url}/v1/stream?conv_id=mine&from={had}")


@pytest.mark.parametrize("crlf", [0, 1])
@pytest.mark.parametrize("fail", ["none", "drop", "truncated-chunk"])
def test_by_bytes(client: httpx.Client, served: Served, fail: str, crlf: int) -> None:
    whole = client.post(f"{served.url}/completion?crlf={crlf}").content
    pieces = pieces_by_bytes(client, served.url, f"fail={fail}&after=2&crlf={crlf}", 7)
    assert b"".join(pieces) == whole


def test_from_every_byte(client: httpx.Client, served: Served) -> None:
    headers = {"X-Conversation-Id": "a b"}
    whole = client.post(f"{served.url}/completion?text=Hi%20you", headers=headers).content
    for start in range(len(whole) + 1):
        asked = {"conv_id": "a b", "from": start}
        assert client.get(f"{served.url}/v1/stream", params=asked).content == whole[start:]
    assert client.get(f"{served.url}/v1/stream?conv_id=a+b").content == whole


def test_heartbeats_count_as_bytes(client: httpx.Client, served: Served) -> None:
    """A connection is left while it stalls, in the middle of the heartbeats and of one of them."""
    query = "fail=stall-with-heartbeats&after=2&fail_times=3&delay=0.001&cut=byte"
    body = b"".join(pieces_by_bytes(client, served.url, query, 400))
    assert Completion.from_events(iter_events([body], "llamacpp")).text == TEXT
    assert body.count(b":\n\n") + body.count(b": \n\n") > 9
    again = client.get(f"{served.url}/v1/stream?conv_id=mine&from=0&fail=none").content
    assert again == body


def test_every_dialect_can_be_counted_by_bytes(client: httpx.Client, served: Served) -> None:
    """As llama.cpp's server keeps the answers of all its routes."""
    for name in ("openai-chat", "jsonl", "gemini-array", "bedrock-converse"):
        headers = {"X-Conversation-Id": name}
        whole = client.post(f"{served.url}/{name}", headers=headers).content
        assert client.get(f"{served.url}/v1/stream?conv_id={name}&from=70").content == whole[70:]


def test_a_new_answer_takes_the_place_of_a_conversation(
    client: httpx.Client, served: Served
) -> None:
    for text in ("old", "new"):
        headers = {"X-Conversation-Id": "mine"}
        client.post(f"{served.url}/completion?text={text}", headers=headers)
    assert '"new"' in client.get(f"{served.url}/v1/stream?conv_id=mine&from=0").text


# -- other ways to replay


@pytest.mark.parametrize(("replay", "start"), [("exact", 3), ("inclusive", 2), ("restart", 0)])
def test_replay(client: httpx.Client, served: Served, replay: str, start: int) -> None:
    """Of each endpoint, after its third event."""
    url, query = served.url, f"replay={replay}"

    def parts(response: httpx.Response) -> list[str]:
        assert response.status_code == 200
        return response.text.split("\n\n")

    whole = parts(client.get(f"{url}/sse?ids=1&{query}"))
    id = whole[2].split("\n")[0].removeprefix("id: ")
    again = client.get(f"{url}/sse?ids=1&{query}", headers={"Last-Event-ID": id})
    assert parts(again) == whole[start:]

    whole = parts(client.post(f"{url}/positioned?{query}", json={}))
    again = client.post(f"{url}/positioned?{query}", json={"resume_from": 2})
    assert parts(again) == whole[start:]

    whole = parts(client.post(f"{url}/v1/responses?{query}", json={"background": True}))
    id = re.findall(r'"id":"(.*?)"', whole[0])[0]
    again = client.get(f"{url}/v1/responses/{id}?stream=true&starting_after=2")
    assert parts(again) == whole[start:]

    headers = {"X-Conversation-Id": "c"}
    whole = parts(client.post(f"{url}/completion?{query}", headers=headers))
    offset = len("\n\n".join(whole[:3])) + 2
    again = client.get(f"{url}/v1/stream?conv_id=c&from={offset}")
    assert parts(again) == whole[start:]


@pytest.mark.parametrize("replay", ["inclusive", "restart"])
def test_what_is_repeated_does_not_count(client: httpx.Client, served: Served, replay: str) -> None:
    """Or a client that must skip it would never come to the end."""
    asker = Asker(client, served.url, "positioned")
    asker.read_all(f"fail=drop&after=2&replay={replay}")
    assert asker.connections == 4


# -- what is asked for in vain


def test_nothing_is_left_for_an_event_source(client: httpx.Client, served: Served) -> None:
    for replay in ("exact", "inclusive", "restart"):
        url = f"{served.url}/event-stream?ids=1&replay={replay}"
        last = re.findall(r"^id: (.*)$", client.get(url).text, re.MULTILINE)[-1]
        assert client.get(url, headers={"Last-Event-ID": last}).status_code == 204


def test_nothing_is_left_elsewhere(client: httpx.Client, served: Served) -> None:
    response = client.post(f"{served.url}/positioned", json={"resume_from": 7})
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(
    ("path", "last_id", "status", "said"),
    [
        ("/sse", "answer-1:8", 400, "no such place: the answer has 8 events in 223 bytes"),
        ("/sse", "answer-1:x", 400, "the number in Last-Event-ID must be a whole number"),
        ("/sse", "answer-2:1", 404, "no answer is kept for the event 'answer-2'"),
        ("/sse", "12", 404, "no answer is kept for the event ''"),
        ("/event-stream", "answer-1:1", 404, "the answer answer-1 is not one of /event-stream"),
        ("/nothing", "answer-1:1", 404, "nothing is served at /nothing"),
    ],
)
def test_wrong_ids(
    client: httpx.Client, served: Served, path: str, last_id: str, status: int, said: str
) -> None:
    client.get(f"{served.url}/sse?ids=1")
    response = client.get(f"{served.url}{path}?ids=1", headers={"Last-Event-ID": last_id})
    assert response.status_code == status
    assert said in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "target", "status", "said"),
    [
        ("GET", "/v1/stream", 404, "no answer is kept for the conversation ''"),
        ("GET", "/v1/stream?conv_id=d&from=0", 404, "no answer is kept for the conversation 'd'"),
        ("GET", "/v1/stream?conv_id=c&from=x", 400, "from must be a whole number, 0 or more"),
        ("GET", "/v1/stream?conv_id=c&from=-1", 400, "from must be a whole number, 0 or more"),
        ("GET", "/v1/stream?conv_id=c&from=9999", 400, "there is no such place"),
        ("POST", "/v1/stream?conv_id=c&from=1", 404, "nothing is served at /v1/stream"),
        ("GET", "/v1/responses/answer-9?stream=true", 404, "for the response 'answer-9'"),
        ("GET", "/v1/responses/answer-1?stream=true", 404, "for the response 'answer-1'"),
        ("GET", "/v1/responses/answer-2", 400, "ask with ?stream=true"),
        ("GET", "/v1/responses/answer-2?stream=true&starting_after=", 400, "starting_after must"),
        ("POST", "/v1/responses/answer-2?stream=true", 404, "nothing is served at"),
    ],
)
def test_wrong_requests(
    client: httpx.Client, served: Served, method: str, target: str, status: int, said: str
) -> None:
    client.post(f"{served.url}/completion", headers={"X-Conversation-Id": "c"})
    client.post(f"{served.url}/v1/responses", json={"background": True})
    response = client.request(method, served.url + target)
    assert response.status_code == status
    assert said in response.json()["error"]["message"]


@pytest.mark.parametrize("wrong", [-1, 1.5, True, "x", [], 10**30])
def test_wrong_positions(client: httpx.Client, served: Served, wrong: object) -> None:
    response = client.post(f"{served.url}/positioned", json={"resume_from": wrong})
    assert response.status_code == 400


def test_no_position_is_the_beginning(client: httpx.Client, served: Served) -> None:
    response = client.post(f"{served.url}/positioned", json={"resume_from": None})
    assert response.text.startswith('data: {"token":"one"')


# -- what is kept


def test_ids_are_for_those_who_ask(client: httpx.Client, served: Served) -> None:
    assert "id:" not in client.get(f"{served.url}/sse").text
    assert client.get(f"{served.url}/jsonl?ids=1").text.startswith('{"text":"one"}')
    ignored = client.get(f"{served.url}/sse", headers={"Last-Event-ID": "answer-1:3"})
    assert ignored.text.startswith("data: one\n\n")


def test_they_can_be_the_setting_of_a_server() -> None:
    settings = Settings(text=TEXT, ids=True, fail="drop", after=3)
    with (
        running_server(settings) as url,
        httpx.Client(trust_env=False, timeout=SECONDS) as client,
    ):
        assert Asker(client, url, "event-stream").read_all("") == TEXT


def test_what_is_said_is_said(client: httpx.Client, served: Served) -> None:
    """A later request may have it cut otherwise, but the answer is what it was."""
    client.get(f"{served.url}/sse?ids=1&text=one%20two")
    response = client.get(
        f"{served.url}/sse?ids=1&text=other&crlf=1&cut=byte",
        headers={"Last-Event-ID": "answer-1:0"},
    )
    assert response.text == "id: answer-1:1\ndata:  two\n\nid: answer-1:2\ndata: [DONE]\n\n"


def test_head_of_a_response(client: httpx.Client, served: Served) -> None:
    client.post(f"{served.url}/v1/responses", json={"background": True})
    response = client.head(f"{served.url}/v1/responses/answer-1?stream=true")
    assert (response.status_code, response.content) == (200, b"")


def test_the_oldest_is_forgotten(
    monkeypatch: pytest.MonkeyPatch, client: httpx.Client, served: Served
) -> None:
    monkeypatch.setattr(kept, "MOST", 2)

    def status(id: int) -> int:
        headers = {"Last-Event-ID": f"answer-{id}:0"}
        return client.get(f"{served.url}/sse?ids=1", headers=headers).status_code

    for case in (1, 2):
        client.get(f"{served.url}/sse?ids=1&case={case}")
    assert status(1) == 200  # it is the one that was asked for last now
    client.get(f"{served.url}/sse?ids=1&case=3")
    assert [status(1), status(2), status(3)] == [200, 404, 200]


def test_a_shelf_is_bounded() -> None:
    shelf: Shelf[int] = Shelf()
    for number in range(kept.MOST + 3):
        shelf.put(number, number)
    assert [shelf.get(number) for number in (0, 2, 3)] == [None, None, 3]
