"""Each value of a payload replaced by values of each other JSON type."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from tokenwire.dialects import Dialect
from tokenwire.dialects.wire import UNREADABLE, is_list, is_mapping
from tokenwire.errors import FramingError, LocalProtocolError
from tokenwire.events import Token
from tokenwire.frame import Frame
from tokenwire.limits import DEFAULT_LIMITS
from tokenwire.testing._mutate import frames_of

# Null first: what has its effect was not read. What is empty says nothing, whatever was expected.
OTHERS: Final[tuple[Any, ...]] = (None, 6, 0.5, True, "7", "word", ["x"], {"x": 1}, [], {}, "")
_MOST_PLACES: Final = 60  # in a payload
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
    """

    frame: int
    data: bytes
    keys: tuple[str | int, ...]
    path: str
    old: Any
    new: Any
    wire: bytes

    def leaves(self, token: Token) -> bool:
        """Does the text of this token still stand in the body, outside of the value?"""
        if token.frame is None or token.frame.data != self.data:
            return True
        beside = texts_in(_replaced(json.loads(self.data), self.keys, None))
        return any(token.text in text for text in beside)

    def was_text_of(self, tokens: Sequence[Token]) -> bool:
        """Was the old value the text of a token of its own frame?"""
        frames = [one.frame for one in tokens if one.text == self.old]
        return any(frame is not None and frame.data == self.data for frame in frames)


def changes_of(dialect: Dialect, wire: bytes) -> Iterator[Change]:
    """Each value in the JSON payloads of a body, replaced by each of `OTHERS` of another type.

    Of payloads that have the same fields only the first is changed, and of those only the first
    few: what a second one would show, the first one shows.
    """
    pieces = frames_of(dialect, wire)
    shapes: set[str] = set()
    for at, piece in enumerate(pieces):
        frame = _frame_in(dialect, piece)
        if frame is None or frame.data is None:
            continue
        try:
            document = json.loads(frame.data)
        except UNREADABLE:
            continue
        places = [*_places(document, "", ())][:_MOST_PLACES]
        shape = frame.event + " ".join(path for path, _, _ in places)
        if shape in shapes or len(shapes) == _MOST_FRAMES:
            continue
        shapes.add(shape)
        before, after = b"".join(pieces[:at]), b"".join(pieces[at + 1 :])
        for path, keys, old in places:
            for new in OTHERS:
                if type(new) is type(old):
                    continue
                data = json.dumps(_replaced(document, keys, new)).encode()
                changed = _written(dialect, frame, data, piece)
                yield Change(at, frame.data, keys, path, old, new, before + changed + after)


def _frame_in(dialect: Dialect, piece: bytes) -> Frame | None:
    framer = dialect.framer(DEFAULT_LIMITS)
    try:
        framer.receive_data(piece)
        framer.receive_eof()
    except FramingError:
        return None
    return framer.frames[-1] if framer.frames else None


def _written(dialect: Dialect, frame: Frame, data: bytes, piece: bytes) -> bytes:
    try:
        one = msgspec.structs.replace(frame, data=data, comment=None, unterminated=False)
        return dialect.framer(DEFAULT_LIMITS).encode(one)
    except LocalProtocolError:  # a format that is only read
        return piece.replace(frame.data or b"", data)


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
