"""The arguments of calls that are open, where the wire closes each call by itself.

A service may close a call whose arguments were cut, and say them once more whole when it does. Such
a call is complete only if they are::

    self._arguments = CallArguments()
    self._arguments.add(key, piece)
    rest = self._arguments.complete(key, whole)  # what is missing in the pieces
    done = self._arguments.close(key)  # are they whole?

To which call a piece belongs is the wire's to say, as by an id for `numbered_calls.NumberedCalls`.
Where it does not, `toolcalls.ToolCallSlots` finds out; and calls in numbered blocks, of which the
stop reason tells whether they were cut, are for `block_calls`.
"""

from __future__ import annotations

from tokenwire.dialects.kit.json_balance import JSONBalance
from tokenwire.dialects.kit.said import Said


class CallArguments:
    """What was said of each open call's arguments, in few bytes; calls without any cost nothing."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: dict[str, tuple[Said, JSONBalance]] = {}

    def add(self, key: str, piece: str) -> None:
        """Take the next piece of a call's arguments."""
        if not piece:
            return
        if key not in self._open:
            self._open[key] = Said(), JSONBalance()
        for one in self._open[key]:
            one.add(piece)

    def complete(self, key: str, whole: str) -> str:
        """What of the whole arguments the pieces lack, which counts as said now.

        Empty where they are whole, as one value may be written in many ways, and where the whole
        does not begin with them, which nothing can put right.
        """
        said, check = self._open.get(key, (None, None))
        if said is None or check is None:
            rest: str | None = whole
        else:
            rest = "" if check.whole else said.rest_of(whole)
        self.add(key, rest or "")
        return rest or ""

    def close(self, key: str) -> bool:
        """Forget a call; were its arguments whole?"""
        _, check = self._open.pop(key, (None, None))
        return check is None or check.whole
