"""`answers`: random event sequences that a dialect can express, without knowing its vendor.

Events are drawn and sent to the dialect's own encoder. What it refuses is dropped, which leaves the
encoder as it was; what it writes is parsed, and the events that come back are the answer: the
canonical way in which this wire says what was drawn.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Final, get_args

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from msgspec import Struct

from tokenwire.dialects import Dialect, get_dialect
from tokenwire.encoder import StreamEncoder
from tokenwire.errors import LocalProtocolError
from tokenwire.events import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Reason,
    Reasoning,
    Recovery,
    Refusal,
    Started,
    Token,
    ToolCall,
    Usage,
)
from tokenwire.testing._read import read
from tokenwire.testing.strategies import wire_texts

REASONS: Final[tuple[Reason, ...]] = get_args(Reason)


class Spoken(Struct, frozen=True):
    """One answer on its way through the wire.

    Attributes:
        sent: The events that the encoder took.
        wire: What it wrote.
        ended: The last of them ended the stream.
    """

    sent: list[Event]
    wire: bytes
    ended: bool


def answers(dialect: Dialect | str) -> st.SearchStrategy[list[Event]]:
    """Random answers in the words of this dialect: what its parser gives for what it can write.

    Text with characters that break wires, reasoning, refusals, several tool calls in fragments,
    data, usage, heartbeats, several choices, every reason to finish that the dialect has a word
    for, errors; each as far as the encoder takes it. An answer ends in `Done`, or in a fatal
    `Error`, unless the dialect has neither.

    Args:
        dialect: One with an encoder, or its name.

    Raises:
        LocalProtocolError: The dialect is only read.
    """
    found = get_dialect(dialect) if isinstance(dialect, str) else dialect
    return spoken(found).map(lambda one: _parse(found, one))


def spoken(dialect: Dialect) -> st.SearchStrategy[Spoken]:
    """Answers as they are sent, with the bytes that the encoder makes of them."""
    return _spoken(dialect, words_of(dialect))


def for_answers(
    dialect: Dialect,
    check: Callable[[Spoken, st.DataObject], object],
    *,
    examples: int,
    seed: int,
) -> None:
    """Call ``check`` with drawn answers; what it raises is raised for the smallest one that fails.

    Nothing is kept on disk and no time is limited, so the same seed does the same everywhere.
    """

    @seeded(seed)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]
    )
    @given(spoken(dialect), st.data())
    def run(one: Spoken, data: st.DataObject) -> None:
        check(one, data)

    run()


def speak(dialect: Dialect, events: Iterable[Event]) -> Spoken:
    """Send what the encoder takes of these events."""
    encoder = StreamEncoder(dialect)
    sent: list[Event] = []
    wire = b""
    refused: set[str] = set()  # calls that could not be said: nor can the rest of them
    for event in events:
        if isinstance(event, ToolCall) and event.key in refused:
            continue
        try:
            wire += encoder.send(event)
        except LocalProtocolError:
            if isinstance(event, ToolCall):
                refused.add(event.key)
            continue
        sent.append(event)
    last = sent[-1] if sent else None
    ended = isinstance(last, Done) or (isinstance(last, Error) and last.fatal)
    return Spoken(sent, wire, ended)


# --- what a dialect has words for ---


class Words(Struct, frozen=True):
    """What survives the wire of a dialect.

    Attributes:
        reasons: Reasons to finish that come back as they were sent.
        indexes: Choices that are told apart.
        kinds: Which of `_KINDS` it takes some of.
        notes: What the encoder takes although it comes back as something else, for people. It
            should rather refuse it.
    """

    reasons: tuple[Reason, ...]
    indexes: tuple[int, ...]
    kinds: tuple[int, ...]
    notes: tuple[str, ...]


def words_of(dialect: Dialect) -> Words:
    """Find out what this dialect has words for, by sending and parsing each."""
    notes: list[str] = []
    known: list[Reason] = []
    for reason in REASONS:
        back = _reason_back(dialect, reason)
        if back == reason:
            known.append(reason)
        elif back not in (None, "other"):
            notes.append(f"Finished(reason={reason!r}) comes back as {back!r}")
    one = speak(dialect, [Started(id="id", model="model"), Token("x", 1)])
    found = {event.index for event in _parse(dialect, one) if isinstance(event, Token)}
    if 0 in found:
        notes.append("Token(text='x', index=1) comes back with index 0: two answers become one")
    kinds = [at for at, (_, samples) in enumerate(_KINDS) if _takes_any(dialect, samples)]
    indexes = (0, 0, 0, 1, 2) if found == {1} else (0,)
    return Words(tuple(known) or ("stop",), indexes, tuple(kinds), tuple(notes))


def _takes_any(dialect: Dialect, samples: Sequence[Event]) -> bool:
    started = Started(id="id", model="model")
    return any(sample in speak(dialect, [started, sample]).sent for sample in samples)


def _parse(dialect: Dialect, one: Spoken) -> list[Event]:
    return read(dialect, [one.wire] if one.wire else [], eof=one.ended).events


def _reason_back(dialect: Dialect, reason: Reason) -> Reason | None:
    """What the wire makes of this reason; None where it cannot finish with it at all."""
    events: list[Event] = [Started(id="id", model="model"), Token("x")]
    if reason == "tool_calls":  # some wires tell it from the calls alone
        events.append(ToolCall("0", 0, "id", "name", "{}", complete=True))
    one = speak(dialect, [*events, Finished(0, reason), Done(reason)])
    got = _parse(dialect, one)
    last = got[-1] if got else None
    if not any(isinstance(event, Finished) for event in one.sent) or not isinstance(last, Done):
        return reason if isinstance(last, Done) and last.reason == reason else None
    came: list[Reason] = [event.reason for event in got if isinstance(event, Finished)]
    return came[-1] if came else None


# --- drawing events ---

_words = st.text(
    st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), min_size=1, max_size=8
)
_names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=8)
_counts = st.integers(0, 2**31)
_comments = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=8)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | wire_texts(),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(wire_texts(max_size=4), inner, max_size=2)
    ),
    max_leaves=4,
)
_arguments = st.dictionaries(wire_texts(max_size=6), _values, max_size=3)
_data = _values.filter(bool)  # to say nothing, most wires have no words
_kinds = st.sampled_from(["json", "message", "image", "audio", "citations", "search_results"])


@st.composite
def _usages(draw: st.DrawFn) -> Usage:
    """Counts that agree with each other."""
    read_from, written_to, thought, said = (draw(st.integers(0, 10**6)) for _ in range(4))
    asked = draw(st.integers(0, 10**6)) + read_from + written_to
    if draw(st.booleans()):
        return Usage(asked, said + thought, final=True)
    return Usage(
        asked, said + thought, asked + said + thought, thought, read_from, written_to, final=True
    )


@st.composite
def _calls(draw: st.DrawFn) -> list[Event]:
    """One to three tool calls: whole, or in fragments one after the other or interleaved."""
    calls: list[list[Event]] = []
    for number in range(draw(st.integers(1, 3))):
        key, id, name = str(number), f"call_{number}", draw(_names)
        text = json.dumps(draw(_arguments), ensure_ascii=draw(st.booleans()))
        if draw(st.booleans()):
            calls.append([ToolCall(key, 0, id, name, text, complete=True)])
            continue
        at = draw(st.integers(0, len(text)))
        fragments = [part for part in (text[:at], text[at:]) if part]
        calls.append(
            [
                ToolCall(key, 0, id, name),
                *(ToolCall(key, arguments=part) for part in fragments),
                ToolCall(key, complete=True),
            ]
        )
    if not draw(st.booleans()):
        return [event for call in calls for event in call]
    longest = max(map(len, calls))
    return [call[at] for at in range(longest) for call in calls if at < len(call)]


def _alone(event: Event) -> list[Event]:
    return [event]


_text: st.SearchStrategy[list[Event]] = st.builds(Token, wire_texts()).map(_alone)

# What else an answer is made of, each with events by which an encoder shows that it takes some.
_KINDS: Final[tuple[tuple[st.SearchStrategy[list[Event]], tuple[Event, ...]], ...]] = (
    (st.builds(Reasoning, wire_texts()).map(_alone), (Reasoning("x"),)),
    (
        st.builds(Reasoning, st.just(""), signature=_words).map(_alone),
        (Reasoning("", signature="x"),),
    ),
    (st.builds(Refusal, wire_texts()).map(_alone), (Refusal("x"),)),
    (
        st.builds(Heartbeat, _comments | st.sampled_from(["", "ping"])).map(_alone),
        (Heartbeat(), Heartbeat("ping")),
    ),
    (
        st.builds(Data, _kinds | _words, wire_texts() | _data).map(_alone),
        tuple(
            Data(kind, value)
            for kind in ("json", "message", "image", "audio", "citations", "x")
            for value in ("x", {"x": "x"}, ["x"])
        ),
    ),
    (_calls(), (ToolCall("0", 0, "id", "x"), ToolCall("0", 0, "id", "x", "{}", complete=True))),
)
_errors = st.builds(
    Error,
    st.just("vendor"),
    wire_texts(),
    st.sampled_from([None, "invalid_request_error", "some_code"]),
    recovery=st.just(Recovery.FATAL),
)


@st.composite
def _spoken(draw: st.DrawFn, dialect: Dialect, words: Words) -> Spoken:
    drawn: list[Event] = []
    if draw(st.integers(0, 7)):
        drawn.append(Started(id=draw(_names), model=draw(_names)))
    other = st.one_of(_text, *(_KINDS[at][0] for at in words.kinds))
    for number in range(draw(st.integers(0, 8))):
        some = draw(_text if draw(st.booleans()) else other)  # text as often as all else
        index = draw(st.sampled_from(words.indexes))
        drawn.extend(_of_choice(event, index, number) for event in some)
    if not draw(st.integers(0, 7)):
        failed = speak(dialect, [*drawn, draw(_errors)])
        if failed.ended:
            return failed
    body = speak(dialect, drawn).sent
    named = sorted({0} | {getattr(event, "index", 0) for event in body})
    ends = [_finish(draw, body, choice, words.reasons) for choice in named]
    usage = [draw(_usages())] if draw(st.booleans()) else []
    late = draw(st.booleans())  # usage stands before the finish, or after it
    ending: list[Event] = [*ends, *usage] if late else [*usage, *ends]
    return _end(dialect, body, ending, ends[0].reason)


def _of_choice(event: Event, index: int, number: int) -> Event:
    """The event for this choice; a call gets a key and an id that no other group of calls has."""
    if isinstance(event, ToolCall):
        key, id = f"{number}.{event.key}", event.id and f"{event.id}_{number}"
        return msgspec.structs.replace(event, index=index, key=key, id=id)
    if index and hasattr(event, "index"):
        return msgspec.structs.replace(event, index=index)
    return event


def _finish(draw: st.DrawFn, body: list[Event], index: int, words: Sequence[Reason]) -> Finished:
    called = any(isinstance(event, ToolCall) and event.index == index for event in body)
    if called and "tool_calls" in words:
        return Finished(index, "tool_calls")
    left: list[Reason] = [word for word in words if word != "tool_calls"]
    return Finished(index, draw(st.sampled_from(left or ["stop"])))


def _end(dialect: Dialect, body: list[Event], ending: list[Event], reason: Reason) -> Spoken:
    """The answer with its `Done`; where the encoder does not let it end so, with another end."""
    failed = Error("vendor", "it cannot end")
    stopped: list[Event] = [Finished(0, "stop"), Done("stop")]
    for end in ([*ending, Done(reason)], [*ending, failed], stopped, [failed]):
        one = speak(dialect, [*body, *end])
        if one.ended:
            return one
    return speak(dialect, [*body, *ending])
