"""The pictures of the documentation, as SVG: the same numbers give the same bytes.

They stand on a white card of their own, so that they can be read on a dark page, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt
from table import Row, Verdict

INK, QUIET, GRID = "#222222", "#666666", "#dddddd"
MET, MISSED = "#2a78b5", "#d9822b"
COLOURS = (MET, MISSED)

mpl.rcParams.update(
    {
        "svg.hashsalt": "tokenwire",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 9,
        "text.color": INK,
        "axes.edgecolor": GRID,
        "axes.labelcolor": QUIET,
        "xtick.color": QUIET,
        "ytick.color": INK,
    }
)


def draw_ratios(rows: Sequence[Row], path: Path) -> None:
    """A bar for each demand against others: how many times as fast as they."""
    verdicts = [verdict for row in rows for verdict in row.verdicts() if verdict.rival]
    lines: list[str | Verdict] = []
    for verdict in verdicts:
        family = verdict.row.family
        if family not in lines:
            lines.append(family)
        lines.append(verdict)
    figure, axes = plt.subplots(figsize=(9, 0.6 + 0.2 * len(lines)), layout="constrained")
    labels: list[str] = []
    for place, line in enumerate(lines):
        if isinstance(line, str):
            labels.append(line)
            continue
        # Two works of one row are told apart by whom they are measured against.
        labels.append(f"{line.row.work} / {line.rival}")
        ratio, bound = line.measured, line.demand.bound
        if not line.demand.faster:
            ratio, bound = 1 / ratio, 1 / bound
        colour = MET if line.met else MISSED
        axes.barh(place, ratio - 1, left=1, height=0.7, color=colour)
        axes.plot([bound, bound], [place - 0.45, place + 0.45], color=INK, linewidth=1.4)
        axes.annotate(
            f"{ratio:.3g}x",
            (max(ratio, bound, 1), place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=INK,
            fontsize=8,
        )
    axes.set_yticks(range(len(lines)), labels)
    for tick, line in zip(axes.get_yticklabels(), lines, strict=True):
        if isinstance(line, str):
            tick.set_fontweight("bold")
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_xscale("log")
    axes.axvline(1, color=QUIET, linewidth=0.8)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xmargin(0.1)
    _style(axes)
    axes.tick_params(axis="y", length=0)
    said = "Times as fast as the other. Blue: demand met. Orange: missed. Black: what was demanded."
    figure.suptitle(said, x=0.01, ha="left", fontsize=9)
    _save(figure, path)


def draw_growth(points: Sequence[Mapping[str, Any]], path: Path) -> None:
    """CPU, memory and delay over the number of streams, a line for each client."""
    panels = {
        "cpu_us": "CPU, µs a token",
        "memory_kib": "memory, KiB a stream",
        "delay_p50_ms": "delay, median, ms",
        "delay_p99_ms": "delay, 99th percentile, ms",
    }
    figure, grid = plt.subplots(2, 2, figsize=(9, 6), layout="constrained")
    lines = list(dict.fromkeys((point["client"], point["series"]) for point in points))
    clients = list(dict.fromkeys(client for client, _ in lines))
    for axes, (name, title) in zip(grid.flat, panels.items(), strict=True):
        for client, series in lines:
            mine = [one for one in points if (one["client"], one["series"]) == (client, series)]
            axes.plot(
                [point["streams"] for point in mine],
                [point[name] for point in mine],
                color=COLOURS[clients.index(client)],
                marker="os"[clients.index(client)],
                linestyle="-" if series == lines[0][1] else ":",
                linewidth=1.8,
                label=f"{client}, {series}",
            )
        axes.set_title(title, fontsize=9, loc="left")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("streams at once")
        axes.xaxis.set_major_formatter("{x:,g}")
        axes.yaxis.set_major_formatter("{x:,g}")
        axes.yaxis.set_minor_formatter("")
        _style(axes)
    grid.flat[0].legend(frameon=False, fontsize=8)
    _save(figure, path)


_OPTIONS: dict[str, Any] = {"metadata": {"Date": None, "Creator": None}}


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, **_OPTIONS)
    plt.close(figure)
    # Without the blanks that matplotlib leaves at the ends of lines.
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join(line.rstrip() for line in lines) + "\n", "utf-8")


def _style(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
