"""gemini-interactions: steps of an interaction."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.answers import arguments, counts, errors, heartbeats, texts, words
from tests.cuts import in_every_cut
from tests.dialects.checks import assert_cut_off, assert_round_trip
from tests.reading import read

from tokenwire import (
    Completion,
    Cursor,
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
    Refusal,
    Reset,
    Started,
    StreamEncoder,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.dialects.google.interactions import GEMINI_INTERACTIONS, Decoder
from tokenwire.dialects.google.interactions_wire import STATUSES
from tokenwire.dialects.kit.payloads import MAX_INDEX


def event(kind: str, /, **fields: Any) -> dict[str, Any]:
    return {"event_type": kind, **fields}


def start(kind: str, index: int = 0, **step: Any) -> dict[str, Any]:
    return event("step.start", index=index, step={"type": kind, **step})


def delta(kind: str, index: int = 0, **said: Any) -> dict[str, Any]:
    return event("step.delta", index=index, delta={"type": kind, **said})


def stop(index: int = 0, **said: Any) -> dict[str, Any]:
    return event("step.stop", index=index, **said)


def completed(status: Any = "completed", **said: Any) -> dict[str, Any]:
    return event("interaction.completed", interaction={"status": status, **said})


def sse(*events: dict[str, Any], named: bool = True, typed: bool = True) -> bytes:
    wire = b""
    for one in events:
        data = one if typed else {key: one[key] for key in one if key != "event_type"}
        name = f"event: {one['event_type']}\n" if named else ""
        wire += f"{name}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
    return wire


def decode(*events: Any) -> list[Event]:
    """What the decoder alone makes of these: JSON values, or bytes as they are."""
    decoder = Decoder()
    found: list[Event] = []
    for one in events:
        data = one if isinstance(one, bytes) else json.dumps(one).encode()
        found.extend(decoder.receive_frame(Frame(data)))
    assert decoder.receive_eof() == ()
    return found


def usage(**said: int) -> dict[str, int]:
    return {f"total_{name}": count for name, count in said.items()}


DONE = b"event: done\ndata: [DONE]\n\n"
ANSWER = [
    event("interaction.created", interaction={"id": "v1", "status": "in_progress", "model": "g"}),
    event("interaction.status_update", interaction_id="v1", status="in_progress"),
    start("thought"),
    delta("thought_summary", content={"type": "text", "text": "Hm"}),
    {**delta("thought_signature", signature=""), "metadata": {"usage": usage(tokens=5)}},
    delta("thought_signature", signature="sig"),
    stop(),
    start("model_output", 1),
    {**delta("text", 1, text="Hi \u2028🗼"), "event_id": "e7"},
    stop(1),
    start("function_call", 2, id="c", name="f", arguments={}),
    delta("arguments_delta", 2, arguments='{"a"'),
    delta("arguments_delta", 2, arguments=":1}"),
    stop(2),
    completed(
        "requires_action",
        id="v1",
        usage=usage(input_tokens=1, output_tokens=2, tokens=6, thought_tokens=3, cached_tokens=0),
    ),
]
SAID = [
    Started("v1", "g"),
    Heartbeat("in_progress"),
    Reasoning("Hm"),
    Usage(total_tokens=5),
    Reasoning("", signature="sig"),
    Token("Hi \u2028🗼", part=1),
    ToolCall("0", 0, "c", "f"),
    ToolCall("0", arguments='{"a"'),
    ToolCall("0", arguments=":1}"),
    ToolCall("0", complete=True),
    Finished(0, "tool_calls", "requires_action"),
    Usage(1, 2, 6, 3, 0, final=True),
    Done("tool_calls"),
]


@pytest.mark.parametrize(("named", "typed"), [(True, True), (False, True), (True, False)])
def test_q10_the_type_stands_in_either_place(named: bool, typed: bool) -> None:
    wire = sse(*ANSWER, named=named, typed=typed) + DONE
    outcome = in_every_cut(
        lambda chunks: read(chunks, GEMINI_INTERACTIONS),
        wire,
        lambda wire: [[wire[:at], wire[at:]] for at in range(1, len(wire))],
    )
    assert outcome.events == SAID
    assert outcome.cursor == Cursor("token", "e7")


def test_every_part_of_it_was_cut() -> None:
    wire = sse(*ANSWER)
    for end in range(len(wire) - 2):
        last = read([wire[:end]] if end else [], GEMINI_INTERACTIONS).events[-1]
        if isinstance(last, Done):  # its last frame lacks no more than its blank line
            assert wire[end:].strip() == b""
        else:
            assert isinstance(last, Error)
            assert last.kind == "truncated"


@pytest.mark.parametrize(
    ("before", "recovery"), [(ANSWER[:3], Recovery.RESUME), ([], Recovery.RETRY)]
)
def test_q16_the_sentinel_alone_proves_nothing(
    before: list[dict[str, Any]], recovery: Recovery
) -> None:
    last = read([sse(*before) + DONE], GEMINI_INTERACTIONS).events[-1]
    assert isinstance(last, Error)
    assert (last.kind, last.recovery) == ("truncated", recovery)
    assert "interaction.completed" in last.message


@pytest.mark.parametrize(
    ("status", "reason"), [*STATUSES.items(), ("new", "other"), (None, "other")]
)
def test_statuses(status: str | None, reason: str) -> None:
    finished, last = decode(completed(status))
    assert finished == Finished(0, reason, status)  # type: ignore[arg-type]
    if reason == "error":
        assert isinstance(last, Error)
        assert (last.code, last.recovery) == ("failed", Recovery.RETRY)
    else:
        assert last == Done(reason)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wire",
    [
        [completed("failed", error={"code": "UNAVAILABLE", "message": "busy"})],
        [start("model_output", error={"code": 503, "message": "busy"}), completed("failed")],
    ],
)
def test_what_a_failure_says(wire: list[Any]) -> None:
    _, last = decode(*wire)
    assert isinstance(last, Error)
    assert (last.message, last.recovery) == ("busy", Recovery.RETRY)


def test_an_end_that_says_nothing() -> None:
    assert decode(event("interaction.completed")) == [Finished(), Done()]


@pytest.mark.parametrize("status", ["completed", "incomplete"])
def test_a_call_that_is_open_at_the_end(status: str) -> None:
    call, *rest = decode(start("function_call", name="f"), completed(status))
    assert call == ToolCall("0", 0, None, "f")
    assert (rest[0] == ToolCall("0", complete=True)) == (status == "completed")


def test_tokens_to_go_on_with() -> None:
    token = Data("continuation_token", "t")
    update = event("interaction.status_update", continuation_token="t", interaction_id="v1")
    assert decode(update) == [Started("v1"), token]
    counted = {**update, "interaction_id": None, "usage": usage(tokens=1)}
    assert decode(counted) == [token, Usage(total_tokens=1)]
    assert decode(completed("requires_continuation", continuation_token="t")) == [
        token,
        Finished(0, "pause", "requires_continuation"),
        Done("pause"),
    ]


def test_cursor() -> None:
    outcome = read([sse(ANSWER[0]), b"data: x\n\n"], GEMINI_INTERACTIONS)
    assert outcome.cursor == Cursor("token")


def test_counts() -> None:
    """Running counts replace each other; those that say nothing new are not told."""
    metadata = {"usage": usage(tokens=1)}
    assert decode(
        event("x", metadata=metadata),
        {**stop(), "usage": usage(tokens=1)},
        event("x", metadata={"total_usage": usage(tokens=2)}),
        stop(usage={}),
        {**completed(), "metadata": metadata},
    ) == [
        Unknown(),
        Usage(total_tokens=1),
        Unknown(),
        Usage(total_tokens=2),
        Finished(0, "stop", "completed"),
        Usage(total_tokens=1, final=True),
        Done("stop"),
    ]


IMAGE = {"type": "image", "data": "AA==", "mime_type": "image/png"}
RESULT = {"type": "google_search_result", "call_id": "s", "result": [{"search_suggestions": "x"}]}


def test_steps_that_begin_with_their_content() -> None:
    assert decode(
        start("model_output", 1, content=[{"type": "text", "text": "a"}, IMAGE, 3]),
        start("thought", 2, summary=[{"type": "text", "text": "b"}], signature="s"),
        start("thought", 3, summary=None),
        start("model_output", 3),
        event("step.start", index=4, step=RESULT),
        start("google_search_result", 5),
        event("step.start", index=6, step={"new": 1}),
        event("step.start", index=7, step=[1]),
    ) == [
        Token("a", part=1),
        Data("image", IMAGE, part=1),
        Reasoning("b", part=2),
        Reasoning("", part=2, signature="s"),
        Data("google_search_result", RESULT, part=4),
        Unknown(),
    ]


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (delta("text", 1, text=""), []),
        (delta("text", 1), []),
        (delta("thought_summary", 1, content="b"), [Reasoning("b", part=1)]),
        (delta("thought_summary", 1, content=IMAGE), [Data("thought_summary", IMAGE, part=1)]),
        (delta("thought_summary", 1), []),
        (delta("thought_signature", 1, signature=1), [Reasoning("", part=1, signature="1")]),
        (delta("text", 1, text=6), [Token("6", part=1)]),
        (delta("text", 1, text=["a"]), [Data("extra", {"delta.text": ["a"]})]),
        (delta("text", 1, text="a", mood=1), [Token("a", 0, 1), Data("extra", {"delta.mood": 1})]),
        (event("step.delta", index=1, delta=IMAGE), [Data("image", IMAGE, part=1)]),
        (
            event("step.delta", index=1, delta=RESULT),
            [Data("google_search_result", RESULT, part=1)],
        ),
        (
            delta("text_annotation_delta", 1, annotations=[{"url": "u"}, {"url": "v"}]),
            [Data("annotation", {"url": "u"}, part=1), Data("annotation", {"url": "v"}, part=1)],
        ),
        (delta("text_annotation_delta", 1), []),
        (delta("arguments_delta", 1, arguments="{}"), [ToolCall("0", arguments="{}")]),
        (event("step.delta", index=1, delta={"x": 1}), [Unknown()]),
        (event("step.delta", index=1), [Unknown()]),
        (event("interaction.new"), [Unknown()]),
        (event("interaction.created"), []),
        (stop(9), []),
        (b" ", [Heartbeat()]),
    ],
)
def test_deltas(said: Any, found: list[Event]) -> None:
    assert decode(said) == found


def test_built_in_tools() -> None:
    queries = {"queries": ["q"]}
    again = {"type": "google_search_call", "arguments": {"queries": ["r"]}, "signature": "t"}
    assert decode(
        start("google_search_call", 1, id="s", arguments={}),
        delta("google_search_call", 1, signature="sig"),
        delta("google_search_call", 1, arguments=queries),
        event("step.delta", index=1, delta=again),
        delta("arguments_delta", 1, arguments="not twice"),
        stop(1),
        start("mcp_server_tool_call", 2, id="m", name="n", arguments=queries, signature="u"),
        delta("arguments_delta", 2, arguments="not twice"),
        stop(2),
        delta("url_context_call", 3, arguments='{"urls":[]}'),
        stop(3),
    ) == [
        ToolCall("0", 0, "s", "google_search", provider_executed=True),
        Reasoning("", part=1, signature="sig"),
        ToolCall("0", arguments='{"queries":["q"]}'),
        Data("google_search_call", again, part=1),
        Reasoning("", part=1, signature="t"),
        ToolCall("0", complete=True),
        ToolCall("1", 0, "m", "n", '{"queries":["q"]}', provider_executed=True),
        Reasoning("", part=2, signature="u"),
        ToolCall("1", complete=True),
        ToolCall("2", 0, None, "url_context", '{"urls":[]}', provider_executed=True),
        ToolCall("2", complete=True),
    ]


def test_calls_side_by_side() -> None:
    found = decode(
        start("function_call", 1, name="f"),
        start("function_call", 2, name="g"),
        delta("arguments_delta", 1, arguments="1"),
        delta("arguments_delta", 2, arguments={"a": 1}),
        stop(2),
        start("function_call", 1, name="h", arguments={"b": 2}),
        stop(1),
    )
    assert found == [
        ToolCall("0", 0, None, "f"),
        ToolCall("1", 0, None, "g"),
        ToolCall("0", arguments="1"),
        ToolCall("1", arguments='{"a":1}'),
        ToolCall("1", complete=True),
        ToolCall("0", complete=True),  # another one took its place
        ToolCall("2", 0, None, "h", '{"b":2}'),
        ToolCall("2", complete=True),
    ]


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize(
    ("piece", "status", "complete"),
    [
        ('{"a":1}', "completed", True),
        ('{"a":1}', "incomplete", True),
        ('{"a', "completed", False),
        ('{"a', "incomplete", False),
        ("", "requires_action", True),
        ("", "incomplete", False),
    ],
)
def test_only_whole_json_is_complete(closed: bool, piece: str, status: str, complete: bool) -> None:
    sent = [
        start("function_call", 1, id="c", name="f"),
        delta("arguments_delta", 1, arguments=piece),
    ]
    found = decode(*sent, *([stop(1)] if closed else []), completed(status))
    (only,) = Completion.from_events(found).choices[0].tool_calls
    assert (only.arguments, only.complete) == (piece, complete)


@pytest.mark.parametrize(
    ("kind", "reason"), [("cancelled", "cancelled"), ("incomplete", "length"), ("failed", "error")]
)
def test_other_ends(kind: str, reason: Any) -> None:
    for said in ({}, {"interaction": {"status": kind}}):
        finished, last = decode(event(f"interaction.{kind}", **said))
        assert finished == Finished(0, reason, kind)
        assert isinstance(last, Error if kind == "failed" else Done)


def test_an_answer_that_comes_whole_with_its_end() -> None:
    said = {"type": "text", "text": "a"}
    steps = [
        {"type": "model_output", "content": [said]},
        {"type": "function_call", "id": "c", "name": "f", "arguments": {"a": 1}},
        5,
    ]
    told = [Token("a"), ToolCall("0", 0, "c", "f", '{"a":1}'), ToolCall("0", complete=True)]
    for field in ("steps", "outputs"):
        assert decode(completed(**{field: steps}))[:-2] == told
    assert decode(delta("text", text="a"), completed(steps=steps))[:-2] == [Token("a")]


def test_pieces_of_calls_that_were_never_opened_are_bounded() -> None:
    opened = [start("function_call", n, name="f") for n in range(MAX_INDEX)]
    late = delta("arguments_delta", MAX_INDEX, arguments="{")
    *_, last = decode(*opened, *(stop(n) for n in range(MAX_INDEX)), late)
    assert isinstance(last, Error)


def test_open_calls_are_bounded() -> None:
    *_, last = decode(*(start("function_call", n, name="f") for n in range(MAX_INDEX + 1)))
    assert isinstance(last, Error)
    assert not last.fatal


def test_its_first_form() -> None:
    """What was sent before there were steps."""
    called = {"type": "function_call", "id": "c", "name": "f", "arguments": {"a": 1}}
    assert decode(
        event("interaction.start", interaction={"id": "v1", "agent": "deep-research"}),
        event("content.start", index=0, content={"type": "text", "text": ""}),
        event("content.delta", index=0, delta={"type": "text", "text": "Hi"}),
        event("content.stop", index=0),
        event("content.start", index=1, content={"type": "function_call", "name": "g"}),
        event(
            "content.delta", index=1, delta={"type": "arguments_delta", "partial_arguments": "{}"}
        ),
        event("content.stop", index=1),
        event("content.delta", index=2, delta=called),
        event("content.stop", index=2),
        event("interaction.complete", interaction={"status": "completed"}),
    ) == [
        Started("v1", "deep-research"),
        Token("Hi"),
        ToolCall("0", 0, None, "g"),
        ToolCall("0", arguments="{}"),
        ToolCall("0", complete=True),
        ToolCall("1", 0, "c", "f", '{"a":1}'),
        ToolCall("1", complete=True),
        Finished(0, "stop", "completed"),
        Done("stop"),
    ]


@pytest.mark.parametrize(
    "data",
    [
        {"event_type": "error", "error": {"code": "UNAVAILABLE", "message": "busy"}},
        {"error": {"code": 503, "message": "busy"}},
        [{"error": {"code": 503, "message": "busy"}}],
    ],
)
def test_errors(data: Any) -> None:
    wire = sse(ANSWER[0]) + b"data: " + json.dumps(data).encode() + b"\n\n"
    _, error = read([wire], GEMINI_INTERACTIONS).events
    assert isinstance(error, Error)
    assert (error.kind, error.message, error.recovery) == ("vendor", "busy", Recovery.RETRY)
    (malformed,) = decode(b"{")
    assert isinstance(malformed, Error)
    assert not malformed.fatal


# --- the mirror ---


def encode(*events: Event) -> bytes:
    encoder = StreamEncoder(GEMINI_INTERACTIONS)
    return b"".join(map(encoder.send, events))


def test_encode() -> None:
    wire = encode(Started("v1", "g"), Token("é"), Finished(0, "stop"), Usage(1, final=True), Done())
    who = '"id":"v1","object":"interaction","model":"g"'
    assert wire.decode() == (
        "event: interaction.created\n"
        f'data: {{"interaction":{{{who},"status":"in_progress"}},'
        '"event_type":"interaction.created"}\n\n'
        "event: step.start\n"
        'data: {"index":0,"step":{"type":"model_output"},"event_type":"step.start"}\n\n'
        "event: step.delta\n"
        'data: {"index":0,"delta":{"type":"text","text":"é"},"event_type":"step.delta"}\n\n'
        'event: step.stop\ndata: {"index":0,"event_type":"step.stop"}\n\n'
        "event: interaction.completed\n"
        f'data: {{"interaction":{{{who},"status":"completed","usage":{{"total_input_tokens":1}}}},'
        '"event_type":"interaction.completed"}\n\n'
        "event: done\ndata: [DONE]\n\n"
    )


@pytest.mark.parametrize(
    "events",
    [
        [Refusal("no")],
        [Reset()],
        [Token("a", 1)],
        [Data("citation", "x")],
        [Data("text", {"type": "text", "text": "a"})],
        [Data("url_context_call", {"type": "url_context_call", "id": "x"})],
        [Data("new", {"type": "new"})],
        [ToolCall("k", complete=True), ToolCall("k", arguments="late")],
        [ToolCall("k"), ToolCall("k", id="late")],
        [Error("malformed", "not fatal", fatal=False)],
        [Done()],
    ],
)
def test_what_cannot_be_said(events: list[Event]) -> None:
    with pytest.raises(LocalProtocolError):
        encode(*events)


_CALLED = {"type": "google_search_result", "call_id": "s", "result": []}


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(
            [
                ToolCall("0", 0, "a", "f"),
                ToolCall("1", 0, None, "google_search", provider_executed=True),
                ToolCall("0", arguments="{"),
                ToolCall("1", arguments="[]"),
                ToolCall("1", complete=True),
                ToolCall("2", 0, "m", "n", provider_executed=True),
                ToolCall("0", arguments="}"),
                ToolCall("0", complete=True),
                *(ToolCall("2", arguments="[]"), ToolCall("2", complete=True)),
            ],
            id="calls",
        ),
        pytest.param(
            [
                Token("a"),
                Usage(1),
                Data("annotation", {"url": "u"}),
                Data("image", IMAGE),
                Data("google_search_result", _CALLED, part=1),
                Reasoning("b", part=2),
                Data("thought_summary", IMAGE, part=2),
                Data("continuation_token", "t"),
                Token("c", part=4),
            ],
            id="data",
        ),
    ],
)
def test_what_comes_back(events: list[Event]) -> None:
    ends = [Finished(0, "pause", "requires_continuation"), Done("pause")]
    assert read([encode(*events, *ends)], GEMINI_INTERACTIONS).events == [*events, *ends]


# --- laws ---


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Answers as this wire orders them: what belongs to one step together, counts at the end."""
    events: list[Event] = [Started(draw(words), draw(words))]
    calls = 0
    for part in range(draw(st.integers(0, 4))):
        match draw(st.sampled_from(["text", "thought", "call", "other"])):
            case "text":
                events += [Token(text, 0, part) for text in draw(st.lists(texts, min_size=1))]
            case "thought":
                events.append(Reasoning(draw(texts), 0, part))
                events.append(Reasoning("", 0, part, draw(words)))
            case "call":
                key, calls = str(calls), calls + 1
                events.append(ToolCall(key, 0, draw(words), draw(words)))
                # One without arguments is complete only once something follows.
                pieces = draw(arguments()) or ["{}"]
                events += [ToolCall(key, arguments=text) for text in pieces]
                events.append(ToolCall(key, complete=True))
            case _:
                value = {"type": "function_result", "result": draw(texts)}
                events.append(Data("function_result", value, 0, part))
    events += draw(st.lists(heartbeats, max_size=2))
    if draw(st.booleans()):
        return [*events, draw(errors)]
    raw, reason = draw(
        st.sampled_from([("completed", "stop"), ("incomplete", "length"), ("new", "other")])
    )
    events.append(Finished(0, reason, raw))  # type: ignore[arg-type]
    if draw(st.booleans()):
        events.append(Usage(draw(counts), draw(counts), final=True))
    return [*events, Done(reason)]  # type: ignore[arg-type]


