"""``openai-audio``: OpenAI's streams of transcriptions and speech, and with them of images.

Source: https://platform.openai.com/docs/api-reference/audio and .../images-streaming, the models of
openai 3.52, and recordings of transcriptions. The type of an event stands in its JSON alone.

A transcription is complete at ``transcript.text.done``, speech at ``speech.audio.done``. Images,
which have a dialect of their own too, are at ``[DONE]`` or EOF after a ``*.completed``: nothing
says that there is but one of those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.kit.encoding import cannot_say, heartbeat, json_frame
from tokenwire.dialects.kit.errors import find_error, read_error
from tokenwire.dialects.kit.one_choice import OneChoice, read_frame
from tokenwire.dialects.kit.payloads import is_done_sentinel, is_mapping, json_or_text
from tokenwire.dialects.kit.said import Said
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


class UsageWire(Struct, gc=False, omit_defaults=True):
    """Counts of tokens; transcriptions by Whisper count seconds instead, which are left out."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens: int | None = None  # OpenRouter calls the first two so
    completion_tokens: int | None = None


class MediaWire(Struct, gc=False, omit_defaults=True):
    """All events in one."""

    type: str | None = None
    delta: str | None = None  # transcript.text.delta
    text: str | None = None  # transcript.text.segment and .done: the whole
    logprobs: Any = None
    audio: str | None = None  # speech.audio.delta, in base64
    b64_json: str | None = None
    languages: Any = None
    usage: UsageWire | None = None
    error: Any = None


_WORDS: Final[Mapping[str, Reason]] = {"": "stop"}  # these streams name no reason
_DOCUMENTS: Final = {
    "transcript.text.segment": "segment",
    "image_generation.partial_image": "partial_image",
    "image_edit.partial_image": "partial_image",
    "image_generation.completed": "image",
    "image_edit.completed": "image",
}
_decode_json = JSONDecoder(MediaWire).decode


class Decoder:
    """Events of the three kinds of streams to events."""

    def __init__(self) -> None:
        self._answer = OneChoice(_WORDS)
        self._said = Said()

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        if is_done_sentinel(frame.data or b""):
            return self._answer.done_at_sentinel(frame, "the event that ends the stream")
        return read_frame(frame, MediaWire, _decode_json, self._receive)

    def receive_eof(self) -> Sequence[Event]:
        """Images are complete after a ``*.completed``."""
        return self._answer.done()

    def _receive(self, wire: MediaWire, frame: Frame) -> Sequence[Event]:
        kind = wire.type or frame.event
        if wire.error or kind == "error":
            error = find_error(json_or_text(frame.data or b"")) or read_error(wire.error)
            return (error.event(frame),)
        if kind in _DOCUMENTS:
            return self._receive_document(_DOCUMENTS[kind], wire, frame)
        match kind:
            case "transcript.text.delta":
                return self._receive_text(wire.delta, wire.logprobs, frame)
            case "speech.audio.delta":
                return (Data("audio", wire.audio, frame=frame),) if wire.audio else ()
            case "transcript.text.done" | "speech.audio.done":
                # The text is whole here: news only as far as no delta brought it.
                text = self._said.rest_of(wire.text or "")
                events = self._receive_text(text, None, frame)
                if wire.languages:
                    events.append(Data("languages", wire.languages, frame=frame))
                return [*events, *self._receive_end(wire, frame), *self._answer.done(frame)]
            case _:
                return (Unknown(frame=frame),)

    def _receive_text(self, text: str | None, logprobs: Any, frame: Frame) -> list[Event]:
        events: list[Event] = []
        if text:
            self._said.add(text)
            events.append(Token(text, frame=frame))
        if logprobs:
            events.append(Data("logprobs", logprobs, frame=frame))
        return events

    def _receive_document(self, name: str, wire: MediaWire, frame: Frame) -> Sequence[Event]:
        document = json_or_text(frame.data or b"")
        said = {**document} if is_mapping(document) else msgspec.to_builtins(wire)
        said.pop("usage", None)
        image = Data(name, said, frame=frame)
        if name == "partial_image":
            self._answer.reason = None  # another one is being made
        return [image, *self._receive_end(wire, frame)] if name == "image" else [image]

    def _receive_end(self, wire: MediaWire, frame: Frame) -> list[Event]:
        events: list[Event] = []
        usage = wire.usage
        if usage is not None and usage != UsageWire():
            came = usage.prompt_tokens if usage.input_tokens is None else usage.input_tokens
            went = usage.completion_tokens if usage.output_tokens is None else usage.output_tokens
            events.append(Usage(came, went, usage.total_tokens, final=True, frame=frame))
        return [*events, *self._answer.finish(None, frame)]


