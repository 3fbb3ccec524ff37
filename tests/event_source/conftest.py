from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from tests.event_source.clients import CLIENTS, Client
from tests.event_source.source import HEAD, Endpoint, Source


@pytest.fixture(scope="package", autouse=True)
def cheap_collections() -> Iterator[None]:
    """What is there already need not be looked through again and again."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(params=CLIENTS, ids=lambda client: client.name, scope="package")
def client(request: pytest.FixtureRequest) -> Client:
    given: Client = request.param
    return given


@pytest.fixture(scope="package")
def source(client: Client) -> Iterator[Source]:
    """A server for all tests of one client, which must have closed its connections in the end."""
    source = Source()
    yield source
    gc.collect()
    source.close()


@pytest.fixture
def endpoint(source: Source) -> Endpoint:
    return source.endpoint(HEAD)
