"""The laws of every dialect: held here once, by the kit that authors of dialects have."""

from __future__ import annotations

import pytest
from tests.dialects import test_assistant_transport, test_coze
from tests.effort import tries

from tokenwire import available_dialects, get_dialect
from tokenwire.testing import check_dialect

# Dialects that are only read say nothing of their own.
READ_ONLY = {
    "assistant-transport": [test_assistant_transport.WIRE],
    "coze": [test_coze.CHAT],
}


def test_whoever_cannot_write_gives_wire() -> None:
    assert [name for name in available_dialects() if not get_dialect(name).encoder] == [*READ_ONLY]


@pytest.mark.parametrize("name", available_dialects())
def test_every_dialect_holds_the_laws(name: str) -> None:
    """On answers of its own, cut anywhere and where its frames end, and on damaged ones."""
    wire = READ_ONLY.get(name, [])
    report = check_dialect(name, wire=wire, examples=tries(30), raises=False)
    assert report.ok, report
    # None of the laws had nothing to be held against.
    left_out = {law for law, count in report.checked.items() if not count}
    assert left_out <= ({"round trip"} if wire else {"truncation"} if name == "text" else set())
