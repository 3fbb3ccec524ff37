"""What people should know of Gemini's chunks, and what tells them from others."""

from __future__ import annotations

from typing import Final

from tokenwire.dialects import Notes

# The same in both framings: detection tells those apart.
MARKS: Final = (
    ("candidates",),
    ("promptFeedback",),
    ("usageMetadata",),
    ("response.candidates",),  # Code Assist
    ("response.usageMetadata",),
)

_VENDOR: Final = "Google Gemini, on the developer API and Vertex AI"
_SOURCES: Final = (
    "https://ai.google.dev/api/generate-content",
    "https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference",
    "the google-genai SDK 3.4",
)
_TEXT: Final = "candidates[].content.parts[].text, where thought is not true"
_RESUME: Final = (
    "no cursor; an answer that ends in CONTINUATION has a continuationToken, told as Data, for a"
    " new request that goes on"
)
_QUIRKS: Final = (
    "usageMetadata is cumulative and comes with every chunk; the last one counts.",
    "calls have no index and mostly no id: they are told apart by their order.",
    "arguments come as an object, whole; on Vertex also in patches (partialArgs), of which the"
    " last may not say that it is the last.",
    "gateways glue several chunks into one.",
    "A call finishes with STOP: told as tool_calls. A blocked prompt has no candidates, but a"
    " blockReason.",
    "Code Assist puts each chunk into an object, as its response.",
    "A call with an id but without arguments may come again with them: it is one call.",
    "Some gateways send the whole text once more beside the finishReason: it is told once.",
    "A thoughtSignature may stand on any part, also on an empty text.",
)
_DOUBTFUL: Final = (
    "Numbers in place of words for a finish: only 1 to 4 mean the same everywhere.",
)

SSE_NOTES: Final = Notes(
    vendor=_VENDOR,
    sources=_SOURCES,
    request="POST /v1beta/models/{model}:streamGenerateContent?alt=sse",
    text=_TEXT,
    errors='data: {"error": {"code", "message", "status"}}, or the same object in lines of its own,'
    " without data:",
    resume=_RESUME,
    quirks=(
        "lines end in CRLF.",
        "older models write finishReason STOP into every chunk, and an event stream has no"
        " terminator: a body that ends cleanly after such a chunk is believed. Where the"
        " connection broke it is not, unless the answer's tokens were counted with a STOP for the"
        " first time. Ask such a model without alt=sse: an array is closed.",
        *_QUIRKS,
    ),
    doubtful=_DOUBTFUL,
)
ARRAY_NOTES: Final = Notes(
    vendor=_VENDOR,
    sources=_SOURCES,
    request="POST /v1beta/models/{model}:streamGenerateContent",
    text=_TEXT,
    errors='an element {"error": {"code", "message", "status"}}, or that object in place of the'
    " array",
    resume=_RESUME,
    quirks=(
        "older models write finishReason STOP into every chunk: the closing bracket decides.",
        *_QUIRKS,
    ),
    doubtful=(
        *_DOUBTFUL,
        "How an error stands in the array, and what stands between elements: any white space and"
        " any commas are read.",
    ),
)
