"""`Planner`: what to send next, so that an answer goes on.

Decided here: which of the strategies is tried, and what each of them asks. Not here: whether and
when it is asked (`tokenwire.resume.decision`), nor the words with which a model is asked to go on
(`tokenwire.resume.continuation`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tokenwire.completion import Completion
from tokenwire.cursor import Cursor
from tokenwire.dialects import Dialect, get_dialect
from tokenwire.errors import LocalProtocolError, Recovery
from tokenwire.events import Error, ErrorKind
from tokenwire.request import Known, Request
from tokenwire.resume.backoff import NO_CONTENT
from tokenwire.resume.cursor import LONGEST
from tokenwire.resume.taken import Taken, has_effects, is_kept, may_be_repeated

if TYPE_CHECKING:
    from tokenwire.resume.continuation import Continuation

Strategy: TypeAlias = Literal["last_event_id", "cursor", "replay", "continuation"]

# RFC 9110, section 5.5: what no header's value holds; h11 refuses to send it.
_is_unsendable: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search

# After these the answer may go on after its cursor: the service said nothing against it.
BROKEN: Final[frozenset[ErrorKind]] = frozenset({"truncated", "transport", "timeout", "http"})


def is_live(dialect: Dialect | str) -> bool:
    """Is this an event source, which goes on with what comes next and has no end?"""
    found = get_dialect(dialect) if isinstance(dialect, str) else dialect
    return found.is_live


class Plan(Struct):
    """How to go on.

    Attributes:
        method: For people, and for `Reconnecting`: ``retry`` or a strategy.
        request: What to send.
        resumes: The answer goes on after its cursor; else it is asked for anew.
        continuation: The model is asked to go on from the text.
    """

    method: str
    request: Request
    resumes: bool = False
    continuation: Continuation | None = None


class Planner:
    """Knows what may be tried for one answer, and what the service refused.

    Args:
        request: What asked for the answer.
        dialect: How the answer is written.
        strategies: What may be done, in this order. ``None``: what the API offers.
        repeatable: The request may be sent again as long as nothing shows that the service took
            it. ``None``: unless it has effects, by the dialect's data.

    Raises:
        ValueError: The dialect cannot do a strategy.

    Attributes:
        repeatable: The same, decided.
        strategies: What may be done.
        why_none: Why the last strategy that was tried could not be used; empty if it could.
    """

    __slots__ = ("_dialect", "_request", "_spent", "repeatable", "strategies", "why_none")

    def __init__(
        self,
        request: Request,
        dialect: Dialect,
        strategies: Sequence[Strategy] | None,
        *,
        repeatable: bool | None = None,
    ) -> None:
        self.strategies: Final = _possible(dialect, strategies)
        self.repeatable: Final = (
            not has_effects(request, dialect) if repeatable is None else repeatable
        )
        self.why_none = ""
        self._request = _with_defaults(request, dialect)
        self._dialect = dialect
        self._spent: tuple[str, ...] = ()

    def anew(self) -> Plan:
        """Ask as at first."""
        return Plan("retry", self._request)

    def again(self, error: Error | None, *, sent: bool) -> Plan | None:
        """How to ask again where nothing shows that the service took the request.

        Args:
            error: What came instead; ``None``: the caller wants another connection.
            sent: The request may have reached the service.
        """
        self.why_none = ""
        is_final = error is not None and error.recovery is Recovery.FATAL  # whoever sends it
        if self.repeatable or is_final or may_be_repeated(error, sent=sent):
            return self.anew()
        if "replay" in self.strategies:
            return Plan("replay", self._request)
        self.why_none = (
            "it is not known whether the service took the request, and what it does would be done"
            " twice, so it is not sent again; repeatable=True would allow that"
        )
        return None

    def refused(self, plan: Plan, error: Error) -> None:
        """Remember that the service does not want to be asked so, if that is what it said."""
        # A 204 refuses nothing: it says that there is no more, whatever the way.
        if (
            plan.resumes
            and error.kind == "http"
            and error.status != NO_CONTENT
            and error.recovery is Recovery.FATAL
        ):
            self._spent += (plan.method,)

    def go_on(
        self,
        error: Error | None,
        cursor: Cursor,
        known: Known,
        answer: Completion | None,
        *,
        needs_all: bool,
        blank: bool = False,
    ) -> Plan | None:
        """How to go on with an answer that the service has begun.

        Args:
            error: What broke the connection; ``None``: the process that had it ended.
            cursor: Up to where the answer was delivered.
            known: What the answer said of itself.
            answer: All of it that was delivered, where ``continuation`` may be needed.
            needs_all: All of it has to come again, where the service can be asked for that: no
                decoder here has seen it.
            blank: Nothing of it was delivered, so that it may come from its beginning.
        """
        self.why_none = ""
        for strategy in self.strategies:
            if strategy in self._spent:
                continue
            plan: Plan | None = None
            if strategy == "replay":
                plan = Plan("replay", self._request)
            elif strategy == "continuation":
                assert answer is not None
                plan = self._continuation(answer)
            elif error is None or error.kind in BROKEN:
                request = self._after(cursor, known, needs_all=needs_all, blank=blank)
                plan = Plan(strategy, request, resumes=True) if request is not None else None
            if plan is not None:
                return plan
        return None

    def why_not(self, cursor: Cursor, taken: Taken, *, is_ambiguous: bool = False) -> str:
        """Why an answer that the service has begun cannot be gone on with after this cursor."""
        resumption = self._dialect.resumption
        if resumption is None:
            why = f"{self._dialect.name} has no way to resume"
        elif is_ambiguous:
            why = f"the service gave the name {cursor.value!r:.80} to several places"
        elif cursor.value not in (None, ""):
            why = "the service keeps no answer to such a request"
        else:
            why = f"there is no cursor for {resumption.field}"
        return (
            f"{why}, and no other way was allowed: the service took the request, for {taken.sign},"
            ' so it is not sent again; strategies=["replay"] would allow to ask for another answer'
        )

    def _after(
        self, cursor: Cursor, known: Known, *, needs_all: bool, blank: bool
    ) -> Request | None:
        resumption = self._dialect.resumption
        assert resumption is not None  # else no such strategy is allowed
        # An empty id names no place: only an event source goes on with what comes next.
        is_nowhere = cursor.value in (None, "") and not resumption.live
        if is_nowhere and not (blank and resumption.beginning is not None):
            return None
        if is_nowhere and not is_kept(self._request, resumption.kept_if):
            return None
        if (needs_all or is_nowhere) and resumption.beginning is not None:
            cursor = replace(cursor, value=resumption.beginning)
        if resumption.reconnect is not None:
            return resumption.reconnect(self._request, cursor, known)
        if cursor.value is None:
            return self._request
        id = str(cursor.value).strip(" \t")  # as on the wire: what stands around it is not of it
        if _is_unsendable(id) or len(id) > LONGEST:
            if not resumption.live:
                self.why_none = "the last id cannot be sent: it holds control characters"
                return None
            id = ""  # a server would refuse the request, and the source would end
        return self._request.with_header("Last-Event-ID", id or None)

    def _continuation(self, answer: Completion) -> Plan | None:
        """Ask the model to go on from what was delivered, if that can be asked."""
        # Late, for it knows the requests of all services, and few sessions ask for it.
        from tokenwire.resume.continuation import continue_request

        self.why_none = ""
        try:
            found = continue_request(self._dialect.name, self._request.fields, answer)
        except LocalProtocolError as error:
            self.why_none = str(error)
            return None
        if found.left == 0:
            self.why_none = "the request allows no more output tokens"
            return None
        request = replace(self._request, body=msgspec.json.encode(found.body))
        request = request.with_header("Content-Length", None)  # it was that of the old body
        if found.path:
            request = request.with_path(found.path + request.path.removeprefix("/v1"))
        return Plan("continuation", request, continuation=found)


def _possible(dialect: Dialect, asked: Sequence[Strategy] | None) -> tuple[Strategy, ...]:
    own = dialect.resumption.method if dialect.resumption is not None else None
    if asked is None:
        return (own,) if own is not None else ()
    if isinstance(asked, str):
        raise TypeError(f"strategies must be a sequence, as [{asked!r}], not a str")
    for strategy in asked:
        if strategy not in ("replay", "continuation", own):
            can = "replay, continuation" + (f", {own}" if own else "")
            raise ValueError(f"{dialect.name} cannot be resumed by {strategy!r}; it can by: {can}")
    return tuple(asked)


def _with_defaults(request: Request, dialect: Dialect) -> Request:
    """What an event source sends unless told otherwise: WHATWG HTML, 9.2.3."""
    if is_live(dialect):
        request = request.with_header("Last-Event-ID", None)  # the session's cursor has it
    if not dialect.strict:
        return request
    for name, value in (("Accept", dialect.media_types[0]), ("Cache-Control", "no-cache")):
        if request.header(name) is None:
            request = request.with_header(name, value)
    return request
