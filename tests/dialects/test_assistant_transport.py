"""assistant-transport: assistant-ui's own stream."""

from __future__ import annotations

from typing import Any

import pytest
from tests.dialects.checks import assert_reads, sse, told
from tests.reading import read

from tokenwire import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Reasoning,
    Started,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.dialects.agents.assistant_transport import ASSISTANT_TRANSPORT
from tokenwire.dialects.kit.payloads import MAX_INDEX

DONE = b"data: [DONE]\n\n"


def part(type: str, **said: Any) -> dict[str, Any]:
    return {"type": "part-start", "part": {"type": type, **said}, "path": []}


def delta(text: Any, *path: int) -> dict[str, Any]:
    return {"type": "text-delta", "textDelta": text, "path": list(path)}


def at(type: str, *path: int, **said: Any) -> dict[str, Any]:
    return {"type": type, "path": list(path), **said}


def events(*chunks: Any, end: bytes = DONE) -> list[Event]:
    return read([sse(*chunks) + end], ASSISTANT_TRANSPORT).events


RESULT = at("result", 2, result={"t": 20}, isError=False)
FINISH = at("message-finish", finishReason="stop", usage={"inputTokens": 3, "outputTokens": 2})
WIRE = (
    sse(
        at("step-start", messageId="m"),
        part("text"),
        delta("Hé", 0),
        part("reasoning"),
        delta("hm", 1),
        delta("llo\u2028", 0),
        part("tool-call", toolCallId="c", toolName="f"),
        delta('{"a"', 2),
        delta(":1}", 2),
        at("tool-call-args-text-finish", 2),
        at("part-finish", 2),
        RESULT,
        FINISH,
    )
    + DONE
)
SAID: list[Event] = [
    *(Started("m"), Token("Hé"), Reasoning("hm", part=1), Token("llo\u2028")),
    *(ToolCall("2", 0, "c", "f"), ToolCall("2", arguments='{"a"'), ToolCall("2", arguments=":1}")),
    *(ToolCall("2", complete=True), Data("result", RESULT, part=2)),
    *(Finished(0, "stop", "stop"), Usage(3, 2, final=True), Done("stop")),
]


def test_an_answer() -> None:
    assert_reads(ASSISTANT_TRANSPORT, WIRE, SAID)
    assert told(WIRE) == "assistant-transport"
    assert told(sse(part("text"))) == "assistant-transport"


def test_only_the_sentinel_completes_it() -> None:
    """Servers send it where nothing failed, and Python's send no more than that."""
    cut = events(delta("a", 0), FINISH, end=b"")[-1]
    assert isinstance(cut, Error)
    assert cut.kind == "truncated"
    assert events(delta("a", 0)) == [Token("a"), Finished(0, "stop"), Done("stop")]
    asked = part("tool-call", toolCallId="c", toolName="f")
    assert events(asked, at("part-finish", 0))[1:] == [
        *(ToolCall("0", complete=True), Finished(0, "tool_calls"), Done("tool_calls")),
    ]


def test_calls_whose_arguments_were_cut_are_not_complete() -> None:
    asked = part("tool-call", toolCallId="c", toolName="f")
    result = at("result", 0, result=1)
    assert events(asked, delta("{", 0), result)[:-2] == [
        *(ToolCall("0", 0, "c", "f"), ToolCall("0", arguments="{"), Data("result", result)),
    ]


@pytest.mark.parametrize(
    ("chunk", "said"),
    [
        (delta(6, 0), [Token("6")]),
        (delta("a", 7), [Token("a", part=7)]),
        (delta("a"), [Token("a")]),
        (delta("", 0), []),
        (at("part-finish", 0), []),
        (part("source", url="u"), [Data("source", {"type": "source", "url": "u"})]),
        ({"type": "part-start", "part": 1}, [Data("part", 1)]),
        (
            at("update-state", operations=[]),
            [Data("update-state", at("update-state", operations=[]))],
        ),
        (at("error", error="no", code="c"), [Error("vendor", "no", "c")]),
        (at("error"), [Error("vendor", "the agent failed without a message")]),
        (
            at("error", error="hm", severity="info"),
            [Data("error", at("error", error="hm", severity="info"))],
        ),
        (at("brand-new"), [Unknown()]),
    ],
)
def test_chunks(chunk: Any, said: list[Event]) -> None:
    got = events(chunk, end=b"")
    assert got[: len(said)] == said
    assert isinstance(got[-1], Error)


def test_parts_are_bounded() -> None:
    got = events(*(part("text") for _ in range(MAX_INDEX + 1)), end=b"")
    assert isinstance(got[0], Error)
    assert got[0].kind == "malformed"


def test_what_is_of_another_type_than_it_should_be_is_told() -> None:
    odd = part("tool-call", toolCallId=["x"], toolName="f")
    assert events(odd)[:2] == [
        ToolCall("0", 0, None, "f"),
        Data("extra", {"toolCallId": ["x"]}),
    ]
    assert Data("extra", {"usage": 6}) in events(at("message-finish", usage=6))
