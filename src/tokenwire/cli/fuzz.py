"""``tokenwire fuzz``: hold the laws against a dialect, then against damaged streams of it."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tokenwire.cli.exits import Exit
from tokenwire.cli.terminal import visible
from tokenwire.errors import UnknownDialectError

if TYPE_CHECKING:
    from tokenwire.dialects import Dialect
    from tokenwire.testing.laws import Broken, Case

EXAMPLES: Final = 30
"""Answers of the dialect's own, where it has an encoder: for the laws, and to begin with."""
SHOW_SECONDS: Final = 0.5
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(short_help="Look for streams that break a dialect.")
@click.argument("target", metavar="[MODULE:DIALECT | NAME]", required=False)
@click.option("--wire", "files", multiple=True, type=FILE, help="A recorded body to begin with.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="How long to look; 0: only the laws.",
)
@click.option("--seed", default=0, show_default=True, help="Chooses the damage.")
@click.option(
    "--save", type=click.Path(dir_okay=False, path_type=Path), help="Where to keep a failing case."
)
@click.option("--replay", type=FILE, help="Run a case that was kept, and show it.")
@click.option(
    "--guided/--no-guided", default=None, help="By coverage; by default where atheris is installed."
)
def fuzz(
    target: str | None,
    files: tuple[Path, ...],
    minutes: float,
    seed: int,
    save: Path | None,
    replay: Path | None,
    guided: bool | None,
) -> int:
    """Look for streams that break a dialect, built in, installed, or in a MODULE.

    First all laws are held against it (see `tokenwire.testing.check_dialect`), then against
    streams made from the recorded bodies and from answers of its own, with bytes and frames
    dropped, doubled, swapped and corrupted. A failing case is made small, shown and kept.

    \b
    The exit code:
      0  nothing was found               2  wrong command line
      1  an extra is missing             9  a law is broken
    """  # noqa: D301  # click wants the backspace
    try:
        import hypothesis  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ModuleNotFoundError:
        raise click.ClickException(
            "this command needs Hypothesis: pip install 'tokenwire[cli,testing]'"
        ) from None
    if replay is not None:
        return _replay(replay, target)
    if target is None:
        raise click.UsageError("name a dialect, built in or as MODULE:DIALECT, or --replay a case")
    dialect = _load(target)
    wires = [file.read_bytes() for file in files]
    if dialect.encoder is None and not any(wires):
        raise click.UsageError(f"{dialect.name} cannot write: give it bodies with --wire FILE")
    place = save or Path(f"tokenwire-fuzz-{re.sub(r'[^A-Za-z0-9]+', '-', target)}.json")
    return _check(target, dialect, wires, seed, place) or _fuzz(
        target, dialect, wires, minutes * 60, seed, place, guided
    )


def _load(target: str) -> Dialect:
    from tokenwire.testing.fuzz import load_dialect

    sys.path.insert(0, "")  # as for `python -m`: it may stand in the working directory
    try:
        return load_dialect(target)
    except (UnknownDialectError, ValueError) as error:
        raise click.UsageError(str(error)) from None


def _replay(file: Path, target: str | None) -> int:
    from tokenwire.testing.fuzz import read_kept
    from tokenwire.testing.laws import check_case

    try:
        kept = read_kept(file)
        broken = check_case(_load(target or kept.dialect), kept.case)
    except ValueError as error:
        raise click.UsageError(f"{file} holds no case of tokenwire fuzz: {error}") from None
    if broken is None:
        click.echo(f"{kept.case.law} holds now")
        return Exit.COMPLETE
    _show(kept.case, broken)
    return Exit.BROKEN


def _check(target: str, dialect: Dialect, wires: Sequence[bytes], seed: int, place: Path) -> int:
    """The laws, as a test would hold them."""
    from tokenwire.testing import check_dialect

    report = check_dialect(dialect, wire=wires, examples=EXAMPLES, seed=seed, raises=False)
    click.echo(visible(str(report)))
    for failure in report.failures[:1]:
        _keep(target, place, failure.case, failure.text)
    return Exit.COMPLETE if report.ok else Exit.BROKEN


