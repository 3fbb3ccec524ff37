"""`Place`: how far an answer was delivered, and whether a frame lies before that.

A server may replay more than it was asked for: the frame at the cursor once more, or all from the
beginning. By its cursor such a frame is known and left out; where its cursor says nothing, it is
not.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Final

from tokenwire.cursor import Cursor
from tokenwire.dialects import Resumption
from tokenwire.frame import Frame

# Opaque ids that are remembered: a server that starts a replay further back than this is not found
# out. Each is some tens of bytes.
MAX_RECENT: Final = 256

_LONGEST: Final = 1024  # characters of an id that is remembered
_COUNTED: Final = re.compile(r"(.*?)([0-9]{1,18})", re.ASCII | re.DOTALL)
_ENDS_EVENT: Final = re.compile(rb"[^\n]\n\n")  # more blank lines end no more events


class Place:
    """The place behind the last event that was delivered.

    Args:
        resumption: How the dialect's API reconnects; None: it cannot.
        cursor: The place to begin at, of a checkpoint.
        recent: Ids that were delivered before it, the last one last.
    """

    __slots__ = ("_counts", "_reached", "_read", "_recent", "_replaying", "_tail", "cursor")

    def __init__(
        self,
        resumption: Resumption | None,
        cursor: Cursor | None = None,
        recent: tuple[str, ...] = (),
    ) -> None:
        self.cursor = cursor or Cursor(resumption.kind if resumption is not None else "id")
        self._read = resumption.read if resumption is not None else None
        self._recent = deque(recent, MAX_RECENT)
        self._replaying = False
        self._counts = self.cursor.kind in ("bytes", "events")
        self._reached = self._start()
        self._tail = b""

    def _start(self) -> int:
        value = self.cursor.value
        return value if isinstance(value, int) else 0

    @property
    def recent(self) -> tuple[str, ...]:
        """The ids delivered last, for a checkpoint."""
        return tuple(self._recent)

    def delivered(self, cursor: Cursor) -> None:
        """An event was delivered; the parser's cursor stands behind it now."""
        value = cursor.value
        if self._counts or value is None or value == self.cursor.value:
            return
        if self._replaying and self._is_old(value):
            return  # an id without data, among events that were delivered before
        self.cursor = cursor
        if isinstance(value, str) and 0 < len(value) <= _LONGEST:
            self._recent.append(value)

    def cut(self, data: bytes) -> Iterator[tuple[bytes, Cursor | None]]:
        """Where the service counts, cut these bytes behind each event; else they stay whole.

        With each piece comes the place behind it, if an event ends there. It holds once all that
        the piece brought is delivered: then call `counted`.
        """
        begin = 0
        if self._counts:
            before = len(self._tail)
            window = self._tail + data
            for match in _ENDS_EVENT.finditer(window):
                end = match.end() - before
                yield data[begin:end], self._count(end - begin)
                begin = end
            self._tail = window[-2:]
            self._reached += 0 if self.cursor.kind == "events" else len(data) - begin
        if begin < len(data):
            yield data[begin:], None

    def _count(self, size: int) -> Cursor:
        self._reached += 1 if self.cursor.kind == "events" else size
        return Cursor(self.cursor.kind, self._reached)

    def counted(self, cursor: Cursor) -> None:
        """All that came before this place is delivered."""
        self.cursor = cursor

    def reconnected(self) -> None:
        """The next frames come over a new connection."""
        self._replaying = True
        self._reached, self._tail = self._start(), b""

    def was_delivered(self, frame: Frame) -> bool:
        """Does this frame of the new connection lie before the place?"""
        value = self._read(frame) if self._read is not None else frame.id
        last = self.cursor.value
        if value is None or last is None or last == "":
            return False  # an empty id names no place
        if isinstance(value, int) and isinstance(last, int):
            return value <= last
        if not self._replaying:
            return False
        if value == last:
            # A frame without an id of its own carries the one before it: only the first one is old.
            self._replaying = False
            return True
        self._replaying = self._is_old(value)
        return self._replaying

    def _is_old(self, value: str | int) -> bool:
        return value in self._recent or _is_before(str(value), str(self.cursor.value))


def _is_before(id: str, last: str) -> bool:
    """Do these ids count up, and is the first the smaller one? As in ``answer-7:3``."""
    one, other = _COUNTED.fullmatch(id), _COUNTED.fullmatch(last)
    if one is None or other is None or one[1] != other[1]:
        return False
    return int(one[2]) < int(other[2])
