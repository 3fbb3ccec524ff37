"""A fatal `Error` in one line: what happened, how far it came, what to do."""

from __future__ import annotations

from tokenwire.cli.terminal import one_line
from tokenwire.events import Error, Recovery


def report(error: Error, tokens: int) -> str:
    """The line for people.

    Args:
        error: What ended the stream.
        tokens: How many tokens came before.
    """
    kind = error.kind if error.kind in ("truncated", "timeout") else f"{error.kind} error"
    marks = [f"HTTP {error.status}"] if error.status else []
    marks += [error.code] if error.code else []
    where = f" ({', '.join(marks)})" if marks else ""
    came = ""
    if tokens or error.kind not in ("http", "transport", "timeout"):  # there was a stream
        came = "; 1 token was received" if tokens == 1 else f"; {tokens} tokens were received"
    return one_line(f"{kind}{where}: {error.message.rstrip('.')}{came}. {_advice(error, tokens)}")


def _advice(error: Error, tokens: int) -> str:
    match error.kind:
        case "timeout":
            return "Wait longer with --timeout, or ask again."
        case "transport" if not tokens:
            return "Is the service running, and is the address right?"
        case "truncated" if not tokens:
            return "Nothing of an answer came: is --dialect right?"
        case "truncated" | "transport":
            return "The answer is incomplete: ask again."
        case "malformed" | "limit":
            return "Is --dialect right?"
        case "http":
            return _http_advice(error)
        case _:
            return _retry_advice(error)


def _http_advice(error: Error) -> str:
    match error.status:
        case 401 | 403:
            return "Give the service's key with --header 'Authorization: Bearer ...'."
        case 404:
            return "Check the URL."
        case 405:
            return "Check --method; --data makes it POST."
        case 301 | 302 | 303 | 307 | 308:
            return "Follow redirects with --location."
        case int(status) if status < 300:
            return "Check the URL, --dialect, and that --data asks for a stream."
        case _:
            return _retry_advice(error)


def _retry_advice(error: Error) -> str:
    if error.recovery is Recovery.FATAL:
        return "The same request would probably fail again."
    if error.retry_after is not None:
        return f"Try again in {error.retry_after:g} seconds."
    return "It may pass: try again."
