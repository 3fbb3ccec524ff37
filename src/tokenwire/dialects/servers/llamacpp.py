"""``llamacpp``: the llama.cpp server's own API, ``POST /completion`` and ``POST /infill``.

Source: https://github.com/ggml-org/llama.cpp/tree/master/tools/server, its README and code.

An answer is complete at ``"stop": true``; there is no ``[DONE]``. As one stream may hold several
answers, by ``index``, and nothing says how many, the stream is done when it ends and each answer
that it began has stopped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.json import Decoder as JSONDecoder

from tokenwire.cursor import Cursor
from tokenwire.dialects import Dialect, Notes, Resumption
from tokenwire.dialects.kit.batch import Batch, BatchEncoder, error_payload
from tokenwire.dialects.kit.errors import read_error
from tokenwire.dialects.kit.one_choice import read_frame
from tokenwire.dialects.kit.payloads import is_done_sentinel, is_mapping, malformed
from tokenwire.events import Data, Event, Reason, Started, Token, Unknown
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer
from tokenwire.request import Known, Request


class PieceWire(Struct):
    """One payload."""

    index: int | None = None
    content: str | None = None
    stop: bool | None = None
    stop_type: str | None = None
    stopped_eos: bool | None = None  # these three: builds before December 2024
    stopped_word: bool | None = None
    stopped_limit: bool | None = None
    model: str | None = None  # in the last payload
    tokens_evaluated: int | None = None
    tokens_predicted: int | None = None
    timings: Any = None
    prompt_progress: Any = None
    error: Any = None


STOP_TYPES: Final[Mapping[str, Reason]] = {"eos": "stop", "word": "stop", "limit": "length"}
"""Anything else is ``other``: ``none`` too."""

# The routes whose streams the server keeps; --api-prefix puts something before them.
_ROUTE: Final = re.compile(r"(/v1|/api)?/(chat(/completions)?|completions?|infill)/?$")

_decode_json = JSONDecoder(PieceWire).decode


class Decoder:
    """Payloads to events."""

    def __init__(self) -> None:
        self._batch = Batch(STOP_TYPES)

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        if is_done_sentinel(frame.data or b""):  # not from this server, but from some gateways
            return self._batch.done_at_sentinel(frame, '"stop": true')
        return read_frame(frame, PieceWire, _decode_json, self._receive)

    def receive_eof(self) -> Sequence[Event]:
        """The body ended; no further answer can begin."""
        return self._batch.done()

    def _receive(self, wire: PieceWire, frame: Frame) -> Sequence[Event]:
        if wire.error:
            return (read_error(wire.error).event(frame),)
        index = wire.index or 0
        if wire.content is None and wire.stop is None and wire.prompt_progress is None:
            return (Unknown(frame=frame),)
        if not self._batch.open(index):
            return (malformed(frame, f"there is no answer {index}"),)
        events = self._batch.start(frame, model=wire.model)
        if wire.prompt_progress is not None:
            events.append(Data("prompt_progress", wire.prompt_progress, index, frame=frame))
        if wire.content:
            events.append(Token(wire.content, index, frame=frame))
        if wire.timings is not None:
            events.append(Data("timings", wire.timings, index, frame=frame))
        finished = self._batch.finish(index, _stop_type(wire), frame) if wire.stop else []
        events += self._batch.count(
            index,
            frame,
            input_tokens=wire.tokens_evaluated,
            output_tokens=wire.tokens_predicted,
            cache_read_tokens=_cached(wire.timings),
        )
        return events + finished


def _stop_type(wire: PieceWire) -> str | None:
    flags = {"eos": wire.stopped_eos, "word": wire.stopped_word, "limit": wire.stopped_limit}
    return wire.stop_type or next((word for word, flag in flags.items() if flag), None)


def _cached(timings: Any) -> int | None:
    """Prompt tokens that were in the cache. ``tokens_cached`` is another: all that is in it now."""
    cached = timings.get("cache_n") if is_mapping(timings) else None
    return cached if isinstance(cached, int) else None


def encoder() -> BatchEncoder:
    """Writes the payloads that the server sends."""
    return BatchEncoder("llamacpp", STOP_TYPES, start=_start, payload=_payload, error=error_payload)


def _start(event: Started) -> dict[str, Any]:
    return {**_payload(0, "", None, {}), "model": event.model}


def _payload(index: int, text: str, word: str | None, counts: Mapping[str, int]) -> dict[str, Any]:
    said: dict[str, Any] = {"index": index, "content": text, "tokens": [], "stop": word is not None}
    if word is not None:
        said |= {"stop_type": word, "stopping_word": ""}
    names = {"input_tokens": "tokens_evaluated", "output_tokens": "tokens_predicted"}
    said |= {theirs: counts[ours] for ours, theirs in names.items() if ours in counts}
    return said


def reconnect(request: Request, cursor: Cursor, known: Known) -> Request | None:
    """A GET of the stream that the server keeps, from the first byte that did not come.

    It keeps one only for a request that named its conversation.
    """
    conversation = request.header("X-Conversation-Id")
    route = _ROUTE.search(request.path)
    if cursor.value is None or not conversation or route is None:
        return None
    going = request.as_get().with_path(request.path[: route.start()] + "/v1/stream")
    return going.with_query(**{"conv_id": conversation, "from": cursor.value})


RESUMPTION: Final[Resumption] = Resumption(
    method="cursor",
    kind="bytes",
    field="from in the URL of GET /v1/stream",
    reconnect=reconnect,
    beginning=0,
    key_headers=("X-Conversation-Id",),
)
"""Of all routes of this server: it keeps bytes, whatever they say."""

RESUME: Final[str] = (
    "GET /v1/stream?conv_id=...&from=<bytes of the body so far>; the first request must have sent"
    " X-Conversation-Id. The server keeps 4 MiB, for 300 s after the end"
)

LLAMACPP = Dialect(
    name="llamacpp",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=encoder,
    terminator='"stop": true',
    resumption=RESUMPTION,
    marks=(("content", "stop=true"), ("content", "stop=false"), ("prompt_progress", "content")),
    notes=Notes(
        vendor="llama.cpp server",
        sources=(
            "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
            "llama.cpp: tools/server/server-task.cpp, server-context.cpp, server-stream.cpp",
        ),
        request='POST /completion or /infill with "stream": true',
        text=".content; .index numbers the answers",
        errors='data: {"error": {"code", "message", "type"}}, then the body ends',
        heartbeats="an empty comment when idle for some seconds (sse_ping_interval)",
        resume=RESUME,
        quirks=(
            "No [DONE]: the last payload has stop true, stop_type and no text of its own.",
            "builds before September 2025 write errors into a field of its own, error: {...}.",
            "answers to several prompts come interleaved and stop one by one.",
            "tokens_cached counts what is in the cache at the end; what was read from it stands in"
            " timings.cache_n.",
            "Builds before December 2024 say stopped_eos, stopped_word or stopped_limit.",
        ),
        doubtful=("half characters in text, from tokens that are bytes; kept as they are.",),
    ),
)
