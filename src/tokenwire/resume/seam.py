"""`Seam`: where a new text goes on from an old one, found while it streams in.

A model that is asked to go on may begin right there, may repeat the last words, or may begin the
whole answer anew. So the new text is held back as long as it could still repeat the end or the
beginning of the old one, and passes through from then on. What was shown is never changed. Not
decided here: what becomes of an answer whose seam is doubtful (`tokenwire.resume.continued`).
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from msgspec import Struct

from tokenwire.resume.overlap import LONG, Method, OldEnd, Overlap, Search, weight_of

Policy: TypeAlias = Literal["keep", "reset", "reject"]
"""What to do at a doubtful seam: join all the same, give the old text up, or give up."""

Verdict: TypeAlias = Literal["append", "replay", "reset", "reject"]
"""What to do with the new text, see `Join`."""

# What a model repeats is its last sentences, or the passage quoted to it; ten times that is room
# enough. The most that is ever held back.
WINDOW: Final = 2048

# Code points by which an answer that begins anew is known, and the letters among them: more than
# two headings or rows of a table have in common.
_ANEW: Final = 24
_ANEW_LETTERS: Final = 12

_DOUBTFUL: Final = 0.5


class Join(Struct, frozen=True, kw_only=True):
    """How two texts were found to meet.

    Attributes:
        overlap: Code points at the front of the new text that were left out: they repeat the end
            of the old one, or are white space before such a repetition. White space that is said
            once more after them is left out too, and not counted.
        confidence: From 0 to 1: how sure it is that this is what the model meant.
        verdict: ``append``: the new text is the rest of the answer. ``replay``: it is the whole
            answer anew, given from its first code point; skip it while it equals what was shown.
            ``reset``: it does not fit and nothing of it is given; void what was shown and ask for
            the whole answer. ``reject``: likewise, but report the old text as cut.
    """

    overlap: int
    confidence: float
    verdict: Verdict = "append"

    @property
    def doubtful(self) -> bool:
        """The confidence is below one half."""
        return self.confidence < _DOUBTFUL

    @property
    def restarted(self) -> bool:
        """The new text begins as the old one began: it is the whole answer anew."""
        return self.verdict == "replay"


class Seam:
    """Joins a continuation to the text that was shown before, as it streams in.

    Give it every piece of the new text by `receive`, call `finish` at the end, and show what they
    return. If the connection is lost while `join` is None, drop the seam and what it holds: nothing
    of it was shown, and the next continuation starts from the same text.

    The rules, for an old text that ends in ``...of France is Par``:

    - ``is is lovely`` repeats nothing. It is appended as it is: nothing is ever inserted. An
      overlap that begins inside a word, as in ``cat`` and ``tle``, is an accident, unless long.
    - ``Paris is`` begins the cut word again: appended, it would stick to it. So the overlap is left
      out. One letter is not enough for that (``a`` and ``ardvark``), and digits are doubtful:
      ``1`` and ``100`` may be 1100.
    - `` Paris is`` begins it again with its space. The overlap is left out if it has three letters
      or more, and the cut word is no word of its own that stands before: ``the`` and `` theatre``.
    - ``market place`` after ``market place`` repeats words. It takes 12 letters to be an echo
      after a prefill, and 8 after an instruction, for models do write ``very very``; from 8 to 12
      it is doubtful. If the same passage stands in the old text twice, as in tables and code,
      nothing is left out, and that is doubtful too.
    - The whole old text once more is an echo from 8 letters on.
    - A passage that an instruction quoted and asked to repeat is one for sure. Without it nothing
      says that the answer to an instruction goes on: doubtful.
    - ``Here is`` sticks to the cut word with a capital: doubtful.
    - The first 24 code points of a longer old text once more, with 12 letters, are the answer
      begun anew; doubtful if they stand in the old text twice.
    - White space at the end of the old text is not said twice where the request did not have it, or
      where it follows an overlap. Elsewhere it is text like any other: an indent goes on.
    - In scripts without spaces between words a character counts as three letters, and two of them
      that come again are a word. A Korean syllable counts as two letters.

    Args:
        before: The old text, as it was shown.
        method: How the model was asked.
        stripped: The end of the old text that the request did not have.
        quoted: The passage that the request asked to repeat.
        policy: What to do at a doubtful seam.
        window: Code points at the end of the old text in which to look for an overlap.

    Raises:
        ValueError: The window is not positive.

    Attributes:
        join: How the texts meet; None while that is not decided.
    """

    def __init__(
        self,
        before: str,
        *,
        method: Method = "prefill",
        stripped: str = "",
        quoted: str = "",
        policy: Policy = "reject",
        window: int = WINDOW,
    ) -> None:
        if window < 1:
            raise ValueError(f"window must be positive, not {window!r}")
        self.join: Join | None = None
        self._end = OldEnd(before, method=method, stripped=stripped, quoted=quoted, window=window)
        self._long = LONG[method]
        self._policy: Policy = policy
        self._window = window
        self._space = self._end.space  # not to be said twice
        self._was_stripped = bool(stripped)
        begin = before.lstrip()
        self._lead = before[: len(before) - len(begin)]
        begin = begin.rstrip()
        self._begin = begin[:_ANEW]
        self._begins_once = begin.find(self._begin, 1) < 0
        self._held: list[str] = []
        self._count = 0
        self._count_led = 0  # after the white space that it begins with
        self._anew = 0  # of those, how many equal the beginning of the old text
        self._search = Search(self._end.text)
        self._search_led = Search(self._end.text)

    def receive(self, text: str) -> str:
        """Take the next piece of the new text; give what is to be shown now."""
        if self.join is not None:
            return self._passed(text)
        self._held.append(text)
        for here in text:
            self._take(here)
            if self._is_decided():
                return self._decide()
        return ""

    def finish(self) -> str:
        """The new text is complete: give what was held back."""
        return self._decide() if self.join is None else ""

    def _take(self, here: str) -> None:
        self._count += 1
        self._search.take(here)
        if self._count_led or not here.isspace():
            if self._anew == self._count_led and self._begin.startswith(here, self._anew):
                self._anew += 1
            self._count_led += 1
            self._search_led.take(here)

    def _is_decided(self) -> bool:
        if self._count > self._window:
            return True  # so much white space
        may_begin_anew = self._anew == self._count_led < _ANEW
        is_over = self._search.is_over and self._search_led.is_over and not may_begin_anew
        # An overlap is judged by what stands after it.
        return (
            is_over
            and self._count > self._search.matched
            and self._count_led > self._search_led.matched
        )

    def _decide(self) -> str:
        new = "".join(self._held)
        self._held.clear()
        lead = len(new) - len(new.lstrip())
        is_inside = not self._search_led.is_over
        found = self._overlap(new, lead)
        is_anew = self._anew == _ANEW and weight_of(self._begin) >= _ANEW_LETTERS
        if is_anew and self._begins_once and found.length < _ANEW:
            self.join = Join(overlap=0, confidence=0.9, verdict="replay")
            return self._lead + new[lead:]
        confidence = found.confidence
        if not found.length:
            confidence = self._end.without_overlap(new, confidence)
            if is_anew or (is_inside and weight_of(new) >= self._long):
                confidence = min(confidence, 0.2)  # all of it was said before
            if not self._was_stripped:
                self._space = ""
        verdict: Verdict = "append"
        if confidence < _DOUBTFUL and self._policy != "keep":
            verdict = self._policy
        self.join = Join(overlap=found.length, confidence=confidence, verdict=verdict)
        return self._passed(new[found.length :])

    def _overlap(self, new: str, lead: int) -> Overlap:
        """With the white space it begins with, or without, whichever repeats more."""
        self._search.finish()
        self._search_led.finish()
        found = self._end.overlap(self._search, new)
        if lead:
            led = self._end.overlap(self._search_led, new[lead:], apart=True)
            if led.length and led.length + lead > found.length:
                return Overlap(led.length + lead, led.confidence)
        return found

    def _passed(self, text: str) -> str:
        assert self.join is not None
        if self.join.verdict in ("reset", "reject"):
            return ""
        if self.join.verdict == "append" and self._space and text:
            same = _in_common(self._space, text)
            # What goes on differently has no more of it.
            self._space = self._space[same:] if same == len(text) else ""
            return text[same:]
        return text


def _in_common(one: str, other: str) -> int:
    for count, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return count
    return min(len(one), len(other))
