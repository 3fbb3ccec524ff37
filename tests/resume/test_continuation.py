"""From a partial answer the request for its rest."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tokenwire import (
    Completion,
    Data,
    Error,
    Event,
    Finished,
    LocalProtocolError,
    Reasoning,
    Refusal,
    Started,
    Token,
    ToolCall,
    Usage,
)
from tokenwire.events import Reason
from tokenwire.resume.continuation import (
    INSTRUCTION,
    ContinuationError,
    continue_request,
    estimated_tokens,
)
from tokenwire.resume.request_styles import STYLES, RequestStyle

TEXT = "Berlin is in Germany. The capital of France is Par"
USER = {"role": "user", "content": "Name capitals."}
ASSISTANT = {"role": "assistant", "content": TEXT}
CHAT = {"model": "m", "messages": [USER], "stream": True}
ASKED = INSTRUCTION.replace("{quote}", TEXT)

OLD_CLAUDES = [
    "claude-2.1",
    "claude-instant-1.2",
    "claude-3-5-sonnet-20241022",
    "claude-3-opus-latest",
    "claude-opus-4-20250514",
    "claude-opus-4-0",
    "claude-opus-4-1-20250805",
    "claude-sonnet-4@20250514",
    "claude-sonnet-4-5",
    "claude-haiku-4-5-20251001",
    "anthropic.claude-sonnet-4-20250514-v1:0",
]
NEW_CLAUDES = ["claude-opus-4-6", "claude-sonnet-4-6-20260210", "claude-opus-4-10", "claude-opus-5"]


def cut(*events: Event) -> Completion:
    return Completion.from_events(
        [Started("id", "m"), *events, Error("truncated", "the body ended")]
    )


# What follows the first request, by dialect: the fields that change.
PREFILLED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("mistral", CHAT, {"messages": [USER, {**ASSISTANT, "prefix": True}]}),
    ("openai-chat/deepseek", CHAT, {"messages": [USER, {**ASSISTANT, "prefix": True}]}),
    ("openai-chat/mistral", CHAT, {"messages": [USER, {**ASSISTANT, "prefix": True}]}),
    ("openai-chat/moonshot", CHAT, {"messages": [USER, {**ASSISTANT, "partial": True}]}),
    ("openai-chat/qwen", CHAT, {"messages": [USER, {**ASSISTANT, "partial": True}]}),
    (
        "openai-chat/vllm",
        CHAT,
        {
            "messages": [USER, ASSISTANT],
            "continue_final_message": True,
            "add_generation_prompt": False,
        },
    ),
    ("openai-chat/ollama", CHAT, {"messages": [USER, ASSISTANT]}),
    ("ollama-chat", CHAT, {"messages": [USER, ASSISTANT]}),
    (
        "dashscope",
        {"model": "qwen-plus", "input": {"messages": [USER], "x": 1}},
        {"input": {"messages": [USER, {**ASSISTANT, "partial": True}], "x": 1}},
    ),
    ("openai-completions", {"prompt": "Once "}, {"prompt": "Once " + TEXT}),
    ("llamacpp", {"prompt": ""}, {"prompt": TEXT}),
    ("ollama-generate", {"prompt": "P: ", "raw": True}, {"prompt": "P: " + TEXT}),
    ("tgi", {"inputs": "P: "}, {"inputs": "P: " + TEXT}),
    ("sglang", {"text": "P: "}, {"text": "P: " + TEXT}),
    ("watsonx", {"input": "P: "}, {"input": "P: " + TEXT}),
    ("bedrock-invoke", {"prompt": "[INST]"}, {"prompt": "[INST]" + TEXT}),
    *[
        ("anthropic-messages", {**CHAT, "model": model}, {"messages": [USER, ASSISTANT]})
        for model in OLD_CLAUDES
    ],
    (
        "anthropic-messages",
        {**CHAT, "model": OLD_CLAUDES[-1], "thinking": {"type": "disabled"}},
        {"messages": [USER, ASSISTANT]},
    ),
]

IN_A_TURN = {"messages": [USER, ASSISTANT, {"role": "user", "content": ASKED}]}
IN_A_PROMPT = f"P\n\n{TEXT}\n\n{ASKED}"
INSTRUCTED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("openai-chat", CHAT, IN_A_TURN),
    ("openai-chat/openai", CHAT, IN_A_TURN),
    ("cohere-v2", CHAT, IN_A_TURN),
    ("watsonx", CHAT, IN_A_TURN),
    ("workers-ai", CHAT, IN_A_TURN),
    ("bedrock-invoke", {**CHAT, "anthropic_version": "bedrock-2023-05-31"}, IN_A_TURN),
    ("openai-responses", {"input": "Name capitals."}, {"input": IN_A_TURN["messages"]}),
    ("openai-responses", {"input": [USER]}, {"input": IN_A_TURN["messages"]}),
    (
        "gemini-sse",
        {"contents": [{"role": "user", "parts": [{"text": "?"}]}]},
        {
            "contents": [
                {"role": "user", "parts": [{"text": "?"}]},
                {"role": "model", "parts": [{"text": TEXT}]},
                {"role": "user", "parts": [{"text": ASKED}]},
            ]
        },
    ),
    (
        "bedrock-converse",
        {"messages": []},
        {
            "messages": [
                {"role": "assistant", "content": [{"text": TEXT}]},
                {"role": "user", "content": [{"text": ASKED}]},
            ]
        },
    ),
    *[
        ("anthropic-messages", {**CHAT, **changes}, IN_A_TURN)
        for changes in (
            *({"model": model} for model in NEW_CLAUDES),
            {"model": None},
            {"model": OLD_CLAUDES[-1], "thinking": {"type": "enabled", "budget_tokens": 1024}},
        )
    ],
    ("ollama-generate", {"prompt": "P"}, {"prompt": IN_A_PROMPT}),
    ("workers-ai", {"prompt": "P"}, {"prompt": IN_A_PROMPT}),
    ("lmstudio", {"input": "P"}, {"input": IN_A_PROMPT}),
    ("cohere-v1", {"message": "P"}, {"message": IN_A_PROMPT}),
    ("replicate", {"input": {"prompt": "P"}}, {"input": {"prompt": IN_A_PROMPT}}),
    ("dashscope", {"input": {"prompt": "P"}}, {"input": {"prompt": IN_A_PROMPT}}),
]


@pytest.mark.parametrize(
    ("dialect", "body", "changes", "method"),
    [(*case, "prefill") for case in PREFILLED] + [(*case, "instruction") for case in INSTRUCTED],
)
def test_the_next_request(
    dialect: str, body: dict[str, Any], changes: dict[str, Any], method: str
) -> None:
    first = copy.deepcopy(body)
    continuation = continue_request(dialect, body, TEXT)
    assert body == first, "the first request was changed"
    assert continuation.body == {**body, **changes}
    assert (continuation.method, continuation.text) == (method, TEXT)
    assert continuation.quoted == (TEXT if method == "instruction" else "")
    assert continuation.stripped == ""
    assert continuation.left is None


def test_the_path_of_a_beta() -> None:
    assert continue_request("openai-chat/deepseek", CHAT, TEXT).path == "/beta"
    assert continue_request("openai-chat/vllm", CHAT, TEXT).path == ""


def test_a_named_method_is_taken_where_there_is_a_form_for_it() -> None:
    gemini = {"contents": [{"role": "user", "parts": [{"text": "?"}]}]}
    continuation = continue_request("gemini-array", gemini, TEXT, method="prefill")
    assert continuation.body["contents"][1:] == [{"role": "model", "parts": [{"text": TEXT}]}]
    prompt = continue_request("replicate", {"input": {"prompt": "P"}}, TEXT, method="prefill")
    assert prompt.body == {"input": {"prompt": "P" + TEXT}}
    assert continue_request("mistral", CHAT, TEXT, method="instruction").body == {
        **CHAT,
        **IN_A_TURN,
    }
    with pytest.raises(ContinuationError, match="does not go on from a last turn") as caught:
        continue_request("openai-chat", CHAT, TEXT, method="prefill")
    assert caught.value.obstacle == "request"


@pytest.mark.parametrize(
    ("begun", "joined"),
    [
        ("Sure: ", "Sure: " + TEXT),
        (
            [{"type": "text", "text": "Sure: ", "x": 1}],
            [{"type": "text", "text": "Sure: " + TEXT, "x": 1}],
        ),
    ],
)
def test_a_turn_that_the_caller_began_is_gone_on_with(begun: Any, joined: Any) -> None:
    body = {"messages": [USER, {"role": "assistant", "content": begun, "prefix": False}]}
    last = {"role": "assistant", "content": joined, "prefix": True}
    assert continue_request("mistral", body, TEXT).body == {"messages": [USER, last]}


@pytest.mark.parametrize("begun", [None, [], [{"type": "image"}], ["text"]])
def test_a_turn_without_text_stays_as_it_is(begun: Any) -> None:
    own = {"role": "assistant", "content": begun}
    body = {"messages": [own]}
    assert continue_request("ollama-chat", body, TEXT).body == {"messages": [own, ASSISTANT]}


@pytest.mark.parametrize(
    ("text", "put", "stripped"),
    [
        ("Hello, ", "Hello,", " "),
        ("if x:\n    ", "if x:", "\n    "),
        ("Hello \ud83d", "Hello", " \ud83d"),
        ("Hello \ufffd\ufffd", "Hello", " \ufffd\ufffd"),
    ],
)
def test_white_space_that_the_api_refuses_is_told(text: str, put: str, stripped: str) -> None:
    body = {**CHAT, "model": OLD_CLAUDES[-1]}
    continuation = continue_request("anthropic-messages", body, text)
    assert continuation.body["messages"][1] == {"role": "assistant", "content": put}
    assert (continuation.stripped, continuation.text) == (stripped, text)


def test_half_a_character_is_never_sent() -> None:
    for dialect in ("mistral", "openai-chat"):
        continuation = continue_request(dialect, CHAT, "Hello \ud83d")
        assert continuation.body["messages"][1]["content"] == "Hello "
        assert continuation.stripped == "\ud83d"


def test_an_instruction_quotes_the_last_sentences() -> None:
    continuation = continue_request("openai-chat", CHAT, TEXT, context_chars=40)
    assert continuation.quoted == "The capital of France is Par"
    assert continuation.quoted in continuation.body["messages"][-1]["content"]
    with pytest.raises(ValueError, match="max_chars must be positive"):
        continue_request("openai-chat", CHAT, TEXT, context_chars=0)


def test_an_instruction_of_ones_own() -> None:
    own = continue_request("openai-chat", CHAT, TEXT, instruction="Repeat: {quote} {0} and go on")
    assert own.body["messages"][-1]["content"] == f"Repeat: {TEXT} {{0}} and go on"
    bare = continue_request("openai-chat", CHAT, TEXT, instruction="Go on")
    assert (bare.body["messages"][-1]["content"], bare.quoted) == ("Go on", "")


def test_a_style_of_ones_own() -> None:
    style = RequestStyle(turns=("chat", "log"), assistant="bot", content="said")
    body = {"chat": {"log": [{"role": "user", "said": "?"}], "id": 1}}
    continuation = continue_request(style, body, TEXT, instruction="Go on")
    assert continuation.body["chat"] == {
        "id": 1,
        "log": [
            {"role": "user", "said": "?"},
            {"role": "bot", "said": TEXT},
            {"role": "user", "said": "Go on"},
        ],
    }


def test_what_is_shared_is_not_changed() -> None:
    tools = [{"name": "f"}]
    continuation = continue_request("openai-chat", {**CHAT, "tools": tools}, TEXT)
    assert continuation.body["tools"] is tools
    assert continuation.body["messages"][0] is USER


# What stands in the way.


@pytest.mark.parametrize(
    ("obstacle", "events"),
    [
        ("empty", []),
        ("empty", [Token(" \n")]),
        ("empty", [Token("\ud83d")]),
        ("finished", [Token("Paris."), Finished(0, "stop")]),
        ("finished", [Token("Paris."), Finished(0, "pause")]),
        ("finished", [Token("Paris."), Finished(0, "content_filter")]),
        ("tool_call", [Token("Let me look."), ToolCall("k", 0, "id", "f", '{"a')]),
        ("tool_call", [Token("Let me look."), ToolCall("k", name="f", complete=True)]),
        ("tool_call", [Token("Let me."), ToolCall("k", name="web", provider_executed=True)]),
        ("reasoning", [Reasoning("Hm")]),
        ("reasoning", [Token("So."), Reasoning("Hm", part=1)]),
        ("reasoning", [Token("So."), Reasoning("", part=1, signature="sig")]),
        ("reasoning", [Token("So."), Data("redacted_thinking", {}, part=1)]),
        ("refusal", [Token("I"), Refusal("cannot")]),
        ("choices", [Token("a"), Token("b", 1)]),
    ],
)
def test_answers_that_cannot_be_continued(obstacle: str, events: list[Event]) -> None:
    with pytest.raises(ContinuationError) as caught:
        continue_request("openai-chat", CHAT, cut(*events))
    assert caught.value.obstacle == obstacle


@pytest.mark.parametrize(
    "events",
    [
        [Reasoning("Hm", signature="sig"), Token(TEXT, part=1)],
        [ToolCall("k", name="web", complete=True, provider_executed=True), Token(TEXT)],
        [Token(TEXT), Data("citation", {})],
        [Token(TEXT), Finished(0, "length")],
        [Token(TEXT), Finished(0, "other")],
    ],
)
def test_answers_that_can(events: list[Event]) -> None:
    continuation = continue_request("openai-chat", CHAT, cut(*events))
    assert continuation.text == TEXT
    assert continuation.body["messages"][1] == ASSISTANT


@pytest.mark.parametrize(
    ("obstacle", "changes"),
    [
        ("choices", {"n": 2}),
        ("choices", {"generationConfig": {"candidateCount": 4}}),
        ("choices", {"parameters": {"n": 2}}),
        ("format", {"response_format": {"type": "json_object"}}),
        ("format", {"format": "json"}),
        ("format", {"format": {"properties": {}}}),
        ("format", {"text": {"format": {"type": "json_schema"}}}),
        ("format", {"generationConfig": {"responseMimeType": "application/json"}}),
        ("request", {"messages": None}),
        ("request", {"messages": {}}),
        ("request", {"messages": 3}),
    ],
)
def test_requests_that_cannot_be_continued(obstacle: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ContinuationError) as caught:
        continue_request("openai-chat", {**CHAT, **changes}, TEXT)
    assert caught.value.obstacle == obstacle


def test_a_list_of_prompts_cannot() -> None:
    with pytest.raises(ContinuationError, match="nothing to go on from in prompt"):
        continue_request("openai-completions", {"prompt": ["a", "b"]}, TEXT)


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 1},
        {"n": None},
        {"response_format": {"type": "text"}},
        {"format": ""},
        {"generationConfig": {"responseMimeType": "text/plain", "candidateCount": 1}},
        {"text": "odd"},
    ],
)
def test_requests_that_can(changes: dict[str, Any]) -> None:
    assert continue_request("openai-chat", {**CHAT, **changes}, TEXT).method == "instruction"


@pytest.mark.parametrize("name", ["mcp", "openai-chat/nobody", "other/groq"])
def test_a_dialect_without_a_known_request(name: str) -> None:
    with pytest.raises(LocalProtocolError, match="give a RequestStyle") as caught:
        continue_request(name, CHAT, TEXT)
    assert not isinstance(caught.value, ContinuationError)


def test_all_styles_are_of_dialects_that_there_are() -> None:
    from tokenwire import available_dialects

    assert set(STYLES) <= set(available_dialects())


# Ceilings.


@pytest.mark.parametrize(
    ("dialect", "place"),
    [
        ("mistral", ("max_tokens",)),
        ("openai-chat/vllm", ("max_completion_tokens",)),
        ("openai-responses", ("max_output_tokens",)),
        ("gemini-sse", ("generationConfig", "maxOutputTokens")),
        ("ollama-chat", ("options", "num_predict")),
        ("llamacpp", ("n_predict",)),
        ("tgi", ("parameters", "max_new_tokens")),
        ("bedrock-converse", ("inferenceConfig", "maxTokens")),
    ],
)
@pytest.mark.parametrize(("ceiling", "rest"), [(100, 87), (14, 1), (13, 0), (5, 0)])
def test_the_ceiling_is_lowered(
    dialect: str, place: tuple[str, ...], ceiling: int, rest: int
) -> None:
    said = {"messages": [], "contents": [], "input": [], "prompt": "", "inputs": ""}

    def limited(value: int) -> dict[str, Any]:
        return {place[-1]: value} if len(place) == 1 else {place[0]: {place[1]: value, "x": 1}}

    body = {**said, **limited(ceiling)}
    continuation = continue_request(dialect, body, TEXT, instruction="Go on")
    assert continuation.received == estimated_tokens(TEXT) == 13
    assert continuation.left == rest
    assert continuation.body == {**continuation.body, **limited(max(1, rest))}
    assert body == {**said, **limited(ceiling)}


def test_the_lowest_of_several_ceilings_counts() -> None:
    body = {**CHAT, "max_tokens": 50, "max_completion_tokens": 30}
    continuation = continue_request("mistral", body, TEXT)
    assert continuation.left == 17
    assert (continuation.body["max_tokens"], continuation.body["max_completion_tokens"]) == (37, 17)


@pytest.mark.parametrize("none", [None, -1, True, "100", 12.5])
def test_what_is_no_ceiling_stays(none: object) -> None:
    continuation = continue_request("mistral", {**CHAT, "max_tokens": none}, TEXT)
    assert continuation.left is None
    assert continuation.body["max_tokens"] is none


def test_what_is_to_be_repeated_is_allowed_again() -> None:
    again = continue_request("openai-chat", {**CHAT, "max_tokens": 200}, TEXT + " x" * 200)
    assert again.received == 113
    assert again.left == 87
    assert again.body["max_tokens"] == 87 + estimated_tokens(again.quoted) == 147
    short = continue_request("openai-chat", {**CHAT, "max_tokens": 20}, TEXT)
    assert (short.left, short.body["max_tokens"]) == (7, 20)


def test_a_budget_for_thinking_stays_below_the_ceiling() -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    body = {**CHAT, "max_tokens": 1030, "thinking": thinking}
    continuation = continue_request("anthropic-messages", body, TEXT, instruction="Go on")
    assert continuation.left == 1017
    assert continuation.body["max_tokens"] == 1025


@pytest.mark.parametrize(
    ("events", "received"),
    [
        ([], 13),
        ([Usage(5, 1)], 13),
        ([Usage(5, 40)], 40),
        ([Usage(5, 9, final=True)], 9),
        ([Usage(5, None, final=True)], 13),
        ([Reasoning("x" * 40), Token("!")], 23),
    ],
)
def test_what_was_received(events: list[Event], received: int) -> None:
    partial = cut(Token(TEXT), *events)
    continuation = continue_request("mistral", {**CHAT, "max_tokens": 100}, partial)
    assert continuation.received == received
    assert continuation.left == 100 - received


def test_an_answer_that_ended_by_its_length_has_nothing_left() -> None:
    reason: Reason = "length"
    partial = cut(Token(TEXT), Usage(5, 9, final=True), Finished(0, reason))
    continuation = continue_request("mistral", {**CHAT, "max_tokens": 10}, partial)
    assert (continuation.left, continuation.body["max_tokens"]) == (0, 1)
    # By the service's own limit, there may be more.
    assert continue_request("mistral", CHAT, partial).left is None


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("a", 1), ("four", 1), ("fours", 2), ("北京", 1), ("北京是", 2), ("\ud83d", 1)],
)
def test_the_estimate(text: str, tokens: int) -> None:
    assert estimated_tokens(text) == tokens


def test_the_seam_of_a_continuation() -> None:
    partial = "The sum is: "
    body = {**CHAT, "model": OLD_CLAUDES[-1]}
    seam = continue_request("anthropic-messages", body, partial).seam()
    assert partial + seam.receive(" 42.") == "The sum is: 42."
    asked = continue_request("openai-chat", CHAT, TEXT)
    seam = asked.seam(window=100)
    assert seam.receive("Sure! ") == ""
    assert seam.join is not None
    assert seam.join.verdict == "reject"
    seam = asked.seam(policy="keep")
    assert seam.receive("Sure! ") == "Sure! "
    seam = asked.seam()
    assert TEXT + seam.receive(TEXT + "is.") == TEXT + "is."
