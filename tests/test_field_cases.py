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


ROWS: list[Row] = [*chat_rows(), *gemini_rows()]


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
