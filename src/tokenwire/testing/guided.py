"""Fuzzing guided by coverage, in a process of its own: atheris ends the process it runs in.

    python -m tokenwire.testing.guided TARGET --seconds N --seed N --save FILE CORPUS

CORPUS is a folder of sound bodies. The exit code is 0 if nothing was found, and `FOUND` if the file
holds a case.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tokenwire.testing.fuzz import LONGEST, Fuzzer, Kept, keep, load_dialect, text_of

FOUND: Final = 9


def is_here() -> bool:
    """Is atheris installed? There are builds for some systems only."""
    return importlib.util.find_spec("atheris") is not None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it; does not return."""
    parser = argparse.ArgumentParser(prog="python -m tokenwire.testing.guided")
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--save", type=Path, required=True)
    parser.add_argument("corpus", type=Path)
    asked = parser.parse_args(arguments)
    sys.path.insert(0, "")  # as for `python -c`: the dialect may stand where the user does
    fuzzer = Fuzzer(load_dialect(asked.target))
    atheris: Any = importlib.import_module("atheris")  # it has no types

    def examine(wire: bytes) -> None:
        found = fuzzer.examine(wire)
        if found is not None:
            keep(asked.save, Kept(dialect=asked.target, case=found[0], found=text_of(*found)))
            os._exit(FOUND)

    def mutate(wire: bytes, longest: int, seed: int) -> bytes:
        return fuzzer.damage(wire, seed)[:longest]

    atheris.instrument_all()
    atheris.Setup(
        [
            sys.argv[0],
            f"-max_total_time={asked.seconds}",
            f"-seed={asked.seed + 1}",  # 0 means a random one
            f"-max_len={LONGEST}",
            str(asked.corpus),
        ],
        examine,
        custom_mutator=mutate,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
