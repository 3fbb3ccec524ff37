"""How an answer of Chat Completions ended: complete, cut off, or as a failure.

Whether it ended is decided in `chat`, by the finish reasons of its choices and ``[DONE]``.
"""

from __future__ import annotations

from collections.abc import Sequence

from tokenwire.dialects.openai.chat_choice import Choice
from tokenwire.errors import Recovery
from tokenwire.events import Done, Error, Event, Finished, ToolCall
from tokenwire.frame import Frame


def end_of(choices: Sequence[Choice], frame: Frame | None) -> Event:
    """What ends an answer all of whose choices are finished: a failed one makes it an error."""
    for choice in choices:
        if choice.reason == "error":
            raw = choice.raw_reason
            message = f"the service ended the answer with {raw!r}"
            return Error("vendor", message, raw, recovery=Recovery.RETRY, frame=frame)
    first = min(choices, key=lambda one: one.index)
    return Done(first.reason, frame=frame)


def cut_off(choices: Sequence[Choice], frame: Frame) -> Error:
    """``[DONE]`` came before the answer was complete."""
    unfinished = [one.index for one in choices if not one.finished]
    missing = f"choices {unfinished} have no finish_reason" if unfinished else "no choice came"
    return Error(
        "truncated",
        f"the answer was cut off: [DONE] came, but {missing}",
        recovery=Recovery.RESUME if choices else Recovery.RETRY,
        frame=frame,
    )


def says_end(event: Event) -> bool:
    """Does it say that a choice or a call ended? It does not where an error stands beside it."""
    return isinstance(event, Finished) or (isinstance(event, ToolCall) and event.complete)
