"""`Envelope`: what payloads share around their text, so that only the text need be read.

Most payloads of an answer differ from the one before in their text alone, yet a JSON decoder walks
through all of each: ids, names, counts, null by null. An envelope is the constant bytes before and
after the text. It is learnt from one payload that has it, and proven by putting a text of our own
in its place and asking the dialect's own reading of it. From then on the text is cut out of any
payload that begins and ends with these bytes.

That is exact by construction, not by likelihood. What is cut out is accepted only if it is one
whole JSON string, as the JSON decoder says; so the payload is the proven one with another string
in the place of the text, and it reads alike.

Services pad payloads with a filler so that their length does not tell the text: Anthropic with
spaces before the last brace, OpenAI with letters in a string that means nothing. So one place
after the text may hold any run of spaces, or any letters and digits between two quotes: neither
can end what it stands in.

Where the format lets a payload of one line stand on the wire as it is, the bytes around the payload
are as constant as those in it. Then a chunk that is one frame is read without a framer.

Third parties may use it in dialects of their own.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final, TypeAlias, cast

from msgspec.json import Decoder, encode

from tokenwire.dialects.kit.payloads import UNREADABLE
from tokenwire.events import Reasoning, Token
from tokenwire.frame import Frame
from tokenwire.framing import LineFraming
from tokenwire.limits import Limits

TextEvent: TypeAlias = Token | Reasoning

# An envelope has a few hundred bytes. Of a payload beyond this none is made.
MAX_PAYLOAD: Final = 4096

# A chunk beyond this goes to the framer, who checks the limits.
MAX_CHUNK: Final = 16 * 1024

# Frames that are read at once: the first event of a large chunk need not wait for the last one's.
MOST: Final = 64

# Learning costs as much as reading some three payloads, so an envelope that was used this often
# has paid for itself, and another may be learnt at once. Where they do not pay, as when each
# payload has a number of its own, trials become rarer and rarer, up to one in so many payloads.
_PAID: Final = 32  # characters, as eight frames have
_RAREST: Final = 1023

_PLACES: Final = 3  # in which a payload may hold the same text, and only one of them is the text
_PROBE: Final = "a text that no service sends"
_PROBE_LITERAL: Final = encode(_PROBE)
_ALPHANUMERIC: Final = (string.ascii_letters + string.digits).encode()
# The last string that is a value; in it, letters and digits may be a filler.
_LAST_STRING: Final = re.compile(rb'(.*: ?")([0-9A-Za-z]*)(".*)', re.DOTALL)

_LF: Final = 0x0A

_decode_text = Decoder(str).decode


_Known: TypeAlias = tuple[
    str, bytes, int, bytes, bytes, bytes, int | None, type[TextEvent], int, int
]
"""One envelope. Its frames have a type, and on the wire they are an opening, a JSON string, a
middle, a run of any bytes of a filler, and a closing. Its entries: the type, the opening, the
payload's start in the opening, middle, filler, closing, the payload's stop counted from the end
(None: how it stands on the wire is not known, and no chunk can be told by it), and the kind, index
and part of the event. Without a filler there is no middle either."""


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
        spoken: Characters of the text that it read.
    """

    __slots__ = ("_framing", "_known", "_learnt", "_on_wire", "_read", "_skip", "_wait", "spoken")

    def __init__(self, read: Callable[[bytes], TextEvent | None]) -> None:
        self._read = read
        self._framing: type[LineFraming] | None = None
        self._known: _Known | None = None
        self._on_wire: _Known | None = None  # the same, where chunks can be told by it
        self.spoken = 0
        self._learnt = 0  # characters by the time when it was last asked to learn
        self._wait = self._skip = 0  # frames between trials, and until the next one

    def attach(self, framer: object, limits: Limits) -> None:
        """Take note of the wire on which the frames come, so that `take_chunk` may be asked.

        Call it before the first frame is decoded, and again where a stream goes on over another
        framer: with limits below what a chunk may have, that framer must see each chunk.
        """
        fits = hasattr(framer, "frame_start") and limits.max_event_size >= MAX_CHUNK
        framing = cast("type[LineFraming]", type(framer)) if fits else None
        if framing is not self._framing:
            self._framing = framing
            self.forget()  # what was learnt stood on another wire

    def may_follow(self, data: bytes) -> bool:
        """Does a frame begin after this chunk, so that `take_chunk` may be asked for the next?"""
        if self._framing is None or data[-1] != _LF:  # most do not, and this costs a fifth
            return False
        return data.endswith(self._framing.frame_end)

    def take_chunk(self, data: bytes) -> TextEvent | None:
        """The event of a chunk that begins where a frame begins, and is one; or None."""
        known = self._on_wire
        if known is None:
            return None
        type, opening, start, middle, filler, closing, stop, event, index, part = known
        rest = data.removeprefix(opening)
        if rest is data:
            return None
        literal = rest.removesuffix(closing)
        if literal is rest:
            return None
        if filler:
            rest = literal.rstrip(filler)
            literal = rest.removesuffix(middle)
            if literal is rest:
                return None
        try:
            text = _decode_text(literal)
        except UNREADABLE:
            return None
        # A JSON decoder passes over line ends beside the text; for the framer they are the end.
        if not text or 10 in literal or 13 in literal or len(data) > MAX_CHUNK:
            return None
        self.spoken += len(text)
        return event(text, index, part, frame=Frame(data[start:stop], type))

    def take_from(self, frames: list[Frame]) -> list[TextEvent]:
        """Take frames up to the first that only a decoder can tell.

        Args:
            frames: At least one; the next one is the last in the list, and taken off there.

        Returns:
            Their events, one each; never more than 64, however large the chunk.
        """
        known = self._known
        if known is None or frames[-1].event != known[0]:
            return []
        events: list[TextEvent] = []
        type, opening, start, middle, filler, closing, stop, event, index, part = known
        before, end = opening[start:], closing[:stop]
        spoken = 0
        for frame in islice(reversed(frames), MOST):
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
            spoken += len(text)
            events.append(event(text, index, part, frame=frame))
        if events:
            del frames[-len(events) :]
            self.spoken += spoken
        return events

    def forget(self) -> None:
        """From here on such frames may mean something else."""
        self._known = self._on_wire = None

    def learn(self, frame: Frame, event: TextEvent) -> None:
        """Take a frame that was not known, and its only event."""
        payload = frame.data or b""
        if len(payload) > MAX_PAYLOAD:
            return
        read = self.spoken - self._learnt
        if read >= _PAID:
            self._wait = self._skip = 0
        elif not read:
            self.forget()  # twice in a row: the wire has changed
        self._learnt = self.spoken
        if self._skip:
            self._skip -= 1
            return
        self._skip, self._wait = self._wait, min(2 * self._wait + 1, _RAREST)
        for before, after in _places(payload, event.text):
            for middle, filler, filling, end in _tails(after):
                probe = b"".join((before, _PROBE_LITERAL, middle, filling, end))
                if self._is_proven(probe, event):
                    self._keep(frame, before, middle, filler, end, event)
                    return

    def _is_proven(self, probe: bytes, event: TextEvent) -> bool:
        """Does it read as the same event with another text?"""
        try:
            said = self._read(probe)
        except UNREADABLE:
            return False  # the string stood inside another one
        return (
            said is not None
            and said.text == _PROBE
            and (type(said), said.index, said.part) == (type(event), event.index, event.part)
        )

    def _keep(
        self,
        frame: Frame,
        before: bytes,
        middle: bytes,
        filler: bytes,
        end: bytes,
        event: TextEvent,
    ) -> None:
        start, stop, framing = b"", None, self._framing
        name, payload = frame.event, frame.data or b""
        # A line end can only stand beside the text and its filler, which have none.
        if framing is not None and b"\n" not in payload and b"\r" not in payload:
            start, end = framing.frame_start(name), end + framing.frame_end
            stop = -len(framing.frame_end)
        place = (type(event), event.index, event.part)
        self._known = (name, start + before, len(start), middle, filler, end, stop, *place)
        self._on_wire = self._known if stop is not None else None  # else it is a payload alone


