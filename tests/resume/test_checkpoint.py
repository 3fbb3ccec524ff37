"""`Checkpoint`: what another process goes on from, and what it refuses."""

from __future__ import annotations

from typing import Any

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
from tokenwire.dialects import get_dialect
from tokenwire.events import Token, ToolCall
from tokenwire.resume.backoff import NEVER
from tokenwire.resume.checkpoint import Checkpoint, CheckpointError, fingerprint, kept
from tokenwire.resume.evidence import MAX_RECENT
from tokenwire.resume.replay import MAX_CHANNELS, Digest, Said
from tokenwire.resume.session import Session

SSE = get_dialect("sse")
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
        "open GET /v1/stream?conv_id=c&from=0",
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
    assert checkpoint.cursor.value == 1
    assert checkpoint.tail.length
    second = session("openai-responses", ASKED, checkpoint=checkpoint)
    resumed = "open GET /v1/responses/r?stream=true&starting_after=0"
    play(second, resumed, head(), "read", data(": hm\n\n"), "Heartbeat(text='hm')", "read")
    assert stored(second).tail == checkpoint.tail  # a sign of life moves nothing
    play(second, data(part), "Started(id='r')", whole[3])
    assert stored(second).tail.length > checkpoint.tail.length
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
        " for Last-Event-ID header, and no other way was allowed...",
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


def test_what_a_replay_holds_is_not_after_us() -> None:
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
    checkpoint = replace(taken_over(), tail=Said().and_then("more"))
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


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_events_are_counted_however_their_lines_end(end: str) -> None:
    asked = post("/completion", b"{}", ("X-Conversation-Id", "c"))
    running = session("llamacpp", asked)
    pieces = [f'data: {{"content":"{text}","stop":false}}{2 * end}' for text in "ab"]
    play(running, "open POST /completion", head(), "read", data("".join(pieces)))
    at = 0
    for piece, text in zip(pieces, "ab", strict=True):
        play(running, f"Token(text='{text}')")
        at += len(piece)
        # A LF after its CR is no part of the event: sent again, it is an empty line.
        assert running.checkpoint(0).cursor == Cursor("bytes", at - len(end) + 1)


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


# --- what came after the last place ---


def test_what_has_no_id_is_told_once() -> None:
    running = session("sse")
    play(running, OPEN, head(), "read", data(FIRST + "data: you\n\n"), HI, "Token(text='you')")
    play(
        session("sse", checkpoint=stored(running)),
        "open POST /answer Last-Event-ID: a-0",
        head(),
        "read",
        data("data: yo\n\ndata: u there\n\n"),
        "Token(text=' there')",
        "read",
    )


def test_a_service_that_goes_on_elsewhere() -> None:
    running = session("sse")
    play(running, OPEN, head(), "read", data(FIRST + "data: you\n\n"), HI, "Token(text='you')")
    play(
        session("sse", checkpoint=stored(running)),
        "open POST /answer Last-Event-ID: a-0",
        head(),
        "read",
        data("data: there\n\n"),
        "close",
        "vendor error: asked to go on after id 'a-0', the service sent something else than it had"
        " sent there before; nothing of that was delivered. A service that goes on elsewhere should"
        " name the place of every event",
        "ended: vendor",
    )


def test_a_service_that_goes_on_elsewhere_may_be_asked_anew() -> None:
    ways = ("last_event_id", "replay")
    running = session("sse", strategies=ways)
    play(running, OPEN, head(), "read", data(FIRST + "data: you\n\n"), HI, "Token(text='you')")
    play(
        session("sse", strategies=ways, checkpoint=stored(running)),
        "open POST /answer Last-Event-ID: a-0",
        head(),
        "read",
        data("data: there\n\n"),
        "close",
        "reconnecting 1 by replay: vendor",
        "sleep 0",
        WAKE,
        OPEN,
        head(),
        "read",
        data("data: Hi\n\ndata: you\n\ndata: all\n\n"),
        "Token(text='all')",
        "read",
    )


def test_an_empty_id_is_no_place_to_go_on_from() -> None:
    running = session("sse")
    play(running, OPEN, head(), "read", data(FIRST + "id:\ndata: you\n\n"), HI, "Token(text='you')")
    play(
        session("sse", checkpoint=stored(running)),
        "transport error: the answer of this checkpoint cannot be gone on with: there is no cursor"
        " for Last-Event-ID header, and no other way was allowed...",
        "ended: transport",
    )


PARTIAL = 'id: {}\nevent: messages/partial\ndata: [{{"id":"m","type":"ai","content":"{}"}}]\n\n'


