"""The public API as a type checker sees it from outside. Checked by mypy and pyright, both strict, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import assert_never, assert_type

import tokenwire
from tokenwire import (
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
    with tokenwire.iter_events(chunks, "sse", errors="yield") as events:
        assert_type(events, EventStream)
        for event in events:
            assert_type(event, Event)


async def aloop(chunks: AsyncIterator[bytes]) -> None:
    async with tokenwire.aiter_events(chunks, "sse") as events:
        assert_type(events, AsyncEventStream)
        async for event in events:
            assert_type(event, Event)


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
