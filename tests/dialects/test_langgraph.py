"""langgraph: runs of LangGraph's platform, and LangServe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.answers import arguments, comments, counts, texts, words
from tests.cuts import bytewise, every_cut, in_every_cut
from tests.dialects.checks import assert_reads, told
from tests.reading import read

from tokenwire import (
    Completion,
    Cursor,
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
    StreamParser,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.dialects.agents.langgraph import LANGGRAPH, Decoder, langgraph
from tokenwire.dialects.agents.langgraph_messages import is_nested
from tokenwire.dialects.kit.payloads import MAX_INDEX

# --- wires ---


def sse(event: str, *data: Any) -> bytes:
    """As sse-starlette and langgraph-api write it: CRLF, the id after the data."""
    lines = [f"event: {event}", *(f"data: {json.dumps(one)}" for one in data)]
    return "".join(f"{line}\r\n" for line in [*lines, "id: 1-0", ""]).encode()


def message(content: Any = "", id: str | None = "run-1", **said: Any) -> dict[str, Any]:
    return {"type": "AIMessageChunk", "id": id, "content": content, **said}


def chunk(content: Any = "", id: str | None = "run-1", **said: Any) -> bytes:
    return sse("messages", [message(content, id, **said), {"langgraph_node": "agent"}])


def whole(event: str, content: Any, id: str | None = "run-1", **said: Any) -> bytes:
    return sse(event, [{"type": "ai", "id": id, "content": content, **said}])


def ended(word: Any = "stop", name: str = "finish_reason") -> dict[str, Any]:
    return {"response_metadata": {name: word}}


def decode(*wires: bytes, dialect: Dialect = LANGGRAPH, eof: bool = True) -> list[Event]:
    return read([b"".join(wires)], dialect, eof=eof).events


def is_cut(event: Event) -> bool:
    return isinstance(event, Error) and event.kind == "truncated"


HUMAN = {"type": "human", "id": "h", "content": "Hi?"}
TOOL = {"type": "tool", "id": "t", "content": "42", "tool_call_id": "c1"}
RUN = [
    b": heartbeat\r\n\r\n",
    sse("metadata", {"run_id": "r", "attempt": 1}),
    chunk("Hi \u2028🗼"),
    chunk(tool_call_chunks=[{"index": 1, "id": "c1", "name": "f", "args": ""}]),
    chunk(tool_call_chunks=[{"index": 1, "id": None, "name": None, "args": '{"a":1}'}]),
    chunk("", **ended("tool_use", "stop_reason")),
    sse("messages", [TOOL, {}]),
    chunk([{"type": "text", "text": "42", "index": 0}], "run-2"),
    chunk("", "run-2", **ended()),
]
SAID: list[Event] = [
    Heartbeat("heartbeat"),
    Started("r", None),
    Token("Hi \u2028🗼"),
    ToolCall("0:0", 0, "c1", "f"),
    ToolCall("0:0", arguments='{"a":1}'),
    ToolCall("0:0", complete=True),
    Finished(0, "tool_calls", "tool_use"),
    Data("tool", TOOL),
    Token("42", 0, 1),
    Finished(0, "stop", "stop"),
]


def both(data: bytes) -> Iterator[list[bytes]]:
    yield bytewise(data)
    yield from every_cut(data)


@pytest.mark.parametrize("end", [b"", sse("end", None), sse("end")])
def test_a_run(end: bytes) -> None:
    wire = b"".join(RUN) + end
    outcome = in_every_cut(lambda chunks: read(chunks, LANGGRAPH), wire, both)
    assert outcome.events == [*SAID, Done("stop")]
    assert outcome.cursor == Cursor("id", "1-0")
    assert Completion.from_events(outcome.events).text == "Hi \u2028🗼42"


def test_a_run_that_was_cut() -> None:
    """However much of it came: a message that called a tool does not end a run."""
    for last in range(len(RUN)):
        assert is_cut(decode(*RUN[:last])[-1])
    wire = b"".join(RUN)
    for end in range(len(wire) - len(RUN[-1])):
        assert is_cut(read([wire[:end]], LANGGRAPH).events[-1])


def test_where_the_end_is_required() -> None:
    required = langgraph(end_required=True)
    assert is_cut(decode(*RUN, dialect=required)[-1])
    assert decode(*RUN, sse("end", None), dialect=required)[-1] == Done("stop")


# --- messages ---


def test_several_messages_are_parts_in_order_of_arrival() -> None:
    wires = [
        chunk("a", "x"),
        sse("messages|sub:1|deep:2", [message("b", "y"), {}]),
        chunk("c", "x"),
        chunk("", "y", chunk_position="last"),
    ]
    assert is_cut(decode(*wires)[-1])
    wires.append(chunk("", "x", chunk_position="last"))
    assert decode(*wires) == [*(Token("a"), Token("b", 0, 1), Token("c")), Done("other")]


def test_messages_without_an_id_follow_each_other() -> None:
    wires = [
        chunk("a", None),
        chunk("b", None, **ended()),
        chunk("c", None, **ended()),
        sse("messages", [{"type": "ai", "content": "d"}, {}]),
        sse("messages", [{"type": "ai", "content": "d"}, {}]),
    ]
    tokens = [event for event in decode(*wires) if isinstance(event, Token)]
    assert [(token.text, token.part) for token in tokens] == [
        *(("a", 0), ("b", 0), ("c", 1), ("d", 2), ("d", 3)),
    ]


def test_q23_partial_messages_are_whole_each_time() -> None:
    wires = [
        sse("messages/metadata", {"run-1": {"metadata": {}}}),
        *(whole("messages/partial", text) for text in ("H", "Hi", "Hi", "Hi!")),
        whole("messages/partial", "Hi!", **ended()),
        whole("messages/partial", "Hi!", **ended("stopstop")),  # as merged chunks have it
        whole("messages/complete", "Hi!"),
    ]
    assert decode(*wires) == [
        Data("messages/metadata", {"run-1": {"metadata": {}}}),
        *(Token("H"), Token("i"), Token("!")),
        Finished(0, "stop", "stop"),
        Done("stop"),
    ]


def test_q23_a_rewritten_message_replaces_the_one_before() -> None:
    wires = [whole("messages/partial", "Hello"), whole("messages/partial", "Bye")]
    assert decode(*wires, eof=False) == [Token("Hello"), Reset(0, 0, "Bye")]


def test_q24_a_whole_message_after_its_chunks_says_nothing_new() -> None:
    again = sse("messages", [{"type": "ai", "id": "run-1", "content": "Hi"}, {}])
    assert decode(chunk("H"), chunk("i"), again) == [Token("H"), Token("i"), Done("other")]


def test_whole_messages() -> None:
    calls = [{"id": "c1", "name": "f", "args": {"a": 1}, "type": "tool_call"}, {"args": "{}"}]
    wires = [
        sse("messages/complete", [HUMAN, "odd"]),
        whole("messages/complete", "a", "x", tool_calls=calls),
        whole("messages/complete", "b", "y"),
    ]
    assert decode(*wires) == [
        Data("human", HUMAN),
        Data("messages/complete", "odd"),
        Token("a"),
        ToolCall("0:0", 0, "c1", "f", '{"a":1}', complete=True),
        ToolCall("0:1", arguments="{}", complete=True),
        Token("b", 0, 1),
        Done("other"),
    ]


def test_calls_of_partial_messages_wait_until_they_are_whole() -> None:
    """Their arguments are objects that grow."""
    partial = [
        whole("messages/partial", "", tool_calls=[{"id": "c1", "name": "f", "args": args}])
        for args in ({}, {"a": 1})
    ]
    called = ToolCall("0:0", 0, "c1", "f", '{"a":1}', complete=True)
    finish = whole("messages/partial", "", **ended("tool_calls"))
    *said, last = decode(*partial, finish)
    assert said == [called, Finished(0, "tool_calls", "tool_calls")]
    assert is_cut(last)
    assert decode(*partial, sse("end", None)) == [called, Done("other")]
    assert is_cut(decode(*partial)[0])


def test_calls_of_an_answer_that_was_cut_are_not_closed() -> None:
    call = chunk(tool_call_chunks=[{"index": "lc_0", "id": "c1", "name": "f", "args": "{"}])
    end = chunk("", **ended("max_tokens", "stop_reason"))
    assert decode(call, end, sse("end", None)) == [
        ToolCall("0:0", 0, "c1", "f", "{"),
        Finished(0, "length", "max_tokens"),
        Done("length"),
    ]


def test_fragments_of_calls_that_say_nothing() -> None:
    assert decode(
        chunk(tool_call_chunks=[{"index": 0}]),
        chunk(tool_call_chunks=[{"index": 0, "args": ""}]),
        chunk("", **ended("tool_calls")),
        eof=False,
    ) == [Finished(0, "tool_calls", "tool_calls")]


BLOCKS = [
    {"type": "thinking", "thinking": "a", "signature": "s"},
    {"type": "reasoning", "reasoning": "b"},
    {"type": "reasoning", "summary": [{"text": "c"}, "odd"]},
    {"type": "text", "text": "d"},
    "e",
    {"type": "tool_use", "input": "{}"},
    {"type": ["odd"]},
    {"type": "image_url", "image_url": "x"},
]
IN_BLOCKS = [
    Reasoning("abc", signature="s"),
    Token("de"),
    Data("['odd']", {"type": ["odd"]}),
    Data("image_url", {"type": "image_url", "image_url": "x"}),
]


@pytest.mark.parametrize("wire", [chunk(BLOCKS), whole("messages/partial", BLOCKS)])
def test_content_in_blocks(wire: bytes) -> None:
    assert decode(wire, eof=False) == IN_BLOCKS


def test_blocks_of_partial_messages_are_said_once() -> None:
    wires = [whole("messages/partial", BLOCKS[:size]) for size in (1, 5, 8, 8)]
    events = decode(*wires, eof=False)
    assert [event for event in events if isinstance(event, Data)] == IN_BLOCKS[2:]
    completion = Completion.from_events(events)
    assert (completion.text, completion.choices[0].reasoning) == ("de", "abc")


def test_reasoning_beside_the_content() -> None:
    assert decode(chunk("", additional_kwargs={"reasoning_content": "a"}), eof=False) == [
        Reasoning("a")
    ]


def test_counts_of_chunks_add_up() -> None:
    first = {"input_tokens": 9, "output_tokens": 1, "total_tokens": 10}
    rest = {
        "input_tokens": 0,
        "output_tokens": 4,
        "total_tokens": 4,
        "input_token_details": {"cache_read": 2, "cache_creation": 1},
        "output_token_details": {"reasoning": 3},
    }
    assert decode(
        chunk("", usage_metadata=first),
        chunk("", usage_metadata={}),
        chunk("", usage_metadata=rest, **ended()),
    ) == [
        Usage(9, 1, 10),
        Finished(0, "stop", "stop"),
        Usage(9, 5, 14, 3, 2, 1, final=True),
        Done("stop"),
    ]
    twice = [whole("messages/partial", "", usage_metadata=first)] * 2
    assert decode(*twice, eof=False) == [Usage(9, 1, 10)]
    assert decode(chunk("", usage_metadata={}), eof=False) == []


# --- other modes, and where a run may rest ---

AI = {"type": "ai", "content": "Hi"}
CALLING = {"type": "ai", "content": "", "tool_calls": [{"name": "f", "args": {}}]}


@pytest.mark.parametrize(
    ("event", "value", "rests"),
    [
        ("values", {"messages": [HUMAN]}, None),
        ("values", {"messages": [HUMAN, AI]}, "stop"),
        ("values", {"messages": [{**AI, **ended("length")}]}, "length"),
        ("values", {"messages": [HUMAN, CALLING]}, None),
        ("values", {"messages": []}, None),
        ("values", {"answer": 1}, None),
        ("values", [1], None),
        ("values", {"__interrupt__": [{"value": "sure?"}]}, "pause"),
        ("updates", {"__interrupt__": [{"value": "sure?"}]}, "pause"),
        ("updates", {"agent": {"messages": [AI]}, "other": None}, "stop"),
        ("updates", {"agent": {"messages": [CALLING]}}, None),
        ("values|sub:1", {"messages": [AI]}, None),
        ("custom", {"messages": [AI]}, None),
        ("debug", {"type": "task"}, None),
        ("messages", {"event": "content-block-delta"}, None),
        ("messages", [], None),
        ("messages/partial", 1, None),
        ("metadata", 1, None),
    ],
)
def test_other_modes_are_data(event: str, value: Any, rests: Any) -> None:
    said, last = decode(sse(event, value))
    assert said == Data(event, value)
    assert is_cut(last) if rests is None else last == Done(rests)


def checkpoint(*following: str, place: str = "", **said: Any) -> dict[str, Any]:
    config = {"configurable": {"checkpoint_ns": place}}
    return {"config": config, "next": list(following), "tasks": [], **said}


def root(kind: str, *parents: str) -> bytes:
    return sse("events", {"event": kind, "parent_ids": list(parents)})


RUNS = sse("checkpoints", checkpoint("agent"))
OVER = sse("checkpoints", checkpoint())
BEGUN = sse("tasks", {"id": "t", "name": "agent", "input": {}})


@pytest.mark.parametrize(
    ("wires", "end"),
    [
        ([RUNS, OVER], "stop"),
        ([sse("debug", {"type": "checkpoint", "payload": checkpoint()})], "stop"),
        ([root("on_chain_start"), root("on_chain_end")], "stop"),
        ([OVER, RUNS, sse("checkpoints", checkpoint("h", tasks=[{"interrupts": [1]}]))], "pause"),
        ([RUNS, sse("tasks", {"id": "t", "interrupts": [{"value": 1}], "result": {}})], "pause"),
        # Something is left to do, or nothing tells.
        ([], None),
        ([OVER, RUNS], None),
        ([root("on_chain_end"), root("on_chain_start")], None),
        ([root("on_chain_end", "r")], None),
        ([root("on_tool_end")], None),
        ([sse("checkpoints|sub:1", checkpoint())], None),
        ([sse("checkpoints", checkpoint(place="sub:1"))], None),
        ([sse("checkpoints", {"next": None})], None),
        ([sse("debug", {"type": "checkpoint", "payload": 1})], None),
        ([sse("custom", 1), sse("custom", {"next": []})], None),
        ([BEGUN, sse("tasks", {"id": "t", "name": "agent", "result": {}})], None),
        ([sse("tasks", {"id": "t", "name": "agent", "error": "no", "result": None})], None),
    ],
)
def test_what_proves_the_end_of_a_run(wires: list[bytes], end: Any) -> None:
    """Where the platform sends none; a finish of the last message is not needed then."""
    started = sse("metadata", {"run_id": "r"})
    last = decode(started, *wires)[-1]
    assert is_cut(last) if end is None else last == Done(end)
    assert is_cut(decode(started, *wires, dialect=langgraph(end_required=True))[-1])


@pytest.mark.parametrize("wire", [RUNS, BEGUN, root("on_chain_start")])
def test_a_finished_message_is_no_end_where_something_is_left_to_do(wire: bytes) -> None:
    """A graph in which another model follows."""
    finished = chunk("a", **ended())
    assert is_cut(decode(wire, finished)[-1])
    assert decode(wire, finished, OVER)[-1] == Done("stop")


def test_a_message_of_a_subgraph_or_of_a_step_is_no_end() -> None:
    """The graph goes on after it, as far as anyone can tell."""
    said = [message("a", **ended()), {"langgraph_checkpoint_ns": "agent:1"}]
    assert decode(sse("messages", said))[-1] == Done("stop")
    for about in ({"langgraph_checkpoint_ns": "in:1|agent:2"}, {"ls_integration": "langgraph"}):
        assert is_cut(decode(sse("messages", [said[0], about]))[-1])
        told = sse("messages/metadata", {"run-1": {"metadata": about}, "x": 1})
        assert is_cut(decode(told, whole("messages/partial", "a", **ended()))[-1])
        state = sse("values", {"messages": [{**AI, "id": "run-1"}]})
        assert is_cut(decode(told, whole("messages/partial", "a", **ended()), state)[-1])
    assert is_cut(decode(sse("messages|in:1", said))[-1])
    last = [sse("messages|in:1", said), chunk("b", "run-2", **ended())]
    assert decode(*last)[-1] == Done("stop")
    many = {str(n): {"metadata": {"ls_integration": "langgraph"}} for n in range(MAX_INDEX + 1)}
    assert decode(sse("messages/metadata", many), chunk("a", **ended()))[-1] == Done("stop")


def test_a_state_says_why_its_last_message_ended() -> None:
    """And where it does not, what was streamed of it says it."""
    state = sse("values", {"messages": [{**AI, "id": "run-1"}]})
    assert decode(chunk("a", **ended("length")), state)[-1] == Done("length")


def test_what_a_tool_said_is_answered() -> None:
    finished = chunk("a", **ended())
    assert decode(finished)[-1] == Done("stop")
    assert is_cut(decode(finished, sse("messages", [TOOL, {}]))[-1])
    assert is_cut(decode(finished, chunk("b", "run-2"))[-1])


def test_what_has_no_meaning_here() -> None:
    wires = [
        b'data: {"x": 1}\r\n\r\n',
        sse("values"),
        b"event: values\r\ndata:\r\n\r\n",
        b"event: values\r\ndata: {\r\n\r\n",
        sse("ping", 1),
        sse("messages", [message("a", id=[7]), {}]),
    ]
    unknown, bare, empty, malformed, ping, extra, text, _ = decode(*wires)
    assert (unknown, bare, empty, ping) == (
        *(Unknown(), Heartbeat("values"), Heartbeat("values"), Heartbeat("ping")),
    )
    assert isinstance(malformed, Error)
    assert not malformed.fatal
    assert (extra, text) == (Data("extra", {"id": [7]}), Token("a"))


def test_values_of_another_type_cost_no_text() -> None:
    assert decode(chunk(6), eof=False) == [Token("6")]
    assert decode(chunk([{"type": "text", "text": 6}, True], 7), eof=False) == [Token("6true")]
    odd = {"tool_call_chunks": "x", "usage_metadata": []}
    assert decode(chunk("a", **odd), eof=False) == [
        Data("extra", {"tool_call_chunks": "x"}),
        Token("a"),
    ]


def test_a_whole_message_says_what_its_chunks_lacked() -> None:
    told = decode(chunk("a"), whole("messages/complete", "a b"), eof=False)
    assert told == [Token("a"), Token(" b")]
    assert decode(chunk("a"), whole("messages/complete", "b"), eof=False) == [Token("a")]


def test_a_call_that_comes_whole_is_complete_only_where_its_arguments_are() -> None:
    cut = [{"id": "c", "name": "f", "args": '{"a'}]
    assert decode(whole("messages/complete", "", tool_calls=cut), eof=False) == [
        ToolCall("0:0", 0, "c", "f", '{"a')
    ]


# --- LangServe ---


def test_q08_langserve_ends_without_data() -> None:
    wires = [sse("metadata", {"run_id": "r"}), sse("data", "Hi"), sse("data", " there")]
    assert decode(*wires, sse("data", ""), sse("end")) == [
        *(Started("r"), Token("Hi"), Token(" there"), Done("stop")),
    ]
    assert is_cut(decode(*wires)[-1])


def test_langserve_sends_what_its_chain_gives() -> None:
    wires = [sse("data", message("Hi")), sse("data", {"steps": [1]}), sse("data", [1])]
    finish = sse("data", message("", **ended()))
    said = [Token("Hi"), Data("data", {"steps": [1]}), Data("data", [1])]
    assert decode(*wires, finish, sse("end")) == [*said, Finished(0, "stop", "stop"), Done("stop")]
    assert is_cut(decode(*wires, finish)[-1])


# --- errors ---


@pytest.mark.parametrize(
    ("wire", "error"),
    [
        (
            sse("error", {"error": "GraphRecursionError", "message": "25 steps"}),
            Error("vendor", "25 steps", "GraphRecursionError"),
        ),
        (
            sse("error", {"status_code": 500, "message": "Internal Server Error"}),
            Error("vendor", "Internal Server Error", "500", 500, Recovery.RETRY),
        ),
        (sse("error", {"error": "no"}), Error("vendor", "no")),
        (b"event: error\r\ndata: no\r\n\r\n", Error("vendor", "no")),
        (b'data: {"error": {"message": "no"}}\r\n\r\n', Error("vendor", "no")),
    ],
)
def test_errors(wire: bytes, error: Error) -> None:
    assert decode(chunk("a"), wire) == [Token("a"), error]


# --- totality ---


def test_a_hostile_server_does_not_make_it_grow() -> None:
    """Of ever more messages the oldest are forgotten."""
    decoder = Decoder()
    said = [
        event
        for number in [*range(MAX_INDEX), MAX_INDEX - 1, MAX_INDEX, 0]
        for event in decoder.receive_frame(
            Frame(json.dumps([{**AI, "id": f"m{number}"}]).encode(), "messages/partial")
        )
    ]
    assert said == [Token("Hi", 0, part) for part in range(MAX_INDEX + 2)]
    calls = [{"index": number, "id": f"c{number}"} for number in range(MAX_INDEX + 1)]
    many = message("", "m", tool_call_chunks=calls)
    *_, last = decoder.receive_frame(Frame(json.dumps([many, {}]).encode(), "messages"))
    assert isinstance(last, Error)
    assert not last.fatal


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["ai", "AIMessageChunk", "text"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("type", "id", "content", "text", "tool_calls", "tool_call_chunks", "args"),
                    *("usage_metadata", "response_metadata", "messages", "summary", "error"),
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)
_MODES = ["", "messages", "messages/partial", "messages/complete", "values", "updates", "data"]


@given(st.lists(st.tuples(st.sampled_from([*_MODES, "metadata", "error"]), _VALUES)))
def test_any_json_is_read(values: list[tuple[str, Any]]) -> None:
    decoder = Decoder()
    for event, value in values:
        for said in decoder.receive_frame(Frame(json.dumps(value).encode(), event)):
            assert said.frame is not None
    decoder.receive_eof()


# --- writing ---


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Answers that the wire can say."""
    body = st.one_of(
        st.builds(Token, texts),
        st.builds(Reasoning, texts, signature=st.none() | words),
        st.builds(Data, st.sampled_from(["values", "custom"]), st.dictionaries(words, texts)),
        st.builds(Heartbeat, comments.map(lambda text: text.lstrip())),
    )
    events: list[Event] = [draw(st.builds(Started, words)), *draw(st.lists(body, max_size=6))]
    keys = [f"0:{number}" for number in range(draw(st.integers(0, 2)))]
    for key in keys:
        events.append(ToolCall(key, 0, f"call-{key}", draw(words)))
        events.extend(ToolCall(key, arguments=piece) for piece in draw(arguments(2)))
    if draw(st.booleans()):
        return [*events, draw(st.builds(Error, st.just("vendor"), texts, words))]
    word = "tool_calls" if keys else "stop"
    closed = [ToolCall(key, complete=True) for key in keys]
    many = st.builds(Usage, counts, counts, counts, counts, counts, counts, final=st.just(True))
    usages = draw(st.lists(many, max_size=3, unique=True))
    reason: Any = word
    return [*events, *closed, Finished(0, reason, word), *usages, Done(reason)]


