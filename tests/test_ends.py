"""What may end in `Done`: nothing that was cut, also inside its last event; nothing that lost a piece."""

from __future__ import annotations

from typing import get_args

import pytest
from msgspec.structs import replace
from tests.effort import spread
from tests.reading import read

from tokenwire import (
    Done,
    Error,
    Event,
    Finished,
    Frame,
    Heartbeat,
    Reconnecting,
    Recovery,
    Request,
    Resumption,
    RetryPolicy,
    Started,
    StreamParser,
    Token,
    Unknown,
    Usage,
    available_dialects,
    get_dialect,
)
from tokenwire.dialects import Dialect
from tokenwire.encoder import StreamEncoder
from tokenwire.errors import LocalProtocolError
from tokenwire.events import Reason
from tokenwire.framing.sse import SSEFramer
from tokenwire.limits import Limits
from tokenwire.resume import Deliver, Ended, OpenRequest, ReadData, Session, Sleep
from tokenwire.testing._mutate import frames_of

WRITTEN = [name for name in available_dialects() if get_dialect(name).encoder is not None]
# Its frames are its characters, and any of them may be the last.
FRAMED = [name for name in WRITTEN if name != "text"]


def whole(name: str) -> bytes:
    """A short answer, said as far as the dialect can."""
    encoder = StreamEncoder(name)
    wire = b""
    for event in (
        Started("answer-1", "m"),
        Token("Hi "),
        Token("there"),
        Finished(0, "stop"),
        Done("stop"),
    ):
        try:
            wire += encoder.send(event)
        except LocalProtocolError:
            continue
    return wire


def test_an_answer_cut_inside_its_last_event_is_never_done() -> None:
    """Whatever came before: half an event is evidence that more was to come."""
    for name in FRAMED:
        wire = whole(name)
        if not wire:
            continue  # of all that an answer says, event-stream has no words for any
        last = frames_of(get_dialect(name), wire)[-1]
        before = wire[: len(wire) - len(last)]
        # All was said before: this event comes after what ends the answer.
        if any(isinstance(event, Done) for event in read([before], name, eof=False).events):
            continue
        # Without its last bracket JSON is not whole, nor is the sentinel; a lone line is, without
        # its end.
        bracket = max(last.rfind(b"}"), last.rfind(b"]"))
        inside = range(1, bracket + 1 if bracket > 0 else len(last.rstrip()))
        for end in spread(inside, 20):
            part = before + last[:end]
            for chunks in ([part], [part[:-1], part[-1:]], [before, last[:end]]):
                for lost in (False, True):
                    parser = StreamParser(name)
                    for chunk in chunks:
                        parser.receive_data(chunk)
                    if lost:
                        parser.connection_lost("it broke")
                    else:
                        parser.receive_eof()
                    got = [*parser.events()]
                    assert not isinstance(got[-1], Done), f"{name}: {chunks}, {lost=}"


def ends(wire: bytes, dialect: str) -> Event:
    return read([wire], dialect).events[-1]


TEXT = b'{"candidates":[{"content":{"parts":[{"text":"First "}]},"finishReason":"STOP","index":0}]}'
HELLO = (
    b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'
)


@pytest.mark.parametrize(
    "rest",
    [
        b"d",
        b"data",
        b"data:",
        b'data: {"usage":{"prompt_tok',
        b"event: mess",
        b"event: message\n",
        b"id: 7\n",
        b"what is this",
        b'{"error":',
    ],
)
def test_an_open_block_is_a_cut(rest: bytes) -> None:
    for wire, dialect in ((b"data: " + TEXT + b"\n\n", "gemini-sse"), (HELLO, "openai-chat")):
        error = ends(wire + rest, dialect)
        assert isinstance(error, Error)
        assert (error.kind, error.recovery) == ("truncated", Recovery.RESUME)
        assert "the body ended inside an event, before" in error.message


@pytest.mark.parametrize("rest", [b"", b"\n", b": keep", b": keep-alive\n", b"\xef\xbb\xbf"[:0]])
def test_a_comment_that_breaks_off_is_no_piece_of_the_answer(rest: bytes) -> None:
    assert ends(b"data: " + TEXT + b"\n\n" + rest, "gemini-sse") == Done("stop")
    assert ends(HELLO + rest, "openai-chat") == Done("stop")


