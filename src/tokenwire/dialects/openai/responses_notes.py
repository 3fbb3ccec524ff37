"""What people should know of the Responses wire."""

from __future__ import annotations

from typing import Final

from tokenwire.dialects import Notes

NOTES: Final = Notes(
    vendor="OpenAI; also Azure OpenAI, OpenRouter, xAI, DeepSeek, Bedrock Mantle, llama.cpp",
    sources=(
        "https://platform.openai.com/docs/api-reference/responses-streaming",
        "the openai SDK 3.52",
    ),
    request='POST /v1/responses with "stream": true',
    text="response.output_text.delta: delta",
    errors='event: error, flat or under "error", and response.failed after it: told once;'
    ' llama.cpp sends {"error": ...} without a type',
    heartbeats="keepalive events of some backends",
    resume="GET /v1/responses/{id}?stream=true&starting_after={sequence_number} goes on after"
    ' that event, if the answer was asked for with "background": true; any other is lost',
    quirks=(
        "Bedrock Mantle writes event: after data:.",
        "OpenRouter has no event: lines; the type is read from the JSON first.",
        "obfuscation in deltas hides their length.",
        "[DONE] after the end, as OpenRouter sends it, proves nothing without it.",
        ".done events, items and the terminal event repeat what was said, in lines of 100"
        " KB and more; what no delta brought is said then, and a text that is another one than its"
        " deltas is told as Reset.",
        "GitHub Copilot makes up a new item_id for every event; others send no indices, or 0"
        " for all, or shift them. Items are told apart by ids, indices, names and content.",
        "A call is complete when its item is closed or the answer completed, and its JSON whole.",
        "Done says what the client must do: tool_calls after calls of its tools, and after items"
        " as computer_call or mcp_approval_request, which are Data; stop where xAI ran the calls"
        " itself. Finished says what the wire calls it: tool_calls wherever a tool was called.",
        "new events come monthly and are Unknown.",
        "Bedrock counts the parts of a message from 1 in its events and from 0 in the item.",
    ),
    doubtful=(
        "response.cancelled: read as an end that was cancelled.",
        "response.done, the end of the Realtime API: read as an end that its status tells.",
        "keepalive events.",
        "Perplexity's response.reasoning.* events: the thought is Reasoning, the rest Data.",
    ),
)
