"""Where the time of a token goes, in instructions: counted by callgrind, so the same on each run.

    python benchmarks/instructions.py    write the table into docs/performance.md; needs valgrind

Each work is done a few times and a few times more; the difference, divided by the events, leaves
start and imports out.
"""

from __future__ import annotations

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

DOCS = Path(__file__).resolve().parents[1] / "docs"
TOKENS = 200
PASSES = (3, 13)
# What functions of the interpreter and of the libraries do; the first that matches counts.
PARTS = {
    "JSON and building structs": r"\[.*msgspec",
    "bytecode": r":_PyEval_EvalFrameDefault",
    "memory": r":(_?PyObject_(Malloc|Free)|_?Py_?Mem|malloc|free|_int_|realloc|.*_?[dD]ealloc)",
    "bytes and text": r":(bytes|stringlib|mem|__mem|unicode|_?PyUnicode|_?PyBytes|fast|ascii)",
}
OTHER = "calls and the rest"


def works() -> dict[str, Callable[[], object]]:
    chat, named = bodies.openai_chat(TOKENS), bodies.anthropic_messages(TOKENS)
    large = bodies.cut(chat, framing.CUTS[framing.LARGE])
    return {
        "floor, OpenAI chat": tokens.floor_of_openai(chat),
        "frames, 64 KiB chunks": partial(framing.drain, large),
        "frames, one event a chunk": partial(framing.drain, chat.frames),
        "typed tokens, 64 KiB chunks": partial(tokens.read_tokenwire, "openai-chat", large),
        "typed tokens, one event a chunk": partial(
            tokens.read_tokenwire, "openai-chat", chat.frames
        ),
        "typed events, Anthropic, one event a chunk": partial(
            tokens.read_tokenwire, "anthropic-messages", named.frames
        ),
    }


def main() -> None:
    if len(sys.argv) == 3:  # this is the process that is counted
        work = works()[sys.argv[1]]
        for _ in range(int(sys.argv[2])):
            work()
        return
    lines = [
        "| instructions an event | all | " + " | ".join([*PARTS, OTHER]) + " |",
        "| --- |" + " ---: |" * (len(PARTS) + 2),
    ]
    for name in works():
        frames = bodies.anthropic_messages(TOKENS) if "Anthropic" in name else None
        events = len((frames or bodies.openai_chat(TOKENS)).frames) * (PASSES[1] - PASSES[0])
        few, many = (count(name, passes) for passes in PASSES)
        parts: Counter[str] = Counter()
        for function, cost in many.items():
            parts[part_of(function)] += cost - few[function]
        numbers = [sum(parts.values()), *(parts[part] for part in [*PARTS, OTHER])]
        lines.append(f"| {name} | " + " | ".join(f"{n / events:,.0f}" for n in numbers) + " |")
        print(lines[-1], flush=True)
    report.write_between_markers(DOCS / "performance.md", "\n".join(lines), "instructions")


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
