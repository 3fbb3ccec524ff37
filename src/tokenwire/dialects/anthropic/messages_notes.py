"""What people should know of Anthropic's Messages wire."""

from __future__ import annotations

from typing import Final

from tokenwire.dialects import Notes

NOTES: Final = Notes(
    vendor="Anthropic; also Vertex AI, Azure AI Foundry, gateways, and in the frames of"
    " Amazon Bedrock",
    sources=(
        "https://docs.anthropic.com/en/docs/build-with-claude/streaming",
        "the anthropic SDK 2.11",
    ),
    request='POST /v1/messages with "stream": true; on Vertex AI :streamRawPredict',
    text='content_block_delta: delta.text, where delta.type is "text_delta"',
    errors='event: error, {"type": "error", "error": {"type", "message"}}, with status 200',
    heartbeats="event: ping",
    resume="none; a new request may go on from the text so far, on models that take a last"
    " message of the assistant",
    quirks=(
        "the type is read from the JSON, else from event:, which may stand after the data.",
        "objects are padded with spaces to hide their length.",
        "an overloaded service answers with status 200 and an error as the first event.",
        "the counts of message_delta replace those of message_start; null says nothing.",
        "a gateway may send message_start twice: with the same id it says nothing, with"
        " another one the message before is void, told as Reset.",
        "unknown events, as vertex_event, are Unknown.",
        "A thought's signature is to be sent back as it came. Blocks that come whole are Data:"
        " redacted_thinking, results of server tools, fallback, compaction; so are stop_details"
        " of a refusal.",
        "A call is complete when its block is closed or replaced or the message ends in it, and"
        " its JSON is whole. Without a fragment of arguments it has none, unless max_tokens cut"
        " it right there.",
        "message_start may have content: a call that a program made, or at some gateways all of"
        " it; where its blocks come once more, they are not told again.",
        "container and context_management are Data.",
    ),
    doubtful=("Text completions (event: completion) come from no recording.",),
)
