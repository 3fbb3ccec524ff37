"""`LineSplitter`: where lines end, what one may take, and how much work and memory that costs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import pytest
from tests.cuts import in_every_cut, in_pieces, whole
from tests.framing.meter import Meter, metered, metered_framers, metered_parser
from tests.reading import read

from tokenwire import FramingError, Limits, LocalProtocolError
from tokenwire.framing import Framer
from tokenwire.framing.jsonlines import JSONLinesFramer
from tokenwire.framing.lines import BOM, LineSplitter
from tokenwire.framing.sse import SSEFramer

FRAMERS = [SSEFramer, JSONLinesFramer]


class Lines(NamedTuple):
    lines: list[bytes]
    rest: bytes
    error: str | None


def read_lines(chunks: list[bytes], *, limit: int = 1000, lf_only: bool = False) -> Lines:
    found: list[bytes] = []
    error = None
    rest = b""

    def receive_lines(lines):
        assert lines, "an empty sequence of lines"
        found.extend(lines)

    splitter = LineSplitter(receive_lines, limit=limit, lf_only=lf_only)
    try:
        for chunk in chunks:
            splitter.receive_data(chunk)
        rest = splitter.take_rest()
    except FramingError as raised:
        error = raised.kind
    return Lines(found, rest, error)


THREE_ENDS = {
    "none": (b"a", [], b"a"),
    "lf": (b"a\nb\n", [b"a", b"b"], b""),
    "cr": (b"a\rb\r", [b"a", b"b"], b""),
    "crlf": (b"a\r\nb\r\n", [b"a", b"b"], b""),
    "lf-cr": (b"a\n\rb", [b"a", b""], b"b"),
    "cr-cr-lf": (b"a\r\r\nb", [b"a", b""], b"b"),
    "cr-lf-lf": (b"a\r\n\nb", [b"a", b""], b"b"),
    "cr-lf-cr": (b"a\r\n\rb", [b"a", b""], b"b"),
    "lf-lf": (b"\n\n", [b"", b""], b""),
    "cr-cr": (b"\r\r", [b"", b""], b""),
    "crlf-crlf": (b"\r\n\r\n", [b"", b""], b""),
    "lf-after-a-line": (b"a\rb\n\nc", [b"a", b"b", b""], b"c"),
    "bom": (BOM + b"a\nb", [b"a"], b"b"),
    "bom-alone": (BOM, [], b""),
    "bom-then-lf": (BOM + b"\na", [b""], b"a"),
    "bom-then-crlf": (BOM + b"\r\na", [b""], b"a"),
    "bom-twice": (BOM + BOM + b"\n", [BOM], b""),
    "bom-later": (b"\n" + BOM + b"\n", [b"", BOM], b""),
    "bom-one-byte": (BOM[:1], [], BOM[:1]),
    "bom-two-bytes": (BOM[:2], [], BOM[:2]),
    "bom-broken-by-lf": (BOM[:2] + b"\nx", [BOM[:2]], b"x"),
    "bom-broken-by-cr": (BOM[:1] + b"\r\nx", [BOM[:1]], b"x"),
    "other-ends": ("a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei".encode() + b"\n", ["a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei".encode()], b""),
    "nul": (b"\0a\0\n\0", [b"\0a\0"], b"\0"),
    "bad-utf-8": (b"\xff\xe2\x80\n\xa8\n", [b"\xff\xe2\x80", b"\xa8"], b""),
}  # fmt: skip

LF_ONLY = {
    "lf": (b"a\nb\n\nc", [b"a", b"b", b""], b"c"),
    "cr-stays": (b"a\rb\r\r\nc\r", [b"a\rb\r\r"], b"c\r"),
    "crlf-leaves-the-cr": (b"a\r\n\r\n", [b"a\r", b"\r"], b""),
    "lf-after-cr-counts": (b"\r\n\n\r\n", [b"\r", b"", b"\r"], b""),
    "bom": (BOM + b"a\n" + BOM + b"b\n", [b"a", BOM + b"b"], b""),
    "bom-then-lf": (BOM + b"\n\n", [b"", b""], b""),
    "other-ends": ("a\u2028b\x0b\u0085\x1e\n".encode(), ["a\u2028b\x0b\u0085\x1e".encode()], b""),
}


@pytest.mark.parametrize(("wire", "lines", "rest"), THREE_ENDS.values(), ids=THREE_ENDS.keys())
def test_three_line_ends(wire: bytes, lines: list[bytes], rest: bytes) -> None:
    assert in_every_cut(read_lines, wire) == (lines, rest, None)


@pytest.mark.parametrize(("wire", "lines", "rest"), LF_ONLY.values(), ids=LF_ONLY.keys())
def test_lf_only(wire: bytes, lines: list[bytes], rest: bytes) -> None:
    assert in_every_cut(partial(read_lines, lf_only=True), wire) == (lines, rest, None)


def test_every_short_string_of_line_ends() -> None:
    """All strings of up to six bytes over a letter, CR and LF, against a slow and plain reading."""

    def plainly(data: bytes) -> Lines:
        *lines, rest = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        return Lines(lines, rest, None)

    strings = [b""]
    for _ in range(6):
        strings += [string + bytes([byte]) for string in strings[-(3**6) :] for byte in b"a\r\n"]
    for string in set(strings):
        assert in_every_cut(read_lines, string) == plainly(string), string


def test_a_cr_ends_its_line_at_once() -> None:
    lines: list[bytes] = []
    splitter = LineSplitter(lines.extend, limit=10)

    splitter.receive_data(b"a\r")
    assert lines == [b"a"]
    splitter.receive_data(b"\n")
    assert lines == [b"a"]
    splitter.receive_data(b"\n")
    assert lines == [b"a", b""]


# --- limits ---


@pytest.mark.parametrize("lf_only", [False, True], ids=["three-ends", "lf-only"])
@pytest.mark.parametrize("mark", [b"", BOM], ids=["", "bom"])
@pytest.mark.parametrize("before", [b"", b"a\n\nbb\n"], ids=["first-line", "later-line"])
@pytest.mark.parametrize("end", [b"\n", b""], ids=["ended", "open"])
@pytest.mark.parametrize("limit", [3, 17])
def test_the_limit_is_exact(
    limit: int, end: bytes, before: bytes, mark: bytes, lf_only: bool
) -> None:
    """A line of exactly the limit passes and one more byte fails; a BOM does not count."""
    read = partial(read_lines, limit=limit, lf_only=lf_only)
    exact, beyond = b"x" * limit, b"x" * (limit + 1)
    earlier = before.splitlines()

    passed = in_every_cut(read, mark + before + exact + end)
    failed = in_every_cut(read, mark + before + beyond + end + b"more\n")

    assert passed == (earlier + [exact] * bool(end), b"" if end else exact, None)
    assert failed == (earlier, b"", "limit")


@pytest.mark.parametrize("end", [b"\r", b"\r\n"], ids=["cr", "crlf"])
def test_line_ends_do_not_count(end: bytes) -> None:
    passed = in_every_cut(partial(read_lines, limit=3), b"abc" + end + b"def" + end + b"ghi")
    failed = in_every_cut(partial(read_lines, limit=3), b"abc" + end + b"defg" + end)

    assert passed == ([b"abc", b"def"], b"ghi", None)
    assert failed == ([b"abc"], b"", "limit")


def test_whoever_keeps_lines_lowers_the_room() -> None:
    def read(chunks: list[bytes]) -> list[bytes]:
        kept: list[bytes] = []

        def keep(lines):
            kept.extend(lines)
            splitter.room = 10 - sum(map(len, kept))

        splitter = LineSplitter(keep, limit=10)
        with pytest.raises(FramingError):
            for chunk in chunks:
                splitter.receive_data(chunk)
        return kept

    assert in_every_cut(read, b"aaaa\nbbbb\nc\ndd\ne") == [b"aaaa", b"bbbb", b"c"]


@pytest.mark.parametrize("framer", FRAMERS)
@pytest.mark.parametrize("piece", [1000, 16 * 1024, 64 * 1024, 1024 * 1024])
def test_a_64_mib_line_stops_early(framer: Callable[[Limits], Framer], piece: int) -> None:
    """Against 64 KiB: never more is held, and the error comes with the first piece beyond."""
    limit = 64 * 1024
    reader = framer(Limits(max_event_size=limit))
    fed = 0
    chunk = b"x" * piece

    with pytest.raises(FramingError, match="max_event_size = 65536 bytes"):
        while fed < 64 * 1024 * 1024:
            assert reader.buffered <= limit
            fed += piece
            reader.receive_data(chunk)

    assert limit < fed <= limit + piece


@pytest.mark.parametrize("framer", FRAMERS)
@pytest.mark.parametrize("piece", [1, 60, 1000, 1 << 20])
def test_what_broke_the_limit_is_not_kept(framer: Callable[[Limits], Framer], piece: int) -> None:
    reader = framer(Limits(max_event_size=100))
    chunk = b"x" * piece
    with pytest.raises(FramingError):
        for _ in range(101):
            reader.receive_data(chunk)

    assert reader.buffered <= 100
    assert reader.peak_buffered <= 100


@pytest.mark.parametrize("framer", FRAMERS)
def test_a_64_mib_line_in_one_chunk(framer: Callable[[Limits], Framer]) -> None:
    reader = framer(Limits(max_event_size=64 * 1024))

    with pytest.raises(FramingError):
        reader.receive_data(b"x" * (64 * 1024 * 1024) + b"\n")
    assert not reader.frames
    assert reader.buffered == 0


@pytest.mark.parametrize("framer", FRAMERS)
def test_peak_buffered(framer: Callable[[Limits], Framer]) -> None:
    reader = framer(Limits())
    for chunk in in_pieces(b"data: " + b"x" * 30_000, 7):
        reader.receive_data(chunk)
        assert reader.buffered == reader.peak_buffered
    assert reader.buffered == 30_006
    reader.receive_data(b"\n\ndata: ")

    assert (reader.buffered, reader.peak_buffered) == (6, 30_006)


# --- memory: pieces and lines as small as they come ---


SIZE = 1 << 17


def memory(framer: Callable[[Limits], Framer], chunks: Iterator[bytes]) -> int:
    """The most memory that was taken, the end of the event included."""
    tracemalloc.start()
    try:
        reader = framer(Limits())
        for chunk in chunks:
            reader.receive_data(chunk)
        reader.receive_data(b"\n\n")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("framer", FRAMERS)
@pytest.mark.parametrize("size", [1, 2, 50, 4096])
def test_memory_of_a_long_line_in_pieces(framer: Callable[[Limits], Framer], size: int) -> None:
    """A list of two-byte pieces takes twenty times their bytes, and joining it sixty times. The
    line is held once and copied twice while it ends; only a few pieces may wait as they came."""
    pieces = (bytes([120]) * size for _ in range(SIZE // size))
    waiting = 4096 * 128

    assert memory(framer, pieces) <= 3 * SIZE + waiting


@pytest.mark.parametrize(
    "line", [b"data\n", b"data:ab\n", b"data: abcdefgh\n", b"x:\n", b"abcdefg\n"]
)
def test_memory_of_an_event_of_many_short_lines(line: bytes) -> None:
    """A list of them, and joining it, must not take many times what ``max_event_size`` allows."""
    lines = (bytes(bytearray(line)) for _ in range(SIZE // len(line)))

    assert memory(SSEFramer, lines) <= 8 * SIZE


def test_no_line_comes_after_the_end() -> None:
    splitter = LineSplitter(lambda lines: None, limit=10)
    splitter.receive_data(b"a\nb")
    assert splitter.take_rest() == b"b"

    with pytest.raises(LocalProtocolError, match="make a new framer"):
        splitter.receive_data(b"c\n")


# --- work: counted, not timed ---

KiB = 1 << 10
TOKEN = b'data: {"id":"c1","choices":[{"index":0,"delta":{"content":" word"}}]}\n\n'

# Bytes looked at: once for both line ends by the split into lines, or once for each of them in a
# piece of a line; and 64 whatever the wire.
SEARCHED = 2
# Bytes written: packed twice, joined, split into lines, cut after the field's name; cut after
# the space and decoded too for what is not data.
COPIED = 7
# For each line, on top: its first six bytes, its name.
PER_LINE = 24

LONG_LINES = {
    "data": (SSEFramer, b"data: " + b"x" * (256 * KiB) + b"\n\n"),
    "data-no-space": (SSEFramer, b"data:" + b"x" * (256 * KiB) + b"\n\n"),
    "data-crlf": (SSEFramer, b"data: " + b"x" * (256 * KiB) + b"\r\n\r\n"),
    "comment": (SSEFramer, b": " + b"x" * (256 * KiB) + b"\n\n"),
    "type": (SSEFramer, b"event: " + b"x" * (256 * KiB) + b"\n\n"),
    "unknown": (SSEFramer, b"x" * (256 * KiB) + b"\n\n"),
    "json-lines": (JSONLinesFramer, b"x" * (256 * KiB) + b"\n"),
    "json-lines-crs": (JSONLinesFramer, b"x\r" * (128 * KiB) + b"\n"),
}
MANY_EVENTS = {
    "tokens": (SSEFramer, TOKEN * 500),
    "tokens-crlf": (SSEFramer, TOKEN.replace(b"\n", b"\r\n") * 500),
    "tokens-cr": (SSEFramer, TOKEN.replace(b"\n", b"\r") * 500),
    "tokens-with-type": (SSEFramer, (b"event: delta\n" + TOKEN) * 500),
    "comments": (SSEFramer, b": still here\n\n" * 1250),
    "one-event-of-many-lines": (SSEFramer, b"data: a line of text\n" * 1250 + b"\n"),
    "blank-lines": (SSEFramer, b"\n" * 5000),
    "carriage-returns": (SSEFramer, b"\r" * 5000),
    "json-lines": (JSONLinesFramer, TOKEN[6:-1] * 500),
    "json-lines-blank": (JSONLinesFramer, b"\n" * 5000),
}


def cases(table: dict, sizes: tuple[int, ...]):
    return pytest.mark.parametrize(
        ("framer", "wire", "size"),
        [
            pytest.param(framer, wire, size, id=f"{name}-in-{size}")
            for name, (framer, wire) in table.items()
            for size in sizes
        ],
    )


def work(framer: type, wire: bytes, size: int) -> Meter:
    meter = Meter()
    reader = metered_framers(meter)[framer.__name__](Limits())
    for chunk in in_pieces(wire, size):
        reader.receive_data(chunk)
        reader.frames.clear()
    reader.receive_eof()
    return meter


@cases(LONG_LINES, sizes=(16, 1024, 512 * KiB))
def test_work_on_one_long_line(framer: type, wire: bytes, size: int) -> None:
    meter = work(framer, wire, size)

    assert meter.searched <= SEARCHED * len(wire) + 64
    assert meter.copied <= COPIED * len(wire) + 3 * PER_LINE


@cases({name: LONG_LINES[name] for name in ("data", "json-lines")}, sizes=(1,))
def test_work_on_one_long_line_byte_by_byte(framer: type, wire: bytes, size: int) -> None:
    test_work_on_one_long_line(framer, wire, size)


@cases(MANY_EVENTS, sizes=(1, 16, 1024, 512 * KiB))
def test_work_on_many_small_events(framer: type, wire: bytes, size: int) -> None:
    meter = work(framer, wire, size)
    lines = wire.count(b"\n") + wire.count(b"\r")

    assert meter.searched <= SEARCHED * len(wire) + 64
    assert meter.copied <= COPIED * len(wire) + PER_LINE * lines


@pytest.mark.parametrize("size", [1, 1024])
def test_the_parser_adds_no_work(size: int) -> None:
    """Events are taken after each chunk, as a program does."""
    wire = b"data: " + b"x" * (64 * KiB) + b"\n\n" + TOKEN * 500
    meter = Meter()
    metered, dialect = metered_parser(meter, "sse")
    parser = metered(dialect)
    tokens = 0
    for chunk in in_pieces(wire, size):
        parser.receive_data(chunk)
        tokens += sum(1 for _ in parser.events())

    assert tokens == 501
    assert meter.searched <= SEARCHED * len(wire) + 64
    assert meter.copied <= COPIED * len(wire) + PER_LINE * 1002


QUADRATIC = """
class Splitter:
    def __init__(self):
        self.lines = []
        self.waiting = b""

    def receive_data(self, data):
        self.waiting += data
        while b"\\n" in self.waiting:
            line, _, self.waiting = self.waiting.partition(b"\\n")
            self.lines.append(line)
"""


def test_the_meter_sees_quadratic_work() -> None:
    """``buffer += data`` and a search from its start, the classic."""
    meter = Meter()
    splitter = metered(QUADRATIC, "quadratic", meter).Splitter()
    for chunk in in_pieces(b"x" * 999 + b"\n", 1):
        splitter.receive_data(chunk)

    assert splitter.lines == [b"x" * 999]
    assert meter.searched >= 1000 * 999 // 2
    assert meter.copied >= 1000 * 999 // 2


def test_what_is_metered_gives_the_same() -> None:
    wire = BOM + b"event: t\r\nid: 1\rdata: a\ndata:b\n\n: hm\n\nretry: 5\ndata: [DONE]\n\n"
    meter = Meter()
    metered_sse = metered_framers(meter)["SSEFramer"]
    reader = metered_sse(Limits())
    for chunk in whole(wire):
        reader.receive_data(chunk)
    original = read(whole(wire), "sse")

    assert list(reader.frames) == original.frames
    assert reader.retry == original.retry
    assert meter.searched >= len(wire)
