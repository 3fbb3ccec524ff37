"""Events to a LangGraph run in the mode ``messages-tuple``: the mirror of the decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tokenwire.dialects.agents.langgraph_wire import CHUNK, FINISH_REASONS
from tokenwire.dialects.kit.encoding import cannot_say, heartbeat, json_frame, word_for
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

# Events that are read in another way than as `Data` of their name.
_TAKEN: Final = frozenset({"metadata", "end", "error", "data", "heartbeat", "ping", ""})


class LangGraphEncoder:
    """Writes the chunks of messages, one message a part, and ``end``."""

    def __init__(self) -> None:
        self._part = 0  # the one that runs
        self._open = False
        self._calls: dict[str, int] = {}
        self._counts: dict[str, int] = {}  # sent of this part; chunks add up

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The frames of one event.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before the `Finished` of a
                message that began.
        """
        match event:
            case Token(text=text, index=0, part=part):
                return self._message(part, content=text)
            case Reasoning(text=text, index=0, part=part, signature=signature):
                block: dict[str, Any] = {"type": "thinking", "thinking": text}
                if signature is not None:
                    block["signature"] = signature
                return self._message(part, content=[block])
            case ToolCall(index=0, provider_executed=False):
                return self._tool_call(event)
            case Usage():
                return self._message(self._part, usage_metadata=self._usage(event))
            case Finished(index=0):
                frames = self._message(
                    self._part,
                    response_metadata={"finish_reason": word_for(event, FINISH_REASONS)},
                )
                self._open = False
                return frames
            case Started(id=id, model=None):
                return json_frame({"run_id": id}, "metadata")
            case Data(kind=kind, value=value, index=0) if not (
                kind in _TAKEN or kind.startswith("messages") or "|" in kind
            ):
                return json_frame(value, kind)
            case Heartbeat():
                return heartbeat(event)
            case Error(fatal=True, message=message, code=code):
                return json_frame({"error": code, "message": message}, "error")
            case Done():
                if self._open:
                    raise LocalProtocolError("langgraph: Done comes after Finished")
                return (Frame(b"null", "end"),)
            case _:
                raise cannot_say("langgraph", event)

    def _message(self, part: int, **said: Any) -> Sequence[Frame]:
        if part != self._part:
            self._counts = {}
        self._part = part
        self._open = self._open or "usage_metadata" not in said
        chunk = {"type": CHUNK, "id": f"run-{part}", "content": "", **said}
        return json_frame([chunk, {}], "messages")

    def _tool_call(self, event: ToolCall) -> Sequence[Frame]:
        if event.complete and not (event.id or event.name or event.arguments):
            return ()  # the finish reason closes all calls
        place = self._calls.setdefault(event.key, len(self._calls))
        call = {"index": place, "id": event.id, "name": event.name, "args": event.arguments}
        return self._message(self._part, tool_call_chunks=[call])

    def _usage(self, usage: Usage) -> dict[str, Any]:
        details = {"reasoning": usage.reasoning_tokens}
        read = {"cache_read": usage.cache_read_tokens, "cache_creation": usage.cache_write_tokens}
        return {
            "input_tokens": self._more("input", usage.input_tokens),
            "output_tokens": self._more("output", usage.output_tokens),
            "total_tokens": self._more("total", usage.total_tokens),
            "input_token_details": self._all_more(read),
            "output_token_details": self._all_more(details),
        }

    def _all_more(self, counts: Mapping[str, int | None]) -> dict[str, int | None]:
        return {name: self._more(name, count) for name, count in counts.items()}

    def _more(self, name: str, count: int | None) -> int | None:
        """What this count adds to those sent before."""
        if count is None:
            return None
        before = self._counts.get(name, 0)
        self._counts[name] = count
        return count - before
