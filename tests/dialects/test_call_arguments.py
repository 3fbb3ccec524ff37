"""Arguments of calls that the wire closes one by one, in pieces and once more whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.dialects.checks import sse
from tests.reading import read

from tokenwire import Completion
from tokenwire.dialects.kit.call_arguments import CallArguments

PIECES = ['{"a"', ":1}"]


def test_what_a_whole_adds_to_the_pieces() -> None:
    for pieces, whole, rest, complete in (
        (PIECES, '{ "a": 1 }', "", True),  # the same, written in another way
        (PIECES[:1], '{"a":1}', ":1}", True),
        (PIECES[:1], '{"b":1}', "", False),
        ([], '{"a":1}', '{"a":1}', True),
        ([""], '{"a"', '{"a"', False),
    ):
        arguments = CallArguments()
        for piece in pieces:
            arguments.add("k", piece)
        assert arguments.complete("k", whole) == rest
        assert arguments.close("k") is complete
        assert arguments.close("k")  # it is forgotten


def _vercel_ui(*pieces: str, end: Any) -> bytes:
    start = {"type": "tool-input-start", "toolCallId": "c", "toolName": "f"}
    deltas = [{"type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": p} for p in pieces]
    ends = (
        [] if end is None else [{"type": "tool-input-available", "toolCallId": "c", "input": end}]
    )
    return sse({"type": "start", "messageId": "m"}, start, *deltas, *ends, {"type": "finish"})


def _vercel_data(*pieces: str, end: Any) -> bytes:
    lines: list[tuple[str, Any]] = [("b", {"toolCallId": "c", "toolName": "f"})]
    lines += [("c", {"toolCallId": "c", "argsTextDelta": piece}) for piece in pieces]
    lines += [] if end is None else [("9", {"toolCallId": "c", "args": end})]
    lines.append(("d", {"finishReason": "stop"}))
    return "".join(f"{code}:{json.dumps(value)}\n" for code, value in lines).encode()


def _ag_ui(*pieces: str, end: Any) -> bytes:
    """It has no whole one; `end` is only whether the call is closed."""
    start = {"type": "TOOL_CALL_START", "toolCallId": "c", "toolCallName": "f"}
    deltas = [{"type": "TOOL_CALL_ARGS", "toolCallId": "c", "delta": piece} for piece in pieces]
    ends = [] if end is None else [{"type": "TOOL_CALL_END", "toolCallId": "c"}]
    return sse(
        {"type": "RUN_STARTED", "runId": "r"}, start, *deltas, *ends, {"type": "RUN_FINISHED"}
    )


def _assistants(*pieces: str, end: Any) -> bytes:
    def delta(**function: Any) -> dict[str, Any]:
        call = {"index": 0, "id": function.pop("id", None), "type": "function"}
        details = {"tool_calls": [{**call, "function": function}]}
        return {"id": "s", "object": "thread.run.step.delta", "delta": {"step_details": details}}

    frames = [delta(id="c", name="f"), *(delta(arguments=piece) for piece in pieces)]
    if end is not None:
        frames.append({"id": "s", "object": "thread.run.step", "status": "completed"})
    return sse(*frames, {"id": "r", "object": "thread.run", "status": "completed"})


WIRES = {
    "vercel-ui": _vercel_ui,
    "vercel-data": _vercel_data,
    "ag-ui": _ag_ui,
    "openai-assistants": _assistants,
}


def _call(dialect: str, wire: bytes) -> tuple[str, bool]:
    completion = Completion.from_events(read([wire], dialect).events)
    assert completion.done is not None
    (call,) = completion.choices[0].tool_calls
    return call.arguments, call.complete


@pytest.mark.parametrize("dialect", WIRES)
def test_a_call_is_complete_where_its_arguments_are_whole(dialect: str) -> None:
    write: Any = WIRES[dialect]
    assert _call(dialect, write(*PIECES, end={"a": 1})) == ('{"a":1}', True)
    text, complete = _call(dialect, write(PIECES[0], end={"a": 1}))
    assert complete is (text == '{"a":1}')
    assert _call(dialect, write(PIECES[0], end={"b": 2})) == ('{"a"', False)


@pytest.mark.parametrize("dialect", ["vercel-ui", "vercel-data"])
def test_a_whole_that_the_pieces_are_not_is_told_beside_them(dialect: str) -> None:
    write: Any = WIRES[dialect]
    events = read([write(PIECES[0], end={"b": 2})], dialect).events
    choice = Completion.from_events(events).choices[0]
    assert [(one.kind, one.value) for one in choice.data] == [("tool-input", {"b": 2})]
