"""Is JSON in pieces whole? Against the json module, for every way to cut it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tokenwire.dialects.kit.json_balance import JSONBalance, is_whole

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
@settings(deadline=None)
def test_json_is_whole_and_none_of_its_prefixes_is(value: Any) -> None:
    text = json.dumps(value)
    assert is_whole(f" {text}\n")
    assert in_pieces(text)
    if text[0] in '{["':
        for at in range(1, len(text)):
            assert not is_whole(text[:at])
            assert not in_pieces(text[:at])
    assert not is_whole(f"{text} {json.dumps([value])}")


WHOLE = (
    *("", " \n", "{}", '{"a":1}', '[{"a":"}"}]', r'{"a":"\"\\"}', '{"a":"\n"}', '"a\\"b"'),
    *("null", "12", " true ", "-0.5e3", '{"a": [1, {"b": []}]} \n', "{a: 'odd, not cut'}"),
)
CUT = (
    *("{", '{"a', '{"a":1', "[1}", "{]", "}", '{"a":"\\"}', "nul", "{}{}", "{}x", '"a"1', "1{}"),
    *("city=Paris", "1" * 65, "[" * 501 + "]" * 501, '{"a":"b\\', "x{", '{}"', "[]]", "}{", "]["),
    *('{"a":1]', "{} 5", '""""', '"\\', "5[]", '{"a":' * 501 + "1" + "}" * 501),
)


def test_what_is_whole_is_so_however_it_is_cut() -> None:
    """Odd text inside of brackets is the model's mistake, not a cut."""
    for text in WHOLE:
        assert in_pieces(text), text
        for cut in range(len(text) + 1):
            balance = JSONBalance()
            balance.add(text[:cut])
            balance.add(text[cut:])
            assert balance.whole, text


def test_what_is_not_whole_is_not_however_it_is_cut() -> None:
    for text in CUT:
        assert not is_whole(text), text
        assert not in_pieces(text), text


def test_what_may_follow() -> None:
    """Nothing after a value that is closed; a value after some signs."""
    for text, closed, opened, may_open in (
        ("", False, False, True),
        ("{", False, True, False),
        ('{"a', False, True, False),
        ('{"a": ', False, True, True),
        ('{"a":"b:', False, True, False),
        ('{"a":[', False, True, True),
        ('{"a":1}\n', True, True, False),
        ('"a"', True, True, False),
        ("1", False, False, False),
        ("{}1", False, False, False),
    ):
        balance = JSONBalance()
        balance.add(text)
        assert (balance.closed, balance.opened, balance.may_open) == (closed, opened, may_open)


def test_a_backslash_may_be_the_last_of_a_piece_that_was_asked_about() -> None:
    """What is asked is read at once, so that the character it takes with it is in the next piece."""
    for rest, whole in (('""', True), ('"', False), ('n"', True), ('\\"', True)):
        balance = JSONBalance()
        balance.add('"a\\')
        assert not balance.whole
        balance.add(rest)
        assert balance.whole is whole, rest
