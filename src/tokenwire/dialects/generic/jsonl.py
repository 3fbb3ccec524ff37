"""``jsonl``: one JSON value a line, with the places of text and end given by you.

``get_dialect("jsonl")`` reads ``{"text": "Hi"}`` and ``{"done": true}``; `json_lines` makes one
for other paths. A line without text or end is `Data` (kind ``json``), one with an ``error`` is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.kit.encoding import cannot_say, json_frame
from tokenwire.dialects.kit.errors import read_error
from tokenwire.dialects.kit.lenient import EMPTY, text_from
from tokenwire.dialects.kit.payloads import (
    MalformedError,
    is_list,
    is_mapping,
    malformed,
    read_payloads,
)
from tokenwire.events import Data, Done, Error, Event, Heartbeat, Token
from tokenwire.frame import Frame
from tokenwire.framing.jsonlines import JSONLinesFramer

_decode_json = msgspec.json.Decoder().decode


def json_lines(
    *, text: str = "text", end: str = "done", error: str = "error", name: str = "jsonl"
) -> Dialect:
    """A dialect of JSON Lines.

    Args:
        text: Where a line's text stands: names and list indices joined by dots, as
            ``choices.0.text``.
        end: Where the value stands that ends the answer, once it is neither false, null, 0 nor
            empty. There must be one: without it a cut answer looks like a whole one.
        error: Where an error stands: a text, or an object with ``message`` and ``code``.
        name: What the dialect is called in messages.

    Raises:
        ValueError: A path is empty.
    """
    paths = {"text": text, "end": end, "error": error}
    for what, path in paths.items():
        if not all(path.split(".")):
            raise ValueError(f"{what} must be a path such as 'message.content', not {path!r}")
    to_text, to_end, to_error = (tuple(path.split(".")) for path in paths.values())

    def decode(frame: Frame) -> Sequence[Event]:
        try:
            values: list[Any] = read_payloads(frame.data or b"", object, _decode_json)
        except MalformedError as reason:
            return (malformed(frame, reason),)
        return [event for value in values for event in events_of(value, frame)]

    def events_of(value: Any, frame: Frame) -> Sequence[Event]:
        failed = _look_up(value, to_error)
        if failed:
            return (read_error(failed).event(frame),)
        said, ended = _look_up(value, to_text), _look_up(value, to_end)
        events: list[Event] = []
        text = text_from(said)
        if text is not None:
            events += [Token(text, frame=frame)] if text else []
        elif not ended or said not in EMPTY:
            events.append(Data("json", value, frame=frame))
        if ended:
            events.append(Done("stop", frame=frame))
        return events

    def encode(event: Event) -> Sequence[Frame]:
        match event:
            case Token(text=said, index=0):
                return json_frame(_at(to_text, said))
            case Data(kind="json", value=value) if events_of(value, Frame()) == [event]:
                return json_frame(value)
            case Heartbeat(text=""):
                return (Frame(),)
            case Error(fatal=True, message=message, code=code):
                return json_frame(_at(to_error, {"message": message, "code": code}))
            case Done():
                return json_frame(_at(to_end, True))
            case _:
                raise cannot_say(name, event)

    return Dialect(
        name=name,
        framer=JSONLinesFramer,
        decoder=lambda: decode,
        encoder=lambda: encode,
        media_types=("application/jsonl", "application/x-ndjson", "application/json"),
        terminator=f"a line with {end!r} set",
        notes=Notes(
            vendor="no one's: for services of your own",
            sources=("https://jsonlines.org",),
            text=f".{text}",
            errors=f"a line with .{error} set: a text, or an object with message and code",
            heartbeats="a blank line",
            quirks=("A line with neither text, end nor error is Data of kind json.",),
        ),
    )


def _look_up(value: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        if is_mapping(value):
            value = value.get(step)
        elif is_list(value) and step.isascii() and step.isdigit():
            value = value[int(step)] if int(step) < len(value) else None
        else:
            return None
    return value


def _at(path: tuple[str, ...], value: Any) -> Any:
    """The smallest document that has this value at this path."""
    for step in reversed(path):
        value = [None] * int(step) + [value] if step.isdigit() else {step: value}
    return value


JSONL = json_lines()
