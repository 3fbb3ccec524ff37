"""`StreamParser` as its callers meet it: order of calls, limits, cursor, odd bodies."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.reading import read

from tokenwire import (
    Cursor,
    Data,
    Dialect,
    Done,
    Error,
    Event,
    Frame,
    Heartbeat,
    Limits,
    LocalProtocolError,
    Recovery,
    Signal,
    Started,
    State,
    StreamParser,
    Token,
    Unknown,
    UnknownDialectError,
    get_dialect,
)
from tokenwire.errors import FramingError
from tokenwire.framing.awsevents import AWSEventsFramer
from tokenwire.framing.sse import SSEFramer


def last_error(wire: bytes, dialect: str = "sse") -> Error:
    last = read([wire] if wire else [], dialect).events[-1]
    assert isinstance(last, Error)
    return last


# --- the order of calls ---


def test_need_data_until_fed() -> None:
    parser = StreamParser("sse")
    assert parser.next_event() is Signal.NEED_DATA
    parser.receive_data(b"data: Par")
    assert parser.next_event() is Signal.NEED_DATA
    parser.receive_data(b"is\n\n")
    assert parser.next_event() == Token("Paris")
    assert parser.next_event() is Signal.NEED_DATA


def test_empty_data_is_nothing_and_no_eof() -> None:
    parser = StreamParser("sse")
    parser.receive_data(b"")
    parser.receive_data(b"data: [DONE]\n\n")
    assert list(parser.events()) == [Done("stop")]


def test_closed_after_done_before_eof() -> None:
    parser = StreamParser("sse")
    parser.receive_data(b"data: [DONE]\n\n")
    assert parser.next_event() == Done("stop")
    assert parser.next_event() is Signal.CLOSED
    assert parser.state is State.DONE
    parser.receive_data(b"data: late\n\n")
    assert parser.next_event() is Signal.CLOSED
    parser.receive_eof()
    parser.receive_eof()
    assert parser.state is State.CLOSED
    assert parser.next_event() is Signal.CLOSED


@pytest.mark.parametrize("data", [b"", b"x"])
def test_data_after_eof_is_misuse(data: bytes) -> None:
    parser = StreamParser("sse")
    parser.receive_eof()
    with pytest.raises(LocalProtocolError, match="receive_data after receive_eof"):
        parser.receive_data(data)


@pytest.mark.parametrize("wrong", ["text", 3, None])
def test_only_bytes_are_data(wrong: object) -> None:
    with pytest.raises(TypeError):
        StreamParser("sse").receive_data(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_kind_of_bytes(kind: type) -> None:
    parser = StreamParser("sse")
    parser.receive_data(kind(b"data: a\n\n"))
    assert parser.next_event() == Token("a")


def test_a_buffer_may_be_reused_by_the_caller() -> None:
    parser = StreamParser("sse")
    buffer = bytearray(b"data: a")
    parser.receive_data(buffer)
    buffer[:] = b"XXXXXXX"
    parser.receive_data(b"\n\n")
    assert parser.next_event() == Token("a")


def test_unknown_dialect() -> None:
    with pytest.raises(UnknownDialectError, match="no dialect is named 'nope'"):
        StreamParser("nope")


def test_the_response_comes_first_and_once() -> None:
    parser = StreamParser("sse")
    parser.receive_data(b"data: a\n\n")
    with pytest.raises(LocalProtocolError, match="comes once, before the first data"):
        parser.receive_response(200, {})
    parser = StreamParser("sse")
    parser.receive_response(500, {})
    with pytest.raises(LocalProtocolError, match="comes once"):
        parser.receive_response(500, {})


def test_an_undrained_queue_is_misuse_and_loses_nothing() -> None:
    parser = StreamParser("sse", limits=Limits(max_undrained=16))
    parser.receive_data(b"data: one chunk may be larger than the limit\n\n")
    with pytest.raises(LocalProtocolError, match=r"max_undrained = 16: call next_event\(\)"):
        parser.receive_data(b"data: b\n\n")
    assert parser.next_event() == Token("one chunk may be larger than the limit")
    assert parser.next_event() is Signal.NEED_DATA
    parser.receive_data(b"data: b\n\n")
    assert parser.next_event() == Token("b")


# --- how streams end ---


def test_an_empty_body() -> None:
    error = last_error(b"")
    assert (error.kind, error.recovery) == ("truncated", Recovery.RETRY)
    assert error.message == "the body ended before any event of sse came"


def test_a_cut_answer() -> None:
    error = last_error(b"data: The capital of France is Par\n\n")
    assert (error.kind, error.recovery) == ("truncated", Recovery.RESUME)
    assert error.message == "the answer was cut off: the body ended before data: [DONE]"


def test_something_else_than_a_stream_is_shown() -> None:
    error = last_error(b"<html>\n<body>502</body>\n\n", "openai-chat")
    assert error.kind == "truncated"
    assert "it began with '<html>\\n<body>502</body>', which is a page" in error.message
    error = last_error(b"\x1f\x8b\x08\x00", "openai-chat")
    assert "it began with '\\x1f\\x8b\\x08\\x00', which is gzip" in error.message


def test_a_broken_connection() -> None:
    parser = StreamParser("sse")
    parser.receive_data(b"data: a\n\n")
    parser.connection_lost("reset by peer")
    assert list(parser.events()) == [
        Token("a"),
        Error(
            "transport",
            "the answer was cut off: the connection failed with reset by peer before data: [DONE]",
            recovery=Recovery.RESUME,
        ),
    ]
    assert parser.state is State.FAILED


def test_a_silent_connection_before_anything_came() -> None:
    parser = StreamParser("sse")
    parser.connection_lost("30 s without a byte", kind="timeout")
    (error,) = parser.events()
    assert isinstance(error, Error)
    assert (error.kind, error.recovery) == ("timeout", Recovery.RETRY)


def test_an_answer_that_was_complete_when_the_connection_broke() -> None:
    parser = StreamParser("openai-chat")
    parser.receive_data(b'data: {"choices":[{"index":0,"finish_reason":"stop"}]}\n\n')
    parser.connection_lost("reset by peer")
    assert list(parser.events())[-1] == Done("stop")


def test_a_fatal_error_ends_the_stream_at_once() -> None:
    parser = StreamParser("sse")
    parser.receive_data(b"event: error\ndata: no\n\ndata: late\n\n")
    assert list(parser.events()) == [Error("vendor", "no")]
    assert parser.state is State.FAILED
    parser.receive_data(b"data: later\n\n")
    parser.receive_eof()
    assert parser.next_event() is Signal.CLOSED


@pytest.mark.parametrize(
    ("wire", "last"),
    [
        (b"data: [DONE]", Done("stop")),
        (b"data: [DONE]\n", Done("stop")),
        (b"data: [DO", None),
        (b"data: not json", None),
    ],
)
def test_an_event_without_its_blank_line(wire: bytes, last: Event | None) -> None:
    got = read([b"data: a\n\n" + wire], "sse").events
    assert got[0] == Token("a")
    assert len(got) == 2
    assert got[1] == last if last else isinstance(got[1], Error)


@pytest.mark.parametrize("tail", [b"", b"\n", b"\nevent: mess", b"\nid: 5", b"\r"])
def test_an_open_event_of_whole_json_counts(tail: bytes) -> None:
    got = read([b'data: {"token":"a","position":0}' + tail], "positioned").events
    assert got[0] == Token("a")
    assert got[0].frame is not None
    assert got[0].frame.unterminated
    assert got[0].frame.id is None


# --- limits ---


def test_a_limit_names_itself_and_comes_after_what_was_before() -> None:
    parser = StreamParser("sse", limits=Limits(max_event_size=10))
    parser.receive_data(b"data: a\n\ndata: 0123456789\n\ndata: b\n\n")
    parser.receive_data(b"data: c\n\n")
    first, error = parser.events()
    assert first == Token("a")
    assert isinstance(error, Error)
    assert error.kind == "limit"
    assert "max_event_size = 10 bytes" in error.message
    assert parser.state is State.FAILED


class _BadFramer(SSEFramer):
    """A format that finds its bytes broken."""

    @property
    def receive_data(self):  # type: ignore[no-untyped-def]
        def receive(data: bytes) -> None:
            raise FramingError("malformed", "bad CRC at byte 8")

        return receive


def test_a_broken_format_is_an_error_event() -> None:
    sse = get_dialect("sse")
    dialect = Dialect(name="x", framer=_BadFramer, decoder=sse.decoder, terminator="an end")
    assert read([b"x"], dialect).events == [Error("malformed", "bad CRC at byte 8")]


def test_peak_buffered() -> None:
    parser = StreamParser("sse")
    parser.receive_data(b"data: 0123456789")
    assert parser.buffered == 16
    parser.receive_data(b"\ndata: 01\n\n")
    assert parser.buffered == 13  # the frame, not yet taken
    list(parser.events())
    assert parser.buffered == 0
    assert parser.peak_buffered == 16
    lines = StreamParser("jsonl")
    lines.receive_data(b'{"a":')
    assert (lines.buffered, lines.peak_buffered) == (5, 5)


# --- the cursor ---


def test_the_cursor_moves_with_what_was_handed_out() -> None:
    parser = StreamParser("sse")
    assert parser.cursor == Cursor("id", None)
    parser.receive_data(b"id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\n\ndata: c\n\n")
    assert parser.cursor == Cursor("id", None)
    parser.next_event()
    assert parser.cursor == Cursor("id", "1")
    parser.next_event()
    assert parser.cursor == Cursor("id", "2")
    assert parser.next_event() == Heartbeat()
    assert parser.cursor == Cursor("id", "3")
    parser.next_event()
    assert parser.cursor == Cursor("id", "3")


def test_the_cursor_waits_for_the_last_event_of_a_frame() -> None:
    def decode(frame: Frame) -> Sequence[Event]:
        return [Token(letter, frame=frame) for letter in frame.text]

    sse = get_dialect("sse")
    dialect = Dialect(name="x", framer=sse.framer, decoder=lambda: decode, terminator="an end")
    parser = StreamParser(dialect)
    parser.receive_data(b"id: 1\ndata: ab\n\nid: 2\ndata:\n\n")
    assert parser.next_event() == Token("a")
    assert parser.cursor.value is None
    assert parser.next_event() == Token("b")
    assert parser.cursor.value == "1"
    assert parser.next_event() is Signal.NEED_DATA
    assert parser.cursor.value == "2"
    parser.receive_eof()
    (error,) = parser.events()
    assert isinstance(error, Error)
    assert error.kind == "truncated"


def test_an_empty_id_resets_the_cursor() -> None:
    result = read([b"id: 1\ndata: a\n\nid\ndata: b\n\n"], "sse")
    assert result.cursor == Cursor("id", "")


def test_the_cursor_of_positions() -> None:
    wire = b'data: {"token":"a","position":7}\n\n: ping\n\ndata: x\n\ndata: {"done":true}\n\n'
    result = read([wire], "positioned")
    assert result.cursor == Cursor("position", 7)


def test_retry() -> None:
    parser = StreamParser("sse")
    assert parser.retry is None
    parser.receive_data(b"retry: 1500\n")
    assert parser.retry == 1500
    assert StreamParser("jsonl").retry is None


# --- frames without data ---


def test_liveness() -> None:
    wire = b": a comment\n\nevent: ping\n\ndata:\n\nretry: 5\n\n"
    events = read([wire], "sse", eof=False).events
    expected = [Heartbeat("a comment"), Heartbeat("ping"), Heartbeat(), Heartbeat()]
    assert events == expected
    assert events[3].frame == Frame(retry=5)


def test_stray_lines_are_unknown_and_kept() -> None:
    (event,) = read([b"what: ever\nthis\n\n"], "sse", eof=False).events
    assert event == Unknown()
    assert event.frame == Frame(other=b"what: ever\nthis")


@pytest.mark.parametrize("dialect", ["sse", "openai-chat", "anthropic-messages"])
@pytest.mark.parametrize(
    "wire",
    [
        b'{"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}\n\n',
        b'{\n  "error": {\n    "code": 503,\n    "message": "busy"\n  }\n}\n',
        b'{"error": {"code": 503, "message": "busy"}}',
        b'error: {"code": 503, "message": "busy", "type": "unavailable"}\n\ndata: [DONE]\n\n',
    ],
)
def test_errors_in_stray_lines(dialect: str, wire: bytes) -> None:
    """Gemini writes bare JSON between events, old llama.cpp a field named error."""
    (error,) = read([wire], dialect).events
    assert isinstance(error, Error)
    assert (error.kind, error.message, error.status) == ("vendor", "busy", 503)
    assert error.recovery is Recovery.RETRY


def test_an_event_source_knows_no_stray_errors() -> None:
    events = read([b'{"error": "x"}\n\ndata: a\n\n'], "event-stream", eof=False).events
    assert events == [Unknown(), Data("message", "a")]


def test_heartbeats_leave_a_stream_idle() -> None:
    parser = StreamParser("openai-chat")
    parser.receive_data(b": OPENROUTER PROCESSING\n\n")
    assert list(parser.events()) == [Heartbeat("OPENROUTER PROCESSING")]
    assert parser.state is State.IDLE
    parser.receive_data(b'data: {"id":"a","choices":[]}\n\n')
    assert list(parser.events()) == [Started("a")]
    assert parser.state is State.OPEN


# --- hostile growth ---


def test_frames_count_against_the_undrained_limit() -> None:
    """A thousand empty comments are two thousand bytes and much more memory."""
    parser = StreamParser("sse", limits=Limits(max_undrained=50_000))
    parser.receive_data(b":\n" * 1000)
    assert parser.buffered == 0
    with pytest.raises(LocalProtocolError, match="100000 bytes are held"):
        parser.receive_data(b":\n")


def test_many_values_in_one_frame_are_refused() -> None:
    (error, _) = read([b"data: " + b"{}" * 101 + b"\n\n"], "openai-chat").events
    assert isinstance(error, Error)
    assert "more than 100 JSON values" in error.message


def test_ever_new_choices_and_calls_are_refused() -> None:
    """A decoder's memory is bounded too."""
    chunk = b'data: {"choices":[{"index":%d,"delta":{"content":"a"}}]}\n\n'
    result = read([b"".join(chunk % index for index in range(1030))], "openai-chat", eof=False)
    assert sum(isinstance(event, Token) for event in result.events) == 1024
    assert "more than 1024 choices" in str(result.events[-1])

    call = (
        b'data: {"choices":[{"delta":{"tool_calls":[{"id":"c%d","function":{"name":"f"}}]}}]}\n\n'
    )
    result = read([b"".join(call % index for index in range(1030))], "openai-chat", eof=False)
    assert "more than 1024 tool calls" in str(result.events[-1])

    block = (
        b'data: {"type":"content_block_start","index":%d,'
        b'"content_block":{"type":"tool_use","id":"t"}}\n\n'
    )
    body = b"".join(block % index for index in range(1030))
    result = read([body], "anthropic-messages", eof=False)
    assert "more than 1024 tool calls are open" in str(result.events[-1])


def test_frames_that_wait_count_with_their_headers() -> None:
    framer = AWSEventsFramer(Limits())
    message = framer.encode(Frame(b"{}", headers=((":event-type", "x"), ("n", 7), ("b", b"1234"))))
    parser = StreamParser("bedrock-converse")
    parser.receive_data(message)
    assert parser.buffered == len("{}:event-typexnb") + 8 + 4


def test_what_the_end_left_open_is_held_until_it_is_taken() -> None:
    parser = StreamParser("openai-chat")
    parser.receive_data(b'data: {"error":{"message":"busy"}}')
    parser.receive_eof()
    assert parser.buffered >= len(b'{"error":{"message":"busy"}}')
    assert [type(event) for event in parser.events()] == [Error]
    assert parser.buffered == 0
