"""`Request`: what is sent, as a value, so that it can be sent again and changed to go on.

It stands on the ground floor because a dialect says how its API is asked to go on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote_plus, urljoin, urlsplit, urlunsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

# A token of RFC 9110, section 5.6.2: what methods and header names are made of.
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_is_token: Final = _TOKEN.fullmatch
_begins_token: Final = _TOKEN.match

# Line ends and NUL: after one of them stands another header, or another request.
_breaks_header: Final = re.compile(r"[\r\n\0]").search

# Clients differ in what they make of a backslash: for some the host ends there, for others a name
# of a user goes on. None may be in a URL of which it matters whose it is.
_breaks_url: Final = re.compile(r"[\x00-\x20\x7f\\]").search

PORTS: Final = {"http": 80, "https": 443}

# Names of headers that may hold what only their server should see.
_holds_secret: Final = re.compile(
    r"auth|cookie|credential|key|password|secret|session|signature|token", re.IGNORECASE
).search

# Of those, what is no secret and worth seeing.
_is_open: Final = re.compile(r"idempotency-key|www-authenticate", re.IGNORECASE).fullmatch

# Keys and signatures in a URL's query, as ?key=... of Google or &sig=... of Azure, and the password
# before its host. A name ends where the next one may begin, or a peer's row of question marks would
# cost its length squared.
_secrets_in_url: Final = re.compile(
    r"(?P<query>[?&](?:[^?=&#\s]*(?:key|token|sig|signature|secret|password|credential|auth)|code)=)"
    r"(?P<value>[^&#\s'\"]++)"
    r"|(?P<user>//[^/?#\s:@]*+:)(?P<password>[^/?#\s@]++)(?=@)",
    re.IGNORECASE,
)

# Headers as clients show them when they fail: a name and a quoted value after it, or a line.
_secrets_in_words: Final = re.compile(
    r"(?P<name>(?:auth|cookie|credential|key|password|secret|session|signature|token)[\w-]{0,30}+"
    r"['\"]?[ \t]?[:,=][ \t]?b?['\"])(?:[^'\"\\]|\\.)++"
    r"|(?P<line>(?:authorization|cookie|api-key):[ \t]?)[^\r\n'\"<>]++",
    re.IGNORECASE | re.DOTALL,
)

_LONGEST_WORDS: Final = 1000  # of a client: a peer's bytes may be in them

_SHORTEST: Final = 4  # letters of what is taken for a secret: less would stand in any text
_MASK: Final = "***"

# Headers that belong to one body, or to the one POST of it.
_is_about_body: Final = re.compile(
    r"content-.*|expect|idempotency-key|transfer-encoding", re.IGNORECASE
).fullmatch


class Request(Struct, frozen=True):
    """An HTTP request that can be sent any number of times. Shown, it hides credentials.

    Attributes:
        method: As ``GET`` or ``POST``.
        url: Absolute.
        headers: Names and values, in their order.
        body: All of it as bytes; ``None``: none.

    Raises:
        TypeError: The body is something that can be read only once, as a generator or a file; the
            headers are no tuple, as a dict is none.
        ValueError: No HTTP client should send this: the method or a header's name is no word, a
            header's value has a line end or NUL, the URL is none of http or https.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None

    def __post_init__(self) -> None:
        check_body(self.body)
        if not isinstance(self.headers, tuple):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                "the headers must be a tuple of names and values, not"
                f" {type(self.headers).__name__}: give tuple(headers.items())"
            )
        if not _is_token(self.method):
            raise ValueError(f"the method must be one word as GET or POST, not {self.method!r}")
        _check_url(self.url)
        for name, value in self.headers:
            if not _is_token(name):
                begin = _begins_token(name)
                shown = name[: begin.end() + 1] if begin is not None else name[:1]
                raise ValueError(  # what follows may be its value, by mistake
                    f"{shown!r} is no name of a header: only ASCII letters, digits and hyphens may"
                    " be in it, no colon and no space"
                )
            if _breaks_header(value):  # the value itself may be a secret
                raise ValueError(
                    f"the value of the header {name} has a line end or NUL, which would begin"
                    " another header: strip it, or encode it"
                )

    def __repr__(self) -> str:
        shown = tuple((name, _shown(name, value)) for name, value in self.headers)
        told = (self.method, masked(self.url), shown, self.body)
        named = zip(self.__struct_fields__, told, strict=True)
        return f"Request({', '.join(f'{name}={value!r}' for name, value in named)})"

    def masked(self, text: str) -> str:
        """A text, as an exception's, without the credentials of this request."""
        for secret in sorted(self._secrets(), key=len, reverse=True):
            text = text.replace(secret, _MASK)
        return _masked_words(text)

    def _secrets(self) -> set[str]:
        found = [value for name, value in self.headers if _is_secret(name)]
        words = [word for value in found for word in _parts_of_secret(value)]
        for match in _secrets_in_url.finditer(self.url):
            value = match["value"] or match["password"]
            words += [value, unquote_plus(value)]
        return {word for word in (*found, *words) if len(word) >= _SHORTEST}

    @property
    def path(self) -> str:
        """The path of its URL, as it is written there."""
        return urlsplit(self.url).path

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of its JSON body; none where the body is no JSON object."""
        try:
            return msgspec.json.decode(self.body or b"", type=dict[str, Any])
        except ValueError:
            return {}

    def header(self, name: str) -> str | None:
        """The value of a header, its name in any case."""
        wanted = name.lower()
        return next((value for own, value in self.headers if own.lower() == wanted), None)

    def with_header(self, name: str, value: str | None) -> Request:
        """The same with this header in place of any of that name; ``None`` only removes it."""
        wanted = name.lower()
        kept = tuple(pair for pair in self.headers if pair[0].lower() != wanted)
        return replace(self, headers=kept if value is None else (*kept, (name, value)))

    def with_query(self, **values: str | int) -> Request:
        """The same with these parameters in its URL, in place of any of these names.

        The others stay as they are written: a signature may count their letters.
        """
        parts = urlsplit(self.url)
        pairs = [
            pair
            for pair in parts.query.split("&")
            if pair and unquote_plus(pair.partition("=")[0]) not in values
        ]
        pairs += [f"{_quote(name)}={_quote(str(value))}" for name, value in values.items()]
        return replace(self, url=urlunsplit(parts._replace(query="&".join(pairs))))

    def with_path(self, path: str) -> Request:
        """The same at another path, which is percent-encoded; the query stays."""
        return replace(self, url=urlunsplit(urlsplit(self.url)._replace(path=path)))

    def with_url(self, reference: str) -> Request:
        """The same at another URL, absolute or relative to its own; its query is the new one's.

        Another origin - scheme, host or port differ - must not see what was meant for this one:
        headers are left out whose name has ``auth``, ``cookie``, ``credential``, ``key``,
        ``password``, ``secret``, ``session``, ``signature`` or ``token`` in it, as
        ``Authorization``, ``Cookie``, ``X-Api-Key`` and ``Mcp-Session-Id`` have, and ``Host``.

        Raises:
            ValueError: It is no URL of http or https.
        """
        url = urljoin(self.url, reference)
        _check_url(url)
        if origin_of(url) == origin_of(self.url):
            return replace(self, url=url)
        kept = tuple(
            pair
            for pair in self.headers
            if not _holds_secret(pair[0]) and pair[0].lower() != "host"
        )
        return replace(self, url=url, headers=kept)

    def with_field(self, name: str, value: Any) -> Request | None:
        """The same with this field of its JSON body set; None where the body is no JSON object.

        All other fields stay as they are written. A ``Content-Length`` is left out: it was that of
        the old body, and clients count the new one.
        """
        try:
            body = msgspec.json.decode(self.body or b"", type=dict[str, msgspec.Raw])
        except ValueError:
            return None
        changed = replace(self, body=msgspec.json.encode({**body, name: value}))
        return changed.with_header("Content-Length", None)

    def as_get(self) -> Request:
        """A GET of the same URL with the same headers, but those that are about a body."""
        kept = tuple(pair for pair in self.headers if not _is_about_body(pair[0]))
        return replace(self, method="GET", headers=kept, body=None)

    def as_get_of(self, id: str | None) -> Request | None:
        """A GET of what this request made, at its own path with the id after.

        A GET stays where it is: what it asks for was there before. None where the id can be no
        piece of a path.
        """
        got = self.as_get()
        if self.method == "GET":
            return got
        name = segment(id)
        return None if name is None else got.with_path(f"{self.path.rstrip('/')}/{name}")


def masked(text: str) -> str:
    """A URL, or a text with URLs in it, with ``***`` for the keys and passwords in them."""
    return _secrets_in_url.sub(lambda at: f"{at['query'] or at['user']}{_MASK}", text)


def words_of(error: BaseException) -> str:
    """What a client's exception says, as one line of moderate length without credentials.

    Not its ``repr``: some hold the whole request.
    """
    said = _masked_words(str(error))
    shown = said if len(said) <= _LONGEST_WORDS else f"{said[:_LONGEST_WORDS]}..."
    return f"{type(error).__name__}({shown!r})" if shown else f"{type(error).__name__}()"


def _masked_words(text: str) -> str:
    return _secrets_in_words.sub(lambda at: f"{at['name'] or at['line']}{_MASK}", masked(text))


def is_telltale(error: BaseException, request: Request | None = None) -> bool:
    """Would a traceback of this exception show a credential, of the request or in general?

    It shows what led to the exception, too.
    """
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        said = str(one)
        if said != (request.masked(said) if request is not None else _masked_words(said)):
            return True
        left += [one.__cause__, one.__context__]
        left += getattr(one, "exceptions", ())  # of a group
    return False


def _is_secret(name: str) -> bool:
    return _holds_secret(name) is not None and _is_open(name) is None


def _parts_of_secret(value: str) -> Iterator[str]:
    """What is secret in ``Bearer sk-1`` and in ``a=secret; b=other``."""
    yield value.rpartition(" ")[2]
    for pair in value.split(";"):
        yield pair.partition("=")[2].strip()


def _shown(name: str, value: str) -> str:
    """A header's value, with its scheme alone where it is a secret: ``Bearer ***``."""
    if not _is_secret(name):
        return value
    scheme, space, _ = value.partition(" ")
    return f"{scheme} {_MASK}" if space and "=" not in scheme else _MASK


