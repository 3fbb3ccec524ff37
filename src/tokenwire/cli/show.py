"""Three ways to show events: the text alone, a line for each event, JSON Lines."""

from __future__ import annotations

import json
from typing import BinaryIO, Final, Protocol, TextIO

import click
import msgspec

from tokenwire.cli.terminal import has_colour, visible
from tokenwire.events import (
    Data,
    Done,
    Error,
    Event,
    Finished,
    Heartbeat,
    Reasoning,
    Refusal,
    Reset,
    Started,
    Token,
    ToolCall,
    Unknown,
    Usage,
)


class View(Protocol):
    """Shows the events of one stream."""

    def show(self, event: Event) -> None: ...

    def close(self) -> None:
        """The stream ended: leave the terminal at the beginning of a line."""
        ...


class TextView:
    """The text of one choice, as it comes; to anything but a terminal it goes to the byte.

    Args:
        output: Takes the text.
        notes: Takes what is not text.
        choice: Which answer to show, where the request asked for several.
    """

    def __init__(self, output: TextIO, notes: TextIO, *, choice: int = 0) -> None:
        self._output = output
        self._notes = notes
        self._choice = choice
        self._terminal = output.isatty()
        self._characters = 0
        self._others: set[int] = set()
        self._mid_line = False
        self._malformed = 0
        self._complete: Done | None = None

    def show(self, event: Event) -> None:
        match event:
            case Token(text=text, index=index) if index == self._choice:
                self._write(text)
            case Token(index=index):
                self._others.add(index)
            case Reset(index=index, text=text) if index == self._choice:
                self._take_back(text)
            case Error(fatal=False):
                if not self._malformed:
                    self._note(f"warning: {event}")
                self._malformed += 1
            case Done():
                self._complete = event
            case _:
                pass

    def close(self) -> None:
        self._end_line(on_terminal_only=True)
        if self._malformed > 1:
            self._note(f"warning: {self._malformed} frames could not be read; see --events")
        if self._others:
            others = ", ".join(map(str, sorted(self._others)))
            self._note(f"other answers came and were not shown: --choice {others}, or --json")
        if self._complete is None:
            return
        if not self._characters:
            self._note("the answer holds no text; --events shows what it holds")
        if self._complete.reason not in ("stop", "tool_calls", "other"):
            self._note(f"the answer is complete, and ended with reason {self._complete.reason!r}")

    def _write(self, text: str) -> None:
        self._characters += len(text)
        self._mid_line = not text.endswith("\n")
        self._output.write(visible(text) if self._terminal else text)
        self._output.flush()

    def _take_back(self, text: str) -> None:
        self._end_line(on_terminal_only=False)
        self._note(
            f"reset: the {self._characters} characters so far are void; what follows replaces them"
        )
        self._characters = 0
        if text:
            self._write(text)

    def _end_line(self, *, on_terminal_only: bool) -> None:
        if self._mid_line and (self._terminal or not on_terminal_only):
            self._output.write("\n")
            self._output.flush()
            self._mid_line = False

    def _note(self, text: str) -> None:
        click.echo(f"tokenwire: {visible(text)}", file=self._notes)


COLOURS: Final[dict[type[Event], str]] = {
    Started: "cyan",
    Token: "green",
    Reasoning: "blue",
    Refusal: "yellow",
    ToolCall: "magenta",
    Data: "magenta",
    Usage: "cyan",
    Finished: "cyan",
    Reset: "yellow",
    Heartbeat: "bright_black",
    Unknown: "bright_black",
    Error: "red",
    Done: "bright_green",
}


class EventView:
    """A line for each event: its name and what it says."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._colour = has_colour(output)

    def show(self, event: Event) -> None:
        name = type(event).__name__
        said = repr(event)[len(name) + 1 : -1]
        shown = f"{name:<12}"
        if self._colour:
            shown = click.style(
                shown, fg=COLOURS.get(type(event)), bold=isinstance(event, Error) or None
            )
        self._output.write(f"{shown} {said}".rstrip() + "\n")
        self._output.flush()

    def close(self) -> None:
        pass


class JSONView:
    """A JSON object for each event, in UTF-8 whatever the terminal's encoding."""

    def __init__(self, output: BinaryIO) -> None:
        self._output = output

    def show(self, event: Event) -> None:
        said = {name: getattr(event, name) for name in event.__struct_fields__ if name != "frame"}
        self._output.write(_json({"type": type(event).__name__, **said}) + b"\n")
        self._output.flush()

    def close(self) -> None:
        pass


def _json(value: object) -> bytes:
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:  # a lone surrogate, which JSON can say and UTF-8 cannot
        return json.dumps(msgspec.to_builtins(value)).encode("ascii")
