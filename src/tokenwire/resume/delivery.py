"""`Delivery`: the way of one event to the application, and what is known of the answer after it.

Decided here: what of an event is new. It goes through the place (is it one that came before?), the
tail (was it delivered after the last place?) and the join (a replay or a continuation, which has to
meet what was delivered); what comes out is handed out, and only what was handed out counts. Not
here: what is done where an event does not belong to the answer, or is its last one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from tokenwire.completion import Completion
from tokenwire.dialects import Resumption
from tokenwire.events import Done, Event, Reason, Started, Token
from tokenwire.parser import StreamParser
from tokenwire.request import Known, Request
from tokenwire.resume.checkpoint import Checkpoint
from tokenwire.resume.places import place_of
from tokenwire.resume.plan import Plan
from tokenwire.resume.replay import Channel, Digest, Replay, Said
from tokenwire.resume.tail import says_something
from tokenwire.resume.taken import Taken

if TYPE_CHECKING:
    from tokenwire.resume.continued import Continued
    from tokenwire.resume.seam import Policy

_NOTHING_KNOWN: Final = Known()


class Delivery:
    """How far an answer was delivered, over all its connections.

    Args:
        resumption: How the dialect's API resumes.
        checkpoint: Where the answer stands.
        answer: What was delivered before, where the whole text may be needed.
        seam: What a continuation does at a seam that is doubtful.
        drop_repeated: Of an event source: leave out what it repeats.

    Raises:
        CheckpointError: The checkpoint is of another dialect.

    Attributes:
        answer: All that was delivered, where the whole text may be needed.
        done: Why the answer ended, once its `Done` was delivered.
        known: What the answer said of itself.
        needs_all: No decoder here has seen what was delivered, or could see it twice: the next
            connection has to bring all of the answer, where the service can be asked for that.
        place: The place after what was delivered.
        taken: Whether the service took the request.
    """

    __slots__ = (
        "_digest",
        "_join",
        "_part",
        "_resumption",
        "_seam",
        "answer",
        "done",
        "known",
        "needs_all",
        "place",
        "taken",
    )

    def __init__(
        self,
        resumption: Resumption | None,
        checkpoint: Checkpoint | None,
        answer: Completion | None,
        *,
        seam: Policy,
        drop_repeated: bool,
    ) -> None:
        self._resumption = resumption
        self._seam: Policy = seam
        self._join: Replay | Continued | None = None
        self._part = 0  # the block of the text that was delivered last
        self.answer = answer
        self.done: Reason | None = None
        self.known = _NOTHING_KNOWN
        self.needs_all = False
        if checkpoint is None or not checkpoint.begun:
            self.taken = Taken()
            self.place = place_of(resumption, drop_repeated=drop_repeated)
        else:
            self.taken = Taken("a checkpoint says so")
            self.known = Known(checkpoint.id, checkpoint.headers)
            self.needs_all = True
            self.place = place_of(
                resumption,
                checkpoint.cursor,
                checkpoint.places,
                checkpoint.tail,
                checkpoint.head,
                drop_repeated=drop_repeated,
            )
        self._digest = Digest(checkpoint.said if checkpoint is not None else ())
        if checkpoint is not None:
            self.done = checkpoint.done

    @property
    def said(self) -> tuple[tuple[Channel, Said], ...]:
        """What was delivered, for a checkpoint."""
        return tuple(self._digest.channels.items())

    @property
    def is_blank(self) -> bool:
        """Nothing of the answer was delivered, so that it may come from its beginning."""
        return not self._digest.channels and self.place.is_blank

    @property
    def is_holding(self) -> bool:
        """Events are held to be joined: they lie before any cursor of their answer."""
        return self._join is not None and not self._join.through

    @property
    def is_joined(self) -> bool:
        """It is met by a replay or a continuation."""
        return self._join is not None

    def is_retold(self, plan: Plan) -> bool:
        """Does what comes take the old answer back, and is no step beyond it?

        A service that never gets to the end, and says something else each time, is not asked for
        ever.
        """
        join = self._join
        return plan.method == "replay" and isinstance(join, Replay) and join.diverged

    # --- what comes ---

    def response_started(self, headers: Mapping[str, str], request: Request) -> None:
        """The head of a response of success: the first one may say where the answer is kept."""
        if self.known.headers:
            return
        lower = {name.lower(): value for name, value in headers.items()}
        self.known = replace(self.known, headers=lower)
        if self._resumption is not None:
            self.taken.head(self._resumption.naming_headers, request, lower)

    def receive(self, event: Event, parser: StreamParser, *, resumes: bool) -> list[Event] | None:
        """What an event brings that is new, joined to what was delivered.

        Args:
            event: The event.
            parser: What read it.
            resumes: It comes over a connection that goes on with the answer.

        Returns:
            Perhaps no events, where they are known or held; None where this is another answer.
        """
        place = self.place
        if type(event) is Done and place.awaited:
            return None
        if type(event) is Started and event.id:
            self.known = replace(self.known, id=event.id)
        if place.begins and says_something(event):
            place.begin_with(event, parser.cursor)
        events = [event]
        if resumes and says_something(event):
            self.needs_all = False
            new = place.tail.receive(event)
            if new is None:
                return None
            events = new
        join = self._join
        if join is not None:
            was_through = join.through
            events = [one for each in events for one in join.receive(each)]
            if not was_through:
                place.replayed(parser.cursor, through=join.through)
        return events

    # --- what was handed out ---

    def add(self, event: Event, parser: StreamParser, *, moved: bool) -> None:
        """An event was handed out.

        Args:
            event: The event.
            parser: What read it.
            moved: The place has moved with it.
        """
        self.place.event_delivered(event, moved=moved, within_frame=parser.inside_frame)
        self._digest.add(event)
        if type(event) is Token:
            self._part = event.part
        elif type(event) is Done:
            self.done = event.reason
        if self.answer is not None:
            self.answer.add(event)

    def advance(self, parser: StreamParser) -> bool:
        """All that the parser gave is handed out: has it named another place?"""
        if self._join is not None and not self._join.through:
            return False
        moved = self.place.delivered(parser.cursor)
        if moved:
            self.taken.place(self.place.cursor)
        return moved

    # --- over the next connection ---

    def prepare(self) -> None:
        """See whether a decoder that saw what comes again would say something else then."""
        place = self.place
        if place.will_repeat or (place.cursor.value is None and self.is_blank):
            self.needs_all = True

    def reconnect(self, plan: Plan) -> None:
        """The next events come over another connection."""
        if plan.resumes:
            self.place.reconnected(asked_for_all=self.needs_all)
            return
        # Another answer: what was known of the old one would lead astray.
        self.place = self.place.anew()
        self.known = _NOTHING_KNOWN
        self.needs_all = False
        self._join = self._join_for(plan)

    def _join_for(self, plan: Plan) -> Replay | Continued | None:
        if plan.continuation is not None:
            from tokenwire.resume.continued import Continued

            return Continued(plan.continuation, self._part, policy=self._seam)
        return Replay(self._digest) if plan.method == "replay" else None
