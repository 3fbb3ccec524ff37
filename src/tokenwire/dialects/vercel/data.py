"""``vercel-data``: the data stream of Vercel's AI SDK until version 4, ``CODE:JSON`` lines.

Source: https://v4.ai-sdk.dev/docs/ai-sdk-ui/stream-protocol, the source of @ai-sdk/ui-utils and of
assistant-stream.

An answer is complete once ``d`` (finish message) came and no content after it. Data may follow it,
so `Done` comes at the end of the body. ``e`` ends a step alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.kit.errors import read_error
from tokenwire.dialects.kit.one_choice import OneChoice, read_frame
from tokenwire.dialects.kit.payloads import is_mapping, odd_texts, plain_text
from tokenwire.dialects.vercel.data_encode import DATA, VercelDataEncoder
from tokenwire.dialects.vercel.parts import FINISH_REASONS, Calls, read_usage
from tokenwire.events import Data, Event, Reasoning, Token, Unknown
from tokenwire.frame import Frame
from tokenwire.framing.codelines import CodeLinesFramer

_OPENS: Final = frozenset({"0", "9", "b", "c", "f", "g"})

_decode_json: Final = JSONDecoder().decode


class Decoder:
    """Lines to events."""

    def __init__(self) -> None:
        self._choice = OneChoice(FINISH_REASONS)
        self._over = False
        self._calls = Calls()

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one line."""
        return read_frame(frame, object, _decode_json, self._receive)

    def receive_eof(self) -> Sequence[Event]:
        """Only ``d`` completes an answer, but data may follow it."""
        return self._choice.done() if self._over else ()

    def _receive(self, value: Any, frame: Frame) -> Sequence[Event]:
        if frame.event in _OPENS:
            self._over = False  # streams can be merged: another one goes on
        match frame.event, value:
            case "0", str() | int() | float():
                return (Token(text, frame=frame),) if (text := plain_text(value)) else ()
            case "g", str() | int() | float():
                return (Reasoning(text, frame=frame),) if (text := plain_text(value)) else ()
            case "3", _:
                return (read_error(value).event(frame),)
            case "a", {"toolCallId": str() | int() as id}:
                called = self._calls.answer(plain_text(id), frame)
                return [*called, Data(DATA["a"], value, frame=frame)]
            case (("b" | "c" | "9"), {"toolCallId": str() | int() as id}):
                return self._receive_call(plain_text(id), value, frame)
            case "f", {"messageId": str(id)}:
                return self._choice.start(frame, id)
            case "d", {}:
                word = plain_text(value.get("finishReason")) or None
                self._over = True
                counts = value.get("usage")
                odd = counts and not is_mapping(counts)
                return [
                    *odd_texts(value, frame, "finishReason"),
                    *([Data("extra", {"usage": counts}, frame=frame)] if odd else ()),
                    *self._calls.finish(word, self._choice, frame),
                    *read_usage(counts, frame, final=True),
                ]
            case "j", {"signature": str(signature)}:
                return (Reasoning("", signature=signature, frame=frame),)
            case "aui-text-delta", {"textDelta": said}:  # with a parent, as all of these may
                return (Token(text, frame=frame),) if (text := plain_text(said)) else ()
            case "aui-reasoning-delta", {"reasoningDelta": said}:
                return (Reasoning(text, frame=frame),) if (text := plain_text(said)) else ()
            case code, _ if code in DATA:
                return (Data(DATA[code], value, frame=frame),)
            case _:
                return (Unknown(frame=frame),)

    def _receive_call(self, id: str, value: Mapping[str, Any], frame: Frame) -> Sequence[Event]:
        name = plain_text(value.get("toolName"))
        odd = odd_texts(value, frame, "toolName", "argsTextDelta")
        if frame.event == "b":
            return [*odd, *self._calls.begin(id, name, frame)]
        if frame.event == "c":
            return [*odd, *self._calls.add(id, plain_text(value.get("argsTextDelta")), frame)]
        return [*odd, *self._calls.end(id, name, value.get("args"), frame)]


VERCEL_DATA = Dialect(
    name="vercel-data",
    framer=CodeLinesFramer,
    decoder=Decoder,
    encoder=VercelDataEncoder,
    media_types=("text/plain",),
    terminator="d: (finish message)",
    headers={"x-vercel-ai-data-stream": "v1"},
    notes=Notes(
        vendor="Vercel AI SDK until 4 (data stream), and assistant-ui's servers",
        sources=(
            "https://v4.ai-sdk.dev/docs/ai-sdk-ui/stream-protocol",
            "the source of @ai-sdk/ui-utils: data-stream-parts.ts",
            "the source of assistant-stream: serialization/data_stream.py",
        ),
        request="an endpoint that answers with toDataStreamResponse()",
        text="the JSON string of lines with the code 0",
        errors='3:"text"; the text is masked unless the server shows it',
        heartbeats="a blank line",
        quirks=(
            "The first colon of a line ends the code: the JSON after it holds more of them.",
            "A line that does not begin with a code is no event: a bare JSON error there is an"
            " error, anything else unknown.",
            "9 repeats the arguments that came in pieces; they are not doubled.",
            "e ends a step and not the answer, and its usage is that of the step: it is data.",
            "Data may follow d, so Done comes at the end of the body.",
            "assistant-ui's Python server sends neither d nor 9: its tool calls are complete once"
            " their result came, and its answers are read as cut, for nothing proves them whole.",
        ),
    ),
)
