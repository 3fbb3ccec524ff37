"""One thread that rings for all who wait in others."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from time import monotonic
from typing import Final

_FEW: Final = 1000  # cancelled alarms that are not worth looking for


class Alarm:
    """Rings once, unless it was cancelled.

    Attributes:
        time: When, by `time.monotonic`.
    """

    __slots__ = ("_clock", "_number", "ring", "time")

    def __init__(
        self, clock: _Clock, time: float, number: int, ring: Callable[[Alarm], object]
    ) -> None:
        self.time = time
        self.ring: Callable[[Alarm], object] | None = ring
        self._clock = clock
        self._number = number

    def __lt__(self, other: Alarm) -> bool:
        return (self.time, self._number) < (other.time, other._number)

    def cancel(self) -> None:
        """It shall not ring. It may be ringing now."""
        self._clock.cancel(self)


class _Clock:
    """The alarms that are set, and the thread that waits for them while there are any."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Nothing is set."""
        self._changed = threading.Condition(threading.Lock())
        self._alarms: list[Alarm] = []  # a heap
        self._cancelled = 0  # of them
        self._thread: threading.Thread | None = None
        self._numbers = count()

    def set(self, time: float, ring: Callable[[Alarm], object]) -> Alarm:
        alarm = Alarm(self, time, next(self._numbers), ring)
        with self._changed:
            heappush(self._alarms, alarm)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tokenwire", daemon=True)
                self._thread.start()
            elif self._alarms[0] is alarm:
                self._changed.notify()
        return alarm

    def cancel(self, alarm: Alarm) -> None:
        with self._changed:
            if alarm.ring is None:
                return
            alarm.ring = None
            self._cancelled += 1
            if self._cancelled > max(_FEW, len(self._alarms) // 2):
                self._alarms = [one for one in self._alarms if one.ring is not None]
                heapify(self._alarms)
                self._cancelled = 0

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._alarms and self._alarms[0].ring is None:
                    heappop(self._alarms)
                    self._cancelled -= 1
                if not self._alarms:
                    self._thread = None
                    return
                left = self._alarms[0].time - monotonic()
                if left > 0:
                    self._changed.wait(min(left, threading.TIMEOUT_MAX))
                    continue
                alarm = heappop(self._alarms)
                ring, alarm.ring = alarm.ring, None
            if ring is not None:
                ring(alarm)  # without the lock: it may set another


_clock: Final = _Clock()

if hasattr(os, "register_at_fork"):  # threads do not live on in a forked process
    os.register_at_fork(after_in_child=_clock.begin)


def ring_at(time: float, ring: Callable[[Alarm], object]) -> Alarm:
    """Call this at that time, from a thread of its own; with the alarm."""
    return _clock.set(time, ring)
