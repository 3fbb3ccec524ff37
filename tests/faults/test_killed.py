"""A process that is killed in mid-answer, again and again: the next one goes on where it stood."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.conftest import SECONDS, environment
from tests.effort import tries

from tokenwire.testserver import Settings, running_server
from tokenwire.testserver.passage import PASSAGE, split_text

EXAMPLE = Path(__file__).parents[2] / "examples" / "survive_a_kill.py"
SERVER = "http://127.0.0.1:8765"
KILLS = tries(6)
TOKENS = 20
"""Those that a connection brings at once; then the server waits for the kill."""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Path]:
    """The example, and a server for it alone."""
    settings = Settings(fail="stall", after=TOKENS, fail_times=KILLS)
    with running_server(settings) as url:
        path = tmp_path / EXAMPLE.name
        path.write_text(EXAMPLE.read_text("utf-8").replace(SERVER, url), "utf-8")
        yield path


def start(program: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(program)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=environment(PYTHONUTF8="1"),
    )


def saved(program: Path) -> bytes:
    with closing(sqlite3.connect(program.with_suffix(".db"))) as file:
        pieces = file.execute("SELECT text FROM pieces ORDER BY rowid").fetchall()
    return "".join(text for (text,) in pieces).encode()


def test_what_is_saved_is_saved_once(program: Path) -> None:
    """Killed at a moment that nobody knows, some bytes after where the one before was."""
    assert len(split_text(PASSAGE)) > KILLS * TOKENS
    came = 0
    for _ in range(KILLS):
        with start(program) as process:
            assert process.stdout is not None
            shown = process.stdout.read(came + random.randrange(1, TOKENS))
            process.kill()
        text = saved(program)
        assert text.startswith(shown)
        assert PASSAGE.encode().startswith(text)
        came = len(text)
    for _ in range(2):  # the second one finds it complete, and asks nobody
        with start(program) as process:
            shown, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 0
        assert saved(program) == shown == PASSAGE.encode()
