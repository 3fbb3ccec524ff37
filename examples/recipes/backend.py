"""Streams answers of a model to browsers, which may leave and come back.

uvicorn backend:app
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import uuid4

import httpx
from fastapi import Body, FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import StreamingResponse

from tokenwire import (
    AsyncAnswer,
    Data,
    Deadlines,
    Done,
    Frame,
    Heartbeat,
    StreamEncoder,
    StreamError,
    Token,
)
from tokenwire.adapters.httpx import astream

UPSTREAM = "http://127.0.0.1:8765/v1/responses"
KEEP = 300  # seconds for which an answer stays after its end
SILENCE = 15  # seconds after which a browser gets a heartbeat


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.answers = {}
    async with httpx.AsyncClient(
        headers={"Authorization": "Bearer of-the-service"}
    ) as app.state.client:
        yield
        tasks = [answer.task for answer in app.state.answers.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


app = FastAPI(lifespan=lifespan)


def asked(client: httpx.AsyncClient, prompt: str) -> AsyncAnswer:
    return astream(
        client,
        "POST",
        UPSTREAM,
        json={"model": "any", "input": prompt, "stream": True, "background": True},
        dialect="openai-responses",
        deadlines=Deadlines(total=600),
    )


async def shown(client: httpx.AsyncClient, prompt: str) -> AsyncIterator[tuple[str, str]]:
    """What the browser gets, as types and texts of events: the text, and how it ended."""
    try:
        async with asked(client, prompt) as answer:
            async for event in answer:
                match event:
                    case Token(text=text):
                        yield "token", text
                    case Done(reason=reason):
                        yield "done", reason
    except StreamError:  # what upstream says of it is for your log
        yield "failed", "the answer broke off"


async def encoded(events: AsyncIterator[tuple[str, str]], after: int = 0) -> AsyncIterator[bytes]:
    encoder = StreamEncoder("event-stream")
    number = after
    async for kind, text in events:
        if kind == "heartbeat":
            yield encoder.send(Heartbeat())
        else:
            number += 1
            yield encoder.send(Data(kind, text, frame=Frame(id=str(number))))


def event_stream(events: AsyncIterator[tuple[str, str]], after: int = 0) -> Response:
    return StreamingResponse(
        encoded(events, after),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},  # proxies, do not wait
    )


# --- the answer ends with the connection ---


@app.post("/chat")
async def chat(prompt: Annotated[str, Body(embed=True)], request: Request) -> Response:
    return event_stream(shown(request.app.state.client, prompt))


# --- the answer outlives the connection ---


class Kept:
    """An answer that is written once, and read by whoever comes, from wherever they were."""

    def __init__(self, client: httpx.AsyncClient, prompt: str) -> None:
        self.events: list[tuple[str, str]] = []
        self.news = asyncio.Event()
        self.task = asyncio.create_task(self.write(client, prompt))
        self.task.add_done_callback(self.tell)

    async def write(self, client: httpx.AsyncClient, prompt: str) -> None:
        async for event in shown(client, prompt):
            self.events.append(event)
            self.tell()

    def tell(self, _: object = None) -> None:
        self.news.set()
        self.news = asyncio.Event()

    async def read(self, after: int) -> AsyncIterator[tuple[str, str]]:
        while True:
            news = self.news  # before looking, or what comes meanwhile is missed
            for event in self.events[after:]:
                yield event
                after += 1
            if self.has_ended(after):
                return
            try:
                async with asyncio.timeout(SILENCE):
                    await news.wait()
            except TimeoutError:
                yield "heartbeat", ""

    def has_ended(self, after: int) -> bool:
        return self.task.done() and after >= len(self.events)


@app.post("/answers", status_code=201)
async def begin(prompt: Annotated[str, Body(embed=True)], request: Request) -> dict[str, str]:
    answers, id = request.app.state.answers, str(uuid4())
    answers[id] = Kept(request.app.state.client, prompt)

    def forget(_: object) -> None:
        asyncio.get_running_loop().call_later(KEEP, answers.pop, id, None)

    answers[id].task.add_done_callback(forget)
    return {"id": id}


@app.get("/answers/{id}")
async def read(
    id: str, request: Request, last_event_id: Annotated[int, Header(ge=0)] = 0
) -> Response:
    answer = request.app.state.answers.get(id)  # and look whether it is this user's
    if answer is None:
        raise HTTPException(404)
    if answer.has_ended(last_event_id):
        return Response(status_code=204)  # tells an EventSource not to come again
    return event_stream(answer.read(last_event_id), last_event_id)


@app.delete("/answers/{id}", status_code=204)
async def stop(id: str, request: Request) -> None:
    answer = request.app.state.answers.get(id)
    if answer is not None:
        answer.task.cancel()  # closes the response, so the service knows
