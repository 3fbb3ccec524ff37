"""`continue_request`: from a partial answer the request that asks for its rest.

Where the service goes on from the model's own words, the answer is put last as the model's turn: a
prefill. Elsewhere the answer stands before an instruction, which quotes its last sentences and asks
to repeat them: chat models begin a turn without white space, so only a repetition tells where the
old text ends. `Continuation.seam` joins what comes.

Continuing costs a request, and it is a new answer from there on: ask for it by choice. The limits
on attempts, money and time are the session's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from tokenwire.completion import Choice, Completion
from tokenwire.dialects.kit.payloads import is_list, is_mapping
from tokenwire.errors import LocalProtocolError
from tokenwire.events import Data, Reason, Reasoning
from tokenwire.resume.overlap import Method
from tokenwire.resume.request_bodies import instructed, lower_ceilings, prefilled, value_at
from tokenwire.resume.request_styles import Path, RequestStyle, request_style
from tokenwire.resume.seam import WINDOW, Policy, Seam
from tokenwire.resume.sentences import last_sentences, without_half_character

Obstacle: TypeAlias = Literal[
    "empty", "finished", "tool_call", "reasoning", "refusal", "choices", "format", "request"
]
"""Why an answer cannot be continued, see `ContinuationError`."""

INSTRUCTION: Final = """\
Your answer broke off. These are its last words:

{quote}

