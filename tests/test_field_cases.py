"""Wires of the field that other readers stumbled over, each with what an honest reader makes of it.

One table for all dialects. A row names the kind of fault, and says in a few words what goes, or
went, wrong with it; wires and names are made up after public reports. Each is read in one piece,
frame by frame and byte by byte.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from tests.cuts import bytewise
from tests.reading import read

from tokenwire import Completion, Data, Done, Error, Event, Reasoning, Usage
from tokenwire.completion import Choice

DONE = "[DONE]"
STOP = ("stop", "stop")
CALLS = ("tool_calls", "tool_calls")


KINDS = {
    "type": "a value of another JSON type costs the text, or the whole frame",
    "item": "items of a response are told apart by their indices alone",
    "whole": "a whole that comes later is not compared with its pieces: a tail is lost",
    "call": "ids, indices and names of calls disagree, or arguments are told again",
    "unread": "fields that no schema names vanish",
    "complete": "a call is told complete that was cut, or the other way round",
    "index": "the index of a choice counts chunks",
    "block": "content that no block opened, or that stands in the start, is dropped",
    "document": "what is no stream, and errors, are not read for what they are",
    "equal": "two equal pieces in a row are taken for one",
    "twice": "one call told twice is two",
    "again": "the whole text once more, as a piece",
    "maker": "the wire of another maker",
}


class Row(NamedTuple):
    """One wire.

    Attributes:
        kind: Of fault; see `KINDS`.
        wrong: What goes wrong with it.
        dialect: Who reads it.
        body: The wire.
        expected: What it says, of the first choice: ``text``, ``thought``, ``calls`` as ``(id, name,
            arguments, complete)``, ``finish`` as ``(reason, raw reason)``, ``usage``, ``end``, and
            words that ``data`` or signatures hold. What is not named is not asked, but for the
            text, the thought and the calls.
    """

    kind: str
    wrong: str
    dialect: str
    body: str
    expected: Mapping[str, Any]


def sse(*payloads: Any) -> str:
    return "".join(f"data: {text_of(one)}\n\n" for one in payloads)


def typed(*payloads: Any) -> str:
    return "".join(f"event: {one['type']}\ndata: {text_of(one)}\n\n" for one in payloads)


def lines(*payloads: Any) -> str:
    return "".join(f"{text_of(one)}\n" for one in payloads)


def text_of(payload: Any) -> str:
    return payload if isinstance(payload, str) else json.dumps(payload)


# --- the wires' parts ---


def chat(delta: Any = None, end: Any = None, **beside: Any) -> dict[str, Any]:
    """A chunk of chat completions."""
    choice = {"index": 0, "delta": {} if delta is None else delta, "finish_reason": end}
    return {"id": "chat-7", "model": "owl", "choices": [choice], **beside}


def say(text: Any, end: Any = None, **beside: Any) -> dict[str, Any]:
    return chat({"content": text}, end, **beside)


def call(id: Any = None, name: Any = None, arguments: Any = None, **beside: Any) -> dict[str, Any]:
    """An entry of a chat delta's calls; ``index`` is 0 unless it is said, or None."""
    function = {"name": name, "arguments": arguments}
    said = {"index": 0, "id": id, **beside}
    said["function"] = {name: value for name, value in function.items() if value is not None}
    return {name: value for name, value in said.items() if value is not None}


def calls(*entries: Any, end: Any = None) -> dict[str, Any]:
    return chat({"tool_calls": [*entries]}, end)


ENDS = chat(end="stop")
CALLED = chat(end="tool_calls")

# --- the table ---

PARIS = '{"city":"Paris"}'


def chat_rows() -> Iterator[Row]:
    """Chat completions, and who speaks like them."""
    name = "openai-chat"
    yield Row(
        "whole",
        "a message at the end, whole, beside an empty delta: its tail was lost",
        name,
        sse(
            say("Hel"),
            {"choices": [{"delta": {}, "message": {"content": "Hello"}, "finish_reason": "stop"}]},
            DONE,
        ),
        {"text": "Hello", "finish": STOP, "end": "stop"},
    )
    whole = ("a", "find", PARIS, True)
    other = ("b", "sort", '{"by":2}', True)
    for wrong, entries, said in (
        (
            "the second head has the first one's index, its arguments have their own",
            (
                call("a", "find", PARIS),
                call("b", "sort", '{"by":'),
                call(arguments="2}", index=1),
            ),
            [whole, other],
        ),
        (
            "the arguments stand under another index than their head",
            (call("a", "find", ""), call(name="", arguments=PARIS, index=1)),
            [whole],
        ),
        (
            "an index that counts down",
            (call("a", "find", '{"city":', index=1), call(arguments='"Paris"}')),
            [whole],
        ),
        (
            "an empty object told in place of the arguments that follow",
            (call("a", "find", "{}"), call(arguments=PARIS)),
            [("a", "find", "{}", False), whole],
        ),
    ):
        yield Row(
            "call",
            wrong,
            name,
            sse(*map(calls, entries), CALLED, DONE),
            {"calls": said, "finish": CALLS, "end": "tool_calls"},
        )
    yield Row(
        "again",
        "the whole text beside the finish reason of a text completion",
        "openai-completions",
        sse(
            {"choices": [{"text": "My name"}]},
            {"choices": [{"text": " is Ann"}]},
            {"choices": [{"text": "My name is Ann", "finish_reason": "stop"}]},
            DONE,
        ),
        {"text": "My name is Ann", "finish": STOP, "end": "stop"},
    )


