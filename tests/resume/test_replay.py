"""`Replay`: what is said again in the same way is left out; what differs takes the old back."""

from __future__ import annotations

import pytest

from tokenwire.events import (
    Data,
    Done,
    Event,
    Finished,
    Heartbeat,
    Reasoning,
    Refusal,
    Reset,
    Started,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.resume import replay
from tokenwire.resume.replay import NOTHING, Digest, Replay

CALL = ToolCall("0", id="a", name="look")


def digest(*events: Event) -> Digest:
    made = Digest()
    for event in events:
        made.add(event)
    return made


def new(before: list[Event], *again: Event) -> list[Event]:
    made = Replay(digest(*before))
    return [told for event in again for told in made.receive(event)]


@pytest.mark.parametrize(
    ("before", "again", "expected"),
    [
        ([Token("one ")], [Token("on"), Token("e "), Token("two")], [Token("two")]),
        ([Token("on")], [Token("one")], [Token("e")]),
        ([Token("o"), Token("n")], [Token("on"), Done("stop")], [Done("stop")]),
        ([], [Started("x"), Token("a")], [Started("x"), Token("a")]),
        (
            [Token("a")],
            [Started("x"), Usage(input_tokens=1), Token("ab")],
            [Usage(input_tokens=1), Token("b")],
        ),
        ([Token("a")], [Heartbeat("hm"), Token("a")], [Heartbeat("hm")]),
        ([Token("a")], [Unknown(), Token("ab")], [Unknown(), Token("b")]),
        ([Reasoning("hm"), Token("a")], [Reasoning("hm"), Token("ab")], [Token("b")]),
        ([Reasoning("hm")], [Reasoning("hmm"), Token("a")], [Reasoning("m"), Token("a")]),
        ([Refusal("no")], [Refusal("no, "), Refusal("no")], [Refusal(", "), Refusal("no")]),
        ([Data("image", 1), Token("a")], [Data("image", 1), Token("ab")], [Token("b")]),
        ([Data("timings", 1), Token("a")], [Data("timings", 2), Token("ab")], [Token("b")]),
        ([Data("odd", 1j), Token("a")], [Data("odd", 1j), Token("ab")], [Token("b")]),
        (
            [Reasoning("hm", signature="s"), Token("a")],
            [Reasoning("h"), Reasoning("m", signature="s"), Token("ab")],
            [Token("b")],
        ),
        (
            [Reasoning("h")],
            [Reasoning("hm", signature="s"), Reasoning("", signature="t")],
            [Reasoning("m", signature="s"), Reasoning("", signature="t")],
        ),
        (
            [Reasoning("hm")],
            [Reasoning("hm", signature="s"), Token("a")],
            [Reasoning("", signature="s"), Token("a")],
        ),
        ([Data("image", 1)], [Data("image", 1), Data("image", 2)], [Data("image", 2)]),
        ([Token("a", 0), Token("b", 1)], [Token("bc", 1), Token("a", 0)], [Token("c", 1)]),
    ],
)
def test_an_equal_beginning_is_left_out(
    before: list[Event], again: list[Event], expected: list[Event]
) -> None:
    assert new(before, *again) == expected


@pytest.mark.parametrize(
    ("before", "again"),
    [
        ([Token("one ")], [Token("two "), Token("three")]),
        ([Token("one ")], [Token("on"), Token("x"), Token("y")]),
        ([Token("one two")], [Token("one"), Finished(0, "stop"), Done("stop")]),
        ([Token("one two")], [Token("one"), Done("stop")]),
        ([Token("one")], [Token("on"), Reset(0, None, "two"), Token("x")]),
        ([Reasoning("hm"), Token("a")], [Reasoning("ah"), Token("a")]),
        ([Finished(0, "stop")], [Finished(0, "length"), Done("length")]),
        ([Data("image")], [Data("sound")]),
        ([Data("sound", "A")], [Data("sound", "B"), Data("sound", "C")]),
        ([Reasoning("hm", signature="s")], [Reasoning("hm"), Reasoning("", signature="t")]),
        ([Reasoning("", signature="s")], [Reasoning("", signature="st")]),
        ([Token("a")], [Started("new"), Usage(input_tokens=1), Token("b")]),
    ],
)
def test_another_answer_takes_the_old_one_back(before: list[Event], again: list[Event]) -> None:
    assert new(before, *again) == [Reset(0), *again]


def test_all_choices_are_taken_back() -> None:
    before: list[Event] = [Token("a", 0), Token("b", 2)]
    assert new(before, Token("x", 2)) == [Reset(0), Reset(2), Token("x", 2)]


def test_one_choice_may_end_before_another() -> None:
    before: list[Event] = [Token("a", 0), Finished(0, "stop"), Token("b", 1)]
    again = [Token("a", 0), Finished(0, "stop"), Token("bc", 1)]
    assert new(before, *again) == [Token("c", 1)]


def test_a_finish_is_told_once() -> None:
    before: list[Event] = [Token("a"), Finished(0, "stop", "stop")]
    assert new(before, *before, Done("stop")) == [Done("stop")]


# --- tool calls ---


def call(arguments: str, **more: object) -> ToolCall:
    return ToolCall("0", arguments=arguments, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "again", "expected"),
    [
        # Under another id: the first one was told, and stays.
        (
            [CALL, call('{"a')],
            [ToolCall("0", id="b", name="look"), call('{"a":1}')],
            [call('":1}')],
        ),
        ([CALL], [ToolCall("0", id="b", name="look", arguments="{}")], [call("{}")]),
        (
            [CALL, call("{}")],
            [CALL, call("{}"), call("", complete=True)],
            [call("", complete=True)],
        ),
        ([CALL, call("{")], [CALL, call("{}", complete=True)], [call("}", complete=True)]),
        ([CALL, call("{}")], [CALL, call("{}", complete=True)], [call("", complete=True)]),
        (
            [ToolCall("0", id="a"), Token("x")],
            [ToolCall("0", id="a"), Token("x")],
            [ToolCall("0", id="a")],
        ),
    ],
)
def test_calls(before: list[Event], again: list[Event], expected: list[Event]) -> None:
    assert new(before, *again) == expected


