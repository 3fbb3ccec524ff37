"""Fragments of tool calls: which call do they belong to, and what do they say that is new?"""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire.completion import CompletedCall
from tokenwire.dialects.kit.call_fragments import Fragment
from tokenwire.dialects.kit.payloads import MAX_INDEX
from tokenwire.dialects.kit.said import Said
from tokenwire.dialects.kit.toolcalls import ToolCallSlots
from tokenwire.events import Error, Event, ToolCall
from tokenwire.frame import Frame

FRAME = Frame(b"{}")


# --- was it said before? ---


@pytest.mark.parametrize("times", [1, 100, 1000])
def test_a_text_is_compared_with_its_pieces(times: int) -> None:
    said = Said()
    assert not said
    for _ in range(times):
        said.add("\ud83d")  # half a character
        said.add("\ude00é")
    text = "\U0001f600é" * times
    assert len(said) == 3 * times
    assert said.rest_of(text) == ""
    assert said.rest_of(text + "!") == "!"
    assert said.rest_of("x" + text) is None
    assert said.rest_of(text[:-1] + "x") is None
    assert said.rest_of("") is None
    assert said.text == (text if times == 1 else None if times == 1000 else said.text)


def test_a_long_text_takes_no_memory() -> None:
    said = Said()
    for _ in range(1000):
        said.add("x" * 1000)
    kept = (said._kept, said._digest)
    assert sum(map(sys.getsizeof, kept)) < 1000


# --- which call is it? ---


def told(*deltas: list[Fragment], slots: ToolCallSlots | None = None) -> list[Event]:
    slots = ToolCallSlots(0) if slots is None else slots
    return [
        event for delta in deltas for event in (*slots.receive(delta, FRAME), *slots.close(FRAME))
    ]


def calls(*deltas: list[Fragment], slots: ToolCallSlots | None = None) -> list[tuple[Any, ...]]:
    slots = ToolCallSlots(0) if slots is None else slots
    events = [event for delta in deltas for event in slots.receive(delta, FRAME)]
    events += slots.close(FRAME)
    found: dict[str, CompletedCall] = {}
    for event in events:
        assert isinstance(event, ToolCall)
        found.setdefault(event.key, CompletedCall(event.key)).add(event)
    assert len(found) == len(slots)
    return [(one.id, one.name, one.arguments, one.complete) for one in found.values()]


def at(index: int, id: str = "", name: str = "", arguments: str = "") -> list[Fragment]:
    return [Fragment(index, id, name, arguments)]


def bare(*arguments: str) -> list[Fragment]:
    return [Fragment(arguments=piece) for piece in arguments]


def test_pieces_that_are_counted_apart_from_the_head() -> None:
    """Bare arguments of an index that no call has are of the call that lacks them."""
    whole = [("a", "f", '{"x":1}', True), ("b", "g", '{"y":2}', True)]
    first = at(0, "a", "f", '{"x":1}')
    assert calls(first, at(0, "b", "g", '{"y":'), at(1, arguments="2}")) == whole
    assert calls(first, at(1, "b", "g"), at(2, arguments='{"y":'), at(2, arguments="2}")) == whole
    assert calls(at(1, "a", "f", '{"x":'), at(0, arguments="1}")) == whole[:1]
    # Arguments that came before their name: the call before is whole, or theirs begin anew.
    assert calls(first, at(1, arguments='{"y":2}'), at(1, "b", "g")) == whole
    begun = at(0, "a", "f", '{"x":')
    assert calls(begun, at(1, arguments='{"y":2}'), at(1, "b", "g"), at(0, arguments="1}")) == whole
    assert calls(at(3, arguments="{}")) == [(None, None, "{}", True)]
    text = [Fragment(0, "a", "f", "ls", free=True)]
    assert calls(text, at(1, arguments="{}")) == [("a", "f", "ls", True), (None, None, "{}", True)]


def test_an_empty_object_that_stood_in_for_arguments() -> None:
    """It was told and cannot be taken back: it is never complete, and what follows is a call."""
    stood_in, begun = at(0, "a", "f", "{}"), ("a", "f", "{}", False)
    whole = ("a", "f", '{"x":1}', True)
    assert calls(stood_in, at(0, arguments='{"x":'), at(0, arguments="1}")) == [begun, whole]
    assert calls(stood_in, at(0, "a", "f", '{"x":1}')) == [begun, whole]
    assert calls(stood_in, at(0, arguments="{}")) == [("a", "f", "{}", True)]
    assert calls(stood_in, at(0, "b", "g", '{"x":1}')) == [
        ("a", "f", "{}", True),
        ("b", "g", '{"x":1}', True),
    ]
    long = "i" * 300
    assert calls(at(0, long, "f", "{}"), at(0, arguments='{"x":1}'))[1] == (None, *whole[1:])


def test_entries_that_say_nothing_are_no_calls() -> None:
    nothing = Fragment()
    assert calls([nothing], [nothing, nothing], at(1)) == []
    first = at(0, "a", "f", '{"x":1}')
    assert calls(first, at(1), [nothing, nothing]) == [("a", "f", '{"x":1}', True)]


