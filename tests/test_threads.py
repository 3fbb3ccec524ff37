"""Threads with a parser each: nothing that parsers share may depend on who comes first.

Everything that is made late (dialects, decoders of JSON, caches) is made in a race: a fresh
process, all threads at one barrier. On a Python without a global lock they really run at once.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.effort import spread

RACE = """
import sys, threading
from tokenwire import Completion, StreamEncoder, StreamParser, Done, Finished, Started, Token

THREADS, ROUNDS = 8, 20
NAMES = ["openai-chat", "anthropic-messages", "ollama-chat", "openai-chat/groq", "auto", "auto"]
WORDS = [f"word {n} é\\n" for n in range(ROUNDS)]
sys.setswitchinterval(1e-6)

def wire(name):
    encoder = StreamEncoder(name)
    events = [Started("r1", "m"), *map(Token, WORDS), Finished(0, "stop", None), Done("stop")]
    return [encoder.send(event) for event in events]

def read(name, chunks, size):
    parser, events = StreamParser(name), []
    whole = b"".join(chunks)
    for chunk in chunks if size is None else [whole[at:at+size] for at in range(0, len(whole), size)]:
        parser.receive_data(chunk)
        events += parser.events()
    parser.receive_eof()
    events += parser.events()
    return Completion.from_events(events)

barrier, failures = threading.Barrier(THREADS), []

def run(number):
    barrier.wait()
    try:
        for turn in range(len(NAMES) * 2):
            name = NAMES[(number + turn) % len(NAMES)]
            sent = wire("openai-chat" if name in ("auto", "openai-chat/groq") else name)
            said = read(name, sent, (None, 7, 100)[(number + turn) % 3])
            if said.text != "".join(WORDS) or said.done is None:
                failures.append((name, said.text, said.error))
    except Exception as error:
        failures.append(repr(error))

threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(failures)
"""


@pytest.mark.parametrize("time", spread(range(3), 1))
def test_all_threads_read_the_same(time: int) -> None:
    command = [sys.executable, "-W", "error", "-c", RACE]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)

    assert (done.stdout, done.stderr) == ("[]\n", "")
