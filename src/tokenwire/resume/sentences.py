"""Where a text stops, and where its last sentences begin: `is_incomplete` and `last_sentences`.

Both look at nothing but the text. The rules are fixed and the same for all languages; the time
they take grows linearly with the text.
"""

# ruff: noqa: RUF001 - the marks of many scripts look alike
from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias
from unicodedata import category, combining

from msgspec.json import decode as decode_json

from tokenwire.dialects.kit.payloads import UNREADABLE

Gap: TypeAlias = Literal[
    "empty", "character", "code", "bracket", "quote", "marker", "separator", "word", "sentence"
]
"""What is missing at the end of a text, see `why_incomplete`."""

# Latin and Greek, CJK, Devanagari, Arabic and Urdu, Armenian, Ethiopic, Burmese, Khmer, Tibetan.
_STOPS: Final = ".!?…\u037e‼⁇⁈⁉‽。！？．｡︒﹒﹖﹗।॥؟۔։።፧፨။៕៚།"

# These end a sentence without a space after them.
_DENSE_STOPS: Final = "。！？．｡︒"

_SEPARATORS: Final = frozenset(",;:-‐‑–—/\\=+&<|，、；：،؛՝፣፤፥၊")
_OPENING: Final = frozenset("([{（［｛「『【〔《〈〖｢")
_CLOSING: Final = frozenset(")]}）］｝」』】〕》〉〗｣")

# Which of a pair opens differs between languages: the first one opens, the next one closes.
_QUOTES: Final = {
    **dict.fromkeys('"', '"'),
    **dict.fromkeys("“”„‟", "“"),
    **dict.fromkeys("«»", "«"),
}

# What may stand after a stop: ends of quotes, brackets and emphasis.
_SPACES: Final = " \u00a0\u202f"  # French ones, before the end of a quotation
_CLOSERS: Final = "".join(sorted(_CLOSING)) + "".join(_QUOTES) + "'’‘*_~`"

