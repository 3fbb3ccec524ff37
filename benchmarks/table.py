"""The one table: rows of results, and what is demanded of them."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

OURS = "tokenwire"


@dataclass
class Result:
    """What one contender did in one row.

    Attributes:
        samples: In the row's unit, one number a round.
        error: Why there are none.
    """

    samples: list[float] = field(default_factory=list)
    error: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.samples)


@dataclass(frozen=True)
class Demand:
    """What a row has to show.

    Attributes:
        bound: The number.
        rivals: Against the fastest of these contenders; against none, the bound is in the row's
            unit.
        faster: So many times as fast at least; otherwise so many times its time at most.
    """

    bound: float
    rivals: Sequence[str] = ()
    faster: bool = False


@dataclass(frozen=True)
class Verdict:
    """A demand, and what was measured.

    Attributes:
        row: Of this row.
        demand: This demand.
        rival: Against this contender; empty where the demand names none.
        measured: The number to compare with the bound.
    """

    row: Row
    demand: Demand
    rival: str
    measured: float

    @property
    def met(self) -> bool:
        if self.demand.faster:
            return self.measured >= self.demand.bound
        return self.measured <= self.demand.bound

    @property
    def missed_by(self) -> float:
        """The part of the bound that is lacking; 0 where it is met."""
        if self.met:
            return 0.0
        over = self.measured / self.demand.bound
        return 1 - over if self.demand.faster else over - 1

    @property
    def cost(self) -> float:
        """The measured number, turned so that less is better."""
        return 1 / self.measured if self.demand.faster else self.measured

    @property
    def key(self) -> str:
        """Names it in other runs, too."""
        against = "" if len(self.demand.rivals) != 1 else f", against {self.demand.rivals[0]}"
        return f"{self.row.family}: {self.row.work}{against}"


@dataclass(frozen=True)
class Row:
    """One piece of work, and how everyone did it.

    Attributes:
        family: Rows that are shown together.
        work: What was done.
        unit: Of the results.
        results: By contender.
        demands: What is asked of ours.
    """

    family: str
    work: str
    unit: str
    results: Mapping[str, Result]
    demands: Sequence[Demand] = ()

    def ratio(self, name: str) -> float | None:
        """The contender's result over ours: above 1, ours is better.

        It is the median of the rounds' ratios. Both were timed within the same second of each
        round, so that a machine that is busy for a while slows both.
        """
        theirs, ours = self.results.get(name), self.results[OURS]
        if theirs is None or not theirs.samples:
            return None
        pairs = zip(theirs.samples, ours.samples, strict=True)
        return statistics.median(yours / mine for yours, mine in pairs)

    def fastest(self, rivals: Sequence[str]) -> str | None:
        """The best of these, if any was there."""
        ratios = [(ratio, name) for name in rivals if (ratio := self.ratio(name)) is not None]
        return min(ratios)[1] if ratios else None

    def verdicts(self) -> Iterator[Verdict]:
        """A verdict for each demand whose rivals are there."""
        for demand in self.demands:
            if not demand.rivals:
                yield Verdict(self, demand, "", self.results[OURS].median)
            elif rival := self.fastest(demand.rivals):
                ratio = self.ratio(rival) or 0.0
                yield Verdict(self, demand, rival, ratio if demand.faster else 1 / ratio)


def geometric_mean(rows: Sequence[Row], rivals: Sequence[str], bound: float) -> Row:
    """One row of a family: in each round, the mean of the fastest rivals' ratios to ours."""
    pairs: list[list[float]] = []
    for row in rows:
        rival = row.fastest(rivals)
        if rival is not None:
            samples = zip(row.results[rival].samples, row.results[OURS].samples, strict=True)
            pairs.append([theirs / ours for theirs, ours in samples])
    means = [statistics.geometric_mean(ratios) for ratios in zip(*pairs, strict=True)]
    name = "the fastest of each row"
    results = {OURS: Result([1.0] * len(means)), name: Result(means)}
    family = f"{rows[0].family}, geometric mean"
    return Row(
        family,
        f"all {len(rows)} rows",
        "times our time",
        results,
        [Demand(bound, (name,), faster=True)],
    )
