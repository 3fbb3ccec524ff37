"""ag-ui: runs of messages, thoughts and tool calls, whole or in chunks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.answers import arguments, comments, counts, texts, words
from tests.cuts import in_every_cut
from tests.reading import read

from tokenwire import (
    Completion,
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
    Unknown,
    Usage,
)
from tokenwire.dialects.agents.ag_ui import AG_UI
from tokenwire.dialects.agents.ag_ui_wire import DATA_EVENTS
from tokenwire.dialects.kit.payloads import MAX_INDEX


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, **fields}


def sse(*events: Any, end: str = "\n") -> bytes:
    return b"".join(
        f"data: {json.dumps(one, ensure_ascii=False)}{end}{end}".encode() for one in events
    )


def told(*events: Any) -> list[Event]:
    return read([sse(*events)], AG_UI).events


def encoded(events: list[Event]) -> bytes:
    encoder = StreamEncoder(AG_UI)
    return b"".join(map(encoder.send, events))


STARTED = event("RUN_STARTED", threadId="t", runId="r")
FINISHED = event("RUN_FINISHED", threadId="t", runId="r")
END: list[Event] = [Finished(0, "stop"), Done("stop")]
RESULT = event("TOOL_CALL_RESULT", messageId="m3", toolCallId="c1", content="21 °C")

ANSWER = (
    STARTED,
    event("STEP_STARTED", stepName="think"),
    event("REASONING_START", messageId="m0"),
    event("REASONING_MESSAGE_START", messageId="m0", role="reasoning"),
    event("REASONING_MESSAGE_CONTENT", messageId="m0", delta="Hm"),
    event("REASONING_MESSAGE_END", messageId="m0"),
    event("REASONING_END", messageId="m0"),
    event("REASONING_ENCRYPTED_VALUE", subtype="message", entityId="m0", encryptedValue="sig"),
    event("TEXT_MESSAGE_START", messageId="m1", role="assistant"),
    event("TEXT_MESSAGE_CONTENT", messageId="m1", delta="I\u2028look"),
    event("TOOL_CALL_START", toolCallId="c1", toolCallName="weather", parentMessageId="m1"),
    event("TOOL_CALL_ARGS", toolCallId="c1", delta='{"in":'),
    event("TEXT_MESSAGE_CONTENT", messageId="m1", delta=" up"),
    event("TEXT_MESSAGE_END", messageId="m1"),
    event("TOOL_CALL_ARGS", toolCallId="c1", delta='"Ulm"}'),
    event("TOOL_CALL_END", toolCallId="c1"),
    RESULT,
    event("TEXT_MESSAGE_START", messageId="m4"),
    event("TEXT_MESSAGE_CONTENT", messageId="m4", delta="Warm."),
    event("TEXT_MESSAGE_END", messageId="m4"),
    event(
        "RUN_FINISHED",
        threadId="t",
        runId="r",
        result={"ok": True},
        outcome={"type": "success"},
        usage=[{"model": "a", "inputTokens": 3, "outputTokens": 4}, {"inputTokens": 2}],
    ),
)
SAID: list[Event] = [
    Started("r"),
    Data("STEP_STARTED", event("STEP_STARTED", stepName="think")),
    Reasoning("Hm"),
    Reasoning("", signature="sig"),
    Token("I\u2028look"),
    ToolCall("0", id="c1", name="weather"),
    ToolCall("0", arguments='{"in":'),
    Token(" up"),
    ToolCall("0", arguments='"Ulm"}'),
    ToolCall("0", complete=True),
    Data("TOOL_CALL_RESULT", RESULT),
    Token("Warm.", part=1),
    Data("result", {"ok": True}),
    Usage(5, 4, final=True),
    Finished(0, "stop", "success"),
    Done("stop"),
]


def test_however_it_is_cut() -> None:
    wire = sse(*ANSWER)
    assert in_every_cut(lambda chunks: read(chunks, AG_UI), wire).events == SAID
    for end in range(len(wire)):
        *before, last = read([wire[:end]], AG_UI).events
        if isinstance(last, Done):  # only the blank line is missing
            assert [*before, last] == SAID
        else:
            assert isinstance(last, Error)
            assert last.kind == "truncated"


def test_recognised() -> None:
    assert read([sse(*ANSWER)], "auto").events == SAID


def test_q02_lines_end_as_the_server_likes() -> None:
    for end in ("\r\n", "\r"):
        assert read([sse(*ANSWER, end=end)], AG_UI).events == SAID


def test_q04_line_separators_in_texts_are_text() -> None:
    odd = "a\u2028b\u2029c\u0085d\x0be\x0cf"
    assert Token(odd) in told(STARTED, event("TEXT_MESSAGE_CHUNK", delta=odd), FINISHED)


def test_q07_comments_come_first() -> None:
    assert read([b":\n\n" + sse(STARTED, FINISHED)], AG_UI).events == [
        Heartbeat(),
        Started("r"),
        *END,
    ]


def test_q08_empty_data_is_liveness() -> None:
    assert read([b"data:\n\n"], AG_UI).events[0] == Heartbeat()


# --- chunks ---


def test_chunks_of_text() -> None:
    chunks = (
        event("TEXT_MESSAGE_CHUNK", messageId="a", role="assistant", delta="H"),
        event("TEXT_MESSAGE_CHUNK", delta="i"),
        event("TEXT_MESSAGE_CHUNK", delta=""),
        event("TEXT_MESSAGE_CHUNK", messageId="b", delta="!"),
        event("REASONING_MESSAGE_CHUNK", messageId="c", delta="H"),
        event("REASONING_MESSAGE_CHUNK", delta="m"),
    )
    assert told(STARTED, *chunks, FINISHED)[1:-2] == [
        Token("H"),
        Token("i"),
        Token("!", part=1),
        Reasoning("H"),
        Reasoning("m"),
    ]


RAW = event("RAW", event=None, source="x")
CHUNKS = (
    event("TOOL_CALL_CHUNK", toolCallId="a", toolCallName="f", delta=""),
    event("TOOL_CALL_CHUNK", delta="{"),
    RAW,
    event("TOOL_CALL_CHUNK", toolCallId="a", delta="}"),
    event("TOOL_CALL_CHUNK", toolCallId="b", toolCallName="g", delta="{}"),
)


def test_a_call_in_chunks_is_complete_when_something_else_comes() -> None:
    assert told(STARTED, *CHUNKS, FINISHED)[1:-2] == [
        ToolCall("0", id="a", name="f"),
        ToolCall("0", arguments="{"),
        Data("RAW", RAW),
        ToolCall("0", arguments="}"),
        ToolCall("0", complete=True),
        ToolCall("1", id="b", name="g"),
        ToolCall("1", arguments="{}"),
        ToolCall("1", complete=True),
    ]


@pytest.mark.parametrize("after", [(), (event("RUN_ERROR", message="no"),)], ids=["cut", "error"])
def test_a_call_in_chunks_that_was_cut_is_not_complete(after: tuple[Any, ...]) -> None:
    first, second = Completion.from_events(told(STARTED, *CHUNKS, *after)).choices[0].tool_calls
    assert (first.complete, second.complete) == (True, False)


def test_a_chunk_without_any_id() -> None:
    chunks = (event("TOOL_CALL_CHUNK", toolCallName="f"), event("TOOL_CALL_CHUNK", delta="{}"))
    assert told(STARTED, *chunks, FINISHED)[1:4] == [
        ToolCall("0", name="f"),
        ToolCall("0", arguments="{}"),
        ToolCall("0", complete=True),
    ]


def test_a_chunked_call_with_its_own_end() -> None:
    end = event("TOOL_CALL_END", toolCallId="b")
    calls = [one for one in told(STARTED, *CHUNKS, end, FINISHED) if isinstance(one, ToolCall)]
    assert [one.complete for one in calls if one.key == "1"] == [False, False, True]


# --- what is no answer ---


def test_messages_of_others_are_data() -> None:
    events = told(
        STARTED,
        event("TEXT_MESSAGE_START", messageId="u", role="user"),
        event("TEXT_MESSAGE_CONTENT", messageId="u", delta="Hi"),
        event("TEXT_MESSAGE_CONTENT", messageId="u", delta=""),
        event("TEXT_MESSAGE_END", messageId="u"),
        event("TEXT_MESSAGE_CHUNK", messageId="s", role="system", delta="Be"),
        event("TEXT_MESSAGE_CHUNK", delta=" kind"),
        event("TEXT_MESSAGE_CHUNK", messageId="a", role="assistant", delta="Hello"),
        FINISHED,
    )
    assert events[1:-2] == [
        Data("user", "Hi"),
        Data("system", "Be"),
        Data("system", " kind"),
        Token("Hello"),
    ]


@pytest.mark.parametrize("kind", sorted(DATA_EVENTS))
def test_data(kind: str) -> None:
    one = event(kind, messageId="m", delta=[{"op": "add"}], messages=[], snapshot=None)
    assert told(STARTED, one, FINISHED)[1] == Data(kind, one)


def test_encrypted_values_of_tool_calls() -> None:
    one = event("REASONING_ENCRYPTED_VALUE", subtype="tool-call", entityId="c", encryptedValue="x")
    assert told(STARTED, one, FINISHED)[1] == Data("REASONING_ENCRYPTED_VALUE", one)


def test_encrypted_values_are_signatures_of_thoughts_that_came_before_alone() -> None:
    """Servers attach them to any message, as to a tool's result."""
    value = event("REASONING_ENCRYPTED_VALUE", subtype="message", entityId="r", encryptedValue="x")
    assert told(STARTED, value, FINISHED)[1] == Data("REASONING_ENCRYPTED_VALUE", value)
    result = event("TOOL_CALL_RESULT", messageId="r", toolCallId="c", content="ok")
    said = told(STARTED, result, value, FINISHED)
    assert said[2] == Data("REASONING_ENCRYPTED_VALUE", value)
    begun = event("REASONING_START", messageId="r")  # it may hold nothing that may be read
    assert told(STARTED, begun, value, FINISHED)[1] == Reasoning("", signature="x")


