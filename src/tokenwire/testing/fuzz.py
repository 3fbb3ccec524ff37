"""Fuzzing of one dialect: damaged streams without end, and what to keep of a finding.

Nothing here looks at a clock: whoever asks for the next stream decides when it is enough.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec
from msgspec import Struct

from tokenwire.dialects import Dialect, get_dialect
from tokenwire.testing._mutate import PIECES, frames_of, mutate
from tokenwire.testing._read import cut, read
from tokenwire.testing._show import show
from tokenwire.testing._shrink import shrink
from tokenwire.testing.laws import Broken, Case, bounded, check_case, chunking, totality

LONGEST: Final = 64 * 1024
"""Bytes of the longest stream that is made; doubling could go on for ever."""


class Kept(Struct, frozen=True, kw_only=True):
    """A failing case as it is kept in a file, JSON with the bytes in base64.

    Attributes:
        dialect: What was fuzzed: a name, or ``module:NAME``.
        case: The case, to be replayed by `tokenwire.testing.laws.check_case`.
        found: What was found, for people.
    """

    dialect: str
    case: Case
    found: str


def load_dialect(target: str) -> Dialect:
    """The dialect of a name, or of ``module:NAME``.

    Raises:
        UnknownDialectError: No dialect has this name.
        ValueError: The module cannot be imported, or holds no dialect under this name.
    """
    module, colon, name = target.partition(":")
    if not colon:
        return get_dialect(target)
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"cannot import {target}: {error}") from None
    if not isinstance(found, Dialect):
        raise ValueError(f"{target} must be a tokenwire.Dialect, not {type(found).__name__}")
    return found


def keep(path: Path, kept: Kept) -> None:
    """Write a failing case to a file."""
    encoded = msgspec.json.encode(kept)
    path.write_bytes(msgspec.json.format(encoded, indent=2) + b"\n")


def read_kept(path: Path) -> Kept:
    """Read a case that `keep` wrote.

    Raises:
        OSError: The file cannot be read.
        ValueError: It holds no such case.
    """
    return msgspec.json.decode(path.read_bytes(), type=Kept)


class Fuzzer:
    """Makes damaged streams of a dialect and holds the laws against them.

    Args:
        dialect: The dialect.
        wires: Sound bodies to damage; with none it starts from what parsers look for.
        seed: Chooses what is done to them.
    """

    def __init__(self, dialect: Dialect, wires: Iterable[bytes] = (), *, seed: int = 0) -> None:
        self.dialect: Final = dialect
        found = [frames_of(dialect, wire[:LONGEST]) for wire in dict.fromkeys(wires) if wire]
        self._seeds = found or [list(PIECES)]
        self._random = random.Random(seed)

    def next_wire(self) -> bytes:
        """The next damaged stream."""
        frames = self._random.choice(self._seeds)
        if self._random.randrange(4) == 0:
            other = self._random.choice(self._seeds)
            at = self._random.randint(0, len(frames))
            frames = [*frames[:at], *other[self._random.randint(0, len(other)) :]]
        return mutate(frames, self._random, self.dialect)[:LONGEST]

    def damage(self, wire: bytes, seed: int) -> bytes:
        """This stream, damaged in one way for each seed."""
        frames = frames_of(self.dialect, wire)
        return mutate(frames, random.Random(seed), self.dialect)[:LONGEST]

    def examine(self, wire: bytes) -> tuple[Case, Broken] | None:
        """Hold totality, chunking and memory against a stream, cut in ways that it chooses itself.

        Returns:
            The smallest case found and how it breaks a law; None where all hold.
        """
        choose = random.Random(crc32(wire))
        inside = range(1, len(wire))
        few = tuple(sorted(choose.sample(inside, min(len(inside), choose.randint(1, 4)))))
        whole = read(self.dialect, cut(wire, ()))
        case = Case(law="totality", wire=wire)
        broken = totality(self.dialect, wire, whole=whole)
        for cuts in (few, tuple(inside)):
            if broken is None and cuts:
                case = Case(law="chunking", wire=wire, cuts=cuts)
                broken = chunking(self.dialect, wire, cuts, whole=whole)
        if broken is None:
            case = Case(law="memory", wire=wire, cuts=few)
            broken = bounded(self.dialect, wire, few)
        if broken is None:
            return None
        small = shrink(case, lambda one: check_case(self.dialect, one) is not None)
        return small, check_case(self.dialect, small) or broken


def text_of(case: Case, broken: Broken) -> str:
    """A finding for people: the bytes with the cuts marked, the events as a diff."""
    return show(case, broken)
