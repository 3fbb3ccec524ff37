"""What ends a blocking read, seen on a pair of sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from time import monotonic

import pytest

from tokenwire.adapters._interrupt import Interrupt


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(20)
        yield ours, theirs


def test_waking_ends_a_read_before_during_and_after(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, _ = pair
    interrupt = Interrupt()
    interrupt.hold(ours)
    threading.Timer(0.02, interrupt.wake).start()
    assert ours.recv(1) == b""
    assert ours.recv(1) == b""
    interrupt.sleep(20)  # does not wait
    assert not interrupt.rang


def test_a_connection_that_comes_too_late_is_ended(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, _ = pair
    interrupt = Interrupt()
    interrupt.wake()
    interrupt.hold(ours)
    assert ours.recv(1) == b""


def test_what_was_let_go_is_left_alone(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    interrupt = Interrupt()
    interrupt.hold(ours)
    interrupt.let_go()
    interrupt.wake()
    theirs.send(b"a")
    assert ours.recv(1) == b"a"


def test_the_clock_may_be_put_off_and_brought_forward(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, _ = pair
    interrupt = Interrupt()
    interrupt.hold(ours)
    begun = monotonic()
    interrupt.at(begun + 20)
    interrupt.at(begun + 0.02)  # sooner
    interrupt.at(begun + 0.06)  # later: the ring before it does nothing
    assert ours.recv(1) == b""
    assert interrupt.rang
    assert monotonic() >= begun + 0.06
    interrupt.close()
    assert not interrupt.rang


def test_the_clock_ends_nothing_while_nobody_reads(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    interrupt = Interrupt()
    interrupt.hold(ours)
    interrupt.at(monotonic() + 0.02)
    interrupt.at(None)
    interrupt.sleep(0.06)
    theirs.send(b"a")
    assert ours.recv(1) == b"a"
    assert not interrupt.rang
    interrupt.at(monotonic() + 20)
    interrupt.close()  # or the timer's thread would live on
    ours.close()
    interrupt.wake()
