"""``openai-chat/NAME``: the services that speak openai-chat with habits of their own, as data.

`openai-chat` itself reads all of them. A profile is for those who know the service: it says what
the bytes alone cannot, such as that ``[DONE]`` proves the end, or which error codes are transient.
Each is a `Profile`; `openai_dialect` makes a dialect of one, also of a profile from a package of
your own. Sources: the addresses in the profiles, and recordings of most of them. The module is long
because it is mostly this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Final

from msgspec import Struct

from tokenwire.dialects import Dialect, Notes, Resumption
from tokenwire.dialects.openai import ai_gateway as _ai_gateway
from tokenwire.dialects.openai.chat import MARKS, Decoder
from tokenwire.dialects.openai.chat_encode import OpenAIChatEncoder
from tokenwire.dialects.openai.chat_wire import FINISH_REASONS
from tokenwire.dialects.openai.message import chat_message
from tokenwire.dialects.servers import llamacpp
from tokenwire.events import Reason
from tokenwire.framing.sse import SSEFramer


class Prefill(Struct, frozen=True, kw_only=True):
    """How a service goes on with a partial answer: put last, as a message of the assistant.

    Attributes:
        message: Further fields of that message.
        request: Further fields of the request.
        path: What the request's path begins with instead, where it differs.
    """

    message: Mapping[str, Any] = {}
    request: Mapping[str, Any] = {}
    path: str = ""


class Profile(Struct, frozen=True, kw_only=True):
    """The habits of one service of the family.

    Attributes:
        name: The dialect is called ``openai-chat/NAME``.
        vendor: Whose it is.
        hosts: Patterns of its host names, with the port where it has one of its own.
        sources: Where it is described.
        headers: Response headers that tell it from the others: names, lower case, to patterns.
        finish_optional: It sends no finish reasons; ``[DONE]`` proves the end, after no error.
        finish_words: Its finish words beyond those that all are read with.
        retry_codes: Codes of errors after which the same request may succeed, beyond those that all
            services have in common: patterns in lower case.
        reasoning: The field of a delta where thinking stands; ``content``: in Mistral's blocks.
        wants_reasoning: In a loop of tool calls it wants its thinking back with them.
        prefill: How a partial answer is continued; None: it cannot be, or nothing says so.
        resumption: How a broken stream is taken up again; None: it cannot be.
        resume: The same for people.
        errors: How it reports an error in the middle of a stream.
        heartbeats: What it sends to keep a connection alive.
        quirks: What surprises in it, and how it is read.
        doubtful: What no recording and no source code confirms.
    """

    name: str
    vendor: str
    hosts: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    headers: Mapping[str, str] = {}
    finish_optional: bool = False
    finish_words: Mapping[str, Reason] = {}
    retry_codes: tuple[str, ...] = ()
    reasoning: str = "reasoning_content"
    wants_reasoning: bool = False
    prefill: Prefill | None = None
    resumption: Resumption | None = None
    resume: str = ""
    errors: str = 'data: {"error": {...}}'
    heartbeats: str = "none"
    quirks: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()


# Servers that template the messages themselves can leave the last one open.
_OPEN_LAST: Final = Prefill(
    request={"continue_final_message": True, "add_generation_prompt": False}
)

_ALL: Final = (
    Profile(
        name="openai",
        vendor="OpenAI",
        hosts=("api.openai.com", "*.api.openai.com"),
        sources=("https://platform.openai.com/docs/api-reference/chat-streaming",),
        quirks=(
            "obfuscation, a random text in every chunk, is padding",
            "usage is null in every chunk, then comes in one without choices before [DONE]",
            "an assistant's message put last is not continued: a new turn begins",
        ),
    ),
    Profile(
        name="azure",
        vendor="Azure OpenAI",
        hosts=("*.openai.azure.com", "*.cognitiveservices.azure.com", "*.services.ai.azure.com"),
        sources=(
            "https://learn.microsoft.com/azure/ai-services/openai/concepts/content-streaming",
        ),
        headers={"azureml-model-session": "*"},
        errors='data: {"error": {...}}; a filter that acts late ends with content_filter',
        quirks=(
            "the first chunk has prompt_filter_results, no choices and an empty id",
            "the asynchronous filter judges text that came before, also after the finish reason:"
            " a choice without delta, with content_filter_offsets",
        ),
        doubtful=("the chunks of the asynchronous filter come from the documentation",),
    ),
    Profile(
        name="openrouter",
        vendor="OpenRouter",
        hosts=("openrouter.ai",),
        sources=("https://openrouter.ai/docs/api-reference/streaming",),
        headers={"x-generation-id": "*"},
        reasoning="reasoning",
        errors="error, with the upstream's HTTP status as code, inside an otherwise normal chunk",
        heartbeats=": OPENROUTER PROCESSING",
        quirks=(
            "[DONE] comes after an error too",
            "reasoning and reasoning_details say the same; the text is told once",
            "images stand in delta.images",
        ),
    ),
    Profile(
        name="groq",
        vendor="Groq",
        hosts=("api.groq.com",),
        sources=("https://console.groq.com/docs/api-reference",),
        headers={"x-groq-region": "*"},
        reasoning="reasoning",
        errors="event: error, then EOF without [DONE]",
        quirks=(
            "no [DONE] comes after an error",
            "usage stands in x_groq of the finishing chunk",
            "failed_generation, what the model wrote instead of a tool call, stays in the frame of"
            " the error tool_use_failed; only a changed request helps",
        ),
    ),
    Profile(
        name="cerebras",
        vendor="Cerebras",
        hosts=("api.cerebras.ai",),
        sources=("https://inference-docs.cerebras.ai/api-reference/chat-completions",),
        reasoning="reasoning",
        errors='data: {"error": {...}, "status_code": 500}, or event: error',
        quirks=("[DONE] may be missing: a finish reason and EOF are enough",),
    ),
    Profile(
        name="xai",
        vendor="xAI",
        hosts=("api.x.ai", "*.api.x.ai"),
        sources=("https://docs.x.ai/docs/guides/streaming-response",),
        quirks=("finish_reason is absent, not null, until the end",),
        doubtful=("citations come at the top level of a late chunk",),
    ),
    Profile(
        name="deepseek",
        vendor="DeepSeek",
        hosts=("api.deepseek.com",),
        sources=(
            "https://api-docs.deepseek.com/quick_start/rate_limit",
            "https://api-docs.deepseek.com/guides/thinking_mode",
        ),
        wants_reasoning=True,
        prefill=Prefill(message={"prefix": True}, path="/beta"),
        errors="error, or the finish reason insufficient_system_resource: a retry may help",
        heartbeats=": keep-alive",
        quirks=("answers that are no stream begin with blank lines",),
        doubtful=("the prefix continuation is not verified",),
    ),
    Profile(
        name="perplexity",
        vendor="Perplexity",
        hosts=("api.perplexity.ai",),
        sources=("https://docs.perplexity.ai/api-reference/chat-completions-post",),
        errors="event: error",
        quirks=(
            "message.content beside the delta is the text so far, once more; it is not read",
            "the counts so far stand in every chunk, as citations and search_results do",
            "the last chunk is of object chat.completion.done",
            "reasoning models write <think> into the content, and it stays there",
        ),
        doubtful=("whether [DONE] comes: a finish reason and EOF are enough",),
    ),
    Profile(
        name="databricks",
        vendor="Databricks",
        hosts=("*.cloud.databricks.com", "*.azuredatabricks.net", "*.gcp.databricks.com"),
        sources=(
            "https://docs.databricks.com/machine-learning/foundation-model-apis/api-reference",
        ),
        retry_codes=("request_limit_exceeded", "temporarily_unavailable"),
        quirks=("content may be a list of blocks: reasoning with a summary, and text",),
        doubtful=("the list content and the error codes are not recorded",),
    ),
    Profile(
        name="bedrock-mantle",
        vendor="Amazon Bedrock (Mantle)",
        hosts=("bedrock-mantle.*.api.aws", "bedrock-runtime.*.amazonaws.com"),
        sources=("https://docs.aws.amazon.com/bedrock/latest/userguide/bedrock-mantle.html",),
        quirks=("event: may stand after data:",),
    ),
    Profile(
        name="together",
        vendor="Together AI",
        hosts=("api.together.xyz", "api.together.ai"),
        sources=("https://docs.together.ai/reference/chat-completions",),
        reasoning="reasoning",
        quirks=("the text stands in choices[].text and in the delta; it is told once",),
    ),
    Profile(
        name="fireworks",
        vendor="Fireworks AI",
        hosts=("api.fireworks.ai",),
        sources=("https://docs.fireworks.ai/api-reference/post-chatcompletions",),
        heartbeats="event: ping",
    ),
    Profile(
        name="vllm",
        vendor="vLLM",
        sources=("https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",),
        reasoning="reasoning",
        prefill=_OPEN_LAST,
        quirks=(
            "[DONE] comes after an error too",
            "with continuous_usage_stats every chunk has the counts so far",
            "NaN in logprobs is read",
            "older servers send reasoning_content",
        ),
    ),
    Profile(
        name="sglang",
        vendor="SGLang",
        hosts=("*:30000",),
        sources=("https://docs.sglang.ai/basic_usage/openai_api_completions.html",),
        prefill=Prefill(request={"continue_final_message": True}),
        quirks=(
            "[DONE] comes after an error too",
            "arguments may come before the name",
            "frames of event sglext_ids are no part of the answer",
        ),
        doubtful=("the continuation of the last message is not verified",),
    ),
    Profile(
        name="llamacpp",
        vendor="llama.cpp",
        sources=("https://github.com/ggml-org/llama.cpp/tree/master/tools/server",),
        prefill=Prefill(),
        resumption=llamacpp.RESUMPTION,
        resume=llamacpp.RESUME,
        errors='data: {"error": {...}}, then EOF; before 2025-09 an SSE field error:',
        heartbeats=": every sse_ping_interval, 30 s at first",
        quirks=(
            "no [DONE] comes after an error",
            "the field error: is none of the standard, and read all the same",
        ),
    ),
    Profile(
        name="lmstudio",
        vendor="LM Studio",
        hosts=("*:1234",),
        sources=("https://lmstudio.ai/docs/app/api/endpoints/openai",),
        errors="event: error",
        doubtful=("errors in mid-stream are not recorded",),
    ),
    Profile(
        name="ollama",
        vendor="Ollama",
        hosts=("*:11434", "ollama.com"),
        sources=("https://github.com/ollama/ollama/blob/main/docs/openai.md",),
        reasoning="reasoning",
        prefill=Prefill(),
        errors="none: the stream just ends, which is reported as a truncation",
        quirks=(
            "an error of the server becomes an empty chunk, and EOF without a finish reason",
            "parallel tool calls may all have index 0; another id begins another call",
        ),
    ),
    Profile(
        name="tgi",
        vendor="Hugging Face TGI",
        sources=("https://huggingface.co/docs/text-generation-inference/messages_api",),
        headers={"x-compute-type": "*"},
        finish_words={"eos_token": "stop"},
        retry_codes=("overloaded", "incomplete_generation*"),
        errors='data: {"error": {"message", "http_status_code"}}, then [DONE]',
        heartbeats=": every 15 s",
    ),
    Profile(
        name="moonshot",
        vendor="Moonshot AI (Kimi)",
        hosts=("api.moonshot.ai", "api.moonshot.cn", "api.kimi.com"),
        sources=(
            "https://platform.moonshot.ai/docs/api/chat",
            "https://platform.moonshot.ai/docs/guide/use-kimi-k2-thinking-model",
        ),
        wants_reasoning=True,
        retry_codes=("engine_overloaded_error", "rate_limit_reached_error"),
        prefill=Prefill(message={"partial": True}),
        quirks=("older models put usage into the choice",),
        doubtful=("the partial mode is not verified",),
    ),
    Profile(
        name="zai",
        vendor="Z.ai (Zhipu)",
        hosts=("api.z.ai", "open.bigmodel.cn"),
        sources=("https://docs.z.ai/api-reference/api-code",),
        retry_codes=("1120", "1234", "1302", "1303", "1305", "1312"),
        errors="error or event: error, or the finish reason network_error: a retry may help",
        quirks=("finish_reason is absent until the end", "sensitive is a content filter"),
    ),
    Profile(
        name="minimax",
        vendor="MiniMax",
        hosts=("api.minimax.io", "api.minimaxi.com", "api.minimax.chat"),
        sources=("https://platform.minimax.io/docs/api-reference/errorcode",),
        retry_codes=("1000", "1001", "1002", "1024", "1033"),
        errors="base_resp with a status_code that is not 0, with HTTP 200",
        quirks=(
            "an error may be a JSON document instead of a stream",
            "the last event is the whole answer once more; what was told is not told again",
            "chunks have counts of 0; the last ones count",
        ),
    ),
    Profile(
        name="qwen",
        vendor="Alibaba (Qwen, DashScope's compatible mode)",
        hosts=("dashscope.aliyuncs.com", "dashscope-*.aliyuncs.com"),
        sources=("https://help.aliyun.com/zh/model-studio/error-code",),
        retry_codes=("throttling*", "limit_requests", "limit_burst_rate", "serviceunavailable*"),
        prefill=Prefill(message={"partial": True}),
        quirks=('finish_reason may be the text "null"',),
        doubtful=("the partial mode is not verified",),
    ),
    Profile(
        name="snowflake",
        vendor="Snowflake Cortex",
        hosts=("*.snowflakecomputing.com",),
        sources=("https://docs.snowflake.com/en/user-guide/snowflake-cortex/cortex-rest-api",),
        finish_optional=True,
        quirks=("no chunk ever has a finish reason, so [DONE] ends the answer",),
    ),
    Profile(
        name="huggingface",
        vendor="Hugging Face router",
        hosts=("router.huggingface.co",),
        sources=("https://huggingface.co/docs/inference-providers",),
        quirks=("the dialect of the provider behind it comes through",),
    ),
    Profile(
        name="cloudflare",
        vendor="Cloudflare Workers AI and AI Gateway, compatible endpoints",
        hosts=("api.cloudflare.com", "gateway.ai.cloudflare.com"),
        sources=("https://developers.cloudflare.com/workers-ai/platform/errors/",),
        retry_codes=("3007", "3008", "3040"),
        resumption=_ai_gateway.RESUMPTION,
        resume=_ai_gateway.RESUME,
        quirks=("a tool call ends with a fragment whose id, name and arguments are null",),
    ),
    Profile(
        name="gemini",
        vendor="Google Gemini, compatible endpoint",
        hosts=("generativelanguage.googleapis.com", "*aiplatform.googleapis.com"),
        sources=("https://ai.google.dev/gemini-api/docs/openai",),
        errors='{"error": {...}}, or the same in an array',
        quirks=(
            "tool calls have no index",
            "extra_content of a tool call holds the signature to send back; it is Data",
        ),
        doubtful=("the shape of errors is not recorded",),
    ),
    Profile(
        name="vercel-gateway",
        vendor="Vercel AI Gateway",
        hosts=("ai-gateway.vercel.sh",),
        sources=("https://vercel.com/docs/ai-gateway/openai-compat",),
        reasoning="reasoning",
        quirks=("reasoning and reasoning_details say the same; the text is told once",),
    ),
    Profile(
        name="mistral",
        vendor="Mistral AI",
        hosts=("api.mistral.ai", "*.mistral.ai"),
        sources=("https://docs.mistral.ai/api/endpoint/chat",),
        retry_codes=("1300", "3505"),
        reasoning="content",
        prefill=Prefill(message={"prefix": True}),
        errors='{"object": "error", "message", "type", "code"}, or the finish reason error',
        quirks=(
            "content is a text, or a list of blocks: thinking, text, reference",
            'hosted models repeat the id of a call with "name": ""',
            "p is padding",
        ),
        doubtful=("errors in mid-stream, the codes 1300 and 3505, and the prefix continuation",),
    ),
    Profile(
        name="qianfan",
        vendor="Baidu Qianfan V2",
        hosts=("qianfan.baidubce.com",),
        sources=("https://cloud.baidu.com/doc/qianfan-api/index.html",),
        quirks=("an error may be a JSON document instead of a stream",),
    ),
    Profile(
        name="writer",
        vendor="Writer",
        hosts=("api.writer.com",),
        sources=("https://dev.writer.com/api-reference/completion-api/chat-completion",),
        errors="event: error",
        quirks=(
            "no [DONE] comes: a finish reason and EOF are enough",
            "a message beside the delta says the same; it is not read",
        ),
    ),
)

PROFILES: Final[Mapping[str, Profile]] = {profile.name: profile for profile in _ALL}
"""All profiles by their names."""


def find_profile(host: str) -> Profile | None:
    """The profile of the service at this host, or None.

    Args:
        host: As in the URL, with its port where that is not the scheme's own.
    """
    host = host.lower()
    return next(
        (one for one in _ALL if any(fnmatchcase(host, pattern) for pattern in one.hosts)), None
    )


def openai_dialect(profile: Profile) -> Dialect:
    """The dialect of a profile, called ``openai-chat/NAME``; for profiles of your own too."""
    name = f"openai-chat/{profile.name}"
    words: Mapping[str, Reason] = {**FINISH_REASONS, **profile.finish_words}
    proof = "[DONE]" if profile.finish_optional else "a finish_reason for every choice"
    return Dialect(
        name=name,
        framer=SSEFramer,
        decoder=lambda: Decoder(
            words, finish_optional=profile.finish_optional, retry_codes=profile.retry_codes
        ),
        encoder=lambda: OpenAIChatEncoder(words, dialect=name, reasoning=profile.reasoning),
        message=partial(
            chat_message, reasoning=profile.reasoning if profile.wants_reasoning else ""
        ),
        terminator=proof,
        resumption=profile.resumption,
        marks=MARKS,
        headers=profile.headers,
        notes=Notes(
            vendor=profile.vendor,
            sources=profile.sources,
            request="a chat completion with stream: true",
            text="choices[].delta.content",
            errors=profile.errors,
            heartbeats=profile.heartbeats,
            resume=_resume(profile),
            quirks=profile.quirks,
            doubtful=profile.doubtful,
        ),
    )


def _resume(profile: Profile) -> str:
    ways = [profile.resume] if profile.resume else []
    if profile.prefill is not None:
        ways.append(_continuation(profile.prefill))
    return "; ".join(ways) or "none"


def _continuation(prefill: Prefill) -> str:
    fields = [
        *(f"{name}: {value!r} in it" for name, value in prefill.message.items()),
        *(f"{name}: {value!r} in the request" for name, value in prefill.request.items()),
        *([f"under {prefill.path}"] if prefill.path else []),
    ]
    return ", ".join(["the partial answer as the last message of the assistant", *fields])


DIALECTS: Final[Mapping[str, Dialect]] = {
    dialect.name: dialect for dialect in map(openai_dialect, _ALL)
}
"""The dialects of all profiles by their full names."""