def test_encrypted_values_do_not_end_a_call_that_comes_in_chunks() -> None:
    chunk = event("TOOL_CALL_CHUNK", toolCallId="c", toolCallName="f", delta="{")
    value = event("REASONING_ENCRYPTED_VALUE", subtype="message", entityId="m", encryptedValue="x")
    more = event("TOOL_CALL_CHUNK", delta="}")
    said = told(STARTED, chunk, value, more, FINISHED)
    calls = [one for one in said if isinstance(one, ToolCall)]
    assert [one.arguments for one in calls] == ["", "{", "}", ""]
    assert [one.complete for one in calls] == [False, False, False, True]


def test_thinking_of_older_versions() -> None:
    events = told(
        STARTED,
        event("THINKING_START", title="Plan"),
        event("THINKING_TEXT_MESSAGE_START"),
        event("THINKING_TEXT_MESSAGE_CONTENT", delta="Hm"),
        event("THINKING_TEXT_MESSAGE_END"),
        event("THINKING_END"),
        FINISHED,
    )
    assert events[1:-2] == [Reasoning("Hm")]


def test_what_stands_where_a_piece_should_is_told() -> None:
    odd = event("TEXT_MESSAGE_CHUNK", messageId="m", delta=["a"])
    events = told(STARTED, odd, event("TEXT_MESSAGE_CHUNK", delta=6), FINISHED)
    assert events[1:3] == [Data("extra", {"delta": ["a"]}), Token("6")]


