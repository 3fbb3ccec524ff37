"""What the encoders of both AI SDK streams write alike: tool calls and usage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec.json import Decoder as JSONDecoder

from tokenwire.dialects.kit.encoding import cannot_say
from tokenwire.dialects.kit.payloads import UNREADABLE
from tokenwire.errors import LocalProtocolError
from tokenwire.events import ToolCall, Usage
from tokenwire.frame import Frame

_decode_json: Final = JSONDecoder().decode


class _OpenCall:
    __slots__ = ("id", "name", "pieces")

    def __init__(self, id: str, name: str) -> None:
        self.id = id
        self.name = name
        self.pieces: list[str] = []


class CallsEncoder:
    """Writes tool calls, whose whole input the wire wants once more at the end.

    Args:
        dialect: The dialect's name.
        begin: The frames of a call that begins: its id, its name, does the service run it.
        add: The frames of a piece: the call's id, the piece.
        end: The frames of a complete call: its id, its name, its input, does the service run it.
    """

    def __init__(
        self,
        dialect: str,
        begin: Callable[[str, str, bool], Sequence[Frame]],
        add: Callable[[str, str], Sequence[Frame]],
        end: Callable[[str, str, Any, bool], Sequence[Frame]],
    ) -> None:
        self._dialect = dialect
        self._begin = begin
        self._add = add
        self._end = end
        self._open: dict[str, _OpenCall] = {}

    def clear(self) -> None:
        """All open calls are void."""
        self._open.clear()

    def send(self, event: ToolCall) -> Sequence[Frame]:
        """The frames of one delta.

        Raises:
            LocalProtocolError: A call begins without a name, or ends and its input is not JSON.
        """
        call = self._open.get(event.key)
        whole = call is None and event.complete
        frames: list[Frame] = []
        if call is None:
            if event.name is None:
                raise cannot_say(self._dialect, event)
            call = _OpenCall(event.id or event.key, event.name)
            if not whole:
                frames += self._begin(call.id, call.name, event.provider_executed)
        if event.arguments and not whole:
            frames += self._add(call.id, event.arguments)
        if event.complete:
            value = _value(event, "".join((*call.pieces, event.arguments)))
            frames += self._end(call.id, call.name, value, event.provider_executed)
            self._open.pop(event.key, None)
        else:
            call.pieces.append(event.arguments)
            self._open[event.key] = call
        return frames


def _value(call: ToolCall, text: str) -> Any:
    try:
        return _decode_json(text or "{}")
    except UNREADABLE as error:
        raise LocalProtocolError(f"the arguments of {call!r} are not JSON: {error}") from None


def usage_fields(usage: Usage) -> dict[str, Any]:
    """Counts in the names of version 5 and later."""
    said: dict[str, Any] = {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.total_tokens,
        "reasoningTokens": usage.reasoning_tokens,
        "cachedInputTokens": usage.cache_read_tokens,
    }
    if usage.cache_write_tokens is not None:
        said["inputTokenDetails"] = {"cacheWriteTokens": usage.cache_write_tokens}
    return {name: value for name, value in said.items() if value is not None}
