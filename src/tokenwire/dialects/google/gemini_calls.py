"""The function calls of Gemini's candidates: which one a part belongs to, and when it is complete.

Calls have no index and mostly no id, so they come one after the other: a call is whole as it
comes, or open while its arguments follow in patches, which `gemini_arguments` applies. Two kinds of
services break that: some send a call with an id but without arguments first and once more with
them, so that such a call is pending until something else comes; some repeat a whole call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from msgspec import UNSET

from tokenwire.dialects.google.gemini_arguments import PatchedArguments
from tokenwire.dialects.google.gemini_wire import FunctionCallWire, PartialArgWire, PartWire
from tokenwire.dialects.kit.payloads import MAX_INDEX, is_mapping, json_text, malformed
from tokenwire.events import Data, Error, Event, Reasoning, ToolCall
from tokenwire.frame import Frame

# What the patched arguments of one stream may take together: far beyond the 64 thousand tokens
# that a model can write, and a bound for a hostile server.
MAX_PATCHED: Final = 4 * 1024 * 1024

NO_CALL: Final = (None, FunctionCallWire())
"""What says nothing of a call; the latter ends one."""

_Signature: TypeAlias = tuple[str | None, dict[str, int]]


class _OpenCall:
    """A call whose arguments come in patches."""

    __slots__ = ("arguments", "id", "key", "sound")

    def __init__(self, key: str, id: str | None) -> None:
        self.key = key
        self.id = id
        self.arguments = PatchedArguments()
        self.sound = True


class _PendingCall:
    """A call that came whole, with an id but without arguments: it may come again with them."""

    __slots__ = ("frame", "id", "key", "name", "signature")

    def __init__(self, key: str, call: FunctionCallWire, frame: Frame) -> None:
        self.key = key
        self.id = call.id
        self.name = call.name
        self.signature: str | None = None
        self.frame = frame

    def is_again(self, call: FunctionCallWire) -> bool:
        """Is this the same call once more?"""
        same = call.id == self.id and (not call.name or call.name == self.name)
        return same and not (call.partial_args or call.will_continue)


class CandidateCalls:
    """The calls of one candidate.

    Attributes:
        index: The candidate's.
        begun: How many there were.
        open: The one whose arguments come in patches.
        pending: The one that may come again with arguments.
        whole: Those that came whole, by id.
    """

    __slots__ = ("begun", "index", "open", "pending", "whole")

    def __init__(self, index: int) -> None:
        self.index = index
        self.begun = 0
        self.open: _OpenCall | None = None
        self.pending: _PendingCall | None = None
        self.whole: dict[str, _Signature] = {}


class Calls:
    """The calls of all candidates of a stream.

    Attributes:
        pending: How many candidates have a call that is pending.
    """

    __slots__ = ("_candidates", "_patched", "pending")

    def __init__(self) -> None:
        self._candidates: list[CandidateCalls] = []
        self._patched = 0
        self.pending = 0

    def of_candidate(self, index: int) -> CandidateCalls:
        """Room for the calls of one more candidate."""
        calls = CandidateCalls(index)
        self._candidates.append(calls)
        return calls

    def receive(
        self, call: FunctionCallWire, calls: CandidateCalls, frame: Frame, events: list[Event]
    ) -> None:
        """A part with a call, or with more of one."""
        pending = calls.pending
        if pending is not None and pending.is_again(call):
            if call.args:  # now it has them
                self._report_pending(calls, pending, call.args, events)
            return
        self.end_pending(events)
        if call.id and (before := calls.whole.get(call.id)) is not None:
            again = _signature(call.name or before[0], call.args)
            if again == before:
                return
            if again[0] == before[0] and before[1].items() <= again[1].items():
                # The same with further arguments: it cannot be taken back, nor run twice.
                value = {"id": call.id, "name": call.name, "args": call.args}
                events.append(Data("functionCall", value, calls.index, frame=frame))
                return
        open_call = calls.open
        if open_call is None or (call.name and not (call.id and call.id == open_call.id)):
            # Calls come one after the other, so what is open ends here: its end may be missing.
            self.close(calls, True, frame, events)
            if not (call.id or call.name or call.args or call.partial_args):
                return  # the end of a call that is closed already
            if calls.begun == MAX_INDEX:
                events.append(malformed(frame, f"there are more than {MAX_INDEX} tool calls"))
                return
            open_call = self._begin(call, calls, frame, events)
            if open_call is None:
                return
        self._receive_patches(call.partial_args or (), open_call, frame, events)
        if not call.will_continue:
            self.close(calls, True, frame, events)

    def receive_signature(self, signature: str, calls: CandidateCalls) -> bool:
        """The signature of a part; False where no pending call keeps it."""
        if calls.pending is None:
            return False
        calls.pending.signature = signature
        return True

    def end_pending(self, events: list[Event], *, but: CandidateCalls | None = None) -> None:
        """Something else follows the calls without arguments: these will not come any more."""
        for calls in self._candidates if self.pending else ():
            if calls.pending is not None and calls is not but:
                self._report_pending(calls, calls.pending, None, events)

    def close(
        self, calls: CandidateCalls, whole: bool, frame: Frame | None, events: list[Event]
    ) -> None:
        """The open call of a candidate ends, if there is one; complete unless it may be cut."""
        call = calls.open
        if call is not None:
            calls.open = None
            text = str(call.arguments)
            complete = whole and call.sound
            events.append(ToolCall(call.key, calls.index, None, None, text, complete, frame=frame))

    def _begin(
        self, call: FunctionCallWire, calls: CandidateCalls, frame: Frame, events: list[Event]
    ) -> _OpenCall | None:
        """A new call; None where it is whole."""
        key = f"{calls.index}:{calls.begun}"
        calls.begun += 1
        head = (key, calls.index, call.id or None, call.name or None)
        if call.partial_args or call.will_continue:
            if not call.args:
                events.append(ToolCall(*head, frame=frame))
                calls.open = _OpenCall(key, call.id)
                return calls.open
        elif call.id and not call.args:
            calls.pending = _PendingCall(key, call, frame)
            self.pending += 1
            return None
        events.append(ToolCall(*head, _arguments(call.args), True, frame=frame))
        if call.id:
            calls.whole[call.id] = _signature(call.name, call.args)
        return None

    def _report_pending(
        self, calls: CandidateCalls, call: _PendingCall, arguments: Any, events: list[Event]
    ) -> None:
        calls.pending, index, frame = None, calls.index, call.frame
        self.pending -= 1
        text = _arguments(arguments)
        events.append(ToolCall(call.key, index, call.id, call.name, text, True, frame=frame))
        calls.whole[call.id or ""] = _signature(call.name, arguments)
        if call.signature:
            events.append(Reasoning("", index, signature=call.signature, frame=frame))

    def _receive_patches(
        self,
        patches: Sequence[PartialArgWire],
        open_call: _OpenCall,
        frame: Frame,
        events: list[Event],
    ) -> None:
        for patch in patches:
            values = (patch.string_value, patch.number_value, patch.bool_value)
            value = next((one for one in values if one is not None), patch.null_value)
            if value is UNSET:
                continue  # a value is announced
            try:
                self._patched += open_call.arguments.put(patch.json_path, value)
            except ValueError as reason:
                open_call.sound = False
                events.append(malformed(frame, reason))
            if self._patched > MAX_PATCHED:
                message = f"patched arguments take more than {MAX_PATCHED} bytes"
                events.append(Error("limit", message, frame=frame))
                return


def keeps_pending(part: PartWire) -> bool:
    """May the pending call of its candidate still come again after this part?"""
    if part.function_call is not None:
        return True
    return not (part.text or part.has_data)


def _arguments(value: Any) -> str:
    return value if isinstance(value, str) else json_text(value or {})


def _signature(name: str | None, value: Any) -> _Signature:
    """What tells a call that came whole from another one of the same id."""
    arguments = value if is_mapping(value) else {"": value} if value else {}
    return name, {name: hash(json_text(one)) for name, one in arguments.items()}
