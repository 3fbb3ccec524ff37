"""Bugs that other stream readers have, or had, each as a test: a bug in the field is a missing test
idea here. The docstrings say what goes wrong elsewhere.

Unless a test is about one certain cut, it holds for all of them: `tests.cuts.in_every_cut`.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from tests.cuts import bytewise, every_cut, in_every_cut, in_pieces, read_response, whole
from tests.reading import Read, read

from tokenwire import (
    Completion,
    Data,
    Done,
    Error,
    Event,
    Heartbeat,
    Limits,
    Recovery,
    Signal,
    State,
    StreamParser,
    Token,
    Usage,
    available_dialects,
    get_dialect,
)

BOM = b"\xef\xbb\xbf"
KiB, MiB = 1024, 1024 * 1024


def block(value: Any) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def delta(text: str) -> bytes:
    return block({"choices": [{"index": 0, "delta": {"content": text}}]})


FINISH = block({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
DONE = b"data: [DONE]\n\n"
END = FINISH + DONE
HELLO = delta("Hel") + delta("lo") + END

ANTHROPIC_HELLO = b"".join(
    b"event: " + payload["type"].encode() + b"\n" + block(payload)
    for payload in (
        {"type": "message_start", "message": {"id": "m1", "model": "m", "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}},
        {"type": "message_stop"},
    )
)
SSE_HELLO = b"data: Hel\n\ndata: lo\n\ndata: [DONE]\n\n"
JSONL_HELLO = b'{"text": "Hel"}\n{"text": "lo"}\n{"done": true}\n'

ANSWERS = {
    "openai-chat": HELLO,
    "anthropic-messages": ANTHROPIC_HELLO,
    "sse": SSE_HELLO,
    "jsonl": JSONL_HELLO,
}
SSE_ANSWERS = {name: wire for name, wire in ANSWERS.items() if name != "jsonl"}
each_sse_answer = pytest.mark.parametrize(("dialect", "wire"), SSE_ANSWERS.items(), ids=SSE_ANSWERS)
each_answer = pytest.mark.parametrize(("dialect", "wire"), ANSWERS.items(), ids=ANSWERS)


def read_all(dialect: str, wire: bytes, **options: Any) -> Read:
    return in_every_cut(partial(read, dialect=dialect, **options), wire)


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Token))


def errors_of(events: list[Event]) -> list[Error]:
    return [event for event in events if isinstance(event, Error)]


def assert_hello(outcome: Read) -> None:
    assert text_of(outcome.events) == "Hello"
    assert outcome.events[-1] == Done("stop")
    assert not errors_of(outcome.events)
    assert outcome.state == State.CLOSED


# --- what peers fail: the conformance table ---


@each_answer
def test_leading_bom(dialect: str, wire: bytes) -> None:
    """A BOM becomes part of the first field's name, and the first event is lost or has no type."""
    assert_hello(read_all(dialect, BOM + wire))


def test_leading_bom_twice() -> None:
    """All BOMs are stripped, where only the first is one: the second belongs to the line."""
    outcome = read_all("sse", BOM + BOM + b"data: lost\n\ndata: Hello\n\ndata: [DONE]\n\n")

    assert text_of(outcome.events) == "Hello"


def test_bad_utf_8_becomes_a_replacement_character() -> None:
    """One bad byte raises UnicodeDecodeError and the rest of the answer is lost."""
    outcome = read_all("sse", SSE_HELLO.replace(b"Hel", b"H\xffl"))

    assert text_of(outcome.events) == "H\ufffdllo"
    assert outcome.events[-1] == Done("stop")


def test_bad_utf_8_inside_json() -> None:
    """The JSON reader refuses the whole chunk: its text goes missing in the middle of the answer."""
    outcome = read_all("openai-chat", HELLO.replace(b"Hel", b"H\xffl"))

    assert text_of(outcome.events) == "H\ufffdllo"
    assert not errors_of(outcome.events)


def test_event_only_block_is_silent() -> None:
    """A block without data is dispatched as an event with empty data."""
    outcome = read_all("event-stream", b"event: ping\n\ndata: a\n\n")

    assert outcome.events[:2] == [Heartbeat("ping"), Data("message", "a")]


