"""Texts told in pieces, and the wholes that come later."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire.dialects.kit.pieces import Pieces, Room


def said(*pieces: str, room: int = 1000) -> Pieces:
    text = Pieces(Room(room))
    for piece in pieces:
        text.add(piece)
    return text


@pytest.mark.parametrize(
    ("pieces", "whole", "rest", "agreement"),
    [
        (("a", "bc"), "abcd", "d", 1),
        (("a", "bc"), "abc", "", 2),
        (("a", "bc"), "ab", "", 1),
        (("a", "bc"), "", "", 1),
        ((" a", "bc\n"), "abc", "", 1),
        (("a", "bc"), "abd", None, 0),
        (("a", "bc"), "xbc", None, 0),
        (("a", "", "bc"), "ab", "", 1),
        (("a" * 100,), "b", None, 0),
        ((), "abc", "abc", 0),
    ],
)
def test_what_of_a_whole_is_news(
    pieces: tuple[str, ...], whole: str, rest: str | None, agreement: int
) -> None:
    text = said(*pieces)
    assert text.rest_of(whole) == rest
    assert text.agreement(whole) == agreement


@given(st.lists(st.text(min_size=1), max_size=200), st.text())
def test_however_many_pieces(pieces: list[str], tail: str) -> None:
    whole = "".join(pieces)
    text = said(*pieces, room=10**6)
    assert text.rest_of(whole + tail) == tail
    assert text.text() == whole
    assert text.rest_of(whole + tail) == tail


def test_memory_is_bounded_and_then_nothing_is_compared() -> None:
    room = Room(1000)
    first, second = Pieces(room), Pieces(room)
    first.add("a" * 600)
    second.add("b" * 600)
    assert first.rest_of("x") is None
    assert (second.rest_of("x"), second.text()) == ("", "")
    assert (first.kept, second.kept) == (True, False)
    late = said("abc", room=2)
    assert (late.rest_of("abcd"), late.kept) == ("", False)
    for _ in range(1000):
        second.add("c")
    assert second.length == 1600
