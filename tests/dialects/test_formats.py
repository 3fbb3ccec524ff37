"""In which format is a body written? As framers say of its bytes, and dialects of its media type."""

from __future__ import annotations

import pytest

from tokenwire import Dialect, Frame, Limits
from tokenwire.dialects.detect import all_dialects, known_formats
from tokenwire.dialects.formats import Formats
from tokenwire.framing.jsonlines import JSONLinesFramer

ODD = b"neither a field nor any JSON, and long enough to be judged"


class PercentFramer(JSONLinesFramer):
    format = "percent lines"

    @staticmethod
    def begins(head: bytes) -> bool:
        return head.startswith(b"%")


class WordFramer(JSONLinesFramer):
    format = "words"
    begins = None  # type: ignore[assignment]


def dialect(framer: type, *media_types: str) -> Dialect:
    return Dialect(
        name="theirs",
        framer=framer,
        decoder=lambda: lambda frame: (),
        terminator="anything",
        media_types=media_types or ("text/event-stream",),
    )


def test_what_a_framer_writes_begins_as_it_says() -> None:
    """And as no other one says: so the order in which they are asked means nothing."""
    framers = {one.format: one.framer(Limits()) for one in all_dialects()}
    showing = {name: framer.begins for name, framer in framers.items() if hasattr(framer, "begins")}
    assert framers.keys() - showing.keys() == {"text"}
    for name in showing:
        wire = framers[name].encode(Frame(b'{"a":1}', "a"))
        assert [one for one, begins in showing.items() if begins(wire)] == [name]


@pytest.mark.parametrize(
    ("media_type", "named"),
    [
        ("text/event-stream", "SSE"),
        ("text/plain", "text"),  # a data stream comes under it too, but would have shown
        ("application/x-ndjson", "JSON Lines"),
        ("application/stream+json", "JSON Lines"),
        ("application/jsonl", "JSON Lines"),
        ("application/vnd.amazon.eventstream", "Amazon event stream"),
        ("application/json", ""),  # of several formats
        ("text/html", ""),
        ("", ""),
    ],
)
def test_what_media_types_say_where_the_bytes_show_nothing(media_type: str, named: str) -> None:
    formats = known_formats()
    assert formats.find(ODD, media_type) == named
    assert formats.find(ODD[:4], media_type) is None
    assert formats.find(ODD[:4], media_type, eof=True) == named
    assert formats.find(b'{"a":1}', media_type) == "JSON Lines"
    assert formats.find(b"\0" * 40, media_type) == ""


def test_a_format_of_a_package() -> None:
    formats = known_formats().with_others([dialect(PercentFramer)])
    assert formats.find(b"%1", "") == "percent lines"
    assert formats.find(b"data: 1", "") == "SSE"
    assert known_formats().find(b"%1".ljust(40), "") == ""


def test_a_package_does_not_change_what_a_media_type_says() -> None:
    """The media type of a dialect is that of event streams, unless it names another."""
    theirs = dialect(WordFramer), dialect(WordFramer, "text/words")
    assert known_formats().with_others(theirs).find(ODD, "text/event-stream") == "SSE"
    assert known_formats().with_others(theirs).find(ODD, "text/words") == "words"
    assert Formats(theirs).find(ODD, "text/event-stream") == "words"
