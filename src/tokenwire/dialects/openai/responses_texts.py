"""The texts, refusals and thoughts of a Responses stream: each said once, however often it comes.

``part`` numbers the texts of an answer in the order in which they first appear; thoughts are
numbered by themselves. What comes whole after its deltas is compared with them: a rest that no
delta brought is said then, and where it says something else, it takes their place (`Reset`). Whose
a text is, `tokenwire.dialects.openai.responses_items` decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from tokenwire.dialects.kit.extras import Extras
from tokenwire.dialects.kit.fields import Fields
from tokenwire.dialects.kit.payloads import MAX_INDEX, list_of
from tokenwire.dialects.kit.pieces import Pieces, Room
from tokenwire.dialects.openai.responses_calls import text_or_none
from tokenwire.dialects.openai.responses_items import COMPARED, Item, Text
from tokenwire.dialects.openai.responses_wholes import REFUSAL, TEXT, digest, text_in_part
from tokenwire.dialects.openai.responses_wire import IN_PART, check_room
from tokenwire.events import Data, Event, Reasoning, Refusal, Reset, Token
from tokenwire.frame import Frame

_NO_FRAME: Final = Frame()


class Texts:
    """What was said, and the events of the frame that is read.

    Args:
        room: What all texts of the stream may take.

    Attributes:
        frame: The frame that is read.
        events: What it says.
        extras: What no schema names, which is reported once.
    """

    __slots__ = ("_opened", "_parts", "_room", "_thoughts", "events", "extras", "frame")

    def __init__(self, room: Room) -> None:
        self.frame = _NO_FRAME
        self.events: list[Event] = []
        self.extras = Extras()
        self._room = room
        self._parts = 0  # texts so far; thoughts are counted by themselves
        self._thoughts = 0
        # Texts that were there when their item or part was opened: mostly they come again.
        self._opened: list[tuple[Item, int, Mapping[str, Any]]] = []

    def begin(self, frame: Frame, events: list[Event]) -> None:
        """This frame is read from here on, and what it says goes into this list."""
        self.frame, self.events = frame, events

    def is_news(self, item: Item, what: str) -> bool:
        """Remember that this was reported of an item. Was it not yet?"""
        if what in item.reported:
            return False
        check_room(item.reported, "parts of an item")
        item.reported[what] = None
        return True

    def text(self, item: Item, kind: str, index: int) -> Text:
        """The text of an item, of this kind and at this index; a new one where there is none."""
        text = item.texts.get((kind, index))
        if text is None:
            check_room(item.texts, "content parts")
            part = 0
            if kind == TEXT:
                part, self._parts = self._parts, self._parts + 1
            elif kind != REFUSAL:
                part, self._thoughts = self._thoughts, self._thoughts + 1
            text = item.texts[kind, index] = Text(part, self._room)
        return text

    def say(self, piece: str, item: Item, kind: str, index: int) -> Text:
        """A further piece of a text."""
        text = self.text(item, kind, index)
        self.tell(piece, text, kind)
        return text

    def tell(self, piece: str, text: Text, kind: str) -> None:
        """Tell a piece, in the event of its kind."""
        text.said.add(piece)
        event: Event
        if kind == TEXT:
            event = Token(piece, 0, text.part, frame=self.frame)
        elif kind == REFUSAL:
            event = Refusal(piece, frame=self.frame)
        else:
            event = Reasoning(piece, 0, text.part, frame=self.frame)
        self.events.append(event)

    def tell_whole(
        self, whole: str, item: Item, kind: str, index: int, taken: set[Text] | None
    ) -> Text:
        """A text that is whole: what its pieces did not tell, or that it says something else.

        Args:
            whole: The text.
            item: Whose it is.
            kind: What kind of text.
            index: Its index, as far as that can be believed: Bedrock counts parts from 1 in its
                events and from 0 in the item.
            taken: Where the item comes whole: its texts that other parts of it are.
        """
        here = item.texts.get((kind, index))
        if here is not None and here not in (taken or ()) and here.said.agreement(whole) == 2:
            if taken is not None:
                taken.add(here)
            return here
        texts = (text for (one, _), text in item.texts.items() if one == kind)
        left = [*islice((text for text in texts if text not in (taken or ())), COMPARED)]
        if here is not None and here not in (taken or ()):
            left = [here, *left]
        ranks = [(text.said.agreement(whole), text) for text in left]
        text = next((one for wanted in (2, 1) for rank, one in ranks if rank == wanted), None)
        if text is None and left and (taken is not None or left[0] is here):
            text = left[0]
        elif text is None:
            free = index if here is None else max(n for _, n in item.texts) + 1
            text = self.text(item, kind, free)
        if taken is not None:
            taken.add(text)
        rest = text.said.rest_of(whole)
        if rest == "" and text.said.doubles(whole):
            rest = None
        elif rest and rest == "".join(one.said.text() for one in left if one is not text):
            return text  # several texts, reported as one
        if rest:
            self.tell(rest, text, kind)
        elif rest is None:
            text.said = Pieces(self._room)
            text.said.add(whole)
            event: Event = Reset(0, text.part, whole, frame=self.frame)
            if kind != TEXT:  # it cannot be taken back
                event = Data(f"whole_{kind}", whole, frame=self.frame)
            self.events.append(event)
        return text

    def rethink(
        self, whole: Any, item: Item, kind: str, index: int, taken: set[Text] | None = None
    ) -> None:
        """A whole thought: news if no piece brought it, nor the other kind in its stead."""
        said = text_or_none(whole)
        if said and all(one == kind for one, _ in item.texts):
            self.tell_whole(said, item, kind, index, taken)

    def tell_part(
        self,
        part: Mapping[str, Any],
        item: Item,
        content: int,
        taken: set[Text] | None = None,
    ) -> None:
        """What is news in a part of a message."""
        kind, whole = text_in_part(part)
        if not kind:
            name = part.get("type")
            if self.is_news(item, f"part {digest(part)}"):
                self.events.append(Data(str(name), part, frame=self.frame))
            return
        text = self.tell_whole(whole, item, kind, content, taken) if whole else None
        if part.get("annotations"):
            self.annotate(part["annotations"], item, content, text)
        if part.get("logprobs") and self.is_news(item, f"logprobs {content}"):
            number = (text or self.text(item, TEXT, content)).part
            self.events.append(Data("logprobs", part["logprobs"], 0, number, frame=self.frame))
        self.tell_unread(part, IN_PART, item, content)

    def annotate(self, notes: Any, item: Item, content: int, text: Text | None = None) -> None:
        """What is news among the notes on a text."""
        text = text or self.text(item, TEXT, content)
        for note in list_of(notes):
            if note and self.is_news(item, f"annotation {digest(note)}"):
                self.events.append(Data("annotation", note, 0, text.part, frame=self.frame))

    def keep_opened(self, item: Item, content: int, part: Mapping[str, Any]) -> None:
        """A part that its opening brought: it may be the only copy."""
        if self._room.left > 0 and len(self._opened) < MAX_INDEX:
            self._room.left -= len(text_in_part(part)[1])
            self._opened.append((item, content, part))

    def tell_opened(self) -> None:
        """What no event repeated: it is the only copy."""
        silent = [one for one in self._opened if not one[0].texts]
        taken: dict[int, set[Text]] = {}
        for item, content, part in silent:
            self.tell_part(part, item, content, taken.setdefault(item.number, set()))

    def receive_phase(self, item: Item, said: Mapping[str, Any]) -> None:
        """Is a message the answer, or said on the way to it?"""
        phase = said.get("phase")
        if phase and self.is_news(item, "phase"):
            part = self.text(item, TEXT, 0).part
            self.events.append(Data("phase", phase, 0, part, frame=self.frame))

    def tell_unread(
        self, said: Mapping[str, Any], fields: Fields, item: Item, content: int | None = None
    ) -> None:
        """What nobody knew of, and what is of another type."""
        if fields.has_read(said):
            return
        path = f"output[{item.number}]"
        if content is not None:
            path += f".content[{content}]"
        self.extras.tell(fields.unread(said, path), self.frame, self.events)
