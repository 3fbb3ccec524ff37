"""``vercel-ui``: the AI SDK's UI message stream."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.answers import comments, cut, texts, words
from tests.cuts import breaks_off, in_every_cut
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
from tokenwire.dialects.kit.payloads import MAX_INDEX

DONE = b"data: [DONE]\n\n"
FINISH = {"type": "finish", "finishReason": "stop"}
STOPPED: list[Event] = [Finished(0, "stop", "stop"), Done("stop")]


def wire(*payloads: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in payloads)


def events(*payloads: Any) -> list[Event]:
    return read([wire(*payloads)], "vercel-ui", eof=False).events


def say(text: str, id: str = "1", kind: str = "text") -> dict[str, Any]:
    return {"type": f"{kind}-delta", "id": id, "delta": text}


def call(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"tool-input-{kind}", "toolCallId": "c", **fields}


STEP = {"type": "start-step"}
WHOLE = (
    b": keep-alive\n\n"
    + wire(
        {"type": "start", "messageId": "m1"},
        STEP,
        {"type": "reasoning-start", "id": "r"},
        say("Hm", "r", "reasoning"),
        {"type": "reasoning-end", "id": "r", "providerMetadata": {"anthropic": {"signature": "s"}}},
        {"type": "text-start", "id": "1"},
        say("Hi"),
        say(""),
        say(" 世界"),
        {"type": "text-end", "id": "1"},
        {"type": "finish-step"},
        {"type": "data-note", "id": "n", "data": [1], "transient": True},
        FINISH,
        {"type": "message-metadata", "messageMetadata": {"usage": {"inputTokens": 3}}},
    )
    + DONE
)
SAID: list[Event] = [
    Heartbeat("keep-alive"),
    Started("m1"),
    Reasoning("Hm"),
    Reasoning("", signature="s"),
    Token("Hi"),
    Token(" 世界"),
    Data("data-note", {"type": "data-note", "id": "n", "data": [1], "transient": True}),
    Finished(0, "stop", "stop"),
    Usage(3, final=True),
    Done("stop"),
]


def test_an_answer_in_every_cut() -> None:
    assert in_every_cut(partial(read, dialect="vercel-ui"), WHOLE).events == SAID


def test_every_prefix_is_a_truncation_until_the_finish() -> None:
    finish = WHOLE.index(b"}", WHOLE.index(b'"finish"'))
    for end in range(len(WHOLE)):
        got = read([WHOLE[:end]], "vercel-ui").events
        if end > finish and not breaks_off(WHOLE[:end]):
            assert got[-1] == Done("stop")
        else:
            assert isinstance(got[-1], Error)
            assert got[-1].kind == "truncated"
            assert Done("stop") not in got


# --- how it ends ---


@pytest.mark.parametrize(
    ("payload", "reason", "raw"),
    [
        ({"type": "finish"}, "stop", None),
        ({"type": "finish", "finishReason": ""}, "stop", None),
        ({"type": "finish", "finishReason": "length"}, "length", "length"),
        ({"type": "finish", "finishReason": "content-filter"}, "content_filter", "content-filter"),
        ({"type": "finish", "finishReason": "tool-calls"}, "tool_calls", "tool-calls"),
        ({"type": "finish", "finishReason": "unknown"}, "other", "unknown"),
        ({"type": "finish", "finishReason": "brand-new"}, "other", "brand-new"),
        ({"type": "abort", "reason": "user"}, "cancelled", "abort"),
    ],
)
@pytest.mark.parametrize("sentinel", [DONE, b""])
def test_reasons(payload: Any, reason: Any, raw: str | None, sentinel: bytes) -> None:
    """with [DONE] or without."""
    got = read([wire(payload) + sentinel], "vercel-ui").events
    assert got == [Finished(0, reason, raw), Done(reason)]


@pytest.mark.parametrize("kind", ["text", "reasoning"])
@pytest.mark.parametrize("word", [None, "unknown", "other"])
def test_a_block_left_open_where_nobody_knows_why_it_ended_was_cut(kind: str, word: Any) -> None:
    """The SDK closes what it began, unless the model's own stream broke off."""
    begun = {"type": f"{kind}-start", "id": "1"}
    ended = {"type": f"{kind}-end", "id": "1"}
    finish = {"type": "finish"} if word is None else {"type": "finish", "finishReason": word}
    for end in (DONE, b""):
        cut_off = read([wire(begun, say("a", kind=kind), finish) + end], "vercel-ui").events[-1]
        assert isinstance(cut_off, Error)
        assert cut_off.kind == "truncated"
        whole = read([wire(begun, say("a", kind=kind), ended, finish) + end], "vercel-ui").events
        assert isinstance(whole[-1], Done)
    known = read([wire(begun, say("a", kind=kind), FINISH)], "vercel-ui").events
    assert known[-1] == Done("stop")  # it is said why


