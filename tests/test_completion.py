"""The fold of a stream's events."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tokenwire import (
    Choice,
    Completion,
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Reasoning,
    Refusal,
    Reset,
    Started,
    Token,
    ToolCall,
    Usage,
)


def test_a_choice_by_itself_takes_what_is_about_it() -> None:
    choice = Choice()
    choice.add(Token("a"))
    choice.add(Heartbeat())
    assert choice.text == "a"


def test_empty() -> None:
    completion = Completion()
    assert completion.text == ""
    assert completion.choices == []
    assert completion.usage is None
    assert completion.done is None
    assert completion.error is None


def test_its_text_is_not_that_of_another_choice() -> None:
    """While it runs the first choice may be silent yet; at its end the first is what there is."""
    for end in (Done("stop"), Error("truncated", "cut")):
        completion = Completion.from_events([Token("b", 1)])
        assert completion.text == ""
        completion.add(end)
        assert completion.text == "b"
        completion.add(Token("a"))
        assert completion.text == "a"


def test_everything_adds_up() -> None:
    completion = Completion.from_events(
        [
            Heartbeat("hi"),
            Started("id", "model"),
            Reasoning("Hm", signature="sig"),
            Token("Par"),
            Token("is"),
            Refusal("No", 1),
            Data("citation", {"url": "x"}),
            ToolCall("k", 0, "call_1", "f", '{"a":'),
            ToolCall("k", arguments="1}"),
            ToolCall("k", complete=True),
            Usage(1, 2, final=False),
            Usage(None, 5, reasoning_tokens=3, final=True),
            Finished(0, "tool_calls", "tool_use"),
            Done("tool_calls"),
        ]
    )
    first, second = completion.choices
    assert (completion.id, completion.model) == ("id", "model")
    assert completion.text == first.text == "Paris"
    assert (first.reasoning, first.signature) == ("Hm", "sig")
    assert first.data == [Data("citation", {"url": "x"})]
    assert (first.finish_reason, first.raw_reason) == ("tool_calls", "tool_use")
    assert (second.index, second.refusal, second.finish_reason) == (1, "No", None)
    (call,) = first.tool_calls
    assert (call.id, call.name, call.arguments) == ("call_1", "f", '{"a":1}')
    assert call.complete
    assert not call.provider_executed
    assert completion.usage == Usage(1, 5, reasoning_tokens=3, final=True)
    assert completion.done == Done("tool_calls")
    assert "call_1" in repr(call)
    assert repr(first) == "Choice(index=0, text='Paris', finish_reason='tool_calls')"


def test_choices_are_sorted_and_parts_keep_their_order() -> None:
    completion = Completion.from_events([Token("b", 1), Token("x", 0, 2), Token("y", 0, 0)])
    assert [choice.index for choice in completion.choices] == [0, 1]
    assert completion.text == "xy"


def test_a_part_that_goes_on_later_stays_in_its_place() -> None:
    completion = Completion.from_events([Token("a", 0, 0), Token("X", 0, 1), Token("b", 0, 0)])
    assert completion.text == "abX"


def test_reset_of_a_part_replaces_its_text() -> None:
    completion = Completion.from_events(
        [Token("a", 0, 0), Token("b", 0, 1), Reset(0, 1, "B"), Token("!", 0, 1)]
    )
    assert completion.text == "aB!"


def test_reset_of_a_choice_forgets_all_of_it() -> None:
    completion = Completion.from_events(
        [Token("old"), Reasoning("hm"), ToolCall("k"), Finished(), Reset(text="new")]
    )
    (choice,) = completion.choices
    assert (choice.text, choice.reasoning, choice.tool_calls) == ("new", "", [])
    assert choice.finish_reason is None


def test_an_error_that_is_not_fatal_ends_nothing() -> None:
    completion = Completion.from_events([Error("malformed", "odd", fatal=False)])
    assert completion.error is None
    cut = Error("truncated", "cut")
    completion.add(cut)
    assert completion.error is cut


def test_reading_between_additions_changes_nothing() -> None:
    completion = Completion()
    for piece in ("a", "b", "c"):
        completion.add(Token(piece))
        completion.add(ToolCall("k", arguments=piece))
        assert completion.choices[0].tool_calls[0].arguments == completion.text
    assert completion.text == "abc"


def test_many_at_once_are_the_same_as_one_by_one() -> None:
    events = [
        Started("id", "model"),
        Token("a", 1),
        Token("b", 0),
        Token("c", 0, 1),
        Token("d", 0),
        Usage(1, 2),
        Token("e", 0),
        Reasoning("hm"),
        Reset(0, 0, "B"),
        Token("f", 0),
        Finished(1, "stop"),
        Token("g", 0),
        Done("stop"),
    ]
    one_by_one, at_once = Completion(), Completion()
    for event in events:
        one_by_one.add(event)
    for cut in range(len(events)):
        at_once = Completion()
        at_once.update(events[:cut])
        at_once.update(iter(events[cut:]))
        assert [choice.text for choice in at_once.choices] == ["Bfgc", "a"]
        assert [c.blocks for c in at_once.choices] == [c.blocks for c in one_by_one.choices]
        assert [c.last for c in at_once.choices] == [c.last for c in one_by_one.choices]
        assert (at_once.usage, at_once.done) == (one_by_one.usage, one_by_one.done)


def test_what_came_before_an_exception_stays() -> None:
    def events() -> Iterator[Event]:
        yield Token("a")
        yield Token("b")
        raise OSError

    completion = Completion()
    with pytest.raises(OSError):
        completion.update(events())
    assert completion.text == "ab"
    assert completion.choices[0].last == Token("b")
