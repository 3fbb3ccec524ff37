"""What comes whole in a Responses stream: items and their parts, and what they name.

An item is a JSON object of many shapes, so it is read without a schema. How well one agrees with
what was reported before is asked for by `tokenwire.dialects.openai.responses_items`, which decides
whose it is; what of it is news is decided by `responses_texts` and `responses_calls`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tokenwire.dialects.kit.payloads import is_list, is_mapping, json_text, list_of
from tokenwire.dialects.openai.responses_calls import agreement, arguments_of, text_or_none
from tokenwire.dialects.openai.responses_items import COMPARED, Agreement, Item, Names, Whole
from tokenwire.dialects.openai.responses_wire import CALLS, EventWire, item_type_in

# Kinds of texts: a refusal and two kinds of thoughts beside the answer's own.
TEXT: Final = "text"
REFUSAL: Final = "refusal"
CONTENT: Final = "content"
SUMMARY: Final = "summary"
_TEXTS_OF: Final = {"message": (CONTENT,), "reasoning": (CONTENT, SUMMARY)}


def names_of(wire: EventWire) -> Names:
    """What an event says of the item that it is about."""
    return Names(wire.output_index, wire.item_id, wire.call_id, wire.name)


def names_in(said: Mapping[str, Any], output: int | None) -> Names:
    """What an item says of itself, and where it came."""
    get = said.get
    return Names(
        output, text_or_none(get("id")), text_or_none(get("call_id")), text_or_none(get("name"))
    )


def with_parts(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """An item; texts in the place of its parts are such, as they are where items are sent."""
    if "content" not in said and "summary" not in said:
        return said
    kind = "output_text" if said.get("type") == "message" else "text"
    read: dict[str, Any] = {}
    for name in ("content", "summary"):
        inner: Any = said.get(name)
        parts = list_of(inner) if is_list(inner) else [inner] if inner else []
        if parts and (not is_list(inner) or any(isinstance(one, str) for one in parts)):
            read[name] = [
                {"type": kind, "text": one} if isinstance(one, str) else one for one in parts
            ]
    return {**said, **read} if read else said


def whole_of(said: Mapping[str, Any], output: int | None) -> Whole:
    """A whole item, and how well what was reported of another agrees with it."""
    item_type = item_type_in(said)

    def agrees(item: Item) -> int:
        if item_type in CALLS:
            return agreement(item, arguments_of(said))
        for field in _TEXTS_OF.get(item_type, ()):
            for part in list_of(said.get(field)):
                kind, text = (
                    text_in_part(part) if item_type == "message" else (field, text_of_part(part))
                )
                if kind and text:
                    return agreement_of(kind, text)(item)
        return 0

    return Whole(item_type, names_in(said, output), agrees)


def agreement_of(kind: str, whole: str) -> Agreement:
    """How well does one of an item's texts agree with this?"""

    def agreement(item: Item) -> int:
        texts = [text for (one, _), text in item.texts.items() if one == kind]
        return max((text.said.agreement(whole) for text in texts[:COMPARED]), default=0)

    return agreement


def no_agreement(item: Item) -> int:
    """For a whole that says nothing."""
    return 0


def text_in_part(part: Any) -> tuple[str, str]:
    """The kind of text that a part of a message is, and the text; no kind where it is none."""
    kind = part.get("type") if is_mapping(part) else None
    if kind in ("output_text", "text"):
        return TEXT, text_or_none(part.get("text")) or ""
    if kind == "refusal":
        return REFUSAL, text_or_none(part.get("refusal")) or ""
    return "", ""


def text_of_part(part: Any) -> str | None:
    """The text of a part, or the part itself where that is one."""
    return text_or_none(part.get("text") if is_mapping(part) else part)


def digest(value: Any) -> int:
    """Stands for a value that is too large to be kept."""
    return hash(json_text(value))
