"""tokenwire: bytes off any HTTP stack in, typed token events out; nothing lost, nothing doubled.

Start with `StreamParser`, or with an adapter: ``tokenwire.adapters.httpx``, ``.aiohttp`` and
``.requests`` read an open response of that client.
"""

from tokenwire.answer import Answer, AsyncAnswer
from tokenwire.completion import Choice, CompletedCall, Completion
from tokenwire.cursor import Cursor
from tokenwire.dialects import (
    Dialect,
    Resumption,
    available_dialects,
    available_profiles,
    get_dialect,
)
from tokenwire.dialects.jsonl import json_lines
from tokenwire.drive import (
    AsyncEventStream,
    EventStream,
    Failures,
    Head,
    aiter_events,
    iter_events,
)
from tokenwire.encoder import StreamEncoder
from tokenwire.errors import (
    FramingError,
    LocalProtocolError,
    Recovery,
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
    Reasoning,
    Reconnecting,
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
from tokenwire.request import Request
from tokenwire.resume.backoff import RetryPolicy
from tokenwire.resume.breaker import CircuitBreaker
from tokenwire.resume.checkpoint import Checkpoint
from tokenwire.resume.deadlines import Deadlines
from tokenwire.state import State

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
