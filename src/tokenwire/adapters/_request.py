"""What the adapters share about requests: as tokenwire keeps them, and as clients take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode, urlsplit, urlunsplit

from tokenwire.answer import Options
from tokenwire.request import Request, check_body, origin_of
from tokenwire.resume.redirects import MAX_HOPS, REDIRECTS, redirected
from tokenwire.transport import Head


def plain(headers: Mapping[str, str] | None, media_type: str | None = None) -> dict[str, str]:
    """These headers, and one that asks for no compression unless they say otherwise.

    Who compresses a stream must flush after each event, and many do not.

    Args:
        headers: As the caller gave them.
        media_type: What the body is, unless they say it.
    """
    given = dict(headers or {})
    if media_type and not any(name.lower() == "content-type" for name in given):
        given["Content-Type"] = media_type
    if not any(name.lower() == "accept-encoding" for name in given):
        given["Accept-Encoding"] = "identity"
    return given


def for_source(request: Request, headers: Mapping[str, str] | None) -> Request:
    """This request of an event source without the ``Accept: */*`` that clients put into all.

    The session says what an event source wants, unless the caller did.
    """
    given = any(name.lower() == "accept" for name in headers or ())
    is_default = not given and request.header("Accept") == "*/*"
    return request.with_header("Accept", None) if is_default else request


Params: TypeAlias = Mapping[str, Any] | Sequence[tuple[str, Any]] | str
"""Parameters of a URL's query, as the clients take them."""

Form: TypeAlias = Mapping[str, Any] | Sequence[tuple[str, Any]] | bytes | str
"""The fields of a form, a list for several of one name; or a whole body: some clients say so."""


def body_of(json: Any, content: Any, data: Form | None) -> tuple[bytes | None, str | None]:
    """The one body of a request, as bytes that can be sent again, and its type, for ``json`` aside.

    Raises:
        TypeError: The content can be read only once, or is no bytes; or the form is none.
        ValueError: There are two bodies.
    """
    if sum(one is not None for one in (json, content, data)) > 1:
        raise ValueError("give either json or content, or data: a request has one body")
    if data is None or isinstance(data, bytes):
        body = content if data is None else data
        check_body(body)
        return body, None
    if isinstance(data, str):
        return data.encode(), None
    if not isinstance(data, Mapping | list | tuple):
        check_body(data)  # it says what is wrong with all that is read once
    return urlencode(data, doseq=True).encode(), "application/x-www-form-urlencoded"


def with_params(url: str, params: Params | None) -> str:
    """A URL with these parameters after those that it has."""
    if not params:
        return url
    parts = urlsplit(url)
    more = params if isinstance(params, str) else urlencode(params, doseq=True)
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, more)))))


def check_kind(given: object, kind: type[Any], wanted: str, example: str) -> None:
    """See that the first argument is what an adapter reads or asks by.

    Raises:
        TypeError: It is something else; how to get the right one.
    """
    if not isinstance(given, kind):
        raise TypeError(f"{wanted}, not {type(given).__name__}, as in {example}")


# What clients take and `stream` does not, and where it is said instead.
_ON_THE_CLIENT: Final = "set it on the {client}, whose business it is"
_HINTS: Final = {
    "timeout": "use deadlines, as in deadlines=Deadlines(idle=60)",
    **dict.fromkeys(
        ("auth", "cookies", "cert", "hooks", "mounts", "proxies", "proxy", "proxy_auth", "ssl"),
        _ON_THE_CLIENT,
    ),
    **dict.fromkeys(("ssl_context", "trust_env", "verify"), _ON_THE_CLIENT),
    "allow_redirects": "where a redirect leads is followed, and credentials stay at home",
    "follow_redirects": "where a redirect leads is followed, and credentials stay at home",
    "files": "encode the form, and give it as content, its type in the headers",
    "stream": "every answer is streamed",
    "raise_for_status": "a status that is none of success is a StreamError, with what it said",
    "max_retries": "use retry, as in retry=RetryPolicy(max_attempts=3)",
    "retries": "use retry, as in retry=RetryPolicy(max_attempts=3)",
    "body": "use content",
    "query": "use params",
}
_OWN: Final = ("method", "url", "dialect", "params", "headers", "json", "content", "data")


def refuse_others(
    function: str, client: str, options: Mapping[str, Any], hints: Mapping[str, str] = {}
) -> None:
    """See that these are options of an answer.

    Args:
        function: Whose arguments they are.
        client: What its first argument is called.
        options: What it was given besides its own arguments.
        hints: Where this client says it in another way.

    Raises:
        TypeError: They are not; what to do instead.
    """
    known = Options.__optional_keys__
    for name in options:
        if name in known:
            continue
        hint = {**_HINTS, **hints}.get(name, "").format(client=client)
        if not hint:
            near = get_close_matches(name, (*known, *_OWN), 1)
            hint = f"did you mean {near[0]}?" if near else "neither it nor the session knows it"
        raise TypeError(f"{function}() takes no {name}: {hint}")


def as_text(value: str | bytes) -> str:
    """A header's value as `Request` has it; `as_bytes` undoes it."""
    return value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")


def as_bytes(value: str) -> bytes:
    """A header's value for a client that cannot send all text: UTF-8, as WHATWG has it for ids."""
    return value.encode("utf-8", "surrogateescape")


class Way:
    """Where a request is led by redirects. Clients would take credentials along.

    Args:
        request: What is asked first.
        first: The first request of the answer.
        most: Redirects that may be followed.

    Attributes:
        request: What is to be asked now.
        elsewhere: It is, or was meanwhile, another origin than the answer's first, which must not
            see the credentials of the client.
    """

    def __init__(self, request: Request, first: Request, most: int = MAX_HOPS) -> None:
        self.request = request
        self._home = origin_of(first.url)
        self.elsewhere = origin_of(request.url) != self._home
        self._most = most
        self._hops = 0

    @property
    def is_led(self) -> bool:
        """Others have said what the URL is: nothing of the client's own belongs into it."""
        return self.elsewhere or self._hops > 0

    def leads_on(self, head: Head) -> bool:
        """Is this response a redirect to follow? Then `request` is what to ask next."""
        if head.status not in REDIRECTS or self._hops >= self._most:
            return False
        named = {name.lower(): value for name, value in head.headers.items()}
        try:
            self.request = redirected(
                self.request, head.status, named.get("location", ""), self._hops
            )
        except ValueError:  # it leads nowhere; the parser tells so
            return False
        self._hops += 1
        self.elsewhere = self.elsewhere or origin_of(self.request.url) != self._home
        return True
