"""The two loops over a session: the same code in two colours, run over a client of paper."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from msgspec import Struct

from tokenwire import (
    Data,
    Done,
    Error,
    Event,
    Heartbeat,
    Opened,
    Reconnecting,
    Recovery,
    StreamError,
    Token,
    UnknownDialectError,
)
from tokenwire.answer import Answer, AsyncAnswer
from tokenwire.request import Request
from tokenwire.resume import CircuitBreaker, Deadlines, RetryPolicy
from tokenwire.resume.checkpoint import CheckpointError
from tokenwire.transport import AsyncTransport, Failures, Head, Transport
from tokenwire.turns import WORK, WORK_SIZE

REQUEST = Request("POST", "http://service/answers", body=b"{}")
AT_ONCE = RetryPolicy(initial_delay=0)
SSE = {"content-type": "text/event-stream"}
OK = Head(200, SSE)
WORDS = ["Once", " upon", " a", " time"]
END = b'data: {"done": true}\n\n'


def words(begin: int, end: int) -> list[bytes]:
    """Some of the answer, a chunk for each word."""
    said = enumerate(WORDS[begin:end], begin)
    return [b'data: {"token": "%s", "position": %d}\n\n' % (w.encode(), n) for n, w in said]


WHOLE = [OK, *words(0, 4), END, None]


class GoneError(Exception):
    pass


class LateError(Exception):
    pass


class Pause(Struct):
    """The peer says nothing for so long."""

    seconds: float


class Script:
    """A client that gives what is written, by a clock that only waiting moves.

    ``notes`` is what was asked of it.
    """

    def __init__(self, *steps: Any) -> None:
        self.failures = Failures((GoneError,), (LateError,))
        self.steps = list(steps)
        self.time = 100.0
        self.notes: list[Any] = []
        self.requests: list[Request] = []
        self.is_open = False
        self.woken = 0
        self.rearmed = 0
        self.during: Callable[[], object] = lambda: None  # called while it waits

    def now(self) -> float:
        return self.time

    def _wait(self, timeout: float | None) -> Any:
        self.during()
        step = self.steps.pop(0)
        if isinstance(step, Pause):
            if timeout is not None and step.seconds > timeout:
                self.time += timeout
                raise LateError
            self.time += step.seconds
            return self._wait(timeout and timeout - step.seconds)
        if isinstance(step, BaseException):
            raise step
        return step

    def open(self, request: Request, timeout: float | None) -> Any:
        assert not self.is_open, "the last response was not closed"
        self.requests.append(request)
        head = self._wait(timeout)
        self.is_open = True
        return head

    def read(self, timeout: float | None) -> Any:
        assert self.is_open
        return self._wait(timeout)

    def close(self, complete: bool) -> Any:
        if self.is_open:
            self.notes.append("closed whole" if complete else "closed")
        self.is_open = False

    def sleep(self, seconds: float) -> Any:
        self.notes.append(f"slept {seconds:g}")
        self.during()
        self.time += seconds

    def wake(self) -> None:
        self.woken += 1

    def rearm(self) -> None:
        self.rearmed += 1


class AsyncScript(Script):
    """The same for the other colour."""

    async def open(self, request: Request, timeout: float | None) -> Head:
        await asyncio.sleep(0)
        head: Head = super().open(request, timeout)
        return head

    async def read(self, timeout: float | None) -> bytes | None:
        await asyncio.sleep(0)
        data: bytes | None = super().read(timeout)
        return data

    async def close(self, complete: bool) -> None:
        super().close(complete)

    async def sleep(self, seconds: float) -> None:
        super().sleep(seconds)


class Colour(Struct, frozen=True):
    """One of the two, after one face: `answer` makes an answer, `events` reads it in its block."""

    script: type[Script]
    answer: Callable[..., Any]
    events: Callable[[Any], list[Event]]
    close: Callable[[Any], None]


def read_sync(answer: Answer) -> list[Event]:
    with answer:
        return list(answer)


def read_async(answer: AsyncAnswer) -> list[Event]:
    async def read() -> list[Event]:
        async with answer:
            return [event async for event in answer]

    return asyncio.run(read())


COLOURS = [
    Colour(Script, Answer, read_sync, Answer.close),
    Colour(AsyncScript, AsyncAnswer, read_async, lambda answer: asyncio.run(answer.aclose())),
]


@pytest.fixture(params=COLOURS, ids=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> Colour:
    given: Colour = request.param
    return given


def text_of(events: Iterable[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Token))


def test_the_two_are_the_same_code() -> None:
    """Substituting the words of one colour by those of the other gives the other, to the letter."""
    words = [
        # In a loop others wait as well; a thread has nobody to wait for it.
        (r"if self\._work < 0:\s+self\._work = WORK\s+await take_turn\(\)\s+", ""),
        (r"\basync def __anext__\b", "def __next__"),
        (r"\basync def aclose\b", "def close"),
        (r"\basync def\b", "def"),
        (r"\bawait self\.aclose\b", "self.close"),
        (r"\bawait ", ""),
        (r"__aiter__", "__iter__"),
        (r"__aenter__", "__enter__"),
        (r"__aexit__", "__exit__"),
        (r"\ban async iterator", "an iterator"),
        (r"\ban ``async with``", "a ``with``"),
        (r"StopAsyncIteration", "StopIteration"),
        (r"AsyncIterator", "Iterator"),
        (r"AsyncTransport", "Transport"),
        (r"AsyncTextStream", "TextStream"),
        (r"\bAsyncAnswer", "Answer"),
        (r"\ban `Answer`", "an `Answer`"),
    ]
    for one, other in ((Transport, AsyncTransport), (Answer, AsyncAnswer)):
        source = inspect.getsource(other)
        for pattern, word in words:
            source = re.sub(pattern, word, source)
        assert source.split() == inspect.getsource(one).split()


def test_an_unbroken_answer(colour: Colour) -> None:
    client = colour.script(*WHOLE)
    answer = colour.answer(client, REQUEST, "positioned")
    events = colour.events(answer)
    assert text_of(events) == "Once upon a time"
    assert events[-1] == answer.completion.done == Done("stop")
    assert answer.completion.text == "Once upon a time"
    assert client.notes == ["closed whole"]


BREAKS = {
    "reset": [GoneError("reset")],
    "clean end": [None],
    "silence": [Pause(1000)],
    "time-out of the client": [LateError()],
}


@pytest.mark.parametrize("breaks", BREAKS.values(), ids=BREAKS)
def test_an_answer_in_three_pieces(colour: Colour, breaks: list[Any]) -> None:
    client = colour.script(
        OK, *words(0, 1), *breaks, OK, *words(1, 3), *breaks, OK, *words(3, 4), END
    )
    answer = colour.answer(client, REQUEST, "positioned", retry=AT_ONCE)
    events = colour.events(answer)
    assert text_of(events) == answer.completion.text == "Once upon a time"
    assert [event.attempt for event in events if isinstance(event, Reconnecting)] == [1, 1]
    assert [request.fields for request in client.requests] == [
        {},
        {"resume_from": 0},
        {"resume_from": 2},
    ]
    assert client.notes == ["closed", "slept 0", "closed", "slept 0", "closed whole"]


def test_no_response_is_tried_again(colour: Colour) -> None:
    client = colour.script(GoneError("refused"), Head(503, {"retry-after": "7"}), b"", None, *WHOLE)
    events = colour.events(colour.answer(client, REQUEST, "positioned", retry=AT_ONCE))
    assert text_of(events) == "Once upon a time"
    assert client.notes == ["slept 0", "closed", "slept 7", "closed whole"]


def test_a_fatal_error_is_raised_after_what_came(colour: Colour) -> None:
    lost = GoneError("reset")
    client = colour.script(OK, b"data: Once\n\n", lost)
    answer = colour.answer(client, REQUEST, "sse")
    with pytest.raises(StreamError, match="reset") as caught:
        colour.events(answer)
    assert caught.value.event.kind == "transport"
    assert caught.value.__cause__ is lost
    assert answer.completion.text == "Once"
    assert answer.completion.error is caught.value.event
    assert client.notes == ["closed"]


def test_a_fatal_error_in_band(colour: Colour) -> None:
    client = colour.script(OK, b"data: Once\n\n", None)
    *_, last = colour.events(colour.answer(client, REQUEST, "sse", errors="yield"))
    assert isinstance(last, Error)
    assert last.kind == "truncated"


def test_what_cannot_be_read_is_asked_for_once(colour: Colour) -> None:
    for steps in ([ValueError("no gzip")], [OK, ValueError("no gzip")]):
        client = colour.script(*steps, *WHOLE)
        client.failures = Failures((GoneError,), (LateError,), (ValueError,))
        answer = colour.answer(client, REQUEST, "positioned", retry=AT_ONCE, errors="yield")
        (error,) = colour.events(answer)
        assert isinstance(error, Error)
        assert (error.kind, error.recovery) == ("malformed", Recovery.FATAL)
        assert "no gzip" in error.message
        assert len(client.requests) == 1


def test_a_cause_that_would_show_a_secret_is_left_out(colour: Colour) -> None:
    request = Request("POST", "http://service/answers", (("X-Api-Key", "hidden"),), b"{}")
    client = colour.script(OK, b"data: Once\n\n", GoneError("X-Api-Key was hidden"))
    with pytest.raises(StreamError) as caught:
        colour.events(colour.answer(client, request, "sse"))
    assert caught.value.__cause__ is None
    assert "GoneError('X-Api-Key was ***')" in str(caught.value)


def test_an_error_of_the_service_is_caused_by_nothing_before_it(colour: Colour) -> None:
    client = colour.script(GoneError("refused"), Head(401, {}), b"no such key", None)
    with pytest.raises(StreamError, match="401") as caught:
        colour.events(colour.answer(client, REQUEST, "positioned", retry=AT_ONCE))
    assert caught.value.__cause__ is None


def test_an_answer_may_be_over_in_time(colour: Colour) -> None:
    beats = [step for _ in range(9) for step in (Pause(4), b": alive\n\n")]
    client = colour.script(OK, *words(0, 1), *beats)
    with pytest.raises(StreamError, match=r"not complete within 30 s") as caught:
        colour.events(
            colour.answer(client, REQUEST, "positioned", deadlines=Deadlines(idle=5, total=30))
        )
    assert isinstance(caught.value.__cause__, LateError)
    assert client.time == pytest.approx(130, abs=0.1)


def test_a_deadline_of_the_head(colour: Colour) -> None:
    client = colour.script(Pause(9), *WHOLE)
    events = colour.events(
        colour.answer(client, REQUEST, "positioned", retry=AT_ONCE, deadlines=Deadlines(connect=5))
    )
    assert isinstance(events[0], Reconnecting)
    assert events[0].cause is not None
    assert "no response within 5 s" in events[0].cause.message
    assert text_of(events) == "Once upon a time"


def test_other_exceptions_pass_through(colour: Colour) -> None:
    client = colour.script(OK, *words(0, 1), ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        colour.events(colour.answer(client, REQUEST, "positioned"))
    assert client.notes == ["closed"]


def test_bad_arguments_are_told_at_once(colour: Colour) -> None:
    client = colour.script()
    with pytest.raises(ValueError, match='errors must be "raise" or "yield"'):
        colour.answer(client, REQUEST, "positioned", errors="ignore")
    with pytest.raises(ValueError, match="cannot be resumed"):
        colour.answer(client, REQUEST, "positioned", strategies=["last_event_id"])


@pytest.mark.parametrize(
    "steps", [WHOLE, [GoneError(), *WHOLE], [OK, GoneError(), *WHOLE], [OK, None]]
)
def test_cancelled_while_it_waits(colour: Colour, steps: list[Any]) -> None:
    """Whatever the wait comes to, the loop ends without an error, and nothing is asked anew."""
    for when in range(1, 4):
        client = colour.script(*steps)
        breaker = CircuitBreaker()
        answer = colour.answer(client, REQUEST, "positioned", retry=AT_ONCE, breaker=breaker)
        waits = iter(range(1, 10))

        def cancel(waits: Any = waits, when: int = when, answer: Any = answer) -> None:
            if next(waits) == when:
                answer.cancel()
                answer.cancel()

        client.during = cancel
        events = colour.events(answer)
        assert not any(isinstance(event, (Done, Error)) for event in events)
        assert client.woken == 2
        assert not client.is_open
        assert len(client.requests) <= when
        if when == 1:
            assert events == []
            assert breaker.stats().released == 1


def test_closed_before_it_began(colour: Colour) -> None:
    client = colour.script(*WHOLE)
    answer = colour.answer(client, REQUEST, "positioned")
    colour.close(answer)
    colour.close(answer)
    assert colour.events(answer) == []
    assert client.requests == []


def test_left_early(colour: Colour) -> None:
    client = colour.script(*WHOLE)
    answer = colour.answer(client, REQUEST, "positioned")
    if isinstance(answer, Answer):
        with answer:
            for event in answer:
                assert event == Token("Once")
                break
    else:

        async def leave() -> None:
            async with answer:
                async for event in answer:
                    assert event == Token("Once")
                    break

        asyncio.run(leave())
    assert client.notes == ["closed"]
    assert colour.events(answer) == []


def test_another_answer_goes_on_from_a_checkpoint(colour: Colour) -> None:
    client = colour.script(OK, *words(0, 2), ZeroDivisionError())
    first = colour.answer(client, REQUEST, "positioned")
    with pytest.raises(ZeroDivisionError):
        colour.events(first)
    client = colour.script(OK, *words(2, 4), END)
    place = first.checkpoint()
    second = colour.answer(client, REQUEST, "positioned", checkpoint=place)
    assert text_of(colour.events(second)) == " a time"
    assert client.requests[0].fields == {"resume_from": 1}
    other = Request("POST", "http://service/answers", body=b'{"prompt": "another"}')
    with pytest.raises(CheckpointError):
        colour.answer(client, other, "positioned", checkpoint=place)


def test_without_deadlines_there_is_no_time_out(colour: Colour) -> None:
    client = colour.script(Pause(1e6), OK, Pause(1e6), b": alive\n\n", *WHOLE[1:])
    unlimited = Deadlines(connect=None, first_token=None, idle=None, progress=None)
    events = colour.events(colour.answer(client, REQUEST, "positioned", deadlines=unlimited))
    assert isinstance(events[0], Heartbeat)
    assert text_of(events) == "Once upon a time"


# --- a restart ---

SOURCE = Request("GET", "http://service/events")


def event(number: int) -> bytes:
    return b"id: %d\ndata: %d\n\n" % (number, number)


def restarted(
    colour: Colour, steps: list[Any], when: set[int], *, times: int = 1, **options: Any
) -> tuple[list[Event], Any]:
    """What comes of these steps where it is restarted in these waits."""
    client = colour.script(*steps, Head(204, {}))
    answer = colour.answer(client, SOURCE, "event-stream", errors="yield", **options)
    waits = iter(range(1, 100))

    def restart() -> None:
        if next(waits) in when:
            for _ in range(times):
                answer.restart()

    client.during = restart
    return colour.events(answer), client


def ids_asked(client: Script) -> list[str | None]:
    return [request.header("Last-Event-ID") for request in client.requests]


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("woken", [[GoneError()], [LateError()], [event(2)]])
def test_restarted_while_it_reads(colour: Colour, woken: list[Any], times: int) -> None:
    """Whatever the wait comes to. What it brought is delivered, and it is asked once."""
    steps = [OK, event(1), *woken]
    events, client = restarted(colour, steps, {3}, times=times)
    came = [event.value for event in events if isinstance(event, Data)]
    assert came == (["1", "2"] if isinstance(woken[0], bytes) else ["1"])
    assert ids_asked(client) == [None, came[-1]]
    assert client.notes == ["closed", "closed"]
    (told,) = [event for event in events if isinstance(event, Reconnecting)]
    assert (told.attempt, told.delay, told.cause) == (0, 0, None)
    assert client.rearmed == 1


@pytest.mark.parametrize("woken", [GoneError(), LateError(), OK])
def test_restarted_while_it_opens(colour: Colour, woken: Any) -> None:
    events, client = restarted(colour, [woken, OK, event(1), None], {1}, retry=AT_ONCE)
    assert [event.value for event in events if isinstance(event, Data)] == ["1"]
    assert [event.cause is None for event in events if isinstance(event, Reconnecting)] == [
        True,
        False,
    ]
    assert ids_asked(client) == [None, None, "1"]


def test_restarted_while_it_sleeps(colour: Colour) -> None:
    retry = RetryPolicy(initial_delay=9, jitter="none")
    steps = [OK, event(1), None, OK, event(2), GoneError()]
    events, client = restarted(colour, steps, {4, 7}, retry=retry)
    assert [event.value for event in events if isinstance(event, Data)] == ["1", "2"]
    assert ids_asked(client) == [None, "1", "2"]
    assert len([event for event in events if isinstance(event, Reconnecting)]) == 2


def test_restarted_before_it_began_and_after_its_end(colour: Colour) -> None:
    client = colour.script(Head(204, {}))
    answer = colour.answer(client, SOURCE, "event-stream", errors="yield")
    answer.restart()
    assert len(colour.events(answer)) == 1
    answer.restart()
    assert colour.events(answer) == []
    assert len(client.requests) == 1


def test_restarted_between_two_events(colour: Colour) -> None:
    """Both were received; the second is not lost, and not asked for again."""
    client = colour.script(OK, event(1) + event(2), Head(204, {}))
    answer = colour.answer(client, SOURCE, "event-stream", errors="yield")

    told = answer._told

    def tell(event: Event) -> Event:
        if isinstance(event, Data) and event.value == "1":
            answer.restart()
        return told(event)

    answer._told = tell
    events = colour.events(answer)
    assert [event.value for event in events if isinstance(event, Data)] == ["1", "2"]
    assert ids_asked(client) == [None, "2"]


def test_a_cancel_is_stronger_than_a_restart(colour: Colour) -> None:
    client = colour.script(OK, event(1), GoneError())
    answer = colour.answer(client, SOURCE, "event-stream")

    def during() -> None:
        if len(client.steps) == 1:
            answer.cancel()
            answer.restart()

    client.during = during
    assert [type(event) for event in colour.events(answer)] == [Opened, Data]
    assert client.rearmed == 0


def test_closed_while_somebody_waits(colour: Colour) -> None:
    """It is as if it were cancelled: who waits closes the response."""
    client = colour.script(OK, event(1), GoneError())
    answer = colour.answer(client, SOURCE, "event-stream")

    def during() -> None:
        if len(client.steps) == 1:
            if isinstance(answer, Answer):
                answer.close()
            else:
                with pytest.raises(StopIteration):  # it waits for nothing
                    answer.aclose().send(None)
            assert client.is_open

    client.during = during
    assert [type(event) for event in colour.events(answer)] == [Opened, Data]
    assert (client.woken, client.notes) == (1, ["closed"])


class Ready(AsyncScript):
    """All is there already: who asks never waits."""

    async def open(self, request: Request, timeout: float | None) -> Head:
        head: Head = Script.open(self, request, timeout)
        return head

    async def read(self, timeout: float | None) -> bytes | None:
        data: bytes | None = Script.read(self, timeout)
        return data


@pytest.mark.parametrize(
    "chunks", [[b"data: x\n\n" * 4000], [b"data: ", *[b"x" * 65536] * 20, b"\n\n"]]
)
def test_a_flood_leaves_others_their_turn(chunks: list[bytes]) -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def main() -> None:
        task = asyncio.create_task(other())
        client = Ready(OK, *chunks, b"data: [DONE]\n\n", None)
        events = [event async for event in AsyncAnswer(client, REQUEST, "sse")]
        work = len(events) + sum(len(chunk) // WORK_SIZE for chunk in chunks)
        assert turns >= work // WORK - 2 > 5
        task.cancel()

    asyncio.run(main())


def test_a_flood_can_be_cancelled() -> None:
    async def main() -> int:
        client = Ready(OK, *[b"data: x\n\n" * 4000] * 9, None)
        answer = AsyncAnswer(client, REQUEST, "sse")
        asyncio.get_running_loop().call_soon(answer.cancel)
        return len([event async for event in answer])

    assert asyncio.run(main()) <= WORK + 1


# --- what both kinds of stream have ---


def test_where_an_answer_stands_over_all_connections(colour: Colour) -> None:
    client = colour.script(OK, *words(0, 2), GoneError(), OK, *words(2, 4), END)
    answer = colour.answer(client, REQUEST, "positioned", retry=AT_ONCE)
    states = []
    told = answer._told

    def tell(event: Event) -> Event:
        given: Event = told(event)
        states.append((type(event), str(answer.state)))
        return given

    answer._told = tell
    assert answer.state == "IDLE"
    colour.events(answer)
    assert states == [
        *[(Token, "OPEN")] * 2,
        (Reconnecting, "OPEN"),
        *[(Token, "OPEN")] * 2,
        (Done, "DONE"),
    ]
    failed = colour.answer(
        colour.script(Head(403, {}), None), REQUEST, "positioned", errors="yield"
    )
    colour.events(failed)
    assert failed.state == "FAILED"
    assert failed.completion.error is not None


def test_the_text_of_an_answer_alone() -> None:
    with Answer(Script(*WHOLE), REQUEST, "positioned") as answer:
        assert list(answer.text_stream()) == WORDS
    assert answer.completion.done == Done("stop")

    async def read() -> list[str]:
        async with AsyncAnswer(AsyncScript(*WHOLE), REQUEST, "positioned") as answer:
            return [text async for text in answer.text_stream()]

    assert asyncio.run(read()) == WORDS


@pytest.mark.parametrize(("complete", "note"), [(None, "closed"), (True, "closed whole")])
def test_who_leaves_says_whether_the_rest_may_be_read(complete: bool | None, note: str) -> None:
    client = Script(*WHOLE)
    answer = Answer(client, REQUEST, "positioned")
    next(answer)
    answer.close(complete)
    assert client.notes == [note]

    async def leave() -> list[Any]:
        other = AsyncScript(*WHOLE)
        answer = AsyncAnswer(other, REQUEST, "positioned")
        await anext(answer)
        await answer.aclose(complete)
        return other.notes

    assert asyncio.run(leave()) == [note]


def test_an_answer_knows_whose_it_is(colour: Colour) -> None:
    answer = colour.answer(colour.script(*WHOLE), REQUEST, "positioned")
    colour.events(answer)
    assert answer.completion.dialect == answer.completion.choices[0].dialect == "positioned"


def test_what_an_event_source_says_is_not_kept(colour: Colour) -> None:
    client = colour.script(OK, event(1) + event(2), None, Head(204, {}))
    answer = colour.answer(client, SOURCE, "event-stream", errors="yield", retry=AT_ONCE)
    assert any(isinstance(one, Data) for one in colour.events(answer))
    assert answer.completion.choices == []
    assert answer.completion.error is not None


def test_a_dialect_must_be_known_before_it_asks(colour: Colour) -> None:
    with pytest.raises(UnknownDialectError, match='"auto" is for reading a response that is open'):
        colour.answer(colour.script(), REQUEST, "auto")
    with pytest.raises(UnknownDialectError, match="did you mean 'openai-chat'"):
        colour.answer(colour.script(), REQUEST, "openai-caht")
