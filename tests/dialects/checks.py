"""What is held of every dialect's answers, and values that no service sends."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from hypothesis import strategies as st
from msgspec import Struct
from tests import cuts
from tests.reading import read

from tokenwire import Dialect, Done, Error, Event, Finished, State, StreamEncoder, Usage
from tokenwire.dialects.detect import Detector


def sse(*payloads: object, name: str = "") -> bytes:
    """Events of one type: their data as they are, or as JSON."""
    head = f"event: {name}\n" if name else ""
    texts = (one if isinstance(one, str) else json.dumps(one) for one in payloads)
    return "".join(f"{head}data: {text}\n\n" for text in texts).encode()


def assert_reads(dialect: Dialect, wire: bytes, said: list[Event]) -> None:
    """A complete answer: the same however it is cut, and no part of it is taken for all of it."""
    outcome = cuts.in_every_cut(lambda chunks: read(chunks, dialect), wire)
    assert outcome.events == said
    assert outcome.state is State.CLOSED
    for end in range(len(wire)):
        events = read([wire[:end]], dialect).events
        if isinstance(events[-1], Done):
            assert events == said
        else:
            assert isinstance(events[-1], Error)
            assert events[-1].kind == "truncated"
            assert not any(isinstance(event, Done) for event in events)


def assert_fields_are_told(
    places: Mapping[type[Struct], tuple[str, tuple[str, ...]]],
    silent: Mapping[type[Struct], Mapping[str, str]],
    decode: Callable[[bytes], list[Event]],
    samples: Mapping[str, str],
) -> None:
    """Each field of each Struct gives an event, or stands on the list with its reason.

    Args:
        places: A payload with ``%s`` among the fields of a Struct, and those of its fields that are
            not asked for here.
        silent: The list.
        decode: The events of one payload, after the beginning of an answer.
        samples: What says something, for fields of a type that 1 says nothing to.
    """
    for kind, (payload, left_out) in places.items():
        sound = decode(payload.replace("%s", '"x":null').encode())
        for field in kind.__struct_fields__:
            if field not in left_out:
                said = f'"{field}":{samples.get(field, "1")}'
                found = decode(payload.replace("%s", said).encode())
                assert (found == sound) == (field in silent.get(kind, {})), (kind, field)
    for kind, reasons in silent.items():
        assert set(reasons) <= set(kind.__struct_fields__), kind
        assert all(reasons.values())


def told(body: bytes) -> str:
    """The dialect that a body's beginning shows, of all that there are; "" if it does not."""
    detector = Detector()
    detector.receive_data(body)
    return detector.dialect.name if detector.dialect else ""


def sent(dialect: Dialect, *events: Event) -> bytes:
    """What an encoder writes for these."""
    encoder = StreamEncoder(dialect)
    return b"".join(map(encoder.send, events))


def assert_round_trip(dialect: Dialect, said: list[Event]) -> None:
    """Reading what was written gives the same."""
    wire = sent(dialect, *said)
    outcome = read(cuts.in_pieces(wire, 7), dialect)
    assert outcome == read([wire], dialect)
    assert outcome.events == said


def assert_cut_off(dialect: Dialect, said: list[Event]) -> None:
    """Without its end, an answer is known to be cut; what of it came before is read all the same."""
    held = (Finished, Usage, Done, Error)  # these come with the end
    begun = [event for event in said if not isinstance(event, held)]
    *read_of_it, last = read([sent(dialect, *begun)], dialect).events
    assert read_of_it == begun
    assert isinstance(last, Error)
    assert last.kind == "truncated"


def junk(*names: str) -> st.SearchStrategy[object]:
    """JSON of any type at any place, under these names and others."""
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
    keys = st.sampled_from([*names, "x"])
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=6),
        max_leaves=8,
    )


def assert_total(dialect: Dialect, values: list[object], name: str = "") -> None:
    """No JSON makes a decoder raise; what it gives ends as every stream does."""
    events = read([sse(*values, name=name)] if values else [], dialect).events
    assert isinstance(events[-1], Done | Error)
