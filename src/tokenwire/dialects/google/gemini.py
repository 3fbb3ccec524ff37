"""``gemini-sse`` and ``gemini-array``: Google's ``streamGenerateContent``, also on Vertex AI.

Source: https://ai.google.dev/api/generate-content, the google-genai SDK 3.4, and recordings.
With ``alt=sse`` the chunks come as server-sent events, without it as one JSON array.

An answer is complete when every candidate that began has a finish reason, or the prompt was
blocked, and the body ended, which an array says with its closing bracket. Older models put ``STOP``
into every chunk: so `Finished` comes only at the end, and as an event stream has no terminator, a
finish reason after which text came proves nothing there any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from msgspec import UNSET
from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect
from tokenwire.dialects.google.gemini_arguments import PatchedArguments
from tokenwire.dialects.google.gemini_encode import GeminiEncoder
from tokenwire.dialects.google.gemini_notes import ARRAY_NOTES, MARKS, SSE_NOTES
from tokenwire.dialects.google.gemini_wire import (
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
from tokenwire.dialects.kit.errors import read_error
from tokenwire.dialects.kit.lenient import Extras
from tokenwire.dialects.kit.one_choice import read_frame
from tokenwire.dialects.kit.payloads import (
    MAX_INDEX,
    is_done_sentinel,
    is_mapping,
    json_or_text,
    json_text,
    malformed,
    reason_for,
)
from tokenwire.dialects.kit.pieces import Pieces, Room
from tokenwire.events import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Reason,
    Reasoning,
    Recovery,
    Started,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.frame import Frame
from tokenwire.framing.jsonarray import ARRAY_END, JSONArrayFramer
from tokenwire.framing.sse import SSEFramer

# After these the patches of a call may end anywhere.
_CUTTING: Final = frozenset({"length", "content_filter", "error", "other"})

# What the patched arguments of one stream may take together: far beyond the 64 thousand tokens
# that a model can write, and a bound for a hostile server.
MAX_PATCHED: Final = 4 * 1024 * 1024

_NO_CALL: Final = (None, FunctionCallWire())  # the latter ends a call

_decode_json = JSONDecoder(ChunkWire).decode


_Signature: TypeAlias = tuple[str | None, dict[str, int]]


class _OpenCall:
    """A call whose arguments come in patches."""

    __slots__ = ("arguments", "id", "key", "sound")

    def __init__(self, key: str, id: str | None) -> None:
        self.key = key
        self.id = id
        self.arguments = PatchedArguments()
        self.sound = True


class _Waiting:
    """A call that came whole, with an id but without arguments: it may come again with them."""

    __slots__ = ("frame", "id", "key", "name", "signature")

    def __init__(self, key: str, call: FunctionCallWire, frame: Frame) -> None:
        self.key = key
        self.id = call.id
        self.name = call.name
        self.signature: str | None = None
        self.frame = frame

    def is_again(self, call: FunctionCallWire) -> bool:
        """Is this the same call once more?"""
        same = call.id == self.id and (not call.name or call.name == self.name)
        return same and not (call.partial_args or call.will_continue)


class _Choice:
    """What is known of one candidate."""

    __slots__ = (
        "blocked",
        "calls",
        "counted",
        "finish",
        "frame",
        "index",
        "message",
        "open_call",
        "refuted",
        "refuted_counted",
        "said",
        "text",
        "told",
        "waiting",
        "went_on",
    )

    def __init__(self, index: int) -> None:
        self.index = index
        self.blocked = False  # not by itself, but with the prompt
        self.calls = 0
        self.open_call: _OpenCall | None = None
        self.waiting: _Waiting | None = None
        self.finish: str | None = None
        self.counted = False  # the answer's tokens were counted with the finish reason
        self.refuted: str | None = None  # a finish reason that more of the answer followed
        self.refuted_counted = False
        self.went_on = False  # more followed, and no finish reason with it or after it
        self.message: str | None = None
        self.frame: Frame | None = None  # that of the finish reason
        self.said: dict[str, int] = {}  # what may be repeated in every chunk: digests
        self.told: dict[str, _Signature] = {}  # calls that came whole, by id
        self.text: Pieces | None = None

    @property
    def reason(self) -> Reason:
        if self.blocked:
            return "content_filter"
        reason = reason_for(self.finish, FINISH_REASONS)
        return "tool_calls" if reason == "stop" and self.calls else reason

    @property
    def proven(self) -> bool:
        """Does the finish reason say that nothing more would have come?

        Not if it stood in a chunk before and more came all the same, unless there is something in
        the last chunk that was not in those: Vertex counts an older model's answer at its end.
        """
        return self.finish != self.refuted or (self.counted and not self.refuted_counted)

    def is_repeated(self, part: PartWire) -> bool:
        """Is this, beside the finish reason, all of the text once more, which came in pieces?

        It might be a model that says the same again as its last words; but none was seen to end
        so, and some gateways do: they add up what they streamed. Older models, which finish in
        every chunk, are believed.
        """
        text, told = part.text, self.text
        if not text or told is None or part.thought or self.finish or self.refuted:
            return False
        return told.several and told.is_just(text)

    def refute(self) -> None:
        """More of the answer came: what was said of its end was not so."""
        if self.finish is not None and not self.blocked:
            self.went_on = True
            self.refuted = self.finish
            self.refuted_counted |= self.counted


class Decoder:
    """Chunks to events.

    Args:
        in_array: The chunks are elements of an array, which is closed after the last one.
    """

    def __init__(self, *, in_array: bool = False) -> None:
        self._in_array = in_array
        self._closed = False
        self._sentinel = False
        self._choices: dict[int, _Choice] = {}
        self._feedback: int | None = None
        self._started = False
        self._usage: tuple[int | None, ...] = ()  # the last counts, and whether all ended
        self._waiting = 0  # candidates with a call that waits
        self._patched = 0
        self._room = Room()
        self._extras = Extras()

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one chunk, or those of the end of the array."""
        data = frame.data or b""
        if self._in_array and data == ARRAY_END:
            self._closed = True
            return self._finish(frame)
        if is_done_sentinel(data):  # of some gateways: no more will come, finished or not
            self._sentinel = True
            return (Unknown(frame=frame),)
        return read_frame(frame, ChunkWire, _decode_json, self._receive_chunk, self._extras)

    def receive_eof(self) -> Sequence[Event]:
        """Complete if every candidate is finished, or the prompt was blocked."""
        return () if self._closed else self._finish()

    def receive_loss(self) -> Sequence[Event]:
        """The connection broke: a finish reason that was in every chunk proves nothing then."""
        return () if self._closed else self._finish(broken=True)

    def _finish(self, frame: Frame | None = None, *, broken: bool = False) -> Sequence[Event]:
        choices = sorted(self._choices.values(), key=lambda one: one.index)
        finished = [one for one in choices if one.finish is not None]
        unproven = 0
        events: list[Event] = []
        self._end_waiting(events)
        for one in choices:
            self._close(one, False, frame, events)
        for one in finished:
            reason = one.reason
            believed = one.proven if broken else not one.went_on
            if not (self._closed or self._sentinel or believed):
                reason, unproven = "other", unproven + 1
            events.append(Finished(one.index, reason, one.finish, frame=one.frame))
        whole = len(finished) == len(choices) and not unproven and self._closed == self._in_array
        if finished and whole:
            events.append(self._end(finished, frame))
        return events

    def _end(self, finished: list[_Choice], frame: Frame | None) -> Event:
        for one in finished:
            if one.reason == "error":
                said = one.message or f"the service ended the answer with {one.finish!r}"
                retry = Recovery.RETRY
                return Error("vendor", said, one.finish, recovery=retry, frame=frame)
        return Done(finished[0].reason, frame=frame)

    def _receive_chunk(self, chunk: ChunkWire, frame: Frame) -> Sequence[Event]:
        events: list[Event] = []
        whole = chunk
        chunk = chunk.response or chunk
        if chunk.error:
            said = json_or_text(frame.data or b"")
            if chunk is not whole and is_mapping(said):
                said = said.get("response")
            self._end_waiting(events)
            return [*events, read_error(said).event(frame)]
        if not self._started and (chunk.response_id or chunk.model_version):
            self._started = True
            id, model = chunk.response_id or None, chunk.model_version or None
            events.append(Started(id, model, frame=frame))
        for candidate in chunk.candidates or ():
            self._receive_candidate(candidate, frame, events)
        if chunk.prompt_feedback:
            self._receive_feedback(chunk.prompt_feedback, frame, events)
        if chunk.usage_metadata is not None:
            self._receive_usage(chunk.usage_metadata, frame, events)
        if not events and _is_empty(chunk):
            events.append(Unknown(frame=frame))
        return events

    def _receive_feedback(self, feedback: Any, frame: Frame, events: list[Event]) -> None:
        """What became of the prompt: where it was blocked, no candidate comes."""
        digest = hash(json_text(feedback))
        if digest == self._feedback:
            return
        self._feedback = digest
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
            parts = candidate.content.parts or []
            if candidate.finish_reason:
                parts = [part for part in parts if not choice.is_repeated(part)]
            for part in parts:
                if part.text or part.function_call not in _NO_CALL or part.inline_data is not None:
                    choice.refute()
                if self._waiting:
                    self._end_waiting(events, but=choice if _goes_on(part) else None)
                self._receive_part(part, choice, frame, events)
        for name, kind in DATA_IN_CANDIDATE.items() if candidate.has_data else ():
            value = getattr(candidate, name)
            if value and choice.said.get(kind) != (digest := hash(json_text(value))):
                choice.said[kind] = digest
                events.append(Data(kind, value, index, frame=frame))
        finish = _word(candidate.finish_reason)
        if finish is not None and not choice.blocked:
            choice.finish, choice.frame, choice.counted = finish, frame, False
            choice.went_on = False
            choice.message = candidate.finish_message or choice.message
            self._end_waiting(events)
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
            if choice.text is None:
                choice.text = Pieces(self._room)
            choice.text.add(part.text)
            events.append(Token(part.text, index, frame=frame))
        if part.function_call is not None:
            self._receive_call(part.function_call, choice, frame, events)
        for name, kind in DATA_IN_PART.items() if part.has_data else ():
            value = getattr(part, name)
            if value is not None:
                events.append(Data(kind, value, index, frame=frame))
        if signature and choice.waiting is not None:
            choice.waiting.signature = signature
        elif signature:  # of what stands right before it
            events.append(Reasoning("", index, signature=signature, frame=frame))

    # --- tool calls ---

    def _receive_call(
        self, call: FunctionCallWire, choice: _Choice, frame: Frame, events: list[Event]
    ) -> None:
        waiting = choice.waiting
        if waiting is not None and waiting.is_again(call):
            if call.args:  # now it has them
                self._tell_waiting(choice, waiting, call.args, events)
            return
        self._end_waiting(events)
        if call.id and (told := choice.told.get(call.id)) is not None:
            again = _signature(call.name or told[0], call.args)
            if again == told:
                return
            if again[0] == told[0] and told[1].items() <= again[1].items():
                # The same with further arguments: it cannot be taken back, nor run twice.
                value = {"id": call.id, "name": call.name, "args": call.args}
                events.append(Data("functionCall", value, choice.index, frame=frame))
                return
        open_call = choice.open_call
        if open_call is None or (call.name and not (call.id and call.id == open_call.id)):
            # Calls come one after the other, so what is open ends here: its end may be missing.
            self._close(choice, True, frame, events)
            if not (call.id or call.name or call.args or call.partial_args):
                return  # the end of a call that is closed already
            if choice.calls == MAX_INDEX:
                events.append(malformed(frame, f"there are more than {MAX_INDEX} tool calls"))
                return
            open_call = self._begin(call, choice, frame, events)
            if open_call is None:
                return
        self._receive_patches(call.partial_args or (), open_call, frame, events)
        if not call.will_continue:
            self._close(choice, True, frame, events)

    def _begin(
        self, call: FunctionCallWire, choice: _Choice, frame: Frame, events: list[Event]
    ) -> _OpenCall | None:
        """A new call; None where it is whole."""
        key = f"{choice.index}:{choice.calls}"
        choice.calls += 1
        said = (key, choice.index, call.id or None, call.name or None)
        if call.partial_args or call.will_continue:
            if not call.args:
                events.append(ToolCall(*said, frame=frame))
                choice.open_call = _OpenCall(key, call.id)
                return choice.open_call
        elif call.id and not call.args:
            choice.waiting = _Waiting(key, call, frame)
            self._waiting += 1
            return None
        events.append(ToolCall(*said, _arguments(call.args), True, frame=frame))
        if call.id:
            choice.told[call.id] = _signature(call.name, call.args)
        return None

    def _end_waiting(self, events: list[Event], *, but: _Choice | None = None) -> None:
        """Something else follows the calls without arguments: these will not come any more."""
        for choice in self._choices.values() if self._waiting else ():
            if choice.waiting is not None and choice is not but:
                self._tell_waiting(choice, choice.waiting, None, events)

    def _tell_waiting(
        self, choice: _Choice, call: _Waiting, arguments: Any, events: list[Event]
    ) -> None:
        choice.waiting, index, frame = None, choice.index, call.frame
        self._waiting -= 1
        text = _arguments(arguments)
        events.append(ToolCall(call.key, index, call.id, call.name, text, True, frame=frame))
        choice.told[call.id or ""] = _signature(call.name, arguments)
        if call.signature:
            events.append(Reasoning("", index, signature=call.signature, frame=frame))

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

    def _close(
        self, choice: _Choice, whole: bool, frame: Frame | None, events: list[Event]
    ) -> None:
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
        counted, over = wire.candidates_token_count is not None, bool(self._choices)
        for choice in self._choices.values():
            choice.counted = choice.counted or counted
            over = over and choice.finish is not None
        said = (*counts, over)
        if counts != _NO_COUNTS and said != self._usage:
            self._usage = said
            events.append(Usage(*counts, final=over, frame=frame))


