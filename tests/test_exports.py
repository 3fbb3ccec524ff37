"""What `import tokenwire` gives, and what it costs."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from typing import get_args

import pytest

import tokenwire
from tokenwire.events import EventBase


def test_all_is_complete_and_nothing_else_is_public() -> None:
    assert len(tokenwire.__all__) == len(set(tokenwire.__all__))
    for name in tokenwire.__all__:
        assert hasattr(tokenwire, name), name
    modules = {name for name in vars(tokenwire) if type(getattr(tokenwire, name)) is type(sys)}
    public = {name for name in dir(tokenwire) if not name.startswith("_")} - modules
    assert public == set(tokenwire.__all__) - {"__version__"} | {"TYPE_CHECKING"}


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'tokenwire' has no attribute 'Stream'"):
        _ = tokenwire.Stream  # type: ignore[attr-defined]


def test_every_event_class_is_exported() -> None:
    assert set(get_args(tokenwire.Event)) == set(EventBase.__subclasses__())
    for event in get_args(tokenwire.Event):
        assert getattr(tokenwire, event.__name__) is event


def test_any_event_is_an_event() -> None:
    assert isinstance(tokenwire.Token("a"), tokenwire.Event)
    assert not isinstance(tokenwire.Signal.NEED_DATA, tokenwire.Event)


def test_everything_public_has_a_docstring() -> None:
    for name in tokenwire.__all__:
        if name != "__version__":
            assert getattr(tokenwire, name).__doc__, name


def test_the_import_brings_no_client_and_no_event_loop() -> None:
    code = (
        "import sys, tokenwire;"
        "print([m for m in ('asyncio','anyio','trio','httpx','aiohttp','requests','h11','ssl',"
        "'click','rich','hypothesis','dataclasses','socket','email','tokenwire.resume') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("room", ["dialects.kit", "testserver", "testing"])
def test_a_door_gives_what_it_names_and_nothing_else(room: str) -> None:
    door = import_module(f"tokenwire.{room}")
    assert len(door.__all__) == len(set(door.__all__))
    for name in door.__all__:
        assert getattr(door, name) is not None, name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = door.nothing
