"""Any network at all: what was delivered is always the beginning of an answer that was generated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.effort import tries

from tokenwire.completion import Completion
from tokenwire.events import Done, Error, Event
from tokenwire.request import Request
from tokenwire.resume.backoff import RetryPolicy
from tokenwire.resume.checkpoint import Checkpoint
from tokenwire.resume.deadlines import Deadlines
from tokenwire.resume.effects import (
    CloseResponse,
    Deliver,
    Effect,
    Ended,
    OpenRequest,
    ReadData,
    Sleep,
)
from tokenwire.resume.plan import Strategy
from tokenwire.resume.session import Session

PIECES: Final = (" 42", "Par", "is", " the\n", "🗼", " ", "a", "aa", "the", "\u2028")
# The second strategy of `sse` is for what its ids cannot do.
WAYS: Final[dict[str, tuple[Strategy, ...]]] = {
    "sse": ("last_event_id", "replay"),
    "positioned": ("cursor",),
    "llamacpp": ("cursor",),
    "openai-chat": ("replay",),
}
NOISE: Final = (b"", b": hm\n\n", b"nonsense\n\n", b"\n", b"event: x\n\n")


# What ends an answer so that only another one can be asked for.
BUSY: Final = b'event: error\ndata: {"error":{"type":"overloaded_error","message":"busy"}}\n\n'


URL: Final = "https://service.invalid"


class Service:
    """Several answers to one request, each of them kept."""

    def __init__(self, dialect: str, answers: list[list[str]]) -> None:
        self.dialect = dialect
        self.texts = ["".join(pieces) for pieces in answers]
        self.kept = b""  # by a service that keeps bytes: what it sent last
        self.answers = [self._units(number, pieces) for number, pieces in enumerate(answers)]

    def _units(self, answer: int, pieces: list[str]) -> list[bytes]:
        match self.dialect:
            case "sse":
                said = [*(f"data: {line}" for line in map(_lines, pieces)), "data: [DONE]"]
                units = [f"id: {answer}-{place}\n{one}" for place, one in enumerate(said)]
            case "positioned":
                each = enumerate(pieces)
                units = [_json({"token": piece, "position": place}) for place, piece in each]
                units.append(_json({"done": True}))
            case "llamacpp":
                units = [_json({"content": piece, "stop": False}) for piece in pieces]
                units.append(_json({"content": "", "stop": True}))
            case _:
                units = [_json({"choices": [{"delta": {"content": piece}}]}) for piece in pieces]
                units += [
                    _json({"choices": [{"delta": {}, "finish_reason": "stop"}]}),
                    "data: [DONE]",
                ]
        return [f"{unit}\n\n".encode() for unit in units]

    def units(self, request: Request, answer: int, resent: str) -> list[bytes]:
        """What is sent for a request; `answer` where it asks anew."""
        last = request.header("Last-Event-ID")
        begin = 0
        if last is not None:
            number, _, place = last.partition("-")
            answer, begin = int(number), int(place) + 1
        elif "resume_from" in request.fields:
            answer, begin = 0, request.fields["resume_from"] + 1
        elif self.dialect == "positioned":
            answer = 0  # its places do not say of which answer they are
        begin = {"exact": begin, "inclusive": max(0, begin - 1), "restart": 0}[resent]
        return self.answers[answer][begin:]


def _lines(text: str) -> str:
    return text.replace("\n", "\ndata: ")


def _json(value: object) -> str:
    return "data: " + msgspec.json.encode(value).decode()


Rule = TypeVar("Rule", bound=Callable[..., None])


def is_asked(*kinds: type[Effect]) -> Callable[[Rule], Rule]:
    return precondition(lambda machine: isinstance(machine.effect, kinds))


class Machine(RuleBasedStateMachine):
    effect: Effect | None = None

    @initialize(
        dialect=st.sampled_from(sorted(WAYS)),
        answers=st.lists(
            st.lists(st.sampled_from(PIECES), min_size=1, max_size=8), min_size=2, max_size=2
        ),
    )
    def start(self, dialect: str, answers: list[list[str]]) -> None:
        self.service = Service(dialect, answers)
        self.now = 0.0
        self.delivered: list[Event] = []
        self.body = b""
        self.session = self.make(None)
        self.go_on()

    def make(self, checkpoint: Checkpoint | None) -> Session:
        self.is_open = False
        return Session(
            Request("POST", f"{URL}/completion", (("X-Conversation-Id", "c"),), b'{"stream":true}'),
            self.service.dialect,
            retry=RetryPolicy(max_attempts=4, max_retry_after=60),
            deadlines=Deadlines(connect=30, first_token=60, idle=20, progress=40, total=4000),
            strategies=WAYS[self.service.dialect],
            checkpoint=checkpoint,
            random=lambda: 0.5,
        )

    def go_on(self) -> None:
        """Up to the next effect that wants an answer; each must be legal."""
        while True:
            self.effect = effect = self.session.next_effect(self.now)
            over = bool(self.delivered) and isinstance(self.delivered[-1], Done | Error)
            match effect:
                case Deliver(event=event):
                    assert not over
                    if not isinstance(event, Error) or event.fatal:
                        self.delivered.append(event)
                        self.is_prefix()
                case CloseResponse():
                    assert self.is_open
                    self.is_open = False
                case ReadData():
                    assert self.is_open
                    return
                case _:
                    assert not self.is_open
                    return

    # --- the network ---

    @is_asked(OpenRequest)
    @rule(
        answer=st.sampled_from([0, 0, 0, 1]),
        resent=st.sampled_from(["exact", "inclusive", "restart"]),
        noise=st.lists(st.sampled_from(NOISE), min_size=10, max_size=10),
        busy=st.none() | st.integers(0, 8),
        cut=st.none() | st.integers(0, 200),
    )
    def respond(
        self, answer: int, resent: str, noise: list[bytes], busy: int | None, cut: int | None
    ) -> None:
        assert isinstance(self.effect, OpenRequest)
        units = self.service.units(self.effect.request, answer, resent)
        if busy is not None:
            units = [*units[:busy], BUSY]
        mixed = [noise[number % len(noise)] + unit for number, unit in enumerate(units)]
        self.body = b"".join(mixed)
        _, counted, begin = self.effect.request.url.partition("from=")
        if counted:
            self.body = self.service.kept[int(begin) :]
        else:
            self.service.kept = self.body
        self.body = self.body[:cut]
        self.is_open = True
        self.session.response_started(200, {"content-type": "text/event-stream"}, self.now)
        self.go_on()

    @is_asked(OpenRequest)
    @rule(status=st.sampled_from([429, 503, 404]), wait=st.sampled_from([{}, {"Retry-After": "9"}]))
    def refuse(self, status: int, wait: dict[str, str]) -> None:
        self.body = b"busy"
        self.is_open = True
        self.session.response_started(status, wait, self.now)
        self.go_on()

    @is_asked(ReadData)
    @rule(size=st.sampled_from([1, 7, 40, 1000]))
    def read(self, size: int) -> None:
        if self.body:
            self.session.receive_data(self.body[:size], self.now)
            self.body = self.body[size:]
        else:
            self.session.receive_eof(self.now)
        self.go_on()

    @is_asked(OpenRequest, ReadData)
    @rule()
    def lose(self) -> None:
        self.session.connection_lost("reset", self.now)
        self.go_on()

    @is_asked(ReadData)
    @rule()
    def end(self) -> None:
        self.session.receive_eof(self.now)
        self.go_on()

    @is_asked(OpenRequest, ReadData, Sleep)
    @rule(seconds=st.sampled_from([0.0, 1.0, 15.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.session.timer_fired(self.now)
        waits = isinstance(self.effect, OpenRequest) and self.now < (self.effect.deadline or 0)
        if not waits:
            self.go_on()

    @is_asked(Sleep)
    @rule()
    def wake(self) -> None:
        assert isinstance(self.effect, Sleep)
        self.now = max(self.now, self.effect.until)
        self.session.timer_fired(self.now)
        self.go_on()

    @is_asked(OpenRequest, ReadData, Sleep)
    @rule()
    def restart(self) -> None:
        self.session.restart(self.now)
        self.go_on()

    @precondition(lambda self: self.effect is not None and not isinstance(self.effect, Ended))
    @rule()
    def take_over(self) -> None:
        """Another process goes on; this one is gone, with its connection."""
        stored = self.session.checkpoint(self.now).to_json()
        self.session = self.make(Checkpoint.from_json(stored))
        self.go_on()

    @is_asked(Ended)
    @rule()
    def leave(self) -> None:
        self.session.cancel()
        assert self.session.next_effect(self.now) == self.effect

    # --- what must hold ---

    @invariant()
    def is_prefix(self) -> None:
        if self.effect is None:
            return
        text = Completion.from_events(self.delivered).text
        assert any(whole.startswith(text) for whole in self.service.texts)

    @invariant()
    def ends_with_a_reason(self) -> None:
        if not isinstance(self.effect, Ended):
            return
        last = self.delivered[-1]
        if self.effect.error is None:
            assert isinstance(last, Done)
            assert Completion.from_events(self.delivered).text in self.service.texts
        else:
            assert last is self.effect.error
            assert self.effect.error.message


Machine.TestCase.settings = settings(max_examples=tries(100), stateful_step_count=40, deadline=None)
TestSession = Machine.TestCase
