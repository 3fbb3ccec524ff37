"""Sessions against an ideal server over a bad network, all in one process and without a clock.

    python -m tokenwire.testing.simulate [--sessions N] [--seed N]

Each session asks for an answer of random words, thoughts and tool calls in a random dialect, whose
lines end in LF, CRLF or CR, and whose events name their place all or only every so often.
Connections break at random bytes, several times each; replays begin where they were asked to, one
event too early, or at the beginning, and jump back in between; requests are refused with 429 and
503; other processes go on from checkpoints, in the middle of events too. What was delivered is
compared with what the server generated: no character may be lost or doubled, and a session that
gives up says why.
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

from tokenwire.dialects import get_dialect
from tokenwire.encoder import StreamEncoder
from tokenwire.errors import LocalProtocolError
from tokenwire.events import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Reasoning,
    Reconnecting,
    Started,
    Token,
    ToolCall,
)
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer
from tokenwire.limits import Limits
from tokenwire.parser import StreamParser
from tokenwire.request import Request
from tokenwire.resume.backoff import RetryPolicy
from tokenwire.resume.checkpoint import Checkpoint
from tokenwire.resume.effects import Deliver, Ended, OpenRequest, ReadData, Sleep
from tokenwire.resume.plan import Strategy
from tokenwire.resume.replay import channel_of
from tokenwire.resume.session import Session

Resent = Literal["exact", "inclusive", "restart", "overlapping"]

_WORDS: Final = (
    "Par",
    " 42",
    "null",
    "is",
    " ",
    "\n",
    "🗼",
    "é",
    "次の",
    '"',
    "\\",
    "the",
    "capital",
    "\u2028",
)


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
        seed: Chooses the answer, and how it is written.
        resent: What replays bring.
    """

    def __init__(self, dialect: str, seed: random.Random, resent: Resent) -> None:
        self.dialect = dialect
        self.resent = resent
        found = get_dialect(dialect)
        self.sse = found.format == "SSE"
        self.resumption = found.resumption
        self.kind = found.resumption.kind if found.resumption is not None else None
        self.live = found.resumption is not None and found.resumption.live
        # An event source has no other way than its ids to know what it was sent.
        self.every = 1 if self.live else seed.choice((1, 1, 3, 5))
        self.first = seed.choice((0, self.every - 1))
        self.end = seed.choice((b"\n", b"\n", b"\r\n", b"\r"))
        self.text = "".join(seed.choice(_WORDS) for _ in range(seed.randrange(1, 60)))
        self.places: dict[str, int] = {}
        self.units = list(self._units(seed))
        self.wire = b"".join(self.units)

    def _units(self, seed: random.Random) -> Iterator[bytes]:
        """The wire, a unit for each event."""
        encoder = StreamEncoder(self.dialect)
        framer = SSEFramer(Limits())
        sent = 0
        for event in self._answer(seed):
            try:
                wire = encoder.send(event)
            except LocalProtocolError:
                continue  # what the dialect cannot say is not part of its answer
            for frame in _frames(wire) if self.sse else ():
                placed = self._placed(frame, sent)
                yield framer.encode(placed).replace(b"\n", self.end)
                sent += 1
            if wire and not self.sse:
                yield wire

    def _answer(self, seed: random.Random) -> Iterator[Event]:
        yield Started("answer-1", "m")
        if seed.random() < 0.3:
            yield Reasoning("hm")
        at = 0
        while at < len(self.text):
            size = seed.randrange(1, 9)
            piece = self.text[at : at + size]
            yield Data("message", piece) if self.live else Token(piece)
            at += size
        keys = [str(number) for number in range(seed.choice((0, 0, 1, 2)))]
        for key in keys:
            yield ToolCall(key, id=f"call-{key}", name="look")
        for piece in ('{"a":', '"Par', 'is"}'):
            for key in keys:
                yield ToolCall(key, arguments=piece)
        for key in keys:
            yield ToolCall(key, complete=True)
        yield Finished(0, "stop", "stop")
        yield Done("stop")

    def _placed(self, frame: Frame, number: int) -> Frame:
        """The frame with the name of its place, or without."""
        named = number >= self.first and (number - self.first) % self.every == 0
        place: str | int | None = None
        if self.kind == "id":
            place = f"answer-1:{number}" if named else None
            frame = replace(frame, id=place)
        elif self.resumption is not None and self.resumption.read is not None:
            if self.kind == "token" and frame.data and frame.data.startswith(b"{"):
                said = msgspec.json.decode(frame.data, type=dict[str, object])
                said |= {"event_id": f"e-{number}"} if named else {}
                frame = replace(frame, data=msgspec.json.encode(said))
            place = self.resumption.read(frame)
        if place is not None:
            self.places[str(place)] = number
        return frame

    def body(self, request: Request, seed: random.Random) -> bytes | None:
        """What is sent for a request; None where nothing will ever follow."""
        query = parse_qs(urlsplit(request.url).query)
        if self.kind == "bytes" and "from" in query:
            return self.wire[int(query["from"][0]) :]
        if self.kind == "events" and "from" in query:
            return b"".join(self.units[int(query["from"][0]) :])
        begin = self._begin(request, query)
        if begin == 0:
            return self.wire
        if self.live and begin >= len(self.units):
            return None
        if self.resent == "overlapping" and not self.live:
            return b"".join(self._overlapping(begin, seed))
        less = {"exact": 0, "inclusive": 1}.get(self.resent, begin)
        return b"".join(self.units[begin - less :])

    def _begin(self, request: Request, query: dict[str, list[str]]) -> int:
        """The first unit that is asked for."""
        for name in ("starting_after", "last_event_id"):
            if name in query:
                return self._behind(query[name][0])
        last = request.header("Last-Event-ID") or request.fields.get("resume_from")
        return 0 if last is None else self._behind(str(last))

    def _behind(self, place: str) -> int:
        beginning = self.resumption.beginning if self.resumption is not None else None
        return self.places[place] + 1 if place != str(beginning) or place in self.places else 0

    def _overlapping(self, begin: int, seed: random.Random) -> Iterator[bytes]:
        """What is kept, and then what is new, which begins within it: two sources not in step.

        They are out of step by two places at least: by one it cannot be told whether an SSE event
        has the id of the one before it or none of its own.
        """
        kept = min(len(self.units) - 1, begin + seed.randrange(0, 12))
        yield from self.units[begin:kept]
        named = [number for number in self.places.values() if number < kept]
        new = seed.choice(named[:-2]) if named[:-2] else kept
        yield from self.units[new:]


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
_GATEWAY: Final = "https://gateway.ai.cloudflare.com/v1/a/g"
_KEPT: Final = (("X-Conversation-Id", "one"),)
# With these a service says where an answer is kept.
_HEADERS: Final = {"Location": "/threads/t/runs/r/stream", "cf-aig-run-id": "run"}


