"""anthropic-messages: blocks, gateways, errors with status 200."""

from __future__ import annotations

import json
from typing import Any

import pytest
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
    Reset,
    Started,
    StreamEncoder,
    Token,
    ToolCall,
    Unknown,
    Usage,
)

START = {"type": "message_start", "message": {"id": "m1", "model": "m"}}
STOP = {"type": "message_stop"}


def block(index: int = 0, **content: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": content}


def delta(kind: str, index: int = 0, **content: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **content}}


def end(index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def finish(reason: str | None = "end_turn", **usage: int) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


def wire(*payloads: dict[str, Any]) -> bytes:
    return b"".join(
        f"event: {one.get('type', '')}\ndata: {json.dumps(one)}\n\n".encode() for one in payloads
    )


def events(*payloads: dict[str, Any]) -> list[Event]:
    return read([wire(*payloads)], "anthropic-messages", eof=False).events


def test_a_finish_without_message_stop_is_a_truncation() -> None:
    last = read([wire(START, finish())], "anthropic-messages").events[-1]
    assert isinstance(last, Error)
    assert (last.kind, last.recovery) == ("truncated", Recovery.RESUME)
    assert "before message_stop" in last.message


def test_message_stop_without_a_reason() -> None:
    assert events(START, STOP) == [Started("m1", "m"), Done("other")]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("pause_turn", "pause"),
        ("compaction", "pause"),
        ("refusal", "refusal"),
        ("brand_new", "other"),
    ],
)
def test_stop_reasons(raw: str, reason: str) -> None:
    found = events(finish(raw), STOP)
    assert (found[0], found[-1]) == (Finished(0, reason, raw), Done(reason))  # type: ignore[arg-type]


def test_the_type_in_one_place_only() -> None:
    """Some gateways drop the event line, others the type in the JSON."""
    text = delta("text_delta", text="a")
    assert read([b"data: " + json.dumps(text).encode() + b"\n\n"], "anthropic-messages").events[
        0
    ] == Token("a")
    del text["type"]
    raw = b"event: content_block_delta\ndata: " + json.dumps(text).encode() + b"\n\n"
    assert read([raw], "anthropic-messages").events[0] == Token("a")


def test_the_event_line_behind_the_data() -> None:
    raw = b"data: " + json.dumps(STOP).encode() + b"\nevent: message_stop\n\n"
    assert read([raw], "anthropic-messages").events == [Done("other")]


def test_blocks_with_content_in_their_start() -> None:
    assert events(
        block(type="text", text="Hi"),
        block(1, type="thinking", thinking="Hm", signature="s"),
        block(2, type="thinking", thinking="", signature="only"),
        block(3, type="thinking", thinking="", signature=""),
        block(4, type="tool_use", id="t", name="f", input={"a": 1}),
    ) == [
        Token("Hi"),
        Reasoning("Hm", part=1, signature="s"),
        Reasoning("", part=2, signature="only"),
        ToolCall("0", 0, "t", "f", '{"a":1}'),
    ]


