"""What services repeat in every chunk beside the text: each value is reported once in a row."""

from __future__ import annotations

from typing import Any, Final

from tokenwire.dialects.kit.payloads import json_text
from tokenwire.dialects.openai.accents import (
    CHOICE_STATES,
    DELTA_STATES,
    AccentChoiceWire,
    AccentChunkWire,
    AccentDeltaWire,
    said_in,
)
from tokenwire.dialects.openai.chat_wire import says_something
from tokenwire.events import Data, Event
from tokenwire.frame import Frame

# A chunk of so many bytes takes some 20 times as much as values.
_SHORT: Final = 2048


class States:
    """The last value of each state, or its digest."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: dict[str, Any] = {}

    def receive(self, kind: str, value: Any, index: int, frame: Frame, events: list[Event]) -> None:
        """One state of a choice, or of the answer: `Data` if it is another one than before."""
        place = f"{kind}{index}"
        # Of what is short the value itself is kept: it is compared sooner than a digest is made.
        short = index == 0 and len(frame.data or b"") <= _SHORT
        kept = value if short else hash(json_text(value))
        if self._last.get(place) != kept and says_something(value):
            self._last[place] = kept
            events.append(Data(kind, value, index, frame=frame))

    def receive_all(
        self,
        wire: AccentChunkWire | AccentChoiceWire | AccentDeltaWire,
        names: tuple[str, ...],
        index: int,
        frame: Frame,
        events: list[Event],
    ) -> None:
        """Those of these fields that say something."""
        for kind, value in said_in(wire, names):
            self.receive(kind, value, index, frame, events)

    def receive_choice(
        self, wire: AccentChoiceWire, index: int, frame: Frame, events: list[Event]
    ) -> None:
        """Those of a choice and of its delta or its message."""
        piece = wire.message if wire.delta is None else wire.delta
        if piece is not None:
            self.receive_all(piece, DELTA_STATES, index, frame, events)
        self.receive_all(wire, CHOICE_STATES, index, frame, events)
