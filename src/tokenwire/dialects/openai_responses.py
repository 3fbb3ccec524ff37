"""``openai-responses``: OpenAI's Responses API, also at Azure, OpenRouter, xAI, DeepSeek, Bedrock.

Source: https://platform.openai.com/docs/api-reference/responses-streaming, and recordings.

An answer is complete at ``response.completed``, ``.incomplete`` or ``.cancelled``, and only there:
``[DONE]``, which OpenRouter sends behind it, proves nothing. The type is read from the JSON, from
``event:`` where the JSON has none. Content is told apart by its indices, never by ``item_id``:
GitHub Copilot makes up a new one for every event.

``part`` numbers the texts of an answer in the order in which their (output_index, content_index)
first appear; thoughts are numbered by themselves. What is sent whole behind its deltas is not said
again; what no delta brought is said then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.json import Decoder as JSONDecoder

from tokenwire.cursor import Cursor
from tokenwire.dialects import Dialect, Resumption
from tokenwire.dialects._responses_calls import Calls, text_or_none
from tokenwire.dialects._responses_encode import OpenAIResponsesEncoder
from tokenwire.dialects._responses_notes import NOTES
from tokenwire.dialects._responses_wire import (
    CALLS,
    DATA_DELTAS,
    INCOMPLETE_REASONS,
    PREFIX,
    SILENT,
    WORKING,
    EventWire,
    ResponseWire,
    SequenceWire,
    check_room,
    item_type_in,
    item_type_of,
    usage_of,
    vendor_error,
)
from tokenwire.dialects.one_choice import read_frame
from tokenwire.dialects.vendor_errors import read_error
from tokenwire.dialects.wire import (
    UNREADABLE,
    MalformedError,
    is_done_sentinel,
    is_list,
    is_mapping,
    list_of,
    malformed,
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
    Unknown,
)
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer
from tokenwire.request import Known, Request

_decode_json = JSONDecoder(EventWire).decode
_decode_sequence = JSONDecoder(SequenceWire).decode

_NO_FRAME: Final = Frame()

# What a message's parts may say.
_KINDS: Final = ("text", "annotation", "refusal", "part")


class Decoder:
    """Events of the wire to events."""

    def __init__(self) -> None:
        self._frame = _NO_FRAME  # the one that is read, and what it says
        self._events: list[Event] = []
        self._started = False
        self._items: dict[int, str] = {}  # types of the items by output_index
        self._texts: dict[tuple[int, int], int] = {}  # parts by output_index and content_index
        self._spoken: dict[tuple[int, int], int] = {}  # those of which text came
        self._thoughts: dict[tuple[str, int, int], int] = {}  # parts; a summary is another kind
        self._thinks: dict[int, str] = {}  # the kind of thought that an item has said
        self._calls = Calls()
        # Sets, as dicts: empty ones take a third of the memory.
        self._said: dict[tuple[str, int, int], None] = {}  # refusals, annotations, data
        self._told: dict[tuple[str, int], None] = {}  # what an item said at all: texts, ...

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        try:
            wire = _decode_json(frame.data or b"")
        except UNREADABLE:
            return self._receive_odd(frame)
        if wire.type == "response.output_text.delta":
            # Nearly every frame is one piece of a text that began before.
            part = self._spoken.get((wire.output_index or 0, wire.content_index or 0))
            if part is not None and isinstance(wire.delta, str) and wire.delta:
                return (Token(wire.delta, 0, part, frame=frame),)
        return self._receive(wire, frame)

    def receive_eof(self) -> Sequence[Event]:
        """Only a terminal event completes an answer."""
        return ()

    def _receive_odd(self, frame: Frame) -> Sequence[Event]:
        if is_done_sentinel(frame.data or b""):
            message = "the answer was cut off: [DONE] came, but no response.completed"
            recovery = Recovery.RESUME if self._started or self._items else Recovery.RETRY
            return (Error("truncated", message, recovery=recovery, frame=frame),)
        return read_frame(frame, EventWire, _decode_json, self._receive)

    def _receive(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        events: list[Event] = []
        self._frame, self._events = frame, events
        try:
            self._receive_event(wire)
        except MalformedError as reason:
            events.append(malformed(frame, reason))
        return events

    def _receive_event(self, wire: EventWire) -> None:
        kind = wire.type or self._frame.event
        if not kind.startswith(PREFIX):
            self._receive_other(wire, kind)
            return
        output = wire.output_index or 0
        content = wire.content_index or 0
        piece = text_or_none(wire.delta)
        match kind.removeprefix(PREFIX):
            case "output_text.delta" if piece:
                self._say(piece, output, content)
            case "reasoning_text.delta" if piece:
                self._think(piece, "content", output, content)
            case "reasoning_summary_text.delta" if piece:
                self._think(piece, "summary", output, wire.summary_index or 0)
            case "refusal.delta" if piece:
                self._note(output, "message")
                self._is_first("refusal", output, content)
                self._events.append(Refusal(piece, frame=self._frame))
            case (
                "function_call_arguments.delta"
                | "custom_tool_call_input.delta"
                | "mcp_call_arguments.delta"
            ) if piece:
                item_type = item_type_of(kind)
                self._note(output, item_type)
                self._events.append(
                    self._calls.receive_piece(piece, item_type, output, self._frame)
                )
            case "output_text.done" | "refusal.done" as name:
                part = {"type": name.removesuffix(".done"), "text": wire.text}
                self._receive_part(part | {"refusal": wire.refusal}, output, content)
            case "content_part.done":
                self._receive_part(wire.part, output, content)
            case "reasoning_text.done":
                self._rethink(wire.text, "content", output, content)
            case "reasoning_summary_text.done":
                self._rethink(wire.text, "summary", output, wire.summary_index or 0)
            case (
                "function_call_arguments.done"
                | "custom_tool_call_input.done"
                | "mcp_call_arguments.done"
            ):
                self._receive_arguments(wire.arguments or wire.input, kind, output)
            case "output_item.added" if is_mapping(wire.item):
                item_type = item_type_in(wire.item)
                self._note(output, item_type)
                if item_type in CALLS:
                    self._events += self._calls.receive_item(
                        wire.item, item_type, output, self._frame, whole=False
                    )
            case "output_item.done" if is_mapping(wire.item):
                self._receive_item(wire.item, output)
            case "output_text.annotation.added":
                self._is_first("annotation", output, content)
                self._annotate([wire.annotation], output, content)
            case "created" | "queued" | "in_progress":
                self._start(wire.response or ResponseWire())
            # [M] that there is a `response.cancelled`; the status is documented.
            case "completed" | "incomplete" | "failed" | "cancelled" as status:
                self._receive_end(wire.response or ResponseWire(), status, kind)
            case "image_generation_call.partial_image" as name:
                self._events.append(Data(name, wire.partial_image_b64, frame=self._frame))
            case name if kind in DATA_DELTAS:
                self._events.append(Data(name, wire.delta, frame=self._frame))
            case _ if kind in SILENT or (kind.endswith(".delta") and wire.delta == ""):
                pass
            case _ if kind.endswith(WORKING):
                self._events.append(Heartbeat(kind, frame=self._frame))
            case _:
                self._receive_other(wire, kind)

    def _receive_other(self, wire: EventWire, kind: str) -> None:
        """Errors, of which llama.cpp's have no type, liveness, and the unknown."""
        if wire.error or "error" in (kind, self._frame.event):
            self._events.append(vendor_error(wire, self._frame))
        elif kind in ("keepalive", "ping"):
            self._events.append(Heartbeat(kind, frame=self._frame))
        else:
            self._events.append(Unknown(frame=self._frame))

    # --- what was said, so that it is said once ---

    def _note(self, output: int, item_type: str) -> None:
        if output not in self._items:
            check_room(self._items, "output items")
            self._items[output] = item_type

    def _is_first(self, kind: str, output: int, index: int = 0) -> bool:
        key = (kind, output, index)
        if key in self._said:
            return False
        check_room(self._said, "content parts")
        self._said[key] = self._told[kind, output] = None
        return True

    def _is_news(self, kind: str, output: int, content: int, told: frozenset[str]) -> bool:
        return kind not in told and self._is_first(kind, output, content)

    def _part(self, output: int, content: int) -> int:
        part = self._texts.get((output, content))
        if part is None:
            self._note(output, "message")
            check_room(self._texts, "content parts")
            part = self._texts[output, content] = len(self._texts)
        return part

    def _start(self, response: ResponseWire) -> None:
        if not self._started and (response.id or response.model):
            self._started = True
            self._events.append(
                Started(response.id or None, response.model or None, frame=self._frame)
            )

    # --- texts and thoughts ---

    def _say(self, text: str, output: int, content: int) -> None:
        part = self._spoken[output, content] = self._part(output, content)
        self._told["text", output] = None
        self._events.append(Token(text, 0, part, frame=self._frame))

    def _think(self, text: str, kind: str, output: int, index: int) -> None:
        part = self._thoughts.get((kind, output, index))
        if part is None:
            self._note(output, "reasoning")
            check_room(self._thoughts, "thoughts")
            part = self._thoughts[kind, output, index] = len(self._thoughts)
            self._thinks.setdefault(output, kind)
        self._events.append(Reasoning(text, 0, part, frame=self._frame))

    def _rethink(self, text: Any, kind: str, output: int, index: int) -> None:
        """A whole thought: news if no delta brought it, nor the other kind in its stead."""
        new = (kind, output, index) not in self._thoughts
        if new and self._thinks.get(output, kind) == kind and (said := text_or_none(text)):
            self._think(said, kind, output, index)

    def _receive_part(
        self, part: Any, output: int, content: int, told: frozenset[str] = frozenset()
    ) -> None:
        """A whole content part, of which some kinds were told."""
        if not is_mapping(part):
            return
        text = text_or_none(part.get("text"))
        match part.get("type"):
            case "output_text" | "text":
                if text and "text" not in told and (output, content) not in self._spoken:
                    self._say(text, output, content)
                notes = part.get("annotations")
                if notes and self._is_news("annotation", output, content, told):
                    self._annotate(notes, output, content)
            case "refusal":
                refusal = text_or_none(part.get("refusal"))
                if refusal and self._is_news("refusal", output, content, told):
                    self._events.append(Refusal(refusal, frame=self._frame))
            case "reasoning_text":
                self._rethink(text, "content", output, content)
            case kind if self._is_news("part", output, content, told):
                self._events.append(Data(str(kind), part, frame=self._frame))
            case _:
                pass  # said before

    def _annotate(self, notes: Any, output: int, content: int) -> None:
        part = self._part(output, content)
        self._events.extend(
            Data("annotation", note, 0, part, frame=self._frame) for note in list_of(notes) if note
        )

    # --- whole items and the end ---

    def _receive_arguments(self, whole: Any, kind: str, output: int) -> None:
        """Whole arguments. The call is closed by its item, which tells whether it was cut."""
        item_type = item_type_of(kind)
        self._note(output, item_type)
        self._events += self._calls.receive_item(
            {"arguments": whole}, item_type, output, self._frame
        )

    def _receive_item(self, item: Mapping[str, Any], output: int) -> None:
        item_type = item_type_in(item)
        self._note(output, item_type)
        if item_type in CALLS:
            self._events += self._calls.close(item, item_type, output, self._frame)
        elif item_type == "message":
            # Bedrock counts the parts from 1 in its events and from 0 here: what an event said of
            # a kind, was all of it.
            told = frozenset(kind for kind in _KINDS if (kind, output) in self._told)
            for content, part in enumerate(list_of(item.get("content"))):
                self._receive_part(part, output, content, told)
        elif item_type == "reasoning":
            for kind in ("content", "summary"):
                for index, part in enumerate(list_of(item.get(kind))):
                    text = part.get("text") if is_mapping(part) else part
                    self._rethink(text, kind, output, index)
            if item.get("encrypted_content") and self._is_first("encrypted", output):
                self._events.append(Data("encrypted_reasoning", item, frame=self._frame))
        elif self._is_first("item", output):
            self._events.append(Data(item_type, item, frame=self._frame))

    def _receive_output(self, items: list[Any]) -> None:
        """The whole answer, for what no event brought before.

        Places in it are output indices, unless a service left an item out or sorted them anew.
        Then only items of types that never came are news.
        """
        types = [item_type_in(item) if is_mapping(item) else None for item in items]
        in_place = all(
            0 <= output < len(types) and types[output] == item_type
            for output, item_type in self._items.items()
        )
        came = frozenset(self._items.values())
        for place, item in enumerate(items):
            if is_mapping(item) and (in_place or types[place] not in came):
                output = place if in_place else -1 - place
                self._receive_item(item, output)

    def _receive_end(self, response: ResponseWire, status: str, kind: str) -> None:
        self._start(response)
        if response.status not in (None, "in_progress"):
            status = response.status
        if status == "failed":
            self._events.append(read_error(response.error).event(self._frame))
            return
        if is_list(response.output):
            self._receive_output(response.output)
        reason: Reason = "other"
        if status == "completed":
            self._events += self._calls.close_all(self._frame)
            reason = "tool_calls" if self._calls.ask_the_client else "stop"
        elif status == "incomplete" and response.incomplete_details is not None:
            reason = reason_for(response.incomplete_details.reason, INCOMPLETE_REASONS)
        elif status == "cancelled":
            reason = "cancelled"
        self._events.append(Finished(0, reason, response.status or kind, frame=self._frame))
        if response.usage is not None:
            self._events.append(usage_of(response.usage, self._frame))
        self._events.append(Done(reason, frame=self._frame))


