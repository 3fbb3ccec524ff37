"""The events of the AI SDK's UI message stream, and the numbers of its blocks."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from tokenwire.dialects.kit.payloads import MAX_INDEX, is_mapping, plain_text


class EventWire(Struct, rename="camel"):
    """All events; ``id`` names a block or a datum."""

    type: str | None = None
    id: str | int | None = None
    delta: str | None = None
    tool_call_id: str | None = None
    tool_name: str | None = None
    input_text_delta: str | None = None
    input_encoding: str | None = None
    input: Any = None
    provider_executed: bool | None = None
    provider_metadata: Any = None
    message_id: str | None = None
    message_metadata: Any = None
    finish_reason: str | None = None
    error_text: Any = None


DATA: Final = frozenset(
    {
        "custom",
        "file",
        "reasoning-file",
        "source-document",
        "source-url",
        "steering-message",
        "tool-approval-request",
        "tool-approval-response",
        "tool-input-error",
        "tool-output-available",
        "tool-output-denied",
        "tool-output-error",
    }
)
"""What is handed on whole, by its type; ``data-`` and a name of the application's too."""

AFTER_THE_END: Final = frozenset({*DATA, "abort", "finish", "finish-step", "message-metadata"})
"""What may follow the end of a message and does not open it again; ``data-`` too."""


class Parts:
    """Numbers of the blocks of one kind, which the wire names as it likes, step after step.

    Attributes:
        next: The number that the next one gets.
        step: The number of the first one of the current step.
    """

    __slots__ = ("_begun", "_named", "next", "step")

    def __init__(self) -> None:
        self._named: dict[str, int] = {}
        self._begun: set[str] = set()  # names of those that an event of its own began
        self.next = 0
        self.step = 0

    @property
    def left_open(self) -> bool:
        """A block was begun and never ended."""
        return bool(self._begun)

    def begin(self, id: object) -> None:
        """An event says that a block begins."""
        self.open(id)
        if len(self._begun) < MAX_INDEX:
            self._begun.add(str(id))

    def open(self, id: object) -> int:
        """The number of a block that begins. The last of very many share one."""
        number = self.next
        if number - self.step < MAX_INDEX:
            self.next += 1
        if len(self._named) < MAX_INDEX:
            self._named[str(id)] = number
        return number

    def get(self, id: object) -> int:
        """The number of the block that is called so; one that was not opened begins now."""
        number = self._named.get(str(id))
        return self.open(id) if number is None else number

    def close(self, id: object) -> None:
        """The block ended; its name may be used again."""
        self._named.pop(str(id), None)
        self._begun.discard(str(id))

    def void_step(self) -> range:
        """The current step's numbers, none of which is open any longer."""
        self._named.clear()
        self._begun.clear()
        numbers = range(self.step, self.next)
        self.step = self.next
        return numbers


def signature_in(metadata: Any) -> str | None:
    """What proves the thinking, under the provider's name."""
    values = metadata.values() if is_mapping(metadata) else ()
    found = (plain_text(one.get("signature")) for one in values if is_mapping(one))
    return next((one for one in found if one), None)


def unread_in(metadata: Any) -> dict[str, Any]:
    """What stands where a provider's object, or its signature, should stand."""
    if not is_mapping(metadata):
        return {"providerMetadata": metadata} if metadata else {}
    unread: dict[str, Any] = {}
    for name, one in metadata.items():
        if not is_mapping(one):
            unread |= {f"providerMetadata.{name}": one} if one else {}
        elif one.get("signature"):
            unread[f"providerMetadata.{name}.signature"] = one["signature"]
    return unread
