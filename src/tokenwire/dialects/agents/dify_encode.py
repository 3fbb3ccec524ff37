"""Events to the wire of Dify: `tokenwire.dialects.agents.dify` mirrored, as a chat sends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tokenwire.dialects.kit.encoding import cannot_say, heartbeat, json_frame
from tokenwire.dialects.kit.payloads import is_mapping
from tokenwire.errors import LocalProtocolError
from tokenwire.events import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Reasoning,
    Reset,
    Started,
    Token,
    ToolCall,
    Usage,
)
from tokenwire.frame import Frame

METADATA: Final = ("annotation_reply", "retriever_resources")
"""What ``message_end`` has in its metadata beside usage."""


class DifyEncoder:
    """Writes one message; what stands in ``message_end`` waits for `Done`."""

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}
        self._end: dict[str, Any] = {}
        self._metadata: dict[str, Any] = {}
        self._status: str | None = None  # that the last event of a workflow told
        self._finished = False

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The frames of one event.

        `Data` holds the whole object, its event as kind, as it is read. A message ends with the
        reason ``stop``; any other one must have been told by a ``workflow_finished`` or
        ``workflow_paused`` before it.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        match event:
            case Token(text=text, index=0):
                return self._frame("message", answer=text)
            case Reasoning(text=text, index=0, signature=None):
                return self._frame("reasoning_chunk", data={"reasoning": text})
            case Reset(index=0, part=None, text=text):
                return self._frame("message_replace", answer=text)
            case ToolCall(index=0, complete=True, provider_executed=True, name=str(name)):
                said = {"tool": name, "tool_input": event.arguments}
                return self._frame("agent_thought", id=event.id or event.key, **said)
            case Started(id=str(id)):
                self._head = {"message_id": id}
                return self._frame("message", answer="")
            case Data(index=0):
                return self._data(event)
            case Usage(input_tokens=came, output_tokens=went, total_tokens=total):
                counts = {"prompt_tokens": came, "completion_tokens": went, "total_tokens": total}
                self._metadata["usage"] = {n: v for n, v in counts.items() if v is not None}
                return ()
            case Finished(index=0, reason=reason, raw_reason=raw):
                told = self._status is not None and raw == self._status
                if not told and (reason != "stop" or raw not in (None, "message_end")):
                    raise cannot_say("dify", event)
                self._finished = True
                return ()
            case Heartbeat(text="ping"):
                return (Frame(event="ping"),)
            case Heartbeat():
                return heartbeat(event)
            case Error(fatal=True, message=message, code=code, status=status):
                error = {"status": status, "code": code, "message": message}
                return self._frame("error", **{n: v for n, v in error.items() if v is not None})
            case Done():
                if not self._finished:
                    raise LocalProtocolError("dify: Done comes after a Finished")
                return self._frame("message_end", metadata=self._metadata, **self._end)
            case _:
                raise cannot_say("dify", event)

    def _data(self, event: Data) -> Sequence[Frame]:
        kind, value = event.kind, event.value
        if kind in METADATA:
            self._metadata[kind] = value
            return ()
        if kind == "files":
            self._end["files"] = value
            return ()
        if not is_mapping(value) or value.get("event") != kind:
            raise cannot_say("dify", event)
        if kind == "workflow_paused":
            self._status = kind
        elif kind == "workflow_finished":
            data = value.get("data")
            self._status = data.get("status") if is_mapping(data) else None
        return json_frame(value)

    def _frame(self, event: str, **fields: Any) -> tuple[Frame]:
        return json_frame({"event": event, **self._head, **fields})