def test_blocks_that_are_data() -> None:
    redacted = {"type": "redacted_thinking", "data": "x"}
    result = {"type": "web_search_tool_result", "tool_use_id": "t", "content": []}
    fallback = {"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}}
    assert events(block(**redacted), block(1, **result), end(1), block(2, **fallback)) == [
        Data("redacted_thinking", redacted),
        Data("web_search_tool_result", result, part=1),
        Data("fallback", fallback, part=2),
    ]


@pytest.mark.parametrize("kind", ["server_tool_use", "mcp_tool_use"])
def test_calls_that_the_provider_runs(kind: str) -> None:
    (call,) = events(block(type=kind, id="t", name="web_search", input={}))
    assert call == ToolCall("0", 0, "t", "web_search", provider_executed=True)


def test_a_call_without_arguments_and_one_that_was_cut() -> None:
    found = events(
        block(type="tool_use", id="t", name="f", input={}),
        end(),
        block(1, type="tool_use", id="u", name="g", input={}),
        delta("input_json_delta", 1, partial_json='{"a'),
    )
    first, second = Completion.from_events(found).choices[0].tool_calls
    assert (first.arguments, first.complete) == ("", True)
    assert (second.arguments, second.complete) == ('{"a', False)


def test_odd_deltas() -> None:
    assert events(
        delta("citations_delta", citation={"url": "u"}),
        delta("compaction_delta", content="x"),
        delta("text_delta", text=""),
        delta("thinking_delta", thinking=""),
        delta("input_json_delta", 7, partial_json="{"),
        end(9),
        {"type": "content_block_delta", "index": 0},
        {"type": "content_block_start", "index": 0},
        {"type": "vertex_event", "x": 1},
    ) == [Data("citation", {"url": "u"}), Unknown(), Unknown(), Unknown(), Unknown()]


def test_usage_is_replaced_and_null_says_nothing() -> None:
    start = {
        "type": "message_start",
        "message": {"id": "m1", "usage": {"input_tokens": 9, "output_tokens": 1}},
    }
    null = {"input_tokens": None, "output_tokens": 5, "cache_read_input_tokens": 3}
    found = events(start, {"type": "message_delta", "delta": {}, "usage": null})
    assert found[1:] == [Usage(9, 1), Usage(None, 5, cache_read_tokens=3, final=True)]
    usage = Completion.from_events(found).usage
    assert usage == Usage(9, 5, cache_read_tokens=3, final=True)


def test_message_start_twice() -> None:
    """Gateways send it again, with the same id."""
    found = events(START, START, {"type": "message_start"})
    assert found[0] == Started("m1", "m")
    assert found[1:] == [Reset(), Started(None, None)]


def test_a_spliced_second_message_voids_the_first() -> None:
    other = {"type": "message_start", "message": {"id": "m2", "model": "m"}}
    found = events(START, delta("text_delta", text="Par"), other, delta("text_delta", text="Paris"))
    assert found[2] == Reset()
    completion = Completion.from_events(found)
    assert (completion.text, completion.id) == ("Paris", "m2")


@pytest.mark.parametrize(
    ("kind", "recovery"),
    [
        ("overloaded_error", Recovery.RETRY),
        ("api_error", Recovery.RETRY),
        ("rate_limit_error", Recovery.RETRY),
        ("timeout_error", Recovery.RETRY),
        ("invalid_request_error", Recovery.FATAL),
        ("authentication_error", Recovery.FATAL),
        ("billing_error", Recovery.FATAL),
    ],
)
def test_errors_with_status_200(kind: str, recovery: Recovery) -> None:
    payload = {"type": "error", "error": {"type": kind, "message": "no", "details": None}}
    assert events(payload, STOP) == [Error("vendor", "no", kind, recovery=recovery)]


@pytest.mark.parametrize("data", ["no", "Overloaded", "{"])
def test_an_error_event_that_is_no_json(data: str) -> None:
    raw = f"event: error\ndata: {data}\n\n".encode()
    assert read([raw], "anthropic-messages").events == [Error("vendor", data)]


@pytest.mark.parametrize("data", ["{}", '{"type":"error"}'])
def test_an_error_event_that_says_nothing(data: str) -> None:
    raw = f"event: error\ndata: {data}\n\n".encode()
    (error,) = read([raw], "anthropic-messages").events
    assert isinstance(error, Error)
    assert error.message == "the service reported an error without a message"


def test_liveness_and_what_cannot_be_read() -> None:
    raw = b'event: ping\ndata:\n\ndata: {"type":"ping"}\n\ndata: [1\n\ndata: {"index":"1"}\n\n'
    first, second, third, fourth = read([raw], "anthropic-messages", eof=False).events
    assert (first, second, fourth) == (Heartbeat("ping"), Heartbeat("ping"), Unknown())
    assert isinstance(third, Error)
    assert not third.fatal


@pytest.mark.parametrize(
    "said",
    [
        [Token("a"), Reasoning("b", part=1), Token("c", part=2)],
        [Reasoning("b"), Reasoning("", signature="s"), Token("c", part=1)],
        [Data("image", {"type": "image", "data": "x"}), Token("c", part=1)],
        [ToolCall("0", 0, "t", "f", provider_executed=True), ToolCall("0", complete=True)],
        [Usage(1, 2, None, None, 3, 4, True)],
        [Heartbeat("a comment"), Heartbeat("ping")],
        [Error("vendor", "no", "api_error", recovery=Recovery.RETRY)],
    ],
    ids=repr,
)
def test_round_trips(said: list[Event]) -> None:
    encoder = StreamEncoder("anthropic-messages")
    sent = b"".join(map(encoder.send, said))
    assert read([sent], "anthropic-messages", eof=False).events == said


def test_thinking_with_its_signature_becomes_two_deltas() -> None:
    sent = StreamEncoder("anthropic-messages").send(Reasoning("a", signature="s"))
    assert read([sent], "anthropic-messages", eof=False).events == [
        Reasoning("a"),
        Reasoning("", signature="s"),
    ]


def test_a_reason_in_the_vendors_word() -> None:
    for finished, word in [
        (Finished(0, "stop", "stop_sequence"), "stop_sequence"),
        (Finished(0, "stop", "eos"), "end_turn"),
        (Finished(0, "cancelled"), "cancelled"),
    ]:
        encoder = StreamEncoder("anthropic-messages")
        sent = encoder.send(finished) + encoder.send(Done())
        assert f'"stop_reason":"{word}"'.encode() in sent


def test_a_refused_event_loses_no_finish() -> None:
    encoder = StreamEncoder("anthropic-messages")
    sent = encoder.send(Finished(0, "stop"))
    with pytest.raises(LocalProtocolError):
        encoder.send(Data("image"))
    sent += encoder.send(Done())
    assert read([sent], "anthropic-messages").events == [
        Finished(0, "stop", "end_turn"),
        Done("stop"),
    ]
