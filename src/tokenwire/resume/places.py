"""How far an answer was delivered, and whether a frame lies before that: one place of three kinds.

Decided here: which kind an API needs. An answer whose stream names its places has a `Place`, one
whose service counts them a `CountedPlace`, and an event source a `LastId`. They have one face, so
that nobody above asks which it is.
"""

from __future__ import annotations

from typing import TypeAlias

from tokenwire.cursor import Cursor
from tokenwire.dialects import Resumption
from tokenwire.resume.counted import CountedPlace
from tokenwire.resume.cursor import COUNTED
from tokenwire.resume.evidence import Kept
from tokenwire.resume.last_id import LastId
from tokenwire.resume.place import Place
from tokenwire.resume.replay import NOTHING, Said

AnyPlace: TypeAlias = Place | CountedPlace | LastId


def place_of(
    resumption: Resumption | None,
    cursor: Cursor | None = None,
    kept: Kept | None = None,
    tail: Said = NOTHING,
    head: Said = NOTHING,
    *,
    drop_repeated: bool = False,
) -> AnyPlace:
    """The place of an answer.

    Args:
        resumption: How the dialect's API reconnects; None: it cannot.
        cursor: The place to begin at, of a checkpoint; None: nothing was delivered.
        kept: What had been said at the places before it.
        tail: What was delivered after it.
        head: What came before the stream named any place.
        drop_repeated: Of an event source: leave out what comes again at the beginning of a
            connection.

    Raises:
        CheckpointError: The cursor is none of this dialect.
    """
    if resumption is not None and resumption.kind in COUNTED:
        return CountedPlace(resumption, cursor, kept, tail, head)
    if resumption is not None and resumption.live:
        return LastId(resumption, cursor, kept, drop_repeated=drop_repeated)
    return Place(resumption, cursor, kept, tail, head)
