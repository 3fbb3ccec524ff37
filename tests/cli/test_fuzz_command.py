"""``tokenwire fuzz``: what it finds, keeps and replays, and how it ends."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.cli.test_terminal import on_terminal, terminal

from tokenwire.cli import commands
from tokenwire.cli import fuzz as command
from tokenwire.cli.exits import Exit
from tokenwire.testing import fuzz, guided

MODULE = """
from tokenwire import Dialect, Done, Token
from tokenwire.dialects.kit.encoding import cannot_say
from tokenwire import Frame
from tokenwire.framing.sse import SSEFramer


def decode(frame):
    text = frame.text
    if text == ".":
        return [Done("stop", frame=frame)]
    {line}
    return [Token(text, frame=frame)] if text and not frame.unterminated else []


def encode(event):
    match event:
        case Token(text=text, index=0) if text != "." and "\\r" not in text:
            return [Frame(text.encode())]
        case Done(reason="stop"):
            return [Frame(b".")]
    raise cannot_say("dot", event)


def no_encoder():
    return encode


DOT = Dialect(
    name="dot", framer=SSEFramer, decoder=lambda: decode, encoder={encoder}, terminator="."
)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "EXAMPLES", 6)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def write(folder: Path, name: str, *, line: str = "pass", encoder: str = "lambda: encode") -> str:
    """A module with a dialect; its target."""
    text = MODULE.replace("{line}", line).replace("{encoder}", encoder)
    (folder / f"{name}.py").write_text(text, "utf-8")
    return f"{name}:DOT"


def short(*arguments: str, minutes: str = "0.01") -> int:
    return commands.run(["fuzz", "--no-guided", "--minutes", minutes, *arguments])


def test_nothing_is_found_in_a_sound_dialect(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert short(write(folder, "sound")) == Exit.COMPLETE
    printed = capsys.readouterr()
    assert "dot: 8 of 8 laws hold" in printed.out
    assert "damaged streams: nothing found" in printed.out
    assert printed.err == ""  # nobody is looking
    assert [*folder.glob("*.json")] == []


def test_a_built_in_name_with_recorded_wire(folder: Path) -> None:
    wire = folder / "answer.sse"
    wire.write_bytes(b"data: Hello\n\ndata: [DONE]\n\n")
    assert short("sse", "--wire", str(wire), minutes="0") == Exit.COMPLETE


def test_a_finding_is_shown_kept_and_replayed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = write(folder, "wrong", line="assert frame.event != 'error', 'odd'")
    assert short(target, "--save", "case.json") == Exit.BROKEN
    assert "totality: " in capsys.readouterr().out
    kept = json.loads((folder / "case.json").read_text("utf-8"))
    assert (kept["dialect"], kept["case"]["law"]) == (target, "totality")
    assert kept["found"].startswith("totality: ")
    # The report names the law, the file and the way back.
    assert short("--replay", "case.json") == Exit.BROKEN
    assert "AssertionError: odd" in capsys.readouterr().out
    # A repaired dialect can be held against it.
    assert short(write(folder, "right"), "--replay", "case.json") == Exit.COMPLETE
    assert capsys.readouterr().out == "totality holds now\n"


def test_a_finding_of_the_fuzzer_itself(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What passes the laws on sound wire is found in damaged wire."""
    target = write(folder, "deep", line="assert '\\x00' not in text or len(text) < 3")
    monkeypatch.setattr(command, "_check", lambda *_: Exit.COMPLETE)
    assert short(target, minutes="1") == Exit.BROKEN
    printed = capsys.readouterr().out
    assert "raises AssertionError" in printed
    assert "tokenwire fuzz --replay tokenwire-fuzz-deep-DOT.json" in printed
    assert len(fuzz.read_kept(folder / "tokenwire-fuzz-deep-DOT.json").case.wire) < 20


def test_a_dialect_that_is_only_read_needs_wire(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = write(folder, "reads", encoder="None")
    assert short(target) == Exit.USAGE
    assert "--wire FILE" in capsys.readouterr().err
    (folder / "wire").write_bytes(b"data: Hello\n\ndata: .\n\n")
    assert short(target, "--wire", "wire") == Exit.COMPLETE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a dialect"),
        (("no-such",), "no dialect is named 'no-such'"),
        (("no_such_module:X",), "No module named 'no_such_module'"),
        (("json:X",), "cannot import json:X"),
        (("json:dumps",), "must be a tokenwire.Dialect, not function"),
        (("sse", "--minutes", "-1"), "not in the range"),
        (("sse", "--wire", "none"), "does not exist"),
        (("--replay", "bad.json"), "holds no case"),
    ],
)
def test_wrong_command_lines(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    (folder / "bad.json").write_text('{"dialect": 1}', "utf-8")
    assert commands.run(["fuzz", *arguments]) == Exit.USAGE
    assert message in capsys.readouterr().err


def test_a_case_that_cannot_be_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = write(folder, "unkept", line="assert frame.event != 'error'")
    assert short(target, "--save", "none/case.json") == Exit.FAILED
    assert "cannot write none" in capsys.readouterr().err


def test_without_hypothesis_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    assert commands.run(["fuzz", "sse"]) == Exit.FAILED
    assert "pip install 'tokenwire[cli,testing]'" in capsys.readouterr().err


def test_as_a_process_it_finds_modules_of_the_working_directory(run: Run, folder: Path) -> None:
    write(folder, "here")
    done = run("fuzz", "here:NOT_THERE")
    assert done.returncode == Exit.USAGE
    assert b"module 'here' has no attribute 'NOT_THERE'" in done.stderr


@terminal
def test_on_a_terminal_it_shows_its_progress() -> None:
    code, shown = on_terminal("fuzz", "sse", "--no-guided", "--minutes", "0.02")
    assert code == Exit.COMPLETE
    assert "streams," in shown
    assert "nothing found" in shown


# --- guided by coverage ---


def test_guided_needs_atheris(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(guided, "is_here", lambda: False)
    assert commands.run(["fuzz", "sse", "--guided", "--minutes", "0.01"]) == Exit.FAILED
    assert "pip install atheris" in capsys.readouterr().err


with_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is not installed"
)


@with_atheris
def test_guided_finds_nothing_in_a_sound_dialect(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.run(["fuzz", "--guided", "--minutes", "0.02", write(folder, "g")]) == 0
    assert "guided by coverage: nothing found" in capsys.readouterr().out


@with_atheris
def test_guided_finds_and_keeps(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = write(folder, "guidedly", line="assert '\\x00' not in text or len(text) < 3")
    monkeypatch.setattr(command, "_check", lambda *_: Exit.COMPLETE)
    assert commands.run(["fuzz", "--guided", "--save", "case.json", target]) == Exit.BROKEN
    assert "raises AssertionError" in capsys.readouterr().out
    assert commands.run(["fuzz", "--replay", "case.json"]) == Exit.BROKEN
