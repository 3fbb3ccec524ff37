"""workers-ai: Cloudflare's own form, OpenAI's, and both in one stream."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.answers import comments, counts, errors, texts, words
from tests.dialects.checks import assert_round_trip, assert_total, junk, told
from tests.dialects.test_openai_chat import chunk, delta, encoded, read_everywhere_cut, stop, wire
from tests.reading import read

from tokenwire import (
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    LocalProtocolError,
    Reasoning,
    Recovery,
    Started,
    StreamEncoder,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.dialects.clouds.workers_ai import WORKERS_AI

NAME = "workers-ai"
COUNTS = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


def native(response: Any = "", **fields: Any) -> str:
    return json.dumps({"response": response, **fields})


def events(*payloads: str) -> list[Event]:
    return read([wire(*payloads)], NAME).events


def test_an_answer_of_its_own_form() -> None:
    body = wire(
        native("Hé", p="abcdef"), native(" — 世界", p="ab"), native("", usage=COUNTS), "[DONE]"
    )
    assert read_everywhere_cut(body, NAME) == [
        Token("Hé"),
        Token(" — 世界"),
        Usage(1, 2, 3),
        Finished(0, "other"),
        Done("other"),
    ]


def test_an_answer_in_openais_form() -> None:
    assert events(
        delta(reasoning_content="Hm"), delta(content="Hi"), stop(), chunk(usage=COUNTS), "[DONE]"
    ) == [
        Reasoning("Hm"),
        Token("Hi"),
        Finished(0, "stop", "stop"),
        Usage(1, 2, 3, final=True),
        Done("stop"),
    ]


def test_both_forms_in_one_stream() -> None:
    assert events(native("a"), delta(content="b"), native("c"), stop(), "[DONE]") == [
        Token("a"),
        Token("b"),
        Token("c"),
        Finished(0, "stop", "stop"),
        Done("stop"),
    ]


def test_q25_both_forms_in_one_frame_say_it_once() -> None:
    choice = {"index": 0, "delta": {"content": "a"}}
    both = json.dumps({"response": "a", "choices": [choice, {**choice, "index": 1}]})
    beside = json.dumps({"response": "b", "choices": [{"index": 0, "finish_reason": "stop"}]})
    assert events(both, beside)[:3] == [Token("a"), Token("a", 1), Token("b")]


@pytest.mark.parametrize(
    ("response", "text"),
    [(4, "4"), (0.5, "0.5"), ({"a": [1]}, '{"a":[1]}'), ([1], "[1]"), (True, "true")],
)
def test_an_answer_that_is_no_text(response: Any, text: str) -> None:
    """JSON mode, and digits that come as numbers."""
    assert events(native(response))[0] == Token(text)


def test_calls_come_whole_and_without_index() -> None:
    calls = [{"name": "f", "arguments": {"a": 1}}, {"name": "f", "arguments": {"a": 2}}]
    said = events(native(None, tool_calls=calls), native("", tool_calls=[]), "[DONE]")
    assert said == [
        ToolCall("0:0", 0, None, "f", '{"a":1}'),
        ToolCall("0:1", 0, None, "f", '{"a":2}'),
        ToolCall("0:0", complete=True),
        ToolCall("0:1", complete=True),
        Finished(0, "tool_calls"),
        Done("tool_calls"),
    ]


def test_calls_as_openai_has_them() -> None:
    first = {"id": "c", "index": 0, "function": {"name": "f", "arguments": "{"}}
    rest = {"index": 0, "function": {"arguments": "}"}}
    null = {"index": 0, "id": None, "name": None, "arguments": None}
    said = events(*(native("", tool_calls=[one]) for one in (first, rest, null)))
    assert said[:-1] == [ToolCall("0:0", 0, "c", "f", "{"), ToolCall("0:0", arguments="}")]


def test_a_finish_reason_and_eof_is_complete() -> None:
    assert events(native("a"), native("", finish_reason="length"))[1:] == [
        Finished(0, "length", "length"),
        Done("length"),
    ]


def test_data_without_done_is_cut() -> None:
    last = events(native("a"))[-1]
    assert isinstance(last, Error)
    assert (last.kind, last.recovery) == ("truncated", Recovery.RESUME)


@pytest.mark.parametrize(
    ("error", "recovery"),
    [
        ({"success": False, "errors": [{"code": 3040, "message": "no"}]}, Recovery.RETRY),
        ({"success": False, "errors": [{"code": 5007, "message": "no"}]}, Recovery.FATAL),
        ({"error": {"message": "no"}}, Recovery.FATAL),
        ({"error": "no", "response": ""}, Recovery.FATAL),
    ],
)
def test_q16_done_after_an_error_proves_nothing(error: dict[str, Any], recovery: Recovery) -> None:
    said = events(native("a"), json.dumps(error), "[DONE]")
    assert said[0] == Token("a")
    assert isinstance(said[-1], Error)
    assert (said[-1].message, said[-1].recovery) == ("no", recovery)


def test_odd_frames() -> None:
    raw = b'event: error\ndata: {"message":"no"}\n\n'
    assert read([raw], NAME).events == [Error("vendor", "no")]
    said = read([wire("", "{}", native("a", p=float("nan"))) + b"data: {\n\n"], NAME, eof=False)
    assert said.events[:3] == [Heartbeat(), Unknown(), Token("a")]
    assert said.events[3].kind == "malformed"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "first", [native("Hi"), native("", p="ab"), native(None, tool_calls=[])], ids=repr
)
def test_how_it_is_recognised(first: str) -> None:
    assert told(wire(first)) == NAME


def test_an_event_of_openais_responses_is_not_taken_for_it() -> None:
    assert told(wire('{"type":"response.created","response":{"id":"r"}}')) != NAME


def test_resumption_is_data() -> None:
    """Events are counted: N complete ones were received."""
    resumption = WORKERS_AI.resumption
    assert resumption is not None
    assert (resumption.method, resumption.kind) == ("cursor", "events")


def test_round_trip() -> None:
    said: list[Event] = [
        Token("a"),
        Heartbeat("hi"),
        ToolCall("0:0", 0, "c", "f", "{"),
        ToolCall("0:0", arguments="}"),
        Usage(1, 2, 3),
        ToolCall("0:0", complete=True),
        Finished(0, "tool_calls", "tool_calls"),
        Done("tool_calls"),
    ]
    assert read([encoded([Started("x", "m"), *said], NAME)], NAME).events == said
    failed: list[Event] = [Error("vendor", "no", "c", 503, Recovery.RETRY)]
    assert read([encoded(failed, NAME)], NAME).events == failed


@pytest.mark.parametrize("event", [Reasoning("a"), Token("a", 1), Finished(1, "stop")], ids=repr)
def test_what_it_cannot_say(event: Event) -> None:
    with pytest.raises(LocalProtocolError, match="workers-ai has no way to say"):
        StreamEncoder(NAME).send(event)


def test_done_comes_after_finished() -> None:
    with pytest.raises(LocalProtocolError, match="workers-ai: Done comes after a Finished"):
        StreamEncoder(NAME).send(Done("stop"))


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """What the wire can say."""
    content = st.builds(Token, texts) | st.builds(Heartbeat, comments.map(str.strip))
    said: list[Event] = draw(st.lists(content, max_size=6))
    if draw(st.booleans()):
        return [*said, draw(errors)]
    number = draw(st.integers(0, 2))
    calls = [ToolCall(f"0:{place}", 0, f"c{place}", draw(words), "{}") for place in range(number)]
    said += [*calls, *draw(st.lists(st.builds(Usage, counts, counts), max_size=1))]
    said += [ToolCall(call.key, complete=True) for call in calls]
    return [*said, Finished(0, "tool_calls", "tool_calls"), Done("tool_calls")]


@given(answers())
def test_what_was_written_is_read_the_same(said: list[Event]) -> None:
    assert_round_trip(WORKERS_AI, said)


@given(st.lists(junk("response", "tool_calls", "name", "choices", "delta", "errors"), max_size=4))
def test_no_json_makes_the_decoder_raise(values: list[object]) -> None:
    assert_total(WORKERS_AI, values)
