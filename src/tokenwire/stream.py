"""What both kinds of stream have: the loop over one response, and an answer over several.

Here stands all that does not wait: what the events add up to, their text alone, how the response
is closed, and what is said about the mistakes that are made first.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Final, Literal, TypeAlias

from tokenwire.completion import Choice, Completion
from tokenwire.dialects import Dialect
from tokenwire.errors import LocalProtocolError, Recovery, StreamError
from tokenwire.events import Done, Error, Event, Reset, Token
from tokenwire.parser import StreamParser

Errors: TypeAlias = Literal["raise", "yield"]
Close: TypeAlias = Callable[..., object]
"""Closes a response: ``close()``, or ``close(complete)`` where it has an argument of that name."""

MUCH_WAITS: Final = 256 * 1024  # bytes of a body whose events may wait to be added up
MOST: Final = 2**20  # characters of an answer that are kept although nobody has asked for them


def check_errors(errors: Errors) -> None:
    """Refuse another word at once: by default no error may be overlooked."""
    if errors not in ("raise", "yield"):
        raise ValueError(f'errors must be "raise" or "yield", not {errors!r}')


class Sum:
    """What the events of one response add up to.

    A loop is to pay little for what few ask for: until somebody does, it lets the last events wait
    in a list, and of an answer that grows very long nothing is kept.

    Args:
        parser: Where the events come from.
        dialect: As the caller named it.

    Attributes:
        waiting: Events that were handed out and are not added up; none while `is_asked`.
        is_asked: Somebody has the completion: each event is to be added at once.
    """

    def __init__(self, parser: StreamParser, dialect: Dialect | str) -> None:
        self.waiting: list[Event] = []
        self.is_asked = False
        self._parser = parser
        self._completion = Completion(dialect)
        self._kept = 0
        self._is_lost = False

    @property
    def completion(self) -> Completion:
        """All of them; from now on each is to be added at once.

        Raises:
            LocalProtocolError: Too much came before it was asked for.
        """
        if self._is_lost:
            raise LocalProtocolError(
                f"the answer has grown past {MOST} characters, and nobody had asked for its"
                " completion, so that it was not kept: ask for it before the loop"
            )
        self.is_asked = True
        self._add_up(self.waiting)
        self.waiting.clear()
        return self._completion

    def add(self, event: Event) -> None:
        """Take the next event, where the completion was asked for."""
        self._add_up((event,))

    def fold(self) -> bool:
        """Add up what waits, or drop all, if that is too much; is more to be kept?"""
        if not self.is_asked:
            self._kept += sum([len(one.text) for one in self.waiting if type(one) is Token])
            self._kept += sum([_size_of(one) for one in self.waiting if type(one) is not Token])
            if self._kept > MOST:
                self._is_lost = True
                self._completion = Completion()
            else:
                self._add_up(self.waiting)
            self.waiting.clear()
        return not self._is_lost

    def _add_up(self, events: Iterable[Event]) -> None:
        if self._completion.dialect == "auto" and self._parser.detected:
            self._completion.dialect = self._parser.dialect
        if self._parser.dialect.is_live:  # its events add up to nothing, and would fill memory
            events = filter(is_end, events)
        self._completion.update(events)


def _size_of(event: Event) -> int:
    return 0 if event.frame is None else event.frame.size


def is_end(event: Event) -> bool:
    """Is it about the end of a stream?"""
    kind = type(event)
    return kind is Done or kind is Error


# --- the text alone ---


class _TextOfChoice:
    """What each event adds to the text of one choice: the one that speaks first, unless named."""

    def __init__(self, index: int | None) -> None:
        self._index = index
        self._choice = Choice()

    def take(self, event: Event) -> str:
        """What to show for this event after what was shown before.

        Raises:
            StreamError: It is a fatal `Error`; or text is taken back, which cannot be shown so.
        """
        if isinstance(event, Error) and event.fatal:
            raise StreamError(event)
        if not isinstance(event, Token | Reset):
            return ""
        if self._index is None:
            self._index = event.index
        if event.index != self._index:
            return ""
        if isinstance(event, Token):
            self._choice.add(event)
            return event.text
        before = self._choice.text
        self._choice.add(event)
        after = self._choice.text
        if after.startswith(before):
            return after[len(before) :]
        raise StreamError(
            Error(
                "malformed",
                "the service took back text that was handed out already, which a text_stream cannot"
                " tell: loop over the events, and show the text of a Reset in its place",
                recovery=Recovery.RETRY,
                frame=event.frame,
            )
        )


class TextStream:
    """An iterator of events that gives their text alone, too."""

    def __iter__(self) -> Iterator[Event]:
        raise NotImplementedError

    def text_stream(self, index: int | None = None) -> Iterator[str]:
        """The text alone, piece by piece: all that is shown to people, and nothing else.

        A cut answer raises here too, with ``errors="yield"`` as well: it must not look whole.

        Args:
            index: The choice whose text it is; ``None``: the one that speaks first.

        Raises:
            StreamError: The stream failed; or the service took back what was handed out (`Reset`).
        """
        text = _TextOfChoice(index)
        for event in self:
            if piece := text.take(event):
                yield piece


class AsyncTextStream:
    """An async iterator of events that gives their text alone, too."""

    def __aiter__(self) -> AsyncIterator[Event]:
        raise NotImplementedError

    async def text_stream(self, index: int | None = None) -> AsyncIterator[str]:
        """The text alone, piece by piece: all that is shown to people, and nothing else.

        A cut answer raises here too, with ``errors="yield"`` as well: it must not look whole.

        Args:
            index: The choice whose text it is; ``None``: the one that speaks first.

        Raises:
            StreamError: The stream failed; or the service took back what was handed out (`Reset`).
        """
        text = _TextOfChoice(index)
        async for event in self:
            if piece := text.take(event):
                yield piece


# --- closing ---

_IS_ASYNC: Final = 0x80  # in the flags of a function's code: it gives a coroutine


class Closer:
    """Closes a response, and says to whom wants to know it whether the answer was complete.

    Args:
        close: What to call; ``None``: there is nothing to close.

    Attributes:
        complete: What to say, whatever came; ``None``: what did.

    Raises:
        TypeError: It is async.
    """

    def __init__(self, close: Close | None) -> None:
        self.complete: bool | None = None
        self._close = close
        self._is_told = close is not None and _is_told(close)
        self._check(close)

    def _check(self, close: Close | None) -> None:
        if getattr(getattr(close, "__code__", None), "co_flags", 0) & _IS_ASYNC:
            raise TypeError(_ASYNC_CLOSE)

    def _closed(self, complete: bool) -> Any:
        if self._close is None:
            return None
        said = complete if self.complete is None else self.complete
        return self._close(complete=said) if self._is_told else self._close()

    def close(self, complete: bool) -> None:
        """Close it; the answer was complete, or it was not."""
        waits = self._closed(complete)
        if hasattr(waits, "__await__"):
            getattr(waits, "close", bool)()  # a coroutine that nobody awaits complains
            raise TypeError(_ASYNC_CLOSE)


class AsyncCloser(Closer):
    """The same for a response of the other colour, whose ``close`` may be of either."""

    def _check(self, close: Close | None) -> None:
        pass

    async def aclose(self, complete: bool) -> None:
        """Close it; the answer was complete, or it was not."""
        waits = self._closed(complete)
        if hasattr(waits, "__await__"):
            await waits


_ASYNC_CLOSE: Final = (
    "the close of iter_events must not be async, for nobody would await it: take aiter_events, or a"
    " plain function"
)


def _is_told(close: Close) -> bool:
    from inspect import signature  # imported late: it takes long, and who has no close needs none

    try:
        return "complete" in signature(close).parameters
    except (TypeError, ValueError):  # of some builtins nobody knows
        return False


# --- the first mistakes ---

_WHOLE: Final = (bytes, bytearray, memoryview)
_ADAPTERS: Final = frozenset({"httpx", "httpx2", "aiohttp", "requests"})


def chunks_of(chunks: Any) -> Iterator[bytes]:
    """The chunks of a body; bytes are one.

    Raises:
        TypeError: It is something else, and what to give instead.
    """
    if type(chunks) in _WHOLE:
        return iter((memoryview(chunks).tobytes(),))
    if not isinstance(chunks, str):
        try:
            return iter(chunks)
        except TypeError:
            pass
    raise TypeError(_no_chunks("iter_events", "an iterable of bytes", chunks))


def achunks_of(chunks: Any) -> AsyncIterator[bytes]:
    """The chunks of a body that comes asynchronously.

    Raises:
        TypeError: It is something else, and what to give instead.
    """
    if hasattr(chunks, "__aiter__"):
        return aiter(chunks)
    raise TypeError(_no_chunks("aiter_events", "an async iterable of bytes", chunks))


def _no_chunks(function: str, wanted: str, given: object) -> str:
    kind = type(given)
    client = kind.__module__.partition(".")[0]
    if isinstance(given, str):
        hint = "encode the text, or read the body's bytes and not its text or lines"
    elif client in _ADAPTERS:
        adapter = "httpx" if client == "httpx2" else client
        hint = f"what {client} gives is read by tokenwire.adapters.{adapter}.{function}"
    elif hasattr(given, "__aiter__"):
        hint = "what comes asynchronously is read by aiter_events"
    elif hasattr(given, "__iter__"):
        hint = "what comes synchronously, or is there already, is read by iter_events"
    elif hasattr(given, "__await__"):
        hint = "await it first"
    else:
        hint = "give the chunks of the response's body"
    return f"the chunks of {function} must be {wanted}, not {kind.__name__}: {hint}"
