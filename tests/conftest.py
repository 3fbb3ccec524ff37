"""How much is tried where: all on the main Python, and less of the same on the others."""

from __future__ import annotations

import pytest
from hypothesis import settings

# For `--hypothesis-profile light`, on the other Pythons.
settings.register_profile("light", settings.default, max_examples=20)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Brute force is slow under coverage, and must not be what covers a line."""
    for item in items:
        if item.get_closest_marker("once") or item.path.name == "test_laws.py":
            item.add_marker("no_cover")
