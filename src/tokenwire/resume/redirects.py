"""Where a redirect leads: the rules of the fetch standard, section "HTTP-redirect fetch".

Not decided here: whose redirects are followed (`tokenwire.resume.kinds`).
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from tokenwire.request import Request

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

MAX_HOPS: Final = 20  # as the fetch standard allows

# What stays as it is in a URL; the rest is percent-encoded, as browsers do.
_IN_URLS: Final = "%:/?#[]@!$&'()*+,;=-._~"


def redirected(request: Request, status: int, location: str, hops: int) -> Request:
    """The request that a redirect asks for.

    What was meant for the first origin is not sent to another one: `Request.with_url` says what.

    Args:
        request: What was sent.
        status: One of `REDIRECTS`. After 303, and as browsers do after 301 and 302 to a POST, it
            is a GET without a body; else method and body stay.
        location: The header; empty if it is missing.
        hops: How many redirects there were before this one.

    Raises:
        ValueError: It leads nowhere, or too far.
    """
    try:  # some clients read headers as Latin-1, and servers write UTF-8
        location = location.encode("latin-1").decode()
    except UnicodeError:
        pass
    location = location.strip()
    if not location:
        raise ValueError("it redirects without a Location")
    if hops >= MAX_HOPS:
        raise ValueError(f"it redirects once more, after {MAX_HOPS} redirects")
    if status == 303 or (status in (301, 302) and request.method == "POST"):
        request = request.as_get()
    try:
        return request.with_url(quote(location, safe=_IN_URLS))
    except ValueError as reason:
        raise ValueError(f"its Location leads nowhere: {reason}") from None
