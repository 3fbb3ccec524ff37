"""Sessions against an ideal server over a bad network, all in one process and without a clock.

    python -m tokenwire.testing.simulate [--sessions N] [--seed N]

Each session asks for an answer of random words in a random dialect. Connections break at random
bytes, several times each; replays begin where they were asked to, one event too early, or at the
beginning; requests are refused with 429 and 503; other processes go on from checkpoints. What
was delivered is compared with what the server generated: no character may be lost or doubled, and a
session that gives up says why.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tokenwire.completion import Completion
from tokenwire.dialects import get_dialect
from tokenwire.encoder import StreamEncoder
from tokenwire.errors import LocalProtocolError
from tokenwire.events import Data, Done, Error, Event, Finished, Reconnecting, Started, Token
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer
from tokenwire.limits import Limits
from tokenwire.parser import StreamParser
from tokenwire.request import Request
from tokenwire.resume.backoff import RetryPolicy
from tokenwire.resume.checkpoint import Checkpoint
from tokenwire.resume.effects import Deliver, Ended, OpenRequest, ReadData, Sleep
from tokenwire.resume.plan import Strategy
from tokenwire.resume.session import Session

Resent = Literal["exact", "inclusive", "restart"]

_WORDS: Final = ("Par", "is", " ", "\n", "🗼", "é", "次の", '"', "\\", "the", "capital", "\u2028")


class World(Struct):
    """What a run did.

    Attributes:
        counts: By name: sessions, whole, given up, lost, doubled, reconnects, ...
        faults: What went wrong, for people; the first of each kind.
    """

    counts: Counter[str]
    faults: list[str]


class Server:
    """Generates one answer and sends it, from where a request asks.

    Args:
        dialect: How it is written.
        seed: Chooses the answer.
        resent: Where replays begin.
    """

    def __init__(self, dialect: str, seed: random.Random, resent: Resent) -> None:
        self.dialect = dialect
        self.resent = resent
        found = get_dialect(dialect)
        self.sse = found.format == "SSE"
        self.live = found.resumption is not None and found.resumption.live
        self.text = "".join(seed.choice(_WORDS) for _ in range(seed.randrange(1, 60)))
        self.units = list(self._units(seed))

    def _units(self, seed: random.Random) -> Iterator[bytes]:
        """The wire, a unit for each event; numbered where the dialect numbers."""
        encoder = StreamEncoder(self.dialect)
        answer: list[Event] = [Started("answer-1", "m")]
        at = 0
        while at < len(self.text):
            size = seed.randrange(1, 9)
            piece = self.text[at : at + size]
            answer.append(Data("message", piece) if self.live else Token(piece))
            at += size
        answer += [Finished(0, "stop", "stop"), Done("stop")]
        numbered = self.dialect in ("sse", "event-stream")
        framer = SSEFramer(Limits())
        sent = 0
        for event in answer:
            try:
                wire = encoder.send(event)
            except LocalProtocolError:
                continue  # what the dialect cannot say is not part of its answer
            for frame in _frames(wire) if self.sse else ():
                if numbered:
                    frame = replace(frame, id=f"answer-1:{sent}")
                yield framer.encode(frame)
                sent += 1
            if wire and not self.sse:
                yield wire

    def body(self, request: Request) -> bytes | None:
        """What is sent for a request; None where nothing will ever follow."""
        query = parse_qs(urlsplit(request.url).query)
        if "from" in query:
            return b"".join(self.units)[int(query["from"][0]) :]
        begin = self._begin(request)
        if begin is None:
            return b"".join(self.units)
        if self.live and begin >= len(self.units):
            return None
        if self.resent == "restart":
            begin = 0
        elif self.resent == "inclusive":
            begin = max(0, begin - 1)
        return b"".join(self.units[begin:])

    def _begin(self, request: Request) -> int | None:
        last = request.header("Last-Event-ID")
        if last is not None:
            return int(last.rpartition(":")[2]) + 1
        query = parse_qs(urlsplit(request.url).query)
        if "starting_after" in query:
            return int(query["starting_after"][0]) + 1
        if request.body is not None:
            asked = msgspec.json.decode(request.body)
            if "resume_from" in asked:
                return int(asked["resume_from"]) + 1
        return None


def _frames(wire: bytes) -> list[Frame]:
    framer = SSEFramer(Limits())
    if wire:
        framer.receive_data(wire)
    return list(framer.frames)


class Case(Struct, frozen=True):
    """One way to resume.

    Attributes:
        dialect: The dialect.
        strategies: What the session may do.
        request: What asks for the answer.
    """

    dialect: str
    strategies: tuple[Strategy, ...]
    request: Request


_URL: Final = "https://service.invalid"
CASES: Final = (
    Case("sse", ("last_event_id",), Request("POST", f"{_URL}/sse", (), b"{}")),
    Case("positioned", ("cursor",), Request("POST", f"{_URL}/positioned", (), b"{}")),
    Case(
        "openai-responses",
        ("cursor",),
        Request("POST", f"{_URL}/v1/responses", (), b'{"background":true,"stream":true}'),
    ),
    Case(
        "llamacpp",
        ("cursor",),
        Request("POST", f"{_URL}/completion", (("X-Conversation-Id", "one"),), b"{}"),
    ),
    Case("event-stream", ("last_event_id",), Request("GET", f"{_URL}/events")),
    Case("openai-chat", ("replay",), Request("POST", f"{_URL}/v1/chat/completions", (), b"{}")),
    Case("anthropic-messages", ("replay",), Request("POST", f"{_URL}/v1/messages", (), b"{}")),
    Case("ollama-chat", ("replay",), Request("POST", f"{_URL}/api/chat", (), b"{}")),
    Case("openai-chat", (), Request("POST", f"{_URL}/v1/chat/completions", (), b"{}")),
)


def run_session(case: Case, seed: random.Random, world: World) -> None:
    """One answer over a bad network."""
    resent: Resent = seed.choice(("exact", "exact", "inclusive", "restart"))
    server = Server(case.dialect, seed, resent)
    retry = RetryPolicy(max_attempts=8)
    make = _sessions(case, retry, seed)
    session = make(None)
    delivered: list[Event] = []
    now, body, broken = 0.0, b"", False
    while True:
        effect = session.next_effect(now)
        now += 0.01
        match effect:
            case OpenRequest(request=request):
                chance = seed.random()
                if chance < 0.05:
                    session.connection_lost("refused", now)
                elif chance < 0.1:
                    status = seed.choice((429, 503))
                    session.response_started(status, {"Content-Type": "text/plain"}, now)
                    body = b"busy"
                else:
                    sent = server.body(request)
                    status = 204 if sent is None else 200
                    media_type = session.dialect.media_types[0]
                    session.response_started(status, {"Content-Type": media_type}, now)
                    body = sent or b""
                cut = seed.randrange(len(body) + 1) if seed.random() < 0.3 else len(body)
                broken, body = cut < len(body), body[:cut]
            case ReadData():
                size = seed.choice((1, 3, 20, 1000))
                if body:
                    session.receive_data(body[:size], now)
                    body = body[size:]
                elif broken and seed.random() < 0.5:
                    session.connection_lost("reset by peer", now)
                else:
                    session.receive_eof(now)
            case Sleep(until=until):
                now = max(now, until)
                session.timer_fired(now)
                if seed.random() < 0.2:
                    session = make(_stored(session, now))
                    world.counts["taken over"] += 1
            case Deliver(event=event):
                delivered.append(event)
                world.counts["reconnects"] += isinstance(event, Reconnecting)
                if seed.random() < 0.01 and not isinstance(event, Done | Error):
                    session = make(_stored(session, now))
                    world.counts["taken over"] += 1
            case Ended(error=error):
                break
            case _:
                pass
    _account(case, server, delivered, error, world)


def _stored(session: Session, now: float) -> Checkpoint:
    """What another process goes on from; the connection of this one is left."""
    return Checkpoint.from_json(session.checkpoint(now).to_json())


def _sessions(
    case: Case, retry: RetryPolicy, seed: random.Random
) -> Callable[[Checkpoint | None], Session]:
    def make(checkpoint: Checkpoint | None) -> Session:
        return Session(
            case.request,
            case.dialect,
            retry=retry,
            strategies=case.strategies,
            checkpoint=checkpoint,
            random=seed.random,
        )

    return make


def _account(
    case: Case, server: Server, delivered: list[Event], error: Error | None, world: World
) -> None:
    counts = world.counts
    text = _text(delivered)
    if server.live and error is not None and error.status == 204:
        error = None  # as an event source ends
    counts["sessions"] += 1
    counts["characters"] += len(text)
    counts["whole"] += error is None
    counts["given up"] += error is not None
    expected = _told(server)
    wrong = text != expected if error is None else not expected.startswith(text)
    if wrong:
        counts["lost"] += max(0, len(expected) - len(text)) if error is None else 0
        counts["doubled"] += max(0, len(text) - len(expected))
        counts["wrong"] += 1
        if len(world.faults) < 10:
            world.faults.append(
                f"{case.dialect} by {case.strategies}, replays {server.resent}:"
                f" {text!r} instead of {expected!r}, ended with {error!r}"
            )
    if error is not None and not error.message:
        world.faults.append(f"{case.dialect}: it gave up without saying why")


def _told(server: Server) -> str:
    """What an unbroken connection delivers."""
    parser = StreamParser(get_dialect(server.dialect))
    parser.receive_data(b"".join(server.units))
    parser.receive_eof()
    return _text(parser.events())


def _text(events: Iterable[Event]) -> str:
    """What is said, be it an answer or the data of an event source."""
    told = list(events)
    data = (event.value for event in told if isinstance(event, Data) and event.kind == "message")
    return Completion.from_events(told).text + "".join(data)


def simulate(sessions: int, seed: int, progress: Callable[[int], None] = lambda _: None) -> World:
    """Run many sessions; the same seed gives the same world."""
    world = World(Counter(), [])
    source = random.Random(seed)
    for number in range(sessions):
        run_session(CASES[number % len(CASES)], source, world)
        progress(number + 1)
    return world


def main(arguments: list[str] | None = None) -> int:
    """The command; gives its exit code: 0 if nothing was lost or doubled."""
    parser = argparse.ArgumentParser(
        prog="python -m tokenwire.testing.simulate",
        description="Sessions against an ideal server over a bad network.",
    )
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)

    def progress(done: int) -> None:
        if done % 10_000 == 0:
            sys.stderr.write(f"{done} of {asked.sessions}\n")

    world = simulate(asked.sessions, asked.seed, progress)
    counts = world.counts
    names = ("sessions", "characters", "reconnects", "taken over", "whole", "given up")
    for name in (*names, "lost", "doubled", "wrong"):
        sys.stdout.write(f"{name:12} {counts[name]}\n")
    for fault in world.faults:
        sys.stdout.write(f"{fault}\n")
    return 1 if counts["wrong"] or world.faults else 0


if __name__ == "__main__":
    sys.exit(main())
