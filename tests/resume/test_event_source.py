"""What an event source does beyond an answer: redirects, restarts, ids of its own."""

from __future__ import annotations

from itertools import count

import pytest
from tests.resume.playbook import (
    CANCEL,
    EOF,
    URL,
    WAKE,
    Reply,
    Script,
    data,
    get,
    head,
    lost,
    play,
    post,
    session,
    timer,
)

from tokenwire.events import Data, Event, Reconnecting
from tokenwire.frame import Frame
from tokenwire.request import Request
from tokenwire.resume.backoff import NEVER, RetryPolicy
from tokenwire.resume.breaker import CircuitBreaker
from tokenwire.resume.checkpoint import Checkpoint
from tokenwire.resume.deadlines import Deadlines
from tokenwire.resume.effects import Deliver, Ended, OpenRequest, ReadData, Sleep
from tokenwire.resume.recent_events import RecentEvents
from tokenwire.resume.redirects import redirected
from tokenwire.resume.session import Session

RESTART = Reply("restart", lambda session, now: session.restart(now))
SOURCE = "open GET /events"
SLEPT: tuple[Script, ...] = ("sleep 0", WAKE)
AGAIN = "reconnecting 0 by last_event_id: None"
A, B = "Data(kind='message', value='a')", "Data(kind='message', value='b')"
ONE, TWO = "id: 1\ndata: a\n\n", "id: 2\ndata: b\n\n"
BEGUN: tuple[Script, ...] = (SOURCE, head(), "read", data(ONE), A, "read")


def place(status: int, location: str | None) -> Reply:
    fields = {} if location is None else {"location": location}
    return Reply(f"head {status}", lambda s, now: s.response_started(status, fields, now))


# --- on demand ---


def test_a_restart_delivers_what_was_received() -> None:
    play(
        session("event-stream", get()),
        SOURCE,
        head(),
        "read",
        data(ONE + TWO + "id: 3\ndata: c"),
        RESTART,
        "close",
        A,
        RESTART,
        B,
        AGAIN,
        "open GET /events Last-Event-ID: 2",
    )


def test_a_restart_counts_as_no_attempt() -> None:
    running = session("event-stream", get(), retry=NEVER)
    for _ in range(3):
        play(
            running,
            SOURCE,
            head(),
            "read",
            RESTART,
            "close",
            AGAIN.replace("last_event_id", "retry"),
        )
    play(running, SOURCE, lost(), "transport error: no response came: reset;"
         " no further attempt: max_attempts = 0", "ended: transport", RESTART, "ended: transport")  # fmt: skip


def test_a_restart_while_it_opens() -> None:
    play(
        session("event-stream", get()),
        *BEGUN,
        EOF,
        "close",
        "reconnecting 1 by last_event_id: truncated",
        *SLEPT,
        "open GET /events Last-Event-ID: 1",
        RESTART,
        "reconnecting 0 by last_event_id: None",
        "open GET /events Last-Event-ID: 1",
    )


def test_a_restart_ends_the_wait_and_nothing_else() -> None:
    running = session("event-stream", get())
    play(running, RESTART, *BEGUN, lost(), "close", "reconnecting 1 by last_event_id: transport")
    play(running, "sleep 0", RESTART, RESTART, "open GET /events Last-Event-ID: 1")
    play(running, CANCEL, RESTART, "ended")


def test_a_restart_of_a_body_that_is_over() -> None:
    """It is asked for again anyway, and now at once."""
    running = session("event-stream", get(), retry=NEVER)
    play(running, SOURCE, head(), "read", data(ONE), EOF, RESTART, "close", A, AGAIN)


def test_a_restart_after_the_terminator_asks_for_nothing() -> None:
    done = "id: 1\ndata: [DONE]\n\n"
    play(session("sse"), "open POST /answer", head(), "read", data(done), RESTART)
    running = session("sse")
    play(running, "open POST /answer", head(), "read", data(done), RESTART, "close")
    play(running, "Done(reason='stop')", "ended")


