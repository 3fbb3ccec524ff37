"""openai-chat: what the services that speak it do differently, one name each."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Struct
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
from tokenwire.dialects.openai.accents import (
    CHUNK_STATES,
    AccentChoiceWire,
    AccentChunkWire,
    AccentDeltaWire,
    AccentToolCallWire,
)
from tokenwire.dialects.openai.accents import SILENT as ACCENTS_SILENT
from tokenwire.dialects.openai.chat import Decoder
from tokenwire.dialects.openai.chat_wire import (
    SILENT,
    ChoiceWire,
    ChunkWire,
    DeltaWire,
    DetailsWire,
    GroqWire,
    ToolCallWire,
    UsageWire,
)
from tokenwire.frame import Frame


def chunk(*choices: dict[str, Any], **extra: Any) -> str:
    return json.dumps({"choices": list(choices), **extra})


def delta(index: int = 0, finish: str | None = None, **fields: Any) -> str:
    return chunk({"index": index, "delta": fields, "finish_reason": finish})


def stop(index: int = 0, reason: str = "stop") -> str:
    return delta(index, reason)


def wire(*payloads: str) -> bytes:
    return b"".join(b"data: " + payload.encode() + b"\n\n" for payload in payloads)


def events(*payloads: str, dialect: str = "openai-chat") -> list[Event]:
    return read([wire(*payloads)], dialect).events


def read_everywhere_cut(body: bytes, dialect: str) -> list[Event]:
    """The events of a body, the same however it is cut, and never `Done` for a part of it.

    A part that is proven complete may lack what stands after the proof: nothing but counts.
    """
    said = in_every_cut(lambda chunks: read(chunks, dialect), body).events
    for end in range(len(body)):
        part = read([body[:end]], dialect).events
        if isinstance(part[-1], Done):
            assert without_counts(part) == without_counts(said)
        else:
            assert isinstance(part[-1], Error)
            assert part[-1].kind == "truncated"
    return said


def without_counts(events: list[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, Usage)]


def encoded(said: list[Event], dialect: str) -> bytes:
    encoder = StreamEncoder(dialect)
    return b"".join(map(encoder.send, said))


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
    error = only_error(delta(content="a"), stop(), delta(1, content="b"), "[DONE]")
    assert "choices [1]" in error.message
    assert events(delta(content="a"), delta(1, content="b"), stop())[-1].kind == "truncated"  # type: ignore[attr-defined]


def test_one_reason_for_all_choices() -> None:
    """LiteLLM, of n answers: the others said nothing since, and nothing of them is cut."""
    both = (delta(content="a"), delta(1, content="b"), stop())
    assert events(*both, "[DONE]")[-2:] == [Finished(1, "other"), Done("stop")]
    cut = delta(1, tool_calls=[fragment(0, "a", "f", "{")])
    assert "choices [1]" in only_error(cut, *both, "[DONE]").message


def test_audio_has_no_finish_reason() -> None:
    """Its last piece says how long it can be referred to; without one [DONE] proves nothing."""
    pieces = (delta(audio={"id": "a", "transcript": "Hi"}), delta(audio={"data": "AA=="}))
    ended = delta(audio={"expires_at": 1})
    assert events(*pieces, ended, "[DONE]")[-2:] == [Finished(0, "other"), Done("other")]
    assert events(*pieces, ended)[-1].kind == "truncated"  # type: ignore[attr-defined]
    assert only_error(*pieces, "[DONE]").kind == "truncated"


@pytest.mark.parametrize("named", [[1], [2], [0, 1, 2, 3], [3]])
@pytest.mark.parametrize("text", ["", "a"])
def test_q13_one_id_that_is_not_empty_ends_the_exception(named: list[int], text: str) -> None:
    """Azure's filter sends empty ids in the middle of an answer."""
    choice = {"index": 0, "delta": {"content": "a"}}
    odd = {"index": 0, "delta": {"content": text}}
    payloads = [chunk(choice, id="", model="m") for _ in range(3)]
    payloads += [chunk(odd, id="", model="m"), *payloads]
    for number in named:
        payloads[number] = chunk(odd, id="c", model="m")
    assert only_error(*payloads, "[DONE]").kind == "truncated"
    assert only_error(chunk(choice, model="m"), chunk(choice, id="", model="m"), "[DONE]")


def test_an_index_that_counts_chunks_is_no_choice() -> None:
    """Foundry Local: the ids count too. Two choices have one id, or do not take turns so."""

    def counted(*pairs: tuple[int, str], ended: int) -> list[str]:
        said = [
            chunk({"index": index, "delta": {"content": str(at)}}, id=id)
            for at, (index, id) in enumerate(pairs)
        ]
        last = {"index": ended, "delta": {"content": ""}, "finish_reason": "stop"}
        return [*said, chunk(last, id="e"), "[DONE]"]

    found = complete(*counted((0, "a"), (1, "b"), (2, "c"), ended=3))
    assert [(one.index, one.text) for one in found.choices] == [(0, "012")]
    assert found.done == Done("stop")
    same = complete(*counted((0, "a"), (1, "a"), (0, "a"), ended=0))
    assert [(one.index, one.text) for one in same.choices] == [(0, "02"), (1, "1")]
    later = complete(*counted((0, "a"), (0, "a"), (1, "b"), ended=1))
    assert [(one.index, one.text) for one in later.choices] == [(0, "01"), (1, "2")]


# --- a text that comes again ---


