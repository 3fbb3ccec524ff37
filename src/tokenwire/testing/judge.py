"""Judge the parser by recorded streams and what the vendors' own SDKs made of them.

    python -m tokenwire.testing.judge FOLDER [--wire NAME] [--quick] [--faults FILE]

FOLDER holds, at any depth, for each recording three files: ``NAME.bin``, the response's body;
``NAME.json``, with its ``vendor``, ``wire``, ``status`` and ``content_type``; ``NAME.oracle.json``,
with ``text``, ``reasoning``, ``refusal``, ``tool_calls`` and ``finish`` by choice, ``usage`` and
``exception``.

Each body is read whole, in its recorded reads (``chunk_sizes``) where they are known, byte by byte
and in random chunkings: all must give the same events, and these must add up to what the oracle
says. Then it is cut at random places: no part may end in `Done` unless it says all that the whole
says. The exit code is 0 only if every body is equal, but for the faults of oracles that are listed
in a file, each with its reason and its proof.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from tokenwire.completion import Completion
from tokenwire.dialects import available_dialects
from tokenwire.dialects.wire import is_mapping
from tokenwire.errors import FramingError
from tokenwire.events import Event, Usage
from tokenwire.framing.awsevents import AWSEventsFramer
from tokenwire.limits import Limits
from tokenwire.parser import StreamParser

FAULTS: Final = Path(__file__).with_name("known_oracle_faults.json")

# What SDKs call the counts of `Usage`; the first that an oracle has is compared.
COUNTS: Final = {
    "input_tokens": (
        *("prompt_tokens", "tokens.input_tokens", "input_tokens", "prompt_eval_count"),
        *("inputTokens", "promptTokenCount", "prompt_token_count", "total_input_tokens"),
    ),
    "output_tokens": (
        *("completion_tokens", "tokens.output_tokens", "output_tokens", "eval_count"),
        *("outputTokens", "candidatesTokenCount", "candidates_token_count", "total_output_tokens"),
    ),
    "total_tokens": ("total_tokens", "totalTokens", "totalTokenCount", "total_token_count"),
    "reasoning_tokens": (
        *("completion_tokens_details.reasoning_tokens", "output_tokens_details.reasoning_tokens"),
        *("output_tokens_details.thinking_tokens", "tokens.reasoning_tokens"),
        *("thoughtsTokenCount", "thoughts_token_count", "total_thought_tokens"),
    ),
    "cache_read_tokens": (
        *("prompt_tokens_details.cached_tokens", "input_tokens_details.cached_tokens"),
        *("cache_read_input_tokens", "cacheReadInputTokens", "cacheReadInputTokenCount"),
        *("total_cached_tokens", "cached_tokens"),
    ),
    "cache_write_tokens": (
        *("prompt_tokens_details.cache_write_tokens", "input_tokens_details.cache_write_tokens"),
        *("cache_creation_input_tokens", "cacheWriteInputTokens", "cacheWriteInputTokenCount"),
    ),
}
_SMALL: Final = 20_000  # bytes up to which a quick look reads byte by byte


class Fault(Struct, frozen=True):
    """A difference in which the oracle is wrong.

    Attributes:
        sha256: Of the body.
        field: What it says wrong: the first word of the difference.
        reason: Why it does.
        proof: The bytes that prove it.
    """

    sha256: str
    field: str
    reason: str
    proof: str


class Recording(Struct):
    """A recorded stream.

    Attributes:
        path: The body's file.
        meta: What ``NAME.json`` says.
        oracle: What ``NAME.oracle.json`` says.
    """

    path: Path
    meta: dict[str, Any]
    oracle: dict[str, Any]

    @property
    def dialect(self) -> str:
        """The dialect it is read with: by its wire's name, or found out."""
        wire = str(self.meta["wire"])
        return wire if wire in available_dialects() else "auto"

    def parser(self) -> StreamParser:
        """A parser that knows the response's head."""
        parser = StreamParser(self.dialect)
        head = {"Content-Type": self.meta.get("content_type") or ""}
        parser.receive_response(self.meta["status"], head)
        return parser

    def read(self, chunks: Iterable[bytes]) -> list[Event]:
        """Its events, fed so."""
        parser = self.parser()
        events = list(parser.events())
        for chunk in chunks:
            parser.receive_data(chunk)
            events += parser.events()
        parser.receive_eof()
        return [*events, *parser.events()]


class Verdict(Struct):
    """What came of one recording.

    Attributes:
        name: Its file.
        vendor: Whose it is.
        wire: How it is written.
        dialect: What it was read with.
        differences: What is not as it should be; the first word says where.
        known: Those of them in which the oracle is wrong.
    """

    name: str
    vendor: str
    wire: str
    dialect: str
    differences: list[str]
    known: list[str]


def recordings(folder: Path, wire: str | None = None) -> Iterator[Recording]:
    """All recordings below a folder, of one wire if asked for."""
    for path in sorted(folder.rglob("*.bin")):
        meta = json.loads(path.with_suffix(".json").read_text())
        if wire in (None, meta["wire"]):
            oracle = json.loads(path.with_suffix(".oracle.json").read_text())
            yield Recording(path, meta, oracle)


