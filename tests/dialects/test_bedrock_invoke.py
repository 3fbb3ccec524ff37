"""bedrock-invoke: the wires of many models, in base64, in messages of Amazon's event stream."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import cuts
from tests.answers import arguments, counts, texts, words
from tests.dialects.test_bedrock_converse import KEEP_ALIVE, exception
from tests.framing.event_messages import event
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
from tokenwire.dialects.bedrock.invoke import BEDROCK_INVOKE
from tokenwire.framing.awsevents import AWSEventsFramer

METRICS = {
    "inputTokenCount": 7,
    "outputTokenCount": 3,
    "invocationLatency": 535,
    "firstByteLatency": 279,
}
OWN = {"amazon-bedrock-invocationMetrics": METRICS}
COUNTED = [Usage(7, 3, final=True), Data("metrics", METRICS)]


def packed(inner: bytes) -> bytes:
    """Bytes in a chunk, padded as Bedrock pads it."""
    return event("chunk", json.dumps({"bytes": base64.b64encode(inner).decode(), "p": "abcd"}))


def chunk(value: object) -> bytes:
    return packed(json.dumps(value).encode())


def events(*wire: bytes, eof: bool = True) -> list[Event]:
    return read([b"".join(wire)], BEDROCK_INVOKE, eof=eof).events


START = chunk(
    {
        "type": "message_start",
        "message": {"id": "m", "model": "c", "usage": {"input_tokens": 9, "output_tokens": 1}},
    }
)
STOP = chunk({"type": "message_stop", **OWN})


def block(index: int, **fields: Any) -> bytes:
    return chunk({"type": "content_block_start", "index": index, "content_block": fields})


def delta(index: int, kind: str, **fields: Any) -> bytes:
    value = {"type": f"{kind}_delta", **fields}
    return chunk({"type": "content_block_delta", "index": index, "delta": value})


def end(index: int) -> bytes:
    return chunk({"type": "content_block_stop", "index": index})


ANSWER = b"".join(
    (
        START,
        block(0, type="thinking", thinking=""),
        delta(0, "thinking", thinking="Hm"),
        delta(0, "signature", signature="sig"),
        end(0),
        chunk({"type": "ping"}),
        KEEP_ALIVE,
        block(1, type="text", text=""),
        delta(1, "text", text="Hé"),
        end(1),
        block(2, type="tool_use", id="t1", name="f", input={}),
        delta(2, "input_json", partial_json='{"a":1}'),
        end(2),
        chunk(
            {
                "type": "message_delta",
                "delta": {"stop_reason": "tool_use"},
                "usage": {"output_tokens": 5},
            }
        ),
        STOP,
    )
)
SAID: list[Event] = [
    Started("m", "c"),
    Usage(9, 1),
    Reasoning("Hm"),
    Reasoning("", signature="sig"),
    Heartbeat("ping"),
    Heartbeat(),
    Token("Hé", part=1),
    ToolCall("0", 0, "t1", "f"),
    ToolCall("0", arguments='{"a":1}'),
    ToolCall("0", complete=True),
    Finished(0, "tool_calls", "tool_use"),
    Usage(None, 5, final=True),
    Data("metrics", METRICS),
    Done("tool_calls"),
]


def test_an_answer_in_every_cut() -> None:
    outcome = cuts.in_every_cut(
        lambda chunks: read(chunks, BEDROCK_INVOKE),
        ANSWER,
        lambda data: [cuts.bytewise(data), *cuts.random_cuts(data, seed=1, n=40)],
    )
    assert outcome.events == SAID
    assert outcome.state is State.CLOSED


def test_every_prefix_is_a_truncation() -> None:
    for cut in range(len(ANSWER)):
        found = events(ANSWER[:cut])
        assert isinstance(found[-1], Error)
        assert found[-1].kind == "truncated"
        assert found[:-1] == SAID[: len(found) - 1]


def test_every_event_has_the_frame_of_the_wire() -> None:
    for one in events(ANSWER)[:-1]:
        assert one.frame is not None
        assert one.frame.event == ("" if one == Heartbeat() else "chunk")
        assert one.frame.text.startswith('{"bytes"') or one == Heartbeat()


def test_q11_the_padding_says_nothing() -> None:
    plain = event("chunk", json.dumps({"bytes": base64.b64encode(b'{"text":"a"}').decode()}))
    assert events(plain, eof=False) == events(packed(b'{"text":"a"}'), eof=False) == [Token("a")]


def test_q39_an_exception_after_the_end_is_no_done() -> None:
    found = events(ANSWER, exception("throttlingException"))
    assert found[:-1] == SAID[:-1]
    assert found[-1] == Error("vendor", "no", "throttlingException", 429, Recovery.RETRY)


def test_q22_an_error_of_the_model_itself() -> None:
    wire = chunk({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})
    assert events(wire) == [Error("vendor", "busy", "overloaded_error", recovery=Recovery.RETRY)]


# --- families ---


def nova(**member: Any) -> bytes:
    return chunk(member)


@pytest.mark.parametrize(
    ("wire", "said"),
    [
        (  # Nova
            [
                nova(messageStart={"role": "assistant"}),
                nova(contentBlockDelta={"delta": {"text": "a"}, "contentBlockIndex": 0}),
                nova(contentBlockStop={"contentBlockIndex": 0}),
                nova(contentBlockStart={"start": {"toolUse": {"toolUseId": "t", "name": "f"}}}),
                nova(contentBlockDelta={"delta": {"toolUse": {"input": "{}"}}}),
                nova(contentBlockStop={}),
                nova(messageStop={"stopReason": "tool_use"}),
                nova(
                    metadata={
                        "usage": {
                            "inputTokens": 9,
                            "outputTokens": 5,
                            "cacheReadInputTokenCount": 1,
                            "cacheWriteInputTokenCount": 2,
                        },
                        "trace": {},
                    },
                    **OWN,
                ),
            ],
            [
                Started(),
                Token("a"),
                ToolCall("0", 0, "t", "f"),
                ToolCall("0", arguments="{}"),
                ToolCall("0", complete=True),
                Finished(0, "tool_calls", "tool_use"),
                Usage(9, 5, None, None, 1, 2, True),
                Data("metrics", METRICS),
                Done("tool_calls"),
            ],
        ),
        (  # Titan; after a guardrail it counts in floats
            [
                chunk({"outputText": "a", "index": 0.0, "inputTextTokenCount": 7.0}),
                chunk(
                    {
                        "outputText": "b",
                        "totalOutputTextTokenCount": 4,
                        "completionReason": "FINISH",
                        "amazon-bedrock-guardrailAction": "INTERVENED",
                        "amazon-bedrock-trace": {"guardrail": {}},
                        **OWN,
                    }
                ),
            ],
            [
                Token("a"),
                Token("b"),
                Usage(7, 4, final=True),
                Finished(0, "stop", "FINISH"),
                Data("trace", {"guardrail": {}}),
                Data("metrics", METRICS),
                Done("stop"),
            ],
        ),
        (  # Titan, blocked by a guardrail
            [
                chunk(
                    {
                        "outputText": "Sorry",
                        "inputTextTokenCount": 5,
                        "totalOutputTextTokenCount": 0,
                        "completionReason": None,
                        "amazon-bedrock-guardrailAction": "INTERVENED",
                    }
                ),
            ],
            [
                Token("Sorry"),
                Usage(5, 0, final=True),
                Finished(0, "content_filter", "INTERVENED"),
                Done("content_filter"),
            ],
        ),
        (  # Meta
            [
                chunk({"generation": "a", "prompt_token_count": 7, "stop_reason": None}),
                chunk({"generation": "", "generation_token_count": 3, "stop_reason": "length"}),
            ],
            [
                Token("a"),
                Usage(7, 3, final=True),
                Finished(0, "length", "length"),
                Done("length"),
            ],
        ),
        (  # Mistral
            [
                chunk({"outputs": [{"text": "a", "stop_reason": None}]}),
                chunk({"outputs": [{"text": "b", "stop_reason": "stop"}], **OWN}),
            ],
            [Token("a"), Token("b"), Finished(0, "stop", "stop"), *COUNTED, Done("stop")],
        ),
        (  # Claude 2 in its first wire
            [
                chunk({"completion": " a", "stop_reason": None, "stop": None}),
                chunk({"completion": "", "stop_reason": "max_tokens", "stop": None}),
            ],
            [Token(" a"), Finished(0, "length", "max_tokens"), Done("length")],
        ),
        (  # Cohere's generate API
            [
                chunk({"is_finished": False, "text": " a"}),
                chunk({"is_finished": True, "finish_reason": "MAX_TOKENS", **OWN}),
            ],
            [Token(" a"), Finished(0, "length", "MAX_TOKENS"), *COUNTED, Done("length")],
        ),
        (
            [
                chunk(
                    {
                        "id": "g",
                        "generations": [{"id": "x", "text": "a", "finish_reason": "COMPLETE"}],
                        "prompt": "p",
                        **OWN,
                    }
                )
            ],
            [Started("g"), Token("a"), Finished(0, "stop", "COMPLETE"), *COUNTED, Done("stop")],
        ),
        (  # Cohere's chat API
            [
                chunk({"event_type": "text-generation", "text": "a"}),
                chunk(
                    {
                        "event_type": "stream-end",
                        "finish_reason": "COMPLETE",
                        "response": {"text": "a"},
                        **OWN,
                    }
                ),
            ],
            [Token("a"), Finished(0, "stop", "COMPLETE"), *COUNTED, Done("stop")],
        ),
        (  # Cohere's second one
            [
                chunk({"type": "message-start", "id": "m"}),
                chunk({"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}),
            ],
            [Started("m"), Finished(0, "stop", "COMPLETE"), Done("stop")],
        ),
        (  # OpenAI, AI21
            [
                chunk({"id": "c", "choices": [{"delta": {"content": "a"}, "index": 0}]}),
                chunk({"id": "c", "choices": [{"delta": {}, "finish_reason": "stop"}], **OWN}),
            ],
            [
                Started("c"),
                Token("a"),
                Finished(0, "stop", "stop"),
                *COUNTED,
                Done("stop"),
            ],
        ),
        (  # DeepSeek
            [
                chunk({"choices": [{"text": "a", "stop_reason": None}]}),
                chunk({"choices": [{"text": "b", "stop_reason": "length"}]}),
            ],
            [Token("a"), Token("b"), Finished(0, "length", "length"), Done("length")],
        ),
        (  # Mistral's chat
            [
                chunk(
                    {"choices": [{"index": 0, "message": {"content": "a"}, "stop_reason": None}]}
                ),
                chunk({"choices": [{"message": {"content": "b"}, "stop_reason": "stop"}]}),
            ],
            [Token("a"), Token("b"), Finished(0, "stop", "stop"), Done("stop")],
        ),
        (  # vLLM says both
            [
                chunk({"choices": [{"delta": {"content": "a"}, "stop_reason": 7, "index": 0}]}),
                chunk({"choices": [{"delta": {}, "finish_reason": "stop", "stop_reason": 7}]}),
            ],
            [Token("a"), Finished(0, "stop", "stop"), Done("stop")],
        ),
    ],
    ids=[
        *("nova", "titan", "titan-blocked", "meta", "mistral", "claude-2"),
        *("cohere-generate", "cohere-whole"),
        *("cohere-v1", "cohere-v2", "openai", "deepseek", "mistral-chat", "vllm"),
    ],
)
def test_families(wire: list[bytes], said: list[Event]) -> None:
    assert events(*wire) == said
    if len(wire) > 1:
        assert isinstance(events(*wire[:-2])[-1], Error)


@pytest.mark.parametrize(
    "value",
    [
        {"outputText": None},
        {"generation": None, "prompt_token_count": 3},
        {"outputs": []},
        {"contentBlockDelta": {}},
        {"type": "brand_new"},
        {"choices": None},
        {"unheard": "of"},
        [],
        7,
    ],
)
def test_what_has_no_meaning_here(value: object) -> None:
    assert events(chunk(value), eof=False) == [Unknown()]


def test_messages_that_are_no_chunks() -> None:
    wire = (event("brand_new", "{}"), event("chunk", "{}"), event("chunk", '{"bytes":""}'))
    assert events(*wire, eof=False) == [Unknown()] * 3


def test_a_family_is_found_once_something_is_understood() -> None:
    assert events(packed(b"\xff"), chunk({"x": 1}), chunk({"text": "a"}), eof=False) == [
        Unknown(),
        Unknown(),
        Token("a"),
    ]


def test_an_exception_that_nova_has_for_a_member() -> None:
    wire = nova(messageStart={}), nova(throttlingException={"message": "no"})
    assert events(*wire)[-1] == Error("vendor", "no", "throttlingException", 429, Recovery.RETRY)


def test_a_member_that_nova_does_not_have() -> None:
    assert events(nova(messageStart={}), nova(x={}), nova(messageStop=7), eof=False)[1] == Unknown()


def test_an_error_in_the_place_of_a_model() -> None:
    assert events(chunk({"error": {"message": "no", "code": "c"}})) == [Error("vendor", "no", "c")]


@pytest.mark.parametrize("payload", ["", "{", '{"bytes":"SG!"}', '{"bytes":"SGk"}', '{"bytes":7}'])
def test_chunks_that_cannot_be_read(payload: str) -> None:
    odd, token = events(event("chunk", payload), chunk({"text": "a"}), eof=False)
    assert isinstance(odd, Error | Heartbeat)
    if isinstance(odd, Error):
        assert (odd.kind, odd.fatal) == ("malformed", False)
    assert token == Token("a")


@pytest.mark.parametrize(
    "first", [{"text": "a"}, {"outputText": "a"}, {"choices": []}, {"messageStart": {}}]
)
def test_what_a_chunk_holds_cannot_be_read(first: dict[str, Any]) -> None:
    odd = events(chunk(first), packed(b'{"stop_reason": {'), eof=False)[-1]
    assert isinstance(odd, Error)
    assert (odd.kind, odd.fatal) == ("malformed", False)
    assert odd.frame is not None
    assert odd.frame.event == "chunk"


# --- what Bedrock itself counts ---


def test_the_counts_of_the_model_are_not_overruled() -> None:
    """With tools the two differ, and the vendor's SDK has those of the model."""
    assert Completion.from_events(events(ANSWER)).usage == Usage(9, 5, final=True)


