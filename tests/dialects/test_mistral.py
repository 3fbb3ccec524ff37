"""mistral: chat as a member of openai-chat's family, and conversations with agents."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.answers import counts, errors, texts, words
from tests.dialects.checks import (
    assert_fields_are_told,
    assert_round_trip,
    assert_total,
    junk,
    told,
)
from tests.dialects.test_openai_chat import (
    chunk,
    delta,
    encoded,
    fragment,
    read_everywhere_cut,
    stop,
    wire,
)
from tests.reading import read

from tokenwire import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Reasoning,
    Recovery,
    Started,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.dialects.openai.mistral import MISTRAL, SILENT, ConversationWire

COUNTS = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


def typed(kind: str, **fields: Any) -> bytes:
    document = json.dumps({"type": kind, "created_at": "2026-01-01T00:00:00Z", **fields})
    return f"event: {kind}\ndata: {document}\n\n".encode()


def read_all(*frames: bytes, eof: bool = True) -> list[Event]:
    return read([b"".join(frames)], MISTRAL, eof=eof).events


STARTED = typed("conversation.response.started", conversation_id="conv_1")
DONE = typed("conversation.response.done", usage={**COUNTS, "connector_tokens": None})


def message(content: Any, **fields: Any) -> bytes:
    return typed("message.output.delta", id="msg_1", content=content, role="assistant", **fields)


# --- chat ---


def test_an_answer_of_chat() -> None:
    thinking = [{"type": "text", "text": "Hm"}]
    blocks = [
        {"type": "thinking", "thinking": thinking, "closed": True},
        {"type": "text", "text": "Hé"},
        {"type": "reference", "reference_ids": [1]},
    ]
    body = wire(
        chunk(
            {"index": 0, "delta": {"role": "assistant", "content": ""}}, id="x", model="m", p="a"
        ),
        delta(content=blocks),
        delta(content=" 世"),
        chunk({"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}, usage=COUNTS),
        "[DONE]",
    )
    assert read_everywhere_cut(body, "mistral") == [
        Started("x", "m"),
        Reasoning("Hm"),
        Token("Hé"),
        Data("reference", blocks[2]),
        Token(" 世"),
        Finished(0, "stop", "stop"),
        Usage(1, 2, 3, final=True),
        Done("stop"),
    ]


def test_q27_empty_names_continue_a_call() -> None:
    said = read_all(
        wire(
            delta(tool_calls=[fragment(0, "abcdefghi", "f", "{")]),
            delta(tool_calls=[fragment(0, "abcdefghi", "", "}")]),
            stop(reason="tool_calls"),
        )
    )
    calls = [event for event in said if isinstance(event, ToolCall)]
    assert [(call.key, call.name, call.arguments) for call in calls] == [
        ("0:0", "f", "{"),
        ("0:0", None, "}"),
        ("0:0", None, ""),
    ]


@pytest.mark.parametrize("raw", ["length", "model_length"])
def test_finish_words(raw: str) -> None:
    assert read_all(wire(stop(reason=raw)))[-1] == Done("length")


@pytest.mark.parametrize(
    ("document", "recovery"),
    [
        ({"type": "service_tier_capacity_exceeded", "code": "3505"}, Recovery.RETRY),
        ({"type": "invalid_request_message_order", "code": "3230"}, Recovery.FATAL),
    ],
)
def test_an_error_of_chat(document: dict[str, Any], recovery: Recovery) -> None:
    said = json.dumps({"object": "error", "message": "no", "param": None, **document})
    token, error = read_all(wire(delta(content="a"), said))
    assert token == Token("a")
    assert isinstance(error, Error)
    assert (error.message, error.code, error.recovery) == ("no", document["code"], recovery)


def test_a_finish_that_is_an_error() -> None:
    assert isinstance(read_all(wire(stop(reason="error"), "[DONE]"))[-1], Error)


def test_what_is_neither_chat_nor_conversation() -> None:
    said = read_all(b"data:\n\n: hi\n\ndata: {\n\n", wire("{}", '{"type":"x"}', "[DONE]"))
    assert said[:2] == [Heartbeat(), Heartbeat("hi")]
    assert said[2].kind == "malformed"  # type: ignore[attr-defined]
    assert said[3:5] == [Unknown(), Unknown()]
    assert said[5].kind == "truncated"  # type: ignore[attr-defined]


# --- conversations ---


def test_an_answer_of_a_conversation() -> None:
    body = b"".join([STARTED, message("Hé"), message(" 世", content_index=0), DONE])
    assert read_everywhere_cut(body, "mistral") == [
        Started("conv_1"),
        Token("Hé"),
        Token(" 世"),
        Usage(1, 2, 3, final=True),
        Finished(0, "stop"),
        Done("stop"),
    ]


def test_types_in_the_json_alone_are_enough() -> None:
    frames = b"".join([STARTED, message("a"), DONE])
    unnamed = b"\n".join(line for line in frames.split(b"\n") if not line.startswith(b"event"))
    assert read_all(unnamed) == read_all(frames)


def test_types_in_the_event_alone_are_enough() -> None:
    bare = b'event: message.output.delta\ndata: {"content":"a"}\n\n'
    assert read_all(bare, eof=False) == [Token("a")]


def test_blocks_have_parts() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}
    file = {"type": "tool_file", "tool": "image_generation", "file_id": "f"}
    said = read_all(
        message(thinking, output_index=0),
        message("a", output_index=1),
        message(file, output_index=1, content_index=1),
        message({"type": "text", "text": "b"}, output_index=1, content_index=2),
        message(""),
        eof=False,
    )
    assert said == [
        Reasoning("Hm"),
        Token("a", part=1),
        Data("tool_file", file, part=2),
        Token("b", part=3),
    ]


def call(name: str, arguments: Any, id: str = "t1") -> bytes:
    return typed("function.call.delta", id="fc", name=name, tool_call_id=id, arguments=arguments)


def test_functions_are_for_the_client_to_call() -> None:
    said = read_all(STARTED, call("f", '{"a"'), call("f", ":1}"), call("g", {"b": 2}, "t2"), DONE)
    assert said[1:] == [
        ToolCall("0", 0, "t1", "f", '{"a"'),
        ToolCall("0", arguments=":1}"),
        ToolCall("1", 0, "t2", "g", '{"b":2}'),
        ToolCall("0", complete=True),
        ToolCall("1", complete=True),
        Usage(1, 2, 3, final=True),
        Finished(0, "tool_calls"),
        Done("tool_calls"),
    ]


def test_calls_whose_arguments_are_cut_are_not_complete() -> None:
    found = read_all(STARTED, call("f", '{"a":'), DONE)
    assert not any(event.complete for event in found if isinstance(event, ToolCall))


def test_a_call_that_waits_for_a_word() -> None:
    asked = typed("function.call.delta", tool_call_id="t1", confirmation_status="pending")
    assert read_all(call("f", "{}"), asked, eof=False)[-1] == Data("confirmation_status", "pending")


def test_each_field_of_a_conversation_is_told_or_silent_for_a_reason() -> None:
    def after_the_first(payload: bytes) -> list[Event]:
        return read_all(message("a"), b"data: " + payload + b"\n\n", eof=False)

    of_others = ("type", "name", "tool_call_id", "arguments", "confirmation_status", "usage")
    of_others += ("conversation_id", "id", "model", "output_index", "content_index")
    assert_fields_are_told(
        {ConversationWire: ('{"type":"message.output.delta",%s}', of_others)},
        {ConversationWire: SILENT},
        after_the_first,
        {},
    )


def test_a_call_that_says_nothing_more() -> None:
    nameless = typed("function.call.delta")
    said = read_all(call("f", "{}"), call("f", ""), nameless, eof=False)
    assert said == [ToolCall("0", 0, "t1", "f", "{}")]


def test_tools_that_mistral_runs() -> None:
    started = typed("tool.execution.started", id="t", name="web_search", arguments="")
    more = typed("tool.execution.delta", id="t", name="web_search", arguments='{"q":1}')
    ended = typed("tool.execution.done", id="t", name="web_search", info={"n": 1})
    lost = typed("tool.execution.done", id="other", name="web_search")
    open_one = typed("tool.execution.started", id="u", name="code", arguments="1")
    said = read_all(started, more, ended, lost, open_one, DONE)
    assert said[:3] == [
        ToolCall("0", 0, "t", "web_search", provider_executed=True),
        ToolCall("0", arguments='{"q":1}', provider_executed=True),
        ToolCall("0", complete=True, provider_executed=True),
    ]
    results = [event for event in said if isinstance(event, Data)]
    assert [(event.kind, event.value["id"]) for event in results] == [
        ("tool.execution.done", "t"),
        ("tool.execution.done", "other"),
    ]
    assert said[-4:] == [
        ToolCall("1", complete=True, provider_executed=True),
        Usage(1, 2, 3, final=True),
        Finished(0, "stop"),
        Done("stop"),
    ]


def test_handoffs_are_data() -> None:
    for kind in ("agent.handoff.started", "agent.handoff.done"):
        [found] = read_all(typed(kind, id="h", previous_agent_id="a"), eof=False)
        assert isinstance(found, Data)
        assert (found.kind, found.value["previous_agent_id"]) == (kind, "a")


@pytest.mark.parametrize(("code", "recovery"), [(503, Recovery.RETRY), (3000, Recovery.FATAL)])
def test_an_error_of_a_conversation(code: int, recovery: Recovery) -> None:
    error = typed("conversation.response.error", message="no", code=code)
    said = read_all(STARTED, message("a"), error, DONE)
    assert [type(event) for event in said] == [Started, Token, Error]
    assert (said[2].message, said[2].recovery) == ("no", recovery)  # type: ignore[attr-defined]


def test_a_conversation_without_its_end_is_cut() -> None:
    """Neither EOF nor [DONE] proves it whole."""
    for end in (b"", wire("[DONE]")):
        last = read_all(STARTED, message("a"), end)[-1]
        assert isinstance(last, Error)
        assert last.kind == "truncated"


def test_a_done_without_counts() -> None:
    assert read_all(STARTED, typed("conversation.response.done")) == [
        Started("conv_1"),
        Finished(0, "stop"),
        Done("stop"),
    ]


def test_events_that_are_new_or_odd() -> None:
    odd = b'event: message.output.delta\ndata: ["type"]\n\n'
    said = read_all(typed("conversation.response.paused"), odd, eof=False)
    assert said[0] == Unknown()
    assert said[1].kind == "malformed"  # type: ignore[attr-defined]


def test_more_blocks_and_calls_than_are_kept() -> None:
    blocks = [message("a", output_index=index) for index in range(1025)]
    assert "more than 1024 blocks" in read_all(*blocks, eof=False)[-1].message  # type: ignore[attr-defined]
    calls = [call("f", "{}", f"t{index}") for index in range(1025)]
    assert "more than 1024 tool calls" in read_all(*calls, eof=False)[-1].message  # type: ignore[attr-defined]


@pytest.mark.parametrize("first", [STARTED, message("a"), call("f", "{}")])
def test_how_conversations_are_recognised(first: bytes) -> None:
    assert told(first) == "mistral"


def test_round_trip() -> None:
    said: list[Event] = [
        Started("x", "m"),
        Reasoning("Hm"),
        Reasoning("", signature="sig"),
        Token("a"),
        ToolCall("0:0", 0, "abcdefghi", "f", "{}"),
        ToolCall("0:0", complete=True),
        Finished(0, "tool_calls", "tool_calls"),
        Usage(1, 2, 3, final=True),
        Done("tool_calls"),
    ]
    sent = encoded(said, "mistral")
    assert read([sent], MISTRAL).events == said
    assert b'"content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm"}]}]' in sent


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """What the wire of chat can say."""
    content = st.builds(Token, texts) | st.builds(Reasoning, texts, signature=st.none() | words)
    said: list[Event] = [Started(draw(words), draw(words)), *draw(st.lists(content, max_size=6))]
    if draw(st.booleans()):
        return [*said, draw(errors)]
    final = st.builds(Usage, counts, counts, counts, final=st.just(True))
    ended: list[Event] = [Finished(0, "stop", "stop"), *draw(st.lists(final, max_size=1))]
    return [*said, *ended, Done("stop")]


@given(answers())
def test_what_was_written_is_read_the_same(said: list[Event]) -> None:
    assert_round_trip(MISTRAL, said)


_KINDS = st.sampled_from(
    [
        "message.output.delta",
        "function.call.delta",
        "tool.execution.done",
        "conversation.response.done",
    ]
)


@given(
    st.lists(junk("type", "content", "arguments", "id", "usage", "choices", "delta"), max_size=4),
    st.just("") | _KINDS,
)
def test_no_json_makes_the_decoder_raise(values: list[object], kind: str) -> None:
    assert_total(MISTRAL, values, kind)
