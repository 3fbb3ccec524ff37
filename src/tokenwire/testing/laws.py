"""The laws that a dialect is held to, each a check of one case: bytes, and where they are cut.

A law gives None where it holds, and else a `Broken` that says what was expected and what came.
Exactly-once delivery and the twin drivers are laws too, but not a dialect's.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate, pairwise
from typing import Any, Final, TypeAlias, get_args

import msgspec
from msgspec import Struct

from tokenwire.dialects import Decoder, Dialect, StatefulDecoder
from tokenwire.dialects.kit.lenient import text_from
from tokenwire.encoder import StreamEncoder
from tokenwire.errors import LocalProtocolError
from tokenwire.events import (
    Data,
    Done,
    Error,
    Event,
    Reasoning,
    Recovery,
    Refusal,
    Reset,
    Token,
    Unknown,
)
from tokenwire.frame import Frame
from tokenwire.limits import DEFAULT_LIMITS, Limits
from tokenwire.parser import StreamParser
from tokenwire.state import State
from tokenwire.testing._mutate import HARD_PAYLOADS, frames_of
from tokenwire.testing._read import (
    Reading,
    cut,
    lines_of,
    lines_with_frames,
    read,
    tells_cuts,
)
from tokenwire.testing._said import what_was_lost, what_was_said
from tokenwire.testing._values import Change, changes_of, says
from tokenwire.testing._work import count_work


class Case(Struct, frozen=True, kw_only=True):
    """What a law is held against; as JSON it can be kept and replayed.

    Attributes:
        law: The law's name, one of `LAWS`.
        wire: The bytes.
        cuts: Where they are cut into chunks; for ``truncation``, where they end.
        events: For ``round trip``: what is encoded, as `write_events` writes it. The wire does not
            count then.
        exact: For ``round trip``: these very events must come back; else what they say.
    """

    law: str
    wire: bytes
    cuts: tuple[int, ...] = ()
    events: tuple[dict[str, Any], ...] = ()
    exact: bool = False


class Broken(Struct, frozen=True):
    """How a law was broken.

    Attributes:
        what: In one sentence.
        expected: What should have come, in lines; None where the sentence says it all.
        actual: What came.
    """

    what: str
    expected: list[str] | None = None
    actual: list[str] | None = None


def check_case(dialect: Dialect, case: Case) -> Broken | None:
    """Hold the law of a case against it."""
    if case.law == "round trip":
        return round_trip(dialect, read_events(case.events), exact=case.exact)
    return LAWS[case.law](dialect, case.wire, case.cuts)


# --- 1: chunking ---


def chunking(
    dialect: Dialect, wire: bytes, cuts: Sequence[int], *, whole: Reading | None = None
) -> Broken | None:
    """However the bytes are cut, events, frames, state, cursor, retry and error are equal."""
    whole = whole or read(dialect, cut(wire, ()))
    got = read(dialect, cut(wire, cuts))
    if got == whole:
        return None
    expected, actual = lines_of(whole, dialect), lines_of(got, dialect)
    if expected != actual:
        return Broken("the events depend on where the bytes are cut", expected, actual)
    if tells_cuts(dialect):
        return None
    expected, actual = lines_with_frames(whole), lines_with_frames(got)
    if expected != actual:  # and not just a NaN, which equals nothing
        return Broken("the frames of the events depend on the cuts", expected, actual)
    return None


# --- shortcuts ---


def shortcuts(
    dialect: Dialect, wire: bytes, cuts: Sequence[int], *, whole: Reading | None = None
) -> Broken | None:
    """Without any shortcut, the events and their frames are the same.

    Nothing is read ahead of its turn where each byte comes by itself and the decoder shows no
    envelope. Most shortcuts are for chunks that are whole frames: see `frame_cuts`.

    Args:
        dialect: The dialect.
        wire: A body.
        cuts: Where it is cut for the reading with shortcuts.
        whole: The reading without.
    """
    slow = whole or read_slowly(dialect, wire)
    got = read(dialect, cut(wire, cuts))
    if got == slow:
        return None
    expected, actual = lines_of(slow, dialect), lines_of(got, dialect)
    if expected != actual:
        return Broken("a shortcut gives other events than reading byte by byte", expected, actual)
    if tells_cuts(dialect):
        return None
    expected, actual = lines_with_frames(slow), lines_with_frames(got)
    if expected != actual:
        return Broken("a shortcut gives other frames than reading byte by byte", expected, actual)
    return None


def read_slowly(dialect: Dialect, wire: bytes) -> Reading:
    """Byte by byte, and without the decoder's envelope."""
    slow = msgspec.structs.replace(dialect, decoder=lambda: _without_envelope(dialect.decoder()))
    return read(slow, cut(wire, range(1, len(wire))))