Begin with an exact copy of them, from the first character to the last, and go on from there as if \
the answer had not broken off. Write nothing before the copy: no comment, no quotation marks."""
"""The instruction that `continue_request` writes; ``{quote}`` stands for the last sentences."""

CONTEXT_CHARS: Final = 240
"""How much of the answer an instruction quotes: two or three sentences, for they are paid twice."""

# An answer that ended by itself has no rest; one that called a tool goes on with the result.
_ENDED: Final[frozenset[Reason | None]] = frozenset(
    {"stop", "tool_calls", "content_filter", "refusal", "pause"}
)

# A document of a given form begins anew in every answer; its rest alone has not that form.
_FORMS: Final[tuple[Path, ...]] = (
    ("response_format",),
    ("output_format",),
    ("output_config", "format"),
    ("format",),
    ("text", "format"),
    ("generationConfig", "responseSchema"),
    ("generationConfig", "responseJsonSchema"),
    ("generationConfig", "responseMimeType"),
    ("parameters", "response_format"),
)
_FREE_FORMS: Final = ("text", "text/plain")

_COUNTS: Final[tuple[Path, ...]] = (
    ("n",),
    ("generationConfig", "candidateCount"),
    ("parameters", "n"),
)


class ContinuationError(LocalProtocolError):
    """This answer cannot be continued.

    Attributes:
        obstacle: Why. ``empty``: there is no text yet, send the first request again. ``finished``:
            it ended by itself. ``tool_call``, ``reasoning``: it broke off inside of one, or after,
            where no text can go on. ``refusal``: the model declined. ``choices``: there are several
            answers. ``format``: a form was asked for, as JSON is, that a rest cannot have.
            ``request``: the body has no turns and no prompt to go on from, or not this method.
    """

    def __init__(self, obstacle: Obstacle, message: str) -> None:
        """Name the obstacle, and say what may be done."""
        super().__init__(message)
        self.obstacle = obstacle


class Continuation(Struct, frozen=True, kw_only=True):
    """The request for the rest of an answer.

    Attributes:
        body: Its JSON body. The parts that are not changed are those of the first one.
        method: How it asks.
        text: The answer so far.
        stripped: The end of it that the request does not have: white space, half a character.
        quoted: The passage that the instruction asks to repeat.
        path: What the request's path begins with instead, where that differs.
        received: Output tokens of the answer so far; see `continue_request`.
        left: Output tokens that the first request still allows; None where it had no ceiling. With
            0 of them do not send the request: the answer ended by its length.
    """

    body: dict[str, Any]
    method: Method
    text: str
    stripped: str = ""
    quoted: str = ""
    path: str = ""
    received: int = 0
    left: int | None = None

    def seam(self, *, policy: Policy = "reject", window: int = WINDOW) -> Seam:
        """The seam for the answer to this request, see `Seam`."""
        return Seam(
            self.text,
            method=self.method,
            stripped=self.stripped,
            quoted=self.quoted,
            policy=policy,
            window=window,
        )


def continue_request(
    style: str | RequestStyle,
    body: Mapping[str, Any],
    partial: Completion | str,
    *,
    method: Literal["auto", "prefill", "instruction"] = "auto",
    instruction: str = INSTRUCTION,
    context_chars: int = CONTEXT_CHARS,
) -> Continuation:
    """The request that asks for the rest of a partial answer. The old body is not changed.

    ``auto`` takes a prefill where the service is known to go on from one: Anthropic's models up to
    4.5 without thinking, DeepSeek, Mistral, Moonshot, Qwen, vLLM, SGLang, llama.cpp, Ollama, and
    prompts without a template. If you know your model better, name the method: Gemini and Bedrock
    take a prefill only so.

    The ceiling on output tokens is lowered by what was received, never below 1, nor to a budget for
    thinking: services refuse that. What was received is the count of the vendor if it is final, or
    an estimate if that is higher: see `estimated_tokens`. What an instruction asks to repeat
    is added again.

    Args:
        style: The dialect's name, or how its requests are built.
        body: The first request's JSON body, for every continuation of the same answer.
        partial: The answer so far; as a `Completion` it tells what it broke off in.
        method: How to ask.
        instruction: The user's turn, with ``{quote}`` where the last sentences go. It should ask to
            repeat them; without ``{quote}``, none are expected to be.
        context_chars: How many code points to quote at most.

    Raises:
        ContinuationError: The answer cannot be continued, or not so.
        LocalProtocolError: Nothing is known of this dialect's requests; give a `RequestStyle`.
        ValueError: `context_chars` is not positive.
    """
    if isinstance(style, str):
        known = request_style(style)
        if known is None:
            raise LocalProtocolError(
                f"the requests of {style!r} are not known here; give a RequestStyle"
            )
        style = known
    text, received, used_up = _answer(partial)
    _check_request(body)
    whole = without_half_character(text)
    if not whole.strip():
        raise ContinuationError(
            "empty", "there is no text to go on from; send the first request again"
        )
    place = style.turns if value_at(body, style.turns) is not None else style.prompt
    said = value_at(body, place)
    in_turns = place == style.turns
    if not (isinstance(said, str) or (in_turns and is_list(said))):
        raise ContinuationError(
            "request", f"the body has nothing to go on from in {'.'.join(place) or 'it'}"
        )
    if method == "auto":
        counts_on_it = style.prefill_when if in_turns else style.raw_when
        can = not in_turns or style.prefill is not None
        method = "prefill" if can and counts_on_it(body) else "instruction"
    quoted = path = ""
    if method == "instruction":
        put = whole
        quoted = last_sentences(whole, context_chars) if "{quote}" in instruction else ""
        new = instructed(style, body, place, whole, instruction.replace("{quote}", quoted))
    elif in_turns and style.prefill is None:
        raise ContinuationError("request", "this service does not go on from a last turn")
    else:
        put = whole.rstrip() if style.strips else whole
        new, path = prefilled(style, body, place, put)
    left = lower_ceilings(new, received, again=estimated_tokens(quoted), used_up=used_up)
    return Continuation(
        body=new,
        method=method,
        text=text,
        stripped=text[len(put) :],
        quoted=quoted,
        path=path,
        received=received,
        left=left,
    )


def estimated_tokens(text: str) -> int:
    """About how many tokens a text is: one for four ASCII characters, one for two others."""
    ascii_chars = len(text.encode("ascii", "ignore"))
    return (ascii_chars + 2 * (len(text) - ascii_chars) + 3) // 4


def _answer(partial: Completion | str) -> tuple[str, int, bool]:
    """The text, its tokens, and whether it ended because they were used up."""
    if isinstance(partial, str):
        return partial, estimated_tokens(partial), False
    if len(partial.choices) > 1:
        raise ContinuationError("choices", "several answers run side by side; continue none")
    choice = partial.choices[0] if partial.choices else Choice()
    _check_choice(choice)
    counted = (partial.usage and partial.usage.output_tokens) or 0
    if not (counted and partial.usage and partial.usage.final):
        # Running counts lag behind: Anthropic's first one says 1.
        counted = max(counted, estimated_tokens(choice.text + choice.reasoning))
    return choice.text, counted, choice.finish_reason == "length"


def _check_choice(choice: Choice) -> None:
    if choice.refusal:
        raise ContinuationError("refusal", "the model declined; there is no rest to ask for")
    if any(not (call.complete and call.provider_executed) for call in choice.tool_calls):
        raise ContinuationError(
            "tool_call", "the answer calls a tool; send the result of a complete call instead"
        )
    last = choice.last
    if isinstance(last, Reasoning) or (isinstance(last, Data) and "redacted" in last.kind):
        raise ContinuationError("reasoning", "the answer broke off in its thinking, or after it")
    if choice.finish_reason in _ENDED:
        raise ContinuationError("finished", f"the answer ended: {choice.finish_reason}")


def _check_request(body: Mapping[str, Any]) -> None:
    if any(value_at(body, path) not in (None, 1) for path in _COUNTS):
        raise ContinuationError("choices", "the request asks for several answers")
    for path in _FORMS:
        form = value_at(body, path)
        if is_mapping(form):
            form = form.get("type", form)
        if form and form not in _FREE_FORMS:
            name = ".".join(path)
            raise ContinuationError("format", f"{name} asks for a form that a rest cannot have")
