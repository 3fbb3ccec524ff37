"""The test service for outside contract tests, as their harness uses it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest
import requests
from tests.event_source.clients import Client
from tests.event_source.service import CAPABILITIES, Service
from tests.event_source.source import PATIENCE, Endpoint, Source, response

from tokenwire.limits import DEFAULT_LIMITS


class Callbacks(ThreadingHTTPServer):
    """Takes what the service tells, with the number that it has in the address."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Callback)
        self.url = f"http://127.0.0.1:{self.server_port}/back"
        self._came: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.put = self._came.put
        self._taken = 0

    def take(self) -> Any:
        path, message = self._came.get(timeout=PATIENCE)
        self._taken += 1
        assert path == f"/back/{self._taken}"
        return message

    def event(self) -> tuple[str, str, str]:
        message = self.take()
        assert message["kind"] == "event"
        event = message["event"]
        return event["type"], event["data"], event["id"]


class _Callback(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Callbacks

    def log_message(self, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.put((self.path, msgspec.json.decode(body)))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()


def running(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with server:
        yield server
        server.shutdown()
        thread.join(PATIENCE)


@pytest.fixture(scope="module")
def service(client: Client) -> Iterator[Service]:
    yield from running(Service(client))


@pytest.fixture
def callbacks() -> Iterator[Callbacks]:
    yield from running(Callbacks())


@pytest.fixture
def harness() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def test_a_conversation(
    service: Service, callbacks: Callbacks, harness: requests.Session, endpoint: Endpoint
) -> None:
    url = f"http://127.0.0.1:{service.server_port}"
    assert harness.get(url).json()["capabilities"] == CAPABILITIES
    wanted = {
        "streamUrl": endpoint.url,
        "callbackUrl": callbacks.url,
        "initialDelayMs": 0,
        "readTimeoutMs": 300,
        "lastEventId": "abc",
        "method": "REPORT",
        "body": "{}",
        "headers": {"x-own": "1"},
    }
    created = harness.post(url, json=wanted)
    assert created.status_code == 201
    mine = url + created.headers["Location"]
    asked = endpoint.take()
    assert (asked.method, asked.body, asked.last_id) == ("REPORT", b"{}", b"abc")
    assert asked.fields["x-own"] == b"1"
    asked.send(b":hm\n", b"event: x\nid: 1\ndata: Hello\n\n")
    assert callbacks.take() == {"kind": "comment", "comment": "hm"}
    assert callbacks.event() == ("x", "Hello", "1")
    assert harness.post(mine, json={"command": "restart"}).status_code == 202
    asked = endpoint.take()
    asked.send(b"data: Thanks\n\n")
    assert callbacks.event() == ("message", "Thanks", "1")
    assert callbacks.take()["kind"] == "error"  # it was silent for too long
    assert endpoint.take().last_id == b"1"
    assert harness.post(mine, json={"command": "dance"}).status_code == 400
    assert harness.delete(mine).status_code == 204
    assert harness.delete(mine).status_code == 404


def test_what_fails_is_told(
    service: Service, callbacks: Callbacks, harness: requests.Session, source: Source
) -> None:
    url = f"http://127.0.0.1:{service.server_port}"
    endpoint = source.endpoint(response(301, "Location:"))
    created = harness.post(url, json={"streamUrl": endpoint.url, "callbackUrl": callbacks.url})
    assert callbacks.take()["kind"] == "error"
    assert len(endpoint.all) == 1
    assert harness.delete(url + created.headers["Location"]).status_code == 204


def test_payloads_beyond_the_default_limit(
    service: Service, callbacks: Callbacks, harness: requests.Session, endpoint: Endpoint
) -> None:
    """As it says that it can be stressed with, of up to 128 MiB."""
    url = f"http://127.0.0.1:{service.server_port}"
    created = harness.post(url, json={"streamUrl": endpoint.url, "callbackUrl": callbacks.url})
    data = "x" * (DEFAULT_LIMITS.max_event_size + 1)
    endpoint.take().send(f"data: {data}\n\n".encode())
    assert callbacks.event() == ("message", data, "")
    assert harness.delete(url + created.headers["Location"]).status_code == 204
