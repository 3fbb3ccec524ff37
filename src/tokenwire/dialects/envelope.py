"""`Envelope`: what payloads share around their text, so that only the text need be read.

Most payloads of an answer differ from the one before in their text alone, yet a JSON decoder walks
through all of each: ids, names, counts, null by null. An envelope is the constant bytes before and
behind the text. It is learnt from two payloads that have it, and proven by putting a text of our
own in its place and asking the dialect's own reading of it. From then on the text is cut out of any
payload that begins and ends with these bytes.

That is exact by construction, not by likelihood. What is cut out is accepted only if it is one
whole JSON string, as the JSON decoder says; so the payload is the proven one with another string
in the place of the text, and it reads alike.

Services pad payloads with a filler so that their length does not tell the text: Anthropic with
spaces before the last brace, OpenAI with letters in a string that means nothing. So one place
behind the text may hold any run of spaces, or any letters and digits between two quotes: neither
can end what it stands in.

Third parties may use it in dialects of their own.
"""

from __future__ import annotations

import re
import string
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from msgspec.json import Decoder

from tokenwire.dialects.wire import UNREADABLE
from tokenwire.events import Reasoning, Token
from tokenwire.frame import Frame

TextEvent: TypeAlias = Token | Reasoning

# An envelope has a few hundred bytes. A payload beyond this is not compared, and never kept.
MAX_PAYLOAD: Final = 4096

# Frames that are read at once: the first event of a large chunk need not wait for the last one's.
MOST: Final = 64

# Learning costs as much as reading some ten payloads, so an envelope that was used this often has
# paid for itself, and another may be learnt at once. Where they do not pay, as when each payload
# has a number of its own, trials become rarer and rarer, up to one in so many payloads.
_PAID: Final = 32
_RAREST: Final = 1023

_FILLERS: Final = (b" ", (string.ascii_letters + string.digits).encode())
_QUOTES: Final = 8  # escaped ones, that two texts may have in common before they differ
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_PROBE: Final = "a text that no service sends"

_decode_text = Decoder(str).decode


class _Shape(NamedTuple):
    """A payload is ``before``, a JSON string, ``middle``, any run of ``filler``, ``end``."""

    before: bytes
    middle: bytes
    filler: bytes
    end: bytes


_Known: TypeAlias = tuple[str, bytes, bytes, bytes, bytes, type[TextEvent], int, int]
"""The frames' event type, the shape of their payloads, and what stands in their events."""

_NOTHING: Final[_Known] = ("", b"", b"", b"", b"", Token, 0, 0)


