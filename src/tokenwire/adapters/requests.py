"""requests: the events of an open response."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from tokenwire import drive
from tokenwire.dialects import Dialect
from tokenwire.drive import Errors, EventStream, Failures, Head
from tokenwire.limits import DEFAULT_LIMITS, Limits
from tokenwire.state import State

# What urllib3 raises reaches us as it is: requests translates it in `iter_content` only.
_FAILURES: Final = Failures((HTTPError, OSError), (ReadTimeoutError,))
_SIZE: Final = 64 * 1024  # bytes asked for at most; what is there is given at once
_GRACE: Final = 0.1  # seconds to wait for the body's end behind a complete answer; see httpx.py


def iter_events(
    response: requests.Response,
    dialect: Dialect | str,
    *,
    limits: Limits = DEFAULT_LIMITS,
    errors: Errors = "raise",
) -> EventStream:
    """The events of a response that was asked for with ``stream=True``.

    Arguments and errors are those of `tokenwire.iter_events`.
    """
    head, chunks = Head(response.status_code, response.headers), _chunks(response)

    def close() -> None:
        try:
            if parser.state is State.DONE:  # a connection is reused if the body's end was seen
                _read_end(response)
        finally:
            response.close()

    stream = drive.iter_events(
        chunks, dialect, head=head, limits=limits, errors=errors, failures=_FAILURES, close=close
    )
    parser = stream.parser  # `close` must not hold the stream: that would keep it alive
    return stream


def _chunks(response: requests.Response) -> Iterator[bytes]:
    if response.raw.closed:  # without stream=True the body was read before
        yield response.content
    # `iter_content` keeps a body without a length back until it ends. `read1` reads on where a
    # decoder has nothing to say yet: an empty piece is the end.
    while chunk := response.raw.read1(_SIZE, decode_content=True):
        yield chunk


def _read_end(response: requests.Response) -> None:
    connection = response.raw.connection
    if connection is not None and connection.sock is not None:
        connection.sock.settimeout(_GRACE)  # urllib3 sets it anew for each request
        with suppress(*_FAILURES.lost):
            for _ in range(4):  # heartbeats may go on for ever
                if not response.raw.read1(_SIZE, decode_content=True):
                    break
