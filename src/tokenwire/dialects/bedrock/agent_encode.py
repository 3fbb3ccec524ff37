"""Events to the wire of Amazon's agents: the mirror of `tokenwire.dialects.bedrock.agent`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects.bedrock.errors import exception
from tokenwire.dialects.kit.encoding import cannot_say, json_frame
from tokenwire.dialects.kit.payloads import UNREADABLE, is_mapping, json_text
from tokenwire.errors import LocalProtocolError
from tokenwire.events import Data, Done, Error, Event, Finished, Heartbeat, Reason, Token, ToolCall
from tokenwire.frame import Frame


class BedrockAgentEncoder:
    """Writes the messages of an agent; with a flow's word for its end, those of a flow.

    Args:
        words: The words by ``Finished.raw_reason`` with which flows end.
    """

    def __init__(self, words: Mapping[str, Reason]) -> None:
        self._words = words
        self._answered = False
        self._flows = False
        self._finished = False

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The messages of one event. The body must end right after `Done`: no message says it.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before any answer, or
                before the `Finished` of a flow.
        """
        frames = self._encode(event)
        self._answered = self._answered or any(frame.event for frame in frames)
        self._flows = self._flows or any(frame.event.startswith("flow") for frame in frames)
        self._finished = self._finished or isinstance(event, Finished)
        return frames

    def _encode(self, event: Event) -> Sequence[Frame]:
        match event:
            case Token(text=text, index=0):
                return json_frame({"bytes": text.encode()}, "chunk")
            case Data(kind="citation", value=value, index=0) if value:
                return json_frame({"attribution": {"citations": [value]}}, "chunk")
            case Data(kind="trace" | "guardrail" as kind, value=value, index=0):
                return json_frame(value, kind)
            case Data(kind="file", value=value, index=0) if value:
                return json_frame({"files": [value]}, "files")
            case Data(kind="document", value=value, index=0) if not isinstance(value, str):
                return json_frame({"content": {"document": value}}, "flowOutputEvent")
            case Data(kind="input_request", value=value, index=0):
                return json_frame(value, "flowMultiTurnInputRequestEvent")
            case ToolCall(index=0, complete=True, provider_executed=False):
                said = {"function": event.name, "parameters": _parameters(event)}
                inputs = [{"functionInvocationInput": said}]
                control = {"invocationId": event.id, "invocationInputs": inputs}
                return json_frame(control, "returnControl")
            case Finished(index=0, raw_reason=raw) if raw in self._words:
                return json_frame({"completionReason": raw}, "flowCompletionEvent")
            case Heartbeat(text=""):
                return (Frame(),)
            case Error(fatal=True):
                return exception(event)
            case Done():
                if not self._answered or (self._flows and not self._finished):
                    raise LocalProtocolError(
                        "bedrock-agent: Done comes after an answer, and that of a flow is Finished"
                    )
                return ()
            case _:
                raise cannot_say("bedrock-agent", event)


def _parameters(call: ToolCall) -> list[dict[str, Any]]:
    try:
        arguments = JSONDecoder().decode(call.arguments or "{}")
    except UNREADABLE as error:
        raise LocalProtocolError(f"the arguments of {call!r} are not JSON: {error}") from None
    if not is_mapping(arguments):
        raise LocalProtocolError(f"the arguments of {call!r} are no JSON object")
    return [
        {"name": name, "type": _type(value), "value": _text(value)}
        for name, value in arguments.items()
    ]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json_text(value)


def _type(value: Any) -> str:
    match value:
        case str():
            return "string"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case list():
            return "array"
        case _:
            return "object"
