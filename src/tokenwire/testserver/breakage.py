"""What breaks below HTTP, on purpose: `tear` and `reset`."""

from __future__ import annotations

import os
import socket
import struct
from typing import Final

from anyio.abc import SocketAttribute, SocketStream

# Switched on, and zero seconds to linger: closing throws away what is unsent and sends an RST.
_RESET_AT_CLOSE: Final = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


async def reset(stream: SocketStream) -> None:
    """Close a connection by a TCP reset: its client reads an error, and not the end of a body."""
    raw: socket.socket = stream.extra(SocketAttribute.raw_socket)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
    await stream.aclose()


async def tear(stream: SocketStream, data: bytes, *, chunked: bool) -> None:
    """Send the first half of a chunk that is announced in full.

    Args:
        stream: The connection.
        data: The chunk.
        chunked: The body is sent in chunks; otherwise there is nothing to announce.
    """
    head = b"%x\r\n" % max(2, len(data)) if chunked else b""
    await stream.send(head + data[: len(data) // 2])
