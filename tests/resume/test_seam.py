"""Where a new text goes on from an old one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tokenwire.resume.overlap import Method, Search
from tokenwire.resume.seam import Join, Policy, Seam

PARIS = "Berlin is in Germany. The capital of France is Par"
LONG = PARIS + ". ".join(f"Item {number} costs {number * 7} crowns" for number in range(200))


def joined(before: str, *pieces: str, **options: Any) -> tuple[str, Join]:
    """What is shown in the end, and how it was joined."""
    seam = Seam(before, **{"policy": "keep", **options})
    shown = [*map(seam.receive, pieces), seam.finish()]
    assert seam.join is not None
    return before + "".join(shown), seam.join


# Old text, new text, what is to be shown, whether that is doubtful; after a prefill.
CASES = [
    # nothing repeated
    (PARIS, "is is lovely.", PARIS + "is is lovely.", False),
    (PARIS, "is", PARIS + "is", False),
    (PARIS, "", PARIS, False),
    ("the cat", "tle graze", "the cattle graze", False),
    ("Mis", "sissippi", "Mississippi", False),
    ("He is", " in Rome", "He is in Rome", False),
    ("a\n", "\nb", "a\n\nb", False),
    ("def f():\n    if x:\n    ", "    return 1", "def f():\n    if x:\n        return 1", False),
    ("", "Hello", "Hello", False),
    ("  \n", "Hello", "  \nHello", False),
    ("3.", "14", "3.14", False),
    ("pri", "nt(x)", "print(x)", False),
    # the cut word begun again
    (PARIS, "Paris is lovely.", PARIS + "is is lovely.", False),
    (PARIS, "Paris", PARIS + "is", False),
    (PARIS, "Par", PARIS, False),
    (PARIS, " Paris is lovely.", PARIS + "is is lovely.", False),
    (PARIS, "\n\nParis is lovely.", PARIS + "is is lovely.", False),
    (PARIS, "is Paris.", PARIS + "is.", False),
    (PARIS, "France is Paris.", PARIS + "is.", False),
    ("Then he said no", "no more", "Then he said no more", False),
    ("self.na", "name = 1", "self.name = 1", False),
    ("Ele foi à pra", "praça", "Ele foi à praça", False),
    ("Столица Франции — Пар", "Париж.", "Столица Франции — Париж.", False),
    ("Η πρωτεύουσα είναι το Παρ", "Παρίσι.", "Η πρωτεύουσα είναι το Παρίσι.", False),
    ("عاصمة فرنسا هي بار", "باريس.", "عاصمة فرنسا هي باريس.", False),
    ("फ़्रांस की राजधानी पेर", "पेरिस है।", "फ़्रांस की राजधानी पेरिस है।", False),
    ("프랑스의 수도는 파", "파리입니다.", "프랑스의 수도는 파리입니다.", False),
    ("프랑스의 수도는 파리", "파리입니다.", "프랑스의 수도는 파리입니다.", False),
    # but not for a letter, nor for words that stand before, nor for short ones
    ("I saw a", "ardvark", "I saw aardvark", False),
    ("I have a", " apple", "I have a apple", False),
    ("the king saw the", " theatre", "the king saw the theatre", False),
    ("It is very", " very good", "It is very very good", False),
    ("no no ", "no more", "no no no more", False),
    # digits
    ("It costs 1", "100 crowns", "It costs 1100 crowns", True),
    ("It costs 12", ".12", "It costs 12.12", False),
    # scripts without spaces
    ("法国的首都是巴", "黎。", "法国的首都是巴黎。", False),
    ("法国的首都是巴黎", "巴黎是城市。", "法国的首都是巴黎是城市。", False),
    ("人", "人都知道", "人人都知道", False),
    ("フランスの首都はパリ", "パリです。", "フランスの首都はパリです。", False),
    ("เมืองหลวงของฝรั่งเศสคือปารีส", "ปารีสสวย", "เมืองหลวงของฝรั่งเศสคือปารีสสวย", False),
    # many words repeated
    ("We saw the old fort", " old fort and", "We saw the old fort old fort and", False),
    ("to the market place", " market place and", "to the market place market place and", True),
    (
        "One. We went to the old market place",
        "We went to the old market place. Two.",
        "One. We went to the old market place. Two.",
        False,
    ),
    (
        "One: xxWe went to the old market place",
        "We went to the old market place. Two.",
        "One: xxWe went to the old market place. Two.",
        False,
    ),
    # all of it
    ("Hello there", " there", "Hello there there", False),
    ("The world ", "The world is", "The world is", False),
    ("Hello ", "Hello again", "Hello Hello again", False),
    # a passage that stands there twice
    (
        "| alpha | beta gamma delta |\n| alpha | beta gamma delta |\n",
        "| alpha | beta gamma delta |\n",
        "| alpha | beta gamma delta |\n" * 3,
        True,
    ),
    # a capital sticks to the cut word
    (PARIS, "Here is the rest", PARIS + "Here is the rest", True),
    ("get", "ElementById", "getElementById", True),
    ("GET", "Here", "GETHere", False),
    # all of the new text stands in the middle of the old one
    (PARIS, "Berlin is in Germany.", PARIS + "Berlin is in Germany.", True),
    (PARIS, "in", PARIS + "in", False),
]


@pytest.mark.parametrize(("before", "new", "shown", "doubtful"), CASES)
def test_what_people_expect(before: str, new: str, shown: str, doubtful: bool) -> None:
    text, join = joined(before, *new)
    assert text == shown
    assert join.doubtful == doubtful, join
    assert 0 <= join.confidence <= 1
    assert (join.verdict, join.restarted) == ("append", False)
    assert joined(before, new) == (text, join)


# Old text, what the request did not have of it, new text, what is to be shown.
STRIPPED = [
    ("Hello, ", " ", "world", "Hello, world"),
    ("Hello, ", " ", " world", "Hello, world"),
    ("Hello, ", " ", "\n\nworld", "Hello, \n\nworld"),
    ("a\n", "\n", "\n\nb", "a\n\nb"),
    ("a\n\n", "\n\n", "\nb", "a\n\nb"),
    ("if x:\n    ", "\n    ", "\n        return", "if x:\n        return"),
    ("Hello, ", " ", "Hello, world", "Hello, Hello, world"),
    ("Hello, great ", " ", "Hello, great\nworld", "Hello, great \nworld"),
    ("Oh \ud83d", " \ud83d", " \U0001f600", "Oh \ud83d\U0001f600"),
]


@pytest.mark.parametrize(("before", "stripped", "new", "shown"), STRIPPED)
def test_white_space_that_the_model_did_not_see(
    before: str, stripped: str, new: str, shown: str
) -> None:
    assert joined(before, *new, stripped=stripped)[0] == shown
    assert joined(before, new, stripped=stripped)[0] == shown


def test_white_space_after_an_overlap_is_not_said_twice() -> None:
    before = "One. We went to the old market place\n\n"
    new = "We went to the old market place\n\nThen"
    assert joined(before, *new)[0] == before + "Then"
    assert joined(before, new)[0] == before + "Then"


# New text, what is to be shown, whether that is doubtful; after an instruction.
INSTRUCTED = [
    (PARIS + "is.", PARIS + "is.", False),
    ("\n\n" + PARIS + "is.", PARIS + "is.", False),
    (PARIS + "Then", PARIS + "Then", False),
    ("The capital of France is Paris.", PARIS + "is.", False),
    ("of France is Paris.", PARIS + "is.", False),
    ("Paris.", PARIS + "is.", False),
    ("is.", PARIS + "is.", True),
    (" is", PARIS + " is", True),
    ("Sure! Here it is: Paris.", PARIS + "Sure! Here it is: Paris.", True),
    ("", PARIS, True),
]


@pytest.mark.parametrize(("new", "shown", "doubtful"), INSTRUCTED)
def test_after_an_instruction(new: str, shown: str, doubtful: bool) -> None:
    text, join = joined(PARIS, *new, method="instruction", quoted=PARIS)
    assert (text, join.doubtful) == (shown, doubtful)


def test_a_quoted_passage_is_one_even_if_it_stands_there_twice() -> None:
    row = "| a | b |\n"
    asked = joined(row * 3, row + "| c | d |", method="instruction", quoted=row)
    assert asked == (row * 3 + "| c | d |", Join(overlap=9, confidence=0.99))
    # The white space at its end may be missing.
    assert joined(row * 3, row[:-1], method="instruction", quoted=row)[0] == row * 3
    # What is no end of the old text says nothing.
    other = joined(row * 3, "| c | d |", method="instruction", quoted="elsewhere")
    assert other[1].doubtful


def test_a_short_quote_is_repeated_for_sure() -> None:
    text, join = joined("So be it", "it is.", method="instruction", quoted="it")
    assert (text, join.confidence) == ("So be it is.", 0.99)


@pytest.mark.parametrize("new", [LONG, "\n " + LONG, LONG[:60] + " another end", LONG[:24]])
def test_an_answer_begun_anew(new: str) -> None:
    seam = Seam(LONG)
    shown = "".join(map(seam.receive, new))
    assert shown == new.lstrip()
    assert seam.join == Join(overlap=0, confidence=0.9, verdict="replay")
    assert seam.join.restarted
    assert seam.finish() == ""


def test_an_answer_begun_anew_comes_with_the_white_space_of_the_old_one() -> None:
    shown, join = joined("\n " + LONG, *LONG)
    assert join.restarted
    assert shown == "\n " + LONG + "\n " + LONG


@pytest.mark.parametrize("begin", ["Item", "--------------------------------"])
def test_what_begins_alike_need_not_be_the_answer_anew(begin: str) -> None:
    before = begin + " one, and " + "so on and on " * 9 + "to the end"
    text, join = joined(before, *(begin + " of it"))
    assert (text, join.restarted) == (before + begin + " of it", False)


def test_what_begins_alike_is_doubtful_where_the_beginning_comes_again() -> None:
    row = "- a long row of a list, all alike\n"
    text, join = joined(row * 9 + "- a", *("\n" + row))
    assert (text, join.verdict, join.doubtful) == (row * 9 + "- a\n" + row, "append", True)


def test_white_space_at_the_end_is_no_beginning() -> None:
    before = "def receive_eof():\n        "
    assert joined(before, *(before + "pass"))[0] == before + "pass"


def test_a_short_answer_begun_anew_is_an_overlap() -> None:
    assert joined(PARIS, *(PARIS + "is."))[1] == Join(
        overlap=50, confidence=pytest.approx(0.976, 0.01)
    )


def test_the_policies_for_a_doubtful_seam() -> None:
    policies: tuple[Policy, ...] = ("reset", "reject")
    for policy in policies:
        text, join = joined(PARIS, "Here", " is", " the rest", policy=policy)
        assert (text, join.verdict, join.doubtful) == (PARIS, policy, True)
        sure, join = joined(PARIS, "is", policy=policy)
        assert (sure, join.verdict) == (PARIS + "is", "append")


def test_a_doubtful_seam_is_rejected_unless_the_caller_says_otherwise() -> None:
    seam = Seam(PARIS)
    assert seam.receive("Here is the rest") == ""
    assert seam.join == Join(overlap=0, confidence=0.4, verdict="reject")
    assert seam.receive(" of it") == ""


def test_what_was_decided_passes_through() -> None:
    seam = Seam(PARIS)
    assert [seam.receive(piece) for piece in ("", "Pa", "ris", " Par", "Par", "")] == [
        "",
        "",
        "is",
        " Par",
        "Par",
        "",
    ]
    assert seam.finish() == seam.finish() == ""


def test_nothing_is_held_longer_than_it_must_be() -> None:
    seam = Seam(PARIS)
    assert seam.receive("i") == ""  # as in "is Par"
    assert seam.receive("q") == "iq"


@pytest.mark.parametrize("window", [1, 3, 100, 2048])
def test_what_is_held_is_bounded(window: int) -> None:
    for before, new in (("ab" * 5000, "ab" * 5000), ("a", " " * 5000), (" " * 5000, "  " * 5000)):
        seam = Seam(before, window=window)
        held = next((at for at, here in enumerate(new) if seam.receive(here)), len(new))
        assert held <= window + 24


def test_a_window_cuts_the_old_text() -> None:
    before = "x" * 50 + "Par"
    assert joined(before, "Paris", window=3)[0] == before + "Paris"  # inside a word
    before = "x" * 50 + " Par"
    assert joined(before, "Paris", window=3)[0] == before + "is"
    with pytest.raises(ValueError, match="window must be positive, not 0"):
        Seam("", window=0)


WORDS = [f"{a}{b}" for a in ("ka", "lo", "mi", "ne", "pu") for b in ("bric", "dex", "fust", "garn")]
prose = st.lists(st.sampled_from(WORDS), min_size=6, max_size=20, unique=True).map(" ".join)


@given(prose, st.data())
def test_an_answer_cut_anywhere_is_whole_again(text: str, data: st.DataObject) -> None:
    """Whatever was repeated: nothing, from the cut word on, or enough letters."""
    at = data.draw(st.integers(1, len(text) - 1))
    begin_of_word = text.rfind(" ", 0, at) + 1
    back = data.draw(
        st.one_of(
            st.just(at),
            st.just(begin_of_word if at - begin_of_word > 1 and text[at] != " " else at),
            st.integers(0, max(0, at - 24)),
        )
    )
    assume(back == at or at - back > 1)
    new = text[back:] if at - back <= 0 or at - back >= 24 or back == begin_of_word else text[at:]
    pieces = _cut(new, data)
    shown, join = joined(text[:at], *pieces)
    assert shown == text
    assert not join.doubtful


@given(
    st.text("ab c\nÉ北1.", max_size=40),
    st.text("ab c\nÉ北1.", max_size=40),
    st.sampled_from(["prefill", "instruction"]),
    st.integers(1, 50),
    st.data(),
)
def test_the_pieces_do_not_matter_and_nothing_is_made_up(
    before: str, new: str, method: Method, window: int, data: st.DataObject
) -> None:
    whole = joined(before, new, method=method, window=window)
    assert joined(before, *_cut(new, data), method=method, window=window) == whole
    text, join = whole
    shown = text[len(before) :]
    assert new.endswith(shown)
    left_out = new[: len(new) - len(shown)]
    assert left_out.strip() == new[: join.overlap].strip()
    assert before.rstrip().endswith(left_out.strip())


@given(st.text("ab", max_size=30), st.text("ab", max_size=30))
def test_the_search_finds_the_longest_overlap(old: str, new: str) -> None:
    search = Search(old)
    for here in new:
        search.take(here)
    search.finish()
    lengths = [k for k in range(min(len(old), len(new)), 0, -1) if old.endswith(new[:k])]
    assert list(search.overlaps()) == lengths
    assert search.matched == max(lengths, default=0)


class Letter(str):
    """A letter that counts how often it is compared."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        Letter.compared += 1
        return str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        Letter.compared += 1
        return str.__ne__(self, other)

    __hash__ = str.__hash__


