"""Judge the parser by recorded streams and what the vendors' own SDKs made of them.

    python -m tools.judge FOLDER... [--wire NAME] [--quick] [--faults FILE]

Each FOLDER holds, at any depth, for each recording ``NAME.bin``, the response's body;
``NAME.json``, with its ``vendor`` or ``server``, its ``wire``, ``status`` and ``content_type``; and
a witness: ``NAME.oracle.json``, what the vendor's SDK made of it, with ``text``, ``reasoning``,
``refusal``, ``tool_calls`` and ``finish`` by choice, ``usage`` and ``exception``; or, where a real
server was asked to write something, ``expected`` in ``NAME.json``.

Each body is read whole, in its recorded reads (``chunk_sizes``) where they are known, byte by byte
and in random chunkings: all must give the same events, and these must add up to what the witness
says. A body that an SDK read without an exception ends in `Done`. Every count that was sent is in
`Usage`, or on a list of those that are not, and no frame is `Unknown`. Then the body is cut at
random places: no part may end in `Done` unless it says all that the whole says; and inside its last
event, where none may at all. The exit code is 0 only if every body is equal, but for what is listed
in a file, each with its reason and its proof.
"""

from __future__ import annotations

import argparse
import hashlib
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
from tools.counts import uncounted
from tools.ends import cuts_in_last_event, frames_of
from tools.oracle import against_request, against_sdk

from tokenwire.completion import Completion
from tokenwire.dialects import get_dialect
from tokenwire.errors import FramingError, UnknownDialectError
from tokenwire.events import Done, Event, Unknown
from tokenwire.framing.awsevents import AWSEventsFramer
from tokenwire.limits import Limits
from tokenwire.parser import StreamParser
from tokenwire.testing._read import tells_cuts

FAULTS: Final = Path(__file__).with_name("known_oracle_faults.json")

_SMALL: Final = 20_000  # bytes up to which a quick look reads byte by byte


class Fault(Struct, frozen=True):
    """A difference in which the witness is wrong, or the server that wrote the body.

    Attributes:
        sha256: Of the body.
        field: What is different: the first word of the difference.
        reason: Why it is.
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
        oracle: What ``NAME.oracle.json`` says; None where a server was asked to write the body.
    """

    path: Path
    meta: dict[str, Any]
    oracle: dict[str, Any] | None

    @property
    def name(self) -> str:
        """Its file."""
        return f"{self.path.parent.name}/{self.path.stem}"

    @property
    def digest(self) -> str:
        """The SHA-256 of the body, by which faults are listed."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    @property
    def vendor(self) -> str:
        """Whose it is."""
        return str(self.meta.get("vendor") or self.meta["server"])

    @property
    def dialect(self) -> str:
        """The dialect it is read with: by its wire's name, or found out."""
        wire = str(self.meta["wire"])
        try:
            return get_dialect(wire).name
        except UnknownDialectError:
            return "auto"

    def parser(self) -> StreamParser:
        """A parser that knows the response's head."""
        parser = StreamParser(self.dialect)
        headers: dict[str, str] = self.meta.get("headers") or {}
        head = {name.lower(): value for name, value in headers.items()}
        head["content-type"] = self.meta.get("content_type") or ""
        parser.receive_response(self.meta["status"], head)
        return parser

    def read(self, chunks: Iterable[bytes], *, lost: str | None = None) -> list[Event]:
        """Its events, fed so; ``lost``: the connection broke with this after the last chunk."""
        parser = self.parser()
        events = list(parser.events())
        for chunk in chunks:
            parser.receive_data(chunk)
            events += parser.events()
        if lost is None:
            parser.receive_eof()
        else:
            parser.connection_lost(lost)
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
        meta = json.loads(path.with_suffix(".json").read_text("utf-8"))
        said = path.with_suffix(".oracle.json")
        oracle = json.loads(said.read_text("utf-8")) if said.exists() else None
        if wire in (None, meta["wire"]) and (oracle is not None or "expected" in meta):
            yield Recording(path, meta, oracle)


