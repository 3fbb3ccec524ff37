"""The fuzzer runs, finds nothing in a short run, and would find something."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from tests.effort import tries

from tokenwire import Frame, Limits, available_dialects, get_dialect
from tokenwire.framing.sse import SSEFramer
from tokenwire.testing.fuzz import Fuzzer


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
    for name in available_dialects():
        one = Fuzzer(get_dialect(name), fuzzer.SEEDS, seed=7)
        for _ in range(tries(40)):
            fuzzer.check(one, one.next_wire())  # its message names the dialect


class LosesBlanks(SSEFramer):
    """Drops blanks at the beginning of a chunk."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self._feed = super().receive_data

    @property
    def receive_data(self):  # type: ignore[no-untyped-def]
        return lambda data: self._feed(data.lstrip(b" ")) if data.strip(b" ") else None


def test_it_finds_a_framer_that_depends_on_the_chunking(fuzzer: ModuleType) -> None:
    wrong = msgspec.structs.replace(get_dialect("sse"), framer=LosesBlanks)
    one = Fuzzer(wrong, fuzzer.SEEDS)
    with pytest.raises(AssertionError, match=r"sse: chunking: .* where the bytes are cut"):
        for _ in range(300):
            fuzzer.check(one, one.next_wire())


def test_it_finds_a_decoder_that_raises(fuzzer: ModuleType) -> None:
    def decode(frame: Frame) -> tuple[()]:
        assert b"\xff" not in (frame.data or b"")
        return ()

    wrong = msgspec.structs.replace(get_dialect("sse"), decoder=lambda: decode)
    one = Fuzzer(wrong, fuzzer.SEEDS)
    with pytest.raises(AssertionError, match="sse: totality: reading raises AssertionError"):
        for _ in range(3000):
            fuzzer.check(one, one.next_wire())


def test_without_wire_it_starts_from_what_parsers_look_for() -> None:
    one = Fuzzer(get_dialect("sse"))
    assert len({one.next_wire() for _ in range(50)}) > 40
