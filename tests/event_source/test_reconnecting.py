"""How an event source goes on: after breaks, in time, and when it is told to."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import pytest
from tests.event_source.clients import Client
from tests.event_source.source import HEAD, PATIENCE, Asked, Endpoint, Source, response

from tokenwire import Data, Deadlines, Error, Event, Reconnecting, RetryPolicy

AT_ONCE = RetryPolicy(initial_delay=0, max_attempts=None)

ENDS: dict[str, Callable[[Asked], None]] = {
    "clean": Asked.end,
    "broken": Asked.close,
    "reset": Asked.reset,
}


@pytest.fixture(params=list(ENDS.values()), ids=list(ENDS))
def end(request: pytest.FixtureRequest) -> Callable[[Asked], None]:
    given: Callable[[Asked], None] = request.param
    return given


def test_the_last_id(client: Client, endpoint: Endpoint, end: Callable[[Asked], None]) -> None:
    """Of the last event that had one, whatever comes between; and over several connections."""
    with client.listen(endpoint.url, retry=AT_ONCE) as listening:
        first = endpoint.take()
        assert first.last_id is None
        first.send("id: é🙂\ndata: Hello\n\n".encode(), b": hm\n\ndata: World\n\n")
        assert listening.data(1) == [("message", "Hello", "é🙂")]
        assert listening.comment() == "hm"
        assert listening.data(1) == [("message", "World", "é🙂")]
        for _ in range(2):
            end(first)
            told = listening.reconnecting()
            assert (told.method, told.delay) == ("last_event_id", 0)
            first = endpoint.take()
            assert first.last_id == "é🙂".encode()
        first.send(b"data: more\n\nid: 2\ndata: of it\n\n")
        assert listening.data(2) == [("message", "more", "é🙂"), ("message", "of it", "2")]
        end(first)
        listening.reconnecting()
        assert endpoint.take().last_id == b"2"


def test_what_was_left_open_is_discarded(
    client: Client, endpoint: Endpoint, end: Callable[[Asked], None]
) -> None:
    """With its id."""
    with client.listen(endpoint.url, retry=AT_ONCE) as listening:
        asked = endpoint.take()
        asked.send(b"id: abc\ndata: Hello\n\n")
        assert listening.data(1) == [("message", "Hello", "abc")]
        asked.send(b"id: def\nevent: x\ndata: Goodbye\n")
        end(asked)
        listening.reconnecting()
        asked = endpoint.take()
        assert asked.last_id == b"abc"
        asked.send(b"data: We meet again\n\n")
        assert listening.data(1) == [("message", "We meet again", "abc")]


def test_an_empty_id_and_one_with_nul(client: Client, endpoint: Endpoint) -> None:
    with client.listen(endpoint.url, retry=AT_ONCE) as listening:
        asked = endpoint.take()
        asked.send(b"id: abc\ndata: 1\n\nid: d\0f\ndata: 2\n\n")
        assert listening.data(2) == [("message", "1", "abc"), ("message", "2", "abc")]
        asked.end()
        listening.reconnecting()
        asked = endpoint.take()
        assert asked.last_id == b"abc"
        asked.send(b"id: \ndata: 3\n\n")
        assert listening.data(1) == [("message", "3", "")]
        asked.end()
        listening.reconnecting()
        assert endpoint.take().last_id is None


def test_a_mark_begins_each_connection(client: Client, endpoint: Endpoint) -> None:
    with client.listen(endpoint.url, retry=AT_ONCE) as listening:
        for number in (b"1", b"2", b"3"):
            asked = endpoint.take()
            asked.send(b"\xef\xbb", b"\xbfdata: " + number + b"\n\n")
            assert listening.data(1) == [("message", number.decode(), "")]
            asked.end()
            listening.reconnecting()


def test_what_is_sent_again_is_told_again(client: Client, endpoint: Endpoint) -> None:
    """By the standard; an id may be the same for all events."""
    with client.listen(endpoint.url, retry=AT_ONCE) as listening:
        for _ in range(3):
            asked = endpoint.take()
            asked.send(b"id: 1\ndata: tick\n\n")
            assert listening.data(1) == [("message", "tick", "1")]
            asked.end()
            listening.reconnecting()


def test_what_is_sent_again_is_told_once_on_demand(client: Client, endpoint: Endpoint) -> None:
    """By a service that begins at the id, or far before it; ids that begin anew are other events."""
    with client.listen(endpoint.url, retry=AT_ONCE, drop_echoes=True) as listening:
        asked = endpoint.take()
        sent = b"id: 1\ndata: a\n\nid: 2\ndata: b\n\ndata: c\n\n"
        asked.send(sent)
        assert [data for _, data, _ in listening.data(3)] == ["a", "b", "c"]
        asked.end()
        listening.reconnecting()
        asked = endpoint.take()
        asked.send(sent + b"id: 3\ndata: d\n\n")
        assert listening.data(1) == [("message", "d", "3")]
        asked.end()
        listening.reconnecting()
        endpoint.take().send(b"id: 1\ndata: new\n\nid: 2\ndata: b\n\n")
        assert listening.data(2) == [("message", "new", "1"), ("message", "b", "2")]


@pytest.mark.parametrize(
    ("field", "delay"),
    [
        (b"retry: 30", 0.03),
        (b"retry:030", 0.03),
        (b"retry: 30x", 0),
        (b"retry: -30", 0),
        (b"retry: 3e1", 0),
        (b"retry: ", 0),
        (b"retry:  30", 0),
        ("retry: \u0663\u0660".encode(), 0),
        (b"retry: 30\nretry: 0", 0),
    ],
)
def test_the_time_to_wait(client: Client, endpoint: Endpoint, field: bytes, delay: float) -> None:
    with client.listen(endpoint.url, retry=AT_ONCE) as listening:
        asked = endpoint.take()
        asked.send(field + b"\ndata: Hello\n\n")
        listening.data(1)
        for _ in range(2):  # it holds until another one comes
            asked.end()
            assert listening.reconnecting().delay == delay
            asked = endpoint.take()
        asked.send(b"retry: 0\ndata: Hello\n\n")
        listening.data(1)
        asked.end()
        assert listening.reconnecting().delay == 0


def test_a_time_that_nobody_would_wait(client: Client, endpoint: Endpoint) -> None:
    with client.listen(endpoint.url) as listening:
        asked = endpoint.take()
        asked.send(b"retry: %s\ndata: Hello\n\n" % (b"9" * 5000))
        listening.data(1)
        asked.end()
        assert listening.reconnecting().delay == 1e9  # it waits as it was told, until it is left
        listening.answer.restart()
        endpoint.take().send(b"data: again\n\n")
        assert listening.data(1) == [("message", "again", "")]


def test_silence(client: Client, endpoint: Endpoint) -> None:
    with client.listen(endpoint.url, retry=AT_ONCE, deadlines=Deadlines(idle=0.15)) as listening:
        asked = endpoint.take()
        for _ in range(3):
            asked.send(b": alive\n")  # any byte will do
            time.sleep(0.07)
        asked.send(b"id: 1\ndata: Hello\n\n")
        assert [listening.comment() for _ in range(3)] == ["alive"] * 3
        assert listening.data(1) == [("message", "Hello", "1")]
        told = listening.reconnecting()
        assert told.cause is not None
        assert told.cause.kind == "timeout"
        asked.wait_until_left()
        asked = endpoint.take()
        assert asked.last_id == b"1"
        asked.send(b"data: again\n\n")
        assert listening.data(1) == [("message", "again", "1")]


def test_no_response(client: Client, source: Source) -> None:
    endpoint = source.endpoint(b"")
    deadlines = Deadlines(connect=0.1)
    with client.listen(endpoint.url, retry=AT_ONCE, deadlines=deadlines) as listening:
        endpoint.take()
        told = listening.reconnecting()
        assert told.cause is not None
        assert told.cause.kind == "timeout"
        endpoint.reply = HEAD
        while True:
            asked = endpoint.take()
            try:
                asked.send(b"data: Hello\n\n")
            except OSError:  # the head came too late for it
                continue
            if isinstance(event := listening.next(), Data):
                break
            assert isinstance(event, Reconnecting)


# --- on demand ---


def test_restarted(client: Client, endpoint: Endpoint) -> None:
    """As often as one likes, without a bound on attempts, and without a cause."""
    never = RetryPolicy(max_attempts=0)
    with client.listen(endpoint.url, "POST", content=b"{}", retry=never) as listening:
        last = None
        for number in range(20):
            asked = endpoint.take()
            assert (asked.last_id, asked.body) == (last, b"{}")
            last = str(number).encode()
            asked.send(b"id: %s\ndata: Hello\n\n" % last)
            assert listening.data(1) == [("message", "Hello", last.decode())]
            listening.answer.restart()
            assert listening.reconnecting() == Reconnecting(0, 0.0, "last_event_id", None)
            asked.wait_until_left()
        assert endpoint.take().last_id == last
        assert endpoint.is_quiet


def test_restarted_before_anything_came(client: Client, endpoint: Endpoint) -> None:
    with client.listen(endpoint.url) as listening:
        asked = endpoint.take()
        listening.answer.restart()
        assert listening.reconnecting().cause is None
        asked.wait_until_left()
        endpoint.take().send(b"data: Hello\n\n")
        assert listening.data(1) == [("message", "Hello", "")]


def test_restarted_while_it_opens(client: Client, source: Source) -> None:
    endpoint = source.endpoint(b"")
    with client.listen(endpoint.url) as listening:
        endpoint.take()
        endpoint.reply = HEAD
        listening.answer.restart()
        assert listening.reconnecting().cause is None
        endpoint.take().send(b"data: Hello\n\n")
        assert listening.data(1) == [("message", "Hello", "")]


def test_restarted_while_it_sleeps(client: Client, source: Source) -> None:
    endpoint = source.endpoint(response(503))
    retry = RetryPolicy(initial_delay=PATIENCE * 2, max_delay=PATIENCE * 2, jitter="none")
    with client.listen(endpoint.url, retry=retry) as listening:
        endpoint.take()
        assert listening.reconnecting().delay == PATIENCE * 2
        endpoint.reply = HEAD
        listening.answer.restart()
        endpoint.take().send(b"data: Hello\n\n")
        assert listening.data(1) == [("message", "Hello", "")]


def test_restarted_when_it_is_over(client: Client, source: Source) -> None:
    endpoint = source.endpoint(response(204))
    with client.listen(endpoint.url, errors="yield") as listening:
        assert isinstance(listening.next(), Error)
        listening.answer.restart()
        assert listening.all() == []
    assert len(endpoint.all) == 1


@pytest.mark.parametrize("asking", [1, 3])
def test_restarted_at_any_moment(client: Client, source: Source, asking: int) -> None:
    """Nothing is lost or doubled, nothing fails, and all threads that ask are heeded.

    The source counts; where the last one came to stands in its id. Now and then it breaks by itself.
    """
    total, random_ = 400, random.Random(asking)
    over = threading.Event()

    def reply(asked: Asked) -> bytes:
        begin = int(asked.last_id or b"0")
        step = random_.randint(1, 40)
        events = b"".join(
            b"%x\r\n%s\r\n" % (len(event), event)
            for event in (
                b"id: %d\ndata: %d\n\n" % (n, n)
                for n in range(begin + 1, min(begin + step, total) + 1)
            )
        )
        ends = random_.random() < 0.3
        return HEAD + events + (b"0\r\n\r\n" if ends else b"")

    def restart() -> None:
        pause = 0.004
        while not over.wait(random_.random() * pause):
            listening.answer.restart()
            pause *= 1.02  # a slow machine must come to the end all the same

    endpoint = source.endpoint(reply)
    with client.listen(endpoint.url, retry=AT_ONCE) as listening:
        threads = [threading.Thread(target=restart) for _ in range(asking)]
        for thread in threads:
            thread.start()
        try:
            numbers: list[int] = []
            events: list[Event] = []
            while len(numbers) < total:
                event = listening.next()
                events.append(event)
                if isinstance(event, Data):
                    numbers.append(int(event.value))
        finally:
            over.set()
            for thread in threads:
                thread.join()
    assert numbers == list(range(1, total + 1))
    causes = [event.cause for event in events if isinstance(event, Reconnecting)]
    assert {cause.kind for cause in causes if cause is not None} <= {"truncated"}
    assert causes.count(None) > 5


@pytest.mark.parametrize("script", ["reads", "opens", "sleeps"])
def test_closed_by_another_thread(client: Client, source: Source, script: str) -> None:
    """Who waits for an event closes the response, and ends without an error."""
    endpoint = source.endpoint({"reads": HEAD, "opens": b"", "sleeps": response(503)}[script])
    retry = RetryPolicy(initial_delay=PATIENCE * 2, max_delay=PATIENCE * 2, jitter="none")
    with client.listen(endpoint.url, retry=retry) as listening:
        asked = endpoint.take()
        if script == "reads":
            asked.send(b"data: Hello\n\n")
            listening.data(1)
        elif script == "sleeps":
            listening.reconnecting()
        if hasattr(listening.answer, "close"):
            listening.answer.close()
            assert listening.all() == []
        else:
            listening.answer.cancel()
            assert listening.all() == []
        asked.wait_until_left()
