"""What it costs to be there: memory, many parsers beside each other, the import."""

from __future__ import annotations

import gc
import itertools
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence

import bodies
from table import OURS, Demand, Result, Row
from timing import InPython, Scale, measure

from tokenwire import Request, StreamParser, Token
from tokenwire.resume.effects import Deliver, OpenRequest, ReadData
from tokenwire.resume.session import Session

MEMORY = "Memory of one that is idle"
MANY = "Many parsers"
IMPORT = "Import"
DIALECT = "openai-chat"
ONE = "one parser fed as many"


# --- memory ---


def memory_rows(scale: Scale) -> Iterator[Row]:
    makers: dict[str, tuple[Callable[[], object], float]] = {
        "a new parser": (lambda: StreamParser(DIALECT), 2),
        "a parser between two tokens": (waiting_parser, 2),
        "a new session": (new_session, 6),
        "a session between two tokens": (waiting_session, 6),
    }
    for work, (make, most) in makers.items():
        size = traced_size(make, scale.many) / 1024
        yield Row(MEMORY, work, "KiB", {OURS: Result([size])}, [Demand(most)])


def traced_size(make: Callable[[], object], count: int) -> float:
    """Bytes that each of so many objects takes."""
    make()  # what is made once for all
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        made = [make() for _ in range(count)]
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        return (after - before - sys.getsizeof(made)) / count
    finally:
        tracemalloc.stop()


_BEGUN = bodies.openai_chat(10).frames[:6]
_REQUEST = Request("POST", "http://benchmark.invalid/v1", (("Accept", "*/*"),), b'{"stream":true}')


def waiting_parser() -> StreamParser:
    parser = StreamParser(DIALECT)
    for frame in _BEGUN:
        parser.receive_data(frame)
        if not list(parser.events()):
            raise RuntimeError("a frame gave no event")
    return parser


def new_session() -> Session:
    return Session(_REQUEST, DIALECT)


def waiting_session() -> Session:
    session, frames = new_session(), iter(_BEGUN)
    while True:
        match session.next_effect(0.0):
            case OpenRequest():
                head = {"content-type": "text/event-stream"}
                session.response_started(200, head, 0.0)
            case ReadData():
                frame = next(frames, None)
                if frame is None:
                    return session
                session.receive_data(frame, 0.0)
            case Deliver():
                pass
            case effect:
                raise RuntimeError(f"a session with an open answer asks for {effect!r}")


# --- many parsers ---


def many_row(scale: Scale) -> Row:
    """Each takes a token in turn, as in a gateway, against one that takes them all."""
    chunks = bodies.openai_chat(100).frames[1:-3]
    parsers = [StreamParser(DIALECT) for _ in range(scale.many)]
    one = StreamParser(DIALECT)

    turn = itertools.count()

    def in_turn() -> int:
        return feed(parsers, chunks, next(turn))

    def alone() -> int:
        return feed([one] * scale.many, chunks, 0)

    text = read_one(StreamParser(DIALECT), chunks)
    everyone = [
        InPython(OURS, in_turn, text, lambda: read_one(parsers[0], chunks)),
        InPython(ONE, alone, text, lambda: read_one(one, chunks)),
    ]
    results = measure(everyone, scale.many, scale)
    work = f"{scale.many:,} parsers in turn, a token each"
    return Row(MANY, work, "µs a token", results, [Demand(1.3, (ONE,))])


def feed(parsers: Sequence[StreamParser], chunks: Sequence[bytes], first: int) -> int:
    """The next token to each; the answer goes round and round, so that none ever ends."""
    tokens, size = 0, len(chunks)
    for at, parser in enumerate(parsers, first):
        parser.receive_data(chunks[at % size])
        for event in parser.events():
            match event:
                case Token():
                    tokens += 1
    return tokens


def read_one(parser: StreamParser, chunks: Sequence[bytes]) -> list[str]:
    texts: list[str] = []
    for chunk in chunks:
        parser.receive_data(chunk)
        for event in parser.events():
            match event:
                case Token(text=text):
                    texts.append(text)
    return texts


# --- import ---


def import_row(scale: Scale) -> Row:
    """What ``-X importtime`` says of the import, less what it says of each module of msgspec.

    That is the import with all that it brings into an interpreter that has only ``os``; what
    msgspec itself takes from the standard library is counted as ours.
    """
    results = {OURS: Result(), "h11": Result()}
    for name in results:
        import_time(name)  # writes the bytecode
    for _ in range(1 if scale.quick else 21):
        for name, result in results.items():
            result.samples.append(import_time(name) / 1000)
    return Row(IMPORT, "msgspec apart", "ms", results, [Demand(2.0, ("h11",))])


_LINE = re.compile(r"^import time:\s*(\d+) \|\s*(\d+) \|\s*(\S+)$", re.MULTILINE)


def import_time(module: str) -> int:
    """Microseconds."""
    code = f"import os, sys; sys.path[:0] = {sys.path!r}; import {module}"
    command = [sys.executable, "-I", "-S", "-X", "importtime", "-c", code]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stderr
    taken = 0
    for alone, with_others, name in _LINE.findall(told):
        if name == module:
            taken += int(with_others)
        elif name.partition(".")[0] == "msgspec":
            taken -= int(alone)
    return taken
