"""gemini-sse and gemini-array: chunks of ``streamGenerateContent`` in either framing."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.answers import comments, counts, cut, texts, words
from tests.cuts import in_every_cut, in_pieces, read_response
from tests.reading import read

from tokenwire import (
    Data,
    Dialect,
    Done,
    Error,
    Event,
    Finished,
    Frame,
    Heartbeat,
    LocalProtocolError,
    Reasoning,
    Recovery,
    Refusal,
    Started,
    StreamEncoder,
    StreamParser,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.dialects.google import gemini_calls
from tokenwire.dialects.google.gemini import GEMINI_ARRAY, GEMINI_SSE, Decoder
from tokenwire.dialects.google.gemini_arguments import MAX_STEPS, PatchedArguments
from tokenwire.dialects.google.gemini_wire import (
    DATA_IN_CANDIDATE,
    DATA_IN_PART,
    FINISH_REASONS,
    CandidateWire,
    PartWire,
)


def decode(*chunks: Any, eof: bool = True) -> list[Event]:
    """What the decoder alone makes of these chunks: JSON values, or bytes as they are."""
    decoder = Decoder()
    events: list[Event] = []
    for chunk in chunks:
        data = chunk if isinstance(chunk, bytes) else json.dumps(chunk).encode()
        events.extend(decoder.receive_frame(Frame(data)))
    return [*events, *(decoder.receive_eof() if eof else ())]


def part(*parts: dict[str, Any], **candidate: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": parts, "role": "model"}, **candidate}]}


def call(**said: Any) -> dict[str, Any]:
    return part({"functionCall": said})


def finish(reason: Any, **candidate: Any) -> dict[str, Any]:
    return {"candidates": [{"finishReason": reason, **candidate}]}


STOPPED = [Finished(0, "stop", "STOP"), Done("stop")]
CALLED = [Finished(0, "tool_calls", "STOP"), Done("tool_calls")]

# --- text, thinking, counts and the end ---

CHUNKS = [
    {
        **part({"text": "Hm", "thought": True}, index=0),
        "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3, "thoughtsTokenCount": 1},
        "modelVersion": "g",
        "responseId": "r1",
    },
    {**part({"text": "Hi \u2028🗼"}), "usageMetadata": {"trafficType": "ON_DEMAND"}},
    {
        **part({"text": "", "thoughtSignature": "sig"}, finishReason="STOP"),
        "usageMetadata": {
            "promptTokenCount": 3,
            "candidatesTokenCount": 2,
            "totalTokenCount": 6,
            "thoughtsTokenCount": 1,
            "cachedContentTokenCount": 2,
        },
        "modelVersion": "g",
        "responseId": "r1",
    },
]
SAID = [
    Started("r1", "g"),
    Reasoning("Hm"),
    Usage(3, None, 3, 1),
    Token("Hi \u2028🗼"),
    Reasoning("", signature="sig"),
    Usage(3, 2, 6, 1, 2, final=True),
    *STOPPED,
]


def _sse(*chunks: Any) -> bytes:
    return b"".join(
        b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\r\n\r\n" for chunk in chunks
    )


def test_q02_an_event_stream_with_crlf() -> None:
    outcome = in_every_cut(lambda chunks: read(chunks, GEMINI_SSE), _sse(*CHUNKS))
    assert outcome.events == SAID


@pytest.mark.parametrize("indent", [None, 2])
def test_array(indent: int | None) -> None:
    wire = json.dumps(CHUNKS, indent=indent, ensure_ascii=False).encode()
    outcome = in_every_cut(
        lambda chunks: read(chunks, GEMINI_ARRAY), wire, lambda wire: [in_pieces(wire, 1)]
    )
    assert outcome.events == SAID


# --- older models write STOP from the start ---

EACH_STOPS = [part({"text": text}, finishReason="STOP") for text in "abc"]
SAID_EACH = [Token("a"), Token("b"), Token("c")]


def _count(chunk: dict[str, Any], tokens: int) -> dict[str, Any]:
    return {**chunk, "usageMetadata": {"candidatesTokenCount": tokens}}


def test_q14_nothing_is_believed_before_the_end() -> None:
    assert decode(*EACH_STOPS, eof=False) == SAID_EACH


def test_q14_a_clean_end_is_believed() -> None:
    """A body that was cut cleanly after a chunk reads just like this one: nothing tells."""
    assert read([_sse(*EACH_STOPS)], GEMINI_SSE).events == [*SAID_EACH, *STOPPED]
    assert decode(EACH_STOPS[0]) == [Token("a"), *STOPPED]


@pytest.mark.parametrize(("chunks", "whole"), [(1, True), (3, False)])
def test_q14_a_broken_connection_proves_nothing(chunks: int, *, whole: bool) -> None:
    parser = StreamParser(GEMINI_SSE)
    parser.receive_data(_sse(*EACH_STOPS[:chunks]))
    parser.connection_lost("reset by peer")
    finished, last = list(parser.events())[-2:]
    assert isinstance(last, Done) == whole
    assert finished == Finished(0, "stop" if whole else "other", "STOP")


def test_q14_more_without_a_finish_was_cut() -> None:
    *said, error = read([_sse(*EACH_STOPS, part({"text": "d"}))], GEMINI_SSE).events
    assert said == [*SAID_EACH, Token("d"), Finished(0, "other", "STOP")]
    assert isinstance(error, Error)
    assert (error.kind, error.recovery) == ("truncated", Recovery.RESUME)


def test_q14_another_word_at_the_end() -> None:
    cut_short = [Finished(0, "length", "MAX_TOKENS"), Done("length")]
    assert decode(*EACH_STOPS, finish("MAX_TOKENS")) == [*SAID_EACH, *cut_short]


def test_q14_counts_only_at_the_end() -> None:
    """Vertex counts the answer of an older model in its last chunk, as one of its own or not."""
    last = Usage(None, 3, final=True)
    *chunks, end = EACH_STOPS
    assert decode(*chunks, _count(end, 3)) == [*SAID_EACH, last, *STOPPED]
    assert decode(*EACH_STOPS, _count({}, 3)) == [*SAID_EACH, last, *STOPPED]


def test_q14_counts_in_every_chunk() -> None:
    decoder = GEMINI_SSE.decoder()
    assert isinstance(decoder, Decoder)
    for at, chunk in enumerate(EACH_STOPS):
        decoder.receive_frame(Frame(json.dumps(_count(chunk, at)).encode()))
    assert decoder.receive_loss() == [Finished(0, "other", "STOP")]


@pytest.mark.parametrize(
    "more",
    [
        part({"text": "", "thoughtSignature": "s"}, finishReason="STOP"),
        part(finishReason="STOP"),
        part(groundingMetadata={"a": 1}),
        finish("STOP"),
        call(),
    ],
)
def test_q14_what_refutes_no_end(more: dict[str, Any]) -> None:
    assert decode(EACH_STOPS[0], more)[-2:] == STOPPED


def test_q14_a_gateway_ends_it() -> None:
    """The sentinel proves nothing by itself, but here it says that the last STOP is the last."""
    assert decode(*EACH_STOPS, b"[DONE]") == [*SAID_EACH, Unknown(), *STOPPED]
    assert decode(part({"text": "a"}), b"[DONE]") == [Token("a"), Unknown()]


def test_q14_an_array_is_closed() -> None:
    wire = json.dumps(EACH_STOPS).encode()
    assert read([wire], GEMINI_ARRAY).events == [*SAID_EACH, *STOPPED]


@pytest.mark.parametrize("chunks", [CHUNKS, EACH_STOPS], ids=["once", "in-every-chunk"])
def test_an_array_that_is_not_closed_was_cut(chunks: list[Any]) -> None:
    wire = json.dumps(chunks).encode()
    for end in range(len(wire)):
        last = read([wire[:end]] if end else [], GEMINI_ARRAY).events[-1]
        assert isinstance(last, Error)
        assert last.kind == "truncated"


def test_a_closed_array_without_a_finish_was_cut() -> None:
    both = {"candidates": [{"index": 1}, {"index": 0, "finishReason": "STOP"}]}
    finished, error = in_every_cut(
        lambda chunks: read(chunks, GEMINI_ARRAY), json.dumps([both]).encode()
    ).events
    assert finished == Finished(0, "stop", "STOP")
    assert isinstance(error, Error)
    assert error.kind == "truncated"
    assert decode(b"]")[0].__class__ is Error  # in an event stream it is nothing


def test_the_last_finish_counts() -> None:
    last = decode(finish("STOP"), finish("MAX_TOKENS"), finish("FINISH_REASON_UNSPECIFIED"))
    assert last == [Finished(0, "length", "MAX_TOKENS"), Done("length")]


@pytest.mark.parametrize(("raw", "reason"), sorted(FINISH_REASONS.items()))
def test_finish_reasons(raw: str, reason: str) -> None:
    finished, last = decode(finish(raw))
    assert finished == Finished(0, FINISH_REASONS[raw], raw)
    if reason == "error":
        said = f"the service ended the answer with {raw!r}"
        assert last == Error("vendor", said, raw, recovery=Recovery.RETRY)
    else:
        assert last == Done(FINISH_REASONS[raw])


@pytest.mark.parametrize("raw", ["OTHER", "NO_IMAGE", "PUP_LIMITED_DISABLED", "BRAND_NEW"])
def test_other_finish_reasons(raw: str) -> None:
    assert decode(finish(raw)) == [Finished(0, "other", raw), Done("other")]


def test_finish_reasons_as_numbers() -> None:
    assert decode(finish(0), finish(1)) == [Finished(0, "stop", "1"), Done("stop")]
    assert decode(finish(6)) == [Finished(0, "other", "6"), Done("other")]
    assert decode(finish(0)) == []


def test_what_the_vendor_says_of_a_failure() -> None:
    *_, last = decode(finish("MALFORMED_FUNCTION_CALL", finishMessage="no such tool"))
    assert last == Error(
        "vendor", "no such tool", "MALFORMED_FUNCTION_CALL", recovery=Recovery.RETRY
    )


def test_candidates_each_have_their_end() -> None:
    both = {
        "candidates": [
            {"index": 1, "content": {"parts": [{"text": "b"}]}},
            {"index": 0, "content": {"parts": [{"text": "a"}]}, "finishReason": "MAX_TOKENS"},
        ]
    }
    said = [Token("b", 1), Token("a"), Finished(0, "length", "MAX_TOKENS")]
    assert decode(both) == said

    whole = decode(both, finish("STOP", index=1))
    assert whole == [*said, Finished(1, "stop", "STOP"), Done("length")]


@pytest.mark.parametrize("dialect", [GEMINI_SSE, GEMINI_ARRAY], ids=lambda dialect: dialect.name)
def test_cut(dialect: Any) -> None:
    chunk = part({"text": "a"})
    wire = _sse(chunk) if dialect is GEMINI_SSE else json.dumps([chunk]).encode()
    token, error = read([wire], dialect).events
    assert token == Token("a")
    assert isinstance(error, Error)
    assert (error.kind, error.recovery) == ("truncated", Recovery.RESUME)
    assert "a finishReason for every candidate" in error.message


def test_a_blocked_prompt() -> None:
    feedback = {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "no"}
    usage = {"usageMetadata": {"promptTokenCount": 4}}
    assert decode({"promptFeedback": feedback, **usage}, {"promptFeedback": feedback}) == [
        Data("promptFeedback", feedback),
        Usage(4, final=True),
        Finished(0, "content_filter", "PROHIBITED_CONTENT"),
        Done("content_filter"),
    ]


def test_a_block_ends_what_runs() -> None:
    feedback = {"promptFeedback": {"blockReason": "OTHER"}}
    assert decode(part({"text": "a"}), finish("STOP", index=1), feedback) == [
        Token("a"),
        Data("promptFeedback", {"blockReason": "OTHER"}),
        Finished(0, "content_filter", "OTHER"),
        Finished(1, "stop", "STOP"),
        Done("content_filter"),
    ]


@pytest.mark.parametrize(
    "feedback",
    [{"safetyRatings": []}, {"blockReason": "BLOCK_REASON_UNSPECIFIED"}, {"blockReason": []}, [1]],
)
def test_feedback_that_blocks_nothing(feedback: Any) -> None:
    assert decode({"promptFeedback": feedback}) == [Data("promptFeedback", feedback)]


def test_data() -> None:
    parts: list[dict[str, Any]] = [
        {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
        {"fileData": {"fileUri": "u"}},
        {"executableCode": {"code": "1"}, "thoughtSignature": "s"},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK"}},
        {"toolCall": {"id": "t"}},
        {"toolResponse": {"id": "t"}},
        {"functionResponse": {"name": "f"}},
        {"inlineData": {"data": "BB=="}, "thought": True},
    ]
    grounding = {"groundingMetadata": {"webSearchQueries": ["q"]}, "citationMetadata": {}}
    rest = {
        "urlContextMetadata": {"u": 1},
        "safetyRatings": [{"category": "c"}],
        "continuationToken": "more",
    }
    assert decode(part(*parts, **grounding), part(**grounding, **rest), eof=False) == [
        Data("inlineData", {"mimeType": "image/png", "data": "AA=="}),
        Data("fileData", {"fileUri": "u"}),
        Data("executableCode", {"code": "1"}),
        Reasoning("", signature="s"),
        Data("codeExecutionResult", {"outcome": "OUTCOME_OK"}),
        Data("toolCall", {"id": "t"}),
        Data("toolResponse", {"id": "t"}),
        Data("functionResponse", {"name": "f"}),
        Data("inlineData", {"data": "BB=="}),
        Data("groundingMetadata", {"webSearchQueries": ["q"]}),
        Data("urlContextMetadata", {"u": 1}),
        Data("safetyRatings", [{"category": "c"}]),
        Data("continuationToken", "more"),
    ]


def test_signatures() -> None:
    chunk = part(
        {"text": "Hm", "thought": True, "thoughtSignature": "a"},
        {"text": "Hi", "thoughtSignature": "b"},
        {"functionCall": {"name": "f"}, "thoughtSignature": "c"},
        {"text": "", "thought": True, "thoughtSignature": "d"},
    )
    assert decode(chunk, eof=False) == [
        Reasoning("Hm", signature="a"),
        Token("Hi"),
        Reasoning("", signature="b"),
        ToolCall("0:0", 0, None, "f", "{}", True),
        Reasoning("", signature="c"),
        Reasoning("", signature="d"),
    ]


def test_oddities() -> None:
    head = {"modelVersion": "m"}
    found = decode({"x": 1}, {"candidates": []}, head, head, b" ", b"[DONE]", b"7", eof=False)
    *said, malformed = found
    assert said == [Unknown(), Started(None, "m"), Heartbeat(), Unknown()]
    assert isinstance(malformed, Error)
    assert not malformed.fatal

    odd = {"candidates[0].content.parts[0].functionCall": "f"}
    assert decode(part({"text": 3, "functionCall": "f"})) == [Token("3"), Data("extra", odd)]


def test_q43_several_chunks_glued_together() -> None:
    glued = json.dumps(part({"text": "a"})) + json.dumps(finish("STOP"))
    assert decode(glued.encode()) == [Token("a"), *STOPPED]


def test_q26_counts_are_cumulative() -> None:
    counted = [_count(part({"text": text}), at) for at, text in enumerate("ab", 1)]
    last = _count(finish("STOP"), 2)
    *_, finished, done = events = decode(*counted, last)
    assert [event for event in events if isinstance(event, Usage)] == [
        *(Usage(None, 1), Usage(None, 2), Usage(None, 2, final=True)),
    ]
    assert [finished, done] == STOPPED


def test_too_many_candidates() -> None:
    events = decode({"candidates": [{"index": n, "finishReason": "STOP"} for n in range(1025)]})
    errors = [event for event in events if isinstance(event, Error)]
    assert [error.fatal for error in errors] == [False]
    assert len(events) == 1024 + 2


# --- tool calls ---


def test_q28_arguments_come_as_objects() -> None:
    parts: list[dict[str, Any]] = [
        {"functionCall": {"name": "f", "args": {"a": [1, "é"]}}},
        {"functionCall": {"name": "f"}},
        {"functionCall": {"name": "g", "args": '{"text":1}'}},
        {"functionCall": {}},
    ]
    assert decode(part(*parts), finish("STOP")) == [
        ToolCall("0:0", 0, None, "f", '{"a":[1,"é"]}', True),
        ToolCall("0:1", 0, None, "f", "{}", True),
        ToolCall("0:2", 0, None, "g", '{"text":1}', True),
        *CALLED,
    ]


def test_arguments_that_json_encoders_refuse() -> None:
    chunk = b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":%s}}]}}]}'
    for args, text in (
        (b'{"a":"\\ud83d"}', '{"a": "\\ud83d"}'),
        (b'{"a":NaN}', '{"a":null}'),
        (b'{"a":' + b"9" * 40 + b"}", '{"a":' + "9" * 40 + "}"),
    ):
        assert decode(chunk % args) == [ToolCall("0:0", 0, None, "f", text, True)]


def _whole(arguments: str) -> ToolCall:
    return ToolCall("0:0", 0, "x", "f", arguments, True)


EMPTY = call(id="x", name="f", args={})
EMPTY_END = ToolCall("0:0", 0, "x", "f", "{}", True)


@pytest.mark.parametrize(
    ("chunks", "told"),
    [
        ([EMPTY], [EMPTY_END]),
        ([EMPTY, EMPTY], [EMPTY_END]),
        ([EMPTY, call(id="x", name="f", args={"a": 1})], [_whole('{"a":1}')]),
        ([EMPTY, call(id="x", args={"a": 1}), call(id="x", args={"a": 1})], [_whole('{"a":1}')]),
        ([EMPTY, part({"text": "a"})], [EMPTY_END, Token("a")]),
        ([EMPTY, part({"text": "a"}, index=1)], [EMPTY_END, Token("a", 1)]),
        ([EMPTY, part({"fileData": {}})], [EMPTY_END, Data("fileData", {})]),
        (
            [EMPTY, call(id="y", name="f", args={"a": 1})],
            [EMPTY_END, ToolCall("0:1", 0, "y", "f", '{"a":1}', True)],
        ),
        (
            [EMPTY, call(id="x", name="g", args={"a": 1})],
            [EMPTY_END, ToolCall("0:1", 0, "x", "g", '{"a":1}', True)],
        ),
    ],
)
def test_a_call_that_comes_again(chunks: list[Any], told: list[Event]) -> None:
    """With its arguments, or as it was: it is one call, by its id."""
    assert decode(*chunks, finish("STOP"))[: len(told) + 1] == [*told, CALLED[0]]
    assert decode(*chunks) == told


def test_the_signature_of_a_call_that_waits() -> None:
    """It is told after the call that it stands beside."""
    signed = part({"functionCall": {"id": "x", "name": "f"}, "thoughtSignature": "s"})
    said = [EMPTY_END, Reasoning("", signature="s"), *CALLED]
    assert decode(signed, finish("STOP")) == said
    assert read([encode(*said, dialect=GEMINI_SSE)], GEMINI_SSE).events == said


def test_an_error_after_a_call_that_waits() -> None:
    assert decode(EMPTY, {"error": {"message": "no"}}) == [EMPTY_END, Error("vendor", "no")]


def test_a_whole_call_that_says_that_it_goes_on() -> None:
    sent = call(name="f", args={"a": 1}, willContinue=True)
    assert decode(sent, call()) == [ToolCall("0:0", 0, None, "f", '{"a":1}', True)]


def test_a_call_told_already_that_comes_again() -> None:
    first = {"id": "x", "name": "f", "args": {"a": 1}}
    more = {**first, "args": {"a": 1, "b": 2}}
    other = {**first, "args": {"a": 2}}
    text = {**first, "args": "[1]"}
    assert decode(*(call(**one) for one in (first, first, more, other, text))) == [
        ToolCall("0:0", 0, "x", "f", '{"a":1}', True),
        Data("functionCall", more),
        ToolCall("0:1", 0, "x", "f", '{"a":2}', True),
        ToolCall("0:2", 0, "x", "f", "[1]", True),
    ]


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["Hello", " you", "Hello you"], ["Hello", " you"]),
        (["Hello", " you", "Hello yo"], ["Hello", " you", "Hello yo"]),
        (["Ha", "Ha"], ["Ha", "Ha"]),
    ],
)
def test_the_whole_text_once_more_beside_the_finish_reason(
    texts: list[str], told: list[str]
) -> None:
    *before, last = texts
    chunks = [part({"text": text}) for text in before]
    sent = [*chunks, part({"text": last}, finishReason="STOP")]
    assert decode(*sent) == [*map(Token, told), *STOPPED]
    stopping = [part({"text": text}, finishReason="STOP") for text in texts]
    assert decode(*stopping)[:-2] == [*map(Token, texts)]  # an older model's
    assert decode(*chunks, part({"text": last})) == [*map(Token, texts)]


def test_the_envelope_of_code_assist() -> None:
    sent = [{"response": chunk, "traceId": "t"} for chunk in CHUNKS]
    outcome = in_every_cut(lambda chunks: read(chunks, GEMINI_SSE), _sse(*sent))
    assert outcome.events == SAID
    assert read([_sse(*sent)], "auto").events == SAID
    assert decode({"response": {"error": {"message": "no"}}}) == [Error("vendor", "no")]
    assert decode({"response": {"response": CHUNKS[0]}})[0] == Unknown()


def test_what_stands_beside_the_content() -> None:
    odds = {"topCandidates": [{"candidates": [{"token": "a"}]}]}
    said = {"logprobsResult": odds, "avgLogprobs": -0.5, "audioTranscription": {"text": "a"}}
    heard = part({"audioTranscription": {"text": "b"}})
    assert decode(heard, finish("STOP", **said), finish("STOP", **said))[:-2] == [
        Data("audioTranscription", {"text": "b"}),
        *(Data(kind, value) for kind, value in said.items()),
    ]


def test_what_nobody_knew_of_is_told_once() -> None:
    chunks = [{**part({"text": text, "mood": "calm"}), "route": 7} for text in "ab"]
    mood = {"candidates[0].content.parts[0].mood": "calm", "route": 7}
    assert decode(*chunks) == [Token("a"), Data("extra", mood), Token("b")]


def patches(*said: dict[str, Any], more: bool = True, **rest: Any) -> dict[str, Any]:
    return call(**rest, partialArgs=said, **({"willContinue": True} if more else {}))


def test_patches() -> None:
    chunks = [
        call(name="f", willContinue=True),
        patches({"jsonPath": "$.city", "stringValue": "New ", "willContinue": True}),
        patches({"jsonPath": "$.city", "stringValue": "Delhi 🗼"}),
        patches(
            {"jsonPath": "$.at[0].x", "numberValue": 1},
            {"jsonPath": "$.at[0]['a.b']", "numberValue": 1.5},
            {"jsonPath": '$.at[2]["c"]', "boolValue": False},
            {"jsonPath": "$.none", "nullValue": None},
            {"jsonPath": "$.later", "willContinue": True},
            {"jsonPath": "$.empty", "stringValue": ""},
        ),
        call(),
        part({"text": "a"}),
        finish("STOP"),
    ]
    text = (
        '{"city":"New Delhi 🗼","at":[{"x":1,"a.b":1.5},null,{"c":false}],"none":null,"empty":""}'
    )
    assert decode(*chunks) == [
        ToolCall("0:0", 0, None, "f"),
        ToolCall("0:0", arguments=text, complete=True),
        Token("a"),
        *CALLED,
    ]


A = {"jsonPath": "$.a", "stringValue": "x"}


@pytest.mark.parametrize(
    "end",
    [
        pytest.param([patches(A, more=False)], id="the last patch says it"),
        pytest.param([patches(A, more=False), call()], id="said twice"),
        pytest.param([patches(A)], id="the finish ends it"),
    ],
)
def test_where_patches_end(end: list[dict[str, Any]]) -> None:
    assert decode(call(name="f", willContinue=True), *end, finish("STOP")) == [
        ToolCall("0:0", 0, None, "f"),
        ToolCall("0:0", arguments='{"a":"x"}', complete=True),
        *CALLED,
    ]


def test_another_call_ends_the_one_before() -> None:
    chunks = [
        patches(A, name="f", id="1"),
        patches(A, name="f", id="1"),
        patches(A, name="g", id="2"),
        call(name="h", args={"b": 1}),
    ]
    assert decode(*chunks) == [
        ToolCall("0:0", 0, "1", "f"),
        ToolCall("0:0", arguments='{"a":"xx"}', complete=True),
        ToolCall("0:1", 0, "2", "g"),
        ToolCall("0:1", arguments='{"a":"x"}', complete=True),
        ToolCall("0:2", 0, None, "h", '{"b":1}', True),
    ]


def test_patches_that_were_cut_are_not_complete() -> None:
    begun = ToolCall("0:0", 0, None, "f")
    assert decode(patches(A, name="f"), finish("MAX_TOKENS")) == [
        begun,
        ToolCall("0:0", arguments='{"a":"x"}'),
        Finished(0, "length", "MAX_TOKENS"),
        Done("length"),
    ]
    assert decode(patches(A, name="f")) == [begun, ToolCall("0:0", arguments='{"a":"x"}')]


@pytest.mark.parametrize(
    "path",
    [
        *("", "$", "a", "$a", "$.a.", "$..a", "$.a[-1]", "$.a[x]", "$[0]", "$.a.b"),
        *("$.l[1024]", "$.l[0].x", "$.l.x", "$" + ".b" * (MAX_STEPS + 1)),
    ],
)
def test_paths_that_cannot_be_followed(path: str) -> None:
    """A call that misses a piece of its arguments is never complete."""
    before: list[dict[str, Any]] = [A, {"jsonPath": "$.l[0]", "numberValue": 1}]
    wrong = {"jsonPath": path, "numberValue": 2}
    begun, malformed, end = decode(patches(*before, wrong, name="f", more=False))
    assert begun == ToolCall("0:0", 0, None, "f")
    assert isinstance(malformed, Error)
    assert (malformed.kind, malformed.fatal) == ("malformed", False)
    assert end == ToolCall("0:0", arguments='{"a":"x","l":[1]}')


def test_patches_of_half_surrogates() -> None:
    arguments = PatchedArguments()
    arguments.put("$.a", "\ud83d")
    arguments.put("$.a", "\uddfc")
    assert json.loads(str(arguments)) == {"a": "🗼"}


def test_patches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gemini_calls, "MAX_PATCHED", 200)
    chunks = [patches({"jsonPath": "$.a", "stringValue": "x" * 50}, name="f") for _ in range(3)]
    error = next(event for event in decode(*chunks) if isinstance(event, Error))
    assert (error.kind, error.fatal) == ("limit", True)


def test_too_many_calls() -> None:
    events = decode(part(*({"functionCall": {"name": "f"}} for _ in range(1025))))
    assert [type(event) for event in events] == [ToolCall] * 1024 + [Error]


# --- errors ---

UNAVAILABLE = {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}


def _stated(event: Event) -> tuple[Any, ...]:
    assert isinstance(event, Error)
    return event.kind, event.message, event.status, event.recovery, event.fatal


@pytest.mark.parametrize(
    ("dialect", "wire"),
    [
        (GEMINI_SSE, _sse(part({"text": "a"}), UNAVAILABLE)),
        (GEMINI_SSE, _sse(part({"text": "a"}), [UNAVAILABLE])),
        (GEMINI_SSE, _sse(part({"text": "a"})) + json.dumps(UNAVAILABLE, indent=2).encode()),
        (GEMINI_SSE, _sse(part({"text": "a"})) + b"event: error\n" + _sse(UNAVAILABLE)),
        (GEMINI_ARRAY, json.dumps([part({"text": "a"}), UNAVAILABLE]).encode()),
    ],
    ids=["data", "array-as-data", "stray", "event-error", "element"],
)
def test_q19_errors_in_all_their_places(dialect: Any, wire: bytes) -> None:
    token, error = in_every_cut(lambda chunks: read(chunks, dialect), wire).events
    assert token == Token("a")
    assert _stated(error) == ("vendor", "busy", 503, Recovery.RETRY, True)


def test_an_error_document_in_place_of_the_array() -> None:
    (error,) = read([json.dumps(UNAVAILABLE, indent=2).encode()], GEMINI_ARRAY).events
    assert _stated(error) == ("vendor", "busy", 503, Recovery.RETRY, True)


@pytest.mark.parametrize(
    ("error", "recovery"),
    [
        *(
            ({"message": "no", "status": status}, Recovery.RETRY)
            for status in ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "INTERNAL", "DEADLINE_EXCEEDED")
        ),
        *(({"message": "no", "code": code}, Recovery.RETRY) for code in (408, 429, 500, 502, 504)),
        ({"message": "no", "code": 400, "status": "INVALID_ARGUMENT"}, Recovery.FATAL),
        ("no", Recovery.FATAL),
    ],
)
def test_what_errors_allow(error: Any, recovery: Recovery) -> None:
    (found,) = decode({"error": error}, eof=False)
    assert isinstance(found, Error)
    assert (found.message, found.recovery) == ("no", recovery)


def test_an_error_with_status_404() -> None:
    wire = b'{\n "error": {\n "code": 404, "message": "no model", "status": "NOT_FOUND"}}'
    headers = {"Content-Type": "application/json"}
    (error,) = read_response([wire], GEMINI_ARRAY, status=404, headers=headers)
    assert _stated(error) == ("http", "no model", 404, Recovery.FATAL, True)


@pytest.mark.parametrize(
    "data", [b'{"error":{"x":"\\ud83d"}}', b'{"error":["\\ud83d"]}', b'{"error":NaN}']
)
def test_errors_that_cannot_be_read_again(data: bytes) -> None:
    (error,) = decode(data, eof=False)
    assert isinstance(error, Error)
    assert error.fatal


# --- the mirror ---


def encode(*events: Event, dialect: Dialect = GEMINI_SSE) -> bytes:
    encoder = StreamEncoder(dialect)
    return b"".join(map(encoder.send, events))


def test_encode() -> None:
    wire = encode(
        Started("r", "m"),
        Token("é"),
        ToolCall("k", 0, "i", "f", '{"a"'),
        ToolCall("k", arguments=":1}"),
        ToolCall("k", complete=True),
        Usage(1, final=True),
        Finished(0, "tool_calls", "tool_use"),
        Done(),
    )
    head = '"responseId":"r","modelVersion":"m"'
    said = '"role":"model"},"index":0}]'
    assert wire.decode() == (
        f"data: {{{head}}}\n\n"
        f'data: {{"candidates":[{{"content":{{"parts":[{{"text":"é"}}],{said},{head}}}\n\n'
        'data: {"candidates":[{"content":{"parts":[{"functionCall":'
        f'{{"id":"i","name":"f","args":{{"a":1}}}}}}],{said},{head}}}\n\n'
        f'data: {{"candidates":[{{"finishReason":"STOP","index":0}}],{head}}}\n\n'
        f'data: {{"usageMetadata":{{"promptTokenCount":1}},{head}}}\n\n'
    )


@pytest.mark.parametrize(
    ("event", "word"),
    [
        (Finished(0, "stop", "STOP"), "STOP"),
        (Finished(0, "tool_calls", "STOP"), "STOP"),
        (Finished(0, "tool_calls"), "STOP"),
        (Finished(0, "length", "max_tokens"), "MAX_TOKENS"),
        (Finished(0, "content_filter", "SPII"), "SPII"),
        (Finished(0, "refusal"), "SAFETY"),
        (Finished(0, "error"), "MALFORMED_RESPONSE"),
        (Finished(0, "other", "BRAND_NEW"), "BRAND_NEW"),
        (Finished(0, "pause", "pause_turn"), "OTHER"),
    ],
)
def test_words(event: Finished, word: str) -> None:
    assert f'"finishReason":"{word}"'.encode() in encode(event)


@pytest.mark.parametrize(
    "event",
    [
        Refusal("no"),
        Data("citation", "x"),
        ToolCall("k", provider_executed=True),
        ToolCall("k", arguments="{", complete=True),
        ToolCall("k", arguments="[]", complete=True),
        Error("malformed", "not fatal", fatal=False),
        Done(),
    ],
)
def test_what_cannot_be_said(event: Event) -> None:
    with pytest.raises(LocalProtocolError):
        encode(event)


def test_done_needs_a_finish_of_each_candidate() -> None:
    encoder = StreamEncoder(GEMINI_SSE)
    encoder.send(Token("a", 1))
    with pytest.raises(LocalProtocolError, match=r"a Finished of each candidate; open: \[1\]"):
        encoder.send(Done())
    encoder.send(Finished(1, "stop"))
    assert encoder.send(Done()) == b""


def test_an_error_is_written_as_google_does() -> None:
    error = Error("vendor", "busy", "UNAVAILABLE", 503)
    assert encode(error) == (
        b'data: {"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}\n\n'
    )


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([Token("a"), *STOPPED], id="nobody-said-who"),
        pytest.param(
            [
                Heartbeat("still here"),
                Reasoning("Hm"),
                Reasoning("Hm", signature="a"),
                Usage(1),
                Token("a"),
                Reasoning("", signature="b"),
                Data("inlineData", {"data": "AA=="}),
                *STOPPED,
            ],
            id="all-that-is-no-call",
        ),
        pytest.param(
            [
                Token("a", 1),
                Data("groundingMetadata", {"a": 1}, 1),
                Data("safetyRatings", [1], 1),
                Finished(1, "stop", "STOP"),
                Done("stop"),
            ],
            id="data-of-a-candidate",
        ),
        pytest.param(
            [
                Data("promptFeedback", {"blockReason": "JAILBREAK"}),
                Usage(1, final=True),
                Finished(0, "content_filter", "JAILBREAK"),
                Done("content_filter"),
            ],
            id="blocked",
        ),
    ],
)
def test_what_comes_back(events: list[Event]) -> None:
    assert read([encode(Started(), *events)], GEMINI_SSE).events == events


def test_encode_an_array() -> None:
    said = [Heartbeat(), Token("é"), Finished(0, "stop", "STOP"), Usage(1, final=True), Done()]
    assert encode(*said, dialect=GEMINI_ARRAY).decode() == (
        '\n[{"candidates":[{"content":{"parts":[{"text":"é"}],"role":"model"},"index":0}]}'
        ',\r\n{"candidates":[{"finishReason":"STOP","index":0}]}'
        ',\r\n{"usageMetadata":{"promptTokenCount":1}}\n]'
    )
    error = Error("vendor", "busy", "UNAVAILABLE", 503)
    wire = encode(error, dialect=GEMINI_ARRAY)
    assert wire == b'[{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}\n]'
    assert _stated(read([wire], GEMINI_ARRAY).events[-1])[:3] == ("vendor", "busy", 503)


# --- laws ---

_values = st.dictionaries(words, st.integers() | texts, min_size=1, max_size=3)


def _no_usage_twice(events: list[Event]) -> bool:
    """Counts that did not change are not told again."""
    said = [event for event in events if isinstance(event, Usage)]
    return all(one != other for one, other in itertools.pairwise(said))


_bodies = st.lists(
    st.one_of(
        st.builds(Heartbeat, comments.map(lambda text: text.removeprefix(" "))),
        st.builds(Token, texts, st.integers(0, 1)),
        st.builds(Reasoning, texts, signature=st.none() | words),
        st.builds(Reasoning, st.just(""), signature=words),
        st.builds(Data, st.just("inlineData"), _values),
        st.builds(Usage, counts, counts, counts, counts, counts),
    ),
    max_size=8,
).filter(_no_usage_twice)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Answers as this wire orders them: final counts, then what each candidate ended with."""
    body: list[Event] = [*draw(_bodies)]
    number = 0
    for arguments in draw(st.lists(_values, max_size=2)):
        text = json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))
        # One with an id, but without arguments, waits for them, and a sign of life does not end
        # that; and ids tell calls apart.
        id = None if text == "{}" else draw(st.none() | words.map(f"{number}{{}}".format))
        body.append(ToolCall(f"0:{number}", 0, id, draw(words), text, True))
        number += 1
    start: list[Event] = [Started(draw(words), draw(words))]
    if draw(st.booleans()):
        return [*start, *body, Error("vendor", draw(texts), draw(words))]
    indices = {getattr(event, "index", 0) for event in body} | {0}
    final = [Usage(draw(counts), final=True)] if draw(st.booleans()) else []
    raw, reason = draw(
        st.sampled_from([("STOP", "stop"), ("SAFETY", "content_filter"), ("NEW", "other")])
    )
    ends: list[Event] = []
    for index in sorted(indices):
        called = raw == "STOP" and number and index == 0
        ends.append(Finished(index, "tool_calls" if called else reason, raw))  # type: ignore[arg-type]
    first = ends[0]
    assert isinstance(first, Finished)
    return [*start, *body, *final, *ends, Done(first.reason)]


