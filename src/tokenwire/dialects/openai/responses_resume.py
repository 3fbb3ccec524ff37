"""How a broken Responses stream is taken up again: the events of a kept answer are numbered."""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.json import Decoder as JSONDecoder

from tokenwire.cursor import Cursor
from tokenwire.dialects import Resumption
from tokenwire.dialects.kit.payloads import UNREADABLE
from tokenwire.frame import Frame
from tokenwire.request import Known, Request


class _SequenceWire(Struct, gc=False):
    sequence_number: int | None = None


_decode_json: Final = JSONDecoder(_SequenceWire).decode


def read_sequence(frame: Frame) -> int | None:
    """The number of the event in this frame."""
    try:
        return _decode_json(frame.data or b"").sequence_number
    except UNREADABLE:
        return None


def reconnect(request: Request, cursor: Cursor, known: Known) -> Request | None:
    """A GET of the response, for the events after the last one; only of a background response.

    Of any other the service goes on with nothing. Azure's ``api-version`` stays in the URL.
    """
    going = request.as_get_of(known.id)
    asked = request.fields
    kept = asked.get("background") is True and asked.get("stream") is True
    if cursor.value is None or going is None or not (kept or request.method == "GET"):
        return None
    return going.with_query(stream="true", starting_after=cursor.value)


RESUMPTION: Final = Resumption(
    method="cursor",
    kind="sequence",
    field="starting_after in the URL",
    read=read_sequence,
    reconnect=reconnect,
    beginning=0,  # all but the event that only says its id
    order="dense",
    ignored=("obfuscation",),  # of random length
)
