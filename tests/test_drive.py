"""The two loops: the same code in two colours."""

from __future__ import annotations

import asyncio
import inspect
import re
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from tokenwire import (
    Done,
    Error,
    Event,
    LocalProtocolError,
    Reasoning,
    Recovery,
    Reset,
    Started,
    StreamError,
    Token,
    ToolCall,
    UnknownDialectError,
    aiter_events,
    drive,
    iter_events,
)
from tokenwire.stream import AsyncTextStream, TextStream
from tokenwire.transport import Failures, Head

WHOLE = [b"data: Pa", b"r\n\n", b"data: is\n\ndata: [DONE]\n\n"]
CUT = [b"data: Par\n\n"]


class Chunks:
    """Chunks of both colours that may break, and count how often they were closed."""

    def __init__(self, chunks: list[bytes], breaks: BaseException | None = None) -> None:
        self.chunks = chunks
        self.breaks = breaks
        self.closed = 0
        self.taken = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.taken += 1
            yield chunk
        if self.breaks is not None:
            raise self.breaks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            await asyncio.sleep(0)
            yield chunk

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


def run_sync(chunks: Chunks, **options: object) -> list[Event]:
    return list(iter_events(chunks, "sse", close=chunks.close, **options))  # type: ignore[arg-type]


def run_async(chunks: Chunks, **options: object) -> list[Event]:
    async def collect() -> list[Event]:
        stream = aiter_events(chunks, "sse", close=chunks.aclose, **options)  # type: ignore[arg-type]
        return [event async for event in stream]

    return asyncio.run(collect())


Run = Callable[..., list[Event]]
both = pytest.mark.parametrize("run", [run_sync, run_async])


def test_the_two_are_the_same_code() -> None:
    """Substituting the words of one colour by those of the other gives the other, to the letter."""
    source = inspect.getsource(drive)

    def between(start: str, end: str) -> str:
        return source[source.index(start) : source.index(end)]

    sync = between("def _run(", "async def _arun(")
    other = source[source.index("async def _arun(") :]
    words = [
        # In a loop others wait as well; a thread has nobody to wait for it.
        (r"\n    work = WORK .*\n", "\n"),
        (r"\n *if work:\n *work -= 1\n *else:\n *work = WORK\n *await take_turn\(\)(?=\n)", ""),
        (r"\n *if len\(data\) > MUCH:.*\n *work -= .*\n *if work < 0:\n.*\n.*(?=\n)", ""),
        (r"\basync def _arun\b", "def _run"),
        (r"\basync def __anext__\b", "def __next__"),
        (r"\basync def\b", "def"),
        (r"\bawait ", ""),
        (r"\b_arun\b", "_run"),
        (r"\banext\b", "next"),
        (r"\baiter\b", "iter"),
        (r"\baclose\b", "close"),
        (r"__aiter__", "__iter__"),
        (r"__aenter__", "__enter__"),
        (r"__aexit__", "__exit__"),
        (r"\baiter_events\b", "iter_events"),
        (r"An async iterator", "An iterator"),
        (r"StopAsyncIteration", "StopIteration"),
        (r"AsyncGenerator\[Event, None\]", "Generator[Event, None, None]"),
        (r"AsyncGenerator", "Generator"),
        (r"AsyncIterator", "Iterator"),
        (r"chunks: AsyncIterable\[bytes\]", "chunks: Iterable[bytes] | bytes"),
        (r"\bachunks_of\b", "chunks_of"),
        (r"AsyncCloser", "Closer"),
        (r"AsyncTextStream", "TextStream"),
        (r"AsyncEventStream", "EventStream"),
    ]
    for pattern, word in words:
        other = re.sub(pattern, word, other)
    assert other.split() == sync.split()


@both
def test_a_whole_answer(run: Run) -> None:
    chunks = Chunks(WHOLE)
    assert run(chunks) == [Token("Par"), Token("is"), Done("stop")]
    assert chunks.closed == 1


@both
def test_nothing_is_read_after_the_end(run: Run) -> None:
    chunks = Chunks([*WHOLE, b"data: late\n\n"])
    run(chunks)
    assert chunks.taken == 3


@both
def test_a_cut_answer_raises(run: Run) -> None:
    chunks = Chunks(CUT)
    with pytest.raises(StreamError, match="the answer was cut off") as caught:
        run(chunks)
    assert caught.value.event.kind == "truncated"
    assert caught.value.__cause__ is None
    assert chunks.closed == 1


