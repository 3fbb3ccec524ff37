"""Errors as vendors write them: where they hide in a document, and what they allow.

Shared by the dialects and by the reading of responses that are no stream.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tokenwire.dialects.kit.payloads import is_list, is_mapping, json_text
from tokenwire.events import Error, ErrorKind, Recovery
from tokenwire.frame import Frame

# Statuses after which the same request may succeed: RFC 9110, what the OpenAI and Anthropic SDKs
# retry (408, 409, 429, 5xx), Cloudflare's 520 to 524 and Anthropic's 529.
RETRYABLE_STATUSES: Final = frozenset(
    {408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529}
)

# Vendors' words for the same, as they stand in `code`, `type` or `status` of an error.
RETRYABLE_CODES: Final = frozenset(
    {
        "-32603",  # JSON-RPC: internal error
        "api_error",
        "deadline_exceeded",
        "gateway_timeout",
        "insufficient_system_resource",
        "internal",
        "internal_error",
        "internal_server_error",
        "internalservererror",
        "network_error",
        "overloaded",
        "overloaded_error",
        "rate_limit_error",
        "rate_limit_exceeded",
        "resource_exhausted",
        "server_error",
        "timeout_error",
        "unavailable",
        "vector_store_timeout",
    }
)

# How deep an error may hide in others. Services wrap one in one; what a hostile server nests is
# not followed to its end.
_MAX_DEPTH: Final = 8

# Beyond what a code says: these stay wrong however often they are sent, though some come with 429.
FATAL_CODES: Final = frozenset({"insufficient_quota", "billing_error"})


def recovery_of(code: str | None, status: int | None) -> Recovery:
    """What an error allows, by the vendor's code first and the status second."""
    word = (code or "").lower()
    if word in FATAL_CODES:
        return Recovery.FATAL
    if word in RETRYABLE_CODES or status in RETRYABLE_STATUSES:
        return Recovery.RETRY
    return Recovery.FATAL


class VendorError(msgspec.Struct, frozen=True):
    """An error as it was read out of a vendor's document."""

    message: str
    code: str | None = None
    status: int | None = None
    retryable: bool | None = None

    def event(
        self,
        frame: Frame | None = None,
        *,
        kind: ErrorKind = "vendor",
        status: int | None = None,
        retry_after: float | None = None,
    ) -> Error:
        """The fatal `Error` that says this."""
        status = status or self.status
        recovery = recovery_of(self.code, status)
        if self.retryable is not None:
            recovery = Recovery.RETRY if self.retryable else Recovery.FATAL
        return Error(
            kind=kind,
            message=self.message,
            code=self.code,
            status=status,
            recovery=recovery,
            retry_after=retry_after,
            frame=frame,
        )


# `error` at the beginning of a word of more letters, as in "errors", says nothing.
_ERROR_TEXT: Final = re.compile(r"\s*\[?error\b[\]:\s-]*(.*)", re.DOTALL | re.IGNORECASE)


def find_error(document: Any) -> VendorError | None:
    """The error that a JSON document reports, in any of the shapes that services use; or None.

    Shapes: ``{"error": {...}}``, ``{"error": "text"}``, ``{"errors": [...]}``,
    ``[{"error": ...}]``, ``{"object": "error", ...}``, ``{"error_code", "error_msg"}``,
    ``{"base_resp": {...}}``, ``{"code", "msg"}``, ``{"detail": ...}``,
    ``{"status": "error", ...}``. A text where a document
    should be is one if it says so: ``[ERROR] overloaded``, ``error: out of memory``.
    """
    if isinstance(document, str):
        said = _ERROR_TEXT.fullmatch(document)
        return VendorError(said[1].strip() or document) if said else None
    if is_list(document) and document:
        document = document[0]
    if not is_mapping(document):
        return None
    for name in ("error", "errors", "detail"):
        if document.get(name):
            return read_error(document[name], beside=document)
    base = document.get("base_resp")  # MiniMax
    if is_mapping(base) and base.get("status_code"):
        return read_error(base)
    if document.get("object") == "error" or document.get("type") == "error":
        return read_error(document)
    if document.get("status") == "error":  # no code
        return read_error({name: one for name, one in document.items() if name != "status"})
    if document.get("error_code"):  # Baidu
        return read_error(document)
    if document.get("code") and (document.get("msg") or document.get("message")):
        return read_error(document)
    return None


def read_error(error: Any, *, beside: Mapping[str, Any] | None = None) -> VendorError:
    """Read what stands where an error was found: an object, a text or a list of them.

    Args:
        error: The value itself.
        beside: The document around it, which may hold the status.
    """
    for _ in range(_MAX_DEPTH):
        if is_list(error) and error:
            error = error[0]
        if not is_mapping(error) or not is_mapping(error.get("error")):
            break
        error, beside = error["error"], error
    if not is_mapping(error):
        return VendorError(_word(error) or "the service reported an error without a message")
    codes = ("code", "type", "status", "error_code", "error_type", "status_code")
    words = {name: error.get(name) for name in codes if isinstance(error.get(name), str)}
    code = _first(words, *codes) or _first(error, *codes)  # a word says more than a number
    status = _status(error) or _status(beside or {})
    return VendorError(
        message=_first(error, "message", "msg", "error_msg", "status_msg", "error", "detail")
        or json_text(error)[:500],
        code=code,
        status=status,
        retryable=flag if isinstance(flag := error.get("retryable"), bool) else None,
    )


def _first(error: Mapping[str, Any], *names: str) -> str | None:
    return next((word for name in names if (word := _word(error.get(name)))), None)


def _word(value: Any) -> str | None:
    if isinstance(value, str):
        return value or None
    if value is None or isinstance(value, bool) or value in ({}, []):
        return None
    return json_text(value)


def _status(document: Mapping[str, Any]) -> int | None:
    for name in ("status_code", "http_status_code", "status", "code"):
        value = document.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
            value = int(value)
        if isinstance(value, int) and 400 <= value <= 599:
            return value
    return None
