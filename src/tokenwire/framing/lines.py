"""Chunks to lines: the only code that knows CR, LF and CRLF.

A chunk mostly holds whole lines, so everything up to its last line end is split in one go by
``bytes.splitlines``, which for bytes knows those three ends and no others. What follows waits in
one growing buffer; nothing is searched twice.

A CR ends its line at once. One LF right after it, even in the next chunk, belongs to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tokenwire.errors import FramingError, LocalProtocolError

LF = 0x0A
CR = 0x0D
BOM = b"\xef\xbb\xbf"
_PACK_FROM = 64  # lines


def _refuse(lines: Sequence[bytes]) -> None:
    raise LocalProtocolError(f"{len(lines)} lines came after the end; make a new framer")


class LineSplitter:
    """Calls ``receive_lines`` with the complete lines of each chunk, without their ends.

    Args:
        receive_lines: Takes a non-empty sequence of lines.
        receive_whole: Asked first for each chunk in which a line begins and one ends: may take it
            as a whole, if that is cheaper, and says whether it did.
        limit: Bytes that one event may take.
        lf_only: Only LF ends a line (JSON Lines); a CR stays in it.

    Attributes:
        room: Bytes that one line may still have. Whoever keeps lines lowers it, so that the limit
            holds for the event and not for each of its lines. It is checked against a line that
            is still growing and against one that came whole, so that it cannot depend on the cuts.
    """

    __slots__ = (
        "_head",
        "_lf_only",
        "_limit",
        "_often",
        "_peak",
        "_rarely",
        "_receive_lines",
        "_receive_whole",
        "_waiting",
        "_watch",
        "room",
    )

    def __init__(
        self,
        receive_lines: Callable[[Sequence[bytes]], None],
        receive_whole: Callable[[bytes], bool] | None = None,
        *,
        limit: int,
        lf_only: bool = False,
    ) -> None:
        self._receive_lines = receive_lines
        self._receive_whole = receive_whole
        self.room = self._limit = limit
        self._lf_only = lf_only
        # Line ends of this stream; the first is looked for first.
        self._often, self._rarely = LF, CR
        self._watch = True  # the next byte may belong to a BOM or to the CR before it
        self._head: bytes | None = b""  # until it is known whether a BOM opens the stream
        self._waiting: bytes | bytearray = b""  # a line without its end
        self._peak = 0

    def receive_data(self, data: bytes) -> None:
        """Take a non-empty chunk. Raises `FramingError` as soon as a line cannot fit."""
        waiting = self._waiting
        if waiting:
            if self._often not in data and (self._lf_only or self._rarely not in data):
                waiting += data
                if len(waiting) > self.room:
                    raise self._too_long()
                return
            data = self._take_lines(data)
        else:  # a line begins
            if self._watch:
                data = self._skip_mark(data)
                if not data:
                    return
            if data[-1] == LF:
                receive_whole = self._receive_whole  # called off a slot it costs twice as much
                if receive_whole is not None and receive_whole(data):
                    return
            if self._often in data or (not self._lf_only and self._rarely in data):
                data = self._take_lines(data)
        if data:
            self._waiting = bytearray(data)
            if len(data) > self.room:
                raise self._too_long()

    def _take_lines(self, data: bytes) -> bytes:
        """Take the lines that end in this chunk, and give what follows the last of them."""
        waiting = self._waiting
        size = len(data)
        rest = b""
        if self._lf_only:
            lines = data.split(b"\n")
            rest = lines.pop()
        else:
            lines = data.splitlines()
            end = data[-1]
            if end == CR:
                self._watch = True
                self._often, self._rarely = CR, LF
            elif end != LF:
                rest = lines.pop()
        if waiting:
            held = len(waiting)
            if held + self._limit - self.room > self._peak:
                self._peak = held + self._limit - self.room
            size += held
            waiting += lines[0]
            lines[0] = bytes(waiting)
            self._waiting = b""
        if size - len(rest) <= self.room:
            receive_lines = self._receive_lines
            receive_lines(lines)
        else:
            self._receive_one_by_one(lines)
        return rest

    def _skip_mark(self, data: bytes) -> bytes:
        """Drop a BOM that opens the stream, and a LF right after a CR."""
        if self._head is not None:
            data = self._head + data
            if len(data) < len(BOM) and BOM.startswith(data):
                self._head = data
                return b""
            self._head = None
            data = data.removeprefix(BOM)
            if data.endswith(b"\r") and not self._lf_only:
                self._often, self._rarely = CR, LF
        elif data[0] == LF:
            data = data[1:]
        self._watch = False
        return data

    def _receive_one_by_one(self, lines: list[bytes]) -> None:
        for line in lines:  # one of them may break the limit: those before it still count
            if len(line) > self.room:
                raise self._too_long()
            self._receive_lines((line,))

    def take_rest(self) -> bytes:
        """At EOF: the last line if it has no end, else nothing."""
        rest = (self._head or b"") + self._waiting
        self._waiting = b""
        # Whoever takes lines mostly holds this splitter too: without this, only the garbage
        # collector could free them, and each stream would begin in memory that no cache knows.
        self._receive_lines, self._receive_whole = _refuse, None
        return rest

    @property
    def buffered(self) -> int:
        """Bytes of the line that has no end yet."""
        return len(self._waiting)

    @property
    def peak_buffered(self) -> int:
        """The most that a waiting line, and what `room` was lowered by, ever took together."""
        return max(self._peak, self.buffered + self._limit - self.room)

    def _too_long(self) -> FramingError:
        self._waiting = b""  # what broke the limit is not kept
        return FramingError(
            "limit",
            f"one event is larger than max_event_size = {self._limit} bytes;"
            " raise Limits.max_event_size if the service really sends such events",
        )


class PackedLines:
    """Lines of one block, joined by LF in the end.

    A list of short lines takes up to fifty times their bytes, so a long one is packed.
    """

    __slots__ = ("_packed", "recent")

    def __init__(self) -> None:
        self.recent: list[bytes] = []
        self._packed: bytearray | None = None

    def __bool__(self) -> bool:
        return bool(self.recent) or self._packed is not None

    def pack(self) -> None:
        """Pack the recent lines, if there are many."""
        if len(self.recent) < _PACK_FROM:
            return
        recent = b"\n".join(self.recent)
        if self._packed is None:
            self._packed = bytearray(recent)
        else:
            self._packed += b"\n" + recent
        self.recent.clear()

    def take(self) -> bytes:
        """All lines; none are left."""
        joined = b"\n".join(self.recent)
        if self._packed is not None:
            joined = b"\n".join((self._packed, joined)) if self.recent else bytes(self._packed)
            self._packed = None
        self.recent.clear()
        return joined
