"""Runs one benchmark and prints its rows, one JSON object a line.

Exit status: 0 done, 2 for a wrong argument or a corpus that is not there, 130 when interrupted.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, cast

from mailfilter.errors import MailFilterError


class Benchmark(Protocol):
    """What a benchmark's module offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options beyond ``--corpus`` (a list of names, may be empty) and ``--quick`` (a small slice)."""

    def run(self, args: argparse.Namespace) -> Iterator[dict[str, object]]:
        """Measure, and yield rows as they become known."""


def available(folder: Path = Path(__file__).parent) -> dict[str, str]:
    """Each benchmark's name and the first line of its docstring, told without importing any."""
    found = {}
    for file in sorted(folder.glob("*.py")):
        tree = ast.parse(file.read_bytes())
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        if {"add_arguments", "run"} <= functions:
            found[file.stem.replace("_", "-")] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark that ``arguments`` (by default those of the process) name; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    names = available()
    if not words or words[0] in ("-h", "--help"):
        print(_help(names))
        return 0 if words else 2
    name = words[0].replace("_", "-")
    if name not in names:
        print(f"benchmarks: no benchmark {words[0]!r}; there are {', '.join(names)}", file=sys.stderr)
        return 2
    benchmark = cast(Benchmark, importlib.import_module("benchmarks." + name.replace("-", "_")))
    try:
        for row in benchmark.run(_parse(benchmark, name, names[name], words[1:])):
            print(json.dumps(row, default=_plain), flush=True)
    except MailFilterError as error:
        print(f"benchmarks {name}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    return 0


def _parse(benchmark: Benchmark, name: str, title: str, words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {name}", description=title)
    parser.add_argument(
        "--corpus",
        action="append",
        default=[],
        metavar="PATH",
        help="a file or folder, or a name to look up in $MAILFILTER_CORPORA; may be given several times",
    )
    parser.add_argument("--quick", action="store_true", help="a small slice only, to see that it works")
    benchmark.add_arguments(parser)
    return parser.parse_args(words)


def _help(names: dict[str, str]) -> str:
    width = max(map(len, names), default=0)
    lines = [f"  {name:{width}}  {title}" for name, title in names.items()]
    usage = "usage: python -m benchmarks NAME [--corpus PATH]... [--quick] [--help]"
    return "\n".join([usage, "", "Prints one JSON object a line.  Benchmarks:", *lines])


def _plain(value: object) -> object:
    """A numpy number or array as JSON knows it."""
    tolist = getattr(value, "tolist", None)
    return tolist() if tolist is not None else str(value)


if __name__ == "__main__":
    sys.exit(main())
