"""Bytes to frames and back. Knows formats, no vendor.

A framer is fed chunks as they come and appends what it finds to `Framer.frames`. Its work grows
linearly with the bytes, and what it finds does not depend on how they were cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol

from tokenwire.frame import Frame


class Framer(Protocol):
    """What a `Dialect` needs of a wire format. Implement it to bring a format of your own.

    Attributes:
        format: The format's name, for people.
        frames: Frames found and not yet taken, in their order; whoever takes them clears it.
        retry: The reconnection time in milliseconds last set by the wire, or None.
        buffered: Bytes held for a frame that is not complete yet.
        peak_buffered: The most that `buffered` ever was.
        receive_data: Takes one non-empty chunk of bytes. Raises `FramingError` where the format
            or a limit is broken; what was found before is in `frames`.
        encode: The mirror: one frame as bytes, which may depend on those encoded before. Raises
            `LocalProtocolError` for what would not parse.
    """

    format: ClassVar[str]

    @property
    def frames(self) -> list[Frame]: ...
    @property
    def receive_data(self) -> Callable[[bytes], None]: ...
    @property
    def retry(self) -> int | None: ...
    @property
    def buffered(self) -> int: ...
    @property
    def peak_buffered(self) -> int: ...
    @property
    def encode(self) -> Callable[[Frame], bytes]: ...

    def receive_eof(self) -> None:
        """The body ended. A frame left open is appended with ``unterminated`` set."""
        ...


class LineFraming(Protocol):
    """What a text format may say beside that: how a payload of one line stands on the wire.

    A chunk that begins where a frame may begin, and that is `frame_start`, such a payload and
    `frame_end`, is one frame; and where a chunk ends with `frame_end`, no frame is open. It ends
    in a line feed.
    """

    frame_end: ClassVar[bytes]

    @staticmethod
    def frame_start(event: str) -> bytes:
        """What stands before the payload in a frame of this type."""
        ...


class Recognizable(Protocol):
    """What a format may say beside that: how its bytes begin, so that a body shows its format.

    Without it, only the response's media type can say that a body is of this format.
    """

    @staticmethod
    def begins(head: bytes) -> bool:
        """Do these bytes begin a body of this format? Blank ones and a BOM stand no more in it.

        They may be few; false as long as they leave it open. No body of another format may begin
        like this.
        """
        ...