# --- runs ---


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"outcome": {"type": "cancelled"}}, [Finished(0, "cancelled", "cancelled")]),
        ({"outcome": "interrupt"}, [Finished(0, "pause", "interrupt")]),
        ({"outcome": {"type": "later"}}, [Finished(0, "other", "later")]),
        ({"outcome": {"type": 5}}, [Finished(0, "other", "5")]),
        (
            {"outcome": ["x"]},
            [Data("extra", {"type": ["x"]}), Finished(0, "stop")],
        ),
        (
            {"outcome": {"type": "interrupt", "interrupts": [{"id": "i"}]}},
            [Data("interrupt", {"id": "i"}), Finished(0, "pause", "interrupt")],
        ),
        (
            {"outcome": {"type": "success", "pendingToolCallIds": ["c"]}},
            [Finished(0, "tool_calls", "success")],
        ),
        ({"usage": []}, [Finished(0, "stop")]),
        (
            {"usage": [{"totalTokens": 9, "reasoningTokens": 1, "cachedInputTokens": 2}]},
            [Usage(None, None, 9, 1, 2, final=True), Finished(0, "stop")],
        ),
        (
            {"usage": [{"cacheWriteInputTokens": 1}, {"cacheWriteInputTokens": 2}]},
            [Usage(cache_write_tokens=3, final=True), Finished(0, "stop")],
        ),
    ],
)
def test_outcomes(fields: dict[str, Any], said: list[Event]) -> None:
    finished = said[-1]
    assert isinstance(finished, Finished)
    assert told(STARTED, {**FINISHED, **fields}) == [Started("r"), *said, Done(finished.reason)]


