"""openai-assistants: the events of a run."""

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
    Started,
    StreamEncoder,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.dialects.kit.payloads import MAX_INDEX
from tokenwire.dialects.openai.assistants import OPENAI_ASSISTANTS, Decoder
from tokenwire.dialects.openai.assistants_wire import STATUSES

Named = tuple[str, Any]


def run(status: str, *, name: str = "", **said: Any) -> Named:
    return f"thread.run.{name or status}", {"object": "thread.run", "status": status, **said}


def message(*contents: dict[str, Any], id: str = "m") -> Named:
    said = {"id": id, "object": "thread.message.delta", "delta": {"content": contents}}
    return "thread.message.delta", said


def text(value: str | None, index: int | None = 0, **said: Any) -> dict[str, Any]:
    return {"index": index, "type": "text", "text": {"value": value, **said}}


def calls(*said: dict[str, Any], id: str = "s") -> Named:
    delta = {"step_details": {"type": "tool_calls", "tool_calls": said}}
    return "thread.run.step.delta", {"id": id, "object": "thread.run.step.delta", "delta": delta}


def function(index: int | None = 0, id: str | None = None, **said: Any) -> dict[str, Any]:
    return {"index": index, "id": id, "type": "function", "function": said}


def step(status: str, id: str = "s") -> Named:
    said = {"id": id, "object": "thread.run.step", "status": status}
    return f"thread.run.step.{status}", said


def sse(*events: Named, named: bool = True) -> bytes:
    wire = b""
    for name, data in events:
        line = f"event: {name}\n" if named else ""
        wire += f"{line}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
    return wire


def decode(*events: Named) -> list[Event]:
    """What the decoder alone makes of these."""
    decoder = Decoder()
    found: list[Event] = []
    for name, data in events:
        found.extend(decoder.receive_frame(Frame(json.dumps(data).encode(), name)))
    assert decoder.receive_eof() == ()
    return found


def test_a_run_that_ends_twice_in_one_frame() -> None:
    """Gateways glue payloads together; the second end says nothing new."""
    over = {"object": "thread.run", "status": "completed", "incomplete_details": {"reason": "max"}}
    twice = json.dumps(over) * 2
    events = Decoder().receive_frame(Frame(twice.encode(), "thread.run.completed"))
    assert [one for one in events if isinstance(one, Finished)] == [
        Finished(0, "length", "completed")
    ]


