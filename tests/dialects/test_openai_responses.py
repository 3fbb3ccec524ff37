"""openai-responses: items and parts, what is sent twice, calls, ends, errors, the SDK."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import httpx2
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.answers import arguments, comments, counts, texts, words
from tests.cuts import in_every_cut, in_pieces
from tests.effort import tries
from tests.reading import read

from tokenwire import (
    Completion,
    Cursor,
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
from tokenwire.dialects.kit.payloads import MAX_INDEX
from tokenwire.dialects.openai.responses import OPENAI_RESPONSES
from tokenwire.dialects.openai.responses import Decoder as OpenAIResponsesDecoder
from tokenwire.dialects.openai.responses_output import Output
from tokenwire.frame import Frame

CREATED = {"type": "response.created", "response": {"id": "r1", "model": "m"}}
STOPPED = [Finished(0, "stop", "completed"), Done("stop")]
ASKED = [Finished(0, "tool_calls", "completed"), Done("tool_calls")]


def say(kind: str, output: Any = 0, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "output_index": output, **fields}


def text(delta: str, output: int = 0, content: int = 0, **fields: Any) -> dict[str, Any]:
    return say("output_text.delta", output, content_index=content, delta=delta, **fields)


def added(item: Any, output: int = 0) -> dict[str, Any]:
    return say("output_item.added", output, item=item)


def done(item: Any, output: int = 0) -> dict[str, Any]:
    return say("output_item.done", output, item=item)


def end(kind: str = "completed", *output: Any, **fields: Any) -> dict[str, Any]:
    response = {"status": kind, "output": list(output), **fields}
    return {"type": f"response.{kind}", "response": response}


def message(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "content": list(parts)}


def whole(text: str, *notes: Any) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": list(notes)}


def call(**fields: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": "c", "name": "f", **fields}


def wire(*payloads: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in payloads)


def events(*payloads: Any) -> list[Event]:
    return read([wire(*payloads)], OPENAI_RESPONSES, eof=False).events


def test_an_answer() -> None:
    usage = {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 12,
    }
    found = events(
        CREATED,
        say("in_progress", response=CREATED["response"]),
        added({"type": "message", "content": []}),
        say("content_part.added", content_index=0, part=whole("")),
        text("Hi", logprobs=[], obfuscation="x"),
        text(" you"),
        text(""),
        say("output_text.done", text="Hi you"),
        say("content_part.done", part=whole("Hi you")),
        done(message(whole("Hi you"))),
        end("completed", message(whole("Hi you")), usage=usage),
    )
    assert found == [
        Started("r1", "m"),
        Token("Hi"),
        Token(" you"),
        STOPPED[0],
        Usage(9, 3, 12, 2, 4, 1, True),
        STOPPED[1],
    ]


def test_q29_item_ids_that_change_with_every_event() -> None:
    """GitHub Copilot makes up a new id for every event: indices tell content apart."""
    assert events(text("a", item_id="x"), text("b", item_id="y")) == [Token("a"), Token("b")]


def test_parts_are_numbered_as_they_appear() -> None:
    thought = say("reasoning_text.delta", 0, delta="Hm")
    assert events(thought, text("a", 2, 1), text("b", 2, 0), text("c", 2, 1)) == [
        Reasoning("Hm"),
        Token("a"),
        Token("b", part=1),
        Token("c"),
    ]


def test_q10_the_type_in_one_place_only() -> None:
    bare = b'event: response.output_text.delta\ndata: {"delta":"a"}\n\n'
    assert read([bare], OPENAI_RESPONSES).events[0] == Token("a")
    assert read([wire(text("a"))], OPENAI_RESPONSES).events[0] == Token("a")


def test_q09_the_event_line_after_the_data() -> None:
    bare = b'data: {"delta":"a"}\nevent: response.output_text.delta\n\n'
    assert in_every_cut(lambda chunks: read(chunks, OPENAI_RESPONSES), bare).events[0] == Token("a")


def test_q11_padding_is_no_text() -> None:
    padded = [text(piece, obfuscation="x" * 12) for piece in "ab"]
    assert events(*padded) == [Token("a"), Token("b")]


def test_q24_what_is_repeated_in_one_long_line_is_said_once() -> None:
    """The terminal event holds the whole answer, here 100 KB; cut anywhere, all comes once."""
    long = "é" * 50_000
    item = message(whole(long))
    raw = wire(
        CREATED,
        text(long),
        say("output_text.done", text=long),
        say("content_part.done", content_index=0, part=whole(long)),
        done(item),
        end("completed", item),
    )
    said = [Started("r1", "m"), Token(long), *STOPPED]
    assert read([raw], OPENAI_RESPONSES).events == said
    assert read(in_pieces(raw, 4096), OPENAI_RESPONSES).events == said
    cut_short = read([raw[:-10]], OPENAI_RESPONSES).events
    assert cut_short[:-1] == said[:2]
    assert isinstance(cut_short[-1], Error)


def test_q29_calls_whose_item_ids_change() -> None:
    argued = "function_call_arguments"
    assert events(
        added(call(id="x1", arguments="")),
        added(call(id="x2", call_id="d", arguments=""), 1),
        say(f"{argued}.delta", delta="{", item_id="x3"),
        say(f"{argued}.delta", 1, delta="[]", item_id="x4"),
        say(f"{argued}.delta", delta="}", item_id="x5"),
        done(call(id="x6", arguments="{}", status="completed")),
    ) == [
        ToolCall("0", 0, "c", "f"),
        ToolCall("1", 0, "d", "f"),
        ToolCall("0", arguments="{"),
        ToolCall("1", arguments="[]"),
        ToolCall("0", arguments="}"),
        ToolCall("0", complete=True),
    ]


def test_q31_events_that_nobody_knows() -> None:
    assert events({"type": "keepalive"}, {"type": "response.brand_new.delta", "delta": "x"}) == [
        Heartbeat("keepalive"),
        Unknown(),
    ]


@pytest.mark.parametrize(
    "payload",
    [
        say("output_text.done", text="Hi"),
        say("content_part.done", part=whole("Hi")),
        done(message(whole("Hi"))),
        end("completed", message(whole("Hi"))),
    ],
    ids=lambda payload: payload["type"],
)
def test_q24_a_text_that_no_delta_brought(payload: dict[str, Any]) -> None:
    everything = [payload, done(message(whole("Hi"))), end("completed", message(whole("Hi")))]
    assert events(*everything) == [Token("Hi"), *STOPPED]


def test_parts_counted_from_1_in_events_and_from_0_in_the_item() -> None:
    """Bedrock Mantle."""
    item = message(whole("Hi"))
    found = events(text("Hi", 1, 1), done(item, 1), end("completed", {"type": "reasoning"}, item))
    assert found == [Token("Hi"), *STOPPED]


def test_a_terminal_event_that_leaves_items_out() -> None:
    """Then places are no indices, and only items of types that never came are news."""
    found = events(
        text("Hi", 1),
        end("completed", message(whole("Hi")), call(arguments="{}"), {"type": {}}, 5),
    )
    assert found == [
        Token("Hi"),
        ToolCall("0", 0, "c", "f", "{}"),
        ToolCall("0", complete=True),
        Data("item", {"type": {}}),
        *ASKED,
    ]


def test_refusals() -> None:
    part = {"type": "refusal", "refusal": "No."}
    streamed = [say("refusal.delta", delta="No"), say("refusal.delta", delta=".")]
    ends = [say("refusal.done", refusal="No."), done(message(part))]
    assert events(*streamed, *ends) == [Refusal("No"), Refusal(".")]
    assert events(*ends) == [Refusal("No.")]


@pytest.mark.parametrize(("kind", "field"), [("text", "content"), ("summary_text", "summary")])
def test_thoughts(kind: str, field: str) -> None:
    name = "reasoning_text" if kind == "text" else "reasoning_summary_text"
    item = {"type": "reasoning", field: [{"type": kind, "text": "Hm"}]}
    first, last = say(f"{name}.delta", delta="Hm"), say(f"{name}.done", text="Hm")
    assert events(first, last, done(item), end("completed", item)) == [Reasoning("Hm"), *STOPPED]
    assert events(last, done(item)) == [Reasoning("Hm")]
    assert events(done(item)) == [Reasoning("Hm")]


def test_a_thought_whose_summary_says_the_same() -> None:
    item = {"type": "reasoning", "summary": [{"text": "Hm"}], "content": [{"text": "Hm"}, []]}
    assert events(done(item)) == [Reasoning("Hm")]
    streamed = say("reasoning_summary_text.delta", delta="Hm")
    assert events(streamed, done(item)) == [Reasoning("Hm")]
    part = say("content_part.done", part={"type": "reasoning_text", "text": "Hm"})
    assert events(part, done(item)) == [Reasoning("Hm")]


def test_summaries_of_several_parts() -> None:
    found = events(
        say("reasoning_summary_text.delta", summary_index=0, delta="a"),
        say("reasoning_summary_text.delta", summary_index=1, delta="b"),
    )
    assert found == [Reasoning("a"), Reasoning("b", part=1)]


def test_encrypted_thoughts_count_once_they_are_whole() -> None:
    found = events(added(THOUGHT), done(THOUGHT), end("completed", THOUGHT))
    assert found == [Data("encrypted_reasoning", THOUGHT), *STOPPED]


@pytest.mark.parametrize(
    ("item_type", "argued", "field"),
    [
        ("function_call", "function_call_arguments", "arguments"),
        ("custom_tool_call", "custom_tool_call_input", "input"),
        ("mcp_call", "mcp_call_arguments", "arguments"),
    ],
)
def test_calls(item_type: str, argued: str, field: str) -> None:
    served = item_type == "mcp_call"
    head = {"type": item_type, "name": "f", ("id" if served else "call_id"): "c"}
    opened = ToolCall("0", 0, "c", "f", provider_executed=served)
    closed = ToolCall("0", complete=True)
    item = {**head, field: "{}"}
    streamed = events(
        added({**head, field: ""}),
        say(f"{argued}.delta", delta="{"),
        say(f"{argued}.delta", delta="}"),
        say(f"{argued}.done", **{field: "{}"}),
        done(item),
        done(item),
        end("completed", item),
    )
    pieces = [ToolCall("0", arguments="{"), ToolCall("0", arguments="}")]
    assert streamed == [opened, *pieces, closed, *(STOPPED if served else ASKED)]
    at_done = events(added(head), say(f"{argued}.done", **{field: "{}"}), done(item))
    assert at_done == [opened, ToolCall("0", arguments="{}"), closed]
    (last,) = Completion.from_events(events(end("completed", item))).choices[0].tool_calls
    assert (last.id, last.name, last.arguments, last.complete) == ("c", "f", "{}", True)
    assert last.provider_executed == served


def test_a_call_whose_beginning_is_missing() -> None:
    delta = say("function_call_arguments.delta", 1, delta="{}")
    assert events(delta, done(call(arguments="{}"), 1)) == [
        ToolCall("0", 0, "c", "f", "{}"),
        ToolCall("0", complete=True),
    ]
    (first, *_) = events(say("mcp_call_arguments.delta", delta="[]"))
    assert first == ToolCall("0", arguments="[]", provider_executed=True)


def test_a_call_with_nothing_but_an_id_of_its_item() -> None:
    item = {"type": "function_call", "id": "fc", "arguments": {"a": 1}}
    assert events(added(item), done(item)) == [
        ToolCall("0", 0, "fc", arguments='{"a":1}'),
        ToolCall("0", complete=True),
    ]


def test_a_call_that_was_cut() -> None:
    """Its arguments are said to be done all the same; only the item tells."""
    found = events(
        added(call()),
        say("function_call_arguments.done", arguments='{"a'),
        done(call(arguments='{"a', status="incomplete")),
        end("completed"),
    )
    (only,) = Completion.from_events(found).choices[0].tool_calls
    assert (only.arguments, only.complete) == ('{"a', False)


def test_calls_without_an_end_of_their_own() -> None:
    """A completed answer completes them, an incomplete one does not."""
    assert events(added(call()), end())[1:] == [ToolCall("0", complete=True), *ASKED]
    assert events(added(call()), end("incomplete"))[1:] == [
        Finished(0, "other", "incomplete"),
        Done("other"),
    ]


def test_results_of_the_services_own_calls() -> None:
    item = {"type": "mcp_call", "id": "c", "name": "f", "arguments": "{}", "output": "4"}
    found = events(done(item))
    assert found[1:] == [Data("mcp_call", item), ToolCall("0", complete=True)]


@pytest.mark.parametrize(
    "kind",
    ["web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call"],
)
def test_items_that_are_data(kind: str) -> None:
    item = {"type": kind, "status": "completed", "result": "x"}
    found = events(
        added({"type": kind, "status": "in_progress"}),
        say(f"{kind}.in_progress"),
        say(f"{kind}.completed"),
        done(item),
        end("completed", item),
    )
    working = [f"response.{kind}.in_progress", f"response.{kind}.completed"]
    assert found == [*map(Heartbeat, working), Data(kind, item), *STOPPED]


def test_pieces_that_are_data() -> None:
    assert events(
        say("code_interpreter_call_code.delta", delta="1+1"),
        say("code_interpreter_call_code.done", code="1+1"),
        say("image_generation_call.partial_image", partial_image_b64="aGk="),
        say("content_part.done", part={"type": "output_audio", "data": "x"}),
        done(message({"type": "output_audio", "data": "x"})),
    ) == [
        Data("code_interpreter_call_code.delta", "1+1"),
        Data("image_generation_call.partial_image", "aGk="),
        Data("output_audio", {"type": "output_audio", "data": "x"}),
    ]


def test_annotations() -> None:
    note = {"type": "url_citation", "url": "u"}
    told = say("output_text.annotation.added", 1, annotation=note)
    item = message(whole("b", note))
    assert events(text("a"), text("b", 1), told, done(item, 1)) == [
        Token("a"),
        Token("b", part=1),
        Data("annotation", note, part=1),
    ]
    item = message(whole("ab", note))
    assert events(text("ab"), done(item)) == [Token("ab"), Data("annotation", note)]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (end("incomplete", incomplete_details={"reason": "max_output_tokens"}), "length"),
        (end("incomplete", incomplete_details={"reason": "content_filter"}), "content_filter"),
        (end("incomplete", incomplete_details={"reason": "steered"}), "cancelled"),
        (end("incomplete", incomplete_details={"reason": "brand_new"}), "other"),
        (end("cancelled"), "cancelled"),
        (end("completed", status="brand_new"), "other"),
        (end("completed", status="in_progress"), "stop"),
    ],
)
def test_how_it_ends(payload: dict[str, Any], reason: Any) -> None:
    raw = payload["response"]["status"]
    assert events(payload) == [Finished(0, reason, raw), Done(reason)]


def test_an_end_without_a_response() -> None:
    raw = "response.completed"
    assert events({"type": raw}) == [Finished(0, "stop", raw), Done("stop")]
    assert events({"type": raw, "response": {"id": "r"}})[0] == Started("r")


def test_q16_done_proves_nothing() -> None:
    tail = b"data: [DONE]\n\n"
    assert read([wire(end()) + tail], OPENAI_RESPONSES).events == STOPPED
    for head, recovery in ((b"", Recovery.RETRY), (wire(CREATED), Recovery.RESUME)):
        last = read([head + tail], OPENAI_RESPONSES).events[-1]
        assert isinstance(last, Error)
        assert (last.kind, last.recovery) == ("truncated", recovery)


def test_a_text_without_a_terminal_event_is_a_truncation() -> None:
    whole_text = say("output_text.done", text="Hi")
    last = read([wire(CREATED, text("Hi"), whole_text)], OPENAI_RESPONSES).events[-1]
    assert isinstance(last, Error)
    assert (last.kind, last.recovery) == ("truncated", Recovery.RESUME)
    assert "before response.completed" in last.message


@pytest.mark.parametrize(
    ("code", "recovery"),
    [
        ("server_error", Recovery.RETRY),
        ("rate_limit_exceeded", Recovery.RETRY),
        ("vector_store_timeout", Recovery.RETRY),
        ("insufficient_quota", Recovery.FATAL),
        ("invalid_prompt", Recovery.FATAL),
    ],
)
def test_errors(code: str, recovery: Recovery) -> None:
    said = {"code": code, "message": "no"}
    failed = end("failed", error=said)
    expected = [Error("vendor", "no", code, recovery=recovery)]
    assert events({"type": "error", "param": None, **said}, failed) == expected
    assert events({"type": "error", "error": {"type": code, **said}}, failed) == expected
    assert events(failed) == expected
    assert events(end("completed", status="failed", error=said)) == expected
    assert events({"error": said}) == expected  # llama.cpp


@pytest.mark.parametrize("data", [b"no", b"{"])
def test_an_error_event_that_is_no_json(data: bytes) -> None:
    raw = b"event: error\ndata: " + data + b"\n\n"
    assert read([raw], OPENAI_RESPONSES).events == [Error("vendor", data.decode())]


@pytest.mark.parametrize("payload", [{"type": "error"}, end("failed")])
def test_an_error_that_says_nothing(payload: dict[str, Any]) -> None:
    (error,) = events(payload)
    assert isinstance(error, Error)
    assert error.message == "the service reported an error without a message"


def test_what_is_unknown_and_what_cannot_be_read() -> None:
    raw = b'data: \n\ndata: [1\n\ndata: {"type":"response.output_text.delta","delta":"a"}{}\n\n'
    first, second, *rest = read([raw], OPENAI_RESPONSES, eof=False).events
    assert first == Heartbeat()
    assert isinstance(second, Error)
    assert not second.fatal
    assert rest == [Token("a")]
    assert events(
        {"type": "keepalive"},
        {"type": "response.brand_new"},
        {"type": "completed"},
        say("output_item.done", item=5),
        say("content_part.done", part=5),
    ) == [Heartbeat("keepalive"), Unknown(), Unknown(), Unknown()]


def test_a_number_for_a_text() -> None:
    assert events(text(5), say("output_text.done", text=5)) == [Token("5")]  # type: ignore[arg-type]
    assert events(say("function_call_arguments.delta", delta=5)) == [ToolCall("0", arguments="5")]


@pytest.mark.parametrize(
    "payloads",
    [
        [text("a", index) for index in range(MAX_INDEX + 1)],
        [text("a", 0, index) for index in range(MAX_INDEX + 1)],
        [say("refusal.delta", content_index=n, delta="a") for n in range(MAX_INDEX + 1)],
        [say("reasoning_text.delta", content_index=n, delta="a") for n in range(MAX_INDEX + 1)],
    ],
    ids=["items", "texts", "refusals", "thoughts"],
)
def test_memory_is_bounded(payloads: list[dict[str, Any]]) -> None:
    last = events(*payloads)[-1]
    assert isinstance(last, Error)
    assert (last.kind, last.fatal) == ("malformed", False)
    assert str(MAX_INDEX) in last.message


def test_the_cursor_is_the_sequence_number() -> None:
    sent = wire({**CREATED, "sequence_number": 0}, text("a", sequence_number=7), {"type": "x"})
    assert read([sent], OPENAI_RESPONSES, eof=False).cursor == Cursor("sequence", 7)
    assert OPENAI_RESPONSES.resumption is not None
    assert OPENAI_RESPONSES.resumption.read is not None
    assert OPENAI_RESPONSES.resumption.read(Frame(b"[DONE]")) is None


# --- the encoder ---


def encoded(said: list[Event]) -> bytes:
    encoder = StreamEncoder(OPENAI_RESPONSES)
    return b"".join(map(encoder.send, said))


THOUGHT: dict[str, Any] = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "x"}
REMOTE: dict[str, Any] = {
    "type": "mcp_call",
    "id": "c",
    "name": "f",
    "server_label": "s",
    "arguments": "{}",
    "status": "failed",
    "output": None,
    "error": {"type": "x"},
}
SEARCH = {"type": "web_search_call", "status": "completed"}


@pytest.mark.parametrize(
    "said",
    [
        [Reasoning("a"), Reasoning("b"), Reasoning("c", part=1), Token("d"), Token("e", part=1)],
        [Reasoning("a"), Data("encrypted_reasoning", THOUGHT), Token("b")],
        [Data("encrypted_reasoning", THOUGHT)],
        [Token("a"), Data("annotation", {"url": "u"}), Token("b"), Data("web_search_call", SEARCH)],
        [Refusal("No"), Refusal(".")],
        [ToolCall("0", 0, "c", "f"), ToolCall("1", 0, "d", "g", "{"), ToolCall("0", arguments="1")],
        [ToolCall("0", 0, "c", "f", provider_executed=True), ToolCall("0", complete=True)],
        [
            ToolCall("0", 0, "b", "f", provider_executed=True),
            ToolCall("1", 0, "c", "f", provider_executed=True),
            ToolCall("1", arguments="{}"),
            Data("mcp_call", REMOTE),
            ToolCall("1", complete=True),
        ],
        [Heartbeat("a comment")],
        [Error("vendor", "no", "server_error", recovery=Recovery.RETRY)],
        [Error("vendor", "no", "bad", status=400)],
        [Error("vendor", "no")],
    ],
    ids=repr,
)
def test_round_trips(said: list[Event]) -> None:
    if ToolCall("1", 0, "d", "g", "{") in said:  # a fragment beside the name is sent after it
        said[1:2] = [ToolCall("1", 0, "d", "g"), ToolCall("1", arguments="{")]
    assert read([encoded(said)], OPENAI_RESPONSES, eof=False).events == said


def test_a_name_that_comes_late_is_told_by_the_closed_item() -> None:
    for served, id_field in ((False, "call_id"), (True, "id")):
        said: list[Event] = [
            ToolCall("0", arguments="{}", provider_executed=served),
            ToolCall("0", id="c", name="f"),
            ToolCall("0", name="g"),
            ToolCall("0", complete=True),
        ]
        sent = encoded(said)
        item = json.loads(sent.splitlines()[-2].removeprefix(b"data: "))["item"]
        assert (item[id_field], item["name"]) == ("c", "g")


def test_numbers_event_lines_and_the_whole_answer() -> None:
    sent = encoded(
        [
            Started("r1", "m"),
            Reasoning("Hm"),
            Token("Hi"),
            ToolCall("0", 0, "c", "f", "{}", complete=True),
            ToolCall("1", 0, "d", "g", "{"),
            Usage(1, 2, 3),
            Finished(0, "length"),
            Done("length"),
        ]
    )
    frames = [block.split("\n") for block in sent.decode().split("\n\n") if block]
    payloads = [json.loads(data.removeprefix("data: ")) for _, data in frames]
    assert [one["sequence_number"] for one in payloads] == list(range(len(payloads)))
    assert [name for name, _ in frames] == [f"event: {one['type']}" for one in payloads]
    response = payloads[-1]["response"]
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    thought, answer, first, second = response["output"]
    assert thought["summary"] == [{"type": "summary_text", "text": "Hm"}]
    assert answer["content"][0]["text"] == "Hi"
    assert (first["status"], first["arguments"]) == ("completed", "{}")
    assert (second["status"], second["arguments"]) == ("incomplete", "{")


@pytest.mark.parametrize(
    "finished",
    [
        Finished(0, "stop", "completed"),
        Finished(0, "length", "incomplete"),
        Finished(0, "content_filter", "incomplete"),
        Finished(0, "cancelled", "cancelled"),
        Finished(0, "other", "incomplete"),
    ],
)
def test_ends_round_trip(finished: Finished) -> None:
    said: list[Event] = [finished, Usage(1, 2, 3, 4, 5, 6, final=True), Done(finished.reason)]
    assert read([encoded(said)], OPENAI_RESPONSES).events == said


@pytest.mark.parametrize(
    "event",
    [
        Done("stop"),
        Token("a", index=1),
        Reasoning("a", signature="s"),
        Reset(),
        Data("image", "x"),
        Data("message", {"type": "message"}),
        Data("mcp_call", REMOTE),
        Unknown(),
    ],
    ids=repr,
)
def test_what_cannot_be_said(event: Event) -> None:
    encoder = StreamEncoder(OPENAI_RESPONSES)
    with pytest.raises(LocalProtocolError):
        encoder.send(event)


def test_a_closed_call_cannot_go_on() -> None:
    encoder = StreamEncoder(OPENAI_RESPONSES)
    encoder.send(ToolCall("0", 0, "c", "f", complete=True))
    with pytest.raises(LocalProtocolError, match="no way to say"):
        encoder.send(ToolCall("0", arguments="{}"))


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Texts and thoughts whose parts rise, calls, one end."""
    said: list[Event] = [Started(draw(words), draw(words))]
    said += [Reasoning(piece) for piece in draw(st.lists(texts, max_size=3))]
    for part in range(draw(st.integers(0, 3))):
        said += [Token(piece, part=part) for piece in draw(st.lists(texts, min_size=1, max_size=3))]
        said += [Heartbeat(comment) for comment in draw(st.lists(comments, max_size=1))]
    calls = draw(st.integers(0, 2))
    for key in map(str, range(calls)):
        pieces = draw(arguments())
        said.append(ToolCall(key, 0, f"c{key}", draw(words)))
        said += [ToolCall(key, arguments=piece) for piece in pieces]
        said.append(ToolCall(key, complete=True))
    end_of_it = Finished(0, "tool_calls" if calls else "stop", "completed")
    usage = Usage(draw(counts), draw(counts), draw(counts), final=True)
    return [*said, end_of_it, usage, Done(end_of_it.reason)]


