"""Hypothesis strategies: what the answers of dialects are drawn from, and ways to cut bytes."""

from __future__ import annotations

import itertools
import json
from typing import Any

from hypothesis import strategies as st

from tokenwire import (
    Error,
    Heartbeat,
    Recovery,
)

# Characters that break parsers: line ends in disguise, characters of several bytes, quotes.
_AWKWARD = '\u2028\u2029\u0085\x0b\x0c\x1c\ufeff\ufffd🗼é漢"\\{}[]:,\t\0 '
texts = st.text(
    st.one_of(
        st.sampled_from(_AWKWARD + "\n\r"),
        st.characters(codec="utf-8"),
    ),
    min_size=1,
    max_size=12,
)
# Where the wire is plain text, neither CR nor a sentinel can be said.
plain_texts = texts.map(lambda text: text.replace("\r", "")).filter(
    lambda text: text and "[DONE]" not in text
)
words = st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=8)
comments = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=8)
heartbeats = st.builds(Heartbeat, comments.map(lambda text: text.removeprefix(" ")))
counts = st.integers(0, 2**31)


@st.composite
def arguments(draw: st.DrawFn, most: int = 3) -> list[str]:
    """The pieces of a call's arguments: of one JSON object, or none at all."""
    if not most or draw(st.booleans()):
        return []
    text = json.dumps(draw(st.dictionaries(texts, texts | counts, max_size=2)))
    cuts = sorted(draw(st.sets(st.integers(1, len(text) - 1), max_size=most - 1)))
    return [text[a:b] for a, b in itertools.pairwise([0, *cuts, len(text)])]


def _error(**fields: Any) -> st.SearchStrategy[Error]:
    return st.builds(Error, st.just("vendor"), texts, recovery=st.just(Recovery.FATAL), **fields)


errors = _error(code=st.sampled_from(["invalid_request_error", "some_code"]))


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The same bytes in chunks, cut anywhere, often where it hurts."""
    if not data:
        return []
    awkward = [
        at for at in range(1, len(data)) if data[at - 1] in b"\r\n\xef\xbb" or data[at] > 127
    ]
    places = st.integers(1, max(1, len(data) - 1))
    if awkward:
        places |= st.sampled_from(awkward)
    cuts = sorted({0, *draw(st.lists(places, max_size=12)), len(data)})
    return [data[start:end] for start, end in itertools.pairwise(cuts)]
