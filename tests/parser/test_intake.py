"""Who gets the bytes: each phase of a body, and what may be called in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tokenwire import (
    Done,
    Error,
    Limits,
    LocalProtocolError,
    Signal,
    State,
    StreamParser,
    Token,
    get_dialect,
)
from tokenwire.limits import DEFAULT_LIMITS
from tokenwire.parser.intake import Intake, Phase

STREAM = {"content-type": "text/event-stream"}
PAGE = {"content-type": "text/html"}


def streaming(intake: Intake) -> None:
    intake.admit(b"data: a")


def judging(intake: Intake) -> None:
    intake.receive_response(200, PAGE)


def failed(intake: Intake) -> None:
    intake.fail(Error("limit", "too much"))


def closed(intake: Intake) -> None:
    streaming(intake)
    intake.close()


def ended(intake: Intake) -> None:
    intake.receive_eof()


WAYS: dict[Callable[[Intake], None], Phase] = {
    streaming: Phase.STREAMING,
    judging: Phase.JUDGING,
    failed: Phase.IGNORING,
    closed: Phase.IGNORING,
    ended: Phase.ENDED,
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_each_phase(way: Callable[[Intake], None]) -> None:
    """A head is misuse in all of them, and only where the framer has all is it given bytes."""
    intake = Intake("sse", DEFAULT_LIMITS)
    assert (intake.phase, intake.receive) == (Phase.NEW, None)
    way(intake)
    assert intake.phase is WAYS[way]
    assert (intake.receive is not None) == (intake.phase is Phase.STREAMING)
    with pytest.raises(LocalProtocolError, match="comes once, before the first data"):
        intake.receive_response(200, STREAM)
    intake.receive_eof()
    assert intake.phase is Phase.ENDED
    for data in (b"", b"data: b\n\n"):
        with pytest.raises(LocalProtocolError, match="after receive_eof"):
            intake.admit(data)
    intake.close()
    assert intake.phase is Phase.ENDED


def test_a_good_head_comes_once_too() -> None:
    parser = StreamParser("sse")
    parser.receive_response(200, STREAM)
    with pytest.raises(LocalProtocolError, match="comes once"):
        parser.receive_response(200, STREAM)
    parser.receive_data(b"data: a\n\ndata: [DONE]\n\n")
    assert list(parser.events()) == [Token("a"), Done("stop")]


def test_a_head_after_the_end_is_misuse() -> None:
    parser = StreamParser("sse")
    parser.receive_eof()
    with pytest.raises(LocalProtocolError, match="comes once"):
        parser.receive_response(200, STREAM)
    (error,) = parser.events()
    assert isinstance(error, Error)
    assert (parser.next_event(), parser.state) == (Signal.CLOSED, State.FAILED)


def test_a_page_that_is_read_no_further() -> None:
    """Its error is out before its end; what still comes is ignored, and nothing is held."""
    parser = StreamParser("sse", limits=Limits(max_error_body=4))
    parser.receive_response(200, PAGE)
    parser.receive_data(b"<html>")
    (error,) = parser.events()
    assert isinstance(error, Error)
    parser.receive_data(b"data: a\n\n")
    assert (list(parser.events()), parser.buffered) == ([], 0)
    parser.receive_eof()
    assert parser.state is State.FAILED


def test_a_page_that_is_a_stream_after_all() -> None:
    intake = Intake("sse", DEFAULT_LIMITS)
    intake.receive_response(200, {})
    assert intake.admit(b" \n") == b""
    assert intake.phase is Phase.JUDGING
    assert intake.admit(b"data: a\n\n") == b"data: a\n\n"
    assert (intake.phase, intake.body) == (Phase.STREAMING, None)


@pytest.mark.parametrize("size", [1, 3, 1 << 16])
def test_the_search_of_the_dialect_is_judging(size: int) -> None:
    wire = b'{"model":"m","message":{"role":"assistant","content":"a"},"done":false}\n'
    parser = StreamParser("auto")
    for at in range(0, len(wire), size):
        assert (parser.dialect.name, parser.detected) == ("auto", "")
        parser.receive_data(wire[at : at + size])
        list(parser.events())
    assert parser.dialect is get_dialect("ollama-chat")
    assert parser.detected
