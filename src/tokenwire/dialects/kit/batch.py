"""What inference servers do alike that number their answers: llama.cpp and SGLang.

One stream may hold the answers to several prompts, or several to one. Each ends by itself and
counts its own tokens; no frame says how many there will be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from tokenwire.dialects.kit.encoding import cannot_say, heartbeat, json_frame, word_for
from tokenwire.dialects.kit.one_choice import OneChoice
from tokenwire.dialects.kit.payloads import MAX_INDEX
from tokenwire.errors import LocalProtocolError
from tokenwire.events import (
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Reason,
    Started,
    Token,
    Usage,
)
from tokenwire.frame import Frame


class Batch:
    """The answers of one stream: their ends, and the tokens of all of them together.

    Args:
        words: The vendor's finish words in tokenwire's.
    """

    __slots__ = ("_answers", "_counts", "_head", "_running", "_totals", "_words")

    def __init__(self, words: Mapping[str, Reason]) -> None:
        self._words = words
        self._head = OneChoice(words)  # of the stream: it starts, and never finishes
        self._answers: dict[int, OneChoice] = {}
        self._running = 0  # of these
        self._counts: dict[int, dict[str, int]] = {}
        self._totals: dict[str, int] = {}

    def start(self, frame: Frame, id: str | None = None, model: str | None = None) -> list[Event]:
        """`Started`, the first time that there is an id or a model to tell."""
        return self._head.start(frame, id, model)

    def open(self, index: int) -> bool:
        """Take note of an answer; False if there cannot be one of this number."""
        if not 0 <= index < MAX_INDEX:
            return False
        if index not in self._answers:
            self._answers[index] = OneChoice(self._words)
            self._counts[index] = {}
            self._running += 1
        return True

    def finish(self, index: int, raw: str | None, frame: Frame) -> list[Event]:
        """`Finished` of an open answer, unless the same was said before."""
        answer = self._answers[index]
        if answer.reason is None:
            self._running -= 1
        return answer.finish(raw, frame, index=index)

    def count(self, index: int, frame: Frame, **counts: int | None) -> list[Event]:
        """`Usage` of all answers, where the counts of this one say something new.

        Call it after `finish`: its last counts are the final ones.
        """
        mine = self._counts[index]
        said = {name: n for name, n in counts.items() if n is not None}
        final = self._finished
        if not said or (said.items() <= mine.items() and not final):
            return []
        for name, n in said.items():
            self._totals[name] = self._totals.get(name, 0) + n - mine.get(name, 0)
        mine |= said
        return [Usage(**self._totals, final=final, frame=frame)]

    def done(self, frame: Frame | None = None) -> list[Event]:
        """What ends the stream, where all its answers finished; nothing where one did not."""
        if not self._finished:
            return []
        failed = (one for one in self._answers.values() if one.reason == "error")
        first = self._answers[min(self._answers)]
        return next(failed, first).done(frame)

    def done_at_sentinel(self, frame: Frame, missing: str) -> list[Event]:
        """The same at ``[DONE]``, which proves nothing: without all finishes it was cut."""
        return self.done(frame) or self._head.done_at_sentinel(frame, missing)

    @property
    def _finished(self) -> bool:
        return self._running == 0 and bool(self._answers)


Payload: TypeAlias = Callable[[int, str, str | None, Mapping[str, int]], dict[str, Any]]
"""Writes one payload: an answer's index, a piece of its text, its finish word, token counts."""

COUNTS: Final = ("input_tokens", "output_tokens", "reasoning_tokens", "cache_read_tokens")


def error_payload(error: Error) -> dict[str, Any]:
    """What stands under ``error``."""
    said = {"message": error.message, "type": error.code, "code": error.status}
    return {name: value for name, value in said.items() if value is not None}


class BatchEncoder:
    """Writes such answers; all token counts go to the first one.

    Args:
        dialect: The dialect's name.
        words: The vendor's finish words in tokenwire's.
        start: Writes a payload for `Started`.
        payload: Writes any other one.
        error: Writes what stands under ``error``.
        end: What comes after the last answer, and after an error.
    """

    def __init__(
        self,
        dialect: str,
        words: Mapping[str, Reason],
        *,
        start: Callable[[Started], dict[str, Any]],
        payload: Payload,
        error: Callable[[Error], dict[str, Any]],
        end: tuple[Frame, ...] = (),
    ) -> None:
        self._dialect = dialect
        self._words = words
        self._start = start
        self._payload = payload
        self._error = error
        self._end = end
        self._finishes: dict[int, str | None] = {}  # of the answers begun; None while they run
        self._counts: dict[str, int] = {}  # final ones, which come with the finish

    def __call__(self, event: Event) -> Sequence[Frame]:
        """The frames of one event.

        Raises:
            LocalProtocolError: The wire cannot say it, or `Done` comes before `Finished`.
        """
        match event:
            case Started():
                self._finishes.setdefault(0, None)
                return json_frame(self._start(event))
            case Token(text=text, index=index):
                self._finishes.setdefault(index, None)
                return json_frame(self._payload(index, text, None, {}))
            case Usage():
                return self._usage(event)
            case Finished(index=index):
                word = self._finishes[index] = word_for(event, self._words)
                counts: dict[str, int] = {}
                if index == 0:
                    counts, self._counts = self._counts, counts
                return json_frame(self._payload(index, "", word, counts))
            case Heartbeat():
                return heartbeat(event)
            case Error(fatal=True):
                return (*json_frame({"error": self._error(event)}), *self._end)
            case Done():
                if not self._finishes or None in self._finishes.values():
                    raise LocalProtocolError(f"{self._dialect}: Done comes after every Finished")
                return self._end
            case _:
                raise cannot_say(self._dialect, event)

    def _usage(self, usage: Usage) -> Sequence[Frame]:
        counts = {name: n for name in COUNTS if (n := getattr(usage, name)) is not None}
        finish = self._finishes.get(0)
        if usage.final and finish is None:
            self._counts = counts
            return ()
        self._finishes.setdefault(0, None)
        return json_frame(self._payload(0, "", finish, counts))
