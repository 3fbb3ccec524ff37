"""Answers of every client, over everything that the test server does to connections."""

from __future__ import annotations

import pytest
from benchmarks.faults import CLIENTS, measure, plan
from tests.effort import tries

from tokenwire.events import Done, Error, Token

ANSWERS = tries(20)


@pytest.mark.parametrize("client", CLIENTS)
def test_every_answer_is_equal(client: str) -> None:
    row = measure(client, plan("all", ANSWERS, seed=5))
    assert row.unequal == []
    assert row.reconnects > 0
    assert row.failed > 0


@pytest.mark.slow
@pytest.mark.parametrize("client", CLIENTS)
def test_some_answers_break_among_others_that_do_not(client: str) -> None:
    row = measure(client, plan("15 %", 20, seed=5))
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