def _places(payload: bytes, text: str) -> Iterator[tuple[bytes, bytes]]:
    """What stands before and after the text, wherever the payload has one like it."""
    for literal in _literals(text):
        at = payload.find(literal)
        for _ in range(_PLACES):
            if at < 0:
                break
            yield payload[:at], payload[at + len(literal) :]
            at = payload.find(literal, at + 1)


def _literals(text: str) -> Sequence[bytes]:
    """How a service may write it: with escapes where they must be, or for all but ASCII."""
    if text.isascii():
        return (encode(text),)
    try:
        return encode(text), json.dumps(text).encode()
    except UnicodeEncodeError:  # half a surrogate
        return (json.dumps(text).encode(),)


def _tails(after: bytes) -> Iterator[tuple[bytes, bytes, bytes, bytes]]:
    """What may stand after the text: bytes, a filler, an example of it, bytes."""
    end = after[-1:]
    middle = after[:-1].rstrip(b" ")
    if len(middle) < len(after) - 1:
        # Spaces right beside the text need no care: a JSON decoder passes over them.
        yield (middle, b" ", b"", end) if middle else (b"", b"", b"", end)
    filled = _LAST_STRING.fullmatch(after)
    if filled:
        middle, filling, end = filled.groups()
        yield middle, _ALPHANUMERIC, b"0" if filling != b"0" else b"1", end
    yield b"", b"", b"", after
