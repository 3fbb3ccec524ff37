"""anthropic-messages: blocks, gateways, errors with status 200."""

from __future__ import annotations

import json
from typing import Any

import pytest
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
    Reset,
    Started,
    StreamEncoder,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.dialects.kit.payloads import MAX_INDEX

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


def test_q10_the_type_in_one_place_only() -> None:
    """Some gateways drop the event line, others the type in the JSON."""
    text = delta("text_delta", text="a")
    assert read([b"data: " + json.dumps(text).encode() + b"\n\n"], "anthropic-messages").events[
        0
    ] == Token("a")
    del text["type"]
    raw = b"event: content_block_delta\ndata: " + json.dumps(text).encode() + b"\n\n"
    assert read([raw], "anthropic-messages").events[0] == Token("a")


def test_q09_the_event_line_after_the_data() -> None:
    raw = b"data: " + json.dumps(STOP).encode() + b"\nevent: message_stop\n\n"
    assert read([raw], "anthropic-messages").events == [Done("other")]


def test_blocks_with_content_in_their_start() -> None:
    assert events(
        block(type="text", text="Hi"),
        block(1, type="thinking", thinking="Hm", signature="s"),
        block(2, type="thinking", thinking="", signature="only"),
        block(3, type="thinking", thinking="", signature=""),
        block(4, type="tool_use", id="t", name="f", input={"a": 1}),
        end(4),
        block(5, type="text", text="", citations=[{"url": "u"}]),
    ) == [
        Token("Hi"),
        Reasoning("Hm", part=1, signature="s"),
        Reasoning("", part=2, signature="only"),
        ToolCall("0", 0, "t", "f"),
        ToolCall("0", arguments='{"a":1}'),
        ToolCall("0", complete=True),
        Data("citation", {"url": "u"}, part=5),
    ]


def test_blocks_that_are_data() -> None:
    redacted = {"type": "redacted_thinking", "data": "x"}
    result = {"type": "web_search_tool_result", "tool_use_id": "t", "content": []}
    fallback = {"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}}
    assert events(block(0, **redacted), block(1, **result), end(1), block(2, **fallback)) == [
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
        delta("brand_new_delta", content="x"),
        delta("text_delta", text=""),
        delta("thinking_delta", thinking=""),
        delta("input_json_delta", 7, partial_json="{"),
        end(9),
        {"type": "content_block_delta", "index": 0},
        {"type": "content_block_start", "index": 0},
        {"type": "vertex_event", "x": 1},
    ) == [
        *(Data("citation", {"url": "u"}), Unknown(), ToolCall("0", arguments="{")),
        *(Unknown(), Unknown(), Unknown()),
    ]
    bare = [{"text": "a"}, {"thinking": "b"}, {"signature": "s"}, {"partial_json": "{}"}]
    said = [{"type": "content_block_delta", "index": 0, "delta": one} for one in bare]
    assert events(*said) == [
        *(Token("a"), Reasoning("b"), Reasoning("", signature="s"), ToolCall("0", arguments="{}")),
    ]


def test_open_calls_are_bounded() -> None:
    found = events(*(block(n, type="tool_use", name="f") for n in range(MAX_INDEX + 1)))
    assert [type(event) for event in found] == [ToolCall] * MAX_INDEX + [Error]


def test_q26_usage_is_replaced_and_null_says_nothing() -> None:
    start = {
        "type": "message_start",
        "message": {"id": "m1", "usage": {"input_tokens": 9, "output_tokens": 1}},
    }
    null = {"input_tokens": None, "output_tokens": 5, "cache_read_input_tokens": 3}
    found = events(start, {"type": "message_delta", "delta": {}, "usage": null})
    assert found[1:] == [Usage(9, 1), Usage(None, 5, cache_read_tokens=3, final=True)]
    usage = Completion.from_events(found).usage
    assert usage == Usage(9, 5, cache_read_tokens=3, final=True)


def test_q30_message_start_twice() -> None:
    """Gateways send it again, with the same id."""
    found = events(START, START, {"type": "message_start"})
    assert found[0] == Started("m1", "m")
    assert found[1:] == [Reset(), Started(None, None)]


def test_q30_a_spliced_second_message_voids_the_first() -> None:
    other = {"type": "message_start", "message": {"id": "m2", "model": "m"}}
    found = events(START, delta("text_delta", text="Par"), other, delta("text_delta", text="Paris"))
    assert found[2] == Reset()
    completion = Completion.from_events(found)
    assert (completion.text, completion.id) == ("Paris", "m2")


def test_q30_a_spliced_message_leaves_no_call_open() -> None:
    other = {"type": "message_start", "message": {"id": "m2"}}
    call = block(type="tool_use", id="t", name="f", input={})
    late = delta("input_json_delta", partial_json="{}")
    assert events(START, call, other, late, end(), STOP)[2:] == [
        *(Reset(), Started("m2"), ToolCall("1", arguments="{}"), ToolCall("1", complete=True)),
        Done("other"),
    ]


def test_q11_objects_padded_with_spaces() -> None:
    padded = b'data: {"type":"content_block_stop","index":0               }\n\n'
    text = b'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}   }\n\n'
    assert read([text + padded], "anthropic-messages", eof=False).events == [Token("a")]


def test_q22_an_error_before_all_else_can_be_sent_again() -> None:
    error = {"type": "overloaded_error", "message": "Overloaded", "details": None}
    raw = wire({"type": "error", "error": error, "request_id": "r"})
    (found,) = in_every_cut(lambda chunks: read(chunks, "anthropic-messages"), raw).events
    assert found == Error("vendor", "Overloaded", "overloaded_error", recovery=Recovery.RETRY)


def test_q31_events_that_nobody_knows() -> None:
    """Vertex counts in an event of its own, between the others or as the last one."""
    vertex = {"type": "vertex_event", "usage": {"input_tokens": 1}}
    found = events(START, vertex, delta("text_delta", text="a"), finish(), STOP, vertex)
    assert found == [
        *(Started("m1", "m"), Unknown(), Token("a")),
        *(Finished(0, "stop", "end_turn"), Done("stop")),
    ]


def test_a_compaction() -> None:
    whole = {"type": "compaction", "content": "sum"}
    assert events(
        block(type="compaction", content=None),
        delta("compaction_delta", content="sum"),
        end(),
        delta("compaction_delta", 1, content=None, encrypted_content="x"),
        block(2, **whole),
        finish("compaction"),
    ) == [
        Data("compaction", whole),
        Data("compaction", {"type": "compaction", "encrypted_content": "x"}, part=1),
        Data("compaction", whole, part=2),
        Finished(0, "pause", "compaction"),
    ]


def test_details_of_a_refusal() -> None:
    details = {"type": "refusal", "category": "c", "fallback_credit_token": "t"}
    stop = {"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": details}}
    assert events(stop, STOP) == [
        Data("stop_details", details),
        Finished(0, "refusal", "refusal"),
        Done("refusal"),
    ]


