"""What comes out of a parser and goes into an encoder.

Every event is an immutable value and carries ``frame``, the frame it came from, so nothing of the
wire is lost. Two events are equal when they say the same; where they came from does not count.

Text shown to people is in `Token` alone: printing every ``Token.text`` in order is always right,
but for a `Reset`, which takes text back.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from tokenwire.frame import Frame

Reason: TypeAlias = Literal[
    "stop",
    "length",
    "tool_calls",
    "content_filter",
    "refusal",
    "pause",
    "error",
    "cancelled",
    "other",
]
"""Why an answer ended, in one vocabulary for all vendors. An unknown word is never ``stop``."""

ErrorKind: TypeAlias = Literal[
    "vendor", "truncated", "malformed", "limit", "http", "transport", "timeout"
]


class Recovery(StrEnum):
    """What may be done after an `Error`."""

    RESUME = "resume"
    """The answer broke off: go on from the cursor where the service can, or ask anew."""
    RETRY = "retry"
    """Transient: the same request may succeed; send it again if nothing was shown yet."""
    FATAL = "fatal"
    """Sending the same request again fails again."""


class EventBase(Struct, frozen=True, gc=False, eq=False, kw_only=True):
    """What all events share. Match on the classes below; `Event` is any one of them.

    Events hold only values and frames, never each other in a circle, so the garbage collector
    does not track them (``gc=False``): building one costs a third less.

    Attributes:
        frame: The frame it came from; ``None`` for events that you made yourself.
    """

    frame: Frame | None = None

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _said_by(self))

    def __ne__(self, other: object) -> bool:
        return not self == other  # a Struct does not derive it

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, name) for name in _said_by(self))))

    def __repr__(self) -> str:
        # All but what stands at its default, and the frame.
        names = _said_by(self)
        defaults = (*((msgspec.NODEFAULT,) * len(names)), *type(self).__struct_defaults__)
        shown = [
            f"{name}={value!r}"
            for name, default in zip(names, defaults[-len(names) - 1 :], strict=False)
            if (value := getattr(self, name)) != default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


def _said_by(event: EventBase) -> tuple[str, ...]:
    """The fields that make up what an event says: all but its frame, which msgspec puts last."""
    return type(event).__struct_fields__[:-1]


class Started(EventBase, frozen=True, gc=False, eq=False):
    """The response has an identity. May come again for a second message of the same stream.

    Attributes:
        id: The vendor's id of the response.
        model: The model that answers.
    """

    id: str | None = None
    model: str | None = None


class Token(EventBase, frozen=True, gc=False, eq=False):
    """A piece of the answer; always a delta, also where the wire repeats the whole text.

    Attributes:
        text: The piece; never empty.
        index: The choice it belongs to, for requests that ask for several answers.
        part: The content block it belongs to, where the wire has blocks.
    """

    text: str
    index: int = 0
    part: int = 0


class Reasoning(EventBase, frozen=True, gc=False, eq=False):
    """A piece of thinking, or the signature that proves it. Not part of the answer's text.

    Attributes:
        text: The piece; empty where there is only a signature.
        index: The choice it belongs to.
        part: The content block it belongs to.
        signature: To be sent back as it is with the next request.
    """

    text: str
    index: int = 0
    part: int = 0
    signature: str | None = None


class Refusal(EventBase, frozen=True, gc=False, eq=False):
    """A piece of the text with which the model declines.

    Attributes:
        text: The piece.
        index: The choice it belongs to.
    """

    text: str
    index: int = 0


class ToolCall(EventBase, frozen=True, gc=False, eq=False):
    """A delta of a tool call: join the ``arguments`` of one ``key``, run it only once ``complete``.

    Attributes:
        key: Tells the calls of one stream apart; made by tokenwire, for vendors' ids and indices
            may be missing, repeated or shared.
        index: The choice it belongs to.
        id: The vendor's id, in the delta that brings it.
        name: The tool's name, in the delta that brings it.
        arguments: A piece of the arguments' JSON text.
        complete: The vendor closed this call, and its arguments are whole JSON, or there are none.
            A call without it was cut: do not run it.
        provider_executed: The vendor runs this call itself (web search and the like): do not.
    """

    key: str
    index: int = 0
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    complete: bool = False
    provider_executed: bool = False


class Data(EventBase, frozen=True, gc=False, eq=False):
    """What is not text: an image, audio, a citation, a search result, a server tool's result.

    Attributes:
        kind: What it is, mostly in the vendor's word.
        value: The JSON value as the vendor sent it, or a text.
        index: The choice it belongs to.
        part: The content block it belongs to.
    """

    kind: str
    value: Any = None
    index: int = 0
    part: int = 0


class Usage(EventBase, frozen=True, gc=False, eq=False):
    """Token counts. A later one replaces what it names and adds nothing up; ``None`` says nothing.

    Attributes:
        input_tokens: Tokens of the request, with those read from and written to a cache where
            the vendor counts them in.
        output_tokens: Tokens of the answer, reasoning included where the vendor counts it in.
        total_tokens: As the vendor adds up.
        reasoning_tokens: Tokens spent on thinking.
        cache_read_tokens: Input tokens served from a cache.
        cache_write_tokens: Input tokens written to a cache.
        final: The answer was over when this was sent; before that, counts are running.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    final: bool = False


