"""a2a: tasks, statuses, artifacts and messages, over JSON-RPC and bare, of 0.x and 1.0."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.answers import comments, texts
from tests.cuts import in_every_cut, read_response
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
from tokenwire.dialects.agents.a2a import A2A, STATES
from tokenwire.dialects.agents.a2a_encode import A2AEncoder
from tokenwire.dialects.kit.payloads import MAX_INDEX


def sse(*results: Any, end: str = "\r\n") -> bytes:
    return b"".join(
        f"data: {json.dumps(one, ensure_ascii=False)}{end}{end}".encode() for one in results
    )


def rpc(*results: Any) -> bytes:
    return sse(*({"jsonrpc": "2.0", "id": 1, "result": result} for result in results))


def told(*results: Any) -> list[Event]:
    """The same, bare and wrapped."""
    events = read([sse(*results)], A2A).events
    assert read([rpc(*results)], A2A).events == events
    return events


def encoded(events: list[Event]) -> bytes:
    encoder = StreamEncoder(A2A)
    return b"".join(map(encoder.send, events))


def artifact(*parts: Any, id: str = "a", **fields: Any) -> Any:
    body = {"taskId": "t", "artifact": {"artifactId": id, "parts": list(parts)}, **fields}
    return {"artifactUpdate": body}


def status(state: str, *texts: str, **fields: Any) -> Any:
    said: dict[str, Any] = {"state": state}
    if texts:
        said["message"] = {"messageId": "m", "parts": [{"text": text} for text in texts]}
    return {"statusUpdate": {"taskId": "t", "status": said, **fields}}


TASK = {"task": {"id": "t", "contextId": "c", "status": {"state": "TASK_STATE_SUBMITTED"}}}
COMPLETED = status("TASK_STATE_COMPLETED")
FILE = {"raw": "AA==", "filename": "x.bin", "mediaType": "application/octet-stream"}
END: list[Event] = [Finished(0, "stop", "TASK_STATE_COMPLETED"), Done("stop")]

ANSWER = (
    TASK,
    status("TASK_STATE_WORKING"),
    status("TASK_STATE_WORKING", "Looking it up"),
    artifact({"text": "It\u2028is "}),
    artifact({"text": "noon"}, {"data": {"h": 12}}, append=True, lastChunk=True),
    artifact(FILE, {"text": "also"}, id="b"),
    COMPLETED,
)
SAID: list[Event] = [
    Started("t"),
    Heartbeat("TASK_STATE_WORKING"),
    Data("status", status("TASK_STATE_WORKING", "Looking it up")["statusUpdate"]["status"]),
    Token("It\u2028is "),
    Token("noon"),
    Data("data", {"data": {"h": 12}}),
    Data("file", FILE, part=1),
    Token("also", part=1),
    *END,
]


@pytest.mark.parametrize("wire", [rpc(*ANSWER), sse(*ANSWER)], ids=["json-rpc", "bare"])
def test_however_it_is_cut(wire: bytes) -> None:
    assert in_every_cut(lambda chunks: read(chunks, A2A), wire).events == SAID
    for end in range(len(wire)):
        *before, last = read([wire[:end]], A2A).events
        if isinstance(last, Done):  # only the blank line is missing
            assert [*before, last] == SAID
        else:
            assert isinstance(last, Error)
            assert last.kind == "truncated"


OLD = (
    {"kind": "task", "id": "t", "status": {"state": "submitted"}},
    {"kind": "status-update", "taskId": "t", "status": {"state": "working"}, "final": False},
    {
        "kind": "artifact-update",
        "taskId": "t",
        "artifact": {"artifactId": "a", "parts": [{"kind": "text", "text": "Hi"}]},
    },
    {
        "kind": "artifact-update",
        "taskId": "t",
        "append": True,
        "artifact": {"artifactId": "a", "parts": [{"kind": "file", "file": {"uri": "x"}}]},
    },
    {"kind": "status-update", "taskId": "t", "status": {"state": "completed"}, "final": True},
)


def test_versions_before_1() -> None:
    assert told(*OLD) == [
        Started("t"),
        Heartbeat("working"),
        Token("Hi"),
        Data("file", {"kind": "file", "file": {"uri": "x"}}),
        Finished(0, "stop", "completed"),
        Done("stop"),
    ]


def test_done_does_not_wait_for_the_end_of_the_body() -> None:
    assert read([rpc(*ANSWER)], A2A, eof=False).events[-1] == Done("stop")


@pytest.mark.parametrize("make", [rpc, sse], ids=["json-rpc", "bare"])
def test_recognised(make: Callable[..., bytes]) -> None:
    for first in (ANSWER, ANSWER[1:], ANSWER[3:]):
        wire = make(*first)
        assert read([wire], "auto").events == read([wire], A2A).events
    assert read([rpc(*OLD)], "auto").events == read([rpc(*OLD)], A2A).events


def test_q02_lines_end_as_the_server_likes() -> None:
    for end in ("\n", "\r"):
        assert read([sse(*ANSWER, end=end)], A2A).events == SAID


def test_q04_line_separators_in_texts_are_text() -> None:
    odd = "a\u2028b\u2029c\u0085d\x0be\x0cf"
    assert Token(odd) in told(artifact({"text": odd}), COMPLETED)


def test_q07_comments_come_first() -> None:
    events = read([b": ping\r\n\r\n" + rpc(*ANSWER)], A2A).events
    assert events == [Heartbeat("ping"), *SAID]


def test_q08_empty_data_is_liveness() -> None:
    assert read([b"data:\n\n"], A2A).events[0] == Heartbeat()


# --- artifacts ---


@pytest.mark.parametrize(
    ("updates", "said"),
    [
        # In place of what was there.
        ([{"text": "b"}], [Reset(0, 0, "b")]),
        ([{"text": ""}], [Reset(0, 0, "")]),
        # On from it, as some servers repeat the whole text each time.
        ([{"text": "ab"}], [Token("b")]),
        ([{"text": "a"}], []),
        ([{"text": "a"}, {"text": "c"}], [Token("c")]),
        ([{"text": "a"}, FILE], [Data("file", FILE)]),
    ],
)
def test_an_artifact_anew(updates: list[Any], said: list[Event]) -> None:
    events = told(artifact({"text": "a"}), artifact(*updates, append=False), COMPLETED)
    assert events == [Started("t"), Token("a"), *said, *END]


def test_after_a_reset_it_goes_on() -> None:
    events = told(
        artifact({"text": "wrong"}, FILE),
        artifact({"text": "ri"}, FILE),
        artifact({"text": "ght"}, append=True),
        artifact({"text": "right!"}, FILE),
        COMPLETED,
    )
    assert events == [
        Started("t"),
        Token("wrong"),
        Data("file", FILE),
        Reset(0, 0, "ri"),
        Data("file", FILE),
        Token("ght"),
        Token("!"),
        *END,
    ]
    assert Completion.from_events(events).text == "right!"


def test_appending_to_an_artifact_that_never_came() -> None:
    assert told(artifact({"text": "a"}, append=True), COMPLETED)[1] == Token("a")


def test_thoughts_of_googles_agents() -> None:
    thought = {"text": "Hm", "metadata": {"adk_thought": True}}
    plain = {"text": "a", "metadata": {"adk_thought": False}}
    assert told(artifact(thought, plain), COMPLETED)[1:3] == [Reasoning("Hm"), Token("a")]


def test_what_stands_where_parts_should_is_told() -> None:
    """As `Data`, once; one part that is in no list is the part."""
    said = {"artifactId": ["a"], "parts": 6}
    assert told({"artifactUpdate": {"taskId": "t", "artifact": said}}, COMPLETED)[1:3] == [
        Data("extra", {"artifactId": ["a"]}),
        Data("extra", {"parts": 6}),
    ]
    alone = {"artifactUpdate": {"artifact": {"artifactId": "a", "parts": {"text": "a"}}}}
    assert told(alone, COMPLETED)[0] == Token("a")
    odd = [{"text": "a", "metadata": "x"}, {"text": "b", "metadata": {"adk_thought": 6}}, "c"]
    value = {"parts[0].metadata": "x", "parts[1].metadata.adk_thought": 6}
    events = told(artifact(*odd), artifact(*odd, append=False), COMPLETED)
    assert events[1:-2] == [Token("a"), Token("b"), Data("file", "c"), Data("extra", value)]


def test_half_surrogates_are_kept() -> None:
    wire = sse(artifact({"text": "a"}), COMPLETED).replace(b'"a"}', b'"\\ud83d"}')
    assert read([wire], A2A).events[1] == Token("\ud83d")


def test_artifacts_are_bounded() -> None:
    many = [artifact({"text": "a"}, id=str(n)) for n in range(MAX_INDEX + 1)]
    *_, error, last_words, _, _ = read([sse(*many, status("completed", "z"))], A2A).events
    assert isinstance(error, Error)
    assert (error.kind, error.fatal) == ("malformed", False)
    assert last_words == Token("z", part=MAX_INDEX)


# --- tasks ---


def test_a_whole_task_on_subscribing_again() -> None:
    whole = {"artifactId": "a", "parts": [{"text": "It is noon"}]}
    snapshot = {"task": {**TASK["task"], "artifacts": [whole, 5]}}
    assert told(snapshot, artifact({"text": "."}, append=True), COMPLETED) == [
        Started("t"),
        Token("It is noon"),
        Token("."),
        *END,
    ]
    assert told(artifact({"text": "It is"}), snapshot, COMPLETED) == [
        Started("t"),
        Token("It is"),
        Token(" noon"),
        *END,
    ]


def test_a_task_that_is_over() -> None:
    done = {"id": "t", "status": {"state": "TASK_STATE_COMPLETED"}}
    assert read([sse({"task": done})], A2A, eof=False).events == [Started("t"), *END]


def test_a_waiting_task_may_go_on() -> None:
    waiting = {"id": "t", "status": {"state": "TASK_STATE_INPUT_REQUIRED"}}
    asked = Finished(0, "pause", "TASK_STATE_INPUT_REQUIRED")
    assert told({"task": waiting}) == [Started("t"), asked, Done("pause")]
    assert told({"task": waiting}, status("working"), COMPLETED) == [
        Started("t"),
        asked,
        Heartbeat("working"),
        *END,
    ]
    (*_, cut) = told({"task": waiting}, status("working"))
    assert isinstance(cut, Error)
    assert cut.kind == "truncated"


def test_a_message_in_place_of_a_task() -> None:
    message = {"messageId": "m", "role": "ROLE_AGENT", "parts": [{"text": "Hi"}, FILE, 5]}
    said: list[Event] = [
        Started("m"),
        Token("Hi"),
        Data("file", FILE),
        Data("file", 5),
        Finished(0, "stop"),
        Done("stop"),
    ]
    assert told({"message": message}) == said
    assert told({"kind": "message", **message, "taskId": "t"}) == [Started("t"), *said[1:]]
    older = {"messageId": "m", "content": [{"text": "Hi"}]}
    assert told({"message": older})[1] == Token("Hi")


# --- statuses ---


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("completed", [Token("a"), Token("b"), Finished(0, "stop", "completed"), Done("stop")]),
        (
            "input-required",
            [Token("a"), Token("b"), Finished(0, "pause", "input-required"), Done("pause")],
        ),
        (
            "TASK_STATE_AUTH_REQUIRED",
            [
                Token("a"),
                Token("b"),
                Finished(0, "pause", "TASK_STATE_AUTH_REQUIRED"),
                Done("pause"),
            ],
        ),
        ("rejected", [Refusal("ab"), Finished(0, "refusal", "rejected"), Done("refusal")]),
        ("failed", [Error("vendor", "ab", "failed")]),
        *(  # one L and two: 1.0 has one, 0.3 over HTTP+JSON two
            (
                state,
                [
                    Data("message", {"messageId": "m", "parts": [{"text": "a"}, {"text": "b"}]}),
                    Finished(0, "cancelled", state),
                    Done("cancelled"),
                ],
            )
            for state in ("TASK_STATE_CANCELED", "TASK_STATE_CANCELLED", "canceled", "cancelled")
        ),
    ],
)
def test_last_words(state: str, said: list[Event]) -> None:
    assert told(status(state, "a", "b")) == [Started("t"), *said]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("canceled", [Finished(0, "cancelled", "canceled"), Done("cancelled")]),
        ("TASK_STATE_REJECTED", [Finished(0, "refusal", "TASK_STATE_REJECTED"), Done("refusal")]),
        ("failed", [Error("vendor", "the agent ended the task with 'failed'", "failed")]),
    ],
)
def test_no_last_words(state: str, said: list[Event]) -> None:
    assert told(status(state)) == [Started("t"), *said]


def test_a_note_on_cancelling() -> None:
    update = status("canceled", "by the user")
    note = update["statusUpdate"]["status"]["message"]
    assert told(update)[1] == Data("message", note)


def test_q24_last_words_that_repeat_an_artifact() -> None:
    events = told(artifact({"text": "noon"}), status("completed", "no", "on"))
    assert events == [Started("t"), Token("noon"), Finished(0, "stop", "completed"), Done("stop")]
    events = told(status("completed", "noon", final=False), status("completed", "noon", final=True))
    assert Completion.from_events(events).text == "noon"


@pytest.mark.parametrize(
    ("state", "final", "done"),
    [
        ("completed", None, True),
        ("completed", True, True),
        ("completed", False, False),
        ("input-required", None, False),
        ("input-required", True, True),
        ("working", True, True),
        ("working", None, None),
    ],
)
def test_when_the_stream_is_over(state: str, final: bool | None, done: bool | None) -> None:
    fields = {} if final is None else {"final": final}
    wire = sse(status(state, **fields))
    assert isinstance(read([wire], A2A, eof=False).events[-1], Done) is bool(done)
    assert isinstance(read([wire], A2A).events[-1], Error if done is None else Done)


def test_an_unknown_state_that_is_final() -> None:
    assert told(status("dreaming", final=True))[1:] == [
        Finished(0, "other", "dreaming"),
        Done("other"),
    ]


# --- errors and oddities ---


@pytest.mark.parametrize(
    ("wire", "error"),
    [
        (
            sse({"jsonrpc": "2.0", "id": 1, "error": {"code": -32001, "message": "no task"}}),
            Error("vendor", "no task", "-32001"),
        ),
        (
            b'event: error\ndata: {"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"x"}}\n\n',
            Error("vendor", "x", "-32603", recovery=Recovery.RETRY),
        ),
        (
            b'event: error\ndata: {"error":{"code":500,"status":"INTERNAL","message":"x"}}\n\n',
            Error("vendor", "x", "INTERNAL", 500, Recovery.RETRY),
        ),
        (b"event: error\ndata: broken\n\n", Error("vendor", "broken")),
        (
            b'{"error":{"code":404,"status":"NOT_FOUND","message":"x"}}',
            Error("vendor", "x", "NOT_FOUND", 404),
        ),
    ],
)
def test_errors(wire: bytes, error: Error) -> None:
    assert read([wire], A2A).events == [error]


def test_a_plain_reply_is_the_answer() -> None:
    task = {"id": "t", "status": {"state": "completed"}, "artifacts": [{"parts": [{"text": "a"}]}]}
    wire = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"task": task}}, indent=1).encode()
    assert read_response([wire], A2A, headers={"Content-Type": "application/json"}) == [
        Started("t"),
        Token("a"),
        Finished(0, "stop", "completed"),
        Done("stop"),
    ]


@pytest.mark.parametrize(
    "result",
    [
        5,
        {},
        {"result": 5},
        {"kind": "odd"},
        {"statusUpdate": {}},
        {"statusUpdate": {"status": {}}},
        {"artifactUpdate": {"artifact": 5}},
        {"task": {}},
    ],
)
def test_what_says_nothing(result: Any) -> None:
    for wire in (sse(result), rpc(result)):
        assert read([wire], A2A).events[:-1] == [Unknown()]


def test_odd_messages() -> None:
    assert told({"task": {"id": "t"}})[:-1] == [Started("t")]
    assert told({"statusUpdate": {"status": {"state": "completed", "message": 5}}})[0] == Finished(
        0, "stop", "completed"
    )
    malformed, *_ = read([b"data: nonsense\n\n"], A2A).events
    assert isinstance(malformed, Error)
    assert not malformed.fatal


# --- encoder ---


@pytest.mark.parametrize(
    "events",
    [
        SAID,
        [Started("t"), Reasoning("Hm"), Token("a"), Reset(0, 0, "b"), Token("c"), *END],
        [Started("t"), Finished(0, "pause", "input-required"), Done("pause")],
        [Started("t"), Finished(0, "refusal", "rejected"), Done("refusal")],
        [Started("t"), Finished(0, "cancelled", "canceled"), Done("cancelled")],
        [Started("t"), Error("vendor", "no", "TASK_STATE_FAILED")],
        [Error("vendor", "no", "NOT_FOUND", 404)],
        [Error("vendor", "no")],
    ],
)
def test_round_trip(events: list[Event]) -> None:
    assert read([encoded(events)], A2A).events == events


def test_encodes_json_rpc_where_there_is_a_request() -> None:
    encode = A2AEncoder(STATES, request_id=7)
    (frame,) = encode(Started("t"))
    said = {"id": "t", "contextId": "t", "status": {"state": "TASK_STATE_SUBMITTED"}}
    assert json.loads(frame.text) == {"jsonrpc": "2.0", "id": 7, "result": {"task": said}}
    (frame,) = encode(Error("vendor", "no", "-32001"))
    assert json.loads(frame.text) == {
        "jsonrpc": "2.0",
        "id": 7,
        "error": {"code": -32001, "message": "no"},
    }


@pytest.mark.parametrize(
    ("before", "event"),
    [
        ([], Token("a")),
        ([], Started(None, "m")),
        ([Started("t")], Done()),
        ([Started("t")], Finished(0, "error", "failed")),
        ([Started("t")], Finished(0, "length", "max_tokens")),
        ([Started("t")], Refusal("no")),
        ([Started("t")], Data("message", {"parts": []})),
        ([Started("t")], Usage(1, 2)),
        ([Started("t")], ToolCall("0", name="f")),
        ([Started("t")], Token("a", index=1)),
        ([Started("t")], Reasoning("", signature="x")),
        ([Started("t")], Reset(0, 0, "a")),
        ([Started("t")], Data("odd", 5)),
        ([Started("t")], Data("citation", {"url": "x"})),
        ([Started("t")], Data("file", {"text": "a"})),
        ([Started("t")], Error("vendor", "no", fatal=False)),
        ([Started("t"), Finished(0, "stop", "completed")], Error("vendor", "broken")),
    ],
)
def test_cannot_be_said(before: list[Event], event: Event) -> None:
    encoder = StreamEncoder(A2A)
    for one in before:
        encoder.send(one)
    with pytest.raises(LocalProtocolError):
        encoder.send(event)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Artifacts whose parts rise, with texts, thoughts and data, and one end."""
    said: list[Event] = [Started(draw(st.sampled_from(["t", "task-1"])))]
    for part in range(draw(st.integers(0, 3))):
        pieces = draw(st.lists(texts, min_size=1, max_size=3))
        said += [Token(piece, part=part) for piece in pieces]
        said += [Reasoning(piece, part=part) for piece in draw(st.lists(texts, max_size=1))]
        said += [Heartbeat(one.removeprefix(" ")) for one in draw(st.lists(comments, max_size=1))]
        said += draw(st.sampled_from([[], [Data("data", {"data": 1}, part=part)]]))
    word, reason = draw(
        st.sampled_from([pair for pair in sorted(STATES.items()) if pair[1] != "error"])
    )
    return [*said, Finished(0, reason, word), Done(reason)]


@given(answers())
def test_any_answer_round_trips(said: list[Event]) -> None:
    assert read([encoded(said)], A2A).events == said


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["working", "completed", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("jsonrpc", "result", "error", "task", "message", "statusUpdate", "status"),
                    *("artifactUpdate", "artifact", "artifacts", "artifactId", "parts", "text"),
                    *("state", "metadata", "kind", "final", "append", "taskId", "id", "data"),
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=14,
)


@given(st.lists(_JSON, max_size=3))
def test_reads_any_json(values: list[Any]) -> None:
    events = read([sse(*values)], A2A).events
    assert all(event.frame is not None for event in events[:-1])


def test_values_of_another_type_are_read_or_told() -> None:
    assert told({"task": {"id": 6, "status": {"state": "TASK_STATE_COMPLETED"}}})[0] == Started("6")
    odd = {"task": {"id": ["x"], "status": 6}}
    assert told(odd)[:2] == [Data("extra", {"id": ["x"]}), Data("status", 6)]
    assert told({"task": {"id": "t", "status": {"state": 6}}})[0] == Started("t")
    part = {"artifactId": "a", "parts": [{"text": 6}, {"text": ""}]}
    assert Token("6") in told({"artifactUpdate": {"taskId": "t", "artifact": part}})
