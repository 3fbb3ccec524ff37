"""`CircuitBreaker`: one circuit for many sessions, judged by how their streams ended."""

from __future__ import annotations

import math
import threading
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)
from tests.effort import tries

from tokenwire.errors import LocalProtocolError
from tokenwire.events import Done, Error, Event, Recovery, Token
from tokenwire.resume import (
    BreakerHealth,
    BreakerPolicy,
    BreakerState,
    BreakerStats,
    BreakerStoreError,
    CircuitBreaker,
    KeptCircuit,
    MemoryBreakerStore,
    Permit,
    Refusal,
    RetryPolicy,
    Wait,
)
from tokenwire.resume.backoff import Backoff

DONE = Done("stop")
LOST = Error("transport", "reset by peer", recovery=Recovery.RETRY)
WRONG = Error("http", "wrong", status=400)

QUICK = BreakerPolicy(failure_count=2, failure_ratio=None, window=10, recovery_time=30, probes=1)


def permit(breaker: CircuitBreaker, now: float) -> Permit:
    got = breaker.acquire(now)
    assert isinstance(got, Permit), got
    return got


def refusal(breaker: CircuitBreaker, now: float) -> Refusal:
    got = breaker.acquire(now)
    assert isinstance(got, Refusal), got
    return got


def call(breaker: CircuitBreaker, now: float, last: Event) -> None:
    breaker.record(permit(breaker, now), last, now)


def opened(policy: BreakerPolicy = QUICK, **more: Any) -> CircuitBreaker:
    """A circuit that opened at 0."""
    breaker = CircuitBreaker(policy, **more)
    for _ in range(2):
        call(breaker, 0, LOST)
    assert breaker.health(0).circuit == "open"
    return breaker


# Opening


def test_playbook() -> None:
    breaker = CircuitBreaker(QUICK)
    call(breaker, 0, LOST)
    call(breaker, 1, DONE)
    assert breaker.health(1) == BreakerHealth(circuit="closed", calls=2, failures=1)
    call(breaker, 2, LOST)
    assert breaker.health(2) == BreakerHealth(circuit="open", open_until=32, calls=3, failures=2)
    assert refusal(breaker, 31.9) == Refusal("open", 32)
    assert breaker.health(32) == BreakerHealth(circuit="half_open", refused=1)
    probe = permit(breaker, 32)
    assert refusal(breaker, 33) == Refusal("half_open")
    assert breaker.health(33) == BreakerHealth(circuit="half_open", probes=1, refused=2)
    breaker.record(probe, DONE, 40)
    assert breaker.health(40) == BreakerHealth(circuit="closed", refused=2)
    assert breaker.stats() == BreakerStats(permitted=4, refused=2, succeeded=2, failed=2)


def test_the_outcome_counts_when_the_stream_ends_not_when_it_opens() -> None:
    breaker = CircuitBreaker(QUICK)
    first, second = permit(breaker, 0), permit(breaker, 0)
    breaker.record(first, LOST, 100)
    assert breaker.health(100).circuit == "closed"
    breaker.record(second, LOST, 105)  # both failed within ten seconds
    assert breaker.health(105).open_until == 135


def test_failures_fade_from_the_window() -> None:
    breaker = CircuitBreaker(QUICK)
    call(breaker, 0, LOST)
    assert breaker.health(9.9).failures == 1
    assert breaker.health(10).failures == 0
    call(breaker, 10, LOST)
    assert breaker.health(10) == BreakerHealth(circuit="closed", calls=1, failures=1)


def test_the_ratio_says_nothing_of_few_calls() -> None:
    breaker = CircuitBreaker(BreakerPolicy(failure_ratio=0.3, min_calls=10))
    for now in range(7):
        call(breaker, now, DONE)
    call(breaker, 7, LOST)
    call(breaker, 8, LOST)
    assert breaker.health(8).circuit == "closed"
    call(breaker, 9, LOST)
    assert breaker.health(9).circuit == "open"


def test_a_ratio_below_the_threshold_leaves_it_closed() -> None:
    breaker = CircuitBreaker(BreakerPolicy(failure_ratio=0.3, min_calls=1))
    for last in (DONE, DONE, DONE, LOST):
        call(breaker, 0, last)
    assert breaker.health(0).circuit == "closed"