@given(answers())
@settings(deadline=None)
def test_any_answer_round_trips(said: list[Event]) -> None:
    told = [
        Heartbeat(event.text.removeprefix(" ")) if isinstance(event, Heartbeat) else event
        for event in said
    ]
    assert read([encoded(told)], OPENAI_RESPONSES).events == told


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "delta",
                    "item",
                    "part",
                    "text",
                    "content",
                    "summary",
                    "output",
                    "response",
                    "status",
                    "usage",
                    "error",
                    "arguments",
                    "name",
                    "call_id",
                    "annotations",
                    "id",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
_KINDS = st.sampled_from(
    [
        *(f"response.{name}" for name in ("completed", "failed", "output_item.done", "created")),
        *(f"response.{name}" for name in ("content_part.done", "output_item.added")),
        *(f"response.output_text.{name}" for name in ("delta", "done", "annotation.added")),
        *(f"response.function_call_arguments.{name}" for name in ("delta", "done")),
    ]
)
_ITEMS: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(["message", "reasoning", "function_call", "mcp_call", "x"]), _JSON
)


@given(st.lists(st.tuples(_KINDS, _JSON, _ITEMS, _JSON), max_size=6))
@settings(deadline=None)
def test_no_json_makes_it_raise(drawn: list[tuple[str, Any, Any, Any]]) -> None:
    for kind, value, item_type, inner in drawn:
        fields: dict[str, Any] = {"delta": value, "text": value}
        fields |= value if isinstance(value, dict) else {}
        item = {"content": inner, "summary": inner, "arguments": inner, **fields}
        item["type"] = item_type
        payload: dict[str, Any] = {"item": item, "part": inner, **fields, "type": kind}
        response: dict[str, Any] = {"output": [item, inner], "error": inner}
        firsts: list[Any] = [payload, {"type": kind, "response": response}, value]
        for first in firsts:
            read([wire(first, payload)], OPENAI_RESPONSES)


