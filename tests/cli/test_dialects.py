"""``tokenwire dialects``."""

from __future__ import annotations

import json

import pytest
from tests.cli.conftest import Run
from tests.cli.test_terminal import on_terminal, terminal

from tokenwire import available_dialects, get_dialect
from tokenwire.cli import commands
from tokenwire.cli import dialects as listing


def test_json_tells_what_the_dialects_are(run: Run) -> None:
    rows = json.loads(run("dialects", "--json").stdout)
    assert [row["name"] for row in rows] == available_dialects()
    for row in rows:
        dialect = get_dialect(row["name"])
        assert (row["framing"], row["terminator"]) == (dialect.format, dialect.terminator)
        assert (row["reads"], row["writes"]) == (True, dialect.encoder is not None)
        assert (row["resume"] is None) == (dialect.resumption is None)


def test_plain_is_a_line_for_each(run: Run) -> None:
    title, *lines = run("dialects").stdout.decode().splitlines()
    assert title.split() == ["name", "framing", "terminator", "resume", "reads", "writes"]
    assert [line.split()[0] for line in lines] == available_dialects()
    assert "\x1b" not in "".join(lines)


@terminal
def test_on_a_terminal_it_is_a_table() -> None:
    code, shown = on_terminal("dialects")
    assert code == 0
    assert all(name in shown for name in available_dialects())
    assert "\x1b[1m" in shown


def test_a_broken_package_does_not_hide_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(name: str) -> object:
        raise ImportError("no such thing")

    monkeypatch.setattr(listing, "available_dialects", lambda: ["odd", "sse"])
    real = listing.get_dialect
    monkeypatch.setattr(
        listing, "get_dialect", lambda name: (broken if name == "odd" else real)(name)
    )
    assert commands.run(["dialects"]) == 0
    _, odd, sse = capsys.readouterr().out.splitlines()
    assert "unusable: ImportError: no such thing" in odd
    assert odd.split()[-2:] == ["no", "no"]
    assert sse.split()[-2:] == ["yes", "yes"]