def _without_envelope(decoder: Decoder) -> Decoder:
    if getattr(decoder, "envelope", None) is None:
        return decoder
    return partial(decoder) if callable(decoder) else _Unaided(decoder)


class _Unaided:
    """A decoder that shows nothing but what decoders must have."""

    def __init__(self, decoder: StatefulDecoder) -> None:
        self._decoder = decoder
        receive_loss = getattr(decoder, "receive_loss", None)
        if receive_loss is not None:
            self.receive_loss = receive_loss

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        return self._decoder.receive_frame(frame)

    def receive_eof(self) -> Sequence[Event]:
        return self._decoder.receive_eof()


def frame_cuts(dialect: Dialect, wire: bytes) -> Iterator[tuple[int, ...]]:
    """Cuts after each frame, as nearly every service writes; then moved by a byte or two."""
    ends = [*accumulate(len(piece) for piece in frames_of(dialect, wire))]
    for shift in (0, -1, 1, -2, 2):
        yield tuple(at + shift for at in ends)
    for shift in (-2, -1, 1, 2):  # and every other one of them
        yield tuple(at + shift * (number % 2) for number, at in enumerate(ends))


# --- 2: truncation ---


def truncation(
    dialect: Dialect, wire: bytes, cuts: Sequence[int], *, whole: Reading | None = None
) -> Broken | None:
    """A proper prefix ends in an error, unless it says all that the whole says.

    Usage, liveness and blank lines may be missing: they follow the proof that all is there.
    """
    whole = whole or read(dialect, cut(wire, ()))
    prefix = read(dialect, cut(wire[: cuts[0]], ()))
    expected = ["Error(kind='truncated', ...) last, and no Done"]
    if prefix.complete:
        expected, actual = _said_lines(whole), _said_lines(prefix)
        if expected == actual:
            return None
        return Broken("a cut answer passes for a complete one: it ends in Done", expected, actual)
    if not prefix.ended:
        return Broken("a cut answer has no end", expected, lines_of(prefix, dialect))
    last = prefix.events[-1]
    if whole.complete and isinstance(last, Error) and last.kind != "truncated":
        return Broken("a cut answer ends in another error", expected, lines_of(prefix, dialect))
    return None


def _said_lines(reading: Reading) -> list[str]:
    return [f"{what}: {value!r}" for what, value in what_was_said(reading.events)]


# --- 3: round trip ---


def round_trip(dialect: Dialect, events: Sequence[Event], *, exact: bool) -> Broken | None:
    """Parsing what was encoded gives the same events.

    Args:
        dialect: The dialect.
        events: What is encoded.
        exact: These very events must come back. Else what they say must, in any deltas, and the
            events that come back must come back the same the next time.
    """
    wire, problem = _encode(dialect, events)
    if problem:
        return Broken(f"the encoder does not take these events: {problem}")
    ended = bool(events) and _is_last(events[-1])
    got = read(dialect, cut(wire, ()), eof=ended)
    expected, actual = [*map(repr, events)], [*map(repr, got.events)]
    if got.raised:
        return Broken(f"what was encoded makes the parser raise {got.raised}", expected, actual)
    if exact:
        if got.events == list(events):
            return None
        return Broken("what was encoded comes back as other events", expected, actual)
    lost = what_was_lost(events, got.events)
    if lost:
        return Broken(f"what was said does not come back: {'; '.join(lost)}", expected, actual)
    wire, problem = _encode(dialect, got.events)
    if problem:
        what = f"the encoder does not take what the parser gave: {problem}"
        return Broken(what, actual=actual)
    again = read(dialect, cut(wire, ()), eof=ended)
    if again.events != got.events and [*map(repr, again.events)] != actual:
        what = "parsed events come back as others when they are encoded and parsed"
        return Broken(what, actual, [*map(repr, again.events)])
    return None


