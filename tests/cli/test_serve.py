"""``tokenwire serve``: its signals and output in a process, its options in this one."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import httpx
import pytest
from tests.cli.conftest import SECONDS, Run, Start

from tokenwire.cli.exits import Exit
from tokenwire.testserver import Settings, server

posix = pytest.mark.skipif(sys.platform == "win32", reason="stops by signals on POSIX only")

Serve = Callable[..., tuple["Popen[bytes]", str]]


@pytest.fixture
def serve(start: Start) -> Serve:
    """Start a server and give it and its URL."""

    def serve(*arguments: str) -> tuple[Popen[bytes], str]:
        process = start("serve", "--port", "0", *arguments)
        assert process.stdout is not None
        return process, process.stdout.readline().decode().strip()

    return serve


@posix
def test_it_tells_its_url_and_stops(serve: Serve) -> None:
    process, url = serve()
    assert url.startswith("http://127.0.0.1:")
    assert httpx.get(f"{url}/sse", trust_env=False).status_code == 200
    process.send_signal(signal.SIGINT)
    out, log = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (Exit.COMPLETE, b"")
    assert b"/v1/chat/completions   openai-chat\n" in log
    assert b"GET /sse: 200, 149 tokens, complete\n" in log
    assert log.endswith(b"Stopping.\n")


@posix
def test_a_running_answer_comes_to_its_end(serve: Serve) -> None:
    """And a quiet server says nothing at all."""
    process, url = serve("--quiet")
    with (
        httpx.Client(trust_env=False) as client,
        client.stream("GET", f"{url}/sse?rate=50&text=1%202%203%204%205%206") as response,
    ):
        chunks = response.iter_bytes()
        body = next(chunks)
        process.send_signal(signal.SIGTERM)
        body += b"".join(chunks)
    assert body.endswith(b"data:  6\n\ndata: [DONE]\n\n")
    assert process.communicate(timeout=SECONDS) == (b"", b"")
    assert process.returncode == Exit.COMPLETE


@posix
def test_the_second_signal_does_not_wait(serve: Serve) -> None:
    process, url = serve()
    assert process.stderr is not None
    with (
        httpx.Client(trust_env=False) as client,
        client.stream("GET", f"{url}/sse?fail=stall") as response,
    ):
        chunks = response.iter_bytes()  # kept: without it httpx leaves the response
        next(chunks)
        process.send_signal(signal.SIGINT)
        while process.stderr.readline() != b"Stopping.\n":
            pass
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == Exit.COMPLETE


@pytest.fixture
def settings_of(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """What a command line asks of the server, which is not started."""
    asked: list[Settings] = []

    async def serve(settings: Settings, **_: object) -> None:
        asked.append(settings)

    monkeypatch.setattr(server, "serve", serve)

    def settings_of(*arguments: str) -> Settings:
        assert run("serve", *arguments).returncode == Exit.COMPLETE
        return asked.pop()

    return settings_of


def test_a_text_of_ones_own(settings_of: Callable[..., Settings], tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_bytes("Grüße,\r\nzwei Zeilen".encode())
    assert settings_of("--text", str(file)).text == "Grüße,\r\nzwei Zeilen"


def test_options_are_the_settings(settings_of: Callable[..., Settings]) -> None:
    assert settings_of() == Settings()
    given = "--rate 3 --cut random --seed 3 --fail truncate --after 2 --fail-rate 0.5"
    given += " --fail-times 1 --delay 0 --retry-after 0 --crlf --ids --replay inclusive"
    assert settings_of(*given.split()) == Settings(
        rate=3,
        cut="random",
        seed=3,
        fail="truncate",
        after=2,
        fail_rate=0.5,
        fail_times=1,
        delay=0,
        retry_after=0,
        crlf=True,
        ids=True,
        replay="inclusive",
    )


def test_others_are_let_in_with_a_warning_only(
    run: Run, settings_of: Callable[..., Settings]
) -> None:
    warning = b"warning: %s is not loopback"
    for host in ("0.0.0.0", "example.com"):
        assert run("serve", "--host", host).stderr.startswith(warning % host.encode())
    for host in ("localhost", "127.0.0.2", "::1"):
        assert run("serve", "--host", host).stderr == b""


def test_a_taken_port(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--port", str(port))
    assert (done.returncode, done.stdout) == (Exit.FAILED, b"")
    assert f"cannot listen on 127.0.0.1 port {port}: ".encode() in done.stderr
    assert b"--port" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--text", "no/such/file"], "cannot read no/such/file"),
        (["--rate", "-1"], "rate must be 0 or more"),
        (["--rate", "nan"], "rate must be 0 or more"),
        (["--after", "-1"], "after must be 0 or more"),
        (["--cut", "fine"], "--cut"),
        (["--fail", "often"], "--fail"),
        (["--port", "70000"], "--port"),
    ],
)
def test_wrong_options(run: Run, arguments: list[str], said: str) -> None:
    done = run("serve", *arguments)
    assert done.returncode == Exit.USAGE
    assert said in done.stderr.decode()


def test_a_text_that_is_none(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_bytes(b"\xff")
    done = run("serve", "--text", str(file))
    assert (done.returncode, b"is not UTF-8" in done.stderr) == (Exit.USAGE, True)
