"""Bytes to typed events: tokenwire, the vendors' SDKs over a transport in memory, and the floor.

Each contender collects the texts of the answer's tokens in a list, which is then compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import msgspec
from bodies import Body
from timing import Contender, InPython

from tokenwire import StreamParser, Token

FLOOR = "floor"
RAW_STREAM = "anthropic SDK, raw stream"
MESSAGE_STREAM = "anthropic SDK, message stream"


def openai_contenders(body: Body, chunks: Sequence[bytes]) -> list[Contender]:
    everyone: list[Contender] = [
        InPython("tokenwire", partial(read_tokenwire, "openai-chat", chunks), body.texts),
        InPython(FLOOR, partial(read_floor, body.payloads), body.texts),
    ]
    if find_spec("openai") is not None:
        everyone.append(InPython("openai", read_openai(chunks), body.texts))
    return everyone


def anthropic_contenders(body: Body, chunks: Sequence[bytes]) -> list[Contender]:
    everyone: list[Contender] = [
        InPython("tokenwire", partial(read_tokenwire, "anthropic-messages", chunks), body.texts)
    ]
    if find_spec("anthropic") is not None:
        raw, message = read_anthropic(chunks)
        everyone.append(InPython(RAW_STREAM, raw, body.texts))
        everyone.append(InPython(MESSAGE_STREAM, message, body.texts))
    return everyone


def read_tokenwire(dialect: str, chunks: Sequence[bytes]) -> list[str]:
    texts: list[str] = []
    parser = StreamParser(dialect)
    for chunk in chunks:
        parser.receive_data(chunk)
        for event in parser.events():
            match event:
                case Token(text=text):
                    texts.append(text)
    parser.receive_eof()
    if list(parser.events()) or parser.state != "CLOSED":
        raise RuntimeError(f"the answer is not complete: {parser.state}")
    return texts


# --- the floor: what any typed token must cost, framing and everything else left out ---


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta


class _Chunk(msgspec.Struct):
    choices: list[_Choice]


class _Piece(msgspec.Struct, frozen=True, gc=False):
    text: str
    index: int = 0


def read_floor(payloads: Sequence[bytes]) -> list[str]:
    texts: list[str] = []
    decode = msgspec.json.Decoder(_Chunk).decode
    for payload in payloads:
        if payload != b"[DONE]":
            choices = decode(payload).choices
            if choices and choices[0].delta.content:
                texts.append(_Piece(choices[0].delta.content).text)
    return texts


# --- the SDKs. A client is made once for each row, a request for each pass. ---


def read_openai(chunks: Sequence[bytes]) -> Callable[[], list[str]]:
    from openai import OpenAI

    client = OpenAI(api_key="none", base_url=_URL, http_client=_client(chunks), max_retries=0)

    def read() -> list[str]:
        stream = client.chat.completions.create(
            model="gpt-4.1-mini", messages=[{"role": "user", "content": "Hello"}], stream=True
        )
        return [
            chunk.choices[0].delta.content
            for chunk in stream
            if chunk.choices and chunk.choices[0].delta.content
        ]

    return read


def read_anthropic(
    chunks: Sequence[bytes],
) -> tuple[Callable[[], list[str]], Callable[[], list[str]]]:
    from anthropic import Anthropic

    client = Anthropic(api_key="none", base_url=_URL, http_client=_client(chunks), max_retries=0)
    request: dict[str, Any] = {
        "model": "claude-haiku-4-5",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": "Hello"}],
    }

    def texts_of(stream: Any) -> list[str]:
        return [
            event.delta.text
            for event in stream
            if event.type == "content_block_delta" and event.delta.type == "text_delta"
        ]

    def raw() -> list[str]:
        return texts_of(client.messages.create(stream=True, **request))

    def message() -> list[str]:
        with client.messages.stream(**request) as stream:
            return texts_of(stream)

    return raw, message


_URL = "http://benchmark.invalid/v1"


def _client(chunks: Sequence[bytes]) -> Any:
    """An HTTP client whose every answer is these chunks."""
    import httpx2

    class Stream(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            return iter(chunks)

    class Transport(httpx2.BaseTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            headers = {"content-type": "text/event-stream; charset=utf-8"}
            return httpx2.Response(200, headers=headers, stream=Stream())

    return httpx2.Client(transport=Transport(), trust_env=False)
