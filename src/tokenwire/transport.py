"""What a client is to the loops: its failures, its responses, and what an answer asks of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

from msgspec import Struct

from tokenwire.events import ErrorKind
from tokenwire.request import Request

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


class AnyTransport(Protocol):
    """What both colours of a client have."""

    @property
    def failures(self) -> Failures: ...

    def wake(self) -> None:
        """End what waits, now and until `rearm`, as well as the client can. It may fail by that.

        Any thread may call it.
        """
        ...

    def rearm(self) -> None:
        """Waiting is allowed again. What was open is closed next, and not read any more."""
        ...

    def now(self) -> float:
        """The time, in seconds from any beginning; it does not go back."""
        ...


class Transport(AnyTransport, Protocol):
    """A client, as an `Answer` needs it: one response at a time.

    Attributes:
        failures: What its methods raise where a connection failed; ``timed_out`` where the time
            that they were given is over.
    """

    def open(self, request: Request, timeout: float | None) -> Head:
        """Send this, and wait for the head of the response for so many seconds at most."""
        ...

    def read(self, timeout: float | None) -> bytes | None:
        """The next piece of the body, content decoding done; ``None``: it ended."""
        ...

    def close(self, complete: bool) -> None:
        """Close the response, if one is open. After a complete answer its end may be read."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class AsyncTransport(AnyTransport, Protocol):
    """A client, as an `AsyncAnswer` needs it: one response at a time.

    Attributes:
        failures: What its methods raise where a connection failed; ``timed_out`` where the time
            that they were given is over.
    """

    async def open(self, request: Request, timeout: float | None) -> Head:
        """Send this, and wait for the head of the response for so many seconds at most."""
        ...

    async def read(self, timeout: float | None) -> bytes | None:
        """The next piece of the body, content decoding done; ``None``: it ended."""
        ...

    async def close(self, complete: bool) -> None:
        """Close the response, if one is open. After a complete answer its end may be read."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...
