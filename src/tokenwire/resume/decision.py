"""`Decision`: what follows the end of a connection: another one, when and how, or the last error.

Decided here: whether the breaker, the planner and the retry policy let an answer go on, and what
an error says where they do not. Not here: what each of them knows (`tokenwire.resume.breaker`,
`tokenwire.resume.plan`, `tokenwire.resume.backoff`), and how the next connection is made.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from tokenwire.events import Done, Error, Reconnecting, Recovery
from tokenwire.resume.backoff import Backoff, GiveUp, RetryPolicy
from tokenwire.resume.breaker import CircuitBreaker
from tokenwire.resume.circuit import Permit, Refusal
from tokenwire.resume.connection import Connection
from tokenwire.resume.delivery import Delivery
from tokenwire.resume.kinds import Kind
from tokenwire.resume.plan import BROKEN, Plan, Planner


class Decision:
    """Decides on the connections of one answer.

    Args:
        planner: What may be sent next.
        kind: What the peer is.
        retry: When to try again; None: as its kind has it.
        breaker: Keeps requests from a service that is down.
        random: For the jitter.

    Attributes:
        backoff: How far the retries went.
        kind: What the peer is.
        planner: What may be sent next.
    """

    __slots__ = (
        "_breaker",
        "_given_up",
        "_is_unsure",
        "_permit",
        "_random",
        "_retry",
        "backoff",
        "kind",
        "planner",
    )

    def __init__(
        self,
        planner: Planner,
        kind: Kind,
        retry: RetryPolicy | None,
        breaker: CircuitBreaker | None,
        *,
        backoff: Backoff,
        random: Callable[[], float],
    ) -> None:
        self.planner = planner
        self.backoff = backoff
        self.kind = kind
        self._retry = retry
        self._breaker = breaker
        self._permit: Permit | None = None
        self._random = random
        self._given_up = ""  # why there is no further attempt
        # A request went out, and nobody knows yet what became of it, or ever will.
        self._is_unsure = False

    @property
    def may_be_done(self) -> bool:
        """The request may have had effects, and must not be sent again."""
        return self._is_unsure and not self.planner.repeatable

    # --- the breaker ---

    def admit(self, now: float) -> Error | None:
        """A request is to be sent: why that is refused, or None."""
        permit = self._breaker.acquire(now) if self._breaker is not None else None
        if isinstance(permit, Refusal):
            return permit.error(now)
        self._permit = permit
        self._is_unsure = True
        return None

    def record(self, last: Done | Error, now: float) -> None:
        """Tell the breaker how the stream of a connection ended."""
        if self._breaker is None or self._permit is None:
            return
        if self.kind.may_close and type(last) is Error and last.kind == "truncated":
            self.release()
            return
        self._breaker.record(self._permit, last, now)
        self._permit = None

    def release(self) -> None:
        """What becomes of the connection says nothing of the service."""
        if self._breaker is not None and self._permit is not None:
            self._breaker.release(self._permit)
        self._permit = None

    # --- after a connection ---

    def progressed(self) -> None:
        """The answer came on: the attempts are counted anew."""
        self.backoff = self.backoff.progressed()

    def after(
        self, error: Error, connection: Connection, delivery: Delivery, now: float, *, sent: bool
    ) -> tuple[Plan, Reconnecting] | None:
        """A connection failed: the next one, and what is reported of it. None: there is none.

        Args:
            error: How it failed.
            connection: What failed.
            delivery: What was delivered of the answer.
            now: The time.
            sent: The request may have reached the service.
        """
        self.record(error, now)
        plan = self._next(error, connection.plan, delivery, sent=sent)
        if plan is None:
            return None
        if plan.method != connection.plan.method and error.recovery is Recovery.FATAL:
            error = replace(error, recovery=Recovery.RETRY)  # another way is left
        if self._retry is None and error.kind in self.kind.final:
            return None
        policy = self._retry or self.kind.retry
        decision = policy.decide(
            error,
            self.backoff,
            retry=connection.retry,
            patient=self.kind.may_close,
            random=self._random,
        )
        if isinstance(decision, GiveUp):
            if decision.reason != "not_retryable":
                self._given_up = decision.message
            return None
        self.backoff = decision.backoff
        attempts = decision.backoff.attempts
        return plan, Reconnecting(attempts, decision.delay, plan.method, error)

    def restart(self, connection: Connection, delivery: Delivery) -> Plan | None:
        """The caller wants another connection."""
        self.release()
        return self._next(None, connection.plan, delivery)

    def _next(
        self, error: Error | None, plan: Plan, delivery: Delivery, *, sent: bool = True
    ) -> Plan | None:
        if delivery.taken:
            return self.resume(error, plan, delivery)
        found = self.planner.again(error, sent=sent)
        # A replay is one that the caller allowed.
        self._is_unsure = found is None or found.method == "replay"
        return found

    def resume(self, error: Error | None, plan: Plan, delivery: Delivery) -> Plan | None:
        """How to go on with an answer that the service has begun.

        Args:
            error: What broke the connection; None: the process that had it ended.
            plan: How it had been asked for.
            delivery: What was delivered of it.
        """
        if error is not None:
            self.planner.refused(plan, error)
        delivery.prepare()
        return self.planner.go_on(
            error,
            delivery.place.asks,
            delivery.known,
            delivery.answer,
            needs_all=delivery.needs_all,
            blank=delivery.is_blank,
        )

    def ask_again(self, unreadable: Error, plan: Plan, delivery: Delivery) -> Error | None:
        """A frame may have held a piece: what to end the connection with, to ask for it again.

        None where the API cannot be asked.
        """
        error = Error(
            "truncated",
            f"a frame could not be read, and is asked for again: {unreadable.message}",
            recovery=Recovery.RESUME,
        )
        found = None if delivery.is_joined else self.resume(error, plan, delivery)
        return error if found is not None and found.resumes else None

    # --- the end ---

    def explained(self, error: Error, delivery: Delivery) -> Error:
        """The last error, with the reason why nothing follows it."""
        taken, why_none = delivery.taken, self.planner.why_none
        why = delivery.place.why_nothing_came() or self._given_up or why_none
        if why_none and not taken:
            error = replace(error, recovery=Recovery.FATAL)  # nobody should send it again
        if taken and error.kind in BROKEN and error.recovery is not Recovery.FATAL:
            error = replace(error, recovery=Recovery.RESUME)  # it has begun, though nothing came
            why = why or self._why_not(delivery)
        return replace(error, message=f"{error.message}; {why}") if why else error

    def no_way(self, delivery: Delivery) -> Error:
        """The answer of a checkpoint cannot be gone on with."""
        why = self._why_not(delivery)
        message = f"the answer of this checkpoint cannot be gone on with: {why}"
        return Error("transport", message, recovery=Recovery.FATAL)

    def _why_not(self, delivery: Delivery) -> str:
        place = delivery.place
        return self.planner.why_not(place.cursor, delivery.taken, is_ambiguous=place.is_ambiguous)
