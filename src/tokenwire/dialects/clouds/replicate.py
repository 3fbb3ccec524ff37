"""``replicate``: the event stream of a prediction, ``GET`` at its ``urls.stream``.

Source: https://replicate.com/docs/topics/predictions/streaming, and the Python client's stream.py.

The data of an ``output`` event is text, not JSON: spaces at its beginning and line ends count. An
answer is complete at the event ``done`` with ``{}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect, Notes, Resumption
from tokenwire.dialects.kit.encoding import cannot_say, heartbeat, json_frame, text_frame, word_for
from tokenwire.dialects.kit.one_choice import OneChoice, read_frame
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
)
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer


class DoneWire(Struct, gc=False):
    """The data of ``done``."""

    reason: str | None = None


DONE_REASONS: Final[Mapping[str, Reason]] = {"": "stop", "canceled": "cancelled", "error": "error"}
"""No reason is success; anything else is ``other``."""

# What a model that makes files sends in place of text, alone in its event. Text that a model
# writes may be an address as well, so of the addresses only those of Replicate's store are files.
_FILE: Final = re.compile(
    r"data:[\w.+-]+/[\w.+-]+(;[\w.=+-]+)*,[^\s]+|https://([\w-]+\.)*replicate\.delivery/[^\s]+",
    re.ASCII,
)

_decode_json = JSONDecoder(DoneWire).decode


class Decoder:
    """Events of the wire to events."""

    def __init__(self) -> None:
        self._answer = OneChoice(DONE_REASONS)

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        if frame.event in ("done", "error"):
            return read_frame(frame, DoneWire, _decode_json, self._receive_done)
        if frame.unterminated:  # half a text may look like JSON
            return ()
        text = frame.text
        if not text:
            return (Heartbeat(frame.event, frame=frame),)
        if frame.event not in ("output", "logs"):
            return (Unknown(frame=frame),)
        if frame.event == "logs":
            return (Data("logs", text, frame=frame),)
        if _FILE.fullmatch(text):
            return (Data("file", text, frame=frame),)
        return (Token(text, frame=frame),)

    def receive_eof(self) -> Sequence[Event]:
        """Only ``done`` completes an answer."""
        return ()

    def _receive_done(self, wire: DoneWire, frame: Frame) -> Sequence[Event]:
        return [*self._answer.finish(wire.reason, frame), *self._answer.done(frame)]


class Encoder:
    """Writes text as it is; the finish reason waits for ``done``."""

    def __init__(self) -> None:
        self._reason: str | None = None

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The frames of one event.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        match event:
            case Token(text=text, index=0) if text and not _FILE.fullmatch(text):
                return text_frame("replicate", event, text, "output")
            case Data(kind="file", value=str(url)) if _FILE.fullmatch(url):
                return text_frame("replicate", event, url, "output")
            case Data(kind="logs", value=str(text)) if text:
                return text_frame("replicate", event, text, "logs")
            case Finished(index=0):
                self._reason = word_for(event, DONE_REASONS)
                return ()
            case Done():
                if self._reason is None:
                    raise LocalProtocolError("replicate: Done comes after a Finished")
                return json_frame({"reason": self._reason} if self._reason else {}, "done")
            case Heartbeat():
                return heartbeat(event)
            case Error(fatal=True, message=message, code=code):
                return json_frame({"detail": message} | ({"code": code} if code else {}), "error")
            case _:
                raise cannot_say("replicate", event)


REPLICATE = Dialect(
    name="replicate",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=Encoder,
    terminator="event: done",
    # Unverified: the events have ids, and no document says that the server reads one back.
    resumption=Resumption(method="last_event_id", kind="id", field="Last-Event-ID header"),
    marks=(("@event=output",), ("@event=logs",)),
    notes=Notes(
        vendor="Replicate",
        sources=(
            "https://replicate.com/docs/topics/predictions/streaming",
            "replicate-python: replicate/stream.py",
        ),
        request='POST a prediction with "stream": true, then GET its urls.stream',
        text="the data of output events, as it is",
        errors='event: error with {"detail": "text"} or plain text; event: done with'
        ' {"reason": "error"}',
        resume="GET of the same URL with Last-Event-ID; every event has an id",
        quirks=(
            "spaces at the beginning of a piece count; only the one after data: goes.",
            "line ends in a piece come as several data: lines.",
            "The stream has no usage: it stands in metrics of GET /predictions/{id}.",
            "Models that make files send data: URLs, or addresses at replicate.delivery: Data of"
            " kind file.",
            "A cancelled prediction ends with done, too, its reason canceled.",
        ),
        doubtful=(
            "Whether a reconnect with Last-Event-ID goes on after that event.",
            "Addresses of files on other hosts are read as text.",
        ),
    ),
)
