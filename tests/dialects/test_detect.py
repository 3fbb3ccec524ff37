"""Which dialect is it? By header, by format, by the first events; never a guess."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable

import pytest
from tests.cases import CASES, Case
from tests.cuts import all_cuts, bytewise, in_every_cut, in_pieces, read_response, whole
from tests.reading import read

from tokenwire import (
    Dialect,
    Done,
    Error,
    Event,
    Frame,
    Limits,
    Signal,
    StreamParser,
    Token,
    available_dialects,
    get_dialect,
)
from tokenwire.dialects.detect import Detector, all_dialects
from tokenwire.dialects.marks import Candidate, recognise
from tokenwire.framing.jsonlines import JSONLinesFramer
from tokenwire.framing.sse import SSEFramer

# Written for any service: nothing in them tells that they are meant.
PLAIN = {"event-stream", "jsonl"}


def found(wire: bytes, headers: dict[str, str] | None = None) -> str:
    detector = Detector()
    if headers is not None:
        detector.receive_response(headers)
    held = detector.receive_data(wire) or detector.receive_eof()
    if detector.dialect is None:
        assert detector.undecidable
        assert held == b""
        return detector.error().message
    assert held == wire
    assert detector.why
    return detector.dialect.name


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.dialect not in PLAIN], ids=lambda case: case.name
)
def test_every_case_is_told_from_its_bytes(case: Case) -> None:
    assert found(case.wire) == case.dialect


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_auto_reads_as_the_dialect_does(case: Case) -> None:
    if case.dialect in PLAIN:
        assert isinstance(read([case.wire], "auto").events[-1], Error)
    else:
        assert in_every_cut(lambda chunks: read(chunks, "auto").events, case.wire) == case.events


@pytest.mark.parametrize(
    "name", [name for name in available_dialects() if name not in {*PLAIN, "text", "vercel-data"}]
)
def test_every_dialect_bears_marks(name: str) -> None:
    dialect = get_dialect(name)
    assert dialect.marks
    assert dialect in all_dialects()


@pytest.mark.parametrize("name", available_dialects())
def test_headers_of_one_dialect_alone(name: str) -> None:
    headers = get_dialect(name).headers
    for header, pattern in headers.items():
        assert header == header.lower()
        value = pattern.replace("*", "")
        assert found(b"", {header.title(): value}) == name


def test_a_header_decides_before_any_byte() -> None:
    parser = StreamParser("auto")
    parser.receive_response(200, {"X-Vercel-AI-UI-Message-Stream": "v1"})
    assert parser.next_event() is Signal.NEED_DATA
    parser.receive_data(b'data: {"type":"text-delta","id":"1","delta":"Hi"}\n\n')
    assert parser.dialect.name == "vercel-ui"
    assert list(parser.events()) == [Token("Hi")]


@pytest.mark.parametrize(
    ("wire", "headers", "said"),
    [
        (b"<!doctype html><title>502</title>", None, "a page of HTML or XML"),
        (gzip.compress(b"data: {}\n\n" * 9, mtime=0), None, "gzip: let the client decompress it"),
        (b"\x28\xb5\x2f\xfd" + b"z" * 60, None, "zstd: let the client decompress it"),
        (b"hello there, this is no stream that anybody knows", None, "hello there"),
        (b"\0\0\0\x9dnot a prelude, whatever it is", None, "not a prelude"),
        (b"\0\0", None, "\\x00\\x00"),
        (b'data: {"what": "is this"}\n\n' * 20, None, "what"),
        (b'[{"what": "is this"}]', None, "what"),
        (b"data: [1\n\n", None, "[1"),
        (b"", None, "before any event"),
        (b"\xef\xbb\xbf", None, "\\xef\\xbb\\xbf"),
        (b" \r\n\t ", None, "before any event"),
        (b"data: ", None, "data: "),
        (b"d", None, "'d'"),
    ],
)
def test_what_it_is_not(wire: bytes, headers: dict[str, str] | None, said: str) -> None:
    assert said in found(wire, headers)
    ends = {repr(read(chunks, "auto").events[-1]) for chunks in (whole(wire), bytewise(wire))}
    assert len(ends) == 1


@pytest.mark.parametrize(
    "document",
    [
        b'{"error":{"message":"No quota","code":"insufficient_quota"}}',
        b'{\n  "error": {\n    "message": "No quota", "code": "insufficient_quota"\n  }\n}\n',
        b'data: {"error":{"message":"No quota","code":"insufficient_quota"}}\n\n',
        b'[{"error":{"message":"No quota","code":"insufficient_quota"}}]',
    ],
)
def test_an_error_that_all_could_have_sent(document: bytes) -> None:
    """It is told as what it is, though nobody knows who said it."""
    events = in_every_cut(lambda chunks: read(chunks, "auto").events, document)
    assert [(e.message, e.code) for e in events if isinstance(e, Error)] == [
        ("No quota", "insufficient_quota")
    ]


def test_the_response_counts_first() -> None:
    said = read_response([b'{"detail":"go away"}'], "auto", status=403, headers={})
    assert said == [Error("http", "go away", status=403)]


# --- dialects made for it ---


def named(name: str, *marks: tuple[str, ...], framer: type = SSEFramer) -> Dialect:
    def decode(frame: Frame) -> Iterable[Event]:
        return [Token(frame.text), Done("stop")]

    return Dialect(
        name=name,
        framer=framer,
        decoder=lambda: decode,  # type: ignore[arg-type,return-value]
        terminator="anything",
        marks=marks,
    )


def test_what_cannot_be_told_apart_is_not_guessed() -> None:
    dialects = [named("one", ("a",)), named("two", ("a",), ("b",)), named("other", ("c",))]
    detector = Detector(dialects=dialects)
    detector.receive_data(b'data: {"a": 1}\n\n')
    assert not detector.receive_eof()
    assert detector.candidates == [
        Candidate("one", "the first event has a"),
        Candidate("two", "the first event has a"),
    ]
    assert "It may be one: the first event has a; two: the first" in detector.error().message


def test_a_later_event_may_tell() -> None:
    dialects = [named("one", ("a",)), named("two", ("a",), ("b",))]
    wire = b': hi\n\ndata:\n\ndata: {"a": 1}\n\ndata: [DONE]\n\ndata: {"b": 1}\n\n'
    for chunks in all_cuts(wire):
        detector = Detector(dialects=dialects)
        held = b"".join(map(detector.receive_data, chunks))
        assert held == wire
        assert detector.dialect is dialects[1]
        assert detector.candidates == []


def test_the_most_conditions_win() -> None:
    document = {"jsonrpc": "2.0", "result": {"kind": "task"}}
    dialects = [named("mcp", ("jsonrpc=2.0",)), named("a2a", ("jsonrpc=2.0", "result.kind"))]
    frame = Frame(json.dumps(document).encode())
    assert [one.name for one in recognise(frame, dialects)] == ["a2a"]


@pytest.mark.parametrize(
    ("mark", "frame", "holds"),
    [
        ("a", Frame(b'{"a": null}'), True),
        ("a.b", Frame(b'{"a": 1}'), False),
        ("a.1.b", Frame(b'{"a": [0, {"b": 1}]}'), True),
        ("a.2", Frame(b'{"a": [0, 1]}'), False),
        ("a=x*", Frame(b'{"a": "xyz"}'), True),
        ("a=x*", Frame(b'{"a": "yz"}'), False),
        ("a=true", Frame(b'{"a": true}'), True),
        ("a=7", Frame(b'{"a": 7}'), True),
        ("@event=out*", Frame(b"x", "output"), True),
        ("@event=out*", Frame(b"x"), False),
        ("@text", Frame(b"plain"), True),
        ("@text", Frame(b"1"), False),
        ("@base64-json=bytes", Frame(b'{"bytes": "e30="}'), True),
        ("@base64-json=bytes", Frame(b'{"bytes": "aGk="}'), False),
        ("@base64-json=bytes", Frame(b'{"bytes": "x"}'), False),
        ("@base64-json=bytes", Frame(b'{"bytes": 1}'), False),
    ],
)
def test_marks(mark: str, frame: Frame, holds: bool) -> None:
    assert bool(recognise(frame, [named("it", (mark,))])) == holds


def test_the_only_one_of_its_format() -> None:
    detector = Detector(dialects=[named("lines", framer=JSONLinesFramer)])
    assert detector.receive_data(b"{") == b"{"
    assert detector.dialect is not None
    assert "JSON Lines" in detector.why


def test_no_dialect_of_the_format() -> None:
    detector = Detector(dialects=[named("one", ("a",))])
    assert detector.receive_data(b"{") == b""
    assert detector.undecidable
    assert detector.receive_data(b"more") == b""


def test_what_is_held_is_bounded() -> None:
    parser = StreamParser("auto", limits=Limits(max_event_size=64))
    for _ in range(4):
        parser.receive_data(b": still alive\n\n")
    assert parser.buffered == 60
    assert parser.next_event() is Signal.NEED_DATA
    parser.receive_data(b": still alive\n\n")
    (error,) = parser.events()
    assert isinstance(error, Error)
    assert parser.buffered == 0
    parser.receive_data(b"data: more\n\n")
    assert parser.next_event() is Signal.CLOSED


def test_a_line_beyond_the_limit() -> None:
    parser = StreamParser("auto", limits=Limits(max_event_size=16))
    parser.receive_data(b"data: " + b"x" * 20)
    assert any(isinstance(event, Error) for event in parser.events())


def test_a_package_that_is_broken_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from tokenwire.dialects import detect

    def broken(name: str) -> Dialect:
        if name == "sse":
            raise TypeError("not a dialect")
        return get_dialect(name)

    monkeypatch.setattr(detect, "get_dialect", broken)
    assert "sse" not in [one.name for one in detect.all_dialects.__wrapped__()]


@pytest.mark.parametrize(
    ("dialect", "wire", "said"),
    [
        (
            "openai-chat",
            b'event: message_start\ndata: {"type":"message_start","message":{"id":"m"}}\n\n',
            "it looks like anthropic-messages",
        ),
        (
            "openai-chat",
            gzip.compress(b"data: {}\n\n" * 9, mtime=0),
            "which is gzip: let the client",
        ),
        ("openai-chat", b"<html>Bad Gateway</html>", "which is a page of HTML"),
        ("ollama-chat", b'data: {"a":1}\n\n', "it began with 'data: {\"a\":1}'"),
        ("ollama-chat", b"x\0y", "it began with 'x\\x00y', which is no text"),
        ("openai-chat", b"\x7fELF\2\1\1\0\0\n\n", "which is no text"),
        ("openai-chat", b'Data: {"a":1}\n\n', "field names of an event stream are lower case"),
        ("openai-chat", b'{"type":"message","content":[]}\n', "was a stream asked for?"),
    ],
)
def test_the_wrong_dialect(dialect: str, wire: bytes, said: str) -> None:
    """One error, which says what was seen and what it looks like."""
    *_, last = in_every_cut(lambda chunks: read(chunks, dialect).events, wire)
    assert isinstance(last, Error)
    assert last.fatal
    assert dialect in last.message
    assert said in last.message


@pytest.mark.parametrize(
    "wire", [b"data: I am busy\n\n", b"upstream failed\n\n", b"\x1f\x8b\x08\n\n", b"data: 7\n\n"]
)
def test_what_shows_nothing_is_not_called_anything(wire: bytes) -> None:
    """A text may be anything, and mostly it is an error: it does not look like ``sse``."""
    last = read([wire], "openai-chat").events[-1]
    assert isinstance(last, Error)
    assert "it began with" in last.message
    assert "it looks like" not in last.message


CHUNK = b'{"object":"chat.completion.chunk","choices":[{"delta":{"content":"a"},"logprobs":%s}]}'


@pytest.mark.parametrize(
    "wire",
    [
        b"data: : OPENROUTER PROCESSING\n\ndata: " + CHUNK % b"null" + b"\n\n",
        b"data: " + CHUNK % b'{"content":[{"logprob":-Infinity}]}' + b"\n\n",
        b"data: " + CHUNK % b"NaN" + b"\n\n",
        b"data: " + CHUNK % b'"\xff"' + b"\n\n",
        b"data: " + CHUNK % b"null" + CHUNK % b"null" + b"\n\n",
        b" \n" * 500 + b"data: " + CHUNK % b"null" + b"\n\n",
        b"\xef\xbb\xbf\r\n\r\ndata: " + CHUNK % b"null" + b"\n\n",
    ],
)
def test_nothing_odd_hides_a_dialect(wire: bytes) -> None:
    assert found(wire) == "openai-chat"
    assert Token("a") in in_every_cut(lambda chunks: read(chunks, "auto").events, wire[-200:])


def test_blank_bytes_are_bounded_too() -> None:
    """A body of nothing but line ends is given up at the limit, however it is cut, not kept."""
    for body in (b"\n" * 200, b" \r\n" * 70, b"\xef\xbb\xbf" + b"\n" * 200):
        for size in (1, 7, 64, 300):
            parser = StreamParser("auto", limits=Limits(max_event_size=64))
            for chunk in in_pieces(body, size):
                parser.receive_data(chunk)
            (error,) = parser.events()
            assert isinstance(error, Error)
            assert error.kind == "limit"
            assert parser.buffered == 0
    exactly = StreamParser("auto", limits=Limits(max_event_size=64))
    exactly.receive_data(b"\n" * 64)
    assert exactly.next_event() is Signal.NEED_DATA


def test_a_broken_package_of_messages() -> None:
    """Where the format itself is broken, that is what is told."""
    good = b"\0\0\0\x10\0\0\0\0\x05\xc2\x48\xeb\x7d\x98\xc8\xff"
    detector = Detector()
    detector.receive_data(good + b"\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0")
    assert detector.undecidable
    assert "CRC-32" in detector.error().message
