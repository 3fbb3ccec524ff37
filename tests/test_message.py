"""`Choice.to_message`: an answer of each API as a message of its next request."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from tests.reading import read

from tokenwire import (
    Choice,
    Completion,
    Data,
    Done,
    Event,
    Finished,
    LocalProtocolError,
    Reasoning,
    Refusal,
    Reset,
    StreamParser,
    Token,
    ToolCall,
    UnknownDialectError,
    available_dialects,
    available_profiles,
    get_dialect,
)

CALL = [
    ToolCall("k", 0, "call_1", "weather", '{"city":'),
    ToolCall("k", arguments='"Paris"}'),
    ToolCall("k", complete=True),
]
END = [Finished(0, "tool_calls"), Done("tool_calls")]


def message(events: Sequence[Event], dialect: str) -> dict[str, Any]:
    (choice,) = Completion.from_events(events, dialect).choices
    said = choice.to_message()
    assert said == choice.to_message(get_dialect(dialect))
    json.dumps(said)  # it is sent
    return said


def message_of(wire: Sequence[Any], dialect: str) -> dict[str, Any]:
    """Of frames as a service sends them."""
    parser = StreamParser(dialect)
    for value in wire:
        parser.receive_data(b"data: %s\n\n" % json.dumps(value).encode())
    parser.receive_eof()
    return message(list(parser.events()), dialect)


# --- the events in order ---


def test_blocks_are_what_was_said_in_its_order() -> None:
    note = Data("citation", {"n": 1})
    choice = Choice()
    for event in (
        Reasoning("H", part=0),
        Reasoning("m", part=0),
        Reasoning("", part=0, signature="one"),
        Token("Par", part=1),
        Token("is", part=1),
        note,
        Token("!", part=1),
        CALL[0],
        Refusal("No"),
        *CALL[1:],
        Reasoning("", signature="two"),
    ):
        choice.add(event)
    assert choice.blocks == [
        Reasoning("Hm", signature="one"),
        Token("Paris", part=1),
        note,
        Token("!", part=1),
        ToolCall("k", 0, "call_1", "weather", '{"city":"Paris"}', True),
        Refusal("No"),
        Reasoning("", signature="two"),
    ]
    assert choice.text == "Paris!"
    assert choice.signature == "two"


def test_a_thought_that_was_signed_is_over() -> None:
    choice = Choice()
    for event in (
        Reasoning("a", signature="1"),
        Reasoning("", signature="1"),
        Reasoning("b", signature="2"),
        Reasoning("c"),
    ):
        choice.add(event)
    assert choice.blocks == [
        Reasoning("a", signature="1"),
        Reasoning("b", signature="2"),
        Reasoning("c"),
    ]
    assert choice.reasoning == "abc"


def test_a_text_that_was_taken_back_is_no_block() -> None:
    choice = Choice()
    for event in (Token("a", part=1), Token("b", part=2), Reset(0, 1, ""), Reset(0, 2, "B")):
        choice.add(event)
    assert choice.blocks == [Token("B", part=2)]
    choice.add(Reset(text="all"))
    assert choice.blocks == [Token("all")]


# --- OpenAI and those who speak like it ---

OPENAI_CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city":"Paris"}'},
}


def test_openai() -> None:
    said = [Reasoning("Hm"), Token("I "), Token("look."), *CALL, *END]
    expected = {"role": "assistant", "content": "I look.", "tool_calls": [OPENAI_CALL]}
    for dialect in ("openai-chat", "openai-chat/openai", "mistral", "watsonx", "dashscope"):
        assert message(said, dialect) == expected
    assert message([*CALL, *END], "openai-chat")["content"] is None
    assert message([*CALL, *END], "dashscope")["content"] == ""
    refused = message([Refusal("No"), Finished(0, "refusal")], "openai-chat")
    assert refused == {"role": "assistant", "content": None, "refusal": "No"}
    spoken = message([Data("audio", {"id": "a1", "data": "x"}), Finished()], "openai-chat")
    assert spoken["audio"] == {"id": "a1"}


@pytest.mark.parametrize("service", ["deepseek", "moonshot"])
def test_thinking_goes_back_with_calls_where_it_must(service: str) -> None:
    dialect = f"openai-chat/{service}"
    assert message([Reasoning("Hm"), *CALL, *END], dialect)["reasoning_content"] == "Hm"
    assert "reasoning_content" not in message([Reasoning("Hm"), Token("a"), *END], dialect)


def test_gemini_after_openai_has_its_signatures_back() -> None:
    extra = {"google": {"thought_signature": "sig"}}
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
    delta = {"role": "assistant", "tool_calls": [{**call, "extra_content": extra}]}
    wire = [{"choices": [{"index": 0, "delta": delta, "finish_reason": "tool_calls"}]}]
    (sent,) = message_of(wire, "openai-chat")["tool_calls"]
    assert sent["extra_content"] == extra


def test_arguments_that_are_none_are_an_object() -> None:
    whole = [ToolCall("k", 0, None, "now", complete=True), *END]
    (call,) = message(whole, "openai-chat")["tool_calls"]
    assert call["function"]["arguments"] == "{}"
    assert call["id"] == "k"  # the service gave none, and each answer must name one
    assert message(whole, "ollama-chat")["tool_calls"] == [
        {"function": {"name": "now", "arguments": {}}}
    ]


# --- those with blocks ---


def block(index: int, block: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def test_anthropic_has_each_block_as_it_was() -> None:
    """Thoughts between calls, each with its signature, and what the server ran itself."""
    redacted = {"type": "redacted_thinking", "data": "xyz"}
    found = {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []}
    wire = [
        {"type": "message_start", "message": {"id": "m", "model": "c", "content": []}},
        *block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "Let me "},
            {"type": "thinking_delta", "thinking": "see."},
            {"type": "signature_delta", "signature": "sig-1"},
        ),
        *block(1, redacted),
        *block(
            2,
            {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}},
            {"type": "input_json_delta", "partial_json": '{"query":"x"}'},
        ),
        *block(3, found),
        *block(
            4,
            {"type": "text", "text": ""},
            {"type": "text_delta", "text": "It "},
            {"type": "citations_delta", "citation": {"cited_text": "y"}},
            {"type": "text_delta", "text": "rains."},
        ),
        *block(
            5,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "Now"},
            {"type": "signature_delta", "signature": "sig-2"},
        ),
        *block(
            6,
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}},
            {"type": "input_json_delta", "partial_json": '{"city":"Paris"}'},
        ),
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {}},
        {"type": "message_stop"},
    ]
    search = {"query": "x"}
    assert message_of(wire, "anthropic-messages") == {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Let me see.", "signature": "sig-1"},
            redacted,
            {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": search},
            found,
            {"type": "text", "text": "It rains."},
            {"type": "thinking", "thinking": "Now", "signature": "sig-2"},
            {
                "type": "tool_use",
                "id": "toolu_1",
                "name": "weather",
                "input": {"city": "Paris"},
            },
        ],
    }


def test_anthropic_leaves_out_what_it_would_refuse() -> None:
    said = [
        Reasoning("unsigned"),
        Token(" \n", part=1),
        Data("stop_details", {"type": "refusal"}),
        Data("extra", {"type": "extra"}),
        ToolCall("k", 0, "toolu_1", "f", "{}", True),
        Data("caller", {"type": "code_execution_20250825", "tool_id": "srv_1"}),
        *END,
    ]
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    caller = {"type": "code_execution_20250825", "tool_id": "srv_1"}
    assert message(said, "anthropic-messages")["content"] == [{**call, "caller": caller}]
    far = [
        ToolCall("k", 0, "mcp_1", "f", "{}", True, True),
        Data("mcp_tool_result", {"type": "mcp_tool_result", "tool_use_id": "mcp_1"}),
        *END,
    ]
    with pytest.raises(LocalProtocolError, match="went to an MCP server"):
        message(far, "anthropic-messages")


@pytest.mark.parametrize("dialect", ["gemini-sse", "gemini-array"])
def test_gemini_has_each_part_with_its_signature(dialect: str) -> None:
    first, second = {"city": "Paris"}, {"city": "Rome"}
    parts = [
        {"text": "Thinking", "thought": True},
        {"text": "I look."},
        {"functionCall": {"name": "weather", "args": first}, "thoughtSignature": "sig"},
        {"functionCall": {"id": "c2", "name": "weather", "args": second}},
        {"inlineData": {"mimeType": "image/png", "data": "eA=="}},
        {"text": "", "thoughtSignature": "last"},
    ]
    chunk = {"candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": "STOP"}]}
    if dialect == "gemini-sse":
        said = message_of([chunk], dialect)
    else:
        events = read([json.dumps([chunk]).encode()], dialect).events
        said = message(events, dialect)
    assert said == {"role": "model", "parts": parts}


def test_bedrock() -> None:
    said = [
        Reasoning("Hm", part=0, signature="sig"),
        Data("redactedContent", "eA==", part=1),
        Token("I ", part=2),
        Data("citation", {"title": "t"}, part=2),
        Token("look.", part=2),
        *CALL,
        Reasoning("unsigned", part=4),
        *END,
    ]
    thought = {"reasoningText": {"text": "Hm", "signature": "sig"}}
    use = {"toolUseId": "call_1", "name": "weather", "input": {"city": "Paris"}}
    assert message(said, "bedrock-converse") == {
        "role": "assistant",
        "content": [
            {"reasoningContent": thought},
            {"reasoningContent": {"redactedContent": "eA=="}},
            {"text": "I look."},
            {"toolUse": use},
        ],
    }


def test_cohere() -> None:
    said = [Data("tool_plan", "I "), Data("tool_plan", "look."), *CALL, *END]
    assert message(said, "cohere-v2") == {
        "role": "assistant",
        "tool_plan": "I look.",
        "tool_calls": [OPENAI_CALL],
    }
    assert message([Token("Hi"), Finished()], "cohere-v2") == {
        "role": "assistant",
        "content": "Hi",
    }
    assert message([Reasoning("Hm"), Token("Hi"), Finished()], "cohere-v2")["content"] == [
        {"type": "thinking", "thinking": "Hm"},
        {"type": "text", "text": "Hi"},
    ]


def test_ollama() -> None:
    said = [Reasoning("Hm"), Token("I look."), *CALL, *END]
    assert message(said, "ollama-chat") == {
        "role": "assistant",
        "content": "I look.",
        "thinking": "Hm",
        "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Paris"}}}],
    }


# --- what is refused ---


def test_what_is_cut_is_no_message() -> None:
    with pytest.raises(LocalProtocolError, match="has not ended"):
        message([Token("a")], "openai-chat")
    with pytest.raises(LocalProtocolError, match=r"CompletedCall\(id='call_1'.* was cut"):
        message([*CALL[:2], Finished(0, "length"), Done("length")], "openai-chat")


def test_a_stream_that_is_done_has_ended_its_choices() -> None:
    """Some services say no reason."""
    assert message([Token("a"), Done()], "openai-chat")["content"] == "a"


def test_arguments_that_are_no_object_are_refused_where_there_must_be_one() -> None:
    said = [ToolCall("k", 0, "c", "f", "[1]", True), *END]
    for dialect in ("anthropic-messages", "gemini-sse", "bedrock-converse", "ollama-chat"):
        with pytest.raises(LocalProtocolError, match="arguments of call 'k' are no JSON object"):
            message(said, dialect)


def test_what_the_service_ran_itself_is_refused_where_there_is_no_block_for_it() -> None:
    said = [ToolCall("k", 0, "c", "search", "{}", True, True), *END]
    for dialect in ("openai-chat", "bedrock-converse", "cohere-v2", "ollama-chat"):
        with pytest.raises(LocalProtocolError, match="ran the tool 'search' itself"):
            message(said, dialect)


def test_whose_answer_it_is_must_be_known() -> None:
    (choice,) = Completion.from_events([Token("a"), Done()]).choices
    with pytest.raises(LocalProtocolError, match=r'as in to_message\("openai-chat"\)'):
        choice.to_message()
    with pytest.raises(UnknownDialectError, match="did you mean 'openai-chat'"):
        choice.to_message("openai-caht")
    assert choice.to_message("openai-chat") == {"role": "assistant", "content": "a"}


def test_each_dialect_makes_one_or_says_why_not() -> None:
    said = [Token("a"), Finished(0, "stop"), Done("stop")]
    names = {*available_dialects(), *available_profiles()}
    makers = {name for name in names if get_dialect(name).message is not None}
    refusing = {"openai-responses", "gemini-interactions"}
    for name in names - makers | refusing:
        with pytest.raises(LocalProtocolError, match="could be sent back"):
            message(said, name)
    for name in makers - refusing:
        assert "a" in json.dumps(message(said, name)), name
    assert {name.partition("/")[0] for name in makers - refusing} == {
        "anthropic-messages",
        "bedrock-converse",
        "cohere-v2",
        "dashscope",
        "gemini-array",
        "gemini-sse",
        "mistral",
        "ollama-chat",
        "openai-chat",
        "watsonx",
    }
    with pytest.raises(LocalProtocolError, match="previous_response_id"):
        message(said, "openai-responses")
