"""`SSEFramer`: the frames of event streams, and what the standard lets fall made visible."""

from __future__ import annotations

from functools import partial

import pytest
from tests.cuts import bytewise, in_every_cut, in_pieces, read_frames
from tests.framing.event_streams import BOM, EVENT_STREAMS, message

from tokenwire import Frame, FramingError, Limits, LocalProtocolError
from tokenwire.framing.sse import SSEFramer

read_sse = partial(read_frames, SSEFramer)


def test_event_streams() -> None:
    """The table of the standard: what is dispatched are the complete frames with data."""
    for stream in EVENT_STREAMS:
        outcome = in_every_cut(read_sse, stream.wire)

        dispatched = [
            message(frame.text, frame.event or "message", frame.id)
            for frame in outcome.frames
            if frame.data is not None and not frame.unterminated
        ]
        assert dispatched == stream.messages, stream.name
        assert outcome.retry == stream.retry, stream.name
        assert outcome.error is None, stream.name


FRAMES = {
    "data": (b"data: a\n\n", [Frame(b"a")]),
    "all-fields": (
        b"event: t\nid: 1\nretry: 5\ndata: a\ndata: b\n\n",
        [Frame(b"a\nb", "t", "1", 5)],
    ),
    "line-ends-normalised": (b"data: a\rdata: b\r\ndata: c\n\r", [Frame(b"a\nb\nc")]),
    "data-as-bytes": (b"data: \xff\0\n\n", [Frame(b"\xff\0")]),
    "type-again": (b"event: t\ndata: a\n\n" * 2 + b"data: b\n\n", [Frame(b"a", "t"), Frame(b"a", "t"), Frame(b"b")]),
    "type-too-long-to-be-kept": ((b"event: " + b"t" * 70 + b"\ndata: a\n\n") * 2, [Frame(b"a", "t" * 70)] * 2),
    "type-as-sent": (b"event: message\ndata: a\n\n", [Frame(b"a", "message")]),
    "empty-data-is-not-none": (b"data\n\n", [Frame(b"")]),
    "comment": (b": a\n:b\n:\n: \n:  c\n\n", [Frame(comment=one) for one in (b"a", b"b", b"", b"", b" c")]),
    "comment-comes-at-once": (b"data: a\n: hm\n", [Frame(comment=b"hm"), Frame(b"a", comment=b"hm", unterminated=True)]),
    "comment-in-its-event": (
        b": one\ndata: a\n: two\n\ndata: b\n\n",
        [Frame(comment=b"one"), Frame(comment=b"two"), Frame(b"a", comment=b"two"), Frame(b"b")],
    ),
    "comment-of-its-own-block": (b": hm\n\ndata: a\n\n", [Frame(comment=b"hm"), Frame(b"a")]),
    "type-alone": (b"event: ping\n\ndata: a\n\n", [Frame(event="ping"), Frame(b"a")]),
    "type-empty-alone": (b"event\n\n", [Frame()]),
    "id-alone": (b"id: 1\n\ndata: a\n\n", [Frame(id="1"), Frame(b"a", id="1")]),
    "id-with-nul-alone": (b"id: \0\n\n", [Frame()]),
    "retry-alone": (b"retry: 5\n\ndata: a\n\n", [Frame(retry=5), Frame(b"a")]),
    "retry-odd-alone": (b"retry: +5\n\n", [Frame()]),
    "other": (b"{\nx: y\n}\n\n", [Frame(other=b"{\nx: y\n}")]),
    "other-keeps-its-spaces": (b" data: a \n\tb\n\n", [Frame(other=b" data: a \n\tb")]),
    "other-beside-data": (b"x\ndata: a\ny: z\n\ndata: b\n\n", [Frame(b"a", other=b"x\ny: z"), Frame(b"b")]),
    "other-second-bom": (BOM + BOM + b"data: a\n\n", [Frame(other=BOM + b"data: a")]),
    "blank-lines-are-nothing": (b"\n\r\n\r\r\n\n", []),
    "end-in-data": (b"data: a", [Frame(b"a", unterminated=True)]),
    "end-in-data-of-many-lines": (b"event: t\ndata: a\ndata: b\ndat", [Frame(b"a\nb", "t", other=b"dat", unterminated=True)]),
    "end-without-blank-line": (b"data: a\n", [Frame(b"a", unterminated=True)]),
    "end-keeps-the-id-before": (b"id: 1\n\nid: 2\ndata: a\n", [Frame(id="1"), Frame(b"a", id="1", unterminated=True)]),
    "end-in-a-type": (b"data: a\nevent: t", [Frame(b"a", unterminated=True)]),
    "end-after-a-type": (b"data: a\nevent: t\n", [Frame(b"a", "t", unterminated=True)]),
    "end-in-an-id": (b"data: a\nid: 1", [Frame(b"a", unterminated=True)]),
    "end-in-a-retry": (b"data: a\nretry: 1", [Frame(b"a", unterminated=True)]),
    "end-in-a-comment": (b"data: a\n: hm", [Frame(b"a", unterminated=True)]),
    "end-in-other": (b'{"error": 1\n}', [Frame(other=b'{"error": 1\n}', unterminated=True)]),
    "end-in-other-with-a-colon": (b"error: {}", [Frame(other=b"error: {}", unterminated=True)]),
    "end-in-a-bom": (BOM[:2], [Frame(other=BOM[:2], unterminated=True)]),
    "end-without-data": (b"event: t\nretry: 1\nid: 2\n: hm\n", [Frame(comment=b"hm"), Frame(None, "t", None, 1, unterminated=True)]),
}  # fmt: skip


