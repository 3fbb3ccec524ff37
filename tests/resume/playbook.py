"""Runs a `Session` through a script of effects and replies, and shows where it leaves it.

    play(
        session,
        "open POST /answer",
        head(),
        "read",
        data(b"data: Hi\n\n"),
        "Token(text='Hi')",
    )

A text is the next effect, as `shown` writes it, or its beginning with ``...``; anything else is what the driver answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec import Struct

from tokenwire.events import Error, ErrorKind, Reconnecting
from tokenwire.request import Request
from tokenwire.resume.backoff import RetryPolicy
from tokenwire.resume.deadlines import UNLIMITED
from tokenwire.resume.effects import (
    CloseResponse,
    Deliver,
    Effect,
    Ended,
    OpenRequest,
    ReadData,
    Sleep,
)
from tokenwire.resume.session import Session

URL = "https://service.invalid"


class Reply(Struct, frozen=True):
    """What a driver does next; `call` is given the session and the time."""

    name: str
    call: Callable[[Session, float], object]
    later: float = 0.0  # seconds that pass before


Script: TypeAlias = str | Reply


def post(path: str = "/answer", body: bytes = b"{}", *headers: tuple[str, str]) -> Request:
    return Request("POST", URL + path, headers, body)


def get(path: str = "/events", *headers: tuple[str, str]) -> Request:
    return Request("GET", URL + path, headers)


def session(dialect: str, request: Request | None = None, **options: Any) -> Session:
    """A session without jitter, delays and deadlines, unless they are asked for."""
    chosen = {"retry": RetryPolicy(initial_delay=0), "deadlines": UNLIMITED, **options}
    return Session(request or post(), dialect, random=lambda: 0.0, **chosen)


def head(status: int = 200, media_type: str = "text/event-stream", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named["Content-Type"] = media_type
    return Reply(f"head {status}", lambda s, now: s.response_started(status, named, now))


def data(wire: bytes | str, later: float = 0.0) -> Reply:
    sent = wire.encode() if isinstance(wire, str) else wire
    return Reply(f"data {sent!r}", lambda s, now: s.receive_data(sent, now), later)


def lost(error: BaseException | str = "reset", kind: ErrorKind = "transport") -> Reply:
    return Reply("lost", lambda s, now: s.connection_lost(error, now, kind=kind))


def timer(later: float) -> Reply:
    return Reply(f"timer after {later:g} s", lambda s, now: s.timer_fired(now), later)


EOF = Reply("eof", lambda s, now: s.receive_eof(now))
WAKE = timer(0.0)
CANCEL = Reply("cancel", lambda s, now: s.cancel())


def shown(effect: Effect, now: float = 0.0) -> str:
    """An effect in a line; times as seconds from now."""
    match effect:
        case OpenRequest(request=request, deadline=deadline):
            last = request.header("Last-Event-ID")
            told = f" Last-Event-ID: {last}" if last is not None else ""
            body = request.body.decode() if request.body and request.body != b"{}" else ""
            where = request.url.removeprefix(URL)
            return f"open {request.method} {where}{told}{body and ' '}{body}{_by(deadline, now)}"
        case ReadData(deadline=deadline):
            return f"read{_by(deadline, now)}"
        case Sleep(until=until):
            return f"sleep {until - now:g}"
        case CloseResponse():
            return "close"
        case Deliver(event=Reconnecting(attempt=attempt, method=method, cause=cause)):
            status = f" {cause.status}" if cause is not None and cause.status else ""
            return f"reconnecting {attempt} by {method}: {cause and cause.kind}{status}"
        case Deliver(event=Error(fatal=True) as error):
            return str(error)
        case Deliver(event=event):
            return repr(event)
        case Ended(error=error):
            return f"ended: {error.kind}" if error else "ended"


def _by(deadline: float | None, now: float) -> str:
    return "" if deadline is None else f" for {deadline - now:g}"


def play(session: Session, *script: Script, now: float = 0.0) -> float:
    """Run it; gives the time at its end."""
    done: list[str] = []
    for item in script:
        if isinstance(item, Reply):
            now += item.later
            item.call(session, now)
            done.append(f"    <- {item.name}")
            continue
        came = shown(session.next_effect(now), now)
        if came.startswith("Opened") and not item.startswith("Opened"):
            came = shown(session.next_effect(now), now)
        if came != item and not (item.endswith("...") and came.startswith(item[:-3])):
            lines = "\n".join(f"      {line}" for line in done)
            raise AssertionError(f"\n{lines}\n    - {item}\n    + {came}")
        done.append(item)
    return now
