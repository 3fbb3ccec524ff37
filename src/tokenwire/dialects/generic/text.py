"""``text``: the body is the answer, nothing else; the AI SDK calls it its text stream protocol.

Source: https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol#text-stream-protocol

Nothing in the body proves an answer complete. That it is rests on the transport alone: the length
that HTTP announced was received, or the last chunk of a chunked body. So `Done` comes at a clean
end of the body, never after a lost connection. A service that gives up in the middle and ends its
body cleanly cannot be told from one that was done: ask for another protocol where that matters.
"""

from __future__ import annotations

from collections.abc import Sequence

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.kit.encoding import cannot_say
from tokenwire.errors import LocalProtocolError
from tokenwire.events import Done, Event, Token
from tokenwire.frame import Frame
from tokenwire.framing.rawtext import RawTextFramer


class Decoder:
    """Every frame is a token."""

    def __init__(self) -> None:
        self._began = False

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The text of one frame."""
        self._began = True
        return (Token(frame.text, frame=frame),)

    def receive_eof(self) -> Sequence[Event]:
        """The body ended as the transport ends it. An empty one is no answer."""
        return (Done(),) if self._began else ()

    def receive_loss(self) -> Sequence[Event]:
        """The connection broke: nothing proves the answer complete then."""
        return ()


class Encoder:
    """Writes the text and nothing else."""

    def __init__(self) -> None:
        self._began = False

    def __call__(self, event: Event) -> Sequence[Frame]:
        """`Token`, and `Done` without a reason, which is the end of the body.

        Raises:
            LocalProtocolError: It is another event, the text is no UTF-8, or `Done` comes first.
        """
        match event:
            case Token(text=text, index=0):
                try:
                    frame = Frame(text.encode())
                except UnicodeEncodeError:  # half a surrogate
                    raise cannot_say("text", event) from None
                self._began = True
                return (frame,)
            case Done(reason="other"):
                if not self._began:
                    raise LocalProtocolError("text: an empty body is no answer, so no Done")
                return ()
            case _:
                raise cannot_say("text", event)


TEXT = Dialect(
    name="text",
    framer=RawTextFramer,
    decoder=Decoder,
    encoder=Encoder,
    media_types=("text/plain",),
    terminator="the end of the body (raw text has no terminator: the transport alone proves it)",
    notes=Notes(
        vendor="Vercel AI SDK (text stream protocol), and services that write plain text",
        sources=(
            "https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol#text-stream-protocol",
            "the source of the ai package: toTextStreamResponse",
        ),
        request="an endpoint that answers with toTextStreamResponse()",
        text="the whole body, UTF-8",
        errors="none: a service that fails ends the body",
        quirks=(
            "There is no terminator: a clean end of the body is Done with the reason other, and a"
            " lost connection an error. A service that gave up cannot be told from one that was"
            " done.",
            "Tokens are the chunks as they came, but for characters cut in two: only their joined"
            " text is the same however the bytes are cut.",
            "An empty body is no answer but a truncation: where the text protocol cannot say an"
            " error, a service that failed sends nothing.",
        ),
    ),
)
