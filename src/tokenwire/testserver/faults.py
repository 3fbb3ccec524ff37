"""Which requests fail, and how: `with_fault` decides what `Settings` leave to chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from msgspec.structs import replace

from tokenwire.testserver.kept import Tally
from tokenwire.testserver.settings import Fail, Settings

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
    settings: Settings, tally: Tally, *, fails: Sequence[Fail], tokens: Callable[[], int]
) -> Settings:
    """The settings with ``fail`` and ``after`` as they are for this request.

    Args:
        settings: As they were asked for.
        tally: Of the request. With the seed, it and its connections decide what is left to chance.
        fails: What may befall it by chance.
        tokens: Gives how many tokens the answer has left; it may take its time.
    """
    if settings.fail_times is not None and tally.failures >= settings.fail_times:
        return replace(settings, fail="none")
    if settings.fail_rate is None:
        return settings
    # Each draw by itself: who else asks, and how often or when, does not change it.
    random = Random(f"{settings.seed} {tally.connections} {tally.request}")
    if random.random() >= settings.fail_rate:
        return replace(settings, fail="none")
    if settings.fail != "none":
        return settings
    return replace(settings, fail=random.choice(fails), after=random.randint(0, tokens()))