def test_a_unit_without_its_end_counts_if_it_is_whole() -> None:
    usage = b'{"usageMetadata":{"promptTokenCount":3}}'
    wire = b"data: " + TEXT + b"\n\ndata: " + usage
    *_, counted, _, done = read([wire], "gemini-sse").events
    assert (counted, done) == (Usage(3, final=True), Done("stop"))
    assert ends(HELLO + b"data: [DONE]", "openai-chat") == Done("stop")


# --- a piece that was lost ---


BROKEN = b'{"choices":[{"delta":{"content":"brave '
# They have no payloads that could be unreadable: any bytes are a text, or the framer sees to it; or
# no texts.
ANY_BYTES = {
    *("event-stream", "gemini-array", "replicate", "sse", "text", "tgi", "vercel-data"),
    *("bedrock-agent", "bedrock-invoke", "openai-images"),
}


def test_after_a_frame_that_cannot_be_read_there_is_no_done() -> None:
    """It may have held a piece: the others are delivered, and the answer is not called whole."""
    for name in FRAMED:
        if name in ANY_BYTES:
            continue
        wire = whole(name)
        events = read([wire], name).events
        texts = [event for event in events if isinstance(event, Token)]
        assert texts, name
        assert isinstance(events[-1], Done), name
        for sound in texts:
            # Of the kind in which a text comes, and right before such a one.
            assert sound.frame is not None
            framer = get_dialect(name).framer(Limits())
            at = wire.find(framer.encode(sound.frame))
            broken = framer.encode(replace(sound.frame, data=BROKEN, comment=None))
            damaged = wire[:at] + broken + wire[at:]
            got = read([damaged], name).events

            assert not any(isinstance(event, Done) for event in got), f"{name}: {damaged!r}"
            last = got[-1]
            assert isinstance(last, Error)
            assert (last.kind, last.fatal) == ("malformed", True), f"{name}: {damaged!r}"
            assert [event for event in got if isinstance(event, Token)] == texts, name


def test_the_error_says_what_was_lost_and_what_can_be_done() -> None:
    wire = (
        HELLO.replace(b'"stop"', b"null")
        + b"data: "
        + BROKEN
        + b"\n\n"
        + HELLO
        + b"data: [DONE]\n\n"
    )
    _, hi, lost, more, finished, error = read([wire], "openai-chat").events
    assert [hi, more, finished] == [Token("Hi"), Token("Hi"), Finished(0, "stop", "stop")]
    assert isinstance(lost, Error)
    assert not lost.fatal
    assert isinstance(error, Error)
    assert (error.kind, error.fatal, error.recovery) == ("malformed", True, Recovery.RETRY)
    assert error.message == f"the answer ended, but a piece of it may be missing: {lost.message}"
    assert error.frame == lost.frame


def test_who_resumes_asks_for_the_lost_piece_again() -> None:
    """The cursor stays before the frame that could not be read, and the error says resume."""
    said = b'data: {"token":"%s","position":%d}\n\n'
    wire = said % (b"a", 1) + b'data: {"token":"b","position":2\n\n' + said % (b"c", 3)
    parser = StreamParser("positioned")
    parser.receive_data(wire + b"data: [DONE]\n\n")
    *events, error = parser.events()
    assert [event.text for event in events if isinstance(event, Token)] == ["a", "c"]
    assert isinstance(error, Error)
    assert error.recovery is Recovery.RESUME
    assert parser.cursor.value == 1


def test_an_id_of_a_frame_that_cannot_be_read_is_not_passed() -> None:
    parser = StreamParser("mcp")
    parser.receive_data(b"id: 1\ndata:\n\nid: 2\ndata: {]\n\nid: 3\ndata:\n\n")
    assert [type(event) for event in parser.events()] == [Heartbeat, Error, Heartbeat]
    assert parser.cursor.value == "1"


# --- the table ---


def test_a_decoder_that_gives_what_no_wire_says_is_told_so() -> None:
    """What the state table does not name is not handed out in silence."""
    dialect = Dialect(
        name="odd",
        framer=SSEFramer,
        decoder=lambda: lambda frame: (Reconnecting(1, 0.0, "retry", frame=frame),),
        terminator="nothing",
    )
    parser = StreamParser(dialect)
    parser.receive_data(b"data: a\n\n")
    with pytest.raises(LocalProtocolError, match="the decoder of odd gave Reconnecting"):
        parser.next_event()


