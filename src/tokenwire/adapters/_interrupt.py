"""Waiting in a thread that another thread, or a clock, can end."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import Any

from tokenwire.adapters._alarms import Alarm, ring_at


class Interrupt:
    """Ends sleeping, and blocking reads from one connection, whatever the client thinks of it.

    Closing a response wakes no thread that waits for its bytes; shutting its socket down does, and
    a read that begins later ends at once, too. The socket is held only while no other request
    can use its connection: between `hold` and `let_go`.
    """

    def __init__(self) -> None:
        self._woken = threading.Event()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._until: float | None = None  # what is waited for must be there by then
        self._alarm: Alarm | None = None
        self._rang = False

    def hold(self, connected: socket.socket | None) -> None:
        """A response is open on this; None where it is not to be had, or not ours alone."""
        with self._lock:
            self._socket = connected
            if self._woken.is_set() or (self._rang and self._until is not None):
                self._shut()

    def let_go(self) -> None:
        """The response is over: its connection may serve another."""
        with self._lock:
            self._socket = None

    def spare(self) -> None:
        """The connection serves others at the same time: what waits is to end by itself."""
        with self._lock:
            self._socket = self._until = None

    def sleep(self, seconds: float) -> None:
        """Wait so long, or until it is woken."""
        self._woken.wait(min(seconds, threading.TIMEOUT_MAX))

    def wake(self) -> None:
        """End the sleep or the read that waits, and each after it until `rearm`."""
        self._woken.set()
        with self._lock:
            self._shut()

    def rearm(self) -> None:
        """Waiting is allowed again, but on the connection that was shut down."""
        self._woken.clear()

    def within(self, timeout: float | None) -> Interrupt:
        """In a ``with`` statement: what waits there for what is held ends after so many seconds.

        Args:
            timeout: ``None``: it may wait.

        Returns:
            Itself. As the target of the statement: what tells how many seconds are left.

        Raises:
            TimeoutError: At the end of the statement, whatever came of it: time was up.
        """
        with self._lock:
            self._rang = False
            self._until = until = None if timeout is None else monotonic() + timeout
            if until is not None and (self._alarm is None or until < self._alarm.time):
                self._set(until)
        return self

    def __enter__(self) -> Callable[[], float | None]:
        return self._left

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._until = None
        if self._rang and not isinstance(error, TimeoutError):
            raise TimeoutError("the wait was ended by the clock") from error

    def _left(self) -> float | None:
        # Clients take 0 for a mistake, or for a wish not to wait at all.
        return None if self._until is None else max(0.001, self._until - monotonic())

    def close(self) -> None:
        """Nothing is to be ended any more."""
        with self._lock:
            self._socket = self._until = None
            if self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None

    def _set(self, until: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = ring_at(until, self._ring)

    def _ring(self, alarm: Alarm) -> None:
        with self._lock:
            if alarm is not self._alarm:
                return  # another was set meanwhile
            self._alarm = None
            if self._until is None:
                return  # nobody waits
            if monotonic() < self._until:  # it was put off, as it is with every piece that comes
                self._set(self._until)
            else:
                self._rang = True
                self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):  # it is closed, or broken
                # Not that of an SSLSocket, which would make a read go on without TLS.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def asker() -> dict[str, Any]:
    """What the function knows that called the one that calls this.

    A client asks for its time-outs when it is about to read from a connection. Of one that was open
    already it tells nobody which it is, not by any of its interfaces.
    """
    return sys._getframe(2).f_locals  # pyright: ignore[reportPrivateUsage]
