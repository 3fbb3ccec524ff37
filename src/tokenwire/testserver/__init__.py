"""A server that answers like an AI service, and fails on demand: to test clients with.

`running_server` is for tests of any kind, `serve` for an event loop of your own, and the command
is ``tokenwire serve``. `Settings` says how it answers and how it fails; a request's query may
change each of them. It needs h11 and anyio, which ``tokenwire[h11]`` and ``tokenwire[cli]`` bring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokenwire.testserver.settings import Settings

if TYPE_CHECKING:
    from tokenwire.testserver.server import running_server as running_server
    from tokenwire.testserver.server import serve as serve

__all__ = ["Settings", "running_server", "serve"]


def __getattr__(name: str) -> Any:
    # Late, for the settings and the passage are to be had without h11 and anyio.
    if name not in ("running_server", "serve"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from tokenwire.testserver import server
    except ModuleNotFoundError as error:
        if error.name not in ("h11", "anyio"):
            raise
        said = f"{__name__}.{name} needs {error.name}: pip install 'tokenwire[h11]'"
        raise ModuleNotFoundError(said, name=error.name) from None
    return getattr(server, name)
