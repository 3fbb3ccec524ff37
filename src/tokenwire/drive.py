"""The loops over one body: chunks in, events out, once in sync and once in async colour.

The two colours are the same code; a test holds them equal by substitution. The loops that
reconnect are in `tokenwire.answer`.
"""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Generator,
    Iterable,
    Iterator,
)
from types import TracebackType
from weakref import ref

from tokenwire.completion import Completion
from tokenwire.dialects import Dialect
from tokenwire.errors import StreamError
from tokenwire.events import Error, Event
from tokenwire.limits import DEFAULT_LIMITS, Limits
from tokenwire.parser import StreamParser
from tokenwire.request import is_telltale, words_of
from tokenwire.state import State
from tokenwire.stream import (
    MUCH_WAITS,
    AsyncCloser,
    AsyncTextStream,
    Close,
    Closer,
    Errors,
    Sum,
    TextStream,
    achunks_of,
    check_errors,
    chunks_of,
)
from tokenwire.transport import NETWORK_FAILURES, Failures, Head
from tokenwire.turns import MUCH, WORK, WORK_SIZE, take_turn


def iter_events(
    chunks: Iterable[bytes] | bytes,
    dialect: Dialect | str,
    *,
    head: Head | None = None,
    limits: Limits = DEFAULT_LIMITS,
    errors: Errors = "raise",
    failures: Failures = NETWORK_FAILURES,
    close: Close | None = None,
) -> EventStream:
    """The events of a body that comes as chunks.

    Args:
        chunks: The body's bytes, content decoding done, cut anywhere; or all of them in one.
        dialect: A `Dialect`, the name of one, or ``"auto"``; see `StreamParser`.
        head: Status and headers, if there are any; they are judged first.
        limits: Bounds on what the stream may hold in memory.
        errors: ``"raise"`` turns a fatal `Error` into `StreamError`; ``"yield"`` hands it out.
        failures: Exceptions of ``chunks`` that are failures of the connection.
        close: Called when the stream ends or is left, and perhaps again. If it has an argument
            ``complete``, it is told whether the answer was: then the rest of the body may be read,
            for the sake of a connection that is used again.

    Returns:
        An iterator of events that is a context manager too. Leaving the loop early closes it.

    Raises:
        UnknownDialectError: At once, if no dialect has this name.
        TypeError: At once, if these are no chunks, or ``close`` is async.
        StreamError: While iterating, with ``errors="raise"``.
    """
    parser = _start(dialect, head, limits, errors)
    return EventStream(chunks, parser, Sum(parser, dialect), errors, failures, close)


def aiter_events(
    chunks: AsyncIterable[bytes],
    dialect: Dialect | str,
    *,
    head: Head | None = None,
    limits: Limits = DEFAULT_LIMITS,
    errors: Errors = "raise",
    failures: Failures = NETWORK_FAILURES,
    close: Close | None = None,
) -> AsyncEventStream:
    """`iter_events` for bodies that come asynchronously; the same arguments and errors.

    Here ``close`` may be async, and need not be.

    Returns:
        An async iterator of events that is an async context manager too. Use ``async with`` where
        the loop may be left early: only then is the response closed before the next line runs.
    """
    parser = _start(dialect, head, limits, errors)
    return AsyncEventStream(chunks, parser, Sum(parser, dialect), errors, failures, close)


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


# Functions, not methods: a generator that holds its owner would outlive a loop that was left.
def _run(
    parser: StreamParser,
    chunks: Iterator[bytes],
    errors: Errors,
    failures: Failures,
    closer: Closer,
    total: Sum,
    owner: ref[EventStream],
) -> Generator[Event, None, None]:
    cause: Exception | None = None
    raising = errors == "raise"
    # Of a stream that nobody holds, as in `for event in iter_events(...)`, nobody asks the sum.
    held = owner() is not None
    waiting, waits = total.waiting, 0  # and the bytes that they came from
    try:
        while True:
            for event in parser.events():
                if held:
                    if total.is_asked:
                        total.add(event)
                    else:
                        waiting.append(event)
                if raising and type(event) is Error and event.fatal:
                    raise StreamError(event) from _shown(cause)
                yield event
            if parser.closed:
                break
            if waits > MUCH_WAITS:
                held, waits = total.fold(), 0
            try:
                data = next(chunks)
            except StopIteration:
                parser.receive_eof()
            except failures.all as error:
                cause = error
                parser.connection_lost(words_of(error), kind=failures.kind_of(error))
            else:
                parser.receive_data(data)
                if held:
                    waits += len(data)
    finally:
        try:
            closer.close(parser.state is State.DONE)
        finally:
            if isinstance(chunks, Generator):
                chunks.close()


