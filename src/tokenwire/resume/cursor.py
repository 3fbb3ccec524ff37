"""`Place`: how far an answer was delivered, and whether a frame lies before that.

A server may replay more than it was asked for: the frame at the cursor once more, or all from the
beginning. By its cursor such a frame is known and left out; what names no place of its own is known
by its `Tail`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final

from tokenwire.cursor import Cursor
from tokenwire.dialects import Resumption
from tokenwire.errors import Recovery
from tokenwire.events import Error, Event
from tokenwire.frame import Frame
from tokenwire.resume.checkpoint import CheckpointError
from tokenwire.resume.replay import NOTHING, Said
from tokenwire.resume.tail import Tail

# Opaque ids that are remembered: a server that starts a replay further back than this is not found
# out, unless it was asked for all. Each is some tens of bytes.
MAX_RECENT: Final = 256

_SHORT: Final = 64  # characters of an id that is remembered as it is
# No server takes a header that is longer, so such an id cannot be asked to go on behind.
_LONGEST: Final = 8192

_COUNTED: Final = re.compile(r"(.*?)([0-9]{1,18})", re.ASCII | re.DOTALL)

# A blank line behind one that is not; further blank lines end no more events. It ends at its first
# byte: a LF behind its CR ends nothing, wherever the chunk does.
_ENDS_EVENT: Final = re.compile(rb"[^\r\n](?:\r\n|\r(?!\n)|\n)[\r\n]")
_LOOK_BACK: Final = 3  # bytes of it that may stand in the chunk before


class Place:
    """The place behind the last event that was delivered.

    Args:
        resumption: How the dialect's API reconnects; None: it cannot.
        cursor: The place to begin at, of a checkpoint.
        recent: Ids that were delivered before it, the last one last.
        tail: What was delivered behind it.
        head: What came before the stream named any place.

    Raises:
        CheckpointError: The cursor is none of this dialect.

    Attributes:
        cursor: The place itself.
        tail: What was delivered behind it.
        begins: The stream has not named a place yet; call `came`.
    """

    __slots__ = (
        "_again",
        "_asked_for_all",
        "_counts",
        "_fed",
        "_is_first",
        "_is_old",
        "_reached",
        "_recent",
        "_resumption",
        "_window",
        "begins",
        "cursor",
        "tail",
    )

    def __init__(
        self,
        resumption: Resumption | None,
        cursor: Cursor | None = None,
        recent: Iterable[str] = (),
        tail: Said = NOTHING,
        head: Said = NOTHING,
    ) -> None:
        kind = resumption.kind if resumption is not None else "id"
        self._counts = kind in ("bytes", "events")
        self.cursor = cursor or Cursor(kind)
        if self.cursor.kind != kind or (self._counts and isinstance(self.cursor.value, str)):
            raise CheckpointError(
                f"the checkpoint's cursor is {self.cursor.kind} {self.cursor.value!r:.80}, and this"
                f" dialect goes on behind {kind}: it is of another stream; ask for the answer anew"
            )
        self.tail = Tail(tail, head)
        self.begins = cursor is None and not (resumption is None or self._counts or resumption.live)
        self._resumption = resumption
        self._recent: deque[str] | None = deque(recent, MAX_RECENT) if recent else None
        self._again = False  # the frames come over a connection that goes on
        self._asked_for_all = False  # it was asked for all, and did not come to the place yet
        self._is_first = False  # no frame of this connection was new
        self._is_old = False  # the one that named its place last lies before it
        self._reached = self._start()
        self._window = b""
        self._fed: int | None = None

    def _start(self) -> int:
        value = self.cursor.value
        return value if isinstance(value, int) else 0

    @property
    def recent(self) -> tuple[str, ...]:
        """The ids delivered last, for a checkpoint; without those that the last one tells."""
        last = "" if self._is_live else str(self.cursor.value)
        return tuple(id for id in self._recent or () if not _is_before(id, last))

    @property
    def told_anything(self) -> bool:
        """Something of the answer came, before it named a place or behind that."""
        return self.tail.head.length > 0 or self.tail.said.length > 0

    # --- what was delivered ---

    def came(self, event: Event, cursor: Cursor) -> None:
        """An event of the answer came, and the parser's cursor stands behind it."""
        self.begins = cursor.value is None
        if self.begins:
            self.tail.begin(event)

    def delivered(self, cursor: Cursor) -> bool:
        """Events were delivered, and the parser's cursor stands behind them: is that elsewhere?"""
        value = cursor.value
        if self._counts or value is None or value == self.cursor.value:
            return False
        # An id may come without data, among events that were delivered before.
        if self.tail.pending or self._was_named(value):
            return False
        if isinstance(value, str) and value:
            if len(value) > _LONGEST and not self._is_live:
                return False
            if self._recent is None:
                self._recent = deque(maxlen=MAX_RECENT)
            self._recent.append(short(value))
        self._move(cursor)
        return True

    def told(self, event: Event, *, moved: bool, within_frame: bool) -> None:
        """An event of the answer was delivered, after `delivered` or `counted` was asked.

        Args:
            event: The event.
            moved: The cursor has moved: by its frame, or by one before it that said nothing.
            within_frame: More events of its frame are to come.
        """
        if self.cursor.value is None or self._is_live:
            return  # nothing is behind a place, or all that comes is delivered
        if within_frame or not (moved and self._names_cursor(event.frame)):
            self.tail.add(event)

    def _names_cursor(self, frame: Frame | None) -> bool:
        read = self._resumption.read if self._resumption is not None else None
        return frame is None or read is None or read(frame) == self.cursor.value

    def _move(self, cursor: Cursor) -> None:
        self.tail.cursor_moved()
        self.cursor = cursor

    @property
    def _is_live(self) -> bool:
        """An event source delivers what it gets: its ids need not be those of events."""
        return self._resumption is not None and self._resumption.live

    # --- where the service counts ---

    def cut(self, data: bytes) -> Iterator[tuple[bytes, Cursor | None]]:
        """Where the service counts, cut these bytes behind each event; else they stay whole.

        With each piece comes the place behind it, if an event ends there. Call `feed` with it when
        the piece is read, and `counted` once all that it brought is delivered.
        """
        begin = 0
        if self._counts:
            before = len(self._window)
            window = self._window + data
            for match in _ENDS_EVENT.finditer(window):
                end = match.end() - before
                if end > 0:  # else it was found in the chunk before
                    yield data[begin:end], self._count(end - begin)
                    begin = end
            self._window = window[-_LOOK_BACK:]
            self._reached += 0 if self.cursor.kind == "events" else len(data) - begin
        if begin < len(data):
            yield data[begin:], None

    def _count(self, size: int) -> Cursor:
        self._reached += 1 if self.cursor.kind == "events" else size
        return Cursor(self.cursor.kind, self._reached)

    def feed(self, cursor: Cursor | None) -> None:
        """The parser gets the bytes up to here."""
        self._fed = int(cursor.value or 0) if cursor is not None else None

    def counted(self, cursor: Cursor) -> bool:
        """All that came before this place is delivered; gives whether it lies further on."""
        is_further = int(cursor.value or 0) > self._start()
        if is_further:
            self._move(cursor)
        return is_further

    # --- over the next connection ---

    @property
    def comes_again(self) -> bool:
        """Frames will come once more that do not say that they were delivered, or perhaps will."""
        can_begin_anew = self._resumption is not None and self._resumption.beginning is not None
        return self.tail.said.length > 0 or (can_begin_anew and self.tail.head.length > 0)

    def reconnected(self, *, asked_for_all: bool = False) -> None:
        """The next frames come over a new connection.

        Args:
            asked_for_all: Not only for what is behind the cursor.
        """
        beginning = self._resumption.beginning if self._resumption is not None else None
        self._again = self._is_first = True
        is_named = self.cursor.value is not None
        self._asked_for_all = asked_for_all and beginning is not None and is_named
        self._is_old = self._asked_for_all
        self._reached = self._start()
        if self._asked_for_all:
            self._reached = beginning if isinstance(beginning, int) else 0
        self._window, self._fed = b"", None
        self.tail.reconnected(asked_for_all=self._asked_for_all)

    def was_delivered(self, frame: Frame) -> bool:
        """Does this frame of the new connection lie before the place?"""
        last = self.cursor.value
        value = self._value_of(frame)
        if last is None or last == "":
            return False  # an empty id names no place
        if value is None:
            return self._is_old  # as the one before it
        if isinstance(value, int) and isinstance(last, int):
            was = value <= last
            self._is_old = value < last
            self._asked_for_all = self._asked_for_all and self._is_old
        elif value == last:
            # An SSE frame without an id of its own carries the one before it: behind the place, it
            # is new.
            was = self._is_old or self._is_first or self._reads
            self._is_old = self._asked_for_all = False
        else:
            was = self._is_old = self._was_named(value)
        if was:
            self.tail.rewind()
        else:
            self.tail.place_named()
        self._is_first = self._is_first and self._is_old
        return was

    @property
    def _reads(self) -> bool:
        return self._resumption is not None and self._resumption.read is not None

    def _value_of(self, frame: Frame) -> str | int | None:
        if self._counts:
            return self._fed
        if self._resumption is not None and self._resumption.read is not None:
            return self._resumption.read(frame)
        return frame.id

    def _was_named(self, value: str | int) -> bool:
        """On a connection that goes on: was this place named before the last one?"""
        if self._asked_for_all:
            return True
        # The ids of an event source may come again for other events.
        if not (self._is_first or (self._again and not self._is_live)):
            return False
        recent = self._recent or ()
        return short(str(value)) in recent or _is_before(str(value), str(self.cursor.value))

    def why_nothing_came(self) -> str:
        """Where all was asked for again, and what came did not reach the place; else empty."""
        if not self._asked_for_all:
            return ""
        place = f"{self.cursor.kind} {self.cursor.value!r:.80}"
        return f"all of the answer was asked for again, and it did not come as far as {place}"

    def differs(self) -> Error:
        """What the service sent is not what was delivered behind the place already."""
        return Error(
            "vendor",
            f"asked to go on behind {self.cursor.kind} {self.cursor.value!r:.80}, the service sent"
            " something else than it had sent there before; nothing of that was delivered. A"
            " service that goes on elsewhere should name the place of every event",
            recovery=Recovery.RETRY,
        )


def short(id: str) -> str:
    """The id, or what stands for a long one."""
    if len(id) <= _SHORT:
        return id
    return blake2b(id.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _is_before(id: str, last: str) -> bool:
    """Do these ids count up, and is the first the smaller one? As in ``answer-7:3``."""
    one, other = _COUNTED.fullmatch(id), _COUNTED.fullmatch(last)
    if one is None or other is None or one[1] != other[1]:
        return False
    return int(one[2]) < int(other[2])