@pytest.mark.parametrize("pieces", [["My", " name", " is C."], ["ab", "cd", "ef", "gh"] * 30])
@pytest.mark.parametrize("id", ["c", ""])
def test_the_whole_text_once_more_in_the_last_delta(pieces: list[str], id: str) -> None:
    """After a few pieces, and after many that the envelope read."""
    text = "".join(pieces)
    said = [chunk({"index": 0, "delta": {"content": one}}, id=id, model="m") for one in pieces]
    call = {"content": text, "tool_calls": [fragment(0, "a", "f", "{}")]}
    for again in (delta(finish="stop", content=text), delta(**call)):
        assert complete(*said, again).text == text
    for other in (text + "!", "!" + text[1:], text[:-1], text[: len(pieces[0])]):
        assert complete(*said, delta(finish="stop", content=other)).text == text + other
    assert complete(*said, delta(content=text), stop()).text == text + text
    assert complete(delta(content=text), delta(finish="stop", content=text)).text == text + text


def test_a_whole_message_brings_what_its_pieces_lacked() -> None:
    pieces = [chunk({"index": 0, "delta": {"content": one}}, id="c") for one in ["ab", "cd", "ef"]]
    thought = delta(reasoning_content="Hm")
    call = delta(tool_calls=[fragment(0, "a", "f", '{"x":')])
    message = {
        "content": "abcdefgh",
        "reasoning_content": "Hmm",
        "tool_calls": [fragment(None, "a", "f", '{"x":1}'), fragment(None, None, "f", "{}")],
    }
    whole = chunk({"index": 0, "message": message, "finish_reason": "tool_calls"})
    said = complete(thought, *pieces, call, whole).choices[0]
    assert (said.text, said.reasoning) == ("abcdefgh", "Hmm")
    assert [(one.id, one.arguments, one.complete) for one in said.tool_calls] == [
        ("a", '{"x":1}', True)
    ]
    other = {"content": "Other than that", "reasoning_content": "So"}
    changed = chunk({"index": 0, "message": other, "finish_reason": "stop"})
    said = complete(thought, *pieces, changed).choices[0]
    assert (said.text, said.reasoning) == ("abcdef", "Hm")


def test_thinking_that_is_whole_each_time() -> None:
    def details(*texts: str, **fields: Any) -> list[str]:
        return [delta(reasoning_details=[{"type": "reasoning.text", "text": one}]) for one in texts]

    assert complete(*details("The", "The user", "The user asks")).choices[0].reasoning == (
        "The user asks"
    )
    assert complete(*details("The", " user", " asks")).choices[0].reasoning == "The user asks"
    assert complete(*details("ha", "ha", " said")).choices[0].reasoning == "haha said"
    said = events(*details("ha", "ha"), delta(content="a"), *details(" said"))
    assert not any(isinstance(event, Reset) for event in said)


def test_q17_a_finish_reason_and_eof_is_complete() -> None:
    """Cerebras, Writer and Perplexity send no [DONE]."""
    assert events(delta(content="a"), stop())[-1] == Done("stop")


def test_eof_without_a_finish_reason_is_a_truncation() -> None:
    assert events(delta(content="a"))[-1].kind == "truncated"  # type: ignore[attr-defined]


def test_q13_snowflake_never_finishes_and_has_empty_ids() -> None:
    """[DONE] ends what no finish reason ends: text and calls."""
    payload = chunk({"index": 0, "delta": {"content": "a"}}, id="", model="m", created=0)
    call = chunk({"index": 1, "delta": {"tool_calls": [fragment(0, "a", "f", "{}")]}}, id="")
    assert events(payload, call, "[DONE]")[2:] == [
        ToolCall("1:0", 1, "a", "f", "{}"),
        Finished(0, "other"),
        ToolCall("1:0", 1, complete=True),
        Finished(1, "tool_calls"),
        Done("other"),
    ]
    assert events(payload, call)[-1].kind == "truncated"  # type: ignore[attr-defined]


def test_q13_a_choice_that_did_finish_is_not_finished_again() -> None:
    running = chunk({"index": 1, "delta": {"content": "a"}}, id="")
    ended = chunk({"index": 0, "delta": {}, "finish_reason": "stop"}, id="")
    assert events(ended, running, "[DONE]") == [
        Finished(0, "stop", "stop"),
        Token("a", 1),
        Finished(1, "other"),
        Done("stop"),
    ]


@pytest.mark.parametrize("sentinel", ["[DONE]", "[DONE]\r", '"[DONE]"', " [DONE]", "[DONE] "])
def test_q35_the_sentinel_in_its_spellings(sentinel: str) -> None:
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
def test_q15_no_finish_reason_in_its_spellings(nothing: str | None) -> None:
    assert not any(isinstance(e, Finished) for e in events(delta(finish=nothing, content="a")))


def test_a_repeated_finish_is_told_once() -> None:
    """Avian sends it in two chunks, the second with the usage."""
    assert events(stop(), stop(), "[DONE]") == [Finished(0, "stop", "stop"), Done("stop")]


def test_what_goes_on_after_a_finish_reason_needs_done() -> None:
    """Together ends each call so, Gemini behind OpenRouter each chunk: EOF then proves nothing."""
    first = delta(tool_calls=[fragment(0, "a", "f", "{}")])
    second = delta(finish="tool_calls", tool_calls=[fragment(1, "b", "g", "{}")])
    ended = stop(reason="tool_calls")
    said: list[Event] = [
        ToolCall("0:0", 0, "a", "f", "{}"),
        ToolCall("0:0", complete=True),
        Finished(0, "tool_calls", "tool_calls"),
        ToolCall("0:1", 0, "b", "g", "{}"),
        ToolCall("0:1", complete=True),
    ]
    assert events(first, ended, second, "[DONE]") == [*said, Done("tool_calls")]
    *before, last = events(first, ended, second)
    assert before == said
    assert isinstance(last, Error)
    assert (last.kind, last.recovery) == ("truncated", Recovery.RESUME)
    assert events(delta(content="a"), stop(), delta(content="b"))[-1].kind == "truncated"  # type: ignore[attr-defined]


