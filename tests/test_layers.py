"""The layer rule: a module imports only what stands below it. Read off the syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import tokenwire

ROOT = Path(tokenwire.__file__).parent

# From the ground up. Modules on one line may not import each other, but for the inside of a package.
LAYERS = [
    ["frame", "cursor"],
    ["events"],
    ["errors"],
    ["request", "limits"],
    ["framing"],
    ["state"],
    ["dialects"],
    ["response"],
    ["parser", "encoder", "completion"],
    ["resume", "recording", "timeline"],
    ["stream", "transport", "turns"],
    ["drive"],
    ["answer"],
    ["adapters", "relay", "testing", "testserver"],
    ["cli"],
    ["__main__"],
]
DIALECT_LAYERS = [
    ["kit"],
    ["anthropic", "generic", "google", "servers", "vercel"],
    ["openai"],
    ["agents", "clouds", "cohere"],
    ["bedrock"],
]
PARSER_LAYERS = [["intake", "ahead"], ["ending"], ["__init__"], ["resuming"]]
FLOOR = {name: floor for floor, names in enumerate(LAYERS) for name in names}
IO = {
    "asyncio",
    "anyio",
    "trio",
    "socket",
    "ssl",
    "threading",
    "time",
    "logging",
    "random",
    "select",
    "selectors",
    "httpx",
    "httpx2",
    "aiohttp",
    "requests",
    "h11",
    "urllib",
    "urllib3",
    "http",
    "redis",
}


MODULES = [
    (".".join(path.relative_to(ROOT).with_suffix("").parts), path)
    for path in sorted(ROOT.rglob("*.py"))
]


def imports(path: Path) -> Iterator[str]:
    """Everything imported, wherever in the file; blocks for type checkers apart."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module
            for alias in node.names:
                yield f"{node.module}.{alias.name}"


def test_only_what_stands_below() -> None:
    for name, path in MODULES:
        if name == "__init__":
            continue  # the front door re-exports all rooms
        room = name.split(".", maxsplit=1)[0]
        for imported in imports(path):
            parts = imported.split(".")
            if parts[0] != "tokenwire" or len(parts) == 1:
                continue
            other = parts[1]
            if other == room or other not in FLOOR:
                front = imported == "tokenwire.__version__" or room in ("cli", "__main__")
                assert other == room or front, f"{name} imports the front door"
                continue
            assert FLOOR[other] < FLOOR[room], f"{name} must not import {other}"


def test_folders_of_dialects_import_only_those_below() -> None:
    floor = {name: floor for floor, names in enumerate(DIALECT_LAYERS) for name in names}
    for name, path in MODULES:
        room, _, rest = name.partition(".")
        folder, _, inside = rest.partition(".")
        if room != "dialects" or not inside:
            continue
        for imported in imports(path):
            other = imported.removeprefix("tokenwire.dialects.").partition(".")[0]
            if other in floor and other != folder and imported.startswith("tokenwire.dialects."):
                assert floor[other] < floor[folder], f"{name} must not import {imported}"


def test_parts_of_the_parser_import_only_those_below() -> None:
    floor = {name: floor for floor, names in enumerate(PARSER_LAYERS) for name in names}
    parts = {name.partition(".")[2]: path for name, path in MODULES if name.startswith("parser.")}
    assert parts.keys() == floor.keys()
    for name, path in parts.items():
        for imported in imports(path):
            if imported.startswith("tokenwire.parser"):
                other = imported.removeprefix("tokenwire.parser.").partition(".")[0]
                assert floor.get(other, floor["__init__"]) < floor[name], f"{name}: {imported}"


def test_no_io_and_no_clock_below_the_drivers() -> None:
    for name, path in MODULES:
        room = name.split(".", maxsplit=1)[0]
        if room != "__init__" and FLOOR[room] > FLOOR["drive"]:
            continue
        for imported in imports(path):
            # What only takes strings apart, and what is only the default of an argument.
            if not imported.startswith("urllib.parse.") and imported != "random.random":
                assert imported.split(".")[0] not in IO, f"{name} imports {imported}"


def test_the_front_door_imports_no_adapter() -> None:
    assert not any("adapters" in name for name in imports(ROOT / "__init__.py"))


def test_every_room_has_its_floor() -> None:
    rooms = {name.split(".", maxsplit=1)[0] for name, _ in MODULES} - {"__init__"}
    assert rooms <= FLOOR.keys()
