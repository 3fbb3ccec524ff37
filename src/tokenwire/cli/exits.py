"""Exit codes of `tokenwire`: one for each way in which a stream can end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from enum import IntEnum
from typing import Final, NoReturn

from tokenwire.events import ErrorKind


class Exit(IntEnum):
    """What a script can tell from the exit code alone."""

    COMPLETE = 0
    FAILED = 1
    """What none of the others says: no file could be written, an extra is missing."""
    USAGE = 2
    """The command line is wrong, as click reports it; an unknown dialect too."""
    TRUNCATED = 3
    """The body ended before the answer did."""
    VENDOR = 4
    """The service reported an error inside the stream."""
    HTTP = 5
    """The response was no stream: an HTTP error, a redirect, a page."""
    TRANSPORT = 6
    """The connection was refused, or broke."""
    TIMEOUT = 7
    """The service was silent for too long."""
    UNREADABLE = 8
    """The bytes are not what the dialect says, or go beyond a limit."""
    BROKEN = 9
    """``tokenwire fuzz`` found a stream that breaks a law."""


OF_KIND: Final[Mapping[ErrorKind, Exit]] = {
    "truncated": Exit.TRUNCATED,
    "vendor": Exit.VENDOR,
    "http": Exit.HTTP,
    "transport": Exit.TRANSPORT,
    "timeout": Exit.TIMEOUT,
    "malformed": Exit.UNREADABLE,
    "limit": Exit.UNREADABLE,
}

_NUMBERS: Final = {"SIGINT": 2, "SIGPIPE": 13}


def end_by(name: str) -> NoReturn:
    """End this process as the signal of this name ends one, without a word.

    A shell then shows 128 and the signal's number: 130 for SIGINT, 141 for SIGPIPE. Dying by the
    signal itself lets it also stop a loop around the command.
    """
    number = getattr(signal, name, None)
    if number is not None and sys.platform != "win32":
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(128 + _NUMBERS[name])  # Windows; nothing is left to flush