def test_text_after_the_finish_is_text() -> None:
    assert complete(delta(content="a"), stop(), delta(content="b"), "[DONE]").text == "ab"


# --- errors ---


@pytest.mark.parametrize(
    "error", [{"message": "no", "type": "t"}, "no", {"error": {"message": "no"}}]
)
def test_q16_an_error_instead_of_a_chunk(error: object) -> None:
    """vLLM and SGLang send [DONE] after it."""
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


def test_an_error_beside_a_finish_reason_completes_no_call() -> None:
    """Gemini behind OpenRouter: the last call of a "stop" was malformed."""
    failed = chunk({"index": 0, "finish_reason": "stop"}, error={"code": 502, "message": "no"})
    call, error = events(delta(tool_calls=[fragment(0, "a", "f", "{")]), failed)
    assert call == ToolCall("0:0", 0, "a", "f", "{")
    assert isinstance(error, Error)


@pytest.mark.parametrize(
    "data",
    [
        '{"error":{"message":"no","code":"tool_use_failed"}}',
        '{"message":"no"}',
        "no",
        '{"id":"c","detail":"no"}',
    ],
)
def test_q17_an_event_named_error(data: str) -> None:
    """Groq, Cerebras: without [DONE], and not always JSON."""
    found = read([f"event: error\ndata: {data}\n\n".encode()], "openai-chat").events
    assert isinstance(found[-1], Error)
    assert (found[-1].kind, found[-1].message) == ("vendor", "no")


def test_an_event_named_error_that_looks_like_a_chunk() -> None:
    found = read([b'event: error\ndata: {"id":"c"}\n\n'], "openai-chat").events
    assert [(event.kind, event.message) for event in found if isinstance(event, Error)] == [
        ("vendor", '{"id":"c"}')
    ]


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


@pytest.mark.parametrize(
    "document",
    [
        {"object": "error", "message": "no", "type": "t", "code": "c"},
        {"errors": [{"message": "no"}]},
        {"code": "c", "message": "no"},
        {"id": "x", "model": "m", "detail": "no"},
    ],
)
def test_an_error_in_the_shape_of_another_vendor(document: dict[str, Any]) -> None:
    assert only_error(json.dumps(document)).message == "no"


def test_groq_keeps_what_the_model_wrote_in_the_frame() -> None:
    """``tool_use_failed`` comes with the text that was no call."""
    failed = {"message": "no", "code": "tool_use_failed", "failed_generation": "<f>"}
    said = json.dumps({"error": {**failed, "status_code": 400}})
    [error] = read([f"event: error\ndata: {said}\n\n".encode()], "openai-chat").events
    assert isinstance(error, Error)
    assert (error.code, error.status, error.recovery) == ("tool_use_failed", 400, Recovery.FATAL)
    assert error.frame is not None
    assert "failed_generation" in error.frame.text


def test_groq_stops_a_stream_early() -> None:
    error = only_error(delta(content="a"), chunk(x_groq={"id": "r", "error": "over capacity"}))
    assert error.message == "over capacity"


JSON_BODY = {"content-type": "application/json"}


def test_q18_an_error_document_with_status_200() -> None:
    """MiniMax and Baidu answer so, though a stream was asked for."""
    body = b'{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}'
    [error] = read_response([body], "openai-chat", headers=JSON_BODY)
    assert isinstance(error, Error)
    assert (error.message, error.code) == ("insufficient balance", "1008")


def test_q20_an_sse_field_named_error() -> None:
    """llama.cpp before 2025-09, with [DONE] after it."""
    body = wire(delta(content="a")) + b'error: {"code":500,"message":"no"}\n\n' + wire("[DONE]")
    token, error = read([body], "openai-chat").events
    assert token == Token("a")
    assert isinstance(error, Error)
    assert (error.message, error.status) == ("no", 500)


def test_q21_an_error_that_became_an_empty_chunk() -> None:
    """Ollama's compatible endpoint: no finish reason and no [DONE]; the answer is not whole."""
    found = events(delta(content="a"), delta(content=""))
    assert found[0] == Token("a")
    assert isinstance(found[-1], Error)
    assert (found[-1].kind, found[-1].recovery) == ("truncated", Recovery.RESUME)


def test_q38_blank_lines_before_an_answer() -> None:
    """DeepSeek sends them while a request waits, before a document too."""
    blank = b"\n\n\r\n"
    body = blank + b'{"error":{"message":"busy","code":"server_error"}}'
    [error] = read_response([body], "openai-chat", headers=JSON_BODY)
    assert isinstance(error, Error)
    assert (error.message, error.recovery) == ("busy", Recovery.RETRY)
    streamed = read([blank + wire(delta(content="a"), stop())], "openai-chat").events
    assert [event for event in streamed if not isinstance(event, Heartbeat)] == [
        Token("a"),
        Finished(0, "stop", "stop"),
        Done("stop"),
    ]


# --- text ---


def test_q12_azure_sends_filters_without_choices_and_without_delta() -> None:
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


def test_q25_together_sends_the_text_twice() -> None:
    twice = {"index": 0, "text": "a", "delta": {"content": "a"}}
    assert complete(chunk(twice), stop()).text == "a"
    assert complete(chunk({"index": 0, "text": "a"}), stop()).text == "a"


def test_q24_minimax_repeats_the_whole_message() -> None:
    message = {"index": 0, "message": {"content": "ab"}, "finish_reason": "stop"}
    assert complete(delta(content="a"), delta(content="b"), chunk(message)).text == "ab"
    assert complete(chunk(message)).text == "ab"


