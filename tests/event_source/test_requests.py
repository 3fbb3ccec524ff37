"""What an event source is asked for, and what its responses mean."""

from __future__ import annotations

import pytest
from tests.event_source.clients import Client
from tests.event_source.source import HEAD, Asked, Endpoint, Source, response

from tokenwire import Error, RetryPolicy, StreamError
from tokenwire.resume import NEVER

AT_ONCE = RetryPolicy(initial_delay=0)
NOBODY = b"Basic Og=="  # neither name nor password
BODY = b'{"hello": "world"}'
TYPED = {"content-type": "application/json; charset=utf-8"}


def test_by_default(client: Client, endpoint: Endpoint) -> None:
    with client.listen(endpoint.url):
        asked = endpoint.take()
    assert asked.method == "GET"
    assert asked.body == b""
    assert asked.fields["accept"] == b"text/event-stream"
    assert asked.fields["cache-control"] == b"no-cache"
    assert asked.fields["accept-encoding"] == b"identity"
    assert asked.last_id is None


def test_headers(client: Client, endpoint: Endpoint) -> None:
    headers = {"header-name-1": "value-1", "Header-Name-2": "välue-2", "accept": "*/*"}
    with client.listen(
        endpoint.url, headers=headers, settings={"headers": {"header-name-3": "value-3"}}
    ):
        asked = endpoint.take()
    assert asked.fields["header-name-1"] == b"value-1"
    assert asked.fields["header-name-2"] == "välue-2".encode()
    assert asked.fields["header-name-3"] == b"value-3"
    assert asked.fields["accept"] == b"*/*"
    assert asked.fields["cache-control"] == b"no-cache"


@pytest.mark.parametrize("method", ["POST", "REPORT"])
def test_a_body_is_sent_again(client: Client, endpoint: Endpoint, method: str) -> None:
    with client.listen(
        endpoint.url, method, content=BODY, headers=TYPED, retry=AT_ONCE
    ) as listening:
        for _ in range(3):
            asked = endpoint.take()
            assert (asked.method, asked.body) == (method, BODY)
            assert asked.fields["content-type"] == b"application/json; charset=utf-8"
            asked.send(b"data: Hello\n\n")
            assert listening.data(1) == [("message", "Hello", "")]
            asked.end()
            listening.reconnecting()
        endpoint.take()  # httpx leaks a generator where it is cancelled while it sends a body


def test_no_type_is_invented_for_bytes(client: Client, endpoint: Endpoint) -> None:
    with client.listen(endpoint.url, "POST", content=BODY):
        asked = endpoint.take()
    assert asked.body == BODY
    assert (
        asked.fields.get("content-type", b"application/octet-stream") == b"application/octet-stream"
    )


@pytest.mark.parametrize("id", ["abc", "é🙂 and more"])
def test_the_first_last_event_id(client: Client, endpoint: Endpoint, id: str) -> None:
    """As if it had been received: it stays until another comes, and an empty one ends it."""
    with client.listen(endpoint.url, headers={"last-event-id": id}, retry=AT_ONCE) as listening:
        asked = endpoint.take()
        assert asked.last_id == id.encode()
        asked.end()
        listening.reconnecting()
        asked = endpoint.take()
        assert asked.last_id == id.encode()
        asked.send(b"data: Hello\n\n")
        assert listening.data(1) == [("message", "Hello", id)]
        asked.send(b"id: 7\ndata: Hello\n\n")
        assert listening.data(1) == [("message", "Hello", "7")]
        asked.end()
        listening.reconnecting()
        asked = endpoint.take()
        assert asked.last_id == b"7"
        asked.send(b"id\ndata: Hello\n\n")
        assert listening.data(1) == [("message", "Hello", "")]
        asked.end()
        listening.reconnecting()
        assert endpoint.take().last_id is None


# --- responses that are no stream ---


def test_204_stops(client: Client, source: Source) -> None:
    endpoint = source.endpoint(response(204))
    with client.listen(endpoint.url, errors="yield") as listening:
        (error,) = listening.all()
    assert isinstance(error, Error)
    assert (error.kind, error.status) == ("http", 204)
    assert len(endpoint.all) == 1


def test_204_stops_what_ran(client: Client, endpoint: Endpoint) -> None:
    with client.listen(endpoint.url, errors="yield", retry=AT_ONCE) as listening:
        asked = endpoint.take()
        asked.send(b"data: Hello\n\n")
        assert listening.data(1) == [("message", "Hello", "")]
        endpoint.reply = response(204)
        asked.end()
        listening.reconnecting()
        (error,) = listening.all()
        assert isinstance(error, Error)
        assert error.status == 204
    assert len(endpoint.all) == 2


