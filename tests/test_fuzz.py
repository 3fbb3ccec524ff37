"""The fuzzer runs, finds nothing in a short run, and would find something."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tokenwire import StreamParser


@pytest.fixture(scope="module")
def fuzzer() -> ModuleType:
    path = Path(__file__).parents[1] / "fuzz" / "fuzz_parser.py"
    spec = importlib.util.spec_from_file_location("fuzz_parser", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_short_run(fuzzer: ModuleType) -> None:
    source = fuzzer.random.Random(7)
    for _ in range(300):
        fuzzer.check(fuzzer.mutated(source))


def test_it_finds_a_parser_that_depends_on_the_chunking(
    fuzzer: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Naive(StreamParser):
        def receive_data(self, data: bytes | bytearray | memoryview) -> None:
            super().receive_data(bytes(data).lstrip(b" \n"))

    monkeypatch.setattr(fuzzer, "StreamParser", Naive)
    source = fuzzer.random.Random(7)
    with pytest.raises(AssertionError):
        for _ in range(300):
            fuzzer.check(fuzzer.mutated(source))
