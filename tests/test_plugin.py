"""The example package: installed into an environment of its own, it is known by its name."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.pages import blocks_of

import tokenwire

ROOT = Path(__file__).parents[1]
PLUGIN = ROOT / "examples" / "dialect-plugin"
DIALECT = PLUGIN / "src" / "brook_dialect" / "__init__.py"
SECONDS = 100


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    dropped = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if name not in dropped}
    return subprocess.run(
        [*map(str, command)],
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
        cwd=cwd,
        env={**env, "PYTHONUTF8": "1"},
    )


def installer(python: Path) -> Sequence[str | Path] | None:
    """A command that installs into the environment of this interpreter."""
    here = Path(sys.executable).parent
    for uv in (here / "uv", ROOT / ".venv-uv" / "bin" / "uv", shutil.which("uv")):
        if uv and Path(uv).exists():
            return (uv, "pip", "install", "-q", "--python", python)
    if run(sys.executable, "-m", "pip", "--version", cwd=ROOT).returncode == 0:
        return (sys.executable, "-m", "pip", "--python", python, "install", "-q")
    return None


def cannot(reason: str) -> None:
    """Where there is no network these tests are skipped, but never in CI."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the package; it sees the packages of this one."""
    folder = tmp_path_factory.mktemp("plugin")
    made = run(sys.executable, "-m", "venv", "--without-pip", "env", cwd=folder)
    if made.returncode:
        cannot(f"no environment can be made: {made.stderr[-300:]}")
    scripts = "Scripts" if sys.platform == "win32" else "bin"
    python = folder / "env" / scripts / "python"
    asked = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder)
    seen = [sysconfig.get_path("purelib"), str(Path(tokenwire.__file__).parents[1])]
    Path(asked.stdout.strip(), "seen.pth").write_text("\n".join(seen), "utf-8")
    # A copy, for building leaves things after.
    source = shutil.copytree(PLUGIN, folder / "source")
    command = installer(python)
    if command is None:
        cannot("neither pip nor uv is here")
        raise AssertionError
    done = run(*command, "--no-deps", source, cwd=folder)
    if done.returncode:
        cannot(f"the package cannot be installed: {(done.stderr + done.stdout)[-600:]}")
    return python


@pytest.mark.slow
def test_the_package_passes_its_own_test(python: Path, tmp_path: Path) -> None:
    tests = shutil.copytree(PLUGIN / "tests", tmp_path / "tests")
    done = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests, cwd=tmp_path)
    assert "1 passed" in done.stdout, done.stdout


def test_it_is_known_by_name_from_python(python: Path, tmp_path: Path) -> None:
    code = (
        "from tokenwire import StreamParser, available_dialects, get_dialect\n"
        "print(get_dialect('brook').terminator, 'brook' in available_dialects())\n"
        "parser = StreamParser('brook')\n"
        'parser.receive_data(b\'data: {"say": "Hi"}\\n\\ndata: {"end": "full"}\\n\\n\')\n'
        "print(*parser.events())\n"
    )
    done = run(python, "-c", code, cwd=tmp_path)
    assert done.stdout == "end True\nToken(text='Hi') Done(reason='stop')\n", done.stderr


def test_it_is_known_by_name_to_the_command(python: Path, tmp_path: Path) -> None:
    answer = PLUGIN / "tests" / "answer.sse"
    done = run(python, "-m", "tokenwire", "cat", "--dialect", "brook", answer, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "A brook runs, “naïve” and bright 🏞️."), done.stderr
    listed = run(python, "-m", "tokenwire", "dialects", cwd=tmp_path)
    assert any(line.split()[:2] == ["brook", "SSE"] for line in listed.stdout.splitlines())
    fuzzed = run(python, "-m", "tokenwire", "fuzz", "brook", "--minutes", "0", cwd=tmp_path)
    assert (fuzzed.returncode, "8 of 8 laws hold" in fuzzed.stdout) == (0, True), fuzzed.stdout


def test_the_dialect_is_short_and_uses_what_is_public() -> None:
    tree = ast.parse(DIALECT.read_text("utf-8"))
    imports = (ast.Import, ast.ImportFrom)
    code = [
        line
        for node in tree.body[1:]
        if not isinstance(node, imports)
        for line in ast.get_source_segment(DIALECT.read_text("utf-8"), node).splitlines()  # type: ignore[union-attr]
        if line.strip()
    ]
    assert len(code) <= 25
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert "._" not in (node.module or "")
            assert not any(alias.name.startswith("_") for alias in node.names)


def test_the_page_builds_this_package() -> None:
    """What "Write a dialect" shows is what stands in the example, but for the annotations."""
    page = (ROOT / "docs" / "write-a-dialect.md").read_text("utf-8")
    blocks = blocks_of(page)
    files = {"toml": PLUGIN / "pyproject.toml", "py": PLUGIN / "tests" / "test_brook.py"}
    for language, path in files.items():
        assert [block.body for block in blocks if block.language == language] == [
            path.read_text("utf-8")
        ]
    shown = definitions("\n".join(block.body for block in blocks if block.language == "python"))
    written = definitions(DIALECT.read_text("utf-8"))
    assert {name: shown.get(name) for name in written} == written
    answer = (PLUGIN / "tests" / "answer.sse").read_text("utf-8")
    assert set(re.findall(r"^data: .*", page, re.MULTILINE)) <= set(answer.splitlines())


def definitions(source: str) -> dict[str, str]:
    """What a module defines, by name; the last of each name, without annotations of functions."""
    found: dict[str, str] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            for argument in node.args.args:
                argument.annotation = None
            found[node.name] = ast.unparse(node)
        elif isinstance(node, ast.ClassDef):
            found[node.name] = ast.unparse(node)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = ast.unparse(node)
    return found


def test_its_test_is_two_lines_long() -> None:
    tree = ast.parse((PLUGIN / "tests" / "test_brook.py").read_text("utf-8"))
    (test,) = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert test.end_lineno == test.lineno + 1