# --- the vendor's SDK reads what the encoder writes ---


def _sdk_stream(said: list[Event]) -> list[Any]:
    def answer(_: httpx2.Request) -> httpx2.Response:
        headers = {"content-type": "text/event-stream"}
        return httpx2.Response(200, headers=headers, content=encoded(said))

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http_client:
        client = openai.OpenAI(
            api_key="none", base_url="http://test/v1", max_retries=0, http_client=http_client
        )
        with client.responses.stream(model="m", input="Hi") as stream:
            assert [one.type for one in stream][-1] == "response.completed"
            final = stream.get_final_response()
        with client.responses.create(model="m", input="Hi", stream=True) as raw:
            return [*raw, final]


def test_the_openai_sdk_reads_an_answer() -> None:
    said: list[Event] = [
        Started("r1", "m"),
        Reasoning("Hm"),
        Token("Hel"),
        Token("lo"),
        ToolCall("0", 0, "c", "f", '{"a":'),
        ToolCall("0", arguments="1}", complete=True),
        Usage(1, 2, 3, 0, 0, 0),
        Finished(0, "tool_calls"),
        Done("tool_calls"),
    ]
    *_, last, final = _sdk_stream(said)
    for response in (last.response, final):
        assert (response.id, response.status, response.output_text) == ("r1", "completed", "Hello")
        thought, _, asked = response.output
        assert thought.summary[0].text == "Hm"
        assert (asked.call_id, asked.name, asked.arguments) == ("c", "f", '{"a":1}')
        assert response.usage.total_tokens == 3


