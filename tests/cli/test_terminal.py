"""``tokenwire cat`` on a terminal, and where a terminal cannot show what comes."""

from __future__ import annotations

import io
import json
import os
import sys
import threading

import pytest
from tests.cli.conftest import SECONDS, Run, environment, run_here

from tokenwire.cli.exits import Exit

SURROGATE = b'data: {"token": "a\\ud83d\\u001b[31mb"}\n\ndata: [DONE]\n\n'

terminal = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


def on_terminal(*arguments: str, data: bytes = b"", **env: str) -> tuple[int, str]:
    """Run the command with a terminal as its output; give the code and what was shown."""
    master, slave = os.openpty()
    shown: list[bytes] = []

    def look() -> None:
        try:
            while part := os.read(master, 65536):
                shown.append(part)
        except OSError:  # EIO: the other side was closed
            pass

    looking = threading.Thread(target=look)
    looking.start()
    try:
        with open(slave, "wb", buffering=0) as screen:
            code = run_here(
                arguments, io.BytesIO(data), screen, screen, environment(COLUMNS="80", **env)
            )
    finally:
        looking.join(SECONDS)
        os.close(master)
    return code, b"".join(shown).decode().replace("\r\n", "\n")


@terminal
def test_text_ends_its_line() -> None:
    """The prompt must not stand after the answer."""
    assert on_terminal("cat", "-d", "sse", data=b"data: Hi\n\ndata: [DONE]\n\n") == (0, "Hi\n")


@terminal
def test_a_message_begins_its_line() -> None:
    code, shown = on_terminal("cat", "-d", "sse", data=b"data: Hi\n\n")
    assert code == Exit.TRUNCATED
    assert shown.startswith("Hi\ntokenwire: truncated: ")


@terminal
def test_a_service_cannot_send_control_characters() -> None:
    code, shown = on_terminal("cat", "-d", "positioned", data=SURROGATE)
    assert (code, shown) == (0, "a\\ud83d\\x1b[31mb\n")


@terminal
def test_events_have_colours_unless_they_are_not_wanted() -> None:
    body = b"data: Hi\n\ndata: [DONE]\n\n"
    _, coloured = on_terminal("cat", "-d", "sse", "--events", data=body)
    _, plain = on_terminal("cat", "-d", "sse", "--events", data=body, NO_COLOR="1")
    assert "\x1b[32mToken" in coloured
    assert plain == "Token        text='Hi'\nDone         reason='stop'\n"


@terminal
def test_standard_input_that_is_a_terminal_is_not_waited_for() -> None:
    master, slave = os.openpty()
    out, err = io.BytesIO(), io.BytesIO()
    try:
        with open(slave, "rb", buffering=0) as keyboard:
            code = run_here(["cat", "-d", "sse"], keyboard, out, err, environment())
    finally:
        os.close(master)
    assert code == Exit.USAGE
    assert b"name a URL or a file" in err.getvalue()


def test_a_file_gets_the_text_as_it_came(run: Run) -> None:
    """Only what UTF-8 has no bytes for is written as an escape."""
    done = run("cat", "-d", "positioned", data=SURROGATE)
    assert (done.returncode, done.stdout) == (0, b"a\\ud83d\x1b[31mb")


@pytest.mark.parametrize("form", [(), ("--events",)])
def test_an_ascii_terminal_gets_escapes(run: Run, form: tuple[str, ...]) -> None:
    body = "data: é📬\n\ndata: [DONE]\n\n".encode()
    done = run("cat", "-d", "sse", *form, data=body, PYTHONIOENCODING="ascii")
    assert (done.returncode, b"\\xe9\\U0001f4ec" in done.stdout) == (0, True)


def test_json_is_utf8_everywhere(run: Run) -> None:
    body = "data: é📬\n\ndata: [DONE]\n\n".encode()
    done = run("cat", "-d", "sse", "--json", data=body, PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout.splitlines()[0])["text"] == "é📬"


def test_json_can_say_a_lone_surrogate(run: Run) -> None:
    done = run("cat", "-d", "positioned", "--json", data=SURROGATE)
    assert json.loads(done.stdout.splitlines()[0])["text"] == "a\ud83d\x1b[31mb"


def test_a_message_stays_on_one_line(run: Run) -> None:
    """A service's words could else pass for lines of ours."""
    body = b'event: error\ndata: {"message": "no\\ntokenwire: all is well\\u001b[2J"}\n\n'
    done = run("cat", "-d", "sse", data=body)
    assert done.returncode == Exit.VENDOR
    assert done.stderr.startswith(b"tokenwire: vendor error: no tokenwire: all is well\\x1b[2J; 0")
    assert done.stderr.count(b"\n") == 1
