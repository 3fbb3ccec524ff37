"""openai-chat: what the services that speak it do differently, one name each."""

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
    Reasoning,
    Recovery,
    Refusal,
    Started,
    Token,
    ToolCall,
    Unknown,
    Usage,
)


def chunk(*choices: dict[str, Any], **extra: Any) -> str:
    return json.dumps({"choices": list(choices), **extra})


def delta(index: int = 0, finish: str | None = None, **fields: Any) -> str:
    return chunk({"index": index, "delta": fields, "finish_reason": finish})


def stop(index: int = 0, reason: str = "stop") -> str:
    return delta(index, reason)


def wire(*payloads: str) -> bytes:
    return b"".join(b"data: " + payload.encode() + b"\n\n" for payload in payloads)


def events(*payloads: str) -> list[Event]:
    return read([wire(*payloads)], "openai-chat").events


def complete(*payloads: str) -> Completion:
    return Completion.from_events(events(*payloads))


def only_error(*payloads: str) -> Error:
    found = [event for event in events(*payloads) if isinstance(event, Error)]
    assert len(found) == 1
    return found[0]


# --- how it ends ---


def test_done_alone_proves_nothing() -> None:
    error = only_error("[DONE]")
    assert (error.kind, error.recovery) == ("truncated", Recovery.RETRY)
    assert error.message.endswith("[DONE] came, but no choice came")


def test_done_without_a_finish_reason_is_a_truncation() -> None:
    """OpenRouter sends an empty first chunk and [DONE] where its upstream fell over."""
    error = only_error(chunk({"index": 0, "delta": {"content": "Par"}}, id="x"), "[DONE]")
    assert (error.kind, error.recovery) == ("truncated", Recovery.RESUME)
    assert "choices [0] have no finish_reason" in error.message


def test_all_choices_must_be_finished() -> None:
    error = only_error(delta(content="a"), delta(1, content="b"), stop(), "[DONE]")
    assert "choices [1]" in error.message


def test_a_finish_reason_and_eof_is_complete() -> None:
    """Cerebras, Writer and Perplexity send no [DONE]."""
    assert events(delta(content="a"), stop())[-1] == Done("stop")


def test_eof_without_a_finish_reason_is_a_truncation() -> None:
    assert events(delta(content="a"))[-1].kind == "truncated"  # type: ignore[attr-defined]


def test_snowflake_never_finishes_and_has_empty_ids() -> None:
    payload = chunk({"index": 0, "delta": {"content": "a"}}, id="", model="m", created=0)
    assert events(payload, "[DONE]")[-1] == Done("other")


@pytest.mark.parametrize("sentinel", ["[DONE]", "[DONE]\r", '"[DONE]"', " [DONE]", "[DONE] "])
def test_the_sentinel_in_its_spellings(sentinel: str) -> None:
    assert events(stop(), sentinel)[-1] == Done("stop")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("sensitive", "content_filter"),
        ("brand_new", "other"),
    ],
)
def test_finish_reasons(raw: str, reason: str) -> None:
    assert events(stop(reason=raw), "[DONE]") == [Finished(0, reason, raw), Done(reason)]  # type: ignore[arg-type]


@pytest.mark.parametrize("raw", ["error", "abort", "network_error", "insufficient_system_resource"])
def test_a_finish_that_is_an_error_is_never_done(raw: str) -> None:
    finished, error = events(stop(reason=raw), "[DONE]")
    assert finished == Finished(0, "error", raw)
    assert error == Error(
        "vendor", f"the service ended the answer with {raw!r}", raw, recovery=Recovery.RETRY
    )


@pytest.mark.parametrize("nothing", [None, "", "null"])
def test_no_finish_reason_in_its_spellings(nothing: str | None) -> None:
    assert not any(isinstance(e, Finished) for e in events(delta(finish=nothing, content="a")))


def test_a_repeated_finish_is_told_once() -> None:
    """Avian sends it in two chunks, the second with the usage."""
    assert events(stop(), stop(), "[DONE]") == [Finished(0, "stop", "stop"), Done("stop")]


def test_text_behind_the_finish_is_text() -> None:
    assert complete(delta(content="a"), stop(), delta(content="b"), "[DONE]").text == "ab"


