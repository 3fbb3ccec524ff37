"""Bytes to frames: tokenwire's framer and the event-stream parsers of other packages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import bodies
from bodies import Body
from table import OURS, Demand, Row, geometric_mean
from timing import Contender, InPython, Scale, measure

from tokenwire import Limits
from tokenwire.framing.sse import SSEFramer

FAMILY = "Frames only"
LONG_LINE = "One long line"
AS_TEXT = "tokenwire, as text"
HEADERS = {"content-type": "text/event-stream; charset=utf-8"}
EACH, LARGE = "one event a chunk", "64 KiB chunks"
CUTS = {EACH: None, LARGE: 64 * 1024, "4 KiB chunks": 4 * 1024, "16-byte chunks": 16}


def rows(scale: Scale) -> Iterator[Row]:
    """OpenAI's chat in four cuts, other shapes in two of them, and what it comes to."""
    works = {cut: (bodies.openai_chat(scale.tokens), cut) for cut in CUTS}
    for shape, body in bodies.event_stream_shapes(scale.tokens).items():
        works |= {f"{shape}, {cut}": (body, cut) for cut in (EACH, LARGE)}
    done: list[Row] = []
    for work, (body, cut) in works.items():
        everyone = contenders(body, bodies.cut(body, CUTS[cut]))
        results = measure(everyone, len(body.frames), scale)
        demand = Demand(1.0, tuple(PEERS), faster=True)
        done.append(Row(FAMILY, work, "µs an event", results, [demand]))
        yield done[-1]
    if any(row.fastest(tuple(PEERS)) for row in done):
        yield geometric_mean(done, tuple(PEERS), 1.5)


def long_line_rows(scale: Scale) -> Iterator[Row]:
    """One event of 8 MiB, as generated images come."""
    body = bodies.one_line(scale.line)
    for cut in (1024, 16):
        # Some peers take minutes. Who falls behind on a piece of it falls further behind on all.
        piece = bodies.one_line(scale.line // 32)
        tried = measure(contenders(piece, bodies.cut(piece, cut)), 1, scale, slowest=5)
        chunks = bodies.cut(body, cut)
        everyone = [one for one in contenders(body, chunks) if tried[one.name].samples]
        results = tried | measure(everyone, 1000, scale)
        yield Row(
            LONG_LINE,
            f"{scale.line // 1024} KiB in chunks of {cut} bytes",
            "ms",
            {name: result for name, result in results.items() if name != AS_TEXT},
            [Demand(1.0, tuple(PEERS), faster=True)],
        )


def contenders(body: Body, chunks: Sequence[bytes]) -> list[Contender]:
    """Everyone who is installed, for this body in these chunks."""
    expected = [payload.decode() for payload in body.payloads]
    everyone: list[Contender] = [
        InPython(OURS, lambda: drain(chunks), expected, lambda: texts(frames(chunks))),
        InPython(AS_TEXT, lambda: drain_texts(chunks), expected, lambda: texts(frames(chunks))),
    ]
    for name, (module, read) in PEERS.items():
        if find_spec(module) is not None:
            everyone.append(peer(name, read, chunks, expected))
    return everyone


def texts(found: Iterator[Any]) -> list[str]:
    return [frame.text for frame in found if frame.data is not None]


def drain(chunks: Sequence[bytes]) -> int:
    """What is timed of tokenwire: feed a chunk, take its frames."""
    framer = SSEFramer(Limits())
    receive_data, found = framer.receive_data, framer.frames
    count = 0
    for chunk in chunks:
        receive_data(chunk)
        if found:
            for _ in found:
                count += 1
            found.clear()
    return count


def drain_texts(chunks: Sequence[bytes]) -> int:
    """The same with each payload as ``str``, which is what the peers give."""
    framer = SSEFramer(Limits())
    receive_data, found = framer.receive_data, framer.frames
    count = 0
    for chunk in chunks:
        receive_data(chunk)
        if found:
            for frame in found:
                _ = frame.text
                count += 1
            found.clear()
    return count


def frames(chunks: Sequence[bytes]) -> Iterator[Any]:
    framer = SSEFramer(Limits())
    for chunk in chunks:
        framer.receive_data(chunk)
        yield from framer.frames
        framer.frames.clear()


def peer(
    name: str,
    read: Callable[[Sequence[bytes]], Iterator[Any]],
    chunks: Sequence[bytes],
    expected: Sequence[str],
) -> Contender:
    def count() -> int:
        number = 0
        for _ in read(chunks):
            number += 1
        return number

    def found() -> list[str]:
        return [event.data for event in read(chunks) if hasattr(event, "data")]  # no comments

    return InPython(name, count, expected, found)


def read_httpx_sse(chunks: Sequence[bytes]) -> Iterator[Any]:
    import httpx
    import httpx_sse

    class Stream(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            return iter(chunks)

    response = httpx.Response(200, headers=HEADERS, stream=Stream())
    return httpx_sse.EventSource(response).iter_sse()


def read_httpx2(chunks: Sequence[bytes]) -> Iterator[Any]:
    import httpx2

    class Stream(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            return iter(chunks)

    request = httpx2.Request("GET", "http://benchmark.invalid")
    response = httpx2.Response(200, headers=HEADERS, stream=Stream(), request=request)
    return iter(httpx2.EventSource(response))


def read_launchdarkly(chunks: Sequence[bytes]) -> Iterator[Any]:
    from ld_eventsource.reader import _BufferedLineReader, _SSEReader

    return _SSEReader(_BufferedLineReader.lines_from(chunks)).events_and_comments()


def read_niquests(chunks: Sequence[bytes]) -> Iterator[Any]:
    from niquests.packages.urllib3.contrib.webextensions.sse import ServerSideEventExtensionFromHTTP

    # Stands for the urllib3.future response that it reads from.
    response = SimpleNamespace(
        _fp=SimpleNamespace(_dsa=None),
        _police_officer=None,
        stream=lambda amt, decode_content: (chunk for chunk in chunks),
    )
    extension = ServerSideEventExtensionFromHTTP()
    extension.start(response)
    return iter(extension.next_payload, None)


def read_openai(chunks: Sequence[bytes]) -> Iterator[Any]:
    from openai._streaming import SSEDecoder

    return SSEDecoder().iter_bytes(iter(chunks))


PEERS: dict[str, tuple[str, Callable[[Sequence[bytes]], Iterator[Any]]]] = {
    "httpx-sse": ("httpx_sse", read_httpx_sse),
    "httpx2": ("httpx2", read_httpx2),
    "launchdarkly-eventsource": ("ld_eventsource", read_launchdarkly),
    "niquests": ("niquests", read_niquests),
    "openai": ("openai", read_openai),
}
"""By distribution: the module that must be there, and how to read with it."""
