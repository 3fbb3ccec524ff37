"""requests: the events of an open response, or of a whole answer."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http.client import HTTPException
from time import monotonic
from typing import Any, Final, Unpack

from tokenwire.adapters._extra import Extra

with Extra("requests"):
    import requests
    from requests.structures import CaseInsensitiveDict
    from urllib3.exceptions import (
        ConnectTimeoutError,
        DecodeError,
        HTTPError,
        NewConnectionError,
        ProtocolError,
        ReadTimeoutError,
    )
    from urllib3.util import Timeout

from tokenwire import drive
from tokenwire.adapters._decode import SIZE, Pieces, UndecodableError, codings_of, is_ours
from tokenwire.adapters._interrupt import Interrupt, asker
from tokenwire.adapters._request import (
    Form,
    Params,
    Way,
    as_bytes,
    as_text,
    body_of,
    check_kind,
    for_source,
    plain,
    refuse_others,
)
from tokenwire.answer import Answer, Options
from tokenwire.dialects import Dialect
from tokenwire.drive import EventStream
from tokenwire.limits import DEFAULT_LIMITS, Limits
from tokenwire.request import Request
from tokenwire.resume.plan import is_live
from tokenwire.stream import Errors
from tokenwire.transport import Failures, Head

# What urllib3 raises reaches us as it is: requests translates it in `iter_content` only. The last
# two come of heads that neither was prepared for.
_FAILURES: Final = Failures(
    (HTTPError, HTTPException, OSError, zlib.error, LookupError, ValueError),
    (ReadTimeoutError, requests.Timeout, TimeoutError),
    (UndecodableError, DecodeError),
    (requests.ConnectTimeout, NewConnectionError, ConnectTimeoutError),
)
_A_RESPONSE: Final = (
    "response must be a Response of requests",
    "response = session.post(..., stream=True)",
)
_A_SESSION: Final = (
    "session must be a Session of requests",
    "with requests.Session() as session",
)
_GRACE: Final = 0.1  # seconds to wait for the body's end after a complete answer; see httpx.py


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
    check_kind(response, requests.Response, *_A_RESPONSE)
    head, chunks = Head(response.status_code, response.headers), _chunks(response)

    def close(complete: bool) -> None:
        try:
            if complete:  # a connection is reused if the body's end was seen
                _read_end(response)
        finally:
            response.close()

    return drive.iter_events(
        chunks, dialect, head=head, limits=limits, errors=errors, failures=_FAILURES, close=close
    )


def _chunks(response: requests.Response) -> Iterator[bytes]:
    if response.raw.closed:  # without stream=True the body was read before
        return iter((response.content,))
    coding = response.raw.headers.get("Content-Encoding", "")
    if not is_ours(coding, getattr(response.raw, "CONTENT_DECODERS", ())):
        return _reads(response, decode=True)
    raw = _reads(response, decode=False)
    return Pieces(raw, coding) if codings_of(coding) else raw


def _reads(response: requests.Response, *, decode: bool) -> Iterator[bytes]:
    # `iter_content` keeps a body without a length back until it ends. `read1` reads on where a
    # decoder has nothing to say yet: an empty piece is the end.
    empty = True
    while chunk := response.raw.read1(SIZE, decode_content=decode):
        empty = False
        yield chunk
    if empty and _may_be_cut(response):
        raise ProtocolError("the connection was closed before a body, or within the head")


def _may_be_cut(response: requests.Response) -> bool:
    """Is a head that the connection's end has cut no worse than this? http.client cannot tell."""
    framed = {"Content-Length", "Transfer-Encoding"} & {name.title() for name in response.headers}
    return not framed and 200 <= response.status_code < 300 and response.status_code != 204


def _read_end(response: requests.Response) -> None:
    connection = response.raw.connection
    if connection is not None and connection.sock is not None:
        connection.sock.settimeout(_GRACE)  # urllib3 sets it anew for each request
        with suppress(*_FAILURES.all):
            for _ in range(4):  # heartbeats may go on for ever
                if not response.raw.read1(SIZE, decode_content=False):
                    break


# --- a whole answer ---


