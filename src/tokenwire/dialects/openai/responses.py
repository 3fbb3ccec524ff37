"""``openai-responses``: OpenAI's Responses API, also at Azure, OpenRouter, xAI, DeepSeek, Bedrock.

Source: https://platform.openai.com/docs/api-reference/responses-streaming, and recordings.

An answer is complete at ``response.completed``, ``.incomplete`` or ``.cancelled``, and only there:
``[DONE]``, which OpenRouter sends behind it, proves nothing. The type is read from the JSON, from
``event:`` where the JSON has none. Which item an event is about is told by all that it says
together: see `tokenwire.dialects.openai.responses_items`.

``part`` numbers the texts of an answer in the order in which they first appear; thoughts are
numbered by themselves. What is sent whole behind its deltas is compared with them: a rest that no
delta brought is said then, and where it says something else, it takes their place (`Reset`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

from msgspec.json import Decoder as JSONDecoder

from tokenwire.cursor import Cursor
from tokenwire.dialects import Dialect, Resumption
from tokenwire.dialects.kit.errors import read_error
from tokenwire.dialects.kit.fields import Fields
from tokenwire.dialects.kit.lenient import Extras
from tokenwire.dialects.kit.one_choice import read_frame
from tokenwire.dialects.kit.payloads import (
    MAX_INDEX,
    UNREADABLE,
    MalformedError,
    is_done_sentinel,
    is_list,
    is_mapping,
    json_text,
    list_of,
    malformed,
    reason_for,
)
from tokenwire.dialects.kit.pieces import Pieces, Room
from tokenwire.dialects.openai.responses_calls import Calls, agreement, arguments_of, text_or_none
from tokenwire.dialects.openai.responses_encode import OpenAIResponsesEncoder
from tokenwire.dialects.openai.responses_items import (
    COMPARED,
    Agreement,
    Item,
    Items,
    Names,
    Text,
    Whole,
)
from tokenwire.dialects.openai.responses_notes import NOTES
from tokenwire.dialects.openai.responses_wire import (
    CALLS,
    DATA_DELTAS,
    DATA_IN_RESPONSE,
    IN_ITEM,
    IN_PART,
    INCOMPLETE_REASONS,
    PREFIX,
    SILENT,
    STEP_FIELDS,
    WHOLE,
    WORKING,
    EventWire,
    ResponseWire,
    SequenceWire,
    asks_the_client,
    check_room,
    item_type_in,
    item_type_of,
    usage_of,
    vendor_error,
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
    Reset,
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

# Kinds of texts: a refusal and two kinds of thoughts beside the answer's own.
_TEXT: Final = "text"
_REFUSAL: Final = "refusal"
_CONTENT: Final = "content"
_SUMMARY: Final = "summary"
_TEXT_ENDS: Final = ("response.output_text.done", "response.content_part.done")
_PLAIN_PART: Final[Mapping[str, Any]] = {
    "type": "output_text",
    "annotations": [],
    "logprobs": [],
}  # and its text
_TEXTS_OF: Final = {"message": (_CONTENT,), "reasoning": (_CONTENT, _SUMMARY)}


class Decoder:
    """Events of the wire to events."""

    def __init__(self) -> None:
        self._frame = _NO_FRAME  # the one that is read, and what it says
        self._events: list[Event] = []
        self._started = False
        self._room = Room()
        self._items = Items()
        self._calls = Calls(self._room)
        self._parts = 0  # texts so far; thoughts are counted by themselves
        self._thoughts = 0
        # The text that spoke last, where its piece came from, and how long it was then.
        self._speaking: Text | None = None
        self._spoke_as: EventWire = EventWire()
        self._length = 0
        self._asking: dict[str, None] = {}  # what the client must do, besides calls
        self._answered: dict[str, None] = {}
        self._told: dict[str, Any] = {}  # of the response itself
        self._extras = Extras()
        # Digests of the items that were told whole: mostly the answer lists just these.
        self._wholes: list[int] = []
        # Texts that were there when their item or part was opened: mostly they come again.
        self._opened: list[tuple[Item, int, Mapping[str, Any]]] = []

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
        return read_frame(frame, EventWire, _decode_json, self._receive, self._extras)

    def _receive(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        events: list[Event] = []
        self._frame, self._events = frame, events
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
                self._receive_thought(piece, _CONTENT, wire.content_index, wire)
            case "reasoning_summary_text.delta" if piece:
                self._receive_thought(piece, _SUMMARY, wire.summary_index, wire)
            case "refusal.delta" if piece:
                item = self._items.of_piece("message", _names(wire))
                self._say(piece, item, _REFUSAL, wire.content_index or 0)
            case (
                "function_call_arguments.delta"
                | "custom_tool_call_input.delta"
                | "mcp_call_arguments.delta"
            ) if piece:
                item = self._items.of_piece(item_type_of(kind), _names(wire))
                named = {"call_id": wire.call_id, "name": wire.name}
                self._events += self._calls.receive_piece(item, piece, named, self._frame)
            case "output_text.done" | "refusal.done" as name:
                part = {"type": name.removesuffix(".done"), "text": wire.text}
                beside = {"refusal": wire.refusal, "logprobs": wire.logprobs}
                self._receive_part(part | beside, wire)
            case "content_part.added":
                if is_mapping(wire.part) and _text_in(wire.part)[1]:
                    item = self._items.of_piece("message", _names(wire))
                    self._keep_opened(item, wire.content_index or 0, wire.part)
            case "content_part.done":
                self._receive_part(wire.part, wire)
            case "reasoning_text.done":
                self._receive_whole_thought(wire.text, _CONTENT, wire.content_index, wire)
            case "reasoning_summary_text.done":
                self._receive_whole_thought(wire.text, _SUMMARY, wire.summary_index, wire)
            case "reasoning_summary_part.done" if is_mapping(wire.part):
                whole = wire.part.get("text")
                self._receive_whole_thought(whole, _SUMMARY, wire.summary_index, wire)
            case (
                "function_call_arguments.done"
                | "custom_tool_call_input.done"
                | "mcp_call_arguments.done"
            ):
                self._receive_arguments(wire, kind)
            case "output_item.added" if is_mapping(wire.item):
                self._receive_announced(_with_parts(wire.item), wire.output_index)
            case "output_item.done" if is_mapping(wire.item):
                said = _with_parts(wire.item)
                whole = _whole(said, wire.output_index)
                item = self._items.of_whole(whole.type, whole.names, whole.agreement)
                self._receive_item(item, said)
                if len(self._wholes) < MAX_INDEX:
                    self._wholes.append(_digest(wire.item))
            case "output_text.annotation.added":
                item = self._items.of_piece("message", _names(wire))
                self._annotate([wire.annotation], item, wire.content_index or 0)
            case "created" | "queued" | "in_progress":
                self._start(_response_in(wire))
            # [M] that there is a `response.cancelled`; the status is documented.
            case "completed" | "incomplete" | "failed" | "cancelled" as status:
                self._receive_end(_response_in(wire), status, kind)
            case "done":  # of the Realtime API; some write it here, and the status tells how
                self._receive_end(_response_in(wire), "completed", kind)
            case "image_generation_call.partial_image" as name:
                self._events.append(Data(name, wire.partial_image_b64, frame=self._frame))
            case name if kind in DATA_DELTAS:
                self._events.append(Data(name, wire.delta, frame=self._frame))
            case name if name.startswith("reasoning."):  # Perplexity's
                self._receive_step(wire, name)
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
            self._receive_end(_response_in(wire), wire.status, kind)
        else:
            self._events.append(Unknown(frame=self._frame))

    def _start(self, response: ResponseWire) -> None:
        if not self._started and (response.id or response.model):
            self._started = True
            self._events.append(
                Started(response.id or None, response.model or None, frame=self._frame)
            )

    def _is_news(self, item: Item, what: str) -> bool:
        """Remember that this was told of an item. Was it not yet?"""
        if what in item.told:
            return False
        check_room(item.told, "parts of an item")
        item.told[what] = None
        return True

    # --- texts and thoughts ---

    def _receive_text(self, wire: EventWire, piece: str | None) -> None:
        item = self._items.of_piece("message", _names(wire))
        content = wire.content_index or 0
        if piece:
            text = self._say(piece, item, _TEXT, content)
            if wire.output_index is not None:  # else ids tell items apart
                self._speaking, self._spoke_as, self._length = text, wire, text.said.length
        if wire.logprobs:
            text = self._text(item, _TEXT, content)
            item.told.setdefault(f"logprobs {content}")
            self._events.append(Data("logprobs", wire.logprobs, 0, text.part, frame=self._frame))

    def _receive_thought(self, piece: str, kind: str, index: int | None, wire: EventWire) -> None:
        item = self._items.of_piece("reasoning", _names(wire))
        self._say(piece, item, kind, index or 0)

    def _receive_step(self, wire: EventWire, name: str) -> None:
        """A step of Perplexity's thinking: what it thought, what it searched and found."""
        if wire.thought:
            self._events.append(Reasoning(wire.thought, frame=self._frame))
        said = {what: value for what in STEP_FIELDS if (value := getattr(wire, what))}
        if said:
            self._events.append(Data(name, said, frame=self._frame))
        elif not wire.thought:
            self._events.append(Heartbeat(f"{PREFIX}{name}", frame=self._frame))

    def _text(self, item: Item, kind: str, index: int) -> Text:
        text = item.texts.get((kind, index))
        if text is None:
            check_room(item.texts, "content parts")
            part = 0
            if kind == _TEXT:
                part, self._parts = self._parts, self._parts + 1
            elif kind != _REFUSAL:
                part, self._thoughts = self._thoughts, self._thoughts + 1
            text = item.texts[kind, index] = Text(part, self._room)
        return text

    def _say(self, piece: str, item: Item, kind: str, index: int) -> Text:
        text = self._text(item, kind, index)
        self._tell(piece, text, kind)
        return text

    def _tell(self, piece: str, text: Text, kind: str) -> None:
        text.said.add(piece)
        event: Event
        if kind == _TEXT:
            event = Token(piece, 0, text.part, frame=self._frame)
        elif kind == _REFUSAL:
            event = Refusal(piece, frame=self._frame)
        else:
            event = Reasoning(piece, 0, text.part, frame=self._frame)
        self._events.append(event)

    def _tell_whole(
        self, whole: str, item: Item, kind: str, index: int, taken: set[Text] | None
    ) -> Text:
        """A text that is whole: what its pieces did not tell, or that it says something else.

        Args:
            whole: The text.
            item: Whose it is.
            kind: What kind of text.
            index: Its index, as far as that can be believed: Bedrock counts parts from 1 in its
                events and from 0 in the item.
            taken: Where the item is told as a whole: its texts that other parts of it are.
        """
        here = item.texts.get((kind, index))
        if here is not None and here not in (taken or ()) and here.said.agreement(whole) == 2:
            if taken is not None:
                taken.add(here)
            return here
        told = (text for (one, _), text in item.texts.items() if one == kind)
        left = [*islice((text for text in told if text not in (taken or ())), COMPARED)]
        if here is not None and here not in (taken or ()):
            left = [here, *left]
        ranks = [(text.said.agreement(whole), text) for text in left]
        text = next((one for wanted in (2, 1) for rank, one in ranks if rank == wanted), None)
        if text is None and left and (taken is not None or left[0] is here):
            text = left[0]
        elif text is None:
            free = index if here is None else max(n for _, n in item.texts) + 1
            text = self._text(item, kind, free)
        if taken is not None:
            taken.add(text)
        rest = text.said.rest_of(whole)
        if rest == "" and text.said.doubles(whole):
            rest = None
        elif rest and rest == "".join(one.said.text() for one in left if one is not text):
            return text  # several texts, told as one
        if rest:
            self._tell(rest, text, kind)
        elif rest is None:
            text.said = Pieces(self._room)
            text.said.add(whole)
            event: Event = Reset(0, text.part, whole, frame=self._frame)
            if kind != _TEXT:  # it cannot be taken back
                event = Data(f"whole_{kind}", whole, frame=self._frame)
            self._events.append(event)
        return text

    def _receive_whole_thought(
        self, whole: Any, kind: str, index: int | None, wire: EventWire
    ) -> None:
        said = text_or_none(whole)
        if said:
            agreement = _agreement_of(kind, said)
            item = self._items.of_whole("reasoning", _names(wire), agreement)
            self._rethink(said, item, kind, index or 0)

    def _rethink(
        self, whole: Any, item: Item, kind: str, index: int, taken: set[Text] | None = None
    ) -> None:
        """A whole thought: news if no piece brought it, nor the other kind in its stead."""
        said = text_or_none(whole)
        if said and all(one == kind for one, _ in item.texts):
            self._tell_whole(said, item, kind, index, taken)

    def _receive_part(self, part: Any, wire: EventWire) -> None:
        """A whole content part, by an event of its own."""
        if not is_mapping(part):
            return
        if part.get("type") == "reasoning_text":
            self._receive_whole_thought(part.get("text"), _CONTENT, wire.content_index, wire)
            return
        kind, whole = _text_in(part)
        agreement = _agreement_of(kind, whole) if whole else _no_agreement
        item = self._items.of_whole("message", _names(wire), agreement)
        self._tell_part(part, item, wire.content_index or 0)

    def _tell_part(
        self,
        part: Mapping[str, Any],
        item: Item,
        content: int,
        taken: set[Text] | None = None,
    ) -> None:
        """What is news in a part of a message."""
        kind, whole = _text_in(part)
        if not kind:
            name = part.get("type")
            if self._is_news(item, f"part {_digest(part)}"):
                self._events.append(Data(str(name), part, frame=self._frame))
            return
        text = self._tell_whole(whole, item, kind, content, taken) if whole else None
        if part.get("annotations"):
            self._annotate(part["annotations"], item, content, text)
        if part.get("logprobs") and self._is_news(item, f"logprobs {content}"):
            number = (text or self._text(item, _TEXT, content)).part
            self._events.append(Data("logprobs", part["logprobs"], 0, number, frame=self._frame))
        self._tell_unread(part, IN_PART, item, content)

    def _annotate(self, notes: Any, item: Item, content: int, text: Text | None = None) -> None:
        text = text or self._text(item, _TEXT, content)
        for note in list_of(notes):
            if note and self._is_news(item, f"annotation {_digest(note)}"):
                self._events.append(Data("annotation", note, 0, text.part, frame=self._frame))

    # --- whole items and the end ---

    def _receive_announced(self, said: Mapping[str, Any], output: int | None) -> None:
        item = self._items.opened(item_type_in(said), _names_in(said, output))
        if item.type in CALLS:
            self._events += self._calls.receive_item(item, said, self._frame)
        self._receive_phase(item, said)
        if item.type == "message":
            for content, part in enumerate(list_of(said.get("content"))):
                if is_mapping(part) and _text_in(part)[1]:
                    self._keep_opened(item, content, part)
        known = item.type in (*CALLS, "message", "reasoning")
        if known or not isinstance(said.get("type"), str):
            self._tell_unread(said, IN_ITEM, item)

    def _keep_opened(self, item: Item, content: int, part: Mapping[str, Any]) -> None:
        if self._room.left > 0 and len(self._opened) < MAX_INDEX:
            self._room.left -= len(_text_in(part)[1])
            self._opened.append((item, content, part))

    def _tell_opened(self) -> None:
        """What no event told again: it is the only copy."""
        silent = [one for one in self._opened if not one[0].texts]
        taken: dict[int, set[Text]] = {}
        for item, content, part in silent:
            self._tell_part(part, item, content, taken.setdefault(item.number, set()))

    def _receive_phase(self, item: Item, said: Mapping[str, Any]) -> None:
        """Is a message the answer, or said on the way to it?"""
        phase = said.get("phase")
        if phase and self._is_news(item, "phase"):
            part = self._text(item, _TEXT, 0).part
            self._events.append(Data("phase", phase, 0, part, frame=self._frame))

    def _receive_arguments(self, wire: EventWire, kind: str) -> None:
        """Whole arguments. The call is closed by its item, which tells whether it was cut."""
        said = {"arguments": wire.arguments or wire.input}
        said |= {"call_id": wire.call_id, "name": wire.name}
        whole = arguments_of(said)
        item = self._items.of_whole(
            item_type_of(kind), _names(wire), lambda item: agreement(item, whole)
        )
        self._events += self._calls.receive_whole(item, said, self._frame)

    def _receive_item(self, item: Item, said: Mapping[str, Any]) -> None:
        taken: set[Text] = set()
        if item.type in CALLS:
            self._events += self._calls.close(item, said, self._frame)
        elif item.type == "message":
            self._receive_phase(item, said)
            for content, part in enumerate(list_of(said.get("content"))):
                if is_mapping(part):
                    self._tell_part(part, item, content, taken)
        elif item.type == "reasoning":
            for kind in (_CONTENT, _SUMMARY):
                for index, part in enumerate(list_of(said.get(kind))):
                    text = part.get("text") if is_mapping(part) else part
                    self._rethink(text, item, kind, index, taken)
            if said.get("encrypted_content") and self._is_news(item, "encrypted"):
                self._events.append(Data("encrypted_reasoning", said, frame=self._frame))
        else:
            self._receive_data(item, said)
            item.closed = True
            return
        item.closed = True
        self._tell_unread(said, IN_ITEM, item)

    def _receive_data(self, item: Item, said: Mapping[str, Any]) -> None:
        call = text_or_none(said.get("call_id")) or str(item.number)
        if asks_the_client(item.type, said):
            self._asking[call] = None
        elif item.type.endswith("_output"):
            self._answered[call] = None
        if self._is_news(item, "item"):
            self._events.append(Data(item.type, said, frame=self._frame))

    def _tell_unread(
        self, said: Mapping[str, Any], fields: Fields, item: Item, content: int | None = None
    ) -> None:
        """What nobody knew of, and what is of another type."""
        if fields.has_read(said):
            return
        path = f"output[{item.number}]"
        if content is not None:
            path += f".content[{content}]"
        self._extras.tell(fields.unread(said, path), self._frame, self._events)

    def _receive_output(self, output: list[Any]) -> None:
        """The whole answer, for what no event brought before."""
        if self._repeats_items(output):
            return
        items = [_with_parts(item) for item in output if is_mapping(item)]
        wholes = [_whole(said, None) for said in items]
        for item, said in zip(self._items.of_answer(wholes), items, strict=True):
            self._receive_item(item, said)

    def _repeats_items(self, output: list[Any]) -> bool:
        """Is it word for word what came when each item ended? Nearly every one is.

        Then nothing in it is news, and comparing it piece by piece would take half of the time
        that an answer of ten tokens does.
        """
        return (
            len(output) == len(self._items)
            and self._items.are_whole
            and [_digest(item) for item in output] == self._wholes
        )

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
            self._receive_output(response.output)
        self._tell_opened()
        self._events += self._calls.close_all(self._frame, cut=status != "completed")
        reason: Reason = "other"
        done: Reason | None = None
        if status == "completed":
            # The wire has no word for it. `Finished` tells what the model wrote last by the wire's
            # own types: a call of a tool, or none. `Done` tells what the client must do: a
            # computer_call is no call of a tool and asks for an answer, and what xAI runs itself
            # looks like a call of the caller's tool and asks for none.
            asking = self._calls.ask_the_client or self._asking.keys() - self._answered.keys()
            reason = "tool_calls" if self._calls.are_of_tools else "stop"
            done = "tool_calls" if asking else "stop"
        elif status == "incomplete" and response.incomplete_details is not None:
            reason = reason_for(response.incomplete_details.reason, INCOMPLETE_REASONS)
        elif status == "cancelled":
            reason = "cancelled"
        self._events.append(Finished(0, reason, response.status or kind, frame=self._frame))
        if response.usage is not None:
            self._events.append(usage_of(response.usage, self._frame))
        self._events.append(Done(done or reason, frame=self._frame))


