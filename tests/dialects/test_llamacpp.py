"""llamacpp: the llama.cpp server's own API, with several answers in one stream."""

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
    Cursor,
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
    StreamParser,
    Token,
    Unknown,
    Usage,
)
from tokenwire.dialects.kit.payloads import MAX_INDEX
from tokenwire.dialects.servers.llamacpp import LLAMACPP, STOP_TYPES


def piece(text: str, index: int = 0, **more: Any) -> dict[str, Any]:
    """A payload, as the server writes it."""
    return {"index": index, "content": text, "tokens": [1], "stop": False, "id_slot": 0, **more}


def stop(word: str | None = "eos", index: int = 0, **more: Any) -> dict[str, Any]:
    said = {"stop": True, "tokens": [], "model": "m", "stopping_word": "", "truncated": False}
    return piece("", index, **said, **({"stop_type": word} if word else {}), **more)


def events(*wire: bytes) -> list[Event]:
    return read([b"".join(wire)], LLAMACPP).events


TIMINGS = {"cache_n": 4, "prompt_n": 1, "predicted_n": 2}
PROGRESS = {"total": 5, "cache": 4, "processed": 5, "time_ms": 3}
ANSWER = b"".join(
    (
        sse(piece("", prompt_progress=PROGRESS)),
        b":\n\n",
        sse(piece("Hé", tokens_predicted=1, tokens_evaluated=5)),
        sse(piece(" 世界", tokens_predicted=2, tokens_evaluated=5)),
        sse(stop(tokens_predicted=2, tokens_evaluated=5, tokens_cached=7, timings=TIMINGS)),
    )
)
SAID: list[Event] = [
    Data("prompt_progress", PROGRESS),
    Heartbeat(),
    Token("Hé"),
    Usage(5, 1),
    Token(" 世界"),
    Usage(5, 2),
    Started(None, "m"),
    Data("timings", TIMINGS),
    Usage(5, 2, cache_read_tokens=4, final=True),
    Finished(0, "stop", "eos"),
    Done("stop"),
]


def test_an_answer_however_it_is_cut() -> None:
    assert_reads(LLAMACPP, ANSWER, SAID)


@pytest.mark.parametrize(
    ("payload", "finished"),
    [
        (stop("word"), Finished(0, "stop", "word")),
        (stop("limit"), Finished(0, "length", "limit")),
        (stop("none"), Finished(0, "other", "none")),
        (stop(None), Finished(0, "other", None)),
        (stop(None, stopped_eos=True, stopped_limit=False), Finished(0, "stop", "eos")),
        (stop(None, stopped_eos=False, stopped_limit=True), Finished(0, "length", "limit")),
        (stop(None, stopped_word=True), Finished(0, "stop", "word")),
    ],
)
def test_why_it_stopped(payload: dict[str, Any], finished: Finished) -> None:
    found = events(sse(piece("a"), payload))
    assert found[1:] == [Started(None, "m"), finished, Done(finished.reason)]


def test_counts_that_stay_are_not_repeated_until_they_are_final() -> None:
    wire = sse(piece("a", tokens_predicted=1), piece("b", tokens_predicted=1))
    found = events(wire, sse(piece("", stop=True, tokens_predicted=1)))
    assert found[:5] == [
        Token("a"),
        Usage(None, 1),
        Token("b"),
        Usage(None, 1, final=True),
        Finished(),
    ]


@pytest.mark.parametrize("timings", [{}, {"cache_n": None}, {"cache_n": "x"}, 3])
def test_timings_that_tell_nothing_of_the_cache(timings: object) -> None:
    assert events(sse(piece("a", timings=timings)))[:2] == [Token("a"), Data("timings", timings)]


