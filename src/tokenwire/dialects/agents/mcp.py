"""``mcp``: the Model Context Protocol over Streamable HTTP, a server's answer to one request.

Source: https://modelcontextprotocol.io/specification, revisions 2024-11-05 to 2026-07-28, the
Python SDK, and recordings.

Each event is a JSON-RPC message. Notifications and requests of the server come first, the response
to the client's request ends it: an answer is complete at a ``result`` or an ``error``. The same
response may come as one JSON document with no event stream around it.

Revision 2025-03-26 lets a client send several requests at once, whose responses may come in an
event each. Nothing in the stream says how many there are; a `Session` counts the requests in the
body that it sends, and whoever reads a stream alone can say ``mcp(answers=2)``. Else `Done` waits
for the end of the body where events have no ids, as servers end it after the last response. Where
they have, a stream that is taken up again may stay open for ever, and who takes it up after a
response would wait in vain: `Done` comes with the first event that holds one.

A tool's result is a list of content blocks: its texts are the answer. Other results are data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec.json import Decoder as JSONDecoder

from tokenwire.cursor import Cursor
from tokenwire.dialects import Dialect, Notes, Resumption
from tokenwire.dialects.kit.encoding import cannot_say, heartbeat, json_frame
from tokenwire.dialects.kit.jsonrpc import (
    ReplyFramer,
    error_object,
    find_rpc_error,
    id_text,
    id_value,
    response,
)
from tokenwire.dialects.kit.lenient import EMPTY
from tokenwire.dialects.kit.one_choice import read_frame
from tokenwire.dialects.kit.payloads import (
    is_list,
    is_mapping,
    json_or_text,
    odd_texts,
    plain_text,
    reason_for,
)
from tokenwire.errors import LocalProtocolError
from tokenwire.events import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Reason,
    Started,
    Token,
    Unknown,
)
from tokenwire.frame import Frame
from tokenwire.request import Known, Request

RESULT_TYPES: Final[Mapping[str, Reason]] = {
    "complete": "stop",
    "input_required": "pause",
    "isError": "error",
}
"""What a result says of itself: its ``resultType``, or that the tool failed. Both may be absent."""

_NOT_RESUMED: Final = "2026-07-28"
"""The revision that took resuming out: since then, a broken stream is a cancelled request."""

_ASIDE: Final = frozenset({"endpoint", "request"})  # and notifications

_decode_json = JSONDecoder(object).decode


class Decoder:
    """Messages to events.

    Args:
        answers: How many responses there will be; None: one, or what a batch may have.
    """

    def __init__(self, answers: int | None = None) -> None:
        self._expected = answers
        self._in_session = False  # many answers on one stream, which none of them ends
        self._answers = 0
        self._responses = 0  # errors too
        self._reason: Reason = "other"

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame: a message, or an array of them (2025-03-26)."""
        if frame.event == "endpoint":  # 2024-11-05: where to post to; all answers come here
            self._in_session = True
            return (Data("endpoint", frame.text, frame=frame),)
        return read_frame(frame, object, _decode_json, self._receive)

    def receive_eof(self) -> Sequence[Event]:
        """Only a response completes an answer; of several, nothing says how many there are."""
        whole = self._answers > 0 and self._expected is None and not self._in_session
        return (Done(self._reason),) if whole else ()

    def _receive(self, value: object, frame: Frame) -> Sequence[Event]:
        events: list[Event] = []
        failed: Error | None = None  # the last request of this frame that did
        before = self._responses
        for message in value if is_list(value) else [value]:
            if not is_mapping(message):
                events.append(Unknown(frame=frame))
            elif message.get("method"):
                events.append(_call(message, frame))
            elif error := find_rpc_error(message):
                # Beside an answer that comes it is not the end of all.
                failed = msgspec.structs.replace(error.event(frame), fatal=False)
                events.append(failed)
                whole = message.get("id") is None  # of all that was asked
                self._responses += (self._expected or 1) if whole else 1
            elif "result" in message:
                events += self._answer(message, 0 if self._in_session else self._answers, frame)
                self._answers += 1
                self._responses += 1
            else:
                events.append(Unknown(frame=frame))
        if self._in_session or not before < self._responses >= (self._expected or 1):
            return events
        if failed is not None and not self._answers:
            others = [event for event in events if event is not failed]
            return [*others, msgspec.structs.replace(failed, fatal=True)]
        if self._expected is not None or frame.id is not None:
            events.append(Done(self._reason, frame=frame))
        return events

    def _answer(self, message: Mapping[str, Any], index: int, frame: Frame) -> list[Event]:
        id = id_text(message.get("id"))
        events: list[Event] = [] if id is None else [Started(id, frame=frame)]
        result = message["result"]
        if not is_mapping(result):
            result = {} if result is None else {"value": result}
        events += _result(result, index, frame)
        events += odd_texts(result, frame, "isError", "resultType")
        # Whatever stands there but a plain no: a failure must not pass for a success.
        failed = result.get("isError") not in (*EMPTY, False, 0, "false", "0")
        raw = "isError" if failed else plain_text(result.get("resultType")) or None
        reason: Reason = "stop" if raw is None else reason_for(raw, RESULT_TYPES)
        if index == 0:
            self._reason = reason
        events.append(Finished(index, reason, raw, frame=frame))
        return events