@pytest.mark.parametrize(("wire", "frames"), FRAMES.values(), ids=FRAMES.keys())
def test_frames(wire: bytes, frames: list[Frame]) -> None:
    assert in_every_cut(read_sse, wire).frames == frames


def test_a_bare_cr_dispatches_at_once() -> None:
    framer = SSEFramer(Limits())

    framer.receive_data(b"data: a\r")
    assert list(framer.frames) == []
    framer.receive_data(b"\r")
    assert list(framer.frames) == [Frame(b"a")]
    framer.receive_data(b"\n")
    framer.receive_data(b"data: b\n\n")
    assert list(framer.frames) == [Frame(b"a"), Frame(b"b")]


def test_retry_counts_when_its_line_ends() -> None:
    framer = SSEFramer(Limits())

    framer.receive_data(b"retry: 1")
    assert framer.retry is None
    framer.receive_data(b"0\n")
    assert framer.retry == 10


@pytest.mark.parametrize("end", [b"\n", b""], ids=["ended", "open"])
@pytest.mark.parametrize("count", [63, 64, 65, 128, 1000])
def test_an_event_of_many_lines(count: int, end: bytes) -> None:
    """However they are held, each line is there once and in its place, empty ones too."""
    data = [[b"", b"x", b" yy", b""][n % 4] for n in range(count)]
    other = [b"z%d" % n for n in range(count)]
    lines = [line for d, o in zip(data, other, strict=True) for line in (b"data:  " + d, o)]
    wire = b"data: before\n\n" + b"\n".join(
        [*lines, b"id: 1", b"event: t", b"", b"data: after", end]
    )

    outcome = in_every_cut(read_sse, wire, lambda wire: (in_pieces(wire, n) for n in (1, 7, 500)))

    assert outcome.frames == [
        Frame(b"before"),
        Frame(b"\n".join(b" " + line for line in data), "t", "1", other=b"\n".join(other)),
        Frame(b"after", id="1", unterminated=not end),
    ]


@pytest.mark.parametrize("count", [64, 200])
def test_an_open_event_of_many_lines(count: int) -> None:
    wire = b"data:x\n" * count + b"data:y"

    outcome = in_every_cut(read_sse, wire, lambda wire: (in_pieces(wire, n) for n in (1, 7, 500)))

    assert outcome.frames == [Frame(b"x\n" * count + b"y", unterminated=True)]


# --- limits ---


def block(*lines: bytes) -> bytes:
    return b"".join(line + b"\n" for line in lines) + b"\n"


EXACT = {  # wires whose largest event takes exactly 24 bytes, line ends not counted
    "one-line": block(b"data: " + b"x" * 18),
    "no-space": block(b"data:" + b"x" * 19),
    "crlf": b"data: " + b"x" * 18 + b"\r\n\r\n",
    "cr": b"data: " + b"x" * 18 + b"\r\r",
    "bom": BOM + block(b"data: " + b"x" * 18),
    "two-lines": block(b"data: aaaaaa", b"data: bbbbbb"),
    "four-lines": block(b"data: ", b"data: ", b"data: ", b"data:x"),
    "many-empty-lines": block(*[b"data"] * 6),
    "type-and-data": block(b"event: kind!", b"data: bbbbbb"),
    "id-and-data": block(b"id: 12345678", b"data: bbbbbb"),
    "unknown-lines": block(b"{" * 11, b"}" * 13),
    "comment": b":" + b"x" * 23 + b"\n\n",
    "type-alone": block(b"event: " + b"x" * 17),
    "second-event": block(b"data: first") + block(b"data: " + b"x" * 18) + block(b"data: x"),
    "unterminated": b"data: " + b"x" * 18,
    "unterminated-after-a-line": b"data: aaaaaa\ndata: bbbbbb",
}