def test_the_details_of_counts() -> None:
    """Its name for the prompt's has one "s" less than in the other APIs."""
    counts = {
        "prompt_tokens": 3,
        "prompt_token_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
    assert decode(run("in_progress", usage=counts)) == [
        Usage(3, reasoning_tokens=0, cache_read_tokens=2)
    ]
    assert decode(run("in_progress", usage={})) == []
    told = [Started("r", "gpt"), Usage(3, 2, 5, 1, 2, final=True), Finished(0, "stop", "completed")]
    encoder = StreamEncoder(OPENAI_ASSISTANTS)
    wire = b"".join(encoder.send(one) for one in [*told, Done("stop")])
    assert Usage(3, 2, 5, 1, 2, final=True) in read([wire], OPENAI_ASSISTANTS).events


DONE = b"event: done\ndata: [DONE]\n\n"
COUNTS = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
ANSWER = [
    ("thread.created", {"id": "t", "object": "thread"}),
    run("queued", name="created", id="r", model="g"),
    run("in_progress", id="r", model="g"),
    step("in_progress"),
    ("thread.message.created", {"id": "m", "object": "thread.message", "status": "in_progress"}),
    message(text("Hi \u2028🗼", annotations=[])),
    message(text("!")),
    (
        "thread.message.completed",
        {
            "id": "m",
            "object": "thread.message",
            "status": "completed",
            "content": [text("Hi \u2028🗼!", None)],
        },
    ),
    step("completed"),
    run("completed", id="r", usage=COUNTS),
]
ENDED = [Finished(0, "stop", "completed"), Done("stop")]
SAID = [
    Started("r", "g"),
    Token("Hi \u2028🗼"),
    Token("!"),
    Finished(0, "stop", "completed"),
    Usage(3, 2, 5, final=True),
    Done("stop"),
]


@pytest.mark.parametrize("named", [True, False])
def test_q10_the_type_stands_in_the_event_alone(named: bool) -> None:
    """Where a gateway dropped it, the object and its status tell."""
    wire = sse(*ANSWER, named=named) + DONE
    outcome = in_every_cut(
        lambda chunks: read(chunks, OPENAI_ASSISTANTS),
        wire,
        lambda wire: [[wire[:at], wire[at:]] for at in range(1, len(wire))],
    )
    assert outcome.events == SAID


def test_every_part_of_it_was_cut() -> None:
    wire = sse(*ANSWER)
    for end in range(len(wire) - 2):
        last = read([wire[:end]] if end else [], OPENAI_ASSISTANTS).events[-1]
        if isinstance(last, Done):  # its last frame lacks no more than its blank line
            assert wire[end:].strip() == b""
        else:
            assert isinstance(last, Error)
            assert last.kind == "truncated"


@pytest.mark.parametrize(
    ("before", "recovery"), [(ANSWER[:6], Recovery.RESUME), ([], Recovery.RETRY)]
)
def test_q16_the_sentinel_alone_proves_nothing(before: list[Named], recovery: Recovery) -> None:
    last = read([sse(*before) + DONE], OPENAI_ASSISTANTS).events[-1]
    assert isinstance(last, Error)
    assert (last.kind, last.recovery) == ("truncated", recovery)
    assert "the end of the run" in last.message


@pytest.mark.parametrize(("status", "reason"), sorted(STATUSES.items()))
def test_statuses(status: str, reason: str) -> None:
    finished, last = decode(run(status))
    assert finished == Finished(0, reason, status)  # type: ignore[arg-type]
    if reason == "error":
        assert isinstance(last, Error)
        assert (last.code, last.recovery) == (status, Recovery.RETRY)
    else:
        assert last == Done(reason)  # type: ignore[arg-type]


def test_a_completed_run_that_is_not() -> None:
    """The event says completed and the status incomplete, or the status too and details tell."""
    incomplete = run("incomplete", name="completed")
    assert decode(incomplete) == [Finished(0, "length", "incomplete"), Done("length")]
    details = run("completed", incomplete_details={"reason": "max_prompt_tokens"})
    assert decode(details) == [Finished(0, "length", "completed"), Done("length")]
    for odd in (6, {"reason": ["x"]}):
        told = Data("extra", odd if isinstance(odd, dict) else {"incomplete_details": odd})
        end = [Finished(0, "length", "completed"), Done("length")]
        assert decode(run("completed", incomplete_details=odd)) == [told, *end]
    assert decode(("thread.run.expired", {})) == [
        Finished(0, "cancelled", "expired"),
        Done("cancelled"),
    ]


def test_a_failed_run() -> None:
    error = {"code": "rate_limit_exceeded", "message": "slow down"}
    (found,) = decode(run("failed", last_error=error))
    assert isinstance(found, Error)
    assert (found.message, found.recovery) == ("slow down", Recovery.RETRY)


def test_nothing_of_what_is_not_over() -> None:
    assert decode(run("cancelling"), run("new"), step("created"), ("thread.new", {})) == []
    assert decode(run("in_progress", usage=COUNTS)) == [Usage(3, 2, 5)]
    assert decode(("new", {}), ("", {}), ("", {"object": "x"})) == [Unknown()] * 3


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("error", {"error": {"code": "server_error", "message": "busy"}}),
        ("error", {"code": "server_error", "message": "busy"}),
        ("", {"error": {"code": "server_error", "message": "busy"}}),
    ],
)
def test_errors(name: str, data: Any) -> None:
    wire = sse(ANSWER[1]) + (f"event: {name}\n" if name else "").encode()
    _, error = read([wire + b"data: " + json.dumps(data).encode() + b"\n\n"], OPENAI_ASSISTANTS)[0]
    assert isinstance(error, Error)
    assert (error.kind, error.message, error.recovery) == ("vendor", "busy", Recovery.RETRY)
    (malformed,) = Decoder().receive_frame(Frame(b"{"))
    assert isinstance(malformed, Error)
    assert not malformed.fatal
    assert Decoder().receive_frame(Frame(b"", "ping")) == (Heartbeat("ping"),)


