"""Responses that are no stream: one `Error`, with all that is known."""

from __future__ import annotations

import pytest

from tokenwire import (
    Data,
    Done,
    Error,
    Event,
    Limits,
    Recovery,
    Signal,
    StreamParser,
    Token,
)

SSE = {"Content-Type": "text/event-stream; charset=utf-8"}
JSON = {"Content-Type": "application/json"}


def respond(
    status: int,
    headers: dict[str, str],
    body: bytes = b"",
    *,
    dialect: str = "openai-chat",
    size: int = 0,
    limits: Limits = Limits(),
) -> list[Event]:
    """The events of a response, its body in chunks of `size` bytes (0: whole)."""
    parser = StreamParser(dialect, limits=limits)
    parser.receive_response(status, headers)
    events = list(parser.events())
    size = size or max(1, len(body))
    for start in range(0, len(body), size):
        parser.receive_data(body[start : start + size])
        events += parser.events()
    parser.receive_eof()
    return [*events, *parser.events()]


def only_error(*args: object, **kwargs: object) -> Error:
    """The one error, equal for every size of chunk."""
    (error,) = respond(*args, **kwargs)  # type: ignore[arg-type]
    assert isinstance(error, Error)
    assert error.fatal
    for size in (1, 2, 7):
        assert respond(*args, **kwargs, size=size) == [error]  # type: ignore[arg-type]
    return error


@pytest.mark.parametrize(
    "content_type",
    [
        "text/event-stream",
        "text/event-stream; charset=utf-8",
        "text/event-stream;charset=UTF-8",
        "TEXT/EVENT-STREAM;",
        " text/event-stream ; charset=latin-1",
        "",
        "application/octet-stream",
        "text/plain",
        "application/json",
        "text/html",
    ],
)
def test_a_stream_is_read_whatever_it_is_called(content_type: str) -> None:
    body = b"\n\xef\xbb\xbf\n" if not content_type.strip().lower().startswith("text/event") else b""
    events = respond(
        200, {"content-type": content_type}, body + b"data: Hi\n\ndata: [DONE]\n\n", dialect="sse"
    )
    assert events[-2:] == [Token("Hi"), Done("stop")]


@pytest.mark.parametrize("status", [201, 203, 299])
def test_every_success_is_read(status: int) -> None:
    assert respond(status, SSE, b"data: [DONE]\n\n", dialect="sse") == [Done("stop")]


@pytest.mark.parametrize("status", [201, 204, 205, 210, 299, 301, 404, 503])
def test_an_event_source_takes_200_alone(status: int) -> None:
    (error,) = respond(status, SSE, b"data: x\n\n", dialect="event-stream")
    assert isinstance(error, Error)
    assert (error.kind, error.status) == ("http", status)


@pytest.mark.parametrize(
    "content_type", ["text/html", "application/json", "", "text/event-streams"]
)
def test_an_event_source_fails_on_another_content_type_at_once(content_type: str) -> None:
    parser = StreamParser("event-stream")
    parser.receive_response(200, {"content-type": content_type})
    error = parser.next_event()
    assert isinstance(error, Error)
    assert "where event-stream expects text/event-stream" in error.message
    assert parser.next_event() is Signal.CLOSED


@pytest.mark.parametrize("content_type", ["text/event-stream", "Text/Event-Stream;charset=x"])
def test_an_event_source_takes_its_content_type(content_type: str) -> None:
    events = respond(200, {"content-type": content_type}, b"data: x\n\n", dialect="event-stream")
    assert events[0] == Data("message", "x")


@pytest.mark.parametrize("status", [204, 205])
def test_no_content(status: int) -> None:
    parser = StreamParser("openai-chat")
    parser.receive_response(status, {})
    error = parser.next_event()
    assert isinstance(error, Error)
    assert (error.kind, error.status, error.recovery) == ("http", status, Recovery.FATAL)
    assert "no body" in error.message


def test_a_redirect_that_the_client_did_not_follow() -> None:
    error = only_error(307, {"Location": "https://elsewhere.example/"})
    assert "redirects to 'https://elsewhere.example/'" in error.message


