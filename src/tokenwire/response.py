"""A response that is no stream: its status, headers and body, read into one `Error`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tokenwire.dialects import Dialect
from tokenwire.dialects.kit.errors import VendorError, find_error, read_error, recovery_of
from tokenwire.dialects.kit.payloads import is_mapping, json_or_text
from tokenwire.errors import FramingError
from tokenwire.events import Error, Recovery
from tokenwire.framing.sse import SSEFramer
from tokenwire.limits import Limits
from tokenwire.request import masked

if TYPE_CHECKING:
    from datetime import datetime

# Each part ends where the next tag begins, so that no page is searched more than twice.
_TITLE: Final = re.compile(rb"<title[^<>]*+>([^<]*+)</title", re.IGNORECASE)
_LONGEST_TITLE: Final = 200
_LONGEST_PLACE: Final = 500  # of a redirect, as shown

# Of a header that is parsed: no date and no number is longer.
_LONGEST_VALUE: Final = 100
_LONGEST_WAIT: Final = 999_999_999_999_999.0  # seconds, with which times can still be reckoned
_WITHOUT_BODY: Final = frozenset({204, 205, 304})


def judge_response(
    status: int, headers: Mapping[str, str], dialect: Dialect, limits: Limits
) -> ResponseBody | None:
    """Is this response the stream that the dialect expects?

    Returns:
        ``None`` if it is. Otherwise what collects the body and makes the `Error`; where only the
        content type is odd, it may still find a stream.
    """
    named = {_text(name).lower(): _text(value) for name, value in headers.items()}
    media_type = named.get("content-type", "").partition(";")[0].strip().lower()
    fits = media_type in dialect.media_types or dialect.media_types == ("*/*",)
    good = status == 200 if dialect.strict else 200 <= status < 300
    if good and status not in _WITHOUT_BODY:
        if fits:
            return None
        if not dialect.strict:
            return ResponseBody(status, named, media_type, dialect, limits, doubtful=True)
    return ResponseBody(status, named, media_type, dialect, limits, doubtful=False)


def _text(value: object) -> str:
    """A name or value of a header: some clients give bytes, and tests of callers numbers."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


