"""``tokenwire dialects``: what there is, and what each can do."""

from __future__ import annotations

import sys
from typing import Final

import click
import msgspec
from msgspec import Struct

from tokenwire.dialects import available_dialects, get_dialect


class Row(Struct):
    """What is shown of a dialect.

    Attributes:
        name: Its name.
        framing: Its wire format.
        terminator: What ends an answer.
        resume: How a reconnect goes on, and where the cursor is put; ``None``: it cannot.
        reads: It can be parsed.
        writes: It can be served.
        problem: Why an installed package's dialect cannot be used.
    """

    name: str
    framing: str = ""
    terminator: str = ""
    resume: dict[str, str] | None = None
    reads: bool = True
    writes: bool = False
    problem: str | None = None


@click.command(short_help="List the dialects.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def dialects(as_json: bool) -> None:
    """List the dialects: name, framing, what ends an answer, how it resumes."""
    rows = [_row(name) for name in available_dialects()]
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(rows)))
    elif sys.stdout.isatty():
        _print_table(rows)
    else:
        _print_plain(rows)


def _row(name: str) -> Row:
    try:
        dialect = get_dialect(name)
        resumption = dialect.resumption
        resume = {"method": resumption.method, "field": resumption.field} if resumption else None
        return Row(
            name,
            dialect.format,
            dialect.terminator,
            resume,
            writes=dialect.encoder is not None,
        )
    except Exception as error:  # whatever an installed package does wrong, the others are listed
        return Row(name, reads=False, problem=f"{type(error).__name__}: {error}")


TITLES: Final = ("name", "framing", "terminator", "resume", "reads", "writes")


def _cells(row: Row) -> tuple[str, ...]:
    reads, writes = ("yes" if able else "no" for able in (row.reads, row.writes))
    ending = row.terminator if row.problem is None else f"unusable: {row.problem}"
    return row.name, row.framing, ending, row.resume["field"] if row.resume else "-", reads, writes


def _print_table(rows: list[Row]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", show_edge=False, padding=(0, 1, 0, 0))
    for title in TITLES:
        table.add_column(title, overflow="fold", no_wrap=title not in ("terminator", "resume"))
    table.columns[0].style = "cyan"
    for row in rows:
        table.add_row(*map(Text, _cells(row)))
    Console().print(table)


def _print_plain(rows: list[Row]) -> None:
    lines = [TITLES, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())
