"""What is known of one candidate of a Gemini answer, and what its finish reason proves.

A finish reason may stand in every chunk, or come and be followed by more of the answer; so it is
kept here until the body ends. What the parts of a chunk say is decided in `gemini`.
"""

from __future__ import annotations

from typing import Final

from tokenwire.dialects.google.gemini_calls import CandidateCalls
from tokenwire.dialects.google.gemini_wire import FINISH_REASONS, PartWire
from tokenwire.dialects.kit.payloads import reason_for
from tokenwire.dialects.kit.pieces import Pieces
from tokenwire.events import Reason
from tokenwire.frame import Frame

# After these the patches of a call may end anywhere.
_CUTTING: Final = frozenset({"length", "content_filter", "error", "other"})


class Candidate:
    """One candidate.

    Attributes:
        index: Its index.
        calls: Its function calls.
        text: What it said, once it said something.
        reported: Digests of the data that may be repeated in every chunk, by kind.
        finish: Its finish reason, in the service's word.
        frame: That of the finish reason.
        message: What the service says about the finish reason.
        counted: The answer's tokens were counted with the finish reason.
        went_on: More followed the finish reason, and none came with it or after it.
        blocked: It did not end by itself, but with the prompt.
    """

    __slots__ = (
        "_refuted",
        "_refuted_counted",
        "blocked",
        "calls",
        "counted",
        "finish",
        "frame",
        "index",
        "message",
        "reported",
        "text",
        "went_on",
    )

    def __init__(self, index: int, calls: CandidateCalls) -> None:
        self.index = index
        self.calls = calls
        self.text: Pieces | None = None
        self.reported: dict[str, int] = {}
        self.finish: str | None = None
        self.frame: Frame | None = None
        self.message: str | None = None
        self.counted = False
        self.went_on = False
        self.blocked = False
        self._refuted: str | None = None  # a finish reason that more of the answer followed
        self._refuted_counted = False

    @property
    def reason(self) -> Reason:
        """The finish reason, in tokenwire's word."""
        if self.blocked:
            return "content_filter"
        reason = reason_for(self.finish, FINISH_REASONS)
        return "tool_calls" if reason == "stop" and self.calls.begun else reason

    @property
    def may_be_cut(self) -> bool:
        """May a call that is open at its finish reason be cut?"""
        return self.reason in _CUTTING

    @property
    def proven(self) -> bool:
        """Does the finish reason say that nothing more would have come?

        Not if it stood in a chunk before and more came all the same, unless there is something in
        the last chunk that was not in those: Vertex counts an older model's answer at its end.
        """
        return self.finish != self._refuted or (self.counted and not self._refuted_counted)

    def is_repeated(self, part: PartWire) -> bool:
        """Is this, beside the finish reason, all of the text once more, which came in pieces?

        It might be a model that says the same again as its last words; but none was seen to end
        so, and some gateways do: they add up what they streamed. Older models, which finish in
        every chunk, are believed.
        """
        text, before = part.text, self.text
        if not text or before is None or part.thought or self.finish or self._refuted:
            return False
        return before.several and before.is_just(text)

    def refute(self) -> None:
        """More of the answer came: what was said of its end was not so."""
        if self.finish is not None and not self.blocked:
            self.went_on = True
            self._refuted = self.finish
            self._refuted_counted |= self.counted

    def block(self, reason: str, frame: Frame) -> None:
        """The prompt was blocked: that is its end, if it had none."""
        if self.finish is None:
            self.blocked, self.finish, self.frame = True, reason, frame

    def end(self, finish: str, message: str | None, frame: Frame) -> None:
        """A finish reason came."""
        self.finish, self.frame, self.counted = finish, frame, False
        self.went_on = False
        self.message = message or self.message
