"""One stream of the demonstration: read over real HTTP, measured, and judged by what was sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final
from urllib.parse import urlencode

import httpx
from msgspec import Struct

from tokenwire.cli.passage import split_text
from tokenwire.cli.settings import Cut
from tokenwire.drive import Failures, Head, iter_events
from tokenwire.events import Done, Error, Event, Token

CR: Final = 0x0D
LF: Final = 0x0A
TIMEOUT: Final = 30.0


class Trial(Struct, frozen=True, kw_only=True):
    """What to ask the server for.

    Attributes:
        dialect: The dialect to answer in.
        cut: How the server cuts the body.
        after: End the body after so many tokens; ``None``: let the answer come to its end.
    """

    dialect: str
    cut: Cut
    after: int | None = None

    def query(self, rate: float) -> str:
        """The settings as the query of a request."""
        asked: dict[str, str | int | float] = {"cut": self.cut, "crlf": 1, "rate": rate}
        if self.after is not None:
            asked |= {"fail": "truncate", "after": self.after}
        return urlencode(asked)

    def expected(self, text: str) -> str:
        """What should arrive of this text."""
        return "".join(split_text(text)[: self.after])


class Reading:
    """What came, as the client saw it.

    Attributes:
        chunks: Pieces in which the HTTP client gave the body.
        bytes: Length of the body.
        in_characters: Cuts between two bytes of one character.
        in_line_ends: Cuts between a CR and its LF.
        events: How many events were parsed.
        text: The text of the tokens.
        last: The last event.
    """

    def __init__(self) -> None:
        self.chunks = self.bytes = self.in_characters = self.in_line_ends = self.events = 0
        self.text = ""
        self.last: Event | None = None
        self._before = 0  # the last byte of the chunk before

    def count(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass chunks on, and look at where they were cut."""
        for chunk in chunks:
            self.in_characters += chunk[0] & 0b1100_0000 == 0b1000_0000
            self.in_line_ends += self._before == CR and chunk[0] == LF
            self._before = chunk[-1]
            self.chunks += 1
            self.bytes += len(chunk)
            yield chunk

    @property
    def ending(self) -> str:
        """How it ended, in short."""
        match self.last:
            case Done():
                return "complete"
            case Error(kind=kind):
                return kind
            case _:
                return "not at all"

    def holds(self, trial: Trial, text: str) -> bool:
        """Did the text arrive as it was sent, cut where it was to be cut, and end as it should?"""
        cut_hard = self.chunks > 1
        if trial.cut == "byte":
            one_by_one = self.chunks == self.bytes
            cut_hard = one_by_one and self.in_characters > 0 and self.in_line_ends > 0
        ending = "complete" if trial.after is None else "truncated"
        return cut_hard and self.text == trial.expected(text) and self.ending == ending


def read(
    base_url: str, trial: Trial, rate: float, show: Callable[[Event, Reading], object]
) -> Reading:
    """Read one stream; ``show`` is called with each event as it comes."""
    reading = Reading()
    url = f"{base_url}/{trial.dialect}?{trial.query(rate)}"
    # No proxy of the environment: it could not reach this machine's loopback.
    with (
        httpx.Client(trust_env=False, timeout=TIMEOUT) as client,
        client.stream("POST", url, json={"stream": True}) as response,
    ):
        events = iter_events(
            reading.count(response.iter_bytes()),
            trial.dialect,
            head=Head(response.status_code, response.headers),
            errors="yield",
            failures=Failures(lost=(httpx.RequestError,), timed_out=(httpx.TimeoutException,)),
        )
        for event in events:
            reading.events += 1
            reading.last = event
            if isinstance(event, Token):
                reading.text += event.text
            show(event, reading)
    return reading