# --- errors ---


@pytest.mark.parametrize(
    "error", [{"message": "no", "type": "t"}, "no", {"error": {"message": "no"}}]
)
def test_an_error_instead_of_a_chunk(error: object) -> None:
    """vLLM and SGLang send [DONE] behind it."""
    found = events(delta(content="a"), json.dumps({"error": error}), "[DONE]")
    assert isinstance(found[-1], Error)
    assert (found[-1].kind, found[-1].message) == ("vendor", "no")


def test_an_error_inside_a_chunk() -> None:
    """OpenRouter: the text of the chunk counts, its finish reason does not."""
    choice = {"index": 0, "delta": {"content": "a"}, "finish_reason": "error"}
    found = events(
        chunk(choice, error={"code": 502, "message": "no", "metadata": {}}, id="x"), "[DONE]"
    )
    expected = Error("vendor", "no", "502", 502, Recovery.RETRY)
    assert found == [Started("x"), Token("a"), expected]


@pytest.mark.parametrize(
    "data", ['{"error":{"message":"no","code":"tool_use_failed"}}', '{"message":"no"}', "no"]
)
def test_an_event_named_error(data: str) -> None:
    """Groq, Cerebras: without [DONE], and not always JSON."""
    found = read([f"event: error\ndata: {data}\n\n".encode()], "openai-chat").events
    assert isinstance(found[-1], Error)
    assert (found[-1].kind, found[-1].message) == ("vendor", "no")


@pytest.mark.parametrize(
    "document", ['[{"error":{"message":"no"}}]', '{"detail":"no","choices":1}']
)
def test_an_error_in_an_odd_document(document: str) -> None:
    assert only_error(document).message == "no"


def test_cerebras_writes_the_status_beside_the_error() -> None:
    error = only_error('{"error":{"message":"no"},"status_code":503}')
    assert (error.status, error.recovery) == (503, Recovery.RETRY)


def test_minimax_reports_errors_beside_the_choices() -> None:
    ok = {"status_code": 0, "status_msg": ""}
    assert complete(delta(content="a"), chunk(base_resp=ok), stop(), "[DONE]").text == "a"
    bad = {"status_code": 1002, "status_msg": "rate limit"}
    assert only_error(chunk(base_resp=bad)).message == "rate limit"


# --- text ---


def test_azure_sends_filters_without_choices_and_without_delta() -> None:
    filters = [{"prompt_index": 0}]
    found = events(
        chunk(prompt_filter_results=filters, id="", model=""),
        chunk({"index": 0, "content_filter_results": {"hate": 1}, "finish_reason": None}),
        chunk({"index": 0, "content_filter_results": {"hate": 1}, "finish_reason": None}),
        delta(content="a"),
        stop(),
        "[DONE]",
    )
    assert found == [
        Data("content_filter", filters),
        Data("content_filter", {"hate": 1}),
        Token("a"),
        Finished(0, "stop", "stop"),
        Done("stop"),
    ]


def test_together_sends_the_text_twice() -> None:
    twice = {"index": 0, "text": "a", "delta": {"content": "a"}}
    assert complete(chunk(twice), stop()).text == "a"
    assert complete(chunk({"index": 0, "text": "a"}), stop()).text == "a"


def test_minimax_repeats_the_whole_message() -> None:
    message = {"index": 0, "message": {"content": "ab"}, "finish_reason": "stop"}
    assert complete(delta(content="a"), delta(content="b"), chunk(message)).text == "ab"
    assert complete(chunk(message)).text == "ab"


def test_content_in_blocks() -> None:
    """Mistral's thinking, Databricks' reasoning, references."""
    blocks = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "So"}]},
        {"type": "reasoning"},
        {"type": "text", "text": "Hi"},
        {"type": "text", "text": ""},
        {"type": "reference", "reference_ids": [1]},
        "!",
        3,
    ]
    found = events(delta(content=blocks), delta(content={"type": "text", "text": "?"}))
    assert found[:-1] == [
        Reasoning("Hm"),
        Reasoning("So"),
        Token("Hi"),
        Data("reference", blocks[5]),
        Token("!"),
        Token("?"),
    ]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_under_its_names(name: str) -> None:
    assert events(delta(**{name: "Hm", "content": None}))[0] == Reasoning("Hm")