def encode(events: list[Event]) -> bytes:
    encoder = StreamEncoder(LANGGRAPH)
    return b"".join(map(encoder.send, events))


@given(answers())
@settings(deadline=None)
def test_round_trip(events: list[Event]) -> None:
    assert read([encode(events)], LANGGRAPH).events == events


def test_several_messages_can_be_written() -> None:
    events: list[Event] = [
        *(Token("a"), Finished(0, "stop", "stop"), Usage(1, 2, final=True)),
        *(Token("b", 0, 1), Finished(0, "stop", "stop"), Usage(3, 4, final=True), Done("stop")),
    ]
    assert read([encode(events)], LANGGRAPH).events == events


@pytest.mark.parametrize(
    "event",
    [
        Refusal("a"),
        Token("a", 1),
        Started("r", "model"),
        ToolCall("0", provider_executed=True),
        *(Data(kind, {}) for kind in ("messages/partial", "end", "data", "values|sub", "")),
        Error("malformed", "a", fatal=False),
    ],
)
def test_what_it_cannot_say(event: Event) -> None:
    with pytest.raises(LocalProtocolError, match="langgraph has no way to say"):
        StreamEncoder(LANGGRAPH).send(event)


def test_done_comes_after_finished() -> None:
    encoder = StreamEncoder(LANGGRAPH)
    encoder.send(Token("a"))
    with pytest.raises(LocalProtocolError, match="Done comes after Finished"):
        encoder.send(Done())


