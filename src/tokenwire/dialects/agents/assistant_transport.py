"""``assistant-transport``: assistant-ui's own stream, of its TypeScript and Python servers.

Source: https://github.com/assistant-ui/assistant-ui, packages/assistant-stream.

``part-start`` opens a part; what belongs to it names it in ``path``. ``[DONE]`` completes an
answer: servers send it when their stream came to its end, and not where it failed.
``message-finish`` says why, and not every server sends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.kit.call_arguments import CallArguments
from tokenwire.dialects.kit.errors import VendorError
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.one_choice import OneChoice, read_frame
from tokenwire.dialects.kit.payloads import (
    MAX_INDEX,
    is_done_sentinel,
    is_mapping,
    json_or_text,
    malformed,
    odd_texts,
    plain_text,
)
from tokenwire.dialects.vercel.parts import FINISH_REASONS, read_usage
from tokenwire.events import (
    Data,
    Event,
    Finished,
    Reasoning,
    Token,
    ToolCall,
    Unknown,
)
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer


class ChunkWire(Struct, rename="camel"):
    type: str | None = None
    path: list[Any] | None = None
    part: Any = None
    text_delta: str | None = None
    message_id: str | None = None
    finish_reason: str | None = None
    usage: Any = None
    error: str | None = None
    code: str | None = None
    severity: str | None = None


_DATA: Final = frozenset({"annotations", "data", "step-finish", "update-state"})
_CALL: Final = "tool-call"

_decode_json = JSONDecoder(ChunkWire).decode


class Decoder:
    """Chunks to events."""

    def __init__(self) -> None:
        self._choice = OneChoice(FINISH_REASONS)
        self._kinds: list[str] = []  # of the parts
        self._arguments = CallArguments()
        self._open: dict[str, None] = {}  # keys of calls that are not closed
        self._asked: dict[str, None] = {}  # of complete ones without a result
        self._extras = Extras()

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        if is_done_sentinel(frame.data or b""):
            return [*self._finish(None, frame), *self._choice.done(frame)]
        return read_frame(frame, ChunkWire, _decode_json, self._receive, self._extras)

    def receive_eof(self) -> Sequence[Event]:
        """Only ``[DONE]`` completes an answer."""
        return ()

    def _receive(self, wire: ChunkWire, frame: Frame) -> Sequence[Event]:
        kind = wire.type or ""
        match kind:
            case "text-delta":
                return self._say(wire, frame)
            case "part-start":
                return self._begin(wire.part, frame)
            case "part-finish" | "tool-call-args-text-finish":
                return self._close(self._place(wire), frame)
            case "result":
                return self._answer(self._place(wire), frame)
            case "step-start":
                return self._choice.start(frame, wire.message_id)
            case "message-finish":
                usage: Sequence[Event] = read_usage(wire.usage, frame, final=True)
                if wire.usage and not is_mapping(wire.usage):
                    usage = [Data("extra", {"usage": wire.usage}, frame=frame)]
                return [*self._finish(wire.finish_reason or None, frame), *usage]
            case "error" if wire.severity in (None, "", "critical"):
                message = wire.error or "the agent failed without a message"
                return (VendorError(message, wire.code or None).event(frame),)
            case "error":
                return (Data(kind, json_or_text(frame.data or b""), frame=frame),)
            case _ if kind in _DATA:
                return (Data(kind, json_or_text(frame.data or b""), frame=frame),)
            case _:
                return (Unknown(frame=frame),)

    def _place(self, wire: ChunkWire) -> int:
        """The part's number; what names none belongs to the last one."""
        number = wire.path[0] if wire.path else None
        last = max(0, len(self._kinds) - 1)
        return number if isinstance(number, int) and 0 <= number < MAX_INDEX else last

    def _kind(self, number: int) -> str:
        return self._kinds[number] if number < len(self._kinds) else "text"

    def _begin(self, part: Any, frame: Frame) -> Sequence[Event]:
        kind = plain_text(part.get("type")) if is_mapping(part) else ""
        number = len(self._kinds)
        if number == MAX_INDEX:
            return (malformed(frame, f"there are more than {MAX_INDEX} parts"),)
        self._kinds.append(kind)
        if kind == _CALL:
            id, name = plain_text(part.get("toolCallId")), plain_text(part.get("toolName"))
            self._open[str(number)] = None
            call = ToolCall(str(number), 0, id or None, name or None, frame=frame)
            return [call, *odd_texts(part, frame, "toolCallId", "toolName")]
        if kind in ("text", "reasoning"):
            return ()
        return (Data(kind or "part", part, 0, number, frame=frame),)

    def _say(self, wire: ChunkWire, frame: Frame) -> Sequence[Event]:
        number, text = self._place(wire), wire.text_delta
        if not text:
            return ()
        match self._kind(number):
            case "reasoning":
                return (Reasoning(text, 0, number, frame=frame),)
            case "tool-call":
                self._arguments.add(str(number), text)
                return (ToolCall(str(number), arguments=text, frame=frame),)
            case _:
                return (Token(text, 0, number, frame=frame),)

    def _close(self, number: int, frame: Frame) -> Sequence[Event]:
        key = str(number)
        if key not in self._open:
            return ()
        del self._open[key]
        if not self._arguments.close(key):
            return ()
        self._asked[key] = None
        return (ToolCall(key, complete=True, frame=frame),)

    def _answer(self, number: int, frame: Frame) -> Sequence[Event]:
        closed = self._close(number, frame)
        self._asked.pop(str(number), None)
        value = json_or_text(frame.data or b"")
        return [*closed, Data("result", value, 0, number, frame=frame)]

    def _finish(self, raw: str | None, frame: Frame) -> list[Event]:
        if raw is not None:
            return self._choice.finish(raw, frame)
        if self._choice.reason is not None:
            return []
        self._choice.finish(None, frame)
        self._choice.reason = "tool_calls" if self._asked else "stop"
        return [Finished(0, self._choice.reason, None, frame=frame)]


ASSISTANT_TRANSPORT = Dialect(
    name="assistant-transport",
    framer=SSEFramer,
    decoder=Decoder,
    terminator="[DONE]",
    marks=(
        ("type=part-start", "part.type"),
        ("type=text-delta", "textDelta"),
        ("type=update-state", "operations"),
        ("type=step-start", "messageId"),
        ("type=message-finish", "finishReason"),
    ),
    notes=Notes(
        vendor="assistant-ui",
        sources=(
            "https://github.com/assistant-ui/assistant-ui",
            "assistant-stream: AssistantStreamChunk.ts, AssistantTransport.ts",
        ),
        request="an endpoint that answers with AssistantTransportResponse or its encoder",
        text="textDelta of text-delta, where its path names a part of the type text",
        errors='{"type": "error", "error", "severity"}; a warning is Data',
        quirks=(
            "[DONE] is sent at the end of a stream that did not fail, and proves it whole;"
            " message-finish says why, and Python servers leave it out: that is a stop, or"
            " tool_calls where calls have no result.",
            "step-finish ends a step and not the answer: it is Data.",
            "States, sources, files and annotations are Data.",
            "Read only.",
        ),
        doubtful=("No recording confirms it.",),
    ),
)
