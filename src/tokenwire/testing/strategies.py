"""Hypothesis strategies: ways to cut bytes, texts that break wires, and damage to real wire."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from tokenwire.dialects import Dialect, get_dialect
from tokenwire.testing._mutate import frames_of, mutate
from tokenwire.testing._read import cut

# Line ends in disguise, white space that `str.strip` takes, a BOM, characters of two to four
# bytes and joined ones, what JSON escapes, what ends a field, and the replacement character.
AWKWARD: Final = '\u2028\u2029\u0085\x0b\x0c\x1c\ufeff\ufffd\xa0é漢🗼\u200d"\\{}[]:,\t\0 \n\r'


def wire_texts(*, min_size: int = 1, max_size: int = 12) -> st.SearchStrategy[str]:
    """Texts that break wires: line ends in disguise, characters of several bytes, quotes, a BOM.

    There is no half surrogate among them: no text that was decoded from UTF-8 holds one.
    """
    # Two texts: `st.text` makes one alphabet of two strategies, and hardly ever picks from the few.
    awkward = st.text(AWKWARD, min_size=min_size, max_size=max_size)
    return awkward | st.text(st.characters(codec="utf-8"), min_size=min_size, max_size=max_size)


def awkward_places(wire: bytes) -> list[int]:
    """Where a cut hurts: at line ends, in CRLF, in characters, in a BOM, after a backslash."""
    return [
        at
        for at in range(1, len(wire))
        if wire[at - 1] in b"\r\n\\" or wire[at] in b"\r\n" or 0x7F < wire[at] < 0xC0 or at < 4
    ]


def chunkings(wire: bytes) -> st.SearchStrategy[list[bytes]]:
    """Ways to cut these bytes into chunks, none of them empty; joined they are the bytes.

    Every way can come up. Whole, byte by byte, and cuts where it hurts come up often: at line
    ends, between CR and LF, inside characters and inside a byte order mark.
    """
    if len(wire) < 2:
        return st.just(cut(wire, ()))
    places = st.integers(1, len(wire) - 1) | st.sampled_from(awkward_places(wire))
    cuts = st.sets(places, max_size=12) | st.just(set(range(1, len(wire))))
    if len(wire) > 13:  # any number of cuts, which a set of twelve cannot give
        cuts |= st.sets(st.integers(1, len(wire) - 1), max_size=min(len(wire) - 1, 200))
    return cuts.map(lambda places: cut(wire, sorted(places)))


def mutations(wire: bytes, dialect: Dialect | str | None = None) -> st.SearchStrategy[bytes]:
    """Damaged copies of a wire: bytes and frames dropped, doubled, swapped and corrupted.

    Args:
        wire: A sound body.
        dialect: Says where its frames end, and lets values inside of them be changed with the
            frame staying sound; without one a frame is a line.
    """
    found = get_dialect(dialect) if isinstance(dialect, str) else dialect
    frames = frames_of(found, wire)
    return st.randoms(use_true_random=False).map(lambda random: mutate(frames, random, found))
