"""What encoders of several dialects say alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tokenwire.dialects.kit.payloads import reason_for
from tokenwire.errors import LocalProtocolError
from tokenwire.events import Event, Finished, Heartbeat, Reason
from tokenwire.frame import Frame


def cannot_say(dialect: str, event: Event) -> LocalProtocolError:
    """The error for an event that the wire has no words for."""
    return LocalProtocolError(f"{dialect} has no way to say {event!r}")


def heartbeat(event: Heartbeat) -> Sequence[Frame]:
    """A heartbeat as an SSE comment."""
    return (Frame(comment=event.text.encode()),)


def word_for(event: Finished, words: Mapping[str, Reason]) -> str:
    """A finish in the vendor's word: the event's own where it means the same, else the first."""
    if event.raw_reason and reason_for(event.raw_reason, words) == event.reason:
        return event.raw_reason
    return next((word for word, means in words.items() if means == event.reason), event.reason)


def json_frame(value: Any, event: str = "") -> tuple[Frame]:
    """A JSON payload as a frame; half surrogates, which services send, are written as escapes."""
    try:
        data = msgspec.json.encode(value)
    except UnicodeEncodeError:
        data = json.dumps(msgspec.to_builtins(value), separators=(",", ":")).encode()
    return (Frame(data, event),)


def text_frame(dialect: str, event: Event, text: str, name: str = "") -> tuple[Frame]:
    """A payload of an event stream that is plain text.

    Raises:
        LocalProtocolError: It holds a CR, which a reader gives back as LF, or half a surrogate.
    """
    if "\r" in text:
        raise LocalProtocolError(
            f"{dialect} cannot say the CR in {event!r:.200}: in an event stream it ends a line, and"
            " comes back as LF"
        )
    try:
        return (Frame(text.encode(), name),)
    except UnicodeEncodeError:
        raise cannot_say(dialect, event) from None
