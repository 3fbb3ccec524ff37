"""``openai-chat``: OpenAI Chat Completions, and the many services that speak it with an accent.

Source: https://platform.openai.com/docs/api-reference/chat-streaming, and recordings of OpenAI,
Azure, OpenRouter, Groq, DeepSeek, xAI, Z.ai, Mistral, Perplexity, Together, Snowflake and others.

An answer is complete when every choice that began has a finish reason, at ``[DONE]`` or at EOF.
``[DONE]`` alone proves nothing: vLLM, SGLang and OpenRouter send it after an error too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect
from tokenwire.dialects._openai_encode import OpenAIChatEncoder
from tokenwire.dialects._openai_wire import (
    FINISH_REASONS,
    ChoiceWire,
    ChunkWire,
    DeltaWire,
    DetailsWire,
    FunctionWire,
    ToolCallWire,
    UsageWire,
    says_only_text,
)
from tokenwire.dialects.toolcalls import ToolCallSlots
from tokenwire.dialects.vendor_errors import find_error, read_error
from tokenwire.dialects.wire import (
    MAX_INDEX,
    UNREADABLE,
    MalformedError,
    is_done_sentinel,
    is_list,
    is_mapping,
    json_or_text,
    json_text,
    malformed,
    read_leniently,
    reason_for,
)
from tokenwire.errors import Recovery
from tokenwire.events import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Reason,
    Reasoning,
    Refusal,
    Started,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer

# After these the arguments of a call may be cut anywhere.
_CUTTING: Final = frozenset({"length", "content_filter", "error", "cancelled"})

_decode_json = JSONDecoder(ChunkWire).decode


class _Choice:
    """What is known of one choice."""

    __slots__ = ("finished", "index", "raw_reason", "reason", "slots", "spoke")

    def __init__(self, index: int) -> None:
        self.index = index
        self.slots = ToolCallSlots(index)
        self.finished = False
        self.reason: Reason = "other"
        self.raw_reason: str | None = None
        self.spoke = False


class Decoder:
    """Chunks to events."""

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}
        self._started = False
        self._last_id: str | None = None
        self._usage: Usage | None = None
        self._said: dict[str, Any] = {}  # what services repeat in every chunk

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one chunk."""
        try:
            chunk = _decode_json(frame.data or b"")
        except UNREADABLE:
            return self._receive_odd(frame)
        if frame.event:
            return self._receive_named(chunk, frame)
        choices = chunk.choices
        if choices and len(choices) == 1 and (delta := choices[0].delta) is not None:
            # Nearly every chunk is one piece of one choice's text and nothing else.
            text = delta.content
            choice = self._choices.get(choices[0].index or 0)
            if choice is not None and choice.spoke and text and isinstance(text, str):
                if says_only_text(chunk, choices[0], delta):
                    return (Token(text, choice.index, frame=frame),)
        return self._receive_chunk(chunk, frame)

    def receive_eof(self) -> Sequence[Event]:
        """Complete if all choices are finished: not every service sends ``[DONE]``."""
        return self._completed(None) if self._all_finished() else ()

    def _all_finished(self) -> bool:
        return bool(self._choices) and all(one.finished for one in self._choices.values())

    # --- frames that are no plain chunk ---

    def _receive_odd(self, frame: Frame) -> Sequence[Event]:
        data = frame.data or b""
        if is_done_sentinel(data):
            return self._receive_done(frame)
        if not data.strip():
            return (Heartbeat(frame.event, frame=frame),)
        if frame.event == "error":
            return (read_error(json_or_text(data)).event(frame),)
        try:
            chunks = read_leniently(data, ChunkWire)
        except MalformedError as reason:
            error = find_error(json_or_text(data))
            return (error.event(frame) if error else malformed(frame, reason),)
        return [event for chunk in chunks for event in self._receive_chunk(chunk, frame)]

    def _receive_named(self, chunk: ChunkWire, frame: Frame) -> Sequence[Event]:
        if frame.event == "error":  # Groq, Cerebras, LM Studio
            return (read_error(json_or_text(frame.data or b"")).event(frame),)
        if frame.event == "ping":
            return (Heartbeat("ping", frame=frame),)
        return self._receive_chunk(chunk, frame)

    def _receive_done(self, frame: Frame) -> Sequence[Event]:
        if self._all_finished():
            return self._completed(frame)
        if self._choices and self._last_id == "":
            # Snowflake never sends a finish reason, and an empty id in every chunk [R].
            return self._completed(frame)
        unfinished = [one.index for one in self._choices.values() if not one.finished]
        missing = f"choices {unfinished} have no finish_reason" if unfinished else "no choice came"
        return (
            Error(
                "truncated",
                f"the answer was cut off: [DONE] came, but {missing}",
                recovery=Recovery.RESUME if self._choices else Recovery.RETRY,
                frame=frame,
            ),
        )

    def _completed(self, frame: Frame | None) -> Sequence[Event]:
        for choice in self._choices.values():
            if choice.reason == "error":
                message = f"the service ended the answer with {choice.raw_reason!r}"
                return (Error("vendor", message, choice.raw_reason, recovery=Recovery.RETRY),)
        first = self._choices[min(self._choices)]
        return (Done(first.reason, frame=frame),)

    # --- chunks ---

    def _receive_chunk(self, chunk: ChunkWire, frame: Frame) -> Sequence[Event]:
        events: list[Event] = []
        if not self._started and (chunk.id or chunk.model):
            self._started = True
            events.append(Started(chunk.id or None, chunk.model or None, frame=frame))
        self._last_id = chunk.id
        for wire in chunk.choices or ():
            self._receive_choice(wire, frame, events)
        self._receive_extras(chunk, frame, events)
        return events

    def _receive_choice(self, wire: ChoiceWire, frame: Frame, events: list[Event]) -> None:
        index = wire.index or 0
        choice = self._choices.get(index)
        if choice is None:
            if len(self._choices) == MAX_INDEX:
                events.append(malformed(frame, f"there are more than {MAX_INDEX} choices"))
                return
            choice = self._choices[index] = _Choice(index)
        if wire.delta is not None:
            self._receive_delta(wire.delta, choice, frame, events)
        elif wire.text:
            choice.spoke = True
            events.append(Token(wire.text, index, frame=frame))
        elif wire.message is not None and not choice.spoke:
            self._receive_delta(wire.message, choice, frame, events)
        if wire.content_filter_results:
            self._say_once("content_filter", wire.content_filter_results, index, frame, events)
        if wire.finish_reason and wire.finish_reason != "null":
            self._receive_finish(wire.finish_reason, choice, frame, events)
        if wire.usage is not None:
            self._receive_usage(wire.usage, frame, events)

    def _receive_delta(
        self, delta: DeltaWire, choice: _Choice, frame: Frame, events: list[Event]
    ) -> None:
        index = choice.index
        thought = delta.reasoning_content or delta.reasoning
        if thought:
            events.append(Reasoning(_text_of(thought), index, frame=frame))
        if delta.reasoning_details:
            self._receive_details(delta.reasoning_details, not thought, index, frame, events)
        content = delta.content
        if content:
            choice.spoke = True
            if isinstance(content, str):
                events.append(Token(content, index, frame=frame))
            else:
                events.extend(_blocks(content, index, frame))
        if delta.refusal:
            events.append(Refusal(delta.refusal, index, frame=frame))
        if delta.tool_calls:
            self._receive_tool_calls(delta.tool_calls, choice, frame, events)
        if delta.function_call is not None:
            call = ToolCallWire(index=0, function=delta.function_call)
            self._receive_tool_calls([call], choice, frame, events)
        if delta.audio:
            events.append(Data("audio", delta.audio, index, frame=frame))
        if delta.annotations:
            events.append(Data("annotations", delta.annotations, index, frame=frame))

    def _receive_details(
        self, details: Any, unsaid: bool, index: int, frame: Frame, events: list[Event]
    ) -> None:
        for detail in _mappings(details):
            text = detail.get("text") or detail.get("summary")
            signature = detail.get("signature")
            said = text if unsaid and isinstance(text, str) else ""
            signed = signature if isinstance(signature, str) else None
            if said or signed:
                events.append(Reasoning(said, index, signature=signed, frame=frame))
            if detail.get("data"):
                events.append(Data("encrypted_reasoning", detail, index, frame=frame))

    def _receive_tool_calls(
        self, calls: list[ToolCallWire], choice: _Choice, frame: Frame, events: list[Event]
    ) -> None:
        choice.spoke = True
        for position, call in enumerate(calls):
            if len(choice.slots.keys) == MAX_INDEX:
                events.append(malformed(frame, f"there are more than {MAX_INDEX} tool calls"))
                return
            function = call.function or FunctionWire()
            arguments = _arguments(function.arguments)
            begun = len(choice.slots.keys)
            slot = choice.slots.place(
                index=call.index,
                id=call.id,
                name=function.name,
                position=position,
                siblings=len(calls),
            )
            said = (call.id or None, function.name or None, arguments)
            if any(said) or len(choice.slots.keys) > begun:
                events.append(ToolCall(slot.key, choice.index, *said, frame=frame))

    def _receive_finish(self, raw: str, choice: _Choice, frame: Frame, events: list[Event]) -> None:
        if choice.raw_reason == raw:
            return  # some services repeat it beside the usage
        reason = reason_for(raw, FINISH_REASONS)
        if reason not in _CUTTING and not choice.finished:
            events.extend(
                ToolCall(key, choice.index, complete=True, frame=frame) for key in choice.slots.keys
            )
        choice.finished, choice.reason, choice.raw_reason = True, reason, raw
        events.append(Finished(choice.index, reason, raw, frame=frame))

    def _receive_usage(self, wire: UsageWire, frame: Frame, events: list[Event]) -> None:
        read = wire.prompt_tokens_details or DetailsWire()
        written = wire.completion_tokens_details or DetailsWire()
        usage = Usage(
            wire.prompt_tokens,
            wire.completion_tokens,
            wire.total_tokens,
            _first(written.reasoning_tokens, wire.reasoning_tokens),
            _first(read.cached_tokens, wire.prompt_cache_hit_tokens, wire.cache_read_input_tokens),
            _first(read.cache_write_tokens, wire.cache_creation_input_tokens),
            self._all_finished(),
            frame=frame,
        )
        if usage != self._usage:
            self._usage = usage
            events.append(usage)

    def _receive_extras(self, chunk: ChunkWire, frame: Frame, events: list[Event]) -> None:
        usage = chunk.usage or (chunk.x_groq and chunk.x_groq.usage)
        if usage:
            self._receive_usage(usage, frame, events)
        for kind in ("citations", "search_results", "moderation"):
            if value := getattr(chunk, kind):
                self._say_once(kind, value, 0, frame, events)
        if chunk.prompt_filter_results:
            self._say_once("content_filter", chunk.prompt_filter_results, 0, frame, events)
        wrong = chunk.error or chunk.base_resp
        error = find_error(json_or_text(frame.data or b"")) if wrong else None
        if error is not None:
            events[:] = [event for event in events if not isinstance(event, Finished)]
            events.append(error.event(frame))
        elif chunk.choices is None and not events:
            events.append(Unknown(frame=frame))

    def _say_once(
        self, kind: str, value: Any, index: int, frame: Frame, events: list[Event]
    ) -> None:
        if self._said.get(f"{kind}{index}") != value:
            self._said[f"{kind}{index}"] = value
            events.append(Data(kind, value, index, frame=frame))


