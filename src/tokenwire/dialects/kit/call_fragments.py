"""One tool call as far as it is known, and what a fragment adds to it.

To which call a fragment belongs is decided in `tokenwire.dialects.kit.toolcalls`; here, what of its
arguments is new, whether they are whole, and whether they can go on with those before them.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from tokenwire.dialects.kit.json_balance import JSONBalance
from tokenwire.dialects.kit.numbered_calls import short_name
from tokenwire.dialects.kit.payloads import UNREADABLE
from tokenwire.dialects.kit.said import Said

# Arguments up to this many characters are kept until something is asked about them.
_SHORT: Final = 512


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


class CallSlot(Struct):
    """One call as far as it is known; ids and names as `short_name` keeps them."""

    number: int
    key: str
    id: str | int | None = None
    name: str | int | None = None
    free: bool = False
    reported: bool = False  # that it is complete
    length: int = 0  # characters of its arguments
    text: str = ""  # its arguments while they are short, and nothing was asked about them
    said: Said | None = None
    check: JSONBalance | None = None

    def add(self, text: str) -> None:
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

    def news_in(self, one: Fragment, *, cumulative: bool) -> str | None:
        """The arguments without those that came before; None: they are others now."""
        text = one.arguments
        if not text or not self.length or self.free or not opens(text):
            return text
        check, said = self.look()
        if not check.opened:
            return text
        rest = said.rest_of(text)
        if rest is None:
            if check.closed and _same_value(said.text, text):
                return ""
            if one.whole:
                return ""  # it was written in another way: what is cut stays so
            return None if cumulative else text
        # In JSON hardly anything can be followed by its own beginning.
        if (
            cumulative
            or one.whole
            or check.closed
            or (len(said) > 2 if check.in_text else not check.may_open)
        ):
            return rest
        return rest if one.id and one.name else text


def opens(arguments: str) -> bool:
    """Do they begin a JSON value that has others in it?"""
    return arguments.lstrip()[:1] in ("{", "[")


def goes_on(slot: CallSlot, one: Fragment) -> bool:
    """Do these arguments go on with the call's, though an id or a name comes with them?"""
    begun = slot.length > 0 and not slot.ended
    named = not one.name or short_name(one.name) == slot.name
    return begun and named and bool(one.arguments) and not opens(one.arguments)


def takes(slot: CallSlot | None, one: Fragment) -> bool:
    """Can bare arguments only be this call's?"""
    if slot is None or slot.free or slot.ended:
        return False
    return not slot.length or not opens(one.arguments)


def was_placeholder(slot: CallSlot, one: Fragment) -> bool:
    """Was an empty object sent only because the arguments were not there yet?

    Gateways that read Anthropic's wire send its ``input: {}`` so, and then the pieces.
    """
    return (
        slot.length == 2
        and not (slot.reported or one.whole)
        and slot.text == "{}"
        and one.arguments.lstrip().startswith("{")
        and one.arguments != "{}"
        and not (one.name and short_name(one.name) != slot.name)
    )


def whole_name(slot: CallSlot, name: str) -> str:
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
