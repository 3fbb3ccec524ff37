"""What all places of an answer have in common: where they begin, and which of them can be kept.

Decided here: the cursor before the first place, which cursor a checkpoint may bring and take away.
Not here: whether a frame lies before a place (`tokenwire.resume.places`), and how a cursor is put
into a request (`tokenwire.resume.plan`).
"""

from __future__ import annotations

from typing import Final, get_args

from tokenwire.cursor import Cursor, CursorKind
from tokenwire.dialects import Resumption
from tokenwire.events import Error, Recovery
from tokenwire.resume.checkpoint import CheckpointError

# No server takes a header that is longer, so nothing can be asked for after such an id.
LONGEST: Final = 8192

# Where the service counts, a place is a number, and no frame names it.
COUNTED: Final[frozenset[CursorKind]] = frozenset({"bytes", "events"})

# Before any place: idle sessions share them.
_STARTS: Final[dict[CursorKind, Cursor]] = {kind: Cursor(kind) for kind in get_args(CursorKind)}


def start_of(resumption: Resumption | None) -> Cursor:
    """The cursor before the stream named any place."""
    return _STARTS["id" if resumption is None else resumption.kind]


def checked(cursor: Cursor | None, resumption: Resumption | None) -> Cursor:
    """The cursor of a checkpoint, or where there is none that of the start.

    Raises:
        CheckpointError: The cursor is none of this dialect.
    """
    start = start_of(resumption)
    if cursor is None:
        return start
    is_name = isinstance(cursor.value, str)
    if cursor.kind != start.kind or (is_name and start.kind in COUNTED):
        raise CheckpointError(
            f"the checkpoint's cursor is {cursor.kind} {cursor.value!r:.80}, and this dialect"
            f" goes on after {start.kind}: it is of another stream; ask for the answer anew"
        )
    return cursor


def is_too_long(value: str | int | None) -> bool:
    """Is this an id that nobody could send?"""
    return isinstance(value, str) and len(value) > LONGEST


def kept_cursor(cursor: Cursor) -> Cursor:
    """The cursor as a checkpoint holds it: an id that nobody could send is none."""
    return Cursor(cursor.kind, "") if is_too_long(cursor.value) else cursor


def differs(cursor: Cursor) -> Error:
    """What the service sent is not what was delivered after this place already."""
    return Error(
        "vendor",
        f"asked to go on after {cursor.kind} {cursor.value!r:.80}, the service sent"
        " something else than it had sent there before; nothing of that was delivered. A"
        " service that goes on elsewhere should name the place of every event",
        recovery=Recovery.RETRY,
    )