def test_a_restart_where_the_end_of_the_body_is_that_of_the_answer() -> None:
    whole = '{"model":"m","message":{"content":"Hi"},"done":true}'  # without a line end
    running = session("ollama-chat")
    play(
        running,
        "open POST /answer",
        head(200, "application/x-ndjson"),
        "read",
        data(whole),
        RESTART,
    )
    told = _rest(running)
    assert [type(event).__name__ for event in told][-1] == "Done"


def _rest(running: Session) -> list[Event]:
    told: list[Event] = []
    while not isinstance(effect := running.next_effect(0), Ended):
        if isinstance(effect, Deliver):
            told.append(effect.event)
    return told


def test_a_restart_of_an_answer_that_cannot_be_gone_on_with() -> None:
    play(
        session("sse"),
        "open POST /answer",
        head(),
        "read",
        data("data: Hi\n\n"),
        "Token(text='Hi')",
        "read",
        RESTART,
        "close",
        "transport error: the answer was cut off: the connection failed with a restart that was"
        " asked for before data: [DONE]; there is no cursor for Last-Event-ID header, and no other"
        " way was allowed...",
        "ended: transport",
    )


def test_a_restart_says_nothing_of_the_service() -> None:
    breaker = CircuitBreaker()
    play(session("event-stream", get(), breaker=breaker), *BEGUN, RESTART, "close", AGAIN)
    assert (breaker.stats().released, breaker.stats().failed) == (1, 0)


def test_a_restart_between_two_hops() -> None:
    play(
        session("event-stream", get()),
        SOURCE,
        place(307, "/moved"),
        RESTART,
        "close",
        "reconnecting 0 by retry: None",
        SOURCE,
    )


# --- redirects ---


def test_redirects_are_followed_in_the_time_of_one_connection() -> None:
    play(
        session("event-stream", get(), deadlines=Deadlines(connect=9, idle=None)),
        SOURCE + " for 9",
        Reply("moved", lambda s, now: s.response_started(301, {"LOCATION": "/moved"}, now), 5),
        "close",
        "open GET /moved for 4",
        place(302, "there?a=b"),
        "close",
        "open GET /there?a=b for 4",
        timer(4),
        "reconnecting 1 by retry: timeout",
        "sleep 0",
        WAKE,
        SOURCE + " for 9",
    )


def test_a_redirect_is_of_one_connection() -> None:
    moved = place(308, "https://other.invalid/moved")
    running = session("event-stream", get(), retry=None)
    play(running, SOURCE, moved, "close", "open GET https://other.invalid/moved", head(), "read")
    play(running, data(ONE), A, "read", EOF, "close", "reconnecting 1 by last_event_id: truncated")
    play(running, "sleep 0", WAKE, "open GET /events Last-Event-ID: 1", place(308, "/moved"))
    play(running, "close", "open GET /moved Last-Event-ID: 1")


@pytest.mark.parametrize("location", [None, "", " \t"])
def test_a_redirect_without_a_place(location: str | None) -> None:
    play(
        session("event-stream", get()),
        SOURCE,
        place(307, location),
        "close",
        "http error (HTTP 307): the server answered 307: it redirects without a Location",
        "ended: http",
    )


def test_a_redirect_to_what_is_no_url() -> None:
    play(
        session("event-stream", get()),
        SOURCE,
        place(307, "http://["),
        "close",
        "http error (HTTP 307): the server answered 307: its Location leads nowhere:"
        " Invalid IPv6 URL",
        "ended: http",
    )


def test_a_redirect_without_a_place_after_an_id() -> None:
    running = session("event-stream", get())
    play(running, *BEGUN, lost(), "close", "reconnecting 1 by last_event_id: transport", *SLEPT)
    play(running, "open GET /events Last-Event-ID: 1", place(301, ""), "close")
    play(
        running,
        "http error (HTTP 301): the server answered 301: it redirects without a Location",
        "ended: http",
    )


