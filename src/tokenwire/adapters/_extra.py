"""What an adapter says where its client is not installed."""

from __future__ import annotations

from types import TracebackType


class Extra:
    """Around the imports of a client: one that is missing is told with what to install.

    Args:
        names: The extras that bring it; the first will do.
    """

    def __init__(self, *names: str) -> None:
        self._names = names

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, ModuleNotFoundError):
            ways = " or ".join(f"pip install 'tokenwire[{name}]'" for name in self._names)
            raise ModuleNotFoundError(
                f"{error.name} is not installed, and this adapter needs it: {ways}",
                name=error.name,
                path=error.path,
            ) from None