def test_q24_only_what_is_new_in_a_repeated_message_is_told() -> None:
    message = {
        "content": "Hi",
        "reasoning_content": "Hm",
        "reasoning_details": [{"type": "reasoning.text", "text": "Hm"}],
        "refusal": "No",
        "tool_calls": [fragment(0, "a", "f", "{}")],
    }
    whole = chunk(
        {"index": 0, "message": message, "finish_reason": "stop"}, object="chat.completion"
    )
    said = complete(
        delta(reasoning_content="Hm"), delta(refusal="No"), delta(content="Hi"), whole
    ).choices[0]
    assert (said.text, said.reasoning, said.refusal) == ("Hi", "Hm", "No")
    assert [call.arguments for call in said.tool_calls] == ["{}"]
    again = complete(delta(tool_calls=[fragment(0, "a", "f", "{}")]), whole).choices[0]
    assert [call.arguments for call in again.tool_calls] == ["{}"]
    assert (again.text, again.reasoning, again.refusal) == ("Hi", "Hm", "No")


def test_q24_perplexity_repeats_the_text_so_far_beside_the_delta() -> None:
    def piece(text: str, whole: str, finish: str | None, kind: str) -> str:
        choice = {"index": 0, "delta": {"content": text}, "message": {"content": whole}}
        counts = {"completion_tokens": len(whole)}
        return chunk({**choice, "finish_reason": finish}, object=kind, usage=counts)

    found = events(
        piece("a", "a", None, "chat.completion.chunk"),
        piece("b", "ab", None, "chat.completion.chunk"),
        piece("", "ab", "stop", "chat.completion.done"),
    )
    assert found == [
        Token("a"),
        Usage(None, 1),
        Token("b"),
        Usage(None, 2),
        Finished(0, "stop", "stop"),
        Usage(None, 2, final=True),
        Done("stop"),
    ]


def test_azure_filters_text_long_after_it_came() -> None:
    """The asynchronous filter: no delta, offsets, after the finish reason; it may take it back."""
    judged = {
        "index": 0,
        "content_filter_results": {"hate": {"filtered": False}},
        "content_filter_offsets": {"check_offset": 0, "start_offset": 0, "end_offset": 9},
    }
    found = events(
        delta(content="a"),
        stop(),
        chunk(judged),
        chunk({**judged, "finish_reason": "content_filter"}),
        "[DONE]",
    )
    assert found == [
        Token("a"),
        Finished(0, "stop", "stop"),
        Data("content_filter", judged["content_filter_results"]),
        Data("content_filter_offsets", judged["content_filter_offsets"]),
        Finished(0, "content_filter", "content_filter"),
        Done("content_filter"),
    ]


def test_xai_leaves_keys_out() -> None:
    found = events('{"choices":[{"index":0,"delta":{"content":"a"}}]}', stop())
    assert found[0] == Token("a")


@pytest.mark.parametrize("name", ["images", "annotations"])
def test_images_and_annotations(name: str) -> None:
    both: dict[str, Any] = {"content": "b", name: [1]}
    assert events(delta(content="a"), delta(**both))[1:3] == [Token("b"), Data(name, [1])]


def test_logprobs_are_data_after_their_text() -> None:
    said = {"content": [{"token": "b", "logprob": -0.5}], "refusal": None}
    with_them = {"index": 0, "delta": {"content": "b"}, "logprobs": said}
    none = {"index": 0, "delta": {"content": "c"}, "logprobs": {"content": None, "refusal": None}}
    odd = {"index": 0, "delta": {"content": "d"}, "logprobs": -0.5}
    found = events(delta(content="a"), chunk(with_them), chunk(none), chunk(odd))
    expected = [Token("a"), Token("b"), Data("logprobs", said), Token("c"), Token("d")]
    assert found[:-1] == [*expected, Data("logprobs", -0.5)]


def test_geminis_signature_of_a_call_is_kept() -> None:
    extra = {"google": {"thought_signature": "sig"}}
    found = events(delta(tool_calls=[{**fragment(None, "a", "f", "{}"), "extra_content": extra}]))
    assert found[:-1] == [ToolCall("0:0", 0, "a", "f", "{}"), Data("extra_content", extra)]


def test_q41_nan_and_infinity() -> None:
    found = events('{"choices":[{"delta":{"content":"a"},"logprobs":NaN,"x":-Infinity}]}')
    assert found[0] == Token("a")


def test_q42_choices_interleave_and_finish_on_their_own() -> None:
    found = complete(
        delta(1, content="x"),
        delta(0, content="a"),
        stop(1, "length"),
        delta(0, content="b"),
        stop(0),
        "[DONE]",
    )
    assert [(one.index, one.text, one.raw_reason) for one in found.choices] == [
        (0, "ab", "stop"),
        (1, "x", "length"),
    ]
    assert found.done == Done("stop")


def test_q44_a_think_tag_across_deltas_stays_in_the_text() -> None:
    assert complete(delta(content="<th"), delta(content="ink>Hm"), stop()).text == "<think>Hm"


def test_signatures_of_thinking_in_blocks() -> None:
    """Mistral signs the block, Databricks its summary."""
    thinking = [{"type": "text", "text": "Hm"}]
    summary = [{"type": "summary_text", "text": "So", "signature": "s2"}]
    blocks = [
        {"type": "thinking", "thinking": thinking, "signature": "s1", "closed": True},
        {"type": "reasoning", "summary": summary},
        {"type": "reasoning", "summary": [{"text": "x", "signature": 1}, "y", {"signature": ""}]},
        {"type": "thinking", "thinking": [], "signature": "s3"},
    ]
    assert events(delta(content=blocks))[:-1] == [
        Reasoning("Hm", signature="s1"),
        Reasoning("So", signature="s2"),
        Reasoning("xy"),
        Data("extra", {"content": blocks[2]}),
        Reasoning("", signature="s3"),
    ]


