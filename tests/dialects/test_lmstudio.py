"""lmstudio: LM Studio's own chat API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.answers import comments, counts, texts, words
from tests.cuts import bytewise, every_cut, in_every_cut
from tests.reading import read

from tokenwire import (
    Completion,
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
from tokenwire.dialects.kit.payloads import json_text
from tokenwire.dialects.servers.lmstudio import STOP_REASONS, Decoder


def sse(*events: tuple[str, dict[str, Any]]) -> bytes:
    return b"".join(
        f"event: {kind}\ndata: {json.dumps({'type': kind, **said})}\n\n".encode()
        for kind, said in events
    )


PROVIDER = {"type": "ephemeral_mcp", "server_label": "huggingface"}
CALL = {"tool": "model_search", "provider_info": PROVIDER}
ARGUMENTS = {"sort": "trendingScore", "limit": 1}
RESULT = {**CALL, "arguments": ARGUMENTS, "output": "[]"}
END = {
    "model_instance_id": "openai/gpt-oss-20b",
    "output": [
        {"type": "reasoning", "content": "Need to call"},
        {"type": "tool_call", **RESULT},
        {"type": "message", "content": "Hi \u2028🗼"},
    ],
    "stats": {
        "input_tokens": 329,
        "total_output_tokens": 268,
        "reasoning_output_tokens": 5,
        "tokens_per_second": 43.7,
    },
    "response_id": "resp_1",
}
EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("chat.start", {"model_instance_id": "openai/gpt-oss-20b"}),
    ("model_load.progress", {"progress": 0.5}),
    ("prompt_processing.end", {}),
    ("reasoning.start", {}),
    ("reasoning.delta", {"content": "Need to call"}),
    ("reasoning.end", {}),
    ("tool_call.start", CALL),
    ("tool_call.arguments", {**CALL, "arguments": ARGUMENTS}),
    ("tool_call.success", RESULT),
    ("message.start", {}),
    ("message.delta", {"content": "Hi \u2028"}),
    ("message.delta", {"content": "🗼"}),
    ("message.delta", {"content": ""}),
    ("message.end", {}),
    ("chat.end", {"result": END}),
]
WIRE = sse(*EVENTS)
SAID: list[Event] = [
    Started(None, "openai/gpt-oss-20b"),
    Heartbeat("model_load.progress"),
    Heartbeat("prompt_processing.end"),
    Reasoning("Need to call"),
    ToolCall("0", name="model_search", provider_executed=True),
    ToolCall(
        "0",
        arguments='{"sort":"trendingScore","limit":1}',
        complete=True,
        provider_executed=True,
    ),
    Data("tool_call.success", {"type": "tool_call.success", **RESULT}),
    Token("Hi \u2028"),
    Token("🗼"),
    Started("resp_1", "openai/gpt-oss-20b"),
    Usage(329, 268, None, 5, final=True),
    Finished(0, "other", None),
    Done("other"),
]


def both(data: bytes) -> Iterator[list[bytes]]:
    yield bytewise(data)
    yield from every_cut(data)


def test_all_kinds_of_events() -> None:
    outcome = in_every_cut(lambda chunks: read(chunks, "lmstudio"), WIRE, both)
    assert outcome.events == SAID


def test_q24_chat_end_repeats_the_answer() -> None:
    completion = Completion.from_events(read([WIRE], "lmstudio").events)
    assert completion.text == "Hi \u2028🗼"
    assert completion.choices[0].reasoning == "Need to call"
    assert completion.id == "resp_1"


def test_every_prefix_is_cut_off() -> None:
    for end in range(len(WIRE) - 2):
        last = read([WIRE[:end]], "lmstudio").events[-1]
        assert isinstance(last, Error)
        assert last.kind == "truncated"


def test_q28_arguments_are_an_object_and_calls_have_no_id() -> None:
    events = read(
        [
            sse(
                ("tool_call.start", {"tool": "a"}),
                ("tool_call.success", {"tool": "a", "arguments": {"x": 1}, "output": "1"}),
                ("tool_call.arguments", {"tool": "b"}),
                ("tool_call.start", {"tool": "c"}),
                ("tool_call.failure", {"reason": "no", "metadata": {"type": "invalid_name"}}),
                ("tool_call.success", {"tool": "d", "arguments": {}, "output": "1"}),
            )
        ],
        "lmstudio",
    ).events
    assert [event for event in events if isinstance(event, ToolCall)] == [
        ToolCall("0", name="a", provider_executed=True),
        ToolCall("0", arguments='{"x":1}', complete=True, provider_executed=True),
        ToolCall("1", name="b", provider_executed=True),
        ToolCall("1", arguments="{}", complete=True, provider_executed=True),
        ToolCall("2", name="c", provider_executed=True),
    ]
    kinds = [event.kind for event in events if isinstance(event, Data)]
    assert kinds == ["tool_call.success", "tool_call.failure", "tool_call.success"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            {"type": "invalid_request", "message": "no", "code": "missing", "param": "model"},
            Error("vendor", "no", "missing"),
        ),
        (
            {"type": "internal_error", "message": "no", "code": "detail"},
            Error("vendor", "no", "detail", recovery=Recovery.RETRY),
        ),
        (
            {"type": "mcp_connection_error", "message": "no"},
            Error("vendor", "no", "mcp_connection_error", recovery=Recovery.RETRY),
        ),
        ("no", Error("vendor", "no")),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_an_error_is_the_end_though_chat_end_follows(
    error: Any, expected: Error, named: bool
) -> None:
    wire = sse(("message.delta", {"content": "Hi"}), ("error", {"error": error}))
    wire = wire if named else wire.replace(b"event: error\n", b"")
    usage = Usage(1, 2, final=True)
    end = sse(("chat.end", {"result": {"stats": {"input_tokens": 1, "total_output_tokens": 2}}}))
    assert read([wire + end], "lmstudio").events == [Token("Hi"), usage, expected]
    assert read([wire], "lmstudio").events == [Token("Hi"), expected]


def test_an_error_that_is_no_json() -> None:
    assert read([b"event: error\ndata: no\n\n"], "lmstudio").events == [Error("vendor", "no")]


@pytest.mark.parametrize("raw", [*STOP_REASONS, "new"])
def test_stop_reasons(raw: str) -> None:
    wire = sse(("chat.end", {"result": {"stats": {"stop_reason": raw}}}))
    finished, last = read([wire], "lmstudio").events
    reason = STOP_REASONS.get(raw, "other")
    assert finished == Finished(0, reason, raw)
    assert isinstance(last, Error) if reason == "error" else last == Done(reason)


def test_q10_the_type_is_in_the_event_or_in_the_json() -> None:
    bare = b'event: message.delta\ndata: {"content": "a"}\n\ndata: {"type":"chat.end"}\n\n'
    assert read([bare], "lmstudio").events == [
        Token("a"),
        Finished(0, "other", None),
        Done("other"),
    ]


def test_what_has_no_meaning_here() -> None:
    wire = sse(("chat.new", {}), ("reasoning.delta", {})) + b"data: [1]\n\ndata: \n\ndata: {}\n\n"
    unknown, malformed, empty, nothing, _ = read([wire], "lmstudio").events
    assert (unknown, empty, nothing) == (Unknown(), Heartbeat(), Unknown())
    assert isinstance(malformed, Error)
    assert not malformed.fatal


_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["content", "result", "stats", "error", "arguments", "type", "tool"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@given(st.lists(st.tuples(st.sampled_from([kind for kind, _ in EVENTS] + ["error"]), _VALUES)))
def test_any_json_is_read(values: list[tuple[str, Any]]) -> None:
    decoder = Decoder()
    for kind, value in values:
        for event in decoder.receive_frame(Frame(json.dumps(value).encode(), kind)):
            assert event.frame is not None
    decoder.receive_eof()


# --- writing ---


def answers() -> st.SearchStrategy[list[Event]]:
    """Answers that the wire can say."""
    body = st.one_of(
        st.builds(Token, texts),
        st.builds(Reasoning, texts),
        st.builds(Heartbeat, comments.map(lambda text: text.lstrip())),
    )
    call = st.dictionaries(words, counts).map(
        lambda said: [
            ToolCall("0", name="f", provider_executed=True),
            ToolCall(
                "0",
                arguments=json_text(said),
                complete=True,
                provider_executed=True,
            ),
            Data("tool_call.success", {"type": "tool_call.success", "output": "1"}),
        ]
    )
    known = sorted((raw, reason) for raw, reason in STOP_REASONS.items() if reason != "error")
    ends: st.SearchStrategy[list[Event]] = st.one_of(
        st.sampled_from(known).map(lambda end: [Finished(0, end[1], end[0]), Done(end[1])]),
        st.just([Finished(), Done()]),
        st.builds(Error, st.just("vendor"), texts, words).map(lambda error: [error]),
    )
    identity = st.builds(Started, words, words)
    usage = st.builds(Usage, counts, counts, st.none(), counts, final=st.just(True))
    return st.tuples(
        st.builds(Started, st.none(), words),
        st.lists(body, max_size=6),
        call | st.just([]),
        identity,
        usage,
        ends,
    ).map(lambda t: [t[0], *t[1], *t[2], t[3], t[4], *t[5]])


def encode(events: list[Event]) -> bytes:
    encoder = StreamEncoder("lmstudio")
    return b"".join(map(encoder.send, events))


@given(answers())
@settings(deadline=None)
def test_round_trip(events: list[Event]) -> None:
    assert read([encode(events)], "lmstudio").events == events


def test_a_call_in_one_event_is_written_in_two() -> None:
    one = ToolCall("0", name="f", arguments="{}", complete=True, provider_executed=True)
    assert read([encode([one])], "lmstudio").events[:2] == [
        ToolCall("0", name="f", provider_executed=True),
        ToolCall("0", arguments="{}", complete=True, provider_executed=True),
    ]


@pytest.mark.parametrize(
    "event",
    [
        Token("a", 1),
        Reasoning("a", signature="s"),
        ToolCall("0", arguments="{", provider_executed=True),
        ToolCall("0", complete=True, provider_executed=True),
        ToolCall("0", name="f"),
        Data("image", {}),
        Data("tool_call.success", "no object"),
        Error("malformed", "a", fatal=False),
    ],
)
def test_what_it_cannot_say(event: Event) -> None:
    with pytest.raises(LocalProtocolError, match="lmstudio has no way to say"):
        StreamEncoder("lmstudio").send(event)


def test_done_comes_after_finished() -> None:
    with pytest.raises(LocalProtocolError, match="Done comes after a Finished"):
        StreamEncoder("lmstudio").send(Done())