def known_faults(path: Path = FAULTS) -> list[Fault]:
    """The listed faults of oracles."""
    return msgspec.json.decode(path.read_bytes(), type=list[Fault])


def judge(recording: Recording, faults: Iterable[Fault] = (), *, quick: bool = False) -> Verdict:
    """Judge one recording; ``quick`` cuts it in fewer ways."""
    body = recording.path.read_bytes()
    dialect = recording.dialect
    try:
        if recording.meta["wire"] == "eventstream-vector":
            found = list(_compare_messages(body, recording.oracle or {}))
        else:
            dialect = _dialect_of(recording, body)
            found = list(_judge_stream(recording, body, quick=quick))
    except Exception as error:  # a parser never raises: the others are to be judged all the same
        found = [f"raised: {error!r}"]
    listed = {one.field for one in faults if one.sha256 == recording.digest}
    known = [one for one in found if one.partition(" ")[0] in listed]
    return Verdict(
        recording.name,
        recording.vendor,
        recording.meta["wire"],
        dialect,
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
    lost = recording.meta.get("transport_error")
    whole = recording.read([body], lost=lost)
    completion = Completion.from_events(whole)
    if recording.oracle is None:
        yield from against_request(completion, recording.meta["expected"] or {})
    else:
        yield from against_sdk(completion, recording.oracle)
    unknown = [event.frame for event in whole if isinstance(event, Unknown)]
    if unknown:
        yield f"unknown: {len(unknown)} frames, the first is {unknown[0]!r:.300}"
    dialect = _dialect_of(recording, body)
    follows_cuts = dialect != "auto" and tells_cuts(get_dialect(dialect))
    if completion.error is None:  # nothing is read after one
        yield from uncounted(frames_of(get_dialect(dialect), body), whole)
    seed = random.Random(recording.digest)
    for way, chunks in _ways(body, recording.meta.get("chunk_sizes"), seed, quick=quick):
        events = recording.read(chunks, lost=lost)
        # The tokens of bare text are its chunks: what they add up to must not depend on them.
        if events != whole and not (
            follows_cuts
            and _says_the_same(Completion.from_events(events), completion)
            and events[-1] == whole[-1]
        ):
            yield f"chunking: {way} gives other events"
    # Only a clean end of the body proves bare text complete, so there a cut is a lost connection.
    cut_off = "it was cut" if follows_cuts else None
    for _ in range(10 if quick else 50):
        end = seed.randrange(1, max(2, len(body)))
        part = Completion.from_events(recording.read([body[:end]], lost=cut_off))
        if part.done is not None and not _says_the_same(part, completion):
            yield f"truncation: the first {end} of {len(body)} bytes end in {part.done!r}"
    if completion.done is not None:
        places = 4 if quick else 16
        done = whole[-1].frame
        for end in cuts_in_last_event(get_dialect(dialect), body, done, several=places):
            last = recording.read([body[:end]], lost=cut_off)[-1]
            if isinstance(last, Done):
                yield f"last: cut inside the last event, {end} of {len(body)} bytes end in {last!r}"


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
    if got != expected:
        yield f"messages: got {got!r:.300}, expected {expected!r:.300}"


def main(arguments: list[str] | None = None) -> int:
    """The command; gives its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.judge",
        description="Judge the parser by recorded streams and what the vendors' SDKs made of them.",
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--wire", help="only recordings of this wire")
    parser.add_argument("--quick", action="store_true", help="cut each body in fewer ways")
    parser.add_argument("--faults", type=Path, default=FAULTS, help="known faults of oracles")
    parser.add_argument("--counts", type=Path, help="write how many of each were equal, as JSON")
    asked = parser.parse_args(arguments)
    found = [one for folder in asked.folders for one in recordings(folder, asked.wire)]
    if not found:
        parser.error("there are no recordings in these folders: NAME.bin, NAME.json, ...")
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
