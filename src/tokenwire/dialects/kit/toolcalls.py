"""Which tool call does this fragment belong to, and is the call whole? One ladder for all wires.

Services leave the index out, send 0 for every call, count chunks with it, repeat ids, names and
arguments, make a new id for each fragment, or send names late and in pieces. In order:

1. A fragment that says nothing is nothing, and begins no call.
2. An id that is known continues its call, whatever the index; but not under another index *and*
   another name, for some servers have one id for all calls.
3. With an index: the call of that index. Bare arguments under an index that no call has go on with
   the last call while its own are not whole: some gateways count heads and pieces apart. It is
   another call that begins there where the arguments
   of the first are whole and a name or an id differs, or others are said with the name once more;
   where both have ids, they differ and a name comes too; and where neither has an id and the names
   differ. Else an id that is new is one more of the same call.
4. Without an index: a new id with a name, or a name, begins a call; bare arguments continue the
   last one. Fragments that stand side by side in one delta are told apart by their place.

A name that comes in pieces is told whole with each piece; arguments that are said again, alone or
as the beginning of more, are told once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tokenwire.dialects.kit.json_balance import JSONBalance
from tokenwire.dialects.kit.payloads import MAX_INDEX, UNREADABLE, malformed
from tokenwire.dialects.kit.said import Said
from tokenwire.events import Event, Reason, ToolCall
from tokenwire.frame import Frame

CUTTING: Final[frozenset[Reason]] = frozenset({"length", "content_filter", "error", "cancelled"})
"""Reasons after which the arguments of a call may be cut anywhere: it is not complete."""

# Pieces of one call that are looked at together; what is longer than this is so by itself.
_MOST_PIECES: Final = 64
_LONG_PIECE: Final = 256

# What begins so and is not shorter than all before may be that once more.
_BEGINNINGS: Final = frozenset("{[")

# Arguments up to this many characters are kept until something is asked about them.
_SHORT: Final = 512

_LONGEST = 256  # characters of an id or a name that are kept; services' ids have up to 64


class Fragment(Struct, gc=False):
    """What one entry of a delta's calls says.

    Attributes:
        index: As sent, if it was.
        id: As sent; empty is none.
        name: As sent; empty is none.
        arguments: A piece of the JSON text.
        free: The arguments are no JSON but any text, as of custom tools.
        whole: They are all there is, whatever came before.
        complete: The call is closed with it.
    """

    index: int | None = None
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    free: bool = False
    whole: bool = False
    complete: bool = False


class _Slot(Struct):
    """One call as far as it is known; ids and names as `_short` keeps them."""

    number: int
    key: str
    id: str | int | None = None
    name: str | int | None = None
    free: bool = False
    told: bool = False  # that it is complete
    length: int = 0  # characters of its arguments
    text: str = ""  # its arguments while they are short, and nothing was asked about them
    said: Said | None = None
    check: JSONBalance | None = None

    def hear(self, text: str) -> None:
        """Take the next arguments."""
        if self.free:
            return
        if self.check is None and len(self.text) + len(text) <= _SHORT:
            self.text += text
            return
        check, said = self.look()
        check.add(text)
        said.add(text)

    def look(self) -> tuple[JSONBalance, Said]:
        """What is known of its arguments."""
        if self.check is None or self.said is None:
            self.check, self.said = JSONBalance(), Said()
            self.check.add(self.text)
            self.said.add(self.text)
            self.text = ""
        return self.check, self.said

    @property
    def whole(self) -> bool:
        """Its arguments are."""
        if self.check is None:
            if not self.text or _is_json(self.text):
                return True
            self.look()
        return self.check is None or self.check.whole

    @property
    def ended(self) -> bool:
        """Its arguments came, and nothing can follow."""
        return self.length > 0 and not self.free and self.look()[0].closed


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
        self._by_index: dict[int, _Slot] = {}
        self._by_id: dict[str | int, _Slot] = {}
        self._in_order: list[_Slot] = []
        self._last: _Slot | None = None  # the one that the last fragment belongs to
        self._touched: dict[int, _Slot] = {}  # since calls were last closed
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
            slot.hear(text)

    def receive(self, fragments: Sequence[Fragment], frame: Frame) -> list[Event]:
        """The events of one delta's fragments: what each says that was not said before."""
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
            if slot is not None and _stood_in(slot, one):
                one = self._in_its_place(slot, one)
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
            complete = one.complete and slot.whole and not slot.told
            if begins or id or name or text or complete:
                slot.told = slot.told or complete
                said = (id or None, name or None, text, complete)
                events.append(ToolCall(slot.key, self._choice, *said, frame=frame))
            self._last = slot
        return events

    def close(self, frame: Frame) -> list[Event]:
        """The calls that are complete now, if their arguments are; each is told once."""
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

    def _closed(self, slot: _Slot, frame: Frame) -> list[Event]:
        if slot.told or not slot.whole:
            return []
        slot.told = True
        return [ToolCall(slot.key, self._choice, complete=True, frame=frame)]

    # --- the ladder ---

    def _find(self, one: Fragment) -> _Slot | None:
        same = self._by_id.get(_short(one.id)) if one.id else None
        if one.index is not None:
            there = self._by_index.get(one.index)
            if there is None and not (one.id or one.name):
                return self._last if _takes(self._last, one) else None
            if same is None or (there is not None and there.id == same.id):
                return there
            if one.name and same.name and _short(one.name) != same.name:
                return there  # all calls have this id
            return same
        if same is not None:
            return same
        last = self._last
        begins = last is None or (one.name and (one.id or not _goes_on(last, one)))
        return None if begins else last

    def _begins_another(self, slot: _Slot, one: Fragment) -> bool:
        """Is it another call, though its place or its id is that of this one?"""
        if not (one.id or one.name):
            return False
        if one.id and slot.id and not self._has_id(slot, one.id):
            return slot.ended or bool(one.name and not _goes_on(slot, one))
        renamed = bool(one.name and slot.name and _short(one.name) != slot.name)
        if slot.ended:
            return renamed or bool(one.name and _opens(self._news(slot, one) or ""))
        return renamed and not (one.id or slot.id)

    def _has_id(self, slot: _Slot, id: str) -> bool:
        return slot.id == _short(id) or self._by_id.get(_short(id)) is slot

    def _in_its_place(self, slot: _Slot, one: Fragment) -> Fragment:
        """The same for a call of its own: what stood in for it is never complete."""
        del self._touched[slot.number]
        id, name = (known if isinstance(known, str) else None for known in (slot.id, slot.name))
        return replace(one, id=one.id or id, name=one.name or name)

    # --- what is new ---

    def _open(self, one: Fragment) -> _Slot:
        number = len(self._in_order)
        slot = _Slot(number, f"{self._prefix}{number}", free=one.free)
        self._in_order.append(slot)
        self._touched[number] = slot
        if one.index is not None:
            self._by_index[one.index] = slot
        if one.id:
            slot.id = _short(one.id)
            self._by_id[slot.id] = slot
        if one.name:
            slot.name = _short(one.name)
        if one.arguments:
            slot.length = len(one.arguments)
            slot.hear(one.arguments)
        return slot

    def _learn(self, slot: _Slot, one: Fragment) -> tuple[str | None, str | None, str | None]:
        """The id, the name and the arguments that were not told before; None: they changed."""
        self._touched[slot.number] = slot
        if one.index is not None and len(self._by_index) < 2 * MAX_INDEX:
            self._by_index[one.index] = slot
        id = name = None
        if one.id:
            short = _short(one.id)
            if len(self._by_id) < 2 * MAX_INDEX:
                self._by_id[short] = slot
            if slot.id is None:
                slot.id, id = short, one.id
        if one.name and _short(one.name) != slot.name:
            name = _whole_name(slot, one.name)
            slot.name = _short(name)
        text = self._news(slot, one)
        if text:
            slot.length += len(text)
            slot.hear(text)
        return id, name, text

    def _news(self, slot: _Slot, one: Fragment) -> str | None:
        """The arguments without those that were told before; None: they are others now."""
        text = one.arguments
        if not text or not slot.length or slot.free or not _opens(text):
            return text
        check, said = slot.look()
        if not check.opened:
            return text
        rest = said.rest_of(text)
        if rest is None:
            if check.closed and _same_value(said.text, text):
                return ""
            if one.whole:
                return ""  # it was written in another way: what is cut stays so
            return None if self.cumulative else text
        # In JSON hardly anything can be followed by its own beginning.
        if (
            self.cumulative
            or one.whole
            or check.closed
            or (len(said) > 2 if check.in_text else not check.may_open)
        ):
            return rest
        return rest if one.id and one.name else text


