"""What holds where a `Session` is given no other retries and deadlines."""

from __future__ import annotations

from typing import Final

from tokenwire.dialects import Dialect
from tokenwire.resume.backoff import RetryPolicy
from tokenwire.resume.deadlines import Deadlines
from tokenwire.resume.plan import is_live

DEFAULT_RETRY: Final = RetryPolicy()
DEFAULT_DEADLINES: Final = Deadlines()

# An event source has no end: it is asked again for as long as somebody listens, and may have
# nothing to say for hours. Only a connection that is dead must be found out.
SOURCE_RETRY: Final = RetryPolicy(max_attempts=None)
SOURCE_DEADLINES: Final = Deadlines(first_token=None, progress=None)


def default_deadlines(dialect: Dialect | str) -> Deadlines:
    """Those of an event source for one, and else those of an answer."""
    return SOURCE_DEADLINES if is_live(dialect) else DEFAULT_DEADLINES