def known_faults(path: Path = FAULTS) -> list[Fault]:
    """The listed faults of oracles."""
    return msgspec.json.decode(path.read_bytes(), type=list[Fault])


def judge(recording: Recording, faults: Iterable[Fault] = (), *, quick: bool = False) -> Verdict:
    """Judge one recording; ``quick`` cuts it in fewer ways."""
    meta = recording.meta
    body = recording.path.read_bytes()
    try:
        if meta["wire"] == "eventstream-vector":
            found = list(_compare_messages(body, recording.oracle))
        else:
            found = list(_judge_stream(recording, body, quick=quick))
    except Exception as error:  # a parser never raises: the others are to be judged all the same
        found = [f"raised: {error!r}"]
    listed = {one.field for one in faults if one.sha256 == meta["sha256"]}
    known = [one for one in found if one.partition(" ")[0] in listed]
    return Verdict(
        f"{recording.path.parent.name}/{recording.path.stem}",
        meta["vendor"],
        meta["wire"],
        _dialect_of(recording, body),
        [one for one in found if one not in known],
        known,
    )


def _dialect_of(recording: Recording, body: bytes) -> str:
    if recording.dialect != "auto":
        return recording.dialect
    parser = recording.parser()
    parser.receive_data(body)
    parser.receive_eof()
    return parser.dialect.name


def _judge_stream(recording: Recording, body: bytes, *, quick: bool) -> Iterator[str]:
    whole = recording.read([body])
    completion = Completion.from_events(whole)
    yield from compare(completion, recording.oracle)
    seed = random.Random(recording.meta["sha256"])
    for way, chunks in _ways(body, recording.meta.get("chunk_sizes"), seed, quick=quick):
        if recording.read(chunks) != whole:
            yield f"chunking: {way} gives other events"
    for _ in range(10 if quick else 50):
        end = seed.randrange(1, max(2, len(body)))
        part = Completion.from_events(recording.read([body[:end]]))
        if part.done is not None and not _says_the_same(part, completion):
            yield f"truncation: the first {end} of {len(body)} bytes end in {part.done!r}"


def _ways(
    body: bytes, sizes: list[int] | None, seed: random.Random, *, quick: bool
) -> Iterator[tuple[str, list[bytes]]]:
    if sizes:
        places = list(itertools.accumulate(sizes, initial=0))
        yield "as it was recorded", _pieces(body, places)
    if not quick or len(body) < _SMALL:
        yield "byte by byte", [body[at : at + 1] for at in range(len(body))]
    for number in range(3 if quick else 20):
        places = sorted({0, len(body), *(seed.randrange(len(body) + 1) for _ in range(20))})
        yield f"random chunking {number}", _pieces(body, places)


def _pieces(body: bytes, places: list[int]) -> list[bytes]:
    return [body[a:b] for a, b in itertools.pairwise(places) if a < b]


def _says_the_same(part: Completion, whole: Completion) -> bool:
    return [_said(one) for one in part.choices] == [_said(one) for one in whole.choices]


def _said(choice: Any) -> tuple[object, ...]:
    calls = [(call.id, call.name, call.arguments) for call in choice.tool_calls]
    return choice.index, choice.text, choice.reasoning, choice.refusal, calls, choice.raw_reason


def compare(completion: Completion, oracle: dict[str, Any]) -> Iterator[str]:
    """Where a completion differs from what the oracle says."""
    for name in ("text", "reasoning", "refusal"):
        got = {str(one.index): text for one in completion.choices if (text := getattr(one, name))}
        yield from _differ(name, got, _by_choice(oracle[name]))
    finish = {str(one.index): one.raw_reason for one in completion.choices if one.raw_reason}
    yield from _differ("finish", finish, _by_choice(oracle["finish"]))
    calls = {
        str(one.index): [
            {"id": call.id, "name": call.name, "arguments": call.arguments}
            for call in one.tool_calls
        ]
        for one in completion.choices
        if one.tool_calls
    }
    yield from _differ_in_calls(calls, _by_choice(oracle["tool_calls"]))
    yield from _differ_in_usage(completion.usage, oracle["usage"] or {})
    exception = oracle["exception"]
    if exception is not None and (
        completion.error is None or completion.error.message not in exception["message"]
    ):
        yield f"exception: got {completion.error!r}, expected {exception!r}"


def _by_choice(said: dict[str, Any]) -> dict[str, Any]:
    """What an oracle says by choice: without what is empty; ``0.0`` is the first choice too."""
    return {str(int(float(index))): value for index, value in said.items() if value}


def _differ(name: str, got: object, expected: object) -> Iterator[str]:
    if got != expected:
        yield f"{name}: got {got!r:.300}, expected {expected!r:.300}"


