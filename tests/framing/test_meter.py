"""The work of every framer, counted: law 5, each byte is looked at twice at most."""

from __future__ import annotations

import pytest
from tests.cuts import in_pieces
from tests.framing.event_messages import event
from tests.framing.meter import Meter, metered_framers

from tokenwire import Limits

KiB = 1 << 10
JSON = b'{"choices":[{"delta":{"content":"a \\"word\\""}}],"usage":null}'
WIRES = {
    "sse": ("SSEFramer", (b"data: " + JSON + b"\n\n") * 100),
    "json-lines": ("JSONLinesFramer", (JSON + b"\n") * 100),
    "code-lines": ("CodeLinesFramer", (b"aui-state:" + JSON + b"\n") * 100),
    "code-line-long": ("CodeLinesFramer", b'0:"' + b"x" * (16 * KiB) + b'"\n'),
    "code-lines-that-are-none": ("CodeLinesFramer", (b"x" * KiB + b"\n") * 16),
    "json-array": ("JSONArrayFramer", b"[" + b",\r\n".join([JSON] * 100) + b"]"),
    "json-array-long": ("JSONArrayFramer", b'[{"a":"' + b"x" * (16 * KiB) + b'"}]'),
    "aws-events": ("AWSEventsFramer", event("chunk", JSON) * 100),
    "raw-text": ("RawTextFramer", "word 🗼 é".encode() * 800),
    "raw-text-that-is-none": ("RawTextFramer", b"\xf0\x9f\xff" * 4 * KiB),
}


@pytest.mark.parametrize("size", [1, 7, 1000, 10**6])
@pytest.mark.parametrize(("framer", "wire"), WIRES.values(), ids=WIRES.keys())
def test_work_is_linear(framer: str, wire: bytes, size: int) -> None:
    meter = Meter()
    reader = metered_framers(meter)[framer](Limits())
    for chunk in in_pieces(wire, size):
        reader.receive_data(chunk)
        reader.frames.clear()
    reader.receive_eof()

    assert meter.searched <= 2 * len(wire) + 64
    assert meter.copied <= 8 * len(wire) + 100
