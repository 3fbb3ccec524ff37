"""`Completion`: what a stream's events add up to.

Kept out of the parser: a parser forgets what it handed out, a completion holds the whole answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from tokenwire.dialects import Dialect, get_dialect
from tokenwire.errors import LocalProtocolError
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

_SAYING = (Token, Reasoning, Refusal, ToolCall, Data)


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

    def whole(self, index: int = 0) -> ToolCall:
        """All of it as one event, of the choice with this index."""
        return ToolCall(
            self.key,
            index,
            self.id,
            self.name,
            self.arguments,
            self.complete,
            self.provider_executed,
        )

    def __repr__(self) -> str:
        said = f"id={self.id!r}, name={self.name!r}, arguments={self.arguments!r}"
        return f"CompletedCall({said}, complete={self.complete})"


class _Run:
    """Events of one block that came one after the other.

    Attributes:
        kind: Their class.
        part: The number of the block.
        said: The call that began here, or the data.
        pieces: Their texts, joined when they are asked for: appending stays cheap.
        signature: That of a thought.
    """

    __slots__ = ("kind", "part", "pieces", "said", "signature")

    def __init__(
        self, kind: type[Event], part: int = 0, said: CompletedCall | Data | None = None
    ) -> None:
        self.kind = kind
        self.part = part
        self.said = said
        self.pieces: list[str] = []
        self.signature: str | None = None

    @property
    def text(self) -> str:
        self.pieces[:] = ["".join(self.pieces)]
        return self.pieces[0]


class Choice:
    """One answer of a completion.

    Attributes:
        index: Its number.
        dialect: Whose answer it is, where that is known; `to_message` speaks it.
        tool_calls: Its calls, in the order in which they began.
        data: What is not text, as it came.
        signature: The signature of its thinking, where the vendor sends one.
        finish_reason: Why it ended; ``None`` while it runs.
        raw_reason: Why, in the vendor's word.
        ended: Its service ended it, by a `Finished` or with the whole stream: it was not cut.
        last: The last event that said something: a Token, Reasoning, Refusal, ToolCall or Data.
    """

    def __init__(self, index: int = 0, dialect: Dialect | str | None = None) -> None:
        self.index = index
        self.dialect = dialect
        self._clear()

    def _clear(self) -> None:
        self.tool_calls: list[CompletedCall] = []
        self.data: list[Data] = []
        self.signature: str | None = None
        self.finish_reason: Reason | None = None
        self.raw_reason: str | None = None
        self.ended = False
        self.last: Event | None = None
        self._runs: list[_Run] = []
        self._calls: dict[str, CompletedCall] = {}

    @property
    def text(self) -> str:
        """The answer's text."""
        return self._joined(Token)

    @property
    def reasoning(self) -> str:
        """The thinking's text."""
        return self._joined(Reasoning)

    @property
    def refusal(self) -> str:
        """The text with which the model declined."""
        return self._joined(Refusal)

    @property
    def blocks(self) -> list[Event]:
        """What it holds, as few events as can be, in the order in which it came.

        A `ToolCall` stands where it began, and has all of its arguments.
        """
        found: list[Event] = []
        for run in self._runs:
            if isinstance(run.said, CompletedCall):
                found.append(run.said.whole(self.index))
            elif run.said is not None:
                found.append(run.said)
            elif run.kind is Reasoning:
                found.append(Reasoning(run.text, self.index, run.part, run.signature))
            elif run.kind is Refusal:
                found.append(Refusal(run.text, self.index))
            elif run.text:  # a Reset may have emptied it
                found.append(Token(run.text, self.index, run.part))
        return found

    def to_message(self, dialect: Dialect | str | None = None) -> dict[str, Any]:
        """This answer as a message of the assistant, for the messages of the next request.

        For a loop of tool calls: append it, and after it what each tool said.

        Args:
            dialect: Which API's message it is to be; ``None``: that of the one that answered.

        Raises:
            LocalProtocolError: It is not whole: it was cut, or a call of it is not complete. Or
                the dialect has no such message, or none for what the answer holds.
            UnknownDialectError: No dialect has this name.
        """
        spoken = self.dialect if dialect is None else dialect
        if spoken is None:
            raise LocalProtocolError(
                "nobody told this Choice whose answer it is: give the dialect, as in"
                ' to_message("openai-chat")'
            )
        spoken = get_dialect(spoken) if isinstance(spoken, str) else spoken
        if spoken.message is None:
            raise LocalProtocolError(
                f"{spoken.name} has no message of an assistant that could be sent back whole"
            )
        if not self.ended:
            raise LocalProtocolError("the answer has not ended: a message of it would be cut")
        for call in self.tool_calls:
            if not call.complete:
                raise LocalProtocolError(f"{call!r} was cut: a message with it cannot be sent")
        return spoken.message(self.blocks)

    def __repr__(self) -> str:
        return (
            f"Choice(index={self.index}, text={self.text!r}, finish_reason={self.finish_reason!r})"
        )

    def add(self, event: Event) -> None:
        """Take the next event of this choice."""
        if type(event) is Token:  # nearly every one is
            self._pieces_of(event, event.part).append(event.text)
            self.last = event
            return
        if isinstance(event, _SAYING):
            self.last = event
        match event:
            case Reasoning():
                self._add_reasoning(event)
            case Refusal(text=text):
                self._pieces_of(event, 0).append(text)
            case ToolCall():
                self._add_call(event)
            case Data():
                self.data.append(event)
                self._runs.append(_Run(Data, event.part, event))
            case Finished(reason=reason, raw_reason=raw_reason):
                self.finish_reason, self.raw_reason = reason, raw_reason
                self.ended = True
            case Reset(part=None, text=text):
                self._clear()
                self._reset(0, text)
            case Reset(part=part, text=text):
                self._reset(part or 0, text)
            case _:
                pass  # not about a choice

    def text_of(self, event: Token) -> list[str]:
        """Where the text of this event goes, and of those after it while they are of its block."""
        return self._pieces_of(event, event.part)

    def _pieces_of(self, event: Token | Reasoning | Refusal, part: int) -> list[str]:
        """The pieces of the run that this event goes on with, or begins."""
        if self._runs:
            run = self._runs[-1]
            if run.part == part and run.kind is type(event):
                return run.pieces
        self._runs.append(run := _Run(type(event), part))
        return run.pieces

    def _add_reasoning(self, event: Reasoning) -> None:
        pieces = self._pieces_of(event, event.part)
        run = self._runs[-1]
        if run.signature is not None and (event.text or event.signature):
            # What was signed is over; but some tell one signature more than once.
            if not event.text and event.signature == run.signature:
                return
            self._runs.append(run := _Run(Reasoning, event.part))
            pieces = run.pieces
        pieces.append(event.text)
        if event.signature is not None:
            run.signature = self.signature = event.signature

    def _add_call(self, delta: ToolCall) -> None:
        call = self._calls.get(delta.key)
        if call is None:
            call = self._calls[delta.key] = CompletedCall(delta.key)
            self.tool_calls.append(call)
            self._runs.append(_Run(ToolCall, said=call))
        call.add(delta)

    def _reset(self, part: int, text: str) -> None:
        """Put this text in the place of all that a block of text held."""
        runs = [run for run in self._runs if run.kind is Token and run.part == part]
        for run in runs:
            run.pieces.clear()
        if not runs:
            runs = [_Run(Token, part)]
            self._runs += runs
        runs[0].pieces.append(text)

    def _joined(self, kind: type[Token | Reasoning | Refusal]) -> str:
        """The texts of one kind, block by block, each in the place where it began."""
        blocks: dict[int, list[str]] = {}
        for run in self._runs:
            if run.kind is kind:
                blocks.setdefault(run.part, []).append(run.text)
        return "".join(text for texts in blocks.values() for text in texts)


