"""The strategies: what they can give, and that they give what they promise."""

from __future__ import annotations

import subprocess
import sys
from itertools import accumulate
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.effort import tries
from tests.reading import read
from tests.testing import broken
from tests.testing.broken import PLUS, WIRE

import tokenwire.testing
from tokenwire import (
    Data,
    Done,
    Error,
    Finished,
    LocalProtocolError,
    Reasoning,
    StreamEncoder,
    Token,
    ToolCall,
    Usage,
)
from tokenwire.testing import answers, chunkings, mutations, wire_texts
from tokenwire.testing._mutate import ODD_VALUES, frames_of, twist
from tokenwire.testing._work import count_work

quick = settings(max_examples=tries(100), deadline=None, suppress_health_check=list(HealthCheck))


def examples_of(strategy: st.SearchStrategy[object], number: int = 300) -> list[object]:
    found: list[object] = []

    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(one: object) -> None:
        found.append(one)

    run()
    return found


# --- chunkings ---


@given(st.binary(max_size=40), st.data())
@quick
def test_chunks_are_not_empty_and_join_to_the_wire(wire: bytes, data: st.DataObject) -> None:
    chunks = data.draw(chunkings(wire))
    assert b"".join(chunks) == wire
    assert all(chunks)


def test_every_single_cut_whole_and_bytewise_come_up() -> None:
    wire = "data: \u00e9\r\n\r\n".encode()
    found = [tuple(chunks) for chunks in examples_of(chunkings(wire))]
    assert (wire,) in found
    assert tuple(wire[at : at + 1] for at in range(len(wire))) in found
    cuts = {len(first) for first, *_ in found}
    assert cuts == {*range(1, len(wire) + 1)}


def test_cuts_are_mostly_where_it_hurts() -> None:
    wire = b"data: " + b"x" * 500 + "\u00e9\r\n".encode() + b"y" * 500
    inside = wire.index(b"\xc3") + 1
    found = examples_of(chunkings(wire))
    hits = sum(wire[:inside] in accumulate(chunks) for chunks in found)  # type: ignore[call-overload]
    assert hits > len(found) / 20  # one place in a thousand


# --- texts ---


def test_texts_hold_what_breaks_wires() -> None:
    texts = "".join(map(str, examples_of(wire_texts(min_size=8))))
    assert {"\u2028", "\x85", "\ufeff", "\n", "\r", "\0", '"', "\U0001f5fc"} <= {*texts}
    assert texts.encode()  # no half surrogate


@given(wire_texts(min_size=2, max_size=3))
@quick
def test_texts_have_the_asked_length(text: str) -> None:
    assert 2 <= len(text) <= 3


# --- mutations ---


def test_frames_are_where_the_framer_ends_them() -> None:
    frames = frames_of(PLUS, WIRE)
    assert b"".join(frames) == WIRE
    assert frames[0] == "data: +na\u00efve\n\n".encode()
    assert b"".join(frames_of(None, WIRE)) == WIRE


@pytest.mark.parametrize("dialect", [None, PLUS, "openai-chat"])
def test_frames_and_bytes_are_dropped_doubled_swapped_and_corrupted(dialect: object) -> None:
    wire = b'data: {"a":1}\n\ndata: {"b":2}\n\ndata: {"c":3}\n\n'
    found = set(examples_of(mutations(wire, dialect)))  # type: ignore[arg-type]
    assert len(found) > 100
    if dialect is not None:
        one, two, three = frames_of(PLUS, wire)
        assert {two + three, one + two + three + one, two + one + three} & found
    assert any(len(one) != len(wire) for one in found)  # type: ignore[arg-type]


@given(st.randoms(use_true_random=False))
@quick
def test_one_value_of_a_document_becomes_odd(random: Random) -> None:
    value = {"a": [1, {"b": "c"}], "d": None}
    twist(value, random)
    assert value == {"a": [1, {"b": "c"}], "d": None}  # it is another value, not this one changed


def test_odd_values_stand_deep_inside_too() -> None:
    random = Random(1)
    found = [repr(twist({"a": [{"b": "c"}]}, random)) for _ in range(300)]
    assert all(repr({"a": [{"b": odd}]}) in found for odd in ODD_VALUES[:3])


@pytest.mark.parametrize("name", ["gemini-array", "bedrock-converse"])
def test_values_change_in_any_format(name: str) -> None:
    """Also where a frame has checksums, or the format is hard to write."""
    encoder = StreamEncoder("bedrock-converse")
    wire = b'[{"candidates":[]},\n{"x":"y"}]'
    if name == "bedrock-converse":
        wire = encoder.send(Token("one")) + encoder.send(Token("two"))
    found = [read([one], name).events for one in set(examples_of(mutations(wire, name))) if one]  # type: ignore[list-item]
    assert len({repr(events) for events in found}) > 20


# --- answers ---


@pytest.mark.parametrize("name", ["openai-chat", "gemini-sse", "bedrock-converse"])
def test_answers_are_rich(name: str) -> None:
    found = [event for events in examples_of(answers(name), 150) for event in events]  # type: ignore[attr-defined]
    kinds = {type(event) for event in found}
    assert kinds >= {Token, Reasoning, ToolCall, Usage, Finished, Done, Error}
    assert {event.reason for event in found if isinstance(event, Finished)} >= {"stop", "length"}


def test_answers_of_choices() -> None:
    found = [event for events in examples_of(answers("openai-chat"), 150) for event in events]  # type: ignore[attr-defined]
    assert {event.index for event in found if isinstance(event, Token)} == {0, 1, 2}


@given(answers("openai-chat"))
@quick
def test_an_answer_comes_back_as_it_is(events: list[object]) -> None:
    encoder = StreamEncoder("openai-chat")
    wire = b"".join(map(encoder.send, events))  # type: ignore[arg-type]
    assert read([wire], "openai-chat").events == events


def test_an_endless_dialect_has_answers_without_an_end() -> None:
    found = examples_of(answers("event-stream"), 50)
    assert any(isinstance(event, Data) for events in found for event in events)  # type: ignore[attr-defined]


def test_a_dialect_that_is_only_read_has_none() -> None:
    with pytest.raises(LocalProtocolError):
        answers(broken.with_(encoder=None))


# --- the work that is counted ---


def test_work_is_counted_the_same_each_time_and_by_size() -> None:
    def search(size: int) -> None:
        held = b"x" * size
        for _ in range(10):
            held.find(b"y")

    assert count_work(lambda: search(1000)) == count_work(lambda: search(1000))
    assert count_work(lambda: search(2000)) > 1.9 * count_work(lambda: search(1000))


def test_a_tracer_that_was_set_is_set_again() -> None:
    before = sys.gettrace()
    count_work(lambda: None)
    assert sys.gettrace() is before


# --- the package ---


def test_everything_is_exported_and_documented() -> None:
    for name in tokenwire.testing.__all__:
        assert getattr(tokenwire.testing, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tokenwire.testing.nothing  # noqa: B018


def test_it_needs_no_pytest_and_says_that_it_needs_hypothesis() -> None:
    code = (
        "import sys; sys.modules['pytest'] = None; import tokenwire.testing as kit;"
        "kit.check_dialect; sys.modules['hypothesis'] = None; del sys.modules['tokenwire.testing.strategies'];"
        "\ntry: kit.chunkings\nexcept ModuleNotFoundError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'tokenwire[testing]'" in done.stdout


def test_without_hypothesis_the_package_can_be_imported() -> None:
    code = "import sys; sys.modules['hypothesis'] = None; import tokenwire.testing.laws"
    subprocess.run([sys.executable, "-c", code], check=True)
