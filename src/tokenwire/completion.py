"""`Completion`: what a stream's events add up to.

Kept out of the parser: a parser forgets what it handed out, a completion holds the whole answer.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tokenwire.events import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Reason,
    Reasoning,
    Refusal,
    Reset,
    Started,
    Token,
    ToolCall,
    Usage,
)


class CompletedCall:
    """A tool call as its deltas add up.

    Attributes:
        key: The key its deltas share.
        id: The vendor's id.
        name: The tool.
        complete: The vendor closed the call; do not run one that is not.
        provider_executed: The vendor runs it itself; do not.
    """

    __slots__ = ("_pieces", "complete", "id", "key", "name", "provider_executed")

    def __init__(self, key: str) -> None:
        self.key = key
        self.id: str | None = None
        self.name: str | None = None
        self.complete = False
        self.provider_executed = False
        self._pieces: list[str] = []

    @property
    def arguments(self) -> str:
        """The joined JSON text."""
        self._pieces[:] = ["".join(self._pieces)]
        return self._pieces[0]

    def add(self, delta: ToolCall) -> None:
        """Take the next delta of this call."""
        self.id = delta.id or self.id
        self.name = delta.name or self.name
        self._pieces.append(delta.arguments)
        self.complete = self.complete or delta.complete
        self.provider_executed = self.provider_executed or delta.provider_executed

    def __repr__(self) -> str:
        said = f"id={self.id!r}, name={self.name!r}, arguments={self.arguments!r}"
        return f"CompletedCall({said}, complete={self.complete})"


class _Text:
    """Pieces by block, joined when asked for: appending stays cheap however long the answer is."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: dict[int, list[str]] = {}

    def add(self, part: int, text: str) -> None:
        self._parts.setdefault(part, []).append(text)

    def reset(self, part: int | None, text: str) -> None:
        if part is None:
            self._parts.clear()
        self._parts[part or 0] = [text] if text else []

    def __str__(self) -> str:
        for pieces in self._parts.values():
            pieces[:] = ["".join(pieces)]
        return "".join(pieces[0] for pieces in self._parts.values())


_SAYING = (Token, Reasoning, Refusal, ToolCall, Data)


class Choice:
    """One answer of a completion.

    Attributes:
        index: Its number.
        tool_calls: Its calls, in the order in which they began.
        data: What is not text, as it came.
        signature: The signature of its thinking, where the vendor sends one.
        finish_reason: Why it ended; ``None`` while it runs.
        raw_reason: Why, in the vendor's word.
        last: The last event that said something: a Token, Reasoning, Refusal, ToolCall or Data.
    """

    def __init__(self, index: int = 0) -> None:
        self.index = index
        self._clear()

    def _clear(self) -> None:
        self.tool_calls: list[CompletedCall] = []
        self.data: list[Data] = []
        self.signature: str | None = None
        self.finish_reason: Reason | None = None
        self.raw_reason: str | None = None
        self.last: Event | None = None
        self._text = _Text()
        self._reasoning = _Text()
        self._refusal = _Text()
        self._calls: dict[str, CompletedCall] = {}

    @property
    def text(self) -> str:
        """The answer's text."""
        return str(self._text)

    @property
    def reasoning(self) -> str:
        """The thinking's text."""
        return str(self._reasoning)

    @property
    def refusal(self) -> str:
        """The text with which the model declined."""
        return str(self._refusal)

    def __repr__(self) -> str:
        return (
            f"Choice(index={self.index}, text={self.text!r}, finish_reason={self.finish_reason!r})"
        )

    def add(self, event: Event) -> None:
        """Take the next event of this choice."""
        if isinstance(event, _SAYING):
            self.last = event
        match event:
            case Token(text=text, part=part):
                self._text.add(part, text)
            case Reasoning(text=text, part=part, signature=signature):
                self._reasoning.add(part, text)
                self.signature = signature or self.signature
            case Refusal(text=text):
                self._refusal.add(0, text)
            case ToolCall():
                self._add_call(event)
            case Data():
                self.data.append(event)
            case Finished(reason=reason, raw_reason=raw_reason):
                self.finish_reason, self.raw_reason = reason, raw_reason
            case Reset(part=None, text=text):
                self._clear()
                self._text.reset(None, text)
            case Reset(part=part, text=text):
                self._text.reset(part, text)
            case _:
                pass  # not about a choice

    def _add_call(self, delta: ToolCall) -> None:
        call = self._calls.get(delta.key)
        if call is None:
            call = self._calls[delta.key] = CompletedCall(delta.key)
            self.tool_calls.append(call)
        call.add(delta)


class Completion:
    """The fold of a stream's events: feed it every event, read it at any time.

    Attributes:
        id: The response's id.
        model: The model that answered.
        usage: The last known token counts.
        choices: The answers by index; those that the stream has not named yet are missing.
        done: How it ended, if it did.
        error: What it failed with, if it did. Both are None while the stream runs.
    """

    def __init__(self) -> None:
        self.id: str | None = None
        self.model: str | None = None
        self.usage: Usage | None = None
        self.choices: list[Choice] = []
        self.done: Done | None = None
        self.error: Error | None = None

    @classmethod
    def from_events(cls, events: Iterable[Event]) -> Completion:
        """Fold all of these events."""
        completion = cls()
        for event in events:
            completion.add(event)
        return completion

    @property
    def text(self) -> str:
        """The text of the first choice; ``""`` before there is any.

        While the stream runs that is choice 0, which may be silent yet; some services begin to
        count with 1.
        """
        if not self.choices:
            return ""
        first = self.choices[0]
        return first.text if first.index == 0 or self.done or self.error else ""

    def add(self, event: Event) -> None:
        """Take the next event of the stream."""
        match event:
            case Usage():
                self.usage = _replaced(self.usage, event)
            case Started():
                self.id = event.id or self.id
                self.model = event.model or self.model
            case Done():
                self.done = event
            case Error(fatal=True):
                self.error = event
            case _ if (index := getattr(event, "index", None)) is not None:
                self._choice(index).add(event)
            case _:
                pass  # liveness, and frames without a meaning

    def _choice(self, index: int) -> Choice:
        # Nearly always the last one that was spoken of; the indices are few and nearly in order.
        for choice in self.choices:
            if choice.index == index:
                return choice
        choice = Choice(index)
        self.choices.append(choice)
        self.choices.sort(key=lambda one: one.index)
        return choice


def _replaced(before: Usage | None, after: Usage) -> Usage:
    """What the later counts name replaces the earlier ones; what they do not name stays."""
    if before is None:
        return after
    named = {
        name: value
        for name in Usage.__struct_fields__
        if (value := getattr(after, name)) is not None
    }
    return msgspec.structs.replace(before, **named)
