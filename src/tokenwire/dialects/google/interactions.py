"""``gemini-interactions``: Google's Interactions API, ``POST /v1beta/interactions``.

Source: https://ai.google.dev/gemini-api/docs/interactions/streaming, the google-genai SDK 3.4, and
recordings.

An answer is complete at ``interaction.completed``, ``.cancelled``, ``.incomplete`` or ``.failed``,
and only there; ``[DONE]`` after it proves nothing. What an event is stands in ``event_type``, and
mostly in ``event:`` too. ``part`` is the index of the step. Tools that Google runs itself are calls
like others, their results are `Data`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec.json import Decoder as JSONDecoder

from tokenwire.cursor import Cursor
from tokenwire.dialects import Dialect, Notes, Resumption
from tokenwire.dialects.google.interactions_encode import InteractionsEncoder
from tokenwire.dialects.google.interactions_wire import (
    ENDS,
    FORMER_NAMES,
    IN_STEP,
    STATUSES,
    EventIdWire,
    EventWire,
    InteractionWire,
    MetadataWire,
    UsageWire,
    usage_of,
)
from tokenwire.dialects.kit.block_calls import BlockCalls
from tokenwire.dialects.kit.errors import read_error
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.fields import text_in
from tokenwire.dialects.kit.message import kept_there
from tokenwire.dialects.kit.one_choice import OneChoice, read_frame
from tokenwire.dialects.kit.payloads import (
    UNREADABLE,
    MalformedError,
    is_done_sentinel,
    is_mapping,
    json_text,
    list_of,
    malformed,
)
from tokenwire.dialects.kit.pieces import Pieces, Room
from tokenwire.events import (
    Data,
    Event,
    Heartbeat,
    Reasoning,
    Token,
    ToolCall,
    Unknown,
    Usage,
)
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer
from tokenwire.request import Known, Request

_decode_json = JSONDecoder(EventWire).decode
_decode_event_id = JSONDecoder(EventIdWire).decode


class Decoder:
    """Events of the wire to events."""

    def __init__(self) -> None:
        self._answer = OneChoice(STATUSES)
        self._calls = BlockCalls()
        self._whole: dict[int, None] = {}  # open calls whose arguments came in one piece
        self._began = False  # a step did
        self._extras = Extras()
        self._usage: Usage | None = None
        self._failure: Any = None  # what a step says of its failure
        self._said = Pieces(Room())
        self._part = 0  # of the text that spoke last

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        if is_done_sentinel(frame.data or b""):
            return self._answer.done_at_sentinel(frame, "interaction.completed")
        return read_frame(frame, EventWire, _decode_json, self._receive, self._extras)

    def receive_eof(self) -> Sequence[Event]:
        """Only ``interaction.completed`` completes an answer."""
        return ()

    def _receive(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        kind = wire.event_type or frame.event
        index = wire.index or 0
        metadata = wire.metadata or MetadataWire()
        counts = wire.usage or metadata.total_usage or metadata.usage
        kind = FORMER_NAMES.get(kind, kind)
        match kind:
            case "step.delta" if is_mapping(wire.delta):
                self._began = True
                events = self._receive_delta(wire.delta, index, frame)
            case "step.start" if is_mapping(wire.step or wire.content):
                events = self._receive_step(wire.step or wire.content, index, frame)
            case "step.stop":
                self._whole.pop(index, None)
                events = self._calls.close(index, frame)
            case "interaction.created":
                interaction = wire.interaction or InteractionWire()
                events = self._start(interaction, frame)
            case "interaction.status_update":
                events = self._receive_status(wire, frame)
            case _ if kind in ENDS:
                interaction = wire.interaction or InteractionWire()
                status = interaction.status or ENDS[kind]
                return self._receive_end(interaction, status, counts, frame)
            case _ if wire.error or kind == "error":
                return (read_error(wire.error).event(frame),)
            case _:
                events = [Unknown(frame=frame)]
        return [*events, *self._count(counts, frame)]

    # --- its beginning and its end ---

    def _start(self, interaction: InteractionWire, frame: Frame) -> list[Event]:
        return self._answer.start(frame, interaction.id, interaction.model or interaction.agent)

    def _receive_status(self, wire: EventWire, frame: Frame) -> list[Event]:
        """A status may bring a token to go on with; else it only says that work goes on."""
        started = self._answer.start(frame, wire.interaction_id)
        told = _continuation(wire.continuation_token, frame)
        if started or told or wire.usage is not None:
            return [*started, *told]
        return [Heartbeat(wire.status or "", frame=frame)]

    def _receive_end(
        self,
        interaction: InteractionWire,
        status: str | None,
        counts: UsageWire | None,
        frame: Frame,
    ) -> list[Event]:
        events = self._start(interaction, frame)
        if not self._began:  # all of it comes at once
            for index, step in enumerate(interaction.steps or interaction.outputs or ()):
                if is_mapping(step):
                    events += self._receive_step(step, index, frame)
                    events += self._calls.close(index, frame)
        else:
            rest = self._said.rest_of("".join(_texts_in(interaction.steps or interaction.outputs)))
            if rest:
                events.append(Token(rest, 0, self._part, frame=frame))
        events += self._calls.finish(STATUSES.get(status or "", "other"), frame)
        events += _continuation(interaction.continuation_token, frame)
        events += self._answer.finish(status, frame)
        events += self._count(interaction.usage or counts, frame, final=True)
        error = interaction.error or self._failure
        if self._answer.reason == "error" and error:
            return [*events, read_error(error).event(frame)]
        return [*events, *self._answer.done(frame)]

    def _count(self, counts: UsageWire | None, frame: Frame, *, final: bool = False) -> list[Event]:
        if counts is None:
            return []
        usage = usage_of(counts, frame, final=final)
        if usage in (self._usage, Usage()):
            return []
        self._usage = usage
        return [usage]

    # --- steps ---

    def _receive_step(self, step: Mapping[str, Any], index: int, frame: Frame) -> list[Event]:
        self._began = True
        kind = text_in(step, "type") or ""
        if step.get("error"):
            self._failure = step["error"]
        if kind.endswith("_call"):
            return self._open(step, kind, index, frame)
        begun = self._calls.begin(frame)
        # The content of a model's step and the summary of a thought mostly come in deltas.
        inner = {
            "text": [step],
            "model_output": step.get("content"),
            "thought": step.get("summary"),
        }
        if kind in inner:
            events = begun
            for item in list_of(inner[kind]):
                delta = {"type": "thought_summary", "content": item} if kind == "thought" else item
                if is_mapping(delta) and delta.get("text") != "":
                    events += self._receive_delta(delta, index, frame)
            events += _signed(step, index, frame)
            self._tell_unread(step, "step", frame, events)
            return events
        if len(step) < 2:
            return begun  # no more than its type: what it is comes in deltas
        return [*begun, Data(kind or "step", step, part=index, frame=frame)]

    def _tell_unread(
        self, said: Mapping[str, Any], path: str, frame: Frame, events: list[Event]
    ) -> None:
        """What nobody knew of, and what is of another type."""
        unread = IN_STEP.unread(said, path)
        if unread:
            self._extras.tell(unread, frame, events)

    def _receive_delta(self, delta: Mapping[str, Any], index: int, frame: Frame) -> list[Event]:
        kind = text_in(delta, "type") or ""
        events: list[Event]
        match kind:
            case "text":
                text = text_in(delta, "text")
                events = []
                if text:
                    self._part = index
                    self._said.add(text)
                    events.append(Token(text, 0, index, frame=frame))
            case "thought_summary":
                content = delta.get("content")
                inner = content if is_mapping(content) else {"text": content}
                text = text_in(inner, "text")
                if text:
                    return [Reasoning(text, 0, index, frame=frame)]
                return [Data(kind, content, 0, index, frame=frame)] if content else []
            case "thought_signature":
                events = _signed(delta, index, frame)
            case "arguments_delta":
                # Before there were steps it was `partial_arguments`.
                piece = delta.get("arguments") or delta.get("partial_arguments")
                if not piece or index in self._whole:
                    return []
                events = self._receive_piece(_json(piece), index, frame)
            case "text_annotation_delta":
                notes = list_of(delta.get("annotations"))
                events = [Data("annotation", note, 0, index, frame=frame) for note in notes]
            case "":
                return [Unknown(frame=frame)]
            case _ if kind.endswith("_call"):
                return self._fill(delta, kind, index, frame)
            case _:
                return [Data(kind, delta, 0, index, frame=frame)]
        self._tell_unread(delta, "delta", frame, events)
        return events

    def _receive_piece(self, piece: str, index: int, frame: Frame) -> list[Event]:
        try:
            return self._calls.receive_piece(index, piece, frame)
        except MalformedError as reason:
            return [malformed(frame, reason)]

    def _open(self, step: Mapping[str, Any], kind: str, index: int, frame: Frame) -> list[Event]:
        id, name = text_in(step, "id"), text_in(step, "name")
        served = kind != "function_call"
        if served:  # named by its kind, but for those of MCP servers
            name = name or kind.removesuffix("_call")
        events = self._calls.begin(frame, index)
        try:
            key = self._calls.open(index, id, "")
        except MalformedError as reason:
            return [*events, malformed(frame, reason)]
        self._whole.pop(index, None)
        arguments = _json(step["arguments"]) if step.get("arguments") else ""
        if arguments:
            self._whole[index] = None
            self._calls.receive_piece(index, arguments, frame)  # told with the beginning
        call = ToolCall(key, 0, id, name, arguments, provider_executed=served, frame=frame)
        events.append(call)
        events += _signed(step, index, frame)
        self._tell_unread(step, "step", frame, events)
        return events

    def _fill(self, delta: Mapping[str, Any], kind: str, index: int, frame: Frame) -> list[Event]:
        """Whole arguments after the beginning of a call, or a call that nothing began."""
        if not self._calls.has(index):
            return self._open(delta, kind, index, frame)
        events = _signed(delta, index, frame)
        arguments = delta.get("arguments")
        if arguments and index in self._whole:
            return [Data(kind, delta, 0, index, frame=frame), *events]
        if arguments:
            self._whole[index] = None
            return [*self._receive_piece(_json(arguments), index, frame), *events]
        return events


def _texts_in(steps: Any) -> Iterator[str]:
    """The texts of an answer that comes whole after its pieces."""
    for step in list_of(steps):
        if is_mapping(step):
            inner = step.get("content") if step.get("type") == "model_output" else [step]
            for item in list_of(inner):
                if is_mapping(item) and item.get("type") == "text":
                    yield text_in(item, "text") or ""


def _json(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json_text(arguments)


def _signed(said: Mapping[str, Any], index: int, frame: Frame) -> list[Event]:
    signature = text_in(said, "signature")
    return [Reasoning("", 0, index, signature, frame=frame)] if signature else []


def _continuation(token: str | None, frame: Frame) -> list[Event]:
    return [Data("continuation_token", token, frame=frame)] if token else []


def read_event_id(frame: Frame) -> str | None:
    """The id of the event in this frame, where it has one."""
    try:
        return _decode_event_id(frame.data or b"").event_id or None
    except UNREADABLE:
        return None


def reconnect(request: Request, cursor: Cursor, known: Known) -> Request | None:
    """A GET of the interaction, for the events after the last one that had an id.

    None for one that is not stored, and where no event had an id yet. Without an id it gives all
    events, or where the request itself has one, those after that.
    """
    going = request.as_get_of(known.id)
    if cursor.value is None or going is None or request.fields.get("store") is False:
        return None
    going = going.with_query(stream="true")
    return going.with_query(last_event_id=cursor.value) if cursor.value else going


GEMINI_INTERACTIONS = Dialect(
    name="gemini-interactions",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=InteractionsEncoder,
    message=kept_there("give its id as previous_interaction_id, and only what is new as input"),
    terminator="interaction.completed",
    effects=(("background=true",),),
    resumption=Resumption(
        method="cursor",
        kind="token",
        field="last_event_id in the URL",
        read=read_event_id,
        reconnect=reconnect,
        beginning="",
    ),
    marks=(
        ("event_type=interaction.*",),
        ("event_type=step.*",),
        ("event_type=content.*",),
        ("@event=interaction.*",),
    ),
    notes=Notes(
        vendor="Google Gemini, Interactions API",
        sources=(
            "https://ai.google.dev/gemini-api/docs/interactions/streaming",
            "the google-genai SDK 3.4",
        ),
        request='POST /v1beta/interactions with "stream": true',
        text='step.delta: delta.text, where delta.type is "text"',
        errors='data: {"event_type": "error", "error": {"code", "message"}}, or the status failed',
        resume="GET /v1beta/interactions/{id}?stream=true&last_event_id={event_id} goes on after"
        " that event, if the interaction is stored; events need not have an event_id. A"
        " continuation_token, told as Data, begins a new answer from its last checkpoint: what came"
        " after that is generated again",
        quirks=(
            "what an event is stands in event_type, mostly in event: too.",
            "[DONE], as event: done, follows interaction.completed and proves nothing without it.",
            "An empty thought_signature says nothing.",
            "A call is complete when its step is closed or the interaction ends, and its JSON is"
            " whole. Steps that come only with the end are told then.",
            "requires_action is told as tool_calls, incomplete and budget_exceeded as length,"
            " requires_continuation as pause.",
            "Running counts come in metadata.usage of any event; the SDK calls it total_usage.",
        ),
        doubtful=(
            "The events interaction.start, content.* and interaction.complete of the API's first"
            " form are read as those that took their place.",
            "Built-in tools: their arguments come with the beginning of the step or as a delta of"
            " the step's own type; what is said a second time is Data.",
        ),
    ),
)
