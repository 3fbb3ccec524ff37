"""The text that the built-in server says, and how a text becomes tokens."""

from __future__ import annotations

import re
from typing import Final

PASSAGE: Final = """\
A stream is a letter read while it is still being written. 📬

The wire promises nothing: it may cut “naïve” in the middle of the ï, part
a 👩‍🚀 from her rocket, or stop between the two bytes that end a line.
Über die Länge sagt sie nichts; 次の文字がいつ来るかも言わない。

```python
def read(stream):
    for event in stream:  # never half a character
        print(event.text, end="", flush=True)
```

So a careful reader keeps three rules:
1. show nothing twice,
2. lose nothing — not even a trailing space,
3. never call a letter whole before its last line: “Yours, ∎”.
"""
"""Every kind of text that breaks careless clients: two, three and four bytes a character, a joined
emoji, blank lines, code, quotes and indentation."""

# As models cut: a word with the space before it, long words in several pieces.
_PIECES: Final = re.compile(r"\s?\w{1,8}|\s?[^\w\s]+|\s")


def split_text(text: str) -> list[str]:
    """Cut a text into word-like pieces. Joined, they are the text again, to the character."""
    return _PIECES.findall(text)
