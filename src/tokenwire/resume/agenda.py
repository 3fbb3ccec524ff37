"""`Agenda`: the effects that are decided on and not yet given to the driver, in their order.

Decided here: nothing but how they are kept. Not here: which they are (`tokenwire.resume.machine`).
"""

from __future__ import annotations

from collections import deque
from typing import Final

from tokenwire.resume.effects import CloseResponse, Deliver, Effect

_FEW: Final = 8  # that a list may hold: to take the first of it moves all others


class Agenda:
    """What the driver is to do next: a few effects, but for an answer that a replay held."""

    __slots__ = ("_effects",)

    def __init__(self) -> None:
        self._effects: list[Effect] | deque[Effect] = []

    def append(self, effect: Effect) -> None:
        """To be done after all others."""
        self._effects.append(effect)

    def expect(self, number: int) -> None:
        """So many follow."""
        if number > _FEW:
            self._effects = deque(self._effects)

    def take(self) -> Effect | None:
        """The next one; None: nothing is decided on."""
        effects = self._effects
        if not effects:
            return None
        return effects.popleft() if isinstance(effects, deque) else effects.pop(0)

    @property
    def delivers_next(self) -> bool:
        """An event is to be delivered next, or after the closing of the response."""
        effects = self._effects
        if not effects:
            return False
        return type(effects[0]) is Deliver or (len(effects) > 1 and type(effects[1]) is Deliver)

    def cancel(self) -> None:
        """Nothing is done any more but for the closing of a response."""
        self._effects = [one for one in self._effects if isinstance(one, CloseResponse)]
