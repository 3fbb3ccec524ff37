"""What the encoder refuses, and how it says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from tokenwire import (
    Completion,
    Data,
    Done,
    Error,
    Event,
    Finished,
    Frame,
    Heartbeat,
    LocalProtocolError,
    Reasoning,
    Reconnecting,
    Refusal,
    Reset,
    Started,
    State,
    StreamEncoder,
    StreamParser,
    Token,
    ToolCall,
    Unknown,
    UnknownDialectError,
    Usage,
    available_dialects,
    available_profiles,
    get_dialect,
)
from tokenwire.framing.jsonlines import JSONLinesFramer
from tokenwire.framing.sse import SSEFramer


def test_states() -> None:
    encoder = StreamEncoder("sse")
    assert encoder.state is State.IDLE
    encoder.send(Token("a"))
    assert encoder.state is State.OPEN
    encoder.send(Done())
    assert encoder.state is State.DONE
    with pytest.raises(LocalProtocolError, match="cannot be sent in state DONE"):
        encoder.send(Token("b"))


def test_an_event_that_is_refused_changes_nothing() -> None:
    encoder = StreamEncoder("openai-chat")
    with pytest.raises(LocalProtocolError, match="Done comes after a Finished of each choice"):
        encoder.send(Done())
    assert encoder.state is State.IDLE
    encoder.send(Token("a", 1))
    with pytest.raises(LocalProtocolError, match=r"open: \[1\]"):
        encoder.send(Done())
    encoder.send(Finished(1, "stop"))
    assert encoder.send(Done()) == b"data: [DONE]\n\n"


@pytest.mark.parametrize("dialect", ["anthropic-messages", "ollama-chat", "ollama-generate"])
def test_done_needs_a_reason(dialect: str) -> None:
    encoder = StreamEncoder(dialect)
    encoder.send(Token("a"))
    with pytest.raises(LocalProtocolError, match="Done comes after a Finished"):
        encoder.send(Done())


@pytest.mark.parametrize(
    ("dialect", "event"),
    [
        ("event-stream", Token("a")),
        ("event-stream", Done()),
        ("event-stream", Data("a", {"not": "text"})),
        ("sse", Reasoning("a")),
        ("sse", Data("message", "posing as a token")),
        ("positioned", Finished()),
        ("jsonl", Usage(1)),
        ("jsonl", Heartbeat("with text")),
        ("jsonl", Data("json", {"text": "posing as a token"})),
        ("openai-chat", Data("citation", "x")),
        ("openai-chat", ToolCall("k", provider_executed=True)),
        ("openai-chat", Error("malformed", "not fatal", fatal=False)),
        ("anthropic-messages", Token("a", 1)),
        ("anthropic-messages", Data("image", "x")),
        ("ollama-chat", ToolCall("k", arguments="{")),
        ("ollama-generate", Started("id") and Unknown()),
    ],
    ids=repr,
)
def test_what_the_wire_cannot_say_is_refused(dialect: str, event: Event) -> None:
    with pytest.raises(LocalProtocolError, match=f"{dialect} has no way to say"):
        StreamEncoder(dialect).send(event)


def test_a_reconnect_is_nothing_that_is_sent() -> None:
    with pytest.raises(LocalProtocolError, match="cannot be sent"):
        StreamEncoder("sse").send(Reconnecting(1, 0.5, "cursor"))


@pytest.mark.parametrize("text", ["", "[DONE]"])
def test_sse_refuses_a_token_that_would_mean_something_else(text: str) -> None:
    with pytest.raises(LocalProtocolError, match="means another"):
        StreamEncoder("sse").send(Token(text))


def test_ollama_refuses_arguments_that_are_no_json() -> None:
    with pytest.raises(LocalProtocolError, match="are not JSON"):
        StreamEncoder("ollama-chat").send(ToolCall("k", name="f", arguments="{", complete=True))


@pytest.mark.parametrize("odd", ["a\nb", "a\rb", "a\0b"], ids=repr)
@pytest.mark.parametrize("field", ["event", "id", "comment"])
def test_line_ends_and_nul_are_refused_not_stripped(field: str, odd: str) -> None:
    """Text that ends its line could pose as a field of its own."""
    frame = {
        "event": Frame(b"x", event=odd),
        "id": Frame(b"x", id=odd),
        "comment": Frame(comment=odd.encode()),
    }[field]
    with pytest.raises(LocalProtocolError, match=f"an SSE {field} must not hold CR, LF or NUL"):
        SSEFramer.encode(frame)


def test_data_is_split_on_all_three_line_ends() -> None:
    assert SSEFramer.encode(Frame(b"a\nb\rc\r\nd")) == b"data: a\ndata: b\ndata: c\ndata: d\n\n"
    assert SSEFramer.encode(Frame(b"")) == b"data: \n\n"


def test_all_fields_of_a_frame_are_written() -> None:
    frame = Frame(b"x", "tick", "7", 100, b"hi")
    assert SSEFramer.encode(frame) == b": hi\nevent: tick\nid: 7\nretry: 100\ndata: x\n\n"


def test_event_stream_sends_id_and_retry_of_the_frame() -> None:
    event = Data("message", "x", frame=Frame(id="7", retry=9))
    assert StreamEncoder("event-stream").send(event) == b"id: 7\nretry: 9\ndata: x\n\n"


@pytest.mark.parametrize("data", [b"a\nb", b"a\rb"])
def test_a_json_line_holds_no_line_end(data: bytes) -> None:
    with pytest.raises(LocalProtocolError, match="must not hold a line end"):
        JSONLinesFramer.encode(Frame(data))


def test_unknown_dialect() -> None:
    with pytest.raises(UnknownDialectError, match=r"no dialect is named 'gpt'; there are: .*sse"):
        StreamEncoder("gpt")


def test_a_dialect_without_encoder() -> None:
    sse = get_dialect("sse")
    reader = type(sse)(
        name="reader", framer=sse.framer, decoder=sse.decoder, terminator=sse.terminator
    )
    with pytest.raises(LocalProtocolError, match="the dialect reader has no encoder"):
        StreamEncoder(reader)


@pytest.mark.parametrize(
    ("dialect", "alive"),
    [
        ("sse", Heartbeat("ping")),
        ("positioned", Heartbeat("ping")),
        ("jsonl", Heartbeat()),
        ("ollama-chat", Heartbeat()),
    ],
)
def test_a_heartbeat_and_a_failure_are_read_as_they_were_written(
    dialect: str, alive: Event
) -> None:
    encoder, parser = StreamEncoder(dialect), StreamParser(dialect)
    parser.receive_data(encoder.send(alive) + encoder.send(Error("vendor", "busy")))
    first, last = parser.events()
    assert first == alive
    assert isinstance(last, Error)
    assert last.message == "busy"


ODD = [
    Token("a\ud83db"),
    Token("\udc00"),
    Token("a\rb"),
    Token("a\r\nb\n"),
    Reasoning("a\ud83d\r", signature="\ud83d"),
    Refusal("\ud83d"),
    Heartbeat("\ud83d"),
    Heartbeat("a\rb"),
    Data("\ud83d", "\ud83d"),
    Data("kind", "a\rb"),
    ToolCall("0:0", 0, "c\ud83d", "n\ud83d", '{"a":"\ud83d"}'),
    Error("vendor", "no\ud83d", "c\ud83d"),
    Error("vendor", "a\rb", "c"),
    Error("vendor", "not yet the end", fatal=False),
    Error("malformed", "a frame", fatal=False),
]


@pytest.mark.parametrize("dialect", [n for n in available_dialects() if get_dialect(n).encoder])
def test_what_is_odd_comes_back_as_it_is_or_is_refused(dialect: str) -> None:
    """Half surrogates, which parsers hand out, CR, errors that end nothing: never changed."""
    start: list[Event] = [Started("id", "model")]
    try:
        StreamEncoder(dialect).send(start[0])
    except LocalProtocolError:
        start = []
    for event in ODD:
        encoder, parser = StreamEncoder(dialect), StreamParser(dialect)
        try:
            wire = b"".join(map(encoder.send, [*start, event]))
        except LocalProtocolError:
            continue
        parser.receive_data(wire)
        got = [*parser.events()]
        kind = type(event)
        texts = "".join(one.text for one in got if type(one) is kind and hasattr(one, "text"))
        match event:
            case Token(text=text) | Reasoning(text=text) | Refusal(text=text):
                assert texts in (text, "")  # some wires say it later, with more
            case Heartbeat(text=text):
                assert texts in (text, "ping", "")  # not every wire has a place for it
            case Error(message=message, fatal=fatal):
                said = [(one.message, one.fatal) for one in got if isinstance(one, Error)]
                assert said in ([(message, fatal)], [])
            case Data():
                assert all(one == event for one in got if isinstance(one, Data))
            case _:
                pass


# --- asking before, and skipping ---

SAID: list[Event] = [
    Started("id", "model"),
    Reasoning("Hm", signature="s"),
    Token("a"),
    Token("b", 1),
    Data("citation", {"type": "x"}),
    ToolCall("k", 0, "call_1", "f", '{"a":'),
    ToolCall("k", arguments="1}"),
    ToolCall("k", complete=True),
    ToolCall("ran", 0, "call_2", "search", "{}", True, True),
    Heartbeat("hi"),
    Usage(1, 2, final=True),
    Reconnecting(1, 0.5, "cursor"),
    Unknown(),
    Finished(0, "stop"),
    Finished(1, "stop"),
    Done("stop"),
]


def encoders() -> Iterator[str]:
    for name in [*available_dialects(), *available_profiles()]:
        if get_dialect(name).encoder is not None:
            yield name


def test_what_can_be_said_is_known_before_and_asking_changes_nothing() -> None:
    for name in encoders():
        asked, plain = StreamEncoder(name), StreamEncoder(name)
        for event in SAID:
            can = asked.can_say(event)
            assert asked.can_say(event) is can
            try:
                sent = plain.send(event)
            except LocalProtocolError:
                assert not can, f"{name} cannot say {event}"
            else:
                assert can, f"{name} can say {event}"
                assert asked.send(event) == sent, f"{name}: {event}"
            assert asked.state is plain.state


def test_what_cannot_be_said_is_skipped_where_that_is_wished() -> None:
    for name in encoders():
        encoder = StreamEncoder(name, unsayable="skip")
        sent = b""
        try:
            for event in SAID:
                sent += encoder.send(event)
        except LocalProtocolError:
            assert event == Done("stop"), f"{name}: {event}"  # a body may lack it, but not an end
        parser = StreamParser(name)
        parser.receive_data(sent)
        parser.receive_eof()
        events = list(parser.events())
        whole = Completion.from_events(events)
        assert whole.done is not None or encoder.state is not State.DONE, name
        # No call is half of one.
        for choice in whole.choices:
            assert all(call.name for call in choice.tool_calls if call.arguments), name


def test_a_call_is_skipped_as_a_whole() -> None:
    ran = [
        ToolCall("ran", 0, "call_2", "search", provider_executed=True),
        ToolCall("ran", arguments="{}"),
        ToolCall("ran", complete=True),
    ]
    encoder = StreamEncoder("openai-chat", unsayable="skip")
    assert [encoder.send(event) for event in ran] == [b"", b"", b""]
    assert not encoder.can_say(ran[1])
    assert b"call_1" in encoder.send(ToolCall("k", 0, "call_1", "f", "{}", True))


@pytest.mark.parametrize("event", [Done(), Reset(text="new"), Error("vendor", "it broke")])
def test_what_would_make_the_rest_wrong_is_never_skipped(event: Event) -> None:
    dialect = "event-stream" if isinstance(event, Error) else "openai-chat"
    encoder = StreamEncoder(dialect, unsayable="skip")
    assert not encoder.can_say(event)
    with pytest.raises(LocalProtocolError):
        encoder.send(event)


def test_nothing_follows_the_end_although_it_may_be_skipped() -> None:
    encoder = StreamEncoder("sse", unsayable="skip")
    encoder.send(Done())
    assert not encoder.can_say(Token("a"))
    with pytest.raises(LocalProtocolError, match="cannot be sent in state DONE"):
        encoder.send(Token("a"))


def test_another_word_for_it_is_refused() -> None:
    with pytest.raises(ValueError, match='"raise" or "skip", not \'ignore\''):
        StreamEncoder("sse", unsayable=cast(Any, "ignore"))
