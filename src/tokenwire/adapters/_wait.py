"""Waiting in a task that another task, another thread or a clock can end; over anyio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import anyio

_Result = TypeVar("_Result")


class Wait:
    """Ends what one task waits for, from anywhere. One wait at a time."""

    def __init__(self) -> None:
        self._woken = False
        self._scope: anyio.CancelScope | None = None  # around what waits
        self._soon: Callable[[Callable[[], Any]], Any] | None = None  # runs it in the task's loop

    async def within(
        self, timeout: float | None, wait: Callable[[], Awaitable[_Result]]
    ) -> _Result:
        """What it waits for.

        Raises:
            TimeoutError: Time is up, or it was woken.
        """
        self._soon = self._soon or _scheduler()
        try:
            with anyio.move_on_after(timeout) as self._scope:
                return await wait()
        finally:
            self._scope = None
        raise TimeoutError("the wait was ended by the clock, or by who wants no more of it")

    async def sleep(self, seconds: float) -> None:
        """Wait so long, or until it is woken."""
        with suppress(TimeoutError):
            await self.within(seconds, anyio.sleep_forever)

    def wake(self) -> None:
        """End what waits, and what waits after it until `rearm`. Any thread may call it."""
        self._woken = True
        if self._soon is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                self._soon(self._end)

    def rearm(self) -> None:
        """Waiting is allowed again."""
        self._woken = False

    def _end(self) -> None:
        # In the loop of who waits. It may come late: what waits by now was not meant.
        if self._woken and self._scope is not None:
            self._scope.cancel()


def _scheduler() -> Callable[[Callable[[], Any]], Any]:
    try:
        return asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:
        import trio  # it is running, so it is there

        return trio.lowlevel.current_trio_token().run_sync_soon