def gemini_rows() -> Iterator[Row]:
    def part(*parts: Any, **beside: Any) -> dict[str, Any]:
        return {"candidates": [{"content": {"parts": [*parts]}, **beside}]}

    called = {"functionCall": {"id": "f", "name": "find", "args": {"city": "Paris"}}}
    yield Row(
        "again",
        "the whole text once more beside a call, in the last chunk",
        "gemini-sse",
        sse(
            part({"text": "I will "}),
            part({"text": "look."}),
            part({"text": "I will look."}, called, finishReason="STOP"),
        ),
        {
            "text": "I will look.",
            "calls": [("f", "find", PARIS, True)],
            "finish": ("tool_calls", "STOP"),
            "end": "tool_calls",
        },
    )


def responses_rows() -> Iterator[Row]:
    def event(name: str, **said: Any) -> dict[str, Any]:
        return {"type": f"response.{name}", **said}

    def function(number: int = 1, name: str = "find", arguments: str = "") -> dict[str, Any]:
        ids = {"id": f"fc_{number}", "call_id": f"call_{number}"}
        return {"type": "function_call", **ids, "name": name, "arguments": arguments}

    def message(content: Any) -> dict[str, Any]:
        return {"type": "message", "id": "m", "role": "assistant", "content": content}

    def written(*texts: str) -> list[dict[str, Any]]:
        return [{"type": "output_text", "text": text} for text in texts]

    def end(*output: Any, name: str = "completed") -> dict[str, Any]:
        usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
        said = {"id": "resp_7", "status": "completed", "output": [*output], "usage": usage}
        return event(name, response=said)

    piece, text = "function_call_arguments.delta", "output_text.delta"
    begun = event("created", response={"id": "resp_7", "model": "owl"})
    stopped = {"finish": ("stop", "completed"), "usage": (3, 2, 5), "end": "stop"}
    called = {"finish": ("tool_calls", "completed"), "usage": (3, 2, 5), "end": "tool_calls"}
    whole, other = ("call_1", "find", PARIS, True), ("call_2", "sort", '{"by":2}', True)
    click = {"type": "computer_call", "call_id": "c", "action": {"type": "click"}}
    searched = {"type": "custom_tool_call", "call_id": "xs_7", "name": "f", "input": "{}"}
    grown: list[dict[str, Any]] = []
    for at, so_far in enumerate(('{"city', '{"city":"Pa', PARIS)):
        grown += [
            event("output_item.added", output_index=at, item=function()),
            event(piece, output_index=at, item_id="fc_1", delta=so_far),
            event("output_item.done", output_index=at, item=function(arguments=so_far)),
        ]
    for kind, wrong, events, said in (
        (
            "type",
            "a message whose content is a text, and no list of parts",
            [end(message("Hi"))],
            {"text": "Hi", **stopped},
        ),
        (
            "type",
            "parts that are texts, or one that is no list",
            [
                event(
                    "output_item.done",
                    output_index=0,
                    item={"type": "reasoning", "summary": "Hm", "content": []},
                ),
                end(message(["Hel", {"type": "output_text", "text": "lo"}])),
            ],
            {"text": "Hello", "thought": "Hm", **stopped},
        ),
        ("type", "one part", [end(message(written("Hi")[0]))], {"text": "Hi", **stopped}),
        (
            "block",
            "a text that only the opening of its item has",
            [event("output_item.added", output_index=0, item=message([*written("Hi"), 7])), end()],
            {"text": "Hi", **stopped},
        ),
        (
            "block",
            "a text that only the opening of its part has, and one that comes again",
            [
                event("content_part.added", output_index=0, part=written("Hel")[0]),
                event("content_part.added", output_index=0, content_index=1, part=written("lo")[0]),
                event("content_part.added", output_index=1, part=written("!")[0]),
                event("content_part.added", output_index=1, part=None),
                event(text, output_index=1, content_index=0, delta="!"),
                end(),
            ],
            {"text": "!Hello", **stopped},
        ),
        (
            "type",
            "arguments as an object in a piece, at their end and in the item",
            [
                event("output_item.added", output_index=0, item=function()),
                event(piece, output_index=0, delta={"city": "Paris"}),
                event("function_call_arguments.done", output_index=0, arguments={"city": "Paris"}),
                end(function() | {"arguments": {"city": "Paris"}}),
            ],
            {"calls": [whole], **called},
        ),
        (
            "item",
            "pieces of two calls are named by call ids in the place of the items'",
            [
                event("output_item.added", item=function()),
                event("output_item.added", item=function(2, "sort")),
                event(piece, item_id="call_1", delta='{"city":'),
                event(piece, item_id="call_2", delta='{"by":'),
                event(piece, item_id="call_1", delta='"Paris"}'),
                event(piece, item_id="call_2", delta="2}"),
                end(function(arguments=PARIS), function(2, "sort", '{"by":2}')),
            ],
            {"calls": [whole, other], **called},
        ),
        (
            "item",
            "an item of its own for each piece, with all arguments so far, under a new index",
            [*grown, end(function(arguments=PARIS))],
            {"calls": [whole], **called},
        ),
        (
            "item",
            "two parts of a message are one part of it in the end",
            [
                event(text, output_index=0, content_index=0, delta="A"),
                event(text, output_index=0, content_index=1, delta="B"),
                end(message(written("AB"))),
            ],
            {"text": "AB", **stopped},
        ),
        (
            "item",
            "the items of the answer are listed in another order",
            [
                event("reasoning_summary_text.delta", output_index=0, summary_index=0, delta="Hm"),
                event(text, output_index=1, content_index=0, delta="Hi"),
                end(
                    message(written("Hi")),
                    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}]},
                ),
            ],
            {"text": "Hi", "thought": "Hm", **stopped},
        ),
        (
            "whole",
            "the tail of a text stands in its end alone",
            [
                event(text, output_index=0, content_index=0, delta="Hel"),
                event("output_text.done", output_index=0, content_index=0, text="Hello"),
                end(),
            ],
            {"text": "Hello", **stopped},
        ),
        (
            "whole",
            "the answer ends as one of the Realtime API does",
            [
                event(text, output_index=0, content_index=0, delta="Hi"),
                end(message(written("Hi")), name="done"),
            ],
            {"text": "Hi", **stopped},
        ),
        (
            "unread",
            "the client is asked for a click, which is no call of a tool",
            [event("output_item.done", output_index=0, item=click), end(click)],
            {**stopped, "end": "tool_calls", "data": ["click"]},
        ),
        (
            "unread",
            "a call that xAI ran itself asks the client for nothing",
            [event("output_item.done", output_index=0, item=searched), end(searched)],
            {"calls": [("xs_7", "f", "{}", True)], "served": [True], **called, "end": "stop"},
        ),
        (
            "complete",
            "cut arguments whose item was closed are not complete",
            [
                event("output_item.added", output_index=0, item=function()),
                event(piece, output_index=0, delta='{"city":'),
                event("output_item.done", output_index=0, item=function(arguments='{"city":')),
                end(),
            ],
            {"calls": [("call_1", "find", '{"city":', False)], **called},
        ),
        (
            "equal",
            "two equal pieces are two",
            [
                event(text, output_index=0, content_index=0, delta="ha"),
                event(text, output_index=0, content_index=0, delta="ha"),
                end(message(written("haha"))),
            ],
            {"text": "haha", **stopped},
        ),
    ):
        yield Row(kind, wrong, "openai-responses", typed(begun, *events), said)


