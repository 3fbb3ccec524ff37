"""The group of commands, and what holds for each of them."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tokenwire import __version__
from tokenwire.cli.cat import cat
from tokenwire.cli.demo import demo
from tokenwire.cli.dialects import dialects
from tokenwire.cli.exits import Exit, end_by
from tokenwire.cli.fuzz import fuzz
from tokenwire.cli.serve import serve


class Commands(click.Group):
    """A group whose commands end quietly when they are interrupted or nobody reads on."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            end_by("SIGPIPE")
        except KeyboardInterrupt:
            end_by("SIGINT")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tokenwire", message="%(prog)s %(version)s")
def tokenwire() -> None:
    """Read and serve the token streams of AI services."""


for command in (cat, serve, dialects, fuzz, demo):
    tokenwire.add_command(command)


def run(arguments: Sequence[str] | None) -> int:
    """Run one command and give its exit code."""
    _prepare_output()
    try:
        return int(tokenwire.main(arguments, prog_name="tokenwire", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Exit as asked:
        return asked.exit_code
    except click.Abort:
        end_by("SIGINT")
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EIO, errno.EDQUOT):
            return _output_failed(error)
        raise


def _prepare_output() -> None:
    # What the terminal's encoding lacks, and a lone surrogate, is shown as an escape.
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started the command
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _output_failed(error: OSError) -> int:
    click.echo(f"tokenwire: the output cannot be written: {error.strerror}", err=True)
    # What is left in the buffer would fail again, with a traceback, when the interpreter ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.FAILED
