"""What one connection gets of an answer, and how it fails, as steps: no socket, no clock.

A step is bytes to write as one chunk, a `Step`, or a `Torn` chunk. When the steps end, the body
ends well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from itertools import chain
from typing import Final

from msgspec import Struct

from tokenwire.dialects import Dialect
from tokenwire.events import Error, Event, Heartbeat, Started, Token
from tokenwire.testserver.cuts import Cutter
from tokenwire.testserver.kept import Tally
from tokenwire.testserver.place import START, Block, Place
from tokenwire.testserver.script import Left, Script, can_say
from tokenwire.testserver.settings import Settings

OVERLOADED: Final = Error(
    kind="vendor",
    code="overloaded_error",
    message="the service is overloaded (a failure that the test server was asked for)",
)

# Five minutes, at a tenth of a second each: a client that waits longer has no clock for it.
MOST_HEARTBEATS: Final = 3000


class Step(Enum):
    """What to do between two chunks."""

    TOKEN = "token"
    """A token follows: wait until its time has come."""
    WAIT = "wait"
    """Wait for the delay of this answer."""
    STALL = "stall"
    """Be silent until the client leaves, but not for ever; then close the connection."""
    DROP = "drop"
    """Close the connection, with the body open."""
    RESET = "reset"
    """Break the connection by a TCP reset."""
    HALF_CLOSE = "half-close"
    """Close the sending side, with the body open, and go on reading."""


class Torn(Struct, frozen=True):
    """Announce these bytes as a chunk, send a half of them, and close the connection."""

    data: bytes


# How the log calls these ends, and what the connection has to do.
_BREAKS: Final = {
    "drop": ("dropped", Step.DROP),
    "reset": ("reset", Step.RESET),
    "half-close": ("closed on one side", Step.HALF_CLOSE),
}


class Answer:
    """What one connection gets of one answer.

    Args:
        dialect: The dialect; it has an encoder.
        settings: What to say, how to cut it, how to fail.
        id: The answer's name, where the dialect has a place for it.
        model: The model that answers.
        place: How far the client has it.
        tally: The failures of this answer's connections; cleared when it came to its end.
        heartbeats: Those that are part of the body, by the number of the block after them.

    Attributes:
        rate: Tokens a second to send it with; 0: do not wait.
        delay: Seconds of a `Step.WAIT`.
        ending: How it ended, in a word for the log.

    Raises:
        ValueError: The dialect has no way to say the error, or the heartbeat, that ``fail`` needs.
    """

    def __init__(
        self,
        dialect: Dialect,
        settings: Settings,
        *,
        id: str,
        model: str,
        place: Place = START,
        tally: Tally | None = None,
        heartbeats: dict[int, bytes] | None = None,
    ) -> None:
        self.rate: Final = settings.rate
        self.delay: Final = settings.delay
        self.ending = "the client left"
        self._settings = settings
        self._place = place
        self._tally = tally or Tally()
        self._heartbeats = heartbeats
        self._said = {} if heartbeats is None else heartbeats
        self._script: Callable[[], Script] = lambda: Script(
            dialect, settings, id=id, model=model, heartbeats=self._said
        )
        if settings.fail == "error" and not can_say(dialect, OVERLOADED):
            raise ValueError(f"{dialect.name} has no way to say an error")
        if settings.fail == "stall-with-heartbeats" and not can_say(dialect, Heartbeat()):
            raise ValueError(f"{dialect.name} has no heartbeats")

    def left(self) -> Left:
        """What it has for this client, if nothing fails.

        Raises:
            LocalProtocolError: The dialect has no way to say this text.
        """
        return self._script().left(self._place)

    def steps(self) -> Iterator[bytes | Step | Torn]:
        """The answer, step by step.

        Raises:
            LocalProtocolError: The dialect has no way to say this text.
        """
        cutter = Cutter(self._settings.cut, self._settings.seed)
        cut: Callable[[bytes], Iterator[bytes | Step]] = cutter.cut
        fails = self._settings.fail != "none"
        tokens = 0
        script = self._script()
        events = script.events()
        for event in events:
            if fails and self._is_due(event, tokens, script):
                yield from cutter.rest()
                if self._settings.fail != "slow-drip":
                    yield from self._fail(script, chain((event,), events))
                    return
                fails, cut = False, _drip
            blocks = script.blocks(event)
            data = self._shown(blocks)
            if isinstance(event, Token):
                is_new = self._place == START or not all(map(self._place.is_after, blocks))
                tokens += is_new
                if is_new or data:
                    yield Step.TOKEN
            yield from cut(data)
        yield from cutter.rest()
        self.ending = "complete"
        self._tally.failures = 0

    def _is_due(self, event: Event, tokens: int, script: Script) -> bool:
        """Is this event where it fails, with so many tokens sent?"""
        if isinstance(event, Started):
            return False
        if isinstance(event, Token) or self._place != START:
            return tokens == self._settings.after and script.is_past(self._place)
        return True  # after all tokens, and the first connection fails at last

    def _shown(self, blocks: list[Block]) -> bytes:
        """What this client is sent of these blocks, with or without what it has."""
        place, replay = self._place, self._settings.replay
        return b"".join(
            block.data
            if replay == "restart" or (replay == "inclusive" and place.is_at(block))
            else place.rest_of(block)
            for block in blocks
        )

    def _fail(self, script: Script, events: Iterator[Event]) -> Iterator[bytes | Step | Torn]:
        match self._settings.fail:
            case "truncate":
                self.ending = "cut short"
            case "error":
                self.ending = "ended by an error"
                cutter = Cutter(self._settings.cut, self._settings.seed)
                yield from cutter.cut(script.aside(OVERLOADED))
                yield from cutter.rest()
            case "truncated-chunk":
                self.ending = "a chunk torn"
                coming = (self._shown(script.blocks(event)) for event in events)
                yield Torn(next(filter(None, coming), b""))
            case "stall":
                yield Step.STALL
            case "stall-with-heartbeats":
                yield from self._beat(script)
                self.ending = "stalled"
                yield Step.DROP
            case fail:
                self.ending, step = _BREAKS[fail]
                yield step

    def _beat(self, script: Script) -> Iterator[bytes | Step]:
        for _ in range(MOST_HEARTBEATS):
            beat = script.aside(Heartbeat())
            if self._heartbeats is not None:
                before = self._heartbeats.get(script.number, b"")
                self._heartbeats[script.number] = before + beat
            yield beat
            yield Step.WAIT


def _drip(data: bytes) -> Iterator[bytes | Step]:
    for at in range(len(data)):
        yield data[at : at + 1]
        yield Step.WAIT
