"""The documentation does not lie: its examples run, its outputs, names, links and tables are right."""

from __future__ import annotations

import importlib.util
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType
from typing import get_args

import click
import pytest
from tests.pages import blocks_of, run_page

import tokenwire
from tokenwire import Deadlines, Event, Limits, Recovery, State, available_dialects
from tokenwire.answer import Options, SessionOptions
from tokenwire.cli.commands import tokenwire as command
from tokenwire.events import ErrorKind, Reason
from tokenwire.testserver import running_server

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    *sorted(DOCS.glob("*.md")),
    *sorted(DOCS.glob("adapters/*.md")),
    *sorted(DOCS.glob("recipes/*.md")),
]
PROSE = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PROGRAMS = sorted((ROOT / "examples" / "recipes").glob("*.py"))
"""Each stands whole on the page of its name, which runs it."""
SHELLS = {"sh", "bash", "shell", "console"}
SERVER = "http://127.0.0.1:8765"
"""Where pages expect the test server; the tests take a free port."""


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


each_page = pytest.mark.parametrize("path", PAGES, ids=name_of)
each_prose = pytest.mark.parametrize("path", PROSE, ids=name_of)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_server() as url:
        yield url


@pytest.fixture
def at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


# --- examples ---


@each_page
@pytest.mark.usefixtures("at_root")
def test_the_examples_of_a_page_do_what_it_says(path: Path, server: str) -> None:
    run_page(path, path.read_text("utf-8").replace(SERVER, server))


@pytest.mark.parametrize("path", EXAMPLES, ids=name_of)
def test_an_example_program_runs(
    path: Path,
    server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    program = tmp_path / path.name
    program.write_text(path.read_text("utf-8").replace(SERVER, server), "utf-8")
    recorded = path.with_name("answer.sse")
    (tmp_path / recorded.name).write_bytes(recorded.read_bytes())
    monkeypatch.setattr(sys, "argv", [str(program), str(tmp_path / recorded.name)])
    runpy.run_path(str(program), run_name="__main__")
    assert len(capsys.readouterr().out) > 100


@pytest.mark.parametrize("path", PROGRAMS, ids=name_of)
def test_the_program_of_a_recipe_stands_on_its_page(path: Path) -> None:
    page = DOCS / "recipes" / f"{path.stem}.md"
    assert path.read_text("utf-8") in [block.body for block in blocks_of(page.read_text("utf-8"))]


def lines_of(example: str) -> list[str]:
    return [line for line in example.splitlines() if line.strip()]


def test_ten_lines_stay_ten_lines_with_reconnects() -> None:
    first = next(
        block
        for block in blocks_of((DOCS / "resume.md").read_text("utf-8"))
        if block.language == "python"
    )
    assert len(lines_of(first.body)) == 10


def test_the_example_of_the_readme_is_the_example_program_in_ten_lines() -> None:
    first = next(
        block
        for block in blocks_of((ROOT / "README.md").read_text("utf-8"))
        if "import" in block.body
    )
    loop = first.body[first.body.index("with ") :]
    assert len(lines_of(first.body)) == 10
    assert loop in (ROOT / "examples" / "httpx_chat.py").read_text("utf-8")


def test_the_readme_fits_a_screen() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 80


# --- commands, links ---


@each_prose
def test_make_targets_exist(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = re.findall(r"^([a-z0-9.%-]+):", makefile, re.MULTILINE)
    # In code only: "make sure" is no command.
    code = [block.body for block in blocks_of(path.read_text("utf-8")) if block.language in SHELLS]
    code += re.findall(r"`([^`\n]+)`", path.read_text("utf-8"))
    used = {
        target
        for text in code
        for target in re.findall(r"(?:^|&& )make ([a-z0-9.-]+)", text, re.MULTILINE)
    }
    unknown = {one for one in used if not any(fnmatch(one, to.replace("%", "*")) for to in targets)}
    assert not unknown


def shell_lines(page: str) -> Iterator[list[str]]:
    for block in blocks_of(page):
        if block.language in SHELLS:
            for line in block.body.replace("\\\n", " ").splitlines():
                yield shlex.split(line.removeprefix("$ "), comments=True)
    for code in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", page):
        if re.match(r"(\S+ )*tokenwire [a-z]", code):
            yield code.split()


@each_prose
def test_commands_and_their_options_exist(path: Path) -> None:
    for words in shell_lines(path.read_text("utf-8")):
        for at, word in enumerate(words[:-1]):
            if word.rpartition("/")[2] == "tokenwire" and "install" not in words[:at]:
                check_command(words[at + 1 :])


def check_command(words: list[str]) -> None:
    line = " ".join(words)
    name = words[0].rstrip(",.;")
    if not name.startswith("-"):
        assert name in command.commands, f"there is no command: tokenwire {line}"
        known = {option for param in command.commands[name].params for option in param.opts}
        known |= {"-h", "--help"}
        for word in words[1:]:
            if word in ("|", ">", "&&", "&", ";"):
                break
            option = word.partition("=")[0]
            assert not re.match(r"--?[a-zA-Z]", option) or option in known, f"no option: {line}"


def test_every_command_is_documented() -> None:
    told = "".join(path.read_text("utf-8") for path in PAGES)
    assert isinstance(command, click.Group)
    assert [name for name in command.commands if f"tokenwire {name}" not in told] == []


@each_prose
def test_links_lead_to_files(path: Path) -> None:
    page = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page):
        if not re.match(r"[a-z]+:", target):
            assert (path.parent / target).exists(), target


# --- what pages and code say alike ---


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("_generate", DOCS / "_generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_the_code_prints_into_the_pages_is_not_stale() -> None:
    assert generator().stale() == [], "run: python docs/_generate.py"


def test_the_diagram_shows_every_state_and_transition() -> None:
    picture = (DOCS / "state.svg").read_text("utf-8")
    assert all(f">{state}</text>" in picture for state in State)
    assert picture.count("marker-end") == len(list(generator().edges()))


def documented(page: str) -> set[str]:
    """The names in code on a page."""
    return {
        name
        for code in re.findall(r"`([^`\n]+)`", (DOCS / page).read_text("utf-8"))
        for name in re.findall(r"\w+", code)
    }


def test_every_event_and_field_is_on_the_page_of_events() -> None:
    page = (DOCS / "events.md").read_text("utf-8")
    kinds = get_args(Event)
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL))
    assert set(sections) == {kind.__name__ for kind in kinds}
    for kind in kinds:
        fields = set(kind.__struct_fields__) - {"frame"}
        told = set(re.findall(r"^\| `(\w+)` \|", sections[kind.__name__], re.MULTILINE))
        assert told == fields, kind.__name__
        assert re.search(rf"case .*\b{kind.__name__}\(", page), kind.__name__
    assert {*get_args(Reason)} <= documented("events.md")


