"""Events to AG-UI's wire: the mirror of `tokenwire.dialects.agents.ag_ui`.

The wire opens and closes messages, thoughts and calls; of events only calls are closed. A message
is opened by its first piece, and all that is open is closed before the run finishes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tokenwire.dialects.kit.encoding import cannot_say, heartbeat, json_frame, word_for
from tokenwire.dialects.kit.payloads import is_mapping
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
    Started,
    Token,
    ToolCall,
    Usage,
)
from tokenwire.frame import Frame


class AGUIEncoder:
    """Writes runs. What belongs to ``RUN_FINISHED`` waits for `Done`, or for the next `Started`.

    Args:
        outcomes: The outcomes of a run, as the decoder reads them.
        data_events: Events that are data: `Data` of such a kind is sent as it is.
    """

    def __init__(self, outcomes: Mapping[str, Reason], data_events: Collection[str]) -> None:
        self._outcomes = outcomes
        self._data_events = data_events
        self._run: str | None = None
        self._texts: dict[int, str] = {}  # ids of what is open, by part
        self._thoughts: dict[int, str] = {}
        self._calls: dict[str, str] = {}  # ids by key
        self._answered: set[str] = set()  # ids of calls whose result was sent
        self._last: dict[str, Any] = {}
        self._interrupts: list[Any] = []
        self._finish: Finished | None = None

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The frames of one event.

        Raises:
            LocalProtocolError: The wire cannot say it, something comes before `Started`, or `Done`
                before `Finished`.
        """
        match event:
            case Heartbeat():
                return heartbeat(event)
            case Error(fatal=True):
                return self._error(event)
            case Started(id=str(id)):
                return self._start(id)
            case _ if self._run is None:
                raise LocalProtocolError("ag-ui: a stream begins with a Started that has an id")
            case Token(text=text, index=0, part=part):
                opened, id = self._open("TEXT_MESSAGE", self._texts, part, role="assistant")
                return (*opened, *_frame("TEXT_MESSAGE_CONTENT", messageId=id, delta=text))
            case Reasoning(index=0):
                return self._think(event)
            case ToolCall(index=0, provider_executed=False):
                return self._call(event)
            case Data(index=0):
                return self._data(event)
            case Usage():
                self._last["usage"] = [_usage(event)]
            case Finished(index=0, reason=reason):
                known = reason in self._outcomes.values() or (
                    reason == "tool_calls" and self._pending
                )
                if not known or (self._interrupts and reason != "pause"):
                    raise cannot_say("ag-ui", event)
                self._finish = event
            case Done():
                return self._end()
            case _:
                raise cannot_say("ag-ui", event)
        return ()

    @property
    def _pending(self) -> list[str]:
        """Calls that wait for the client."""
        return [id for id in self._calls.values() if id not in self._answered]

    def _start(self, id: str) -> Sequence[Frame]:
        ended = () if self._run is None else self._end()
        self._run = id
        # The thread is the request's, and unknown here.
        return (*ended, *_frame("RUN_STARTED", threadId=id, runId=id))

    def _open(
        self, kind: str, parts: dict[int, str], part: int, **fields: str
    ) -> tuple[Sequence[Frame], str]:
        if part in parts:
            return (), parts[part]
        id = parts[part] = f"{self._run}:{kind.partition('_')[0].lower()}:{part}"
        return _frame(f"{kind}_START", messageId=id, **fields), id

    def _think(self, event: Reasoning) -> Sequence[Frame]:
        frames, id = self._open("REASONING_MESSAGE", self._thoughts, event.part, role="reasoning")
        if frames:
            frames = (*_frame("REASONING_START", messageId=id), *frames)
        if event.text:
            frames = (
                *frames,
                *_frame("REASONING_MESSAGE_CONTENT", messageId=id, delta=event.text),
            )
        if event.signature:
            value = {"subtype": "message", "entityId": id, "encryptedValue": event.signature}
            frames = (*frames, *_frame("REASONING_ENCRYPTED_VALUE", **value))
        return frames

    def _call(self, event: ToolCall) -> Sequence[Frame]:
        frames: Sequence[Frame] = ()
        if event.key not in self._calls:
            self._calls[event.key] = event.id or event.key
            name = event.name or ""
            frames = _frame("TOOL_CALL_START", toolCallId=event.id or event.key, toolCallName=name)
        id = self._calls[event.key]
        if event.arguments:
            frames = (*frames, *_frame("TOOL_CALL_ARGS", toolCallId=id, delta=event.arguments))
        if event.complete:
            frames = (*frames, *_frame("TOOL_CALL_END", toolCallId=id))
        return frames

    def _data(self, event: Data) -> Sequence[Frame]:
        kind, value = event.kind, event.value
        if kind in self._data_events and is_mapping(value) and value.get("type") == kind:
            if kind == "TOOL_CALL_RESULT":
                self._answered.add(str(value.get("toolCallId")))
            return json_frame(value)
        if kind == "result" and value is not None:
            self._last["result"] = value
        elif kind == "interrupt":
            self._interrupts.append(value)
        else:
            raise cannot_say("ag-ui", event)
        return ()

    def _error(self, event: Error) -> Sequence[Frame]:
        finished = () if self._finish is None else self._end()
        said = {"code": event.code} if event.code else {}
        usage = {"usage": self._last["usage"]} if "usage" in self._last else {}
        return (*finished, *_frame("RUN_ERROR", message=event.message, **said, **usage))

    def _end(self) -> Sequence[Frame]:
        finish = self._finish
        if finish is None:
            raise LocalProtocolError("ag-ui: a run ends with a Finished")
        outcome: dict[str, Any] = {"type": word_for(finish, self._outcomes)}
        if finish.reason == "tool_calls":
            outcome = {"type": "success", "pendingToolCallIds": self._pending}
        elif finish.reason == "pause":
            outcome["interrupts"] = self._interrupts
        said = {} if outcome == {"type": "success"} and not finish.raw_reason else outcome
        ended: list[Frame] = []
        for id in self._texts.values():
            ended += _frame("TEXT_MESSAGE_END", messageId=id)
        for id in self._thoughts.values():
            ended += _frame("REASONING_MESSAGE_END", messageId=id)
            ended += _frame("REASONING_END", messageId=id)
        last = {**self._last, "outcome": said} if said else self._last
        ended += _frame("RUN_FINISHED", threadId=self._run, runId=self._run, **last)
        self._run = self._finish = None
        self._texts, self._thoughts, self._calls = {}, {}, {}
        self._answered = set()
        self._last, self._interrupts = {}, []
        return ended


def _frame(kind: str, **fields: Any) -> tuple[Frame]:
    return json_frame({"type": kind, **fields})


def _usage(usage: Usage) -> dict[str, int]:
    said = {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.total_tokens,
        "reasoningTokens": usage.reasoning_tokens,
        "cachedInputTokens": usage.cache_read_tokens,
        "cacheWriteInputTokens": usage.cache_write_tokens,
    }
    return {name: n for name, n in said.items() if n is not None}