@pytest.mark.parametrize("unit", ["a", "ab", "aab", "abcdefghi ", "a" * 99 + "b"])
def test_the_search_is_linear(unit: str) -> None:
    """Comparisons are at most twice the code points of both texts, whatever these are."""
    for size in (1000, 2000, 4000):
        text = (unit * size)[:size]
        for old, new in ((text, text), (text, text + "!"), ("!" + text, text), (text, text[7:])):
            search = Search(old)
            Letter.compared = 0
            for here in new:
                search.take(Letter(here))
            search.finish()
            list(search.overlaps())
            assert Letter.compared <= 2 * (len(old) + 2 * len(new))


def test_judging_is_linear() -> None:
    """Texts with very many overlaps: each is judged in constant time."""

    def steps(size: int) -> int:
        import sys

        count = 0

        def tracer(frame: Any, event: str, argument: object) -> Any:
            nonlocal count
            count += frame.f_globals["__name__"].startswith("tokenwire.resume")
            return tracer

        seam = Seam(" ab" * size, window=size * 3)
        before = sys.gettrace()
        sys.settrace(tracer)
        try:
            seam.receive(" ab" * size)
            seam.finish()
        finally:
            sys.settrace(before)
        return count

    assert steps(800) <= 2.2 * steps(400)


def _cut(text: str, data: st.DataObject) -> list[str]:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
