"""What the built-in server remembers of answers, so that they can be gone on with."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from msgspec import Struct

from tokenwire.dialects import Dialect
from tokenwire.testserver.settings import Settings

MOST: Final = 1000
"""More answers than a test has under way, few enough to forget about the memory."""

Value = TypeVar("Value")


class Tally(Struct):
    """Counts what became of one request.

    Attributes:
        request: Tells it from others.
        connections: How often it came, or was gone on with.
        failures: How often it failed since it was last answered to the end.
    """

    request: str = ""
    connections: int = 0
    failures: int = 0


class Kept(Struct, frozen=True):
    """An answer, as what it is made of: the same parts make the same bytes each time.

    Attributes:
        dialect: The dialect; it has an encoder.
        settings: What it says, and how the request asked to be answered.
        id: The answer's name, where the dialect has a place for it.
        model: The model that answers.
        tally: The failures of its connections.
        heartbeats: Heartbeats that were sent before the block of this number, if it is gone on with
            by a count of bytes: they count too. Otherwise ``None``.
    """

    dialect: Dialect
    settings: Settings
    id: str
    model: str
    tally: Tally
    heartbeats: dict[int, bytes] | None


class Shelf(Generic[Value]):
    """Values by their keys. Of more than `MOST`, the one that was not asked for longest goes."""

    def __init__(self) -> None:
        self._values: dict[Hashable, Value] = {}

    def put(self, key: Hashable, value: Value) -> Value:
        """Keep a value in place of any under this key, and give it back."""
        self._values.pop(key, None)
        self._values[key] = value
        if len(self._values) > MOST:
            del self._values[next(iter(self._values))]
        return value

    def get(self, key: Hashable) -> Value | None:
        """The value under this key."""
        value = self._values.get(key)
        return None if value is None else self.put(key, value)