def test_the_openai_sdk_is_told_of_an_error() -> None:
    said: list[Event] = [Started("r1", "m"), Error("vendor", "overloaded", "server_error")]
    with pytest.raises(openai.APIError, match="overloaded"):
        _sdk_stream(said)


# --- which item is it? ---


class Story(NamedTuple):
    """An item that a service has to tell: a message, a thought or a call."""

    kind: str
    pieces: list[str]


_stories = st.builds(
    Story,
    st.sampled_from(["message", "reasoning", "function_call"]),
    st.lists(words, min_size=1, max_size=3),
)
_EVENTS = {
    "message": ("output_text", "text"),
    "reasoning": ("reasoning_text", "text"),
    "function_call": ("function_call_arguments", "arguments"),
}


def retold(stories: list[Story], index: str, ids: str, repeats: set[str]) -> list[dict[str, Any]]:
    """The events of these items, from a service whose indices and ids cannot be believed."""
    sent: list[dict[str, Any]] = [CREATED]
    output: list[dict[str, Any]] = []
    made_up = iter(range(1000))

    def where(place: int, *, late: bool = False) -> dict[str, Any]:
        said: dict[str, Any] = {"item_id": f"i{place}"} if ids == "kept" else {}
        said |= {"item_id": f"new{next(made_up)}"} if ids == "new" else {}
        places = {"right": place, "constant": 0, "shifted": place + late}
        return said | ({"output_index": places[index]} if index in places else {})

    def item(place: int, whole: str) -> dict[str, Any]:
        kind = stories[place].kind
        said = {"type": kind, **({"id": f"i{place}"} if ids == "kept" else {})}
        if kind == "function_call":
            return {**said, "call_id": f"c{place}", "name": f"f{place}", "arguments": whole}
        return {**said, "content": [{"type": _EVENTS[kind][0], "text": whole}]}

    for place, (kind, pieces) in enumerate(stories):
        name, field = _EVENTS[kind]
        whole = "".join(pieces)
        if "added" in repeats or kind == "function_call":
            opened = item(place, "") if kind == "function_call" else {"type": kind}
            opened |= {"id": f"i{place}"} if ids == "kept" else {}
            sent.append({"type": "response.output_item.added", "item": opened, **where(place)})
        told = pieces[:-1] if "tail" in repeats else pieces
        sent += [{"type": f"response.{name}.delta", "delta": one, **where(place)} for one in told]
        if "done" in repeats:
            late = where(place, late=True)
            sent.append({"type": f"response.{name}.done", field: whole, **late})
        if "item" in repeats:
            late = where(place, late=True)
            kept = item(place, whole)
            sent.append({"type": "response.output_item.done", "item": kept, **late})
        output.append(item(place, whole))
    if "turned" in repeats:
        output.reverse()
    return [*sent, end("completed", *(output if "output" in repeats else ()))]


