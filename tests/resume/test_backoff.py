"""`RetryPolicy`: which errors, how often, and how long between."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire.dialects.kit.errors import RETRYABLE_STATUSES
from tokenwire.events import Error, Recovery
from tokenwire.resume import (
    NEVER,
    RETRYABLE_KINDS,
    Backoff,
    GiveUp,
    GiveUpReason,
    Growth,
    Jitter,
    RetryPolicy,
    Wait,
)

CUT = Error("truncated", "the answer was cut off", recovery=Recovery.RESUME)
BUSY = Error("http", "busy", status=503, recovery=Recovery.RETRY)
WRONG = Error("http", "wrong", status=400)
FRESH = Backoff()

GROWTHS: list[Growth] = ["exponential", "linear", "fibonacci", "decorrelated"]
JITTERS: list[Jitter] = ["none", "full", "equal", "ranged"]


def lowest() -> float:
    return 0.0


def highest() -> float:
    return math.nextafter(1.0, 0.0)


def middle() -> float:
    return 0.5


def wait(policy: RetryPolicy, error: Error = CUT, **more: Any) -> float:
    decision = policy.decide(error, FRESH, random=middle, **more)
    assert isinstance(decision, Wait)
    return decision.delay


def waits(policy: RetryPolicy, random: Any = lowest, error: Error = CUT) -> Iterator[float]:
    """The delays of failures in a row, until the policy gives up."""
    backoff = Backoff()
    while isinstance(decision := policy.decide(error, backoff, random=random), Wait):
        yield decision.delay
        backoff = decision.backoff


def reason(policy: RetryPolicy, error: Error = CUT, backoff: Backoff = FRESH, **more: Any) -> str:
    decision = policy.decide(error, backoff, random=middle, **more)
    assert isinstance(decision, GiveUp)
    assert decision.message
    return decision.reason


# How long


@pytest.mark.parametrize(
    ("growth", "delays"),
    [
        ("exponential", [1, 2, 4, 8, 10, 10]),
        ("linear", [1, 2, 3, 4, 5, 6]),
        ("fibonacci", [1, 1, 2, 3, 5, 8]),
    ],
)
def test_growth(growth: Growth, delays: list[float]) -> None:
    policy = RetryPolicy(
        growth=growth, jitter="none", initial_delay=1, max_delay=10, max_attempts=6
    )
    assert list(waits(policy)) == delays


def test_the_factor_of_exponential_growth() -> None:
    policy = RetryPolicy(jitter="none", initial_delay=2, factor=3, max_delay=100, max_attempts=4)
    assert list(waits(policy)) == [2, 6, 18, 54]


def test_decorrelated_delays_grow_from_what_was_drawn_before() -> None:
    policy = RetryPolicy(growth="decorrelated", initial_delay=1, max_delay=20, max_attempts=4)
    assert list(waits(policy, lowest)) == [1, 1, 1, 1]
    assert list(waits(policy, middle)) == [2, 3.5, 5.75, 9.125]
    assert list(waits(policy, highest)) == pytest.approx([3, 9, 20, 20])


def test_decorrelated_delays_do_not_grow_from_what_the_server_asked_for() -> None:
    policy = RetryPolicy(growth="decorrelated", initial_delay=1, max_delay=50)
    first = policy.decide(CUT, Backoff(), retry=40_000, random=middle)
    assert isinstance(first, Wait)
    assert (first.delay, first.backoff.drawn) == (40, 2)
    second = policy.decide(CUT, first.backoff, random=middle)
    assert isinstance(second, Wait)
    assert second.delay == 3.5


def test_decorrelated_delays_begin_anew_where_the_checkpoint_s_policy_was_quicker() -> None:
    policy = RetryPolicy(growth="decorrelated", initial_delay=1)
    decision = policy.decide(CUT, Backoff(attempts=1, drawn=0.1), random=highest)
    assert isinstance(decision, Wait)
    assert decision.delay == pytest.approx(3)


@pytest.mark.parametrize(
    ("jitter", "low", "mid", "high"),
    [("none", 8, 8, 8), ("full", 0, 4, 8), ("equal", 4, 6, 8), ("ranged", 6, 8, 10)],
)
def test_jitter(jitter: Jitter, low: float, mid: float, high: float) -> None:
    policy = RetryPolicy(jitter=jitter, initial_delay=8, max_attempts=1)
    assert list(waits(policy, lowest)) == [low]
    assert list(waits(policy, middle)) == [mid]
    assert list(waits(policy, highest)) == pytest.approx([high])


def test_the_spread_of_ranged_jitter_is_kept_at_the_longest_delays() -> None:
    policy = RetryPolicy(jitter="ranged", jitter_range=(0.5, 2), initial_delay=30, max_delay=30)
    assert next(waits(policy, lowest)) == 7.5
    assert next(waits(policy, highest)) == pytest.approx(30)


def test_ranged_jitter_that_only_shortens_reaches_the_longest_delay() -> None:
    policy = RetryPolicy(jitter="ranged", jitter_range=(0.75, 1), initial_delay=99, max_delay=30)
    assert next(waits(policy, highest)) == pytest.approx(30)


@given(
    growth=st.sampled_from(GROWTHS),
    jitter=st.sampled_from(JITTERS),
    initial=st.floats(0, 100),
    cap=st.floats(0, 1000),
    factor=st.floats(1, 100),
    bounds=st.tuples(st.floats(0, 3), st.floats(0, 3)).map(sorted),
    attempts=st.integers(0, 10**6),
    drawn=st.none() | st.floats(0, 2000),
    number=st.floats(0, 1, exclude_max=True),
)
def test_no_delay_is_negative_or_above_the_cap(
    growth: Growth,
    jitter: Jitter,
    initial: float,
    cap: float,
    factor: float,
    bounds: list[float],
    attempts: int,
    drawn: float | None,
    number: float,
) -> None:
    policy = RetryPolicy(
        growth=growth,
        jitter=jitter,
        initial_delay=initial,
        max_delay=cap,
        factor=factor,
        jitter_range=(bounds[0], bounds[1]),
        max_attempts=None,
    )
    decision = policy.decide(CUT, Backoff(attempts=attempts, drawn=drawn), random=lambda: number)
    assert isinstance(decision, Wait)
    assert 0 <= decision.delay <= cap
    if not initial and growth != "decorrelated":
        assert decision.delay == 0


@given(
    growth=st.sampled_from(GROWTHS[:3]),
    jitter=st.sampled_from(JITTERS),
    initial=st.floats(0.001, 10),
    factor=st.floats(1, 5),
    number=st.floats(0, 1, exclude_max=True),
)
def test_delays_never_shrink_while_the_draw_is_the_same(
    growth: Growth, jitter: Jitter, initial: float, factor: float, number: float
) -> None:
    policy = RetryPolicy(
        growth=growth, jitter=jitter, initial_delay=initial, factor=factor, max_attempts=20
    )
    delays = list(waits(policy, lambda: number))
    assert len(delays) == 20
    assert delays == sorted(delays)


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=30))
def test_decorrelated_delays_stay_between_the_first_and_three_times_the_last(
    numbers: list[float],
) -> None:
    policy = RetryPolicy(
        growth="decorrelated", initial_delay=0.5, max_delay=30, max_attempts=len(numbers)
    )
    before = 0.5
    for delay in waits(policy, iter(numbers).__next__):
        assert 0.5 <= delay <= min(30, 3 * before)
        before = delay


@pytest.mark.parametrize("growth", GROWTHS)
def test_attempts_beyond_any_float_wait_for_the_cap(growth: Growth) -> None:
    policy = RetryPolicy(growth=growth, jitter="none", max_attempts=None)
    decision = policy.decide(CUT, Backoff(attempts=10**9, drawn=30), random=highest)
    assert isinstance(decision, Wait)
    assert decision.delay == 30


# What the server asks for


def test_the_stream_s_retry_is_a_floor() -> None:
    policy = RetryPolicy(jitter="none", initial_delay=1)
    lost = Error("transport", "reset", recovery=Recovery.RESUME)
    assert wait(policy, error=lost, retry=4000) == 4
    assert wait(policy, error=lost, retry=250) == 1


def test_after_a_clean_end_the_stream_s_retry_is_the_delay() -> None:
    """The service wants to be asked then; one that ends without progress is asked less often."""
    policy = RetryPolicy(jitter="none", initial_delay=1)
    assert wait(policy, retry=4000) == 4
    assert wait(policy, retry=250) == 0.25
    assert wait(policy, retry=0) == 0
    twice = policy.decide(CUT, Backoff(attempts=1), retry=250, random=middle)
    assert isinstance(twice, Wait)
    assert twice.delay == 2


def test_an_event_source_waits_as_long_as_it_is_told() -> None:
    policy = RetryPolicy(max_retry_after=120)
    busy = msgspec.structs.replace(BUSY, retry_after=121.0)
    for error, patient, waits in ((CUT, True, True), (CUT, False, False), (busy, True, False)):
        decision = policy.decide(
            error, Backoff(), retry=600_000, patient=patient, random=lambda: 0.0
        )
        assert isinstance(decision, Wait) is waits


def test_retry_after_is_a_floor_beyond_the_cap() -> None:
    policy = RetryPolicy(jitter="none", initial_delay=1, max_delay=10)
    busy = msgspec.structs.replace(BUSY, retry_after=90.5)
    assert list(waits(policy, error=busy)) == [90.5] * 5
    soon = msgspec.structs.replace(BUSY, retry_after=0.0)
    assert next(waits(policy, error=soon)) == 1


@given(
    retry=st.none() | st.integers(0, 120_000),
    retry_after=st.none() | st.floats(0, 120),
    number=st.floats(0, 1, exclude_max=True),
)
def test_no_attempt_is_earlier_than_the_server_asks(
    retry: int | None, retry_after: float | None, number: float
) -> None:
    error = msgspec.structs.replace(BUSY, retry_after=retry_after)
    decision = RetryPolicy().decide(error, Backoff(), retry=retry, random=lambda: number)
    assert isinstance(decision, Wait)
    assert decision.delay >= max(retry_after or 0, (retry or 0) / 1000)


@pytest.mark.parametrize(("retry", "retry_after"), [(None, 120.1), (10**12, None), (0, math.inf)])
def test_a_wait_above_its_maximum_fails_at_once(
    retry: int | None, retry_after: float | None
) -> None:
    error = msgspec.structs.replace(BUSY, retry_after=retry_after)
    assert reason(RetryPolicy(), error, retry=retry) == "retry_after"


# How often


def test_attempts_are_capped_since_the_last_progress() -> None:
    policy = RetryPolicy(max_attempts=2)
    backoff = Backoff()
    for _ in range(3):
        for attempt in (1, 2):
            decision = policy.decide(CUT, backoff, random=middle)
            assert isinstance(decision, Wait)
            backoff = decision.backoff
            assert backoff.attempts == attempt
        assert reason(policy, backoff=backoff) == "attempts"
        backoff = backoff.progressed()
    assert (backoff.attempts, backoff.drawn, backoff.total_attempts) == (0, None, 6)


def test_attempts_are_capped_over_all() -> None:
    policy = RetryPolicy(max_total_attempts=3)
    backoff = Backoff()
    for _ in range(3):
        decision = policy.decide(CUT, backoff, random=middle)
        assert isinstance(decision, Wait)
        backoff = decision.backoff.progressed()
    assert reason(policy, backoff=backoff) == "total_attempts"


def test_the_waits_are_capped_over_all() -> None:
    policy = RetryPolicy(growth="linear", jitter="none", initial_delay=1, max_total_delay=6)
    assert list(waits(policy)) == [1, 2, 3]
    assert reason(policy, backoff=Backoff(attempts=3, total_delay=6.0)) == "total_delay"


def test_progress_makes_the_next_failure_a_first_one() -> None:
    policy = RetryPolicy(jitter="none", initial_delay=1)
    far = Backoff(attempts=4, total_attempts=4, total_delay=15.0, drawn=8.0)
    decision = policy.decide(CUT, far.progressed(), random=middle)
    assert decision == Wait(1, Backoff(attempts=1, total_attempts=5, total_delay=16.0, drawn=1.0))


def test_progress_without_a_failure_before_changes_nothing() -> None:
    fresh = Backoff(total_attempts=3)
    assert fresh.progressed() is fresh


def test_without_bounds_it_never_gives_up() -> None:
    policy = RetryPolicy(max_attempts=None, initial_delay=0)
    decision = policy.decide(CUT, Backoff(attempts=10**6, total_attempts=10**6), random=middle)
    assert isinstance(decision, Wait)


def test_never() -> None:
    assert reason(NEVER) == "attempts"


def test_the_default_is_more_patient_than_the_vendors_sdks() -> None:
    delays = list(waits(RetryPolicy(), highest))
    assert delays == pytest.approx([0.5, 1, 2, 4, 8])


@given(
    st.builds(
        Backoff,
        attempts=st.integers(0, 10**6),
        total_attempts=st.integers(0, 10**6),
        total_delay=st.floats(0, 1e9),
        drawn=st.none() | st.floats(0, 1e3),
    )
)
def test_the_state_survives_a_checkpoint(backoff: Backoff) -> None:
    assert msgspec.json.decode(msgspec.json.encode(backoff), type=Backoff) == backoff


# Which errors


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (CUT, True),
        (BUSY, True),
        (WRONG, False),
        (Error("vendor", "overloaded", code="overloaded_error", recovery=Recovery.RETRY), True),
        # Vendors send 429 for an exhausted quota, and a header may overrule any status.
        (Error("vendor", "quota", code="insufficient_quota", status=429), False),
        (Error("http", "x-should-retry: true", status=400, recovery=Recovery.RETRY), True),
        (Error("malformed", "no UTF-8"), False),
        (Error("limit", "too long"), False),
        (Error("timeout", "total"), False),
        (Error("timeout", "idle", recovery=Recovery.RESUME), True),
    ],
)
def test_the_error_s_recovery_decides(error: Error, expected: bool) -> None:
    assert RetryPolicy().retryable(error) is expected
    if not expected:
        assert reason(RetryPolicy(), error) == "not_retryable"


def test_a_status_put_in_or_taken_out_overrules_the_error() -> None:
    policy = RetryPolicy(statuses=RETRYABLE_STATUSES - {503} | {404})
    assert not policy.retryable(BUSY)
    assert policy.retryable(Error("http", "not yet there", status=404))
    assert not policy.retryable(WRONG)
    assert policy.retryable(CUT)


def test_a_kind_put_in_or_taken_out_overrules_the_error() -> None:
    policy = RetryPolicy(kinds=RETRYABLE_KINDS - {"truncated"} | {"malformed"})
    assert not policy.retryable(CUT)
    assert policy.retryable(Error("malformed", "no UTF-8"))
    assert not policy.retryable(Error("limit", "too long"))
    assert policy.retryable(BUSY)


def test_no_content_stops_whatever_else_is_said() -> None:
    stop = Error("http", "nothing more", status=204, recovery=Recovery.RETRY, retry_after=1.0)
    assert not RetryPolicy().retryable(stop)
    assert reason(RetryPolicy(max_attempts=None), stop) == "stopped"


@pytest.mark.parametrize(
    ("policy", "error", "backoff", "first"),
    [
        (RetryPolicy(max_attempts=0, max_total_attempts=0), WRONG, Backoff(), "not_retryable"),
        (RetryPolicy(max_attempts=0, max_total_attempts=0), CUT, Backoff(), "attempts"),
        (RetryPolicy(max_total_attempts=0, max_total_delay=0), CUT, Backoff(), "total_attempts"),
    ],
)
def test_the_nearest_reason_is_named(
    policy: RetryPolicy, error: Error, backoff: Backoff, first: GiveUpReason
) -> None:
    assert reason(policy, error, backoff) == first


def test_messages_name_the_cap() -> None:
    for policy, backoff, words in [
        (NEVER, Backoff(), "no further attempt: max_attempts = 0"),
        (RetryPolicy(), Backoff(attempts=5), "after 5 without progress: max_attempts = 5"),
        (RetryPolicy(max_total_attempts=1), Backoff(total_attempts=1), "max_total_attempts = 1"),
    ]:
        decision = policy.decide(CUT, backoff, random=middle)
        assert isinstance(decision, GiveUp)
        assert words in decision.message


# The value


@pytest.mark.parametrize(
    "wrong",
    [
        {"growth": "quadratic"},
        {"jitter": "some"},
        {"initial_delay": -1},
        {"initial_delay": "1"},
        {"initial_delay": True},
        {"max_delay": math.inf},
        {"max_delay": math.nan},
        {"max_retry_after": None},
        {"max_total_delay": -0.1},
        {"factor": 0.9},
        {"factor": math.inf},
        {"jitter_range": (1, 0.5)},
        {"jitter_range": (-1, 1)},
        {"jitter_range": (0, math.inf)},
        {"jitter_range": 0.5},
        {"max_attempts": -1},
        {"max_attempts": 2.0},
        {"max_attempts": True},
        {"max_total_attempts": -1},
        {"statuses": frozenset({"503"})},
        {"statuses": frozenset({204})},
        {"kinds": frozenset({"network"})},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"RetryPolicy.{name} "):
        RetryPolicy(**wrong)


def test_a_policy_is_a_value() -> None:
    policy = RetryPolicy(max_total_delay=60, kinds=frozenset({"http"}))
    assert msgspec.json.decode(msgspec.json.encode(policy), type=RetryPolicy) == policy
    assert hash(policy) != hash(RetryPolicy())
    with pytest.raises(AttributeError):
        policy.max_delay = 5.0  # type: ignore[misc]
