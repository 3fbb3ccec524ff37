"""`StreamEncoder`: events in, bytes out; the parser's mirror, under the same state table."""

from __future__ import annotations

from typing import Final

from tokenwire.dialects import Dialect, get_dialect
from tokenwire.errors import LocalProtocolError
from tokenwire.events import Event
from tokenwire.limits import Limits
from tokenwire.state import State, next_state


class StreamEncoder:
    """Writes one response body. It does no I/O: send events, pass on the bytes.

    Parsing what was encoded gives the same events, as far as the dialect can say them: what it has
    no field for (a block number, say) is left out, what it has no words for is refused.

    Args:
        dialect: A `Dialect` with an encoder, or the name of one.

    Raises:
        UnknownDialectError: No dialect has this name.
        LocalProtocolError: The dialect is only read.
    """

    __slots__ = ("_encode_event", "_encode_frame", "_state", "dialect")

    def __init__(self, dialect: Dialect | str) -> None:
        self.dialect: Final = get_dialect(dialect) if isinstance(dialect, str) else dialect
        if self.dialect.encoder is None:
            raise LocalProtocolError(f"the dialect {self.dialect.name} has no encoder")
        self._encode_event = self.dialect.encoder()
        self._encode_frame = self.dialect.framer(Limits()).encode
        self._state = State.IDLE

    @property
    def state(self) -> State:
        """Where the stream stands; see `tokenwire.state`."""
        return self._state

    def send(self, event: Event) -> bytes:
        """The bytes of one event; send them before the next one.

        After `Done` or a fatal `Error` nothing may follow: end the body.

        Raises:
            LocalProtocolError: The event is not legal here, or the dialect cannot say it. The
                encoder stays as it was.
        """
        state = next_state(self._state, event)
        if state is None:
            raise LocalProtocolError(f"{event!r} cannot be sent in state {self._state}")
        try:
            sent = b"".join(map(self._encode_frame, self._encode_event(event)))
        except UnicodeEncodeError as error:  # half a surrogate, where only whole text can stand
            raise LocalProtocolError(
                f"{self.dialect.name} has no way to say {event!r:.200}: {error}"
            ) from None
        self._state = state
        return sent
