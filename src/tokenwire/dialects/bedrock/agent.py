"""``bedrock-agent``: agents, flows and knowledge bases of Amazon Bedrock.

InvokeAgent, InvokeInlineAgent, InvokeFlow and RetrieveAndGenerateStream of bedrock-agent-runtime.
Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_InvokeAgent.html,
botocore's model of it, and recordings.

A flow says that it is complete. An agent does not: the body ends, and nothing else. So its answer
counts as complete where the body ends after a whole message and it has answered; a cut that falls
between two messages cannot be told from the end.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.bedrock.agent_encode import BedrockAgentEncoder
from tokenwire.dialects.bedrock.errors import find_exception
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.fields import text_in
from tokenwire.dialects.kit.one_choice import OneChoice, read_frame
from tokenwire.dialects.kit.payloads import is_mapping, json_or_text, json_text, list_of
from tokenwire.events import (
    Data,
    Done,
    Event,
    Reason,
    Token,
    ToolCall,
    Unknown,
)
from tokenwire.frame import Frame
from tokenwire.framing.awsevents import AWSEventsFramer


class AttributionWire(Struct):
    citations: list[Any] | None = None


class ParameterWire(Struct, forbid_unknown_fields=True):
    name: str | None = None
    type: str | None = None
    value: Any = None


class FunctionWire(Struct):
    function: str | None = None
    parameters: list[ParameterWire] | None = None


class ApiWire(Struct, rename="camel"):
    api_path: str | None = None
    parameters: list[ParameterWire] | None = None
    request_body: Any = None


class InputWire(Struct, rename="camel"):
    function_invocation_input: FunctionWire | None = None
    api_invocation_input: ApiWire | None = None


class ContentWire(Struct):
    document: Any = None


class EventWire(Struct, rename="camel"):
    """All events in one."""

    data: bytes | None = msgspec.field(default=None, name="bytes")
    attribution: AttributionWire | None = None
    invocation_id: str | None = None
    invocation_inputs: list[InputWire] | None = None
    files: list[Any] | None = None
    content: ContentWire | None = None
    completion_reason: str | None = None
    text: str | None = None


COMPLETION_REASONS: Final[Mapping[str, Reason]] = {"SUCCESS": "stop", "INPUT_REQUIRED": "pause"}
"""How a flow ends. Anything else is ``other``."""

# Handed on whole: what was done, found and asked on the way.
_DATA: Final = {
    "trace": "trace",
    "flowTraceEvent": "trace",
    "citation": "citation",
    "guardrail": "guardrail",
    "flowMultiTurnInputRequestEvent": "input_request",
}

# What the framer puts after a message that broke off: it must not pass for the end.

_decode_json = JSONDecoder(EventWire).decode


class Decoder:
    """Events of the wire to events."""

    def __init__(self) -> None:
        self._characters = getincrementaldecoder("utf-8")("replace")  # chunks may split one
        self._flow = OneChoice(COMPLETION_REASONS)
        self._flows = False
        self._answered: Reason | None = None
        self._calls = 0
        self._extras = Extras()

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one message."""
        error = find_exception(frame)
        if error is not None:
            return (error.event(frame),)
        self._flows = self._flows or frame.event.startswith("flow")
        if frame.event in _DATA:
            return (Data(_DATA[frame.event], json_or_text(frame.data or b""), frame=frame),)
        return read_frame(frame, EventWire, _decode_json, self._receive, self._extras)

    def receive_eof(self) -> Sequence[Event]:
        """Complete if a flow said so, or an agent answered and no character is half."""
        half = self._characters.getstate()[0]
        if self._flows or self._answered is None or half:
            return self.receive_loss()
        return (Done(self._answered),)

    def receive_loss(self) -> Sequence[Event]:
        """The connection broke: only a flow can have said by then that it is complete."""
        return self._flow.done()

    def _receive(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        match frame.event:
            case "chunk":
                return self._receive_chunk(wire, frame)
            case "output":
                return self._say(wire.text or "", frame)
            case "returnControl":
                return self._receive_calls(wire, frame)
            case "files":
                self._answered = "stop"
                return [Data("file", one, frame=frame) for one in wire.files or ()]
            case "flowOutputEvent":
                document = wire.content.document if wire.content else None
                if isinstance(document, str):
                    return self._say(document, frame)
                return (Data("document", document, frame=frame),)
            case "flowCompletionEvent":
                return self._flow.finish(wire.completion_reason, frame)
            case _:
                return (Unknown(frame=frame),)

    def _say(self, text: str, frame: Frame) -> list[Event]:
        self._answered = "stop"
        return [Token(text, frame=frame)] if text else []

    def _receive_chunk(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        events = self._say(self._characters.decode(wire.data or b""), frame)
        citations = wire.attribution.citations if wire.attribution else None
        return [*events, *(Data("citation", one, frame=frame) for one in citations or ())]

    def _receive_calls(self, wire: EventWire, frame: Frame) -> Sequence[Event]:
        """The agent hands its calls over, whole; all have the id of their invocation."""
        self._answered = "tool_calls"
        events: list[Event] = []
        for one in wire.invocation_inputs or ():
            name, arguments = _call(one)
            key = str(self._calls)
            self._calls += 1
            events.append(
                ToolCall(key, 0, wire.invocation_id, name, arguments, complete=True, frame=frame)
            )
        return events or (Unknown(frame=frame),)


def _call(wire: InputWire) -> tuple[str | None, str]:
    function, api = wire.function_invocation_input, wire.api_invocation_input
    if function is not None:
        return function.function, json_text(_values(function.parameters))
    api = api or ApiWire()
    return api.api_path, json_text({**_values(api.parameters), **_body(api.request_body)})


def _body(body: Any) -> dict[str, Any]:
    """The fields of a request body, which stand by content type."""
    content = body.get("content") if is_mapping(body) else None
    found: dict[str, Any] = {}
    for one in content.values() if is_mapping(content) else ():
        properties = list_of(one.get("properties") if is_mapping(one) else None)
        found |= _values([_parameter(each) for each in properties if is_mapping(each)])
    return found


def _parameter(said: Mapping[str, Any]) -> ParameterWire:
    return ParameterWire(text_in(said, "name"), text_in(said, "type"), said.get("value"))


def _values(parameters: Sequence[ParameterWire] | None) -> dict[str, Any]:
    """Parameters are texts, with a type beside each: ``{"name", "type", "value"}``."""
    found: dict[str, Any] = {}
    for one in parameters or ():
        if one.name is not None:
            texts = (one.type or "string") == "string" or not isinstance(one.value, str)
            found[one.name] = one.value if texts else json_or_text(str(one.value).encode())
    return found


BEDROCK_AGENT = Dialect(
    name="bedrock-agent",
    framer=AWSEventsFramer,
    decoder=Decoder,
    encoder=lambda: BedrockAgentEncoder(COMPLETION_REASONS),
    media_types=("application/vnd.amazon.eventstream",),
    terminator="a flowCompletionEvent, or the body's end after a whole message of an answer",
    effects=(("@path=*/agents/*",), ("@path=*/flows/*",)),
    marks=(
        ("@event=trace",),
        ("@event=returnControl",),
        ("@event=files",),
        ("@event=flow*",),
        ("@event=chunk", "bytes"),
        ("@event=chunk", "attribution"),
        ("@event=output", "text"),
        ("@event=citation",),
        ("@event=guardrail",),
    ),
    headers={
        "x-amzn-bedrock-agent-content-type": "*",
        "x-amz-bedrock-agent-session-id": "*",
        "x-amz-bedrock-flow-execution-id": "*",
        "x-amzn-bedrock-knowledge-base-session-id": "*",
    },
    notes=Notes(
        vendor="Amazon Bedrock",
        sources=(
            "https://docs.aws.amazon.com/bedrock/latest/APIReference/"
            "API_agent-runtime_InvokeAgent.html",
            "botocore 1.44.5 (its model of bedrock-agent-runtime)",
        ),
        request="POST /agents/{agentId}/agentAliases/{agentAliasId}/sessions/{sessionId}/text",
        text="chunk: .bytes, UTF-8 in base64; output: .text; flowOutputEvent: .content.document",
        errors="messages whose :message-type is exception or error",
        heartbeats="messages with neither headers nor payload",
        quirks=(
            "nothing ends the answer of an agent. The body's end after a whole message is"
            " taken for it once the agent answered or handed over a call; a cut between two"
            " messages cannot be told from it. A flow ends with flowCompletionEvent.",
            "chunk is the name of an event of InvokeModelWithResponseStream too; there the bytes"
            " are a JSON object, here they are text.",
            "Chunks may split a character.",
            "returnControl has no names for its calls but functions and API paths; all calls of"
            " one have its invocationId for an id. What else is needed to answer stands in"
            " event.frame.",
            "Values of parameters are texts: those of another type than string are read as JSON.",
        ),
        doubtful=(
            "Traces, which only come when asked for, hold the final answer of the model; it need"
            " not be the one that is sent, so it is no proof.",
            "Request bodies of API calls, files and flows: from botocore's model alone.",
        ),
    ),
)
