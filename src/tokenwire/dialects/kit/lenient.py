"""Values of another JSON type than a schema names: read all the same, or reported, never lost.

A typed decoder refuses a whole frame for one odd value: a number where a text should be, a list for
an object, an id that is a number. Here each value is read by itself:

- a number or a boolean for a text is that text as it was written (``6`` is ``"6"``, ``0.10`` is
  ``"0.10"``): servers that build JSON out of tokens write such;
- digits in a text are a whole number, and so is ``5.0``; ``"true"``, ``0`` and ``1`` are booleans;
- one object where a list should be is a list of it, if there is a field of such an item in it,
  and a list of texts where a text should be is what they are together, as is one of parts that hold
  a text and nothing else;
- null, and an empty text, list or object of another type, say nothing;
- everything else is left at its default and is *unread*, with its path. So is a field that the
  schema does not name, where the schema is one with ``forbid_unknown_fields``.

How what was not read becomes events is decided in `tokenwire.dialects.kit.extras`.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import cache
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast

from msgspec import Struct, inspect

T = TypeVar("T")

# What a token budget of any model is written with, and less than `int` refuses to read.
_MAX_DIGITS: Final = 400

EMPTY: Final[tuple[Any, ...]] = (None, "", [], {})
"""What says nothing, whatever type was expected."""

_TEXT_TYPES: Final = ("text", "output_text", "text_delta")
"""Types of parts that hold a text."""

_Unread: TypeAlias = dict[str, Any]
_Reader: TypeAlias = Callable[[Any, str, _Unread], Any]


class _Sign:
    """A value that no JSON text has."""


_DEFAULT: Final = _Sign()  # nothing was said: the field's default
_REFUSED: Final = _Sign()  # something was said that the type cannot hold


class Reading(Struct, Generic[T]):
    """What a payload says.

    Attributes:
        value: As the schema has it.
        unread: What was not read, by its path: ``{"choices[0].delta.mood": "calm"}``.
    """

    value: T
    unread: Mapping[str, Any]


class _Number(float):
    """A number that remembers how it was written."""

    __slots__ = ("literal",)
    literal: str

    def __new__(cls, literal: str) -> _Number:
        number = super().__new__(cls, literal)
        number.literal = literal
        return number


def _whole(literal: str) -> int | _Number:
    return int(literal) if len(literal) <= _MAX_DIGITS else _Number(literal)


JSON: Final = json.JSONDecoder(parse_float=_Number, parse_int=_whole)
"""Reads what `convert` takes: NaN, Infinity and half surrogates too, and numbers of any length."""


def convert(value: Any, schema: type[T]) -> Reading[T]:
    """A value that `JSON` decoded, as the schema has it.

    Args:
        value: The JSON value.
        schema: A Struct all of whose fields have defaults, or ``object``.

    Raises:
        ValueError: It is no object where the schema is a Struct.
        RecursionError: It is nested too deeply.
    """
    unread: _Unread = {}
    reader: _Reader = _read_any if schema is object else _reader_of(cast("Hashable", schema))
    found = reader(value, "", unread)
    if isinstance(found, _Sign):
        raise ValueError(f"expected an object, found {_kind(value)}")
    return Reading(found, unread)


@cache
def _reader_of(schema: Hashable) -> _Reader:
    return _Readers().reader(inspect.type_info(schema))


class _Readers:
    """Makes the readers of one schema; a Struct may hold itself."""

    def __init__(self) -> None:
        self._structs: dict[type, _Reader] = {}

    def reader(self, kind: inspect.Type) -> _Reader:
        match kind:
            case inspect.AnyType() | inspect.RawType():
                return _read_any
            case inspect.StrType():
                return _read_text
            case inspect.IntType():
                return _read_int
            case inspect.FloatType():
                return _read_float
            case inspect.BoolType():
                return _read_bool
            case inspect.ListType() | inspect.VarTupleType():
                return _list_reader(self.reader(kind.item_type))
            case inspect.DictType():
                return _read_object
            case inspect.StructType():
                return self._struct(kind)
            case inspect.BytesType():
                return _read_bytes
            case inspect.UnionType():
                return _union_reader([self.reader(one) for one in sorted(kind.types, key=_rank)])
            case _:  # null, and types that only a schema of somebody else's has
                return _read_none

    def _struct(self, kind: inspect.StructType) -> _Reader:
        known = self._structs.get(kind.cls)
        if known is not None:
            return known
        fields: dict[str, tuple[str, _Reader]] = {}
        forbid = kind.cls.__struct_config__.forbid_unknown_fields

        def read(value: Any, path: str, unread: _Unread) -> Any:
            if not isinstance(value, dict):
                return _nothing_or_refused(value)
            said: dict[str, Any] = {}
            for name, one in cast("Mapping[str, Any]", value).items():
                place = f"{path}.{name}" if path else name
                field = fields.get(name)
                if field is None:
                    if forbid and one not in EMPTY:
                        unread[place] = _plain(one)
                    continue
                found = field[1](one, place, unread)
                if found is _REFUSED:
                    unread[place] = _plain(one)
                elif found is not _DEFAULT:
                    said[field[0]] = found
            return kind.cls(**said)

        self._structs[kind.cls] = read
        for field in kind.fields:
            fields[field.encode_name] = (field.name, self.reader(field.type))
        return read


def _rank(kind: inspect.Type) -> int:
    """Where several types take a value, the one that changes it least comes first."""
    match kind:
        case inspect.DictType() | inspect.StructType():
            return 0  # a list would be made of it
        case inspect.StrType() | inspect.NoneType():
            return 2  # of nearly everything a text can be made
        case _:
            return 1


def _union_reader(readers: list[_Reader]) -> _Reader:
    def read(value: Any, path: str, unread: _Unread) -> Any:
        if isinstance(value, str) and _read_text in readers:
            return value
        said = _REFUSED
        for reader in readers:
            found = reader(value, path, unread)
            if not isinstance(found, _Sign):
                return found
            if found is _DEFAULT:
                said = _DEFAULT
        return said

    return read


def _list_reader(item: _Reader) -> _Reader:
    def read(value: Any, path: str, unread: _Unread) -> Any:
        if isinstance(value, dict) and value:
            said: _Unread = {}
            found_one = item(value, f"{path}[0]", said)
            if isinstance(found_one, _Sign) or _is_empty(found_one):
                return _REFUSED  # no such item
            unread.update(said)
            return [found_one]
        if not isinstance(value, list):
            return _nothing_or_refused(value)
        found: list[Any] = []
        for at, one in enumerate(cast("Iterable[Any]", value)):
            place = f"{path}[{at}]"
            read = item(one, place, unread)
            if read is _REFUSED:
                unread[place] = _plain(one)
            elif read is not _DEFAULT:
                found.append(read)
        return found

    return read


def _is_empty(value: Any) -> bool:
    """Was nothing read of an object?"""
    return isinstance(value, Struct) and value == type(value)()


def _read_any(value: Any, path: str, unread: _Unread) -> Any:
    return _plain(value)


def _read_object(value: Any, path: str, unread: _Unread) -> Any:
    return _plain(value) if isinstance(value, dict) else _nothing_or_refused(value)


def _read_none(value: Any, path: str, unread: _Unread) -> Any:
    return _nothing_or_refused(value)


def text_from(value: Any) -> str | None:
    """A text, or a number or boolean in the place of one, as it was written; None for all else.

    For decoders that read documents without a schema.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, _Number):
        return value.literal
    if isinstance(value, int | float):  # NaN and Infinity have no literal
        return json.dumps(value)
    return None


