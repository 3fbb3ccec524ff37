"""Sets how much is tried, before any test module is read."""

from __future__ import annotations

from tests import effort  # noqa: F401