def test_thoughts_of_another_shape_are_told() -> None:
    """A number is the text that it is written as; of what is no text the whole value is told."""
    blocks = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "a"}, {"x": 1}]},
        {"type": "text", "text": ["b", 6]},
    ]
    assert events(delta(content=blocks))[:-1] == [
        Reasoning("a"),
        Data("extra", {"content": blocks[0]}),
        Token("b6"),
    ]
    odd: list[Any] = [6, {"x": 1}, {"type": "reasoning.text", "text": {"x": 1}}]
    numbers = [{"type": "reasoning.text", "text": 6}, {"type": "reasoning.text", "summary": "a"}]
    told = events(delta(reasoning_details=[*odd, *numbers]))[:-1]
    assert told[:3] == [Data("extra", {"reasoning_details": one}) for one in odd]
    assert told[3:] == [Reasoning("6"), Reasoning("a")]
    assert events(delta(thinking_blocks=["a", {"thinking": "b"}]))[:-1] == [
        Data("extra", {"thinking_blocks": "a"}),
        Reasoning("b"),
    ]


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
        None,
        {"text": "."},
        {"odd": 1},
    ]
    found = events(delta(content=blocks), delta(content={"type": "text", "text": "?"}))
    assert found[:-1] == [
        Reasoning("Hm"),
        Reasoning("So"),
        Token("Hi"),
        Data("reference", blocks[5]),
        Token("!"),
        Token("3"),
        Token("."),
        Data("content", {"odd": 1}),
        Token("?"),
    ]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_under_its_names(name: str) -> None:
    assert events(delta(**{name: "Hm", "content": None}))[0] == Reasoning("Hm")


def test_q25_openrouter_sends_the_reasoning_twice() -> None:
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
        Data("extra", {"reasoning_details": "odd"}),
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
        '{"choices":[]}{"choices":[{"delta":{"content":"a"}}]}',
    ],
)
def test_liberal_in_what_it_takes(payload: str) -> None:
    found = events(payload)[:-1]
    assert found in ([], [Token("a")], [Unknown()])


def test_q40_half_a_surrogate_is_kept() -> None:
    assert events('{"choices":[{"delta":{"content":"\\ud83d"}}]}')[0] == Token("\ud83d")


def test_q40_bad_utf8_in_the_text() -> None:
    raw = b'data: {"choices":[{"delta":{"content":"a\xff"}}]}\n\n'
    assert read([raw], "openai-chat").events[0] == Token("a\ufffd")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("7", "expected an object, found `7`"),
        ('{"choices":', "Expecting value"),
        ("no json", "Expecting value"),
        ("Sorry", "it is no JSON"),
        ("[" * 100_000, "it is nested too deeply"),
    ],
    ids=["type", "cut", "word", "text", "deep"],
)
def test_a_chunk_that_cannot_be_read_is_told_and_survived(payload: str, reason: str) -> None:
    found = events(payload, delta(content="a"), stop())
    assert isinstance(found[0], Error)
    assert (found[0].kind, found[0].fatal) == ("malformed", False)
    assert reason in found[0].message
    assert "it begins with: " + payload[:10] in found[0].message
    assert found[1:-1] == [Token("a"), Finished(0, "stop", "stop")]
    assert isinstance(found[-1], Error)  # a piece may have been in it: never Done
    assert (found[-1].kind, found[-1].fatal) == ("malformed", True)


def test_q31_named_events() -> None:
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


def test_q27_parallel_calls_that_all_have_index_0() -> None:
    """Ollama: another id in the slot begins another call."""
    first, second = fragment(0, "a", "f", "{}"), fragment(0, "b", "f", "[]")
    assert calls([first], [second]) == [("a", "f", "{}", True), ("b", "f", "[]", True)]
    assert calls([first, second]) == [("a", "f", "{}", True), ("b", "f", "[]", True)]


def test_q27_parallel_calls_without_ids() -> None:
    first, second = fragment(0, None, "f", "{}"), fragment(0, None, "g", "[]")
    assert calls([first], [second]) == [(None, "f", "{}", True), (None, "g", "[]", True)]


def test_q27_repeated_ids_and_names_and_empty_names() -> None:
    """GLM at Mistral repeats the id and sends an empty name with every fragment."""
    assert calls(
        [fragment(0, "a", "f", "{")], [fragment(0, "a", "", "")], [fragment(0, "a", "f", "}")]
    ) == [("a", "f", "{}", True)]


def test_q27_calls_without_an_index() -> None:
    """Gemini's compatible endpoint: a new id or a name begins a call, bare arguments go on."""
    assert calls(
        [fragment(None, "a", "f", "{")],
        [fragment(arguments="}")],
        [fragment(None, "b", "g", "[")],
        [fragment(arguments="]")],
        [fragment(None, "a", None, " ")],
        [fragment(None, None, "h", "7")],
    ) == [("a", "f", "{} ", True), ("b", "g", "[]", True), (None, "h", "7", True)]


def test_q27_siblings_without_an_index_are_told_apart_by_place() -> None:
    assert calls(
        [fragment(None, "a", "f"), fragment(None, "b", "g")],
        [fragment(arguments="{}"), fragment(arguments="[]")],
    ) == [("a", "f", "{}", True), ("b", "g", "[]", True)]


