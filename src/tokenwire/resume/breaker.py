"""A circuit breaker: a service that keeps failing is left alone for a while.

`CircuitBreaker` puts the transitions of `BreakerPolicy` to a `BreakerStore`, where sessions,
threads and processes share one circuit. Code whose store is asynchronous calls the policy itself:
load, the transition, save, and again if somebody was faster.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from tokenwire.errors import LocalProtocolError
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
    """

    permitted: int = 0
    refused: int = 0
    succeeded: int = 0
    failed: int = 0
    released: int = 0


class BreakerStore(Protocol):
    """Where circuits are kept. Implement it to share them between processes.

    Several circuits may live in one store, each under its name. Processes that share one must pass
    times of one clock, as that of the wall. A store may forget a circuit that did not change for
    longer than any answer takes: it is closed then, and begins anew.
    """

    def load(self, name: str) -> BreakerState | None:
        """The circuit of this name, or None if there is none yet."""
        ...

    def save(self, name: str, state: BreakerState, *, expected: int) -> bool:
        """Keep this state, if what is kept still has the version ``expected``, in one step.

        Where nothing is kept, the version is 0. Returns whether it was kept; it must be, unless
        somebody else saved meanwhile.
        """
        ...


class MemoryBreakerStore:
    """Circuits of this process. The lock of the `CircuitBreaker` guards it."""

    __slots__ = ("_circuits",)

    def __init__(self) -> None:
        self._circuits: dict[str, BreakerState] = {}

    def load(self, name: str) -> BreakerState | None:
        return self._circuits.get(name)

    def save(self, name: str, state: BreakerState, *, expected: int) -> bool:
        kept = self._circuits.get(name)
        if (kept.version if kept else 0) != expected:
            return False
        self._circuits[name] = state
        return True


_Answer = TypeVar("_Answer")

DEFAULT_BREAKER = BreakerPolicy()


class CircuitBreaker:
    """One circuit, shared by all sessions that call one service.

    Ask with `acquire` before a request is sent, and tell with `record` how its stream ended, or
    give the permit back with `release` if nobody waited for the end.

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
        got = self._change(lambda state: self.policy.acquire(state, now))
        self._add("permitted" if isinstance(got, Permit) else "refused")
        return got

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
                lambda state: (self.policy.answer(state, permit, now, failed=failed), None)
            )

    def release(self, permit: Permit) -> None:
        """Give a permit back: the call was cancelled, and tells nothing of the service."""
        if self._is_first(permit, "released"):
            self._change(lambda state: (self.policy.release(state, permit), None))

    def health(self, now: float) -> BreakerHealth:
        """How the circuit stands at this time; changes nothing."""
        with self._lock:
            state = self._store.load(self._name) or BreakerState()
            refused = self._counts["refused"]
        return replace(self.policy.health(state, now), refused=refused)

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

    def _change(self, change: Callable[[BreakerState], tuple[BreakerState, _Answer]]) -> _Answer:
        """Apply a transition to the state that is kept, and again if somebody was faster."""
        while True:
            with self._lock:
                before = self._store.load(self._name) or BreakerState()
                after, answer = change(before)
                if after is before or self._store.save(
                    self._name,
                    replace(after, version=before.version + 1),
                    expected=before.version,
                ):
                    return answer
