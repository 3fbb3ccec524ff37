"""When the built-in server waits: for a request, for a token's time, for its own end."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager

import anyio


class Turns:
    """Knows which connections are idle and how many answers run, to stop without cutting one.

    Attributes:
        stopping: The server is to end: take no further request.
    """

    def __init__(self) -> None:
        self.stopping = False
        self._idle: set[anyio.CancelScope] = set()
        self._answers = 0
        self._quiet = anyio.Event()

    @contextmanager
    def idle(self, seconds: float) -> Generator[None, None, None]:
        """Wait in here for a request: at most so long, and no longer than the server runs."""
        with anyio.move_on_after(0.0 if self.stopping else seconds) as scope:
            self._idle.add(scope)
            try:
                yield
            finally:
                self._idle.discard(scope)

    @contextmanager
    def answering(self) -> Generator[None, None, None]:
        """Send an answer in here."""
        self._answers += 1
        try:
            yield
        finally:
            self._answers -= 1
            if self.stopping and not self._answers:
                self._quiet.set()

    async def stop(self, grace: float) -> None:
        """Let go of idle connections at once, and give running answers so many seconds to end."""
        self.stopping = True
        for scope in list(self._idle):
            scope.cancel()
        if self._answers:
            with anyio.move_on_after(grace):
                await self._quiet.wait()

    @staticmethod
    def pace(rate: float) -> Pace:
        """A pace of so many tokens a second; 0: no waiting."""
        return Pace(rate)


class Pace:
    """Keeps tokens apart. One that comes late does not make the next ones hurry."""

    def __init__(self, rate: float) -> None:
        self._apart = 1 / rate if rate else 0.0
        self._due = -math.inf

    async def wait(self) -> None:
        """Wait until the next token may go."""
        if not self._apart:
            return
        now = anyio.current_time()
        if self._due > now:
            await anyio.sleep_until(self._due)
        self._due = max(self._due, now) + self._apart
