"""coze: chats of bots, and runs of workflows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.dialects.checks import assert_reads, told
from tests.reading import read

from tokenwire import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Reasoning,
    Reset,
    Started,
    StreamParser,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.dialects.agents.coze import COZE
from tokenwire.dialects.kit.payloads import MAX_INDEX

Named = tuple[str, Any]


def chat(status: str, **said: Any) -> Named:
    return f"conversation.chat.{status}", {"id": "c", "status": status, **said}


def message(content: str | None, id: str = "m", *, whole: bool = False, **said: Any) -> Named:
    kind = "completed" if whole else "delta"
    one = {"id": id, "type": "answer", "content": content, "content_type": "text", **said}
    return f"conversation.message.{kind}", one


def node(content: str, *, last: bool = False, **said: Any) -> Named:
    return "Message", {"content": content, "node_is_finish": last, "node_title": "n", **said}


def wire(*events: Named) -> bytes:
    """No space after the colons, and a sentinel in quotes."""
    lines = (f"event:{name}\ndata:{json.dumps(data)}\n\n" for name, data in events)
    return "".join(lines).encode()


def events(*said: Named) -> list[Event]:
    return read([wire(*said)], COZE).events


DONE: Named = ("done", "[DONE]")
COUNTS = {"token_count": 5, "output_count": 2, "input_count": 3}
CHAT = wire(
    chat("created", usage={"token_count": 0, "output_count": 0, "input_count": 0}),
    chat("in_progress"),
    message(None, reasoning_content="hm"),
    message("Hé"),
    message("llo\u2028"),
    message("Héllo\u2028.", whole=True, reasoning_content="hm"),
    ("conversation.message.completed", {"id": "v", "type": "verbose", "content": "{}"}),
    chat("completed", usage=COUNTS),
    DONE,
)
SAID: list[Event] = [
    Started("c"),
    Reasoning("hm"),
    Token("Hé"),
    Token("llo\u2028"),
    Token("."),
    Data("verbose", {"id": "v", "type": "verbose", "content": "{}"}),
    Usage(3, 2, 5, final=True),
    Finished(0, "stop", "completed"),
    Done("stop"),
]


def test_a_chat() -> None:
    assert_reads(COZE, CHAT, SAID)
    assert told(CHAT) == "coze"
    assert told(wire(node("a", last=True))) == "coze"
    assert told(wire(("conversation.response.started", {"conversation_id": "c"}))) != "coze"


@pytest.mark.parametrize(
    ("end", "last"),
    [
        ([chat("canceled"), DONE], Done("cancelled")),
        ([chat("completed")], Done("stop")),
        ([chat("completed"), ("done", {"debug_url": "u"})], Done("stop")),
        ([chat("failed", last_error={"code": 700, "msg": "no"})], Error("vendor", "no", "700")),
        ([("error", {"code": 4000, "msg": "no"})], Error("vendor", "no", "4000")),
    ],
)
def test_how_a_chat_ends(end: list[Named], last: Event) -> None:
    assert events(message("a"), *end)[-1] == last


def test_done_alone_proves_nothing() -> None:
    cut = events(message("a"), DONE)[-1]
    assert isinstance(cut, Error)
    assert cut.kind == "truncated"


def test_a_message_that_comes_whole_is_compared_with_its_pieces() -> None:
    assert events(message("a"), message("b", "n"), message("ab", whole=True))[:3] == [
        *(Token("a"), Token("b", part=1), Token("b")),
    ]
    assert events(message("a"), message("c", whole=True), message("cd", whole=True))[:3] == [
        *(Token("a"), Reset(0, 0, "c"), Token("d")),
    ]
    assert events(message("a"), message("", whole=True))[:-1] == [Token("a")]
    assert events(message("a", whole=True))[:-1] == [Token("a")]


def test_what_is_no_text_is_data() -> None:
    card = {"id": "m", "type": "answer", "content": "{}", "content_type": "card"}
    call = {"id": "f", "type": "function_call", "content": '{"name":"f"}', "content_type": "text"}
    assert events(
        ("conversation.message.completed", card),
        ("conversation.message.completed", call),
        ("conversation.audio.delta", {"content": "AAAA"}),
        ("ping", {}),
        ("brand.new", {}),
    )[:-1] == [
        *(Data("answer", card), Data("function_call", call), Data("audio", "AAAA")),
        *(Heartbeat("ping"), Unknown()),
    ]


def test_calls_that_the_client_is_to_run() -> None:
    calls = [
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "2", "type": "function", "function": {"name": "g", "arguments": '{"a"'}},
        {"id": "3"},
        4,
    ]
    asked = {"submit_tool_outputs": {"tool_calls": calls}}
    assert events(chat("requires_action", required_action=asked), DONE) == [
        Started("c"),
        ToolCall("0", 0, "1", "f", '{"a":1}', complete=True),
        ToolCall("1", 0, "2", "g", '{"a"'),
        Finished(0, "tool_calls", "requires_action"),
        Done("tool_calls"),
    ]
    assert events(chat("requires_action", required_action=1))[-1] == Done("tool_calls")


def test_a_workflow() -> None:
    """Each node is a part; one that asks the user ends the run for now."""
    picture = node("{}", content_type="card")
    assert events(node("a"), node("b", last=True), node("c"), node(""), picture, ("Done", {})) == [
        *(Token("a"), Token("b"), Token("c", part=1), Data("message", picture[1])),
        *(Finished(0, "stop", "Done"), Done("stop")),
    ]
    asked: Named = ("Interrupt", {"interrupt_data": {"event_id": "e"}})
    paused = [Data("Interrupt", asked[1]), Finished(0, "pause", "Interrupt"), Done("pause")]
    assert events(asked) == paused
    assert events(asked, ("Done", {})) == paused
    failed = ("Error", {"error_code": 4000, "error_message": "no"})
    assert events(node("a"), failed)[-1] == Error("vendor", "no", "4000")
    assert events(("Error", {}))[-1] == Error("vendor", "the workflow failed without a message")
    cut = events(node("a", last=True))[-1]
    assert isinstance(cut, Error)
    assert cut.kind == "truncated"


def test_what_is_remembered_is_bounded() -> None:
    *_, error, cut = events(*(message("a", str(n)) for n in range(MAX_INDEX + 1)))
    assert isinstance(error, Error)
    assert error.kind == "malformed"
    assert isinstance(cut, Error)
    assert len(events(*(node("a", last=True) for _ in range(MAX_INDEX + 2)))) == MAX_INDEX + 3


def test_an_answer_with_an_error_document() -> None:
    parser = StreamParser(COZE)
    parser.receive_response(200, {"Content-Type": "application/json"})
    parser.receive_data(b'{"code":4100,"msg":"authentication is invalid"}')
    parser.receive_eof()
    (error,) = parser.events()
    assert isinstance(error, Error)
    assert (error.code, error.message) == ("4100", "authentication is invalid")