def test_a_broken_connection_proves_nothing() -> None:
    """Where only the end of the body would tell, a break does not."""
    parser = StreamParser("langgraph")
    parser.receive_data(
        b'event: messages\ndata: [{"type":"AIMessageChunk","id":"m","content":"Hi",'
        b'"response_metadata":{"finish_reason":"stop"},"chunk_position":"last"},{}]\n\n'
    )
    parser.connection_lost("reset by peer")
    last = list(parser.events())[-1]
    assert isinstance(last, Error)
    assert last.kind == "transport"


# --- the thread protocol ---


def event(method: str, data: Any, *namespace: str, **params: Any) -> bytes:
    said = {"namespace": list(namespace), "data": data, **params}
    return sse(method, {"type": "event", "event_id": "1", "method": method, "params": said})


def block(kind: str, index: Any = 0, *place: str, **said: Any) -> bytes:
    place = place or ("model:1",)
    return event("messages", {"event": f"content-block-{kind}", "index": index, **said}, *place)


def text_delta(text: Any, *place: str) -> bytes:
    return block("delta", 0, *place, delta={"type": "text-delta", "text": text})


def starts(id: str = "m", *place: str, **said: Any) -> bytes:
    return event("messages", {"event": "message-start", "id": id, **said}, *(place or ("model:1",)))