def test_id_on_a_data_less_block_is_kept() -> None:
    """The id is thrown away with the block, and a reconnect starts too early."""
    assert read_all("event-stream", b"id: 7\n\n").cursor.value == "7"


def test_nul_id_is_ignored() -> None:
    """An id with NUL is taken over, and then sent back in a header that may not hold it."""
    outcome = read_all("event-stream", b"id: 1\ndata: a\n\nid: 2\x003\ndata: b\n\n")

    assert outcome.cursor.value == "1"


@pytest.mark.parametrize("rest", [b"data: lost", b"data: lost\n", b"data: lost\nevent: t\n"])
@pytest.mark.parametrize("dialect", ["sse", "event-stream"])
def test_eof_discards_a_partial_event(dialect: str, rest: bytes) -> None:
    """What the connection was cut in is handed out as if it were whole."""
    outcome = read_all(dialect, b"data: a\n\n" + rest)

    [_, error] = outcome.events
    assert isinstance(error, Error)
    assert error.kind == "truncated"


def test_mixed_line_ends() -> None:
    """The reader settles on the first kind of line end that it sees."""
    wire = b"data: H\rdata: e\n\ndata: l\r\n\rdata: l\n\r\ndata: o\r\rdata: [DONE]\r\n\n"

    assert text_of(read_all("sse", wire).events) == "H\nello"


def test_crlf_cut_between_its_bytes() -> None:
    """The LF that opens the next chunk counts as a line of its own, and a blank one: an event of
    two lines falls into two events, or the second line is lost."""
    parser = StreamParser("sse")
    events: list[Event] = []
    for chunk in (b"data: one\r", b"\ndata: two\r", b"\n\r", b"\ndata: three\r\n\r", b"\n"):
        parser.receive_data(chunk)
        events += parser.events()

    assert events == [Token("one\ntwo"), Token("three")]


def test_one_leading_space_only() -> None:
    """All leading spaces are stripped: in streamed text a space is most of the tokens' first one."""
    wire = b"data:Say\n\ndata:  hello\n\ndata:   there\n\ndata: [DONE]\n\n"

    assert text_of(read_all("sse", wire).events) == "Say hello  there"


@pytest.mark.parametrize("size", [1000, 64 * KiB])
def test_line_of_300_kb(size: int) -> None:
    """The HTTP client's line reader gives up at its own limit of 64 or 128 KiB."""
    text = "word " * 60_000

    outcome = read(in_pieces(delta(text) + END, size), "openai-chat")

    assert text_of(outcome.events) == text
    assert outcome.events[-1] == Done("stop")


@each_sse_answer
def test_data_without_a_space(dialect: str, wire: bytes) -> None:
    """``data: `` is matched with its space: gateways that leave it out give an empty answer."""
    spaceless = wire.replace(b"data: ", b"data:").replace(b"event: ", b"event:")

    assert_hello(read_all(dialect, spaceless))


RETRIES = {
    "digits": (b"250", 250),
    "zero": (b"0", 0),
    "negative": (b"-1", None),
    "plus": (b"+5", None),
    "underscore": (b"1_000", None),
    "padded": (b" 10 ", None),
    "arabic-digits": ("١٢".encode(), None),
    "superscript": ("1²".encode(), None),
    "float": (b"2.5", None),
    "nothing": (b"", None),
    "20-digits": (b"12345678901234567890", 10**12),
}


@pytest.mark.parametrize(("sent", "kept"), RETRIES.values(), ids=RETRIES.keys())
def test_retry_takes_ascii_digits_only(sent: bytes, kept: int | None) -> None:
    """``int()`` or ``str.isdigit()`` decide: they take signs, underscores, spaces and the digits of
    other scripts, raise at a superscript, and take a time that no timer can wait for."""
    outcome = read_all("event-stream", b"retry: " + sent + b"\ndata: a\n\n")

    assert outcome.retry == kept
    assert outcome.events[0] == Data("message", "a")


def test_retry_of_5000_digits() -> None:
    """``int()`` raises ValueError at more than 4300 digits, and the stream is over."""
    outcome = read(whole(b"retry: " + b"1" * 5000 + b"\n" + SSE_HELLO), "sse")

    assert outcome.retry == 10**12
    assert_hello(outcome)