class Finished(EventBase, frozen=True, gc=False, eq=False):
    """One choice ended. Not the end of the stream: usage or an error may follow.

    Attributes:
        index: The choice.
        reason: Why, in tokenwire's words.
        raw_reason: Why, in the vendor's word.
    """

    index: int = 0
    reason: Reason = "other"
    raw_reason: str | None = None


class Reset(EventBase, frozen=True, gc=False, eq=False):
    """Earlier text is void: forget what was shown for this scope and show ``text`` instead.

    Attributes:
        index: The choice.
        part: The block; ``None`` means all of the choice.
        text: What stands there now.
    """

    index: int = 0
    part: int | None = None
    text: str = ""


class Heartbeat(EventBase, frozen=True, gc=False, eq=False):
    """The peer is alive and nothing more: a comment, a ping, an empty line.

    Attributes:
        text: The comment's text or the ping's name.
    """

    text: str = ""


class Reconnecting(EventBase, frozen=True, gc=False, eq=False):
    """A session is about to reconnect. Parsers never give this.

    Attributes:
        attempt: 1 for the first reconnect since the last progress; 0 for a restart on demand.
        delay: Seconds until the request is sent.
        method: ``retry`` (nothing of the answer came yet), or the strategy: ``last_event_id``,
            ``cursor``, ``replay`` or ``continuation``.
        cause: What ended the connection before; None: a restart on demand.
    """

    attempt: int
    delay: float
    method: str
    cause: Error | None = None


class Opened(EventBase, frozen=True, gc=False, eq=False):
    """A connection of an event source is open, as ``EventSource.onopen`` tells it.

    Only a session of the dialect ``event-stream`` gives this, each time that the server answered
    with a stream. Parsers never do.

    Attributes:
        last_event_id: The id with which it was asked to go on; ``None``: with none.
    """

    last_event_id: str | None = None


class Unknown(EventBase, frozen=True, gc=False, eq=False):
    """A frame that has no meaning in this dialect; look at `frame`."""


class Error(EventBase, frozen=True, gc=False, eq=False):
    """The peer or the wire failed. A fatal one is the stream's last event.

    Attributes:
        kind: ``vendor`` (the service said so), ``truncated`` (the body ended before the answer),
            ``malformed``, ``limit``, ``http`` (status or content type), ``transport``, ``timeout``.
        message: What happened, for people.
        code: The vendor's code or type.
        status: The HTTP status, or the one that the vendor wrote into the stream.
        recovery: What may be done about it.
        retry_after: Seconds to wait first, where the server said so.
        fatal: Nothing follows. A frame that could not be read is not fatal.
    """

    kind: ErrorKind
    message: str
    code: str | None = None
    status: int | None = None
    recovery: Recovery = Recovery.FATAL
    retry_after: float | None = None
    fatal: bool = True

    def __str__(self) -> str:
        said = [f"HTTP {self.status}"] if self.status else []
        said += [self.code] if self.code else []
        where = f" ({', '.join(said)})" if said else ""
        return f"{self.kind} error{where}: {self.message}"


class Done(EventBase, frozen=True, gc=False, eq=False):
    """The stream ended as its vendor ends it. The last event.

    Attributes:
        reason: Why the first choice ended, and so what to do now: ``tool_calls`` asks the client
            to do something, also where `Finished` found no call of a tool.
    """

    reason: Reason = "other"


Event: TypeAlias = (
    Started
    | Token
    | Reasoning
    | Refusal
    | ToolCall
    | Data
    | Usage
    | Finished
    | Reset
    | Heartbeat
    | Reconnecting
    | Opened
    | Unknown
    | Error
    | Done
)
"""Any event. A union, so that a type checker knows whether a ``match`` has a case for each:
``case _: assert_never(event)``. ``isinstance(value, Event)`` works, and ``typing.get_args(Event)``
are the classes."""
