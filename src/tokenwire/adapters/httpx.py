"""httpx and httpx2, in both colours: the events of an open response, or of a whole answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Unpack

from tokenwire.adapters._extra import Extra

with Extra("httpx", "httpx2"):
    from tokenwire.adapters._httpx_response import (
        abodies,
        aclose,
        bodies,
        check_colour,
        client_of,
        failures_of,
        run_out,
    )
    from tokenwire.adapters._httpx_transport import Asked, AsyncTransport, Transport

from tokenwire import drive
from tokenwire.adapters._request import Form, Params, refuse_others
from tokenwire.answer import Answer, AsyncAnswer, Options
from tokenwire.dialects import Dialect
from tokenwire.drive import AsyncEventStream, EventStream
from tokenwire.limits import DEFAULT_LIMITS, Limits
from tokenwire.resume.kinds import kind_of
from tokenwire.stream import Errors
from tokenwire.transport import Head

if TYPE_CHECKING:
    import httpx
    import httpx2

_A_RESPONSE: Final = (
    "give the response that client.stream(...), or client.send(..., stream=True), has opened"
)
_REDIRECTS: Final = {"follow_redirects": "set it on the client", "extensions": "it has its own"}


def iter_events(
    response: httpx.Response | httpx2.Response,
    dialect: Dialect | str,
    *,
    limits: Limits = DEFAULT_LIMITS,
    errors: Errors = "raise",
) -> EventStream:
    """The events of a response. Arguments and errors are those of `tokenwire.iter_events`."""
    module = client_of(response, "Response", "response must be", _A_RESPONSE)
    check_colour(response, module, is_async=False)
    head, failures = Head(response.status_code, response.headers), failures_of(module)
    raw, chunks = bodies(response)

    def close(complete: bool) -> None:
        try:
            if complete:
                run_out(response, raw, failures)
        finally:
            response.close()

    return drive.iter_events(
        chunks,
        dialect,
        head=head,
        limits=limits,
        errors=errors,
        failures=failures,
        close=close,
    )


def aiter_events(
    response: httpx.Response | httpx2.Response,
    dialect: Dialect | str,
    *,
    limits: Limits = DEFAULT_LIMITS,
    errors: Errors = "raise",
) -> AsyncEventStream:
    """`iter_events` for a response of an ``AsyncClient``, on asyncio and on trio."""
    module = client_of(response, "Response", "response must be", _A_RESPONSE)
    check_colour(response, module, is_async=True)
    head, failures = Head(response.status_code, response.headers), failures_of(module)
    raw, chunks = abodies(response)

    async def close(complete: bool) -> None:
        await aclose(response, raw, failures, complete=complete)

    return drive.aiter_events(
        chunks,
        dialect,
        head=head,
        limits=limits,
        errors=errors,
        failures=failures,
        close=close,
    )


# --- a whole answer ---


def stream(
    client: httpx.Client | httpx2.Client,
    method: str,
    url: str,
    *,
    dialect: Dialect | str,
    params: Params | None = None,
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    content: bytes | None = None,
    data: Form | None = None,
    **options: Unpack[Options],
) -> Answer:
    """Ask, read the answer, and go on with it where a connection breaks.

    Credentials, cookies and proxies are the client's business. Redirects are followed where the
    client's ``follow_redirects`` says so, and by an event source; what is meant for the first
    origin is not sent to another. Its time-outs are not used: ``deadlines`` are. Unless a header
    says otherwise, no compression is asked for.

    Args:
        client: Whom to ask by.
        method: ``"POST"``, mostly.
        url: Where; the client may have a ``base_url``.
        dialect: A `Dialect`, or the name of one.
        params: Parameters of the URL, as the client takes them; those of the client are added.
        headers: Besides those of the client.
        json: The body, to be sent as JSON.
        content: The body as bytes, instead.
        data: The fields of a form, instead.
        options: See `Options` and `Session`.

    Raises:
        TypeError: The client is none of httpx or httpx2, or an ``AsyncClient``; or there is an
            argument that this does not take.
        ValueError: The request is not one that can be sent; or as in `Answer`, with its others.
    """
    refuse_others("stream", "client", options, _REDIRECTS)
    module = client_of(client, "Client", "client must be a Client", "an AsyncClient has astream")
    asked = Asked(client, method, url, dialect, params, headers, json, content, data)
    idle = (options.get("deadlines") or kind_of(dialect).deadlines).idle
    return Answer(Transport(client, module, asked, idle), asked.request, dialect, **options)


def astream(
    client: httpx.AsyncClient | httpx2.AsyncClient,
    method: str,
    url: str,
    *,
    dialect: Dialect | str,
    params: Params | None = None,
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    content: bytes | None = None,
    data: Form | None = None,
    **options: Unpack[Options],
) -> AsyncAnswer:
    """`stream` for an ``AsyncClient``, on asyncio and on trio; the same arguments and errors."""
    refuse_others("astream", "client", options, _REDIRECTS)
    module = client_of(
        client, "AsyncClient", "client must be an AsyncClient", "a Client has stream"
    )
    asked = Asked(client, method, url, dialect, params, headers, json, content, data)
    return AsyncAnswer(AsyncTransport(client, module, asked), asked.request, dialect, **options)
