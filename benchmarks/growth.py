"""From one stream to ten thousand in one process: CPU, memory and delay. See docs/performance.md.

    python benchmarks/growth.py           write the table into docs/performance.md and
                                          docs/growth.svg
    python benchmarks/growth.py --quick   try it out in some seconds; nothing is written

The server is a process of its own, and each size a new client process, in one thread, with one
event loop. Each stream gives 20 tokens a second; and once more all together give 2,000, which tells
what the number of streams does from what the number of tokens does.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import report
from growth_client import CLIENTS

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent / "docs"
SIZES = (1, 10, 100, 1_000, 10_000)
BETWEEN = (2_000, 4_000)  # where a core of today is full
RATE = 20.0  # tokens a second of each stream
TOGETHER = 2000.0  # or of all streams
EACH, ALL = SERIES = ("20 a second each", "2,000 a second together")
FULL = 0.95  # of a core
FLAT = 1.25
SOON = 100.0  # ms

Point = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description="Many streams at once in one process.")
    parser.add_argument("--quick", action="store_true", help="ten streams at most, nothing written")
    quick = parser.parse_args().quick
    warm, seconds = (0.2, 1.0) if quick else (2.0, 5.0)
    machine = report.machine()
    points: list[Point] = []
    for client in CLIENTS:
        sizes = [(EACH, size) for size in sorted({*SIZES, *BETWEEN})]
        sizes += [(ALL, size) for size in SIZES]
        for series, streams in [(EACH, 1), (ALL, 10)] if quick else sizes:
            rate = RATE if series == EACH else TOGETHER / streams
            point = {"client": client, "series": series, "streams": streams, "rate": rate}
            points.append(point | measure(client, streams, rate, warm, seconds))
            print(
                " ".join(f"{name}={told(value)}" for name, value in points[-1].items()), flush=True
            )
    text = markdown(points, machine)
    print(f"\n{text}")
    if not quick:
        from picture import draw_growth

        report.write_between_markers(DOCS / "performance.md", text, "growth")
        draw_growth(points, DOCS / "growth.svg")


def measure(client: str, streams: int, rate: float, warm: float, seconds: float) -> Point:
    """One size with one client."""
    server = [sys.executable, str(HERE / "growth_server.py"), str(streams), str(rate)]
    with subprocess.Popen(
        server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            reader = [sys.executable, str(HERE / "growth_client.py"), client, port, str(streams)]
            received = subprocess.run(
                [*reader, str(warm), str(seconds)],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
                timeout=300,
            ).stdout
            served = json.loads(process.stdout.readline())
        finally:
            process.kill()
    read: Point = json.loads(received) | served
    return read


COLUMNS = {
    "client": "client",
    "streams": "streams",
    "series": "tokens sent",
    "tokens_a_second": "received a second",
    "cpu_us": "CPU, µs a token",
    "core": "of a core",
    "memory_kib": "memory, KiB a stream",
    "delay_p50_ms": "delay, p50, ms",
    "delay_p99_ms": "delay, p99, ms",
    "server_core": "server, of a core",
    "late_p99_ms": "server late, p99, ms",
}


def markdown(points: Sequence[Point], machine: Point) -> str:
    lines = [
        f"{report.where(machine)}.",
        "",
        "![CPU, memory and delay over the number of streams](growth.svg)",
        "",
        "| " + " | ".join(COLUMNS.values()) + " |",
        "| --- |" + " ---: |" * (len(COLUMNS) - 1),
    ]
    lines += ["| " + " | ".join(told(one[name]) for name in COLUMNS) + " |" for one in points]
    return "\n".join([*lines, "", *(f"- {line}" for line in findings(points))])


def told(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else report.number(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def findings(points: Sequence[Point]) -> list[str]:
    """Is it flat, where is the core full, and who was too slow?"""
    said: list[str] = []
    for client, series in itertools.product(CLIENTS, SERIES):
        mine = [one for one in points if (one["client"], one["series"]) == (client, series)]
        kept = [one for one in mine if keeps_up(one)]
        if not kept:
            continue
        last, costs = kept[-1], [one["cpu_us"] for one in kept]
        flat = "flat" if max(costs) <= FLAT * min(costs) else "not flat"
        risen = last["cpu_us"] / min(costs) - 1
        rises = f"at its end {risen:.0%} above its least" if risen > 0 else "it falls to its end"
        said.append(
            f"{client}, {series}: it keeps up with {last['streams']:,} streams, which take"
            f" {told(last['core'])} of a core; {min(costs):.0f} to {max(costs):.0f} µs a token,"
            f" {flat} within 25 %, {rises}."
        )
    for one in points:
        if not keeps_up(one):
            if one["core"] >= FULL:
                who = "the client's core was full"
            elif one["late_p99_ms"] >= SOON:
                who = "the server was late before the client's core was full"
            else:
                who = "the client did not get a core to itself"
            said.append(f"{one['client']}, {one['streams']:,} streams, {one['series']}: {who}.")
    return said


def keeps_up(point: Point) -> bool:
    """The client had a core to spare, and all that was to be sent came soon."""
    asked = point["streams"] * point["rate"]
    came = point["tokens_a_second"] >= 0.95 * asked and point["delay_p50_ms"] < SOON
    return bool(came and point["core"] < FULL)


if __name__ == "__main__":
    main()