@both
def test_a_cut_answer_in_band(run: Run) -> None:
    token, error = run(Chunks(CUT), errors="yield")
    assert token == Token("Par")
    assert isinstance(error, Error)


@both
@pytest.mark.parametrize(
    ("breaks", "kind"),
    [
        (ConnectionResetError("gone"), "transport"),
        (TimeoutError("silent"), "timeout"),
    ],
)
def test_a_broken_connection(run: Run, breaks: Exception, kind: str) -> None:
    chunks = Chunks(CUT, breaks)
    with pytest.raises(StreamError) as caught:
        run(chunks)
    assert caught.value.event.kind == kind
    assert caught.value.__cause__ is breaks
    assert repr(breaks) in str(caught.value)
    assert chunks.closed == 1


@both
def test_what_cannot_be_read_is_final(run: Run) -> None:
    failures = Failures((OSError,), malformed=(ValueError,))
    for before in ([], CUT):
        with pytest.raises(StreamError) as caught:
            run(Chunks(before, ValueError("no gzip")), failures=failures)
        assert caught.value.event.kind == "malformed"
        assert caught.value.event.recovery is Recovery.FATAL
        assert "cannot be read: ValueError('no gzip')" in str(caught.value)


@both
def test_a_cause_that_would_show_a_secret_is_left_out(run: Run) -> None:
    with pytest.raises(StreamError) as caught:
        run(Chunks(CUT, OSError("no route to /v1?key=hidden")))
    assert caught.value.__cause__ is None
    assert "hidden" not in str(caught.value)
    assert "/v1?key=***" in str(caught.value)


@both
def test_failures_of_a_client(run: Run) -> None:
    chunks = Chunks([], KeyError("lost"))
    (error,) = run(chunks, errors="yield", failures=Failures(lost=(KeyError,)))
    assert error.kind == "transport"


