"""Recorded streams of real services against what the vendors' own SDKs made of them.

The recordings are not part of the project; where they are absent, these tests are skipped.
"""

from __future__ import annotations

import itertools
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from tests.reading import read

from tokenwire import Completion, Done, Error, StreamParser, Usage, available_dialects

FOLDER = Path(
    os.environ.get("TOKENWIRE_RECORDINGS", Path(__file__).parents[2] / "shared" / "recordings")
)
_RECORDINGS = [
    path
    for path in sorted(FOLDER.rglob("*.bin"))
    if json.loads(path.with_suffix(".json").read_text())["wire"] in available_dialects()
]
recordings = pytest.mark.parametrize(
    "path", _RECORDINGS, ids=[f"{path.parent.name}/{path.stem}" for path in _RECORDINGS]
)


def test_there_are_recordings() -> None:
    if not _RECORDINGS:
        pytest.skip(f"no recordings in {FOLDER.name}: set TOKENWIRE_RECORDINGS to their folder")
    assert len(_RECORDINGS) > 100


def _meta(path: Path) -> dict[str, Any]:
    meta: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
    return meta


def _complete(path: Path) -> tuple[Completion, dict[str, Any]]:
    meta = _meta(path)
    parser = StreamParser(meta["wire"])
    parser.receive_response(meta["status"], {"Content-Type": meta["content_type"] or ""})
    parser.receive_data(path.read_bytes())
    parser.receive_eof()
    return Completion.from_events(parser.events()), meta


# Where the oracle is no judge, and why. Snowflake sends its reasoning in `reasoning_details` alone,
# which the SDK does not read.
_ORACLE_DOES_NOT_READ = {("snowflake", "reasoning")}


@recordings
def test_equal_to_the_vendors_sdk(path: Path) -> None:
    completion, meta = _complete(path)
    oracle = json.loads(path.with_suffix(".oracle.json").read_text())
    got: dict[str, dict[str, Any]] = {
        name: {str(one.index): said for one in completion.choices if (said := getattr(one, name))}
        for name in ("text", "reasoning", "refusal")
    }
    got["finish"] = {str(one.index): one.raw_reason for one in completion.choices if one.raw_reason}
    got["tool_calls"] = {
        str(one.index): [(call.id, call.name, call.arguments) for call in one.tool_calls]
        for one in completion.choices
        if one.tool_calls
    }
    expected: dict[str, dict[str, Any]] = {
        name: {index: said for index, said in oracle[name].items() if said}
        for name in ("text", "reasoning", "refusal", "finish")
        if (meta["vendor"], name) not in _ORACLE_DOES_NOT_READ
    }
    expected["tool_calls"] = {
        index: [(call.get("id"), call["name"], _arguments(call)) for call in calls]
        for index, calls in oracle["tool_calls"].items()
        if calls
    }
    if any("arguments_json" in call for calls in oracle["tool_calls"].values() for call in calls):
        for calls in got["tool_calls"].values():  # the wire has objects: their text is ours
            calls[:] = [(id, name, json.loads(text)) for id, name, text in calls]
    assert {name: got[name] for name in expected} == expected
    _assert_usage_equal(completion.usage, oracle["usage"] or {})
    if oracle["exception"] is not None:
        assert completion.error is not None
        assert completion.error.message in oracle["exception"]["message"]


def _arguments(call: dict[str, Any]) -> object:
    return call.get("arguments_json", call["arguments"])


def _assert_usage_equal(usage: Usage | None, counts: dict[str, Any]) -> None:
    details = counts.get("completion_tokens_details") or counts.get("output_tokens_details") or {}
    names = {
        "input_tokens": [
            *("prompt_tokens", "input_tokens", "prompt_eval_count"),
            *("inputTokens", "promptTokenCount", "prompt_token_count"),
        ],
        "output_tokens": [
            *("completion_tokens", "output_tokens", "eval_count"),
            *("outputTokens", "candidatesTokenCount", "candidates_token_count"),
        ],
        "total_tokens": [
            *("total_tokens", "totalTokens", "totalTokenCount", "total_token_count"),
        ],
        "cache_write_tokens": ["cache_creation_input_tokens"],
    }
    for ours, theirs in names.items():
        expected = next((counts[name] for name in theirs if counts.get(name) is not None), None)
        if expected is not None:
            assert usage is not None
            assert getattr(usage, ours) == expected, ours
    if details.get("reasoning_tokens") is not None:
        assert usage is not None
        assert usage.reasoning_tokens == details["reasoning_tokens"]


@recordings
def test_however_it_is_cut(path: Path) -> None:
    meta = _meta(path)
    body = path.read_bytes()
    whole = read([body], meta["wire"])
    ways = [[body[at : at + 1] for at in range(len(body))]] if len(body) < 20_000 else []
    if sizes := meta.get("chunk_sizes"):
        starts = [sum(sizes[:place]) for place in range(len(sizes) + 1)]
        ways.append([body[a:b] for a, b in itertools.pairwise(starts) if a < b])
    source = random.Random(meta["sha256"])
    for _ in range(3):
        places = sorted({0, len(body), *(source.randrange(len(body)) for _ in range(20))})
        ways.append([body[a:b] for a, b in itertools.pairwise(places)])
    for way in ways:
        assert read([chunk for chunk in way if chunk], meta["wire"]) == whole


@recordings
def test_no_done_for_a_part_of_it(path: Path) -> None:
    """Cut anywhere, an answer is either proven complete or reported as cut."""
    completion, meta = _complete(path)
    body = path.read_bytes()
    finishes = len(completion.choices)
    source = random.Random(meta["sha256"])
    for _ in range(10):
        events = read([body[: source.randrange(1, len(body))]], meta["wire"]).events
        if isinstance(events[-1], Done):
            part = Completion.from_events(events)
            assert [one.text for one in part.choices] == [one.text for one in completion.choices]
            assert len(part.choices) == finishes
        else:
            assert isinstance(events[-1], Error)
