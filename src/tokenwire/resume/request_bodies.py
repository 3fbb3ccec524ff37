"""JSON bodies of requests, changed by copies: the parts that stay are shared with the old body.

Not decided here: what is asked (`tokenwire.resume.continuation`), and where an API has its turns
(`tokenwire.resume.request_styles`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tokenwire.dialects.kit.payloads import is_mapping, list_of
from tokenwire.resume.request_styles import Path, RequestStyle

# Where requests limit the answer's length. The names mean the same in all of them.
_CEILINGS: Final[tuple[Path, ...]] = (
    ("max_tokens",),
    ("max_completion_tokens",),
    ("max_output_tokens",),
    ("max_new_tokens",),
    ("n_predict",),
    ("max_tokens_to_sample",),
    ("generationConfig", "maxOutputTokens"),
    ("generation_config", "max_output_tokens"),
    ("inferenceConfig", "maxTokens"),
    ("options", "num_predict"),
    ("parameters", "max_new_tokens"),
    ("parameters", "max_tokens"),
    ("sampling_params", "max_new_tokens"),
    ("input", "max_tokens"),
    ("input", "max_new_tokens"),
)


def prefilled(
    style: RequestStyle, body: Mapping[str, Any], place: Path, text: str
) -> tuple[dict[str, Any], str]:
    """The body with the answer put last, and what its path begins with instead.

    Args:
        style: How the body is built; for turns, with a prefill.
        body: The old body.
        place: Where its turns stand, or its prompt.
        text: The answer.
    """
    said = value_at(body, place)
    if style.prefill is None or place != style.turns:
        return with_value(body, place, said + text), ""
    turns = _with_answer(style, said, text)
    turns[-1].update(style.prefill.message)
    return {**with_value(body, place, turns), **style.prefill.request}, style.prefill.path


def instructed(
    style: RequestStyle, body: Mapping[str, Any], place: Path, text: str, asked: str
) -> dict[str, Any]:
    """The body with the answer and an instruction after it; in a prompt, as paragraphs.

    Args:
        style: How the body is built.
        body: The old body.
        place: Where its turns stand, or its prompt.
        text: The answer.
        asked: The instruction.
    """
    said = value_at(body, place)
    if place != style.turns:
        return with_value(body, place, f"{said}\n\n{text}\n\n{asked}")
    turns = _with_answer(style, said, text)
    return with_value(body, place, [*turns, _turn(style, "user", asked)])


def _with_answer(style: RequestStyle, said: Any, text: str) -> list[Any]:
    """The turns with the model's answer after them, joined to a last turn that is its own."""
    turns = [_turn(style, "user", said)] if isinstance(said, str) else list_of(said)
    last = turns[-1] if turns else None
    if is_mapping(last) and last.get("role") == style.assistant:
        begun = last.get(style.content)
        if isinstance(begun, str):
            return [*turns[:-1], {**last, style.content: begun + text}]
        blocks = list_of(begun)
        if blocks and is_mapping(blocks[-1]) and isinstance(blocks[-1].get("text"), str):
            block = {**blocks[-1], "text": blocks[-1]["text"] + text}
            return [*turns[:-1], {**last, style.content: [*blocks[:-1], block]}]
    return [*turns, _turn(style, style.assistant, text)]


def _turn(style: RequestStyle, role: str, text: str) -> dict[str, Any]:
    return {"role": role, style.content: [{"text": text}] if style.blocks else text}


def lower_ceilings(body: dict[str, Any], received: int, *, again: int, used_up: bool) -> int | None:
    """Lower all ceilings of a new body; what is left of the lowest."""
    left: int | None = None
    for path in _CEILINGS:
        ceiling = value_at(body, path)
        if type(ceiling) is not int or ceiling < 1:
            continue  # none, or Ollama's -1: no end
        rest = 0 if used_up else max(0, ceiling - received)
        left = rest if left is None else min(left, rest)
        budget = value_at(body, ("thinking", "budget_tokens"))
        floor = budget + 1 if type(budget) is int and path == ("max_tokens",) else 1
        body.update(with_value(body, path, min(ceiling, max(floor, rest + again))))
    return left


def value_at(body: Any, path: Path) -> Any:
    """What stands at a path; None where nothing does."""
    if not path:
        return None
    for name in path:
        body = body.get(name) if is_mapping(body) else None
    return body


def with_value(body: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """A body with another value at a path that it has; the rest is shared."""
    name, *inner = path
    return {**body, name: with_value(body[name], tuple(inner), value) if inner else value}
