"""Events to the Assistants wire: the mirror of `tokenwire.dialects.openai.assistants`.

All texts are contents of one message, each call is a step of its own. The message is repeated at
the end, and so are calls that wait for their outputs, as OpenAI's SDKs expect: an encoder holds its
whole answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tokenwire.dialects.kit.encoding import cannot_say, heartbeat, json_frame, word_for
from tokenwire.dialects.openai.assistants_wire import STATUSES
from tokenwire.errors import LocalProtocolError
from tokenwire.events import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Refusal,
    Started,
    Token,
    ToolCall,
    Usage,
)
from tokenwire.frame import Frame

_IMAGES: Final = frozenset({"image_file", "image_url"})
_CALLS: Final = ("function", "code_interpreter", "file_search")


class _Call:
    """A call as far as it was sent."""

    __slots__ = ("arguments", "id", "kind", "name", "over", "step")

    def __init__(self, step: str, kind: str) -> None:
        self.step = step
        self.kind = kind
        self.id: str | None = None
        self.name: str | None = None
        self.arguments: list[str] = []
        self.over = False


class AssistantsEncoder:
    """Writes a run: created, a message, steps, the run again."""

    def __init__(self) -> None:
        self._run: dict[str, Any] = {"id": "run_0", "object": "thread.run"}
        self._contents: dict[tuple[str, int], dict[str, Any]] = {}
        self._pieces: dict[tuple[str, int], list[str]] = {}
        self._calls: dict[str, _Call] = {}
        self._finished: Finished | None = None
        self._usage: Usage | None = None

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The frames of one event. `Finished` and the final `Usage` are sent with `Done`.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        match event:
            case Token(text=text, index=0, part=part):
                return self._say("text", part, text, {"value": text})
            case Refusal(text=text, index=0):
                return self._say("refusal", 0, text, text)
            case ToolCall(index=0):
                return self._call(event)
            case Data(kind="annotation", value=value, index=0, part=part):
                return self._say("text", part, "", {"annotations": [value]})
            case Data(kind=kind, value=value, index=0, part=part) if kind in _IMAGES:
                return self._say(kind, part, "", value)
            case Started(id=id, model=model):
                said = {"id": id, "model": model}
                self._run |= {name: value for name, value in said.items() if value}
                return self._about("queued", "created")
            case Usage(final=True):
                self._usage = event
                return ()
            case Usage():
                return self._about("in_progress", usage=_usage(event))
            case Finished(index=0):
                self._finished = event
                return ()
            case Heartbeat():
                return heartbeat(event)
            case Error(fatal=True, message=message, code=code):
                return json_frame({"error": {"message": message, "code": code}}, "error")
            case Done():
                return self._done()
            case _:
                raise cannot_say("openai-assistants", event)

    def _about(self, status: str, name: str = "", **fields: Any) -> tuple[Frame]:
        said = {**self._run, "status": status, **fields}
        return json_frame(said, f"thread.run.{name or status}")

    def _say(self, kind: str, part: int, text: str, value: Any) -> Sequence[Frame]:
        frames: list[Frame] = []
        if not self._contents:
            frames += _message("created", "in_progress", [])
        place = (kind, part)
        content = self._contents.get(place)
        if content is None:
            said: Any = {"annotations": []} if kind == "text" else value
            content = self._contents[place] = dict[str, Any](index=len(self._contents), type=kind)
            content[kind] = said
        elif kind in _IMAGES:
            raise LocalProtocolError("openai-assistants: an image is a part of its own")
        self._pieces.setdefault(place, []).append(text)
        if kind == "text":
            content["text"]["annotations"] += value.get("annotations", [])
        delta = {"content": [{"index": content["index"], "type": kind, kind: value}]}
        sent = {"id": "msg_0", "object": "thread.message.delta", "delta": delta}
        return [*frames, *json_frame(sent, "thread.message.delta")]

    # --- calls ---

    def _call(self, event: ToolCall) -> Sequence[Frame]:
        call = self._calls.get(event.key)
        kind = call.kind if call else event.name if event.provider_executed else "function"
        if kind not in _CALLS or (kind == "file_search" and event.arguments):
            raise cannot_say("openai-assistants", event)
        frames: list[Frame] = []
        if call is None:
            call = _Call(f"step_{len(self._calls)}", kind)
            call.id = event.id or f"call_{len(self._calls)}"
            call.name = event.name
            self._calls[event.key] = call
            frames += _step(call, "created", "in_progress")
            frames += _delta(call, event.arguments, id=call.id)
        elif call.over or event.id or event.name:
            raise LocalProtocolError(
                "openai-assistants: a call is named where it begins, and nothing follows its end"
            )
        elif event.arguments:
            frames += _delta(call, event.arguments)
        call.arguments.append(event.arguments)
        if event.complete:
            call.over = True
            frames += _step(call, "completed", "completed")
        return frames

    # --- the end ---

    def _done(self) -> Sequence[Frame]:
        if self._finished is None:
            raise LocalProtocolError("openai-assistants: Done comes after a Finished")
        frames: list[Frame] = []
        for call in self._calls.values():
            if not call.over:  # it was never completed: it was cut
                frames += _step(call, "cancelled", "cancelled")
        if self._contents:
            frames += _message("completed", "completed", [*map(self._whole, self._contents)])
        status = word_for(self._finished, STATUSES)
        fields: dict[str, Any] = {"usage": _usage(self._usage) if self._usage else None}
        if status not in STATUSES:  # a run that ends with another would not end for anyone
            status = "incomplete"
            fields["incomplete_details"] = {"reason": self._finished.reason}
        if status == "requires_action":
            asked = [_asked(call) for call in self._calls.values() if call.kind == "function"]
            outputs = {"tool_calls": asked}
            fields["required_action"] = {
                "type": "submit_tool_outputs",
                "submit_tool_outputs": outputs,
            }
        return [*frames, *self._about(status, **fields), Frame(b"[DONE]", "done")]

    def _whole(self, place: tuple[str, int]) -> dict[str, Any]:
        kind, text = place[0], "".join(self._pieces[place])
        value = self._contents[place][kind]
        if kind == "text":
            value = {**value, "value": text}
        return {"type": kind, kind: text if kind == "refusal" else value}


def _message(name: str, status: str, content: list[dict[str, Any]]) -> tuple[Frame]:
    said = {"id": "msg_0", "object": "thread.message", "status": status, "role": "assistant"}
    return json_frame({**said, "content": content}, f"thread.message.{name}")


def _step(call: _Call, name: str, status: str) -> tuple[Frame]:
    said = {"id": call.step, "object": "thread.run.step", "type": "tool_calls", "status": status}
    return json_frame(said, f"thread.run.step.{name}")


def _delta(call: _Call, arguments: str, **beginning: Any) -> tuple[Frame]:
    said: dict[str, Any] = {"index": 0, **beginning, "type": call.kind}
    if call.kind == "function":
        named = {"name": call.name} if beginning else {}
        said["function"] = {**named, "arguments": arguments}
    elif call.kind == "code_interpreter":
        said["code_interpreter"] = {"input": arguments}
    details = {"type": "tool_calls", "tool_calls": [said]}
    step = {"id": call.step, "object": "thread.run.step.delta", "delta": {"step_details": details}}
    return json_frame(step, "thread.run.step.delta")


def _asked(call: _Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": "".join(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}


def _usage(usage: Usage) -> dict[str, Any]:
    details = {
        "prompt_token_details": ("cached_tokens", usage.cache_read_tokens),
        "completion_tokens_details": ("reasoning_tokens", usage.reasoning_tokens),
    }
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        **{name: {of: count} for name, (of, count) in details.items() if count is not None},
    }
