"""What ends a blocking read, seen on a pair of sockets."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from time import monotonic

import pytest

from tokenwire.adapters._alarms import Alarm, ring_at
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
    ours, theirs = pair
    interrupt = Interrupt()
    interrupt.hold(ours)
    theirs.send(b"ab")
    begun = monotonic()
    for seconds in (20, 0.02):  # sooner
        with interrupt.within(seconds) as left:
            assert 0 < (left() or 0) <= seconds
            ours.recv(1)
    # later: the ring before it does nothing
    with pytest.raises(TimeoutError), interrupt.within(0.06):
        assert ours.recv(1) == b""
    assert monotonic() >= begun + 0.06
    interrupt.close()


def test_the_clock_ends_nothing_while_nobody_reads(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    interrupt = Interrupt()
    interrupt.hold(ours)
    theirs.send(b"ab")
    with interrupt.within(0.02):
        ours.recv(1)
    interrupt.sleep(0.06)
    with interrupt.within(None) as left:
        assert ours.recv(1) == b"b"
        assert left() is None
    with interrupt.within(20):
        interrupt.close()
    ours.close()
    interrupt.wake()


def test_a_connection_that_is_held_when_time_is_up(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, _ = pair
    interrupt = Interrupt()
    with pytest.raises(TimeoutError), interrupt.within(0.01):
        interrupt.sleep(0.05)
        interrupt.hold(ours)
        assert ours.recv(1) == b""


def test_one_that_is_spared(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    interrupt = Interrupt()
    interrupt.hold(ours)
    with interrupt.within(0.01):
        interrupt.spare()
        interrupt.sleep(0.03)
    interrupt.wake()
    theirs.send(b"a")
    assert ours.recv(1) == b"a"


def test_alarms_ring_in_their_order_and_not_when_cancelled() -> None:
    rung: list[float] = []
    over = threading.Event()

    def ring(alarm: Alarm) -> None:
        rung.append(alarm.time)
        if len(rung) == 3:
            over.set()

    begun = monotonic()
    times = [begun + after for after in (1.03, 1.02, 1.01)]  # by when all is set
    alarms = [ring_at(time, ring) for time in times]
    late = [ring_at(begun + 20 + number, ring) for number in range(3000)]
    for alarm in late:
        alarm.cancel()
    alarms[0].cancel()
    alarms[0].cancel()
    ring_at(begun + 1.04, ring)
    assert over.wait(20)
    assert rung == [times[2], times[1], begun + 1.04]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_alarms_ring_in_a_forked_process() -> None:
    ring_at(monotonic() + 20, print).cancel()
    child = os.fork()
    if not child:
        rang = threading.Event()
        ring_at(monotonic(), lambda _: rang.set())
        os._exit(0 if rang.wait(20) else 1)
    assert os.waitpid(child, 0)[1] == 0
