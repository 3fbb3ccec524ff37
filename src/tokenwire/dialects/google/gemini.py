"""``gemini-sse`` and ``gemini-array``: Google's ``streamGenerateContent``, also on Vertex AI.

Source: https://ai.google.dev/api/generate-content, the google-genai SDK 3.4, and recordings.
With ``alt=sse`` the chunks come as server-sent events, without it as one JSON array.

An answer is complete when every candidate that began has a finish reason, or the prompt was
blocked, and the body ended, which an array says with its closing bracket. Older models put ``STOP``
into every chunk: so `Finished` comes only at the end, and as an event stream has no terminator, a
finish reason after which text came proves nothing there any more.

Here is decided what a chunk says and how an answer ends; what a finish reason proves, in
`gemini_candidate`, and which call is which, in `gemini_calls`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect
from tokenwire.dialects.google.gemini_calls import NO_CALL, Calls, keeps_pending
from tokenwire.dialects.google.gemini_candidate import Candidate
from tokenwire.dialects.google.gemini_encode import GeminiEncoder
from tokenwire.dialects.google.gemini_notes import ARRAY_NOTES, MARKS, SSE_NOTES
from tokenwire.dialects.google.gemini_wire import (
    DATA_IN_CANDIDATE,
    DATA_IN_PART,
    CandidateWire,
    ChunkWire,
    PartWire,
    UsageWire,
    word_of,
)
from tokenwire.dialects.google.message import gemini_message
from tokenwire.dialects.kit.errors import read_error
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.one_choice import read_frame
from tokenwire.dialects.kit.payloads import (
    MAX_INDEX,
    is_done_sentinel,
    is_mapping,
    json_or_text,
    json_text,
    malformed,
)
from tokenwire.dialects.kit.pieces import Pieces, Room
from tokenwire.events import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Reasoning,
    Recovery,
    Started,
    Token,
    Unknown,
    Usage,
)
from tokenwire.frame import Frame
from tokenwire.framing.jsonarray import ARRAY_END, JSONArrayFramer
from tokenwire.framing.sse import SSEFramer

_decode_json = JSONDecoder(ChunkWire).decode


class Decoder:
    """Chunks to events.

    Args:
        in_array: The chunks are elements of an array, which is closed after the last one.
    """

    def __init__(self, *, in_array: bool = False) -> None:
        self._in_array = in_array
        self._closed = False
        self._sentinel = False
        self._candidates: dict[int, Candidate] = {}
        self._calls = Calls()
        self._feedback: int | None = None
        self._started = False
        self._usage: tuple[int | None, ...] = ()  # the last counts, and whether all ended
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
        candidates = sorted(self._candidates.values(), key=lambda one: one.index)
        finished = [one for one in candidates if one.finish is not None]
        unproven = 0
        events: list[Event] = []
        self._calls.end_pending(events)
        for one in candidates:
            if one.calls.open is not None:
                self._calls.close(one.calls, False, frame, events)
        for one in finished:
            reason = one.reason
            believed = one.proven if broken else not one.went_on
            if not (self._closed or self._sentinel or believed):
                reason, unproven = "other", unproven + 1
            events.append(Finished(one.index, reason, one.finish, frame=one.frame))
        whole = len(finished) == len(candidates) and not unproven and self._closed == self._in_array
        if finished and whole:
            events.append(self._end(finished, frame))
        return events

    def _end(self, finished: list[Candidate], frame: Frame | None) -> Event:
        for one in finished:
            if one.reason == "error":
                message = one.message or f"the service ended the answer with {one.finish!r}"
                retry = Recovery.RETRY
                return Error("vendor", message, one.finish, recovery=retry, frame=frame)
        return Done(finished[0].reason, frame=frame)

    def _receive_chunk(self, chunk: ChunkWire, frame: Frame) -> Sequence[Event]:
        events: list[Event] = []
        whole = chunk
        chunk = chunk.response or chunk
        if chunk.error:
            document = json_or_text(frame.data or b"")
            if chunk is not whole and is_mapping(document):
                document = document.get("response")
            self._calls.end_pending(events)
            return [*events, read_error(document).event(frame)]
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
        reason = word_of(feedback.get("blockReason")) if is_mapping(feedback) else None
        if reason is None:
            return
        if not self._candidates:
            self._begin(0)
        for candidate in self._candidates.values():
            candidate.block(reason, frame)

    def _begin(self, index: int) -> Candidate:
        candidate = Candidate(index, self._calls.of_candidate(index))
        self._candidates[index] = candidate
        return candidate

    def _receive_candidate(self, wire: CandidateWire, frame: Frame, events: list[Event]) -> None:
        index = wire.index or 0
        candidate = self._candidates.get(index)
        if candidate is None:
            if len(self._candidates) == MAX_INDEX:
                events.append(malformed(frame, f"there are more than {MAX_INDEX} candidates"))
                return
            candidate = self._begin(index)
        if wire.content is not None:
            parts = wire.content.parts or []
            if wire.finish_reason:
                parts = [part for part in parts if not candidate.is_repeated(part)]
            for part in parts:
                if part.text or part.function_call not in NO_CALL or part.inline_data is not None:
                    candidate.refute()
                if self._calls.pending:
                    but = candidate.calls if keeps_pending(part) else None
                    self._calls.end_pending(events, but=but)
                self._receive_part(part, candidate, frame, events)
        for name, kind in DATA_IN_CANDIDATE.items() if wire.has_data else ():
            value = getattr(wire, name)
            if value and candidate.reported.get(kind) != (digest := hash(json_text(value))):
                candidate.reported[kind] = digest
                events.append(Data(kind, value, index, frame=frame))
        finish = word_of(wire.finish_reason)
        if finish is not None and not candidate.blocked:
            candidate.end(finish, wire.finish_message, frame)
            if self._calls.pending:
                self._calls.end_pending(events)
            if candidate.calls.open is not None:
                self._calls.close(candidate.calls, not candidate.may_be_cut, frame, events)

    def _receive_part(
        self, part: PartWire, candidate: Candidate, frame: Frame, events: list[Event]
    ) -> None:
        index = candidate.index
        signature = part.thought_signature or None
        if part.thought and part.text:
            events.append(Reasoning(part.text, index, signature=signature, frame=frame))
            return
        if part.text:
            if candidate.text is None:
                candidate.text = Pieces(self._room)
            candidate.text.add(part.text)
            events.append(Token(part.text, index, frame=frame))
        if part.function_call is not None:
            self._calls.receive(part.function_call, candidate.calls, frame, events)
        for name, kind in DATA_IN_PART.items() if part.has_data else ():
            value = getattr(part, name)
            if value is not None:
                events.append(Data(kind, value, index, frame=frame))
        # A signature is that of what stands right before it.
        if signature and not self._calls.receive_signature(signature, candidate.calls):
            events.append(Reasoning("", index, signature=signature, frame=frame))

    def _receive_usage(self, wire: UsageWire, frame: Frame, events: list[Event]) -> None:
        counts = (
            wire.prompt_token_count,
            wire.candidates_token_count,
            wire.total_token_count,
            wire.thoughts_token_count,
            wire.cached_content_token_count,
        )
        counted, over = wire.candidates_token_count is not None, bool(self._candidates)
        for candidate in self._candidates.values():
            candidate.counted = candidate.counted or counted
            over = over and candidate.finish is not None
        usage = (*counts, over)
        if counts != _NO_COUNTS and usage != self._usage:
            self._usage = usage
            events.append(Usage(*counts, final=over, frame=frame))


_NO_COUNTS: Final = (None, None, None, None, None)


def _is_empty(chunk: ChunkWire) -> bool:
    """Does it hold none of what a chunk holds?"""
    said = (chunk.candidates, chunk.prompt_feedback, chunk.usage_metadata)
    return all(one is None for one in said) and not (chunk.response_id or chunk.model_version)


GEMINI_SSE = Dialect(
    name="gemini-sse",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=lambda: GeminiEncoder("gemini-sse"),
    message=gemini_message,
    terminator="a finishReason for every candidate, with nothing of the answer after it",
    marks=MARKS,
    notes=SSE_NOTES,
)
GEMINI_ARRAY = Dialect(
    name="gemini-array",
    framer=JSONArrayFramer,
    decoder=lambda: Decoder(in_array=True),
    encoder=lambda: GeminiEncoder("gemini-array", in_array=True),
    message=gemini_message,
    media_types=("application/json",),
    terminator="the end of the array, with a finishReason for every candidate",
    marks=MARKS,
    notes=ARRAY_NOTES,
)