class Encoder:
    """Writes a stream of any of the three kinds; its first content decides which one it is."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._image: Mapping[str, Any] | None = None  # waits for its counts
        self._kind = "transcript.text"
        self._last: dict[str, Any] = {}  # what the last event of a kind says
        self._finished = False

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The frames of one event. What the last event says waits for `Done`.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        match event:
            case Token(text=text, index=0):
                self._texts.append(text)
                return json_frame({"type": "transcript.text.delta", "delta": text})
            case Data(kind="logprobs", value=value):
                said = {"type": "transcript.text.delta", "delta": "", "logprobs": value}
                return json_frame(said)
            case Data(kind="languages", value=value):
                self._last["languages"] = value
                return ()
            case Data(kind="audio", value=str(value)) if value:
                self._kind = "speech.audio"
                return json_frame({"type": "speech.audio.delta", "audio": value})
            case Data(kind="segment", value=value) if _is_document("segment", value):
                return json_frame(value)
            case Data(kind=kind, value=value) if _is_document(kind, value):
                return self._show(kind, value)
            case Started():
                return ()  # this wire has no name for an answer
            case Usage():
                counts = (event.input_tokens, event.output_tokens, event.total_tokens)
                self._last["usage"] = UsageWire(*counts)
                return ()
            case Finished(index=0, reason="stop"):
                self._finished = True
                return self._flush()
            case Heartbeat():
                return heartbeat(event)
            case Error(fatal=True, message=message, code=code):
                return json_frame({"error": {"message": message, "code": code}})
            case Done() if self._finished:
                return self._done()
            case Done():
                raise LocalProtocolError("openai-audio: Done comes after a Finished")
            case _:
                raise cannot_say("openai-audio", event)

    def _show(self, kind: str, image: Mapping[str, Any]) -> Sequence[Frame]:
        self._kind = ""
        frames = self._flush()
        if kind == "image":
            self._image = image
            return frames
        return [*frames, *json_frame(image)]

    def _flush(self) -> Sequence[Frame]:
        if self._image is None:
            return ()
        said = {**self._image, **self._last}
        self._image, self._last = None, {}
        return json_frame(said)

    def _done(self) -> Sequence[Frame]:
        if not self._kind:
            return [*self._flush(), Frame(b"[DONE]")]
        said: dict[str, Any] = {"type": f"{self._kind}.done"}
        if self._kind == "transcript.text":
            said["text"] = "".join(self._texts)
        return json_frame({**said, **self._last})


def _is_document(kind: str, value: Any) -> bool:
    return is_mapping(value) and _DOCUMENTS.get(str(value.get("type"))) == kind


OPENAI_AUDIO = Dialect(
    name="openai-audio",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=Encoder,
    terminator="transcript.text.done, speech.audio.done or an image that is completed",
    marks=(
        ("type=transcript.text.*",),
        ("type=speech.audio.*",),
    ),
    notes=Notes(
        vendor="OpenAI",
        sources=("https://platform.openai.com/docs/api-reference/audio",),
        request="POST /v1/audio/transcriptions with stream: true, /v1/audio/speech with"
        " stream_format: sse",
        text="delta of transcript.text.delta",
        errors='data: {"error": {...}}',
        quirks=(
            "the type stands in the JSON alone",
            "the text of transcript.text.done is the whole: what the deltas lacked is told",
            "an image is one line of megabytes; max_event_size must allow it",
            "segments, with their speaker, repeat text of the deltas: they are Data",
            "no finish reason is named; it is stop",
            "image streams are read here too; see openai-images",
        ),
        doubtful=("speech is not recorded",),
    ),
)
