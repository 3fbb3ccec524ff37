"""Heads of responses: whatever a peer writes there, there is one end, and nothing raises."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tokenwire import Error, StreamParser, available_dialects
from tokenwire.dialects.kit.errors import find_error
from tokenwire.dialects.kit.payloads import json_text


@pytest.fixture(scope="module")
def fuzzer() -> ModuleType:
    path = Path(__file__).parents[1] / "fuzz" / "fuzz_heads.py"
    spec = importlib.util.spec_from_file_location("fuzz_heads", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_head_makes_a_reader_raise(fuzzer: ModuleType) -> None:
    fuzzer.run(2000, seed=3)


@pytest.mark.parametrize("dialect", available_dialects())
def test_an_error_in_errors_is_read_as_deep_as_it_may_hide(dialect: str) -> None:
    deep = b'{"error":' * 900 + b'{"message":"too deep"}' + b"}" * 900
    bodies = [deep, b"data: " + deep + b"\n\n", b"error: " + deep + b"\n\n", deep + b"\n"]
    for status, media_type in ((200, "text/event-stream"), (500, "application/json")):
        for body in bodies:
            parser = StreamParser(dialect)
            parser.receive_response(status, {"content-type": media_type})
            parser.receive_data(body)
            parser.receive_eof()
            *_, last = parser.events()
            assert isinstance(last, Error) or dialect in ("event-stream", "text"), (last, body[:20])


def test_an_error_that_hides_in_another() -> None:
    hidden = {"error": {"error": {"error": {"message": "busy", "code": "overloaded"}}}}
    found = find_error(hidden)
    assert found is not None
    assert (found.message, found.code) == ("busy", "overloaded")


def test_headers_as_some_clients_have_them() -> None:
    parser = StreamParser("openai-chat")
    odd = {b"Content-Type": b"application/json", "Retry-After": 7, "X-None": None}
    parser.receive_response(429, odd)  # type: ignore[arg-type]
    parser.receive_eof()
    (error,) = parser.events()
    assert isinstance(error, Error)
    assert (error.status, error.retry_after) == (429, 7.0)


def test_what_is_nested_too_deeply_to_be_shown() -> None:
    deep: object = "\ud800"
    for _ in range(100_000):
        deep = [deep]
    assert json_text({"error": deep}) == "null"
    assert json_text(["\ud800"]) == '["\\ud800"]'
