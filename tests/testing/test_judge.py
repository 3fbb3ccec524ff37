"""The judge of recordings is judged itself: each of its laws finds what it is there to find."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tools.counts import uncounted
from tools.ends import cuts_in_last_event
from tools.judge import Fault, judge, main, recordings

from tokenwire import Data, Frame, Usage
from tokenwire.dialects import get_dialect

HELLO = (
    b'data: {"id":"r","choices":[{"index":0,"delta":{"content":"hello"}}]}\n\n'
    b'data: {"id":"r","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"r","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'
    b"data: [DONE]\n\n"
)
ORACLE: dict[str, Any] = {
    "text": {"0": "hello"},
    "reasoning": {},
    "refusal": {},
    "tool_calls": {},
    "finish": {"0": "stop"},
    "usage": {"prompt_tokens": 3},
    "exception": None,
}


def write(
    folder: Path,
    body: bytes = HELLO,
    oracle: dict[str, Any] | None = ORACLE,
    wire: str = "openai-chat",
    **meta: Any,
) -> None:
    head = {"vendor": "v", "wire": wire, "status": 200, "content_type": "text/event-stream"}
    (folder / "one.bin").write_bytes(body)
    (folder / "one.json").write_text(json.dumps({**head, **meta}))
    if oracle is not None:
        (folder / "one.oracle.json").write_text(json.dumps(oracle))


def fields(folder: Path, faults: tuple[Fault, ...] = ()) -> set[str]:
    """The first words of what the judge finds in the only recording."""
    (recording,) = recordings(folder)
    return {one.partition(" ")[0] for one in judge(recording, faults, quick=True).differences}


@pytest.mark.parametrize(
    ("oracle", "field"),
    [
        ({"text": {"0": "hullo"}}, "text:"),
        ({"reasoning": {"0": "hm"}}, "reasoning:"),
        ({"finish": {"0": "length"}}, "finish:"),
        ({"tool_calls": {"0": [{"id": "c", "name": "f", "arguments": ""}]}}, "tool_calls:"),
        ({"usage": {"prompt_tokens": 4}}, "usage:"),
        ({"exception": {"message": "busy"}}, "exception:"),
    ],
)
def test_a_difference_to_the_sdk(tmp_path: Path, oracle: dict[str, Any], field: str) -> None:
    write(tmp_path, oracle={**ORACLE, **oracle})
    assert field in fields(tmp_path)


def test_an_error_of_ours_where_the_sdk_raised_nothing(tmp_path: Path) -> None:
    cut = HELLO[: HELLO.index(b'data: {"id":"r","choices":[{"index":0,"delta":{},')]
    write(tmp_path, cut, {**ORACLE, "finish": {}, "usage": None})
    assert fields(tmp_path) == {"end:"}


def test_a_count_that_nobody_reads() -> None:
    """In `Usage` by its name, or on the list, or told whole as data."""
    frame = Frame(b'{"usage":{"prompt_tokens":3,"details":[{"chars_seen":2}],"cost":1}}')
    nobody = "counts: details.[].chars_seen is 2: neither in Usage nor on the list of what is not"
    assert [*uncounted([frame], [Usage(3)])] == [nobody]
    assert [
        *uncounted([frame], [Usage(3), Data("extra", {"usage.details": {"chars_seen": 2}})])
    ] == []
    other = "counts: prompt_tokens is 3, and no Usage has it as its input_tokens"
    assert [*uncounted([frame], [Usage(4)])] == [other, nobody]


def test_a_frame_that_nobody_reads(tmp_path: Path) -> None:
    write(tmp_path, HELLO.replace(b"data: [DONE]", b'data: {"odd":1}\n\ndata: [DONE]'))
    assert "unknown:" in fields(tmp_path)


def test_a_listed_fault_counts_for_its_body_and_field_alone(tmp_path: Path) -> None:
    write(tmp_path, oracle={**ORACLE, "text": {"0": "hullo"}})
    (recording,) = recordings(tmp_path)
    listed = Fault(recording.digest, "text:", "why", "proof")
    assert "text:" not in fields(tmp_path, (listed,))
    assert "text:" in fields(tmp_path, (Fault("0" * 64, "text:", "why", "proof"),))
    assert "text:" in fields(tmp_path, (Fault(recording.digest, "finish:", "why", "proof"),))


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"text": "hello", "done": "stop", "finish": "stop", "unknown": 0}, None),
        ({}, None),
        ({"text": "hullo"}, "text:"),
        ({"refusal": "no"}, "refusal:"),
        ({"tools": [["f", {"a": 1}]]}, "tools:"),
        ({"finish": "length"}, "finish:"),
        ({"data": ["image"]}, "data:"),
        ({"done": "length"}, "done:"),
        ({"done": None}, "done:"),
        ({"error": True}, "error:"),
    ],
)
def test_what_a_server_was_asked_for(
    tmp_path: Path, asked: dict[str, Any], field: str | None
) -> None:
    write(tmp_path, oracle=None, expected=asked, server="s", vendor=None)
    assert fields(tmp_path) - {"last:"} == ({field} if field else set())


def test_calls_are_compared_as_json_and_must_be_complete(tmp_path: Path) -> None:
    call = (
        b'{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{\\"a\\": 1}"}}]}'
    )
    body = HELLO.replace(b'{"content":"hello"}', call)
    asked = {"tools": [["f", {"a": 1}]], "tools_complete": True}
    write(tmp_path, body, oracle=None, expected=asked)
    assert fields(tmp_path) - {"last:"} == set()
    write(tmp_path, body.replace(b'"stop"', b'"length"'), oracle=None, expected=asked)
    assert "tools_complete:" in fields(tmp_path)


def test_a_connection_that_broke_is_no_end(tmp_path: Path) -> None:
    asked = {"text": "hi", "error": "transport"}
    lost = {"oracle": None, "expected": asked, "content_type": "text/plain"}
    write(tmp_path, b"hi", wire="text", transport_error="reset", **lost)
    assert fields(tmp_path) == set()


def test_bare_text_may_come_in_any_pieces_and_its_end_is_the_transports(tmp_path: Path) -> None:
    write(
        tmp_path,
        "früh am Tage".encode(),
        {**ORACLE, "text": {"0": "früh am Tage"}, "finish": {}, "usage": None},
        wire="text",
        content_type="text/plain",
    )
    assert fields(tmp_path) == set()


def test_where_the_last_event_is_cut() -> None:
    """After its field's name, before the end of its data; in binary messages anywhere inside."""
    wire = b'data: {"a":1}\n\nevent: end\ndata: {"b":2}\nid: 7\n\n'
    start, end = wire.index(b" end"), wire.index(b"}\nid: 7")
    assert set(cuts_in_last_event(get_dialect("sse"), wire, several=99)) == {
        *range(start + 1, end + 1)
    }
    assert [*cuts_in_last_event(get_dialect("sse"), b"")] == []
    last = Frame(b'{"a":1}')  # the answer was complete at the first
    assert [*cuts_in_last_event(get_dialect("sse"), wire, last)] == [
        *range(wire.index(b":") + 2, wire.index(b"}") + 1)
    ]
    assert [*cuts_in_last_event(get_dialect("sse"), b": nothing\n\n")] == []


def test_the_command_tells_by_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, oracle={**ORACLE, "text": {"0": "hullo"}})
    counts = tmp_path / "counts.json"
    assert main([str(tmp_path), "--quick", "--counts", str(counts)]) == 1
    assert "text: got" in capsys.readouterr().out
    assert json.loads(counts.read_text()) == {}
    with pytest.raises(SystemExit):
        main([str(tmp_path / "nothing")])