def test_a_bare_cr_event_is_dispatched_at_once() -> None:
    """The reader waits for the byte after a CR, for it might be an LF: the event comes late."""
    parser = StreamParser("sse")
    parser.receive_data(b"data: now\r\r")

    assert parser.next_event() == Token("now")
    assert parser.next_event() is Signal.NEED_DATA


def test_multi_line_data_is_one_event() -> None:
    """Each line is an event of its own, and the JSON in it is cut in pieces."""
    wire = b'data: {"choices": [{"index": 0,\ndata: "delta":\ndata:{"content": "Hello"}}]}\n\n'

    assert_hello(read_all("openai-chat", wire + END))


@each_answer
@pytest.mark.parametrize("character", list("\u2028\u2029\u0085\ufeff\xa0"), ids=ascii)
def test_other_line_separators_are_text(dialect: str, wire: bytes, character: str) -> None:
    """``str.splitlines`` also splits at U+2028 and its like, which JSON allows in a text: the line
    is torn and neither half can be read."""
    outcome = read_all(dialect, wire.replace(b"Hel", f"Hel{character}".encode()))

    assert text_of(outcome.events) == f"Hel{character}lo"


@pytest.mark.parametrize("character", list("\x0b\x0c\x1c\x1d\x1e\x1f"), ids=ascii)
def test_control_characters_are_text(character: str) -> None:
    """``str.splitlines`` and ``str.strip`` take them for line ends and spaces."""
    outcome = read_all("sse", f"data: {character}a{character}\n\n".encode() + DONE)

    assert text_of(outcome.events) == f"{character}a{character}"


# --- what a conformance run of the peers brought to light ---

SIGNS_OF_LIFE = {
    "retry-first": b"retry: 3000\n\n",
    "event-only": b"event: ping\n\n",
    "id-then-comment": b"id: 1\n\n: ping\n\n",
    "empty-data": b"data:\n\n",
    "data-without-colon": b"data\n\n",
    "priming": b"id: 1\ndata:\n\n",
    "empty-data-with-type": b"event: ping\ndata\n\n",
    "comment": b": keep-alive\n\n",
    "empty-comment": b":\n\n",
    "comment-without-blank-line": b": keep-alive\n",
    "blank-lines": b"\n\r\n\r",
}
each_sign_of_life = pytest.mark.parametrize("sign", SIGNS_OF_LIFE.values(), ids=SIGNS_OF_LIFE)


@each_sign_of_life
@each_sse_answer
def test_legal_sse_is_no_json_error(dialect: str, wire: bytes, sign: bytes) -> None:
    """1. A block that carries only ``retry``, a type, an id or a comment is read as an event whose
    empty data is no JSON, and the stream ends in an exception."""
    assert_hello(read_all(dialect, sign + wire))
    middle = wire.index(b"\n\n") + 2
    assert_hello(read_all(dialect, wire[:middle] + sign + wire[middle:]))


@pytest.mark.parametrize(
    "charset", ["iso-8859-1", "windows-1252", "utf-16", "none-such", '"utf-8"']
)
@each_sse_answer
def test_the_charset_parameter_is_ignored(dialect: str, wire: bytes, charset: str) -> None:
    """2. The text is decoded in the charset that the header names, and becomes mojibake. An event
    stream is UTF-8, whatever the header says."""
    headers = {"content-type": f"text/event-stream; charset={charset}"}
    events = read_response([wire.replace(b"Hel", "é…".encode())], dialect, headers=headers)

    assert text_of(events) == "é…lo"


@pytest.mark.parametrize("chunks", [*every_cut(BOM), bytewise(BOM)], ids=["1+2", "2+1", "1+1+1"])
def test_a_bom_in_pieces(chunks: list[bytes]) -> None:
    """3. A BOM is only known where it comes whole, with the first event after it."""
    outcome = read([*chunks, b"event: t\n", b"data: a\n\n"], "event-stream")

    assert outcome.events[0] == Data("t", "a")


def test_cr_cr_at_the_end() -> None:
    """4. The last event of a stream with CR line ends stalls, and is lost when the stream ends."""
    outcome = read_all("event-stream", b"data: a\r\rdata: b\r\r")

    assert outcome.events[:2] == [Data("message", "a"), Data("message", "b")]


def test_a_cut_event_is_not_delivered() -> None:
    """5a. Half an event, even half a number or half a sentence, is delivered as real."""
    outcome = read_all("event-stream", b"data: 1\n\ndata: 12")

    assert [event for event in outcome.events if isinstance(event, Data)] == [Data("message", "1")]


