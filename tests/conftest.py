"""How much is tried where: all on the main Python, and less of the same on the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# For `--hypothesis-profile light`, on the other Pythons.
settings.register_profile("light", settings.default, max_examples=20)

# On the main Python alone: real servers and clients in every combination, or a case for each file.
# What differs with the Python shows in the other tests of the adapters.
ONCE = {
    "event_source",
    "test_layers.py",
    "test_every_client.py",
    "test_bodies.py",
    "test_server.py",
}

# Coverage slows a test down threefold. What these try is not measured, or is brute force, which must
# not be what covers a line.
UNTRACED = {"adapters", "cli", "event_source", "faults", "test_docs.py", "test_laws.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        parts = item.path.relative_to(Path(__file__).parent).parts
        place = parts[0]
        if not ONCE.isdisjoint(parts):
            item.add_marker("once")
        if place in UNTRACED or item.get_closest_marker("once"):
            item.add_marker("no_cover")