def finishes(reason: str | None = "stop", *place: str, **said: Any) -> bytes:
    data = {"event": "message-finish", "reason": reason, **said}
    return event("messages", data, *(place or ("model:1",)))


RUNNING = event("lifecycle", {"event": "running", "graph_name": "g"})
COMPLETED = event("lifecycle", {"event": "completed"})
THREAD = [
    RUNNING,
    event("values", {"messages": [HUMAN]}),
    starts(),
    block("start", 0, content={"type": "reasoning", "reasoning": "h", "index": 0}),
    block("delta", 0, delta={"type": "reasoning-delta", "reasoning": "m"}),
    block("finish", 0, content={"type": "reasoning", "reasoning": "hm."}),
    block("start", 1, content={"type": "text", "text": ""}),
    block("delta", 1, delta={"type": "text-delta", "text": "Hé"}),
    block("delta", 1, content={"type": "text", "text": "llo"}),
    block("finish", 1, content={"type": "text", "text": "Héllo\u2028"}),
    finishes(
        usage={"input_tokens": 3, "output_tokens": 2, "output_token_details": {"reasoning": 1}}
    ),
    COMPLETED,
]
SAID_THERE: list[Event] = [
    Data("lifecycle", {"event": "running", "graph_name": "g"}),
    Data("values", {"messages": [HUMAN]}),
    Started("m"),
    *(Reasoning("h"), Reasoning("m"), Reasoning(".")),
    *(Token("Hé", part=1), Token("llo", part=1), Token("\u2028", part=1)),
    Usage(3, 2, reasoning_tokens=1, final=True),
    Finished(0, "stop", "stop"),
    Data("lifecycle", {"event": "completed"}),
    Done("stop"),
]


