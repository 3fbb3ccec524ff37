"""Threads with a parser each: do they scale? Only without a global lock. See docs/performance.md.

    python3.14t benchmarks/threads.py [--most 8]

One thread reads one answer after the other, then two do, and so on up to the cores there are.
Printed is how many tokens a second all of them read by the wall clock. Every thread must find
every text. It needs tokenwire and msgspec only.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import bodies

from tokenwire import StreamParser, Token

TOKENS, ANSWERS, ROUNDS = 2000, 20, 5  # an answer, a thread, and how often


def main() -> None:
    parser = argparse.ArgumentParser(description="Threads with a parser each.")
    parser.add_argument("--most", type=int, default=os.cpu_count() or 1, help="threads")
    most = parser.parse_args().most
    locked = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"CPython {sys.version.split()[0]}, {'with' if locked else 'without'} a global lock")
    body = bodies.openai_chat(TOKENS)
    one = 0.0
    for threads in range(1, most + 1):
        rates = [tokens_a_second(body, threads) for _ in range(ROUNDS)]
        rate = statistics.median(rates)
        one = one or rate
        print(f"{threads} threads: {rate:,.0f} tokens a second, {rate / one:.2f} times one thread")


def tokens_a_second(body: bodies.Body, threads: int) -> float:
    ready = threading.Barrier(threads + 1)

    def read() -> None:
        ready.wait()
        for _ in range(ANSWERS):
            if texts_of(body) != body.texts:
                raise RuntimeError("a thread did not find what is in the body")

    with ThreadPoolExecutor(threads) as pool:
        reading = [pool.submit(read) for _ in range(threads)]
        ready.wait()
        begun = time.perf_counter()
        for one in reading:
            one.result()
        return threads * ANSWERS * len(body.texts) / (time.perf_counter() - begun)


def texts_of(body: bodies.Body) -> list[str]:
    texts: list[str] = []
    parser = StreamParser("openai-chat")
    for chunk in body.frames:
        parser.receive_data(chunk)
        for event in parser.events():
            match event:
                case Token(text=text):
                    texts.append(text)
    return texts


if __name__ == "__main__":
    main()