def test_q27_arguments_before_the_name() -> None:
    """SGLang; and a fragment that has nothing at all begins no call: vLLM sends such."""
    assert calls([fragment(0, None, None, "{")], [fragment(0, "a", "f", "}")]) == [
        ("a", "f", "{}", True)
    ]
    assert calls([fragment(arguments="{}")], [{"index": 5}]) == [(None, None, "{}", True)]


def test_q27_a_fragment_that_says_nothing_is_no_event() -> None:
    """Cloudflare closes calls with id, name and arguments all null."""
    null = {"index": 0, "id": None, "function": {"name": None, "arguments": None}}
    found = events(delta(tool_calls=[fragment(0, "a", "f", "{}")]), delta(tool_calls=[null]))
    assert [event for event in found if isinstance(event, ToolCall)] == [
        ToolCall("0:0", 0, "a", "f", "{}")
    ]


def test_q28_arguments_as_an_object() -> None:
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


@pytest.mark.parametrize("size", [1, 3, 300])
def test_a_call_in_many_pieces(size: int) -> None:
    """However many and however long: looked at together, told one by one."""
    text = json.dumps({"city": "Zürich", "n": ["{", "[", '"'] * 60, "x": {"y": " " * 300}})
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    begins = [fragment(0, "a", "f")]
    said = [[fragment(0, arguments=piece)] for piece in pieces]
    assert calls(begins, *said) == [("a", "f", text, True)]
    assert calls(begins, *said[:-1])[0][3] is False
    assert calls(begins, *said, [fragment(0, "a", "f", text)]) == [("a", "f", text, True)]
    both = [[fragment(1, "b", "g")], *said[:9], [fragment(1, arguments="{}")], *said[9:]]
    assert calls(begins, *both) == [("a", "f", text, True), ("b", "g", "{}", True)]
    found = events(*(delta(tool_calls=one) for one in [begins, *said]))
    assert [event.arguments for event in found if isinstance(event, ToolCall)] == ["", *pieces]


def test_calls_of_two_choices_have_their_own_keys() -> None:
    found = events(
        delta(0, tool_calls=[fragment(0, "a", "f")]), delta(1, tool_calls=[fragment(0, "b", "f")])
    )
    assert [event.key for event in found if isinstance(event, ToolCall)] == ["0:0", "1:0"]


def test_more_choices_and_calls_than_any_service_has() -> None:
    """A hostile server grows nothing without bound."""
    many = [{"index": index, "delta": {"content": "a"}} for index in range(1025)]
    found = events(chunk(*many))
    assert sum(isinstance(event, Token) for event in found) == 1024
    assert "more than 1024 choices" in found[-2].message  # type: ignore[attr-defined]
    calls_of_one = [fragment(index, f"c{index}", "f") for index in range(1025)]
    found = events(delta(tool_calls=calls_of_one))
    assert sum(isinstance(event, ToolCall) for event in found) == 1024
    assert "more than 1024 tool calls" in found[-2].message  # type: ignore[attr-defined]


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
        ({"cached_tokens": 0}, Usage(cache_read_tokens=0)),
        (
            {"cache_read_input_tokens": 4, "cache_creation_input_tokens": 5},
            Usage(None, None, None, None, 4, 5),
        ),
        ({"input_tokens": 1, "output_tokens": 2}, Usage(1, 2)),
        (
            {
                "input_tokens_details": {"cached_tokens": 4, "cache_creation_tokens": 5},
                "output_tokens_details": {"reasoning_tokens": 6},
            },
            Usage(None, None, None, 6, 4, 5),
        ),
    ],
)
def test_usage_in_its_shapes(wire_usage: dict[str, Any], usage: Usage) -> None:
    assert events(chunk(usage=wire_usage))[0] == usage


@pytest.mark.parametrize("usage", [{}, [], "", {"prompt_tokens_details": None}, {"cost": 1}])
def test_usage_that_counts_nothing_is_none(usage: Any) -> None:
    assert events(chunk(usage=usage, id="c", object="o"))[:-1] == [Started("c")]


def test_q26_usage_runs_then_is_final() -> None:
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


def test_q26_counts_of_zero_in_every_chunk() -> None:
    """MiniMax: the last counts replace them."""
    nothing = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    counted = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    found = complete(
        chunk({"index": 0, "delta": {"content": "a"}}, usage=nothing),
        chunk({"index": 0, "delta": {"content": "b"}}, usage=nothing),
        stop(),
        chunk(usage=counted),
    )
    assert found.usage == Usage(1, 2, 3, final=True)


def test_q26_usage_where_groq_and_moonshot_put_it() -> None:
    assert events(chunk(x_groq={"usage": {"prompt_tokens": 1}}))[0] == Usage(1)
    assert events(chunk({"index": 0, "usage": {"prompt_tokens": 1}}))[0] == Usage(1)


# --- the mirror ---


@pytest.mark.parametrize(
    "said",
    [
        [Started(None, None), Token("a")],
        [Reasoning("Hm", signature="sig")],
        [Data("audio", {"data": "x"})],
        [Data("images", [1])],
        [Data("logprobs", {"content": [1]})],
        [Data("citations", ["u"])],
        [Usage(1, 2, 3, 4, 5, 6)],
        [Refusal("No"), Heartbeat("hi"), Token("a", 1)],
        [ToolCall("0:0", 0, "a", "f", "{}"), ToolCall("0:0", 0, arguments=" ")],
        [Error("vendor", "no", "c", 429, Recovery.RETRY)],
    ],
    ids=repr,
)
def test_round_trips(said: list[Event]) -> None:
    sent = encoded(said, "openai-chat")
    expected = [event for event in said if event != Started()]
    assert read([sent], "openai-chat", eof=False).events == expected


