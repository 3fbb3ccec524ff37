"""What people should know of the wire of Chat Completions."""

from __future__ import annotations

from typing import Final

from tokenwire.dialects import Notes

NOTES: Final = Notes(
    vendor="OpenAI and the services that speak its API; each has a profile, openai-chat/NAME",
    sources=("https://platform.openai.com/docs/api-reference/chat-streaming",),
    request="POST /v1/chat/completions with stream: true; counts with"
    " stream_options: {include_usage: true}",
    text="choices[].delta.content",
    errors='data: {"error": {...}} or event: error, with [DONE] after it or without; inside a'
    " chunk; a finish reason that means a failure",
    heartbeats="comments at some services",
    quirks=(
        "chunks without choices, and choices without delta, are no fault",
        "Snowflake sends no finish reason and empty ids; there [DONE] ends the answer, and"
        " so it does after audio, and for choices silent since another of them finished",
        'a finish_reason of "" or "null" is none',
        "[DONE] alone proves nothing, and its absence disproves nothing",
        "a whole message at the end says again what was told; only news is told. So it is"
        " with a last delta that is all of the text",
        "the same text in two fields is told once",
        "counts replace each other, null says nothing",
        "calls without index, with index 0 for all, without ids or with late names are told apart",
        "a call is complete when its arguments are whole JSON, or none, and the choice ended",
        "an index that counts chunks, as their ids do, is no choice",
        "a field that says something is Data of its name, one that nobody knows Data('extra')",
        "arguments sent as an object are written out as JSON text",
        "half surrogates, bytes that are no UTF-8, NaN and Infinity are read",
        "choices interleave; each ends by its own finish reason",
        "<think> in the text stays in the text",
    ),
    doubtful=("Azure's asynchronous filter, errors of LM Studio: from documentation only",),
)
