"""Leaving others their turn in a loop of asyncio or trio, where nothing waits by itself."""

from __future__ import annotations

import sys
from collections.abc import Awaitable
from typing import Any, Final

# Work after which an async loop lets others run, if nothing that it waited for did: events, and
# pieces of so many bytes, about a millisecond of both. A peer that sends faster than it is read
# would have the loop to itself.
WORK: Final = 500
WORK_SIZE: Final = 256
MUCH: Final = 4096


async def take_turn() -> None:
    """Let the other tasks of this loop run."""
    for name, turn in (("asyncio", _turn_of_asyncio), ("trio", _turn_of_trio)):
        module = sys.modules.get(name)  # a loop that runs is imported
        if module is not None and (waits := turn(module)) is not None:
            await waits
            return


def _turn_of_asyncio(asyncio: Any) -> Awaitable[None] | None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return None
    return asyncio.sleep(0)  # type: ignore[no-any-return]


def _turn_of_trio(trio: Any) -> Awaitable[None] | None:
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return None
    return trio.lowlevel.checkpoint()  # type: ignore[no-any-return]
