"""`Settings`: how the built-in server answers, for all requests or for one."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec
from msgspec import Struct

from tokenwire.cli.passage import PASSAGE

Cut: TypeAlias = Literal["token", "line", "byte", "random"]
Fail: TypeAlias = Literal["none", "drop", "truncate", "stall", "error", "429", "502"]

CUTS: Final[tuple[str, ...]] = get_args(Cut)
FAILS: Final[tuple[str, ...]] = get_args(Fail)

# What stands in a query is text; these are read from it.
NUMBERS: Final[Mapping[str, tuple[type[int | float], str]]] = {
    "rate": (float, "a number"),
    "seed": (int, "a whole number"),
    "after": (int, "a whole number"),
    "crlf": (bool, "1 or 0"),
}


class Settings(Struct, frozen=True, kw_only=True):
    """How to answer.

    Attributes:
        text: What the answer says.
        rate: Tokens a second; 0 sends as fast as the client reads.
        cut: How the body is cut into HTTP chunks, each written by itself: ``token`` (a chunk for
            each event), ``line``, ``byte``, or ``random`` (1 to 64 bytes, across events).
        seed: Chooses the cuts of ``random``; the same seed cuts alike.
        fail: How the answer fails, see docs/server.md; ``none``: it does not.
        after: How many tokens come before it fails, at most all.
        crlf: Lines of the body end in CRLF where the wire format allows it, not in LF.

    Raises:
        ValueError: A setting is out of range; the message says which and what it may be.
    """

    text: str = PASSAGE
    rate: float = 0.0
    cut: Cut = "token"
    seed: int = 0
    fail: Fail = "none"
    after: int = 5
    crlf: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.rate < math.inf:
            raise ValueError(f"rate must be 0 or more tokens a second, not {self.rate}")
        if self.cut not in CUTS:
            raise ValueError(f"cut must be one of {', '.join(CUTS)}, not {self.cut!r}")
        if self.fail not in FAILS:
            raise ValueError(f"fail must be one of {', '.join(FAILS)}, not {self.fail!r}")
        if self.after < 0:
            raise ValueError(f"after must be 0 or more tokens, not {self.after}")

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
            elif meant := difflib.get_close_matches(name, self.__struct_fields__, n=1):
                raise ValueError(f"there is no setting {name!r}; did you mean {meant[0]!r}?")
        return msgspec.structs.replace(self, **changes) if changes else self


def _read(name: str, value: str) -> str | int | float:
    if name not in NUMBERS:
        return value
    kind, wanted = NUMBERS[name]
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        raise ValueError(f"{name} must be {wanted}, not {value!r}") from None
