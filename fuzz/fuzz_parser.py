"""Fuzz the parser of every dialect: no bytes may make it raise, hang, or depend on the chunking.

    python fuzz/fuzz_parser.py [--runs N] [--seed N]

With atheris installed (Linux, CPython) the search is guided by coverage and N is its -runs;
without it the bytes are random mutations of real wire. A finding ends the run with the case.
`tokenwire fuzz` does this for one dialect, and more.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import sys

from tokenwire import available_dialects, get_dialect
from tokenwire.testing.fuzz import Fuzzer, text_of

SEEDS = [
    b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
    b'event: content_block_delta\r\ndata: {"type":"content_block_delta","index":0,"delta":'
    b'{"type":"text_delta","text":"\xf0\x9f\x97\xbc"}}\r\n\r\nevent: message_stop\ndata: {}\n\n',
    b'{"model":"m","message":{"content":"Hi"},"done":false}\n{"done":true,"done_reason":"stop"}\n',
    b'[{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]},\n{"candidates":[{"finishReason":'
    b'"STOP"}]}]',
    b'\xef\xbb\xbf: hi\rid: 1\rretry: 10\rdata: {"token":"a","position":0}\r\rdata:x\n\n',
    b'data: {"error":{"message":"no"}}\n\nevent: error\ndata: no\n\n{"error": 1}\n\n',
]


def fuzzers(seed: int) -> list[Fuzzer]:
    """One for each dialect."""
    return [Fuzzer(get_dialect(name), SEEDS, seed=seed) for name in available_dialects()]


def check(fuzzer: Fuzzer, wire: bytes) -> None:
    """Fails with the smallest case, for people."""
    found = fuzzer.examine(wire)
    assert found is None, f"{fuzzer.dialect.name}: {text_of(*found)}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz the parser of every dialect.")
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    made = fuzzers(asked.seed)
    if importlib.util.find_spec("atheris") is not None:
        import atheris

        def examine(data: bytes) -> None:
            """The first byte chooses the dialect."""
            if data:
                check(made[data[0] % len(made)], data[1:])

        atheris.instrument_all()
        atheris.Setup([sys.argv[0], f"-runs={asked.runs}", f"-seed={asked.seed + 1}"], examine)
        atheris.Fuzz()
        return
    source = random.Random(asked.seed)
    for _ in range(asked.runs):
        fuzzer = source.choice(made)
        check(fuzzer, fuzzer.next_wire())
    print(f"{asked.runs} runs, nothing found")


if __name__ == "__main__":
    main()
