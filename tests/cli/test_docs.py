"""The pages about the command and the server: their commands print what the pages say.

Their Python is run with that of all other pages.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.cli.conftest import COMMAND, SECONDS, Run, environment

DOCS = Path(__file__).parents[2] / "docs"
BLOCKS = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"[|;<>$&]")
"""What only a shell understands."""
NOT_RUN = ("pip ", "tokenwire serve", "tokenwire demo", "tokenwire cat https://")
"""Commands that install, never end, are tested elsewhere, or leave this machine."""


def blocks_of(page: str) -> list[tuple[str, str]]:
    return BLOCKS.findall((DOCS / page).read_text("utf-8"))


def commands_of(page: str) -> list[tuple[str, str]]:
    """Commands with what they print, which may be nothing."""
    found: list[tuple[str, str]] = []
    for language, block in blocks_of(page):
        if language == "console":
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, shown = part.replace("\\\n", "").partition("\n")
                found.append((command, shown))
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="the examples are for a POSIX shell")
@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (command, shown)
        for page in ("cli.md", "server.md")
        for command, shown in commands_of(page)
        if not command.startswith(NOT_RUN)
    ],
)
def test_commands(command: str, shown: str, url: str, run: Run) -> None:
    command = command.replace("http://127.0.0.1:8765", url)
    words = shlex.split(command)
    if words[0] == "curl":  # which may not be here: ours asks the same
        assert httpx.get(words[-1], trust_env=False).text.rstrip() == shown.rstrip()
        return
    if words[0] == "tokenwire" and not SHELL.search(command):
        printed = run(*words[1:])
    else:
        program = f'tokenwire() {{ {shlex.join(COMMAND)} "$@"; }}\n{command}'
        printed = subprocess.run(
            ["sh", "-c", program],
            check=False,
            capture_output=True,
            timeout=SECONDS,
            env=environment(),
        )
    parts = [part.decode().rstrip("\n") for part in (printed.stdout, printed.stderr) if part]
    assert "\n".join(parts) == shown.rstrip("\n")


def test_serve_prints_what_the_page_shows() -> None:
    from tokenwire.cli.serve import DEFAULT_PORT
    from tokenwire.testserver.routes import WELL_KNOWN

    shown = dict(commands_of("server.md"))["tokenwire serve"]
    assert shown.startswith(f"http://127.0.0.1:{DEFAULT_PORT}\nIt answers at\n")
    for path, name in WELL_KNOWN.items():
        assert f"  {path:<22} {name}\n" in shown


def test_every_setting_is_on_the_page() -> None:
    from tokenwire.testserver.settings import CUTS, FAILS, REPLAYS, Settings

    page = (DOCS / "server.md").read_text("utf-8")
    for word in (*Settings.__struct_fields__, *CUTS, *FAILS, *REPLAYS):
        assert f"`{word}" in page


def test_every_exit_code_is_on_the_page() -> None:
    from tokenwire.cli.exits import Exit

    page = (DOCS / "cli.md").read_text("utf-8")
    assert re.findall(r"^\| (\d) \|", page, re.MULTILINE) == [str(int(code)) for code in Exit]
