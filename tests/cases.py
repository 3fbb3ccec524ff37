"""One table of cases, fed to parser and encoder alike.

`wire` is what a service sends, `events` what it says. Where `encodes` is set, the encoder must also
write this very wire for these events.
"""

from __future__ import annotations

from dataclasses import dataclass

from tokenwire import (
    Data,
    Done,
    Event,
    Finished,
    Heartbeat,
    Reasoning,
    Refusal,
    Started,
    Token,
    ToolCall,
    Usage,
)


@dataclass(frozen=True)
class Case:
    """A complete answer on the wire and in events."""

    name: str
    dialect: str
    wire: bytes
    events: list[Event]
    encodes: bool = True


def sse(*payloads: str) -> bytes:
    return b"".join(b"data: " + payload.encode() + b"\n\n" for payload in payloads)


def typed(*payloads: tuple[str, str]) -> bytes:
    return b"".join(f"event: {kind}\ndata: {data}\n\n".encode() for kind, data in payloads)


def lines(*payloads: str) -> bytes:
    return b"".join(payload.encode() + b"\n" for payload in payloads)


def chunk(choices: str, extra: str = "") -> str:
    head = '"object":"chat.completion.chunk","created":0,"id":"c1","model":"m"'
    return f'{{{head},"choices":{choices}{extra}}}'


def delta(delta: str, index: int = 0, finish: str = "null") -> str:
    return chunk(f'[{{"index":{index},"delta":{delta},"finish_reason":{finish}}}]')


def ended(finish: str, index: int = 0) -> str:
    return delta("{}", index, f'"{finish}"')


STARTED = Started("c1", "m")

