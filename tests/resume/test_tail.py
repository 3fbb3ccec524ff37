"""`Tail`: what came after the last place is left out when it comes again, and nothing else is."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tokenwire.events import Data, Done, Event, Finished, Reasoning, Token, ToolCall, Usage
from tokenwire.resume.replay import MAX_HELD
from tokenwire.resume.tail import Tail


def tail(*delivered: Event, head: tuple[Event, ...] = ()) -> Tail:
    """On a new connection, after these."""
    made = Tail()
    for event in head:
        made.begin(event)
    for event in delivered:
        made.add(event)
    made.reconnected(asked_for_all=False)
    return made


def received(made: Tail, *events: Event) -> list[Event] | None:
    found: list[Event] = []
    for event in events:
        new = made.receive(event)
        if new is None:
            return None
        found += new
    return found


CALL = ToolCall("0", id="c", name="look", arguments="{")
IMAGE = Data("image", {"url": "x"})
USAGE = Usage(output_tokens=3)
SIGNED = Reasoning("", signature="s")


@pytest.mark.parametrize(
    ("delivered", "again", "new"),
    [
        ([], [Token("a")], [Token("a")]),
        ([Token("a"), Token("b")], [Token("a"), Token("b"), Token("c")], [Token("c")]),
        ([Token("a"), Token("b")], [Token("abc")], [Token("c")]),
        ([Token("abc")], [Token("a"), Token("b"), Token("c"), Token("c")], [Token("c")]),
        (
            [Token("a"), Reasoning("b")],
            [Token("a"), Reasoning("bc"), Token("d")],
            [Reasoning("c"), Token("d")],
        ),
        ([CALL], [CALL, ToolCall("0", arguments="}")], [ToolCall("0", arguments="}")]),
        (
            [CALL],
            [ToolCall("0", id="c", name="look", arguments="{}")],
            [ToolCall("0", arguments="}")],
        ),
        ([IMAGE, USAGE], [IMAGE, USAGE, USAGE], [USAGE]),
        ([SIGNED], [SIGNED, Token("a")], [Token("a")]),
        ([Finished(0, "stop")], [Finished(0, "stop"), Done("stop")], [Done("stop")]),
    ],
)
def test_what_is_new(delivered: list[Event], again: list[Event], new: list[Event]) -> None:
    assert received(tail(*delivered), *again) == new


@pytest.mark.parametrize(
    ("delivered", "again"),
    [
        ([Token("a")], [Token("b")]),
        ([Token("ab")], [Token("a"), Token("c")]),
        ([Token("a")], [Token("a", part=1)]),
        ([Token("a")], [Reasoning("a")]),
        ([Token("a"), Token("b")], [Token("a"), Done("stop")]),
        ([IMAGE], [Data("image", {"url": "y"})]),
        ([Usage(output_tokens=3)], [Usage(output_tokens=4)]),
        ([CALL], [ToolCall("0", id="c", name="book", arguments="{")]),
        ([SIGNED], [Reasoning("", signature="t")]),
    ],
)
def test_what_differs(delivered: list[Event], again: list[Event]) -> None:
    assert received(tail(*delivered), *again) is None


def test_values_that_are_nested_as_deep_as_can_be_read() -> None:
    """To write them takes as many steps as to read them did, and a few more were taken since."""
    deep: Any = 1
    for _ in range(sys.getrecursionlimit() + 100):
        deep = [deep]
    tail = Tail()
    tail.add(Data("search", deep))
    tail.reconnected(asked_for_all=False)
    assert tail.receive(Data("search", deep)) == []
    assert tail.receive(Token("a")) == [Token("a")]


def test_a_second_break_before_all_was_said_again() -> None:
    made = tail(Token("ab"))
    assert received(made, Token("a")) == []
    assert made.pending
    made.reconnected(asked_for_all=False)
    assert received(made, Token("abc")) == [Token("c")]
    made.add(Token("c"))
    made.reconnected(asked_for_all=False)
    assert received(made, Token("abcd")) == [Token("d")]


def test_after_the_next_place_nothing_is_expected() -> None:
    made = tail(Token("ab"))
    made.cursor_moved()
    made.reconnected(asked_for_all=False)
    assert received(made, Token("c")) == [Token("c")]


# --- streams that name no place at their beginning ---

HEAD = (Token("a"), Token("b"))


def test_the_beginning_once_more_is_known_by_the_first_place() -> None:
    made = tail(Token("a"), head=HEAD)
    assert received(made, *HEAD) == []
    assert made.pending
    made.rewind()  # an old place was named
    assert received(made, Token("ac")) == [Token("c")]


def test_what_begins_as_the_beginning_did() -> None:
    made = tail(Token("a"), head=HEAD)
    assert received(made, Token("a")) == []
    made.place_named()  # a new one
    assert received(made, Token("b")) == [Token("b")]


def test_what_may_be_another_beginning_is_held_until_a_name_tells() -> None:
    made = tail(head=HEAD)
    assert received(made, Token("x"), Token("y"), Token("z")) == []
    made.place_named()
    assert received(made, Token("!")) == [Token("x"), Token("y"), Token("z"), Token("!")]
    other = tail(head=HEAD)
    assert received(other, Token("x")) == []
    other.rewind()  # the name was an old one: that was before it
    assert received(other, Token("!")) == [Token("!")]


def test_an_answer_that_ends_first_is_no_beginning() -> None:
    assert received(tail(Token("a"), head=HEAD), Token("a"), Done("stop")) == [Done("stop")]


def test_what_was_asked_for_from_its_beginning_is_not_held() -> None:
    made = tail(Token("a"), head=HEAD)
    made.reconnected(asked_for_all=True)
    assert received(made, Token("ab")) == [Token("b")]


def test_what_is_held_is_bounded() -> None:
    made = tail(head=(Token("a" * 3 * MAX_HELD),))
    held = [Token("a")] * MAX_HELD
    assert received(made, *held) == []
    assert received(made, Token("a")) == [*held, Token("a")]