def test_openrouter_sends_the_reasoning_twice() -> None:
    details = [
        {"type": "reasoning.text", "text": "Hm", "signature": None},
        {"type": "reasoning.text", "text": "", "signature": "sig"},
        {"type": "reasoning.encrypted", "data": "x"},
        "odd",
    ]
    assert events(delta(reasoning="Hm", reasoning_details=details))[:-1] == [
        Reasoning("Hm"),
        Reasoning("", signature="sig"),
        Data("encrypted_reasoning", details[2]),
    ]
    assert events(delta(reasoning_details=details[:1]))[0] == Reasoning("Hm")


def test_refusal_audio_and_annotations() -> None:
    found = events(delta(refusal="No", audio={"data": "x"}, annotations=[1]))
    assert found[:-1] == [Refusal("No"), Data("audio", {"data": "x"}), Data("annotations", [1])]


def test_what_is_repeated_in_every_chunk_is_told_once() -> None:
    found = events(
        chunk({"index": 0, "delta": {"content": "a"}}, citations=["u"], search_results=[1]),
        chunk({"index": 0, "delta": {"content": "b"}}, citations=["u"], search_results=[1]),
        chunk({"index": 0, "delta": {"content": "c"}}, citations=["u", "v"], moderation={"x": 1}),
    )
    assert found[:-1] == [
        Token("a"),
        Data("citations", ["u"]),
        Data("search_results", [1]),
        Token("b"),
        Token("c"),
        Data("citations", ["u", "v"]),
        Data("moderation", {"x": 1}),
    ]


def test_started_once_and_only_with_an_identity() -> None:
    found = events(
        chunk(id="", model=""), chunk(id="x", model="m"), chunk(id="y", model="m"), stop()
    )
    assert [event for event in found if isinstance(event, Started)] == [Started("x", "m")]


@pytest.mark.parametrize(
    "payload",
    [
        '{"choices":null}',
        '{"choices":[{"index":0,"delta":null}]}',
        '{"choices":[{"index":"0","delta":{"content":"a"}}]}',
        '{"choices":[{"index":null,"delta":{"content":"a"}}]}',
        '{"choices":[{"delta":{"content":"a","tool_calls":null,"role":""}}]}',
        '{"choices":[{"delta":{"content":"a"},"logprobs":NaN}]}',
        '{"choices":[]}{"choices":[{"delta":{"content":"a"}}]}',
    ],
)
def test_liberal_in_what_it_takes(payload: str) -> None:
    found = events(payload)[:-1]
    assert found in ([], [Token("a")], [Unknown()])


def test_half_a_surrogate_is_kept() -> None:
    assert events('{"choices":[{"delta":{"content":"\\ud83d"}}]}')[0] == Token("\ud83d")


def test_bad_utf8_in_the_text() -> None:
    raw = b'data: {"choices":[{"delta":{"content":"a\xff"}}]}\n\n'
    assert read([raw], "openai-chat").events[0] == Token("a\ufffd")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ('{"choices":7}', "Expected `array | null`, got `int` - at `$.choices`"),
        ('{"choices":', "Expecting value"),
        ("not json", "Expecting value"),
        ("[" * 100_000, "it is nested too deeply"),
    ],
    ids=["type", "cut", "text", "deep"],
)
def test_a_chunk_that_cannot_be_read_is_told_and_survived(payload: str, reason: str) -> None:
    found = events(payload, delta(content="a"), stop())
    assert isinstance(found[0], Error)
    assert (found[0].kind, found[0].fatal) == ("malformed", False)
    assert reason in found[0].message
    assert "it begins with: " + payload[:10] in found[0].message
    assert found[1:] == [Token("a"), Finished(0, "stop", "stop"), Done("stop")]


def test_named_events() -> None:
    raw = b'event: ping\ndata: {}\n\nevent: sglext_ids\ndata: {"ids":[1]}\n\ndata:\n\n'
    found = read([raw], "openai-chat", eof=False).events
    assert found == [Heartbeat("ping"), Unknown(), Heartbeat()]


# --- tool calls: the keying ladder ---


