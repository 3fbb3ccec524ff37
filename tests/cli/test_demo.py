"""``tokenwire demo``: it holds, and it would say so if it did not."""

from __future__ import annotations

import re

import pytest
from tests.cli.conftest import Run
from tests.cli.test_terminal import on_terminal, terminal

from tokenwire.cli import commands, trial
from tokenwire.cli.exits import Exit
from tokenwire.cli.trial import Reading, Trial
from tokenwire.events import Done, Error, Event


def test_without_a_terminal(run: Run) -> None:
    done = run("demo")
    shown = done.stdout.decode()
    assert (done.returncode, done.stderr) == (Exit.COMPLETE, b"")
    assert "\x1b" not in shown
    mark = re.search(r"mark of this run, (\w+)", shown)
    other = re.search(r"mark of this run, (\w+)", run("demo").stdout.decode())
    assert mark is not None
    assert other is not None
    assert mark[1] != other[1]
    assert shown.count(f"   Mark of this run: {mark[1]}\n") == 4
    margins = re.findall(r"^ *((?:↻\d ?)+) \S", shown, re.MULTILINE)
    assert " ".join(margins) == "↻1 ↻2 ↻3 ↻4 ↻5"
    rows = re.findall(
        r"^([a-z-]+) +([\d,]+) +([\d,]+) +(\d+) +(\d+) +(\d+) +(\d) (yes|yes so far) +(\w+) *$",
        shown,
        re.MULTILINE,
    )
    assert [(row[0], *row[6:]) for row in rows] == [
        ("openai-chat", "0", "yes", "complete"),
        ("anthropic-messages", "0", "yes", "complete"),
        ("jsonl", "0", "yes", "complete"),
        ("positioned", "5", "yes", "complete"),
        ("openai-chat", "0", "yes so far", "truncated"),
    ]
    one_by_one = [row for row in rows if row[1] == row[2]]
    assert [row[0] for row in one_by_one] == ["openai-chat", "jsonl"]
    assert "Every row holds" in shown


@terminal
def test_on_a_terminal_the_text_grows() -> None:
    code, shown = on_terminal("demo")
    assert code == Exit.COMPLETE
    counts = [int(count) for count in re.findall(r" (\d+) events", shown)]
    assert len(set(counts)) > 10
    assert "Every row holds" in shown


def test_a_wrong_text_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = trial.read

    def lossy(*arguments: object) -> Reading:
        reading: Reading = real(*arguments)
        reading.text = reading.text[:-1]
        return reading

    monkeypatch.setattr(trial, "read", lossy)
    assert commands.run(["demo"]) == Exit.FAILED
    assert "A row does not hold" in capsys.readouterr().out


TEXT = "Hi you"


def reading_of(
    text: str, last: Event, *, chunks: int = 9, size: int = 9, reconnects: int = 0
) -> Reading:
    reading = Reading()
    reading.reconnects = reconnects
    reading.text, reading.last = text, last
    reading.chunks, reading.bytes = chunks, size
    reading.in_characters = reading.in_line_ends = 1
    return reading


CUT_OFF = Error("truncated", "cut off")


@pytest.mark.parametrize(
    ("after", "drops", "reading", "holds"),
    [
        (None, 0, reading_of(TEXT, Done("stop")), True),
        (None, 0, reading_of("Hi", Done("stop")), False),
        (None, 0, reading_of(TEXT, CUT_OFF), False),
        (None, 0, reading_of(TEXT, Done("stop"), chunks=8), False),
        (1, 0, reading_of("Hi", CUT_OFF), True),
        (1, 0, reading_of("Hi", Done("stop")), False),
        (1, 0, reading_of(TEXT, CUT_OFF), False),
        (1, 0, reading_of("Hi", Error("transport", "broke")), False),
        (1, 2, reading_of(TEXT, Done("stop"), reconnects=2), True),
        (1, 2, reading_of(TEXT, Done("stop"), reconnects=1), False),
        (1, 2, reading_of("Hi", Done("stop"), reconnects=2), False),
        (1, 2, reading_of(TEXT, CUT_OFF, reconnects=2), False),
    ],
)
def test_what_holds(after: int | None, drops: int, reading: Reading, holds: bool) -> None:
    trial = Trial(dialect="sse", cut="byte", after=after, drops=drops)
    assert reading.holds(trial, TEXT) is holds


def test_cuts_are_counted_where_they_were() -> None:
    reading = Reading()
    body = "aé\r\nb".encode()
    chunks = [body[:2], body[2:4], body[4:]]
    assert list(reading.count(chunks)) == chunks
    assert (reading.chunks, reading.bytes) == (3, len(body))
    assert (reading.in_characters, reading.in_line_ends) == (1, 1)
