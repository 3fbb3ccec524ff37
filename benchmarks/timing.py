"""The clock: contenders in turn, several rounds, medians."""

from __future__ import annotations

import gc
import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import process_time_ns
from typing import Protocol


class LimitError(Exception):
    """The contender refuses the body: a limit of its own."""


class WrongAnswerError(Exception):
    """The contender did not find what is in the body."""


class Contender(Protocol):
    """Someone who parses one row's chunks."""

    name: str

    def verify(self) -> None:
        """Compare everything found with what is in the body, untimed. Raises `WrongAnswerError`,
        or `LimitError` where the contender refuses such a body."""

    def time(self, repeats: int) -> int:
        """Parse the body so often; give nanoseconds of CPU time. A wrong count raises."""


@dataclass(frozen=True)
class InPython:
    """A contender of this process.

    Attributes:
        name: As in the table's head.
        work: What is timed: it parses the chunks once and gives something to count.
        found: What was found, to compare; the result of ``work`` itself where that has it all.
        expected: What ``found`` has to give.
    """

    name: str
    work: Callable[[], int | Sequence[str]]
    expected: Sequence[str]
    found: Callable[[], Sequence[str]] | None = None

    def verify(self) -> None:
        try:
            found = (self.found or self.work)()
        except Exception as error:
            if "limit" in str(error):
                raise LimitError(str(error)) from error
            raise
        if found != self.expected:
            raise WrongAnswerError(f"{self.name} did not find what is in the body")

    def time(self, repeats: int) -> int:
        work = self.work
        gc.collect()
        start = process_time_ns()
        for _ in range(repeats):
            result = work()
        taken = process_time_ns() - start
        count = result if isinstance(result, int) else len(result)
        if count != len(self.expected):
            raise WrongAnswerError(f"{self.name} found {count}, not {len(self.expected)}")
        return taken


@dataclass
class Result:
    """What one contender did in one row.

    Attributes:
        name: The contender.
        error: Why there are no times.
        times: Microseconds a unit (event or line), one number a round.
    """

    name: str
    error: str = ""
    times: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    def ratio_to(self, other: Result) -> float:
        """How many times the time of the other: the median of the rounds' ratios.

        Both were timed within the same second of each round, so that a machine that is busy for
        a while slows both.
        """
        return statistics.median(
            mine / yours for mine, yours in zip(self.times, other.times, strict=True)
        )


def measure(
    contenders: Sequence[Contender], units: int, *, rounds: int, at_least: float
) -> dict[str, Result]:
    """Time the contenders in turn, in another order each round.

    Args:
        contenders: All of one row.
        units: Events in the body, by which times are divided.
        rounds: How often each is timed.
        at_least: Seconds that one timing takes; short bodies are repeated within it.
    """
    results = {contender.name: Result(contender.name) for contender in contenders}
    runners: list[tuple[Contender, int]] = []
    for contender in contenders:
        try:
            contender.verify()
        except LimitError as error:
            results[contender.name].error = f"limit: {error}"
            continue
        once = contender.time(1)
        runners.append((contender, max(1, math.ceil(at_least * 1e9 / once))))
    # The collector stays on, as in users' programs. Everything made up to here, all modules of all
    # contenders among it, is taken out of its sight, so that it walks only through what a
    # contender makes itself; and it has run when a timing begins.
    gc.collect()
    gc.freeze()
    rng = random.Random(1)
    for _ in range(rounds):
        rng.shuffle(runners)
        for contender, repeats in runners:
            taken = contender.time(repeats)
            results[contender.name].times.append(taken / 1000 / repeats / units)
    return results
