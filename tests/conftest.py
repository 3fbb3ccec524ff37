"""How much is tried where: all on the main Python, and less of the same on the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# For `--hypothesis-profile light`, on the other Pythons.
settings.register_profile("light", settings.default, max_examples=20)

# Coverage slows a test down threefold. What these try is not measured, or is brute force, which must
# not be what covers a line.
UNTRACED = {"adapters", "cli", "event_source", "faults", "test_docs.py", "test_laws.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        place = item.path.relative_to(Path(__file__).parent).parts[0]
        if place in UNTRACED or item.get_closest_marker("once"):
            item.add_marker("no_cover")
