"""Is JSON in pieces whole? Against the json module, for every way to cut it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire.dialects.json_balance import JSONBalance, is_whole

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | st.text('{}[]"\\ a', max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('"\\{a'), inner, max_size=3)
    ),
)


def in_pieces(text: str) -> bool:
    balance = JSONBalance()
    for piece in text:
        balance.add(piece)
        balance.add("")
    return balance.whole


@given(VALUES)
def test_json_is_whole_and_none_of_its_prefixes_is(value: Any) -> None:
    text = json.dumps(value)
    assert is_whole(f" {text}\n")
    assert in_pieces(text)
    if text[0] in '{["':
        for at in range(1, len(text)):
            assert not is_whole(text[:at])
            assert not in_pieces(text[:at])
    assert not is_whole(f"{text} {json.dumps([value])}")


@pytest.mark.parametrize(
    "text", ["}", "}{", "][", '{"a":1]', "[1}", "{}{}", "{} 5", '{}"', '"a""b"', "5[]", '"\\']
)
def test_what_is_no_whole_value(text: str) -> None:
    assert not is_whole(text)
    assert not in_pieces(text)


def test_no_arguments_at_all_are_whole() -> None:
    assert is_whole("")
    assert is_whole(" ")
    assert JSONBalance().whole
