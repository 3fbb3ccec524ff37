"""The two loops: the same code in two colours."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncIterator, Callable, Iterator

import anyio
import anyio.lowlevel
import pytest

from tokenwire import (
    Done,
    Error,
    Event,
    Recovery,
    StreamError,
    Token,
    UnknownDialectError,
    aiter_events,
    drive,
    iter_events,
)
from tokenwire.drive import Failures, Head

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

    sync = between("def _run(", "class EventStream:") + between(
        "class EventStream:", "async def _arun("
    )
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
        (r"AsyncIterable", "Iterable"),
        (r"AsyncEventStream", "EventStream"),
        (r"Awaitable\[object\]", "object"),
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