def test_a_cut_event_is_not_glued_to_the_next_connection() -> None:
    """5b. One buffer serves all connections: the first event after a reconnect begins with the
    half that was left of the one before."""
    first = read([b"id: 1\ndata: a\n\nevent: t\ndata: half"], "event-stream")
    second = read([b"data: b\n\n"], "event-stream")

    assert first.cursor.value == "1"
    assert second.events[0] == Data("message", "b")
    assert second.cursor.value is None


@pytest.mark.parametrize("end", [b"", b"\n", b"\ndata: lost", b"\ndata: lost\n"])
def test_the_id_of_a_cut_event_is_not_kept(end: bytes) -> None:
    """5c. The reconnect asks for what comes after an event that was never delivered."""
    outcome = read_all("event-stream", b"id: 1\ndata: a\n\nid: 2" + end)

    assert outcome.cursor.value == "1"


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"])
@each_sse_answer
def test_bad_utf_8_where_nobody_looks(dialect: str, wire: bytes, bad: bytes) -> None:
    """6. One bad byte raises, even in a comment or in a field that is ignored."""
    assert_hello(read_all(dialect, b": " + bad + b"\n" + bad + b": x\n\n" + wire))


@pytest.mark.parametrize("size", [128 * KiB, 512 * KiB, MiB, 8 * MiB], ids="{:_}".format)
@pytest.mark.parametrize("kind", ["text", "comment", "unknown-field"])
def test_no_silent_cap(size: int, kind: str) -> None:
    """8. A line or an event is refused at 128 KiB, 512 KiB or 1 MiB, a comment too, where an image
    is one line of several MB."""
    long = b"x" * size
    wire = {
        "text": block({"choices": [{"delta": {"content": long.decode()}}]}),
        "comment": b": " + long + b"\n\n",
        "unknown-field": b"x-" + long + b": y\n\n",
    }[kind]
    outcome = read(in_pieces(wire + HELLO, 64 * KiB), "openai-chat")

    assert text_of(outcome.events).removeprefix(long.decode()) == "Hello"
    assert outcome.events[-1] == Done("stop")


def test_indentation_and_trailing_empty_lines_survive() -> None:
    """9. ``lstrip`` and ``rstrip`` take what belongs to the text: indentation, spaces at the end,
    and the empty data lines that close a paragraph."""
    wire = b"data: def f():\ndata:     return 1 \ndata:\ndata:\n\n" + DONE

    assert text_of(read_all("sse", wire).events) == "def f():\n    return 1 \n\n"


def test_the_last_event_id_is_kept() -> None:
    """10a. The id belongs to its event alone, and is gone when a later event has none."""
    outcome = read_all("event-stream", b"id: 1\ndata: a\n\ndata: b\n\n: ping\n\n")

    assert outcome.cursor.value == "1"
    assert outcome.events[1].frame.id == "1"


def test_an_empty_id_resets() -> None:
    """10b. An empty id is taken for none, and an id that the server withdrew is sent again."""
    assert read_all("event-stream", b"id: 1\ndata: a\n\nid:\ndata: b\n\n").cursor.value == ""


@pytest.mark.parametrize("id", ["größe", "№ 1", "🗼", "\u2028", "a\ufffdb"], ids=ascii)
def test_an_id_that_is_not_ascii_gives_its_own_bytes_back(id: str) -> None:
    """11. HTTP clients raise UnicodeEncodeError for such a ``Last-Event-ID`` as text. As UTF-8
    bytes they send it, so these must be the ones that came."""
    sent = id.encode()
    outcome = read_all("event-stream", b"id: " + sent + b"\ndata: a\n\n")

    value = outcome.cursor.value
    assert isinstance(value, str)
    assert value.encode() == sent


@pytest.mark.parametrize(
    "wire", [b"", b": hm\n\n", b"id: 1\ndata: a\n\n"], ids=["empty", "comment", "data"]
)
def test_a_clean_close_is_something_to_reconnect_after(wire: bytes) -> None:
    """12. A stream that its server closes in order is taken for finished, and nobody reconnects."""
    outcome = read_all("event-stream", wire)

    [error] = errors_of(outcome.events)
    assert error.kind == "truncated"
    assert error.recovery in (Recovery.RESUME, Recovery.RETRY)
    assert not any(isinstance(event, Done) for event in outcome.events)


