"""The kit, as plugin authors have it, on every dialect of our own."""

from __future__ import annotations

import pytest

from tokenwire import available_dialects
from tokenwire.testing import check_dialect


@pytest.mark.once
@pytest.mark.parametrize("name", available_dialects())
def test_every_dialect_holds_the_laws(name: str) -> None:
    check_dialect(name, examples=15)
