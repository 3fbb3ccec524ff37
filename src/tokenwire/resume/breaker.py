"""A circuit breaker: a service that keeps failing is left alone for a while.

`CircuitBreaker` puts the transitions of `BreakerPolicy` to a `BreakerStore`, where sessions,
threads and processes share one circuit. Code whose store is asynchronous calls the policy itself:
load, the transition, save, and again if somebody was faster. Not decided here: when a circuit opens
(`tokenwire.resume.circuit`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from tokenwire.errors import LocalProtocolError, TokenwireError
from tokenwire.events import Done, Error, Event
from tokenwire.resume.circuit import BreakerHealth, BreakerPolicy, BreakerState, Permit, Refusal


class BreakerStats(Struct, frozen=True, kw_only=True):
    """What one `CircuitBreaker` did since it was made; not what others did to the same circuit.

    Attributes:
        permitted: Calls that it let pass.
        refused: Calls that it did not.
        succeeded: Permits answered by `Done`.
        failed: Permits answered by an error that speaks against the service.
        released: Permits given back, and those answered by any other error.
        unreachable: Times that the store failed: a call passed unasked, or an outcome was lost.
    """

    permitted: int = 0
    refused: int = 0
    succeeded: int = 0
    failed: int = 0
    released: int = 0
    unreachable: int = 0


class BreakerStoreError(TokenwireError):
    """Raised by a store that cannot be asked. `CircuitBreaker` catches it, and calls pass."""


class KeptCircuit(Struct, frozen=True):
    """A circuit as a store gives it.

    Attributes:
        state: How it stands; a new one where none was kept.
        time: Now, by the clock of the store. ``None``: it has none, and the times in the state are
            those that its users pass as ``now``.
    """

    state: BreakerState
    time: float | None = None


class BreakerStore(Protocol):
    """Where circuits are kept. Implement it to share them between processes.

    Several circuits may live in one store, each under its name. The sessions of two processes need
    not have the same clock, and so a store that both can reach has one of its own. A store may
    forget a circuit that did not change for longer than any answer takes: it is closed then, and
    begins anew.

    Both methods are called while a session decides, and should take no longer than a thread or an
    event loop may stand still. They raise `BreakerStoreError` where the store cannot be asked.
    """

    def load(self, name: str) -> KeptCircuit:
        """The circuit of this name, and the time."""
        ...

    def save(self, name: str, state: BreakerState, *, expected: int) -> bool:
        """Keep this state, if what is kept still has the version ``expected``, in one step.

        Where nothing is kept, the version is 0. Returns whether it was kept; it must be, unless
        somebody else saved meanwhile.
        """
        ...


_NEW: Final = BreakerState()


class MemoryBreakerStore:
    """Circuits of this process. The lock of the `CircuitBreaker` guards it."""

    __slots__ = ("_circuits",)

    def __init__(self) -> None:
        self._circuits: dict[str, BreakerState] = {}

    def load(self, name: str) -> KeptCircuit:
        return KeptCircuit(self._circuits.get(name, _NEW))

    def save(self, name: str, state: BreakerState, *, expected: int) -> bool:
        if self._circuits.get(name, _NEW).version != expected:
            return False
        self._circuits[name] = state
        return True


_Answer = TypeVar("_Answer")

_MAX_TRIES: Final = 100
"""Times that a change is tried. A try is lost to somebody whose own change was kept: who loses so
many has a store that cannot be kept in, as one whose circuit was written by others."""

DEFAULT_BREAKER = BreakerPolicy()

_UNASKED: Final = -1
"""The generation of permits that no circuit gave: what they are answered changes none."""


class CircuitBreaker:
    """One circuit, shared by all sessions that call one service.

    Ask with `acquire` before a request is sent, and tell with `record` how its stream ended, or
    give the permit back with `release` if nobody waited for the end.

    It fails open: while its store cannot be asked, calls pass and their outcomes are lost.
    `BreakerStats.unreachable` counts that, and `health` shows it.

    Args:
        policy: When it opens and closes.
        name: The circuit's name in the store.
        store: Where it is kept; in memory if not given.
        lock: Makes the breaker safe to share between threads: a ``threading.Lock()``, the same
            one for breakers that share a `MemoryBreakerStore`. The tasks of one event loop need
            none; for threads the interpreter's own lock is not enough.

    Attributes:
        policy: As given.
    """

    __slots__ = ("_counts", "_lock", "_name", "_store", "policy")

    def __init__(
        self,
        policy: BreakerPolicy = DEFAULT_BREAKER,
        *,
        name: str = "default",
        store: BreakerStore | None = None,
        lock: AbstractContextManager[Any] | None = None,
    ) -> None:
        self.policy = policy
        self._name = name
        self._store = MemoryBreakerStore() if store is None else store
        self._lock = nullcontext() if lock is None else lock
        self._counts = dict.fromkeys(BreakerStats.__struct_fields__, 0)

    def acquire(self, now: float) -> Permit | Refusal:
        """Ask leave for one call. A `Permit` must be answered or given back; a `Refusal` not."""
        got, time = self._change(self.policy.acquire, now)
        if not isinstance(got, Refusal):
            self._add("permitted")
            return got or Permit(_UNASKED)
        self._add("refused")
        return replace(got, until=_shifted(got.until, now - time))

    def record(self, permit: Permit, last: Event, now: float) -> None:
        """Tell how the stream of this permit ended.

        Args:
            permit: What `acquire` gave. Answered already, nothing happens.
            last: The stream's terminal event: `Done` is a success, an `Error` a failure if
                `BreakerPolicy.is_failure` says so. Any other error gives the permit back.
            now: The time.

        Raises:
            LocalProtocolError: The event is not terminal, and tells nothing yet.
        """
        match last:
            case Done():
                failed = False
            case Error(fatal=True):
                if not self.policy.is_failure(last):
                    self.release(permit)
                    return
                failed = True
            case _:
                raise LocalProtocolError(f"only a stream's last event tells its outcome: {last!r}")
        if self._is_first(permit, "failed" if failed else "succeeded"):
            self._change(
                lambda state, time: (self.policy.answer(state, permit, time, failed=failed), None),
                now,
            )

    def release(self, permit: Permit) -> None:
        """Give a permit back: the call was cancelled, and tells nothing of the service."""
        if self._is_first(permit, "released"):
            self._change(lambda state, _: (self.policy.release(state, permit), None))

    def health(self, now: float) -> BreakerHealth:
        """How the circuit stands at this time; changes nothing."""
        with self._lock:
            refused = self._counts["refused"]
            try:
                kept = self._store.load(self._name)
            except BreakerStoreError:
                return BreakerHealth(circuit="closed", refused=refused, reachable=False)
        time = now if kept.time is None else kept.time
        health = self.policy.health(kept.state, time)
        return replace(health, refused=refused, open_until=_shifted(health.open_until, now - time))

    def stats(self) -> BreakerStats:
        """What this breaker did since it was made."""
        with self._lock:
            return BreakerStats(**self._counts)

    def _is_first(self, permit: Permit, count: str) -> bool:
        with self._lock:
            first = not permit.answered
            permit.answered = True
            self._counts[count] += first
        return first

    def _add(self, count: str) -> None:
        with self._lock:
            self._counts[count] += 1

    def _change(
        self,
        change: Callable[[BreakerState, float], tuple[BreakerState, _Answer]],
        now: float = 0.0,
    ) -> tuple[_Answer | None, float]:
        """Apply a transition to the state that is kept, and again if somebody was faster.

        Gives what it answered, and the time at which. None: the store was never reached.
        """
        answer, time = None, now
        try:
            for _ in range(_MAX_TRIES):
                with self._lock:
                    kept = self._store.load(self._name)
                    time = now if kept.time is None else kept.time
                    before = kept.state
                    after, answer = change(before, time)
                    if after is before or self._store.save(
                        self._name,
                        replace(after, version=before.version + 1),
                        expected=before.version,
                    ):
                        return answer, time
            answer = None  # nothing was kept
            self._add("unreachable")
        except BreakerStoreError:
            # What was to be saved may be kept all the same: a permit of it must be answered.
            self._add("unreachable")
        return answer, time


def _shifted(until: float | None, ahead: float) -> float | None:
    """A time of the store, on a clock that is so far ahead of its own."""
    return None if until is None else until + ahead
