"""What Gemini's chunks look like, for its decoder and its encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import UNSET, Raw, Struct

from tokenwire.events import Reason

_NOTHING: Final = Raw()


class _Wire(Struct, rename="camel", gc=False, forbid_unknown_fields=True):
    """Names as in JSON; fields in the order of the wire, in which they are found soonest."""


class PartialArgWire(_Wire):
    json_path: str = ""
    string_value: str | None = None
    number_value: int | float | None = None
    bool_value: bool | None = None
    null_value: Any = UNSET  # JSON null is how a null is said
    will_continue: Any = None  # not reported: what follows says so too


class FunctionCallWire(_Wire):
    id: str | None = None
    name: str | None = None
    args: Any = None  # an object, whole
    partial_args: list[PartialArgWire] | None = None  # Vertex
    will_continue: bool | None = None  # Vertex


class PartWire(_Wire):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCallWire | None = None
    inline_data: Any = None
    file_data: Any = None
    executable_code: Any = None
    code_execution_result: Any = None
    tool_call: Any = None  # the vendor's own tools
    tool_response: Any = None
    function_response: Any = None
    audio_transcription: Any = None
    # Not reported: how a medium was read.
    media_resolution: Raw = _NOTHING
    video_metadata: Raw = _NOTHING

    @property
    def has_data(self) -> bool:
        """Is there any of `DATA_IN_PART`? Nearly always not, and a loop takes eight times as long.

        A test holds it against them.
        """
        return not (
            self.inline_data is None
            and self.file_data is None
            and self.executable_code is None
            and self.code_execution_result is None
            and self.tool_call is None
            and self.tool_response is None
            and self.function_response is None
            and self.audio_transcription is None
        )


class ContentWire(_Wire):
    parts: list[PartWire] | None = None
    role: Raw = _NOTHING  # always the model's


class CandidateWire(_Wire):
    content: ContentWire | None = None
    finish_reason: str | int | None = None  # a number where enums are asked for as such
    index: int | None = None
    finish_message: str | None = None
    grounding_metadata: Any = None
    url_context_metadata: Any = None
    citation_metadata: Any = None
    safety_ratings: Any = None
    continuation_token: Any = None
    logprobs_result: Any = None
    avg_logprobs: Any = None
    audio_transcription: Any = None
    token_count: Raw = _NOTHING  # counted in the usage

    @property
    def has_data(self) -> bool:
        """Does any of `DATA_IN_CANDIDATE` say something? As above."""
        return bool(
            self.grounding_metadata
            or self.url_context_metadata
            or self.citation_metadata
            or self.safety_ratings
            or self.continuation_token
            or self.logprobs_result
            or self.avg_logprobs
            or self.audio_transcription
        )


class UsageWire(_Wire):
    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    total_token_count: int | None = None
    cached_content_token_count: int | None = None
    # Details are the same counts in parts, and the rest no counts of tokens: not reported.
    prompt_tokens_details: Raw = _NOTHING
    cache_tokens_details: Raw = _NOTHING
    candidates_tokens_details: Raw = _NOTHING
    thoughts_token_count: int | None = None
    service_tier: Raw = _NOTHING
    tool_use_prompt_token_count: Raw = _NOTHING
    tool_use_prompt_tokens_details: Raw = _NOTHING
    traffic_type: Raw = _NOTHING


class ChunkWire(_Wire):
    candidates: list[CandidateWire] | None = None
    usage_metadata: UsageWire | None = None
    model_version: str | None = None
    response_id: str | None = None
    prompt_feedback: Any = None
    error: Any = None
    response: ChunkWire | None = None  # Code Assist puts the whole chunk into it
    # Not reported: a time, and an id for support.
    create_time: Raw = _NOTHING
    trace_id: Raw = _NOTHING


FINISH_REASONS: Final[Mapping[str, Reason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    **dict.fromkeys(
        (
            "SAFETY",
            "RECITATION",
            "LANGUAGE",
            "BLOCKLIST",
            "PROHIBITED_CONTENT",
            "SPII",
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION",
            "IMAGE_OTHER",
            "ESCALATION",
            "MODEL_ARMOR",
        ),
        "content_filter",
    ),
    **dict.fromkeys(
        (
            "MALFORMED_FUNCTION_CALL",
            "MALFORMED_RESPONSE",
            "UNEXPECTED_TOOL_CALL",
            "TOO_MANY_TOOL_CALLS",
            "MISSING_THOUGHT_SIGNATURE",
        ),
        "error",
    ),
    # The numbers that the Developer API and Vertex agree on; from 6 on they differ.
    "1": "stop",
    "2": "length",
    "3": "content_filter",
    "4": "content_filter",
}
"""Anything else is ``other``: ``OTHER``, ``NO_IMAGE``, ``PUP_LIMITED_DISABLED``, new words."""

# The zero of each enum: it says nothing.
_UNSPECIFIED: Final = frozenset(
    {"", "0", "FINISH_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED"}
)

DATA_IN_PART: Final = {
    "inline_data": "inlineData",
    "file_data": "fileData",
    "executable_code": "executableCode",
    "code_execution_result": "codeExecutionResult",
    "tool_call": "toolCall",
    "tool_response": "toolResponse",
    "function_response": "functionResponse",
    "audio_transcription": "audioTranscription",
}
DATA_IN_CANDIDATE: Final = {
    "grounding_metadata": "groundingMetadata",
    "url_context_metadata": "urlContextMetadata",
    "citation_metadata": "citationMetadata",
    "safety_ratings": "safetyRatings",
    "continuation_token": "continuationToken",
    "logprobs_result": "logprobsResult",
    "avg_logprobs": "avgLogprobs",
    "audio_transcription": "audioTranscription",
}


def word_of(value: Any) -> str | None:
    """A word of an enum, or the number that stands for it; None where it says nothing."""
    if value is None:
        return None
    word = str(value) if isinstance(value, str | int) else ""
    return None if word in _UNSPECIFIED else word
