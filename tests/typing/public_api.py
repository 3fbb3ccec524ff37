"""The public API as a type checker sees it from outside. Checked by mypy and pyright, both strict, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, assert_never, assert_type

import aiohttp
import httpx

import tokenwire
from tokenwire import (
    Answer,
    AsyncAnswer,
    AsyncEventStream,
    Choice,
    CompletedCall,
    Completion,
    Cursor,
    Data,
    Dialect,
    Done,
    Error,
    Event,
    EventStream,
    Finished,
    Frame,
    Heartbeat,
    Limits,
    Opened,
    Reasoning,
    Reconnecting,
    Recovery,
    Refusal,
    Reset,
    Signal,
    Started,
    State,
    StreamEncoder,
    StreamParser,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.adapters import aiohttp as aiohttp_adapter
from tokenwire.adapters import h11 as h11_adapter
from tokenwire.adapters import httpx as httpx_adapter


def parse(body: bytes) -> str:
    parser = StreamParser("openai-chat", limits=Limits(max_event_size=1024))
    parser.receive_response(200, {"content-type": "text/event-stream"})
    parser.receive_data(body)
    parser.receive_data(bytearray(body))
    parser.receive_data(memoryview(body))
    parser.receive_eof()
    assert_type(parser.next_event(), Event | Signal)
    assert_type(parser.events(), Iterator[Event])
    assert_type(parser.state, State)
    assert_type(parser.cursor, Cursor)
    assert_type(parser.buffered, int)
    text = ""
    for event in parser.events():
        match event:
            case Token(text=piece, index=0):
                assert_type(piece, str)
                text += piece
            case ToolCall(arguments=arguments, complete=complete):
                assert_type(arguments, str)
                assert_type(complete, bool)
            case Usage(input_tokens=count):
                assert_type(count, int | None)
            case Error(recovery=recovery, retry_after=retry_after):
                assert_type(recovery, Recovery)
                assert_type(retry_after, float | None)
            case Done():
                return text
            case _:
                pass
    return text


def name_of(event: Event) -> str:
    """Each class has a case: `assert_never` is an error of both checkers if one has not."""
    match event:
        case Started() | Token() | Reasoning() | Refusal() | ToolCall() | Data():
            return type(event).__name__
        case Usage() | Finished() | Reset() | Heartbeat() | Reconnecting() | Opened():
            return type(event).__name__
        case Unknown():
            assert_type(event.frame, Frame | None)
            return "unknown"
        case Error(fatal=fatal):
            assert_type(fatal, bool)
            return "error"
        case Done():
            return "done"
        case _:
            assert_never(event)


def narrowed(value: object) -> Frame | None:
    return value.frame if isinstance(value, Event) else None


def encode() -> bytes:
    return StreamEncoder(tokenwire.get_dialect("sse")).send(Token("Hi"))


def fold(events: Iterator[Event]) -> str:
    completion = Completion.from_events(events)
    assert_type(completion.choices, list[Choice])
    assert_type(completion.choices[0].tool_calls, list[CompletedCall])
    return completion.text


def loop(chunks: list[bytes]) -> None:
    with tokenwire.iter_events(chunks, "sse", errors="yield", close=print) as events:
        assert_type(events, EventStream)
        for event in events:
            assert_type(event, Event)
        assert_type(events.completion, Completion)
        assert_type(events.state, State)
        assert_type(events.text_stream(), Iterator[str])
        events.close(complete=False)
    tokenwire.iter_events(b"data: Hi\n\n", "sse")


async def aloop(chunks: AsyncIterator[bytes]) -> None:
    async with tokenwire.aiter_events(chunks, "sse") as events:
        assert_type(events, AsyncEventStream)
        async for event in events:
            assert_type(event, Event)
        assert_type(events.completion, Completion)
        assert_type(events.state, State)
        async for text in events.text_stream():
            assert_type(text, str)
        await events.aclose(complete=False)


def ask(client: httpx.Client) -> None:
    with httpx_adapter.stream(
        client, "POST", "/x", dialect="openai-chat", params={"a": 1}, json={}, deadlines=None
    ) as answer:
        assert_type(answer, Answer)
        for event in answer:
            assert_type(event, Event)
        assert_type(answer.completion, Completion)
        assert_type(answer.state, State)
        assert_type(answer.text_stream(), Iterator[str])
        assert_type(answer.completion.choices[0].to_message(), dict[str, Any])
    # What it does not take is told by type checkers as well.
    httpx_adapter.stream(client, "POST", "/x", dialect="sse", timeout=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def aask(
    client: httpx.AsyncClient, session: aiohttp.ClientSession, own: h11_adapter.Client
) -> None:
    for answer in (
        httpx_adapter.astream(client, "POST", "/x", dialect="sse", data={"a": "b"}),
        aiohttp_adapter.astream(session, "POST", "http://a/", dialect="sse", content=b""),
        h11_adapter.astream(own, "POST", "http://a/", dialect="sse", params=[("a", "b")]),
    ):
        assert_type(answer, AsyncAnswer)
        async for text in answer.text_stream():
            assert_type(text, str)
        await answer.aclose(complete=True)


def relay(event: Event) -> bytes:
    encoder = StreamEncoder("sse", unsayable="skip")
    assert_type(encoder.can_say(event), bool)
    return encoder.send(event)


def decode(frame: Frame) -> Sequence[Event]:
    return (Token(frame.text, frame=frame),)


def own_dialect() -> Dialect:
    sse = tokenwire.get_dialect("sse")
    return Dialect(
        name="mine",
        framer=sse.framer,
        decoder=lambda: decode,
        terminator="nothing",
    )
