"""How much is tried where: all on the main Python, and less of the same on the others."""

from __future__ import annotations

import pytest
from hypothesis import is_hypothesis_test, settings

# For `--hypothesis-profile light`, on the other Pythons.
settings.register_profile("light", settings.default, max_examples=20)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Cases with names must cover the code: luck and brute force prove nothing, and slowly."""
    for item in items:
        if item.get_closest_marker("once") or is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("no_cover")
