"""The command as a whole: missing extras, help, speed of the start."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.cli.conftest import SECONDS, Run, environment

import tokenwire
from tokenwire.cli.exits import Exit


def run_without(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a Python in which this module is not installed."""
    program = (
        f"import sys; sys.modules[{module!r}] = None; from tokenwire.cli import main;"
        f" sys.exit(main({list(arguments)!r}))"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=environment(),
    )


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("click", ("--version",)),
        ("httpx", ("cat", "http://127.0.0.1:1", "-d", "sse")),
        ("anyio", ("serve", "--port", "0")),
        ("h11", ("serve", "--port", "0")),
        ("rich", ("demo",)),
    ],
)
def test_a_missing_extra_is_named(module: str, arguments: tuple[str, ...]) -> None:
    done = run_without(module, *arguments)
    assert done.returncode == Exit.FAILED
    assert done.stderr == (
        f"tokenwire: {module} is not installed, and this command needs it."
        " Run: pip install 'tokenwire[cli]'\n"
    )


def test_other_missing_modules_are_bugs() -> None:
    assert "Traceback" in run_without("tokenwire.drive", "--version").stderr


def test_a_file_is_read_without_the_heavy_libraries() -> None:
    """Nothing of HTTP or tables is imported where it is not needed: the start stays fast."""
    program = (
        "import sys; from tokenwire.cli import main; main(['cat', '-d', 'sse']);"
        " print(sorted({'rich', 'httpx', 'anyio', 'h11', 'asyncio', 'ssl'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        input=b"data: [DONE]\n\n",
        capture_output=True,
        timeout=SECONDS,
        env=environment(),
    )
    assert done.stdout == b"[]\n"


def test_version(run: Run) -> None:
    assert run("--version").stdout.decode() == f"tokenwire {tokenwire.__version__}\n"


@pytest.mark.parametrize("command", ["cat", "serve", "dialects", "demo"])
def test_help(run: Run, command: str) -> None:
    done = run(command, "--help")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(f"Usage: tokenwire {command}".encode())


def test_help_of_all(run: Run) -> None:
    shown = run("-h").stdout.decode()
    assert all(f"\n  {command} " in shown for command in ("cat", "demo", "dialects", "serve"))


def test_help_of_cat_shows_the_exit_codes_as_a_table(run: Run) -> None:
    assert b"\n    3  truncated   " in run("cat", "--help").stdout


@pytest.mark.parametrize("arguments", [("nosuch",), ("cat", "--nosuch")])
def test_unknown_words(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.returncode, b"No such" in done.stderr) == (Exit.USAGE, True)