def test_every_kind_and_recovery_is_on_the_page_of_errors() -> None:
    assert {*get_args(ErrorKind)} <= documented("errors.md")
    assert {recovery.name for recovery in Recovery} <= documented("errors.md")


def test_every_limit_is_on_its_page_with_its_default() -> None:
    page = (DOCS / "limits.md").read_text("utf-8")
    for name in Limits.__struct_fields__:
        value = getattr(Limits(), name)
        size = f"{value // 2**20} MiB" if value >= 2**20 else f"{value // 2**10} KiB"
        assert re.search(rf"^\| `{name}` \| {size} \|", page, re.MULTILINE), name


def test_every_deadline_is_on_its_page_with_its_default() -> None:
    page = (DOCS / "timeouts.md").read_text("utf-8")
    for name in Deadlines.__struct_fields__:
        value = getattr(Deadlines(), name)
        default = "none" if value is None else f"{value:g} s"
        assert re.search(rf"^\| `{name}` \| {default} \|", page, re.MULTILINE), name


def test_every_option_of_a_session_is_on_its_page() -> None:
    page = (DOCS / "resume.md").read_text("utf-8")
    chosen = re.search(r"^## What may be chosen$(.*?)^#", page, re.MULTILINE | re.DOTALL)
    assert chosen is not None
    told = {name for name in re.findall(r"`(\w+)`", chosen[1]) if name.islower()}
    assert told == set(Options.__annotations__) | set(SessionOptions.__annotations__) | {"stream"}


def test_every_dialect_is_on_its_page() -> None:
    assert set(generator().built_in_dialects()) <= set(available_dialects())
    page = (DOCS / "dialects.md").read_text("utf-8")
    assert all(f"| `{name}` |" in page for name in generator().built_in_dialects())


def test_the_reference_has_every_room_that_users_import_from() -> None:
    page = (DOCS / "reference.md").read_text("utf-8")
    named = set(re.findall(r"^\.\. automodule:: tokenwire\.(\S+)$", page, re.MULTILINE))
    adapters = {f"adapters.{path.stem}" for path in (DOCS / "adapters").glob("*.md")}
    assert named >= {"dialects.kit", "testing", "testserver", "resume.effects", *adapters}


def test_the_reference_names_the_public_api() -> None:
    page = (DOCS / "reference.md").read_text("utf-8")
    named = re.findall(r"^\.\. auto(?!module)\w+:: tokenwire\.(\w+)$", page, re.MULTILINE)
    public = [name for name in tokenwire.__all__ if name != "__version__"]
    assert named == public
