"""`Machine`: the phases of one answer, from the first request to the last event.

Decided here: what comes after what: a request, its response, the pieces of its body, their events,
the wait for the next connection, the end. Not here: what a caller may give and which reply fits
(`tokenwire.resume.session`), what is read from a connection (`tokenwire.resume.connection`), what
of it is handed out (`tokenwire.resume.delivery`), and what follows when it ends
(`tokenwire.resume.decision`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from tokenwire.dialects import Dialect
from tokenwire.errors import LocalProtocolError
from tokenwire.events import Done, Error, Event, Opened, Reconnecting
from tokenwire.limits import Limits
from tokenwire.parser import Signal
from tokenwire.response import judge_response
from tokenwire.resume.agenda import Agenda
from tokenwire.resume.connection import connect
from tokenwire.resume.cursor import differs
from tokenwire.resume.deadlines import PROGRESS, Clocks
from tokenwire.resume.decision import Decision
from tokenwire.resume.delivery import Delivery
from tokenwire.resume.effects import (
    CloseResponse,
    Deliver,
    Effect,
    Ended,
    OpenRequest,
    ReadData,
    Sleep,
)
from tokenwire.resume.plan import Plan

_OF_CONNECTIONS: Final = frozenset({Opened, Reconnecting})

_RESTART: Final = "a restart that was asked for"


class Phase(Enum):
    """Where an answer stands."""

    START = auto()
    OPENING = auto()  # `OpenRequest` waits for its answer
    REDIRECTED = auto()  # that answer was to ask elsewhere
    READING = auto()
    SLEEPING = auto()
    ENDED = auto()


_READING: Final = Phase.READING  # a look into an Enum is slow

# A request is out, and nobody knows what became of it.
_ASKING: Final = frozenset({Phase.OPENING, Phase.REDIRECTED, Phase.READING})


class Machine:
    """What is done next for one answer.

    Args:
        dialect: How the answer is written.
        limits: Bounds on what a connection may hold.
        delivery: How far the answer was delivered.
        decision: What follows a connection.

    Attributes:
        clocks: They begin with the first effect.
        connection: The one that is open, or comes next.
        decision: What follows it.
        delivery: How far the answer was delivered.
        effects: What is to be done before anything else.
        error: How the answer ended.
        phase: Where it stands.
    """

    __slots__ = (
        "_dialect",
        "_limits",
        "_until",
        "clocks",
        "connection",
        "decision",
        "delivery",
        "effects",
        "error",
        "phase",
    )

    def __init__(
        self, dialect: Dialect, limits: Limits, delivery: Delivery, decision: Decision
    ) -> None:
        self._dialect = dialect
        self._limits = limits
        self._until = 0.0  # of the wait for the next connection
        self.delivery = delivery
        self.decision = decision
        self.clocks: Clocks | None = None
        self.connection = connect(decision.planner.anew(), dialect, limits, delivery)
        self.effects = Agenda()
        self.phase = Phase.START
        self.error: Error | None = None

    def go_on(self) -> None:
        """The answer is that of a checkpoint: see what is left to be done."""
        delivery = self.delivery
        if delivery.done is not None:  # who took the `Done` may not have got to note it
            self.effects.append(Deliver(Done(delivery.done)))
            self._end(None)
        elif delivery.taken:
            plan = self.decision.resume(None, self.connection.plan, delivery)
            if plan is None:
                self._fail(self.decision.no_way(delivery))
            else:
                self._connect(plan)

    def next_effect(self, now: float, clocks: Clocks) -> Effect:
        """What to do next; an event counts as delivered from now on."""
        while (effect := self.effects.take()) is None:
            self._step(now, clocks)
        if type(effect) is Deliver:
            self._delivered(effect.event, clocks)
        return effect

    def response_started(
        self, status: int, headers: Mapping[str, str], now: float, clocks: Clocks
    ) -> None:
        """The response's head is there."""
        connection = self.connection
        connection.is_open = True
        if status in self.decision.kind.redirects:
            self._redirect(status, headers, now)
            return
        clocks.connected(now)
        self.phase = _READING
        if 200 <= status < 300:
            self.delivery.response_started(headers, connection.request)
        connection.parser.receive_response(status, headers)
        if not self.decision.kind.announced:
            return
        if judge_response(status, headers, self._dialect, self._limits) is None:
            last_id = connection.request.header("Last-Event-ID")
            self.effects.append(Deliver(Opened(last_id)))

    def judge(self, error: Error, now: float, *, sent: bool = True) -> None:
        """The connection failed, from outside of its stream."""
        if not self._goes_on(error, now, sent=sent):
            self._fail(error)

    def wake(self, now: float) -> None:
        """Ask again, if the wait for that is over."""
        if self.phase is Phase.SLEEPING and now >= self._until:
            self.phase = Phase.START

    def restart(self) -> None:
        """Drop the connection and make another one; what was received is delivered first."""
        if self.phase is _READING:
            self.connection.is_restarting = True
            if not self.connection.is_over:
                self.connection.end("transport", _RESTART)
            self._close()
        elif self.phase is Phase.SLEEPING:
            self.phase = Phase.START
        elif self.phase in _ASKING:
            self._restart(Error("transport", f"no response came: {_RESTART}"))

    def cancel(self) -> None:
        """Nobody wants any more."""
        if self.phase is not Phase.ENDED:
            self.effects.cancel()
            self.decision.release()
            self._close()
            self._end(None)

    # --- one connection ---

    def _step(self, now: float, clocks: Clocks) -> None:
        """Find the next effect, or come nearer to it."""
        if self.phase is _READING:
            self._read(now, clocks)
            return
        match self.phase:
            case Phase.START:
                refused = self.decision.admit(now)
                if refused is not None:
                    self.judge(refused, now, sent=False)
                    return
                clocks.connecting(now)
                self._open(now, clocks)
            case Phase.REDIRECTED:
                self._open(now, clocks)
            case Phase.OPENING:
                raise LocalProtocolError(
                    "OpenRequest is not answered yet: call response_started or connection_lost"
                )
            case Phase.SLEEPING:
                total = clocks.waiting(now)
                until = self._until if total is None else min(self._until, total)
                self.effects.append(Sleep(until))
            case _:  # ended
                self.effects.append(Ended(self.error))

    def _open(self, now: float, clocks: Clocks) -> None:
        self.phase = Phase.OPENING
        self.effects.append(OpenRequest(self.connection.request, clocks.waiting(now)))

    def _redirect(self, status: int, headers: Mapping[str, str], now: float) -> None:
        self._close()
        failed = self.connection.redirect(status, headers)
        if failed is None:
            self.phase = Phase.REDIRECTED
        else:
            self.judge(failed, now)

    def _read(self, now: float, clocks: Clocks) -> None:
        connection = self.connection
        event = connection.parser.next_event()
        if not isinstance(event, Signal):
            self._receive(event, now)
            return
        self._advance()  # also after frames that say nothing
        doubt = self.delivery.place.doubt
        if doubt is not None:
            self.judge(doubt, now)
        elif connection.pieces:
            connection.read(self.delivery.place)
        elif connection.is_over:
            self._finish(now)
        else:
            deadline = clocks.waiting(now)
            # None can have run out before that.
            expired = clocks.expired(now) if deadline is not None and now >= deadline else None
            if expired is None:
                self.effects.append(ReadData(deadline))
            else:  # a peer that always has some bytes ready leaves no driver the time for it
                self.judge(expired, now)

    def _finish(self, now: float) -> None:
        """The body is over, and all that it brought is delivered: was the answer whole?"""
        *rest, last = self.connection.finish()
        doubt = self.delivery.place.doubt
        if doubt is not None:  # found in what the end left open
            self.judge(doubt, now)
            return
        if self.connection.is_restarting and isinstance(last, Error):
            self._restart(last)
            return
        if isinstance(last, Error) and self._goes_on(last, now):
            return  # what a decoder says at a cut is of this connection, not of the answer
        for event in rest:
            self._receive(event, now)
        self._receive(last, now, judged=True)

    # --- one event ---

    def _receive(self, event: Event, now: float, *, judged: bool = False) -> None:
        if type(event) is Error and event.fatal:
            if judged or not self._goes_on(event, now):
                self._fail(event)
            return
        connection, delivery = self.connection, self.delivery
        if not delivery.taken.shown:
            delivery.taken.event(event)
        if type(event) is Error and event.kind == "malformed":
            again = self.decision.ask_again(event, connection.plan, delivery)
            if again is not None and self._goes_on(again, now):
                return
            delivery.place.freeze()
        events = delivery.receive(event, connection.parser, resumes=connection.plan.resumes)
        if events is None:
            self.judge(differs(delivery.place.cursor), now)
            return
        if len(events) > 1:
            self.effects.expect(len(events))
        for one in events:
            if type(one) is Error and one.fatal:  # of a seam
                self._fail(one)
                return
            self.effects.append(Deliver(one))
        if not events and self.clocks is not None:
            self.clocks.delivered(event)  # held or known: the peer brought it all the same
        if type(event) is Done:
            self.decision.record(event, now)
            self._close()
            self._end(None)

    def _delivered(self, event: Event, clocks: Clocks) -> None:
        if type(event) in _OF_CONNECTIONS:
            return
        # What comes next may be of a frame before the place at which the parser is.
        moved = not self.effects.delivers_next and self._advance()
        delivery, connection = self.delivery, self.connection
        delivery.add(event, connection.parser, moved=moved)
        clocks.delivered(event)
        if type(event) in PROGRESS and not delivery.is_retold(connection.plan):
            self.decision.progressed()

    def _advance(self) -> bool:
        """All that the parser gave so far is delivered: is that after another place?"""
        delivery, connection = self.delivery, self.connection
        moved = delivery.advance(connection.parser)
        # Progress too where nothing came with it: a service that is asked from time to time names
        # a new place each time. In a replay the places were there before.
        if moved and connection.plan.method != "replay":
            self.decision.progressed()
        if connection.counted is not None and not delivery.is_holding:
            counted = connection.take_counted()
            moved = counted is not None and delivery.place.counted(counted)
        return moved

    # --- what follows a connection ---

    def _goes_on(self, error: Error, now: float, *, sent: bool = True) -> bool:
        """Make ready for the next connection, if there is to be one."""
        sent = sent and self.phase in _ASKING
        found = self.decision.after(error, self.connection, self.delivery, now, sent=sent)
        if found is None:
            return False
        plan, reconnecting = found
        self._close()
        self.effects.append(Deliver(reconnecting))
        self._connect(plan)
        self.phase, self._until = Phase.SLEEPING, now + reconnecting.delay
        return True

    def _restart(self, error: Error) -> None:
        """Connect anew because the application wants it; the error tells why that cannot be."""
        plan = self.decision.restart(self.connection, self.delivery)
        if plan is None:
            self._fail(error)
            return
        self._close()
        self.effects.append(Deliver(Reconnecting(0, 0.0, plan.method)))
        self._connect(plan)
        self.phase = Phase.START

    def _connect(self, plan: Plan) -> None:
        """Make the next connection; its request is sent by the next effect."""
        self.delivery.reconnect(plan)
        self.connection = connect(plan, self._dialect, self._limits, self.delivery, self.connection)
        if self.clocks is not None:
            self.clocks.disconnected()

    def _fail(self, error: Error) -> None:
        error = self.decision.explained(error, self.delivery)
        self._close()
        self.effects.append(Deliver(error))
        self._end(error)

    def _close(self) -> None:
        if self.connection.is_open:
            self.connection.is_open = False
            self.effects.append(CloseResponse())

    def _end(self, error: Error | None) -> None:
        self.phase, self.error = Phase.ENDED, error
