"""Events to the Interactions wire: the mirror of `tokenwire.dialects.google.interactions`.

The wire wraps content in steps that are opened and closed; the events do not. One such step is open
at a time; calls stay open beside it until they are complete, for their fragments may come mixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tokenwire.dialects.google.interactions_wire import MEDIA, STATUSES
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
    Reasoning,
    Started,
    Token,
    ToolCall,
    Usage,
)
from tokenwire.frame import Frame

# Calls that are said by their type alone.
_BUILT_IN: Final = frozenset(
    {
        "code_execution",
        "file_search",
        "google_maps",
        "google_search",
        "processing",
        "retrieval",
        "tool_search",
        "url_context",
    }
)
# Steps that are said by events of their own.
_NO_DATA: Final = frozenset({"model_output", "text", "thought"})


class InteractionsEncoder:
    """Writes an interaction: created, steps, completed."""

    def __init__(self) -> None:
        self._identity: dict[str, Any] = {"id": "", "object": "interaction"}
        self._step: tuple[str, int] | None = None  # type and part of the step that is open
        self._index = -1  # of the step that was opened last
        self._place = 0  # of the step that is open
        self._calls: dict[str, int | None] = {}  # None: closed
        self._finished: Finished | None = None
        self._usage: dict[str, int] = {}

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The frames of one event. `Finished` and the final `Usage` are sent with `Done`.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        match event:
            case Token(text=text, index=0, part=part):
                return self._say("model_output", part, {"type": "text", "text": text})
            case Reasoning(index=0):
                return self._think(event)
            case ToolCall(index=0) if self._calls.get(event.key, _NEW) is not None:
                return self._call(event)
            case Data(index=0):
                return self._data(event)
            case Started(id=id, model=model):
                self._identity |= {"id": id or "", **({"model": model} if model else {})}
                return self._about("created", "in_progress")
            case Usage(final=True):
                self._usage = _usage(event)
                return ()
            case Usage():
                return self._status(usage=_usage(event))
            case Finished(index=0):
                self._finished = event
                return ()
            case Heartbeat():
                return heartbeat(event)
            case Error(fatal=True, message=message, code=code):
                error = {"message": message, **({"code": code} if code else {})}
                return _frame("error", error=error)
            case Done():
                return self._done()
            case _:
                raise cannot_say("gemini-interactions", event)

    def _about(self, what: str, status: str, **fields: Any) -> tuple[Frame]:
        interaction = {**self._identity, "status": status, **fields}
        return _frame(f"interaction.{what}", interaction=interaction)

    def _status(self, **fields: Any) -> tuple[Frame]:
        said = {"interaction_id": self._identity["id"], "status": "in_progress", **fields}
        return _frame("interaction.status_update", **said)

    # --- steps ---

    def _begin(self, step: dict[str, Any], part: int = 0) -> tuple[Frame]:
        self._index = max(self._index + 1, part)
        return _frame("step.start", index=self._index, step=step)

    def _close(self) -> tuple[Frame, ...]:
        if self._step is None:
            return ()
        self._step = None
        return _frame("step.stop", index=self._place)

    def _say(self, kind: str, part: int, *deltas: dict[str, Any]) -> Sequence[Frame]:
        frames: list[Frame] = []
        if self._step != (kind, part):
            frames += [*self._close(), *self._begin({"type": kind}, part)]
            self._step, self._place = (kind, part), self._index
        for delta in deltas:
            frames += _frame("step.delta", index=self._place, delta=delta)
        return frames

    def _think(self, event: Reasoning) -> Sequence[Frame]:
        deltas: list[dict[str, Any]] = []
        if event.text:
            content = {"type": "text", "text": event.text}
            deltas.append({"type": "thought_summary", "content": content})
        if event.signature:
            deltas.append({"type": "thought_signature", "signature": event.signature})
        return self._say("thought", event.part, *deltas)

    def _call(self, event: ToolCall) -> Sequence[Frame]:
        frames: list[Frame] = []
        index = self._calls.get(event.key)
        if index is None:
            kind = "function_call"
            said: dict[str, Any] = {"id": event.id, "name": event.name}
            if event.provider_executed and event.name in _BUILT_IN:
                kind, said = f"{event.name}_call", {"id": event.id}
            elif event.provider_executed:
                kind, said = "mcp_server_tool_call", {**said, "server_name": ""}
            said = {name: value for name, value in said.items() if value is not None}
            frames += [*self._close(), *self._begin({"type": kind, **said, "arguments": {}})]
            index = self._calls[event.key] = self._index
        elif event.id or event.name:
            raise LocalProtocolError("gemini-interactions: a call is named where it begins")
        if event.arguments:
            delta = {"type": "arguments_delta", "arguments": event.arguments}
            frames += _frame("step.delta", index=index, delta=delta)
        if event.complete:
            self._calls[event.key] = None
            frames += _frame("step.stop", index=index)
        return frames

    def _data(self, event: Data) -> Sequence[Frame]:
        kind, value = event.kind, event.value
        if kind == "continuation_token":
            return self._status(continuation_token=value)
        if kind == "annotation":
            delta = {"type": "text_annotation_delta", "annotations": [value]}
            return self._say("model_output", event.part, delta)
        if kind == "thought_summary":
            return self._say("thought", event.part, {"type": kind, "content": value})
        if not is_mapping(value) or value.get("type") != kind or kind.endswith("_call"):
            raise cannot_say("gemini-interactions", event)
        if kind in MEDIA:
            return self._say("model_output", event.part, dict(value))
        if kind in _NO_DATA or len(value) < 2:
            raise cannot_say("gemini-interactions", event)
        begun = self._begin(dict(value), event.part)
        return [*self._close(), *begun, *_frame("step.stop", index=self._index)]

    # --- the end ---

    def _done(self) -> Sequence[Frame]:
        if self._finished is None:
            raise LocalProtocolError("gemini-interactions: Done comes after a Finished")
        status = word_for(self._finished, STATUSES)
        usage = {"usage": self._usage} if self._usage else {}
        ended = self._about("completed", status, **usage)
        return [*self._close(), *ended, Frame(b"[DONE]", "done")]


_NEW: Final = -1  # a call that is not known yet; a closed one cannot go on


def _frame(kind: str, **fields: Any) -> tuple[Frame]:
    return json_frame({**fields, "event_type": kind}, kind)


def _usage(usage: Usage) -> dict[str, int]:
    said = {
        "total_input_tokens": usage.input_tokens,
        "total_output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "total_thought_tokens": usage.reasoning_tokens,
        "total_cached_tokens": usage.cache_read_tokens,
    }
    return {name: count for name, count in said.items() if count is not None}
