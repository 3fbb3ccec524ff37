"""``anthropic-complete``: Anthropic's text completions, which came before messages.

Source: the anthropic SDK (``completions.create``), and recordings.

Each event is a piece of the text; the last one has a ``stop_reason``, and completes the answer. As
only the end of the body shows that it was the last one, `Done` comes there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.anthropic.messages_wire import STOP_REASONS
from tokenwire.dialects.kit.encoding import cannot_say, heartbeat, json_frame, word_for
from tokenwire.dialects.kit.errors import find_error
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.one_choice import OneChoice, read_frame
from tokenwire.dialects.kit.payloads import json_or_text
from tokenwire.errors import LocalProtocolError
from tokenwire.events import Done, Error, Event, Finished, Heartbeat, Started, Token, Unknown
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer


class EventWire(Struct):
    type: str | None = None
    completion: str | None = None
    stop_reason: str | None = None
    id: str | None = None
    model: str | None = None


_decode_json = JSONDecoder(EventWire).decode


class Decoder:
    """Pieces of a text to events."""

    def __init__(self) -> None:
        self._choice = OneChoice(STOP_REASONS)
        self._extras = Extras()

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        return read_frame(frame, EventWire, _decode_json, self._receive, self._extras)

    def receive_eof(self) -> Sequence[Event]:
        """Complete if the last piece had a reason."""
        return self._choice.done()

    def _receive(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        kind = wire.type or frame.event
        if kind == "ping":
            return (Heartbeat(kind, frame=frame),)
        if kind != "completion":
            error = find_error(json_or_text(frame.data or b""))
            return (error.event(frame) if error else Unknown(frame=frame),)
        events = self._choice.start(frame, wire.id, wire.model)
        if wire.completion:
            self._choice.reason = None  # it goes on
            events.append(Token(wire.completion, frame=frame))
        return [
            *events,
            *(self._choice.finish(wire.stop_reason, frame) if wire.stop_reason else ()),
        ]


class Encoder:
    """Writes pieces of a text, the last one with its reason."""

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}
        self._finished = False

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The frames of one event.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        match event:
            case Started(id=id, model=model):
                self._head = {"id": id, "model": model}
                return self._say("")
            case Token(text=text, index=0, part=0):
                return self._say(text)
            case Finished(index=0):
                self._finished = True
                return self._say("", word_for(event, STOP_REASONS))
            case Heartbeat():
                return heartbeat(event)
            case Error(fatal=True, message=message, code=code):
                error = {"type": code or "api_error", "message": message}
                return json_frame({"type": "error", "error": error}, "error")
            case Done():
                if not self._finished:
                    raise LocalProtocolError("anthropic-complete: Done comes after a Finished")
                return ()
            case _:
                raise cannot_say("anthropic-complete", event)

    def _say(self, text: str, reason: str | None = None) -> Sequence[Frame]:
        said = {"type": "completion", "completion": text, "stop_reason": reason, "stop": None}
        return json_frame({**said, **self._head}, "completion")


ANTHROPIC_COMPLETE = Dialect(
    name="anthropic-complete",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=Encoder,
    terminator="a stop_reason",
    marks=(("type=completion", "completion"),),
    notes=Notes(
        vendor="Anthropic, text completions (deprecated)",
        sources=("the anthropic SDK: types/completion.py",),
        request='POST /v1/complete with "stream": true',
        text="completion",
        errors='event: error, {"type": "error", "error": {"type", "message"}}',
        heartbeats="event: ping",
        quirks=(
            "The last piece has the stop_reason, and mostly text of its own: Done comes at the end"
            " of the body.",
            "anthropic-messages reads these events too.",
        ),
    ),
)