def _first(*counts: int | None) -> int | None:
    return next((count for count in counts if count is not None), None)


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in (value if is_list(value) else [value]) if is_mapping(item)]


def _text_of(value: Any) -> str:
    """A text, or the texts of blocks nested in any way."""
    if isinstance(value, str):
        return value
    if is_mapping(value):
        return _text_of(value.get("text") or value.get("thinking") or value.get("summary") or "")
    if is_list(value):
        return "".join(map(_text_of, value))
    return ""


def _blocks(content: Any, index: int, frame: Frame) -> list[Event]:
    """Content in blocks: Mistral's ``thinking``, Databricks' ``reasoning``, text, references."""
    events: list[Event] = []
    for block in content if is_list(content) else [content]:
        kind = block.get("type") if is_mapping(block) else "text"
        text = _text_of(block)
        if kind in ("thinking", "reasoning"):
            events += [Reasoning(text, index, frame=frame)] if text else []
        elif kind in ("text", "output_text"):
            events += [Token(text, index, frame=frame)] if text else []
        else:
            events.append(Data(str(kind), block, index, frame=frame))
    return events


def _arguments(value: Any) -> str:
    """A fragment of JSON text; an object is written out once."""
    if value is None or isinstance(value, str):
        return value or ""
    return json_text(value)


OPENAI_CHAT = Dialect(
    name="openai-chat",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=lambda: OpenAIChatEncoder(FINISH_REASONS),
    terminator="a finish_reason for every choice",
)
