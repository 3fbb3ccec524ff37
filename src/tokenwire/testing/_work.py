"""Counts work, the same on every run: no clock."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

_SIZED = (bytes, bytearray, str)


def count_work(run: Callable[[], object]) -> int:
    """The work that Python code does in a call: what it executes, looks through and builds.

    Counted are

    - each line that is executed, and each call of a function written in C;
    - for a method of bytes, bytearray or str, the length of what it was called on: so
      ``buffer.find`` costs the whole buffer;
    - for an attribute of ``self`` that a method has bound to new bytes or another str, its length:
      so ``self._text += piece`` costs the whole text.

    Not seen are operators on local values (``in``, slices, ``+``), and what a C function does with
    its arguments: they show only where they are repeated line by line. Tracers that are set, as a
    debugger's, rest meanwhile.
    """
    counter = _Counter()
    tracer, profiler = sys.gettrace(), sys.getprofile()
    sys.setprofile(counter.profile)
    sys.settrace(counter.trace)
    try:
        run()
    finally:
        sys.settrace(tracer)
        sys.setprofile(profiler if callable(profiler) else None)  # cProfile cannot go on
    return counter.work


class _Counter:
    def __init__(self) -> None:
        self.work = 0
        self._names: dict[type, tuple[str, ...]] = {}
        self._seen: dict[tuple[int, str], tuple[object, int]] = {}

    def profile(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "c_call":
            self.work += 1
            owner = getattr(arg, "__self__", None)
            if isinstance(owner, _SIZED):
                self.work += len(owner)

    def trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        return self._trace_lines

    def _trace_lines(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line":
            self.work += 1
        elif event == "return" and frame.f_code.co_varnames[:1] == ("self",):
            self._count_bound(frame.f_locals.get("self"))
        return self._trace_lines

    def _count_bound(self, owner: object) -> None:
        """What the attributes were bound to since this was last looked at."""
        for name in self._names_of(owner):
            value = getattr(owner, name, None)
            if not isinstance(value, _SIZED):
                continue
            place = (id(owner), name)
            before, size = self._seen.get(place, (None, 0))
            if value is not before:
                self.work += len(value)
            elif len(value) > size:  # a bytearray that grew
                self.work += len(value) - size
            self._seen[place] = (value, len(value))

    def _names_of(self, owner: object) -> tuple[str, ...]:
        kind = type(owner)
        if kind not in self._names:
            slots = [name for one in kind.__mro__ for name in _slots(one)]
            self._names[kind] = tuple(slots)
        return (*self._names[kind], *getattr(owner, "__dict__", ()))


def _slots(kind: type) -> tuple[str, ...]:
    slots = kind.__dict__.get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return tuple(name for name in names if name not in ("__dict__", "__weakref__"))
