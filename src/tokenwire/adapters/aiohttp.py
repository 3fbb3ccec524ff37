"""aiohttp: the events of an open response, or of a whole answer."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from http.cookies import CookieError
from time import monotonic
from typing import Any, Final, TypeVar, Unpack

from tokenwire.adapters._extra import Extra

with Extra("aiohttp"):
    import aiohttp
    from aiohttp.http_exceptions import ContentEncodingError, HttpProcessingError
    from multidict import CIMultiDict
    from yarl import URL

from tokenwire import drive
from tokenwire.adapters._decode import AsyncPieces, UndecodableError
from tokenwire.adapters._request import Form, Params, Way, body_of, check_kind, plain, refuse_others
from tokenwire.answer import AsyncAnswer, Options
from tokenwire.dialects import Dialect
from tokenwire.drive import AsyncEventStream
from tokenwire.limits import DEFAULT_LIMITS, Limits
from tokenwire.request import Request
from tokenwire.resume.plan import is_live
from tokenwire.stream import Errors
from tokenwire.transport import Failures, Head

_Result = TypeVar("_Result")

# A RuntimeError is a read that begins when the connection is gone. The last three come of heads
# that no exception of aiohttp's own was made for.
_FAILURES: Final = Failures(
    (
        aiohttp.ClientError,
        HttpProcessingError,
        zlib.error,
        OSError,
        RuntimeError,
        CookieError,
        LookupError,
        ValueError,
    ),
    malformed=(UndecodableError,),
    unsent=(aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError),
)
_ITS_CODINGS: Final = ("br", "zstd")  # that aiohttp may know, and we do not
_A_RESPONSE: Final = (
    "response must be a ClientResponse of aiohttp",
    "async with session.post(...) as response",
)
_A_SESSION: Final = (
    "session must be a ClientSession of aiohttp",
    "async with aiohttp.ClientSession() as session",
)
_HINTS: Final = {
    "compress": "compress the content, and say so in a header",
    "read_bufsize": "set it on the session",
    "server_hostname": "set it on the session's connector",
}
_GRACE: Final = 0.1  # seconds to wait for the body's end after a complete answer; see httpx.py


def aiter_events(
    response: aiohttp.ClientResponse,
    dialect: Dialect | str,
    *,
    limits: Limits = DEFAULT_LIMITS,
    errors: Errors = "raise",
) -> AsyncEventStream:
    """The events of a response. Arguments and errors are those of `tokenwire.aiter_events`."""
    check_kind(response, aiohttp.ClientResponse, *_A_RESPONSE)
    head, chunks = Head(response.status, response.headers), _chunks(response)

    async def close(complete: bool) -> None:
        await _aclose(response, chunks, complete=complete)

    return drive.aiter_events(
        chunks, dialect, head=head, limits=limits, errors=errors, failures=_FAILURES, close=close
    )


async def _chunks(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    # Where aiohttp's compiled parser (3.10 to 3.14) cannot read the framing, it drops the body and
    # its time-outs, and the reader waits for ever. From 3.12 on, the connection's end wakes it.
    content, taken = response.content, 0

    def wake(closed: asyncio.Future[None]) -> None:
        lost = not content.is_eof() and content.exception() is None
        if lost and content.total_bytes == taken:  # what is buffered comes first
            content.set_exception(aiohttp.ClientPayloadError("the connection was closed"))

    protocol = response.connection and response.connection.protocol
    closed: asyncio.Future[None] = getattr(protocol, "closed", None) or asyncio.Future()
    closed.remove_done_callback(_retrieve)  # one is enough for all requests of a connection
    closed.add_done_callback(_retrieve)
    closed.add_done_callback(wake)
    try:
        if content.at_eof():  # the caller has read it, or there is none
            yield await response.read()
        while chunk := await content.readany():
            taken += len(chunk)
            yield chunk
    except aiohttp.ClientPayloadError as error:
        raise (None if taken else _undecodable(error)) or error from error.__cause__
    finally:
        closed.remove_done_callback(wake)


async def _aclose(
    response: aiohttp.ClientResponse, chunks: AsyncGenerator[bytes, None], *, complete: bool
) -> None:
    try:
        if complete:  # a connection is reused if the body's end was seen
            with suppress(*_FAILURES.all):
                async with asyncio.timeout(_GRACE):
                    async for _ in chunks:
                        pass
    finally:
        await chunks.aclose()
        response.release()


def _undecodable(error: aiohttp.ClientError) -> UndecodableError | None:
    """The same, if it says that aiohttp cannot decode the body."""
    cause = error.__cause__
    return UndecodableError(str(cause)) if isinstance(cause, ContentEncodingError) else None


def _retrieve(closed: asyncio.Future[None]) -> None:
    if not closed.cancelled():
        closed.exception()  # or asyncio complains that nobody did


# --- a whole answer ---


def astream(
    session: aiohttp.ClientSession,
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
    """Ask, read the answer, and go on with it where a connection breaks.

    Credentials, cookies and proxies are the session's business. Redirects are followed, at most 20;
    what is meant for the first origin is not sent to another. The session's time-outs are not used:
    ``deadlines`` are. Unless a header says otherwise, no compression is asked for.

    Args:
        session: Whom to ask by.
        method: ``"POST"``, mostly.
        url: Where; absolute, whatever ``base_url`` the session has.
        dialect: A `Dialect`, or the name of one.
        params: Parameters of the URL, as the session takes them.
        headers: Besides those of the session.
        json: The body, to be sent as JSON.
        content: The body as bytes, instead.
        data: The fields of a form, instead.
        options: See `Options` and `Session`.

    Raises:
        TypeError: There is an argument that this does not take, or no session.
        ValueError: The request is not one that can be sent; or as in `AsyncAnswer`, with its
            others.
    """
    refuse_others("astream", "session", options, _HINTS)
    check_kind(session, aiohttp.ClientSession, *_A_SESSION)
    body, kind = body_of(json, content, data)
    if json is not None:
        body, kind = session.json_serialize(json).encode(), "application/json"
    said = CIMultiDict(session.headers)
    said.update(plain(headers, kind))
    if params is not None:
        url = str(URL(url).extend_query(params))
    request = Request(method.upper(), url, tuple(said.items()), body)
    transport = _Transport(session, request, follows=not is_live(dialect))
    return AsyncAnswer(transport, request, dialect, **options)


stream = astream  # as it was called before


class _Transport:
    """A session."""

    def __init__(self, session: aiohttp.ClientSession, first: Request, *, follows: bool) -> None:
        self.failures = _FAILURES
        self._session = session
        self._first = first
        self._follows = follows
        self._response: aiohttp.ClientResponse | None = None
        self._chunks: AsyncGenerator[bytes, None]  # of the response
        self._pieces: AsyncIterator[bytes]  # the same, decoded
        self._wait: asyncio.Timeout | None = None  # around what waits
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = False
        self.now = monotonic

    async def open(self, request: Request, timeout: float | None) -> Head:
        return await self._within(timeout, lambda: self._follow(request))

    async def _follow(self, request: Request) -> Head:
        way = Way(request, self._first)
        while True:
            head = await self._ask(way.request, elsewhere=way.elsewhere)
            if not self._follows or not way.leads_on(head):
                return head
            await self.close(complete=False)

    async def _ask(self, request: Request, *, elsewhere: bool) -> Head:
        # What the session would add, and this request left out as it goes elsewhere, is emptied.
        headers = CIMultiDict(
            (name, "") for name in self._session.headers if request.header(name) is None
        )
        headers.extend(request.headers)
        own = getattr(self._session, "auth", None)  # aiohttp 4 will have none
        if own is None or not elsewhere:
            credentials = {}
        else:
            credentials = {"auth": own._replace(login="", password="")}
        accepted = (request.header("Accept-Encoding") or "").lower()
        decodes = any(coding in accepted for coding in _ITS_CODINGS)
        try:
            response = await self._session.request(
                request.method,
                request.url,
                headers=headers,
                data=request.body,
                allow_redirects=False,
                auto_decompress=decodes,
                timeout=aiohttp.ClientTimeout(),  # none
                **credentials,
            )
        except aiohttp.ClientResponseError as error:
            raise _undecodable(error) or error from error.__cause__
        self._response, self._chunks = response, _chunks(response)
        coding = ",".join(response.headers.getall("Content-Encoding", ()))
        self._pieces = AsyncPieces(self._chunks, "" if decodes else coding)
        return Head(response.status, response.headers)

    async def read(self, timeout: float | None) -> bytes | None:
        return await self._within(timeout, lambda: anext(self._pieces, None))

    async def close(self, complete: bool) -> None:
        if self._response is not None:
            response, self._response = self._response, None
            await _aclose(response, self._chunks, complete=complete)

    async def sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await self._within(seconds, asyncio.Event().wait)

    async def _within(
        self, timeout: float | None, wait: Callable[[], Awaitable[_Result]]
    ) -> _Result:
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout) as self._wait:
                return await wait()
        finally:
            self._wait = None

    def wake(self) -> None:
        self._woken = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                self._loop.call_soon_threadsafe(self._end)

    def rearm(self) -> None:
        self._woken = False

    def _end(self) -> None:
        # It may come late: what waits by now was not meant.
        if self._woken and self._wait is not None and not self._wait.expired():
            self._wait.reschedule(asyncio.get_running_loop().time())
