"""`Site`: a request in, a reply out, without any I/O; what all connections of a server share."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeAlias

from msgspec.structs import replace

from tokenwire.dialects import get_dialect
from tokenwire.errors import LocalProtocolError
from tokenwire.testserver.answer import OVERLOADED, Answer
from tokenwire.testserver.asked import RESUME_FROM, Asked, read_place
from tokenwire.testserver.faults import AT_RANDOM, ERROR, with_fault
from tokenwire.testserver.kept import Kept, Shelf, Tally
from tokenwire.testserver.place import START, Place
from tokenwire.testserver.routes import (
    METHODS,
    RESPONSES,
    STREAM,
    Reply,
    bad_gateway,
    refusal,
    routes,
    stream_reply,
    too_many_requests,
)
from tokenwire.testserver.script import can_say
from tokenwire.testserver.settings import Settings

Log: TypeAlias = Callable[[str], object]


class NotKeptError(Exception):
    """There is no such answer, or no longer."""


class Site:
    """Answers requests by their path.

    Args:
        settings: How to answer where a request does not say.
        log: Takes a line for each request; ``None``: nobody listens.
    """

    def __init__(self, settings: Settings, log: Log | None = None) -> None:
        self.log: Final[Log] = log or _nobody
        self._settings = settings
        self._routes = routes()
        self._answers = itertools.count(1)
        self._tallies: Shelf[Tally] = Shelf()
        # By what their reconnects name them: their id and how it is used, or a conversation's.
        self._kept: Shelf[Kept] = Shelf()

    def reply_to(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """The reply to one request."""
        if method == "OPTIONS":
            return Reply(204, {"allow": METHODS})
        if method not in METHODS:
            reply = refusal(405, f"the method {method} is not served; use one of {METHODS}")
            return Reply(405, {**reply.headers, "allow": METHODS}, reply.body)
        asked = Asked(method, target, headers, body)
        try:
            return self._go_on(asked) or self._begin(asked)
        except NotKeptError as error:
            return refusal(404, str(error))
        except (ValueError, LocalProtocolError) as error:
            return refusal(400, str(error))

    def _begin(self, asked: Asked) -> Reply:
        """The reply to a request for an answer; `positioned` ones name their place in it."""
        name = self._routes.get(asked.path)
        if name is None:
            return refusal(404, f"nothing is served at {asked.path}", routes=self._routes)
        conversation = asked.headers.get("x-conversation-id")
        kept = Kept(
            get_dialect(name),
            self._settings.changed_by(asked.parameters),
            f"answer-{next(self._answers)}",
            asked.model,
            self._tallies.get(asked.key) or self._tallies.put(asked.key, Tally(repr(asked.key))),
            {} if conversation else None,
        )
        place = START
        if name == "positioned" and asked.fields.get(RESUME_FROM) is not None:
            place = Place(read_place(RESUME_FROM, asked.fields[RESUME_FROM]))
        reply = self._reply(asked, kept, kept.settings, place)
        if isinstance(reply.body, Answer):
            if kept.settings.ids:
                self._kept.put(("event", kept.id), kept)
            if name == RESPONSES and asked.fields.get("background") is True:
                self._kept.put(("response", kept.id), kept)
            if conversation:
                self._kept.put(("conversation", conversation), kept)
        return reply

    def _go_on(self, asked: Asked) -> Reply | None:
        """The reply to a request that goes on with an answer; None where it does not."""
        parent, _, name = asked.path.rpartition("/")
        parameters = asked.parameters
        last_id, stops = asked.headers.get("last-event-id"), False
        if asked.path == STREAM and asked.method != "POST":
            kept = self._find("conversation", parameters.get("conv_id", ""))
            place = Place(offset=read_place("from", parameters.get("from", "0")))
        elif self._routes.get(parent) == RESPONSES and asked.method != "POST":
            kept = self._find("response", name)
            if parameters.get("stream") != "true":
                raise ValueError("answers are streamed here only: ask with ?stream=true")
            after = parameters.get("starting_after")
            place = START if after is None else Place(read_place("starting_after", after))
        elif last_id and self._settings.changed_by(parameters).ids and asked.path in self._routes:
            id, _, number = last_id.rpartition(":")
            kept = self._find("event", id)
            if kept.dialect.name != self._routes[asked.path]:
                raise NotKeptError(f"the answer {id} is not one of {asked.path}")
            place, stops = Place(read_place("the number in Last-Event-ID", number)), True
        else:
            return None
        # Said is said: what it is made of stays as it was.
        said = {name: getattr(kept.settings, name) for name in ("text", "crlf", "ids")}
        settings = replace(kept.settings.changed_by(parameters), **said)
        return self._reply(asked, kept, settings, place, stops=stops)

    def _find(self, kind: str, name: str) -> Kept:
        kept = self._kept.get((kind, name))
        if kept is None:
            raise NotKeptError(f"no answer is kept for the {kind} {name!r}")
        return kept

    def _reply(
        self, asked: Asked, kept: Kept, settings: Settings, place: Place, *, stops: bool = False
    ) -> Reply:
        """The answer from a place on; `stops`: 204 where nothing is left, as event sources want."""
        answer = partial(
            Answer,
            kept.dialect,
            id=kept.id,
            model=kept.model,
            place=place,
            tally=kept.tally,
            heartbeats=kept.heartbeats,
        )
        if place != START:
            left = answer(replace(settings, fail="none")).left()
            if not left.allows(place):
                has = f"{left.blocks} events in {left.size} bytes"
                raise ValueError(f"there is no such place: the answer has {has}")
            if stops and place.number == left.blocks - 1:
                return Reply(204, {})
        errs = kept.dialect.resumption is None and can_say(kept.dialect, OVERLOADED)
        kept.tally.connections += 1
        settings = with_fault(
            settings,
            kept.tally,
            fails=(*AT_RANDOM, ERROR) if errs else AT_RANDOM,
            tokens=lambda: answer(settings).left().tokens,
        )
        reply = _reply(kept, answer(settings), settings)
        if settings.fail != "none" and asked.method != "HEAD":
            kept.tally.failures += 1
        return reply


def _reply(kept: Kept, answer: Answer, settings: Settings) -> Reply:
    match settings.fail:
        case "429":
            return too_many_requests(kept.dialect, settings.retry_after)
        case "502":
            return bad_gateway()
        case _:
            return stream_reply(kept.dialect, answer)


def _nobody(line: str) -> None:
    pass
