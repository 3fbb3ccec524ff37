"""``watsonx``: IBM watsonx.ai, text generation and chat.

Source: https://cloud.ibm.com/apidocs/watsonx-ai, the SDK ``ibm-watsonx-ai``, and a recording.

``/ml/v1/text/generation_stream`` sends ``results``, ``/ml/v1/text/chat_stream`` chunks as OpenAI
does: those are read by the ``openai-chat`` decoder. Generation is complete when a ``stop_reason``
other than ``not_finished`` came, at EOF.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.kit.encoding import cannot_say, heartbeat, json_frame, word_for
from tokenwire.dialects.kit.errors import find_error, read_error
from tokenwire.dialects.kit.extras import without_extra
from tokenwire.dialects.kit.one_choice import OneChoice, read_frame
from tokenwire.dialects.kit.payloads import is_done_sentinel, is_mapping, json_or_text
from tokenwire.dialects.openai.chat import Decoder as ChatDecoder
from tokenwire.dialects.openai.message import chat_message
from tokenwire.errors import LocalProtocolError
from tokenwire.events import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Reason,
    Started,
    Token,
    Unknown,
    Usage,
)
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer


class ResultWire(Struct, gc=False):
    generated_text: str | None = None
    generated_token_count: int | None = None
    input_token_count: int | None = None
    stop_reason: str | None = None


class EventWire(Struct):
    model_id: str | None = None
    results: list[ResultWire] | None = None  # one
    system: Any = None  # {"warnings": [...]}: the model's licence, deprecations
    choices: Any = None  # chat
    errors: Any = None
    error: Any = None


STOP_REASONS: Final[Mapping[str, Reason]] = {
    "eos_token": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "token_limit": "length",
    "time_limit": "length",
    "cancelled": "cancelled",
    "error": "error",
}
"""Anything else is ``other``."""

# Beside the chunks of chat: the warnings are told here, the others are of no interest.
_BESIDE: Final = ("system", "model_id", "model_version", "created_at")

_RUNNING: Final = "not_finished"

_decode_json = JSONDecoder(EventWire).decode


class Decoder:
    """Events of both endpoints to events."""

    def __init__(self) -> None:
        self._choice = OneChoice(STOP_REASONS)
        self._chat: ChatDecoder | None = None  # once a chunk of the chat endpoint came
        self._warnings: Any = None
        self._input_tokens: int | None = None
        self._usage: Usage | None = None

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        data = frame.data or b""
        if frame.event == "error":
            return (_error(frame),)
        if is_done_sentinel(data):
            if self._chat is not None:
                return self._chat.receive_frame(frame)
            return self._choice.done_at_sentinel(frame, "a stop_reason")
        return read_frame(frame, EventWire, _decode_json, self._receive)

    def receive_eof(self) -> Sequence[Event]:
        """Complete if it was said why the answer stopped."""
        return self._choice.done() if self._chat is None else self._chat.receive_eof()

    def _receive(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        if wire.errors or wire.error:
            return (_error(frame),)
        events: list[Event] = []
        if is_mapping(wire.system):
            events += self._receive_warnings(wire.system.get("warnings"), frame)
        if wire.choices is not None:
            self._chat = self._chat or ChatDecoder()
            return [*events, *without_extra(self._chat.receive_frame(frame), *_BESIDE)]
        events[:0] = self._choice.start(frame, None, wire.model_id)
        for result in (wire.results or ())[:1]:
            events += self._receive_result(result, frame)
        if events or wire.results is not None:
            return events
        empty = frame.text.strip() == "{}"
        return (Heartbeat(frame.event, frame=frame) if empty else Unknown(frame=frame),)

    def _receive_warnings(self, warnings: Any, frame: Frame) -> list[Event]:
        if not warnings or warnings == self._warnings:
            return []  # some models repeat them in every event
        self._warnings = warnings
        return [Data("warnings", warnings, frame=frame)]

    def _receive_result(self, result: ResultWire, frame: Frame) -> list[Event]:
        events: list[Event] = []
        if result.generated_text:
            events.append(Token(result.generated_text, frame=frame))
        raw = result.stop_reason
        if raw and raw != _RUNNING:
            events += self._choice.finish(raw, frame)
        read, written = result.input_token_count, result.generated_token_count
        if read is not None or written is not None:
            # The input is counted in the first event; those after it say 0.
            self._input_tokens = read or self._input_tokens
            final = self._choice.reason is not None
            usage = Usage(self._input_tokens, written, final=final, frame=frame)
            events += [usage] if usage != self._usage else []
            self._usage = usage
        return events


def _error(frame: Frame) -> Event:
    document = json_or_text(frame.data or b"")
    return (find_error(document) or read_error(document)).event(frame)


class Encoder:
    """Writes events of the generation endpoint, numbered from 1."""

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}
        self._word = _RUNNING
        self._id = 0

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The frames of one event.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        match event:
            case Token(text=text, index=0):
                return self._send({"generated_text": text})
            case Started(id=None, model=model):
                self._head = {"model_id": model}
                return self._send()
            case Data(kind="warnings", value=value, index=0):
                return self._send(system={"warnings": value})
            case Usage(input_tokens=read, output_tokens=written):
                counts = {"input_token_count": read, "generated_token_count": written}
                return self._send({name: n for name, n in counts.items() if n is not None})
            case Finished(index=0):
                self._word = word_for(event, STOP_REASONS)
                return self._send()
            case Heartbeat():
                return heartbeat(event)
            case Error(fatal=True, message=message, code=code, status=status):
                error = {"code": code, "message": message}
                said = {"errors": [error], "status_code": status}
                return json_frame(said, "error")
            case Done():
                if self._word == _RUNNING:
                    raise LocalProtocolError("watsonx: Done comes after a Finished")
                return ()
            case _:
                raise cannot_say("watsonx", event)

    def _send(self, result: dict[str, Any] | None = None, **beside: Any) -> Sequence[Frame]:
        self._id += 1
        said = {"generated_text": "", **(result or {}), "stop_reason": self._word}
        (frame,) = json_frame({**self._head, "results": [said], **beside}, "message")
        return (Frame(frame.data, frame.event, str(self._id)),)


WATSONX = Dialect(
    name="watsonx",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=Encoder,
    message=chat_message,
    terminator="a stop_reason other than not_finished, or a finish_reason for every choice",
    marks=(
        ("results.0.generated_text",),
        ("results.0.stop_reason", "model_id"),
        ("model_id", "choices"),
        ("model_id", "created_at", "choices", "object=chat.completion.chunk"),
    ),
    notes=Notes(
        vendor="IBM watsonx.ai",
        sources=(
            "https://cloud.ibm.com/apidocs/watsonx-ai#text-generation-stream",
            "https://cloud.ibm.com/apidocs/watsonx-ai#text-chat-stream",
            "https://pypi.org/project/ibm-watsonx-ai/",
        ),
        request="POST /ml/v1/text/generation_stream or /ml/v1/text/chat_stream",
        text="results.0.generated_text; chat: choices.0.delta.content",
        errors='event: error, {"errors": [{"code", "message"}], "status_code"}',
        heartbeats="an empty object, mostly as the first event",
        quirks=(
            "the first event may be empty, or an empty object: a heartbeat",
            "the input is counted in the first event only; 0 in those after it is no count",
            "warnings about the model come as Data of kind warnings, once",
        ),
        doubtful=("the shape of an error in mid-stream",),
    ),
)