def test_q42_each_answer_stops_by_itself() -> None:
    """The counts are those of both; it is done when the body ends and both have stopped."""
    wire = sse(
        piece("a", tokens_evaluated=3, tokens_predicted=1),
        stop("limit", tokens_evaluated=3, tokens_predicted=1),
        piece("b", 1, tokens_evaluated=4, tokens_predicted=1),
        stop("eos", 1, tokens_evaluated=4, tokens_predicted=2),
    )
    outcome = cuts.in_every_cut(lambda chunks: read(chunks, LLAMACPP), wire)
    assert outcome.events == [
        Token("a"),
        Usage(3, 1),
        Started(None, "m"),
        Usage(3, 1, final=True),
        Finished(0, "length", "limit"),
        Token("b", 1),
        Usage(7, 2),
        Usage(7, 3, final=True),
        Finished(1, "stop", "eos"),
        Done("length"),
    ]
    (cut,) = events(sse(piece("a"), stop(), piece("b", 1)))[-1:]
    assert isinstance(cut, Error)
    assert cut.kind == "truncated"


def test_the_end_is_known_where_the_connection_fails_after_it() -> None:
    parser = StreamParser(LLAMACPP)
    parser.receive_data(sse(piece("a"), stop()))
    parser.connection_lost("ReadError")
    assert list(parser.events())[-1] == Done("stop")


@pytest.mark.parametrize(
    ("before", "last"),
    [
        (sse(piece("a"), stop()), Done("stop")),
        (
            sse(piece("a", model="m")),
            Error(
                "truncated",
                'the answer was cut off: [DONE] came, but "stop": true did not',
                recovery=Recovery.RESUME,
            ),
        ),
    ],
)
def test_a_sentinel_that_a_gateway_added_proves_nothing(before: bytes, last: Event) -> None:
    assert events(before, b"data: [DONE]\n\n")[-1] == last


# --- errors ---


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (
            {"error": {"code": 500, "message": "no slot", "type": "server_error"}},
            Error("vendor", "no slot", "server_error", 500, Recovery.RETRY),
        ),
        (
            {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}},
            Error("vendor", "Loading model", "unavailable_error", 503, Recovery.RETRY),
        ),
        (
            {"error": {"code": 400, "message": "too long", "type": "exceed_context_size_error"}},
            Error("vendor", "too long", "exceed_context_size_error", 400),
        ),
        ({"error": "no"}, Error("vendor", "no")),
    ],
)
def test_errors_end_it(payload: dict[str, Any], error: Error) -> None:
    assert events(sse(piece("a"), payload, stop())) == [Token("a"), error]


def test_q20_errors_of_old_builds_stand_in_a_field_of_their_own() -> None:
    wire = b'error: {"code":500,"message":"no slot","type":"server_error"}\n\n'
    outcome = cuts.in_every_cut(lambda chunks: read(chunks, LLAMACPP), sse(piece("a")) + wire)
    error = Error("vendor", "no slot", "server_error", 500, Recovery.RETRY)
    assert outcome.events == [Token("a"), error]
    assert events(sse(piece("a")), wire.rstrip())[-1] == error


@pytest.mark.parametrize("index", [-1, MAX_INDEX, 10**30])
def test_numbers_that_no_answer_has(index: int) -> None:
    (malformed, *_) = events(sse(piece("a", index)))
    assert isinstance(malformed, Error)
    assert not malformed.fatal


def test_what_cannot_be_read() -> None:
    found = events(sse({"x": 1}, "{", {"index": None, "content": "a"}), b"data:\n\n")
    unknown, malformed, token, heartbeat, _ = found
    assert (unknown, token, heartbeat) == (Unknown(), Token("a"), Heartbeat())
    assert isinstance(malformed, Error)
    assert not malformed.fatal


def test_the_cursor_counts_no_bytes_yet() -> None:
    assert read([ANSWER], LLAMACPP).cursor == Cursor("bytes", None)


@pytest.mark.parametrize(
    "wire", [ANSWER, sse(piece("a")), sse({"content": "a", "slot_id": 0, "stop": False})]
)
def test_it_is_told_from_all_others(wire: bytes) -> None:
    assert told(wire) == "llamacpp"


# --- written ---


