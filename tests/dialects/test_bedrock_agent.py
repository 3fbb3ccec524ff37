"""bedrock-agent: agents, flows and knowledge bases, which mostly end with their body."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import cuts
from tests.answers import texts, words
from tests.dialects.test_bedrock_converse import KEEP_ALIVE, exception
from tests.framing.event_messages import event
from tests.reading import read

from tokenwire import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    LocalProtocolError,
    Reasoning,
    Recovery,
    State,
    StreamEncoder,
    StreamParser,
    Token,
    ToolCall,
    Unknown,
)
from tokenwire.dialects.bedrock.agent import BEDROCK_AGENT
from tokenwire.dialects.kit.payloads import json_text

CITATION = {"generatedResponsePart": {"textResponsePart": {"text": "a"}}, "retrievedReferences": []}
TRACE = {"agentId": "A", "trace": {"guardrailTrace": {"action": "NONE"}}}


def said(kind: str, **payload: Any) -> bytes:
    return event(kind, json.dumps(payload))


def chunk(text: bytes, **fields: Any) -> bytes:
    return said("chunk", bytes=base64.b64encode(text).decode(), **fields)


def control(*inputs: dict[str, Any]) -> bytes:
    return said("returnControl", invocationId="i", invocationInputs=list(inputs))


def events(*wire: bytes, eof: bool = True) -> list[Event]:
    return read([b"".join(wire)], BEDROCK_AGENT, eof=eof).events


FUNCTION = {
    "functionInvocationInput": {
        "actionGroup": "g",
        "function": "f",
        "parameters": [
            {"name": "city", "type": "string", "value": "5"},
            {"name": "days", "type": "integer", "value": "5"},
            {"name": "all", "type": "boolean", "value": "yes"},
            {"name": "raw", "type": "array", "value": [1]},
        ],
    }
}
API = {
    "apiInvocationInput": {
        "actionGroup": "g",
        "apiPath": "/weather",
        "httpMethod": "POST",
        "parameters": [{"name": "city", "type": "string", "value": "Paris"}],
        "requestBody": {
            "content": {
                "application/json": {
                    "properties": [{"name": "days", "type": "number", "value": "1.5"}]
                }
            }
        },
    }
}
ANSWER = b"".join(
    (
        said("trace", **TRACE),
        chunk(b"H"),
        KEEP_ALIVE,
        chunk("é🗼".encode(), attribution={"citations": [CITATION]}),
        said("files", files=[{"name": "a.csv", "type": "text/csv", "bytes": "YQ=="}]),
    )
)
SAID: list[Event] = [
    Data("trace", TRACE),
    Token("H"),
    Heartbeat(),
    Token("é🗼"),
    Data("citation", CITATION),
    Data("file", {"name": "a.csv", "type": "text/csv", "bytes": "YQ=="}),
    Done("stop"),
]


def test_an_answer_in_every_cut() -> None:
    outcome = cuts.in_every_cut(lambda chunks: read(chunks, BEDROCK_AGENT), ANSWER)
    assert outcome.events == SAID
    assert outcome.state is State.CLOSED


def test_q17_a_cut_is_told_from_the_end_but_between_two_messages() -> None:
    """Nothing ends an answer: only a message that broke off, or none of it, shows a cut."""
    boundaries = {0}
    for message in (said("trace", **TRACE), chunk(b"H"), KEEP_ALIVE):
        boundaries.add(max(boundaries) + len(message))
    last = max(boundaries) + len(chunk("é🗼".encode(), attribution={"citations": [CITATION]}))
    answered = {*sorted(boundaries)[2:], last, len(ANSWER)}
    for cut in range(len(ANSWER) + 1):
        found = events(ANSWER[:cut])
        assert isinstance(found[-1], Done if cut in answered else Error)
        assert found[:-1] == SAID[: len(found) - 1]


def test_a_character_split_over_chunks() -> None:
    raw = "é🗼".encode()
    assert events(*(chunk(raw[at : at + 1]) for at in range(len(raw)))) == [
        Token("é"),
        Token("🗼"),
        Done("stop"),
    ]
    cut = events(chunk(b"a"), chunk(raw[:1]))
    assert cut[0] == Token("a")
    assert isinstance(cut[-1], Error)
    assert events(chunk(b"a\xff"), chunk(b"b")) == [Token("a�"), Token("b"), Done("stop")]


def test_calls_that_are_handed_over() -> None:
    found = events(chunk(b"I will"), control(FUNCTION, API), control(FUNCTION))
    arguments = '{"city":"5","days":5,"all":"yes","raw":[1]}'
    assert found == [
        Token("I will"),
        ToolCall("0", 0, "i", "f", arguments, complete=True),
        ToolCall("1", 0, "i", "/weather", '{"city":"Paris","days":1.5}', complete=True),
        ToolCall("2", 0, "i", "f", arguments, complete=True),
        Done("tool_calls"),
    ]


@pytest.mark.parametrize(
    "inputs",
    [
        {"functionInvocationInput": {"function": "f", "parameters": [7, {}, {"value": "a"}]}},
        {"functionInvocationInput": {"function": "f"}},
        {"apiInvocationInput": {"apiPath": "f", "requestBody": {"content": {"x": 7}}}},
        {"apiInvocationInput": {"apiPath": "f", "requestBody": {"content": []}}},
        {"apiInvocationInput": {"apiPath": "f", "requestBody": 7}},
    ],
)
def test_calls_without_arguments(inputs: dict[str, Any]) -> None:
    assert events(control(inputs))[0] == ToolCall("0", 0, "i", "f", "{}", complete=True)


def test_a_call_of_a_kind_that_is_not_known() -> None:
    assert events(control({"brandNew": {}}))[0] == ToolCall("0", 0, "i", None, "{}", complete=True)
    assert events(control(), eof=False) == [Unknown()]


def test_a_flow_says_that_it_is_complete() -> None:
    output = said("flowOutputEvent", content={"document": "a"}, nodeName="n")
    data = said("flowOutputEvent", content={"document": {"x": 1}})
    trace = said("flowTraceEvent", trace={})
    completion = said("flowCompletionEvent", completionReason="SUCCESS")
    found = [Token("a"), Data("document", {"x": 1}), Data("trace", {"trace": {}})]
    assert events(output, data, trace, completion) == [
        *found,
        Finished(0, "stop", "SUCCESS"),
        Done("stop"),
    ]
    cut = events(output, data, trace)
    assert cut[:-1] == found
    assert isinstance(cut[-1], Error)
    failed = events(output, completion, exception("badGatewayException"))
    assert failed[-1] == Error("vendor", "no", "badGatewayException", 502, Recovery.RETRY)


def test_a_connection_that_breaks_proves_nothing() -> None:
    for wire, ended in (
        (chunk(b"a"), False),
        (said("flowOutputEvent", content={"document": "a"}), False),
        (said("flowCompletionEvent", completionReason="SUCCESS"), True),
    ):
        parser = StreamParser(BEDROCK_AGENT)
        parser.receive_data(wire)
        parser.connection_lost("a reset")
        last = list(parser.events())[-1]
        assert last == Done("stop") if ended else isinstance(last, Error)


def test_a_flow_that_asks() -> None:
    ask = {"content": {"document": "which?"}, "nodeName": "n"}
    assert events(
        said("flowMultiTurnInputRequestEvent", **ask),
        said("flowOutputEvent"),
        said("flowCompletionEvent", completionReason="INPUT_REQUIRED"),
    ) == [
        Data("input_request", ask),
        Data("document"),
        Finished(0, "pause", "INPUT_REQUIRED"),
        Done("pause"),
    ]


def test_a_knowledge_base() -> None:
    assert events(
        said("guardrail", action="NONE"),
        said("output", text="a"),
        said("citation", citation=CITATION),
        said("output"),
    ) == [
        Data("guardrail", {"action": "NONE"}),
        Token("a"),
        Data("citation", {"citation": CITATION}),
        Done("stop"),
    ]


@pytest.mark.parametrize(
    ("name", "status", "recovery"),
    [
        ("throttlingException", 429, Recovery.RETRY),
        ("badGatewayException", 502, Recovery.RETRY),
        ("conflictException", 409, Recovery.RETRY),
        ("modelNotReadyException", 424, Recovery.RETRY),
        ("dependencyFailedException", 424, Recovery.FATAL),
        ("serviceQuotaExceededException", 400, Recovery.FATAL),
    ],
)
def test_exceptions(name: str, status: int, recovery: Recovery) -> None:
    assert events(ANSWER, exception(name))[-1] == Error("vendor", "no", name, status, recovery)


@pytest.mark.parametrize("payload", ["{", '{"bytes":"SG!"}', '{"bytes":7}', "[1]"])
def test_what_cannot_be_read_is_not_the_end(payload: str) -> None:
    error, token, end = events(event("chunk", payload), chunk(b"a"))
    assert isinstance(error, Error)
    assert (error.kind, error.fatal) == ("malformed", False)
    assert token == Token("a")
    assert isinstance(end, Error)
    assert (end.kind, end.fatal) == ("malformed", True)


def test_what_has_no_meaning_here() -> None:
    assert events(said("brandNew"), said("files"), eof=False) == [Unknown()]
    assert events(event("trace", "no JSON"), eof=False) == [Data("trace", "no JSON")]


# --- the mirror ---


def sent(*said: Event) -> bytes:
    encoder = StreamEncoder(BEDROCK_AGENT)
    return b"".join(map(encoder.send, said))


VALUES = {"s": "5", "b": True, "i": 5, "f": 1.5, "a": [1], "o": {"x": 1}, "n": None}


@pytest.mark.parametrize(
    "said",
    [
        SAID,
        [
            Token("a"),
            ToolCall("0", 0, "i", "f", json.dumps(VALUES, separators=(",", ":")), complete=True),
            ToolCall("1", 0, "i", "g", "{}", complete=True),
            Done("tool_calls"),
        ],
        [Token("a"), Finished(0, "stop", "SUCCESS"), Done("stop")],
        [
            Data("document", {"x": 1}),
            Data("input_request", {"content": {}}),
            Finished(0, "pause", "INPUT_REQUIRED"),
            Done("pause"),
        ],
        [Data("guardrail", {"action": "NONE"}), Error("vendor", "no", "brandNewException")],
    ],
    ids=["agent", "calls", "flow", "flow-that-asks", "error"],
)
def test_round_trips(said: list[Event]) -> None:
    assert events(sent(*said)) == said


def test_an_agent_has_no_word_for_its_end() -> None:
    assert events(sent(Token("a"), Done("stop"))) == [Token("a"), Done("stop")]


@pytest.mark.parametrize(
    "refused",
    [
        Token("a", 1),
        Reasoning("a"),
        Heartbeat("a comment"),
        Finished(0, "stop", "stop"),
        Finished(0, "length", "length"),
        Data("citation"),
        Data("file"),
        Data("image", "x"),
        Data("document", "a"),
        ToolCall("0", 0, "i", "f", "{}"),
        ToolCall("0", 0, "i", "f", "{", complete=True),
        ToolCall("0", 0, "i", "f", "[]", complete=True),
        Error("malformed", "no", fatal=False),
    ],
    ids=repr,
)
def test_what_the_wire_cannot_say_leaves_the_encoder_as_it_was(refused: Event) -> None:
    encoder = StreamEncoder(BEDROCK_AGENT)
    wire = encoder.send(Token("a"))
    with pytest.raises(LocalProtocolError):
        encoder.send(refused)
    wire += encoder.send(Token("b")) + encoder.send(Done("stop"))
    assert events(wire) == [Token("a"), Token("b"), Done("stop")]


@pytest.mark.parametrize(
    "said", [[], [Heartbeat()], [Data("document", 1)], [Data("document", 1), Token("a")]], ids=repr
)
def test_done_comes_after_an_answer(said: list[Event]) -> None:
    encoder = StreamEncoder(BEDROCK_AGENT)
    for one in said:
        encoder.send(one)
    with pytest.raises(LocalProtocolError, match="bedrock-agent: Done comes after an answer"):
        encoder.send(Done("stop"))


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """What the wire can say: text with its sources, calls, an end."""
    values = st.dictionaries(words, texts | st.integers(-9, 9) | st.booleans(), min_size=1)
    pieces = st.one_of(
        st.just(Heartbeat()),
        st.builds(Token, texts),
        st.builds(Data, st.sampled_from(["trace", "citation", "file"]), values),
    )
    said: list[Event] = [Token(draw(texts)), *draw(st.lists(pieces, max_size=8))]
    calls = draw(st.lists(st.tuples(words, values), max_size=2))
    for key, (name, arguments) in enumerate(calls):
        call = ToolCall(str(key), 0, f"i{key}", name, json_text(arguments), complete=True)
        said.append(call)
    if draw(st.booleans()):
        return [*said, Error("vendor", draw(texts), "validationException", 400)]
    return [*said, Done("tool_calls" if calls else "stop")]


@given(answers())
@settings(deadline=None)
def test_what_was_written_is_read_the_same(said: list[Event]) -> None:
    wire = sent(*said)
    outcome = read(cuts.in_pieces(wire, 7), BEDROCK_AGENT)
    assert outcome == read([wire], BEDROCK_AGENT)
    assert outcome.events == said


_KINDS = ["chunk", "returnControl", "files", "output", "flowOutputEvent", "flowCompletionEvent"]
_KEYS = ["bytes", "attribution", "citations", "invocationInputs", "apiInvocationInput", "content"]
_KEYS += ["functionInvocationInput", "parameters", "name", "type", "value", "requestBody", "files"]


@given(st.sampled_from(_KINDS), st.data())
@settings(deadline=None)
def test_no_json_makes_the_decoder_raise(kind: str, data: st.DataObject) -> None:
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
    value = st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4)
        ),
    )
    events(event(kind, json.dumps(data.draw(value))))
