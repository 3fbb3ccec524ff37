"""Which dialect is this? From a response's headers, its first bytes and its first events.

The order of trust: a header that only one dialect sends, then the format that the first bytes show
(`formats`), then the `Dialect.marks` that the first events bear (`marks`). What cannot be told
apart is not guessed: then there are candidates, and why each is one. Bytes are held until it is
decided, as many as one event may have at most.

What cannot be told: which of the services is speaking that speak openai-chat, and a stream whose
first event is an error that many could have sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Final

import msgspec

from tokenwire.dialects import Dialect, available_dialects, get_dialect, is_built_in
from tokenwire.dialects.formats import BOM, SHORT, Formats
from tokenwire.dialects.kit.errors import find_error
from tokenwire.dialects.kit.payloads import is_done_sentinel, is_list, is_mapping
from tokenwire.dialects.marks import Candidate, json_in, recognise, shown
from tokenwire.errors import FramingError, Recovery, UnknownDialectError
from tokenwire.events import Error
from tokenwire.frame import Frame
from tokenwire.framing import Framer
from tokenwire.framing.sse import SSEFramer
from tokenwire.limits import DEFAULT_LIMITS, Limits

# Events that are looked at before giving up. A stream's own kind shows in its first or second.
MAX_EVENTS: Final = 16

_BLANKS: Final = re.compile(rb"[ \t\r\n]*+")


class Detector:
    """Finds the dialect of one response. It does no I/O and reads nothing twice.

    Feed it with `receive_response`, if there is a head, then with `receive_data`, and with
    `receive_eof` if it is not decided by then.

    Args:
        limits: ``max_event_size`` bounds what is held.
        dialects: The ones to choose from; all that are available, unless given.

    Attributes:
        dialect: The one it is; None while that is not decided.
        why: What decided it.
        candidates: What it may be, where more than one fits.
        undecidable: All was seen that is looked at, and nothing fits, or too much.
    """

    __slots__ = (
        "_blanks",
        "_broken",
        "_dialects",
        "_first",
        "_fitting",
        "_framer",
        "_held",
        "_limits",
        "_looked_at",
        "_media_type",
        "_seen",
        "candidates",
        "dialect",
        "undecidable",
        "why",
    )

    def __init__(
        self, limits: Limits = DEFAULT_LIMITS, *, dialects: Iterable[Dialect] | None = None
    ) -> None:
        self._dialects = all_dialects() if dialects is None else tuple(dialects)
        self._limits = limits
        self._held = bytearray()
        self._blanks = 0  # bytes at the beginning that say nothing
        self._media_type = ""
        self._framer: Framer | None = None
        self._fitting: list[Dialect] = []  # by their format
        self._looked_at = 0  # bytes
        self._seen = 0  # events
        self._broken: FramingError | None = None
        self._first: Frame | None = None
        self.dialect: Dialect | None = None
        self.why = ""
        self.candidates: list[Candidate] = []
        self.undecidable = False

    @property
    def buffered(self) -> int:
        """Bytes held."""
        return len(self._held)

    def receive_response(self, headers: Mapping[str, str]) -> None:
        """The response's head: some dialects name themselves there."""
        named = {name.lower(): value for name, value in headers.items()}
        self._media_type = named.get("content-type", "").partition(";")[0].strip().lower()
        for dialect in self._dialects:
            for name, pattern in dialect.headers.items():
                if name in named and fnmatchcase(named[name], pattern):
                    self._decide(dialect, f"the response has {name}: {named[name]}")
                    return

    def receive_data(self, data: bytes) -> bytes:
        """Take a chunk; gives all bytes received so far once it is decided, nothing before."""
        self._held += data
        if self.dialect is None and not self.undecidable:
            self._look(data)
        return self._released()

    def receive_eof(self) -> bytes:
        """The body ended; gives all bytes received, if what came is enough to decide."""
        if self.dialect is None and not self.undecidable:
            self._look(b"", eof=True)
            self.undecidable = self.dialect is None
        return self._released()

    def _released(self) -> bytes:
        if self.dialect is None:
            return b""
        held = bytes(self._held)
        self._held.clear()
        return held

    def _decide(self, dialect: Dialect, why: str) -> None:
        self.dialect, self.why, self.candidates = dialect, why, []

    def _look(self, data: bytes, *, eof: bool = False) -> None:
        if self._framer is None:
            self._pass_blanks()
            head = bytes(self._held[self._blanks : self._blanks + SHORT])
            named = _formats_with(self._dialects).find(head, self._media_type, eof=eof)
            if self._blanks > self._limits.max_event_size:
                what = f"more than max_event_size = {self._limits.max_event_size} blank bytes came"
                self._broken = FramingError("limit", f"{what} before anything else")
                self.undecidable = True
                self._held.clear()
            if named is None or self.undecidable:
                return
            self._fitting = [one for one in self._dialects if one.format == named]
            if len(self._fitting) == 1 and not self._fitting[0].marks:
                self._decide(self._fitting[0], f"nothing else is written as {named}")
            if not self._fitting or self.dialect is not None:
                self.undecidable = self.dialect is None
                return
            self._framer = self._fitting[0].framer(self._limits)
            data = bytes(self._held)
        room = self._limits.max_event_size - self._looked_at
        self._looked_at += len(data)
        try:
            if data[:room]:
                self._framer.receive_data(data[:room])
            if eof:
                self._framer.receive_eof()
        except FramingError as error:
            self._broken = error
        for frame in self._framer.frames:
            if self.dialect is None and self._seen < MAX_EVENTS:
                self._weigh(frame)
        self._framer.frames.clear()
        enough = self._broken or len(data) > room or self._seen == MAX_EVENTS
        self.undecidable = bool(enough) and self.dialect is None

    def _pass_blanks(self) -> None:
        """Go on to the first byte that says something, from where it was looked for before."""
        if not self._blanks and self._held.startswith(BOM):
            self._blanks = len(BOM)
        found = _BLANKS.match(self._held, self._blanks)
        self._blanks = found.end() if found else self._blanks  # it always matches

    def _weigh(self, frame: Frame) -> None:
        data = (frame.data or b"").strip()
        # OpenRouter's comments, wrapped into data by a proxy, are no text of an answer.
        if not data or is_done_sentinel(data) or data.startswith(b":"):
            return
        self._seen += 1
        self._first = self._first or frame
        best = recognise(frame, self._fitting)
        if len(best) == 1:
            self._decide(get_fitting(self._fitting, best[0].name), best[0].why)
        elif best:
            self.candidates = best

    def error(self) -> Error:
        """What to tell where it is undecidable: the error that came, or what was seen instead."""
        held = bytes(self._held)
        # An error document may be printed over many lines, none of which is JSON by itself.
        first = json_in(self._first.data if self._first else None)
        found = find_error(first) or find_error(json_in(held))
        if found is not None:
            return found.event(self._first)
        if self.candidates:
            fitting = "; ".join(f"{one.name}: {one.why}" for one in self.candidates)
            message = f"it cannot be told which dialect this is, so name it. It may be {fitting}"
            return Error("malformed", message, frame=self._first)
        if self._broken is not None:
            return Error(
                "limit" if self._broken.kind == "limit" else "malformed", str(self._broken)
            )
        if not held.strip():
            return Error("truncated", "the body ended before any event", recovery=Recovery.RETRY)
        message = (
            "no dialect is known that begins like this, so name it if it is a stream:"
            f" {shown(held[:SHORT])}"
        )
        return Error("malformed", message, frame=self._first)


