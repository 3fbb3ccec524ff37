"""The output of a Responses stream: its items, as they are opened, ended, and listed at the end.

Most of what stands in them came before in pieces: what of it is news is decided by the texts
(`responses_texts`) and the calls (`responses_calls`); here, which item is which kind of thing, and
what the client is asked to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenwire.dialects.kit.payloads import MAX_INDEX, is_mapping, list_of
from tokenwire.dialects.openai.responses_calls import Calls, text_or_none
from tokenwire.dialects.openai.responses_items import Item, Items, Text
from tokenwire.dialects.openai.responses_texts import Texts
from tokenwire.dialects.openai.responses_wholes import (
    CONTENT,
    SUMMARY,
    digest,
    names_in,
    text_in_part,
    whole_of,
    with_parts,
)
from tokenwire.dialects.openai.responses_wire import CALLS, IN_ITEM, asks_the_client, item_type_in
from tokenwire.events import Data


class Output:
    """What comes as items.

    Args:
        texts: What was said, and where events go.
        items: Which item is which.
        calls: What was reported of calls.
    """

    __slots__ = ("_answered", "_asking", "_calls", "_digests", "_items", "_texts")

    def __init__(self, texts: Texts, items: Items, calls: Calls) -> None:
        self._texts = texts
        self._items = items
        self._calls = calls
        self._asking: dict[str, None] = {}  # what the client must do, besides calls
        self._answered: dict[str, None] = {}
        # Of the items that came whole: mostly the answer lists just these.
        self._digests: list[int] = []

    @property
    def asks_the_client(self) -> bool:
        """Is there something that the client must do, and that nothing has answered?"""
        return self._calls.ask_the_client or bool(self._asking.keys() - self._answered.keys())

    def open(self, announced: Mapping[str, Any], output: int | None) -> None:
        """An item begins: mostly it is empty, and its texts follow in pieces."""
        said = with_parts(announced)
        item = self._items.opened(item_type_in(said), names_in(said, output))
        if item.type in CALLS:
            self._texts.events += self._calls.receive_item(item, said, self._texts.frame)
        self._texts.receive_phase(item, said)
        if item.type == "message":
            for content, part in enumerate(list_of(said.get("content"))):
                if is_mapping(part) and text_in_part(part)[1]:
                    self._texts.keep_opened(item, content, part)
        known = item.type in (*CALLS, "message", "reasoning")
        if known or not isinstance(said.get("type"), str):
            self._texts.tell_unread(said, IN_ITEM, item)

    def close(self, ended: Mapping[str, Any], output: int | None) -> None:
        """An item ended, and comes whole."""
        said = with_parts(ended)
        whole = whole_of(said, output)
        self._receive(self._items.of_whole(whole.type, whole.names, whole.agreement), said)
        if len(self._digests) < MAX_INDEX:
            self._digests.append(digest(ended))

    def _receive(self, item: Item, said: Mapping[str, Any]) -> None:
        taken: set[Text] = set()
        if item.type in CALLS:
            self._texts.events += self._calls.close(item, said, self._texts.frame)
        elif item.type == "message":
            self._texts.receive_phase(item, said)
            for content, part in enumerate(list_of(said.get("content"))):
                if is_mapping(part):
                    self._texts.tell_part(part, item, content, taken)
        elif item.type == "reasoning":
            for kind in (CONTENT, SUMMARY):
                for index, part in enumerate(list_of(said.get(kind))):
                    text = part.get("text") if is_mapping(part) else part
                    self._texts.rethink(text, item, kind, index, taken)
            if said.get("encrypted_content") and self._texts.is_news(item, "encrypted"):
                self._texts.events.append(
                    Data("encrypted_reasoning", said, frame=self._texts.frame)
                )
        else:
            self._receive_data(item, said)
            item.closed = True
            return
        item.closed = True
        self._texts.tell_unread(said, IN_ITEM, item)

    def _receive_data(self, item: Item, said: Mapping[str, Any]) -> None:
        call = text_or_none(said.get("call_id")) or str(item.number)
        if asks_the_client(item.type, said):
            self._asking[call] = None
        elif item.type.endswith("_output"):
            self._answered[call] = None
        if self._texts.is_news(item, "item"):
            self._texts.events.append(Data(item.type, said, frame=self._texts.frame))

    def receive_all(self, output: list[Any]) -> None:
        """The whole answer, for what no event brought before."""
        if self._repeats(output):
            return
        items = [with_parts(item) for item in output if is_mapping(item)]
        wholes = [whole_of(said, None) for said in items]
        for item, said in zip(self._items.of_answer(wholes), items, strict=True):
            self._receive(item, said)

    def _repeats(self, output: list[Any]) -> bool:
        """Is it word for word what came when each item ended? Nearly every one is.

        Then nothing in it is news, and comparing it piece by piece would take half of the time
        that an answer of ten tokens does.
        """
        return (
            len(output) == len(self._items)
            and self._items.are_whole
            and [digest(item) for item in output] == self._digests
        )
