"""The command `tokenwire`: a module for each of its commands. Nothing here is a library.

It needs the extra ``tokenwire[cli]``, and says so where that is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

EXTRA: Final = frozenset({"anyio", "click", "h11", "httpx", "rich"})
"""What ``tokenwire[cli]`` brings."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the entry point of the script.

    Args:
        arguments: What stands after the command's name; ``None``: this process's own.

    Returns:
        The exit code, see `tokenwire.cli.exits`. An interrupt and a closed pipe end the process by
        their signals, as they end other commands.
    """
    try:
        from tokenwire.cli.commands import run

        return run(arguments)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRA:
            raise
        print(
            f"tokenwire: {missing} is not installed, and this command needs it."
            " Run: pip install 'tokenwire[cli]'",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:  # while modules were still being imported
        return 130
