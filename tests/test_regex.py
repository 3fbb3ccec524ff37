"""Every regular expression in the package takes work that grows with its text, not faster.

A peer writes the text. So each pattern, with the method that the code calls, is run over texts made
of its own pieces, and steps are counted: twice the text may take a little more than twice the steps.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest
from tests.regex_steps import Way, steps, texts_of

import tokenwire

PACKAGE = Path(tokenwire.__file__).parent

# What reads files and arguments of the user's own.
OURS = ("cli", "testing")

# Made at the time, and why that is linear.
MADE_LATER = {
    "overlap.py": "one word between the ends of words: it is compared once where a word begins",
}


def _is_compile(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func) == "re.compile"
    )


def _ways(tree: ast.Module, name: str) -> set[Way]:
    """How a pattern of this name is used in its module; as badly as possible if not seen."""
    used = [
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    ]
    said = {attr for owner, attr in used if owner == name}
    if not said:  # handed to a function of the module
        said = {attr for _, attr in used} & {*get_args(Way)}
    known: set[Way] = {way for way in get_args(Way) if way in said}
    return known if known and said <= {*get_args(Way)} else known | {"search"}


def patterns() -> Iterator[tuple[str, re.Pattern[Any], Way]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] in OURS:
            continue
        tree = ast.parse(path.read_text())
        parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        for node in filter(_is_compile, ast.walk(tree)):
            assert isinstance(node, ast.Call)
            try:
                made = eval(ast.unparse(node), {"re": re})
            except NameError:  # put together from other patterns: the module has it
                continue
            above: Any = parents[node]
            ways: set[Way] = {"search"}
            if isinstance(above, ast.Attribute) and above.attr in get_args(Way):
                ways = {above.attr}  # type: ignore[arg-type]
            elif isinstance(above, ast.Assign | ast.AnnAssign):
                target = above.targets[0] if isinstance(above, ast.Assign) else above.target
                ways = _ways(tree, ast.unparse(target))
            for way in sorted(ways):
                yield f"{path.stem}:{node.lineno}:{way}", made, way


PATTERNS = list(patterns())
SIZE = 40


def worst(pattern: re.Pattern[Any], way: Way) -> tuple[float, str]:
    """By how much the steps grow for twice the text, at worst, and for which."""
    atoms = texts_of(pattern)[:7]
    atoms = [*dict.fromkeys([*atoms, " ", "a"])]
    units = {one + other for one, other in product(["", *atoms], atoms)}
    grown = [(1.0, "")]
    for unit, (begin, end) in product(sorted(units), [("", "\0"), ("".join(atoms[:1]), "\0")]):
        count = max(2, SIZE // len(unit))
        small = steps(pattern, begin + unit * count + end, way)
        large = steps(pattern, begin + unit * (2 * count) + end, way)
        grown.append((large / small, begin + unit))
    return max(grown)


@pytest.mark.parametrize(
    ("pattern", "way"), [p[1:] for p in PATTERNS], ids=[p[0] for p in PATTERNS]
)
def test_work_grows_with_the_text_and_no_faster(pattern: re.Pattern[Any], way: Way) -> None:
    growth, text = worst(pattern, way)
    assert growth < 2.6, f"{pattern.pattern!r} over rows of {text!r}"


@pytest.mark.parametrize(
    "pattern",
    [
        r"<title[^>]*>\s*([^<]{1,200}?)\s*</title",
        r"[?&][^=&#\s]*key=",
        r"a*b?a*c",
        r" *$",
    ],
)
def test_what_backtracks_is_found(pattern: str) -> None:
    growth, _ = worst(re.compile(pattern), "search")
    assert growth > 2.6


def test_no_pattern_is_made_where_nobody_looks() -> None:
    """All are made by `re.compile`, but for those over text of our own."""
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).parts[0] in OURS or path.name in MADE_LATER:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                said = ast.unparse(node.func)
                assert not re.match(
                    r"re\.(search|match|fullmatch|sub|split|findall|finditer)", said
                ), f"{path.name}:{node.lineno}"
