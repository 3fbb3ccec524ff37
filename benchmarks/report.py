"""Results to Markdown and JSON."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from node import NAME as NODE
from timing import Result

PEERS = [
    "httpx-sse",
    "httpx2",
    "launchdarkly-eventsource",
    "niquests",
    "openai",
    "anthropic",
]
OURS = "tokenwire"

# No framing peer may be faster by more than a tenth; the openai SDK takes at least so many times.
FRAMING_TARGET = 1 / 1.1
OPENAI_TARGET = 40

START, END = "<!-- bench:start -->", "<!-- bench:end -->"


@dataclass(frozen=True)
class Row:
    """One body in one chunking, and how everyone did.

    Attributes:
        label: How the bytes come.
        chunks: In so many chunks.
        size: So many bytes.
        units: So many events.
        results: By contender.
        in_ms: The times are too long for microseconds.
    """

    label: str
    chunks: int
    size: int
    units: int
    results: dict[str, Result]
    in_ms: bool = False

    def ratio(self, name: str) -> float | None:
        """The contender's time over tokenwire's: above 1, tokenwire is faster."""
        result = self.results.get(name)
        if result is None or not result.times:
            return None
        return result.ratio_to(self.results[OURS])

    def cell(self, name: str) -> str:
        result = self.results.get(name)
        if result is None:
            return "-"
        if result.error:
            return "error: limit"
        time = _number(result.median / 1000 if self.in_ms else result.median)
        if name == OURS:
            return f"**{time}**"
        return f"{time} ({_number(self.ratio(name) or 0)}x)"


@dataclass(frozen=True)
class Table:
    """Rows with the same contenders.

    Attributes:
        name: For the JSON.
        title: For people.
        columns: Contenders, in order, with the head of each column.
        rivals: Those against whom a target is set.
        target: What their least ratio has to be; ``None`` where nothing is asked.
        rows: The results.
    """

    name: str
    title: str
    columns: dict[str, str]
    rivals: Sequence[str]
    target: float | None
    rows: list[Row]

    def verdict(self, row: Row) -> tuple[str, float, str] | None:
        """The fastest rival, its time over tokenwire's, and whether the target is met."""
        ratios = [(ratio, name) for name in self.rivals if (ratio := row.ratio(name)) is not None]
        if not ratios or self.target is None:
            return None
        ratio, name = min(ratios)
        return name, ratio, "met" if ratio >= self.target else "missed"

    def lines(self) -> list[str]:
        heads = ["bytes come as", *self.columns.values()]
        if self.target is not None:
            heads.append("target")
        lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
        for row in self.rows:
            cells = [row.label, *map(row.cell, self.columns)]
            if self.target is not None:
                verdict = self.verdict(row)
                cells.append(f"{_number(verdict[1])}x: {verdict[2]}" if verdict else "-")
            lines.append("| " + " | ".join(cells) + " |")
        return lines

    def lost(self) -> list[str]:
        """Rows in which a rival is faster or a target is missed, in words."""
        said: list[str] = []
        for row in self.rows:
            verdict = self.verdict(row)
            if verdict is None or (verdict[1] >= 1 and verdict[2] == "met"):
                continue
            name, ratio, outcome = verdict
            said.append(
                f"{self.title}, {row.label}: {name} takes {_number(ratio)} times tokenwire's time"
                f" (target {_number(self.target or 0)}: {outcome})"
            )
        return said


def markdown(tables: Sequence[Table], about: dict[str, Any]) -> str:
    """What stands between the markers."""
    peers = ", ".join(f"{name} {number}" for name, number in about["peers"].items())
    lines = [
        f"Python {about['python']} on {about['machine']}, {about['cores']} cores;"
        f" tokenwire {about['tokenwire']} against {peers}; {NODE} {about['node']}."
        f" {about['rounds']} rounds, medians.",
        "",
        "Microseconds an event; in brackets the contender's time over tokenwire's, so above 1x"
        " tokenwire is the faster one.",
    ]
    for table in tables:
        lines += ["", f"### {table.title}", "", *table.lines()]
    lost = [line for table in tables for line in table.lost()]
    if lost:
        lines += ["", "Rows that are lost or miss their target:", ""]
        lines += [f"- {line}" for line in lost]
    else:
        lines += ["", "No row is lost."]
    return "\n".join(lines)


def write_between_markers(path: Path, text: str) -> None:
    """Put the text between the markers of a page, and leave the rest of it alone."""
    page = path.read_text("utf-8")
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise SystemExit(f"{path} lacks the markers {START} and {END}")
    path.write_text(f"{before}{START}\n\n{text}\n\n{END}{after}", "utf-8")


def as_json(tables: Sequence[Table], about: dict[str, Any]) -> dict[str, Any]:
    return {
        **about,
        "tables": {
            table.name: {
                row.label: {
                    "chunks": row.chunks,
                    "bytes": row.size,
                    "events": row.units,
                    "contenders": {
                        name: {
                            "error": result.error or None,
                            "median_us": result.median if result.times else None,
                            "rounds_us": result.times,
                            "over_tokenwire": row.ratio(name),
                        }
                        for name, result in row.results.items()
                    },
                    "verdict": table.verdict(row),
                }
                for row in table.rows
            }
            for table in tables
        },
    }


def about(node: str, rounds: int) -> dict[str, Any]:
    """Versions and the machine."""
    return {
        "tokenwire": _version("tokenwire"),
        "python": platform.python_version(),
        "machine": _processor(),
        "cores": os.cpu_count(),
        "peers": {name: _version(name) for name in PEERS},
        "node": node,
        "rounds": rounds,
    }


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        pass
    if distribution == "tokenwire":  # run from a checkout
        import tokenwire

        return tokenwire.__version__
    return "(not installed)"


def _processor() -> str:
    try:
        told = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        told = ""
    found = re.search(r"^model name\s*: (.*)", told, re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 99.5 else f"{value:#.3g}"