def other_rows() -> Iterator[Row]:
    """One wire each."""
    hello = {"text": "Hello", "end": "stop"}
    called = [("a", "find", PARIS, True)]
    tail = "the tail of the text stands in the whole alone, at the end"
    yield Row(
        "whole",
        tail,
        "cohere-v1",
        lines(
            {"event_type": "stream-start", "generation_id": "g"},
            {"event_type": "text-generation", "text": "Hel"},
            {
                "event_type": "stream-end",
                "finish_reason": "COMPLETE",
                "response": {"text": "Hello"},
            },
        ),
        {**hello, "finish": ("stop", "COMPLETE")},
    )
    yield Row(
        "whole",
        "the plan for calls comes whole after its beginning",
        "cohere-v1",
        lines(
            {"event_type": "tool-calls-chunk", "text": "I will"},
            {"event_type": "tool-calls-generation", "text": "I will look.", "tool_calls": []},
            {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": {}},
        ),
        {"data": [" look."]},
    )
    yield Row(
        "whole",
        tail,
        "tgi",
        sse(
            {"token": {"text": "Hel", "special": False}},
            {
                "token": {"text": "", "special": True},
                "generated_text": "Hello",
                "details": {"finish_reason": "eos_token"},
            },
        ),
        {**hello, "finish": ("stop", "eos_token")},
    )
    yield Row(
        "whole",
        tail,
        "lmstudio",
        typed(
            {"type": "message.delta", "content": "Hel"},
            {
                "type": "chat.end",
                "result": {
                    "output": [
                        {"type": "reasoning", "content": "Hm"},
                        {"type": "message", "content": "Hello"},
                    ],
                    "stats": {"stop_reason": "eosFound"},
                },
            },
        ),
        hello,
    )
    written = {"type": "text", "text": "Hello"}
    for piece, steps in (
        ("Hel", {"outputs": ["?", {"type": "thought"}, written]}),
        ("Hel", {"steps": [{"type": "model_output", "content": [written]}]}),
        ("Hello", {"steps": [{"type": "model_output", "content": [{"type": "image"}, "?"]}]}),
    ):
        yield Row(
            "whole",
            tail,
            "gemini-interactions",
            sse(
                {"event_type": "interaction.start", "interaction": {"id": "i"}},
                {"event_type": "content.start", "index": 1, "content": {"type": "text"}},
                {
                    "event_type": "content.delta",
                    "index": 1,
                    "delta": {"type": "text", "text": piece},
                },
                {
                    "event_type": "interaction.complete",
                    "interaction": {"id": "i", "status": "completed", **steps},
                },
            ),
            hello,
        )
    for wrong, content in (
        ("a text where an object should be", "Hello"),
        ("a list where an object should be", [written]),
    ):
        for kind, event in (("type", "content-delta"), ("block", "message-start")):
            yield Row(
                kind,
                wrong,
                "cohere-v2",
                sse(
                    {"type": event, "id": "c", "delta": {"message": {"content": content}}},
                    {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}},
                ),
                {**hello, "finish": ("stop", "COMPLETE")},
            )
    for event in ("TOOL_CALL_ARGS", "TOOL_CALL_CHUNK"):
        begun = "TOOL_CALL_START" if event == "TOOL_CALL_ARGS" else event
        yield Row(
            "type",
            "arguments as an object, without which the call was complete",
            "ag-ui",
            sse(
                {"type": "RUN_STARTED", "runId": "r"},
                {"type": begun, "toolCallId": "a", "toolCallName": "find"},
                {"type": event, "toolCallId": "a", "delta": {"city": "Paris"}},
                {"type": "TOOL_CALL_END", "toolCallId": "a"},
                {"type": "RUN_FINISHED", "runId": "r"},
            ),
            {"calls": called, "end": "stop"},
        )
    yield Row(
        "type",
        "one block of a result, where a list of them should be",
        "mcp",
        sse({"jsonrpc": "2.0", "id": 7, "result": {"content": written}}),
        hello,
    )


