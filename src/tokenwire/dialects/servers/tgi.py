"""``tgi``: Hugging Face's Text Generation Inference, ``POST /generate_stream``.

Source: https://huggingface.co/docs/text-generation-inference, and its router/src/server.rs.

An answer is complete at the token that comes with ``generated_text``, the whole text once more;
there is no ``[DONE]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.kit.encoding import cannot_say, heartbeat, json_frame, word_for
from tokenwire.dialects.kit.errors import VendorError, read_error
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.lenient import text_from
from tokenwire.dialects.kit.one_choice import OneChoice, read_frame
from tokenwire.dialects.kit.said import Said
from tokenwire.errors import LocalProtocolError
from tokenwire.events import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Reason,
    Token,
    Unknown,
    Usage,
)
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer


class TokenWire(Struct, gc=False):
    """One token of the model."""

    text: str | None = None
    special: bool | None = None  # a mark such as </s>, which is no text


class DetailsWire(Struct, gc=False):
    """With the last token, where the request asked for details."""

    finish_reason: str | None = None
    generated_tokens: int | None = None
    input_length: int | None = None


class PieceWire(Struct):
    """One payload."""

    token: TokenWire | None = None
    top_tokens: Any = None
    generated_text: Any = None  # a text; a number is one only where just that was said
    details: DetailsWire | None = None
    error: Any = None
    error_type: str | None = None


FINISH_REASONS: Final[Mapping[str, Reason]] = {
    "eos_token": "stop",
    "stop_sequence": "stop",
    "length": "length",
}
"""Anything else is ``other``: without details no reason is told at all."""

# The server's own classes of errors: of these it says itself that they pass.
_RETRYABLE: Final = frozenset(
    {"overloaded", "incomplete_generation", "incomplete_generation_stream"}
)

_decode_json = JSONDecoder(PieceWire).decode


class Decoder:
    """Payloads to events."""

    def __init__(self) -> None:
        self._answer = OneChoice(FINISH_REASONS)
        self._said = Said()
        self._extras = Extras()

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        return read_frame(frame, PieceWire, _decode_json, self._receive, self._extras)

    def receive_eof(self) -> Sequence[Event]:
        """Only ``generated_text`` completes an answer."""
        return self._answer.done()

    def _receive(self, wire: PieceWire, frame: Frame) -> Sequence[Event]:
        if wire.error:
            return (_error(wire).event(frame),)
        token, whole = wire.token, text_from(wire.generated_text)
        if token is None and whole is None:
            return (Unknown(frame=frame),)
        events: list[Event] = []
        self._answer.reason = None  # else a text was taken for the whole one, and was not
        if token is not None and token.text and not token.special:
            self._said.add(token.text)
            events.append(Token(token.text, frame=frame))
        if wire.top_tokens:
            events.append(Data("top_tokens", wire.top_tokens, frame=frame))
        rest = None if whole is None else self._said.rest_of(whole)
        if rest == "" or isinstance(wire.generated_text, str):
            if rest:  # no token brought it
                self._said.add(rest)
                events.append(Token(rest, frame=frame))
            events += self._finish(wire.details or DetailsWire(), frame)
            # With more than was said, the prompt before it, or written in another way, it proves
            # so much only where nothing follows.
            events += self._answer.done(frame) if rest == "" else ()
        elif wire.generated_text:
            self._extras.tell({"generated_text": wire.generated_text}, frame, events)
        return events

    def _finish(self, details: DetailsWire, frame: Frame) -> list[Event]:
        finished = self._answer.finish(details.finish_reason, frame)
        if details.generated_tokens is None and details.input_length is None:
            return finished
        counts = (details.input_length, details.generated_tokens)
        return [Usage(*counts, final=True, frame=frame), *finished]


def _error(wire: PieceWire) -> VendorError:
    found = read_error(wire.error)
    retryable = True if wire.error_type in _RETRYABLE else found.retryable
    return VendorError(found.message, wire.error_type or found.code, found.status, retryable)


class Encoder:
    """Writes a payload for each token; usage and the finish reason wait for the last one."""

    def __init__(self) -> None:
        self._index = 0
        self._text: list[str] = []
        self._details: dict[str, Any] = {}

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The payloads of one event.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        match event:
            case Token(text=text, index=0):
                self._text.append(text)
                return self._token(text)
            case Usage(input_tokens=input_tokens, output_tokens=output_tokens):
                counts = {"generated_tokens": output_tokens, "input_length": input_tokens}
                self._details |= {name: n for name, n in counts.items() if n is not None}
                return ()
            case Finished(index=0):
                self._details["finish_reason"] = word_for(event, FINISH_REASONS)
                return ()
            case Done():
                if "finish_reason" not in self._details:
                    raise LocalProtocolError("tgi: Done comes after a Finished")
                return self._token("", "".join(self._text))
            case Heartbeat():
                return heartbeat(event)
            case Error(fatal=True, message=message, code=code):
                return json_frame({"error": message} | ({"error_type": code} if code else {}))
            case _:
                raise cannot_say("tgi", event)

    def _token(self, text: str, whole: str | None = None) -> Sequence[Frame]:
        self._index += 1
        token = {"id": 0, "text": text, "logprob": 0.0, "special": whole is not None}
        details = None if whole is None else {**self._details, "seed": None}
        return json_frame(
            {"index": self._index, "token": token, "generated_text": whole, "details": details}
        )


TGI = Dialect(
    name="tgi",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=Encoder,
    terminator="generated_text",
    marks=(("token.text", "token.id"), ("token.text", "generated_text"), ("error", "error_type")),
    notes=Notes(
        vendor="Hugging Face Text Generation Inference, and Inference Endpoints that run it",
        sources=(
            "https://huggingface.co/docs/text-generation-inference",
            "text-generation-inference: router/src/server.rs, router/src/lib.rs",
        ),
        request="POST /generate_stream",
        text=".token.text, unless .token.special",
        errors='data: {"error": "text", "error_type": "word"}; overloaded and'
        " incomplete_generation pass, all others do not. A 4xx may hold an event stream too",
        heartbeats="an empty comment every 15 s",
        quirks=(
            "old builds write data: without a space.",
            "the last payload repeats the whole answer in generated_text; it is the proof of"
            " completeness and not added again. There is no [DONE].",
            "old builds write NaN for a logprob; read all the same.",
            "Without parameters.details there is neither a finish reason nor usage: the answer"
            " ends as other.",
            "With return_full_text the prompt stands in generated_text too: what is not the text of"
            " the tokens completes the answer at the end of the body.",
            "Special tokens such as </s> come as tokens and are no text.",
        ),
        doubtful=("Whether the current build writes a space after data:.",),
    ),
)