@pytest.mark.parametrize(
    ("status", "recovery"),
    [
        (400, Recovery.FATAL),
        (401, Recovery.FATAL),
        (404, Recovery.FATAL),
        (408, Recovery.RETRY),
        (422, Recovery.FATAL),
        (429, Recovery.RETRY),
        (500, Recovery.RETRY),
        (503, Recovery.RETRY),
        (529, Recovery.RETRY),
    ],
)
def test_status(status: int, recovery: Recovery) -> None:
    error = only_error(status, JSON, b'{"error":{"message":"no","type":"some_error"}}')
    assert error == Error("http", "no", "some_error", status, recovery)


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (b'{"error":{"message":"no","type":"t","code":"c"}}', "no", "c"),
        (b'{"error":{"message":"no","type":"t","code":null}}', "no", "t"),
        (
            b'{"type":"error","error":{"type":"overloaded_error","message":"no"}}',
            "no",
            "overloaded_error",
        ),
        (b'{"error":"no"}', "no", None),
        (b'{"errors":[{"code":7003,"message":"no"}],"success":false}', "no", "7003"),
        (b'[{"error":{"code":400,"message":"no","status":"INVALID"}}]', "no", "INVALID"),
        (b'{"detail":"no"}', "no", None),
        (b'{"detail":[{"msg":"no","type":"missing"}]}', "no", "missing"),
        (b'{"error_code":336003,"error_msg":"no"}', "no", "336003"),
        (b'{"base_resp":{"status_code":1004,"status_msg":"no"}}', "no", "1004"),
        (b'{"code":4000,"msg":"no"}', "no", "4000"),
        (b'{"object":"error","message":"no","type":"t","code":40001}', "no", "t"),
        (b'{"message":"no"}', "no", None),
        (b'{"error":{"x":1}}', '{"x":1}', None),
        (b'{"error":{"error":{"message":"no"}}}', "no", None),
        (b'data: {"error":"no","error_type":"overloaded"}\n\n', "no", None),
        (b'data: {"error":{"message":"no"}}', "no", None),
        (b'{"error":[]}', "the server answered 500; its body begins with '{\"error\":[]}'", None),
        (b'{"error":[null]}', "the service reported an error without a message", None),
        (b"plain words", "the server answered 500; its body begins with 'plain words'", None),
        (b"", "the server answered 500", None),
        (b"[]", "the server answered 500; its body begins with '[]'", None),
        (b"\xff", "the server answered 500; its body begins with '\ufffd'", None),
    ],
)
def test_the_vendors_words(body: bytes, message: str, code: str | None) -> None:
    error = only_error(500, JSON, body)
    assert (error.message, error.code, error.status) == (message, code, 500)


def test_a_page_of_a_proxy_is_told_by_its_title() -> None:
    page = b"<html><head><TITLE lang=en>\n 502 Bad Gateway </title></head></html>"
    error = only_error(502, {"content-type": "text/html"}, page)
    assert error.message == "the server answered 502; a page titled '502 Bad Gateway'"
    error = only_error(200, {"content-type": "text/html"}, page)
    assert error.message == (
        "the server answered 200 with text/html where openai-chat expects text/event-stream;"
        " a page titled '502 Bad Gateway'"
    )
    assert error.kind == "http"


def test_an_error_with_status_200_is_the_services() -> None:
    error = only_error(200, JSON, b' {"error":{"message":"busy","code":"server_error"}}')
    assert error == Error("vendor", "busy", "server_error", recovery=Recovery.RETRY)


def test_a_whole_document_is_no_stream() -> None:
    error = only_error(200, JSON, b'{"object":"chat.completion"}')
    assert error.kind == "http"
    assert "with application/json where openai-chat expects text/event-stream" in error.message
    assert 'its body begins with \'{"object"' in error.message


def test_json_lines_may_be_called_json() -> None:
    events = respond(200, {"content-type": "text/plain"}, b'{"done":true}', dialect="jsonl")
    assert events == [Done("stop")]


def test_an_empty_body_of_another_type() -> None:
    error = only_error(200, {})
    assert "answered 200 with no content type where" in error.message


