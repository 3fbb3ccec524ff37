"""``tokenwire serve`` as a process."""

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
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_tells_its_url_and_stops(serve: Serve, number: int) -> None:
    process, url = serve()
    assert url.startswith("http://127.0.0.1:")
    assert httpx.get(f"{url}/sse", trust_env=False).status_code == 200
    process.send_signal(number)
    out, log = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (Exit.COMPLETE, b"")
    assert b"/v1/chat/completions   openai-chat\n" in log
    assert b"GET /sse: 200, 149 tokens, complete\n" in log
    assert log.endswith(b"Stopping.\n")


@posix
def test_a_running_answer_comes_to_its_end(serve: Serve) -> None:
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
    assert process.wait(SECONDS) == Exit.COMPLETE


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


def test_a_text_of_ones_own(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_bytes("Grüße,\r\nzwei Zeilen".encode())
    _, url = serve("--text", str(file), "--cut", "byte")
    body = httpx.get(f"{url}/jsonl", trust_env=False).text
    assert (
        "".join(body.split('{"text":"'))
        == 'Grüße"}\n,"}\n\\r"}\n\\nzwei"}\n Zeilen"}\n{"done":true}\n'
    )


def test_options_are_the_settings(serve: Serve) -> None:
    _, url = serve("--fail", "truncate", "--after", "2", "--crlf", "--seed", "3", "--cut", "random")
    assert (
        httpx.get(f"{url}/sse", trust_env=False).content == b"data: A\r\n\r\ndata:  stream\r\n\r\n"
    )


def test_quiet(serve: Serve) -> None:
    process, url = serve("-q")
    httpx.get(f"{url}/sse", trust_env=False)
    process.terminate()
    assert process.communicate(timeout=SECONDS)[1] == b""


def test_a_taken_port(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--port", str(port))
    assert (done.returncode, done.stdout) == (Exit.FAILED, b"")
    assert f"cannot listen on 127.0.0.1 port {port}: ".encode() in done.stderr
    assert b"--port" in done.stderr


def test_others_are_let_in_with_a_warning_only(start: Start) -> None:
    process = start("serve", "--port", "0", "--host", "0.0.0.0")
    assert process.stderr is not None
    assert process.stderr.readline().startswith(b"warning: 0.0.0.0 is not loopback")


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