def _encode(dialect: Dialect, events: Sequence[Event]) -> tuple[bytes, str]:
    encoder = StreamEncoder(dialect)
    wire = b""
    for event in events:
        try:
            wire += encoder.send(event)
        except Exception as error:
            return wire, f"{type(error).__name__} at {event!r}: {error}"
    return wire, ""


def write_events(events: Sequence[Event]) -> tuple[dict[str, Any], ...]:
    """Events as values of JSON, without their frames."""
    return tuple(
        {"type": type(event).__name__}
        | {name: getattr(event, name) for name in type(event).__struct_fields__ if name != "frame"}
        for event in events
    )


def read_events(values: Sequence[Mapping[str, Any]]) -> list[Event]:
    """The events that `write_events` wrote.

    Raises:
        ValueError: There is no such event, or a field has another type.
    """
    known: dict[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}
    events: list[Event] = []
    for value in values:
        fields = {name: one for name, one in value.items() if name != "type"}
        if "recovery" in fields:
            fields["recovery"] = Recovery(fields["recovery"])
        try:
            events.append(known[value["type"]](**fields))
        except (KeyError, TypeError) as error:
            raise ValueError(f"{value!r} is no event: {error}") from None
    return events


def _is_last(event: Event) -> bool:
    return isinstance(event, Done) or (isinstance(event, Error) and event.fatal)


# --- 4: totality ---


def totality(
    dialect: Dialect, wire: bytes, cuts: Sequence[int] = (), *, whole: Reading | None = None
) -> Broken | None:
    """No bytes make the parser raise; one last event, at the end; events with their frames."""
    reading = whole or read(dialect, cut(wire, cuts))
    shown = [*map(repr, reading.events)]
    if reading.raised:
        return Broken(f"reading raises {reading.raised}", ["Error(kind='malformed', ...)"], shown)
    if (odd := _no_event(reading.events)) is not None:
        return Broken(f"the decoder gives {odd!r:.400}, which is no event", actual=shown)
    if not reading.ended or reading.state not in (State.CLOSED, State.FAILED):
        return Broken("the stream does not end in Done or a fatal Error", actual=shown)
    if any(map(_is_last, reading.events[:-1])):
        return Broken("there are events after the last one", actual=shown)
    for event, frame in zip(reading.events[: reading.before_eof], reading.frames, strict=False):
        # A framer's error belongs to no frame.
        if frame is None and not (isinstance(event, Error) and event.fatal):
            return Broken(
                f"{event!r} does not carry the frame it came from",
                [f"{type(event).__name__}(..., frame=frame)"],
                shown,
            )
    return None


def hard_wires(dialect: Dialect, names: Sequence[str]) -> Iterator[bytes]:
    """Sound frames, each with a payload that has felled decoders, as far as they can be written.

    Args:
        dialect: Its framer writes them.
        names: Event types to give each payload under.
    """
    encode = dialect.framer(DEFAULT_LIMITS).encode
    for payload in HARD_PAYLOADS:
        for name in names:
            try:
                yield encode(Frame(payload, name))
            except LocalProtocolError:
                continue


def _no_event(found: Sequence[object]) -> object | None:
    """What a decoder gave that it must not give, if it did."""
    return next((one for one in found if not isinstance(one, Event)), None)


# --- 5: linearity ---