def test_a_success_never_opens_it() -> None:
    breaker = CircuitBreaker(BreakerPolicy(failure_ratio=0.5, min_calls=3))
    for last in (LOST, LOST, DONE):
        call(breaker, 0, last)
    assert breaker.health(0).circuit == "closed"


def test_ratio_and_count_together_open_at_whichever_is_first() -> None:
    policy = BreakerPolicy(failure_ratio=0.9, min_calls=2, failure_count=3)
    by_ratio, by_count = CircuitBreaker(policy), CircuitBreaker(policy)
    for _ in range(2):
        call(by_ratio, 0, LOST)
    for last in (DONE, DONE, LOST, DONE, LOST, LOST):
        assert by_count.health(0).circuit == "closed"
        call(by_count, 0, last)
    assert by_ratio.health(0).circuit == by_count.health(0).circuit == "open"


def test_the_window_stays_small_however_many_calls_it_holds() -> None:
    store = MemoryBreakerStore()
    breaker = CircuitBreaker(BreakerPolicy(window=1), store=store)
    for call_number in range(2000):
        call(breaker, call_number / 100, DONE)
    assert len(store.load("default").state.window) == 10
    assert breaker.health(19.99).calls == 100


def test_clocks_that_disagree_lose_no_outcome() -> None:
    breaker = CircuitBreaker(QUICK)
    call(breaker, 5, LOST)
    call(breaker, 3, DONE)
    assert breaker.health(5) == BreakerHealth(circuit="closed", calls=2, failures=1)


# Half-open


def test_a_failed_probe_opens_it_again() -> None:
    breaker = opened()
    breaker.record(permit(breaker, 30), LOST, 50)
    assert refusal(breaker, 79) == Refusal("open", 80)
    assert permit(breaker, 80).probe == 1


def test_several_probes_at_a_time() -> None:
    breaker = opened(msgspec.structs.replace(QUICK, probes=2, successes=3))
    first, second = permit(breaker, 30), permit(breaker, 30)
    assert isinstance(breaker.acquire(30), Refusal)
    breaker.record(first, DONE, 31)
    third = permit(breaker, 31)
    breaker.record(second, DONE, 32)
    assert breaker.health(32).circuit == "half_open"
    breaker.record(third, DONE, 33)
    assert breaker.health(33).circuit == "closed"


def test_one_failure_among_several_probes_opens_it() -> None:
    breaker = opened(msgspec.structs.replace(QUICK, probes=2, successes=2))
    first, second = permit(breaker, 30), permit(breaker, 30)
    breaker.record(first, DONE, 31)
    breaker.record(second, LOST, 32)
    assert breaker.health(32).circuit == "open"


def test_a_probe_given_back_makes_room_for_another() -> None:
    breaker = opened()
    breaker.release(permit(breaker, 30))
    assert breaker.health(30).circuit == "half_open"
    assert permit(breaker, 30).probe == 2


def test_a_probe_that_says_nothing_of_the_service_makes_room_too() -> None:
    breaker = opened()
    call(breaker, 30, WRONG)
    call(breaker, 31, DONE)
    assert breaker.health(31).circuit == "closed"


def test_a_lost_probe_makes_room_and_its_answer_comes_too_late() -> None:
    breaker = opened(msgspec.structs.replace(QUICK, probe_time=60))
    lost = permit(breaker, 30)
    assert isinstance(breaker.acquire(89), Refusal)
    second = permit(breaker, 90)
    breaker.record(lost, LOST, 91)
    assert breaker.health(91).circuit == "half_open"
    breaker.record(second, DONE, 92)
    assert breaker.health(92).circuit == "closed"


def test_a_lost_probe_that_nobody_replaced_still_counts() -> None:
    breaker = opened(msgspec.structs.replace(QUICK, probe_time=60))
    late = permit(breaker, 30)
    assert breaker.health(95).probes == 0
    breaker.record(late, DONE, 95)
    assert breaker.health(95).circuit == "closed"


# Generations


