"""mcp: messages of a server, the response that ends them, and replies that are one document."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.answers import comments, texts
from tests.cuts import in_every_cut, read_response
from tests.reading import Read, read
from tests.resume.playbook import WAKE, data, head, lost, play, post, session

from tokenwire import (
    Cursor,
    Data,
    Done,
    Error,
    Event,
    Finished,
    Frame,
    Heartbeat,
    Limits,
    LocalProtocolError,
    Recovery,
    Refusal,
    Started,
    StreamEncoder,
    StreamParser,
    Token,
    Unknown,
    Usage,
)
from tokenwire.dialects.agents.mcp import MCP, mcp
from tokenwire.dialects.kit.jsonrpc import ReplyFramer, id_text, id_value


def message(**fields: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", **fields}, ensure_ascii=False, separators=(",", ":"))


def sse(*messages: str) -> bytes:
    return b"".join(f"event: message\r\ndata: {one}\r\n\r\n".encode() for one in messages)


def told(*messages: str) -> list[Event]:
    return read([sse(*messages)], MCP).events


def encoded(events: list[Event]) -> bytes:
    encoder = StreamEncoder(MCP)
    return b"".join(map(encoder.send, events))


IMAGE = {"type": "image", "data": "AA==", "mimeType": "image/png"}
CALLED = [
    {"type": "text", "text": "It\u2028is "},
    {"type": "text", "text": ""},
    IMAGE,
    {"type": "text", "text": "so"},
]
ASKED = message(id=9, method="elicitation/create", params={"message": "Sure?"})
WIRE = b": ping - 2026-05-12\r\n\r\nid: 0_1\r\nretry: 500\r\ndata:\r\n\r\n" + sse(
    message(method="notifications/progress", params={"progressToken": 1, "progress": 50}),
    ASKED,
    message(method="notifications/tools/list_changed"),
    message(id=7, result={"content": CALLED, "structuredContent": {"a": 1}}),
)
SAID: list[Event] = [
    Heartbeat("ping - 2026-05-12"),
    Heartbeat(),
    Data("notifications/progress", {"progressToken": 1, "progress": 50}),
    Data("request", json.loads(ASKED)),
    Data("notifications/tools/list_changed"),
    Started("7"),
    Token("It\u2028is ", part=0),
    Data("image", IMAGE, part=2),
    Token("so", part=3),
    Data("structuredContent", {"a": 1}),
    Finished(0, "stop"),
    Done("stop"),
]


def test_however_it_is_cut() -> None:
    result = in_every_cut(lambda chunks: read(chunks, MCP), WIRE)
    assert result.events == SAID


def test_every_prefix_is_a_truncation() -> None:
    for end in range(len(WIRE)):
        *before, last = read([WIRE[:end]], MCP).events
        if isinstance(last, Done):  # only the blank line is missing
            assert [*before, last] == SAID
        else:
            assert isinstance(last, Error)
            assert last.kind == "truncated"
            assert Done("stop") not in before


def test_done_does_not_wait_for_the_end_of_the_body_where_events_have_ids() -> None:
    """A stream that is taken up again may stay open after the response."""
    assert read([WIRE], MCP, eof=False).events[-1] == Done("stop")


def test_a_batch_is_over_at_the_end_of_the_body_or_where_its_answers_are_counted() -> None:
    """2025-03-26: each response may come in an event of its own, and all of them are told."""
    one = message(id=1, result={"content": [{"type": "text", "text": "a"}]})
    two = message(id=2, result={"content": [{"type": "text", "text": "b"}], "isError": True})
    said = [
        *(Started("1"), Token("a"), Finished(0, "stop")),
        *(Started("2"), Token("b", 1), Finished(1, "error", "isError")),
    ]
    assert told(one, two) == [*said, Done("stop")]
    assert read([sse(one, two)], MCP, eof=False).events == said
    lost = StreamParser(MCP)
    lost.receive_data(sse(one, two))
    lost.connection_lost("reset")
    assert list(lost.events()) == [*said, Done("stop")]
    counted = b"id: 1\n" + sse(one) + b"id: 2\n" + sse(two)
    assert read([counted], mcp(answers=2), eof=False).events == [*said, Done("stop")]
    assert read([counted], MCP, eof=False).events == [*said[:3], Done("stop")]
    assert read([sse(f"[{one},{two}]")], mcp(answers=2), eof=False).events == [*said, Done("stop")]
    cut = read([sse(one)], mcp(answers=2)).events[-1]
    assert isinstance(cut, Error)
    assert cut.kind == "truncated"


def test_recognised() -> None:
    assert read([WIRE], "auto").events == SAID
    task = sse(message(id=1, result={"task": {"taskId": "t", "status": "working"}}))
    assert read([task], "auto").events == read([task], MCP).events
    old = b"event: endpoint\ndata: /messages\n\n"
    assert read([old], "auto").events[0] == Data("endpoint", "/messages")


def test_q02_lines_end_as_the_server_likes() -> None:
    for end in (b"\n", b"\r"):
        assert read([WIRE.replace(b"\r\n", end)], MCP).events == SAID


def test_q04_line_separators_in_results_are_text() -> None:
    odd = "a\u2028b\u2029c\u0085d\x0be\x0cf"
    wire = message(id=1, result={"content": [{"type": "text", "text": odd}]})
    assert told(wire)[1] == Token(odd)


def test_q07_comments_come_first() -> None:
    assert read([b":\n\n: ping\n\n" + sse(message(id=1, result={}))], MCP).events[:2] == [
        Heartbeat(),
        Heartbeat("ping"),
    ]


def test_q08_priming_moves_the_cursor() -> None:
    result = read([b"id: abc\ndata:\n\nretry: 10\n\n"], MCP)
    assert result.cursor == Cursor("id", "abc")
    assert result.retry == 10
    assert isinstance(result.events[-1], Error)
    assert result.events[-1].kind == "truncated"


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({}, [Data("result", {}), Finished(0, "stop")]),
        (None, [Data("result", {}), Finished(0, "stop")]),
        ([1], [Data("result", {"value": [1]}), Finished(0, "stop")]),
        ({"tools": []}, [Data("result", {"tools": []}), Finished(0, "stop")]),
        ({"content": []}, [Finished(0, "stop")]),
        ({"content": [5]}, [Data("None", 5), Finished(0, "stop")]),
        (
            {"content": [{"type": "text", "text": "no"}], "isError": True},
            [Token("no"), Finished(0, "error", "isError")],
        ),
        ({"content": [], "resultType": "complete"}, [Finished(0, "stop", "complete")]),
        ({"content": [], "resultType": "later"}, [Finished(0, "other", "later")]),
        (
            {"resultType": "input_required", "requestState": "x"},
            [
                Data("result", {"resultType": "input_required", "requestState": "x"}),
                Finished(0, "pause", "input_required"),
            ],
        ),
    ],
)
def test_results(result: Any, said: list[Event]) -> None:
    finished = said[-1]
    assert isinstance(finished, Finished)
    assert told(message(id="a", result=result)) == [Started("a"), *said, Done(finished.reason)]


def test_a_response_without_an_id() -> None:
    assert told('{"result":{"content":[]}}') == [Finished(0, "stop"), Done("stop")]


@pytest.mark.parametrize(
    ("wire", "error"),
    [
        (
            message(id=1, error={"code": -32603, "message": "broken"}),
            Error("vendor", "broken", "-32603", recovery=Recovery.RETRY),
        ),
        (
            message(id=1, error={"code": -32602, "message": "bad", "data": {"code": ""}}),
            Error("vendor", "bad", "-32602"),
        ),
        (
            message(id=None, error={"code": -32000, "message": "no", "data": {"code": "busy"}}),
            Error("vendor", "no", "busy"),
        ),
        ('{"error":"gone"}', Error("vendor", "gone")),
        ('{"detail":"Not Found"}', Error("vendor", "Not Found")),
    ],
)
def test_errors(wire: str, error: Error) -> None:
    assert told(wire, message(id=1, result={})) == [error]
    assert read([wire.encode()], MCP).events == [error]  # as a plain reply too


def test_an_error_event() -> None:
    assert read([b"event: error\ndata: gone\n\n"], MCP).events == [Error("vendor", "gone")]


def test_an_array_of_messages() -> None:
    one = {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "a"}]}}
    two = {"jsonrpc": "2.0", "id": 2, "result": {"content": [], "isError": True}}
    note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "x"}}
    assert told(json.dumps([note, one, two])) == [
        Data("notifications/message", {"data": "x"}),
        Started("1"),
        Token("a"),
        Finished(0, "stop"),
        Started("2"),
        Finished(1, "error", "isError"),
        Done("stop"),
    ]


def test_an_error_in_an_array_does_not_hide_the_answers_beside_it() -> None:
    failed = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "no"}}
    one = {"jsonrpc": "2.0", "id": 2, "result": {"content": [{"type": "text", "text": "a"}]}}
    assert told(json.dumps([failed, one])) == [
        Error("vendor", "no", "-32601", fatal=False),
        Started("2"),
        Token("a"),
        Finished(0, "stop"),
        Done("stop"),
    ]
    error = Error("vendor", "no", "-32601", fatal=False)
    last = Error("vendor", "no", "-32601")
    note = {"jsonrpc": "2.0", "method": "notifications/x"}
    assert told(json.dumps([failed, failed, note])) == [error, Data("notifications/x", None), last]


def test_an_error_is_one_of_the_responses_that_were_asked_for() -> None:
    failed = message(id=1, error={"code": -32601, "message": "no"})
    one = message(id=2, result={"content": [{"type": "text", "text": "a"}]})
    error = Error("vendor", "no", "-32601", fatal=False)
    said = [Started("2"), Token("a"), Finished(0, "stop")]
    both = mcp(answers=2)
    assert read([sse(failed, one)], both, eof=False).events == [error, *said, Done("stop")]
    assert read([sse(one, failed)], both, eof=False).events == [*said, error, Done("stop")]
    assert told(one, failed) == [*said, error, Done("stop")]
    last = Error("vendor", "no", "-32601")
    assert read([sse(failed, failed)], both, eof=False).events == [error, last]
    refused = message(id=None, error={"code": -32601, "message": "no"})  # the batch as a whole
    assert read([sse(refused)], both, eof=False).events == [last]


def test_the_old_transport_carries_a_whole_session() -> None:
    wire = b"event: endpoint\ndata: /messages?session=1\n\n" + sse(
        message(id=1, result={}), message(id=2, error={"code": -32601, "message": "no"})
    )
    *said, end = read([wire], MCP).events
    assert said == [
        Data("endpoint", "/messages?session=1"),
        Started("1"),
        Data("result", {}),
        Finished(0, "stop"),
        Error("vendor", "no", "-32601", fatal=False),
    ]
    assert isinstance(end, Error)
    assert end.kind == "truncated"


def test_what_cannot_be_read() -> None:
    first, *rest = told("nonsense", "5", "{}", '[1,{"jsonrpc":"2.0"}]')
    assert isinstance(first, Error)
    assert (first.kind, first.fatal) == ("malformed", False)
    assert rest[:-1] == [Unknown(), Unknown(), Unknown(), Unknown()]


# --- a reply that is one document ---

REPLY = json.dumps(json.loads(message(id=7, result={"content": [IMAGE]})), indent=1).encode()
REPLIED: list[Event] = [Started("7"), Data("image", IMAGE), Finished(0, "stop"), Done("stop")]
JSON = {"Content-Type": "application/json; charset=utf-8"}


@pytest.mark.parametrize("around", [b"", b"\n \r\n", b"\xef\xbb\xbf", b" \n\n"])
def test_a_plain_reply_is_the_answer(around: bytes) -> None:
    wire = around + REPLY + b"\n"
    events = in_every_cut(lambda chunks: read_response(chunks, MCP, headers=JSON), wire)
    assert [event for event in events if event != Unknown()] == REPLIED


def test_a_plain_reply_cut_off() -> None:
    for end in range(1, len(REPLY)):
        (error,) = read_response([REPLY[:end]], MCP, headers=JSON)
        assert isinstance(error, Error)
        assert error.kind == "truncated"


def test_a_plain_reply_with_an_http_error() -> None:
    wire = message(id=None, error={"code": -32600, "message": "no session"}).encode()
    assert read_response([wire], MCP, status=404, headers=JSON) == [
        Error("http", "no session", "-32600", status=404)
    ]


def test_an_event_stream_called_json() -> None:
    assert read_response([WIRE], MCP, headers=JSON) == SAID


def test_a_reply_is_bounded_however_it_is_cut() -> None:
    limits = Limits(max_event_size=len(REPLY))
    assert read([REPLY], MCP, limits=limits).events == REPLIED

    def fed(chunks: list[bytes]) -> Read:
        return read(chunks, MCP, limits=Limits(max_event_size=len(REPLY) - 1))

    (error,) = in_every_cut(fed, REPLY).events
    assert isinstance(error, Error)
    assert error.kind == "limit"


def test_what_the_reply_framer_holds() -> None:
    framer = ReplyFramer(Limits())
    framer.receive_data(b" ")
    framer.receive_data(b'{"a":')
    assert framer.buffered == framer.peak_buffered == 5
    framer.receive_data(b"1}")
    framer.receive_eof()
    framer.receive_eof()
    assert list(framer.frames) == [Frame(b'{"a":1}', unterminated=True)]
    assert (framer.buffered, framer.peak_buffered, framer.retry) == (0, 7, None)


def test_blanks_alone_are_no_reply() -> None:
    (error,) = in_every_cut(lambda chunks: read(chunks, MCP), b"\r\n \r\n").events
    assert isinstance(error, Error)
    assert error.kind == "truncated"


# --- encoder ---


def test_encodes_what_it_reads() -> None:
    wire = encoded([event for event in SAID if event != Heartbeat()])
    blocks = [CALLED[0], IMAGE, CALLED[3]]  # no place is kept for what was empty
    assert wire == b": ping - 2026-05-12\n\n" + b"".join(
        f"event: message\ndata: {one}\n\n".encode()
        for one in (
            message(method="notifications/progress", params={"progressToken": 1, "progress": 50}),
            ASKED,
            message(method="notifications/tools/list_changed"),
            message(id=7, result={"content": blocks, "structuredContent": {"a": 1}}),
        )
    )


@pytest.mark.parametrize(
    "events",
    [
        [Started("7"), Data("result", {"tools": []}), Finished(0, "stop"), Done("stop")],
        [Started("7"), Data("result", {}), Finished(0, "stop"), Done("stop")],
        [Started('"7"'), Finished(0, "stop", "complete"), Done("stop")],
        [Started("x"), Token("no"), Finished(0, "error", "isError"), Done("error")],
        [Started("x"), Finished(0, "pause", "input_required"), Done("pause")],
        [Error("vendor", "no", "-32601")],
        [Error("vendor", "no", "busy")],
        [Data("notifications/message", {"data": "x"}), Error("vendor", "no", "-32000")],
    ],
)
def test_round_trip(events: list[Event]) -> None:
    assert read([encoded(events)], MCP).events == events


def test_an_error_without_a_code_is_internal() -> None:
    wire = encoded([Started("5"), Error("vendor", "no")])
    assert b'{"jsonrpc":"2.0","id":5,"error":{"code":-32603,"message":"no"}}' in wire


def test_the_old_transports_first_event() -> None:
    wire = encoded([Data("endpoint", "/messages")])
    assert wire == b"event: endpoint\ndata: /messages\n\n"


@pytest.mark.parametrize(
    ("before", "event"),
    [
        ([], Token("a")),
        ([], Finished(0, "stop")),
        ([], Started(None, "m")),
        ([], Data("endpoint", 5)),
        ([], Data("request", 5)),
        ([], Data("request", {"id": 1, "result": {}})),
        ([], Data("request", {"method": "ping"})),
        ([Started("1")], Data("endpoint", "/messages")),
        ([Data("endpoint", "/messages")], Started("1")),
        ([Data("endpoint", "/messages")], Error("vendor", "no")),
        ([Started("1")], Done()),
        ([Started("1")], Usage(1, 2)),
        ([Started("1")], Refusal("no")),
        ([Started("1")], Token("a", index=1)),
        ([Started("1")], Data("odd", 5)),
        ([Started("1")], Data("text", {"type": "text", "text": "a"})),
        ([Started("1")], Finished(0, "length", "max_tokens")),
        ([Started("1"), Token("a")], Data("image", IMAGE)),
        ([Started("1"), Data("image", IMAGE)], Token("a")),
        ([Started("1"), Token("a")], Data("result", {})),
        ([Started("1"), Data("result", {})], Token("a")),
        ([Started("1"), Data("result", {})], Data("image", IMAGE)),
        ([Started("1"), Token("a")], Error("vendor", "no")),
        ([Started("1"), Data("result", {})], Error("vendor", "no")),
        ([Started("1"), Finished(0, "stop")], Error("vendor", "no")),
        ([], Error("vendor", "no", fatal=False)),
    ],
)
def test_cannot_be_said(before: list[Event], event: Event) -> None:
    encoder = StreamEncoder(MCP)
    for one in before:
        encoder.send(one)
    with pytest.raises(LocalProtocolError):
        encoder.send(event)


@given(st.none() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False))
def test_ids_stay_what_they_are(value: Any) -> None:
    found = id_value(id_text(value))
    assert (found, type(found)) == (value, type(value))


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Heartbeats and notifications, then a result with texts and images."""
    said: list[Event] = []
    for comment in draw(st.lists(comments, max_size=3)):
        said.append(Heartbeat(comment.removeprefix(" ")))
        said.append(Data("notifications/message", {"data": comment}))
    said.append(Started(draw(st.sampled_from(["1", '"1"', "a b", "-3", "null or so"]))))
    for part, text in enumerate(draw(st.lists(texts, max_size=3))):
        said.append(Token(text, part=part))
    if draw(st.booleans()):
        said.append(Data("image", IMAGE, part=sum(isinstance(event, Token) for event in said)))
    ends = [Finished(0, "stop"), Finished(0, "error", "isError"), Finished(0, "stop", "complete")]
    finished = draw(st.sampled_from(ends))
    return [*said, finished, Done(finished.reason)]


