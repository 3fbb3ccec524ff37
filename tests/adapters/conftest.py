from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from tests.adapters.clients import CLIENTS, Client
from tests.adapters.live import LiveServer


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is on this machine, whatever proxies its user has."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(scope="package", autouse=True)
def cheap_collections() -> Iterator[None]:
    """What is there already, all modules above all, need not be looked through after each test."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def server(caplog: pytest.LogCaptureFixture) -> Iterator[LiveServer]:
    """A server; at the end every client must have closed its connections, in silence."""
    server = LiveServer()
    yield server
    gc.collect()  # what a test leaked complains now, and fails that test
    server.close()
    assert [record.getMessage() for record in caplog.get_records("call")] == []


@pytest.fixture(params=CLIENTS, ids=lambda client: client.name)
def client(request: pytest.FixtureRequest) -> Client:
    given: Client = request.param
    return given