class ResponseBody:
    """Collects a body that is no stream, bounded by ``max_error_body``.

    Attributes:
        complete: The error can be made now, before EOF: nothing more would be kept, or the status
            alone says it all.
    """

    __slots__ = (
        "_body",
        "_dialect",
        "_doubtful",
        "_headers",
        "_limits",
        "_media_type",
        "_status",
        "complete",
    )

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        media_type: str,
        dialect: Dialect,
        limits: Limits,
        *,
        doubtful: bool,
    ) -> None:
        self._status = status
        self._headers = headers
        self._media_type = media_type
        self._dialect = dialect
        self._limits = limits
        self._doubtful = doubtful
        self._body = bytearray()
        # An EventSource fails on the head alone: a body of the wrong type may never end.
        self.complete = status in _WITHOUT_BODY or (dialect.strict and status < 300)

    @property
    def undecided(self) -> bool:
        """It may be the stream all the same: no byte came that says what it is."""
        return self._doubtful

    def receive_data(self, data: bytes) -> bytes | None:
        """Take a chunk. Gives all bytes back if they turn out to be the stream after all."""
        if self._doubtful and self._dialect.format == "text":
            return data  # anything may be text
        if self._doubtful:
            data = data.lstrip(b" \t\r\n\xef\xbb\xbf")  # says nothing in any format
            if not data:
                return None
            if data[:1] not in self._document_starts():
                return data
            self._doubtful = False
        room = self._limits.max_error_body - len(self._body)
        self._body += data[:room]
        self.complete = len(data) >= room
        return None

    def _document_starts(self) -> tuple[bytes, ...]:
        return (b"<", b"{", b"[") if self._dialect.format == "SSE" else (b"<",)

    def error(self) -> Error:
        """The one `Error` that this response is."""
        status = self._status
        found = self._vendor_error()
        if 200 <= status < 300:
            return self._not_a_stream(found)
        retry_after = _retry_after(self._headers)
        said = found or VendorError(f"{self._answered()}{self._excerpt()}")
        error = said.event(kind="http", status=status, retry_after=retry_after)
        return msgspec.structs.replace(error, recovery=self._recovery(error))

    def _recovery(self, error: Error) -> Recovery:
        # The OpenAI and Anthropic SDKs let this header overrule the status.
        match self._headers.get("x-should-retry"):
            case "true":
                return Recovery.RETRY
            case "false":
                return Recovery.FATAL
            case _:
                return error.recovery

    def _not_a_stream(self, found: VendorError | None) -> Error:
        if found is not None:
            return found.event()
        if self._status in _WITHOUT_BODY:
            return Error("http", self._answered(), status=self._status)
        expected = " or ".join(self._dialect.media_types)
        got = self._media_type or "no content type"
        return Error(
            kind="http",
            message=f"{self._answered()} with {got} where {self._dialect.name} expects {expected}"
            f"{self._excerpt()}",
            status=self._status,
            recovery=recovery_of(None, self._status),
        )

    def _answered(self) -> str:
        if self._status in _WITHOUT_BODY:
            return f"the server answered {self._status} and no body: there is no stream"
        if 300 <= self._status < 400:
            place = masked(self._headers.get("location", "nowhere"))[:_LONGEST_PLACE]
            return f"the server redirects to {place!r} and the client did not follow"
        return f"the server answered {self._status}"

    def _excerpt(self) -> str:
        body = bytes(self._body)
        found = _TITLE.search(body)
        title = found[1].strip()[:_LONGEST_TITLE] if found else b""
        if title:
            return f"; a page titled {title.decode('utf-8', 'replace')!r}"
        return f"; its body begins with {body[:200].decode('utf-8', 'replace')!r}" if body else ""

    def _vendor_error(self) -> VendorError | None:
        document = _json_or_none(bytes(self._body))
        if document is None:
            return self._error_in_sse()
        if self._status >= 400 and is_mapping(document) and document.get("message"):
            return read_error(document)  # Amazon: nothing but {"message": "..."}
        return find_error(document)

    def _error_in_sse(self) -> VendorError | None:
        # TGI answers 4xx with an event stream that holds the error.
        framer = SSEFramer(self._limits)
        try:
            if self._body:
                framer.receive_data(bytes(self._body))
            framer.receive_eof()
        except FramingError:
            pass
        for frame in framer.frames:
            document = _json_or_none(frame.data)
            if error := find_error(document):
                return error
        return None


def _json_or_none(data: bytes | None) -> Any:
    document = json_or_text(data or b"")
    return None if isinstance(document, str) else document


def find_stray_error(lines: bytes) -> VendorError | None:
    """The error in lines that are no field of an event stream, or None.

    Gemini writes bare JSON objects there, old llama.cpp an ``error: {...}`` field.
    """
    if lines[:1] not in (b"{", b"[", b"e"):
        return None  # asked of each stray line, and an exception costs as much as a token
    name, _, value = lines.partition(b":")
    if name == b"error":
        document = _json_or_none(value)
        return find_error({"error": document}) if document else None
    return find_error(_json_or_none(lines))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: ``retry-after-ms`` (OpenAI), or `Retry-After`, RFC 9110 section 10.2.3.

    The date form is counted from the response's own ``Date``: no clock is read here.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after", "")
    seconds = _number(value)
    if seconds is not None:
        return seconds
    until, now = _date(value), _date(headers.get("date", ""))
    try:
        return max(0.0, (until - now).total_seconds()) if until and now else None
    except TypeError:  # only one has a zone
        return None


def _number(value: str) -> float | None:
    """A header that is a number: digits, perhaps with a point. Not all that `float` reads."""
    value = value.strip(" \t")
    if value.isascii() and value.replace(".", "", 1).isdigit():
        return min(float(value[:_LONGEST_VALUE]), _LONGEST_WAIT)
    return None


def _date(value: str) -> datetime | None:
    """A header that is a date."""
    if not value or len(value) > _LONGEST_VALUE:
        return None
    from email.utils import parsedate_to_datetime  # late: it brings sockets and calendars along

    try:
        return parsedate_to_datetime(value)
    except Exception:  # it promises a ValueError, and raises OverflowError too
        return None
