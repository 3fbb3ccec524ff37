"""`check_dialect`: it lets a sound dialect pass, and finds what people get wrong."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
import pytest
from tests.effort import tries
from tests.testing import broken
from tests.testing.broken import PLUS, WIRE

from tokenwire import Data, Dialect, Done, Event, Token, UnknownDialectError
from tokenwire.framing.rawtext import RawTextFramer
from tokenwire.testing import DialectCheckError, Report, check_dialect
from tokenwire.testing.laws import Case, check_case

LAWS = [
    "chunking",
    "shortcuts",
    "truncation",
    "round trip",
    "totality",
    "linearity",
    "memory",
    "values",
]
ANSWER = (Path(__file__).parents[2] / "examples" / "answer.sse").read_bytes()


def report_of(dialect: Dialect, examples: int = 6) -> Report:
    return check_dialect(dialect, wire=WIRE, examples=examples, raises=False)


@cache
def report_of_wrong(name: str) -> Report:
    law, dialect = WRONG[name]
    return report_of(dialect, 30 if law == "round trip" else 4)


def test_a_sound_dialect_passes() -> None:
    report = check_dialect(
        PLUS, wire=WIRE, events=[[Token("a\nb"), Done("stop")]], examples=tries(50)
    )
    assert report.ok
    assert list(report.checked) == LAWS
    assert all(report.checked.values())
    assert "8 of 8 laws hold" in str(report)


@pytest.mark.parametrize("name", ["bedrock-converse", "event-stream"])
def test_built_in_dialects_pass_by_name(name: str) -> None:
    assert check_dialect(name, examples=1).dialect == name


def test_a_recorded_answer_passes() -> None:
    check_dialect("openai-chat", wire=[ANSWER], examples=5)


def test_a_dialect_that_is_only_read() -> None:
    report = check_dialect(broken.with_(encoder=None), wire=WIRE)
    assert report.checked.pop("round trip") == 0
    assert all(report.checked.values())


def test_the_same_seed_checks_the_same() -> None:
    assert str(report_of(PLUS, 2)) == str(report_of(PLUS, 2))


WRONG = {
    "a framer takes each chunk for whole lines": (
        "chunking",
        broken.with_(framer=broken.EachChunkALine),
    ),
    "the end of the body is taken for the end": (
        "truncation",
        broken.with_(decoder=broken.DoneAtAnyEnd),
    ),
    "the encoder strips white space": (
        "round trip",
        broken.with_(encoder=lambda: broken.strips_text),
    ),
    "the encoder uses str.splitlines": (
        "round trip",
        broken.with_(encoder=lambda: broken.splits_at_every_line_end),
    ),
    "the decoder believes that JSON is an object": (
        "totality",
        broken.with_decode(broken.raises_on_json),
    ),
    "events have no frame": ("totality", broken.with_decode(broken.gives_no_frame)),
    "something is no event": ("totality", broken.with_decode(broken.gives_text)),
    "bytes are added to bytes": ("linearity", broken.with_(framer=broken.CopiesItsBuffer)),
    "all text is kept and joined": ("linearity", broken.with_(decoder=broken.JoinsAllTheText)),
    "there is no limit": ("memory", broken.with_(framer=broken.ForgetsTheLimit)),
    "what is held is not told": ("memory", broken.with_(framer=broken.HidesWhatItHolds)),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_found_and_its_case_replays(name: str) -> None:
    law, dialect = WRONG[name]
    report = report_of_wrong(name)
    found = {failure.law: failure for failure in report.failures}
    assert law in found, str(report)
    assert check_case(dialect, found[law].case) is not None
    assert f"{law}: {found[law].what}" in str(report)


def test_a_chunking_failure_is_the_smallest_and_shows_the_cut() -> None:
    (failure, *_) = report_of_wrong("a framer takes each chunk for whole lines").failures
    assert len(failure.case.cuts) == 1
    assert len(failure.case.wire) <= 4
    assert "' |\n" in failure.text
    assert "\n    - " in failure.text
    assert "\n    + " in failure.text


def test_a_truncation_failure_shows_where_the_answer_was_cut() -> None:
    (failure,) = report_of_wrong("the end of the body is taken for the end").failures
    assert "passes for a complete one" in failure.what
    assert "ends at byte" in failure.text


def test_a_round_trip_failure_is_small() -> None:
    """Hypothesis shrinks drawn answers: one token of two characters is enough."""
    (failure,) = report_of_wrong("the encoder strips white space").failures
    tokens = [event for event in failure.case.events if event["type"] == "Token"]
    assert len(tokens) == 1
    assert len(tokens[0]["text"]) == 2


def test_given_events_must_come_back_as_they_are() -> None:
    with pytest.raises(DialectCheckError, match="comes back as other events") as caught:
        check_dialect(PLUS, events=[[Token("a\rb"), Done("stop")]], examples=1)
    assert caught.value.report.failures[0].case.exact


def test_given_events_must_be_taken() -> None:
    said: list[Event] = [Data("image", "x"), Done("stop")]
    with pytest.raises(DialectCheckError, match="does not take these events: LocalProtocolError"):
        check_dialect(PLUS, events=[said], examples=1)


def test_what_an_encoder_should_refuse_is_noted() -> None:
    report = report_of(broken.with_(encoder=lambda: broken.merges_choices))
    assert report.ok
    assert any("two answers become one" in note for note in report.notes)


def test_a_wire_that_is_never_complete_is_noted() -> None:
    report = check_dialect(broken.with_(encoder=None), wire=WIRE[:-10])
    assert any("no answer came to its Done" in note for note in report.notes)


def test_bare_text_is_held_to_what_its_tokens_add_up_to() -> None:
    dialect = broken.with_(
        name="bare",
        framer=RawTextFramer,
        decoder=lambda: lambda frame: (Token(frame.text, frame=frame),),
        encoder=None,
    )
    report = check_dialect(dialect, wire="naïve 🗼 text".encode())
    assert report.checked["truncation"] == 0
    assert any("bare text" in note for note in report.notes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"wire": b""}, "give some wire"), ({"wire": WIRE, "events": [[Token("a")]]}, "cannot say")],
)
def test_there_must_be_something_to_check_with(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_dialect(broken.with_(encoder=None), **arguments)  # type: ignore[arg-type]


def test_an_unknown_name() -> None:
    with pytest.raises(UnknownDialectError):
        check_dialect("no-such-dialect")


def test_a_case_survives_json() -> None:
    name = "the encoder strips white space"
    encoded = msgspec.json.encode(report_of_wrong(name).failures[0].case)
    assert check_case(WRONG[name][1], msgspec.json.decode(encoded, type=Case))
