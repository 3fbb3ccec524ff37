"""Amazon's errors in a stream with status 200, shared by the dialects of Bedrock.

They are messages of another type: exceptions, which the model of the API knows, and errors, which
it does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from msgspec.json import Decoder as JSONDecoder
from msgspec.json import encode as to_json

from tokenwire.dialects.kit.errors import VendorError, read_error
from tokenwire.dialects.kit.payloads import UNREADABLE
from tokenwire.events import Error
from tokenwire.frame import Frame


class ExceptionWire(Struct, rename={"upper_message": "Message", "original": "originalMessage"}):
    message: str | None = None
    upper_message: str | None = None
    original: str | None = None


STATUSES: Final[Mapping[str, int]] = {
    "accessDeniedException": 403,
    "badGatewayException": 502,
    "conflictException": 409,
    "dependencyFailedException": 424,
    "internalServerException": 500,
    "modelNotReadyException": 424,
    "modelStreamErrorException": 424,
    "modelTimeoutException": 408,
    "resourceNotFoundException": 404,
    "serviceQuotaExceededException": 400,
    "serviceUnavailableException": 503,
    "throttlingException": 429,
    "validationException": 400,
}
"""The HTTP statuses that the APIs of Bedrock give these exceptions."""

# Statuses tell which exceptions are transient, but for these: the documentation of one says to
# retry, the SDKs retry the other.
_RETRYABLE: Final = frozenset({"modelStreamErrorException", "modelNotReadyException"})

_decode_json = JSONDecoder(ExceptionWire).decode


def find_exception(frame: Frame) -> VendorError | None:
    """The error that a message reports by its headers, or None where it is an event."""
    headers = dict(frame.headers)
    match headers.get(":message-type"):
        case "exception":
            code = frame.event
        case "error":
            code = str(headers.get(":error-code", ""))
        case _ if frame.event in STATUSES:  # some gateways call it an event
            code = frame.event
        case _:
            return None
    message = headers.get(":error-message") or _message(frame)
    name = code[:1].lower() + code[1:]  # outside of streams it is written in CamelCase
    retryable = True if name in _RETRYABLE else None
    return VendorError(str(message), code or None, STATUSES.get(name), retryable)


def _message(frame: Frame) -> str:
    try:
        wire = _decode_json(frame.data or b"")
    except UNREADABLE:
        wire = ExceptionWire()
    message = wire.message or wire.upper_message
    if message and wire.original and wire.original not in message:
        return f"{message}: {wire.original}"
    return message or wire.original or read_error(frame.text[:500]).message


def exception(error: Error) -> tuple[Frame]:
    """The message that says an `Error`, the mirror."""
    code = error.code or "internalServerException"
    headers = (
        (":exception-type", code),
        (":content-type", "application/json"),
        (":message-type", "exception"),
    )
    return (Frame(to_json({"message": error.message}), code, headers=headers),)