# --- messages ---


def test_contents() -> None:
    image = {"file_id": "f"}
    assert decode(
        message(text("a"), text("b", 1)),
        message(text("c", annotations=[{"type": "file_citation"}])),
        message(
            {"index": 2, "type": "image_file", "image_file": image},
            {"index": 3, "type": "refusal", "refusal": "no"},
            {"index": 4, "type": "image_url", "image_url": {"url": "u"}},
            {"index": 5, "type": "new"},
        ),
        message(text(None)),
        message(text("d"), id="other"),
        ("thread.message.delta", {"delta": {}}),
        ("thread.message.delta", {}),
    ) == [
        Token("a"),
        Token("b", part=1),
        Token("c"),
        Data("annotation", {"type": "file_citation"}),
        Data("image_file", image, part=2),
        Refusal("no"),
        Data("image_url", {"url": "u"}, part=3),
        Token("d", part=4),
    ]


def test_q24_a_message_that_no_delta_brought() -> None:
    whole = {"id": "m", "content": [text("a", None), text("b", None)]}
    assert decode(("thread.message.incomplete", whole)) == [Token("a"), Token("b", part=1)]
    completed = ("thread.message.completed", whole)
    both = [Token("a"), Token("b", part=1)]
    assert decode(message(text("a"), text("b", 1)), completed) == both
    assert decode(message(text("a")), completed) == both
    assert decode(message(text("A")), completed) == [Token("A"), Token("b", part=1)]


def test_what_comes_whole_completes_the_pieces_and_says_nothing_twice() -> None:
    """Also where another message came between: each has its own memory."""
    note = {"type": "file_citation"}
    ends = {"id": "m", "content": [text("a b", 0, annotations=[note]), {"refusal": "no way"}]}
    other = {"id": "other", "content": [text("c")]}
    assert decode(
        message(text("a"), {"index": 1, "refusal": "no"}),
        message(text("c"), id="other"),
        ("thread.message.completed", ends),
        ("thread.message.completed", other),
        ("thread.message.completed", ends),
    ) == [
        *(Token("a"), Refusal("no"), Token("c", part=1)),
        *(Token(" b"), Data("annotation", note), Refusal(" way")),
    ]


def test_calls_are_complete_only_where_their_arguments_are() -> None:
    """The run names them whole once more: what the pieces lack is said."""
    whole = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    action = {"submit_tool_outputs": {"tool_calls": [whole]}}
    begun = calls(function(0, "c", name="f", arguments='{"a"'))
    said = [ToolCall("0", 0, "c", "f", '{"a"')]
    asked = decode(begun, run("requires_action", required_action=action))
    assert asked[:3] == [
        *said,
        ToolCall("0", arguments=":1}"),
        ToolCall("0", complete=True),
    ]
    assert decode(begun, step("completed")) == said
    assert decode(begun, run("requires_action"))[:1] == said
    assert not any(isinstance(one, ToolCall) for one in decode(begun, run("requires_action"))[1:])
    other = {**whole, "function": {"name": "f", "arguments": "{}"}}
    action = {"submit_tool_outputs": {"tool_calls": [other]}}
    asked = decode(begun, run("requires_action", required_action=action))
    assert [one for one in asked if isinstance(one, ToolCall)] == said
    late = decode(begun, step("completed"), run("requires_action", required_action=action))
    assert [one for one in late if isinstance(one, ToolCall)] == said


def test_contents_are_bounded() -> None:
    *_, last = decode(message(*(text("a", n) for n in range(MAX_INDEX + 1))))
    assert isinstance(last, Error)
    assert not last.fatal


# --- tool calls ---


