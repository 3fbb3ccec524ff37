"""What the end of a body means: whole, cut, broken off, or not to be read.

Decided here: what comes last when all frames are out, whether what the end left open counts, and
what becomes of `Done` where a piece may be missing. Not decided here: whether an answer is complete
(its decoder says so), what a response is that is no stream (`tokenwire.response`), and what is
legal when (`tokenwire.state`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Final, TypeGuard

from tokenwire.dialects import Decoder, Dialect
from tokenwire.dialects.kit.payloads import is_done_sentinel, is_json, malformed
from tokenwire.errors import FramingError, Recovery
from tokenwire.events import Done, Error, ErrorKind, Event, Unknown
from tokenwire.frame import Frame
from tokenwire.parser.intake import ENDED, Intake, is_object, read_without_data
from tokenwire.response import find_stray_error
from tokenwire.state import State

_SAYING_NOTHING: Final = frozenset({Unknown, Error})


class Ending:
    """What was noted that matters at the end. Most streams never need one before they end.

    Attributes:
        strange: The first frame that said nothing here: what came instead of an answer.
        unreadable: Of the first frame that may have held a piece of the answer and could not be
            read.
        broken: The body did not end but broke off: the kind of error, and the reason.
        rest: The frame that the end left open, until it is read.
        cut: That frame proves that more was to come.
        decoder: A copy of the stream's, if that frame was read by one.
    """

    __slots__ = ("broken", "cut", "decoder", "rest", "strange", "unreadable")

    def __init__(self) -> None:
        self.strange: Frame | None = None
        self.unreadable: Error | None = None
        self.broken: tuple[ErrorKind, str] | None = None
        self.rest: Frame | None = None
        self.cut = False
        self.decoder: Decoder | None = None

    def read_rest(self, frame: Frame, dialect: Dialect, decoder: Decoder) -> Sequence[Event]:
        """The events of the frame that the end left open; or it is `cut`."""
        self.rest = None
        if not _counts(frame, dialect):
            self.cut = True
            return ()
        if dialect.resumption is not None:
            # It may come again whole, to whoever goes on with the answer: a copy reads it here.
            try:
                self.decoder = decoder = deepcopy(decoder)
            except RecursionError:  # of what the peer has nested
                self.cut = True
                return ()
        decode = receiver(decoder)
        try:
            if frame.data is not None:
                return decode(frame)
            return read_without_data(frame, dialect, decode) or ()
        except RecursionError:
            return (too_deep(frame),)

    def last_events(self, intake: Intake, decoder: Decoder, state: State) -> Sequence[Event]:
        """What comes last, now that all frames are out; nothing if the stream has not ended."""
        if intake.failure is not None:
            return (intake.failure,)
        body = intake.body
        if body is not None:
            if intake.phase is not ENDED and not body.complete:
                return ()
            unseen = self.broken is not None and body.undecided
            return (self._cut_off(intake.dialect, state) if unseen else body.error(),)
        if intake.phase is not ENDED:
            return ()
        said = self._judgement(self.decoder or decoder)
        if self.cut:  # whatever the decoder believed before
            said = [event for event in said if not isinstance(event, Done)]
        if any(isinstance(event, Done | Error) for event in said):
            return said
        return (*said, self._cut_off(intake.dialect, state))

    def _judgement(self, decoder: Decoder) -> Sequence[Event]:
        """What the decoder says at the end of the body, or where it broke off."""
        if callable(decoder):
            return ()
        # It may know better than to believe the end of a body that broke off.
        judge = decoder.receive_eof
        return judge() if self.broken is None else getattr(decoder, "receive_loss", judge)()

    def _cut_off(self, dialect: Dialect, state: State) -> Error:
        kind: ErrorKind = "truncated"
        what = "the body ended"
        if self.broken is not None:
            kind, reason = self.broken
            if kind == "malformed":  # as the body of another response would be
                return Error(kind, f"the body cannot be read: {reason}")
            what = f"the connection failed with {reason}"
        if self.cut:
            what += " inside an event,"
        if state is State.IDLE:
            message = f"{what} before any event of {dialect.name} came{self._seen_instead(dialect)}"
            return Error(kind, message, recovery=Recovery.RETRY)
        message = f"the answer was cut off: {what} before {dialect.terminator}"
        return Error(kind, message, recovery=Recovery.RESUME)

    def _seen_instead(self, dialect: Dialect) -> str:
        if self.strange is None:
            return ""
        from tokenwire.dialects.detect import seen_instead  # it loads every dialect

        return seen_instead(self.strange, dialect)


NOTHING_NOTED: Final = Ending()
"""Never written to: all parsers share it whose streams have nothing to note."""


def receiver(decoder: Decoder) -> Callable[[Frame], Sequence[Event]]:
    """What takes frames to a decoder."""
    return decoder if callable(decoder) else decoder.receive_frame


def too_deep(frame: Frame) -> Error:
    """Of a frame that could just be read, and not be looked at."""
    return malformed(frame, "it is nested too deeply")


def _counts(frame: Frame, dialect: Dialect) -> bool:
    """Does the frame that the end left open count? If whole: JSON, the sentinel, or an error."""
    if frame.data is not None:
        return is_done_sentinel(frame.data) or is_json(frame.data)
    return not dialect.strict and (
        is_object(frame.other) or find_stray_error(frame.other) is not None
    )


def failure_of(error: FramingError) -> Error:
    """The end of a stream whose bytes break the format or a limit."""
    return Error("limit" if error.kind == "limit" else "malformed", str(error))


def piece_lost(unreadable: Error, dialect: Dialect) -> Error:
    """Stands in the place of `Done` where a frame, which may have held a piece, was lost."""
    return Error(
        "malformed",
        f"the answer ended, but a piece of it may be missing: {unreadable.message}",
        recovery=Recovery.RETRY if dialect.resumption is None else Recovery.RESUME,
        frame=unreadable.frame,
    )


def is_unreadable(event: Event | None) -> TypeGuard[Error]:
    """Does it tell of a frame that may have held a piece of the answer?"""
    # An `isinstance` that fails costs four times as much.
    return type(event) is Error and event.kind == "malformed" and not event.fatal


def says_nothing(events: Sequence[Event]) -> bool:
    """Is this no sign of an answer of the dialect?"""
    return all(type(event) in _SAYING_NOTHING for event in events)