def test_a_complete_call_is_not_told_again_for_it_would_be_run_again() -> None:
    before = [CALL, call("{}", complete=True), Token("a")]
    assert new(before, CALL, call("{}"), call("", complete=True), Token("ab")) == [Token("b")]


def test_another_call() -> None:
    other = ToolCall("0", id="b", name="cook", arguments="{}")
    assert new([CALL, call("{}")], other) == [Reset(0), other]


# --- what was said ---


def test_a_reset_is_of_its_part_or_its_choice() -> None:
    before: list[Event] = [Token("a", 0, 0), Token("b", 0, 1), Reasoning("r"), Token("c", 1)]
    part = digest(*before, Reset(0, 1, "x"))
    assert (
        part.channels
        == digest(Token("a"), Token("x", 0, 1), Reasoning("r"), Token("c", 1)).channels
    )
    whole = digest(*before, Reset(0))
    assert whole.channels == digest(Token("c", 1)).channels


def test_a_new_answer_that_says_ever_more_beside_the_old_one_is_not_held_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replay, "MAX_HELD", 3)
    made = Replay(digest(Token("ab")))
    other = Data("noise")
    held = [made.receive(other) for _ in range(5)]
    assert held == [[]] * 5
    assert not made.through
    assert made.receive(other) == [Reset(0), *[other] * 6]
    assert made.diverged
    assert made.receive(Token("x")) == [Token("x")]


def test_more_channels_than_are_told_apart() -> None:
    """Said again in the same pieces, they are known all the same."""
    places = [(number % 2, number) for number in range(3 * replay.MAX_CHANNELS)]
    many: list[Event] = [Token("ab", *place) for place in places]
    assert new(many, *many, Token("c", part=500)) == [Token("c", part=500)]
    other = [Token("ac" if place == (0, 300) else "ab", *place) for place in places]
    assert new(many, *other) == [Reset(0), Reset(1), *other]


def test_a_long_key_of_a_call() -> None:
    call = ToolCall("k" * 5000, name="look")
    made = digest(call)
    assert all(len(key) < 100 for _, _, key in made.channels)
    assert new([call], call, ToolCall("k" * 5000, arguments="{}")) == [
        ToolCall("k" * 5000, arguments="{}")
    ]


def test_texts_are_known_however_they_are_cut_and_told_apart() -> None:
    """Short ones always, though checksums of them were alike: those of two letters in 2**24."""
    texts = [f"{a}{b}{c}" for a in "aber" for b in "\0é🗼x" for c in "01\n\udc80"]
    whole = {NOTHING.and_then(text) for text in texts}
    assert len(whole) == len(texts)
    for text in texts:
        pieces = NOTHING
        for letter in text:
            pieces = pieces.and_then(letter)
        assert pieces == NOTHING.and_then(text)