@both
def test_other_exceptions_pass_through(run: Run) -> None:
    chunks = Chunks(CUT, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        run(chunks)
    assert chunks.closed == 1


@both
def test_the_head_is_judged_first(run: Run) -> None:
    chunks = Chunks([b'{"error":"slow down"}'])
    with pytest.raises(StreamError, match="HTTP 429"):
        run(chunks, head=Head(429, {"Retry-After": "1"}))
    chunks = Chunks(WHOLE)
    with pytest.raises(StreamError, match="204"):
        run(chunks, head=Head(204, {}))
    assert chunks.taken == 0


@both
def test_bad_arguments_are_told_at_once(run: Run) -> None:
    chunks = Chunks(WHOLE)
    with pytest.raises(ValueError, match='errors must be "raise" or "yield"'):
        run(chunks, errors="ignore")
    with pytest.raises(UnknownDialectError):
        iter_events([], "nope")
    with pytest.raises(UnknownDialectError):
        aiter_events(chunks, "nope")


@both
def test_text_instead_of_bytes_is_misuse(run: Run) -> None:
    with pytest.raises(TypeError):
        run(Chunks(["data: a"]))  # type: ignore[list-item]


# --- leaving early ---


def test_a_break_closes() -> None:
    chunks = Chunks(WHOLE)
    for _ in iter_events(chunks, "sse", close=chunks.close):
        break
    assert chunks.closed == 1


def test_a_generator_of_chunks_is_closed() -> None:
    left = []

    def chunks() -> Iterator[bytes]:
        try:
            yield from WHOLE
        finally:
            left.append("sync")

    async def achunks() -> AsyncIterator[bytes]:
        try:
            for chunk in WHOLE:
                yield chunk
        finally:
            left.append("async")

    async def main() -> None:
        async with aiter_events(achunks(), "sse") as stream:
            await anext(stream)
        assert left == ["sync", "async"]

    source = chunks()
    with iter_events(source, "sse") as stream:
        next(stream)
    assert left == ["sync"]
    asyncio.run(main())


def test_with_closes_what_never_ran() -> None:
    chunks = Chunks(WHOLE)
    with iter_events(chunks, "sse", close=chunks.close):
        pass
    assert chunks.closed == 1
    iter_events(WHOLE, "sse").close()


def test_an_async_iterator_that_is_no_generator() -> None:
    class Plain:
        def __init__(self) -> None:
            self.rest = iter(WHOLE)

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self

        async def __anext__(self) -> bytes:
            return next(self.rest)

    async def main() -> list[Event]:
        return [event async for event in aiter_events(Plain(), "sse")]

    assert asyncio.run(main()) == [Token("Par"), Token("is"), Done("stop")]


def test_next_and_state() -> None:
    stream = iter_events(WHOLE, "sse")
    assert next(stream) == Token("Par")
    assert stream.parser.state == "OPEN"
    stream.close()
    with pytest.raises(StopIteration):
        next(stream)


def test_async_with_closes_before_the_next_line() -> None:
    async def main() -> None:
        chunks = Chunks(WHOLE)
        async with aiter_events(chunks, "sse", close=chunks.aclose) as stream:
            assert await anext(stream) == Token("Par")
            async for event in stream:
                assert event == Token("is")
                break
        assert chunks.closed >= 1
        never = Chunks(WHOLE)
        async with aiter_events(never, "sse", close=never.aclose):
            pass
        assert never.closed == 1
        await aiter_events(never, "sse").aclose()
        assert len([event async for event in aiter_events(Chunks(WHOLE), "sse")]) == 3

    asyncio.run(main())


def test_an_async_break_alone_closes_soon() -> None:
    async def main() -> None:
        chunks = Chunks(WHOLE)
        async for _ in aiter_events(chunks, "sse", close=chunks.aclose):
            break
        for _ in range(3):
            await asyncio.sleep(0)
        assert chunks.closed == 1

    asyncio.run(main())


def test_cancelling_closes() -> None:
    async def main() -> None:
        chunks = Chunks([])
        started = asyncio.Event()

        async def silent() -> AsyncIterator[bytes]:
            yield b"data: a\n\n"
            started.set()
            await asyncio.Event().wait()

        async def consume() -> None:
            async with aiter_events(silent(), "sse", close=chunks.aclose) as stream:
                async for _ in stream:
                    pass

        task = asyncio.create_task(consume())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert chunks.closed >= 1

    asyncio.run(main())


# --- others in the loop ---


class Flood:
    """Chunks that are always there already: who reads them never waits."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = [*reversed(chunks)]

    def __aiter__(self) -> Flood:
        return self

    async def __anext__(self) -> bytes:
        if not self.chunks:
            raise StopAsyncIteration
        return self.chunks.pop()


FLOODS = {
    "events": [b"data: x\n\n" * 5000, b"data: [DONE]\n\n"],
    "bytes": [b"data: ", *[b"x" * 65536] * 30, b"\n\ndata: [DONE]\n\n"],
    "pieces": [*[b"data: x\n\n" * 20] * 300, b"data: [DONE]\n\n"],
}


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("chunks", FLOODS.values(), ids=FLOODS)
def test_a_flood_leaves_others_their_turn(backend: str, chunks: list[bytes]) -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async def main() -> int:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(other)
            await anyio.lowlevel.checkpoint()
            before, events = turns, 0
            async for _ in aiter_events(Flood(*chunks), "sse"):
                events += 1
            tasks.cancel_scope.cancel()
        work = events + sum(len(chunk) // drive.WORK_SIZE for chunk in chunks)
        assert work > 8 * drive.WORK
        return work // drive.WORK - (turns - before)

    assert anyio.run(main, backend=backend) <= 3


def test_without_a_loop_there_is_nobody_to_wait_for() -> None:
    async def main() -> int:
        return len([event async for event in aiter_events(Flood(*FLOODS["events"]), "sse")])

    running = main()
    with pytest.raises(StopIteration) as over:
        running.send(None)
    assert over.value.value == 5001


# --- what both kinds of stream have ---


def test_what_came_adds_up_while_it_comes() -> None:
    with iter_events(WHOLE, "sse") as stream:
        assert stream.state == "IDLE"
        for event in stream:
            if event == Token("is"):
                assert stream.completion.text == "Paris"
                assert stream.completion.done is None
        assert stream.completion.done == Done("stop")
        assert stream.completion.choices[0].dialect == "sse"
    assert stream.state == stream.parser.state == "DONE"

    async def main() -> str:
        async with aiter_events(Chunks(WHOLE), "sse") as events:
            assert events.state == "IDLE"
            async for _ in events:
                pass
        assert events.completion.done == Done("stop")
        return events.completion.text

    assert asyncio.run(main()) == "Paris"


def test_a_cut_answer_adds_up_too() -> None:
    stream = iter_events(CUT, "sse")
    with pytest.raises(StreamError):
        list(stream)
    assert stream.completion.text == "Par"
    assert stream.completion.error is not None


def test_a_sum_that_was_asked_for_grows_by_itself() -> None:
    stream = iter_events(WHOLE, "sse")
    completion = stream.completion
    assert [completion.text for _ in stream] == ["Par", "Paris", "Paris"]


def test_a_dialect_that_was_found_is_that_of_the_answer() -> None:
    wire = b'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"a"}'
    stream = iter_events(wire + b',"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n', "auto")
    list(stream)
    assert stream.completion.choices[0].to_message() == {"role": "assistant", "content": "a"}


LONG = [b"data: %s\n\n" % (b"x" * 50_000)] * 30


def test_of_an_answer_that_grows_very_long_nothing_is_kept_unasked() -> None:
    asked = iter_events([*LONG, b"data: [DONE]\n\n"], "sse")
    assert asked.completion.choices == []
    list(asked)
    assert len(asked.completion.text) == 1_500_000
    unasked = iter_events([*LONG, b"data: [DONE]\n\n"], "sse")
    list(unasked)
    with pytest.raises(LocalProtocolError, match="ask for it before the loop"):
        _ = unasked.completion


def test_a_loop_without_a_name_keeps_nothing() -> None:
    """What nobody holds nobody can ask: memory is bounded by the limits, as that of a parser."""
    alive = []

    def chunks() -> Iterator[bytes]:
        for _ in range(20):
            yield b"data: %s\n\n" % (b"x" * 200_000)
            alive.append(tracemalloc.get_traced_memory()[0])

    tracemalloc.start()
    try:
        for event in iter_events(chunks(), "sse", errors="yield"):
            assert isinstance(event, Token | Error)
    finally:
        tracemalloc.stop()
    assert max(alive[10:]) < alive[2] + 200_000


def test_an_event_source_adds_up_to_its_end_alone() -> None:
    """It has none, and what it said for weeks would fill the memory."""
    stream = iter_events([b"data: a\n\n" * 3], "event-stream", errors="yield")
    assert [type(event).__name__ for event in stream] == ["Data", "Data", "Data", "Error"]
    assert stream.completion.choices == []
    assert stream.completion.error is not None


# --- the text alone ---


def texts_sync(events: list[Event], **options: Any) -> list[str]:
    return list(Spoken(events).text_stream(**options))


def texts_async(events: list[Event], **options: Any) -> list[str]:
    async def collect() -> list[str]:
        return [text async for text in AsyncSpoken(events).text_stream(**options)]

    return asyncio.run(collect())


class Spoken(TextStream):
    def __init__(self, events: list[Event]) -> None:
        self.events = events

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)


class AsyncSpoken(AsyncTextStream):
    def __init__(self, events: list[Event]) -> None:
        self.events = events

    async def __aiter__(self) -> AsyncIterator[Event]:
        for event in self.events:
            yield event


Texts = Callable[..., list[str]]
both_texts = pytest.mark.parametrize("texts", [texts_sync, texts_async])


@both_texts
def test_the_text_alone(texts: Texts) -> None:
    said = [Started(), Reasoning("hm"), Token("Par"), ToolCall("k"), Token("is"), Done("stop")]
    assert texts(said) == ["Par", "is"]


@both_texts
def test_the_text_of_one_choice(texts: Texts) -> None:
    said = [Token("b", 1), Token("a", 0), Token("B", 1)]
    assert texts(said) == ["b", "B"]  # the one that speaks first
    assert texts(said, index=0) == ["a"]


@both_texts
def test_a_cut_text_raises_whatever_was_wished(texts: Texts) -> None:
    with pytest.raises(StreamError, match="cut"):
        texts([Token("a"), Error("truncated", "cut")])
    assert texts([Error("malformed", "odd", fatal=False), Token("a")]) == ["a"]


@both_texts
def test_text_that_is_taken_back(texts: Texts) -> None:
    assert texts([Reset(text="a"), Token("b")]) == ["a", "b"]
    assert texts([Token("a"), Reset(text="abc"), Token("d")]) == ["a", "bc", "d"]
    assert texts([Token("a"), Reset(1, text="other")]) == ["a"]
    with pytest.raises(StreamError, match="took back text") as caught:
        texts([Token("a"), Reset(text="A")])
    assert caught.value.event.recovery is Recovery.RETRY


def test_the_text_of_a_stream() -> None:
    assert list(iter_events(WHOLE, "sse").text_stream()) == ["Par", "is"]
    with iter_events(CUT, "sse", errors="yield") as stream, pytest.raises(StreamError):
        list(stream.text_stream())
    assert stream.completion.text == "Par"

    async def main() -> list[str]:
        async with aiter_events(Chunks(WHOLE), "sse") as events:
            return [text async for text in events.text_stream()]

    assert asyncio.run(main()) == ["Par", "is"]


# --- closing ---


def closed_sync(chunks: list[bytes], count: int, close: Any, complete: bool | None) -> None:
    with iter_events(chunks, "sse", close=close) as stream:
        for _ in range(count):
            next(stream)
        if complete is not None:
            stream.close(complete)


def closed_async(chunks: list[bytes], count: int, close: Any, complete: bool | None) -> None:
    async def main() -> None:
        async with aiter_events(Chunks(chunks), "sse", close=close) as stream:
            for _ in range(count):
                await anext(stream)
            if complete is not None:
                await stream.aclose(complete)

    asyncio.run(main())


@pytest.mark.parametrize("leave", [closed_sync, closed_async])
@pytest.mark.parametrize(
    ("count", "complete", "told"),
    [(0, None, False), (1, None, False), (3, None, True), (3, False, False), (1, True, True)],
)
def test_who_closes_is_told_whether_it_was_complete(
    leave: Callable[..., None], count: int, complete: bool | None, told: bool
) -> None:
    said: list[bool] = []

    def close(complete: bool) -> None:
        said.append(complete)

    leave(WHOLE, count, close, complete)
    assert said[0] is told
    plain = Chunks([])
    leave(WHOLE, count, plain.close, complete)
    assert plain.closed >= 1


def test_a_close_of_either_colour_closes_an_async_stream() -> None:
    def leave(close: Any) -> None:
        closed_async(WHOLE, 1, close, None)

    chunks = Chunks([])
    leave(chunks.close)
    leave(chunks.aclose)
    leave(partial(chunks.aclose))
    assert chunks.closed >= 3


def test_an_async_close_in_a_sync_loop_is_told() -> None:
    chunks = Chunks([])
    with pytest.raises(TypeError, match="close of iter_events must not be async"):
        iter_events(WHOLE, "sse", close=chunks.aclose)
    with pytest.raises(TypeError, match="close of iter_events must not be async"):
        iter_events(WHOLE, "sse", close=partial(chunks.aclose)).close()
    iter_events(WHOLE, "sse", close=int).close()  # nobody knows its arguments


# --- the first mistakes ---


def test_bytes_are_one_chunk() -> None:
    body = b"".join(WHOLE)
    for whole in (body, bytearray(body), memoryview(body)):
        assert list(iter_events(whole, "sse")) == [Token("Par"), Token("is"), Done("stop")]


class Response:
    """Of a client that is not iterable."""


Response.__module__ = "httpx._models"


@pytest.mark.parametrize(
    ("chunks", "said"),
    [
        ("data: a\n\n", "must be an iterable of bytes, not str: encode the text"),
        (Chunks(WHOLE).__aiter__(), "not async_generator: what comes asynchronously is read by a"),
        (Response(), "what httpx gives is read by tokenwire.adapters.httpx.iter_events"),
        (5, "not int: give the chunks of the response's body"),
    ],
)
def test_what_are_no_chunks(chunks: Any, said: str) -> None:
    with pytest.raises(TypeError, match=re.escape(said)):
        iter_events(chunks, "sse")


@pytest.mark.parametrize(
    ("chunks", "said"),
    [
        (b"data: a\n\n", "not bytes: what comes synchronously, or is there already, is read by it"),
        (WHOLE, "must be an async iterable of bytes, not list: what comes synchronously"),
        ("data", "not str: encode the text"),
        (Response(), "what httpx gives is read by tokenwire.adapters.httpx.aiter_events"),
    ],
)
def test_what_are_no_async_chunks(chunks: Any, said: str) -> None:
    with pytest.raises(TypeError, match=re.escape(said)):
        aiter_events(chunks, "sse")


def test_a_coroutine_is_no_response_yet() -> None:
    async def body() -> None:
        pass

    waits = body()
    with pytest.raises(TypeError, match="not coroutine: await it first"):
        aiter_events(waits, "sse")  # type: ignore[arg-type]
    waits.close()


@both
def test_text_chunks_are_told(run: Run) -> None:
    with pytest.raises(
        TypeError, match="a chunk must be bytes, not str: give the bytes of the body"
    ):
        run(Chunks(["data: a"]))  # type: ignore[list-item]
