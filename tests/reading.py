"""What tests read off a parser: all that must not depend on how the bytes were cut."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tokenwire import Cursor, Dialect, Event, Limits, State, StreamParser, Token


class Read(NamedTuple):
    """Everything that one way of cutting gives."""

    events: list[Event]
    frames: list[object]
    state: State
    cursor: Cursor
    retry: int | None


def read(
    chunks: Iterable[bytes],
    dialect: Dialect | str,
    *,
    limits: Limits = Limits(),
    eof: bool = True,
) -> Read:
    """Feed the chunks, taking events after each of them."""
    parser = StreamParser(dialect, limits=limits)
    events: list[Event] = []
    for chunk in chunks:
        parser.receive_data(chunk)
        events.extend(parser.events())
    if eof:
        parser.receive_eof()
        events.extend(parser.events())
    frames = [event.frame for event in events]
    if getattr(parser.dialect.framer, "cuts_show", False):
        events, frames = joined(events), []
    return Read(events, frames, parser.state, parser.cursor, parser.retry)


def joined(events: list[Event]) -> list[Event]:
    """Tokens that follow one another as one: where a format has no frames, cuts show in them."""
    found: list[Event] = []
    for event in events:
        last = found[-1] if found else None
        if isinstance(event, Token) and isinstance(last, Token):
            found[-1] = Token(last.text + event.text)
        else:
            found.append(event)
    return found
