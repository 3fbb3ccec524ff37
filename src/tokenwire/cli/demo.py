"""``tokenwire demo``: the whole of it in a few seconds, on this machine alone."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

import click

from tokenwire.cli.exits import Exit
from tokenwire.events import Event, Reconnecting, Token
from tokenwire.testserver.passage import PASSAGE, split_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from tokenwire.cli.trial import Reading, Trial

Show: TypeAlias = "Callable[[Event, Reading], None]"

RATE: Final = 60.0
"""Tokens a second where somebody looks on; without a terminal nobody waits."""
CUT_SHORT: Final = 40
"""Tokens of the answer that is broken off."""
DROPS: Final = 5
"""Connections that the answer loses which can be gone on with."""

CUTS: Final = {"byte": "every byte by itself", "random": "at random places"}


@click.command(short_help="See it work, on this machine alone.")
def demo() -> int:
    """Stream answers over HTTP, cut and broken off at the worst places, and check what arrives."""
    from rich.console import Console

    from tokenwire.cli.trial import Trial, read
    from tokenwire.testserver.server import Settings, running_server

    console = Console(highlight=False)
    # Nobody can know this text before: what is shown was sent.
    mark = secrets.token_hex(4)
    text = f"{PASSAGE.partition('```')[0]}Mark of this run: {mark}\n"
    tokens = len(split_text(text))
    trials = [
        Trial(dialect="openai-chat", cut="byte"),
        Trial(dialect="anthropic-messages", cut="random"),
        Trial(dialect="jsonl", cut="byte"),
        Trial(dialect="positioned", cut="random", after=tokens // (DROPS + 1), drops=DROPS),
        Trial(dialect="openai-chat", cut="random", after=CUT_SHORT),
    ]
    with running_server(Settings(text=text)) as url:
        console.print(
            f"A test server on [bold]{url}[/] answers over real HTTP.\n"
            f"It sends {len(text)} characters in {tokens} tokens,"
            " the bytes cut where it hurts.\n"
            f"No recording: the text ends with a mark of this run, [bold]{mark}[/].\n"
        )
        rate = RATE if console.is_terminal else 0.0
        results: list[tuple[Trial, Reading]] = []
        for trial in trials:
            with _display(console, trial) as show:
                results.append((trial, read(url, trial, rate, show)))
    return _judge(console, results, text)


@contextmanager
def _display(console: Console, trial: Trial) -> Generator[Show, None, None]:
    """Show a stream's text as it comes: in a growing panel, or line by line."""
    title = f"{trial.dialect}, {CUTS[trial.cut]}"
    if trial.drops:
        title += f", the connection dropped {trial.drops} times"
    elif trial.cut_short:
        title += f", broken off after {trial.after} tokens"
    page = _Page(margin=6 if trial.drops else 0)
    if console.is_terminal:
        with _panel(console, title, page) as show:
            yield show
    else:
        console.print(f"-- {title}")
        with _lines(console, page) as show:
            yield show
    console.print()


class _Page:
    """What was said, line by line, and each reconnect in the margin of its line.

    Args:
        margin: How wide that is; 0 where there will be none.

    Attributes:
        lines: The margin and the text of each; the last one may grow.
    """

    def __init__(self, margin: int) -> None:
        self.lines = [("", "")]
        self._margin = margin
        self._reconnects = 0

    def add(self, event: Event) -> None:
        margin, line = self.lines.pop()
        if isinstance(event, Token):
            line, *more = (line + event.text).split("\n")
            self.lines += [(margin, line), *(("", text) for text in more)]
        else:
            if isinstance(event, Reconnecting):
                self._reconnects += 1
                margin = f"{margin} ↻{self._reconnects}".strip()
            self.lines.append((margin, line))

    def written(self, line: tuple[str, str]) -> str:
        """A line and its margin, as plain text."""
        return f"{line[0]:>{self._margin or 2}} {line[1]}".rstrip()

    def grid(self) -> Table:
        """All of it, for a panel."""
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 1, 0, 0))
        if self._margin:
            grid.add_column(width=self._margin, justify="right", style="yellow")
        for margin, line in self.lines:
            grid.add_row(*[margin] * bool(self._margin), Text(line))
        return grid


@contextmanager
def _panel(console: Console, title: str, page: _Page) -> Generator[Show, None, None]:
    from rich import box
    from rich.live import Live
    from rich.panel import Panel

    # Without sides: terminals do not agree on how wide a joined emoji is.
    panel = Panel("", box=box.HORIZONTALS, title=f"[bold]{title}[/]", title_align="left")
    panel.subtitle_align = "right"
    with Live(panel, console=console, refresh_per_second=20, vertical_overflow="visible"):

        def show(event: Event, reading: Reading) -> None:
            page.add(event)
            panel.renderable = page.grid()
            panel.subtitle = (
                f"{reading.chunks:,} chunks, {reading.bytes:,} bytes, {reading.events} events"
            )
            panel.border_style = {"complete": "green", "not at all": "none"}.get(
                reading.ending, "yellow"
            )

        yield show


@contextmanager
def _lines(console: Console, page: _Page) -> Generator[Show, None, None]:
    def write(line: tuple[str, str]) -> None:
        console.print(page.written(line), markup=False, soft_wrap=True)

    def show(event: Event, reading: Reading) -> None:
        page.add(event)
        while len(page.lines) > 1:
            write(page.lines.pop(0))

    yield show
    if page.lines != [("", "")]:
        write(page.lines[0])


def _judge(console: Console, results: list[tuple[Trial, Reading]], text: str) -> int:
    """Print what came of each stream, and give the exit code."""
    from rich import box
    from rich.table import Table

    # So narrow that it fits a terminal of 80 columns.
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", show_edge=False, padding=0)
    table.add_column("dialect", no_wrap=True)
    for title in ("chunks", "bytes", "chars\nsplit", "CRLFs\nsplit", "events", "recon-\nnects"):
        table.add_column(title, justify="right", no_wrap=True)
    for title in ("text equal", "ended"):
        table.add_column(title, no_wrap=True)
    held = True
    for trial, reading in results:
        holds = reading.holds(trial, text)
        held = held and holds
        equal = "yes" if reading.text == trial.expected(text) else "no"
        if trial.cut_short:
            equal += " so far"
        figures = (reading.chunks, reading.bytes, reading.in_characters, reading.in_line_ends)
        table.add_row(
            trial.dialect,
            *(f"{figure:,}" for figure in (*figures, reading.events, reading.reconnects)),
            equal,
            reading.ending,
            style=None if holds else "bold red",
        )
    console.print(table)
    console.print(f"\nThe last one said: {results[-1][1].last}\n", markup=False, soft_wrap=True)
    if held:
        console.print("[green]Every row holds:[/] each text was compared with the one sent.")
        return Exit.COMPLETE
    console.print("[bold red]A row does not hold:[/] the text, the cuts or the end are wrong.")
    return Exit.FAILED
