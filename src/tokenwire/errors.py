"""What tokenwire raises.

A parser never raises for what the peer did: that is an `Error` event. It raises for misuse
(`LocalProtocolError`); adapters raise `StreamError` around a fatal event by default.
"""

from __future__ import annotations

from tokenwire.events import Error
from tokenwire.events import Recovery as Recovery  # noqa: PLC0414  it stood here before


class TokenwireError(Exception):
    """Base of everything that tokenwire raises."""


class LocalProtocolError(TokenwireError):
    """The caller broke the rules: data after EOF, an undrained queue, an event out of order."""


class UnknownDialectError(TokenwireError, LookupError):
    """No dialect has this name, neither built in nor installed."""


class FramingError(TokenwireError):
    """Raised by a framer when the bytes cannot be framed on; a parser turns it into an `Error`.

    Frames found before the violation stay in ``framer.frames`` and are delivered first.
    """

    def __init__(self, kind: str, message: str) -> None:
        """Name the kind of `Error` (``"limit"`` or ``"malformed"``) and say what, where and why."""
        super().__init__(message)
        self.kind = kind


class StreamError(TokenwireError):
    """A stream ended in a fatal `Error` event; raised by adapters with ``errors="raise"``.

    Attributes:
        event: The event, with ``kind``, ``recovery``, ``retry_after`` and the rest.
    """

    def __init__(self, event: Error) -> None:
        """Wrap the fatal event."""
        super().__init__(str(event))
        self.event = event
