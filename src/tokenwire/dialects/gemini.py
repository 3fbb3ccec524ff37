"""``gemini-sse`` and ``gemini-array``: Google's ``streamGenerateContent``, also on Vertex AI.

Source: https://ai.google.dev/api/generate-content, the google-genai SDK 3.4, and recordings.
With ``alt=sse`` the chunks come as server-sent events, without it as one JSON array.

An answer is complete when the body ends and every candidate that began has a finish reason, or the
prompt was blocked. There is no terminator, and older models put ``STOP`` into every chunk: so
`Finished` comes only at EOF, and nothing is believed before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import UNSET
from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect
from tokenwire.dialects._gemini_arguments import PatchedArguments, json_text
from tokenwire.dialects._gemini_encode import GeminiEncoder
from tokenwire.dialects._gemini_wire import (
    DATA_IN_CANDIDATE,
    DATA_IN_PART,
    FINISH_REASONS,
    UNSPECIFIED,
    CandidateWire,
    ChunkWire,
    FunctionCallWire,
    PartialArgWire,
    PartWire,
    UsageWire,
)
from tokenwire.dialects.vendor_errors import find_error, read_error
from tokenwire.dialects.wire import (
    MAX_INDEX,
    UNREADABLE,
    MalformedError,
    is_done_sentinel,
    is_mapping,
    json_or_text,
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
    Started,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.frame import Frame
from tokenwire.framing.jsonarray import JSONArrayFramer
from tokenwire.framing.sse import SSEFramer

# After these the patches of a call may end anywhere.
_CUTTING: Final = frozenset({"length", "content_filter", "error", "other"})

# What the patched arguments of one stream may take together: far beyond the 64 thousand tokens
# that a model can write, and a bound for a hostile server.
MAX_PATCHED: Final = 4 * 1024 * 1024

_NOTHING: Final = ChunkWire()

_decode_json = JSONDecoder(ChunkWire).decode


class _OpenCall:
    """A call whose arguments come in patches."""

    __slots__ = ("arguments", "id", "key", "sound")

    def __init__(self, key: str, id: str | None) -> None:
        self.key = key
        self.id = id
        self.arguments = PatchedArguments()
        self.sound = True


class _Choice:
    """What is known of one candidate."""

    __slots__ = ("blocked", "calls", "finish", "frame", "index", "message", "open_call", "said")

    def __init__(self, index: int) -> None:
        self.index = index
        self.blocked = False  # not by itself, but with the prompt
        self.calls = 0
        self.open_call: _OpenCall | None = None
        self.finish: str | None = None
        self.message: str | None = None
        self.frame: Frame | None = None  # that of the finish reason
        self.said: dict[str, Any] = {}  # what may be repeated in every chunk

    @property
    def reason(self) -> Reason:
        if self.blocked:
            return "content_filter"
        reason = reason_for(self.finish, FINISH_REASONS)
        return "tool_calls" if reason == "stop" and self.calls else reason


class Decoder:
    """Chunks to events, in either framing."""

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}
        self._feedback: Any = None
        self._started = False
        self._usage: Usage | None = None
        self._patched = 0

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one chunk."""
        data = frame.data or b""
        if frame.event == "error":
            return (read_error(json_or_text(data)).event(frame),)
        try:
            return self._receive_chunk(_decode_json(data), frame)
        except UNREADABLE:
            pass
        if not data.strip():
            return (Heartbeat(frame.event, frame=frame),)
        if is_done_sentinel(data):  # of some gateways; EOF decides all the same
            return (Unknown(frame=frame),)
        try:
            chunks = read_leniently(data, ChunkWire)
        except MalformedError as reason:
            error = find_error(json_or_text(data))
            return (error.event(frame) if error else malformed(frame, reason),)
        return [event for chunk in chunks for event in self._receive_chunk(chunk, frame)]

    def receive_eof(self) -> Sequence[Event]:
        """Complete if every candidate is finished, or the prompt was blocked."""
        choices = sorted(self._choices.values(), key=lambda one: one.index)
        finished = [one for one in choices if one.finish is not None]
        events: list[Event] = [
            Finished(one.index, one.reason, one.finish, frame=one.frame) for one in finished
        ]
        if finished and len(finished) == len(self._choices):
            events.append(self._end(finished))
        return events

    def _end(self, finished: list[_Choice]) -> Event:
        for one in finished:
            if one.reason == "error":
                said = one.message or f"the service ended the answer with {one.finish!r}"
                return Error("vendor", said, one.finish, recovery=Recovery.RETRY)
        return Done(min(finished, key=lambda one: one.index).reason)

    def _receive_chunk(self, chunk: ChunkWire, frame: Frame) -> Sequence[Event]:
        if chunk.error:
            return (read_error(json_or_text(frame.data or b"")).event(frame),)
        events: list[Event] = []
        if not self._started and (chunk.response_id or chunk.model_version):
            self._started = True
            id, model = chunk.response_id or None, chunk.model_version or None
            events.append(Started(id, model, frame=frame))
        for candidate in chunk.candidates or ():
            self._receive_candidate(candidate, frame, events)
        if chunk.prompt_feedback and chunk.prompt_feedback != self._feedback:
            self._receive_feedback(chunk.prompt_feedback, frame, events)
        if chunk.usage_metadata is not None:
            self._receive_usage(chunk.usage_metadata, frame, events)
        if chunk == _NOTHING:
            events.append(Unknown(frame=frame))
        return events

    def _receive_feedback(self, feedback: Any, frame: Frame, events: list[Event]) -> None:
        """What became of the prompt: where it was blocked, no candidate comes."""
        self._feedback = feedback
        events.append(Data("promptFeedback", feedback, frame=frame))
        reason = _word(feedback.get("blockReason")) if is_mapping(feedback) else None
        if reason is None:
            return
        if not self._choices:
            self._choices[0] = _Choice(0)
        for choice in self._choices.values():
            if choice.finish is None:
                choice.blocked, choice.finish, choice.frame = True, reason, frame

    def _receive_candidate(
        self, candidate: CandidateWire, frame: Frame, events: list[Event]
    ) -> None:
        index = candidate.index or 0
        choice = self._choices.get(index)
        if choice is None:
            if len(self._choices) == MAX_INDEX:
                events.append(malformed(frame, f"there are more than {MAX_INDEX} candidates"))
                return
            choice = self._choices[index] = _Choice(index)
        if candidate.content is not None:
            for part in candidate.content.parts or ():
                self._receive_part(part, choice, frame, events)
        for name, kind in DATA_IN_CANDIDATE.items():
            value = getattr(candidate, name)
            if value and choice.said.get(kind) != value:
                choice.said[kind] = value
                events.append(Data(kind, value, index, frame=frame))
        finish = _word(candidate.finish_reason)
        if finish is not None and not choice.blocked:
            choice.finish, choice.frame = finish, frame
            choice.message = candidate.finish_message or choice.message
            self._close(choice, choice.reason not in _CUTTING, frame, events)

    def _receive_part(
        self, part: PartWire, choice: _Choice, frame: Frame, events: list[Event]
    ) -> None:
        index = choice.index
        signature = part.thought_signature or None
        if part.thought and part.text:
            events.append(Reasoning(part.text, index, signature=signature, frame=frame))
            return
        if part.text:
            events.append(Token(part.text, index, frame=frame))
        if part.function_call is not None:
            self._receive_call(part.function_call, choice, frame, events)
        for name, kind in DATA_IN_PART.items():
            value = getattr(part, name)
            if value is not None:
                events.append(Data(kind, value, index, frame=frame))
        if signature:  # of what stands right before it
            events.append(Reasoning("", index, signature=signature, frame=frame))

    # --- tool calls ---

    def _receive_call(
        self, call: FunctionCallWire, choice: _Choice, frame: Frame, events: list[Event]
    ) -> None:
        open_call = choice.open_call
        if open_call is None or (call.name and not (call.id and call.id == open_call.id)):
            # Calls come one behind the other, so what is open ends here: its end may be missing.
            self._close(choice, True, frame, events)
            if not (call.id or call.name or call.args or call.partial_args):
                return  # the end of a call that is closed already
            if choice.calls == MAX_INDEX:
                events.append(malformed(frame, f"there are more than {MAX_INDEX} tool calls"))
                return
            key = f"{choice.index}:{choice.calls}"
            choice.calls += 1
            said = (key, choice.index, call.id or None, call.name or None)
            if call.args or not (call.partial_args or call.will_continue):
                text = call.args if isinstance(call.args, str) else json_text(call.args or {})
                events.append(ToolCall(*said, text, True, frame=frame))
                return
            events.append(ToolCall(*said, frame=frame))
            open_call = choice.open_call = _OpenCall(key, call.id)
        self._receive_patches(call.partial_args or (), open_call, frame, events)
        if not call.will_continue:
            self._close(choice, True, frame, events)

    def _receive_patches(
        self,
        patches: Sequence[PartialArgWire],
        open_call: _OpenCall,
        frame: Frame,
        events: list[Event],
    ) -> None:
        for patch in patches:
            values = (patch.string_value, patch.number_value, patch.bool_value)
            value = next((one for one in values if one is not None), patch.null_value)
            if value is UNSET:
                continue  # a value is announced
            try:
                self._patched += open_call.arguments.put(patch.json_path, value)
            except ValueError as reason:
                open_call.sound = False
                events.append(malformed(frame, reason))
            if self._patched > MAX_PATCHED:
                message = f"patched arguments take more than {MAX_PATCHED} bytes"
                events.append(Error("limit", message, frame=frame))
                return

    def _close(self, choice: _Choice, whole: bool, frame: Frame, events: list[Event]) -> None:
        call = choice.open_call
        if call is not None:
            choice.open_call = None
            text = str(call.arguments)
            complete = whole and call.sound
            events.append(ToolCall(call.key, choice.index, None, None, text, complete, frame=frame))

    def _receive_usage(self, wire: UsageWire, frame: Frame, events: list[Event]) -> None:
        counts = (
            wire.prompt_token_count,
            wire.candidates_token_count,
            wire.total_token_count,
            wire.thoughts_token_count,
            wire.cached_content_token_count,
        )
        choices = self._choices.values()
        over = bool(choices) and all(one.finish is not None for one in choices)
        usage = Usage(*counts, final=over, frame=frame)
        if any(count is not None for count in counts) and usage != self._usage:
            self._usage = usage
            events.append(usage)


def _word(value: Any) -> str | None:
    """A word of an enum, or the number that stands for it; None where it says nothing."""
    word = str(value) if isinstance(value, str | int) else ""
    return None if word in UNSPECIFIED else word


GEMINI_SSE = Dialect(
    name="gemini-sse",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=lambda: GeminiEncoder("gemini-sse"),
    terminator="a finishReason for every candidate",
)
GEMINI_ARRAY = Dialect(
    name="gemini-array",
    framer=JSONArrayFramer,
    decoder=Decoder,
    media_types=("application/json",),
    terminator="a finishReason for every candidate",
)