def starting(*content: Any, **said: Any) -> dict[str, Any]:
    """The start of a message that has content already."""
    return {"type": "message_start", "message": {"id": "m1", "content": list(content), **said}}


def text_delta(text: str, index: int = 0) -> dict[str, Any]:
    return delta("text_delta", index, text=text)


TOOL = {"type": "tool_use", "id": "t", "name": "f"}
CALL = [ToolCall("0", 0, "t", "f"), ToolCall("0", arguments='{"a":1}')]
WHOLE = ToolCall("0", complete=True)


def test_content_in_the_start_of_the_message() -> None:
    """So a call comes that a program of the model's made; some gateways send all of it so."""
    caller = {"type": "code_execution_20250825", "tool_id": "s"}
    whole = starting({**TOOL, "input": {"a": 1}, "caller": caller}, 5, stop_reason="tool_use")
    said = [Started("m1"), CALL[0], Data("caller", caller), CALL[1], WHOLE]
    ending = [Finished(0, "tool_calls", "tool_use"), Done("tool_calls")]
    assert events(whole, finish("tool_use"), STOP) == [*said, *ending]
    assert events(whole, STOP) == [*said, *ending]
    thought = {"type": "thinking", "thinking": "Hm"}
    redacted = {"type": "redacted_thinking", "data": "x"}
    assert events(starting(thought, {"type": "text", "text": "Hi"}, redacted))[1:] == [
        *(Reasoning("Hm"), Token("Hi", part=1), Data("redacted_thinking", redacted, part=2)),
    ]
    found = events(START, text_delta("a"), {**whole, "message": {**whole["message"], "id": "m2"}})
    assert found[2:4] == [Reset(), Started("m2")]


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        ([block(type="text", text=""), text_delta("He"), text_delta("llo")], []),
        ([block(type="text", text="Hello")], []),
        ([block(type="text", text=""), text_delta("Hello you")], [Token(" you")]),
        ([block(type="text", text=""), text_delta("Hello"), text_delta("!")], [Token("!")]),
        ([block(type="text", text=""), text_delta(" you")], [Token(" you")]),
        ([text_delta("Hello")], [Token("Hello")]),
        ([text_delta("a"), text_delta("b")], [Token("a"), Token("b")]),
        (
            [block(type="text", text=""), text_delta("Hel"), text_delta("p")],
            [Reset(0, 0, "Help")],
        ),
        ([end(), text_delta("Hello")], [Token("Hello")]),
    ],
)
def test_a_text_of_the_start_that_is_said_again(
    pieces: list[dict[str, Any]], told: list[Any]
) -> None:
    """Once more in a block of its own, or going on after it."""
    raw = wire(starting({"type": "text", "text": "Hello"}), *pieces)
    found = in_every_cut(lambda chunks: read(chunks, "anthropic-messages", eof=False), raw).events
    assert found == [Started("m1"), Token("Hello"), *told]


