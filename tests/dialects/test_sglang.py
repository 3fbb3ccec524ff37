"""sglang: SGLang's own API, whose text is all of it each time, or not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import cuts
from tests.answers import comments, counts, errors, texts, words
from tests.dialects.checks import (
    assert_reads,
    assert_round_trip,
    assert_total,
    junk,
    sent,
    sse,
    told,
)
from tests.reading import read

from tokenwire import (
    Completion,
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    LocalProtocolError,
    Reasoning,
    Recovery,
    Reset,
    Started,
    StreamEncoder,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.dialects.kit.payloads import MAX_INDEX
from tokenwire.dialects.servers.sglang import SGLANG

DONE = b"data: [DONE]\n\n"


def piece(
    text: str | None, finish: object = None, ids: list[int] | None = None, **more: Any
) -> dict[str, Any]:
    """A payload; what does not belong into ``meta_info`` is `index`."""
    index = more.pop("index", None)
    said: dict[str, Any] = {"meta_info": {"finish_reason": finish, **more}}
    said |= {} if text is None else {"text": text}
    said |= {} if ids is None else {"output_ids": ids}
    return said if index is None else {**said, "index": index}


def ended(word: str = "stop", **more: Any) -> dict[str, Any]:
    return {"type": word, **more}


def events(*wire: bytes) -> list[Event]:
    return read([b"".join(wire)], SGLANG).events


def shown(said: list[Event]) -> str:
    return Completion.from_events(said).text


STOP = ended(matched=2)
ANSWER = sse(
    piece("Hé", id="r1", prompt_tokens=5, completion_tokens=1, cached_tokens=4),
    piece("Hé 世界", id="r1", prompt_tokens=5, completion_tokens=2, cached_tokens=4),
    piece("Hé 世界", STOP, id="r1", prompt_tokens=5, completion_tokens=3, cached_tokens=4),
)
SAID: list[Event] = [
    Started("r1"),
    Token("Hé"),
    Usage(5, 1, cache_read_tokens=4),
    Token(" 世界"),
    Usage(5, 2, cache_read_tokens=4),
    Usage(5, 3, cache_read_tokens=4, final=True),
    Finished(0, "stop", "stop"),
    Done("stop"),
]


@pytest.mark.parametrize("end", [DONE, b""])
def test_an_answer_however_it_is_cut(end: bytes) -> None:
    assert_reads(SGLANG, ANSWER + end, SAID)


# --- text: whole each time, or not ---


def answer(*pieces: tuple[str, int, int]) -> bytes:
    """Texts with how many ids come along, and how many tokens there are by then."""
    said = [piece(text, None, [7] * ids, completion_tokens=n) for text, ids, n in pieces]
    return sse(*said, piece("", STOP, [], completion_tokens=pieces[-1][2])) + DONE


@pytest.mark.parametrize(
    "wire",
    [
        answer(("ha", 1, 1), ("haha", 2, 2), ("hahaha!", 4, 4)),
        answer(("ha", 1, 1), ("ha", 2, 2), ("haha", 3, 3), ("hahaha!", 5, 5)),
        sse(piece("ha"), piece("haha"), piece("hahaha!"), piece("hahaha!", STOP)) + DONE,
        # the ids piece by piece, the text whole: servers of 2025
        answer(("ha", 1, 1), ("haha", 1, 2), ("hahaha!", 2, 4)),
        # no token in the first piece
        answer(("", 0, 0), ("ha", 1, 1), ("hahaha", 3, 3), ("hahaha!", 4, 4)),
    ],
)
def test_q23_whole_texts_become_deltas(wire: bytes) -> None:
    found = events(wire)
    assert not any(isinstance(one, Reset) for one in found)
    assert shown(found) == "hahaha!"
    assert found[-1] == Done("stop")


@pytest.mark.parametrize(
    ("wire", "resets"),
    [
        (answer(("The", 1, 1), (" cat", 1, 2), (" sat", 1, 3)), 0),
        (answer(("", 0, 0), ("The", 1, 1), (" cat", 1, 2), (" sat", 1, 3)), 0),
        (answer(("The", 1, 1), ("The cat", 2, 3), (" sat", 1, 4)), 1),
        (answer(("The cat", 2, 2), (" sat", 1, 3), (" sat down", 2, 5)), 0),
    ],
)
def test_q23_deltas_of_a_server_with_incremental_output(wire: bytes, resets: int) -> None:
    found = events(wire)
    assert shown(found).startswith("The")
    assert shown(found).replace("The", "").split()[:2] == ["cat", "sat"]
    assert sum(isinstance(one, Reset) for one in found) == resets


def test_q23_text_that_was_changed_is_a_reset() -> None:
    wire = sse(piece("Hello ST"), piece("Hello", STOP)) + DONE
    assert events(wire)[:2] == [Token("Hello ST"), Reset(0, 0, "Hello")]


def test_q42_each_answer_has_a_text_of_its_own() -> None:
    wire = sse(
        piece("a", id="r0", prompt_tokens=3, completion_tokens=1, index=0),
        piece("x", id="r1", prompt_tokens=4, completion_tokens=1, index=1),
        piece("ab", ended("length"), id="r0", prompt_tokens=3, completion_tokens=2, index=0),
        piece("xy", STOP, id="r1", prompt_tokens=4, completion_tokens=2, index=1),
    )
    said: list[Event] = [
        Started("r0"),
        Token("a"),
        Usage(3, 1),
        Token("x", 1),
        Usage(7, 2),
        Token("b"),
        Usage(7, 3),
        Finished(0, "length", "length"),
        Token("y", 1),
        Usage(7, 4, final=True),
        Finished(1, "stop", "stop"),
        Done("length"),
    ]
    assert cuts.in_every_cut(lambda chunks: read(chunks, SGLANG), wire + DONE).events == said
    (cut,) = events(wire[: wire.rindex(b"data:")] + DONE)[-1:]
    assert isinstance(cut, Error)
    assert (cut.kind, cut.recovery) == ("truncated", Recovery.RESUME)


def test_ids_without_text_are_data() -> None:
    wire = sse(piece(None, None, [1, 2]), piece(None, STOP, []))
    assert events(wire, DONE)[:2] == [Data("output_ids", [1, 2]), Finished(0, "stop", "stop")]


# --- ends ---


@pytest.mark.parametrize(
    ("finish", "said"),
    [
        (ended("length", length=3), Finished(0, "length", "length")),
        (ended("brand_new"), Finished(0, "other", "brand_new")),
        ("stop", Finished(0, "stop", "stop")),
        ({}, Finished(0, "other", None)),
    ],
)
def test_why_it_ended(finish: object, said: Finished) -> None:
    assert events(sse(piece("a", finish)), DONE)[1:] == [said, Done(said.reason)]


def test_q16_the_sentinel_alone_proves_nothing() -> None:
    (cut,) = events(DONE)
    assert isinstance(cut, Error)
    assert cut.message == "the answer was cut off: [DONE] came, but finish_reason did not"
    assert cut.recovery is Recovery.RETRY


@pytest.mark.parametrize("end", [DONE, b""])
@pytest.mark.parametrize(
    ("finish", "error"),
    [
        (
            ended("abort", message="full", status_code=503, err_type="Busy"),
            Error("vendor", "full", "Busy", 503, Recovery.RETRY),
        ),
        (
            ended("abort", message="too long", status_code=400),
            Error("vendor", "too long", "abort", 400),
        ),
        (
            ended("abort", message="Aborted"),
            Error("vendor", "Aborted", "abort", recovery=Recovery.RETRY),
        ),
        (
            ended("abort"),
            Error(
                "vendor",
                "the service ended the answer with 'abort'",
                "abort",
                recovery=Recovery.RETRY,
            ),
        ),
    ],
)
def test_an_aborted_answer_is_an_error(finish: dict[str, Any], error: Error, end: bytes) -> None:
    said = [Token("a"), Finished(0, "error", "abort"), error]
    assert events(sse(piece("a"), piece("a", finish)), end) == said


def test_the_first_abort_is_told() -> None:
    first, second = (ended("abort", message=text, status_code=400) for text in ("no", "never"))
    found = events(sse(piece("", first, index=0), piece("", second, index=1)), DONE)
    assert found[-1] == Error("vendor", "no", "abort", 400)


@pytest.mark.parametrize(("retryable", "recovery"), [(True, "RETRY"), (False, "FATAL")])
def test_q16_an_error_and_the_sentinel_after_it(retryable: bool, recovery: str) -> None:
    error = {"message": "no", "type": "Busy", "code": 400, "retryable": retryable}
    found = events(sse(piece("a"), {"error": error}), DONE)
    assert found == [Token("a"), Error("vendor", "no", "Busy", 400, Recovery[recovery])]


@pytest.mark.parametrize("index", [-1, MAX_INDEX])
def test_numbers_that_no_answer_has(index: int) -> None:
    (malformed, *_) = events(sse(piece("a", index=index)))
    assert isinstance(malformed, Error)
    assert not malformed.fatal


def test_what_cannot_be_read() -> None:
    found = events(sse({"x": 1}, ["text"], {"text": "a", "meta_info": None}), b"data:\n\n")
    unknown, malformed, token, heartbeat, _ = found
    assert (unknown, token, heartbeat) == (Unknown(), Token("a"), Heartbeat())
    assert isinstance(malformed, Error)
    assert not malformed.fatal


@pytest.mark.parametrize(
    "wire", [ANSWER, sse(piece(None, None, [1])), sse({"error": {"type": "a", "retryable": True}})]
)
def test_it_is_told_from_all_others(wire: bytes) -> None:
    assert told(wire) == "sglang"


# --- written ---


def test_it_is_written_as_it_is_read() -> None:
    said: list[Event] = [
        Started("r1", "m"),
        Token("a"),
        Token("b"),
        Token("x", 1),
        Usage(5, 2, reasoning_tokens=1, cache_read_tokens=4, final=True),
        Finished(0, "length", "length"),
        Finished(1, "stop"),
        Done("length"),
    ]
    none = '{"id":"r1","finish_reason":null}'
    counted = '"prompt_tokens":5,"completion_tokens":2,"reasoning_tokens":1,"cached_tokens":4'
    assert sent(SGLANG, *said) == sse(
        f'{{"text":"","meta_info":{none}}}',
        f'{{"text":"a","meta_info":{none}}}',
        f'{{"text":"ab","meta_info":{none}}}',
        f'{{"text":"x","meta_info":{none},"index":1}}',
        f'{{"text":"ab","meta_info":{{"id":"r1","finish_reason":{{"type":"length"}},{counted}}}}}',
        '{"text":"x","meta_info":{"id":"r1","finish_reason":{"type":"stop"}},"index":1}',
        "[DONE]",
    )


@pytest.mark.parametrize(
    "said",
    [
        [Token("a"), Reset(0, 0, "b"), Token("c"), Finished(0, "stop", "stop"), Done("stop")],
        [Usage(3, 0), Token("a"), Finished(0, "stop", "stop"), Usage(3, 1, final=True)],
        [Token("a"), Error("vendor", "no", "Busy", 503, Recovery.RETRY)],
        [Token("a"), Error("vendor", "no", "Busy", 503, Recovery.FATAL)],
        [Token("a"), Heartbeat("hi"), Finished(0, "error", "abort")],
    ],
)
def test_round_trips(said: list[Event]) -> None:
    assert read([sent(SGLANG, *said)], SGLANG, eof=False).events == said


@pytest.mark.parametrize(
    "event",
    [
        Reasoning("Hm"),
        Reset(text=""),
        ToolCall("0", name="f"),
        Error("malformed", "no", fatal=False),
    ],
)
def test_what_cannot_be_said(event: Event) -> None:
    with pytest.raises(LocalProtocolError, match="sglang has no way to say"):
        StreamEncoder(SGLANG).send(event)


def test_done_comes_after_every_finished() -> None:
    with pytest.raises(LocalProtocolError, match="Done comes after every Finished"):
        StreamEncoder(SGLANG).send(Done("stop"))


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """What the wire can say."""
    content = st.builds(Token, texts, st.integers(0, 2)) | st.builds(
        Heartbeat, comments.map(str.strip)
    )
    said: list[Event] = draw(st.lists(st.builds(Started, words), max_size=1))
    said += draw(st.lists(content, max_size=6))
    if draw(st.booleans()):
        return [*said, draw(errors | st.builds(Error, st.just("vendor"), texts))]
    begun = sorted({0, *(one.index for one in said if isinstance(one, Token))})
    if begun == [0]:
        said += draw(st.lists(st.builds(Usage, counts, counts, final=st.just(True)), max_size=1))
    raws = [draw(st.sampled_from(["stop", "length", "brand_new"])) for _ in begun]
    finishes = [
        Finished(index, {"stop": "stop", "length": "length"}.get(raw, "other"), raw)  # type: ignore[arg-type]
        for index, raw in zip(begun, raws, strict=True)
    ]
    return [*said, *finishes, Done(finishes[0].reason)]


@given(answers())
def test_what_was_written_is_read_the_same(said: list[Event]) -> None:
    assert_round_trip(SGLANG, said)


@given(
    st.lists(
        junk("index", "text", "output_ids", "meta_info", "finish_reason", "type", "error"),
        max_size=4,
    )
)
def test_no_json_makes_the_decoder_raise(values: list[object]) -> None:
    assert_total(SGLANG, values)
