"""Answers of every client, over everything that the test server does to connections."""

from __future__ import annotations

import pytest
from benchmarks.faults import CLIENTS, measure, plan

from tokenwire.events import Done, Error, Token

ANSWERS = 20


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize("faults", ["15 %", "all"])
@pytest.mark.parametrize("client", CLIENTS)
def test_every_answer_is_equal(client: str, faults: str) -> None:
    row = measure(client, plan(faults, ANSWERS, seed=5))
    assert row.unequal == []
    assert row.reconnects > 0
    assert row.failed > 0


def test_a_seed_gives_the_same_answers_again() -> None:
    assert plan("all", ANSWERS, seed=1) == plan("all", ANSWERS, seed=1)
    assert plan("all", ANSWERS, seed=1) != plan("all", ANSWERS, seed=2)


def test_what_is_equal() -> None:
    """As a reader would see it: nothing is missing, nothing comes twice, and it is said to be all."""
    (trial,) = plan("all", 1, seed=1)
    whole = [Token(trial.text), Done("stop")]
    assert trial.equals(whole)
    assert not trial.equals([Token(trial.text), Error("truncated", "cut off")])
    assert not trial.equals([Token(trial.text[:-1]), Done("stop")])
    assert not trial.equals([Token(trial.text[:1]), *whole])