_FENCE: Final = re.compile(r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(`{3,}|~{3,})(.*)", re.DOTALL)
_BLANK_LINE: Final = re.compile(r"\n[ \t\r]*\n")
_BARE_MARKER: Final = re.compile(r"[-+•]|[-*+•] \[[ xX]?\]?|\d{1,9}[.)、]|#{1,6}(?: .*)?")
_CLOSING_TAG: Final = re.compile(r"</[\w:.-]+>$")
_SENTENCE_START: Final = re.compile(
    rf"(?:\n|[{re.escape(_STOPS)}][{re.escape(_CLOSERS)}]*\s|[{_DENSE_STOPS}][{re.escape(_CLOSERS)}]*)\s*"
)
_WORD_START: Final = re.compile(r"\s+")

_JOINERS: Final = "\u200d\ufe0e\ufe0f"


def is_incomplete(text: str) -> bool:
    """Does this text read as if it stopped in the middle? `why_incomplete` has the rules.

    A judgement on the text alone: a finish reason knows better. ``Paris`` reads as cut, and so
    does a list whose items have no full stop.
    """
    return bool(why_incomplete(text))


def why_incomplete(text: str) -> tuple[Gap, ...]:
    """What this text lacks at its end; nothing where it reads as complete.

    - ``empty``: there is nothing but white space; alone.
    - ``character``: it ends in half of a surrogate pair, in U+FFFD, or in a joiner that waits for
      the rest of an emoji; alone.
    - ``code``: a fenced block is open, or a code span in the last paragraph; for a block, alone.
    - ``bracket``: a bracket of any script, or a ``$$`` formula, is open in the last paragraph.
    - ``quote``: a quotation is open there. Apostrophes are not looked at, nor is ``5"``.
    - ``marker``: the last line is a heading, or the bare marker of a list item.
    - ``separator``: it ends in a comma, a colon, a dash, an operator, or in half a table row.
    - ``word``: it ends right after a letter or digit: a cut word cannot be told from a whole one.
    - ``sentence``: it ends otherwise without a stop.

    A stop is a full stop, question or exclamation mark or ellipsis of any script, also with closing
    quotes, brackets or emphasis after it. Complete without one are: a JSON document, a closed
    fenced block, a table row, a closing tag, a ``$$`` formula, an emoji or other symbol, and Thai
    and Lao, which have no stop.
    """
    shown = text.rstrip()
    if not shown:
        return ("empty",)
    if without_half_character(text) != text or text[-1] == "\u200d":
        return ("character",)
    if shown[0] in "{[" and _is_json(shown):
        return ()
    prose = _after_code(shown)
    if prose is None:
        return ("code",)
    if not prose.strip():
        return ()
    paragraph = _BLANK_LINE.split(prose)[-1]
    gaps = _open_in(paragraph)
    if paragraph.count("$$") % 2 and "bracket" not in gaps:
        gaps.append("bracket")
    end = _gap_at_end(paragraph[paragraph.rfind("\n") + 1 :].strip(), spaced=shown != text)
    return (*gaps, end) if end else tuple(gaps)


def without_half_character(text: str) -> str:
    """The text without the half of a character that it may end in.

    That is a surrogate, of which escapes in JSON bring the halves one by one, and U+FFFD, which
    servers write for the bytes of a character they have not got in full.
    """
    end = len(text)
    while end and (text[end - 1] == "\ufffd" or "\ud800" <= text[end - 1] <= "\udfff"):
        end -= 1
    return text[:end]


def last_sentences(text: str, max_chars: int) -> str:
    """The end of a text, from the beginning of a sentence on: what a model is told to go on from.

    As many of the last sentences as fit into `max_chars` code points, with the one that is not
    complete. A sentence begins after a stop and white space, after a stop of Chinese or Japanese,
    and on a new line, so that the marker of a fenced block stays whole. Where no sentence begins
    there it is words, and where no word begins, characters: never from between a letter and its
    accents, the halves of a surrogate pair, or the marks of a fence.

    Raises:
        ValueError: `max_chars` is not positive.
    """
    if max_chars < 1:
        raise ValueError(f"max_chars must be positive, not {max_chars!r}")
    if len(text) <= max_chars:
        return text
    start = len(text) - max_chars
    end = len(text.rstrip())
    # From a little before: a stop and white space may stand there.
    for pattern in (_SENTENCE_START, _WORD_START):
        for found in pattern.finditer(text, max(0, start - 8), end):
            if start <= found.end() < end:
                return text[found.end() :]
    return text[_character_start(text, start) :]


def _character_start(text: str, start: int) -> int:
    for at in range(start, len(text)):
        before, here = text[at - 1], text[at]
        joined = combining(here) or here in _JOINERS or before == "\u200d"
        if not (joined or "\udc00" <= here <= "\udfff" or (here == before and here in "`~")):
            return at
    return start


def _is_json(text: str) -> bool:
    try:
        decode_json(text)
    except UNREADABLE:
        return False
    return True


def _after_code(text: str) -> str | None:
    """What stands after the last fenced block; None inside one. CommonMark's rules, in short."""
    fence = ""
    at = after = 0
    for line in text.split("\n"):
        at += len(line) + 1
        found = _FENCE.match(line)
        if found is None:
            continue
        run, rest = found.groups()
        if not fence:
            # Three backticks with more of them on the same line are a code span.
            fence = "" if run[0] == "`" and "`" in rest else run
        elif run.startswith(fence) and not rest.strip():
            fence, after = "", at
    return None if fence else text[after:]


def _open_in(paragraph: str) -> list[Gap]:
    depth = 0
    quotes: set[str] = set()
    code = ticks = 0  # a code span ends with as many backticks as it began with
    before = " "
    for here in f"{paragraph} ":
        if here == "`":
            ticks += 1
            continue
        if ticks and code in (0, ticks):
            code = ticks - code
        ticks = 0
        if code:
            pass
        elif here in _OPENING:
            depth += before not in ":;"  # a sad face
        elif here in _CLOSING:
            depth -= depth > 0  # "1)" opens nothing
        elif here in _QUOTES and not (here == '"' and before.isdigit() and '"' not in quotes):
            quotes ^= {_QUOTES[here]}
        before = here
    found: tuple[tuple[bool, Gap], ...] = (
        (code > 0, "code"),
        (depth > 0, "bracket"),
        (bool(quotes), "quote"),
    )
    return [gap for is_open, gap in found if is_open]


def _gap_at_end(line: str, *, spaced: bool) -> Gap | None:
    bare = line.lstrip("> \t").rstrip("*_~` ")
    if not bare or _BARE_MARKER.fullmatch(bare):
        return "marker"
    if line.endswith(("$$", "\\]")) or _CLOSING_TAG.search(line):
        return None
    if line[0] == "|":
        return None if line[-1] == "|" and len(line) > 1 else "separator"
    end = line.rstrip(_CLOSERS + _SPACES)
    last = end[-1:]
    if not last:
        return "sentence"
    if last in _STOPS or "\u0e00" <= last <= "\u0eff":
        return None
    if last in _SEPARATORS:
        return "separator"
    if category(last) in ("So", "Sk") or last in _JOINERS:
        return None
    return "word" if end == line and not spaced and category(last)[0] in "LMN" else "sentence"