def whole_rows() -> Iterator[Row]:
    """What came as one document, or says in its own way that something failed."""
    usage = {"input_tokens": 3, "output_tokens": 2}
    answer = {"id": "m", "type": "message", "stop_reason": "end_turn", "usage": usage}
    yield Row(
        "document",
        "a message that was not streamed",
        "anthropic-messages",
        text_of({**answer, "mood": "calm", "content": [{"type": "text", "text": "Hi"}]}),
        {"text": "Hi", "finish": ("stop", "end_turn"), "usage": (3, 2, None), "end": "stop"},
    )
    empty = {**answer, "content": []}
    for wire in ({**empty, "type": "msg"}, {**empty, "stop_reason": None}, [empty]):
        yield Row(
            "document",
            "what only looks like one",
            "anthropic-messages",
            sse(wire),
            {"end": None, "error": ("truncated", None)},
        )
    part = {"type": "output_text", "text": "Hi"}
    yield Row(
        "document",
        "a response that was not streamed",
        "openai-responses",
        text_of(
            {
                "id": "r",
                "object": "response",
                "status": "completed",
                "output": [{"type": "message", "content": [part]}],
                "usage": usage,
            }
        ),
        {"text": "Hi", "finish": ("stop", "completed"), "usage": (3, 2, None), "end": "stop"},
    )
    for wrong, document, code in (
        ("a status of 429 as a text", {"error": {"message": "slow", "code": "429"}}, "429"),
        ("an error that a status alone tells", {"status": "error", "message": "quota"}, None),
        ("an error whose number is no status", {"code": 1302, "msg": "slow"}, "1302"),
    ):
        yield Row(
            "document",
            wrong,
            "openai-chat",
            sse(say("Hi"), document, DONE),
            {"text": "Hi", "end": None, "error": ("vendor", code)},
        )


def odd_rows() -> Iterator[Row]:
    """A list of texts, or of parts, where a text should be."""
    for odd in (["He", "llo"], [{"type": "text", "text": "He"}, "llo"], [{"text": "Hello"}]):
        for dialect, body in (
            (
                "openai-completions",
                sse({"choices": [{"text": odd}]}, {"choices": [{"finish_reason": "stop"}]}, DONE),
            ),
            (
                "ollama-generate",
                lines({"response": odd}, {"response": "", "done": True, "done_reason": "stop"}),
            ),
            ("dify", sse({"event": "message", "answer": odd}, {"event": "message_end"})),
            (
                "anthropic-messages",
                typed(
                    {"type": "message_start", "message": {"id": "m"}},
                    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": odd}},
                    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
                    {"type": "message_stop"},
                ),
            ),
        ):
            yield Row("type", "a list for a text", dialect, body, {"text": "Hello", "end": "stop"})
    for odd in ([{"text": "Hello", "mood": 1}], [{"type": "image", "text": "x"}], [7], [{}]):
        yield Row(
            "type",
            "a list that holds something else: told, and not read",
            "openai-completions",
            sse(
                {"choices": [{"text": odd}]},
                {"choices": [{"text": "Hi", "finish_reason": "stop"}]},
                DONE,
            ),
            {"text": "Hi", "end": "stop", "data": ["choices[0].text"]},
        )


