"""The kit, as plugin authors have it, on every dialect of our own."""

from __future__ import annotations

import pytest

from tokenwire import available_dialects, get_dialect
from tokenwire.testing import check_dialect


@pytest.mark.once
@pytest.mark.parametrize("name", available_dialects())
def test_every_dialect_holds_the_laws(name: str) -> None:
    if get_dialect(name).encoder is None:
        pytest.skip("it is read only: its own tests give the kit some wire")
    report = check_dialect(name, examples=15, raises=False)
    assert report.ok, report
