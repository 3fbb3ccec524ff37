"""``CODE:JSON`` lines: a code, a colon, one JSON value; the AI SDK's data stream has them.

Lines end as those of JSON Lines do, and a blank one keeps the connection alive. The first colon
ends the code, which is up to 64 letters, digits, ``-`` and ``_``. A line that does not begin so is
kept in `Frame.other`: servers and proxies write bare JSON errors and HTML there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Final

from tokenwire.errors import LocalProtocolError
from tokenwire.frame import Frame
from tokenwire.framing.jsonlines import JSONLinesFramer

_CODE: Final = re.compile(rb"[0-9A-Za-z_-]{1,64}+")
# Services have codes of one character; a longer one could be the field of an event stream.
_BEGINNING: Final = re.compile(rb'[0-9a-z]:["{\[tfn0-9-]')
_BLANK: Final = Frame(comment=b"")
_AROUND: Final = b" \t\r"


class CodeLinesFramer(JSONLinesFramer):
    """Frames of ``CODE:JSON`` lines: the code is `Frame.event`, the JSON is `Frame.data`."""

    format: ClassVar[str] = "CODE:JSON lines"
    __slots__ = ()

    def _receive_lines(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            text = line.strip(_AROUND)
            self.frames.append(_frame(text) if text else _BLANK)

    def receive_eof(self) -> None:
        """The body ended: hand out a last line without LF, marked."""
        rest = self._lines.take_rest().strip(_AROUND)
        if rest:
            self.frames.append(_frame(rest, unterminated=True))

    @staticmethod
    def begins(head: bytes) -> bool:
        """A code of one character, a colon, and what a JSON value begins with."""
        return _BEGINNING.match(head) is not None

    @staticmethod
    def frame_start(event: str) -> bytes:
        """The code and its colon."""
        return event.encode() + b":"

    @staticmethod
    def encode(frame: Frame) -> bytes:
        """One frame as a line; a frame without data is a blank one.

        Raises:
            LocalProtocolError: The data holds a line end, or the event is no code.
        """
        if frame.data is None:
            return b"\n"
        if not (frame.event.isascii() and _CODE.fullmatch(frame.event.encode())):
            raise LocalProtocolError(f"{frame.event[:80]!r} cannot be the code of a line")
        return frame.event.encode() + b":" + JSONLinesFramer.encode(frame)


def _frame(line: bytes, *, unterminated: bool = False) -> Frame:
    code = _CODE.match(line)
    if code is None or line[code.end() : code.end() + 1] != b":":
        return Frame(other=line, unterminated=unterminated)
    return Frame(line[code.end() + 1 :], code[0].decode(), unterminated=unterminated)
