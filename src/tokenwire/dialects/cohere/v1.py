"""``cohere-v1``: Cohere's chat API, version 1, and its generate API: one JSON object a line.

Source: https://docs.cohere.com/v1/reference/chat-stream, the types of Cohere's SDK, and recordings
of its own service and of Amazon Bedrock.

``stream-end`` completes an answer, or says that it failed. The lines of the generate API have no
types where Bedrock sends them: ``is_finished`` ends a generation, and there may be several; such
an answer is complete where the body ends after the last one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.cohere.encode import CohereV1Encoder
from tokenwire.dialects.cohere.wire import (
    FINISH_REASONS,
    UsageWire,
    failure,
    is_failure,
    read_usage,
)
from tokenwire.dialects.kit.call_fragments import Fragment
from tokenwire.dialects.kit.errors import read_error
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.one_choice import read_frame
from tokenwire.dialects.kit.payloads import MAX_INDEX, malformed, reason_for
from tokenwire.dialects.kit.pieces import Pieces, Room
from tokenwire.dialects.kit.toolcalls import ToolCallSlots
from tokenwire.dialects.openai.chat_wire import arguments_of
from tokenwire.events import (
    Data,
    Done,
    Event,
    Finished,
    Reason,
    Started,
    Token,
    Unknown,
)
from tokenwire.frame import Frame
from tokenwire.framing.jsonlines import JSONLinesFramer


class ToolCallWire(Struct, forbid_unknown_fields=True):
    name: str | None = None
    parameters: str | dict[str, Any] | list[Any] | None = None  # an object, whole
    generation_id: Any = None


class ToolCallDeltaWire(Struct, gc=False, forbid_unknown_fields=True):
    index: int | None = None
    name: str | None = None
    parameters: str | None = None  # a piece of JSON text
    text: str | None = None


class GenerationWire(Struct, gc=False, forbid_unknown_fields=True):
    index: int | None = None
    text: str | None = None
    finish_reason: str | None = None
    likelihood: Any = None
    token_likelihoods: Any = None
    id: Any = None
    prompt: Any = None


class ResponseWire(Struct, forbid_unknown_fields=True):
    """The whole answer once more."""

    text: str | None = None
    tool_calls: list[ToolCallWire] | None = None
    generations: list[GenerationWire] | None = None
    finish_reason: str | None = None
    meta: UsageWire | None = None
    id: Any = None
    response_id: Any = None
    generation_id: Any = None
    chat_history: Any = None
    prompt: Any = None
    is_search_required: Any = None
    citations: Any = None
    documents: Any = None
    search_results: Any = None
    search_queries: Any = None
    error: Any = None
    message: Any = None


class LineWire(Struct, forbid_unknown_fields=True):
    event_type: str | None = None
    text: str | None = None
    index: int | None = None
    generation_id: str | None = None
    id: str | None = None
    is_finished: bool | None = None
    finish_reason: str | None = None
    response: ResponseWire | None = None
    generations: list[GenerationWire] | None = None
    tool_call_delta: ToolCallDeltaWire | None = None
    tool_calls: list[ToolCallWire] | None = None
    citations: list[Any] | None = None
    search_queries: Any = None
    search_results: Any = None
    documents: Any = None
    likelihood: Any = None
    token_likelihoods: Any = None
    logprobs: Any = None
    err: Any = None
    error: Any = None
    message: Any = None
    prompt: Any = None


_ONCE_MORE: Final = "told by the event that brought it"

SILENT: Final[Mapping[type[Struct], Mapping[str, str]]] = {
    ToolCallWire: {"generation_id": "of the answer"},
    GenerationWire: {"id": "of the answer", "prompt": "of the request"},
    ResponseWire: {
        **dict.fromkeys(("id", "response_id", "generation_id"), "of the answer"),
        **dict.fromkeys(("chat_history", "prompt"), "of the request"),
        **dict.fromkeys(("citations", "documents", "search_results"), _ONCE_MORE),
        "search_queries": _ONCE_MORE,
        "is_search_required": "so say the queries",
        **dict.fromkeys(("error", "message"), "so says the finish reason"),
    },
    LineWire: {"prompt": "of the request"},
}
"""Fields that give no event, and why."""


class _Choice(Struct):
    """What is known of one generation; a chat has but one."""

    said: Pieces
    reason: Reason | None = None


_DATA: Final[Mapping[str, tuple[str, ...]]] = {
    "search-queries-generation": ("search_queries",),
    "search-results": ("search_results", "documents"),
}

_decode_json = JSONDecoder(LineWire).decode


class Decoder:
    """Lines to events."""

    def __init__(self) -> None:
        self._started = False
        self._choices: dict[int, _Choice] = {}
        self._room = Room()
        self._slots = ToolCallSlots(0, prefix="")
        self._extras = Extras()

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one line."""
        return read_frame(frame, LineWire, _decode_json, self._receive, self._extras)

    def receive_eof(self) -> Sequence[Event]:
        """Complete if all generations that began are finished; of a chat `Done` is out by then."""
        choices = [self._choices[index] for index in sorted(self._choices)]
        if not choices or any(one.reason is None for one in choices):
            return ()
        return (Done(choices[0].reason or "other"),)

    def _receive(self, line: LineWire, frame: Frame) -> Sequence[Event]:
        said = self._receive_line(line, frame)
        likely = _likelihoods(line, line.logprobs, frame)
        for one in line.generations or ():
            likely += _likelihoods(one, None, frame)
        return [*likely, *said] if likely else said

    def _receive_line(self, line: LineWire, frame: Frame) -> Sequence[Event]:
        match line.event_type:
            case "text-generation":
                return self._say(line.index or 0, line.text, frame)
            case "stream-start":
                return self._start(line.generation_id, frame)
            case "tool-calls-chunk":
                return self._receive_chunk(line, frame)
            case "tool-calls-generation":
                return self._receive_calls(line.text, line.tool_calls, frame)
            case "citation-generation":
                return [Data("citation", one, frame=frame) for one in line.citations or ()]
            case "search-queries-generation" | "search-results" as kind:
                found = [(name, getattr(line, name)) for name in _DATA[kind]]
                return [Data(name, value, frame=frame) for name, value in found if value]
            case "stream-end":
                return self._receive_end(line, line.response or ResponseWire(), frame)
            case None if line.text is not None or line.is_finished or line.generations:
                return self._receive_generations(line, frame)
            case kind:
                wrong = line.err or line.error or (None if kind else line.message)
                if wrong:
                    return (read_error(wrong).event(frame),)
                return (Unknown(frame=frame),)

    def _start(self, id: str | None, frame: Frame) -> list[Event]:
        if self._started or not id:
            return []
        self._started = True
        return [Started(id, frame=frame)]

    def _choice(self, index: int) -> _Choice | None:
        choice = self._choices.get(index)
        if choice is None and len(self._choices) < MAX_INDEX:
            choice = self._choices[index] = _Choice(Pieces(self._room))
        return choice

    def _say(
        self, index: int, text: str | None, frame: Frame, *, whole: bool = False
    ) -> list[Event]:
        """A piece of text; or the whole text, of which only what no piece said is news."""
        choice = self._choice(index)
        if choice is None:
            return [malformed(frame, f"there are more than {MAX_INDEX} generations")]
        if text and whole:
            text = choice.said.rest_of(text)
        if not text:
            return []
        choice.said.add(text)
        return [Token(text, index, frame=frame)]

    def _plan(self, text: str | None, frame: Frame, *, whole: bool = False) -> list[Event]:
        """The plan before tool calls, likewise."""
        said = self._say(0, text, frame, whole=whole)
        return [
            Data("tool_plan", event.text, frame=frame) if isinstance(event, Token) else event
            for event in said
        ]

    # --- tool calls ---

    def _receive_chunk(self, line: LineWire, frame: Frame) -> Sequence[Event]:
        delta = line.tool_call_delta or ToolCallDeltaWire()
        events = self._plan(line.text or delta.text, frame)
        if line.tool_call_delta is not None:
            piece = Fragment(delta.index or 0, None, delta.name, delta.parameters or "")
            events += self._slots.receive([piece], frame)
        return events

    def _receive_calls(
        self, plan: str | None, calls: list[ToolCallWire] | None, frame: Frame
    ) -> list[Event]:
        """All calls, whole; of those that came in pieces before, what these lacked and the end."""
        events = self._plan(plan, frame, whole=True)
        pieces = [self._whole(at, call) for at, call in enumerate(calls or ())]
        events += self._slots.receive(pieces, frame)
        return [*events, *self._slots.close(frame)]

    def _whole(self, at: int, call: ToolCallWire) -> Fragment:
        begun = at < len(self._slots)  # without arguments there are no pieces of any
        text = arguments_of(call.parameters or (None if begun else {}))
        return Fragment(at, None, call.name, text, whole=True, complete=True)

    # --- ends ---

    def _receive_end(self, line: LineWire, response: ResponseWire, frame: Frame) -> Sequence[Event]:
        word = line.finish_reason or response.finish_reason
        events: list[Event] = []
        for one in response.generations or ():
            events += self._say(one.index or 0, one.text, frame, whole=True)
        if not response.generations:
            events += self._say(0, response.text, frame, whole=True)
        calls = response.tool_calls
        if calls or reason_for(word, FINISH_REASONS) == "stop":
            events += self._receive_calls(None, calls, frame)
        # Not every stream has the other counts: billed units alone are always there.
        events += read_usage(response.meta, frame, billed=True)
        for one in response.generations or ():
            events += self._finish(one.index or 0, one.finish_reason or word, frame)
        if not response.generations:
            events += self._finish(0, word, frame)
        if is_failure(word):
            return [*events, failure(word, frame)]
        first = self._choices[min(self._choices)]
        return [*events, Done(first.reason or "other", frame=frame)]

    def _receive_generations(self, line: LineWire, frame: Frame) -> Sequence[Event]:
        """Lines without a type: pieces of generations, or all of them at once."""
        events = self._start(line.id, frame)
        for one in line.generations or ():
            events += self._say(one.index or 0, one.text, frame, whole=True)
            if one.finish_reason:
                events += self._finish(one.index or 0, one.finish_reason, frame)
        if line.text is not None:
            events += self._say(line.index or 0, line.text, frame)
        if line.is_finished:
            # Of several generations the last line names none, and ends all.
            several = line.index is None and len(self._choices) > 1
            for index in sorted(self._choices) if several else [line.index or 0]:
                events += self._finish(index, line.finish_reason, frame)
            if line.err or is_failure(line.finish_reason):
                message = read_error(line.err).message if line.err else None
                events.append(failure(line.finish_reason, frame, message))
        return events

    def _finish(self, index: int, word: str | None, frame: Frame) -> list[Event]:
        choice = self._choice(index)
        if choice is None or choice.reason is not None:
            return []
        choice.reason = reason_for(word, FINISH_REASONS)
        if choice.reason == "stop" and self._slots:
            choice.reason = "tool_calls"  # the wire has no word for it
        return [Finished(index, choice.reason, word, frame=frame)]