def stream(
    session: requests.Session,
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

    Credentials, cookies and proxies are the session's business. Redirects are followed, at most 20;
    what is meant for the first origin is not sent to another. Unless a header says otherwise, no
    compression is asked for.

    Args:
        session: Whom to ask by.
        method: ``"POST"``, mostly.
        url: Where.
        dialect: A `Dialect`, or the name of one.
        params: Parameters of the URL, as the session takes them; its own are added.
        headers: Besides those of the session.
        json: The body, to be sent as JSON.
        content: The body as bytes, instead.
        data: The fields of a form, instead.
        options: See `Options` and `Session`.

    Raises:
        TypeError: There is an argument that this does not take, or no session.
        ValueError: The request is not one that can be sent; or as in `Answer`, with its others.
    """
    refuse_others("stream", "session", options)
    check_kind(session, requests.Session, *_A_SESSION)
    content, kind = body_of(json, content, data)
    built = requests.Request(method, url, params=params, data=content, json=json).prepare()
    if params is not None:
        url = str(built.url)
    if json is not None:
        kind = built.headers["Content-Type"]
    said: CaseInsensitiveDict[str | bytes] = CaseInsensitiveDict(session.headers)
    said.update(plain(headers, kind))
    body = built.body.encode() if isinstance(built.body, str) else built.body
    fields = tuple((name, as_text(value)) for name, value in said.items())
    request = Request(method.upper(), url, fields, body)
    live = is_live(dialect)
    if live:
        request = for_source(request, headers)
    transport = _Transport(session, request, follows=not live)
    return Answer(transport, request, dialect, **options)


class _Transport:
    """A session. Only its own thread uses it, but for `wake`."""

    def __init__(self, session: requests.Session, first: Request, *, follows: bool) -> None:
        self.failures = _FAILURES
        self._session = session
        self._first = first
        self._follows = follows
        self._interrupt = Interrupt()
        self._response: requests.Response | None = None
        self._chunks: Iterator[bytes] = iter(())
        self._socket: socket.socket | None = None
        self.sleep = self._interrupt.sleep
        self.wake = self._interrupt.wake
        self.rearm = self._interrupt.rearm
        self.now = monotonic

    def open(self, request: Request, timeout: float | None) -> Head:
        way = Way(request, self._first)
        try:
            with self._interrupt.within(timeout) as left:
                while True:
                    head = self._ask(way, left())
                    if not self._follows or not way.leads_on(head):
                        return head
                    self._leave()
        except BaseException:
            self.close(complete=False)
            raise

    def _ask(self, way: Way, timeout: float | None) -> Head:
        request = way.request
        # What the session would add, and this request left out as it goes elsewhere.
        headers: dict[str, str | bytes | None] = {
            name: None for name in self._session.headers if request.header(name) is None
        }
        for name, value in request.headers:
            headers[name] = value if value.isascii() else as_bytes(value)
        limit: Any = _Timeout(timeout, self._interrupt)
        place: dict[str, str] = {}

        def stay(response: requests.Response, **_: Any) -> None:
            # Told not to follow, requests would still read the body, and the place as a URL.
            place["Location"] = response.headers.pop("Location", "")

        hooks: Any = [*self._session.hooks["response"], stay]
        response = self._session.request(
            request.method,
            request.url,
            params=_unset(self._session.params) if way.is_led else None,
            headers=headers,
            data=request.body,
            timeout=limit,
            stream=True,
            auth=_nobody if way.elsewhere else None,
            hooks={"response": hooks},
        )
        self._response, self._chunks = response, _chunks(response)
        self._socket = _socket_of(response)
        self._interrupt.hold(self._socket)
        raw = response.raw

        def let_go() -> None:
            self._interrupt.let_go()  # next the connection may serve another request
            del raw.release_conn  # this one; a cycle would keep the pool's connections open
            raw.release_conn()

        raw.release_conn = let_go  # type: ignore[method-assign]
        return Head(response.status_code, {**response.headers, **place})

    def read(self, timeout: float | None) -> bytes | None:
        if self._socket is not None:
            self._socket.settimeout(timeout)
        with self._interrupt.within(timeout):  # of a chunk's head that comes byte by byte
            return next(self._chunks, None)

    def close(self, complete: bool) -> None:
        try:
            if complete and self._response is not None:
                _read_end(self._response)
        finally:
            self._interrupt.close()
            self._leave()

    def _leave(self) -> None:
        if self._response is not None:
            response, self._response, self._chunks = self._response, None, iter(())
            self._socket = None
            self._interrupt.let_go()
            response.close()


class _Timeout(Timeout):
    """One time-out for all steps of a request, that tells on which connection a head is read."""

    def __init__(self, seconds: float | None, interrupt: Interrupt) -> None:
        super().__init__(total=seconds)
        self._told = seconds, interrupt

    def clone(self) -> _Timeout:
        return _Timeout(*self._told)

    @property
    def read_timeout(self) -> Any:
        # urllib3 asks when the request is sent. Its connection it tells nobody.
        connection = asker().get("conn")
        self._told[1].hold(getattr(connection, "sock", None))
        return super().read_timeout


def _unset(params: Any) -> Any:
    """What leaves out the parameters that a session adds to each URL."""
    return dict.fromkeys(params) if hasattr(params, "keys") else {}


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request  # without credentials


def _socket_of(response: requests.Response) -> socket.socket | None:
    connection = response.raw.connection
    if connection is not None and connection.sock is not None:
        found: Any = connection.sock
    else:  # "Connection: close": http.client has given the socket to the response
        file = getattr(getattr(response.raw, "_fp", None), "fp", None)
        found = getattr(getattr(file, "raw", None), "_sock", None)
    return found if isinstance(found, socket.socket) else None
