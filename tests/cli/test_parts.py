"""The parts of the server and of the command that need no socket."""

from __future__ import annotations

import io
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire.cli.exits import OF_KIND
from tokenwire.cli.report import report
from tokenwire.cli.show import COLOURS, EventView, TextView
from tokenwire.dialects import get_dialect
from tokenwire.events import Done, Error, ErrorKind, Event, Recovery, Reset, Token
from tokenwire.testserver.answer import Answer, Step
from tokenwire.testserver.cuts import LONGEST_RANDOM, Cutter
from tokenwire.testserver.passage import PASSAGE, split_text
from tokenwire.testserver.settings import CUTS, Settings

# -- text


@given(st.text())
def test_pieces_join_to_the_text(text: str) -> None:
    pieces = split_text(text)
    assert "".join(pieces) == text
    assert all(pieces)


def test_pieces_are_like_words() -> None:
    assert split_text("Hi you,\n\ninternational") == [
        "Hi",
        " you",
        ",",
        "\n",
        "\ninternat",
        "ional",
    ]


def test_the_passage_has_what_breaks_clients() -> None:
    assert {len(character.encode()) for character in PASSAGE} == {1, 2, 3, 4}
    assert "\n\n" in PASSAGE
    assert "```" in PASSAGE
    assert "\u200d" in PASSAGE


# -- cuts


@given(st.sampled_from(CUTS), st.integers(), st.lists(st.binary(max_size=200)))
def test_cuts_lose_nothing(cut: Any, seed: int, written: list[bytes]) -> None:
    cutter = Cutter(cut, seed)
    pieces = [piece for data in written for piece in cutter.cut(data)]
    pieces += cutter.rest()
    assert b"".join(pieces) == b"".join(written)
    assert all(pieces)
    if cut == "random":
        assert all(len(piece) <= LONGEST_RANDOM for piece in pieces)
    if cut == "byte":
        assert all(len(piece) == 1 for piece in pieces)


# -- settings


@pytest.mark.parametrize("wrong", [{"rate": -1}, {"cut": "x"}, {"fail": "x"}, {"after": -1}])
def test_settings_are_checked_when_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))} must be "):
        Settings(**wrong)


def test_a_query_changes_what_it_names() -> None:
    before = Settings(rate=3, fail="drop")
    query = {"cut": "byte", "rate": "0.5", "crlf": "true", "seed": "-7", "after": "0", "text": ""}
    after = Settings(cut="byte", rate=0.5, crlf=True, seed=-7, after=0, text="", fail="drop")
    assert before.changed_by(query) == after
    assert before.changed_by({"unknown": "x"}) is before


# -- steps


def steps_of(**settings: Any) -> list[bytes | Step]:
    answer = Answer(get_dialect("sse"), Settings(**settings), id="x", model="m")
    return list(answer.steps())


def test_steps_of_an_answer() -> None:
    assert steps_of(text="Hi you") == [
        Step.TOKEN,
        b"data: Hi\n\n",
        Step.TOKEN,
        b"data:  you\n\n",
        b"data: [DONE]\n\n",
    ]


@pytest.mark.parametrize(("fail", "last"), [("drop", Step.DROP), ("stall", Step.STALL)])
@pytest.mark.parametrize("cut", CUTS)
def test_all_that_comes_before_a_failure_is_sent(fail: str, last: Step, cut: str) -> None:
    """Also what ``random`` would have held back."""
    steps = steps_of(text="Hi you", fail=fail, after=1, cut=cut)
    assert steps[-1] is last
    assert b"".join(step for step in steps if isinstance(step, bytes)) == b"data: Hi\n\n"


# -- what people read


@pytest.mark.parametrize("kind", get_args(ErrorKind))
def test_every_kind_has_a_code_and_words(kind: ErrorKind) -> None:
    assert OF_KIND[kind] > 2
    for tokens in (0, 1, 2):
        for recovery in Recovery:
            for status in (None, 200, 302, 401, 404, 405, 429, 500):
                line = report(Error(kind, "It broke.", status=status, recovery=recovery), tokens)
                assert line.startswith(kind)
                assert "It broke" in line
                assert "broke.." not in line
                assert line.endswith((".", "?"))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("output", [io.StringIO, Terminal])
def test_a_reset_is_told_and_begins_a_line(output: type[io.StringIO]) -> None:
    out, notes = output(), io.StringIO()
    view = TextView(out, notes)
    events: list[Event] = [
        Token("wrong"),
        Token("other", index=1),
        Reset(text="right"),
        Token("!\n"),
        Done("stop"),
    ]
    for event in events:
        view.show(event)
    view.close()
    assert out.getvalue() == "wrong\nright!\n"
    assert "reset: the 5 characters so far are void" in notes.getvalue()
    assert "--choice 1" in notes.getvalue()


def test_a_reset_of_another_choice_is_not_ours() -> None:
    out, notes = io.StringIO(), io.StringIO()
    view = TextView(out, notes)
    view.show(Token("mine"))
    view.show(Reset(index=1))
    assert (out.getvalue(), notes.getvalue()) == ("mine", "")


def test_every_event_has_a_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    view = EventView(out)
    for kind in COLOURS:
        fields = {"text": "t", "key": "k", "kind": "vendor", "message": "m"}
        known = {name: value for name, value in fields.items() if name in kind.__struct_fields__}
        view.show(kind(**known))
    assert out.getvalue().count("\x1b[0m") == len(COLOURS)
