"""`Cursor`: how far a stream was handed out, in the words its server understands."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

CursorKind: TypeAlias = Literal["id", "sequence", "position", "bytes", "events", "token"]


class Cursor(Struct, frozen=True):
    """The place after the last event that was handed out.

    Attributes:
        kind: What `value` is: an SSE event ``id``, a vendor's ``sequence`` number, the ``position``
            of a token, a count of body ``bytes`` or of complete ``events``, an opaque ``token``.
        value: The value itself; ``None`` before the stream has named one.
    """

    kind: CursorKind = "id"
    value: str | int | None = None
