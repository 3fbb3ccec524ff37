"""One stream of the demonstration: read over real HTTP, measured, and judged by what was sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final
from urllib.parse import urlencode

import httpx
from msgspec import Struct

from tokenwire.adapters.httpx import stream
from tokenwire.events import Done, Error, Event, Reconnecting, Token
from tokenwire.resume import RetryPolicy
from tokenwire.testserver.passage import split_text
from tokenwire.testserver.settings import Cut

CR: Final = 0x0D
LF: Final = 0x0A
AT_ONCE: Final = RetryPolicy(initial_delay=0)


class Trial(Struct, frozen=True, kw_only=True):
    """What to ask the server for.

    Attributes:
        dialect: The dialect to answer in.
        cut: How the server cuts the body.
        after: Break off after so many tokens; ``None``: let the answer come to its end.
        drops: How many connections are dropped then, and the answer gone on with over the next;
            0: the body of the first one ends there, and with it the answer.
    """

    dialect: str
    cut: Cut
    after: int | None = None
    drops: int = 0

    @property
    def cut_short(self) -> bool:
        """The answer does not come to its end."""
        return self.after is not None and not self.drops

    def query(self, rate: float) -> str:
        """The settings as the query of a request."""
        asked: dict[str, str | int | float] = {"cut": self.cut, "crlf": 1, "rate": rate}
        if self.after is not None:
            asked |= {"fail": "drop" if self.drops else "truncate", "after": self.after}
        if self.drops:
            asked["fail_times"] = self.drops
        return urlencode(asked)

    def expected(self, text: str) -> str:
        """What should arrive of this text."""
        return "".join(split_text(text)[: self.after]) if self.cut_short else text


class Reading:
    """What came, as the client saw it.

    Attributes:
        chunks: Pieces in which the HTTP client gave the body.
        bytes: Length of the body.
        in_characters: Cuts between two bytes of one character.
        in_line_ends: Cuts between a CR and its LF.
        events: How many events came.
        reconnects: How many connections there were besides the first.
        text: The text of the tokens.
        last: The last event.
    """

    def __init__(self) -> None:
        self.chunks = self.bytes = self.in_characters = self.in_line_ends = 0
        self.events = self.reconnects = 0
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
        ended = self.ending == ("truncated" if trial.cut_short else "complete")
        equal = self.text == trial.expected(text)
        return cut_hard and equal and ended and self.reconnects == trial.drops


class _Counted(httpx.SyncByteStream):
    """A response's body whose chunks are counted."""

    def __init__(self, response: httpx.Response, reading: Reading) -> None:
        assert isinstance(response.stream, httpx.SyncByteStream)
        self._stream = response.stream
        self._reading = reading

    def __iter__(self) -> Iterator[bytes]:
        return self._reading.count(self._stream)

    def close(self) -> None:
        self._stream.close()


def read(
    base_url: str, trial: Trial, rate: float, show: Callable[[Event, Reading], object]
) -> Reading:
    """Read one stream; ``show`` is called with each event as it comes."""
    reading = Reading()
    url = f"{base_url}/{trial.dialect}?{trial.query(rate)}"

    def count(response: httpx.Response) -> None:
        response.stream = _Counted(response, reading)

    # No proxy of the environment: it could not reach this machine's loopback.
    with (
        httpx.Client(trust_env=False, event_hooks={"response": [count]}) as client,
        stream(
            client,
            "POST",
            url,
            json={"stream": True},
            dialect=trial.dialect,
            retry=AT_ONCE,
            errors="yield",
        ) as answer,
    ):
        for event in answer:
            reading.events += 1
            reading.last = event
            if isinstance(event, Token):
                reading.text += event.text
            elif isinstance(event, Reconnecting):
                reading.reconnects += 1
            show(event, reading)
    return reading
