"""The parser of a connection that goes on with an answer: what came before is not said again.

Decided here: what becomes of frames that were delivered on a connection before, and what a decoder
keeps from one connection to the next. Not decided here: which frames those are, and what is asked
for (`tokenwire.resume`).

Nothing is read ahead there: any frame may be one of those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

from msgspec.structs import replace

from tokenwire.dialects import Decoder, Dialect
from tokenwire.events import Event
from tokenwire.frame import Frame
from tokenwire.limits import DEFAULT_LIMITS, Limits
from tokenwire.parser import SKIPPED, StreamParser
from tokenwire.parser.ending import receiver


def resume_parser(
    dialect: Dialect,
    *,
    limits: Limits = DEFAULT_LIMITS,
    after: StreamParser | None,
    cursor: str | int | None = None,
    skip: Callable[[Frame], bool],
) -> StreamParser:
    """The parser of a connection on which frames may come that were delivered before.

    Args:
        dialect: The dialect.
        limits: Bounds on what the stream may make it hold.
        after: The parser of the connection before: what its decoder knows of the answer is kept.
            None where none here saw it.
        cursor: The place to begin at, where it is not the beginning.
        skip: Says of a frame whether it was delivered: it gives no events then, and has no place.
    """
    parser = StreamParser(dialect, limits=limits)
    decoder = _decoder_of(parser if after is None else after)
    # An id stays in force over connections, until the service sends another.
    by_id = dialect.resumption is None or dialect.resumption.read is None
    id = cursor if by_id and isinstance(cursor, str) else None
    resumed = _Resumed(decoder, skip, id, rereads=after is None)
    parser._go_on(resumed, cursor)  # pyright: ignore[reportPrivateUsage]
    return parser


def _decoder_of(parser: StreamParser) -> Decoder:
    decoder = parser._decoder  # pyright: ignore[reportPrivateUsage]
    return decoder.decoder if isinstance(decoder, _Resumed) else decoder


class _Resumed:
    """The decoder of such a connection: the answer's, less what was delivered before.

    Args:
        decoder: The answer's.
        skip: Says of a frame whether it was delivered.
        id: The one in force; None where the dialect has no ids, or no event had one.
        rereads: The decoder has not seen what was delivered: it reads that too, and nobody hears.
    """

    __slots__ = ("_decode", "_id", "_rereads", "_skip", "decoder")

    def __init__(
        self,
        decoder: Decoder,
        skip: Callable[[Frame], bool],
        id: str | None,
        *,
        rereads: bool,
    ) -> None:
        self.decoder = decoder
        self._decode = receiver(decoder)
        self._skip = skip
        self._id = id
        self._rereads = rereads

    def __deepcopy__(self, memo: dict[int, Any]) -> _Resumed:
        # What says whether to skip belongs to the session.
        decoder = deepcopy(self.decoder, memo)
        return _Resumed(decoder, self._skip, self._id, rereads=self._rereads)

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        if self._skip(frame):
            if self._rereads:
                self._decode(frame)
            return SKIPPED
        if frame.id is None and self._id is not None:
            frame = replace(frame, id=self._id)
        return self._decode(frame)

    def receive_eof(self) -> Sequence[Event]:
        return () if callable(self.decoder) else self.decoder.receive_eof()

    def receive_loss(self) -> Sequence[Event]:
        return getattr(self.decoder, "receive_loss", self.receive_eof)()
