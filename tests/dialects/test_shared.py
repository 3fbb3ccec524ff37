"""What dialects share: JSON text, and keys for calls."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cuts import read_response

from tokenwire import Done, Token
from tokenwire.dialects.kit.errors import VendorError, read_error
from tokenwire.dialects.kit.numbered_calls import NumberedCalls
from tokenwire.dialects.kit.payloads import MAX_INDEX, json_text


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [({"a": 1}, '{"a":1}'), ("\ud83d", '"\\ud83d"'), (nested(100_000), "null")],
    ids=["plain", "half a surrogate", "too deep"],
)
def test_json_text(value: object, text: str) -> None:
    assert json_text(value) == text


def test_calls_are_numbered_in_order() -> None:
    calls = NumberedCalls()
    assert (calls.open("a"), calls.open(7)) == ("0", "1")
    assert calls.get("a") == "0"
    assert calls.close("a") == "0"
    assert calls.get("a") is None
    assert calls.close("a") is None
    assert calls.open("a") == "2"
    assert calls.close_all() == ["1", "2"]
    assert calls.close_all() == []


def test_calls_are_bounded_and_so_are_their_names() -> None:
    calls = NumberedCalls()
    long = "x" * 2**20
    assert calls.open(long) == calls.get(long)
    assert calls.get("x" * (2**20 - 1)) is None
    for number in range(MAX_INDEX - 1):
        assert not calls.full
        calls.open(number)
    assert calls.full


def test_text_of_any_content_type_is_text() -> None:
    said = read_response(
        [b" <p>", b"{x"], "text", headers={"Content-Type": "application/octet-stream"}
    )
    assert "".join(event.text for event in said if isinstance(event, Token)) == " <p>{x"
    assert isinstance(said[-1], Done)


def test_errors_in_errors_are_looked_into_only_so_deep() -> None:
    """A gateway puts an error into one of its own; no two dozen of them do."""
    error: object = {"message": "the innermost"}
    for _ in range(5):
        error = {"error": error}
    assert read_error(error) == VendorError("the innermost")
    for _ in range(20):
        error = {"error": error}
    assert read_error(error).message.count("error") == 16
