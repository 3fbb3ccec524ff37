"""``dashscope``: Alibaba's own API for Qwen and others, with ``X-DashScope-SSE: enable``.

Source: https://help.aliyun.com/zh/model-studio/qwen-api-via-dashscope, the SDK ``dashscope``, and
recordings.

An answer is complete when every choice has a ``finish_reason`` other than the word ``null``, at
``event:done`` or at EOF. Whether texts are whole each time or deltas depends on the request
(``incremental_output``) and on the model, so it is found out, unless `dashscope` is told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import msgspec
from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.clouds.dashscope_encode import DashScopeEncoder
from tokenwire.dialects.clouds.dashscope_wire import (
    FINISH_REASONS,
    OUTPUT_DATA,
    ChoiceWire,
    ChunkWire,
    DetailsWire,
    MessageWire,
    UsageWire,
    read_content,
)
from tokenwire.dialects.kit.call_fragments import Fragment
from tokenwire.dialects.kit.cumulative import Cumulative, Delta
from tokenwire.dialects.kit.errors import VendorError, find_error, read_error
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.one_choice import OneChoice, read_frame
from tokenwire.dialects.kit.payloads import (
    MAX_INDEX,
    is_broken,
    is_done_sentinel,
    is_mapping,
    json_or_text,
    json_text,
    malformed,
)
from tokenwire.dialects.kit.toolcalls import CUTTING, ToolCallSlots
from tokenwire.dialects.openai.accents import AccentToolCallWire
from tokenwire.dialects.openai.chat_wire import FunctionWire, arguments_of
from tokenwire.dialects.openai.message import chat_message
from tokenwire.events import (
    Data,
    Event,
    Reasoning,
    Reset,
    Unknown,
    Usage,
)
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer

# Words with which the codes begin of errors that pass.
_TRANSIENT: Final = ("Throttling", "InternalError", "SystemError", "RequestTimeOut", "ModelServing")
_STATUS: Final = re.compile(rb"(?:HTTP_STATUS/|^status: ?)([1-5][0-9]{2})", re.MULTILINE)

_NO_MESSAGE: Final = MessageWire()
_NO_DETAILS: Final = DetailsWire()

_decode_json = JSONDecoder(ChunkWire).decode


class _Choice:
    """What is known of one choice."""

    __slots__ = (
        *("answered", "end", "index", "items", "reasoning", "slots", "spoke"),
        "text",
    )

    def __init__(self, index: int, cumulative: bool | None) -> None:
        self.index = index
        self.text = Cumulative(cumulative)
        self.reasoning = Cumulative(cumulative)
        self.slots = ToolCallSlots(index, cumulative=cumulative is True)
        self.items: set[int] = set()  # hashes of what the last content held beside text
        self.spoke = False
        self.answered = False  # more than reasoning was said
        self.end = OneChoice(FINISH_REASONS)


class Decoder:
    """Chunks to events.

    Args:
        cumulative: Texts are whole each time; False: they are deltas; None: find out.
    """

    def __init__(self, cumulative: bool | None = None) -> None:
        self._cumulative = cumulative
        self._choices: dict[int, _Choice] = {}
        self._begin = OneChoice({})
        self._usage: tuple[int | None, ...] | None = None  # the last counts, and whether all ended
        self._extras = Extras()
        self._said: dict[str, int] = {}

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one chunk."""
        data = frame.data or b""
        if frame.event == "error":
            return (_error(read_error(json_or_text(data)), frame),)
        if (frame.event == "done" and not is_broken(data)) or is_done_sentinel(data):
            return self._done(frame)
        return read_frame(frame, ChunkWire, _decode_json, self._receive, self._extras)

    def receive_eof(self) -> Sequence[Event]:
        """Complete if all choices are finished."""
        return self._done(None)

    def _all_finished(self) -> bool:
        return bool(self._choices) and all(
            one.end.reason is not None for one in self._choices.values()
        )

    def _done(self, frame: Frame | None) -> Sequence[Event]:
        if not self._all_finished():
            return ()
        return self._choices[min(self._choices)].end.done(frame)

    def _receive(self, wire: ChunkWire, frame: Frame) -> Sequence[Event]:
        if wire.code:
            error = find_error(json_or_text(frame.data or b""))
            if error is not None:
                return (_error(error, frame),)
        events = self._begin.start(frame, wire.request_id)
        output = wire.output
        if output is not None:
            for position, choice in enumerate(output.choices or ()):
                self._receive_choice(choice, position, frame, events)
            if output.text is not None or (output.finish_reason and not output.choices):
                message = MessageWire(output.text)
                choice = ChoiceWire(0, message, output.finish_reason)
                self._receive_choice(choice, 0, frame, events)
            for kind in OUTPUT_DATA:
                value = getattr(output, kind)
                if value:
                    self._say_once(kind, value, frame, events)
        if wire.usage is not None:
            self._receive_usage(wire.usage, frame, events)
        return events if output is not None or events else (Unknown(frame=frame),)

    def _receive_choice(
        self, wire: ChoiceWire, position: int, frame: Frame, events: list[Event]
    ) -> None:
        index = position if wire.index is None else wire.index
        choice = self._choices.get(index)
        if choice is None:
            if len(self._choices) == MAX_INDEX:
                events.append(malformed(frame, f"there are more than {MAX_INDEX} choices"))
                return
            choice = self._choices[index] = _Choice(index, self._cumulative)
        message = wire.message or _NO_MESSAGE
        text, items = read_content(message.content)
        if text or message.reasoning_content or message.tool_calls or items:
            choice.spoke = True
        elif choice.spoke and wire.message is not None:
            # Whole texts do not become empty again: this is the empty delta that often comes last.
            self._settle(False, frame, events)
        thought = choice.reasoning.read(message.reasoning_content or "")
        self._reason(thought, choice, frame, events)
        self._learn(choice.reasoning, frame, events)
        choice.answered = choice.answered or bool(text or message.tool_calls)
        events += choice.text.tokens(text, frame, index=index)
        self._learn(choice.text, frame, events)
        if items:
            said = {hash(json_text(item)): item for item in items}
            news = [item for key, item in said.items() if key not in choice.items]
            events += [Data(*item, index, frame=frame) for item in news]
            choice.items = set(said)
        if message.tool_calls:
            self._receive_calls(message.tool_calls, choice, frame, events)
        if message.annotations:
            events.append(Data("annotations", message.annotations, index, frame=frame))
        if wire.logprobs:
            events.append(Data("logprobs", wire.logprobs, index, frame=frame))
        raw = wire.finish_reason
        if raw and raw != "null":
            self._receive_finish(raw, choice, frame, events)

    def _reason(self, said: Delta, choice: _Choice, frame: Frame, events: list[Event]) -> None:
        if said.replaces and not choice.answered:
            events.append(Reset(choice.index, frame=frame))  # it would void an answer too
        if said.text:
            events.append(Reasoning(said.text, choice.index, frame=frame))

    def _receive_calls(
        self,
        calls: Sequence[AccentToolCallWire],
        choice: _Choice,
        frame: Frame,
        events: list[Event],
    ) -> None:
        fragments = [_fragment(wire) for wire in calls]
        events += choice.slots.receive(fragments, frame)

    def _learn(self, text: Cumulative, frame: Frame, events: list[Event]) -> None:
        """One text that shows how it is sent tells it of all."""
        if self._cumulative is None and text.cumulative is not None:
            self._settle(text.cumulative, frame, events)

    def _settle(self, cumulative: bool, frame: Frame, events: list[Event]) -> None:
        if self._cumulative is not None:
            return
        self._cumulative = cumulative
        for choice in self._choices.values():
            choice.slots.cumulative = cumulative
            self._reason(choice.reasoning.settle(cumulative), choice, frame, events)
            said, replaces = choice.text.settle(cumulative)
            if replaces:
                events.append(Reset(choice.index, 0, said, frame=frame))

    def _receive_finish(self, raw: str, choice: _Choice, frame: Frame, events: list[Event]) -> None:
        finished = choice.end.finish(raw, frame, index=choice.index)
        if finished and choice.end.reason not in CUTTING:
            events += choice.slots.close(frame)
        events += finished

    def _receive_usage(self, wire: UsageWire, frame: Frame, events: list[Event]) -> None:
        read = wire.prompt_tokens_details or wire.input_tokens_details or _NO_DETAILS
        written = wire.output_tokens_details or _NO_DETAILS
        said = (
            wire.input_tokens,
            wire.output_tokens,
            wire.total_tokens,
            written.reasoning_tokens,
            read.cached_tokens,
            read.cache_creation_input_tokens,
            self._all_finished(),
        )
        if said != self._usage:
            self._usage = said
            events.append(Usage(*said, frame=frame))

    def _say_once(self, kind: str, value: Any, frame: Frame, events: list[Event]) -> None:
        # Pieces of audio are increments: two equal ones are silence, and not a repetition.
        is_piece = kind == "audio" and is_mapping(value) and value.get("data")
        digest = hash(json_text(value))
        if is_piece or self._said.get(kind) != digest:
            self._said[kind] = digest
            events.append(Data(kind, value, frame=frame))


