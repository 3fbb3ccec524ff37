"""Hostile values in sound frames: none may make a parser raise, or cost more than its bytes do.

    python fuzz/fuzz_values.py [DIALECT ...]

Each value of each frame of an answer is replaced by nesting of 10**5, numbers of 10**6 digits and
texts of 1 MB. What a body costs is the processor's time a byte, as a multiple of what the plainest
body of that size costs the same dialect: one long text. A finding is printed, and the exit code is
then 1.
"""

from __future__ import annotations

import json
import sys
import time

from tokenwire import Event, StreamEncoder, StreamParser, available_dialects, get_dialect
from tokenwire.errors import LocalProtocolError
from tokenwire.events import Done, Finished, Started, Token, ToolCall, Usage
from tokenwire.testing._values import frames_with

ANSWER: list[Event] = [
    Started("a1", "m"),
    Token("Hello"),
    ToolCall("0:0", 0, "c1", "f"),
    ToolCall("0:0", arguments="{}"),
    ToolCall("0:0", complete=True),
    Usage(1, 2, final=True),
    Finished(0, "stop", "stop"),
    Done("stop"),
]
HEAVY = {
    "nesting": "[" * 100_000 + "]" * 100_000,
    "objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "open nesting": "[" * 100_000,
    "digits": "1" * 1_000_000,
    "fraction": "0." + "1" * 1_000_000,
    "text": json.dumps("x" * 1_000_000),
    "escapes": '"' + "\\u00e9" * 160_000 + '"',
}
MOST = 30  # times the plainest body; what is read twice and thrice is within it


def cost(name: str, wire: bytes) -> float:
    """Processor seconds a byte."""
    begin = time.process_time()
    parser = StreamParser(name)
    parser.receive_data(wire)
    list(parser.events())
    parser.receive_eof()
    list(parser.events())
    return (time.process_time() - begin) / len(wire)


def least(name: str, wire: bytes) -> float:
    """The smallest of three: the collector and other programs only add to it."""
    return max(min(cost(name, wire) for _ in range(3)), 1e-10)


def written(name: str) -> bytes:
    """What the dialect can say of the answer."""
    encoder, wire = StreamEncoder(name), b""
    for event in ANSWER:
        try:
            wire += encoder.send(event)
        except LocalProtocolError:
            continue
    return wire


def examine(name: str) -> int:
    """Print what is found in one dialect, and how many findings there are."""
    wire, found, worst = written(name), 0, 0.0
    plain = max(
        min(cost(name, StreamEncoder(name).send(Token("x" * 1_000_000))) for _ in range(3)), 1e-9
    )
    for what, literal in HEAVY.items():
        for number, body in enumerate(frames_with(get_dialect(name), wire, [literal])):
            try:
                times = least(name, body) / plain
            except Exception as error:
                found += 1
                print(f"{name}: {what} in place {number} raises {error!r:.60}")
                continue
            worst = max(worst, times)
            if times > MOST:
                found += 1
                print(f"{name}: {what} in place {number} costs {times:.0f} times as much")
    print(f"{name}: at most {worst:.1f} times a plain text")
    return found


def main() -> int:
    """Examine all dialects that can be written, or those that are named."""
    names = sys.argv[1:] or [name for name in available_dialects() if get_dialect(name).encoder]
    found = 0
    for name in names:
        try:
            StreamEncoder(name).send(Token("x"))
        except LocalProtocolError:
            continue  # it has no text to measure by
        found += examine(name)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
