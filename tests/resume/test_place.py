"""`Place`: what was delivered before, by its cursor; and events counted in bytes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire.cursor import Cursor
from tokenwire.dialects import Resumption, get_dialect
from tokenwire.dialects.openai.ai_gateway import RESUMPTION as COUNTED_EVENTS
from tokenwire.dialects.servers.llamacpp import RESUMPTION as COUNTED_BYTES
from tokenwire.events import Data
from tokenwire.frame import Frame
from tokenwire.resume.counted import CountedPlace
from tokenwire.resume.evidence import MAX_RECENT, Evidence, digest_of
from tokenwire.resume.place import Place
from tokenwire.resume.places import AnyPlace, place_of

SSE = get_dialect("sse").resumption


def frames(*told: str | None) -> list[Frame]:
    """Frames by their ids, each with what it says after ``=``, or with ``x``."""
    made: list[Frame] = []
    for one in told:
        id, _, said = (one or "").partition("=")
        made.append(Frame((said or "x").encode(), id=None if one is None else id))
    return made


def place(*ids: str) -> Place:
    """After these, on a new connection."""
    made = Place(SSE)
    for frame in frames(*ids):
        assert not made.was_delivered(frame)
        made.delivered(Cursor("id", frame.id))
    made.reconnected()
    return made


def new(made: Place, *ids: str | None) -> list[str | None]:
    """Which of these are new; ``!`` last, where one proves that it is another answer."""
    came: list[str | None] = []
    for id, frame in zip(ids, frames(*ids), strict=True):
        if not made.was_delivered(frame):
            came.append(id)
            made.delivered(Cursor("id", frame.id))
    return [*came, "!"] if made.doubt is not None else came


@pytest.mark.parametrize(
    ("before", "again", "expected"),
    [
        (["7"], ["8", "9"], ["8", "9"]),
        (["7"], ["7", "8"], ["8"]),
        # Opaque names have no order, whatever they look like.
        (["7"], ["3", "5"], ["3", "5"]),
        (["500=a", "900=b"], ["300=c", "950=d"], ["300=c", "950=d"]),
        (["a-9"], ["b-2"], ["b-2"]),
        (["x", "z", "y"], ["z", "y", "w"], ["w"]),
        (["x"], [None, "x", "w"], [None, "w"]),
        (["x"], ["x", "x"], ["x"]),  # the second is a frame that names no id
        (["1", "2", "3"], ["4", "2", "3", "4", "5"], ["4", "5"]),  # a jump back in between
        ([], ["a", None], ["a", None]),
        ([""], ["", "a"], ["", "a"]),  # an empty id is no place
        # Another answer, whose places are named alike.
        (["1=The ", "2=cat "], ["1=A ", "2=dog ", "3=barks"], ["!"]),
        (["1=The ", "2=cat "], ["1=The ", "2=dog ", "3=barks"], ["!"]),
        (["1=The ", "2=cat "], ["2=dog ", "3=barks"], ["!"]),
        (["1=a", "2=b"], ["3=c", "1=d", "4=e"], ["3=c", "!"]),
        # Names that come again for other events: nothing is left out for its name alone.
        (["1=a", "2=b", "1=c"], ["2=d", "3=e"], ["!"]),
        (["1=a", "2=b", "1=c"], ["1=c", "3=e"], ["!"]),
    ],
)
def test_ids(before: list[str], again: list[str | None], expected: list[str | None]) -> None:
    assert new(place(*before), *again) == expected


def test_what_stands_after_an_old_place_is_compared_too() -> None:
    made = Place(SSE)
    for frame in frames("1=a", None, "2=c"):
        made.was_delivered(frame)
        made.delivered(Cursor("id", frame.id))
    made.reconnected()
    assert new(made, "1=a", None, "2=c", "3=d") == ["3=d"]
    made.reconnected()
    again = [Frame(b"a", id="1"), Frame(b"other", id="1"), Frame(b"c", id="2")]
    assert [made.was_delivered(one) for one in again] == [True] * 3
    assert made.doubt is not None
    made.reconnected()
    assert made.doubt is None, "it is of one connection"


def test_sequences_are_compared_on_any_connection() -> None:
    resumption = get_dialect("positioned").resumption
    made = Place(resumption)
    told = [Frame(b'{"token":"a","position":%d}' % number) for number in range(6)]
    for frame in told[:5]:
        made.was_delivered(frame)
        made.delivered(Cursor("position", made.cursor.value or 0))
        made.delivered(Cursor("position", told.index(frame)))
    made.reconnected()
    assert [made.was_delivered(frame) for frame in told[3:]] == [True, True, False]


def test_a_gap_where_positions_are_dense_is_a_loss() -> None:
    told = [Frame(b'{"token":"a","position":%d}' % number) for number in range(9)]
    made = Place(get_dialect("positioned").resumption)
    for number in (0, 1, 2):
        assert not made.was_delivered(told[number])
        made.delivered(Cursor("position", number))
    assert made.was_delivered(told[5])
    assert made.doubt is not None
    assert made.doubt.kind == "truncated"
    assert "between position 2 and position 5" in made.doubt.message
    made.reconnected()
    assert not made.was_delivered(Frame(b'{"token":"b"}')), "one without a number has one"
    assert not made.was_delivered(told[4])
    made.delivered(Cursor("position", 4))
    assert made.was_delivered(told[6])


def test_a_growing_number_is_old_only_where_it_is_known() -> None:
    growing = Resumption(
        method="cursor",
        kind="sequence",
        field="",
        read=lambda frame: len(frame.text),
        order="growing",
    )
    made = Place(growing)
    for size in (3, 5):
        assert not made.was_delivered(Frame(b"x" * size))
        made.delivered(Cursor("sequence", size))
    made.reconnected()
    assert made.was_delivered(Frame(b"x" * 5))
    assert not made.was_delivered(Frame(b"x" * 9)), "a gap is none"
    made.reconnected()
    assert made.was_delivered(Frame(b"x" * 4))
    assert made.doubt is not None, "it was never told, and lies before the last one"


def test_fields_that_are_other_ones_each_time_do_not_count() -> None:
    made = Place(get_dialect("openai-responses").resumption)
    frame = b'{"sequence_number":1,"delta":"a","obfuscation":"%s"}'
    made.was_delivered(Frame(frame % b"x"))
    made.delivered(Cursor("sequence", 1))
    made.reconnected()
    assert made.was_delivered(Frame(frame % b"yyy"))
    assert made.doubt is None
    assert digest_of(Frame(b"no JSON"), ("a",)) == digest_of(Frame(b"no JSON"))
    assert digest_of(Frame(b"x", "a")) != digest_of(Frame(b"x", "b"))


def test_what_is_remembered_is_bounded() -> None:
    made = place(*(f"{number}-x" for number in range(MAX_RECENT + 10)), "y" * 2000)
    assert len(made.evidence.names) == MAX_RECENT
    assert made.evidence.names[0] == "11-x"
    assert made.cursor.value == "y" * 2000
    assert len(made.evidence.names[-1]) < 64  # long ones by what stands for them
    assert not new(made, "11-x", "y" * 2000)


def test_from_the_beginning_more_is_known_than_is_remembered() -> None:
    """By a digest of all of it: what differs anywhere is another answer."""
    ids = [f"{number}-x" for number in range(2 * MAX_RECENT)]
    assert new(place(*ids), *ids, "new") == ["new"]
    for changed in (0, 1, 100, 2 * MAX_RECENT - 1):
        other = [*ids]
        other[changed] += "=other"
        assert new(place(*ids), *other, "new") == ["!"]
    assert new(place(*ids), ids[0], *ids[2:], "new") == ["!"]


def test_an_id_that_comes_alone_says_nothing() -> None:
    """What carries it comes after it."""
    made = Place(SSE)
    made.delivered(Cursor("id", "1"))
    made.reconnected()
    assert new(made, "1=a", "2") == ["1=a", "2"]
    kept = made.evidence.kept
    assert Evidence(kept).kept == kept


def test_names_that_count_are_kept_as_runs() -> None:
    ids = [*(f"a-{n}" for n in range(40)), "b", "c9" + "9" * 30, "c", "d1", "d2", *("xyzuvw")]
    kept = place(*ids).evidence.kept
    assert kept.runs == (("a-", 0, 39),)
    assert kept.recent == ("b", "c9" + "9" * 30, "c", "d1", "d2")
    assert [one.name for one in kept.last] == [*"xyzuvw"]
    assert sorted(Evidence(kept).names) == sorted(ids)
    assert Evidence().kept.last == ()


def test_without_resumption_there_is_no_cursor() -> None:
    assert Place(None).cursor == Cursor("id", None)


# --- counting ---


def pieces(made: AnyPlace, *chunks: bytes) -> list[tuple[bytes, object]]:
    return [
        (piece, cursor and cursor.value) for chunk in chunks for piece, cursor in made.cut(chunk)
    ]


def test_only_where_the_service_counts() -> None:
    wire = b"data: a\n\ndata: b\n\n"
    for dialect in ("sse", "event-stream"):
        made = place_of(get_dialect(dialect).resumption)
        assert pieces(made, wire, b"") == [(wire, None)]
        assert not made.counted(Cursor("bytes", 9))


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
    assert pieces(CountedPlace(COUNTED_BYTES), *chunks) == expected


@given(st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\r\n", b"b\n\n"]), max_size=12), st.data())
def test_the_count_does_not_depend_on_how_it_is_cut(
    parts: list[bytes], drawn: st.DataObject
) -> None:
    wire = b"".join(parts)
    cuts = sorted(drawn.draw(st.sets(st.integers(0, len(wire)))))
    chunks = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    for resumption in (COUNTED_BYTES, COUNTED_EVENTS):
        whole = [value for _, value in pieces(CountedPlace(resumption), wire) if value is not None]
        made = CountedPlace(resumption)
        cut = pieces(made, *chunks)
        assert b"".join(piece for piece, _ in cut) == wire
        assert [value for _, value in cut if value is not None] == whole


def counted(resumption: Resumption, *events: bytes) -> CountedPlace:
    """After these."""
    made = CountedPlace(resumption)
    for event in events:
        for _, cursor in made.cut(event):
            made.feed(cursor)
            assert cursor is not None
            assert made.counted(cursor)
    return made


def again(made: CountedPlace, wire: bytes) -> list[bytes]:
    """What is new of a connection that brings this."""
    told: list[bytes] = []
    for piece, cursor in made.cut(wire):
        made.feed(cursor)
        if not made.was_delivered(Frame(piece)):
            told.append(piece)
        if cursor is not None:
            made.counted(cursor)
    return told


def test_it_goes_on_counting_on_the_next_connection() -> None:
    made = counted(COUNTED_EVENTS, b"a\n\n")
    made.delivered(Cursor("events", 7))  # of a parser, which does not count
    assert made.asks == Cursor("events", 0)
    made.reconnected()
    assert pieces(made, b"a\n\nb\n", b"\n", b"c\n\n") == [
        (b"a\n\n", 1), (b"b\n", None), (b"\n", 2), (b"c\n\n", 3),
    ]  # fmt: skip


MANY = [b"%d\n\n" % number for number in range(40)]


@pytest.mark.parametrize("resumption", [COUNTED_EVENTS, COUNTED_BYTES])
def test_a_few_events_before_the_place_are_asked_for_and_compared(resumption: Resumption) -> None:
    made = counted(resumption, *MANY)
    asked = made.asks
    begin = 24 if resumption.kind == "events" else len(b"".join(MANY[:24]))
    assert asked == Cursor(resumption.kind, begin)
    made.reconnected()
    assert again(made, b"".join(MANY[24:]) + b"new\n\n") == [b"new\n\n"]
    for wrong in (MANY[23:], MANY[25:], MANY[24:39], [b"other\n\n"] * 20, [b"x" * 99 + b"\n\n"]):
        made = counted(resumption, *MANY)
        made.reconnected()
        assert again(made, b"".join(wrong) + b"new\n\n") == []
        assert made.doubt is not None


def test_events_that_are_all_alike_prove_nothing() -> None:
    for said in ([b"a\n\n"] * 40, [b"a\n\n", b"b\n\n"] * 20):
        made = counted(COUNTED_EVENTS, *MANY, *said)
        assert made.asks.value == 0
        made.reconnected()
        assert again(made, b"".join([*MANY, *said, b"new\n\n"])) == [b"new\n\n"]
        made.reconnected()
        assert again(made, b"".join([*MANY, *said[1:], b"new\n\n"])) == []


def test_after_a_checkpoint_all_is_asked_for() -> None:
    first = counted(COUNTED_EVENTS, *MANY)
    made = CountedPlace(COUNTED_EVENTS, first.cursor, first.evidence.kept)
    assert made.asks.value == 0
    made.reconnected(asked_for_all=True)
    assert again(made, b"".join(MANY) + b"new\n\n") == [b"new\n\n"]
    changed = [*MANY[:5], b"x\n\n", *MANY[6:]]
    made = CountedPlace(COUNTED_EVENTS, first.cursor, first.evidence.kept)
    made.reconnected(asked_for_all=True)
    assert again(made, b"".join(changed) + b"new\n\n") == []


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_event_is_counted_whatever_ends_its_lines(end: bytes) -> None:
    blocks = [b"data: a", b": hm", b"data: a\ndata: b", b"id: 1"]
    wire = b"".join(block.replace(b"\n", end) + 2 * end for block in blocks)
    for size in range(1, len(wire)):
        chunks = [wire[at : at + size] for at in range(0, len(wire), size)]
        counts = [
            value for _, value in pieces(CountedPlace(COUNTED_EVENTS), *chunks) if value is not None
        ]
        assert counts == [1, 2, 3, 4]
        ends = [
            value for _, value in pieces(CountedPlace(COUNTED_BYTES), *chunks) if value is not None
        ]
        after = (end + end)[: len(end) + 1]
        assert ends == [at.end() for at in re.finditer(re.escape(after), wire)]


# --- all of it asked for again ---


def test_all_up_to_the_place_is_old_then() -> None:
    """Also what has no name, and what is too long ago to be remembered."""
    made = Place(get_dialect("langgraph").resumption)
    for frame in frames(None, "q", None, "w", "z"):
        made.was_delivered(frame)
        made.delivered(Cursor("id", frame.id))
    other = Place(get_dialect("langgraph").resumption, made.cursor, made.evidence.kept)
    other.reconnected(asked_for_all=True)
    assert new(other, None, "q", None, "w", "z", "z", "a") == ["z", "a"]
    other = Place(get_dialect("langgraph").resumption, made.cursor, made.evidence.kept)
    other.reconnected(asked_for_all=True)
    assert new(other, "q", None, "v", "z", "a") == ["!"]
    prelude = [Frame(b"other"), *frames("q", None, "w", "z")]
    other = Place(get_dialect("langgraph").resumption, made.cursor, made.evidence.kept)
    other.reconnected(asked_for_all=True)
    assert all(other.was_delivered(frame) for frame in prelude)
    assert other.doubt is not None


def test_a_jump_back_is_read_anew_where_a_decoder_remembers() -> None:
    """It would add up once more what it saw over this connection."""
    made = Place(get_dialect("langgraph").resumption)
    for frame in frames("1", "2", "3"):
        made.was_delivered(frame)
        made.delivered(Cursor("id", frame.id))
    for before, back in ((["3", "4"], "2"), (["1", "2"], "1")):
        made.reconnected()
        new(made, *before)
        assert made.doubt is None
        assert made.was_delivered(Frame(b"x", id=back))
        assert made.doubt is not None
        assert made.doubt.kind == "truncated"


def test_what_is_new_before_the_place_came_is_another_answer() -> None:
    made = Place(get_dialect("openai-responses").resumption)
    told = [Frame(b'{"sequence_number":%d}' % number) for number in range(8)]
    for number in range(5):
        made.was_delivered(told[number])
        made.delivered(Cursor("sequence", number))
    made.reconnected(asked_for_all=True)
    assert [made.was_delivered(one) for one in (told[3], told[5])] == [True, True]
    assert made.doubt is not None
    made.reconnected(asked_for_all=True)
    assert not made.was_delivered(told[5]), "it goes on exactly after the place"


# --- event sources ---


def test_ids_of_an_event_source_may_come_again() -> None:
    made = place_of(get_dialect("event-stream").resumption)
    for id in ("1", "2", "1"):
        assert made.delivered(Cursor("id", id))
    assert not made.admits
    assert made.evidence.names == ("2", "1")
    made.event_delivered(Data("message", "a"), moved=False, within_frame=False)
    assert not made.tail.said.length


def test_a_frame_that_cannot_be_read_holds_the_place_for_one_connection() -> None:
    for dialect in ("event-stream", "sse"):
        made = place_of(get_dialect(dialect).resumption)
        assert made.delivered(Cursor("id", "1"))
        made.freeze()
        assert not made.delivered(Cursor("id", "2"))
        made.reconnected()
        assert made.delivered(Cursor("id", "2"))


def test_another_answer_that_repeats_the_first_names_no_place_until_it_is_through() -> None:
    """The place named last may lie before some of what was held."""
    for dialect in ("event-stream", "sse"):
        made = place_of(get_dialect(dialect).resumption).anew()
        made.replayed(Cursor("id", "1"), through=False)
        made.replayed(Cursor("id", "1"), through=True)
        assert not made.delivered(Cursor("id", "1"))
        assert made.delivered(Cursor("id", "2"))


def test_a_place_that_is_named_once_more_and_says_nothing() -> None:
    """As by a service that is asked from time to time."""
    made = place("1=a")
    assert made.was_delivered(Frame(b"", id="1"))
    assert made.doubt is None
    assert not made.was_delivered(Frame(b""))
    assert new(made, "2=b") == ["2=b"]
