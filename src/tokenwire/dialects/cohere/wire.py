"""What both of Cohere's wires have: finish words, token counts, and answers that end in failure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from tokenwire.dialects.kit.errors import recovery_of
from tokenwire.events import Error, Event, Reason, Recovery, Usage
from tokenwire.frame import Frame

FINISH_REASONS: Final[Mapping[str, Reason]] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "USER_CANCEL": "cancelled",
    "ERROR": "error",
    "ERROR_TOXIC": "content_filter",
    "ERROR_LIMIT": "error",
    "TIMEOUT": "error",
}
"""Anything else is ``other``."""

_NO_COUNTS: Final = (None,) * 5
_TRANSIENT: Final = frozenset({"ERROR", "TIMEOUT"})


class CountsWire(Struct, gc=False, forbid_unknown_fields=True):
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    search_units: Any = None
    classifications: Any = None
    images: Any = None
    image_tokens: Any = None


class UsageWire(Struct, gc=False, forbid_unknown_fields=True):
    billed_units: CountsWire | None = None  # without what Cohere itself puts around the prompt
    tokens: CountsWire | None = None
    cached_tokens: int | None = None
    api_version: Any = None  # these two where version 1 calls it meta
    warnings: Any = None


SILENT: Final[Mapping[type[Struct], Mapping[str, str]]] = {
    CountsWire: {
        **dict.fromkeys(("search_units", "classifications", "images"), "counts no tokens"),
        "image_tokens": "a part of a count that is told",
    },
    UsageWire: {"api_version": "of the request", "warnings": "about the request: in the frame"},
}
"""Fields that give no event, and why."""


def read_usage(wire: UsageWire | None, frame: Frame, *, billed: bool = False) -> list[Event]:
    """The counts of a whole answer, if there are any.

    Args:
        wire: All that the service counted.
        frame: Where it stood.
        billed: What is paid for comes first; else what the model read and wrote.
    """
    if wire is None:
        return []
    kinds = (wire.billed_units, wire.tokens) if billed else (wire.tokens, wire.billed_units)
    counts = kinds[0] or kinds[1] or CountsWire()
    read, written, thought = counts.input_tokens, counts.output_tokens, counts.reasoning_tokens
    said = (read, written, None, thought, wire.cached_tokens)  # as they stand in `Usage`
    return [] if said == _NO_COUNTS else [Usage(*said, final=True, frame=frame)]


def write_usage(usage: Usage) -> dict[str, object]:
    """The mirror of `read_usage`."""
    counts = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }
    said: dict[str, object] = {"tokens": {name: n for name, n in counts.items() if n is not None}}
    if usage.cache_read_tokens is not None:
        said["cached_tokens"] = usage.cache_read_tokens
    return said


def is_failure(word: str | None) -> bool:
    """Does this finish word say that there is no whole answer?"""
    return word is not None and (word.startswith("ERROR") or word == "TIMEOUT")


def failure(
    word: str | None, frame: Frame, message: str | None = None, code: str | None = None
) -> Error:
    """The fatal `Error` for an answer that ended with such a word.

    Args:
        word: The finish word.
        frame: Where it stands.
        message: The service's own, if it has one.
        code: Its name for what went wrong, if it has one; it then decides on a retry.
    """
    transient = code is None and word in _TRANSIENT
    return Error(
        "vendor",
        message or f"the service ended the answer with {word!r}",
        code or word,
        recovery=Recovery.RETRY if transient else recovery_of(code, None),
        frame=frame,
    )