def test_a_text_that_no_event_began_is_not_left_open() -> None:
    assert read([wire(say("a"), {"type": "finish"})], "vercel-ui").events[-1] == Done("stop")


def test_calls_that_wait_for_the_client_are_the_reason_where_none_is_given() -> None:
    asked = call("available", toolName="f", input={})
    answered = {"type": "tool-output-available", "toolCallId": "c", "output": 1}
    ran = call("available", toolName="f", input={}, providerExecuted=True)
    finish = {"type": "finish"}
    for said, reason in (
        ([asked], "tool_calls"),
        ([asked, answered], "stop"),
        ([ran], "stop"),
    ):
        assert read([wire(*said, finish)], "vercel-ui").events[-1] == Done(reason)  # type: ignore[arg-type]


def test_very_many_blocks_left_open_and_calls_without_an_answer() -> None:
    blocks = [{"type": "text-start", "id": str(n)} for n in range(MAX_INDEX + 1)]
    calls = [
        {"type": "tool-input-available", "toolCallId": str(n), "toolName": "f", "input": {}}
        for n in range(MAX_INDEX + 1)
    ]
    got = read([wire(*blocks, {"type": "reset-step"}, *calls, {"type": "finish"})], "vercel-ui")
    assert got.events[-1] == Done("tool_calls")


@pytest.mark.parametrize("word", ["error", "interrupted"])
def test_a_finish_that_is_a_failure(word: str) -> None:
    finished, error = read(
        [wire({"type": "finish", "finishReason": word}) + DONE], "vercel-ui"
    ).events
    assert finished == Finished(0, "error", word)
    assert isinstance(error, Error)
    assert (error.code, error.recovery) == (word, Recovery.RETRY)


def test_q16_done_without_a_finish_is_a_truncation() -> None:
    token, error = read([wire(say("Hi")) + DONE], "vercel-ui").events
    assert token == Token("Hi")
    assert isinstance(error, Error)
    assert error.kind == "truncated"
    assert "a finish or abort event" in error.message


def test_q16_done_after_an_error_says_nothing() -> None:
    got = read(
        [wire({"type": "error", "errorText": "An error occurred."}, FINISH) + DONE], "vercel-ui"
    )
    assert got.events == [Error("vendor", "An error occurred.")]


def test_q35_the_sentinel_in_quotes() -> None:
    assert read([wire(FINISH) + b'data: "[DONE]"\n\n'], "vercel-ui").events == STOPPED


def test_finish_step_is_no_finish() -> None:
    got = read([wire(say("Hi"), {"type": "finish-step"})], "vercel-ui").events
    assert isinstance(got[-1], Error)


@pytest.mark.parametrize("more", [STEP, say("b", "2"), {"type": "start"}, call("start")])
def test_a_merged_stream_goes_on_after_a_finish(more: Any) -> None:
    cut_off = read([wire(FINISH, more)], "vercel-ui").events
    assert isinstance(cut_off[-1], Error)
    assert read([wire(FINISH, more, FINISH)], "vercel-ui").events[-1] == Done("stop")
    assert read([wire(FINISH, more) + DONE], "vercel-ui").events[-1] == Done("stop")


@pytest.mark.parametrize(
    "payload", [{"error": {"message": "no", "code": "c"}}, {"detail": "no"}, {"error": "no"}]
)
def test_other_errors(payload: Any) -> None:
    (error,) = events(payload)
    assert isinstance(error, Error)
    assert error.message == "no"


# --- parts ---


def test_parts_are_numbered_by_kind_as_they_begin() -> None:
    got = events(
        {"type": "text-start", "id": "0"},
        say("a", "0"),
        {"type": "text-start", "id": "x"},
        say("b", "x"),
        say("c", "0"),
        {"type": "text-end", "id": "0"},
        STEP,
        {"type": "text-start", "id": "0"},  # each step may begin with the same names
        say("d", "0"),
        say("e", "never opened"),
        say("f", "0", "reasoning"),
        {"type": "reasoning-start", "id": "1", "providerMetadata": {"p": {"signature": "s"}}},
        {"type": "reasoning-start", "id": "2", "providerMetadata": {"p": {"itemId": "i"}, "q": 1}},
        say("g", "2", "reasoning"),
    )
    assert got == [
        Token("a"),
        Token("b", part=1),
        Token("c"),
        Token("d", part=2),
        Token("e", part=3),
        Reasoning("f"),
        Reasoning("", part=1, signature="s"),
        Data("extra", {"providerMetadata.q": 1}),
        Reasoning("g", part=2),
    ]


