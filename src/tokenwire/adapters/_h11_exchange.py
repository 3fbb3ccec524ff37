"""One HTTP/1.1 request and its response, by h11 over a byte stream of anyio."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Final
from urllib.parse import quote, urlsplit

import anyio
import h11
from anyio.abc import ByteReceiveStream

from tokenwire.adapters._decode import SIZE, Decoder, UndecodableError
from tokenwire.adapters._request import as_bytes
from tokenwire.request import PORTS, Request
from tokenwire.transport import Failures, Head


class UnreachableError(ConnectionError):
    """There is no connection to the host, and so nothing was sent."""


# OSError: what TLS raises for a broken record. A TimeoutError comes from streams that have one.
FAILURES: Final = Failures(
    (
        h11.ProtocolError,
        anyio.BrokenResourceError,
        anyio.ClosedResourceError,
        zlib.error,
        OSError,
        ValueError,  # of a name that cannot be looked up
    ),
    malformed=(UndecodableError,),
    unsent=(UnreachableError,),
)
_GOODBYE: Final = 0.1  # seconds that TLS has for it: a peer that does not answer holds nobody
_MAX_HEAD: Final = 100 * 1024  # of a response, in bytes; as much as httpcore takes
_OURS: Final = frozenset({"connection", "content-length", "transfer-encoding"})
_IN_TARGETS: Final = "".join(map(chr, range(0x21, 0x7F)))  # all else is percent-encoded


def write(request: Request) -> tuple[h11.Connection, bytes]:
    """A connection that serves this request alone, and what to send on it.

    Raises:
        ValueError: This cannot be sent.
    """
    parts = urlsplit(request.url)
    host = parts.hostname or ""
    if "@" in parts.netloc or not parts.netloc.isascii():
        raise ValueError("the URL must name its host in ASCII, and no user: use Authorization")
    given = {name.lower() for name, _ in request.headers}
    if refused := _OURS & given:
        raise ValueError(f"these headers are sent as they must be: {', '.join(sorted(refused))}")
    place = f"[{host}]" if ":" in host else host
    if parts.port not in (None, PORTS[parts.scheme]):
        place += f":{parts.port}"
    defaults = {
        "Host": place,
        "Accept": "*/*",
        "User-Agent": "tokenwire",
    }
    fields = [(name, value) for name, value in defaults.items() if name.lower() not in given]
    fields += request.headers
    fields.append(("Connection", "close"))
    if request.body or request.method not in ("GET", "HEAD"):
        fields.append(("Content-Length", str(len(request.body or b""))))
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
    try:
        begun = h11.Request(
            method=request.method,
            target=quote(target, safe=_IN_TARGETS),
            headers=[(name.encode(), as_bytes(value.strip(" \t"))) for name, value in fields],
        )
    except h11.LocalProtocolError as error:
        raise ValueError(f"HTTP has no such request: {error}") from error
    message = (begun, h11.Data(data=request.body or b""), h11.EndOfMessage())
    return connection, b"".join(connection.send(part) or b"" for part in message)


class Exchange:
    """The response on a connection whose request was sent: its head, then its body by pieces.

    A read that was cancelled may be called again.

    Args:
        connection: The client's side.
        stream: Where the response's bytes come from.
    """

    def __init__(self, connection: h11.Connection, stream: ByteReceiveStream) -> None:
        self._connection = connection
        self._stream = stream
        self._decoder = Decoder("")
        self._pieces: Iterator[bytes] = iter(())
        self._left = False

    async def head(self) -> Head:
        """The response's head, after informational ones; the fields of one name are joined."""
        while not isinstance(event := await self._next_event(), h11.Response):
            pass
        headers: dict[str, str] = {}
        for raw, value in event.headers:
            name, said = raw.decode(), value.decode("latin-1")
            headers[name] = f"{headers[name]}, {said}" if name in headers else said
        self._decoder = Decoder(headers.get("content-encoding", ""))
        return Head(event.status_code, headers)

    async def read(self) -> bytes | None:
        """The next piece of the body, decoded; ``None``: it ended."""
        while (piece := next(self._pieces, None)) is None:
            event = await self._next_event()
            if not isinstance(event, h11.Data):
                return None
            self._pieces = self._decoder.decode(event.data)
        return piece

    async def _next_event(self) -> h11.Event | type[h11.NEED_DATA | h11.PAUSED]:
        while (event := self._connection.next_event()) is h11.NEED_DATA:
            try:
                data = await self._stream.receive(SIZE)
            except anyio.EndOfStream:
                data = b""
            self._connection.receive_data(data)
        return event

    async def close(self, wait: float = 0.0) -> None:
        """Close the stream, unless both sides have come to their end and may go on.

        Args:
            wait: Seconds for the body's end to come, where nothing but that is missing.
        """
        if self._left:  # the connection may serve the next request by now
            return
        self._left = True
        connection = self._connection
        try:
            # h11 is not DONE but MUST_CLOSE where either side has said that it will close.
            if wait and connection.our_state is h11.DONE:
                with anyio.move_on_after(wait), suppress(*FAILURES.all):
                    while await self.read() is not None:
                        pass
        finally:
            if not connection.our_state is connection.their_state is h11.DONE:
                with anyio.move_on_after(_GOODBYE, shield=True), suppress(*FAILURES.lost):
                    await self._stream.aclose()