def test_the_thread_protocol() -> None:
    assert_reads(LANGGRAPH, b"".join(THREAD), SAID_THERE)
    assert told(THREAD[0]) == "langgraph"


@pytest.mark.parametrize(
    ("wires", "last"),
    [
        ([COMPLETED], Done("stop")),
        ([starts(), text_delta("a"), finishes("length"), COMPLETED], Done("length")),
        ([event("lifecycle", {"event": "interrupted"})], Done("pause")),
        ([event("lifecycle", {"event": "failed", "error": "no"})], Error("vendor", "no")),
        (
            [event("lifecycle", {"event": "failed"})],
            Error("vendor", "the run failed without a message"),
        ),
        # Where the lifecycle was not asked for.
        ([starts(), text_delta("a"), finishes()], Done("stop")),
        ([starts(), text_delta("a"), finishes(None), event("values", {})], Done("stop")),
        ([starts(), text_delta("a")], None),
        ([starts(), text_delta("a"), finishes("tool_calls")], None),
        ([starts(), text_delta("a"), finishes(), event("tools", {"event": "tool-started"})], None),
        ([starts(), finishes(), event("lifecycle", {"event": "completed"}, "sub:1")], Done("stop")),
        ([starts("m", "sub:1", "model:2"), finishes("stop", "sub:1", "model:2")], None),
        ([RUNNING, starts(), finishes()], None),
        ([event("lifecycle", 1)], None),
    ],
)
def test_how_a_run_of_a_thread_ends(wires: list[bytes], last: Any) -> None:
    got = decode(*wires)[-1]
    assert is_cut(got) if last is None else got == last