def test_functions() -> None:
    """Told apart by step and index; complete once the run waits for their outputs."""
    whole = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    known = {"id": "c2", "type": "function", "function": {"name": "g", "arguments": ""}}
    late = {"id": "c9", "type": "function", "function": {"name": "h", "arguments": "{}"}}
    action = {"submit_tool_outputs": {"tool_calls": [whole, known, late, {"id": "x"}, 3]}}
    assert decode(
        calls(function(0, "c1", name="f", arguments="")),
        calls(function(0, arguments='{"a"'), function(1, name="g")),
        calls(function(1, "c2")),
        calls(function(0, arguments=":1}"), function(None)),
        run("requires_action", required_action=action, usage=COUNTS),
    ) == [
        ToolCall("0", 0, "c1", "f"),
        ToolCall("0", arguments='{"a"'),
        ToolCall("1", 0, None, "g"),
        ToolCall("1", 0, "c2"),
        ToolCall("0", arguments=":1}"),
        ToolCall("2", 0, "c9", "h", "{}"),
        ToolCall("0", complete=True),
        ToolCall("1", complete=True),
        ToolCall("2", complete=True),
        Finished(0, "tool_calls", "requires_action"),
        Usage(3, 2, 5, final=True),
        Done("tool_calls"),
    ]


@pytest.mark.parametrize("action", [None, {}, {"submit_tool_outputs": {"tool_calls": {}}}])
def test_actions_that_ask_for_nothing(action: Any) -> None:
    ends = [Finished(0, "tool_calls", "requires_action"), Done("tool_calls")]
    assert decode(run("requires_action", required_action=action)) == ends


def test_tools_of_the_service() -> None:
    def code(index: int | None, id: str | None, **said: Any) -> dict[str, Any]:
        return {"index": index, "id": id, "type": "code_interpreter", "code_interpreter": said}

    logs = [{"index": 0, "type": "logs", "logs": "2"}]
    search = {"index": 1, "id": "c2", "type": "file_search", "file_search": {}}
    results = {"index": 1, "type": "file_search", "file_search": {"results": [1]}}
    assert decode(
        calls(code(0, "c1", input="")),
        calls(code(None, None, input="1 + 1")),
        calls(code(0, None, outputs=logs), search),
        calls(results),
        calls(function(0, "c3", name="f", output="x"), id="other"),
        step("failed", "other"),
        calls(),
        ("thread.run.step.delta", {"delta": {}}),
        ("thread.run.step.delta", {}),
        step("completed"),
        step("completed"),
        run("completed"),
    ) == [
        ToolCall("0", 0, "c1", "code_interpreter", provider_executed=True),
        ToolCall("0", arguments="1 + 1"),
        Data("code_interpreter", logs),
        ToolCall("1", 0, "c2", "file_search", provider_executed=True),
        Data("file_search", {"results": [1]}),
        ToolCall("2", 0, "c3", "f"),
        Data("function_output", "x"),
        ToolCall("0", complete=True),
        ToolCall("1", complete=True),
        *ENDED,
    ]


def test_calls_are_bounded() -> None:
    *_, last = decode(calls(*(function(n, str(n)) for n in range(MAX_INDEX + 1))))
    assert isinstance(last, Error)
    assert not last.fatal


# --- the mirror ---


def encode(*events: Event) -> bytes:
    encoder = StreamEncoder(OPENAI_ASSISTANTS)
    return b"".join(map(encoder.send, events))


def test_encode() -> None:
    wire = encode(
        Started("r", "g"),
        Token("é"),
        ToolCall("k", 0, "c", "f", "{}"),
        Finished(0, "tool_calls"),
        Usage(1, final=True),
        Done(),
    ).decode()
    frames = [frame.partition("\ndata: ") for frame in wire.removesuffix("\n\n").split("\n\n")]
    assert [name for name, _, _ in frames] == [
        "event: thread.run.created",
        "event: thread.message.created",
        "event: thread.message.delta",
        "event: thread.run.step.created",
        "event: thread.run.step.delta",
        "event: thread.run.step.cancelled",
        "event: thread.message.completed",
        "event: thread.run.requires_action",
        "event: done",
    ]
    assert json.loads(frames[2][2]) == {
        "id": "msg_0",
        "object": "thread.message.delta",
        "delta": {"content": [{"index": 0, "type": "text", "text": {"value": "é"}}]},
    }
    whole = {"type": "text", "text": {"annotations": [], "value": "é"}}
    assert json.loads(frames[6][2])["content"] == [whole]
    called = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert json.loads(frames[7][2]) == {
        "id": "r",
        "object": "thread.run",
        "model": "g",
        "status": "requires_action",
        "usage": {"prompt_tokens": 1, "completion_tokens": None, "total_tokens": None},
        "required_action": {
            "type": "submit_tool_outputs",
            "submit_tool_outputs": {"tool_calls": [called]},
        },
    }