def _fuzz(
    target: str,
    dialect: Dialect,
    wires: list[bytes],
    seconds: float,
    seed: int,
    place: Path,
    guided: bool | None,
) -> int:
    from tokenwire.testing import guided as by_coverage
    from tokenwire.testing._answers import for_answers
    from tokenwire.testing.fuzz import Fuzzer

    if guided and not by_coverage.is_here():
        raise click.ClickException("--guided needs atheris: pip install atheris")
    if dialect.encoder is not None:
        for_answers(dialect, lambda one, _: wires.append(one.wire), examples=EXAMPLES, seed=seed)
    if seconds and (guided or (guided is None and by_coverage.is_here())):
        return _fuzz_guided(target, wires, seconds, seed, place)
    fuzzer = Fuzzer(dialect, wires, seed=seed)
    progress = Progress(seconds)
    while not progress.over():
        found = fuzzer.examine(fuzzer.next_wire())
        if found is not None:
            progress.end()
            _show(*found)
            _keep(target, place, *found)
            return Exit.BROKEN
        progress.count()
    progress.end()
    if seconds:
        click.echo(f"{progress.streams} damaged streams: nothing found")
    return Exit.COMPLETE


def _fuzz_guided(
    target: str, wires: Sequence[bytes], seconds: float, seed: int, place: Path
) -> int:
    from tokenwire.testing.fuzz import read_kept
    from tokenwire.testing.guided import FOUND

    with tempfile.TemporaryDirectory() as corpus:
        for number, wire in enumerate(dict.fromkeys(wires)):
            Path(corpus, str(number)).write_bytes(wire)
        options = ["--seconds", str(max(1, round(seconds))), "--seed", str(seed)]
        command = [sys.executable, "-m", "tokenwire.testing.guided", target, *options]
        done = subprocess.run(
            [*command, "--save", str(place), corpus],
            check=False,
            # What atheris tells of its progress goes to standard error.
            stderr=None if sys.stderr.isatty() else subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
    if done.returncode == FOUND:
        click.echo(visible(read_kept(place).found))
        _tell(place)
        return Exit.BROKEN
    if done.returncode:
        said = (done.stderr or b"").decode("utf-8", "replace").strip()[-2000:]
        raise click.ClickException(f"atheris ended with code {done.returncode}\n{visible(said)}")
    click.echo("guided by coverage: nothing found")
    return Exit.COMPLETE


def _show(case: Case, broken: Broken) -> None:
    from tokenwire.testing.fuzz import text_of

    click.echo(visible(text_of(case, broken)))


def _keep(target: str, place: Path, case: Case, found: Broken | str) -> None:
    from tokenwire.testing.fuzz import Kept, keep, text_of

    text = found if isinstance(found, str) else text_of(case, found)
    try:
        keep(place, Kept(dialect=target, case=case, found=text))
    except OSError as error:
        raise click.ClickException(f"cannot write {place}: {error.strerror}") from None
    _tell(place)


def _tell(place: Path) -> None:
    click.echo(f"\nThe case is kept in {place}; run it again: tokenwire fuzz --replay {place}")


class Progress:
    """Counts streams until the time is over, and tells of it where somebody is looking.

    Attributes:
        streams: How many were looked at.
    """

    def __init__(self, seconds: float) -> None:
        self.streams = 0
        self._seconds = seconds
        self._began = time.monotonic()
        self._shown = self._began
        self._shows = sys.stderr.isatty()

    def over(self) -> bool:
        """Is the time over?"""
        return time.monotonic() - self._began >= self._seconds

    def count(self) -> None:
        """One more; say so now and then."""
        self.streams += 1
        now = time.monotonic()
        if self._shows and now - self._shown >= SHOW_SECONDS:
            self._shown = now
            passed = now - self._began
            rate = self.streams / passed
            line = f"{passed:.0f} of {self._seconds:.0f} s, {self.streams} streams, {rate:.0f}/s"
            click.echo(f"\r{line:<60}", err=True, nl=False)

    def end(self) -> None:
        """Leave the line as it was."""
        if self._shows and self._shown > self._began:
            click.echo(f"\r{'':<60}\r", err=True, nl=False)