def _read_text(value: Any, path: str, unread: _Unread) -> Any:
    text = _text_of_parts(value) if isinstance(value, list) else text_from(value)
    return _nothing_or_refused(value) if text is None else text


def _text_of_parts(value: Any) -> str | None:
    """What parts say together, if they hold texts and nothing else."""
    texts: list[str] = []
    for part in value:
        text: Any = part
        if isinstance(part, dict):
            said = cast("dict[str, Any]", part)
            if said.keys() - {"type", "text"} or said.get("type", "text") not in _TEXT_TYPES:
                return None
            text = said.get("text")
        if not isinstance(text, str):
            return None
        texts.append(text)
    return "".join(texts) if texts else None


def _read_int(value: Any, path: str, unread: _Unread) -> Any:
    if isinstance(value, bool):
        return _REFUSED
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.isascii() and len(value) <= _MAX_DIGITS:
        digits = value.strip().removeprefix("-")
        if digits.isdigit():
            return int(value)
    return _nothing_or_refused(value)


def _read_float(value: Any, path: str, unread: _Unread) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        try:
            return float(value) if "_" not in value else _REFUSED
        except ValueError:
            pass
    return _nothing_or_refused(value)


def _read_bool(value: Any, path: str, unread: _Unread) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    return _nothing_or_refused(value)


def _read_bytes(value: Any, path: str, unread: _Unread) -> Any:
    """Bytes hold a piece of the answer: what is no base64 makes the payload unreadable."""
    if isinstance(value, str):
        try:
            return b64decode(value, validate=True)
        except ValueError:
            pass
    elif value is None:
        return _DEFAULT
    raise ValueError(f"expected base64 in {path}, found {_kind(value)}")


def _nothing_or_refused(value: Any) -> _Sign:
    return _DEFAULT if value in EMPTY else _REFUSED


def _plain(value: Any) -> Any:
    """The value without numbers that remember how they were written."""
    if isinstance(value, _Number):
        return float(value)
    if isinstance(value, list):
        return [_plain(one) for one in cast("Iterable[Any]", value)]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in cast("Mapping[str, Any]", value).items()}
    return value


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "a text"
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else f"`{json.dumps(value)[:40]}`"
