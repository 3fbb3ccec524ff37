"""Each value of a payload replaced by values of each other JSON type."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from tokenwire.dialects import Dialect
from tokenwire.dialects.kit.lenient import text_from
from tokenwire.dialects.kit.payloads import UNREADABLE, is_list, is_mapping
from tokenwire.errors import FramingError, LocalProtocolError
from tokenwire.events import Token
from tokenwire.frame import Frame
from tokenwire.limits import DEFAULT_LIMITS
from tokenwire.testing._mutate import frames_of

# Null first: what has its effect was not read. What is empty says nothing, whatever was expected.
OTHERS: Final[tuple[Any, ...]] = (None, 6, 0.5, True, "7", "word", ["x"], {"x": 1}, [], {}, "")
_MOST_PLACES: Final = 60  # in a payload
_MARK: Final = "the place of a value"
_MOST_FRAMES: Final = 12  # of different shape, in a wire


class Change(Struct, frozen=True):
    """One value replaced.

    Attributes:
        frame: The number of its frame in the body.
        data: That frame's payload, as it was.
        keys: Where it stands in the payload.
        path: The same for people, as ``choices[0].delta``.
        old: What stood there.
        new: What stands there now.
        wire: The whole body with it.
        twin: The whole body with that value in the type that stood there, where it can be: ``"6"``
            for ``6`` where a text was. It is to be read alike.
    """

    frame: int
    data: bytes
    keys: tuple[str | int, ...]
    path: str
    old: Any
    new: Any
    wire: bytes
    twin: bytes | None

    def leaves(self, token: Token) -> bool:
        """Does the text of this token still stand in the body, outside of the value?"""
        if token.frame is None or token.frame.data != self.data:
            return True
        if any(token.text in text for text in texts_in(self.old)):
            return False  # it went with the value, though another one beside may read alike
        beside = texts_in(_replaced(json.loads(self.data), self.keys, None))
        return any(token.text in text for text in beside)

    def was_text_of(self, tokens: Sequence[Token]) -> bool:
        """Was the old value the text of a token of its own frame, with none like it beside?"""
        frames = [one.frame for one in tokens if one.text == self.old]
        beside = texts_in(_replaced(json.loads(self.data), self.keys, None))
        own = any(frame is not None and frame.data == self.data for frame in frames)
        return own and self.old not in beside


def changes_of(dialect: Dialect, wire: bytes) -> Iterator[Change]:
    """Each value in the JSON payloads of a body, replaced by each of `OTHERS` of another type."""
    for spot in _spots(dialect, wire):
        for path, keys, old in spot.places:
            for new in OTHERS:
                if type(new) is not type(old):
                    same = _in_the_type_of(old, new)
                    told = None if same is None else _replaced(spot.document, keys, same)
                    twin = None if told is None else spot.write(told)
                    changed = spot.write(_replaced(spot.document, keys, new))
                    data = spot.frame.data or b""
                    yield Change(spot.number, data, keys, path, old, new, changed, twin)


def _in_the_type_of(old: Any, new: Any) -> Any:
    """A number or texts as a text, digits as a number, as a lenient reading has it; or None."""
    if isinstance(old, str) and not isinstance(new, str):
        return "".join(texts_in(new)) or None if is_list(new) else text_from(new)
    digits = isinstance(new, str) and new.isdigit()
    return int(new) if digits and isinstance(old, int) and not isinstance(old, bool) else None


def frames_with(dialect: Dialect, wire: bytes, literals: Iterable[str]) -> Iterator[bytes]:
    """Bodies in which one value of one frame is the given JSON text.

    Args:
        dialect: Its framer reads and writes the frames.
        wire: A sound body.
        literals: JSON texts, which no decoder of JSON need be able to read.
    """
    for spot in _spots(dialect, wire):
        for _, keys, _ in spot.places:
            marked = _replaced(spot.document, keys, _MARK)
            for literal in literals:
                yield spot.write(marked, (f'"{_MARK}"', literal))


class _Spot(Struct):
    """A frame whose values are to be changed: the first of its shape in a body."""

    dialect: Dialect
    number: int
    frame: Frame
    document: Any
    places: list[tuple[str, tuple[str | int, ...], Any]]
    before: bytes
    piece: bytes
    after: bytes

    def write(self, document: Any, literal: tuple[str, str] = ("", "")) -> bytes:
        """The whole body with this payload in the frame, and one text in it exchanged."""
        data = json.dumps(document).replace(*literal).encode()
        one = msgspec.structs.replace(self.frame, data=data, comment=None, unterminated=False)
        try:
            changed = self.dialect.framer(DEFAULT_LIMITS).encode(one)
        except LocalProtocolError:  # a format that is only read
            changed = self.piece.replace(self.frame.data or b"", data)
        return self.before + changed + self.after


def _spots(dialect: Dialect, wire: bytes) -> Iterator[_Spot]:
    """Of frames that have the same fields only the first, and of those only the first few.

    What a second one would show, the first one shows.
    """
    pieces = frames_of(dialect, wire)
    shapes: set[str] = set()
    for at, piece in enumerate(pieces):
        frame = _frame_in(dialect, piece)
        if frame is None or not frame.data:
            continue
        try:
            document = json.loads(frame.data)
        except UNREADABLE:
            continue
        places = [*_places(document, "", ())][:_MOST_PLACES]
        shape = frame.event + " ".join(path for path, _, _ in places)
        if shape not in shapes and len(shapes) < _MOST_FRAMES:
            shapes.add(shape)
            before, after = b"".join(pieces[:at]), b"".join(pieces[at + 1 :])
            yield _Spot(dialect, at, frame, document, places, before, piece, after)


def _frame_in(dialect: Dialect, piece: bytes) -> Frame | None:
    framer = dialect.framer(DEFAULT_LIMITS)
    try:
        framer.receive_data(piece)
        framer.receive_eof()
    except FramingError:
        return None
    return framer.frames[-1] if framer.frames else None


def _places(
    value: Any, path: str, keys: tuple[str | int, ...]
) -> Iterator[tuple[str, tuple[str | int, ...], Any]]:
    if keys:
        yield path, keys, value
    if is_mapping(value):
        for name, one in value.items():
            yield from _places(one, f"{path}.{name}" if path else name, (*keys, name))
    elif is_list(value):
        for number, one in enumerate(value):
            yield from _places(one, f"{path}[{number}]", (*keys, number))


def _replaced(value: Any, keys: Sequence[Any], new: Any) -> Any:
    if not keys:
        return new
    key, rest = keys[0], keys[1:]
    if is_mapping(value):
        return {
            name: _replaced(one, rest, new) if name == key else one for name, one in value.items()
        }
    return [_replaced(one, rest, new) if at == key else one for at, one in enumerate(value)]


def says(value: Any) -> bool:
    """Does this value say anything at all?"""
    return value not in (None, "", [], {}) or value is False


def texts_in(value: Any) -> Iterator[str]:
    """All texts that stand in a value."""
    if isinstance(value, str):
        yield value
    elif is_mapping(value):
        for one in value.values():
            yield from texts_in(one)
    elif is_list(value):
        for one in value:
            yield from texts_in(one)