def calls(*deltas: list[dict[str, Any]], finish: str = "tool_calls") -> list[tuple[Any, ...]]:
    payloads = [delta(tool_calls=fragments) for fragments in deltas]
    completion = complete(*payloads, stop(reason=finish), "[DONE]")
    found = completion.choices[0].tool_calls
    assert len({call.key for call in found}) == len(found)
    return [(call.id, call.name, call.arguments, call.complete) for call in found]


def fragment(
    index: int | None = None, id: str | None = None, name: str | None = None, arguments: Any = ""
) -> dict[str, Any]:
    said: dict[str, Any] = {"function": {"arguments": arguments}}
    if index is not None:
        said["index"] = index
    if id is not None:
        said["id"] = id
    if name is not None:
        said["function"]["name"] = name
    return said


def test_calls_by_index() -> None:
    assert calls(
        [fragment(0, "a", "f")],
        [fragment(1, "b", "g")],
        [fragment(0, arguments="{")],
        [fragment(1, arguments="[")],
        [fragment(0, arguments="}")],
        [fragment(1, arguments="]")],
    ) == [("a", "f", "{}", True), ("b", "g", "[]", True)]


def test_parallel_calls_that_all_have_index_0() -> None:
    """Ollama: another id in the slot begins another call."""
    first, second = fragment(0, "a", "f", "{}"), fragment(0, "b", "f", "[]")
    assert calls([first], [second]) == [("a", "f", "{}", True), ("b", "f", "[]", True)]
    assert calls([first, second]) == [("a", "f", "{}", True), ("b", "f", "[]", True)]


def test_parallel_calls_without_ids() -> None:
    first, second = fragment(0, None, "f", "{}"), fragment(0, None, "g", "[]")
    assert calls([first], [second]) == [(None, "f", "{}", True), (None, "g", "[]", True)]


def test_repeated_ids_and_names_and_empty_names() -> None:
    """GLM at Mistral repeats the id and sends an empty name with every fragment."""
    assert calls(
        [fragment(0, "a", "f", "{")], [fragment(0, "a", "", "")], [fragment(0, "a", "f", "}")]
    ) == [("a", "f", "{}", True)]


def test_calls_without_an_index() -> None:
    """Gemini's compatible endpoint: a new id or a name begins a call, bare arguments go on."""
    assert calls(
        [fragment(None, "a", "f", "{")],
        [fragment(arguments="}")],
        [fragment(None, "b", "g", "[")],
        [fragment(arguments="]")],
        [fragment(None, "a", None, "!")],
        [fragment(None, None, "h", "?")],
    ) == [("a", "f", "{}!", True), ("b", "g", "[]", True), (None, "h", "?", True)]


def test_siblings_without_an_index_are_told_apart_by_place() -> None:
    assert calls(
        [fragment(None, "a", "f"), fragment(None, "b", "g")],
        [fragment(arguments="{}"), fragment(arguments="[]")],
    ) == [("a", "f", "{}", True), ("b", "g", "[]", True)]


def test_arguments_before_the_name() -> None:
    """SGLang; and a first fragment that has nothing at all."""
    assert calls([fragment(0, None, None, "{")], [fragment(0, "a", "f", "}")]) == [
        ("a", "f", "{}", True)
    ]
    assert calls([fragment(arguments="{}")], [{"index": 5}]) == [
        (None, None, "{}", True),
        (None, None, "", True),
    ]


def test_a_fragment_that_says_nothing_is_no_event() -> None:
    """Cloudflare closes calls with id, name and arguments all null."""
    null = {"index": 0, "id": None, "function": {"name": None, "arguments": None}}
    found = events(delta(tool_calls=[fragment(0, "a", "f", "{}")]), delta(tool_calls=[null]))
    assert [event for event in found if isinstance(event, ToolCall)] == [
        ToolCall("0:0", 0, "a", "f", "{}")
    ]


def test_arguments_as_an_object() -> None:
    assert calls([fragment(0, "a", "f", {"x": 1})]) == [("a", "f", '{"x":1}', True)]
    assert calls([fragment(0, "a", "f", None)]) == [("a", "f", "", True)]


