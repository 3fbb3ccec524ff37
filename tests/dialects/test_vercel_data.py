"""``vercel-data``: the AI SDK's data stream, ``CODE:JSON`` lines."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.answers import cut, texts, words
from tests.cuts import breaks_off, in_every_cut
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
    Refusal,
    Started,
    StreamEncoder,
    Token,
    ToolCall,
    Unknown,
    Usage,
)

FINISH = ("d", {"finishReason": "stop", "usage": {"promptTokens": 3, "completionTokens": 5}})
STOPPED: list[Event] = [Finished(0, "stop", "stop"), Usage(3, 5, final=True), Done("stop")]


def wire(*lines: tuple[str, Any]) -> bytes:
    return b"".join(f"{code}:{json.dumps(value)}\n".encode() for code, value in lines)


def events(*lines: tuple[str, Any]) -> list[Event]:
    return read([wire(*lines)], "vercel-data", eof=False).events


STEP_END = {"finishReason": "stop", "usage": {"promptTokens": 1}, "isContinued": False}
WHOLE = b"\n" + wire(
    ("f", {"messageId": "m1"}),
    ("g", "Hm"),
    ("j", {"signature": "s"}),
    ("0", "Hi: "),
    ("0", ""),
    ("0", "世界"),
    ("e", STEP_END),
    ("f", {"messageId": "m1"}),
    FINISH,
    ("8", [{"a": 1}]),
)
SAID: list[Event] = [
    Heartbeat(),
    Started("m1"),
    Reasoning("Hm"),
    Reasoning("", signature="s"),
    Token("Hi: "),
    Token("世界"),
    Data("finish_step", STEP_END),
    *STOPPED[:2],
    Data("message_annotations", [{"a": 1}]),
    STOPPED[2],
]


def test_an_answer_in_every_cut() -> None:
    assert in_every_cut(partial(read, dialect="vercel-data"), WHOLE).events == SAID


def test_every_prefix_is_a_truncation_until_the_finish() -> None:
    finish = WHOLE.index(b"\n", WHOLE.index(b"d:"))
    for end in range(len(WHOLE)):
        got = read([WHOLE[:end]], "vercel-data").events
        if end >= finish and not breaks_off(WHOLE[:end], end=b"\n"):
            assert got[-1] == Done("stop")
        else:
            assert isinstance(got[-1], Error)
            assert got[-1].kind == "truncated"


@pytest.mark.parametrize(
    ("value", "reason", "raw"),
    [
        ({"finishReason": "length"}, "length", "length"),
        ({"finishReason": "content-filter"}, "content_filter", "content-filter"),
        ({"finishReason": "unknown"}, "other", "unknown"),
        ({"finishReason": 3}, "other", "3"),
        ({}, "stop", None),
    ],
)
def test_reasons(value: Any, reason: Any, raw: str | None) -> None:
    assert read([wire(("d", value))], "vercel-data").events == [
        Finished(0, reason, raw),
        Done(reason),
    ]


def test_a_finish_that_is_a_failure() -> None:
    _, error = read([wire(("d", {"finishReason": "error"}))], "vercel-data").events
    assert isinstance(error, Error)
    assert error.recovery is Recovery.RETRY


def test_a_step_proves_nothing() -> None:
    got = read([wire(("0", "Hi"), ("e", STEP_END))], "vercel-data").events
    assert isinstance(got[-1], Error)


@pytest.mark.parametrize("more", [("0", "a"), ("f", {"messageId": "m"}), ("g", "a")])
def test_a_merged_stream_goes_on_after_a_finish(more: tuple[str, Any]) -> None:
    assert isinstance(read([wire(FINISH, more)], "vercel-data").events[-1], Error)
    assert read([wire(FINISH, more, FINISH)], "vercel-data").events[-1] == Done("stop")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'3:"An error occurred."\n', "An error occurred."),
        (b'3:{"message":"no","code":"c"}\n', "no"),
        (b'{"error":{"message":"no"}}\n', "no"),
        (b'{"error":"no"}', "no"),
    ],
)
def test_errors(line: bytes, message: str) -> None:
    *_, error = read(
        [wire(("0", "a")) + line, wire(FINISH)][: 1 + line.endswith(b"\n")], "vercel-data"
    ).events
    assert isinstance(error, Error)
    assert (error.kind, error.message) == ("vendor", message)


# --- tool calls ---


def call(code: str, **fields: Any) -> tuple[str, Any]:
    return code, {"toolCallId": "c", **fields}


BEGIN = call("b", toolName="f")


def test_q24_arguments_in_pieces_are_not_doubled_by_the_whole() -> None:
    result = {"toolCallId": "c", "result": 2}
    pieces = [call("c", argsTextDelta=piece) for piece in ('{"a":', "", "1}")]
    assert events(BEGIN, *pieces, call("9", toolName="f", args={"a": 1}), ("a", result)) == [
        ToolCall("0", 0, "c", "f"),
        ToolCall("0", arguments='{"a":'),
        ToolCall("0", arguments="1}"),
        ToolCall("0", complete=True),
        Data("tool_result", result),
    ]


def test_whole_calls() -> None:
    whole = call("9", toolName="f", args={"a": 1})
    assert events(whole, BEGIN, whole, call("9", toolName="g")) == [
        ToolCall("0", 0, "c", "f", '{"a":1}', True),
        ToolCall("1", 0, "c", "f"),
        ToolCall("1", arguments='{"a":1}', complete=True),
        ToolCall("2", 0, "c", "g", "{}", True),
    ]


def test_a_result_completes_a_call_that_the_server_ran() -> None:
    result = {"toolCallId": "c", "result": 2}
    assert events(BEGIN, call("c", argsTextDelta="{}"), ("a", result)) == [
        ToolCall("0", 0, "c", "f"),
        ToolCall("0", arguments="{}"),
        ToolCall("0", complete=True, provider_executed=True),
        Data("tool_result", result),
    ]


def test_open_calls_are_bounded() -> None:
    got = events(*(("b", {"toolCallId": str(n), "toolName": "f"}) for n in range(1030)))
    assert sum(isinstance(event, Error) for event in got) == 6


# --- the other codes ---


@pytest.mark.parametrize(
    ("code", "value", "event"),
    [
        ("2", [{"a": 1}], Data("data", [{"a": 1}])),
        ("8", ["x"], Data("message_annotations", ["x"])),
        ("h", {"url": "u"}, Data("source", {"url": "u"})),
        ("i", {"data": "x"}, Data("redacted_reasoning", {"data": "x"})),
        ("k", {"data": "x", "mimeType": "m"}, Data("file", {"data": "x", "mimeType": "m"})),
        ("a", "odd", Data("tool_result", "odd")),
        ("aui-state", [{"type": "set"}], Data("state", [{"type": "set"}])),
        ("aui-text-delta", {"textDelta": "a", "parentId": "p"}, Token("a")),
        ("aui-reasoning-delta", {"reasoningDelta": "a"}, Reasoning("a")),
        ("z", 1, Unknown()),
        ("0", 1, Token("1")),  # servers that build JSON out of tokens write such
        ("g", 0.5, Reasoning("0.5")),
        ("0", [1], Unknown()),
        ("0", None, Unknown()),
        ("g", None, Unknown()),
        ("d", [], Unknown()),
        ("9", {}, Unknown()),
        ("f", {}, Unknown()),
        ("j", {}, Unknown()),
        ("data", {}, Unknown()),
    ],
)
def test_codes(code: str, value: Any, event: Event) -> None:
    assert events((code, value)) == [event]


@pytest.mark.parametrize(
    "line",
    [
        ("g", ""),
        ("aui-text-delta", {"textDelta": ""}),
        ("aui-reasoning-delta", {"reasoningDelta": ""}),
        call("c", argsTextDelta="x"),
        call("c", argsTextDelta=3),
    ],
)
def test_lines_that_say_nothing(line: tuple[str, Any]) -> None:
    assert events(line) == []


def test_lines_that_cannot_be_read() -> None:
    malformed, beat, stray, token = read(
        [b'0:"a\n0:\n<html>\n0:"b"\n'], "vercel-data", eof=False
    ).events
    assert isinstance(malformed, Error)
    assert not malformed.fatal
    assert (beat, stray, token) == (Heartbeat("0"), Unknown(), Token("b"))


def test_q4_line_ends_of_unicode() -> None:
    text = "a\u2028b\u0085c\x0bd"
    line = f'0:"{text}"\n'.encode().replace(b"\x0b", b"\\u000b")
    assert read([line], "vercel-data", eof=False).events == [Token(text)]


# --- the mirror ---


def encode(*said: Event) -> bytes:
    encoder = StreamEncoder("vercel-data")
    return b"".join(map(encoder.send, said))


_ends = st.sampled_from(
    [("stop", "stop"), ("length", "length"), ("tool_calls", "tool-calls"), ("other", "brand-new")]
)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Calls are numbered as they begin; usage is on the line of the finish."""
    said: list[Event] = [Started(draw(words))]
    others = st.one_of(
        st.builds(Token, texts),
        st.builds(Reasoning, texts),
        st.builds(Reasoning, st.just(""), signature=words),
        st.just(Heartbeat()),
        texts.map(lambda text: Data("data", [text])),
        texts.map(lambda text: Data("source", {"url": text})),
    )
    said += draw(st.lists(others, max_size=5))
    for number in range(draw(st.integers(0, 2))):
        key, name = str(number), draw(words)
        if draw(st.booleans()):
            text = json.dumps({"a": draw(texts)})
            pieces = [ToolCall(key, arguments=piece) for piece in (text[:3], text[3:])]
            said += [ToolCall(key, 0, f"c{key}", name), *pieces, ToolCall(key, complete=True)]
        else:
            said.append(ToolCall(key, 0, f"c{key}", name, '{"a":1}', True))
    if draw(st.booleans()):
        return [*said, Error("vendor", draw(texts))]
    reason, raw = draw(_ends)
    usage = [Usage(1, draw(st.none() | st.just(2)), final=True)] if draw(st.booleans()) else []
    late = [Data("message_annotations", [1])] if draw(st.booleans()) else []
    return [*said, Finished(0, reason, raw), *usage, *late, Done(reason)]  # type: ignore[arg-type]