# --- what moves with what is handed out ---


def test_retry_moves_with_what_is_handed_out() -> None:
    """An error that ends the stream, and a retry after it in the same chunk: it was not asked for."""
    error = b'data: {"error":{"message":"busy","type":"overloaded_error"}}\n\n'
    for chunks in ([error + b"retry: 600000\n\n"], [error, b"retry: 600000\n\n"]):
        assert read(chunks, "openai-chat").retry is None
    parser = StreamParser("sse")
    parser.receive_data(b"data: a\n\nretry: 5\ndata: b\n\nretry: 7\n")
    assert (parser.next_event(), parser.retry) == (Token("a"), None)
    assert (parser.next_event(), parser.retry) == (Token("b"), 7)  # nothing else waits
    parser.receive_eof()
    assert isinstance(parser.next_event(), Error)
    assert parser.retry == 7


def test_what_came_instead_does_not_depend_on_when_events_are_taken() -> None:
    for eager in (True, False):
        parser = StreamParser("openai-chat")
        parser.receive_data(b"nonsense\n\nmore of")
        early = [*parser.events()] if eager else []
        parser.receive_eof()
        *unknown, error = [*early, *parser.events()]
        assert unknown == [Unknown()]
        assert isinstance(error, Error)
        assert "it began with 'nonsense'" in error.message


def test_a_comment_is_told_once() -> None:
    wire = b": c\nid: 1\n\n: d\nevent: e\n\n: f\nretry: 5\n\n: g\ndata: a\n\n"
    *told, token = read([wire], "event-stream", eof=False).events
    assert [event.text for event in told if isinstance(event, Heartbeat)] == [
        *("c", "", "d", "e", "f", "", "g"),
    ]
    assert token.frame is not None
    assert token.frame.comment == b"g"


# --- lines that are no field ---


def test_a_whole_answer_without_its_field_name_is_read() -> None:
    """Gateways put the answer of a model that does not stream under text/event-stream as it is."""
    answer = (
        b'{"id":"c","model":"m","choices":[{"index":0,"message":{"content":"OK"},'
        b'"finish_reason":"stop"}]}'
    )
    for end in (b"", b"\n", b"\n\n", b"\n\ndata: [DONE]\n\n"):
        for body in (answer, answer.replace(b",", b",\n  ")):
            events = read([body + end], "openai-chat").events
            assert events == [
                Started("c", "m"),
                Token("OK"),
                Finished(0, "stop", "stop"),
                Done("stop"),
            ]
    assert isinstance(ends(answer[:-1], "openai-chat"), Error)
    assert ends(answer + b"\n\n", "event-stream").kind == "truncated"  # type: ignore[attr-defined]


# --- what gateways add ---


EVENT_STREAMS = [name for name in FRAMED if get_dialect(name).format == "SSE"]


def test_a_sentinel_that_a_gateway_adds_takes_nothing_from_a_whole_answer() -> None:
    for name in EVENT_STREAMS:
        wire = whole(name)
        said = read([wire], name).events
        if not isinstance(said[-1], Done):
            continue
        for added in (
            b"data: [DONE]\n\n",
            b'data: "[DONE]"\n\n',
            b"data:[DONE]",
            b"event: done\ndata: [DONE]\n\n",
        ):
            assert read([wire + added], name).events[-1] == said[-1], (name, added)


def test_the_type_that_events_have_anyway_changes_nothing() -> None:
    for name in EVENT_STREAMS:
        frames = frames_of(get_dialect(name), whole(name))
        typed = [
            frame if b"event:" in frame or frame.startswith(b":") else b"event: message\n" + frame
            for frame in frames
        ]
        assert read(typed, name).events == read(frames, name).events, name


HALF_A_PIECE = {
    "langgraph": b'event: messages\ndata: [{"type":"AIMessageChunk","id":"r","content":"the',
    "coze": b'event: Message\ndata: {"node_title":"End","content":"the',
    "dashscope": b'event: result\ndata: {"output":{"choices":[{"message":{"content":"the',
}


