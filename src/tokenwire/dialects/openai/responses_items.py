"""Which item does an event of a Responses stream speak of? One ladder for texts, thoughts, calls.

Gateways leave indices out, send 0 for all, shift them between an item's events, and make up new ids
for every event; the answer as a whole lists items in another order, and not all of them. So an item
is decided by everything that is said of it together, strongest first:

1. a call id that is known, or an id that is known of an item of this type, or as a call id;
2. the last item of its type at its output index (of all, where the index is missing), unless it is
   closed, or another call id or name stands against it;
3. for a whole: an item whose pieces agree with it; for a piece: the item that was announced
   elsewhere and said nothing yet.

What none of these finds is a new item. An id proves that two events are of one item, but another
one proves nothing: GitHub Copilot makes up a new one for every event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final, TypeAlias

from msgspec import Struct

from tokenwire.dialects.kit.json_balance import JSONBalance
from tokenwire.dialects.kit.pieces import Pieces, Room
from tokenwire.dialects.openai.responses_wire import check_room

COMPARED: Final = 8
"""Items or texts that a whole is compared with, where nothing but its content places it."""

_LONGEST: Final = 256  # characters of an id that is kept as it is


class Names(Struct, frozen=True, gc=False):
    """What an event says of the item that it is about.

    Attributes:
        output: The output index; None where it is missing.
        id: The item's own id.
        call_id: The id of a call.
        name: The tool of a call.
    """

    output: int | None = None
    id: str | None = None
    call_id: str | None = None
    name: str | None = None


class Text:
    """A text, a refusal or a thought of an item."""

    __slots__ = ("part", "said")

    def __init__(self, part: int, room: Room) -> None:
        self.part = part
        self.said = Pieces(room)


class Call:
    """What was reported of the call that an item is."""

    __slots__ = ("balance", "complete", "cut", "held", "id", "key", "name", "said", "served")

    def __init__(self, key: str, room: Room, *, served: bool) -> None:
        self.key = key
        self.served = served  # the service runs it itself
        self.id: str | None = None
        self.name: str | None = None
        self.said = Pieces(room)
        self.balance = JSONBalance()
        self.held = ""  # an empty object, which may stand for what comes later
        self.complete = False
        self.cut = False  # the service said so


class Item:
    """What is known of one item.

    Attributes:
        type: As the vendor calls it.
        number: Its place in the order in which items appeared.
        announced: It was opened by an event of its own.
        closed: Its end came.
        texts: Its texts by kind and index.
        reported: What else was reported of it.
        call: Its call, if it is one.
    """

    __slots__ = (
        "announced",
        "call",
        "call_id",
        "closed",
        "has_id",
        "name",
        "number",
        "texts",
        "reported",
        "type",
    )

    def __init__(self, type: str, number: int) -> None:
        self.type = type
        self.number = number
        self.has_id = False
        self.call_id: str | None = None
        self.name: str | None = None
        self.announced = False
        self.closed = False
        self.texts: dict[tuple[str, int], Text] = {}
        self.reported: dict[str, None] = {}
        self.call: Call | None = None

    @property
    def spoke(self) -> bool:
        """Was anything of it reported?"""
        return bool(self.texts or self.reported or (self.call and self.call.said.length))

    @property
    def is_over(self) -> bool:
        """Is it a call whose arguments are whole? Others are another call's."""
        return self.call is not None and self.call.balance.closed

    def differs(self, names: Names) -> bool:
        """Is it another call than these names are of?"""
        if names.call_id and self.call_id:
            return _short(names.call_id) != self.call_id
        return bool(names.name and self.name and _short(names.name) != self.name)


Agreement: TypeAlias = Callable[[Item], int]
"""How well does what an item said agree with a whole? 2: the same, 1: a part of it, 0: no."""


class Whole(Struct, frozen=True):
    """An item of the answer as a whole."""

    type: str
    names: Names
    agreement: Agreement


