"""Events to the Responses wire: the mirror of `tokenwire.dialects.openai.responses`.

The wire wraps text and thoughts in items and parts that are opened and closed; the events do not.
One such item is open at a time; calls stay open beside it until they are complete, for their
fragments may come mixed. The terminal event repeats all that was sent, as OpenAI's SDKs expect: an
encoder holds its whole answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    Refusal,
    Started,
    Token,
    ToolCall,
    Usage,
)
from tokenwire.frame import Frame

# Items that are written as events of their own.
_NO_DATA: Final = frozenset(
    {"message", "reasoning", "function_call", "custom_tool_call", "mcp_call"}
)


class _Item:
    """An item that is open."""

    __slots__ = ("arguments", "index", "part", "parts", "pieces", "result", "said")

    def __init__(self, index: int, said: dict[str, Any]) -> None:
        self.index = index
        self.said = said  # the item itself; filled when it is closed
        self.arguments: list[str] = []
        self.result: Mapping[str, Any] = {}  # the whole of a call that the service ran
        self.parts: list[dict[str, Any]] = []  # content or summary
        self.part: tuple[str, int] | None = None  # kind and number of the part that is open
        self.pieces: list[str] = []  # its text


class OpenAIResponsesEncoder:
    """Writes a response: created, items, the whole of it.

    Args:
        words: The vendor's words for an incomplete answer, as the decoder reads them.
    """

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = words
        self._sequence = 0
        self._output: list[dict[str, Any]] = []
        self._open: _Item | None = None  # a message or a thought
        self._calls: dict[str, _Item | None] = {}  # None: closed
        self._finished: Finished | None = None
        self._usage: dict[str, Any] | None = None
        self._response: dict[str, Any] = {
            "id": None,
            "object": "response",
            "created_at": 0,
            "model": None,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
        }

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The frames of one event. `Finished` and `Usage` are sent with `Done`, as one frame.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        match event:
            case Token(text=text, index=0, part=part):
                return self._message("output_text", part, {"delta": text, "logprobs": []})
            case Reasoning(text=text, index=0, part=part, signature=None):
                return self._thought(text, part)
            case Refusal(text=text, index=0):
                return self._message("refusal", 0, {"delta": text})
            case ToolCall(index=0) if self._calls.get(event.key, _NEW) is not None:
                return self._call(event)
            case Started(id=id, model=model):
                self._response |= {"id": id, "model": model}
                return self._frame("created", response=self._whole("in_progress"))
            case Data(index=0):
                return self._data(event)
            case Usage():
                self._usage = _usage(event)
                return ()
            case Finished(index=0):
                self._finished = event
                return ()
            case Heartbeat():
                return heartbeat(event)
            case Error(fatal=True):
                return self._fail(event)
            case Done():
                return self._done()
            case _:
                raise cannot_say("openai-responses", event)

    def _frame(self, kind: str, **fields: Any) -> tuple[Frame]:
        kind = kind if kind == "error" else f"response.{kind}"
        number, self._sequence = self._sequence, self._sequence + 1
        return json_frame({"type": kind, "sequence_number": number, **fields}, kind)

    def _whole(self, status: str, **fields: Any) -> dict[str, Any]:
        nothing = {"error": None, "incomplete_details": None, "usage": None}
        return {**self._response, "status": status, "output": self._output, **nothing, **fields}

    # --- items ---

    def _begin(self, item: dict[str, Any]) -> tuple[_Item, tuple[Frame]]:
        index = len(self._output)
        opened = _Item(index, item)
        self._output.append(item)
        return opened, self._frame("output_item.added", output_index=index, item=item)

    def _enter(self, kind: str, **fields: Any) -> tuple[_Item, list[Frame]]:
        """The open item of this type; another one is closed for it."""
        if self._open is not None and self._open.said["type"] == kind:
            return self._open, []
        frames = self._close()
        item = {"id": f"{kind[:3]}_{len(self._output)}", "type": kind, **fields}
        self._open, opened = self._begin(item)
        return self._open, [*frames, *opened]

    def _close(self) -> list[Frame]:
        """Close the open message or thought."""
        item, self._open = self._open, None
        if item is None:
            return []
        frames = self._close_part(item)
        field = "content" if item.said["type"] == "message" else "summary"
        item.said |= {"status": "completed", field: item.parts}
        return [*frames, *self._frame("output_item.done", output_index=item.index, item=item.said)]

    def _close_part(self, item: _Item) -> list[Frame]:
        if item.part is None:
            return []
        kind, item.part = item.part[0], None
        text, item.pieces = "".join(item.pieces), []
        part = item.parts[-1]
        part["refusal" if kind == "refusal" else "text"] = text
        where = self._where(item)
        if kind == "reasoning":
            names = ("reasoning_summary_text.done", "reasoning_summary_part.done")
        else:
            names = (f"{kind}.done", "content_part.done")
        said: dict[str, Any] = {"refusal": text} if kind == "refusal" else {"text": text}
        said |= {"logprobs": []} if kind == "output_text" else {}
        done = self._frame(names[0], **where, **said)
        return [*done, *self._frame(names[1], **where, part=part)]

    def _where(self, item: _Item) -> dict[str, Any]:
        index = "content_index" if item.said["type"] == "message" else "summary_index"
        where = {"item_id": item.said["id"], "output_index": item.index}
        return where | {index: len(item.parts) - 1}

    def _enter_part(self, item: _Item, kind: str, number: int, part: dict[str, Any]) -> list[Frame]:
        if item.part == (kind, number):
            return []
        frames = self._close_part(item)
        item.part = (kind, number)
        item.parts.append(part)
        name = "reasoning_summary_part.added" if kind == "reasoning" else "content_part.added"
        return [*frames, *self._frame(name, **self._where(item), part=part)]

    def _message(self, kind: str, number: int, delta: dict[str, Any]) -> Sequence[Frame]:
        item, frames = self._enter_text(kind, number)
        item.pieces.append(delta["delta"])
        return [*frames, *self._frame(f"{kind}.delta", **self._where(item), **delta)]

    def _enter_text(self, kind: str, number: int) -> tuple[_Item, list[Frame]]:
        item, frames = self._enter("message", status="in_progress", role="assistant", content=[])
        part: dict[str, Any] = {"type": "refusal", "refusal": ""}
        if kind == "output_text":
            part = {"type": kind, "text": "", "annotations": [], "logprobs": []}
        frames += self._enter_part(item, kind, number, part)
        return item, frames

    def _thought(self, text: str, number: int) -> Sequence[Frame]:
        item, frames = self._enter("reasoning", summary=[])
        part = {"type": "summary_text", "text": ""}
        frames += self._enter_part(item, "reasoning", number, part)
        item.pieces.append(text)
        delta = self._frame("reasoning_summary_text.delta", **self._where(item), delta=text)
        return [*frames, *delta]

    # --- calls ---

    def _call(self, event: ToolCall) -> Sequence[Frame]:
        frames: list[Frame] = []
        item = self._calls.get(event.key)
        if item is None:
            kind = "mcp_call" if event.provider_executed else "function_call"
            frames = self._close()
            said: dict[str, Any] = {
                "id": f"{kind[:3]}_{len(self._output)}",
                "type": kind,
                "status": "in_progress",
                "name": event.name or "",
                "arguments": "",
            }
            said |= (
                {"id": event.id or said["id"], "server_label": "", "output": None, "error": None}
                if event.provider_executed
                else {"call_id": event.id or ""}
            )
            item, opened = self._begin(said)
            self._calls[event.key] = item
            frames += opened
        elif event.id or event.name:  # said late: the closed item tells
            id_field = "id" if item.said["type"] == "mcp_call" else "call_id"
            item.said[id_field] = event.id or item.said[id_field]
            item.said["name"] = event.name or item.said["name"]
        if event.arguments:
            item.arguments.append(event.arguments)
            frames += self._about(item, "delta", delta=event.arguments)
        if event.complete:
            self._calls[event.key] = None
            frames += self._close_call(item, "completed")
        return frames

    def _about(self, item: _Item, what: str, **fields: Any) -> tuple[Frame]:
        where = {"item_id": item.said["id"], "output_index": item.index}
        return self._frame(f"{item.said['type']}_arguments.{what}", **where, **fields)

    def _close_call(self, item: _Item, status: str) -> tuple[Frame, ...]:
        arguments = "".join(item.arguments)
        item.said |= {"status": status, "arguments": arguments, **item.result}
        done = self._about(item, "done", arguments=arguments, name=item.said["name"])
        closed = self._frame("output_item.done", output_index=item.index, item=item.said)
        return (*done, *closed)

    # --- what is not text ---

    def _data(self, event: Data) -> Sequence[Frame]:
        value = event.value
        if event.kind == "annotation":
            item, frames = self._enter_text("output_text", event.part)
            notes = item.parts[-1]["annotations"]
            place = {**self._where(item), "annotation_index": len(notes)}
            notes.append(value)
            return [
                *frames,
                *self._frame("output_text.annotation.added", **place, annotation=value),
            ]
        if is_mapping(value) and value.get("type") == "reasoning" and event.kind == _ENCRYPTED:
            return self._close_thought(value)
        if is_mapping(value) and event.kind == "mcp_call":
            for call in self._calls.values():
                if call is not None and call.said["id"] == value.get("id"):
                    call.result = value  # written when it is closed
                    return ()
        if is_mapping(value) and value.get("type") == event.kind and event.kind not in _NO_DATA:
            frames = self._close()
            item, opened = self._begin(dict(value))
            done = self._frame("output_item.done", output_index=item.index, item=value)
            return [*frames, *opened, *done]
        raise cannot_say("openai-responses", event)

    def _close_thought(self, value: Mapping[str, Any]) -> Sequence[Frame]:
        """A thought with its encrypted form: the item stands as it was given."""
        item, frames = self._enter("reasoning", summary=[])
        self._open = None
        frames += self._close_part(item)
        item.said.clear()
        item.said |= value
        return [*frames, *self._frame("output_item.done", output_index=item.index, item=value)]

    # --- the end ---

    def _done(self) -> Sequence[Frame]:
        if self._finished is None:
            raise LocalProtocolError("openai-responses: Done comes after a Finished")
        status, details = self._status(self._finished)
        frames = self._close()
        for item in self._calls.values():
            if item is not None:  # it was never completed: it was cut
                frames += self._close_call(item, "incomplete")
        whole = self._whole(status, incomplete_details=details, usage=self._usage)
        return [*frames, *self._frame(status, response=whole)]

    def _status(self, finished: Finished) -> tuple[str, dict[str, str] | None]:
        if finished.reason in ("stop", "tool_calls"):
            return "completed", None
        if finished.reason == "cancelled":
            return "cancelled", None
        word = next(
            (raw for raw, reason in self._words.items() if reason == finished.reason),
            finished.reason,
        )
        return "incomplete", {"reason": word}

    def _fail(self, event: Error) -> Sequence[Frame]:
        """OpenAI says it twice: the second time with the response as far as it came."""
        error: dict[str, Any] = {"message": event.message, "code": event.code}
        error |= {"status_code": event.status} if event.status is not None else {}
        said = self._frame("error", error={"type": event.code, **error})
        return [*said, *self._frame("failed", response=self._whole("failed", error=error))]


_ENCRYPTED: Final = "encrypted_reasoning"
_NEW: Final = object()  # a call that is not known yet; a closed one cannot go on


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
