"""``sglang``: SGLang's own API, ``POST /generate``.

Source: https://docs.sglang.ai/basic_usage/native_api.html, and SGLang's tokenizer_manager.py and
http_server.py.

``text`` is the whole text so far, unless the server was started with incremental output. An answer
is complete when each ``meta_info.finish_reason`` came, and then ``[DONE]`` or the end of the body.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.kit.batch import Batch, BatchEncoder, error_payload
from tokenwire.dialects.kit.cumulative import Cumulative
from tokenwire.dialects.kit.errors import VendorError, read_error
from tokenwire.dialects.kit.one_choice import read_frame
from tokenwire.dialects.kit.payloads import is_done_sentinel, malformed
from tokenwire.events import Data, Error, Event, Reason, Recovery, Reset, Started, Token, Unknown
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer


class FinishWire(Struct):
    """Why an answer ended."""

    type: str | None = None
    message: str | None = None  # of an abort, with the two below
    status_code: int | None = None
    err_type: str | None = None


class MetaWire(Struct):
    """What a payload says beside the text."""

    id: str | None = None
    finish_reason: FinishWire | str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class PieceWire(Struct):
    """One payload."""

    text: str | None = None
    output_ids: list[Any] | None = None
    meta_info: MetaWire | None = None
    index: int | None = None
    error: Any = None


FINISH_TYPES: Final[Mapping[str, Reason]] = {"stop": "stop", "length": "length", "abort": "error"}
"""Anything else is ``other``."""

_decode_json = JSONDecoder(PieceWire).decode


class TextSoFar:
    """One answer's text, and what tells whether it comes whole each time.

    ``output_ids`` and ``completion_tokens`` do: as many ids as there are tokens, after the first
    payload, prove that all of it comes whole. Fewer prove nothing: there were servers that sent
    the ids piece by piece and the text whole. Servers without ids always sent it whole.
    """

    __slots__ = ("_counted", "_text")

    def __init__(self) -> None:
        self._text = Cumulative(None)
        self._counted = False  # a payload before this one had tokens

    def receive(self, wire: PieceWire, index: int, frame: Frame) -> list[Event]:
        """What this payload adds to it."""
        count = wire.meta_info.completion_tokens if wire.meta_info else None
        if self._comes_whole(wire.output_ids, count):
            self._text.settle(True)
        self._counted = self._counted or bool(count)
        return self._text.tokens(wire.text or "", frame, index=index)

    def _comes_whole(self, output_ids: list[Any] | None, count: int | None) -> bool:
        if output_ids is None:
            return True
        return bool(count) and self._counted and len(output_ids) >= (count or 0)


class Decoder:
    """Payloads to events."""

    def __init__(self) -> None:
        self._batch = Batch(FINISH_TYPES)
        self._texts: dict[int, TextSoFar] = {}
        self._abort: VendorError | None = None

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        if is_done_sentinel(frame.data or b""):
            return self._aborted(frame) or self._batch.done_at_sentinel(frame, "finish_reason")
        return read_frame(frame, PieceWire, _decode_json, self._receive)

    def receive_eof(self) -> Sequence[Event]:
        """The body ended, perhaps without the sentinel."""
        return self._aborted() or self._batch.done()

    def _aborted(self, frame: Frame | None = None) -> Sequence[Event]:
        return (self._abort.event(frame),) if self._abort is not None else ()

    def _receive(self, wire: PieceWire, frame: Frame) -> Sequence[Event]:
        if wire.error:
            return (read_error(wire.error).event(frame),)
        if wire.text is None and wire.output_ids is None and wire.meta_info is None:
            return (Unknown(frame=frame),)
        index, meta = wire.index or 0, wire.meta_info or MetaWire()
        if not self._batch.open(index):
            return (malformed(frame, f"there is no answer {index}"),)
        events = self._batch.start(frame, meta.id)
        events += self._texts.setdefault(index, TextSoFar()).receive(wire, index, frame)
        if wire.text is None and wire.output_ids:  # a server without a tokenizer
            events.append(Data("output_ids", wire.output_ids, index, frame=frame))
        finished = self._finish(meta.finish_reason, index, frame)
        events += self._batch.count(
            index,
            frame,
            input_tokens=meta.prompt_tokens,
            output_tokens=meta.completion_tokens,
            reasoning_tokens=meta.reasoning_tokens,
            cache_read_tokens=meta.cached_tokens,
        )
        return events + finished

    def _finish(self, finish: FinishWire | str | None, index: int, frame: Frame) -> list[Event]:
        if finish is None:
            return []
        if isinstance(finish, str):  # servers before 2024
            finish = FinishWire(finish)
        if finish.message and finish.type == "abort":
            code, status = finish.err_type or finish.type, finish.status_code
            retryable = True if status is None else None
            self._abort = self._abort or VendorError(finish.message, code, status, retryable)
        return self._batch.finish(index, finish.type, frame)


class Encoder:
    """Writes whole texts, as a server does that was started without any switch."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._texts: dict[int, str] = {}
        self._encode = BatchEncoder(
            "sglang",
            FINISH_TYPES,
            start=self._start,
            payload=self._payload,
            error=_error,
            end=(Frame(b"[DONE]"),),
        )

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The frames of one event.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        match event:
            case Reset(index=index, text=text) if text:  # without text it would say nothing
                self._texts[index] = ""
                return self._encode(Token(text, index))
            case _:
                return self._encode(event)

    def _start(self, event: Started) -> dict[str, Any]:
        self._id = event.id
        return {"text": "", "meta_info": self._meta(None)}

    def _payload(
        self, index: int, text: str, word: str | None, counts: Mapping[str, int]
    ) -> dict[str, Any]:
        whole = self._texts[index] = self._texts.get(index, "") + text
        names = {
            "input_tokens": "prompt_tokens",
            "output_tokens": "completion_tokens",
            "reasoning_tokens": "reasoning_tokens",
            "cache_read_tokens": "cached_tokens",
        }
        meta = self._meta(word) | {names[name]: n for name, n in counts.items()}
        said: dict[str, Any] = {"text": whole, "meta_info": meta}
        return {**said, "index": index} if index else said

    def _meta(self, word: str | None) -> dict[str, Any]:
        return {"id": self._id, "finish_reason": {"type": word} if word else None}


