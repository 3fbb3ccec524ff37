"""``positioned``: tokens that know their place, ``data: {"token": "Hi", "position": 0}``.

The answer ends with ``data: {"done": true}`` or ``data: [DONE]``; an error is ``data: {"error":
...}``. A reconnect sends the last position that was received as ``resume_from``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.json import Decoder as JSONDecoder

from tokenwire.cursor import Cursor
from tokenwire.dialects import Dialect, Notes, Resumption
from tokenwire.dialects.kit.encoding import cannot_say, heartbeat, json_frame
from tokenwire.dialects.kit.errors import read_error
from tokenwire.dialects.kit.one_choice import read_frame
from tokenwire.dialects.kit.payloads import UNREADABLE, is_done_sentinel
from tokenwire.events import Done, Error, Event, Heartbeat, Token, Unknown
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer
from tokenwire.request import Known, Request


class Positioned(Struct):
    """One payload."""

    token: str | None = None
    position: int | None = None
    done: bool | None = None
    error: Any = None


_decode_json = JSONDecoder(Positioned).decode


def decode(frame: Frame) -> Sequence[Event]:
    """The events of one frame."""
    if is_done_sentinel(frame.data or b""):
        return (Done("stop", frame=frame),)
    return read_frame(frame, Positioned, _decode_json, _events)


def _events(payload: Positioned, frame: Frame) -> Sequence[Event]:
    if payload.error:
        return (read_error(payload.error).event(frame),)
    if payload.done:
        return (Done("stop", frame=frame),)
    if payload.token is None:
        return (Unknown(frame=frame),)
    return (Token(payload.token, frame=frame),) if payload.token else ()


def read_position(frame: Frame) -> int | None:
    """The position of the token in this frame."""
    try:
        return _decode_json(frame.data or b"").position
    except UNREADABLE:
        return None


def reconnect(request: Request, cursor: Cursor, known: Known) -> Request | None:
    """The same request with the last position that came; None where its body is no JSON object."""
    return None if cursor.value is None else request.with_field("resume_from", cursor.value)


class Encoder:
    """Numbers the tokens from 0, as they are sent."""

    def __init__(self) -> None:
        self._position = 0

    def __call__(self, event: Event) -> Sequence[Frame]:
        """`Token`, `Heartbeat`, `Error` and `Done`."""
        match event:
            case Token(text=text, index=0):
                frames = json_frame({"token": text, "position": self._position})
                self._position += 1
                return frames
            case Heartbeat():
                return heartbeat(event)
            case Error(fatal=True, message=message, code=code):
                return json_frame({"error": {"message": message, "code": code}})
            case Done():
                return json_frame({"done": True})
            case _:
                raise cannot_say("positioned", event)


POSITIONED = Dialect(
    name="positioned",
    framer=SSEFramer,
    decoder=lambda: decode,
    encoder=Encoder,
    terminator='data: {"done": true} or data: [DONE]',
    resumption=Resumption(
        method="cursor",
        kind="position",
        field="resume_from in the body",
        read=read_position,
        reconnect=reconnect,
        order="dense",
    ),
    marks=(("token", "position"),),
    notes=Notes(
        vendor="no one's: for services of your own",
        text=".token",
        errors='data: {"error": "text"} or data: {"error": {"message", "code"}}',
        resume="the position of the last token that came, as resume_from in the body; the server"
        " goes on after it",
    ),
)