def test_an_empty_block_in_the_start_of_the_message() -> None:
    sent = [starting({"type": "text", "text": ""}), block(type="text", text=""), text_delta("a")]
    assert events(*sent) == [Started("m1"), Token("a")]


def test_q16_done_is_no_piece_of_the_answer() -> None:
    raw = wire(START, finish()) + b"data: [DONE]\n\n" + wire(STOP)
    assert read([raw], "anthropic-messages").events[-2:] == [Unknown(), Done("stop")]


def test_other_blocks_of_the_start_that_are_said_again() -> None:
    thought = {"type": "thinking", "thinking": "Hm"}
    pieces = [delta("thinking_delta", thinking=piece) for piece in ("H", "m", "m")]
    found = events(starting(thought), block(type="thinking", thinking=""), *pieces)
    assert found[1:] == [Reasoning("Hm"), Reasoning("m")]
    piece = delta("input_json_delta", partial_json='{"a":1}')
    begun = [block(**TOOL, input={}), piece, end(), finish("tool_use")]
    assert events(starting({**TOOL, "input": {"a": 1}}), *begun)[1:-1] == [*CALL, WHOLE]
    assert events(starting({**TOOL, "input": {}}), *begun)[1:-1] == [*CALL, WHOLE]
    redacted = {"type": "redacted_thinking", "data": "x"}
    late = text_delta("a")
    assert events(starting(redacted), block(**redacted), late)[1:] == [
        Data("redacted_thinking", redacted)
    ]


ARGUED = delta("input_json_delta", partial_json='{"a":1}')
CUT = delta("input_json_delta", partial_json='{"a')
OPENED = block(**TOOL, input={})


@pytest.mark.parametrize(
    ("sent", "complete"),
    [
        ([OPENED, ARGUED, end(), finish("max_tokens")], True),
        ([OPENED, ARGUED, finish("tool_use")], True),
        ([OPENED, ARGUED, finish("max_tokens")], True),
        ([OPENED, CUT, end(), finish("max_tokens")], False),
        ([OPENED, CUT, end(), finish("tool_use")], False),
        ([OPENED, CUT, finish("tool_use")], False),
        ([OPENED, end(), finish("max_tokens")], False),
        ([OPENED, end(), finish("refusal")], False),
        ([OPENED, end(), finish("tool_use")], True),
        ([OPENED, finish("tool_use")], True),
        ([OPENED, end()], True),
        ([OPENED], False),
        ([OPENED, end(), block(1, type="text", text=""), finish("max_tokens")], True),
        ([OPENED, end(), block(1, type="tool_use", id="u"), finish("max_tokens")], True),
        ([OPENED, ARGUED, block(0, type="tool_use", id="u"), finish("max_tokens")], True),
        ([OPENED, CUT, block(0, type="tool_use", id="u"), finish("tool_use")], False),
        ([OPENED, ARGUED, ARGUED, end(), finish("tool_use")], True),
        ([OPENED, OPENED, ARGUED, end(), finish("tool_use")], True),
        ([block(**TOOL, input={"a": 1}), ARGUED, end(), finish("tool_use")], True),
        ([block(**TOOL, input={"a": 1}), finish("tool_use")], True),
        ([block(**TOOL, input='{"a":1}'), end(), finish("tool_use")], True),
        ([OPENED, delta("input_json_delta", partial_json={"a": 1}), end()], True),
        ([OPENED, delta("input_json_delta", 2, partial_json='{"a":1}'), end(2)], True),
    ],
)
def test_when_a_call_is_complete(sent: list[dict[str, Any]], complete: bool) -> None:
    """When it was closed or the message ended in it, and its JSON is whole; and it comes once."""
    found = Completion.from_events(events(*sent, STOP)).choices[0].tool_calls[0]
    argued = '{"a":1}' if any('"a":' in json.dumps(one).replace("\\", "") for one in sent) else ""
    if CUT in sent:
        argued = '{"a'
    assert (found.id, found.arguments, found.complete) == ("t", argued, complete)


def test_an_input_that_the_cut_body_held_back() -> None:
    found = read([wire(block(**TOOL, input={"a": 1}), block(1, **TOOL))], "anthropic-messages")
    (first, _) = Completion.from_events(found.events).choices[0].tool_calls
    assert (first.arguments, first.complete) == ('{"a":1}', False)
    assert isinstance(found.events[-1], Error)


