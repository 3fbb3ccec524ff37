"""Counts the work that framing does on bytes, exactly and on every Python alike.

The source of the framing modules is run with each operation on bytes (``in``, ``==``, slices,
``+``, ``+=``, loops and method calls) sent through a `Meter`, which does it and notes how many
bytes it looked at and how many it wrote. A profiler would see the method calls only.
"""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import msgspec

from tokenwire import Dialect, get_dialect, parser
from tokenwire.framing import awsevents, codelines, jsonarray, jsonlines, lines, rawtext, sse
from tokenwire.parser import ahead, ending, intake

_Bytes = (bytes, bytearray)
_FEW = 64  # bytes: as long as the longest head of an event that a framer remembers


class Meter:
    """What was done with bytes.

    A test of a few bytes at a place that is known, as for a field's name where a line begins, is no
    search: its cost does not grow with the bytes. Decoding is no search either, but writes.

    Attributes:
        searched: Bytes looked at to find something: a line end, a bracket, a checksum's fault.
        copied: Bytes written to new objects.
    """

    def __init__(self) -> None:
        self.searched = 0
        self.copied = 0

    def _made(self, result: Any) -> Any:
        if isinstance(result, (*_Bytes, str)):
            self.copied += len(result)
        elif isinstance(result, list | tuple):
            self.copied += sum(len(one) for one in result if isinstance(one, _Bytes))
        return result

    def contains(self, item: Any, container: Any) -> bool:
        if isinstance(container, _Bytes):
            at = container.find(item)
            self.searched += len(container) if at < 0 else at + 1
        return item in container

    def equals(self, left: Any, right: Any) -> bool:
        if isinstance(left, _Bytes) and isinstance(right, _Bytes) and len(left) == len(right):
            self.searched += len(left) if len(left) > _FEW else 0
        return left == right

    def item(self, owner: Any, key: Any) -> Any:
        result = owner[key]
        return self._made(result) if isinstance(owner, _Bytes) and result is not owner else result

    def add(self, left: Any, right: Any) -> Any:
        return self._made(left + right)

    def add_to(self, left: Any, right: Any) -> Any:
        """``left += right``: a bytearray grows, bytes are written anew."""
        if isinstance(left, bytearray):
            self.copied += len(right)
            left += right
            return left
        return self.add(left, right)

    def walk(self, items: Any) -> Any:
        if isinstance(items, _Bytes):
            self.searched += len(items)
        return items

    def call(self, owner: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        result = getattr(owner, name)(*args, **kwargs)
        if isinstance(owner, _Bytes):
            if name in ("startswith", "endswith", "removeprefix", "removesuffix"):
                self.searched += len(args[0]) if len(args[0]) > _FEW else 0
            elif name in ("find", "index"):
                start, stop = args[1] if len(args) > 1 else 0, min([*args[2:], len(owner)])
                self.searched += (stop if result < 0 else result + 1) - start
            elif name in ("rfind", "rindex"):
                self.searched += len(owner) - max(result, 0)
            elif name in ("strip", "lstrip", "rstrip"):
                self.searched += len(owner) - len(result)
            elif name == "partition":
                self.searched += len(result[0]) + 1
            elif name not in ("join", "decode"):
                self.searched += len(owner)
            if result is not owner:
                self._made(result)
        elif type(owner).__name__ == "Pattern":
            if name == "match":  # from a place on, and no further than it goes
                at = args[1] if len(args) > 1 else 0
                self.searched += (result.end() - at if result else 0) + 1
            else:
                self.searched += sum(len(one) for one in args if isinstance(one, _Bytes))
            self._made(result)
        return result

    def of(self, result: Any) -> Any:
        """The result of a call by name: ``bytes(x)`` and the like copy."""
        return self._made(result) if isinstance(result, _Bytes) else result


class _Metered(ast.NodeTransformer):
    """Sends the operations of a module through a global ``_meter``."""

    def _send(self, method: str, *args: ast.expr, **rest: Any) -> ast.expr:
        function = ast.parse(f"_meter.{method}", mode="eval").body
        return ast.Call(function, [*args], rest.get("keywords", []))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        left, right = node.left, node.comparators[0]
        match node.ops:  # a chain compares numbers
            case [ast.In()]:
                return self._send("contains", left, right)
            case [ast.NotIn()]:
                return ast.UnaryOp(ast.Not(), self._send("contains", left, right))
            case [ast.Eq()]:
                return self._send("equals", left, right)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            return node
        key = node.slice
        if isinstance(key, ast.Slice):
            bounds = [part or ast.Constant(None) for part in (key.lower, key.upper, key.step)]
            key = ast.Call(ast.Name("slice", ast.Load()), bounds, [])
        return self._send("item", node.value, key)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        return self._send("add", node.left, node.right) if isinstance(node.op, ast.Add) else node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        before = ast.parse(ast.unparse(node.target), mode="eval").body
        self.generic_visit(node)
        if not isinstance(node.op, ast.Add):
            return node
        return ast.Assign([node.target], self._send("add_to", before, node.value))

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        node.iter = self._send("walk", node.iter)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.iter = self._send("walk", node.iter)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute):
            name = ast.Constant(node.func.attr)
            return self._send("call", node.func.value, name, *node.args, keywords=node.keywords)
        return self._send("of", node)


def metered(
    source: str, name: str, meter: Meter, imports: Mapping[str, ModuleType] | None = None
) -> ModuleType:
    """A module that runs ``source`` and counts on ``meter``; ``imports`` stand in for others."""
    tree = ast.fix_missing_locations(_Metered().visit(ast.parse(source)))
    module = ModuleType(f"metered.{name}")
    module.__dict__["_meter"] = meter

    def import_module(name: str, *rest: Any) -> Any:
        return (imports or {}).get(name) or __import__(name, *rest)

    module.__dict__["__builtins__"] = {**vars(builtins), "__import__": import_module}
    exec(compile(tree, f"<metered {name}>", "exec"), module.__dict__)
    return module


def metered_framers(meter: Meter) -> dict[str, Any]:
    """The framers by name, all of whose work counts on ``meter``."""
    originals = {
        "LineSplitter": lines,  # first what the others import
        "SSEFramer": sse,
        "JSONLinesFramer": jsonlines,
        "CodeLinesFramer": codelines,
        "JSONArrayFramer": jsonarray,
        "AWSEventsFramer": awsevents,
        "RawTextFramer": rawtext,
    }
    modules: dict[str, ModuleType] = {}
    for name, original in originals.items():
        source = inspect.getsource(original)
        modules[original.__name__] = metered(source, name, meter, modules)
    return {
        name: getattr(modules[original.__name__], name)
        for name, original in originals.items()
        if original is not lines
    }


def metered_parser(meter: Meter, name: str) -> tuple[Any, Dialect]:
    """``StreamParser`` and a dialect for it: all but the decoding of a frame counts on ``meter``."""
    dialect = get_dialect(name)
    framer = metered_framers(meter)[dialect.framer.__name__]
    modules: dict[str, ModuleType] = {}
    for room in (intake, ahead, ending, parser):  # in the order in which they import each other
        source = inspect.getsource(room)
        modules[room.__name__] = metered(source, room.__name__, meter, modules)
    found = modules[parser.__name__].StreamParser
    return found, msgspec.structs.replace(dialect, framer=framer)
