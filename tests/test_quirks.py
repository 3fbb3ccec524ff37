"""The 44 quirks that services are known for: each has a test of its name, here or in a dialect's file.

Numbers are those of the project's catalogue of wire formats; the dialects' notes use them too.
"""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import httpx
import pytest
from tests.cuts import in_every_cut, in_pieces
from tests.reading import read

from tokenwire import Done, Error, Limits, StreamParser, Token, available_dialects, get_dialect
from tokenwire.testserver import running_server

TESTS = Path(__file__).parent
SSE_DIALECTS = [name for name in available_dialects() if get_dialect(name).format == "SSE"]


def test_every_quirk_has_its_test() -> None:
    named = {
        int(number)
        for path in TESTS.rglob("test_*.py")
        for number in re.findall(r"def test_q(\d+)_", path.read_text("utf-8"))
    }
    assert sorted(set(range(1, 45)) - named) == []


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("other", [b"\n", b"\r", b"\r\n"])
def test_q03_bare_cr_and_mixed_line_ends(end: bytes, other: bytes) -> None:
    wire = b"data: a" + end + b"data: b" + other * 2 + b"data: [DONE]" + end * 2
    events = in_every_cut(lambda chunks: read(chunks, "sse").events, wire)
    assert events == [Token("a\nb"), Done("stop")]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r"])
def test_q06_the_last_event_without_its_blank_line(end: bytes) -> None:
    """It counts if it is whole by itself, and is a cut if it is not."""
    wire = b'data: {"token":"Par","position":0}\n\ndata: {"done":true}' + end
    assert read([wire], "positioned").events == [Token("Par"), Done("stop")]
    cut = read([wire.rstrip(b"}\r\n")], "positioned").events
    assert cut[0] == Token("Par")
    assert isinstance(cut[1], Error)


@pytest.mark.parametrize("dialect", ["sse", "openai-chat", "ollama-chat", "gemini-array"])
def test_q32_lines_of_many_megabytes(dialect: str) -> None:
    """A generated image is one line; nothing caps it but `Limits`."""
    image = b"iVBORw0K" * (5 * 1024 * 128)  # 5 MiB
    wire = {
        "sse": b"data: " + image + b"\n\n",
        "openai-chat": b'data: {"choices":[{"delta":{"content":"' + image + b'"}}]}\n\n',
        "ollama-chat": b'{"message":{"content":"' + image + b'"}}\n',
        "gemini-array": b'[{"candidates":[{"content":{"parts":[{"text":"' + image + b'"}]}}]}]',
    }[dialect]
    text = "".join(
        event.text
        for event in read(in_pieces(wire, 60_000), dialect).events
        if isinstance(event, Token)
    )
    assert text.encode() == image
    error = read(in_pieces(wire, 60_000), dialect, limits=Limits(max_event_size=2**20)).events[-1]
    assert isinstance(error, Error)
    assert error.kind == "limit"


@pytest.mark.parametrize("dialect", SSE_DIALECTS)
def test_q33_a_body_that_nobody_decompressed(dialect: str) -> None:
    """The core takes decoded bytes; others are one error that says what they are."""
    error = read([gzip.compress(b"data: {}\n\n")], dialect).events[-1]
    assert isinstance(error, Error)
    if dialect != "event-stream":  # which reads by the letter: it is a stream of no fields
        assert "gzip: let the client decompress it" in error.message


def test_q34_no_proxy_may_hold_the_stream_back() -> None:
    with running_server() as server, httpx.stream("POST", f"{server}/v1/messages") as response:
        assert response.headers["x-accel-buffering"] == "no"
        assert response.headers["cache-control"] == "no-cache"
        parser = StreamParser("anthropic-messages")
        parser.receive_response(response.status_code, response.headers)
        for chunk in response.iter_bytes():
            parser.receive_data(chunk)
        parser.receive_eof()
        assert isinstance(list(parser.events())[-1], Done)
