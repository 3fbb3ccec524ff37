"""The only loops: chunks in, events out, once in sync and once in async colour.

`iter_events` reads one body; `Answer` runs a `Session`, which reconnects. The two colours are the
same code; tests hold them equal by substitution.
"""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias, TypedDict, Unpack

from msgspec import Struct

from tokenwire.completion import Completion
from tokenwire.dialects import Dialect
from tokenwire.errors import StreamError
from tokenwire.events import Error, Event
from tokenwire.limits import DEFAULT_LIMITS, Limits
from tokenwire.parser import StreamParser
from tokenwire.request import Request
from tokenwire.resume.backoff import RetryPolicy
from tokenwire.resume.breaker import CircuitBreaker
from tokenwire.resume.checkpoint import Checkpoint
from tokenwire.resume.deadlines import Deadlines
from tokenwire.resume.effects import (
    CloseResponse,
    Deliver,
    OpenRequest,
    ReadData,
    Sleep,
)
from tokenwire.resume.session import Session, Strategy

if TYPE_CHECKING:
    from tokenwire.resume.seam import Policy

Errors: TypeAlias = Literal["raise", "yield"]
Exceptions: TypeAlias = tuple[type[Exception], ...]


class Head(Struct, frozen=True):
    """What a response said before its body.

    Attributes:
        status: The HTTP status.
        headers: The headers, names in any case.
    """

    status: int
    headers: Mapping[str, str]


class Failures(Struct, frozen=True):
    """Which exceptions of a client mean that the connection failed; others pass through.

    Attributes:
        lost: It broke: ``Error(kind="transport")``.
        timed_out: It was silent for too long: ``Error(kind="timeout")``; looked at first.
    """

    lost: Exceptions = (OSError,)
    timed_out: Exceptions = (TimeoutError,)


NETWORK_FAILURES = Failures()


def iter_events(
    chunks: Iterable[bytes],
    dialect: Dialect | str,
    *,
    head: Head | None = None,
    limits: Limits = DEFAULT_LIMITS,
    errors: Errors = "raise",
    failures: Failures = NETWORK_FAILURES,
    close: Callable[[], object] | None = None,
) -> EventStream:
    """The events of a body that comes as chunks.

    Args:
        chunks: The body's bytes, content decoding done, cut anywhere.
        dialect: A `Dialect`, or the name of one.
        head: Status and headers, if there are any; they are judged first.
        limits: Bounds on what the stream may hold in memory.
        errors: ``"raise"`` turns a fatal `Error` into `StreamError`; ``"yield"`` hands it out.
        failures: Exceptions of ``chunks`` that are failures of the connection.
        close: Called when the stream ends or is left, and perhaps again.

    Returns:
        An iterator of events that is a context manager too. Leaving the loop early closes it.

    Raises:
        UnknownDialectError: At once, if no dialect has this name.
        StreamError: While iterating, with ``errors="raise"``.
    """
    return EventStream(chunks, _start(dialect, head, limits, errors), errors, failures, close)


def aiter_events(
    chunks: AsyncIterable[bytes],
    dialect: Dialect | str,
    *,
    head: Head | None = None,
    limits: Limits = DEFAULT_LIMITS,
    errors: Errors = "raise",
    failures: Failures = NETWORK_FAILURES,
    close: Callable[[], Awaitable[object]] | None = None,
) -> AsyncEventStream:
    """`iter_events` for bodies that come asynchronously; the same arguments and errors.

    Returns:
        An async iterator of events that is an async context manager too. Use ``async with`` where
        the loop may be left early: only then is the response closed before the next line runs.
    """
    return AsyncEventStream(chunks, _start(dialect, head, limits, errors), errors, failures, close)


def _start(
    dialect: Dialect | str, head: Head | None, limits: Limits, errors: Errors
) -> StreamParser:
    _check(errors)
    parser = StreamParser(dialect, limits=limits)
    if head is not None:
        parser.receive_response(head.status, head.headers)
    return parser


def _check(errors: Errors) -> None:
    if errors not in ("raise", "yield"):
        raise ValueError(f'errors must be "raise" or "yield", not {errors!r}')


def _told(event: Event, errors: Errors) -> Event:
    if errors == "raise" and isinstance(event, Error) and event.fatal:
        raise StreamError(event)
    return event