class Envelope:
    """Knows the frames of one stream that hold a text and nothing else of interest.

    Ask `take_from` first. Where it does not know, decode the frame; if that gives one event with a
    text and changes nothing in the decoder, tell it to `learn`.

    Args:
        read: The event of a payload that holds only a text, without its frame; None where the
            payload holds anything else. It may raise what a JSON decoder raises. It must depend on
            nothing but the payload, copy the text as it is, and of the other strings look only at
            such as have one value wherever there is a text.

    Attributes:
        known: There is an envelope: it is worth asking `take_from`.
    """

    __slots__ = ("_hits", "_known", "_last", "_read", "_skip", "_wait", "known")

    def __init__(self, read: Callable[[bytes], TextEvent | None]) -> None:
        self._read = read
        self.known = False
        self._known = _NOTHING
        self._hits = 0
        self._last: tuple[Frame, TextEvent] | None = None
        self._wait = self._skip = 0  # frames between trials, and until the next one

    def take_from(self, frames: deque[Frame]) -> list[TextEvent]:
        """Take frames off the front, up to the first that only a decoder can tell.

        Returns:
            Their events, one each; never more than 64, however large the chunk.
        """
        events: list[TextEvent] = []
        type, before, middle, filler, end, kind, index, part = self._known
        frame: Frame | None = None
        popleft = frames.popleft
        while frames and len(events) < MOST:
            frame = popleft()
            data = frame.data
            if data is None or frame.event != type or frame.id is not None:
                break  # an id is a place, which has its turn
            rest = data.removeprefix(before)
            if rest is data:
                break
            literal = rest.removesuffix(end)
            if literal is rest:
                break
            if filler:
                rest = literal.rstrip(filler)
                literal = rest.removesuffix(middle)
                if literal is rest:
                    break
            try:
                text = _decode_text(literal)
            except UNREADABLE:
                break  # something else stands in the place of the text
            if not text:
                break
            events.append(kind(text, index, part, frame=frame))
        else:
            frame = None
        if frame is not None:
            frames.appendleft(frame)
        self._hits += len(events)
        return events

    def forget(self) -> None:
        """From here on such frames may mean something else."""
        self.known, self._known = False, _NOTHING

    def learn(self, frame: Frame, event: TextEvent) -> None:
        """Take a frame that `take_from` did not know, and its only event."""
        if not self._hits:
            self.forget()  # twice in a row: the wire has changed
        if self._hits >= _PAID:
            self._wait = self._skip = 0
        self._hits = 0
        if self._skip:
            self._skip -= 1
        elif len(frame.data or b"") <= MAX_PAYLOAD:
            last, self._last = self._last, (frame, event)
            if last is not None:
                self._last = None
                self._wait = self._skip = min(2 * self._wait + 1, _RAREST)
                self._try(*last, frame, event)

    def _try(self, frame: Frame, event: TextEvent, other: Frame, said: TextEvent) -> None:
        shape = _find_shape(frame.data or b"", event.text, other.data or b"", said.text)
        if shape is None or frame.event != other.event:
            return
        kind, place = type(said), (said.index, said.part)
        try:
            proven = self._read(_probe(shape)) == kind(_PROBE, *place)
        except UNREADABLE:
            return  # the string stood inside another one
        if proven:
            before, middle, filler, end = shape
            self.known = True
            self._known = (other.event, before, middle, filler, end, kind, *place)


def _find_shape(one: bytes, said: str, other: bytes, says: str) -> _Shape | None:
    """What two payloads with different texts have in common, if that is all but a filler."""
    at = _shared(one, other)
    for _ in range(_QUOTES):
        at = one.rfind(b'"', 0, at)
        literal, other_literal = _string_at(one, at), _string_at(other, at)
        if _reads(literal, said) and _reads(other_literal, says):
            break
    else:
        return None
    before = one[:at]
    behind, other_behind = one[at + len(literal) :], other[at + len(other_literal) :]
    if behind == other_behind:
        return _Shape(before, b"", b"", behind)
    shared, shared_end = _shared(behind, other_behind), _shared(behind[::-1], other_behind[::-1])
    for filler in _FILLERS:
        middle = behind[:shared].rstrip(filler)
        end = behind[len(behind) - shared_end :].lstrip(filler)
        if not end or (filler != b" " and not (middle[-1:] == end[:1] == b'"')):
            continue
        padding = [tail[len(middle) :].removesuffix(end) for tail in (behind, other_behind)]
        if not any(filling.strip(filler) for filling in padding):
            # Spaces right beside the text need no care: a JSON decoder passes over them.
            return _Shape(before, middle, filler if middle else b"", end)
    return None


def _probe(shape: _Shape) -> bytes:
    filling = shape.filler[-1:] * 3
    return b'%s"%s"%s%s%s' % (shape.before, _PROBE.encode(), shape.middle, filling, shape.end)


def _shared(one: bytes, other: bytes) -> int:
    """How many bytes two have in common at their beginning."""
    size = min(len(one), len(other))
    difference = int.from_bytes(one[:size], "little") ^ int.from_bytes(other[:size], "little")
    lowest_bit = difference & -difference
    return (lowest_bit.bit_length() - 1) // 8 if difference else size


def _string_at(payload: bytes, at: int) -> bytes:
    found = _STRING.match(payload, at) if at >= 0 else None
    return found[0] if found else b""


def _reads(literal: bytes, text: str) -> bool:
    try:
        return _decode_text(literal) == text
    except UNREADABLE:
        return False
