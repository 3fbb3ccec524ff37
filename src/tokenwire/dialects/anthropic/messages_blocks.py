"""The blocks of a message: what opens them, the deltas that fill them, and what they come to.

Texts, thoughts and calls are reported piece by piece; other blocks come whole and are `Data`. What
a message is besides its blocks, and how it ends, is decided in `messages`; when a call is complete,
in `tokenwire.dialects.kit.block_calls`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tokenwire.dialects.anthropic.messages_repeats import Repeats
from tokenwire.dialects.anthropic.messages_wire import TOOL_BLOCKS, DeltaWire, kind_of
from tokenwire.dialects.kit.block_calls import BlockCalls
from tokenwire.dialects.kit.envelope import Envelope
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.fields import Fields, text_in
from tokenwire.dialects.kit.payloads import (
    MalformedError,
    is_mapping,
    json_text,
    list_of,
    malformed,
)
from tokenwire.events import Data, Event, Reasoning, Token, ToolCall, Unknown
from tokenwire.frame import Frame

# Fields of the blocks that come piece by piece; those of others are passed on whole.
_IN_BLOCK: Final = Fields(
    words={"type"},
    texts={"text", "thinking", "signature", "id", "name"},
    lists={"citations"},
    others={"input", "caller", "cache_control"},
)

# Nearly every block that comes piece by piece begins so.
_BEGINNINGS: Final = (
    {"type": "text", "text": ""},
    {"type": "thinking", "thinking": "", "signature": ""},
)


class Blocks:
    """Blocks and their deltas to events.

    Args:
        calls: The calls among them, which the end of the message closes.
        extras: Reports fields that nobody knows.
        envelope: Learns the frames that hold a text and nothing else, if it may.
    """

    __slots__ = ("_calls", "_envelope", "_extras", "_repeats")

    def __init__(self, calls: BlockCalls, extras: Extras, envelope: Envelope | None) -> None:
        self._calls = calls
        self._extras = extras
        self._envelope = envelope
        self._repeats: Repeats | None = None  # nearly no message has content in its start

    def forget(self) -> None:
        """The message is void."""
        self._calls.forget()
        self._repeats = None

    def receive_content(
        self, content: list[Any] | str, frame: Frame, *, may_repeat: bool
    ) -> list[Event]:
        """The events of whole blocks, as the start of a message may have them.

        Args:
            content: The blocks, or a text that is the only one.
            frame: Where they stand.
            may_repeat: They may come again as blocks of the stream.
        """
        events: list[Event] = []
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for index, block in enumerate(blocks):
            if is_mapping(block):
                events += self.open(block, index, frame)
                events += self._calls.close(index, frame)
                if may_repeat and len(block) > 1:
                    self._repeats = self._repeats or Repeats()
                    self._repeats.add(block, index)
        return events

    def open(self, block: Mapping[str, Any], index: int, frame: Frame) -> Sequence[Event]:
        """A block begins, or comes whole."""
        if self._repeats is not None and index in self._repeats:
            return self._repeats.reopen(block, index, frame)
        if block in _BEGINNINGS:
            return self._calls.begin(frame)
        kind = text_in(block, "type")
        if kind in TOOL_BLOCKS:
            return self._open_call(block, kind, index, frame)
        events = self._calls.begin(frame)
        if kind == "text":
            text = text_in(block, "text")
            if text:
                events.append(Token(text, part=index, frame=frame))
            for citation in list_of(block.get("citations")):
                events.append(Data("citation", citation, 0, index, frame=frame))
        elif kind == "thinking":
            text = text_in(block, "thinking")
            signature = text_in(block, "signature")
            if text or signature:
                events.append(Reasoning(text or "", 0, index, signature, frame=frame))
        elif kind == "compaction" and not (block.get("content") or block.get("encrypted_content")):
            return events  # it comes in a delta
        else:
            # redacted_thinking, results of server tools, fallback and compaction blocks: whole.
            return [*events, Data(str(kind), block, part=index, frame=frame)]
        self._report_unread(block, frame, events)
        return events

    def close(self, index: int, frame: Frame) -> Sequence[Event]:
        """A block ends."""
        if self._repeats is not None:
            self._repeats.close(index)
        return self._calls.close(index, frame)

    def _open_call(
        self, block: Mapping[str, Any], kind: str | None, index: int, frame: Frame
    ) -> Sequence[Event]:
        id = text_in(block, "id")
        if self._calls.reopen(index, id):
            return ()
        events = self._calls.begin(frame, index)
        given = block.get("input") or ""
        held = given if isinstance(given, str) else json_text(given)
        try:
            key = self._calls.open(index, id, held)
        except MalformedError as reason:
            return [*events, malformed(frame, reason)]
        name, served = text_in(block, "name"), kind != "tool_use"
        events.append(ToolCall(key, 0, id, name, provider_executed=served, frame=frame))
        caller = block.get("caller")
        if is_mapping(caller) and caller.get("type") != "direct":  # a program of the model's
            events.append(Data("caller", caller, 0, index, frame=frame))
        self._report_unread(block, frame, events)
        return events

    def _report_unread(self, block: Mapping[str, Any], frame: Frame, events: list[Event]) -> None:
        """Fields that nobody knows, and values of another type."""
        unread = _IN_BLOCK.unread(block, "content_block")
        if unread:
            self._extras.tell(unread, frame, events)

    def receive_delta(self, delta: DeltaWire, index: int, frame: Frame) -> Sequence[Event]:
        """A piece of a block."""
        repeats = self._repeats
        match delta.type or kind_of(delta):
            case "input_json_delta":
                piece = delta.partial_json
                if not piece or (repeats is not None and index in repeats):
                    return ()
                if not isinstance(piece, str):
                    piece = json_text(piece)
                try:
                    return self._calls.receive_piece(index, piece, frame)
                except MalformedError as reason:
                    return (malformed(frame, reason),)
            case "text_delta" | "thinking_delta" as kind:
                text = delta.text if kind == "text_delta" else delta.thinking
                if not text:
                    return ()
                if repeats is not None and index in repeats:
                    return repeats.receive_piece(text, index, frame)
                event = (Token if kind == "text_delta" else Reasoning)(text, 0, index, frame=frame)
                if self._envelope is not None and not repeats:
                    self._envelope.learn(frame, event)
                return (event,)
            case "signature_delta":
                return (Reasoning("", 0, index, delta.signature, frame=frame),)
            case "citations_delta":
                return (Data("citation", delta.citation, 0, index, frame=frame),)
            case "compaction_delta":
                fields = {"content": delta.content, "encrypted_content": delta.encrypted_content}
                known = {name: value for name, value in fields.items() if value is not None}
                return (Data("compaction", {"type": "compaction", **known}, 0, index, frame=frame),)
            case _:
                return (Unknown(frame=frame),)