def test_what_stands_where_a_signature_should_is_told() -> None:
    def signed(metadata: Any) -> Event:
        return events({"type": "reasoning-end", "id": "1", "providerMetadata": metadata})[0]

    assert signed({"p": {"signature": 6}}) == Reasoning("", signature="6")
    for metadata, value in (
        (6, {"providerMetadata": 6}),
        ({"p": ["a"], "q": None}, {"providerMetadata.p": ["a"]}),
        ({"p": {"signature": ["a"]}}, {"providerMetadata.p.signature": ["a"]}),
    ):
        assert signed(metadata) == Data("extra", value)


def test_very_many_parts_share_the_last_number() -> None:
    found = events(*(say("x", str(n)) for n in range(1500)), {"type": "reset-step"})
    parts = [event.part for event in found if isinstance(event, Token)]
    assert parts == [*range(1024), *[1024] * 476]
    assert found[-1] == Reset()


# --- reset-step ---


def test_reset_of_the_only_step_voids_everything() -> None:
    got = events(
        {"type": "start", "messageId": "m"}, STEP, say("a"), call("start", toolName="f"),
        call("delta", inputTextDelta="{"), {"type": "reset-step"}, STEP, say("b"),
        call("delta", inputTextDelta="}"), FINISH,
    )  # fmt: skip
    assert got == [
        Started("m"),
        Token("a"),
        ToolCall("0", 0, "c", "f"),
        ToolCall("0", arguments="{"),
        Reset(),
        Token("b"),
        STOPPED[0],
    ]
    completion = Completion.from_events(got)
    assert completion.text == "b"
    assert completion.choices[0].tool_calls == []


def test_reset_of_a_later_step_voids_its_texts_alone() -> None:
    got = events(
        STEP, say("a"), {"type": "finish-step"}, STEP, say("b", "2"), say("c", "3"),
        {"type": "reset-step"}, {"type": "reset-step"}, say("d", "2"), FINISH,
    )  # fmt: skip
    assert got[3:] == [Reset(0, 1), Reset(0, 2), Token("d", part=3), STOPPED[0]]
    assert Completion.from_events(got).text == "ad"


def test_steps_without_content_do_not_count() -> None:
    assert events(STEP, {"type": "finish-step"}, STEP, say("a"), {"type": "reset-step"}) == [
        Token("a"),
        Reset(),
    ]


# --- tool calls ---


def test_q24_input_in_pieces_is_not_doubled_by_the_whole() -> None:
    got = events(
        call("start", toolName="f", providerExecuted=True, dynamic=True),
        call("delta", inputTextDelta='{"a":'),
        call("delta", inputTextDelta=""),
        call("delta", inputTextDelta="1}"),
        call("available", toolName="f", input={"a": 1}, providerExecuted=True),
    )
    assert got == [
        ToolCall("0", 0, "c", "f", provider_executed=True),
        ToolCall("0", arguments='{"a":'),
        ToolCall("0", arguments="1}"),
        ToolCall("0", complete=True, provider_executed=True),
    ]


@pytest.mark.parametrize(
    ("input", "arguments"), [({"a": 1}, '{"a":1}'), (None, "{}"), ("sql", '"sql"'), ([], "[]")]
)
def test_whole_input(input: Any, arguments: str) -> None:
    available = call("available", toolName="f", input=input)
    assert events(available, available) == [
        ToolCall("0", 0, "c", "f", arguments, True),
        ToolCall("1", 0, "c", "f", arguments, True),
    ]
    assert events(call("start", toolName="f"), available) == [
        ToolCall("0", 0, "c", "f"),
        ToolCall("0", arguments=arguments, complete=True),
    ]


def test_input_that_is_plain_text_comes_whole() -> None:
    got = events(
        call("start", toolName="sql", inputEncoding="text"),
        call("delta", inputTextDelta="select 1"),
        call("available", toolName="sql", input="select 1"),
    )
    assert got == [ToolCall("0", 0, "c", "sql", '"select 1"', True)]