@given(
    st.lists(_stories, min_size=1, max_size=4),
    st.sampled_from(["right", "constant", "shifted", "missing"]),
    st.sampled_from(["kept", "new", "none"]),
    st.sets(st.sampled_from(["added", "done", "item", "output", "turned", "tail"])),
)
@settings(deadline=None)
def test_whatever_indices_and_ids_are_worth_all_is_told_once(
    stories: list[Story], index: str, ids: str, repeats: set[str]
) -> None:
    """Missing, constant and shifted indices, ids that are new in every event, repetitions."""
    stories = [
        Story(kind, [f"<{place}:", *pieces, ">"])
        if kind != "function_call"
        else Story(
            kind, ['{"a":"', *(json.dumps(piece)[1:-1] for piece in pieces), str(place), '"}']
        )
        for place, (kind, pieces) in enumerate(stories)
    ]
    # Where neither can be believed, nothing but the end of an item tells where the next begins.
    sound = index == "right" or (ids == "kept" and index != "missing")
    found = events(*retold(stories, index, ids, repeats | {"output" if sound else "item"}))
    (choice,) = Completion.from_events(found).choices
    told = {"message": choice.text, "reasoning": choice.reasoning}
    for kind, text in told.items():
        assert text == "".join("".join(one.pieces) for one in stories if one.kind == kind)
    calls = [(one.id, one.name, one.arguments, one.complete) for one in choice.tool_calls]
    assert calls == [
        (f"c{place}", f"f{place}", "".join(pieces), True)
        for place, (kind, pieces) in enumerate(stories)
        if kind == "function_call"
    ]
    assert not any(isinstance(event, Reset | Error | Unknown) for event in found)


