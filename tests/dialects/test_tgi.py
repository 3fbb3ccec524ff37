"""tgi: Text Generation Inference, whose last token brings the whole answer once more."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import cuts
from tests.answers import comments, counts, errors, texts
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
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.dialects.servers.tgi import FINISH_REASONS, TGI


def token(text: str, *, special: bool = False, **more: Any) -> dict[str, Any]:
    """A payload, as the server writes it."""
    said = {"id": 7, "text": text, "logprob": -0.5, "special": special}
    return {"index": 1, "token": said, "generated_text": None, "details": None, **more}


def last(text: str, whole: str, reason: str | None = "eos_token", **more: Any) -> dict[str, Any]:
    details = {"finish_reason": reason, "generated_tokens": 3, "seed": None, "input_length": 5}
    return token(text, generated_text=whole, details=details, **more)


def events(*wire: bytes) -> list[Event]:
    return read([b"".join(wire)], TGI).events


ANSWER = sse(token("Hé"), token(" 世界")) + b":\n\n" + sse(last("</s>", "Hé 世界", special=True))
SAID: list[Event] = [
    Token("Hé"),
    Token(" 世界"),
    Heartbeat(),
    Usage(5, 3, final=True),
    Finished(0, "stop", "eos_token"),
    Done("stop"),
]


@pytest.mark.parametrize("wire", [ANSWER, ANSWER.replace(b"data: ", b"data:")])
def test_q01_an_answer_with_and_without_the_space(wire: bytes) -> None:
    assert_reads(TGI, wire, SAID)


def test_q24_the_whole_text_is_not_added_again() -> None:
    found = events(sse(token("Hi"), last("!", "Hi!", "stop_sequence")))
    assert "".join(one.text for one in found if isinstance(one, Token)) == "Hi!"
    assert found[-2:] == [Finished(0, "stop", "stop_sequence"), Done("stop")]


def test_q24_an_empty_whole_text_proves_completeness_too() -> None:
    assert events(sse(last("</s>", "", special=True)))[-1] == Done("stop")


def test_q41_a_logprob_that_is_no_number() -> None:
    wire = ANSWER.replace(b"-0.5", b"NaN").replace(b'"seed": null', b'"seed": Infinity')
    assert events(wire) == SAID


def test_special_tokens_are_no_text_wherever_they_stand() -> None:
    assert events(sse(token("<s>", special=True), token(""), token("a")))[:-1] == [Token("a")]


def test_a_text_that_is_not_what_was_said_completes_at_the_end_of_the_body() -> None:
    """As with the prompt before it; what follows shows that it was none."""
    assert events(sse(token("a", generated_text="the prompt: a")))[1:] == [
        *(Finished(0, "other", None), Done("other"))
    ]
    went_on = sse(token("a", generated_text="b"), token("c"))
    assert events(went_on)[:-1] == [Token("a"), Finished(0, "other", None), Token("c")]
    assert isinstance(events(went_on)[-1], Error)


def test_a_number_is_the_whole_text_only_where_just_that_was_said() -> None:
    assert events(sse(token("6", generated_text=6)))[-1] == Done("other")
    found = events(sse(token("a", generated_text=6), token("b", generated_text=["a"])))
    assert found[1] == Data("extra", {"generated_text": 6})
    assert found[3] == Data("extra", {"generated_text": ["a"]})
    assert isinstance(found[-1], Error)


def test_without_details_no_reason_is_known() -> None:
    wire = sse(token("a", generated_text="a"))
    assert events(wire) == [Token("a"), Finished(0, "other", None), Done("other")]


def test_details_may_be_half_empty() -> None:
    wire = sse(token("a", generated_text="a", details={"finish_reason": "length"}))
    assert events(wire)[1:] == [Finished(0, "length", "length"), Done("length")]
    wire = sse({"generated_text": "", "details": {"generated_tokens": 2}})
    assert events(wire)[0] == Usage(None, 2, final=True)


def test_an_unknown_reason_is_no_stop() -> None:
    assert events(sse(last("a", "a", "brand_new")))[-1] == Done("other")


def test_candidates_for_a_token_are_data() -> None:
    top = [{"id": 1, "text": "a", "logprob": -0.1, "special": False}]
    assert events(sse(token("a", top_tokens=top)))[:2] == [Token("a"), Data("top_tokens", top)]


def test_the_proof_alone_is_enough_and_the_text_alone_is_not() -> None:
    assert events(sse(token("a")), b"data: [DONE]\n\n")[-1] != Done("stop")
    cut = events(sse(token("a")))[-1]
    assert isinstance(cut, Error)
    assert cut.message == "the answer was cut off: the body ended before generated_text"
    assert cut.recovery is Recovery.RESUME


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (
            {"error": "Model is overloaded", "error_type": "overloaded"},
            Error("vendor", "Model is overloaded", "overloaded", recovery=Recovery.RETRY),
        ),
        (
            {"error": "cut", "error_type": "incomplete_generation_stream"},
            Error("vendor", "cut", "incomplete_generation_stream", recovery=Recovery.RETRY),
        ),
        (
            {"error": "no", "error_type": "validation"},
            Error("vendor", "no", "validation", recovery=Recovery.FATAL),
        ),
        ({"error": {"message": "no", "code": "c"}}, Error("vendor", "no", "c")),
        ({"error": "no", "error_type": 7}, Error("vendor", "no", "7")),
    ],
)
def test_errors_end_it(payload: dict[str, Any], error: Error) -> None:
    assert events(sse(token("a"), payload, last("b", "ab"))) == [Token("a"), error]


def test_an_error_in_an_event_stream_with_a_bad_status() -> None:
    wire = sse({"error": "too long", "error_type": "validation"})
    (error,) = cuts.read_response(
        [wire], TGI, status=422, headers={"Content-Type": "text/event-stream"}
    )
    assert isinstance(error, Error)
    assert (error.message, error.status) == ("too long", 422)


def test_what_cannot_be_read() -> None:
    found = events(b"data: {\n\n", sse({"x": 1}, {"token": 5}), b"data:\n\n")
    malformed, *others, _ = found
    assert isinstance(malformed, Error)
    assert not malformed.fatal
    assert others == [Unknown(), Unknown(), Heartbeat()]


@pytest.mark.parametrize("wire", [ANSWER, sse({"error": "full", "error_type": "overloaded"})])
def test_it_is_told_from_all_others(wire: bytes) -> None:
    assert told(wire) == "tgi"


# --- written ---


def test_it_is_written_as_it_is_read() -> None:
    wire = sent(TGI, *SAID)
    assert wire == (
        b'data: {"index":1,"token":{"id":0,"text":"H\xc3\xa9","logprob":0.0,"special":false},'
        b'"generated_text":null,"details":null}\n\n'
        b'data: {"index":2,"token":{"id":0,"text":" \xe4\xb8\x96\xe7\x95\x8c","logprob":0.0,'
        b'"special":false},"generated_text":null,"details":null}\n\n: \n\n'
        b'data: {"index":3,"token":{"id":0,"text":"","logprob":0.0,"special":true},'
        b'"generated_text":"H\xc3\xa9 \xe4\xb8\x96\xe7\x95\x8c","details":{"generated_tokens":3,'
        b'"input_length":5,"finish_reason":"eos_token","seed":null}}\n\n'
    )


@pytest.mark.parametrize(
    "event",
    [
        Started("c1", "m"),
        Reasoning("Hm"),
        Token("a", 1),
        Data("top_tokens", []),
        ToolCall("0", name="f"),
        Error("malformed", "no", fatal=False),
    ],
)
def test_what_cannot_be_said(event: Event) -> None:
    with pytest.raises(LocalProtocolError, match="tgi has no way to say"):
        StreamEncoder(TGI).send(event)


def test_done_comes_after_finished() -> None:
    with pytest.raises(LocalProtocolError, match="Done comes after a Finished"):
        StreamEncoder(TGI).send(Done("stop"))


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """What the wire can say."""
    content = st.builds(Token, texts) | st.builds(Heartbeat, comments.map(str.strip))
    said: list[Event] = draw(st.lists(content, max_size=6))
    if draw(st.booleans()):
        return [*said, draw(errors | st.builds(Error, st.just("vendor"), texts))]
    usage = st.builds(Usage, st.none() | counts, counts, final=st.just(True))
    said += draw(st.lists(usage, max_size=1))
    raw = draw(st.sampled_from([*FINISH_REASONS, "brand_new"]))
    reason = FINISH_REASONS.get(raw, "other")
    return [*said, Finished(0, reason, raw), Done(reason)]


@given(answers())
def test_what_was_written_is_read_the_same(said: list[Event]) -> None:
    assert_round_trip(TGI, said)


@given(
    st.lists(
        junk("token", "text", "special", "generated_text", "details", "error", "error_type"),
        max_size=4,
    )
)
def test_no_json_makes_the_decoder_raise(values: list[object]) -> None:
    assert_total(TGI, values)