class EventStream(TextStream):
    """An iterator of events; made by `iter_events`.

    Attributes:
        parser: The parser that it drives, for ``parser.cursor`` and the like.
    """

    def __init__(
        self,
        chunks: Iterable[bytes] | bytes,
        parser: StreamParser,
        total: Sum,
        errors: Errors,
        failures: Failures,
        close: Close | None,
    ) -> None:
        self.parser = parser
        self._total = total
        self._closer = Closer(close)
        pieces = chunks_of(chunks)
        self._events = _run(parser, pieces, errors, failures, self._closer, total, ref(self))

    @property
    def completion(self) -> Completion:
        """What the events that were handed out add up to; of an event source, only how it ended.

        It grows with the stream. Ask for it before the loop where an answer may be longer than a
        million characters: until somebody asks, no more is kept.

        Raises:
            LocalProtocolError: It has grown longer than that, and was not kept.
        """
        return self._total.completion

    @property
    def state(self) -> State:
        """Where the stream stands; see `tokenwire.state`."""
        return self.parser.state

    def __iter__(self) -> Iterator[Event]:
        return self._events

    def __next__(self) -> Event:
        return next(self._events)

    def close(self, complete: bool | None = None) -> None:
        """Leave the stream and close the response. May be called again.

        Args:
            complete: May the rest of the body be read, for the sake of a connection that is used
                again? ``None``: if the answer was complete.
        """
        self._closer.complete = complete
        self._events.close()
        # Once more: a generator that never ran has no finally to run.
        self._closer.close(self.parser.state is State.DONE)

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
    closer: AsyncCloser,
    total: Sum,
    owner: ref[AsyncEventStream],
) -> AsyncGenerator[Event, None]:
    cause: Exception | None = None
    raising = errors == "raise"
    # Of a stream that nobody holds, as in `for event in iter_events(...)`, nobody asks the sum.
    held = owner() is not None
    waiting, waits = total.waiting, 0  # and the bytes that they came from
    work = WORK  # that is left before others have their turn
    try:
        while True:
            for event in parser.events():
                if held:
                    if total.is_asked:
                        total.add(event)
                    else:
                        waiting.append(event)
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
            if waits > MUCH_WAITS:
                held, waits = total.fold(), 0
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
                if held:
                    waits += len(data)
    finally:
        try:
            await closer.aclose(parser.state is State.DONE)
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()


class AsyncEventStream(AsyncTextStream):
    """An async iterator of events; made by `aiter_events`.

    Attributes:
        parser: The parser that it drives, for ``parser.cursor`` and the like.
    """

    def __init__(
        self,
        chunks: AsyncIterable[bytes],
        parser: StreamParser,
        total: Sum,
        errors: Errors,
        failures: Failures,
        close: Close | None,
    ) -> None:
        self.parser = parser
        self._total = total
        self._closer = AsyncCloser(close)
        pieces = achunks_of(chunks)
        self._events = _arun(parser, pieces, errors, failures, self._closer, total, ref(self))

    @property
    def completion(self) -> Completion:
        """What the events that were handed out add up to; of an event source, only how it ended.

        It grows with the stream. Ask for it before the loop where an answer may be longer than a
        million characters: until somebody asks, no more is kept.

        Raises:
            LocalProtocolError: It has grown longer than that, and was not kept.
        """
        return self._total.completion

    @property
    def state(self) -> State:
        """Where the stream stands; see `tokenwire.state`."""
        return self.parser.state

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events

    async def __anext__(self) -> Event:
        return await anext(self._events)

    async def aclose(self, complete: bool | None = None) -> None:
        """Leave the stream and close the response. May be called again.

        Args:
            complete: May the rest of the body be read, for the sake of a connection that is used
                again? ``None``: if the answer was complete.
        """
        self._closer.complete = complete
        await self._events.aclose()
        # Once more: a generator that never ran has no finally to run.
        await self._closer.aclose(self.parser.state is State.DONE)

    async def __aenter__(self) -> AsyncEventStream:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
