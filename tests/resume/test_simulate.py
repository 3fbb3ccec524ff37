"""Sessions over a bad network, and exactly once for every dialect, wherever a connection breaks."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tokenwire.completion import Completion
from tokenwire.dialects import Dialect, available_dialects, available_profiles, get_dialect
from tokenwire.encoder import StreamEncoder
from tokenwire.errors import LocalProtocolError
from tokenwire.events import (
    Done,
    Error,
    Event,
    Finished,
    Reasoning,
    Reconnecting,
    Started,
    Token,
    ToolCall,
    Usage,
)
from tokenwire.framing.sse import SSEFramer
from tokenwire.limits import Limits
from tokenwire.parser import StreamParser
from tokenwire.request import Request
from tokenwire.resume.backoff import RetryPolicy
from tokenwire.resume.checkpoint import Checkpoint
from tokenwire.resume.deadlines import UNLIMITED
from tokenwire.resume.effects import Deliver, Ended, OpenRequest, ReadData, Sleep
from tokenwire.resume.session import Session
from tokenwire.testing.simulate import main, simulate

RESUMABLE = [
    name
    for name in (*available_dialects(), *available_profiles())
    if (found := get_dialect(name)).resumption is not None and found.encoder is not None
]

# Of each what the dialect can say.
ANSWER: list[Event] = [
    Started("answer-1", "m"),
    Reasoning("hm"),
    Token("Par"),
    Token("is 🗼"),
    ToolCall("0", id="call-1", name="look"),
    ToolCall("0", arguments='{"a":'),
    ToolCall("0", arguments="1}"),
    ToolCall("0", complete=True),
    Finished(0, "stop", "stop"),
    Usage(input_tokens=3, output_tokens=5, final=True),
    Done("stop"),
]


def test_nothing_is_lost_or_doubled() -> None:
    world = simulate(400, seed=7)
    counts = world.counts
    assert not world.faults
    assert (counts["sessions"], counts["lost"], counts["doubled"], counts["wrong"]) == (
        400,
        0,
        0,
        0,
    )
    assert counts["whole"] > 300
    assert counts["reconnects"] > 100
    assert counts["taken over"] > 10


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--sessions", "20", "--seed", "3"]) == 0
    lines = [line.rpartition(" ") for line in capsys.readouterr().out.splitlines()]
    told = {name.strip(): int(count) for name, _, count in lines}
    assert told["sessions"] == 20
    assert (told["lost"], told["doubled"], told["wrong"]) == (0, 0, 0)


# --- a cut at every byte ---


class Service:
    """Keeps one answer, and goes on with it behind any place that its dialect can name."""

    def __init__(self, name: str) -> None:
        found = get_dialect(name)
        assert found.resumption is not None
        self.kind = found.resumption.kind
        self.dialect = replace(
            found, resumption=replace(found.resumption, reconnect=self._reconnect)
        )
        self.units = list(self._units(name))
        self.wire = b"".join(self.units)

    def _units(self, name: str) -> Any:
        encoder, framer = StreamEncoder(name), SSEFramer(Limits())
        for event in ANSWER:
            try:
                framer.receive_data(encoder.send(event) or b"\n")
            except LocalProtocolError:
                continue
        for number, frame in enumerate(framer.frames):
            if self.kind == "id":
                frame = replace(frame, id=f"x-{number}")
            elif self.kind == "token" and frame.data and frame.data.startswith(b"{"):
                said = {**msgspec.json.decode(frame.data), "event_id": f"x-{number}"}
                frame = replace(frame, data=msgspec.json.encode(said))
            yield framer.encode(frame)

    @staticmethod
    def _reconnect(request: Request, cursor: Any, known: Any) -> Request | None:
        return None if cursor.value is None else request.with_header("behind", str(cursor.value))

    def body(self, request: Request) -> bytes:
        behind = request.header("behind")
        if behind is None:
            return self.wire
        if self.kind == "bytes":
            return self.wire[int(behind) :]
        if self.kind == "events":
            return b"".join(self.units[int(behind) :])
        assert self.dialect.resumption is not None
        read = self.dialect.resumption.read
        framer = SSEFramer(Limits())
        framer.receive_data(self.wire)
        places = [
            str(read(frame) if read is not None and frame.data else frame.id)
            for frame in framer.frames
        ]
        return b"".join(self.units[places.index(behind) + 1 :])


def unbroken(dialect: Dialect, wire: bytes) -> list[Event]:
    parser = StreamParser(dialect)
    parser.receive_data(wire)
    parser.receive_eof()
    return list(parser.events())


def resumed(service: Service, cut: int, size: int, *, over: int | None = None) -> list[Event]:
    """The events with the first connection cut; `over`: another process takes over after those."""

    def make(checkpoint: Checkpoint | None = None) -> Session:
        return Session(
            Request("POST", "https://service.invalid/answer", (), b"{}"),
            service.dialect,
            retry=RetryPolicy(initial_delay=0),
            deadlines=UNLIMITED,
            checkpoint=checkpoint,
        )

    session, delivered, opened, body = make(), [], 0, b""
    while not isinstance(effect := session.next_effect(0.0), Ended):
        match effect:
            case OpenRequest(request=request):
                opened += 1
                body = service.body(request)
                body = body[:cut] if opened == 1 else body
                session.response_started(200, {"content-type": "text/event-stream"}, 0.0)
            case ReadData():
                if body:
                    session.receive_data(body[:size], 0.0)
                    body = body[size:]
                else:
                    session.receive_eof(0.0)
            case Sleep():
                session.timer_fired(0.0)
            case Deliver(event=event):
                if not isinstance(event, Reconnecting):
                    delivered.append(event)
                if len(delivered) == over:
                    over = None
                    session = make(Checkpoint.from_json(session.checkpoint(0.0).to_json()))
            case _:
                pass
    return delivered


def said(events: list[Event]) -> list[Event]:
    """Without the identity, which every connection may tell, and counts behind the last choice."""
    return [event for event in events if not isinstance(event, Started | Usage)]


ENDING = [name for name in RESUMABLE if name != "event-stream"]  # which never ends


@pytest.mark.parametrize("name", ENDING)
def test_a_cut_at_every_byte(name: str) -> None:
    service = Service(name)
    whole = said(unbroken(service.dialect, service.wire))
    assert isinstance(whole[-1], Done)
    assert Completion.from_events(whole).text == "Paris 🗼"
    for cut in range(len(service.wire)):
        came = said(resumed(service, cut, 1 << 16))
        assert came == whole, service.wire[:cut]


def test_a_parser_behind_another_that_was_read_only_at_its_end() -> None:
    first = StreamParser("positioned")
    first.receive_data(b'data: {"token":"a","position":0}\n\ndata: {"token":"b","position":1}')
    first.receive_eof()
    assert [event for event in first.events() if isinstance(event, Token)] == [
        Token("a"),
        Token("b"),
    ]
    second = StreamParser("positioned", behind=first, cursor=0, skip=lambda frame: False)
    second.receive_data(b'data: {"token":"b","position":1}\n\ndata: {"token":"b","position":2}\n\n')
    assert list(second.events()) == [Token("b"), Token("b")]
    assert second.cursor.value == 2


@pytest.mark.parametrize("name", [name for name in ENDING if name != "mcp"])
@pytest.mark.parametrize("size", [1, 1 << 16])
def test_taken_over_behind_every_event(name: str, size: int) -> None:
    """By a process whose decoder has not seen what came before."""
    service = Service(name)
    whole = unbroken(service.dialect, service.wire)
    for over in range(1, len(whole)):
        came = resumed(service, len(service.wire), size, over=over)
        assert Completion.from_events(came).text == Completion.from_events(whole).text
        assert isinstance(came[-1], Done | Error)
        if service.dialect.resumption and service.dialect.resumption.beginning is not None:
            assert said(came) == said(whole), whole[:over]  # the decoder was told all of it


def test_taken_over_within_the_only_event() -> None:
    """Of which no cursor is behind anything."""
    service = Service("mcp")
    came = resumed(service, len(service.wire), 1 << 16, over=2)
    assert came[:2] == [Started("answer-1"), Token("Paris 🗼")]
    assert isinstance(came[-1], Error)
    assert "there is no cursor for Last-Event-ID" in came[-1].message
