"""Fuzz what stands before a body: no status and no header may make a reader raise or hang.

    python fuzz/fuzz_heads.py [--runs N] [--seed N]

Each head goes through the parser of some dialect, whole and bytewise the same, and through a
`Session` that follows its redirects.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator

from tokenwire import Done, Error, Event, StreamParser, available_dialects
from tokenwire.request import Request
from tokenwire.resume import NEVER, Deadlines, Session
from tokenwire.resume.effects import Deliver, Ended, OpenRequest, ReadData

DATE = "Mon, 01 Jan 2024 00:00:00 +0000"

VALUES = {
    "Retry-After": [
        *("3", "0", "-3", "+3", "2.5", "1e9", "1e999", "inf", "nan", ".", "1.", "1_0", "٣", "²"),
        *("9" * 100_000, "0" * 100_000 + "1", "3, 4", "0x10", "soon", "", " " * 100_000, DATE),
        *("Mon, 01 Jan 2024 00:00:00 +9999999999999", "Mon, 01 Jan 99999999999 00:00:00 GMT"),
        *(
            "Mon, 32 Foo 2024 25:61:61 GMT",
            "Monday, 01-Jan-24 00:00:00 GMT",
            ",,,,",
            "0" + "," * 99,
        ),
        *("Mon, 01 Jan 0001 00:00:00 +2359", "Mon, 31 Dec 9999 23:59:59 -2359", "(" * 90, '"' * 90),
    ],
    "Retry-After-Ms": ["1500", "-1", "2.5", "9" * 100_000, "soon", ""],
    "Date": [DATE, "Mon, 01 Jan 2024 00:00:00", "Mon, 01 Jan 2024 00:00:00 -9999999999999", "x"],
    "Content-Type": [
        *(
            "text/event-stream",
            "TEXT/EVENT-STREAM;;;",
            "application/json",
            "text/html",
            ";" * 99_999,
        ),
        *("application/x-ndjson", "", "/", "text/event-stream; charset=\udcff", "日本/語"),
    ],
    "Location": [
        *("/elsewhere", "", "http://[::1", "http://h:99999/", "http://h:port/", "//", "?" * 50_000),
        *("javascript:alert(1)", "http://user:pass@h/?key=abcdef", "\udcff\udcfe", "http://é.例/ü"),
        *(
            "http://\x00/",
            "http://" + "a." * 30_000,
            "../" * 20_000,
            "http://h/%",
            "\\\\h\\x",
            "h:/" * 99,
        ),
    ],
    "Set-Cookie": ["a=b", "=;=;=", "a=\udcff; expires=" + "9" * 999, ";" * 50_000],
    "X-Should-Retry": ["true", "false", "TRUE", "", "\udcff"],
    "Mcp-Session-Id": ["one", "", "\udcff", "x" * 100_000],
    "Content-Location": ["/threads/1/runs/2", "/" * 50_000, "\udcff"],
}
STATUSES = [
    100,
    199,
    200,
    201,
    204,
    205,
    299,
    301,
    302,
    303,
    304,
    307,
    308,
    400,
    401,
    429,
    500,
    529,
    599,
    999,
]
BODIES = [
    b"",
    b"data: [DONE]\n\n",
    b'{"error":' * 900 + b"1" + b"}" * 900,
    b'data: {"error":' + b'{"error":' * 700 + b'"deep"' + b"}" * 701 + b"\n\n",
    b"<title>" + b" " * 8192,
    b"<title" * 9000,
    b"<TITLE>\xff Bad gateway \n</title>",
    b"error: " + b"[" * 5000,
]


def mutated(value: str, source: random.Random) -> str:
    """The beginning of the value, with a few characters changed."""
    letters = [*value[:200]]
    for _ in range(source.randint(1, 4)):
        at = source.randint(0, len(letters))
        letters[at : at + source.randint(0, 2)] = source.choice(' ,;:+-.()"\\\t09GMTé\udcff\x7f')
    return "".join(letters)


def heads(source: random.Random) -> Iterator[tuple[int, dict[str, str]]]:
    """Heads without end: each value once as it is, then mixtures of changed ones."""
    for name, values in VALUES.items():
        for value in values:
            for status in (200, 302, 429):
                yield status, {name: value, **({"Date": DATE} if name != "Date" else {})}
    while True:
        named = {
            name: value if source.random() < 0.3 else mutated(value, source)
            for name, values in VALUES.items()
            if source.random() < 0.5
            for value in [source.choice(values)]
        }
        yield source.choice(STATUSES), named


def examine(dialect: str, status: int, headers: dict[str, str], body: bytes) -> None:
    """Fails where a reader raises, or where what it gives has not one end."""
    parser = StreamParser(dialect)
    parser.receive_response(status, headers)
    events: list[Event] = [*parser.events()]
    parser.receive_data(body)
    events += parser.events()
    parser.receive_eof()
    events += parser.events()
    check_end(events)
    if dialect != "auto":
        check_end(asked(dialect, status, headers, body))


def asked(dialect: str, status: int, headers: dict[str, str], body: bytes) -> list[Event]:
    """What a session delivers whose every request is answered so."""
    request = Request(
        "POST", "https://api.example/v1?key=secret", (("X-Api-Key", "secret"),), b"{}"
    )
    session = Session(request, dialect, retry=NEVER, deadlines=Deadlines(total=5))
    events: list[Event] = []
    taken = 0
    while not isinstance(effect := session.next_effect(float(taken)), Ended):
        match effect:
            case OpenRequest():
                taken += 1
                session.response_started(status, headers, float(taken))
                unread = [body]
            case ReadData() if unread:
                session.receive_data(unread.pop(), float(taken))
            case ReadData():
                session.receive_eof(float(taken))
            case Deliver(event=event):
                events.append(event)
            case _:
                pass
    return events


def check_end(events: list[Event]) -> None:
    ends = [isinstance(one, Done) or (isinstance(one, Error) and one.fatal) for one in events]
    assert ends, "nothing came"
    assert ends == [False] * (len(ends) - 1) + [True], events[-3:]


def run(runs: int, seed: int) -> None:
    """Examine so many heads."""
    source = random.Random(seed)
    dialects = available_dialects()
    for (status, headers), _ in zip(heads(source), range(runs), strict=False):
        dialect, body = source.choice(dialects), source.choice(BODIES)
        try:
            examine(dialect, status, headers, body)
        except Exception as error:
            shown = {name: value[:120] for name, value in headers.items()}
            error.add_note(f"{dialect}, {status}, {shown}, {body[:60]!r}")
            raise


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz what stands before a body.")
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    run(given.runs, given.seed)
    print(f"{given.runs} runs, nothing found")


if __name__ == "__main__":
    main()
