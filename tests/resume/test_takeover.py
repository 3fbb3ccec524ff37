"""Exactly once for every dialect that can be resumed, wherever a connection breaks or a process ends.

A service keeps one rich answer, and goes on with it after any place that its dialect can name: at
every event or at every third, with any line ends, exactly there or with too much before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Literal

import msgspec
import pytest
from msgspec.structs import replace
from tests.effort import spread

from tokenwire.completion import Completion
from tokenwire.cursor import Cursor
from tokenwire.dialects import Dialect, available_dialects, available_profiles, get_dialect
from tokenwire.encoder import StreamEncoder
from tokenwire.errors import LocalProtocolError
from tokenwire.events import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Reasoning,
    Reconnecting,
    Started,
    Token,
    ToolCall,
    Usage,
)
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer
from tokenwire.limits import Limits
from tokenwire.parser import StreamParser
from tokenwire.parser.resuming import resume_parser
from tokenwire.request import Known, Request
from tokenwire.resume.backoff import RetryPolicy
from tokenwire.resume.checkpoint import Checkpoint
from tokenwire.resume.deadlines import UNLIMITED
from tokenwire.resume.effects import Deliver, Ended, OpenRequest, ReadData, Sleep
from tokenwire.resume.session import Session

RESUMABLE = [
    name
    for name in (*available_dialects(), *available_profiles())
    if (found := get_dialect(name)).resumption is not None and found.encoder is not None
]
ENDING = [name for name in RESUMABLE if name != "event-stream"]  # which never ends

# Of each what the dialect can say.
ANSWER: list[Event] = [
    Started("answer-1", "m"),
    Data("notifications/progress", {"progress": 1}),
    Reasoning("hm"),
    Reasoning("", signature="s"),
    Token("Par"),
    Token("is 🗼"),
    Token("Par"),  # once more, to be told from the first one
    Token(" 42"),  # JSON, though its frame be cut
    Token("ma", index=1),
    Token(" next", part=1),
    Token("Par", part=1),
    Usage(output_tokens=2),
    ToolCall("0", id="call-1", name="look"),
    ToolCall("0", arguments='{"a":'),
    ToolCall("1", id="call-2", name="look"),
    ToolCall("0", arguments="1}"),
    ToolCall("1", arguments='{"a":1}'),
    ToolCall("0", complete=True),
    ToolCall("1", complete=True),
    Finished(0, "stop", "stop"),
    Finished(1, "stop", "stop"),
    Usage(input_tokens=3, output_tokens=5, final=True),
    Done("stop"),
]

Resent = Literal["exact", "inclusive", "restart"]


class Service:
    """Keeps one answer.

    Args:
        name: Its dialect.
        every: Only every so manieth event names its place.
        first: Events before the first that does.
        end: What ends a line.
        resent: Where it goes on.
    """

    def __init__(
        self,
        name: str,
        *,
        every: int = 1,
        first: int = 0,
        end: bytes = b"\n",
        resent: Resent = "exact",
    ) -> None:
        found = get_dialect(name)
        assert found.resumption is not None
        self.resumption = found.resumption
        self.kind = found.resumption.kind
        self.dialect = replace(
            found, resumption=replace(found.resumption, reconnect=self._reconnect)
        )
        self.resent = resent
        self.places: dict[str, int] = {}
        self.units: list[bytes] = []
        for number, frame in enumerate(frames_of(name)):
            named = (number - first) % every == 0 and number >= first
            placed, place = self._placed(frame, number, named=named)
            if place is not None:
                self.places[place] = number
            self.units.append(SSEFramer.encode(placed).replace(b"\n", end))
        self.wire = b"".join(self.units)

    def _placed(self, frame: Frame, number: int, *, named: bool) -> tuple[Frame, str | None]:
        """The frame with the name of its place, or without."""
        if self.kind == "id":
            place = f"x-{number}" if named else None
            return replace(frame, id=place), place
        if self.resumption.read is None or not (frame.data or b"").startswith(b"{"):
            return frame, None
        said = msgspec.json.decode(frame.data or b"")
        if self.kind == "token":
            said["event_id"] = f"x-{number}"
        for field in ("event_id", "sequence_number", "position"):
            if not named:
                said.pop(field, None)
        frame = replace(frame, data=msgspec.json.encode(said))
        found = self.resumption.read(frame)
        return frame, None if found is None else str(found)

    @staticmethod
    def _reconnect(request: Request, cursor: Cursor, known: Known) -> Request | None:
        return None if cursor.value is None else request.with_header("after", str(cursor.value))

    def body(self, request: Request) -> bytes:
        after = request.header("after")
        if after is None:
            return self.wire
        if after == str(self.resumption.beginning):
            # OpenAI leaves out the event of number 0, which only says the id.
            return b"".join(self.units[self.kind == "sequence" :])
        if self.kind == "bytes":
            return self.wire[int(after) :]
        if self.kind == "events":
            return b"".join(self.units[int(after) :])
        begin = self.places[after] + 1
        less = {"exact": 0, "inclusive": 1, "restart": begin}[self.resent]
        return b"".join(self.units[begin - less :])


def frames_of(name: str) -> Iterator[Frame]:
    encoder, framer = StreamEncoder(name), SSEFramer(Limits())
    for event in ANSWER:
        try:
            framer.receive_data(encoder.send(event) or b"\n")
        except LocalProtocolError:
            continue
    yield from framer.frames


def unbroken(dialect: Dialect, wire: bytes) -> list[Event]:
    parser = StreamParser(dialect)
    parser.receive_data(wire)
    parser.receive_eof()
    return list(parser.events())


def resumed(
    service: Service, cuts: list[int], size: int, *, over: int | None = None
) -> list[Event]:
    """The events with the first connections cut; `over`: another process takes over after those."""

    def make(checkpoint: Checkpoint | None = None) -> Session:
        return Session(
            Request("POST", "https://service.invalid/answer", (), b"{}"),
            service.dialect,
            retry=RetryPolicy(initial_delay=0),
            deadlines=UNLIMITED,
            checkpoint=checkpoint,
        )

    session, delivered, left, body = make(), [], list(cuts), b""
    while not isinstance(effect := session.next_effect(0.0), Ended):
        match effect:
            case OpenRequest(request=request):
                body = service.body(request)
                body = body[: left.pop(0)] if left else body
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


def said(events: list[Event], *, counts: bool = False) -> list[Event]:
    """Without what every connection may tell, and the counts after the last choice.

    Some answers are complete without those, wherever their body ends.
    """
    return [
        event
        for event in events
        if not isinstance(event, Started | Heartbeat)
        and (counts or not (isinstance(event, Usage) and event.final))
    ]


@pytest.mark.parametrize("name", ENDING)
def test_the_answer_is_rich(name: str) -> None:
    service = Service(name)
    whole = unbroken(service.dialect, service.wire)
    assert isinstance(whole[-1], Done)
    assert Completion.from_events(whole).text.startswith("Paris 🗼Par")


@pytest.mark.parametrize("name", ENDING)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_cut_at_every_byte(name: str, end: bytes) -> None:
    service = Service(name, end=end)
    whole = said(unbroken(service.dialect, service.wire))
    cuts = range(0, len(service.wire), 1 if end == b"\n" else 5)
    for cut in spread(cuts, 60):
        assert said(resumed(service, [cut], 1 << 16)) == whole, service.wire[:cut]


@pytest.mark.parametrize("name", ENDING)
@pytest.mark.parametrize("resent", ["exact", "inclusive", "restart"])
@pytest.mark.parametrize(("every", "first"), [(1, 0), (3, 0), (3, 2)])
def test_a_cut_after_every_event_and_another_soon_after(
    name: str, resent: Resent, every: int, first: int
) -> None:
    service = Service(name, every=every, first=first, resent=resent)
    whole = said(unbroken(service.dialect, service.wire))
    ends = [*zip(service.units, accumulate(map(len, service.units)), strict=True)]
    for unit, cut in spread(ends, 12):
        for again in (len(unit) - 1, 3 * len(unit)):
            came = said(resumed(service, [cut, again], 1 << 16))
            assert came == whole or is_cut_before_any_place(came, whole), service.wire[:cut]


def is_cut_before_any_place(came: list[Event], whole: list[Event]) -> bool:
    """Then nothing can be asked for, and that is said."""
    *rest, last = came
    return (
        rest == whole[: len(rest)]
        and isinstance(last, Error)
        and "there is no cursor" in last.message
    )


@pytest.mark.parametrize("name", ENDING)
@pytest.mark.parametrize("size", [11, 1 << 16])
@pytest.mark.parametrize(("every", "first"), [(1, 0), (3, 0)])
def test_taken_over_after_every_event(name: str, size: int, every: int, first: int) -> None:
    """By a process whose decoder has not seen what came before."""
    service = Service(name, every=every, first=first)
    events = unbroken(service.dialect, service.wire)
    whole = said(events, counts=True)
    for over in range(1, len(events)):
        came = said(resumed(service, [], size, over=over), counts=True)
        assert came == whole or is_cut_before_any_place(came, whole), events[:over]


@pytest.mark.parametrize("name", ENDING)
def test_taken_over_in_the_middle_by_one_whose_connection_breaks_too(name: str) -> None:
    service = Service(name)
    whole = said(unbroken(service.dialect, service.wire))
    for cut in range(0, len(service.wire), 31):
        came = said(resumed(service, [len(service.wire), cut, cut], 1 << 16, over=len(whole) // 2))
        assert came == whole or is_cut_before_any_place(came, whole), service.wire[:cut]


def test_a_parser_after_another_that_was_read_only_at_its_end() -> None:
    first = StreamParser("positioned")
    first.receive_data(b'data: {"token":"a","position":0}\n\ndata: {"token":"b","position":1}')
    first.receive_eof()
    tokens = [event for event in first.events() if isinstance(event, Token)]
    assert tokens == [Token("a"), Token("b")]
    second = resume_parser(
        get_dialect("positioned"), after=first, cursor=0, skip=lambda frame: False
    )
    second.receive_data(b'data: {"token":"b","position":1}\n\ndata: {"token":"b","position":2}\n\n')
    assert list(second.events()) == [Token("b"), Token("b")]
    assert second.cursor.value == 2
