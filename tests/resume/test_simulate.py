"""Sessions over a bad network, in numbers."""

from __future__ import annotations

import random

import pytest

from tokenwire.request import Request
from tokenwire.testing.simulate import Server, main, simulate


def test_nothing_is_lost_or_doubled() -> None:
    world = simulate(400, seed=7)
    counts = world.counts
    assert not world.faults
    assert counts["sessions"] == 400
    assert (counts["lost"], counts["doubled"], counts["wrong"]) == (0, 0, 0)
    assert counts["whole"] > 350
    assert counts["reconnects"] > 100
    assert counts["taken over"] > 100


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--sessions", "20", "--seed", "3"]) == 0
    lines = [line.rpartition(" ") for line in capsys.readouterr().out.splitlines()]
    told = {name.strip(): int(count) for name, _, count in lines}
    assert told["sessions"] == 20
    assert (told["lost"], told["doubled"], told["wrong"]) == (0, 0, 0)


def test_a_server_that_leaves_something_out_is_found_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Server.body

    def body(self: Server, request: Request, seed: random.Random) -> bytes | None:
        sent = whole(self, request, seed)
        return sent and sent.replace(b"is", b"")

    monkeypatch.setattr(Server, "body", body)
    assert main(["--sessions", "100"]) == 1
    assert "instead of" in capsys.readouterr().out
