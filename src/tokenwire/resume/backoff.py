"""Whether to try again after an `Error`, and how long to wait first.

`RetryPolicy` is what the caller chooses, `Backoff` is how far it went: both are values, and a
decision returns the next `Backoff`. Randomness is passed in, and no clock is read. Not decided
here: whether the request may be sent again at all, and in which form (`tokenwire.resume.plan`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Set
from typing import Final, Literal, TypeAlias, TypeVar, get_args

from msgspec import Struct
from msgspec.structs import replace

from tokenwire.dialects.kit.errors import RETRYABLE_STATUSES
from tokenwire.errors import Recovery
from tokenwire.events import Error, ErrorKind

Growth: TypeAlias = Literal["exponential", "linear", "fibonacci", "decorrelated"]
Jitter: TypeAlias = Literal["none", "full", "equal", "ranged"]
GiveUpReason: TypeAlias = Literal[
    "stopped", "not_retryable", "attempts", "total_attempts", "retry_after", "total_delay"
]

# What is wrong with the bytes themselves is as wrong the next time.
RETRYABLE_KINDS: Final[frozenset[ErrorKind]] = frozenset(get_args(ErrorKind)) - {
    "malformed",
    "limit",
}

# A decorrelated delay may be so many times the one before. With 3 it doubles on average, as
# exponential growth does; with 2 it would only creep. Precedent: Amazon's "decorrelated jitter".
_REACH: Final = 3.0

# How an event source is told not to reconnect: WHATWG HTML, server-sent events.
NO_CONTENT: Final = 204


class Backoff(Struct, frozen=True, kw_only=True):
    """How far the retries of one answer went. A value of plain numbers, fit for a checkpoint.

    Attributes:
        attempts: Reconnects since the last progress.
        total_attempts: Reconnects of this answer.
        total_delay: Seconds that were waited for them.
        drawn: The delay drawn last, before anything the server asked for; grows further if
            ``decorrelated``. ``None`` before the first.
    """

    attempts: int = 0
    total_attempts: int = 0
    total_delay: float = 0.0
    drawn: float | None = None

    def progressed(self) -> Backoff:
        """The successor after progress: the next failure is a first one again.

        Progress is something of the answer, as in `tokenwire.resume.deadlines.PROGRESS`; a
        heartbeat is none, or a server that only pings would be asked for ever.
        """
        return replace(self, attempts=0, drawn=None) if self.attempts else self


class Wait(Struct, frozen=True):
    """The decision to try again.

    Attributes:
        delay: Seconds to wait before the request is sent.
        backoff: The state to go on with. Its ``attempts`` is the number of this attempt.
    """

    delay: float
    backoff: Backoff


class GiveUp(Struct, frozen=True):
    """The decision not to try again.

    Attributes:
        reason: ``stopped`` (the server said 204), ``not_retryable`` (the error), ``attempts``,
            ``total_attempts`` or ``total_delay`` (the policy's cap of that name), ``retry_after``
            (the server asks for a longer wait than the policy grants).
        message: The same for people.
    """

    reason: GiveUpReason
    message: str


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """When to try again, and after how long.

    The default waits like the vendors' own SDKs, from half a second on and doubling, but longer:
    five attempts in a row instead of two.

    An attempt is a reconnect; the first request is none.

    Attributes:
        growth: The delay of attempt *n*, before jitter: ``exponential``, ``initial_delay`` times
            ``factor`` to the power of *n - 1*; ``linear``, times *n*; ``fibonacci``, times 1, 1,
            2, 3, 5, ...; ``decorrelated``, drawn between ``initial_delay`` and three times the
            delay drawn before. The last is random by itself and takes no jitter.
        jitter: What is drawn from a delay: ``none``, all of it; ``full``, anything between zero and
            it; ``equal``, half of it and up to another half; ``ranged``, it times anything in
            ``jitter_range``. Without it clients that failed together come back together.
        initial_delay: Seconds, the unit of all growth. Zero: no delay but what the server asks for.
        max_delay: The longest delay drawn, in seconds, after jitter.
        factor: Of exponential growth, at least 1.
        jitter_range: The bounds of ``ranged``. Growth stops where the upper one times the delay
            would exceed ``max_delay``, so that the spread is the same for the longest delays.
        max_attempts: Attempts since the last progress. ``None``: no bound.
        max_total_attempts: Attempts for one answer, progress or not. ``None``: no bound.
        max_total_delay: Seconds waited for one answer. An attempt whose wait would exceed it is not
            made. ``None``: no bound.
        max_retry_after: The longest wait, in seconds, that a server may ask for. What it asks for,
            by ``Retry-After`` or by the stream's ``retry:``, is never cut short: up to this it is
            waited for even beyond ``max_delay``, and above it nothing is tried again. An event
            source waits as long as its ``retry:`` says, however long that is.
        statuses: Statuses worth another try. Where this set differs from the default, it decides.
            Elsewhere `Error.recovery` does, which knows the vendor's code and headers too.
        kinds: Kinds of errors worth another try; in the same way, and looked at first.

    Raises:
        ValueError: A value is out of range, or a word unknown.
    """

    growth: Growth = "exponential"
    jitter: Jitter = "full"
    # The OpenAI and Anthropic SDKs begin with half a second and stop growing at eight, for they
    # try only twice. A provider's bad minute is outlasted with 30.
    initial_delay: float = 0.5
    max_delay: float = 30.0
    factor: float = 2.0
    jitter_range: tuple[float, float] = (0.75, 1.25)
    max_attempts: int | None = 5
    max_total_attempts: int | None = None
    max_total_delay: float | None = None
    # Rate limits count by the minute; beyond two the caller has better things to do than wait.
    max_retry_after: float = 120.0
    statuses: frozenset[int] = RETRYABLE_STATUSES
    kinds: frozenset[ErrorKind] = RETRYABLE_KINDS

    def __post_init__(self) -> None:
        for name, words in (("growth", get_args(Growth)), ("jitter", get_args(Jitter))):
            if getattr(self, name) not in words:
                raise _invalid(name, f"one of {', '.join(words)}", getattr(self, name))
        for name in ("initial_delay", "max_delay", "max_retry_after"):
            if not _is_number(getattr(self, name)):
                raise _invalid(name, "a number of seconds, zero or more", getattr(self, name))
        if self.max_total_delay is not None and not _is_number(self.max_total_delay):
            what = "a number of seconds, zero or more, or None"
            raise _invalid("max_total_delay", what, self.max_total_delay)
        if not _is_number(self.factor) or self.factor < 1:
            raise _invalid("factor", "a number, at least 1", self.factor)
        for name in ("max_attempts", "max_total_attempts"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 0):
                raise _invalid(name, "a whole number, zero or more, or None", value)
        match self.jitter_range:
            case (low, high) if _is_number(low) and _is_number(high) and low <= high:
                pass
            case _:
                raise _invalid("jitter_range", "(low, high), 0 <= low <= high", self.jitter_range)
        if not all(type(status) is int for status in self.statuses):
            raise _invalid("statuses", "a set of numbers", self.statuses)
        if NO_CONTENT in self.statuses:
            raise ValueError("RetryPolicy.statuses must not hold 204, which tells to stop")
        if unknown := self.kinds - frozenset[str](get_args(ErrorKind)):
            raise ValueError(f"RetryPolicy.kinds holds no kind of Error: {sorted(unknown)}")

    def retryable(self, error: Error) -> bool:
        """Is this error worth another try at all? Says nothing about how often or when."""
        if error.status == NO_CONTENT:
            return False
        decided = _chosen(error.kind, self.kinds, RETRYABLE_KINDS)
        if decided is None:
            decided = _chosen(error.status, self.statuses, RETRYABLE_STATUSES)
        return error.recovery is not Recovery.FATAL if decided is None else decided

    def decide(
        self,
        error: Error,
        backoff: Backoff,
        *,
        retry: int | None = None,
        patient: bool = False,
        random: Callable[[], float],
    ) -> Wait | GiveUp:
        """Whether to try again after this error, and when.

        Args:
            error: What ended the connection; its ``retry_after`` is heeded.
            backoff: The state so far.
            retry: The stream's reconnection time in milliseconds, as `StreamParser.retry`. After
                a clean end it is the whole delay, for then the service wants to be asked again;
                where something failed, and the more often it did, it is the shortest.
            patient: No `retry` is too long.
            random: Gives a number from 0 up to, not including, 1, as ``random.random``.

        Returns:
            `Wait`, with the state to go on with; or `GiveUp`.
        """
        if error.status == NO_CONTENT:
            return GiveUp("stopped", "the server answered 204: it has nothing more to send")
        if not self.retryable(error):
            return GiveUp("not_retryable", f"not worth another try: {error}")
        attempt = backoff.attempts + 1
        if self.max_attempts is not None and attempt > self.max_attempts:
            since = "" if not backoff.attempts else f" after {backoff.attempts} without progress"
            what = f"no further attempt{since}: max_attempts = {self.max_attempts}"
            return GiveUp("attempts", what)
        total = backoff.total_attempts + 1
        if self.max_total_attempts is not None and total > self.max_total_attempts:
            what = f"no further attempt: max_total_attempts = {self.max_total_attempts}"
            return GiveUp("total_attempts", what)
        pause = (retry or 0) / 1000
        asked = max(0.0, error.retry_after or 0.0, pause)
        longest = max(0.0, error.retry_after or 0.0) if patient else asked
        if longest > self.max_retry_after:
            what = (
                f"the server asks to wait {longest:g} s: max_retry_after = {self.max_retry_after:g}"
            )
            return GiveUp("retry_after", what)
        drawn = self._draw(attempt, backoff.drawn, random)
        is_invited = retry is not None and error.kind == "truncated" and attempt == 1
        delay = asked if is_invited else max(drawn, asked)
        waited = backoff.total_delay + delay
        if self.max_total_delay is not None and waited > self.max_total_delay:
            what = (
                f"to wait another {delay:g} s after {backoff.total_delay:g} s would be too long:"
                f" max_total_delay = {self.max_total_delay:g}"
            )
            return GiveUp("total_delay", what)
        after = Backoff(attempts=attempt, total_attempts=total, total_delay=waited, drawn=drawn)
        return Wait(delay, after)

    def _draw(self, attempt: int, before: float | None, random: Callable[[], float]) -> float:
        """The delay before this attempt, as far as it is ours to choose."""
        cap = self.max_delay
        if self.growth == "decorrelated":
            low = self.initial_delay
            high = _REACH * max(low, before or 0.0)
            return min(cap, low + (high - low) * random())
        grown = self._grown(attempt)
        match self.jitter:
            case "none":
                return min(cap, grown)
            case "full":
                return min(cap, grown) * random()
            case "equal":
                return min(cap, grown) * (1 + random()) / 2
            case _:  # ranged
                low, high = self.jitter_range
                spread = min(grown, cap / high if high > 1 else cap)
                return min(cap, spread * (low + (high - low) * random()))

    def _grown(self, attempt: int) -> float:
        match self.growth:
            case "exponential":
                try:
                    times = self.factor ** (attempt - 1)
                except OverflowError:
                    times = math.inf
            case "linear":
                times = float(attempt)
            case _:  # fibonacci; decorrelated delays do not grow by number
                times = _fibonacci(attempt)
        return self.initial_delay * times if self.initial_delay else 0.0  # not 0 * inf


def _fibonacci(number: int) -> float:
    before, this = 0.0, 1.0
    # The thousandth exceeds any delay, and floats hold it.
    for _ in range(min(number, 1000) - 1):
        before, this = this, before + this
    return this


_Value = TypeVar("_Value", bound=Hashable)


def _chosen(value: _Value, chosen: Set[_Value], default: Set[_Value]) -> bool | None:
    """What the caller's set says of this value; None where it says no more than the default."""
    return None if (value in chosen) is (value in default) else value in chosen


def _is_number(value: object) -> bool:
    # `True` is an int, but no number that anybody means.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value < math.inf


def _invalid(name: str, expected: str, value: object) -> ValueError:
    return ValueError(f"RetryPolicy.{name} must be {expected}, not {value!r}")


NEVER = RetryPolicy(max_attempts=0)
"""Every failure is the caller's."""
