"""What an event stream may look like, over every client: the bytes are cut by a real network."""

from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec import Struct
from tests.effort import spread
from tests.event_source.clients import Client
from tests.event_source.source import Endpoint

BOM = b"\xef\xbb\xbf"

Told = tuple[str, str, str]  # type, data, id


def message(data: str, id: str = "", kind: str = "message") -> Told:
    return (kind, data, id)


class Case(Struct, frozen=True):
    """Pieces as they are sent, and what comes of them."""

    name: str
    pieces: tuple[bytes, ...]
    told: tuple[Told, ...]


HELLO = message("Hello")
GREETING = message("Hello", kind="greeting")
MANY = [f"message {number}" for number in range(100)]

PLAIN = [
    Case("one line", (b"data: Hello\n\n",), (HELLO,)),
    Case("in two pieces", (b"data: Hel", b"lo\n\n"), (HELLO,)),
    Case("two events", (b"data: Hello\n\ndata: World\n\n",), (HELLO, message("World"))),
    Case(
        "two events in three pieces",
        (b"data: Hel", b"lo\n\ndata: Wor", b"ld\n\n"),
        (HELLO, message("World")),
    ),
    Case("two lines", (b"data: Hello\ndata:World\n\n",), (message("Hello\nWorld"),)),
    Case("empty data", (b"data:\n\n",), (message(""),)),
    Case("a type", (b"event: greeting\ndata: Hello\n\n",), (GREETING,)),
    Case("an id", (b"id: abc\ndata: Hello\n\n",), (message("Hello", "abc"),)),
    Case(
        "a type and an id",
        (b"event: greeting\nid: abc\ndata: Hello\n\n",),
        (message("Hello", "abc", "greeting"),),
    ),
    Case(
        "in any order",
        (b"data: Hello\nid: abc\nevent: greeting\n\n",),
        (message("Hello", "abc", "greeting"),),
    ),
    Case("an id with NUL", (b"id: a\0bc\ndata: Hello\n\n",), (HELLO,)),
    Case(
        "an id stays",
        (b"id: abc\ndata: first\n\n", b"data: second\n\n"),
        (message("first", "abc"), message("second", "abc")),
    ),
    Case(
        "an empty id",
        (b"id: abc\ndata: first\n\n", b"id: \ndata: second\n\n"),
        (message("first", "abc"), message("second")),
    ),
    Case("an unknown field", (b"event: greeting\ncolor: blue\ndata: Hello\n\n",), (GREETING,)),
    Case("without spaces", (b"event:greeting\ndata:Hello\n\n",), (GREETING,)),
    Case(
        "with two spaces",
        (b"event:  greeting\ndata:  Hello\n\n",),
        (message(" Hello", kind=" greeting"),),
    ),
    Case("no colon", (b"data\n\ndata\ndata\n\n",), (message(""), message("\n"))),
    Case("characters", ("data: €豆腐\n\n".encode(),), (message("€豆腐"),)),
    Case(
        "characters byte by byte",
        tuple(bytes([byte]) for byte in "data: €豆腐\n\n".encode()),
        (message("€豆腐"),),
    ),
    Case("bad UTF-8", (b"data: a\xffb\n\n",), (message("a\ufffdb"),)),
    Case(
        "many",
        ("".join(f"data: {data}\n\n" for data in MANY).encode(),),
        tuple(message(data) for data in MANY),
    ),
    Case("what is left open", (b"data: Hello\n\ndata: Wor",), (HELLO,)),
]

MARKED = [
    Case("BOM", (BOM + b"data: Hello\n\n",), (HELLO,)),
    Case(
        "BOM before a type",
        (BOM + b"event: greeting\nid: abc\ndata: Hello\n\n",),
        (message("Hello", "abc", "greeting"),),
    ),
    Case(
        "BOM before two events",
        (BOM + b"data: Hello\n\ndata: World\n\n",),
        (HELLO, message("World")),
    ),
    Case(
        "BOM within",
        (b"data: Hello\n\n", b"data: " + BOM + b"World\n\n"),
        (HELLO, message("\ufeffWorld")),
    ),
    Case("BOM before a later field", (b"data: Hello\n\n", BOM + b"data: no\n\n"), (HELLO,)),
    Case("BOM in two pieces", (BOM[:2], BOM[2:] + b"data: Hello\n\n"), (HELLO,)),
    Case("BOM byte by byte", (b"\xef", b"\xbb", b"\xbf", b"data: Hello\n\n"), (HELLO,)),
    Case("two BOMs", (BOM + b"data: " + BOM + b"Hello\n\n",), (message("\ufeffHello"),)),
    Case("BOM before two lines", (BOM + b"data: a\ndata: b\n\n",), (message("a\nb"),)),
    Case("BOM before empty data", (BOM + b"data:\n\n",), (message(""),)),
]

