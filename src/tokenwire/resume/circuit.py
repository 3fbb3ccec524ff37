"""When a circuit opens and closes: values, and functions from one to the next.

A stream that opens proves nothing: the outcome is reported at its terminal event, perhaps minutes
later. So each permit carries the generation of the circuit that gave it, which changes with every
transition, and an answer to a permit of an older generation changes nothing: a late success cannot
close a circuit that opened since, nor a late failure open one that closed since. Not decided here:
where a circuit is kept and who shares it (`tokenwire.resume.breaker`).
"""

from __future__ import annotations

import math
from typing import Final, Literal, TypeAlias, get_args

from msgspec import Struct
from msgspec.structs import replace

from tokenwire.errors import Recovery
from tokenwire.events import Error, ErrorKind

Circuit: TypeAlias = Literal["closed", "open", "half_open"]
"""``closed``: all may pass. ``open``: none may. ``half_open``: a few may, to probe the service."""

# The window slides by a tenth of itself: its counts stay a few numbers, however many calls it
# holds, and so cheap to keep in a store that is shared.
_SLICES: Final = 10

# Kinds that show a service in trouble. What is wrong with the bytes is a fault, but no outage.
_FAILURES: Final[frozenset[ErrorKind]] = frozenset(
    {"vendor", "http", "transport", "timeout", "truncated"}
)


class Slice(Struct, frozen=True, array_like=True):
    """What was answered in one tenth of the window.

    Attributes:
        number: Which one: the time divided by the length of a slice, rounded down.
        calls: Successes and failures.
        failures: The failures among them.
    """

    number: int
    calls: int = 0
    failures: int = 0


class Probe(Struct, frozen=True, array_like=True):
    """A call that may pass while the circuit is half-open.

    Attributes:
        number: Tells the probes of one generation apart.
        until: When it counts as lost.
    """

    number: int
    until: float


class BreakerState(Struct, frozen=True, kw_only=True):
    """A circuit, as a small value that a store can keep.

    Attributes:
        version: Grows with every change that a store took; 0: never stored.
        circuit: Where it stands.
        generation: Grows with every transition.
        open_until: When an open circuit lets the first probe pass.
        window: What was answered lately while it was closed, oldest first.
        probes: Those out now, while it is half-open.
        probed: Probes given in this generation.
        successes: Probes that succeeded in this generation.
    """

    version: int = 0
    circuit: Circuit = "closed"
    generation: int = 0
    open_until: float | None = None
    window: tuple[Slice, ...] = ()
    probes: tuple[Probe, ...] = ()
    probed: int = 0
    successes: int = 0


class Permit(Struct):
    """Leave for one call. Answer it once, or give it back.

    Attributes:
        generation: Of the circuit that gave it; below 0 where none could be asked.
        probe: The number of the probe; ``None`` from a closed circuit.
        answered: It was answered or given back; to do so again changes nothing.
    """

    generation: int
    probe: int | None = None
    answered: bool = False


class Refusal(Struct, frozen=True):
    """No leave: the circuit is open, or half-open with all its probes out.

    Attributes:
        circuit: Which of the two.
        until: When an open one lets the first probe pass. ``None`` where that depends on probes.
    """

    circuit: Circuit
    until: float | None = None

    def error(self, now: float) -> Error:
        """The same as what a call comes to: an `Error` worth another try once the time is over."""
        words = "open" if self.circuit == "open" else "half-open and all its probes are out"
        return Error(
            kind="transport",
            message=f"nothing was sent: the service kept failing, and its circuit is {words}",
            recovery=Recovery.RETRY,
            retry_after=None if self.until is None else max(0.0, self.until - now),
        )


class BreakerHealth(Struct, frozen=True, kw_only=True):
    """A circuit as it stands at one time.

    Attributes:
        circuit: Where it stands; ``half_open`` also for an open one whose time is over.
        open_until: When an open circuit lets the first probe pass.
        calls: Calls answered in the window, before it opened.
        failures: The failures among them.
        probes: Probes out.
        refused: Calls that this `CircuitBreaker` refused since it was made.
        reachable: False: the store cannot be asked, so calls pass; the rest is not known.
    """

    circuit: Circuit
    open_until: float | None = None
    calls: int = 0
    failures: int = 0
    probes: int = 0
    refused: int = 0
    reachable: bool = True


