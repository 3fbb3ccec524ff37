"""``vercel-ui``: the UI message stream of Vercel's AI SDK, version 5 and later.

Source: https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol, and the source of the ai package.

An answer is complete once ``finish`` or ``abort`` came and no content after it. ``[DONE]`` is sent
whenever the server's stream ends, also without either, and proves nothing. Both may be followed by
data, so `Done` comes at ``[DONE]`` or at the end of the body. A step that the server tried again is
void at ``reset-step``.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.kit.errors import find_error, read_error
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.one_choice import OneChoice, read_frame
from tokenwire.dialects.kit.payloads import (
    is_done_sentinel,
    is_mapping,
    json_or_text,
)
from tokenwire.dialects.vercel.parts import FINISH_REASONS, UNTOLD, Calls, read_usage
from tokenwire.dialects.vercel.ui_encode import VercelUIEncoder
from tokenwire.dialects.vercel.ui_wire import (
    AFTER_THE_END,
    DATA,
    EventWire,
    Parts,
    signature_in,
    unread_in,
)
from tokenwire.events import Data, Event, Reasoning, Reset, Token, Unknown, Usage
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer

_decode_json = JSONDecoder(EventWire).decode


class Decoder:
    """Events of the wire to events."""

    def __init__(self) -> None:
        self._choice = OneChoice(FINISH_REASONS)
        self._over = False
        self._texts = Parts()
        self._thoughts = Parts()
        self._calls = Calls()
        self._alone = True  # no step with content came before this one
        self._filled = False  # this step has content
        self._extras = Extras()

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        if is_done_sentinel(frame.data or b""):
            return self._choice.done_at_sentinel(frame, "a finish or abort event after all blocks")
        return read_frame(frame, EventWire, _decode_json, self._receive, self._extras)

    def receive_eof(self) -> Sequence[Event]:
        """Some servers leave ``[DONE]`` out."""
        return self._choice.done() if self._over else ()

    def _receive(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        kind = wire.type or ""
        if kind not in AFTER_THE_END and not kind.startswith("data-"):
            self._over = False  # streams can be merged: another one goes on
        match kind:
            case "text-delta":
                return self._receive_text(wire, frame)
            case "reasoning-delta" | "reasoning-end":
                return self._receive_reasoning(wire, frame)
            case "tool-input-start" | "tool-input-delta" | "tool-input-available":
                self._filled = True
                return self._receive_call(wire, frame)
            case "start":
                metadata = self._receive_metadata(wire, frame)
                return [*self._choice.start(frame, wire.message_id), *metadata]
            case "message-metadata":
                return self._receive_metadata(wire, frame)
            case "finish":
                return self._finish(wire, frame)
            case "abort":
                self._over = True
                return self._choice.finish("abort", frame)
            case "error":
                return (read_error(wire.error_text).event(frame),)
            case "reset-step":
                return self._reset_step(frame)
            case _:
                return self._receive_rest(kind, wire, frame)

    def _receive_rest(self, kind: str, wire: EventWire, frame: Frame) -> Sequence[Event]:
        if kind in DATA or kind.startswith("data-"):
            if kind == "tool-input-error":  # the call is void, so it is never complete
                self._calls.void(wire.tool_call_id or "")
            elif kind.startswith("tool-output-"):
                self._calls.answer(wire.tool_call_id or "", frame)
            return (Data(kind, json_or_text(frame.data or b""), frame=frame),)
        match kind:
            case "start-step":
                self._begin_step()
            case "text-start":
                self._texts.begin(wire.id)
            case "text-end":
                self._texts.close(wire.id)
            case "reasoning-start":
                self._thoughts.begin(wire.id)
                return self._receive_reasoning(wire, frame)
            case "finish-step":
                pass
            case _:
                error = None if kind else find_error(json_or_text(frame.data or b""))
                return (error.event(frame) if error else Unknown(frame=frame),)
        return ()

    def _receive_text(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        if not wire.delta:
            return ()
        self._filled = True
        return (Token(wire.delta, 0, self._texts.get(wire.id), frame=frame),)

    def _receive_reasoning(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        """A piece, or the signature, which providers give with any of the three events."""
        signature = signature_in(wire.provider_metadata)
        events: list[Event] = []
        if wire.delta or signature:
            self._filled = True
            part = self._thoughts.get(wire.id)
            events.append(Reasoning(wire.delta or "", 0, part, signature, frame=frame))
        if wire.type == "reasoning-end":
            self._thoughts.close(wire.id)
        if signature is None:
            self._extras.tell(unread_in(wire.provider_metadata), frame, events)
        return events

    def _receive_call(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        id, name = wire.tool_call_id or "", wire.tool_name
        executed = bool(wire.provider_executed)
        if wire.type == "tool-input-delta":
            return self._calls.add(id, wire.input_text_delta or "", frame)
        if wire.type == "tool-input-available":
            return self._calls.end(id, name, wire.input, frame, executed=executed)
        if wire.input_encoding == "text":  # its pieces are no JSON: it counts when it is whole
            return ()
        return self._calls.begin(id, name, frame, executed=executed)

    def _receive_metadata(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        """What the application adds; by convention usage is in there."""
        metadata = wire.message_metadata
        if metadata is None:
            return ()
        usage: list[Usage] = []
        rest = metadata
        if is_mapping(metadata):
            # Unverified, a convention of examples: the counts of a step or message, so named.
            for name in ("totalUsage", "usage"):
                usage = usage or read_usage(metadata.get(name), frame, final=self._over)
            rest = {**metadata}
            if usage:
                rest = {n: v for n, v in metadata.items() if n not in ("totalUsage", "usage")}
        if usage and not rest:
            return usage
        return [Data("message-metadata", metadata, frame=frame), *usage]

    def _finish(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        raw = wire.finish_reason or None
        if raw in UNTOLD and (self._texts.left_open or self._thoughts.left_open):
            # The SDK closes all that it began: the model's own stream broke off in a block.
            self._choice.reason = None
            return self._receive_metadata(wire, frame)
        finished = self._calls.finish(raw, self._choice, frame)
        self._over = True
        return [*finished, *self._receive_metadata(wire, frame)]

    def _begin_step(self) -> None:
        self._alone = self._alone and not self._filled
        self._filled = False
        for parts in (self._texts, self._thoughts):
            parts.step = parts.next

    def _reset_step(self, frame: Frame) -> Sequence[Event]:
        """The parts of the current step are void: all, where it is the only one, else its texts."""
        self._filled = False
        self._calls.void_all()
        texts = self._texts.void_step()
        self._thoughts.void_step()
        if self._alone:
            self._texts, self._thoughts = Parts(), Parts()
            return (Reset(frame=frame),)
        return [Reset(0, number, frame=frame) for number in texts]


VERCEL_UI = Dialect(
    name="vercel-ui",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=VercelUIEncoder,
    terminator="a finish or abort event",
    marks=(
        ("type=start",),
        ("type=start-step",),
        ("type=text-*", "id"),
        ("type=reasoning-*", "id"),
        ("type=tool-*", "toolCallId"),
        ("type=tool-input-start", "toolCallId", "toolName"),
        ("type=source-*", "sourceId"),
        ("type=data-*", "data"),
        ("type=file", "mediaType", "url"),
        ("type=message-metadata", "messageMetadata"),
        ("type=error", "errorText"),
        ("type=abort",),
        ("type=finish",),
    ),
    headers={"x-vercel-ai-ui-message-stream": "v1"},
    notes=Notes(
        vendor="Vercel AI SDK 5 and later (UI message stream), and servers that speak to useChat",
        sources=(
            "https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol",
            "the source of the ai package: ui-message-chunks.ts, process-ui-message-stream.ts",
        ),
        request="an endpoint that answers with toUIMessageStreamResponse()",
        text="delta of text-delta events; one part for each text-start",
        errors='{"type": "error", "errorText"}; its text is masked unless the server shows it',
        heartbeats="the comment keep-alive, where the server is told to send it",
        resume="GET .../{id}/stream gives the whole stream again, or 204 when none is running",
        quirks=(
            "[DONE] is sent at the end of every stream, also of one that failed: without a"
            " finish or abort event before it the answer is cut.",
            "servers in other languages leave [DONE] out; the end of the body after a finish"
            " is Done too.",
            "tool-input-available repeats the input that came in pieces; it is not doubled.",
            "finish-step ends one call of the model, not the answer.",
            "finish without a finishReason is a stop, or tool_calls where calls wait for the"
            " client. Where a text is left open after it, and the reason is none, other or"
            " unknown, the answer was cut.",
            "reset-step voids the current step. In an answer's only step with content that is one"
            " Reset of everything, what came before it too. In a later step it is a Reset of each"
            " of its texts; its reasoning, its data and its complete tool calls cannot be taken"
            " back then, and its open tool calls never become complete.",
            "A tool call whose inputEncoding is text comes whole: its pieces are no JSON.",
            "abort finishes with the reason cancelled; finish with interrupted or error is an"
            " error, for the answer is cut.",
            "Data events hold the whole JSON object; their kind is its type.",
        ),
        doubtful=(
            "Usage is read from messageMetadata under usage or totalUsage: a convention.",
            "Reasoning signatures are read from any provider's signature in providerMetadata.",
        ),
    ),
)
