"""The bytes that everyone parses: synthetic, shaped like recordings of the real services.

They are made from a fixed seed, so that every run has the same bytes, and tuned to no parser:
lengths, padding and scripts vary as they do on the wire. The recordings themselves, where they are
there, are a second workload.
"""

from __future__ import annotations

import base64
import json
import os
import random
import re
import string
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path

RECORDINGS = Path(
    os.environ.get("TOKENWIRE_RECORDINGS", Path(__file__).parents[2] / "shared" / "recordings")
)

# What the answers say, again and again: prose, code, escapes, and scripts of two to four bytes a
# character, about as mixed as a chat gets.
_PASSAGE = """\
A stream of tokens is a promise: whatever was said so far stays said. The server may drop the
connection, a proxy may hold bytes back, and characteristically both happen at 3 a.m.; the client
has to know *where it was* before it asks again.

```python
def answer(question: str) -> Iterator[str]:
\tfor token in model.stream(question, temperature=0.2):
\t\tyield token.replace("\\n", "\\r\\n")
```

1. "Größe" und "Straße" brauchen im Zweifel je zwei Byte; naïve café readers don't mind.
2. Καλημέρα κόσμε, привет мир — 世界こんにちは、東京は晴れです — 안녕하세요 세계 👩🏽‍🚀🙂✓

See https://example.com/a?b=1&c=%20 for <b>more</b>, or {"json": [1, 2.5e-3, null]}.

"""
_WIDE = (
    "世界中の人々がこの言葉を読んでいます。今日は東京で雨が降っていますが、明日は晴れるでしょう。"
    "안녕하세요, 세계의 모든 사람들. Привет, мир: это просто текст. 👩🏽‍🚀🚀🌍✨ "
    "नमस्ते दुनिया। यह एक वाक्य है।"
)
# Cut about as tokenizers do: a word with the blank before it, in pieces if it is long.
_PIECES = re.findall(r"[ ]?\w{1,7}|\s+|[^\w\s]", _PASSAGE)


@dataclass(frozen=True)
class Body:
    """One response body and what a right parser makes of it."""

    payloads: list[bytes]  # the data of every frame
    frames: list[bytes]  # as written on the wire
    texts: list[str]  # what the tokens say

    @property
    def data(self) -> bytes:
        return b"".join(self.frames)