SPLIT_CRLF = Case(
    "CRLF split",
    (b"data: Hello\r", b"\ndata: World\r", b"\n\r\ndata: OK\r", b"\n", b"\r", b"\n"),
    (message("Hello\nWorld"), message("OK")),
)

LINES = {
    "one line": (["data: event 1", ""], (message("event 1"),)),
    "one and two lines": (
        ["data: event 1", "", "data: event 2 line 1", "data: event 2 line 2", ""],
        (message("event 1"), message("event 2 line 1\nevent 2 line 2")),
    ),
    "empty first": (["data:", "data: line2", "data: line3", ""], (message("\nline2\nline3"),)),
    "empty between": (["data: line1", "data:", "data: line3", ""], (message("line1\n\nline3"),)),
    "one blank line more": (
        ["data: event 1", "", "", "data: event 2", ""],
        (message("event 1"), message("event 2")),
    ),
    "two blank lines more": (
        ["data: event 1", "", "", "", "data: event 2", ""],
        (message("event 1"), message("event 2")),
    ),
}


def cut(wire: bytes, size: int) -> tuple[bytes, ...]:
    ends = [*range(0, len(wire), size), len(wire)]
    return tuple(wire[begin:end] for begin, end in pairwise(ends))


def ended(lines: list[str], end: str) -> bytes:
    return "".join(line + end for line in lines).encode()


LINEFEEDS = [
    Case(f"{name}, {end!r}, by {size}", cut(ended(lines, end), size), told)
    for end in ("\n", "\r\n", "\r")
    for name, (lines, told) in LINES.items()
    for size in (1000, 1, 2)
]


@pytest.mark.parametrize(
    "case",
    spread([*PLAIN, *MARKED, *LINEFEEDS, SPLIT_CRLF], 20),
    ids=lambda case: case.name,
)
def test_events(client: Client, endpoint: Endpoint, case: Case) -> None:
    with client.listen(endpoint.url) as listening:
        endpoint.take().send(*case.pieces)
        assert listening.data(len(case.told)) == list(case.told)


# Around the sizes of buffers that clients have, and up to what some services put in one line.
SIZES = [1, 128, 1023, 1024, 1025, 4094, 4096, 4098, 8189, 8192, 8195, 16384, 65536, 262144]


def test_payloads_of_all_sizes(client: Client, endpoint: Endpoint) -> None:
    with client.listen(endpoint.url) as listening:
        asked = endpoint.take()
        for size in [*SIZES, 1048576, 5 * 1048576]:
            asked.send(b"data: " + b"x" * size + b"\n\n")
            ((_, data, _),) = listening.data(1)
            assert data == "x" * size


def test_a_large_payload_in_many_chunks(client: Client, endpoint: Endpoint) -> None:
    data = "line €\n" * 40_000
    wire = "".join(f"data: {line}\n" for line in data.split("\n")).encode() + b"\n"
    with client.listen(endpoint.url) as listening:
        endpoint.take().send(*cut(wire, 4099))
        assert listening.data(1) == [message(data)]


@pytest.mark.parametrize("before", [b"", BOM])
def test_comments(client: Client, endpoint: Endpoint, before: bytes) -> None:
    """They come as soon as their line ends."""
    with client.listen(endpoint.url) as listening:
        asked = endpoint.take()
        asked.send(before + b":Hello\n")
        assert listening.comment() == "Hello"
        asked.send(b": World\n")
        assert listening.comment() == "World"
        asked.send(b"data: Hello\n\n")
        assert listening.data(1) == [HELLO]
        asked.send(b":\r\n:between\ndata: Hello\n:in the middle\ndata: World\n\n")
        assert [listening.comment() for _ in range(3)] == ["", "between", "in the middle"]
        assert listening.data(1) == [message("Hello\nWorld")]
