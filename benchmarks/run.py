"""The benchmark: everyone on the same bytes, in one run. See docs/performance.md.

python benchmarks/run.py            write the table into docs/performance.md, docs/_bench.json
                                    and docs/bench.svg; name what became slower
python benchmarks/run.py --quick    try it out in some seconds; nothing is written
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import footprint
import formats
import loopback
import report
import tokens
from node import Node
from table import Row
from timing import FULL, QUICK, Scale

import framing

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare tokenwire with its peers.")
    parser.add_argument(
        "--quick", action="store_true", help="little work, no node, nothing written"
    )
    quick = parser.parse_args().quick
    scale = QUICK if quick else FULL
    started = time.monotonic()
    about = report.machine() | {"peers": report.peers(), "rounds": scale.rounds}
    rows: list[Row] = []
    with Node(skip="not in a quick run" if quick else "") as node:
        for row in all_rows(scale, node):
            rows.append(row)
            medians = [f"{n} {r.error or report.number(r.median)}" for n, r in row.results.items()]
            print(f"{row.family}, {row.work}, {row.unit}: {', '.join(medians)}", flush=True)
        about["node"] = node.version or f"skipped ({node.missing})"
    print(f"\n{report.markdown(rows, about)}\n")
    if not quick:
        write(rows, about)
    print(f"Took {time.monotonic() - started:.0f} s.")


def all_rows(scale: Scale, node: Node) -> Iterator[Row]:
    yield from tokens.openai_rows(scale, node)
    yield from tokens.anthropic_rows(scale)
    yield from framing.rows(scale)
    yield from framing.long_line_rows(scale)
    yield from formats.json_lines_rows(scale)
    yield from formats.aws_rows(scale)
    yield from formats.encoding_rows(scale)
    yield from loopback.rows(scale)
    yield from footprint.memory_rows(scale)
    yield footprint.many_row(scale)
    yield footprint.import_row(scale)


def write(rows: list[Row], about: dict[str, object]) -> None:
    from picture import draw_ratios

    recorded = DOCS / "_bench.json"
    now = report.as_json(rows, about)
    for line in report.slower(now, report.read_json(recorded)):
        print(line)
    recorded.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n", "utf-8")
    report.write_between_markers(DOCS / "performance.md", report.markdown(rows, about), "bench")
    draw_ratios(rows, DOCS / "bench.svg")


if __name__ == "__main__":
    main()
