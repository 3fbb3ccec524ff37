"""The loops over one body: chunks in, events out, once in sync and once in async colour.

The two colours are the same code; a test holds them equal by substitution. The loops that
reconnect are in `tokenwire.answer`.
"""

from __future__ import annotations

import sys
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
)
from types import TracebackType
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from tokenwire.dialects import Dialect
from tokenwire.errors import StreamError
from tokenwire.events import Error, ErrorKind, Event
from tokenwire.limits import DEFAULT_LIMITS, Limits
from tokenwire.parser import StreamParser
from tokenwire.request import is_telltale, words_of

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
        malformed: What came cannot be read, nor would it the next time: a fatal
            ``Error(kind="malformed")``; looked at second.
        unsent: Those of the others after which a request has not gone out.
    """

    lost: Exceptions = (OSError,)
    timed_out: Exceptions = (TimeoutError,)
    malformed: Exceptions = ()
    unsent: Exceptions = ()

    @property
    def all(self) -> Exceptions:
        """All three."""
        return (*self.timed_out, *self.malformed, *self.lost)

    def kind_of(self, error: Exception) -> ErrorKind:
        """The kind of `Error` that this exception, one of `all`, comes to."""
        if isinstance(error, self.timed_out):
            return "timeout"
        return "malformed" if isinstance(error, self.malformed) else "transport"

    def may_be_sent(self, error: Exception) -> bool:
        """May the request have reached the service, for all that this exception says?"""
        inner = error.args[0] if error.args else None
        reasons = (error, getattr(inner, "reason", None))  # as requests has them
        return not any(isinstance(one, self.unsent) for one in reasons)


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
    check_errors(errors)
    parser = StreamParser(dialect, limits=limits)
    if head is not None:
        parser.receive_response(head.status, head.headers)
    return parser


def _shown(cause: Exception | None) -> Exception | None:
    """A cause to raise an error from: none where its traceback would show a credential."""
    return None if cause is None or is_telltale(cause) else cause


# Work after which an async loop lets others run, if nothing that it waited for did: events, and
# pieces of so many bytes, about a millisecond of both. A peer that sends faster than it is read
# would have the loop to itself.
WORK: Final = 500
WORK_SIZE: Final = 256
MUCH: Final = 4096


async def take_turn() -> None:
    """Let the other tasks of this loop run."""
    for name, turn in (("asyncio", _turn_of_asyncio), ("trio", _turn_of_trio)):
        module = sys.modules.get(name)  # a loop that runs is imported
        if module is not None and (waits := turn(module)) is not None:
            await waits
            return


def _turn_of_asyncio(asyncio: Any) -> Awaitable[None] | None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return None
    return asyncio.sleep(0)  # type: ignore[no-any-return]


def _turn_of_trio(trio: Any) -> Awaitable[None] | None:
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return None
    return trio.lowlevel.checkpoint()  # type: ignore[no-any-return]


def check_errors(errors: Errors) -> None:
    """Refuse another word at once: by default no error may be overlooked."""
    if errors not in ("raise", "yield"):
        raise ValueError(f'errors must be "raise" or "yield", not {errors!r}')


# Functions, not methods: a generator that holds its owner would outlive a loop that was left.
def _run(
    parser: StreamParser,
    chunks: Iterator[bytes],
    errors: Errors,
    failures: Failures,
    close: Callable[[], object] | None,
) -> Generator[Event, None, None]:
    cause: Exception | None = None
    raising = errors == "raise"
    try:
        while True:
            for event in parser.events():
                if raising and type(event) is Error and event.fatal:
                    raise StreamError(event) from _shown(cause)
                yield event
            if parser.closed:
                break
            try:
                data = next(chunks)
            except StopIteration:
                parser.receive_eof()
            except failures.all as error:
                cause = error
                parser.connection_lost(words_of(error), kind=failures.kind_of(error))
            else:
                parser.receive_data(data)
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
    raising = errors == "raise"
    work = WORK  # that is left before others have their turn
    try:
        while True:
            for event in parser.events():
                if raising and type(event) is Error and event.fatal:
                    raise StreamError(event) from _shown(cause)
                yield event
                if work:
                    work -= 1
                else:
                    work = WORK
                    await take_turn()
            if parser.closed:
                break
            try:
                data = await anext(chunks)
            except StopAsyncIteration:
                parser.receive_eof()
            except failures.all as error:
                cause = error
                parser.connection_lost(words_of(error), kind=failures.kind_of(error))
            else:
                if len(data) > MUCH:  # of little the events are counted
                    work -= len(data) // WORK_SIZE
                    if work < 0:
                        work = WORK
                        await take_turn()
                parser.receive_data(data)
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
