"""Events as values."""

from __future__ import annotations

import pytest

from tokenwire import (
    Cursor,
    Data,
    Done,
    Error,
    Frame,
    Limits,
    Recovery,
    StreamError,
    Token,
    ToolCall,
    Usage,
)


def test_two_events_are_equal_when_they_say_the_same() -> None:
    assert Token("a") == Token("a", 0, 0)
    assert Token("a", frame=Frame(b"1")) == Token("a", frame=Frame(b"2"))
    assert Token("a") != Token("b")
    assert Token("a") != Token("a", 1)
    assert Token("a") != "a"
    assert not (Token("a") != Token("a"))  # noqa: SIM202
    assert hash(Token("a", frame=Frame(b"1"))) == hash(Token("a"))
    assert len({Token("a"), Token("a"), Done("stop"), Done("length")}) == 3


def test_events_of_different_classes_differ() -> None:
    assert Data("a") != Token("a")


def test_an_event_with_an_unhashable_value_says_so() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Data("json", {"a": 1}))


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (Token("Hi"), "Token(text='Hi')"),
        (Token("Hi", 1, frame=Frame(b"x")), "Token(text='Hi', index=1)"),
        (ToolCall("k", complete=True), "ToolCall(key='k', complete=True)"),
        (Usage(), "Usage()"),
        (Done("stop"), "Done(reason='stop')"),
    ],
    ids=repr,
)
def test_repr_shows_what_is_said(event: object, shown: str) -> None:
    assert repr(event) == shown


def test_events_are_immutable() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        Token("a").text = "b"  # type: ignore[misc]


def test_events_match_by_class() -> None:
    match Token("Hi", 2):
        case Token(text, index):
            assert (text, index) == ("Hi", 2)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Error("truncated", "cut"), "truncated error: cut"),
        (Error("http", "slow down", "rate", 429), "http error (HTTP 429, rate): slow down"),
        (Error("vendor", "no", "bad"), "vendor error (bad): no"),
    ],
)
def test_an_error_reads_as_a_sentence(error: Error, said: str) -> None:
    assert str(error) == said
    raised = StreamError(error)
    assert str(raised) == said
    assert raised.event is error
    assert error.recovery is Recovery.FATAL


def test_frame_text_replaces_bad_utf8() -> None:
    assert Frame(b"a\xffb").text == "a\ufffdb"
    assert Frame().text == ""


def test_cursor_is_a_value() -> None:
    assert Cursor("position", 3) == Cursor("position", 3)
    assert Cursor().value is None


@pytest.mark.parametrize("value", [0, -1, 1.5, "1", True, None])
@pytest.mark.parametrize("name", ["max_event_size", "max_error_body", "max_undrained"])
def test_limits_are_positive_whole_numbers(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"Limits.{name} must be a positive number of bytes"):
        Limits(**{name: value})  # type: ignore[arg-type]
