"""What `check_dialect` is made of: single laws, what counts as said, and making a case small."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.testing import broken
from tests.testing.broken import PLUS

from tokenwire import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Frame,
    Reasoning,
    Token,
    ToolCall,
    Usage,
    get_dialect,
)
from tokenwire.testing import Case
from tokenwire.testing._said import what_was_lost
from tokenwire.testing._show import mark_cuts
from tokenwire.testing._shrink import shrink
from tokenwire.testing.laws import (
    chunking,
    read_events,
    round_trip,
    totality,
    truncation,
    write_events,
)

CALL = ToolCall("0", 0, "a", "f", '{"x": 1}', complete=True)
END: list[Event] = [Finished(0, "stop"), Done("stop")]


@pytest.mark.parametrize(
    ("sent", "got", "lost"),
    [
        ([Token("a"), Token("b")], [Token("ab")], []),
        ([Token("a\r\nb")], [Token("a\nb")], []),
        ([Token("a")], [Token("a"), Token("b")], ["Token text of choice 0"]),
        ([Token("a", 1)], [Token("a")], ["choice 1", "choice 0"]),
        ([Reasoning("a", signature="s")], [Reasoning("a")], ["signature of choice 0"]),
        ([CALL], [ToolCall("7", 0, "a", "f", '{"x":1}', complete=True)], []),
        ([CALL], [ToolCall("7", 0, None, "f", '{"x":1}', complete=True)], []),
        ([CALL], [ToolCall("7", 0, "b", "f", '{"x":1}', complete=True)], ["id of call"]),
        (
            [CALL],
            [ToolCall("7", 0, "a", "g", '{"x":2}')],
            ["name of", "arguments of", "incomplete"],
        ),
        ([ToolCall("0", arguments="{")], [ToolCall("0", arguments="[")], ["arguments of"]),
        ([CALL], [], ["1 were sent, 0 came"]),
        ([Data("a", 1)], [], ["data: "]),
        ([Usage(1, 2)], [Usage(1, None)], []),
        ([Usage(1, 2)], [Usage(1, 3)], ["Usage.output_tokens"]),
        ([Usage(1, 2)], [], []),
    ],
)
def test_what_counts_as_lost(sent: list[Event], got: list[Event], lost: list[str]) -> None:
    found = what_was_lost([*sent, *END], [*got, *END])
    assert len(found) == len(lost)
    assert all(one in line for one, line in zip(lost, found, strict=True))


def test_another_end_is_a_loss() -> None:
    assert what_was_lost([Done("stop")], [Error("vendor", "no")])
    assert what_was_lost([Error("vendor", "no")], [Error("vendor", "yes")])
    assert not what_was_lost([Error("vendor", "no")], [Error("vendor", "no", "code")])


def test_frames_that_depend_on_the_cuts() -> None:
    """The events are equal and come from other frames."""

    class Forgets:
        def __init__(self) -> None:
            self.seen = 0

        def receive_frame(self, frame: Frame) -> Sequence[Event]:
            return [Token("x", frame=frame)]

        def receive_eof(self) -> Sequence[Event]:
            return [Done("stop")]

    class LosesComments(broken.Framer):
        def receive_data(self, data: bytes) -> None:
            self._held += data
            *lines, self._held = self._held.split(b"\n")
            for line in lines:
                self.frames.append(Frame(line, str(len(data))))

    dialect = broken.with_(framer=LosesComments, decoder=Forgets)
    found = chunking(dialect, b"ab\ncd\n", (3, 4))
    assert found is not None
    assert found.what == "the frames of the events depend on the cuts"
    assert chunking(get_dialect("text"), "é🗼".encode(), (1, 3)) is None


def test_a_cut_answer_that_ends_in_another_error() -> None:
    def decode(frame: Frame) -> Sequence[Event]:
        return [Error("vendor", "cut", frame=frame)] if frame.unterminated else broken.decode(frame)

    found = truncation(broken.with_decode(decode), b"data: +a\n\ndata: 12\n\ndata: .\n\n", (17,))
    assert found is not None
    assert found.what == "a cut answer ends in another error"


def test_events_after_the_last_are_dropped_by_the_parser() -> None:
    def decode(frame: Frame) -> Sequence[Event]:
        return [Done("stop", frame=frame), Token("x", frame=frame)]

    assert totality(broken.with_decode(decode), b"data: x\n\n") is None


def test_what_the_parser_gave_must_be_taken_again() -> None:
    def decode(frame: Frame) -> Sequence[Event]:
        return [
            Data("mark", 1, frame=frame) if frame.text == "+m" else e for e in broken.decode(frame)
        ]

    found = round_trip(broken.with_decode(decode), [Token("m"), Done("stop")], exact=False)
    assert found is not None
    assert "does not come back" in found.what
    refuses = broken.with_decode(lambda frame: [*broken.decode(frame), Data("x", 1, frame=frame)])
    found = round_trip(refuses, [Token("m")], exact=False)
    assert found is not None


def test_events_survive_json() -> None:
    events = [Token("a", 1), CALL, Error("vendor", "no", retry_after=1.5), Done("length")]
    assert read_events(write_events(events)) == events
    for wrong in ({"type": "Nothing"}, {}, {"type": "Token", "no": 1}):
        with pytest.raises(ValueError, match="is no event"):
            read_events([wrong])


def test_many_cuts_become_few() -> None:
    """Two of them are needed; the bytes between them are not."""

    def fails(case: Case) -> bool:
        marked = mark_cuts(case.wire, case.cuts)
        return any("'a'" in line for line in marked)

    case = Case(law="chunking", wire=b"xxxxaxxxx", cuts=(1, 2, 4, 5, 7))
    small = shrink(case, fails)
    assert len(small.cuts) <= 2
    assert len(small.wire) <= 3


def test_many_chunks_are_shown_in_short() -> None:
    shown = mark_cuts(bytes(40), range(1, 40))
    assert len(shown) == 13
    assert "... 28 chunks ..." in shown[6]
    (line,) = mark_cuts(bytes(1000), ())
    assert len(line) < 200


def test_a_sound_dialect_holds_each_law() -> None:
    wire = b"data: +a\n\ndata: .\n\n"
    assert chunking(PLUS, wire, (3, 9)) is None
    assert truncation(PLUS, wire, (9,)) is None
    assert totality(PLUS, wire) is None
    assert round_trip(PLUS, [Token("a"), Done("stop")], exact=True) is None
