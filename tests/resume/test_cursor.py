"""`Place`: what was delivered before, by its cursor; and events counted in bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire.cursor import Cursor
from tokenwire.dialects import get_dialect
from tokenwire.dialects._ai_gateway import RESUMPTION as COUNTED_EVENTS
from tokenwire.dialects.llamacpp import RESUMPTION as COUNTED_BYTES
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
        (["x"], ["w", "x"], ["w", "x"]),  # once something is new, all is
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
    assert made.recent[0] == "10-x"
    assert made.cursor.value == "y" * 2000  # known all the same


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
    ],
)
def test_bytes(chunks: tuple[bytes, ...], expected: list[object]) -> None:
    assert pieces(Place(COUNTED_BYTES), *chunks) == expected


@given(st.lists(st.sampled_from([b"a", b"\n", b"\n\n", b"b\n\n"]), max_size=12), st.data())
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
