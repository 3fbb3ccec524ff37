"""Fuzz the parser of every dialect: no bytes may make it raise, hang, or depend on the chunking.

    python fuzz/fuzz_parser.py [--runs N] [--seed N]

With atheris installed (Linux, CPython) the search is guided by coverage and N is its -runs;
without it the bytes are random mutations of real wire. A finding ends the run with the bytes.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import sys

from tokenwire import Done, Error, Limits, StreamParser, available_dialects

DIALECTS = available_dialects()
LIMITS = Limits(max_event_size=4096)
SEEDS = [
    b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
    b'event: content_block_delta\r\ndata: {"type":"content_block_delta","index":0,"delta":'
    b'{"type":"text_delta","text":"\xf0\x9f\x97\xbc"}}\r\n\r\nevent: message_stop\ndata: {}\n\n',
    b'{"model":"m","message":{"content":"Hi"},"done":false}\n{"done":true,"done_reason":"stop"}\n',
    b'\xef\xbb\xbf: hi\rid: 1\rretry: 10\rdata: {"token":"a","position":0}\r\rdata:x\n\n',
    b'data: {"error":{"message":"no"}}\n\nevent: error\ndata: no\n\n{"error": 1}\n\n',
]


def read(dialect: str, chunks: list[bytes]) -> str:
    """Everything that must not depend on the cuts, as text: NaN differs from itself."""
    parser = StreamParser(dialect, limits=LIMITS)
    events = []
    for chunk in chunks:
        parser.receive_data(chunk)
        events.extend(parser.events())
        assert parser.closed or parser.buffered <= LIMITS.max_event_size
    parser.receive_eof()
    events.extend(parser.events())
    last = events[-1]
    assert isinstance(last, Done) or (isinstance(last, Error) and last.fatal), last
    return repr((events, [event.frame for event in events], parser.state, parser.cursor))


def check(data: bytes) -> None:
    """The first byte chooses the dialect, the second where the rest is cut."""
    if len(data) < 3:
        return
    dialect, at, wire = DIALECTS[data[0] % len(DIALECTS)], data[1], data[2:]
    whole = read(dialect, [wire])
    cut = at % len(wire)
    for chunks in ([wire[:cut], wire[cut:]], [wire[i : i + 1] for i in range(len(wire))]):
        assert read(dialect, [chunk for chunk in chunks if chunk]) == whole, (dialect, wire)


def mutated(source: random.Random) -> bytes:
    """Real wire with bytes changed, dropped, doubled and spliced."""
    wire = bytearray(b"".join(source.choices(SEEDS, k=source.randint(1, 3))))
    for _ in range(source.randint(0, 8)):
        at = source.randrange(len(wire) + 1)
        match source.randrange(4):
            case 0:
                wire[at:at] = source.choice(
                    [b"\r", b"\n", b"\r\n", b"\0", b"{", b"data: ", b"\xff"]
                )
            case 1:
                del wire[at : at + source.randint(1, 9)]
            case 2:
                wire[at:at] = wire[at : at + source.randint(1, 40)]
            case _:
                wire[at : at + 1] = source.randbytes(1)
    return source.randbytes(2) + bytes(wire)


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz the parser of every dialect.")
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if importlib.util.find_spec("atheris") is not None:
        import atheris

        atheris.instrument_all()
        atheris.Setup([sys.argv[0], f"-runs={asked.runs}", f"-seed={asked.seed + 1}"], check)
        atheris.Fuzz()
        return
    source = random.Random(asked.seed)
    for _ in range(asked.runs):
        data = mutated(source)
        try:
            check(data)
        except BaseException:
            print(f"found by: check({data!r})", file=sys.stderr)
            raise
    print(f"{asked.runs} runs, nothing found")


if __name__ == "__main__":
    main()
