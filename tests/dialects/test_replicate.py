"""replicate: a prediction's event stream, whose data is text as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.answers import comments, errors, plain_texts, texts
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
    StreamEncoder,
    Token,
    Unknown,
    Usage,
)
from tokenwire.dialects.clouds.replicate import REPLICATE

PNG = "data:image/png;base64,iVBORw0KGgo="
STORED = "https://replicate.delivery/pbxt/abc/out-0.png"


def event(name: str, data: str, id: str = "1690212292:0") -> bytes:
    """An event, as the service writes it."""
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return f"event: {name}\nid: {id}\n{lines}\n".encode()


def events(*wire: bytes) -> list[Event]:
    return read([b"".join(wire)], REPLICATE).events


DONE = event("done", "{}", "1690212293:0")
ANSWER = b"".join(
    (
        event("output", "Once"),
        b": hi\n\n",
        event("output", " upon\n\n a tïme", "1690212292:1"),
        event("logs", "seed: 5\n"),
        event("output", "1", "1690212292:2"),
        DONE,
    )
)
SAID: list[Event] = [
    Token("Once"),
    Heartbeat("hi"),
    Token(" upon\n\n a tïme"),
    Data("logs", "seed: 5\n"),
    Token("1"),
    Finished(0, "stop", None),
    Done("stop"),
]


def test_an_answer_however_it_is_cut() -> None:
    assert_reads(REPLICATE, ANSWER, SAID)


def test_q36_spaces_at_the_beginning_count() -> None:
    wire = b"event: output\ndata:  a\n\nevent: output\ndata:b\n\nevent: output\ndata:   \n\n"
    assert events(wire)[:3] == [Token(" a"), Token("b"), Token("  ")]


def test_q37_line_ends_come_as_several_lines() -> None:
    wire = b"event: output\ndata\ndata:\n\nevent: output\ndata: a\r\ndata: b\r\ndata:\r\n\r\n"
    assert events(wire)[:2] == [Token("\n"), Token("a\nb\n")]


def test_every_event_moves_the_cursor() -> None:
    assert read([ANSWER], REPLICATE).cursor == Cursor("id", "1690212293:0")


@pytest.mark.parametrize("text", ["[DONE]", "{}", '{"error": "no"}', "null", "4", "https://a.b/c"])
def test_text_is_text_whatever_it_looks_like(text: str) -> None:
    assert events(event("output", text), DONE)[0] == Token(text)


@pytest.mark.parametrize(
    "url", [PNG, "data:audio/wav,RIFF", STORED, "https://a.replicate.delivery/b"]
)
def test_files_are_data(url: str) -> None:
    assert events(event("output", url), DONE)[0] == Data("file", url)


@pytest.mark.parametrize("text", [f"{PNG} b", f" {STORED}", "data:", "data: a", "https://x.io/a"])
def test_what_is_more_or_less_than_a_file_is_text(text: str) -> None:
    assert events(event("output", text), DONE)[0] == Token(text)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ('{"reason": "canceled"}', [Finished(0, "cancelled", "canceled"), Done("cancelled")]),
        ('{"reason": "brand_new"}', [Finished(0, "other", "brand_new"), Done("other")]),
        (
            '{"reason": "error"}',
            [
                Finished(0, "error", "error"),
                Error(
                    "vendor",
                    "the service ended the answer with 'error'",
                    "error",
                    recovery=Recovery.RETRY,
                ),
            ],
        ),
    ],
)
def test_why_it_ended(data: str, said: list[Event]) -> None:
    assert events(event("output", "a"), event("done", data)) == [Token("a"), *said]


@pytest.mark.parametrize("data", ["", "true", "yes", "[]"])
def test_an_end_that_cannot_be_read_proves_nothing(data: str) -> None:
    found = events(event("output", "a"), event("done", data))
    assert isinstance(found[-1], Error)
    assert found[-1].kind == "truncated"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ('{"detail": "out of memory"}', Error("vendor", "out of memory")),
        ("out of\nmemory", Error("vendor", "out of\nmemory")),
    ],
)
def test_errors_end_it(data: str, error: Error) -> None:
    wire = (event("output", "a"), event("error", data), event("done", '{"reason": "error"}'))
    assert events(*wire) == [Token("a"), error]


def test_an_event_left_open_is_no_text() -> None:
    """Its text may look whole: half of a number is a number."""
    found = events(event("output", "a"), b"event: output\ndata: 12")
    assert found[0] == Token("a")
    assert len(found) == 2


def test_an_end_left_open_is_one() -> None:
    assert events(event("output", "a"), b"event: done\ndata: {}")[-1] == Done("stop")


def test_what_has_no_meaning() -> None:
    wire = b"data: a\n\nevent: metrics\ndata: {}\n\nevent: output\ndata:\n\n"
    assert events(wire)[:3] == [Unknown(), Unknown(), Heartbeat("output")]


@pytest.mark.parametrize("wire", [ANSWER, event("output", "5"), event("logs", "a")])
def test_it_is_told_from_all_others(wire: bytes) -> None:
    assert told(wire) == "replicate"


# --- written ---


def test_it_is_written_as_it_is_read() -> None:
    said = [*SAID[:1], *SAID[2:4], Data("file", PNG), *SAID[5:]]
    assert sent(REPLICATE, *said) == (
        b"event: output\ndata: Once\n\n"
        b"event: output\ndata:  upon\ndata: \ndata:  a t\xc3\xafme\n\n"
        b"event: logs\ndata: seed: 5\ndata: \n\n"
        b"event: output\ndata: " + PNG.encode() + b"\n\n"
        b"event: done\ndata: {}\n\n"
    )


@pytest.mark.parametrize(
    "event",
    [
        Token(""),
        Token(PNG),
        Token("a", 1),
        Reasoning("Hm"),
        Usage(1, 2),
        Data("file", "a"),
        Data("file", {"url": STORED}),
        Data("logs", ""),
        Error("malformed", "no", fatal=False),
    ],
)
def test_what_cannot_be_said(event: Event) -> None:
    with pytest.raises(LocalProtocolError, match="replicate has no way to say"):
        StreamEncoder(REPLICATE).send(event)


def test_done_comes_after_finished() -> None:
    with pytest.raises(LocalProtocolError, match="Done comes after a Finished"):
        StreamEncoder(REPLICATE).send(Done("stop"))


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """What the wire can say."""
    content = st.one_of(
        st.builds(Token, plain_texts),
        st.builds(Data, st.just("logs"), plain_texts),
        st.builds(Data, st.just("file"), st.sampled_from([PNG, STORED])),
        st.builds(Heartbeat, comments.map(str.strip)),
    )
    said: list[Event] = draw(st.lists(content, max_size=6))
    if draw(st.booleans()):
        return [*said, draw(errors | st.builds(Error, st.just("vendor"), texts))]
    ends = [
        Finished(0, "stop", None),
        Finished(0, "cancelled", "canceled"),
        Finished(0, "other", "brand_new"),
    ]
    end = draw(st.sampled_from(ends))
    return [*said, end, Done(end.reason)]


@given(answers())
def test_what_was_written_is_read_the_same(said: list[Event]) -> None:
    assert_round_trip(REPLICATE, said)


@given(
    st.sampled_from(["output", "logs", "done", "error", "x"]),
    st.lists(junk("reason", "detail", "message"), max_size=4),
)
def test_no_json_makes_the_decoder_raise(name: str, values: list[object]) -> None:
    assert_total(REPLICATE, values, name)


def test_no_text_is_taken_for_an_event_of_another_kind() -> None:
    assert events(sse("done", "error", name="output"))[:2] == [Token("done"), Token("error")]
