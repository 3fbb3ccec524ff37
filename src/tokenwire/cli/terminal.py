"""What a terminal may be sent."""

from __future__ import annotations

import os
import re
from typing import Final, TextIO

# Control characters but for tab and line feed. A service's text could else move the cursor, change
# the window's title or set the clipboard.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def visible(text: str) -> str:
    """Text with control characters shown as escapes; a CR, mostly before an LF, is left out."""
    return _CONTROLS.sub(_escaped, text)


def one_line(text: str) -> str:
    """Text for a message of one line."""
    return visible(" ".join(text.split()))


def has_colour(stream: TextIO) -> bool:
    """Is this a terminal that wants colours? See https://no-color.org."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    return "" if character == "\r" else f"\\x{ord(character):02x}"
