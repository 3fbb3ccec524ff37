"""Bytes to frames: tokenwire's framer and the event-stream parsers of other packages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

from bodies import Body
from timing import Contender, InPython

from tokenwire import Limits
from tokenwire.framing.sse import SSEFramer

AS_TEXT = "tokenwire, as text"
HEADERS = {"content-type": "text/event-stream; charset=utf-8"}


def contenders(body: Body, chunks: Sequence[bytes]) -> list[Contender]:
    """Everyone who is installed, for this body in these chunks."""
    expected = [payload.decode() for payload in body.payloads]
    everyone: list[Contender] = [
        InPython(
            "tokenwire", lambda: drain(chunks), expected, lambda: [f.text for f in frames(chunks)]
        ),
        InPython(AS_TEXT, lambda: drain_texts(chunks), expected),
    ]
    for name, (module, read) in PEERS.items():
        if find_spec(module) is not None:
            everyone.append(peer(name, read, chunks, expected))
    return everyone


def drain(chunks: Sequence[bytes]) -> int:
    """What is timed of tokenwire: feed a chunk, take its frames."""
    framer = SSEFramer(Limits())
    receive_data, found = framer.receive_data, framer.frames
    count = 0
    for chunk in chunks:
        receive_data(chunk)
        while found:
            found.popleft()
            count += 1
    return count


def drain_texts(chunks: Sequence[bytes]) -> list[str]:
    """The same with each payload as ``str``, which is what the peers give."""
    framer = SSEFramer(Limits())
    receive_data, found = framer.receive_data, framer.frames
    texts: list[str] = []
    for chunk in chunks:
        receive_data(chunk)
        while found:
            texts.append(found.popleft().text)
    return texts


def frames(chunks: Sequence[bytes]) -> Iterator[Any]:
    framer = SSEFramer(Limits())
    for chunk in chunks:
        framer.receive_data(chunk)
        while framer.frames:
            yield framer.frames.popleft()


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

    return InPython(name, count, expected, lambda: [event.data for event in read(chunks)])


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
