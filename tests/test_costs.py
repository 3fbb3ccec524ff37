"""What a parser and an event take, counted and not timed; work on bytes is counted in `framing`."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from tests.cuts import in_pieces

from tokenwire import Event, StreamParser

EVENTS = 500


def openai(n: int) -> bytes:
    choice = {"index": 0, "delta": {"content": f"word {n}"}, "finish_reason": None}
    return json.dumps({"id": "c", "model": "m", "choices": [choice], "usage": None}).encode()


def anthropic(n: int) -> bytes:
    delta = {"type": "text_delta", "text": f"word {n}"}
    return json.dumps({"type": "content_block_delta", "index": 0, "delta": delta}).encode()


BODIES: dict[str, Callable[[int], bytes]] = {
    "openai-chat": lambda n: b"data: " + openai(n) + b"\n\n",
    "anthropic-messages": lambda n: b"event: content_block_delta\ndata: " + anthropic(n) + b"\n\n",
    "sse": lambda n: b"data: word %d\n\n" % n,
    "jsonl": lambda n: b'{"text": "word %d"}\n' % n,
}


def traced(run: Callable[[], object]) -> tuple[Any, int, int]:
    """What it gives; the bytes and the blocks of memory that this takes."""
    run()  # what is made once for all
    gc.collect()
    tracemalloc.start()
    try:
        result = run()
        gc.collect()
        snapshot = tracemalloc.take_snapshot()
        live = [trace for trace in snapshot.traces if "tracemalloc" not in str(trace.traceback)]
        return result, sum(trace.size for trace in live), len(live)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dialect", BODIES)
def test_an_idle_parser(dialect: str) -> None:
    """Ten thousand that were just made take 14 MB."""
    _, size, _ = traced(lambda: [StreamParser(dialect) for _ in range(200)])

    assert size <= 1400 * 200


@pytest.mark.parametrize("dialect", BODIES)
def test_a_parser_between_two_tokens(dialect: str) -> None:
    """It keeps what stands around the text, and the beginning of a text that may come again whole.

    Nothing else of what it handed out.
    """
    wire = [BODIES[dialect](n) for n in range(4)]

    def waiting() -> StreamParser:
        parser = StreamParser(dialect)
        for chunk in wire:
            parser.receive_data(chunk)
            assert list(parser.events())
        return parser

    _, size, _ = traced(lambda: [waiting() for _ in range(200)])
    assert size <= 2048 * 200


@pytest.mark.parametrize("size", [None, 16, 4096, 1 << 20])
@pytest.mark.parametrize("dialect", BODIES)
def test_the_blocks_of_an_event(dialect: str, size: int | None) -> None:
    """Four for an event that is kept: it, its text, its frame and the frame's bytes."""
    wire = [BODIES[dialect](n) for n in range(EVENTS)]
    chunks = wire if size is None else in_pieces(b"".join(wire), size)

    def run() -> object:
        parser = StreamParser(dialect)
        events: list[Event] = []
        for chunk in chunks:
            parser.receive_data(chunk)
            events += parser.events()
        return parser, events

    (_, events), _, blocks = traced(run)
    assert len(events) >= EVENTS
    assert blocks <= 4 * len(events) + 100


@pytest.mark.parametrize("size", [None, 16, 4096, 1 << 20])
@pytest.mark.parametrize("dialect", BODIES)
def test_nothing_is_kept_of_events_that_are_out(dialect: str, size: int | None) -> None:
    wire = [BODIES[dialect](n) for n in range(EVENTS)]
    chunks = wire if size is None else in_pieces(b"".join(wire), size)

    def run() -> object:
        parser = StreamParser(dialect)
        for chunk in chunks:
            parser.receive_data(chunk)
            for _ in parser.events():
                pass
        assert parser.buffered == 0
        return parser

    _, kept, blocks = traced(run)
    assert kept <= 16 * 1024
    assert blocks <= 100


ENDS = {
    "openai-chat": b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n",
    "anthropic-messages": b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    "sse": b"data: [DONE]\n\n",
    "jsonl": b"",
}


@pytest.mark.parametrize("dialect", BODIES)
def test_a_stream_that_ended_leaves_nothing_to_the_garbage_collector(dialect: str) -> None:
    def run() -> None:
        parser = StreamParser(dialect)
        for n in range(5):
            parser.receive_data(BODIES[dialect](n))
            assert list(parser.events())
        parser.receive_data(ENDS[dialect])
        list(parser.events())
        parser.receive_eof()
        list(parser.events())
        assert parser.closed

    run()
    gc.collect()
    gc.disable()
    try:
        run()
        assert gc.collect() == 0
    finally:
        gc.enable()
