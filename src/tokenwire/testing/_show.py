"""Failing cases for people: bytes with the cuts marked, events as a diff."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Final

from tokenwire.testing._read import cut
from tokenwire.testing.laws import Broken, Case, read_events

_WIDTH: Final = 72  # characters of one chunk's ends
_CHUNKS: Final = 12


def show(case: Case, broken: Broken) -> str:
    """What was broken, by which case, and how what came differs from what should have come."""
    lines = [f"{case.law}: {broken.what}", *_show_case(case)]
    if broken.expected is not None and broken.actual is not None:
        lines.append("Expected (-) and actual (+):")
        lines += [f"    {line}".rstrip() for line in _diff(broken.expected, broken.actual)]
    elif broken.actual is not None:
        lines += ["Actual:", *(f"    {_short(line, 200)}" for line in broken.actual)]
    return "\n".join(lines)


def _show_case(case: Case) -> list[str]:
    if case.law == "round trip":
        events = read_events(case.events)
        return ["The events:", *(f"    {event!r}" for event in events)]
    wire = case.wire
    if case.law == "truncation":
        at = case.cuts[0]
        where = f"The answer ends at byte {at} of {len(wire)}, at the mark |:"
    elif case.cuts:
        places = ", ".join(map(str, case.cuts[:_CHUNKS]))
        more = ", ..." if len(case.cuts) > _CHUNKS else ""
        where = f"The {len(wire)} bytes are cut at {places}{more}, at the marks |:"
    else:
        where = f"The {len(wire)} bytes:"
    return [where, *(f"    {line}" for line in mark_cuts(wire, case.cuts))]


def mark_cuts(wire: bytes, cuts: Sequence[int]) -> list[str]:
    """The bytes as literals, a line for each chunk, with a mark at each cut."""
    chunks = cut(wire, cuts)
    shown = [_short(repr(chunk), _WIDTH * 2) for chunk in chunks]
    if len(shown) > _CHUNKS:
        half = _CHUNKS // 2
        shown = [*shown[:half], f"... {len(shown) - 2 * half} chunks ...", *shown[-half:]]
    return [f"{line} |" for line in shown[:-1]] + shown[-1:]


def _short(line: str, size: int) -> str:
    """Both ends of a long line: a cut is at either."""
    return line if len(line) <= size else f"{line[: size // 2]} ... {line[-size // 2 :]}"


def _diff(expected: Sequence[str], actual: Sequence[str]) -> list[str]:
    old, new = ([_short(line, 200) for line in lines] for lines in (expected, actual))
    # Not `ndiff`, which takes a time that grows with the cube of the lines.
    found = list(difflib.unified_diff(old, new, n=3, lineterm=""))[2:]
    return [f"{line[0]} {line[1:]}" for line in found if not line.startswith("@@")]
