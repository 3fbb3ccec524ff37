"""``a2a``: the Agent2Agent protocol, versions 0.2 to 1.0, over JSON-RPC and over HTTP+JSON.

Source: https://a2a-protocol.org/latest/specification, its Python SDK, and recordings.

Each event is a task, a message, a new status of the task, or a piece of an artifact; over JSON-RPC
it is the ``result`` of a response. An answer is complete at a status that ends the task, at a
message, at ``"final": true`` (0.x), or where the body ends while the task waits for the client.

Artifacts are the answer. A message in a status is a note while the task works, and belongs to the
answer where the task ends or asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.agents.a2a_encode import A2AEncoder, kind_of
from tokenwire.dialects.kit.errors import VendorError
from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.jsonrpc import ReplyFramer, find_rpc_error
from tokenwire.dialects.kit.one_choice import read_frame
from tokenwire.dialects.kit.payloads import (
    MAX_INDEX,
    is_list,
    is_mapping,
    list_of,
    malformed,
    odd_texts,
    plain_text,
    reason_for,
)
from tokenwire.events import (
    Data,
    Done,
    Event,
    Finished,
    Heartbeat,
    Reason,
    Reasoning,
    Refusal,
    Reset,
    Started,
    Token,
    Unknown,
)
from tokenwire.frame import Frame

STATES: Final[Mapping[str, Reason]] = {
    "TASK_STATE_COMPLETED": "stop",
    "TASK_STATE_INPUT_REQUIRED": "pause",
    "TASK_STATE_AUTH_REQUIRED": "pause",
    "TASK_STATE_CANCELED": "cancelled",
    "TASK_STATE_CANCELLED": "cancelled",  # 0.3 over HTTP+JSON
    "TASK_STATE_REJECTED": "refusal",
    "TASK_STATE_FAILED": "error",
    "completed": "stop",
    "input-required": "pause",
    "auth-required": "pause",
    "canceled": "cancelled",
    "cancelled": "cancelled",  # unverified: a British spelling
    "rejected": "refusal",
    "failed": "error",
}
"""States in which a task rests, as 1.0 and 0.x write them. In any other it goes on."""

_KINDS: Final = {
    "task": "task",
    "message": "message",
    "status-update": "statusUpdate",
    "artifact-update": "artifactUpdate",
}
"""What 0.x calls in ``kind`` what 1.0 makes a field of."""

_decode_json = JSONDecoder(object).decode


class _Artifact:
    """What was told of one artifact: as much as it takes to know it again."""

    __slots__ = ("_hash", "_length", "others", "part")

    def __init__(self, part: int) -> None:
        self.part = part
        self.forget()

    def forget(self) -> None:
        """Nothing of it holds any more."""
        self._length = 0
        self._hash = blake2b()
        self.others = 0  # parts that are no text of the answer

    def tell(self, text: str) -> None:
        """This was said."""
        self._length += len(text)
        self._hash.update(_bytes(text))

    def rest(self, text: str) -> str | None:
        """What is new in a text that begins with all that was told; None where it does not."""
        told = text[: self._length]
        same = len(told) == self._length and blake2b(_bytes(told)).digest() == self._hash.digest()
        return text[self._length :] if same else None

    def is_all(self, text: str) -> bool:
        """This text is what was told, and there is some."""
        return 0 < len(text) == self._length and self.rest(text) == ""


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


class Decoder:
    """Stream responses to events."""

    def __init__(self) -> None:
        self._started = False
        self._reason: Reason | None = None  # while the task rests
        self._artifacts: dict[str | int, _Artifact] = {}  # messages are numbered
        self._extras = Extras()

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        return read_frame(frame, object, _decode_json, self._receive)

    def receive_eof(self) -> Sequence[Event]:
        """The body ended; a task that waits for the client does so until it is asked again."""
        return () if self._reason is None else (Done(self._reason),)

    def _receive(self, value: object, frame: Frame) -> Sequence[Event]:
        if not is_mapping(value):
            return (Unknown(frame=frame),)
        if error := find_rpc_error(value):
            return (error.event(frame),)
        result = value.get("result")
        kind, body = _unwrap(result if is_mapping(result) else value)
        match kind:
            case "artifactUpdate" if is_mapping(body.get("artifact")):
                append = body.get("append") is True
                events = self._start(body.get("taskId"), frame)
                return [*events, *self._receive_artifact(body["artifact"], frame, append=append)]
            case "statusUpdate":
                events = self._start(body.get("taskId"), frame)
                return events + self._receive_status(body, frame, body.get("final"), bool(events))
            case "task":
                return self._receive_task(body, frame)
            case "message":
                return self._receive_message(body, frame)
            case _:
                return (Unknown(frame=frame),)

    def _start(self, id: Any, frame: Frame) -> list[Event]:
        if self._started or not (known := plain_text(id)):
            return []
        self._started = True
        return [Started(known, frame=frame)]

    def _receive_task(self, task: Mapping[str, Any], frame: Frame) -> list[Event]:
        """A whole task, first or on subscribing again: what is not news is not said again."""
        events = [*odd_texts(task, frame, "id"), *self._start(task.get("id"), frame)]
        artifacts = task.get("artifacts")
        for artifact in artifacts if is_list(artifacts) else ():
            if is_mapping(artifact):
                events += self._receive_artifact(artifact, frame, append=False)
        # It may show the state from before the client's message: a task that waits goes on yet.
        return events + self._receive_status(task, frame, None, bool(events))

    def _receive_message(self, message: Mapping[str, Any], frame: Frame) -> list[Event]:
        """A message in place of a task: the whole answer."""
        events = self._start(message.get("taskId") or message.get("messageId"), frame)
        events += self._say(message, frame)
        return [*events, Finished(0, "stop", frame=frame), Done("stop", frame=frame)]

    # --- artifacts ---

    def _receive_artifact(
        self, artifact: Mapping[str, Any], frame: Frame, *, append: bool
    ) -> list[Event]:
        odd = odd_texts(artifact, frame, "artifactId")
        id = str(artifact.get("artifactId"))
        known = self._artifacts.get(id)
        if known is None:
            if len(self._artifacts) == MAX_INDEX:
                return [malformed(frame, f"there are more than {MAX_INDEX} artifacts")]
            known = self._artifacts[id] = _Artifact(len(self._artifacts))
        elif not append:
            return odd + self._replace(known, artifact, frame)
        return odd + self._tell(known, artifact, frame)

    def _tell(self, known: _Artifact, holder: Mapping[str, Any], frame: Frame) -> list[Event]:
        events = _events_of(holder, known.part, frame)
        for event in events:
            if isinstance(event, Token):
                known.tell(event.text)
            else:
                known.others += 1
        self._extras.tell(_unread_in(holder), frame, events)
        return events

    def _replace(self, known: _Artifact, artifact: Mapping[str, Any], frame: Frame) -> list[Event]:
        """The artifact anew: from its beginning on, or in place of what was told."""
        events = _events_of(artifact, known.part, frame)
        text = "".join(event.text for event in events if isinstance(event, Token))
        others = [event for event in events if not isinstance(event, Token)]
        rest = known.rest(text)
        if rest is None:
            known.forget()
            rest = text
            said: list[Event] = [Reset(0, known.part, text, frame=frame)]
        else:
            said = [Token(rest, 0, known.part, frame=frame)] if rest else []
        said += others[known.others :]
        known.tell(rest)
        known.others = max(known.others, len(others))
        self._extras.tell(_unread_in(artifact), frame, said)
        return said

    def _say(self, message: Any, frame: Frame) -> list[Event]:
        """A message of the answer, unless it repeats what was told."""
        text = _text_of(message)
        if not is_mapping(message) or any(one.is_all(text) for one in self._artifacts.values()):
            return []
        number = len(self._artifacts)
        known = _Artifact(number)
        if number < MAX_INDEX:
            self._artifacts[number] = known
        return self._tell(known, message, frame)

    # --- the status ---

    def _receive_status(
        self, holder: Mapping[str, Any], frame: Frame, final: Any, said: bool
    ) -> list[Event]:
        """A state; `said` where this frame told something before it."""
        status = holder.get("status")
        state = plain_text(status.get("state")) if is_mapping(status) else ""
        if not is_mapping(status) or not state:
            odd = status not in (None, {}, [], "")
            return [Data("status", status, frame=frame)] if odd else _unless(said, frame)
        message = status.get("message")
        reason = reason_for(state, STATES)
        if state not in STATES and final is not True:
            self._reason = None
            if message is None:
                return [] if said else [Heartbeat(state, frame=frame)]
            return [Data("status", status, frame=frame)]
        if reason == "error":
            text = _text_of(message) or f"the agent ended the task with {state!r}"
            return [VendorError(text, state).event(frame)]
        return self._rest(state, reason, message, final, frame)

    def _rest(
        self, state: str, reason: Reason, message: Any, final: Any, frame: Frame
    ) -> list[Event]:
        """The task ends here, or waits for the client."""
        events: list[Event] = []
        if reason == "refusal" and (text := _text_of(message)):
            events.append(Refusal(text, frame=frame))
        elif reason == "cancelled" and message is not None:
            events.append(Data("message", message, frame=frame))
        elif reason != "refusal":
            events += self._say(message, frame)
        self._reason = reason
        events.append(Finished(0, reason, state, frame=frame))
        # 0.x says whether more follows. 1.0 does not, and what waits for an authorisation may go on
        # once it is given.
        if final is True or (reason != "pause" and final is not False):
            events.append(Done(reason, frame=frame))
        return events


def _unless(said: bool, frame: Frame) -> list[Event]:
    return [] if said else [Unknown(frame=frame)]


def _unwrap(result: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """What a stream response is, and its body."""
    for kind in _KINDS.values():
        if is_mapping(body := result.get(kind)):
            return kind, body
    return _KINDS.get(str(result.get("kind")), ""), result


def _parts(holder: Mapping[str, Any]) -> list[Any]:
    parts = holder.get("parts") or holder.get("content")  # 0.3 called it so over HTTP (unverified)
    return [parts] if is_mapping(parts) else list_of(parts)


def _unread_in(holder: Mapping[str, Any]) -> dict[str, Any]:
    """What stands where parts, or what is known about one, should stand."""
    parts = holder.get("parts")
    unread = {} if is_mapping(parts) or is_list(parts) or not parts else {"parts": parts}
    for at, part in enumerate(_parts(holder)):
        metadata = part.get("metadata") if is_mapping(part) else None
        thought = metadata.get("adk_thought") if is_mapping(metadata) else None
        if metadata and not is_mapping(metadata):
            unread[f"parts[{at}].metadata"] = metadata
        elif thought and thought is not True:
            unread[f"parts[{at}].metadata.adk_thought"] = thought
    return unread


def _text_of(message: Any) -> str:
    if not is_mapping(message):
        return ""
    parts = (part for part in _parts(message) if is_mapping(part))
    return "".join(plain_text(part.get("text")) for part in parts)


def _events_of(holder: Mapping[str, Any], number: int, frame: Frame) -> list[Event]:
    """The parts of an artifact or message, the empty ones left out."""
    events: list[Event] = []
    for part in _parts(holder):
        fields: Mapping[str, Any] = part if is_mapping(part) else {}
        text, metadata = plain_text(fields.get("text")), fields.get("metadata")
        if not text and fields.get("text") != "":
            events.append(Data(kind_of(fields), part, 0, number, frame=frame))
        elif text and is_mapping(metadata) and metadata.get("adk_thought") is True:
            events.append(Reasoning(text, 0, number, frame=frame))  # Google's ADK, unverified
        elif text:
            events.append(Token(text, 0, number, frame=frame))
    return events


A2A = Dialect(
    name="a2a",
    framer=ReplyFramer,
    decoder=Decoder,
    encoder=lambda: A2AEncoder(STATES),
    media_types=("text/event-stream", "application/json"),
    terminator="a status that ends the task, or a message",
    effects=(
        ("method=message/*",),
        ("method=Send*Message",),
        ("method=tasks/send*",),
        ("@path=*/message:s*",),
    ),
    marks=(
        *(("jsonrpc=2.0", f"result.{field}") for field in _KINDS.values() if field != "task"),
        ("jsonrpc=2.0", "result.task.status.state"),  # MCP has tasks too, whose status is a word
        *(("jsonrpc=2.0", f"result.kind={kind}") for kind in _KINDS),
        ("statusUpdate.status",),
        ("artifactUpdate.artifact",),
        ("task.status.state",),
        ("message.parts", "message.messageId"),
    ),
    notes=Notes(
        vendor="Agent2Agent (Linux Foundation)",
        sources=(
            "https://a2a-protocol.org/latest/specification",
            "https://github.com/a2aproject/a2a-python",
        ),
        request="SendStreamingMessage (0.x: message/stream), or POST /message:stream",
        text="artifactUpdate.artifact.parts[].text, and status.message.parts[].text at the end",
        errors="a JSON-RPC error, an HTTP+JSON error as event: error, or the state failed",
        heartbeats="comments, and states without a message",
        resume="none that is exact: SubscribeToTask (0.x: tasks/resubscribe) while the task goes on"
        " gives a snapshot first, of which only news is said, and no cursor; pieces that were"
        " missed are not sent again",
        quirks=(
            "the Python server ends lines with CRLF",
            "texts may hold U+2028, which is no line end",
            "append: false on a known artifact replaces it: a Reset, unless it only goes on",
            "a last status that repeats an artifact is not said again",
            "the message of a working task is a note: Data of kind status",
            "input-required and auth-required finish with pause; Done comes at the end of the body",
            "the message of a rejected task is a Refusal; it is read, and not written",
            "0.x: kind names what 1.0 has as field; final: true ends the stream in any state",
        ),
        doubtful=(
            "some agents stream the answer in messages of a working task; they stay Data",
            "a part whose metadata has adk_thought is Reasoning",
            "how often the same request may be sent again after the state failed: it is fatal",
        ),
    ),
)
