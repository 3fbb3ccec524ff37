"""`check_dialect`: all laws, held against one dialect."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final

from hypothesis import strategies as st
from msgspec import Struct

from tokenwire.dialects import Dialect, get_dialect
from tokenwire.events import Event
from tokenwire.testing._answers import Spoken, for_answers, words_of
from tokenwire.testing._mutate import PIECES, frames_of, mutate
from tokenwire.testing._read import cut, read, tells_cuts
from tokenwire.testing._show import show
from tokenwire.testing._shrink import shrink
from tokenwire.testing.laws import (
    Broken,
    Case,
    bounded,
    check_case,
    chunking,
    frame_cuts,
    hard_wires,
    read_slowly,
    shortcuts,
    truncation,
    write_events,
)
from tokenwire.testing.strategies import awkward_places, chunkings

LAW_NAMES: Final[tuple[str, ...]] = (
    "chunking",
    "shortcuts",
    "truncation",
    "round trip",
    "totality",
    "linearity",
    "memory",
    "values",
)

# Bytes that one law may read of one wire: half a second. Up to about 1200 bytes a wire is then
# cut at every byte, longer ones at every place that hurts and at random ones.
_BUDGET: Final = 1_500_000
_PAIRS: Final = 60
_RANDOM_CUTS: Final = 40


class Failure(Struct, frozen=True):
    """A law that was broken.

    Attributes:
        law: Its name.
        case: The smallest case found that breaks it.
        what: How, in one sentence.
        text: All of it for people: the bytes with the cuts marked, the events as a diff.
    """

    law: str
    case: Case
    what: str
    text: str

    def __str__(self) -> str:
        return self.text


class Report(Struct, frozen=True):
    """What `check_dialect` found.

    Attributes:
        dialect: The dialect's name.
        checked: For each law, how many cases it was held against; 0: there was nothing to hold.
        failures: One for each law that was broken.
        notes: What is no failure, but worth to know.
    """

    dialect: str
    checked: dict[str, int]
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """No law was broken."""
        return not self.failures

    def __str__(self) -> str:
        broken = {failure.law for failure in self.failures}
        holds = len(self.checked) - len(broken)
        lines = [f"{self.dialect}: {holds} of {len(self.checked)} laws hold"]
        for law, count in self.checked.items():
            verdict = "BROKEN" if law in broken else "holds" if count else "nothing to check"
            lines.append(f"  {law:<10}  {count:>6} cases  {verdict}")
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join([*lines, *(f"\n{failure.text}" for failure in self.failures)])


class DialectCheckError(AssertionError):
    """A dialect breaks a law; the message is the report.

    Attributes:
        report: The report itself.
    """

    def __init__(self, report: Report) -> None:
        """Wrap the report."""
        super().__init__(str(report))
        self.report = report


def check_dialect(
    dialect: Dialect | str,
    *,
    wire: bytes | Iterable[bytes] = (),
    events: Iterable[Sequence[Event]] = (),
    examples: int = 50,
    seed: int = 0,
    raises: bool = True,
) -> Report:
    """Hold all laws against a dialect: on real wire, on its own answers, and on damaged ones.

    1. *Chunking:* however the bytes are cut, the events are equal.
    2. *Shortcuts:* chunks that are whole frames, or nearly, give what reading byte by byte gives.
    3. *Truncation:* a cut answer never ends in `Done`, unless it says all that the whole says.
    4. *Round trip:* what is encoded and parsed says the same; for ``events``, is the same.
    5. *Totality:* no bytes make the parser raise, and no payload the decoder.
    6. *Linearity:* twice the bytes cost about twice the work, counted and not timed.
    7. *Memory:* what is held stays under the limit.
    8. *Values:* a value of another JSON type costs no text, and what is not read is told.

    Where the dialect has an encoder, answers are drawn (see `answers`) and take part in all laws.

    Args:
        dialect: The dialect, or its name.
        wire: Bodies of real responses, one or several; best the recorded answer of the service, an
            answer that fails, and one with everything that it can say.
        events: Sequences of events that the dialect must be able to say, each with its end.
        examples: How many answers to draw, and how many damaged copies to make of each wire.
        seed: Chooses them. The same seed finds the same.
        raises: Raise an error if a law is broken; else only report it.

    Returns:
        What was checked and what was found.

    Raises:
        DialectCheckError: A law is broken, and ``raises`` is set.
        UnknownDialectError: No dialect has this name.
        ValueError: There is neither wire nor an encoder, so nothing to check with; or ``events``
            are given for a dialect that is only read.
    """
    found = get_dialect(dialect) if isinstance(dialect, str) else dialect
    wires = [wire] if isinstance(wire, bytes) else list(wire)
    said = [list(sequence) for sequence in events]
    if said and found.encoder is None:
        raise ValueError(f"{found.name} has no encoder, so it cannot say the events")
    if not any(wires) and found.encoder is None:
        raise ValueError(f"{found.name} has no encoder: give some wire to check it with")
    check = _Check(found, examples, seed)
    for sequence in said:
        check.hold(Case(law="round trip", wire=b"", events=write_events(sequence), exact=True))
    for body in wires:
        check.check_wire(body)
    if found.encoder is not None:
        check.check_answers()
    check.check_hostile()
    report = check.report()
    if raises and report.failures:
        raise DialectCheckError(report)
    return report


class _BrokenError(AssertionError):
    """Carries a case out of Hypothesis, once it is small."""

    def __init__(self, case: Case, broken: Broken) -> None:
        super().__init__(broken.what)
        self.case, self.broken = case, broken


class _Check:
    """One run over one dialect: what was counted, what was found."""

    def __init__(self, dialect: Dialect, examples: int, seed: int) -> None:
        self._dialect = dialect
        self._examples = examples
        self._seed = seed
        self._random = random.Random(seed)
        self._checked: dict[str, int] = dict.fromkeys(LAW_NAMES, 0)
        self._failures: dict[str, Failure] = {}
        self._notes: list[str] = []
        self._wires: list[bytes] = []  # sound ones, to build others from
        self._complete = False

    def report(self) -> Report:
        """What was found."""
        if tells_cuts(self._dialect):
            self._notes.append("bare text ends where its body ends: no cut can be told from that")
        elif not self._complete:
            self._notes.append("no answer came to its Done: truncation met no complete one")
        failures = [self._failures[law] for law in LAW_NAMES if law in self._failures]
        return Report(self._dialect.name, self._checked, tuple(failures), tuple(self._notes))

    # --- holding one law ---

    def hold(self, case: Case) -> None:
        """Hold the law of a case against it, unless that law is broken already."""
        if case.law not in self._failures:
            self._checked[case.law] += 1
            self._note(case, check_case(self._dialect, case))

    def _note(self, case: Case, broken: Broken | None) -> None:
        if broken is None or case.law in self._failures:
            return
        if case.law not in ("round trip", "linearity", "values"):
            small = shrink(case, lambda one: check_case(self._dialect, one) is not None)
            again = check_case(self._dialect, small)
            case, broken = (small, again) if again is not None else (case, broken)
        self._failures[case.law] = Failure(case.law, case, broken.what, show(case, broken))

    def _run(self, law: str, wire: bytes, ways: Iterable[tuple[int, ...]]) -> None:
        """One of the laws about cuts, in these ways, what it is compared with being read once."""
        check = {"chunking": chunking, "shortcuts": shortcuts, "truncation": truncation}[law]
        slow = law == "shortcuts"
        whole = read_slowly(self._dialect, wire) if slow else read(self._dialect, cut(wire, ()))
        for cuts in ways:
            if law in self._failures:
                return
            self._checked[law] += 1
            broken = check(self._dialect, wire, cuts, whole=whole)
            self._note(Case(law=law, wire=wire, cuts=cuts), broken)

    # --- given wire ---

    def check_wire(self, wire: bytes) -> None:
        """The laws on one body."""
        self._wires.append(wire)
        self._complete |= read(self._dialect, cut(wire, ())).complete
        self._run("chunking", wire, self._ways(wire))
        self._run("shortcuts", wire, frame_cuts(self._dialect, wire))
        if not tells_cuts(self._dialect):
            self._run("truncation", wire, ((at,) for at in self._places(wire)))
        self.hold(Case(law="totality", wire=wire))
        self.hold(Case(law="memory", wire=wire, cuts=tuple(range(1, len(wire)))))
        self.hold(Case(law="memory", wire=wire))
        self.hold(Case(law="linearity", wire=wire))
        self.hold(Case(law="values", wire=wire))

    def _places(self, wire: bytes) -> list[int]:
        """Where to cut: everywhere, or, in a long wire, where it hurts and at random."""
        room = _BUDGET // (len(wire) + 1)
        if len(wire) <= room:
            return list(range(1, len(wire)))
        hurting = awkward_places(wire)
        chosen = hurting[:: len(hurting) // (room // 2 + 1) + 1]
        inside = range(1, len(wire))
        more = self._random.sample(inside, max(1, min(len(inside), room - len(chosen))))
        return sorted({*chosen, *more})

    def _ways(self, wire: bytes) -> Iterator[tuple[int, ...]]:
        """Single cuts, byte by byte, pairs where it hurts, and random ones."""
        if len(wire) < 2:
            return
        places = self._places(wire)
        yield from ((at,) for at in places)
        yield tuple(range(1, len(wire)))
        inside = range(1, len(wire))
        hurting = awkward_places(wire)
        for _ in range(min(_PAIRS, len(places))):
            at = self._random.choice(hurting)
            yield tuple(sorted({at, min(at + self._random.randint(1, 3), len(wire) - 1)}))
        for _ in range(min(_RANDOM_CUTS, len(places))):
            size = self._random.randint(0, min(len(inside), self._random.choice((3, 12, 100))))
            yield tuple(sorted(self._random.sample(inside, size)))

    # --- answers of its own ---

    def check_answers(self) -> None:
        """The laws on drawn answers; Hypothesis makes them small where one is broken."""
        self._notes.extend(words_of(self._dialect).notes)
        kept: list[bytes] = []

        def check(one: Spoken, data: st.DataObject) -> None:
            kept.append(one.wire)
            self._check_answer(one, data)

        while True:
            try:
                for_answers(self._dialect, check, examples=self._examples, seed=self._seed)
                break
            except _BrokenError as error:  # the other laws may hold: look again without this one
                self._note(error.case, error.broken)
        longest = sorted({*kept} - {b""}, key=lambda wire: (len(wire), wire))[-3:]
        for wire in longest[-1:]:
            self.hold(Case(law="linearity", wire=wire))
            self.hold(Case(law="memory", wire=wire))
        for wire in longest:
            self.hold(Case(law="values", wire=wire))
        self._wires.extend(longest)

    def _check_answer(self, one: Spoken, data: st.DataObject) -> None:
        wire = one.wire
        cases = [Case(law="round trip", wire=b"", events=write_events(one.sent))]
        if len(wire) > 1:
            chunks = data.draw(chunkings(wire))
            cuts = tuple(accumulate(map(len, chunks)))[:-1]
            end = data.draw(st.integers(1, len(wire) - 1))
            cases.append(Case(law="chunking", wire=wire, cuts=cuts))
            aligned = data.draw(st.sampled_from([*frame_cuts(self._dialect, wire)]))
            cases.append(Case(law="shortcuts", wire=wire, cuts=aligned))
            if not tells_cuts(self._dialect):
                cases.append(Case(law="truncation", wire=wire, cuts=(end,)))
            cases.append(Case(law="totality", wire=wire))
            self._complete = self._complete or read(self._dialect, [wire]).complete
        for case in cases:
            if case.law not in self._failures:
                self._checked[case.law] += 1
                broken = check_case(self._dialect, case)
                if broken is not None:
                    raise _BrokenError(case, broken)

    # --- what no service sends ---

    def check_hostile(self) -> None:
        """Damaged wire, bytes at random and payloads that fell decoders."""
        names = {"", "error", "message"}
        for wire in self._wires:
            frames = frames_of(self._dialect, wire)
            names |= {
                frame.event
                for frame in read(self._dialect, [wire] if wire else []).frames
                if frame is not None
            }
            for _ in range(self._examples):
                self._check_damaged(mutate(frames, self._random, self._dialect))
        for _ in range(self._examples):
            pieces = [
                self._random.choice(PIECES)
                if self._random.randrange(4)
                else self._random.randbytes(self._random.randint(1, 8))
                for _ in range(self._random.randint(1, 12))
            ]
            self._check_damaged(b"".join(pieces))
        for wire in hard_wires(self._dialect, sorted(names)):
            self.hold(Case(law="totality", wire=wire))

    def _check_damaged(self, wire: bytes) -> None:
        if len(wire) < 2:
            return
        cuts = tuple(sorted(self._random.sample(range(1, len(wire)), min(3, len(wire) - 1))))
        bytewise = tuple(range(1, len(wire)))
        self.hold(Case(law="totality", wire=wire))
        self._run("chunking", wire, (cuts, bytewise))
        self._run("shortcuts", wire, ((), next(frame_cuts(self._dialect, wire))))
        if "memory" not in self._failures:
            self._checked["memory"] += 1
            self._note(Case(law="memory", wire=wire, cuts=cuts), bounded(self._dialect, wire, cuts))
