"""Every case of the table, in every cut, through parser and encoder."""

from __future__ import annotations

import pytest
from tests.cases import CASES, Case
from tests.reading import read

from tokenwire import Completion, Done, Error, Event, State, StreamEncoder, StreamParser, Usage

ids = [case.name for case in CASES]


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_whole(case: Case) -> None:
    assert read([case.wire], case.dialect).events == case.events


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_cut_at_every_byte_and_byte_by_byte(case: Case) -> None:
    whole = read([case.wire], case.dialect)
    assert read([bytes([byte]) for byte in case.wire], case.dialect) == whole
    for cut in range(1, len(case.wire)):
        assert read([case.wire[:cut], case.wire[cut:]], case.dialect) == whole


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_every_prefix_is_a_truncation(case: Case) -> None:
    """Law 2: no `Done`, and a truncation last, for every prefix without the terminator.

    A prefix may lack what stands after the proof that the answer is complete: a blank line, and
    for openai-chat all after the last finish reason. Nothing but usage may be missing then.
    """
    for end in range(len(case.wire)):
        events = read([case.wire[:end]], case.dialect).events
        if isinstance(events[-1], Done):
            assert without_usage(events) == without_usage(case.events)
        else:
            assert isinstance(events[-1], Error)
            assert events[-1].kind == "truncated"
            assert not any(isinstance(event, Done) for event in events)


def without_usage(events: list[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, Usage)]


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_bytes_after_the_end_are_ignored(case: Case) -> None:
    after = case.wire + b'\ndata: {"choices": 1}\n\n{"text": "x"}\n'
    parser = StreamParser(case.dialect)
    parser.receive_data(after)
    assert list(parser.events()) == case.events
    parser.receive_data(b"more")
    assert list(parser.events()) == []
    assert parser.state is State.DONE
    parser.receive_eof()
    assert parser.state is State.CLOSED


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.encodes], ids=[c.name for c in CASES if c.encodes]
)
def test_encoder_writes_the_same_wire(case: Case) -> None:
    encoder = StreamEncoder(case.dialect)
    assert b"".join(map(encoder.send, case.events)) == case.wire


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_every_event_carries_its_frame(case: Case) -> None:
    for event in read([case.wire], case.dialect).events:
        assert event.frame is not None


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_completion_says_how_it_ended(case: Case) -> None:
    completion = Completion.from_events(case.events)
    assert completion.done == case.events[-1]
    assert completion.error is None