REFUSALS = {
    "400": response(400, "Content-Type: text/event-stream", body=b"data: Hello\n\n"),
    "404": response(404, "Content-Type: text/event-stream"),
    "201": response(201, "Content-Type: text/event-stream", body=b"data: Hello\n\n"),
    "205": response(205, "Content-Type: text/event-stream"),
    "plain text": response(200, "Content-Type: text/plain", body=b"data: Hello\n\n"),
    "HTML": response(200, "Content-Type: text/html", body=b"<html></html>"),
    "no type": response(200, body=b"data: Hello\n\n"),
    "nearly the type": response(200, "Content-Type: text/event-streams", body=b"data: Hello\n\n"),
}


@pytest.mark.parametrize("reply", REFUSALS.values(), ids=REFUSALS)
def test_what_is_no_stream_fails(client: Client, source: Source, reply: bytes) -> None:
    endpoint = source.endpoint(reply)
    with client.listen(endpoint.url) as listening, pytest.raises(StreamError) as caught:
        listening.all()
    assert caught.value.event.kind == "http"
    assert caught.value.event.status == int(reply[9:12])
    assert len(endpoint.all) == 1


def test_a_body_of_the_wrong_type_need_not_end(client: Client, source: Source) -> None:
    endpoint = source.endpoint(HEAD.replace(b"event-stream", b"plain"))
    with client.listen(endpoint.url, errors="yield") as listening:
        (error,) = listening.all()
        assert isinstance(error, Error)
        endpoint.take().wait_until_left()


@pytest.mark.parametrize(
    "media_type",
    [b"text/event-stream", b"TEXT/Event-Stream ;charset=UTF-8", b"text/event-stream;x"],
)
def test_types_that_are_streams(client: Client, source: Source, media_type: bytes) -> None:
    head = HEAD.replace(b"text/event-stream; charset=utf-8", media_type)
    endpoint = source.endpoint(head)
    with client.listen(endpoint.url) as listening:
        endpoint.take().send(b"data: Hello\n\n")
        assert listening.data(1) == [("message", "Hello", "")]


def test_a_service_that_is_down_is_asked_again(client: Client, source: Source) -> None:
    """Beyond what browsers do: they fail."""

    def reply(asked: Asked) -> bytes:
        return HEAD if len(endpoint.all) > 2 else response(503)

    endpoint = source.endpoint(reply)
    with client.listen(endpoint.url, retry=AT_ONCE) as listening:
        for number in (1, 2):
            told = listening.reconnecting()
            assert told.attempt == number
            assert told.cause is not None
            assert told.cause.status == 503
        asked = [endpoint.take() for _ in range(3)]
        asked[-1].send(b"data: Hello\n\n")
        assert listening.data(1) == [("message", "Hello", "")]


# --- redirects ---


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "REPORT"])
def test_a_redirect_is_followed(
    client: Client, source: Source, endpoint: Endpoint, status: int, method: str
) -> None:
    """With a GET and no body where the fetch standard says so, else as it was sent."""
    first = source.endpoint(response(status, f"Location: {endpoint.url}?x=1", body=b"moved"))
    content = None if method == "GET" else BODY
    headers = TYPED if content else {}
    with client.listen(
        first.url, method, content=content, headers={"x-own": "1", **headers}, retry=AT_ONCE
    ) as listening:
        for id in ("4", "5"):  # the second time it is asked at the first place again
            assert first.take().method == method
            asked = endpoint.take()
            assert asked.target.endswith("?x=1")
            assert asked.fields["x-own"] == b"1"
            assert asked.fields["accept"] == b"text/event-stream"
            if status == 303 or (status < 303 and method == "POST"):
                assert (asked.method, asked.body) == ("GET", b"")
                assert "content-type" not in asked.fields
                assert asked.fields.get("content-length", b"0") == b"0"
            else:
                assert (asked.method, asked.body) == (method, content or b"")
            asked.send(f"id: {id}\ndata: Hello\n\n".encode())
            assert listening.data(1) == [("message", "Hello", id)]
            asked.end()
            listening.reconnecting()
        assert first.take().last_id == endpoint.take().last_id == b"5"