def openai_chat(tokens: int) -> Body:
    """An answer of so many tokens as OpenAI's chat completions send it, about 290 bytes each."""
    rng = random.Random(20261105)
    texts = list(islice(cycle(_PIECES), tokens))
    chunk = {
        "id": "chatcmpl-" + _letters(rng, 29),
        "object": "chat.completion.chunk",
        "created": 1784592268,
        "model": "gpt-5.1-2025-11-13",
        "service_tier": "default",
        "system_fingerprint": None,
    }
    deltas: list[tuple[dict[str, object], str | None]] = [
        ({"role": "assistant", "content": "", "refusal": None}, None),
        *(({"content": text}, None) for text in texts),
        ({}, "stop"),
    ]
    payloads = [
        _json(
            chunk
            | {
                "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
                "usage": None,
                "obfuscation": _letters(rng, rng.randint(1, 12)),
            }
        )
        for delta, finish_reason in deltas
    ]
    usage = {
        "prompt_tokens": 33,
        "completion_tokens": tokens,
        "total_tokens": tokens + 33,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
    payloads += [_json(chunk | {"choices": [], "usage": usage}), b"[DONE]"]
    return Body(payloads, [b"data: " + payload + b"\n\n" for payload in payloads], texts)


def anthropic_messages(tokens: int) -> Body:
    """An answer with so many text deltas, some thinking before it and a tool call after it."""
    rng = random.Random(20261106)
    pieces = cycle(_PIECES)
    texts = ["".join(islice(pieces, rng.randint(1, 4))) for _ in range(tokens)]
    thoughts = ["".join(islice(pieces, rng.randint(1, 4))) for _ in range(tokens // 10)]
    arguments = ['{"ci', 'ty": "Tr', "omsø", '", "un', 'it": "', "celsius", '"}']
    usage = {"input_tokens": 17, "cache_read_input_tokens": 0, "output_tokens": 1}
    message: dict[str, object] = {
        "id": "msg_01" + _letters(rng, 22),
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5-20251001",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    tool = {"type": "tool_use", "id": "toolu_01" + _letters(rng, 22), "name": "weather"}
    thinking = [{"type": "thinking_delta", "thinking": text} for text in thoughts]
    events: list[dict[str, object]] = [
        {"type": "message_start", "message": message},
        *_block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            [*thinking, {"type": "signature_delta", "signature": _letters(rng, 300)}],
        ),
        {"type": "ping"},
        *_block(
            1, {"type": "text", "text": ""}, [{"type": "text_delta", "text": t} for t in texts]
        ),
        *_block(
            2,
            tool | {"input": {}},
            [{"type": "input_json_delta", "partial_json": piece} for piece in arguments],
        ),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {"output_tokens": tokens},
        },
        {"type": "message_stop"},
    ]
    # Anthropic pads with spaces before the last brace.
    payloads = [_json(event)[:-1] + b" " * rng.randint(0, 15) + b"}" for event in events]
    frames = [
        b"event: %s\ndata: %s\n\n" % (str(event["type"]).encode(), payload)
        for event, payload in zip(events, payloads, strict=True)
    ]
    return Body(payloads, frames, texts)


def event_stream_shapes(tokens: int) -> dict[str, Body]:
    """The same answer in other forms that an event stream may have, and one of heartbeats."""
    chat = openai_chat(tokens)
    rng = random.Random(20261108)
    lines = [json.dumps(json.loads(p), indent=1).encode() for p in chat.payloads[:-1]]
    # About as many bytes as the others: such a block has a line for each field.
    lines = lines[: max(1, tokens // 2)]
    wide = [
        _json({"id": _letters(rng, 12), "delta": {"content": _WIDE[at : at + rng.randint(8, 40)]}})
        for at in rng.choices(range(len(_WIDE) - 40), k=tokens)
    ]
    return {
        "event-typed": anthropic_messages(tokens),
        "CRLF": replace(chat, frames=[b"data: " + p + b"\r\n\r\n" for p in chat.payloads]),
        "with ids": replace(
            chat, frames=[b"id: %d\ndata: %s\n\n" % (n, p) for n, p in enumerate(chat.payloads)]
        ),
        "heartbeats only": Body([], [b": keep-alive\n\n"] * tokens, []),
        "multi-line data": Body(
            lines, [b"data: " + p.replace(b"\n", b"\ndata: ") + b"\n\n" for p in lines], []
        ),
        "multi-byte text": Body(wide, [b"data: " + p + b"\n\n" for p in wide], []),
    }


def ollama_chat(tokens: int) -> Body:
    """JSON Lines as Ollama sends them, about 110 bytes each."""
    texts = list(islice(cycle(_PIECES), tokens))
    head = {"model": "llama3.2:3b", "created_at": "2026-11-05T12:00:00.123456789Z"}
    payloads = [
        _json(head | {"message": {"role": "assistant", "content": text}, "done": False})
        for text in texts
    ]
    counts = {"prompt_eval_count": 33, "eval_count": tokens, "total_duration": 4883583458}
    end = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
    payloads.append(_json(head | end | counts))
    return Body(payloads, [payload + b"\n" for payload in payloads], texts)


def bedrock_converse(tokens: int) -> Body:
    """An Amazon event stream as Bedrock's ConverseStream sends it."""
    from tokenwire import Frame
    from tokenwire.framing.awsevents import AWSEventsFramer

    rng = random.Random(20261109)
    texts = list(islice(cycle(_PIECES), tokens))
    events: list[tuple[str, dict[str, object]]] = [
        ("messageStart", {"role": "assistant"}),
        *(
            ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}})
            for text in texts
        ),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
    ]
    payloads = [_json(event | {"p": _letters(rng, rng.randint(2, 36))}) for _, event in events]
    frames = [
        AWSEventsFramer.encode(Frame(payload, name))
        for payload, (name, _) in zip(payloads, events, strict=True)
    ]
    return Body(payloads, frames, texts)


def recorded(vendor: str, wire: str) -> list[Body]:
    """The answers with text that this vendor really sent; none where there are no recordings."""
    bodies: list[Body] = []
    for path in sorted(RECORDINGS.rglob(f"{wire}/*.oracle.json")):
        stem = path.name.removesuffix(".oracle.json")
        told = json.loads(path.with_name(f"{stem}.json").read_text("utf-8"))
        oracle = json.loads(path.read_text("utf-8"))
        if told["vendor"] != vendor or oracle.get("exception") or len(oracle["text"]) != 1:
            continue
        data = path.with_name(f"{stem}.bin").read_bytes()
        # What stands in a recording is split without any contender's help: all of them have LF.
        blocks = [block for block in data.split(b"\n\n") if block.strip(b"\n")]
        payloads = [
            line.removeprefix(b"data: ")
            for block in blocks
            for line in block.split(b"\n")
            if line.startswith(b"data: ")
        ]
        said = "".join(oracle["text"].values())
        if len(payloads) == len(blocks) and b"\r" not in data and data.endswith(b"\n\n"):
            bodies.append(Body(payloads, [block + b"\n\n" for block in blocks], [said]))
    return bodies


def recorded_data(folder: str) -> list[bytes]:
    """All bodies of this vendor and wire, whatever their format and their end."""
    return [path.read_bytes() for path in sorted(RECORDINGS.rglob(f"{folder}/*.bin"))]


def one_line(size: int) -> Body:
    """One event of one line, as generated images come: base64."""
    payload = base64.b64encode(random.Random(20261107).randbytes(size * 3 // 4))
    return Body([payload], [b"data: " + payload + b"\n\n"], [])


def cut(body: Body, size: int | None) -> list[bytes]:
    """The body in chunks of this many bytes, or in its frames."""
    if size is None:
        return list(body.frames)
    data = body.data
    return [data[at : at + size] for at in range(0, len(data), size)]


def _block(
    index: int, block: dict[str, object], deltas: list[dict[str, object]]
) -> list[dict[str, object]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _letters(rng: random.Random, count: int) -> str:
    return "".join(rng.choices(string.ascii_letters + string.digits, k=count))


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
