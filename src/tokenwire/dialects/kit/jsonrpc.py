"""JSON-RPC 2.0 over HTTP, as MCP and A2A use it: an event stream of messages, or one JSON reply.

Source: https://www.jsonrpc.org/specification.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from tokenwire.dialects.kit.errors import VendorError, find_error
from tokenwire.dialects.kit.payloads import is_mapping, json_or_text, json_text
from tokenwire.errors import FramingError
from tokenwire.events import Error
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer
from tokenwire.limits import Limits

# What stands before a document's first brace: blanks and a BOM.
_BLANK: Final = b" \t\r\n\xef\xbb\xbf"

# What JSON-RPC calls a failure of the server itself; the other codes blame the request.
INTERNAL_ERROR: Final = -32603

_NUMBER: Final = re.compile("-?[0-9]{1,9}", re.ASCII)


class ReplyFramer:
    """Frames of an event stream, or a whole JSON document as the only frame.

    A server answers a request with the one or the other as it likes. The first byte tells: no line
    of an event stream begins with a brace or a bracket.

    Args:
        limits: ``max_event_size`` bounds an event, and the document.
    """

    format: ClassVar[str] = SSEFramer.format
    __slots__ = ("_begun", "_document", "_events", "_limit", "_peak", "frames")

    def __init__(self, limits: Limits) -> None:
        self._events = SSEFramer(limits)
        self.frames: list[Frame] = self._events.frames
        self._limit = limits.max_event_size
        self._begun = False
        self._peak = 0
        self._document: bytearray | None = None

    def receive_data(self, data: bytes) -> None:
        """Take a non-empty chunk. Raises `FramingError` where an event or the document is too long.

        A document comes out at EOF.
        """
        if not self._begun:
            data = self._begin(data)
        if self._document is None:
            self._events.receive_data(data)
            return
        if len(self._document) + len(data) > self._limit:
            self._document.clear()  # what broke the limit is not kept
            raise FramingError(
                "limit", f"the reply is larger than max_event_size = {self._limit} bytes"
            )
        self._document += data
        self._peak = max(self._peak, len(self._document))

    def _begin(self, data: bytes) -> bytes:
        """Look for the first byte that tells; gives what is not yet taken."""
        begun = data.lstrip(_BLANK)
        self._begun = bool(begun)
        if begun[:1] not in (b"{", b"["):
            return data
        self._document = bytearray()
        if len(begun) < len(data):  # as if these had come in a chunk of their own
            self._events.receive_data(data[: -len(begun)])
        return begun

    def receive_eof(self) -> None:
        """The body ended: hand out the document, or an event left open."""
        if self._document is None:
            self._events.receive_eof()
        elif self._document:
            # Marked, for nothing but its own end says that it is whole.
            self.frames.append(Frame(bytes(self._document), unterminated=True))
            self._document.clear()

    @property
    def retry(self) -> int | None:
        """The reconnection time that the stream asked for, in milliseconds."""
        return self._events.retry

    @property
    def buffered(self) -> int:
        """Bytes held of an event or document that is not complete."""
        return self._events.buffered if self._document is None else len(self._document)

    @property
    def peak_buffered(self) -> int:
        """The most that `buffered` ever was."""
        return max(self._events.peak_buffered, self._peak)

    encode = staticmethod(SSEFramer.encode)


def id_text(value: Any) -> str | None:
    """A request's id as text, from which `id_value` makes the same id again."""
    if isinstance(value, str) and id_value(value) == value:
        return value
    return None if value is None else json_text(value)


def id_value(text: str | None) -> Any:
    """The id that `id_text` made a text of: a number, or a string."""
    return None if text is None else json_or_text(text.encode(errors="replace"))


def find_rpc_error(message: Mapping[str, Any]) -> VendorError | None:
    """The error that a message reports, or None. A word in its ``data`` says more than a number."""
    found = find_error(message)
    error = message.get("error")
    details = error.get("data") if is_mapping(error) else None
    word = details.get("code") if is_mapping(details) else None
    if found is None or not isinstance(word, str):
        return found
    return msgspec.structs.replace(found, code=word or found.code)


def error_object(error: Error) -> dict[str, Any]:
    """An error as JSON-RPC writes it. A code that is no number goes into its ``data``."""
    if error.code is None or _NUMBER.fullmatch(error.code):
        return {"code": int(error.code or INTERNAL_ERROR), "message": error.message}
    data = {"code": error.code}
    return {"code": INTERNAL_ERROR, "message": error.message, "data": data}


def response(id: Any, **said: Any) -> dict[str, Any]:
    """A message that answers a request: its ``result`` or ``error``."""
    return {"jsonrpc": "2.0", "id": id, **said}
