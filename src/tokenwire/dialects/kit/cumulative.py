"""Text that is sent whole each time, "H", "Hi", "Hi!", read as deltas. Keep one for each text.

::

    self._text = Cumulative()  # the wire says so: each text is whole
    self._text = Cumulative(None)  # it depends on the request: find out
    events += self._text.tokens(wire.text, frame)  # Token, Reset, or nothing
    said, replaces = self._text.read(wire.reasoning)  # the same for what is no answer
    said, replaces = self._text.settle(True)  # something else told before the texts did

Services may change what they said: a text that does not begin with the one before replaces it, as a
`Reset`, and is never glued on. Equal text says nothing, and neither does empty text: frames that
only finish an answer or call a tool often have none.

Where it must be found out, nothing waits for the decision. The first text reads alike either way;
from then on each text is taken as whole while it begins with the one before, and the first that
does not settles that they are deltas. What was misread by then, a short text and one that happens
to begin with it ("ha", "haha", " he said"), or the same one again, is put right by a `Reset` with
all that was said. A second growth, or one of a text too long to be repeated by chance, settles that
they are whole. What stays open is an answer of two such texts and no more, or of repetitions alone:
it is read as whole. Who knows what was asked for should say so. The decision rests on the texts
alone, not on how the bytes were cut.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tokenwire.events import Event, Reset, Token
from tokenwire.frame import Frame

# A delta that begins with all of the delta before it is by chance short: "ha", " ", "\n", "=".
_SURE_LENGTH: Final = 32  # characters

# Services that send whole texts repeat them while a tool call or half a character comes; nobody
# begins an answer with the same piece this often.
_SURE_REPEATS: Final = 16


class Delta(NamedTuple):
    """What a text adds to the ones before.

    Attributes:
        text: The piece; empty where it adds nothing.
        replaces: The text before is void, and `text` stands in its place.
    """

    text: str
    replaces: bool = False


class Cumulative:
    """One text of a stream: of a choice, a message or a block. It keeps no text but two first ones.

    Args:
        cumulative: Each text is the whole one so far; False: each is a delta; None: find out.

    Attributes:
        cumulative: The same, as far as it is known.
    """

    __slots__ = ("_guesses", "_hash", "_length", "cumulative")

    def __init__(self, cumulative: bool | None = True) -> None:
        self.cumulative = cumulative
        # Of the text before. Hashes are keyed anew for each process: no server can make two texts
        # that share one.
        self._length = 0
        self._hash = hash("")
        self._guesses: list[tuple[str, int]] = []  # texts and how often each came, while unknown

    def read(self, text: str) -> Delta:
        """What this text adds."""
        if not text:
            return Delta("")
        if self.cumulative is None:
            misread = self._guess(text)
            if misread.replaces:
                return Delta(misread.text + text, replaces=True)
        if self.cumulative is False:
            return Delta(text)
        length = self._length
        goes_on = self._goes_on(text)
        self._length, self._hash = len(text), hash(text)
        return Delta(text[length:]) if goes_on else Delta(text, replaces=True)

    def tokens(self, text: str, frame: Frame, *, index: int = 0, part: int = 0) -> list[Event]:
        """What this text adds to an answer: a `Token`, a `Reset` of its part, or nothing."""
        said, replaces = self.read(text)
        if replaces:
            return [Reset(index, part, said, frame=frame)]
        return [Token(said, index, part, frame=frame)] if said else []

    def settle(self, cumulative: bool) -> Delta:
        """The wire itself told, before the texts showed it. Does nothing where it is known.

        Args:
            cumulative: Each text is the whole one so far; False: each is a delta.

        Returns:
            What puts right the texts that were misread by then.
        """
        if self.cumulative is not None:
            return Delta("")
        self.cumulative = cumulative
        said = "".join(text * times for text, times in self._guesses)
        right = cumulative or said == (self._guesses[-1][0] if self._guesses else "")
        self._guesses.clear()
        return Delta("") if right else Delta(said, replaces=True)

    def _goes_on(self, text: str) -> bool:
        return hash(text[: self._length]) == self._hash

    def _guess(self, text: str) -> Delta:
        """Settle `cumulative` if this text does; give what puts right the texts before."""
        if not self._guesses:
            self._guesses.append((text, 1))
            return Delta("")
        last, times = self._guesses[-1]
        if not self._goes_on(text):
            return self.settle(False)
        grown_twice = text != last and len(self._guesses) == 2
        if grown_twice or len(last) >= _SURE_LENGTH or times == _SURE_REPEATS:
            return self.settle(True)
        if text == last:
            self._guesses[-1] = (text, times + 1)
        else:
            self._guesses.append((text, 1))
        return Delta("")