def test_whole_texts_are_not_told_again() -> None:
    """LangGraph repeats the message: a decoder that does not know its beginning would too."""
    asked = post("/runs/stream")
    running = session("langgraph", asked)
    first = PARTIAL.format(1, "Pa") + PARTIAL.format(2, "Paris")
    play(running, "open POST /runs/stream", head(Location="/runs/1/stream"), "read", data(first))
    play(running, "Token(text='Pa')", "Token(text='ris')")
    play(
        session("langgraph", asked, checkpoint=stored(running)),
        "open GET /runs/1/stream Last-Event-ID: -1",
        head(),
        "read",
        data(first + PARTIAL.format(3, "Paris!")),
        "Token(text='!')",
        "read",
    )


def test_a_service_that_does_not_know_the_place_any_more() -> None:
    asked = post("/runs/stream")
    running = session("langgraph", asked)
    play(running, "open POST /runs/stream", head(Location="/runs/1/stream"), "read")
    play(running, data(PARTIAL.format("one", "Pa")), "Token(text='Pa')")
    play(
        session("langgraph", asked, checkpoint=stored(running), retry=NEVER),
        "open GET /runs/1/stream Last-Event-ID: -1",
        head(),
        "read",
        data(PARTIAL.format("two", "Lon") + "event: end\n\n"),
        "read",
        EOF,
        "close",
        "truncated error: the body ended before any event of langgraph came; it began with"
        """ '[{"id":"m","type":"ai","content":"Lon"}]'; all of the answer was asked for again, and"""
        " it did not come as far as id 'one'",
        "ended: truncated",
    )


# --- its size ---


LONG = 5_000_000
PIECE = "aé🗼\n" * 250  # of a thousand characters


@pytest.mark.parametrize(
    ("dialect", "strategy", "wire"),
    [
        ("sse", "last_event_id", "id: {}\ndata: {}\n\n"),
        ("sse", "last_event_id", "{0:.0}data: {1}\n\n"),  # but for the first, without an id
        ("positioned", "cursor", '{0:.0}data: {{"token":"{1}"}}\n\n'),
        ("sse", "replay", "{0:.0}data: {1}\n\n"),
        ("sse", "continuation", "{0:.0}data: {1}\n\n"),
    ],
)
def test_it_does_not_grow_with_the_answer(dialect: str, strategy: str, wire: str) -> None:
    running = session(dialect, strategies=(strategy,))
    text = PIECE.replace("\n", " ")
    first = {"sse": "id: 0\ndata: a\n\n", "positioned": 'data: {"token":"a","position":0}\n\n'}
    play(running, OPEN, head(), "read", data(first[dialect]), "Token(text='a')", "read")
    sizes: list[int] = []
    for number in range(LONG // len(text)):
        play(running, data(wire.format(f"answer-{number}", text)), f"Token(text={text!r})", "read")
        if number % 1000 == 999:
            sizes.append(len(running.checkpoint(0).to_json()))
    assert len(sizes) == 5
    assert max(sizes) < 800
    assert sizes[-1] - sizes[0] < 20  # a digit or two


def test_ids_without_an_order_are_remembered_up_to_a_number() -> None:
    running = session("sse")
    play(running, OPEN, head(), "read", data(FIRST), HI, "read")
    for number in range(2 * MAX_RECENT):
        play(running, data(f"id: {number}-x\ndata: a\n\n"), "Token(text='a')", "read")
    checkpoint = stored(running)
    assert len(checkpoint.places.recent) + len(checkpoint.places.last) == MAX_RECENT
    assert len(checkpoint.to_json()) < 4000


def test_it_does_not_grow_with_the_parts_of_an_answer() -> None:
    digest = Digest()
    for number in range(10 * MAX_CHANNELS):
        digest.add(Token("Hi", part=number))
        digest.add(ToolCall("k" * 5000 + str(number), arguments="{}"))
    told = Checkpoint(
        dialect="sse", request="", cursor=Cursor(), said=tuple(digest.channels.items())
    )
    assert len(digest.channels) == MAX_CHANNELS + 1
    assert len(told.to_json()) < 20_000


def test_it_does_not_grow_with_the_id_of_an_answer() -> None:
    running = session("openai-chat", strategies=("replay",))
    piece = f'data: {{"id":"{"i" * 1_000_000}","choices":[{{"delta":{{"content":"Hi"}}}}]}}\n\n'
    play(running, OPEN, head(), "read", data(piece), "Started(...", HI, "read")
    assert len(running.checkpoint(0).to_json()) < 500


def test_it_does_not_grow_with_what_a_server_names() -> None:
    running = session("sse")
    long = "i" * 100_000
    play(running, OPEN, head(Location=long), "read", data(FIRST), HI, "read")
    for number in range(300):
        text = f"id: {number}{'é' * 4000}\nevent: x\ndata: a\n\n"
        play(running, data(text), "Data(kind='x', value='a')", "read")
    play(running, data(f"id: {long}\ndata: you\n\n"), "Token(text='you')", "read")
    checkpoint = stored(running)
    assert len(checkpoint.to_json()) < 32_000
    assert checkpoint.cursor.value == f"299{'é' * 4000}"  # a longer one no header can hold
    assert checkpoint.tail.length


# --- one request, as several clients write it ---


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"b":["\xc3\xa9",{"c":null}],"temperature":1}',
        b'{ "b" : ["\\u00e9", {"c": null}], "temperature": 1.0,\n "a": 1 }',
        b'{"temperature":1e0,"a":1,"b":["\xc3\xa9",{"c":null}]}',
    ],
)
def test_a_request_is_the_same_however_its_json_is_written(body: bytes) -> None:
    same = fingerprint(post(body=b'{"a":1,"b":["\xc3\xa9",{"c":null}],"temperature":1}'), SSE)
    assert fingerprint(post(body=body), SSE) == same


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"b":["\xc3\xa9",{"c":null}],"temperature":1.5}',
        b'{"a":"1","b":["\xc3\xa9",{"c":null}],"temperature":1}',
        b'{"a":1,"b":[{"c":null},"\xc3\xa9"],"temperature":1}',
        b"a=1&b=2",
        b"",
        b"[" * 100_000,
    ],
)
def test_another_body_is_another_request(body: bytes) -> None:
    other = fingerprint(post(body=b'{"a":1,"b":["\xc3\xa9",{"c":null}],"temperature":1}'), SSE)
    assert fingerprint(post(body=body), SSE) != other
    assert fingerprint(post(body=body), SSE) == fingerprint(post(body=body), SSE)