def test_counts_that_the_model_does_not_say() -> None:
    cached = {**METRICS, "cacheReadInputTokenCount": 2, "cacheWriteInputTokenCount": 1}
    wire = chunk({"type": "message_stop", "amazon-bedrock-invocationMetrics": cached})
    found = events(START, wire)
    assert found[2] == Usage(cache_read_tokens=2, cache_write_tokens=1, final=True)


@pytest.mark.parametrize("metrics", [[], {"inputTokenCount": "many"}, {}, None])
def test_metrics_that_are_no_counts(metrics: object) -> None:
    wire = chunk({"text": "a", "amazon-bedrock-invocationMetrics": metrics})
    found = events(wire, eof=False)
    assert found[0] == Token("a")
    assert found[1:] == ([Data("metrics", metrics)] if metrics else [])


def test_metrics_alone() -> None:
    assert events(chunk(OWN), eof=False) == COUNTED
    assert events(START, chunk(OWN), eof=False)[2:] == [Data("metrics", METRICS)]
    assert events(packed(b'["amazon-bedrock-",'), eof=False) == [Unknown()]


# --- the mirror ---


def sent(*said: Event) -> bytes:
    encoder = StreamEncoder(BEDROCK_INVOKE)
    return b"".join(map(encoder.send, said))


