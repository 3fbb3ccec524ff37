"""What a LangGraph run's stream tells about its end, where it has no ``end``.

The platform's streams just end, and so do those that a proxy cuts. Some stream modes show whether
anything is left to do: checkpoints name the steps that come next, and the events of the callbacks
close the graph's own run. Those of a subgraph say nothing about the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from tokenwire.dialects.kit.payloads import is_list, is_mapping


class Ending:
    """The latest that was told.

    Attributes:
        told: ``over``: nothing is left to do; ``pause``: it waits for the client; ``open``:
            something is left; None: nothing was told.
    """

    __slots__ = ("told",)

    def __init__(self) -> None:
        self.told: Literal["over", "pause", "open"] | None = None

    def look(self, mode: str, value: Any, *, nested: bool) -> None:
        """Look at an event.

        Args:
            mode: Its stream mode.
            value: Its data.
            nested: It is a subgraph's.
        """
        if nested or not is_mapping(value):
            return
        if mode == "debug":
            kind, value = value.get("type"), value.get("payload")
            mode = "checkpoints" if kind == "checkpoint" else "tasks"
            if not is_mapping(value):
                return
        if mode == "checkpoints":
            self._look_at_checkpoint(value)
        elif mode == "tasks":
            self._look_at_task(value)
        elif mode == "events" and value.get("parent_ids") == []:
            # Every callback names those above it; the graph's own has none.
            kind = value.get("event")
            if kind in ("on_chain_start", "on_chain_end"):
                self.told = "over" if kind == "on_chain_end" else "open"

    def _look_at_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        config = checkpoint.get("config")
        place = config.get("configurable") if is_mapping(config) else None
        if is_mapping(place) and place.get("checkpoint_ns"):
            return  # a subgraph's
        following, tasks = checkpoint.get("next"), checkpoint.get("tasks")
        if is_list(tasks) and any(is_mapping(one) and one.get("interrupts") for one in tasks):
            self.told = "pause"
        elif is_list(following):
            self.told = "open" if following else "over"

    def _look_at_task(self, task: Mapping[str, Any]) -> None:
        if task.get("interrupts"):
            self.told = "pause"
        elif "result" not in task and task.get("error") is None:
            self.told = "open"  # it begins
        elif self.told == "open":
            self.told = None  # one is over; whether others are, or follow, is not told
