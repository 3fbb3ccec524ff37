"""Events to A2A's wire: the mirror of `tokenwire.dialects.agents.a2a`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tokenwire.dialects.kit.encoding import cannot_say, heartbeat, json_frame, word_for
from tokenwire.dialects.kit.jsonrpc import error_object, response
from tokenwire.dialects.kit.payloads import is_mapping, reason_for
from tokenwire.errors import LocalProtocolError
from tokenwire.events import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Reason,
    Reasoning,
    Reset,
    Started,
    Token,
)
from tokenwire.frame import Frame


class A2AEncoder:
    """Writes stream responses of version 1.0; each part of the answer is an artifact.

    Args:
        states: The states in which a task rests, as the decoder reads them.
        request_id: Of the JSON-RPC request that is answered. Without one it writes the HTTP+JSON
            binding, which has no ids.
    """

    def __init__(
        self, states: Mapping[str, Reason], *, request_id: str | int | None = None
    ) -> None:
        self._states = states
        self._request_id = request_id
        self._task: str | None = None
        self._parts: set[int] = set()
        self._word: str | None = None

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The frames of one event; a `Finished` is said with the `Done` after it.

        Raises:
            LocalProtocolError: The wire cannot say it, something comes before `Started`, or `Done`
                before `Finished`.
        """
        match event:
            case Heartbeat():
                return heartbeat(event)
            case Error(fatal=True) if self._word is None:
                return self._error(event)
            case Started(id=str(id)):
                self._task = id
                return self._say("task", id=id, contextId=id, status=_SUBMITTED)
            case _ if self._task is None:
                raise LocalProtocolError("a2a: a stream begins with a Started that has an id")
            case Token(text=text, index=0, part=part):
                return self._artifact(part, {"text": text})
            case Reasoning(text=text, index=0, part=part, signature=None):
                return self._artifact(part, {"text": text, "metadata": {"adk_thought": True}})
            case Reset(index=0, part=int(part), text=text) if part in self._parts:
                return self._artifact(part, {"text": text}, append=False)
            case Data(kind="status", value=value, index=0) if is_mapping(value):
                return self._status(value)
            case Data(kind=kind, value=value, index=0, part=part) if (
                is_mapping(value) and "text" not in value and kind_of(value) == kind
            ):
                return self._artifact(part, value)
            case Finished(index=0):
                self._word = self._state(event)
            case Done():
                return self._end()
            case _:
                raise cannot_say("a2a", event)
        return ()

    def _say(self, kind: str, **body: Any) -> Sequence[Frame]:
        result = {kind: body}
        if self._request_id is None:
            return json_frame(result)
        return json_frame(response(self._request_id, result=result))

    def _artifact(self, part: int, said: Any, *, append: bool = True) -> Sequence[Frame]:
        append = append and part in self._parts
        self._parts.add(part)
        artifact = {"artifactId": str(part), "parts": [said]}
        ids = {"taskId": self._task, "contextId": self._task}
        return self._say("artifactUpdate", **ids, artifact=artifact, append=append)

    def _status(self, status: Mapping[str, Any]) -> Sequence[Frame]:
        return self._say("statusUpdate", taskId=self._task, contextId=self._task, status=status)

    def _state(self, event: Finished) -> str:
        word = word_for(event, self._states)
        if reason_for(word, self._states) in ("error", "other"):  # an Error says that a task failed
            raise cannot_say("a2a", event)
        return word

    def _end(self) -> Sequence[Frame]:
        if self._word is None:
            raise LocalProtocolError("a2a: Done comes after a Finished")
        return self._status({"state": self._word})

    def _error(self, event: Error) -> Sequence[Frame]:
        code = event.code or ""
        if reason_for(code, self._states) == "error" and self._task is not None:
            parts = [{"text": event.message}]
            message = {"messageId": "error", "role": "ROLE_AGENT", "parts": parts}
            return self._status({"state": code, "message": message})
        if self._request_id is not None:
            return json_frame(response(self._request_id, error=error_object(event)))
        said = {"code": event.status, "status": event.code, "message": event.message}
        error = {name: value for name, value in said.items() if value is not None}
        return json_frame({"error": error}, "error")


def kind_of(part: Mapping[str, Any]) -> str:
    """What a part is that is no text: 1.0 tells it by its fields, 0.x says it."""
    return str(part.get("kind") or ("data" if "data" in part else "file"))


_SUBMITTED = {"state": "TASK_STATE_SUBMITTED"}
