"""Which requests fail, and how: `with_fault` decides what `Settings` leave to chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from msgspec.structs import replace

from tokenwire.cli.settings import Fail, Settings

AT_RANDOM: Final[tuple[Fail, ...]] = (
    "drop",
    "reset",
    "half-close",
    "truncated-chunk",
    "truncate",
    "429",
    "502",
)
"""What befalls requests by chance: all that ends by itself at once, at the first token or later."""

ERROR: Final[Fail] = "error"
"""Befalls them too, but not an answer that is gone on with: its service's word is its last."""


def with_fault(
    settings: Settings,
    *,
    number: int,
    failures: int,
    fails: Sequence[Fail],
    tokens: Callable[[], int],
) -> Settings:
    """The settings with ``fail`` and ``after`` as they are for this request.

    Args:
        settings: As they were asked for.
        number: Of the request: with the seed it decides what is left to chance.
        failures: How often this request failed before.
        fails: What may befall it by chance.
        tokens: Gives how many tokens the answer has left; it may take its time.
    """
    if settings.fail_times is not None and failures >= settings.fail_times:
        return replace(settings, fail="none")
    if settings.fail_rate is None:
        return settings
    # Not by the order of earlier draws: one request more or less does not change the others.
    random = Random(f"{settings.seed} {number}")
    if random.random() >= settings.fail_rate:
        return replace(settings, fail="none")
    if settings.fail != "none":
        return settings
    return replace(settings, fail=random.choice(fails), after=random.randint(0, tokens()))