def test_several_runs_in_one_body() -> None:
    second = event("RUN_STARTED", threadId="t", runId="r2")
    text = event("TEXT_MESSAGE_CHUNK", messageId="m", delta="Hi")
    assert told(STARTED, FINISHED, second, text, FINISHED) == [
        Started("r"),
        Finished(0, "stop"),
        Started("r2"),
        Token("Hi"),
        *END,
    ]
    *_, cut = told(STARTED, FINISHED, second, text)
    assert isinstance(cut, Error)
    assert cut.kind == "truncated"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"message": "no"}, [Error("vendor", "no")]),
        (
            {"message": "slow down", "code": "RATE_LIMIT_EXCEEDED"},
            [Error("vendor", "slow down", "RATE_LIMIT_EXCEEDED", recovery=Recovery.RETRY)],
        ),
        ({}, [Error("vendor", "the agent failed without a message")]),
        (
            {"message": "no", "usage": [{"inputTokens": 1}]},
            [Usage(1, final=True), Error("vendor", "no")],
        ),
    ],
)
def test_run_errors(fields: dict[str, Any], said: list[Event]) -> None:
    assert told(STARTED, event("RUN_ERROR", **fields), FINISHED) == [Started("r"), *said]
    assert told(event("RUN_ERROR", **fields)) == said
    assert told(STARTED, FINISHED, event("RUN_ERROR", **fields))[2:] == said


def test_a_subagents_error_ends_nothing() -> None:
    one = event("SUBAGENT_ERROR", subagentRunId="s", message="no", code="c")
    assert told(STARTED, one, FINISHED) == [
        Started("r"),
        Error("vendor", "no", "c", fatal=False),
        *END,
    ]


@pytest.mark.parametrize(
    "one",
    [
        event("NEW_IN_2"),
        {},
        event("TOOL_CALL_ARGS", toolCallId="never", delta="{}"),
        event("TOOL_CALL_ARGS", delta="{}"),
    ],
)
def test_unknown(one: Any) -> None:
    assert told(STARTED, one, FINISHED)[1] == Unknown()


def test_oddities() -> None:
    wire = b'data: nonsense\n\ndata: {"type":"TOOL_CALL_END"}\n\nevent: error\ndata: no\n\n'
    malformed, error = read([wire], AG_UI).events
    assert isinstance(malformed, Error)
    assert not malformed.fatal
    assert error == Error("vendor", "no")


def test_ids_are_bounded() -> None:
    ids = [str(n) for n in range(MAX_INDEX + 1)]
    events = told(
        STARTED,
        *(event("TEXT_MESSAGE_CHUNK", messageId=id, delta="a") for id in ids),
        *(event("TOOL_CALL_START", toolCallId=id, toolCallName="f") for id in ids),
        *(event("TEXT_MESSAGE_START", messageId=f"u{id}", role="user") for id in ids),
        FINISHED,
    )
    assert [one.part for one in events if isinstance(one, Token)] == list(range(MAX_INDEX + 1))
    assert len({one.key for one in events if isinstance(one, ToolCall)}) == MAX_INDEX + 1


# --- encoder ---


def test_encodes_what_it_reads() -> None:
    assert read([encoded(SAID)], AG_UI).events == SAID


def test_encodes_what_others_read() -> None:
    said = [
        Started("r"),
        Reasoning("Hm"),
        Token("Hi"),
        ToolCall("0", arguments="{}", complete=True),
        *END,
    ]
    ids = {"threadId": "r", "runId": "r"}
    text, thought = "r:text:0", "r:reasoning:0"
    assert [json.loads(one[6:]) for one in encoded(said).decode().split("\n\n")[:-1]] == [
        event("RUN_STARTED", **ids),
        event("REASONING_START", messageId=thought),
        event("REASONING_MESSAGE_START", messageId=thought, role="reasoning"),
        event("REASONING_MESSAGE_CONTENT", messageId=thought, delta="Hm"),
        event("TEXT_MESSAGE_START", messageId=text, role="assistant"),
        event("TEXT_MESSAGE_CONTENT", messageId=text, delta="Hi"),
        event("TOOL_CALL_START", toolCallId="0", toolCallName=""),
        event("TOOL_CALL_ARGS", toolCallId="0", delta="{}"),
        event("TOOL_CALL_END", toolCallId="0"),
        event("TEXT_MESSAGE_END", messageId=text),
        event("REASONING_MESSAGE_END", messageId=thought),
        event("REASONING_END", messageId=thought),
        event("RUN_FINISHED", **ids),
    ]


