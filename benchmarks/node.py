"""eventsource-parser on node, where node and npm are there, timed inside node."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from timing import WrongAnswerError

NAME = "eventsource-parser"
_SCRIPT = Path(__file__).with_name("node_contender.mjs")


class Node:
    """A node process in a temporary folder with the package installed; a context manager.

    Attributes:
        missing: Why there is none; empty where it runs.
        version: Of node and of the package.
    """

    def __init__(self, *, skip: str = "") -> None:
        self.missing = skip
        self.version = ""
        self._rows = 0
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Node:
        self._folder = Path(tempfile.mkdtemp(prefix="tokenwire-bench-"))
        if not self.missing:
            self.missing = self._install()
        if not self.missing:
            self._process = subprocess.Popen(
                ["node", "--expose-gc", _SCRIPT.name],
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _install(self) -> str:
        npm = shutil.which("npm")
        if npm is None or shutil.which("node") is None:
            return "node or npm is not installed"
        (self._folder / "package.json").write_text('{"private": true}', "utf-8")
        shutil.copy(_SCRIPT, self._folder)
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        try:
            subprocess.run(
                [npm, "install", *options, f"{NAME}@latest"],
                cwd=self._folder,
                check=True,
                capture_output=True,
                timeout=60,
            )
            # The newest release, whatever it says of this node: that it runs is seen here.
            code = f"import '{NAME}'; console.log(process.version)"
            version = subprocess.check_output(
                ["node", "--input-type=module", "--eval", code],
                cwd=self._folder,
                text=True,
                timeout=60,
            )
        except (subprocess.SubprocessError, OSError) as error:
            return f"it cannot be installed: {type(error).__name__}"
        package = json.loads(
            (self._folder / "node_modules" / NAME / "package.json").read_text("utf-8")
        )
        self.version = f"{package['version']} on node {version.strip().removeprefix('v')}"
        return ""

    def contender(self, chunks: Sequence[bytes], expected: Sequence[str]) -> InNode:
        """A contender for these chunks, which are handed over by file."""
        self._rows += 1
        row = str(self._rows)
        (self._folder / f"{row}.bin").write_bytes(b"".join(chunks))
        (self._folder / f"{row}.json").write_text(json.dumps([len(c) for c in chunks]), "utf-8")
        return InNode(NAME, self, row, expected)

    def ask(self, **question: Any) -> dict[str, Any]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError("node does not run")
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("node ended; its own message is above")
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass(frozen=True)
class InNode:
    """A contender for one row."""

    name: str
    node: Node
    row: str
    expected: Sequence[str]

    def verify(self) -> None:
        if self.node.ask(row=self.row, repeats=1, verify=True)["texts"] != self.expected:
            raise WrongAnswerError(f"{self.name} did not find what is in the body")

    def time(self, repeats: int) -> int:
        answer = self.node.ask(row=self.row, repeats=repeats)
        if answer["texts"] != len(self.expected):
            raise WrongAnswerError(f"{self.name} found {answer['texts']} tokens")
        return int(answer["ns"])
