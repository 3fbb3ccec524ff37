"""Wires of the field that other readers stumbled over, each with what an honest reader makes of it.

One table for all dialects. A row names the kind of fault, and says in a few words what goes, or
went, wrong with it; wires and names are made up after public reports. Each is read in one piece,
frame by frame and byte by byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.cuts import bytewise
from tests.reading import read

from tokenwire import Completion, Data, Done, Error, Event, Reasoning, Usage
from tokenwire.completion import Choice

DONE = "[DONE]"
STOP = ("stop", "stop")
CALLS = ("tool_calls", "tool_calls")


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
        "K3",
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
            "K4",
            wrong,
            name,
            sse(*map(calls, entries), CALLED, DONE),
            {"calls": said, "finish": CALLS, "end": "tool_calls"},
        )
    yield Row(
        "K13",
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
        "K13",
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
            "K1",
            "a message whose content is a text, and no list of parts",
            [end(message("Hi"))],
            {"text": "Hi", **stopped},
        ),
        (
            "K1",
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
            "K2",
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
            "K2",
            "an item of its own for each piece, with all arguments so far, under a new index",
            [*grown, end(function(arguments=PARIS))],
            {"calls": [whole], **called},
        ),
        (
            "K2",
            "two parts of a message are one part of it in the end",
            [
                event(text, output_index=0, content_index=0, delta="A"),
                event(text, output_index=0, content_index=1, delta="B"),
                end(message(written("AB"))),
            ],
            {"text": "AB", **stopped},
        ),
        (
            "K2",
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
            "K3",
            "the tail of a text stands in its end alone",
            [
                event(text, output_index=0, content_index=0, delta="Hel"),
                event("output_text.done", output_index=0, content_index=0, text="Hello"),
                end(),
            ],
            {"text": "Hello", **stopped},
        ),
        (
            "K3",
            "the answer ends as one of the Realtime API does",
            [
                event(text, output_index=0, content_index=0, delta="Hi"),
                end(message(written("Hi")), name="done"),
            ],
            {"text": "Hi", **stopped},
        ),
        (
            "K5",
            "the client is asked for a click, which is no call of a tool",
            [event("output_item.done", output_index=0, item=click), end(click)],
            {**stopped, "end": "tool_calls", "data": ["click"]},
        ),
        (
            "K5",
            "a call that xAI ran itself asks the client for nothing",
            [event("output_item.done", output_index=0, item=searched), end(searched)],
            {"calls": [("xs_7", "f", "{}", True)], "served": [True], **called, "end": "stop"},
        ),
        (
            "K6",
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
            "K11",
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
        "K3",
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
        "K3",
        "the plan for calls comes whole behind its beginning",
        "cohere-v1",
        lines(
            {"event_type": "tool-calls-chunk", "text": "I will"},
            {"event_type": "tool-calls-generation", "text": "I will look.", "tool_calls": []},
            {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": {}},
        ),
        {"data": [" look."]},
    )
    yield Row(
        "K3",
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
        "K3",
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
            "K3",
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
        for kind, event in (("K1", "content-delta"), ("K8", "message-start")):
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
            "K1",
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
        "K1",
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
        "K9",
        "a message that was not streamed",
        "anthropic-messages",
        text_of({**answer, "mood": "calm", "content": [{"type": "text", "text": "Hi"}]}),
        {"text": "Hi", "finish": ("stop", "end_turn"), "usage": (3, 2, None), "end": "stop"},
    )
    for wire in ({**answer, "type": "msg"}, {**answer, "stop_reason": None}, [answer]):
        yield Row(
            "K9",
            "what only looks like one",
            "anthropic-messages",
            sse(wire),
            {"end": None, "error": ("truncated", None)},
        )
    part = {"type": "output_text", "text": "Hi"}
    yield Row(
        "K9",
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
            "K9",
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
            yield Row("K1", "a list for a text", dialect, body, {"text": "Hello", "end": "stop"})
    for odd in ([{"text": "Hello", "mood": 1}], [{"type": "image", "text": "x"}], [7], [{}]):
        yield Row(
            "K1",
            "a list that holds something else: told, and not read",
            "openai-completions",
            sse(
                {"choices": [{"text": odd}]},
                {"choices": [{"text": "Hi", "finish_reason": "stop"}]},
                DONE,
            ),
            {"text": "Hi", "end": "stop", "data": ["choices[0].text"]},
        )


ROWS: list[Row] = [
    *chat_rows(),
    *gemini_rows(),
    *responses_rows(),
    *other_rows(),
    *whole_rows(),
    *odd_rows(),
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
    for row in ROWS:
        wire = row.body.encode()
        events = read([wire], row.dialect).events
        expected = {"text": "", "thought": "", "calls": [], **row.expected}
        assert told(events, row.expected) == expected, f"{row.kind} {row.dialect}: {row.wrong}"
        for chunks in (bytewise(wire), frame_by_frame(wire)):
            assert read(chunks, row.dialect).events == events, row.wrong