def test_a_reason_in_the_vendors_word_where_it_has_one() -> None:
    for finished, word in [
        (Finished(0, "stop", "eos"), "eos"),
        (Finished(0, "stop", "end_turn"), "stop"),
        (Finished(0, "length"), "length"),
        (Finished(0, "other", "brand_new"), "brand_new"),
    ]:
        sent = json.loads(StreamEncoder("openai-chat").send(finished)[6:])
        assert sent["choices"][0]["finish_reason"] == word


@pytest.mark.parametrize(
    "event", [Data("odd", 1), ToolCall("0", name="f", provider_executed=True), Unknown()], ids=repr
)
def test_what_it_cannot_say(event: Event) -> None:
    with pytest.raises(LocalProtocolError, match="openai-chat has no way to say"):
        StreamEncoder("openai-chat").send(event)


def test_done_comes_after_the_finish_of_each_choice() -> None:
    encoder = StreamEncoder("openai-chat")
    with pytest.raises(LocalProtocolError, match=r"open: \[0\]"):
        encoder.send(Done("stop"))
    encoder.send(Token("a"))
    encoder.send(Token("b", 1))
    encoder.send(Finished(0, "stop"))
    with pytest.raises(LocalProtocolError, match=r"open: \[1\]"):
        encoder.send(Done("stop"))


# --- fields ---


def _field_cases() -> list[tuple[type[Struct], str, str]]:
    """Each field of each Struct, with a payload that holds it beside a text."""
    places = {
        ChunkWire: '{%s, "choices": [{"index": 0, "delta": {"content": "b"}}]}',
        ChoiceWire: '{"id": "c", "choices": [{"index": 0, "delta": {"content": "b"}, %s}]}',
        DeltaWire: '{"id": "c", "choices": [{"index": 0, "delta": {"content": "b", %s}}]}',
        ToolCallWire: '{"id": "c", "choices": [{"delta": {"content": "b", "tool_calls": [{%s}]}}]}',
        GroqWire: '{"id": "c", "choices": [{"delta": {"content": "b"}}], "x_groq": {%s}}',
        UsageWire: '{"id": "c", "choices": [{"delta": {"content": "b"}}], "usage": {%s}}',
        DetailsWire: '{"id": "c", "choices": [{"delta": {"content": "b"}}], "usage":'
        ' {"prompt_tokens_details": {%s}, "completion_tokens_details": {%s}}}',
    }
    places |= {
        AccentChunkWire: places[ChunkWire],
        AccentChoiceWire: places[ChoiceWire],
        AccentDeltaWire: places[DeltaWire],
        AccentToolCallWire: places[ToolCallWire],
    }
    return [
        (kind, field, payload)
        for kind, payload in places.items()
        for field in kind.__struct_fields__
    ]


_SAMPLES = {
    "id": '"c9"',
    "index": "0",
    "content": '"b"',
    "delta": '{"content": "b"}',
    "message": '{"content": "b"}',
    "choices": '[{"index": 0, "delta": {"content": "b"}}]',
    "tool_calls": '[{"function": {"name": "f"}}]',
    "function": '{"name": "f"}',
    "custom": '{"name": "f"}',
    "function_call": '{"name": "f"}',
    "reasoning_details": '[{"text": "Hm"}]',
    "thinking_blocks": '[{"thinking": "Hm"}]',
    "error": '{"message": "no"}',
    "base_resp": '{"status_code": 7, "status_msg": "no"}',
    "usage": '{"prompt_tokens": 1}',
    "x_groq": '{"error": "no"}',
    "prompt_tokens_details": '{"cached_tokens": 1}',
    "input_tokens_details": '{"cached_tokens": 1}',
    "completion_tokens_details": '{"reasoning_tokens": 1}',
    "output_tokens_details": '{"reasoning_tokens": 1}',
}
_OF_THE_TEXT = {  # what these say is in the token or in its place, or is said once
    *((ChunkWire, "id"), (ChunkWire, "model"), (ChunkWire, "choices"), (ChoiceWire, "index")),
    *((ChoiceWire, "delta"), (DeltaWire, "content"), (ToolCallWire, "index")),
    (ChoiceWire, "text"),  # beside a delta the same text again
    (AccentChoiceWire, "message"),  # likewise
}


def _is_silent(kind: type[Struct], field: str) -> bool:
    reasons = [_SILENT.get(base, {}).get(field) for base in kind.__mro__]
    return any(reasons) or any((base, field) in _OF_THE_TEXT for base in kind.__mro__)


_SILENT = {**SILENT, **ACCENTS_SILENT}


def test_each_field_is_told_or_silent_for_a_reason() -> None:
    """After one chunk, and after many, when shortcuts read the text."""
    plain = '{"id": "c", "choices": [{"index": 0, "delta": {"content": "b"}}]}'
    for kind, field, payload in _field_cases():
        said = f'"{field}": {_SAMPLES.get(field, "1")}'
        odd = payload.replace("%s", said)
        for before in (1, 8):
            silent = events(*[plain] * (before + 1), stop(), "[DONE]")
            found = events(*[plain] * before, odd, stop(), "[DONE]")
            assert Token("b") in found[before:] or isinstance(found[-1], Error), (kind, field)
            assert (found == silent) == _is_silent(kind, field), (kind, field)


def test_silent_fields_exist() -> None:
    for kind, reasons in _SILENT.items():
        assert set(reasons) <= set(kind.__struct_fields__)
        assert all(reasons.values())


def test_a_field_that_nobody_knows_is_told_once_in_a_row() -> None:
    def odd(mood: Any) -> str:
        return chunk({"index": 0, "delta": {"content": "a", "mood": mood}}, id="c", x=1)

    found = events(odd("calm"), odd("calm"), odd("wild"), odd(None), delta(content="b"))
    told = {"choices[0].delta.mood": "calm", "x": 1}
    assert found[:-1] == [
        Started("c"),
        Token("a"),
        Data("extra", told),
        Token("a"),
        Token("a"),
        Data("extra", {"choices[0].delta.mood": "wild"}),
        Token("a"),
        Token("b"),
    ]