def test_the_redirects_of_an_answer_are_the_business_of_the_client() -> None:
    play(session("sse"), "open POST /answer", place(307, "/moved"), "read")


def test_redirects_have_a_bound() -> None:
    running = session("event-stream", get())
    play(running, SOURCE)
    for number in range(20):
        play(running, place(302, f"/{number}"), "close", f"open GET /{number}")
    play(
        running,
        place(302, "/on"),
        "close",
        "http error (HTTP 302): the server answered 302: it redirects once more, after 20 redirects",
        "ended: http",
    )


@pytest.mark.parametrize(
    ("status", "method", "becomes"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "REPORT", "GET"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (301, "REPORT", "REPORT"),
        (302, "GET", "GET"),
    ],
)
def test_the_method_of_a_redirect(status: int, method: str, becomes: str) -> None:
    asked = Request(method, f"{URL}/a", (("Content-Type", "text/plain"), ("X", "1")), b"body")
    sent = redirected(asked, status, "/b", 0)
    assert (sent.method, sent.url) == (becomes, f"{URL}/b")
    kept = becomes == method and status != 303
    assert sent.body == (b"body" if kept else None)
    assert sent.header("X") == "1"
    assert sent.header("Content-Type") == ("text/plain" if kept else None)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("b?q=é 豆", f"{URL}/b?q=%C3%A9%20%E8%B1%86"),
        ("b?q=é".encode().decode("latin-1"), f"{URL}/b?q=%C3%A9"),  # as some clients read it
        ("b?q=%C3%A9&a[]=1", f"{URL}/b?q=%C3%A9&a[]=1"),
        ("//other.invalid\\@x/", "https://other.invalid%5C@x/"),  # browsers read it otherwise
    ],
)
def test_the_place_of_a_redirect(location: str, url: str) -> None:
    assert redirected(get("/a"), 307, location, 0).url == url


# --- ids ---


def test_a_first_id() -> None:
    """It is sent, and stays until another comes; an empty one ends it."""
    running = session("event-stream", get("/events", ("last-event-id", "é")))
    play(
        running,
        "open GET /events Last-Event-ID: é",
        lost(),
        "reconnecting 1 by last_event_id: transport",
    )
    play(running, *SLEPT, "open GET /events Last-Event-ID: é", head(), "read", data("data: a\n\n"))
    effect = running.next_effect(0)
    assert effect == Deliver(Data("message", "a"))
    assert effect.event.frame is not None
    assert effect.event.frame.id == "é"
    play(running, "read", data("id\ndata: b\n\n"), B, "read", EOF, "close")
    play(running, "reconnecting 1 by last_event_id: truncated", *SLEPT, SOURCE)


def test_a_first_id_is_not_stronger_than_a_checkpoint() -> None:
    asked = get("/events", ("Last-Event-ID", "old"))
    running = session("event-stream", asked)
    play(running, "open GET /events Last-Event-ID: old", head(), "read", data(ONE), A)
    stored = Checkpoint.from_json(running.checkpoint(0).to_json())
    play(session("event-stream", asked, checkpoint=stored), "open GET /events Last-Event-ID: 1")


def test_an_empty_first_id_is_none() -> None:
    play(session("event-stream", get("/events", ("Last-Event-ID", ""))), SOURCE)


def test_an_id_is_sent_without_what_stands_around_it() -> None:
    running = session("event-stream", get())
    play(running, SOURCE, head(), "read", data("id:  x y \ndata: a\n\n"), A, "read", EOF, "close")
    play(running, "reconnecting 1 by last_event_id: truncated", *SLEPT)
    play(running, "open GET /events Last-Event-ID: x y", head(), "read", data("id:  \ndata: b\n\n"))
    play(running, B, "read", EOF, "close", "reconnecting 1 by last_event_id: truncated", *SLEPT)
    play(running, SOURCE)