@pytest.mark.parametrize("status", [201, 204, 205, 210, 299, 304, 404, 500, 503])
def test_only_200_is_an_event_stream(status: int) -> None:
    """13a. 204, which asks a client to stop, other 2xx, and even error pages are read as streams."""
    events = read_response(
        [b"data: no\n\n"],
        "event-stream",
        status=status,
        headers={"Content-Type": "text/event-stream"},
    )

    [error] = events
    assert isinstance(error, Error)
    assert (error.kind, error.status) == ("http", status)


@pytest.mark.parametrize("status", [204, 205, 304, 400, 404, 429, 500, 503])
@each_answer
def test_other_statuses_are_no_answer(dialect: str, wire: bytes, status: int) -> None:
    """13b. A failed request is an empty answer."""
    media_type = get_dialect(dialect).media_types[0]
    events = read_response([wire], dialect, status=status, headers={"content-type": media_type})

    [error] = events
    assert isinstance(error, Error)
    assert (error.kind, error.status) == ("http", status)


@pytest.mark.parametrize("name", ["content-type", "Content-Type", "CONTENT-TYPE"])
@pytest.mark.parametrize(
    "value",
    ["TEXT/EVENT-STREAM;", "Text/Event-Stream; charset", "text/event-stream;x=;;", "text/event-stream ;a=b"],
)  # fmt: skip
def test_media_types_in_odd_forms(name: str, value: str) -> None:
    """13c. Upper case, an empty parameter or none after the semicolon: no stream, it is said."""
    events = read_response([b"data: a\n\n"], "event-stream", headers={name: value})

    assert events[0] == Data("message", "a")


# --- what users ask for most, by rank ---


@pytest.mark.parametrize(
    ("dialect", "terminator"),
    [
        ("openai-chat", FINISH.rstrip()),
        ("anthropic-messages", b"event: message_delta"),
        ("sse", b"data: [DONE]"),
        ("jsonl", b'{"done": true}'),
    ],
)
def test_1_an_answer_that_was_cut_is_not_done(dialect: str, terminator: bytes) -> None:
    """A stream that just ends is reported as success, and half an answer is stored as a whole one."""
    wire = ANSWERS[dialect]
    complete = wire.index(terminator) + len(terminator)
    for size in range(complete):
        events = read(whole(wire[:size]), dialect).events

        [error] = errors_of(events)
        assert events[-1] is error, size
        assert (error.kind, error.fatal) == ("truncated", True), size
        assert "Hello".startswith(text_of(events)), size
    assert_hello(read(whole(wire), dialect))


def test_1_done_alone_proves_nothing() -> None:
    """Some servers send ``[DONE]`` from a ``finally`` clause, after a crash too."""
    outcome = read_all("openai-chat", delta("Hel") + DONE)

    [_, error] = outcome.events
    assert isinstance(error, Error)
    assert error.kind == "truncated"


HEARTBEATS = {
    "comment": ("openai-chat", b": PROCESSING\n\n", "PROCESSING"),
    "comment-alone": ("openai-chat", b": PROCESSING\n", "PROCESSING"),
    "ping-without-data": ("openai-chat", b"event: ping\n\n", "ping"),
    "ping": ("openai-chat", b"event: ping\ndata: {}\n\n", "ping"),
    "ping-anthropic": ("anthropic-messages", b'event: ping\ndata: {"type": "ping"}\n\n', "ping"),
    "empty-data": ("openai-chat", b"data:\n\n", ""),
    "empty-data-sse": ("sse", b"data\n\n", ""),
    "blank-line": ("jsonl", b"\r\n", ""),
}


@pytest.mark.parametrize(("dialect", "wire", "text"), HEARTBEATS.values(), ids=HEARTBEATS)
def test_3_pings_are_not_swallowed(dialect: str, wire: bytes, text: str) -> None:
    """A long thought looks like a dead connection, for the signs of life are dropped on the way."""
    assert read_all(dialect, wire + ANSWERS[dialect]).events[0] == Heartbeat(text)