CASES = [
    Case(
        "sse: two tokens",
        "sse",
        sse("The capital", " of France", "[DONE]"),
        [Token("The capital"), Token(" of France"), Done("stop")],
    ),
    Case(
        "sse: a token of two lines, a comment and a named event",
        "sse",
        b": hi\n\ndata: one\ndata: two\n\nevent: progress\ndata: 50\n\ndata: [DONE]\n\n",
        [Heartbeat("hi"), Token("one\ntwo"), Data("progress", "50"), Done("stop")],
    ),
    Case(
        "positioned: tokens with their place",
        "positioned",
        sse('{"token":"Par","position":0}', '{"token":"is 🗼","position":1}', '{"done":true}'),
        [Token("Par"), Token("is 🗼"), Done("stop")],
    ),
    Case(
        "positioned: ended by the sentinel",
        "positioned",
        sse('{"token":"Par","position":0}', "[DONE]"),
        [Token("Par"), Done("stop")],
        encodes=False,
    ),
    Case(
        "jsonl: text, data, a blank line and the end",
        "jsonl",
        lines('{"text":"Par"}', "", '{"score":1}', '{"text":"is"}', '{"done":true}'),
        [Token("Par"), Heartbeat(), Data("json", {"score": 1}), Token("is"), Done("stop")],
    ),
    Case(
        "jsonl: CRLF and no end on the last line",
        "jsonl",
        b'{"text":"Par"}\r\n{"text":"is","done":1}',
        [Token("Par"), Token("is"), Done("stop")],
        encodes=False,
    ),
    Case(
        "openai-chat: role, text, finish, usage, sentinel",
        "openai-chat",
        sse(
            chunk("[]"),
            delta('{"content":"Hi"}'),
            delta('{"content":" — 世界"}'),
            ended("stop"),
            chunk(
                "[]",
                ',"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14,'
                '"prompt_tokens_details":{"cached_tokens":null,"cache_write_tokens":null},'
                '"completion_tokens_details":{"reasoning_tokens":null}}',
            ),
            "[DONE]",
        ),
        [
            STARTED,
            Token("Hi"),
            Token(" — 世界"),
            Finished(0, "stop", "stop"),
            Usage(9, 5, 14, final=True),
            Done("stop"),
        ],
    ),
    Case(
        "openai-chat: reasoning, refusal, two choices",
        "openai-chat",
        sse(
            chunk("[]"),
            delta('{"reasoning_content":"Hm."}'),
            delta('{"content":"Yes"}'),
            delta('{"refusal":"No"}', 1),
            ended("length"),
            ended("stop", 1),
            "[DONE]",
        ),
        [
            STARTED,
            Reasoning("Hm."),
            Token("Yes"),
            Refusal("No", 1),
            Finished(0, "length", "length"),
            Finished(1, "stop", "stop"),
            Done("length"),
        ],
    ),
    Case(
        "openai-chat: a tool call in fragments",
        "openai-chat",
        sse(
            chunk("[]"),
            delta(
                '{"tool_calls":[{"index":0,"function":{"arguments":"","name":"f"},'
                '"id":"call_1","type":"function"}]}'
            ),
            delta('{"tool_calls":[{"index":0,"function":{"arguments":"{\\"a\\":"}}]}'),
            delta('{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}'),
            ended("tool_calls"),
            "[DONE]",
        ),
        [
            STARTED,
            ToolCall("0:0", 0, "call_1", "f"),
            ToolCall("0:0", arguments='{"a":'),
            ToolCall("0:0", arguments="1}"),
            ToolCall("0:0", complete=True),
            Finished(0, "tool_calls", "tool_calls"),
            Done("tool_calls"),
        ],
    ),
    Case(
        "anthropic-messages: text with a ping",
        "anthropic-messages",
        typed(
            (
                "message_start",
                '{"type":"message_start","message":{"id":"c1","type":"message",'
                '"role":"assistant","model":"m","content":[],'
                '"usage":{"input_tokens":0,"output_tokens":0}}}',
            ),
            (
                "content_block_start",
                '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
            ),
            (
                "content_block_delta",
                '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hé"}}',
            ),
            ("ping", '{"type":"ping"}'),
            ("content_block_stop", '{"type":"content_block_stop","index":0}'),
            (
                "message_delta",
                '{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},'
                '"usage":{"output_tokens":2}}',
            ),
            ("message_stop", '{"type":"message_stop"}'),
        ),
        [
            STARTED,
            Token("Hé"),
            Heartbeat("ping"),
            Finished(0, "stop", "end_turn"),
            Usage(None, 2, final=True),
            Done("stop"),
        ],
    ),
    Case(
        "anthropic-messages: thinking, a tool call, padding in the JSON",
        "anthropic-messages",
        typed(
            ("message_start", '{"type":"message_start","message":{"id":"c1","model":"m"}}'),
            (
                "content_block_start",
                '{"type":"content_block_start","index":0,"content_block":'
                '{"type":"thinking","thinking":"","signature":""}          }',
            ),
            (
                "content_block_delta",
                '{"type":"content_block_delta","index":0,"delta":'
                '{"type":"thinking_delta","thinking":"Hm"}      }',
            ),
            (
                "content_block_delta",
                '{"type":"content_block_delta","index":0,"delta":'
                '{"type":"signature_delta","signature":"sig"}}',
            ),
            ("content_block_stop", '{"type":"content_block_stop","index":0    }'),
            (
                "content_block_start",
                '{"type":"content_block_start","index":1,"content_block":'
                '{"type":"tool_use","id":"t1","name":"f","input":{}}}',
            ),
            (
                "content_block_delta",
                '{"type":"content_block_delta","index":1,"delta":'
                '{"type":"input_json_delta","partial_json":""}}',
            ),
            (
                "content_block_delta",
                '{"type":"content_block_delta","index":1,"delta":'
                '{"type":"input_json_delta","partial_json":"{\\"a\\":1}"}}',
            ),
            ("content_block_stop", '{"type":"content_block_stop","index":1}'),
            ("message_delta", '{"type":"message_delta","delta":{"stop_reason":"tool_use"}}'),
            ("message_stop", '{"type":"message_stop"}'),
        ),
        [
            STARTED,
            Reasoning("Hm"),
            Reasoning("", signature="sig"),
            ToolCall("0", 0, "t1", "f"),
            ToolCall("0", arguments='{"a":1}'),
            ToolCall("0", complete=True),
            Finished(0, "tool_calls", "tool_use"),
            Done("tool_calls"),
        ],
        encodes=False,
    ),
    Case(
        "ollama-chat: thinking, text, a whole tool call",
        "ollama-chat",
        lines(
            '{"model":"m","created_at":"1970-01-01T00:00:00Z",'
            '"message":{"role":"assistant","content":""},"done":false}',
            '{"model":"m","created_at":"1970-01-01T00:00:00Z",'
            '"message":{"role":"assistant","content":"","thinking":"Hm"},"done":false}',
            '{"model":"m","created_at":"1970-01-01T00:00:00Z",'
            '"message":{"role":"assistant","content":"Hi"},"done":false}',
            '{"model":"m","created_at":"1970-01-01T00:00:00Z",'
            '"message":{"role":"assistant","content":"","tool_calls":'
            '[{"function":{"name":"f","arguments":{"a":1}}}]},"done":false}',
            '{"model":"m","created_at":"1970-01-01T00:00:00Z",'
            '"message":{"role":"assistant","content":""},"done":true,'
            '"prompt_eval_count":3,"eval_count":1,"done_reason":"stop"}',
        ),
        [
            Started(None, "m"),
            Reasoning("Hm"),
            Token("Hi"),
            ToolCall("0", 0, None, "f", '{"a":1}', True),
            Usage(3, 1, final=True),
            Finished(0, "stop", "stop"),
            Done("stop"),
        ],
    ),
    Case(
        "ollama-generate: text, and a reason that is no stop",
        "ollama-generate",
        lines(
            '{"model":"m","created_at":"1970-01-01T00:00:00Z","response":"","done":false}',
            '{"model":"m","created_at":"1970-01-01T00:00:00Z","response":"Hi","done":false}',
            '{"model":"m","created_at":"1970-01-01T00:00:00Z","response":"","done":true,'
            '"done_reason":"load"}',
        ),
        [
            Started(None, "m"),
            Token("Hi"),
            Finished(0, "other", "load"),
            Done("other"),
        ],
    ),
]
