"""``sse``: the plain way to stream text. An event's data is a token; ``[DONE]`` ends the answer.

Events with a type of their own are `Data` (type as ``kind``, data as text), but for ``error``,
which is one. Without ``[DONE]`` the answer is cut.
"""

from __future__ import annotations

from collections.abc import Sequence

from tokenwire.dialects import Dialect, Notes, Resumption
from tokenwire.dialects.kit.encoding import cannot_say, heartbeat, json_frame, text_frame
from tokenwire.dialects.kit.errors import read_error
from tokenwire.dialects.kit.payloads import is_done_sentinel, json_or_text
from tokenwire.errors import LocalProtocolError
from tokenwire.events import Data, Done, Error, Event, Heartbeat, Token
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer


def decode(frame: Frame) -> Sequence[Event]:
    """The event of one frame."""
    if frame.event == "error":
        return (_error(frame),)
    if frame.event not in ("", "message"):
        return () if frame.unterminated else (Data(frame.event, frame.text, frame=frame),)
    if frame.data and is_done_sentinel(frame.data):
        return (Done("stop", frame=frame),)
    if frame.unterminated:
        return ()
    text = frame.text
    return (Token(text, frame=frame),) if text else (Heartbeat(frame=frame),)


def _error(frame: Frame) -> Error:
    return read_error(json_or_text(frame.data or b"")).event(frame)


def encode(event: Event) -> Sequence[Frame]:
    """`Token`, `Data` with a text, `Heartbeat`, `Error` and `Done`."""
    match event:
        case Token(text=text, index=0):
            frames = text_frame("sse", event, text)
            if not text or is_done_sentinel(frames[0].data or b""):
                raise LocalProtocolError(f"sse cannot send {text!r} as a token: it means another")
            return frames
        case Data(kind=kind, value=str(text)) if kind not in ("", "message", "error"):
            return text_frame("sse", event, text, kind)
        case Heartbeat():
            return heartbeat(event)
        case Error(fatal=True, message=message, code=code, status=status):
            said = {"message": message, "code": code, "status_code": status}
            return json_frame({k: v for k, v in said.items() if v is not None}, "error")
        case Done():
            return (Frame(b"[DONE]"),)
        case _:
            raise cannot_say("sse", event)


SSE = Dialect(
    name="sse",
    framer=SSEFramer,
    decoder=lambda: decode,
    encoder=lambda: encode,
    terminator="data: [DONE]",
    resumption=Resumption(method="last_event_id", kind="id", field="Last-Event-ID header"),
    marks=(("@event=", "@text"),),
    notes=Notes(
        vendor="no one's: for services of your own",
        sources=("https://html.spec.whatwg.org/multipage/server-sent-events.html",),
        text="the data of events without a type, as it is",
        errors="event: error with a text, or with an object that has message and code",
        resume="the same request with Last-Event-ID, where the service numbers its events",
        quirks=(
            "For an event source that never ends, there is event-stream.",
            "An event left open at the end of the body is dropped: plain text cannot show that it"
            " is whole.",
        ),
    ),
)