def test_calls_of_the_thread_protocol() -> None:
    """Each piece has all arguments so far, or is one; what is told whole completes them."""
    chunk = {"type": "tool_call_chunk", "id": "c", "name": "f", "args": ""}

    def piece(args: str) -> bytes:
        fields = {"type": "tool_call_chunk", "args": args}
        return block("delta", 0, delta={"type": "block-delta", "fields": fields})

    def whole_call(args: Any, **said: Any) -> bytes:
        return block("finish", 0, content={"type": "tool_call", "args": args, **said})

    begun = [starts(), block("start", 0, content=chunk)]
    named = ToolCall("call:0", 0, "c", "f")

    def calls(*wires: bytes) -> list[Event]:
        return [one for one in decode(*begun, *wires, eof=False) if isinstance(one, ToolCall)]

    done = ToolCall("call:0", complete=True)
    first, rest = ToolCall("call:0", arguments='{"a"'), ToolCall("call:0", arguments=":1}")
    snapshots = (piece('{"a"'), piece('{"a":1}'), piece('{"a":1}'))
    assert calls(*snapshots, whole_call({"a": 1})) == [named, first, rest, done]
    assert calls(piece('{"a"'), piece(":1}"), whole_call({"a": 1})) == [named, first, rest, done]
    tail = ToolCall("call:0", arguments=":1}", complete=True)
    assert calls(piece('{"a"'), whole_call({"a": 1})) == [named, first, tail]
    assert calls(piece('{"a"'), whole_call({"b": 1})) == [named, first]
    assert calls(whole_call(None)) == [named, ToolCall("call:0", 0, arguments="{}", complete=True)]
    alone = decode(starts(), whole_call('{"a":1}', id="c", name="f"), finishes(), eof=False)
    assert alone[1] == ToolCall("call:0", 0, "c", "f", '{"a":1}', complete=True)
    assert is_cut(decode(starts(), whole_call({}, id="c"), finishes())[-1])