def test_the_wire_that_is_written() -> None:
    wire = sent(Token("a"), Data("metrics", METRICS), Finished(0, "stop"), Done("stop"))
    (frames, _, _) = cuts.read_frames(AWSEventsFramer, [wire])
    assert [json.loads(base64.b64decode(json.loads(one.text)["bytes"])) for one in frames] == [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "a"},
        },
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": None},
        },
        {"type": "message_stop", **OWN},
    ]


@pytest.mark.parametrize(
    "said",
    [
        [*SAID[:1], *SAID[2:-3], Usage(9, 5, final=True), *SAID[-2:]],
        [Started("m", "c"), Error("vendor", "no", "throttlingException", 429, Recovery.RETRY)],
        [Token("a"), Finished(0, "stop", "end_turn"), Error("vendor", "no", "brandNewException")],
        [Token("a"), *COUNTED[:1], *COUNTED[1:], Error("vendor", "no", "validationException", 400)],
        [Token("a"), Data("trace", {"guardrail": {}}), Error("vendor", "no", "some_code")],
    ],
    ids=repr,
)
def test_round_trips(said: list[Event]) -> None:
    assert events(sent(*said)) == said


@pytest.mark.parametrize(
    "refused",
    [
        Heartbeat("a comment"),
        Token("a", 1),
        Refusal("no"),
        Data("metrics"),
        Data("metrics", METRICS, 1),
        Error("malformed", "no", fatal=False),
        Done(),
    ],
    ids=repr,
)
def test_what_the_wire_cannot_say_leaves_the_encoder_as_it_was(refused: Event) -> None:
    encoder = StreamEncoder(BEDROCK_INVOKE)
    wire = encoder.send(Token("a"))
    with pytest.raises(LocalProtocolError):
        encoder.send(refused)
    wire += encoder.send(Token("b")) + encoder.send(Finished(0, "stop", "end_turn"))
    wire += encoder.send(Done("stop"))
    ended = [Finished(0, "stop", "end_turn"), Done("stop")]
    assert events(wire) == [Token("a"), Token("b"), *ended]


