"""`Replay`: an answer asked for again, without what was delivered and is said in the same way.

What was delivered is known by its length and a checksum for each channel of the answer, not by
itself, so that a checkpoint stays small. What the new answer says is held until it has said all of
that; if it differs, the old text is taken back and the new one given instead. Not decided here:
whether an answer is asked for again (`tokenwire.resume.plan`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from tokenwire.dialects.kit.payloads import json_text
from tokenwire.events import (
    Data,
    Done,
    Event,
    Finished,
    Heartbeat,
    Reasoning,
    Refusal,
    Reset,
    Started,
    Token,
    ToolCall,
)

# Kind, choice, and block or call.
Channel: TypeAlias = tuple[str, int, str]

# Channels that are told apart: an answer has one to ten. What is said in further ones goes into one
# for each choice, so that a checkpoint stays small; said again in other pieces, it is another text.
MAX_CHANNELS: Final = 128

_LONGEST: Final = 64  # characters of a call's key; those made here have less than ten

# Events that may be held beside one for each character that is to be said again. A peer that sends
# more before it has said that is not saying the same again.
MAX_HELD: Final = 10_000


_PRIME: Final = 2**61 - 1


class Said(Struct, frozen=True, array_like=True):
    """What was said in one channel.

    Attributes:
        length: Code points, with one that is none of the text after a call's name and at its end.
        rest: The text in UTF-8, read as one number, modulo a prime: however it was cut, it is the
            same. Two texts of one length have the same by chance once in 2**61, and short ones of
            up to seven bytes never.
    """

    length: int = 0
    rest: int = 0

    def and_then(self, text: str) -> Said:
        """With more text after it."""
        data = text.encode("utf-8", "surrogatepass")
        before = self.rest * pow(256, len(data), _PRIME) if self.rest else 0
        return Said(self.length + len(text), (before + int.from_bytes(data)) % _PRIME)

    @property
    def shown(self) -> str:
        """In place of the text itself, as a short one."""
        return f"{self.length}-{self.rest:x}"


NOTHING: Final = Said()

# Kinds of `Data` that tell of the making of an answer and are other ones each time it is made: that
# they come again is enough. All others are of what it says.
ABOUT: Final = frozenset({"extra", "metrics", "prompt_progress", "timings", "trace"})

END: Final = "\0"
"""Stands between what is said: no name has it in it, and JSON cannot."""


def channel_of(event: Event) -> tuple[Channel, str] | None:
    """Where an event says something and what, or None where it says nothing of the answer.

    A tool call's id is another each time, and does not count. The value of a `Data` may be large,
    as a sound is, and a checksum stands for it.
    """
    match event:
        case Token(text=text, index=index, part=part):
            return ("text", index, str(part)), text
        case Reasoning(text=text, index=index, part=part, signature=signature):
            end = f"{END}{signature}{END}" if signature else ""
            return ("reasoning", index, str(part)), text + end
        case Refusal(text=text, index=index):
            return ("refusal", index, ""), text
        case ToolCall(key=key, index=index, name=name, arguments=arguments):
            end = END if event.complete else ""
            return ("call", index, _short(key)), (f"{name}{END}" if name else "") + arguments + end
        case Data(kind=kind, index=index, value=value):
            value_shown = "" if kind in ABOUT else NOTHING.and_then(value_of(value)).shown
            return ("data", index, ""), f"{kind}{END}{value_shown}{END}"
        case Finished(index=index, reason=reason):
            return ("finished", index, ""), reason
        case _:
            return None


def value_of(value: object) -> str:
    """The value of a `Data` as a text; nothing of one nested more deeply than can be written."""
    try:
        return json_text(value)
    except TypeError:  # of a dialect that puts into it what is not of JSON
        return repr(value)


def _short(key: str) -> str:
    return key if len(key) <= _LONGEST else Said().and_then(key).shown


class Digest:
    """What was delivered of an answer, by channel.

    Args:
        channels: Of a checkpoint.
    """

    __slots__ = ("channels",)

    def __init__(self, channels: Iterable[tuple[Channel, Said]] = ()) -> None:
        self.channels = dict(channels)

    def add(self, event: Event) -> None:
        """An event was delivered."""
        if type(event) is Reset:
            for channel in [one for one in self.channels if _voids(event, one)]:
                del self.channels[channel]
            event = Token(event.text, event.index, event.part or 0)
        found = channel_of(event)
        if found is not None and found[1]:
            channel, text = _placed(found, self.channels)
            self.channels[channel] = self.channels.get(channel, NOTHING).and_then(text)


def _placed(found: tuple[Channel, str], channels: Mapping[Channel, Said]) -> tuple[Channel, str]:
    """The same, in the common channel of its choice if it has none of its own."""
    channel, text = found
    if channel in channels or len(channels) < MAX_CHANNELS:
        return found
    return ("rest", channel[1], ""), f"{channel}{END}{text}"


def _voids(reset: Reset, channel: Channel) -> bool:
    kind, index, part = channel
    if index != reset.index:
        return False
    return reset.part is None or (kind == "text" and part == str(reset.part))


class Replay:
    """Takes the events of an answer that was asked for again, gives those that are new.

    Args:
        digest: What was delivered before.

    Attributes:
        through: All that was said before was said again, or taken back: nothing is held.
        diverged: The new answer is another one: the old text was taken back.
    """

    def __init__(self, digest: Digest) -> None:
        self._expected = {one: said for one, said in digest.channels.items() if said.length}
        self._unproven = set(self._expected)
        self._repeated: dict[Channel, Said] = {}
        self._room = sum(said.length for said in self._expected.values()) + MAX_HELD
        self._all: list[Event] = []  # the new answer from its beginning, until it is proven
        self._new: list[Event] = []  # what of it follows the old one
        self.through = not self._unproven
        self.diverged = False

    def receive(self, event: Event) -> list[Event]:
        """The events to deliver now."""
        if self.through or isinstance(event, Heartbeat):
            return [event]
        self._all.append(event)
        if len(self._all) > self._room or self._ends_short(event):
            return self._diverge()
        rest = self._compare(event)
        if rest is None:
            return self._diverge()
        self._new += rest
        if self._unproven:
            return []
        self.through = True
        return self._take(self._new)

    def _ends_short(self, event: Event) -> bool:
        """Does the answer, or one choice of it, end before it has said all that was said?"""
        if isinstance(event, Finished):
            return any(
                kind != "finished" and index == event.index for kind, index, _ in self._unproven
            )
        return isinstance(event, Done | Reset)

    def _take(self, events: list[Event]) -> list[Event]:
        self._all, self._new = [], []
        return events

    def _diverge(self) -> list[Event]:
        self.through = self.diverged = True
        indexes = sorted({index for _, index, _ in self._expected})
        return [*(Reset(index) for index in indexes), *self._take(self._all)]

    def _compare(self, event: Event) -> list[Event] | None:
        """What of the event is new; None where it is not what was said before."""
        found = channel_of(event)
        if found is None:
            return [] if isinstance(event, Started) else [event]
        channel, text = _placed(found, self._expected)
        expected = self._expected.get(channel)
        if expected is None or channel not in self._unproven:
            return [event]
        repeated = self._repeated.get(channel, NOTHING)
        left = expected.length - repeated.length
        repeated = self._repeated[channel] = repeated.and_then(text[:left])
        if repeated.length < expected.length:
            return []
        if repeated != expected:
            return None
        self._unproven.discard(channel)
        return rest_of(event, text[left:])


def rest_of(event: Event, text: str) -> list[Event]:
    """The event with only the rest of its text; its id and name were given before."""
    match event:
        case Token() | Refusal():
            return [replace(event, text=text)] if text else []
        case Reasoning():
            said, signs, _ = text.partition(END)  # a signature is given whole
            rest = replace(event, text=said, signature=event.signature if signs else None)
            return [rest] if text else []
        case ToolCall(complete=complete):
            arguments = text.removesuffix(END) if complete else text
            return [replace(event, id=None, name=None, arguments=arguments)] if text else []
        case _:
            return []
