"""This tree beside another commit, row by row: instructions, counted by callgrind.

    make compare AGAINST=main           needs valgrind, and a Python with its symbols
    .venv-bench/bin/python benchmarks/compare.py main --only recorded

Times of the same code differ by a tenth and more from one minute to the next on a shared machine;
instructions differ by less than one in a hundred, whatever else runs. So a change is judged by
them, and ``make bench`` says what they come to in time. Each tree has a process of its own, in
which every row is done a few times before it is counted. Both do the same work, which stands here.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOKENS = 300
WARM_UP = 3  # the interpreter specialises what it does again
MORE = 1.05  # marked in the table
# Whose recorded answers are read an event a chunk, and whose in chunks of 64 KiB.
RECORDED = (
    ("openai", "openai-chat"),
    ("openai", "openai-responses"),
    ("anthropic", "anthropic-messages"),
    ("cohere", "cohere-v2"),
)
RECORDED_DATA = {
    "openai-chat": "openai-chat",
    "openai-responses": "openai-responses",
    "anthropic-messages": "anthropic-messages",
    "cohere-v2": "cohere-v2",
    "google-gemini-sse": "gemini-sse",
    "google-gemini-array": "gemini-array",
    "aws-bedrock-converse": "bedrock-converse",
    "aws-bedrock-invoke": "bedrock-invoke",
    "dashscope": "dashscope",
    "ollama-chat": "ollama-chat",
    "mistral-openai-chat": "mistral",
    "openai-completions": "openai-completions",
}
Work = Callable[[], object]


# --- what is counted ---


def works() -> dict[str, Work]:
    """Everything by its name."""
    import bodies
    import formats

    import framing

    chat, named = bodies.openai_chat(TOKENS), bodies.anthropic_messages(TOKENS)
    converse = bodies.bedrock_converse(TOKENS)
    answers = {
        "openai-chat": chat,
        "anthropic-messages": named,
        "ollama-chat": bodies.ollama_chat(TOKENS),
        "bedrock-converse": converse,
    }
    found: dict[str, Work] = {}
    for cut, size in framing.CUTS.items():
        for dialect, body in answers.items():
            found[f"events, {dialect}, {cut}"] = partial(read, dialect, bodies.cut(body, size))
        for shape, body in {"chat": chat, **bodies.event_stream_shapes(TOKENS)}.items():
            found[f"frames, {shape}, {cut}"] = partial(framing.drain, bodies.cut(body, size))
        found[f"frames, aws, {cut}"] = partial(formats.read_aws, bodies.cut(converse, size))
    for vendor, dialect in RECORDED:
        if recorded := bodies.recorded(vendor, dialect):
            frames = [body.frames for body in recorded]
            found[f"recorded, {dialect}, {framing.EACH}"] = partial(read, dialect, *frames)
    for folder, dialect in RECORDED_DATA.items():
        if data := bodies.recorded_data(folder):
            chunks = [[body] for body in data]
            found[f"recorded, {dialect}, whole bodies"] = partial(read, dialect, *chunks)
    found["encoding, data only"] = encoding(chat, [None] * len(chat.payloads))
    types = [json.loads(payload)["type"] for payload in named.payloads]
    found["encoding, data and event type"] = encoding(named, types)
    line = bodies.cut(bodies.one_line(1 << 20), 1024)
    found["one line of 1 MiB, 1 KiB chunks"] = partial(framing.drain, line)
    found["a session of 100 tokens"] = partial(session, bodies.openai_chat(100).frames)
    found["100 new parsers"] = partial(make_parsers, 100)
    found["1,000 parsers in turn"] = in_turn(bodies.openai_chat(100).frames[1:-3])
    return found


def read(dialect: str, *bodies: Sequence[bytes]) -> int:
    """Each body with a parser of its own."""
    from tokenwire import StreamParser

    events = 0
    for chunks in bodies:
        parser = StreamParser(dialect)
        for chunk in chunks:
            parser.receive_data(chunk)
            for _ in parser.events():
                events += 1
        parser.receive_eof()
        for _ in parser.events():
            events += 1
    return events


def encoding(body: object, types: Sequence[str | None]) -> Work:
    from tokenwire import Frame
    from tokenwire.framing.sse import SSEFramer

    encode, payloads = SSEFramer.encode, body.payloads  # type: ignore[attr-defined]
    return lambda: [encode(Frame(p, t)) for p, t in zip(payloads, types, strict=True)]


def session(frames: Sequence[bytes]) -> int:
    """One answer through the reconnecting machine, an event a chunk."""
    import footprint

    machine, chunks, events = footprint.new_session(), iter(frames), 0
    while True:
        match machine.next_effect(0.0):
            case footprint.Deliver():
                events += 1
            case footprint.ReadData():
                chunk = next(chunks, None)
                if chunk is None:
                    machine.receive_eof(0.0)
                else:
                    machine.receive_data(chunk, 0.0)
            case footprint.OpenRequest():
                head = {"content-type": "text/event-stream"}
                machine.response_started(200, head, 0.0)
            case _:
                return events


def make_parsers(count: int) -> None:
    from tokenwire import StreamParser

    for _ in range(count):
        StreamParser("openai-chat")


def in_turn(chunks: Sequence[bytes]) -> Work:
    import footprint

    parsers = [footprint.StreamParser(footprint.DIALECT) for _ in range(1000)]
    turn = itertools.count()
    return lambda: footprint.feed(parsers, chunks, next(turn))


def sizes() -> dict[str, int]:
    """Bytes of one that is idle."""
    import footprint

    makers: dict[str, Work] = {
        "bytes of a new parser": partial(footprint.StreamParser, footprint.DIALECT),
        "bytes of a parser between two tokens": footprint.waiting_parser,
        "bytes of a new session": footprint.new_session,
        "bytes of a session between two tokens": footprint.waiting_session,
    }
    return {name: round(footprint.traced_size(make, 500)) for name, make in makers.items()}


# Two functions of the interpreter that nothing else calls: callgrind begins and ends at them.
_BEGIN, _END = "time_process_time_ns", "time_thread_time_ns"


def work_under_callgrind(only: str) -> None:
    """This process is counted: a part of the dump for each row, in this order."""
    for work in chosen(only).values():
        for _ in range(WARM_UP):
            work()
        gc.collect()
        time.process_time_ns()
        work()
        time.thread_time_ns()


def chosen(only: str) -> dict[str, Work]:
    return {name: work for name, work in works().items() if only in name}


# --- who asks ---


def count(tree: Path, only: str) -> dict[str, int]:
    """Instructions of each row, and sizes, with the package of this tree."""
    environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "PYTHONHASHSEED": "0"}
    command = [sys.executable, __file__, "--only", only]

    def run(*before: str, mode: str) -> str:
        return subprocess.run(
            [*before, *command, mode],
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout

    told = json.loads(run(mode="--names"))
    with tempfile.TemporaryDirectory(prefix="tokenwire-compare-") as folder:
        run(
            "valgrind",
            "-q",
            "--tool=callgrind",
            f"--zero-before={_BEGIN}",
            f"--dump-before={_END}",
            f"--callgrind-out-file={folder}/out",
            mode="--count",
        )
        counted = [
            int(re.findall(r"^(?:summary|totals): (\d+)", part.read_text(), re.MULTILINE)[0])
            for part in sorted(Path(folder).glob("out.*"), key=lambda path: int(path.suffix[1:]))
        ]
    if len(counted) < len(told["names"]):
        raise SystemExit("callgrind saw no rows: this Python has no symbols")
    return dict(zip(told["names"], counted, strict=False)) | told["sizes"]


def compare(against: str, only: str) -> None:
    with checked_out(against) as other, ThreadPoolExecutor(2) as pool:
        before, now = pool.map(count, (other, ROOT), (only, only))
    print(f"| instructions | {against} | now | ratio |\n| --- | ---: | ---: | ---: |")
    for name, old in before.items():
        ratio = now[name] / old
        shown = f"**{ratio:.3f}**" if ratio > MORE else f"{ratio:.3f}"
        print(f"| {name} | {old:,} | {now[name]:,} | {shown} |")


@contextlib.contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """The package at a commit, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="tokenwire-compare-") as folder:
        archive = subprocess.run(
            ["git", "archive", commit, "src"], cwd=ROOT, check=True, capture_output=True
        )
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        yield Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare this tree with another commit.")
    parser.add_argument("against", nargs="?", default="HEAD", help="a commit, a tag or a branch")
    parser.add_argument("--only", default="", help="rows whose name contains this")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--count", action="store_true", help=argparse.SUPPRESS)
    mode.add_argument("--names", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.count:
        work_under_callgrind(asked.only)
    elif asked.names:
        print(json.dumps({"names": list(chosen(asked.only)), "sizes": sizes()}))
    else:
        compare(asked.against, asked.only)


if __name__ == "__main__":
    main()
