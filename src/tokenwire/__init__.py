"""tokenwire: bytes off any HTTP stack in, typed token events out; nothing lost, nothing doubled.

Start with `StreamParser`, or with an adapter: ``tokenwire.adapters.httpx``, ``.aiohttp`` and
``.requests`` read an open response of that client.
"""

from typing import TYPE_CHECKING

from tokenwire.completion import Choice, CompletedCall, Completion
from tokenwire.cursor import Cursor
from tokenwire.dialects import (
    Dialect,
    Resumption,
    available_dialects,
    available_profiles,
    get_dialect,
)
from tokenwire.drive import AsyncEventStream, EventStream, aiter_events, iter_events
from tokenwire.errors import (
    FramingError,
    LocalProtocolError,
    StreamError,
    TokenwireError,
    UnknownDialectError,
)
from tokenwire.events import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Opened,
    Reasoning,
    Reconnecting,
    Recovery,
    Refusal,
    Reset,
    Started,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.frame import Frame
from tokenwire.limits import Limits
from tokenwire.parser import Signal, StreamParser
from tokenwire.state import State
from tokenwire.transport import Failures, Head

if TYPE_CHECKING:
    from tokenwire.answer import Answer, AsyncAnswer
    from tokenwire.dialects.generic.jsonl import json_lines
    from tokenwire.encoder import StreamEncoder
    from tokenwire.request import Request
    from tokenwire.resume.backoff import RetryPolicy
    from tokenwire.resume.breaker import CircuitBreaker
    from tokenwire.resume.checkpoint import Checkpoint
    from tokenwire.resume.deadlines import Deadlines

__version__ = "0.1.0"

__all__ = [  # grouped by room
    # events
    "Event",
    "Started",
    "Token",
    "Reasoning",
    "Refusal",
    "ToolCall",
    "Data",
    "Usage",
    "Finished",
    "Reset",
    "Heartbeat",
    "Reconnecting",
    "Opened",
    "Unknown",
    "Error",
    "Done",
    "Frame",
    "Cursor",
    # errors
    "Recovery",
    "TokenwireError",
    "LocalProtocolError",
    "StreamError",
    "FramingError",
    "UnknownDialectError",
    # parsing and encoding
    "StreamParser",
    "Signal",
    "State",
    "StreamEncoder",
    "Completion",
    "Choice",
    "CompletedCall",
    "Limits",
    # dialects
    "Dialect",
    "Resumption",
    "get_dialect",
    "available_dialects",
    "available_profiles",
    "json_lines",
    # going on after a break; the rest of that room is `tokenwire.resume`
    "Request",
    "RetryPolicy",
    "Deadlines",
    "CircuitBreaker",
    "Checkpoint",
    # loops
    "iter_events",
    "aiter_events",
    "EventStream",
    "AsyncEventStream",
    "Answer",
    "AsyncAnswer",
    "Head",
    "Failures",
    "__version__",
]

# Who only parses need not wait for what reconnects and encodes: it is half of the import.
_LATE = {
    "Answer": "tokenwire.answer",
    "AsyncAnswer": "tokenwire.answer",
    "Request": "tokenwire.request",
    "RetryPolicy": "tokenwire.resume.backoff",
    "CircuitBreaker": "tokenwire.resume.breaker",
    "Checkpoint": "tokenwire.resume.checkpoint",
    "Deadlines": "tokenwire.resume.deadlines",
    "StreamEncoder": "tokenwire.encoder",
    "json_lines": "tokenwire.dialects.generic.jsonl",
}


def __getattr__(name: str) -> object:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(_LATE[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATE})
