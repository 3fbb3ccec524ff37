"""The strategy `continuation`: the model is asked to go on, and its text is joined."""

from __future__ import annotations

import json

import pytest

from tokenwire import (
    Completion,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Reasoning,
    Reconnecting,
    Reset,
    Started,
    StreamEncoder,
    Token,
)
from tokenwire.events import Usage
from tokenwire.request import Request
from tokenwire.resume.backoff import RetryPolicy
from tokenwire.resume.checkpoint import Checkpoint
from tokenwire.resume.effects import Deliver, Ended, OpenRequest, ReadData, Sleep
from tokenwire.resume.session import Session

HALF = "The capital of France is Par"
ASKED = {"model": "deepseek-chat", "messages": [{"role": "user", "content": "France?"}]}
ENDING: list[Event] = [Finished(0, "stop", "stop"), Done("stop")]


def request(body: object = ASKED) -> Request:
    return Request("POST", "https://x.invalid/v1/chat/completions", (), json.dumps(body).encode())


def wire(*events: Event) -> bytes:
    return b"".join(map(StreamEncoder("openai-chat").send, events))


def run(
    session: Session, *bodies: bytes, now: float = 0.0
) -> tuple[list[Event], list[Request], Error | None]:
    """Each connection gets one body, which ends too early or not."""
    delivered: list[Event] = []
    requests: list[Request] = []
    rest = list(bodies)
    body = b""
    while True:
        match session.next_effect(now):
            case OpenRequest(request=asked):
                requests.append(asked)
                body = rest.pop(0)
                session.response_started(200, {"content-type": "text/event-stream"}, now)
            case ReadData():
                if body:
                    session.receive_data(body, now)
                    body = b""
                else:
                    session.receive_eof(now)
            case Sleep(until=until):
                now = until
                session.timer_fired(now)
            case Deliver(event=event):
                delivered.append(event)
            case Ended(error=error):
                return delivered, requests, error
            case _:
                pass


def session(dialect: str = "openai-chat/deepseek", body: object = ASKED, **more: object) -> Session:
    return Session(
        request(body),
        dialect,
        strategies=["continuation"],
        retry=RetryPolicy(max_attempts=2),
        random=lambda: 0.5,
        **more,  # type: ignore[arg-type]
    )


def text_of(events: list[Event]) -> str:
    return Completion.from_events(events).text


def test_a_prefill_goes_on_from_the_text() -> None:
    events, requests, error = run(
        session(),
        wire(Started("a", "m"), Token(HALF)),
        wire(Started("b", "m"), Token("is, a city"), Heartbeat(), Token("."), *ENDING),
    )
    assert error is None
    assert text_of(events) == "The capital of France is Paris, a city."
    assert [event.id for event in events if isinstance(event, Started)] == ["a"]
    assert [one.method for one in events if isinstance(one, Reconnecting)] == ["continuation"]
    assert requests[1].path == "/beta/chat/completions"
    assert requests[1].fields["messages"][-1]["content"] == HALF


def test_it_goes_on_as_often_as_it_is_cut() -> None:
    events, requests, error = run(
        session(),
        wire(Started("a", "m"), Token(HALF)),
        wire(Token("is, a large"), Token(" and very old city with")),
        wire(Token(" many bridges over its river, the Seine."), *ENDING),
    )
    assert error is None
    said = "The capital of France is Paris, a large and very old city with"
    assert requests[2].fields["messages"][-1]["content"] == said
    assert text_of(events) == said + " many bridges over its river, the Seine."


@pytest.mark.parametrize(
    ("anew", "resets"),
    [
        ("The capital of France is Paris.", 0),
        ("The capital of France is Lyon.", 1),
        ("The capital of France is", 1),
        (HALF, 0),
    ],
)
def test_an_answer_that_begins_anew(anew: str, resets: int) -> None:
    """What is said again is left out; where it differs, the old text is taken back."""
    pieces = [Token(anew[:26]), Token(anew[26:])] if len(anew) > 26 else [Token(anew)]
    events, _, error = run(session(), wire(Started("a", "m"), Token(HALF)), wire(*pieces, *ENDING))
    assert error is None
    assert text_of(events) == anew
    assert sum(isinstance(event, Reset) for event in events) == resets


def test_a_doubtful_seam_is_not_glued() -> None:
    half = "It is written like this: 1"
    events, _, error = run(session(), wire(Token(half)), wire(Token("100 of them."), *ENDING))
    assert error is not None
    assert "doubtful how the model's continuation joins" in error.message
    assert text_of(events) == half
    events, _, error = run(
        session(seam="keep"), wire(Token(half)), wire(Token("100 of them."), *ENDING)
    )
    assert error is None


def test_what_is_no_text_passes() -> None:
    events, _, error = run(
        session(),
        wire(Token(HALF)),
        wire(Token("is, and so on and on."), Reasoning("hm"), Usage(1, 2), *ENDING),
    )
    assert error is None
    assert Reasoning("hm") in events


@pytest.mark.parametrize(
    ("dialect", "body", "why"),
    [
        ("openai-chat", {"model": "m"}, "nothing to go on from"),
        ("openai-chat", {**ASKED, "n": 2}, ""),
        ("openai-chat", {**ASKED, "max_tokens": 1}, "no more output tokens"),
        ("sse", {}, "are not known here"),
    ],
)
def test_what_cannot_be_continued(dialect: str, body: object, why: str) -> None:
    sent = b"data: " + HALF.encode() + b"\n\n" if dialect == "sse" else wire(Token(HALF * 4))
    events, requests, error = run(session(dialect, body), sent)
    assert error is not None
    assert len(requests) == 1
    assert why in error.message
    assert text_of(events).startswith(HALF)


def test_another_process_needs_the_text() -> None:
    first = session()
    events: list[Event] = []
    now = 0.0
    while text_of(events) != HALF:
        match first.next_effect(now):
            case OpenRequest():
                first.response_started(200, {"content-type": "text/event-stream"}, now)
            case ReadData():
                first.receive_data(wire(Token(HALF)), now)
            case Deliver(event=event):
                events.append(event)
            case _:
                pass
    checkpoint = Checkpoint.from_json(first.checkpoint(now).to_json())
    _, requests, error = run(session(checkpoint=checkpoint))
    assert (requests, error and error.kind) == ([], "transport")
    partial = Completion.from_events(events)
    rest, _, error = run(
        session(checkpoint=checkpoint, partial=partial), wire(Token("is, of course."), *ENDING)
    )
    assert error is None
    assert text_of(rest) == "is, of course."


def test_a_long_answer_that_begins_anew_is_left_out_as_far_as_it_is_said_again() -> None:
    """It is too long to be held until its end shows that it is all of the old text."""
    long = HALF + "is. " + "".join(f"City {n} lies at mile {n * 7}. " for n in range(400)) + "Mad"
    whole = long + "rid lies in the middle of it."
    pieces = [Token(whole[at : at + 7]) for at in range(0, len(whole), 7)]
    events, _, error = run(session(), wire(Token(long)), wire(*pieces, *ENDING))
    assert error is None
    assert text_of(events) == whole
    assert not any(isinstance(event, Reset) for event in events)


def test_most_services_take_it_at_the_same_address() -> None:
    _, requests, error = run(
        session("openai-chat/mistral"), wire(Token(HALF)), wire(Token("is, yes."), *ENDING)
    )
    assert error is None
    assert requests[1].url == requests[0].url