def test_a_late_success_does_not_close_a_circuit_that_opened_since() -> None:
    breaker = CircuitBreaker(QUICK)
    late = permit(breaker, 0)
    call(breaker, 0, LOST)
    call(breaker, 0, LOST)
    breaker.record(late, DONE, 1)
    assert breaker.health(1).circuit == "open"
    permit(breaker, 30)
    assert breaker.health(30).circuit == "half_open"


def test_a_late_success_does_not_close_a_half_open_circuit() -> None:
    breaker = CircuitBreaker(QUICK)
    late = permit(breaker, 0)
    call(breaker, 0, LOST)
    call(breaker, 0, LOST)
    probe = permit(breaker, 30)
    breaker.record(late, DONE, 31)
    assert breaker.health(31) == BreakerHealth(circuit="half_open", probes=1)
    breaker.record(probe, LOST, 32)
    assert breaker.health(32).circuit == "open"


def test_a_late_failure_does_not_open_a_circuit_that_closed_since() -> None:
    breaker = opened(msgspec.structs.replace(QUICK, probes=2))
    first, second = permit(breaker, 30), permit(breaker, 30)
    breaker.record(first, DONE, 31)
    call(breaker, 32, LOST)
    breaker.record(second, LOST, 33)
    assert breaker.health(33) == BreakerHealth(circuit="closed", calls=1, failures=1)


def test_a_late_permit_given_back_takes_no_other_s_place() -> None:
    breaker = opened()
    late = permit(breaker, 30)
    again = Permit(late.generation, late.probe)
    breaker.record(late, LOST, 31)
    permit(breaker, 61)  # a probe of the same number, a generation later
    breaker.release(again)
    assert isinstance(breaker.acquire(62), Refusal)


# Permits


def test_a_permit_is_answered_once() -> None:
    breaker = CircuitBreaker(QUICK)
    got = permit(breaker, 0)
    breaker.record(got, LOST, 0)
    breaker.record(got, LOST, 0)
    breaker.record(got, WRONG, 0)
    breaker.release(got)
    assert breaker.health(0).failures == 1
    assert breaker.stats() == BreakerStats(permitted=1, failed=1)


def test_a_cancelled_call_counts_neither_way() -> None:
    breaker = CircuitBreaker(QUICK)
    breaker.release(permit(breaker, 0))
    call(breaker, 0, WRONG)
    assert breaker.health(0) == BreakerHealth(circuit="closed")
    assert breaker.stats() == BreakerStats(permitted=2, released=2)


@pytest.mark.parametrize("early", [Token("a"), Error("malformed", "odd", fatal=False)])
def test_only_a_terminal_event_is_an_outcome(early: Any) -> None:
    breaker = CircuitBreaker(QUICK)
    got = permit(breaker, 0)
    with pytest.raises(LocalProtocolError, match="last event"):
        breaker.record(got, early, 0)
    breaker.record(got, DONE, 0)
    assert breaker.stats().succeeded == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Error("http", "", status=500), True),
        (Error("http", "", status=529, recovery=Recovery.RETRY), True),
        (Error("http", "", status=429, recovery=Recovery.RETRY), False),
        (Error("http", "", status=404), False),
        (Error("http", "a page where a stream was expected", status=200), False),
        (Error("vendor", "", status=503, recovery=Recovery.RETRY), True),
        (Error("vendor", "", code="overloaded_error", recovery=Recovery.RETRY), True),
        (Error("vendor", "", code="invalid_request_error"), False),
        (Error("transport", ""), True),
        (Error("timeout", "", recovery=Recovery.RESUME), True),
        (Error("timeout", ""), True),
        (Error("truncated", "", recovery=Recovery.RESUME), True),
        (Error("malformed", ""), False),
        (Error("limit", ""), False),
    ],
    ids=str,
)
def test_what_speaks_against_the_service(error: Error, expected: bool) -> None:
    assert BreakerPolicy().is_failure(error) is expected


def test_kinds_may_be_taken_out() -> None:
    policy = BreakerPolicy(kinds=BreakerPolicy().kinds - {"truncated"})
    assert not policy.is_failure(Error("truncated", "", recovery=Recovery.RESUME))