class Items:
    """The items of a stream, in the order in which they appeared.

    Attributes:
        ids_last: An id came again: they are not made up for every event.
        reopened: A piece came for an item that had ended.
    """

    __slots__ = ("_by_id", "_by_place", "_in_order", "_last", "ids_last", "reopened")

    def __init__(self) -> None:
        self.ids_last = False
        self.reopened = False
        self._in_order: list[Item] = []
        self._by_id: dict[tuple[str, str], Item] = {}
        self._by_place: dict[tuple[str, int], Item] = {}
        self._last: dict[str, Item] = {}

    def __len__(self) -> int:
        return len(self._in_order)

    @property
    def are_whole(self) -> bool:
        """Did each end, and say nothing since?"""
        return not self.reopened and all(item.closed for item in self._in_order)

    def opened(self, type: str, names: Names) -> Item:
        """The item that is announced."""
        item = self._known(type, names)
        if item is None:
            item = self._here(type, names.output)
            if item is not None and (item.announced or item.closed or item.differs(names)):
                item = None
        item = self._learn(item, type, names)
        item.announced = True
        return item

    def of_piece(self, type: str, names: Names) -> Item:
        """The item that a piece belongs to."""
        item = self._known(type, names)
        if item is None:
            item = self._here(type, names.output)
            if item is None:
                item = self._last.get(type)
                if item is not None and (item.spoke or item.closed or not item.announced):
                    item = None
            elif item.closed or item.differs(names) or self._is_renamed(item, names):
                item = None
        self.reopened |= item is not None and item.closed
        return self._learn(item, type, names)

    def of_whole(self, type: str, names: Names, agreement: Agreement) -> Item:
        """The item that comes whole, or a part of which is."""
        item = self._known(type, names)
        if item is None:
            here = self._here(type, names.output)
            if here is not None and here.differs(names):
                here = None
            others = [one for one in self._open(type, names) if one is not here]
            ranks = [(agreement(one), one) for one in (here, *others) if one is not None]
            item = next((one for rank, one in ranks if rank == 2), None)
            if item is None and here is not None and not (here.closed or here.is_over):
                item = here  # whatever it said
            item = item or next((one for rank, one in ranks if rank == 1), None)
        return self._learn(item, type, names)

    def of_answer(self, wholes: Sequence[Whole]) -> list[Item]:
        """The items that the answer lists, no two of them the same.

        Its places are output indices, unless a service left an item out or sorted them anew.
        """
        found = [self._known(whole.type, whole.names) for whole in wholes]
        taken = {item.number for item in found if item is not None}
        missing = any(item is None for item in found)
        for wanted in (
            (2, 1, 0) if missing else ()
        ):  # what agrees best first; what stands against it only in its place
            for place, whole in enumerate(wholes):
                if found[place] is not None:
                    continue
                here = self._by_place.get((whole.type, place))
                for item in (here, *(self._of(whole.type) if wanted else ())):
                    if item is None or item.number in taken or item.differs(whole.names):
                        continue
                    if whole.agreement(item) >= wanted:
                        found[place] = item
                        taken.add(item.number)
                        break
        return [
            self._learn(item, whole.type, whole.names)
            for item, whole in zip(found, wholes, strict=True)
        ]

    def _is_renamed(self, item: Item, names: Names) -> bool:
        """Where nothing announced an item, does another id begin another one?

        It does if ids last at all, or once the call that stands there is whole.
        """
        if names.id is None or not item.has_id or item.announced:
            return False
        return item.is_over or self.ids_last

    def _known(self, type: str, names: Names) -> Item | None:
        if not self._by_id:
            return None
        # The last for those who name a call in the place of its item.
        for kind, id in (("", names.call_id), (type, names.id), ("", names.id)):
            item = self._by_id.get((kind, _short(id))) if id else None
            if item is not None and item.type == type:
                self.ids_last |= bool(kind)
                return item
        return None

    def _here(self, type: str, output: int | None) -> Item | None:
        return self._last.get(type) if output is None else self._by_place.get((type, output))

    def _of(self, type: str) -> Iterator[Item]:
        """The first items of a type."""
        return islice((item for item in self._in_order if item.type == type), COMPARED)

    def _open(self, type: str, names: Names) -> Iterator[Item]:
        """The last items of a type that are open."""
        running = (
            item
            for item in reversed(self._in_order)
            if item.type == type and not (item.closed or item.differs(names))
        )
        return islice(running, COMPARED)

    def _learn(self, item: Item | None, type: str, names: Names) -> Item:
        """The item, or a new one, with what is said of it."""
        if item is None:
            check_room(self._in_order, "output items")
            item = Item(type, len(self._in_order))
            self._in_order.append(item)
        self._last[type] = item
        if names.output is not None:
            place = (type, names.output)
            if place not in self._by_place:
                check_room(self._by_place, "output indices")
            self._by_place[place] = item
        if names.id and not item.has_id:
            item.has_id = True
            self._by_id[type, _short(names.id)] = item
        if names.call_id and item.call_id is None:
            item.call_id = _short(names.call_id)
            self._by_id["", item.call_id] = item
        item.name = item.name or (_short(names.name) if names.name else None)
        return item


def _short(name: str) -> str:
    """The name, or what stands for one that is too long to be kept."""
    return name if len(name) <= _LONGEST else f"{len(name)} characters, {hash(name)}"
