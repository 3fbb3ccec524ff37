"""cohere-v2 and cohere-v1: Cohere's two chat APIs, and the generate API beside the older one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import cuts
from tests.answers import arguments, counts, heartbeats, texts, words
from tests.dialects.checks import assert_fields_are_told
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
    Started,
    State,
    StreamEncoder,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.dialects.cohere import v1 as cohere_v1
from tokenwire.dialects.cohere import v2 as cohere_v2
from tokenwire.dialects.cohere.wire import (
    FINISH_REASONS,
    SILENT,
    CountsWire,
    UsageWire,
    is_failure,
)
from tokenwire.dialects.kit.payloads import MAX_INDEX

V1, V2 = "cohere-v1", "cohere-v2"


def sse(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def message(kind: str, index: int = 0, **fields: Any) -> bytes:
    return sse(kind, index=index, delta={"message": fields})


def text(piece: str, index: int = 0) -> bytes:
    return message("content-delta", index, content={"text": piece})


def call(index: int = 0, arguments: str = "", **fields: Any) -> bytes:
    function = {"name": "f", "arguments": arguments}
    return message("tool-call-start", index, tool_calls={"function": function, **fields})


def piece(arguments: str, index: int = 0) -> bytes:
    return message("tool-call-delta", index, tool_calls={"function": {"arguments": arguments}})


def end(reason: str | None = "COMPLETE", **delta: Any) -> bytes:
    return sse("message-end", delta={"finish_reason": reason, **delta})


def v2(*wire: bytes, eof: bool = False) -> list[Event]:
    return read([b"".join(wire)], V2, eof=eof).events


START = sse("message-start", id="m", delta={"message": {"role": "assistant", "content": []}})
USAGE = {
    "billed_units": {"input_tokens": 3, "output_tokens": 4},
    "tokens": {"input_tokens": 9.0, "output_tokens": 5, "reasoning_tokens": 2},
    "cached_tokens": 8,
}
SENTINEL = b"data: [DONE]\n\n"
CITATION = {"start": 0, "end": 2, "text": "Hé", "sources": []}

ANSWER_V2 = b"".join(
    (
        START,
        message("content-start", 0, content={"type": "thinking", "thinking": ""}),
        message("content-delta", 0, content={"thinking": "Hm"}),
        sse("content-end", index=0),
        message("content-start", 1, content={"type": "text", "text": "Hé"}),
        message("citation-start", 0, citations=CITATION),
        sse("citation-end", index=0),
        text(" \u2028!", 1),
        sse("content-end", index=1),
        message("tool-plan-delta", tool_plan="I will"),
        call(0, id="t1"),
        piece('{"a":'),
        piece("1}"),
        sse("tool-call-end", index=0),
        call(1, id="t2"),
        sse("tool-call-end", index=1),
        end("TOOL_CALL", usage=USAGE),
    )
)
SAID_V2: list[Event] = [
    Started("m"),
    Reasoning("Hm"),
    Token("Hé", part=1),
    Data("citation", CITATION),
    Token(" \u2028!", part=1),
    Data("tool_plan", "I will"),
    ToolCall("0", 0, "t1", "f"),
    ToolCall("0", arguments='{"a":'),
    ToolCall("0", arguments="1}"),
    ToolCall("0", complete=True),
    ToolCall("1", 0, "t2", "f"),
    ToolCall("1", complete=True),
    Usage(9, 5, None, 2, 8, None, True),
    Finished(0, "tool_calls", "TOOL_CALL"),
    Done("tool_calls"),
]


def line(kind: str | None = None, **fields: Any) -> bytes:
    typed = {} if kind is None else {"event_type": kind}
    return json.dumps({"is_finished": False, **typed, **fields}).encode() + b"\n"


def say(piece: str) -> bytes:
    return line("text-generation", text=piece)


def chunk(*, index: int | None = 0, plan: str | None = None, **fields: str) -> bytes:
    delta = {"index": index, **fields} if fields else None
    return line("tool-calls-chunk", tool_call_delta=delta, text=plan)


def stream_end(reason: str | None = "COMPLETE", **response: Any) -> bytes:
    return line("stream-end", is_finished=True, finish_reason=reason, response=response)


def v1(*wire: bytes, eof: bool = False) -> list[Event]:
    return read([b"".join(wire)], V1, eof=eof).events


START_V1 = line("stream-start", generation_id="g")
ANSWER_V1 = b"".join(
    (
        START_V1,
        line("search-queries-generation", search_queries=[{"text": "q"}]),
        line("search-results", search_results=[{"id": 1}], documents=[{"id": "d"}]),
        say("Hé"),
        b"\n",
        say(" \u2028!"),
        line("citation-generation", citations=[CITATION, CITATION]),
        stream_end(text="Hé \u2028!", meta=USAGE),
    )
)
SAID_V1: list[Event] = [
    Started("g"),
    Data("search_queries", [{"text": "q"}]),
    Data("search_results", [{"id": 1}]),
    Data("documents", [{"id": "d"}]),
    Token("Hé"),
    Heartbeat(),
    Token(" \u2028!"),
    Data("citation", CITATION),
    Data("citation", CITATION),
    Usage(3, 4, None, None, 8, None, True),
    Finished(0, "stop", "COMPLETE"),
    Done("stop"),
]
answers_of_both = pytest.mark.parametrize(
    ("dialect", "wire", "said"), [(V2, ANSWER_V2, SAID_V2), (V1, ANSWER_V1, SAID_V1)], ids=[V2, V1]
)


@answers_of_both
def test_an_answer_in_every_cut(dialect: str, wire: bytes, said: list[Event]) -> None:
    outcome = cuts.in_every_cut(lambda chunks: read(chunks, dialect), wire)
    assert outcome.events == said
    assert outcome.state is State.CLOSED


@answers_of_both
def test_every_prefix_is_a_truncation(dialect: str, wire: bytes, said: list[Event]) -> None:
    for cut in range(len(wire)):
        events = read([wire[:cut]], dialect).events
        if events == said:  # but for the last line end
            continue
        assert isinstance(events[-1], Error)
        assert events[-1].kind == "truncated"
        assert events[:-1] == said[: len(events) - 1]


# --- version 2 ---


@pytest.mark.parametrize("named", [True, False])
def test_q10_the_type_in_one_place_is_enough(named: bool) -> None:
    document = {"index": 0, "delta": {"message": {"content": {"text": "a"}}}}
    wire = b"event: content-delta\n" if named else b""
    document |= {} if named else {"type": "content-delta"}
    assert v2(wire + b"data: " + json.dumps(document).encode() + b"\n\n") == [Token("a")]


def test_q16_and_q17_the_sentinel_proves_nothing() -> None:
    assert v2(START, text("a"), SENTINEL)[-1] == Error(
        "truncated",
        "the answer was cut off: [DONE] came, but message-end did not",
        recovery=Recovery.RESUME,
    )
    assert v2(end(), SENTINEL) == [Finished(0, "stop", "COMPLETE"), Done("stop")]
    failed = v2(end("ERROR"), SENTINEL)
    assert isinstance(failed[-1], Error)


@pytest.mark.parametrize(
    ("word", "delta", "error"),
    [
        (
            "ERROR",
            {"error": "bad call", "error_type": "INVALID_TOOL_GENERATION"},
            Error("vendor", "bad call", "INVALID_TOOL_GENERATION"),
        ),
        ("ERROR", {"error": "no"}, Error("vendor", "no", "ERROR", recovery=Recovery.RETRY)),
        (
            "ERROR",
            {},
            Error(
                "vendor",
                "the service ended the answer with 'ERROR'",
                "ERROR",
                recovery=Recovery.RETRY,
            ),
        ),
        (
            "TIMEOUT",
            {"error": "late"},
            Error("vendor", "late", "TIMEOUT", recovery=Recovery.RETRY),
        ),
        ("COMPLETE", {"error": "no"}, Error("vendor", "no", "COMPLETE")),
    ],
)
def test_an_answer_that_failed(word: str, delta: dict[str, str], error: Error) -> None:
    finished = Finished(0, FINISH_REASONS[word], word)
    assert v2(text("a"), end(word, **delta)) == [Token("a"), finished, error]


@pytest.mark.parametrize(("word", "reason"), [*FINISH_REASONS.items(), ("NEW", "other")])
def test_finish_reasons(word: str, reason: str) -> None:
    for events in (v2(end(word)), v1(stream_end(word))):
        assert events[-2] == Finished(0, reason, word)  # type: ignore[arg-type]
        assert isinstance(events[-1], Error if is_failure(word) else Done)


def test_an_end_without_a_word_is_no_stop() -> None:
    assert v2(sse("message-end")) == [Finished(0, "other"), Done("other")]
    assert v1(line("stream-end")) == [Finished(0, "other"), Done("other")]


def test_content_and_calls_are_numbered_apart() -> None:
    found = v2(
        text("a", 0),
        call(0, id="t"),
        text("b", 0),
        piece("{}", 0),
        sse("content-end", index=0),
        piece(" ", 0),
        sse("tool-call-end", index=0),
    )
    assert found == [
        Token("a"),
        ToolCall("0", 0, "t", "f"),
        Token("b"),
        ToolCall("0", arguments="{}"),
        ToolCall("0", arguments=" "),
        ToolCall("0", complete=True),
    ]


def test_each_field_is_told_or_silent_for_a_reason() -> None:
    def in_version_2(payload: bytes) -> list[Event]:
        return v2(sse("message-start", id="m"), b"data: " + payload + b"\n\n")

    content = '{"type":"content-delta","index":0,"delta":{"message":{"content":{%s}}}}'
    called = '{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{%s}}}}'
    ended = '{"type":"message-end","delta":{"finish_reason":"COMPLETE",%s}}'
    assert_fields_are_told(
        {
            cohere_v2.EventWire: (
                '{"type":"content-delta","delta":{"message":{"content":{"text":"b"}}},%s}',
                ("id", "error", "message", "index"),
            ),
            cohere_v2.DeltaWire: (ended, ("message", "error_type")),
            cohere_v2.MessageWire: (
                '{"type":"content-delta","delta":{"message":{"content":{"text":"b"},%s}}}',
                ("tool_plan", "tool_calls", "citations"),
            ),
            cohere_v2.ContentWire: (content, ()),
            cohere_v2.ToolCallWire: (called, ()),
            cohere_v2.FunctionWire: (called.replace("%s", '"function":{%s}'), ()),
            UsageWire: (ended.replace("%s", '"usage":{%s}'), ()),
            CountsWire: (ended.replace("%s", '"usage":{"tokens":{%s}}'), ()),
        },
        {**cohere_v2.SILENT, **SILENT},
        in_version_2,
        {
            "function": '{"name":"f"}',
            "usage": '{"tokens":{"input_tokens":1}}',
            "tokens": '{"input_tokens":1}',
            "billed_units": '{"input_tokens":1}',
            "content": '{"text":"c"}',
            "delta": '{"message":{"content":{"text":"c"}}}',
        },
    )


def test_fields_of_version_1_are_told_or_silent_for_a_reason() -> None:
    def in_version_1(payload: bytes) -> list[Event]:
        return v1(line("stream-start", generation_id="g"), payload + b"\n")

    said = '{"event_type":"text-generation","text":"b",%s}'
    generation = '{"generations":[{"text":"b",%s}]}'
    ended = '{"event_type":"stream-end","finish_reason":"COMPLETE","response":{"text":"b",%s}}'
    of_events = ("generation_id", "id", "is_finished", "finish_reason", "response", "err", "error")
    of_events += ("generations", "tool_call_delta", "tool_calls", "citations", "search_queries")
    of_events += ("search_results", "documents", "message", "index")
    assert_fields_are_told(
        {
            cohere_v1.LineWire: (said, of_events),
            cohere_v1.GenerationWire: (generation, ()),
            cohere_v1.ResponseWire: (ended, ("finish_reason",)),
        },
        cohere_v1.SILENT,
        in_version_1,
        {
            "meta": '{"tokens":{"input_tokens":1}}',
            "tool_calls": '[{"name":"f"}]',
            "generations": '[{"text":"c"}]',
        },
    )


def test_likelihoods_are_data() -> None:
    said = sse(
        "content-delta", index=0, delta={"message": {"content": {"text": "a"}}}, logprobs=[1]
    )
    assert v2(said) == [Token("a"), Data("logprobs", [1])]
    assert v1(line("text-generation", text="a", likelihood=-0.5)) == [
        Data("likelihood", -0.5),
        Token("a"),
    ]


def test_calls_whose_arguments_are_cut_are_not_complete() -> None:
    ended = sse("tool-call-end", index=0)
    for wire in (call() + piece('{"a":') + ended, call() + piece('{"a":')):
        found = v2(wire, end("TOOL_CALL"))
        assert not any(event.complete for event in found if isinstance(event, ToolCall))
    closed = v2(call() + piece("{}"), end("TOOL_CALL"))
    assert ToolCall("0", complete=True) in closed
    cut = chunk(name="f") + chunk(parameters='{"a":')
    assert not any(
        event.complete
        for event in v1(cut, stream_end(tool_calls=[{"name": "f", "parameters": {"b": 1}}]))
        if isinstance(event, ToolCall)
    )
    whole = v1(
        cut, line("tool-calls-generation", tool_calls=[{"name": "f", "parameters": {"a": 1}}])
    )
    assert whole[-1] == ToolCall("0", arguments="1}", complete=True)


def test_the_end_of_several_generations_names_none() -> None:
    pieces = line(text="a", index=0) + line(text="b", index=1)
    assert v1(pieces, line(is_finished=True, finish_reason="COMPLETE"), eof=True)[-3:] == [
        Finished(0, "stop", "COMPLETE"),
        Finished(1, "stop", "COMPLETE"),
        Done("stop"),
    ]


def test_tokens_that_are_billed_where_the_others_are_missing() -> None:
    (usage, *_) = v2(end(usage={"billed_units": {"input_tokens": 3, "output_tokens": 4}}))
    assert usage == Usage(3, 4, final=True)
    assert v2(end(usage={}))[0] == Finished(0, "stop", "COMPLETE")


def test_open_calls_are_bounded() -> None:
    assert _last(v2(*(call(index) for index in range(MAX_INDEX + 1)))) == "malformed"
    many = v1(*(chunk(index=index, name="f") for index in range(MAX_INDEX + 1)))
    assert _last(many) == "malformed"
    assert len(many) == MAX_INDEX + 1


def _last(events: list[Event]) -> str:
    assert isinstance(events[-1], Error)
    assert not events[-1].fatal
    return events[-1].kind


@pytest.mark.parametrize(
    "wire",
    [
        sse("brand-new"),
        sse("content-delta"),
        message("content-start", content=[]),
        message("tool-call-start", tool_calls=[]),
        call() + message("tool-call-delta", tool_calls=[]),
        b"data: {}\n\n",
    ],
)
def test_what_has_no_meaning_in_version_2(wire: bytes) -> None:
    assert v2(wire)[-1] == Unknown()


@pytest.mark.parametrize(
    "wire",
    [
        text(""),
        piece("") + sse("tool-call-end", index=3),
        message("tool-plan-delta", tool_plan=""),
        message("citation-start", citations=[]),
        sse("message-start", delta={}),
    ],
)
def test_what_says_nothing_in_version_2(wire: bytes) -> None:
    assert [event for event in v2(wire) if event != Unknown()] == []


def test_a_call_with_its_arguments_in_the_start_and_an_empty_piece() -> None:
    assert v2(call(arguments="{}"), piece("")) == [ToolCall("0", 0, None, "f", "{}")]


@pytest.mark.parametrize(
    ("wire", "error"),
    [
        (b'event: error\ndata: {"message": "no"}\n\n', Error("vendor", "no")),
        (b'data: {"id": "x", "message": "no"}\n\n', Error("vendor", "no")),
        (b'data: {"error": {"message": "no", "code": "c"}}\n\n', Error("vendor", "no", "c")),
    ],
)
def test_error_documents_in_version_2(wire: bytes, error: Error) -> None:
    assert v2(START, wire) == [Started("m"), error]


@pytest.mark.parametrize("dialect", [V1, V2])
@pytest.mark.parametrize("payload", ["{", "[1]", "7"])
def test_what_cannot_be_read_is_not_the_end(dialect: str, payload: str) -> None:
    wire = f"{payload}\n" if dialect == V1 else f"data: {payload}\n\n"
    assert _last(read([wire.encode()], dialect, eof=False).events) == "malformed"


# --- version 1 ---


def test_q24_the_text_at_the_end_is_not_said_twice() -> None:
    assert v1(say("Hi"), stream_end(text="Hi"))[:-2] == [Token("Hi")]
    assert v1(stream_end(text="Hi"))[:-2] == [Token("Hi")]


def test_calls_in_pieces_are_not_said_twice() -> None:
    calls = [{"name": "f", "parameters": {"a": 1}}, {"name": "g"}, {"name": "h"}]
    found = v1(
        chunk(plan="I "),
        chunk(plan="will"),
        chunk(index=0, name="f"),
        chunk(index=0, parameters='{"a":'),
        chunk(index=0, parameters="1}", plan=""),
        chunk(index=1, name="g"),
        line("tool-calls-generation", text="I will", tool_calls=calls),
        stream_end(text="I will", tool_calls=calls),
    )
    assert found == [
        Data("tool_plan", "I "),
        Data("tool_plan", "will"),
        ToolCall("0", 0, None, "f"),
        ToolCall("0", arguments='{"a":'),
        ToolCall("0", arguments="1}"),
        ToolCall("1", 0, None, "g"),
        ToolCall("0", complete=True),
        ToolCall("1", complete=True),
        ToolCall("2", 0, None, "h", "{}", complete=True),
        Finished(0, "tool_calls", "COMPLETE"),
        Done("tool_calls"),
    ]


def test_calls_that_come_whole() -> None:
    calls = [{"name": "f", "parameters": {"a": 1}}, {"name": "g", "parameters": {}}]
    whole = [
        ToolCall("0", 0, None, "f", '{"a":1}', complete=True),
        ToolCall("1", 0, None, "g", "{}", complete=True),
    ]
    generation = line("tool-calls-generation", text="I will", tool_calls=calls)
    ended = [Finished(0, "tool_calls", "COMPLETE"), Done("tool_calls")]
    assert v1(generation, stream_end(text="I will")) == [
        Data("tool_plan", "I will"),
        *whole,
        *ended,
    ]
    assert v1(say("a"), stream_end(tool_calls=calls)) == [Token("a"), *whole, *ended]


def test_calls_are_closed_by_the_end_unless_it_cut_them() -> None:
    cut = v1(chunk(name="f", parameters='{"a'), stream_end("MAX_TOKENS"))
    assert Completion.from_events(cut).choices[0].tool_calls[0].complete is False
    whole = v1(chunk(name="f", parameters="{}"), stream_end())
    assert Completion.from_events(whole).choices[0].tool_calls[0].complete is True


@pytest.mark.parametrize(
    ("word", "recovery"),
    [
        ("ERROR", Recovery.RETRY),
        ("TIMEOUT", Recovery.RETRY),
        ("ERROR_TOXIC", Recovery.FATAL),
        ("ERROR_LIMIT", Recovery.FATAL),
        ("ERROR_NEW", Recovery.FATAL),
    ],
)
def test_failures_of_version_1(word: str, recovery: Recovery) -> None:
    error = v1(say("a"), stream_end(word, text="a"))[-1]
    message = f"the service ended the answer with {word!r}"
    assert error == Error("vendor", message, word, recovery=recovery)


def test_the_generate_api_as_bedrock_sends_it() -> None:
    wire = line(text=" Hi") + line(text=" you")
    wire += line(is_finished=True, finish_reason="MAX_TOKENS")
    finished = Finished(0, "length", "MAX_TOKENS")
    said = [Token(" Hi"), Token(" you"), finished]
    assert v1(wire, eof=True) == [*said, Done("length")]
    assert v1(wire, stream_end("COMPLETE"), eof=True) == [*said, Done("length")]


def test_generations_that_mix() -> None:
    wire = line(text="a", index=0) + line(text="b", index=1)
    done = line(is_finished=True, finish_reason="COMPLETE", index=1)
    assert isinstance(v1(wire, done, eof=True)[-1], Error)
    found = v1(wire, done, line(is_finished=True, index=0), done, eof=True)
    assert found == [
        Token("a"),
        Token("b", 1),
        Finished(1, "stop", "COMPLETE"),
        Finished(0, "other"),
        Done("other"),
    ]


def test_generations_all_at_once() -> None:
    generations = [
        {"id": "x", "text": "a", "finish_reason": "COMPLETE"},
        {"id": "y", "index": 1, "text": "b"},
    ]
    wire = json.dumps({"id": "g", "generations": generations, "prompt": "p"}).encode() + b"\n"
    said = [Started("g"), Token("a"), Finished(0, "stop", "COMPLETE"), Token("b", 1)]
    assert v1(wire) == said
    assert v1(say("a"), stream_end("MAX_TOKENS", generations=generations)) == [
        Token("a"),
        Token("b", 1),
        Finished(0, "stop", "COMPLETE"),
        Finished(1, "length", "MAX_TOKENS"),
        Done("stop"),
    ]


def test_generations_are_bounded() -> None:
    wire = [line(text="a", index=index) for index in range(MAX_INDEX + 1)]
    found = v1(*wire, line(is_finished=True, index=MAX_INDEX))
    assert len(found) == MAX_INDEX + 1
    assert _last(found) == "malformed"
    others = [line(text="a", index=index) for index in range(1, MAX_INDEX + 1)]
    last = v1(*others, stream_end(text="b"))[-1]
    assert isinstance(last, Error)  # "b" was lost
    assert (last.kind, last.fatal) == ("malformed", True)


@pytest.mark.parametrize(
    ("wire", "error"),
    [
        (line("stream-error", err="no"), Error("vendor", "no")),
        (
            line(is_finished=True, finish_reason="ERROR", err="no"),
            Error("vendor", "no", "ERROR", recovery=Recovery.RETRY),
        ),
        (
            line(is_finished=True, finish_reason="ERROR"),
            Error(
                "vendor",
                "the service ended the answer with 'ERROR'",
                "ERROR",
                recovery=Recovery.RETRY,
            ),
        ),
        (b'{"message": "invalid api token"}\n', Error("vendor", "invalid api token")),
        (b'{"error": {"message": "no"}}\n', Error("vendor", "no")),
    ],
)
def test_errors_of_version_1(wire: bytes, error: Error) -> None:
    assert v1(say("a"), wire)[-1] == error


@pytest.mark.parametrize("wire", [line("debug", prompt="p"), line(), b"{}\n"])
def test_what_has_no_meaning_in_version_1(wire: bytes) -> None:
    assert v1(wire) == [Unknown()]


def test_what_says_nothing_in_version_1() -> None:
    wire = (START_V1, START_V1, say(""), chunk(), line("citation-generation"))
    assert v1(*wire, line("search-results")) == [Started("g")]


# --- the mirrors ---


def sent(dialect: str, *said: Event) -> bytes:
    encoder = StreamEncoder(dialect)
    return b"".join(map(encoder.send, said))


def test_the_wire_of_version_2_that_is_written() -> None:
    said = [Started("m"), Token("a"), Usage(9, 5), Finished(0, "stop"), Done("stop")]
    usage = {"tokens": {"input_tokens": 9, "output_tokens": 5}}
    head = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": []}
    expected = b"".join(
        (
            sse("message-start", id="m", delta={"message": {**head, "citations": []}}),
            message("content-start", 0, content={"type": "text", "text": ""}),
            text("a"),
            sse("content-end", index=0),
            end("COMPLETE", usage=usage),
            SENTINEL,
        )
    )
    assert sent(V2, *said) == expected.replace(b'": ', b'":').replace(b", ", b",")


def test_the_wire_of_version_1_that_is_written() -> None:
    said = [Started("g"), Token("a"), Token("b"), Usage(9, 5), Finished(0, "stop"), Done("stop")]
    meta = {"tokens": {"input_tokens": 9, "output_tokens": 5}}
    written = [json.loads(one) for one in sent(V1, *said).splitlines()]
    assert written == [
        json.loads(one)
        for one in (
            START_V1,
            say("a"),
            say("b"),
            stream_end("COMPLETE", generation_id="g", text="ab", meta=meta),
        )
    ]


FULL = Usage(9, 5, None, 2, 8, None, True)


@pytest.mark.parametrize(
    ("dialect", "said"),
    [
        (V2, SAID_V2[:5]),
        (V2, [Token("a"), Reasoning("b", part=1), Token("c", part=4), Token("d", part=5)]),
        (V2, [ToolCall("0", 0, "t", "f", "{}"), ToolCall("0", complete=True), *SAID_V2[-3:]]),
        (
            V2,
            [
                ToolCall("0", 0, "t", "f"),
                Token("a"),
                ToolCall("1", 0, "u", "g"),
                ToolCall("0", arguments="{}"),
                ToolCall("0", complete=True),
                ToolCall("1", complete=True),
            ],
        ),
        (V2, [Token("a"), Finished(0, "error", "ERROR"), Error("vendor", "no", "code")]),
        (
            V2,
            [
                Finished(0, "error", "TIMEOUT"),
                Error("vendor", "late", "TIMEOUT", recovery=Recovery.RETRY),
            ],
        ),
        (V2, [Heartbeat("hi"), Usage(1, final=True), Finished(0, "other", "NEW"), Done("other")]),
        (V1, SAID_V1),
        (
            V1,
            [
                Data("tool_plan", "I will"),
                ToolCall("0", 0, None, "f", '{"a":'),
                ToolCall("1", 0, None, "g"),
                ToolCall("0", arguments="1}"),
                ToolCall("0", complete=True),
                ToolCall("1", complete=True),
                FULL,
                Finished(0, "tool_calls", "COMPLETE"),
                Done("tool_calls"),
            ],
        ),
        (V1, [Token("a"), Error("vendor", "no")]),
        (
            V1,
            [
                Finished(0, "error", "TIMEOUT"),
                Error(
                    "vendor",
                    "the service ended the answer with 'TIMEOUT'",
                    "TIMEOUT",
                    recovery=Recovery.RETRY,
                ),
            ],
        ),
        (
            V1,
            [ToolCall("0", 0, None, "f", "{"), Finished(0, "length", "MAX_TOKENS"), Done("length")],
        ),
    ],
)
def test_round_trips(dialect: str, said: list[Event]) -> None:
    assert read([sent(dialect, *said)], dialect, eof=False).events == said


def test_an_error_is_a_finish_too_in_version_2() -> None:
    assert v2(sent(V2, Token("a"), Error("vendor", "no"))) == [
        Token("a"),
        Finished(0, "error", "ERROR"),
        Error("vendor", "no", "ERROR", recovery=Recovery.RETRY),
    ]


def test_calls_without_a_word_for_them_in_version_1() -> None:
    call = ToolCall("k", 0, "id", "f", complete=True)
    wire = sent(V1, call, Finished(0, "tool_calls"), Done("tool_calls"))
    assert v1(wire) == [
        ToolCall("0", 0, None, "f"),
        ToolCall("0", complete=True),
        Finished(0, "tool_calls", "COMPLETE"),
        Done("tool_calls"),
    ]


@pytest.mark.parametrize(
    ("dialect", "refused"),
    [
        *((dialect, Token("a", 1)) for dialect in (V1, V2)),
        *((dialect, Refusal("no")) for dialect in (V1, V2)),
        *((dialect, Reasoning("a", signature="s")) for dialect in (V1, V2)),
        *((dialect, Data("image", "x")) for dialect in (V1, V2)),
        *((dialect, Data("citation")) for dialect in (V1, V2)),
        *((dialect, ToolCall("9", arguments="{}")) for dialect in (V1, V2)),
        *((dialect, ToolCall("9", 0, "i", "f", provider_executed=True)) for dialect in (V1, V2)),
        *((dialect, Error("malformed", "no", fatal=False)) for dialect in (V1, V2)),
        *((dialect, Done()) for dialect in (V1, V2)),
        (V1, Heartbeat("a comment")),
        (V1, ToolCall("9", 0, None, "f", "{", complete=True)),
        (V1, ToolCall("9", 0, None, "f", "[]", complete=True)),
    ],
)
def test_what_the_wire_cannot_say_leaves_the_encoder_as_it_was(
    dialect: str, refused: Event
) -> None:
    encoder = StreamEncoder(dialect)
    wire = encoder.send(Token("a"))
    with pytest.raises(LocalProtocolError):
        encoder.send(refused)
    wire += encoder.send(Token("b")) + encoder.send(Finished(0, "stop", "COMPLETE"))
    wire += encoder.send(Done("stop"))
    ended = [Finished(0, "stop", "COMPLETE"), Done("stop")]
    assert read([wire], dialect).events == [Token("a"), Token("b"), *ended]


@pytest.mark.parametrize("dialect", [V1, V2])
def test_a_failure_is_not_done(dialect: str) -> None:
    encoder = StreamEncoder(dialect)
    encoder.send(Finished(0, "error", "ERROR"))
    with pytest.raises(LocalProtocolError, match=dialect):
        encoder.send(Done("error"))


_USAGE = st.builds(Usage, counts, counts, st.none(), counts, counts, final=st.just(True))
_WORDS = [*((word, reason) for word, reason in FINISH_REASONS.items() if not is_failure(word))]


def _endings(draw: st.DrawFn, words_of: list[tuple[str, Any]]) -> list[Event]:
    word, reason = draw(st.sampled_from([*words_of, ("NEW", "other")]))
    usages = draw(st.lists(_USAGE, max_size=1))
    return [*usages, Finished(0, reason, word), Done(reason)]


@st.composite
def answers_v2(draw: st.DrawFn) -> list[Event]:
    """What the wire can say: blocks of content, calls with their pieces mixed, an end."""
    said: list[Event] = [Started(draw(words))]
    for part in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from([Token, Reasoning]))
        for one in draw(st.lists(texts, min_size=1, max_size=3)):
            said += [kind(one, part=part), *draw(st.lists(heartbeats, max_size=1))]
        said += [Data("citation", {"text": draw(texts)})] if draw(st.booleans()) else []
    keys = [str(number) for number in range(draw(st.integers(0, 3)))]
    said += [ToolCall(key, 0, f"t{key}", draw(words)) for key in keys]
    if keys:
        pieces = [
            (key, number, one) for key in keys for number, one in enumerate(draw(arguments()))
        ]
        pieces.sort(key=lambda piece: piece[1])
        said += [ToolCall(key, arguments=one) for key, _, one in pieces]
    said += [ToolCall(key, complete=True) for key in keys]
    if draw(st.booleans()):
        return [*said, Finished(0, "error", "ERROR"), Error("vendor", draw(texts), "some_code")]
    return [*said, *_endings(draw, _WORDS)]


@st.composite
def answers_v1(draw: st.DrawFn) -> list[Event]:
    """What the wire can say: text, citations, calls, an end."""
    pieces = st.one_of(
        st.builds(Token, texts),
        st.just(Heartbeat()),
        st.builds(Data, st.just("citation"), st.dictionaries(words, texts, min_size=1)),
        st.builds(Data, st.just("documents"), st.lists(texts, min_size=1, max_size=2)),
    )
    said: list[Event] = [Started(draw(words)), *draw(st.lists(pieces, max_size=8))]
    keys = [str(number) for number in range(draw(st.integers(0, 3)))]
    for key in keys:
        said.append(ToolCall(key, 0, None, draw(words)))
        said.append(ToolCall(key, arguments=json.dumps({draw(words): draw(texts)})))
    if keys:
        closed = [ToolCall(key, complete=True) for key in keys]
        end = [Finished(0, "tool_calls", "COMPLETE"), Done("tool_calls")]
        return [*said, *closed, *end]
    if draw(st.booleans()):
        return [*said, Error("vendor", draw(texts))]
    return [*said, *_endings(draw, _WORDS)]


@given(answers_v2())
@settings(deadline=None)
def test_what_was_written_in_version_2_is_read_the_same(said: list[Event]) -> None:
    wire = sent(V2, *said)
    assert read(cuts.in_pieces(wire, 7), V2) == read([wire], V2)
    assert read([wire], V2).events == said


@given(answers_v1())
@settings(deadline=None)
def test_what_was_written_in_version_1_is_read_the_same(said: list[Event]) -> None:
    wire = sent(V1, *said)
    assert read(cuts.in_pieces(wire, 7), V1) == read([wire], V1)
    assert read([wire], V1).events == said


_KINDS = ["content-delta", "tool-call-start", "tool-call-delta", "text-generation", "stream-end"]
_KEYS = [
    "type",
    "event_type",
    "delta",
    "message",
    "content",
    "text",
    "tool_calls",
    "index",
    "usage",
]
_KEYS += ["response", "generations", "tool_call_delta", "finish_reason", "is_finished", "meta"]


@pytest.mark.parametrize("dialect", [V1, V2])
@given(st.data())
@settings(deadline=None)
def test_no_json_makes_a_decoder_raise(dialect: str, data: st.DataObject) -> None:
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(_KINDS)
    value = st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=5)
        ),
    )
    raw = json.dumps(data.draw(value))
    read([(f"{raw}\n" if dialect == V1 else f"data: {raw}\n\n").encode()], dialect)


def test_the_plan_for_calls_is_written_as_it_is_read() -> None:
    plan = [Data("tool_plan", "I will")]
    encoder = StreamEncoder(V2)
    assert v2(b"".join(map(encoder.send, plan))) == plan