def test_the_rest_of_a_text_and_one_that_was_another() -> None:
    """What comes whole completes the pieces; what contradicts them takes their place."""
    assert events(text("Hel"), say("output_text.done", text="Hello")) == [Token("Hel"), Token("lo")]
    found = events(text("Hallo"), text("a", 1), done(message(whole("Hello"))), text("b", 1))
    assert found == [Token("Hallo"), Token("a", part=1), Reset(0, 0, "Hello"), Token("b", part=1)]
    thought = say("reasoning_text.delta", delta="Hm")
    other = say("reasoning_text.done", text="Oh")
    repeated = {"type": "reasoning", "content": [{"text": "Oh"}]}
    assert events(thought, other, done(repeated)) == [Reasoning("Hm"), Data("whole_content", "Oh")]


def test_a_text_whose_sum_came_as_one_more_piece() -> None:
    sent = [text("Hel"), text("lo"), text("Hello"), done(message(whole("Hello")))]
    assert events(*sent)[-1] == Reset(0, 0, "Hello")


def test_a_summary_that_only_its_part_brings() -> None:
    part = {"type": "summary_text", "text": "Hm"}
    item = {"type": "reasoning", "summary": [part]}
    assert events(say("reasoning_summary_part.done", part=part), done(item)) == [Reasoning("Hm")]


def test_two_parts_of_one_message() -> None:
    item = message(whole("Hello"), {"type": "refusal", "refusal": "No"}, whole("you"))
    found = events(text("Hel", 0, 1), text("yo", 0, 2), done(item))
    assert found == [
        *(Token("Hel"), Token("yo", part=1)),
        *(Token("lo"), Refusal("No"), Token("u", part=1)),
    ]
    other = message(whole("Hi"), whole("there"))
    assert events(text("a", 0, 1), done(other)) == [
        Token("a"),
        Reset(0, 0, "Hi"),
        Token("there", part=1),
    ]


ARGUED = "function_call_arguments"


@pytest.mark.parametrize(
    ("sent", "arguments"),
    [
        ([say(f"{ARGUED}.delta", delta='{"a":'), done(call(arguments='{"a":1}'))], '{"a":1}'),
        ([say(f"{ARGUED}.delta", delta='{"a": 1}'), done(call(arguments='{"a":1}'))], '{"a": 1}'),
        ([say(f"{ARGUED}.delta", delta="{}"), done(call(arguments='{"a":1}'))], '{"a":1}'),
        ([say(f"{ARGUED}.delta", delta="{}"), done(call(arguments="{}"))], "{}"),
        ([say(f"{ARGUED}.delta", delta="{}"), done(call(arguments=""))], "{}"),
        ([say(f"{ARGUED}.delta", delta="{}"), say(f"{ARGUED}.delta", delta=" "), end()], "{} "),
        ([say(f"{ARGUED}.delta", delta="{}"), say(f"{ARGUED}.delta", delta="{ }"), end()], "{ }"),
        ([say(f"{ARGUED}.delta", delta='{"a":1}')] * 2 + [end()], '{"a":1}'),
        ([say(f"{ARGUED}.done", arguments='{"a":1}'), done(call())], '{"a":1}'),
        ([done(call(arguments='{"a":1}')), done(call(arguments='{"a":1, "b":2}'))], '{"a":1}'),
        ([added(call(arguments='{"a":1}')), end()], '{"a":1}'),
        ([added(call(arguments='{"a":')), say(f"{ARGUED}.delta", delta="1}"), end()], '{"a":1}'),
        (
            [added(call(arguments='{"a":1}')), say(f"{ARGUED}.delta", delta='{"a":1}'), end()],
            '{"a":1}',
        ),
    ],
)
def test_arguments_are_told_once_and_completed(sent: list[dict[str, Any]], arguments: str) -> None:
    found = events(added(call()), *sent)
    (only,) = Completion.from_events(found).choices[0].tool_calls
    assert (only.id, only.name, only.arguments, only.complete) == ("c", "f", arguments, True)