def test_pieces_of_calls_that_were_never_opened_are_bounded() -> None:
    pieces = [delta("input_json_delta", n, partial_json="[") for n in range(MAX_INDEX + 1)]
    assert Completion.from_events(events(*pieces)).choices[0].tool_calls[0].arguments == (
        "[" * (MAX_INDEX + 1)
    )
    opened = [block(n, type="tool_use", id=f"{n}") for n in range(MAX_INDEX)]
    closed = [end(n) for n in range(MAX_INDEX)]
    assert isinstance(events(*opened, *closed, pieces[-1])[-1], Error)


def test_what_is_said_beside_the_content() -> None:
    edits = {"applied_edits": [{"type": "clear_tool_uses_20250919"}]}
    box = {"id": "container_1"}
    ending = {"delta": {"stop_reason": "end_turn", "container": box}, "context_management": edits}
    found = events(starting(container=box), {"type": "message_delta", **ending})
    assert found == [
        *(Started("m1"), Data("container", box), Data("container", box)),
        *(Data("context_management", edits), Finished(0, "stop", "end_turn")),
    ]
    why = {"type": "refusal"}
    assert events(starting(stop_details=why, context_management=edits)) == [
        *(Started("m1"), Data("stop_details", why), Data("context_management", edits)),
    ]


def test_a_text_beside_one_that_may_be_said_again() -> None:
    """What stood in the start may come once more; other blocks are told as they come."""
    told = {"type": "text", "text": "ab"}
    found = events(starting(told), text_delta("c", 1), block(**told), text_delta("d"))
    assert found == [Started("m1"), Token("ab"), Token("c", part=1), Token("d")]


def test_what_nobody_knew_of_is_told_once() -> None:
    mood = {"content_block.mood": "calm"}
    found = events(
        block(type="text", text="", mood="calm", x=None),
        block(1, **TOOL, mood="calm"),
        {**text_delta("a"), "route": 7},
        {**text_delta("b"), "route": 7},
        {"type": "message_delta", "usage": {"output_tokens": 1, "odd_tokens": 5}},
        block(2, type="tool_use", id=7, name=["f"]),
    )
    assert [event.value for event in found if isinstance(event, Data)] == [
        *(mood, {"route": 7}, {"usage.odd_tokens": 5}, {"content_block.name": ["f"]}),
    ]
    assert ToolCall("1", id="7") in found


def completion(text: str, reason: str | None = None, **said: Any) -> dict[str, Any]:
    return {"type": "completion", "completion": text, "stop_reason": reason, **said}


def test_text_completions() -> None:
    """What came before messages: the last piece has a reason, and nothing follows it."""
    raw = wire(
        completion(" Hi", id="c", model="claude-2"),
        {"type": "ping"},
        completion("!", model="claude-2"),
        completion("", "stop_sequence", model="claude-2"),
    )
    assert in_every_cut(lambda chunks: read(chunks, "anthropic-messages"), raw).events == [
        Started("c", "claude-2"),
        Token(" Hi"),
        Heartbeat("ping"),
        Token("!"),
        Finished(0, "stop", "stop_sequence"),
        Done("stop"),
    ]
    assert events(completion("a"), completion("", "max_tokens"))[-1] == Done("length")
    last = read([wire(completion("a"))], "anthropic-messages").events[-1]
    assert isinstance(last, Error)
    assert last.kind == "truncated"


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
def test_q22_errors_with_status_200(kind: str, recovery: Recovery) -> None:
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
        [
            ToolCall("0", 0, "t", "f", provider_executed=True),
            *(ToolCall("0", arguments="[]"), ToolCall("0", complete=True)),
        ],
        [Usage(1, 2, None, 5, 3, 4, True)],
        [Finished(0, "stop", "end_turn"), Usage(1, 2, final=True), Done("stop")],
        [Heartbeat("a comment"), Heartbeat("ping")],
        [Token("a"), Data("compaction", {"type": "compaction", "content": "x"}, part=1)],
        [Data("stop_details", {"type": "refusal"}), Usage(1, final=True)],
        [Started("m", "c"), ToolCall("0", 0, "t", "f"), ToolCall("0", arguments="{}")],
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


def test_done_needs_a_finish() -> None:
    with pytest.raises(LocalProtocolError, match="Done comes after a Finished"):
        StreamEncoder("anthropic-messages").send(Done())


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


def test_calls_whose_pieces_are_mixed_are_refused() -> None:
    """A block is open until the next one: what comes later for an earlier call has no place."""
    encoder = StreamEncoder("anthropic-messages")
    for event in (Started("m", "x"), ToolCall("0", 0, "a", "f"), ToolCall("1", 0, "b", "g")):
        encoder.send(event)
    assert encoder.send(ToolCall("0", complete=True)) == b""
    with pytest.raises(LocalProtocolError, match="calls follow one another"):
        encoder.send(ToolCall("0", arguments="{}"))
