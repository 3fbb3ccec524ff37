"""What the built-in server says, as steps: no socket, no clock.

A step is bytes to write as one chunk, or a `Step`. When the steps end, the body ends well.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Final

from tokenwire.cli.cuts import Cutter
from tokenwire.cli.passage import split_text
from tokenwire.cli.settings import Settings
from tokenwire.dialects import Dialect
from tokenwire.encoder import StreamEncoder
from tokenwire.errors import LocalProtocolError
from tokenwire.events import Data, Done, Error, Event, Finished, Started, Token, Usage

CRLF_FORMATS: Final = frozenset({"SSE", "JSON Lines"})
"""Formats in which a line may end in CRLF. JSON Lines: the CR is white space of the JSON."""

PROMPT_TOKENS: Final = 7

OVERLOADED: Final = Error(
    kind="vendor",
    code="overloaded_error",
    message="the service is overloaded (a failure that the test server was asked for)",
)


ENDINGS: Final = {"truncate": "cut short", "error": "ended by an error"}
"""What the log calls an answer whose steps all went out; else it is complete."""


class Step(Enum):
    """What to do between two chunks."""

    TOKEN = "token"
    """A token follows: wait until its time has come."""
    DROP = "drop"
    """Close the connection, with the body open."""
    STALL = "stall"
    """Be silent until the client leaves."""


class Answer:
    """One answer in one dialect.

    Args:
        dialect: The dialect; it has an encoder.
        settings: What to say, how to cut it, how to fail.
        id: The answer's name, where the dialect has a place for it.
        model: The model that answers.

    Attributes:
        rate: Tokens a second to send it with; 0: do not wait.
        ending: What it is once all steps are done, in a word for the log.

    Raises:
        ValueError: The dialect has no way to say the error that ``fail="error"`` asks for.
    """

    def __init__(self, dialect: Dialect, settings: Settings, *, id: str, model: str) -> None:
        self.rate: Final = settings.rate
        self.ending: Final = ENDINGS.get(settings.fail, "complete")
        self._settings = settings
        self._encoder = StreamEncoder(dialect)
        self._crlf = settings.crlf and dialect.format in CRLF_FORMATS
        self._started = Started(id=id, model=model)
        if settings.fail == "error":
            try:
                StreamEncoder(dialect).send(OVERLOADED)
            except LocalProtocolError:
                raise ValueError(f"{dialect.name} has no way to say an error") from None

    def steps(self) -> Iterator[bytes | Step]:
        """The answer, step by step.

        Raises:
            LocalProtocolError: The dialect has no way to say this text.
        """
        cutter = Cutter(self._settings.cut, self._settings.seed)
        for step in self._events():
            match step:
                case Token():
                    yield Step.TOKEN
                    yield from cutter.cut(self._token(step))
                case Step():
                    yield from cutter.rest()
                    yield step
                    return
                case _:
                    yield from cutter.cut(self._other(step))
        yield from cutter.rest()

    def _events(self) -> Iterator[Event | Step]:
        fail, after = self._settings.fail, self._settings.after
        pieces = split_text(self._settings.text)
        fails = fail in ("drop", "truncate", "stall", "error")
        yield self._started
        yield from map(Token, pieces[:after] if fails else pieces)
        match fail:
            case "drop":
                yield Step.DROP
            case "stall":
                yield Step.STALL
            case "truncate":
                pass
            case "error":
                yield OVERLOADED
            case _:
                yield Finished(reason="stop")
                yield Usage(PROMPT_TOKENS, len(pieces), PROMPT_TOKENS + len(pieces), final=True)
                yield Done("stop")

    def _token(self, token: Token) -> bytes:
        try:
            return self._on_the_wire(self._encoder.send(token))
        except LocalProtocolError:
            # An event source has no tokens, but it can carry text.
            try:
                return self._on_the_wire(self._encoder.send(Data("message", token.text)))
            except LocalProtocolError:
                pass
            raise

    def _other(self, event: Event) -> bytes:
        try:
            return self._on_the_wire(self._encoder.send(event))
        except LocalProtocolError:
            return b""  # nobody misses what the dialect has no words for

    def _on_the_wire(self, data: bytes) -> bytes:
        # Encoders escape line ends inside of values, so every LF here ends a line.
        return data.replace(b"\n", b"\r\n") if self._crlf else data
