"""`Checkpoint`: where an answer stands, small enough to be stored after every token."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

import msgspec
from msgspec import Struct

from tokenwire.cursor import Cursor
from tokenwire.errors import TokenwireError
from tokenwire.request import Request
from tokenwire.resume.backoff import Backoff
from tokenwire.resume.replay import Channel, Said

VERSION: Final = 1

# Response headers that are kept: those with which some service names an answer or a session.
KEPT_HEADERS: Final = ("location", "mcp-session-id", "mcp-protocol-version", "cf-aig-run-id")
_LONGEST: Final = 2048  # characters of such a header


class CheckpointError(TokenwireError, ValueError):
    """A checkpoint cannot be used: it is of another answer or version, or is damaged."""


class Checkpoint(Struct, frozen=True, kw_only=True):
    """Where an answer stands: what another process needs to go on.

    It holds no text of the answer, no header of the request and no credentials, and its size does
    not grow with the answer's length.

    Attributes:
        dialect: The dialect's name.
        request: A hash of the request that it belongs to.
        cursor: The place behind the last event that was delivered.
        recent: The ids delivered last.
        beyond: Events of the frame behind the cursor that were delivered, where it has several.
        id: The answer's id.
        headers: What its first response said about where it is kept.
        begun: Some of the answer was delivered.
        backoff: How far the retries went.
        elapsed: Seconds since the answer was asked for.
        said: What was delivered, as lengths and checksums by channel.
        version: Of this format.
    """

    dialect: str
    request: str
    cursor: Cursor
    recent: tuple[str, ...] = ()
    beyond: int = 0
    id: str | None = None
    headers: dict[str, str] = {}
    begun: bool = False
    backoff: Backoff = Backoff()
    elapsed: float = 0.0
    said: tuple[tuple[Channel, Said], ...] = ()
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
        if version != VERSION:
            raise CheckpointError(
                f"the checkpoint is of version {version}, and this reads version {VERSION}:"
                " ask for the answer anew"
            )
        try:
            return msgspec.json.decode(data, type=cls)
        except ValueError as error:
            raise CheckpointError(f"the checkpoint is damaged: {error}") from None

    def check(self, request: Request, dialect: str) -> None:
        """Is it of this request?

        Raises:
            CheckpointError: It is not.
        """
        if self.dialect != dialect:
            raise CheckpointError(
                f"the checkpoint is of an answer in {self.dialect}, and this one is in {dialect}"
            )
        if self.request != fingerprint(request):
            raise CheckpointError(
                "the checkpoint is of another request: method, URL and body must be the same"
            )


class _Version(Struct):
    version: int


def fingerprint(request: Request) -> str:
    """A hash of a request's method, URL and body; headers may change, as credentials do."""
    told = blake2b(digest_size=16)
    for part in (request.method.encode(), request.url.encode(), request.body or b""):
        told.update(len(part).to_bytes(8, "big") + part)
    return told.hexdigest()


def kept(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that a checkpoint holds."""
    return {
        name: value
        for name in KEPT_HEADERS
        if (value := headers.get(name)) is not None and len(value) <= _LONGEST
    }
