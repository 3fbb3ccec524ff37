"""httpx and httpx2: the events of an open response, in both colours."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import anyio  # both clients stand on it

from tokenwire import drive
from tokenwire.dialects import Dialect
from tokenwire.drive import AsyncEventStream, Errors, EventStream, Failures, Head
from tokenwire.limits import DEFAULT_LIMITS, Limits
from tokenwire.state import State

if TYPE_CHECKING:
    import httpx
    import httpx2

# Seconds to wait for the body's end behind a complete answer, without which a connection is not
# reused. It mostly comes in the same packet, but it need not come.
_GRACE: Final = 0.1


def iter_events(
    response: httpx.Response | httpx2.Response,
    dialect: Dialect | str,
    *,
    limits: Limits = DEFAULT_LIMITS,
    errors: Errors = "raise",
) -> EventStream:
    """The events of a response. Arguments and errors are those of `tokenwire.iter_events`."""
    head, failures = Head(response.status_code, response.headers), _failures(response)
    chunks, close = response.iter_bytes(), response.close
    return drive.iter_events(
        chunks, dialect, head=head, limits=limits, errors=errors, failures=failures, close=close
    )


def aiter_events(
    response: httpx.Response | httpx2.Response,
    dialect: Dialect | str,
    *,
    limits: Limits = DEFAULT_LIMITS,
    errors: Errors = "raise",
) -> AsyncEventStream:
    """`iter_events` for a response of an ``AsyncClient``, on asyncio and on trio."""
    head, failures = Head(response.status_code, response.headers), _failures(response)
    chunks = response.aiter_bytes()

    async def run_out() -> None:
        with suppress(*failures.timed_out, *failures.lost):
            async for _ in chunks:
                pass

    async def close() -> None:
        try:
            if parser.state is State.DONE:
                with anyio.move_on_after(_GRACE):
                    await run_out()
        finally:
            await response.aclose()
            if response.is_stream_consumed:  # the reading has begun
                await run_out()  # for trio: generators dropped half-way are leaks

    stream = drive.aiter_events(
        chunks, dialect, head=head, limits=limits, errors=errors, failures=failures, close=close
    )
    parser = stream.parser  # `close` must not hold the stream: that would keep it alive
    return stream


def _failures(response: object) -> Failures:
    for name in ("httpx", "httpx2"):  # whose response it is, that one is imported already
        client = sys.modules.get(name)
        if client is not None and isinstance(response, client.Response):
            return Failures((client.RequestError, OSError), (client.TimeoutException,))
    raise TypeError(f"response must be of httpx or httpx2, not {type(response).__name__}")
