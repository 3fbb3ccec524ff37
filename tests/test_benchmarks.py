"""The benchmark runs, and everyone in it finds the same. No time is looked at."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Import as its scripts do, and leave no module behind."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(ROOT / "benchmarks") in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.slow
def test_every_row_in_a_quick_run() -> None:
    """Contenders check their answers before they are timed; a wrong one ends the run."""
    command = [sys.executable, "benchmarks/run.py", "--quick"]
    done = subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    for family in ("Typed tokens, OpenAI chat", "Frames only", "JSON Lines", "Memory", "Import"):
        assert f"\n### {family}" in done.stdout


def test_a_wrong_answer_is_no_time() -> None:
    from timing import QUICK, InPython, WrongAnswerError, measure

    liar = InPython("liar", lambda: ["Hallo"], ["Hello"])
    with pytest.raises(WrongAnswerError):
        measure([liar], 1, QUICK)


def test_verdicts() -> None:
    from table import OURS, Demand, Result, Row

    results = {OURS: Result([1.0, 2.0, 2.0]), "a": Result([3.0, 6.0, 5.0]), "b": Result([9.0] * 3)}
    demands = [
        Demand(2.5, ("a", "b"), faster=True),
        Demand(4.0, ("a", "b"), faster=True),
        Demand(0.25, ("a",)),
        Demand(1.5),
        Demand(1.0, ("absent",)),
    ]
    row = Row("family", "work", "µs", results, demands)
    verdicts = list(row.verdicts())
    assert [(v.rival, v.measured, v.met) for v in verdicts] == [
        ("a", 3.0, True),
        ("a", 3.0, False),
        ("a", 1 / 3, False),
        ("", 2.0, False),
    ]
    assert [round(v.missed_by, 3) for v in verdicts] == [0, 0.25, 0.333, 0.333]


def test_the_mean_is_of_the_fastest() -> None:
    from table import OURS, Result, Row, geometric_mean

    rows = [
        Row("f", "x", "µs", {OURS: Result([1.0]), "a": Result([2.0]), "b": Result([9.0])}),
        Row("f", "y", "µs", {OURS: Result([1.0]), "a": Result([9.0]), "b": Result([8.0])}),
    ]
    (verdict,) = geometric_mean(rows, ("a", "b"), 1.5).verdicts()
    assert (verdict.measured, verdict.met) == (pytest.approx(4.0), True)


def test_what_became_slower_is_named() -> None:
    from report import as_json, slower
    from table import OURS, Demand, Result, Row

    def table(ours: float, memory: float) -> dict[str, object]:
        results = {OURS: Result([ours]), "floor": Result([1.0])}
        speed = Row("Tokens", "64 KiB", "µs", results, [Demand(2.0, ("floor",))])
        size = Row("Memory", "a parser", "KiB", {OURS: Result([memory])}, [Demand(2.0)])
        return json.loads(json.dumps(as_json([speed, size], {})))

    before = table(2.0, 1.0)
    assert slower(table(2.1, 1.09), before) == []
    assert slower(table(3.0, 0.5), before) == [
        "Tokens: 64 KiB, against floor: 50% slower than in the last table"
    ]
    assert slower(table(3.0, 2.0), {"verdicts": {}}) == []


def test_a_page_keeps_what_is_around_the_markers(tmp_path: Path) -> None:
    from report import write_between_markers

    page = tmp_path / "page.md"
    page.write_text("before\n<!-- x:start -->\nold\n<!-- x:end -->\nbehind\n", "utf-8")
    write_between_markers(page, "new", "x")
    assert page.read_text("utf-8") == (
        "before\n<!-- x:start -->\n\nnew\n\n<!-- x:end -->\nbehind\n"
    )
    with pytest.raises(SystemExit):
        write_between_markers(page, "new", "y")
