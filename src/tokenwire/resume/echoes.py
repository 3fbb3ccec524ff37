"""`Echoes`: what an event source says again after a reconnect.

Its ids are its own affair: they may begin anew, or stay the same for all events. So an event is
known only by all that it said, and only where a new connection begins.
"""

from __future__ import annotations

from typing import Final

from tokenwire.frame import Frame
from tokenwire.resume.evidence import short

# Events that are remembered, by their hashes: some tens of kilobytes. A server that begins further
# back than this is not found out.
_MAX_KEPT: Final = 1024


class Echoes:
    """The events that were delivered last, so that they are not delivered twice.

    Args:
        ids: Of events that another process delivered; what else they said is not known.
    """

    __slots__ = ("_ids", "_listening", "_said")

    def __init__(self, ids: tuple[str, ...] = ()) -> None:
        self._ids = ids
        self._said: dict[int, None] = {}  # in their order
        self._listening = False

    def delivered(self, frame: Frame) -> None:
        """This one was delivered. Without an id it cannot be told from a new one."""
        key = _key(frame)
        if frame.id and key not in self._said:
            self._said[key] = None
            if len(self._said) > _MAX_KEPT:
                del self._said[next(iter(self._said))]

    def reconnected(self) -> None:
        """The next frames come over a new connection."""
        self._listening = True

    def is_echo(self, frame: Frame) -> bool:
        """Was this one delivered before? Behind the first that was not, nothing is an echo."""
        id = frame.id or ""
        known = bool(id) and (_key(frame) in self._said or short(id) in self._ids)
        self._listening = self._listening and known
        return self._listening


def _key(frame: Frame) -> int:
    return hash((frame.id, frame.event, frame.data))
