"""Whose frame is this? The marks that dialects leave in their frames, and what a body looks like.

`tokenwire.dialects.Dialect.marks` says how a mark is written. What follows from those that were
found is decided in `tokenwire.dialects.detect`.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Final

from msgspec import Struct

from tokenwire.dialects import Dialect
from tokenwire.dialects.formats import BOM
from tokenwire.dialects.kit.payloads import UNREADABLE, is_list, is_mapping, json_text, read_json
from tokenwire.frame import Frame
from tokenwire.framing.sse import FIELD_NAMES

_COMPRESSED: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\x78\x9c": "deflate"}
_CAPITALS: Final = re.compile(b"(" + b"|".join(FIELD_NAMES) + b"):", re.IGNORECASE)


class Candidate(Struct, frozen=True):
    """A dialect that it may be.

    Attributes:
        name: Its name.
        why: What speaks for it.
    """

    name: str
    why: str


def recognise(frame: Frame, dialects: Iterable[Dialect]) -> list[Candidate]:
    """The dialects whose marks a frame bears: those with the most, all of them if equal."""
    document = json_in(frame.data)
    best: list[Candidate] = []
    most = 0
    for dialect in dialects:
        borne = max(
            (one for one in dialect.marks if all(_holds(mark, frame, document) for mark in one)),
            key=len,
            default=(),
        )
        if len(borne) > most:
            best, most = [], len(borne)
        if borne and len(borne) == most:
            best.append(Candidate(dialect.name, f"the first event has {' and '.join(borne)}"))
    return best


_ABSENT: Final = object()
_any_json: Final = json.JSONDecoder()


def _holds(mark: str, frame: Frame, document: Any) -> bool:
    path, equals, pattern = mark.partition("=")
    if path == "@text":
        return document is _ABSENT and (frame.data or b"").lstrip()[:1] not in (b"{", b"[")
    if path == "@event":
        return fnmatchcase(frame.event, pattern)
    if path == "@base64-json":
        return is_mapping(json_in(_unpacked(_at(document, pattern))))
    value = _at(document, path)
    if not equals or value is _ABSENT:
        return value is not _ABSENT
    text = value if isinstance(value, str) else json_text(value)
    return fnmatchcase(text, pattern)


def _at(document: Any, path: str) -> Any:
    for name in path.split("."):
        if is_mapping(document) and name in document:
            document = document[name]
        elif is_list(document) and name.isdigit() and int(name) < len(document):
            document = document[int(name)]
        else:
            return _ABSENT
    return document


def _unpacked(value: Any) -> bytes:
    try:
        return binascii.a2b_base64(value) if isinstance(value, str) else b""
    except ValueError:
        return b""


def json_in(data: bytes | None) -> Any:
    """The value, or the first of several; NaN and bytes that are no UTF-8 hide nothing."""
    data = (data or b"").lstrip()
    if data[:1] in (b"{", b"["):
        try:
            value, _ = _any_json.raw_decode(data.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return _ABSENT
        return value
    try:
        return read_json(data)
    except UNREADABLE:
        return _ABSENT


def shown(head: bytes) -> str:
    """A body's first bytes, escaped, and what they look like."""
    text = repr(head[:80])[1:] + ("..." if len(head) > 80 else "")
    for magic, name in _COMPRESSED.items():
        if head.startswith(magic):
            return f"{text}, which is {name}: let the client decompress it"
    if head.removeprefix(BOM).lstrip().startswith(b"<"):
        return f"{text}, which is a page of HTML or XML"
    if b"\0" in head:
        return f"{text}, which is no text: is it a file, or another content coding?"
    field = _CAPITALS.match(head)
    if field is not None and not field[1].islower():
        return f"{text}: the field names of an event stream are lower case, and this is none"
    return text
