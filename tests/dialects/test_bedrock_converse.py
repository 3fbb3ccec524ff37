"""bedrock-converse: messages of Amazon's ConverseStream, and the exceptions between them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import cuts
from tests.answers import arguments, counts, texts, words
from tests.framing.event_messages import event, failure
from tests.reading import read

from tokenwire import (
    Completion,
    Data,
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
    Reset,
    Started,
    State,
    StreamEncoder,
    StreamParser,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.dialects.bedrock.converse import BEDROCK_CONVERSE, STOP_REASONS
from tokenwire.dialects.kit.payloads import MAX_INDEX
from tokenwire.framing.awsevents import AWSEventsFramer

MEDIA_TYPE = "application/vnd.amazon.eventstream"
KEEP_ALIVE = AWSEventsFramer.encode(Frame())


def said(kind: str, **payload: Any) -> bytes:
    """An event, padded as Bedrock pads it."""
    return event(kind, json.dumps({**payload, "p": "abcdefghij"}))


def delta(index: int = 0, **content: Any) -> bytes:
    return said("contentBlockDelta", contentBlockIndex=index, delta=content)


def tool(index: int = 0, **fields: Any) -> bytes:
    return said("contentBlockStart", contentBlockIndex=index, start={"toolUse": fields})


def end(index: int = 0) -> bytes:
    return said("contentBlockStop", contentBlockIndex=index)


def stop(reason: str | None = "end_turn") -> bytes:
    return said("messageStop", stopReason=reason)


START = said("messageStart", role="assistant")
USAGE = {"inputTokens": 9, "outputTokens": 5, "totalTokens": 14}


def exception(name: str, payload: str = '{"message":"no"}') -> bytes:
    headers = {":exception-type": name, ":content-type": "application/json"}
    return failure({**headers, ":message-type": "exception"}, payload)


def events(*wire: bytes, eof: bool = False) -> list[Event]:
    return read([b"".join(wire)], BEDROCK_CONVERSE, eof=eof).events


ANSWER = b"".join(
    (
        START,
        delta(reasoningContent={"text": "Hm"}),
        delta(reasoningContent={"signature": "sig"}),
        end(),
        delta(1, text="Hé"),
        KEEP_ALIVE,
        delta(1, text=""),
        end(1),
        tool(2, toolUseId="t1", name="f"),
        delta(2, toolUse={"input": '{"a":'}),
        delta(2, toolUse={"input": "1}"}),
        end(2),
        stop("tool_use"),
        said("metadata", usage=USAGE, metrics={"latencyMs": 7}),
    )
)
SAID: list[Event] = [
    Started(),
    Reasoning("Hm"),
    Reasoning("", signature="sig"),
    Token("Hé", part=1),
    Heartbeat(),
    ToolCall("0", 0, "t1", "f"),
    ToolCall("0", arguments='{"a":'),
    ToolCall("0", arguments="1}"),
    ToolCall("0", complete=True),
    Finished(0, "tool_calls", "tool_use"),
    Usage(9, 5, 14, final=True),
    Done("tool_calls"),
]


def test_an_answer_however_it_is_cut() -> None:
    outcome = cuts.in_every_cut(lambda chunks: read(chunks, BEDROCK_CONVERSE), ANSWER)

    assert outcome.events == SAID
    assert outcome.state is State.CLOSED


def test_no_part_without_message_stop_is_done() -> None:
    proven = len(ANSWER) - len(said("metadata", usage=USAGE, metrics={"latencyMs": 7}))
    for at in range(len(ANSWER)):
        last = events(ANSWER[:at], eof=True)[-1]
        if at == proven:  # and not inside of what follows
            assert last == Done("tool_calls")
        else:
            assert isinstance(last, Error)
            assert (last.kind, last.fatal) == ("truncated", True)


def test_a_truncation_names_what_is_missing() -> None:
    *_, last = events(START, delta(text="a"), end(), eof=True)
    assert isinstance(last, Error)
    assert last.recovery is Recovery.RESUME
    assert last.message == "the answer was cut off: the body ended before messageStop"


def test_done_waits_for_the_end_of_the_body() -> None:
    parser = StreamParser(BEDROCK_CONVERSE)
    parser.receive_data(START + stop())
    assert list(parser.events()) == [Started(), Finished(0, "stop", "end_turn")]
    assert parser.state is State.OPEN
    parser.receive_eof()
    assert list(parser.events()) == [Done("stop")]


def test_the_media_type_is_expected() -> None:
    assert cuts.read_response([ANSWER], BEDROCK_CONVERSE, headers={"Content-Type": MEDIA_TYPE}) == (
        SAID
    )


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("malformed_model_output", "error"),
        ("malformed_tool_use", "error"),
        ("brand_new", "other"),
        (None, "other"),
    ],
)
def test_stop_reasons(raw: str | None, reason: Any) -> None:
    assert events(stop(raw), eof=True) == [Finished(0, reason, raw), Done(reason)]


def test_text_blocks_start_with_their_first_delta() -> None:
    assert events(delta(text="a"), delta(1, text="b"), end(), end(1), end(7)) == [
        Token("a"),
        Token("b", part=1),
    ]


def test_q11_the_padding_says_nothing() -> None:
    """A random ``p`` in every payload hides how long it is."""
    padded = '{"contentBlockIndex":0,"delta":{"text":"Hi"},"p":"abcdefghijklmnopqrstuvwxyzABCD"}'
    assert events(event("contentBlockDelta", padded), said("contentBlockStop")) == [Token("Hi")]


def test_reasoning() -> None:
    assert events(
        delta(reasoningContent={"text": "a", "signature": "s"}),
        delta(reasoningContent={"text": ""}),
        delta(1, reasoningContent={"redactedContent": "cmVk"}),
        delta(2, reasoningContent={"data": "cmVk"}),
    ) == [
        Reasoning("a", signature="s"),
        Data("redactedContent", "cmVk", part=1),
        Data("redactedContent", "cmVk", part=2),
    ]


def test_content_that_is_data() -> None:
    image = {"source": {"bytes": "aQ=="}}
    citation = {"title": "t"}
    opened = {"image": {"format": "png"}}
    assert events(
        said("contentBlockStart", contentBlockIndex=1, start=opened),
        delta(1, image=image),
        delta(2, citation=citation),
        delta(3, toolResult=[{"text": "r"}]),
    ) == [
        Data("image", {"format": "png"}, part=1),
        Data("image", image, part=1),
        Data("citation", citation, part=2),
        Data("toolResult", [{"text": "r"}], part=3),
    ]


def test_q17_nothing_but_the_body_ends_an_answer() -> None:
    assert events(START, delta(text="a"), stop(), eof=True)[-1] == Done("stop")
    cut = events(START, delta(text="a"), eof=True)[-1]
    assert isinstance(cut, Error)
    assert cut.kind == "truncated"


def test_two_tool_calls_at_once_and_one_that_was_cut() -> None:
    found = events(
        tool(1, toolUseId="t", name="f"),
        tool(2, toolUseId="u", name="g"),
        delta(1, toolUse={"input": "{}"}),
        delta(2, toolUse={"input": '{"a'}),
        end(1),
        stop("tool_use"),
    )
    first, second = Completion.from_events(found).choices[0].tool_calls
    assert (first.id, first.name, first.arguments, first.complete) == ("t", "f", "{}", True)
    assert (second.id, second.name, second.arguments, second.complete) == ("u", "g", '{"a', False)


def test_a_tool_call_without_arguments() -> None:
    """Whether it has none, or was cut before them, is told by what follows."""
    sent = (tool(toolUseId="t", name="f"), delta(toolUse={"input": ""}), end())
    assert events(*sent) == [ToolCall("0", 0, "t", "f")]
    for more, complete in (
        (said("messageStop", stopReason="tool_use"), True),
        (said("messageStop", stopReason="max_tokens"), False),
        (tool(1, toolUseId="u"), True),
        (said("contentBlockStart", contentBlockIndex=1, start={}), True),
    ):
        assert (ToolCall("0", complete=True) in events(*sent, more)) == complete


@pytest.mark.parametrize(
    ("piece", "reason", "complete"),
    [
        ('{"c":1}', "tool_use", True),
        ('{"c":1}', "max_tokens", True),
        ('{"c', "tool_use", False),
        ('{"c', "max_tokens", False),
    ],
)
def test_only_whole_json_is_complete(piece: str, reason: str, complete: bool) -> None:
    """Whether its block was closed or not."""
    for ends in ([end()], []):
        argued = delta(toolUse={"input": piece})
        stop = said("messageStop", stopReason=reason)
        found = events(tool(toolUseId="t", name="f"), argued, *ends, stop)
        (only,) = Completion.from_events(found).choices[0].tool_calls
        assert (only.arguments, only.complete) == (piece, complete)


def test_pieces_of_a_call_that_stand_elsewhere() -> None:
    argued = delta(3, toolUse={"input": '{"c":1}'})
    opened = tool(toolUseId="t", name="f", input={"c": 1})
    assert events(opened, opened, argued, end(3)) == [
        ToolCall("0", 0, "t", "f"),
        ToolCall("0", arguments='{"c":1}'),
        ToolCall("0", complete=True),
    ]
    cut = read([b"".join([opened])], BEDROCK_CONVERSE).events
    assert cut[:2] == [ToolCall("0", 0, "t", "f"), ToolCall("0", arguments='{"c":1}')]
    assert isinstance(cut[-1], Error)


def test_pieces_of_calls_that_were_never_opened_are_bounded() -> None:
    opened = [tool(n, toolUseId=f"{n}", name="f") for n in range(MAX_INDEX)]
    late = delta(MAX_INDEX, toolUse={"input": "[]"})
    assert isinstance(events(*opened, *(end(n) for n in range(MAX_INDEX)), late)[-1], Error)


def test_what_nobody_knew_of_is_told_once() -> None:
    more = {"stop_sequence": "x"}
    found = events(
        said("contentBlockDelta", contentBlockIndex=0, delta={"text": "a", "mood": "calm"}),
        said("contentBlockDelta", contentBlockIndex=0, delta={"text": "b", "mood": "calm"}),
        said("messageStop", stopReason="end_turn", additionalModelResponseFields=more),
    )
    assert found == [
        *(Token("a"), Data("extra", {"delta.mood": "calm"}), Token("b")),
        Data("additionalModelResponseFields", more),
        Finished(0, "stop", "end_turn"),
    ]


def test_a_tool_call_that_the_provider_runs() -> None:
    assert events(tool(toolUseId="t", name="nova_grounding", type="server_tool_use")) == [
        ToolCall("0", 0, "t", "nova_grounding", provider_executed=True)
    ]


def test_arguments_that_are_no_text() -> None:
    assert events(tool(), delta(toolUse={"input": {"a": 1}}), delta(toolUse={})) == [
        ToolCall("0"),
        ToolCall("0", arguments='{"a":1}'),
    ]


def test_a_block_that_is_used_again_is_a_new_call() -> None:
    found = events(tool(name="f"), end(), tool(name="g"), delta(toolUse={"input": "{}"}))
    assert found[2:] == [ToolCall("1", name="g"), ToolCall("1", arguments="{}")]


def test_open_tool_calls_are_bounded() -> None:
    found = events(*(tool(index, name="f") for index in range(MAX_INDEX + 1)))
    assert len(found) == MAX_INDEX + 1
    assert isinstance(found[-1], Error)
    assert not found[-1].fatal


def test_the_last_metadata_with_usage_counts() -> None:
    cached = {**USAGE, "outputTokens": 6, "cacheReadInputTokens": 2, "cacheWriteInputTokens": 3}
    found = events(
        stop(),
        said("metadata", usage=USAGE),
        said("metadata", usage=cached, trace={"guardrail": {}}),
        said("metadata", metrics={"latencyMs": 1}),
        said("metadata", usage={}),
        eof=True,
    )
    assert found[1:] == [
        Usage(9, 5, 14, final=True),
        Usage(9, 6, 14, None, 2, 3, True),
        Data("trace", {"guardrail": {}}),
        Unknown(),
        Unknown(),
        Done("stop"),
    ]
    assert Completion.from_events(found).usage == Usage(9, 6, 14, None, 2, 3, True)


def test_what_has_no_meaning_here() -> None:
    found = events(
        event("brand_new", "\xff no JSON"),
        failure({":message-type": "brand_new", ":event-type": "messageStart"}, "{}"),
        failure({}, "{}"),
        delta(audio={}),
        delta(7, toolUse={"input": "{}"}),
        said("contentBlockDelta"),
        said("contentBlockStart"),
        said("contentBlockStart", start={"audio": {}}),
    )
    assert found == [
        *(Unknown(), Started(), Unknown(), Unknown()),
        *(ToolCall("0", arguments="{}"), Unknown(), Unknown()),
    ]


@pytest.mark.parametrize("payload", ["", "{", "[1]", pytest.param("[" * 5000, id="deep")])
def test_what_cannot_be_read_is_not_the_end(payload: str) -> None:
    error, token = events(event("contentBlockDelta", payload), delta(text="a"))
    assert isinstance(error, Error)
    assert (error.kind, error.fatal) == ("malformed", False)
    assert token == Token("a")


def test_what_is_read_leniently() -> None:
    bad = '{"contentBlockIndex":"1","delta":{"text":"é"}}'.encode("latin-1")
    assert events(event("contentBlockDelta", bad)) == [Token("�", part=1)]


# --- exceptions ---


@pytest.mark.parametrize(
    ("name", "status", "recovery"),
    [
        ("throttlingException", 429, Recovery.RETRY),
        ("serviceUnavailableException", 503, Recovery.RETRY),
        ("internalServerException", 500, Recovery.RETRY),
        ("modelTimeoutException", 408, Recovery.RETRY),
        ("modelStreamErrorException", 424, Recovery.RETRY),
        ("ThrottlingException", 429, Recovery.RETRY),
        ("validationException", 400, Recovery.FATAL),
        ("accessDeniedException", 403, Recovery.FATAL),
        ("resourceNotFoundException", 404, Recovery.FATAL),
        ("brandNewException", None, Recovery.FATAL),
    ],
)
def test_exceptions(name: str, status: int | None, recovery: Recovery) -> None:
    assert events(START, exception(name), stop(), eof=True) == [
        Started(),
        Error("vendor", "no", name, status, recovery),
    ]


def test_q39_an_exception_after_message_stop_is_no_done() -> None:
    """The finish was sent, and the answer is broken all the same."""
    outcome = cuts.in_every_cut(
        lambda chunks: read(chunks, BEDROCK_CONVERSE),
        START + stop() + exception("internalServerException"),
    )
    assert outcome.events[-1] == Error(
        "vendor", "no", "internalServerException", 500, Recovery.RETRY
    )
    assert outcome.state is State.FAILED


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ('{"message":"a"}', "a"),
        ('{"Message":"a"}', "a"),
        ('{"message":"a","originalStatusCode":500,"originalMessage":"b"}', "a: b"),
        ('{"message":"a: b","originalMessage":"b"}', "a: b"),
        ('{"originalMessage":"b"}', "b"),
        ('{"message":7}', '{"message":7}'),
        ("no JSON", "no JSON"),
        ("", "the service reported an error without a message"),
        pytest.param("x" * 600, "x" * 500, id="long"),
    ],
)
def test_the_message_of_an_exception(payload: str, message: str) -> None:
    (error,) = events(exception("modelStreamErrorException", payload))
    assert isinstance(error, Error)
    assert error.message == message


def test_errors_that_the_model_of_the_api_does_not_know() -> None:
    """Their words stand in headers, and the payload may be empty."""
    code, text = {":error-code": "InternalServerError"}, {":error-message": "broken"}
    kind = {":message-type": "error"}
    assert events(failure({**kind, **code, **text})) == [
        Error("vendor", "broken", "InternalServerError", recovery=Recovery.RETRY)
    ]
    assert events(failure({**kind, **code}, '{"message":"m"}')) == [
        Error("vendor", "m", "InternalServerError", recovery=Recovery.RETRY)
    ]
    assert events(failure(kind)) == [
        Error("vendor", "the service reported an error without a message")
    ]


def test_an_exception_that_a_gateway_calls_an_event() -> None:
    (error,) = events(event("throttlingException", '{"message":"no"}'))
    assert error == Error("vendor", "no", "throttlingException", 429, Recovery.RETRY)


def test_a_broken_message_ends_the_stream_after_what_came_before() -> None:
    token, error = events(delta(text="a"), stop()[:-1] + b"\0", stop())
    assert token == Token("a")
    assert isinstance(error, Error)
    assert (error.kind, error.fatal) == ("malformed", True)
    assert "CRC-32" in error.message


# --- the mirror ---


def sent(*said: Event) -> bytes:
    encoder = StreamEncoder(BEDROCK_CONVERSE)
    return b"".join(map(encoder.send, said))


def test_the_wire_that_is_written() -> None:
    assert sent(*SAID) == b"".join(
        (
            event("messageStart", '{"role":"assistant"}'),
            _written_delta(0, '{"reasoningContent":{"text":"Hm"}}'),
            _written_delta(0, '{"reasoningContent":{"signature":"sig"}}'),
            event("contentBlockStop", '{"contentBlockIndex":0}'),
            _written_delta(1, '{"text":"Hé"}'),
            KEEP_ALIVE,
            event("contentBlockStop", '{"contentBlockIndex":1}'),
            event(
                "contentBlockStart",
                '{"start":{"toolUse":{"toolUseId":"t1","name":"f"}},"contentBlockIndex":2}',
            ),
            _written_delta(2, '{"toolUse":{"input":"{\\"a\\":"}}'),
            _written_delta(2, '{"toolUse":{"input":"1}"}}'),
            event("contentBlockStop", '{"contentBlockIndex":2}'),
            event("messageStop", '{"stopReason":"tool_use"}'),
            event("metadata", '{"usage":{"inputTokens":9,"outputTokens":5,"totalTokens":14}}'),
        )
    )


def _written_delta(index: int, content: str) -> bytes:
    return event("contentBlockDelta", f'{{"delta":{content},"contentBlockIndex":{index}}}')


@pytest.mark.parametrize(
    "said",
    [
        SAID,
        [Token("a"), Reasoning("b", part=1), Token("c", part=2), Token("d", part=5)],
        [Data("image", {"source": {}}), Data("image", {"x": 1}), Token("c", part=1)],
        [Token("a"), Data("citation", {"title": "t"}), Token("b")],
        [Reasoning("b"), Data("redactedContent", "cmVk"), Data("toolResult", [], part=1)],
        [Data("trace", {"guardrail": {}})],
        [
            ToolCall("0", 0, "t", "f", provider_executed=True),
            *(ToolCall("0", arguments="[]"), ToolCall("0", complete=True)),
        ],
        [
            ToolCall("0", 0, "t", "f"),
            ToolCall("1", 0, "u", "g"),
            ToolCall("0", arguments="{}"),
            Token("a", part=2),
            ToolCall("1", arguments="[]"),
            ToolCall("0", complete=True),
            ToolCall("1", complete=True),
        ],
        [Error("vendor", "no", "throttlingException", 429, Recovery.RETRY)],
        [Finished(0, "stop", "end_turn"), Error("vendor", "no", "brandNewException")],
    ],
    ids=repr,
)
def test_round_trips(said: list[Event]) -> None:
    end = isinstance(said[-1], Done)
    assert read([sent(*said)], BEDROCK_CONVERSE, eof=end).events == said


def test_one_event_may_become_several() -> None:
    whole = ToolCall("k", 0, None, "f", "{}", complete=True)
    assert events(sent(Reasoning("a", signature="s"), whole)) == [
        Reasoning("a"),
        Reasoning("", signature="s"),
        ToolCall("0", 0, "k", "f"),
        ToolCall("0", arguments="{}"),
        ToolCall("0", complete=True),
    ]


def test_a_call_that_was_cut_is_not_closed() -> None:
    wire = sent(ToolCall("0", 0, "t", "f", "{"), Finished(0, "length"), Done())
    (call,) = Completion.from_events(events(wire)).choices[0].tool_calls
    assert not call.complete


def test_usage_comes_after_the_stop_and_the_last_one_says_all() -> None:
    """The wire has no running usage, and clients keep the last metadata alone."""
    start = [Usage(9), Finished(0, "stop", "end_turn")]
    finished = Finished(0, "stop", "end_turn")
    assert events(sent(*start, Done()), eof=True) == [finished, Usage(9, final=True), Done("stop")]
    assert events(sent(*start, Usage(None, 5), Done()), eof=True) == [
        finished,
        Usage(9, 5, final=True),
        Done("stop"),
    ]


def test_a_reason_in_the_vendors_word() -> None:
    for finished, word in [
        (Finished(0, "stop", "stop_sequence"), "stop_sequence"),
        (Finished(0, "stop", "eos"), "end_turn"),
        (Finished(0, "content_filter"), "guardrail_intervened"),
        (Finished(0, "other", "brand_new"), "brand_new"),
        (Finished(0, "cancelled"), "cancelled"),
    ]:
        assert f'{{"stopReason":"{word}"}}'.encode() in sent(finished)


def test_an_error_without_a_code() -> None:
    (error,) = events(sent(Error("vendor", "no")))
    assert error == Error("vendor", "no", "internalServerException", 500, Recovery.RETRY)


@pytest.mark.parametrize(
    "refused",
    [
        Token("a", 1),
        Refusal("no"),
        Reset(),
        Heartbeat("a comment"),
        Data("audio", "x"),
        Data("image"),
        Data("trace"),
        Data("redactedContent", 7),
        ToolCall("9", arguments="{}"),
        Error("malformed", "no", fatal=False),
        Done(),
    ],
    ids=repr,
)
def test_what_the_wire_cannot_say_leaves_the_encoder_as_it_was(refused: Event) -> None:
    encoder = StreamEncoder(BEDROCK_CONVERSE)
    wire = encoder.send(Token("a"))
    with pytest.raises(LocalProtocolError, match="bedrock-converse"):
        encoder.send(refused)
    wire += encoder.send(Token("b")) + encoder.send(Finished(0, "stop", "end_turn"))
    assert events(wire) == [Token("a"), Token("b"), Finished(0, "stop", "end_turn")]


def _number_blocks(said: list[Event]) -> list[Event]:
    """Parts are the numbers of blocks: a new one where the kind changes."""
    part, open_kind = -1, ""
    numbered: list[Event] = []
    for one in said:
        kind = "reasoning" if isinstance(one, Reasoning) else type(one).__name__
        if isinstance(one, Data):
            kind = "reasoning" if one.kind == "redactedContent" else one.kind
        if isinstance(one, Token | Reasoning | Data):
            if kind != open_kind:
                part, open_kind = part + 1, kind
            one = msgspec.structs.replace(one, part=part)
        numbered.append(one)
    return numbered


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """What the wire can say: content, then tool calls with their fragments mixed, then an end."""
    content = st.one_of(
        st.just(Heartbeat()),
        st.builds(Token, texts),
        st.builds(Reasoning, texts),
        st.builds(Reasoning, st.just(""), signature=words),
        st.builds(Data, st.just("redactedContent"), words),
        st.builds(Data, st.just("image"), st.dictionaries(words, texts)),
    )
    said = [Started(), *_number_blocks(draw(st.lists(content, max_size=8)))]
    keys = [str(number) for number in range(draw(st.integers(0, 3)))]
    said += [ToolCall(key, 0, f"tooluse_{key}", draw(words)) for key in keys]
    pieces = {key: draw(arguments()) or ["{}"] for key in keys}
    order = draw(st.permutations([key for key in keys for _ in pieces[key]]))
    said += [ToolCall(key, arguments=pieces[key].pop(0)) for key in order]
    said += [ToolCall(key, complete=True) for key in keys]
    if draw(st.booleans()):
        code = draw(st.sampled_from(["validationException", "brandNewException"]))
        status = 400 if code == "validationException" else None
        return [*said, Error("vendor", draw(texts), code, status)]
    raw = draw(st.sampled_from([*STOP_REASONS, "brand_new"]))
    reason = STOP_REASONS.get(raw, "other")
    said.append(Finished(0, reason, raw))
    usages = st.builds(Usage, counts, counts, counts, st.none(), counts, counts, st.just(True))
    return [*said, *draw(st.lists(usages, max_size=2)), Done(reason)]


@given(answers())
@settings(deadline=None)
def test_what_was_written_is_read_the_same(said: list[Event]) -> None:
    wire = sent(*said)
    outcome = read(cuts.in_pieces(wire, 7), BEDROCK_CONVERSE)
    assert outcome == read([wire], BEDROCK_CONVERSE)
    assert outcome.events == said


@given(st.sampled_from(["contentBlockStart", "contentBlockDelta", "metadata"]), st.data())
@settings(deadline=None)
def test_no_json_makes_the_decoder_raise(kind: str, data: st.DataObject) -> None:
    keys = st.sampled_from(["delta", "start", "usage", "toolUse", "reasoningContent", "text", "x"])
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
    value = st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner)
    )
    raw = json.dumps(data.draw(value))
    assert not any(isinstance(one, Done) for one in events(event(kind, raw)))
