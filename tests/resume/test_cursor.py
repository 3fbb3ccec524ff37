"""`Place`: what was delivered before, by its cursor; and events counted in bytes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire.cursor import Cursor
from tokenwire.dialects import get_dialect
from tokenwire.dialects._ai_gateway import RESUMPTION as COUNTED_EVENTS
from tokenwire.dialects.llamacpp import RESUMPTION as COUNTED_BYTES
from tokenwire.events import Data
from tokenwire.frame import Frame
from tokenwire.resume.cursor import MAX_RECENT, Place

SSE = get_dialect("sse").resumption


def place(*ids: str) -> Place:
    """Behind these, on a new connection."""
    made = Place(SSE)
    for id in ids:
        made.delivered(Cursor("id", id))
    made.reconnected()
    return made


def new(made: Place, *ids: str | None) -> list[str | None]:
    return [id for id in ids if not made.was_delivered(Frame(b"x", id=id))]


@pytest.mark.parametrize(
    ("before", "again", "expected"),
    [
        (["7"], ["8", "9"], ["8", "9"]),
        (["7"], ["7", "8"], ["8"]),
        (["7"], ["3", "5", "7", "8"], ["8"]),
        (["007"], ["6", "8"], ["8"]),
        (["a-9"], ["a-2", "a-9", "a-10"], ["a-10"]),
        (["a-9"], ["b-2"], ["b-2"]),
        (["x", "z", "y"], ["z", "y", "w"], ["w"]),
        (["x"], [None, "x", "w"], [None, "w"]),
        (["x"], ["x", "x"], ["x"]),  # the second is a frame that names no id
        (["x"], ["w", "x"], ["w", "x"]),  # as the frame behind w does, if w says no more
        (["1", "2", "3"], ["4", "2", None, "3", "4"], ["4", "4"]),  # a jump back in between
        (["x", "y", "z"], ["w", "x", None, "z", "v"], ["w", "v"]),
        ([], ["a", None], ["a", None]),
        ([""], ["", "a"], ["", "a"]),  # an empty id is no place
    ],
)
def test_ids(before: list[str], again: list[str | None], expected: list[str | None]) -> None:
    assert new(place(*before), *again) == expected


def test_sequences_are_compared_on_any_connection() -> None:
    resumption = get_dialect("positioned").resumption
    made = Place(resumption, Cursor("position", 4))
    frames = [Frame(b'{"token":"a","position":%d}' % number) for number in (3, 4, 5)]
    assert [made.was_delivered(frame) for frame in frames] == [True, True, False]


def test_what_is_remembered_is_bounded() -> None:
    made = place(*(f"{number}-x" for number in range(MAX_RECENT + 10)), "y" * 2000)
    assert len(made.recent) == MAX_RECENT
    assert made.recent[0] == "11-x"
    assert made.cursor.value == "y" * 2000
    assert len(made.recent[-1]) < 64  # long ones by what stands for them
    assert not new(made, "11-x", "y" * 2000)


def test_without_resumption_there_is_no_cursor() -> None:
    assert Place(None).cursor == Cursor("id", None)


# --- counting ---


def pieces(made: Place, *chunks: bytes) -> list[tuple[bytes, object]]:
    return [
        (piece, cursor and cursor.value) for chunk in chunks for piece, cursor in made.cut(chunk)
    ]


def test_only_where_the_service_counts() -> None:
    assert pieces(Place(SSE), b"data: a\n\ndata: b\n\n", b"") == [(b"data: a\n\ndata: b\n\n", None)]


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ((b"data: a\n\ndata: b\n\n",), [(b"data: a\n\n", 9), (b"data: b\n\n", 18)]),
        ((b"data: a\n", b"\nda"), [(b"data: a\n", None), (b"\n", 9), (b"da", None)]),
        ((b"a\n\n", b"\n", b"b\n\n"), [(b"a\n\n", 3), (b"\n", None), (b"b\n\n", 7)]),
        ((b"a\r\n\r\nb\r\n\r\n",), [(b"a\r\n\r", 4), (b"\nb\r\n\r", 9), (b"\n", None)]),
        ((b"a\r\n\r", b"\nb"), [(b"a\r\n\r", 4), (b"\nb", None)]),
        ((b"a\r", b"\n", b"\r", b"\n"), [(b"a\r", None), (b"\n", None), (b"\r", 4), (b"\n", None)]),
        ((b"a\r\rb\r", b"\r"), [(b"a\r\r", 3), (b"b\r", None), (b"\r", 6)]),
        ((b"a\r\n", b"b\n\r"), [(b"a\r\n", None), (b"b\n\r", 6)]),
    ],
)
def test_bytes(chunks: tuple[bytes, ...], expected: list[object]) -> None:
    assert pieces(Place(COUNTED_BYTES), *chunks) == expected


@given(st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\r\n", b"b\n\n"]), max_size=12), st.data())
def test_the_count_does_not_depend_on_how_it_is_cut(
    parts: list[bytes], drawn: st.DataObject
) -> None:
    wire = b"".join(parts)
    cuts = sorted(drawn.draw(st.sets(st.integers(0, len(wire)))))
    chunks = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    for resumption in (COUNTED_BYTES, COUNTED_EVENTS):
        whole = [value for _, value in pieces(Place(resumption), wire) if value is not None]
        made = Place(resumption)
        cut = pieces(made, *chunks)
        assert b"".join(piece for piece, _ in cut) == wire
        assert [value for _, value in cut if value is not None] == whole


def test_it_goes_on_counting_on_the_next_connection() -> None:
    made = Place(COUNTED_EVENTS)
    assert pieces(made, b"a\n\nb\n") == [(b"a\n\n", 1), (b"b\n", None)]
    made.counted(Cursor("events", 1))
    made.delivered(Cursor("events", 7))  # of a parser, which does not count
    made.reconnected()
    assert pieces(made, b"\n", b"b\n\n") == [(b"\n", None), (b"b\n\n", 2)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_event_is_counted_whatever_ends_its_lines(end: bytes) -> None:
    blocks = [b"data: a", b": hm", b"data: a\ndata: b", b"id: 1"]
    wire = b"".join(block.replace(b"\n", end) + 2 * end for block in blocks)
    for size in range(1, len(wire)):
        chunks = [wire[at : at + size] for at in range(0, len(wire), size)]
        counts = [value for _, value in pieces(Place(COUNTED_EVENTS), *chunks) if value is not None]
        assert counts == [1, 2, 3, 4]
        ends = [value for _, value in pieces(Place(COUNTED_BYTES), *chunks) if value is not None]
        behind = (end + end)[: len(end) + 1]
        assert ends == [at.end() for at in re.finditer(re.escape(behind), wire)]


# --- all of it asked for again ---


def test_all_up_to_the_place_is_old_then() -> None:
    """Also ids that are too long ago to be remembered, and what has none."""
    made = Place(get_dialect("langgraph").resumption, Cursor("id", "z"))
    made.reconnected(asked_for_all=True)
    assert new(made, None, "q", None, "w", "z", "z", "a") == ["z", "a"]


def test_a_place_that_was_left_out() -> None:
    made = Place(get_dialect("openai-responses").resumption, Cursor("sequence", 4))
    made.reconnected(asked_for_all=True)
    frames = [Frame(b'{"sequence_number":%d}' % number) for number in (3, 5, 6)]
    assert [made.was_delivered(frame) for frame in frames] == [True, False, False]
    assert made.delivered(Cursor("sequence", 5))


def test_counts_begin_at_the_beginning() -> None:
    made = Place(COUNTED_BYTES, Cursor("bytes", 6))
    made.reconnected(asked_for_all=True)
    was: list[bool] = []
    for piece, cursor in made.cut(b"a\n\nb\n\nc\n\n"):
        made.feed(cursor)
        was.append(made.was_delivered(Frame(piece)))
        assert cursor is not None
        assert made.counted(cursor) is not was[-1]
    assert was == [True, True, False]
    assert made.cursor.value == 9


# --- event sources ---


def test_ids_of_an_event_source_may_come_again() -> None:
    made = Place(get_dialect("event-stream").resumption)
    for id in ("1", "2", "1"):
        made.delivered(Cursor("id", id))
    made.reconnected()
    assert new(made, "1", "3", "1") == ["3", "1"]
    made.told(Data("message", "a"), moved=False, within_frame=False)
    assert not made.tail.said.length