@pytest.mark.parametrize("id", ["\x1b", "a\x7fb", "i" * 9000])
def test_an_id_that_cannot_be_sent(id: str) -> None:
    """A server would refuse the request, and the source would end: it goes on with what comes."""
    running = session("event-stream", get())
    play(running, SOURCE, head(), "read", data(f"id: {id}\ndata: a\n\n"), A)
    assert len(running.checkpoint(0).to_json()) < 500
    play(
        running, "read", EOF, "close", "reconnecting 1 by last_event_id: truncated", *SLEPT, SOURCE
    )


# --- open ---


def test_each_connection_that_opens_is_told() -> None:
    running = session("event-stream", get())
    play(running, SOURCE, head(), "Opened()", "read", data(ONE), A, "read", EOF, "close")
    play(running, "reconnecting 1 by last_event_id: truncated", *SLEPT)
    play(running, "open GET /events Last-Event-ID: 1", head(), "Opened(last_event_id='1')", "read")


@pytest.mark.parametrize("answer", [head(503), head(204), head(200, "text/plain")])
def test_what_is_no_stream_is_not_open(answer: Reply) -> None:
    """And by the standard it is not asked for again, unless the caller says how often."""
    running = Session(get(), "event-stream")
    play(running, SOURCE + " for 120", answer)
    told: list[object] = []
    while not isinstance(effect := running.next_effect(0), Ended):
        if isinstance(effect, ReadData):
            running.receive_eof(0)
        elif isinstance(effect, Deliver):
            told.append(effect.event)
    assert [type(one).__name__ for one in told] == ["Error"]


def test_an_answer_tells_no_opening() -> None:
    play(session("sse"), "open POST /answer", head(), "read")


def reconnected(*before: str) -> Session:
    """A source that said this, and then ended; what it says again is to be left out."""
    running = session("event-stream", get(), drop_echoes=True)
    play(running, SOURCE, head(), "read", data("".join(before)))
    while not isinstance(effect := running.next_effect(0), ReadData):
        assert isinstance(effect, Deliver)
    play(running, EOF, "close", "reconnecting 1 by last_event_id: truncated", *SLEPT)
    assert isinstance(running.next_effect(0), OpenRequest)
    play(running, head(), "read")
    return running


def told(running: Session, *wire: str) -> list[str]:
    running.receive_data("".join(wire).encode(), 0)
    values: list[str] = []
    while not isinstance(effect := running.next_effect(0), ReadData):
        assert isinstance(effect, Deliver)
        assert isinstance(effect.event, Data)
        values.append(effect.event.value)
    return values


@pytest.mark.parametrize(
    ("before", "after", "values"),
    [
        ([ONE, TWO], [ONE, TWO, "data: c\n\n"], ["c"]),
        ([ONE, TWO], [TWO, ONE, "data: c\n\n"], ["c"]),
        ([ONE, "data: b\n\n"], [ONE, "data: b\n\n", "data: c\n\n"], ["c"]),
        ([ONE], ["id: 1\ndata: other\n\n", ONE], ["other", "a"]),
        ([ONE], ["id: 1\nevent: x\ndata: a\n\n"], ["a"]),
        ([ONE], [TWO, ONE], ["b", "a"]),
        (["data: a\n\n"], ["data: a\n\n"], ["a"]),
        (["id\ndata: a\n\n"], ["id\ndata: a\n\n"], ["a"]),
        ([f"id: {n}\ndata: a\n\n" for n in range(9)], [ONE, "id: 0\ndata: new\n\n"], ["new"]),
    ],
)
def test_only_the_same_event_with_the_same_id_is_left_out(
    before: list[str], after: list[str], values: list[str]
) -> None:
    running = reconnected(*before)
    assert told(running, *after) == values
    assert told(running, ONE) == ["a"]  # by now it is said anew


