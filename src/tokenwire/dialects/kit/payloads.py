"""Reading wire JSON: typed and fast, then lenient, then an `Error` that says what was there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeGuard, TypeVar

import msgspec

from tokenwire.dialects.kit.lenient import EMPTY, JSON, Reading, convert, text_from
from tokenwire.events import Data, Error, Event, Reason
from tokenwire.frame import Frame

T = TypeVar("T")

UNREADABLE = (ValueError, RecursionError)
"""What a typed decoder raises for bytes it cannot read: bad JSON, wrong types, bad UTF-8, depth."""


# Gateways glue a few chunks together; a frame of nothing but "{}{}{}" would take seventy times its
# bytes as events.
MAX_VALUES: Final = 100

# Choices of an answer, tool calls of a choice. OpenAI gives at most 128 of either; without a bound
# a hostile server could grow a decoder by naming ever new ones.
MAX_INDEX: Final = 1024


_FIRST_OF_JSON: Final = frozenset('{["-0123456789tfnNI')
_any_json: Final = json.JSONDecoder()
_BLANKS: Final = re.compile(r"\s*+")


class MalformedError(ValueError):
    """A payload that cannot be read even leniently."""


def read_payloads(data: bytes, schema: type[T], strict: Callable[[bytes], T]) -> list[T]:
    """The values of a payload: one, if `strict` reads it, else what `read_leniently` finds.

    Raises:
        MalformedError: Neither can read it.
    """
    try:
        return [strict(data)]
    except UNREADABLE:
        return [reading.value for reading in read_leniently(data, schema)]


def read_leniently(data: bytes, schema: type[T]) -> list[Reading[T]]:
    """Read what the strict decoder refused: the second and slower look.

    Takes bytes that are not UTF-8 as U+FFFD, NaN and Infinity, lone surrogates, values of another
    type than the schema's (see `tokenwire.dialects.kit.lenient`), and several JSON values written
    one after the other.

    Returns:
        What each value says; nothing for null and for empty ones of another type.

    Raises:
        MalformedError: It is no JSON, or is nested too deeply, or is no object where one should be.
    """
    text = data.decode("utf-8", "replace")
    try:
        said = [one for one in _values(text) if schema is object or one not in EMPTY]
        return [convert(value, schema) for value in said]
    except RecursionError:
        raise MalformedError("it is nested too deeply") from None
    except ValueError as error:
        raise MalformedError(str(error)) from None


def _values(text: str) -> list[Any]:
    if not _may_be_json(text):
        raise ValueError("it is no JSON" if text.strip() else "it is empty")
    values: list[Any] = []
    at = _skip_blanks(text, 0)
    while at < len(text):
        if len(values) == MAX_VALUES:
            raise ValueError(f"it holds more than {MAX_VALUES} JSON values")
        value, at = JSON.raw_decode(text, at)
        values.append(value)
        at = _skip_blanks(text, at)
    return values


def _may_be_json(text: str) -> bool:
    """Does it begin as a JSON value does? Exceptions take longer, and garbage comes in floods."""
    return text.lstrip()[:1] in _FIRST_OF_JSON


def _skip_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return at if found is None else found.end()


def malformed(frame: Frame, reason: object) -> Error:
    """The `Error` for a frame that cannot be read. Not fatal: the next frame may be sound."""
    data = frame.data or b""
    shown = repr(data[:80])[2:-1] + ("..." if len(data) > 80 else "")
    return Error(
        kind="malformed",
        message=f"a frame could not be read: {reason}; it begins with: {shown}",
        fatal=False,
        frame=frame,
    )


def is_done_sentinel(data: bytes) -> bool:
    """Is this OpenAI's ``[DONE]``, also in quotes or with something after it?"""
    return data.lstrip(b' "').startswith(b"[DONE]")


def read_json(data: bytes) -> Any:
    """The one JSON value that the bytes are, read as leniently as payloads are.

    Raises:
        ValueError: They are none, or more than one.
        RecursionError: It is nested too deeply.
    """
    text = data.decode("utf-8", "replace")
    if not _may_be_json(text):
        raise ValueError("it is no JSON")
    try:
        return msgspec.json.decode(data)
    except ValueError:
        return _any_json.decode(text)  # NaN, half surrogates, bytes that are no UTF-8


def is_broken(data: bytes) -> bool:
    """Do the bytes begin as a JSON object or array, and are none?

    An event whose type alone tells what it means may have half of the one before it in its data:
    where the blank line between them is lost, the later type holds for both.
    """
    return data.lstrip()[:1] in (b"{", b"[") and not (is_done_sentinel(data) or is_json(data))


def is_json(data: bytes) -> bool:
    """Are the bytes one complete JSON value?"""
    try:
        read_json(data)
    except UNREADABLE:
        return False
    return True


def is_heartbeat(data: bytes) -> bool:
    """Is this a sign of life that stands where a payload should?

    Gateways write comments, and words for a ping, into ``data:``.
    """
    said = data.strip(b' "\r\n\t')
    return said.startswith(b":") or said.lower() in _SIGNS_OF_LIFE


_SIGNS_OF_LIFE: Final = frozenset(
    {b"ping", b"[ping]", b"keep-alive", b"keepalive", b"keep_alive", b"heartbeat", b"[heartbeat]"}
)


def json_or_text(data: bytes) -> Any:
    """The JSON value of a payload, or its text where it is none."""
    try:
        return read_json(data)
    except UNREADABLE:
        return data.decode("utf-8", "replace")


def json_text(value: object) -> str:
    """A value as JSON text; half surrogates, which services send, are written as escapes.

    One that is nested more deeply than it can be written is ``null``.
    """
    try:
        try:
            return msgspec.json.encode(value).decode()
        except UnicodeEncodeError:
            return json.dumps(value)
    except RecursionError:
        return "null"


def plain_text(value: object) -> str:
    """A text; a number or a boolean in its place, as JSON writes it; "" for everything else."""
    return text_from(value) or ""


def odd_texts(holder: Mapping[str, Any], frame: Frame, *names: str) -> list[Event]:
    """What stands where a text should, and is none: told as `Data`, for it is not read.

    Args:
        holder: A JSON object that is read without a schema.
        frame: Where it stands.
        names: Its fields that are read as texts.
    """
    said = {name: holder.get(name) for name in names}
    odd = {name: one for name, one in said.items() if one and not plain_text(one)}
    return [Data("extra", odd, frame=frame)] if odd else []


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Is this a JSON array?"""
    return isinstance(value, list)


def list_of(value: object) -> list[Any]:
    """A list as it is; anything else has no items."""
    return value if is_list(value) else []


def is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Is this a JSON object?"""
    return isinstance(value, dict)  # of an abstract class it costs ten times as much


def reason_for(word: str | None, words: Mapping[str, Reason]) -> Reason:
    """A vendor's finish word in tokenwire's; an unknown one is ``other``, never ``stop``."""
    other: Reason = "other"
    return words.get(word or "", other)
