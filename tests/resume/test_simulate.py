"""Sessions over a bad network, in numbers."""

from __future__ import annotations

import random

import pytest
from tests.effort import tries
from tools import simulate
from tools.simulate import Server, main

from tokenwire.cursor import Cursor
from tokenwire.request import Request
from tokenwire.resume import place
from tokenwire.resume.place import Place
from tokenwire.resume.tail import Tail
from tokenwire.resume.taken import Taken


def test_nothing_is_lost_or_doubled() -> None:
    world = simulate.simulate(tries(1000), seed=7)
    counts = world.counts
    assert not world.faults
    assert counts["sessions"] == tries(1000)
    assert (counts["lost"], counts["doubled"], counts["wrong"]) == (0, 0, 0)
    assert (counts["glued"], counts["repeated"]) == (0, 0)
    assert counts["whole"] > 0.8 * counts["sessions"]
    assert counts["reconnects"] > 0.25 * counts["sessions"]
    assert counts["taken over"] > 0.25 * counts["sessions"]


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


def _moves_with_all(self: Place, cursor: Cursor) -> bool:
    """The cursor moves with old places too."""
    if cursor.value is None or cursor.value == self.cursor.value:
        return False
    self.cursor = cursor
    return True


@pytest.mark.parametrize(
    ("owner", "name", "planted", "found"),
    [
        # Frames are left out by their names alone.
        (place, "digest_of", lambda frame, ignored: b"same", "glued"),
        (place, "_gap", lambda *_: None, "lost"),
        # A request is sent again until the first token came.
        (Taken, "__bool__", lambda self: "Token" in self.sign, "repeated"),
        (Tail, "receive", lambda self, event: [event], "wrong"),
        (Place, "delivered", _moves_with_all, "wrong"),
    ],
)
def test_a_fault_in_the_session_is_found(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, planted: object, found: str
) -> None:
    monkeypatch.setattr(owner, name, planted)
    if found == "lost":
        cases = [case for case in simulate.CASES if case.dialect == "positioned"]
        monkeypatch.setattr(simulate, "CASES", cases)
    # A hundred at a time: most faults show at once.
    assert any(simulate.simulate(100, seed=seed).counts[found] for seed in range(10))