def test_a_refusal_is_an_error_that_the_retry_policy_waits_for() -> None:
    breaker = opened()
    error = refusal(breaker, 10).error(10)
    assert (error.kind, error.recovery, error.retry_after) == ("transport", Recovery.RETRY, 20)
    assert "its circuit is open" in error.message
    decision = RetryPolicy().decide(error, Backoff(), random=lambda: 0.5)
    assert isinstance(decision, Wait)
    assert decision.delay == 20
    permit(breaker, 30)
    error = refusal(breaker, 30).error(30)
    assert error.retry_after is None
    assert "all its probes are out" in error.message


# Stores


def test_breakers_share_a_circuit_through_their_store() -> None:
    store = MemoryBreakerStore()
    one, two = (CircuitBreaker(QUICK, name="api", store=store) for _ in range(2))
    other = CircuitBreaker(QUICK, name="other", store=store)
    call(one, 0, LOST)
    call(two, 0, LOST)
    assert isinstance(one.acquire(1), Refusal)
    assert isinstance(two.acquire(1), Refusal)
    assert isinstance(other.acquire(1), Permit)
    assert (one.health(1).refused, other.health(1).refused) == (1, 0)


class Contended(MemoryBreakerStore):
    """Somebody else is faster, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.rival: CircuitBreaker = CircuitBreaker(QUICK, store=self)

    def save(self, name: str, state: BreakerState, *, expected: int) -> bool:
        if self.times:
            self.times -= 1
            call(self.rival, 0, DONE)
        return super().save(name, state, expected=expected)


def test_a_lost_race_is_run_again_on_the_state_that_won() -> None:
    store = Contended(3)
    breaker = CircuitBreaker(QUICK, store=store)
    call(breaker, 0, LOST)
    assert breaker.health(0) == BreakerHealth(circuit="closed", calls=4, failures=1)
    assert breaker.stats().failed == 1


class Stuck(MemoryBreakerStore):
    """Keeps nothing, as where the state names another version than the store compares."""

    asked = 0

    def save(self, name: str, state: BreakerState, *, expected: int) -> bool:
        self.asked += 1
        return False


def test_a_store_that_never_keeps_anything_is_not_asked_for_ever() -> None:
    store = Stuck()
    breaker = CircuitBreaker(QUICK, store=store)
    passed = permit(breaker, 0)
    breaker.record(passed, LOST, 0)
    assert 1 < store.asked <= 100
    assert breaker.stats() == BreakerStats(permitted=1, failed=1, unreachable=1)
    breaker.release(permit(breaker, 0))
    assert store.asked <= 200


def test_a_store_refuses_what_was_made_from_an_older_version() -> None:
    store = MemoryBreakerStore()
    assert store.load("api") == KeptCircuit(BreakerState())
    assert not store.save("api", BreakerState(version=8), expected=7)
    assert store.save("api", BreakerState(version=1), expected=0)
    assert not store.save("api", BreakerState(version=1), expected=0)
    assert store.load("api").state == BreakerState(version=1)


def test_nothing_is_saved_where_nothing_changed() -> None:
    class Counting(MemoryBreakerStore):
        saved = 0

        def save(self, name: str, state: BreakerState, *, expected: int) -> bool:
            self.saved += 1
            return super().save(name, state, expected=expected)

    store = Counting()
    breaker = CircuitBreaker(QUICK, store=store)
    breaker.release(permit(breaker, 0))
    assert store.saved == 0
    for _ in range(2):
        call(breaker, 0, LOST)
    refusal(breaker, 1)
    breaker.health(1)
    assert store.saved == 2


class Distant(MemoryBreakerStore):
    """In another process: it has a clock of its own, and may be out of reach."""

    time = 1000.0
    away = False

    def load(self, name: str) -> KeptCircuit:
        if self.away:
            raise BreakerStoreError("no answer")
        return KeptCircuit(super().load(name).state, self.time)


def test_the_time_is_that_of_the_store() -> None:
    store = Distant()
    breaker = opened(store=store)  # at 0, for its user
    assert store.load("default").state.open_until == 1030
    assert breaker.health(0).open_until == 30
    other = CircuitBreaker(QUICK, store=store)
    assert refusal(other, 500) == Refusal("open", 530)
    store.time = 1030
    probe = permit(other, 530)
    assert refusal(breaker, 30) == Refusal("half_open")
    other.record(probe, LOST, 530)
    assert breaker.health(30).open_until == 60
    store.time = 1060
    call(breaker, 60, DONE)
    assert other.health(560) == BreakerHealth(circuit="closed", refused=1)


def test_while_the_store_is_away_calls_pass_and_their_outcomes_are_lost() -> None:
    store = Distant()
    breaker = opened(store=store)
    store.away = True
    assert breaker.health(0) == BreakerHealth(circuit="closed", reachable=False)
    lost, late = permit(breaker, 0), permit(breaker, 0)
    breaker.record(lost, DONE, 0)
    assert breaker.stats() == BreakerStats(permitted=4, failed=2, succeeded=1, unreachable=3)
    store.away = False
    breaker.record(late, DONE, 0)  # of no circuit
    assert refusal(breaker, 0) == Refusal("open", 30)
    assert breaker.health(0) == BreakerHealth(
        circuit="open", open_until=30, calls=2, failures=2, refused=1
    )


@pytest.mark.parametrize(("kept", "circuit"), [(True, "closed"), (False, "half_open")])
def test_a_probe_that_may_have_been_kept_is_answered(kept: bool, circuit: str) -> None:
    class Doubtful(MemoryBreakerStore):
        fails = False

        def save(self, name: str, state: BreakerState, *, expected: int) -> bool:
            if not self.fails:
                return super().save(name, state, expected=expected)
            if kept:
                super().save(name, state, expected=expected)
            raise BreakerStoreError("no answer")

    store = Doubtful()
    breaker = opened(store=store)
    store.fails = True
    probe = permit(breaker, 30)
    store.fails = False
    breaker.record(probe, DONE, 31)
    assert breaker.health(31).circuit == circuit
    assert breaker.stats().unreachable == 1


def test_the_transitions_are_pure_for_stores_that_are_asynchronous() -> None:
    state = BreakerState()
    for _ in range(2):
        state, got = QUICK.acquire(state, 0)
        assert isinstance(got, Permit)
        state = QUICK.answer(state, got, 0, failed=True)
    before = msgspec.json.encode(state)
    after, got = QUICK.acquire(state, 30)
    assert isinstance(got, Permit)
    assert (state.circuit, after.circuit) == ("open", "half_open")
    assert msgspec.json.encode(state) == before
    kept = msgspec.json.decode(msgspec.json.encode(after), type=BreakerState)
    assert kept == after
    assert QUICK.release(kept, got).probes == ()


def test_threads_share_one_breaker() -> None:
    breaker = CircuitBreaker(
        BreakerPolicy(failure_ratio=None, failure_count=10**6, window=10), lock=threading.Lock()
    )
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        for _ in range(200):
            call(breaker, 0, DONE)
            call(breaker, 0, LOST)
            breaker.release(permit(breaker, 0))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert breaker.health(0) == BreakerHealth(circuit="closed", calls=3200, failures=1600)
    assert breaker.stats() == BreakerStats(
        permitted=4800, succeeded=1600, failed=1600, released=1600
    )


def test_the_store_is_only_touched_under_the_lock() -> None:
    class Watched(MemoryBreakerStore):
        def load(self, name: str) -> KeptCircuit:
            assert lock.locked()
            return super().load(name)

        def save(self, name: str, state: BreakerState, *, expected: int) -> bool:
            assert lock.locked()
            return super().save(name, state, expected=expected)

    lock = threading.Lock()
    breaker = opened(store=Watched(), lock=lock)
    breaker.release(permit(breaker, 30))
    breaker.stats()
    assert not lock.locked()


# The value


@pytest.mark.parametrize(
    "wrong",
    [
        {"window": 0},
        {"window": math.inf},
        {"recovery_time": -1},
        {"recovery_time": "30"},
        {"probe_time": math.nan},
        {"min_calls": 0},
        {"failure_count": 0},
        {"failure_count": 1.5},
        {"probes": 0},
        {"successes": True},
        {"min_calls": None},
        {"failure_ratio": 0},
        {"failure_ratio": 1.1},
        {"failure_ratio": "half"},
        {"kinds": frozenset({"network"})},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"BreakerPolicy.{name} "):
        BreakerPolicy(**wrong)


def test_something_must_open_it() -> None:
    with pytest.raises(ValueError, match="a failure_ratio or a failure_count"):
        BreakerPolicy(failure_ratio=None)


# Against a model: the rules as one would tell them, with a list of all that happened.


class Circuits(RuleBasedStateMachine):
    out: Bundle[tuple[Permit, int]] = Bundle("out")

    @initialize(
        count=st.integers(1, 3),
        probes=st.integers(1, 3),
        successes=st.integers(1, 3),
        ratio=st.none() | st.sampled_from([0.25, 0.5, 1.0]),
        min_calls=st.integers(1, 4),
    )
    def start(
        self, count: int, probes: int, successes: int, ratio: float | None, min_calls: int
    ) -> None:
        self.policy = BreakerPolicy(
            window=10,  # and so slices of a second: the model's times are whole
            failure_count=count,
            failure_ratio=ratio,
            min_calls=min_calls,
            recovery_time=20,
            probes=probes,
            successes=successes,
            probe_time=1000,
        )
        self.breaker = CircuitBreaker(self.policy)
        self.now = 0
        self.circuit = "closed"
        self.era = 0
        self.outcomes: list[tuple[int, bool]] = []
        self.until = 0
        self.probes_out = 0
        self.good_probes = 0
        self.refused = 0

    def enter(self, circuit: str) -> None:
        self.circuit = circuit
        self.era += 1
        self.probes_out = self.good_probes = 0

    @rule(seconds=st.sampled_from([1, 3, 8, 20]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule(target=out)
    def ask(self) -> Any:
        got = self.breaker.acquire(self.now)
        if self.circuit == "open" and self.now >= self.until:
            self.enter("half_open")
        allowed = self.circuit == "closed" or (
            self.circuit == "half_open" and self.probes_out < self.policy.probes
        )
        assert isinstance(got, Permit) is allowed
        if not isinstance(got, Permit):
            assert got.circuit == self.circuit
            assert got.until == (self.until if self.circuit == "open" else None)
            self.refused += 1
            return multiple()
        self.probes_out += self.circuit == "half_open"
        return got, self.era

    @rule(call=consumes(out), failed=st.booleans())
    def a_stream_ends(self, call: tuple[Permit, int], failed: bool) -> None:
        got, era = call
        self.breaker.record(got, LOST if failed else DONE, self.now)
        if era != self.era:
            return
        if self.circuit == "half_open":
            self.probes_out -= 1
            self.good_probes += not failed
            if failed:
                self.opens()
            elif self.good_probes == self.policy.successes:
                self.enter("closed")
                self.outcomes = []
            return
        self.outcomes.append((self.now, failed))
        calls, failures = self.lately()
        ratio = self.policy.failure_ratio
        assert self.policy.failure_count is not None
        too_many = failures >= self.policy.failure_count or (
            ratio is not None and calls >= self.policy.min_calls and failures / calls >= ratio
        )
        if failed and too_many:
            self.opens()

    @rule(call=consumes(out))
    def a_stream_is_left(self, call: tuple[Permit, int]) -> None:
        got, era = call
        self.breaker.release(got)
        if era == self.era and self.circuit == "half_open":
            self.probes_out -= 1

    def opens(self) -> None:
        self.enter("open")
        self.until = self.now + 20

    def lately(self) -> tuple[int, int]:
        recent = [failed for then, failed in self.outcomes if then > self.now - 10]
        return len(recent), sum(recent)

    @invariant()
    def it_stands_where_the_model_stands(self) -> None:
        over = self.circuit == "open" and self.now >= self.until
        calls, failures = self.lately()
        assert self.breaker.health(self.now) == BreakerHealth(
            circuit="half_open" if over else self.circuit,  # type: ignore[arg-type]
            open_until=self.until if self.circuit == "open" and not over else None,
            calls=calls,
            failures=failures,
            probes=self.probes_out,
            refused=self.refused,
        )


TestCircuits = Circuits.TestCase
TestCircuits.settings = settings(max_examples=tries(100), stateful_step_count=40, deadline=None)
