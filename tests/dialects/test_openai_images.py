"""openai-images: previews, images, and their counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.answers import comments, counts, texts, words
from tests.dialects.checks import assert_reads, assert_round_trip, sse, told
from tests.reading import read

from tokenwire import Data, Done, Error, Event, Finished, Heartbeat, Unknown, Usage
from tokenwire.dialects.openai.images import OPENAI_IMAGES

PARTIAL = {"type": "image_generation.partial_image", "partial_image_index": 0, "b64_json": "AA=="}
IMAGE = {
    "type": "image_generation.completed",
    "b64_json": "AAAA",
    "usage": {"input_tokens": 3, "output_tokens": 9, "total_tokens": 12},
}
TOLD = {name: value for name, value in IMAGE.items() if name != "usage"}
SAID: list[Event] = [
    *(Data("partial_image", PARTIAL), Data("image", TOLD)),
    *(Usage(3, 9, 12, final=True), Finished(0, "stop"), Done("stop")),
]


@pytest.mark.parametrize("end", ["", "data: [DONE]\n\n"])
def test_an_image(end: str) -> None:
    wire = sse(PARTIAL, IMAGE) + end.encode()
    assert_reads(OPENAI_IMAGES, wire, SAID)
    assert told(wire) == "openai-images"
    edit = {"type": "image_edit.partial_image", "b64_json": ""}
    assert told(sse(edit)) == "openai-images"


def test_several_images_end_with_the_body() -> None:
    other = {"type": "image_edit.completed", "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    bare = {"type": "image_edit.completed", "usage": {}}
    events = read([sse(IMAGE, other, bare)], OPENAI_IMAGES).events
    told = {"type": "image_edit.completed"}
    assert events[-4:] == [
        *(Data("image", told), Usage(1, 2, final=True), Data("image", told), Done("stop")),
    ]
    for cut in (sse(PARTIAL), sse(IMAGE, PARTIAL), sse(PARTIAL) + b"data: [DONE]\n\n"):
        last = read([cut], OPENAI_IMAGES).events[-1]
        assert isinstance(last, Error)
        assert last.kind == "truncated"


def test_errors_and_what_is_not_known() -> None:
    failed = {"type": "error", "error": {"message": "no", "code": "moderation_blocked"}}
    assert read([sse(failed)], OPENAI_IMAGES).events == [
        Error("vendor", "no", "moderation_blocked")
    ]
    assert read([sse({"type": "brand.new"})], OPENAI_IMAGES).events[0] == Unknown()


def test_round_trip() -> None:
    said = [*SAID[:2], SAID[3], SAID[4]]
    assert_round_trip(OPENAI_IMAGES, said)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Previews and an image as this wire can say them."""
    preview = st.builds(Data, st.just("partial_image"), st.just(PARTIAL))
    content = preview | st.builds(Heartbeat, comments.map(str.strip))
    said: list[Event] = draw(st.lists(content, max_size=6))
    if draw(st.booleans()):
        return [*said, Error("vendor", draw(texts), draw(words))]
    final = st.builds(Usage, counts, counts, counts, final=st.just(True))
    return [*said, SAID[1], *draw(st.lists(final, max_size=1)), Finished(0, "stop"), Done("stop")]


@given(answers())
def test_what_was_written_is_read_the_same(said: list[Event]) -> None:
    assert_round_trip(OPENAI_IMAGES, said)
