"""What decoders do alike: frames that are no plain payload, and one choice's beginning and end.

Public, for dialects in packages of their own too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from tokenwire.dialects.kit.errors import find_error, read_error
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.payloads import (
    UNREADABLE,
    MalformedError,
    is_heartbeat,
    json_or_text,
    malformed,
    read_leniently,
)
from tokenwire.events import (
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Reason,
    Recovery,
    Started,
    Unknown,
)
from tokenwire.frame import Frame

T = TypeVar("T")


def read_frame(
    frame: Frame,
    schema: type[T],
    strict: Callable[[bytes], T],
    receive: Callable[[T, Frame], Sequence[Event]],
    extras: Extras | None = None,
) -> Sequence[Event]:
    """The events of a frame: each JSON value in it through `receive`, and what is no such value.

    An event named ``error``, and data that does not fit but reports an error in one of the shapes
    of `find_error`, is a fatal `Error`; empty data is a `Heartbeat`; what cannot be read even
    leniently a non-fatal ``Error(kind="malformed")``. A sentinel like ``[DONE]`` is the caller's.

    Args:
        frame: One with data.
        schema: The Struct that describes a payload; all fields should have defaults.
        strict: A typed decoder of it: ``msgspec.json.Decoder(schema).decode``.
        receive: Gives the events of one payload.
        extras: The stream's memory of what it told as unread: values of a type that says nothing
            to the schema, and fields that a schema with ``forbid_unknown_fields`` does not name.
    """
    data = frame.data or b""
    if frame.event == "error":
        return (read_error(json_or_text(data)).event(frame),)
    try:
        return receive(strict(data), frame)
    except UNREADABLE:
        pass
    if not data.strip():
        return (Heartbeat(frame.event, frame=frame),)
    if is_heartbeat(data):
        return (Heartbeat(frame.text.strip(), frame=frame),)
    if data.strip(b' "') == b"[DONE]":  # of gateways: whose own it is has asked for it before
        return (Unknown(frame=frame),)
    try:
        values = read_leniently(data, schema)
    except MalformedError as reason:
        error = find_error(json_or_text(data))
        return (error.event(frame) if error else malformed(frame, reason),)
    if not values:
        return (Unknown(frame=frame),)
    events: list[Event] = []
    for reading in values:
        events += receive(reading.value, frame)
        (extras or Extras()).tell(reading.unread, frame, events)
    return events


class OneChoice:
    """How an answer with one choice began and ended: `Started` once, `Finished`, `Done`.

    Args:
        words: The vendor's finish words in tokenwire's; an unknown one is ``other``.

    Attributes:
        reason: Why it finished; None while it runs.
        raw_reason: The vendor's word for it.
    """

    __slots__ = ("_started", "_words", "raw_reason", "reason")

    def __init__(self, words: Mapping[str, Reason]) -> None:
        self._words = words
        self._started = False
        self.reason: Reason | None = None
        self.raw_reason: str | None = None

    def start(self, frame: Frame, id: str | None = None, model: str | None = None) -> list[Event]:
        """`Started`, the first time that there is an id or a model to tell."""
        if self._started or not (id or model):
            return []
        self._started = True
        return [Started(id or None, model or None, frame=frame)]

    def finish(self, raw: str | None, frame: Frame, *, index: int = 0) -> list[Event]:
        """`Finished`, unless the same was said before."""
        if self.reason is not None and raw == self.raw_reason:
            return []
        self.reason = self._words.get(raw or "", "other")
        self.raw_reason = raw
        return [Finished(index, self.reason, raw, frame=frame)]

    def done(self, frame: Frame | None = None) -> list[Event]:
        """What ends the stream, where the answer finished; nothing where it did not.

        `Done`, or an `Error` where the vendor's word for the end means a failure.
        """
        if self.reason is None:
            return []
        if self.reason == "error":
            message = f"the service ended the answer with {self.raw_reason!r}"
            code, retry = self.raw_reason, Recovery.RETRY
            return [Error("vendor", message, code, recovery=retry, frame=frame)]
        return [Done(self.reason, frame=frame)]

    def done_at_sentinel(self, frame: Frame, missing: str) -> list[Event]:
        """The same at ``[DONE]``, which proves nothing: without a finish the answer was cut.

        Args:
            frame: The sentinel's.
            missing: What should have come first, for the message.
        """
        if self.reason is not None:
            return self.done(frame)
        message = f"the answer was cut off: {frame.text} came, but {missing} did not"
        recovery = Recovery.RESUME if self._started else Recovery.RETRY
        return [Error("truncated", message, recovery=recovery, frame=frame)]