def test_it_is_written_as_it_is_read() -> None:
    said: list[Event] = [
        Token("a"),
        Token("b", 1),
        Usage(5, 2, final=True),
        Finished(0, "length", "limit"),
        Finished(1, "stop"),
        Done("length"),
    ]
    assert sent(LLAMACPP, *said) == (
        b'data: {"index":0,"content":"a","tokens":[],"stop":false}\n\n'
        b'data: {"index":1,"content":"b","tokens":[],"stop":false}\n\n'
        b'data: {"index":0,"content":"","tokens":[],"stop":true,"stop_type":"limit",'
        b'"stopping_word":"","tokens_evaluated":5,"tokens_predicted":2}\n\n'
        b'data: {"index":1,"content":"","tokens":[],"stop":true,"stop_type":"eos",'
        b'"stopping_word":""}\n\n'
    )


@pytest.mark.parametrize(
    "said",
    [
        [Started(None, "m"), Token("a"), Finished(0, "stop", "eos"), Done("stop")],
        [
            Usage(3, 0),
            Token("a"),
            Finished(0, "stop", "eos"),
            Usage(3, 1, final=True),
            Done("stop"),
        ],
        [Token("a"), Error("vendor", "no", "server_error", 500, Recovery.RETRY)],
    ],
)
def test_round_trips(said: list[Event]) -> None:
    assert_round_trip(LLAMACPP, said)


def test_counts_are_those_of_all_and_written_once() -> None:
    said: list[Event] = [
        *(Token("a"), Token("b", 1), Usage(5, 2), Usage(6, 3, final=True)),
        *(Finished(1, "stop", "eos"), Finished(0, "stop", "eos"), Done("stop")),
    ]
    found = read([sent(LLAMACPP, *said)], LLAMACPP).events
    assert found == [*said[:3], said[4], said[3], *said[5:]]


@pytest.mark.parametrize(
    "event",
    [Reasoning("Hm"), Reset(text="a"), Data("image", {}), Error("malformed", "no", fatal=False)],
)
def test_what_cannot_be_said(event: Event) -> None:
    with pytest.raises(LocalProtocolError, match="llamacpp has no way to say"):
        StreamEncoder(LLAMACPP).send(event)


@pytest.mark.parametrize(
    "said",
    [[], [Started(None, "m")], [Token("a")], [Finished(0, "stop"), Token("a", 1)], [Usage(1, 1)]],
)
def test_done_comes_after_every_finished(said: list[Event]) -> None:
    encoder = StreamEncoder(LLAMACPP)
    for event in said:
        encoder.send(event)
    with pytest.raises(LocalProtocolError, match="Done comes after every Finished"):
        encoder.send(Done("stop"))


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """What the wire can say."""
    content = st.builds(Token, texts, st.integers(0, 2)) | st.builds(
        Heartbeat, comments.map(str.strip)
    )
    said: list[Event] = draw(st.lists(st.builds(Started, st.none(), words), max_size=1))
    said += draw(st.lists(content, max_size=6))
    if draw(st.booleans()):
        return [*said, draw(errors | st.builds(Error, st.just("vendor"), texts))]
    begun = sorted({0, *(one.index for one in said if isinstance(one, Token))})
    if begun == [0]:
        said += draw(st.lists(st.builds(Usage, counts, counts, final=st.just(True)), max_size=1))
    raws = [draw(st.sampled_from([*STOP_TYPES, "none"])) for _ in begun]
    reasons = [STOP_TYPES.get(raw, "other") for raw in raws]
    said += map(Finished, begun, reasons, raws)
    return [*said, Done(reasons[0])]


@given(answers())
def test_what_was_written_is_read_the_same(said: list[Event]) -> None:
    assert_round_trip(LLAMACPP, said)


@given(
    st.lists(
        junk("index", "content", "stop", "stop_type", "timings", "prompt_progress", "error"),
        max_size=4,
    )
)
def test_no_json_makes_the_decoder_raise(values: list[object]) -> None:
    assert_total(LLAMACPP, values)


def test_null_says_nothing() -> None:
    """Some builds send it first; it costs nothing of the answer."""
    wire = b'data: null\n\ndata: {"content":"a"}\n\ndata: {"content":"","stop":true}\n\n'
    events = read([wire], "llamacpp").events
    assert events[0] == Unknown()
    assert events[1:] == [Token("a"), Finished(), Done()]
