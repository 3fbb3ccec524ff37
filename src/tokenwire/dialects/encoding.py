"""What encoders of several dialects say alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tokenwire.dialects.wire import reason_for
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
    """A JSON payload as a frame."""
    return (Frame(msgspec.json.encode(value), event),)
