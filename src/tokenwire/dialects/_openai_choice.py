"""One choice of an answer in OpenAI chunks: its deltas to events, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenwire.dialects._openai_wire import (
    DeltaWire,
    FunctionWire,
    ToolCallWire,
    arguments_of,
    read_blocks,
    text_of,
)
from tokenwire.dialects.toolcalls import CUTTING, Fragment, ToolCallSlots
from tokenwire.dialects.wire import is_list, is_mapping, reason_for
from tokenwire.events import (
    Data,
    Event,
    Finished,
    Reason,
    Reasoning,
    Refusal,
    Token,
)
from tokenwire.frame import Frame


class Choice:
    """What is known of one choice.

    Attributes:
        index: Its number.
        finished: It has a finish reason.
        reason: Why it finished.
        raw_reason: The service's word for it.
        runs: It spoke, and is not finished.
        went_on: It spoke behind a finish reason, which therefore proves nothing.
    """

    __slots__ = (
        "_refused",
        "_slots",
        "_spoke",
        "_thought",
        "finished",
        "index",
        "raw_reason",
        "reason",
        "runs",
        "went_on",
    )

    def __init__(self, index: int) -> None:
        self.index = index
        self.finished = False
        self.reason: Reason = "other"
        self.raw_reason: str | None = None
        self.runs = False
        self.went_on = False
        self._slots: ToolCallSlots | None = None  # of its calls, if there are any
        self._spoke = False
        self._thought = False
        self._refused = False

    @property
    def _called(self) -> bool:
        return bool(self._slots)

    def receive_delta(self, delta: DeltaWire, frame: Frame, events: list[Event]) -> None:
        """Add the events of a delta."""
        index = self.index
        thought = delta.reasoning_content or delta.reasoning
        if thought:
            self._thought = True
            events.append(Reasoning(text_of(thought), index, frame=frame))
        if delta.reasoning_details:
            self._thought = True
            self._receive_details(delta.reasoning_details, not thought, frame, events)
        if delta.content:
            self.receive_content(delta.content, frame, events)
        if delta.refusal:
            self._refused = True
            events.append(Refusal(delta.refusal, index, frame=frame))
        if delta.tool_calls:
            self._receive_tool_calls(delta.tool_calls, frame, events)
        if delta.function_call is not None:
            call = ToolCallWire(index=0, function=delta.function_call)
            self._receive_tool_calls([call], frame, events)
        if delta.audio:
            events.append(Data("audio", delta.audio, index, frame=frame))
        if delta.annotations:
            events.append(Data("annotations", delta.annotations, index, frame=frame))
        if delta.images:
            events.append(Data("images", delta.images, index, frame=frame))

    def speak(self) -> None:
        """Take note of a text."""
        self._spoke = True
        self._go_on()

    def receive_content(self, content: Any, frame: Frame, events: list[Event]) -> None:
        """Add the events of a text, or of blocks."""
        self.speak()
        if isinstance(content, str):
            events.append(Token(content, self.index, frame=frame))
        else:
            events.extend(read_blocks(content, self.index, frame))

    def news_in(self, message: DeltaWire) -> DeltaWire:
        """What a whole message says that no delta said: MiniMax and others repeat it all."""
        called = self._called
        return DeltaWire(
            content=None if self._spoke else message.content,
            reasoning_content=None if self._thought else message.reasoning_content,
            reasoning=None if self._thought else message.reasoning,
            reasoning_details=None if self._thought else message.reasoning_details,
            refusal=None if self._refused else message.refusal,
            tool_calls=None if called else message.tool_calls,
            function_call=None if called else message.function_call,
            audio=message.audio,
            annotations=message.annotations,
            images=message.images,
        )

    def receive_finish(
        self, raw: str, words: Mapping[str, Reason], frame: Frame, events: list[Event]
    ) -> None:
        """Add what a finish reason ends: the calls, unless it may have cut them, and the choice."""
        reason = reason_for(raw, words)
        if reason not in CUTTING:
            events += self._close_calls(frame)
        if self.raw_reason != raw:  # some services repeat it beside the usage
            events.append(Finished(self.index, reason, raw, frame=frame))
        self.finished, self.runs = True, False
        self.reason, self.raw_reason = reason, raw

    def finish(self, frame: Frame) -> list[Event]:
        """End it without a finish reason, where the sentinel is all that there is."""
        self.finished, self.runs = True, False
        self.reason = "tool_calls" if self._called else "other"
        return [*self._close_calls(frame), Finished(self.index, self.reason, frame=frame)]

    def _go_on(self) -> None:
        if self.finished:
            self.went_on = True
        else:
            self.runs = True

    def _receive_details(
        self, details: Any, unsaid: bool, frame: Frame, events: list[Event]
    ) -> None:
        for detail in _mappings(details):
            text = detail.get("text") or detail.get("summary")
            signature = detail.get("signature")
            said = text if unsaid and isinstance(text, str) else ""
            signed = signature if isinstance(signature, str) else None
            if said or signed:
                events.append(Reasoning(said, self.index, signature=signed, frame=frame))
            if detail.get("data"):
                events.append(Data("encrypted_reasoning", detail, self.index, frame=frame))

    def _receive_tool_calls(
        self, calls: list[ToolCallWire], frame: Frame, events: list[Event]
    ) -> None:
        self._go_on()
        slots = self._slots = self._slots or ToolCallSlots(self.index)
        events += slots.receive([_fragment(call) for call in calls], frame)
        for call in calls:
            if call.extra_content:
                events.append(Data("extra_content", call.extra_content, self.index, frame=frame))

    def _close_calls(self, frame: Frame) -> list[Event]:
        """The calls that are complete now; each is told once."""
        return [] if self._slots is None else self._slots.close(frame)


def _fragment(call: ToolCallWire) -> Fragment:
    function = call.function or FunctionWire()
    return Fragment(call.index, call.id, function.name, arguments_of(function.arguments))


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in (value if is_list(value) else [value]) if is_mapping(item)]