@pytest.mark.parametrize(
    "events",
    [
        [Started("r"), Finished(0, "cancelled", "cancelled"), Done("cancelled")],
        [
            Started("r"),
            Data("interrupt", {"id": "i"}),
            Finished(0, "pause", "interrupt"),
            Done("pause"),
        ],
        [
            Started("r"),
            ToolCall("0", id="c", name="f"),
            ToolCall("0", complete=True),
            Finished(0, "tool_calls", "success"),
            Done("tool_calls"),
        ],
        [Started("r"), Token("a"), Finished(0, "stop"), Started("s"), Token("b", part=1), *END],
        [Started("r"), Token("a"), Token("b", part=1), Token("c"), *END],
        [Started("r"), Usage(1, 2, 3, 4, 5, 6, final=True), *END],
        [Started("r"), Error("vendor", "no", "code")],
        [Started("r"), Usage(1, final=True), Error("vendor", "no")],
        [Started("r"), Usage(1, final=True), Finished(0, "stop"), Error("vendor", "no")],
        [Error("vendor", "no")],
    ],
)
def test_round_trip(events: list[Event]) -> None:
    assert read([encoded(events)], AG_UI).events == events


@pytest.mark.parametrize(
    ("before", "one"),
    [
        ([], Token("a")),
        ([], Started(None, "m")),
        ([Started("r")], Started("s")),
        ([Started("r")], Done()),
        ([Started("r")], Finished(0, "length", "max_tokens")),
        ([Started("r")], Finished(0, "other")),
        ([Started("r")], Finished(0, "tool_calls")),
        (
            [Started("r"), ToolCall("0", id="c1", name="f"), Data("TOOL_CALL_RESULT", RESULT)],
            Finished(0, "tool_calls"),
        ),
        ([Started("r"), Data("interrupt", {"id": "i"})], Finished(0, "stop")),
        ([Started("r")], Refusal("no")),
        ([Started("r")], Token("a", index=1)),
        ([Started("r")], ToolCall("0", name="search", provider_executed=True)),
        ([Started("r")], Data("RAW", 5)),
        ([Started("r")], Data("citation", {})),
        ([Started("r")], Error("vendor", "no", fatal=False)),
    ],
)
def test_cannot_be_said(before: list[Event], one: Event) -> None:
    encoder = StreamEncoder(AG_UI)
    for earlier in before:
        encoder.send(earlier)
    with pytest.raises(LocalProtocolError):
        encoder.send(one)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Thoughts, texts whose parts rise, calls, one end."""
    said: list[Event] = [Started(draw(words))]
    said += [Reasoning(piece) for piece in draw(st.lists(texts, max_size=3))]
    for part in range(draw(st.integers(0, 3))):
        said += [Token(piece, part=part) for piece in draw(st.lists(texts, min_size=1, max_size=3))]
        said += [Heartbeat(one.removeprefix(" ")) for one in draw(st.lists(comments, max_size=1))]
    calls = draw(st.integers(0, 2))
    for key in map(str, range(calls)):
        said.append(ToolCall(key, id=f"call {key}", name=draw(words)))
        said += [ToolCall(key, arguments=piece) for piece in draw(arguments())]
        said.append(ToolCall(key, complete=True))
    said += draw(st.sampled_from([[], [Usage(draw(counts), draw(counts), final=True)]]))
    ends = [Finished(0, "stop"), Finished(0, "stop", "success"), Finished(0, "pause", "interrupt")]
    if calls:
        ends.append(Finished(0, "tool_calls", "success"))
    finished = draw(st.sampled_from(ends))
    return [*said, finished, Done(finished.reason)]


@given(answers())
def test_any_answer_round_trips(said: list[Event]) -> None:
    assert read([encoded(said)], AG_UI).events == said


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.fixed_dictionaries(
            {},
            optional={
                "type": st.sampled_from(
                    [*sorted(DATA_EVENTS), *(one["type"] for one in (*ANSWER, *CHUNKS))]
                )
                | inner,
                **dict.fromkeys(("runId", "messageId", "role", "delta", "toolCallId"), inner),
                **dict.fromkeys(("outcome", "usage", "result", "message", "code"), inner),
            },
        )
    ),
    max_leaves=10,
)


@given(st.lists(_JSON, max_size=3))
def test_reads_any_json(values: list[Any]) -> None:
    events = told(*values)
    assert all(one.frame is not None for one in events[:-1])
