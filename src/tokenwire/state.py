"""Theory of operation: the only file that decides what is legal.

One stream goes ``IDLE -> OPEN -> DONE -> CLOSED``, or ends in ``FAILED``. Parser and encoder obey
the same table: they put each event to it as an `Input` and take the state that it names. What the
table does not name is illegal there.

- ``IDLE``: nothing of the answer yet. Heartbeats, and frames with no meaning, leave it so.
- ``OPEN``: the answer runs. The body may not end here: EOF is a truncation.
- ``DONE``: the vendor's terminator was handed out as `Done`. What still comes is ignored.
- ``CLOSED``: the body ended after that.
- ``FAILED``: a fatal `Error` was handed out, and nothing follows it.

A dialect that ends at EOF (a finish reason seen, no sentinel) gives its `Done` before EOF is put to
the table, so for it EOF comes in ``DONE`` as for the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from tokenwire import events


class State(StrEnum):
    """Where one stream stands."""

    IDLE = "IDLE"
    OPEN = "OPEN"
    DONE = "DONE"
    CLOSED = "CLOSED"
    FAILED = "FAILED"

    __hash__ = str.__hash__  # an Enum's own is Python code, and each parser looks states up


class Input(StrEnum):
    """What may happen to a stream."""

    CONTENT = "content"
    """Anything of the answer: its identity, a token, usage, a finish reason."""
    LIVENESS = "liveness"
    """A heartbeat, an unknown frame, an error that is not fatal."""
    DONE = "done"
    FAILURE = "failure"
    EOF = "eof"

    __hash__ = str.__hash__


TRANSITIONS: Final[Mapping[State, Mapping[Input, State]]] = {
    State.IDLE: {
        Input.CONTENT: State.OPEN,
        Input.LIVENESS: State.IDLE,
        Input.DONE: State.DONE,
        Input.FAILURE: State.FAILED,
        Input.EOF: State.FAILED,
    },
    State.OPEN: {
        Input.CONTENT: State.OPEN,
        Input.LIVENESS: State.OPEN,
        Input.DONE: State.DONE,
        Input.FAILURE: State.FAILED,
        Input.EOF: State.FAILED,
    },
    State.DONE: {Input.EOF: State.CLOSED},
    State.CLOSED: {Input.EOF: State.CLOSED},
    State.FAILED: {Input.EOF: State.FAILED},
}

_INPUTS: Final[Mapping[type[events.Event], Input]] = {
    events.Started: Input.CONTENT,
    events.Token: Input.CONTENT,
    events.Reasoning: Input.CONTENT,
    events.Refusal: Input.CONTENT,
    events.ToolCall: Input.CONTENT,
    events.Data: Input.CONTENT,
    events.Usage: Input.CONTENT,
    events.Finished: Input.CONTENT,
    events.Reset: Input.CONTENT,
    events.Heartbeat: Input.LIVENESS,
    events.Unknown: Input.LIVENESS,
    events.Done: Input.DONE,
}


def input_of(event: events.Event) -> Input | None:
    """The input that an event is; ``None`` for what no wire carries (`Reconnecting`)."""
    if type(event) is events.Error:  # an `isinstance` that fails costs four times as much
        return Input.FAILURE if event.fatal else Input.LIVENESS
    return _INPUTS.get(type(event))


def next_state(state: State, event: events.Event) -> State | None:
    """The state after this event, or ``None`` where the event is illegal."""
    given = input_of(event)
    return None if given is None else TRANSITIONS[state].get(given)


STAYING: Final[Mapping[State, frozenset[type[events.Event]]]] = {
    state: frozenset(kind for kind, given in _INPUTS.items() if row.get(given) is state)
    for state, row in TRANSITIONS.items()
}
"""The event classes that leave each state as it is: one look-up an event. Without `Error`, which
is two inputs."""