def test_ids_that_begin_anew_are_followed() -> None:
    running = reconnected(*(f"id: {n}\ndata: old\n\n" for n in range(9)))
    assert told(running, ONE) == ["a"]
    play(running, EOF, "close", "reconnecting 1 by last_event_id: truncated", *SLEPT)
    play(running, "open GET /events Last-Event-ID: 1")


def test_after_a_checkpoint_the_ids_alone_are_known() -> None:
    running = session("event-stream", get())
    play(running, SOURCE, head(), "read", data(ONE + TWO), A, B)
    stored = running.checkpoint(0)
    other = session("event-stream", get(), checkpoint=stored, drop_echoes=True)
    play(other, "open GET /events Last-Event-ID: 2", head(), "read")
    assert told(other, TWO, "id: 3\ndata: c\n\n") == ["c"]


def test_the_memory_of_what_was_said_is_bounded() -> None:
    recent = RecentEvents()
    for number in range(2000):
        recent.add(Frame(b"a", id=str(number)))
        recent.add(Frame(b"a", id=str(number)))
    recent.reconnected()
    assert recent.is_repeated(Frame(b"a", id="1999"))
    assert recent.is_repeated(Frame(b"a", id="976"))
    assert not recent.is_repeated(Frame(b"a", id="975"))
    assert not recent.is_repeated(Frame(b"a", id="1999"))


# --- time ---


def test_the_last_reconnection_time_holds_though_it_is_none() -> None:
    running = session("event-stream", get())
    play(running, SOURCE, head(), "read", data("retry: 5000\n\n"), "Heartbeat()", "read", EOF)
    play(running, "close", "reconnecting 1 by retry: truncated", "sleep 5", timer(5))
    play(running, SOURCE, head(), "read", data("retry: 0\n\n"), "Heartbeat()", "read", EOF, now=5)
    play(running, "close", "reconnecting 2 by retry: truncated", "sleep 0", now=5)


def fails(running: Session, *, answers: int | None) -> int:
    """Reconnects, up to thirty, where nobody answers or all answers have this status."""
    now = 0.0
    for number in count():
        if number == 30:
            return number
        while not isinstance(effect := running.next_effect(now), OpenRequest):
            if isinstance(effect, Ended):
                return number - 1
            if isinstance(effect, Sleep):
                now = effect.until
                running.timer_fired(now)
            elif isinstance(effect, ReadData):
                running.receive_eof(now)
            elif isinstance(effect, Deliver):
                assert not isinstance(effect.event, Reconnecting) or effect.event.delay <= 30
        if answers is None:
            running.connection_lost("refused", now)
        else:
            running.response_started(answers, {"content-type": "text/event-stream"}, now)
    raise AssertionError


@pytest.mark.parametrize(
    ("dialect", "answers", "reconnects"),
    [
        ("event-stream", None, 30),
        ("event-stream", 200, 30),
        ("event-stream", 503, 0),
        ("event-stream", 404, 0),
        ("sse", None, 5),
    ],
)
def test_an_event_source_is_asked_for_ever(
    dialect: str, answers: int | None, reconnects: int
) -> None:
    """Unless it answers, and with no stream; or the caller has a policy of its own."""
    assert fails(Session(get(), dialect), answers=answers) == reconnects
    if answers == 503:
        assert fails(Session(get(), dialect, retry=RetryPolicy()), answers=answers) == 5
    assert fails(Session(get(), dialect, retry=NEVER), answers=answers) == 0


def test_an_event_source_may_say_nothing_for_hours() -> None:
    running = Session(get(), "event-stream")
    effect = running.next_effect(0)
    assert isinstance(effect, OpenRequest)
    assert effect.deadline == 120
    play(running, head(), "read for 300", data(": alive\n\n", later=299), "Heartbeat(text='alive')")
    play(running, "read for 300", now=299)
    assert play(running, timer(300), "close", now=299) == 599
    assert isinstance(Session(post(), "sse").next_effect(0), OpenRequest)