def test_arguments_that_contradict_their_pieces() -> None:
    """They cannot be taken back: the call stays incomplete, and one of the same id begins."""
    piece = say(f"{ARGUED}.delta", delta='{"city":"Par')
    found = events(added(call()), piece, done(call(arguments='{"town":"Rome"}')), end())
    first, second = Completion.from_events(found).choices[0].tool_calls
    assert (first.id, first.arguments, first.complete) == ("c", '{"city":"Par', False)
    assert (second.id, second.arguments, second.complete) == ("c", '{"town":"Rome"}', True)


def test_what_comes_when_a_call_is_complete_is_data() -> None:
    whole_call = call(id="fc", arguments='{"a":1}')
    late = say(f"{ARGUED}.delta", delta="x", item_id="fc")
    other = call(id="fc", arguments='{"b":2}')
    assert events(done(whole_call), late, done(other))[2:] == [
        Data("function_call_arguments.delta", "x"),
        Data("function_call", other),
    ]


@pytest.mark.parametrize(
    ("sent", "complete"),
    [
        ([done(call(arguments='{"a'))], False),
        ([done(call(arguments="{}"))], True),
        ([done(call())], True),
        ([say(f"{ARGUED}.delta", delta="{}")], True),
        ([say(f"{ARGUED}.delta", delta='{"a')], False),
    ],
)
@pytest.mark.parametrize("status", ["completed", "incomplete"])
def test_only_whole_json_is_complete(
    sent: list[dict[str, Any]], complete: bool, status: str
) -> None:
    """Also where the answer was cut; but then a call without arguments may have lost them."""
    found = events(added(call()), *sent, end(status))
    (only,) = Completion.from_events(found).choices[0].tool_calls
    assert only.complete == (complete and bool(only.arguments or status == "completed"))


def test_a_cut_custom_call() -> None:
    head = {"type": "custom_tool_call", "call_id": "c", "name": "f"}
    piece = say("custom_tool_call_input.delta", delta="x = (")
    for status in ("completed", "incomplete"):
        found = events(added(head), piece, end(status))
        (only,) = Completion.from_events(found).choices[0].tool_calls
        assert only.complete == (status == "completed")


def test_calls_that_xai_runs_itself() -> None:
    for fields in ({"name": "x_user_search"}, {"name": "f", "call_id": "xs_1"}):
        head = {"type": "custom_tool_call", "call_id": "c", **fields}
        found = events(added(head), done({**head, "input": "q"}), end())
        assert Completion.from_events(found).choices[0].tool_calls[0].provider_executed
        assert found[-2:] == [Finished(0, "tool_calls", "completed"), Done("stop")]
    piece = say("custom_tool_call_input.delta", delta="q")
    late = done({"type": "custom_tool_call", "name": "x_user_search", "input": "q"})
    assert events(piece, late)[1] == ToolCall("0", name="x_user_search", provider_executed=True)
    assert events(say("x_search_call.executing"), say("mcp_call_output.delta", delta="a")) == [
        Heartbeat("response.x_search_call.executing"),
        Data("mcp_call_output.delta", "a"),
    ]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"type": "computer_call", "call_id": "c"}, "tool_calls"),
        ({"type": "local_shell_call", "call_id": "c"}, "tool_calls"),
        ({"type": "apply_patch_call", "call_id": "c"}, "tool_calls"),
        ({"type": "mcp_approval_request", "id": "i"}, "tool_calls"),
        ({"type": "shell_call", "call_id": "c"}, "tool_calls"),
        ({"type": "shell_call", "environment": {"type": "local"}}, "tool_calls"),
        ({"type": "shell_call", "environment": {"type": "container_reference"}}, "stop"),
        ({"type": "tool_search_call", "execution": "client"}, "tool_calls"),
        ({"type": "tool_search_call", "execution": "server"}, "stop"),
        ({"type": "web_search_call"}, "stop"),
    ],
)
def test_what_the_client_must_do_is_asked_of_it(item: dict[str, Any], reason: Any) -> None:
    """Only `Done` says it: these are no calls of a tool, which `Finished` tells."""
    assert events(done(item), end("completed", item))[-2:] == [
        Finished(0, "stop", "completed"),
        Done(reason),
    ]


def test_a_call_that_was_answered_asks_nobody() -> None:
    call_item = {"type": "shell_call", "call_id": "c"}
    output = {"type": "shell_call_output", "call_id": "c", "output": []}
    assert events(done(call_item), done(output, 1), end())[-1] == Done("stop")


def test_steps_of_perplexitys_thinking() -> None:
    assert events(
        say("reasoning.started"),
        say("reasoning.search_queries", thought="Hm", queries=["q"]),
        say("reasoning.stopped", thought="Ah"),
    ) == [
        Heartbeat("response.reasoning.started"),
        Reasoning("Hm"),
        Data("reasoning.search_queries", {"queries": ["q"]}),
        Reasoning("Ah"),
    ]


def test_phases_and_logprobs() -> None:
    odds = [{"token": "a", "logprob": -1}]
    said = {"type": "message", "phase": "commentary", "content": [{**whole("a"), "logprobs": odds}]}
    answer = {**message({**whole("b"), "logprobs": odds}), "phase": "final_answer"}
    assert events(
        added({**said, "content": []}),
        text("a", logprobs=odds),
        done(said),
        done(answer, 1),
        end("completed", said, answer),
    ) == [
        Data("phase", "commentary"),
        *(Token("a"), Data("logprobs", odds)),
        *(Data("phase", "final_answer", part=1), Token("b", part=1)),
        *(Data("logprobs", odds, part=1), *STOPPED),
    ]
    whole_text = say("output_text.done", content_index=0, text="a", logprobs=odds)
    assert events(text("a"), whole_text) == [Token("a"), Data("logprobs", odds)]
    bare = message({"type": "output_text", "text": "", "logprobs": odds})
    assert events(done(bare)) == [Data("logprobs", odds)]
    assert events(say("output_text.delta", delta="", logprobs=odds)) == [Data("logprobs", odds)]