def every_rows() -> Iterator[Row]:
    """The same faults in every wire that can have them."""

    def jsonrpc(result: Any) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": 7, "result": result}

    def named(event: str, data: Any) -> str:
        return f"event: {event}\ndata: {text_of(data)}\n\n"

    def responses(*texts: Any) -> str:
        kind = "response.output_text.delta"
        pieces = [{"type": kind, "output_index": 0, "content_index": 0, "delta": t} for t in texts]
        return typed(*pieces, {"type": "response.completed", "response": {"status": "completed"}})

    def anthropic(*texts: Any) -> str:
        kind = "content_block_delta"
        return typed(
            {"type": "message_start", "message": {"id": "m"}},
            *(
                {"type": kind, "index": 0, "delta": {"type": "text_delta", "text": t}}
                for t in texts
            ),
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
            {"type": "message_stop"},
        )

    def assistants(*texts: Any) -> str:
        pieces = [{"index": 0, "type": "text", "text": {"value": text}} for text in texts]
        return (
            "".join(named("thread.message.delta", {"delta": {"content": [p]}}) for p in pieces)
            + named("thread.run.completed", {"id": "r", "status": "completed"})
            + named("done", DONE)
        )

    def coze(*texts: Any) -> str:
        said = [{"role": "assistant", "type": "answer", "content": text} for text in texts]
        return "".join(named("conversation.message.delta", one) for one in said) + named(
            "conversation.chat.completed", {"id": "c", "status": "completed"}
        )

    wires: dict[str, Callable[..., str]] = {
        "openai-chat": lambda *texts: sse(*map(say, texts), ENDS, DONE),
        "mistral": lambda *texts: sse(*map(say, texts), ENDS, DONE),
        "openai-completions": lambda *texts: sse(
            *({"choices": [{"text": text}]} for text in texts),
            {"choices": [{"finish_reason": "stop"}]},
            DONE,
        ),
        "openai-responses": responses,
        "openai-assistants": assistants,
        "anthropic-messages": anthropic,
        "anthropic-complete": lambda *texts: sse(
            *({"type": "completion", "completion": text} for text in texts),
            {"type": "completion", "completion": "", "stop_reason": "stop_sequence"},
        ),
        "gemini-sse": lambda *texts: sse(
            *({"candidates": [{"content": {"parts": [{"text": text}]}}]} for text in texts),
            {"candidates": [{"finishReason": "STOP"}]},
        ),
        "gemini-interactions": lambda *texts: sse(
            {"event_type": "interaction.start", "interaction": {"id": "i"}},
            *(
                {"event_type": "content.delta", "delta": {"type": "text", "text": text}}
                for text in texts
            ),
            {"event_type": "interaction.complete", "interaction": {"status": "completed"}},
        ),
        "ollama-chat": lambda *texts: lines(
            *({"message": {"content": text}, "done": False} for text in texts),
            {"message": {"content": ""}, "done": True, "done_reason": "stop"},
        ),
        "ollama-generate": lambda *texts: lines(
            *({"response": text, "done": False} for text in texts),
            {"response": "", "done": True, "done_reason": "stop"},
        ),
        "cohere-v1": lambda *texts: lines(
            *({"event_type": "text-generation", "text": text} for text in texts),
            {"event_type": "stream-end", "finish_reason": "COMPLETE"},
        ),
        "cohere-v2": lambda *texts: sse(
            *(
                {"type": "content-delta", "delta": {"message": {"content": {"text": text}}}}
                for text in texts
            ),
            {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}},
        ),
        "dify": lambda *texts: sse(
            *({"event": "message", "answer": text} for text in texts), {"event": "message_end"}
        ),
        "coze": coze,
        "watsonx": lambda *texts: sse(
            *({"results": [{"generated_text": t, "stop_reason": "not_finished"}]} for t in texts),
            {"results": [{"generated_text": "", "stop_reason": "eos_token"}]},
        ),
        "llamacpp": lambda *texts: sse(
            *({"content": text, "stop": False} for text in texts),
            {"content": "", "stop": True, "stop_type": "eos"},
        ),
        "ag-ui": lambda *texts: sse(
            {"type": "RUN_STARTED", "runId": "r"},
            *({"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": t} for t in texts),
            {"type": "RUN_FINISHED", "runId": "r"},
        ),
        "a2a": lambda *texts: sse(
            *(
                jsonrpc(
                    {
                        "kind": "artifact-update",
                        "taskId": "t",
                        "artifact": {"artifactId": "a", "parts": [{"kind": "text", "text": text}]},
                        "append": True,
                    }
                )
                for text in texts
            ),
            jsonrpc(
                {
                    "kind": "status-update",
                    "taskId": "t",
                    "status": {"state": "completed"},
                    "final": True,
                }
            ),
        ),
        "mcp": lambda *texts: sse(
            jsonrpc({"content": [{"type": "text", "text": text} for text in texts]})
        ),
        "vercel-data": lambda *texts: lines(
            *(f"0:{json.dumps(text)}" for text in texts), 'd:{"finishReason":"stop"}'
        ),
    }
    for dialect, wire in wires.items():
        yield Row(
            "type",
            "a number, and a word, that stand for a text",
            dialect,
            wire("in ", 6, " of ", 0.50, " is ", True),
            {"text": "in 6 of 0.5 is true", "end": "stop"},
        )
        yield Row(
            "equal",
            "two equal pieces in a row, taken for one",
            dialect,
            wire("ha", "ha", "ha"),
            {"text": "hahaha", "end": "stop"},
        )