@cache
def all_dialects() -> tuple[Dialect, ...]:
    """All dialects that can be had; an installed package's broken one is left out."""
    found: list[Dialect] = []
    for name in available_dialects():
        try:
            found.append(get_dialect(name))
        except (UnknownDialectError, ImportError, TypeError, AttributeError):
            continue
    return tuple(found)


@cache
def known_formats() -> Formats:
    """The formats of all dialects that can be had."""
    built_in = [one for one in all_dialects() if is_built_in(one.name)]
    return Formats(built_in, [one for one in all_dialects() if one not in built_in])


def _formats_with(dialects: tuple[Dialect, ...]) -> Formats:
    known = known_formats()
    return known if dialects is all_dialects() else known.with_others(dialects)


def get_fitting(dialects: Iterable[Dialect], name: str) -> Dialect:
    """The one of this name."""
    return next(one for one in dialects if one.name == name)


AUTO: Final = Dialect(
    name="auto",
    framer=SSEFramer,
    decoder=lambda: lambda frame: (),
    media_types=("*/*",),
    terminator="what the dialect ends with",
)
"""Stands in a parser until the dialect is found; nothing is ever read with it."""


def seen_instead(frame: Frame, expected: Dialect) -> str:
    """What came where a dialect's events were expected, and whose events it looks like.

    Only JSON shows whose it is: a text may be anything, mostly an error.
    """
    said = frame.data or frame.other
    document = json_in(said)
    names: list[str] = []
    if is_mapping(document) or is_list(document):
        fitting = recognise(msgspec.structs.replace(frame, data=said), all_dialects())
        names = [one.name for one in fitting if one.name != expected.name]
    looks = f"; it looks like {' or '.join(names)}" if names else ""
    if frame.other and is_mapping(document):
        looks += "; it is one JSON document: was a stream asked for?"
    return f"; it began with {shown(said)}{looks}"