def _differ_in_calls(
    got: dict[str, list[dict[str, Any]]], expected: dict[str, list[dict[str, Any]]]
) -> Iterator[str]:
    nothing: dict[str, Any] = {}
    pairs = [
        pair
        for index in expected
        for pair in itertools.zip_longest(got.get(index, []), expected[index], fillvalue=nothing)
    ]
    if got.keys() != expected.keys():
        yield f"tool_calls: got {got!r:.300}, expected {expected!r:.300}"
        return
    for ours, theirs in pairs:
        same = ours.get("id") == theirs.get("id") and ours.get("name") == theirs.get("name")
        if "arguments_json" in theirs:  # the wire has objects: their text is nobody's
            same = same and _json(ours.get("arguments")) == theirs["arguments_json"]
        else:
            same = same and ours.get("arguments") == theirs.get("arguments")
        if not same:
            yield f"tool_calls: got {ours!r:.300}, expected {theirs!r:.300}"


def _json(text: str | None) -> object:
    try:
        return json.loads(text or "")
    except ValueError:
        return text


def _differ_in_usage(usage: Usage | None, counts: dict[str, Any]) -> Iterator[str]:
    for ours, theirs in COUNTS.items():
        expected = next((n for name in theirs if (n := _count(counts, name)) is not None), None)
        got = getattr(usage, ours, None)
        if expected is not None and got != expected:
            yield f"usage: {ours} is {got}, expected {expected}"


def _count(counts: Any, path: str) -> int | None:
    for name in path.split("."):
        counts = counts.get(name) if is_mapping(counts) else None
    return int(counts) if isinstance(counts, int | float) and counts == int(counts) else None


def _compare_messages(body: bytes, oracle: dict[str, Any]) -> Iterator[str]:
    """A conformance vector of Amazon's binary format: messages, or a refusal."""
    framer = AWSEventsFramer(Limits())
    refused = None
    try:
        framer.receive_data(body)
        framer.receive_eof()
    except FramingError as error:
        refused = error
    if (refused is None) != (oracle["exception"] is None):
        yield f"exception: got {refused!r}, expected {oracle['exception']!r}"
    got = [{name: str(value) for name, value in frame.headers} for frame in framer.frames]
    expected = [
        {name: str(value) for name, value in message["headers"].items()}
        for message in oracle["messages"]
    ]
    # A UUID is text here, and bytes in botocore.
    for headers in (*got, *expected):
        headers.pop("uuid", None)
    yield from _differ("messages", got, expected)


def main(arguments: list[str] | None = None) -> int:
    """The command; gives its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tokenwire.testing.judge",
        description="Judge the parser by recorded streams and what the vendors' SDKs made of them.",
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--wire", help="only recordings of this wire")
    parser.add_argument("--quick", action="store_true", help="cut each body in fewer ways")
    parser.add_argument("--faults", type=Path, default=FAULTS, help="known faults of oracles")
    parser.add_argument("--counts", type=Path, help="write how many of each were equal, as JSON")
    asked = parser.parse_args(arguments)
    found = list(recordings(asked.folder, asked.wire))
    if not found:
        parser.error(f"there are no recordings in {asked.folder}: NAME.bin, NAME.json, ...")
    faults = known_faults(asked.faults)
    with ProcessPoolExecutor() as pool:
        work = partial(judge, faults=faults, quick=asked.quick)
        verdicts = list(pool.map(work, found, chunksize=4))
    sys.stdout.write(f"{table(verdicts)}\n")
    differing = [one for one in verdicts if one.differences]
    if asked.counts is not None:
        asked.counts.write_text(json.dumps(_counts(verdicts), indent=1, sort_keys=True) + "\n")
    for one in differing:
        sys.stdout.write(f"\n{one.name}\n  " + "\n  ".join(one.differences[:5]) + "\n")
    return 1 if differing else 0


def _counts(verdicts: Iterable[Verdict]) -> dict[str, dict[str, int]]:
    """How many bodies came out as they should, by dialect and vendor."""
    counts: dict[str, dict[str, int]] = {}
    for one in verdicts:
        if not one.differences:
            by = counts.setdefault(one.dialect, {})
            by[one.vendor] = by.get(one.vendor, 0) + 1
    return counts


def table(verdicts: Iterable[Verdict]) -> str:
    """The counts by vendor and wire, as text."""
    titles = ("vendor", "wire", "bodies", "equal", "known faults", "differing")
    rows: list[tuple[str, ...]] = [titles]
    counts: dict[tuple[str, str], Counter[str]] = {}
    for one in verdicts:
        kind = "differing" if one.differences else "known" if one.known else "equal"
        for row in ((one.vendor, one.wire), ("all", "")):
            counts.setdefault(row, Counter())[kind] += 1
    for (vendor, wire), by in sorted(counts.items(), key=lambda item: (item[0][0] == "all", item)):
        numbers = (by.total(), by["equal"], by["known"], by["differing"])
        rows.append((vendor, wire, *map(str, numbers)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


if __name__ == "__main__":
    sys.exit(main())
