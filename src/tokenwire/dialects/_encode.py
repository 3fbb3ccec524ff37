"""What encoders of several dialects say alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tokenwire.errors import LocalProtocolError
from tokenwire.events import Event, Heartbeat
from tokenwire.frame import Frame


def cannot_say(dialect: str, event: Event) -> LocalProtocolError:
    """The error for an event that the wire has no words for."""
    return LocalProtocolError(f"{dialect} has no way to say {event!r}")


def heartbeat(event: Heartbeat) -> Sequence[Frame]:
    """A heartbeat as an SSE comment."""
    return (Frame(comment=event.text.encode()),)


def json_frame(value: Any, event: str = "") -> tuple[Frame]:
    """A JSON payload as a frame."""
    return (Frame(msgspec.json.encode(value), event),)