@pytest.mark.parametrize("name", HALF_A_PIECE)
def test_an_end_that_is_known_by_its_type_ends_nothing_with_half_a_piece_in_it(name: str) -> None:
    """Where a blank line is lost, the type of the second event holds for what both say."""
    ends_of = {
        "langgraph": b"event: end\ndata: null\n\n",
        "coze": b'event: Done\ndata: {"debug_url":"x"}\n\n',
        "dashscope": b"event: done\ndata: {}\n\n",
    }
    before = {
        "langgraph": b"",
        "coze": b"",
        "dashscope": b'data: {"output":{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}}\n\n',
    }
    end = ends_of[name]
    assert isinstance(ends(before[name] + end, name), Done)
    for between in (b"\n", b"\r\n", b'"}\n'):
        error = ends(before[name] + HALF_A_PIECE[name] + between + end, name)
        assert isinstance(error, Error), between
        assert error.kind in ("malformed", "truncated")


def test_what_ends_is_written_so_that_it_ends_whatever_the_reason() -> None:
    """No reason that a wire has no word for makes of a whole answer one that was cut."""
    for name in FRAMED:
        if get_dialect(name).encoder is None:
            continue
        for reason in get_args(Reason):
            for raw in (None, "a word of another vendor"):
                encoder = StreamEncoder(name)
                wire = b""
                said: tuple[Event, ...] = (
                    Started("a", "m"),
                    Token("Hi"),
                    Finished(0, reason, raw),
                    Done(reason),
                )
                try:
                    for event in said:
                        wire += encoder.send(event)
                except LocalProtocolError:
                    continue
                last = read([wire], name).events[-1]
                failed = (
                    isinstance(last, Error)
                    and last.kind == "vendor"
                    and reason in ("error", "cancelled")
                )
                assert isinstance(last, Done) or failed, (name, reason, raw, last)
                if name == "openai-assistants" and isinstance(last, Done):
                    assert last.reason == reason


# --- decoders that cannot be copied, and answers that end before where they were ---


class _Ends:
    """Complete at a clean end, once there was text; with something nested in its memory."""

    def __init__(self) -> None:
        self.spoke = False
        self.nested: list[object] = []
        inner = self.nested
        for _ in range(3000):
            deeper: list[object] = []
            inner.append(deeper)
            inner = deeper

    def receive_frame(self, frame: Frame) -> list[Event]:
        self.spoke = True
        return [Token(frame.text, frame=frame)]

    def receive_eof(self) -> list[Event]:
        return [Done("stop")] if self.spoke else []

    @staticmethod
    def receive_loss() -> list[Event]:
        return []


NUMBERED = Dialect(
    name="numbered",
    framer=SSEFramer,
    decoder=_Ends,
    terminator="a clean end",
    resumption=Resumption(method="last_event_id", kind="id", field="Last-Event-ID"),
)


def test_what_no_copy_of_the_decoder_can_read_is_a_cut() -> None:
    """The open unit is read by a copy, for it may come again; what the peer nested may forbid that."""
    *said, last = read([b"id: 1\ndata: a\n\ndata: 7"], NUMBERED).events
    assert said == [Token("a")]
    assert isinstance(last, Error)
    assert last.kind == "truncated"


def test_an_answer_that_ends_before_the_place_it_had_come_to_is_not_done() -> None:
    """Asked to go on, the service tells an older part once more, and ends cleanly there."""
    session = Session(
        Request("GET", "http://127.0.0.1/"), NUMBERED, retry=RetryPolicy(max_attempts=2)
    )
    bodies = [b"id: 1\ndata: a\n\nid: 2\ndata: b\n\n", *[b"id: 1\ndata: a\n\n"] * 5]
    now, got, asked = 0.0, [], 0
    body = b""
    while True:
        match session.next_effect(now):
            case OpenRequest():
                body, asked = bodies[asked], asked + 1
                session.response_started(200, {"content-type": "text/event-stream"}, now)
            case ReadData() if body:
                session.receive_data(body, now)
                body = b""
            case ReadData() if asked == 1:
                session.connection_lost("it broke", now)
            case ReadData():
                session.receive_eof(now)
            case Sleep(until=now):
                session.timer_fired(now)
            case Deliver(event=event):
                got.append(event)
            case Ended():
                break
            case _:
                pass
    assert [event.text for event in got if isinstance(event, Token)] == ["a", "b"]
    assert isinstance(got[-1], Error)
    assert not any(isinstance(event, Done) for event in got)