@given(answers())
@settings(deadline=None)
def test_round_trip(events: list[Event]) -> None:
    """Parsing what was encoded gives the same events, however it is cut; also if it broke off."""
    assert_round_trip(GEMINI_INTERACTIONS, events)
    assert_cut_off(GEMINI_INTERACTIONS, events)


_NAMES = [
    *("event_type", "index", "step", "delta", "interaction", "type", "text", "content", "summary"),
    *("arguments", "signature", "annotations", "usage", "metadata", "status", "id", "name"),
    *("error", "event_id", "continuation_token", "total_tokens"),
]
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["step.start", "step.delta", "step.stop", "interaction.completed", "text"])
    | st.sampled_from(
        ["thought_summary", "arguments_delta", "x_call", "model_output", "\ud83d", ""]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4)
    ),
    max_leaves=15,
)
_events = st.builds(
    lambda kind, step: event(kind, index=0, step=step, delta=step),
    st.sampled_from(["step.start", "step.delta", "step.stop"]),
    st.dictionaries(st.sampled_from(_NAMES[5:]), _json, max_size=4),
)


@given(st.lists(_json | _events, max_size=6))
@settings(deadline=None)
def test_no_json_makes_it_raise(values: list[Any]) -> None:
    assert all(isinstance(one, Event) for one in decode(*values))
