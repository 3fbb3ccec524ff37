"""`Evidence`: what was said at the places of an answer; only the same is taken for the same.

A name alone proves nothing: a service that ignores what it is asked for sends another answer, whose
places are named alike. So each frame that comes once more is compared with what came there before:
of the places named last each by its own digest, and of all before them by one digest in which
every frame is chained to the one before it. That is enough for a service that begins a few events
too early, and for one that begins at the beginning. Not decided here: what follows where it differs
(`tokenwire.resume.duplicates`).
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

import msgspec
from msgspec import Struct

from tokenwire.dialects.kit.payloads import UNREADABLE, is_mapping
from tokenwire.frame import Frame

# Places that are remembered: a service that goes on further back than this, and not at the
# beginning, is not found out where its ids have no order. Each takes some tens of bytes.
MAX_RECENT: Final = 256

# Of these a checkpoint has the digests too. It is to stay below a kilobyte.
_MAX_STORED: Final = 6

_SHORT: Final = 64  # characters of an id that is remembered as it is
_SIZE: Final = 6  # bytes of a digest: equal by chance are one in 2**48
_DIGITS: Final = "0123456789"
_SHORTEST_RUN: Final = 3
_MAX_DIGITS: Final = 18  # of a number that JSON can hold

UNKNOWN: Final = b"?"  # what was said at a place of which only the name is known
SILENT: Final = b""  # nothing was: the name came alone


def short(id: str) -> str:
    """The id, or what stands for a long one."""
    if len(id) <= _SHORT:
        return id
    return blake2b(id.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def digest_of(frame: Frame, ignored: tuple[str, ...] = ()) -> bytes:
    """What a frame says, without the fields of its JSON that are other ones each time."""
    data = frame.data or b""
    if ignored:
        try:
            document = msgspec.json.decode(data)
        except UNREADABLE:
            document = None
        if is_mapping(document):
            kept = {name: value for name, value in document.items() if name not in ignored}
            data = msgspec.json.encode(kept)
    hashed = blake2b(data, digest_size=_SIZE)
    if frame.event:
        hashed.update(b"\0" + frame.event.encode("utf-8", "surrogatepass"))
    return hashed.digest()


# A frame with a place and empty data, as those with which MCP servers begin.
NOTHING_SAID: Final = digest_of(Frame(b""))


def chained(before: bytes, *more: bytes) -> bytes:
    """One digest for a digest and what comes after it."""
    return blake2b(before + b"".join(more), digest_size=_SIZE).digest()


class Named(Struct, frozen=True, array_like=True):
    """A place: its name, and digests of what was said there.

    Attributes:
        name: As `short` gives it.
        said: By the frame that named it.
        more: By the frames after it, up to the next place, as a chain.
    """

    name: str = ""
    said: bytes = SILENT
    more: bytes = SILENT


class Kept(Struct, frozen=True, array_like=True):
    """What a checkpoint holds of it.

    Attributes:
        prelude: Before any place was named, as a chain.
        origin: The first place.
        chain: All places between the first and the last one.
        last: The places named last, the last one last.
        recent: Names before them, without those of `runs`.
        runs: Names that count up by one: a beginning, and the first and last number.
    """

    prelude: bytes = SILENT
    origin: Named | None = None
    chain: bytes = SILENT
    last: tuple[Named, ...] = ()
    recent: tuple[str, ...] = ()
    runs: tuple[tuple[str, int, int], ...] = ()


_NOTHING_NAMED: Final[dict[str, Named]] = {}  # never written to: idle sessions share it


class Evidence:
    """What was said where, of the frames that were delivered.

    Args:
        kept: Of a checkpoint.
    """

    __slots__ = ("_chain", "_last", "_origin", "_prelude", "_recent")

    def __init__(self, kept: Kept | None = None) -> None:
        self._prelude = SILENT
        self._origin: Named | None = None
        self._chain = SILENT
        self._last: Named | None = None
        self._recent = _NOTHING_NAMED
        if kept is not None:
            self._prelude, self._origin, self._chain = kept.prelude, kept.origin, kept.chain
            for name in (*kept.recent, *_unrolled(kept.runs)):
                self._remember(Named(name, UNKNOWN))
            for named in kept.last:
                self._remember(named)
                self._last = named

    @property
    def kept(self) -> Kept:
        """For a checkpoint."""
        places = tuple(self._recent.values())
        recent, runs = _rolled(one.name for one in places[:-_MAX_STORED])
        last = places[-_MAX_STORED:]
        return Kept(self._prelude, self._origin, self._chain, last, recent, runs)

    @property
    def has_prelude(self) -> bool:
        """Frames came before the first one that named a place."""
        return self._prelude != SILENT

    @property
    def names(self) -> tuple[str, ...]:
        """The places that are remembered."""
        return tuple(self._recent)

    def at(self, name: str) -> Named | None:
        """What is known of this place; None: it was not named, as far as is remembered."""
        found = self._recent.get(name)
        if found is None and self._origin is not None and name == self._origin.name:
            found = self._origin
        return found

    def is_silent(self, name: str) -> bool:
        """This place was named before, alone."""
        known = self.at(name)
        return known is not None and known.said == SILENT

    def has_spoken(self, name: str) -> bool:
        """This place was named before, and something was said there."""
        known = self.at(name)
        return known is not None and known.said not in (SILENT, NOTHING_SAID)

    def is_first(self, name: str) -> bool:
        """Is this the first place of the answer?"""
        first = self._origin or self._last
        return first is not None and name == first.name

    def latest(self, number: int) -> list[Named]:
        """So many of the places named last."""
        return list(self._recent.values())[-number:]

    def named(self, name: str, said: bytes) -> None:
        """A new place was delivered. One that was named before says nothing any more."""
        if self._last is not None:
            if self._origin is None:
                self._origin = self._last
            else:
                self._chain = chain_of(self._chain, self._last)
        self._last = Named(name, UNKNOWN if name in self._recent else said)
        self._remember(self._last)

    def followed(self, said: bytes) -> None:
        """A frame came that names no place, after the last one."""
        if self._last is None:
            self._prelude = chained(self._prelude, said)
        else:
            before = self._last
            self._last = Named(before.name, before.said, chained(before.more, said))
            self._recent[before.name] = self._last

    def begins_again(self) -> None:
        """What follows the last place comes once more, in whatever pieces."""
        if self._last is None:
            self._prelude = SILENT
        else:
            self._last = Named(self._last.name, self._last.said)
            self._recent[self._last.name] = self._last

    def agrees(self, prelude: bytes, chain: bytes) -> bool:
        """Were all frames up to the last place as these, which came once more?

        Args:
            prelude: What came before the first place; nothing, where that is left out.
            chain: All places between the first and the last one.
        """
        return prelude in (SILENT, self._prelude) and chain == self._chain

    def _remember(self, named: Named) -> None:
        if not self._recent:
            self._recent = {}
        self._recent.pop(named.name, None)
        self._recent[named.name] = named
        if len(self._recent) > MAX_RECENT:
            del self._recent[next(iter(self._recent))]


def chain_of(chain: bytes, named: Named) -> bytes:
    """The chain with one place more."""
    return chained(chain, named.name.encode("utf-8", "surrogatepass"), named.said, named.more)


def _rolled(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[tuple[str, int, int], ...]]:
    """Names one by one, and those that count up."""
    rest: list[str] = []
    runs: list[tuple[str, int, int]] = []
    run: list[str] = []
    for name in (*names, ""):
        if run and _counts_on(run[-1], name):
            run.append(name)
            continue
        if len(run) >= _SHORTEST_RUN:
            begin, number = _split(run[0])
            runs.append((begin, number, number + len(run) - 1))
        else:
            rest += run
        run = [name] if name else []
    return tuple(rest), tuple(runs)


def _unrolled(runs: tuple[tuple[str, int, int], ...]) -> Iterable[str]:
    for begin, first, last in runs:
        for number in range(first, min(last + 1, first + MAX_RECENT)):
            yield f"{begin}{number}"


def _split(name: str) -> tuple[str, int]:
    begin = name.rstrip(_DIGITS)
    return begin, int(name[len(begin) :] or 0)


def _counts_on(before: str, name: str) -> bool:
    begin, number = _split(before)
    if not 0 < len(before) - len(begin) <= _MAX_DIGITS:
        return False
    return name == f"{begin}{number + 1}" and before == f"{begin}{number}"
