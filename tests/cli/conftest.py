"""The command, in this process and in one of its own, and a real server to speak with."""

from __future__ import annotations

import io
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import BinaryIO

import httpx
import pytest
from msgspec import Struct

from tokenwire import cli
from tokenwire.testserver import Settings, running_server

COMMAND = [sys.executable, "-m", "tokenwire"]
SECONDS = 60
"""For what must come: only a failing test waits so long."""

Run = Callable[..., subprocess.CompletedProcess[bytes]]
Start = Callable[..., "subprocess.Popen[bytes]"]


def environment(**more: str) -> dict[str, str]:
    """The environment without what would change the output or the way to loopback."""
    dropped = {"no_color", "force_color", "columns", "lines", "tty_compatible", "pythonioencoding"}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.lower() not in dropped and not name.lower().endswith("_proxy")
    }
    return {**kept, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", **more}


def run_here(
    arguments: Sequence[str],
    given: BinaryIO,
    out: BinaryIO,
    err: BinaryIO,
    env: Mapping[str, str],
) -> int:
    """Run the command to its end in this process, with these streams and this environment."""
    encoding = env.get("PYTHONIOENCODING", "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ.keys() - env.keys():
            patch.delenv(name)
        for name, value in env.items():
            patch.setenv(name, value)
        opened: list[io.TextIOWrapper] = []
        for name, stream in (("stdin", given), ("stdout", out), ("stderr", err)):
            opened.append(io.TextIOWrapper(stream, encoding, newline="", write_through=True))
            patch.setattr(sys, name, opened[-1])
        try:
            return cli.main(arguments)
        finally:
            for text in opened:
                if not text.closed:  # as standard input is that was read to its end
                    text.detach()


@pytest.fixture
def run() -> Run:
    """Run the command to its end, in this process."""

    def run(*arguments: str, data: bytes = b"", **env: str) -> subprocess.CompletedProcess[bytes]:
        out, err = io.BytesIO(), io.BytesIO()
        code = run_here(arguments, io.BytesIO(data), out, err, environment(**env))
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def start() -> Iterator[Start]:
    """Start the command and go on; it is killed at the end of the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str, **env: str) -> subprocess.Popen[bytes]:
        # A shell's background jobs, and all that they start, would ignore Ctrl-C.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            process = subprocess.Popen(
                [*COMMAND, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment(**env),
            )
        finally:
            signal.signal(signal.SIGINT, before)
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.kill()


class Served(Struct):
    """A running server: its URL, and the lines of its log as they come."""

    url: str
    log: queue.SimpleQueue[str]

    def next_line(self) -> str:
        return self.log.get(timeout=SECONDS)


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """A server for tests that look only at what it answers."""
    with running_server() as url:
        yield url


@pytest.fixture
def served() -> Iterator[Served]:
    """A server of one's own, with its log."""
    log: queue.SimpleQueue[str] = queue.SimpleQueue()
    with running_server(Settings(text="one two three four five six seven"), log=log.put) as url:
        yield Served(url, log)


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=SECONDS) as client:
        yield client


@pytest.fixture
def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Recorder:
    """A server that keeps the requests it gets and answers all alike."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.status = 200
        self.headers = {"content-type": "text/event-stream"}
        self.body = b"data: hello\n\ndata: [DONE]\n\n"
        self.url = ""


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("content-length", 0))
            named = {name.lower(): value for name, value in self.headers.items()}
            recorder.requests.append((self.command, self.path, named, self.rfile.read(length)))
            self.send_response(recorder.status)
            for name, value in recorder.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(recorder.body)

        do_POST = do_PUT = do_GET  # noqa: N815  # names that the base class asks for

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        recorder.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield recorder
        finally:
            server.shutdown()
            thread.join()
