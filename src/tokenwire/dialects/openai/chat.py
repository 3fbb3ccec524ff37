"""``openai-chat``: OpenAI Chat Completions, and the many services that speak it with an accent.

Source: https://platform.openai.com/docs/api-reference/chat-streaming, and recordings of OpenAI,
Azure, OpenRouter, Groq, DeepSeek, xAI, Z.ai, Mistral, Perplexity, Together, Snowflake and others.

An answer is complete when every choice that began has a finish reason, at ``[DONE]`` or at EOF.
``[DONE]`` alone proves nothing: vLLM, SGLang and OpenRouter send it after an error too. It ends a
choice without a reason where the audio of it ended, or where another choice finished last of all:
LiteLLM sends one reason for all choices.

`Decoder` reads the whole family: see `tokenwire.dialects.openai.profiles` for its members. Here is
decided what a chunk says; what of a choice is news, in `chat_choice`, and how an answer ended, in
`chat_end`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

import msgspec
from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect
from tokenwire.dialects.kit.envelope import Envelope
from tokenwire.dialects.kit.errors import VendorError, find_error, read_error
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.payloads import (
    MAX_INDEX,
    UNREADABLE,
    MalformedError,
    is_done_sentinel,
    is_heartbeat,
    json_or_text,
    malformed,
    read_leniently,
)
from tokenwire.dialects.openai.accents import (
    CHUNK_STATES,
    AccentChoiceWire,
    AccentChunkWire,
)
from tokenwire.dialects.openai.chat_choice import Choice
from tokenwire.dialects.openai.chat_encode import OpenAIChatEncoder
from tokenwire.dialects.openai.chat_end import cut_off, end_of, says_end
from tokenwire.dialects.openai.chat_notes import NOTES
from tokenwire.dialects.openai.chat_states import States
from tokenwire.dialects.openai.chat_wire import (
    FINISH_REASONS,
    ChoiceWire,
    ChunkWire,
    GroqWire,
    only_text_of,
    says_something,
    usage_of,
)
from tokenwire.dialects.openai.message import chat_message
from tokenwire.events import (
    Data,
    Error,
    Event,
    Heartbeat,
    Reason,
    Recovery,
    Started,
    Token,
    Unknown,
    Usage,
)
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer

_NO_CHOICES: Final[dict[int, Choice]] = {}  # never written to: ten thousand parsers share it
_NO_ID: Final = hash(None)
_EMPTY_ID: Final = hash("")

# Words that are no reason.
_NO_FINISH: Final = (None, "", "null")

_decode_json = JSONDecoder(ChunkWire).decode
_decode_accents = JSONDecoder(AccentChunkWire).decode


def _read_only_text(payload: bytes) -> Token | None:
    return only_text_of(_decode_json(payload))


class Decoder:
    """Chunks to events.

    Args:
        words: The services' finish words in tokenwire's; an unknown one is ``other``.
        finish_optional: ``[DONE]`` alone proves the end, where no error came. None: only in streams
            all of whose ids are empty, as Snowflake's are.
        retry_codes: Codes of errors after which the same request may succeed, beyond those that all
            services have in common: patterns in lower case.
    """

    __slots__ = (
        *("_counted", "_counts_chunks", "_extras", "_finish_optional", "_first", "_last_id"),
        *("_nameless", "_others", "_reader", "_retry_codes", "_started", "_states", "_usage"),
        "_words",
        "envelope",
    )

    def __init__(
        self,
        words: Mapping[str, Reason] = FINISH_REASONS,
        *,
        finish_optional: bool | None = None,
        retry_codes: Sequence[str] = (),
    ) -> None:
        self._words = words
        self._finish_optional = finish_optional
        self._retry_codes = retry_codes
        # Nearly every answer has one choice, for which a dict would be the largest thing held.
        self._first: Choice | None = None
        self._others = _NO_CHOICES
        self._counts_chunks = False  # by its index, so that there is one choice
        self._extras: Extras | None = None  # of fields that nobody knows
        self._started = False
        self._nameless: bool | None = None  # all ids are empty; None: none came
        self._last_id = _NO_ID  # by its hash, which takes less than half of it
        self._usage: Usage | None = None
        self._states: States | None = None  # that may stand in every chunk
        self.envelope = Envelope(_read_only_text)
        self._reader: Choice | None = None  # whose text the envelope reads
        self._counted = 0  # characters of it that are the choice's

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one chunk."""
        if frame.data == b"[DONE]":  # asked first: an exception costs as much as a token
            return self._receive_done(frame)
        try:
            chunk = _decode_json(frame.data or b"")
        except UNREADABLE:
            return self._receive_odd(frame)
        if frame.event:
            return self._receive_named(chunk, frame)
        # Nearly every chunk is one piece of one choice's text and nothing else.
        token = only_text_of(chunk, frame)
        if token is not None and self._started and hash(chunk.id) == self._last_id:
            choice = self._first
            if choice is not None and choice.index != token.index:
                choice = self._others.get(token.index)
            if choice is not None and not choice.finished:
                if choice is not self._reader:
                    self._count()
                    self._reader = choice
                choice.speak(token.text)
                self.envelope.learn(frame, token)
                return (token,)
        return self.receive_chunk(chunk, frame)

    def _count(self) -> None:
        """Take note of the text that the envelope read."""
        spoken = self.envelope.spoken
        if self._reader is not None:
            self._reader.spoken += spoken - self._counted
        self._counted = spoken

    @property
    def _choices(self) -> Sequence[Choice]:
        """All that began, in that order."""
        return () if self._first is None else (self._first, *self._others.values())

    def receive_eof(self) -> Sequence[Event]:
        """Complete if all choices are finished: not every service sends ``[DONE]``.

        But where an answer went on after a finish reason, it could have done so again: Together
        sends one with each call, Gemini behind OpenRouter one with each chunk.
        """
        went_on = any(one.went_on for one in self._choices)
        return (end_of(self._choices, None),) if self._all_finished() and not went_on else ()

    def _all_finished(self) -> bool:
        if self._first is None or not self._first.finished:
            return False
        return not self._others or all(one.finished for one in self._others.values())

    # --- frames that are no plain chunk ---

    def _receive_odd(self, frame: Frame) -> Sequence[Event]:
        data = frame.data or b""
        if is_done_sentinel(data):
            return self._receive_done(frame)
        if not data.strip():
            return (Heartbeat(frame.event, frame=frame),)
        if is_heartbeat(data):
            return (Heartbeat(frame.text.strip(), frame=frame),)
        if frame.event == "error":
            return (self._error(read_error(json_or_text(data)), frame),)
        try:
            return self._receive_named(_decode_accents(data), frame)
        except UNREADABLE:
            pass
        try:
            chunks = read_leniently(data, AccentChunkWire)
        except MalformedError as reason:
            error = find_error(json_or_text(data))
            return (self._error(error, frame) if error else malformed(frame, reason),)
        if not chunks:
            return (Unknown(frame=frame),)
        events: list[Event] = []
        for reading in chunks:
            events += self._receive_named(reading.value, frame)
            self._extras = self._extras or Extras()
            self._extras.tell(reading.unread, frame, events)
        return events

    def _receive_named(self, chunk: ChunkWire, frame: Frame) -> Sequence[Event]:
        if frame.event == "error":  # Groq, Cerebras, LM Studio
            return (self._error(read_error(json_or_text(frame.data or b"")), frame),)
        if frame.event == "ping":
            return (Heartbeat("ping", frame=frame),)
        return self.receive_chunk(chunk, frame)

    def _error(self, error: VendorError, frame: Frame) -> Error:
        event = error.event(frame)
        code = (error.code or "").lower()
        if error.retryable is None and any(fnmatchcase(code, one) for one in self._retry_codes):
            return msgspec.structs.replace(event, recovery=Recovery.RETRY)
        return event

    def _receive_done(self, frame: Frame) -> Sequence[Event]:
        if self._all_finished():
            return (end_of(self._choices, frame),)
        running = [one for one in self._choices if not one.finished]
        if running and all(map(self._may_end, running)):
            ended = [event for one in running for event in one.finish(frame)]
            return [*ended, end_of(self._choices, frame)]
        return (cut_off(self._choices, frame),)

    def _may_end(self, choice: Choice) -> bool:
        """May the sentinel end this choice, though it has no finish reason?"""
        # Snowflake never sends a finish reason, and an empty id in every chunk [R].
        optional = self._nameless if self._finish_optional is None else self._finish_optional
        # One reason ends all choices at LiteLLM: the others said nothing since.
        return bool(optional) or choice.audio_ended or (choice.rests and choice.may_end)

    # --- chunks ---

    def receive_chunk(self, chunk: ChunkWire, frame: Frame) -> Sequence[Event]:
        """The events of one chunk that was read already, for members that have more than chunks."""
        events: list[Event] = []
        if self.envelope.spoken != self._counted:
            self._count()
        if not self._started and (chunk.id or chunk.model):
            self._started = True
            events.append(Started(chunk.id or None, chunk.model or None, frame=frame))
        if self._nameless is not False:
            self._nameless = chunk.id == ""
        choices = chunk.choices or ()
        if len(choices) == 1 and choices[0].index == 1:
            self._see_whether_it_counts(chunk.id)
        self._last_id = hash(chunk.id)
        for wire in choices:
            self._receive_choice(wire, frame, events)
        if chunk.usage is not None:
            usage = usage_of(chunk.usage, frame, final=self._all_finished())
            self._receive_usage(usage, events)
        if chunk.x_groq is not None:
            self._receive_groq(chunk.x_groq, frame, events)
        if type(chunk) is not ChunkWire and isinstance(chunk, AccentChunkWire):
            self._receive_accents(chunk, frame, events)
        if chunk.choices is None:
            self._receive_no_choices(chunk, frame, events)
        return events

    def _see_whether_it_counts(self, id: str | None) -> None:
        """Some servers number the chunks with it, and their ids too; then there is one choice.

        The second chunk shows it. Of two choices, whose ids are the same, it is the first chunk.
        """
        first = self._first
        if first is None or self._others or not id:
            return
        if self._last_id not in (_NO_ID, _EMPTY_ID, hash(id)):
            self._counts_chunks |= first.index == 0 and first.began

    def _receive_choice(self, wire: ChoiceWire, frame: Frame, events: list[Event]) -> None:
        index = 0 if self._counts_chunks else wire.index or 0
        choice = self._first
        if choice is not None and choice.index != index:
            choice = self._others.get(index)
        if choice is None:
            choice = self._begin(index)
        if choice is None:
            events.append(malformed(frame, f"there are more than {MAX_INDEX} choices"))
            return
        choice.chunks += 1
        accents = wire if type(wire) is AccentChoiceWire else None
        finish = None if wire.finish_reason in _NO_FINISH else wire.finish_reason
        if wire.delta is not None:
            choice.receive_delta(wire.delta, frame, events, last=finish is not None)
        elif wire.text and not (finish and choice.is_repetition(wire.text)):
            choice.receive_content(wire.text, frame, events)
        if accents is not None and accents.message is not None and (finish or wire.delta is None):
            # Beside a delta it repeats that alone, until the end, where some tell all of it.
            choice.receive_delta(choice.news_in(accents.message), frame, events, whole=True)
        if wire.logprobs is not None and says_something(wire.logprobs):
            events.append(Data("logprobs", wire.logprobs, index, frame=frame))
        if wire.content_filter_results:
            states = self._states = self._states or States()
            states.receive("content_filter", wire.content_filter_results, index, frame, events)
        if accents is not None:
            states = self._states = self._states or States()
            states.receive_choice(accents, index, frame, events)
        if finish is not None:
            choice.receive_finish(finish, self._words, frame, events)
            for one in self._choices:
                one.rests = True
        if not choice.runs:
            self.envelope.forget()
        if accents is not None and accents.usage is not None:
            final = self._all_finished()
            self._receive_usage(usage_of(accents.usage, frame, final=final), events)

    def _begin(self, index: int) -> Choice | None:
        """A new choice, if there is room for one more."""
        if self._first is None:
            self._first = Choice(index)
            return self._first
        if 1 + len(self._others) == MAX_INDEX:
            return None
        if not self._others:
            self._others = {}
        choice = self._others[index] = Choice(index)
        return choice

    def _receive_usage(self, usage: Usage | None, events: list[Event]) -> None:
        if usage is not None and usage != self._usage:
            self._usage = usage
            events.append(usage)

    # --- what single services have beside it ---

    def _receive_groq(self, groq: GroqWire, frame: Frame, events: list[Event]) -> None:
        if groq.usage is not None:
            self._receive_usage(usage_of(groq.usage, frame, final=self._all_finished()), events)
        if groq.error:
            self._fail(read_error(groq.error), frame, events)

    def _fail(self, error: VendorError, frame: Frame, events: list[Event]) -> None:
        """Beside an error nothing is at its end."""
        events[:] = [event for event in events if not says_end(event)]
        events.append(self._error(error, frame))

    def _receive_accents(self, chunk: AccentChunkWire, frame: Frame, events: list[Event]) -> None:
        states = self._states = self._states or States()
        states.receive_all(chunk, CHUNK_STATES, 0, frame, events)
        if chunk.prompt_filter_results:
            states.receive("content_filter", chunk.prompt_filter_results, 0, frame, events)
        error = None
        if chunk.error or chunk.base_resp:
            error = find_error(json_or_text(frame.data or b""))
        if error is not None:
            self._fail(error, frame, events)
            return
        wrong = next((one.error for one in chunk.choices or () if one.error), None)
        if wrong is not None:
            events.append(self._error(read_error(wrong), frame))

    def _receive_no_choices(self, chunk: ChunkWire, frame: Frame, events: list[Event]) -> None:
        if events and isinstance(events[-1], Error):
            return
        error = find_error(json_or_text(frame.data or b""))
        if error is not None:
            events.append(self._error(error, frame))
        elif not events and not (chunk.id and chunk.object):
            events.append(Unknown(frame=frame))


MARKS: Final = (("choices",), ("object=chat.completion*",))
"""How chunks of the family are told from the events of others; Azure's first one has no object."""

OPENAI_CHAT = Dialect(
    name="openai-chat",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=lambda: OpenAIChatEncoder(FINISH_REASONS),
    message=chat_message,
    terminator="a finish_reason for every choice",
    marks=MARKS,
    notes=NOTES,
)
