"""`JSONArrayFramer`: one streamed array, its elements one by one."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.answers import cut
from tests.cuts import in_every_cut, in_pieces, read_frames

from tokenwire import Frame, FramingError, Limits, LocalProtocolError
from tokenwire.framing import jsonarray
from tokenwire.framing.jsonarray import ARRAY_END, MAX_DEPTH, JSONArrayFramer
from tokenwire.framing.lines import BOM

read_array = partial(read_frames, JSONArrayFramer)

END = Frame(ARRAY_END)

FRAMES: dict[str, tuple[bytes, list[bytes]]] = {
    "nothing": (b"", []),
    "blanks": (b" \r\n\t", []),
    "empty": (b"[]", []),
    "empty-with-blanks": (b" [ \r\n ] \n", []),
    "objects": (b'[{"a":1},{"b":[2,{}]}]', [b'{"a":1}', b'{"b":[2,{}]}']),
    "as-gemini-lays-it-out": (
        b'[{\n  "a": 1\n}\n,\r\n{\n  "b": 2\n}\n]\n',
        [b'{\n  "a": 1\n}', b'{\n  "b": 2\n}'],
    ),
    "crlf": (b'[\r\n{\r\n"a":\r\n1}\r\n,\r\n{}\r\n]\r\n', [b'{\r\n"a":\r\n1}', b"{}"]),
    "commas-anywhere": (b"[,{},,\n{}{},]", [b"{}", b"{}", b"{}"]),
    "brackets-in-strings": (b'[{"a":"}]\\"{["},{}]', [b'{"a":"}]\\"{["}', b"{}"]),
    "escapes": (b'[{"a":"\\\\"},"\\\\\\"",""]', [b'{"a":"\\\\"}', b'"\\\\\\""', b'""']),
    "backslash-then-any-byte": (b'[{"a":"\\\n\\\xff"}]', [b'{"a":"\\\n\\\xff"}']),
    "arrays": (b"[[],[[1]]]", [b"[]", b"[[1]]"]),
    "strings": (b'["a, ]b" , "c"]', [b'"a, ]b"', b'"c"']),
    "scalars": (b"[1,-2.5e+3 ,true\n,null]", [b"1", b"-2.5e+3", b"true", b"null"]),
    "scalar-then-object": (b"[1{}]", [b"1", b"{}"]),
    "lone-object": (b'\n {"error":{"code":503}}\r\n', [b'{"error":{"code":503}}']),
    "bom": (BOM + b"[{}]", [b"{}"]),
    "bom-lone-object": (BOM + b" {}", [b"{}"]),
    "bom-alone": (BOM, []),
    "utf-8": ('[{"a":"🗼\u2028"}]'.encode(), ['{"a":"🗼\u2028"}'.encode()]),
    "not-utf-8": (b'[{"a":"\xff\xe2"}]', [b'{"a":"\xff\xe2"}']),
    "unsound-json-is-for-the-dialect": (b"[{nope},{]]", [b"{nope}", b"{]"]),
    "open-object": (b'[{},{"a":', [b"{}"]),
    "open-string": (b'[{},"a', [b"{}"]),
    "open-after-a-backslash": (b'[{},"a\\', [b"{}"]),
    "open-scalar": (b"[{},12", [b"{}"]),
    "open-array": (b"[{},", [b"{}"]),
    "open-lone-object": (b'{"a":{}', []),
}
OPEN = {"nothing", "blanks", "bom-alone", *(name for name in FRAMES if name.startswith("open-"))}


CLOSED = {name: case for name, case in FRAMES.items() if name not in OPEN}


@pytest.mark.parametrize(("wire", "found"), CLOSED.values(), ids=CLOSED.keys())
def test_frames(wire: bytes, found: list[bytes]) -> None:
    assert in_every_cut(read_array, wire) == ([*map(Frame, found), END], None, None)


@pytest.mark.parametrize("name", sorted(OPEN))
def test_without_its_end(name: str) -> None:
    wire, found = FRAMES[name]
    assert in_every_cut(read_array, wire) == ([*map(Frame, found)], None, None)


@pytest.mark.parametrize(
    ("wire", "frames", "message"),
    [
        (b"data: {}\n", 0, "expected [ or { at offset 0 of the body, found b'd'"),
        (b" <html>", 0, "expected [ or { at offset 1 of the body, found b'<'"),
        (b'"a"', 0, "expected [ or { at offset 0 of the body, found b'\"'"),
        (b"[{}\n}", 1, "expected a value, a comma or ] at offset 4 of the body, found b'}'"),
        (b"[:{}]", 0, "expected a value, a comma or ] at offset 1 of the body, found b':'"),
        (b"[{},\xff", 1, "expected a value, a comma or ] at offset 4 of the body, found b'\\xff'"),
        (b"[{}]\n[", 2, "expected the end of the body at offset 5 of the body, found b'['"),
        (b"{},", 2, "expected the end of the body at offset 2 of the body, found b','"),
        (BOM + BOM, 0, "expected [ or { at offset 3 of the body, found b'\\xef'"),
        (BOM[:2] + b"[]", 0, "expected [ or { at offset 2 of the body, found b'['"),
        (b"\n" + BOM, 0, "expected [ or { at offset 1 of the body, found b'\\xef'"),
    ],
)
def test_something_else(wire: bytes, frames: int, message: str) -> None:
    outcome = in_every_cut(read_array, wire)
    assert (len(outcome.frames), outcome.error) == (frames, "malformed")
    for chunks in ([wire], in_pieces(wire, 1)):
        framer = JSONArrayFramer(Limits())
        with pytest.raises(FramingError, match=f"^{re.escape(message)}$"):
            for chunk in chunks:
                framer.receive_data(chunk)


def test_an_element_is_there_before_further_bytes() -> None:
    framer = JSONArrayFramer(Limits())
    framer.receive_data(b'[{"a":1')
    assert list(framer.frames) == []
    framer.receive_data(b"}")
    assert list(framer.frames) == [Frame(b'{"a":1}')]


# --- limits ---

EXACT = {  # wires whose largest element takes exactly 12 bytes
    "object": b'[{"a":"3456"}]',
    "pretty": b'[\n{ "a":\n 56 }\n]',
    "string": b'["0123456789"]',
    "string-that-ends-in-an-escape": b'["01234567\\""]',
    "scalar": b"[012345678901]",
    "array": b"[[12345,7890]]",
    "lone-object": b'{"a":"3456"}',
    "second": b'[{},{"a":"3456"},1]',
    "they-do-not-add-up": b"[" + b'{"a":"3456"},' * 20 + b"]",
    "blanks-do-not-count": b"[" + b" " * 50 + b'{"a":"3456"}' + b"\n" * 50 + b"]",
}


@pytest.mark.parametrize("wire", EXACT.values(), ids=EXACT.keys())
def test_the_limit(wire: bytes) -> None:
    at_limit = in_every_cut(partial(read_array, limits=Limits(max_event_size=12)), wire)
    assert at_limit == read_array([wire])
    assert at_limit.error is None

    beyond = in_every_cut(partial(read_array, limits=Limits(max_event_size=11)), wire)
    assert beyond.error == "limit"


@pytest.mark.parametrize("limit", range(1, 16))
def test_any_limit_is_independent_of_the_cuts(limit: int) -> None:
    wire = BOM + b'[{}, 1234567, "\\"89", [[[[]]]]\r\n,{"a":1}x"'
    outcome = in_every_cut(partial(read_array, limits=Limits(max_event_size=limit)), wire)
    unlimited = read_array([wire]).frames
    assert outcome.frames == unlimited[: len(outcome.frames)]
    assert (outcome.error is None) == (outcome.frames == unlimited) == (limit >= 8)


def test_the_error_names_the_limit() -> None:
    framer = JSONArrayFramer(Limits(max_event_size=5))
    with pytest.raises(FramingError, match="larger than max_event_size = 5 bytes"):
        framer.receive_data(b'["12345')
    assert framer.buffered == 0


def test_depth() -> None:
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert read_array([b"[" + deepest + b"]"]).frames == [Frame(deepest), END]

    wire = b"[{}," + b"[" * (MAX_DEPTH + 1)
    outcome = in_every_cut(read_array, wire, lambda wire: (in_pieces(wire, n) for n in (1, 7)))
    assert outcome == ([Frame(b"{}")], None, "limit")
    framer = JSONArrayFramer(Limits())
    with pytest.raises(FramingError, match=r"deeper than 256 brackets at offset 260$"):
        framer.receive_data(wire)
    assert framer.buffered == 0


@pytest.mark.parametrize("limit", [MAX_DEPTH, MAX_DEPTH + 1])
def test_of_two_limits_the_first_one_broken_counts(limit: int) -> None:
    wire = b"[" + b"[" * (MAX_DEPTH + 50)
    said: set[str] = set()
    for size in (1, 7, len(wire)):
        framer = JSONArrayFramer(Limits(max_event_size=limit))
        with pytest.raises(FramingError) as raised:
            for chunk in in_pieces(wire, size):
                framer.receive_data(chunk)
        said.add(str(raised.value))
    assert len(said) == 1
    assert ("max_event_size" in said.pop()) == (limit == MAX_DEPTH)


def test_buffered() -> None:
    framer = JSONArrayFramer(Limits())
    for chunk in in_pieces(b'  [{"a": 1', 3):
        framer.receive_data(chunk)
    assert (framer.buffered, framer.peak_buffered) == (7, 7)
    framer.receive_data(b"},[")
    assert (framer.buffered, framer.peak_buffered) == (1, 7)
    framer.receive_eof()
    assert (framer.buffered, framer.retry, framer.format) == (0, None, "JSON array")


class _Counting:
    """A pattern that counts the bytes it runs over."""

    def __init__(self, pattern: re.Pattern[bytes], counts: list[int]) -> None:
        self._pattern = pattern
        self._counts = counts

    def match(self, *args: Any) -> re.Match[bytes] | None:
        match = self._pattern.match(*args)
        assert match is not None
        self._counts.append(match.end() - match.start() + 1)
        return match


@pytest.mark.parametrize("size", [1, 2, 64, 10**6])
@pytest.mark.parametrize(
    "wire",
    [
        b'["' + b"x" * 20_000 + b'"]',
        b'[{"a":"' + b"\\\\" * 10_000 + b'"}]',
        b"[" + b'{"a":["b",1]},\r\n' * 1000 + b"]",
        b"[" + b" " * 20_000 + b"]",
        b"[" + b"1" * 20_000 + b"]",
    ],
    ids=["string", "escapes", "objects", "blanks", "scalar"],
)
def test_work_is_linear(wire: bytes, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    for name in ("_BLANKS", "_BETWEEN", "_SCALAR", "_STRING", "_FLAT"):
        monkeypatch.setattr(jsonarray, name, _Counting(getattr(jsonarray, name), counts))
    read_array(in_pieces(wire, size))
    assert sum(counts) <= 3 * len(wire) + 10


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('"\\[]{},: \né🗼'), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@given(st.lists(_VALUES, max_size=6), st.sampled_from([None, 1]), st.data())
@settings(deadline=None)
def test_any_array(values: list[object], indent: int | None, data: st.DataObject) -> None:
    """However it is laid out and cut, its elements come out as they went in."""
    wire = json.dumps(values, indent=indent, ensure_ascii=False).encode()
    outcome = read_array(data.draw(cut(wire)))
    assert outcome.frames.pop() == END
    assert [json.loads(frame.text) for frame in outcome.frames] == values
    assert outcome.error is None


@given(
    st.lists(st.sampled_from(list(b'[]{}"\\, 1a:\xef\xbb\xbf\n')), max_size=40).map(bytes),
    st.data(),
)
@settings(deadline=None)
def test_any_bytes(wire: bytes, data: st.DataObject) -> None:
    limits = Limits(max_event_size=data.draw(st.sampled_from([1, 4, 10**6])))
    assert read_array(data.draw(cut(wire)), limits) == read_array([wire] if wire else [], limits)


# --- the mirror ---


def write(*frames: Frame) -> bytes:
    framer = JSONArrayFramer(Limits())
    return b"".join(map(framer.encode, frames))


def test_encode() -> None:
    blank = Frame(comment=b"alive")
    wire = write(blank, Frame(b"{}"), blank, Frame(b'["a"]'), END)
    assert wire == b'\n[{}\n,\r\n["a"]\n]'
    assert write(END) == b"[]"


@given(
    st.lists(st.none() | st.lists(_VALUES) | st.dictionaries(st.text(), _VALUES) | st.text()),
    st.booleans(),
)
@settings(deadline=None)
def test_what_was_written_is_read(values: list[object], closed: bool) -> None:
    """Blanks leave no trace; all else comes back, and the end only if it was written."""
    frames = [Frame() if value is None else Frame(json.dumps(value).encode()) for value in values]
    frames += [END] if closed else []
    said = [frame for frame in frames if frame.data is not None]
    wire = write(*frames)
    assert read_array([wire] if wire else []).frames == said
    if closed:
        assert json.loads(wire) == [value for value in values if value is not None]


@pytest.mark.parametrize(
    "data",
    [b"", b"1", b"nope", b"{", b'"a', b"{}{}", b" {}", b"{} ", b"]]", b"[" * 300 + b"]" * 300],
)
def test_what_is_no_element(data: bytes) -> None:
    framer = JSONArrayFramer(Limits())
    with pytest.raises(LocalProtocolError, match="no element of a JSON array"):
        framer.encode(Frame(data))
    assert framer.encode(Frame(b"{}")) == b"[{}"
