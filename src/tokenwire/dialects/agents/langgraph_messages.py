"""The messages of a LangGraph run, in chunks or whole, to events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tokenwire.dialects.agents.langgraph_wire import (
    CHUNK,
    FINISH_REASONS,
    CallChunkWire,
    CallWire,
    Content,
    MessageWire,
    UsageWire,
    finish_word,
    is_answer,
    read_content,
    read_counts,
)
from tokenwire.dialects.kit.call_fragments import Fragment
from tokenwire.dialects.kit.cumulative import Cumulative
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.json_balance import is_whole
from tokenwire.dialects.kit.lenient import convert
from tokenwire.dialects.kit.payloads import (
    MAX_INDEX,
    is_mapping,
    json_text,
    reason_for,
)
from tokenwire.dialects.kit.said import Said
from tokenwire.dialects.kit.toolcalls import CUTTING, ToolCallSlots
from tokenwire.events import Data, Event, Finished, Reason, Reasoning, Token, ToolCall, Usage
from tokenwire.frame import Frame


class _Message:
    """What is known of one message.

    A record without any decision of its own: its 16 attributes are what `Messages` compares with
    the same message when it comes again, field by field.
    """

    __slots__ = (
        *("called", "calls", "counts", "data", "finished", "nested", "part", "reasoning"),
        *("said", "signature", "slots", "streamed", "text", "usage", "worded", "words"),
    )

    def __init__(self, part: int) -> None:
        self.part = part
        self.text = Cumulative()
        self.said = Said()  # in deltas
        self.reasoning = Cumulative()
        self.signature = 0  # the hash of the one said last
        self.slots = ToolCallSlots(0, prefix=f"{part}:")
        self.calls: Sequence[CallWire] = ()  # whole ones; they wait for the finish
        self.words: dict[str, int] = {}  # by which its calls are told apart, numbered
        self.called = False
        self.streamed = False  # in deltas
        self.data = 0  # blocks said
        self.nested = False  # in a step after which others may follow
        self.finished = False
        self.worded = False  # it was said why it finished
        self.counts: dict[str, int] = {}  # deltas count on
        self.usage: Usage | None = None


class Messages:
    """The messages of one run; each is a part.

    Attributes:
        rests: The run may have ended here: its last message is one that a model finished, and
            nobody is to answer it.
        reason: Why that message ended.
    """

    def __init__(self) -> None:
        self._messages: dict[int, _Message] = {}
        self._nested: dict[int, None] = {}  # of messages that may come yet
        self._extras = Extras()
        self._parts = 0
        self.rests = False
        self.reason: Reason = "other"

    def receive(
        self,
        value: Any,
        frame: Frame,
        events: list[Event],
        *,
        whole: bool,
        complete: bool = False,
        nested: bool = False,
    ) -> None:
        """Add the events of one message, or of a chunk of one.

        Args:
            value: Its JSON value.
            frame: Where it came from.
            events: Get the events.
            whole: It repeats what was said of it before; else its type tells.
            complete: Nothing follows of it; else what it holds tells.
            nested: A subgraph's model said it, or a step put it out.
        """
        if not is_answer(value):
            # What the user or a tool said: the run goes on from here.
            self.rests = False
            events.append(Data(_kind(value, frame), value, frame=frame))
            return
        try:
            wire = msgspec.convert(value, MessageWire)
        except ValueError:
            reading = convert(value, MessageWire)
            wire = reading.value
            self._extras.tell(reading.unread, frame, events)
        whole = whole or wire.type != CHUNK
        complete = complete or (whole and not frame.event.startswith("messages/partial"))
        message = self._message(wire.id, complete)
        message.nested = message.nested or nested
        content = read_content(wire)
        if not whole:
            self._receive_delta(message, content, wire.tool_call_chunks or (), frame, events)
        elif not message.streamed:
            self._receive_whole(message, content, frame, events)
        elif rest := message.said.rest_of(content.text):  # the chunks were not all
            message.said.add(rest)
            events.append(Token(rest, 0, message.part, frame=frame))
        if wire.tool_calls and not message.finished:
            message.calls = wire.tool_calls
        raw = finish_word(wire.response_metadata)
        if raw or complete or wire.chunk_position == "last":
            self._finish(message, raw, frame, events)
        if wire.usage_metadata is not None:
            self._receive_usage(message, wire.usage_metadata, frame, events, whole=whole)
        if not message.finished:
            self.rests = False
        self._extras.tell(content.unread, frame, events)

    def _message(self, id: str | None, complete: bool) -> _Message:
        """The message of this id; those without one follow each other."""
        key = hash(id or "")  # an id may be long
        message = self._messages.get(key)
        if message is not None and (id or not (message.finished or complete)):
            return message
        if len(self._messages) >= MAX_INDEX:
            self._messages.pop(next(iter(self._messages)))
        message = self._messages[key] = _Message(self._parts)
        message.nested = key in self._nested
        self._parts += 1
        return message

    def learn(self, value: Mapping[str, Any]) -> None:
        """What comes before messages that are told whole: of which step they are, by their ids."""
        for id, about in value.items():
            if is_mapping(about) and is_nested(about.get("metadata")):
                if len(self._nested) >= MAX_INDEX:
                    self._nested.clear()
                self._nested[hash(id)] = None

    def look_at_last(self, value: Any) -> None:
        """The last message of a state, which comes after a step: the run may rest there."""
        if not is_answer(value):
            self.rests = False
            return
        id = value.get("id")
        known = self._messages.get(hash(id)) if isinstance(id, str) and id else None
        if known is not None and known.nested:
            self.rests = False
            return
        self.rests = not value.get("tool_calls")
        word = finish_word(value.get("response_metadata"))
        if word or known is None:  # models that say nothing of it came to their end
            self.reason = reason_for(word, FINISH_REASONS) if word else "stop"

    def _receive_delta(
        self,
        message: _Message,
        content: Content,
        calls: Sequence[CallChunkWire],
        frame: Frame,
        events: list[Event],
    ) -> None:
        part = message.part
        message.streamed = True
        if content.reasoning or content.signature:
            said = (content.reasoning, 0, part, content.signature)
            events.append(Reasoning(*said, frame=frame))
        if content.text:
            message.said.add(content.text)
            events.append(Token(content.text, 0, part, frame=frame))
        events.extend(Data(kind, block, 0, part, frame=frame) for kind, block in content.data)
        fragments = [
            Fragment(
                _number_of(call.index, message.words),
                call.id,
                call.name,
                call.args or "",
            )
            for call in calls
        ]
        events += message.slots.receive(fragments, frame)

    def _receive_whole(
        self, message: _Message, content: Content, frame: Frame, events: list[Event]
    ) -> None:
        part = message.part
        thought = message.reasoning.read(content.reasoning).text
        signature = content.signature
        if signature is not None:
            told, message.signature = message.signature, hash(signature)
            signature = None if told == message.signature else signature
        if thought or signature:
            events.append(Reasoning(thought, 0, part, signature, frame=frame))
        events += message.text.tokens(content.text, frame, part=part)
        new = content.data[message.data :]
        message.data += len(new)
        events.extend(Data(kind, block, 0, part, frame=frame) for kind, block in new)

    def _receive_usage(
        self,
        message: _Message,
        wire: UsageWire,
        frame: Frame,
        events: list[Event],
        *,
        whole: bool,
    ) -> None:
        counts = message.counts
        for name, count in read_counts(wire).items():
            # The counts of chunks add up to those of the message; some vendors' begin with the
            # input's and end with the output's.
            counts[name] = count if whole else counts.get(name, 0) + count
        usage = Usage(**counts, final=message.finished, frame=frame)
        if usage != message.usage and counts:
            message.usage = usage
            events.append(usage)

    def _finish(
        self, message: _Message, raw: str | None, frame: Frame, events: list[Event]
    ) -> None:
        if message.finished and (message.worded or not raw):
            return  # merged chunks repeat the word, and even join it: "stopstop"
        reason = reason_for(raw, FINISH_REASONS)
        message.called = message.called or bool(message.slots or message.calls)
        events += self._close(message, frame, cut=reason in CUTTING)
        message.finished, message.worded, message.calls = True, bool(raw), ()
        if raw:
            events.append(Finished(0, reason, raw, frame=frame))
        others = all(one.finished for one in self._messages.values())
        self.rests = others and not (message.called or message.nested or reason == "tool_calls")
        self.reason = reason

    def _close(self, message: _Message, frame: Frame, *, cut: bool) -> list[Event]:
        """Close the calls of a message, once; say those that came whole."""
        if message.finished or cut:
            return []
        events = message.slots.close(frame)
        if message.slots:
            return events
        for position, call in enumerate(message.calls):
            arguments = call.args if isinstance(call.args, str) else json_text(call.args or {})
            said = (call.id or None, call.name or None, arguments, is_whole(arguments))
            events.append(ToolCall(f"{message.part}:{position}", 0, *said, frame=frame))
        return events

    def close_all(self, frame: Frame) -> list[Event]:
        """The run ended: so did messages whose models do not say why."""
        return [
            event
            for message in self._messages.values()
            for event in self._close(message, frame, cut=False)
        ]


def _number_of(index: Any, words: dict[str, int]) -> int | None:
    """Which of a message's calls this is, by a number or by a word."""
    if isinstance(index, str):
        known = words.get(index)
        if known is None and len(words) < MAX_INDEX:
            known = words[index] = len(words)
        return known
    return index if isinstance(index, int) and not isinstance(index, bool) else None


def is_nested(metadata: Any) -> bool:
    """Does this say that a subgraph's model spoke, or that a step put the message out?"""
    if not is_mapping(metadata):
        return False
    place = metadata.get("langgraph_checkpoint_ns")
    by_graph = metadata.get("ls_integration") == "langgraph"  # and not by a chat model
    return by_graph or (isinstance(place, str) and "|" in place)


def _kind(message: Any, frame: Frame) -> str:
    kind = message.get("type") if is_mapping(message) else None
    return kind if isinstance(kind, str) and kind else frame.event