def test_a_guardrail_that_masks_does_not_end_an_answer() -> None:
    piece = {"outputText": "a", "amazon-bedrock-guardrailAction": "INTERVENED"}
    *_, last = events(chunk(piece))
    assert isinstance(last, Error)
    for proof in (OWN, {"amazon-bedrock-trace": {"guardrail": {}}}):
        assert events(chunk(piece), chunk({**piece, **proof}))[-1] == Done("content_filter")
        other = {**piece, "amazon-bedrock-guardrailAction": "NONE", **proof}
        assert isinstance(events(chunk(other))[-1], Error)


def test_an_end_of_coheres_that_names_no_generation_ends_all() -> None:
    said = [{"is_finished": False, "text": text, "index": n} for n, text in enumerate("ab")]
    finish = {"is_finished": True, "finish_reason": "COMPLETE"}
    assert events(*map(chunk, said), chunk(finish)) == [
        *(Token("a"), Token("b", 1)),
        *(Finished(0, "stop", "COMPLETE"), Finished(1, "stop", "COMPLETE"), Done("stop")),
    ]
    one = {**finish, "index": 1, "finish_reason": "MAX_TOKENS"}
    assert events(*map(chunk, said), chunk(one), chunk(finish))[2:] == [
        *(Finished(1, "length", "MAX_TOKENS"), Finished(0, "stop", "COMPLETE"), Done("stop")),
    ]


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """What the wire can say: text and thinking in turn, calls, an end."""
    said: list[Event] = [Started(draw(words), draw(words))]
    for part in range(draw(st.integers(0, 3))):
        kind = Token if part % 2 else Reasoning
        said += [kind(one, part=part) for one in draw(st.lists(texts, min_size=1, max_size=3))]
        said += draw(st.lists(st.sampled_from([Heartbeat(), Heartbeat("ping")]), max_size=1))
    for key in map(str, range(draw(st.integers(0, 2)))):
        said.append(ToolCall(key, 0, f"toolu_{key}", draw(words)))
        pieces = draw(arguments()) or ["{}"]
        said += [ToolCall(key, arguments=one) for one in pieces]
        said.append(ToolCall(key, complete=True))
    if draw(st.booleans()):
        return [*said, Error("vendor", draw(texts), "validationException", 400)]
    usage = draw(st.builds(Usage, counts, counts, final=st.just(True)))
    metrics = {"inputTokenCount": draw(counts), "invocationLatency": draw(counts)}
    end: list[Event] = [Finished(0, "stop", "end_turn"), usage]
    return [*said, *end, Data("metrics", metrics), Done("stop")]


@given(answers())
@settings(deadline=None)
def test_what_was_written_is_read_the_same(said: list[Event]) -> None:
    wire = sent(*said)
    outcome = read(cuts.in_pieces(wire, 7), BEDROCK_INVOKE)
    assert outcome == read([wire], BEDROCK_INVOKE)
    assert outcome.events == said


_KEYS = ["type", "text", "outputText", "outputs", "choices", "messageStart", "contentBlockDelta"]
_KEYS += ["delta", "stop_reason", "message", "is_finished", "generations", "event_type"]
_KEYS += ["amazon-bedrock-invocationMetrics", "amazon-bedrock-trace", "inputTokenCount"]


@given(st.data())
@settings(deadline=None)
def test_no_json_makes_the_decoder_raise(data: st.DataObject) -> None:
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
    value = st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4)
        ),
    )
    events(chunk(data.draw(value)), chunk(data.draw(value)))