def test_what_nobody_knew_of_is_told_once() -> None:
    item = {**message({**whole("a"), "mood": "calm", "x": None}), "route": 7}
    named = call(arguments="{}", namespace="n")
    mood = {"output[0].content[0].mood": "calm"}
    found = events(
        text("a", region="eu"),
        text("b", region="eu"),
        done({**item, "content": [{**item["content"][0], "text": "ab"}]}),
        done(named, 1),
        end("completed", item, named, speed=9),
    )
    assert [event.value for event in found if isinstance(event, Data)] == [
        *({"region": "eu"}, mood, {"output[0].route": 7}),
        *({"output[1].namespace": "n"}, {"response.speed": 9}),
    ]


def test_what_a_response_says_beside_its_answer() -> None:
    filters = [{"blocked": False}]
    assert events(end("completed", content_filters=filters))[0] == Data("content_filters", filters)


def test_a_response_in_the_place_of_its_event() -> None:
    raw = b'event: response.failed\ndata: {"status":"failed","error":{"code":"server_error"}}\n\n'
    (error,) = read([raw], OPENAI_RESPONSES).events
    assert isinstance(error, Error)
    assert (error.code, error.recovery) == ("server_error", Recovery.RETRY)
    usage = b'"usage":{"input_tokens":1}'
    raw = b'event: response.completed\ndata: {"status":"completed","output":[],' + usage + b"}\n\n"
    assert read([raw], OPENAI_RESPONSES).events[1] == Usage(1, final=True)


def test_long_ids_and_many_indices() -> None:
    long = "x" * 1000
    first = say(f"{ARGUED}.delta", delta='{"a":', item_id=long, call_id=long, name=long)
    second = say(f"{ARGUED}.delta", 1, delta="1}", item_id=long)
    (only,) = Completion.from_events(events(first, second)).choices[0].tool_calls
    assert only.arguments == '{"a":1}'
    moving = [say("refusal.delta", n, delta="a", item_id="i") for n in range(MAX_INDEX + 1)]
    assert isinstance(events(*moving)[-1], Error)
    notes = [say("output_text.annotation.added", annotation=n) for n in range(1, MAX_INDEX + 2)]
    assert isinstance(events(*notes)[-1], Error)


def test_calls_that_share_an_index_are_told_apart_by_what_else_is_said() -> None:
    opened = [added(call(call_id="c")), added(call(call_id="d"))]
    pieces = [say(f"{ARGUED}.done", call_id=id, arguments=f'"{id}"') for id in "cde"]
    named = say(f"{ARGUED}.done", name="g", arguments='"g"')
    found = events(*opened, *pieces, named, say(f"{ARGUED}.delta", delta="1", name="h"), end())
    calls = Completion.from_events(found).choices[0].tool_calls
    assert [(one.id, one.name, one.arguments) for one in calls] == [
        *(("c", "f", '"c"'), ("d", "f", '"d"'), ("e", None, '"e"')),
        *((None, "g", '"g"'), (None, "h", "1")),
    ]


def test_an_item_that_is_announced_late() -> None:
    assert events(text("a"), added({"type": "message", "content": []}), text("b")) == [
        Token("a"),
        Token("b"),
    ]
    piece = say(f"{ARGUED}.delta", delta="1")
    assert events(piece, added(call()))[1] == ToolCall("0", 0, "c", "f")


def test_wholes_that_say_nothing() -> None:
    assert events(say("reasoning_text.done", text=""), done(message(5))) == []  # type: ignore[arg-type]


def test_texts_that_only_an_opening_has_are_bounded() -> None:
    part = {"type": "output_text", "text": "a"}
    opened = [say("content_part.added", content_index=at, part=part) for at in range(MAX_INDEX + 2)]
    assert Completion.from_events(events(*opened, end())).text == "a" * MAX_INDEX


class SlowOutput(Output):
    def _repeats(self, output: Any) -> bool:
        return False


class Slow(OpenAIResponsesDecoder):
    """Compares everything that comes whole, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self._output = SlowOutput(self._texts, self._items, self._calls)

    def _is_repeated(self, wire: Any) -> bool:
        return False


@st.composite
def item_events(draw: st.DrawFn, output: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The events of one item, more or less as they should be, and the item."""
    pieces = draw(st.lists(st.sampled_from(["a", "b", "ab", " "]), min_size=1, max_size=4))
    said = "".join(pieces)
    whole = draw(st.sampled_from([said, said, said, said + "a", said.strip(), "other", ""]))
    id = draw(st.sampled_from([f"m{output}", f"m{output}", "same", ""]))
    place = {"content_index": 0, "item_id": id}
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": whole}
    part |= draw(st.sampled_from([{}, {}, {"annotations": [{"url": "u"}]}, {"logprobs": [1]}]))
    item = {"id": id, "type": "message", "status": "completed", "content": [part]}
    events = [
        added({"id": id, "type": "message", "content": []}, output),
        *(say("output_text.delta", output, delta=piece, **place) for piece in pieces),
        say("output_text.done", output, text=whole, **place),
        say("content_part.done", output, part=part, **place),
        done(item, output),
    ]
    late = say("output_text.delta", output, delta=draw(st.sampled_from(["a", "c"])), **place)
    kept = [one for one in events if draw(st.integers(0, 9))]
    return [*kept, *([] if draw(st.integers(0, 3)) else [late])], item


@given(st.data())
@settings(deadline=None, max_examples=tries(400))
def test_what_comes_again_word_for_word_need_not_be_compared(data: st.DataObject) -> None:
    items = [data.draw(item_events(output)) for output in range(data.draw(st.integers(1, 3)))]
    wires = [event for events, _ in items for event in events]
    if data.draw(st.booleans()):
        wires = data.draw(st.permutations(wires))
    output = [item for _, item in items]
    if data.draw(st.integers(0, 3)) == 0:
        output = data.draw(st.lists(st.sampled_from(output), max_size=4))
    response = {"id": "r1", "status": "completed", "output": output}
    wires.append({"type": "response.completed", "response": response})
    quick, slow = OpenAIResponsesDecoder(), Slow()
    for wire in wires:
        frame = Frame(json.dumps(wire).encode())
        assert list(quick.receive_frame(frame)) == list(slow.receive_frame(frame)), wires
