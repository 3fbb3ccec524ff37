"""Hypothesis strategies: answers that a dialect can say, and ways to cut bytes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import strategies as st

from tokenwire import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Reasoning,
    Recovery,
    Refusal,
    Started,
    Token,
    ToolCall,
    Usage,
)
from tokenwire.events import Reason

# Characters that break parsers: line ends in disguise, characters of several bytes, quotes.
_AWKWARD = '\u2028\u2029\u0085\x0b\x0c\x1c\ufeff\ufffd🗼é漢"\\{}[]:,\t\0 '
texts = st.text(
    st.one_of(
        st.sampled_from(_AWKWARD + "\n\r"),
        st.characters(codec="utf-8"),
    ),
    min_size=1,
    max_size=12,
)
# Where the wire is plain text, neither CR nor a sentinel can be said.
plain_texts = texts.map(lambda text: text.replace("\r", "")).filter(
    lambda text: text and "[DONE]" not in text
)
words = st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=8)
comments = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=8)
heartbeats = st.builds(Heartbeat, comments.map(lambda text: text.removeprefix(" ")))
counts = st.integers(0, 2**31)


@st.composite
def arguments(draw: st.DrawFn, most: int = 3) -> list[str]:
    """The pieces of a call's arguments: of one JSON object, or none at all."""
    if not most or draw(st.booleans()):
        return []
    text = json.dumps(draw(st.dictionaries(texts, texts | counts, max_size=2)))
    cuts = sorted(draw(st.sets(st.integers(1, len(text) - 1), max_size=most - 1)))
    return [text[a:b] for a, b in itertools.pairwise([0, *cuts, len(text)])]


def _error(**fields: Any) -> st.SearchStrategy[Error]:
    return st.builds(Error, st.just("vendor"), texts, recovery=st.just(Recovery.FATAL), **fields)


errors = _error(code=st.sampled_from(["invalid_request_error", "some_code"]))


def _with_end(
    start: st.SearchStrategy[list[Event]],
    body: st.SearchStrategy[Event],
    ends: st.SearchStrategy[list[Event]],
) -> st.SearchStrategy[list[Event]]:
    return st.tuples(start, st.lists(body, max_size=8), ends).map(lambda t: [*t[0], *t[1], *t[2]])


nothing: st.SearchStrategy[list[Event]] = st.just([])


def _finished(words_of: dict[str, Reason]) -> st.SearchStrategy[list[Event]]:
    return st.sampled_from(sorted(words_of.items())).map(
        lambda pair: [Finished(0, pair[1], pair[0]), Done(pair[1])]
    )


def _started(id: bool) -> st.SearchStrategy[list[Event]]:
    return st.builds(Started, words if id else st.none(), words).map(lambda event: [event])


def _calls(draw: st.DrawFn, first: str, fragment: Callable[[int], str]) -> list[Event]:
    """Tool calls one behind the other, their arguments in fragments, closed by the finish."""
    calls: list[Event] = []
    for number in range(draw(st.integers(1, 3))):
        key = fragment(number)
        calls.append(ToolCall(key, 0, f"{first}{number}", draw(words)))
        calls.extend(ToolCall(key, arguments=piece) for piece in draw(arguments()))
    return calls


@st.composite
def _openai_with_calls(draw: st.DrawFn) -> list[Event]:
    calls = _calls(draw, "call_", lambda number: f"0:{number}")
    keys = list(dict.fromkeys(event.key for event in calls if isinstance(event, ToolCall)))
    closed = [ToolCall(key, complete=True) for key in keys]
    ending = [Finished(0, "tool_calls", "tool_calls"), Done("tool_calls")]
    return [*draw(_started(id=True)), *calls, *closed, *ending]


