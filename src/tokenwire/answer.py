"""The loops over a `Session`: one answer over any number of connections, in both colours.

An adapter gives a `Transport` and gets an `Answer`. The two colours are the same code; a test
holds them equal by substitution.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final, Generic, TypedDict, TypeVar, Unpack

from tokenwire.completion import Completion
from tokenwire.dialects import Dialect
from tokenwire.errors import StreamError
from tokenwire.events import Error, Event
from tokenwire.limits import Limits
from tokenwire.request import Request, is_telltale
from tokenwire.resume.backoff import RetryPolicy
from tokenwire.resume.breaker import CircuitBreaker
from tokenwire.resume.checkpoint import Checkpoint
from tokenwire.resume.deadlines import Deadlines
from tokenwire.resume.effects import CloseResponse, Deliver, OpenRequest, ReadData, Sleep
from tokenwire.resume.plan import Strategy, is_live
from tokenwire.resume.session import Session
from tokenwire.state import State, next_state
from tokenwire.stream import AsyncTextStream, Errors, TextStream, check_errors, is_end
from tokenwire.transport import AnyTransport, AsyncTransport, Head, Transport
from tokenwire.turns import WORK, WORK_SIZE, take_turn

if TYPE_CHECKING:
    from tokenwire.resume.seam import Policy

# Seconds by which a client's timer is later than the deadline: clocks are not exact, and what
# rings before its time has to be set again.
_LATER: Final = 0.001


class SessionOptions(TypedDict, total=False):
    """Arguments that go to `Session` as they are; it says what they mean."""

    limits: Limits
    retry: RetryPolicy | None
    deadlines: Deadlines | None
    breaker: CircuitBreaker | None
    strategies: Sequence[Strategy] | None
    repeatable: bool | None
    checkpoint: Checkpoint | None
    partial: Completion | None
    seam: Policy
    drop_echoes: bool


class Options(SessionOptions, total=False):
    """What ``stream`` of an adapter takes besides the request: those of `Session`, and ``errors``.

    ``errors="raise"`` turns a fatal `Error` into `StreamError` after all that came; ``"yield"``
    hands it out as the last event.
    """

    errors: Errors


_Transport = TypeVar("_Transport", bound=AnyTransport)


class _AnyAnswer(Generic[_Transport]):
    """What the two colours share: all that waits for nothing."""

    def __init__(
        self,
        transport: _Transport,
        request: Request,
        dialect: Dialect | str,
        *,
        errors: Errors = "raise",
        **options: Unpack[SessionOptions],
    ) -> None:
        check_errors(errors)
        self.completion = Completion(dialect)
        self._adds_up = not is_live(dialect)  # or it would fill memory
        self._state = State.IDLE
        self._session = Session(request, dialect, **options)
        self._transport = transport
        self._errors: Errors = errors
        self._cause: Exception | None = None  # what the client raised last
        self._lock = threading.RLock()  # a signal may come in the middle
        self._cancelled = False
        self._restarting = False
        self._is_asked = False  # for the next event, by somebody
        self._expected = transport.failures.all
        self._request = request
        self._work = WORK  # that is left before others have their turn, in a loop

    def checkpoint(self) -> Checkpoint:
        """Where the answer stands, after the last event that was handed out.

        Another answer for the same request goes on from it, in this process or another.
        """
        return self._session.checkpoint(self._transport.now())

    def cancel(self) -> None:
        """Want no more: the loop ends, without an error. What waits is woken. May be called again.

        It may be called at any time, from any thread or task.
        """
        with self._lock:  # the flag before the waking: who sleeps on looks for it afterwards
            self._cancelled = True
            self._transport.wake()

    def restart(self) -> None:
        """Drop the connection and connect again at once, after what was delivered.

        What has been received is delivered first, and then a `Reconnecting` without a cause. It may
        be called at any time, from any thread or task; between connections it only ends the wait,
        and what is asked for again before it was done is done once. An answer that is over stays
        so. One that cannot be gone on with ends in an `Error`: this is for event sources, and for
        services that resume.
        """
        with self._lock:
            self._restarting = True
            self._transport.wake()

    def _heed(self) -> None:
        """Do what `cancel` or `restart` asked for."""
        with self._lock:
            self._restarting = False
            if not self._cancelled:
                self._transport.rearm()
        if self._cancelled:
            self._session.cancel()
        else:
            self._session.restart(self._transport.now())

    def _leave(self) -> bool:
        """Ask for no more. Is it for us to close the response? Else who waits for an event does."""
        with self._lock:
            self._cancelled = True
            if self._is_asked:
                self._transport.wake()
                return False
        self._session.cancel()
        return True

    @property
    def state(self) -> State:
        """Where the answer stands, over all connections; see `tokenwire.state`."""
        return self._state

    @property
    def _is_complete(self) -> bool:
        return self.completion.done is not None

    def _told(self, event: Event) -> Event:
        self._work -= 1
        ends = is_end(event)
        if ends or self._state is State.IDLE:
            self._state = next_state(self._state, event) or self._state
        if ends or self._adds_up:
            self.completion.add(event)
        if self._errors == "raise" and isinstance(event, Error) and event.fatal:
            cause = self._cause
            raise StreamError(event) from (
                None if cause is None or is_telltale(cause, self._request) else cause
            )
        return event

    def _started(self, head: Head) -> None:
        self._cause = None
        self._session.response_started(head.status, head.headers, self._transport.now())

    def _received(self, data: bytes | None) -> None:
        if data is None:
            self._session.receive_eof(self._transport.now())
        else:
            self._work -= len(data) // WORK_SIZE
            self._session.receive_data(data, self._transport.now())

    def _failed(self, error: Exception, deadline: float | None) -> None:
        if self._cancelled or self._restarting:  # that is why; the service is not to blame
            return
        self._cause = error
        now = self._transport.now()
        kind = self._transport.failures.kind_of(error)
        if kind == "timeout" and deadline is not None and now >= deadline:
            self._session.timer_fired(now)
        else:
            sent = self._transport.failures.may_be_sent(error)
            self._session.connection_lost(error, now, kind=kind, sent=sent)

    def _left(self, deadline: float | None) -> float | None:
        if deadline is None:
            return None
        return max(0.0, deadline - self._transport.now()) + _LATER


class Answer(_AnyAnswer[Transport], TextStream):
    """One answer over any number of connections: an iterator of events, made by an adapter.

    Use it in a ``with`` statement: leaving that closes the response. The first request is
    sent with the first event that is asked for.

    Args:
        transport: The client.
        request: What asks for the answer.
        dialect: A `Dialect`, or the name of one.
        errors: As in `Options`.
        options: As in `Session`.

    Raises:
        UnknownDialectError: No dialect has this name.
        ValueError: The dialect cannot do a strategy.
        CheckpointError: The checkpoint is of another request.
        StreamError: While iterating, with ``errors="raise"``.

    Attributes:
        completion: What the events that were handed out add up to; of an event source, only how it
            ended.
    """

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        session, transport = self._session, self._transport
        self._is_asked = True
        try:
            while True:
                if self._cancelled or self._restarting:
                    self._heed()
                match session.next_effect(transport.now()):
                    case Deliver(event=event):
                        return self._told(event)
                    case ReadData(deadline=deadline):
                        try:
                            data = transport.read(self._left(deadline))
                        except self._expected as error:
                            self._failed(error, deadline)
                        else:
                            self._received(data)
                    case OpenRequest(request=request, deadline=deadline):
                        try:
                            head = transport.open(request, self._left(deadline))
                        except self._expected as error:
                            self._failed(error, deadline)
                        else:
                            self._started(head)
                    case Sleep(until=until):
                        transport.sleep(max(0.0, until - transport.now()))
                        session.timer_fired(transport.now())
                    case CloseResponse():
                        transport.close(self._is_complete)
                    case _:  # Ended
                        raise StopIteration
        finally:
            self._is_asked = False

    def close(self, complete: bool | None = None) -> None:
        """Leave the answer and close the response. May be called again.

        While another thread or task waits for an event, it is as `cancel`: that one closes.

        Args:
            complete: May the rest of the body be read, for the sake of a connection that is used
                again? ``None``: if the answer was complete.
        """
        if self._leave():
            self._transport.close(self._is_complete if complete is None else complete)

    def __enter__(self) -> Answer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncAnswer(_AnyAnswer[AsyncTransport], AsyncTextStream):
    """One answer over any number of connections: an async iterator of events, made by an adapter.

    Use it in an ``async with`` statement: leaving that closes the response. The first request is
    sent with the first event that is asked for.

    Args:
        transport: The client.
        request: What asks for the answer.
        dialect: A `Dialect`, or the name of one.
        errors: As in `Options`.
        options: As in `Session`.

    Raises:
        UnknownDialectError: No dialect has this name.
        ValueError: The dialect cannot do a strategy.
        CheckpointError: The checkpoint is of another request.
        StreamError: While iterating, with ``errors="raise"``.

    Attributes:
        completion: What the events that were handed out add up to; of an event source, only how it
            ended.
    """

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        session, transport = self._session, self._transport
        self._is_asked = True
        try:
            while True:
                if self._work < 0:
                    self._work = WORK
                    await take_turn()
                if self._cancelled or self._restarting:
                    self._heed()
                match session.next_effect(transport.now()):
                    case Deliver(event=event):
                        return self._told(event)
                    case ReadData(deadline=deadline):
                        try:
                            data = await transport.read(self._left(deadline))
                        except self._expected as error:
                            self._failed(error, deadline)
                        else:
                            self._received(data)
                    case OpenRequest(request=request, deadline=deadline):
                        try:
                            head = await transport.open(request, self._left(deadline))
                        except self._expected as error:
                            self._failed(error, deadline)
                        else:
                            self._started(head)
                    case Sleep(until=until):
                        await transport.sleep(max(0.0, until - transport.now()))
                        session.timer_fired(transport.now())
                    case CloseResponse():
                        await transport.close(self._is_complete)
                    case _:  # Ended
                        raise StopAsyncIteration
        finally:
            self._is_asked = False

    async def aclose(self, complete: bool | None = None) -> None:
        """Leave the answer and close the response. May be called again.

        While another thread or task waits for an event, it is as `cancel`: that one closes.

        Args:
            complete: May the rest of the body be read, for the sake of a connection that is used
                again? ``None``: if the answer was complete.
        """
        if self._leave():
            await self._transport.close(self._is_complete if complete is None else complete)

    async def __aenter__(self) -> AsyncAnswer:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
