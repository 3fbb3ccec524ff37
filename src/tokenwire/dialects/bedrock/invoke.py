"""``bedrock-invoke``: InvokeModelWithResponseStream of Amazon Bedrock, a wire around the model's.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference, botocore's model of it, LiteLLM's
decoder of the families, and recordings.

Every ``chunk`` holds one JSON object of the model's own wire in base64: of Anthropic, Nova, Cohere,
Titan, Meta, Mistral, DeepSeek, AI21 or OpenAI. The first one tells which. The inner wire proves an
answer complete, but an exception may still follow: `Done` comes where the body ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.json import Decoder as JSONDecoder
from msgspec.json import encode as to_json
from msgspec.structs import replace

from tokenwire.dialects import Dialect, Notes, StatefulDecoder
from tokenwire.dialects.anthropic.messages_encode import AnthropicEncoder
from tokenwire.dialects.anthropic.messages_wire import STOP_REASONS
from tokenwire.dialects.bedrock.errors import exception, find_exception
from tokenwire.dialects.bedrock.families import find_family
from tokenwire.dialects.kit.encoding import cannot_say, json_frame
from tokenwire.dialects.kit.errors import find_error
from tokenwire.dialects.kit.extras import without_extra
from tokenwire.dialects.kit.one_choice import read_frame
from tokenwire.dialects.kit.payloads import UNREADABLE, is_mapping, json_or_text
from tokenwire.events import Data, Done, Error, Event, Heartbeat, Unknown, Usage
from tokenwire.frame import Frame
from tokenwire.framing.awsevents import AWSEventsFramer


class ChunkWire(Struct):
    """A random ``p`` stands beside the bytes, which only hides their length."""

    data: bytes | None = msgspec.field(default=None, name="bytes")


class MetricsWire(Struct, rename="camel", gc=False):
    input_token_count: int | None = None
    output_token_count: int | None = None
    cache_read_input_token_count: int | None = None
    cache_write_input_token_count: int | None = None


# What Bedrock puts into the inner object, mostly the last one, beside the model's own fields.
_OWN: Final = b'"amazon-bedrock-'
_OWN_NAMES: Final = "amazon-bedrock-"
_OWN_FIELDS: Final = {
    "trace": "amazon-bedrock-trace",  # what a guardrail did
    "metrics": "amazon-bedrock-invocationMetrics",
}

_decode_json = JSONDecoder(ChunkWire).decode


class Decoder:
    """Chunks to the events of what they hold."""

    def __init__(self) -> None:
        self._inner: StatefulDecoder | None = None
        self._done: Done | None = None
        self._counted: set[str] = set()  # what the inner wire says of usage

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one message."""
        error = find_exception(frame)
        if error is not None:
            return (error.event(frame),)
        if frame.event != "chunk":
            return (Unknown(frame=frame),)
        return read_frame(frame, ChunkWire, _decode_json, self._receive)

    def receive_eof(self) -> Sequence[Event]:
        """The body ended; no exception can come any more."""
        if self._done is not None:
            return (self._done,)
        return () if self._inner is None else self._inner.receive_eof()

    def _receive(self, chunk: ChunkWire, frame: Frame) -> Sequence[Event]:
        data = chunk.data
        if not data:
            return (Unknown(frame=frame),)
        if self._inner is None:
            self._inner = find_family(data)
        more = _OWN in data
        own = _read_own(data) if more else {}
        events: list[Event] = []
        inner = () if self._inner is None else self._inner.receive_frame(Frame(data))
        for event in without_extra(inner, _OWN_NAMES) if more else inner:
            if isinstance(event, Done):
                self._done = Done(event.reason)
            elif not (own and isinstance(event, Unknown)):
                events.append(replace(event, frame=frame))
                if isinstance(event, Usage):
                    self._counted |= _counts(event).keys()
        for kind, value in own.items():
            events += self._count(value, frame) if kind == "metrics" else []
            events.append(Data(kind, value, frame=frame))
        if self._inner is None and not events:
            error = find_error(json_or_text(data))
            return (error.event(frame) if error else Unknown(frame=frame),)
        return events

    def _count(self, metrics: Any, frame: Frame) -> list[Event]:
        """What Bedrock counted, where the model did not: the two need not agree."""
        try:
            wire = msgspec.convert(metrics, MetricsWire, strict=False)
        except UNREADABLE:
            return []
        usage = Usage(
            wire.input_token_count,
            wire.output_token_count,
            cache_read_tokens=wire.cache_read_input_token_count,
            cache_write_tokens=wire.cache_write_input_token_count,
        )
        counts = {name: n for name, n in _counts(usage).items() if name not in self._counted}
        return [Usage(**counts, final=True, frame=frame)] if counts else []


