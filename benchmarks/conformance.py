"""Event streams by the letter, against the peers: who reads what WHATWG says, however it is cut?

    python benchmarks/conformance.py            print the table
    python benchmarks/conformance.py --write    and put it into docs/conformance.md

Every row of `tests/framing/event_streams.py` goes through tokenwire and each installed peer: whole,
byte by byte, and cut in two at every place. A row is passed if all of these give the events
that the standard asks for: type, data and last event ID, as far as a peer shows them. The versions
are those of the lock file: ``uv sync --group conformance``.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "conformance.md"
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from tests.framing.event_streams import EVENT_STREAMS, EventStream  # noqa: E402

import framing  # noqa: E402
from tokenwire import Limits  # noqa: E402
from tokenwire.framing.sse import SSEFramer  # noqa: E402

Chunks = Sequence[bytes]
Read = Callable[[Chunks], Iterator[Any]]


class EndOfStreamError(Exception):
    """The peer would reconnect now."""


def read_tokenwire(chunks: Chunks) -> Iterator[Any]:
    framer = SSEFramer(Limits())
    for chunk in chunks:
        framer.receive_data(chunk)
    framer.receive_eof()
    return (f for f in framer.frames if f.data is not None and not f.unterminated)


def read_anthropic(chunks: Chunks) -> Iterator[Any]:
    from anthropic._streaming import SSEDecoder

    return SSEDecoder().iter_bytes(iter(chunks))


def httpx_response(chunks: Chunks) -> Any:
    import httpx

    class Stream(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            return iter(chunks)

    return httpx.Response(200, headers=framing.HEADERS, stream=Stream())


def read_cohere(chunks: Chunks) -> Iterator[Any]:
    from cohere.core.http_sse._api import EventSource

    return EventSource(httpx_response(chunks)).iter_sse()


def read_mistral(chunks: Chunks) -> Iterator[Any]:
    import json

    from mistralai.client.utils.eventstreaming import stream_events

    for event in stream_events(httpx_response(chunks), json.loads):
        data = event.get("data")
        # It decodes data that happens to be JSON; that much is its business.
        text = data if isinstance(data, str) else None if data is None else json.dumps(data)
        yield SimpleNamespace(event=event.get("event"), data=text, id=event.get("id"))


def read_genai(chunks: Chunks) -> Iterator[Any]:
    from google.genai._api_client import HttpResponse

    response = HttpResponse(framing.HEADERS, response_stream=httpx_response(chunks))
    for data in response._iter_response_stream():
        yield SimpleNamespace(data=data)


def read_sseclient(chunks: Chunks) -> Iterator[Any]:
    from sseclient import SSEClient

    return SSEClient(iter(chunks)).events()


def ends(*_: object) -> None:
    raise EndOfStreamError


def read_requests_sse(chunks: Chunks) -> Iterator[Any]:
    import requests
    from requests.adapters import BaseAdapter
    from requests_sse import EventSource

    class Served(BaseAdapter):
        def send(self, request: Any, **_: Any) -> Any:
            response = requests.Response()
            response.status_code, response.url = 200, request.url
            response.headers.update(framing.HEADERS)
            response.raw = SimpleNamespace(
                stream=lambda *_, **__: iter(chunks), close=lambda: None, release_conn=lambda: None
            )
            return response

        def close(self) -> None:
            pass

    session = requests.Session()
    session.mount("http://", Served())
    try:
        with EventSource("http://x/", session=session, on_error=ends) as source:
            for event in source:
                yield SimpleNamespace(event=event.type, data=event.data, id=event.last_event_id)
    except EndOfStreamError:
        pass


def read_aiohttp_sse_client(chunks: Chunks) -> Iterator[Any]:
    import aiohttp
    from aiohttp.base_protocol import BaseProtocol
    from aiohttp_sse_client.client import EventSource
    from yarl import URL

    async def run() -> list[Any]:
        loop = asyncio.get_running_loop()
        content = aiohttp.StreamReader(BaseProtocol(loop), 2**16, loop=loop)
        for chunk in chunks:
            content.feed_data(chunk)
        content.feed_eof()
        response = SimpleNamespace(
            status=200,
            content_type="text/event-stream",
            content=content,
            real_url=URL("http://x/"),
            close=lambda: None,
        )

        async def request(*_: object, **__: object) -> Any:
            return response

        source = EventSource("http://x/", session=SimpleNamespace(request=request), on_error=ends)
        await source.connect()
        found = []
        try:
            async for event in source:
                found.append(  # noqa: PERF401  # it ends in an exception
                    SimpleNamespace(event=event.message, data=event.data, id=event.last_event_id)
                )
        except EndOfStreamError:
            pass
        return found

    return iter(asyncio.run(run()))


PEERS: dict[str, Read] = {
    **{name: read for name, (_, read) in framing.PEERS.items()},
    "anthropic": read_anthropic,
    "cohere": read_cohere,
    "mistralai": read_mistral,
    "google-genai": read_genai,
    "sseclient-py": read_sseclient,
    "requests-sse": read_requests_sse,
    "aiohttp-sse-client": read_aiohttp_sse_client,
}


def outcome(row: EventStream, read: Read) -> str:
    """Empty where it is read as it should be, else what happened."""
    whole = attempt(row, [row.wire], read)
    if whole:
        return whole
    bytewise = [row.wire[at : at + 1] for at in range(len(row.wire))]
    cuts = [[row.wire[:at], row.wire[at:]] for at in range(1, len(row.wire))]
    if any(attempt(row, chunks, read) for chunks in [bytewise, *cuts[:600]]):
        return "when cut"
    return ""


def attempt(row: EventStream, chunks: Chunks, read: Read) -> str:
    found: list[Any] = []
    try:
        for event in read([chunk for chunk in chunks if chunk]):
            if getattr(event, "data", None) is not None:  # else a comment, or liveness
                found.append(event)
            if len(found) > len(row.messages) + 5:
                break
    except Exception as error:  # whatever a peer raises is its answer
        return f"raises {type(error).__name__}"
    same = len(found) == len(row.messages) and list(map(said, found, row.messages)) == row.messages
    return "" if same else "other events"


def said(event: Any, expected: Any) -> Any:
    """What a peer's event says, in the standard's terms; what it does not show counts as right."""
    kind, _, id = expected
    if hasattr(event, "event"):
        kind = event.event or "message"
    if isinstance(event.data, bytes):
        data = event.data.decode("utf-8", "replace")
    else:
        data = event.data
    if hasattr(event, "id"):
        id = event.id or (id and "")
    return kind, data, id


def table() -> str:
    """The page's part between the markers."""
    contenders: dict[str, Read] = {"tokenwire": read_tokenwire}
    for name, read in PEERS.items():
        try:
            contenders[f"{name} {version(name)}"] = read
        except PackageNotFoundError:
            print(f"{name} is not installed: left out", file=sys.stderr)
    rows: list[tuple[str, int, dict[str, int]]] = []
    for title, read in contenders.items():
        failed: dict[str, int] = {}
        for row in EVENT_STREAMS:
            how = outcome(row, read)
            if how:
                kind = f"{row.name.partition('-')[0]}: {how}"
                failed[kind] = failed.get(kind, 0) + 1
        rows.append((title, len(EVENT_STREAMS) - sum(failed.values()), failed))
        print(f"{title}: {rows[-1][1]} of {len(EVENT_STREAMS)}", file=sys.stderr)
    lines = [
        f"{len(EVENT_STREAMS)} rows, each whole, byte by byte, and cut in two at every place.",
        "",
        "| parser | passed | where it fails (rows) |",
        "| --- | ---: | --- |",
    ]
    for title, passed, failed in rows:
        where = ", ".join(f"{kind} ({count})" for kind, count in sorted(failed.items()))
        lines.append(f"| {title} | {passed} | {where or 'nowhere'} |")
    return "\n".join(lines)


def main() -> int:
    """Print the table, and write it into the page if asked to."""
    logging.disable()
    found = table()
    print(found)
    if "--write" in sys.argv[1:]:
        text = PAGE.read_text()
        marked = re.compile(
            r"(<!-- conformance:start -->\n).*?(\n<!-- conformance:end -->)", re.DOTALL
        )
        PAGE.write_text(marked.sub(lambda m: f"{m[1]}\n{found}\n{m[2]}", text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
