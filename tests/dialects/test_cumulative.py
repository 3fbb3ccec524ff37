"""Texts sent whole each time, and texts of which it must be found out."""

from __future__ import annotations

import pytest

from tokenwire import Event, Frame, Reset, Token
from tokenwire.dialects.kit.cumulative import Cumulative

FRAME = Frame(b"{}")


def read(texts: list[str], cumulative: bool | None) -> list[Event]:
    one = Cumulative(cumulative)
    return [event for text in texts for event in one.tokens(text, FRAME, index=1, part=2)]


def shown(events: list[Event]) -> str:
    text = ""
    for event in events:
        assert event.frame is FRAME
        match event:
            case Token(text=piece, index=1, part=2):
                assert piece
                text += piece
            case Reset(text=instead, index=1, part=2):
                text = instead
            case _:
                pytest.fail(f"{event!r} is neither a token nor a reset of this part")
    return text


@pytest.mark.parametrize(
    ("texts", "events"),
    [
        (["H", "Hi", "Hi!"], ["H", "i", "!"]),
        (["", "H", "", "H", "Hi", ""], ["H", "i"]),
        (["\ud83d", "\ud83dx", "\U0001f5fc"], ["\ud83d", "x", Reset(1, 2, "\U0001f5fc")]),
        (["Hello", "Hell", "Hell yes"], ["Hello", Reset(1, 2, "Hell"), " yes"]),
        (["Paris", "paris", "paris."], ["Paris", Reset(1, 2, "paris"), "."]),
        (["a" * 40, "b" + "a" * 40], ["a" * 40, Reset(1, 2, "b" + "a" * 40)]),
    ],
)
def test_whole_texts(texts: list[str], events: list[str | Event]) -> None:
    expected = [Token(one, 1, 2) if isinstance(one, str) else one for one in events]
    assert read(texts, True) == expected


def test_deltas_are_left_alone() -> None:
    texts = ["ha", "ha", "", "hahaha", "h"]
    assert read(texts, False) == [Token(text, 1, 2) for text in texts if text]


# --- finding out ---


@pytest.mark.parametrize(
    "texts",
    [
        ["", "1", "1,", "1, ", "1, 2", "1, 2", "1, 2, 3"],
        ["Yes", "Yes"],
        ["Let me see."] * 3 + ["Let me see. Yes", "Let me see. Yes, it is"],
        ["x"] * 20 + ["xy", "xyz", "xyz."],
        ["An answer that begins with many words at once"] * 2,
        ["a", "ab", "ab", "abc", "abcd"],
    ],
)
def test_whole_texts_are_found_out(texts: list[str]) -> None:
    """No token is taken back but where the service does it."""
    assert read(texts, None) == read(texts, True)
    assert shown(read(texts, None)) == texts[-1]


@pytest.mark.parametrize(
    ("texts", "resets"),
    [
        (["The", " capital", " of", " of", " France"], 0),
        (["The"], 0),
        (["ha", "h", "ha", "haha"], 0),
        (["ha", "ha", "!"], 1),
        (["ha", "haha", " he said", " he said it"], 1),
        ([" ", " ", "  ", "if", "if x"], 1),
        (["I", "I am a text that is longer than what comes by chance", "."], 1),
        (["A text that is longer than what comes by chance", "."], 0),
    ],
)
def test_deltas_are_found_out(texts: list[str], resets: int) -> None:
    """What was misread is put right, once."""
    events = read(texts, None)
    assert shown(events) == "".join(texts)
    assert sum(isinstance(event, Reset) for event in events) == resets


@pytest.mark.parametrize(
    ("texts", "known"),
    [
        (["a", "ab"], None),
        (["a", "ab", "abc"], True),
        (["a", "b"], False),
        (["a" * 32, "a" * 32], True),
        (["a" * 31, "a" * 31], None),
    ],
)
def test_what_is_known(texts: list[str], known: bool | None) -> None:
    one = Cumulative(None)
    for text in texts:
        one.read(text)
    assert one.cumulative is known


@pytest.mark.parametrize(
    ("texts", "cumulative", "puts_right", "next_one"),
    [
        ([], False, ("", False), ("hah", False)),
        (["ha"], False, ("", False), ("hah", False)),
        (["ha", "ha"], False, ("haha", True), ("hah", False)),
        (["h", "ha"], False, ("hha", True), ("hah", False)),
        (["ha", "ha"], True, ("", False), ("h", False)),
        (["ha"], True, ("", False), ("h", False)),
        (["no"], True, ("", False), ("hah", True)),
        (["a", "b"], True, ("", False), ("hah", False)),  # known by then
        (["", "h", "ha", "hahx"], False, ("", False), ("hah", True)),
    ],
)
def test_the_wire_may_tell_before_the_texts_do(
    texts: list[str], cumulative: bool, puts_right: tuple[str, bool], next_one: tuple[str, bool]
) -> None:
    one = Cumulative(None)
    for text in texts:
        one.read(text)
    assert one.settle(cumulative) == puts_right
    assert one.settle(not cumulative) == ("", False)
    assert one.read("hah") == next_one
