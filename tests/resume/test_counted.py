"""Services that count bytes, over connections that break after a few events each."""

from __future__ import annotations

import re

import pytest

from tokenwire import Done, Error, Event, Token
from tokenwire.request import Request
from tokenwire.resume import (
    CloseResponse,
    Deliver,
    Ended,
    OpenRequest,
    ReadData,
    RetryPolicy,
    Session,
    Sleep,
)

WORDS = [f"w{number % 7} " for number in range(40)]
EVENTS = [
    *(b'data: {"content":"%s","stop":false}\n\n' % word.encode() for word in WORDS),
    b'data: {"content":"","stop":true,"stop_type":"eos"}\n\n',
]
BODY = b"".join(EVENTS)


def answer(each: int, *, shift: int = 0) -> list[Event]:
    """The events of a session whose connections bring so many events each.

    Args:
        each: Events of a connection.
        shift: Bytes by which the service counts differently.
    """
    asked = Request(
        "POST",
        "http://127.0.0.1/completion",
        (("X-Conversation-Id", "c"),),
        b"{}",
    )
    session = Session(asked, "llamacpp", retry=RetryPolicy(max_attempts=5), random=lambda: 0.0)
    now, got, left = 0.0, [], b""
    for _ in range(5000):
        match session.next_effect(now):
            case OpenRequest(request=request):
                found = re.search(r"from=(\d+)", request.url)
                begin = 0 if found is None else max(0, int(found[1]) + shift * bool(int(found[1])))
                rest = BODY[begin:]
                left = b"".join(rest.partition(b"\n\n")[0] + b"\n\n" for rest in _tails(rest, each))
                session.response_started(200, {"content-type": "text/event-stream"}, now)
            case ReadData() if left:
                session.receive_data(left, now)
                left = b""
            case ReadData():
                session.connection_lost("it broke", now)
            case Deliver(event=event):
                got.append(event)
            case Sleep(until=now):
                session.timer_fired(now)
            case CloseResponse():
                pass
            case Ended():
                return got
    raise AssertionError("it never ends")


def _tails(rest: bytes, number: int) -> list[bytes]:
    tails = []
    while rest and len(tails) < number:
        tails.append(rest)
        rest = rest.partition(b"\n\n")[2]
    return tails


@pytest.mark.parametrize("each", [1, 2, 3, 8, 15, 16, 17, 18, 41])
def test_an_answer_goes_on_over_connections_of_a_few_events(each: int) -> None:
    """Asking a little further back for proof must not eat all that a connection brings."""
    got = answer(each)
    assert "".join(event.text for event in got if isinstance(event, Token)) == "".join(WORDS)
    assert got[-1] == Done("stop")


@pytest.mark.parametrize("shift", [-3, 7, len(EVENTS[0]), 5 * len(EVENTS[0])])
def test_a_service_that_counts_differently_is_found_out(shift: int) -> None:
    got = answer(25, shift=shift)
    said = "".join(event.text for event in got if isinstance(event, Token))
    assert "".join(WORDS).startswith(said)
    assert isinstance(got[-1], Error)
