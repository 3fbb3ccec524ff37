"""`Deadlines` and `Clocks`: five clocks, told what happens and when."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire import events
from tokenwire.events import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Opened,
    Reasoning,
    Reconnecting,
    Recovery,
    Refusal,
    Reset,
    Started,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.resume import PROGRESS, UNLIMITED, Clocks, Deadlines

ALL = Deadlines(connect=10, first_token=30, idle=15, progress=20, total=100)


def only(**limits: float) -> Deadlines:
    off: dict[str, float | None] = dict.fromkeys(Deadlines.__struct_fields__)
    return Deadlines(**off | limits)


def streaming(deadlines: Deadlines, *got: Event) -> Clocks:
    """Asked at 0, the head at 1, 100 bytes with these events at 2; waited for since 2."""
    clocks = Clocks(deadlines, 0)
    clocks.connecting(0)
    clocks.connected(1)
    clocks.waiting(1)
    if got:
        clocks.received(100, 2)
        for event in got:
            clocks.delivered(event)
        clocks.waiting(2)
    return clocks


def error_at(clocks: Clocks, until: float) -> Error:
    """The error that comes at this time, and no earlier."""
    assert clocks.waiting(until) == until
    assert clocks.expired(math.nextafter(until, 0)) is None
    error = clocks.expired(until)
    assert error is not None
    assert (error.kind, error.fatal) == ("timeout", True)
    return error


# One clock each


def test_connect() -> None:
    clocks = Clocks(only(connect=10), 0)
    assert clocks.waiting(0) is None
    clocks.connecting(5)
    error = error_at(clocks, 15)
    assert error.message == "no response within 10 s (Deadlines.connect): nothing came"
    assert error.recovery is Recovery.RETRY
    clocks.connected(14)
    assert clocks.waiting(14) is None


def test_first_token() -> None:
    clocks = streaming(only(first_token=30), Started("id"), Heartbeat(), Heartbeat())
    clocks.received(20, 9)
    clocks.delivered(Heartbeat())
    clocks.waiting(9)
    error = error_at(clocks, 30)
    assert error.message == (
        "no token within 30 s (Deadlines.first_token):"
        " 120 bytes, 3 heartbeats and 0 pieces of the answer came"
    )
    assert error.recovery is Recovery.RETRY
    clocks.received(5, 29)
    clocks.delivered(Reasoning("hm"))
    assert clocks.waiting(29) is None


def test_a_head_and_no_byte() -> None:
    error = error_at(streaming(only(idle=15)), 16)
    assert error.message == "no byte for 15 s (Deadlines.idle): only the response's head came"
    assert error.recovery is Recovery.RETRY


def test_idle() -> None:
    clocks = streaming(only(idle=15), Token("a"), Token("b"))
    error = error_at(clocks, 17)
    assert error.message == (
        "no byte for 15 s (Deadlines.idle): 100 bytes, 0 heartbeats and 2 pieces of the answer came"
    )
    assert error.recovery is Recovery.RESUME


def test_any_byte_resets_the_idle_clock_and_an_empty_chunk_does_not() -> None:
    clocks = streaming(only(idle=15), Token("a"))
    clocks.received(1, 10)  # half of something
    assert clocks.waiting(10) == 25
    clocks.received(0, 20)
    assert clocks.waiting(20) == 25


def test_progress() -> None:
    clocks = streaming(only(progress=20), Token("a"))
    clocks.received(1, 8)
    clocks.delivered(Heartbeat())
    clocks.waiting(8)
    error = error_at(clocks, 22)
    assert error.message == (
        "no progress for 20 s (Deadlines.progress):"
        " 101 bytes, 1 heartbeat and 1 piece of the answer came"
    )
    assert error.recovery is Recovery.RESUME


def test_the_progress_clock_begins_with_the_first_piece() -> None:
    assert streaming(only(progress=20), Heartbeat(), Started("id")).waiting(2) is None


def test_total() -> None:
    clocks = streaming(only(total=100), Token("a"))
    clocks.disconnected()
    clocks.connecting(50)
    error = error_at(clocks, 100)
    assert error.message == (
        "the answer was not complete within 100 s (Deadlines.total):"
        " 100 bytes, 0 heartbeats and 1 piece of the answer came"
    )
    assert error.recovery is Recovery.FATAL


def test_total_before_anything_was_sent() -> None:
    error = error_at(Clocks(only(total=3), 0), 3)
    assert error.message == "the answer was not complete within 3 s (Deadlines.total): nothing came"


@pytest.mark.parametrize(
    "event",
    [
        Token("a"),
        Reasoning("a"),
        Refusal("a"),
        ToolCall("key"),
        Data("kind"),
        Reset(),
        Finished(),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_is_progress(event: Event) -> None:
    assert type(event) in PROGRESS
    assert streaming(only(progress=20), event).waiting(2) == 22


@pytest.mark.parametrize(
    "event",
    [
        Heartbeat(),
        Started(),
        Usage(1),
        Unknown(),
        Error("malformed", "odd", fatal=False),
        Reconnecting(1, 0.5, "replay"),
        Opened(),
        Done(),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_is_none(event: Event) -> None:
    clocks = streaming(only(progress=20, first_token=30), event)
    assert clocks.waiting(2) == 30
    assert not clocks.answering


def test_every_event_is_judged_above() -> None:
    judged = {Heartbeat, Started, Usage, Unknown, Error, Reconnecting, Opened, Done} | PROGRESS
    assert judged == set(get_args(events.Event))


# Together


def test_playbook() -> None:
    clocks = Clocks(ALL, 0)
    clocks.connecting(0)
    assert clocks.waiting(0) == 10  # connect
    clocks.connected(4)
    assert clocks.waiting(4) == 19  # idle
    clocks.received(10, 16)
    clocks.delivered(Heartbeat())
    assert clocks.waiting(16) == 30  # first token
    clocks.received(10, 20)
    clocks.delivered(Token("a"))
    assert clocks.waiting(20) == 35  # idle
    clocks.received(10, 30)
    clocks.delivered(Heartbeat())
    assert clocks.waiting(30) == 40  # progress
    assert clocks.expired(39.9) is None
    clocks.disconnected()
    assert clocks.waiting(40) == 100  # total
    clocks.connecting(45)
    assert clocks.waiting(45) == 55  # connect, anew
    clocks.connected(50)
    assert clocks.waiting(50) == 65  # idle
    clocks.received(10, 64)
    assert clocks.waiting(64) == 75  # first token, anew
    clocks.received(10, 74)
    clocks.delivered(Token("b"))
    for now in (80, 90):
        clocks.received(10, now)
        clocks.delivered(Token("c"))
        clocks.waiting(now)
    assert clocks.waiting(90) == 100  # total
    error = clocks.expired(100)
    assert error is not None
    assert error.recovery is Recovery.FATAL


def test_of_several_the_first_to_run_out_is_told() -> None:
    clocks = streaming(only(first_token=30, idle=15), Heartbeat())
    error = clocks.expired(1000)
    assert error is not None
    assert "Deadlines.idle" in error.message


def test_after_the_total_nothing_else_matters() -> None:
    clocks = streaming(ALL, Token("a"))
    error = clocks.expired(100)
    assert error is not None
    assert error.recovery is Recovery.FATAL


def test_what_came_is_counted_for_the_connection() -> None:
    clocks = streaming(only(idle=15), Token("a"))
    clocks.disconnected()
    clocks.connecting(10)
    clocks.connected(11)
    clocks.received(7, 12)
    clocks.waiting(12)
    error = error_at(clocks, 27)
    assert "7 bytes, 0 heartbeats and 0 pieces" in error.message
    assert error.recovery is Recovery.RESUME  # an earlier connection brought some of it


def test_a_second_connection_without_a_token_is_retried() -> None:
    clocks = streaming(only(first_token=30), Token("a"))
    clocks.disconnected()
    clocks.connecting(10)
    clocks.connected(11)
    clocks.waiting(11)
    assert error_at(clocks, 40).recovery is Recovery.RETRY


def test_a_caller_who_takes_time_is_not_the_peer_s_fault() -> None:
    clocks = streaming(ALL, Token("a"))
    clocks.received(10, 3)
    clocks.delivered(Token("b"))
    assert clocks.expired(80) is None  # still with the caller
    assert clocks.waiting(80) == 95  # idle: 15 from now on
    assert clocks.waiting(90) == 95  # waited for all along
    clocks.received(10, 91)
    assert clocks.expired(100) is not None  # the total clock runs all the same


def test_a_caller_s_time_does_not_count_towards_the_first_token() -> None:
    clocks = streaming(only(first_token=30), Heartbeat())
    clocks.received(10, 12)
    clocks.delivered(Heartbeat())
    assert clocks.waiting(1012) == 1030


def test_a_caller_s_time_between_head_and_body_does_not_count_either() -> None:
    clocks = Clocks(only(first_token=30, idle=15), 0)
    clocks.connecting(0)
    clocks.connected(1)
    assert clocks.waiting(101) == 116
    assert clocks.waiting(102) == 116


def test_a_new_connection_needs_no_end_of_the_one_before() -> None:
    clocks = streaming(only(first_token=30, progress=20), Token("a"))
    clocks.received(10, 5)
    clocks.connecting(8)
    assert clocks.waiting(9) == 38
    clocks.connected(10)
    assert clocks.waiting(10) == 38


def test_another_process_goes_on() -> None:
    first = streaming(ALL, Token("a"))
    later = Clocks(ALL, 7000, elapsed=first.elapsed(60), answering=first.answering)
    assert later.waiting(7000) == 7040
    assert later.elapsed(7010) == 70
    later.connecting(7001)
    later.connected(7002)
    later.waiting(7002)
    assert error_at(later, 7017).recovery is Recovery.RESUME


def test_without_limits_nothing_runs_out() -> None:
    clocks = streaming(UNLIMITED, Token("a"))
    assert clocks.waiting(2) is None
    assert clocks.expired(1e12) is None


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["connecting", "connected", "bytes", "token", "ping", "lost", "wait"]),
        st.floats(0, 50),
    ),
    max_size=30,
)


@given(STEPS)
def test_a_clock_runs_out_exactly_when_it_was_said_to(steps: list[tuple[str, float]]) -> None:
    clocks = Clocks(ALL, 0)
    now = 0.0
    connected = False
    for step, after in steps:
        now += after
        match step:
            case "connecting":
                clocks.connecting(now)
                connected = False
            case "connected":
                clocks.connecting(now)
                clocks.connected(now)
                connected = True
            case "bytes" | "token" | "ping" if connected:
                clocks.received(10, now)
                if step != "bytes":
                    clocks.delivered(Token("a") if step == "token" else Heartbeat())
            case "lost":
                clocks.disconnected()
                connected = False
            case _:
                pass
        until = clocks.waiting(now)
        assert until is not None
        assert until <= 100
        assert clocks.expired(math.nextafter(until, -math.inf)) is None
        error = clocks.expired(until)
        assert error is not None
        assert (error.recovery is Recovery.FATAL) is (until == 100)


@given(STEPS, st.floats(0, 1000))
def test_no_pause_of_the_caller_makes_a_clock_run_out(
    steps: list[tuple[str, float]], pause: float
) -> None:
    clocks = streaming(only(first_token=30, idle=15, progress=20), Heartbeat())
    now = 2.0
    for step, _ in steps:
        now += 1
        clocks.received(10, now)
        if step == "token":
            clocks.delivered(Token("a"))
        left = clocks.waiting(now)
        assert left is not None
        clocks.received(10, now)
        later = clocks.waiting(now + pause)
        assert later is not None
        assert later - (now + pause) == pytest.approx(left - now)
        now += pause
        if clocks.expired(now) is not None:
            return  # the peer's own time is up


# The value


@pytest.mark.parametrize("name", Deadlines.__struct_fields__)
@pytest.mark.parametrize("wrong", [0, -1, math.inf, math.nan, "5", True], ids=repr)
def test_what_makes_no_sense_is_refused(name: str, wrong: Any) -> None:
    with pytest.raises(ValueError, match=f"Deadlines.{name} must be a positive number"):
        Deadlines(**{name: wrong})


def test_a_stuck_stream_does_not_hang_for_ever_by_default() -> None:
    defaults = Deadlines()
    assert None not in (defaults.connect, defaults.first_token, defaults.idle, defaults.progress)
    assert defaults.total is None
    with pytest.raises(AttributeError):
        defaults.idle = 5.0  # type: ignore[misc]
