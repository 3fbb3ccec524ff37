"""``tokenwire serve``: run the built-in test server."""

from __future__ import annotations

import ipaddress
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tokenwire.cli.exits import Exit
from tokenwire.testserver.routes import routes
from tokenwire.testserver.settings import CUTS, FAILS, REPLAYS, Settings

if TYPE_CHECKING:
    import anyio
    from anyio.abc import TaskStatus

    from tokenwire.testserver.site import Log

DEFAULT_PORT = 8765


@click.command(short_help="Run a test server that can fail on demand.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Where to listen; 0 takes a free port.",
)
@click.option("--text", "file", metavar="FILE", help="What to say; else a built-in passage.")
@click.option("--rate", default=0.0, metavar="N", help="Tokens a second; 0: no waiting.")
@click.option("--cut", type=click.Choice(CUTS), default="token", help="How to cut the body.")
@click.option("--seed", default=0, metavar="N", help="Chooses what is left to chance.")
@click.option("--fail", type=click.Choice(FAILS), default="none", help="How to fail.")
@click.option("--after", default=5, metavar="N", help="Tokens before it fails.")
@click.option(
    "--fail-rate", type=float, metavar="SHARE", help="How many requests fail; 0.15: 15 %."
)
@click.option("--fail-times", type=int, metavar="N", help="How often the same request may fail.")
@click.option("--delay", default=0.1, metavar="N", help="Seconds between heartbeats, or drips.")
@click.option("--retry-after", default=2, metavar="N", help="Seconds that a 429 asks for.")
@click.option("--crlf", is_flag=True, help="End the body's lines in CRLF, not in LF.")
@click.option("--ids", is_flag=True, help="Give SSE events an id, to go on with Last-Event-ID.")
@click.option("--replay", type=click.Choice(REPLAYS), default="exact", help="Where to go on.")
@click.option("-q", "--quiet", is_flag=True, help="Print the URL and errors only.")
def serve(host: str, port: int, file: str | None, quiet: bool, **given: object) -> int:
    """Answer like an AI service, and fail on demand: a server to test your own client with.

    The base URL is printed on standard output, all else on standard error. A request's query may
    change each setting, as in ?cut=byte&fail=drop&after=3.
    """
    import anyio

    try:
        settings = Settings(**given, **_text(file))  # type: ignore[arg-type]  # click read them
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if not _is_loopback(host):
        click.echo(f"warning: {host} is not loopback: others can reach this test server", err=True)
    return anyio.run(_serve, settings, host, port, _ignore if quiet else _log)


async def _serve(settings: Settings, host: str, port: int, log: Log) -> int:
    import anyio

    from tokenwire.testserver import server

    stop = anyio.Event()
    async with anyio.create_task_group() as tasks:
        await tasks.start(_await_signals, stop, tasks.cancel_scope, log)
        try:
            await server.serve(
                settings, host=host, port=port, stop=stop, log=log, task_status=_Announcement(log)
            )
        except OSError as error:
            _log(
                f"tokenwire: cannot listen on {host} port {port}: {error.strerror or error}."
                " Choose another with --port; 0 takes a free one."
            )
            return Exit.FAILED
        finally:
            tasks.cancel_scope.cancel()
    return Exit.COMPLETE


class _Announcement:
    """Told the base URL by the server once it listens."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def started(self, value: str | None = None) -> None:
        try:
            click.echo(value)
        except OSError:
            pass
        paths = "".join(f"\n  {path:<22} {name}" for path, name in routes().items())
        self._log(f"It answers at{paths}\nCtrl-C stops it.")


async def _await_signals(
    stop: anyio.Event,
    scope: anyio.CancelScope,
    log: Log,
    *,
    task_status: TaskStatus[None],
) -> None:
    """Stop at the first signal, and do not wait for answers at the second."""
    import anyio

    try:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for _ in signals:
                if stop.is_set():
                    scope.cancel()
                    return
                log("Stopping.")
                stop.set()
    except NotImplementedError:  # Windows: Ctrl-C ends the process
        task_status.started()


def _text(file: str | None) -> dict[str, str]:
    if file is None:
        return {}
    try:
        return {"text": Path(file).read_bytes().decode()}
    except OSError as error:
        raise click.UsageError(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file} is not UTF-8: {error}") from None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _log(line: str) -> None:
    try:
        click.echo(line, err=True)
    except OSError:  # whoever read the log left; the server's clients did not
        pass


def _ignore(line: str) -> None:
    pass
