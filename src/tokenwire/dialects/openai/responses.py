"""``openai-responses``: OpenAI's Responses API, also at Azure, OpenRouter, xAI, DeepSeek, Bedrock.

Source: https://platform.openai.com/docs/api-reference/responses-streaming, and recordings.

An answer is complete at ``response.completed``, ``.incomplete`` or ``.cancelled``, and only there:
``[DONE]``, which OpenRouter sends after it, proves nothing. The type is read from the JSON, from
``event:`` where the JSON has none. Which item an event is about is decided by all that it says
together: see `tokenwire.dialects.openai.responses_items`.

Here is decided what each event means and how an answer ends; what of a text is news, in
`responses_texts`, and of a call, in `responses_calls`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect
from tokenwire.dialects.kit.errors import read_error
from tokenwire.dialects.kit.message import kept_there
from tokenwire.dialects.kit.one_choice import read_frame
from tokenwire.dialects.kit.payloads import (
    UNREADABLE,
    MalformedError,
    is_done_sentinel,
    is_list,
    is_mapping,
    malformed,
    reason_for,
)
from tokenwire.dialects.kit.pieces import Room
from tokenwire.dialects.openai.responses_calls import Calls, agreement, arguments_of, text_or_none
from tokenwire.dialects.openai.responses_encode import OpenAIResponsesEncoder
from tokenwire.dialects.openai.responses_items import (
    Items,
    Text,
)
from tokenwire.dialects.openai.responses_notes import NOTES
from tokenwire.dialects.openai.responses_output import Output
from tokenwire.dialects.openai.responses_resume import RESUMPTION
from tokenwire.dialects.openai.responses_texts import Texts
from tokenwire.dialects.openai.responses_wholes import (
    CONTENT,
    REFUSAL,
    SUMMARY,
    TEXT,
    agreement_of,
    names_of,
    no_agreement,
    text_in_part,
)
from tokenwire.dialects.openai.responses_wire import (
    DATA_DELTAS,
    DATA_IN_RESPONSE,
    INCOMPLETE_REASONS,
    PREFIX,
    SILENT,
    WHOLE,
    WORKING,
    EventWire,
    ResponseWire,
    item_type_of,
    response_in,
    step_events,
    usage_of,
    vendor_error,
)
from tokenwire.events import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Reason,
    Recovery,
    Started,
    Token,
    Unknown,
)
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer

_decode_json = JSONDecoder(EventWire).decode

_TEXT_ENDS: Final = ("response.output_text.done", "response.content_part.done")
_PLAIN_PART: Final[Mapping[str, Any]] = {
    "type": "output_text",
    "annotations": [],
    "logprobs": [],
}  # and its text


_NO_FRAME: Final = Frame()


class Decoder:
    """Events of the wire to events."""

    def __init__(self) -> None:
        room = Room()
        self._frame = _NO_FRAME  # the one that is read, and what it says
        self._events: list[Event] = []
        self._texts = Texts(room)
        self._items = Items()
        self._calls = Calls(room)
        self._output = Output(self._texts, self._items, self._calls)
        self._started = False
        # The text that spoke last, where its piece came from, and how long it was then.
        self._speaking: Text | None = None
        self._spoke_as: EventWire = EventWire()
        self._length = 0

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        try:
            wire = _decode_json(frame.data or b"")
        except UNREADABLE:
            return self._receive_odd(frame)
        text = self._speaking
        if text is not None and wire.type == "response.output_text.delta":
            # Nearly every frame is one more piece of the text that speaks.
            before = self._spoke_as
            piece = wire.delta
            if (
                wire.item_id == before.item_id
                and wire.output_index == before.output_index
                and wire.content_index == before.content_index
                and isinstance(piece, str)
                and piece
                and not wire.logprobs
            ):
                text.said.add(piece)
                return (Token(piece, 0, text.part, frame=frame),)
        return self._receive(wire, frame)

    def receive_eof(self) -> Sequence[Event]:
        """Only a terminal event completes an answer."""
        return ()

    def _receive_odd(self, frame: Frame) -> Sequence[Event]:
        if is_done_sentinel(frame.data or b""):
            message = "the answer was cut off: [DONE] came, but no response.completed"
            recovery = Recovery.RESUME if self._started or self._items else Recovery.RETRY
            return (Error("truncated", message, recovery=recovery, frame=frame),)
        return read_frame(frame, EventWire, _decode_json, self._receive, self._texts.extras)

    def _receive(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        events: list[Event] = []
        self._frame, self._events = frame, events
        self._texts.begin(frame, events)
        if self._speaking is not None:
            went_on = self._speaking.said.length > self._length
            self._items.ids_last |= went_on and self._spoke_as.item_id is not None
            if wire.type in _TEXT_ENDS and self._is_repeated(wire):
                return ()
            self._speaking = None
        try:
            self._receive_event(wire)
        except MalformedError as reason:
            events.append(malformed(frame, reason))
        return events

    def _is_repeated(self, wire: EventWire) -> bool:
        """Is this the text that speaks, whole, and no more? Nearly every one that ends is."""
        before, text = self._spoke_as, self._speaking
        if (
            text is None
            or wire.item_id != before.item_id
            or wire.output_index != before.output_index
            or wire.content_index != before.content_index
            or wire.logprobs
        ):
            return False
        whole: Any = wire.text
        if is_mapping(wire.part):
            if not (_PLAIN_PART.items() <= wire.part.items() and len(wire.part) == 4):
                return False
            whole = wire.part.get("text")
        return isinstance(whole, str) and text.said.agreement(whole) == 2

    def _receive_event(self, wire: EventWire) -> None:
        kind = wire.type or self._frame.event
        if not kind.startswith(PREFIX):
            self._receive_other(wire, kind)
            return
        if kind in SILENT:
            return
        piece = text_or_none(wire.delta)
        match kind[len(PREFIX) :]:
            case "output_text.delta" if piece or wire.logprobs:
                self._receive_text(wire, piece)
            case "reasoning_text.delta" if piece:
                self._receive_thought(piece, CONTENT, wire.content_index, wire)
            case "reasoning_summary_text.delta" if piece:
                self._receive_thought(piece, SUMMARY, wire.summary_index, wire)
            case "refusal.delta" if piece:
                item = self._items.of_piece("message", names_of(wire))
                self._texts.say(piece, item, REFUSAL, wire.content_index or 0)
            case (
                "function_call_arguments.delta"
                | "custom_tool_call_input.delta"
                | "mcp_call_arguments.delta"
            ) if piece:
                item = self._items.of_piece(item_type_of(kind), names_of(wire))
                named = {"call_id": wire.call_id, "name": wire.name}
                self._events += self._calls.receive_piece(item, piece, named, self._frame)
            case "output_text.done" | "refusal.done" as name:
                part = {"type": name.removesuffix(".done"), "text": wire.text}
                beside = {"refusal": wire.refusal, "logprobs": wire.logprobs}
                self._receive_part(part | beside, wire)
            case "content_part.added":
                if is_mapping(wire.part) and text_in_part(wire.part)[1]:
                    item = self._items.of_piece("message", names_of(wire))
                    self._texts.keep_opened(item, wire.content_index or 0, wire.part)
            case "content_part.done":
                self._receive_part(wire.part, wire)
            case "reasoning_text.done":
                self._receive_whole_thought(wire.text, CONTENT, wire.content_index, wire)
            case "reasoning_summary_text.done":
                self._receive_whole_thought(wire.text, SUMMARY, wire.summary_index, wire)
            case "reasoning_summary_part.done" if is_mapping(wire.part):
                whole = wire.part.get("text")
                self._receive_whole_thought(whole, SUMMARY, wire.summary_index, wire)
            case (
                "function_call_arguments.done"
                | "custom_tool_call_input.done"
                | "mcp_call_arguments.done"
            ):
                self._receive_arguments(wire, kind)
            case "output_item.added" if is_mapping(wire.item):
                self._output.open(wire.item, wire.output_index)
            case "output_item.done" if is_mapping(wire.item):
                self._output.close(wire.item, wire.output_index)
            case "output_text.annotation.added":
                item = self._items.of_piece("message", names_of(wire))
                self._texts.annotate([wire.annotation], item, wire.content_index or 0)
            case "created" | "queued" | "in_progress":
                self._start(response_in(wire))
            # Unverified: that there is a `response.cancelled`; the status is documented.
            case "completed" | "incomplete" | "failed" | "cancelled" as status:
                self._receive_end(response_in(wire), status, kind)
            case "done":  # of the Realtime API; some write it here, and the status tells how
                self._receive_end(response_in(wire), "completed", kind)
            case "image_generation_call.partial_image" as name:
                self._events.append(Data(name, wire.partial_image_b64, frame=self._frame))
            case name if kind in DATA_DELTAS:
                self._events.append(Data(name, wire.delta, frame=self._frame))
            case name if name.startswith("reasoning."):  # Perplexity's
                self._events += step_events(wire, name, self._frame)
            case _ if kind.endswith(".delta") and wire.delta == "":
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
        elif wire.object == "response" and wire.status in WHOLE:  # it was not streamed
            self._receive_end(response_in(wire), wire.status, kind)
        else:
            self._events.append(Unknown(frame=self._frame))

    def _start(self, response: ResponseWire) -> None:
        if not self._started and (response.id or response.model):
            self._started = True
            self._events.append(
                Started(response.id or None, response.model or None, frame=self._frame)
            )

    # --- texts and thoughts ---

    def _receive_text(self, wire: EventWire, piece: str | None) -> None:
        item = self._items.of_piece("message", names_of(wire))
        content = wire.content_index or 0
        if piece:
            text = self._texts.say(piece, item, TEXT, content)
            if wire.output_index is not None:  # else ids tell items apart
                self._speaking, self._spoke_as, self._length = text, wire, text.said.length
        if wire.logprobs:
            text = self._texts.text(item, TEXT, content)
            item.reported.setdefault(f"logprobs {content}")
            self._events.append(Data("logprobs", wire.logprobs, 0, text.part, frame=self._frame))

    def _receive_thought(self, piece: str, kind: str, index: int | None, wire: EventWire) -> None:
        item = self._items.of_piece("reasoning", names_of(wire))
        self._texts.say(piece, item, kind, index or 0)

    def _receive_whole_thought(
        self, whole: Any, kind: str, index: int | None, wire: EventWire
    ) -> None:
        said = text_or_none(whole)
        if said:
            agreement = agreement_of(kind, said)
            item = self._items.of_whole("reasoning", names_of(wire), agreement)
            self._texts.rethink(said, item, kind, index or 0)

    def _receive_part(self, part: Any, wire: EventWire) -> None:
        """A whole content part, by an event of its own."""
        if not is_mapping(part):
            return
        if part.get("type") == "reasoning_text":
            self._receive_whole_thought(part.get("text"), CONTENT, wire.content_index, wire)
            return
        kind, whole = text_in_part(part)
        agreement = agreement_of(kind, whole) if whole else no_agreement
        item = self._items.of_whole("message", names_of(wire), agreement)
        self._texts.tell_part(part, item, wire.content_index or 0)

    # --- arguments and the end ---

    def _receive_arguments(self, wire: EventWire, kind: str) -> None:
        """Whole arguments. The call is closed by its item, which tells whether it was cut."""
        said = {"arguments": wire.arguments or wire.input}
        said |= {"call_id": wire.call_id, "name": wire.name}
        whole = arguments_of(said)
        item = self._items.of_whole(
            item_type_of(kind), names_of(wire), lambda item: agreement(item, whole)
        )
        self._events += self._calls.receive_whole(item, said, self._frame)

    def _receive_end(self, response: ResponseWire, status: str, kind: str) -> None:
        self._start(response)
        if response.status not in (None, "in_progress"):
            status = response.status
        for name in DATA_IN_RESPONSE:
            value = getattr(response, name)
            if value:
                self._events.append(Data(name, value, frame=self._frame))
        if status == "failed":
            self._events.append(read_error(response.error).event(self._frame))
            return
        if is_list(response.output):
            self._output.receive_all(response.output)
        self._texts.tell_opened()
        self._events += self._calls.close_all(self._frame, cut=status != "completed")
        reason: Reason = "other"
        done: Reason | None = None
        if status == "completed":
            # The wire has no word for it. `Finished` tells what the model wrote last by the wire's
            # own types: a call of a tool, or none. `Done` tells what the client must do: a
            # computer_call is no call of a tool and asks for an answer, and what xAI runs itself
            # looks like a call of the caller's tool and asks for none.
            reason = "tool_calls" if self._calls.are_of_tools else "stop"
            done = "tool_calls" if self._output.asks_the_client else "stop"
        elif status == "incomplete" and response.incomplete_details is not None:
            reason = reason_for(response.incomplete_details.reason, INCOMPLETE_REASONS)
        elif status == "cancelled":
            reason = "cancelled"
        self._events.append(Finished(0, reason, response.status or kind, frame=self._frame))
        if response.usage is not None:
            self._events.append(usage_of(response.usage, self._frame))
        self._events.append(Done(done or reason, frame=self._frame))


OPENAI_RESPONSES = Dialect(
    name="openai-responses",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=lambda: OpenAIResponsesEncoder(INCOMPLETE_REASONS),
    message=kept_there("give its id as previous_response_id, and only what is new as input"),
    terminator="response.completed or response.incomplete",
    effects=(("background=true",), ("conversation",), ("tools.*.type=mcp",)),
    resumption=RESUMPTION,
    marks=(
        ("type=response.*",),
        ("@event=response.*",),
        ("type=error", "sequence_number"),
        ("type=error", "error.type", "sequence_number"),
    ),
    notes=NOTES,
)