def answers_in_an_array() -> st.SearchStrategy[list[Event]]:
    """The same without signs of life: white space is all that an array has for them."""
    return answers().map(
        lambda events: [event for event in events if not isinstance(event, Heartbeat)]
    )


def _in_order(events: list[Event]) -> list[Event]:
    """Candidates end in the order in which they began."""
    finished = [event for event in events if isinstance(event, Finished)]
    rest = [event for event in events if not isinstance(event, Finished)]
    finished.sort(key=lambda event: event.index)
    return [*rest, *finished]


@pytest.mark.parametrize("dialect", [GEMINI_SSE, GEMINI_ARRAY], ids=lambda dialect: dialect.name)
@given(st.data(), st.booleans())
@settings(deadline=None)
def test_round_trip(dialect: Dialect, data: st.DataObject, whole: bool) -> None:
    """Parsing what was encoded gives the same events, however it is cut; also if it broke off."""
    events = data.draw(answers() if dialect is GEMINI_SSE else answers_in_an_array())
    if not whole:
        ends = (Finished, Done, Error)
        events = [event for event in events if not isinstance(event, ends)]
    wire = encode(*events, dialect=dialect)
    if dialect is GEMINI_ARRAY and whole:
        assert isinstance(json.loads(wire), list)
    got = read(data.draw(cut(wire)), dialect).events
    if not whole or isinstance(events[-1], Error):
        last = got.pop()
        assert isinstance(last, Error)
        if whole:
            assert _stated(last)[:2] == _stated(events.pop())[:2]
        else:
            assert last.kind == "truncated"
    if not whole:  # the final counts were waiting for the end
        events = [event for event in events if not (isinstance(event, Usage) and event.final)]
    assert _in_order(got) == _in_order(events)


