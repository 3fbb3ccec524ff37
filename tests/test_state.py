"""The state table, tested without bytes."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest

from tokenwire import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Opened,
    Reasoning,
    Reconnecting,
    Refusal,
    Reset,
    Started,
    State,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.state import STAYING, TRANSITIONS, Input, input_of, next_state

CONTENT = [
    Started("id"),
    Token("text"),
    Reasoning("text"),
    Refusal("text"),
    ToolCall("key"),
    Data("kind"),
    Usage(1),
    Finished(),
    Reset(),
]
LIVENESS = [Heartbeat(), Unknown(), Error("malformed", "odd", fatal=False)]
FATAL = Error("truncated", "cut")


def test_every_event_class_is_an_input_or_stays_off_the_wire() -> None:
    covered = {type(event) for event in [*CONTENT, *LIVENESS, FATAL, Done()]}
    assert covered | {Reconnecting, Opened} == set(get_args(Event))
    assert input_of(Reconnecting(1, 0.0, "cursor")) is None
    assert input_of(Opened()) is None
    assert next_state(State.OPEN, Reconnecting(1, 0.0, "cursor")) is None


@pytest.mark.parametrize("event", CONTENT, ids=repr)
def test_content_opens_and_keeps_open(event: Event) -> None:
    assert input_of(event) is Input.CONTENT
    assert next_state(State.IDLE, event) is State.OPEN
    assert next_state(State.OPEN, event) is State.OPEN


@pytest.mark.parametrize("event", LIVENESS, ids=repr)
def test_liveness_moves_nothing(event: Event) -> None:
    assert next_state(State.IDLE, event) is State.IDLE
    assert next_state(State.OPEN, event) is State.OPEN


@pytest.mark.parametrize("state", [State.IDLE, State.OPEN])
def test_ends(state: State) -> None:
    assert next_state(state, Done()) is State.DONE
    assert next_state(state, FATAL) is State.FAILED
    assert TRANSITIONS[state][Input.EOF] is State.FAILED


@pytest.mark.parametrize("state", [State.DONE, State.CLOSED, State.FAILED])
@pytest.mark.parametrize("event", [*CONTENT, *LIVENESS, FATAL, Done()], ids=repr)
def test_nothing_follows_the_end(state: State, event: Event) -> None:
    assert next_state(state, event) is None


def test_eof_closes_what_is_done_and_is_idempotent() -> None:
    assert TRANSITIONS[State.DONE] == {Input.EOF: State.CLOSED}
    assert TRANSITIONS[State.CLOSED] == {Input.EOF: State.CLOSED}
    assert TRANSITIONS[State.FAILED] == {Input.EOF: State.FAILED}


def test_every_state_is_reached_and_has_a_row() -> None:
    assert set(TRANSITIONS) == set(State)
    reached = {State.IDLE} | {to for row in TRANSITIONS.values() for to in row.values()}
    assert reached == set(State)


@pytest.mark.parametrize("state", State)
def test_what_stays_says_the_same_as_the_table(state: State) -> None:
    for event in itertools.chain(CONTENT, LIVENESS[:2], [Done()]):
        assert (type(event) in STAYING[state]) == (next_state(state, event) is state)
    assert Error not in STAYING[state]
