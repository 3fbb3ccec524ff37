"""`Asked`: a request, as far as the built-in server reads it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import cached_property
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import msgspec

DEFAULT_MODEL: Final = "tokenwire-test"

# What a field or parameter is called that says from where to go on. The request that has one is
# otherwise the one that began the answer.
RESUME_FROM: Final = "resume_from"


class Asked:
    """A request.

    Args:
        method: As ``GET`` or ``POST``.
        target: Path and query, as they came.
        headers: By their names in lower case.
        body: All of it.

    Attributes:
        path: Decoded, without a slash at the end.
        parameters: Those of the query.
    """

    def __init__(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> None:
        path, _, query = target.partition("?")
        self.method: Final = method
        self.path: Final = unquote(path).rstrip("/")
        self.parameters: Final = dict(parse_qsl(query, keep_blank_values=True))
        self.headers: Final = headers
        self._body = body

    @cached_property
    def fields(self) -> Mapping[str, Any]:
        """The fields of its JSON body; none where it has no JSON object: any body will do."""
        try:
            return msgspec.json.decode(self._body, type=dict[str, Any])
        except (ValueError, RecursionError):
            return {}

    @property
    def model(self) -> str:
        """The model that it asks for."""
        model = self.fields.get("model")
        return model if isinstance(model, str) else DEFAULT_MODEL

    @property
    def key(self) -> Hashable:
        """Equal for a request that is sent again, also where it goes on with an answer."""
        body = self._body
        if RESUME_FROM in self.fields:
            kept = {name: value for name, value in self.fields.items() if name != RESUME_FROM}
            body = msgspec.json.encode(kept)
        elif self.fields:
            body = msgspec.json.encode(self.fields)  # the same fields, however they were written
        method = "GET" if self.method == "HEAD" else self.method
        return method, self.path, tuple(self.parameters.items()), sha256(body).digest()


def read_place(name: str, value: object) -> int:
    """A place in an answer, out of a parameter or a field.

    Raises:
        ValueError: It is none.
    """
    try:
        place = msgspec.convert(value, int, strict=isinstance(value, float | bool))
    except msgspec.ValidationError:
        place = -1
    if place < 0:
        raise ValueError(f"{name} must be a whole number, 0 or more, not {value!r}")
    return place
