"""Brook, a service that does not exist, streams server-sent events.

``data: {"say": "Hi"}`` is a piece of the answer and ``data: {"end": "full"}`` its end; an event
named ``error`` is one.
"""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.json import Decoder

from tokenwire import Dialect, Done, Error, Event, Frame, Token, Unknown
from tokenwire.dialects.kit import cannot_say, json_frame, read_frame, reason_for
from tokenwire.framing.sse import SSEFramer


class Line(Struct):
    say: str | None = None
    end: str | None = None


WORDS = {"full": "stop", "cut": "length", "blocked": "content_filter"}
read_json = Decoder(Line).decode


def decode(frame: Frame) -> Sequence[Event]:
    return read_frame(frame, Line, read_json, read_line)


def read_line(line: Line, frame: Frame) -> Sequence[Event]:
    if line.end:
        return [Done(reason_for(line.end, WORDS), frame=frame)]
    return [Token(line.say, frame=frame) if line.say else Unknown(frame=frame)]


def encode(event: Event) -> Sequence[Frame]:
    match event:
        case Token(text=text, index=0) if text:
            return json_frame({"say": text})
        case Error(fatal=True, message=message):
            return json_frame({"message": message}, "error")
        case Done(reason="stop" | "length" | "content_filter" as reason):
            return json_frame({"end": {means: word for word, means in WORDS.items()}[reason]})
        case _:
            raise cannot_say("brook", event)


BROOK = Dialect(
    name="brook", framer=SSEFramer, decoder=lambda: decode, encoder=lambda: encode, terminator="end"
)