def call_rows() -> Iterator[Row]:
    """Calls whose id, index, name or place disagree, and such that were cut."""
    whole, other = ("a", "find", PARIS, True), ("b", "sort", '{"by":2}', True)
    cut = ("a", "find", '{"city":', False)
    for dialect in ("openai-chat", "mistral"):
        for wrong, entries, said in (
            ("no index", [[call("a", "find", PARIS, index=None)]], [whole]),
            (
                "one index for two calls that stand side by side",
                [[call("a", "find", PARIS), call("b", "sort", '{"by":2}')]],
                [whole, other],
            ),
            (
                "an index that a call shares with the one before it",
                [[call("a", "find", PARIS)], [call("b", "sort", '{"by":2}')]],
                [whole, other],
            ),
            (
                "a name in two pieces",
                [[call("a", "fi", "")], [call(name="nd", arguments="")], [call(arguments=PARIS)]],
                [whole],
            ),
            (
                "the name with every piece, and the id",
                [[call("a", "find", '{"city":')], [call("a", "find", '"Paris"}')]],
                [whole],
            ),
            (
                "another id with every piece",
                [
                    [call("a", "find", "")],
                    [call("a1", arguments='{"city":')],
                    [call("a2", arguments='"Paris"}')],
                ],
                [whole],
            ),
            ("all of it once more", [[call("a", "find", PARIS)]] * 2, [whole]),
            (
                "entries that say nothing, under another index",
                [[call("a", "find", PARIS)], [call("", "", "", index=1), {}, {"index": 2}]],
                [whole],
            ),
            (
                "the same id under two indices",
                [[call("a", "find", "")], [call("a", "find", PARIS, index=1)]],
                [whole],
            ),
            (
                "two calls whose pieces alternate, told apart by their ids alone",
                [
                    [call("a", "find", '{"city":')],
                    [call("b", "sort", '{"by":')],
                    [call("a", arguments='"Paris"}')],
                    [call("b", arguments="2}")],
                ],
                [whole, other],
            ),
        ):
            chunks = [calls(*group) for group in entries]
            yield Row(
                "call",
                wrong,
                dialect,
                sse(*chunks, CALLED, DONE),
                {"calls": said, "finish": CALLS, "end": "tool_calls"},
            )
        for wrong, text in (("cut", '{"city":'), ("two values", "{}{}"), ("a tail", "{}}")):
            yield Row(
                "complete",
                f"arguments that are no JSON, though the finish reason stands for it: {wrong}",
                dialect,
                sse(calls(call("a", "find", text)), CALLED, DONE),
                {"calls": [("a", "find", text, False)], "end": "tool_calls"},
            )
    yield Row(
        "complete",
        "a call that was cut, in an event that closes it",
        "cohere-v2",
        sse(
            {
                "type": "tool-call-start",
                "delta": {
                    "message": {
                        "tool_calls": {
                            "id": "a",
                            "function": {"name": "find", "arguments": '{"city":'},
                        }
                    }
                },
            },
            {"type": "tool-call-end"},
            {"type": "message-end", "delta": {"finish_reason": "MAX_TOKENS"}},
        ),
        {"calls": [cut], "finish": ("length", "MAX_TOKENS"), "end": "length"},
    )
    yield Row(
        "complete",
        "a call that was cut, in an event that closes it",
        "ag-ui",
        sse(
            {"type": "RUN_STARTED", "runId": "r"},
            {"type": "TOOL_CALL_START", "toolCallId": "a", "toolCallName": "find"},
            {"type": "TOOL_CALL_ARGS", "toolCallId": "a", "delta": '{"city":'},
            {"type": "TOOL_CALL_END", "toolCallId": "a"},
            {"type": "RUN_FINISHED", "runId": "r"},
        ),
        {"calls": [cut], "end": "stop"},
    )
    told = {"id": "a", "name": "find", "args": {"city": "Paris"}}
    for wrong, first in (
        ("the same", told),
        ("without its arguments at first", {**told, "args": {}}),
    ):
        parts = [{"functionCall": first}], [{"functionCall": told}], [{"text": ""}]
        yield Row(
            "twice",
            f"a call told twice: {wrong}",
            "gemini-sse",
            sse(
                *({"candidates": [{"content": {"parts": one}}]} for one in parts),
                {"candidates": [{"finishReason": "STOP"}]},
            ),
            {"calls": [whole], "finish": ("tool_calls", "STOP"), "end": "tool_calls"},
        )
    twice = {"id": "a", "function": {"name": "find", "arguments": {"city": "Paris"}}}
    unnamed = {"function": twice["function"]}
    for entry, said in ((twice, [whole]), (unnamed, [(None, *whole[1:])] * 2)):
        yield Row(
            "twice",
            "a call told twice, which only its id shows",
            "ollama-chat",
            lines(
                *({"message": {"content": "", "tool_calls": [entry]}} for _ in range(2)),
                {"message": {"content": ""}, "done": True, "done_reason": "stop"},
            ),
            {"calls": said, "finish": STOP, "end": "stop"},
        )


