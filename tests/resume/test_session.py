"""`Session` by playbooks: what it asks of its driver, whatever the network answers."""

from __future__ import annotations

from collections import deque

import pytest
from tests.resume.playbook import (
    CANCEL,
    EOF,
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

from tokenwire.errors import LocalProtocolError, UnknownDialectError
from tokenwire.events import Data, Error, Event, Recovery
from tokenwire.request import Request
from tokenwire.resume.backoff import NEVER, RetryPolicy
from tokenwire.resume.breaker import CircuitBreaker
from tokenwire.resume.circuit import BreakerPolicy
from tokenwire.resume.deadlines import Deadlines
from tokenwire.resume.effects import Deliver, Ended, OpenRequest, ReadData, Sleep
from tokenwire.resume.plan import Strategy
from tokenwire.resume.session import Session

OPEN = "open POST /answer"
WHOLE = "id: a-0\ndata: Hi\n\nid: a-1\ndata: you\n\nid: a-2\ndata: [DONE]\n\n"
FIRST = "id: a-0\ndata: Hi\n\n"
HI, YOU, DONE = "Token(text='Hi')", "Token(text='you')", "Done(reason='stop')"
BEGUN: tuple[Script, ...] = (OPEN, head(), "read", data(FIRST), HI, "read")
SLEPT: tuple[Script, ...] = ("sleep 0", WAKE)
CUT = "truncated error: the answer was cut off: the body ended before data: [DONE]"


def told(position: int, text: str) -> str:
    return f'data: {{"token":"{text}","position":{position}}}\n\n'


# --- a whole answer, and another try before the first piece ---


def test_a_whole_answer() -> None:
    play(
        session("sse"), OPEN, head(), "read", data(WHOLE), HI, YOU, DONE, "close", "ended", "ended"
    )


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        ((lost("refused"),), "reconnecting 1 by retry: transport"),
        ((lost("slow", kind="timeout"),), "reconnecting 1 by retry: timeout"),
        ((head(503), "read", EOF, "close"), "reconnecting 1 by retry: http 503"),
        (
            (head(429), "read", data("busy"), "read", EOF, "close"),
            "reconnecting 1 by retry: http 429",
        ),
        ((head(), "read", EOF, "close"), "reconnecting 1 by retry: truncated"),
        ((head(), "read", lost(OSError("reset")), "close"), "reconnecting 1 by retry: transport"),
        (
            (head(), "read", data(": hm\n\n"), "Heartbeat(text='hm')", "read", EOF, "close"),
            "reconnecting 1 by retry: truncated",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_try_is_free_before_the_first_piece(failure: tuple[Script, ...], told: str) -> None:
    play(
        session("openai-chat"),
        OPEN,
        *failure,
        told,
        "sleep 0",
        WAKE,
        OPEN,
    )


def test_another_try_reads_another_answer() -> None:
    """Where it is kept, its id and its bytes are its own."""
    asked = post("/completion", b'{"stream":true}', ("X-Conversation-Id", "c"))
    first = 'data: {"content":"a","stop":false}\n\n'
    play(
        session("llamacpp", asked),
        'open POST /completion {"stream":true}',
        head(),
        "read",
        data(":\n\n"),
        "Heartbeat()",
        "read",
        lost(),
        "close",
        "reconnecting 1 by retry: transport",
        *SLEPT,
        'open POST /completion {"stream":true}',
        head(),
        "read",
        data(first),
        "Token(text='a')",
        "read",
        lost(),
        "close",
        "reconnecting 1 by cursor: transport",
        *SLEPT,
        "open GET /v1/stream?conv_id=c&from=0",  # what came is compared
    )


def test_a_place_is_gone_on_after_though_nothing_came_there() -> None:
    """The service made a response: asked once more it would make a second one."""
    asked = post("/v1/responses", b'{"background":true,"stream":true}')
    opened = 'open POST /v1/responses {"background":true,"stream":true}'

    def piece(number: int, kind: str, fields: str) -> Reply:
        return data(f'data: {{"type":"response.{kind}","sequence_number":{number},{fields}}}\n\n')

    play(
        session("openai-responses", asked),
        opened,
        head(),
        "read",
        piece(0, "created", '"response":{"id":"one"}'),
        "Started(id='one')",
        "read",
        EOF,
        "close",
        "reconnecting 1 by cursor: truncated",
        *SLEPT,
        "open GET /v1/responses/one?stream=true&starting_after=0",
        head(),
        "read",
        piece(1, "output_text.delta", '"delta":"Hi"'),
        HI,
        "read",
        piece(2, "in_progress", '"response":{"id":"one"}'),  # says nothing, and is behind us
        "read",
        EOF,
        "close",
        "reconnecting 1 by cursor: truncated",
        *SLEPT,
        "open GET /v1/responses/one?stream=true&starting_after=2",
    )


def test_another_answer_forgets_where_the_first_one_was_kept() -> None:
    def run(number: int) -> tuple[Script, ...]:
        return ("open POST /runs/stream", head(Location=f"/runs/{number}/stream"), "read")

    play(
        session("langgraph", post("/runs/stream"), strategies=("last_event_id", "replay")),
        *run(1),
        EOF,
        "close",
        "reconnecting 1 by replay: truncated",
        *SLEPT,
        *run(2),
        data(
            'id: 1\nevent: messages\ndata: [{"content":"Hi","type":"AIMessageChunk","id":"m"},{}]\n\n'
        ),
        HI,
        "read",
        EOF,
        "close",
        "reconnecting 1 by last_event_id: truncated",
        *SLEPT,
        "open GET /runs/2/stream Last-Event-ID: 1",
    )


# --- going on ---


@pytest.mark.parametrize(
    "again",
    [
        "id: a-1\ndata: you\n\nid: a-2\ndata: [DONE]\n\n",
        WHOLE,
        ": hello\n\n" + WHOLE,
    ],
    ids=["exclusive", "inclusive", "after a comment"],
)
def test_last_event_id(again: str) -> None:
    hello: tuple[Script, ...] = ("Heartbeat(text='hello')",) if again[0] == ":" else ()
    play(
        session("sse"),
        *BEGUN,
        EOF,
        "close",
        "reconnecting 1 by last_event_id: truncated",
        *SLEPT,
        "open POST /answer Last-Event-ID: a-0",
        head(),
        "read",
        data(again),
        *hello,
        YOU,
        DONE,
        "close",
        "ended",
    )


def test_a_replay_from_the_beginning_of_ids_without_order() -> None:
    first = "".join(f"id: {id}\ndata: {id}\n\n" for id in ("zebra", "ant", "mole"))
    play(
        session("sse"),
        OPEN,
        head(),
        "read",
        data(first),
        "Token(text='zebra')",
        "Token(text='ant')",
        "Token(text='mole')",
        "read",
        lost(),
        "close",
        "reconnecting 1 by last_event_id: transport",
        *SLEPT,
        "open POST /answer Last-Event-ID: mole",
        head(),
        "read",
        # An old id that comes without its data does not lead back to it.
        data("id: zebra\ndata: zebra\n\nid: ant\n\n"),
        "Heartbeat()",
        "read",
        lost(),
        "close",
        "reconnecting 2 by last_event_id: transport",
        *SLEPT,
        "open POST /answer Last-Event-ID: mole",
        head(),
        "read",
        data(first + "id: bee\ndata: bee\n\n"),
        "Token(text='bee')",
        "read",
    )


def test_events_before_the_first_id_of_the_new_connection_are_new() -> None:
    play(
        session("sse"),
        *BEGUN,
        lost(),
        "close",
        "reconnecting 1 by last_event_id: transport",
        *SLEPT,
        "open POST /answer Last-Event-ID: a-0",
        head(),
        "read",
        data("data: you\n\n"),
        YOU,
        "read",
        lost(),
        "close",
        "reconnecting 1 by last_event_id: transport",
        *SLEPT,
        "open POST /answer Last-Event-ID: a-0",
    )


def test_a_second_drop_before_any_new_id_keeps_the_cursor() -> None:
    play(
        session("sse"),
        *BEGUN,
        lost(),
        "close",
        "reconnecting 1 by last_event_id: transport",
        *SLEPT,
        "open POST /answer Last-Event-ID: a-0",
        lost("refused"),
        "reconnecting 2 by last_event_id: transport",
        *SLEPT,
        "open POST /answer Last-Event-ID: a-0",
        head(),
        "read",
        data("id: a-1\ndata: yo"),  # not whole: neither it nor its id counts
        "read",
        EOF,
        "close",
        "reconnecting 3 by last_event_id: truncated",
        *SLEPT,
        "open POST /answer Last-Event-ID: a-0",
    )


@pytest.mark.parametrize("again", ["exclusive", "inclusive", "restart"])
def test_position(again: str) -> None:
    old = {"exclusive": "", "inclusive": told(1, "b"), "restart": told(0, "a") + told(1, "b")}
    play(
        session("positioned", post(body=b'{"q":1}')),
        'open POST /answer {"q":1}',
        head(),
        "read",
        data(told(0, "a") + told(1, "b")),
        "Token(text='a')",
        "Token(text='b')",
        "read",
        EOF,
        "close",
        "reconnecting 1 by cursor: truncated",
        *SLEPT,
        'open POST /answer {"q":1,"resume_from":1}',
        head(),
        "read",
        data(old[again] + told(2, "c")),
        "Token(text='c')",
        "read",
    )


def test_what_an_open_event_at_the_cut_said_is_said_once() -> None:
    """It was whole JSON, so the decoder has read it, and its answer was left out."""
    asked = post("/v1/responses", b'{"background":true,"stream":true}')
    call = (
        'data: {"type":"response.output_item.added","sequence_number":2,"output_index":0,'
        '"item":{"id":"f","type":"function_call","name":"look","arguments":"","call_id":"c"}}'
    )
    play(
        session("openai-responses", asked),
        'open POST /v1/responses {"background":true,"stream":true}',
        head(),
        "read",
        data(
            'data: {"type":"response.created","sequence_number":0,"response":{"id":"r"}}\n\n'
            'data: {"type":"response.output_text.delta","sequence_number":1,"delta":"Hi"}\n\n'
        ),
        "Started(id='r')",
        HI,
        "read",
        data(call),
        "read",
        EOF,
        "close",
        "reconnecting 1 by cursor: truncated",
        *SLEPT,
        "open GET /v1/responses/r?stream=true&starting_after=1",
        head(),
        "read",
        data(call + "\n\n"),
        "ToolCall(key='0', id='c', name='look')",
        "read",
    )


def test_events_are_counted_however_they_are_cut() -> None:
    asked = Request("POST", "https://gateway.ai.cloudflare.com/v1/a/g/compat", (), b"{}")
    where = "https://gateway.ai.cloudflare.com/v1/a/g"
    play(
        session("openai-chat/cloudflare", asked),
        f"open POST {where}/compat",
        head(cf_aig_run_id="run"),
        "read",
        data('data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n'),
        "read",
        data("\n"),
        "Token(text='a')",
        "read",
        data("\n"),  # ends no further event
        "read",
        data('data: {"choices":[{"index":0,"delta":{"content":"b"}}]}\n\n: hm\n\ndata: {"choi'),
        "Token(text='b')",
        "Heartbeat(text='hm')",
        "read",
        lost(),
        "close",
        "reconnecting 1 by cursor: transport",
        *SLEPT,
        f"open GET {where}/run/run/resume?from=0",  # it is compared
    )


# --- asking anew ---

BOTH: tuple[Strategy, ...] = ("last_event_id", "replay")
BUSY = 'event: error\ndata: {"error":{"type":"overloaded_error","message":"busy"}}\n\n'
AGAIN = (*BEGUN, data(BUSY), "close", "reconnecting 1 by replay: vendor", *SLEPT, OPEN, head())


def test_replay_leaves_out_what_was_said() -> None:
    play(
        session("sse", strategies=BOTH),
        *AGAIN,
        "read",
        data("id: b-0\ndata: H\n\nid: b-1\ndata: i,\n\n"),
        "Token(text=',')",
        "read",
        lost(),  # and the new answer has a cursor of its own
        "close",
        "reconnecting 1 by last_event_id: transport",
        *SLEPT,
        "open POST /answer Last-Event-ID: b-1",
        head(),
        "read",
        data("id: b-2\ndata: you\n\n"),
        YOU,
        "read",
    )


def test_replay_of_another_answer_takes_the_old_one_back() -> None:
    play(
        session("sse", strategies=BOTH),
        *AGAIN,
        "read",
        data("data: Ho\n\ndata: you\n\ndata: [DONE]\n\n"),
        "Reset()",
        "Token(text='Ho')",
        YOU,
        DONE,
        "close",
        "ended",
    )


def test_what_a_replay_holds_is_not_after_us() -> None:
    """Whatever comes in between, the next connection asks anew, too."""
    play(
        session("sse", strategies=BOTH),
        *AGAIN,
        "read",
        data("id: b-0\ndata: H\n\nid: b-1\n\n: hm\n\n"),
        "Heartbeat()",
        "Heartbeat(text='hm')",
        "read",
        lost(),
        "close",
        "reconnecting 2 by replay: transport",
        *SLEPT,
        OPEN,
        head(),
        "read",
        data("data: Hi\n\ndata: you\n\n"),
        YOU,
        "read",
    )


def test_what_a_replay_holds_is_progress_of_the_peer() -> None:
    limits = Deadlines(connect=None, first_token=5, idle=None, progress=5)
    play(
        session("sse", strategies=BOTH, deadlines=limits),
        f"{OPEN} for 5",
        head(),
        "read for 5",
        data(FIRST),
        HI,
        "read for 5",
        data(BUSY),
        "close",
        "reconnecting 1 by replay: vendor",
        *SLEPT,
        f"{OPEN} for 5",
        head(),
        "read for 5",
        data("data: H\n\n", later=4),
        "read for 5",
        data("data: i\n\ndata: you\n\n", later=4),
        YOU,
    )


# --- waiting ---


def test_the_stream_asks_for_a_pause_and_is_heard_on_later_connections() -> None:
    play(
        session("sse"),
        OPEN,
        head(),
        "read",
        data("retry: 2500\n" + FIRST),
        HI,
        "read",
        EOF,
        "close",
        "reconnecting 1 by last_event_id: truncated",
        "sleep 2.5",
        timer(1),
        "sleep 1.5",  # not its time yet
        timer(1.5),
        "open POST /answer Last-Event-ID: a-0",
        lost(),
        "reconnecting 2 by last_event_id: transport",
        "sleep 2.5",
    )


def test_retry_after() -> None:
    play(
        session("sse"),
        *BEGUN,
        EOF,
        "close",
        "reconnecting 1 by last_event_id: truncated",
        *SLEPT,
        "open POST /answer Last-Event-ID: a-0",
        head(503, Retry_After="7"),
        "read",
        EOF,
        "close",
        "reconnecting 2 by last_event_id: http 503",
        "sleep 7",
    )


def test_progress_resets_the_attempts_and_a_heartbeat_does_not() -> None:
    again: tuple[Script, ...] = (
        *SLEPT,
        "open POST /answer Last-Event-ID: a-0",
        head(),
        "read",
        data(": hm\n\n"),
        "Heartbeat(text='hm')",
        "read",
        EOF,
        "close",
    )
    play(
        session("sse", retry=RetryPolicy(initial_delay=0, max_attempts=2)),
        *BEGUN,
        EOF,
        "close",
        "reconnecting 1 by last_event_id: truncated",
        *again,
        "reconnecting 2 by last_event_id: truncated",
        *SLEPT,
        "open POST /answer Last-Event-ID: a-0",
        head(),
        "read",
        data("id: a-1\ndata: you\n\n"),
        YOU,
        "read",
        EOF,
        "close",
        "reconnecting 1 by last_event_id: truncated",
        *SLEPT,
        "open POST /answer Last-Event-ID: a-1",
    )


# --- giving up, and why ---


def test_no_more_attempts() -> None:
    play(
        session("sse", retry=RetryPolicy(initial_delay=0, max_attempts=1)),
        *BEGUN,
        EOF,
        "close",
        "reconnecting 1 by last_event_id: truncated",
        *SLEPT,
        "open POST /answer Last-Event-ID: a-0",
        head(),
        "read",
        EOF,
        "close",
        "truncated error: the body ended before any event of sse came;"
        " no further attempt after 1 without progress: max_attempts = 1",
        "ended: truncated",
    )


def test_no_way_to_resume() -> None:
    piece = 'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
    play(
        session("openai-chat"),
        OPEN,
        head(),
        "read",
        data(piece),
        HI,
        "read",
        EOF,
        "close",
        "truncated error: the answer was cut off: the body ended before a finish_reason"
        " for every choice; openai-chat has no way to resume, and no other way was allowed...",
        "ended: truncated",
    )


def test_no_cursor() -> None:
    play(
        session("sse"),
        OPEN,
        head(),
        "read",
        data("data: Hi\n\n"),
        HI,
        "read",
        EOF,
        "close",
        f"{CUT}; there is no cursor for Last-Event-ID header, and no other way was allowed...",
        "ended: truncated",
    )


def test_an_answer_that_is_not_kept() -> None:
    """Of a request without ``background``."""
    created = 'data: {"type":"response.created","sequence_number":0,"response":{"id":"r"}}\n\n'
    piece = 'data: {"type":"response.output_text.delta","sequence_number":1,"delta":"Hi"}\n\n'
    play(
        session("openai-responses", post("/v1/responses")),
        "open POST /v1/responses",
        head(),
        "read",
        data(created + piece),
        "Started(id='r')",
        HI,
        "read",
        EOF,
        "close",
        "truncated error: the answer was cut off: the body ended before response.completed or"
        " response.incomplete; the service keeps no answer to such a request, and no other way was"
        " allowed...",
        "ended: truncated",
    )


def test_never() -> None:
    play(
        session("sse", retry=NEVER),
        *BEGUN,
        EOF,
        "close",
        f"{CUT}; no further attempt: max_attempts = 0",
        "ended: truncated",
    )


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("strategies", [None, ("last_event_id", "replay")])
def test_204_stops(begun: bool, strategies: tuple[Strategy, ...] | None) -> None:
    before: tuple[Script, ...] = (
        *BEGUN,
        EOF,
        "close",
        "reconnecting 1 by last_event_id: truncated",
        *SLEPT,
        "open POST /answer Last-Event-ID: a-0",
    )
    play(
        session("sse", strategies=strategies),
        *(before if begun else (OPEN,)),
        head(204),
        "close",
        "http error (HTTP 204): the server answered 204 and no body: there is no stream;"
        " the server answered 204: it has nothing more to send",
        "ended: http",
    )


@pytest.mark.parametrize("status", [429, 503])
def test_busy_at_the_reconnect(status: int) -> None:
    play(
        session("sse"),
        *BEGUN,
        EOF,
        "close",
        "reconnecting 1 by last_event_id: truncated",
        *SLEPT,
        "open POST /answer Last-Event-ID: a-0",
        head(status),
        "read",
        EOF,
        "close",
        f"reconnecting 2 by last_event_id: http {status}",
        *SLEPT,
        "open POST /answer Last-Event-ID: a-0",
        head(),
        "read",
        data(WHOLE),
        YOU,
        DONE,
    )


def test_a_resume_that_is_refused_leaves_the_next_way() -> None:
    play(
        session("sse", strategies=("last_event_id", "replay")),
        *BEGUN,
        EOF,
        "close",
        "reconnecting 1 by last_event_id: truncated",
        *SLEPT,
        "open POST /answer Last-Event-ID: a-0",
        head(404),
        "read",
        EOF,
        "close",
        "reconnecting 2 by replay: http 404",
        *SLEPT,
        OPEN,
        head(),
        "read",
        data(WHOLE.replace("a-", "b-")),
        YOU,
        DONE,
        "close",
        "ended",
    )


def test_a_resume_that_is_refused_is_the_end_where_no_way_is_left() -> None:
    play(
        session("sse"),
        *BEGUN,
        EOF,
        "close",
        "reconnecting 1 by last_event_id: truncated",
        *SLEPT,
        "open POST /answer Last-Event-ID: a-0",
        head(404),
        "read",
        data("gone"),
        "read",
        EOF,
        "close",
        "http error (HTTP 404): the server answered 404; its body begins with 'gone'",
        "ended: http",
    )


def test_what_the_service_itself_ended_is_not_gone_on_with() -> None:
    play(
        session("sse"),
        *BEGUN,
        data('event: error\ndata: {"message":"overloaded"}\n\n'),
        "close",
        "vendor error: overloaded",
        "ended: vendor",
    )


# --- deadlines ---


def test_connect_deadline() -> None:
    play(
        session("sse", deadlines=Deadlines(connect=3)),
        f"{OPEN} for 3",
        timer(3),
        "reconnecting 1 by retry: timeout",
    )


def test_first_token_deadline() -> None:
    limits = Deadlines(connect=None, first_token=5, idle=3, progress=None)
    play(
        session("sse", deadlines=limits),
        f"{OPEN} for 5",
        head(),
        "read for 3",
        data(": hm\n\n", later=2),
        "Heartbeat(text='hm')",
        "read for 3",
        timer(3),
        "close",
        "reconnecting 1 by retry: timeout",
    )


def test_idle_deadline() -> None:
    play(
        session("sse", deadlines=Deadlines(connect=None, first_token=None, idle=4, progress=None)),
        OPEN,
        head(),
        "read for 4",
        data(FIRST),
        HI,
        "read for 4",
        timer(3),
        "read for 1",  # not its time yet
        timer(1),
        "close",
        "reconnecting 1 by last_event_id: timeout",
        *SLEPT,
        "open POST /answer Last-Event-ID: a-0",
    )


def test_progress_deadline_is_not_moved_by_heartbeats() -> None:
    play(
        session("sse", deadlines=Deadlines(connect=None, first_token=None, idle=None, progress=4)),
        OPEN,
        head(),
        "read",
        data(FIRST),
        HI,
        "read for 4",
        data(": hm\n\n", later=3),
        "Heartbeat(text='hm')",
        "read for 1",
        data(": hm\n\n", later=2),  # too late, and it brought nothing
        "Heartbeat(text='hm')",
        "close",
        "reconnecting 1 by last_event_id: timeout",
    )


def test_total_deadline_while_sleeping() -> None:
    slow = RetryPolicy(initial_delay=60, max_delay=60, jitter="none")
    play(
        session("sse", retry=slow, deadlines=Deadlines(connect=None, total=20)),
        f"{OPEN} for 20",
        lost(),
        "reconnecting 1 by retry: transport",
        "sleep 20",
        timer(20),
        "timeout error: the answer was not complete within 20 s (Deadlines.total): nothing came",
        "ended: timeout",
    )


# --- the circuit breaker ---

QUICK = BreakerPolicy(failure_count=1, failure_ratio=None, recovery_time=30, probes=1)


def test_an_open_circuit_is_waited_for() -> None:
    breaker = CircuitBreaker(QUICK)
    play(
        session("sse", breaker=breaker),
        OPEN,
        lost(),
        "reconnecting 1 by retry: transport",
        *SLEPT,
        "reconnecting 2 by retry: transport",
        "sleep 30",
        timer(30),
        OPEN,
        head(),
        "read",
        data(WHOLE),
        HI,
        YOU,
        DONE,
        "close",
        "ended",
    )
    stats = breaker.stats()
    assert (stats.permitted, stats.refused, stats.failed, stats.succeeded) == (2, 1, 1, 1)


def test_an_open_circuit_ends_it_where_nothing_is_tried_again() -> None:
    breaker = CircuitBreaker(QUICK)
    play(session("sse", breaker=breaker), OPEN, lost())
    play(
        session("sse", breaker=breaker, retry=NEVER),
        "transport error: nothing was sent: the service kept failing, and its circuit is open;"
        " no further attempt: max_attempts = 0",
        "ended: transport",
    )


def test_the_outcome_is_told_at_the_end_of_the_answer() -> None:
    breaker = CircuitBreaker(BreakerPolicy(failure_count=3, failure_ratio=None))
    running = session("sse", breaker=breaker)
    play(running, OPEN, head(), "read", data(FIRST), HI, "read")
    assert (breaker.stats().succeeded, breaker.stats().failed) == (0, 0)
    play(running, EOF, "close")
    assert (breaker.stats().succeeded, breaker.stats().failed) == (0, 1)


def test_a_permit_is_given_back_when_nobody_waits_any_more() -> None:
    breaker = CircuitBreaker(QUICK)
    running = session("sse", breaker=breaker)
    play(running, *BEGUN, CANCEL, "close", "ended", CANCEL, "ended")
    assert breaker.stats().released == 1
    play(session("sse", breaker=breaker), OPEN, CANCEL, "ended")
    assert breaker.stats().released == 2
    play(session("sse"), CANCEL, "ended")


def test_the_end_of_an_event_source_says_nothing_of_its_service() -> None:
    breaker = CircuitBreaker(QUICK)
    play(
        session("event-stream", get(), breaker=breaker),
        "open GET /events",
        head(),
        "read",
        EOF,
        "close",
    )
    assert (breaker.stats().released, breaker.stats().failed) == (1, 0)


def test_a_response_is_closed_though_the_session_is_left_before_it_asked_for_that() -> None:
    limits = Deadlines(connect=None, first_token=None, idle=4, progress=None)
    play(
        session("sse", deadlines=limits),
        OPEN,
        head(),
        "read for 4",
        timer(4),
        CANCEL,
        "close",
        "ended",
    )


# --- event sources ---

SOURCE = "open GET /events"


def test_an_event_source_never_ends_by_itself() -> None:
    play(
        session("event-stream", get()),
        SOURCE,
        head(),
        "read",
        data("data: a\n\nid: 7\nevent: tick\ndata: b\n\ndata: c\n\n"),
        "Data(kind='message', value='a')",
        "Data(kind='tick', value='b')",
        "Data(kind='message', value='c')",
        "read",
        EOF,
        "close",
        "reconnecting 1 by last_event_id: truncated",
        *SLEPT,
        "open GET /events Last-Event-ID: 7",
        head(),
        "read",
        data("data: d\n\n"),
        "Data(kind='message', value='d')",
        "read",
        EOF,
        "close",
        "reconnecting 1 by last_event_id: truncated",
        *SLEPT,
        "open GET /events Last-Event-ID: 7",
        head(),
        "read",
        data("id\ndata: e\n\n"),  # an empty id
        "Data(kind='message', value='e')",
        "read",
        EOF,
        "close",
        "reconnecting 1 by last_event_id: truncated",
        *SLEPT,
        SOURCE,
        head(),
        "read",
        data("id:\ndata: f\n\n"),
        "Data(kind='message', value='f')",
        "read",
        EOF,
        "close",
        "reconnecting 1 by last_event_id: truncated",
        *SLEPT,
        SOURCE,
        head(204),
        "close",
        "http error (HTTP 204): the server answered 204 and no body: there is no stream;"
        " the server answered 204: it has nothing more to send",
        "ended: http",
    )


def test_an_id_stays_in_force_over_connections() -> None:
    running = session("event-stream", get())
    play(running, SOURCE, head(), "read", data("id: 7\ndata: a\n\n"))
    play(running, "Data(kind='message', value='a')", "read", EOF, "close")
    play(running, "reconnecting 1 by last_event_id: truncated", *SLEPT)
    play(running, "open GET /events Last-Event-ID: 7", head(), "read", data("data: b\n\n"))
    effect = running.next_effect(0)
    assert isinstance(effect, Deliver)
    assert effect.event == Data("message", "b")
    assert effect.event.frame is not None
    assert effect.event.frame.id == "7"


def test_an_event_source_without_ids() -> None:
    play(
        session("event-stream", get()),
        SOURCE,
        head(),
        "read",
        data("data: a\n\n"),
        "Data(kind='message', value='a')",
        "read",
        lost(),
        "close",
        "reconnecting 1 by last_event_id: transport",
        *SLEPT,
        SOURCE,
    )


def test_an_id_alone_is_a_place_in_an_event_source() -> None:
    play(
        session("event-stream", get()),
        SOURCE,
        head(),
        "read",
        data("id: 5\n\n"),
        "Heartbeat()",
        "read",
        EOF,
        "close",
        "reconnecting 1 by last_event_id: truncated",
        *SLEPT,
        "open GET /events Last-Event-ID: 5",
    )


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ((), (("Accept", "text/event-stream"), ("Cache-Control", "no-cache"))),
        (
            (("accept", "*/*"), ("cache-control", "max-age=1")),
            (("accept", "*/*"), ("cache-control", "max-age=1")),
        ),
    ],
)
def test_headers_of_an_event_source(
    asked: tuple[tuple[str, str], ...], sent: tuple[tuple[str, str], ...]
) -> None:
    effect = session("event-stream", get("/events", *asked)).next_effect(0)
    assert effect.request.headers == sent  # type: ignore[union-attr]