def test_the_first_form_of_function_calls() -> None:
    completion = complete(
        delta(function_call={"name": "f", "arguments": "{"}),
        delta(function_call={"arguments": "}"}),
        stop(reason="function_call"),
    )
    (call,) = completion.choices[0].tool_calls
    assert (call.id, call.name, call.arguments, call.complete) == (None, "f", "{}", True)


@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_a_call_that_may_be_cut_is_never_complete(finish: str) -> None:
    assert calls([fragment(0, "a", "f", '{"rm": "/')], finish=finish) == [
        ("a", "f", '{"rm": "/', False)
    ]


def test_a_cut_answer_closes_no_call() -> None:
    found = events(delta(tool_calls=[fragment(0, "a", "f", "{}")]))
    assert not any(event.complete for event in found if isinstance(event, ToolCall))


def test_calls_of_two_choices_have_their_own_keys() -> None:
    found = events(
        delta(0, tool_calls=[fragment(0, "a", "f")]), delta(1, tool_calls=[fragment(0, "b", "f")])
    )
    assert [event.key for event in found if isinstance(event, ToolCall)] == ["0:0", "1:0"]


# --- usage ---


@pytest.mark.parametrize(
    ("wire_usage", "usage"),
    [
        ({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}, Usage(1, 2, 3)),
        (
            {
                "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 5},
                "completion_tokens_details": {"reasoning_tokens": 6},
            },
            Usage(None, None, None, 6, 4, 5),
        ),
        ({"prompt_cache_hit_tokens": 4, "reasoning_tokens": 6}, Usage(None, None, None, 6, 4)),
        (
            {"cache_read_input_tokens": 4, "cache_creation_input_tokens": 5},
            Usage(None, None, None, None, 4, 5),
        ),
        ({"prompt_tokens_details": None}, Usage()),
    ],
)
def test_usage_in_its_shapes(wire_usage: dict[str, Any], usage: Usage) -> None:
    assert events(chunk(usage=wire_usage))[0] == usage


def test_usage_runs_then_is_final() -> None:
    """vLLM and Perplexity send it with every chunk; a null says nothing."""
    found = events(
        chunk({"index": 0, "delta": {"content": "a"}}, usage={"completion_tokens": 1}),
        chunk({"index": 0, "delta": {"content": "b"}}, usage={"completion_tokens": 1}),
        chunk({"index": 0, "delta": {}, "finish_reason": "stop"}, usage=None),
        chunk(usage={"completion_tokens": 2}),
        "[DONE]",
    )
    assert [event for event in found if isinstance(event, Usage)] == [
        Usage(None, 1),
        Usage(None, 2, final=True),
    ]


def test_usage_where_groq_and_moonshot_put_it() -> None:
    assert events(chunk(x_groq={"usage": {"prompt_tokens": 1}}))[0] == Usage(1)
    assert events(chunk({"index": 0, "usage": {"prompt_tokens": 1}}))[0] == Usage(1)


# --- the mirror ---


@pytest.mark.parametrize(
    "said",
    [
        [Started(None, None), Token("a")],
        [Reasoning("Hm", signature="sig")],
        [Data("audio", {"data": "x"})],
        [Data("citations", ["u"])],
        [ToolCall("0:0", 0, "a", "f", "{}"), ToolCall("0:0", 0, arguments=" ")],
        [Error("vendor", "no", "c", 429, Recovery.RETRY)],
    ],
    ids=repr,
)
def test_round_trips(said: list[Event]) -> None:
    from tokenwire import StreamEncoder

    encoder = StreamEncoder("openai-chat")
    sent = b"".join(map(encoder.send, said))
    expected = [event for event in said if event != Started()]
    assert read([sent], "openai-chat", eof=False).events == expected


def test_a_reason_in_the_vendors_word_where_it_has_one() -> None:
    from tokenwire import StreamEncoder

    for finished, word in [
        (Finished(0, "stop", "eos"), "eos"),
        (Finished(0, "stop", "end_turn"), "stop"),
        (Finished(0, "length"), "length"),
        (Finished(0, "other", "brand_new"), "brand_new"),
    ]:
        sent = json.loads(StreamEncoder("openai-chat").send(finished)[6:])
        assert sent["choices"][0]["finish_reason"] == word
