"""``workers-ai``: Cloudflare Workers AI, whose models answer in its own words or in OpenAI's.

Source: https://developers.cloudflare.com/workers-ai/ and cloudflare/ai, workers-ai-provider's
streaming.ts.

Both forms come on the same route, and mixed: ``{"response": "Hi", "p": "..."}`` and chunks with
``choices``. Here the first is turned into the second, and the openai-chat family reads them.

An answer is complete at ``[DONE]``, unless an error came, or at EOF after a finish reason.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.json import Decoder as JSONDecoder
from msgspec.structs import replace

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.kit.encoding import cannot_say, heartbeat, json_frame, word_for
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.one_choice import read_frame
from tokenwire.dialects.kit.payloads import is_done_sentinel
from tokenwire.dialects.openai.accents import (
    AccentChoiceWire,
    AccentChunkWire,
    AccentDeltaWire,
    AccentToolCallWire,
)
from tokenwire.dialects.openai.ai_gateway import RESUME, RESUMPTION
from tokenwire.dialects.openai.chat import Decoder as FamilyDecoder
from tokenwire.dialects.openai.chat_encode import call_document, error_document, usage_document
from tokenwire.dialects.openai.chat_wire import FINISH_REASONS, Content, FunctionWire, arguments_of
from tokenwire.dialects.openai.profiles import PROFILES
from tokenwire.errors import LocalProtocolError
from tokenwire.events import (
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Started,
    Token,
    ToolCall,
    Usage,
)
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer


class NativeCallWire(AccentToolCallWire, gc=False, frozen=True, forbid_unknown_fields=True):
    name: str | None = None
    arguments: Content = None  # an object, whole


class NativeWire(AccentChunkWire, gc=False, frozen=True, forbid_unknown_fields=True):
    response: Content = None  # a text; a number or an object in JSON mode
    tool_calls: tuple[NativeCallWire, ...] | None = None
    finish_reason: str | None = None


_decode_json = JSONDecoder(NativeWire).decode


class Decoder:
    """Frames of both forms to events."""

    def __init__(self) -> None:
        retry_codes = PROFILES["cloudflare"].retry_codes
        self._family = FamilyDecoder(finish_optional=True, retry_codes=retry_codes)
        self._extras = Extras()

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        if frame.event in ("error", "ping") or is_done_sentinel(frame.data or b""):
            return self._family.receive_frame(frame)
        return read_frame(frame, NativeWire, _decode_json, self._receive, self._extras)

    def receive_eof(self) -> Sequence[Event]:
        """Complete after a finish reason; without one ``[DONE]`` is missing."""
        return self._family.receive_eof()

    def _receive(self, wire: NativeWire, frame: Frame) -> Sequence[Event]:
        if wire.response is not None or wire.tool_calls or wire.finish_reason:
            wire = replace(wire, choices=(_as_choice(wire), *(wire.choices or ())[1:]))
        return self._family.receive_chunk(wire, frame)


def _as_choice(wire: NativeWire) -> AccentChoiceWire:
    """The first choice, with what stands beside it; what it says itself is not said twice."""
    choice = wire.choices[0] if wire.choices else AccentChoiceWire()
    delta = choice.delta or AccentDeltaWire()
    calls = tuple(_as_call(call) for call in wire.tool_calls or ())
    delta = replace(
        delta,
        content=delta.content or arguments_of(wire.response),
        tool_calls=delta.tool_calls or calls,
    )
    return replace(choice, delta=delta, finish_reason=choice.finish_reason or wire.finish_reason)


def _as_call(call: NativeCallWire) -> AccentToolCallWire:
    function = call.function or FunctionWire(call.name, call.arguments)
    return AccentToolCallWire(index=call.index, id=call.id, function=function)


class Encoder:
    """Writes Cloudflare's own form, ``[DONE]`` last."""

    def __init__(self) -> None:
        self._calls: dict[str, int] = {}
        self._finished = False

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The frames of one event.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        match event:
            case Token(text=text, index=0):
                return json_frame({"response": text})
            case Started():
                return ()  # this wire has no name for an answer
            case ToolCall(index=0, provider_executed=False):
                call = call_document(event, self._calls)
                return json_frame({"response": "", "tool_calls": [call]}) if call else ()
            case Usage():
                return json_frame({"response": "", "usage": usage_document(event)})
            case Finished(index=0):
                self._finished = True
                return json_frame(
                    {"response": "", "finish_reason": word_for(event, FINISH_REASONS)}
                )
            case Heartbeat():
                return heartbeat(event)
            case Error(fatal=True):
                return json_frame({"success": False, "errors": [error_document(event)]})
            case Done() if self._finished:
                return (Frame(b"[DONE]"),)
            case Done():
                raise LocalProtocolError("workers-ai: Done comes after a Finished")
            case _:
                raise cannot_say("workers-ai", event)


WORKERS_AI = Dialect(
    name="workers-ai",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=Encoder,
    terminator="[DONE]",
    resumption=RESUMPTION,
    marks=(("response=[!{]*",), ("response", "p"), ("response", "tool_calls")),
    notes=Notes(
        vendor="Cloudflare Workers AI",
        sources=(
            "https://developers.cloudflare.com/workers-ai/",
            "https://developers.cloudflare.com/workers-ai/platform/errors/",
            "cloudflare/ai: workers-ai-provider and gateway-core",
        ),
        request="POST /accounts/{id}/ai/run/{model} with stream: true",
        text="response, or choices[].delta.content",
        errors='{"success": false, "errors": [{"code", "message"}]}',
        resume=RESUME,
        quirks=(
            "both forms come on one route, also in one stream",
            "response may be a number or an object: it is written out",
            "p is padding",
            "a finish reason is rare, so [DONE] ends the answer; the reason is other then",
            "tool calls come whole, without index and mostly without id",
        ),
        doubtful=(
            "the padding p, and errors in mid-stream",
            "whether the public address of AI Gateway resumes a run as that of the binding does",
        ),
    ),
)
