"""`Site`: a request in, a reply out, without any I/O; what all connections of a server share."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, unquote

import msgspec
from msgspec import Struct

from tokenwire.cli.answer import Answer
from tokenwire.cli.routes import (
    METHODS,
    Reply,
    bad_gateway,
    refusal,
    routes,
    stream_reply,
    too_many_requests,
)
from tokenwire.cli.settings import Settings
from tokenwire.dialects import get_dialect

DEFAULT_MODEL: Final = "tokenwire-test"

Log: TypeAlias = Callable[[str], object]


class Asked(Struct):
    """What the server reads of a request's JSON body."""

    model: str = DEFAULT_MODEL


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
        self._numbers = itertools.count(1)

    def reply_to(self, method: str, target: str, body: bytes) -> Reply:
        """The reply to one request."""
        path, _, query = target.partition("?")
        if method == "OPTIONS":
            return Reply(204, {"allow": METHODS})
        if method not in METHODS:
            reply = refusal(405, f"the method {method} is not served; use one of {METHODS}")
            return Reply(405, {**reply.headers, "allow": METHODS}, reply.body)
        name = self._routes.get(unquote(path).rstrip("/"))
        if name is None:
            return refusal(404, f"nothing is served at {path}", routes=self._routes)
        try:
            settings = self._settings.changed_by(dict(parse_qsl(query, keep_blank_values=True)))
            return self._reply(name, settings, _model_of(body))
        except ValueError as error:
            return refusal(400, str(error))

    def _reply(self, name: str, settings: Settings, model: str) -> Reply:
        dialect = get_dialect(name)
        match settings.fail:
            case "429":
                return too_many_requests(dialect)
            case "502":
                return bad_gateway()
            case _:
                id = f"answer-{next(self._numbers)}"
                return stream_reply(dialect, Answer(dialect, settings, id=id, model=model))


def _model_of(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=Asked).model
    except (ValueError, RecursionError):  # no JSON, or none with a model: the tool is not picky
        return DEFAULT_MODEL


def _nobody(line: str) -> None:
    pass