class BreakerPolicy(Struct, frozen=True, kw_only=True):
    """When a circuit opens and closes, and its transitions as pure functions.

    A closed circuit opens at a failure if there are too many in the window: by ratio or by count,
    whichever is reached first.

    Attributes:
        window: The seconds that are looked back on. It slides in steps of a tenth.
        failure_ratio: The part of the calls in the window that may not fail; above 0, at most 1.
            ``None``: only the count matters.
        min_calls: The ratio says nothing of fewer calls in the window.
        failure_count: So many failures in the window open it, whatever else went well. ``None``:
            only the ratio matters.
        recovery_time: Seconds for which an open circuit lets nothing pass.
        probes: Calls that a half-open circuit lets pass at a time.
        successes: Probes that must succeed, without one that fails, to close it.
        probe_time: Seconds after which a probe without an answer counts as lost, and another may
            go: the process that has it may have died.
        kinds: Kinds of errors that may speak against the service; see `is_failure`.

    Raises:
        ValueError: A value is out of range, or neither ratio nor count is given.
    """

    window: float = 60.0
    failure_ratio: float | None = 0.5
    min_calls: int = 10
    failure_count: int | None = None
    recovery_time: float = 30.0
    # An answer takes its time, and everybody else is refused meanwhile: not all on one card.
    probes: int = 3
    successes: int = 1
    # As long as the vendors' SDKs give an answer.
    probe_time: float = 600.0
    kinds: frozenset[ErrorKind] = _FAILURES

    def __post_init__(self) -> None:
        for name in ("window", "recovery_time", "probe_time"):
            value = getattr(self, name)
            if type(value) not in (int, float) or not 0 < value < math.inf:
                raise _invalid(name, "a positive number of seconds", value)
        for name in ("min_calls", "failure_count", "probes", "successes"):
            value = getattr(self, name)
            if value is None and name == "failure_count":
                continue
            if type(value) is not int or value < 1:
                raise _invalid(name, "a positive whole number", value)
        if self.failure_ratio is None:
            if self.failure_count is None:
                raise ValueError("BreakerPolicy needs a failure_ratio or a failure_count")
        elif type(self.failure_ratio) not in (int, float) or not 0 < self.failure_ratio <= 1:
            raise _invalid("failure_ratio", "above 0 and at most 1", self.failure_ratio)
        if unknown := self.kinds - frozenset[str](get_args(ErrorKind)):
            raise ValueError(f"BreakerPolicy.kinds holds no kind of Error: {sorted(unknown)}")

    def is_failure(self, error: Error) -> bool:
        """Does this error speak against the service?

        It does with a status of 500 or more, and not with a lower one: the request or its sender
        is to blame. Without a status, it does if the transport failed, the answer broke off or
        took too long, or the service calls its error transient. Errors not of `kinds` never do.
        """
        if error.kind not in self.kinds:
            return False
        if error.status is not None:
            return error.status >= 500
        if error.kind in ("transport", "timeout", "truncated"):
            return True
        return error.recovery is not Recovery.FATAL

    def acquire(self, state: BreakerState, now: float) -> tuple[BreakerState, Permit | Refusal]:
        """Ask leave for one call. Gives the state that follows, and the permit or the refusal."""
        if state.circuit == "closed":
            return state, Permit(state.generation)
        if state.circuit == "open":
            if state.open_until is not None and now < state.open_until:
                return state, Refusal("open", state.open_until)
            state = replace(
                state, circuit="half_open", generation=state.generation + 1, open_until=None
            )
        out = tuple(probe for probe in state.probes if now < probe.until)
        if len(out) >= self.probes:
            return state, Refusal("half_open")
        number = state.probed + 1
        probe = Probe(number, now + self.probe_time)
        return (
            replace(state, probes=(*out, probe), probed=number),
            Permit(state.generation, number),
        )

    def answer(
        self, state: BreakerState, permit: Permit, now: float, *, failed: bool
    ) -> BreakerState:
        """Tell how a permitted call ended. Gives the state that follows.

        The same state, if the permit is of an older generation or its probe was lost.
        """
        if permit.generation != state.generation:
            return state
        if state.circuit == "closed":
            return self._count(state, now, failed)
        after = self.release(state, permit)
        if after is state:
            return state
        if failed:
            return self._open(after, now)
        if state.successes + 1 >= self.successes:
            return BreakerState(version=state.version, generation=state.generation + 1)
        return replace(after, successes=state.successes + 1)

    def release(self, state: BreakerState, permit: Permit) -> BreakerState:
        """Give a permit back: the call tells nothing. Gives the state that follows."""
        if permit.generation != state.generation:
            return state
        rest = tuple(probe for probe in state.probes if probe.number != permit.probe)
        return state if len(rest) == len(state.probes) else replace(state, probes=rest)

    def health(self, state: BreakerState, now: float) -> BreakerHealth:
        """How the circuit stands at this time; changes nothing."""
        waits = state.open_until is not None and now < state.open_until
        recent = self._recent(state.window, now)
        return BreakerHealth(
            circuit="half_open" if state.circuit == "open" and not waits else state.circuit,
            open_until=state.open_until if waits else None,
            calls=sum(each.calls for each in recent),
            failures=sum(each.failures for each in recent),
            probes=sum(now < probe.until for probe in state.probes),
        )

    def _count(self, state: BreakerState, now: float, failed: bool) -> BreakerState:
        *before, last = self._recent(state.window, now) or [Slice(self._slice(now))]
        if last.number < self._slice(now):  # it is greater where clocks disagree
            before.append(last)
            last = Slice(self._slice(now))
        last = Slice(last.number, last.calls + 1, last.failures + failed)
        window = (*before, last)
        after = replace(state, window=window)
        return self._open(after, now) if failed and self._too_many(window) else after

    def _too_many(self, window: tuple[Slice, ...]) -> bool:
        calls = sum(each.calls for each in window)
        failures = sum(each.failures for each in window)
        if self.failure_count is not None and failures >= self.failure_count:
            return True
        if self.failure_ratio is None or calls < self.min_calls:
            return False
        return failures / calls >= self.failure_ratio

    def _open(self, state: BreakerState, now: float) -> BreakerState:
        return BreakerState(
            version=state.version,
            circuit="open",
            generation=state.generation + 1,
            open_until=now + self.recovery_time,
            window=state.window,
        )

    def _slice(self, now: float) -> int:
        return math.floor(now / (self.window / _SLICES))

    def _recent(self, window: tuple[Slice, ...], now: float) -> list[Slice]:
        oldest = self._slice(now) - _SLICES + 1
        return [each for each in window if each.number >= oldest]


def _invalid(name: str, expected: str, value: object) -> ValueError:
    return ValueError(f"BreakerPolicy.{name} must be {expected}, not {value!r}")
