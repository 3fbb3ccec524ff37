"""`CodeLinesFramer`: a code, a colon and one JSON value a line."""

from __future__ import annotations

from functools import partial

import pytest
from tests.cuts import in_every_cut, read_frames

from tokenwire import Frame, Limits, LocalProtocolError
from tokenwire.framing.codelines import CodeLinesFramer
from tokenwire.framing.lines import BOM

read_code_lines = partial(read_frames, CodeLinesFramer)

BLANK = Frame(comment=b"")  # a sign of life, without data

FRAMES = {
    "empty": (b"", []),
    "lines": (b'0:"Hi"\nd:{}\n', [Frame(b'"Hi"', "0"), Frame(b"{}", "d")]),
    "more-colons": (b'f:{"a":"b:c"}\n', [Frame(b'{"a":"b:c"}', "f")]),
    "long-code": (b"aui-text_delta2:{}\n", [Frame(b"{}", "aui-text_delta2")]),
    "crlf": (b"0:1\r\ng:2\r\n", [Frame(b"1", "0"), Frame(b"2", "g")]),
    "cr-ends-no-line": (b'0:"a\rb"\n', [Frame(b'"a\rb"', "0")]),
    "spaces-around": (b"  0: 1 \t\n", [Frame(b" 1", "0")]),
    "nothing-after-the-colon": (b"0:\n", [Frame(b"", "0")]),
    "blank": (b"\n0:1\n\r\n  \n", [BLANK, Frame(b"1", "0"), BLANK, BLANK]),
    "no-colon": (b"hello\n", [Frame(other=b"hello")]),
    "no-code": (b":1\n", [Frame(other=b":1")]),
    "space-in-the-code": (b"0 :1\n", [Frame(other=b"0 :1")]),
    "json": (b'{"error":"no"}\n', [Frame(other=b'{"error":"no"}')]),
    "html": (b"<a href='x:y'>\n", [Frame(other=b"<a href='x:y'>")]),
    "letters-of-other-scripts": ("é:1\n".encode(), [Frame(other="é:1".encode())]),
    "other-line-ends": (
        '0:"\u2028\u0085\x0b\x0c"\n'.encode(),
        [Frame('"\u2028\u0085\x0b\x0c"'.encode(), "0")],
    ),
    "open": (b"0:1\nd:{", [Frame(b"1", "0"), Frame(b"{", "d", unterminated=True)]),
    "open-no-code": (b"0:1\nd", [Frame(b"1", "0"), Frame(other=b"d", unterminated=True)]),
    "open-spaces": (b"0:1\n \r", [Frame(b"1", "0")]),
    "bom": (BOM + b"0:1\n", [Frame(b"1", "0")]),
}


@pytest.mark.parametrize(("wire", "frames"), FRAMES.values(), ids=FRAMES.keys())
def test_frames(wire: bytes, frames: list[Frame]) -> None:
    assert in_every_cut(read_code_lines, wire) == (frames, None, None)


@pytest.mark.parametrize("limit", range(1, 20))
def test_any_limit_is_independent_of_the_cuts(limit: int) -> None:
    wire = b'0:1\n\nno code\r\ne:{"a":12345}\n0:"op'
    outcome = in_every_cut(partial(read_code_lines, limits=Limits(max_event_size=limit)), wire)

    unlimited = read_code_lines([wire]).frames
    assert outcome.frames == unlimited[: len(outcome.frames)]
    assert (outcome.error is None) == (outcome.frames == unlimited) == (limit >= 13)


@pytest.mark.parametrize(
    "frame", [Frame(b'"Hi"', "0"), Frame(b"{}", "aui-state"), Frame(b"", "0"), BLANK]
)
def test_encode(frame: Frame) -> None:
    assert read_code_lines([CodeLinesFramer.encode(frame)]).frames == [frame]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (Frame(b"1\n2", "0"), "line end"),
        (Frame(b"1\r2", "0"), "line end"),
        (Frame(b"1"), "cannot be the code"),
        (Frame(b"1", "a:b"), "cannot be the code"),
        (Frame(b"1", "0\n3"), "cannot be the code"),
        (Frame(b"1", "é"), "cannot be the code"),
        (Frame(b"1", "\ud83d"), "cannot be the code"),
    ],
)
def test_encode_refuses(frame: Frame, reason: str) -> None:
    with pytest.raises(LocalProtocolError, match=reason):
        CodeLinesFramer.encode(frame)
