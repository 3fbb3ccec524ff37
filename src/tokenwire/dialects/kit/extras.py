"""What nobody reads becomes ``Data("extra")``: fields without a name here, values of another type.

What is read, and what is left, is decided in `tokenwire.dialects.kit.lenient` and the schemas.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from tokenwire.events import Data, Done, Error, Event, Unknown
from tokenwire.frame import Frame

# Odd fields of one stream that are remembered, so that each value of theirs is reported once.
_MAX_REPORTED: Final = 64


class Extras:
    """Reports what was not read: each value once in a row, so that a repeated field is no noise."""

    __slots__ = ("_reported",)

    def __init__(self) -> None:
        self._reported: dict[str, int] | None = None

    def tell(self, unread: Mapping[str, Any], frame: Frame, events: list[Event]) -> None:
        """Add a ``Data("extra")`` with the values by path, less those reported just before.

        Nothing is added to a frame that is `Unknown` as a whole, or an error: its document is read
        for what it says, and is all there in the frame.

        Args:
            unread: What was not read.
            frame: Where it stands.
            events: The other events of that frame; an event that ends the stream stays the last.
        """
        last = events[-1] if events else None
        ends = isinstance(last, Done) or (isinstance(last, Error) and last.fatal)
        if ends and isinstance(last, Error) and last.frame is frame:
            return
        if events and all(isinstance(event, Unknown) for event in events):
            return
        reported = self._reported = {} if self._reported is None else self._reported
        news: dict[str, Any] = {}
        for path, value in unread.items():
            try:
                digest = hash(repr(value))
            except RecursionError:  # it is nested as deep as could just be read
                digest = hash(frame.data)
            if reported.get(path) != digest:
                if len(reported) == _MAX_REPORTED and path not in reported:
                    del reported[next(iter(reported))]
                reported[path] = digest
                news[path] = value
        if news:
            events.insert(len(events) - ends, Data("extra", news, frame=frame))


def without_extra(events: Iterable[Event], *names: str) -> list[Event]:
    """The events of an inner dialect, less the fields around its own that the outer one reports.

    Args:
        events: Of one frame.
        names: What the paths of those fields begin with.
    """
    kept: list[Event] = []
    for event in events:
        if isinstance(event, Data) and event.kind == "extra":
            value = {path: one for path, one in event.value.items() if not path.startswith(names)}
            if not value:
                continue
            event = replace(event, value=value)
        kept.append(event)
    return kept