# Seconds by which a client's timer is later than the deadline: clocks are not exact, and what
# rings before its time has to be set again.
_LATER: Final = 0.001


class SessionOptions(TypedDict, total=False):
    """Arguments that go to `Session` as they are; it says what they mean."""

    limits: Limits
    retry: RetryPolicy
    deadlines: Deadlines
    breaker: CircuitBreaker | None
    strategies: Sequence[Strategy] | None
    checkpoint: Checkpoint | None
    partial: Completion | None
    seam: Policy


class Options(SessionOptions, total=False):
    """What ``stream`` of an adapter takes besides the request: those of `Session`, and ``errors``.

    ``errors="raise"`` turns a fatal `Error` into `StreamError` behind all that came; ``"yield"``
    hands it out as the last event.
    """

    errors: Errors


class Transport(Protocol):
    """A client, as an `Answer` needs it: one response at a time.

    Attributes:
        failures: What its methods raise where a connection failed; ``timed_out`` where the time
            that they were given is over.
    """

    @property
    def failures(self) -> Failures: ...

    def open(self, request: Request, timeout: float | None) -> Head:
        """Send this, and wait for the head of the response for so many seconds at most."""
        ...

    def read(self, timeout: float | None) -> bytes | None:
        """The next piece of the body, content decoding done; ``None``: it ended."""
        ...

    def close(self, complete: bool) -> None:
        """Close the response, if one is open. Behind a complete answer its end may be read."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def wake(self) -> None:
        """End what waits, now and from now on, as well as the client can. It may fail by that."""
        ...

    def now(self) -> float:
        """The time, in seconds from any beginning; it does not go back."""
        ...


class Answer:
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
        completion: What the events that were handed out add up to.
    """

    def __init__(
        self,
        transport: Transport,
        request: Request,
        dialect: Dialect | str,
        *,
        errors: Errors = "raise",
        **options: Unpack[SessionOptions],
    ) -> None:
        _check(errors)
        self.completion = Completion()
        self._session = Session(request, dialect, **options)
        self._transport = transport
        self._errors: Errors = errors
        self._cause: Exception | None = None  # what the client raised last
        self._cancelled = False

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        session, transport = self._session, self._transport
        while True:
            if self._cancelled:
                session.cancel()
            match session.next_effect(transport.now()):
                case Deliver(event=event):
                    self.completion.add(event)
                    return self._told(event)
                case ReadData(deadline=deadline):
                    self._read(deadline)
                case OpenRequest(request=request, deadline=deadline):
                    self._open(request, deadline)
                case Sleep(until=until):
                    transport.sleep(max(0.0, until - transport.now()))
                    session.timer_fired(transport.now())
                case CloseResponse():
                    transport.close(self._is_complete)
                case _:  # Ended
                    raise StopIteration

    def checkpoint(self) -> Checkpoint:
        """Where the answer stands, behind the last event that was handed out.

        Another answer for the same request goes on from it, in this process or another.
        """
        return self._session.checkpoint(self._transport.now())

    def cancel(self) -> None:
        """Want no more: the loop ends, without an error. What waits is woken. May be called again.

        It may be called from another thread, and at any time.
        """
        self._cancelled = True  # before the waking: who sleeps on looks for it afterwards
        self._transport.wake()

    def close(self) -> None:
        """Leave the answer and close the response. May be called again."""
        self._session.cancel()
        self._transport.close(self._is_complete)

    def __enter__(self) -> Answer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def _is_complete(self) -> bool:
        return self.completion.done is not None

    def _told(self, event: Event) -> Event:
        try:
            return _told(event, self._errors)
        except StreamError as error:
            raise error from self._cause

    def _open(self, request: Request, deadline: float | None) -> None:
        transport = self._transport
        failures = transport.failures
        try:
            head = transport.open(request, self._left(deadline))
        except (*failures.timed_out, *failures.lost) as error:
            self._failed(error, deadline)
        else:
            self._cause = None
            self._session.response_started(head.status, head.headers, transport.now())

    def _read(self, deadline: float | None) -> None:
        transport = self._transport
        failures = transport.failures
        try:
            data = transport.read(self._left(deadline))
        except (*failures.timed_out, *failures.lost) as error:
            self._failed(error, deadline)
        else:
            if data is None:
                self._session.receive_eof(transport.now())
            else:
                self._session.receive_data(data, transport.now())

    def _left(self, deadline: float | None) -> float | None:
        if deadline is None:
            return None
        return max(0.0, deadline - self._transport.now()) + _LATER

    def _failed(self, error: Exception, deadline: float | None) -> None:
        if self._cancelled:  # that is why; the service is not to blame
            return
        self._cause = error
        now, is_timeout = (
            self._transport.now(),
            isinstance(error, self._transport.failures.timed_out),
        )
        if is_timeout and deadline is not None and now >= deadline:
            self._session.timer_fired(now)
        else:
            self._session.connection_lost(error, now, kind="timeout" if is_timeout else "transport")


