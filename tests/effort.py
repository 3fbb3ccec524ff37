"""How much is tried: little and always the same in `make test`, more in `make check`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from hypothesis import HealthCheck, settings

T = TypeVar("T")

# Every run of `make test` draws the same examples: a failure is the fault of a change. New ones are
# looked for by `--hypothesis-profile thorough`. No machine is too slow for either.
settings.register_profile(
    "quick",
    max_examples=20,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough",
    max_examples=100,
    print_blob=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("quick")


def is_thorough() -> bool:
    """Was the thorough profile asked for? It stands only after the collection has begun."""
    return settings.get_current_profile_name() == "thorough"


def tries(most: int) -> int:
    """How often to try what deserves more, or less, than the profile's examples."""
    return most if is_thorough() else -(-most // 5)


def spread(cases: Sequence[T], few: int) -> Sequence[T]:
    """All of a long table, or as many of it as a quick run takes, from all over it."""
    return cases if is_thorough() else cases[:: -(-len(cases) // few)]