def _names(wire: EventWire) -> Names:
    return Names(wire.output_index, wire.item_id, wire.call_id, wire.name)


def _names_in(said: Mapping[str, Any], output: int | None) -> Names:
    get = said.get
    return Names(
        output, text_or_none(get("id")), text_or_none(get("call_id")), text_or_none(get("name"))
    )


def _with_parts(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """An item; texts in the place of its parts are such, as they are where items are sent."""
    if "content" not in said and "summary" not in said:
        return said
    kind = "output_text" if said.get("type") == "message" else "text"
    read: dict[str, Any] = {}
    for name in ("content", "summary"):
        inner: Any = said.get(name)
        parts = list_of(inner) if is_list(inner) else [inner] if inner else []
        if parts and (not is_list(inner) or any(isinstance(one, str) for one in parts)):
            read[name] = [
                {"type": kind, "text": one} if isinstance(one, str) else one for one in parts
            ]
    return {**said, **read} if read else said


def _whole(said: Mapping[str, Any], output: int | None) -> Whole:
    """A whole item, and how well what was told of another agrees with it."""
    item_type = item_type_in(said)

    def agrees(item: Item) -> int:
        if item_type in CALLS:
            return agreement(item, arguments_of(said))
        for field in _TEXTS_OF.get(item_type, ()):
            for part in list_of(said.get(field)):
                kind, text = _text_in(part) if item_type == "message" else (field, _text_of(part))
                if kind and text:
                    return _agreement_of(kind, text)(item)
        return 0

    return Whole(item_type, _names_in(said, output), agrees)


def _agreement_of(kind: str, whole: str) -> Agreement:
    """How well does one of an item's texts agree with this?"""

    def agreement(item: Item) -> int:
        texts = [text for (one, _), text in item.texts.items() if one == kind]
        return max((text.said.agreement(whole) for text in texts[:COMPARED]), default=0)

    return agreement


def _no_agreement(item: Item) -> int:
    return 0


def _text_in(part: Any) -> tuple[str, str]:
    """The kind of text that a part of a message is, and the text; no kind where it is none."""
    kind = part.get("type") if is_mapping(part) else None
    if kind in ("output_text", "text"):
        return _TEXT, text_or_none(part.get("text")) or ""
    if kind == "refusal":
        return _REFUSAL, text_or_none(part.get("refusal")) or ""
    return "", ""


def _text_of(part: Any) -> str | None:
    return text_or_none(part.get("text") if is_mapping(part) else part)


def _response_in(wire: EventWire) -> ResponseWire:
    """The response of an event; some gateways send it in the event's place."""
    return wire.response or ResponseWire(
        id=wire.id,
        model=wire.model,
        status=wire.status,
        output=wire.output,
        usage=wire.usage,
        error=wire.error,
        incomplete_details=wire.incomplete_details,
    )


def _digest(value: Any) -> int:
    return hash(json_text(value))


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
        order="dense",
        ignored=("obfuscation",),  # of random length
    ),
    marks=(
        ("type=response.*",),
        ("@event=response.*",),
        ("type=error", "sequence_number"),
        ("type=error", "error.type", "sequence_number"),
    ),
    notes=NOTES,
)
