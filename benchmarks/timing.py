"""The clock: contenders in turn, several rounds, medians."""

from __future__ import annotations

import gc
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import process_time_ns
from typing import Protocol

from table import Result


class LimitError(Exception):
    """The contender refuses the body: a limit of its own."""


class WrongAnswerError(Exception):
    """The contender did not find what is in the body."""


@dataclass(frozen=True)
class Scale:
    """How much of everything.

    Attributes:
        tokens: In a synthetic answer.
        line: Bytes of the one long line.
        rounds: How often each contender of a row is timed.
        at_least: Seconds that one timing takes; short work is repeated within it.
        many: Parsers, where many are made.
    """

    tokens: int
    line: int
    rounds: int
    at_least: float
    many: int

    @property
    def quick(self) -> bool:
        """It is a try: no node, no waiting, nothing written."""
        return self is QUICK


FULL = Scale(tokens=2000, line=8 * 1024 * 1024, rounds=9, at_least=0.03, many=10_000)
QUICK = Scale(tokens=100, line=64 * 1024, rounds=1, at_least=0, many=100)


class Contender(Protocol):
    """Someone who does one row's work."""

    @property
    def name(self) -> str: ...

    def verify(self) -> None:
        """Compare everything found with what is in the body, untimed. Raises `WrongAnswerError`,
        or `LimitError` where the contender refuses such a body."""

    def time(self, repeats: int) -> int:
        """Do the work so often; give nanoseconds of CPU time. A wrong count raises."""


@dataclass
class InPython:
    """A contender of this process.

    Attributes:
        name: As in the table.
        work: What is timed: it does the work once and gives something to count.
        expected: What ``found`` has to give.
        found: What was found, to compare; the result of ``work`` itself where that has it all.
    """

    name: str
    work: Callable[[], int | Sequence[object]]
    expected: Sequence[object]
    found: Callable[[], Sequence[object]] | None = None
    _count: int = field(default=-1, init=False)

    def verify(self) -> None:
        try:
            found = (self.found or self.work)()
        except Exception as error:
            if "limit" in str(error):
                raise LimitError(str(error)) from error
            raise
        if found != self.expected:
            raise WrongAnswerError(f"{self.name} did not find what is in the body")
        self._count = _count(self.work())

    def time(self, repeats: int) -> int:
        work = self.work
        gc.collect()
        start = process_time_ns()
        for _ in range(repeats):
            result = work()
        taken = process_time_ns() - start
        if _count(result) != self._count:
            raise WrongAnswerError(f"{self.name} found {_count(result)}, not {self._count}")
        return taken


def _count(found: int | Sequence[object]) -> int:
    return found if isinstance(found, int) else len(found)


def measure(
    contenders: Sequence[Contender], units: int, scale: Scale, *, slowest: float = math.inf
) -> dict[str, Result]:
    """Time the contenders in turn, in another order each round.

    Args:
        contenders: All of one row, ours first.
        units: Events in the body, by which times are divided.
        scale: How often and how long.
        slowest: Who takes so many times our time in the first try is not timed further.

    Returns:
        Results in microseconds a unit, by contender.
    """
    results = {contender.name: Result() for contender in contenders}
    runners: list[tuple[Contender, int]] = []
    ours = 0
    for contender in contenders:
        try:
            contender.verify()
        except LimitError:
            results[contender.name] = Result(error="its limit")
            continue
        once = contender.time(1)
        ours = ours or once
        if once > slowest * ours:
            results[contender.name] = Result(error=f"{once / ours:.0f} times, not timed further")
            continue
        runners.append((contender, max(1, math.ceil(scale.at_least * 1e9 / once))))
    # The collector stays on, as in users' programs. Everything made up to here, all modules of all
    # contenders among it, is taken out of its sight, so that it walks only through what a
    # contender makes itself; and it has run when a timing begins.
    gc.collect()
    gc.freeze()
    rng = random.Random(1)
    for _ in range(scale.rounds):
        rng.shuffle(runners)
        for contender, repeats in runners:
            taken = contender.time(repeats)
            results[contender.name].samples.append(taken / 1000 / repeats / units)
    return results
