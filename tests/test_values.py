"""Hostile values in sound frames, for every dialect; and each limit reached exactly, and passed by one."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator

import pytest
from msgspec.structs import replace
from tests.cuts import in_pieces
from tests.effort import is_thorough, spread
from tests.reading import read

from tokenwire import (
    Done,
    Error,
    Event,
    Finished,
    Limits,
    Started,
    StreamEncoder,
    Token,
    ToolCall,
    Usage,
    get_dialect,
)
from tokenwire.dialects import available_dialects
from tokenwire.errors import LocalProtocolError
from tokenwire.frame import Frame
from tokenwire.testing._values import frames_with

WRITTEN = [name for name in available_dialects() if get_dialect(name).encoder is not None]
ANSWER: list[Event] = [
    Started("a1", "m"),
    Token("Hello"),
    ToolCall("0:0", 0, "c1", "f"),
    ToolCall("0:0", arguments="{}"),
    ToolCall("0:0", complete=True),
    Usage(1, 2, final=True),
    Finished(0, "stop", "stop"),
    Error("vendor", "no", "c"),
    Done("stop"),
]
# Beyond what JSON decoders nest, `int` reads, and a chunk or an envelope holds.
HOSTILE = {
    "nested lists": "[" * 20_000 + "]" * 20_000,
    "nested objects": '{"a":' * 2_000 + "1" + "}" * 2_000,
    "nested within what decoders take": "[" * 900 + "]" * 900,
    "nested errors": '{"error":' * 900 + "1" + "}" * 900,
    "nested texts": '{"text":[' * 400 + '"x"' + "]}" * 400,
    "a long number": "1" * 10_000,
    "a long fraction": "0." + "1" * 10_000,
    "a large exponent": "1e999999",
    "a long text": json.dumps("x" * 20_000),
    "half a surrogate": '"\\ud83d"',
}


def said_by(name: str) -> bytes:
    """All that the dialect can say of an answer, an event at a time: whatever it refuses is left out."""
    wire = b""
    encoder = StreamEncoder(name)
    for event in ANSWER:
        try:
            wire += encoder.send(event)
        except LocalProtocolError:
            continue
    return wire


@pytest.mark.parametrize("name", WRITTEN)
def test_no_value_makes_a_parser_raise(name: str) -> None:
    """Each place of each frame holds each of these once; before, and again after what it broke."""
    # Another few of them for each dialect, if not all.
    first = WRITTEN.index(name) % 3
    hostile = [*HOSTILE.values()] if is_thorough() else [*HOSTILE.values()][first::3]
    for wire in frames_with(get_dialect(name), said_by(name), hostile):
        for eof in spread((True, False), 1):
            events = read([wire, wire], name, eof=eof).events
            assert all(isinstance(event, Event) for event in events)


def nested(room: int) -> str:
    """As deep as may be read when so many more calls are made."""
    depth = sys.getrecursionlimit() - len(inspect.stack(0)) - room
    return "[" * depth + "]" * depth


def test_what_can_just_be_read_is_not_too_deep_for_what_follows() -> None:
    """To look at a value, to show it or to copy it takes a few more calls than to read it did."""
    deep = [nested(room) for room in spread((8, 10, 12, 14, 16), 2)]
    for name in WRITTEN:
        for wire in frames_with(get_dialect(name), said_by(name), deep):
            assert all(isinstance(event, Event) for event in read([wire], name).events)


def test_a_decoder_that_comes_to_the_limit_loses_a_frame_and_no_more() -> None:
    def decode(frame: Frame) -> list[Event]:
        if frame.text == "7":
            raise RecursionError
        return [Token(frame.text, frame=frame)]

    dialect = replace(get_dialect("sse"), decoder=lambda: decode)
    for end in ("", "\n", "\n\n"):
        first, lost, last = read([f"data: a\n\ndata: 7{end}".encode()], dialect).events
        assert first == Token("a")
        assert isinstance(lost, Error)
        assert isinstance(last, Error)
        assert (lost.kind, lost.fatal, last.fatal) == ("malformed", False, True)


# --- limits ---


def bodies() -> Iterator[tuple[str, bytes]]:
    """Bodies that end exactly where their largest event does, one for each format."""
    for name in ("openai-chat", "ollama-chat", "gemini-array", "bedrock-converse", "vercel-data"):
        encoder = StreamEncoder(name)
        parts = [encoder.send(event) for event in (Token("a" * 300), Token("b" * 400))]
        yield name, b"".join(parts)


@pytest.mark.parametrize(("name", "wire"), [*bodies()], ids=[name for name, _ in bodies()])
def test_each_limit_is_exact_for_auto_too(name: str, wire: bytes) -> None:
    """At the limit all is read, one below it nothing of that event is, whoever found the dialect."""
    limit = next(
        size
        for size in range(1, len(wire))
        if not isinstance(read([wire], name, limits=Limits(max_event_size=size)).events[-1], Error)
        or read([wire], name, limits=Limits(max_event_size=size)).events[-1].kind != "limit"  # type: ignore[attr-defined]
    )
    for bound, fits in ((limit, True), (limit - 1, False)):
        ends = set()
        for dialect in (name, "auto"):
            for size in (1, 7, 64, len(wire)):
                events = read(
                    in_pieces(wire, size), dialect, limits=Limits(max_event_size=bound)
                ).events
                last = events[-1]
                assert isinstance(last, Error)
                assert (last.kind == "limit") is not fits
                assert [type(one) for one in events].count(Token) == 1 + fits
                ends.add(str(last))
        assert len(ends) == 1