@given(answers(), st.data())
def test_round_trip(said: list[Event], data: st.DataObject) -> None:
    assert read(data.draw(cut(encode(*said))), "vercel-data").events == said


def test_two_finishes_in_a_row() -> None:
    said = [Finished(0, "length", "length"), Finished(0, "stop", "stop"), Done("stop")]
    assert read([encode(*said)], "vercel-data").events == said


@pytest.mark.parametrize(
    ("before", "event"),
    [
        ([], Done("stop")),
        ([], Usage(1)),
        ([], Token("a", 1)),
        ([], Refusal("no")),
        ([], Started(None, "m")),
        ([], Heartbeat("text")),
        ([], Data("brand-new", 1)),
        ([], Reasoning("a", signature="s")),
        ([], ToolCall("0", 0, "c", "f", "{}", True, True)),
        ([], ToolCall("0", 0, "c", "f", "{", True)),
        ([Finished(0, "stop", "stop")], Refusal("no")),
    ],
)
def test_what_it_cannot_say(before: list[Event], event: Event) -> None:
    encoder = StreamEncoder("vercel-data")
    for one in before:
        encoder.send(one)
    with pytest.raises(LocalProtocolError):
        encoder.send(event)


def test_a_refused_event_changes_nothing() -> None:
    encoder = StreamEncoder("vercel-data")
    encoder.send(Finished(0, "stop", "stop"))
    with pytest.raises(LocalProtocolError):
        encoder.send(Refusal("no"))
    assert encoder.send(Done("stop")) == b'd:{"finishReason":"stop"}\n'


def test_an_answered_call_whose_arguments_were_cut_is_not_complete() -> None:
    got = events(
        ("b", {"toolCallId": "c", "toolName": "f"}),
        ("c", {"toolCallId": "c", "argsTextDelta": "{"}),
        ("a", {"toolCallId": "c", "result": 1}),
    )
    assert not any(isinstance(one, ToolCall) and one.complete for one in got)


def test_what_stands_where_a_text_should_is_told() -> None:
    call = {"toolCallId": 7, "toolName": ["x"], "args": {}}
    assert events(("9", call)) == [
        Data("extra", {"toolName": ["x"]}),
        ToolCall("0", 0, "7", None, "{}", complete=True),
    ]
    assert events(("d", {"finishReason": ["x"], "usage": 6}))[:2] == [
        *(Data("extra", {"finishReason": ["x"]}), Data("extra", {"usage": 6})),
    ]