class Completion:
    """The fold of a stream's events: feed it every event, read it at any time.

    Attributes:
        id: The response's id.
        model: The model that answered.
        usage: The last known token counts.
        choices: The answers by index; those that the stream has not named yet are missing.
        done: How it ended, if it did.
        error: What it failed with, if it did. Both are None while the stream runs.
        dialect: Whose answer it is, where that is known; see `Choice.to_message`.
    """

    def __init__(self, dialect: Dialect | str | None = None) -> None:
        self.dialect = dialect
        self.id: str | None = None
        self.model: str | None = None
        self.usage: Usage | None = None
        self.choices: list[Choice] = []
        self.done: Done | None = None
        self.error: Error | None = None

    @classmethod
    def from_events(
        cls, events: Iterable[Event], dialect: Dialect | str | None = None
    ) -> Completion:
        """Fold all of these events, of this dialect."""
        completion = cls(dialect)
        completion.update(events)
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

    def update(self, events: Iterable[Event]) -> None:
        """Take the next events of the stream: `add` for each, at a third of the cost."""
        choice: Choice | None = None  # that the event before was a piece of, and of which block
        index = part = 0
        pieces: list[str] = []
        for event in events:
            if type(event) is not Token:
                choice = None
                self.add(event)
                continue
            if choice is None or event.index != index or event.part != part:
                index, part = event.index, event.part
                choice = self._choice(index)
                pieces = choice.text_of(event)
            pieces.append(event.text)
            choice.last = event

    def add(self, event: Event) -> None:
        """Take the next event of the stream."""
        if type(event) is Token:
            self._choice(event.index).add(event)
            return
        match event:
            case Usage():
                self.usage = _replaced(self.usage, event)
            case Started():
                self.id = event.id or self.id
                self.model = event.model or self.model
            case Done():
                self.done = event
                for choice in self.choices:
                    choice.ended = True
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
        choice = Choice(index, self.dialect)
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