# --- what is wrong at once ---


@pytest.mark.parametrize(
    ("dialect", "strategies", "message"),
    [
        ("openai-chat", ("cursor",), "cannot be resumed by 'cursor'; it can by: replay"),
        ("sse", ("cursor",), "it can by: replay"),
        ("sse", ("hope",), "cannot be resumed by 'hope'"),
    ],
)
def test_a_strategy_that_the_dialect_cannot_do(
    dialect: str, strategies: tuple[Strategy, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Session(post(), dialect, strategies=strategies)


def test_an_unknown_dialect() -> None:
    with pytest.raises(UnknownDialectError):
        Session(post(), "auto")


def test_a_body_that_can_be_sent_only_once() -> None:
    with pytest.raises(TypeError, match="must not be used up"):
        Request("POST", "https://service.invalid", (), iter([b"{}"]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "misuse",
    [
        lambda s: s.response_started(200, {}, 0),
        lambda s: s.receive_data(b"", 0),
        lambda s: s.receive_eof(0),
        lambda s: s.connection_lost("gone", 0),
        lambda s: s.timer_fired(0),
    ],
)
def test_an_answer_to_nothing(misuse: Reply) -> None:
    with pytest.raises(LocalProtocolError):
        misuse(session("sse"))  # type: ignore[operator]
    ended = session("sse")
    play(ended, OPEN, head(), "read", data(WHOLE), HI, YOU, DONE, "close", "ended")
    with pytest.raises(LocalProtocolError):
        misuse(ended)  # type: ignore[operator]


def test_an_effect_that_was_not_answered() -> None:
    running = session("sse")
    play(running, OPEN)
    with pytest.raises(LocalProtocolError, match="OpenRequest is not answered"):
        running.next_effect(0)


def test_an_effect_that_was_answered_twice() -> None:
    running = session("sse")
    play(running, OPEN, head(), "read", data(FIRST))
    with pytest.raises(LocalProtocolError, match="receive_data answers no effect"):
        running.receive_data(b"more", 0)
    play(running, HI, "read", EOF)
    with pytest.raises(LocalProtocolError, match="receive_eof answers no effect"):
        running.receive_eof(0)


def test_a_name_of_several_places_is_none_to_go_on_from() -> None:
    """Asked for it, the service may go on after any of them."""
    running = session("sse")
    play(
        running,
        OPEN,
        head(),
        "read",
        data("id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 1\ndata: c\n\n"),
    )
    play(running, *(f"Token(text='{text}')" for text in "abc"), "read", EOF, "close")
    play(running, f"{CUT}; the service gave the name '1' to several places, and no other way ...")


# --- another answer instead of the rest ---


@pytest.mark.parametrize("dialect", ["sse", "replicate"])
def test_another_answer_is_never_joined(dialect: str) -> None:
    """A server that does not heed the place sends one whose places are named alike."""
    kind = "event: output\n" if dialect == "replicate" else ""
    first = [
        f"id: {number}\n{kind}data: {text}\n\n" for number, text in enumerate(("The ", "cat "))
    ]
    other = [f"id: {n}\n{kind}data: {text}\n\n" for n, text in enumerate(("A ", "dog ", "barks"))]
    running = session(dialect)
    play(running, OPEN, head(), "read", data("".join(first)))
    play(running, "Token(text='The ')", "Token(text='cat ')", "read", EOF, "close")
    play(running, "reconnecting 1 by last_event_id: truncated", *SLEPT)
    play(running, "open POST /answer Last-Event-ID: 1", head(), "read")
    play(running, data("".join(other) + "data: [DONE]\n\n"), "close")
    play(running, "vendor error: asked to go on after id '1', the service sent something else...")
    assert isinstance(effect := running.next_effect(0), Ended)
    assert effect.error is not None
    assert effect.error.recovery is Recovery.RETRY


def test_where_the_caller_allowed_it_another_answer_is_a_reset() -> None:
    play(
        session("sse", strategies=("last_event_id", "replay")),
        *BEGUN,
        EOF,
        "close",
        "reconnecting 1 by last_event_id: truncated",
        *SLEPT,
        "open POST /answer Last-Event-ID: a-0",
        head(),
        "read",
        data("id: a-0\ndata: Ho\n\n"),
        "close",
        "reconnecting 2 by replay: vendor",
        *SLEPT,
        OPEN,
        head(),
        "read",
        data("id: a-0\ndata: Ho\n\n"),
        "Reset()",
        "Token(text='Ho')",
    )


def test_a_piece_that_was_left_out_is_asked_for_again() -> None:
    """And where it is left out each time, that is said."""
    running = session("positioned", retry=RetryPolicy(initial_delay=0, max_attempts=2))
    play(
        running, OPEN, head(), "read", data(told(0, "a") + told(2, "c")), "Token(text='a')", "close"
    )
    for number in (1, 2):
        play(running, f"reconnecting {number} by cursor: truncated", *SLEPT)
        play(running, 'open POST /answer {"resume_from":0}', head(), "read", data(told(2, "c")))
        play(running, "close")
    play(
        running,
        "truncated error: the service left out what lies between position 0 and position 2; no"
        " further attempt after 2 without progress: max_attempts = 2",
        "ended: truncated",
    )


def test_all_that_was_asked_for_again_must_come() -> None:
    """An answer that ends before it came as far as the place is another one."""
    asked = post("/threads/t/runs/stream", b'{"stream_resumable":true}')
    place = head(Location="/threads/t/runs/r/stream")
    piece = 'id: {}\nevent: messages\ndata: [{{"content":"{}","type":"AIMessageChunk","id":"m"}},{{}}]\n\n'
    first = session("langgraph", asked)
    play(first, "open POST /threads/t/runs/stream ...", place, "read")
    play(first, data(piece.format(1, "a") + piece.format(2, "b")), "Token(text='a')")
    play(first, "Token(text='b')")
    other = session("langgraph", asked, checkpoint=first.checkpoint(0))
    play(other, "open GET /threads/t/runs/r/stream Last-Event-ID: -1", head(), "read")
    play(other, data(piece.format(1, "a") + "event: end\n\n"), "read", EOF, "close")
    play(other, "reconnecting 1 by last_event_id: truncated", "sleep 0")


def test_what_a_body_leaves_open_is_proof_too() -> None:
    running = session("positioned", retry=RetryPolicy(initial_delay=0, max_attempts=1))
    play(running, OPEN, head(), "read", data(told(0, "a") + told(2, "c").strip()))
    play(running, "Token(text='a')", "read", EOF, "close", "reconnecting 1 by cursor: truncated")


# --- a frame that cannot be read ---

BAD = 'data: {"token":"b","posi\n\n'


def test_a_frame_that_cannot_be_read_is_asked_for_again() -> None:
    play(
        session("positioned"),
        OPEN,
        head(),
        "read",
        data(told(0, "a") + BAD + told(2, "c")),
        "Token(text='a')",
        "close",
        "reconnecting 1 by cursor: truncated",
        *SLEPT,
        'open POST /answer {"resume_from":0}',
        head(),
        "read",
        data(told(1, "b") + told(2, "c") + "data: [DONE]\n\n"),
        "Token(text='b')",
        "Token(text='c')",
        DONE,
    )


def ends(running: Session) -> list[Event]:
    events: list[Event] = []
    while not isinstance(effect := running.next_effect(0), Ended):
        if isinstance(effect, Deliver):
            events.append(effect.event)
        elif isinstance(effect, ReadData):
            running.receive_eof(0)
        elif isinstance(effect, Sleep):
            running.timer_fired(effect.until)
        elif isinstance(effect, OpenRequest):
            running.response_started(200, {"content-type": "text/event-stream"}, 0)
    return events


def test_one_that_stays_so_is_told_and_nothing_is_done_after_it() -> None:
    running = session("positioned", retry=RetryPolicy(initial_delay=0, max_attempts=1))
    play(running, OPEN, head(), "read", data(told(0, "a") + BAD), "Token(text='a')", "close")
    play(running, "reconnecting 1 by cursor: truncated", *SLEPT)
    play(running, 'open POST /answer {"resume_from":0}', head(), "read")
    running.receive_data((BAD + "data: [DONE]\n\n").encode(), 0)
    events = ends(running)
    assert [type(event).__name__ for event in events] == ["Error", "Error"]
    assert [event.kind for event in events if isinstance(event, Error)] == ["malformed"] * 2
    assert running.checkpoint(0).cursor.value == 0


def test_where_bytes_are_counted_the_place_stays_before_it() -> None:
    asked = post("/completion", b'{"stream":true}', ("X-Conversation-Id", "c"))
    good = 'data: {"content":"a","stop":false}\n\n'
    running = session("llamacpp", asked, retry=NEVER)
    play(running, 'open POST /completion {"stream":true}', head(), "read")
    running.receive_data((good + 'data: {"content":"b\n\n' + good).encode(), 0)
    kinds = [type(event).__name__ for event in ends(running)]
    assert kinds == ["Token", "Error", "Token", "Error"]
    assert running.checkpoint(0).cursor.value == len(good)


def test_without_a_place_it_is_told() -> None:
    running = session("openai-chat")
    play(running, OPEN, head(), "read")
    running.receive_data(b'data: {"choices":[{"delta":{"content":"a"}}]}\n\ndata: {"choi\n\n', 0)
    kinds = [type(event).__name__ for event in ends(running)]
    assert kinds == ["Token", "Error", "Error"]


# --- much at once ---


def test_what_a_replay_held_is_handed_out_in_linear_time() -> None:
    """Ten thousand pieces that differ at their end: they are taken one by one, and moved once."""
    pieces = "".join(f"data: {'x' * 10}\n\n" for _ in range(5000))
    running = session("sse", strategies=BOTH)
    play(running, OPEN, head(), "read")
    running.receive_data(f"{pieces}data: a\n\n{BUSY}".encode(), 0)
    while not isinstance(running.next_effect(0), Sleep):
        pass
    running.timer_fired(1)
    play(running, OPEN, head(), "read")
    running.receive_data(f"{pieces}data: b\n\ndata: [DONE]\n\n".encode(), 0)
    effects: list[object] = []
    while not isinstance(effect := running.next_effect(1), Ended):
        effects.append(effect)
    assert len(effects) == 1 + 5001 + 2  # the reset, the tokens, done and close
    assert isinstance(running._machine.effects._effects, deque)


def test_a_place_of_a_replay_counts_after_what_was_said_again() -> None:
    """Between it and there was text that was delivered before: it is not a tail of the place."""
    running = session("sse", strategies=BOTH)
    play(running, *BEGUN, data("data: you\n\n" + BUSY), YOU, "close")
    play(running, "reconnecting 1 by replay: vendor", *SLEPT, OPEN, head(), "read")
    play(running, data("id: b-0\ndata: Hi\n\ndata: you all\n\n"), "Token(text=' all')", "read")
    play(running, lost(), "close", "reconnecting 1 by replay: transport", *SLEPT, OPEN)
