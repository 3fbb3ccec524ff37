"""``dify``: Dify's chat, agent, chatflow and workflow applications."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.answers import comments, counts, cut, texts, words
from tests.cuts import breaks_off, in_every_cut
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
    Reset,
    Started,
    StreamEncoder,
    Token,
    ToolCall,
    Unknown,
    Usage,
)

HEAD = {"task_id": "t", "message_id": "m", "conversation_id": "v"}
RUN = {"task_id": "t", "workflow_run_id": "w"}
STARTED = Started("m")


def say(event: str, **fields: Any) -> dict[str, Any]:
    return {"event": event, **HEAD, **fields}


def run(event: str, **fields: Any) -> dict[str, Any]:
    return {"event": event, **RUN, **fields}


def wire(*payloads: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in payloads)


def events(*payloads: Any) -> list[Event]:
    """Without the `Started` of the first."""
    got = read([wire(*payloads)], "dify", eof=False).events
    return [event for event in got if not isinstance(event, Started)]


def to_the_end(*payloads: Any) -> list[Event]:
    return read([wire(*payloads)], "dify").events


END = say(
    "message_end",
    metadata={
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12, "latency": 0.5},
        "retriever_resources": [{"position": 1}],
    },
    files=[],
)
ENDED: list[Event] = [
    Usage(9, 3, 12, final=True),
    Data("retriever_resources", [{"position": 1}]),
    Finished(0, "stop", "message_end"),
    Done("stop"),
]


def finished(status: str = "succeeded", **data: Any) -> dict[str, Any]:
    return run("workflow_finished", data={"status": status, **data})


CHAT = (
    b"event: ping\n\n"
    + wire(say("message", answer="Hi"), say("message", answer=""), say("message", answer=" 世界"))
    + b"event: ping\n\n"
    + wire(END, say("tts_message", audio="//8="), say("tts_message_end", audio=""))
)
SAID: list[Event] = [
    Heartbeat("ping"),
    STARTED,
    Token("Hi"),
    Token(" 世界"),
    Heartbeat("ping"),
    *ENDED[:-1],
    Data("tts_message", say("tts_message", audio="//8=")),
    Data("tts_message_end", say("tts_message_end", audio="")),
    Done("stop"),
]


def test_q8_a_chat_with_pings_in_every_cut() -> None:
    assert in_every_cut(partial(read, dialect="dify"), CHAT).events == SAID


def test_every_prefix_is_a_truncation_until_the_end_of_the_message() -> None:
    end = CHAT.index(b"\n", CHAT.index(b"message_end"))
    for at in range(len(CHAT)):
        got = read([CHAT[:at]], "dify").events
        if at >= end and not breaks_off(CHAT[:at]):
            assert got[-1] == Done("stop")
        else:
            assert isinstance(got[-1], Error)
            assert got[-1].kind == "truncated"


# --- chatflows and workflows ---


CHATFLOW = [
    run("workflow_started", **HEAD, data={"id": "w"}),
    say("node_started", data={}),
    say("message", answer="Hi"),
    run("workflow_finished", **HEAD, data={"status": "succeeded", "total_tokens": 12}),
]


def test_a_chatflow_ends_with_its_message() -> None:
    assert to_the_end(*CHATFLOW, END) == [
        STARTED,
        Data("workflow_started", CHATFLOW[0]),
        Data("node_started", CHATFLOW[1]),
        Token("Hi"),
        Data("workflow_finished", CHATFLOW[3]),
        Usage(total_tokens=12, final=True),
        Finished(0, "stop", "succeeded"),
        *ENDED[:2],
        Done("stop"),
    ]


def test_a_chatflow_may_end_its_message_first_and_finishes_once() -> None:
    """The documented order, beside the one above; the workflow says why it ended in both."""
    got = to_the_end(*CHATFLOW[:3], END, CHATFLOW[3])
    assert got[4:] == [
        *ENDED[:2],
        Data("workflow_finished", CHATFLOW[3]),
        Usage(total_tokens=12, final=True),
        Finished(0, "stop", "succeeded"),
        Done("stop"),
    ]
    stopped = run("workflow_finished", **HEAD, data={"status": "stopped"})
    ends = to_the_end(*CHATFLOW[:3], END, stopped)[-2:]
    assert ends == [Finished(0, "cancelled", "stopped"), Done("cancelled")]
    failed = run("workflow_finished", **HEAD, data={"status": "failed", "error": "no"})
    assert to_the_end(*CHATFLOW[:3], END, failed)[-1] == Error("vendor", "no", "failed")


def test_a_message_is_complete_though_its_workflow_says_no_more() -> None:
    got = to_the_end(*CHATFLOW[:3], END)
    assert got[-4:] == [*ENDED[:2], *ENDED[2:]]
    more = to_the_end(*CHATFLOW[:3], END, say("message", answer="!"))
    assert isinstance(more[-1], Error)
    assert more[-1].kind == "truncated"


def test_a_chatflow_may_replace_its_text_after_the_workflow() -> None:
    cut_off = to_the_end(*CHATFLOW)
    assert isinstance(cut_off[-1], Error)
    assert cut_off[-1].kind == "truncated"
    got = to_the_end(*CHATFLOW, say("message_replace", answer="No.", reason="moderation"), END)
    assert Reset(text="No.") in got
    assert got[-1] == Done("stop")
    assert Completion.from_events(got).text == "No."


def test_a_workflow_ends_with_itself() -> None:
    last = finished(outputs={"text": "Hi"})
    assert to_the_end(
        run("text_chunk", data={"text": "Hi", "from_variable_selector": ["n", "text"]}), last
    ) == [
        Started("w"),
        Token("Hi"),
        Data("workflow_finished", last),
        Finished(0, "stop", "succeeded"),
        Done("stop"),
    ]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("partial-succeeded", "stop"),
        ("stopped", "cancelled"),
        ("paused", "pause"),
        ("new", "other"),
    ],
)
def test_statuses(status: str, reason: Any) -> None:
    assert to_the_end(finished(status))[-2:] == [Finished(0, reason, status), Done(reason)]


@pytest.mark.parametrize("data", [None, [], {}, {"status": {}}])
def test_a_workflow_that_says_nothing(data: Any) -> None:
    last = to_the_end(run("workflow_finished", data=data))[-2:]
    assert last == [Finished(0, "other", None), Done("other")]


def test_a_pause() -> None:
    paused = run("workflow_paused", data={"paused_nodes": ["n"]})
    got = to_the_end(*CHATFLOW[:3], paused)
    assert got[-3:] == [
        Data("workflow_paused", paused),
        Finished(0, "pause", "workflow_paused"),
        Done("pause"),
    ]
    assert to_the_end(*CHATFLOW[:3], paused, say("node_started"), END)[-2:] == ENDED[-2:]
    assert isinstance(to_the_end(paused, say("node_started"))[-1], Error)


# --- errors ---


@pytest.mark.parametrize(
    ("status", "code", "recovery"),
    [
        (400, "invalid_param", Recovery.FATAL),
        (429, "rate_limit_error", Recovery.RETRY),
        (500, "internal_server_error", Recovery.RETRY),
        (400, "completion_request_error", Recovery.FATAL),
        (503, "x", Recovery.RETRY),
    ],
)
def test_errors(status: int, code: str, recovery: Recovery) -> None:
    payload = say("error", status=status, code=code, message="no")
    expected = Error("vendor", "no", code, status, recovery)
    assert to_the_end(payload, END) == [expected]
    assert to_the_end(say("message", answer="a"), payload)[1:] == [Token("a"), expected]


def test_a_workflow_that_failed() -> None:
    got = to_the_end(finished("failed", error="node broke"))
    assert got[-2:] == [Finished(0, "error", "failed"), Error("vendor", "node broke", "failed")]
    assert to_the_end(finished("failed"))[-1] == Error(
        "vendor", "the workflow failed without a message", "failed"
    )


def test_a_chatflow_that_failed_says_more_in_its_error() -> None:
    error = say("error", status=400, code="invalid_param", message="Run failed: x")
    got = to_the_end(*CHATFLOW[:3], finished("failed", error="x"), error)
    assert got[-1] == Error("vendor", "Run failed: x", "invalid_param", 400)
    assert to_the_end(finished("failed"), *CHATFLOW, END)[-1] == Done("stop")


@pytest.mark.parametrize(
    "body",
    [
        b'event: error\ndata: {"code":"c","message":"no"}\n\n',
        b'data: {"code":"c","message":"no"}\n\n',
        b'{"code":"c","message":"no","status":400}',
    ],
    ids=["named", "no-event", "bare"],
)
def test_other_errors(body: bytes) -> None:
    (error,) = read([body], "dify").events
    assert isinstance(error, Error)
    assert (error.message, error.code) == ("no", "c")


# --- what else there is ---


def test_an_agent() -> None:
    thought = partial(say, "agent_thought", id="a1", position=1)
    empty = thought(thought="", tool="", tool_input="", observation="")
    seen = thought(thought="Hm", tool="f", tool_input='{"q":1}', observation="42")
    again = {**seen, "id": "a2", "tool_input": {"q": 2}}
    got = events(
        empty,
        say("agent_message", answer="Hm"),
        thought(thought="Hm", tool="f", tool_input='{"q":1}', observation=""),
        seen,
        again,
        {**again, "id": None, "tool_input": None, "observation": None},
    )
    assert got == [
        Data("agent_thought", empty),
        Token("Hm"),
        ToolCall("0", 0, "a1", "f", '{"q":1}', True, True),
        Data("agent_thought", seen),
        ToolCall("1", 0, "a2", "f", '{"q":2}', True, True),
        Data("agent_thought", again),
        ToolCall("2", 0, None, "f", "{}", True, True),
    ]


@pytest.mark.parametrize(
    ("payload", "event"),
    [
        (run("reasoning_chunk", data={"reasoning": "Hm"}), Reasoning("Hm")),
        (run("reasoning_chunk", data={"text": "Hm"}), Reasoning("Hm")),
        (run("text_replace", data={"text": "x"}), Reset(text="x")),
        (run("message_replace"), Reset()),
        (run("ping"), Heartbeat("ping")),
        (run("brand_new"), Unknown()),
        (run("message"), Unknown()),
        ({}, Unknown()),
    ],
)
def test_events(payload: Any, event: Event) -> None:
    assert events(payload) == [event]


@pytest.mark.parametrize("kind", ["text_chunk", "reasoning_chunk"])
@pytest.mark.parametrize("data", [None, "", {"text": ""}, {"text": {}}])
def test_chunks_without_text(kind: str, data: Any) -> None:
    assert events(run(kind, data=data)) == []


@pytest.mark.parametrize("kind", ["text_chunk", "reasoning_chunk"])
@pytest.mark.parametrize("data", ["x", 6, False, {"text": ["x"]}])
def test_chunks_of_something_else_are_told(kind: str, data: Any) -> None:
    assert events(run(kind, data=data)) == [Data(kind, run(kind, data=data))]


def test_metadata_of_another_type_is_told() -> None:
    assert events(say("message_end", metadata={"usage": 6}))[0] == Data("extra", {"usage": 6})
    counts = {"prompt_tokens": "3", "completion_tokens": 0.5}
    assert events(say("message_end", metadata={"usage": counts}))[:2] == [
        *(Usage(3, final=True), Data("extra", {"completion_tokens": 0.5})),
    ]
    assert events(say("message_end", metadata=6)) == [
        Data("extra", {"metadata": 6}),
        Finished(0, "stop", "message_end"),
    ]


def test_a_number_where_a_text_should_be() -> None:
    assert events(run("text_chunk", data={"text": 3})) == [Token("3")]


@pytest.mark.parametrize(
    "kind",
    [
        "workflow_started",
        "node_finished",
        "node_retry",
        "iteration_next",
        "loop_completed",
        "parallel_branch_started",
        "human_input_required",
        "message_file",
        "tts_message",
        "agent_log",
    ],
)
def test_data(kind: str) -> None:
    payload = run(kind, data={"x": [None]})
    assert events(payload) == [Data(kind, payload)]


def test_q10_the_type_in_the_event_line() -> None:
    body = b'event: message\ndata: {"answer":"Hi"}\n\nevent: message_end\ndata: {}\n\n'
    got = read([body], "dify").events
    assert got == [Token("Hi"), *ENDED[-2:]]


@pytest.mark.parametrize("metadata", [None, [], {"usage": None}, {"usage": {"total_tokens": ""}}])
def test_an_end_without_usage(metadata: Any) -> None:
    assert to_the_end(say("message_end", metadata=metadata)) == [STARTED, *ENDED[-2:]]


def test_files_at_the_end() -> None:
    assert Data("files", [{"id": "f"}]) in events(say("message_end", files=[{"id": "f"}]))


@pytest.mark.parametrize(
    "payload",
    [
        None,
        1,
        "x",
        [],
        {"event": 3},
        {"event": "message", "answer": 3},
        say("message_end", id=[]),
        say("agent_thought"),
        say("error"),
        say("workflow_paused", data=3),
    ],
    ids=repr,
)
def test_totality(payload: Any) -> None:
    for event in events(payload):
        assert isinstance(event, Event)
        assert event.frame is not None


# --- the mirror ---


def encode(*said: Event) -> bytes:
    encoder = StreamEncoder("dify")
    return b"".join(map(encoder.send, said))


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Usage and what belongs to it come with the end of the message, before its finish."""
    said: list[Event] = [Started(draw(words))]
    others = st.one_of(
        st.builds(Heartbeat, st.just("ping") | comments.map(lambda text: text.removeprefix(" "))),
        st.builds(Token, texts),
        st.builds(Reasoning, texts),
        st.builds(Reset, text=texts),
        texts.map(lambda text: Data("message_file", {"event": "message_file", "url": text})),
    )
    said += draw(st.lists(others, max_size=6))
    for number in range(draw(st.integers(0, 2))):
        said.append(ToolCall(str(number), 0, f"a{number}", draw(words), draw(texts), True, True))
    if draw(st.booleans()):
        kinds = [("invalid_param", 400), ("invalid_param", None), (None, None)]
        return [*said, Error("vendor", draw(texts), *draw(st.sampled_from(kinds)))]
    if draw(st.booleans()):
        said.append(Usage(draw(counts), draw(counts), draw(st.none() | counts), final=True))
    if draw(st.booleans()):
        said.append(Data("retriever_resources", [draw(texts)]))
    if draw(st.booleans()):
        said.append(Data("files", [{"id": draw(texts)}]))
    return [*said, *ENDED[-2:]]


