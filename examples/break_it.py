"""Break a recorded stream on purpose, in each way that a network or a service can."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenwire import (
    Limits,
    LocalProtocolError,
    StreamError,
    StreamParser,
    Token,
    iter_events,
)

WIRE = Path(__file__).with_name("answer.sse").read_bytes()


def show(what: str, chunks: Iterable[bytes], limits: Limits = Limits()) -> None:
    """Read the chunks and print how much of the answer came, and what was wrong."""
    print(f"\n{what}:")
    text = ""
    try:
        for event in iter_events(chunks, "openai-chat", limits=limits):
            if isinstance(event, Token):
                text += event.text
        print(f"  complete, {len(text)} characters")
    except StreamError as error:
        print(f"  {len(text)} characters, then {error}")
        print(f"  kind: {error.event.kind}; recovery: {error.event.recovery}")


def reset() -> Iterator[bytes]:
    """A connection that breaks in the middle."""
    yield WIRE[:3000]
    raise ConnectionResetError("connection reset by peer")


HALF = WIRE[:3000]
END = b"data: [DONE]\n\n"
BUSY = b'\n\ndata: {"error": {"type": "overloaded_error", "message": "Busy"}}\n\n'

show("whole", [WIRE])
show("one byte at a time", (WIRE[at : at + 1] for at in range(len(WIRE))))
show("without [DONE]: every choice is finished, that is proof enough", [WIRE.removesuffix(END)])
show("cut after 3000 bytes", [HALF])
show("with [DONE], but no finish_reason", [WIRE.replace(b'"stop"', b"null")])
show("a connection that is reset", reset())
show("an error of the service", [HALF, BUSY])
show("a page from a proxy", [b"<html><title>502 Bad Gateway</title></html>"])
show("an event over the limit", [WIRE], Limits(max_event_size=150))

print("\nmisuse, which is an exception of its own:")
parser = StreamParser("openai-chat")
parser.receive_eof()
try:
    parser.receive_data(b"data: [DONE]\n\n")
except LocalProtocolError as error:
    print(f"  {error}")
