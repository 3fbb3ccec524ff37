"""What the built-in server says, as blocks of bytes, before anything goes wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from tokenwire.dialects import Dialect
from tokenwire.encoder import StreamEncoder
from tokenwire.errors import LocalProtocolError
from tokenwire.events import Data, Done, Event, Finished, Started, Token, Usage
from tokenwire.testserver.passage import split_text
from tokenwire.testserver.place import Block, Place
from tokenwire.testserver.settings import Settings

CRLF_FORMATS: Final = frozenset({"SSE", "JSON Lines"})
"""Formats in which a line may end in CRLF. JSON Lines: the CR is white space of the JSON."""

PROMPT_TOKENS: Final = 7


def can_say(dialect: Dialect, event: Event) -> bool:
    """Does a dialect have words for this event?"""
    try:
        return bool(StreamEncoder(dialect).send(event))
    except LocalProtocolError:
        return False


class Left(Struct, frozen=True):
    """What an answer still has for a client.

    Attributes:
        tokens: How many tokens.
        blocks: How many blocks the answer has in all.
        size: How many bytes it has in all.
    """

    tokens: int
    blocks: int
    size: int

    def allows(self, place: Place) -> bool:
        """Is there such a place in the answer?"""
        return place.number < self.blocks and place.offset <= self.size


class Script:
    """One telling of an answer: encode its events in their order.

    Args:
        dialect: The dialect; it has an encoder.
        settings: What to say.
        id: The answer's name, where the dialect has a place for it.
        model: The model that answers.
        heartbeats: What stands before the block of a number.

    Attributes:
        number: That of the next block.
        offset: The place of the next byte in the body.
    """

    def __init__(
        self,
        dialect: Dialect,
        settings: Settings,
        *,
        id: str,
        model: str,
        heartbeats: Mapping[int, bytes],
    ) -> None:
        self.number = 0
        self.offset = 0
        self._id = id
        self._model = model
        self._text = settings.text
        self._heartbeats = heartbeats
        self._encoder = StreamEncoder(dialect)
        self._is_sse = dialect.format == "SSE"
        self._ids = settings.ids and self._is_sse
        self._crlf = settings.crlf and dialect.format in CRLF_FORMATS

    def events(self) -> Iterator[Event]:
        """All of the answer."""
        pieces = split_text(self._text)
        yield Started(id=self._id, model=self._model)
        yield from map(Token, pieces)
        yield Finished(reason="stop")
        yield Usage(PROMPT_TOKENS, len(pieces), PROMPT_TOKENS + len(pieces), final=True)
        yield Done("stop")

    def blocks(self, event: Event) -> list[Block]:
        """The blocks of the next event; none where the dialect has no words for it.

        Raises:
            LocalProtocolError: The dialect has no way to say the text of this token.
        """
        sent = self._encode(event)
        # No line of an event is empty, so what ends it cannot stand inside of it.
        parts = sent.split(b"\n\n")[:-1] if self._is_sse else [sent] * bool(sent)
        return [self._block(part + b"\n\n" if self._is_sse else part) for part in parts]

    def aside(self, event: Event) -> bytes:
        """The bytes of an event that is no part of the answer; none where it cannot be said."""
        return self._on_the_wire(self._encode(event))

    def is_past(self, place: Place) -> bool:
        """Did all come that a client at this place has?"""
        return self.number > place.number and self.offset >= place.offset

    def left(self, place: Place) -> Left:
        """What the answer has after a place. Tells all of it: take another script to send it."""
        tokens = 0
        for event in self.events():
            blocks = self.blocks(event)
            tokens += isinstance(event, Token) and not all(map(place.is_after, blocks))
        return Left(tokens, self.number, self.offset)

    def _encode(self, event: Event) -> bytes:
        try:
            return self._encoder.send(event)
        except LocalProtocolError:
            if not isinstance(event, Token):
                return b""  # nobody misses what the dialect has no words for
            # An event source has no tokens, but it can carry text.
            try:
                return self._encoder.send(Data("message", event.text))
            except LocalProtocolError:
                pass
            raise

    def _block(self, data: bytes) -> Block:
        if self._ids:
            data = b"id: %s:%d\n" % (self._id.encode(), self.number) + data
        data = self._heartbeats.get(self.number, b"") + self._on_the_wire(data)
        block = Block(self.number, self.offset, data)
        self.number, self.offset = self.number + 1, block.end
        return block

    def _on_the_wire(self, data: bytes) -> bytes:
        # Encoders escape line ends inside of values, so every LF here ends a line.
        return data.replace(b"\n", b"\r\n") if self._crlf else data