_NAMES = [
    *("candidates", "content", "parts", "text", "thought", "thoughtSignature", "functionCall"),
    *("name", "args", "id", "partialArgs", "jsonPath", "stringValue", "willContinue", "index"),
    *("finishReason", "usageMetadata", "promptTokenCount", "promptFeedback", "blockReason"),
    *("error", "message", "code", "status", "inlineData", "groundingMetadata", "responseId"),
]
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["STOP", "SAFETY", "$.a", "$.a[0]", "\ud83d", "[DONE]", ""]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4)
    ),
    max_leaves=15,
)
_parts = st.dictionaries(st.sampled_from(_NAMES[3:]), _json, max_size=3)


@given(st.lists(_json | st.lists(_parts, max_size=3).map(lambda said: part(*said)), max_size=6))
@settings(deadline=None)
def test_no_json_makes_it_raise(values: list[Any]) -> None:
    assert all(isinstance(event, Event) for event in decode(*values))


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"candidates":' * 50_000,
        b'{"promptFeedback":' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"candidates":[{"finishReason":' + b"9" * 5_000 + b"}]}",
        b'{"candidates":[{"finishReason":' + b"9" * 4_000 + b"}]}",
        b'{"usageMetadata":{"promptTokenCount":NaN}}',
        b"\xff\xfe\x00",
    ],
    ids=lambda data: repr(data[:24]),
)
def test_hard_json(data: bytes) -> None:
    assert all(isinstance(event, Event) for event in decode(data))


@pytest.mark.parametrize(
    ("kind", "names"), [(PartWire, DATA_IN_PART), (CandidateWire, DATA_IN_CANDIDATE)]
)
def test_what_is_data_is_asked_for_by_each_name(
    kind: type[PartWire | CandidateWire], names: dict[str, str]
) -> None:
    assert not kind().has_data
    for name in kind.__struct_fields__:
        assert kind(**{name: "said"}).has_data is (name in names), name