def test_one_id_under_two_indices_is_one_call() -> None:
    first, second = at(0, "a", "f"), at(1, "a", "f", '{"x":')
    assert calls(first, second, at(1, arguments="1}")) == [("a", "f", '{"x":1}', True)]
    assert calls(first, at(1, "a", "", "{}"), at(0, "a")) == [("a", "f", "{}", True)]


def test_one_id_for_all_calls() -> None:
    """Told apart by their names and indices, or by arguments that are whole."""
    on, off = at(0, "t", "on", '{"e":1}'), at(0, "t", "off", '{"e":2}')
    assert calls(on, off) == [("t", "on", '{"e":1}', True), ("t", "off", '{"e":2}', True)]
    more = at(0, "t", "on", '{"e":2}')
    assert calls(on, more) == [("t", "on", '{"e":1}', True), ("t", "on", '{"e":2}', True)]
    assert calls(
        at(0, "t", "on"),
        at(1, "t", "off"),
        at(0, "t", "", "{}"),
        at(1, "t", "", "[]"),
        at(0, "t", "on"),
    ) == [("t", "on", "{}", True), ("t", "off", "[]", True)]


def test_a_new_id_for_each_fragment() -> None:
    """Arguments that only go on, and no name, are no other call."""
    assert calls(at(0, "a", "f"), at(0, "b", "", '{"x":'), at(0, "b", "", "1}")) == [
        ("a", "f", '{"x":1}', True)
    ]
    assert calls(at(0, "a", "f", '{"x"'), at(0, "b", "f", ":1"), at(0, "c", "f", "}")) == [
        ("a", "f", '{"x":1}', True)
    ]
    assert calls([Fragment(None, "a", "f", '{"x"')], [Fragment(None, "b", "", ":1}")]) == [
        ("a", "f", '{"x":1}', True)
    ]


def test_another_id_begins_another_call() -> None:
    for second in (at(0, "b", "g"), at(0, "b", "f", "{")):
        assert len(calls(at(0, "a", "f"), second)) == 2
    assert calls(at(0, "a", "f", "{}"), at(0, "b", "", "{}"), at(0, "b", "g")) == [
        ("a", "f", "{}", True),
        ("b", "g", "{}", True),
    ]


def test_calls_without_ids_at_one_index() -> None:
    assert calls(at(0, "", "f"), at(0, "", "g")) == [(None, "f", "", True), (None, "g", "", True)]
    assert calls(at(0, "", "f", "{}"), at(0, "", "f", "[]")) == [
        (None, "f", "{}", True),
        (None, "f", "[]", True),
    ]


def test_names_in_pieces() -> None:
    """Each delta has the name as far as it is known, so that the last one is right."""
    joined = [("a", "get_weather", '{"c":1}', True)]
    arguments = '{"c":1}'
    assert calls(at(0, "a", "get_"), at(0, "a", "wea"), at(0, "", "ther", arguments)) == joined
    assert calls(at(0, "a", "get"), at(0, "a", "get_weather", arguments)) == joined
    assert calls(at(0, "a", "get", '{"c"'), at(0, "a", "get_weather", ":1}")) == joined
    assert calls(at(0, "a", "get_weather", '{"c"'), at(0, "a", "get_weather", ":1}")) == joined


def test_a_long_name_and_id_are_told_whole() -> None:
    name, id = "n" * 1000, "i" * 1000
    [call] = told(at(0, id, name), at(0, id, name, "{}"))[:1]
    assert call == ToolCall("0:0", 0, id, name)
    assert calls(at(0, id, name), at(0, id, name, "{}")) == [(id, name, "{}", True)]
    assert calls(at(0, id, name), at(0, id, "more")) == [(id, "more", "", True)]


def test_calls_without_an_index() -> None:
    begins = [Fragment(None, "a", "f", '{"x":')]
    assert calls(begins, [*bare("1}"), Fragment(None, "b", "g", "{")], bare("}")) == [
        ("a", "f", '{"x":1}', True),
        ("b", "g", "{}", True),
    ]
    named = [Fragment(None, None, "f", '{"x":"')]
    assert calls(named, [Fragment(None, None, "f", '1"}')]) == [(None, "f", '{"x":"1"}', True)]
    assert len(calls(named, [Fragment(None, None, "f", "{}")])) == 2
    assert calls(bare("{", "["), bare("}", "]")) == [
        (None, None, "{}", True),
        (None, None, "[]", True),
    ]
    assert calls(bare("{"), bare('"a":', "1}")) == [(None, None, '{"a":1}', True)]


def test_bare_arguments_go_on_with_the_call_spoken_of_last() -> None:
    first, second = [Fragment(None, "a", "f", "{")], [Fragment(None, "b", "g", "{")]
    again = [Fragment(None, "a", "", '"x":')]
    assert calls(first, second, again, bare("1}")) == [
        ("a", "f", '{"x":1}', True),
        ("b", "g", "{", False),
    ]