def test_the_thinking_of_single_services() -> None:
    blocks = [
        {"type": "thinking", "thinking": "Hm", "signature": "s1"},
        {"type": "redacted_thinking", "data": "x"},
    ]
    google = {"google": {"thought_signature": "s2"}}
    assert events(delta(reasoning_text="Hm", reasoning_opaque="s3"))[:-1] == [
        Reasoning("Hm"),
        Reasoning("", signature="s3"),
    ]
    assert events(delta(thinking_blocks=blocks))[:-1] == [
        Reasoning("Hm", signature="s1"),
        Data("encrypted_reasoning", blocks[1]),
    ]
    assert events(delta(thinking_blocks=blocks[:1], reasoning_content="Hm"))[:-1] == [
        Reasoning("", signature="s1"),
        Reasoning("Hm"),
    ]
    assert events(delta(extra_content=google))[:-1] == [Reasoning("", signature="s2")]
    other = {"google": {"thought": True}}
    assert events(delta(extra_content=other))[:-1] == [Data("extra_content", other)]


def test_details_of_a_kind_that_is_no_thought() -> None:
    called = {"type": "reasoning.server_tool_call", "tool_name": "search", "result": "R"}
    assert events(delta(reasoning_details=[called]))[:-1] == [Data(called["type"], called)]


def test_reasoning_in_another_form() -> None:
    assert events(delta(reasoning={"content": "x"}))[:-1] == [Reasoning("x")]
    assert events(delta(reasoning={"mood": "x"}))[:-1] == [Data("reasoning", {"mood": "x"})]


def test_an_error_of_one_choice() -> None:
    wrong = {"code": 502, "message": "idle"}
    choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error", "error": wrong}
    found = events(delta(content="a"), chunk(choice), "[DONE]")
    assert found == [
        Token("a"),
        Finished(0, "error", "error"),
        Error("vendor", "idle", "502", 502, Recovery.RETRY),
    ]


def test_custom_tools() -> None:
    def piece(**fields: Any) -> dict[str, Any]:
        return {"index": 0, "custom": fields}

    begins = {"id": "a", "type": "custom", **piece(name="shell", input="")}
    assert calls([begins], [piece(input="echo {")], [piece(input="echo {")]) == [
        ("a", "shell", "echo {echo {", True)
    ]
    assert calls([{**fragment(0, "a", "f", "{}"), "custom": {}}]) == [("a", "f", "{}", True)]


@pytest.mark.parametrize("text", ["[ERROR] too busy", "error: too busy", " Error too busy\n"])
def test_an_error_that_is_a_text(text: str) -> None:
    error = only_error(delta(content="a"), text, "[DONE]")
    assert (error.kind, error.message) == ("vendor", "too busy")
    assert only_error("[ERROR]").message == "[ERROR]"


@pytest.mark.parametrize("dialect", ["openai-chat", "cohere-v2"])
@pytest.mark.parametrize("text", [": OPENROUTER PROCESSING", "ping", '"PING"', " keep-alive "])
def test_a_sign_of_life_where_a_payload_should_be(text: str, dialect: str) -> None:
    """Gateways write comments into the data: nothing of the answer is lost with it."""
    assert events(text, dialect=dialect)[0] == Heartbeat(text.strip())
    assert events(text, delta(content="a"), text, stop(), "[DONE]")[-1] == Done("stop")


@pytest.mark.parametrize("text", ["errors are human", "no error", "terror: none"])
def test_a_text_that_is_no_error(text: str) -> None:
    assert events(text)[0].kind == "malformed"  # type: ignore[attr-defined]


def test_an_answer_that_is_a_document() -> None:
    """Some gateways send it under text/event-stream, whole."""
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": "OK", "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    whole = chunk(choice, id="c", usage={"prompt_tokens": 1})
    assert events(whole, "[DONE]") == [
        Started("c"),
        Token("OK"),
        ToolCall("0:0", 0, "a", "f", "{}"),
        ToolCall("0:0", complete=True),
        Finished(0, "tool_calls", "tool_calls"),
        Usage(1, final=True),
        Done("tool_calls"),
    ]


# --- bounds ---


def test_what_is_repeated_is_not_kept() -> None:
    decoder = Decoder()
    for kind in CHUNK_STATES:
        value = ["x" * 10_000]
        for _ in range(2):
            decoder.receive_frame(Frame(chunk(id="c", **{kind: value}).encode()))
    states = decoder._states
    assert states is not None
    assert len(states._last) == len(CHUNK_STATES)
    assert all(isinstance(kept, int) for kept in states._last.values())


@pytest.mark.parametrize("field", ["content", "reasoning", "reasoning_content"])
def test_texts_in_texts(field: str) -> None:
    """As deep as a JSON decoder goes; what is deeper still cannot be read."""
    for depth in (1, 100, 240, 490, 600, 5000):
        value = '[{"text":' * depth + '"a"' + "}]" * depth
        body = f'{{"choices":[{{"delta":{{"{field}":{value}}}}}]}}'
        [event, *_] = events(body)
        assert getattr(event, "text", "a") == "a"
        assert depth > 240 or not isinstance(event, Error)
    signed: Any = {"type": "thinking", "summary": {"signature": "s"}}
    for _ in range(100):
        signed = {"type": "thinking", "summary": [signed]}
    assert events(delta(content=[signed]))[0] == Reasoning("", signature="s")
