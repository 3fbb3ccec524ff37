"""``tokenwire cat``: read a stream and print its text."""

from __future__ import annotations

import re
import sys
from contextlib import AbstractContextManager
from typing import Literal

import click

from tokenwire.cli.exits import OF_KIND, Exit
from tokenwire.cli.report import report
from tokenwire.cli.show import EventView, JSONView, TextView, View
from tokenwire.cli.source import Call, is_url, open_file, read_file, read_url
from tokenwire.dialects import Dialect, get_dialect
from tokenwire.drive import EventStream
from tokenwire.errors import StreamError, UnknownDialectError
from tokenwire.events import Done, Error, Event, Token

Form = Literal["text", "events", "json"]


@click.command(short_help="Print the text of a stream as it arrives.")
@click.argument("source", metavar="[URL | FILE | -]", required=False)
@click.option(
    "-d",
    "--dialect",
    metavar="NAME",
    default="auto",
    show_default=True,
    help="How the stream is written.",
)
@click.option("--events", "form", flag_value="events", help="Show every event, one a line.")
@click.option("--json", "form", flag_value="json", help="Show every event as a JSON line.")
@click.option("--choice", default=0, show_default=True, help="Which of several answers to print.")
@click.option("-H", "--header", "headers", multiple=True, metavar="'K: V'", help="Send a header.")
@click.option("--data", metavar="@FILE|TEXT", help="Send a body, by POST and as JSON.")
@click.option("-X", "--method", metavar="NAME", help="Send this method.")
@click.option("-L", "--location", is_flag=True, help="Follow redirects.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds of silence to bear.",
)
def cat(
    source: str | None,
    dialect: str,
    form: Form | None,
    choice: int,
    headers: tuple[str, ...],
    data: str | None,
    method: str | None,
    location: bool,
    timeout: float,
) -> int:
    """Read the stream of a URL, a FILE or standard input (-) and print its text as it arrives.

    The dialect is found from the stream, and named on standard error, unless it is given.

    \b
    The exit code says how it ended:
      0  the answer is complete          5  HTTP error, or no stream at all
      2  wrong command line              6  connection refused or broken
      3  truncated                       7  silent for too long
      4  error from the service          8  unreadable, or beyond a limit
    """  # noqa: D301  # click wants the backspace
    source = _source(source)
    view = _view(form or "text", choice)
    sends = data is not None or method is not None or headers or location
    if is_url(source):
        call = Call(
            method=method and method.upper(),
            headers=tuple(map(_header, headers)),
            data=None if data is None else _body(data),
            location=location,
            timeout=timeout,
        )
        events = read_url(source, _dialect(dialect), call)
    elif sends:
        raise click.UsageError("--header, --data, --method and --location need a URL")
    else:
        events = read_file(source, _dialect(dialect))
    return _print(events, view)


def _print(opened: AbstractContextManager[EventStream], view: View) -> int:
    last: Event | None = None
    tokens = 0
    detects = True
    try:
        with opened as events:
            for last in events:
                if detects and (found := events.parser.detected):
                    detects = False
                    _say(f"reading {events.parser.dialect.name}: {found}")
                tokens += isinstance(last, Token)
                view.show(last)
    except StreamError as error:
        last = error.event
        view.show(last)
    finally:
        view.close()
    if isinstance(last, Done):
        return Exit.COMPLETE
    assert isinstance(last, Error)  # a stream ends in one of the two
    _say(report(last, tokens))
    return OF_KIND[last.kind]


def _say(text: str) -> None:
    click.echo(f"tokenwire: {text}", err=True)


def _source(source: str | None) -> str:
    if source is None:
        if sys.stdin is not None and sys.stdin.isatty():
            raise click.UsageError("name a URL or a file, or give a stream on standard input")
        return "-"
    return source


def _dialect(name: str) -> Dialect | str:
    if name == "auto":
        return name
    try:
        return get_dialect(name)
    except UnknownDialectError as error:
        raise click.UsageError(str(error)) from None
    except TypeError as error:  # of an installed package
        raise click.ClickException(str(error)) from None


def _view(form: Form, choice: int) -> View:
    match form:
        case "json":
            return JSONView(sys.stdout.buffer)
        case "events":
            return EventView(sys.stdout)
        case "text":
            return TextView(sys.stdout, sys.stderr, choice=choice)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip() or re.search(r"[\r\n\0]", line):
        raise click.UsageError(f"a header is written 'Name: value', not {line!r}")
    return name.strip(), value.strip()


def _body(data: str) -> bytes:
    if not data.startswith("@"):
        return data.encode()
    with open_file(data[1:]) as file:
        return file.read()
