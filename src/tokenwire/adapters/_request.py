"""What the adapters share about requests: as tokenwire keeps them, and as clients take them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenwire.drive import Head
from tokenwire.request import Request, check_body, origin_of
from tokenwire.resume.redirects import MAX_HOPS, REDIRECTS, redirected


def plain(headers: Mapping[str, str] | None) -> dict[str, str]:
    """These headers, and one that asks for no compression unless they say otherwise.

    Who compresses a stream must flush after each event, and many do not.
    """
    given = dict(headers or {})
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


def check_content(json: Any, content: Any) -> None:
    """See that there is one body, and that it can be sent again, before a client builds it.

    Raises:
        TypeError: The content can be read only once, or is no bytes.
        ValueError: There are two bodies.
    """
    if json is not None and content is not None:
        raise ValueError("give either json or content: a request has one body")
    check_body(content)


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