def test_other_blocks_and_messages_of_the_thread_protocol() -> None:
    image = {"type": "image", "data": "AA"}
    tool = {"type": "text", "text": "42"}
    odd = {"event": "message-error", "message": "no"}
    assert decode(
        text_delta("joined late"),
        block("start", 1, content=image),
        block("delta", 1, delta={"type": "data-delta", "data": "AA"}),
        block("finish", 1, content=image),
        block("delta", 2),
        block("finish", 0, content={"type": "text", "text": "other"}),
        block("finish", 0, content={"type": "text", "text": ""}),
        starts("t", "tools:1", role="tool"),
        block("start", 0, "tools:1", content=tool),
        block("finish", 0, "tools:1", content=tool),
        finishes(None, "tools:1"),
        event("messages", odd, "model:1"),
        finishes("stop", usage={"input_tokens": "x"}),
        event("custom", 1),
        eof=False,
    ) == [
        Token("joined late"),
        Data("data", {"type": "data", "data": "AA"}, part=2),
        Data("image", image, part=1),
        Data("content-block-delta", {"event": "content-block-delta", "index": 2}),
        Reset(0, 0, "other"),
        Data("tool", tool),
        Data("message-error", odd),
        Finished(0, "stop", "stop"),
        Data("custom", 1),
    ]


