"""Sessions against an ideal server over a bad network, all in one process and without a clock.

    python -m tools.simulate [--sessions N] [--seed N]

Each session asks for an answer of random words, thoughts and tool calls in a random dialect, whose
lines end in LF, CRLF or CR, and whose events name their place all or only every so often, by names
that count, that have no order, or that come again for other events. Connections break at random
bytes, several times each, or end as if the answer were over; some only name a place. Replays begin
where they were asked to, one event too early, or at the beginning, and jump back in between; some
servers do not heed the place and send another answer, begin elsewhere, or leave a piece out.
Requests are refused with 429 and 503; other processes go on from checkpoints, in the middle of
events too. What was delivered is compared with what the server generated: no character may be
lost, doubled or of another answer, no request that was taken may be sent again, and a session that
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
    Reset,
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
from tokenwire.resume.replay import Channel, channel_of
from tokenwire.resume.session import Session

Resent = Literal[
    "exact", "inclusive", "restart", "overlapping", "another", "elsewhere", "gap", "polled"
]
"""What a replay brings: the last three are of servers that do not do what they were asked to, and
of one that names the place again and ends."""

_Naming = Literal["counted", "opaque", "reused"]

_RESENT: Final[tuple[Resent, ...]] = (
    "exact",
    "exact",
    "inclusive",
    "restart",
    "overlapping",
    "another",
    "elsewhere",
    "gap",
    "polled",
)

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
        self.naming: _Naming = seed.choice(("counted", "counted", "opaque", "reused"))
        if self.live:  # it delivers whatever comes
            self.naming = "counted"
            self.resent = resent = "restart" if resent == "another" else resent
        self.salt = seed.randrange(1 << 30)
        self.text = "".join(seed.choice(_WORDS) for _ in range(seed.randrange(1, 60)))
        self.places: dict[str, int] = {}
        self.units = list(self._units(seed))
        self.wire = b"".join(self.units)
        self.others: list[bytes] = []  # further answers, of which nothing may be joined to it
        if resent == "another":
            kept, places = self.text, self.places
            self.text, self.places = _another(kept, seed), {}
            self.others.append(b"".join(self._units(seed)))
            self.text, self.places = kept, places

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
            place = self._name(number) if named else None
            frame = replace(frame, id=place)
        elif self.resumption is not None and self.resumption.read is not None:
            if self.kind == "token" and frame.data and frame.data.startswith(b"{"):
                said = msgspec.json.decode(frame.data, type=dict[str, object])
                said |= {"event_id": self._name(number)} if named else {}
                frame = replace(frame, data=msgspec.json.encode(said))
            place = self.resumption.read(frame)
        if place is not None:
            self.places.setdefault(str(place), number)  # of names that come again, the first
        return frame

    def _name(self, number: int) -> str:
        match self.naming:
            case "counted":
                return f"answer-1:{number}"
            case "opaque":
                return f"{(number * 7919 + self.salt) % 10007}"
            case _:
                return f"r-{number % 7}"

    def body(self, request: Request, seed: random.Random) -> bytes | None:
        """What is sent for a request; None where nothing will ever follow."""
        query = parse_qs(urlsplit(request.url).query)
        if self.kind in ("bytes", "events") and "from" in query:
            return self._counted(int(query["from"][0]), seed)
        begin = self._begin(request, query)
        if begin == 0:
            return self.wire
        if self.others:
            return self.others[0]
        if self.live and begin >= len(self.units):
            return None
        has_order = self.resumption is not None and self.resumption.order is not None
        if self.resent == "gap" and has_order and max(self.places.values()) > begin:
            return b"".join(self.units[begin + 1 :])
        if self.resent == "polled" and self.sse and seed.random() < 0.7:
            return self._poll(begin)
        if self.resent == "overlapping" and not self.live:
            return b"".join(self._overlapping(begin, seed))
        less = {"inclusive": 1, "restart": begin, "overlapping": begin}.get(self.resent, 0)
        return b"".join(self.units[begin - less :])

    def _counted(self, begin: int, seed: random.Random) -> bytes:
        if self.others:
            return self.others[0]
        if self.resent == "elsewhere" and begin:
            begin = max(0, begin + seed.choice((-3, -2, -1, 1, 2, 3)))
        if self.kind == "bytes":
            return self.wire[begin:]
        return b"".join(self.units[begin:])

    def _poll(self, begin: int) -> bytes:
        """A name of the place, and a clean end: the client is to ask again."""
        names = {number: name for name, number in self.places.items()}
        name = names.get(begin - 1)
        told = b"id: %s\nretry: 20\ndata: \n\n" % name.encode() if name is not None else b": hm\n\n"
        return told if self.kind == "id" else b": hm\n\n"

    def _begin(self, request: Request, query: dict[str, list[str]]) -> int:
        """The first unit that is asked for."""
        for name in ("starting_after", "last_event_id"):
            if name in query:
                return self._after(query[name][0])
        last = request.header("Last-Event-ID") or request.fields.get("resume_from")
        return 0 if last is None else self._after(str(last))

    def _after(self, place: str) -> int:
        beginning = self.resumption.beginning if self.resumption is not None else None
        if place not in self.places:
            return 0 if place == str(beginning) else 1  # of another answer
        return self.places[place] + 1

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


def _another(text: str, seed: random.Random) -> str:
    """Another answer, which may begin in the same way."""
    same = text[: seed.randrange(len(text) + 1)] if seed.random() < 0.5 else ""
    # Long enough to name a place: before that, nothing tells it from the rest of the first one.
    return same + "".join(seed.choice(_WORDS) for _ in range(seed.randrange(20, 60)))


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
    resent: Resent = seed.choice(_RESENT)
    server = Server(case.dialect, seed, resent)
    retry = RetryPolicy(max_attempts=8, max_total_attempts=100)
    make = _sessions(case, retry, seed)
    session = make(None)
    delivered: list[Event] = []
    taken = False
    now, body, broken = 0.0, b"", False
    while True:
        effect = session.next_effect(now)
        now += 0.01
        match effect:
            case OpenRequest(request=request):
                is_new = taken and "replay" not in case.strategies and not server.live
                world.counts["repeated"] += is_new and request == case.request
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
                taken = taken or channel_of(event) is not None or isinstance(event, Started)
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
            drop_echoes=True,
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
    expected = _told(server, server.wire)
    texts = [expected, *(_told(server, wire) for wire in server.others)]
    if error is None:
        wrong = text not in texts
    else:
        wrong = not any(one.startswith(text) for one in texts)
    if wrong:
        is_glued = bool(server.others)
        counts["glued"] += is_glued
        counts["lost"] += max(0, len(expected) - len(text)) if error is None else 0
        counts["doubled"] += 0 if is_glued else max(0, len(text) - len(expected))
        counts["wrong"] += 1
        if len(world.faults) < 10:
            world.faults.append(
                f"{case.dialect} by {case.strategies}, replays {server.resent}, names"
                f" {server.naming}, a place at every"
                f" {server.every} from {server.first}, lines end in {server.end!r}:"
                f" {text!r} instead of {expected!r}, ended with {error!r}"
            )
    if error is not None and not error.message:
        world.faults.append(f"{case.dialect}: it gave up without saying why")


def _told(server: Server, wire: bytes) -> str:
    """What an unbroken connection delivers."""
    parser = StreamParser(get_dialect(server.dialect))
    parser.receive_data(wire)
    parser.receive_eof()
    return _text(parser.events())


def _text(events: Iterable[Event]) -> str:
    """What is said, and where; in whatever pieces."""
    told: list[tuple[Channel, str]] = []
    for event in events:
        if isinstance(event, Reset):
            told = _taken_back(told, event)
        found = channel_of(event)
        if found is None:
            continue
        channel, piece = found
        if isinstance(event, Data):
            piece = str(event.value)
        if told and told[-1][0] == channel:
            told[-1] = channel, told[-1][1] + piece
        else:
            told.append((channel, piece))
    return "".join(f"[{channel}]{text}" for channel, text in told)


def _taken_back(told: list[tuple[Channel, str]], reset: Reset) -> list[tuple[Channel, str]]:
    """Without what is void; where a block says something else now, that stands in its place."""
    if reset.part is None:
        return [one for one in told if one[0][1] != reset.index]
    void: Channel = ("text", reset.index, str(reset.part))
    at = next((number for number, one in enumerate(told) if one[0] == void), len(told))
    rest = [one for one in told[at:] if one[0] != void]
    return [*told[:at], (void, reset.text), *rest]


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
        prog="python -m tools.simulate",
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
    for name in (*names, "lost", "doubled", "glued", "repeated", "wrong"):
        sys.stdout.write(f"{name:12} {counts[name]}\n")
    for fault in world.faults:
        sys.stdout.write(f"{fault}\n")
    return 1 if counts["wrong"] or counts["repeated"] or world.faults else 0


if __name__ == "__main__":
    sys.exit(main())