def _call(message: Mapping[str, Any], frame: Frame) -> Event:
    """What the server says or asks on its own."""
    if message.get("id") is not None:
        return Data("request", message, frame=frame)
    return Data(str(message["method"]), message.get("params"), frame=frame)


def _result(result: Mapping[str, Any], index: int, frame: Frame) -> list[Event]:
    content = result.get("content")
    if is_mapping(content) and "type" in content:
        content = [content]
    if not is_list(content):
        return [Data("result", result, index, frame=frame)]
    events: list[Event] = []
    for part, block in enumerate(content):
        kind, text = (block.get("type"), block.get("text")) if is_mapping(block) else (None, None)
        said = plain_text(text) if kind == "text" else ""
        if said:
            events.append(Token(said, index, part, frame=frame))
        elif not (kind == "text" and text == ""):
            events.append(Data(str(kind), block, index, part, frame=frame))
    if "structuredContent" in result:
        value = result["structuredContent"]
        events.append(Data("structuredContent", value, index, frame=frame))
    return events


class Encoder:
    """Writes messages. What belongs to the result waits for `Done`, then goes out as one.

    `Started` names the request that is answered, its id as text: ``"7"`` is the number 7.
    """

    def __init__(self) -> None:
        self._id: str | None = None
        self._content: dict[int, Any] = {}  # blocks by part
        self._result: Mapping[str, Any] | None = None  # one that is no tool's
        self._beside: dict[str, Any] = {}
        self._finished = False
        self._in_session = False  # no answer ends such a stream

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The messages of one event.

        Raises:
            LocalProtocolError: The wire cannot say it, as an `Error` after a part of the result,
                or a result comes before `Started`, or `Done` before `Finished`.
        """
        match event:
            case Heartbeat():
                return heartbeat(event)
            case Data(kind=kind, value=value, index=0) if "/" in kind or kind in _ASIDE:
                return self._aside(event, kind, value)
            case _ if self._in_session:
                raise cannot_say("mcp", event)
            case Error(fatal=True) if self._is_empty:
                return _message(response(id_value(self._id), error=error_object(event)))
            case Started(id=str(id)):
                self._id = id
            case _ if self._id is None:
                raise LocalProtocolError(
                    "mcp: a result comes after a Started with its request's id"
                )
            case Token(text=text, index=0, part=part) if self._result is None:
                block = self._content.setdefault(part, {"type": "text", "text": ""})
                if block["type"] != "text":
                    raise cannot_say("mcp", event)
                block["text"] += text
            case Data(index=0):
                self._keep(event)
            case Finished(index=0, reason=reason, raw_reason=raw):
                self._finish(event, reason, raw)
            case Done():
                return self._done()
            case _:
                raise cannot_say("mcp", event)
        return ()

    @property
    def _is_empty(self) -> bool:
        """Nothing of a result was given."""
        return not (self._content or self._beside or self._finished) and self._result is None

    def _aside(self, event: Event, kind: str, value: Any) -> Sequence[Frame]:
        """What is no part of the result; notifications have a slash in their names."""
        if kind == "endpoint" and isinstance(value, str) and self._id is None:
            self._in_session = True
            return (Frame(value.encode(), "endpoint"),)
        if kind == "request" and is_mapping(value) and value.get("method"):
            if value.get("id") is not None:  # else it is read as something else, as a result is
                return _message(value)
        if kind in _ASIDE:
            raise cannot_say("mcp", event)
        params = {} if value is None else {"params": value}
        return _message({"jsonrpc": "2.0", "method": kind, **params})

    def _keep(self, event: Data) -> None:
        """A piece of the result."""
        kind, value, part = event.kind, event.value, event.part
        if kind == "structuredContent":
            self._beside[kind] = value
        elif kind == "result" and is_mapping(value) and not self._content:
            self._result = value
        elif (
            is_mapping(value)
            and value.get("type") == kind != "text"
            and part not in self._content
            and self._result is None
        ):
            self._content[part] = value
        else:
            raise cannot_say("mcp", event)

    def _finish(self, event: Event, reason: Reason, raw: str | None) -> None:
        words = [word for word, means in RESULT_TYPES.items() if means == reason]
        if not words:
            raise cannot_say("mcp", event)
        self._finished = True
        if reason == "error":
            self._beside["isError"] = True
        elif raw in words or reason != "stop":
            self._beside["resultType"] = words[0]

    def _done(self) -> Sequence[Frame]:
        if not self._finished:
            raise LocalProtocolError("mcp: Done comes after a Finished")
        result = self._result
        if result is None:
            result = {"content": [block for _, block in sorted(self._content.items())]}
        return _message(response(id_value(self._id), result={**result, **self._beside}))


def _message(message: Any) -> tuple[Frame]:
    return json_frame(message, "message")


def reconnect(request: Request, cursor: Cursor, known: Known) -> Request | None:
    """A GET of the same address in the same session, never the POST again.

    None where no event had an id, and from revision 2026-07-28 on.
    """
    version = request.header("MCP-Protocol-Version") or ""  # which initialize does not have
    if not cursor.value or version >= _NOT_RESUMED:
        return None
    going = request.as_get().with_header("Last-Event-ID", str(cursor.value))
    session = known.headers.get("mcp-session-id")
    if not session:
        return going
    try:
        return going.with_header("Mcp-Session-Id", session)
    except ValueError:  # no header can say it
        return None


def mcp(*, answers: int | None = None) -> Dialect:
    """The dialect for a batch of requests (2025-03-26).

    Args:
        answers: How many responses there will be: as many as requests with an id were sent. A
            `Session` knows it from the request's body.
    """
    return msgspec.structs.replace(MCP, decoder=lambda: Decoder(answers), for_request=None)


def _for_request(request: Request) -> Dialect:
    """The dialect for as many responses as there are requests in the body."""
    said = json_or_text(request.body or b"")
    messages = said if is_list(said) else [said]
    asked = [one for one in messages if is_mapping(one) and one.get("method") and "id" in one]
    return mcp(answers=len(asked)) if asked else MCP


MCP = Dialect(
    name="mcp",
    framer=ReplyFramer,
    decoder=Decoder,
    encoder=Encoder,
    media_types=("text/event-stream", "application/json"),
    terminator="the response: a message with a result or an error",
    effects=(("method=tools/call",),),
    for_request=_for_request,
    resumption=Resumption(
        method="last_event_id",
        kind="id",
        field="Last-Event-ID header of a GET, until revision 2025-11-25",
        reconnect=reconnect,
        naming_headers=("mcp-session-id",),
    ),
    marks=(("jsonrpc=2.0",), ("0.jsonrpc=2.0",), ("@event=endpoint", "@text")),
    headers={"mcp-session-id": "*"},
    notes=Notes(
        vendor="Model Context Protocol",
        sources=(
            "https://modelcontextprotocol.io/specification",
            "https://www.jsonrpc.org/specification",
        ),
        request="POST of a JSON-RPC request, Accept: application/json, text/event-stream",
        text="result.content[].text of a tool's result; other results are Data",
        errors="a JSON-RPC error as the response; a tool's own failure is isError in its result,"
        " a finish with reason error",
        heartbeats="comments; an event with an id and empty data comes first to resume from",
        resume="until 2025-11-25: GET the same address with Last-Event-ID and Mcp-Session-Id, never"
        " the POST again; from 2026-07-28 on there is none, and closing the stream cancels the"
        " request",
        quirks=(
            "the Python server ends lines with CRLF",
            "results may hold U+2028, which is no line end",
            "comments may come before the first message",
            "the priming event has an id and empty data: a heartbeat that moves the cursor",
            "a server may answer with one JSON document in place of the event stream",
            "2025-03-26: the responses to a batch are choices 0, 1, ..., in an event each or in an"
            " array in one event. A Session knows their number from the request; mcp(answers=2)"
            " says it where a body is read alone. Else, where events have no ids, Done waits for"
            " the end of the body, as servers end it after the last response; where they have, it"
            " comes with the first event that holds one.",
            "2024-11-05: event: endpoint names an address; the stream then carries the answers of a"
            " whole session, and none of them ends it",
        ),
    ),
)