def test_several_hops(client: Client, source: Source, endpoint: Endpoint) -> None:
    place = endpoint.url.partition("//")[2].partition("/")[2]
    third = source.endpoint(response(308, f"Location: {place}"))  # relative
    second = source.endpoint(response(302, f"Location: //{third.url.partition('//')[2]}"))
    first = source.endpoint(response(307, f"Location: {second.url}#fragment"))
    with client.listen(first.url, headers={"last-event-id": "é"}) as listening:
        asked = endpoint.take()
        assert asked.last_id == "é".encode()
        asked.send(b"data: Hello\n\n")
        assert listening.data(1) == [("message", "Hello", "é")]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ([], "without a Location"),
        (["Location:"], "without a Location"),
        (["Location:  "], "without a Location"),
        (["Location: ftp://a.invalid/"], "must begin with http:// or https://"),
        (["Location: http://[/"], "leads nowhere: Invalid"),
        (["Location: https:///a"], "and a host"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_nowhere_fails(
    client: Client, source: Source, status: int, fields: list[str], says: str
) -> None:
    endpoint = source.endpoint(response(status, *fields))
    with client.listen(endpoint.url) as listening, pytest.raises(StreamError, match=says) as caught:
        listening.all()
    assert (caught.value.event.kind, caught.value.event.status) == ("http", status)
    assert len(endpoint.all) == 1


def test_a_circle_of_redirects_fails(client: Client, source: Source) -> None:
    endpoint = source.endpoint(lambda asked: response(302, f"Location: {asked.target}"))
    with client.listen(endpoint.url) as listening, pytest.raises(StreamError, match="20 redirects"):
        listening.all()
    assert len(endpoint.all) == 21


def test_the_body_of_a_redirect_need_not_end(
    client: Client, source: Source, endpoint: Endpoint
) -> None:
    head = f"HTTP/1.1 307 x\r\nLocation: {endpoint.url}\r\nTransfer-Encoding: chunked\r\n\r\n"
    first = source.endpoint(head.encode())
    with client.listen(first.url):
        endpoint.take()
        first.take().wait_until_left()


def test_a_place_with_characters(client: Client, source: Source, endpoint: Endpoint) -> None:
    reply = response(307).replace(
        b"Content", f"Location: {endpoint.url}?q=é 豆\r\nContent".encode()
    )
    first = source.endpoint(reply)
    with client.listen(first.url):
        assert endpoint.take().target.endswith("?q=%C3%A9%20%E8%B1%86")


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning")
@pytest.mark.parametrize("back", [False, True], ids=["there", "and back"])
def test_secrets_stay_at_home(
    client: Client, source: Source, endpoint: Endpoint, back: bool
) -> None:
    import aiohttp

    elsewhere = Source()
    try:
        stop = elsewhere.endpoint(response(307, f"Location: {endpoint.url}") if back else HEAD)
        first = source.endpoint(response(307, f"Location: {stop.url}"))
        auth = aiohttp.BasicAuth("me", "hidden") if client.name == "aiohttp" else ("me", "hidden")
        secrets = {"Cookie": "a=hidden", "X-Api-Key": "hidden", "Proxy-Authorization": "hidden"}
        with client.listen(
            first.url,
            headers={**secrets, "X-Own": "1"},
            settings={"auth": auth, "headers": {"X-Token": "hidden", "X-Client": "2"}},
        ):
            asked = stop.take()
            if back:
                endpoint.take()
        for name in ("cookie", "x-api-key", "authorization", "proxy-authorization", "x-token"):
            assert first.all[0].fields[name]
            assert asked.fields.get(name) in (None, b"", NOBODY)
        assert (asked.fields["x-own"], asked.fields["x-client"]) == (b"1", b"2")
        if back:
            fields = endpoint.all[0].fields
            assert not fields.get("cookie")
            assert not fields.get("x-api-key")
    finally:
        elsewhere.close()


def test_a_client_that_follows_by_itself_does_not(client: Client, source: Source) -> None:
    if not client.name.startswith("httpx"):
        pytest.skip("the others follow unless they are told not to")
    elsewhere = Source()
    try:
        other = elsewhere.endpoint()
        first = source.endpoint(response(307, f"Location: {other.url}"))
        settings = {"follow_redirects": True}
        with client.listen(first.url, headers={"X-Api-Key": "hidden"}, settings=settings):
            assert "x-api-key" not in other.take().fields
    finally:
        elsewhere.close()


def test_a_status_beside_a_place_is_no_redirect(client: Client, source: Source) -> None:
    endpoint = source.endpoint(response(300, "Location: /"))
    with client.listen(endpoint.url, retry=NEVER, errors="yield") as listening:
        (error,) = listening.all()
    assert isinstance(error, Error)
    assert error.status == 300