ERRORS = {
    "event-error": b'event: error\ndata: {"error": {"message": "Overloaded", "code": "busy"}}\n\n',
    "event-error-after-data": b'data: {"error": {"message": "Overloaded"}}\nevent: error\n\n',
    "event-error-with-text": b"event: error\ndata: Overloaded\n\n",
    "object": b'data: {"error": {"message": "Overloaded", "code": 503}}\n\n',
    "text": b'data: {"error": "Overloaded"}\n\n',
    "beside-choices": b'data: {"choices": [], "error": {"message": "Overloaded"}}\n\n',
    "beside-a-finish": block(
        {
            "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
            "error": {"code": 502, "message": "Overloaded"},
        }
    ),
    "bare-json-line": b'{"error": {"message": "Overloaded", "code": 503}}\n\n',
    "bare-json-in-lines": b'{\n  "error": {\n    "code": 503,\n    "message": "Overloaded"\n  }\n}\n\n',
    "error-field": b'error: {"code": 500, "message": "Overloaded"}\n\n',
}


@pytest.mark.parametrize("after", [b"", DONE, END], ids=["then-eof", "then-done", "then-finish"])
@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS.keys())
def test_7_errors_inside_a_200_do_not_vanish(error: bytes, after: bytes) -> None:
    """The chunk with the error has no choices, so it is skipped, and the answer looks complete."""
    outcome = read_all("openai-chat", delta("Hel") + error + after)

    [token, last] = outcome.events
    assert token == Token("Hel")
    assert isinstance(last, Error)
    assert (last.kind, last.fatal) == ("vendor", True)
    assert "Overloaded" in last.message
    assert outcome.state == State.FAILED


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"], ids=["", "lf", "crlf"])
@pytest.mark.parametrize("name", ["bare-json-line", "bare-json-in-lines", "error-field"])
def test_7_errors_that_no_blank_line_ends(name: str, end: bytes) -> None:
    """An error document in place of a stream ends without a blank line, and is dropped at EOF."""
    outcome = read_all("openai-chat", ERRORS[name].rstrip() + end)

    [error] = outcome.events
    assert isinstance(error, Error)
    assert (error.kind, error.message) == ("vendor", "Overloaded")


def test_7_an_error_document_with_status_200() -> None:
    """A 200 with a JSON body is read as a stream without events."""
    body = b'{"error": {"message": "Overloaded", "type": "server_error"}}'
    events = in_every_cut(
        partial(read_response, dialect="openai-chat", headers={"content-type": "application/json"}),
        body,
    )

    [error] = events
    assert isinstance(error, Error)
    assert (error.kind, error.message) == ("vendor", "Overloaded")


@pytest.mark.parametrize("space", [b"", b" "], ids=["no-space", "space"])
@pytest.mark.parametrize("name", [b"data", b"event"], ids=["data", "event"])
def test_8_fields_without_a_space(name: bytes, space: bytes) -> None:
    """``line.startswith("data: ")``, or ``line[6:]`` for a line that has no space."""
    wire = ANTHROPIC_HELLO.replace(name + b": ", name + b":" + space)

    assert_hello(read_all("anthropic-messages", wire))


@each_answer
def test_9_chunk_boundaries(dialect: str, wire: bytes) -> None:
    """Chunks are taken for events: two in one chunk are merged, one in two chunks is lost."""
    assert_hello(read_all(dialect, wire))
    assert_hello(read_all(dialect, wire.replace(b"\n", b"\r\n")))


@pytest.mark.parametrize("blank", [8, 16, 24, 64])
@pytest.mark.parametrize("media_type", ["text/plain", ""])
def test_9_blank_lines_before_a_stream_of_no_type(media_type: str, blank: int) -> None:
    """DeepSeek sends blank lines while a request waits; a proxy takes the content type away. How
    many of them come in one chunk must not decide whether this is a stream."""
    read_it = partial(
        read_response,
        dialect="sse",
        headers={"content-type": media_type} if media_type else {},
        limits=Limits(max_error_body=16),
    )
    events = in_every_cut(read_it, b"\n" * blank + SSE_HELLO)

    assert text_of(events) in ("Hello", "")


