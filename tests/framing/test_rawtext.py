"""`RawTextFramer`: the whole characters of each chunk, and the same text however it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.answers import cut
from tests.cuts import all_cuts, bytewise

from tokenwire import Frame, Limits
from tokenwire.framing.rawtext import RawTextFramer


def frames_of(chunks: list[bytes]) -> list[Frame]:
    framer = RawTextFramer(Limits())
    for chunk in chunks:
        framer.receive_data(chunk)
    framer.receive_eof()
    return list(framer.frames)


def texts_of(chunks: list[bytes]) -> list[str]:
    return [frame.text for frame in frames_of(chunks)]


BODIES = {
    "empty": b"",
    "ascii": b"Hi there\r\n\n",
    "characters": "a é … 🦀 👩\u200d🚀".encode(),
    "bom": b"\xef\xbb\xbfHi",
    "bad-bytes": b"a\xffb\x80c\xc0\xaf",
    "cut-short-inside": b"\xf0\x9f\xa6x\xe2\x80\xe2\x80\xa6",
    "cut-short-at-the-end": b"a\xf0\x9f\xa6",
    "surrogates": b"\xed\xa0\x80",
    "beyond-unicode": b"\xf4\x90\x80\x80",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_the_text_is_that_of_the_whole_body(body: bytes) -> None:
    for chunks in all_cuts(body):
        assert b"".join(frame.data or b"" for frame in frames_of(chunks)) == body
        assert "".join(texts_of(chunks)) == body.decode("utf-8", "replace")


_bytes = st.one_of(
    st.binary(max_size=8), st.text(max_size=6).map(lambda text: text.encode("utf-8", "replace"))
)


@given(st.lists(_bytes, max_size=6).map(b"".join), st.data())
def test_the_text_of_any_bytes(body: bytes, data: st.DataObject) -> None:
    assert "".join(texts_of(data.draw(cut(body)))) == body.decode("utf-8", "replace")


def test_a_frame_a_chunk() -> None:
    assert texts_of(["Hé".encode(), b" there"]) == ["Hé", " there"]


def test_a_character_goes_with_the_chunk_that_completes_it() -> None:
    assert texts_of([b"a\xf0", b"\x9f", b"\xa6", b"\x80b"]) == ["a", "🦀b"]
    assert texts_of(bytewise("é🦀".encode())) == ["é", "🦀"]


def test_buffered() -> None:
    framer = RawTextFramer(Limits(max_event_size=1))
    framer.receive_data(b"long text \xf0\x9f\xa6")
    assert (framer.buffered, framer.peak_buffered, framer.retry) == (3, 3, None)
    framer.receive_data(b"\x80")
    assert (framer.buffered, framer.peak_buffered) == (0, 3)
    framer.receive_eof()
    assert [frame.text for frame in framer.frames] == ["long text ", "🦀"]


def test_its_frames_follow_the_chunks() -> None:
    assert RawTextFramer.cuts_show


def test_encode() -> None:
    assert RawTextFramer.encode(Frame("a\nb é".encode())) == "a\nb é".encode()
    assert RawTextFramer.encode(Frame()) == b""
