"""``event-stream``: any WHATWG event source, uninterpreted.

Every event is a ``Data`` with the event's type as ``kind`` and its data as text in ``value``. The
format has no terminator, so the stream never ends in `Done`: an EOF, clean or not, is something to
reconnect after, with ``Last-Event-ID``.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from tokenwire.dialects import Dialect, Notes, Resumption
from tokenwire.dialects.kit.encoding import cannot_say, heartbeat, text_frame
from tokenwire.events import Data, Event, Heartbeat
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer


def decode(frame: Frame) -> Sequence[Event]:
    """One event; none for an event without its blank line, which the standard discards."""
    if frame.unterminated:
        return ()
    return (Data(frame.event or "message", frame.text, frame=frame),)


def encode(event: Event) -> Sequence[Frame]:
    """`Data` with a text, with id and retry of its frame; `Heartbeat` as a comment."""
    match event:
        case Data(kind=kind, value=str(text)):
            named = "" if kind == "message" else kind
            sent = event.frame or Frame()
            (frame,) = text_frame("event-stream", event, text, named)
            return (replace(frame, id=sent.id, retry=sent.retry),)
        case Heartbeat():
            return heartbeat(event)
        case _:
            raise cannot_say("event-stream", event)


EVENT_STREAM = Dialect(
    name="event-stream",
    framer=SSEFramer,
    decoder=lambda: decode,
    encoder=lambda: encode,
    terminator="an end, which an event stream never has",
    resumption=Resumption(
        method="last_event_id", kind="id", field="Last-Event-ID header", live=True
    ),
    strict=True,
    notes=Notes(
        vendor="WHATWG, HTML standard",
        sources=("https://html.spec.whatwg.org/multipage/server-sent-events.html",),
        request="GET with Accept: text/event-stream",
        text="nowhere: each event is Data, its type the kind and its data the value",
        errors="none: only the response's status and content type",
        heartbeats="comments",
        resume="the same request with Last-Event-ID, whatever its method, after a clean end as"
        " well; without an id it goes on with what comes next",
        quirks=("It has no terminator, so it never ends in Done.",),
    ),
)
