"""openai-audio: transcriptions, speech and images."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.answers import comments, counts, texts, words
from tests.cuts import in_every_cut
from tests.dialects.checks import assert_round_trip, assert_total, junk, told
from tests.dialects.test_openai_chat import encoded, read_everywhere_cut
from tests.reading import read

from tokenwire import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    LocalProtocolError,
    Reasoning,
    Recovery,
    Started,
    StreamEncoder,
    Token,
    Unknown,
    Usage,
)
from tokenwire.dialects.openai.audio import OPENAI_AUDIO

NAME = "openai-audio"
COUNTS = {"type": "tokens", "input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
STOPPED = [Finished(0, "stop"), Done("stop")]


def wire(*payloads: dict[str, Any] | str) -> bytes:
    """CRLF, and the type in the JSON alone, as recorded."""
    said = [one if isinstance(one, str) else json.dumps(one) for one in payloads]
    return b"".join(b"data: " + one.encode() + b"\r\n\r\n" for one in said)


def events(*payloads: dict[str, Any] | str, eof: bool = True) -> list[Event]:
    return read([wire(*payloads)], NAME, eof=eof).events


def text(delta: str, **fields: Any) -> dict[str, Any]:
    return {"type": "transcript.text.delta", "delta": delta, **fields}


def transcript(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "transcript.text.done", "text": text, **fields}


def image(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "b64_json": "aGk=", "size": "1024x1024", "created_at": 1, **fields}


# --- transcriptions ---


def test_q23_a_transcription_repeats_its_text_at_the_end() -> None:
    body = wire(text("Ru"), text("by 漢"), transcript("Ruby 漢", usage=COUNTS), "[DONE]")
    assert read_everywhere_cut(body, NAME) == [
        Token("Ru"),
        Token("by 漢"),
        Usage(3, 2, 5, final=True),
        *STOPPED,
    ]


def test_a_transcription_without_deltas() -> None:
    assert events(transcript("Ruby")) == [Token("Ruby"), *STOPPED]


def test_segments_repeat_the_text_too() -> None:
    segment = {"type": "transcript.text.segment", "id": "s", "speaker": "A", "text": "Ruby"}
    assert events(text("Ruby", segment_id="s"), segment, transcript("Ruby")) == [
        Token("Ruby"),
        Data("segment", segment),
        *STOPPED,
    ]


def test_logprobs_languages_and_seconds() -> None:
    told = [{"token": "a", "logprob": -0.1}]
    languages = [{"code": "en"}]
    seconds = {"type": "duration", "seconds": 3}
    end = transcript("a", logprobs=told, languages=languages, usage=seconds)
    assert events(text("a", logprobs=told), text(""), end) == [
        Token("a"),
        Data("logprobs", told),
        Data("languages", languages),
        *STOPPED,
    ]


@pytest.mark.parametrize("end", [b"", b"data: [DONE]\n\n"])
def test_a_text_without_its_end_is_cut(end: bytes) -> None:
    last = read([wire(text("a")) + end], NAME).events[-1]
    assert isinstance(last, Error)
    assert last.kind == "truncated"


# --- speech ---


def test_speech() -> None:
    body = wire(
        {"type": "speech.audio.delta", "audio": "aGk="},
        {"type": "speech.audio.delta", "audio": ""},
        {"type": "speech.audio.done", "usage": COUNTS},
    )
    assert read_everywhere_cut(body, NAME) == [
        Data("audio", "aGk="),
        Usage(3, 2, 5, final=True),
        *STOPPED,
    ]


# --- images ---


@pytest.mark.parametrize("family", ["image_generation", "image_edit"])
@pytest.mark.parametrize("sentinel", [(), ("[DONE]",)], ids=["eof", "done"])
def test_images(family: str, sentinel: tuple[str, ...]) -> None:
    partial = image(f"{family}.partial_image", partial_image_index=0)
    whole = image(f"{family}.completed")
    body = wire(partial, {**whole, "usage": COUNTS}, *sentinel)
    said = in_every_cut(lambda chunks: read(chunks, NAME), body).events
    assert said == [
        Data("partial_image", partial),
        Data("image", whole),
        Usage(3, 2, 5, final=True),
        *STOPPED,
    ]


def test_every_image_of_a_stream_is_told() -> None:
    whole = image("image_generation.completed")
    assert events(whole, whole) == [
        Data("image", whole),
        Finished(0, "stop"),
        Data("image", whole),
        Done("stop"),
    ]


def test_a_partial_image_is_no_whole_one() -> None:
    last = events(image("image_generation.partial_image"))[-1]
    assert isinstance(last, Error)
    assert last.kind == "truncated"


def test_q43_two_images_in_one_frame() -> None:
    partial = {"type": "image_edit.partial_image", "b64_json": "aGk="}
    glued = json.dumps({**partial, "usage": COUNTS}) * 2
    assert events(glued, eof=False) == [Data("partial_image", partial)] * 2


# --- what all share ---


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": "no", "code": "server_error"}},
        {"type": "error", "error": {"message": "no", "code": "server_error"}},
        {"type": "error", "message": "no", "code": "server_error"},
    ],
)
def test_errors(error: dict[str, Any]) -> None:
    [_, failed] = events(text("a"), error, "[DONE]")
    assert failed == Error("vendor", "no", "server_error", recovery=Recovery.RETRY)


def test_an_event_named_error() -> None:
    assert read([b"event: error\ndata: no\n\n"], NAME).events == [Error("vendor", "no")]


def test_odd_frames() -> None:
    said = events("", "{}", {"type": "brand.new"}, "[1]", text("a"), eof=False)
    assert said[:3] == [Heartbeat(), Unknown(), Unknown()]
    assert said[3].kind == "malformed"  # type: ignore[attr-defined]
    assert said[4:] == [Token("a")]


@pytest.mark.parametrize("first", [text("a"), {"type": "speech.audio.delta"}])
def test_how_it_is_recognised(first: dict[str, Any]) -> None:
    assert told(wire(first)) == NAME


# --- the mirror ---

WHOLE = image("image_generation.completed")
SEGMENT = {"type": "transcript.text.segment", "text": "ab"}


@pytest.mark.parametrize(
    "said",
    [
        [
            Token("a"),
            Data("logprobs", [1]),
            Heartbeat("hi"),
            Token("b"),
            Data("segment", SEGMENT),
            Data("languages", ["en"]),
            Usage(3, 2, 5, final=True),
            *STOPPED,
        ],
        [Data("audio", "aGk="), *STOPPED],
        [
            Data("partial_image", image("image_edit.partial_image")),
            Data("image", WHOLE),
            Usage(3, 2, 5, final=True),
            *STOPPED,
        ],
        [Data("image", WHOLE), Finished(0, "stop"), Data("image", WHOLE), Done("stop")],
        [Token("a"), Error("vendor", "no", "c")],
    ],
    ids=["transcription", "speech", "image", "images", "error"],
)
def test_round_trip(said: list[Event]) -> None:
    assert read([encoded([Started("x"), *said], NAME)], NAME).events == said


def test_the_last_event_has_the_whole_text() -> None:
    sent = encoded([Token("a"), Token("b"), *STOPPED], NAME)
    assert sent.endswith(b'data: {"type":"transcript.text.done","text":"ab"}\n\n')


@pytest.mark.parametrize(
    "event",
    [
        Reasoning("a"),
        Token("a", 1),
        Finished(0, "length"),
        Data("image", "text"),
        Data("segment", {"type": "odd"}),
    ],
    ids=repr,
)
def test_what_it_cannot_say(event: Event) -> None:
    with pytest.raises(LocalProtocolError, match="openai-audio has no way to say"):
        StreamEncoder(NAME).send(event)


def test_done_comes_after_finished() -> None:
    with pytest.raises(LocalProtocolError, match="openai-audio: Done comes after a Finished"):
        StreamEncoder(NAME).send(Done("stop"))


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """A transcription as this wire can say it."""
    content = st.builds(Token, texts) | st.builds(Heartbeat, comments.map(str.strip))
    said: list[Event] = draw(st.lists(content, max_size=6))
    if draw(st.booleans()):
        return [*said, Error("vendor", draw(texts), draw(words))]
    final = st.builds(Usage, counts, counts, counts, final=st.just(True))
    return [*said, *draw(st.lists(final, max_size=1)), *STOPPED]


@given(answers())
def test_what_was_written_is_read_the_same(said: list[Event]) -> None:
    assert_round_trip(OPENAI_AUDIO, said)


_TYPES = st.sampled_from(["transcript.text.done", "speech.audio.delta", "image_edit.completed"])


@given(
    st.lists(junk("type", "delta", "text", "audio", "b64_json", "usage", "error"), max_size=4),
    st.just("") | _TYPES,
)
def test_no_json_makes_the_decoder_raise(values: list[object], kind: str) -> None:
    assert_total(OPENAI_AUDIO, values, kind)
