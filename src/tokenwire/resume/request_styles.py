"""`RequestStyle`: where each API's requests hold their turns, and whether a prefill works there.

All of it is data; give a style of your own for an API that is not here.

Sources: the `Prefill` of each profile in `tokenwire.dialects.openai.profiles`, and the addresses in
the dialects' notes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from msgspec import Struct

from tokenwire.dialects.kit.payloads import is_mapping
from tokenwire.dialects.openai.profiles import PROFILES, Prefill

Path: TypeAlias = tuple[str, ...]
"""The names of fields, one inside the other."""


def always(body: Mapping[str, Any]) -> bool:
    """Whatever the request asks."""
    return True


def never(body: Mapping[str, Any]) -> bool:
    """Not on its own: only where the caller asks for it."""
    return False


class RequestStyle(Struct, frozen=True, kw_only=True):
    """How the requests of an API are built, as far as a continuation needs it.

    Attributes:
        turns: The list of turns; empty where there is none. A text there is one turn of the user.
        prompt: The text of the prompt, for requests without turns.
        assistant: The role of the model's turns.
        content: The field of a turn that holds what is said.
        blocks: It holds a list of blocks with a ``text``, not a text.
        prefill: How a partial answer is put last, to be gone on from; None: it cannot be.
        prefill_when: Given a body: does the ``auto`` method count on it?
        raw_when: Given a body: does the model go on from the prompt, without a template around it?
        strips: The API refuses a last turn that ends in white space.
    """

    turns: Path = ("messages",)
    prompt: Path = ()
    assistant: str = "assistant"
    content: str = "content"
    blocks: bool = False
    prefill: Prefill | None = None
    prefill_when: Callable[[Mapping[str, Any]], bool] = always
    raw_when: Callable[[Mapping[str, Any]], bool] = never
    strips: bool = False


# Anthropic's models up to 4.5 go on from a last turn of the assistant; the later ones answer 400.
# The old ones are a closed set, so a name that is not known here is taken for a new one.
_ANTHROPIC_OLD: Final = re.compile(
    r"claude-(?:instant|[23][-.]|(?:opus|sonnet|haiku)-4(?:-[015])?(?:$|@|-20|-v|-latest))"
)


def _anthropic_prefills(body: Mapping[str, Any]) -> bool:
    # A turn that must begin with thinking cannot begin with text.
    thinking = body.get("thinking")
    thinks = is_mapping(thinking) and thinking.get("type") != "disabled"
    return not thinks and _ANTHROPIC_OLD.search(str(body.get("model"))) is not None


def _is_raw(body: Mapping[str, Any]) -> bool:
    return body.get("raw") is True


_GEMINI: Final = RequestStyle(
    turns=("contents",),
    assistant="model",
    content="parts",
    blocks=True,
    prefill=Prefill(),
    prefill_when=never,  # unverified: several models do, others begin anew
)

STYLES: Final[Mapping[str, RequestStyle]] = {
    "anthropic-messages": RequestStyle(
        prefill=Prefill(), prefill_when=_anthropic_prefills, strips=True
    ),
    # The model is named in the address, which is not seen here. The bodies of bedrock-invoke are
    # Anthropic's, or prompts.
    "bedrock-converse": RequestStyle(
        blocks=True, prefill=Prefill(), prefill_when=never, strips=True
    ),
    "bedrock-invoke": RequestStyle(
        prompt=("prompt",), prefill=Prefill(), prefill_when=never, raw_when=always, strips=True
    ),
    "cohere-v1": RequestStyle(turns=(), prompt=("message",)),
    "cohere-v2": RequestStyle(),
    # Unverified: the partial mode of the compatible endpoint
    "dashscope": RequestStyle(
        turns=("input", "messages"), prompt=("input", "prompt"), prefill=PROFILES["qwen"].prefill
    ),
    "gemini-array": _GEMINI,
    "gemini-sse": _GEMINI,
    "llamacpp": RequestStyle(turns=(), prompt=("prompt",), raw_when=always),
    "lmstudio": RequestStyle(turns=(), prompt=("input",)),
    "mistral": RequestStyle(prefill=PROFILES["mistral"].prefill),
    "ollama-chat": RequestStyle(
        prefill=PROFILES["ollama"].prefill
    ),  # unverified: most templates do
    "ollama-generate": RequestStyle(turns=(), prompt=("prompt",), raw_when=_is_raw),
    "openai-chat": RequestStyle(),
    "openai-completions": RequestStyle(turns=(), prompt=("prompt",), raw_when=always),
    "openai-responses": RequestStyle(turns=("input",)),
    "replicate": RequestStyle(turns=(), prompt=("input", "prompt")),
    "sglang": RequestStyle(turns=(), prompt=("text",), raw_when=always),
    "tgi": RequestStyle(turns=(), prompt=("inputs",), raw_when=always),
    "watsonx": RequestStyle(prompt=("input",), raw_when=always),
    "workers-ai": RequestStyle(prompt=("prompt",)),
}
"""The styles of the built-in dialects; those of the profiles of openai-chat are made of these."""


def request_style(dialect: str) -> RequestStyle | None:
    """The style of a dialect's requests; None where it is not known.

    Args:
        dialect: Its name, also of a profile: ``openai-chat/deepseek``.
    """
    family, _, name = dialect.partition("/")
    profile = PROFILES.get(name) if family == "openai-chat" else None
    return RequestStyle(prefill=profile.prefill) if profile else STYLES.get(dialect)
