"""Every client reads every kind of body, however it is cut, and hands a token out at once."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import get_args

import pytest
from tests.adapters.clients import Client, Reading
from tests.adapters.live import BODY_KINDS, BodyKind, Coding, LiveServer, Peer, answer, wait_for

from tokenwire import Done, Event, StreamParser, Token

TEXTS = ["Grüße, ", "日本 ", "🙂", "\u2028end"]
FRAMES = [f"data: {text}\r\n\r\n".encode() for text in TEXTS] + [b"data: [DONE]\r\n\r\n"]
WHOLE = b"".join(FRAMES)


def cut(*places: int) -> list[bytes]:
    return [WHOLE[start:end] for start, end in pairwise([0, *places, len(WHOLE)])]


ENDS = [sum(map(len, FRAMES[:count])) for count in range(1, len(FRAMES))]

# Each piece completes one event, so that the next one can be held back until that event came out.
HELD_BACK = {
    "between events": cut(*ENDS),
    "between CR and LF": cut(*(end - 1 for end in ENDS)),
    "in a field name": cut(*(end + 2 for end in ENDS)),
    "inside a character": cut(
        *(end + 7 for end in ENDS[:-1]),  # after b"data: " and one byte
        ENDS[-1] + 3,
    ),
}


def parse_whole(data: bytes) -> list[Event]:
    parser = StreamParser("sse")
    parser.receive_response(200, {"content-type": "text/event-stream"})
    parser.receive_data(data)
    parser.receive_eof()
    return list(parser.events())


EXPECTED = parse_whole(WHOLE)


def test_the_cases_cut_where_they_say() -> None:
    assert [*map(Token, TEXTS), Done("stop")] == EXPECTED
    for pieces in HELD_BACK.values():
        assert b"".join(pieces) == WHOLE
        assert len(pieces) == len(EXPECTED)
    for piece in HELD_BACK["inside a character"][1:3]:
        with pytest.raises(UnicodeDecodeError):
            piece.decode()
    for before, after in pairwise(HELD_BACK["between CR and LF"]):
        assert before.endswith(b"\r")
        assert after.startswith(b"\n")


@pytest.mark.parametrize("coding", get_args(Coding))
@pytest.mark.parametrize("body", BODY_KINDS)
@pytest.mark.parametrize("where", HELD_BACK)
def test_an_event_comes_out_before_the_next_is_sent(
    client: Client, server: LiveServer, where: str, body: BodyKind, coding: Coding
) -> None:
    came = threading.Semaphore(0)

    def script(peer: Peer) -> None:
        for piece in answer(HELD_BACK[where], body, coding):
            peer.send(piece)
            wait_for(came)
        if body == "close":
            peer.end()

    url = server.play(script)
    assert client.read(Reading(url, seen=lambda _: came.release())) == EXPECTED


@pytest.mark.parametrize("coding", get_args(Coding))
@pytest.mark.parametrize("body", BODY_KINDS)
def test_byte_by_byte(client: Client, server: LiveServer, body: BodyKind, coding: Coding) -> None:
    pieces = [WHOLE[place : place + 1] for place in range(len(WHOLE))]
    whole = b"".join(answer(pieces, body, coding))
    url = server.send(*(bytes([byte]) for byte in whole), end=body == "close")
    assert client.read(Reading(url)) == EXPECTED


@pytest.mark.parametrize("body", BODY_KINDS)
def test_all_at_once_in_gzip_without_flushes(
    client: Client, server: LiveServer, body: BodyKind
) -> None:
    # More than any client reads at once, and far more still when decoded.
    text = "0123456789 Grüße " * 20_000
    frames = f"data: {text}\n\ndata: {text}\n\ndata: [DONE]\n\n".encode()
    url = server.send(b"".join(answer([frames], body, "gzip")), end=body == "close")
    assert client.read(Reading(url)) == [Token(text), Token(text), Done("stop")]
