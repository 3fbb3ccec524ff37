"""Parsers of connections that go on: what was delivered is not said again, and has no place."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest

from tokenwire import Data, Dialect, Done, Error, Event, Frame, StreamParser, Token, get_dialect
from tokenwire.framing.sse import SSEFramer
from tokenwire.parser.resuming import resume_parser

POSITIONED = get_dialect("positioned")


def piece(text: str, at: int) -> bytes:
    return b'data: {"token":"%s","position":%d}\n\n' % (text.encode(), at)


def up_to(last: int) -> Callable[[Frame], bool]:
    return lambda frame: int(frame.text.rpartition(":")[2][:-1]) <= last


def read(parser: StreamParser, wire: bytes) -> list[Event]:
    parser.receive_data(wire)
    return list(parser.events())


def test_what_was_delivered_gives_no_events_and_moves_no_cursor() -> None:
    first = StreamParser("positioned")
    assert read(first, piece("a", 0) + piece("b", 1)) == [Token("a"), Token("b")]
    second = resume_parser(POSITIONED, after=first, cursor=1, skip=up_to(1))
    assert second.cursor.value == 1
    assert read(second, b"retry: 7\n" + piece("a", 0)) == []
    assert (second.cursor.value, second.retry) == (1, 7)
    assert read(second, piece("b", 1) + piece("c", 2)) == [Token("c")]
    assert second.cursor.value == 2


def test_what_the_end_left_open_may_have_been_delivered_too() -> None:
    """A copy of the decoder reads it; what says whether to skip is not copied."""

    class Skip:
        def __call__(self, frame: Frame) -> bool:
            return True

        def __deepcopy__(self, memo: object) -> Skip:
            raise AssertionError("a session was copied")

    first = StreamParser("positioned")
    read(first, piece("a", 0))
    second = resume_parser(POSITIONED, after=first, cursor=0, skip=Skip())
    second.receive_data(piece("a", 0)[:-2])
    second.receive_eof()
    (error,) = second.events()
    assert isinstance(error, Error)
    assert (error.kind, second.cursor.value) == ("truncated", 0)


def test_an_id_stays_in_force_until_there_is_another() -> None:
    source = get_dialect("event-stream")
    parser = resume_parser(source, after=None, cursor="7", skip=lambda frame: False)
    events = read(parser, b"data: a\n\nid: 8\ndata: b\n\ndata: c\n\n")
    assert [event.frame.id for event in events if event.frame] == ["7", "8", "8"]
    assert parser.cursor.value == "8"


class Counting:
    """Numbers what it reads, so that it shows what it has seen."""

    def __init__(self) -> None:
        self.seen = 0

    def receive_frame(self, frame: Frame) -> list[Event]:
        self.seen += 1
        return [Data("seen", self.seen, frame=frame)]

    def receive_eof(self) -> list[Event]:
        return [Done("stop")]


class Doubting(Counting):
    """It does not believe the end of a body that broke off."""

    def receive_loss(self) -> list[Event]:
        return []


def dialect(decoder: Callable[[], Counting]) -> Dialect:
    return Dialect(name="counting", framer=SSEFramer, decoder=decoder, terminator="the end")


def test_a_decoder_that_saw_nothing_reads_what_is_skipped() -> None:
    counting = dialect(Counting)
    parser = resume_parser(counting, after=None, skip=lambda frame: frame.data == b"old")
    assert read(parser, b"data: old\n\ndata: new\n\n") == [Data("seen", 2)]
    # The next connection keeps that decoder, which has seen it then.
    parser = resume_parser(counting, after=parser, skip=lambda frame: frame.data == b"old")
    assert read(parser, b"data: old\n\ndata: new\n\n") == [Data("seen", 3)]


@pytest.mark.parametrize(("decoder", "last"), [(Counting, Done), (Doubting, Error)])
def test_the_decoder_judges_the_end(decoder: Callable[[], Counting], last: type[Event]) -> None:
    for lost in (False, True):
        parser = resume_parser(dialect(decoder), after=None, skip=lambda frame: False)
        read(parser, b"data: new\n\n")
        if lost:
            parser.connection_lost("a reset")
        else:
            parser.receive_eof()
        (event,) = parser.events()
        assert type(event) is (last if lost else Done)


def test_a_decoder_that_is_a_function_never_ends() -> None:
    plain = Dialect(
        name="plain",
        framer=SSEFramer,
        decoder=lambda: lambda frame: [Token(frame.text, frame=frame)],
        terminator="nothing",
    )
    for lost in (False, True):
        parser = resume_parser(plain, after=None, skip=lambda frame: False)
        assert read(parser, b"data: a\n\n") == [Token("a")]
        if lost:
            parser.connection_lost("a reset")
        parser.receive_eof()
        (error,) = parser.events()
        assert isinstance(error, Error)
        assert error.kind == ("transport" if lost else "truncated")


def test_nothing_is_read_ahead_of_its_turn() -> None:
    """Any frame may be one that was delivered, also where it holds text and nothing else."""
    chat = get_dialect("openai-chat")
    wire = b'data: {"id":"c","choices":[{"delta":{"content":"%d"}}]}\n\n'
    parser = resume_parser(chat, after=None, skip=lambda frame: b'"3"' in (frame.data or b""))
    tokens = [
        event.text
        for number in range(6)
        for event in read(parser, wire % number)
        if isinstance(event, Token)
    ]
    assert tokens == ["0", "1", "2", "4", "5"]


def test_deepcopy_of_what_is_shared() -> None:
    """`SKIPPED` is known by its identity; a decoder that is copied gives it all the same."""
    parser = resume_parser(POSITIONED, after=None, cursor=3, skip=lambda frame: True)
    copied = deepcopy(parser._decoder)
    from tokenwire.parser import SKIPPED

    assert not callable(copied)
    assert copied.receive_frame(Frame(b"{}")) is SKIPPED
