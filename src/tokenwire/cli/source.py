"""Where a stream comes from: a URL, a file or standard input."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from io import BufferedReader
from typing import Final

import click
from msgspec import Struct

from tokenwire import __version__
from tokenwire.dialects import Dialect
from tokenwire.drive import EventStream, iter_events
from tokenwire.errors import StreamError
from tokenwire.events import Error, ErrorKind

CHUNK = 64 * 1024


class Call(Struct, frozen=True, kw_only=True):
    """The request to send to a URL.

    Attributes:
        method: The method; ``None``: POST with data, else GET.
        headers: Names and values, over the command's own.
        data: The body.
        location: Follow redirects.
        timeout: Seconds of silence to bear.
    """

    method: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    data: bytes | None = None
    location: bool = False
    timeout: float = 60.0


def is_url(source: str) -> bool:
    """Is this a URL, and not the name of a file?"""
    return source.lower().startswith(("http://", "https://"))


def open_file(source: str) -> BufferedReader:
    """A file's bytes, or those of standard input for ``-``, as they come.

    Raises:
        click.UsageError: It cannot be opened.
    """
    if source == "-":
        if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]
            raise click.UsageError("standard input is closed")
        return sys.stdin.buffer  # type: ignore[return-value]
    try:
        return open(source, "rb")
    except OSError as error:
        raise click.UsageError(f"cannot open {source}: {error.strerror}") from None


@contextmanager
def read_file(source: str, dialect: Dialect | str) -> Generator[EventStream, None, None]:
    """The events of a file."""
    with open_file(source) as file:
        # `read1` gives what a pipe has; `read` would wait until a chunk is full.
        yield iter_events(iter(lambda: file.read1(CHUNK), b""), dialect, errors="yield")


@contextmanager
def read_url(url: str, dialect: Dialect | str, call: Call) -> Generator[EventStream, None, None]:
    """The events of a response.

    Raises:
        click.UsageError: There can be no such request.
        StreamError: No response came.
    """
    import httpx

    from tokenwire.adapters.httpx import iter_events as from_response

    method = call.method or ("GET" if call.data is None else "POST")
    with httpx.Client(timeout=call.timeout, follow_redirects=call.location) as client:
        try:
            request = client.build_request(
                method, url, headers=_headers(dialect, call), content=call.data
            )
            response = client.send(request, stream=True)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            raise click.UsageError(f"this request cannot be sent: {error}") from None
        except httpx.TimeoutException:
            said = f"no answer came within {call.timeout:g} seconds"
            raise _no_response("timeout", said) from None
        except httpx.TooManyRedirects as error:
            raise _no_response("http", str(error)) from None
        except httpx.RequestError as error:
            # Not the whole URL: some services take their key there.
            place = httpx.URL(url).netloc.decode("ascii", "replace").rpartition("@")[2]
            said = f"cannot connect to {place}: {str(error) or type(error).__name__}"
            raise _no_response("transport", said) from None
        with from_response(response, dialect, errors="yield") as events:
            yield events


def _no_response(kind: ErrorKind, message: str) -> StreamError:
    return StreamError(Error(kind, message))


_STREAMS: Final = ("text/event-stream", "application/x-ndjson", "application/json")


def _headers(dialect: Dialect | str, call: Call) -> list[tuple[bytes, bytes]]:
    given = {name.lower() for name, _ in call.headers}
    media_types = _STREAMS if isinstance(dialect, str) else dialect.media_types
    headers = {
        "accept": ", ".join((*media_types, "*/*;q=0.1")),
        # Compressed streams come in bursts: a compressor waits for more to compress.
        "accept-encoding": "identity",
        "user-agent": f"tokenwire/{__version__}",
    }
    if call.data is not None:
        headers["content-type"] = "application/json"
    own = [(name, value) for name, value in headers.items() if name not in given]
    return [(name.encode(), value.encode()) for name, value in (*own, *call.headers)]