@pytest.mark.parametrize("status", [200, 404, 503])
@pytest.mark.parametrize("start", [b"\n" * 16, b"<" * 16, b"{" * 16], ids=["blank", "page", "json"])
def test_9_nothing_comes_after_a_fatal_error(start: bytes, status: int) -> None:
    """A reader that failed goes on when more bytes come, and gives tokens after its own error."""
    read_it = partial(
        read_response,
        dialect="sse",
        status=status,
        headers={"content-type": "text/plain"},
        limits=Limits(max_error_body=16),
    )
    for chunks in ([start, b"\n" + SSE_HELLO], bytewise(start + b"\n" + SSE_HELLO)):
        events = read_it(chunks)
        fatal = [error for error in errors_of(events) if error.fatal]
        assert len(fatal) <= 1
        assert not fatal or events[-1] is fatal[0]


def test_10_lines_of_many_mb() -> None:
    """The transport's line reader refuses them, or the reader's own cap does, unnamed and fixed."""
    image = "iVBORw0KGgo" * (10 * MiB // 11)
    wire = block({"choices": [{"index": 0, "delta": {"audio": {"data": image}}}]}) + END

    outcome = read(in_pieces(wire, 64 * KiB), "openai-chat")

    assert outcome.events[0] == Data("audio", {"data": image})
    assert outcome.events[-1] == Done("stop")


@each_answer
def test_10_a_limit_that_names_itself(dialect: str, wire: bytes) -> None:
    """Without any limit one endless line takes all memory; with one, nobody learns which it was,
    and the tokens before it are lost."""
    begun = wire[: wire.index(b"\n", wire.index(b"Hel"))] + b"\n\n"
    limits = Limits(max_event_size=200)
    outcome = read_all(dialect, begun + b"data: " + b"x" * 300, limits=limits)

    assert text_of(outcome.events) == "Hel"
    error = outcome.events[-1]
    assert isinstance(error, Error)
    assert (error.kind, error.fatal) == ("limit", True)
    assert "max_event_size = 200" in error.message


@pytest.mark.parametrize("piece", [1000, 16 * KiB, 64 * KiB])
@pytest.mark.parametrize("start", [b"data: ", b": ", b"", BOM + b"data: hi\n\nid: 1\ndata: "])
@pytest.mark.parametrize("dialect", ["openai-chat", "event-stream", "jsonl"])
def test_10_a_64_mib_line_against_64_kib(dialect: str, start: bytes, piece: int) -> None:
    """The limit is looked at when the line is complete: by then it fills the memory."""
    limit = 64 * KiB
    parser = StreamParser(dialect, limits=Limits(max_event_size=limit))
    parser.receive_data(start)
    fed = len(start)
    failed: list[Error] = []
    while not failed and fed < 64 * MiB:
        failed = [event for event in parser.events() if isinstance(event, Error) and event.fatal]
        assert failed or parser.buffered <= limit
        parser.receive_data(b"x" * piece)
        fed += piece

    assert [error.kind for error in failed] == ["limit"]
    assert fed <= limit + 2 * piece + len(start)
    assert parser.next_event() is Signal.CLOSED


@each_answer
def test_10_nothing_is_held_after_the_end(dialect: str, wire: bytes) -> None:
    """What was too large stays in the buffer for as long as somebody holds the reader."""
    parser = StreamParser(dialect, limits=Limits(max_event_size=200))
    parser.receive_data(wire[: wire.index(b"lo")] + b"x" * 100_000)
    errors = errors_of(list(parser.events()))

    assert [error.kind for error in errors] == ["limit"]
    assert parser.buffered <= 200


@each_answer
@pytest.mark.parametrize("text", ["é", "…", "🗼", "👩‍🚀", "漢字かな"])
def test_11_characters_of_many_bytes(dialect: str, wire: bytes, text: str) -> None:
    """Each chunk is decoded alone: a character that is cut becomes two U+FFFD, or raises."""
    outcome = read_all(dialect, wire.replace(b"Hel", text.encode()))

    assert text_of(outcome.events) == f"{text}lo"


@pytest.mark.parametrize(
    "dialect",
    [
        name
        for name in available_dialects()
        if get_dialect(name).format == "SSE" and not get_dialect(name).strict
    ],
)
def test_12_priming_and_keep_alive_events(dialect: str) -> None:
    """MCP primes a stream with an id and empty data, proxies send empty events to keep it alive:
    they are handed to the JSON reader. The id must count all the same, without a token."""
    # An empty event with a type of its own is `Data` to the plain ``sse`` dialect.
    signs = [sign for name, sign in SIGNS_OF_LIFE.items() if name != "empty-data-with-type"]
    wire = b"".join(signs) + b"id: prime\ndata:\n\n"

    def read_open(chunks: list[bytes]) -> Read:
        return read(chunks, dialect, eof=False)

    outcome = in_every_cut(read_open, wire)

    assert outcome.events
    assert {type(event) for event in outcome.events} == {Heartbeat}
    assert outcome.events[-1].frame.id == "prime"
    assert outcome.state == State.IDLE
    assert outcome.retry == 3000
    if outcome.cursor.kind == "id":
        assert outcome.cursor.value == "prime"


SPARSE_CHUNKS = {
    "choices-empty": {"choices": []},
    "choices-null": {"choices": None},
    "choices-missing": {"id": "c1", "object": "chat.completion.chunk"},
    "choice-empty": {"choices": [{}]},
    "delta-missing": {"choices": [{"index": 0}]},
    "delta-null": {"choices": [{"index": 0, "delta": None}]},
    "delta-empty": {"choices": [{"index": 0, "delta": {}}]},
    "content-null": {"choices": [{"index": 0, "delta": {"content": None, "role": "assistant"}}]},
    "all-null": {"choices": [{"index": 0, "delta": {"content": None, "tool_calls": None, "refusal": None}, "finish_reason": None, "logprobs": None}], "usage": None},
    "usage-null": {"choices": [], "usage": None},
    "usage-empty": {"choices": [], "usage": {}},
    "finish-null-as-text": {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "null"}]},
    "filter-results": {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
    "empty": {},
    "unknown-keys": {"x": {"y": [1, None]}},
}  # fmt: skip


