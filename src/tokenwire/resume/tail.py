"""`Tail`: what was delivered after the last cursor, left out where it comes once more.

Decided here: what of an event is new after the cursor. Not here: where the cursor is, and what is
done where nothing can be joined.

Many services name a place only at every so many events. Asked to go on after the last name, they
send again what came after it, for more than the name no client can tell them. So what was
delivered since is known here by its length and two checksums, and what comes first over the next
connection must be the same; only what follows it is new. Where a service cuts its pieces makes
no difference.

Where the beginning of a stream names no places, what comes before the first name over a connection
that goes on may be that beginning once more, or that of another answer: it is held until a name
tells.

What is not the same is never joined to it. A service that goes on exactly where the connection
broke, for it remembers its client, cannot be told from one that says something else now; and the
text before the cursor, which a `Reset` would have to give again, is not kept. So that is an error.
"""

from __future__ import annotations

from typing import Final

from tokenwire.events import Data, Done, Event, Heartbeat, Reasoning, Started, Unknown
from tokenwire.resume.replay import (
    END,
    MAX_HELD,
    NOTHING,
    Channel,
    Said,
    channel_of,
    rest_of,
    value_of,
)

# Types of events are compared, for an `isinstance` that fails costs four times as much.
_SAYING_NOTHING: Final = frozenset({Heartbeat, Started})


def says_something(event: Event) -> bool:
    """Is it of what an answer says? An identity may be repeated, and noise comes anywhere."""
    if type(event) is Unknown:
        return event.frame is not None and event.frame.data is not None
    return type(event) not in _SAYING_NOTHING


class _Transcript:
    """Events in their order as one text: by its length and checksums alone."""

    __slots__ = ("channel", "said")

    def __init__(self, said: Said = NOTHING, channel: Channel | None = None) -> None:
        self.said = said
        self.channel = channel

    def write(self, event: Event, room: int | None = None) -> str:
        """Add an event, or as much of it as there is room for; gives what is left over."""
        channel, text = _written(event)
        if channel is None or channel != self.channel:
            text = f"{END}{channel}{END}{text}"
            self.channel = channel
        self.said = self.said.and_then(text[:room])
        return "" if room is None else text[room:]


def _written(event: Event) -> tuple[Channel | None, str]:
    """What an event says, and where, if the text there can be cut in other ways."""
    if isinstance(event, Data):
        return None, f"{event.kind}{END}{value_of(event.value)}{END}{event.index}{END}{event.part}"
    if isinstance(event, Reasoning) and event.signature:
        return None, repr(event)
    return channel_of(event) or (None, repr(event))


class Tail:
    """What was delivered after the cursor.

    Args:
        said: Of a checkpoint: what was delivered after its cursor.
        head: Of a checkpoint: what came before the stream named any place.
    """

    __slots__ = ("_head", "_held", "_maybe_head", "_repeated", "_said")

    def __init__(self, said: Said = NOTHING, head: Said = NOTHING) -> None:
        self._head = _Transcript(head)
        self._said = _Transcript(said)
        self._repeated: _Transcript | None = None  # what came once more; None: all of it did
        self._maybe_head = False  # until a place is named: what comes is held
        self._held: list[Event] = []  # until that is known

    @property
    def said(self) -> Said:
        """What was delivered after the cursor, for a checkpoint."""
        return self._said.said

    @property
    def head(self) -> Said:
        """What came before the stream named any place, for a checkpoint."""
        return self._head.said

    @property
    def pending(self) -> bool:
        """Not all of it came once more, or something is held."""
        return self._repeated is not None or bool(self._held)

    def begin(self, event: Event) -> None:
        """An event came, and the stream has not named a place yet."""
        self._head.write(event)

    def add(self, event: Event) -> None:
        """An event was delivered, and the cursor did not move."""
        self._said.write(event)

    def cursor_moved(self) -> None:
        """The cursor stands after all that was delivered."""
        if self._said.said.length:
            self._said = _Transcript()

    def reconnected(self, *, asked_for_all: bool, prelude: bool = False) -> None:
        """What comes next is after the cursor, or all from the beginning.

        Args:
            asked_for_all: It is all.
            prelude: The answer began with frames that name no place, whatever they said.
        """
        self.rewind()
        self._maybe_head = (prelude or self._head.said.length > 0) and not asked_for_all

    def rewind(self) -> None:
        """What came so far lies before the cursor, as its names show: only now comes the tail."""
        self._held, self._maybe_head = [], False
        self._repeated = _Transcript() if self._said.said.length else None

    def place_named(self) -> None:
        """A new place was named: this is not the beginning of the stream once more."""
        self._maybe_head = False

    def receive(self, event: Event) -> list[Event] | None:
        """What of an event is new; None where it is not what was delivered before."""
        if self._maybe_head and not isinstance(event, Done) and len(self._held) < MAX_HELD:
            self._held.append(event)
            return []
        self._maybe_head = False
        come, self._held = [*self._held, event], []
        found: list[Event] = []
        for one in come:
            new = self._compare(one)
            if new is None:
                return None
            found += new
        return found

    def _compare(self, event: Event) -> list[Event] | None:
        repeated, said = self._repeated, self._said.said
        if repeated is None:
            return [event]
        if isinstance(event, Done):
            return None  # it ends before all of that came
        rest = repeated.write(event, said.length - repeated.said.length)
        if repeated.said.length < said.length:
            return []
        if repeated.said != said:
            return None
        self._repeated = None
        self._said.channel = repeated.channel
        return rest_of(event, rest) if rest else []