@pytest.mark.parametrize(
    "events",
    [
        [Reasoning("a")],
        [Token("a", 1)],
        [Data("new", "x")],
        [Data("image_url", {"url": "u"}), Data("image_url", {"url": "v"})],
        [ToolCall("k", name="web_search", provider_executed=True)],
        [ToolCall("k", name="file_search", arguments="{}", provider_executed=True)],
        [ToolCall("k", complete=True), ToolCall("k", arguments="late")],
        [ToolCall("k"), ToolCall("k", id="late")],
        [Error("malformed", "not fatal", fatal=False)],
        [Done()],
    ],
)
def test_what_cannot_be_said(events: list[Event]) -> None:
    with pytest.raises(LocalProtocolError):
        encode(*events)


def test_what_comes_back() -> None:
    events = [
        Token("a"),
        Data("annotation", {"type": "file_citation"}),
        Refusal("no"),
        Refusal("!"),
        Data("image_url", {"url": "u"}, part=1),
        Token("b", part=2),
        Token("c"),
        ToolCall("0", 0, "c1", "f"),
        ToolCall("1", 0, "c2", "code_interpreter", provider_executed=True),
        ToolCall("0", arguments="{}"),
        ToolCall("1", arguments="1"),
        ToolCall("1", complete=True),
        ToolCall("2", 0, "c3", "file_search", provider_executed=True),
        ToolCall("0", complete=True),
        Finished(0, "length", "incomplete"),
        Done("length"),
    ]
    running = [Started("run_0"), Usage(1, 2, 3)]
    assert read([encode(Started(), *running[1:], *events)], OPENAI_ASSISTANTS).events == [
        *running,
        *events,
    ]


# --- laws ---


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Answers as this wire orders them: texts by part, calls, counts at the end."""
    events: list[Event] = [Started(draw(words), draw(words))]
    for part in range(draw(st.integers(0, 3))):
        said = [Token(piece, 0, part) for piece in draw(st.lists(texts, min_size=1, max_size=3))]
        events += [*said, *draw(st.lists(st.builds(Refusal, texts), max_size=1))]
    events += draw(st.lists(heartbeats, max_size=2))
    calls = draw(st.integers(0, 2))
    for number in range(calls):
        key = str(number)
        events.append(ToolCall(key, 0, f"call_{number}", draw(words)))
        events += [ToolCall(key, arguments=piece) for piece in draw(arguments())]
        events.append(ToolCall(key, complete=True))
    if draw(st.booleans()):
        return [*events, draw(errors)]
    raw, reason = ("requires_action", "tool_calls") if calls else ("incomplete", "length")
    events.append(Finished(0, reason, raw))  # type: ignore[arg-type]
    if draw(st.booleans()):
        events.append(Usage(draw(counts), draw(counts), final=True))
    return [*events, Done(reason)]  # type: ignore[arg-type]


@given(answers())
@settings(deadline=None)
def test_round_trip(events: list[Event]) -> None:
    """Parsing what was encoded gives the same events, however it is cut; also if it broke off."""
    assert_round_trip(OPENAI_ASSISTANTS, events)
    assert_cut_off(OPENAI_ASSISTANTS, events)


_NAMES = [
    *("id", "object", "status", "model", "delta", "content", "text", "value", "annotations"),
    *("step_details", "tool_calls", "index", "type", "function", "arguments", "usage", "error"),
    *("required_action", "submit_tool_outputs", "code_interpreter", "outputs", "last_error"),
]
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["thread.run", "completed", "function", "code_interpreter", "\ud83d", ""]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4)
    ),
    max_leaves=15,
)
_kinds = st.sampled_from(
    [
        *("", "error", "thread.message.delta", "thread.message.completed", "thread.run.step.delta"),
        *("thread.run.step.completed", "thread.run.created", "thread.run.requires_action"),
    ]
)


@given(st.lists(st.tuples(_kinds, _json), max_size=6))
@settings(deadline=None)
def test_no_json_makes_it_raise(values: list[Named]) -> None:
    assert all(isinstance(one, Event) for one in decode(*values))
