"""Where the time of a token goes, in instructions: counted by callgrind, so the same on each run.

    python benchmarks/instructions.py    write the table into docs/performance.md; needs valgrind

Each work is done a few times and a few times more; the difference, divided by the events, leaves
start and imports out.
"""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import bodies
import report
import tokens

import framing
from tokenwire import StreamParser

DOCS = Path(__file__).resolve().parents[1] / "docs"
TOKENS = 200
PASSES = (3, 13)
TIMES = 20  # that a stage is gone through in a pass: the interpreter warms up in the first few
# What functions of the interpreter and of the libraries do; the first that matches counts.
PARTS = {
    "JSON and building structs": r"\[.*msgspec",
    "bytecode": r":_PyEval_EvalFrameDefault",
    "memory": r":(_?PyObject_(Malloc|Free)|_?Py_?Mem|malloc|free|_int_|realloc|.*_?[dD]ealloc)",
    "bytes and text": r":(bytes|stringlib|mem|__mem|unicode|_?PyUnicode|_?PyBytes|fast|ascii)",
}
OTHER = "calls and the rest"


def works() -> dict[str, tuple[Callable[[], object], int]]:
    """What is counted, and the events in it."""
    chat, named = bodies.openai_chat(TOKENS), bodies.anthropic_messages(TOKENS)
    large = bodies.cut(chat, framing.CUTS[framing.LARGE])
    read = tokens.read_tokenwire
    found: dict[str, tuple[Callable[[], object], int]] = {
        "floor, OpenAI chat": (tokens.floor_of_openai(chat), len(chat.frames)),
        "frames, 64 KiB chunks": (partial(framing.drain, large), len(chat.frames)),
        "frames, one event a chunk": (partial(framing.drain, chat.frames), len(chat.frames)),
        "typed tokens, 64 KiB chunks": (partial(read, "openai-chat", large), len(chat.frames)),
        "typed tokens, one event a chunk": (
            partial(read, "openai-chat", chat.frames),
            len(chat.frames),
        ),
        "typed events, Anthropic, one event a chunk": (
            partial(read, "anthropic-messages", named.frames),
            len(named.frames),
        ),
    }
    for vendor, dialect in (("openai", "openai-chat"), ("anthropic", "anthropic-messages")):
        if recorded := bodies.recorded(vendor, dialect):
            found[f"recorded answers, {dialect}, one event a chunk"] = (
                lambda dialect=dialect, recorded=recorded: [
                    read(dialect, body.frames) for body in recorded
                ],
                sum(len(body.frames) for body in recorded),
            )
    return found


STAGES: dict[str, int | None] = {  # to the end of which chunk of a short answer
    "a parser is made": 0,
    "the first event: who answers": 1,
    "the first token, and learning what stands around it": 2,
    "ten more tokens": 12,
    "the finish reason": 13,
    "the token counts": 14,
    "[DONE], and the end of the body": None,
}


def stage(chunks: int | None) -> Callable[[], object]:
    """A short answer up to one of its chunks; None is its end."""
    frames = bodies.openai_chat(11).frames
    gc.disable()  # an answer that is left in the middle is for the collector

    def read() -> None:
        for _ in range(TIMES):
            parser = StreamParser("openai-chat")
            for frame in frames[:chunks]:
                parser.receive_data(frame)
                for _ in parser.events():
                    pass
            if chunks is None:
                parser.receive_eof()
                list(parser.events())

    return read


def main() -> None:
    if len(sys.argv) == 3:  # this is the process that is counted
        name, passes = sys.argv[1:]
        work = stage(STAGES[name]) if name in STAGES else works()[name][0]
        for _ in range(int(passes)):
            work()
        return
    count_works()
    count_stages()


def count_works() -> None:
    lines = [
        "| instructions an event | all | " + " | ".join([*PARTS, OTHER]) + " |",
        "| --- |" + " ---: |" * (len(PARTS) + 2),
    ]
    for name, (_, events) in works().items():
        parts = parts_of(name)
        numbers = [sum(parts.values()), *(parts[part] for part in [*PARTS, OTHER])]
        lines.append(f"| {name} | " + " | ".join(f"{n / events:,.0f}" for n in numbers) + " |")
        print(lines[-1], flush=True)
    report.write_between_markers(DOCS / "performance.md", "\n".join(lines), "instructions")


def count_stages() -> None:
    lines = ["| a short answer, one event a chunk | instructions |", "| --- | ---: |"]
    before = 0.0
    for name in STAGES:
        so_far = sum(parts_of(name).values()) / TIMES
        lines.append(f"| {name} | {so_far - before:,.0f} |")
        print(lines[-1], flush=True)
        before = so_far
    lines.append(f"| all of it | {before:,.0f} |")
    report.write_between_markers(DOCS / "performance.md", "\n".join(lines), "stages")


def parts_of(name: str) -> Counter[str]:
    """Instructions of one pass, by what they do."""
    few, many = (count(name, passes) for passes in PASSES)
    parts: Counter[str] = Counter()
    for function, cost in many.items():
        parts[part_of(function)] += (cost - few[function]) // (PASSES[1] - PASSES[0])
    return parts


_LINE = re.compile(r"^\s*([\d,]+) (?:\([^)]*\)\s+)?(\S.*)$", re.MULTILINE)


def count(name: str, passes: int) -> Counter[str]:
    """Instructions that each function took itself."""
    with tempfile.TemporaryDirectory(prefix="tokenwire-bench-") as folder:
        out = Path(folder) / "callgrind.out"
        counted = [sys.executable, __file__, name, str(passes)]
        run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *counted])
        told = run(["callgrind_annotate", "--auto=no", "--threshold=100", "--show=Ir", str(out)])
    costs: Counter[str] = Counter()
    for cost, function in _LINE.findall(told):
        if ":" in function:  # not the total
            costs[function] += int(cost.replace(",", ""))
    return costs


def part_of(function: str) -> str:
    return next((part for part, like in PARTS.items() if re.search(like, function)), OTHER)


def run(command: Sequence[str]) -> str:
    # A seed of its own would give every process other hash tables.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True, timeout=300
    )
    return done.stdout


if __name__ == "__main__":
    main()
