"""For those who write dialects: Hypothesis strategies, and all laws held against one dialect.

`check_dialect` is the whole of it in one call; the strategies are what it is made of, for tests of
your own. It needs the extra ``tokenwire[testing]``, which is Hypothesis; pytest is not needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tokenwire.testing._answers import answers as answers
    from tokenwire.testing.check import DialectCheckError as DialectCheckError
    from tokenwire.testing.check import Failure as Failure
    from tokenwire.testing.check import Report as Report
    from tokenwire.testing.check import check_dialect as check_dialect
    from tokenwire.testing.laws import Case as Case
    from tokenwire.testing.strategies import chunkings as chunkings
    from tokenwire.testing.strategies import mutations as mutations
    from tokenwire.testing.strategies import wire_texts as wire_texts

_PLACES: Final = {
    "Case": "laws",
    "DialectCheckError": "check",
    "Failure": "check",
    "Report": "check",
    "answers": "_answers",
    "check_dialect": "check",
    "chunkings": "strategies",
    "mutations": "strategies",
    "wire_texts": "strategies",
}

__all__ = [
    "Case",
    "DialectCheckError",
    "Failure",
    "Report",
    "answers",
    "check_dialect",
    "chunkings",
    "mutations",
    "wire_texts",
]


def __getattr__(name: str) -> Any:
    # Late, for what in this package needs no Hypothesis is to be used without it.
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        said = f"{__name__}.{name} needs Hypothesis: pip install 'tokenwire[testing]'"
        raise ModuleNotFoundError(said, name=error.name) from None
