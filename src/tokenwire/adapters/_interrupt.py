"""Waiting in a thread that another thread, or a clock, can end."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from time import monotonic


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
        self._until: float | None = None  # what is read must be there by then
        self._timer: threading.Timer | None = None
        self._rings = 0.0  # when the timer does
        self._rang = False

    def hold(self, connected: socket.socket | None) -> None:
        """A response is open on this; None where it is not to be had, or not ours alone."""
        with self._lock:
            self._socket, self._rang = connected, False
            if self._woken.is_set():
                self._shut()

    def let_go(self) -> None:
        """The response is over: its connection may serve another."""
        with self._lock:
            self._socket = None

    def sleep(self, seconds: float) -> None:
        """Wait so long, or until it is woken."""
        self._woken.wait(seconds)

    def wake(self) -> None:
        """End the sleep or the read that waits, and each after it until `rearm`."""
        self._woken.set()
        with self._lock:
            self._shut()

    def rearm(self) -> None:
        """Waiting is allowed again, but on the connection that was shut down."""
        self._woken.clear()

    def at(self, until: float | None) -> None:
        """End the read that begins now at this time; ``None``: it may wait."""
        with self._lock:
            self._until = until
            if until is not None and (self._timer is None or until < self._rings):
                self._start(until)

    @property
    def rang(self) -> bool:
        """Was it the clock that ended a read?"""
        with self._lock:
            return self._rang

    def close(self) -> None:
        """Nothing is to be ended any more."""
        with self._lock:
            self._socket = self._until = None
            self._rang = False
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _start(self, until: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings = until
        timer = threading.Timer(max(0.0, until - monotonic()), self._ring, (until,))
        timer.daemon = True
        self._timer = timer
        timer.start()

    def _ring(self, rings: float) -> None:
        with self._lock:
            if self._timer is None or rings != self._rings:
                return  # another was set meanwhile
            self._timer = None
            if self._until is None:
                return  # nobody reads
            if monotonic() < self._until:  # it was put off, as it is with every piece that comes
                self._start(self._until)
            else:
                self._rang = True
                self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):  # it is closed, or broken
                # Not that of an SSLSocket, which would make a read go on without TLS.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
