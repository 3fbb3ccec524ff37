"""What is installed: extras that say what is missing, and a description that an index can show."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# The names that cannot be imported, as if their packages were not installed.
BLOCK = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
try:
    import {module}
except ModuleNotFoundError as error:
    print(error)
"""

# What each adapter stands on, and the extras that bring it.
ADAPTERS = {
    "httpx": (("anyio",), ("httpx", "httpx2")),
    "aiohttp": (("aiohttp", "multidict"), ("aiohttp",)),
    "requests": (("requests", "urllib3"), ("requests",)),
    "h11": (("h11", "anyio"), ("h11",)),
    "redis": (("redis",), ("redis",)),
}


def test_an_adapter_without_its_client_says_what_to_install() -> None:
    for adapter, (needed, extras) in ADAPTERS.items():
        for missing in needed:
            source = BLOCK.format(missing={missing}, module=f"tokenwire.adapters.{adapter}")
            run = subprocess.run(
                [sys.executable, "-c", source], capture_output=True, text=True, check=True
            )
            for extra in extras:
                assert f"pip install 'tokenwire[{extra}]'" in run.stdout, (adapter, run.stdout)


def test_every_extra_is_of_use() -> None:
    named = {"cli": "tokenwire.cli", "testing": "tokenwire.testing"}
    for extra in PROJECT["optional-dependencies"]:
        known = any(extra in extras for _, extras in ADAPTERS.values())
        assert known or importlib.util.find_spec(named[extra]) is not None
    adapters = {path.stem for path in (ROOT / "src/tokenwire/adapters").glob("[a-z]*.py")}
    assert adapters == {*ADAPTERS}


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The hook, without the builder that it is for."""
    interface: Any = ModuleType("interface")
    interface.MetadataHookInterface = object
    monkeypatch.setitem(sys.modules, "hatchling.metadata.plugin.interface", interface)
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_description_links_to_what_is_there(hook: ModuleType) -> None:
    text = (ROOT / "README.md").read_text()
    relative = [
        place.partition("#")[0]
        for place in re.findall(r"\]\(([^)\s]+)\)", text)
        if "://" not in place
    ]
    assert relative
    for place in relative:
        assert (ROOT / place).exists(), place
    hook_object = hook.ReadmeHook()
    hook_object.root = str(ROOT)
    metadata = {"urls": PROJECT["urls"]}
    hook_object.update(metadata)
    told = metadata["readme"]["text"]
    assert all("://" in place for place in re.findall(r"\]\(([^)\s]+)\)", told))
    assert f"]({PROJECT['urls']['Source']}/blob/main/docs/start.md)" in told


def test_the_project_says_where_it_lives() -> None:
    assert {"Source", "Documentation", "Changelog", "Issues"} <= {*PROJECT["urls"]}