def test_a_key_in_the_url_may_change() -> None:
    one, two = (fingerprint(post(f"/answer?key={key}&alt=sse"), SSE) for key in ("old-1", "new-22"))
    assert one == two != fingerprint(post("/answer?key=old-1"), SSE)


# --- what cannot be used ---


@pytest.mark.parametrize("cursor", [Cursor("id", "a-0"), Cursor("bytes", "a-0")])
def test_a_cursor_of_another_stream(cursor: Cursor) -> None:
    asked = post("/completion", b"{}", ("X-Conversation-Id", "c"))
    checkpoint = Checkpoint(
        dialect="llamacpp",
        request=fingerprint(asked, get_dialect("llamacpp")),
        cursor=cursor,
        begun=True,
    )
    with pytest.raises(CheckpointError, match="goes on after bytes: it is of another stream"):
        session("llamacpp", asked, checkpoint=checkpoint)


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
    told = msgspec.json.decode(begun().checkpoint(0).to_json()) | {"version": 3}
    with pytest.raises(CheckpointError, match="of version 3, and this reads version 2"):
        Checkpoint.from_json(msgspec.json.encode(told))


@pytest.mark.parametrize("cut", [0, 1, 20, -1])
def test_cut_off(cut: int) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint, or half of one"):
        Checkpoint.from_json(begun().checkpoint(0).to_json()[:cut])


def test_damaged() -> None:
    with pytest.raises(CheckpointError, match="damaged"):
        Checkpoint.from_json(b'{"version":2,"dialect":7}')


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retry": 3}, "retry must be a RetryPolicy, not int"),
        ({"deadlines": 30.0}, "deadlines must be a Deadlines, not float"),
        ({"breaker": "x"}, "breaker must be a CircuitBreaker, not str"),
        ({"partial": "text"}, "partial must be a Completion, not str"),
        ({"checkpoint": b"{}"}, r"checkpoint must be a Checkpoint, not bytes: .*from_json\(data\)"),
        ({"strategies": "replay"}, r"strategies must be a sequence, as \['replay'\], not a str"),
    ],
)
def test_options_of_another_kind_are_refused_at_once(options: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        session("sse", **options)


def test_a_value_of_another_version_is_refused() -> None:
    other = replace(session("sse").checkpoint(0.0), version=99)
    with pytest.raises(CheckpointError, match="of version 99"):
        session("sse", checkpoint=other)


def test_a_checkpoint_of_another_conversation_is_refused() -> None:
    """Of one body: what llama.cpp keeps, it keeps by the header."""
    one, other = (post("/completion", b"{}", ("X-Conversation-Id", name)) for name in "ab")
    kept = session("llamacpp", one).checkpoint(0.0)
    with pytest.raises(CheckpointError, match="method, URL, X-Conversation-Id and body must be"):
        session("llamacpp", other, checkpoint=kept)


# --- an answer that is whole ---


@pytest.mark.parametrize("strategies", [None, ("replay",)])
def test_of_a_whole_answer_nothing_is_asked_for(strategies: Any) -> None:
    """Who was given the `Done` may not have got to note it."""
    running = session("sse")
    whole = FIRST + "data: [DONE]\n\n"
    play(running, OPEN, head(), "read", data(whole), HI)
    assert stored(running).done is None
    play(running, "Done(reason='stop')")
    for _ in range(2):
        running = session("sse", checkpoint=stored(running), strategies=strategies)
        play(running, "Done(reason='stop')", "ended")
    assert stored(running).done == "stop"
