"""`Kind`: what a session does otherwise for an event source than for an answer.

Decided here: all in which the two differ, but for their places (`tokenwire.resume.places`): an
answer comes to an end and is wanted whole; an event source has none, and is asked as a browser
asks it. Not here: what follows from it.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from tokenwire.cursor import Cursor
from tokenwire.dialects import Dialect
from tokenwire.events import ErrorKind
from tokenwire.request import Request
from tokenwire.resume.backoff import RetryPolicy
from tokenwire.resume.checkpoint import Checkpoint
from tokenwire.resume.cursor import start_of
from tokenwire.resume.deadlines import Deadlines
from tokenwire.resume.plan import is_live
from tokenwire.resume.redirects import REDIRECTS


class Kind(Struct, frozen=True):
    """What the peer is to a session.

    Attributes:
        retry: When to try again, if the caller does not say.
        deadlines: How long to wait for what, if the caller does not say.
        final: Errors after which it is not asked again, unless the caller says when.
        redirects: Statuses whose ``Location`` is asked instead. Else that is the client's affair.
        last_id_header: In it the caller may say where to begin, as if that had been delivered.
        announced: Each connection that opens is reported with `Opened`.
        may_close: It closes a connection when it likes. Such an end is no failure of the service,
            and no time is too long to be asked again after.
    """

    retry: RetryPolicy = RetryPolicy()
    deadlines: Deadlines = Deadlines()
    final: frozenset[ErrorKind] = frozenset()
    redirects: frozenset[int] = frozenset()
    last_id_header: str | None = None
    announced: bool = False
    may_close: bool = False

    def beginning(self, request: Request, dialect: Dialect) -> Checkpoint | None:
        """Where the request says that it begins; None: at the beginning."""
        value = request.header(self.last_id_header) if self.last_id_header else None
        if not value:
            return None
        cursor = Cursor(start_of(dialect.resumption).kind, value)
        return Checkpoint(dialect=dialect.name, request="", cursor=cursor, begun=True)


ANSWER: Final = Kind()

SOURCE: Final = Kind(
    # It is asked again for as long as somebody listens, and may have nothing to say for hours. Only
    # a connection that is dead must be found out.
    retry=RetryPolicy(max_attempts=None),
    deadlines=Deadlines(first_token=None, progress=None),
    # WHATWG HTML, 9.2.2: one that answers with no stream is not asked again.
    final=frozenset({"http"}),
    redirects=REDIRECTS,
    last_id_header="Last-Event-ID",
    announced=True,
    may_close=True,
)


def kind_of(dialect: Dialect | str) -> Kind:
    """What a peer with this dialect is."""
    return SOURCE if is_live(dialect) else ANSWER
