"""Values of another type than a schema's: each is read, or told; none costs the others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, Struct

from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.lenient import JSON, Reading, convert
from tokenwire.dialects.kit.payloads import MalformedError, read_leniently
from tokenwire.events import Data, Done, Error, Event, Token
from tokenwire.frame import Frame


class Inner(Struct):
    text: str | None = None
    more: Inner | None = None


class Outer(Struct, forbid_unknown_fields=True, rename={"renamed": "wire-name"}):
    text: str | None = None
    blocks: str | list[Any] | dict[str, Any] | None = None
    count: int | None = None
    share: float | None = None
    flag: bool | None = None
    inner: Inner | None = None
    inners: list[Inner] | None = None
    texts: list[str] | None = None
    data: bytes | None = None
    renamed: str = ""
    free: Any = None
    raw: Raw | None = None
    nothing: None = None


def reading(text: str) -> Reading[Outer]:
    return convert(JSON.decode(text), Outer)


def test_what_is_made_of_a_value() -> None:
    for name, literal, expected in [
        ("text", "6", "6"),
        ("text", "0.10", "0.10"),
        ("text", "-1.50E+3", "-1.50E+3"),
        ("text", "1" * 500, "1" * 500),
        ("text", "true", "true"),
        ("text", "false", "false"),
        ("text", "NaN", "NaN"),
        ("text", "null", None),
        ("text", "[]", None),
        ("blocks", "6.0", "6.0"),
        ("blocks", '"a"', "a"),
        ("blocks", "[1.5]", [1.5]),
        ("blocks", '{"a":1.5}', {"a": 1.5}),
        ("count", "5", 5),
        ("count", '"5"', 5),
        ("count", '" -5"', -5),
        ("count", "5.0", 5),
        ("count", "[]", None),
        ("share", "1", 1.0),
        ("share", '"0.5"', 0.5),
        ("flag", '"True"', True),
        ("flag", '"false"', False),
        ("flag", "0", False),
        ("inner", "[]", None),
        ("inner", '""', None),
        ("inner", '{"text":7,"other":1}', Inner("7")),
        ("inner", '{"more":{"more":{"text":7}}}', Inner(None, Inner(None, Inner("7")))),
        ("inners", '{"text":7}', [Inner("7")]),
        ("inners", '[null,{"text":"a"},[]]', [Inner("a")]),
        ("inners", '""', None),
        ("data", '"SGk="', b"Hi"),
        ("data", "null", None),
        ("free", '[1.5,{"a":2.50}]', [1.5, {"a": 2.5}]),
        ("nothing", '""', None),
    ]:
        found = reading(f'{{"{name}":{literal}}}')
        assert (getattr(found.value, name), found.unread) == (expected, {}), (name, literal)
    assert reading('{"wire-name":"a"}').value.renamed == "a"
    assert reading('{"text":"a","blocks":null}').value == Outer("a")


def test_what_cannot_be_made_is_told_with_its_path_and_the_rest_is_read() -> None:
    for name, literal in [
        ("text", "[1]"),
        ("text", '{"a":1}'),
        ("count", "true"),
        ("count", "2.25"),
        ("count", '"five"'),
        ("count", '"1_000"'),
        ("count", "[1]"),
        ("count", '"' + "1" * 500 + '"'),
        ("share", '"1_0"'),
        ("share", '"a"'),
        ("share", "true"),
        ("flag", "2"),
        ("flag", '"yes"'),
        ("inner", '"text"'),
        ("inner", "7"),
        ("inners", "7"),
        ("inners", '{"strange":1}'),
        ("texts", '{"a":1}'),
        ("nothing", "7"),
        ("unknown", '{"a":1.5}'),
    ]:
        found = reading(f'{{"text":"kept","{name}":{literal},"wire-name":"too"}}')
        value = json.loads(literal)
        assert found.unread == {name: value}, (name, literal)
        assert found.value.renamed == "too"
        assert name == "text" or found.value.text == "kept"
    assert reading('{"inners":[{"text":[1]},7]}').unread == {
        "inners[0].text": [1],
        "inners[1]": 7,
    }
    assert reading('{"unknown":null,"other":[],"third":""}').unread == {}


def test_what_is_no_object_at_all() -> None:
    for text, what in [("7", "`7`"), ('"a"', "a text"), ("[1]", "a list"), ("null", "null")]:
        with pytest.raises(ValueError, match=f"expected an object, found {what}"):
            reading(text)
    assert convert([1.5], object) == Reading([1.5], {})
    for odd in ('"SG!"', "7"):
        with pytest.raises(ValueError, match="expected base64 in data"):
            reading(f'{{"data":{odd}}}')


def test_nesting_is_refused_not_raised() -> None:
    for text in ("[" * 100_000, '{"inner":' * 100_000, '{"free":' + "[" * 100_000):
        with pytest.raises(MalformedError):
            read_leniently(text.encode(), Outer)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*Outer.__struct_encode_fields__, "x"]), _VALUES))
def test_every_value_is_read_or_told(document: dict[str, Any]) -> None:
    document.pop("data", None)
    found = reading(json.dumps(document))
    for name, value in document.items():
        field = "renamed" if name == "wire-name" else name
        told = any(path.partition("[")[0].partition(".")[0] == name for path in found.unread)
        default = getattr(Outer(), field, None)
        is_read = getattr(found.value, field, default) != default
        assert told or is_read or not value or value == {"": None}, name


# --- telling ---


def test_each_value_is_told_once_in_a_row() -> None:
    extras, frame = Extras(), Frame()
    events: list[Event] = []
    for value in (1, 1, 2, 2, 1):
        extras.tell({"a": value}, frame, events)
    assert events == [Data("extra", {"a": 1}), Data("extra", {"a": 2}), Data("extra", {"a": 1})]
    for number in range(200):  # a service that names ever new fields makes nothing grow
        extras.tell({f"f{number}": 1}, frame, events)
    assert len(events) == 203
    assert len(extras._reported or ()) == 64


def test_what_ends_the_stream_stays_last() -> None:
    events: list[Event] = [Token("a"), Done("stop")]
    Extras().tell({"a": 1}, Frame(), events)
    assert events == [Token("a"), Data("extra", {"a": 1}), Done("stop")]
    frame = Frame()
    failed: list[Event] = [Token("a"), Error("vendor", "no", frame=frame)]
    Extras().tell({"a": 1}, frame, failed)
    assert failed == [Token("a"), Error("vendor", "no")]  # it has the document in its frame
    failed = [Error("vendor", "no", frame=Frame())]  # of a frame before
    Extras().tell({"a": 1}, frame, failed)
    assert failed == [Data("extra", {"a": 1}), Error("vendor", "no")]
    events = [Error("malformed", "no", fatal=False)]
    Extras().tell({}, Frame(), events)
    Extras().tell({"a": 1}, Frame(), events)
    assert events[1:] == [Data("extra", {"a": 1})]


class TooDeep:
    def __repr__(self) -> str:
        raise RecursionError


def test_what_is_too_deep_to_be_shown_is_told_once_for_a_frame_that_says_the_same() -> None:
    extras = Extras()
    value = TooDeep()
    told: list[Event] = []
    for data in (b"1", b"1", b"2"):
        extras.tell({"path": value}, Frame(data), told)
    assert [event.value for event in told if isinstance(event, Data)] == [{"path": value}] * 2