def _likelihoods(piece: LineWire | GenerationWire, logprobs: Any, frame: Frame) -> list[Event]:
    of_text, of_tokens, index = piece.likelihood, piece.token_likelihoods, piece.index or 0
    if not (of_text or of_tokens or logprobs):  # nearly always
        return []
    found = {"likelihood": of_text, "token_likelihoods": of_tokens, "logprobs": logprobs}
    return [Data(name, value, index, frame=frame) for name, value in found.items() if value]


COHERE_V1 = Dialect(
    name="cohere-v1",
    framer=JSONLinesFramer,
    decoder=Decoder,
    encoder=CohereV1Encoder,
    media_types=("application/stream+json", "application/x-ndjson", "application/json"),
    terminator="stream-end",
    marks=(
        ("event_type=stream-start",),
        ("event_type=text-generation", "is_finished"),
        ("event_type=tool-calls-*", "is_finished"),
        ("event_type=search-*", "is_finished"),
        ("text", "is_finished"),
    ),
    notes=Notes(
        vendor="Cohere",
        sources=("https://docs.cohere.com/v1/reference/chat-stream", "cohere 7.3.1 (its SDK)"),
        request='POST https://api.cohere.com/v1/chat with "stream": true',
        text='.text of lines with .event_type "text-generation"',
        errors='stream-end with .finish_reason "TIMEOUT", "ERROR" or one that begins so',
        quirks=(
            "stream-end repeats the whole answer under .response; of its text that is"
            " given which no piece brought.",
            "tool-calls-generation repeats the calls of tool-calls-chunk; it then only ends them.",
            "Calls have no ids, and a finish with calls is COMPLETE: it is read as tool_calls.",
            "The text beside tool calls is the plan for them: Data of the kind tool_plan.",
            "Lines without .event_type are of the generate API, as Bedrock sends them: several"
            " generations may mix, and the body's end after the last one ends the answer.",
        ),
        doubtful=(
            "The generate API, stream-error, and calls in pieces: from the SDK's types alone.",
            "Whether an ERROR may be retried: it is, as is TIMEOUT; ERROR_TOXIC and ERROR_LIMIT"
            " are not.",
        ),
    ),
)