def test_a_call_that_begins_again_or_fails_is_void() -> None:
    failed = call("error", toolName="f", input="{", errorText="no JSON")
    got = events(
        call("start", toolName="f"), call("delta", inputTextDelta="{"),
        call("start", toolName="g"), failed, call("delta", inputTextDelta="}"),
    )  # fmt: skip
    assert got == [
        ToolCall("0", 0, "c", "f"),
        ToolCall("0", arguments="{"),
        ToolCall("1", 0, "c", "g"),
        Data("tool-input-error", failed),
    ]


def test_open_calls_are_bounded() -> None:
    got = events(*({**call("start", toolName="f"), "toolCallId": str(n)} for n in range(1030)))
    assert sum(isinstance(event, Error) for event in got) == 6


# --- data ---


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "source-url", "sourceId": "s", "url": "u"},
        {"type": "source-document", "sourceId": "s", "mediaType": "m", "title": "t"},
        {"type": "file", "url": "data:x", "mediaType": "image/png"},
        {"type": "reasoning-file", "url": "data:x", "mediaType": "image/png"},
        {"type": "custom", "kind": "a.b"},
        {"type": "steering-message", "id": "1", "parts": []},
        {"type": "tool-approval-request", "approvalId": "a", "toolCallId": "c"},
        {"type": "tool-approval-response", "approvalId": "a", "approved": False},
        {"type": "tool-output-available", "toolCallId": "c", "output": {"x": [None]}},
        {"type": "tool-output-error", "toolCallId": "c", "errorText": "no"},
        {"type": "tool-output-denied", "toolCallId": "c"},
        {"type": "data-weather", "data": {"c": 20}},
    ],
    ids=lambda payload: payload["type"],
)
def test_data(payload: dict[str, Any]) -> None:
    assert events(payload) == [Data(payload["type"], payload)]


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        ({"a": 1}, [Data("message-metadata", {"a": 1})]),
        ("text", [Data("message-metadata", "text")]),
        ({"usage": "none"}, [Data("message-metadata", {"usage": "none"})]),
        ({"usage": {"x": 1}}, [Data("message-metadata", {"usage": {"x": 1}})]),
        (
            {"totalUsage": {"inputTokens": 9}, "usage": {"inputTokens": 1}},
            [Usage(9)],
        ),
        ({"usage": {"promptTokens": 1, "completionTokens": None}}, [Usage(1)]),
        (
            {
                "usage": {
                    "inputTokens": 1, "outputTokens": 2, "totalTokens": 3, "reasoningTokens": 4,
                    "cachedInputTokens": 5,
                },
                "model": "m",
            },
            [
                Data("message-metadata", {
                    "usage": {
                        "inputTokens": 1, "outputTokens": 2, "totalTokens": 3,
                        "reasoningTokens": 4, "cachedInputTokens": 5,
                    },
                    "model": "m",
                }),
                Usage(1, 2, 3, 4, 5),
            ],
        ),
        (
            {
                "usage": {
                    "inputTokenDetails": {"cacheReadTokens": 6, "cacheWriteTokens": 7},
                    "outputTokenDetails": {"reasoningTokens": 8},
                }
            },
            [Usage(None, None, None, 8, 6, 7)],
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["message-metadata", "start"])
def test_metadata(metadata: Any, found: list[Event], kind: str) -> None:
    assert events({"type": kind, "messageMetadata": metadata}) == found


def test_usage_beside_the_finish_is_final() -> None:
    metadata = {"totalUsage": {"inputTokens": 1, "outputTokens": 2}}
    assert events({**FINISH, "messageMetadata": metadata}) == [
        STOPPED[0],
        Usage(1, 2, final=True),
    ]


# --- what is odd ---


def test_q5_a_bom_and_q6_no_blank_line_at_the_end() -> None:
    body = b"\xef\xbb\xbf" + wire(say("Hi"), FINISH)[:-2]
    assert read([body], "vercel-ui").events == [Token("Hi"), *STOPPED]


def test_q43_two_values_in_one_event() -> None:
    body = b"data: " + json.dumps(say("a")).encode() + json.dumps(say("b")).encode() + b"\n\n"
    assert read([body], "vercel-ui", eof=False).events == [Token("a"), Token("b")]