def block_rows() -> Iterator[Row]:
    """Anthropic's blocks: in the start of the message, never opened, or opened elsewhere."""

    def block(index: int, **said: Any) -> dict[str, Any]:
        return {"type": "content_block_start", "index": index, "content_block": said}

    def piece(index: int, **said: Any) -> dict[str, Any]:
        kind = {"text": "text_delta", "partial_json": "input_json_delta"}.get(next(iter(said)))
        kind = kind or "thinking_delta"
        return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **said}}

    def closed(index: int) -> dict[str, Any]:
        return {"type": "content_block_stop", "index": index}

    used = {"type": "tool_use", "id": "a", "name": "find", "input": {}}
    whole = ("a", "find", PARIS, True)
    begun = [{"type": "text", "text": "Hel"}]
    content: Any
    for kind, wrong, content, events, said in (
        ("block", "a text for the content", "Hel", [piece(0, text="lo")], {"text": "Hello"}),
        ("block", "a text begins in the start", begun, [piece(0, text="lo")], {"text": "Hello"}),
        (
            "block",
            "no block was opened",
            [],
            [piece(0, thinking="Hm"), piece(1, text="Hello")],
            {"text": "Hello", "thought": "Hm"},
        ),
        (
            "block",
            "a text in the block that opens",
            [],
            [block(0, type="text", text="Hel"), piece(0, text="lo")],
            {"text": "Hello"},
        ),
        (
            "block",
            "a piece after the end of its block",
            [],
            [block(0, type="text", text=""), piece(0, text="Hel"), closed(0), piece(0, text="lo")],
            {"text": "Hello"},
        ),
        (
            "complete",
            "a text within the block of a call",
            [],
            [block(0, **used), piece(0, partial_json=PARIS), piece(0, text="Hello"), closed(0)],
            {"text": "Hello", "calls": [whole]},
        ),
        (
            "complete",
            "a call whose block nobody closes",
            [],
            [block(0, **used), piece(0, partial_json=PARIS)],
            {"calls": [whole]},
        ),
        (
            "call",
            "the pieces of two calls alternate",
            [],
            [
                block(0, **used),
                piece(0, partial_json='{"city":'),
                block(1, **{**used, "id": "b", "name": "sort"}),
                piece(1, partial_json='{"by":2}'),
                piece(0, partial_json='"Paris"}'),
                closed(0),
                closed(1),
            ],
            {"calls": [whole, ("b", "sort", '{"by":2}', True)]},
        ),
        (
            "unread",
            "blocks and deltas that nobody knows",
            [],
            [block(0, type="song", tune="la"), closed(0)],
            {"data": ["song", "la"]},
        ),
    ):
        yield Row(
            kind,
            wrong,
            "anthropic-messages",
            typed(
                {"type": "message_start", "message": {"id": "m", "content": content}},
                *events,
                {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
                {"type": "message_stop"},
            ),
            {**said, "finish": ("stop", "end_turn"), "end": "stop"},
        )


def end_rows() -> Iterator[Row]:
    yield Row(
        "unread",
        "the reason stands beside the delta",
        "anthropic-messages",
        typed(
            {"type": "message_start", "message": {"id": "m"}},
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": "Hi"},
            },
            {"type": "message_delta", "stop_reason": "max_tokens"},
            {"type": "message_stop"},
        ),
        {"text": "Hi", "finish": ("length", "max_tokens"), "end": "length"},
    )


