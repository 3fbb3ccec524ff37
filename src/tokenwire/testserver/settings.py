"""`Settings`: how the built-in server answers, for all requests or for one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec
from msgspec import Struct

from tokenwire.testserver.passage import PASSAGE

Cut: TypeAlias = Literal["token", "line", "byte", "random"]
Fail: TypeAlias = Literal[
    "none",
    "drop",
    "reset",
    "half-close",
    "truncated-chunk",
    "truncate",
    "stall",
    "stall-with-heartbeats",
    "slow-drip",
    "error",
    "429",
    "502",
]
Replay: TypeAlias = Literal["exact", "inclusive", "restart"]

CUTS: Final[tuple[str, ...]] = get_args(Cut)
FAILS: Final[tuple[str, ...]] = get_args(Fail)
REPLAYS: Final[tuple[str, ...]] = get_args(Replay)

# What stands in a query is text; these are read from it.
NUMBERS: Final[Mapping[str, tuple[type[int | float], str]]] = {
    "rate": (float, "a number"),
    "seed": (int, "a whole number"),
    "after": (int, "a whole number"),
    "fail_rate": (float, "a number"),
    "fail_times": (int, "a whole number"),
    "delay": (float, "a number"),
    "retry_after": (int, "a whole number"),
    "crlf": (bool, "1 or 0"),
    "ids": (bool, "1 or 0"),
}


class Settings(Struct, frozen=True, kw_only=True):
    """How to answer.

    Attributes:
        text: What the answer says.
        rate: Tokens a second; 0 sends as fast as the client reads.
        cut: How the body is cut into HTTP chunks, each written by itself: ``token`` (a chunk for
            each event), ``line``, ``byte``, or ``random`` (1 to 64 bytes, across events).
        seed: Chooses the cuts of ``random``, and what `fail_rate` leaves to chance; the same seed
            chooses alike.
        fail: How the answer fails, see docs/server.md; ``none``: it does not.
        after: How many tokens come before it fails, at most all. A connection that goes on with an
            answer counts anew, and comes to the end where fewer are left.
        fail_rate: The share of requests that fail, from 0 to 1: as `fail` says, and where it says
            ``none`` in one of several ways after any token. ``None``: all requests do as `fail`
            says.
        fail_times: How often the same request may fail before it is answered to the end; then the
            count begins anew. ``None``: always.
        delay: Seconds between two heartbeats of ``stall-with-heartbeats``, or bytes of
            ``slow-drip``.
        retry_after: Seconds that a 429 asks for.
        crlf: Lines of the body end in CRLF where the wire format allows it, not in LF.
        ids: Events have an ``id``, with which ``Last-Event-ID`` goes on after them; where the wire
            format is SSE.
        replay: Where an answer goes on that is asked for from a place on: ``exact``, after it;
            ``inclusive``, with the event that the client has last; ``restart``, at its beginning.

    Raises:
        ValueError: A setting is out of range; the message says which and what it may be.
    """

    text: str = PASSAGE
    rate: float = 0.0
    cut: Cut = "token"
    seed: int = 0
    fail: Fail = "none"
    after: int = 5
    fail_rate: float | None = None
    fail_times: int | None = None
    delay: float = 0.1
    # Longer than no wait at all, short enough for a test.
    retry_after: int = 2
    crlf: bool = False
    ids: bool = False
    replay: Replay = "exact"

    def __post_init__(self) -> None:
        if not 0 <= self.rate < math.inf:
            raise ValueError(f"rate must be 0 or more tokens a second, not {self.rate}")
        for name, words in (("cut", CUTS), ("fail", FAILS), ("replay", REPLAYS)):
            value = getattr(self, name)
            if value not in words:
                raise ValueError(f"{name} must be one of {', '.join(words)}, not {value!r}")
        if self.after < 0:
            raise ValueError(f"after must be 0 or more tokens, not {self.after}")
        if self.fail_rate is not None and not 0 <= self.fail_rate <= 1:
            raise ValueError(f"fail_rate must be a share, from 0 to 1, not {self.fail_rate}")
        if self.fail_times is not None and self.fail_times < 0:
            raise ValueError(f"fail_times must be 0 or more, not {self.fail_times}")
        for name in ("delay", "retry_after"):
            if not 0 <= (value := getattr(self, name)) < math.inf:
                raise ValueError(f"{name} must be 0 or more seconds, not {value}")

    def changed_by(self, query: Mapping[str, str]) -> Settings:
        """These settings with what a request's query asks for.

        Other names are let pass, for clients send parameters of their own (``api-version``,
        ``beta``); but not one that looks like a setting misspelt.

        Raises:
            ValueError: A value is wrong, or a name nearly one of the settings.
        """
        changes: dict[str, Any] = {}
        for name, value in query.items():
            if name in self.__struct_fields__:
                changes[name] = _read(name, value)
            elif meant := _nearly(name, self.__struct_fields__):
                raise ValueError(f"there is no setting {name!r}; did you mean {meant[0]!r}?")
        return msgspec.structs.replace(self, **changes) if changes else self


def _nearly(name: str, names: tuple[str, ...]) -> list[str]:
    # Two letters are near to too much: `id` is no misspelt `ids`.
    return get_close_matches(name, names, n=1, cutoff=0.7) if len(name) > 2 else []


def _read(name: str, value: str) -> str | int | float:
    if name not in NUMBERS:
        return value
    kind, wanted = NUMBERS[name]
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        raise ValueError(f"{name} must be {wanted}, not {value!r}") from None
