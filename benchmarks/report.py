"""The table as Markdown and JSON, and what became slower since the one before it."""

from __future__ import annotations

import datetime
import itertools
import json
import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from table import OURS, Result, Row, Verdict

PEERS = [
    *("msgspec", "httpx-sse", "httpx2", "launchdarkly-eventsource", "niquests"),
    *("openai", "anthropic", "botocore", "fastapi", "httpx", "aiohttp", "requests", "h11"),
]
SLOWER = 1.1  # named from here on


def markdown(rows: Sequence[Row], about: Mapping[str, Any]) -> str:
    """What stands between the markers: the demands, then every row with all its contenders."""
    peers = ", ".join(f"{name} {number}" for name, number in about["peers"].items())
    verdicts = [verdict for row in rows for verdict in row.verdicts()]
    missed = [verdict for verdict in verdicts if not verdict.met]
    lines = [
        f"{where(about)}; {peers}; eventsource-parser {about['node']}."
        f" Medians of {about['rounds']} rounds.",
        "",
        "![How many times as fast as others tokenwire is](bench.svg)",
        "",
        f"{len(verdicts) - len(missed)} of {len(verdicts)} demands are met"
        + (f"; {len(missed)} are missed." if missed else "."),
        "",
        "| work | against | demand | measured | |",
        "| --- | --- | --- | ---: | --- |",
        *map(_demand_line, verdicts),
    ]
    for family, group in itertools.groupby(rows, key=lambda row: row.family):
        lines += ["", f"### {family}", "", *_family_lines(list(group))]
    return "\n".join(lines)


def _demand_line(verdict: Verdict) -> str:
    demand, by = verdict.demand, verdict.missed_by
    if not demand.rivals:
        asked, unit = f"at most {demand.bound:g} {verdict.row.unit}", f" {verdict.row.unit}"
    elif demand.faster:
        asked, unit = f"at least {demand.bound:g} times as fast", "x"
    else:
        asked, unit = f"at most {demand.bound:g} times its time", "x"
    outcome = (
        "met" if verdict.met else f"**missed** by {by:.0%}" if by >= 0.01 else "**just missed**"
    )
    work = f"{verdict.row.family}: {verdict.row.work}"
    return f"| {work} | {verdict.rival} | {asked} | {number(verdict.measured)}{unit} | {outcome} |"


def _family_lines(rows: Sequence[Row]) -> Iterator[str]:
    names = list(dict.fromkeys(name for row in rows for name in row.results))
    units = list(dict.fromkeys(row.unit for row in rows))
    yield "| " + " | ".join([", ".join(units), *names]) + " |"
    yield "| --- |" + " ---: |" * len(names)
    for row in rows:
        cells = [_cell(row, name, row.results.get(name)) for name in names]
        yield "| " + " | ".join([row.work, *cells]) + " |"


def _cell(row: Row, name: str, result: Result | None) -> str:
    if result is None:
        return ""
    if not result.samples:
        return result.error
    time = number(result.median)
    return f"**{time}**" if name == OURS else f"{time} ({number(row.ratio(name) or 0)}x)"


def write_between_markers(path: Path, text: str, mark: str) -> None:
    """Put the text between two markers of a page, and leave the rest of it alone."""
    start, end = f"<!-- {mark}:start -->", f"<!-- {mark}:end -->"
    before, found, rest = path.read_text("utf-8").partition(start)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"{path} lacks the markers {start} and {end}")
    path.write_text(f"{before}{start}\n\n{text}\n\n{end}{after}", "utf-8")


def as_json(rows: Sequence[Row], about: Mapping[str, Any]) -> dict[str, Any]:
    """All numbers; those of verdicts are what `slower` compares."""
    return {
        "about": about,
        "rows": [
            {
                "family": row.family,
                "work": row.work,
                "unit": row.unit,
                "results": {
                    name: {"error": result.error}
                    if result.error
                    else {"median": _short(result.median), "rounds": [*map(_short, result.samples)]}
                    for name, result in row.results.items()
                },
            }
            for row in rows
        ],
        "verdicts": {
            verdict.key: {
                "measured": _short(verdict.measured),
                "bound": verdict.demand.bound,
                "met": verdict.met,
                "cost": _short(verdict.cost),
            }
            for row in rows
            for verdict in row.verdicts()
        },
    }


def slower(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """What became slower by more than a tenth since the last recorded table, in words.

    Ratios to the others of the same run are compared, as the machine may be another one.
    """
    said: list[str] = []
    for key, verdict in now["verdicts"].items():
        if key in before["verdicts"]:
            times = verdict["cost"] / before["verdicts"][key]["cost"]
            if times > SLOWER:
                said.append(f"{key}: {times - 1:.0%} slower than in the last table")
    return said


def read_json(path: Path) -> dict[str, Any]:
    """What was recorded last; nothing where nothing was."""
    if not path.exists():
        return {"verdicts": {}}
    recorded: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return recorded


def machine() -> dict[str, Any]:
    """Where and when it runs; to be asked before it does, for the load that others are."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "python": platform.python_version() + ("" if _has_lock() else ", free-threaded"),
        "machine": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "tokenwire": _version("tokenwire"),
    }


def peers() -> dict[str, str]:
    """Against whom it runs."""
    return {name: _version(name) for name in PEERS}


def where(about: Mapping[str, Any]) -> str:
    """The machine in words."""
    return (
        f"CPython {about['python']} on {about['machine']}, {about['cores']} cores,"
        f" load {about['load']} before; {about['date']}; tokenwire {about['tokenwire']}"
    )


def number(value: float) -> str:
    """Three digits."""
    return f"{value:.0f}" if abs(value) >= 99.5 else f"{value:#.3g}"


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def _has_lock() -> bool:
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


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
