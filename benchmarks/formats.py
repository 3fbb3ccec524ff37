"""Formats other than event streams, and the way back: JSON Lines, Amazon's frames, encoding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec

import bodies
import msgspec
from table import OURS, Demand, Row
from timing import Contender, InPython, Scale, measure
from tokens import read_tokenwire

from framing import CUTS, EACH, LARGE
from tokenwire import Frame, Limits
from tokenwire.framing.awsevents import AWSEventsFramer
from tokenwire.framing.jsonlines import JSONLinesFramer
from tokenwire.framing.sse import SSEFramer

JSON_LINES = "JSON Lines"
AWS = "AWS frames"
ENCODING = "Encoding a frame"
LOOP = "splitlines and msgspec"
BOTOCORE = "botocore"
FASTAPI = "fastapi"


# --- JSON Lines ---


class _Message(msgspec.Struct):
    content: str = ""


class _Line(msgspec.Struct):
    message: _Message


def json_lines_rows(scale: Scale) -> Iterator[Row]:
    body = bodies.ollama_chat(scale.tokens)
    chunks, data = bodies.cut(body, CUTS[LARGE]), body.data
    decode, decode_typed = msgspec.json.Decoder().decode, msgspec.json.Decoder(_Line).decode

    def ours() -> list[object]:
        framer = JSONLinesFramer(Limits())
        receive_data, found = framer.receive_data, framer.frames
        values: list[object] = []
        for chunk in chunks:
            receive_data(chunk)
            values += [decode(frame.data) for frame in found if frame.data is not None]
            found.clear()
        return values

    def loop() -> list[object]:
        return [decode(line) for line in data.splitlines()]

    def typed_loop() -> list[str]:
        texts: list[str] = []
        for line in data.splitlines():
            text = decode_typed(line).message.content
            if text:
                texts.append(text)
        return texts

    values = [decode(payload) for payload in body.payloads]
    read = partial(read_tokenwire, "ollama-chat", chunks)
    works: dict[str, list[Contender]] = {
        f"frames, each decoded to a dict, {LARGE}": [
            InPython(OURS, ours, values),
            InPython(LOOP, loop, values),
        ],
        f"typed tokens, Ollama chat, {LARGE}": [
            InPython(OURS, read, body.texts),
            InPython(LOOP, typed_loop, body.texts),
        ],
    }
    for work, everyone in works.items():
        results = measure(everyone, len(body.frames), scale)
        # That the loop is the floor of frames is plain; events are more than it gives.
        demands = [Demand(1.5, (LOOP,))] if work.startswith("frames") else []
        yield Row(JSON_LINES, work, "µs a line", results, demands)


# --- Amazon's event streams ---


def aws_rows(scale: Scale) -> Iterator[Row]:
    body = bodies.bedrock_converse(scale.tokens)
    for cut in (EACH, LARGE):
        chunks = bodies.cut(body, CUTS[cut])
        everyone: list[Contender] = [
            InPython(OURS, partial(read_aws, chunks), body.payloads),
        ]
        if find_spec(BOTOCORE) is not None:
            everyone.append(InPython(BOTOCORE, partial(read_botocore, chunks), body.payloads))
        results = measure(everyone, len(body.frames), scale)
        yield Row(AWS, cut, "µs a frame", results, [Demand(5.0, (BOTOCORE,), faster=True)])


def read_aws(chunks: Sequence[bytes]) -> list[bytes | None]:
    framer = AWSEventsFramer(Limits())
    receive_data, found = framer.receive_data, framer.frames
    frames: list[Frame] = []
    for chunk in chunks:
        receive_data(chunk)
        if found:
            frames += found
            found.clear()
    return [frame.data for frame in frames]


def read_botocore(chunks: Sequence[bytes]) -> list[bytes]:
    from botocore.eventstream import EventStreamBuffer

    buffer = EventStreamBuffer()
    payloads: list[bytes] = []
    for chunk in chunks:
        buffer.add_data(chunk)
        payloads += [message.payload for message in buffer]
    return payloads


# --- encoding ---


def encoding_rows(scale: Scale) -> Iterator[Row]:
    """From the text of one payload to its bytes on the wire; FastAPI takes a text."""
    chat, named = bodies.openai_chat(scale.tokens), bodies.anthropic_messages(scale.tokens)
    events = [msgspec.json.decode(payload)["type"] for payload in named.payloads]
    texts = [payload.decode() for payload in chat.payloads]
    named_texts = [payload.decode() for payload in named.payloads]
    encode = SSEFramer.encode

    def ours() -> list[bytes]:
        return [encode(Frame(text.encode())) for text in texts]

    def ours_named() -> list[bytes]:
        return [
            encode(Frame(text.encode(), event))
            for text, event in zip(named_texts, events, strict=True)
        ]

    works: dict[str, tuple[bodies.Body, Callable[[], list[bytes]], list[str] | None]] = {
        "data only": (chat, ours, None),
        "data and event type": (named, ours_named, events),
    }
    for work, (body, write, types) in works.items():
        everyone: list[Contender] = [InPython(OURS, write, body.frames)]
        if find_spec(FASTAPI) is not None:
            everyone.append(InPython(FASTAPI, write_fastapi(body, types), body.frames))
        results = measure(everyone, len(body.frames), scale)
        yield Row(ENCODING, work, "µs a frame", results, [Demand(1.0, (FASTAPI,), faster=True)])


def write_fastapi(body: bodies.Body, events: Sequence[str] | None) -> Callable[[], list[bytes]]:
    from fastapi.sse import format_sse_event

    texts = [payload.decode() for payload in body.payloads]
    if events is None:
        return lambda: [format_sse_event(data_str=text) for text in texts]
    return lambda: [
        format_sse_event(data_str=text, event=event)
        for text, event in zip(texts, events, strict=True)
    ]