def _counts(usage: Usage) -> dict[str, int]:
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    return {name: n for name in names if (n := getattr(usage, name)) is not None}


def _read_own(data: bytes) -> dict[str, Any]:
    """What Bedrock itself says in an inner object, by kind."""
    value = json_or_text(data)
    if not is_mapping(value):
        return {}
    return {kind: value[name] for kind, name in _OWN_FIELDS.items() if value.get(name)}


class Encoder:
    """Writes the wire of Anthropic's models: its events, each in a chunk."""

    def __init__(self) -> None:
        self._inner = AnthropicEncoder(STOP_REASONS)
        self._own: dict[str, Any] = {}

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The messages of one event. What Bedrock itself says waits for the last chunk.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        if isinstance(event, Heartbeat) and event.text not in ("", "ping"):
            raise cannot_say("bedrock-invoke", event)
        if isinstance(event, Data) and event.kind in _OWN_FIELDS and event.value:
            if event.index:
                raise cannot_say("bedrock-invoke", event)
            self._own[_OWN_FIELDS[event.kind]] = event.value
            return ()
        frames = list(self._inner(event))
        if isinstance(event, Error):  # as an exception, not as Anthropic's own error
            own = [Frame(to_json(self._own))] if self._own else []
            return [*map(_chunk, (*frames[:-1], *own)), *exception(event)]
        if isinstance(event, Done):
            frames[-1] = Frame(to_json({"type": "message_stop", **self._own}))
        return list(map(_chunk, frames))


def _chunk(frame: Frame) -> Frame:
    """A frame of Anthropic's wire in a message; a comment keeps the connection alive."""
    return Frame() if frame.data is None else json_frame({"bytes": frame.data}, "chunk")[0]


BEDROCK_INVOKE = Dialect(
    name="bedrock-invoke",
    framer=AWSEventsFramer,
    decoder=Decoder,
    encoder=Encoder,
    media_types=("application/vnd.amazon.eventstream",),
    terminator="the end that the model's own wire has, in a chunk",
    marks=(("@event=chunk", "bytes", "@base64-json=bytes"),),
    headers={"x-amzn-bedrock-content-type": "*"},
    notes=Notes(
        vendor="Amazon Bedrock",
        sources=(
            "https://docs.aws.amazon.com/bedrock/latest/APIReference/"
            "API_runtime_InvokeModelWithResponseStream.html",
            "botocore 1.44.5 (its model of bedrock-runtime)",
            "LiteLLM 1.109.1 (the families of models)",
        ),
        request="POST /model/{modelId}/invoke-with-response-stream",
        text="chunk: .bytes, in base64, and in it where the model's own wire has it",
        errors="messages whose :message-type is exception or error, also after the end",
        heartbeats="messages with neither headers nor payload",
        quirks=(
            "a random p hides the length of every chunk.",
            "an exception may follow the end that the inner wire proves: Done comes at EOF.",
            "The first chunk tells the family: Anthropic, Nova, Cohere, Titan, Meta, Claude 2,"
            " or choices as OpenAI has them.",
            'amazon-bedrock-invocationMetrics in the last chunk is Data("metrics"), and Usage'
            " where the model counts nothing; with tools the two differ.",
            'What a guardrail did, amazon-bedrock-trace, is Data("trace"). Where it blocked an'
            " answer, Titan gives no reason, only INTERVENED, which it may say of masking too.",
            "An error has the exception's name for a code, not Anthropic's.",
            "gpt-oss writes its reasoning as <reasoning> into the text, where it is left.",
        ),
        doubtful=(
            "Meta, Mistral, DeepSeek and Claude 2: from documentation and LiteLLM alone.",
            "SageMaker's PayloadPart, slices of any body, is not read.",
        ),
    ),
)
