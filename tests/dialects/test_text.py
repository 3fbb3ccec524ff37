"""``text``: the body is the answer, and only the transport proves it whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.answers import cut, texts
from tests.cuts import all_cuts
from tests.reading import joined, read

from tokenwire import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    LocalProtocolError,
    Recovery,
    State,
    StreamEncoder,
    StreamParser,
    Token,
    iter_events,
)


def answers() -> st.SearchStrategy[list[Event]]:
    """Neighbouring tokens are one when they are read in one chunk."""
    return texts.map(lambda text: [Token(text), Done()])


BODY = "Hello: 世界 🗼\r\n\n data: [DONE] \ufeff".encode()


def test_however_it_is_cut() -> None:
    for chunks in all_cuts(BODY):
        assert joined(read(chunks, "text").events) == [Token(BODY.decode()), Done()]


def test_a_token_a_chunk() -> None:
    chunks = [b"Hel", b"lo \xe4\xb8", b"\x96"]
    assert list(iter_events(chunks, "text")) == [Token("Hel"), Token("lo "), Token("世"), Done()]


def test_every_prefix_ends_as_the_transport_does() -> None:
    for end in range(1, len(BODY)):
        try:
            text = BODY[:end].decode()
        except UnicodeDecodeError:  # a character broke off: more of it was to come
            assert isinstance(read([BODY[:end]], "text").events[-1], Error)
        else:
            assert joined(read([BODY[:end]], "text").events) == [Token(text), Done()]


def test_an_empty_body_is_no_answer() -> None:
    (error,) = read([], "text").events
    assert isinstance(error, Error)
    assert (error.kind, error.recovery) == ("truncated", Recovery.RETRY)


@pytest.mark.parametrize("sent", [b"Hi", b""], ids=["some", "none"])
def test_no_done_after_a_lost_connection(sent: bytes) -> None:
    parser = StreamParser("text")
    parser.receive_data(sent)
    parser.connection_lost("reset by peer")
    *tokens, error = parser.events()
    assert tokens == ([Token("Hi")] if sent else [])
    assert isinstance(error, Error)
    assert error.kind == "transport"
    assert parser.state is State.FAILED


@given(answers(), st.data())
def test_round_trip(events: list[Event], data: st.DataObject) -> None:
    encoder = StreamEncoder("text")
    wire = b"".join(map(encoder.send, events))
    assert joined(read(data.draw(cut(wire)), "text").events) == events


@pytest.mark.parametrize(
    ("before", "event"),
    [
        ([], Done()),
        ([Token("a")], Done("stop")),
        ([], Token("\ud83d")),
        ([], Token("a", 1)),
        ([], Data("file", "x")),
        ([], Finished(0, "stop")),
        ([], Error("vendor", "no")),
    ],
)
def test_it_says_text_alone(before: list[Event], event: Event) -> None:
    encoder = StreamEncoder("text")
    for one in before:
        encoder.send(one)
    with pytest.raises(LocalProtocolError, match="text"):
        encoder.send(event)