@pytest.mark.parametrize("body", [b"", b" \n"])
def test_a_connection_that_breaks_before_a_body_of_another_type(body: bytes) -> None:
    parser = StreamParser("openai-chat")
    parser.receive_response(200, {"content-type": "text/eve"})
    parser.receive_data(body)
    parser.connection_lost("reset")
    (error,) = parser.events()
    assert isinstance(error, Error)
    assert (error.kind, error.recovery) == ("transport", Recovery.RETRY)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "3"}, 3.0),
        ({"retry-after": " 2.5 "}, 2.5),
        ({"RETRY-AFTER": "0"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        (
            {
                "Date": "Fri, 20 Nov 2026 10:00:00 GMT",
                "Retry-After": "Fri, 20 Nov 2026 10:01:30 GMT",
            },
            90.0,
        ),
        (
            {
                "Date": "Fri, 20 Nov 2026 10:00:00 GMT",
                "Retry-After": "Fri, 20 Nov 2026 09:00:00 GMT",
            },
            0.0,
        ),
        ({"Retry-After": "Fri, 20 Nov 2026 10:01:30 GMT"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "٣"}, None),
        ({"Retry-After": "1_0"}, None),
        ({"Retry-After": "."}, None),
        ({"Retry-After": "9" * 400}, 999999999999999.0),
        (
            {"Date": "Fri, 20 Nov 2026 10:00:00", "Retry-After": "Fri, 20 Nov 2026 10:01:30 GMT"},
            None,
        ),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert only_error(429, headers, b"{}").retry_after == seconds


@pytest.mark.parametrize(
    ("said", "status", "recovery"),
    [
        ("true", 400, Recovery.RETRY),
        ("false", 500, Recovery.FATAL),
        ("maybe", 500, Recovery.RETRY),
    ],
)
def test_x_should_retry_overrules(said: str, status: int, recovery: Recovery) -> None:
    assert only_error(status, {"X-Should-Retry": said}).recovery is recovery


def test_out_of_money_is_not_retried() -> None:
    body = b'{"error":{"message":"no","code":"insufficient_quota"}}'
    assert only_error(429, JSON, body).recovery is Recovery.FATAL


@pytest.mark.parametrize("flag", [True, False])
def test_a_service_that_says_whether_to_retry(flag: bool) -> None:
    body = b'{"error":{"message":"no","retryable":%s}}' % (b"true" if flag else b"false")
    expected = Recovery.RETRY if flag else Recovery.FATAL
    assert only_error(418, JSON, body).recovery is expected


@pytest.mark.parametrize("size", [1, 3, 0])
def test_the_body_is_bounded_and_its_error_does_not_wait_for_the_end(size: int) -> None:
    parser = StreamParser("openai-chat", limits=Limits(max_error_body=10))
    parser.receive_response(500, {})
    body = b"0123456789 and very much more"
    size = size or len(body)
    for start in range(0, len(body), size):
        parser.receive_data(body[start : start + size])
    error = parser.next_event()
    assert isinstance(error, Error)
    assert error.message == "the server answered 500; its body begins with '0123456789'"
    assert parser.next_event() is Signal.CLOSED
    parser.receive_data(b"more")
    assert parser.next_event() is Signal.CLOSED


def test_an_error_body_over_the_event_limit() -> None:
    limits = Limits(max_event_size=4)
    error = only_error(500, {}, b"data: 0123456789\n\n", limits=limits)
    assert "its body begins with" in error.message


def test_a_connection_that_breaks_in_an_error_body() -> None:
    parser = StreamParser("sse")
    parser.receive_response(503, {})
    parser.receive_data(b'{"error":"bu')
    parser.connection_lost("reset")
    (error,) = parser.events()
    assert isinstance(error, Error)
    assert (error.kind, error.status) == ("http", 503)


def test_an_error_object_with_status_200() -> None:
    """Mistral and vLLM: the document itself is the error."""
    error = only_error(200, JSON, b'{"object":"error","message":"no","type":"t","code":40001}')
    assert error == Error("vendor", "no", "t")
