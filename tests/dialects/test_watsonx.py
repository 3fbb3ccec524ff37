"""watsonx: text generation and chat."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.answers import comments, counts, texts, words
from tests.cuts import bytewise, every_cut, in_every_cut
from tests.reading import read

from tokenwire import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Frame,
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
from tokenwire.dialects.clouds.watsonx import STOP_REASONS, Decoder


def sse(*values: Any, event: str = "message") -> bytes:
    return b"".join(
        b"id: %d\nevent: %b\ndata: %b\n\n" % (number, event.encode(), json.dumps(value).encode())
        for number, value in enumerate(values, 1)
    )


def result(text: str = "", raw: str | None = "not_finished", **counted: int) -> dict[str, Any]:
    said = {"generated_text": text, "stop_reason": raw, **counted}
    return {"model_id": "g", "created_at": "2024-03-01T07:40:24.839Z", "results": [said]}


WARNINGS = [{"message": "a third party's model", "id": "disclaimer_warning"}]
WIRE = sse(
    {
        **result(generated_token_count=0, input_token_count=8),
        "system": {"warnings": WARNINGS},
    },
    result("the \u2028", generated_token_count=1, input_token_count=0),
    {
        **result("sky", generated_token_count=2, input_token_count=0),
        "system": {"warnings": WARNINGS},
    },
    result("", "eos_token", generated_token_count=3, input_token_count=0),
)
SAID: list[Event] = [
    Started(None, "g"),
    Data("warnings", WARNINGS),
    Usage(8, 0),
    Token("the \u2028"),
    Usage(8, 1),
    Token("sky"),
    Usage(8, 2),
    Finished(0, "stop", "eos_token"),
    Usage(8, 3, final=True),
    Done("stop"),
]


def both(data: bytes) -> Any:
    yield bytewise(data)
    yield from every_cut(data)


def test_generation() -> None:
    outcome = in_every_cut(lambda chunks: read(chunks, "watsonx"), WIRE, both)
    assert outcome.events == SAID
    assert outcome.cursor.value == "4"


def test_every_prefix_is_cut_off() -> None:
    for end in range(len(WIRE)):
        *before, last = read([WIRE[:end]], "watsonx").events
        if isinstance(last, Done):
            assert end >= len(WIRE) - 2  # but for the blank line
        else:
            assert isinstance(last, Error)
            assert last.kind == "truncated"
            assert not any(isinstance(event, Finished) for event in before)


CHUNK = {"id": "c1", "object": "chat.completion.chunk", "model_id": "g", "model": "g"}


def choice(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {**CHUNK, "choices": [{"index": 0, "finish_reason": finish, "delta": delta}]}


@pytest.mark.parametrize("sentinel", [b"", b"data: [DONE]\n\n"])
def test_chat_is_read_as_openai_chat(sentinel: bytes) -> None:
    wire = sse(
        {**choice({"role": "assistant", "content": ""}), "system": {"warnings": WARNINGS}},
        choice({"content": "Hi"}),
        choice({"tool_calls": [{"index": 0, "id": "x", "function": {"name": "f"}}]}),
        choice({}, "tool_calls"),
        {**CHUNK, "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
    )
    assert read([wire + sentinel], "watsonx").events == [
        Data("warnings", WARNINGS),
        Started("c1", "g"),
        Token("Hi"),
        ToolCall("0:0", 0, "x", "f"),
        ToolCall("0:0", complete=True),
        Finished(0, "tool_calls", "tool_calls"),
        Usage(3, 2, final=True),
        Done("tool_calls"),
    ]


def test_chat_that_was_cut() -> None:
    *_, last = read([sse(choice({"content": "Hi"}))], "watsonx").events
    assert isinstance(last, Error)
    assert last.kind == "truncated"


@pytest.mark.parametrize("first", [b"{}", b" {} ", b""])
def test_q08_the_first_event_is_empty(first: bytes) -> None:
    wire = b"id: 0\nevent: message\ndata: " + first + b"\n\n" + WIRE
    assert read([wire], "watsonx").events == [Heartbeat("message"), *SAID]


@pytest.mark.parametrize("raw", [*STOP_REASONS, "something_new"])
def test_stop_reasons(raw: str) -> None:
    _, token, finished, last = read([sse(result("a", raw))], "watsonx").events
    reason = STOP_REASONS.get(raw, "other")
    assert (token, finished) == (Token("a"), Finished(0, reason, raw))
    if reason == "error":
        said = "the service ended the answer with 'error'"
        assert last == Error("vendor", said, "error", recovery=Recovery.RETRY)
    else:
        assert last == Done(reason)


@pytest.mark.parametrize("raw", [None, "", "not_finished"])
@pytest.mark.parametrize("sentinel", [b"", b"data: [DONE]\n\n"])
def test_without_a_stop_reason_it_is_cut(raw: str | None, sentinel: bytes) -> None:
    *_, last = read([sse(result("a", raw)) + sentinel], "watsonx").events
    assert isinstance(last, Error)
    assert last.kind == "truncated"


def test_the_sentinel_is_tolerated() -> None:
    assert read([WIRE + b"data: [DONE]\n\n"], "watsonx").events == SAID


ERRORS = {"errors": [{"code": "rate_limit", "message": "wait"}], "trace": "t", "status_code": 429}
WAIT = Error("vendor", "wait", "rate_limit", 429, Recovery.RETRY)


@pytest.mark.parametrize(
    ("wire", "error"),
    [
        (sse(ERRORS, event="error"), WAIT),
        (sse(ERRORS), WAIT),
        (sse({"error": {"code": "c", "message": "no"}}), Error("vendor", "no", "c")),
        (sse({"code": "c", "message": "no"}, event="error"), Error("vendor", "no", "c")),
        (b"event: error\ndata: not JSON\n\n", Error("vendor", "not JSON")),
    ],
)
def test_errors(wire: bytes, error: Error) -> None:
    assert read([wire], "watsonx").events == [error]


def test_what_has_no_meaning_here() -> None:
    wire = sse({"tool": 1}, [1], {"results": []}, {"system": {"warnings": []}}, {"results": [{}]})
    unknown, malformed, no_warnings, last = read([wire], "watsonx").events
    assert (unknown, no_warnings) == (Unknown(), Unknown())
    assert isinstance(malformed, Error)
    assert not malformed.fatal
    assert isinstance(last, Error)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("model_id", "results", "system", "warnings", "choices", "errors", "delta"),
                    *("generated_text", "stop_reason", "input_token_count", "finish_reason"),
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(st.lists(_VALUES, max_size=4))
def test_any_json_is_read(values: list[Any]) -> None:
    decoder = Decoder()
    for value in values:
        frame = Frame(json.dumps(value).encode(), "message")
        for event in decoder.receive_frame(frame):
            assert event.frame is frame or isinstance(event, Error)
    decoder.receive_eof()


# --- writing ---


def answers() -> st.SearchStrategy[list[Event]]:
    """Answers that the wire can say."""
    body = st.one_of(
        st.builds(Token, texts), st.builds(Heartbeat, comments.map(lambda text: text.lstrip()))
    )
    ends = st.sampled_from(
        sorted((raw, way) for raw, way in STOP_REASONS.items() if way != "error")
    )
    usage = st.builds(Usage, counts.filter(bool), counts, final=st.just(True))
    failed = st.builds(Error, st.just("vendor"), texts, words)
    done = st.tuples(ends, usage).map(
        lambda t: [Finished(0, t[0][1], t[0][0]), t[1], Done(t[0][1])]
    )
    start = st.builds(Started, st.none(), words)
    return st.tuples(start, st.lists(body, max_size=6), done | failed.map(lambda e: [e])).map(
        lambda t: [t[0], *t[1], *t[2]]
    )


def encode(events: list[Event]) -> bytes:
    encoder = StreamEncoder("watsonx")
    return b"".join(map(encoder.send, events))


@given(answers())
@settings(deadline=None)
def test_round_trip(events: list[Event]) -> None:
    assert read([encode(events)], "watsonx").events == events


def test_what_was_read_can_be_written() -> None:
    assert read([encode(SAID)], "watsonx").events == SAID


@pytest.mark.parametrize(
    "event",
    [
        Token("a", 1),
        Reasoning("a"),
        ToolCall("0"),
        Started("id", "g"),
        Data("image", 1),
        Error("malformed", "a", fatal=False),
    ],
)
def test_what_it_cannot_say(event: Event) -> None:
    with pytest.raises(LocalProtocolError, match="watsonx has no way to say"):
        StreamEncoder("watsonx").send(event)


def test_done_comes_after_finished() -> None:
    encoder = StreamEncoder("watsonx")
    encoder.send(Token("a"))
    with pytest.raises(LocalProtocolError, match="Done comes after a Finished"):
        encoder.send(Done())