@pytest.mark.parametrize("wire", EXACT.values(), ids=EXACT.keys())
def test_an_event_may_take_exactly_the_limit(wire: bytes) -> None:
    at_limit = in_every_cut(partial(read_sse, limits=Limits(max_event_size=24)), wire)

    assert at_limit == read_sse([wire])


@pytest.mark.parametrize("wire", EXACT.values(), ids=EXACT.keys())
def test_an_event_may_not_take_one_byte_more(wire: bytes) -> None:
    beyond = in_every_cut(partial(read_sse, limits=Limits(max_event_size=23)), wire)

    assert beyond.error == "limit"


@pytest.mark.parametrize("limit", range(1, 40))
def test_any_limit_is_independent_of_the_cuts(limit: int) -> None:
    """What is found before the violation, and whether there is one, in order."""
    wire = (
        BOM + b"data: a\r\n\r\n: comment\nid: 1\ndata: aa\ndata:bbb\n\n"
        b"event: much longer\rdata: cccccccc\r\r{}\n{}\n\ndata: d"
    )
    outcome = in_every_cut(partial(read_sse, limits=Limits(max_event_size=limit)), wire)

    unlimited = read_sse([wire]).frames
    assert outcome.frames == unlimited[: len(outcome.frames)]
    if outcome.error is None:
        assert outcome.frames == unlimited


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"], ids=["lf", "cr", "crlf"])
def test_events_before_a_violation_are_kept(end: bytes) -> None:
    wire = (b"data: a" + end * 2) * 3 + b"data: " + b"x" * 30 + end * 2 + b"data: late" + end * 2
    outcome = in_every_cut(partial(read_sse, limits=Limits(max_event_size=20)), wire)

    assert outcome == ([Frame(b"a")] * 3, None, "limit")


def test_many_events_may_take_more_than_the_limit_together() -> None:
    wire = b"data: 0123456789\n\n" * 50
    outcome = in_every_cut(partial(read_sse, limits=Limits(max_event_size=16)), wire)

    assert outcome == ([Frame(b"0123456789")] * 50, None, None)


def test_comments_that_came_out_do_not_add_up() -> None:
    """A keep-alive comment may come without a blank line for hours: nothing of it is held."""
    framer = SSEFramer(Limits(max_event_size=64))
    for _ in range(100):
        framer.receive_data(b": still here\n")
        framer.frames.clear()
        assert framer.buffered <= 64

    framer.receive_data(b"data: a\n\n")
    assert list(framer.frames) == [Frame(b"a", comment=b"still here")]


TOO_LARGE = [
    pytest.param(b"data: " + b"x" * 1000, id="one-line"),
    pytest.param(b"data: xx\n" * 100, id="data-lines"),
    pytest.param(b"strange\n" * 100, id="unknown-lines"),
    pytest.param(b"data: short\n\n" * 4 + b": " + b"x" * 1000, id="comment"),
    pytest.param(b"event: e\nid: 1\n" + b"data: " + b"x" * 1000, id="after-other-fields"),
]


@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("wire", TOO_LARGE)
def test_buffered_stays_under_the_limit(wire: bytes, size: int) -> None:
    framer = SSEFramer(Limits(max_event_size=100))

    with pytest.raises(FramingError, match="max_event_size = 100 bytes") as raised:
        for chunk in in_pieces(wire, size):
            assert framer.buffered <= 100
            framer.receive_data(chunk)
    assert raised.value.kind == "limit"


@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("wire", TOO_LARGE)
def test_what_broke_the_limit_is_not_kept(wire: bytes, size: int) -> None:
    framer = SSEFramer(Limits(max_event_size=100))
    with pytest.raises(FramingError):
        for chunk in in_pieces(wire, size):
            framer.receive_data(chunk)

    assert framer.buffered <= 100
    assert framer.peak_buffered <= 100


