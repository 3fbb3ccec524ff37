"""What is read before its turn: nobody can tell, however the bytes are cut and the events taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import pytest

from tokenwire import Cursor, Event, Frame, Signal, StreamParser, get_dialect
from tokenwire.testing._read import cut
from tokenwire.testing.laws import frame_cuts, read_slowly


def chat(text: str, rest: str = "") -> bytes:
    return b'data: {"id":"c","choices":[{"delta":{"content":"%s"%s}}]}\n\n' % (
        text.encode(),
        rest.encode(),
    )


def messages(text: str) -> bytes:
    delta = b'{"type":"text_delta","text":"%s"}' % text.encode()
    return (
        b"event: content_block_delta\n"
        b'data: {"type":"content_block_delta","index":0,"delta":%s}\n\n' % delta
    )


WORDS = ["a", "fox", "and", "a", "hen", "and", "another", "one"]
CHAT = [chat(word) for word in WORDS]
CHAT_END = [
    b'data: {"id":"c","choices":[{"delta":{},"finish_reason":"stop"}]}\n\n',
    b"data: [DONE]\n\n",
]
MESSAGES = [messages(word) for word in WORDS]
MESSAGES_BEGIN = [
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","model":"x"}}\n\n',
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\n',
]
MESSAGES_END = [
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n',
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n',
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
]
MALFORMED = b'id: 4\ndata: {"choices":[{\n\n'
WIRES: dict[str, tuple[str, Sequence[bytes]]] = {
    "chat": ("openai-chat", [*CHAT, *CHAT_END]),
    "chat, heartbeats between": (
        "openai-chat",
        [piece for one in CHAT for piece in (one, b": alive\n\n")] + CHAT_END,
    ),
    "chat, other chunks between": (
        "openai-chat",
        [*CHAT[:4], chat("b", ',"refusal":"no"'), *CHAT[4:], chat("\\ud83d"), *CHAT, *CHAT_END],
    ),
    "chat, an id comes late": (
        "openai-chat",
        [*CHAT[:4], b"id: 7\n" + CHAT[4], *CHAT[5:], *CHAT_END],
    ),
    "chat, an id without data": ("openai-chat", [*CHAT[:4], b"id: 7\n\n", *CHAT[4:], *CHAT_END]),
    "chat, an id before all": ("openai-chat", [b"id: 7\n" + CHAT[0], *CHAT[1:], *CHAT_END]),
    "chat, the first cannot be read": ("openai-chat", [MALFORMED, *CHAT, *CHAT_END]),
    "chat, one cannot be read": ("openai-chat", [*CHAT[:4], MALFORMED, *CHAT[4:], *CHAT_END]),
    "chat, a retry between": ("openai-chat", [*CHAT[:4], b"retry: 5\n" + CHAT[4], *CHAT[5:]]),
    "chat, an error": ("openai-chat", [*CHAT, b'data: {"error":{"message":"no"}}\n\n', *CHAT]),
    "chat, cut": ("openai-chat", [*CHAT, CHAT[0][:-2]]),
    "chat, cut inside": ("openai-chat", [*CHAT, CHAT[0][:-9]]),
    "chat, more after the end": ("openai-chat", [*CHAT, *CHAT_END, *CHAT]),
    "messages": ("anthropic-messages", [*MESSAGES_BEGIN, *MESSAGES, *MESSAGES_END]),
    "messages, cut": ("anthropic-messages", [*MESSAGES_BEGIN, *MESSAGES]),
}


# --- ways to take events ---


def at_once(parser: StreamParser, number: int) -> Iterator[Event]:
    yield from parser.events()


def one_by_one(parser: StreamParser, number: int) -> Iterator[Event]:
    while not isinstance(event := parser.next_event(), Signal):
        yield event


def by_turns(parser: StreamParser, number: int) -> Iterator[Event]:
    """One from an iterator, one by itself, the rest from the first iterator."""
    events = parser.events()
    yield from islice(events, 1)
    if not isinstance(event := parser.next_event(), Signal):
        yield event
    yield from events
    yield from one_by_one(parser, number)


def every_third_time(parser: StreamParser, number: int) -> Iterator[Event]:
    if number % 3 == 0:
        yield from parser.events()


def one_a_chunk(parser: StreamParser, number: int) -> Iterator[Event]:
    yield from islice(parser.events(), 1)


def only_at_the_end(parser: StreamParser, number: int) -> Iterator[Event]:
    yield from ()


WAYS = (at_once, one_by_one, by_turns, every_third_time, one_a_chunk, only_at_the_end)


def read(
    dialect: str,
    chunks: Sequence[bytes],
    take: Callable[[StreamParser, int], Iterator[Event]],
) -> tuple[list[tuple[str, Frame | None]], str, Cursor]:
    parser = StreamParser(dialect)
    events: list[Event] = []
    for number, chunk in enumerate(chunks):
        parser.receive_data(chunk)
        events += take(parser, number)
    parser.receive_eof()
    events += parser.events()
    assert parser.buffered == 0
    return [(repr(event), event.frame) for event in events], parser.state, parser.cursor


@pytest.mark.parametrize("name", WIRES)
def test_nobody_can_tell(name: str) -> None:
    """Against each byte by itself and a decoder that shows no envelope."""
    dialect, pieces = WIRES[name]
    wire = b"".join(pieces)
    slow = read_slowly(get_dialect(dialect), wire)
    shown = [(repr(event), frame) for event, frame in zip(slow.events, slow.frames, strict=True)]
    for cuts in ((), *frame_cuts(get_dialect(dialect), wire)):
        for take in WAYS:
            got = read(dialect, cut(wire, cuts), take)
            assert got == (shown, slow.state, slow.cursor), (take.__name__, cuts)


def asked(name: str) -> int:
    """How many frames the decoder is asked for, an event a chunk."""
    from msgspec.structs import replace

    dialect, pieces = WIRES[name]
    found = get_dialect(dialect)
    count = 0

    def counting() -> object:
        decoder = found.decoder()
        assert not callable(decoder)

        class Counting:
            envelope = getattr(decoder, "envelope", None)
            receive_eof = decoder.receive_eof

            @staticmethod
            def receive_frame(frame: Frame) -> Sequence[Event]:
                nonlocal count
                count += 1
                return decoder.receive_frame(frame)

        return Counting()

    parser = StreamParser(replace(found, decoder=counting))
    for piece in pieces:
        parser.receive_data(piece)
        list(parser.events())
    return count


def test_decoders_are_spared_until_a_frame_has_a_place() -> None:
    """Else the law above would hold for want of a shortcut."""
    chat = len(WIRES["chat"][1])
    assert asked("chat") < chat / 2
    assert asked("messages") < len(WIRES["messages"][1]) * 2 / 3
    assert asked("chat, an id before all") == chat
    assert asked("chat, the first cannot be read") == chat + 1
    late = asked("chat, an id comes late")
    assert len(WORDS) - 4 + len(CHAT_END) <= late < chat
