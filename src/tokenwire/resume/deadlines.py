"""Five clocks on one answer, and what it means when one of them runs out.

`Deadlines` is what the caller chooses, `Clocks` is where they stand. No clock is read: every time
is a ``now`` that is passed in, float seconds that never go back. Not decided here: what is done
about a clock that ran out (`tokenwire.resume.decision`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from tokenwire import events
from tokenwire.errors import Recovery
from tokenwire.events import Error, Event

PROGRESS: Final[frozenset[type[Event]]] = frozenset(
    {
        events.Token,
        events.Reasoning,
        events.Refusal,
        events.ToolCall,
        events.Data,
        events.Reset,
        events.Finished,
    }
)
"""Events that bring the answer on. A heartbeat, an identity or a token count does not."""


class Deadlines(Struct, frozen=True, kw_only=True):
    """How long a peer may take, in seconds. ``None`` switches a clock off.

    All but `total` begin anew with each connection, and stand still while nobody waits for the
    peer: a caller who takes an hour over one event finds no timeout after it.

    Attributes:
        connect: From the request to the response's head.
        first_token: From the request to the first piece of the answer, thinking included.
        idle: Without a single byte, once the head is there. Any byte will do, a heartbeat's too.
        progress: From one piece of the answer to the next, of whatever kind; heartbeats do not
            count. It finds the peer that is alive and stuck.
        total: For the answer, over all its connections and the waits between them.

    Raises:
        ValueError: A limit is no positive number of seconds.
    """

    # Generous, for a limit that strikes a healthy stream is worse than none: a local server sends
    # its head after loading the model, and a model may think for minutes without a word. The
    # vendors' SDKs allow ten minutes of silence; what lies between drops a silent connection
    # after about five (Amazon's load balancers: 350 s), and tells neither side.
    connect: float | None = 120.0
    first_token: float | None = 600.0
    idle: float | None = 300.0
    progress: float | None = 600.0
    total: float | None = None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value is None:
                continue
            if type(value) not in (int, float) or not 0 < value < math.inf:
                raise ValueError(
                    f"Deadlines.{name} must be a positive number of seconds or None, not {value!r}"
                )


UNLIMITED = Deadlines(connect=None, first_token=None, idle=None, progress=None)
"""No clock at all."""


class Clocks:
    """Where the clocks of one answer stand, over any number of connections.

    Call `connecting` when a request is sent, `connected` when the response's head is there,
    `waiting` whenever the peer is waited for, `received` for its bytes, `delivered` for each event
    that they brought, and `disconnected` when the connection is over. When the time that `waiting`
    gave has come, `expired` tells which clock ran out.

    Args:
        deadlines: The limits.
        now: The time at which the answer was asked for.
        elapsed: Seconds that it took before, in another process.
        answering: A part of it came there.

    Attributes:
        answering: A part of the answer came, on whatever connection.
    """

    __slots__ = (
        "_asked",
        "_before",
        "_bytes",
        "_deadlines",
        "_heard",
        "_heartbeats",
        "_moved",
        "_paused",
        "_pieces",
        "_started",
        "answering",
    )

    def __init__(
        self, deadlines: Deadlines, now: float, *, elapsed: float = 0.0, answering: bool = False
    ) -> None:
        self.answering = answering
        self._deadlines = deadlines
        self._started = now - elapsed
        self._asked: float | None = None  # the request was sent; None between connections
        self._heard: float | None = None  # the head or a byte came last
        self._moved: float | None = None  # a piece of the answer came last
        self._paused: float | None = None  # since then the peer is not waited for
        self._bytes = 0
        self._heartbeats = 0
        self._pieces = 0
        self._before = (0, 0, 0)  # what had come when this connection began

    def elapsed(self, now: float) -> float:
        """Seconds since the answer was first asked for; for a checkpoint."""
        return now - self._started

    def connecting(self, now: float) -> None:
        """A request is sent: all clocks but the total one begin anew."""
        self._asked = now
        self._heard = self._moved = self._paused = None
        self._before = (self._bytes, self._heartbeats, self._pieces)

    def connected(self, now: float) -> None:
        """The head of the response is there."""
        self._heard = self._paused = now

    def received(self, size: int, now: float) -> None:
        """So many bytes of the body came. None at all are no sign of life."""
        if size:
            self._bytes += size
            self._heard = self._paused = now

    def delivered(self, event: Event) -> None:
        """This event was in what was received last. Not when the caller took it is what counts."""
        if type(event) in PROGRESS:
            self._moved = self._heard
            self._pieces += 1
            self.answering = True
        elif type(event) is events.Heartbeat:
            self._heartbeats += 1

    def disconnected(self) -> None:
        """The connection is over: only the total clock goes on."""
        self._asked = self._heard = self._moved = self._paused = None

    def waiting(self, now: float) -> float | None:
        """From now on the peer is waited for.

        Returns:
            The time at which that must end, perhaps past already; ``None``: it may take for ever.
        """
        if self._paused is not None:
            self._shift(now - self._paused)
        return min((until for _, _, until in self._running()), default=None)

    def _shift(self, pause: float) -> None:
        """The peer is not to blame for this time."""
        self._paused = None
        self._asked = _later(self._asked, pause)
        self._heard = _later(self._heard, pause)
        self._moved = _later(self._moved, pause)

    def expired(self, now: float) -> Error | None:
        """The clock that ran out, as a fatal ``Error(kind="timeout")``; ``None`` if none did.

        Of several it is the one that ran out first, but for the total one: it comes before all,
        for after it nothing may be tried again. While the peer is not waited for, only the total
        one runs.
        """
        due = [
            (name != "total", until, name, limit)
            for name, limit, until in self._running()
            if now >= until
        ]
        if not due:
            return None
        _, _, name, limit = min(due)
        return Error(
            kind="timeout",
            message=f"{_WORDS[name]} {limit:g} s (Deadlines.{name}): {self._what_came(name)}",
            recovery=self._recovery(name),
        )

    def _running(self) -> Iterator[tuple[str, float, float]]:
        """The clocks that run and have a limit: name, limit, and when they run out."""
        begun = {"total": self._started}
        if self._asked is not None and self._paused is None:
            if self._heard is None:
                begun["connect"] = self._asked
            else:
                begun["idle"] = self._heard
            if self._moved is None:
                begun["first_token"] = self._asked
            else:
                begun["progress"] = self._moved
        for name, since in begun.items():
            limit: float | None = getattr(self._deadlines, name)
            if limit is not None:
                yield name, limit, since + limit

    def _recovery(self, name: str) -> Recovery:
        if name == "total":
            return Recovery.FATAL
        broke_off = self.answering and name in ("idle", "progress")
        return Recovery.RESUME if broke_off else Recovery.RETRY

    def _what_came(self, name: str) -> str:
        """Counted for the connection, or for the answer where its whole time is up."""
        before = (0, 0, 0) if name == "total" else self._before
        now = (self._bytes, self._heartbeats, self._pieces)
        size, heartbeats, pieces = (new - old for new, old in zip(now, before, strict=True))
        if not size:
            return "nothing came" if self._heard is None else "only the response's head came"
        return (
            f"{_counted(size, 'byte')}, {_counted(heartbeats, 'heartbeat')} and"
            f" {_counted(pieces, 'piece')} of the answer came"
        )


_WORDS: Final = {
    "connect": "no response within",
    "first_token": "no token within",
    "idle": "no byte for",
    "progress": "no progress for",
    "total": "the answer was not complete within",
}


def _later(time: float | None, pause: float) -> float | None:
    return None if time is None else time + pause


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