@given(answers())
def test_any_answer_round_trips(said: list[Event]) -> None:
    assert read([encoded(said)], MCP).events == said


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("jsonrpc", "id", "result", "error", "method", "params", "content", "type"),
                    *("text", "isError", "resultType", "structuredContent", "code", "message"),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=10,
)


@given(st.lists(_JSON, max_size=3))
def test_reads_any_json(values: list[Any]) -> None:
    events = told(*map(json.dumps, values))
    assert all(event.frame is not None for event in events[:-1])


def test_what_stands_where_a_word_should_is_told() -> None:
    odd = {"content": [], "isError": ["x"], "resultType": {"x": 1}}
    assert told(message(id=1, result=odd)) == [
        Started("1"),
        Data("extra", {"isError": ["x"], "resultType": {"x": 1}}),
        Finished(0, "error", "isError"),  # whatever is no plain no: never a false success
        Done("error"),
    ]
    failed = message(id=1, result={"content": [{"type": "text", "text": 6}], "isError": 1})
    assert told(failed)[1:3] == [Token("6"), Finished(0, "error", "isError")]


# --- what a session knows ---

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
NOTE = {"jsonrpc": "2.0", "method": "notifications/initialized"}


@pytest.mark.parametrize(
    ("asked", "responses"),
    [(PING, 1), ([PING], 1), ([PING, NOTE, PING], 2), ([PING, PING, PING], 3), (NOTE, 0), ("", 0)],
)
def test_a_session_counts_the_requests_that_it_sends(asked: Any, responses: int) -> None:
    """Each in an event with an id, and the stream stays open after the last one."""
    request = post("/mcp", json.dumps(asked).encode())
    dialect = session("mcp", request).dialect
    events = [b"id: %d\n" % n + sse(message(id=n, result={})) for n in range(max(responses, 1))]
    for n in range(len(events)):
        said = read(events[: n + 1], dialect, eof=False).events
        assert (Done("stop") in said) == (n + 1 == len(events))


def test_a_batch_goes_on_after_a_lost_connection() -> None:
    """The first response came before it. Another process knows only that something is left."""
    one, two = (b"id: %d\n" % n + sse(message(id=n, result={})) for n in (1, 2))
    request = post("/mcp", json.dumps([PING, PING]).encode())
    batch = session("mcp", request)
    first = ("Started(id='1')", "Data(kind='result', value={})", "Finished(reason='stop')")
    play(batch, "open POST /mcp...", head(), "read", data(one), *first, "read")
    taken = session("mcp", request, checkpoint=batch.checkpoint(0.0))
    play(batch, lost(), "close", "reconnecting 1...", "sleep 0", WAKE)
    for going, index in ((batch, ", index=1"), (taken, "")):
        second = (
            "Started(id='2')",
            f"Data(kind='result', value={{}}{index})",
            f"Finished({index[2:]}{index and ', '}reason='stop')",
        )
        play(going, "open GET /mcp Last-Event-ID: 1", head(), "read", data(two), *second)
        play(going, "Done(reason='stop')")