def test_buffered_and_its_peak() -> None:
    framer = SSEFramer(Limits())
    assert (framer.buffered, framer.peak_buffered) == (0, 0)
    framer.receive_data(b"data: abc")
    assert (framer.buffered, framer.peak_buffered) == (9, 9)
    framer.receive_data(b"d\ndat")
    assert (framer.buffered, framer.peak_buffered) == (13, 13)
    framer.receive_data(b"a: x\n")
    assert (framer.buffered, framer.peak_buffered) == (17, 17)
    framer.receive_data(b"\ndata")
    assert (framer.buffered, framer.peak_buffered) == (4, 17)
    framer.receive_data(b"\n\n")
    assert (framer.buffered, framer.peak_buffered) == (0, 17)


def test_peak_buffered_sees_an_event_whose_last_line_came_whole() -> None:
    framer = SSEFramer(Limits())
    for line in (b"data: " + b"x" * 94 + b"\n",) * 3:
        framer.receive_data(line)
    framer.receive_data(b"\n")

    assert framer.peak_buffered == 300


# --- the mirror ---


ENCODED = {
    "data": (Frame(b"a"), b"data: a\n\n"),
    "empty-data": (Frame(b""), b"data: \n\n"),
    "data-lines": (Frame(b"a\n\nb\n"), b"data: a\ndata: \ndata: b\ndata: \n\n"),
    "all-fields": (Frame(b"a", "t", "1", 5), b"event: t\nid: 1\nretry: 5\ndata: a\n\n"),
    "leading-spaces": (Frame(b"  a", " t", " 1"), b"event:  t\nid:  1\ndata:   a\n\n"),
    "empty-id": (Frame(b"a", id=""), b"id: \ndata: a\n\n"),
    "comment": (Frame(comment=b"hm"), b": hm\n\n"),
    "empty-comment": (Frame(comment=b""), b": \n\n"),
    "comment-with-a-space": (Frame(comment=b" hm"), b":  hm\n\n"),
    "type-alone": (Frame(event="ping"), b"event: ping\n\n"),
    "retry-alone": (Frame(retry=0), b"retry: 0\n\n"),
    "nul-in-data": (Frame(b"\0"), b"data: \0\n\n"),
    "fields-in-data": (Frame(b"data: a\nid: 2\n"), b"data: data: a\ndata: id: 2\ndata: \n\n"),
    "characters": (Frame("…".encode(), "größe", "№1"), "event: größe\nid: №1\ndata: …\n\n".encode()),
    "other-line-ends": (
        Frame("a\u2028b".encode(), "c\u2029d", "e\u0085f"),
        "event: c\u2029d\nid: e\u0085f\ndata: a\u2028b\n\n".encode(),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("frame", "wire"), ENCODED.values(), ids=ENCODED.keys())
def test_encode(frame: Frame, wire: bytes) -> None:
    assert SSEFramer.encode(frame) == wire
    assert read_sse([wire]).frames == [frame]


@pytest.mark.parametrize("end", [b"\r", b"\r\n", b"\n"], ids=["cr", "crlf", "lf"])
def test_encode_splits_data_on_every_line_end(end: bytes) -> None:
    """A CR left alone in data would end its line and let the rest pose as a field."""
    wire = SSEFramer.encode(Frame(b"a" + end + b"event: fake" + end))

    assert wire == b"data: a\ndata: event: fake\ndata: \n\n"


@pytest.mark.parametrize("character", ["\r", "\n", "\0", "\r\n"], ids=["cr", "lf", "nul", "crlf"])
@pytest.mark.parametrize("field", ["event", "id", "comment"])
def test_encode_refuses_what_would_inject_fields(field: str, character: str) -> None:
    value = f"a{character}data: fake"
    frame = Frame(b"a", **{field: value.encode() if field == "comment" else value})

    with pytest.raises(LocalProtocolError, match=f"an SSE {field} must not hold CR, LF or NUL"):
        SSEFramer.encode(frame)


def test_encode_refuses_a_retry_that_would_not_parse() -> None:
    with pytest.raises(LocalProtocolError):
        SSEFramer.encode(Frame(b"a", retry=-1))


def test_encode_then_frame_in_every_cut() -> None:
    frames = [frame for frame, _ in ENCODED.values()]
    wire = b"".join(map(SSEFramer.encode, frames))

    outcome = in_every_cut(read_sse, wire)

    said = [(frame.data, frame.event, frame.retry, frame.comment) for frame in outcome.frames]
    assert said == [(frame.data, frame.event, frame.retry, frame.comment) for frame in frames]


def test_bytewise_equals_whole_for_the_whole_table() -> None:
    """One connection, everything in a row: no event changes the one after it."""
    wire = b"\n\n".join(stream.wire.removeprefix(BOM) for stream in EVENT_STREAMS)

    assert read_sse([wire]) == read_sse(bytewise(wire))
