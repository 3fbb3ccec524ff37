"""Where a text stops, and where its last sentences begin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire.resume.sentences import (
    Gap,
    is_incomplete,
    last_sentences,
    why_incomplete,
    without_half_character,
)

COMPLETE = [
    "Paris is the capital.",
    "Is it? ",
    "Yes!\n",
    "He said “Go.”",
    'He said "Go!" ',
    "Er sagte: „Geh.“",
    "Han sade: ”Gå.”",
    "Il dit : « Va. »",
    "Er sagte: »Geh.«",
    "(It is.)",
    "It is **so.**",
    "And so on…",
    "And so on...",
    "It isn't. That's the kids' room.",
    'A 5" disk.',
    "I like it :(\nWell.",
    "The interval [0, 1) is half open.",
    "a) This is one.\nb) This is two.",
    "See `f(x` there.",
    "See ``f(`x`` there.",
    "巴黎是法国的首都。",
    "他说：“走吧。”",
    "「行け。」",
    "本当？！",
    "पेरिस राजधानी है।",
    "باريس هي العاصمة. هل هي؟",
    "یہ پیرس ہے۔",
    "Փարիզն է։",
    "ፓሪስ ነው።",
    "ปารีสเป็นเมืองหลวง",
    "Done 🎉",
    "Thanks ❤️",
    "```python\nprint(1)\n```",
    "~~~\n```\n~~~\n",
    "````\n```\n````",
    "- item:\n  ```\n  x = [\n  ```",
    "An (open bracket\n\nis not looked at in another paragraph.",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    '{"a": [1, 2]}',
    "[1, 2]\n",
    "<ul><li>One</li></ul>",
    "$$ x = 1 $$",
    "\\[ x = 1 \\]",
    "Inline ```code``` is no block.",
]

INCOMPLETE: list[tuple[str, tuple[Gap, ...]]] = [
    ("", ("empty",)),
    (" \n\t", ("empty",)),
    ("The capital of France is Par", ("word",)),
    ("The capital of France is", ("word",)),
    ("The capital of France is ", ("sentence",)),
    ("The capital of France (as always)", ("sentence",)),
    ("It costs 5 %", ("sentence",)),
    ("法国的首都是巴", ("word",)),
    ("राजधानी पे", ("word",)),
    ("عاصمة فرنسا هي", ("word",)),
    ("First,", ("separator",)),
    ("As follows:", ("separator",)),
    ("如下：", ("separator",)),
    ("أولاً،", ("separator",)),
    ("It was inter-", ("separator",)),
    ("It was —", ("separator",)),
    ("x = 1 +", ("separator",)),
    ("| a | b", ("separator",)),
    ("|", ("separator",)),
    ("One.\n\n- ", ("marker",)),
    ("One.\n2.", ("marker",)),
    ("One.\n- [ ]", ("marker",)),
    ("One.\n## Two", ("marker",)),
    ("One.\n\n**", ("marker",)),
    ("> ", ("marker",)),
    ("Two **wor", ("word",)),
    ("It is (as far as we know.", ("bracket",)),
    ("It is （如此。", ("bracket",)),
    ("See [this", ("bracket", "word")),
    ("He said “go", ("quote", "word")),
    ("He said “Go.", ("quote",)),
    ('He said "Go.', ("quote",)),
    ("« Va.", ("quote",)),
    ("「行け。", ("bracket",)),
    ("See `f(x", ("code", "word")),
    ("One.\n```python\nprint(1).\n", ("code",)),
    ("```", ("code",)),
    ("````\nx\n```\n", ("code",)),
    ("```\nx\n``` y\n", ("code",)),
    ("```\nx\n```\nThen", ("word",)),
    ("$$ x = 1.", ("bracket",)),
    ("$$ (x = 1.", ("bracket",)),
    ('{"a": [1, 2', ("bracket", "word")),
    ('{"a": 1}}', ("sentence",)),
    ("He said: “", ("quote", "separator")),
    ("Oh \ud83d", ("character",)),
    ("Oh \ufffd", ("character",)),
    ("Oh \U0001f468\u200d", ("character",)),
]


@pytest.mark.parametrize("text", COMPLETE)
def test_complete(text: str) -> None:
    assert why_incomplete(text) == ()
    assert not is_incomplete(text)


@pytest.mark.parametrize(("text", "gaps"), INCOMPLETE)
def test_incomplete(text: str, gaps: tuple[Gap, ...]) -> None:
    assert why_incomplete(text) == gaps
    assert is_incomplete(text)


def test_a_document_that_is_nested_too_deeply_is_read_as_prose() -> None:
    assert why_incomplete("[" * 100_000) == ("bracket", "sentence")


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("", ""),
        ("a", "a"),
        ("\ud83d", ""),
        ("a\ufffd\ufffd", "a"),
        ("a\ufffdb", "a\ufffdb"),
        ("\U0001f600", "\U0001f600"),
    ],
)
def test_half_a_character(text: str, whole: str) -> None:
    assert without_half_character(text) == whole


# Text, how much of it, what of it.
ENDS = [
    ("One. Two. Thr", 100, "One. Two. Thr"),
    ("One. Two. Thr", 13, "One. Two. Thr"),
    ("One. Two. Thr", 12, "Two. Thr"),
    ("One. Two. Thr", 8, "Two. Thr"),
    ("One. Two. Thr", 7, "Thr"),
    ("One. Two. Thr", 3, "Thr"),
    ("One. Two. Thr", 2, "hr"),
    ("One. Two.  \n", 10, "Two.  \n"),
    ("One.   \n", 3, "  \n"),
    ("He said “No.” Then", 6, "Then"),
    ("One\nTwo", 5, "Two"),
    ("v1.2 of it", 8, "of it"),
    ("one two three", 9, "two three"),
    ("one two three", 8, "three"),
    ("一。二。三", 4, "二。三"),
    ("「一。」二。三", 5, "二。三"),
    ("一二三四", 2, "三四"),
    ("One!Two three", 12, "three"),
    ("One.\n```python\nx = 1", 17, "```python\nx = 1"),
    ("One.\n```python\nx = 1", 15, "```python\nx = 1"),
    ("One.\n```python\nx = 1", 14, "x = 1"),
    ("x```````y", 4, "y"),
    ("ae\u0301e\u0301", 3, "e\u0301"),
    ("a\u2764\ufe0fb", 2, "b"),
    ("\U0001f468\u200d\U0001f469b", 2, "b"),
    ("\ud83d\ude00b", 2, "b"),
    ("\u0301\u0301\u0301", 2, "\u0301\u0301"),
]


@pytest.mark.parametrize(("text", "most", "end"), ENDS)
def test_last_sentences(text: str, most: int, end: str) -> None:
    assert last_sentences(text, most) == end


def test_no_sentences_at_all() -> None:
    for most in (0, -1):
        with pytest.raises(ValueError, match=f"max_chars must be positive, not {most}"):
            last_sentences("One.", most)


@given(st.text('ab.。\n `~[("“|#-\u0301\ud83d', max_size=60), st.integers(1, 70))
def test_an_end_is_an_end_that_fits(text: str, most: int) -> None:
    end = last_sentences(text, most)
    assert text.endswith(end)
    assert len(end) <= most
    assert bool(end) == bool(text)
    assert is_incomplete(text) == bool(why_incomplete(text))
