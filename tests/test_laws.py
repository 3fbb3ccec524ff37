"""DESIGN.md's laws 1 to 6 as properties, over every dialect."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.answers import ANSWERS as SHARED_ANSWERS
from tests.answers import cut
from tests.dialects import (
    test_a2a,
    test_ag_ui,
    test_anthropic_complete,
    test_bedrock_agent,
    test_bedrock_converse,
    test_bedrock_invoke,
    test_cohere,
    test_dashscope,
    test_dify,
    test_gemini,
    test_gemini_interactions,
    test_langgraph,
    test_llamacpp,
    test_lmstudio,
    test_mcp,
    test_mistral,
    test_openai_assistants,
    test_openai_audio,
    test_openai_completions,
    test_openai_images,
    test_openai_responses,
    test_replicate,
    test_sglang,
    test_text,
    test_tgi,
    test_vercel_data,
    test_vercel_ui,
    test_watsonx,
    test_workers_ai,
)
from tests.reading import read

from tokenwire import (
    Done,
    Error,
    Event,
    Finished,
    Frame,
    Limits,
    Signal,
    State,
    StreamEncoder,
    StreamParser,
    Token,
    available_dialects,
    get_dialect,
)

ANSWERS = {
    **SHARED_ANSWERS,
    "a2a": test_a2a.answers(),
    "ag-ui": test_ag_ui.answers(),
    "anthropic-complete": test_anthropic_complete.answers(),
    "bedrock-agent": test_bedrock_agent.answers(),
    "bedrock-converse": test_bedrock_converse.answers(),
    "bedrock-invoke": test_bedrock_invoke.answers(),
    "cohere-v1": test_cohere.answers_v1(),
    "cohere-v2": test_cohere.answers_v2(),
    "dashscope": test_dashscope.answers(),
    "dify": test_dify.answers(),
    "gemini-array": test_gemini.answers_in_an_array(),
    "gemini-interactions": test_gemini_interactions.answers(),
    "gemini-sse": test_gemini.answers(),
    "langgraph": test_langgraph.answers(),
    "llamacpp": test_llamacpp.answers(),
    "lmstudio": test_lmstudio.answers(),
    "mcp": test_mcp.answers(),
    "mistral": test_mistral.answers(),
    "openai-assistants": test_openai_assistants.answers(),
    "openai-audio": test_openai_audio.answers(),
    "openai-completions": test_openai_completions.answers(),
    "openai-images": test_openai_images.answers(),
    "openai-responses": test_openai_responses.answers(),
    "replicate": test_replicate.answers(),
    "sglang": test_sglang.answers(),
    "text": test_text.answers(),
    "tgi": test_tgi.answers(),
    "vercel-data": test_vercel_data.answers(),
    "vercel-ui": test_vercel_ui.answers(),
    "watsonx": test_watsonx.answers(),
    "workers-ai": test_workers_ai.answers(),
}
DIALECTS = sorted(ANSWERS)
every_dialect = pytest.mark.parametrize("dialect", DIALECTS)
common = settings(
    max_examples=settings.default.max_examples * 2 // 5,
    suppress_health_check=[HealthCheck.too_slow],
    deadline=None,
)


def encode(dialect: str, events: list[Event]) -> bytes:
    encoder = StreamEncoder(dialect)
    return b"".join(map(encoder.send, events))


def test_every_dialect_that_writes_is_held_to_the_laws() -> None:
    assert [name for name in available_dialects() if get_dialect(name).encoder] == DIALECTS


@every_dialect
@given(st.data())
@common
def test_1_chunking(dialect: str, data: st.DataObject) -> None:
    """However the bytes are cut, events, frames, state, cursor and error are equal."""
    wire = encode(dialect, data.draw(ANSWERS[dialect]))
    assert read(data.draw(cut(wire)), dialect) == read([wire], dialect)


# Bytes that look like a wire: fields, line ends, JSON of the right and of the wrong shape.
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["content_block_delta", "message_start", "error", "[DONE]", "stop"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "delta",
                    "content",
                    "index",
                    "finish_reason",
                    "id",
                    "model",
                    "usage",
                    "error",
                    "tool_calls",
                    "function",
                    "arguments",
                    "name",
                    "type",
                    "message",
                    "message_start",
                    "content_block",
                    "text",
                    "thinking",
                    "done",
                    "response",
                    "token",
                    "position",
                    "reasoning_details",
                    "object",
                    "base_resp",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
_PIECES = st.one_of(
    st.sampled_from(
        [
            b"data: ",
            b"data:",
            b"event: error",
            b"event: message_stop",
            b"id: 7",
            b"id: a\x00b",
            b"retry: 10",
            b": hi",
            b"\n",
            b"\r",
            b"\r\n",
            b"\n\n",
            b"\xef\xbb\xbf",
            b"[DONE]",
            b"{",
            b"}",
            b"data: [DONE]\n\n",
            b"\xff",
            b'{"error":',
            b"error: {}",
        ]
    ),
    _JSON.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=8),
)
wires = st.lists(_PIECES, max_size=20).map(b"".join)


@every_dialect
@given(st.data(), wires)
@common
def test_1_chunking_of_garbage(dialect: str, data: st.DataObject, wire: bytes) -> None:
    """The same for bytes that no service sends, and under limits that they break."""
    limits = Limits(max_event_size=data.draw(st.sampled_from([8, 64, 2**24])))
    whole = read([wire] if wire else [], dialect, limits=limits)
    assert repr(read(data.draw(cut(wire)), dialect, limits=limits)) == repr(whole)


@every_dialect
@given(st.data())
@common
def test_2_truncation(dialect: str, data: st.DataObject) -> None:
    """A proper prefix that lacks the proof of completeness has no `Done` and ends in an error."""
    events = data.draw(ANSWERS[dialect])
    wire = encode(dialect, events)
    assume(wire)
    prefix = wire[: data.draw(st.integers(0, len(wire) - 1))]
    got = read([prefix] if prefix else [], dialect).events
    last = got[-1]
    if dialect == "text" and got[:-1] and prefix.decode("utf-8", "ignore").encode() == prefix:
        assert isinstance(last, Done)  # any text may be a whole one: only the transport knows
    elif dialect == "bedrock-agent" and isinstance(last, Done):
        framer = get_dialect(dialect).framer(Limits())
        framer.receive_data(prefix)
        framer.receive_eof()  # an answer ends with its body: only between messages it may
        assert not framer.frames[-1].unterminated
    elif isinstance(last, Done):
        finished = [event for event in events if isinstance(event, Finished | Token)]
        assert [event for event in got if isinstance(event, Finished | Token)] == finished
    else:
        assert isinstance(last, Error)
        assert last.kind == "truncated" or last == events[-1]
        assert not any(isinstance(event, Done) for event in got)


@every_dialect
@given(st.data())
@common
def test_3_round_trip(dialect: str, data: st.DataObject) -> None:
    """Parsing what was encoded gives the same events."""
    events = data.draw(ANSWERS[dialect])
    # Some answers are complete at EOF only; an event source never is.
    ended = bool(events) and isinstance(events[-1], Done | Error)
    got = read([encode(dialect, events)] if events else [], dialect, eof=ended).events
    assert got == events


@every_dialect
@given(wires)
@common
def test_4_totality_of_bytes(dialect: str, wire: bytes) -> None:
    """No bytes make a parser raise, and every stream ends in `Done` or in a fatal error."""
    result = read([wire] if wire else [], dialect)
    last = result.events[-1]
    assert isinstance(last, Done) or (isinstance(last, Error) and last.fatal)
    assert result.state in (State.CLOSED, State.FAILED)
    for event in result.events[:-1]:
        assert not isinstance(event, Done)
        assert not (isinstance(event, Error) and event.fatal)


@every_dialect
@given(st.lists(st.tuples(_JSON, st.sampled_from(["", "error", "ping", "message_delta"]))))
@common
def test_4_totality_of_json(dialect: str, values: list[tuple[object, str]]) -> None:
    """No JSON value makes a decoder raise, in any order."""
    decoder = get_dialect(dialect).decoder()
    decode = decoder if callable(decoder) else decoder.receive_frame
    for value, event in values:
        for found in decode(Frame(json.dumps(value).encode(), event)):
            assert isinstance(found, Event)


@every_dialect
@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 100_000,
        b'{"choices":' * 50_000,
        b"1" * 10_000,
        b'{"index":' + b"9" * 5_000 + b"}",
        b'{"choices":[{"delta":{"content":"\\ud83d"}}]}',
        b'{"text":"\\ud83d","response":"\\ud83d"}',
        b'{"choices":[{"index":NaN}],"done":Infinity}',
        b"\xff\xfe\x00",
        b'{"a":1}{"a":2}',
        b"",
    ],
    ids=lambda payload: repr(payload[:24]),
)
def test_4_totality_of_hard_json(dialect: str, payload: bytes) -> None:
    """Depth, huge numbers, half surrogates, NaN, bad UTF-8 and JSON values in a row."""
    decoder = get_dialect(dialect).decoder()
    decode = decoder if callable(decoder) else decoder.receive_frame
    for found in decode(Frame(payload)):
        assert isinstance(found, Event)


@every_dialect
@given(st.data(), wires)
@common
def test_6_memory(dialect: str, data: st.DataObject, wire: bytes) -> None:
    """`buffered` never passes the limit, whatever comes and however it is cut."""
    limit = data.draw(st.sampled_from([1, 8, 64]))
    parser = StreamParser(dialect, limits=Limits(max_event_size=limit))
    for chunk in data.draw(cut(wire)):
        parser.receive_data(chunk)
        while not isinstance(parser.next_event(), Signal):
            pass
        # A binary message tells its size in its first 12 bytes.
        assert parser.buffered <= max(limit, 12) or parser.state is State.FAILED