def field_rows() -> Iterator[Row]:
    """Fields that no schema named, each told at least once; wires of other makers; indices."""
    found = [{"title": "Owls", "url": "https://owl.example"}]
    inside = ("executed_tools", "reasoning_steps", "graph_data", "context", "annotations", "mood")
    beside = ("web_search", "related_questions", "search_results", "references", "videos", "mood")
    for field in inside:
        yield Row(
            "unread",
            f"{field} of a delta vanishes",
            "openai-chat",
            sse(chat({"content": "Hi", field: found}), ENDS, DONE),
            {"text": "Hi", "end": "stop", "data": ["Owls"]},
        )
    for field in beside:
        yield Row(
            "unread",
            f"{field} of a chunk vanishes",
            "openai-chat",
            sse(say("Hi", **{field: found}), ENDS, DONE),
            {"text": "Hi", "end": "stop", "data": ["Owls"]},
        )
    for field in ("logprobsResult", "groundingMetadata", "urlContextMetadata", "mood"):
        candidate = {"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP", field: found}
        yield Row(
            "unread",
            f"{field} of a candidate vanishes",
            "gemini-sse",
            sse({"candidates": [candidate]}),
            {"text": "Hi", "end": "stop", "data": ["Owls"]},
        )
    for field in ("images", "mood"):
        yield Row(
            "unread",
            f"{field} of a message vanishes",
            "ollama-chat",
            lines(
                {"message": {"content": "Hi", field: ["Owls"]}},
                {"message": {"content": ""}, "done": True, "done_reason": "stop"},
            ),
            {"text": "Hi", "end": "stop", "data": ["Owls"]},
        )
    for delta, word in (
        ({"thinking_blocks": [{"thinking": "", "signature": "sig-7"}]}, "sig-7"),
        ({"extra_content": {"google": {"thought_signature": "sig-7"}}}, "sig-7"),
        ({"reasoning_opaque": "sig-7"}, "sig-7"),
        ({"reasoning_details": [{"type": "reasoning.encrypted", "data": "enc-7"}]}, "enc-7"),
    ):
        yield Row(
            "unread",
            "what must be sent back with a thought vanishes",
            "openai-chat",
            sse(chat(delta), say("Hi"), ENDS, DONE),
            {"text": "Hi", "end": "stop", "data": [word]},
        )
    counted = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    yield Row(
        "unread",
        "counts by the names of another API",
        "openai-chat",
        sse(say("Hi"), chat(end="stop", usage=counted), DONE),
        {"text": "Hi", "usage": (3, 2, 5), "end": "stop"},
    )
    chunks = [
        {"id": f"chat-{at}", "choices": [{"index": at, "delta": {"content": text}}]}
        for at, text in enumerate(("Hel", "lo", ""))
    ]
    chunks[2]["choices"][0]["finish_reason"] = "stop"
    yield Row(
        "index",
        "the index of the choice counts the chunks",
        "openai-chat",
        sse(*chunks, DONE),
        {"text": "Hello", "finish": STOP, "end": "stop"},
    )
    answer = {"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]}
    for dialect, body in (
        ("gemini-sse", sse({"response": answer, "traceId": "t"})),
        ("gemini-array", text_of([{"response": answer}])),
    ):
        yield Row(
            "maker",
            "an envelope around each chunk",
            dialect,
            body,
            {"text": "Hi", "finish": ("stop", "STOP"), "end": "stop"},
        )
    yield Row(
        "maker",
        "the same words with capitals, as another vendor has them: read by nobody, and not an end",
        "openai-chat",
        sse({"Choices": [{"Delta": {"Content": "Hi"}, "FinishReason": "stop"}]}),
        {"end": None, "error": ("truncated", None)},
    )


ROWS: list[Row] = [
    *chat_rows(),
    *gemini_rows(),
    *responses_rows(),
    *other_rows(),
    *whole_rows(),
    *odd_rows(),
    *every_rows(),
    *call_rows(),
    *block_rows(),
    *field_rows(),
    *end_rows(),
]


# --- the test ---


def told(events: list[Event], expected: Mapping[str, Any]) -> dict[str, Any]:
    """What the events say of what is expected."""
    completion = Completion.from_events(events)
    choice = next((one for one in completion.choices if one.index == 0), Choice(0))
    usage, last = completion.usage or Usage(), events[-1]
    found = {
        "text": choice.text,
        "thought": choice.reasoning,
        "calls": [(one.id, one.name, one.arguments, one.complete) for one in choice.tool_calls],
        "served": [one.provider_executed for one in choice.tool_calls],
        "finish": (choice.finish_reason, choice.raw_reason),
        "usage": (usage.input_tokens, usage.output_tokens, usage.total_tokens),
        "end": last.reason if isinstance(last, Done) else None,
        "error": (last.kind, last.code) if isinstance(last, Error) else None,
    }
    values = [(event.kind, event.value) for event in events if isinstance(event, Data)]
    hints = [event.signature for event in events if isinstance(event, Reasoning)]
    beside = repr((values, hints))
    found["data"] = [word for word in expected.get("data", ()) if word in beside]
    always = {"text": "", "thought": "", "calls": []}
    return {name: found[name] for name in {**always, **expected}}


def frame_by_frame(wire: bytes) -> list[bytes]:
    end = b"\n\n" if b"\n\n" in wire else b"\n"
    return [piece + end for piece in wire.split(end) if piece]


def test_what_the_field_sends() -> None:
    assert {row.kind for row in ROWS} == KINDS.keys()
    for row in ROWS:
        wire = row.body.encode()
        events = read([wire], row.dialect).events
        expected = {"text": "", "thought": "", "calls": [], **row.expected}
        assert told(events, row.expected) == expected, f"{row.kind} {row.dialect}: {row.wrong}"
        for chunks in (bytewise(wire), frame_by_frame(wire)):
            assert read(chunks, row.dialect).events == events, row.wrong
