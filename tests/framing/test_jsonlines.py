"""`JSONLinesFramer`: one JSON value a line, and only LF ends one."""

from __future__ import annotations

from functools import partial

import pytest
from tests.cuts import in_every_cut, in_pieces, read_frames
from tests.reading import read

from tokenwire import (
    Done,
    Error,
    Frame,
    FramingError,
    Heartbeat,
    Limits,
    LocalProtocolError,
    Token,
)
from tokenwire.framing.jsonlines import JSONLinesFramer
from tokenwire.framing.lines import BOM

read_json_lines = partial(read_frames, JSONLinesFramer)

BLANK = Frame(comment=b"")  # a sign of life, without data

FRAMES = {
    "empty": (b"", []),
    "lines": (b'{"a":1}\n[2]\n"three"\n', [Frame(b'{"a":1}'), Frame(b"[2]"), Frame(b'"three"')]),
    "crlf": (b"{}\r\n[]\r\n", [Frame(b"{}"), Frame(b"[]")]),
    "many-crs-before-lf": (b"{}\r\r\r\n[]\n", [Frame(b"{}"), Frame(b"[]")]),
    "cr-ends-no-line": (b'{"a":\r1}\r{"b":2}\n', [Frame(b'{"a":\r1}\r{"b":2}')]),
    "cr-alone-at-the-end": (b"{}\r", [Frame(b"{}", unterminated=True)]),
    "lf-cr": (b"{}\n\r[]\n", [Frame(b"{}"), Frame(b"[]")]),
    "blank": (b"\n{}\n\n\n[]\n", [BLANK, Frame(b"{}"), BLANK, BLANK, Frame(b"[]")]),
    "blank-crlf": (b"\r\n{}\r\n\r\n", [BLANK, Frame(b"{}"), BLANK]),
    "blank-with-spaces": (b"  \n\t\r\n \r\t\n{}\n", [BLANK, BLANK, BLANK, Frame(b"{}")]),
    "spaces-around-a-value": (b"  {} \t\r\n", [Frame(b"{}")]),
    "spaces-inside-a-value": (b'{ "a" : "  " }\n', [Frame(b'{ "a" : "  " }')]),
    "open": (b'{}\n{"a":', [Frame(b"{}"), Frame(b'{"a":', unterminated=True)]),
    "open-whole": (b"{}\n[]", [Frame(b"{}"), Frame(b"[]", unterminated=True)]),
    "open-only": (b"{}", [Frame(b"{}", unterminated=True)]),
    "open-spaces": (b"{}\n \t\r", [Frame(b"{}")]),
    "bom": (BOM + b"{}\n", [Frame(b"{}")]),
    "bom-open": (BOM + b"{}", [Frame(b"{}", unterminated=True)]),
    "bom-blank": (BOM + b"\n{}\n", [BLANK, Frame(b"{}")]),
    "bom-alone": (BOM, []),
    "bom-twice": (BOM + BOM + b"{}\n", [Frame(BOM + b"{}")]),
    "bom-later": (b"{}\n" + BOM + b"[]\n", [Frame(b"{}"), Frame(BOM + b"[]")]),
    "bom-broken-off": (BOM[:2], [Frame(BOM[:2], unterminated=True)]),
    "other-line-ends": (
        '"a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei"\n'.encode(),
        [Frame('"a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei"'.encode())],
    ),
    "other-line-ends-at-the-edges": (
        "\u2028{}\u0085\n\x0b\n".encode(),
        [Frame("\u2028{}\u0085".encode()), Frame(b"\x0b")],
    ),
    "nul": (b"\0\n", [Frame(b"\0")]),
    "bad-utf-8": (b'"\xff\xe2\x80"\n', [Frame(b'"\xff\xe2\x80"')]),
    "looks-like-sse": (b": hm\ndata: {}\n", [Frame(b": hm"), Frame(b"data: {}")]),
}  # fmt: skip


@pytest.mark.parametrize(("wire", "frames"), FRAMES.values(), ids=FRAMES.keys())
def test_frames(wire: bytes, frames: list[Frame]) -> None:
    assert in_every_cut(read_json_lines, wire) == (frames, None, None)


def test_a_line_is_there_before_further_bytes() -> None:
    framer = JSONLinesFramer(Limits())

    framer.receive_data(b"{}\r")
    assert list(framer.frames) == []
    framer.receive_data(b"\n")
    assert list(framer.frames) == [Frame(b"{}")]


