"""One choice of an answer in OpenAI chunks: its deltas to events, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from msgspec.structs import replace

from tokenwire.dialects.kit.call_fragments import Fragment
from tokenwire.dialects.kit.cumulative import Cumulative
from tokenwire.dialects.kit.payloads import is_list, is_mapping, reason_for
from tokenwire.dialects.kit.said import Said
from tokenwire.dialects.kit.toolcalls import CUTTING, ToolCallSlots
from tokenwire.dialects.openai.accents import (
    DELTA_DATA,
    AccentDeltaWire,
    AccentToolCallWire,
    said_in,
)
from tokenwire.dialects.openai.chat_wire import (
    DeltaWire,
    FunctionWire,
    ToolCallWire,
    arguments_of,
    is_unread,
    read_blocks,
    text_of,
)
from tokenwire.events import (
    Data,
    Event,
    Finished,
    Reason,
    Reasoning,
    Refusal,
    Reset,
    Token,
    ToolCall,
)
from tokenwire.frame import Frame

# Of a text that may come again whole: so many characters of its first pieces. A text of this many
# that is as long as all before and begins like it is no chance.
_OPENING: Final = 64
_FIRST: Final = 3
_NO_CHANCE: Final = 8


class Choice:
    """What is known of one choice.

    One flat record of 16 attributes: each choice of each answer has one, a token goes through it,
    and an object for its finish or its thinking would cost more memory than what it holds.

    Attributes:
        index: Its number.
        finished: It has a finish reason.
        reason: Why it finished.
        raw_reason: The service's word for it.
        runs: It spoke, and is not finished.
        went_on: It spoke after a finish reason, which therefore proves nothing.
        rests: It said nothing since another choice finished.
        spoken: Characters of its text.
        chunks: Chunks that it stood in, but for those that hold its text alone.
    """

    __slots__ = (
        *("_audio_ended", "_details", "_opening", "_pieces", "_refused", "_slots", "_thoughts"),
        *("finished", "index", "raw_reason", "reason", "rests", "runs", "spoken"),
        *("chunks", "went_on"),
    )

    def __init__(self, index: int) -> None:
        self.index = index
        self.finished = False
        self.reason: Reason = "other"
        self.raw_reason: str | None = None
        self.runs = False
        self.went_on = False
        self.rests = False
        self.spoken = 0
        self.chunks = 0
        self._opening = ""
        self._pieces = 0
        self._slots: ToolCallSlots | None = None  # of its calls, if there are any
        self._thoughts: Said | None = None
        self._details: Cumulative | None = None  # thinking that may come whole each time
        self._refused = False
        self._audio_ended = False

    @property
    def began(self) -> bool:
        """It stood in one chunk, and no more."""
        return self.chunks == 1 and self._pieces < 2

    @property
    def may_end(self) -> bool:
        """Nothing speaks for a cut, though it has no finish reason."""
        return self._slots is None or self._slots.whole

    @property
    def audio_ended(self) -> bool:
        """It gave all of its audio, which has no finish reason."""
        return self._audio_ended and self.may_end

    def receive_delta(
        self,
        delta: DeltaWire,
        frame: Frame,
        events: list[Event],
        *,
        last: bool = False,
        whole: bool = False,
    ) -> None:
        """Add the events of a delta.

        Args:
            delta: What it says.
            frame: Where it stands.
            events: Those of the frame so far.
            last: A finish reason stands beside it.
            whole: It is a message: its calls are all there is of them.
        """
        accents = None if type(delta) is DeltaWire else delta
        if delta.reasoning_content or delta.reasoning or delta.reasoning_details or accents:
            self._receive_thought(delta, frame, events)
        if delta.content and not ((last or delta.tool_calls) and self.is_repetition(delta.content)):
            self.receive_content(delta.content, frame, events)
        if delta.refusal:
            self._refused = True
            events.append(Refusal(delta.refusal, self.index, frame=frame))
        if delta.tool_calls and not self._go_on_with_call(delta.tool_calls, frame, events):
            self._receive_tool_calls(delta.tool_calls, frame, events, whole=whole)
        if delta.function_call is not None:
            call = ToolCallWire(index=0, function=delta.function_call)
            self._receive_tool_calls([call], frame, events)
        if accents is not None and isinstance(accents, AccentDeltaWire):
            for kind, value in said_in(accents, DELTA_DATA):
                events.append(Data(kind, value, self.index, frame=frame))
            audio = accents.audio
            self._audio_ended |= is_mapping(audio) and audio.get("expires_at") is not None

    def speak(self, text: str) -> None:
        """Take note of a text."""
        if self._pieces < _FIRST:
            self._opening = (self._opening + text)[:_OPENING]
        self._pieces += 1
        self.spoken += len(text)
        self.rests = False
        if self.finished:
            self.went_on = True
        else:
            self.runs = True

    def receive_content(self, content: Any, frame: Frame, events: list[Event]) -> None:
        """Add the events of a text, or of blocks."""
        if isinstance(content, str):
            self.speak(content)
            events.append(Token(content, self.index, frame=frame))
            return
        self._go_on()
        for event in read_blocks(content, self.index, frame):
            if type(event) is Reasoning:  # an `isinstance` that fails costs more than twice this
                self._think(event.text)
            elif type(event) is Token:
                self.speak(event.text)
            events.append(event)

    def is_repetition(self, content: Any) -> bool:
        """Is this all of the text once more?

        Some gateways put the whole message into the delta that ends it or that calls a tool. A text
        that is as long as everything before and begins with the same words, in the delta where the
        text is over, is no new one; a text that only resembles one is reported.
        """
        return (
            isinstance(content, str)
            and self._pieces > 1
            and len(content) == self.spoken >= _NO_CHANCE
            and content.startswith(self._opening)
        )

    def news_in(self, message: DeltaWire) -> DeltaWire:
        """What a whole message says that no delta said: MiniMax and others repeat it all."""
        calls = message.tool_calls
        if self._slots:
            calls = tuple(call for call in calls or () if call.id)
        known = self._thoughts is not None
        return replace(
            message,
            content=self._rest_of(message.content),
            reasoning_content=self._thoughts_in(message.reasoning_content),
            reasoning=self._thoughts_in(message.reasoning),
            reasoning_details=None if known else message.reasoning_details,
            refusal=None if self._refused else message.refusal,
            tool_calls=calls,
            function_call=None if self._slots else message.function_call,
        )

    def _rest_of(self, content: Any) -> Any:
        if not self.spoken:
            return content
        longer = isinstance(content, str) and content.startswith(self._opening)
        return content[self.spoken :] if longer else None

    def _thoughts_in(self, thought: Any) -> Any:
        return thought if self._thoughts is None else self._thoughts.rest_of(text_of(thought))

    def receive_finish(
        self, raw: str, words: Mapping[str, Reason], frame: Frame, events: list[Event]
    ) -> None:
        """Add what a finish reason ends: the calls, unless it may have cut them, and the choice."""
        reason = reason_for(raw, words)
        if reason not in CUTTING:
            events += self._close_calls(frame)
        if self.raw_reason != raw:  # some services repeat it beside the usage
            events.append(Finished(self.index, reason, raw, frame=frame))
        self.finished, self.runs = True, False
        self.reason, self.raw_reason = reason, raw

    def finish(self, frame: Frame) -> list[Event]:
        """End it without a finish reason, where the sentinel is all that there is."""
        self.finished, self.runs = True, False
        self.reason = "tool_calls" if self._slots else "other"
        return [*self._close_calls(frame), Finished(self.index, self.reason, frame=frame)]

    def _go_on(self) -> None:
        self.rests = False
        if self.finished:
            self.went_on = True
        else:
            self.runs = True

    # --- thinking ---

    def _receive_thought(self, delta: DeltaWire, frame: Frame, events: list[Event]) -> None:
        index = self.index
        accents = delta if isinstance(delta, AccentDeltaWire) else None
        thought: Any = delta.reasoning_content or delta.reasoning
        if accents is not None:
            thought = thought or accents.reasoning_text
            blocks = accents.thinking_blocks
            if blocks:
                self._receive_blocks(blocks, not thought, frame, events)
        if thought:
            text = self._think(text_of(thought))
            said = Reasoning(text, index, frame=frame) if text else None
            events.append(said or Data("reasoning", thought, index, frame=frame))
        if delta.reasoning_details:
            self._receive_details(delta.reasoning_details, not thought, frame, events)
        if accents is not None:
            signatures = (accents.reasoning_opaque, _signature_in(accents.extra_content))
            events += [
                Reasoning("", index, signature=signature, frame=frame)
                for signature in signatures
                if signature
            ]
            if accents.extra_content and not signatures[1]:
                events.append(Data("extra_content", accents.extra_content, index, frame=frame))

    def _think(self, text: str) -> str:
        self._thoughts = self._thoughts or Said()
        self._thoughts.add(text)
        return text

    def _receive_blocks(self, blocks: Any, unsaid: bool, frame: Frame, events: list[Event]) -> None:
        """LiteLLM's: the text is in another field too, the signature is not."""
        for block in blocks if is_list(blocks) else [blocks]:
            if not is_mapping(block):
                self._tell("thinking_blocks", block, frame, events)
                continue
            text = self._think(text_of(block)) if unsaid else ""
            signature = _text(block.get("signature")) or None
            if text or signature:
                events.append(Reasoning(text, self.index, signature=signature, frame=frame))
            if block.get("data"):
                events.append(Data("encrypted_reasoning", block, self.index, frame=frame))

    def _receive_details(
        self, details: Any, unsaid: bool, frame: Frame, events: list[Event]
    ) -> None:
        for detail in details if is_list(details) else [details]:
            if not is_mapping(detail):
                self._tell("reasoning_details", detail, frame, events)
                continue
            kind = detail.get("type")
            signature = _text(detail.get("signature")) or None
            thought = detail.get("text") or detail.get("summary")
            self._receive_detail(text_of(thought) if unsaid else "", signature, frame, events)
            read = {"text": thought, "signature": detail.get("signature")}
            if is_unread(read if kind or thought or detail.get("data") else detail):
                self._tell("reasoning_details", detail, frame, events)
            if detail.get("data"):
                events.append(Data("encrypted_reasoning", detail, self.index, frame=frame))
            elif isinstance(kind, str) and kind not in _THOUGHTS:
                events.append(Data(kind, detail, self.index, frame=frame))

    def _tell(self, name: str, value: Any, frame: Frame, events: list[Event]) -> None:
        """Tell what stands where a thought should, and is none."""
        events.append(Data("extra", {name: value}, self.index, frame=frame))

    def _receive_detail(
        self, text: str, signature: str | None, frame: Frame, events: list[Event]
    ) -> None:
        """OpenRouter sends pieces, some gateways all of it each time: the texts themselves show."""
        self._details = self._details or Cumulative(None)
        said = self._details.read(text)
        if said.replaces and not (self.spoken or self._slots):
            events.append(Reset(self.index, frame=frame))  # it would void an answer too
        if said.text or signature:
            text = self._think(said.text)
            events.append(Reasoning(text, self.index, signature=signature, frame=frame))

    # --- calls ---

    def _go_on_with_call(
        self, calls: Sequence[ToolCallWire], frame: Frame, events: list[Event]
    ) -> bool:
        """Nearly every delta of calls has one more piece of arguments, and nothing else."""
        if self._slots is None or len(calls) != 1:
            return False
        call = calls[0]
        function = call.function
        if call.id or function is None or function.name or type(call) is not ToolCallWire:
            return False
        piece = function.arguments
        key = self._slots.go_on(call.index, piece) if isinstance(piece, str) else None
        if key is None:
            return False
        self._go_on()
        events.append(ToolCall(key, self.index, None, None, cast("str", piece), frame=frame))
        return True

    def _receive_tool_calls(
        self,
        calls: Sequence[ToolCallWire],
        frame: Frame,
        events: list[Event],
        *,
        whole: bool = False,
    ) -> None:
        self._go_on()
        slots = self._slots = self._slots or ToolCallSlots(self.index)
        events += slots.receive([_fragment(call, whole) for call in calls], frame)
        for call in calls:
            if isinstance(call, AccentToolCallWire) and call.extra_content:
                events.append(Data("extra_content", call.extra_content, self.index, frame=frame))

    def _close_calls(self, frame: Frame) -> list[Event]:
        """The calls that are complete now; each is reported once."""
        return [] if self._slots is None else self._slots.close(frame)


_THOUGHTS: Final = ("reasoning.text", "reasoning.summary", "reasoning.encrypted")


def _fragment(call: ToolCallWire, whole: bool) -> Fragment:
    custom = call.custom if isinstance(call, AccentToolCallWire) else None
    if custom is not None and call.function is None:
        return Fragment(call.index, call.id, custom.name, custom.input or "", free=True)
    function = call.function or FunctionWire()
    text = arguments_of(function.arguments)
    return Fragment(call.index, call.id, function.name, text, whole=whole)


def _signature_in(extra: Any) -> str:
    """Gemini's, of a delta."""
    google = extra.get("google") if is_mapping(extra) else None
    return _text(google.get("thought_signature")) if is_mapping(google) else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