def _leading_bare(fragments: Sequence[Fragment]) -> int:
    """How many at the beginning have arguments alone, so that only their place tells them apart."""
    bare = 0
    for one in fragments:
        if one.index is not None or one.id or one.name:
            break
        bare += 1
    return bare


def _opens(arguments: str) -> bool:
    return arguments.lstrip()[:1] in ("{", "[")


def _goes_on(slot: _Slot, one: Fragment) -> bool:
    """Do these arguments go on with the call's, though an id or a name comes with them?"""
    begun = slot.length > 0 and not slot.ended
    named = not one.name or _short(one.name) == slot.name
    return begun and named and bool(one.arguments) and not _opens(one.arguments)


def _takes(slot: _Slot | None, one: Fragment) -> bool:
    """Can bare arguments only be this call's?"""
    if slot is None or slot.free or slot.ended:
        return False
    return not slot.length or not _opens(one.arguments)


def _stood_in(slot: _Slot, one: Fragment) -> bool:
    """Was an empty object told only because the arguments were not there yet?

    Gateways that read Anthropic's wire send its ``input: {}`` so, and then the pieces.
    """
    return (
        slot.length == 2
        and not (slot.told or one.whole)
        and slot.text == "{}"
        and one.arguments.lstrip().startswith("{")
        and one.arguments != "{}"
        and not (one.name and _short(one.name) != slot.name)
    )