# --- limits ---


EXACT = {  # wires whose largest line takes exactly 12 bytes
    "line": b'"0123456789"\n',
    "cr-counts": b'"012345678"\r\n',
    "spaces-count": b'  "01234567"\n',
    "bom": BOM + b'"0123456789"\n',
    "second-line": b'{}\n"0123456789"\n[]\n',
    "unterminated": b'{}\n"0123456789"',
    "lines-do-not-add-up": b'"0123456789"\n' * 20,
}


@pytest.mark.parametrize("wire", EXACT.values(), ids=EXACT.keys())
def test_a_line_may_take_exactly_the_limit(wire: bytes) -> None:
    at_limit = in_every_cut(partial(read_json_lines, limits=Limits(max_event_size=12)), wire)

    assert at_limit == read_json_lines([wire])


@pytest.mark.parametrize("wire", EXACT.values(), ids=EXACT.keys())
def test_a_line_may_not_take_one_byte_more(wire: bytes) -> None:
    beyond = in_every_cut(partial(read_json_lines, limits=Limits(max_event_size=11)), wire)

    assert beyond.error == "limit"


@pytest.mark.parametrize("limit", range(1, 20))
def test_any_limit_is_independent_of_the_cuts(limit: int) -> None:
    wire = BOM + b'{}\n\n{"a": 1}\r\n"0123456789"\n[]\n"open'
    outcome = in_every_cut(partial(read_json_lines, limits=Limits(max_event_size=limit)), wire)

    unlimited = read_json_lines([wire]).frames
    assert outcome.frames == unlimited[: len(outcome.frames)]
    assert (outcome.error is None) == (outcome.frames == unlimited) == (limit >= 12)


def test_lines_before_a_violation_are_kept() -> None:
    wire = b'[1]\n\n[2]\n"much too long"\n[3]\n'
    outcome = in_every_cut(partial(read_json_lines, limits=Limits(max_event_size=5)), wire)

    assert outcome == ([Frame(b"[1]"), BLANK, Frame(b"[2]")], None, "limit")


def test_the_error_names_the_limit() -> None:
    framer = JSONLinesFramer(Limits(max_event_size=5))

    with pytest.raises(FramingError, match="larger than max_event_size = 5 bytes"):
        framer.receive_data(b"123456")


def test_buffered() -> None:
    framer = JSONLinesFramer(Limits())
    for chunk in in_pieces(b'{"a": 1}', 3):
        framer.receive_data(chunk)
    assert (framer.buffered, framer.peak_buffered) == (8, 8)
    framer.receive_data(b"\n[")

    assert (framer.buffered, framer.peak_buffered) == (1, 8)


# --- the mirror ---


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(Frame(b'{"a": 1}'), id="value"),
        pytest.param(Frame('"a\u2028b"'.encode()), id="other-line-end"),
        pytest.param(BLANK, id="blank"),
    ],
)
def test_encode(frame: Frame) -> None:
    wire = JSONLinesFramer.encode(frame)

    assert wire == (frame.data or b"") + b"\n"
    assert read_json_lines([wire]).frames == [frame]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"], ids=["lf", "cr", "crlf"])
def test_encode_refuses_line_ends(end: bytes) -> None:
    with pytest.raises(LocalProtocolError, match="must not hold a line end"):
        JSONLinesFramer.encode(Frame(b"{}" + end + b"{}"))


# --- through the parser ---


def test_blank_lines_are_heartbeats() -> None:
    outcome = in_every_cut(
        partial(read, dialect="jsonl"), b'\n{"text": "Hi"}\r\n\r\n{"done": true}\n'
    )

    assert outcome.events == [Heartbeat(), Token("Hi"), Heartbeat(), Done("stop")]


def test_a_last_line_without_lf_counts_if_it_is_whole() -> None:
    outcome = in_every_cut(partial(read, dialect="jsonl"), b'{"text": "Hi"}\n{"done": true}')

    assert outcome.events == [Token("Hi"), Done("stop")]


def test_a_last_line_that_was_cut_does_not_count() -> None:
    outcome = in_every_cut(partial(read, dialect="jsonl"), b'{"text": "Hi"}\n{"done": tru')

    token, error = outcome.events
    assert token == Token("Hi")
    assert isinstance(error, Error)
    assert error.kind == "truncated"
