"""Which tool call does this fragment belong to, and is the call whole? One ladder for all wires.

Services leave the index out, send 0 for every call, count chunks with it, repeat ids, names and
arguments, make a new id for each fragment, or send names late and in pieces. In order:

1. A fragment that says nothing is nothing, and begins no call.
2. An id that is known continues its call, whatever the index; but not under another index *and*
   another name, for some servers have one id for all calls.
3. With an index: the call of that index. Bare arguments under an index that no call has go on with
   the last call while its own are not whole: some gateways count heads and pieces apart. It is
   another call that begins there where the arguments of the first are whole and a name or an id
   differs, or others come with the name once more; where both have ids, they differ and a name
   comes too; and where neither has an id and the names differ. Else an id that is new is one more
   of the same call.
4. Without an index: a new id with a name, or a name, begins a call; bare arguments continue the
   last one. Fragments that stand side by side in one delta are told apart by their place.

A name that comes in pieces is reported whole with each piece; arguments that are repeated, alone or
as the beginning of more, are reported once. What is known of one call is in `call_fragments`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from tokenwire.dialects.kit.call_fragments import (
    CallSlot,
    Fragment,
    goes_on,
    opens,
    takes,
    was_placeholder,
    whole_name,
)
from tokenwire.dialects.kit.numbered_calls import short_name
from tokenwire.dialects.kit.payloads import MAX_INDEX, malformed
from tokenwire.events import Event, Reason, ToolCall
from tokenwire.frame import Frame

CUTTING: Final[frozenset[Reason]] = frozenset({"length", "content_filter", "error", "cancelled"})
"""Reasons after which the arguments of a call may be cut anywhere: it is not complete."""

# Pieces of one call that are looked at together; what is longer than this is so by itself.
_MOST_PIECES: Final = 64
_LONG_PIECE: Final = 256

# What begins so and is not shorter than all before may be that once more.
_BEGINNINGS: Final = frozenset("{[")


class ToolCallSlots:
    """The calls of one choice: fragments to events.

    Args:
        choice: Its index.
        prefix: What the keys begin with, where it is not the index and a colon.
        cumulative: Each fragment of a call has all its arguments so far.

    Attributes:
        cumulative: The same; False: where it shows in them.
    """

    __slots__ = (
        *("_by_id", "_by_index", "_choice", "_in_order", "_last", "_pieces", "_prefix"),
        *("_touched", "cumulative"),
    )

    def __init__(self, choice: int, *, prefix: str | None = None, cumulative: bool = False) -> None:
        self._choice = choice
        self._prefix = f"{choice}:" if prefix is None else prefix
        self.cumulative = cumulative
        self._by_index: dict[int, CallSlot] = {}
        self._by_id: dict[str | int, CallSlot] = {}
        self._in_order: list[CallSlot] = []
        self._last: CallSlot | None = None  # the one that the last fragment belongs to
        self._touched: dict[int, CallSlot] = {}  # since calls were last closed
        self._pieces: list[str] = []  # of the last one, that `go_on` took

    def __len__(self) -> int:
        return len(self._in_order)

    @property
    def whole(self) -> bool:
        """No arguments that came since calls were last closed are cut."""
        self._settle()
        return all(slot.whole for slot in self._touched.values())

    def go_on(self, index: int | None, arguments: str) -> str | None:
        """The key of the call that bare arguments go on with, where nothing need be asked.

        None where `receive` must be asked. Nearly every fragment is one more short piece for the
        call that the one before was for; what they add up to is looked at once for many.
        """
        slot = self._last
        if (
            slot is None
            or index is None
            or self._by_index.get(index) is not slot
            or slot.number not in self._touched
            or not arguments
            or (arguments[0] in _BEGINNINGS and 2 * len(arguments) >= slot.length > 0)
            or len(arguments) > _LONG_PIECE
            or len(self._pieces) == _MOST_PIECES
        ):
            return None
        self._pieces.append(arguments)
        slot.length += len(arguments)
        return slot.key

    def _settle(self) -> None:
        """Look at the pieces that `go_on` took."""
        slot = self._last
        if self._pieces and slot is not None:
            text = "".join(self._pieces)
            self._pieces.clear()
            slot.add(text)

    def receive(self, fragments: Sequence[Fragment], frame: Frame) -> list[Event]:
        """The events of one delta's fragments: what each has that is new."""
        self._settle()
        events: list[Event] = []
        begun = len(self._in_order)
        bare = 0 if fragments and fragments[0].index is not None else _leading_bare(fragments)
        for position, one in enumerate(fragments):
            if not (one.id or one.name or one.arguments):
                continue
            if position < bare > 1:
                slot = self._in_order[max(begun + position - bare, 0)] if begun else None
            else:
                slot = self._find(one)
            if slot is not None and was_placeholder(slot, one):
                one = self._in_place_of(slot, one)
                slot = None
            begins = slot is None or self._begins_another(slot, one)
            id, name, text = one.id, one.name, one.arguments
            if slot is None or begins:
                if len(self._in_order) == MAX_INDEX:
                    events.append(malformed(frame, f"there are more than {MAX_INDEX} tool calls"))
                    break
                slot = self._open(one)
            else:
                id, name, news = self._learn(slot, one)
                if news is None:
                    events.append(malformed(frame, "the arguments of a tool call changed"))
                text = news or ""
            complete = one.complete and slot.whole and not slot.reported
            if begins or id or name or text or complete:
                slot.reported = slot.reported or complete
                said = (id or None, name or None, text, complete)
                events.append(ToolCall(slot.key, self._choice, *said, frame=frame))
            self._last = slot
        return events

    def close(self, frame: Frame) -> list[Event]:
        """The calls that are complete now, if their arguments are; each is reported once."""
        if not self._touched:
            return []
        self._settle()
        touched = [self._touched[number] for number in sorted(self._touched)]
        self._touched.clear()
        return [event for slot in touched for event in self._closed(slot, frame)]

    def close_at(self, index: int, frame: Frame) -> list[Event]:
        """The same of the call with this index."""
        self._settle()
        slot = self._by_index.get(index)
        if slot is None or self._touched.pop(slot.number, None) is None:
            return []
        return self._closed(slot, frame)

    def _closed(self, slot: CallSlot, frame: Frame) -> list[Event]:
        if slot.reported or not slot.whole:
            return []
        slot.reported = True
        return [ToolCall(slot.key, self._choice, complete=True, frame=frame)]

    # --- the ladder ---

    def _find(self, one: Fragment) -> CallSlot | None:
        same = self._by_id.get(short_name(one.id)) if one.id else None
        if one.index is not None:
            there = self._by_index.get(one.index)
            if there is None and not (one.id or one.name):
                return self._last if takes(self._last, one) else None
            if same is None or (there is not None and there.id == same.id):
                return there
            if one.name and same.name and short_name(one.name) != same.name:
                return there  # all calls have this id
            return same
        if same is not None:
            return same
        last = self._last
        begins = last is None or (one.name and (one.id or not goes_on(last, one)))
        return None if begins else last

    def _begins_another(self, slot: CallSlot, one: Fragment) -> bool:
        """Is it another call, though its place or its id is that of this one?"""
        if not (one.id or one.name):
            return False
        if one.id and slot.id and not self._has_id(slot, one.id):
            return slot.ended or bool(one.name and not goes_on(slot, one))
        renamed = bool(one.name and slot.name and short_name(one.name) != slot.name)
        if slot.ended:
            if renamed or not one.name:
                return renamed
            return opens(slot.news_in(one, cumulative=self.cumulative) or "")
        return renamed and not (one.id or slot.id)

    def _has_id(self, slot: CallSlot, id: str) -> bool:
        return slot.id == short_name(id) or self._by_id.get(short_name(id)) is slot

    def _in_place_of(self, slot: CallSlot, one: Fragment) -> Fragment:
        """The same for a call of its own: what stood in for it is never complete."""
        del self._touched[slot.number]
        id, name = (known if isinstance(known, str) else None for known in (slot.id, slot.name))
        return replace(one, id=one.id or id, name=one.name or name)

    # --- what is new ---

    def _open(self, one: Fragment) -> CallSlot:
        number = len(self._in_order)
        slot = CallSlot(number, f"{self._prefix}{number}", free=one.free)
        self._in_order.append(slot)
        self._touched[number] = slot
        if one.index is not None:
            self._by_index[one.index] = slot
        if one.id:
            slot.id = short_name(one.id)
            self._by_id[slot.id] = slot
        if one.name:
            slot.name = short_name(one.name)
        if one.arguments:
            slot.length = len(one.arguments)
            slot.add(one.arguments)
        return slot

    def _learn(self, slot: CallSlot, one: Fragment) -> tuple[str | None, str | None, str | None]:
        """The id, the name and the arguments that are new; None: they changed."""
        self._touched[slot.number] = slot
        if one.index is not None and len(self._by_index) < 2 * MAX_INDEX:
            self._by_index[one.index] = slot
        id = name = None
        if one.id:
            short = short_name(one.id)
            if len(self._by_id) < 2 * MAX_INDEX:
                self._by_id[short] = slot
            if slot.id is None:
                slot.id, id = short, one.id
        if one.name and short_name(one.name) != slot.name:
            name = whole_name(slot, one.name)
            slot.name = short_name(name)
        text = slot.news_in(one, cumulative=self.cumulative)
        if text:
            slot.length += len(text)
            slot.add(text)
        return id, name, text


def _leading_bare(fragments: Sequence[Fragment]) -> int:
    """How many at the beginning have arguments alone, so that only their place tells them apart."""
    bare = 0
    for one in fragments:
        if one.index is not None or one.id or one.name:
            break
        bare += 1
    return bare
