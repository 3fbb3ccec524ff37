"""What stands inside the chunks of ``bedrock-invoke``: the wire of the model's own family."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Raw, Struct
from msgspec.json import Decoder as JSONDecoder
from msgspec.json import encode as to_json

from tokenwire.dialects import StatefulDecoder
from tokenwire.dialects.anthropic import messages as anthropic_messages
from tokenwire.dialects.bedrock import converse as bedrock_converse
from tokenwire.dialects.bedrock.errors import STATUSES
from tokenwire.dialects.cohere import v1 as cohere_v1
from tokenwire.dialects.cohere import v2 as cohere_v2
from tokenwire.dialects.kit.one_choice import OneChoice, read_frame
from tokenwire.dialects.kit.payloads import UNREADABLE, is_list, is_mapping, json_or_text, malformed
from tokenwire.dialects.openai import chat as openai_chat
from tokenwire.events import Event, Reason, Token, Unknown, Usage
from tokenwire.frame import Frame

_decode_keys = JSONDecoder(dict[str, Raw]).decode


class OutputWire(Struct, gc=False):
    text: str | None = None
    stop_reason: str | None = None


class TextWire(
    Struct,
    rename={
        "output_text": "outputText",
        "completion_reason": "completionReason",
        "input_count": "inputTextTokenCount",
        "output_count": "totalOutputTextTokenCount",
        "guardrail": "amazon-bedrock-guardrailAction",
        "metrics": "amazon-bedrock-invocationMetrics",
        "trace": "amazon-bedrock-trace",
    },
):
    """Pieces of text: of Titan, of Meta and DeepSeek, of Claude 2, and of Mistral."""

    output_text: str | None = None
    completion_reason: str | None = None
    input_count: int | None = None
    output_count: int | None = None
    generation: str | None = None
    prompt_token_count: int | None = None
    generation_token_count: int | None = None
    completion: str | None = None
    outputs: list[OutputWire] | None = None
    stop_reason: str | None = None
    guardrail: str | None = None
    metrics: Any = None  # this and the trace stand in the last piece
    trace: Any = None

    @property
    def blocked(self) -> str | None:
        """The word for an end that a guardrail made, which has no other; it may only mask, too."""
        last = self.output_count is not None or self.metrics or self.trace
        return self.guardrail if last and self.guardrail == "INTERVENED" else None


STOP_WORDS: Final[Mapping[str, Reason]] = {
    "FINISH": "stop",
    "FINISHED": "stop",
    "STOP_CRITERIA_MET": "stop",
    "stop": "stop",
    "stop_sequence": "stop",
    "LENGTH": "length",
    "length": "length",
    "max_tokens": "length",
    "CONTENT_FILTERED": "content_filter",
    "INTERVENED": "content_filter",
}
"""Anything else is ``other``."""

_decode_text = JSONDecoder(TextWire).decode


class TextDecoder:
    """Pieces of text to events."""

    def __init__(self) -> None:
        self._choice = OneChoice(STOP_WORDS)
        self._input: int | None = None  # Titan counts it in the first piece alone

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one piece."""
        return read_frame(frame, TextWire, _decode_text, self._receive)

    def receive_eof(self) -> Sequence[Event]:
        """Complete with a finish reason."""
        return self._choice.done()

    def _receive(self, wire: TextWire, frame: Frame) -> Sequence[Event]:
        output = wire.outputs[0] if wire.outputs else OutputWire()
        texts = (wire.output_text, wire.generation, wire.completion, output.text)
        text = next((text for text in texts if text is not None), None)
        word = wire.completion_reason or wire.stop_reason or output.stop_reason or wire.blocked
        if text is None and not word:
            return (Unknown(frame=frame),)
        events: list[Event] = [Token(text, frame=frame)] if text else []
        self._input = _first(wire.input_count, wire.prompt_token_count, self._input)
        if word:
            counts = (self._input, _first(wire.output_count, wire.generation_token_count))
            if counts != (None, None):
                events.append(Usage(*counts, final=True, frame=frame))
            events += self._choice.finish(word, frame)
        return events


def _first(*counts: int | None) -> int | None:
    return next((count for count in counts if count is not None), None)


class NovaDecoder:
    """The messages of Converse, each as an object with its type for a name."""

    def __init__(self) -> None:
        self._converse = bedrock_converse.Decoder()
        self.receive_eof = self._converse.receive_eof

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one object."""
        try:
            messages = _decode_keys(frame.data or b"")
        except UNREADABLE as error:
            return (malformed(frame, error),)
        known = [name for name in messages if name in bedrock_converse.EVENTS or name in STATUSES]
        if not known:
            return (Unknown(frame=frame),)
        inner = [Frame(bytes(messages[name]), name) for name in known]
        return [event for one in inner for event in self._converse.receive_frame(one)]


class ChoicesDecoder:
    """OpenAI's chunks, and those that say ``stop_reason`` and ``message`` where it has others."""

    def __init__(self) -> None:
        self._chat = openai_chat.Decoder()
        self.receive_eof = self._chat.receive_eof

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one chunk."""
        data = frame.data or b""
        chunk = json_or_text(data) if b'"stop_reason"' in data else None
        choices = chunk.get("choices") if is_mapping(chunk) else None
        if is_mapping(chunk) and is_list(choices):
            frame = Frame(to_json({**chunk, "choices": [_as_openai(one) for one in choices]}))
        return self._chat.receive_frame(frame)


def _as_openai(choice: Any) -> Any:
    """Mistral's and DeepSeek's choices, unverified: the message is a piece, not the whole."""
    if not is_mapping(choice) or choice.get("finish_reason"):
        return choice
    word = choice.get("stop_reason")  # elsewhere it may be the number of a token
    said = {"finish_reason": word if isinstance(word, str) else None}
    return {"delta": choice.get("message"), **choice, **said}


def _named_by_type(keys: Mapping[str, Raw]) -> StatefulDecoder:
    """Anthropic's types have underscores, Cohere's have hyphens."""
    if b"-" in bytes(keys["type"]):
        return cohere_v2.Decoder()
    return anthropic_messages.Decoder(learns=False)


_FAMILIES: Final[Sequence[tuple[frozenset[str], Callable[[], StatefulDecoder]]]] = (
    (bedrock_converse.EVENTS, NovaDecoder),
    (frozenset({"choices"}), ChoicesDecoder),
    (frozenset({"outputText", "generation", "completion", "outputs"}), TextDecoder),
    (frozenset({"event_type", "is_finished", "generations", "text"}), cohere_v1.Decoder),
)


def find_family(data: bytes) -> StatefulDecoder | None:
    """A decoder for the wire that this payload is of, or None."""
    try:
        keys = _decode_keys(data)
    except UNREADABLE:
        return None
    for names, family in _FAMILIES:
        if names & keys.keys():
            return family()
    return _named_by_type(keys) if "type" in keys else None