@pytest.mark.parametrize("id", ["a", ""])
@pytest.mark.parametrize("name", ["f", ""])
def test_arguments_that_are_told_again_whole(id: str, name: str) -> None:
    pieces = (at(0, "a", "f"), at(0, "", "", '{"city":'), at(0, "", "", '"Paris"}'))
    for again in ('{"city":"Paris"}', '{ "city": "Paris" }', '{"city":"Paris"}\n'):
        [call] = calls(*pieces, at(0, id, name, again))
        assert call[:2] == ("a", "f")
        assert json.loads(call[2]) == {"city": "Paris"}
        assert call[3]


def test_arguments_that_are_told_whole_with_each_piece() -> None:
    whole = '{"city":"Par{is","n":[1,{"x":2}]}'
    for cut in range(1, len(whole)):
        pieces = [whole[:cut], whole[: cut + 1], whole]
        deltas = [at(0, "a", "f", piece) for piece in pieces]
        assert calls(*deltas) == [("a", "f", whole, True)]
        slots = ToolCallSlots(0, cumulative=True)
        nameless = [at(0, "", "", piece) for piece in pieces]
        assert calls(at(0, "a", "f"), *nameless, slots=slots) == [("a", "f", whole, True)]


@given(st.data())
def test_pieces_are_pieces_though_one_begins_like_all_before(data: st.DataObject) -> None:
    """In JSON hardly anything is followed by its own beginning; where it may be, it is a piece."""
    inner = data.draw(
        st.recursive(
            st.just(1),
            lambda it: st.lists(it, max_size=2) | st.dictionaries(st.sampled_from("{a["), it),
            max_leaves=9,
        )
    )
    whole = json.dumps({data.draw(st.sampled_from("{a[")): inner}, separators=(",", ":"))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1))))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]
    first, *others = pieces
    assert calls(at(0, "a", "f", first), *(at(0, arguments=one) for one in others)) == [
        ("a", "f", whole, True)
    ]


def test_arguments_that_change_where_they_are_whole_each_time() -> None:
    slots = ToolCallSlots(0, cumulative=True)
    *_, error = told(at(0, "a", "f", '{"x"'), at(0, "a", "f", '{"y"'), slots=slots)
    assert isinstance(error, Error)
    assert (error.kind, error.fatal) == ("malformed", False)


def test_what_is_no_value_is_no_repetition() -> None:
    assert calls(at(0, "a", "f", "[]"), at(0, "a", "", "{x")) == [("a", "f", "[]{x", False)]
    assert calls(at(0, "a", "f", "7"), at(0, "a", "", "{")) == [("a", "f", "7{", False)]
    assert calls(at(0, "a", "f", "{}"), at(0, "a", "", "]")) == [("a", "f", "{}]", False)]
    long = json.dumps({"x": "y" * 1000})
    assert calls(at(0, "a", "f", long), at(0, "a", "", " " + long)) == [
        ("a", "f", long + " " + long, False)
    ]


def test_the_input_of_a_custom_tool_is_any_text() -> None:
    free = [Fragment(0, "a", "shell", "", free=True)]
    more = [[Fragment(0, arguments=piece, free=True)] for piece in ('echo "', "{", 'echo "')]
    assert calls(free, *more) == [("a", "shell", 'echo "{echo "', True)]


def test_a_call_is_complete_once_and_not_before_its_arguments_are() -> None:
    events = told(
        at(0, "a", "f", "{"), at(0, arguments="}"), at(0, arguments=" "), at(0, arguments="}")
    )
    assert [event.complete for event in events if isinstance(event, ToolCall)] == [
        *(False, False, True),
        *(False, False),
    ]


# --- bounds ---


def test_ids_and_indices_that_a_server_makes_up_take_no_memory() -> None:
    slots = ToolCallSlots(0)
    for number in range(5000):
        slots.receive(at(0, f"i{number}", "", "1"), FRAME)
        slots.receive(at(number, "same", "", "1"), FRAME)
    assert len(slots) < 5
    assert len(slots._by_id) <= 3 * MAX_INDEX
    assert len(slots._by_index) <= 3 * MAX_INDEX


def test_more_calls_than_any_service_has() -> None:
    slots = ToolCallSlots(0)
    for number in range(MAX_INDEX):
        slots.receive(at(number, f"i{number}"), FRAME)
    *_, error = slots.receive([*at(0, "", "f"), *at(MAX_INDEX, "more")], FRAME)
    assert isinstance(error, Error)
    assert not error.fatal
    assert len(slots) == MAX_INDEX
    assert slots.receive(at(5, "", "g"), FRAME) == [ToolCall("0:5", 0, None, "g")]


def test_a_fragment_costs_the_same_however_many_calls_there_are() -> None:
    slots = ToolCallSlots(0)
    for number in range(MAX_INDEX):
        slots.receive(at(number, f"i{number}", "f", "{"), FRAME)
    slots.close(FRAME)
    frames: list[int] = []

    def count(frame: Any, event: str, argument: Any) -> None:
        frames.append(1)

    sys.setprofile(count)
    for number in range(10):
        slots.receive(at(number, arguments="1"), FRAME)
        slots.close(FRAME)
    sys.setprofile(None)
    assert len(frames) < 10 * 100