def read_sequence(frame: Frame) -> int | None:
    """The number of the event in this frame."""
    try:
        return _decode_sequence(frame.data or b"").sequence_number
    except UNREADABLE:
        return None


def reconnect(request: Request, cursor: Cursor, known: Known) -> Request | None:
    """A GET of the response, for the events behind the last one; only of a background response.

    Of any other the service goes on with nothing. Azure's ``api-version`` stays in the URL.
    """
    going = request.as_get_of(known.id)
    asked = request.fields
    kept = asked.get("background") is True and asked.get("stream") is True
    if cursor.value is None or going is None or not (kept or request.method == "GET"):
        return None
    return going.with_query(stream="true", starting_after=cursor.value)


OPENAI_RESPONSES = Dialect(
    name="openai-responses",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=lambda: OpenAIResponsesEncoder(INCOMPLETE_REASONS),
    terminator="response.completed or response.incomplete",
    effects=(("background=true",), ("conversation",), ("tools.*.type=mcp",)),
    resumption=Resumption(
        method="cursor",
        kind="sequence",
        field="starting_after in the URL",
        read=read_sequence,
        reconnect=reconnect,
        beginning=0,  # all but the event that only says its id
    ),
    marks=(
        ("type=response.*",),
        ("@event=response.*",),
        ("type=error", "sequence_number"),
        ("type=error", "error.type", "sequence_number"),
    ),
    notes=NOTES,
)
