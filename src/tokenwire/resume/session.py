"""`Session`: one answer over any number of connections. No I/O, no clock: drivers do what it says.

Decided here: what a caller may give, which reply fits the effect before it, and what a checkpoint
holds. Not here: what is done next (`tokenwire.resume.machine`).

A driver asks for the next effect, does it and tells what came of it::

    while not isinstance(effect := session.next_effect(now()), Ended):
        match effect:
            case OpenRequest(request=request):
                ...  # then session.response_started(status, headers, now())
            case ReadData():
                ...  # then session.receive_data(data, now()), or receive_eof, or connection_lost
            case Deliver(event=event):
                ...  # to the application
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from random import random as _random
from typing import TYPE_CHECKING, Final

from tokenwire.completion import Completion
from tokenwire.dialects import Dialect, get_dialect
from tokenwire.errors import LocalProtocolError
from tokenwire.events import Error, ErrorKind, Recovery
from tokenwire.limits import DEFAULT_LIMITS, Limits
from tokenwire.request import Request, words_of
from tokenwire.resume.backoff import Backoff, RetryPolicy
from tokenwire.resume.breaker import CircuitBreaker
from tokenwire.resume.checkpoint import Checkpoint, fingerprint, kept, kept_id
from tokenwire.resume.cursor import kept_cursor
from tokenwire.resume.deadlines import Clocks, Deadlines
from tokenwire.resume.decision import Decision
from tokenwire.resume.delivery import Delivery
from tokenwire.resume.effects import Effect
from tokenwire.resume.kinds import kind_of
from tokenwire.resume.machine import Machine, Phase
from tokenwire.resume.plan import Planner, Strategy

if TYPE_CHECKING:
    from tokenwire.resume.seam import Policy

_NO_BACKOFF: Final = Backoff()  # idle sessions share it
_READING: Final = Phase.READING  # a look into an Enum is slow


class Session:
    """One answer: asked for, read, and gone on with where a connection breaks.

    Until the service took the request another try is free, if the request has no effects. It took
    it with any sign of an answer: a place, an id, a run, an event. From then on only a strategy
    that keeps every character from being lost or doubled goes on, and the request is never sent
    again by itself; where none can, the `Error` is delivered.

    Args:
        request: What asks for the answer.
        dialect: How the answer is written: a `Dialect` or the name of one. Not ``auto``.
        limits: Bounds on what the stream may make it hold.
        retry: When to try again, and after how long. ``None``: `RetryPolicy` as it is by default;
            an event source is then asked without a bound until it answers with no stream.
        deadlines: How long to wait for what. ``None``: `Deadlines` as they are by default, and for
            an event source only ``connect`` and ``idle``.
        breaker: Keeps requests from a service that is down; may be shared between sessions.
        strategies: What may be done once the service took the request, in this order:
            ``last_event_id`` or ``cursor`` (what the dialect's API offers), ``replay`` (ask anew,
            leave out what is said again in the same way, take back what differs: it costs as
            much as a second answer), ``continuation`` (ask the model to go on from the partial
            text: it costs the prompt again, and the seam may show). ``None``: what the API offers.
        repeatable: May the request be sent again while nothing shows that the service took it?
            ``None``: as the dialect knows it: a call of a tool or the begin of a run may not,
            unless it is known not to have been taken.
        seam: What a continuation does at a seam that is doubtful: see
            `tokenwire.resume.seam.Seam`. ``reset`` is taken for ``reject``.
        drop_echoes: Of an event source: leave out what comes again at the beginning of a
            connection, with the same id and the same content. By the standard all is delivered.
        partial: What was delivered before the checkpoint; only a continuation needs it.
        checkpoint: Where another session for the same request had come to.
        random: Gives numbers from 0 to 1, for the jitter.

    Raises:
        UnknownDialectError: No dialect has this name.
        ValueError: The dialect cannot do a strategy.
        TypeError: An argument is of another kind.
        CheckpointError: The checkpoint is of another request.

    Attributes:
        dialect: The dialect.
    """

    __slots__ = ("_deadlines", "_elapsed", "_fingerprint", "_machine", "_request", "dialect")

    def __init__(
        self,
        request: Request,
        dialect: Dialect | str,
        *,
        limits: Limits = DEFAULT_LIMITS,
        retry: RetryPolicy | None = None,
        deadlines: Deadlines | None = None,
        breaker: CircuitBreaker | None = None,
        strategies: Sequence[Strategy] | None = None,
        repeatable: bool | None = None,
        checkpoint: Checkpoint | None = None,
        partial: Completion | None = None,
        seam: Policy = "reject",
        drop_echoes: bool = False,
        random: Callable[[], float] = _random,
    ) -> None:
        _check("retry", retry, RetryPolicy)
        _check("deadlines", deadlines, Deadlines)
        _check("breaker", breaker, CircuitBreaker)
        _check("checkpoint", checkpoint, Checkpoint)
        _check("partial", partial, Completion)
        found = get_dialect(dialect) if isinstance(dialect, str) else dialect
        # After a checkpoint less may come than the request asked for.
        asked = found.for_request if checkpoint is None else None
        self.dialect: Final = found if asked is None else asked(request)
        kind = kind_of(self.dialect)
        self._request = request
        self._fingerprint: str | None = None  # of that, made with the first checkpoint
        self._deadlines = deadlines or kind.deadlines
        planner = Planner(request, self.dialect, strategies, repeatable=repeatable)
        # The whole text is needed to go on from it, and for nothing else.
        is_needed = "continuation" in planner.strategies
        answer = deepcopy(partial or Completion()) if is_needed else None
        if checkpoint is not None:
            checkpoint.check(request, self.dialect)
        start = checkpoint or kind.beginning(request, self.dialect)
        self._elapsed = start.elapsed if start is not None else 0.0  # in other processes
        backoff = start.backoff if start is not None else _NO_BACKOFF
        decision = Decision(planner, kind, retry, breaker, backoff=backoff, random=random)
        delivery = Delivery(
            self.dialect.resumption, start, answer, seam=seam, drop_repeated=drop_echoes
        )
        self._machine = Machine(self.dialect, limits, delivery, decision)
        if start is not None:
            self._machine.go_on()

    def next_effect(self, now: float) -> Effect:
        """What to do next.

        Args:
            now: The time, in seconds from any beginning; it must not go back.

        Raises:
            LocalProtocolError: The effect before was not answered.
        """
        machine = self._machine
        clocks = machine.clocks
        if clocks is None:
            answering = bool(machine.delivery.taken)
            clocks = Clocks(self._deadlines, now, elapsed=self._elapsed, answering=answering)
            machine.clocks = clocks
        return machine.next_effect(now, clocks)

    def response_started(self, status: int, headers: Mapping[str, str], now: float) -> None:
        """The response's head is there: the answer to `OpenRequest`."""
        clocks = self._expect(Phase.OPENING, "response_started")
        self._machine.response_started(status, headers, now, clocks)

    def receive_data(self, data: bytes, now: float) -> None:
        """Bytes of the body, content decoding done: an answer to `ReadData`."""
        clocks = self._expect(_READING, "receive_data")
        clocks.received(len(data), now)
        machine = self._machine
        if machine.connection.pieces:
            raise LocalProtocolError("receive_data answers no effect that is waiting")
        machine.connection.receive(machine.delivery.place.cut(data))

    def receive_eof(self, now: float) -> None:
        """The body ended, cleanly as far as the transport can tell: an answer to `ReadData`."""
        self._expect(_READING, "receive_eof")
        self._machine.connection.end()

    def connection_lost(
        self,
        error: BaseException | str,
        now: float,
        *,
        kind: ErrorKind = "transport",
        sent: bool = True,
    ) -> None:
        """No response came, or its body broke off: an answer to `OpenRequest` or `ReadData`.

        Args:
            error: What the client raised, for the message.
            now: The time.
            kind: ``timeout`` where the client's own clock ran out; ``malformed`` where it cannot
                read what came, and would not the next time.
            sent: The request may have reached the service. False where it is known that it did
                not: the connection was refused, the name not found. Without that a request that
                does something is not sent again.
        """
        machine = self._machine
        words = error if isinstance(error, str) else words_of(error)
        said = machine.connection.request.masked(words)
        if machine.phase is Phase.OPENING:
            recovery = Recovery.FATAL if kind == "malformed" else Recovery.RETRY
            failed = Error(kind, f"no response came: {said}", recovery=recovery)
            machine.judge(failed, now, sent=sent)
        else:
            self._expect(_READING, "connection_lost")
            machine.connection.end(kind, said)

    def timer_fired(self, now: float) -> None:
        """The time of `Sleep` or of a deadline has come; before its time it does nothing."""
        machine = self._machine
        clocks = machine.clocks
        if clocks is None or machine.phase in (Phase.START, Phase.ENDED):
            raise LocalProtocolError("timer_fired: no effect with a time is waiting")
        expired = clocks.expired(now)
        if expired is not None:
            machine.judge(expired, now)
        else:
            machine.wake(now)

    def restart(self, now: float) -> None:
        """Drop the connection and ask again after what was delivered, at once.

        What was received is delivered first. It counts as no attempt: a `Reconnecting` of attempt 0
        without a cause tells of it. Between connections it only ends the wait; at the end it does
        nothing. The effect that waits, if one does, is not to be answered any more.

        An answer that can be asked for only by a new request, and for which no strategy allows
        that, ends in the `Error` that says so.
        """
        self._machine.restart()

    def cancel(self) -> None:
        """The application wants no more: `CloseResponse`, if need be, and `Ended` follow."""
        self._machine.cancel()

    def checkpoint(self, now: float) -> Checkpoint:
        """Where the answer stands, after the last event that was delivered."""
        if self._fingerprint is None:
            self._fingerprint = fingerprint(self._request, self.dialect)
        machine = self._machine
        delivery, clocks = machine.delivery, machine.clocks
        place = delivery.place
        return Checkpoint(
            dialect=self.dialect.name,
            request=self._fingerprint,
            cursor=kept_cursor(place.cursor),
            places=place.evidence.kept,
            tail=place.tail.said,
            head=place.tail.head,
            id=kept_id(delivery.known.id),
            headers=kept(delivery.known.headers),
            begun=bool(delivery.taken) or machine.decision.may_be_done,
            backoff=machine.decision.backoff,
            elapsed=clocks.elapsed(now) if clocks is not None else self._elapsed,
            said=delivery.said,
            done=delivery.done,
        )

    def _expect(self, phase: Phase, what: str) -> Clocks:
        """The clocks, if this is the phase in which a reply is waited for."""
        machine = self._machine
        if machine.phase is not phase or machine.clocks is None or machine.connection.is_over:
            raise LocalProtocolError(f"{what} answers no effect that is waiting")
        return machine.clocks


def _check(name: str, value: object, kind: type) -> None:
    """Refuse at once what would fail in the middle of an answer."""
    if value is not None and not isinstance(value, kind):
        hint = ": give Checkpoint.from_json(data)" if kind is Checkpoint else ""
        raise TypeError(f"{name} must be a {kind.__name__}, not {type(value).__name__}{hint}")
