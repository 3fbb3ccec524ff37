"""`Checkpoint`: where an answer stands, small enough to be stored after every token.

Decided here: what is kept of an answer, in which form, and which request a checkpoint belongs to.
Not here: whether the service can be asked to go on from there (`tokenwire.resume.plan`).
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec import Struct

from tokenwire.cursor import Cursor
from tokenwire.dialects import Dialect
from tokenwire.dialects.kit.payloads import UNREADABLE, is_list, is_mapping
from tokenwire.errors import TokenwireError
from tokenwire.events import Reason
from tokenwire.request import Request, masked
from tokenwire.resume.backoff import Backoff
from tokenwire.resume.evidence import Kept
from tokenwire.resume.replay import Channel, Said

VERSION: Final = 2

# Response headers that are kept: those with which some service names an answer or a session.
KEPT_HEADERS: Final = ("location", "mcp-session-id", "mcp-protocol-version", "cf-aig-run-id")
_LONGEST: Final = 2048  # characters of such a header, or of an id


class CheckpointError(TokenwireError, ValueError):
    """A checkpoint cannot be used: it is of another answer or version, or is damaged."""


class Checkpoint(Struct, frozen=True, kw_only=True):
    """Where an answer stands: what another process needs to go on.

    It holds no text of the answer, no header of the request and no credentials, and its size does
    not grow with the answer's length.

    Attributes:
        dialect: The dialect's name.
        request: A hash of the request that it belongs to.
        cursor: The place after the last event that was delivered.
        places: What was said at the places that were delivered, as digests.
        tail: What was delivered after the cursor, as length and checksums.
        head: What was delivered before the stream named any place, in the same way.
        id: The answer's id.
        headers: What its first response said about where it is kept.
        begun: Some of the answer was delivered.
        backoff: How far the retries went.
        elapsed: Seconds since the answer was asked for.
        said: What was delivered, as lengths and checksums by channel.
        done: Why it ended, where `Done` was delivered: there is nothing to ask for.
        version: Of this format.
    """

    dialect: str
    request: str
    cursor: Cursor
    places: Kept = Kept()
    tail: Said = Said()
    head: Said = Said()
    id: str | None = None
    headers: dict[str, str] = {}
    begun: bool = False
    backoff: Backoff = Backoff()
    elapsed: float = 0.0
    said: tuple[tuple[Channel, Said], ...] = ()
    done: Reason | None = None
    version: int = VERSION

    def to_json(self) -> bytes:
        """As JSON; `from_json` reads it."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, data: bytes) -> Checkpoint:
        """Read what `to_json` wrote.

        Raises:
            CheckpointError: It is of another version, was cut off, or is no checkpoint.
        """
        try:
            version = msgspec.json.decode(data, type=_Version).version
        except ValueError as error:
            raise CheckpointError(f"this is no checkpoint, or half of one: {error}") from None
        _check_version(version)
        try:
            return msgspec.json.decode(data, type=cls)
        except ValueError as error:
            raise CheckpointError(f"the checkpoint is damaged: {error}") from None

    def check(self, request: Request, dialect: Dialect) -> None:
        """Is it of this request?

        Raises:
            CheckpointError: It is not.
        """
        _check_version(self.version)
        if self.dialect != dialect.name:
            raise CheckpointError(
                f"the checkpoint is of an answer in {self.dialect}, and this one is in"
                f" {dialect.name}: use the dialect that made it"
            )
        if self.request != fingerprint(request, dialect):
            keys = ", ".join(("method", "URL", *_key_headers(dialect)))
            raise CheckpointError(
                f"the checkpoint is of another request than this {request.method}: {keys} and"
                " body must be the same, but for credentials and how the JSON is written"
            )


def _check_version(version: int) -> None:
    if version != VERSION:
        raise CheckpointError(
            f"the checkpoint is of version {version}, and this reads version {VERSION}:"
            " ask for the answer anew"
        )


class _Version(Struct):
    version: int


def _key_headers(dialect: Dialect) -> tuple[str, ...]:
    return dialect.resumption.key_headers if dialect.resumption is not None else ()


def fingerprint(request: Request, dialect: Dialect) -> str:
    """A hash of a request's method, URL and body, and of the headers that name its answer.

    Other headers may change, as credentials do, in the URL as well. Of a JSON body it counts what
    it says, not how a client writes that: the order of fields, white space, escapes and ``1.0``
    for ``1`` make no difference.
    """
    hashed = blake2b(digest_size=16)
    parts = [request.method, masked(request.url)]
    parts += [request.header(name) or "" for name in _key_headers(dialect)]
    for part in (*map(_bytes, parts), _canonical(request.body or b"")):
        hashed.update(len(part).to_bytes(8, "big") + part)
    return hashed.hexdigest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _canonical(body: bytes) -> bytes:
    """A JSON body in the one form that all clients' forms have in common; any other as it is."""
    try:
        return msgspec.json.encode(_whole(msgspec.json.decode(body)), order="sorted")
    except UNREADABLE:
        return body


def _whole(value: Any) -> Any:
    """The value with whole numbers as such: JavaScript writes 1.0 as 1."""
    if is_mapping(value):
        return {name: _whole(inner) for name, inner in value.items()}
    if is_list(value):
        return [_whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def kept(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that a checkpoint holds."""
    return {
        name: value
        for name in KEPT_HEADERS
        if (value := headers.get(name)) is not None and len(value) <= _LONGEST
    }


def kept_id(id: str | None) -> str | None:
    """The answer's id as a checkpoint holds it: none, where no URL could."""
    return id if id is not None and len(id) <= _LONGEST else None