def check_body(body: Any) -> None:
    """See that a body can be sent again: all of it is there, as bytes; ``None``: there is none.

    Adapters whose client builds the body ask before it is built: a client reads what can be read
    once.

    Raises:
        TypeError: It is something else.
    """
    if body is not None and not isinstance(body, bytes):
        if isinstance(body, str):
            raise TypeError("the body must be bytes, not str: encode it, as with .encode()")
        raise TypeError(
            f"the body must be bytes, not {type(body).__name__}: a request that may be sent"
            " again must not be used up by the first time; read all of it first, as with"
            " b''.join(...) or .read()"
        )


def segment(text: str | None) -> str | None:
    """A text that a server named, as one piece of a path.

    None where it can be none: nothing, or dots alone, which lead to another place.
    """
    return _quote(text) if text and text.strip(".") else None


def _quote(text: str) -> str:
    # What no UTF-8 can say came of a server's bad bytes; such a name is found nowhere anyway.
    return quote(text, safe="", errors="replace")


def _check_url(url: str) -> None:
    """See that it leads somewhere.

    Raises:
        ValueError: It does not.
    """
    try:
        scheme, host, _ = origin_of(url)
    except ValueError as reason:
        raise ValueError(f"{masked(url)!r} is no URL: {masked(str(reason))}") from None
    if scheme not in PORTS or not host:
        shown = masked(url)
        raise ValueError(f"the URL must begin with http:// or https:// and a host, not {shown!r}")
    if _breaks_url(url):
        raise ValueError(
            f"a URL cannot hold white space, control characters or a backslash: {masked(url)!r};"
            " percent-encode them, as with urllib.parse.quote"
        )


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port. The credentials of a client are for the first of an answer only."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme)


class Known(Struct, frozen=True):
    """What is known of an answer, for asking its service to go on.

    Attributes:
        id: Its id, as `Started` told it.
        headers: Those of its first response, names in lower case.
    """

    id: str | None = None
    headers: Mapping[str, str] = {}

    def __repr__(self) -> str:
        shown = {name: _shown(name, value) for name, value in self.headers.items()}
        return f"Known(id={self.id!r}, headers={shown!r})"