class AsyncTransport(Protocol):
    """A client, as an `AsyncAnswer` needs it: one response at a time.

    Attributes:
        failures: What its methods raise where a connection failed; ``timed_out`` where the time
            that they were given is over.
    """

    @property
    def failures(self) -> Failures: ...

    async def open(self, request: Request, timeout: float | None) -> Head:
        """Send this, and wait for the head of the response for so many seconds at most."""
        ...

    async def read(self, timeout: float | None) -> bytes | None:
        """The next piece of the body, content decoding done; ``None``: it ended."""
        ...

    async def close(self, complete: bool) -> None:
        """Close the response, if one is open. Behind a complete answer its end may be read."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def wake(self) -> None:
        """End what waits, now and from now on, as well as the client can. It may fail by that."""
        ...

    def now(self) -> float:
        """The time, in seconds from any beginning; it does not go back."""
        ...


class AsyncAnswer:
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
        completion: What the events that were handed out add up to.
    """

    def __init__(
        self,
        transport: AsyncTransport,
        request: Request,
        dialect: Dialect | str,
        *,
        errors: Errors = "raise",
        **options: Unpack[SessionOptions],
    ) -> None:
        _check(errors)
        self.completion = Completion()
        self._session = Session(request, dialect, **options)
        self._transport = transport
        self._errors: Errors = errors
        self._cause: Exception | None = None  # what the client raised last
        self._cancelled = False

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        session, transport = self._session, self._transport
        while True:
            if self._cancelled:
                session.cancel()
            match session.next_effect(transport.now()):
                case Deliver(event=event):
                    self.completion.add(event)
                    return self._told(event)
                case ReadData(deadline=deadline):
                    await self._read(deadline)
                case OpenRequest(request=request, deadline=deadline):
                    await self._open(request, deadline)
                case Sleep(until=until):
                    await transport.sleep(max(0.0, until - transport.now()))
                    session.timer_fired(transport.now())
                case CloseResponse():
                    await transport.close(self._is_complete)
                case _:  # Ended
                    raise StopAsyncIteration

    def checkpoint(self) -> Checkpoint:
        """Where the answer stands, behind the last event that was handed out.

        Another answer for the same request goes on from it, in this process or another.
        """
        return self._session.checkpoint(self._transport.now())

    def cancel(self) -> None:
        """Want no more: the loop ends, without an error. What waits is woken. May be called again.

        It may be called from another task of the same event loop, and at any time.
        """
        self._cancelled = True  # before the waking: who sleeps on looks for it afterwards
        self._transport.wake()

    async def aclose(self) -> None:
        """Leave the answer and close the response. May be called again."""
        self._session.cancel()
        await self._transport.close(self._is_complete)

    async def __aenter__(self) -> AsyncAnswer:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    @property
    def _is_complete(self) -> bool:
        return self.completion.done is not None

    def _told(self, event: Event) -> Event:
        try:
            return _told(event, self._errors)
        except StreamError as error:
            raise error from self._cause

    async def _open(self, request: Request, deadline: float | None) -> None:
        transport = self._transport
        failures = transport.failures
        try:
            head = await transport.open(request, self._left(deadline))
        except (*failures.timed_out, *failures.lost) as error:
            self._failed(error, deadline)
        else:
            self._cause = None
            self._session.response_started(head.status, head.headers, transport.now())

    async def _read(self, deadline: float | None) -> None:
        transport = self._transport
        failures = transport.failures
        try:
            data = await transport.read(self._left(deadline))
        except (*failures.timed_out, *failures.lost) as error:
            self._failed(error, deadline)
        else:
            if data is None:
                self._session.receive_eof(transport.now())
            else:
                self._session.receive_data(data, transport.now())

    def _left(self, deadline: float | None) -> float | None:
        if deadline is None:
            return None
        return max(0.0, deadline - self._transport.now()) + _LATER

    def _failed(self, error: Exception, deadline: float | None) -> None:
        if self._cancelled:  # that is why; the service is not to blame
            return
        self._cause = error
        now, is_timeout = (
            self._transport.now(),
            isinstance(error, self._transport.failures.timed_out),
        )
        if is_timeout and deadline is not None and now >= deadline:
            self._session.timer_fired(now)
        else:
            self._session.connection_lost(error, now, kind="timeout" if is_timeout else "transport")


