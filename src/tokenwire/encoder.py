"""`StreamEncoder`: events in, bytes out; the parser's mirror, under the same state table."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Final, Literal, TypeAlias

from tokenwire.dialects import Dialect, EventEncoder, get_dialect
from tokenwire.errors import LocalProtocolError
from tokenwire.events import Done, Error, Event, Reset, ToolCall
from tokenwire.frame import Frame
from tokenwire.limits import Limits
from tokenwire.state import State, input_of, next_state

Unsayable: TypeAlias = Literal["raise", "skip"]


class StreamEncoder:
    """Writes one response body. It does no I/O: send events, pass on the bytes.

    Parsing what was encoded gives the same events, as far as the dialect can say them: what it has
    no field for (a block number, say) is left out, what it has no words for is refused.

    Args:
        dialect: A `Dialect` with an encoder, or the name of one.
        unsayable: What to do with an event that the dialect has no words for: ``"raise"``, or
            ``"skip"`` it, with all of a call that begins so. Never skipped is what would make the
            rest wrong: `Done`, a fatal `Error` and `Reset`.

    Raises:
        UnknownDialectError: No dialect has this name.
        LocalProtocolError: The dialect is only read.
        ValueError: ``unsayable`` is another word.
    """

    __slots__ = ("_encode_event", "_encode_frame", "_skipped", "_skips", "_state", "dialect")

    def __init__(self, dialect: Dialect | str, *, unsayable: Unsayable = "raise") -> None:
        if unsayable not in ("raise", "skip"):
            raise ValueError(f'unsayable must be "raise" or "skip", not {unsayable!r}')
        self.dialect: Final = get_dialect(dialect) if isinstance(dialect, str) else dialect
        if self.dialect.encoder is None:
            raise LocalProtocolError(f"the dialect {self.dialect.name} has no encoder")
        self._encode_event = self.dialect.encoder()
        self._encode_frame = self.dialect.framer(Limits()).encode
        self._skips = unsayable == "skip"
        self._skipped: set[str] = set()  # keys of the calls that are left out
        self._state = State.IDLE

    @property
    def state(self) -> State:
        """Where the stream stands; see `tokenwire.state`."""
        return self._state

    def send(self, event: Event) -> bytes:
        """The bytes of one event; send them before the next one. None, where it is skipped.

        After `Done` or a fatal `Error` nothing may follow: end the body.

        Raises:
            LocalProtocolError: The event is not legal here, or the dialect cannot say it. The
                encoder stays as it was.
        """
        if self._skips and self._is_left_out(event):
            return b""
        state = next_state(self._state, event)
        if state is None:
            raise LocalProtocolError(f"{event!r} cannot be sent in state {self._state}")
        try:
            sent = self._encoded(event, self._encode_event, self._encode_frame)
        except LocalProtocolError:
            if not self._skips or isinstance(event, Done | Reset) or _is_fatal(event):
                raise
            if isinstance(event, ToolCall):
                self._skipped.add(event.key)
            return b""
        self._state = state
        return sent

    def can_say(self, event: Event) -> bool:
        """Would `send` give the bytes of this event now? Nothing is sent by asking."""
        if next_state(self._state, event) is None or self._is_left_out(event):
            return False
        try:
            self._encoded(event, deepcopy(self._encode_event), deepcopy(self._encode_frame))
        except LocalProtocolError:
            return False
        return True

    def _is_left_out(self, event: Event) -> bool:
        """Has no wire words for it, or is it a piece of a call that was left out?"""
        if isinstance(event, ToolCall):
            return event.key in self._skipped
        return input_of(event) is None

    def _encoded(
        self, event: Event, encode: EventEncoder, encode_frame: Callable[[Frame], bytes]
    ) -> bytes:
        try:
            return b"".join(map(encode_frame, encode(event)))
        except UnicodeEncodeError as error:  # half a surrogate, where only whole text can stand
            raise LocalProtocolError(
                f"{self.dialect.name} has no way to say {event!r:.200}: {error}"
            ) from None


def _is_fatal(event: Event) -> bool:
    return isinstance(event, Error) and event.fatal
