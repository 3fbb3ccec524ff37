"""Where to cut a body inside its last event: what came before must not pass for the whole."""

from __future__ import annotations

from collections.abc import Iterator

from tokenwire.dialects import Dialect
from tokenwire.dialects.kit.payloads import is_done_sentinel
from tokenwire.errors import FramingError
from tokenwire.frame import Frame
from tokenwire.framing.awsevents import AWSEventsFramer
from tokenwire.limits import DEFAULT_LIMITS


def frames_of(dialect: Dialect, body: bytes, *, eof: bool = True) -> list[Frame]:
    """The frames that a dialect's framer finds in a body, up to where it gives up."""
    framer = dialect.framer(DEFAULT_LIMITS)
    try:
        framer.receive_data(body)
        if eof:
            framer.receive_eof()
    except FramingError:
        pass
    return [frame for frame in framer.frames if frame.data is not None]


def cuts_in_last_event(
    dialect: Dialect, body: bytes, done: Frame | None = None, *, several: int = 8
) -> Iterator[int]:
    """Places inside the last event with data, evenly spread: after its begin, before its end.

    After the last character of its data nothing is missing but line ends, so they are no place.

    Args:
        dialect: How the body is framed.
        body: All of it.
        done: The frame that completed the answer, where it was not the end of the body: what
            stands after it does not matter.
        several: How many places, if there are that many.
    """
    frames = frames_of(dialect, body)
    if not frames or not body:
        return
    if done in frames:
        number = frames.index(done) + 1
        if number < len(frames):
            body, frames = body[: _end_of(dialect, body, number)], frames[:number]
    start = _end_of(dialect, body, len(frames) - 1)
    binary = isinstance(dialect.framer(DEFAULT_LIMITS), AWSEventsFramer)
    data = frames[-1].data or b""
    last = b"]" if is_done_sentinel(data) else data.rstrip()[-1:]  # it may stand in quotes
    end = len(body) - 1 if binary or not last else body.rfind(last)
    # Of a line that has only begun nothing is known: it may be any field, or a comment.
    start += 0 if binary else _lead(body[start:])
    places = range(start + 1, end + 1)
    count = min(several, len(places))
    for number in range(count):
        yield places[number * (len(places) - 1) // max(1, count - 1)]


def _end_of(dialect: Dialect, body: bytes, count: int) -> int:
    """Bytes in which the first ``count`` frames are whole: the fewest."""
    low, high = 0, len(body) if count else 0
    while low < high:
        middle = (low + high) // 2
        if middle and len(frames_of(dialect, body[:middle], eof=False)) >= count:
            high = middle
        else:
            low = middle + 1
    return low


def _lead(tail: bytes) -> int:
    """Bytes before the payload: blank lines, and the name of the first field."""
    blank = len(tail) - len(tail.lstrip())
    colon = tail.find(b":", blank)
    word = tail[blank:colon] if colon > 0 else b""
    return colon + 1 if word.isalpha() else blank