@given(answers(), st.data())
def test_round_trip(said: list[Event], data: st.DataObject) -> None:
    assert read(data.draw(cut(encode(*said))), "dify").events == said


@pytest.mark.parametrize(
    ("told", "end"),
    [
        (finished("stopped"), Finished(0, "cancelled", "stopped")),
        (run("workflow_paused"), Finished(0, "pause", "workflow_paused")),
    ],
)
def test_a_workflow_is_handed_on(told: dict[str, Any], end: Finished) -> None:
    said = [Started("m"), Token("a"), Data(told["event"], told), end, Done(end.reason)]
    got = read([encode(*said)], "dify").events
    assert got[:4] == said[:4]
    assert isinstance(got[-1], Done)


@pytest.mark.parametrize(
    ("before", "event"),
    [
        ([], Done("stop")),
        ([], Token("a", 1)),
        ([], Refusal("no")),
        ([], Started(None, "m")),
        ([], Reset(part=1)),
        ([], Reasoning("", signature="s")),
        ([], ToolCall("0", 0, "c", "f", "{}", True)),
        ([], ToolCall("0", 0, "c", "f", provider_executed=True)),
        ([], Data("node_started", "text")),
        ([], Data("node_started", {"event": "node_finished"})),
        ([], Finished(0, "length", "length")),
        ([], Finished(0, "stop", "stop")),
        ([Data("workflow_finished", finished("stopped"))], Finished(0, "pause", "paused")),
        ([Data("workflow_finished", {"event": "workflow_finished"})], Finished(0, "other", None)),
        ([], Error("vendor", "no", fatal=False)),
    ],
)
def test_what_it_cannot_say(before: list[Event], event: Event) -> None:
    encoder = StreamEncoder("dify")
    for one in before:
        encoder.send(one)
    with pytest.raises(LocalProtocolError):
        encoder.send(event)
