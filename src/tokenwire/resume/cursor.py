"""`Place`: how far an answer was delivered, and whether a frame lies before that.

A server may replay more than it was asked for: the frame at the cursor once more, or all from the
beginning. By its place such a frame is known, and it is left out where it says what was said there
before; if it says something else, the service sends another answer, and nothing of it is joined to
the first. What names no place of its own is known by its `Tail`.

Which of two names is the later one is never guessed: a dialect says so, or they have no order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Final, get_args

from tokenwire.cursor import Cursor, CursorKind
from tokenwire.dialects import Resumption
from tokenwire.errors import Recovery
from tokenwire.events import Error, Event
from tokenwire.frame import Frame
from tokenwire.resume.checkpoint import CheckpointError
from tokenwire.resume.evidence import (
    NOTHING_SAID,
    SILENT,
    UNKNOWN,
    Evidence,
    Kept,
    Named,
    chain_of,
    chained,
    digest_of,
    short,
)
from tokenwire.resume.replay import NOTHING, Said
from tokenwire.resume.tail import Tail

# No server takes a header that is longer, so such an id cannot be asked to go on behind.
LONGEST: Final = 8192

_SIZE: Final = 6  # bytes of the digest of an event that is counted

# Where events or bytes are counted, so many events before the place are asked for once more: only
# they show that the service counts as it did.
_OVERLAP: Final = 16

# Never written to: idle sessions share them.
_NO_DIGESTS: Final[dict[int, bytes]] = {}
_NONE_READ: Final[list[tuple[str | int | None, str, bytes]]] = []

# Before any place, by the kind of places: shared likewise.
STARTS: Final[dict[CursorKind, Cursor]] = {kind: Cursor(kind) for kind in get_args(CursorKind)}

# A blank line behind one that is not; further blank lines end no more events. It ends at its first
# byte: a LF behind its CR ends nothing, wherever the chunk does.
_ENDS_EVENT: Final = re.compile(rb"[^\r\n](?:\r\n|\r(?!\n)|\n)[\r\n]")
_LOOK_BACK: Final = 3  # bytes of it that may stand in the chunk before


class Place:
    """The place behind the last event that was delivered.

    Args:
        resumption: How the dialect's API reconnects; None: it cannot.
        cursor: The place to begin at, of a checkpoint.
        kept: What had been said at the places before it.
        tail: What was delivered behind it.
        head: What came before the stream named any place.

    Raises:
        CheckpointError: The cursor is none of this dialect.

    Attributes:
        cursor: The place itself.
        tail: What was delivered behind it.
        evidence: What was said at the places before it.
        begins: The stream has not named a place yet; call `came`.
        doubt: Why nothing of this connection can be trusted any more: every frame of it is left
            out. None: it can.
    """

    __slots__ = (
        "_again",
        "_all_comes",
        "_chain",
        "_counts",
        "_digests",
        "_event",
        "_fed",
        "_fruitless",
        "_here",
        "_id",
        "_is_blank",
        "_is_held",
        "_is_proven",
        "_is_old",
        "_met",
        "_ignored",
        "_name",
        "_passed",
        "_prelude",
        "_reached",
        "_resumption",
        "_told",
        "_unnamed",
        "_visit",
        "_went_on",
        "_window",
        "begins",
        "cursor",
        "doubt",
        "evidence",
        "tail",
    )

    def __init__(
        self,
        resumption: Resumption | None,
        cursor: Cursor | None = None,
        kept: Kept | None = None,
        tail: Said = NOTHING,
        head: Said = NOTHING,
    ) -> None:
        kind = resumption.kind if resumption is not None else "id"
        self._counts = kind in ("bytes", "events")
        self.cursor = cursor or STARTS[kind]
        if self.cursor.kind != kind or (self._counts and isinstance(self.cursor.value, str)):
            raise CheckpointError(
                f"the checkpoint's cursor is {self.cursor.kind} {self.cursor.value!r:.80}, and this"
                f" dialect goes on behind {kind}: it is of another stream; ask for the answer anew"
            )
        self.tail = Tail(tail, head)
        self.evidence = Evidence(kept)
        self.begins = cursor is None and not (resumption is None or self._counts or resumption.live)
        self._resumption = resumption
        self._id: str | int | None = None  # the name found last, and how it is remembered
        self._name = ""
        # Of another answer: the place named last while it was held, and what is no place of it.
        self._passed: str | int | None = None
        self._ignored: str | int | None = None
        self._told = _NONE_READ  # frames that are read, and not delivered yet
        self._again = False  # the frames come over a connection that goes on
        self._fruitless = 0  # connections in a row that brought nothing new
        self._is_proven = False  # the one before showed how the service counts, and no more
        self._begin()
        self._reached = self._start()

    def _begin(self) -> None:
        """A connection begins."""
        self._here: str | None = None  # the place at which its frames are
        self._is_old = False  # that lies before the one that was delivered last
        self._went_on = False  # some of them were new
        self._met = False  # they came as far as that
        self._all_comes = False  # all of the answer comes again, and not as far as that yet
        self._unnamed = 0  # frames since the last name that is not old
        self._visit: Named | None = None  # an old place, as far as it came once more
        # Of events that are counted, and not delivered yet.
        self._digests: dict[int, bytes] = {} if self._counts else _NO_DIGESTS
        self._prelude = self._chain = SILENT  # all that came again, as `Evidence` adds it up
        self._window = b""
        self._fed: int | None = None
        self._event: blake2b | None = None  # the bytes of an event that is not whole yet
        self._is_blank = True  # none but line ends
        self.doubt: Error | None = None
        self._is_held = False

    def _start(self) -> int:
        value = self.cursor.value
        return value if isinstance(value, int) else 0

    @property
    def admits(self) -> bool:
        """Each frame has to be shown to `was_delivered`, also over the first connection."""
        return not (self._resumption is None or self._counts or self._is_live)

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
        if self._counts or value is None or value == self.cursor.value or self._is_held:
            return False
        if value == self._ignored:
            return False
        if self._is_live:
            self.evidence.named(short(str(value)), SILENT)
        else:
            if self.tail.pending or (isinstance(value, str) and len(value) > LONGEST):
                return False
            # An id may come without data, among events that were delivered before.
            name = self._name_of(value)
            is_told = any(one == value for one, _, _ in self._told)
            if not is_told and self._again and self.evidence.at(name) is not None:
                return False
            self._commit(value, name)
        self._move(cursor)
        return True

    def _commit(self, value: str | int, name: str) -> None:
        """Take all as evidence that was read up to this place."""
        told, self._told = self._told, _NONE_READ
        for at, (one, named, said) in enumerate(told):
            if one is None:
                self.evidence.followed(said)
                continue
            self.evidence.named(named, said)
            if one == value:
                self._told = told[at + 1 :]
                return
        self.evidence.named(name, SILENT)

    def held(self, cursor: Cursor, *, through: bool) -> None:
        """An event of another answer came, and was said before; the parser's cursor is behind it.

        Args:
            cursor: The parser's.
            through: It has said all that was said before. The place named last may lie before some
                of that, so only the next one counts.
        """
        if through and cursor.value == self._passed:
            self._ignored = cursor.value
        self._passed = cursor.value

    def hold(self) -> None:
        """A frame could not be read: until the next connection the place stays before it."""
        self._is_held = True

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

    def _name_of(self, value: str | int) -> str:
        """How a place is remembered. A frame without an id of its own has the very one before."""
        if value is not self._id:
            self._id, self._name = value, short(str(value))
        return self._name

    # --- where the service counts ---

    def cut(self, data: bytes) -> Sequence[tuple[bytes, Cursor | None]]:
        """Where the service counts, cut these bytes behind each event; else they stay whole.

        With each piece comes the place behind it, if an event ends there. Call `feed` with it when
        the piece is read, and `counted` once all that it brought is delivered.
        """
        if self._counts:
            return tuple(self._cut(data))
        return ((data, None),) if data else ()

    def _cut(self, data: bytes) -> Iterator[tuple[bytes, Cursor | None]]:
        begin = 0
        before = len(self._window)
        window = self._window + data
        for match in _ENDS_EVENT.finditer(window):
            end = match.end() - before
            if end > 0:  # else it was found in the chunk before
                self._add(data[begin:end])
                yield data[begin:end], self._count(end - begin)
                begin = end
        self._window = window[-_LOOK_BACK:]
        self._reached += 0 if self.cursor.kind == "events" else len(data) - begin
        self._add(data[begin:])
        if begin < len(data):
            yield data[begin:], None

    def _add(self, data: bytes) -> None:
        """Bytes of an event; the line end behind the one before is of none."""
        if self._is_blank:
            data = data.lstrip(b"\r\n")
            self._is_blank = not data
        self._event = self._event or blake2b(digest_size=_SIZE)
        self._event.update(data)

    def _count(self, size: int) -> Cursor:
        self._reached += 1 if self.cursor.kind == "events" else size
        event = self._event or blake2b(digest_size=_SIZE)
        self._digests[self._reached] = event.digest()
        self._event, self._is_blank = None, True
        return Cursor(self.cursor.kind, self._reached)

    def feed(self, cursor: Cursor | None) -> None:
        """The parser gets the bytes up to here."""
        self._fed = int(cursor.value or 0) if cursor is not None else None
        if self._fed is None or not self._again or self.doubt is not None:
            return
        last = self._start()
        if self._fed <= last:
            self._leave_visit()
            self._revisit(str(self._fed), self._digests.pop(self._fed), is_last=self._fed == last)
        elif not self._met and last:
            self.doubt = self.differs()

    def counted(self, cursor: Cursor) -> bool:
        """All that came before this place is delivered; gives whether it lies further on."""
        value = int(cursor.value or 0)
        if value <= self._start() or self.doubt is not None or self._is_held:
            return False
        for one in [one for one in self._digests if one <= value]:
            self.evidence.named(str(one), self._digests.pop(one))
        self._move(cursor)
        self._fruitless, self._is_proven = 0, False
        return True

    # --- over the next connection ---

    @property
    def comes_again(self) -> bool:
        """Frames will come once more that do not say that they were delivered, or perhaps will."""
        if self.tail.said.length:
            return True
        if self._resumption is None or self._resumption.beginning is None:
            return False
        # A decoder that remembers has seen these too, whether or not they said anything.
        return self.tail.head.length > 0 or self.evidence.has_prelude or self._unnamed > 0

    @property
    def kept_cursor(self) -> Cursor:
        """For a checkpoint: an id that nobody could send is none."""
        value = self.cursor.value
        is_long = isinstance(value, str) and len(value) > LONGEST
        return Cursor(self.cursor.kind, "") if is_long else self.cursor

    @property
    def asks(self) -> Cursor:
        """From where the service is asked to go on: where it counts, a little before the place.

        Only what is sent once more shows that it counts as it did. Where the last events are so
        much alike that they would be the same elsewhere, all is asked for. Where connections break
        before they bring more than that, less is asked for, and once the one before has shown how
        the service counts, nothing.
        """
        if self.is_ambiguous:
            return Cursor(self.cursor.kind)
        if not self._counts or self.cursor.value is None or self._is_proven:
            return self.cursor
        overlap = max(1, _OVERLAP >> 2 * self._fruitless)
        places = self.evidence.latest(overlap + 1)
        said = [one.said for one in places[1:]]
        is_short = len(said) < (1 if self._fruitless else overlap)
        if is_short or UNKNOWN in said or _repeats(said):
            return Cursor(self.cursor.kind, 0)
        return Cursor(self.cursor.kind, int(places[0].name))

    @property
    def is_ambiguous(self) -> bool:
        """The service gave this name to several places: asked for it, it may go on at any."""
        if self._is_live or self._counts or self.cursor.value is None:
            return False
        known = self.evidence.at(self._name_of(self.cursor.value))
        return known is not None and known.said == UNKNOWN

    def reconnected(self, *, asked_for_all: bool = False) -> None:
        """The next frames come over a new connection.

        Args:
            asked_for_all: Not only for what is behind the cursor.
        """
        beginning = self._resumption.beginning if self._resumption is not None else None
        asked = Cursor(self.cursor.kind, 0) if asked_for_all else self.asks
        self._begin()
        self._told = _NONE_READ
        self._again = True
        if self.cursor.value is not None and self.cursor.value != beginning:
            self._all_comes = asked_for_all and beginning is not None
            self._is_old = self._all_comes
        if self._counts:
            self._reached = int(asked.value or 0)
            self._is_old = self._reached < self._start()
            self._all_comes = self._is_old and not self._reached
            self._met = not self._is_old
            self._fruitless, self._is_proven = self._fruitless + 1, False
        prelude = self.evidence.has_prelude
        self.tail.reconnected(asked_for_all=self._all_comes, prelude=prelude)
        self.evidence.begins_again()

    @property
    def awaited(self) -> bool:
        """The answer comes from before the place, and has not come as far: it cannot end there."""
        return self._is_old and not self._met

    def was_delivered(self, frame: Frame) -> bool:
        """Does this frame lie before the place? Ask for each that comes, in their order."""
        if self._is_doubtful():
            return True
        if self._counts:
            return self._is_old if self._fed is None else self._was_counted(self._fed)
        value = self._value_of(frame)
        if not frame.data and self._again and self._is_named(value):
            return True  # a place is named once more, and nothing is said
        said = digest_of(frame, self._resumption.ignored if self._resumption is not None else ())
        name = "" if value is None else self._name_of(value)
        if value is None or not name or name == self._here:  # an empty id names no place
            return self._follows(said)
        self._leave_visit()
        is_last = value == self.cursor.value
        if not self._is_doubtful() and self._is_known(name, value, is_last=is_last):
            if is_last and self._is_silent(name):  # this one only stands behind it
                self._arrive(name)
                return self._is_doubtful() or self._follows(said)
            self._revisit(name, said, is_last=is_last)
            return True
        return self._is_beyond(value, name, said)

    def _is_doubtful(self) -> bool:
        return self.doubt is not None

    def _is_named(self, value: str | int | None) -> bool:
        if value is None:
            return False
        known = self.evidence.at(self._name_of(value))
        return known is not None and known.said not in (SILENT, NOTHING_SAID)

    def _was_counted(self, fed: int) -> bool:
        was = self._again and fed <= self._start()
        if was:
            self.tail.rewind()
        return was

    def _value_of(self, frame: Frame) -> str | int | None:
        if self._resumption is not None and self._resumption.read is not None:
            return self._resumption.read(frame)
        return frame.id

    def _follows(self, said: bytes) -> bool:
        """A frame that names no place of its own, behind the one before it."""
        if not self._is_old:
            self._unnamed += 1
            self._went_on = True
            if self._told:
                self._told.append((None, "", said))
            else:
                self.evidence.followed(said)
            return False
        if self._visit is None:
            self._prelude = chained(self._prelude, said)
        else:
            more = chained(self._visit.more, said)
            self._visit = Named(self._visit.name, self._visit.said, more)
        return True

    def _is_known(self, name: str, value: str | int, *, is_last: bool) -> bool:
        """Over a connection that goes on: was this place named before, as far as can be known?"""
        if not self._again:
            return False
        last = self.cursor.value
        if self._has_order and isinstance(value, int) and isinstance(last, int):
            return value <= last
        return is_last or self._all_comes or self.evidence.at(name) is not None

    @property
    def _has_order(self) -> bool:
        return self._resumption is not None and self._resumption.order is not None

    @property
    def _is_dense(self) -> bool:
        return self._resumption is not None and self._resumption.order == "dense"

    def _is_silent(self, name: str) -> bool:
        """The name came alone before."""
        known = self.evidence.at(name)
        return known is not None and known.said == SILENT

    def _revisit(self, name: str, said: bytes, *, is_last: bool) -> None:
        """An old place comes once more: it must say what it said."""
        if self._jumps_back(name):
            self.doubt = Error(
                "truncated",
                f"the service went back to {self.cursor.kind} {name!r:.80}, which it had passed",
                recovery=Recovery.RESUME,
            )
            return
        known = self.evidence.at(name)
        if self.evidence.is_first(name) and not is_last:
            self._all_comes, self._chain = True, SILENT
        # What is not remembered is proven by the chain, if all before the last place comes.
        is_proof = known is not None and known.said != UNKNOWN
        if (known is not None and is_proof and known.said != said) or not (
            is_proof or (self._all_comes and not is_last)
        ):
            self.doubt, self._is_proven = self.differs(), False
        elif is_last:
            self._arrive(name)
        else:
            self._here, self._is_old, self._met = name, True, False
            self._prove_count()
            self._visit = Named(name, said)
            self._rewind()

    def _jumps_back(self, name: str) -> bool:
        """Would a decoder that remembers see once more what it saw over this very connection?"""
        if self._counts or self._resumption is None or self._resumption.beginning is None:
            return False
        return self._went_on or (self._here is not None and self.evidence.is_first(name))

    def _leave_visit(self) -> None:
        """An old place was told to its end: it must have said what it said."""
        visit, self._visit = self._visit, None
        if visit is None:
            return
        known = self.evidence.at(visit.name)
        if known is not None and known.said != UNKNOWN and known.more != visit.more:
            self.doubt = self.differs()
        elif self._all_comes and not self.evidence.is_first(visit.name):
            self._chain = chain_of(self._chain, visit)

    def _arrive(self, name: str) -> None:
        """The frames came as far as the place: what comes next is new, or of the tail."""
        # Of dense places the first may be left out, for it has the number that is asked behind.
        prelude = SILENT if self._is_dense else self._prelude
        if self._all_comes and not self.evidence.agrees(prelude, self._chain):
            self.doubt = self.differs()
            return
        self._prove_count()
        self._here, self._is_old, self._met, self._all_comes = name, False, True, False
        self._unnamed = 0
        self._rewind()

    def _prove_count(self) -> None:
        """An event came again as it was. From the beginning that shows nothing of the counting."""
        is_only = len(self.evidence.latest(2)) == 1
        self._is_proven = self._counts and (is_only or not self._all_comes)

    def _rewind(self) -> None:
        """What came so far lies before the place: only now comes what was delivered behind it."""
        self.tail.rewind()
        self.evidence.begins_again()

    def _is_beyond(self, value: str | int, name: str, said: bytes) -> bool:
        """A place that was not named before. Gives whether to leave it out: it proves a fault."""
        if self.doubt is None:
            # A service that goes on exactly behind the place needs no proof of what it left out.
            missed = self._all_comes and not (self._is_dense and self._here is None)
            self.doubt = self.differs() if missed else self._gap_before(value)
        if self.doubt is not None:
            return True
        self._here, self._is_old, self._all_comes, self._unnamed = name, False, False, 0
        self._went_on = True
        if self._again:
            self.tail.place_named()
        if not self._told:
            self._told = []
        self._told.append((value, name, said))
        return False

    def _gap_before(self, value: str | int) -> Error | None:
        """Where positions are dense, one that is left out is a piece that is lost."""
        if not self._is_dense:
            return None
        named = [one for one, _, _ in self._told if one is not None]
        last = named[-1] if named else self.cursor.value
        if not isinstance(value, int) or not isinstance(last, int):
            return None
        if value <= last + 1 + self._unnamed:  # a frame without a number has one all the same
            return None
        kind = self.cursor.kind
        return Error(
            "truncated",
            f"the service left out what lies between {kind} {last} and {kind} {value}",
            recovery=Recovery.RESUME,
        )

    def why_nothing_came(self) -> str:
        """Where all was asked for again, and what came did not reach the place; else empty."""
        if not self._all_comes or self.doubt is not None:
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


def _repeats(said: list[bytes]) -> bool:
    """Would it be the same a few events further on?"""
    return any(said[by:] == said[:-by] for by in range(1, len(said) // 2 + 1))