@pytest.mark.parametrize("chunk", SPARSE_CHUNKS.values(), ids=SPARSE_CHUNKS.keys())
def test_15_chunks_with_parts_missing(chunk: dict[str, Any]) -> None:
    """``chunk.choices[0].delta.content``: the first chunk without choices, or with a choice that
    has no delta, raises IndexError, AttributeError or TypeError."""
    text = b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
    outcome = read_all("openai-chat", block(chunk) + text + block(chunk) + delta("lo") + END)

    assert_hello(outcome)


def test_15_the_usage_chunk() -> None:
    """Usage comes in a chunk of its own with no choices, after the finish reason."""
    usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
    wire = delta("Hel") + delta("lo") + FINISH + block({"choices": [], "usage": usage}) + DONE
    outcome = read_all("openai-chat", wire)

    assert Usage(3, 5, 8, final=True) in outcome.events
    assert_hello(outcome)


WRONG_TYPES = [b"[]", b"null", b'""', b"{}", b'{"choices": {}}', b'{"choices": [1]}', b'{"choices": "x"}', b'{"choices": [{"delta": []}]}']  # fmt: skip
UNREADABLE = [b"1", b'"text"', b"true", b"{", b"nonsense", b'{"choices":[{"delta":{"content":"l']


@pytest.mark.parametrize("data", UNREADABLE, ids=bytes.decode)
def test_15_a_chunk_that_cannot_be_read_costs_no_other_and_is_no_complete_answer(
    data: bytes,
) -> None:
    """A broken chunk is skipped in silence: a piece is missing, and the answer is called whole."""
    outcome = read_all("openai-chat", delta("Hel") + b"data: " + data + b"\n\n" + delta("lo") + END)

    first, last = errors_of(outcome.events)
    assert (first.kind, first.fatal) == ("malformed", False)
    assert (last.kind, last.fatal, last.recovery) == ("malformed", True, Recovery.RETRY)
    assert first.message in last.message
    assert Completion.from_events(outcome.events).text == "Hello"


@pytest.mark.parametrize("data", WRONG_TYPES, ids=bytes.decode)
def test_15_a_chunk_that_cannot_be_read_does_not_end_the_answer(data: bytes) -> None:
    """One chunk in an unexpected form raises out of the loop, and the rest of the answer is lost."""
    outcome = read_all("openai-chat", delta("Hel") + b"data: " + data + b"\n\n" + delta("lo") + END)

    assert errors_of(outcome.events) == []
    assert Completion.from_events(outcome.events).text == "Hello"
    assert outcome.events[-1] == Done("stop")