def _post(path: str, body: bytes = b"{}", headers: tuple[tuple[str, str], ...] = ()) -> Request:
    return Request("POST", path if "://" in path else _URL + path, headers, body)


_BY_ID: Final[tuple[Strategy, ...]] = ("last_event_id",)
_BY_CURSOR: Final[tuple[Strategy, ...]] = ("cursor",)
_BY_REPLAY: Final[tuple[Strategy, ...]] = ("replay",)
CASES: Final = (
    Case("sse", _BY_ID, _post("/sse")),
    Case("sse", ("last_event_id", "replay"), _post("/sse")),
    Case("event-stream", _BY_ID, Request("GET", f"{_URL}/events")),
    Case("langgraph", _BY_ID, _post("/threads/t/runs/stream")),
    Case("replicate", _BY_ID, Request("GET", f"{_URL}/stream")),
    Case("positioned", _BY_CURSOR, _post("/positioned")),
    Case(
        "openai-responses",
        _BY_CURSOR,
        _post("/v1/responses", b'{"background":true,"stream":true}'),
    ),
    Case("gemini-interactions", _BY_CURSOR, _post("/v1beta/interactions")),
    Case("llamacpp", _BY_CURSOR, _post("/completion", headers=_KEPT)),
    Case("openai-chat/llamacpp", _BY_CURSOR, _post("/v1/chat/completions", headers=_KEPT)),
    Case("openai-chat/cloudflare", _BY_CURSOR, _post(f"{_GATEWAY}/compat/chat/completions")),
    Case("openai-chat", _BY_REPLAY, _post("/v1/chat/completions")),
    Case("anthropic-messages", _BY_REPLAY, _post("/v1/messages")),
    Case("ollama-chat", _BY_REPLAY, _post("/api/chat")),
    Case("openai-chat", (), _post("/v1/chat/completions")),
)


def run_session(case: Case, seed: random.Random, world: World) -> None:
    """One answer over a bad network."""
    resent: Resent = seed.choice(("exact", "exact", "inclusive", "restart", "overlapping"))
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
                    sent = server.body(request, seed)
                    status = 204 if sent is None else 200
                    media_type = session.dialect.media_types[0]
                    session.response_started(status, {"Content-Type": media_type, **_HEADERS}, now)
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
                if seed.random() < 0.02 and not isinstance(event, Done | Error):
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
                f"{case.dialect} by {case.strategies}, replays {server.resent}, a place at every"
                f" {server.every} from {server.first}, lines end in {server.end!r}:"
                f" {text!r} instead of {expected!r}, ended with {error!r}"
            )
    if error is not None and not error.message:
        world.faults.append(f"{case.dialect}: it gave up without saying why")


def _told(server: Server) -> str:
    """What an unbroken connection delivers."""
    parser = StreamParser(get_dialect(server.dialect))
    parser.receive_data(server.wire)
    parser.receive_eof()
    return _text(parser.events())


def _text(events: Iterable[Event]) -> str:
    """What is said, and where; in whatever pieces."""
    text, before = "", None
    for event in events:
        found = channel_of(event)
        if found is None:
            continue
        channel, piece = found
        if isinstance(event, Data):
            piece = str(event.value)
        text += piece if channel == before else f"[{channel}]{piece}"
        before = channel
    return text


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
