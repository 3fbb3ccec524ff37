"""What makes a request one that is not sent again: that the service took it, or that it may have.

A retry is free only while nothing has happened. A service that named a place, an answer or a run,
or said anything of the answer, has begun; asked once more it would begin a second time. And where
a request does something, as calling a tool, even silence is no proof that nothing was done. Not
decided here: what is done then (`tokenwire.resume.plan`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec

from tokenwire.cursor import Cursor
from tokenwire.dialects import Dialect
from tokenwire.dialects.kit.payloads import UNREADABLE, is_list, is_mapping
from tokenwire.events import Error, Event, Heartbeat, Started, Unknown
from tokenwire.request import Request

# With these a service says that it did not take a request: it was too busy to.
NOT_TAKEN: Final = frozenset({429, 503})

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110, section 9.2.1


class Taken:
    """Whether the service took the request, and by what that is known.

    Args:
        sign: What showed it before, in another process; empty: nothing did.

    Attributes:
        shown: Something shows it.
    """

    __slots__ = ("_by", "_what", "shown")

    _by: object

    def __init__(self, sign: str = "") -> None:
        self.shown = bool(sign)
        # Words to be made of what showed it: an idle session need not hold them.
        self._what, self._by = "{}", sign

    def __bool__(self) -> bool:
        return self.shown

    @property
    def sign(self) -> str:
        """What shows it, for people; empty as long as nothing does."""
        return self._what.format(self._by)

    def _show(self, what: str, by: object) -> None:
        if not self.shown:
            self.shown, self._what, self._by = True, what, by

    def head(self, names: tuple[str, ...], request: Request, headers: Mapping[str, str]) -> None:
        """A response of success came; a name that the request had already is no news.

        Args:
            names: The dialect's `Resumption.naming_headers`.
            request: What was sent.
            headers: Of the response, names in lower case.
        """
        for name in names:
            value = headers.get(name)
            if value and value != request.header(name):
                self._show("its header {0[0]} named {0[1]!r:.80}", (name, value))

    def place(self, cursor: Cursor) -> None:
        """The stream named a place."""
        self._show("it named {0.kind} {0.value!r:.80}", cursor)

    def event(self, event: Event) -> None:
        """An event came; a heartbeat, or a frame that says nothing, is of no answer."""
        if isinstance(event, Heartbeat):
            return
        frame = event.frame
        if isinstance(event, Error | Unknown) and (frame is None or frame.data is None):
            return
        if isinstance(event, Started) and event.id:
            self._show("it named its answer {!r:.80}", event.id)
        else:
            self._show("it sent {.__name__}", type(event))


def has_effects(request: Request, dialect: Dialect) -> bool:
    """Does this request do something that a second one would do again? By the dialect's data."""
    if request.method in _SAFE:
        return False
    return any(fulfils(request, rule) for rule in dialect.effects)


def is_kept(request: Request, conditions: tuple[str, ...]) -> bool:
    """Does this request ask for an answer that is kept? By `Resumption.kept_if`."""
    return request.method in _SAFE or fulfils(request, conditions)


def fulfils(request: Request, conditions: tuple[str, ...]) -> bool:
    """Do all of these hold for the request, or for one message of its batch?"""
    try:
        body: Any = msgspec.json.decode(request.body or b"")
    except UNREADABLE:
        body = None
    documents = body if is_list(body) else [body]
    return any(
        all(_holds(condition, request, document) for condition in conditions)
        for document in documents or [None]
    )


def _holds(condition: str, request: Request, document: Any) -> bool:
    path, equals, pattern = condition.partition("=")
    if path == "@path":
        return fnmatchcase(request.path, pattern)
    for value in _at(document, path.split(".")):
        if not equals:
            if value:
                return True
        elif fnmatchcase(value if isinstance(value, str) else _json(value), pattern):
            return True
    return False


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _at(document: Any, path: list[str]) -> Iterator[Any]:
    if not path:
        yield document
        return
    name, *rest = path
    if is_mapping(document) and name in document:
        yield from _at(document[name], rest)
    elif name == "*" and is_list(document):
        for member in document:
            yield from _at(member, rest)


def may_be_repeated(error: Error | None, *, sent: bool) -> bool:
    """Of a request with effects: is it known that nothing was done?

    Args:
        error: What came instead of an answer; None: the caller asked for another connection.
        sent: The request may have reached the service.
    """
    return not sent or (error is not None and error.status in NOT_TAKEN)
