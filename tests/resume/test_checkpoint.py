"""`Checkpoint`: what another process goes on from, and what it refuses."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace
from tests.resume.playbook import (
    EOF,
    WAKE,
    Script,
    data,
    get,
    head,
    lost,
    play,
    post,
    session,
)

from tokenwire.cursor import Cursor
from tokenwire.resume.checkpoint import Checkpoint, CheckpointError, kept
from tokenwire.resume.session import Session

OPEN = "open POST /answer"
FIRST = "id: a-0\ndata: Hi\n\n"
HI = "Token(text='Hi')"
CREATED = 'data: {"type":"response.created","sequence_number":0,"response":{"id":"r"}}\n\n'
ASKED = post("/v1/responses", b'{"background":true,"stream":true}')
ASKING = 'open POST /v1/responses {"background":true,"stream":true}'


def stored(running: Session, now: float = 0.0) -> Checkpoint:
    return Checkpoint.from_json(running.checkpoint(now).to_json())


def begun() -> Session:
    running = session("sse")
    play(running, OPEN, head(), "read", data(FIRST), HI)
    return running


def test_another_process_goes_on() -> None:
    checkpoint = stored(begun(), now=5.0)
    assert checkpoint.cursor == Cursor("id", "a-0")
    assert (checkpoint.begun, checkpoint.elapsed) == (True, 5.0)
    play(
        session("sse", checkpoint=checkpoint),
        "open POST /answer Last-Event-ID: a-0",
        head(),
        "read",
        data(FIRST + "id: a-1\ndata: you\n\n"),
        "Token(text='you')",
        "read",
    )


def test_before_the_first_piece_it_asks_anew() -> None:
    """Whatever was kept of the answer that came to nothing."""
    asked = post("/completion", b"{}", ("X-Conversation-Id", "c"))
    running = session("llamacpp", asked)
    play(running, "open POST /completion", head(), "read", data(":\n\n"), "Heartbeat()", "read")
    assert running.checkpoint(0).cursor == Cursor("bytes", 3)
    first = 'data: {"content":"a","stop":false}\n\n'
    play(
        session("llamacpp", asked, checkpoint=stored(running)),
        "open POST /completion",
        head(),
        "read",
        data(first),
        "Token(text='a')",
        "read",
        lost(),
        "close",
        "reconnecting 1 by cursor: transport",
        "sleep 0",
        WAKE,
        f"open GET /v1/stream?conv_id=c&from={len(first)}",
    )


def test_a_chunk_of_several_events_is_counted_as_far_as_it_was_delivered() -> None:
    asked = post("/completion", b"{}", ("X-Conversation-Id", "c"))
    piece = 'data: {"content":"a","stop":false}\n\n'
    running = session("llamacpp", asked)
    play(running, "open POST /completion", head(), "read", data(piece * 3))
    for number in range(1, 4):
        play(running, "Token(text='a')")
        assert running.checkpoint(0).cursor == Cursor("bytes", number * len(piece))


def test_within_an_event_that_says_several_things() -> None:
    """Their decoder has to begin at the beginning, and its first words were told."""
    part = (
        'data: {"type":"response.output_item.done","sequence_number":1,"output_index":0,"item":'
        '{"id":"f","type":"function_call","name":"look","arguments":"{}","call_id":"c"}}\n\n'
        'data: {"type":"response.completed","sequence_number":2,"response":{"id":"r",'
        '"status":"completed","usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}}}\n\n'
    )
    whole: tuple[Script, ...] = (
        "ToolCall(key='0', id='c', name='look', arguments='{}')",
        "ToolCall(key='0', complete=True)",
        "Finished(reason='tool_calls', raw_reason='completed')",
        "Usage(input_tokens=1, output_tokens=2, total_tokens=3, final=True)",
        "Done(reason='tool_calls')",
    )
    running = session("openai-responses", ASKED)
    play(running, ASKING, head(), "read", data(CREATED + part), "Started(id='r')", *whole[:3])
    checkpoint = stored(running)
    assert (checkpoint.cursor.value, checkpoint.beyond) == (1, 1)
    second = session("openai-responses", ASKED, checkpoint=checkpoint)
    resumed = "open GET /v1/responses/r?stream=true&starting_after=0"
    play(second, resumed, head(), "read", data(": hm\n\n"), "Heartbeat(text='hm')", "read")
    assert stored(second).beyond == 1  # a sign of life moves nothing
    play(second, data(part), "Started(id='r')", whole[3])
    assert stored(second).beyond == 2
    third = session("openai-responses", ASKED, checkpoint=stored(second))
    play(third, resumed, head(), "read", data(part), "Started(id='r')", whole[4], "close", "ended")


def test_the_first_event_may_be_lost_once_more() -> None:
    second = session("openai-responses", ASKED, checkpoint=taken_over())
    play(
        second,
        "open GET /v1/responses/r?stream=true&starting_after=0",
        lost("refused"),
        "reconnecting 1 by cursor: transport",
        "sleep 0",
        WAKE,
        "open GET /v1/responses/r?stream=true&starting_after=0",
        head(),
        "read",
        data('data: {"type":"response.output_text.delta","sequence_number":2,"delta":"you"}\n\n'),
        "Token(text='you')",
        "read",
        lost(),
        "close",
        "reconnecting 1 by cursor: transport",
        "sleep 0",
        WAKE,
        "open GET /v1/responses/r?stream=true&starting_after=2",
    )


def taken_over() -> Checkpoint:
    running = session("openai-responses", ASKED)
    piece = 'data: {"type":"response.output_text.delta","sequence_number":1,"delta":"Hi"}\n\n'
    play(running, ASKING, head(), "read", data(CREATED + piece), "Started(id='r')", HI)
    return stored(running)


def test_nothing_to_go_on_from() -> None:
    running = session("sse")
    play(running, OPEN, head(), "read", data("data: Hi\n\n"), HI)
    play(
        session("sse", checkpoint=stored(running)),
        "transport error: the answer of this checkpoint cannot be gone on with: there is no cursor"
        " for Last-Event-ID header, and no other way was allowed",
        "ended: transport",
    )


def test_by_replay() -> None:
    running = session("openai-chat", strategies=("replay",))

    def piece(text: str) -> str:
        return f'data: {{"choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}\n\n'

    play(running, OPEN, head(), "read", data(piece("one ")), "Token(text='one ')")
    play(
        session("openai-chat", strategies=("replay",), checkpoint=stored(running)),
        OPEN,
        head(),
        "read",
        data(piece("on") + piece("e two")),
        "Token(text='two')",
        "read",
    )


def test_what_a_replay_holds_is_not_behind_us() -> None:
    ways = ("last_event_id", "replay")
    running = session("sse", strategies=ways)
    busy = 'event: error\ndata: {"error":{"type":"overloaded_error","message":"busy"}}\n\n'
    play(running, OPEN, head(), "read", data(FIRST), HI, "read", data(busy), "close")
    play(running, "reconnecting 1 by replay: vendor", "sleep 0", WAKE, OPEN, head(), "read")
    play(running, data("id: b-0\ndata: H\n\n"), "read")
    checkpoint = stored(running)
    assert checkpoint.cursor.value is None
    play(
        session("sse", strategies=ways, checkpoint=checkpoint),
        OPEN,
        head(),
        "read",
        data("id: c-0\ndata: Hi\n\nid: c-1\ndata: you\n\n"),
        "Token(text='you')",
        "read",
    )


def test_a_replay_after_a_place_within_an_event_begins_anew() -> None:
    """Its later connections leave out nothing of what was never delivered."""
    ways = ("cursor", "replay")
    checkpoint = replace(taken_over(), beyond=1)
    running = session("openai-responses", ASKED, strategies=ways, checkpoint=checkpoint)
    piece = 'data: {"type":"response.output_text.delta","sequence_number":%d,"delta":"%s"}\n\n'
    play(
        running,
        "open GET /v1/responses/r?stream=true&starting_after=0",
        head(),
        "read",
        data('data: {"type":"error","sequence_number":2,"code":"server_error","message":"m"}\n\n'),
        "close",
        "reconnecting 1 by replay: vendor",
        "sleep 0",
        WAKE,
        ASKING,
        head(),
        "read",
        data(CREATED.replace('"r"', '"s"') + piece % (1, "Hi, ")),
        "Token(text=', ')",
        "read",
        lost(),
        "close",
        "reconnecting 1 by cursor: transport",
        "sleep 0",
        WAKE,
        "open GET /v1/responses/s?stream=true&starting_after=1",
        head(),
        "read",
        data(piece % (2, "you")),
        "Token(text='you')",
        "read",
    )


def test_a_replay_knows_what_was_said_though_the_first_process_would_not_have_replayed() -> None:
    running = session("sse", strategies=("replay",), checkpoint=stored(begun()))
    play(running, OPEN, head(), "read", data("data: Hi\n\ndata: you\n\n"), "Token(text='you')")


def test_events_that_end_in_another_way_are_not_counted_before_they_are_delivered() -> None:
    asked = post("/completion", b"{}", ("X-Conversation-Id", "c"))
    running = session("llamacpp", asked)
    wire = 'data: {"content":"a","stop":false}\r\n\r\ndata: {"content":"b","stop":false}\n\n'
    play(running, "open POST /completion", head(), "read", data(wire), "Token(text='a')")
    assert running.checkpoint(0).cursor == Cursor("bytes", None)
    play(running, "Token(text='b')")
    assert running.checkpoint(0).cursor == Cursor("bytes", len(wire))


def test_an_event_source_is_gone_on_with_from_an_id_alone() -> None:
    running = session("event-stream", get())
    play(running, "open GET /events", head(), "read", data("id: 5\n\n"), "Heartbeat()", "read")
    play(
        session("event-stream", get(), checkpoint=stored(running)),
        "open GET /events Last-Event-ID: 5",
    )


def test_how_far_the_retries_went() -> None:
    running = begun()
    play(running, "read", EOF, "close", "reconnecting 1 by last_event_id: truncated")
    checkpoint = stored(running)
    assert checkpoint.backoff.attempts == 1
    play(
        session("sse", checkpoint=checkpoint),
        "open POST /answer Last-Event-ID: a-0",
        lost(),
        "reconnecting 2 by last_event_id: transport",
    )


def test_before_anything() -> None:
    running = session("sse")
    assert running.checkpoint(3.0).elapsed == 0.0
    play(session("sse", checkpoint=stored(running)), OPEN)


# --- what cannot be used ---


@pytest.mark.parametrize(
    ("dialect", "request_", "message"),
    [
        ("sse", post(body=b'{"other":1}'), "another request"),
        ("sse", post("/other"), "another request"),
        ("sse", get("/answer"), "another request"),
        ("positioned", post(), "of an answer in sse, and this one is in positioned"),
    ],
)
def test_of_another_answer(dialect: str, request_: object, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        session(dialect, request_, checkpoint=stored(begun()))  # type: ignore[arg-type]


def test_credentials_may_change() -> None:
    fresh = post("/answer", b"{}", ("Authorization", "Bearer new"))
    play(session("sse", fresh, checkpoint=stored(begun())), "open POST /answer Last-Event-ID: a-0")


def test_of_another_version() -> None:
    told = msgspec.json.decode(begun().checkpoint(0).to_json()) | {"version": 2}
    with pytest.raises(CheckpointError, match="of version 2, and this reads version 1"):
        Checkpoint.from_json(msgspec.json.encode(told))


@pytest.mark.parametrize("cut", [0, 1, 20, -1])
def test_cut_off(cut: int) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint, or half of one"):
        Checkpoint.from_json(begun().checkpoint(0).to_json()[:cut])


def test_damaged() -> None:
    with pytest.raises(CheckpointError, match="damaged"):
        Checkpoint.from_json(b'{"version":1,"dialect":7}')


def test_headers_that_are_kept() -> None:
    found = kept({"location": "/runs/1", "set-cookie": "secret", "cf-aig-run-id": "x" * 3000})
    assert found == {"location": "/runs/1"}


def test_it_holds_no_secret_and_no_text() -> None:
    asked = post("/answer", b'{"prompt":"my secret"}', ("Authorization", "Bearer sk-1"))
    running = session("sse", asked, strategies=("last_event_id", "replay"))
    play(running, 'open POST /answer {"prompt":"my secret"}', head(), "read")
    play(running, data("id: 1\ndata: confidential\n\n"), "Token(text='confidential')")
    wire = running.checkpoint(0).to_json()
    assert not [word for word in (b"sk-1", b"secret", b"confidential") if word in wire]
