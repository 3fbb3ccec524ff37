"""dashscope: Alibaba's own API, with texts in deltas or whole each time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.answers import arguments, comments, counts, texts, words
from tests.cuts import bytewise, every_cut, in_every_cut
from tests.dialects.checks import assert_fields_are_told
from tests.reading import read

from tokenwire import (
    Completion,
    Data,
    Dialect,
    Done,
    Error,
    Event,
    Finished,
    Frame,
    Heartbeat,
    LocalProtocolError,
    Reasoning,
    Recovery,
    Refusal,
    Reset,
    Started,
    StreamEncoder,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.dialects.clouds.dashscope import DASHSCOPE, Decoder, dashscope
from tokenwire.dialects.clouds.dashscope_wire import (
    FINISH_REASONS,
    SILENT,
    ChoiceWire,
    ChunkWire,
    DetailsWire,
    MessageWire,
    OutputWire,
    UsageWire,
)
from tokenwire.dialects.kit.payloads import MAX_INDEX


def sse(*values: Any, event: str = "result", status: int = 200) -> bytes:
    return b"".join(
        b"id:%d\nevent:%b\n:HTTP_STATUS/%d\ndata:%b\n\n"
        % (number, event.encode(), status, json.dumps(value, ensure_ascii=False).encode())
        for number, value in enumerate(values, 1)
    )


def choices(*said: dict[str, Any], **beside: Any) -> dict[str, Any]:
    return {"output": {"choices": list(said)}, "request_id": "r", **beside}


def message(content: Any = "", finish: str = "null", **said: Any) -> dict[str, Any]:
    one = {"role": "assistant", "content": content, **said}
    return choices({"message": one, "finish_reason": finish})


def call(arguments: Any, id: str = "", name: str | None = None) -> dict[str, Any]:
    function = {"arguments": arguments, **({"name": name} if name else {})}
    return {"tool_calls": [{"index": 0, "id": id, "type": "function", "function": function}]}


def said_in(wire: bytes, dialect: Dialect = DASHSCOPE, *, eof: bool = True) -> list[Event]:
    """The events but for the comments, of which each event of this wire has one."""
    events = read([wire], dialect, eof=eof).events
    return [event for event in events if event not in COMMENTS]


COMMENTS = [Heartbeat(f"HTTP_STATUS/{status}") for status in (200, 400, 429, 500)]


def decode(*values: Any, cumulative: bool | None = None, eof: bool = True) -> list[Event]:
    """What the decoder makes of these chunks, but for `Started`."""
    events = said_in(sse(*values), dashscope(cumulative=cumulative), eof=eof)
    return [event for event in events if not isinstance(event, Started)]


STOPPED: list[Event] = [Finished(0, "stop", "stop"), Done("stop")]
USAGE = {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4}
DELTAS = sse(
    {**message("Hi"), "usage": USAGE},
    {**message(" \u2028🗼"), "usage": {**USAGE, "output_tokens": 2}},
    {
        **message("", "stop"),
        "usage": {
            **USAGE,
            "output_tokens": 2,
            "output_tokens_details": {"reasoning_tokens": 1},
            "prompt_tokens_details": {"cached_tokens": 2},
        },
    },
)
SAID: list[Event] = [
    Started("r", None),
    Token("Hi"),
    Usage(3, 1, 4),
    Token(" \u2028🗼"),
    Usage(3, 2, 4),
    Finished(0, "stop", "stop"),
    Usage(3, 2, 4, 1, 2, final=True),
    Done("stop"),
]


def both(data: bytes) -> Iterator[list[bytes]]:
    yield bytewise(data)
    yield from every_cut(data)


def test_q01_no_space_after_the_colon() -> None:
    outcome = in_every_cut(lambda chunks: read(chunks, DASHSCOPE), DELTAS, both)
    assert [event for event in outcome.events if event not in COMMENTS] == SAID
    assert outcome.events[0] == COMMENTS[0]


@pytest.mark.parametrize("cumulative", [None, False])
def test_every_prefix_is_cut_off(cumulative: bool | None) -> None:
    for end in range(len(DELTAS) - 2):
        last = read([DELTAS[:end]], dashscope(cumulative=cumulative)).events[-1]
        assert isinstance(last, Error)
        assert last.kind == "truncated"


@pytest.mark.parametrize("raw", ["null", "", None])
def test_q15_the_word_null_is_no_finish(raw: Any) -> None:
    token, last = decode(message("Hi", raw))
    assert token == Token("Hi")
    assert isinstance(last, Error)
    assert last.kind == "truncated"


@pytest.mark.parametrize("raw", [*FINISH_REASONS, "new"])
def test_finish_reasons(raw: str) -> None:
    reason = FINISH_REASONS.get(raw, "other")
    assert decode(message("a", raw)) == [Token("a"), Finished(0, reason, raw), Done(reason)]


@pytest.mark.parametrize("end", [b"event:done\ndata:{}\n\n", b"data:[DONE]\n\n"])
def test_a_sentinel_ends_what_is_finished_and_nothing_else(end: bytes) -> None:
    assert said_in(DELTAS + end + b"data:x", eof=False) == SAID
    *_, last = read([sse(message("Hi")) + end], DASHSCOPE).events
    assert isinstance(last, Error)
    assert last.kind == "truncated"


# --- whole texts or deltas ---

WHOLE = ["1", "1,", "1, ", "1, 2", "1, 2 \u2028🗼"]


@pytest.mark.parametrize("cumulative", [None, True])
@pytest.mark.parametrize("field", ["message", "text"])
def test_q23_whole_texts(cumulative: bool | None, field: str) -> None:
    ways = [*((text, "null") for text in WHOLE), (WHOLE[-1], "stop")]
    values = (
        [message(text, finish) for text, finish in ways]
        if field == "message"
        else [
            {"output": {"text": text, "finish_reason": finish}, "request_id": "r"}
            for text, finish in ways
        ]
    )
    said = [Token(piece) for piece in ("1", ",", " ", "2", " \u2028🗼")]
    assert decode(*values, cumulative=cumulative) == [*said, *STOPPED]


@pytest.mark.parametrize(
    "pieces",
    [
        ["1", "1,", " 2"],  # the second begins with the first by chance
        ["ha", "ha", "ha!"],
        ["ha", "ha"],
        ["a", "ab"],
        ["\n", "\n\n", "x", "x"],
        ["one"],
    ],
)
@pytest.mark.parametrize("cumulative", [None, False])
def test_q23_deltas_are_never_lost_or_doubled(pieces: list[str], cumulative: bool | None) -> None:
    values = [*(message(piece) for piece in pieces), message("", "stop")]
    events = decode(*values, cumulative=cumulative)
    assert Completion.from_events(events).text == "".join(pieces)
    assert events[-1] == Done("stop")


def test_q23_a_rewritten_text_replaces_the_one_before() -> None:
    events = decode(message("Hello"), message("Bye"), cumulative=True, eof=False)
    assert events == [Token("Hello"), Reset(0, 0, "Bye")]


def test_reasoning_tells_how_the_answer_is_sent() -> None:
    whole = [
        *(message("", reasoning_content=text) for text in ("a", "ab", "abc")),
        message("1", reasoning_content="abc"),
        message("12", reasoning_content="abc"),
        message("12", "stop", reasoning_content="abc"),
    ]
    thought: list[Event] = [Reasoning("a"), Reasoning("b"), Reasoning("c")]
    assert decode(*whole) == [*thought, Token("1"), Token("2"), *STOPPED]
    deltas = [
        *(message("", reasoning_content=text) for text in ("a", "b")),
        *(message(text, reasoning_content="") for text in ("1", "1")),
        message("", "stop"),
    ]
    assert decode(*deltas) == [
        *(Reasoning("a"), Reasoning("b")),
        *(Token("1"), Token("1")),
        *STOPPED,
    ]


def test_reasoning_that_was_misread_is_said_again() -> None:
    """Before an answer a `Reset` takes it back; after one it would take the answer too."""
    repeated = [message("", reasoning_content=text) for text in ("ha", "ha", "x")]
    assert decode(*repeated, eof=False) == [Reasoning("ha"), Reset(), Reasoning("hahax")]
    repeated = [message("1", reasoning_content=text) for text in ("ha", "ha")]
    assert decode(*repeated, message("", "stop"))[:3] == [
        *(Reasoning("ha"), Token("1")),
        Reasoning("haha"),
    ]


# --- tool calls ---

CALLED: list[Event] = [
    ToolCall("0:0", complete=True),
    Finished(0, "tool_calls", "tool_calls"),
    Done("tool_calls"),
]


def test_tool_calls_in_deltas() -> None:
    assert decode(
        message(**call('{"city":', "c1", "f")),
        message(**call(' "Beijing"}')),
        message("", "tool_calls", tool_calls=[{"index": 0, "id": "", "function": {}}]),
    ) == [
        ToolCall("0:0", 0, "c1", "f", '{"city":'),
        ToolCall("0:0", arguments=' "Beijing"}'),
        *CALLED,
    ]


@pytest.mark.parametrize("cumulative", [None, True])
def test_tool_calls_whole_each_time(cumulative: bool | None) -> None:
    pieces = ["", '{"city":', '{"city": "Beijing"', '{"city": "Beijing"}']
    values = [message(**call(piece, "c1", "f")) for piece in pieces]
    last = message("", "tool_calls", **call(pieces[-1], "c1", "f"))
    assert decode(*values, last, cumulative=cumulative) == [
        ToolCall("0:0", 0, "c1", "f"),
        *(ToolCall("0:0", arguments=text) for text in ('{"city":', ' "Beijing"', "}")),
        *CALLED,
    ]


def test_arguments_as_an_object_and_a_name_that_comes_late() -> None:
    values = [message(**call("", "c1")), message(**call({"a": 1}, "c1", "f"))]
    assert decode(*values, message("", "length"), cumulative=False) == [
        ToolCall("0:0", 0, "c1"),
        ToolCall("0:0", name="f", arguments='{"a":1}'),
        Finished(0, "length", "length"),  # and the call is not closed
        Done("length"),
    ]


def test_arguments_that_change_cannot_be_taken_back() -> None:
    values = [message(**call('{"a"', "c1", "f")), message(**call('{"b"', "c1", "f"))]
    first, malformed = decode(*values, cumulative=True, eof=False)
    assert first == ToolCall("0:0", 0, "c1", "f", '{"a"')
    assert isinstance(malformed, Error)
    assert not malformed.fatal


# --- what else a chunk may hold ---


def test_several_choices() -> None:
    def one(index: int, text: str, finish: str = "null") -> dict[str, Any]:
        return {"index": index, "message": {"content": text}, "finish_reason": finish}

    values = [choices(one(0, "a"), one(1, "b")), choices(one(1, "c", "stop"))]
    *_, cut = decode(*values)
    assert isinstance(cut, Error)
    assert decode(*values, choices(one(0, "", "length"))) == [
        *(Token("a"), Token("b", 1), Token("c", 1)),
        *(Finished(1, "stop", "stop"), Finished(0, "length", "length"), Done("length")),
    ]


def test_choices_that_stand_side_by_side_without_an_index() -> None:
    both_choices = choices({"message": {"content": "a"}}, {"message": {"content": "b"}})
    assert decode(both_choices, eof=False) == [Token("a"), Token("b", 1)]


def test_content_of_multimodal_models() -> None:
    image = {"image": "https://x/1.png"}
    assert decode(
        message([{"text": "a"}]),
        message([image]),
        message([image, {"text": "b"}, " c ", {"text": 1}, {"text": ""}, {"text": {}}]),
        message([], "stop"),
    ) == [
        *(Token("a"), Data("image", image["image"]), Token("b c 1"), Data("text", {})),
        *STOPPED,
    ]
    assert decode(message(6), eof=False) == [Token("6")]


def test_equal_pieces_of_audio_are_all_told() -> None:
    """They are increments, and silence is the same again and again."""
    piece, last = {"data": "AAAA"}, {"data": "", "url": "u"}
    pieces = (piece, piece, {"data": "BBBB"}, piece, last, last)
    wires = [{"output": {"audio": one}, "request_id": "r"} for one in pieces]
    told = [one.value for one in decode(*wires, eof=False) if isinstance(one, Data)]
    assert told == [piece, piece, {"data": "BBBB"}, piece, last]


def test_a_call_whose_arguments_were_cut_is_not_complete() -> None:
    call = {"id": "c", "function": {"name": "f", "arguments": '{"a"'}}
    asked = {"message": {"content": "", "tool_calls": [call]}, "finish_reason": "tool_calls"}
    assert decode(choices(asked)) == [
        ToolCall("0:0", 0, "c", "f", '{"a"'),
        Finished(0, "tool_calls", "tool_calls"),
        Done("tool_calls"),
    ]


def test_each_field_is_told_or_silent_for_a_reason() -> None:
    first = message("a")

    def after_the_first(payload: bytes) -> list[Event]:
        decoder = Decoder(cumulative=False)
        decoder.receive_frame(Frame(json.dumps(first).encode()))
        return list(decoder.receive_frame(Frame(payload)))

    assert_fields_are_told(
        {
            ChunkWire: (
                '{"request_id":"r","output":{"text":"b"},%s}',
                ("request_id", "output", "code"),
            ),
            OutputWire: ('{"output":{%s,"x":null}}', ()),
            ChoiceWire: ('{"output":{"choices":[{"message":{"content":"b"},%s}]}}', ("message",)),
            MessageWire: ('{"output":{"choices":[{"message":{%s}}]}}', ()),
            UsageWire: ('{"output":{"text":"b"},"usage":{"total_tokens":9,%s}}', ()),
            DetailsWire: (
                '{"output":{"text":"b"},"usage":{"total_tokens":9,"prompt_tokens_details":{%s},'
                '"output_tokens_details":{%s}}}',
                (),
            ),
        },
        SILENT,
        after_the_first,
        {
            "usage": '{"input_tokens":1}',
            "choices": '[{"message":{"content":"b"}}]',
            "tool_calls": '[{"function":{"name":"f"}}]',
            "prompt_tokens_details": '{"cached_tokens":1}',
            "input_tokens_details": '{"cached_tokens":1}',
            "output_tokens_details": '{"reasoning_tokens":1}',
        },
    )


def test_a_field_that_nobody_knows() -> None:
    odd = {"output": {"text": "a", "mood": "calm"}}
    assert decode(odd, odd, eof=False) == [
        Token("a"),
        Data("extra", {"output.mood": "calm"}),
    ]


def test_fields_of_the_output_are_said_when_they_change() -> None:
    def output(**said: Any) -> dict[str, Any]:
        return {"output": {"finish_reason": "null", **said}, "request_id": "r"}

    assert decode(
        output(search_info={"search_results": [1]}),
        output(search_info={"search_results": [1]}, audio={"data": "AA"}),
        output(audio={"data": "BB"}, search_info=None),
        output(finish_reason="stop"),
    ) == [
        Data("search_info", {"search_results": [1]}),
        Data("audio", {"data": "AA"}),
        Data("audio", {"data": "BB"}),
        *STOPPED,
    ]


def test_counts_are_said_when_they_change() -> None:
    first = {**message("a"), "usage": USAGE}
    assert decode(first, {**choices(), "usage": USAGE}, eof=False) == [Token("a"), Usage(3, 1, 4)]


def test_what_has_no_meaning_here() -> None:
    wire = b'data:{"x":1}\n\ndata:[1]\n\ndata:\n\n' + sse(
        {"code": "", "message": ""}, {"code": "c"}
    )
    unknown, malformed, empty, *others, _ = said_in(wire)
    assert (unknown, empty, *others) == (Unknown(), Heartbeat(), Unknown(), Unknown())
    assert isinstance(malformed, Error)
    assert not malformed.fatal


def test_a_hostile_server_does_not_make_it_grow() -> None:
    decoder = Decoder()
    many = choices(*({"index": index} for index in range(MAX_INDEX + 1)))
    *_, last = decoder.receive_frame(Frame(json.dumps(many).encode()))
    assert isinstance(last, Error)
    assert not last.fatal
    calls = message(tool_calls=[{"index": n, "id": f"c{n}"} for n in range(MAX_INDEX + 1)])
    *_, last = decoder.receive_frame(Frame(json.dumps(calls).encode()))
    assert isinstance(last, Error)
    assert not last.fatal


# --- errors ---


@pytest.mark.parametrize(
    ("code", "status", "recovery"),
    [
        ("InvalidParameter", 400, Recovery.FATAL),
        ("DataInspectionFailed", 400, Recovery.FATAL),
        ("Throttling.RateQuota", 429, Recovery.RETRY),
        ("Throttling", 400, Recovery.RETRY),
        ("InternalError.Algo", 400, Recovery.RETRY),
        ("Unheard", 500, Recovery.RETRY),
    ],
)
def test_the_status_of_an_error_stands_in_a_comment(
    code: str, status: int, recovery: Recovery
) -> None:
    said = {"code": code, "message": "no", "request_id": "r"}
    error = Error("vendor", "no", code, status, recovery)
    hi = sse(message("Hi"))
    for wire in (sse(said, event="error", status=status), sse(said, status=status)):
        assert said_in(hi + wire) == [Started("r"), Token("Hi"), error]


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (b'event: error\nstatus: 429\ndata: {"code":"c","message":"no"}\n\n', 429),
        (b'event:error\n:HTTP_STATUS/200\ndata:{"code":"c","message":"no"}\n\n', None),
        (b'event:error\ndata:{"code":"c","message":"no","status_code":503}\n\n', 503),
    ],
)
def test_a_status_elsewhere(wire: bytes, status: int | None) -> None:
    (error,) = said_in(wire)
    assert isinstance(error, Error)
    assert (error.code, error.status) == ("c", status)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("output", "choices", "message", "content", "text", "finish_reason"),
                    *("tool_calls", "function", "arguments", "index", "usage", "code"),
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(st.lists(_VALUES | _VALUES.map(lambda value: {"output": {"choices": [value]}})))
def test_any_json_is_read(values: list[Any]) -> None:
    decoder = Decoder()
    for value in values:
        for event in decoder.receive_frame(Frame(json.dumps(value).encode(), "result")):
            assert event.frame is not None
    decoder.receive_eof()


# --- writing ---


def answers() -> st.SearchStrategy[list[Event]]:
    """Answers that the wire can say."""
    alike = st.sampled_from(["a", "aa", "aaa", "ab"])  # what deltas and whole texts have in common
    body = st.one_of(
        st.builds(Token, texts | alike),
        st.builds(Reasoning, texts | alike),
        st.builds(Data, st.just("search_info"), st.dictionaries(words, counts, min_size=1)),
        st.builds(Heartbeat, comments.map(lambda text: text.lstrip())),
    )
    calls = st.lists(arguments(), max_size=2).map(
        lambda calls: [
            event
            for number, call in enumerate(calls)
            for event in [
                ToolCall(f"0:{number}", 0, f"call_{number}", "f"),
                *(ToolCall(f"0:{number}", arguments=piece) for piece in call),
            ]
        ]
    )
    usage = st.builds(Usage, counts, counts, counts, counts, counts, counts, final=st.just(True))

    def end(events: list[Event], usage: Usage) -> list[Event]:
        keys = dict.fromkeys(event.key for event in events if isinstance(event, ToolCall))
        closed = [ToolCall(key, complete=True) for key in keys]
        return [*events, *closed, Finished(0, "stop", "stop"), usage, Done("stop")]

    started = st.builds(Started, words).map(lambda event: [event])
    said = st.tuples(started, st.lists(body, max_size=6), calls).map(
        lambda t: unlike_data([*t[0], *t[1], *t[2]])
    )
    failed = st.builds(
        Error, st.just("vendor"), texts, words, st.just(429), st.just(Recovery.RETRY)
    )
    return st.one_of(
        st.tuples(said, usage).map(lambda t: end(*t)),
        st.tuples(said, failed).map(lambda t: [*t[0], t[1]]),
    )


def unlike_data(events: list[Event]) -> list[Event]:
    """Without `Data` that says the same as the one before: it would not be said again."""
    last: Event | None = None
    kept: list[Event] = []
    for event in events:
        if isinstance(event, Data):
            if event == last:
                continue
            last = event
        kept.append(event)
    return kept


def encode(events: list[Event], cumulative: bool | None = None) -> bytes:
    encoder = StreamEncoder(dashscope(cumulative=cumulative))
    return b"".join(map(encoder.send, events))


@pytest.mark.parametrize("cumulative", [None, True, False])
@given(answers())
@settings(deadline=None)
def test_round_trip(cumulative: bool | None, events: list[Event]) -> None:
    wire = encode(events, cumulative)
    assert read([wire], dashscope(cumulative=cumulative)).events == events


def test_whole_texts_are_written_whole() -> None:
    wire = encode([Token("a"), Token("b")], cumulative=True)
    assert b'"content":"a"' in wire
    assert b'"content":"ab"' in wire


@pytest.mark.parametrize(
    "event",
    [
        Refusal("a"),
        Reasoning("a", signature="s"),
        Started("r", "model"),
        ToolCall("0", provider_executed=True),
        Data("image", 1),
        Error("malformed", "a", fatal=False),
    ],
)
def test_what_it_cannot_say(event: Event) -> None:
    with pytest.raises(LocalProtocolError, match="dashscope has no way to say"):
        StreamEncoder(DASHSCOPE).send(event)


@pytest.mark.parametrize("events", [[], [Token("a", 1)]])
def test_done_comes_after_finished(events: list[Event]) -> None:
    encoder = StreamEncoder(DASHSCOPE)
    for event in events:
        encoder.send(event)
    with pytest.raises(LocalProtocolError, match="Done comes after a Finished of each choice"):
        encoder.send(Done())
