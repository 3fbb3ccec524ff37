"""What a `Session` asks its driver to do, one thing at a time.

    effect = session.next_effect(now)

`OpenRequest`, `ReadData` and `Sleep` are answered by one call of the session; after the others the
driver just asks for the next effect. Which comes when is decided by `tokenwire.resume.machine`.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from tokenwire.events import Error, Event
from tokenwire.request import Request


class OpenRequest(Struct, frozen=True):
    """Send this request. Answer with ``response_started`` or ``connection_lost``.

    Attributes:
        request: What to send; proxies and credentials are the client's business, and so are
            redirects, but for event sources.
        deadline: When to stop waiting and call ``timer_fired``; ``None``: never.
    """

    request: Request
    deadline: float | None = None


class ReadData(Struct, frozen=True):
    """Read from the body. Answer with ``receive_data``, ``receive_eof`` or ``connection_lost``.

    Attributes:
        deadline: When to stop waiting and call ``timer_fired``; ``None``: never.
    """

    deadline: float | None = None


class CloseResponse(Struct, frozen=True):
    """Close the response that is open, whatever is left of it."""


class Sleep(Struct, frozen=True):
    """Wait until this time, then call ``timer_fired``.

    Attributes:
        until: In the time of ``now``.
    """

    until: float


class Deliver(Struct, frozen=True):
    """Hand this event to the application.

    Attributes:
        event: The event. It counts as delivered: a checkpoint taken from now on is after it.
    """

    event: Event


class Ended(Struct, frozen=True):
    """Nothing follows. The response is closed.

    Attributes:
        error: What it failed with, which was delivered before; ``None``: `Done` was.
    """

    error: Error | None = None


Effect: TypeAlias = OpenRequest | ReadData | CloseResponse | Sleep | Deliver | Ended
