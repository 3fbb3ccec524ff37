"""Pages of documentation as tests read them: fenced blocks, run in order, their output compared.

Three ways to promise an output, and each is checked:

- ``# -> text`` after or below a statement: what it prints, a line for each such comment; for an
  expression that prints nothing, its ``repr``;
- a ``text`` block right after a ``python`` block: all else that the block prints;
- ``...`` in either stands for anything.

The blocks of one page share their names, as if they had been typed one after the other.
"""

from __future__ import annotations

import ast
import doctest
import io
import re
import tokenize
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

FENCE = re.compile(
    r"^(?P<fence>`{3,})(?P<language>[^\n`]*)\n(?P<body>.*?)^(?P=fence)[ ]*$",
    re.MULTILINE | re.DOTALL,
)
PROMISE = re.compile(r"#\s*->\s?(?P<said>.*)")


class Block(NamedTuple):
    """One fenced block: its language, its text, the line of the page on which the text begins."""

    language: str
    body: str
    line: int


def blocks_of(page: str) -> list[Block]:
    return [
        Block(
            found["language"].strip(), found["body"], page.count("\n", 0, found.start("body")) + 1
        )
        for found in FENCE.finditer(page)
    ]


def run_page(path: Path, page: str) -> int:
    """Run all Python of a page; how many promises of output were kept."""
    names: dict[str, Any] = {"__name__": "page"}  # not main: a page may show a whole program
    kept = 0
    printed: str | None = None
    for block in blocks_of(page):
        if block.language == "python":
            printed, promises = run_block(path, block, names)
            kept += promises
        elif block.language == "text" and printed is not None:
            assert_same(block.body, printed, f"{path.name}:{block.line}")
            kept, printed = kept + 1, None
        else:
            printed = None
    return kept


def run_block(path: Path, block: Block, names: dict[str, Any]) -> tuple[str, int]:
    """Run one block; what it printed without a promise, and how many promises it kept."""
    # Blank lines before it make the line numbers of a traceback those of the page.
    source = "\n" * (block.line - 1) + block.body
    promised = _promises(source)
    printed = ""
    body = ast.parse(source, str(path)).body
    ends = [statement.lineno for statement in body[1:]] + [10**9]
    for statement, end in zip(body, ends, strict=True):
        said, value = _run(statement, path, names)
        expected = [text for line, text in promised.items() if statement.lineno <= line < end]
        if expected:
            got = said if said or value is None else repr(value)
            assert_same("\n".join(expected), got, f"{path.name}:{statement.lineno}")
        else:
            printed += said
    return printed, len(promised)


def _run(statement: ast.stmt, path: Path, names: dict[str, Any]) -> tuple[str, Any]:
    with redirect_stdout(io.StringIO()) as output:
        if isinstance(statement, ast.Expr):
            value = eval(
                compile(ast.Expression(statement.value), str(path), "eval", dont_inherit=True),
                names,
            )
        else:
            exec(compile(ast.Module([statement], []), str(path), "exec", dont_inherit=True), names)
            value = None
    return output.getvalue(), value


def _promises(source: str) -> dict[int, str]:
    return dict(_found_promises(source))


def _found_promises(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and (found := PROMISE.match(token.string)):
            yield token.start[0], found["said"]


def assert_same(expected: str, got: str, where: str) -> None:
    want, have = expected.strip() + "\n", got.strip() + "\n"
    if not doctest.OutputChecker().check_output(want, have, doctest.ELLIPSIS):
        assert have == want, f"{where} promises another output"
