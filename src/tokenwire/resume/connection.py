"""`Connection`: one connection of an answer: its request, its redirects, its body and its parser.

Decided here: which parser reads a body, in which pieces, and how the body ended. Not here: whether
there is another connection (`tokenwire.resume.decision`), what becomes of an event
(`tokenwire.resume.delivery`), and the clocks, for they run on over all connections
(`tokenwire.resume.deadlines`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tokenwire.cursor import Cursor
from tokenwire.dialects import Dialect
from tokenwire.events import Error, ErrorKind, Event, Recovery
from tokenwire.limits import Limits
from tokenwire.parser import StreamParser
from tokenwire.parser.resuming import resume_parser
from tokenwire.resume.delivery import Delivery
from tokenwire.resume.places import AnyPlace
from tokenwire.resume.plan import Plan
from tokenwire.resume.redirects import redirected

_Piece = tuple[bytes, Cursor | None]
_NO_PIECES: Final[list[_Piece]] = []  # never written to: idle sessions share it


class Connection:
    """From one request to the end of its body.

    Args:
        plan: What it was opened for.
        parser: What reads its body: see `connect`.
        retry: The reconnection time that a connection before this one asked for.

    Attributes:
        counted: The place to be in when all that the parser got is delivered; of services that
            count.
        pieces: What came and the parser has not got yet, the next one last.
        plan: What it was opened for.
        parser: What reads its body.
        request: What is sent: after a redirect another one.
        is_open: There is a response to be closed.
        is_over: The body ended, and what it left is still to be delivered.
        is_restarting: It was dropped by the caller's wish.
    """

    __slots__ = (
        "_loss",
        "_redirects",
        "_retry",
        "counted",
        "is_open",
        "is_over",
        "is_restarting",
        "parser",
        "pieces",
        "plan",
        "request",
    )

    def __init__(self, plan: Plan, parser: StreamParser, retry: int | None = None) -> None:
        self.plan = plan
        self.parser = parser
        self.request = plan.request
        self.is_open = self.is_over = self.is_restarting = False
        self._redirects = 0
        self.pieces = _NO_PIECES
        self.counted: Cursor | None = None
        self._loss: tuple[ErrorKind, str] | None = None
        self._retry = retry

    @property
    def retry(self) -> int | None:
        """What the stream asked for last, on whatever connection, in milliseconds."""
        asked = self.parser.retry
        return self._retry if asked is None else asked

    def redirect(self, status: int, headers: Mapping[str, str]) -> Error | None:
        """Go where this response leads; the next connection begins at the first address again."""
        named = {name.lower(): value for name, value in headers.items()}
        location = named.get("location", "")
        try:
            self.request = redirected(self.request, status, location, self._redirects)
        except ValueError as reason:
            message = f"the server answered {status}: {reason}"
            return Error("http", message, status=status, recovery=Recovery.FATAL)
        self._redirects += 1
        return None

    # --- its body ---

    def receive(self, pieces: Sequence[_Piece]) -> None:
        """These came, as the place cuts them."""
        self.pieces = [*reversed(pieces)]

    def read(self, place: AnyPlace) -> None:
        """Give the parser the next piece."""
        data, self.counted = self.pieces.pop()
        self.pieces = self.pieces or _NO_PIECES
        place.feed(self.counted)
        self.parser.receive_data(data)

    def take_counted(self) -> Cursor | None:
        """The place that is reached now that all is delivered, where the service counts it."""
        counted = self.counted
        if counted is None or self.parser.inside_frame or self.parser.buffered:
            return None
        self.counted = None
        return counted

    def end(self, kind: ErrorKind | None = None, reason: str = "") -> None:
        """The body is over; with a kind of error where it broke off."""
        self.is_over = True
        if kind is not None:
            self._loss = kind, reason

    def finish(self) -> list[Event]:
        """All that the body brought is delivered: what its end means, a terminal event last."""
        if self._loss is None:
            self.parser.receive_eof()
        else:
            kind, reason = self._loss
            self.parser.connection_lost(reason, kind=kind)
        return list(self.parser.events())


def connect(
    plan: Plan,
    dialect: Dialect,
    limits: Limits,
    delivery: Delivery,
    before: Connection | None = None,
) -> Connection:
    """The next connection, with the parser of its body.

    Args:
        plan: What it is opened for.
        dialect: How the answer is written.
        limits: Bounds on what the parser may hold.
        delivery: How far the answer was delivered.
        before: The connection before it.
    """
    place = delivery.place
    retry = before.retry if before is not None else None
    skip = place.was_delivered
    if plan.resumes:
        after = before.parser if before is not None and not delivery.needs_all else None
        cursor = place.cursor.value
        parser = resume_parser(dialect, limits=limits, after=after, cursor=cursor, skip=skip)
    elif place.admits:
        parser = resume_parser(dialect, limits=limits, after=None, skip=skip)
    else:
        parser = StreamParser(dialect, limits=limits)
    return Connection(plan, parser, retry)
