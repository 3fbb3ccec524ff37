"""A request that the service took is never sent again by itself, and one with effects not even before.

For every dialect: whatever shows that the service began is enough, though no token came; the next
request is what its protocol asks for, or there is none and an `Error` says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.resume import playbook
from tests.resume.playbook import (
    EOF,
    URL,
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
from tokenwire.dialects import available_dialects, available_profiles, get_dialect
from tokenwire.encoder import StreamEncoder
from tokenwire.errors import LocalProtocolError
from tokenwire.events import (
    Error,
    Event,
    Finished,
    Heartbeat,
    Recovery,
    Started,
    Token,
    Unknown,
    Usage,
)
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer
from tokenwire.request import Request
from tokenwire.resume.backoff import RetryPolicy
from tokenwire.resume.checkpoint import Checkpoint
from tokenwire.resume.effects import Deliver, Ended, OpenRequest, ReadData, Sleep
from tokenwire.resume.session import Session
from tokenwire.resume.taken import Taken, has_effects

SLEPT: tuple[Script, ...] = ("sleep 0", WAKE)
KEPT = b'{"background":true,"stream":true}'
CALL = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"charge"}}'
RUN = b'{"stream_resumable":true}'
TALK = ("X-Conversation-Id", "c")
GATEWAY = "https://gateway.ai.cloudflare.com/v1/a/g"

# What was asked, the response's headers, what came, and the requests that may follow; none: an
# error. Nowhere did a token come.
TABLE: list[tuple[str, Request, dict[str, str], bytes, tuple[str, ...]]] = [
    ("mcp", post("/mcp", CALL), {}, b"id: e1\nretry: 500\ndata: \n\n", ("GET /mcp e1",)),
    ("mcp", post("/mcp", CALL), {}, b"id: e1\n\n", ("GET /mcp e1",)),
    (
        "mcp",
        post("/mcp", CALL),
        {},
        b'id: e2\ndata: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\n',
        ("GET /mcp e2",),
    ),
    (
        "mcp",
        post("/mcp", CALL),
        {},
        b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\n',
        (),
    ),
    ("mcp", post("/mcp"), {"Mcp-Session-Id": "s"}, b"", ()),
    (
        "mcp",
        post("/mcp", CALL, ("MCP-Protocol-Version", "2026-07-28")),
        {},
        b"id: e1\ndata: \n\n",
        (),
    ),
    (
        "openai-responses",
        post("/v1/responses", KEPT),
        {},
        b'data: {"type":"response.created","sequence_number":0,"response":{"id":"r"}}\n\n',
        ("GET /v1/responses/r?stream=true&starting_after=0",),
    ),
    (
        "openai-responses",
        post("/v1/responses", KEPT),
        {},
        b'data: {"type":"response.created","response":{"id":"r"}}\n\n',
        ("GET /v1/responses/r?stream=true&starting_after=0",),
    ),
    (
        "openai-responses",
        post("/v1/responses"),
        {},
        b'data: {"type":"response.created","sequence_number":0,"response":{"id":"r"}}\n\n',
        (),
    ),
    (
        "gemini-interactions",
        post("/v1beta/interactions"),
        {},
        b'data: {"event_type":"interaction.created","interaction":{"id":"i"},"event_id":"e"}\n\n',
        ("GET /v1beta/interactions/i?stream=true&last_event_id=e",),
    ),
    (
        "gemini-interactions",
        post("/v1beta/interactions"),
        {},
        b'data: {"event_type":"interaction.created","interaction":{"id":"i"}}\n\n',
        ("GET /v1beta/interactions/i?stream=true",),
    ),
    (
        "gemini-interactions",
        post("/v1beta/interactions", b'{"store":false}'),
        {},
        b'data: {"event_type":"interaction.created","interaction":{"id":"i"},"event_id":"e"}\n\n',
        (),
    ),
    (
        "langgraph",
        post("/threads/t/runs/stream", RUN),
        {"Location": "/threads/t/runs/r/stream"},
        b'id: 1-0\nevent: metadata\ndata: {"run_id":"r"}\n\n',
        ("GET /threads/t/runs/r/stream 1-0",),
    ),
    (
        "langgraph",
        post("/threads/t/runs/stream", RUN),
        {"Location": "/threads/t/runs/r/stream"},
        b"",
        ("GET /threads/t/runs/r/stream -1",),
    ),
    (
        "langgraph",
        post("/threads/t/runs/stream"),
        {"Location": "/threads/t/runs/r/stream"},
        b'event: metadata\ndata: {"run_id":"r"}\n\n',
        (),
    ),
    ("langgraph", post("/threads/t/runs/stream"), {"Location": "/x"}, b": hm\n\n", ()),
    ("sse", post(), {}, b"id: 1\ndata: \n\n", ("POST /answer 1",)),
    ("sse", post(), {}, b"id: 1\n\n", ("POST /answer 1",)),
    ("sse", post(), {}, b"event: tick\ndata: x\n\n", ()),
    ("replicate", get(), {}, b"id: 1\ndata: \n\n", ("GET /events 1",)),
    ("replicate", get(), {}, b"id: 1:0\nevent: logs\ndata: x\n\n", ("GET /events 1:0",)),
    (
        "positioned",
        post(),
        {},
        b'data: {"token":"","position":0}\n\n',
        ('POST /answer {"resume_from":0}',),
    ),
    (
        "openai-chat/cloudflare",
        Request("POST", f"{GATEWAY}/compat/chat/completions", (), b"{}"),
        {"cf-aig-run-id": "run"},
        b"",
        (f"GET {GATEWAY}/run/run/resume?from=0",),
    ),
    (
        "workers-ai",
        Request("POST", f"{GATEWAY}/workers-ai/@cf/m", (), b"{}"),
        {"cf-aig-run-id": "run"},
        b"",
        (f"GET {GATEWAY}/run/run/resume?from=0",),
    ),
    (
        "openai-chat/llamacpp",
        post("/v1/chat/completions", b"{}", TALK),
        {},
        b'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n',
        ("GET /v1/stream?conv_id=c&from=0",),
    ),
    ("openai-chat", post(), {}, b'data: {"id":"c","choices":[{"delta":{}}]}\n\n', ()),
]


def shown(request: Request) -> str:
    last, body = request.header("Last-Event-ID"), (request.body or b"{}").decode()
    told = f" {last}" if last is not None else ""
    told += f" {body}" if "resume_from" in body else ""
    return f"{request.method} {request.url.removeprefix(URL)}{told}"


def followed(running: Session, headers: dict[str, str], wire: bytes, *, clean: bool) -> list[str]:
    """The requests after the first one, each of which brings nothing."""
    asked: list[str] = []
    while not isinstance(effect := running.next_effect(0.0), Ended):
        match effect:
            case OpenRequest(request=request):
                asked.append(shown(request))
                named = {"content-type": "text/event-stream", **headers}
                running.response_started(200, named, 0.0)
            case ReadData():
                if wire:
                    running.receive_data(wire, 0.0)
                    wire = b""
                elif clean:
                    running.receive_eof(0.0)
                else:
                    running.connection_lost("reset", 0.0)
            case Sleep(until=until):
                running.timer_fired(until)
            case _:
                pass
    assert effect.error is not None
    return asked[1:]


@pytest.mark.parametrize("clean", [True, False])
def test_what_follows_a_sign_without_a_token(clean: bool) -> None:
    for name, request, headers, wire, expected in TABLE:
        running = session(name, request, retry=RetryPolicy(initial_delay=0, max_attempts=1))
        came = followed(running, headers, wire, clean=clean)
        assert came == list(expected), (name, wire)


def test_without_any_sign_another_try_is_free() -> None:
    for wire in (b"", b": hm\n\n", b"retry: 9\n\n", b"nonsense\n\n", b"event: x\n\n"):
        running = session("sse", retry=RetryPolicy(initial_delay=0, max_attempts=1))
        assert followed(running, {}, wire, clean=True) == ["POST /answer"], wire


# --- every dialect, after each event that comes before the first token ---

ALL = [*available_dialects(), *available_profiles()]


def beginnings(name: str) -> Iterator[bytes]:
    """Wires that end after a sign and before any text."""
    signs: list[Event] = [Started("answer-1", "m"), Usage(input_tokens=3), Finished(0, "stop")]
    for sign in signs:
        try:
            wire = StreamEncoder(name).send(sign)
        except LocalProtocolError:
            continue
        if wire:
            yield wire


def test_no_dialect_repeats_a_post_that_was_taken() -> None:
    seen = 0
    for name in ALL:
        if name == "event-stream" or get_dialect(name).encoder is None:
            continue
        for wire in beginnings(name):
            for clean in (True, False):
                running = session(name, retry=RetryPolicy(initial_delay=0, max_attempts=2))
                running.next_effect(0.0)
                media_type = get_dialect(name).media_types[0]
                running.response_started(200, {"content-type": media_type}, 0.0)
                told: list[Event] = []
                fed = False
                while not isinstance(effect := running.next_effect(0.0), Ended):
                    if isinstance(effect, Deliver):
                        told.append(effect.event)
                    elif isinstance(effect, ReadData):
                        if not fed:
                            running.receive_data(wire, 0.0)
                            fed = True
                        elif clean:
                            running.receive_eof(0.0)
                        else:
                            running.connection_lost("reset", 0.0)
                    elif isinstance(effect, Sleep):
                        running.timer_fired(effect.until)
                    elif isinstance(effect, OpenRequest):
                        break
                events = [one for one in told if isinstance(one, Started | Usage | Finished)]
                if not events:
                    continue  # it says more only with what comes next
                seen += 1
                if isinstance(effect, OpenRequest):
                    same = effect.request == post() and effect.request.header("Last-Event-ID")
                    assert not same, name
                    assert effect.request != post(), (name, wire)
                else:
                    last = told[-1]
                    assert not isinstance(last, Error) or "replay" in last.message, (name, last)
    assert seen > 60


def test_a_replay_before_anything_was_delivered_is_plain() -> None:
    piece = 'data: {{"id":"c","choices":[{{"index":0,"delta":{{{}}}}}]}}\n\n'
    play(
        session("openai-chat", strategies=("replay",)),
        "open POST /answer",
        head(),
        "read",
        data(piece.format("")),
        "Started(id='c')",
        "read",
        lost(),
        "close",
        "reconnecting 1 by replay: transport",
        *SLEPT,
        "open POST /answer",
        head(),
        "read",
        data(piece.format('"content":"Hi"')),
        "Started(id='c')",
        "Token(text='Hi')",
    )


def test_what_a_caller_may_allow_is_said() -> None:
    play(
        session("openai-chat"),
        "open POST /answer",
        head(),
        "read",
        data('data: {"id":"c","choices":[{"index":0,"delta":{}}]}\n\n'),
        "Started(id='c')",
        "read",
        EOF,
        "close",
        "truncated error: the answer was cut off: the body ended before a finish_reason for every"
        " choice; openai-chat has no way to resume, and no other way was allowed: the service took"
        " the request, for it named its answer 'c', so it is not sent again;"
        ' strategies=["replay"] would allow to ask for another answer',
        "ended: truncated",
    )


# --- requests with effects ---

EFFECTS: list[tuple[str, str, bytes, bool]] = [
    ("mcp", "/mcp", CALL, True),
    ("mcp", "/mcp", b"[" + b'{"method":"ping"},' + CALL + b"]", True),
    ("mcp", "/mcp", b'{"method":"tools/list"}', False),
    ("mcp", "/mcp", b"[]", False),
    ("mcp", "/mcp", b"no JSON", False),
    ("a2a", "/", b'{"method":"message/stream"}', True),
    ("a2a", "/", b'{"method":"SendStreamingMessage"}', True),
    ("a2a", "/v1/message:stream", b"{}", True),
    ("a2a", "/", b'{"method":"tasks/resubscribe"}', False),
    ("langgraph", "/threads/t/runs/stream", b"{}", True),
    ("langgraph", "/chain/stream", b"{}", False),
    ("openai-responses", "/v1/responses", KEPT, True),
    ("openai-responses", "/v1/responses", b'{"background":false}', False),
    ("openai-responses", "/v1/responses", b'{"conversation":"c"}', True),
    ("openai-responses", "/v1/responses", b'{"conversation":null}', False),
    ("openai-responses", "/", b'{"tools":[{"type":"function"},{"type":"mcp"}]}', True),
    ("openai-responses", "/", b'{"tools":[{"type":"function"}]}', False),
    ("gemini-interactions", "/", b'{"background":true}', True),
    ("openai-assistants", "/v1/threads/t/runs", b"{}", True),
    ("openai-assistants", "/v1/threads/t/runs/r/submit_tool_outputs", b"{}", True),
    ("bedrock-agent", "/agents/a/agentAliases/b/sessions/s/text", b"{}", True),
    ("ag-ui", "/", b'{"threadId":"t","runId":"r"}', True),
    ("dify", "/v1/workflows/run", b"{}", True),
    ("dify", "/v1/chat-messages", b'{"conversation_id":""}', False),
    ("anthropic-messages", "/v1/messages", b'{"mcp_servers":[{}]}', True),
    ("lmstudio", "/api/v1/chat", b'{"integrations":["mcp/x"]}', True),
    ("openai-chat", "/v1/chat/completions", b"{}", False),
]


def test_which_requests_have_effects() -> None:
    for name, path, body, expected in EFFECTS:
        dialect = get_dialect(name)
        assert has_effects(post(path, body), dialect) is expected, (name, path, body)
        assert not has_effects(Request("GET", URL + path), dialect)


ASKED = "open POST /mcp " + CALL.decode()
UNKNOWN_FATE = (
    "it is not known whether the service took the request, and what it does would be done"
    " twice, so it is not sent again; repeatable=True would allow that"
)


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        ((lost(),), "transport error: no response came: reset; "),
        ((head(), "read", EOF, "close"), "truncated error: the body ended before any event of mcp"
         " came; "),
        ((head(500), "read", EOF, "close"), "http error (HTTP 500): the server answered 500; "),
        ((head(504), "read", EOF, "close"), "http error (HTTP 504): the server answered 504; "),
    ],
)  # fmt: skip
def test_a_request_with_effects_is_sent_once(failure: tuple[Script, ...], told: str) -> None:
    running = session("mcp", post("/mcp", CALL))
    play(running, ASKED, *failure, told + UNKNOWN_FATE)
    effect = running.next_effect(0)
    assert isinstance(effect, Ended)
    assert effect.error is not None
    assert effect.error.recovery is Recovery.FATAL
    allowed = session("mcp", post("/mcp", CALL), repeatable=True)
    play(allowed, ASKED, *failure)
    assert "reconnecting 1 by retry" in next_shown(allowed)
    replayed = session("mcp", post("/mcp", CALL), strategies=("replay",))
    play(replayed, ASKED, *failure)
    assert "reconnecting 1 by replay" in next_shown(replayed)


def next_shown(running: Session) -> str:
    return playbook.shown(running.next_effect(0))


@pytest.mark.parametrize(
    "failure",
    [
        (head(429), "read", EOF, "close"),
        (head(503), "read", EOF, "close"),
    ],
)
def test_a_request_that_was_not_taken_is_sent_again(failure: tuple[Script, ...]) -> None:
    running = session("mcp", post("/mcp", CALL))
    play(running, ASKED, *failure)
    assert next_shown(running).startswith("reconnecting 1 by retry")


def test_a_request_that_never_left_is_sent_again() -> None:
    running = session("mcp", post("/mcp", CALL))
    play(running, ASKED)
    running.connection_lost("refused", 0.0, sent=False)
    play(running, "reconnecting 1 by retry: transport", *SLEPT, ASKED)


def test_a_wrong_key_stays_what_it_is() -> None:
    running = session("mcp", post("/mcp", CALL))
    play(
        running,
        ASKED,
        head(401),
        "read",
        EOF,
        "close",
        "http error (HTTP 401): the server answered 401",
        "ended: http",
    )


def test_a_caller_may_forbid_it() -> None:
    running = session("openai-chat", repeatable=False)
    play(running, "open POST /answer", lost())
    assert "repeatable=True" in next_shown(running)


def test_a_process_that_takes_over_while_it_is_asked_does_not_ask_again() -> None:
    running = session("mcp", post("/mcp", CALL))
    play(running, ASKED)
    stored = Checkpoint.from_json(running.checkpoint(0).to_json())
    other = session("mcp", post("/mcp", CALL), checkpoint=stored)
    play(other, "transport error: the answer of this checkpoint cannot be gone on with: ...")
    plain = session("sse")
    play(plain, "open POST /answer")
    again = Checkpoint.from_json(plain.checkpoint(0).to_json())
    play(session("sse", checkpoint=again), "open POST /answer")


def asks_again(running: Session, **options: Any) -> bool:
    """Would a session that takes over with this checkpoint send the request once more?"""
    stored = Checkpoint.from_json(running.checkpoint(0).to_json())
    other = session("mcp", post("/mcp", CALL), checkpoint=stored, **options)
    return isinstance(other.next_effect(0), OpenRequest)


def test_nor_does_one_that_takes_over_at_any_time_later() -> None:
    """What became of the request stays unknown, also when the session has ended over it."""
    for failure in ((lost(),), (head(500), "read", EOF), (head(), "read", data(b"id: 1\n"), EOF)):
        ended = session("mcp", post("/mcp", CALL))
        play(ended, ASKED, *failure)
        while not isinstance(ended.next_effect(0), Ended):
            assert not asks_again(ended)
        assert not asks_again(ended)
    left = session("mcp", post("/mcp", CALL))
    play(left, ASKED)
    left.cancel()
    assert not asks_again(left)
    before = session("mcp", post("/mcp", CALL))
    before.cancel()
    assert asks_again(before)


def test_one_that_takes_over_between_two_replays_needs_the_same_leave() -> None:
    running = session("mcp", post("/mcp", CALL), strategies=("replay",))
    play(running, ASKED, lost(), "reconnecting 1 by replay: transport", "sleep 0")
    assert not asks_again(running)
    assert asks_again(running, strategies=("replay",))


def test_one_that_takes_over_asks_again_for_what_was_not_taken() -> None:
    for status in (401, 429, 503):
        running = session("mcp", post("/mcp", CALL))
        play(running, ASKED, head(status), "read", EOF, "close")
        running.next_effect(0)
        assert asks_again(running), status


def test_a_restart_does_not_ask_again_either() -> None:
    running = session("mcp", post("/mcp", CALL))
    play(running, ASKED)
    running.restart(0.0)
    assert "repeatable=True" in next_shown(running)


# --- polling ---


def test_a_place_that_moves_is_progress() -> None:
    """A service that is asked from time to time names a new place each time, and says when."""
    running = session("mcp", post("/mcp", CALL), retry=RetryPolicy(max_attempts=5))
    play(running, ASKED)
    for number in range(20):
        play(running, head(), "read", data(f"id: e{number}\nretry: 700\ndata: \n\n"))
        play(running, "Heartbeat()", "read", EOF, "close")
        play(running, "reconnecting 1 by last_event_id: truncated")
        effect = running.next_effect(0.0)
        assert effect == Sleep(0.7)
        running.timer_fired(0.7)
        play(running, f"open GET /mcp Last-Event-ID: e{number}", now=0.7)
    result = b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"paid"}]}}'
    play(running, head(), "read", data(b"id: e20\ndata: " + result + b"\n\n"))
    told: list[str] = []
    while not isinstance(effect := running.next_effect(1.0), Ended):
        if isinstance(effect, Deliver) and isinstance(effect.event, Token):
            told.append(effect.event.text)
    assert (told, effect.error) == (["paid"], None)


def test_a_place_that_stands_still_is_not() -> None:
    running = session("mcp", post("/mcp", CALL), retry=RetryPolicy(max_attempts=2, initial_delay=0))
    asked = followed(running, {}, b"id: e1\ndata: \n\n", clean=True)
    assert asked == ["GET /mcp e1"] * 2


# --- the signs ---


def test_signs() -> None:
    body = Frame(b"{}")
    for event in (
        Token("a"),
        Usage(),
        Started(),
        Unknown(frame=body),
        Error("vendor", "", frame=body),
    ):
        taken = Taken()
        taken.event(event)
        assert taken
        told = taken.sign
        taken.event(Started("id"))
        taken.place(Cursor("id", "x"))
        assert taken.sign == told, "the first one is enough"
    for event in (Heartbeat(), Unknown(), Unknown(frame=Frame(None)), Error("vendor", "")):
        taken = Taken()
        taken.event(event)
        assert not taken


def test_a_name_that_the_request_had_is_no_sign() -> None:
    names = ("mcp-session-id",)
    for value, expected in (("a", False), ("b", True), ("", False)):
        taken = Taken()
        asked = post("/mcp", b"{}", ("Mcp-Session-Id", "a"))
        taken.head(names, asked, {"mcp-session-id": value, "x": "y"})
        assert bool(taken) is expected


# --- a service that never comes to the end ---


def requests_of(running: Session, wires: Iterator[bytes], *, most: int) -> int:
    """How often a service is asked that breaks each answer off after the next of these wires."""
    asked = 0
    while asked <= most and not isinstance(effect := running.next_effect(0.0), Ended):
        match effect:
            case OpenRequest():
                asked += 1
                media_type = running.dialect.media_types[0]
                running.response_started(200, {"content-type": media_type}, 0.0)
                running.receive_data(next(wires), 0.0)
            case ReadData():
                running.connection_lost("reset", 0.0)
            case Sleep(until=until):
                running.timer_fired(until)
            case _:
                pass
    return asked


def broken_off(name: str, text: str) -> bytes:
    """The beginning of an answer that says this."""
    encoder = StreamEncoder(name)
    try:
        return encoder.send(Started("answer-1", "m")) + encoder.send(Token(text))
    except LocalProtocolError:  # it has no such event
        return StreamEncoder(name).send(Token(text))


def test_an_answer_that_is_never_whole_is_asked_for_a_few_times() -> None:
    """A replay that says the same again, with its places, or something else, is no progress."""
    seen = 0
    for name in ALL:
        dialect = get_dialect(name)
        if name == "event-stream" or dialect.encoder is None:
            continue
        for texts in (["one"] * 20, [f"text {number}" for number in range(20)]):
            wires = [broken_off(name, text) for text in texts]
            named = dialect.framer is SSEFramer  # any gateway may number the events
            for before in (b"", b"id: 1\n") if named else (b"",):
                running = session(
                    name, strategies=("replay",), retry=RetryPolicy(initial_delay=0, max_attempts=3)
                )
                asked = requests_of(running, iter([before + wire for wire in wires]), most=10)
                assert 1 < asked <= 4, (name, texts, before)
                seen += 1
    assert seen > 100


def test_a_replay_that_comes_further_each_time_is_asked_for_on() -> None:
    words = [f"{number} " for number in range(12)]
    wires = ["".join(f"id: {at}\ndata: {one}\n\n" for at, one in enumerate(words[:far]))
             for far in range(1, 12)]  # fmt: skip
    running = session(
        "sse", strategies=("replay",), retry=RetryPolicy(initial_delay=0, max_attempts=3)
    )
    assert requests_of(running, (wire.encode() for wire in wires), most=9) == 10


def test_an_id_that_no_header_can_say_is_the_reason_why_nothing_goes_on() -> None:
    going = session("sse")
    play(going, "open POST /answer", head(), "read", data(b"id: \x01\ndata: a\n\n"))
    play(going, "Token(text='a')", "read", lost(), "close")
    said = "transport error: the answer was cut off: the connection failed with reset before"
    why = " data: [DONE]; the last id cannot be sent: it holds control characters"
    play(going, said + why, "ended: transport")
