"""Makes a failing case small: fewest cuts first, then fewest bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from tokenwire.testing.laws import Case

_TRIES: Final = 1500


def shrink(case: Case, fails: Callable[[Case], bool]) -> Case:
    """The smallest case found that still fails; the same one each time.

    Args:
        case: One that fails.
        fails: Does this case fail too?
    """
    tries = _Tries(fails)
    if case.law == "chunking":
        case = _fewer_cuts(case, tries)
    if case.law != "truncation":  # of fewer bytes another part may be what proves it complete
        case = _fewer_bytes(case, tries)
    return case


class _Tries:
    """Asks whether a case fails, but not for ever."""

    def __init__(self, fails: Callable[[Case], bool]) -> None:
        self._fails = fails
        self._left = _TRIES

    def __call__(self, case: Case) -> bool:
        self._left -= 1
        return self._left >= 0 and self._fails(case)


def _fewer_cuts(case: Case, fails: _Tries) -> Case:
    for at in case.cuts:  # one will do, mostly
        one = msgspec.structs.replace(case, cuts=(at,))
        if len(case.cuts) > 1 and fails(one):
            return one
    size = len(case.cuts) // 2
    while size:
        start = 0
        while start < len(case.cuts):
            cuts = case.cuts[:start] + case.cuts[start + size :]
            fewer = msgspec.structs.replace(case, cuts=cuts)
            if cuts and fails(fewer):
                case = fewer
            else:
                start += size
        size //= 2
    return case


def _fewer_bytes(case: Case, fails: _Tries) -> Case:
    size = len(case.wire) // 2
    while size:
        start = 0
        while start < len(case.wire):
            fewer = _without(case, start, start + size)
            if fewer is not None and fails(fewer):
                case = fewer
            else:
                start += size
        size //= 2
    return case


def _without(case: Case, start: int, end: int) -> Case | None:
    """The case without these bytes; None where that would take a cut away."""
    wire = case.wire[:start] + case.wire[end:]
    cuts = tuple(at if at <= start else max(start, at - (end - start)) for at in case.cuts)
    if not wire or len({at for at in cuts if 0 < at < len(wire)}) < len(case.cuts):
        return None
    return msgspec.structs.replace(case, wire=wire, cuts=cuts)
