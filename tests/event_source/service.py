"""A test service for the contract tests of event sources that LaunchDarkly publishes.

    python tests/event_source/service.py --client aiohttp --port 8000

Their harness, ``sse-contract-tests --url http://127.0.0.1:8000``, asks it to listen to sources of
its own, by any client of `tests.event_source.clients`, and is told what came.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.event_source.clients import CLIENTS, Client, Listening

from tokenwire import (
    Data,
    Deadlines,
    Error,
    Event,
    Heartbeat,
    Limits,
    Reconnecting,
    RetryPolicy,
)

CAPABILITIES = [
    "204",
    "bom",
    "comments",
    "empty-or-missing-location",
    "headers",
    "last-event-id",
    "payload-size-stress-testable",
    "post",
    "read-timeout",
    "report",
    "restart",
]

# The largest payload that the harness sends has 128 MiB, and a byte more.
LIMITS = Limits(max_event_size=256 * 1024 * 1024)


def asked(wanted: dict[str, Any]) -> dict[str, Any]:
    """The arguments of ``stream`` for what the harness wants."""
    options: dict[str, Any] = {
        "headers": dict(wanted.get("headers") or {}),
        "limits": LIMITS,
        "errors": "yield",
    }
    if wanted.get("lastEventId"):
        options["headers"]["Last-Event-ID"] = wanted["lastEventId"]
    if wanted.get("body"):
        options["content"] = wanted["body"].encode()
    if wanted.get("initialDelayMs") is not None:
        delay = wanted["initialDelayMs"] / 1000
        options["retry"] = RetryPolicy(initial_delay=delay, max_attempts=None)
    if wanted.get("readTimeoutMs") is not None:
        idle = wanted["readTimeoutMs"] / 1000
        options["deadlines"] = Deadlines(idle=idle, first_token=None, progress=None)
    return options


def told(event: Event) -> dict[str, Any] | None:
    """An event in the words of the harness."""
    match event:
        case Data(kind=kind, value=data, frame=frame):
            said = {"type": kind, "data": data, "id": (frame and frame.id) or ""}
            return {"kind": "event", "event": said}
        case Heartbeat(text=text, frame=frame) if frame and frame.comment is not None:
            return {"kind": "comment", "comment": text}
        case Error() | Reconnecting(cause=Error()):
            return {"kind": "error", "comment": str(event)}
        case _:  # a restart that it wanted itself, or an id without an event
            return None


class Listener:
    """One event source that the harness wants to be listened to."""

    def __init__(self, client: Client, wanted: dict[str, Any]) -> None:
        self._begun = threading.Event()
        self._gone = threading.Event()
        self._listening: Listening
        self._thread = threading.Thread(target=self._listen, args=(client, wanted), daemon=True)
        self._thread.start()
        self._begun.wait()

    def _listen(self, client: Client, wanted: dict[str, Any]) -> None:
        with client.listen(
            wanted["streamUrl"], wanted.get("method") or "GET", **asked(wanted)
        ) as self._listening:
            self._begun.set()
            place = urlsplit(wanted["callbackUrl"])
            harness = http.client.HTTPConnection(place.hostname or "", place.port)
            number = count(1)
            while (event := self._listening.came.get()) is not None:
                message = told(event) if isinstance(event, Event) else {"kind": "error"}
                if message is not None and not self._gone.is_set():
                    harness.request(
                        "POST",
                        f"{place.path}/{next(number)}",
                        json.dumps(message),
                        {"Content-Type": "application/json"},
                    )
                    harness.getresponse().read()
            harness.close()

    def restart(self) -> None:
        self._listening.answer.restart()

    def close(self) -> None:
        self._gone.set()
        self._listening.answer.cancel()
        self._thread.join()


class Service(ThreadingHTTPServer):
    """Listens to event sources by this client, until it is told to stop."""

    daemon_threads = True

    def __init__(self, client: Client, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Request)
        self.client = client
        self.listeners: dict[str, Listener] = {}
        self.number = count(1)


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def log_message(self, *args: object) -> None:
        pass

    def _answer(self, status: int, body: bytes = b"", **fields: str) -> None:
        self.send_response(status)
        for name, value in {**fields, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        described = {"name": self.server.client.name, "capabilities": CAPABILITIES}
        self._answer(200, json.dumps(described).encode())

    def do_POST(self) -> None:
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/":
            place = f"/{next(self.server.number)}"
            self.server.listeners[place] = Listener(self.server.client, wanted)
            self._answer(201, Location=place)
        elif self.path not in self.server.listeners:
            self._answer(404)
        elif wanted["command"] == "restart":
            self.server.listeners[self.path].restart()
            self._answer(202)
        else:
            self._answer(400)

    def do_DELETE(self) -> None:
        if self.path == "/":
            self._answer(204)
            threading.Thread(target=self.server.shutdown).start()
        elif (listener := self.server.listeners.pop(self.path, None)) is not None:
            listener.close()
            self._answer(204)
        else:
            self._answer(404)


def main() -> None:
    clients = {client.name: client for client in CLIENTS}
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--client", choices=clients, default="httpx")
    arguments.add_argument("--port", type=int, default=8000)
    given = arguments.parse_args()
    with Service(clients[given.client], given.port) as service:
        service.serve_forever()


if __name__ == "__main__":
    main()
