"""`RecentEvents`: what an event source delivered last, so that it is not delivered twice.

Decided here: whether an event at the beginning of a connection is one that came before. Its ids
are the source's own affair: they may begin anew, or stay the same for all events. So an event is
known only by all that it said, and only where a new connection begins. Not here: whether anybody
wants that (`drop_echoes` of a `Session`).
"""

from __future__ import annotations

from typing import Final

from tokenwire.frame import Frame
from tokenwire.resume.evidence import short

# Events that are remembered, by their hashes: some tens of kilobytes. A server that begins further
# back than this is not found out.
_MAX_KEPT: Final = 1024


class RecentEvents:
    """The events that were delivered last.

    Args:
        ids: Of events that another process delivered; what else they said is not known.
    """

    __slots__ = ("_hashes", "_ids", "_is_beginning")

    def __init__(self, ids: tuple[str, ...] = ()) -> None:
        self._ids = ids
        self._hashes: dict[int, None] = {}  # in their order
        self._is_beginning = False  # of a connection that resumes

    def add(self, frame: Frame) -> None:
        """This one was delivered. Without an id it cannot be told from a new one."""
        key = _hash(frame)
        if frame.id and key not in self._hashes:
            self._hashes[key] = None
            if len(self._hashes) > _MAX_KEPT:
                del self._hashes[next(iter(self._hashes))]

    def reconnected(self) -> None:
        """The next frames come over a new connection."""
        self._is_beginning = True

    def is_repeated(self, frame: Frame) -> bool:
        """Was this one delivered before? After the first that was not, none counts as repeated."""
        id = frame.id or ""
        known = bool(id) and (_hash(frame) in self._hashes or short(id) in self._ids)
        self._is_beginning = self._is_beginning and known
        return self._is_beginning


def _hash(frame: Frame) -> int:
    return hash((frame.id, frame.event, frame.data))
