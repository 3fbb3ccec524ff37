"""``tokenwire demo``: the whole of it in a few seconds, on this machine alone."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

import click

from tokenwire.cli.exits import Exit
from tokenwire.cli.passage import PASSAGE, split_text
from tokenwire.events import Event, Token

if TYPE_CHECKING:
    from rich.console import Console

    from tokenwire.cli.trial import Reading, Trial

Show: TypeAlias = "Callable[[Event, Reading], None]"

RATE: Final = 60.0
"""Tokens a second where somebody looks on; without a terminal nobody waits."""
CUT_SHORT: Final = 40
"""Tokens of the answer that is broken off."""

CUTS: Final = {"byte": "every byte by itself", "random": "at random places"}


@click.command(short_help="See it work, on this machine alone.")
def demo() -> int:
    """Stream answers over HTTP, the bytes cut at the worst places, and check what arrives."""
    from rich.console import Console

    from tokenwire.cli.server import Settings, running_server
    from tokenwire.cli.trial import Trial, read

    trials = [
        Trial(dialect="openai-chat", cut="byte"),
        Trial(dialect="anthropic-messages", cut="random"),
        Trial(dialect="jsonl", cut="byte"),
        Trial(dialect="openai-chat", cut="random", after=CUT_SHORT),
    ]
    console = Console(highlight=False)
    # Nobody can know this text before: what is shown was sent.
    mark = secrets.token_hex(4)
    text = f"{PASSAGE.partition('```')[0]}Mark of this run: {mark}\n"
    with running_server(Settings(text=text)) as url:
        console.print(
            f"A test server on [bold]{url}[/] answers over real HTTP.\n"
            f"It sends {len(text)} characters in {len(split_text(text))} tokens,"
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
    if trial.after is not None:
        title += f", broken off after {trial.after} tokens"
    if console.is_terminal:
        with _panel(console, title) as show:
            yield show
    else:
        console.print(f"-- {title}")
        with _lines(console) as show:
            yield show
    console.print()


@contextmanager
def _panel(console: Console, title: str) -> Generator[Show, None, None]:
    from rich import box
    from rich.live import Live
    from rich.panel import Panel
    from rich.text import Text

    said = Text()
    # Without sides: terminals do not agree on how wide a joined emoji is.
    panel = Panel(said, box=box.HORIZONTALS, title=f"[bold]{title}[/]", title_align="left")
    panel.subtitle_align = "right"
    with Live(panel, console=console, refresh_per_second=20, vertical_overflow="visible"):

        def show(event: Event, reading: Reading) -> None:
            if isinstance(event, Token):
                said.append(event.text)
            panel.subtitle = (
                f"{reading.chunks:,} chunks, {reading.bytes:,} bytes, {reading.events} events"
            )
            panel.border_style = {"complete": "green", "not at all": "none"}.get(
                reading.ending, "yellow"
            )

        yield show


@contextmanager
def _lines(console: Console) -> Generator[Show, None, None]:
    held = ""

    def show(event: Event, reading: Reading) -> None:
        nonlocal held
        if isinstance(event, Token):
            *lines, held = (held + event.text).split("\n")
            for line in lines:
                console.print(f"   {line}".rstrip(), markup=False, soft_wrap=True)

    yield show
    if held:
        console.print(f"   {held}", markup=False, soft_wrap=True)


def _judge(console: Console, results: list[tuple[Trial, Reading]], text: str) -> int:
    """Print what came of each stream, and give the exit code."""
    from rich import box
    from rich.table import Table

    # So narrow that it fits a terminal of 80 columns.
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("dialect", no_wrap=True)
    for title in ("chunks", "bytes", "chars\nsplit", "CRLFs\nsplit", "events"):
        table.add_column(title, justify="right", no_wrap=True)
    for title in ("text equal", "ended"):
        table.add_column(title, no_wrap=True)
    held = True
    for trial, reading in results:
        holds = reading.holds(trial, text)
        held = held and holds
        equal = "yes" if reading.text == trial.expected(text) else "no"
        if trial.after is not None:
            equal += " so far"
        figures = (reading.chunks, reading.bytes, reading.in_characters, reading.in_line_ends)
        table.add_row(
            trial.dialect,
            *(f"{figure:,}" for figure in (*figures, reading.events)),
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
