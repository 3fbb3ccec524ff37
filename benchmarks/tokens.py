"""Bytes to typed events: tokenwire, the vendors' SDKs over a transport in memory, and the floor.

Each contender collects the texts of the answer's tokens in a list, which is then compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from importlib.util import find_spec
from typing import Any

import bodies
import msgspec
import node
from bodies import Body
from table import OURS, Demand, Row
from timing import Contender, InPython, Scale, measure

from framing import CUTS, EACH, HEADERS, LARGE
from tokenwire import StreamParser, Token

OPENAI = "Typed tokens, OpenAI chat"
ANTHROPIC = "Typed events, Anthropic messages"
FLOOR = "floor"
OPENAI_SDK = "openai SDK"
RAW_STREAM = "anthropic SDK, raw stream"
MESSAGE_STREAM = "anthropic SDK, message stream"
UNIT = "µs an event"

QUESTION: dict[str, Any] = {
    "model": "gpt-4.1-mini",
    "messages": [{"role": "user", "content": "Hello"}],
}
OVER_FLOOR = {LARGE: 2.0, EACH: 3.5}
OVER_NODE = {LARGE: 1.0, EACH: 1.3}
SDK_DEMAND = Demand(60.0, (OPENAI_SDK,), faster=True)
ANTHROPIC_DEMANDS = (
    Demand(10.0, (RAW_STREAM,), faster=True),
    Demand(25.0, (MESSAGE_STREAM,), faster=True),
)


def openai_rows(scale: Scale, machine: node.Node) -> Iterator[Row]:
    body = bodies.openai_chat(scale.tokens)
    for cut, size in CUTS.items():
        chunks = bodies.cut(body, size)
        everyone = openai_contenders(body, chunks)
        if not machine.missing:
            everyone.append(machine.contender(chunks, body.texts))
        demands: list[Demand] = []
        if cut in OVER_FLOOR:
            over_node = Demand(OVER_NODE[cut], (node.NAME,))
            demands = [Demand(OVER_FLOOR[cut], (FLOOR,)), over_node, SDK_DEMAND]
        yield Row(OPENAI, cut, UNIT, measure(everyone, len(body.frames), scale), demands)
    recorded = bodies.recorded("openai", "openai-chat")
    yield from recorded_rows(
        OPENAI,
        recorded,
        scale,
        "openai-chat",
        {FLOOR: floor_of_openai, OPENAI_SDK: open_openai},
        {cut: (Demand(OVER_FLOOR[cut], (FLOOR,)), SDK_DEMAND) for cut in OVER_FLOOR},
    )


def anthropic_rows(scale: Scale) -> Iterator[Row]:
    body = bodies.anthropic_messages(scale.tokens)
    for cut, size in CUTS.items():
        everyone = anthropic_contenders(body, bodies.cut(body, size))
        demands = ANTHROPIC_DEMANDS if cut in (EACH, LARGE) else ()
        yield Row(ANTHROPIC, cut, UNIT, measure(everyone, len(body.frames), scale), demands)
    recorded = bodies.recorded("anthropic", "anthropic-messages")
    yield from recorded_rows(
        ANTHROPIC,
        recorded,
        scale,
        "anthropic-messages",
        {FLOOR: floor_of_anthropic, RAW_STREAM: open_raw, MESSAGE_STREAM: open_message},
        dict.fromkeys((LARGE, EACH), ANTHROPIC_DEMANDS),
    )


Read = Callable[[], list[str]]
Open = Callable[[Body, Sequence[bytes]], Read]


def recorded_rows(
    family: str,
    recorded: Sequence[Body],
    scale: Scale,
    dialect: str,
    others: dict[str, Open],
    demands: dict[str, Sequence[Demand]],
) -> Iterator[Row]:
    """Recorded answers, one after the other, each with a parser or a stream of its own."""
    if scale.quick:
        recorded = recorded[:3]
    if not recorded:
        return

    def one_by_one(open_: Open, cut: str) -> Read:
        opened = [open_(body, bodies.cut(body, CUTS[cut])) for body in recorded]
        return lambda: ["".join(read()) for read in opened]

    openers = {OURS: lambda _, chunks: partial(read_tokenwire, dialect, chunks)} | others
    expected = ["".join(body.texts) for body in recorded]
    events = sum(len(body.frames) for body in recorded)
    for cut, asked in demands.items():
        everyone = [
            InPython(name, one_by_one(opener, cut), expected)
            for name, opener in openers.items()
            if name in (OURS, FLOOR) or find_spec(name.partition(" ")[0]) is not None
        ]
        work = f"{len(recorded)} recorded answers, {cut}"
        yield Row(family, work, UNIT, measure(everyone, events, scale), asked)


def openai_contenders(body: Body, chunks: Sequence[bytes]) -> list[Contender]:
    everyone: list[Contender] = [
        InPython(OURS, partial(read_tokenwire, "openai-chat", chunks), body.texts),
        InPython(FLOOR, floor_of_openai(body), body.texts),
    ]
    if find_spec("openai") is not None:
        everyone.append(InPython(OPENAI_SDK, ask_openai(chunks), body.texts))
    return everyone


def anthropic_contenders(body: Body, chunks: Sequence[bytes]) -> list[Contender]:
    everyone: list[Contender] = [
        InPython(OURS, partial(read_tokenwire, "anthropic-messages", chunks), body.texts),
        InPython(FLOOR, floor_of_anthropic(body), body.texts),
    ]
    if find_spec("anthropic") is not None:
        raw, message = ask_anthropic(chunks)
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


class _Block(msgspec.Struct):
    text: str | None = None


class _Event(msgspec.Struct):
    delta: _Block | None = None


class _Piece(msgspec.Struct, frozen=True, gc=False):
    text: str
    index: int = 0


def floor_of_openai(body: Body, _: object = None) -> Read:
    payloads = [payload for payload in body.payloads if payload != b"[DONE]"]
    decode = msgspec.json.Decoder(_Chunk).decode

    return lambda: [
        _Piece(choice.delta.content).text
        for payload in payloads
        for choice in decode(payload).choices
        if choice.delta.content
    ]


def floor_of_anthropic(body: Body, _: object = None) -> Read:
    decode = msgspec.json.Decoder(_Event).decode

    return lambda: [
        _Piece(delta.text).text
        for payload in body.payloads
        if (delta := decode(payload).delta) is not None and delta.text
    ]


# --- the SDKs ---


def ask_openai(chunks: Sequence[bytes]) -> Read:
    """A client is made once for each row, a request for each pass."""
    from openai import OpenAI

    client = OpenAI(api_key="none", base_url=_URL, http_client=_client(chunks), max_retries=0)

    def read() -> list[str]:
        return texts_of_openai(client.chat.completions.create(stream=True, **QUESTION))

    return read


def texts_of_openai(stream: Any) -> list[str]:
    return [
        choice.delta.content for chunk in stream for choice in chunk.choices if choice.delta.content
    ]


def ask_anthropic(chunks: Sequence[bytes]) -> tuple[Read, Read]:
    from anthropic import Anthropic

    client = Anthropic(api_key="none", base_url=_URL, http_client=_client(chunks), max_retries=0)
    request = QUESTION | {"max_tokens": 4096}

    def raw() -> list[str]:
        return texts_of_anthropic(client.messages.create(stream=True, **request))

    def message() -> list[str]:
        with client.messages.stream(**request) as stream:
            return texts_of_anthropic(stream)

    return raw, message


def texts_of_anthropic(stream: Any) -> list[str]:
    return [
        event.delta.text
        for event in stream
        if event.type == "content_block_delta" and event.delta.type == "text_delta"
    ]


# Recorded answers are short: with a request for each, the time of requests would be measured.


def open_openai(body: Body, chunks: Sequence[bytes]) -> Read:
    from openai import Stream
    from openai.types.chat import ChatCompletionChunk

    def read() -> list[str]:
        response, client = _response(chunks), _openai_client()
        return texts_of_openai(
            Stream(cast_to=ChatCompletionChunk, response=response, client=client)
        )

    return read


def open_raw(body: Body, chunks: Sequence[bytes]) -> Read:
    return lambda: texts_of_anthropic(_anthropic_stream(chunks))


def open_message(body: Body, chunks: Sequence[bytes]) -> Read:
    from anthropic import NOT_GIVEN
    from anthropic.lib.streaming import MessageStream

    return lambda: texts_of_anthropic(MessageStream(_anthropic_stream(chunks), NOT_GIVEN))


@cache
def _openai_client() -> Any:
    from openai import OpenAI

    return OpenAI(api_key="none", base_url=_URL)


@cache
def _anthropic_client() -> Any:
    from anthropic import Anthropic

    return Anthropic(api_key="none", base_url=_URL)


def _anthropic_stream(chunks: Sequence[bytes]) -> Any:
    from anthropic import Stream
    from anthropic.types import RawMessageStreamEvent

    return Stream(
        cast_to=RawMessageStreamEvent, response=_response(chunks), client=_anthropic_client()
    )


_URL = "http://benchmark.invalid/v1"


def _response(chunks: Sequence[bytes]) -> Any:
    import httpx2

    class Stream(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            return iter(chunks)

    return httpx2.Response(
        200, headers=HEADERS, stream=Stream(), request=httpx2.Request("POST", _URL)
    )


def _client(chunks: Sequence[bytes]) -> Any:
    """An HTTP client whose every answer is these chunks."""
    import httpx2

    class Transport(httpx2.BaseTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            return _response(chunks)

    return httpx2.Client(transport=Transport(), trust_env=False)
