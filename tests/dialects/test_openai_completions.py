"""openai-completions: the family's decoder, with the text in the choice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.answers import comments, counts, errors, texts, words
from tests.dialects.checks import assert_round_trip, assert_total, junk, told
from tests.dialects.test_openai_chat import encoded, read_everywhere_cut, wire
from tests.reading import read

from tokenwire import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    LocalProtocolError,
    Reasoning,
    Recovery,
    Refusal,
    Started,
    StreamEncoder,
    Token,
    ToolCall,
    Usage,
)
from tokenwire.dialects.openai.completions import OPENAI_COMPLETIONS

NAME = "openai-completions"


def piece(text: str, index: int = 0, finish: str | None = None, **extra: Any) -> str:
    choice = {"text": text, "index": index, "logprobs": None, "finish_reason": finish, **extra}
    head = {"id": "cmpl-1", "object": "text_completion", "created": 0, "model": "m"}
    return json.dumps({**head, "choices": [choice]})


def events(*payloads: str) -> list[Event]:
    return read([wire(*payloads)], NAME).events


def test_an_answer() -> None:
    body = wire(piece("Hé"), piece("\n\u2028"), piece(".", finish="length"), "[DONE]")
    assert read_everywhere_cut(body, NAME) == [
        Started("cmpl-1", "m"),
        Token("Hé"),
        Token("\n\u2028"),
        Token("."),
        Finished(0, "length", "length"),
        Done("length"),
    ]


def test_q42_choices_interleave() -> None:
    said = events(
        piece("a"), piece("x", 1), piece("b", 0, "stop"), piece("", 1, "length"), "[DONE]"
    )
    assert said[1:] == [
        Token("a"),
        Token("x", 1),
        Token("b"),
        Finished(0, "stop", "stop"),
        Finished(1, "length", "length"),
        Done("stop"),
    ]


def test_q16_done_alone_proves_nothing() -> None:
    """Nor do empty ids: that is how one service of chat is recognised."""
    odd = json.dumps({"id": "", "choices": [{"index": 0, "text": "a"}]})
    for payloads in ([piece("a"), "[DONE]"], [odd, "[DONE]"], ["[DONE]"]):
        last = events(*payloads)[-1]
        assert isinstance(last, Error)
        assert last.kind == "truncated"


def test_q16_an_error_and_done() -> None:
    """vLLM."""
    [_, _, error] = events(piece("a"), '{"error":{"message":"no","code":500}}', "[DONE]")
    assert error == Error("vendor", "no", "500", 500, Recovery.RETRY)


def test_logprobs() -> None:
    told = {"tokens": ["a"], "token_logprobs": [-0.1], "top_logprobs": None, "text_offset": [0]}
    said = events(piece("a", logprobs=told), piece("", finish="stop", logprobs={"tokens": []}))
    assert said[1:4] == [Token("a"), Data("logprobs", told), Finished(0, "stop", "stop")]


def test_vllm_counts_in_a_chunk_without_choices() -> None:
    counts = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    last = json.dumps({"id": "cmpl-1", "choices": [], "usage": counts})
    said = events(piece("a", finish="stop", stop_reason=None), last, "[DONE]")
    assert said[-2:] == [Usage(1, 2, 3, final=True), Done("stop")]


def test_how_it_is_recognised() -> None:
    """By its object, though it has choices as chat does."""
    assert told(wire(piece("a"))) == NAME


def test_round_trip() -> None:
    said: list[Event] = [
        Started("cmpl-1", "m"),
        Heartbeat("hi"),
        Token("a"),
        Data("logprobs", {"tokens": ["a"]}),
        Token("x", 1),
        Finished(0, "stop", "stop"),
        Finished(1, "content_filter", "content_filter"),
        Usage(1, 2, 3, final=True),
        Done("stop"),
    ]
    assert read([encoded(said, NAME)], NAME).events == said
    failed: list[Event] = [Error("vendor", "no", "c", 503, Recovery.RETRY)]
    assert read([encoded(failed, NAME)], NAME).events == failed


def test_what_it_writes() -> None:
    sent = json.loads(StreamEncoder(NAME).send(Token("a"))[6:])
    assert sent["object"] == "text_completion"
    assert sent["choices"] == [{"index": 0, "text": "a", "logprobs": None, "finish_reason": None}]


@pytest.mark.parametrize(
    "event",
    [Reasoning("a"), Refusal("a"), ToolCall("0", name="f"), Data("audio", {})],
    ids=lambda event: type(event).__name__,
)
def test_what_it_cannot_say(event: Event) -> None:
    with pytest.raises(LocalProtocolError, match="openai-completions has no way to say"):
        StreamEncoder(NAME).send(event)


def test_done_comes_after_finished() -> None:
    with pytest.raises(LocalProtocolError, match="openai-completions: Done comes after"):
        StreamEncoder(NAME).send(Done("stop"))


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """What the wire can say."""
    content = st.builds(Token, texts, st.integers(0, 1)) | st.builds(
        Heartbeat, comments.map(str.strip)
    )
    said: list[Event] = [Started(draw(words), draw(words)), *draw(st.lists(content, max_size=6))]
    if draw(st.booleans()):
        return [*said, draw(errors)]
    indices = sorted({event.index for event in said if isinstance(event, Token)} | {0})
    said += [Finished(index, "stop", "stop") for index in indices]
    said += draw(
        st.lists(st.builds(Usage, counts, counts, counts, final=st.just(True)), max_size=1)
    )
    return [*said, Done("stop")]


@given(answers())
def test_what_was_written_is_read_the_same(said: list[Event]) -> None:
    assert_round_trip(OPENAI_COMPLETIONS, said)


@given(st.lists(junk("choices", "text", "index", "finish_reason", "usage", "error"), max_size=4))
def test_no_json_makes_the_decoder_raise(values: list[object]) -> None:
    assert_total(OPENAI_COMPLETIONS, values)