def _error(event: Error) -> dict[str, Any]:
    return {**error_payload(event), "retryable": event.recovery is not Recovery.FATAL}


SGLANG = Dialect(
    name="sglang",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=Encoder,
    terminator="meta_info.finish_reason, then data: [DONE]",
    marks=(("text", "meta_info"), ("output_ids", "meta_info"), ("error.retryable", "error.type")),
    notes=Notes(
        vendor="SGLang",
        sources=(
            "https://docs.sglang.ai/basic_usage/native_api.html",
            "sglang: srt/managers/tokenizer_manager.py, srt/entrypoints/http_server.py",
        ),
        request='POST /generate with "stream": true',
        text=".text, the whole text so far; .index numbers the answers",
        errors='data: {"error": {"message", "type", "code", "retryable"}}, then [DONE]; or'
        ' meta_info.finish_reason {"type": "abort", "message", "status_code"}',
        quirks=(
            "[DONE] comes after errors too, and proves nothing alone.",
            "text is cumulative; a server with incremental output sends deltas, which is found"
            " out from output_ids, completion_tokens and the texts. A text that does not go on from"
            " the one before is a Reset.",
            "answers to several prompts come interleaved and finish one by one; token counts"
            " are those of all of them.",
            "A server without a tokenizer sends output_ids and no text: Data of that kind.",
        ),
        doubtful=("Answers that a client aborted: their finish_reason has no status_code.",),
    ),
)
