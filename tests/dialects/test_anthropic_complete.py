"""anthropic-complete: text completions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.answers import comments, errors, texts, words
from tests.dialects.checks import assert_reads, assert_round_trip, sent, sse, told
from tests.reading import read

from tokenwire import (
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    LocalProtocolError,
    Reasoning,
    Started,
    StreamEncoder,
    Token,
    Unknown,
)
from tokenwire.dialects.anthropic.complete import ANTHROPIC_COMPLETE
from tokenwire.dialects.anthropic.messages_wire import STOP_REASONS

HEAD = {"type": "completion", "id": "compl_1", "model": "claude-2.1", "stop": None}
WIRE = (
    sse({**HEAD, "completion": " Hé", "stop_reason": None}, name="completion")
    + sse({"type": "ping"}, name="ping")
    + sse({**HEAD, "completion": "llo", "stop_reason": "max_tokens"}, name="completion")
)
SAID: list[Event] = [
    *(Started("compl_1", "claude-2.1"), Token(" Hé"), Heartbeat("ping"), Token("llo")),
    *(Finished(0, "length", "max_tokens"), Done("length")),
]


def test_a_completion() -> None:
    assert_reads(ANTHROPIC_COMPLETE, WIRE, SAID)
    assert told(WIRE) == "anthropic-complete"


def test_a_reason_in_the_middle_is_not_the_end() -> None:
    piece = {"type": "completion", "completion": "a"}
    cut = read([sse({**piece, "stop_reason": "stop_sequence"}, piece)], ANTHROPIC_COMPLETE).events
    assert isinstance(cut[-1], Error)
    assert cut[-1].kind == "truncated"
    failed = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
    events = read([sse({"type": "new"}, piece, failed)], ANTHROPIC_COMPLETE).events
    assert events[:2] == [Unknown(), Token("a")]
    assert isinstance(events[2], Error)
    assert events[2].code == "overloaded_error"
    odd = {"completion": 6, "type": "completion", "stop_reason": "stop_sequence"}
    assert read([sse(odd)], ANTHROPIC_COMPLETE).events[0] == Token("6")


def test_round_trip() -> None:
    assert_round_trip(ANTHROPIC_COMPLETE, [SAID[0], SAID[1], Heartbeat("a"), *SAID[3:]])
    failed = [SAID[0], SAID[1], Error("vendor", "no", "invalid_request_error")]
    assert_round_trip(ANTHROPIC_COMPLETE, failed)


def test_what_it_cannot_say() -> None:
    with pytest.raises(LocalProtocolError, match="no way to say"):
        sent(ANTHROPIC_COMPLETE, Reasoning("hm"))
    encoder = StreamEncoder(ANTHROPIC_COMPLETE)
    encoder.send(Token("a"))
    with pytest.raises(LocalProtocolError, match="Done comes after a Finished"):
        encoder.send(Done())


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """What the wire can say."""
    content = st.builds(Token, texts) | st.builds(Heartbeat, comments.map(str.strip))
    said: list[Event] = draw(st.lists(st.builds(Started, words, words), max_size=1))
    said += draw(st.lists(content, max_size=6))
    if draw(st.booleans()):
        return [*said, draw(errors)]
    raw = draw(st.sampled_from([*STOP_REASONS, "brand_new"]))
    reason = STOP_REASONS.get(raw, "other")
    return [*said, Finished(0, reason, raw), Done(reason)]


@given(answers())
def test_what_was_written_is_read_the_same(said: list[Event]) -> None:
    assert_round_trip(ANTHROPIC_COMPLETE, said)