@st.composite
def _anthropic_with_calls(draw: st.DrawFn) -> list[Event]:
    events: list[Event] = [*draw(_started(id=True))]
    for number in range(draw(st.integers(1, 3))):
        key = str(number)
        events.append(ToolCall(key, 0, f"toolu_{number}", draw(words)))
        events.extend(ToolCall(key, arguments=piece) for piece in draw(arguments()))
        events.append(ToolCall(key, complete=True))
    return [*events, Finished(0, "tool_calls", "tool_use"), Done("tool_calls")]


def _number_blocks(events: list[Event]) -> list[Event]:
    """Anthropic's parts are the numbers of its blocks: a new one where the kind changes."""
    part, open_kind, numbered = -1, None, []
    for event in events:
        if isinstance(event, Token | Reasoning):
            if type(event) is not open_kind:
                part, open_kind = part + 1, type(event)
            event = msgspec.structs.replace(event, part=part)
        numbered.append(event)
    return numbered


_done = st.just([Done("stop")])
_failed = errors.map(lambda event: [event])
_no_code = _error().map(lambda event: [event])

ANSWERS: dict[str, st.SearchStrategy[list[Event]]] = {
    "event-stream": st.lists(
        st.one_of(
            heartbeats,
            st.builds(Data, words.filter(lambda kind: kind != "message"), plain_texts),
            st.builds(Data, st.just("message"), plain_texts),
        ),
        max_size=8,
    ),
    "sse": _with_end(
        nothing,
        st.one_of(
            heartbeats,
            st.builds(Token, plain_texts),
            st.builds(Data, words.filter(lambda k: k not in ("message", "error")), plain_texts),
        ),
        _done | _failed,
    ),
    "positioned": _with_end(
        nothing, st.one_of(heartbeats, st.builds(Token, texts)), _done | _failed
    ),
    "jsonl": _with_end(
        nothing,
        st.one_of(
            st.just(Heartbeat()),
            st.builds(Token, texts),
            st.builds(Data, st.just("json"), st.dictionaries(st.just("other"), texts, min_size=1)),
        ),
        _done | _failed,
    ),
    "openai-chat": st.one_of(
        _openai_with_calls(),
        _with_end(
            _started(id=True),
            st.one_of(
                heartbeats,
                st.builds(Token, texts),
                st.builds(Reasoning, texts),
                st.builds(Refusal, texts),
            ),
            _finished({"stop": "stop", "length": "length", "sensitive": "content_filter"})
            | _failed,
        ).filter(lambda events: len(events) > 1),
    ),
    "anthropic-messages": st.one_of(
        _anthropic_with_calls(),
        _with_end(
            _started(id=True),
            st.one_of(
                st.builds(Heartbeat, st.just("ping")),
                st.builds(Token, texts),
                st.builds(Reasoning, texts),
                st.builds(Reasoning, st.just(""), signature=words),
                st.builds(Usage, counts, counts, final=st.just(True)),
            ),
            _finished({"end_turn": "stop", "max_tokens": "length", "brand_new": "other"}) | _failed,
        ).map(_number_blocks),
    ),
    "ollama-chat": _with_end(
        _started(id=False),
        st.one_of(st.just(Heartbeat()), st.builds(Token, texts), st.builds(Reasoning, texts)),
        _finished({"stop": "stop", "length": "length", "load": "other"}) | _no_code,
    ),
    "ollama-generate": _with_end(
        _started(id=False),
        st.one_of(st.just(Heartbeat()), st.builds(Token, texts), st.builds(Reasoning, texts)),
        _finished({"stop": "stop", "length": "length"}) | _no_code,
    ),
}


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The same bytes in chunks, cut anywhere, often where it hurts."""
    if not data:
        return []
    awkward = [
        at for at in range(1, len(data)) if data[at - 1] in b"\r\n\xef\xbb" or data[at] > 127
    ]
    places = st.integers(1, max(1, len(data) - 1))
    if awkward:
        places |= st.sampled_from(awkward)
    cuts = sorted({0, *draw(st.lists(places, max_size=12)), len(data)})
    return [data[start:end] for start, end in itertools.pairwise(cuts)]