def test_the_memory_of_a_thread_is_bounded() -> None:
    many = [starts("", f"n:{n}") for n in range(MAX_INDEX + 1)]
    blocks = [
        block("delta", n, "n:0", delta={"type": "text-delta", "text": "a"})
        for n in range(MAX_INDEX + 1)
    ]
    late = [text_delta("a", f"n:{n}") for n in range(MAX_INDEX + 1)]  # their starts were missed
    for wires in (many, blocks, late):
        *_, one = decode(*wires, eof=False)
        assert isinstance(one, Error)
        assert one.kind == "malformed"


def test_what_stands_where_something_else_should_is_told() -> None:
    blocks = [{"type": "text", "text": ["a"]}, {"type": "thinking", "thinking": 6}, ["b"]]
    found = decode(chunk(blocks, response_metadata="x"))
    value = {"response_metadata": "x", "content.text": ["a"], "content": ["b"]}
    assert found[:2] == [Reasoning("6"), Data("extra", value)]
    found = decode(chunk("a", tool_call_chunks=[{"index": 0.5, "args": ""}], **ended(["stop"])))
    value = {"response_metadata.finish_reason": ["stop"], "tool_call_chunks[0].index": 0.5}
    assert found[-2] == Data("extra", value)


def test_calls_are_told_apart_by_words_too() -> None:
    """As newer versions do; beyond very many a word says nothing."""
    pieces = [("lc_1", "c1"), ("lc_2", "c2"), ("lc_1", None)]
    calls = [[{"index": word, "id": id, "name": id, "args": "{}"}] for word, id in pieces]
    calls[0][0]["args"] = ""
    found = decode(*(chunk(tool_call_chunks=one) for one in calls))
    assert [(one.key, one.arguments) for one in found if isinstance(one, ToolCall)] == [
        *(("0:0", ""), ("0:1", "{}"), ("0:0", "{}"))
    ]
    many = [{"index": f"w{n}", "id": f"c{n}", "name": "f"} for n in range(MAX_INDEX + 1)]
    assert not any(event == Done("stop") for event in decode(chunk(tool_call_chunks=many)))


def test_what_is_said_beside_a_message_may_be_no_object() -> None:
    for metadata in (7, None, "graph", []):
        assert not is_nested(metadata)
