"""The benchmark: everyone on the same bytes, in one run. See docs/performance.md.

python benchmarks/run.py            write the tables into docs/performance.md and build/bench.json
python benchmarks/run.py --quick    try it out in some seconds; nothing is written
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import bodies
import report
import tokens
from node import NAME as NODE
from node import Node
from timing import Contender, Result, measure

import framing

ROOT = Path(__file__).resolve().parents[1]
CUTS = {
    "1 event a chunk": None,
    "64 KiB chunks": 64 * 1024,
    "4 KiB chunks": 4 * 1024,
    "16-byte chunks": 16,
}


@dataclass(frozen=True)
class Scale:
    """How much of everything."""

    tokens: int
    line: int  # MiB
    rounds: int
    at_least: float  # seconds a timing


FULL = Scale(tokens=2000, line=8, rounds=11, at_least=0.03)
QUICK = Scale(tokens=200, line=1, rounds=3, at_least=0.002)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare tokenwire with its peers.")
    parser.add_argument(
        "--quick", action="store_true", help="little work, no node, nothing written"
    )
    parser.add_argument("--json", type=Path, help="where all numbers go; build/bench.json if full")
    arguments = parser.parse_args()
    scale = QUICK if arguments.quick else FULL
    started = time.monotonic()
    with Node(skip="not in a quick run" if arguments.quick else "") as node:
        tables = [framing_table(scale), openai_table(scale, node), anthropic_table(scale)]
        about = report.about(node.version or f"skipped ({node.missing})", scale.rounds)
    text = report.markdown(tables, about)
    print(text)
    path: Path | None = arguments.json
    if not arguments.quick:
        report.write_between_markers(ROOT / "docs" / "performance.md", text)
        path = path or ROOT / "build" / "bench.json"
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report.as_json(tables, about), indent=1) + "\n", "utf-8")
    print(f"\nTook {time.monotonic() - started:.0f} s.")


def framing_table(scale: Scale) -> report.Table:
    body = bodies.openai_chat(scale.tokens)
    line = bodies.one_line(scale.line * 1024 * 1024)
    label = f"one {scale.line} MiB line in 1 KiB chunks, ms"
    rows = rows_of(body, scale, lambda chunks: framing.contenders(body, chunks))
    drip = bodies.cut(line, 1024)
    results = run_row(label, framing.contenders(line, drip), len(line.frames), scale)
    rows.append(report.Row(label, len(drip), len(line.data), 1, results, in_ms=True))
    return report.Table(
        "framing",
        "Framing",
        {name: name for name in (report.OURS, framing.AS_TEXT, *framing.PEERS)},
        rivals=list(framing.PEERS),
        target=report.FRAMING_TARGET,
        rows=rows,
    )


def openai_table(scale: Scale, node: Node) -> report.Table:
    body = bodies.openai_chat(scale.tokens)

    def contenders(chunks: Sequence[bytes]) -> list[Contender]:
        everyone = tokens.openai_contenders(body, chunks)
        if not node.missing:
            everyone.append(node.contender(chunks, body.texts))
        return everyone

    return report.Table(
        "openai-chat",
        "Typed tokens, OpenAI chat",
        {
            report.OURS: report.OURS,
            tokens.FLOOR: tokens.FLOOR,
            "openai": "openai SDK",
            NODE: f"{NODE} and JSON.parse",
        },
        rivals=["openai"],
        target=report.OPENAI_TARGET,
        rows=rows_of(body, scale, contenders),
    )


def anthropic_table(scale: Scale) -> report.Table:
    body = bodies.anthropic_messages(scale.tokens)
    names = (report.OURS, tokens.RAW_STREAM, tokens.MESSAGE_STREAM)
    return report.Table(
        "anthropic-messages",
        "Typed events, Anthropic messages",
        {name: name for name in names},
        rivals=[],
        target=None,
        rows=rows_of(body, scale, lambda chunks: tokens.anthropic_contenders(body, chunks)),
    )


def rows_of(
    body: bodies.Body, scale: Scale, contenders: Callable[[Sequence[bytes]], list[Contender]]
) -> list[report.Row]:
    rows: list[report.Row] = []
    for label, size in CUTS.items():
        chunks = bodies.cut(body, size)
        results = run_row(label, contenders(chunks), len(body.frames), scale)
        rows.append(report.Row(label, len(chunks), len(body.data), len(body.frames), results))
    return rows


def run_row(
    label: str, contenders: Sequence[Contender], units: int, scale: Scale
) -> dict[str, Result]:
    results = measure(contenders, units, rounds=scale.rounds, at_least=scale.at_least)
    medians = [
        f"{name} {result.error or f'{result.median:.3g} us'}" for name, result in results.items()
    ]
    print(f"{label}: {', '.join(medians)}", flush=True)
    return results


if __name__ == "__main__":
    main()