# Twice the bytes are twice the work, and four times where it grows with their square. What a
# stream costs but once makes the ratio smaller.
MOST_FOR_TWICE: Final = 2.6
_BODY: Final = 3000  # bytes of the smallest body
_PIECE: Final = 7  # bytes of a chunk


def linearity(dialect: Dialect, wire: bytes, cuts: Sequence[int] = ()) -> Broken | None:
    """Twice the bytes cost about twice the work, counted by `count_work`.

    The wire's frames up to the last that leaves it open are repeated, and a frame that never ends
    is fed: each whole and in small pieces.
    """
    open_frames = _open_frames(dialect, wire)
    longest = max(open_frames, key=len, default=wire)
    bodies: dict[str, Callable[[int], bytes]] = {
        "one frame": lambda size: longest[: len(longest) // 2] + b"x" * size
    }
    if open_frames:
        unit = b"".join(open_frames)
        bodies["many frames"] = lambda size: unit * (size // len(unit) + 1)
    for what, body in bodies.items():
        for piece, how in ((_PIECE, f"in pieces of {_PIECE}"), (0, "in one chunk")):
            costs = [_cost(dialect, body(size), piece) for size in (_BODY, 2 * _BODY, 4 * _BODY)]
            # Both times, for a single jump may be a buffer that grew.
            if all(after > MOST_FOR_TWICE * before for before, after in pairwise(costs)):
                shown = ", ".join(map(str, costs))
                return Broken(
                    f"work grows faster than the bytes: {what}, fed {how}, of {_BODY},"
                    f" {2 * _BODY} and {4 * _BODY} bytes cost {shown}"
                )
    return None


def _cost(dialect: Dialect, body: bytes, piece: int) -> int:
    chunks = cut(body, range(piece, len(body), piece) if piece else ())
    return count_work(lambda: read(dialect, chunks, eof=False))


def _feed(parser: StreamParser, chunk: bytes) -> bool:
    """Feed a chunk and take its events; False where that raises, of which `totality` tells."""
    try:
        parser.receive_data(chunk)
        list(parser.events())
    except Exception:
        return False
    return True


def _open_frames(dialect: Dialect, wire: bytes) -> list[bytes]:
    """The frames of the wire up to the last one that leaves the stream open."""
    parser = StreamParser(dialect)
    found: list[bytes] = []
    for piece in frames_of(dialect, wire):
        if not _feed(parser, piece) or parser.closed:
            break
        found.append(piece)
    return found


# --- 6: memory ---

_LIMITS: Final = (16, 64, 1024)
_HEAD: Final = 16  # bytes in which a binary format may tell its size
_FLOOD_LIMIT: Final = 64 * 1024
_FLOOD_CHUNKS: Final = 64
# What Python objects of one frame and one chunk may take beside the limit itself.
_FLOOD_HELD: Final = 8 * _FLOOD_LIMIT


def memory(dialect: Dialect, wire: bytes, cuts: Sequence[int] = ()) -> Broken | None:
    """What is held stays under the limit: as the framer tells, and as it is measured."""
    return bounded(dialect, wire, cuts) or flood(dialect, wire)


def bounded(dialect: Dialect, wire: bytes, cuts: Sequence[int] = ()) -> Broken | None:
    """`buffered` never passes the limit, however small that is and however the bytes are cut."""
    for limit in _LIMITS:
        parser = StreamParser(dialect, limits=Limits(max_event_size=limit))
        for chunk in cut(wire, cuts):
            if not _feed(parser, chunk):
                break
            if parser.buffered > max(limit, _HEAD) and not parser.closed:
                return Broken(
                    f"more is held than the limit allows: with max_event_size={limit}"
                    f" {parser.buffered} bytes are buffered"
                )
    return None


def flood(dialect: Dialect, wire: bytes) -> Broken | None:
    """A frame of 4 MiB against a limit of 64 KiB is given up early, and is not kept."""
    frames = _open_frames(dialect, wire) or [wire]
    longest = max(frames, key=len)
    traced = tracemalloc.is_tracing()
    if not traced:
        tracemalloc.start()
    try:
        parser = StreamParser(dialect, limits=Limits(max_event_size=_FLOOD_LIMIT))
        _feed(parser, longest[: len(longest) // 2] or b" ")
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(_FLOOD_CHUNKS):
            _feed(parser, bytes(_FLOOD_LIMIT))  # a new one each time, to be counted
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        if not traced:
            tracemalloc.stop()
    if held > _FLOOD_HELD:
        return Broken(
            f"a frame that never ends is kept: of {_FLOOD_CHUNKS * _FLOOD_LIMIT} bytes {held} are"
            f" held with max_event_size={_FLOOD_LIMIT}"
        )
    return None


# --- values ---

_UNTOLD: Final = "it is not read, and nothing tells of it"


def values(dialect: Dialect, wire: bytes, cuts: Sequence[int] = ()) -> Broken | None:
    """Each value replaced by each other JSON type: nothing raises, and nothing vanishes.

    A number or a boolean in the place of a text is that text. The texts beside it are read all the
    same, or their frame is told: by an `Unknown`, a ``Data`` or an `Error` that carries it. A value
    that has the effect of null, where the sound one had another, was not read: it is told too.
    """
    whole = read(dialect, cut(wire, ()))
    without: list[Event] | None = None  # with null in this place
    place: object = None
    for change in changes_of(dialect, wire):
        got = read(dialect, cut(change.wire, ()))
        if (change.frame, change.path) != place:
            place, without = (change.frame, change.path), None
        if change.new is None:
            without = got.events
        broken = _changed(change, whole, got, without)
        if broken == _UNTOLD and change.twin is not None:
            # An odd id may have the effect of none. If it is that of the same text, it was read.
            alike = read(dialect, cut(change.twin, ())).events == got.events
            broken = None if alike else broken
        if broken:
            what = f"{change.path} is {change.new!r} instead of {change.old!r:.80}: {broken}"
            return Broken(what, lines_of(whole, dialect), lines_of(got, dialect))
    return None


def _changed(
    change: Change, whole: Reading, got: Reading, without: list[Event] | None
) -> str | None:
    if got.raised:
        return f"reading raises {got.raised}"
    told = [event for event in got.events if _tells(event) and event not in whole.events]
    said = "".join(_text_of(event) for event in got.events)
    tokens = [event for event in whole.events if isinstance(event, Token)]
    failed = isinstance(got.events[-1], Error) and whole.events[-1:] != got.events[-1:]
    literal = text_from(change.new)
    if not isinstance(change.new, str) and literal is not None and change.was_text_of(tokens):
        if literal not in said and not failed:
            return "it is no part of the text"
    told += [event for event in got.events if isinstance(event, Reset)]  # and what stands there now
    lost = [token for token in tokens if token.text not in said and change.leaves(token)]
    if lost and not told and not failed:
        return f"the text {lost[0].text!r:.80} is lost"
    is_over = any(_is_last(event) and _tells(event) for event in got.events)  # it is shown already
    if says(change.new) and got.events == without != whole.events and not (told or is_over):
        return _UNTOLD
    return None


def _tells(event: Event) -> bool:
    """Does it show a frame that was not read, or a part of it?"""
    return isinstance(event, Unknown | Data | Error) and event.frame is not None


def _text_of(event: Event) -> str:
    match event:
        case Token(text=text) | Reasoning(text=text) | Refusal(text=text) | Reset(text=text):
            return text
        case _:
            return ""


Law: TypeAlias = Callable[[Dialect, bytes, Sequence[int]], Broken | None]

LAWS: Final[Mapping[str, Law]] = {
    "chunking": chunking,
    "shortcuts": shortcuts,
    "truncation": truncation,
    "totality": totality,
    "linearity": linearity,
    "memory": memory,
    "values": values,
}
"""All but ``round trip``, which is about events: see `check_case`."""
