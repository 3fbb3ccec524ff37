"""`Duplicates`: what a connection that resumes sends once more, compared with what was delivered.

A service may send more again than it was asked for: the frame at the cursor, or all from the
beginning. Decided here: whether what comes again says what was said there before, and when it has
come as far as the place. Not here: whether a frame names an old place at all
(`tokenwire.resume.place`, `tokenwire.resume.counted`), nor what was delivered after the last place
(`tokenwire.resume.tail`).
"""

from __future__ import annotations

from tokenwire.cursor import Cursor
from tokenwire.dialects import Resumption
from tokenwire.events import Error, Recovery
from tokenwire.resume.cursor import COUNTED, differs
from tokenwire.resume.evidence import SILENT, UNKNOWN, Evidence, Named, chain_of, chained
from tokenwire.resume.tail import Tail


class Duplicates:
    """How far one connection has come with what was delivered before.

    Where a method gives an `Error`, nothing of this connection can be trusted any more.

    Args:
        resumption: How the dialect's API resumes.
        evidence: What was said at the places before.
        tail: What was delivered after the last one.
        is_before: What comes first lies before the place.
        from_beginning: It is the beginning of the answer.

    Attributes:
        is_before: What comes lies before the place.
        from_beginning: All of the answer comes again, and not as far as the place yet.
        went_on: Something new came.
    """

    __slots__ = (
        "_chain",
        "_evidence",
        "_has_begun",
        "_prelude",
        "_resumption",
        "_revisited",
        "_tail",
        "from_beginning",
        "is_before",
        "went_on",
    )

    def __init__(
        self,
        resumption: Resumption | None,
        evidence: Evidence,
        tail: Tail,
        *,
        is_before: bool,
        from_beginning: bool,
    ) -> None:
        self.is_before = is_before
        self.from_beginning = from_beginning
        self.went_on = False
        self._resumption = resumption
        self._evidence = evidence
        self._tail = tail
        self._has_begun = False  # an old place came
        self._revisited: Named | None = None  # the last of them, as far as it came once more
        self._prelude = self._chain = SILENT  # all that came again, as `Evidence` adds it up
        tail.reconnected(asked_for_all=from_beginning, prelude=evidence.has_prelude)
        evidence.begins_again()

    def revisit(self, name: str, said: bytes, cursor: Cursor, *, is_last: bool) -> Error | None:
        """An old place comes once more: it must say what it said. Call `leave` before.

        Args:
            name: As `evidence.short` gives it.
            said: What it says now.
            cursor: The place that was delivered last.
            is_last: It is that very place.
        """
        if self._jumps_back(name):
            return Error(
                "truncated",
                f"the service went back to {cursor.kind} {name!r:.80}, which it had passed",
                recovery=Recovery.RESUME,
            )
        known = self._evidence.at(name)
        if not is_last and self._evidence.is_first(name):
            self.from_beginning, self._chain = True, SILENT
        if known is not None and known.said != UNKNOWN:
            if known.said != said:
                return differs(cursor)
        elif is_last or not self.from_beginning:
            return differs(cursor)
        # Else the chain proves what is not remembered, if all before the last place comes.
        if is_last:
            return self.arrive(cursor)
        self._has_begun = self.is_before = True
        self._revisited = Named(name, said)
        self._rewind()
        return None

    def _jumps_back(self, name: str) -> bool:
        """Would a decoder that remembers see once more what it saw over this very connection?"""
        resumption = self._resumption
        if resumption is None or resumption.kind in COUNTED or resumption.beginning is None:
            return False
        return self.went_on or (self._has_begun and self._evidence.is_first(name))

    def follow(self, said: bytes) -> None:
        """A frame that names no place of its own, before the place."""
        before = self._revisited
        if before is None:
            self._prelude = chained(self._prelude, said)
        else:
            self._revisited = Named(before.name, before.said, chained(before.more, said))

    def leave(self, cursor: Cursor) -> Error | None:
        """The next place is named: all of the old one must have been said as before."""
        left, self._revisited = self._revisited, None
        if left is None:
            return None
        known = self._evidence.at(left.name)
        if known is not None and known.said != UNKNOWN and known.more != left.more:
            return differs(cursor)
        if self.from_beginning and not self._evidence.is_first(left.name):
            self._chain = chain_of(self._chain, left)
        return None

    def arrive(self, cursor: Cursor) -> Error | None:
        """It came as far as the place: what comes next is new, or of the tail."""
        # Of dense places the first may be left out, for it has the number that is asked for.
        prelude = SILENT if self._is_dense else self._prelude
        if self.from_beginning and not self._evidence.agrees(prelude, self._chain):
            return differs(cursor)
        self._has_begun = True
        self.is_before = self.from_beginning = False
        self._rewind()
        return None

    def _rewind(self) -> None:
        """What came so far lies before the place: only now comes what was delivered after it."""
        self._tail.rewind()
        self._evidence.begins_again()

    def misses(self, *, names_first: bool) -> bool:
        """A new place is named: has the service left out what should have come before it?

        Args:
            names_first: It is the first place that this connection names.
        """
        # A service that goes on exactly after the place needs no proof of what it left out.
        return self.from_beginning and not (names_first and self._is_dense)

    def go_on(self) -> None:
        """A new place was named."""
        self.is_before = self.from_beginning = False
        self.went_on = True
        self._tail.place_named()

    def why_nothing_came(self, cursor: Cursor) -> str:
        """Where all was asked for again, and what came did not reach the place; else empty."""
        if not self.from_beginning:
            return ""
        place = f"{cursor.kind} {cursor.value!r:.80}"
        return f"all of the answer was asked for again, and it did not come as far as {place}"

    @property
    def _is_dense(self) -> bool:
        return self._resumption is not None and self._resumption.order == "dense"
