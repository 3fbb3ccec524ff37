"""`Limits`: every bound that a parser keeps, each with its reason."""

from __future__ import annotations

from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds on what one stream may make a parser hold. All in bytes, all positive.

    Attributes:
        max_event_size: One server-sent event or JSON line; 16 MiB. Beyond it the stream ends in
            ``Error(kind="limit")``.
        max_error_body: What is kept of a body that is no stream; 64 KiB. The rest is not read.
        max_undrained: Held since the events were last taken; 16 MiB, a frame counting for at least
            100 bytes. Beyond it `StreamParser.receive_data` raises `LocalProtocolError`.

    Raises:
        ValueError: A bound is not a positive whole number.
    """

    # One server-sent event or JSON line. A silent 1 MiB cap broke whole product lines: generated
    # images arrive as one base64 line of several MB. Precedents: Ollama's Go client takes 8 MB a
    # line, Amazon allows 24 MiB a message, generated clients 1 MiB; 16 MiB holds any line seen.
    max_event_size: int = 16 * 1024 * 1024

    # What is kept of a body that is no stream: enough for every vendor's error document and for
    # the interesting head of a proxy's HTML page.
    max_error_body: int = 64 * 1024

    # Bytes received since the caller last took every event. Beyond it `receive_data` refuses, so
    # that a program that forgets to drain fails loudly instead of growing. One chunk may be larger:
    # it is in memory already.
    max_undrained: int = 16 * 1024 * 1024

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ValueError(f"Limits.{name} must be a positive number of bytes, not {value!r}")


DEFAULT_LIMITS = Limits()