@pytest.mark.parametrize(
    "payload",
    [
        None,
        1,
        "x",
        [],
        {},
        {"type": 3},
        {"type": "new"},
        {"type": "text-delta", "delta": 1},
        call("delta", inputTextDelta="x"),
        {"type": "message-metadata"},
        {"type": "error"},
        {"type": "text-start", "id": {"a": 1}},
        {"type": "text-delta", "id": [1], "delta": "x"},
        {"type": "reasoning-end", "providerMetadata": [1]},
        {"type": "tool-input-available"},
    ],
    ids=repr,
)
def test_totality(payload: Any) -> None:
    for event in events(payload):
        assert isinstance(event, Event)
        assert event.frame is not None


def test_unknown_types() -> None:
    assert events({"type": "brand-new"}, {}) == [Unknown(), Unknown()]


# --- the mirror ---


def encode(*said: Event) -> bytes:
    encoder = StreamEncoder("vercel-ui")
    return b"".join(map(encoder.send, said))


_ends = st.sampled_from(
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool-calls"),
        ("cancelled", "abort"),
        ("other", "brand-new"),
        ("other", "other"),
        ("content_filter", "content-filter"),
    ]
)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Parts are numbered as they begin, and calls too."""
    said: list[Event] = [Started(draw(words))]
    parts = {Token: 0, Reasoning: 0}
    for _ in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from([Token, Reasoning]))
        part = draw(st.integers(0, parts[kind]))
        parts[kind] = max(parts[kind], part + 1)
        said.append(kind(draw(texts), part=part))
    others = st.one_of(
        st.builds(Heartbeat, comments.map(lambda text: text.removeprefix(" "))),
        st.builds(Reasoning, st.just(""), part=st.just(parts[Reasoning]), signature=words),
        texts.map(lambda text: Data("data-x", {"type": "data-x", "data": text})),
        texts.map(lambda text: Data("message-metadata", {"x": text})),
        st.builds(Usage, st.integers(0, 9), st.none() | st.integers(0, 9)),
    )
    said += draw(st.lists(others, max_size=3))
    for number in range(draw(st.integers(0, 2))):
        key, ran = str(number), draw(st.booleans())
        text = json.dumps({"a": draw(texts)})
        named = ToolCall(key, 0, f"c{number}", draw(words), provider_executed=ran)
        closed = ToolCall(key, complete=True, provider_executed=ran)
        if draw(st.booleans()):
            pieces = [ToolCall(key, arguments=piece) for piece in (text[:3], text[3:])]
            said += [named, *pieces, closed]
        else:
            said.append(ToolCall(key, 0, named.id, named.name, '{"a":1}', True, ran))
    if draw(st.booleans()):
        return [*said, Error("vendor", draw(texts))]
    reason, raw = draw(_ends)
    usage = [Usage(1, 2, 3, 4, 5, 6, True)] if draw(st.booleans()) else []
    return [*said, Finished(0, reason, raw), *usage, Done(reason)]  # type: ignore[arg-type]


@given(answers(), st.data())
def test_round_trip(said: list[Event], data: st.DataObject) -> None:
    assert read(data.draw(cut(encode(*said))), "vercel-ui").events == said


def test_a_reset_writes_and_reads_the_same() -> None:
    said: list[Event] = [
        Started("m"),
        Token("a"),
        ToolCall("0", 0, "c", "f"),
        Reset(),
        Token("b"),
        *STOPPED,
    ]
    assert read([encode(*said)], "vercel-ui").events == said


def test_blocks_are_opened_once_and_closed_before_the_finish() -> None:
    body = encode(Token("a"), Reasoning("b"), Token("c"), *STOPPED).decode()
    types = [json.loads(line[6:])["type"] for line in body.split("\n\n")[:-2]]
    assert types == [
        "text-start", "text-delta", "reasoning-start", "reasoning-delta", "text-delta",
        "reasoning-end", "text-end", "finish",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "event"),
    [
        ([], Done("stop")),
        ([], Token("a", 1)),
        ([], Refusal("no")),
        ([], Reset(part=1)),
        ([], Reset(text="x")),
        ([], Data("data-x", "text")),
        ([], Data("data-x", {"type": "data-y"})),
        ([], Data("message-metadata")),
        ([], ToolCall("0", arguments="{}")),
        ([], ToolCall("0", 0, "c", "f", "{", True)),
        ([ToolCall("0", 0, "c", "f", "{")], ToolCall("0", complete=True)),
        ([], Error("vendor", "no", fatal=False)),
    ],
)
def test_what_it_cannot_say(before: list[Event], event: Event) -> None:
    encoder = StreamEncoder("vercel-ui")
    for one in before:
        encoder.send(one)
    with pytest.raises(LocalProtocolError):
        encoder.send(event)
