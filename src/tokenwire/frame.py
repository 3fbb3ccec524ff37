"""`Frame`: one dispatched unit of a wire format, as a framer hands it to a dialect.

It stands on the ground floor because every event carries the frame it came from.
"""

from __future__ import annotations

from msgspec import Struct


class Frame(Struct, frozen=True, gc=False):
    """One unit of the wire: a server-sent event, a JSON line, a comment.

    Attributes:
        data: The payload as bytes, line ends normalised to LF. ``None`` where the unit has none: a
            comment, a blank keep-alive line, an SSE block without a ``data`` field.
        event: The SSE event type as it was sent; ``""`` where none was.
        id: The SSE last event ID in force at this unit, ``None`` while the stream has set none.
        retry: Reconnection time in milliseconds, where this unit sets one.
        comment: An SSE comment, without its colon, which comes out by itself at once; in a unit
            with data, the last one of that unit.
        other: Lines that are no field of the format, joined by LF. Proxies and some servers write
            bare JSON errors or HTML there; nothing is skipped unseen.
        unterminated: The body ended before this unit did. It counts only where it proves complete.
        headers: The headers of an Amazon event stream's message, names and values, in their order.
            A timestamp is its milliseconds since 1970, a UUID its 36 characters.
    """

    data: bytes | None = None
    event: str = ""
    id: str | None = None
    retry: int | None = None
    comment: bytes | None = None
    other: bytes = b""
    unterminated: bool = False
    headers: tuple[tuple[str, bool | int | bytes | str], ...] = ()

    @property
    def size(self) -> int:
        """Bytes of its parts, as a queue of frames counts them."""
        size = len(self.data or b"") + len(self.other) + len(self.comment or b"")
        for name, value in self.headers:
            size += len(name) + (len(value) if isinstance(value, bytes | str) else 8)
        return size

    @property
    def text(self) -> str:
        """The payload as text; bytes that are not UTF-8 become U+FFFD, as WHATWG asks."""
        return "" if self.data is None else self.data.decode("utf-8", "replace")
