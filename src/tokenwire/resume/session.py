"""`Session`: one answer over any number of connections. No I/O, no clock: it decides, drivers do.

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

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from enum import Enum, auto
from random import random as _random
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from tokenwire.completion import Completion
from tokenwire.cursor import Cursor
from tokenwire.dialects import Dialect, get_dialect
from tokenwire.errors import LocalProtocolError, Recovery
from tokenwire.events import (
    Done,
    Error,
    ErrorKind,
    Event,
    Opened,
    Reason,
    Reconnecting,
    Started,
    Token,
)
from tokenwire.limits import DEFAULT_LIMITS, Limits
from tokenwire.parser import Signal, StreamParser
from tokenwire.request import Known, Request, words_of
from tokenwire.response import judge_response
from tokenwire.resume.backoff import GiveUp, RetryPolicy
from tokenwire.resume.breaker import CircuitBreaker
from tokenwire.resume.checkpoint import Checkpoint, fingerprint, kept, kept_id
from tokenwire.resume.circuit import Permit, Refusal
from tokenwire.resume.cursor import differs, kept_cursor, start_of
from tokenwire.resume.deadlines import PROGRESS, Clocks, Deadlines
from tokenwire.resume.defaults import DEFAULT_RETRY, SOURCE_RETRY, default_deadlines
from tokenwire.resume.effects import (
    CloseResponse,
    Deliver,
    Effect,
    Ended,
    OpenRequest,
    ReadData,
    Sleep,
)
from tokenwire.resume.places import place_of
from tokenwire.resume.plan import BROKEN, Plan, Planner, Strategy, is_live
from tokenwire.resume.redirects import REDIRECTS, redirected
from tokenwire.resume.replay import Digest, Replay
from tokenwire.resume.tail import says_something
from tokenwire.resume.taken import Taken

if TYPE_CHECKING:
    from tokenwire.resume.continued import Continued
    from tokenwire.resume.seam import Policy


_OF_CONNECTIONS: Final = frozenset({Opened, Reconnecting})

_FEW: Final = 8  # effects that a list may hold: to take the first of it moves all others

# Never written to: idle sessions share it.
_NO_PIECES: Final[list[tuple[bytes, Cursor | None]]] = []

_NOTHING_KNOWN: Final = Known()

_RESTART: Final = "a restart that was asked for"


class _Phase(Enum):
    START = auto()
    OPENING = auto()  # `OpenRequest` waits for its answer
    REDIRECTED = auto()  # that answer was to ask elsewhere
    READING = auto()
    SLEEPING = auto()
    ENDED = auto()


_READING: Final = _Phase.READING  # a look into an Enum is slow


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

    __slots__ = (
        "_answer",
        "_backoff",
        "_breaker",
        "_broken",
        "_clocks",
        "_counted",
        "_deadlines",
        "_digest",
        "_done",
        "_drop_echoes",
        "_effects",
        "_elapsed",
        "_elsewhere",
        "_endless",
        "_error",
        "_fingerprint",
        "_given_up",
        "_hops",
        "_is_unsure",
        "_jitter",
        "_joining",
        "_known",
        "_limits",
        "_live",
        "_open",
        "_over",
        "_parser",
        "_part",
        "_permit",
        "_phase",
        "_pieces",
        "_place",
        "_plan",
        "_planner",
        "_request",
        "_restarting",
        "_retry",
        "_retry_floor",
        "_seam",
        "_sent",
        "_taken",
        "_until",
        "dialect",
    )

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
        # Behind a checkpoint less may come than the request asked for.
        asked = found.for_request if checkpoint is None else None
        self.dialect: Final = found if asked is None else asked(request)
        self._live = is_live(self.dialect)
        self._planner = Planner(request, self.dialect, strategies, repeatable=repeatable)
        self._request = request
        self._fingerprint: str | None = None  # of that, made with the first checkpoint
        self._limits = limits
        self._retry = retry or DEFAULT_RETRY
        self._endless = self._live and retry is None
        self._deadlines = deadlines or default_deadlines(self.dialect)
        self._breaker = breaker
        self._jitter = random
        self._clocks: Clocks | None = None  # begun with the first effect
        # A few at most, but for an answer that a replay held.
        self._effects: list[Effect] | deque[Effect] = []
        self._phase = _Phase.START
        self._open = False
        self._over = False  # the body ended, and what it left is still to be delivered
        self._broken: tuple[ErrorKind, str] | None = None
        self._restarting = False  # what came is still to be delivered
        # A request went out, and nobody knows yet what became of it, or ever will.
        self._is_unsure = False
        self._done: Reason | None = None  # it was delivered
        self._hops = 0  # redirects of this connection
        self._until = 0.0
        self._pieces = _NO_PIECES  # not yet read; the next one last
        self._counted: Cursor | None = None  # the place to be in when that is delivered
        self._retry_floor: int | None = None  # what a connection before this one asked for
        self._given_up = ""  # why there is no further attempt
        self._permit: Permit | None = None
        self._joining: Replay | Continued | None = None
        self._seam: Policy = seam
        self._drop_echoes = drop_echoes
        # The whole text is needed to go on from it, and for nothing else.
        self._answer = (
            deepcopy(partial or Completion())
            if "continuation" in self._planner.strategies
            else None
        )
        self._part = 0  # the block of the text that was delivered last
        self._error: Error | None = None  # how it ended
        if checkpoint is not None:
            checkpoint.check(request, self.dialect)
        self._restore(checkpoint or self._beginning(request))

    def _beginning(self, request: Request) -> Checkpoint:
        """Where an answer is that nobody asked for yet."""
        # An event source may be told where to begin, as if it had been there before.
        first = (request.header("Last-Event-ID") or None) if self._live else None
        cursor = start_of(self.dialect.resumption)
        if first is not None:
            cursor = replace(cursor, value=first)
        return Checkpoint(
            dialect=self.dialect.name, request="", cursor=cursor, begun=first is not None
        )

    def _restore(self, checkpoint: Checkpoint) -> None:
        self._taken = Taken("a checkpoint says so" if checkpoint.begun else "")
        if self._taken:
            self._place = place_of(
                self.dialect.resumption,
                checkpoint.cursor,
                checkpoint.places,
                checkpoint.tail,
                checkpoint.head,
                drop_repeated=self._drop_echoes,
            )
            self._known = Known(checkpoint.id, checkpoint.headers)
        else:
            self._place = place_of(self.dialect.resumption, drop_repeated=self._drop_echoes)
            self._known = _NOTHING_KNOWN
        self._backoff = checkpoint.backoff
        self._elapsed = checkpoint.elapsed
        self._digest = Digest(checkpoint.said)
        # Something was delivered in another process: no decoder here has seen it.
        self._elsewhere = checkpoint.begun
        self._parser = self._first_parser()
        self._plan = self._planner.anew()
        self._sent = self._plan.request
        self._done = checkpoint.done
        if checkpoint.done is not None:  # who took the `Done` may not have got to note it
            self._effects.append(Deliver(Done(checkpoint.done)))
            self._end(None)
        elif self._taken:
            plan = self._go_on_plan(None)
            if plan is None:
                self._fail(
                    Error(
                        "transport",
                        "the answer of this checkpoint cannot be gone on with: " + self._why_not(),
                        recovery=Recovery.FATAL,
                    )
                )
            else:
                self._take_up(plan)

    # --- what the driver calls ---

    def next_effect(self, now: float) -> Effect:
        """What to do next.

        Args:
            now: The time, in seconds from any beginning; it must not go back.

        Raises:
            LocalProtocolError: The effect before was not answered.
        """
        if self._clocks is None:
            self._clocks = Clocks(
                self._deadlines, now, elapsed=self._elapsed, answering=bool(self._taken)
            )
        while not self._effects:
            self._step(now, self._clocks)
        effects = self._effects
        effect = effects.popleft() if isinstance(effects, deque) else effects.pop(0)
        if type(effect) is Deliver:
            self._delivered(effect.event, self._clocks)
        return effect

    def response_started(self, status: int, headers: Mapping[str, str], now: float) -> None:
        """The response's head is there: the answer to `OpenRequest`."""
        clocks = self._expect(_Phase.OPENING, "response_started")
        self._open = True
        if self._live and status in REDIRECTS:
            self._redirect(status, headers, now)
            return
        clocks.connected(now)
        self._phase = _Phase.READING
        if 200 <= status < 300 and not self._known.headers:
            lower = {name.lower(): value for name, value in headers.items()}
            self._known = replace(self._known, headers=lower)
            resumption = self.dialect.resumption
            if resumption is not None:
                self._taken.head(resumption.naming_headers, self._sent, lower)
        self._parser.receive_response(status, headers)
        if self._live and judge_response(status, headers, self.dialect, self._limits) is None:
            self._effects.append(Deliver(Opened(self._sent.header("Last-Event-ID"))))

    def receive_data(self, data: bytes, now: float) -> None:
        """Bytes of the body, content decoding done: an answer to `ReadData`."""
        clocks = self._expect(_READING, "receive_data")
        clocks.received(len(data), now)
        if self._pieces:
            raise LocalProtocolError("receive_data answers no effect that is waiting")
        self._pieces = [*reversed(self._place.cut(data))]

    def receive_eof(self, now: float) -> None:
        """The body ended, cleanly as far as the transport can tell: an answer to `ReadData`."""
        self._expect(_Phase.READING, "receive_eof")
        self._over = True

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
        said = self._sent.masked(error if isinstance(error, str) else words_of(error))
        if self._phase is _Phase.OPENING:
            recovery = Recovery.FATAL if kind == "malformed" else Recovery.RETRY
            failed = Error(kind, f"no response came: {said}", recovery=recovery)
            self._judge(failed, now, sent=sent)
        else:
            self._expect(_Phase.READING, "connection_lost")
            self._over = True
            self._broken = kind, said

    def timer_fired(self, now: float) -> None:
        """The time of `Sleep` or of a deadline has come; before its time it does nothing."""
        clocks = self._clocks
        if clocks is None or self._phase in (_Phase.START, _Phase.ENDED):
            raise LocalProtocolError("timer_fired: no effect with a time is waiting")
        expired = clocks.expired(now)
        if expired is not None:
            self._judge(expired, now)
        elif self._phase is _Phase.SLEEPING and now >= self._until:
            self._phase = _Phase.START

    def restart(self, now: float) -> None:
        """Drop the connection and ask again behind what was delivered, at once.

        What was received is delivered first. It counts as no attempt: a `Reconnecting` of attempt 0
        without a cause tells of it. Between connections it only ends the wait; at the end it does
        nothing. The effect that waits, if one does, is not to be answered any more.

        An answer that can be asked for only by a new request, and for which no strategy allows
        that, ends in the `Error` that says so.
        """
        match self._phase:
            case _Phase.OPENING | _Phase.REDIRECTED:
                self._again(Error("transport", f"no response came: {_RESTART}"))
            case _Phase.READING:
                self._restarting = True
                if not self._over:
                    self._over = True
                    self._broken = "transport", _RESTART
                self._close()
            case _Phase.SLEEPING:
                self._phase = _Phase.START
            case _:  # nothing is open
                pass

    def cancel(self) -> None:
        """The application wants no more: `CloseResponse`, if need be, and `Ended` follow."""
        if self._phase is not _Phase.ENDED:
            self._effects = [one for one in self._effects if isinstance(one, CloseResponse)]
            self._release()
            self._close()
            self._end(None)

    def checkpoint(self, now: float) -> Checkpoint:
        """Where the answer stands, behind the last event that was delivered."""
        if self._fingerprint is None:
            self._fingerprint = fingerprint(self._request, self.dialect)
        return Checkpoint(
            dialect=self.dialect.name,
            request=self._fingerprint,
            cursor=kept_cursor(self._place.cursor),
            places=self._place.evidence.kept,
            tail=self._place.tail.said,
            head=self._place.tail.head,
            id=kept_id(self._known.id),
            headers=kept(self._known.headers),
            begun=bool(self._taken) or (not self._planner.repeatable and self._is_unsure),
            backoff=self._backoff,
            elapsed=self._clocks.elapsed(now) if self._clocks is not None else self._elapsed,
            said=tuple(self._digest.channels.items()),
            done=self._done,
        )

    @property
    def _is_asking(self) -> bool:
        """A request is out, and nobody knows what became of it."""
        return self._phase in (_Phase.OPENING, _Phase.REDIRECTED, _Phase.READING)

    # --- the machine ---

    def _expect(self, phase: _Phase, what: str) -> Clocks:
        if self._phase is not phase or self._clocks is None or self._over:
            raise LocalProtocolError(f"{what} answers no effect that is waiting")
        return self._clocks

    def _step(self, now: float, clocks: Clocks) -> None:
        """Find the next effect, or come nearer to it."""
        if self._phase is _READING:
            self._read(now, clocks)
            return
        match self._phase:
            case _Phase.START:
                self._start(now, clocks)
            case _Phase.REDIRECTED:
                self._phase = _Phase.OPENING
                self._effects.append(OpenRequest(self._sent, clocks.waiting(now)))
            case _Phase.OPENING:
                raise LocalProtocolError(
                    "OpenRequest is not answered yet: call response_started or connection_lost"
                )
            case _Phase.SLEEPING:
                total = clocks.waiting(now)
                self._effects.append(
                    Sleep(self._until if total is None else min(self._until, total))
                )
            case _:  # ended
                self._effects.append(Ended(self._error))

    def _start(self, now: float, clocks: Clocks) -> None:
        permit = self._breaker.acquire(now) if self._breaker is not None else None
        if isinstance(permit, Refusal):
            self._judge(permit.error(now), now, sent=False)
            return
        self._permit = permit
        clocks.connecting(now)
        self._phase = _Phase.OPENING
        self._is_unsure = True
        self._sent, self._hops = self._plan.request, 0
        self._effects.append(OpenRequest(self._sent, clocks.waiting(now)))

    def _redirect(self, status: int, headers: Mapping[str, str], now: float) -> None:
        """Ask where this response leads; the next connection begins at the first place again."""
        self._close()
        named = {name.lower(): value for name, value in headers.items()}
        try:
            self._sent = redirected(self._sent, status, named.get("location", ""), self._hops)
        except ValueError as reason:
            message = f"the server answered {status}: {reason}"
            self._judge(Error("http", message, status=status, recovery=Recovery.FATAL), now)
        else:
            self._hops += 1
            self._phase = _Phase.REDIRECTED

    def _read(self, now: float, clocks: Clocks) -> None:
        event = self._parser.next_event()
        if not isinstance(event, Signal):
            self._receive(event, now)
            return
        self._mark_place()  # also behind frames that say nothing
        if self._place.doubt is not None:
            self._judge(self._place.doubt, now)
        elif self._pieces:
            data, self._counted = self._pieces.pop()
            self._pieces = self._pieces or _NO_PIECES
            self._place.feed(self._counted)
            self._parser.receive_data(data)
        elif self._over:
            self._finish_reading(now)
        else:
            deadline = clocks.waiting(now)
            # None can have run out before that.
            expired = clocks.expired(now) if deadline is not None and now >= deadline else None
            if expired is None:
                self._effects.append(ReadData(deadline))
            else:  # a peer that always has some bytes ready leaves no driver the time for it
                self._judge(expired, now)

    def _finish_reading(self, now: float) -> None:
        """The body is over, and all that it brought is delivered: was the answer whole?"""
        if self._broken is None:
            self._parser.receive_eof()
        else:
            kind, reason = self._broken
            self._parser.connection_lost(reason, kind=kind)
        *rest, last = self._parser.events()
        if self._place.doubt is not None:  # found in what the end left open
            self._judge(self._place.doubt, now)
            return
        if self._restarting and isinstance(last, Error):
            self._again(last)
            return
        if isinstance(last, Error) and self._goes_on(last, now):
            return  # what a decoder says at a cut is of this connection, not of the answer
        for event in rest:
            self._receive(event, now)
        self._receive(last, now, judged=True)

    def _receive(self, event: Event, now: float, *, judged: bool = False) -> None:
        if type(event) is Error and event.fatal:
            if judged or not self._goes_on(event, now):
                self._fail(event)
            return
        if not self._taken.shown:
            self._taken.event(event)
        if type(event) is Error and event.kind == "malformed":
            if self._reads_again(event, now):
                return
            self._place.freeze()
        if type(event) is Done and self._place.awaited:
            self._judge(differs(self._place.cursor), now)
            return
        if type(event) is Started and event.id:
            self._known = replace(self._known, id=event.id)
        if self._place.begins and says_something(event):
            self._place.begin_with(event, self._parser.cursor)
        events = [event]
        if self._plan.behind and says_something(event):
            self._elsewhere = False
            new = self._place.tail.receive(event)
            if new is None:
                self._judge(differs(self._place.cursor), now)
                return
            events = new
        if self._joining is not None:
            was_through = self._joining.through
            events = [one for each in events for one in self._joining.receive(each)]
            if not was_through:
                self._place.replayed(self._parser.cursor, through=self._joining.through)
        if len(events) > _FEW:
            self._effects = deque(self._effects)
        for one in events:
            if type(one) is Error and one.fatal:  # of a seam
                self._fail(one)
                return
            self._effects.append(Deliver(one))
        if not events and self._clocks is not None:
            self._clocks.delivered(event)  # held or known: the peer brought it all the same
        if type(event) is Done:
            if self._breaker is not None and self._permit is not None:
                self._breaker.record(self._permit, event, now)
                self._permit = None
            self._close()
            self._end(None)

    def _judge(self, error: Error, now: float, *, sent: bool = True) -> None:
        """This connection failed, from outside of the stream."""
        if not self._goes_on(error, now, sent=sent):
            self._fail(error)

    def _goes_on(self, error: Error, now: float, *, sent: bool = True) -> bool:
        """Plan the next connection, if there is to be one."""
        self._tell_breaker(error, now)
        plan = self._next_plan(error, sent=sent and self._is_asking)
        if plan is None:
            return False
        if plan.method != self._plan.method and error.recovery is Recovery.FATAL:
            error = replace(error, recovery=Recovery.RETRY)  # another way is left
        # By the standard an event source that answers with no stream is not asked again.
        if self._endless and error.kind == "http":
            return False
        policy = SOURCE_RETRY if self._endless else self._retry
        decision = policy.decide(
            error,
            self._backoff,
            retry=self._reconnection_time(),
            patient=self._live,
            random=self._jitter,
        )
        if isinstance(decision, GiveUp):
            if decision.reason != "not_retryable":
                self._given_up = decision.message
            return False
        self._backoff = decision.backoff
        self._close()
        self._effects.append(
            Deliver(Reconnecting(decision.backoff.attempts, decision.delay, plan.method, error))
        )
        self._take_up(plan)
        self._phase, self._until = _Phase.SLEEPING, now + decision.delay
        return True

    def _reads_again(self, unreadable: Error, now: float) -> bool:
        """A frame may have held a piece: ask for it once more, where the API can be asked."""
        error = Error(
            "truncated",
            f"a frame could not be read, and is asked for again: {unreadable.message}",
            recovery=Recovery.RESUME,
        )
        plan = self._go_on_plan(error) if self._joining is None else None
        return plan is not None and plan.behind and self._goes_on(error, now)

    def _again(self, error: Error) -> None:
        """Connect anew because the application wants it; the error tells why that cannot be."""
        self._release()
        plan = self._next_plan(None)
        if plan is None:
            self._fail(error)
            return
        self._close()
        self._effects.append(Deliver(Reconnecting(0, 0.0, plan.method)))
        self._take_up(plan)
        self._phase = _Phase.START

    def _reconnection_time(self) -> int | None:
        """What the stream asked for last, on whatever connection, in milliseconds."""
        asked = self._parser.retry
        return self._retry_floor if asked is None else asked

    def _next_plan(self, error: Error | None, *, sent: bool = True) -> Plan | None:
        if self._taken:
            return self._go_on_plan(error)
        plan = self._planner.again(error, sent=sent)
        self._is_unsure = plan is None or plan.method == "replay"  # that the caller allowed here
        return plan

    def _go_on_plan(self, error: Error | None) -> Plan | None:
        if error is not None:
            self._planner.refused(self._plan, error)
        cursor = self._place.cursor
        blank = not self._digest.channels and self._place.is_blank
        # A decoder that saw it would say something else the second time.
        if self._place.will_repeat or (blank and cursor.value is None):
            self._elsewhere = True
        return self._planner.go_on(
            error,
            self._place.asks,
            self._known,
            self._answer,
            elsewhere=self._elsewhere,
            blank=blank,
        )

    def _take_up(self, plan: Plan) -> None:
        """Make ready for the next connection."""
        self._plan = plan
        self._over, self._broken, self._counted = False, None, None
        self._restarting = False
        self._pieces = _NO_PIECES
        self._retry_floor = self._reconnection_time()
        if plan.behind:
            self._place.reconnected(asked_for_all=self._elsewhere)
            self._parser = StreamParser(
                self.dialect,
                limits=self._limits,
                behind=None if self._elsewhere else self._parser,
                cursor=self._place.cursor.value,
                skip=self._place.was_delivered,
            )
        else:
            # Another answer: what was known of the old one would lead astray.
            self._place = self._place.anew()
            self._known = _NOTHING_KNOWN
            self._elsewhere = False
            self._parser = self._first_parser()
            self._joining = self._made_to_join(plan)
        if self._clocks is not None:
            self._clocks.disconnected()

    def _first_parser(self) -> StreamParser:
        """Of an answer that begins; its frames too are seen where they name places."""
        skip = self._place.was_delivered if self._place.admits else None
        return StreamParser(self.dialect, limits=self._limits, skip=skip)

    def _made_to_join(self, plan: Plan) -> Replay | Continued | None:
        if plan.continuation is not None:
            from tokenwire.resume.continued import Continued

            return Continued(plan.continuation, self._part, policy=self._seam)
        return Replay(self._digest) if plan.method == "replay" else None

    def _delivered(self, event: Event, clocks: Clocks) -> None:
        if type(event) in _OF_CONNECTIONS:
            return
        moved = self._mark_place()
        self._place.event_delivered(event, moved=moved, within_frame=self._parser.inside_frame)
        self._digest.add(event)
        if type(event) is Token:
            self._part = event.part
        elif type(event) is Done:
            self._done = event.reason
        if self._answer is not None:
            self._answer.add(event)
        clocks.delivered(event)
        if type(event) in PROGRESS and not self._is_told_anew:
            self._backoff = self._backoff.progressed()

    def _mark_place(self) -> bool:
        """All that the parser gave so far is delivered: is that behind another place?"""
        if self._is_holding() or self._is_delivering():
            return False
        moved = self._place.delivered(self._parser.cursor)
        if moved:
            # Progress too where nothing came with it: a service that is asked from time to time
            # names a new place each time.
            self._taken.place(self._place.cursor)
            if self._plan.method != "replay":  # in which the places were there before
                self._backoff = self._backoff.progressed()
        if self._counted is not None and not (self._parser.inside_frame or self._parser.buffered):
            moved = self._place.counted(self._counted)
            self._counted = None
        return moved

    @property
    def _is_told_anew(self) -> bool:
        """What comes took the old answer back, and is no step beyond it.

        A service that never gets to the end, and says something else each time, is not asked for
        ever.
        """
        joining = self._joining
        return self._plan.method == "replay" and isinstance(joining, Replay) and joining.diverged

    def _is_delivering(self) -> bool:
        """An event is to be delivered next, or behind the closing of the response."""
        effects = self._effects
        if not effects:
            return False
        return type(effects[0]) is Deliver or (len(effects) > 1 and type(effects[1]) is Deliver)

    def _is_holding(self) -> bool:
        """What is held to be joined was not delivered, and lies before any cursor of its answer."""
        return self._joining is not None and not self._joining.through

    def _fail(self, error: Error) -> None:
        why = self._place.why_nothing_came() or self._given_up or self._planner.why_none
        if self._planner.why_none and not self._taken:
            error = replace(error, recovery=Recovery.FATAL)  # nobody should send it again
        if self._taken and error.kind in BROKEN and error.recovery is not Recovery.FATAL:
            error = replace(error, recovery=Recovery.RESUME)  # it has begun, though nothing came
            why = why or self._why_not()
        if why:
            error = replace(error, message=f"{error.message}; {why}")
        self._close()
        self._effects.append(Deliver(error))
        self._end(error)

    def _why_not(self) -> str:
        place = self._place
        return self._planner.why_not(place.cursor, self._taken, is_ambiguous=place.is_ambiguous)

    def _close(self) -> None:
        if self._open:
            self._open = False
            self._effects.append(CloseResponse())

    def _end(self, error: Error | None) -> None:
        self._phase, self._error = _Phase.ENDED, error

    def _tell_breaker(self, error: Error, now: float) -> None:
        if self._breaker is None or self._permit is None:
            return
        if self._live and error.kind == "truncated":
            self._release()  # event sources end so; it says nothing of the service
        else:
            self._breaker.record(self._permit, error, now)
            self._permit = None

    def _release(self) -> None:
        if self._breaker is not None and self._permit is not None:
            self._breaker.release(self._permit)
        self._permit = None


def _check(name: str, value: object, kind: type) -> None:
    """Refuse at once what would fail in the middle of an answer."""
    if value is not None and not isinstance(value, kind):
        hint = ": give Checkpoint.from_json(data)" if kind is Checkpoint else ""
        raise TypeError(f"{name} must be a {kind.__name__}, not {type(value).__name__}{hint}")