def _fragment(wire: AccentToolCallWire) -> Fragment:
    function = wire.function or FunctionWire()
    return Fragment(wire.index, wire.id, function.name, arguments_of(function.arguments))


def _error(error: VendorError, frame: Frame) -> Event:
    """With the status that stands beside the data, and what the code's beginning allows."""
    found = _STATUS.search(b"%b\n%b" % (frame.comment or b"", frame.other))
    status = int(found[1]) if found and found[1] >= b"400" else error.status
    transient = True if (error.code or "").startswith(_TRANSIENT) else error.retryable
    return msgspec.structs.replace(error, status=status, retryable=transient).event(frame)


def dashscope(*, cumulative: bool | None = None) -> Dialect:
    """The dialect for requests of which it is known how they ask for texts.

    Args:
        cumulative: Each text is the whole one so far, as without ``incremental_output``; False:
            each is a delta, as with it; None: find out from the first texts.
    """
    return Dialect(
        name="dashscope",
        framer=SSEFramer,
        decoder=lambda: Decoder(cumulative),
        encoder=lambda: DashScopeEncoder(FINISH_REASONS, OUTPUT_DATA, incremental=not cumulative),
        message=partial(chat_message, empty=""),
        terminator='a finish_reason other than "null" for every choice',
        marks=(
            ("output", "request_id"),
            ("output.choices", "request_id"),
            ("output.text", "request_id"),
            ("@event=error", "request_id", "code", "message"),
        ),
        notes=Notes(
            vendor="Alibaba Cloud Model Studio (DashScope)",
            sources=(
                "https://help.aliyun.com/zh/model-studio/qwen-api-via-dashscope",
                "https://pypi.org/project/dashscope/",
            ),
            request="POST /api/v1/services/aigc/.../generation with X-DashScope-SSE: enable",
            text="output.choices.0.message.content, or output.text",
            errors=(
                'event:error with the status in the comment ":HTTP_STATUS/400" and'
                ' {"code", "message", "request_id"}'
            ),
            heartbeats=":HTTP_STATUS/200, a comment in each event",
            quirks=(
                "no space after the colon of data:",
                'while an answer runs its finish_reason is the word "null"',
                "texts are whole each time, unless incremental_output is asked for or the"
                " model knows nothing else; found out, or told with dashscope(cumulative=...)",
                "content is a list for multimodal models",
            ),
            doubtful=("event:done, which the SDK knows and no recording has",),
        ),
    )


DASHSCOPE = dashscope()