def _whole_name(slot: _Slot, name: str) -> str:
    """The name with the pieces of it that came before; after arguments it is another one."""
    if not isinstance(slot.name, str) or slot.length or name.startswith(slot.name):
        return name
    return slot.name + name


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except UNREADABLE:
        return False
    return True


def _same_value(said: str | None, text: str) -> bool:
    """Is this the same JSON, written with other spaces or in another order?"""
    try:
        return said is not None and msgspec.json.decode(said) == msgspec.json.decode(text)
    except UNREADABLE:
        return False


class NumberedCalls:
    """Keys for the calls of wires that name each by a block, an id or an index: "0", "1", ...

    At most `MAX_INDEX` calls are open at a time.
    """

    __slots__ = ("_begun", "_open")

    def __init__(self) -> None:
        self._open: dict[str | int, str] = {}
        self._begun = 0

    @property
    def full(self) -> bool:
        """No further call can be opened."""
        return len(self._open) >= MAX_INDEX

    @property
    def keys(self) -> list[str]:
        """The keys of all open calls."""
        return list(self._open.values())

    def open(self, name: str | int) -> str:
        """A key for the call that the wire calls so; a call that had this name is forgotten."""
        key = self._open[_short(name)] = str(self._begun)
        self._begun += 1
        return key

    def get(self, name: str | int) -> str | None:
        """The key of an open call, or None."""
        return self._open.get(_short(name))

    def close(self, name: str | int) -> str | None:
        """The key of an open call, which is open no longer, or None."""
        return self._open.pop(_short(name), None)

    def close_all(self) -> list[str]:
        """The keys of all open calls, none of which is open any longer."""
        keys = list(self._open.values())
        self._open.clear()
        return keys


def _short(name: str | int) -> str | int:
    """The name, or what stands for one that is too long to be kept."""
    if isinstance(name, int) or len(name) <= _LONGEST:
        return name
    return hash(name)
