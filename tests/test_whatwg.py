"""The WHATWG text in every point, through ``StreamParser("event-stream")``, in every cut."""

from __future__ import annotations

import random
from functools import partial

import pytest
from tests.cuts import (
    bytewise,
    in_every_cut,
    in_pieces,
    random_cuts,
    read_response,
    whole,
)
from tests.effort import tries
from tests.framing.event_streams import BOM, EVENT_STREAMS, Message, message
from tests.reading import read

from tokenwire import Data, Error, Event, Recovery, State, StreamParser

read_event_stream = partial(read, dialect="event-stream")


def messages(events: list[Event]) -> list[Message]:
    """What an EventSource would dispatch."""
    return [
        message(event.value, event.kind, event.frame.id)
        for event in events
        if isinstance(event, Data)
    ]


def test_event_streams() -> None:
    for stream in EVENT_STREAMS:
        outcome = in_every_cut(read_event_stream, stream.wire)

        assert messages(outcome.events) == stream.messages, stream.name
        assert outcome.cursor.value == stream.last_id, stream.name
        assert outcome.retry == stream.retry, stream.name


def test_names_are_unique() -> None:
    names = [stream.name for stream in EVENT_STREAMS]

    assert len(names) == len(set(names))


# Whatever can stand beside whatever in a stream, weighted by hand.
PIECES = [
    *[b"data", b"data:", b"data: ", b"event:", b"id:", b"id", b"retry:", b":", b" ", b"x", b"7"] * 2,
    *[b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n"] * 4,
    *[b"\0", b"\xff", b"\xe2", b"\x80", BOM, b"Data:", b"\xe2\x80\xa8", b"\x0b", b"\t", b"\xc2\x85"],
]  # fmt: skip


def read_plainly(wire: bytes) -> tuple[list[Message], str | None, int | None]:
    """The standard's algorithm to the letter, on the whole stream as text."""
    text = wire.removeprefix(BOM).decode("utf-8", "replace")
    *lines, _ = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    messages: list[Message] = []
    data, type, id_buffer, last_id, retry = "", "", None, None, None
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            last_id = id_buffer
            if data:
                messages.append(message(data[:-1], type or "message", last_id))
            data = type = ""
        elif name == "data":
            data += value + "\n"
        elif name == "event":
            type = value
        elif name == "id" and "\0" not in value:
            id_buffer = value
        elif name == "retry" and value and not value.strip("0123456789"):
            retry = int(value)
    return messages, last_id, retry


@pytest.mark.parametrize("seed", range(10))
def test_random_streams_against_a_plain_reading(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(tries(150)):
        wire = b"".join(rng.choices(PIECES, k=rng.randrange(24)))
        chunkings = [whole(wire), bytewise(wire), *random_cuts(wire, seed, n=6)]
        outcome = in_every_cut(read_event_stream, wire, lambda _, cuts=chunkings: cuts)

        found = messages(outcome.events), outcome.cursor.value, outcome.retry
        assert found == read_plainly(wire), wire


def test_the_plain_reading_agrees_with_the_table() -> None:
    for stream in EVENT_STREAMS:
        found, last_id, retry = read_plainly(stream.wire)

        assert (found, last_id) == (stream.messages, stream.last_id), stream.name
        assert retry == stream.retry or retry > stream.retry == 10**12, stream.name


def test_an_end_is_something_to_reconnect_after() -> None:
    outcome = in_every_cut(read_event_stream, b"data: a\n\n")

    *_, last = outcome.events
    assert isinstance(last, Error)
    assert (last.kind, last.recovery) == ("truncated", Recovery.RESUME)
    assert outcome.state == State.FAILED


def test_retry_of_5000_digits() -> None:
    """``int()`` refuses more than 4300 digits."""
    wire = b"retry: " + b"9" * 5000 + b"\ndata: a\n\n"

    outcome = in_every_cut(read_event_stream, wire, lambda data: random_cuts(data, seed=1, n=40))

    assert messages(outcome.events) == [message("a")]
    assert outcome.retry == 10**12


@pytest.mark.parametrize("field", [b"data", b"event", b"id", b"", b"unknown"])
def test_very_long_lines(field: bytes) -> None:
    """No cap but ``Limits``: 1 MiB in one line of any field."""
    long = b"q" * (1 << 20)
    wire = field + b":" + long + b"\n\nevent: t\ndata: next\n\n"

    def cuts(data: bytes):
        yield from (in_pieces(data, size) for size in (997, 65_536))
        for at in (len(field), len(field) + 2, data.index(b"\n"), data.index(b"\n") + 1):
            yield [data[:at], data[at:]]

    outcome = in_every_cut(read_event_stream, wire, cuts)

    text = long.decode()
    id = text if field == b"id" else None
    expected = [message("next", "t", id)]
    if field == b"data":
        expected.insert(0, message(text))
    assert messages(outcome.events) == expected
    assert outcome.cursor.value == id


def test_bom_cut_into_three() -> None:
    outcome = read_event_stream([BOM[:1], BOM[1:2], BOM[2:], b"data: a\n\n"])

    assert messages(outcome.events) == [message("a")]


@pytest.mark.parametrize(
    "blank",
    [b"\r\r", b"\n\r", b"\n\n", b"\r\n\r", b"\r\n\n"],
    ids=["cr-cr", "lf-cr", "lf-lf", "crlf-cr", "crlf-lf"],
)
@pytest.mark.parametrize("cut", [whole, bytewise], ids=lambda cut: cut.__name__)
def test_an_event_is_there_before_further_bytes(blank: bytes, cut) -> None:
    """A CR may be half of a CRLF, and still ends its line at once."""
    parser = StreamParser("event-stream")

    for chunk in cut(b"data: a" + blank):
        assert list(parser.events()) == []
        parser.receive_data(chunk)

    assert list(parser.events()) == [Data("message", "a")]
    parser.receive_data(b"\n")  # the other half of a CRLF, or one more blank line
    parser.receive_data(b"data: b\n\n")
    assert list(parser.events()) == [Data("message", "b")]


def test_events_taken_late_are_the_same() -> None:
    """Framing is eager and decoding lazy: it does not matter when the events are asked for."""
    wire = b"id: 1\ndata: a\n\n: hm\nevent: t\n\nretry: 5\nid: 2\ndata: b\n\ndata: lost"
    parser = StreamParser("event-stream")
    for chunk in bytewise(wire):
        parser.receive_data(chunk)
    parser.receive_eof()

    assert (parser.cursor.value, parser.retry) == (None, None)  # nothing was handed out yet
    expected = read_event_stream([wire])
    assert list(parser.events()) == expected.events
    assert (parser.cursor, parser.retry) == (expected.cursor, expected.retry)


def test_the_last_event_id_moves_with_what_was_handed_out() -> None:
    parser = StreamParser("event-stream")
    parser.receive_data(b"id: 1\ndata: a\n\nid: 2\n\nid: 3\ndata: b\n\n")

    seen = [(event.frame.data, parser.cursor.value) for event in parser.events()]
    assert seen == [(b"a", "1"), (None, "2"), (b"b", "3")]


def test_an_empty_chunk_is_nothing() -> None:
    parser = StreamParser("event-stream")
    for chunk in bytewise(BOM + b"data: a\r\n\r\n"):
        parser.receive_data(b"")
        parser.receive_data(chunk)
        parser.receive_data(b"")

    assert list(parser.events()) == [Data("message", "a")]


@pytest.mark.parametrize("make", [bytearray, memoryview], ids=lambda make: make.__name__)
def test_other_bytes_like_objects(make) -> None:
    parser = StreamParser("event-stream")
    for chunk in (BOM[:2], BOM[2:] + b"data: ", b"a\r", b"\n\r\n"):
        parser.receive_data(make(chunk))

    assert list(parser.events()) == [Data("message", "a")]


@pytest.mark.parametrize(
    "media_type",
    [
        "text/event-stream",
        "text/event-stream;",
        "text/event-stream; charset=utf-8",
        "text/event-stream;charset=UTF-8",
        "text/event-stream;charset=windows-1252",
        "text/event-stream; charset=utf-16",
        "text/event-stream; mere words",
        "text/event-stream;;; =;",
        "text/event-stream ; charset=utf-8",
        "TEXT/EVENT-STREAM;",
        "Text/Event-Stream; Charset=UTF-8",
    ],
)
def test_media_type_of_an_event_stream(media_type: str) -> None:
    """Parameters are ignored, the charset too: an event stream is always UTF-8."""
    headers = {"Content-Type": media_type}
    events = read_response(["data: ok…\n\n".encode()], "event-stream", headers=headers)

    assert messages(events) == [message("ok…")]


@pytest.mark.parametrize(
    "media_type",
    [
        None,
        "",
        "text/event-streams",
        "text/event-stream+x",
        "text/plain",
        "application/json",
        "x text/event-stream",
        "text/html; text/event-stream",
        "text/ event-stream",
    ],
)
def test_media_type_of_something_else(media_type: str | None) -> None:
    headers = {} if media_type is None else {"Content-Type": media_type}
    events = read_response([b"data: no\n\n"], "event-stream", headers=headers)

    [error] = events
    assert isinstance(error, Error)
    assert (error.kind, error.status) == ("http", 200)
