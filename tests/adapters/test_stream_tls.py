"""Ending a read over TLS from another thread: no byte of the cipher may pass for the answer."""

from __future__ import annotations

import ssl
import threading
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
import requests
from tests.adapters import test_h11_tls as tls
from tests.adapters.live import LiveServer, Peer, answer, chunk, head

from tokenwire import Done, Error, Token
from tokenwire.adapters import httpx as httpx_adapter
from tokenwire.adapters import requests as requests_adapter
from tokenwire.resume import Deadlines, RetryPolicy

HELLO = b'data: {"token": "Hello", "position": 0}\n\n'
CHUNKED = head("Content-Type: text/event-stream", "Transfer-Encoding: chunked")

certificate, tls_server, trust = tls.certificate, tls.tls_server, tls.trust

pytestmark = [
    pytest.mark.skipif(tls.OPENSSL is None, reason="openssl is there to make a certificate with"),
    pytest.mark.parametrize("client", ["httpx", "httpx2", "requests"]),
]


def open_client(name: str, trust: ssl.SSLContext, certificate: Path) -> tuple[Any, Any]:
    """A client, and what asks with it."""
    if name == "requests":
        session = requests.Session()
        session.trust_env = False
        session.verify = str(certificate)
        return session, requests_adapter.stream
    module: Any = httpx if name == "httpx" else httpx2
    return module.Client(trust_env=False, verify=trust), httpx_adapter.stream


@pytest.mark.parametrize("body", ["chunked", "close"])
@pytest.mark.parametrize("by", ["cancel", "clock"])
def test_ended_while_it_reads(
    client: str, by: str, body: str, tls_server: LiveServer, trust: Any, certificate: Path
) -> None:
    def silent(peer: Peer) -> None:
        if body == "chunked":
            peer.send(CHUNKED + chunk(HELLO))
        else:
            peer.send(head("Content-Type: text/event-stream", "Connection: close") + HELLO)
        peer.wait_for_leaving()

    opened, ask = open_client(client, trust, certificate)
    deadlines = Deadlines(progress=0.1) if by == "clock" else Deadlines()
    with (
        opened,
        ask(
            opened,
            "POST",
            tls_server.play(silent),
            json={},
            dialect="positioned",
            deadlines=deadlines,
            retry=RetryPolicy(max_attempts=0),
            errors="yield",
        ) as answered,
    ):
        assert next(answered) == Token("Hello")
        if by == "cancel":
            threading.Timer(0.05, answered.cancel).start()
            assert list(answered) == []
        else:
            (error,) = answered
            assert isinstance(error, Error)
            assert error.kind == "timeout"
            assert "Deadlines.progress" in error.message
        tls_server.wait_until_left()


def test_a_whole_answer(client: str, tls_server: LiveServer, trust: Any, certificate: Path) -> None:
    opened, ask = open_client(client, trust, certificate)
    url = tls_server.send(*answer([HELLO, b"data: [DONE]\n\n"]))
    with opened, ask(opened, "POST", url, json={}, dialect="positioned") as answered:
        assert list(answered) == [Token("Hello"), Done("stop")]
