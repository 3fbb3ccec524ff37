"""Which path answers in which dialect, and the answers that are no stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from tokenwire.dialects import Dialect, available_dialects, get_dialect
from tokenwire.testserver.answer import Answer

WELL_KNOWN: Final[Mapping[str, str]] = {
    "/v1/chat/completions": "openai-chat",
    "/v1/responses": "openai-responses",
    "/v1/messages": "anthropic-messages",
    "/api/chat": "ollama-chat",
    "/api/generate": "ollama-generate",
    "/completion": "llamacpp",
}
"""The paths of the services themselves, so that their own clients need a new base URL only."""

RESPONSES: Final = "openai-responses"
"""Answers of this dialect are gone on with at the path of the request and ``/{id}``."""

STREAM: Final = "/v1/stream"
"""Where answers are gone on with by a count of bytes, as llama.cpp's server has it."""

METHODS: Final = "GET, HEAD, OPTIONS, POST"

Headers = dict[str, str]


class Reply(Struct, frozen=True):
    """One response: a body that is known, or an answer to stream."""

    status: int
    headers: Headers
    body: bytes | Answer = b""


def routes() -> dict[str, str]:
    """All paths and the dialects that they answer in."""
    return dict(WELL_KNOWN) | {f"/{name}": name for name in writable_dialects()}


def writable_dialects() -> list[str]:
    """The names of the dialects that have an encoder."""
    return [name for name in available_dialects() if _writable(name)]


def _writable(name: str) -> bool:
    try:
        return get_dialect(name).encoder is not None
    except Exception:  # what an installed package does wrong must not stop the server
        return False


def stream_reply(dialect: Dialect, answer: Answer) -> Reply:
    """The answer as a stream, with the headers that keep proxies from collecting it."""
    headers = {
        "content-type": dialect.media_types[0],
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
    }
    return Reply(200, headers, answer)


def json_reply(status: int, document: Any, **headers: str) -> Reply:
    """A JSON document."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(
        status,
        {"content-type": "application/json", **named},
        msgspec.json.encode(document) + b"\n",
    )


def refusal(status: int, message: str, **more: Any) -> Reply:
    """The server's own complaint about a request."""
    return json_reply(status, {"error": {"message": message, **more}})


def too_many_requests(dialect: Dialect, seconds: int) -> Reply:
    """429 as the dialect's service words it, with ``Retry-After``."""
    message = f"rate limit reached, try again in {seconds} seconds (a failure asked for)"
    document: dict[str, Any] = {"error": {"message": message, "type": "rate_limit_error"}}
    if dialect.name.startswith("ollama"):
        document = {"error": message}
    elif dialect.name.startswith("anthropic"):
        document = {"type": "error", **document}
    else:
        document["error"]["code"] = "rate_limit_exceeded"
    return json_reply(429, document, retry_after=str(seconds))


def bad_gateway() -> Reply:
    """502 as a proxy in front of the service words it."""
    page = (
        b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>\n"
        b"<body><h1>502 Bad Gateway</h1><p>A failure asked for.</p></body></html>\n"
    )
    return Reply(502, {"content-type": "text/html; charset=utf-8"}, page)