# Functions, not methods: a generator that holds its owner would outlive a loop that was left.
def _run(
    parser: StreamParser,
    chunks: Iterator[bytes],
    errors: Errors,
    failures: Failures,
    close: Callable[[], object] | None,
) -> Generator[Event, None, None]:
    cause: Exception | None = None
    try:
        for event in parser.events():
            yield _told(event, errors)
        while not parser.closed:
            try:
                parser.receive_data(next(chunks))
            except StopIteration:
                parser.receive_eof()
            except failures.timed_out as error:
                cause = error
                parser.connection_lost(repr(error), kind="timeout")
            except failures.lost as error:
                cause = error
                parser.connection_lost(repr(error))
            for event in parser.events():
                yield _told(event, errors)
    except StreamError as error:
        raise error from cause
    finally:
        try:
            if close is not None:
                close()
        finally:
            if isinstance(chunks, Generator):
                chunks.close()


class EventStream:
    """An iterator of events; made by `iter_events`.

    Attributes:
        parser: The parser behind it, for ``parser.state`` and ``parser.cursor``.
    """

    def __init__(
        self,
        chunks: Iterable[bytes],
        parser: StreamParser,
        errors: Errors,
        failures: Failures,
        close: Callable[[], object] | None,
    ) -> None:
        self.parser = parser
        self._events = _run(parser, iter(chunks), errors, failures, close)
        self._close = close

    def __iter__(self) -> Iterator[Event]:
        return self._events

    def __next__(self) -> Event:
        return next(self._events)

    def close(self) -> None:
        """Leave the stream and close the response. May be called again."""
        self._events.close()
        if self._close is not None:  # a generator that never ran has no finally to run
            self._close()

    def __enter__(self) -> EventStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


async def _arun(
    parser: StreamParser,
    chunks: AsyncIterator[bytes],
    errors: Errors,
    failures: Failures,
    close: Callable[[], Awaitable[object]] | None,
) -> AsyncGenerator[Event, None]:
    cause: Exception | None = None
    try:
        for event in parser.events():
            yield _told(event, errors)
        while not parser.closed:
            try:
                parser.receive_data(await anext(chunks))
            except StopAsyncIteration:
                parser.receive_eof()
            except failures.timed_out as error:
                cause = error
                parser.connection_lost(repr(error), kind="timeout")
            except failures.lost as error:
                cause = error
                parser.connection_lost(repr(error))
            for event in parser.events():
                yield _told(event, errors)
    except StreamError as error:
        raise error from cause
    finally:
        try:
            if close is not None:
                await close()
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()


class AsyncEventStream:
    """An async iterator of events; made by `aiter_events`.

    Attributes:
        parser: The parser behind it, for ``parser.state`` and ``parser.cursor``.
    """

    def __init__(
        self,
        chunks: AsyncIterable[bytes],
        parser: StreamParser,
        errors: Errors,
        failures: Failures,
        close: Callable[[], Awaitable[object]] | None,
    ) -> None:
        self.parser = parser
        self._events = _arun(parser, aiter(chunks), errors, failures, close)
        self._close = close

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events

    async def __anext__(self) -> Event:
        return await anext(self._events)

    async def aclose(self) -> None:
        """Leave the stream and close the response. May be called again."""
        await self._events.aclose()
        if self._close is not None:  # a generator that never ran has no finally to run
            await self._close()

    async def __aenter__(self) -> AsyncEventStream:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
