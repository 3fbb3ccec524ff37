"""A sound dialect, `PLUS`, and what people get wrong when they write one.

``data: +text`` is a piece, ``data: !text`` an error, ``data: .`` the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import msgspec

from tokenwire import Dialect, Done, Error, Event, Frame, FramingError, Limits, Token, Unknown
from tokenwire.dialects.kit import cannot_say
from tokenwire.framing.jsonlines import JSONLinesFramer
from tokenwire.framing.sse import SSEFramer


def decode(frame: Frame) -> Sequence[Event]:
    match frame.text[:1], frame.text[1:]:
        case "+", text if text and not frame.unterminated:
            return (Token(text, frame=frame),)
        case "!", text:
            return (Error("vendor", text, frame=frame),)
        case ".", "":
            return (Done("stop", frame=frame),)
        case _:
            return (Unknown(frame=frame),)


def encode(event: Event) -> Sequence[Frame]:
    match event:
        case Token(text=text, index=0) if text:
            return (Frame(b"+" + text.encode()),)
        case Error(message=message):
            return (Frame(b"!" + message.encode()),)
        case Done(reason="stop"):
            return (Frame(b"."),)
        case _:
            raise cannot_say("plus", event)


PLUS = Dialect(
    name="plus",
    framer=SSEFramer,
    decoder=lambda: decode,
    encoder=lambda: encode,
    terminator="data: .",
)
WIRE = "data: +na\u00efve\n\n: ping\n\ndata: +one\ndata: two\n\ndata: .\n\n".encode()


def with_(**changes: Any) -> Dialect:
    return msgspec.structs.replace(PLUS, **changes)


def with_decode(decode: Callable[[Frame], Sequence[Event]]) -> Dialect:
    return with_(decoder=lambda: decode)


# --- framers ---


class Framer:
    """Lines that end in LF; the base of the wrong ones."""

    format: ClassVar[str] = "lines"

    def __init__(self, limits: Limits) -> None:
        self.frames: list[Frame] = []
        self.retry = None
        self.peak_buffered = 0
        self._limit = limits.max_event_size
        self._held = b""

    @property
    def buffered(self) -> int:
        return len(self._held)

    def receive_data(self, data: bytes) -> None:
        raise NotImplementedError

    def receive_eof(self) -> None:
        pass

    def _take(self, line: bytes) -> None:
        self.frames.append(Frame(line.removeprefix(b"data: ")) if line else Frame(comment=b""))

    @staticmethod
    def encode(frame: Frame) -> bytes:
        return JSONLinesFramer.encode(frame) if frame.data is None else frame.data + b"\n"


class EachChunkALine(Framer):
    def receive_data(self, data: bytes) -> None:
        for line in data.split(b"\n"):
            self._take(line)


class ForgetsTheLimit(Framer):
    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self._pieces: list[bytes] = []

    @property
    def buffered(self) -> int:
        return sum(map(len, self._pieces))

    def receive_data(self, data: bytes) -> None:
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._pieces.append(line)
            self._take(b"".join(self._pieces))
            self._pieces.clear()
        self._pieces.append(rest)


class HidesWhatItHolds(ForgetsTheLimit):
    @property
    def buffered(self) -> int:
        return 0


class CopiesItsBuffer(Framer):
    def receive_data(self, data: bytes) -> None:
        self._held += data
        *lines, self._held = self._held.split(b"\n")
        for line in lines:
            self._take(line)
        if len(self._held) > self._limit:
            raise FramingError("limit", "too long")


# --- decoders ---


class DoneAtAnyEnd:
    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        return [event for event in decode(frame) if not isinstance(event, Done)]

    def receive_eof(self) -> Sequence[Event]:
        return (Done("stop"),)


class JoinsAllTheText:
    def __init__(self) -> None:
        self.text = ""

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        self.text += frame.text
        return decode(frame)

    def receive_eof(self) -> Sequence[Event]:
        return ()


def raises_on_json(frame: Frame) -> Sequence[Event]:
    if frame.text.startswith("{"):
        return (Token(msgspec.json.decode(frame.data or b"")["text"], frame=frame),)
    return decode(frame)


def gives_no_frame(frame: Frame) -> Sequence[Event]:
    return [msgspec.structs.replace(event, frame=None) for event in decode(frame)]


def gives_text(frame: Frame) -> Any:
    return (frame.text,) if frame.data == b"null" else decode(frame)


# --- encoders ---


def strips_text(event: Event) -> Sequence[Frame]:
    if isinstance(event, Token):
        return encode(Token(event.text.strip() or event.text, index=event.index))
    return encode(event)


def merges_choices(event: Event) -> Sequence[Frame]:
    return encode(Token(event.text) if isinstance(event, Token) else event)


def splits_at_every_line_end(event: Event) -> Sequence[Frame]:
    if isinstance(event, Token) and event.index == 0:
        return [Frame(b"+" + line.encode()) for line in event.text.splitlines()]
    return encode(event)
