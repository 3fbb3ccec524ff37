"""The long description of the package: README.md, its links absolute, as an index needs them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(?<=\]\()(?!https?://|#|mailto:)([^)\s]+)")


def absolute(text: str, source: str) -> str:
    """The text with its relative links led to files of the repository."""
    return _LINK.sub(rf"{source}/blob/main/\1", text)


class ReadmeHook(MetadataHookInterface):
    """Gives the project's metadata its ``readme``."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": absolute(text, metadata["urls"]["Source"]),
        }