_NO_COUNTS: Final = (None, None, None, None, None)


def _goes_on(part: PartWire) -> bool:
    """Does a call that waits go on waiting? Not where something else of its candidate comes."""
    if part.function_call is not None:
        return True
    return not (part.text or part.has_data)


def _is_empty(chunk: ChunkWire) -> bool:
    """Does it hold none of what a chunk holds?"""
    said = (chunk.candidates, chunk.prompt_feedback, chunk.usage_metadata)
    return all(one is None for one in said) and not (chunk.response_id or chunk.model_version)


def _arguments(said: Any) -> str:
    return said if isinstance(said, str) else json_text(said or {})


def _signature(name: str | None, said: Any) -> _Signature:
    """What tells a call that came whole from another one of the same id."""
    arguments = said if is_mapping(said) else {"": said} if said else {}
    return name, {name: hash(json_text(value)) for name, value in arguments.items()}


def _word(value: Any) -> str | None:
    """A word of an enum, or the number that stands for it; None where it says nothing."""
    if value is None:
        return None
    word = str(value) if isinstance(value, str | int) else ""
    return None if word in UNSPECIFIED else word


GEMINI_SSE = Dialect(
    name="gemini-sse",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=lambda: GeminiEncoder("gemini-sse"),
    terminator="a finishReason for every candidate, with nothing of the answer after it",
    marks=MARKS,
    notes=SSE_NOTES,
)
GEMINI_ARRAY = Dialect(
    name="gemini-array",
    framer=JSONArrayFramer,
    decoder=lambda: Decoder(in_array=True),
    encoder=lambda: GeminiEncoder("gemini-array", in_array=True),
    media_types=("application/json",),
    terminator="the end of the array, with a finishReason for every candidate",
    marks=MARKS,
    notes=ARRAY_NOTES,
)
